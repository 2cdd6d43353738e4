"""Values by what several of them have in common, in batches, and in alphabetical order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

ORDERED = 4
"""How many names in alphabetical order are an order that somebody keeps."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """The second of each pair by the first, both in the order in which they come."""
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def batches(entries: Sequence[Value], size: int) -> Iterable[Sequence[Value]]:
    """Split a list into batches of at most `size`."""
    return (entries[start : start + size] for start in range(0, len(entries), size))


def next_in_order(names: Sequence[str], new: str) -> str | None:
    """The name of an alphabetical list that comes after a new one; None for none, or where the order may be chance."""
    is_kept = len(names) >= ORDERED and [*names] == sorted(set(names))
    return next((each for each in names if each > new), None) if is_kept else None
