"""What an audit makes of CloudTrail's event history: who read the secret, and what of it is unusual."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import ACCOUNT, NAME, NOW, REGION, healthy, with_secret

from omc_runbook.aws.calls import ReadingTime
from omc_runbook.aws.cloudtrail import EVENTS_A_PAGE
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks.audit_accesses import find_unusual
from omc_runbook.report.audit_accesses import changes_log
from omc_runbook.report.audit_answers import who_did
from omc_runbook.snapshot.audit import accesses
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import look_up
from omc_runbook.snapshot.state import Snapshot

BY_NAME = {"secretIdList": [NAME]}
BATCH = "BatchGetSecretValue"


class History:
    """CloudTrail's event history with some records, newest first, in pages."""

    meta = SimpleNamespace(endpoint_url="http://127.0.0.1:1")

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self._records = sorted(records, key=lambda record: str(record["eventTime"]), reverse=True)

    def lookup_events(self, **request: Any) -> dict[str, Any]:
        name, start = request["LookupAttributes"][0]["AttributeValue"], int(request.get("NextToken", 0))
        own = [record for record in self._records if record["eventName"] == name]
        page = own[start : start + EVENTS_A_PAGE]
        events = [{"EventTime": time_of(each), "CloudTrailEvent": json.dumps(each), "Resources": []} for each in page]
        more = {"NextToken": str(start + EVENTS_A_PAGE)} if own[start + EVENTS_A_PAGE :] else {}
        return {"Events": events, **more}


def time_of(record: dict[str, Any]) -> Any:
    return NOW - timedelta(days=record["x-days"])


def record(days: float, role: str = "reports", name: str = "GetSecretValue", **changes: Any) -> dict[str, Any]:
    """A call of a role's session so many days ago."""
    time = NOW - timedelta(days=days)
    own = role.rpartition("/")[2]
    issuer = {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}
    usual = {
        "eventName": name,
        "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "Boto3/1.40",
        "recipientAccountId": ACCOUNT,
        "requestID": f"{role} {name} {days}",
        "requestParameters": {"secretId": NAME},
        "userIdentity": {
            "type": "AssumedRole",
            "accountId": ACCOUNT,
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{own}/i-0123",
            "sessionContext": {"sessionIssuer": issuer},
        },
        "x-days": days,
    }
    return {**usual, **changes}


def audited(*records: dict[str, Any], snapshot: Snapshot | None = None) -> Snapshot:
    """An audit of 90 days that found these calls, and reads of a role every third day."""
    snapshot = snapshot or with_secret(healthy(), created=NOW - timedelta(days=400))
    history = History([*(record(day) for day in range(2, 80, 3)), *records])
    with ThreadPoolExecutor(4) as pool:
        clients: Any = lambda *_: history  # noqa: E731
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        found = accesses.AccessesRead(gatherer, snapshot, 90).finish()
    return replace(snapshot, audit=Audit(days=90, accesses=found))


def unusual(snapshot: Snapshot) -> dict[str, str]:
    """The unusual calls, by the name of their check: whose they are."""
    return {each.check: each.principal.rpartition("/")[2] for each in find_unusual(snapshot)}


def test_who_falls_back_from_a_refused_batch_has_read_it() -> None:
    """What a program reads next is no part of the batch that it was refused."""
    for parameters in (BY_NAME, {"filters": [{"key": "name", "values": ["ohmycoins"]}]}):
        batch = record(1.00001, "eve", BATCH, requestParameters=parameters, errorCode="AccessDeniedException")
        found = audited(batch, record(1, "eve"))
        assert unusual(found) == {"new-reader": "eve"} and "2 principals read it 27 times" in who_did(found)


def test_a_batch_that_got_the_secret_is_a_read_whatever_is_refused_beside_it() -> None:
    """Such as another label's version, which the same session asks for in the same second."""
    batch, part = record(1.00001, "eve", BATCH, requestParameters=BY_NAME), record(1.00001, "eve")
    for days in (1.00002, 1):
        refused = record(days, "eve", errorCode="ResourceNotFoundException")
        found = audited(batch, part, refused)
        assert unusual(found) == {"new-reader": "eve"} and "2 principals read it 27 times" in who_did(found)
    denied = record(1.00001, "eve", errorCode="AccessDeniedException")
    assert unusual(audited(batch, denied)) == {}
    filters = {"filters": [{"key": "name", "values": ["ohmycoins"]}]}
    by_filters = record(1.00001, "eve", BATCH, requestParameters=filters)
    assert unusual(audited(by_filters)) == {}, "it got others"
    assert unusual(audited(by_filters, part)) == {"new-reader": "eve", "catch-all-batch": "eve"}


def test_a_refused_call_hides_no_read_of_the_same_second() -> None:
    """Where CloudTrail has no id of the requests."""
    calls = [record(1, "eve", requestID=None), record(1, "eve", requestID=None, errorCode="ThrottlingException")]
    for each in (calls, calls[::-1]):
        assert unusual(audited(*each)) == {"new-reader": "eve"}


def test_every_page_is_read_and_a_call_that_two_pages_have_counts_once() -> None:
    """Pages shift while they are read: calls are made meanwhile."""
    calls = [record(10 + number / 1000, "nightly") for number in range(24 * EVENTS_A_PAGE)]
    assert f"2 principals read it {26 + len(calls):,} times" in who_did(audited(*calls, calls[70], calls[-1]))


def test_who_was_refused_before_reads_for_the_first_time() -> None:
    """Somebody who tried for weeks, and got in this week."""
    tries = [record(day, "eve", errorCode="AccessDeniedException") for day in (20, 30, 40)]
    assert unusual(audited(*tries, record(1, "eve"))) == {"new-reader": "eve"}


def test_the_audits_own_caller_is_known_by_its_session() -> None:
    """Whose role has a path, which no session's ARN has, as the roles of Identity Center do."""
    name, path = "AWSReservedSSO_Audit_0123456789abcdef", "aws-reserved/sso.amazonaws.com/ap-southeast-2/"
    snapshot = with_secret(healthy(), created=NOW - timedelta(days=400))
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/eve@example.com"
    snapshot = replace(snapshot, caller=replace(snapshot.caller, arn=arn))
    assert unusual(audited(record(0.01, f"{path}{name}"), snapshot=snapshot)) == {}


@pytest.mark.parametrize(
    "name", ["PutResourcePolicy", "CancelRotateSecret", "AssociateCrossAccountReplica", "UntagResource"]
)
def test_each_change_of_the_secret_is_listed_with_who_made_it(name: str) -> None:
    """Also what ends its rotation, gives another account a replica, or takes a tag that policies ask for."""
    others = record(2, "nightly", name, requestParameters={"resourceArn": "arn:aws:ecs:x:y:service/z"})
    [row] = changes_log(audited(record(1, "eve", name), others)).rows
    assert row[1:3] == [name, "role/eve"]


def test_lookups_that_wait_for_their_turn_end_with_the_time_of_the_run() -> None:
    """CloudTrail takes two a second; once the time is over, the others are named as not read without a wait."""
    history = History([])
    history.meta = SimpleNamespace(endpoint_url="https://cloudtrail.ap-southeast-2.amazonaws.com")
    time = ReadingTime()
    snapshot, began = healthy(), monotonic()
    with ThreadPoolExecutor(30) as pool, time.within(-1):
        clients: Any = Mock(return_value=history, calls=SimpleNamespace(time=time))
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        answers = [look_up(gatherer, f"Call{number}", NOW, 50, REGION) for number in range(30)]
        unread = [each.result() for each in answers if isinstance(each.result(), ReadFailure)]
    assert monotonic() - began < 2, "thirty turns last 15 seconds"
    assert len(unread) == 29 and all(
        isinstance(each, ReadFailure) and "who called Call" in each.sentence for each in unread
    )
