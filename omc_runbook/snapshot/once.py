"""What many checks ask of one snapshot, worked out once: a snapshot never changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def once(function: Callable[[S], T]) -> Callable[[S], T]:
    """Let a function of nothing but a snapshot, or of a part of one, keep its result with it; it is shared."""
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def ask(given: S) -> T:
        results = vars(given)
        if name not in results:
            results[name] = function(given)
        result: T = results[name]
        return result

    return ask
