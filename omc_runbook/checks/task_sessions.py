"""Who may begin a session in a task that has the secret's values, by ECS Exec or by Session Manager alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.iam.who_can import AccessVerdict, Identity, Judge, combine
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.state import Snapshot

OF_THE_INSTANCE = "the role of the instance, which a task without a role of its own may use"
"""The doubt about a task without a role, where that is not on Fargate."""


@dataclass(frozen=True, kw_only=True)
class SessionTarget:
    """A container with the secret's values, or with a role that reads them, in which a session can begin.

    `channels` tells whether the task's role lets the agent of ECS Exec answer.
    """

    service: str
    task: str
    container: str
    channels: AccessVerdict


@dataclass(frozen=True, kw_only=True)
class TaskSession:
    """A call by which somebody begins a session in a task of a service, as a verdict that is not "denied"."""

    service: str
    verdict: AccessVerdict


def sessions_of(
    snapshot: Snapshot, judge: Judge, identity: Identity, targets: Sequence[SessionTarget]
) -> Iterator[TaskSession]:
    """The sessions in these containers that an identity may begin."""
    for action in secret_calls.SESSIONS if targets and not identity.is_service_linked else ():
        for target in targets if judge.leaves_open(identity, action) else ():
            call = secret_calls.on_task(snapshot, action, target.task, target.container)
            verdict = judge.verdict(identity, call)
            if verdict.decision != "denied":
                yield TaskSession(service=target.service, verdict=_as_far_as_answered(verdict, target.channels))


def targets_of(
    snapshot: Snapshot, judge: Judge, roles: Iterable[Identity], readers: Collection[str]
) -> tuple[SessionTarget, ...]:
    """The containers of each service in which a session can begin: ECS Exec is enabled, and the task's role allows it.

    `readers` are the ARNs of the roles that may read the secret.
    """
    by_arn = {role.arn: role for role in roles}
    found: dict[tuple[str, str, str], SessionTarget] = {}
    for service in dict.fromkeys((*snapshot.services, *snapshot.readers)):
        tasks = [task for task in snapshot.running(service) if task.execute]
        arns = [*([service.task_definition_arn] if service.execute else []), *(t.task_definition_arn for t in tasks)]
        for definition in filter(None, map(snapshot.task_definitions.get, dict.fromkeys(arns))):
            channels = _channels(snapshot, judge, service, definition, by_arn.get(definition.task_role_arn))
            if channels is None:
                continue
            own = [task for task in tasks if task.task_definition_arn == definition.arn]
            for container in _with_values(snapshot, definition, readers):
                if not container.readonly or any(_has_agent(task, container.name) for task in own):
                    found.setdefault(
                        (service.name, container.name, definition.task_role_arn),
                        SessionTarget(
                            service=service.name,
                            task=own[0].arn if own else "",
                            container=container.name,
                            channels=channels,
                        ),
                    )
    return tuple(found.values())


def _with_values(snapshot: Snapshot, definition: TaskDefinition, readers: Collection[str]) -> Iterable[Container]:
    """The containers that get values of the secret, or all where the task's role may read it."""
    if definition.task_role_arn in readers:
        return definition.containers
    return dict.fromkeys(container for container, _ in snapshot.own_injections(definition))


def _channels(
    snapshot: Snapshot, judge: Judge, service: Service, definition: TaskDefinition, role: Identity | None
) -> AccessVerdict | None:
    """Whether the agent in a task may open its channels; None where it may not."""
    if role is None:
        is_on_instance = not definition.task_role_arn and service.reads_by_instance and not service.is_family
        doubts = (OF_THE_INSTANCE,)
        return AccessVerdict(action="ECS Exec", decision="unknown", doubts=doubts) if is_on_instance else None
    verdicts = [judge.verdict(role, call) for call in secret_calls.channels(snapshot)]
    verdict = combine("ECS Exec", verdicts)
    return verdict if verdict.decision != "denied" else None


def _has_agent(task: Task, container: str) -> bool:
    return any(each.name == container and each.agent == "RUNNING" for each in task.containers)


def _as_far_as_answered(verdict: AccessVerdict, channels: AccessVerdict) -> AccessVerdict:
    """The verdict on a call, left open where that on the agent's channels is."""
    if not channels.is_unjudged:
        return verdict
    return replace(verdict, decision="unknown", doubts=tuple(dict.fromkeys((*verdict.doubts, *channels.doubts))))
