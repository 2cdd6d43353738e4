"""Prints lines: with colours and wrapped on a terminal, else as they are."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import webbrowser
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from omc_runbook.headless.places import RecordPlace
from omc_runbook.model import streams
from omc_runbook.model.errors import UsageError
from omc_runbook.model.letters import on_one_line, printable
from omc_runbook.report.archive import kept_records, seal, stems
from omc_runbook.report.archive.summary import Line, Style
from omc_runbook.report.display.reading import clear

_STYLES: dict[Style, str] = {
    "plain": "",
    "ok": "bold green",
    "findings": "bold red",
    "failed": "bold red",
    "unknown": "magenta",
    "error": "red",
    "warning": "yellow",
    "command": "cyan",
    "sentence": "",
    "note": "dim",
}
_IN_BACKTICKS = re.compile("`[^`]+`")
_GLUE = "\0"


def print_lines(lines: Iterable[Line], warnings_alone: bool = False) -> None:
    """Print lines, or the warnings among them alone, on standard output.

    A terminal wraps sentences below their beginning. Commands, also those in a sentence, and names stay in one piece,
    so that they can be copied.
    """
    if warnings_alone:
        lines = (line for line in lines if line.style == "warning")
    if not sys.stdout.isatty():
        for line in lines:
            click.echo(str(line))
        return
    from rich.console import Console
    from rich.text import Text

    # Of a terminal without control sequences, as in Emacs, rich asks no width.
    columns, console = shutil.get_terminal_size().columns, Console(highlight=False, emoji=False, markup=False)
    for line in lines:
        head, style = Text(line.head), _STYLES[line.style]
        if line.label:
            head.stylize(style, 2, 2 + len(line.label))
            style = "bold" if line.style in ("error", "warning") else ""
        width, rows = columns - len(head), [line.text]
        if line.style != "command" and width >= 20:
            text = _IN_BACKTICKS.sub(lambda match: match[0].replace(" ", _GLUE), line.text)
            rows = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
            rows = [row.replace(_GLUE, " ") for row in rows]
        for number, row in enumerate(rows or [""]):
            console.print((head if number == 0 else Text(" " * len(head))) + Text(row, style), soft_wrap=True)


@contextmanager
def own_errors() -> Iterator[TextIO]:
    """Standard error as it is now, for as long as the cells of a notebook write into their outputs instead."""
    try:
        copy = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError):
        yield sys.stderr
        return
    try:
        with streams.open_output(copy, sys.stderr, is_for_errors=True) as stream:
            yield stream
    finally:
        os.close(copy)


def print_event(line: str, stream: TextIO) -> None:
    """Print an event line; on a terminal instead of the line that says how far a look has come."""
    click.echo(f"{clear(stream) if stream.isatty() else ''}{printable(line)}", stream)


def print_markdown(text: str) -> None:
    """Print Markdown on standard output, rendered on a terminal."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))


def print_records(record_place: RecordPlace) -> tuple[str, bool]:
    """Print how each run with a record ended, the newest first, and what is to say of those that cannot be shown.

    Gives the newest page, "" without any, and whether there are records of which none can be shown.

    Raises UsageError for a folder that cannot be read, CouldNotLook where S3 does not list them.
    """
    notes, now = list[str](), datetime.now(UTC)
    if record_place.bucket:
        lines = [(each.moment, each.title, each.end, each.page) for each in record_place.bucket.lines()]
    else:
        if why := kept_records.why_unreadable(record_place.folder):
            raise UsageError(f"{why} Name another with --record.")
        found_records = kept_records.read(record_place.folder, with_outcomes=False)
        notes += kept_records.notes(record_place.folder, found_records)
        lines = [(each.finished, each.title, each.end, str(each.page)) for each in found_records]
    for moment, title, end, _ in lines:
        click.echo(f"{moment:%Y-%m-%d %H:%M} UTC  {on_one_line(title):<28} {on_one_line(end)}")
    ahead = [f"{title}, {moment:%Y-%m-%d %H:%M} UTC" for moment, title, *_ in lines if stems.is_ahead(moment, now)]
    if ahead:
        notes.append(kept_records.sentence_on_ahead(len(ahead), on_one_line(ahead[0])))
    for note in notes:
        click.echo(note, err=True)
    # One of the future is the newest only where there is no other.
    by_clock = sorted((line for line in lines if line[-1]), key=lambda line: stems.is_ahead(line[0], now))
    return next((page for *_, page in by_clock), ""), bool(notes) and not lines


def print_check(record_place: RecordPlace) -> int:
    """Print what became of each record, by its seal, and give the exit code.

    Raises UsageError where there is no record, or a folder cannot be read, and as `print_records` does.
    """
    place = record_place.bucket.address if record_place.bucket else record_place.folder
    try:
        states = record_place.bucket.check() if record_place.bucket else kept_records.check(record_place.folder)
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}. Name another with --record.") from None
    if not states:
        raise UsageError(f"There is no record in {place}: name its folder with --record.")
    for state in states:
        click.echo(str(state))
    counts = Counter(state.state for state in states)
    click.echo(", ".join(f"{number} {state}" for state, number in counts.items()) + ".")
    return seal.exit_code(states)


def open_page(path: Path) -> None:
    """Open a page in a browser, or where there is none print its path."""
    if not webbrowser.open(path.resolve().as_uri()):
        click.echo(f"There is no browser here to open {path}.")
