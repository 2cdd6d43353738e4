"""Banners: a coloured line that says where one is, or how a run ended."""

from __future__ import annotations

import html
from typing import Literal

Look = Literal["plain", "production", "sandbox", "good", "bad", "unsure"]

_COLOURS: dict[Look, str] = {
    "plain": "rgba(38, 110, 190, 0.16)",
    "production": "#b3261e",
    "sandbox": "repeating-linear-gradient(45deg, rgba(230, 170, 20, 0.30) 0 14px, rgba(128, 128, 128, 0.14) 14px 28px)",
    "good": "rgba(40, 150, 80, 0.22)",
    "bad": "rgba(220, 50, 47, 0.24)",
    "unsure": "rgba(130, 110, 200, 0.24)",
}


class Banner:
    """A headline and lines under it, as a coloured box or as plain text."""

    def __init__(self, look: Look, headline: str, lines: tuple[str, ...] = ()) -> None:
        self.look = look
        self.headline = headline
        self.lines = lines

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same banner."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """The banner as HTML."""
        colour = "color: white; " if self.look == "production" else ""
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in self.lines)
        return (
            f'<div style="{colour}background: {_COLOURS[self.look]}; padding: 0.7em 1em; border-radius: 4px; '
            f'border-left: 6px solid rgba(128, 128, 128, 0.6)">'
            f'<div style="font-weight: 700; font-size: 1.1em">{html.escape(self.headline)}</div>{lines}</div>'
        )

    def to_text(self) -> str:
        """The banner as plain text."""
        rule = {"production": "!", "sandbox": "/"}.get(self.look, "─") * 72
        return "\n".join((rule, self.headline, *self.lines, rule))
