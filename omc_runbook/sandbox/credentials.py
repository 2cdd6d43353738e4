"""A sandbox's administrator's credentials: random, known to its server and its private state file alone."""

import secrets
import string
from dataclasses import dataclass, field
from functools import cache

_KEY_ID_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Credentials:
    """An access key of AWS; `token` belongs to those of a session."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@cache
def administrator() -> Credentials:
    """The credentials of the sandbox that this process serves, made when they are first asked for."""
    letters = "".join(secrets.choice(_KEY_ID_LETTERS) for _ in range(16))
    # Nothing in it that a shell, a URL or an INI file reads as more than a letter.
    return Credentials(f"AKIA{letters}", secrets.token_hex(20))
