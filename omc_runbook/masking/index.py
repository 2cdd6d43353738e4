"""Where a text holds registered values, in any spelling, whole or in pieces."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from omc_runbook.masking.spelling import LONG, PIECE, SHORT, pieces, spell

ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""Terminal colour codes, which tracebacks put in the middle of values."""

_SPACE = re.compile(rf"{ANSI.pattern}|\s+")
_DECIMAL = re.compile(r"\d\. | \.\d")


class Span(NamedTuple):
    """The half-open range of characters of a text that shows some of the value called ``name``."""

    start: int
    end: int
    name: str


class Index:
    """A fixed set of values, prepared for finding them. It never changes, so threads may share it."""

    def __init__(self, values: Iterable[tuple[str, str]], public: frozenset[str]) -> None:
        """Prepare for (text, name) pairs; a spelling that is a public word, or a piece of one, is not found."""
        self._names: dict[str, str] = {}
        self._short: set[str] = set()
        self._pieces: dict[str, tuple[str, int, str]] = {}
        for text, name in values:
            if text in public:
                continue
            for spelling in spell(text) - public:
                self._names.setdefault(spelling, name)
            if len(text) < SHORT:
                self._short |= spell(text)
            for piece, start in pieces(text).items():
                if not any(piece in word for word in public):
                    self._pieces.setdefault(piece, (text, start, name))
        self._ordered = sorted(self._names)
        self._initials = {spelling[0] for spelling in self._names}
        self._longest = max(map(len, self._names), default=0)

    def find(self, text: str) -> list[Span]:
        """List where ``text`` shows values, in order and apart, colour codes between characters or not."""
        return self._find(text, ANSI, 0)

    def find_scattered(self, text: str) -> list[Span]:
        """List where ``text`` shows long values (12 characters or more), wrapped or with spaces between them."""
        return self._find(text, _SPACE, LONG)

    def _find(self, text: str, ignoring: re.Pattern[str], shortest: int) -> list[Span]:
        ignored = [hit.span() for hit in ignoring.finditer(text)]
        if not ignored:
            return _merge([*self._whole(text, shortest), *self._partial(text)])
        kept: list[str] = []
        places: list[int] = []
        last = 0
        for start, end in [*ignored, (len(text), len(text))]:
            kept.append(text[last:start])
            places.extend(range(last, start))
            last = end
        bare = "".join(kept)
        spans = _merge([*self._whole(bare, shortest), *self._partial(bare)])
        return [Span(places[span.start], places[span.end - 1] + 1, span.name) for span in spans]

    def unfinished(self, text: str) -> Span:
        """Find the longest end of ``text`` that more text could turn into a value; empty if there is none."""
        for start in range(max(0, len(text) - self._longest), len(text)):
            if text[start] in self._initials:
                end = text[start:]
                place = bisect_right(self._ordered, end)
                if place < len(self._ordered) and self._ordered[place].startswith(end):
                    return Span(start, len(text), self._names[self._ordered[place]])
        return Span(len(text), len(text), "")

    def _whole(self, text: str, shortest: int) -> Iterable[Span]:
        for spelling, name in self._names.items():
            if len(spelling) < shortest:
                continue
            start = text.find(spelling)
            while start >= 0:
                end = start + len(spelling)
                if spelling not in self._short or not _glued(text, start, end):
                    yield Span(start, end, name)
                start = text.find(spelling, start + 1)

    def _partial(self, text: str) -> Iterable[Span]:
        if not self._pieces:
            return
        reached = 0
        for at in range(len(text) - PIECE + 1):
            if at < reached or text[at : at + PIECE] not in self._pieces:
                continue
            value, offset, name = self._pieces[text[at : at + PIECE]]
            start, end = at, at + PIECE
            while start > 0 and offset > 0 and text[start - 1] == value[offset - 1]:
                start, offset = start - 1, offset - 1
            offset += end - start
            while end < len(text) and offset < len(value) and text[end] == value[offset]:
                end, offset = end + 1, offset + 1
            reached = end - PIECE + 1
            yield Span(start, end, name)


def _glued(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return before[-1:].isalnum() or after[:1].isalnum() or bool(_DECIMAL.search(before + " " + after))


def _merge(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = last._replace(end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged
