"""Values that any text may contain by chance: words, dates, short numbers, and our own vocabulary."""

import re
from functools import cache, lru_cache
from pathlib import Path

SHORTEST = 4
"""The minimum length of a value to be masked, in characters."""

_NUMBER = re.compile(r"\d{1,5}|(?:19|20)\d{6}|\d{4}-\d{1,2}(?:-\d{1,2})?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}:\d{2}")
_WORD = re.compile(r"[^\W\d_]+(?:[-_./ ][^\W\d_]+){0,3}")
_RANDOM = re.compile(r"\A(?=.*[A-Za-z])(?=.*\d)\S{16,}\Z")
_WORDS = re.compile(r"\A[a-z]+\d{0,4}(?:[-_./:]+(?:[a-z]+\d{0,4}|\d{1,4}))*\Z")
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
    return _WORD.fullmatch(text) is not None and (text.lower() in _dictionary() or _is_ours(text))


def is_random(text: str) -> bool:
    """Whether ``text`` has letters and digits as generated values have, and not as names of several words."""
    return _RANDOM.search(text) is not None and _WORDS.search(text) is None


@cache
def _dictionary() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words)


def _is_ours(word: str) -> bool:
    """Whether our own code or notebooks contain the word as a whole word."""
    texts, start = _own_texts(), -1
    while (start := texts.find(word, start + 1)) >= 0:
        if not (texts[start - 1 : start].isalnum() or texts[start + len(word) : start + len(word) + 1].isalnum()):
            return True
    return False


@cache
def _own_texts() -> str:
    sources = [path for path in _PACKAGE.rglob("*.py") if not _WITH_VALUES & set(path.relative_to(_PACKAGE).parts)]
    folders = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
    sources += [path for folder in folders if folder.is_dir() for path in folder.glob("*.ipynb")]
    return "\n".join(path.read_text("utf-8") for path in sources)
