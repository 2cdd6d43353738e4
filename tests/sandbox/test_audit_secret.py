"""What an audit finds about the secret in the sandbox: each fault alone, and nothing of it in a healthy world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omc_runbook.diagnosis import root_causes
from omc_runbook.model.findings import Finding
from omc_runbook.report.audit_exposure import exposure
from omc_runbook.report.audit_lifecycle import lifecycle as lifecycle_table
from omc_runbook.report.audit_lives import ages, lives_plot
from omc_runbook.report.audit_unused import unused
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox.faults import audit_secret, break_, mend
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import World
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

FAULTS = [fault.id for fault in audit_secret.faults()]
WITH_OTHERS = {"key-unused": {"version-unlabelled"}, "quota-near": {"version-unlabelled"}}
"""What a fault leaves beside itself, after another: versions without a label."""


@pytest.fixture
def look(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Snapshot]:
    """Read the sandbox's staging environment as an audit does."""
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(sandbox.repository or Path())
    return lambda repository="": runbooks_run.reach("audit", "staging").look(repository, audit_days=90)


def found(snapshot: Snapshot) -> dict[str, Finding]:
    """What the checks of the secret found, by id, without what concerns the account's identities and alarms."""
    findings = [each for each in root_causes.audit(snapshot) if each.check in {*FAULTS, "no-deletion-guard"}]
    assert [each.evidence for each in findings if each.status == "unknown"] == []
    return {each.check: each for each in findings if each.status == "found"}


def test_a_healthy_world_has_remarks_alone(sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """Nothing is a warning, with the checkout and without."""
    for repository in ("", str(sandbox.repository)):
        assert {each.severity for each in found(look(repository)).values()} <= {"info"}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_and_mended(fault: str, sandbox: Sandbox, look: Callable[..., Snapshot]) -> None:
    """A fault gives its own finding and no other that is more than a remark; mending takes it away."""
    break_(sandbox.endpoint, fault)
    snapshot = look()
    findings = found(snapshot)
    assert fault in findings
    assert {id for id, each in findings.items() if each.severity != "info"} <= {fault}
    assert findings[fault].remedy.command
    for table in (ages, exposure, unused, lifecycle_table, lives_plot):
        assert table(snapshot).to_text()
    audit_secret.remove(World(sandbox.endpoint))
    if fault in ("plain-in-definition", "key-unused", "quota-near", "key-not-rotated", "rotation-broken"):
        mend(sandbox.endpoint)
    assert fault == "version-unlabelled" or fault not in found(look())
