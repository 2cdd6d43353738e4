"""The tasks that EventBridge or a daemon runs on the cluster: no service shows them, and none may have run for days."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

from omc_runbook.aws import managed, schedules
from omc_runbook.aws.failures import CHECK_NETWORK, ReadFailure, look
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.aws_names import Names
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

FIELD = "scheduled"
"""The snapshot's field, in which what could not be read is a gap."""
PATIENCE = 5.0
"""Seconds to wait for EventBridge, which a private network may have no way to."""

_Read = Callable[[], tuple[ScheduledTask, ...]]


def find(
    clients: Clients, caller: Caller, names: Names, now: datetime
) -> Iterator[tuple[str, tuple[ScheduledTask, ...] | ReadFailure]]:
    """What rules and schedules still run on the cluster, or why that could not be read, with its name."""
    cluster = arn_of_cluster(caller, names)
    reads: tuple[tuple[str, str, _Read], ...] = (
        (
            "EventBridge's rules",
            "events:ListRuleNamesByTarget",
            lambda: schedules.find_rule_tasks(clients("events"), cluster),
        ),
        (
            "EventBridge's other event buses",
            "events:ListEventBuses",
            lambda: schedules.find_tasks_of_other_buses(clients("events"), cluster),
        ),
        (
            "EventBridge Scheduler's schedules",
            "scheduler:ListSchedules",
            lambda: schedules.find_schedule_tasks(clients("scheduler"), cluster, now),
        ),
    )
    pool = ThreadPoolExecutor(len(reads), "schedules")
    answers = [(what, permission, pool.submit(look, what, permission, read)) for what, permission, read in reads]
    pool.shutdown(wait=False)
    for what, permission, answer in answers:
        try:
            yield what, answer.result(PATIENCE)
        except TimeoutError:
            why = f"There was no answer within {PATIENCE:.0f} s. {CHECK_NETWORK}"
            yield what, ReadFailure(what, permission, why, "no-answer")
        except CouldNotLook as error:
            yield what, ReadFailure(what, permission, str(error), "incomplete")


def arn_of_cluster(caller: Caller, names: Names) -> str:
    """The ARN of the environment's cluster, in the caller's account."""
    return f"arn:{caller.partition}:ecs:{names.region}:{caller.account}:cluster/{names.cluster}"


def read(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add what EventBridge and daemons run, with the task definitions."""
    what, cluster = f"the daemons of cluster {gatherer.names.cluster}", arn_of_cluster(gatherer.caller, gatherer.names)
    daemon_request = gatherer.read(what, "ecs:ListDaemons", managed.find_daemons, cluster)
    found = list[ScheduledTask]()
    for _, tasks in find(gatherer.clients, gatherer.caller, gatherer.names, snapshot.taken):
        if isinstance(tasks, ReadFailure):
            gatherer.gaps[FIELD] += (tasks,)
        else:
            found += tasks
    daemons = daemon_request.result()
    if isinstance(daemons, ReadFailure):
        gatherer.gaps[FIELD] += () if daemons.code in managed.ABSENT else (daemons,)
        daemons = ()
    found += (ScheduledTask(f"daemon {each.name}", each.definition.arn) for each in daemons)
    definitions = {**snapshot.task_definitions, **{each.definition.arn: each.definition for each in daemons}}
    missing = {task.task_definition_arn for task in found} - definitions.keys()
    origins = {task.task_definition_arn: task.origin for task in found}
    definitions |= gatherer.task_definitions(FIELD, missing, origins)
    # An ARN may be that of a family, and stands for its newest revision.
    scheduled = tuple(
        replace(task, task_definition_arn=definitions[task.task_definition_arn].arn)
        for task in found
        if task.task_definition_arn in definitions
    )
    revisions = {revision.arn: revision for revision in definitions.values()}
    return replace(snapshot, scheduled=scheduled, task_definitions=revisions)
