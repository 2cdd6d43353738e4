"""A range of a text that shows a value."""

from typing import NamedTuple


class Span(NamedTuple):
    """The half-open range of characters that shows some of the value called ``name``."""

    start: int
    end: int
    name: str
