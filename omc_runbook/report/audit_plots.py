"""Pictures of who called the secret's APIs: by the hour of the day, and in time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.checks.audit_accesses import find_unusual
from omc_runbook.model.letters import on_one_line
from omc_runbook.report.display.drawing import (
    BLACK,
    GREEN,
    ORANGE,
    VIOLET,
    WHITE,
    Picture,
    Rows,
    TimeAxis,
    cross,
    label,
)
from omc_runbook.report.display.table import WIDTH
from omc_runbook.snapshot.state import Snapshot

MOST_ROWS = 20
"""How many principals have a row of their own; the others share one."""
MOST_LINES = 60
"""How many moments the timeline's text has, the newest."""
LONGEST_LABEL = 80
OTHERS = "others"
_HOURS = range(24)
ROW = 38
"""Pixels that a row takes, with the principal's name above what is drawn."""
_WIDTH = 640
"""Pixels: a page beside JupyterLab's file browser shows all of it, up to the newest calls at the right."""
_SQUARE = 20


class HeatMap(Picture):
    """How many calls each principal made in each hour of the day, in UTC."""

    alt, width = "Calls on the secret by principal and hour of the day", _WIDTH

    def __init__(self, snapshot: Snapshot) -> None:
        self.counts = _by_row(_calls(snapshot))

    def to_svg(self) -> str:
        """Draw a square for each hour with calls, the darker the more."""
        rows = _rows(self.counts)
        width = (rows.right - rows.edge) // len(_HOURS)
        most = max((count for row in self.counts.values() for count in row.values()), default=1)
        parts = []
        for number, counts in enumerate(self.counts.values()):
            parts.append(rows.name(number))
            for hour, count in sorted(counts.items()):
                strength = 0.2 + 0.8 * math.log1p(count) / math.log1p(most)
                x, y = rows.edge + width * hour, rows.middle(number) - _SQUARE // 2
                square = f'x="{x}" y="{y}" width="{width - 2}" height="{_SQUARE}"'
                parts.append(f'<rect {square} fill="{WHITE}"/><rect {square} fill="{GREEN}" opacity="{strength:.2f}"/>')
                parts.append(label(x + width // 2 - 1, rows.middle(number) + 4, str(count), "middle", BLACK))
        middle = rows.edge + width // 2
        parts += [label(middle + width * hour, rows.foot + 18, f"{hour:02}", "middle") for hour in _HOURS]
        return rows.draw(self.alt, "calls by hour of the day (UTC): the darker, the more", parts)

    def to_text(self) -> str:
        """A line for each principal with its hours."""
        lines = [
            f"{on_one_line(name)}: {', '.join(f'{hour:02} h {count}' for hour, count in sorted(counts.items()))}"
            for name, counts in self.counts.items()
        ]
        return "\n".join(line[:WIDTH] for line in lines) or "No calls."


class AccessTimeline(Picture):
    """When each principal called the secret's APIs: reads, changes, and what was refused or unusual."""

    alt, width = "Calls on the secret in time", _WIDTH

    def __init__(self, snapshot: Snapshot) -> None:
        self.calls = _calls(snapshot)
        self.unusual = frozenset(each.principal for each in find_unusual(snapshot))
        days = snapshot.audit.accesses.since if snapshot.audit.accesses else snapshot.taken
        self._left, self._right = days, snapshot.taken

    def to_svg(self) -> str:
        """Draw a row for each principal with a mark for each call."""
        names = [*_by_row(self.calls)]
        rows = _rows(names)
        axis = TimeAxis(self._left, self._right, rows)
        legend = "green: read  ·  ◆ violet: change  ·  red ×: refused  ·  orange: a principal with unusual calls"
        marks = dict.fromkeys(
            self._mark(call, axis.x(call.time), rows.middle(names.index(_row_of(call, names))))
            for call in sorted(self.calls, key=_time)
        )
        return rows.draw(self.alt, legend, (*axis.draw(), *map(rows.name, range(len(names))), *marks))

    def to_text(self) -> str:
        """The newest calls, oldest first."""
        newest = sorted(self.calls, key=_time)[-MOST_LINES:]
        lines = [
            f"{call.time:%Y-%m-%d %H:%M:%S}  {call.name} by {on_one_line(call.principal)}"
            f"{f': {call.error}' if call.error else ''}"[:WIDTH]
            for call in newest
        ]
        return "\n".join(lines) or "No calls."

    def _mark(self, call: Access, x: int, y: int) -> str:
        if call.error:
            return cross(x, y)
        if not call.is_read:
            return f'<path d="M{x} {y - 6}l6 6l-6 6l-6 -6z" fill="{VIOLET}"/>'
        colour = ORANGE if call.principal in self.unusual else GREEN
        return f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}" opacity="0.85"/>'


def _calls(snapshot: Snapshot) -> tuple[Access, ...]:
    accesses = snapshot.audit.accesses
    return accesses.calls if accesses else ()


def _by_row(calls: Iterable[Access]) -> dict[str, Counter[int]]:
    """The calls of each hour of the day by principal, the busiest first; of all but `MOST_ROWS` together."""
    every = tuple(calls)
    busiest = Counter(call.principal for call in every).most_common()
    names = [name for name, _ in busiest[:MOST_ROWS]] + ([OTHERS] if busiest[MOST_ROWS:] else [])
    counts = {name: Counter[int]() for name in names}
    for call in every:
        counts[_row_of(call, names)][call.time.hour] += 1
    return counts


def _row_of(call: Access, names: Sequence[str]) -> str:
    return call.principal if call.principal in names else OTHERS


def _time(call: Access) -> float:
    return call.time.timestamp()


def _short(principal: str) -> str:
    """A role or user without its account, such as role/backend."""
    name = principal.rpartition(":")[2] if principal.startswith("arn:") else principal
    return name if len(name) <= LONGEST_LABEL else f"…{name[1 - LONGEST_LABEL :]}"


def _rows(names: Iterable[str]) -> Rows:
    return Rows([*map(_short, names)], ROW, width=_WIDTH, are_above=True)
