"""Commands for a person to paste into a shell, built from their words."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(*words: str | Path) -> str:
    """The words as a POSIX shell takes them: each stays one word, whatever it holds, and none runs anything.

    A part of a command may be built so too, and be joined to another with a blank, a pipe or "&&".
    """
    return shlex.join(map(str, words))
