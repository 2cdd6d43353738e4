"""CloudTrail's event history in memory: which events there are, of all APIs and of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omc_runbook.sandbox import trail
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.calls import Call
from omc_runbook.sandbox.principals import Principal
from omc_runbook.sandbox.trail import EventHistory, RecordedEvent

SOMEBODY = Principal(
    arn=f"arn:aws:iam::{ACCOUNT}:user/somebody",
    identity_arn=f"arn:aws:iam::{ACCOUNT}:user/somebody",
    account=ACCOUNT,
    kind="user",
    name="somebody",
)


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> EventHistory:
    """Three calls of two APIs, in a history that has room for no more."""
    monkeypatch.setattr(trail, "_MAX_EVENTS", 3)
    events = EventHistory()
    for action in ("GetSecretValue", "PutSecretValue", "GetSecretValue"):
        record(events, action)
    return events


def record(history: EventHistory, action: str, **parameters: str) -> None:
    call = Call(
        service="secretsmanager",
        action=action,
        region=REGION,
        access_key="AKIA",
        user_agent="a test",
        protocol="json",
        params=parameters,
    )
    history.record(call, SOMEBODY, "request", [])


def found(history: EventHistory, name: str = "") -> list[RecordedEvent]:
    return history.events(ACCOUNT, REGION, name=name)


def names(history: EventHistory, name: str = "") -> list[str]:
    return [event.name for event in found(history, name)]


def test_events_of_one_api_are_those_of_all(history: EventHistory) -> None:
    """Newest first, in both."""
    assert names(history) == ["GetSecretValue", "PutSecretValue", "GetSecretValue"]
    for name in ("GetSecretValue", "PutSecretValue", "DescribeSecret"):
        assert found(history, name) == [event for event in found(history) if event.name == name]


def test_the_oldest_makes_room(history: EventHistory) -> None:
    """It is neither among all events nor among those of its API."""
    record(history, "PutSecretValue")
    assert names(history) == ["PutSecretValue", "GetSecretValue", "PutSecretValue"]
    assert names(history, "GetSecretValue") == ["GetSecretValue"]
    assert history.count() == {"secretsmanager:GetSecretValue": 1, "secretsmanager:PutSecretValue": 2}
    history.clear()
    assert names(history) == names(history, "PutSecretValue") == []


def test_a_write_that_is_dated_back_is_older_than_others(history: EventHistory) -> None:
    """And forgotten where CloudTrail no longer keeps it."""
    record(history, "PutSecretValue", ClientRequestToken="version")
    history.date_back({"version": (datetime.now(UTC) - timedelta(days=9)).timestamp()})
    assert names(history) == ["GetSecretValue", "PutSecretValue", "PutSecretValue"]
    newer, older = found(history, "PutSecretValue")
    assert newer.time - older.time > timedelta(days=8)
    history.date_back({"version": (datetime.now(UTC) - timedelta(days=99)).timestamp()})
    assert names(history) == ["GetSecretValue", "PutSecretValue"]
    assert found(history, "PutSecretValue") == [newer]
