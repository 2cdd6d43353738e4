"""Checks of tasks that stop: what ECS wrote, in its many spellings, and whether it is a secrets problem."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.check_assertions import by_id, root_causes
from support.snapshots import (
    ACCOUNT,
    ARN,
    CHANGED,
    DEPLOYED,
    NAME,
    NOW,
    REGION,
    ROLE,
    definition_arn,
    deployment,
    healthy,
    rotated,
    stopped,
    stuck,
    task,
    with_container,
    with_definition,
    with_keys,
    with_reference,
    with_service,
    with_tasks,
    with_text,
    without_key,
)

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.ecs import ServiceEvent, TaskContainer
from omc_runbook.changes.deploy import readiness
from omc_runbook.checks import startup
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.stopped_tasks import stale_stops
from omc_runbook.diagnosis.root_causes import NOT_SECRETS, diagnose
from omc_runbook.model.catalogue import Key
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(startup))
EXIT = "Essential container in task exited"
PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "
ECR = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins-staging-worker"
ASSUME = f"{PULL}ECS was unable to assume the role"
TASK_ROLE = ROLE.replace("task-execution-role", "task-role")
MANIFEST = "CannotPullContainerError: pull image manifest: image Manifest does not contain descriptor"
LOGGER = "ResourceInitializationError: failed to validate logger args: "
FILES = "ResourceInitializationError: failed to download env files: "
DENIED = "api error AccessDeniedException: it is not authorized to perform: secretsmanager:GetSecretValue on resource:"
KEY_DENIED = f"it is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b"
STRANGE = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:domain-login-Zz12Yy"
MANAGED = STRANGE.replace("domain-login", "ecs-sc!tls")
TLS_ROLE = f"User: arn:aws:sts::{ACCOUNT}:assumed-role/connect-tls/9f1c"
RAN: dict[str, Any] = {"started": NOW - timedelta(minutes=5)}


def ended(code: int | None, reason: str = "") -> dict[str, Any]:
    """A task whose one container ran and ended with a code, for a reason."""
    container = TaskContainer("worker", code, reason)
    return {**RAN, "stop_code": "EssentialContainerExited", "containers": (container,)}


def found(id: str, snapshot: Snapshot) -> Finding:
    """The one finding of a check."""
    [finding] = run_check(CHECKS[id], snapshot)
    assert finding.status == "found"
    return finding


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ("image-pull", f"CannotPullContainerError: inspect image has been retried 1 time(s): {ECR}:9: not found"),
        ("image-pull", "CannotPullContainerError: Error response from daemon: pull access denied for worker"),
        ("image-pull", "CannotPullContainerError: no basic auth credentials"),
        ("image-pull", "CannotPullContainerError: Get https://x: dial tcp 1.2.3.4:443: i/o timeout"),
        ("image-pull", "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit"),
        ("image-pull", "CannotPullImageManifestError: Error response from daemon: manifest unknown"),
        ("image-pull", f"{PULL}execution resource retrieval failed: unable to retrieve ecr registry auth: denied"),
        ("image-pull", f"{PULL}The task cannot pull registry auth from Amazon ECR: There is a connection issue"),
        ("image-pull", f"{PULL}unable to retrieve ecr registry auth: ThrottlingException: Rate exceeded"),
        ("log-group", f"{LOGGER}create stream has been retried 1 times: ResourceNotFoundException: no such group"),
        ("log-group", f"{LOGGER}: signal: killed"),
        ("log-group", "CannotStartContainerError: Error response from daemon: failed to initialize logging driver"),
        (
            "log-group",
            "ResourceInitializationError: failed to download s3 object: unable to create firelens config file",
        ),
        ("log-group", "ResourceInitializationError: The task cannot find the Amazon CloudWatch log group defined"),
        ("volume", "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr:"),
        ("environment-file", f"{FILES}file download command: non empty error stream: AccessDenied: status code: 403"),
        ("environment-file", f"{FILES}file download command: NotFound: Not Found status code: 404"),
        ("environment-file", f"{FILES}RequestCanceled: request context canceled caused by: context deadline exceeded"),
        ("environment-file", f"{FILES}The task can't download the environment variable files from Amazon S3. There is"),
        ("start-failed", "ResourceInitializationError: unable to create new container: no users found"),
        ("volume", "CannotCreateVolumeError: Error response from daemon: create"),
        ("no-capacity", "ResourceInitializationError: timeout waiting for network interface provisioning to complete"),
        ("no-capacity", "Capacity is unavailable at this time. Please try again later or in a different zone"),
        ("start-failed", "CannotStartContainerError: failed to create new container runtime task: OCI runtime create"),
        ("start-failed", "CannotCreateContainerError: Error response from daemon: devmapper: Thin Pool has 4350 free"),
        ("start-failed", "ContainerRuntimeError: unable to find user app: no matching entries in passwd file"),
        ("pull-failed", f"{PULL}There is a connection issue between the task and AWS Secrets Manager."),
        ("pull-failed", f"{PULL}unable to retrieve secret from asm: did not contain json key VOLUME_LOG_GROUP"),
        ("pull-failed", f"{PULL}unable to retrieve secrets from ssm: AccessDeniedException"),
        ("pull-failed", f"{PULL}ECS was unable to assume the role 'arn:aws:iam::1:role/r'"),
    ],
)
def test_tasks_that_never_started(cause: str, reason: str) -> None:
    """ECS's message says what it could not prepare, and that is the one cause of a stuck rollout."""
    assert root_causes(stuck(healthy(), "worker", reason)) == [cause]


@pytest.mark.parametrize(
    ("cause", "reason", "changes"),
    [
        ("out-of-memory", "OutOfMemoryError: Container killed due to memory usage", ended(137)),
        ("out-of-memory", EXIT, ended(137, "OutOfMemoryError: container killed due to memory usage")),
        ("health-check", "Task failed container health checks", {**RAN, "stop_code": "ServiceSchedulerInitiated"}),
        ("health-check", "Task failed ELB health checks in (target-group arn:aws:elb)", RAN),
        ("start-failed", "CannotStartContainerError: failed to start", {**RAN, "stop_code": "TaskFailedToStart"}),
    ],
)
def test_tasks_that_ran(cause: str, reason: str, changes: dict[str, Any]) -> None:
    """So is what ended tasks that had their secrets."""
    assert root_causes(stuck(healthy(), "worker", reason, **changes)) == [cause]


ORDER = (
    "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [migrate(STOPPED->"
    "RUNNING) - Exit: 1] for target [worker(NONE->RUNNING)] as dependency did not exit successfully."
)
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def test_a_reason_that_the_task_and_its_container_have_is_shown_once() -> None:
    """ECS gives that of a container that was killed for its memory twice."""
    snapshot = stuck(healthy(), "worker", OUT_OF_MEMORY, **ended(137, OUT_OF_MEMORY))
    assert found("out-of-memory", snapshot).evidence[1].endswith(f": {OUT_OF_MEMORY} (worker: exit code 137)")
    assert found("out-of-memory", snapshot).evidence[1].count(OUT_OF_MEMORY) == 1


@pytest.mark.parametrize(
    ("cause", "first", "main", "line"),
    [
        ("rollout-stuck", (1, ""), (None, ""), ""),
        ("rollout-stuck", (1, ""), (143, ORDER), ""),
        ("store-only", (1, ""), (None, ""), "FATAL: password authentication failed for user app"),
        ("store-only", (1, ""), (143, ORDER), "FATAL: password authentication failed for user app"),
        ("command-fails", (127, ""), (None, ""), ""),
        ("out-of-memory", (137, OUT_OF_MEMORY), (None, ""), ""),
        ("image-pull", (None, "CannotPullContainerError: not found"), (None, ""), ""),
        ("image-pull", (137, ""), (None, "CannotPullContainerError: not found"), ""),
    ],
)
def test_a_container_for_which_the_application_waits(
    cause: str, first: tuple[int | None, str], main: tuple[int | None, str], line: str
) -> None:
    """Migrations that fail keep a task from starting, of which ECS says no more, and the secrets were all there."""
    containers = (TaskContainer("migrate", *first), TaskContainer("worker", *main))
    with_failures = with_definition(
        stuck(healthy(), "worker", "Task failed to start", containers=containers),
        "worker",
        lambda old: replace(
            old, containers=(replace(old.containers[0], name="migrate", essential=False), *old.containers)
        ),
    )
    lines = {each.id: (f"The log of migrate says: {line}",) for each in with_failures.tasks if each.stopped and line}
    assert root_causes(replace(with_failures, log_lines=lines)) == [cause]


def test_containers_that_ran_before_a_secret_was_refused() -> None:
    """What ECS says of the secret counts, though an agent had started a container without secrets."""
    containers = (TaskContainer("agent", 143, ""), TaskContainer("worker", None, ""))
    reason = f"{PULL}unable to retrieve secret from asm: did not contain json key VOLUME"
    assert root_causes(stuck(healthy(), "worker", reason, containers=containers)) == ["pull-failed"]


@pytest.mark.parametrize("code", [0, 1, 137, 143])
def test_an_exit_by_itself_is_no_want_of_memory(code: int) -> None:
    """Without ECS's word for it, a SIGKILL is an exit as any other."""
    snapshot = stuck(healthy(), "worker", EXIT, **ended(code))
    assert root_causes(snapshot) == ["rollout-stuck"]
    assert ("lack of memory" in " ".join(found("task-exits", snapshot).evidence)) == (code == 137)


def test_what_is_no_secrets_problem_says_so() -> None:
    """The title alone tells that the secret is not to blame."""
    assert {id for id, check in CHECKS.items() if "not a secrets problem" in check.title} == NOT_SECRETS


THIN_POOL = "devmapper: Thin Pool has 4350 free data blocks which is less than minimum required 4454 free data blocks"


@pytest.mark.parametrize(
    ("id", "reason", "where"),
    [
        ("image-pull", f"CannotPullContainerError: {ECR}:9: not found", "--image-ids imageTag=9 --registry-id"),
        ("image-pull", "CannotPullContainerError: pull access denied", "task-execution-role may pull it"),
        ("image-pull", "CannotPullContainerError: dial tcp: i/o timeout", "ECR's and S3's endpoints"),
        ("image-pull", f"{MANIFEST} matching platform 'linux/amd64'", "cpuArchitecture in ohmycoins-staging-worker:7"),
        ("image-pull", "CannotPullContainerError: toomanyrequests: Rate exceeded", "registry's limit has passed"),
        ("image-pull", "CannotPullContainerError: write /tmp: no space left on device", "ephemeralStorage in ohmy"),
        ("start-failed", "CannotCreateContainerError: API error (500): no space left on device", "ephemeralStorage in"),
        ("start-failed", f"CannotCreateContainerError: Error response from daemon: {THIN_POOL}", "instances' disks"),
        ("start-failed", 'CannotStartContainerError: exec: "run": not found in $PATH', "Check the image: whether it"),
        ("log-group", f"{LOGGER}ResourceNotFoundException: /ecs/w", "create-log-group --log-group-name /ecs/w"),
        ("log-group", f"{LOGGER}AccessDeniedException: logs:CreateLogStream", "logs:CreateLogStream and logs:Put"),
        ("log-group", f"{LOGGER}dial tcp 1.2.3.4:443: i/o timeout", "CloudWatch Logs: NAT"),
        ("log-group", f"{LOGGER}: signal: killed", "CloudWatch Logs: NAT"),
        ("environment-file", f"{FILES}AccessDenied", "task-execution-role is allowed s3:GetObject"),
        ("environment-file", f"{FILES}dial tcp 1.2.3.4:443: i/o timeout", "S3: NAT"),
        ("pull-failed", f"{PULL}secret from asm: net/http: TLS handshake timeout", "Check the way from the tasks'"),
        ("pull-failed", f"{ASSUME} '{TASK_ROLE}' that was provided", "assume the task role ohmycoins-staging-ecs-task"),
        ("pull-failed", f"{ASSUME} '{ROLE}' that was provided", "aws ecs update-service"),
        ("pull-failed", f"{PULL}{DENIED} {STRANGE} because", f"GetSecretValue on {STRANGE}, or correct that ARN: ohmy"),
        ("pull-failed", f"{PULL}{DENIED} {STRANGE} with an explicit deny", "Remove what denies the execution role"),
        ("pull-failed", f"{PULL}{DENIED} {MANAGED} because", f"GetSecretValue on {MANAGED}, or correct that ARN: ohmy"),
        (
            "pull-failed",
            f"{PULL}{KEY_DENIED}. {DENIED} {STRANGE}",
            f"secretsmanager:GetSecretValue on {STRANGE}, or co",
        ),
        ("pull-failed", f"{PULL}{TLS_ROLE} {DENIED} {MANAGED}", "Allow the role connect-tls secretsmanager:GetSecret"),
        ("pull-failed", f"{PULL}{DENIED} {ARN} because", "aws ecs update-service"),
        ("pull-failed", f"{PULL}{DENIED} {STRANGE}.", f"GetSecretValue on {STRANGE}, or correct that ARN"),
        ("volume", f"unable to configure EBS volume: {ASSUME} '{STRANGE}'", "AmazonECSInfrastructureRolePolicyForVol"),
        ("volume", "VolumeError: Agent could not create task's volume resources", "the file system, its mount"),
    ],
)
def test_where_to_look(id: str, reason: str, where: str) -> None:
    """The remedy follows the words: the thing itself, the permission, or the way to it."""
    snapshot = with_container(
        healthy(), "worker", lambda old: replace(old, image=f"{ECR}:9", log_group="/ecs/w", log_prefix="ecs")
    )
    assert where in found(id, stuck(snapshot, "worker", reason)).remedy.command


def test_an_incomplete_reference_names_the_secret_that_aws_names_in_full() -> None:
    """No file is to blame for it, also where the secret itself could not be read."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", f"{STRANGE.rpartition('-')[0]}:KEY::")
    remedy = found("pull-failed", stuck(snapshot, "worker", f"{PULL}{DENIED} {STRANGE} because")).remedy
    assert remedy.command.startswith("aws ecs update-service")


@pytest.mark.parametrize("id", ["task-exits", "health-check"])
def test_logs_that_were_not_read_are_troubleshoots(id: str) -> None:
    """It reads them and names the value that the application refuses; where it has, the log is left to a person."""
    reason, how = (EXIT, ended(1)) if id == "task-exits" else ("Task failed container health checks", RAN)
    snapshot = stuck(healthy(), "worker", reason, **how)
    tail = "aws logs tail /ecs/ohmycoins-staging/worker --since 30m --region ap-southeast-2"
    assert found(id, snapshot).remedy.ways == ("omc-runbook run troubleshoot -p environment staging", tail)
    assert found(id, replace(snapshot, log_lines={})).remedy.ways == (tail,)


@pytest.mark.parametrize(("role", "is_named"), [(TASK_ROLE.replace("role/", "role/of/apps/"), True), (ROLE, False)])
def test_a_task_role_with_a_path_is_named_and_one_that_is_the_execution_role_is_not(role: str, is_named: bool) -> None:
    """ECS names the whole ARN; the execution role's trust is a finding of its own."""
    snapshot = with_definition(healthy(), "worker", lambda old: replace(old, task_role_arn=role))
    remedy = found("pull-failed", stuck(snapshot, "worker", f"{ASSUME} '{role}' that was provided")).remedy
    assert ("the task role" in remedy.command) is is_named


@pytest.mark.parametrize(
    ("groups", "reason", "advice"),
    [
        (("", "/ecs/w"), "no such group", "aws logs create-log-group --log-group-name /ecs/w "),
        (("/ecs/w", "/ecs/w"), "no such group", "aws logs create-log-group --log-group-name /ecs/w "),
        (("/ecs/w", "/ecs/w-otel"), "/ecs/w-otel", "aws logs create-log-group --log-group-name /ecs/w-otel "),
        (("/ecs/w", "/ecs/w-otel"), "no such group", "Create the log group that does not exist, with `aws logs"),
    ],
)
def test_the_log_group_of_any_container_may_be_the_missing_one(
    groups: tuple[str, ...], reason: str, advice: str
) -> None:
    """A container that keeps no log is not to blame, and of several log groups none is created that may exist."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, log_group=groups[0]))
    arn = definition_arn("worker")
    definition = snapshot.task_definitions[arn]
    beside = replace(definition.containers[0], name="otel", log_group=groups[1], secrets=())
    whole = replace(definition, containers=(*definition.containers, beside))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, arn: whole})
    command = found("log-group", stuck(snapshot, "worker", f"{LOGGER}{reason}")).remedy.command
    assert command.startswith(advice) and "update-service" in command


def test_no_permission_is_missing_for_a_log_that_does_not_exist_or_is_none_of_cloudwatch() -> None:
    """Of another log driver, or of a revision that was not read, no log group is known."""
    for reason, has_permission in (("no such group", False), ("AccessDeniedException: logs:CreateLogStream", True)):
        command = found("log-group", stuck(healthy(), "worker", f"{LOGGER}{reason}")).remedy.command
        assert ("logs:CreateLogStream" in command) is has_permission
        assert has_permission or command.startswith("Check logConfiguration in ohmycoins-staging-worker:7:")


def test_a_log_group_of_another_region_is_named_with_it() -> None:
    """A group that exists here is not created once more, and a log is read where it is written."""
    away = with_container(healthy(), "worker", lambda old: replace(old, log_group="/ecs/w", log_region="eu-west-1"))
    command = found("log-group", stuck(away, "worker", f"{LOGGER}no such group")).remedy.command
    assert command.startswith(
        "Correct awslogs-region of worker in ohmycoins-staging-worker:7, which logs to /ecs/w in eu"
    )
    assert "create-log-group --log-group-name /ecs/w --region eu-west-1`" in command and is_sentence(command)
    exited = found("task-exits", stuck(away, "worker", EXIT, **ended(1)))
    assert exited.remedy.command == "aws logs tail /ecs/w --since 30m --region eu-west-1"
    here = with_container(healthy(), "worker", lambda old: replace(old, log_group="/ecs/w", log_region=REGION))
    assert "awslogs-region" not in found("log-group", stuck(here, "worker", f"{LOGGER}no such group")).remedy.command


def test_what_the_log_says_is_evidence() -> None:
    """The last words of the newest task that has some stand under the reason that ECS gives."""
    snapshot = stuck(healthy(), "worker", EXIT, **ended(1))
    log_lines = {stop.id: ("The log of worker says: KeyError: 'DATABASE'",) for stop in snapshot.tasks[-1:]}
    assert log_lines["".join(log_lines)][0] in found("task-exits", replace(snapshot, log_lines=log_lines)).evidence


def test_an_image_for_another_processor_is_told_by_the_log() -> None:
    """ECS says only that the task exited; its one line says why."""
    snapshot = stuck(healthy(), "worker", EXIT, **ended(1))
    log_lines = ("The log of worker says: exec /app/run: exec format error",)
    assert root_causes(replace(snapshot, log_lines={stop.id: log_lines for stop in snapshot.tasks})) == ["start-failed"]


def saying(message: str, minutes: int = 1, **changes: Any) -> Snapshot:
    """A worker whose deployment of nine minutes ago has not begun to run, and what ECS said last."""
    began = NOW - timedelta(minutes=9)
    new = deployment("worker", began, id="ecs-svc/new", rollout="IN_PROGRESS", rollout_reason="", running=0)
    event = ServiceEvent(NOW - timedelta(minutes=minutes), f"(service worker) {message}")
    current = replace(new, **changes)
    return with_service(
        healthy(), "worker", deployments=(current, deployment("worker", status="ACTIVE")), events=(event,)
    )


UNPLACED = "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later."


@pytest.mark.parametrize(
    "message",
    [
        UNPLACED,
        "was unable to place a task because no container instance met all of its requirements. Reason: No Container "
        "Instances were found in your cluster.",
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently.",
        "was unable to place a task because no container instance met all of its requirements. The closest matching "
        "container-instance 1 has insufficient memory available.",
    ],
)
def test_no_place_for_a_task(message: str) -> None:
    """A deployment that waits for room has no failed tasks, and is found by its events."""
    assert root_causes(saying(message)) == ["no-capacity"]


@pytest.mark.parametrize(
    ("running", "new", "sentence"),
    [
        (0, 0, "worker runs 0 of 2 desired tasks."),
        (2, 0, "worker runs 2 of 2 desired tasks, 0 of them of its newest deployment."),
        (3, 1, "worker runs 3 tasks, 2 desired, 1 of them of its newest deployment."),
    ],
)
def test_tasks_of_before_a_deployment_do_not_hide_what_it_lacks(running: int, new: int, sentence: str) -> None:
    """They may be all that the service should have, or more."""
    snapshot = with_service(saying(UNPLACED, desired=2, running=new), "worker", desired=2, running=running)
    [finding] = run_check(CHECKS["no-capacity"], snapshot)
    assert finding.evidence[0] == sentence


@pytest.mark.parametrize(
    "snapshot",
    [
        saying(UNPLACED, minutes=30),
        saying(UNPLACED, running=1),
        saying("has reached a steady state."),
        saying(f"was unable to place a task. Reason: {PULL}secrets from asm."),
        saying("has started 1 tasks: (task 0)."),
    ],
)
def test_events_that_tell_of_no_want(snapshot: Snapshot) -> None:
    """What was said of a deployment before, or of one that runs by now, is over."""
    assert "no-capacity" not in root_causes(snapshot)


def test_stale_stops_are_called_so() -> None:
    """A finding on a service says which of its stopped tasks are older than the current version."""
    with_failures = stuck(healthy(), "worker", f"{PULL}unable to retrieve secret from asm: did not contain json key A")
    assert stale_stops(with_failures) == ()
    mended = rotated(with_failures, NOW - timedelta(minutes=1), OPENAI_API_KEY="sk-" + "0" * 20)
    assert {stop.service.name for stop in stale_stops(mended)} == {"worker"}
    [stale] = [finding for finding in diagnose(mended) if finding.check == "not-forced" and finding.subject == "worker"]
    assert "Stale evidence: 3 tasks stopped before AWSCURRENT last moved" in " ".join(stale.evidence)


def healthy_with(*tasks: Any) -> Snapshot:
    """A healthy environment of which ECS still describes these stopped tasks."""
    return with_tasks(healthy(), *tasks)


RECENT = NOW - timedelta(minutes=4)


@pytest.mark.parametrize(
    "snapshot",
    [
        healthy_with(*(stopped("worker", f"{PULL}AccessDenied", CHANGED - timedelta(minutes=m)) for m in (1, 2, 3))),
        healthy_with(*(stopped("backend", EXIT, DEPLOYED - timedelta(minutes=m), **ended(1)) for m in (1, 2, 3))),
        healthy_with(stopped("worker", EXIT, RECENT, **ended(137)), stopped("worker", EXIT, RECENT, **ended(1))),
        healthy_with(*(stopped("frontend", "CannotPullContainerError: x", RECENT) for _ in range(5))),
        healthy_with(*(stopped("", EXIT, RECENT, **ended(1)) for _ in range(5))),
        healthy_with(*(stopped("worker", "Spot", RECENT, stop_code="SpotInterruption", **RAN) for _ in range(5))),
        healthy_with(
            *(
                stopped("backend", "Scaling activity initiated by (deployment x)", RECENT, **ended(143))
                for _ in range(5)
            )
        ),
        healthy_with(
            *(
                stopped(
                    "worker", "Amazon ECS is performing maintenance on the underlying infrastructure", RECENT, **RAN
                )
                for _ in range(5)
            )
        ),
        healthy_with(*(stopped("worker", "Host EC2 (instance i-1) terminated.", RECENT, **RAN) for _ in range(5))),
        healthy_with(*(stopped("worker", "Task stopped by user", RECENT, stop_code="UserInitiated") for _ in "abcde")),
        healthy_with(task("backend", NOW, status="PENDING", started=None)),
        healthy_with(
            task("backend", NOW, containers=(TaskContainer("init", 0, ""), TaskContainer("backend", None, "")))
        ),
        with_service(
            healthy(),
            "backend",
            deployments=(
                deployment("backend", NOW - timedelta(minutes=2), rollout="IN_PROGRESS", running=0, id="ecs-svc/new"),
                deployment("backend", status="ACTIVE"),
            ),
        ),
    ],
)
def test_healthy_worlds(snapshot: Snapshot) -> None:
    """Tasks that were replaced, died once, failed long ago or belong to others are no finding."""
    assert [(finding.check, finding.evidence) for finding in diagnose(snapshot) if finding.is_problem] == []


def test_two_services_that_fail_for_two_reasons() -> None:
    """Each is named, and each explains its own rollout."""
    both = stuck(stuck(healthy(), "worker", "CannotPullContainerError: a"), "backend", f"{LOGGER}b")
    assert set(root_causes(both)) == {"image-pull", "log-group"}


@pytest.mark.parametrize(("app", "proxy", "group"), [(1, 137, "/ecs/w"), (143, 1, "/ecs/proxy"), (137, None, "/ecs/w")])
def test_a_container_that_ecs_stopped_is_not_what_ended_the_task(app: int, proxy: int | None, group: str) -> None:
    """Its code is a signal's, and its log has no reason; of one that ended alone a signal is the reason."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, log_group="/ecs/w"))
    beside = Container(name="proxy", secrets=(), environment=(), log_group="/ecs/proxy")
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, containers=(*old.containers, beside)))
    ended = (TaskContainer("worker", app, ""), TaskContainer("proxy", proxy, ""))
    with_failures = stuck(snapshot, "worker", EXIT, started=NOW, stop_code="EssentialContainerExited", containers=ended)
    found = [each for each in diagnose(with_failures) if each.check in ("task-exits", "rollout-stuck")]
    assert all(f"logs tail {group} " in each.remedy.command for each in found) and len(found) == 2
    hints = {fact for each in found for fact in each.evidence if fact.startswith("Exit code")}
    assert bool(hints) is (proxy is None)


def test_a_container_that_was_killed_for_its_memory_is_what_ended_the_task() -> None:
    """Another one may end by an error of its own while ECS stops it."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, log_group="/ecs/w"))
    beside = Container(name="proxy", secrets=(), environment=(), log_group="/ecs/proxy")
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, containers=(beside, *old.containers)))
    killed = TaskContainer("worker", 137, "OutOfMemoryError: Container killed due to memory usage")
    ended = (TaskContainer("proxy", 1, ""), killed)
    with_failures = stuck(snapshot, "worker", EXIT, started=NOW, stop_code="EssentialContainerExited", containers=ended)
    [found] = [each for each in diagnose(with_failures) if each.check == "rollout-stuck"]
    assert "logs tail /ecs/w " in found.remedy.command and found.because_of == ("out-of-memory",)


@pytest.mark.parametrize(
    ("codes", "has_note"), [((0,), True), ((0, 0), True), ((0, 1), False), ((0, 137), False), ((0, None), False)]
)
def test_a_task_of_which_no_container_failed(codes: tuple[int | None, ...], has_note: bool) -> None:
    """Such as where a container that prepares something is essential."""
    names = ("worker", "prestart")
    beside = Container(name="prestart", secrets=(), environment=())
    snapshot = with_definition(healthy(), "worker", lambda old: replace(old, containers=(*old.containers, beside)))
    ended = tuple(TaskContainer(name, code, "") for name, code in zip(names, codes, strict=False))
    with_failures = stuck(snapshot, "worker", EXIT, started=NOW, stop_code="EssentialContainerExited", containers=ended)
    [found] = run_check(CHECKS["task-exits"], with_failures)
    assert any(fact.startswith("Exit code 0:") for fact in found.evidence) is has_note


@pytest.mark.parametrize(
    "line", ["KeyError: 'NEW_SETTING'", "1 validation error for Settings: NEW_SETTING: field required"]
)
def test_a_variable_that_the_log_asks_for_and_nobody_has_is_named(line: str) -> None:
    """The revision lacks it, and there is no key of the secret to refer to."""
    with_failures = stuck(healthy(), "worker", EXIT, **ended(1))

    def finding_of(line: str, snapshot: Snapshot = with_failures) -> Finding:
        lines = {task.id: (f"The log of worker says: {line}",) for task in snapshot.tasks}
        return found("task-exits", replace(snapshot, log_lines=lines))

    answer = finding_of(line)
    asks = "Its log asks for NEW_SETTING, which neither ohmycoins-staging-worker:7 nor a key of the secret has."
    assert asks in answer.evidence and answer.is_root_cause
    assert answer.remedy and answer.remedy.runbook == "add_key" and answer.remedy.parameters["key"] == "NEW_SETTING"
    plain = with_container(with_failures, "worker", lambda old: replace(old, environment=("NEW_SETTING",)))
    unread = with_container(with_failures, "worker", lambda old: replace(old, has_environment_files=True))
    all_keys = Injection("ALL", parse(ARN))
    whole = with_container(with_failures, "worker", lambda old: replace(old, secrets=(*old.secrets, all_keys)))
    text = with_text(with_failures, "no JSON")
    other_revision = replace(with_failures.tasks[-1], task_definition_arn=definition_arn("worker", 6))
    unknown = replace(with_failures, tasks=(*with_failures.tasks[:-1], other_revision))
    others = [finding_of(line, other) for other in (plain, unread, whole, text, unknown)]
    refused = "1 validation error for Settings: NEW_SETTING: String should match pattern"
    others += map(finding_of, ("ValueError: NEW_SETTING", "KeyError: 'DATABASE'", refused))
    for other in others:
        assert other.remedy and not other.remedy.runbook and not any("asks for" in fact for fact in other.evidence)
    some = tuple(
        each
        for each in with_failures.containers(with_failures.tasks[-1])[0].secrets
        if each.variable != "OPENAI_API_KEY"
    )
    lacking = with_container(
        without_key(with_failures, "OPENAI_API_KEY"), "worker", lambda old: replace(old, secrets=some)
    )
    known = finding_of("KeyError: 'OPENAI_API_KEY'", lacking)
    assert "asks for OPENAI_API_KEY" in str(known.evidence) and known.remedy and not known.remedy.runbook


@pytest.mark.parametrize(
    ("variable", "serving", "asks", "way"),
    [
        ("NEW_SETTING", (), True, "If NEW_SETTING is no secret, set it in environment of ohmycoins-staging-worker:8;"),
        ("NEW_SETTING", ("NEW_SETTING",), True, "Set NEW_SETTING in ohmycoins-staging-worker:8 as ohmycoins-staging-w"),
        ("SENTRY_PROJECT", (), True, "aws logs tail "),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", (), False, "aws logs tail "),
    ],
)
def test_the_root_cause_has_the_way_to_a_variable_that_nobody_has(
    variable: str, serving: tuple[str, ...], asks: bool, way: str
) -> None:
    """Where a deployment is stuck, that is the root cause: an exit is its consequence, and shows no remedy."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, environment=serving))
    newer = replace(healthy().task_definitions[definition_arn("worker")], arn=definition_arn("worker", 8), revision=8)
    with_failures = stuck(snapshot, "worker", EXIT, **ended(1), task_definition_arn=newer.arn)
    service = next(each for each in with_failures.services if each.name == "worker")
    begun, former = service.deployments
    deployments = (replace(begun, task_definition_arn=newer.arn), former)
    with_failures = with_service(with_failures, "worker", task_definition_arn=newer.arn, deployments=deployments)
    keys = {**with_failures.environment.keys, "SENTRY_NAME": Key(variable="SENTRY_PROJECT")}
    with_failures = replace(
        with_failures,
        environment=replace(with_failures.environment, keys=keys),
        task_definitions={**with_failures.task_definitions, newer.arn: newer},
        log_lines={task.id: (f"The log of worker says: KeyError: '{variable}'",) for task in with_failures.tasks},
    )
    [root] = [each for each in diagnose(with_failures) if each.check == "rollout-stuck"]
    assert root.is_root_cause and root.remedy.command.startswith(way)
    assert root.remedy.runbook == ("add_key" if way.startswith("If") else "")
    assert ("aws logs tail " in root.remedy.command) is not way.startswith("Set")
    assert is_sentence(root.remedy.command) is not way.startswith("aws")
    assert any(f"asks for {variable}" in fact for fact in root.evidence) is asks


def test_a_sidecars_end_is_not_the_tasks() -> None:
    """A container that was to end, and did so with 0, is not named."""
    containers = (TaskContainer("migrate", 0, ""), TaskContainer("worker", 1, ""))
    snapshot = stuck(healthy(), "worker", EXIT, **{**ended(1), "containers": containers})
    assert "migrate" not in " ".join(found("task-exits", snapshot).evidence)
    assert definition_arn("worker") in snapshot.task_definitions


MODULE = "The log of worker says: ModuleNotFoundError: No module named 'app.worker'"


@pytest.mark.parametrize(("code", "line"), [(126, ""), (127, ""), (1, MODULE), (2, "sh: 1: uvicron: not found")])
def test_a_command_that_fails_is_the_cause_of_what_follows(code: int, line: str) -> None:
    """A program that the image lacks is no problem of secrets, and the stuck deployment is its consequence."""
    snapshot = stuck(healthy(), "worker", EXIT, **ended(code))
    failed = [task.id for task in snapshot.tasks if task.stopped]
    snapshot = replace(snapshot, log_lines={id: (line,) for id in failed if line})
    assert root_causes(snapshot) == ["command-fails"] and "command-fails" in NOT_SECRETS
    [stuck_rollout] = [finding for finding in diagnose(snapshot) if finding.check == "rollout-stuck"]
    assert stuck_rollout.because_of == ("command-fails",)


def test_an_application_that_refuses_a_value_is_no_failing_command() -> None:
    """An exit with another code, and a log of something else, is not taken for it."""
    snapshot = stuck(healthy(), "worker", EXIT, **ended(3))
    assert "command-fails" not in root_causes(snapshot)


def test_a_value_that_no_environment_can_hold_keeps_a_container_from_starting() -> None:
    """The image is not to blame, and a new value is not refused for it; of a service without that key it is."""
    reason = "CannotStartContainerError: the container's environment was refused"
    faulty = with_keys(healthy(), SMTP_PASSWORD=f"{secrets.token_hex(12)}\0{secrets.token_hex(4)}")
    snapshot = stuck(faulty, "backend", reason)
    assert root_causes(snapshot) == ["bad-copy"]
    assert found("start-failed", snapshot).status == "found"
    assert list(readiness.blockers(snapshot, snapshot.consumers)) == []
    elsewhere = stuck(faulty, "worker", reason)
    assert set(root_causes(elsewhere)) == {"bad-copy", "start-failed"}
    assert len(readiness.blockers(elsewhere, elsewhere.consumers)) == 1
    assert found("start-failed", stuck(with_text(healthy(), "no JSON"), "backend", reason)).status == "found"


def test_an_image_of_a_private_registry_needs_its_login() -> None:
    """No permission of the execution role lets it pull that: its secret has to have what the registry asks for."""
    login = Injection("repositoryCredentials", parse(ARN.replace(NAME, "docker-hub")))

    def private(container: Container) -> Container:
        return replace(container, image="docker.io/ohmycoins/worker:7", registry_secrets=(login,))

    denied = "CannotPullContainerError: pull access denied for ohmycoins/worker"
    remedy = found("image-pull", stuck(with_container(healthy(), "worker", private), "worker", denied)).remedy
    assert "docker-hub-AbC123 has the members username and password" in remedy.command
    assert "the execution role" not in remedy.command
