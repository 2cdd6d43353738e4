"""Faults of the family deployment, each made in a healthy snapshot."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from support.check_assertions import Fault
from support.scene import Shown, refused_deployment
from support.snapshots import (
    ACCOUNT,
    ARN,
    DEPLOYED,
    NOW,
    REGION,
    definition_arn,
    deployment,
    rotated,
    stuck,
    task,
    with_service,
)

from omc_runbook.aws.deployments import DeploymentConfiguration, LifecycleHook, ServiceDeployment, ServiceRevision
from omc_runbook.aws.ecs import ServiceEvent, TaskContainer
from omc_runbook.sandbox.worlds import staging
from omc_runbook.snapshot.state import Snapshot

PULL = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    f"unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret {ARN} from "
    "Secrets Manager did not contain json key OPENAI_API_KEY"
)
HEALTH = "Task failed container health checks"
EXIT = "Essential container in task exited"
IMAGE = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref a/b: not found"
LOG = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to "
    "create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.: exit status 1"
)
FILE = "ResourceInitializationError: failed to download env files: file download command: non empty error stream: 404"
VOLUME = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: mount.nfs4"
START = 'CannotStartContainerError: OCI runtime create failed: exec: "/app/run": executable file not found in $PATH'
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
BREAKER = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
RUNNING = {"started": NOW - timedelta(minutes=6)}
EXITED = {"stop_code": "EssentialContainerExited", "containers": (TaskContainer("worker", 1, ""),), **RUNNING}


def changed(at: datetime = NOW - timedelta(hours=1)) -> Callable[[Snapshot], Snapshot]:
    """Give SECRET_KEY a new value, and force no deployment."""
    return lambda snapshot: rotated(snapshot, at, SECRET_KEY=secrets.token_hex(32))


def service(name: str, **changes: object) -> Callable[[Snapshot], Snapshot]:
    """Change a service."""
    return lambda snapshot: with_service(snapshot, name, **changes)


def failing(reason: str, **changes: object) -> Callable[[Snapshot], Snapshot]:
    """Let the worker's new tasks fail for a reason."""
    return lambda snapshot: stuck(snapshot, "worker", reason, **changes)


def rolled_back(snapshot: Snapshot) -> Snapshot:
    """Let the circuit breaker have rolled backend's deployment back."""
    back = deployment("backend", NOW - timedelta(minutes=5), rollout_reason=BREAKER)
    return with_service(snapshot, "backend", deployments=(back,))


def unplaced(snapshot: Snapshot) -> Snapshot:
    """Let the worker's new task find no instance with enough memory."""
    began = NOW - timedelta(minutes=9)
    new = deployment("worker", began, id="ecs-svc/new", rollout="IN_PROGRESS", rollout_reason="", running=0)
    message = (
        "(service worker) was unable to place a task because no container instance met all of its requirements. "
        "The closest matching (container-instance 1) encountered error RESOURCE:MEMORY."
    )
    events = (ServiceEvent(NOW - timedelta(minutes=1), message),)
    deployments = (new, deployment("worker", status="ACTIVE"))
    return with_service(snapshot, "worker", deployments=deployments, events=events)


def deployed(snapshot: Snapshot, name: str, status: str, stage: str = "", reason: str = "", **more: object) -> Snapshot:
    """Let a service be deployed BLUE_GREEN, with a second deployment of this status that began ten minutes ago."""
    began = NOW - timedelta(minutes=10)
    new = deployment(name, began, id="ecs-svc/2", rollout="", rollout_reason="")
    old = deployment(name, id="ecs-svc/1", rollout="", rollout_reason="")
    is_back = status.startswith("ROLLBACK_")
    deployments = (old,) if is_back else (new, replace(old, status="ACTIVE"))
    if status == "SUCCESSFUL":
        deployments = (new,)
    found = (service_deployment(name, 2, began, status, stage, reason, **more), service_deployment(name, 1, DEPLOYED))
    [present] = [each for each in snapshot.services if each.name == name]
    configured = replace(
        present,
        configuration=DeploymentConfiguration(strategy="BLUE_GREEN", bake=timedelta(hours=2)),
        deployments=deployments,
    )
    services = (configured.with_service_deployments(found) if each is present else each for each in snapshot.services)
    return replace(snapshot, services=tuple(services))


def service_deployment(
    name: str,
    number: int,
    created: datetime,
    status: str = "SUCCESSFUL",
    stage: str = "",
    reason: str = "",
    hooks: tuple[LifecycleHook, ...] = (),
    failures: int = 0,
) -> ServiceDeployment:
    """A service deployment of a service, as it is described."""
    base = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
    revision = f"{base}:service-revision/ohmycoins-staging/{name}/{number}"
    return ServiceDeployment(
        arn=f"{base}:service-deployment/ohmycoins-staging/{name}/d{number}",
        status=status,
        reason=reason,
        target=ServiceRevision(arn=revision, requested=1, running=1, weight=100.0),
        created=created,
        stage=stage,
        hooks=hooks,
        failures=failures,
        threshold=3,
    )


def paused(snapshot: Snapshot) -> Snapshot:
    """Let backend's deployment wait for a person."""
    until = NOW + timedelta(hours=23)
    hook = LifecycleHook(
        id="hook-1", target="PAUSE", status="AWAITING_ACTION", expires=until, timeout_action="ROLLBACK"
    )
    return deployed(snapshot, "backend", "IN_PROGRESS", "POST_TEST_TRAFFIC_SHIFT", hooks=(hook,))


def run_alone(snapshot: Snapshot) -> Snapshot:
    """Let a task of the worker's definition run outside the services since before the secret changed."""
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/ohmycoins-staging/{'a1' * 16}"
    alone = task("worker", arn=arn, service="", deployment_id="events-rule/nightly")
    changed_snapshot = changed(DEPLOYED + timedelta(hours=1))(replace(snapshot, tasks=(*snapshot.tasks, alone)))
    fresh = (replace(each, created=NOW, started=NOW) if each.service else each for each in changed_snapshot.tasks)
    return replace(changed_snapshot, tasks=tuple(fresh))


FAULTS = {
    "wrong-names": Fault(
        lambda s: replace(s, service_names=None, services=(), clusters=("ohmycoins-staging-cluster",)),
        "ohmycoins-staging",
        "did you mean ohmycoins-staging-cluster?",
        "",
    ),
    "not-forced": Fault(changed(), "backend", "Keys whose value differs: SECRET_KEY."),
    "pull-failed": Fault(failing(PULL), "worker", "3 tasks of worker never started", "worker"),
    "health-check": Fault(failing(HEALTH, **RUNNING), "worker", "failed the health check", "worker"),
    "task-exits": Fault(failing(EXIT, **EXITED), "worker", "and exited", "worker"),
    "command-fails": Fault(
        failing(EXIT, **{**EXITED, "containers": (TaskContainer("worker", 127, ""),)}),
        "worker",
        "Exit code 127: the shell cannot find the command",
        "worker",
    ),
    "other-definition": Fault(
        service("worker", task_definition_arn=definition_arn("backend")), "worker", "the family of backend", "worker"
    ),
    "image-pull": Fault(failing(IMAGE), "worker", "never started: no image", "worker"),
    "log-group": Fault(failing(LOG), "worker", "no log to write to", "worker"),
    "environment-file": Fault(failing(FILE), "worker", "never started: no environment file", "worker"),
    "volume": Fault(failing(VOLUME), "worker", "a volume is not mounted", "worker"),
    "start-failed": Fault(failing(START), "worker", "a container cannot start", "worker"),
    "out-of-memory": Fault(failing(MEMORY, **EXITED), "worker", "out of memory", "worker"),
    "no-capacity": Fault(unplaced, "worker", "RESOURCE:MEMORY", "worker"),
    "rollout-stuck": Fault(
        failing(EXIT, **EXITED), "worker", "3 failed tasks; 0 of 1 tasks run, and 1 of earlier deployments.", "worker"
    ),
    "breaker-rollback": Fault(rolled_back, "backend", "rolling back to deploymentId", "backend"),
    "deployment-paused": Fault(paused, "backend", "waits at POST_TEST_TRAFFIC_SHIFT, hook hook-1", "backend"),
    "lone-task": Fault(run_alone, "a1a1a1a1", "started by events-rule/nightly", ""),
    "desired-zero": Fault(service("backend", desired=0, running=0), "backend", "desiredCount 0", "backend"),
    "external-controller": Fault(
        service("backend", controller="EXTERNAL"), "backend", "controller EXTERNAL", "backend"
    ),
    "code-deploy": Fault(service("backend", controller="CODE_DEPLOY"), "backend", "CODE_DEPLOY", "backend"),
}

SHOWN: Shown = {
    "not-forced": lambda s: (
        s.value()["CreatedDate"] > s.service("backend")["deployments"][0]["createdAt"] and s.whole()
    ),
    "wrong-names": lambda s: (
        not s.world.services()
        and s.service(f"{staging.STAGING}-backend", f"{staging.STAGING}-cluster")["deployments"][0]["rolloutState"]
        == "COMPLETED"
    ),
    "rollout-stuck": lambda s: (
        s.rollout("worker")[0] == "IN_PROGRESS"
        and s.service("worker")["deployments"][1]["runningCount"] == 1
        and all("startedAt" in task for task in s.stopped("worker"))
    ),
    "breaker-rollback": lambda s: "circuit breaker: rolling back" in s.rollout("backend")[1],
    "command-fails": lambda s: (
        127 in {container["exitCode"] for task in s.stopped("backend") for container in task["containers"]}
        and "circuit breaker" in s.rollout("backend")[1]
    ),
    "other-definition": lambda s: s.definition("worker")["family"] == f"{staging.STAGING}-backend" and s.whole(),
    "deployment-paused": lambda s: s.pauses("backend") == ["AWAITING_ACTION"],
    "lone-task": lambda s: s.alone() == ["RUNNING"] and s.whole(),
    "desired-zero": lambda s: s.service("backend")["desiredCount"] == s.service("backend")["runningCount"] == 0,
    "external-controller": lambda s: (
        s.service("backend")["deploymentController"]["type"] == "EXTERNAL"
        and s.service("backend")["taskSets"][0]["runningCount"] == 2
    ),
    "code-deploy": lambda s: (
        s.service("backend")["deploymentController"]["type"] == "CODE_DEPLOY"
        and s.service("backend")["taskSets"][0]["runningCount"] == 2
        and "CODE_DEPLOY" in refused_deployment(s)
    ),
    "image-pull": lambda s: "CannotPullContainerError" in s.reasons() and ": not found" in s.reasons(),
    "out-of-memory": lambda s: any(
        (container["exitCode"], container["reason"]) == (137, "OutOfMemoryError: Container killed due to memory usage")
        for task in s.stopped("worker")
        for container in task["containers"]
    ),
    "log-group": lambda s: (
        "failed to validate logger args" in s.reasons() and "log group does not exist" in s.reasons()
    ),
    "health-check": lambda s: (
        s.rollout("worker")[0] == "IN_PROGRESS"
        and "health checks" in s.reasons()
        and all("startedAt" in task for task in s.stopped("worker"))
    ),
}
