"""Levels: how good or bad something is, as a colour and, where there is no colour, as a mark."""

from __future__ import annotations

import html
from typing import Literal

from omc_runbook.model.findings import Severity

Level = Literal["error", "warning", "unknown", "good", "quiet"]

COLOURS: dict[Level, str] = {
    "error": "220, 50, 47",
    "warning": "214, 134, 20",
    "unknown": "130, 110, 200",
    "good": "40, 150, 80",
    "quiet": "128, 128, 128",
}
"""Red, green and blue of each level; as a tint they are legible on light and dark pages."""

_MARKS: dict[Level, str] = {"error": "✗ ", "warning": "! ", "unknown": "? ", "good": "✓ ", "quiet": ""}
_STRENGTHS: dict[Level, float] = {"error": 0.28, "warning": 0.28, "unknown": 0.28, "good": 0.15, "quiet": 0.15}


def level_of(severity: Severity) -> Level:
    """The level of a finding; a remark's is quiet."""
    return "quiet" if severity == "info" else severity


def mark(text: str, level: Level | None) -> str:
    """Put the level's mark before a text."""
    return f"{_MARKS[level]}{text}" if level else text


def badge(text: str, level: Level) -> str:
    """Render a marked text on its level's tint, as HTML that stays on one line even without styles."""
    content = html.escape(mark(text, level)).replace(" ", "&nbsp;")
    tint = f"background-color: rgba({COLOURS[level]}, {_STRENGTHS[level]})"
    return f'<span style="{tint}; padding: 0.1em 0.6em; border-radius: 0.7em">{content}</span>'
