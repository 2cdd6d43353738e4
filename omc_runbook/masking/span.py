"""Where a text shows a value."""

from typing import NamedTuple


class Span(NamedTuple):
    """The half-open range of characters of a text that shows some of the value called ``name``."""

    start: int
    end: int
    name: str
