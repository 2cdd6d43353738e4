"""A text that others can read, in which a secret value may stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from omc_runbook.masking import shapes
from omc_runbook.masking.common import WORDS
from omc_runbook.masking.fingerprint import process_key, text_fingerprint
from omc_runbook.masking.search import Name, ValueSearch
from omc_runbook.masking.spelling import encode
from omc_runbook.masking.value import Masked, reveal


class PlainText:
    """A text of which nobody knows yet whether it has a secret in it; it shows and gives nothing but what was found."""

    __slots__ = ("_content",)

    def __init__(self, text: str) -> None:
        self._content = text

    @property
    def has_shape(self) -> bool:
        """Whether something in it looks like a secret: a password in an address, an issued token, a private key."""
        return any(True for _ in shapes.find(self._content))

    def find(self, values: ValueSearch[Name], weak: Mapping[str, Name]) -> tuple[Name, ...]:
        """The names of the values that stand in it; of those in `weak`, by fingerprint, what looks like a secret."""
        spans = (self._content[span.start : span.end] for span in shapes.find(self._content))
        prints = (text_fingerprint(text, process_key()) for text in spans)
        return (
            *dict.fromkeys((*values.find(encode(self._content)), *(weak[each] for each in prints if each in weak))),
        )

    def __repr__(self) -> str:
        return "‹text›"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A text that may have a secret in it cannot be pickled.")


def is_distinct(value: Masked, name_is_secret: bool) -> bool:
    """Whether a text that has a value has it for certain, and not by chance, as a host or a word of its own."""
    text = reveal(value)
    return (name_is_secret or PlainText(text).has_shape) and WORDS.search(text) is None
