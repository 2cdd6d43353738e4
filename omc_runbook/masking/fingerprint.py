"""Keyed and salted fingerprints, to compare values where their texts must not go."""

import hashlib
import hmac
import re
import secrets
from urllib.parse import unquote

from omc_runbook.masking.spelling import encode
from omc_runbook.masking.value import Masked, reveal

_DIGITS = 16
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26, "dklen": 16}
"""32 MiB and a tenth of a second for each guess."""
_LOGIN = re.compile(r"://[^\s:@/]*:(\S+)@")


def new_key() -> bytes:
    """Generate a key of 32 random bytes for one process; fingerprints under different keys cannot be compared."""
    return secrets.token_bytes(32)


# Made before there are threads: each that asked first would else get one of its own.
_PROCESS_KEY = new_key()


def process_key() -> bytes:
    """The key of this process, for fingerprints that it hands to nobody."""
    return _PROCESS_KEY


def fingerprint(value: Masked, key: bytes) -> str:
    """Return 16 hexadecimal digits, equal for equal texts under one ``key`` and meaningless without it."""
    return text_fingerprint(reveal(value), key)


def text_fingerprint(text: str, key: bytes) -> str:
    """Return the fingerprint of a text of which nobody knows yet whether it is a secret."""
    return hmac.new(key, encode(text), hashlib.sha256).hexdigest()[:_DIGITS]


def login_fingerprint(value: Masked, key: bytes) -> str:
    """Return the fingerprint of the percent-decoded password in a URL; "" where it has none."""
    login = _LOGIN.search(reveal(value))
    return text_fingerprint(unquote(login[1]), key) if login else ""


def new_salt() -> str:
    """Generate a salt of 32 hexadecimal digits, for one read of a container."""
    return secrets.token_hex(16)


def salted_digest(value: Masked, salt: str, variable: str, key: tuple[str, Masked] | None = None) -> str:
    """Return the SHA-256 of ``salt``, "NAME=" and the text, in hexadecimal digits, which a shell can compute too.

    With a ``key``, another variable's name and value stand before it: who does not know that cannot guess the text.
    Newlines are replaced by \\001, because the shell script handles a variable as one line.
    """
    head = f"{key[0]}={reveal(key[1])}" if key else ""
    text = f"{salt}{head}{variable}={reveal(value)}".replace("\n", "\x01")
    return hashlib.sha256(encode(text)).hexdigest()


def slow_fingerprint(value: Masked | bytes, document: Masked, salt: str, name: str) -> str:
    """Return 32 hexadecimal digits for a file that others may read, equal for equal texts of one ``name``.

    Whoever wants to guess the text from them needs the document, from which the key is derived (HKDF, RFC 5869), and
    where that can be guessed too, scrypt for each guess.
    """
    extracted = hmac.digest(salt.encode(), encode(reveal(document)), "sha256")
    key = hmac.digest(extracted, encode(name) + b"\x01", "sha256")
    text = value if isinstance(value, bytes) else encode(reveal(value))
    return hashlib.scrypt(text, salt=key, **_SCRYPT).hex()
