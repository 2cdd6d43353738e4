"""A table that reads well as HTML, light and dark, and as plain text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TINTS = {
    "error": "rgba(220, 50, 47, 0.22)",
    "warning": "rgba(203, 120, 10, 0.22)",
    "unknown": "rgba(130, 110, 200, 0.22)",
    "good": "rgba(40, 150, 80, 0.18)",
    "quiet": "rgba(128, 128, 128, 0.12)",
}
"""Backgrounds by mood, transparent enough to be read on white and on black."""

_WIDEST = 58
_STYLES = [
    {"selector": "", "props": "border-collapse: collapse; margin: 0.4em 0; color: inherit"},
    {"selector": "caption", "props": "caption-side: top; text-align: left; font-weight: 600; padding: 0.3em 0"},
    {"selector": "th", "props": "text-align: left; vertical-align: bottom; padding: 0.3em 0.7em"},
    {"selector": "td", "props": "text-align: left; vertical-align: top; padding: 0.3em 0.7em; max-width: 38em"},
    {"selector": "tr", "props": "border-bottom: 1px solid rgba(128, 128, 128, 0.35); background: transparent"},
]


class Table:
    """Rows of texts under headings; `moods` gives a cell's text its tint ("error", "good", …)."""

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        moods: Mapping[str, str] | None = None,
        empty: str = "Nothing to show.",
    ) -> None:
        self.title = title
        self.columns = list(columns)
        self.rows = [[str(cell) for cell in row] for row in rows]
        self.moods = dict(moods or {})
        self.empty = empty

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a DataFrame of texts."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=self.columns, dtype="str")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same table."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """The table as HTML."""
        if not self.rows:
            return f"<p><b>{html.escape(self.title)}</b><br>{html.escape(self.empty)}</p>"
        uuid = "".join(character for character in self.title.lower() if character.isalpha())
        styler = self.frame.style.hide(axis="index").set_uuid(uuid).set_caption(html.escape(self.title))
        styler = styler.set_table_styles(_STYLES).map(self._tint).format(escape="html")  # type: ignore[arg-type]
        return str(styler.to_html(cell_ids=False)).replace("\n\n", "\n")

    def to_text(self) -> str:
        """The table as plain text, long cells folded."""
        if not self.rows:
            return f"{self.title}\n{self.empty}"
        folded = [[_fold(cell) for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(len(line) for row in folded for line in row[place]) for place in range(len(self.columns))]
        lines = []
        for index, row in enumerate(folded):
            for depth in range(max(len(cell) for cell in row)):
                parts = [
                    (cell[depth] if depth < len(cell) else "").ljust(width)
                    for cell, width in zip(row, widths, strict=True)
                ]
                lines.append("  ".join(parts).rstrip())
            if index == 0:
                lines.append("  ".join("─" * width for width in widths))
        return "\n".join((self.title, "", *lines))

    def _tint(self, cell: str) -> str:
        mood = self.moods.get(cell) or next(
            (self.moods[word] for word in self.moods if cell.startswith(f"{word}:")), ""
        )
        return f"background-color: {TINTS[mood]}" if mood else ""


def _fold(cell: str) -> list[str]:
    return [part for line in cell.splitlines() or [""] for part in textwrap.wrap(line, _WIDEST) or [""]]
