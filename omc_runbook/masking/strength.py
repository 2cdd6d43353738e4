"""How hard a value is to guess, without showing it."""

from __future__ import annotations

from omc_runbook.masking.value import Masked, reveal

LONGEST = 72
"""Characters beyond which nobody guesses, and that take long to judge."""


def digits_of_guesses(value: Masked) -> float:
    """The decimal logarithm of how many guesses somebody would need who knows words, names and keyboards.

    See https://github.com/dropbox/zxcvbn
    """
    from zxcvbn import zxcvbn

    return float(zxcvbn(reveal(value)[:LONGEST])["guesses_log10"]) if not value.is_empty else 0.0
