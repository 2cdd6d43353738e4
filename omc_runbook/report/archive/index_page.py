"""The page of a folder of records: how each environment is, since when, and how its runs ended."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from omc_runbook.model.findings import OutcomeStatus
from omc_runbook.model.letters import printable
from omc_runbook.model.schedule import ScheduleState
from omc_runbook.report.archive.kept_records import KeptRecord
from omc_runbook.report.display.boxes import whole_page

NAME = "index.html"
"""The page's name, in the folder of records."""
SHOWN = 20
"""How many runs of a runbook on an environment are shown, the newest."""

EndingKind = Literal["ok", "proved", "plan", "findings", "unknown", "failed"]
"""How a run ended: its status, or for one that can change something what became of its plan."""

MARKS: dict[EndingKind, str] = {"ok": "✓", "proved": "★", "plan": "○", "findings": "!", "unknown": "?", "failed": "✗"}
MEANINGS: dict[EndingKind, str] = {
    "ok": "nothing is wrong",
    "proved": "a change, applied and proved",
    "plan": "only planned",
    "findings": "something is wrong",
    "unknown": "not all could be read",
    "failed": "broken off",
}
_ORDER: tuple[EndingKind, ...] = ("failed", "findings", "unknown", "plan", "proved", "ok")

_STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class Problem:
    """A root cause that was not resolved: its check and subject, what it is, and since when it is known."""

    name: str
    title: str
    since: datetime
    last_seen: datetime


@dataclass(frozen=True)
class KeptRun:
    """A run on an environment, with its record."""

    runbook: str
    ending: EndingKind
    record: KeptRecord
    end: str = ""
    """How it ended on this environment; "" for the whole run's words."""

    @property
    def sentence(self) -> str:
        """When it was and how it ended, with its causes."""
        return f"{_moment(self.record.finished)}: {self.end or self.record.end}"


@dataclass(frozen=True, kw_only=True)
class EnvironmentRecords:
    """What the records say of an environment; `runs` are the newest first."""

    name: str
    location: str
    """Its account and region, or the sandbox."""
    runs: Sequence[KeptRun]
    problems: Sequence[Problem]
    schedules: Sequence[ScheduleState]

    @property
    def rank(self) -> tuple[int, str]:
        """Sorts what needs somebody's attention first."""
        last = _ORDER.index(self.runs[0].ending) if self.runs else len(_ORDER)
        is_late = any(state.is_overdue for state in self.schedules)
        return (0 if is_late or self.problems else 1 + last), self.name


def ending_of(record: KeptRecord, status: OutcomeStatus | None = None) -> EndingKind:
    """How a record's run ended; on one of several environments, by its own status."""
    outcome = record.outcome
    if outcome is None:
        # A record of a version before seals has words alone.
        words = record.end.partition(" (")[0]
        found: EndingKind = next((each for each in ("failed", "findings", "ok") if words.endswith(each)), "unknown")
        return "plan" if words.startswith("PLAN") else "proved" if words == "applied, ok" else found
    if outcome.is_plan:
        return "plan"
    own = status or outcome.status
    return "proved" if own == "ok" and outcome.applied and outcome.changes else own


def render(environments: Iterable[EnvironmentRecords], notes: Sequence[str], now: datetime) -> str:
    """The page, in one file; the pages of its records have paths from its folder."""
    sections = sorted(environments, key=lambda each: each.rank)
    late = [state for each in sections for state in each.schedules if state.is_overdue]
    head = [
        "<h1>Records</h1>",
        *(f'<p class="overdue"><strong>OVERDUE</strong> {html.escape(state.sentence)}</p>' for state in late),
        *(f"<p>{html.escape(note)}</p>" for note in notes),
        f'<p class="note">As of {_moment(now)}. Each mark is a run, the newest first, and leads to its record.</p>',
        f'<ul class="legend" aria-label="Marks">{"".join(map(_legend, MARKS))}</ul>',
    ]
    body = "\n".join(line for each in sections for line in _section(each)) or "<p>There is no record yet.</p>"
    return printable(whole_page("Records" + (": overdue" if late else ""), _STYLE, "\n".join(head), body))


def _legend(ending: EndingKind) -> str:
    return f'<li><span class="mark {ending}">{MARKS[ending]}</span> {ending}: {MEANINGS[ending]}</li>'


def _section(environment: EnvironmentRecords) -> Iterator[str]:
    yield f"<h2>{html.escape(environment.name)}</h2>"
    yield f'<p class="note">{html.escape(environment.location)}</p>' if environment.location else ""
    if environment.runs:
        last = environment.runs[0]
        link = f'<a href="{_address(last.record.page)}">{html.escape(last.record.title)}</a>'
        yield f"<p>The last run: {link}, {html.escape(last.sentence)}</p>"
    if environment.problems:
        yield f"<h3>Open in {html.escape(environment.name)}</h3>"
        yield f"<ul>{''.join(map(_problem, environment.problems))}</ul>"
    for state in environment.schedules:
        label = "<strong>OVERDUE</strong>" if state.is_overdue else "On time:"
        yield f"<p>{label} {html.escape(state.sentence)}</p>"
    for runbook in dict.fromkeys(run.runbook for run in environment.runs):
        runs = [run for run in environment.runs if run.runbook == runbook][:SHOWN]
        yield f"<h3>{html.escape(f'{runbook} on {environment.name}')}</h3>"
        yield f'<ol class="runs">{"".join(map(_mark, runs))}</ol>'
        if runs[0].record.tables:
            yield f'<p class="note">Tables of the last run: {", ".join(_table_links(runs[0].record))}</p>'


def _problem(problem: Problem) -> str:
    title = f": {problem.title}" if problem.title else ""
    since, last = _moment(problem.since), _moment(problem.last_seen)
    text = f"{title}; since {since} or before{f', last seen {last}' if last != since else ''}"
    return f"<li><strong>{html.escape(problem.name)}</strong>{html.escape(text)}</li>"


def _mark(run: KeptRun) -> str:
    words = html.escape(f"{run.ending}, {run.sentence}")
    return (
        f'<li><a class="mark {run.ending}" href="{_address(run.record.page)}" title="{words}">'
        f'<span aria-hidden="true">{MARKS[run.ending]}</span><span class="words">{words}</span></a></li>'
    )


def _table_links(record: KeptRecord) -> Iterator[str]:
    """Each table's name, with a link to each of its files."""
    prefix = f"{record.page.stem}-"
    for name, paths in groupby(record.tables, key=lambda path: path.stem.removeprefix(prefix)):
        links = (f'<a href="{_address(path)}">{path.suffix[1:].upper()}</a>' for path in paths)
        yield f"{html.escape(name)} ({', '.join(links)})"


def _address(path: Path) -> str:
    return html.escape(quote(path.as_posix()))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
