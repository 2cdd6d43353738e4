"""Keyed and salted fingerprints, to compare values where their texts must not go."""

import hashlib
import hmac
import re
import secrets
from urllib.parse import unquote

from omc_runbook.masking.value import Masked, reveal

_DIGITS = 16
_LOGIN = re.compile(r"://[^\s:@/]*:(\S+)@")


def new_key() -> bytes:
    """Generate a key of 32 random bytes for one process; fingerprints under different keys cannot be compared."""
    return secrets.token_bytes(32)


def fingerprint(value: Masked, key: bytes) -> str:
    """Return 16 hexadecimal digits, equal for equal texts under one ``key`` and meaningless without it."""
    return _keyed(reveal(value), key)


def text_fingerprint(text: str, key: bytes) -> str:
    """Return the fingerprint of a text of which nobody knows yet whether it is a secret."""
    return _keyed(text, key)


def login_fingerprint(value: Masked, key: bytes) -> str:
    """Return the fingerprint of the percent-decoded password in a URL; "" where it has none."""
    login = _LOGIN.search(reveal(value))
    return _keyed(unquote(login[1]), key) if login else ""


def _keyed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_DIGITS]


def new_salt() -> str:
    """Generate a salt of 32 hexadecimal digits, for one read of a container."""
    return secrets.token_hex(16)


def salted(value: Masked, salt: str, variable: str) -> str:
    """Return the SHA-256 of ``salt``, "NAME=" and the text, in hexadecimal digits, which a shell can compute too.

    Newlines are replaced by \\001, because the shell script handles a variable as one line.
    """
    text = f"{salt}{variable}={reveal(value)}".replace("\n", "\x01")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
