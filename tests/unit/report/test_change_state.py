"""The state of a change on disk: written whole and private, read back, told from a process that is gone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from support.paths import ROOT

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.secret.create_plan import Intent
from omc_runbook.report.archive import state as states
from omc_runbook.report.archive.state import ChangeState, StateFile, own_process
from omc_runbook.report.change_state import STEPS, ChangeToFinish, RunningChange

STARTED = datetime(2026, 11, 26, 7, 12, 31, tzinfo=UTC)
ROLLOUT = Rollout(
    "backend", "ecs-svc/1", "family:7", "rolling", 2, 1, began=STARTED, others=1, usual=timedelta(seconds=180)
)
STATE = ChangeState(
    runbook="rotate",
    environment="staging",
    account="123456789012",
    region="ap-southeast-2",
    endpoint="",
    started=STARTED,
    secret="app-secrets",
    keys=("SECRET_KEY",),
    former="version-1",
    new="version-2",
    go_on="omc-runbook run rotate -p apply true",
    go_back="omc-runbook run restore -p apply true",
    steps=("stage", "move", "redeploy", "watch"),
    changes=("changed SECRET_KEY, in version version-2",),
    rollouts=(ROLLOUT,),
    **own_process(),
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    """In a private file, in a folder that need not be there, with nothing beside it."""
    file = StateFile(tmp_path / "records" / "rotate-staging-1.state.json")
    state = replace(STATE, rollouts=(ROLLOUT, replace(ROLLOUT, bake=timedelta(1, 30, 7))))
    file.write(state)
    assert file.read() == state and file.stem == "rotate-staging-1"
    assert file.path.stat().st_mode & 0o777 == 0o600 and file.path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]


def test_each_step_has_words() -> None:
    """Of every change: their names are for programs."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "omc_runbook" / "changes").rglob("*.py")]
    names = {name for text in texts for name in re.findall(r'(?:Step\(name=|return )"(\w+)", (?:apply|partial)', text)}
    assert names > {"move", "withdraw", "undelete", "write"}
    assert (names | {*get_args(Intent)}) - STEPS.keys() == {"nothing"}


WITHOUT_ZONE = replace(STATE, started=STARTED.replace(tzinfo=None)).to_json()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": 2}', '{"schema": 1, "runbook": "rotate"}', "\0", WITHOUT_ZONE]
)
def test_another_file_is_no_state(tmp_path: Path, text: str) -> None:
    """Half a file, one of a later schema or whose time could not be compared, or none: nothing is shown or fails."""
    file = StateFile(tmp_path / "other.state.json")
    assert file.read() is None
    file.path.write_text(text)
    assert file.read() is None and states.find(tmp_path, "123456789012", "staging", "") == []


def test_a_pipe_is_no_state(tmp_path: Path) -> None:
    """It would hold up each run on the folder of records."""
    os.mkfifo(tmp_path / "other.state.json")
    assert states.find(tmp_path, "123456789012", "staging", "") == []


def test_what_a_later_version_adds_is_passed_over(tmp_path: Path) -> None:
    """Fields are added, never renamed."""
    file = StateFile(tmp_path / "later.state.json")
    file.path.write_text(json.dumps(json.loads(STATE.to_json()) | {"mood": "good"}))
    assert file.read() == STATE


def test_the_changes_of_an_environment_are_found_the_newest_first(tmp_path: Path) -> None:
    """Those of another account, environment or endpoint are not."""
    later = replace(STATE, started=STARTED + timedelta(hours=1))
    others = [
        replace(STATE, account="2"),
        replace(STATE, environment="production"),
        replace(STATE, endpoint="http://x"),
    ]
    for number, each in enumerate((STATE, later, *others)):
        StateFile(tmp_path / f"{number}.state.json").write(each)
    found = states.find(tmp_path, "123456789012", "staging", "")
    assert [state for _, state in found] == [later, STATE]
    found[0][0].remove()
    assert [state for _, state in states.find(tmp_path, "123456789012", "staging", "")] == [STATE]


def test_only_the_process_that_wrote_it_is_alive() -> None:
    """Not one that has ended, not a later one of its number, not one of another machine, and none of what broke off."""
    assert STATE.is_alive
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not replace(STATE, process=ended.pid).is_alive
    assert not replace(STATE, process_started="0").is_alive
    assert not replace(STATE, host="elsewhere").is_alive
    assert not replace(STATE, ended="Interrupted.").is_alive
    assert not replace(STATE, process=0).is_alive


def test_a_wish_to_stop_is_heard_once(tmp_path: Path) -> None:
    """Whoever finds the file may ask to stop; other content is no request."""
    file = StateFile(tmp_path / "rotate.state.json")
    file.write(STATE)
    assert file.take_wish() is None
    file.ask("back")
    assert (file.take_wish(), file.take_wish()) == ("back", None)
    (tmp_path / ".rotate.stop").write_text("shutdown")
    assert file.take_wish() is None
    file.ask("leave")
    file.remove()
    assert [*tmp_path.iterdir()] == []


def test_it_can_go_back_until_it_goes_back_or_has_ended() -> None:
    """And never where there is no version before."""
    assert STATE.can_go_back and not replace(STATE, former="").can_go_back
    assert not replace(STATE, steps=(*STATE.steps, "withdraw")).can_go_back
    assert not replace(STATE, steps=(*STATE.steps, "release")).can_go_back


def test_the_page_says_what_is() -> None:
    """The step and the tasks while it runs; then what was done, what is current, and both ways."""
    for text in (RunningChange(STATE).to_text(), RunningChange(STATE).to_html()):
        assert "under way since 07:12:31 UTC: watching the new tasks" in text and "1 of 2 tasks, 1 old" in text
        assert "of about 3:00" in text
    running = ChangeToFinish(STATE, "Version version-2 is current.").to_text()
    assert "is under way" in running and "works on it" in running and "How to go on" not in running
    broken = ChangeToFinish(replace(STATE, process=0), "Version version-2 is current.")
    for text in (broken.to_text(), broken.to_html()):
        for words in ("was not finished", "watching the new tasks", "has ended", "changed SECRET_KEY", "is current"):
            assert words in text
        assert STATE.go_on in text and STATE.go_back in text


def test_what_a_killed_change_last_saw_of_its_deployments_is_not_told_as_how_they_are() -> None:
    """They go on without it, and no clock runs on in its name."""
    rolling = replace(ROLLOUT, state="rolling", began=datetime.now(UTC) - timedelta(minutes=7), took=None)
    alive = replace(STATE, rollouts=(rolling,))
    texts = [ChangeToFinish(each).to_text() for each in (alive, replace(alive, process=0))]
    sentence = "What it last saw of its deployments is below: they may have gone on since."
    assert [sentence in " ".join(text.split()) for text in texts] == [False, True]
    assert ["7:0" in text for text in texts] == [True, False]


def test_a_wish_that_comes_while_another_is_read_is_for_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two windows may ask for different things at once."""
    file, read_text = StateFile(tmp_path / "rotate.state.json"), Path.read_text
    file.ask("back")

    def ask_meanwhile(path: Path, *arguments: Any, **options: Any) -> str:
        text = read_text(path, *arguments, **options)
        file.ask("leave")
        return text

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", ask_meanwhile)
        assert file.take_wish() == "back"
    assert file.take_wish() == "leave" and file.take_wish() is None
    assert [*tmp_path.iterdir()] == []
