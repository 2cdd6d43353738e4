"""Values in texts: in each spelling, cut, wrapped and collapsed; what is masked shows none of them, nor a piece."""

from __future__ import annotations

import random
import string
import textwrap
from collections.abc import Callable, Iterator, Mapping

from benchmarks.hold import awkward
from benchmarks.hold.awkward import Awkward
from benchmarks.hold.search import Searcher, spellings
from benchmarks.hold.trial import Profile, Try
from omc_runbook.masking import registry

SHORT = 8
"""A value under so many characters is not looked for in encodings, where a part of a longer text may be it."""
_ENCODINGS = ("base64", "hexadecimal")
NO_TEXT = "UTF-16"
"""A spelling of memory, not of texts."""
ROUNDS = 10
PIECE = 12
CUTS: Mapping[str, Callable[[str], str]] = {
    "its beginning": lambda text: f"{text[:PIECE]}…",
    "its end": lambda text: f"…{text[-PIECE:]}",
    "its middle": lambda text: f"…{text[len(text) // 2 : len(text) // 2 + PIECE]}…",
    "within a word": lambda text: f"prefix_{text}_suffix",
    "blanks collapsed": lambda text: " ".join(text.split()),
    "lines joined": lambda text: "".join(text.splitlines()),
}
SCATTERED: Mapping[str, Callable[[str], str]] = {
    "wrapped": lambda text: "\n".join(textwrap.wrap(text, 10, drop_whitespace=False)),
    "a character a line": "\n".join,
    "a blank between": " ".join,
    "colours between": "\x1b[31m".join,
}
"""Ways that only the search of a finished record undoes."""


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Mask each value in each spelling, in the middle of a line; the long profile does so for ten seeds."""
    for each in range(seed, seed + (ROUNDS if profile.is_long else 1)):
        values = (*awkward.draw(each), *_letters(each))
        for value in values:
            registry.register(value.text, value.kind.upper().replace(" ", "_"))
        for value in values:
            for surface, what, text, mask in _texts(value):
                name = f"{value.kind}, {what}, seed {each}"
                if profile.has(name):
                    hits = Searcher([value]).find(mask(f"before: {text} after").encode("utf-8", "replace"))
                    yield Try(surface, name, ", ".join(f"shown: {hit.spelling}" for hit in hits))


def _letters(seed: int) -> Iterator[Awkward]:
    """Values of one kind of characters, in which nothing changes from letter to digit."""
    source = random.Random(f"letters {seed}")
    for kind, alphabet in (("small letters", string.ascii_lowercase), ("capitals", string.ascii_uppercase)):
        text = "".join(source.choice(alphabet) for _ in range(32))
        yield Awkward(kind, text, (text,))
    text = "".join(source.choice(string.digits) for _ in range(40))
    yield Awkward("digits", text, (text,))


def _texts(value: Awkward) -> Iterator[tuple[str, str, str, Callable[[str], str]]]:
    for name, spelling in spellings(value.text):
        if name != NO_TEXT and not (len(value.text) < SHORT and name.startswith(_ENCODINGS)):
            yield "masked texts", name, spelling.decode("utf-8", "replace"), registry.mask
    for core in value.random:
        if len(core) >= 2 * PIECE or value.kind == "PEM":
            for name, cut in CUTS.items():
                yield "pieces of values", name, cut(core), registry.mask
            for name, scatter in SCATTERED.items():
                yield "scattered values", name, scatter(core), registry.mask_thoroughly
            return
