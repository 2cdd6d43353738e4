"""How hard a value is to guess."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc_runbook.masking.common import is_common
from omc_runbook.masking.value import Masked, reveal

PIECE, SEPARATOR = re.compile(r"[@:/,\s]+"), re.compile(r"[-_. ]+")
BREAK = re.compile(r"[\r\n]")
WORD = re.compile(r"[^\W\d_]+")
SHORTEST = 3
LONGEST = 40
"""Characters beyond which guessing is hopeless, and estimating it is slow."""


def is_common_value(value: Masked) -> bool:
    """Whether a value is a word, a date or a short number, which cannot be masked everywhere (`common`)."""
    return not value.is_empty and is_common(reveal(value))


def digits_of_guesses(value: Masked, known: Iterable[Masked | str] = ()) -> float:
    """The decimal logarithm of the guesses that an attacker with dictionaries needs, as zxcvbn estimates it.

    `known` are texts whose words an attacker would try first, such as the user's name.

    See https://github.com/dropbox/zxcvbn
    """
    from zxcvbn import zxcvbn

    texts = [reveal(each) if isinstance(each, Masked) else each for each in known]
    pieces = [piece for text in texts for piece in (text, *PIECE.split(text))]
    words = {word for piece in pieces for word in (piece, *WORD.findall(piece), "".join(WORD.findall(piece)))}
    user_inputs = sorted(word.lower() for word in words if SHORTEST <= len(word) <= LONGEST)
    if value.is_empty:
        return 0.0
    # zxcvbn takes a newline after digits for a part of a date, and then fails.
    text = BREAK.sub(" ", reveal(value)[:LONGEST])
    # Separators between known words add next to nothing.
    squeezed = SEPARATOR.sub("", text)
    digits = float(zxcvbn(text, user_inputs)["guesses_log10"])
    return digits if squeezed in ("", text) else min(digits, float(zxcvbn(squeezed, user_inputs)["guesses_log10"]) + 1)
