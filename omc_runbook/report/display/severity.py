"""Moods: how good or bad something is, as a tint, and as a mark for where there is no colour."""

from __future__ import annotations

import html
from typing import Literal

Mood = Literal["error", "warning", "unknown", "good", "quiet"]

COLOURS: dict[Mood, str] = {
    "error": "220, 50, 47",
    "warning": "214, 134, 20",
    "unknown": "130, 110, 200",
    "good": "40, 150, 80",
    "quiet": "128, 128, 128",
}
"""Red, green and blue of each mood; as a tint they are read on white and on black."""

_MARKS: dict[Mood, str] = {"error": "✗ ", "warning": "! ", "unknown": "? ", "good": "✓ ", "quiet": ""}
_STRENGTHS: dict[Mood, float] = {"error": 0.28, "warning": 0.28, "unknown": 0.28, "good": 0.15, "quiet": 0.15}


def mark(text: str, mood: Mood | None) -> str:
    """A text with its mood's mark before it."""
    return f"{_MARKS[mood]}{text}" if mood else text


def pill(text: str, mood: Mood) -> str:
    """A marked text on its mood's tint, as HTML that stays on one line even without its style."""
    content = html.escape(mark(text, mood)).replace(" ", "&nbsp;")
    tint = f"background-color: rgba({COLOURS[mood]}, {_STRENGTHS[mood]})"
    return f'<span style="{tint}; padding: 0.1em 0.6em; border-radius: 0.7em">{content}</span>'
