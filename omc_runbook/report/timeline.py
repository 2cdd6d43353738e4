"""The timeline: when versions of the secret, deployments and tasks began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, Version
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import on_one_line
from omc_runbook.report.display.drawing import (
    GREEN,
    LETTER,
    ORANGE,
    RIGHT,
    TOP,
    VIOLET,
    Picture,
    Rows,
    TimeAxis,
    cross,
    label,
    path,
)
from omc_runbook.report.display.table import WIDTH
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.freshness import Freshness
from omc_runbook.snapshot.state import Snapshot

TaskState = Freshness | Literal["failed", "none"]

COLOURS: dict[TaskState, str] = {"fresh": GREEN, "stale": ORANGE, "undecidable": VIOLET}
LEGEND = {
    "stale": "orange: stale",
    "undecidable": "violet: undecidable",
    "fresh": "green: fresh",
    "failed": "red ×: failed",
}
MOST_TASKS = 6
"""Beyond this many tasks of a service, tasks of one freshness share a row."""
SHORTEST = timedelta(minutes=1)

_ROW = 26


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """A row of the plot: a service's tasks in one state, and when each started (failed ones: stopped)."""

    label: str
    service: str
    state: TaskState
    moments: tuple[datetime, ...] = ()
    tasks: str = ""
    """The same in words."""


class Timeline(Picture):
    """When versions were created, deployments began and tasks started: a picture in Jupyter, else text.

    It has a row for the secret, and one for each of `lines_of`.
    """

    alt = "Versions of the secret, deployments and tasks in time"

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot, self._lines = snapshot, tuple(lines_of(snapshot))
        self._rows = Rows(("secret", *(line.label for line in self._lines)), _ROW)
        self._left, right = _window(snapshot, self._lines)
        self._axis = TimeAxis(self._left, right, self._rows)

    def to_text(self) -> str:
        """Render the timeline as plain text, oldest first."""
        moments = sorted(_moments(self._snapshot), key=lambda moment: moment[0])
        return "\n".join(f"{moment:%Y-%m-%d %H:%M:%S}  {on_one_line(what)}"[:WIDTH] for moment, what in moments)

    def to_svg(self) -> str:
        caption = f"read on {self._snapshot.taken:%Y-%m-%d at %H:%M:%S} UTC"
        parts = (
            *self._axis.draw(),
            *map(self._rows.name, range(len(self._rows.names))),
            *self._deployments(),
            *(part for row, line in enumerate(self._lines, 1) for part in self._tasks(row, line)),
            *self._versions(),
        )
        return self._rows.draw(self.alt, _legend(self._lines), parts, caption)

    def _x(self, moment: datetime) -> int:
        return self._axis.x(max(moment, self._left))

    def _tasks(self, row: int, line: TimelineRow) -> Iterator[str]:
        """A bar from the first start to now, or a cross for each failed task."""
        y = self._rows.middle(row)
        if line.state == "failed":
            yield from (cross(self._x(moment), y) for moment in line.moments)
        elif line.moments:
            start, height = self._x(min(line.moments)), _ROW * 55 // 100
            width = max(self._x(self._snapshot.taken) - start, 1)
            colour, top = COLOURS[line.state], y - height // 2
            yield f'<rect x="{start}" y="{top}" width="{width}" height="{height}" fill="{colour}" opacity="0.85"/>'

    def _deployments(self) -> Iterator[str]:
        """A dotted line through its service's rows for each deployment."""
        for service in self._snapshot.consumers:
            rows = [row for row, line in enumerate(self._lines, 1) if line.service == service.name]
            top, foot = self._rows.middle(rows[0]) - _ROW // 2, self._rows.middle(rows[-1]) + _ROW // 2
            for deployment in service.deployments:
                if deployment.created >= self._left:
                    line = f"M{self._x(deployment.created)} {top}V{foot}"
                    yield path(line, more=' stroke-width="2" stroke-dasharray="2 3"')

    def _versions(self) -> Iterator[str]:
        """A diamond for each version with a staging label, and a line through all rows for the current one.

        A version from before the window is a triangle at its edge.
        """
        snapshot, y, free = self._snapshot, self._rows.middle(0), self._rows.edge
        since = freshness.current_since(snapshot)
        staged = [v for v in snapshot.versions if CURRENT in v.stages or (v.stages and v.created >= self._left)]
        moments = [(max(v.created, since[0]) if CURRENT in v.stages and since else v.created, v) for v in staged]
        # By these, for a restored version became current after later ones were written.
        moments.sort(key=lambda moment: (moment[0], CURRENT in moment[1].stages))
        limits = [*(self._x(moment) - 8 for moment, _ in moments[1:]), RIGHT]
        for (moment, version), limit in zip(moments, limits, strict=False):
            is_current = CURRENT in version.stages
            is_visible, x = moment >= self._left, self._x(moment) + 6 * (moment < self._left)
            shape = f"M{x} {y - 6}l6 6l-6 6l-6 -6z" if is_visible else f"M{x - 6} {y}l9 -6v12z"
            yield f'<path d="{shape}"/>'
            if is_current and is_visible:
                yield path(f"M{x} {TOP}V{self._rows.foot}")
            text = _stages(version) + ("" if is_visible else f", since {moment:%d %b %Y}")
            width = LETTER * len(text)
            # Where the edge or a mark is in the way at the right, it stands to the left; else above the row.
            right, left = x + 10, x - 10 - width
            fits = right >= free and right + width <= limit
            start = left if right + width > RIGHT or (not fits and left >= free) else right
            yield label(start, y + (4 if fits or start == left >= free else -8), text)
            free = max(start + width, x + 8)


def lines_of(snapshot: Snapshot) -> Iterator[TimelineRow]:
    """The plot's rows below the secret's own: running and failed tasks, or a row that says there is none, or unread."""
    none = "tasks not read" if "tasks" in snapshot.gaps else "no task"
    for service in snapshot.consumers:
        lines = [*_running(snapshot, service), *_failed(snapshot, service)]
        yield from lines or [_row(service, f": {none}", "none", (), "")]


def _running(snapshot: Snapshot, service: Service) -> Iterator[TimelineRow]:
    running = [
        (task.created or snapshot.taken, freshness.of(snapshot, task), task.id[:8])
        for task in snapshot.running(service)
    ]
    running.sort()
    if len(running) <= MOST_TASKS:
        for start, state, short in running:
            words = f"task {short} of {service.name}: {state}"
            yield _row(service, f" {short}: {state}", state, (start,), words)
        return
    for state, starts in grouped((state, start) for start, state, _ in running).items():
        words = f"the first of {len(starts)} tasks of {service.name} that are {state}"
        yield _row(service, f": {len(starts)} {state}", state, starts, words)


def _failed(snapshot: Snapshot, service: Service) -> Iterator[TimelineRow]:
    stops = sorted(task.stopped for task in snapshot.stopped(service) if task.stopped)
    if stops:
        count = f"the first of {len(stops)} tasks" if len(stops) > 1 else "a task"
        yield _row(service, f": {len(stops)} failed", "failed", stops, f"{count} of {service.name} failed")


def _row(service: Service, label: str, state: TaskState, moments: Iterable[datetime], words: str) -> TimelineRow:
    name = service.name
    return TimelineRow(label=f"{name}{label}", service=name, state=state, moments=tuple(moments), tasks=words)


def _moments(snapshot: Snapshot) -> Iterator[tuple[datetime, str]]:
    for version in snapshot.versions:
        yield (
            version.created,
            f"version {snapshot.short(version.id)} of the secret ({', '.join(version.stages) or 'no stage'})",
        )
    for service in snapshot.consumers:
        for deployment in service.deployments:
            state = ", ".join(filter(None, (deployment.status, deployment.rollout)))
            yield deployment.created, f"deployment of {service.name} ({state})"
    for line in lines_of(snapshot):
        if line.moments:
            yield line.moments[0], line.tasks


def _window(snapshot: Snapshot, lines: Sequence[TimelineRow]) -> tuple[datetime, datetime]:
    """The time range: from just before the first task or deployment to now; older versions show at the left edge."""
    starts = [moment for line in lines for moment in line.moments]
    starts += [deployment.created for service in snapshot.consumers for deployment in service.deployments]
    span = max(snapshot.taken - min(starts, default=snapshot.taken), SHORTEST)
    return snapshot.taken - span * 1.2, snapshot.taken + span * 0.04


def _stages(version: Version) -> str:
    return ", ".join(
        stage.removeprefix("AWS").lower() if stage.startswith("AWS") else stage for stage in version.stages
    )


def _legend(lines: Sequence[TimelineRow]) -> str:
    """What the marks and colours mean, in one line."""
    states = {line.state for line in lines}
    return "  ·  ".join(
        ["◆ version of the secret", "dotted: deployment", *(text for state, text in LEGEND.items() if state in states)]
    )
