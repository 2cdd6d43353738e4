"""Faults of the family deployment, each made in a healthy snapshot."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from support.check_assertions import Fault
from support.snapshots import (
    ARN,
    NOW,
    definition_arn,
    deployment,
    rotated,
    stuck,
    task,
    with_service,
    with_tasks,
)

from omc_runbook.aws.ecs import ServiceEvent, TaskContainer
from omc_runbook.snapshot.state import Snapshot

BACKEND, WORKER, NOBODY = frozenset({"backend"}), frozenset({"worker"}), frozenset[str]()


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


def alone_since(created: datetime) -> Callable[[Snapshot], Snapshot]:
    """Let a task of the worker's family run outside a service."""
    return lambda snapshot: with_tasks(snapshot, replace(task("worker", created), service="", deployment_id=""))


FAULTS = {
    "wrong-names": Fault(
        lambda s: replace(s, service_names=None, services=(), clusters=("ohmycoins-staging-cluster",)),
        "ohmycoins-staging",
        "did you mean ohmycoins-staging-cluster?",
        NOBODY,
    ),
    "not-forced": Fault(changed(), "backend", "Keys whose value differs: SECRET_KEY."),
    "pull-failed": Fault(failing(PULL), "worker", "3 tasks of worker never started", WORKER),
    "health-check": Fault(failing(HEALTH, **RUNNING), "worker", "failed the health check", WORKER),
    "task-exits": Fault(failing(EXIT, **EXITED), "worker", "and exited", WORKER),
    "command-fails": Fault(
        failing(EXIT, **{**EXITED, "containers": (TaskContainer("worker", 127, ""),)}),
        "worker",
        "Exit code 127: the shell cannot find the command",
        WORKER,
    ),
    "task-stale": Fault(
        alone_since(NOW - timedelta(days=20)),
        "ohmycoins-staging-worker (run alone)",
        "no deployment replaces them",
        frozenset({"ohmycoins-staging-worker (run alone)"}),
    ),
    "other-definition": Fault(
        service("worker", task_definition_arn=definition_arn("backend")), "worker", "the family of backend", WORKER
    ),
    "image-pull": Fault(failing(IMAGE), "worker", "never started: no image", WORKER),
    "log-group": Fault(failing(LOG), "worker", "no log to write to", WORKER),
    "volume": Fault(failing(VOLUME), "worker", "a volume is not mounted", WORKER),
    "start-failed": Fault(failing(START), "worker", "a container cannot start", WORKER),
    "out-of-memory": Fault(failing(MEMORY, **EXITED), "worker", "out of memory", WORKER),
    "no-capacity": Fault(unplaced, "worker", "RESOURCE:MEMORY", WORKER),
    "rollout-stuck": Fault(failing(EXIT, **EXITED), "worker", "IN_PROGRESS with 3 failed tasks", WORKER),
    "breaker-rollback": Fault(rolled_back, "backend", "rolling back to deploymentId", BACKEND),
    "desired-zero": Fault(service("backend", desired=0, running=0), "backend", "desiredCount 0", BACKEND),
    "external-controller": Fault(service("backend", controller="EXTERNAL"), "backend", "controller EXTERNAL", BACKEND),
    "code-deploy": Fault(service("backend", controller="CODE_DEPLOY"), "backend", "CODE_DEPLOY", BACKEND),
}
