"""JSON in a file that anybody may have changed, or put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def parse(text: str | bytes, parse_int: Callable[[str], Any] | None = None, refuses_twice: bool = False) -> Any:
    """What a text says; raises ValueError for one that is no JSON, or that is nested too deeply.

    With `refuses_twice` also for an object that has a member twice.
    """
    try:
        return json.loads(text, parse_int=parse_int, object_pairs_hook=_each_once if refuses_twice else None)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("it has a member twice")
    return members


def as_dataclass(kind: type[T], body: object) -> T:
    """What was parsed, as a dataclass; raises ValueError where it lacks a field or has another type in one."""
    # mypy takes the hash of its instances for that of the class.
    value: T = _reader(kind).validate_python(body)  # type: ignore[arg-type]
    return value


@cache
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def moment(text: str) -> datetime:
    """A time in ISO 8601; raises ValueError for another text, and as `with_zone` does."""
    return with_zone(datetime.fromisoformat(text))


def with_zone(time: datetime) -> datetime:
    """The same time; raises ValueError for one that cannot be compared with others: without a zone, or out of range."""
    if time.tzinfo is None:
        raise ValueError("its times have no zone")
    try:
        time.astimezone(UTC)
    except OverflowError:
        raise ValueError("its times are out of range") from None
    return time
