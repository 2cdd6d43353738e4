"""EventBridge: rules on what AWS services report, and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WITH_READS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
"""The state in which a rule also gets read-only calls, such as GetSecretValue; see
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html"""


@dataclass(frozen=True, kw_only=True)
class EventRule:
    """A rule of the default event bus with an event pattern; `targets` are ARNs."""

    name: str
    state: str
    pattern: str
    targets: tuple[str, ...] = ()
    managed_by: str = ""
    """The AWS service that made it and alone may change it, such as for an archive; "" for none."""


def list_rules(client: Any) -> tuple[EventRule, ...]:
    """The rules of the default event bus that have an event pattern, without their targets.

    See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html
    """
    pages = client.get_paginator("list_rules").paginate()
    return tuple(
        EventRule(
            name=each["Name"],
            state=each.get("State", ""),
            pattern=each["EventPattern"],
            managed_by=each.get("ManagedBy") or "",
        )
        for page in pages
        for each in page["Rules"]
        if each.get("EventPattern")
    )


def list_targets(client: Any, rule: str) -> tuple[str, ...]:
    """The ARNs of a rule's targets.

    See https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTargetsByRule.html
    """
    pages = client.get_paginator("list_targets_by_rule").paginate(Rule=rule)
    return tuple(target["Arn"] for page in pages for target in page["Targets"])
