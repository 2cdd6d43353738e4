"""The part of a snapshot that an audit alone reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit read; a part that could not be read is a gap of the snapshot under the part's name."""

    days: int
    """How far back events are looked up."""
