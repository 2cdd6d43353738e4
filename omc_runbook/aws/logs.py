"""CloudWatch Logs: the last lines of a log stream."""

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
