"""The index that finds registered values in a text, in any spelling, whole or in pieces."""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import NamedTuple

from omc_runbook.masking import shapes
from omc_runbook.masking.alone import StandaloneMatcher
from omc_runbook.masking.common import SHORTEST, is_common
from omc_runbook.masking.escapes import ANSI, ANSI_SO_FAR, HIGHLIGHT, is_escaped, unescape, unescape_traceably
from omc_runbook.masking.span import Span
from omc_runbook.masking.spelling import BREAKS, LONG, PIECE, SHORT, pieces, shown_as, spell, without_breaks
from omc_runbook.model.grouping import grouped

_CORE = re.compile(r"[A-Za-z0-9]+")
_DEEPEST = 8
"""How many times longer than a value its deepest spelling may be, for the end of a stream."""
_KNOWN = 1024
"""How many texts an index remembers the spans of."""
_CUT = re.compile(r"[.…](?:[.…]{8,}|(?<=\.)\.\.|(?<=…))")
"""What stands for the middle or the end of a text that a program has shortened, as pydantic does; a long row is one."""
_SHOWN = 120
"""How many characters of it a program shows before that, or after it."""
_LARGE, _MANY, _STEP = 20_000, 200, 4
"""From how many characters and spellings on a text's pieces, of so many characters, are listed."""
_SAYS_NOTHING = re.compile(r"[\w+.-]+://(?P<host>[^:@/?#]*)/?|-{1,5}(?:BEGIN[A-Z ]*-{0,5})?")
"""The scheme and the host of an address, and the first line of a key file."""
_SECRET_HOST = re.compile(r"[\w+.-]+://[^:@/?#]+(?:@|/?\Z)")
"""An address with a token before its host, or with nothing but a host."""
_CODE = r"(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})"
_DENSE = re.compile(
    # What it begins with stands first, so that other text is passed over.
    rf"[%&\\](?:(?<=%)[0-9A-Fa-f]{{2}}|(?<=&)\#\w{{2,7}};|(?<=\\)(?<!\\\\)\\*{_CODE})"
    rf"(?:%[0-9A-Fa-f]{{2}}|&\#\w{{2,7}};|(?<!\\)\\+{_CODE}){{3}}"
)
"""Text of which every character is escaped; a row of backslashes is tried from its first alone."""
_BEGIN = frozenset("\\%&")
"""What an escape begins with."""
_DECIMAL = re.compile(r"\d\. | \.\d")


class Unfinished(NamedTuple):
    """The end of a text from ``start`` on, which more text could turn into a value.

    ``value`` counts its characters before the begun value called ``name``, colour codes left out: those of an escape.
    """

    start: int
    value: int
    name: str


class Index:
    """An immutable index of a set of values, safe to share between threads."""

    def __init__(
        self, values: Collection[tuple[str, str]], public: frozenset[str], former: "Index | None" = None
    ) -> None:
        """Index (text, name) pairs; a spelling that is a public word, or a part of one, is never found.

        `former` is an index of the first of these values and words, whose entries are taken over.
        """
        if former is not None and not former._can_grow(public):
            former = None
        self.size = len(values)
        self._public = public
        self._names: dict[str, str] = dict(former._names) if former else {}
        self._plain: dict[str, str] = dict(former._plain) if former else {}
        self._short: set[str] = set(former._short) if former else set()
        # By their first characters, the lengths of the spellings: of many, a small text is not searched for each.
        self._lengths: dict[str, tuple[int, ...]] = dict(former._lengths) if former else {}
        # The part of a value that no spelling changes: without any of them, escapes need not be undone.
        self._cores: set[str] = set(former._cores) if former else set()
        self._pieces: dict[str, tuple[str, int, str]] = dict(former._pieces) if former else {}
        # Wherever a piece stands, one of these begins at every fourth character of the text.
        self._chunks: set[str] = set(former._chunks) if former else set()
        self._public_pieces: set[str] = set(former._public_pieces) if former else set()
        for word in public - former._public if former else public:
            for start in range(len(word) - PIECE + 1):
                self._public_pieces.add(word[start : start + PIECE])
                self._pieces.pop(word[start : start + PIECE], None)
        added = islice(values, former.size if former else 0, None)
        spellings = ((each, name) for text, name in added if text not in public for each in shown_as(text))
        secret = [(text, name) for text, name in spellings if len(text) >= SHORTEST and text not in public]
        self._common: list[tuple[str, str]] = [
            *(former._common if former else ()),
            *(pair for pair in secret if is_common(pair[0])),
        ]
        self._standalone = StandaloneMatcher(self._common)
        for text, name in secret:
            if is_common(text):
                continue
            self._add(text, name, public)
            # It has no pieces: these would be words of other texts.
            if (bare := without_breaks(text)) and bare not in self._names:
                self._add(bare, name, public)
            if len(text) < SHORT:
                self._short |= spell(text)
            for piece, start in pieces(text).items():
                if piece not in self._public_pieces:
                    self._pieces.setdefault(piece, (text, start, name))
                    self._chunks.update(piece[at : at + _STEP] for at in range(_STEP))
        # A notebook is masked again whenever it is saved, and most of it is as it was.
        self._known = lru_cache(_KNOWN)(self._find)

    # What follows from the spellings is found out where somebody asks: most indexes only look for whole values.

    @cached_property
    def _ordered(self) -> list[str]:
        return sorted(self._names)

    @cached_property
    def _ordered_plain(self) -> list[str]:
        return sorted(self._plain)

    @cached_property
    def _initials(self) -> set[str]:
        return {spelling[0] for spelling in (*self._names, *self._plain)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._names), default=0)

    @cached_property
    def _secret_hosts(self) -> list[str]:
        return [spelling for spelling in self._names if _SECRET_HOST.match(spelling)]

    @cached_property
    def _ends(self) -> tuple[dict[str, list[tuple[str, str]]], dict[str, list[tuple[str, str]]]]:
        """By its first and by its last characters, each spelling of which a program may have left an end."""
        long = [(spelling, name) for spelling, name in self._names.items() if len(spelling) >= 2 * PIECE]
        return grouped((pair[0][:PIECE], pair) for pair in long), grouped((pair[0][-PIECE:], pair) for pair in long)

    def is_of(self, values: Collection[tuple[str, str]], public: Collection[str]) -> bool:
        """Whether it has all of these values and words; none is ever taken away."""
        return (self.size, len(self._public)) == (len(values), len(public))

    def _can_grow(self, public: frozenset[str]) -> bool:
        """Whether no text that it finds has become public."""
        known = (self._names, self._plain, self._short, dict(self._common))
        return not any(word in texts for word in public - self._public for texts in known)

    def _add(self, text: str, name: str, public: frozenset[str]) -> None:
        for spelling in spell(text) - public:
            self._names.setdefault(spelling, name)
            lengths = self._lengths.get(spelling[:SHORTEST], ())
            if len(spelling) not in lengths:
                self._lengths[spelling[:SHORTEST]] = (*lengths, len(spelling))
        plain = unescape(text)
        if len(plain) >= SHORTEST and plain not in public and not is_common(plain):
            self._plain.setdefault(plain, name)
            self._cores.add(max((run for run in _CORE.findall(text) if run in plain), key=len, default=""))
            if len(plain) < SHORT:
                self._short.add(plain)

    def name_of(self, text: str) -> str:
        """The name of the value that a whole text is; "" for none, and for one that may be part of a word or number."""
        return "" if len(text) < SHORT else self._names.get(text, "")

    def find(self, text: str, common: bool = True) -> list[Span]:
        """List where ``text`` shows values, in order and without overlaps, ignoring colour codes between characters.

        What only looks like a secret (`shapes`) is found too. With ``common``, values that are common words are found
        where they stand alone; otherwise not at all.
        """
        return [*self._known(text, 0, common)]

    def find_scattered(self, text: str) -> list[Span]:
        """List where ``text`` shows long values (12 characters or more), wrapped or with spaces between them."""
        return [*self._known(text, LONG, False)]

    def _find(self, text: str, shortest: int, common: bool) -> list[Span]:
        if shortest:
            return self._find_ignoring(BREAKS, text, lambda bare: _merge(self._by_value(bare, shortest)))
        spans = self._find_ignoring(ANSI, text, lambda bare: self._all(bare, common))
        if "</span>" not in text and "</mark>" not in text:
            return spans
        # Those in a tag's attributes are found above; a word that stands alone without the tags is none.
        parts = self._find_ignoring(HIGHLIGHT, text, lambda bare: _merge(self._by_value(bare, 0)))
        return _merge([*spans, *(part._replace(is_highlighted=_has_clean_tags(text, part, spans)) for part in parts)])

    def _find_ignoring(self, ignoring: re.Pattern[str], text: str, find: Callable[[str], list[Span]]) -> list[Span]:
        bare = ignoring.sub("", text)
        spans = find(bare)
        if not spans or len(bare) == len(text):
            return spans
        at = _positions(ignoring, text)
        return [Span(at[span.start], at[span.end - 1] + 1, span.name) for span in spans]

    def _all(self, text: str, common: bool) -> list[Span]:
        spans = self._by_value(text, 0)
        if common:
            spans += self._standalone.find(text)
        spans = _merge(spans)
        return _merge([*spans, *self._by_shape(text, spans)])

    def _by_value(self, text: str, shortest: int) -> list[Span]:
        spans = [*_find_whole(text, self._spellings(text), self._names, self._short, shortest), *self._partial(text)]
        if self._plain and is_escaped(text):
            spans += self._escaped(text, shortest)
        return [*spans, *self._shortened(text)]

    def _spellings(self, text: str) -> Collection[str]:
        """The spellings that a text may have, none of which is shorter than `SHORTEST`."""
        if len(self._names) < _MANY or len(text) >= len(self._names):
            return _candidates(text, self._names)
        starts = ((at, self._lengths.get(text[at : at + SHORTEST], ())) for at in range(len(text) - SHORTEST + 1))
        runs = (text[at : at + length] for at, lengths in starts for length in lengths)
        return {run for run in runs if run in self._names}

    def _by_shape(self, text: str, spans: list[Span]) -> Iterator[Span]:
        """Find what only looks like a secret; where it goes beyond values, the name of the first in the text stays.

        The values' spans are in order and do not overlap.
        """
        for shape in shapes.find(text):
            if text[shape.start : shape.end] not in self._public:
                at = bisect_right(spans, shape.start, key=lambda span: span.end)
                is_value = at < len(spans) and spans[at].start < shape.end
                yield shape._replace(name=spans[at].name) if is_value else shape

    def _escaped(self, text: str, shortest: int) -> Iterable[Span]:
        """Find values whose escapes nest in a way that `spell` does not list."""
        if not (any(core in text for core in _candidates(text, self._cores)) or _DENSE.search(text)):
            return
        bare = unescape(text)
        if not any(plain in bare for plain in self._plain):
            return
        plain = unescape_traceably(text)
        spellings = _candidates(plain.text, self._plain)
        for span in _find_whole(plain.text, spellings, self._plain, self._short, shortest):
            yield Span(plain.starts[span.start], plain.ends[span.end - 1], span.name)

    def _shortened(self, text: str) -> Iterator[Span]:
        """Find the beginnings and the ends of long values around what a program has left out."""
        for ellipsis in _CUT.finditer(text):
            heads, tails = self._ends
            before, after = (
                text[max(0, ellipsis.start() - _SHOWN) : ellipsis.start()],
                text[ellipsis.end() : ellipsis.end() + _SHOWN],
            )
            for start in [at for at in range(len(before)) if before[at : at + PIECE] in heads]:
                head, names = before[start:], heads[before[start : start + PIECE]]
                name = next((name for spelling, name in names if spelling.startswith(head)), "")
                if name and not self.is_public_head(head):
                    yield Span(ellipsis.start() - len(head), ellipsis.start(), name)
            for end in [at for at in range(PIECE, len(after) + 1) if after[at - PIECE : at] in tails]:
                tail, names = after[:end], tails[after[end - PIECE : end]]
                name = next((name for spelling, name in names if spelling.endswith(tail)), "")
                if name and tail not in self._public and not is_common(tail):
                    yield Span(ellipsis.end(), ellipsis.end() + end, name)

    def is_public_head(self, head: str) -> bool:
        """Whether the beginning of a value says nothing of it: a word, or a host."""
        if head in self._public or is_common(head):
            return True
        hit = _SAYS_NOTHING.fullmatch(head)
        return hit is not None and not (hit["host"] and any(each.startswith(head) for each in self._secret_hosts))

    def unfinished(self, text: str) -> Unfinished:
        """Find the longest end of ``text`` that more text could turn into a value; empty if there is none.

        Colour codes between characters are ignored, and one that has only begun.
        """
        bare = ANSI_SO_FAR.sub("", text) if "\x1b" in text else text
        held, value, name = self._start_of_end(bare)
        if held == len(bare):
            return Unfinished(len(text), 0, "")
        start = held if bare == text else _positions(ANSI_SO_FAR, text)[held]
        return Unfinished(start, value - held, name)

    def _start_of_end(self, text: str) -> tuple[int, int, str]:
        """Where an escape or a value has begun, where a value has, and its name."""
        value, name = self._start_of_value(text, self._ordered)
        held = value
        tail = text[max(0, len(text) - _DEEPEST * self._longest) :]
        if self._plain and is_escaped(tail):
            plain = unescape_traceably(tail, is_open=True)
            at, plain_name = self._start_of_value(plain.text, self._ordered_plain)
            # The escape at the end may become the first character of a value.
            first = plain.starts[at] if at < len(plain.text) else plain.ends[-1] if plain.ends else 0
            begins, first = tail[first : first + 1] in _BEGIN, first + len(text) - len(tail)
            if plain_name and first < value:
                value, name = first, plain_name
            if plain_name or begins:
                held = min(held, first)
        return held, value, name

    def _start_of_value(self, text: str, ordered: list[str]) -> tuple[int, str]:
        for start in range(max(0, len(text) - self._longest), len(text)):
            if text[start] in self._initials:
                end = text[start:]
                at = bisect_right(ordered, end)
                if at < len(ordered) and ordered[at].startswith(end):
                    return start, self._names.get(ordered[at]) or self._plain[ordered[at]]
        return len(text), ""

    def _partial(self, text: str) -> Iterable[Span]:
        if not self._pieces:
            return
        reached, chunks = 0, self._chunks
        hits = [at for at in range(0, len(text), _STEP) if text[at : at + _STEP] in chunks]
        for at in chain.from_iterable(range(max(0, hit - _STEP + 1), hit + 1) for hit in hits):
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


def _has_clean_tags(text: str, part: Span, spans: Collection[Span]) -> bool:
    """Whether none of these spans is in the tags within a part, as a value is in a title."""
    inner = [span for span in spans if part.start < span.end and span.start < part.end]
    tags = HIGHLIGHT.finditer(text, part.start, part.end) if inner else ()
    return not any(span.start < tag.end() and tag.start() < span.end for tag in tags for span in inner)


def _positions(ignoring: re.Pattern[str], text: str) -> list[int]:
    """Where in a text each of the characters is that stay without what is ignored."""
    positions: list[int] = []
    last = 0
    for start, end in [*(hit.span() for hit in ignoring.finditer(text)), (len(text), len(text))]:
        positions.extend(range(last, start))
        last = end
    return positions


def _find_whole(
    text: str, spellings: Iterable[str], names: Mapping[str, str], short: Collection[str], shortest: int
) -> Iterator[Span]:
    for spelling in spellings:
        if spelling not in text or len(spelling) < shortest:
            continue
        start = text.find(spelling)
        while start >= 0:
            end = start + len(spelling)
            is_part = _is_glued(text, start, end) if spelling in short else _in_number(text, start, end)
            if not is_part:
                yield Span(start, end, names[spelling])
            start = text.find(spelling, start + 1)


def _candidates(text: str, spellings: Collection[str]) -> Collection[str]:
    """The spellings that a text may have: of many, a large one need not be searched for each.

    Every fourth piece of four characters is enough, because one of them begins within the first four of a spelling.
    """
    if len(text) < _LARGE or len(spellings) < _MANY:
        return spellings
    chunks = {text[at : at + _STEP] for at in range(0, len(text), _STEP)}
    return [
        spelling
        for spelling in spellings
        if len(spelling) < 2 * _STEP or any(spelling[at : at + _STEP] in chunks for at in range(_STEP))
    ]


def _is_glued(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return before[-1:].isalnum() or after[:1].isalnum() or bool(_DECIMAL.search(before + " " + after))


def _in_number(text: str, start: int, end: int) -> bool:
    """Whether it is a part of a longer number, as an account's id is, by chance."""
    is_number = end - start < LONG and text[start:end].isdigit()
    return is_number and (text[max(0, start - 1) : start].isdigit() or text[end : end + 1].isdigit())


def _merge(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            if span.end > last.end:
                is_highlighted = last.is_highlighted and span.is_highlighted
                merged[-1] = last._replace(end=span.end, is_highlighted=is_highlighted)
        else:
            merged.append(span)
    return merged
