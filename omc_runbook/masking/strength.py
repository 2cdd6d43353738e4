"""How hard a value is to guess, without showing it."""

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
"""Characters beyond which nobody guesses, and that take long to judge."""


def is_common_value(value: Masked) -> bool:
    """Whether a value is a word, a date or a short number, so that it cannot be masked everywhere (`common`)."""
    return not value.is_empty and is_common(reveal(value))


def digits_of_guesses(value: Masked, known: Iterable[Masked | str] = ()) -> float:
    """The decimal logarithm of how many guesses somebody would need who knows words, names and keyboards.

    `known` are texts whose words such a person would try first, as the name of a user.

    See https://github.com/dropbox/zxcvbn
    """
    from zxcvbn import zxcvbn

    texts = [reveal(each) if isinstance(each, Masked) else each for each in known]
    pieces = [piece for text in texts for piece in (text, *PIECE.split(text))]
    words = {word for piece in pieces for word in (piece, *WORD.findall(piece), "".join(WORD.findall(piece)))}
    named = sorted(word.lower() for word in words if SHORTEST <= len(word) <= LONGEST)
    if value.is_empty:
        return 0.0
    # A line end behind digits is a part of a date to zxcvbn, which then fails.
    text = BREAK.sub(" ", reveal(value)[:LONGEST])
    # What sets known words apart adds next to nothing.
    squeezed = SEPARATOR.sub("", text)
    digits = float(zxcvbn(text, named)["guesses_log10"])
    return digits if squeezed in ("", text) else min(digits, float(zxcvbn(squeezed, named)["guesses_log10"]) + 1)
