"""Unified diffs for Jupyter and for a terminal."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omc_runbook.report.display.boxes import AS_IT_STANDS
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.severity import COLOURS, Level
from omc_runbook.report.display.table import WIDTH, wrap

_SIDES: dict[str, Level] = {"+": "good", "-": "error"}
_BOX = f"{AS_IT_STANDS}; background: rgba(128, 128, 128, 0.10)"
_NAME = "margin: 0; overflow-wrap: anywhere"
"""A path breaks where the page is narrow: a keyboard could not scroll to its end."""


@dataclass(frozen=True)
class FileDiff:
    """The planned change of one file: its name, a summary in words, and the lines of a unified diff."""

    name: str
    summary: str
    lines: tuple[str, ...]


class Diffs(RichDisplay):
    """Diffs of several files under a title, with notes below."""

    def __init__(self, title: str, files: Sequence[FileDiff], empty: str, notes: Sequence[str] = ()) -> None:
        self.title = title
        self.files = tuple(files)
        self.empty = empty
        self.notes = tuple(notes)

    def to_html(self) -> str:
        empty = "" if self.files else f"<br>{html.escape(self.empty)}"
        parts = [f"<p><strong>{html.escape(self.title)}</strong>{empty}</p>"]
        for file in self.files:
            summary = f" · {html.escape(file.summary)}" if file.summary else ""
            parts.append(f'<p style="{_NAME}"><strong>{html.escape(file.name)}</strong>{summary}</p>')
            lines = "\n".join(map(_line, file.lines))
            parts.append(f'<pre style="{_BOX}">{lines}</pre>')
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    def to_text(self) -> str:
        blocks = ["\n".join(_block(file)) for file in self.files] or [self.empty]
        return "\n\n".join((self.title, *blocks, *("\n".join(wrap(note, indent="  ")) for note in self.notes)))


def _block(file: FileDiff) -> Iterator[str]:
    """A file's name and summary, then its lines, each within a terminal's width."""
    yield from wrap(f"{file.name}: {file.summary}" if file.summary else file.name, indent="  ")
    for line in file.lines:
        yield from (f"  {line[at : at + WIDTH - 2]}" for at in range(0, len(line) or 1, WIDTH - 2))


def _line(line: str) -> str:
    level, text = _SIDES.get(line[:1]), html.escape(line) or " "
    return f'<span style="background-color: rgba({COLOURS[level]}, 0.18)">{text}</span>' if level else text
