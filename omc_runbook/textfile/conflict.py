"""Git's marks of a merge conflict in a file's text."""

from __future__ import annotations

import re

_MARK = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?: |\r?$)", re.MULTILINE)
"""A line that git writes where it could not merge."""


def find_conflict(name: str, text: str, first: int = 1) -> str:
    """Why a file is not read or edited before a merge conflict in it is resolved, as a sentence; "" without one.

    `first` is the line from which the file cannot be parsed: marks before it stand in a text or a comment.
    """
    lines = [line for line in conflict_lines(text) if line >= first]
    return f"{name} has an unresolved merge conflict at line {lines[0]}: resolve it, then run again." if lines else ""


def conflict_lines(text: str) -> tuple[int, ...]:
    """The lines with which git marks merge conflicts; a lone ======= may be a line of a value."""
    marks = [*_MARK.finditer(text)]
    is_conflict = any(mark[0].startswith(("<", ">")) for mark in marks)
    return tuple(text.count("\n", 0, mark.start()) + 1 for mark in marks if is_conflict)
