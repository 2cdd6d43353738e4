"""Answers that are true, false, or None where that is not known."""

from collections.abc import Iterable

Truth = bool | None


def any_of(truths: Iterable[Truth]) -> Truth:
    """True if one is true, else None if one is unknown, else False."""
    values = set(truths)
    return True if True in values else None if None in values else False


def all_of(truths: Iterable[Truth]) -> Truth:
    """False if one is false, else None if one is unknown, else True."""
    values = set(truths)
    return False if False in values else None if None in values else True


def invert(truth: Truth) -> Truth:
    """The opposite; the opposite of unknown is unknown."""
    return None if truth is None else not truth
