"""CloudTrail: who called which API on the secret, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient


@dataclass(frozen=True, kw_only=True)
class Event:
    """One recorded call; `error` is the AWS error code, "" where the call succeeded.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """

    name: str
    time: datetime
    principal: str
    user_agent: str
    error: str
    version_id: str
    """The version that the call created or moved a staging label to; "" for other calls."""
    stages: tuple[str, ...] = ()
    """The staging labels that the call names; () where Secrets Manager chooses them."""

    @property
    def until(self) -> datetime:
        """The latest time of the call: CloudTrail truncates times to whole seconds."""
        return self.time if self.time.microsecond else self.time + timedelta(seconds=1)


@dataclass(frozen=True)
class Trail:
    """Calls found in CloudTrail's event history, newest first, and whether these are all."""

    events: tuple[Event, ...]
    complete: bool


def lookup_events(
    client: CloudTrailClient, name: str, resource: str, since: datetime, limit: int = 200
) -> tuple[Event, ...]:
    """Read the calls of the API `name` (such as PutSecretValue) on a resource since a time, newest first."""
    return read_trail(client, name, resource, since, limit).events


def read_trail(client: CloudTrailClient, name: str, resource: str, since: datetime, limit: int = 200) -> Trail:
    """Read the calls of the API `name` on a resource since a time, at most `limit` of them.

    Pages have 50 events, so at most limit/50 requests; CloudTrail keeps 90 days and is some minutes late. See
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    pages = client.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
        StartTime=since,
        PaginationConfig={"PageSize": 50, "MaxItems": limit},
    )
    entries = [entry for page in pages for entry in page["Events"]]
    events = tuple(
        _parse(entry["CloudTrailEvent"], entry["EventTime"])
        for entry in entries
        if resource in entry["CloudTrailEvent"]
        or any(resource in r.get("ResourceName", "") for r in entry.get("Resources", ()))
    )
    return Trail(events, complete=pages.resume_token is None)


def _parse(text: str, time: datetime) -> Event:
    body = json.loads(text)
    request = body.get("requestParameters") or {}
    response = body.get("responseElements") or {}
    stages = request.get("versionStages") or [request.get("versionStage")]
    return Event(
        name=body.get("eventName", ""),
        time=time,
        principal=(body.get("userIdentity") or {}).get("arn", ""),
        user_agent=body.get("userAgent", ""),
        error=body.get("errorCode", "") or "",
        version_id=response.get("versionId")
        or request.get("moveToVersionId")
        or request.get("clientRequestToken")
        or "",
        stages=tuple(filter(None, stages if isinstance(stages, list) else [stages])),
    )
