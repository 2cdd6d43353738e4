"""What EventBridge starts with the secret: no deployment reaches it, and it reads the new values when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from omc_runbook.aws import definitions, schedules
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.aws.sts import Caller
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.snapshot.state import Snapshot

PATIENCE = 5.0
"""Seconds to wait for EventBridge, which a private network may have no way to."""

_Read = Callable[[], tuple[ScheduledTask, ...]]


def notes(clients: Clients, caller: Caller, snapshot: Snapshot, removed: Sequence[str] = ()) -> Iterator[str]:
    """Sentences on rules and schedules whose task definition refers to the secret, and on what could not be read.

    `removed` are keys that the secret would lose: a task that refers to one would not start.
    """
    cluster = arn_of_cluster(caller, snapshot)
    reads: tuple[tuple[str, str, _Read], ...] = (
        (
            "EventBridge's rules",
            "events:ListRuleNamesByTarget",
            lambda: schedules.find_rule_tasks(clients("events"), cluster),
        ),
        (
            "EventBridge Scheduler's schedules",
            "scheduler:ListSchedules",
            lambda: schedules.find_schedule_tasks(clients("scheduler"), cluster),
        ),
    )
    pool = ThreadPoolExecutor(len(reads), "schedules")
    answers = [(what, pool.submit(_look, what, permission, read)) for what, permission, read in reads]
    pool.shutdown(wait=False)
    for what, answer in answers:
        try:
            tasks = answer.result(PATIENCE)
        except TimeoutError:
            yield f"Not looked at: {what}, for lack of an answer within {PATIENCE:.0f} s."
            continue
        except CouldNotLook as error:
            yield f"Not looked at: {what}. {error}"
            continue
        if isinstance(tasks, ReadFailure):
            yield f"Not looked at, so that tasks which they start are not named: {tasks.sentence}"
            continue
        for task in tasks:
            yield from _note(clients, snapshot, task, removed)


def arn_of_cluster(caller: Caller, snapshot: Snapshot) -> str:
    """The ARN of the environment's cluster, in the caller's account."""
    names = snapshot.environment.names
    return f"arn:{caller.partition}:ecs:{names.region}:{caller.account}:cluster/{names.cluster}"


def _look(what: str, permission: str, read: _Read) -> tuple[ScheduledTask, ...] | ReadFailure:
    return look(what, permission, read)


def _note(clients: Clients, snapshot: Snapshot, task: ScheduledTask, removed: Sequence[str]) -> Iterator[str]:
    arn = task.task_definition_arn
    definition: TaskDefinition | ReadFailure | None = snapshot.definition(arn)
    if definition is None:
        definition = look(
            f"task definition {arn.rpartition('/')[2]}",
            "ecs:DescribeTaskDefinition",
            lambda: definitions.describe_task_definition(clients("ecs"), arn),
        )
    if isinstance(definition, ReadFailure):
        yield f"Whether what {task.origin} starts has the secret is not known: {definition.sentence}"
        return
    keys = {injection.reference.key for _, injection in snapshot.own_injections(definition)}
    lost = ", ".join(sorted(keys.intersection(removed)))
    if lost:
        yield f"{task.origin} starts {definition.label}, which refers to {lost}: its next task would not start."
    elif keys:
        yield f"{task.origin} starts {definition.label}, whose next task reads the new values; none is redeployed."
