"""Errors for a person: one sentence each that says what, where and what next."""

from __future__ import annotations

from copy import copy
from typing import Literal, Self

from omc_runbook.model.letters import in_a_line, shorten

OUT_OF_MEMORY = "Memory ran out: let this process have more, then run again."
OUT_OF_FILES = "Too many files are open: let this process open more (ulimit -n), then run again."

FailureKind = Literal["", "credentials", "no-answer", "in-doubt"]


class RunbookError(Exception):
    """A runbook cannot go on; the message is one sentence for the person who ran it (exit code 2)."""

    exit_code = 2

    def __init__(self, message: str = "", hint: str = "", *, says_next: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        """What else helps on a command line, such as which command lists what there is."""
        self.says_next = says_next
        """Whether the message says itself what to do next, such as to run verify first."""

    def followed_by(self, sentences: str) -> Self:
        """The same error, whose message says more at its end."""
        error = copy(self)
        error.args = (f"{self} {sentences}",)
        return error

    def _render_traceback_(self) -> list[str]:
        """IPython calls this: whoever used a runbook wrongly needs a sentence, not a traceback."""
        return [f"{type(self).__name__}: {shorten(in_a_line(str(self)))}"]


class UsageError(RunbookError):
    """The runbook was called in a way that it cannot run (exit code 3)."""

    exit_code = 3


class CannotEdit(UsageError):
    """An edit that cannot be made with certainty; nothing was written (exit code 3)."""


class CannotFollow(CannotEdit):
    """An edit of a file that is valid, in a form that is not followed; a person can make it by hand (exit code 3).

    `found` is a sentence on what stands in its place already; "" for nothing.
    """

    def __init__(self, message: str = "", found: str = "") -> None:
        super().__init__(message)
        self.found = found


class CouldNotLook(RunbookError):
    """AWS could not be reached, or refused every call (exit code 2)."""

    def __init__(self, message: str = "", kind: FailureKind = "", *, says_next: bool = False) -> None:
        super().__init__(message, says_next=says_next)
        self.kind = kind
        """Where it counts, why: every later call with these credentials fails too; a read has no answer; a change that
        has none may be done."""


class ConflictError(RunbookError):
    """Somebody else changed what was to be changed, and theirs stays (exit code 2)."""


def outdated_plan(fact: str) -> ConflictError:
    """The error where a plan does not fit any more what it was made for, in a sentence."""
    return ConflictError(f"{fact} Run again to make a new plan.", says_next=True)


class Interrupted(RunbookError):
    """Somebody ended the run in the middle; the message says how far it came (exit code 2)."""

    def __init__(self, message: str = "", *, says_next: bool = False, is_between_calls: bool = False) -> None:
        super().__init__(message, says_next=says_next)
        self.is_between_calls = is_between_calls
        """Whether the run was interrupted where no call was under way that could still take effect."""


class FindingsRemain(RunbookError):
    """The runbook read everything and something is wrong (exit code 1)."""

    exit_code = 1


def find_class(name: str) -> type[RunbookError] | None:
    """The error class of a name, as a kernel reports it (ename); None for other errors."""
    kind = globals().get(name)
    return kind if isinstance(kind, type) and issubclass(kind, RunbookError) else None
