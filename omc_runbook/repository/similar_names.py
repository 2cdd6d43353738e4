"""How similar the names of two variables are: by their words, between underscores."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

FEWEST_LAST_WORDS = 2
"""How many last words two related names share at least: one, like KEY, is too few."""


def common_words(words: Sequence[str], others: Sequence[str]) -> int:
    """The number of leading words that two names share."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] and pair[0] == pair[1], zip(words, others, strict=False)))


def share_first_word(name: str, other: str) -> bool:
    """Whether two names begin with the same word, such as SMTP_HOST and SMTP_PORT."""
    return common_words(name.split("_")[:1], other.split("_")[:1]) > 0
