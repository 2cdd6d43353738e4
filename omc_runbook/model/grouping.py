"""Values by what several of them have in common, and in batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

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
