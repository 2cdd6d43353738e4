"""What a large environment costs: for three times as many services, tasks and versions about three times the calls."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from support.large_world import count_calls, large, with_reads
from support.snapshots import KEYS, NOW, looked, rotated, values, with_values

from omc_runbook.checks.key_demand import missing_keys
from omc_runbook.diagnosis import injection_matrix, root_causes
from omc_runbook.report.timeline import Timeline
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

SERVICES = 10
LOWER_CASE = {key.lower(): value for key, value in values().items()}


def changed(snapshot: Snapshot) -> Snapshot:
    """Every task has an older value of a key."""
    return rotated(snapshot, NOW - timedelta(days=1), SECRET_KEY=secrets.token_hex(32))


def changed_by_trail(snapshot: Snapshot) -> Snapshot:
    """The same, and CloudTrail has all calls."""
    return with_reads(changed(snapshot))


@pytest.mark.parametrize("world", [changed, changed_by_trail, looked])
def test_a_large_environment_takes_as_many_calls_a_service_as_a_small_one(
    world: Callable[[Snapshot], Snapshot],
) -> None:
    """Each task's reads, values and versions are found without going through all others', and each once."""
    small, large_one = (count_calls(partial(_judge, world(large(services)))) for services in (SERVICES, 3 * SERVICES))
    assert large_one < 3.3 * small


def test_a_missing_key_is_compared_once_however_many_services_refer_to_it() -> None:
    """Each further service takes a few calls for each of its references, and none for each key of the secret."""
    small, large_one = (with_values(large(services), LOWER_CASE) for services in (SERVICES, 2 * SERVICES))
    further = count_calls(partial(missing_keys, large_one)) - count_calls(partial(missing_keys, small))
    assert set(missing_keys(large_one)) == {*KEYS}
    assert further < 100 * SERVICES * len(KEYS)


def _judge(snapshot: Snapshot) -> None:
    root_causes.diagnose(snapshot)
    tuple(injection_matrix.rows(snapshot))
    Timeline(snapshot).to_text()
