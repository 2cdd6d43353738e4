"""Calls as CloudTrail records them, and the trails that do."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.cloudtrail import (
    Access,
    FoundRecords,
    Pace,
    describe_trails,
    get_selectors,
    get_trail_status,
    look_up,
    parse_access,
    read_log_file,
)

ROLE = "arn:aws:iam::123456789012:role/backend"
SESSION = "arn:aws:sts::123456789012:assumed-role/backend/i-0123"
USER, OTHER = "arn:aws:iam::123456789012:user/eve", "210987654321"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
SECRET = frozenset({"app", f"{ARN}app-AbC123"})
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
EVENT = {
    "eventCategory": "Management",
    "eventSource": "secretsmanager.amazonaws.com",
    "eventName": "GetSecretValue",
    "readOnly": "true",
}


def record(identity: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A read of the secret by a session of a role."""
    session = {"sessionIssuer": {"type": "Role", "arn": ROLE}, "attributes": {"mfaAuthenticated": "false"}}
    role = {"type": "AssumedRole", "arn": SESSION, "accountId": "123456789012", "sessionContext": session}
    return {
        "userIdentity": identity or role,
        "eventTime": "2026-02-03T04:05:06Z",
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "Boto3/1.40",
        "requestParameters": {"secretId": "app"},
        "requestID": "r1",
        "recipientAccountId": "123456789012",
        **changes,
    }


def test_a_session_counts_as_its_role() -> None:
    """Each task has a session of its own: the issuer is who reads."""
    call = parse_access(record())
    assert (call.principal, call.kind, call.session) == (ROLE, "role", SESSION)
    assert (call.address, call.region, call.error, call.is_read) == ("203.0.113.7", "eu-west-1", "", True)
    assert call.time == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert parse_access(record(errorCode="AccessDeniedException")).is_refused and not call.is_refused
    without = parse_access(record({"type": "AssumedRole", "arn": SESSION, "accountId": "123456789012"}))
    assert without.principal == ROLE


@pytest.mark.parametrize(
    ("identity", "principal", "kind"),
    [
        ({"type": "Root", "arn": "arn:aws:iam::123456789012:root"}, "arn:aws:iam::123456789012:root", "root"),
        (
            {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/eve"},
            "arn:aws:iam::123456789012:user/eve",
            "user",
        ),
        ({"type": "AWSService", "invokedBy": "backup.amazonaws.com"}, "backup.amazonaws.com", "AWS service"),
        ({"type": "AWSAccount", "accountId": "210987654321"}, "account 210987654321", "other account"),
        (
            {
                "type": "AssumedRole",
                "arn": SESSION.replace("123456789012", "210987654321"),
                "accountId": "210987654321",
            },
            ROLE.replace("123456789012", OTHER),
            "other account",
        ),
        ({"type": "SAMLUser", "principalId": "idp:eve"}, "idp:eve", "federated"),
        ({"type": "IdentityCenterUser", "principalId": "eve"}, "eve", "federated"),
        ({}, "unknown", "unknown"),
    ],
)
def test_every_kind_of_principal(identity: dict[str, Any], principal: str, kind: str) -> None:
    """Root, users, services, other accounts and federated users are named as such."""
    call = parse_access({**record(), "userIdentity": identity})
    assert (call.principal, call.kind) == (principal, kind)


@pytest.mark.parametrize(
    ("changes", "sign"),
    [
        ({}, ""),
        ({"userAgent": "Mozilla/5.0"}, "the call came from a browser"),
        ({"userAgent": "console.amazonaws.com"}, "the call came from a browser"),
        ({"userAgent": "aws-internal/3 AWS-Console"}, "the call came from a browser"),
        ({"sessionCredentialFromConsole": "true"}, "the call came from a browser"),
        ({"userIdentity": {"type": "Root"}}, "it is the account's root user"),
        (
            {"userIdentity": {"type": "AssumedRole", "arn": f"{SESSION.rpartition('/')[0]}/eve@example.com"}},
            "the session is named eve@example.com",
        ),
        (
            {"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/eve"}, "userAgent": "aws-cli/2.15"},
            "an IAM user made it with the AWS CLI",
        ),
        ({"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ci"}}, ""),
        ({"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ci@example.com"}}, ""),
    ],
)
def test_what_shows_a_person(changes: dict[str, Any], sign: str) -> None:
    """The sign-in, the session's name or the program shows a person."""
    assert parse_access({**record(), **changes}).sign_of_a_person == sign


@pytest.mark.parametrize(
    ("name", "is_read"), [("GetSecretValue", True), ("BatchGetSecretValue", True), ("DescribeSecret", False)]
)
def test_what_gives_a_value_is_a_read(name: str, is_read: bool) -> None:
    """Alone or among others."""
    assert parse_access(record(eventName=name)).is_read is is_read


def entry(body: dict[str, Any]) -> dict[str, Any]:
    """The same in LookupEvents' answer."""
    time = datetime.fromisoformat(body["eventTime"])
    return {"EventName": body["eventName"], "EventTime": time, "CloudTrailEvent": json.dumps(body)}


def client() -> Any:
    """A client that reaches nothing."""
    return boto3.client("cloudtrail", "eu-west-1", aws_access_key_id="x", aws_secret_access_key="y")


def look(*pages: list[dict[str, Any]], limit: int = 1000) -> tuple[Any, list[float]]:
    """What is found in pages of events, and how long each request waited."""
    api, waits = client(), list[float]()
    with Stubber(api) as stub:
        for number, page in enumerate(pages):
            more = {"NextToken": str(number + 1)} if number + 1 < len(pages) or limit < 1000 else {}
            request = {"LookupAttributes": ANY, "StartTime": SINCE, "MaxResults": 50}
            stub.add_response(
                "lookup_events", {"Events": page, **more}, {**request, **({"NextToken": str(number)} if number else {})}
            )
        found = look_up(api, "GetSecretValue", SINCE, limit, Pace(2, waits.append)).accesses(SECRET)
        stub.assert_no_pending_responses()
    return found, waits


def test_only_calls_on_the_secret_are_found() -> None:
    """By name or ARN, also where only the refusal names it; a name with the same beginning is another secret."""
    refusal = f"is not authorized to perform: secretsmanager:GetSecretValue on resource: {max(SECRET)} because no"
    page = [
        record(requestID="name"),
        record(requestID="arn", requestParameters={"secretId": max(SECRET)}),
        record(requestID="alike", requestParameters={"secretId": "app-2"}),
        record(requestID="refused", requestParameters=None, errorCode="AccessDenied", errorMessage=refusal),
    ]
    found, _ = look([entry(body) for body in page])
    assert [call.request_id for call in found.calls] == ["name", "arn", "refused"]
    assert found.cut_at is None


@pytest.mark.parametrize(
    ("named", "is_own"),
    [
        ({"requestParameters": {"secretId": "app"}}, True),
        ({"requestParameters": {"secretIdList": ["app-2", "app"]}}, True),
        ({"requestParameters": {"secretId": f"{ARN}app-AbC123"}}, True),
        ({"requestParameters": {"secretId": f"{ARN}app"}}, True),
        ({"requestParameters": None, "errorMessage": f"no such permission on resource: {ARN}app-AbC123."}, True),
        ({"requestParameters": {"secretId": "app-backup"}}, False),
        ({"requestParameters": {"secretId": f"{ARN}app-backup-AbC123"}}, False),
        ({"requestParameters": {"secretId": f"{ARN}my/app-AbC123"}}, False),
        ({"requestParameters": {"secretId": "app.old"}}, False),
    ],
)
def test_calls_on_a_secret_whose_name_has_the_name_in_it_are_another_s(named: dict[str, Any], is_own: bool) -> None:
    """Who deleted app-backup, or read it as a task, did not so with app."""
    found = FoundRecords((entry(record(**named)),)).events("app", SINCE)
    assert bool(found.events) == is_own
    other = {**entry(record(requestParameters={})), "Resources": [{"ResourceName": f"{ARN}app-AbC123"}]}
    assert FoundRecords((other,)).events("app", SINCE).events


@pytest.mark.parametrize(
    ("request_", "response", "version", "stages"),
    [
        ({"clientRequestToken": "v1", "versionStages": ["ours", "AWSPENDING"]}, None, "v1", ("ours", "AWSPENDING")),
        ({"clientRequestToken": "v1"}, {"versionId": "v2"}, "v2", ()),
        (
            {"moveToVersionId": "v3", "removeFromVersionId": "v1", "versionStage": "AWSCURRENT"},
            None,
            "v3",
            ("AWSCURRENT",),
        ),
        ({}, None, "", ()),
        (None, None, "", ()),
    ],
)
def test_a_change_names_its_version_and_labels(
    request_: dict[str, Any] | None, response: dict[str, Any] | None, version: str, stages: tuple[str, ...]
) -> None:
    """By what it was asked for, or by what Secrets Manager answered."""
    body = record(requestParameters={**request_, "secretId": "app"} if request_ is not None else None)
    full = entry({**body, "responseElements": response, "eventName": "PutSecretValue", "note": ARN + "app-AbC123"})
    [event] = FoundRecords((full,)).events("app", SINCE).events
    assert (event.version_id, event.stages, event.principal) == (version, stages, SESSION)


def test_requests_keep_to_two_a_second() -> None:
    """LookupEvents is limited for the whole account; the first waits for nothing."""
    _, waits = look([entry(record())], [entry(record())], [entry(record())])
    assert len(waits) == 2 and all(0 < wait <= 1.01 for wait in waits) and waits[1] > waits[0]


def test_where_there_are_more_calls_than_are_read_that_is_said() -> None:
    """The time of the oldest that was read is kept."""
    found, _ = look([entry(record())] * 50, limit=50)
    assert found.cut_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "unreadable",
    [
        {"EventTime": SINCE},
        {"CloudTrailEvent": "{}"},
        {"EventTime": SINCE, "CloudTrailEvent": '{"eventName": '},
        # Python refuses to read a number of so many digits.
        {"EventTime": SINCE, "CloudTrailEvent": f'{{"eventName": {"1" * 5000}}}'},
    ],
)
def test_an_entry_that_cannot_be_read_is_no_answer(unreadable: dict[str, Any]) -> None:
    """The call is the place to say so: what is read of an entry later belongs to no call."""
    with pytest.raises(InvalidResponse):
        look([unreadable])


def test_an_event_history_without_end_is_no_answer() -> None:
    """An empty page that names itself as the next would be asked for without end."""
    api = client()
    with Stubber(api) as stub:
        for _ in range(3):
            stub.add_response("lookup_events", {"Events": [], "NextToken": "2"})
        with pytest.raises(InvalidResponse):
            look_up(api, "GetSecretValue", SINCE, 50)


def test_a_batch_read_by_filters_may_concern_the_secret() -> None:
    """It names no secret; what it filters by is kept, where CloudTrail shows it."""
    batch = {"eventName": "BatchGetSecretValue", "requestParameters": {"filters": [{"key": "name", "values": ["a"]}]}}
    assert parse_access(record(**batch)).filters == ("name: a",)
    assert parse_access(record(**batch | {"requestParameters": {"filters": "HIDDEN"}})).filters == ("hidden",)
    assert parse_access(record(**batch | {"requestParameters": {"secretIdList": ["app"]}})).filters == ()


def test_a_trails_file() -> None:
    """A file in S3 has the calls of all APIs; one that is no gzip is refused."""
    body = {"Records": [record(), record(eventName="ListSecrets"), record(requestParameters={"secretId": "other"})]}
    found = read_log_file(gzip.compress(json.dumps(body).encode()), ("GetSecretValue",), SECRET)
    assert [(call.name, call.principal) for call in found] == [("GetSecretValue", ROLE)]
    with pytest.raises(ValueError, match="not compressed"):
        read_log_file(b"no gzip", ("GetSecretValue",), SECRET)


@pytest.mark.parametrize(
    ("answer", "takes"),
    [
        ({}, True),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}, True),
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]}, False),
        ({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": False}]}, False),
        (
            {"EventSelectors": [{"ReadWriteType": "ReadOnly", "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]},
            True,
        ),
        ({"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]}, False),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "eventSource", "NotStartsWith": ["kms."]},
                        ]
                    }
                ]
            },
            True,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "userIdentity.arn", "NotEquals": [ROLE]},
                        ]
                    }
                ]
            },
            None,
        ),
    ],
)
def test_what_a_trail_logs(answer: dict[str, Any], takes: bool | None) -> None:
    """Basic and advanced selectors decide alike; one on who calls leaves it open."""
    api = client()
    group = "arn:aws:logs:eu-west-1:1:log-group:/g:*"
    listed = {"Name": "t", "TrailARN": "arn:t", "HomeRegion": "eu-west-1", "CloudWatchLogsLogGroupArn": group}
    state = {"IsLogging": True, "LatestDeliveryError": "NoSuchBucket"}
    with Stubber(api) as stub:
        stub.add_response("describe_trails", {"trailList": [listed]}, {"includeShadowTrails": True})
        stub.add_response("get_event_selectors", {"TrailARN": "arn:t", **answer}, {"TrailName": "arn:t"})
        stub.add_response("get_trail_status", state, {"Name": "arn:t"})
        [trail] = describe_trails(api)
        selectors, status = get_selectors(api, trail.arn), get_trail_status(api, trail.arn)
    assert trail.log_group == "/g" and trail.takes(EVENT) is None
    answers = [selector.takes(EVENT) for selector in selectors.every]
    assert (True if True in answers else None if None in answers else False) is takes
    assert (status.is_logging, status.delivery_error, status.log_group_error) == (True, "NoSuchBucket", "")


def test_a_call_that_failed_is_refused() -> None:
    """An access with an error code got no value."""
    assert Access(name="GetSecretValue", time=SINCE, principal=ROLE, kind="role", error="AccessDenied").is_refused


@pytest.mark.parametrize(
    ("identity", "principal"),
    [
        ({"type": "AssumedRole", "principalId": "AROAX:job", "sessionContext": None}, "AROAX:job"),
        ({"type": "AssumedRole", "arn": None}, "a role without a name"),
        ({"type": "AssumedRole", "arn": SESSION, "sessionContext": {"sessionIssuer": None}}, ROLE),
        ({"type": "IAMUser", "userName": "eve"}, "eve"),
        ({"type": "Root"}, "root user of 123456789012"),
        ({"type": "Unknown"}, "unknown"),
    ],
)
def test_a_caller_with_few_fields_still_has_a_name(identity: dict[str, Any], principal: str) -> None:
    """CloudTrail leaves members out, or has null."""
    assert parse_access(record(identity)).principal == principal
