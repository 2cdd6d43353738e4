"""A range of a text that shows a value."""

from typing import NamedTuple


class Span(NamedTuple):
    """The half-open range of characters that shows some of the value called ``name``.

    ``is_highlighted`` says that tags in it are not of the value, but between its parts, and show none.
    """

    start: int
    end: int
    name: str
    is_highlighted: bool = False
