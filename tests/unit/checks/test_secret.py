"""Checks of the secret itself: each with a healthy snapshot and a faulty one."""

from dataclasses import replace

import pytest
from support.check_assertions import assert_clear, assert_found, by_id
from support.snapshot_faults.secret import FAULTS
from support.snapshots import NOW, healthy, with_secret

from omc_runbook.checks import secret
from omc_runbook.checks.registry import checks_of

pytestmark = pytest.mark.usefixtures("own_registry")

CHECKS = by_id(checks_of(secret))


def test_every_check_has_a_pair() -> None:
    """No check of the family is without its fault, and no fault without its check."""
    assert set(FAULTS) == set(CHECKS)


@pytest.mark.parametrize("id", CHECKS)
def test_a_healthy_snapshot_is_clear(id: str) -> None:
    """Where nothing is wrong, the check says so."""
    assert_clear(CHECKS[id], healthy())


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_found(id: str) -> None:
    """Where its fault is, the check finds it."""
    assert_found(CHECKS[id], FAULTS[id])


def test_a_secret_without_any_version_says_so() -> None:
    """Terraform's secret without a value has no stages at all."""
    bare = replace(with_secret(healthy(), stages={}), versions=(), contents={})
    [found] = CHECKS["no-current-version"].run(bare)
    assert "stages in use: none" in found.facts[0]


def test_a_secret_in_deletion_is_not_also_without_a_version() -> None:
    """One fault of the secret does not look like another."""
    leaving = with_secret(healthy(), deleted=NOW, stages={})
    assert_clear(CHECKS["no-current-version"], leaving)
    assert_clear(CHECKS["secret-missing"], leaving)
