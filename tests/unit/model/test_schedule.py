"""When a run is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.model.schedule import Schedule

pytest.importorskip("cronsim", reason="cronsim is not installed")

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SEVEN = NOON - timedelta(hours=5)


@pytest.fixture(autouse=True)
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts this machine into a time zone; it is in UTC before."""

    def set_zone(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    set_zone("UTC")
    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [
        (SEVEN + timedelta(minutes=1), NOON, None),
        (SEVEN - timedelta(minutes=1), NOON, SEVEN),
        (None, NOON, SEVEN),
        (SEVEN - timedelta(hours=23), SEVEN + timedelta(minutes=59), None),
        (SEVEN - timedelta(hours=23), SEVEN + timedelta(minutes=61), SEVEN),
    ],
    ids=["it ran", "it ran too early", "it never ran", "within its grace", "after its grace"],
)
def test_a_run_is_missing_after_its_grace(last: datetime | None, now: datetime, due: datetime | None) -> None:
    """Of a run each morning at seven."""
    assert Schedule(runbook="verify", cron="0 7 * * *").missed(last, now) == due


@pytest.mark.parametrize(
    ("cron", "ran", "looked"),
    [
        ("0 7 * * *", datetime(2027, 4, 3, 7, 1), datetime(2027, 4, 4, 6, 30)),
        ("0 7 1 * *", datetime(2027, 4, 1, 7, 1), datetime(2027, 4, 20, 6, 0)),
        ("0 7 1 * *", datetime(2027, 10, 1, 7, 1), datetime(2027, 10, 20, 6, 0)),
    ],
)
def test_a_clock_that_is_put_back_makes_no_run_overdue(
    in_zone: Callable[[str], None], cron: str, ran: datetime, looked: datetime
) -> None:
    """In Sydney summer time ends on April 4, 2027, and begins on October 3."""
    in_zone("Australia/Sydney")
    schedule, now = Schedule(runbook="verify", cron=cron), looked.astimezone()
    assert schedule.missed(ran.astimezone(), now) is None
    assert schedule.missed(ran.astimezone() - timedelta(minutes=2), now) == ran.replace(minute=0).astimezone()


def test_a_time_that_a_clock_leaves_out_makes_no_run_overdue(in_zone: Callable[[str], None]) -> None:
    """In Berlin 02:30 is no time on March 28, 2027: cron runs at 03:00, EventBridge Scheduler not on that day."""
    in_zone("Europe/Berlin")
    schedule, looked = Schedule(runbook="verify", cron="30 2 * * *"), datetime(2027, 3, 28, 7, 0).astimezone()
    for ran in (datetime(2027, 3, 28, 3, 1), datetime(2027, 3, 27, 2, 31)):
        assert schedule.missed(ran.astimezone(), looked) is None
    earlier = datetime(2027, 3, 27, 2, 30).astimezone()
    assert schedule.missed(earlier - timedelta(days=1), looked) == earlier


def test_no_cron_expression() -> None:
    """What is no schedule is refused."""
    with pytest.raises(UsageError, match='"at seven" is not a cron expression'):
        Schedule(runbook="verify", cron="at seven").missed(None, NOON)
