"""A text that others can read, in which a secret value may stand."""

from __future__ import annotations

from typing import NoReturn

from omc_runbook.masking import shapes
from omc_runbook.masking.search import Name, ValueSearch
from omc_runbook.masking.spelling import encode


class PlainText:
    """A text of which nobody knows yet whether it has a secret in it; it shows and gives nothing but what was found."""

    __slots__ = ("_content",)

    def __init__(self, text: str) -> None:
        self._content = text

    @property
    def has_shape(self) -> bool:
        """Whether something in it looks like a secret: a password in an address, an issued token, a private key."""
        return any(True for _ in shapes.find(self._content))

    def find(self, values: ValueSearch[Name]) -> tuple[Name, ...]:
        """The names of the values that stand in it."""
        return tuple(values.find(encode(self._content)))

    def __repr__(self) -> str:
        return "‹text›"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A text that may have a secret in it cannot be pickled.")
