"""One try of a promise, and which tries there are to be."""

from __future__ import annotations

from dataclasses import dataclass

SHORT, LONG = "short", "long"


@dataclass(frozen=True)
class Profile:
    """How much is tried: a sample for a few minutes, or all; and only what has `match` in its description."""

    name: str = SHORT
    match: str = ""

    @property
    def is_long(self) -> bool:
        """Whether all is tried, however long it takes."""
        return self.name == LONG

    def has(self, what: str) -> bool:
        """Whether this is to be tried: a part asks before it tries something, so that one try can be repeated."""
        return self.match in what


@dataclass(frozen=True)
class Try:
    """What was tried on which surface, and how the promise was broken; a failure has no secret value in it."""

    surface: str
    what: str
    failure: str = ""
