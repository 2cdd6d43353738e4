"""Faults of ECS Exec: why a running task cannot be looked into."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta

from omc_runbook.aws import iam
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service, Task, TaskContainer
from omc_runbook.aws.execute import MESSAGES
from omc_runbook.checks import remedies
from omc_runbook.checks.access import what_ends_state
from omc_runbook.checks.check import ECS_FIELDS, Evidence, Family, Uncertain
from omc_runbook.checks.network import way_of
from omc_runbook.checks.role_access import judge_action, keys_of
from omc_runbook.checks.role_remedies import exchange_of, remedy_of
from omc_runbook.iam.policy import evaluate_resource
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.network.reachability import TaskNetwork, trace
from omc_runbook.snapshot.roles import CHANNELS, DECRYPT, Permissions
from omc_runbook.snapshot.state import Snapshot

NEEDS = ("exec_looks", *ECS_FIELDS)
check = Family("exec", symptom="exec-fails", needs=NEEDS, looks_like=("exec-refused",), severity="warning")

STATIC_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Variables that AWS's SDKs prefer to a task role.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""
SHARED = "task"
"""The pidMode with which a task's containers share their processes, and one agent of ECS Exec.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html
"""
STARTING = timedelta(minutes=2)
"""How long the agent of a new task may take to connect."""
PLUGIN_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)


@check("exec-off", ruled_out_by="DescribeTasks: enableExecuteCommand is true on the running tasks")
def exec_off(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS Exec was off when the task started."""
    for service, tasks in _tasks(snapshot, lambda task: not task.execute):
        later = "true, for new tasks" if service.execute else "false as well"
        facts = (
            f"DescribeTasks: enableExecuteCommand is false for {_count(tasks)} of {service.name}.",
            f"DescribeServices: enableExecuteCommand of {service.name} itself is {later}.",
        )
        remedy = remedies.enable_execute(snapshot.environment.names, service)
        yield Evidence(service.name, facts, remedy, frozenset({service.name}))


@check("exec-iam", ruled_out_by="the task role's policies allow the four ssmmessages actions")
def exec_iam(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The task role lacks the ssmmessages permissions that ECS Exec needs."""
    using = grouped(
        (definition.task_role_arn, service.name)
        for service, tasks in _tasks(snapshot, lambda task: task.execute)
        for definition in _definitions(snapshot, tasks)
        if definition.task_role_arn or not _works_by_instance(snapshot, service, tasks, definition)
    )
    for arn, names in using.items():
        services, subject = frozenset(names), iam.role_name(arn) if arn else ", ".join(sorted({*names}))
        permissions = snapshot.task_roles.get(arn)
        if not arn:
            fact = f"DescribeTaskDefinition: {subject} has no taskRoleArn, so its tasks may not use ssmmessages."
            remedy = Remedy(f"Set taskRoleArn, {snapshot.environment.names.task_role}, and deploy the revision.")
            yield Evidence(subject, (fact,), remedy, services)
        elif permissions and not permissions.exists:
            fact = f"GetRole: there is no role {subject}."
            yield Evidence(subject, (fact,), _then_start(snapshot, remedies.create_task_role(arn), services), services)
        elif permissions:
            yield from _judge_channels(snapshot, arn, permissions, services, keys_of(snapshot, arn, permissions))


@check(
    "exec-endpoint",
    needs=(*NEEDS, "network"),
    ruled_out_by="EC2: the tasks' subnets have a route to ssmmessages",
    because_of=("no-egress", "sg-egress", "network-acl", "vpc-dns-off"),
)
def exec_endpoint(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks cannot reach ssmmessages, which ECS Exec needs."""
    region = snapshot.environment.names.region
    refused = {id for id, _ in _refused_containers(snapshot, ("agent",))}
    for service, tasks in _tasks(snapshot, lambda task: task.execute and task.id in refused):
        subnets = dict.fromkeys(task.subnet for task in tasks if task.subnet) or dict.fromkeys(
            service.placement.subnets
        )
        for subnet in subnets:
            task_network = TaskNetwork(subnet, service.placement.groups, service.placement.public_ip)
            path = trace(snapshot.network, task_network, MESSAGES, region) if snapshot.network else None
            if path is None or path.is_reachable is not False:
                continue
            certain = [obstacle for obstacle in path.obstacles if obstacle.certain]
            facts = tuple(dict.fromkeys(fact for obstacle in certain for fact in obstacle.facts))
            remedy = Remedy(way_of(snapshot, service, certain[0]))
            yield Evidence(
                certain[0].subject,
                (*facts, f"It blocks tasks of {service.name} in {subnet} from {MESSAGES}."),
                _then_start(snapshot, remedy, (service.name,)),
                frozenset({service.name}),
            )


@check("exec-readonly", ruled_out_by="DescribeTaskDefinition: readonlyRootFilesystem is not true")
def exec_readonly(snapshot: Snapshot) -> Iterable[Evidence]:
    """The root file system is read-only: the agent of ECS Exec cannot work."""
    refused = _refused_containers(snapshot, ("agent", "session"))
    for service, tasks in _tasks(snapshot, lambda task: task.execute):
        subjects = {
            f"{definition.label} {container.name}"
            for task in tasks
            if (definition := snapshot.definition(task))
            for container in definition.containers
            if container.readonly
            and ((task.id, container.name) in refused or _agent_ended(snapshot, task, container.name))
        }
        for subject in sorted(subjects):
            facts = (f"DescribeTaskDefinition: readonlyRootFilesystem is true for {subject}.",)
            remedy = Remedy("Set readonlyRootFilesystem to false and deploy the revision, or do without ECS Exec.")
            yield Evidence(subject, facts, remedy, frozenset({service.name}))


@check(
    "exec-static-keys",
    ruled_out_by="DescribeTaskDefinition: no container has AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY",
)
def exec_static_keys(snapshot: Snapshot) -> Iterable[Evidence]:
    """AWS keys in the container's environment take the place of the task role, which ECS Exec needs."""
    # With other keys the agent cannot read whether the log of sessions is encrypted, either.
    refused = _refused_containers(snapshot, ("agent", "session", "timeout", "log-group", "bucket"))
    for service, tasks in _tasks(snapshot, lambda task: task.execute):
        for definition in _definitions(snapshot, tasks):
            own = [task for task in tasks if task.task_definition_arn == definition.arn]
            fails = {name for task in own for id, name in refused if id == task.id}
            fails |= {
                each.name for task in own if _has_no_agent(snapshot, task) for each in _without_agent(snapshot, task)
            }
            for container in (each for each in definition.containers if each.name in fails):
                variables = {*container.environment, *(injection.variable for injection in container.secrets)}
                keys = [name for name in STATIC_KEYS if name in variables]
                if keys:
                    facts = (
                        f"DescribeTaskDefinition: {definition.label} gives container {container.name}"
                        f" {' and '.join(keys)}, and the agent of ECS Exec uses them instead of the task role.",
                    )
                    remedy = Remedy(
                        f"Take {' and '.join(keys)} out of the container, grant the task role what they are for, and"
                        " deploy the revision."
                    )
                    subject = f"{definition.label} {container.name}"
                    yield Evidence(subject, facts, remedy, frozenset({service.name}))


@check(
    "exec-kms",
    needs=(*NEEDS, "session_key"),
    ruled_out_by="DescribeClusters: no KMS key encrypts ECS Exec's sessions, or the task role may decrypt with it",
)
def exec_kms(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The task role cannot use the KMS key that encrypts ECS Exec's sessions."""
    key, missing = snapshot.session_key, snapshot.missing_session_key
    all_services = frozenset(service.name for service, _ in _tasks(snapshot, lambda task: task.execute))
    if missing:
        lacking = (_encrypts(snapshot, missing), f"DescribeKey: there is no key {missing}.")
        yield Evidence(missing, lacking, remedies.change_session_key(snapshot.environment.names), all_services)
    if key is None:
        return
    fact, way = what_ends_state(key) or ("", None)
    if way:
        yield Evidence(key.arn, (_encrypts(snapshot, key.arn), fact), way, all_services)
    elif fact:
        yield Uncertain(key.arn, (fact,))
    for arn, permissions in snapshot.session_roles.items():
        name, keys = iam.role_name(arn), keys_of(snapshot, arn, permissions)
        services = frozenset(
            service.name
            for service, tasks in _tasks(snapshot, lambda task: task.execute)
            if any(definition.task_role_arn == arn for definition in _definitions(snapshot, tasks))
        )
        access = judge_action(permissions, arn, DECRYPT, key.arn, keys)
        direct = evaluate_resource(key.policy, {arn}, DECRYPT, key.arn, keys).decision if key.policy else ""
        is_denied = direct == "explicit-deny"
        if direct == "allowed" and not access.is_denied:
            continue
        if not (access.cause or is_denied):
            # A role's own policies count for a key only where the key's policy lets the account's do so.
            account = account_in(arn)
            delegated = evaluate_resource(key.policy, {arn, account}, DECRYPT, key.arn, keys) if key.policy else None
            if delegated and delegated.decision != "allowed":
                fact = f"GetKeyPolicy: {delegated.reason}; whether a grant lets {name} use it was not read."
                yield Uncertain(name, (fact,))
            continue
        if "unknown" in (direct, access.cause):
            yield Uncertain(name, tuple(gap.sentence for gap in permissions.unread) or access.sentences)
            continue
        facts = (
            _encrypts(snapshot, key.arn),
            f"{name} may not call {DECRYPT} on it, so that no session can begin.",
            f"GetKeyPolicy: the key's policy denies {name}." if is_denied else access.sentence,
        )
        remedy = remedy_of(access, DECRYPT, key.arn, remedies.let_decrypt(name, key.arn))
        if is_denied:
            remedy = Remedy("Correct the key's policy: aws kms put-key-policy.")
        yield Evidence(name, facts, remedy, services)


def _encrypts(snapshot: Snapshot, key: str) -> str:
    cluster = snapshot.environment.names.cluster
    return f"DescribeClusters: executeCommandConfiguration of {cluster} has kmsKeyId {key}."


@check(
    "exec-agent",
    ruled_out_by="DescribeTasks: no managed agent ExecuteCommandAgent has stopped",
    because_of=("exec-iam", "exec-endpoint", "exec-readonly", "exec-static-keys"),
)
def exec_agent(snapshot: Snapshot) -> Iterable[Evidence]:
    """The agent of ECS Exec is not running."""
    for service, tasks in _tasks(snapshot, lambda task: task.execute and _has_no_agent(snapshot, task)):
        agents = sorted({container.agent or "absent" for task in tasks for container in _without_agent(snapshot, task)})
        facts = (
            f"DescribeTasks: managedAgents has the ExecuteCommandAgent {', '.join(agents)} in {_count(tasks)}"
            f" of {service.name}.",
        )
        start = remedies.start_tasks(snapshot.environment.names, service)
        others = [task for task in tasks if any(each.agent == "RUNNING" for each in task.containers)]
        sharing = [definition.label for definition in _definitions(snapshot, others) if definition.pid_mode == SHARED]
        if sharing:
            labels = ", ".join(sharing)
            fact = f"DescribeTaskDefinition: pidMode is {SHARED} in {labels}: only one container of a task has it."
            remedy = Remedy(f"Take pidMode out of {labels} and deploy the revision, or do without ECS Exec.")
            yield Evidence(service.name, (*facts, fact), remedy, frozenset({service.name}))
            continue
        again = "If the agent stops again, the image ends it: too little memory, or a process that ends others."
        yield Evidence(service.name, facts, start.needing(again), frozenset({service.name}))


@check("exec-no-shell", ruled_out_by="ExecuteCommand: no container lacks sh")
def exec_no_shell(snapshot: Snapshot) -> Iterable[Evidence]:
    """The container has no shell, or no program that computes a digest."""
    for service in snapshot.consumers:
        for look in snapshot.exec_looks or ():
            refused = look.refused
            if look.service == service.name and refused and refused.kind in ("no-shell", "no-tool"):
                fact = f"ExecuteCommand: no digest from container {look.container} of task {look.task_id[:8]}"
                facts = (f"{fact}: {refused.message.rstrip('.')}.",)
                remedy = Remedy("Put a shell and sha256sum (busybox has both) into the image to look inside.")
                yield Evidence(service.name, facts, remedy, frozenset({service.name}))
                break


@check(
    "exec-plugin",
    needs=("services", "tasks", "exec_looks"),
    severity="info",
    ruled_out_by="session-manager-plugin is on this machine",
    not_in_sandbox="It is a program of this machine",
)
def exec_plugin(snapshot: Snapshot) -> Iterable[Evidence]:
    """session-manager-plugin is not installed here."""
    # Where no session works at all, something else is in its way, and the plugin would hide that.
    if not snapshot.plugin and any(not look.refused for look in snapshot.exec_looks or ()):
        fact = (
            "This machine has no session-manager-plugin: aws ecs execute-command needs it; this runbook uses"
            " its own client."
        )
        yield Evidence("this machine", (fact,), Remedy(f"Install it from {PLUGIN_PAGE} to use the AWS CLI."))


def _judge_channels(
    snapshot: Snapshot, arn: str, permissions: Permissions, services: frozenset[str], keys: Keys
) -> Iterator[Evidence | Uncertain]:
    role = iam.role_name(arn)
    answers = {action: judge_action(permissions, arn, action, "*", keys) for action in CHANNELS}
    refused = {action: access for action, access in answers.items() if access.cause}
    unsure = [access for access in refused.values() if access.cause == "unknown"]
    if unsure:
        yield Uncertain(role, tuple(dict.fromkeys(each for access in unsure for each in access.sentences)))
    elif refused:
        access = next((access for access in refused.values() if access.cause != "nothing-allows"), None)
        source = next(iter(refused.values())).sentence.partition(":")[0]
        facts = (
            f"{source}: {role} may not call {', '.join(refused)}, which ECS Exec needs.",
            *((access.sentence,) if access else ()),
        )
        if not access and (exchange := exchange_of(snapshot, arn, services)):
            stems_from = frozenset({exchange.execution_role})
            yield Evidence(role, (*facts, exchange.fact), exchange.remedy, services, stems_from=stems_from)
            return
        grant = _then_start(snapshot, remedies.let_execute(role), services)
        remedy = remedy_of(access, ", ".join(refused), "*", grant) if access else grant
        yield Evidence(role, facts, remedy, services)


def _works_by_instance(snapshot: Snapshot, service: Service, tasks: Iterable[Task], definition: TaskDefinition) -> bool:
    """Whether each task of a revision without a role could be looked into all the same: by its instance's role."""
    own = {task.id for task in tasks if task.task_definition_arn == definition.arn}
    works = {look.task_id for look in snapshot.exec_looks or () if not look.refused}
    return not service.is_on_fargate and own <= works


def _then_start(snapshot: Snapshot, remedy: Remedy, names: Collection[str]) -> Remedy:
    """New tasks after a change: an agent that has stopped does not start again."""
    services = [service for service in snapshot.consumers if service.name in names]
    return remedies.then_start_tasks(snapshot.environment.names, remedy, services)


def _tasks(snapshot: Snapshot, predicate: Callable[[Task], bool]) -> Iterator[tuple[Service, list[Task]]]:
    for service in snapshot.container_consumers:
        tasks = [task for task in snapshot.running(service) if predicate(task)]
        if tasks:
            yield service, tasks


def _definitions(snapshot: Snapshot, tasks: Iterable[Task]) -> Iterator[TaskDefinition]:
    """The revisions that tasks run, each once."""
    for arn in dict.fromkeys(task.task_definition_arn for task in tasks):
        definition = snapshot.task_definitions.get(arn)
        if definition:
            yield definition


def _has_no_agent(snapshot: Snapshot, task: Task) -> bool:
    """Whether an agent stopped, or has not started in time."""
    agents = {container.agent for container in _without_agent(snapshot, task)}
    is_new = task.started is None or snapshot.taken - task.started < STARTING
    return "STOPPED" in agents or (bool(agents) and not is_new)


def _without_agent(snapshot: Snapshot, task: Task) -> list[TaskContainer]:
    """The running containers without a running agent.

    Those that AWS adds to a task, such as GuardDuty's and the proxy of Service Connect, never have one.
    """
    definition = snapshot.definition(task)
    names = {container.name for container in definition.containers} if definition else None
    if definition and definition.pid_mode == SHARED and any(each.agent == "RUNNING" for each in task.containers):
        # It is in one container alone, which is enough if nobody has to look into another one.
        names = {look.container for look in snapshot.exec_looks or () if look.task_id == task.id}
    own = [container for container in task.containers if names is None or container.name in names]
    return [container for container in own if container.exit_code is None and container.agent != "RUNNING"]


def _agent_ended(snapshot: Snapshot, task: Task, name: str) -> bool:
    return any(container.name == name and container.agent == "STOPPED" for container in _without_agent(snapshot, task))


def _refused_containers(snapshot: Snapshot, reasons: Collection[str]) -> frozenset[tuple[str, str]]:
    """The containers that could not be looked into for one of these reasons, each after its task's id."""
    looks = snapshot.exec_looks or ()
    return frozenset((look.task_id, look.container) for look in looks if look.refused and look.refused.kind in reasons)


def _count(tasks: list[Task]) -> str:
    return f"task {tasks[0].id[:8]}" if len(tasks) == 1 else f"{len(tasks)} running tasks"
