"""A table that reads well as HTML, light and dark, and as plain text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from omc_runbook.report.mood import Mood, mark, pill

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 118
"""Columns of a terminal that the plain text fits in."""

_NARROWEST, _SHORT, _GAP = 12, 46, 2
_LEFT = "text-align: left; vertical-align: top"


class Table:
    """Rows of texts under headings.

    `moods` gives a cell's text its mood. Rows that agree in their first `group` cells stand together under a line
    that holds these cells. `notes` are sentences below the table.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        moods: Mapping[str, Mood] | None = None,
        empty: str = "Nothing to show.",
        group: int = 0,
        notes: Sequence[str] = (),
    ) -> None:
        self.title = title
        self.columns = list(columns)
        self.rows = [[str(cell) for cell in row] for row in rows]
        self.moods = dict(moods or {})
        self.empty = empty
        self.group = group
        self.notes = tuple(notes)

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a DataFrame of texts."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=self.columns, dtype="str")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same table."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """The table as HTML; styles stand in the elements, so that an untrusted notebook keeps them."""
        title = f"<strong>{html.escape(self.title)}</strong>"
        if not self.rows:
            return f"<p>{title}<br>{html.escape(self.empty)}</p>"
        columns = self.columns[self.group :]
        heads = "".join(f'<th style="{_LEFT}">{html.escape(column)}</th>' for column in columns)
        lines = [f"<p>{title}</p>", "<table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
        for heading, rows in self._groups():
            if heading:
                text = f"<strong>{html.escape(heading)}</strong>"
                lines.append(f'<tr><td colspan="{len(columns)}" style="{_LEFT}">{text}</td></tr>')
            lines += [f"<tr>{''.join(map(self._cell, row))}</tr>" for row in rows]
        notes = (f"<p>{html.escape(note)}</p>" for note in self.notes)
        return "\n".join((*lines, "</tbody>", "</table>", *notes))

    def to_text(self) -> str:
        """The table as plain text, long cells folded so that it fits in WIDTH."""
        if not self.rows:
            return f"{self.title}\n{self.empty}"
        groups = [
            (heading, [[mark(c, self.moods.get(c)) for c in row] for row in rows]) for heading, rows in self._groups()
        ]
        columns = self.columns[self.group :]
        widths = _widths([columns, *(row for _, rows in groups for row in rows)])
        lines = [self.title, "", *_fold(columns, widths), (" " * _GAP).join("─" * width for width in widths)]
        for place, (heading, rows) in enumerate(groups):
            lines += ["", heading] if heading and place else [heading] if heading else []
            lines += [line for row in rows for line in _fold(row, widths)]
        for note in self.notes:
            lines += ["", *textwrap.wrap(note, WIDTH, break_on_hyphens=False)]
        return "\n".join(lines)

    def _groups(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Each group's line ("" where rows are not grouped) and the rest of its rows."""
        for shared, rows in groupby(self.rows, key=lambda row: row[: self.group]):
            named = zip(self.columns, shared, strict=False)
            yield " · ".join(f"{column} {cell}" for column, cell in named), [row[self.group :] for row in rows]

    def _cell(self, text: str) -> str:
        """A short text stays on its line, a long one may break anywhere, because ARNs have no spaces."""
        mood = self.moods.get(text)
        wrap = "white-space: nowrap" if len(text) <= _SHORT else "overflow-wrap: anywhere; min-width: 14em"
        return f'<td style="{_LEFT}; {wrap}">{pill(text, mood) if mood else html.escape(text)}</td>'


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    while sum(widths) + _GAP * (len(widths) - 1) > WIDTH and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _fold(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for depth in range(max(map(len, cells))):
        parts = [(cell[depth] if depth < len(cell) else "").ljust(w) for cell, w in zip(cells, widths, strict=True)]
        yield (" " * _GAP).join(parts).rstrip()
