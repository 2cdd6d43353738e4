"""Errors that a person reads: one sentence each, saying what, where and what next."""

from __future__ import annotations


class RunbookError(Exception):
    """A runbook cannot go on; its text is one sentence for the person who ran it."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this: a person who used a runbook wrongly needs a sentence, not a stack."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(RunbookError):
    """The runbook was asked for something that it cannot do as asked (exit code 3)."""

    exit_code = 3


class CannotEdit(UsageError):
    """An edit that cannot be made for certain, and why; nothing was written (exit code 3)."""


class CouldNotLook(RunbookError):
    """AWS could not be reached or would not answer at all (exit code 2)."""


class ConflictError(RunbookError):
    """Somebody else changed what was to be changed, and theirs stays (exit code 2)."""


class FindingsRemain(RunbookError):
    """The runbook looked at everything and something is wrong (exit code 1)."""

    exit_code = 1


def named(name: str) -> type[RunbookError] | None:
    """The class of an error by its name, as a kernel tells it; None for an error that is not ours."""
    kinds = (RunbookError, UsageError, CannotEdit, CouldNotLook, ConflictError, FindingsRemain)
    return next((kind for kind in kinds if kind.__name__ == name), None)
