"""JSON in a file that anybody may have changed, or put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any


def parse(text: str | bytes, parse_int: Callable[[str], Any] | None = None) -> Any:
    """What a text says; raises ValueError for one that is no JSON, or that is nested too deeply."""
    try:
        return json.loads(text, parse_int=parse_int)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


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
