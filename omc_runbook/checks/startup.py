"""Faults of tasks that stop or never start, told apart by ECS's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service, ServiceEvent
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Family
from omc_runbook.checks.key_demand import services_reading, successions
from omc_runbook.checks.stopped_tasks import WORKED, Stop, of_kind, worker_exits
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.reasons import (
    denied_role,
    is_at_rest,
    is_denied,
    is_of_network,
    is_unreached,
    kind_of,
    lacks_space,
    meaning_of,
    mentions,
    says,
    why_not_pulled,
)
from omc_runbook.messages.startline import REQUIRED
from omc_runbook.messages.startlog import read_log
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.findings import Remedy
from omc_runbook.model.letters import counted
from omc_runbook.model.refusal import refusals
from omc_runbook.model.shell import command
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.other_references import resources_of
from omc_runbook.snapshot.state import Snapshot

check = Family("deployment", needs=("services", "tasks"), looks_like=("never-starts",), hinders="tasks")
RemedyOf = Callable[[Snapshot, Stop], Remedy]

EXIT_CODES = {
    0: "Exit code 0: no container ended with an error. When an essential container exits, ECS stops"
    " the task: one that only prepares something must not be essential.",
    126: "Exit code 126: the shell may not execute the command.",
    127: "Exit code 127: the shell cannot find the command in the image.",
    137: "Exit code 137 is SIGKILL, most often for lack of memory.",
    139: "Exit code 139 is SIGSEGV: the program crashed.",
    143: "Exit code 143 is SIGTERM: something stopped the program.",
}
"""What an exit code says by itself: 128 and more is a signal, and 0 counts only where there is no other."""
OFTEN_LACKING = frozenset({"curl", "wget", "nc"})
"""Programs that health checks run and slim images lack."""
IMAGE_ADVICE = {
    "platform": "Build the image for the tasks' processor, or set runtimePlatform's cpuArchitecture in {} to its own.",
    "limit": "Wait until the registry's limit has passed; pull with a login of the registry, or from a copy in ECR.",
    "space": "Raise ephemeralStorage in {}, or the instances' disks, or make the image smaller.",
}
"""What helps where an image is there and cannot be pulled, with the task definition's label, by `why_not_pulled`."""

VARIABLE = re.compile(r"\b(?!(?:AWS|ECS)_)[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
"""The form of names that only variables have, without those that ECS or AWS's SDKs set."""

_SOURCE = re.compile(r"arn:[\w-]+:(?:secretsmanager|ssm):")
_NOT_THERE = re.compile(r": (?:not found|404)\b|\bResourceNotFoundException\b", re.IGNORECASE)
"""That an image, a log group or an environment file does not exist."""
NUL = re.compile("\0")
"""What no environment variable can hold."""

ECR = re.compile(r"\A(?P<account>\d+)\.dkr\.ecr\.(?P<region>[\w-]+)\.[\w.]+/(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?")


@check(
    "pull-failed",
    ruled_out_by="DescribeTasks: no recent task stopped with ResourceInitializationError",
    hindered_by=("secret", "calls"),
    not_in_sandbox="It is a consequence: every fault that keeps a secret from its tasks causes it",
    hinders="",
)
def pull_failed(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks stop before they start: ECS cannot get their secrets."""
    return _stopping(snapshot, "secrets", "never started", _secrets)


@check(
    "image-pull", ruled_out_by="DescribeTasks: no stoppedReason says CannotPullContainerError", hindered_by=("calls",)
)
def image_pull(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot pull an image: not a secrets problem."""
    return _stopping(snapshot, "image", "never started: no image", _image)


@check(
    "log-group",
    ruled_out_by="DescribeTasks: no stoppedReason names the log group or the log driver",
    hindered_by=("calls",),
)
def log_group(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot set up a container's log: not a secrets problem."""
    return _stopping(snapshot, "log", "never started: no log to write to", _log)


@check(
    "volume",
    ruled_out_by="DescribeTasks: no stoppedReason names a volume",
    not_in_sandbox="The sandbox's tasks mount no volumes",
)
def volume(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot mount a volume: not a secrets problem."""
    return _stopping(snapshot, "volume", "never started: a volume is not mounted", _volume)


@check(
    "environment-file",
    ruled_out_by="DescribeTasks: no stoppedReason names environment files",
    hindered_by=("calls",),
    not_in_sandbox="The sandbox's tasks get no environment files",
)
def environment_file(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS cannot download an environment file from S3: not a secrets problem."""
    return _stopping(snapshot, "file", "never started: no environment file", _file)


@check(
    "start-failed",
    ruled_out_by="DescribeTasks: no stoppedReason says CannotStartContainerError",
    not_in_sandbox="The sandbox runs one application and pulls no image",
)
def start_failed(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container cannot start from its image: not a secrets problem, unless a value is wrong."""
    return _stopping(snapshot, "start", "never started: a container cannot start", _program)


@check(
    "command-fails",
    looks_like=("does-not-stay", "refuses-to-start"),
    ruled_out_by="DescribeTasks: no container exited with 126 or 127, and no log line says that a program is missing",
)
def command_fails(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container's command or entry point fails on start: not a secrets problem."""
    return _stopping(snapshot, "command", "got every secret, and the command failed on start", _program)


@check(
    "out-of-memory",
    looks_like=("does-not-stay", "refuses-to-start"),
    ruled_out_by="DescribeTasks: no container was killed for memory, and none exited with 137",
)
def out_of_memory(snapshot: Snapshot) -> Iterable[Evidence]:
    """A container ran out of memory: not a secrets problem."""
    return _stopping(snapshot, "memory", "ran out of memory", _memory)


@check(
    "health-check",
    looks_like=("does-not-stay", "refuses-to-start"),
    ruled_out_by="DescribeTasks: no recent task was stopped for its health check",
    hindered_by=("value",),
)
def health_check(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks get their secrets but fail the health check: not a secrets problem, unless a value is wrong."""
    return _stopping(snapshot, "health-check", "got every secret, started and failed the health check", _logs)


@check(
    "task-exits",
    looks_like=("does-not-stay", "refuses-to-start"),
    ruled_out_by="DescribeTasks: no recent task's container exited by itself",
    because_of=("rollout-stuck", "breaker-rollback"),
    hindered_by=("value",),
    not_in_sandbox="It is a consequence: faults at which the application exits, such as changethis, cause it",
    hinders="",
)
def task_exits(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks get their secrets, start and exit."""
    yield from _stopping(snapshot, "exit", "got every secret, started and exited", _logs)
    for stops in worker_exits(snapshot):
        service, minutes = stops[0].service, WORKED.seconds // 60
        fact = f"{len(stops)} tasks of {service.name} ended without an error after {minutes} minutes or more."
        why = "ECS has replaced them: workers end so after a number of jobs, and a server should not."
        facts = (fact, stops[0].sentence, why)
        yield Evidence(service.name, facts, _logs(snapshot, stops[0]), frozenset({service.name}), "info")


@check(
    "no-capacity",
    ruled_out_by="DescribeServices: no recent event reports missing capacity",
    not_in_sandbox="The sandbox has room for every task",
)
def no_capacity(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS has no capacity for new tasks: not a secrets problem."""
    stopped = dict(of_kind(snapshot, ("capacity",)))
    for service in snapshot.consumers:
        event = _unplaced(service)
        messages = [f"ECS says at {event.time:%H:%M:%S} UTC: {event.message}"] if event else []
        messages += [stop.sentence for stop in stopped.get(service, ())[:1]]
        if messages:
            remedy = Remedy(
                f"See `{remedies.capacity(snapshot.environment.names).command}` for the cluster's instances and"
                " capacity providers, and check the account's Fargate quota and the subnets' free addresses."
            )
            yield Evidence(service.name, (_shortage(service), *messages), remedy, frozenset({service.name}))


def _shortage(service: Service) -> str:
    """How many tasks of a service run; during a deployment, those before it may be all that it should have, or more."""
    running, desired, primary = service.running, service.desired, service.primary
    tasks = f"{running} tasks, {desired} desired" if running > desired else f"{running} of {desired} desired tasks"
    new = f", {primary.running} of them of its newest deployment" if primary and primary.running != running else ""
    return f"{service.name} runs {tasks}{new}."


def _unplaced(service: Service) -> ServiceEvent | None:
    """The newest event of the present deployment that a task could not be placed, unless it is steady since."""
    primary = service.primary
    if primary is None or primary.running >= primary.desired:
        return None
    for event in sorted(service.events, key=lambda event: event.time, reverse=True):
        if event.time < primary.created or is_at_rest(event.message):
            return None
        if kind_of(event.message) == "capacity":
            return event
    return None


def _stopping(snapshot: Snapshot, kind: Kind, how: str, remedy_of: RemedyOf) -> Iterator[Evidence]:
    for service, stops in of_kind(snapshot, (kind,)):
        newest = stops[0]
        count = f"{counted(len(stops), 'task')} of {service.name} {how}"
        log_lines = next((stop.log_lines for stop in stops if stop.log_lines), ())
        codes = {each.exit_code for each in newest.culprits} if kind in ("exit", "command") else set()
        codes |= {0} if kind == "exit" and newest.ended_well else set()
        hints = [hint for code, hint in EXIT_CODES.items() if code in codes]
        hints += _health_programs(snapshot, newest) if kind == "health-check" else ()
        hints += filter(None, (meaning_of(newest.reason),)) if kind == "secrets" else ()
        facts = (f"{count}.", newest.sentence, *hints, *log_hint(snapshot, newest), *log_lines)
        causes = keys_with_nul(snapshot, service) if kind == "start" else frozenset[str]()
        remedy, services = remedy_of(snapshot, newest), frozenset({service.name})
        # Where AWS or the registry answered, the call was no fault of the role's or the network's.
        hindered_by = () if kind in ("image", "log", "file") and _NOT_THERE.search(newest.reason) else None
        yield Evidence(service.name, facts, remedy, services, hindered_by=hindered_by, stems_from=causes)


def keys_with_nul(snapshot: Snapshot, service: Service) -> frozenset[str]:
    """Keys that a service reads and whose value keeps any container from starting, whatever its image is."""
    keys = (member.key for member in snapshot.members if member.injected.matches(NUL))
    return frozenset(key for key in keys if service.name in services_reading(snapshot, key))


def _health_programs(snapshot: Snapshot, stop: Stop) -> Iterator[str]:
    """What the containers' health checks run, where images often lack it."""
    for container in snapshot.containers(stop.task):
        if container.health_program in OFTEN_LACKING:
            yield (
                f"The health check of {container.name} runs {container.health_program}: in an image without it, such"
                " as a slim one, each check ends with exit code 127, whatever the values are."
            )


def log_hint(snapshot: Snapshot, stop: Stop) -> tuple[str, ...]:
    """A sentence on the variable that a failed task's log asks for and nobody has; () for none."""
    variable = _variable_nobody_has(snapshot, stop)
    label = _label_of(snapshot, stop)
    return (f"Its log asks for {variable}, which neither {label} nor a key of the secret has.",) if variable else ()


def after_failure(snapshot: Snapshot, service: Service, stop: Stop | None) -> Remedy:
    """Give a failed task the variable that its log asks for and nobody has, else read its service's log."""
    variable, keys = _variable_nobody_has(snapshot, stop) if stop else "", snapshot.environment.keys
    log = _log_of(snapshot, service, stop)
    if stop is None or not variable or variable in {variable_of(key, keys) for key in keys}:
        return log
    label = _label_of(snapshot, stop)
    for pair in successions(snapshot):
        if pair.failing.label == label and variable in pair.serving.variables:
            return Remedy(f"Set {variable} in {label} as {pair.serving.label} does, and deploy the new revision.")
    # A KeyError may be of any mapping.
    way = (
        f"If {variable} is no secret, set it in environment of {label}; else add it as a key. If it is no variable,"
        f" read the log: `{log.command}`."
    )
    return remedies.with_runbook("add_key", snapshot.environment, Remedy(way), key=variable)


def _log_of(snapshot: Snapshot, service: Service, stop: Stop | None) -> Remedy:
    """Read a service's latest log lines, in the log group of the container that ended a task, or of its first one.

    Where logs were not read, troubleshoot reads them, and knows what they mean.
    """
    names, culprits = snapshot.environment.names, {each.name for each in stop.culprits} if stop else set[str]()
    containers = sorted(snapshot.containers(stop.task if stop else service), key=lambda each: each.name not in culprits)
    logged = next((each for each in containers if each.log_group), None)
    tail = remedies.logs(names, service.name)
    if logged is not None:
        tail = remedies.log_group(names, logged.log_group, logged.log_region)
    is_read = snapshot.log_lines is not None
    return tail if is_read else remedies.with_runbook("troubleshoot", snapshot.environment, tail)


def again(snapshot: Snapshot, stop: Stop) -> Remedy:
    """Deploy the failed revision again: such a task wrote no log, and a known cause has a remedy of its own."""
    names, revision = snapshot.environment.names, stop.task.task_definition_arn.rpartition("/")[2]
    if stop.service.is_family:
        return remedies.run_alone(names, revision)
    return remedies.start_tasks(names, stop.service, revision)


def _secrets(snapshot: Snapshot, stop: Stop) -> Remedy:
    start, definition = again(snapshot, stop), snapshot.definition(stop.task)
    role = definition.task_role_arn if definition else ""
    # The execution role has a check of its own; of the task role ECS alone tells.
    is_own = definition is not None and role not in ("", definition.execution_role_arn)
    if is_own and says(stop.reason, "role-untrusted") and mentions(stop.reason, f"role/{role.rpartition(':role/')[2]}"):
        name = iam.role_name(role)
        trust = Remedy(f"Let ecs-tasks.amazonaws.com assume the task role {name} in its trust policy.")
        return remedies.combine([trust, start])
    action, arn = next((each for each in refusals(stop.reason) if _SOURCE.match(each[1])), ("", ""))
    if action and arn and definition and snapshot.secret_arn and not _is_named(snapshot, stop, arn):
        allow = "Remove what denies" if "explicit deny" in stop.reason else "Allow"
        own_role = iam.role_name(definition.execution_role_arn)
        if (refused_role := denied_role(stop.reason)) not in ("", own_role):
            # Such as the one with which ECS gets a certificate for Service Connect.
            way = Remedy(f"{allow} the role {refused_role} {action} on {arn}: it is not the execution role {own_role}.")
            return remedies.combine([way, start])
        way = Remedy(
            f"{allow} the execution role {own_role} {action} on {arn}, or correct that ARN: {definition.label} does not"
            " name it, so that a file which its tasks start with does, such as a credential spec."
        )
        return remedies.combine([way, start])
    if not (stop.service.reads_by_instance and is_of_network(stop.reason)):
        return start
    # A task in the same network would fail again, and nothing else tells of that network.
    way = Remedy(
        "Check the way from the tasks' instances to Secrets Manager and Parameter Store: their subnets' routes or"
        " endpoints, security groups and DNS."
    )
    return remedies.combine([way, start])


def _is_named(snapshot: Snapshot, stop: Stop, arn: str) -> bool:
    """Whether a refused ARN is the environment's secret, or what the task's definition or service refers to.

    A reference may lack the six characters that end a secret's ARN.
    """
    definition = snapshot.definition(stop.task)
    of_proxy = [(proxy, each) for proxy in stop.service.proxy for each in proxy.log_secrets]
    references = [*(definition.references if definition else ()), *of_proxy]
    names = {name for _, each in references for name in resources_of(each.reference, snapshot)}
    return any(mentions(stop.reason, name) or name == arn[:-7] for name in {*names, snapshot.secret_arn})


def _logs(snapshot: Snapshot, stop: Stop) -> Remedy:
    return after_failure(snapshot, stop.service, stop)


@once
def _variable_nobody_has(snapshot: Snapshot, stop: Stop) -> str:
    """The variable that a task's log asks for, where its task definition lacks it, and the secret too; "" for none."""
    definition, document = snapshot.definition(stop.task), snapshot.document
    if stop.kind != "exit" or definition is None or document is None:
        return ""
    references = snapshot.own_references(definition)
    # A file in S3, or the whole secret, may have it.
    if any(each.has_environment_files for each in definition.containers) or any(
        not injection.reference.key for _, injection in references
    ):
        return ""
    known = {
        *definition.variables,
        *(variable_of(member.key, snapshot.environment.keys) for member in document.members),
    }
    words = {word for line in stop.log_lines for word in VARIABLE.findall(line)} - known
    problems = (problem for line in stop.log_lines for problem in read_log(line, words) if problem.check == REQUIRED)
    return next((problem.variable for problem in problems if problem.variable in words), "")


def _image(snapshot: Snapshot, stop: Stop) -> Remedy:
    if is_unreached(stop.reason):
        return Remedy("Check the route from the tasks' subnets to the registry: NAT, ECR's and S3's endpoints.")
    if why := why_not_pulled(stop.reason):
        return Remedy(IMAGE_ADVICE[why].format(_label_of(snapshot, stop)))
    containers = snapshot.containers(stop.task)
    with_image = (each for each in containers if each.image in stop.reason)
    container = next(chain(with_image, containers), None)
    match = ECR.match(container.image) if container else None
    login = next(iter(container.registry_secrets), None) if container else None
    if login and not match:
        secret = login.reference.secret_name or login.reference.text
        return Remedy(
            f"Check the image's name, and whether {command(secret)} has the members username and password of a login"
            " that may pull it."
        )
    if is_denied(stop.reason) or not match:
        role = _role_of(snapshot, stop)
        return Remedy(
            f"Check the image's name, and whether the execution role{f' {role}' if role else ''} may pull it."
        )
    search = remedies.find_image(match["name"], match["tag"] or "", match["account"], match["region"])
    return Remedy(f"See `{search.command}` for whether the image exists: push it, or correct its name.")


def _log(snapshot: Snapshot, stop: Stop) -> Remedy:
    names = snapshot.environment.names
    if is_unreached(stop.reason):
        return Remedy("Check the route from the tasks' subnets to CloudWatch Logs: NAT, or its endpoint.")
    containers = [each for each in snapshot.containers(stop.task) if each.log_group]
    if is_denied(stop.reason):
        role = _role_of(snapshot, stop, names.execution_role)
        return Remedy(f"Allow the execution role {role} logs:CreateLogStream and logs:PutLogEvents.")
    if not containers:
        return Remedy(
            f"Check logConfiguration in {_label_of(snapshot, stop)}: whether what it logs to exists, and answers the"
            " tasks."
        )
    mentioned = [each for each in containers if mentions(stop.reason, each.log_group)] or containers
    groups = dict.fromkeys((each.log_group, each.log_region or names.region) for each in mentioned)
    create = [remedies.create_log_group(names, *group) for group in groups]
    strange = next((each for each in mentioned if each.log_region not in ("", names.region)), None)
    if strange:
        creation = remedies.create_log_group(names, strange.log_group, strange.log_region)
        return Remedy(
            f"Correct awslogs-region of {strange.name} in {_label_of(snapshot, stop)}, which logs to"
            f" {strange.log_group} in {strange.log_region}, or create the group there with `{creation.command}`; start"
            " tasks then."
        )
    if len(create) == 1:
        return remedies.combine([*create, again(snapshot, stop)])
    ways = " or ".join(f"`{each.command}`" for each in create)
    which = Remedy(f"Create the log group that does not exist, with {ways}.")
    return remedies.combine([which, again(snapshot, stop)])


def _volume(snapshot: Snapshot, stop: Stop) -> Remedy:
    if "EBS" in stop.reason:
        return Remedy(
            f"Check volumeConfigurations of {stop.service.name}: whether roleArn is a role that ecs.amazonaws.com may"
            " assume, with the policy AmazonECSInfrastructureRolePolicyForVolumes, and whether the volume's KMS key"
            " lets that role use it."
        )
    return Remedy(
        "Check the volume that the task definition mounts: the file system, its mount targets in the tasks' subnets"
        " (aws efs describe-mount-targets), port 2049 in their security group, and the task role."
    )


def _file(snapshot: Snapshot, stop: Stop) -> Remedy:
    if is_unreached(stop.reason):
        return Remedy("Check the route from the tasks' subnets to S3: NAT, or a gateway endpoint.")
    label, role = _label_of(snapshot, stop), _role_of(snapshot, stop, snapshot.environment.names.execution_role)
    return Remedy(
        f"Check environmentFiles in {label}: whether each object exists in S3, and whether the execution role {role} is"
        " allowed s3:GetObject on it, s3:GetBucketLocation on its bucket, and kms:Decrypt if its key is yours."
    )


def _program(snapshot: Snapshot, stop: Stop) -> Remedy:
    if lacks_space(stop.reason):
        return Remedy(IMAGE_ADVICE["space"].format(_label_of(snapshot, stop)))
    return Remedy(
        "Check the image: whether it is built for the tasks' processor, has the entry point and command that the"
        " task definition names, and its user."
    )


def _memory(snapshot: Snapshot, stop: Stop) -> Remedy:
    label = _label_of(snapshot, stop)
    return Remedy(f"Check the memory that the service uses; raise memory in {label}, or fix the leak.")


def _label_of(snapshot: Snapshot, stop: Stop) -> str:
    """The revision of a stopped task, in words where it was not read."""
    definition = snapshot.definition(stop.task)
    return definition.label if definition else "the task definition"


def _role_of(snapshot: Snapshot, stop: Stop, otherwise: str = "") -> str:
    """The name of the execution role of a stopped task, another one where its revision was not read."""
    definition = snapshot.definition(stop.task)
    return iam.role_name(definition.execution_role_arn) if definition else otherwise
