"""How many guesses a text takes an attacker with dictionaries."""

import re
from functools import lru_cache

LONGEST = 40
"""Characters beyond which guessing is hopeless, and estimating it is slow."""
_BREAK = re.compile(r"[\r\n]")


# Each check of a value's defects asks for it, and it takes longer than all else that they do.
@lru_cache(maxsize=1024)
def estimate(text: str, user_inputs: tuple[str, ...] = ()) -> float:
    """The decimal logarithm of the guesses as zxcvbn estimates it, of no more than `LONGEST` characters.

    `user_inputs` are words in small letters that the attacker would try first. See https://github.com/dropbox/zxcvbn
    """
    from zxcvbn import zxcvbn

    # zxcvbn takes a newline after digits for a part of a date, and then fails.
    return float(zxcvbn(_BREAK.sub(" ", text[:LONGEST]), user_inputs)["guesses_log10"])
