"""What a person typed: the name that was probably meant, and the path."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

from omc_runbook.model.handover import FOLDER_VARIABLE


def nearest(name: str, known: Iterable[str]) -> str:
    """Say the nearest of the names that exist, as the end of a sentence: ": did you mean …?"."""
    names = sorted(set(known))
    folded = {other.casefold(): other for other in names}
    asked = name.casefold()
    parts = [other for other in folded if asked and (asked in other or other in asked)]
    close = difflib.get_close_matches(asked, folded, n=1, cutoff=0.5) or parts
    if close:
        return f": did you mean {folded[close[0]]}?"
    return f": there are {', '.join(names)}." if names else ": there is none."


def expand(text: str) -> Path:
    """The path that a person wrote, with the home that ~ stands for where there is one.

    Under `omc-runbook lab` a relative path starts at the folder in which that was started.
    """
    start = os.environ.get(FOLDER_VARIABLE, "")
    try:
        return Path(start, Path(text).expanduser())
    except RuntimeError:
        return Path(start, text)


def exists(path: Path) -> bool:
    """Whether there is something at a path; nothing is at one that is too long to be one."""
    try:
        return path.exists()
    except OSError:
        return False
