"""Results that many checks need of one snapshot, computed once: a snapshot never changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")


def once(function: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Cache a function's results in its first argument, a snapshot or a part of one, by its other arguments.

    Results are shared. All arguments are positional.
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def ask(instance: S, /, *arguments: P.args, **none: P.kwargs) -> T:
        results: dict[tuple[object, ...], T] = vars(instance).setdefault(name, {})
        if arguments not in results:
            results[arguments] = function(instance, *arguments, **none)
        return results[arguments]

    return ask
