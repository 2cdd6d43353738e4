"""A search for values in what a run wrote or showed: whole in any spelling, or a piece that is there by no chance.

It knows nothing of the package's own masking, which it is to judge.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, quote_plus

from benchmarks.hold.awkward import Awkward

SHORTEST = 5
"""The least characters that a piece has."""
SURE = 18
"""Pieces of a value count when chance would show one of them in one of 2^18 texts of the size."""
LARGE, SAMPLE = 4_000_000, 16
"""Bytes of a file, such as a core, that is searched by some pieces alone, and the characters of these."""
_CLASSES = ((r"[0-9]", 10), (r"[a-z]", 26), (r"[A-Z]", 26), (r"[!-/:-@\[-`{-~]", 32), (r"[^\x00-\x7f]", 100))
_SPACE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\\r|\\n|\s|[\"',]")
"""What stands between the parts of a text that is split over lines: colours, line ends, quotes of a list's members."""


@dataclass(frozen=True)
class Hit:
    """Where a value was found: which kind of value, and how it was spelled."""

    kind: str
    spelling: str


def spellings(text: str) -> Iterator[tuple[str, bytes]]:
    """A text as programs write it, with the name of each way."""
    yield "plain", _encode(text)
    once = json.dumps(text)
    yield "JSON", once[1:-1].encode()
    yield "JSON, not ASCII", _encode(json.dumps(text, ensure_ascii=False)[1:-1])
    yield "JSON in JSON", json.dumps(once)[3:-3].encode()
    yield "repr", _encode(repr(text)[1:-1])
    yield "repr of bytes", repr(_encode(text))[2:-1].encode()
    yield "HTML", _encode(html.escape(text))
    yield "HTML, quotes as numbers", _encode(html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
    yield "HTML, quotes as they are", _encode(html.escape(text, quote=False))
    for name, quoted in (("URL", quote(text, safe="")), ("path", quote(text)), ("form", quote_plus(text))):
        yield name, quoted.encode()
        yield f"{name}, small letters", re.sub("%..", lambda code: code[0].lower(), quoted).encode()
    yield "shell", _encode(shlex.quote(text).strip("'"))
    yield "shell, escaped", _encode(text.replace("'", "'\\''"))
    yield "hexadecimal", _encode(text).hex().encode()
    yield "hexadecimal, capitals", _encode(text).hex().upper().encode()
    yield "UTF-16", text.encode("utf-16-le", "surrogatepass")
    for before in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64 for URLs", base64.urlsafe_b64encode)):
            encoded = encode(bytes(before) + _encode(text))
            # Only the characters that depend on the text alone.
            yield f"{name}, at {before}", encoded[-(-8 * before // 6) : 8 * (before + len(_encode(text))) // 6]


class Searcher:
    """Finds values in bytes."""

    def __init__(self, values: Sequence[Awkward]) -> None:
        self._spellings: dict[bytes, Hit] = {}
        self._cores: list[tuple[str, str]] = []
        for value in values:
            self._cores += [(value.kind, core) for core in value.random]
            if value.random:
                for name, spelling in spellings(value.text):
                    self._spellings.setdefault(spelling, Hit(value.kind, name))

    def find(self, data: bytes) -> list[Hit]:
        """Each value in these bytes, with its first spelling."""
        hits: dict[str, Hit] = {}
        for spelling, hit in self._spellings.items():
            if hit.kind not in hits and spelling in data:
                hits[hit.kind] = hit
        if len(data) > LARGE:
            hits |= {kind: Hit(kind, "a piece") for kind, piece in self._samples() if piece in data}
            return [*hits.values()]
        for how, text in (("a piece", data), ("a piece, split over lines", _SPACE.sub(b"", data))):
            for length, pieces in self._pieces(len(text)).items():
                pieces_of_text = pieces.keys() & {text[at : at + length] for at in range(len(text) - length + 1)}
                for piece in pieces_of_text:
                    hits.setdefault(pieces[piece], Hit(pieces[piece], how))
        return [*hits.values()]

    def _samples(self) -> Iterator[tuple[str, bytes]]:
        """Some pieces of each random part that no memory has by chance."""
        for kind, core in self._cores:
            for at in range(0, len(core) - SAMPLE + 1, max(SAMPLE, len(core) // SAMPLE) // 2):
                yield kind, _encode(core[at : at + SAMPLE])

    def _pieces(self, size: int) -> dict[int, dict[bytes, str]]:
        """Pieces by their length in bytes, with the kinds of their values."""
        return _pieces(tuple(self._cores), max(0, size - 1).bit_length())


@cache
def _pieces(cores: tuple[tuple[str, str], ...], bits: int) -> dict[int, dict[bytes, str]]:
    pieces: dict[int, dict[bytes, str]] = {}
    sizes = Counter[str]()
    for kind, core in cores:
        sizes[kind] += len(core)
    for kind, core in cores:
        length = max(SHORTEST, math.ceil((bits + math.log2(sizes[kind]) + SURE) / _bits(core)))
        for at in range(len(core) - length + 1):
            piece = _encode(core[at : at + length])
            pieces.setdefault(len(piece), {}).setdefault(piece, kind)
    return pieces


def _bits(core: str) -> float:
    """The bits of one character of a random text: the logarithm of how many there are of its kinds."""
    if re.fullmatch("[0-9a-f]+", core):
        return 4.0
    bits = math.log2(sum(size for pattern, size in _CLASSES if re.search(pattern, core)) or 1)
    return min(bits, 6.0) if re.fullmatch(r"[A-Za-z0-9+/=_-]+", core) else bits


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
