"""Faults of a checkout: each breaks the drill's copy alone, is what the checks find there, and is gone when mended."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values
from support.runs import sign_in

from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import local_setup, verify
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import drills, folders, lifecycle
from omc_runbook.sandbox.cli import sandbox as commands
from omc_runbook.sandbox.faults import Fault, checkout
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import World


@pytest.fixture
def at_sandbox(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None, tmp_path: Path
) -> Iterator[Sandbox]:
    """This process pointed at the sandbox, with none of the variables that the application reads."""
    for name in dotenv_values(Path(str(sandbox.repository), ".env.template")):
        monkeypatch.delenv(name, raising=False)
    sign_in(sandbox, monkeypatch)
    monkeypatch.setattr(folders, "solved_file", lambda: tmp_path / "solved.json")
    yield sandbox
    if drills.current(sandbox):
        drills.stop(sandbox)
    checkout.remove_copy(sandbox.endpoint)


def findings(family: str, root: Path) -> tuple[Finding, ...]:
    """What the runbook of a family's drills finds in a checkout."""
    if family == checkout.LOCAL:
        run = local_setup.begin("local", repository=str(root), allow_code=True)
        return runbooks_run.diagnose(local_setup.look(run))
    return verify.diagnose(verify.look(verify.begin("staging"), str(root)))


def contents(root: Path) -> dict[Path, tuple[bytes, int]]:
    """Each file of a checkout with its mode; git's own are left out."""
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(root): (path.read_bytes(), path.stat().st_mode) for path in files}


@pytest.mark.parametrize("fault", checkout.FAULTS, ids=lambda fault: fault.id)
def test_a_fault_is_the_only_root_cause(fault: Fault, at_sandbox: Sandbox) -> None:
    """It is found in the copy by the runbook that the drill names, and the checkout itself stays as it was."""
    if not checkout.is_seen_here(fault):
        pytest.skip("no Docker Compose here")
    own = Path(str(at_sandbox.repository))
    before, copy = contents(own), checkout.copy_of(at_sandbox.endpoint)
    fault.apply(World(at_sandbox.endpoint))
    causes = {each.check for each in findings(fault.family, copy) if each.is_root_cause}
    assert causes == {fault.id}
    assert contents(own) == before != contents(copy)


@pytest.mark.parametrize("family", [checkout.LOCAL, checkout.DRIFT])
def test_a_healthy_copy_has_no_finding(family: str, at_sandbox: Sandbox) -> None:
    """What a drill breaks is all that is wrong: the example checkout itself is in order."""
    assert [each.check for each in findings(family, Path(str(at_sandbox.repository))) if each.is_problem] == []


def test_what_nobody_can_see_here_is_no_drill(at_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Docker Compose is not installed, what it alone shows is neither drawn nor broken."""
    monkeypatch.setenv("PATH", "/nowhere")
    unseen = {fault.id for fault in checkout.FAULTS if fault.needs_compose}
    drawn = drills._choose(checkout.LOCAL, None, 50, random.Random(1))
    assert unseen and unseen.isdisjoint(drawn)
    for id in unseen:
        with pytest.raises(UsageError, match=f"Nobody sees {id} without Docker Compose"):
            drills.start_secretly(at_sandbox, id)
    assert drills.current(at_sandbox) is None


def test_a_drill_on_the_checkout_from_start_to_end(at_sandbox: Sandbox) -> None:
    """It says how to look at the copy, which is in order again once the answer was graded."""
    started = CliRunner().invoke(commands, ["drill", "--family", "local", "--seed", "1", "--json"])
    assert started.exit_code == 0, started.exception
    copy, drill = checkout.copy_of(at_sandbox.endpoint), drills.current(at_sandbox)
    assert drill and copy.is_dir()
    body = json.loads(started.output)
    assert "developer's machine" in body["symptom"] or "developer asks" in body["symptom"]
    assert body["diagnosis"] == f"omc-runbook run local_setup -p repository {copy} -p allow_code true --summary"
    answered = CliRunner().invoke(commands, ["answer", drill.fault])
    assert answered.exit_code == 0 and answered.output.startswith("Right")
    assert not copy.exists() and lifecycle.status(at_sandbox)["broken"] == []
    assert "1 of" in CliRunner().invoke(commands, ["card"]).output


def test_breaking_and_mending_by_hand(at_sandbox: Sandbox) -> None:
    """`break` says where the copy is, two faults break one copy, and `mend` removes it."""
    broke = CliRunner().invoke(commands, ["break", "permissions"])
    copy = checkout.copy_of(at_sandbox.endpoint)
    assert broke.exit_code == 0 and str(copy) in broke.output
    assert CliRunner().invoke(commands, ["break", "crlf"]).exit_code == 0
    dotenv = copy / ".env"
    assert dotenv.stat().st_mode & 0o777 == 0o644 and b"\r\n" in dotenv.read_bytes()
    assert CliRunner().invoke(commands, ["mend"]).exit_code == 0
    assert not copy.exists()


def test_a_fault_that_an_audit_finds_is_in_no_copy(at_sandbox: Sandbox) -> None:
    """It has a symptom of its own too, and is in AWS: `break` names no folder."""
    broke = CliRunner().invoke(commands, ["break", "readable-by-all"])
    assert broke.exit_code == 0 and str(checkout.copy_of(at_sandbox.endpoint)) not in broke.output
    assert CliRunner().invoke(commands, ["mend"]).exit_code == 0
