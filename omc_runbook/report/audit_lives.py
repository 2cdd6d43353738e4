"""The ages of the secret's keys in an audit: a table, and a picture of the values that each key had."""

from __future__ import annotations

from datetime import timedelta
from html import escape

from omc_runbook.checks import age
from omc_runbook.checks.age import Age, AgeState, Life
from omc_runbook.model.letters import counted, on_one_line
from omc_runbook.report.display.drawing import CAPITAL, GREEN, GREY, ORANGE, RED, VIOLET, Picture, Rows, TimeAxis
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

LEVELS: dict[str, Level] = {
    "overdue": "warning",
    "perhaps overdue": "unknown",
    "due soon": "warning",
    "not due": "good",
}

_COLOURS: dict[AgeState, tuple[str, str]] = {
    "overdue": (RED, "red"),
    "perhaps overdue": (VIOLET, "violet"),
    "due soon": (ORANGE, "orange"),
    "not due": (GREEN, "green"),
    "no limit": ("#5b8def", "blue"),
}
"""The colour of each state's bars, and what the legend calls it."""
_ROW = 26
_SHORTEST = timedelta(minutes=1)


def ages(snapshot: Snapshot) -> Table:
    """Since when each key has its value, how old that is and may be, and how that is known."""
    history = snapshot.audit.history or VersionHistory(())
    found = age.ages(snapshot, history)
    rows = [_row(snapshot, history, each) for each in sorted(found, key=lambda each: each.since)]
    title = f"Ages of the {len(rows)} values of {snapshot.secret_name}, the oldest first"
    columns = ["key", "value since (UTC)", "age", "limit", "rotation due", "state", "how known"]
    return Table(title, columns, rows, LEVELS, "No value could be read.")


class LivesPlot(Picture):
    """Each key's values in time, a bar for each value: a picture in Jupyter, else text."""

    alt = "The values that each key of the secret had, in time, and when their rotation is due"

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        history = snapshot.audit.history or VersionHistory(())
        self._lives = age.lives(history)
        self._ages = {each.key: each for each in age.ages(snapshot, history)}

    def to_text(self) -> str:
        """Render the lives as plain text: since when each key has had which value, oldest first."""
        rows = [
            [key, _words(life), "replaced" if life.until else self._state(key)]
            for key, lives in self._lives.items()
            for life in lives
        ]
        return Table("The values that each key had", ["key", "from, to", "rotation"], rows).to_text()

    def to_svg(self) -> str:
        """Draw the lives: a row for each key, former values in grey, the present one in the colour of its state."""
        earliest = min((lives[0].since for lives in self._lives.values() if lives), default=self.snapshot.taken)
        latest = self.snapshot.taken + max(self.snapshot.taken - earliest, _SHORTEST) * 0.04
        rows = Rows([*self._lives], _ROW, CAPITAL)
        axis = TimeAxis(earliest, latest, rows)
        parts = [*axis.draw()]
        for row, (key, lives) in enumerate(self._lives.items()):
            parts.append(rows.name(row))
            for life in lives:
                start, end = axis.x(life.since), axis.x(life.until or self.snapshot.taken)
                parts.append(self._bar(key, life, rows.middle(row), start, max(end - start - 1, 1)))
        caption = f"read on {self.snapshot.taken:%Y-%m-%d at %H:%M:%S} UTC"
        return rows.draw(self.alt, self._legend(), parts, caption)

    def _bar(self, key: str, life: Life, y: int, start: int, width: int) -> str:
        colour = GREY if life.until else _COLOURS[self._state(key)][0]
        shade = 0.35 + 0.25 * (life.number % 2) if life.until else 0.85
        title = escape(on_one_line(f"{key}: {_words(life)}"))
        form = f'x="{start}" y="{y - 7}" width="{width}" height="14" fill="{colour}" opacity="{shade}"'
        return f"<rect {form}><title>{title}</title></rect>"

    def _state(self, key: str) -> AgeState:
        return age.judge(self.snapshot, self._ages[key]) if key in self._ages else "no limit"

    def _legend(self) -> str:
        states = {self._state(key) for key in self._lives}
        present = [f"{name}: {state}" for state, (_, name) in _COLOURS.items() if state in states]
        return "  ·  ".join((*present, "grey: former values"))


def _row(snapshot: Snapshot, history: VersionHistory, each: Age) -> list[str]:
    state = age.judge(snapshot, each)
    is_renewable = state != "no limit"
    days = f"{'at least ' if each.at_least else ''}{counted((snapshot.taken - each.since).days, 'day')}"
    limit = f"{age.limit(snapshot).days} days" if is_renewable else "—"
    due = f"{age.due_date(snapshot, each):%Y-%m-%d}" if is_renewable else "—"
    since = f"{each.since:%Y-%m-%d %H:%M:%S}{' or earlier' if each.at_least else ''}"
    return [each.key, since, days, limit, due, state, _how(history, each)]


def _how(history: VersionHistory, each: Age) -> str:
    version = history.find(each.version_id)
    moved = version.returned if version else None
    words = f"version {history.short(each.version_id)} was the first with it"
    words += f", current again since {moved.time:%Y-%m-%d}" if moved else ""
    return f"{words}; older versions are gone" if each.at_least else words


def _words(life: Life) -> str:
    return f"{life.since:%Y-%m-%d} to {f'{life.until:%Y-%m-%d}' if life.until else 'now'}"
