"""What becomes of the states of killed changes when another run ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.model.handover import FOLDER_VARIABLE, STATE_VARIABLE
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks import own_record
from omc_runbook.runbooks.conclude import Ending
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import Run, Target

NOW = datetime(2026, 11, 26, tzinfo=UTC)
KILLED = ChangeState(
    runbook="create", environment="production", account="1", region="", endpoint="", started=NOW, steps=("create",)
)
NAMES = {"environment": "production", "account": "1", "region": "", "endpoint": ""}
RUN: Any = SimpleNamespace(target=SimpleNamespace())


def is_left(
    folder: Path,
    killed: ChangeState,
    failure: str = "",
    runbook: str = "",
    steps: Sequence[str] = (),
    parameters: Mapping[str, str] | None = None,
) -> bool:
    """Whether a killed run's state is still there after a run, which found nothing to do or took these steps."""
    file = StateFile(folder / "killed.state.json")
    file.write(killed)
    own = replace(killed, runbook=runbook or killed.runbook, steps=tuple(steps))
    own = own if parameters is None else replace(own, parameters=parameters)
    outcome = Outcome(runbook=own.runbook, started=NOW, finished=NOW, failure=failure, **NAMES)
    own_record.end(LiveChange(own), RUN, {"outcome": Ending(outcome)})
    return file.path.exists()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "own.state.json"))
    return tmp_path


def test_a_change_that_was_killed_after_it_was_done_is_over_when_the_next_run_finds_nothing_to_do(folder: Path) -> None:
    """Not where that run failed, or was another runbook's."""
    assert not is_left(folder, KILLED)
    assert is_left(folder, KILLED, failure="AWS cannot be reached.")
    assert is_left(folder, KILLED, runbook="add_key")


@pytest.mark.parametrize(
    ("own", "is_over"),
    [("/srv/one", True), ("/srv/two", False), ("", True)],
    ids=["the same", "another", "none named"],
)
@pytest.mark.parametrize("steps", [(), ("write",)], ids=["nothing to do", "done"])
def test_a_change_of_another_checkout_is_not_over(folder: Path, own: str, is_over: bool, steps: Sequence[str]) -> None:
    """Only its own state says how the edits of that checkout are finished or taken back."""
    killed = replace(KILLED, runbook="add_key", parameters={"key": "NEWS_KEY", "repository": "/srv/one"})
    parameters = {"key": "NEWS_KEY", "repository": own}
    assert is_left(folder, killed, steps=steps, parameters=parameters) is not is_over


@pytest.mark.parametrize(
    ("labels", "is_over"),
    [(["AWSCURRENT"], True), (["omc-runbook-1234"], False), (["omc-runbook-withdrawn-1234"], True), ([], True)],
)
def test_a_version_with_our_label_is_not_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, labels: Sequence[str], is_over: bool
) -> None:
    """Another run goes on with it, also after one that failed and left it where it was."""
    stages = {"version-2": tuple(labels)}
    secret = secretsmanager.Secret(
        arn="arn", name="s", created=None, deleted=None, changed=None, kms_key_id="", stages=stages
    )
    monkeypatch.setattr(RUN.target, "describe_secret", lambda id: secret, raising=False)
    killed = replace(KILLED, runbook="update", secret="s", former="version-1", new="version-2")
    assert is_left(folder, killed) is not is_over
    assert is_left(folder, killed, failure="New tasks fail.", runbook="restore", steps=["stage"]) is not is_over


def test_a_run_that_finds_a_killed_change_done_does_not_call_it_unfinished(folder: Path) -> None:
    """As `create` again, after a kill behind its last call; it does where anything is wrong, or another one is open."""
    target = Target(load("production"), Clients("ap-southeast-2"), Caller("123456789012", "arn"))
    run = Run(runbook="create", started=NOW, targets=(target,), unfinished=(Banner("bad", "It was not finished."),))
    live = LiveChange(run.state())
    StateFile(folder / "killed.state.json").write(replace(run.state(steps=("restore",)), ended="Killed."))
    wrong = Finding(check="placeholder", family="content", title="A placeholder", status="found", subject="SECRET_KEY")
    assert "A change is not finished" in run.answer(()).to_text()
    assert "not finished" not in own_record.without_done(live, run, ()).answer(()).to_text()
    assert own_record.without_done(live, run, (wrong,)) is run
    StateFile(folder / "other.state.json").write(replace(run.state(), runbook="rotate", ended="Killed."))
    assert own_record.without_done(live, run, ()) is run


def test_a_change_keeps_its_state_where_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another cell may change the working folder meanwhile: that is no end of the change."""
    for name in (STATE_VARIABLE, FOLDER_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(own_record, "is_in_ipython", lambda: True)
    monkeypatch.setattr(own_record.kernel, "allows_input", lambda: True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    live, run = LiveChange(), SimpleNamespace(state=lambda: KILLED)
    own_record.begin(live, KILLED)
    live.announce("create")
    ((file, _),) = own_record.unfinished(run)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path / "other")
    live.announce("watch")
    state = file.read()
    assert state and state.steps[-1] == "watch" and not [*Path.cwd().iterdir()]
    live.end()
    assert file.read() is None
