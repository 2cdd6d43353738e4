"""CloudWatch Logs: the newest streams of a log group, the last lines of one, and the metric filters of a group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omc_runbook.aws.failures import on_error
from omc_runbook.model.arn import log_group_in, region_in

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


@on_error("ResourceNotFoundException", gives=())
def last_lines(client: CloudWatchLogsClient, group: str, stream: str, limit: int = 50) -> tuple[str, ...]:
    """Read the last `limit` lines of a log stream, oldest first; () where the group or stream does not exist.

    See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    answer = client.get_log_events(logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False)
    return tuple(event.get("message", "") for event in answer["events"])


@on_error("ResourceNotFoundException", gives=())
def newest_streams(client: CloudWatchLogsClient, group: str, limit: int) -> tuple[str, ...]:
    """Read the names of the streams of a log group that were written to last; () where the group does not exist.

    See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
    """
    answer = client.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=limit)
    return tuple(stream["logStreamName"] for stream in answer["logStreams"])


@dataclass(frozen=True, kw_only=True)
class MetricFilter:
    """A filter that counts a log group's events as a metric."""

    name: str
    """It is one of its log group alone."""
    group_arn: str
    """The log group's ARN, as a trail has it."""
    pattern: str
    namespace: str
    metric: str
    unit: str = "None"
    has_dimensions: bool = False
    criteria: str = ""
    """Which system fields a log event has to have, beside the pattern; "" for any."""
    is_after_transformer: bool = False
    """Whether it sees what the log group's transformer makes of the events, instead of these."""

    @property
    def metric_id(self) -> tuple[str, str, str]:
        """What an alarm on its metric names: the region, the namespace and the metric."""
        return region_in(self.group_arn), self.namespace, self.metric


@on_error("ResourceNotFoundException", gives=())
def describe_metric_filters(client: CloudWatchLogsClient, group_arn: str) -> tuple[MetricFilter, ...]:
    """The metric filters of a log group; () where there is no such group.

    See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeMetricFilters.html
    """
    pages = [*client.get_paginator("describe_metric_filters").paginate(logGroupName=log_group_in(group_arn))]
    return tuple(
        MetricFilter(
            name=each["filterName"],
            group_arn=group_arn,
            pattern=each.get("filterPattern", ""),
            namespace=transformation["metricNamespace"],
            metric=transformation["metricName"],
            unit=transformation.get("unit") or "None",
            has_dimensions=bool(transformation.get("dimensions") or each.get("emitSystemFieldDimensions")),
            criteria=each.get("fieldSelectionCriteria") or "",
            is_after_transformer=each.get("applyOnTransformedLogs", False),
        )
        for page in pages
        for each in page["metricFilters"]
        for transformation in each["metricTransformations"]
    )
