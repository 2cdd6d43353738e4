"""A change under way: when a wish to stop is heard, and what stays on disk of one that broke off."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.engine.step import Cancelled
from omc_runbook.changes.take_back import Undo
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, RunbookError, UsageError
from omc_runbook.report.archive.state import ChangeState, StateFile, Wish, own_process
from omc_runbook.report.change_state import ChangeToFinish
from omc_runbook.runbooks import live_change as module
from omc_runbook.runbooks.live_change import CALLS, STOPPED, LiveChange, refuse_another

STATE = ChangeState(
    runbook="rotate",
    environment="staging",
    account="1",
    region="",
    endpoint="",
    started=datetime(2026, 11, 26, tzinfo=UTC),
    secret="s",
    former="version-1",
    new="version-2",
    **own_process(),
)
CHANGE = Change(key="SECRET_KEY", action="changed", version="version-2")


def live_at(tmp_path: Path, *steps: str, former: str = "version-1") -> LiveChange:
    live = LiveChange(replace(STATE, former=former), StateFile(tmp_path / "rotate.state.json"))
    for step in steps:
        live.announce(step)
    return live


def test_its_state_is_on_disk_from_its_first_step_until_its_end(tmp_path: Path) -> None:
    """Steps, changes and roll-outs, each as it comes."""
    live = live_at(tmp_path)
    assert live.file and not live.file.path.exists() and not live.has_begun
    live.announce("move")
    live.tell(CHANGE)
    live.announce("watch")
    rollout = Rollout("backend", "ecs-svc/1", "family:7", "rolling", 2)
    live.show([rollout], [])
    state = live.file.read()
    assert state == live.state and state and state.steps == ("move", "watch") and state.rollouts == (rollout,)
    assert state.changes == ("changed SECRET_KEY, in version version-2",)
    live.end()
    assert [*tmp_path.iterdir()] == []


def test_two_changes_that_begin_in_one_second_keep_a_file_each(tmp_path: Path) -> None:
    """Two kernels run the same runbook: one that is refused removes its own file alone, and none before a step."""
    first, second, refused = live_at(tmp_path), live_at(tmp_path), live_at(tmp_path)
    for live in (first, second):
        # What a killed run has done may come before the first step of one that finishes it.
        live.show([Rollout("backend", "ecs-svc/1", "family:7", "rolling", 2)], [])
        live.announce("stage")
        live.announce("move")
    assert (
        first.file
        and second.file
        and {path.name for path in tmp_path.iterdir()}
        == {
            first.file.path.name,
            second.file.path.name,
        }
    )
    assert (first.file.stem, second.file.stem) == ("rotate", "rotate-2")
    for live in (second, refused):
        live.fail(ConflictError("Somebody else changed the secret."))
    assert [path.name for path in tmp_path.iterdir()] == ["rotate.state.json"]
    assert first.file.read() == first.state


def test_its_state_has_the_roll_outs_of_each_environment(tmp_path: Path) -> None:
    """Those of the next one do not replace those of the one before, which another process may have to take back."""
    live, rollout = live_at(tmp_path, "watch"), Rollout("backend", "ecs-svc/1", "family:7", "rolling", 2)
    first, then = replace(rollout, environment="staging"), replace(rollout, environment="production")
    for each in (first, replace(first, state="done"), then, replace(then, state="failed")):
        live.show([each], [])
    assert live.state and live.state.rollouts == (replace(first, state="done"), replace(then, state="failed"))
    text = ChangeToFinish(live.state).to_text()
    assert "backend in staging" in text and "backend in production" in text


@pytest.mark.parametrize("step", ["redeploy", "watch", "grant", "start"])
@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_a_change_in_force_is_taken_back_by_its_undo(tmp_path: Path, step: str, is_elsewhere: bool) -> None:
    """Asked for in this process, or by a file; and only once."""
    live = live_at(tmp_path, "move", step)
    assert live.file
    (live.file if is_elsewhere else live).ask("back")
    with pytest.raises(Cancelled):
        live.sleep(5)
    live.sleep(0)


def test_a_wish_is_not_lost_that_comes_while_another_is_looked_for(tmp_path: Path) -> None:
    """A button asks in another thread, as the change reads the file with the wishes of other windows."""

    @dataclass(frozen=True)
    class SlowFile(StateFile):
        def take_wish(self) -> Wish | None:
            wish = super().take_wish()
            live.ask("back")
            return wish

    live = LiveChange(STATE, SlowFile(tmp_path / "rotate.state.json"))
    live.state = replace(STATE, steps=("move", "watch"))
    with pytest.raises(Cancelled):
        live.sleep(0.01)


def test_what_is_asked_ends_a_wait_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only at the next look at the file."""
    monkeypatch.setattr(module, "POLL_SECONDS", 30.0)
    live = live_at(tmp_path, "move", "watch")
    threading.Timer(0.02, live.ask, ("leave",)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        live.sleep(30)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("step", ["stage", "database", "move"])
def test_before_anything_is_in_force_it_is_only_stopped(tmp_path: Path, step: str) -> None:
    """What was begun is cleaned up by what handles an interruption."""
    live = live_at(tmp_path)
    live.ask("back")
    with pytest.raises(KeyboardInterrupt):
        live.announce(step)


@pytest.mark.parametrize("step", ["withdraw", "redeploy back", "watch back", "release"])
def test_the_way_back_cannot_be_taken_back(tmp_path: Path, step: str) -> None:
    """It goes on to its end."""
    live = live_at(tmp_path, "move", "withdraw", step)
    live.ask("back")
    live.sleep(0)


def test_a_wish_at_a_step_that_goes_to_its_end_is_heard_at_the_next(tmp_path: Path) -> None:
    """Such as the registration of a revision."""
    live = live_at(tmp_path, "register")
    live.ask("back")
    live.announce("terraform")
    with pytest.raises(Cancelled):
        live.announce("redeploy")


def test_a_change_that_says_how_it_is_taken_back_needs_no_former_version(tmp_path: Path) -> None:
    """As a fix does, and a .env for as long as its process runs."""
    for details in ({"undo": (Undo(kind="policy", subject="role", new="policy"),)}, {"is_reversible": True}):
        live = live_at(tmp_path, former="")
        live.state = replace(STATE, former="", **details)  # type: ignore[arg-type]
        assert live.file
        live.file.write(live.state)
        assert live.file.read() == live.state
        live.announce("start")
        live.ask("back")
        with pytest.raises(Cancelled):
            live.sleep(5)


def test_without_a_former_version_it_is_only_stopped(tmp_path: Path) -> None:
    """There is nothing to put back."""
    live = live_at(tmp_path, "move", "watch", former="")
    live.ask("back")
    with pytest.raises(KeyboardInterrupt):
        live.sleep(5)


@pytest.mark.parametrize("step", ["stage", "watch", "watch back"])
def test_to_stop_watching_is_heard_at_every_step(tmp_path: Path, step: str) -> None:
    """As an interrupt of the kernel is."""
    live = live_at(tmp_path, step)
    live.ask("leave")
    with pytest.raises(KeyboardInterrupt, match="as you asked"):
        live.sleep(5)


@pytest.mark.parametrize(
    ("steps", "has_changed", "error", "is_kept"),
    [
        (("stage", "move", "watch"), True, Interrupted("Interrupted."), True),
        (("stage", "move"), False, CouldNotLook("No answer."), True),
        (("stage", "move"), False, ConflictError("Theirs stays."), False),
        (("stage",), False, Interrupted("Interrupted."), False),
        (("stage",), False, CouldNotLook("It is unknown whether it took effect.", "in-doubt"), False),
        *((("look", step), False, Interrupted("Interrupted."), True) for step in sorted(CALLS)),
        (("grant",), False, CouldNotLook("It is unknown whether it took effect.", "in-doubt"), True),
        (("grant",), False, CouldNotLook("No answer to a read.", "no-answer"), False),
        (("grant",), False, CouldNotLook("AWS refused it."), False),
        (("grant",), False, ConflictError("Theirs stays."), False),
        # A wish is followed before a call, or after it.
        (("grant",), False, Interrupted(STOPPED, is_between_calls=True), False),
        (("grant",), False, Interrupted(STOPPED, is_between_calls=True).followed_by("Version a is current."), False),
        (("register", "redeploy"), False, Interrupted("Interrupted."), False),
        ((), False, UsageError("Wrong."), False),
    ],
)
def test_what_broke_off_stays_on_disk_where_something_may_be_in_force(
    tmp_path: Path, steps: tuple[str, ...], has_changed: bool, error: RunbookError, is_kept: bool
) -> None:
    """With the reason; where nothing was done, no file is left."""
    live = live_at(tmp_path, *steps)
    if has_changed:
        live.tell(CHANGE)
    live.fail(error)
    assert live.file
    state = live.file.read()
    assert live.is_open(error) == is_kept == bool(state)
    assert not state or (state.ended == str(error) and not state.is_alive)


def test_a_change_is_handed_over_though_an_interrupt_comes_while_it_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outcome has all changes that the error names."""

    def interrupt(self: StateFile, state: ChangeState) -> None:
        raise KeyboardInterrupt

    live, handed_over = live_at(tmp_path, "move", "redeploy"), list[tuple[Change, ...]]()
    live.on_change = lambda: handed_over.append(live.changes)
    live.tell(CHANGE)
    redeployed = Change(service="worker", action="redeployed", deployment="ecs-svc/1")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StateFile, "write", interrupt)
        live.tell(redeployed)
    live.fail(Interrupted("Interrupted."))
    assert handed_over[-1] == (CHANGE, redeployed)
    state = live.file.read() if live.file else None
    assert state and state.changes == (str(CHANGE), str(redeployed))


def test_a_deployment_that_waits_keeps_the_file(tmp_path: Path) -> None:
    """Another run has to look at it."""
    live = live_at(tmp_path, "watch")
    live.show([Rollout("backend", "ecs-svc/1", "family:7", "paused", 2, reason="It waits for a person.")], [])
    live.end()
    assert live.file
    state = live.file.read()
    assert state and state.ended == "backend: It waits for a person."


def test_a_second_change_of_an_environment_waits_for_the_first(tmp_path: Path) -> None:
    """One that runs is named; one that broke off is no obstacle."""
    file = StateFile(tmp_path / "rotate.state.json")
    with pytest.raises(UsageError, match=r"rotate on staging is under way since 00:00:00 UTC, in process \d+"):
        refuse_another([(file, STATE)])
    refuse_another([(file, replace(STATE, ended="Interrupted."))])
