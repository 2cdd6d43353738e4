"""The searcher finds a value that was planted in any spelling, and nothing where there is none."""

from __future__ import annotations

import base64
import random

import pytest

from benchmarks.hold import awkward
from benchmarks.hold.search import LARGE, Searcher, spellings

VALUES = awkward.draw(5)
HIDDEN = [value for value in VALUES if value.random]
NOISE = random.Random(9).randbytes(50_000)


@pytest.mark.long
@pytest.mark.parametrize("value", HIDDEN, ids=lambda value: value.kind)
def test_each_spelling_is_found(value: awkward.Awkward) -> None:
    """Amid other text, each spelling of a value names its kind, and no other's."""
    searcher = Searcher(VALUES)
    for name, spelling in spellings(value.text):
        hits = searcher.find(b"x " + NOISE[:5000] + spelling + b" and more")
        assert [hit.kind for hit in hits] == [value.kind], name


@pytest.mark.parametrize("value", HIDDEN, ids=lambda value: value.kind)
def test_a_piece_and_a_split_value_are_found(value: awkward.Awkward) -> None:
    """Ten characters of a long value, colours within it, and one character a line."""
    searcher, core = Searcher(VALUES), max(value.random, key=len)
    for text in (core[-10:], "\n".join(core), "\x1b[31m".join(core), '", "'.join(core), "\\n".join(core)):
        assert value.kind in [hit.kind for hit in searcher.find(f"a line with {text} in it".encode())]


@pytest.mark.long
def test_a_piece_is_found_in_a_core() -> None:
    """A large file is searched by some pieces."""
    value, memory = VALUES[6], b"\0" * LARGE
    assert [hit.kind for hit in Searcher(VALUES).find(memory + value.text[1000:1400].encode())] == [value.kind]
    assert Searcher(VALUES).find(memory + NOISE) == []


@pytest.mark.long
def test_chance_finds_nothing() -> None:
    """Neither bytes, nor digests, nor the values of another seed, nor secrets of Jupyter's are taken for these."""
    others = "\n".join(each.text for each in awkward.draw(6))
    searcher = Searcher(VALUES)
    drawn = random.Random(14)
    secrets = (base64.encodebytes(drawn.randbytes(1024)) for _ in range(100))
    for text in (NOISE, NOISE.hex().encode(), others.encode(), *secrets):
        assert searcher.find(text) == []
