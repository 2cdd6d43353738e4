"""What many checks ask of one snapshot, worked out once: a snapshot never changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from omc_runbook.snapshot.state import Snapshot

T = TypeVar("T")


def once(function: Callable[[Snapshot], T]) -> Callable[[Snapshot], T]:
    """Let a function of nothing but a snapshot keep its result with it, as `cached_property` does; it is shared."""
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def ask(snapshot: Snapshot) -> T:
        results = snapshot.__dict__
        if name not in results:
            results[name] = function(snapshot)
        result: T = results[name]
        return result

    return ask
