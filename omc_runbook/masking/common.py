"""Values that any text may contain by chance: words, dates, short numbers, and our own vocabulary."""

import os
import re
from functools import cache, lru_cache
from pathlib import Path

SHORTEST = 4
"""The minimum length of a value to be masked, in characters."""

_NUMBER = re.compile(r"\d{1,5}|(?:19|20)\d{6}|\d{4}-\d{1,2}(?:-\d{1,2})?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}:\d{2}")
_WORD = re.compile(r"[^\W\d_]+(?:[-_./ ][^\W\d_]+){0,3}")
_RANDOM = re.compile(r"\A(?=.*[A-Za-z])(?=.*\d)\S{16,}\Z")
WORDS = re.compile(r"\A[a-z]+\d{0,4}(?:[-_./:]+(?:[a-z]+\d{0,4}|\d{1,4}))*\Z")
"""Words in small letters, as names are made of them."""
_PACKAGE = Path(__file__).parents[1]
_WITH_VALUES = frozenset({"sandbox"})
"""Packages of ours whose texts contain values."""


@lru_cache(maxsize=4096)
def is_common(text: str) -> bool:
    """Whether ``text`` is so common that masking it everywhere would garble unrelated text.

    These are texts under four characters, numbers up to five digits, dates, words of a dictionary (English, names,
    popular passwords), and words that our own code and notebooks use.
    """
    if len(text) < SHORTEST or _NUMBER.fullmatch(text):
        return True
    return _WORD.fullmatch(text) is not None and (is_in_dictionary(text.lower()) or _is_ours(text))


def is_random(text: str) -> bool:
    """Whether ``text`` has letters and digits as generated values have, and not as names of several words."""
    return _RANDOM.search(text) is not None and WORDS.search(text) is None


def is_in_dictionary(word: str) -> bool:
    """Whether a word in small letters is one of English, a name or a popular password."""
    return word in _dictionary()


@cache
def _dictionary() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset().union(*FREQUENCY_LISTS.values())


def _is_ours(word: str) -> bool:
    """Whether our own code or notebooks contain the word as a whole word."""
    return any(_has_word(source.decode(), word) for source in _own_sources() if word.encode() in source)


def _has_word(text: str, word: str) -> bool:
    start = -1
    while (start := text.find(word, start + 1)) >= 0:
        if not (text[max(0, start - 1) : start].isalnum() or text[start + len(word) : start + len(word) + 1].isalnum()):
            return True
    return False


@cache
def _own_sources() -> tuple[bytes, ...]:
    folders = [folder for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks") if folder.is_dir()]
    sources = [path for folder in folders for path in folder.glob("*.ipynb")]
    for folder, subfolders, names in os.walk(_PACKAGE):
        subfolders[:] = set(subfolders) - _WITH_VALUES
        # Pages have our style sheets.
        sources += [Path(folder, name) for name in names if name.endswith((".py", ".css"))]
    return tuple(path.read_bytes() for path in sources)
