"""Credentials of a sandbox's administrator: random, known only to its server and private state file."""

import secrets
import string
from dataclasses import dataclass, field
from functools import cache

_KEY_ID_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Credentials:
    """An AWS access key; `token` is a session's token, "" for long-term keys."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


@cache
def administrator() -> Credentials:
    """The credentials of the sandbox that this process serves, generated at the first call."""
    letters = "".join(secrets.choice(_KEY_ID_LETTERS) for _ in range(16))
    # Without characters that are special in a shell, a URL or an INI file.
    return Credentials(f"AKIA{letters}", secrets.token_hex(20))
