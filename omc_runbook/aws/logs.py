"""CloudWatch Logs: the newest streams of a log group, and the last lines of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


def last_lines(client: CloudWatchLogsClient, group: str, stream: str, limit: int = 50) -> tuple[str, ...]:
    """Read the last `limit` lines of a log stream, oldest first; () where the group or stream does not exist.

    See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    try:
        answer = client.get_log_events(logGroupName=group, logStreamName=stream, limit=limit, startFromHead=False)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return ()
        raise
    return tuple(event.get("message", "") for event in answer["events"])


def newest_streams(client: CloudWatchLogsClient, group: str, limit: int) -> tuple[str, ...]:
    """Read the names of the streams of a log group that were written to last; () where the group does not exist.

    See https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
    """
    try:
        answer = client.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=limit)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return ()
        raise
    return tuple(stream["logStreamName"] for stream in answer["logStreams"])
