"""CloudWatch: the alarms on a metric, and whom they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MetricAlarm:
    """An alarm on a metric; `actions` are the ARNs that it tells when it goes off."""

    name: str
    are_actions_enabled: bool
    actions: tuple[str, ...]
    unit: str = ""
    """The unit of the data that it looks at alone; "" for any."""


def describe_alarms(client: Any, namespace: str, metric: str) -> tuple[MetricAlarm, ...]:
    """The alarms on a metric without dimensions.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmsForMetric.html
    """
    answer = client.describe_alarms_for_metric(Namespace=namespace, MetricName=metric)
    return tuple(
        MetricAlarm(
            name=each["AlarmName"],
            are_actions_enabled=each.get("ActionsEnabled", True),
            actions=tuple(each.get("AlarmActions", ())),
            unit=each.get("Unit") or "",
        )
        for each in answer["MetricAlarms"]
    )
