"""Interpretation of user input: the nearest existing name, and paths."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from omc_runbook.model import letters
from omc_runbook.model.environment_names import environment_in
from omc_runbook.model.handover import FOLDER_VARIABLE

MOST_LISTED = 40
"""How many names an error lists where none is near."""
SIMILAR, CLOSE, ALMOST = 0.65, 0.8, 0.9
"""How alike, of 1, two names are of which one may be asked for, may be the other misspelt, and certainly is it.

stage is as like staging as the first, and on_failure less like confirm; bulid is as like build as the second;
stagingeu is less like staging than the third.
"""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The nearest of the existing names, else a list of them, as the end of a sentence: ": did you mean …?"."""
    names = _showable(candidates)
    if near := did_you_mean(name, names):
        return near
    if len(names) > MOST_LISTED:
        return f", and none of the {len(names)} that exist is similar."
    if not names:
        return ", nor any other."
    return f": there {'are' if names[1:] else 'is only'} {', '.join(names)}."


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """The nearest of the existing names, as `nearest` says it; "" where none is near."""
    folded = {other.casefold(): other for other in _showable(candidates)}
    target = letters.fold(name)
    # A single letter is in most names, and means none of them.
    parts = [each for each in folded if min(len(target), len(each)) > 1 and (target in each or each in target)]
    close = difflib.get_close_matches(target, folded, n=1, cutoff=SIMILAR) or parts
    if not close:
        return ""
    odd_characters = letters.describe(name)
    return f": did you mean {folded[close[0]]}?" + (f" The name has {odd_characters}." if odd_characters else "")


def _showable(names: Iterable[str]) -> list[str]:
    """The names that a sentence can show, each once: a JSON member's may be empty."""
    return sorted({*names} - {""})


def closest(name: str, candidates: Iterable[str], likeness: float = CLOSE) -> str:
    """The name that is most like another, and at least so much; "" for none."""
    return next(iter(difflib.get_close_matches(name, [*candidates], 1, likeness)), "")


@lru_cache(maxsize=8192)
def occurrences(parts: str | tuple[str, ...]) -> frozenset[tuple[str, int]]:
    """Each letter of a text, or each of several words, with how often it came before.

    What two of them have in common is their intersection, which takes a small part of the time of a comparison.
    """
    return frozenset((part, at) for part, count in Counter(parts).items() for at in range(count))


def may_be_like(text: str, other: str, likeness: float) -> bool:
    """Whether two texts have so many letters in common, in any order, that difflib may find them so alike, of 1."""
    common, length = len(occurrences(text) & occurrences(other)), len(text) + len(other)
    return not length or 2.0 * common / length >= likeness


def nearest_in(environment: str, name: str, candidates: Iterable[str]) -> str:
    """The nearest name as `nearest` says it, but none of another environment, which nobody means."""
    names = sorted(set(candidates))
    own = [each for each in names if environment_in(each) in (environment_in(environment), "")]
    if names and not own:
        return f": there are only those of other environments, {', '.join(names)}."
    return nearest(name, own)


def expand(text: str) -> Path:
    """A path with ~ expanded, where the user has a home.

    Under `omc-runbook lab` a relative path starts at the folder in which that command was run.
    """
    return Path(os.environ.get(FOLDER_VARIABLE, ""), at_home(text))


def at_home(text: str) -> Path:
    """A path with ~ expanded, where the user has a home: a shell leaves it in --option=~/folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def exists(path: Path) -> bool:
    """Whether a path exists; a text that is too long for a path does not."""
    try:
        return path.exists()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; False where it may not be looked at."""
    return exists(path) and path.is_dir()
