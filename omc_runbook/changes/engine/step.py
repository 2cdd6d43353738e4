"""Steps: executed in order, each announced, and undone in reverse where tasks fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from omc_runbook.model.change import Change, Tell, tell_nobody
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted

_Stop = CouldNotLook | ConflictError | Interrupted
RUN_AGAIN = "Run again to finish."

Made = Change | tuple[Change, ...]
"""A change, or several that came into force at once, of which an interruption leaves none untold."""


class StepFailed(Exception):
    """AWS accepted every step, but the result does not work: new tasks fail."""


class Cancelled(StepFailed):
    """A person asked to stop, and to put back what was there before."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a change; `name` is announced as it begins, unless it is "".

    `apply` yields each change once it is in force, and several of one moment together. `is_done` is called right
    before: a step that a killed run has done already, or that is not needed, is skipped. `undo` are the steps that
    revert it. `advice` ends the error where AWS refuses it. Of a change in several environments, `environment` is the
    one of the step: its changes, and those of steps that it executes, name it.
    """

    name: str
    apply: Callable[[], Iterable[Made] | None]
    is_done: Callable[[], bool] = lambda: False
    undo: tuple[Step, ...] = ()
    advice: str = RUN_AGAIN
    environment: str | None = None


class Journal:
    """What a run has changed so far, in order; nested executions share it, and each change is also told."""

    def __init__(self, tell: Tell = tell_nobody) -> None:
        self.changes: list[Change] = []
        self.is_cancelled = False
        self._environment: str | None = None
        self._tell, self._is_explained = tell, False

    def add(self, made: Made) -> None:
        """Note what is in force."""
        several = made if isinstance(made, tuple) else (made,)
        changes = tuple(replace(each, environment=each.environment or self._environment) for each in several)
        self.changes.extend(changes)
        self._tell(*changes)

    @contextmanager
    def within(self, environment: str | None) -> Iterator[None]:
        """Name an environment in the changes that are added meanwhile, unless there is none to name."""
        outer, self._environment = self._environment, environment or self._environment
        try:
            yield
        finally:
            self._environment = outer

    def explain(self, error: _Stop, advice: str) -> _Stop:
        """The same error with the changes made before it; an error that lists them already stays as it is.

        RUN_AGAIN is left out where the error says itself what to do: to run verify first, for example.
        """
        if self._is_explained or not self.changes:
            return error
        self._is_explained = True
        next_step = "" if error.says_next and advice == RUN_AGAIN else f" {advice}"
        return error.followed_by(f"Done before: {', '.join(map(str, self.changes))}.{next_step}")


def execute(
    steps: Iterable[Step],
    announce: Callable[[str], None],
    journal: Journal,
    afterwards: Sequence[Step] = (),
    leave: bool = False,
) -> bool:
    """Execute steps in order; returns False where a step raised StepFailed.

    In that case the steps so far are undone, the last one first, and then `afterwards` is executed; with `leave`
    nothing is undone, unless a person asks for it (`Cancelled`). `announce` takes the name of each step as it begins.
    Raises CouldNotLook and ConflictError as the steps do, and Interrupted for a KeyboardInterrupt, with the changes
    made before: nothing is undone then, because a second run continues.
    """
    started: list[Step] = []
    try:
        for step in steps:
            started.append(step)
            _run(step, announce, journal)
    except StepFailed as failure:
        journal.is_cancelled = isinstance(failure, Cancelled)
        is_left = leave and not journal.is_cancelled
        back = () if is_left else (*(undo for step in reversed(started) for undo in step.undo), *afterwards)
        for step in back:
            _run(step, announce, journal)
        return False
    return True


def _run(step: Step, announce: Callable[[str], None], journal: Journal) -> None:
    try:
        if step.is_done():
            return
        if step.name:
            announce(step.name)
        with journal.within(step.environment):
            for made in step.apply() or ():
                journal.add(made)
    except (CouldNotLook, ConflictError) as error:
        raise journal.explain(error, step.advice) from None
    except KeyboardInterrupt as interrupt:
        raise journal.explain(interrupted(interrupt), step.advice) from None


def at_once(changes: Iterable[Change]) -> Iterator[Made]:
    """Changes that came into force at once, as a step yields them; one alone is itself."""
    several = tuple(changes)
    yield from (several,) if len(several) > 1 else several


def interrupted(interrupt: KeyboardInterrupt) -> Interrupted:
    """An interrupt as an error: the one that it carries, or one in its words if it has any."""
    carried = next(iter(interrupt.args), None)
    return carried if isinstance(carried, Interrupted) else Interrupted(str(interrupt) or "Interrupted.")
