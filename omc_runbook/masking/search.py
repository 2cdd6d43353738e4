"""Search of bytes for known values, as files and logs may have them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from omc_runbook.masking.common import is_common
from omc_runbook.masking.spelling import SHORT, encode, spell
from omc_runbook.masking.value import Masked, reveal

Name = TypeVar("Name")


class ValueSearch(Generic[Name]):
    """Values to look for, each under a name; a short one or a common word, which any text may have, is left out.

    Values among `encoded` are found in every spelling too, such as base64; the others as they are or escaped in JSON.
    """

    def __init__(self, values: Iterable[tuple[Name, Masked]], encoded: Iterable[tuple[Name, Masked]] = ()) -> None:
        self._needles: dict[bytes, Name] = {}
        for name, value in encoded:
            self._add(name, value, spell)
        for name, value in values:
            self._add(name, value, _in_json)

    def _add(self, name: Name, value: Masked, spellings: Callable[[str], Iterable[str]]) -> None:
        text = reveal(value)
        if len(text) >= SHORT and not is_common(text):
            for spelling in spellings(text):
                self._needles.setdefault(encode(spelling), name)

    def find(self, data: bytes) -> dict[Name, int]:
        """The names of the values that the data has, each with where the first one begins."""
        found: dict[Name, int] = {}
        for needle, name in self._needles.items():
            at = data.find(needle)
            if at >= 0:
                found[name] = min(at, found.get(name, at))
        return found


def _in_json(text: str) -> frozenset[str]:
    return frozenset((text, json.dumps(text)[1:-1]))
