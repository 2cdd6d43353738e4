"""CloudTrail: who called which API on the secret, and when, and the trails that keep such calls."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from omc_runbook.aws.answer import InvalidResponse, pages, parse_object
from omc_runbook.model.arn import log_group_in
from omc_runbook.model.handover import is_on_this_machine
from omc_runbook.model.refusal import refusals
from omc_runbook.model.truth import all_of, any_of

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient

EVENTS_A_PAGE = 50
REQUESTS_A_SECOND = 2
"""How often LookupEvents may be called in an account and region; see
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html"""

HISTORY_KEEPS = timedelta(days=90)
"""How long the event history keeps a call."""

BATCH_READ = "BatchGetSecretValue"
READS = ("GetSecretValue", BATCH_READ)
"""The APIs that give values of secrets."""

PrincipalKind = Literal["role", "user", "root", "federated", "AWS service", "other account", "unknown"]

_SESSION = re.compile(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/.*")
_SINGLE_SIGN_ON = "AWSReservedSSO_"
_BROWSER = re.compile(r"Mozilla/|console\.amazonaws\.com|AWS-Console", re.IGNORECASE)
_TERMINAL = re.compile(r"aws-cli/", re.IGNORECASE)


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
    def by_terraform(self) -> bool:
        """Whether Terraform made the call."""
        return "terraform" in self.user_agent.lower()

    @property
    def until(self) -> datetime:
        """The latest time of the call: CloudTrail truncates times to whole seconds."""
        return self.time if self.time.microsecond else self.time + timedelta(seconds=1)


@dataclass(frozen=True)
class FoundEvents:
    """Calls found in CloudTrail's event history, newest first.

    `cut_at` is the time of the oldest call, on whatever resource, where there are more; None where these are all.
    """

    events: tuple[Event, ...]
    cut_at: datetime | None = None


def lookup_events(
    client: CloudTrailClient, name: str, resource: str, since: datetime, limit: int = 200
) -> tuple[Event, ...]:
    """Read the calls of the API `name` (such as PutSecretValue) on a resource since a time, newest first."""
    return look_up(client, name, since, limit).events(resource, since).events


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


@dataclass(frozen=True, kw_only=True)
class Access:
    """One call that concerns a secret, as CloudTrail recorded it: who made it, from where, and how it ended.

    See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
    """

    name: str
    """The API that was called, such as GetSecretValue."""
    time: datetime
    principal: str
    """The ARN of the role, user or root; of a role's session that of the role. An AWS service's or account's name."""
    kind: PrincipalKind
    session: str = ""
    """The ARN of the session or user that made the call."""
    account: str = ""
    """The account of the principal."""
    address: str = ""
    """An IP address, or the name of the AWS service through which the call came."""
    user_agent: str = ""
    error: str = ""
    """The AWS error code; "" where the call succeeded."""
    region: str = ""
    with_mfa: bool = False
    from_console: bool = False
    via: str = ""
    """The AWS service that made the call for the principal; "" for none."""
    request_id: str = ""
    filters: tuple[str, ...] = ()
    """The filters of a batch read that names no secret, such as "name: ohmycoins-"."""

    @property
    def is_read(self) -> bool:
        """Whether it asks for a value."""
        return self.name in READS

    @property
    def is_refused(self) -> bool:
        """Whether it failed."""
        return bool(self.error)

    @property
    def sign_of_a_person(self) -> str:
        """What shows that a person made the call, and no program of the platform; "" for nothing."""
        name = self.session.rpartition("/")[2]
        if self.kind == "root":
            return "it is the account's root user"
        if _SINGLE_SIGN_ON in self.principal:
            return "the role is one of IAM Identity Center's"
        if self.from_console or _BROWSER.search(self.user_agent):
            return "the call came from a browser"
        if self.with_mfa:
            return "the sign-in was with MFA"
        if self.kind == "role" and "@" in name:
            return f"the session is named {name}"
        if self.kind == "federated":
            return "a federated user made it"
        if self.kind == "user" and _TERMINAL.search(self.user_agent):
            return "an IAM user made it with the AWS CLI"
        return ""


@dataclass(frozen=True)
class FoundAccesses:
    """Calls that concern a secret, newest first.

    `cut_at` is the time of the oldest that was read where there are more; None where these are all.
    """

    calls: tuple[Access, ...]
    cut_at: datetime | None = None
    since: datetime | None = None
    """From when on there are calls, where that is later than was asked for."""


class Pace:
    """At most so many requests a second, from several threads."""

    def __init__(self, per_second: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._interval, self._sleep = 1 / per_second, sleep
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, sleep: Callable[[float], None] | None = None) -> None:
        """Wait for the turn of one request, by `sleep` where a wait may end earlier, such as `ReadingTime.sleep`."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        if turn > now:
            (sleep or self._sleep)(turn - now)


@dataclass(frozen=True)
class FoundRecords:
    """All calls of an API that were looked up, on whatever resource, as CloudTrail recorded them, newest first.

    `cut_at` is the time of the oldest that was read where there are more; None where these are all.
    """

    entries: tuple[Mapping[str, Any], ...]
    cut_at: datetime | None = None

    def events(self, resource: str, since: datetime) -> FoundEvents:
        """Those since a time that name a resource, such as a secret by its name or its ARN."""
        # CloudTrail's times have whole seconds.
        since, pattern = since.replace(microsecond=0), _pattern_of(resource)
        found = (
            _parse(entry["CloudTrailEvent"], entry["EventTime"])
            for entry in self.entries
            if entry["EventTime"] >= since
            and (
                pattern.search(entry["CloudTrailEvent"])
                or any(pattern.search(f'"{each.get("ResourceName", "")}"') for each in entry.get("Resources", ()))
            )
        )
        return FoundEvents(tuple(found), self.cut_at if self.cut_at and self.cut_at >= since else None)

    def accesses(self, secret: Collection[str]) -> FoundAccesses:
        """Those that concern a secret, of which `secret` has the names and ARNs by which callers may mean it.

        A batch read with filters is among them whatever it filters by.
        """
        records = ((json.loads(entry["CloudTrailEvent"]), entry.get("Resources", ())) for entry in self.entries)
        found = (
            parse_access(record)
            for record, resources in records
            if concerns(record, secret) or any(each.get("ResourceName") in secret for each in resources)
        )
        return FoundAccesses(tuple(found), self.cut_at)


def _pattern_of(resource: str) -> re.Pattern[str]:
    """What a record has of a resource, and not of one whose name begins or ends so."""
    name = re.escape(resource)
    return re.compile(rf'((?<=["\s]){name}|(?<=:secret:){name}(-[A-Za-z0-9]{{6}})?)(?![\w/+=@-]|\.\w)')


def look_up(
    client: CloudTrailClient,
    name: str,
    since: datetime,
    limit: int,
    pace: Pace | None = None,
    sleep: Callable[[float], None] | None = None,
) -> FoundRecords:
    """Look up the calls of an API since a time, newest first; not many more than `limit` are read, by pages of 50.

    CloudTrail keeps 90 days and is some minutes late. Requests keep to the `pace`, by `sleep`, unless a stand-in on
    this machine answers. See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    if pace and is_on_this_machine(client.meta.endpoint_url):
        pace = None
    request: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}],
        "StartTime": since,
        "MaxResults": EVENTS_A_PAGE,
    }

    def call(**token: Any) -> Any:
        if pace:
            pace.wait(sleep)
        return client.lookup_events(**request, **token)

    entries: list[Any] = []
    for page in pages(call, "NextToken"):
        entries += map(_readable, page["Events"])
        if len(entries) >= limit:
            break
    return FoundRecords(tuple(entries), entries[-1]["EventTime"] if page.get("NextToken") and entries else None)


def _readable(entry: Any) -> Any:
    """An entry with its time and its record, as it is; raises InvalidResponse for another, which is read only later."""
    if "EventTime" not in entry or "CloudTrailEvent" not in entry:
        raise InvalidResponse("")
    parse_object(entry["CloudTrailEvent"])
    return entry


def read_log_file(body: bytes, names: Collection[str], secret: Collection[str]) -> tuple[Access, ...]:
    """The calls of APIs on a secret in a file that a trail delivered to S3; raises ValueError where it is none.

    See https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
    """
    try:
        text = gzip.decompress(body)
    except (OSError, EOFError):
        raise ValueError("it is not compressed by gzip") from None
    records: Iterable[Mapping[str, Any]] = json.loads(text)["Records"]
    return tuple(
        parse_access(record) for record in records if record.get("eventName") in names and concerns(record, secret)
    )


def concerns(record: Mapping[str, Any], secret: Collection[str]) -> bool:
    """Whether a recorded call is about a secret, by its request or its refusal; or may be, where it has filters."""
    request = record.get("requestParameters") or {}
    ids = [request.get("secretId"), request.get("name"), *_texts(request.get("secretIdList"))]
    ids += [resource for _, resource in refusals(record.get("errorMessage") or "")]
    ids += [each.get("ARN") for each in record.get("resources") or ()]
    return any(each in secret for each in ids) or bool(_filters(record))


def parse_access(record: Mapping[str, Any]) -> Access:
    """A CloudTrail record as a call."""
    identity = record.get("userIdentity") or {}
    context = identity.get("sessionContext") or {}
    principal, kind, account = _principal(identity, context, record.get("recipientAccountId", ""))
    return Access(
        name=record.get("eventName", ""),
        time=datetime.fromisoformat(record["eventTime"]).astimezone(UTC),
        principal=principal,
        kind=kind,
        session=identity.get("arn") or "",
        account=account,
        address=record.get("sourceIPAddress") or "",
        user_agent=record.get("userAgent") or "",
        error=record.get("errorCode") or "",
        region=record.get("awsRegion", ""),
        with_mfa=(context.get("attributes") or {}).get("mfaAuthenticated") == "true",
        from_console=record.get("sessionCredentialFromConsole") == "true",
        via=identity.get("invokedBy") or "",
        request_id=record.get("requestID") or "",
        filters=_filters(record),
    )


def issuer_of(arn: str) -> str:
    """The ARN of the role of a session; any other ARN as it is."""
    session = _SESSION.fullmatch(arn)
    return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}" if session else arn


def _principal(
    identity: Mapping[str, Any], context: Mapping[str, Any], recipient: str
) -> tuple[str, PrincipalKind, str]:
    """Who made a call, what that is, and its account; a session's issuer stands for all its sessions."""
    kind, arn, account = (identity.get(name) or "" for name in ("type", "arn", "accountId"))
    issuer = (context.get("sessionIssuer") or {}).get("arn", "")
    if kind == "AWSService" or (not kind and identity.get("invokedBy")):
        return identity.get("invokedBy", "an AWS service"), "AWS service", account
    if kind == "Root":
        return arn or f"root user of {account or recipient}", "root", account
    if kind == "AssumedRole" or _SESSION.fullmatch(arn):
        unnamed = identity.get("principalId") or "a role without a name"
        return issuer or issuer_of(arn) or unnamed, _in_account("role", account, recipient), account
    if kind == "IAMUser":
        unnamed = identity.get("userName") or identity.get("principalId") or "a user without a name"
        return arn or unnamed, _in_account("user", account, recipient), account
    if kind in ("FederatedUser", "SAMLUser", "WebIdentityUser", "IdentityCenterUser"):
        return issuer or arn or identity.get("principalId", kind), "federated", account
    if account and account != recipient:
        return arn or f"account {account}", "other account", account
    return arn or identity.get("principalId") or "unknown", "unknown", account


def _in_account(kind: PrincipalKind, account: str, recipient: str) -> PrincipalKind:
    return "other account" if account and recipient and account != recipient else kind


def _filters(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The filters of a batch read; CloudTrail may hide what they are."""
    request = record.get("requestParameters") or {}
    if record.get("eventName") != BATCH_READ or request.get("secretIdList"):
        return ()
    filters = request.get("filters")
    if not isinstance(filters, list):
        return ("hidden",)
    return tuple(f"{each.get('key', '')}: {', '.join(_texts(each.get('values')))}" for each in filters)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


@dataclass(frozen=True, kw_only=True)
class Selector:
    """Which events a trail logs: the conditions of one selector, all of which an event has to meet.

    `conditions` maps a field of an event to the operators and values of an advanced selector.
    """

    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def takes(self, event: Mapping[str, str]) -> bool | None:
        """Whether it logs an event; None where that depends on a field that `event` does not have."""
        return all_of(self._meets(event.get(name), operators) for name, operators in self.conditions.items())

    @staticmethod
    def _meets(value: str | None, operators: Mapping[str, tuple[str, ...]]) -> bool | None:
        if value is None:
            return None
        tests: dict[str, Callable[[str], bool]] = {
            "Equals": value.__eq__,
            "StartsWith": value.startswith,
            "EndsWith": value.endswith,
        }
        for operator, texts in operators.items():
            test = tests[operator.removeprefix("Not")]
            if any(map(test, texts)) is operator.startswith("Not"):
                return False
        return True


EVERY_MANAGEMENT_EVENT = Selector(conditions={"eventCategory": {"Equals": ("Management",)}})
"""What a trail without selectors of its own logs."""


@dataclass(frozen=True, kw_only=True)
class Selectors:
    """The event selectors of a trail: rewritten as advanced ones, and as PutEventSelectors takes them."""

    every: tuple[Selector, ...]
    basic: tuple[Mapping[str, Any], ...] = ()
    advanced: tuple[Mapping[str, Any], ...] = ()

    def takes(self, event: Mapping[str, str]) -> bool | None:
        """Whether one of them takes an event, by fields as advanced selectors name them; None where that is unknown."""
        return any_of(selector.takes(event) for selector in self.every)


@dataclass(frozen=True, kw_only=True)
class Trail:
    """A trail that delivers the events of a region.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_Trail.html
    """

    name: str
    arn: str
    home_region: str
    is_multi_region: bool
    is_organization: bool
    validates_files: bool
    bucket: str
    log_group_arn: str = ""
    """The log group of CloudWatch Logs that gets the events; "" for none."""
    is_logging: bool | None = None
    """None where the status could not be read."""
    delivery_error: str = ""
    """Why files were last not delivered to the bucket; "" where they were."""
    log_group_error: str = ""
    """The same for the log group."""
    selectors: Selectors | None = None
    """None where they could not be read."""

    @property
    def log_group(self) -> str:
        """The name of the log group."""
        return log_group_in(self.log_group_arn) if self.log_group_arn else ""

    def takes(self, event: Mapping[str, str]) -> bool | None:
        """Whether the trail logs an event, by fields as advanced selectors name them; None where that is unknown."""
        return self.selectors.takes(event) if self.selectors else None


def describe_trails(client: CloudTrailClient) -> tuple[Trail, ...]:
    """The trails that deliver the client's region's events, without their status and selectors.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
    """
    return tuple(
        Trail(
            name=each.get("Name", ""),
            arn=each.get("TrailARN", ""),
            home_region=each.get("HomeRegion", ""),
            is_multi_region=each.get("IsMultiRegionTrail", False),
            is_organization=each.get("IsOrganizationTrail", False),
            validates_files=each.get("LogFileValidationEnabled", False),
            bucket=each.get("S3BucketName", ""),
            log_group_arn=each.get("CloudWatchLogsLogGroupArn") or "",
        )
        for each in client.describe_trails(includeShadowTrails=True)["trailList"]
    )


@dataclass(frozen=True)
class TrailStatus:
    """Whether a trail logs, and why it last did not deliver to its bucket or log group; "" where it did."""

    is_logging: bool
    delivery_error: str
    log_group_error: str


def get_trail_status(client: CloudTrailClient, arn: str) -> TrailStatus:
    """Whether a trail logs, and delivers what it logs.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html
    """
    answer = client.get_trail_status(Name=arn)
    return TrailStatus(
        answer["IsLogging"],
        answer.get("LatestDeliveryError") or "",
        answer.get("LatestCloudWatchLogsDeliveryError") or "",
    )


def get_selectors(client: CloudTrailClient, arn: str) -> Selectors:
    """Which events a trail logs, basic selectors rewritten as advanced ones.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html
    """
    answer = client.get_event_selectors(TrailName=arn)
    return selectors_of(answer.get("AdvancedEventSelectors") or (), answer.get("EventSelectors") or ())


def selectors_of(advanced: Sequence[Mapping[str, Any]], basic: Sequence[Mapping[str, Any]] = ()) -> Selectors:
    """The selectors of a trail or an event data store; without any, it takes every management event."""
    own = (*(Selector(conditions=dict(map(_condition, each["FieldSelectors"]))) for each in advanced),)
    every = (*own, *_management_selectors(basic)) if advanced or basic else (EVERY_MANAGEMENT_EVENT,)
    return Selectors(every=every, basic=tuple(basic), advanced=tuple(advanced))


def _condition(each: Mapping[str, Any]) -> tuple[str, dict[str, tuple[str, ...]]]:
    return each["Field"], {operator: tuple(values) for operator, values in each.items() if operator != "Field"}


def _management_selectors(basic: Iterable[Mapping[str, Any]]) -> Iterator[Selector]:
    """The management events of basic selectors."""
    for each in basic:
        if not each.get("IncludeManagementEvents", True):
            continue
        conditions: dict[str, dict[str, tuple[str, ...]]] = {"eventCategory": {"Equals": ("Management",)}}
        kind, excluded = each.get("ReadWriteType", "All"), tuple(each.get("ExcludeManagementEventSources") or ())
        if kind != "All":
            conditions["readOnly"] = {"Equals": ("true" if kind == "ReadOnly" else "false",)}
        if excluded:
            conditions["eventSource"] = {"NotEquals": excluded}
        yield Selector(conditions=conditions)
