"""A listing: entries with text and a command to copy."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace

from omc_runbook.model.findings import Finding, Remedy, is_sentence
from omc_runbook.report.display.boxes import preformatted
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.severity import COLOURS, Level, badge, level_of, mark
from omc_runbook.report.display.table import wrap

_CARD = "border-left: 4px solid rgba({colour}, 0.75); padding: 0.1em 0 0.1em 1em; margin: 1em 0"

_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Entry:
    """One entry: a badge, a name, its subject, lines of text, and a command to run or a page to open."""

    name: str
    subject: str = ""
    _: KW_ONLY
    level: Level = "quiet"
    label: str = ""
    lead: str = ""
    lines: tuple[str, ...] = ()
    command: str = ""
    """A shell command, or a page's URL."""
    by_hand: str = ""
    """The AWS CLI's way to do the same, where `command` is a runbook."""
    needs: str = ""
    """What the commands need first, in a sentence."""

    @classmethod
    def of(cls, finding: Finding, *lines: str) -> Entry:
        """A finding with its severity and title; of the lines, those that say something."""
        return cls(
            finding.check,
            finding.subject,
            level=level_of(finding.severity),
            label=finding.severity,
            lead=f"{finding.title}.",
            lines=tuple(filter(None, lines)),
        )

    def with_remedy(self, remedy: Remedy) -> Entry:
        """The same entry with what a remedy says to do."""
        command, *others = remedy.ways or ("",)
        return replace(self, command=command, by_hand="".join(others), needs=remedy.needs)


class Listing(RichDisplay):
    """Entries under a title, as cards or as plain text."""

    def __init__(self, title: str, entries: Sequence[Entry], empty: str = "Nothing to show.") -> None:
        self.title = title
        self.entries = tuple(entries)
        self.empty = empty

    def to_html(self) -> str:
        empty = "" if self.entries else f"<br>{html.escape(self.empty)}"
        title = f"<p><strong>{html.escape(self.title)}</strong>{empty}</p>"
        return "\n".join((title, *map(_card, self.entries)))

    def to_text(self) -> str:
        """Render the listing as plain text; a command stays on one line, for copying."""
        blocks = ["\n".join(_paragraph(entry)) for entry in self.entries] or [self.empty]
        return "\n\n".join((self.title, *blocks)) if self.entries else f"{self.title}\n{self.empty}"


def commands_for(environment: str, rows: Sequence[tuple[str, str]]) -> Listing:
    """What a person does by hand in an environment: what each command or page is for, and the command or the URL."""
    return Listing(f"Commands and pages for {environment}", [Entry(what, command=how) for what, how in rows])


def _card(entry: Entry) -> str:
    label = f"{badge(entry.label, entry.level)} " if entry.label else ""
    subject = f" · {html.escape(entry.subject)}" if entry.subject else ""
    lead = f"<br>{html.escape(entry.lead)}" if entry.lead else ""
    lines = "".join(f"<li>{html.escape(line)}</li>" for line in entry.lines)
    parts = (
        f'<div style="{_CARD.format(colour=COLOURS[entry.level])}; overflow-wrap: anywhere">',
        f'<p style="margin: 0">{label}<strong>{html.escape(entry.name)}</strong>{subject}{lead}</p>',
        f'<ul style="margin: 0.3em 0">{lines}</ul>' if lines else "",
        _command(entry.command),
        '<p style="margin: 0">or by hand</p>' if entry.by_hand else "",
        _command(entry.by_hand),
        _sentence(entry.needs) if entry.needs else "",
        "</div>",
    )
    return "\n".join(filter(None, parts))


def _command(command: str) -> str:
    text = html.escape(command)
    if command.startswith("https://"):
        return f'<p style="margin: 0"><a href="{text}">{text}</a></p>'
    return _sentence(command) if is_sentence(command) else preformatted(command)


def _sentence(sentence: str) -> str:
    # A name may have several blanks, which what is copied of it has to keep.
    text = _CODE.sub(r'<code style="white-space: pre-wrap">\1</code>', html.escape(sentence))
    return f'<p style="margin: 0.3em 0">{text}</p>'


def _paragraph(entry: Entry) -> Iterator[str]:
    heading = " · ".join(filter(None, (entry.label, entry.name, entry.subject)))
    yield mark(heading, entry.level)
    yield from wrap(entry.lead, "  ", "  ")
    for line in entry.lines:
        yield from wrap(line, "  - ", "    ")
    if entry.command:
        yield f"  → {entry.command}"
    if entry.by_hand:
        yield f"  or by hand: {entry.by_hand}"
    yield from wrap(entry.needs, "  ", "  ")
