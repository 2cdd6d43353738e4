"""What holds in every family: its checks are clear where nothing is wrong, and each finds its own fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import pytest
from support.check_assertions import assert_clear, assert_found, by_id
from support.every_fault import AUDIT, MODULES, OTHERS
from support.faults import audit_access, audit_accesses, audit_monitoring, audit_secret
from support.networks import by_nat
from support.snapshots import healthy, looked

from omc_runbook.checks import (
    audit_ages,
    audit_exposure,
    audit_lifecycle,
    audit_unused,
    content,
    deployment,
    spare_keys,
    startup,
)
from omc_runbook.checks.check import checks_of
from omc_runbook.snapshot.state import Snapshot

FAMILIES = (*OTHERS, *AUDIT)
OTHER_MODULES = {
    "content": (content, spare_keys),
    "audit_secret": (audit_ages, audit_exposure, audit_unused, audit_lifecycle),
    "deployment": (startup, deployment),
}
"""The modules with the checks of the faults that are not in one module of the same name."""
CHECKS = {
    family: by_id(checks_of(*(OTHER_MODULES.get(family) or (import_module(f"omc_runbook.checks.{family}"),))))
    for family in FAMILIES
}
FAULTS = {(family, id): fault for family in FAMILIES for id, fault in MODULES[family].FAULTS.items()}
HEALTHY: dict[str, Callable[[], Snapshot]] = {
    "audit_access": audit_access.audited,
    "audit_accesses": lambda: audit_accesses.audited(healthy()),
    "audit_monitoring": lambda: audit_monitoring.monitored(healthy()),
    "audit_secret": audit_secret.audited,
    "execute": lambda: MODULES["execute"].placed(looked(healthy()), by_nat()),
    "running": lambda: looked(healthy()),
    "upstream": lambda: replace(healthy(), log_lines={}),
}
"""A snapshot in which nothing is wrong, of the families that need more than the plain one."""


@pytest.mark.parametrize("family", FAMILIES)
def test_every_check_has_a_pair(family: str) -> None:
    """No check of the family is without its fault, and no fault without its check."""
    assert set(MODULES[family].FAULTS) == set(CHECKS[family])


@pytest.mark.parametrize(("family", "id"), [(family, id) for family in CHECKS for id in CHECKS[family]])
def test_a_healthy_snapshot_is_clear(family: str, id: str) -> None:
    """Where nothing is wrong, the check says so."""
    assert_clear(CHECKS[family][id], HEALTHY.get(family, healthy)())


@pytest.mark.parametrize(("family", "id"), FAULTS)
def test_a_fault_is_found(family: str, id: str) -> None:
    """Where its fault is, the check finds it."""
    assert_found(CHECKS[family][id], FAULTS[family, id])
