"""Steps: carried out in order, each announced, and undone in reverse where what they bring about fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook

RUN_AGAIN = "Run again: it does the rest."


class StepFailed(Exception):
    """What the steps brought about does not work, though AWS took each of them."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do; `name` is the word by which it is announced, "" for a step that nobody has to know of.

    `apply` gives each change as soon as it is in force. `is_done` is asked right before: a step that needs nothing
    more, since a run that was killed did it or nothing asks for it, is neither announced nor applied. `undo` are the
    steps that take it back. `advice` tells what to do where AWS refuses it.
    """

    name: str
    apply: Callable[[], Iterable[Change] | None]
    is_done: Callable[[], bool] = lambda: False
    undo: tuple[Step, ...] = ()
    advice: str = RUN_AGAIN


class Journal:
    """What a run has changed so far, in order; carry-outs within another one share it."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._is_told = False

    def explain(self, error: CouldNotLook | ConflictError, advice: str) -> CouldNotLook | ConflictError:
        """The same error, which also says how far the run has come; one that says so already stays."""
        if self._is_told or not self.changes:
            return error
        self._is_told = True
        return type(error)(f"{error} Done before: {', '.join(map(str, self.changes))}. {advice}")


def execute(
    steps: Iterable[Step],
    announce: Callable[[str], None],
    journal: Journal,
    afterwards: Sequence[Step] = (),
    leave: bool = False,
) -> bool:
    """Carry out steps in order; gives whether what they brought about works.

    Where a step raises StepFailed, those up to it are undone, the last one first, and then `afterwards` is carried
    out; with `leave` all stays as it is. `announce` hears the name of each step as it begins. Raises CouldNotLook and
    ConflictError as the steps do, with what was done before: nothing is undone then, because a second run goes on.
    """
    begun: list[Step] = []
    try:
        for step in steps:
            begun.append(step)
            _take(step, announce, journal)
    except StepFailed:
        back = () if leave else (*(undo for step in reversed(begun) for undo in step.undo), *afterwards)
        for step in back:
            _take(step, announce, journal)
        return False
    return True


def _take(step: Step, announce: Callable[[str], None], journal: Journal) -> None:
    try:
        if step.is_done():
            return
        if step.name:
            announce(step.name)
        for change in step.apply() or ():
            journal.changes.append(change)
    except (CouldNotLook, ConflictError) as error:
        raise journal.explain(error, step.advice) from None
