"""CloudTrail: who called what on the secret, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient


@dataclass(frozen=True)
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
    """The version that the call made or moved a stage to; "" for other calls."""
    stages: tuple[str, ...] = ()
    """The staging labels that the call names; () where it leaves them to Secrets Manager."""

    @property
    def until(self) -> datetime:
        """The moment at which the call had been made for certain: CloudTrail tells whole seconds, cut off."""
        return self.time if self.time.microsecond else self.time + timedelta(seconds=1)


@dataclass(frozen=True)
class Trail:
    """The calls that were found, newest first, and whether these are all."""

    events: tuple[Event, ...]
    complete: bool


def lookup_events(
    client: CloudTrailClient, name: str, resource: str, since: datetime, limit: int = 200
) -> tuple[Event, ...]:
    """Read the calls named `name` (such as PutSecretValue) on a resource since a moment, newest first."""
    return read_trail(client, name, resource, since, limit).events


def read_trail(client: CloudTrailClient, name: str, resource: str, since: datetime, limit: int = 200) -> Trail:
    """Read the calls named `name` on a resource since a moment, and whether older ones were left.

    One page of 50 a call, so at most limit/50 calls; CloudTrail keeps 90 days and is some minutes late.
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
