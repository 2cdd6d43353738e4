"""The ages of the secret's keys in an audit: a table, and a picture of the values that each key had."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape

from omc_runbook.checks import age
from omc_runbook.checks.age import Age, AgeState, Life
from omc_runbook.model.letters import on_one_line
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import WIDTH, Table
from omc_runbook.report.timeline import GREY, _ticks
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import History

ALT = "The values that each key of the secret had, in time, and when their rotation is due"
"""The alternative text of the picture."""
LEVELS: dict[str, Level] = {
    "overdue": "warning",
    "perhaps overdue": "unknown",
    "due soon": "warning",
    "not due": "good",
}

_COLOURS: dict[AgeState, str] = {
    "overdue": "#d0433c",
    "perhaps overdue": "#8a76c9",
    "due soon": "#d9822b",
    "not due": "#2a9d5c",
    "no limit": "#5b8def",
}
_WIDTH, _RIGHT, _TOP, _ROW, _BOTTOM, _LETTER = 960, 940, 30, 26, 50, 7
_SHORTEST = timedelta(minutes=1)


def ages(snapshot: Snapshot) -> Table:
    """Since when each key has its value, how old that is and may be, and how that is known."""
    history = _history(snapshot)
    found = age.ages(snapshot, history)
    rows = [_row(snapshot, history, each) for each in sorted(found, key=lambda each: each.since)]
    title = f"Ages of the {len(rows)} values of {snapshot.secret_name}, the oldest first"
    columns = ["key", "value since (UTC)", "age", "limit", "rotation due", "state", "how known"]
    return Table(title, columns, rows, LEVELS, "No value could be read.")


def lives_plot(snapshot: Snapshot) -> LivesPlot:
    """The picture of the keys' lives."""
    return LivesPlot(snapshot)


class LivesPlot:
    """Each key's values in time, a bar for each value: a picture in Jupyter, else text."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._history = _history(snapshot)
        self._lives = age.lives(self._history)
        self._ages = {each.key: each for each in age.ages(snapshot, self._history)}

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        """The picture and the text, by media type, with the alternative text."""
        return {"text/plain": self.to_text(), "image/svg+xml": self.to_svg()}, {"image/svg+xml": {"alt": ALT}}

    def to_text(self) -> str:
        """Render the lives as plain text: of each key, the moments at which it got a value, oldest first."""
        lines = []
        for key, lives in self._lives.items():
            moments = ", ".join(_words(life) for life in lives)
            lines.append(f"{key}: {moments}, {self._state(key)}"[:WIDTH])
        return on_lines(lines) or "No value could be read."

    def to_svg(self) -> str:
        """Draw the lives as SVG, with grey text and no background, legible on light and dark pages."""
        left = min((lives[0].since for lives in self._lives.values()), default=self.snapshot.taken)
        right = self.snapshot.taken + max(self.snapshot.taken - left, _SHORTEST) * 0.04
        edge = _LETTER * max(map(len, self._lives), default=0) + 12
        foot = _TOP + _ROW * len(self._lives)

        def x(moment: datetime) -> int:
            return round(edge + (moment - left) / (right - left) * (_RIGHT - edge))

        parts = [_label(edge, 16, self._legend())]
        for moment, text in _ticks(left, right):
            parts.append(f'<path d="M{x(moment)} {_TOP}V{foot}" fill="none" stroke="{GREY}" opacity="0.25"/>')
            parts.append(_label(x(moment), foot + 18, text, "middle"))
        for row, (key, lives) in enumerate(self._lives.items()):
            y = _TOP + _ROW * row + _ROW // 2
            parts.append(_label(edge - 8, y + 4, key, "end"))
            for life in lives:
                start, end = x(life.since), x(life.until or self.snapshot.taken)
                fill = GREY if life.until else _COLOURS[self._state(key)]
                shade = 0.35 + 0.25 * (life.number % 2) if life.until else 0.85
                title = escape(f"{key}: {_words(life)}")
                parts.append(
                    f'<rect x="{start}" y="{y - 7}" width="{max(end - start - 1, 1)}" height="14" fill="{fill}"'
                    f' opacity="{shade}"><title>{title}</title></rect>'
                )
        taken = f"read on {self.snapshot.taken:%Y-%m-%d at %H:%M:%S} UTC"
        parts.append(_label(_RIGHT, foot + _BOTTOM - 8, taken, "end"))
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {foot + _BOTTOM}" width="{_WIDTH}"'
            f' role="img" style="max-width: 100%" font-family="sans-serif" font-size="12" fill="{GREY}">\n'
            f"<title>{ALT}</title>\n" + "\n".join(parts) + "\n</svg>"
        )

    def _state(self, key: str) -> AgeState:
        return age.judge(self.snapshot, self._ages[key]) if key in self._ages else "no limit"

    def _legend(self) -> str:
        names = {"overdue": "red", "perhaps overdue": "violet", "due soon": "orange", "not due": "green"}
        states = dict.fromkeys(self._state(key) for key in self._lives)
        present = [f"{names.get(state, 'blue')}: {state}" for state in _COLOURS if state in states]
        return "  ·  ".join((*present, "grey: former values"))


def on_lines(lines: list[str]) -> str:
    """Lines as one text, each on a line of its own."""
    return "\n".join(on_one_line(line) for line in lines)


def _row(snapshot: Snapshot, history: History, each: Age) -> list[str]:
    state = age.judge(snapshot, each)
    is_renewable = state != "no limit"
    days = f"{'at least ' if each.at_least else ''}{(snapshot.taken - each.since).days} days"
    limit = f"{age.limit(snapshot).days} days" if is_renewable else "—"
    due = f"{age.due_date(snapshot, each):%Y-%m-%d}" if is_renewable else "—"
    since = f"{each.since:%Y-%m-%d %H:%M:%S}{' or earlier' if each.at_least else ''}"
    return [each.key, since, days, limit, due, state, _how(history, each)]


def _how(history: History, each: Age) -> str:
    version = history.find(each.version_id)
    moved = version.returned if version else None
    words = f"version {history.short(each.version_id)} was the first with it"
    words += f", current again since {moved.time:%Y-%m-%d}" if moved else ""
    return f"{words}; older versions are gone" if each.at_least else words


def _words(life: Life) -> str:
    return f"{life.since:%Y-%m-%d} to {f'{life.until:%Y-%m-%d}' if life.until else 'now'}"


def _history(snapshot: Snapshot) -> History:
    history = snapshot.audit.history if snapshot.audit else None
    return history or History(())


def _label(x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(on_one_line(text))}</text>'
