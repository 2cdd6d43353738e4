"""Drawing one of several values, as `st.sampled_from` does, whose making for each draw would cost more than that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def pick(draw: Callable[[st.SearchStrategy[int]], int], values: Sequence[T]) -> T:
    """Draw one of some values, by its position."""
    return values[draw(_positions(len(values)))]


@cache
def _positions(count: int) -> st.SearchStrategy[int]:
    return st.sampled_from(range(count))
