"""When a run is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.model.schedule import Schedule

pytest.importorskip("cronsim", reason="cronsim is not installed")

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SEVEN = NOON - timedelta(hours=5)


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


def test_no_cron_expression() -> None:
    """What is none is told."""
    with pytest.raises(UsageError, match='"at seven" is no cron expression'):
        Schedule(runbook="verify", cron="at seven").missed(None, NOON)
