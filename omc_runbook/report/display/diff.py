"""Unified diffs that read well as HTML, light and dark, and as plain text."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omc_runbook.report.display.severity import COLOURS, Mood
from omc_runbook.report.display.table import WIDTH

_SIDES: dict[str, Mood] = {"+": "good", "-": "error"}
_BOX = (
    "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.4em 0; padding: 0.4em 0.8em; "
    "background: rgba(128, 128, 128, 0.10)"
)


@dataclass(frozen=True)
class FileDiff:
    """What would become of one file: its name, what is added in words, and the lines of a unified diff."""

    name: str
    what: str
    lines: tuple[str, ...]


class Diffs:
    """Diffs of several files under a title, with notes below."""

    def __init__(self, title: str, files: Sequence[FileDiff], empty: str, notes: Sequence[str] = ()) -> None:
        self.title = title
        self.files = tuple(files)
        self.empty = empty
        self.notes = tuple(notes)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same diffs."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """The diffs as HTML; styles stand in the elements, so that an untrusted notebook keeps them."""
        empty = "" if self.files else f"<br>{html.escape(self.empty)}"
        parts = [f"<p><strong>{html.escape(self.title)}</strong>{empty}</p>"]
        for file in self.files:
            what = f" · {html.escape(file.what)}" if file.what else ""
            parts.append(f'<p style="margin: 0"><strong>{html.escape(file.name)}</strong>{what}</p>')
            lines = "\n".join(map(_line, file.lines))
            parts.append(f'<pre style="{_BOX}">{lines}</pre>')
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    def to_text(self) -> str:
        """The diffs as plain text."""
        blocks = ["\n".join(_block(file)) for file in self.files] or [self.empty]
        return "\n\n".join((self.title, *blocks, *("\n".join(_wrapped(note, "  ")) for note in self.notes)))


def _block(file: FileDiff) -> Iterator[str]:
    """A file's name, what is added, and its lines, each within a terminal's width."""
    yield from _wrapped(f"{file.name}: {file.what}" if file.what else file.name, "  ")
    for line in file.lines:
        yield from (f"  {line[at : at + WIDTH - 2]}" for at in range(0, len(line) or 1, WIDTH - 2))


def _wrapped(text: str, then: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=then, break_on_hyphens=False, break_long_words=False)


def _line(line: str) -> str:
    mood, text = _SIDES.get(line[:1]), html.escape(line) or " "
    return f'<span style="background-color: rgba({COLOURS[mood]}, 0.18)">{text}</span>' if mood else text
