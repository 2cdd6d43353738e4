"""A pasted text without colours, escapes, typographic quotes and line ends, so that wordings can be found in it."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate

SEAM = "\x7f"
"""Stands for a line end at which a terminal may have cut a word in two."""

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_COLOUR = re.compile(r"(?:\x1b|\^\[)(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")
_BREAK = re.compile(r"(?<!\\)\\++[nrt]")
_TAG = re.compile(r"</?(?:br|span|code|pre|td|tr|p|div|b|i|a|wbr|li)\b[^<>]{0,200}>", re.IGNORECASE)
_MARGIN = re.compile(r"^[ \t]{0,20}[>|│╷╵][>|│╷╵ \t]{0,20}", re.MULTILINE)
_PLAIN = str.maketrans(
    {
        **dict.fromkeys('"`´‘’‚‛“”„‟′″«»', "'"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\u00ad\\", None),
        **dict.fromkeys("‐‑‒–—−", "-"),
        "…": "...",
        "ï": " ufeff ",
        "\ufeff": " ufeff ",
        SEAM: " ",
    }
)
_WIDEST_TERMINAL = 250
_BEGINS = re.compile(r"\w(?!\d{3}-\d\d)(?!\d:\d\d)")
_LONG, _SHORT = 300, 30
_MOST_RANGES = 40


@dataclass(frozen=True)
class Paste:
    """A text as words with one separator between them (`flat`), and without any (`run`), however it was wrapped."""

    flat: str
    run: str
    lower: str
    _starts: tuple[int, ...]

    def find(self, wording: str) -> Iterator[tuple[int, int]]:
        """The ranges of a wording in `run`: begin and end of its last part, at most forty.

        In a wording "…" stands for up to 300 characters and "*" for up to 30; spaces and case do not count.
        """
        first, *others = _parts(wording)
        at = self.lower.find(first)
        for _ in range(_MOST_RANGES):
            if at < 0:
                return
            begin, end = at, at + len(first)
            for gap, part in others:
                begin = self.lower.find(part, end, end + gap + len(part))
                if begin < 0:
                    break
                end = begin + len(part)
            if begin >= 0:
                yield begin, end
            at = self.lower.find(first, at + len(first))

    def has(self, wordings: Iterable[str]) -> bool:
        """Whether it has one of some wordings."""
        return any(next(self.find(wording), None) for wording in wordings)

    def in_flat(self, position: int) -> int:
        """The position in `flat` of a character of `run`."""
        return position + max(bisect_right(self._starts, position) - 1, 0)


def flatten(text: str) -> Paste:
    """Flatten a text. Takes about 0.2 s for a megabyte."""
    if "\\u" in text:
        text = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)
    if "\x1b" in text or "^[" in text:
        text = _COLOUR.sub("", text)
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _BREAK.sub("\n", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    # A quoted grave accent is a character that a parser met: it stands for no quotation mark.
    text = _MARGIN.sub("", text.replace("'`'", "'?'")).translate(_PLAIN).encode("ascii", "replace").decode()
    flat = "\n".join(_seams([" ".join(line.split()) for line in text.split("\n")])).replace(f"\n{SEAM}", SEAM)
    words = flat.replace(SEAM, " ").split()
    run = "".join(words)
    return Paste(flat, run, run.lower(), tuple(accumulate(map(len, words), initial=0)))


@lru_cache(maxsize=512)
def plain(reason: str) -> Paste:
    """The same, cached, for short texts: a task's reason, an event, a line of a log."""
    return flatten(reason)


def _seams(lines: list[str]) -> list[str]:
    """The lines, a seam before those that may go on with the last word of a line that fills the terminal."""
    lines = [line for line in lines if line]
    widest = max(map(len, lines), default=0)
    if widest > _WIDEST_TERMINAL:
        return lines
    return [
        SEAM + line if len(before) == widest and _BEGINS.match(line) and _is_part(before[-1]) else line
        for before, line in zip(["", *lines], lines, strict=False)
    ]


def _is_part(character: str) -> bool:
    return character.isalnum() or character in "_-./:@+"


@cache
def _parts(wording: str) -> tuple[str, *tuple[tuple[int, str], ...]]:
    first, *others = re.split(r"([…*])", wording.lower().replace(" ", ""))
    gaps = (_LONG if gap == "…" else _SHORT for gap in others[::2])
    return first, *zip(gaps, others[1::2], strict=True)
