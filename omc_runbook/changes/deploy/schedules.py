"""What EventBridge starts with the secret: no deployment reaches it, and it reads the new values when it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws import definitions
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.session import Clients, ReadFailure, attempt
from omc_runbook.aws.sts import Caller
from omc_runbook.snapshot import scheduled
from omc_runbook.snapshot.state import Snapshot

UNSEEN = ("Not looked at", "Whether what ")
"""How sentences on what could not be read begin."""


def notes(clients: Clients, caller: Caller, snapshot: Snapshot, removed: Sequence[str] = ()) -> Iterator[str]:
    """Sentences on rules and schedules whose task definition refers to the secret, and on what could not be read.

    `removed` are keys that the secret would lose: a task that refers to one would not start.
    """
    for what, tasks in scheduled.find(clients, caller, snapshot.environment.names, snapshot.taken):
        if isinstance(tasks, ReadFailure):
            has_answer = tasks.kind != "no-answer"
            why = f", so that tasks which they start are not named: {tasks.sentence}"
            yield f"Not looked at{why}" if has_answer else f"Not looked at: {what}. {tasks.code}"
            continue
        for task in tasks:
            yield from _note(clients, snapshot, task, removed)


def _note(clients: Clients, snapshot: Snapshot, task: ScheduledTask, removed: Sequence[str]) -> Iterator[str]:
    arn = task.task_definition_arn
    definition: TaskDefinition | ReadFailure | None = snapshot.definition(task)
    if definition is None:
        definition = attempt(
            f"task definition {arn.rpartition('/')[2]}",
            "ecs:DescribeTaskDefinition",
            lambda: definitions.describe_task_definition(clients("ecs"), arn),
        )
    if isinstance(definition, ReadFailure):
        yield f"Whether what {task.origin} starts has the secret is not known: {definition.sentence}"
        return
    keys = {injection.reference.key for _, injection in snapshot.own_references(definition)}
    lost = ", ".join(sorted(keys.intersection(removed)))
    if keys and (refused := task.refusal(definition)):
        yield refused
    elif lost:
        yield f"{task.origin} starts {definition.label}, which refers to {lost}: its next task would not start."
    elif keys:
        yield f"{task.origin} starts {definition.label}, whose next task reads the new values; none is redeployed."
