"""A table for Jupyter and for a terminal."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from omc_runbook.report.display.boxes import CELL, scroll_region
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.severity import Level, badge, mark

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 118
"""Terminal columns that plain text fits into."""

_NARROWEST, _LONG_WORD, _SHORT, _GAP = 12, 30, 46, 2
_DATE = 10
_JOINTS = "_-/:,"
_GLUE = "\N{NO-BREAK SPACE}"


class Table(RichDisplay):
    """Rows of texts under headings.

    `levels` maps a cell's text to its level. Rows that agree in their first `group` cells are grouped under a line
    with these cells. `notes` are sentences below the table, or below `empty`, which stands for the rows of one without
    any. `links` maps a cell's text to an address for browsers. `full` is the table of which this one is a short form:
    what programs get.
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        levels: Mapping[str, Level] | None = None,
        empty: str = "Nothing to show.",
        group: int = 0,
        notes: Sequence[str] = (),
        links: Mapping[str, str] | None = None,
        full: Table | None = None,
    ) -> None:
        self.title = title
        self.columns = list(columns)
        self.rows = [[str(cell) for cell in row] for row in rows]
        self.levels = dict(levels or {})
        self.empty = empty
        self.group = group
        self.notes = tuple(notes)
        self.links = dict(links or {})
        self.full = full

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame of strings."""
        import pandas as pd

        table = self.full or self
        return pd.DataFrame(table.rows, columns=table.columns, dtype="str")

    def to_html(self) -> str:
        if not self.rows:
            text = f"<p><strong>{html.escape(self.title)}</strong><br>{html.escape(self.empty)}</p>"
            return "\n".join((text, *_paragraphs(self.notes)))
        columns, lines = self.columns[self.group :], []
        for heading, rows in self._groups():
            if heading:
                text = f"<strong>{html.escape(heading)}</strong>"
                lines.append(f'<tr><td colspan="{len(columns)}" style="{CELL}">{text}</td></tr>')
            lines += [f"<tr>{''.join(map(self._cell, row))}</tr>" for row in rows]
        return table_html(self.title, columns, lines, self.notes)

    def to_text(self) -> str:
        """Render the table as plain text; long cells are wrapped so that it fits into WIDTH."""
        if not self.rows:
            return "\n".join((self.title, self.empty, *self._note_lines()))
        groups = [(heading, [[*map(self._mark, row)] for row in rows]) for heading, rows in self._groups()]
        columns = self.columns[self.group :]
        widths = _widths([columns, *(row for _, rows in groups for row in rows)])
        lines = [self.title, "", *_fold(columns, widths), (" " * _GAP).join("─" * width for width in widths)]
        for number, (heading, rows) in enumerate(groups):
            lines += ["", heading] if number else [heading] if heading else []
            lines += [line for row in rows for line in _fold(row, widths)]
        return "\n".join((*lines, *self._note_lines()))

    def _note_lines(self) -> Iterator[str]:
        for note in self.notes:
            yield from ("", *textwrap.wrap(note, WIDTH, break_on_hyphens=False))

    def _groups(self) -> Iterator[tuple[str, list[list[str]]]]:
        """Each group's heading ("" where rows are not grouped) and its rows without the cells of the heading."""
        for shared, rows in groupby(self.rows, key=lambda row: row[: self.group]):
            headings = zip(self.columns, shared, strict=False)
            yield " · ".join(f"{column} {cell}" for column, cell in headings), [row[self.group :] for row in rows]

    def _mark(self, text: str) -> str:
        """A text with its mark, which stays on the first word's line."""
        level = self.levels.get(text)
        return mark("", level).replace(" ", _GLUE) + text

    def _cell(self, text: str) -> str:
        """A few words wrap where the page is narrow, but no date does; long text may break anywhere, as an ARN."""
        level = self.levels.get(text)
        is_short = level or len(text) <= _NARROWEST
        long = f"min-width: {_DATE}ch" if len(text) <= _SHORT else "overflow-wrap: anywhere; min-width: 11em"
        wrap = "white-space: nowrap" if is_short else long
        content = badge(text, level) if level else html.escape(text)
        if text in self.links:
            content = f'<a href="{html.escape(self.links[text])}">{content}</a>'
        return f'<td style="{CELL}; {wrap}">{content}</td>'


def table_html(title: str, heads: Iterable[str], rows: Iterable[str], notes: Iterable[str]) -> str:
    """The HTML of a table from that of its rows: title, headings, the rows in a box that scrolls, notes below."""
    cells = "".join(f'<th style="{CELL}">{html.escape(head)}</th>' for head in heads)
    lines = ("", "<table>", f"<thead><tr>{cells}</tr></thead>", "<tbody>", *rows, "</tbody>", "</table>", "")
    box = scroll_region(title, "\n".join(lines))
    return "\n".join((f"<p><strong>{html.escape(title)}</strong></p>", box, *_paragraphs(notes)))


def _paragraphs(notes: Iterable[str]) -> list[str]:
    return [f"<p>{html.escape(note)}</p>" for note in notes]


def wrap(text: str, first_indent: str = "", indent: str = "") -> list[str]:
    """The lines of a text within WIDTH; long words and names with hyphens stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first_indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Each column's width in characters; cells are wrapped between words where that makes the table fit.

    A cell of a few characters stays on one line.
    """
    columns = [*zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    words = [max(len(word) for cell in column for word in cell.split(" ")) for column in columns]
    longest_cells = [
        max((len(cell) for cell in column[1:] if len(cell) <= _NARROWEST), default=0) for column in columns
    ]
    preferred = [max(min(word, _LONG_WORD), cell) for word, cell in zip(words, longest_cells, strict=True)]
    for narrowest in (preferred, [_NARROWEST] * len(columns)):
        while sum(widths) + _GAP * (len(widths) - 1) > WIDTH:
            wide = [column for column, width in enumerate(widths) if width > narrowest[column]]
            if not wide:
                break
            widths[max(wide, key=lambda column: (widths[column], -column))] -= 1
    return widths


def _fold(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [_wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    for depth in range(max(map(len, cells))):
        parts = [(cell[depth] if depth < len(cell) else "").ljust(w) for cell, w in zip(cells, widths, strict=True)]
        yield (" " * _GAP).join(parts).rstrip()


def _wrap(cell: str, width: int) -> list[str]:
    """The lines of a cell; a word longer than a line breaks after one of _JOINTS, if it has any."""
    words = [piece for word in cell.split(" ") for piece in (_pieces(word, width) if len(word) > width else [word])]
    return [line.replace(_GLUE, " ") for line in textwrap.wrap(" ".join(words), width, break_on_hyphens=False)]


def _pieces(word: str, width: int) -> Iterator[str]:
    while len(word) > width:
        joint = max(word.rfind(sign, 0, width) for sign in _JOINTS) + 1
        yield word[: joint or width]
        word = word[joint or width :]
    yield word
