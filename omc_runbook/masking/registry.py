"""The secret values of this process, and the masking of any text that holds one."""

import re


def label(name: str) -> str:
    """What is shown instead of the value called ``name``."""
    return f"‹{re.sub(r'[^A-Za-z0-9_.:/-]', '?', name)}›"


def register(text: str, name: str) -> None:
    """Mask ``text`` as ``name`` from now on; values under four characters are not masked."""


def exempt(words: "frozenset[str] | set[str]") -> None:
    """Never mask these public words, even when a secret holds the same text."""


def mask(text: str) -> str:
    """Return ``text`` with every registered value replaced by its name."""
    return text
