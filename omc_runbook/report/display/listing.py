"""A listing: one thing after another, each with what is to be said of it and a command to copy."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omc_runbook.model.findings import is_sentence
from omc_runbook.report.display.severity import COLOURS, Mood, mark, pill
from omc_runbook.report.display.table import WIDTH

_CARD = "border-left: 4px solid rgba({colour}, 0.75); padding: 0.1em 0 0.1em 1em; margin: 1em 0"
_COMMAND = (
    "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.4em 0; padding: 0.4em 0.8em; "
    "background: rgba(128, 128, 128, 0.14)"
)


@dataclass(frozen=True)
class Entry:
    """One thing: a word on how grave it is, its name, what it is about, lines on it, and what to type or open."""

    name: str
    subject: str = ""
    mood: Mood = "quiet"
    weight: str = ""
    lead: str = ""
    lines: tuple[str, ...] = ()
    command: str = ""
    """A command of the shell, or the address of a page."""
    by_hand: str = ""
    """Another command for the same, where the first one is a runbook."""


class Listing:
    """Entries under a title, as cards or as plain text."""

    def __init__(self, title: str, entries: Sequence[Entry], empty: str = "Nothing to show.") -> None:
        self.title = title
        self.entries = tuple(entries)
        self.empty = empty

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the HTML and the plain text of the same listing."""
        return {"text/plain": self.to_text(), "text/html": self.to_html()}

    def to_html(self) -> str:
        """The listing as HTML; styles stand in the elements, so that an untrusted notebook keeps them."""
        empty = "" if self.entries else f"<br>{html.escape(self.empty)}"
        title = f"<p><strong>{html.escape(self.title)}</strong>{empty}</p>"
        return "\n".join((title, *map(_card, self.entries)))

    def to_text(self) -> str:
        """The listing as plain text; a command stays on one line, to be copied."""
        blocks = ["\n".join(_paragraph(entry)) for entry in self.entries] or [self.empty]
        return "\n\n".join((self.title, *blocks)) if self.entries else f"{self.title}\n{self.empty}"


def _card(entry: Entry) -> str:
    weight = f"{pill(entry.weight, entry.mood)} " if entry.weight else ""
    subject = f" · {html.escape(entry.subject)}" if entry.subject else ""
    lead = f"<br>{html.escape(entry.lead)}" if entry.lead else ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in entry.lines)
    parts = (
        f'<div style="{_CARD.format(colour=COLOURS[entry.mood])}; overflow-wrap: anywhere">',
        f'<p style="margin: 0">{weight}<strong>{html.escape(entry.name)}</strong>{subject}{lead}</p>',
        f'<ul style="margin: 0.3em 0">{lines}</ul>' if lines else "",
        _command(entry.command),
        '<p style="margin: 0">or by hand</p>' if entry.by_hand else "",
        _command(entry.by_hand),
        "</div>",
    )
    return "\n".join(filter(None, parts))


def _command(command: str) -> str:
    text = html.escape(command)
    if command.startswith("https://"):
        return f'<p style="margin: 0"><a href="{text}">{text}</a></p>'
    if is_sentence(command):
        return f'<p style="margin: 0.3em 0">{text}</p>'
    return f'<pre style="{_COMMAND}">{text}</pre>' if command else ""


def _paragraph(entry: Entry) -> Iterator[str]:
    heading = " · ".join(filter(None, (entry.weight, entry.name, entry.subject)))
    yield mark(heading, entry.mood)
    yield from _wrapped(entry.lead, "  ", "  ")
    for line in entry.lines:
        yield from _wrapped(line, "  - ", "    ")
    if entry.command:
        yield f"  → {entry.command}"
    if entry.by_hand:
        yield f"  or by hand: {entry.by_hand}"


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False, break_long_words=False
    )
