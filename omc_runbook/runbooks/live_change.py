"""A change under way: its state on disk, its progress on the screen, and a person's wish to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from omc_runbook.changes.deploy.rollout import OPEN, Rollout, Show
from omc_runbook.changes.engine.step import Cancelled
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, RunbookError, UsageError
from omc_runbook.report.archive.state import ChangeState, StateFile, Wish
from omc_runbook.report.display.progress import Progress

POLL_SECONDS = 0.25
"""How often a change that waits looks for a wish to stop."""

BEFORE = frozenset({"stage", "database", "move"})
"""The steps before anything is in force: what is stopped there is cleaned up at once."""
STOPPED = "Stopped, as you asked."
FORWARD = frozenset({"redeploy", "watch", "grant", "look", "start"})
"""The steps at which a change is taken back by its own undo."""

UNSURE = frozenset({"database", "move"})
"""The steps that may have taken effect without an answer that says so."""
CALLS = frozenset({"create", "restore", "undelete", "grant", "register", "terraform", "withdraw"})
"""The steps of calls that may have taken effect where their answer is lost, or somebody interrupts."""


class LiveChange:
    """What a change reports as it runs, and what stops it; also its clock.

    Its state is written to `file`, if there is one, from its first step on, and the file is removed when it has ended
    well.
    """

    def __init__(self, state: ChangeState | None = None, file: StateFile | None = None) -> None:
        self.state, self.file = state, file
        self._show: Show = Progress()
        self.note = ""
        """What to say of it at its end."""
        self.record: Path | None = None
        """The page of its record."""
        self.changes: tuple[Change, ...] = ()
        """What is in force."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change, and after several of one moment once."""
        self._wishes = SimpleQueue[Wish]()
        self._is_kept = False
        """Whether the file is this change's: another one may have its name until then."""

    @property
    def has_begun(self) -> bool:
        """Whether it has come to its first step."""
        return self.state is not None and bool(self.state.steps)

    @property
    def saved_file(self) -> StateFile | None:
        """Its file, once that is on disk."""
        return self.file if self._is_kept else None

    def announce(self, step: str) -> None:
        """Note that a step begins; raises as `sleep` does."""
        self._note(lambda state: replace(state, steps=(*state.steps, step)))
        self._obey(step)

    def tell(self, *changes: Change) -> None:
        """Note changes that are in force, since the same moment."""
        self.changes = (*self.changes, *changes)
        self._note(lambda state: replace(state, changes=(*state.changes, *map(str, changes))))
        self.on_change()

    def show(self, rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        """Show and note the state of all roll-outs."""
        self._show(rollouts, lines)
        environments = {rollout.environment for rollout in rollouts}
        others = [each for each in (self.state.rollouts if self.state else ()) if each.environment not in environments]
        if self.state and self.state.rollouts != (*others, *rollouts):
            self._note(lambda state: replace(state, rollouts=(*others, *rollouts)))

    def ask(self, wish: Wish) -> None:
        """Ask it to stop; from any thread."""
        self._wishes.put(wish)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Wait, unless a person asks to stop: then raises Cancelled to have it taken back, or KeyboardInterrupt."""
        end = time.monotonic() + seconds
        step, rest = self.state.steps[-1] if self.state and self.state.steps else "", seconds
        self._obey(step)
        while rest > 0:
            self._obey(step, min(rest, POLL_SECONDS))
            rest = end - time.monotonic()

    def restart(self, state: ChangeState, file: StateFile | None, is_watched: bool) -> None:
        """Go on with another change, in a file of its own; `is_watched` shows its roll-outs where it runs."""
        self.state, self.file, self.note, self.record, self.changes = state, file, "", None, ()
        self._wishes, self._is_kept = SimpleQueue(), False
        self._show = Progress() if is_watched else lambda rollouts, lines: None

    def end(self) -> None:
        """Note that it has ended; its file stays where a deployment was left that waits or was not seen to end."""
        open_rollouts = [each for each in (self.state.rollouts if self.state else ()) if each.state in OPEN]
        if open_rollouts:
            reasons = " ".join(f"{each.service}: {each.reason}" for each in open_rollouts)
            self._note(lambda state: replace(state, ended=reasons))
        elif self.saved_file:
            self.saved_file.remove()

    def fail(self, error: RunbookError) -> None:
        """Note why it broke off; its file stays where something of it may be in force."""
        if self.changes:
            # An interrupt may have come while the last of them was noted.
            self.on_change()
        if self.is_open(error):
            # What was done before it, and what is current, the state itself says.
            headline, mark, _ = str(error).partition(". ")
            self._note(lambda state: replace(state, ended=headline + mark.strip()))
        elif self.saved_file:
            self.saved_file.remove()

    def is_open(self, error: RunbookError) -> bool:
        """Whether something of a change that broke off may be in force."""
        if self.state is None:
            return False
        has_tried = bool(UNSURE & {*self.state.steps}) and not isinstance(error, UsageError | ConflictError)
        has_called = bool(CALLS & {*self.state.steps[-1:]}) and _is_in_doubt(error)
        return bool(self.state.changes) or has_tried or has_called

    def _note(self, change: Callable[[ChangeState], ChangeState]) -> None:
        if self.state is None:
            return
        self.state = change(self.state)
        if self.file:
            # A full disk must not abort a roll-out.
            with suppress(OSError):
                if self._is_kept:
                    self.file.write(self.state)
                else:
                    self.file, self._is_kept = self.file.begin(self.state), True

    def _obey(self, step: str, seconds: float = 0) -> None:
        """Follow a wish that is there, or comes within so many seconds."""
        wish: Wish | None = None
        with suppress(Empty):
            wish = self._wishes.get(timeout=seconds)
        wish = wish or (self.file.take_wish() if self.file and self.has_begun else None)
        can_go_back = self.state is not None and self.state.can_go_back
        if wish == "back" and can_go_back and step in FORWARD:
            raise Cancelled
        if wish == "leave" or (wish == "back" and step in (BEFORE if can_go_back else BEFORE | FORWARD)):
            raise KeyboardInterrupt(Interrupted(STOPPED, is_between_calls=True))
        if wish == "back" and can_go_back and step:
            # A step that cannot be stopped in its middle is followed by one that can.
            self._wishes.put(wish)


def _is_in_doubt(error: RunbookError) -> bool:
    """Whether a call may have taken effect; a wish to stop is followed only between two calls."""
    if isinstance(error, CouldNotLook):
        return error.kind == "in-doubt"
    return isinstance(error, Interrupted) and not error.is_between_calls


def refuse_another(others: Sequence[tuple[StateFile, ChangeState]]) -> None:
    """Raise UsageError where a change of the same environment is under way on this machine."""
    for _, state in others:
        if state.is_alive:
            raise UsageError(
                f"{state.runbook} on {state.environment} is under way since {state.started:%H:%M:%S} UTC, in process"
                f" {state.process} of this machine: wait until it has ended, or stop it. Nothing was written."
            )
