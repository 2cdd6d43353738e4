"""Ten awkward values, drawn anew for each seed, with the parts of them that are random."""

from __future__ import annotations

import json
import random
import re
import string
from dataclasses import dataclass

ALPHABET = string.ascii_letters + string.digits
WORD = "running"
"""The value that is a common word."""


@dataclass(frozen=True)
class Awkward:
    """A value of an awkward kind; `random` are its parts that nobody else writes by chance."""

    kind: str
    text: str
    random: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name of its key."""
        return "AWKWARD_" + "_".join(re.findall("[A-Z0-9]+", self.kind.upper()))


def draw(seed: int) -> tuple[Awkward, ...]:
    """The values of a seed."""
    source = random.Random(seed)

    def token(length: int, alphabet: str = ALPHABET) -> str:
        return "".join(source.choice(alphabet) for _ in range(length))

    # What is short has a sign of each kind, so that it is part of no word and no number.
    kinds = (string.ascii_lowercase, string.digits, "#%+=", string.ascii_uppercase, string.digits)
    five = "".join(token(1, kind) for kind in kinds)
    letters, quoted, inner, login = token(14, "äöüßéñ漢字かな😀🔑" + ALPHABET), token(10), token(24), token(20)
    lines = [token(64, ALPHABET + "+/") for _ in range(6)]
    pem = "\n".join(("-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""))
    long, red, markup = token(4096), token(16), token(16)
    quotes = f"{quoted}'\"`\\{token(4)}$(\\n)"
    return (
        Awkward("five characters", five, (five,)),
        Awkward("unicode", letters, (letters,)),
        Awkward("quotes and backslashes", quotes, (quoted,)),
        Awkward("PEM", pem, tuple(lines)),
        Awkward("JSON", json.dumps({"token": inner, "n": [1, None]}), (inner,)),
        Awkward("address with a password", f"https://user:{login}@example.com/path?x=1&y=2", (login,)),
        Awkward("4 KB", long, (long,)),
        Awkward("common word", WORD, ()),
        Awkward("ANSI escapes", f"\x1b[31m{red}\x1b[0m", (red,)),
        Awkward("HTML", f'<b title="x">{markup}</b>&amp;', (markup,)),
    )
