"""EventBridge: the task definitions that rules and schedules run on a cluster."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from omc_runbook.aws.answer import pages
from omc_runbook.aws.definitions import ACTIVE, Container, TaskDefinition, container_of

OFF = "DISABLED"
LATEST_START = timedelta(days=3)
"""How long after its time a schedule may run a task: in another time zone, a day's window, after a day of retries."""
DEFAULT = "default"
"""The event bus that each account has, which gets what AWS services report."""
_ANY_CALL = ":::aws-sdk:ecs:runTask"
"""How the ARN of EventBridge Scheduler's universal target ends, where that calls RunTask."""
_INPUT_VARIABLE = re.compile(r"(\x22(?:[^\x22\\]|\\.)*+\x22)|<[\w.-]+>")
"""A string, which stays, or what EventBridge fills in as one from an event, in the template of a target's input."""


@dataclass(frozen=True)
class ScheduledTask:
    """A task that EventBridge runs: the rule or schedule, such as "rule nightly", and its task definition's ARN.

    The ARN may be that of a family, whose newest revision is run then.
    """

    origin: str
    task_definition_arn: str
    overrides: tuple[Container, ...] = ()
    """What it gives containers of it instead of their own command and variables."""

    def refusal(self, revision: TaskDefinition) -> str:
        """Why ECS does not run a revision that was deregistered; "" for an ACTIVE one."""
        if revision.status == ACTIVE:
            return ""
        return f"{self.origin} starts {revision.label}, which is {revision.status}: ECS refuses to run it."


def find_rule_tasks(client: Any, cluster_arn: str, bus: str = DEFAULT) -> tuple[ScheduledTask, ...]:
    """What the rules of an event bus that are on run on a cluster.

    See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html
    """
    of_bus = {} if bus == DEFAULT else {"EventBusName": bus}
    pages = client.get_paginator("list_rule_names_by_target").paginate(TargetArn=cluster_arn, **of_bus)
    rules = [name for page in pages for name in page["RuleNames"]]
    label = "" if bus == DEFAULT else f"{bus}/"
    return tuple(
        ScheduledTask(f"rule {label}{rule}", target["EcsParameters"]["TaskDefinitionArn"], _overrides_of(target))
        for rule in rules
        if client.describe_rule(Name=rule, **of_bus)["State"] != OFF
        for page in client.get_paginator("list_targets_by_rule").paginate(Rule=rule, **of_bus)
        for target in page["Targets"]
        if target["Arn"] == cluster_arn and "EcsParameters" in target
    )


def find_tasks_of_other_buses(client: Any, cluster_arn: str) -> tuple[ScheduledTask, ...]:
    """What the rules of all event buses but the default one run on a cluster.

    See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListEventBuses.html
    """
    answers = pages(lambda **token: client.list_event_buses(**token), "NextToken")
    buses = [bus["Name"] for page in answers for bus in page["EventBuses"]]
    return tuple(task for bus in buses if bus != DEFAULT for task in find_rule_tasks(client, cluster_arn, bus))


def find_schedule_tasks(client: Any, cluster_arn: str, now: datetime) -> tuple[ScheduledTask, ...]:
    """What the schedules of EventBridge Scheduler that are on, and whose time is not over, run on a cluster.

    See https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html and
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
    """
    pages = client.get_paginator("list_schedules").paginate()
    every = (each for page in pages for each in page["Schedules"] if each.get("State") != OFF)
    summaries = [
        each for each in every if each["Target"]["Arn"] == cluster_arn or each["Target"]["Arn"].endswith(_ANY_CALL)
    ]
    found = []
    for each in summaries:
        schedule = client.get_schedule(Name=each["Name"], GroupName=each["GroupName"])
        target, end = schedule["Target"], _end_of(schedule)
        revision = _revision_of(target, cluster_arn)
        if revision and not (end and end + LATEST_START < now):
            found.append(ScheduledTask(f"schedule {each['Name']}", revision, _overrides_of(target)))
    return tuple(found)


def _revision_of(target: Any, cluster_arn: str) -> str:
    """The task definition that a schedule's target runs on the cluster; "" for none."""
    if target["Arn"] == cluster_arn:
        return str(target.get("EcsParameters", {}).get("TaskDefinitionArn", ""))
    request = _request_of(target)
    is_here = str(request.get("cluster", DEFAULT)) in (cluster_arn, cluster_arn.rpartition("/")[2])
    return str(request.get("taskdefinition", "")) if is_here else ""


def _overrides_of(target: Any) -> tuple[Container, ...]:
    """The containers whose command or variables a target's input overrides; () for what ECS does not accept."""
    request = _request_of(target)
    try:
        return tuple(map(container_of, request.get("overrides", request).get("containeroverrides", ())))
    except (AttributeError, KeyError, TypeError):
        return ()


def _request_of(target: Any) -> dict[str, Any]:
    """The JSON object that a target's input is, with names in small letters; {} for none, which ECS does not accept."""
    template = (target.get("InputTransformer") or {}).get("InputTemplate", "")
    text = target.get("Input") or _INPUT_VARIABLE.sub(lambda match: match[1] or '""', template)
    try:
        request = json.loads(
            text,
            object_pairs_hook=lambda pairs: {name.lower(): value for name, value in pairs},
            parse_int=str,
            parse_float=str,
        )
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _end_of(schedule: Any) -> datetime | None:
    """When a schedule runs its task for the last time, about: one that is over stays ENABLED; None for no end."""
    kind, _, text = schedule.get("ScheduleExpression", "").partition("(")
    end: datetime | None = schedule.get("EndDate")
    if kind != "at":
        return end
    return datetime.fromisoformat(text.rstrip(")")).replace(tzinfo=UTC)
