"""A text that others can read, in which a secret value may stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NoReturn

from omc_runbook.masking import shapes
from omc_runbook.masking.common import WORDS
from omc_runbook.masking.fingerprint import process_key, text_fingerprint
from omc_runbook.masking.search import Name, ValueSearch
from omc_runbook.masking.spelling import encode
from omc_runbook.masking.value import Masked, reveal

_WORD = r"(?:(?:[a-z]+\d{0,4}){1,2}|\d{12}|\d{1,4})"
_NAME = rf"(?>{_WORD}(?:[-_.]{_WORD})*)"
_PATH = rf"(?:/{_NAME}?)"
_HOST = r"(?:(?:[a-z\d_-]{1,63}\.)++[a-z]{2,18}|\d{1,3}(?:\.\d{1,3}){3})"
_PLACE = re.compile(
    rf"\A(?:arn:\S+|{_PATH}++|(?:{_HOST}|[a-z][a-z\d+.-]*+://(?:{_HOST}|{_NAME}))(?::\d{{1,5}})?{_PATH}*+)\Z"
)
"""An ARN, a path, a host or an address, of words in small letters: other text with dots or slashes may be a token."""


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


def is_place(value: Masked, name_is_secret: bool) -> bool:
    """Whether a value says where something is, and nothing that is secret."""
    return not _is_secret(value, name_is_secret) and value.matches(_PLACE)


def is_distinct(value: Masked, name_is_secret: bool) -> bool:
    """Whether a text that has a value has it for certain, and not by chance, as a host or a word of its own."""
    return _is_secret(value, name_is_secret) and not value.matches(WORDS)


def _is_secret(value: Masked, name_is_secret: bool) -> bool:
    return name_is_secret or PlainText(reveal(value)).has_shape
