"""CloudTrail's event history, in memory.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

import json
import threading
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import takewhile
from typing import Any

from omc_runbook.sandbox.calls import Call
from omc_runbook.sandbox.principals import Principal

_MAX_EVENTS = 20_000
_KEPT = timedelta(days=90)
EVER = datetime.min.replace(tzinfo=UTC)
"""Before all events."""
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
# Parameters that are names. The values of all others are hidden, because they may be secret.
_NAME_PARAMETERS = {
    "clientRequestToken", "cluster", "clusterName", "clusters", "container", "desiredCount", "desiredStatus",
    "enableExecuteCommand", "family", "forceDeleteWithoutRecovery", "forceNewDeployment", "include", "keyId",
    "kmsKeyId", "launchType", "logGroupName", "logStreamName", "maxResults", "moveToVersionId", "name",
    "pendingWindowInDays", "policyArn", "policyName", "policySourceArn", "reason", "recoveryWindowInDays",
    "removeFromVersionId", "roleArn", "roleName", "roleSessionName", "secretId", "secretIdList", "service",
    "serviceName", "services", "startTime", "endTime", "task", "taskDefinition", "tasks", "userName",
    "versionId", "versionStage", "versionStages",
}  # fmt: skip
_RESOURCE_TYPES = {
    "secretId": "AWS::SecretsManager::Secret",
    "roleName": "AWS::IAM::Role",
    "userName": "AWS::IAM::User",
    "policyArn": "AWS::IAM::Policy",
    "keyId": "AWS::KMS::Key",
    "service": "AWS::ECS::Service",
    "cluster": "AWS::ECS::Cluster",
    "taskDefinition": "AWS::ECS::TaskDefinition",
    "logGroupName": "AWS::Logs::LogGroup",
}


@dataclass(frozen=True)
class RecordedEvent:
    """One recorded call, with its account and region; `record` is what its CloudTrailEvent says."""

    account: str
    region: str
    time: datetime
    fields: Mapping[str, Any]
    record: Mapping[str, Any]

    @cached_property
    def name(self) -> str:
        """The API's name, such as "PutSecretValue"."""
        return str(self.fields["EventName"])

    @cached_property
    def service(self) -> str:
        """The service's name in permissions, such as "secretsmanager"."""
        return str(self.fields["EventSource"]).partition(".")[0]

    @cached_property
    def identity_arn(self) -> str:
        """The ARN of the user, or of the role behind the session, that made the call."""
        identity = self.record["userIdentity"]
        issuer: Mapping[str, Any] = identity.get("sessionContext", {}).get("sessionIssuer", identity)
        return str(issuer["arn"])

    @cached_property
    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(self.record)

    def matches(self, attribute: str, value: str) -> bool:
        """Whether a LookupEvents attribute has the value."""
        if attribute in ("ResourceName", "ResourceType"):
            return any(resource[attribute] == value for resource in self.fields["Resources"])
        return bool(self.fields.get(attribute) == value)


class EventHistory:
    """The events of all accounts; safe to use from several threads."""

    def __init__(self) -> None:
        self._events: deque[RecordedEvent] = deque()
        self._by_name: defaultdict[str, deque[RecordedEvent]] = defaultdict(deque)
        """The same events by their APIs, so that a look-up of one need not search all."""
        self._past: list[RecordedEvent] = []
        self._lock = threading.Lock()

    def record(
        self,
        call: Call,
        principal: Principal,
        request_id: str,
        resources: list[str],
        error: tuple[str, str] | None = None,
        invoked_by: str = "",
    ) -> None:
        """Record one call; `error` is its code and message if it failed."""
        if call.is_of_data:
            return
        with self._lock:
            # Its time is taken here, for all to be in the order of their times.
            self._append(_event(call, principal, request_id, resources, error, invoked_by))
            if len(self._events) > _MAX_EVENTS:
                self._by_name[self._events.popleft().name].popleft()

    def _append(self, event: RecordedEvent) -> None:
        self._events.append(event)
        self._by_name[event.name].append(event)

    def add_past(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add calls that nobody made here, by their CloudTrail records, in the account and region that each names."""
        past = [_past_event(record) for record in records]
        with self._lock:
            self._past += past

    def remove_past(self) -> None:
        """Remove the calls that nobody made here."""
        with self._lock:
            self._past.clear()

    def events(self, account: str, region: str, since: datetime = EVER, name: str = "") -> list[RecordedEvent]:
        """An account's events in a region from a moment on, newest first; those of one API where it is named."""
        return [event for event in self.everywhere(account, since, name) if event.region == region]

    def everywhere(self, account: str, since: datetime = EVER, name: str = "") -> list[RecordedEvent]:
        """An account's events in all regions from a moment on, newest first; those of one API where it is named."""
        with self._lock:
            recorded = self._by_name.get(name, ()) if name else self._events
            events = list(takewhile(lambda event: event.time >= since, reversed(recorded)))
            past = [event for event in self._past if event.time >= since and name in ("", event.name)]
        if past:
            events = sorted((*events, *reversed(past)), key=lambda event: event.time, reverse=True)
        return [event for event in events if event.account == account]

    def events_of(self, arn: str) -> list[RecordedEvent]:
        """The events of a user or a role, in every region, newest first."""
        with self._lock:
            events = list(self._events)
        return [event for event in reversed(events) if event.identity_arn == arn]

    def date_back(self, created: Mapping[str, float]) -> None:
        """Date the calls that wrote versions, by the versions' ids; forget those that CloudTrail no longer keeps."""
        if not created:
            return
        oldest = datetime.now(UTC) - _KEPT
        with self._lock:
            events = [_moved(event, created) for event in self._events]
            self._forget()
            for event in sorted((event for event in events if event.time > oldest), key=lambda event: event.time):
                self._append(event)

    def count(self) -> dict[str, int]:
        """How often each action was called, such as {"ecs:DescribeServices": 3}."""
        with self._lock:
            events = list(self._events)
        return Counter(f"{event.service}:{event.name}" for event in events)

    def clear(self) -> None:
        """Remove all events."""
        with self._lock:
            self._forget()
            self._past.clear()

    def _forget(self) -> None:
        self._events.clear()
        self._by_name.clear()


EVENT_HISTORY = EventHistory()


def _moved(event: RecordedEvent, created: Mapping[str, float]) -> RecordedEvent:
    """An event at the time of the version that it wrote, where that has one."""
    parameters = event.record.get("requestParameters") or {}
    moment = created.get(parameters.get("clientRequestToken", ""))
    if moment is None:
        return event
    time = datetime.fromtimestamp(moment, UTC)
    record = {**event.record, "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return replace(event, time=time, fields={**event.fields, "EventTime": time}, record=record)


def _event(
    call: Call,
    principal: Principal,
    request_id: str,
    resources: list[str],
    error: tuple[str, str] | None,
    invoked_by: str,
) -> RecordedEvent:
    now = datetime.now(UTC)
    parameters = _parameters(call)
    record: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": _user_identity(call, principal, invoked_by),
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": call.event_source,
        "eventName": call.action,
        "awsRegion": call.region,
        "sourceIPAddress": invoked_by or "127.0.0.1",
        "userAgent": call.user_agent,
    }
    if error is not None:
        record |= {"errorCode": error[0], "errorMessage": error[1]}
    record |= {
        "requestParameters": parameters or None,
        "responseElements": None,
        "requestID": request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": call.is_read,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": principal.account,
        "eventCategory": "Management",
    }
    referenced = _referenced(parameters)
    names = {resource["ResourceName"] for resource in referenced}
    referenced += [
        {"ResourceType": "AWS::SecretsManager::Secret", "ResourceName": arn}
        for arn in resources
        if ":secretsmanager:" in arn and "?" not in arn and arn not in names
    ]
    return _recorded(record, now, principal.session or principal.name, referenced)


def _past_event(record: Mapping[str, Any]) -> RecordedEvent:
    name = record["userIdentity"].get("arn", "").rpartition("/")[2]
    referenced = _referenced(record.get("requestParameters") or {})
    return _recorded(record, datetime.fromisoformat(record["eventTime"]), name, referenced)


def _recorded(
    record: Mapping[str, Any], time: datetime, username: str, resources: list[dict[str, str]]
) -> RecordedEvent:
    """A record with what LookupEvents returns beside it."""
    fields = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record["readOnly"] else "false",
        "AccessKeyId": record["userIdentity"].get("accessKeyId", ""),
        "EventTime": time,
        "EventSource": record["eventSource"],
        "Username": username,
        "Resources": resources,
    }
    return RecordedEvent(record["recipientAccountId"], record["awsRegion"], time, fields, record)


def _referenced(parameters: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {"ResourceType": kind, "ResourceName": str(parameters[parameter])}
        for parameter, kind in _RESOURCE_TYPES.items()
        if isinstance(parameters.get(parameter), str)
    ]


def _user_identity(call: Call, principal: Principal, invoked_by: str) -> dict[str, Any]:
    identity: dict[str, Any] = {
        "type": "AssumedRole" if principal.kind == "role" else "IAMUser",
        "arn": principal.arn,
        "accountId": principal.account,
        "accessKeyId": call.access_key,
    }
    if principal.kind == "role":
        issuer = {"type": "Role", "arn": principal.identity_arn, "accountId": principal.account}
        identity["sessionContext"] = {"sessionIssuer": issuer | {"userName": principal.name}}
    else:
        identity["userName"] = principal.name
    if invoked_by:
        identity["invokedBy"] = invoked_by
    return identity


def _parameters(call: Call) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, value in call.params.items():
        if name in ("Action", "Version"):
            continue
        name = name[:1].lower() + name[1:]
        is_plain = isinstance(value, str | int | float | bool) or (
            isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        )
        is_shown = (is_plain and name in _NAME_PARAMETERS) or name == "filters"
        parameters[name] = value if is_shown else _HIDDEN
    return parameters
