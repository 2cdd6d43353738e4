"""Search of bytes for known values, as files and logs may have them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar
from urllib.parse import quote

from omc_runbook.masking import guesses
from omc_runbook.masking.common import is_common
from omc_runbook.masking.parts import decode
from omc_runbook.masking.spelling import LONG, SHORT, encode, escape, in_base64, spell
from omc_runbook.masking.strength import GUESSED
from omc_runbook.masking.value import Masked, reveal

Name = TypeVar("Name")

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z0-9 ]*-----(.*?)(?:-----END|\Z)", re.DOTALL)
"""A key file, whose first line is that of all keys of its kind."""

_SIGNS = "!$&'()*+,;=:"
"""What a password in an address may have without an escape: https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1"""


class ValueSearch(Generic[Name]):
    """Values to look for, each under a name; a short one or a common word, which any text may have, is left out.

    Values among `encoded` are found in every spelling too, such as base64; the others as they are or escaped in JSON.
    Those in `by_line` are found by their longest line alone, which has to be long, as source files write it.
    """

    def __init__(
        self,
        values: Iterable[tuple[Name, Masked]] = (),
        encoded: Iterable[tuple[Name, Masked]] = (),
        by_line: Iterable[tuple[Name, Masked]] = (),
    ) -> None:
        self._needles: dict[bytes, Name] = {}
        for name, value in encoded:
            self._add(name, value, spell)
        for name, value in values:
            self._add(name, value, _in_json)
        for name, value in by_line:
            self._add(name, value, _in_source)

    def _add(self, name: Name, value: Masked, spellings: Callable[[str], Iterable[str]]) -> None:
        text = reveal(value)
        if len(text) >= SHORT and not is_common(text):
            for spelling in spellings(text):
                self._needles.setdefault(encode(spelling), name)

    @property
    def lines(self) -> bytes:
        """What is looked for, one in a line: for the standard input of a program, and for nothing else."""
        return b"".join(needle + b"\n" for needle in self._needles if b"\n" not in needle)

    def find_all(self, data: bytes) -> dict[Name, list[int]]:
        """The names of the values that the data has, each with where it begins, every time."""
        found: dict[Name, list[int]] = {}
        for needle, name in self._needles.items():
            if starts := [match.start() for match in re.finditer(re.escape(needle), data)]:
                found[name] = sorted({*found.get(name, ()), *starts})
        return found

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


def _in_source(text: str) -> frozenset[str]:
    """The longest line of a text, and of what it has in base64, as source files write it; nothing where it is short."""
    return frozenset(spelling for each in (text, _decoded(text)) for spelling in _in_sources(_longest_line(each)))


def _decoded(text: str) -> str:
    """What a text has in base64, where that is a key file, or one line that is hard to guess; "" for anything else.

    Documents have lines that are public, and README.md may have a login such as admin:password.
    """
    decoded = decode(text).strip()
    if _PRIVATE_KEY.search(decoded):
        return decoded
    is_hard = len(decoded) >= LONG and "\n" not in decoded and guesses.estimate(decoded) >= GUESSED
    return decoded if is_hard else ""


def _longest_line(text: str) -> str:
    lines = re.split(r"[\r\n]+", text)
    if key := _PRIVATE_KEY.search(text):
        # One line may have it, with escapes, and a service account's JSON more than the key.
        lines = re.split(r"(?:[\r\n]|\\+[rn])+", key[1])
    return max(reversed([each.strip() for each in lines if not each.startswith("-----")]), key=len, default="")


def _in_sources(line: str) -> set[str]:
    """A line as it is, escaped, and in base64 as a Secret of Kubernetes has it; nothing where it is short."""
    if len(line) < LONG or is_common(line):
        return set()
    # Compose files have $$ for one $, what shells read in double quotes \$, YAML and SQL two quotes for one.
    in_quotes = {line.replace("$", "$$"), line.replace("$", "\\$"), line.replace("'", "''")}
    # An address may have signs of a password as they are.
    in_urls = {quote(line, safe=signs, errors="replace") for signs in ("", _SIGNS)}
    # alembic.ini has %% for one %.
    in_ini = {each.replace("%", "%%") for each in (line, *in_urls)}
    return escape(line) | in_quotes | in_urls | in_ini | in_base64(encode(line))
