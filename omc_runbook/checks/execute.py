"""Faults of ECS Exec: what keeps a look into a running task from being taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta

from omc_runbook.aws import iam
from omc_runbook.aws.ecs import Service, Task, TaskContainer
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Check, Doubt, Evidence, family
from omc_runbook.iam.policy import evaluate
from omc_runbook.model.shell import command
from omc_runbook.network.reachability import TaskNetwork, trace
from omc_runbook.snapshot.roles import CHANNELS, Permissions
from omc_runbook.snapshot.state import Snapshot

check = family("exec")

NEEDS = ("inside", "services", "task_definitions", "tasks")
MESSAGES = "ssmmessages"
STARTING = timedelta(minutes=2)
"""How long the agent of a new task may take to connect."""
PLUGIN_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)


@check("exec-off", *NEEDS, severity="warning")
def exec_off(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS Exec was not enabled when the task was run."""
    for service, tasks in _tasks(snapshot, lambda task: not task.execute):
        later = "on, for tasks that it starts from now on" if service.execute else "off as well"
        facts = (
            f"DescribeTasks: enableExecuteCommand is false for {_count(tasks)} of {service.name}, and that counts.",
            f"DescribeServices: for {service.name} itself it is {later}.",
        )
        yield Evidence(
            service.name,
            facts,
            remedies.enable_execute(snapshot.environment.names, service.name),
            frozenset({service.name}),
        )


@check("exec-agent", *NEEDS, severity="warning")
def exec_agent(snapshot: Snapshot) -> Iterable[Evidence]:
    """The agent of ECS Exec does not run in the task."""
    for service, tasks in _tasks(snapshot, lambda task: task.execute and _has_no_agent(snapshot, task)):
        agents = sorted({container.agent or "absent" for task in tasks for container in _without_agent(task)})
        facts = (
            f"DescribeTasks: managedAgents has the ExecuteCommandAgent {', '.join(agents)} in {_count(tasks)}"
            f" of {service.name}.",
        )
        remedy = remedies.redeploy(snapshot.environment.names, service.name)
        yield Evidence(service.name, facts, remedy, frozenset({service.name}))


@check("exec-iam", *NEEDS, severity="warning")
def exec_iam(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The task role may not open the channels of ECS Exec."""
    using: dict[str, set[str]] = {}
    for service, tasks in _tasks(snapshot, lambda task: task.execute):
        for task in tasks:
            definition = snapshot.definition(task.task_definition_arn)
            if definition:
                using.setdefault(definition.task_role_arn, set()).add(service.name)
    for arn, names in using.items():
        services, subject = frozenset(names), iam.role_name(arn) if arn else ", ".join(sorted(names))
        known = snapshot.task_roles.get(arn)
        if not arn:
            fact = f"DescribeTaskDefinition: {subject} has no taskRoleArn, so its tasks may not use ssmmessages."
            remedy = remedies.advise(
                f"Set taskRoleArn, {snapshot.environment.names.task_role}, and deploy the revision."
            )
            yield Evidence(subject, (fact,), remedy, services)
        elif known and not known.exists:
            fact = f"GetRole: there is no role {subject}."
            yield Evidence(subject, (fact,), remedies.let_execute(subject), services)
        elif known:
            yield from _judge(subject, known, services)


@check("exec-endpoint", *NEEDS, "network", severity="warning")
def exec_endpoint(snapshot: Snapshot) -> Iterable[Evidence]:
    """Tasks have no way to ssmmessages, which the agent of ECS Exec talks to."""
    region, refused = snapshot.environment.names.region, _refused_by(snapshot, ("agent",))
    for service, tasks in _tasks(snapshot, lambda task: task.execute and task.id in refused):
        subnets = dict.fromkeys(task.subnet for task in tasks if task.subnet) or dict.fromkeys(
            service.placement.subnets
        )
        for subnet in subnets:
            place = TaskNetwork(subnet, service.placement.groups, service.placement.public_ip)
            path = trace(snapshot.network, place, MESSAGES, region) if snapshot.network else None
            if path is None or path.is_reachable is not False:
                continue
            certain = [obstacle for obstacle in path.obstacles if obstacle.certain]
            facts = tuple(dict.fromkeys(fact for obstacle in certain for fact in obstacle.facts))
            way = certain[0].command
            remedy = (
                f"{way} {command('--region', region)}"
                if way and "{" not in way
                else f"Give {subnet} an endpoint for {MESSAGES}."
            )
            yield Evidence(
                certain[0].subject,
                (*facts, f"It is between the tasks of {service.name} in {subnet} and {MESSAGES}."),
                remedies.advise(remedy),
                frozenset({service.name}),
            )


@check("exec-readonly", *NEEDS, severity="warning")
def exec_readonly(snapshot: Snapshot) -> Iterable[Evidence]:
    """The container's root file system is read-only, so that the agent of ECS Exec cannot work in it."""
    refused = _refused_by(snapshot, ("agent", "session"))
    for service, tasks in _tasks(snapshot, lambda task: task.execute):
        found = {
            f"{definition.label} {container.name}"
            for task in tasks
            if (definition := snapshot.definition(task.task_definition_arn))
            for container in definition.containers
            if container.readonly and (task.id in refused or _agent_ended(task, container.name))
        }
        for subject in sorted(found):
            facts = (f"DescribeTaskDefinition: readonlyRootFilesystem is true for {subject}.",)
            remedy = remedies.advise("Set readonlyRootFilesystem to false and deploy the revision, or do without Exec.")
            yield Evidence(subject, facts, remedy, frozenset({service.name}))


@check("exec-no-shell", *NEEDS, severity="warning")
def exec_no_shell(snapshot: Snapshot) -> Iterable[Evidence]:
    """The container has no shell, or no program that makes a digest."""
    for service in snapshot.consumers:
        for seen in snapshot.inside or ():
            refused = seen.refused
            if seen.service == service.name and refused and refused.why in ("no-shell", "no-tool"):
                fact = f"ExecuteCommand: no digest came from container {seen.container} of task {seen.task_id[:8]}"
                facts = (f"{fact}: {refused.words.rstrip('.')}.",)
                remedy = remedies.advise("Put a shell and sha256sum (busybox has both) into the image to look inside.")
                yield Evidence(service.name, facts, remedy, frozenset({service.name}))
                break


@check("exec-plugin", "services", "tasks", "inside", severity="info")
def exec_plugin(snapshot: Snapshot) -> Iterable[Evidence]:
    """The session-manager-plugin is not installed here."""
    if snapshot.inside and not snapshot.plugin:
        fact = (
            "This machine has no session-manager-plugin: aws ecs execute-command needs it, this runbook does not and"
            " used its own client."
        )
        yield Evidence("this machine", (fact,), remedies.advise(f"To use the AWS CLI, install it: {PLUGIN_PAGE}"))


def _judge(role: str, known: Permissions, services: frozenset[str]) -> Iterator[Evidence | Doubt]:
    if known.simulated:
        refused = [said.action for said in known.simulated if said.decision != "allowed"]
        unsure = [said.action for said in known.simulated if said.decision != "allowed" and said.missing_context]
        source = "SimulatePrincipalPolicy"
    elif known.policies is not None:
        verdicts = {action: evaluate(known.policies, action, "*", None, known.boundary) for action in CHANNELS}
        refused = [action for action, verdict in verdicts.items() if verdict.decision != "allowed"]
        unsure = [action for action, verdict in verdicts.items() if verdict.decision == "unknown"]
        source = "The role's policies, read and judged here"
    else:
        yield Doubt(role, tuple(gap.sentence for gap in known.unread) or ("Its policies could not be read.",))
        return
    if unsure:
        yield Doubt(role, (f"{source}: whether {role} may do {', '.join(unsure)} turns on conditions not known here.",))
    elif refused:
        facts = (f"{source}: {role} may not do {', '.join(refused)}, which ECS Exec needs.",)
        yield Evidence(role, facts, remedies.let_execute(role), services)


def _tasks(snapshot: Snapshot, is_so: Callable[[Task], bool]) -> Iterator[tuple[Service, list[Task]]]:
    for service in snapshot.consumers:
        tasks = [task for task in snapshot.running(service) if is_so(task)]
        if tasks:
            yield service, tasks


def _has_no_agent(snapshot: Snapshot, task: Task) -> bool:
    """Whether an agent stopped, or has not come though there was time."""
    agents = {container.agent for container in _without_agent(task)}
    is_new = task.started is None or snapshot.taken - task.started < STARTING
    return "STOPPED" in agents or (bool(agents) and not is_new)


def _without_agent(task: Task) -> list[TaskContainer]:
    """The containers in which the agent does not run, but for those that have ended and took theirs along."""
    return [container for container in task.containers if container.exit_code is None and container.agent != "RUNNING"]


def _agent_ended(task: Task, name: str) -> bool:
    return any(container.name == name and container.agent == "STOPPED" for container in _without_agent(task))


def _refused_by(snapshot: Snapshot, reasons: Collection[str]) -> frozenset[str]:
    """The ids of the tasks that could not be looked into for one of these reasons."""
    looks = snapshot.inside or ()
    return frozenset(seen.task_id for seen in looks if seen.refused and seen.refused.why in reasons)


def _count(tasks: list[Task]) -> str:
    return f"task {tasks[0].id[:8]}" if len(tasks) == 1 else f"{len(tasks)} running tasks"


CHECKS: tuple[Check, ...] = (exec_off, exec_iam, exec_endpoint, exec_readonly, exec_agent, exec_no_shell, exec_plugin)
