"""A developer's workbench for tests of local_setup: one turn of the runbook in this process, or only its file."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support import forked_settings
from support.platform_checkout import Platform, make_platform

from omc_runbook.changes.dotenv import executor
from omc_runbook.changes.dotenv import plan as dotenv_plan
from omc_runbook.changes.dotenv.executor import DotenvResult, StartResult
from omc_runbook.changes.dotenv.plan import DotenvPlan
from omc_runbook.masking import registry
from omc_runbook.model.findings import EXIT_CODES
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import local_setup, verify
from omc_runbook.repository import git
from omc_runbook.repository.git import GitStatus
from omc_runbook.runbooks import local_setup as runbook
from omc_runbook.runbooks.run import diagnose, now
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation import docker, reading, settings_probe
from omc_runbook.workstation.history import GitHistory

NOT_HERE = StartResult("", "Not here.")
UNREAD: Any = object()
"""In place of what was not read: whoever asks it for something fails."""


@dataclass(frozen=True)
class Turn:
    """One run of the notebook's cells: what was seen, planned and done, its outcome, and all that was shown."""

    snapshot: Snapshot
    plan: DotenvPlan
    done: DotenvResult | None
    outcome: dict[str, Any]
    shown: str

    @property
    def causes(self) -> list[str]:
        return list(self.outcome["root_causes"])

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome["status"]]

    def status(self, check: str) -> str:
        """What a check said, of several answers the worst."""
        found = [each["status"] for each in self.outcome["findings"] if each["check"] == check]
        return next(each for each in ("found", "unknown", "skipped", "clear") if each in found)


def turn(
    platform: Platform,
    apply: bool = False,
    values_from: str = "",
    environment: str = "local",
    allow_code: bool = True,
) -> Turn:
    """Do what the notebook's cells do, one after another, and keep what they show."""
    run = runbook.begin(environment, "", str(platform.root), "", allow_code)
    snapshot = runbook.look(run)
    displays = [local_setup.inventory(snapshot), local_setup.variables(snapshot), verify.findings(diagnose(snapshot))]
    plan = runbook.plan(run, snapshot, values_from)
    displays += [local_setup.plan(plan), local_setup.diff(plan), local_setup.needed(plan)]
    result = runbook.apply(run, plan, apply, "")
    after = runbook.look(run, result) if result else snapshot
    found = diagnose(after)
    path = platform.root.parent / "outcome.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OUTCOME_VARIABLE, str(path))
        displays += [
            local_setup.result(plan, result),
            local_setup.start(result, after),
            run.conclude(found, result, plan),
            local_setup.undo(plan, result),
        ]
    text = "\n".join(text for each in displays for text in each._repr_mimebundle_().values())
    outcome = json.loads(path.read_text())
    path.unlink()
    return Turn(snapshot, plan, result, outcome, text + json.dumps(outcome))


def small_platform(root: Path) -> Platform:
    """A checkout in git without the infrastructure, which local_setup reads in vain."""
    platform = make_platform(root)
    shutil.rmtree(platform.root / "infrastructure")
    platform.commit("Without the infrastructure")
    return platform


def plan_file(platform: Platform, values_from: str = "") -> DotenvPlan:
    """The plan of the .env alone: Settings are not loaded, and what only checks judge is not read.

    That is what git says, and the configuration that Docker Compose resolves: eleven processes of thirteen. A plan that
    used them would fail, of `UNREAD`.
    """
    run = runbook.begin("local", "", str(platform.root))
    assert run.checkout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(git, "read_status", lambda *_: GitStatus(is_work_tree=False))
        patch.setattr(reading, "read_history", lambda *_: GitHistory(key=b"", locations={}))
        patch.setattr(docker, "read_config", lambda *_: UNREAD)
        machine = reading.read_workstation(run.checkout, run.environment.keys)
    machine = replace(machine, git=UNREAD, history=UNREAD, tracked=UNREAD, published_files=UNREAD)
    return dotenv_plan.plan_dotenv(machine, values_from)


def write_file(plan: DotenvPlan, backup: bool = False) -> DotenvResult:
    """Carry a plan out, and start nothing."""
    return executor.apply(plan, backup, now(), lambda: NOT_HERE)


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything under a folder, git's own included: its mode, when it was changed, and what is in it."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else str(path.readlink()).encode() if path.is_symlink() else b""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, content)
    return found


def quiet_machine(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Let nothing that somebody has configured here count, and keep this test's values from being masked elsewhere.

    Settings are loaded in forks, since a look at a checkout would take most of its time to import pydantic.
    """
    patch.setattr(settings_probe, "_run", forked_settings.run)
    for name in [name for name in os.environ if name.startswith(("AWS_", "OMC_"))]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))
    for name, empty in (("_values", {}), ("_announced", set()), ("_public", set(registry._public)), ("_index", None)):
        patch.setattr(registry, name, empty)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An empty home, no sign-in, and values that are forgotten afterwards."""
    (tmp_path / "home").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        quiet_machine(patch, tmp_path / "home")
        yield patch


def assert_absent(values: Sequence[str], *texts: str) -> None:
    """No value, and neither end of one, is in any of the texts."""
    pieces = [piece for value in values for piece in (value, value[:10], value[-10:])]
    leaked = [f"text {at}" for at, text in enumerate(texts) for piece in pieces if piece in text]
    assert not leaked, leaked


def severities(result: Turn) -> dict[tuple[str, str], str]:
    """The findings with their severity, remarks included."""
    findings = (each for each in result.outcome["findings"] if each["status"] == "found")
    return {(each["check"], each["subject"]): each["severity"] for each in findings}


def source(folder: Path, **variables: str) -> str:
    """A source file's parameter."""
    path = folder / "values"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return f"file:{path}"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A checkout to copy."""
    return small_platform(tmp_path_factory.mktemp("first") / "omc")
