"""Tasks that stop, or never come: for want of their secrets, or of something else, told apart by ECS's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.aws.ecs import Service, ServiceEvent
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, family
from omc_runbook.checks.stopped_tasks import KINDS, Kind, Stop, of_kind
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot

check = family("deployment")
Where = Callable[[Snapshot, Stop], Remedy]

EXIT_CODES = {
    126: "Exit code 126 is a shell's: the command may not be executed.",
    127: "Exit code 127 is a shell's: there is no such command in the image.",
    137: "Exit code 137 is SIGKILL: nobody says here who sent it; a shortage of memory is the usual reason.",
    139: "Exit code 139 is SIGSEGV: the program crashed by itself.",
    143: "Exit code 143 is SIGTERM: something asked the program to end.",
}
"""What an exit code says by itself: 128 and more is a signal."""

NO_WAY = re.compile(r"i/o timeout|connection issue|deadline exceeded|dial tcp|no such host|request canceled", re.I)
NOT_ALLOWED = re.compile(r"AccessDenied|not authorized|denied|no basic auth|403", re.I)
ECR = re.compile(r"\A(?P<account>\d+)\.dkr\.ecr\.(?P<region>[\w-]+)\.[\w.]+/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?")
PLACED = re.compile(r"has reached a steady state|deployment completed")
UNPLACED = re.compile(r"unable to place|unable to start|reached the limit|encountered error", re.I)


@check("pull-failed", "services", "tasks")
def pull_failed(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks stop before they start, because ECS cannot give them their secrets."""
    return _stopping(snapshot, "secrets", "never started", _again)


@check("image-pull", "services", "tasks")
def image_pull(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot pull an image: not a secrets problem."""
    return _stopping(snapshot, "image", "never started for want of an image", _image)


@check("log-group", "services", "tasks")
def log_group(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot open a container's log: not a secrets problem."""
    return _stopping(snapshot, "log", "never started for want of a log to write to", _log)


@check("volume", "services", "tasks")
def volume(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot mount a volume: not a secrets problem."""
    return _stopping(snapshot, "volume", "never started for want of a volume", _volume)


@check("start-failed", "services", "tasks")
def start_failed(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container cannot be started from its image: not a secrets problem."""
    return _stopping(snapshot, "start", "got what they need, and their container could not be started", _program)


@check("out-of-memory", "services", "tasks")
def out_of_memory(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container was killed for want of memory: not a secrets problem."""
    return _stopping(snapshot, "memory", "ran until they were out of memory", _memory)


@check("health-check", "services", "tasks")
def health_check(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks read their secrets and then fail the health check: unless a value is at fault, not a secrets problem."""
    return _stopping(snapshot, "health-check", "started, with their secrets, and failed the health check", _logs)


@check("task-exits", "services", "tasks")
def task_exits(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks read their secrets, start, and exit by themselves."""
    return _stopping(snapshot, "exit", "started, with their secrets, and exited", _logs)


@check("no-capacity", "services", "tasks")
def no_capacity(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS finds no place for new tasks: not a secrets problem."""
    stopped = dict(of_kind(snapshot, ("capacity",)))
    for service in snapshot.consumers:
        event = _unplaced(service)
        said = [f"ECS says at {event.time:%H:%M:%S} UTC: {event.message}"] if event else []
        said += [stop.sentence for stop in stopped.get(service, ())[:1]]
        if said:
            remedy = remedies.advise(
                "Look at the capacity: the account's Fargate quota, the cluster's instances or capacity providers,"
                f" and free addresses in the service's subnets: {remedies.capacity(snapshot.environment.names).command}"
            )
            missing = f"{service.name} runs {service.running} of {service.desired} tasks that are wanted."
            yield Evidence(service.name, (missing, *said), remedy, frozenset({service.name}))


def _unplaced(service: Service) -> ServiceEvent | None:
    """The newest event of the present deployment by which a task found no place, if none came to rest since."""
    primary = service.primary
    if primary is None or primary.running >= primary.desired:
        return None
    [capacity] = [words for kind, words in KINDS if kind == "capacity"]
    for event in sorted(service.events, key=lambda event: event.time, reverse=True):
        if event.time < primary.created or PLACED.search(event.message):
            return None
        if UNPLACED.search(event.message) and capacity.search(event.message):
            return event
    return None


def _stopping(snapshot: Snapshot, kind: Kind, how: str, where: Where) -> Iterator[Evidence]:
    for service, stops in of_kind(snapshot, (kind,)):
        newest = stops[0]
        count = f"{len(stops)} task{'s' if len(stops) > 1 else ''} of {service.name} {how}"
        said = next((stop.words for stop in stops if stop.words), ())
        codes = {container.exit_code for container in newest.task.containers} if kind == "exit" else set()
        hints = (hint for code, hint in EXIT_CODES.items() if code in codes)
        facts = (f"{count} since the present state began.", newest.sentence, *hints, *said)
        yield Evidence(service.name, facts, where(snapshot, newest), frozenset({service.name}))


def log_of(snapshot: Snapshot, service: Service, definition_arn: str = "") -> Remedy:
    """Read what a service's containers said of late, in the log group that its task definition names."""
    names = snapshot.environment.names
    definition = snapshot.definition(definition_arn or service.task_definition_arn)
    groups = [container.log_group for container in definition.containers if container.log_group] if definition else []
    if not groups:
        return remedies.logs(names, service.name)
    return remedies.log_group(names, groups[0])


def _again(snapshot: Snapshot, stop: Stop) -> Remedy:
    """Deploy what failed once more: such a task wrote no log, and a cause that is seen has a remedy of its own."""
    names, revision = snapshot.environment.names, stop.task.task_definition_arn.rpartition("/")[2]
    if stop.task.task_definition_arn in ("", stop.service.task_definition_arn):
        return remedies.redeploy(names, stop.service.name)
    return remedies.deploy(names, stop.service.name, revision)


def _logs(snapshot: Snapshot, stop: Stop) -> Remedy:
    return log_of(snapshot, stop.service, stop.task.task_definition_arn)


def _image(snapshot: Snapshot, stop: Stop) -> Remedy:
    if NO_WAY.search(stop.reason):
        return remedies.advise(
            "Look at the way from the tasks' subnets to the registry: NAT, ECR's and S3's endpoints."
        )
    definition, container = _suspect(snapshot, stop, lambda container: container.image in stop.reason)
    found = ECR.match(container.image) if container else None
    if NOT_ALLOWED.search(stop.reason) or not found:
        role = definition.execution_role_arn.rpartition("/")[2] if definition else ""
        return remedies.advise(
            f"Look at the image's name, and at whether the execution role{f' {role}' if role else ''} may pull it."
        )
    search = remedies.find_image(found["name"], found["tag"] or "", found["account"], found["region"])
    return remedies.advise(f"See whether the image is there: {search.command}")


def _log(snapshot: Snapshot, stop: Stop) -> Remedy:
    names = snapshot.environment.names
    if NO_WAY.search(stop.reason):
        return remedies.advise("Look at the way from the tasks' subnets to CloudWatch Logs: NAT, or its endpoint.")
    definition, container = _suspect(snapshot, stop, lambda container: container.log_group in stop.reason)
    if NOT_ALLOWED.search(stop.reason) or not container or not container.log_group:
        role = definition.execution_role_arn.rpartition("/")[2] if definition else names.execution_role
        return remedies.advise(f"Allow the execution role {role} logs:CreateLogStream and logs:PutLogEvents.")
    create = remedies.create_log_group(names, container.log_group)
    return remedies.advise(f"{create.command}, then redeploy.")


def _volume(snapshot: Snapshot, stop: Stop) -> Remedy:
    return remedies.advise(
        "Look at the volume that the task definition mounts: the file system, its mount targets in the tasks' subnets"
        " (aws efs describe-mount-targets), port 2049 in their security group, and the task role."
    )


def _program(snapshot: Snapshot, stop: Stop) -> Remedy:
    return remedies.advise(
        "Look at the image: whether it is built for the tasks' processor, has the entry point and command that the"
        " task definition names, and its user."
    )


def _memory(snapshot: Snapshot, stop: Stop) -> Remedy:
    definition = snapshot.definition(stop.task.task_definition_arn)
    label = definition.label if definition else "the task definition"
    return remedies.advise(f"Look at the memory that the service uses, and raise memory in {label} or mend the leak.")


def _suspect(
    snapshot: Snapshot, stop: Stop, named: Callable[[Container], bool]
) -> tuple[TaskDefinition | None, Container | None]:
    """The stopped task's definition and the container of it that the reason names, else its first."""
    definition = snapshot.definition(stop.task.task_definition_arn)
    containers = definition.containers if definition else ()
    return definition, next((entry for entry in containers if named(entry)), next(iter(containers), None))


CHECKS = (
    pull_failed,
    image_pull,
    log_group,
    volume,
    start_failed,
    out_of_memory,
    health_check,
    task_exits,
    no_capacity,
)
