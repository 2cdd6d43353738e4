"""Keyed fingerprints, by which values are compared where their texts must not go."""

import hashlib
import hmac
import secrets

from omc_runbook.masking.value import Masked, reveal

_DIGITS = 16


def new_key() -> bytes:
    """Make the 32 random bytes that one process keeps to itself; nothing can be compared across keys."""
    return secrets.token_bytes(32)


def fingerprint(value: Masked, key: bytes) -> str:
    """Return 16 hexadecimal digits, the same for equal texts under one ``key``, which say nothing without it."""
    text = reveal(value).encode("utf-8", "surrogatepass")
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:_DIGITS]
