"""Values in texts, in each spelling: what is masked shows none of them, nor a piece."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.hold import awkward
from benchmarks.hold.search import Searcher, spellings
from benchmarks.hold.trial import Profile, Try
from omc_runbook.masking import registry

SHORT = 8
"""A value under so many characters is not looked for in encodings, where a part of a longer text may be it."""
_ENCODINGS = ("base64", "hexadecimal")
NO_TEXT = "UTF-16"
"""A spelling of memory, not of texts."""
ROUNDS = 10


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """Mask each value in each spelling, in the middle of a line; the long profile does so for ten seeds."""
    for each in range(seed, seed + (ROUNDS if profile.is_long else 1)):
        values = awkward.draw(each)
        for value in values:
            registry.register(value.text, value.kind.upper().replace(" ", "_"))
        for value in values:
            searcher = Searcher([value])
            for name, spelling in spellings(value.text):
                what = f"{value.kind}, {name}, seed {each}"
                is_part = len(value.text) < SHORT and name.startswith(_ENCODINGS)
                if not profile.has(what) or is_part or name == NO_TEXT:
                    continue
                text = f"before: {spelling.decode('utf-8', 'replace')} after"
                hits = searcher.find(registry.mask(text).encode("utf-8", "replace"))
                yield Try("masked texts", what, ", ".join(f"shown: {hit.spelling}" for hit in hits))
