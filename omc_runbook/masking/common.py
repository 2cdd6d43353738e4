"""Values that any text may hold by chance: words, dates, short numbers, and our own vocabulary."""

import re
from functools import cache, lru_cache
from pathlib import Path

SHORTEST = 4
"""Characters that a value needs at least to be masked at all."""

_NUMBER = re.compile(r"\d{1,5}|(?:19|20)\d{6}|\d{4}-\d{1,2}(?:-\d{1,2})?|\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{1,2}:\d{2}")
_WORD = re.compile(r"[^\W\d_]+(?:[-_./ ][^\W\d_]+){0,3}")
_TOKEN = re.compile(r"[A-Za-z]+(?:[-_./][A-Za-z]+)*")
_PACKAGE = Path(__file__).parents[1]
_SECRETIVE = frozenset({"sandbox"})
"""Rooms whose texts hold values of their own."""


@lru_cache(maxsize=4096)
def is_common(text: str) -> bool:
    """Whether ``text`` is so common that masking it everywhere would spoil what has nothing to do with it.

    A text under four characters, a number up to five digits, a date, a word of a dictionary (English, names, popular
    passwords), and what our own code and notebooks call something by.
    """
    if len(text) < SHORTEST or _NUMBER.fullmatch(text):
        return True
    return _WORD.fullmatch(text) is not None and (text.lower() in _dictionary() or text in _vocabulary())


@cache
def _dictionary() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words)


@cache
def _vocabulary() -> frozenset[str]:
    sources = [path for path in _PACKAGE.rglob("*.py") if not _SECRETIVE & set(path.relative_to(_PACKAGE).parts)]
    folders = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")
    sources += [path for folder in folders if folder.is_dir() for path in folder.glob("*.ipynb")]
    tokens = {token for path in sources for token in _TOKEN.findall(path.read_text("utf-8"))}
    return frozenset(tokens | {part for token in tokens for part in re.split("[-_./]", token)})
