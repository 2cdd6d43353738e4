"""How hard a value is to guess."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from omc_runbook.masking import guesses
from omc_runbook.masking.common import is_common, is_in_dictionary
from omc_runbook.masking.guesses import LONGEST
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key

PIECE, SEPARATOR = re.compile(r"[@:/,\s]+"), re.compile(r"[-_. ]+")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
WORD = re.compile(r"[^\W\d_]+")
SHORTEST = 3
GUESSED, SIGNED, ISSUED = 10.0, 23.0, 6.0
"""Decimal logarithms of the guesses under which a value is weak: a password (zxcvbn's best score begins there), a key
that signs, and a key that a provider issues."""
SIGNING = 32
"""Minimum characters of a signing key in the catalogue."""
STRONG = 24
"""Minimum characters of a value that nobody guesses."""
RANDOM, VARIED = 20, 10
"""Characters, and different ones among them, from which a value without words and repetitions needs no estimate."""
LONG = 32
"""Characters from which such a value is as hard to guess as a key that signs has to be."""
LETTERS, RUN, SHORTEST_WORD = re.compile(r"(?:[A-Za-z].*){4}"), re.compile(r"[A-Za-z]{5,}"), 5


def is_strong(value: Masked) -> bool:
    """Whether a value is too strong to be guessed, whatever words it has: it can key the digests of weak ones."""
    if value.length >= LONG and _looks_generated(value):
        return True
    return value.length >= STRONG and digits_of_guesses(value) >= SIGNED


def is_common_value(value: Masked) -> bool:
    """Whether a value is a word, a date or a short number, which cannot be masked everywhere (`common`)."""
    return not value.is_empty and is_common(reveal(value))


def required_digits(key: Key | None) -> float:
    """The decimal logarithm of the guesses that a secret has to withstand."""
    if key and key.generate and key.weak_below >= SIGNING:
        return SIGNED
    return ISSUED if key and key.obtain_from and not key.generate else GUESSED


class LikelyWords:
    """The words of texts that an attacker would try first, such as the project's name; for many values found once."""

    __slots__ = ("_words",)

    def __init__(self, texts: Iterable[Masked | str] = ()) -> None:
        self._words = _words_of(texts)


def is_guessable(value: Masked, key: Key | None, words: LikelyWords | Iterable[Masked | str] = ()) -> bool:
    """Whether a value is easier to guess than the secret of its key may be.

    `words` are texts whose words an attacker would try first, such as the project's name.
    """
    likely = words if isinstance(words, LikelyWords) else LikelyWords(words)
    return not _looks_generated(value, likely) and digits_of_guesses(value, likely) < required_digits(key)


def _looks_generated(value: Masked, likely: LikelyWords | None = None) -> bool:
    """Whether a value is long and varied, without words, sequences and repetitions, so that it needs no estimate."""
    text = _judged_part(value)
    is_varied = len(text) >= RANDOM and len(set(text)) >= VARIED and text[:8] not in text[8:]
    if not is_varied or LETTERS.search(text) is None or _has_sequence(text):
        return False
    small = text.lower()
    is_likely = likely is not None and any(word in small for word in likely._words)
    return not is_likely and not any(map(_has_word, RUN.findall(small)))


def _has_sequence(text: str) -> bool:
    """Whether five characters follow each other in equal steps, as in abcde, 97531 and aaaaa."""
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    return any(len(set(steps[at : at + 4])) == 1 for at in range(len(steps) - 3))


def _has_word(letters: str) -> bool:
    """Whether a word of a dictionary, a name or a popular password is among small letters, also from its end."""
    ends = range(SHORTEST_WORD, len(letters) + 1)
    parts = [letters[at:end] for end in ends for at in range(end - SHORTEST_WORD + 1)]
    return any(is_in_dictionary(part) or is_in_dictionary(part[::-1]) for part in parts)


def digits_of_guesses(value: Masked, words: LikelyWords | Iterable[Masked | str] = ()) -> float:
    """The decimal logarithm of the guesses that an attacker with dictionaries needs, as zxcvbn estimates it.

    `words` are texts whose words an attacker would try first, such as the user's name.
    """
    text = _judged_part(value)
    # Of a key file that was cut off there may be its first line alone.
    if not text:
        return 0.0
    user_inputs = words._words if isinstance(words, LikelyWords) else _words_of(words)
    # Separators between known words add next to nothing.
    without_separators = SEPARATOR.sub("", text)
    digits = guesses.estimate(text, user_inputs)
    return (
        digits
        if without_separators in ("", text)
        else min(digits, guesses.estimate(without_separators, user_inputs) + 1)
    )


def _judged_part(value: Masked) -> str:
    """As much of a value as is judged: its beginning, and of a key file, which all begin alike, the end of the key."""
    text = reveal(value)
    return _ARMOUR.sub("", text).rstrip()[-LONGEST:] if _ARMOUR.match(text) else text[:LONGEST]


def _words_of(texts: Iterable[Masked | str]) -> tuple[str, ...]:
    """The words of texts, in small letters."""
    plain = [reveal(each) if isinstance(each, Masked) else each for each in texts]
    pieces = [piece for text in plain for piece in (text, *PIECE.split(text))]
    words = {word for piece in pieces for word in (piece, *WORD.findall(piece), "".join(WORD.findall(piece)))}
    return tuple(sorted(word.lower() for word in words if SHORTEST <= len(word) <= LONGEST))
