"""Quoting of commands that a person pastes into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(*words: str | Path) -> str:
    """Join words into a command line for a POSIX shell, each quoted so that it stays one word and runs nothing.

    Parts of a command can be built like this and joined with a space, a pipe or "&&".
    """
    return shlex.join(map(str, words))
