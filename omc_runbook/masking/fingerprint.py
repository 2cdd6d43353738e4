"""Fingerprints, keyed or salted, by which values are compared where their texts must not go."""

import hashlib
import hmac
import re
import secrets
from urllib.parse import unquote

from omc_runbook.masking.value import Masked, reveal

_DIGITS = 16
_LOGIN = re.compile(r"://[^\s:@/]*:(\S+)@")


def new_key() -> bytes:
    """Make the 32 random bytes that one process keeps to itself; nothing can be compared across keys."""
    return secrets.token_bytes(32)


def fingerprint(value: Masked, key: bytes) -> str:
    """Return 16 hexadecimal digits, the same for equal texts under one ``key``, which say nothing without it."""
    return _keyed(reveal(value), key)


def login_fingerprint(value: Masked, key: bytes) -> str:
    """Return the fingerprint of the password in an address, as it is once %-signs are resolved; "" for none."""
    found = _LOGIN.search(reveal(value))
    return _keyed(unquote(found[1]), key) if found else ""


def _keyed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_DIGITS]


def new_salt() -> str:
    """Make the 32 hexadecimal digits that one look at a container shares with it."""
    return secrets.token_hex(16)


def salted(value: Masked, salt: str, variable: str) -> str:
    """Return the SHA-256 of ``salt``, "NAME=" and the text, in hexadecimal digits, as a shell can make it too.

    Line ends count as \\001, because a shell keeps a variable in a line.
    """
    text = f"{salt}{variable}={reveal(value)}".replace("\n", "\x01")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
