"""Quoting of commands that a person pastes into a shell."""

from __future__ import annotations

import re
from pathlib import Path

# zsh expands a leading =, and fish %self.
_PLAIN = re.compile(r"[\w@+:,./-][\w@%+=:,./-]*", re.ASCII)
# Where fish takes a backslash within single quotes for an escape, and the quote itself.
_APART = re.compile(r"(\\{2,}|\\?'|\\\Z)")


def command(*words: str | Path) -> str:
    """Join words into a command line, each quoted so that it stays one word and runs nothing.

    sh, bash, zsh and fish read the same words of it. Parts of a command can be built like this and joined with a space,
    a pipe or "&&".
    """
    return " ".join(_quoted(str(word)) for word in words)


def unset_commands(*names: str) -> tuple[str, str]:
    """The commands that take variables out of the shell in which they are pasted: sh's and its kin's, and fish's."""
    return command("unset", *names), command("set", "-e", *names)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    pieces = enumerate(_APART.split(word))
    return "".join(_in_double(piece) if number % 2 else f"'{piece}'" for number, piece in pieces)


def _in_double(signs: str) -> str:
    escaped = signs.replace("\\", r"\\")
    return f'"{escaped}"'
