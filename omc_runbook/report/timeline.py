"""The timeline: when versions of the secret, deployments and tasks began."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, Version
from omc_runbook.report.display.table import WIDTH
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.freshness import Freshness
from omc_runbook.snapshot.state import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TaskState = Freshness | Literal["failed", "none"]

GREY = "#808080"
COLOURS: dict[TaskState, str] = {"fresh": "#2a9d5c", "stale": "#d9822b", "undecidable": "#8a76c9", "failed": "#d0433c"}
LEGEND = {
    "stale": "orange: stale",
    "undecidable": "violet: undecidable",
    "fresh": "green: fresh",
    "failed": "red ×: failed",
}
MOST_TASKS = 6
"""Beyond this many tasks of a service, tasks of one freshness share a row."""
SHORTEST = timedelta(minutes=1)
_TIMES = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
"""Formats of the time axis for years, months, days, hours, minutes and seconds."""
_INCHES, _SHARPNESS, _WIDTH = 10, 160, 960


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """A row of the plot: a service's tasks in one state, and when each started (failed ones: stopped)."""

    label: str
    service: str
    state: TaskState
    moments: tuple[datetime, ...]
    tasks: str
    """The same in words."""


class Timeline:
    """When versions were created, deployments began and tasks started: a picture in Jupyter, else text."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str | int]]]:
        """The picture and the text, by media type, with the picture's size and alternative text."""
        picture = io.BytesIO()
        draw(self.snapshot).savefig(picture, format="png", dpi=_SHARPNESS)
        image = base64.b64encode(picture.getvalue()).decode()
        metadata: dict[str, str | int] = {
            "width": _WIDTH,
            "alt": "Versions of the secret, deployments and tasks in time",
        }
        return {"text/plain": self.to_text(), "image/png": image}, {"image/png": metadata}

    def to_text(self) -> str:
        """Render the timeline as plain text, oldest first."""
        moments = sorted(_moments(self.snapshot), key=lambda moment: moment[0])
        return "\n".join(f"{moment:%Y-%m-%d %H:%M:%S}  {what}"[:WIDTH] for moment, what in moments)


def draw(snapshot: Snapshot) -> Figure:
    """Draw the timeline with grey text on a transparent background, legible on light and dark pages."""
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure

    lines = tuple(lines_of(snapshot))
    left, right = _window(snapshot, lines)
    figure = Figure(figsize=(_INCHES, 1.15 + 0.3 * (len(lines) + 1)), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    _format(axes, ["secret", *(line.label for line in lines)], left, right)
    for row, line in enumerate(lines, start=1):
        starts = [date2num(max(moment, left)) for moment in line.moments]
        if line.state == "failed":
            axes.plot(starts, [row] * len(starts), "x", color=COLOURS["failed"], markersize=8, markeredgewidth=2)
        elif starts:
            width = date2num(snapshot.taken) - min(starts)
            axes.barh(row, width, left=min(starts), height=0.55, color=COLOURS[line.state], alpha=0.85)
    for service in snapshot.consumers:
        rows = [row for row, line in enumerate(lines, start=1) if line.service == service.name]
        for deployment in service.deployments:
            if deployment.created >= left:
                span = (rows[0] - 0.5, rows[-1] + 0.5)
                axes.plot([date2num(deployment.created)] * 2, span, ":", color=GREY, linewidth=2)
    _mark_versions(axes, snapshot, left, right)
    axes.set_title(_legend(lines), color=GREY, fontsize=9, loc="left")
    axes.set_xlabel(f"read on {snapshot.taken:%Y-%m-%d at %H:%M:%S} UTC", color=GREY, fontsize=9, loc="right")
    return figure


def lines_of(snapshot: Snapshot) -> Iterator[TimelineRow]:
    """The plot's rows below the secret's own: running and failed tasks, or a row that says there is none."""
    for service in snapshot.consumers:
        lines = [*_running(snapshot, service), *_failed(snapshot, service)]
        yield from lines or [
            TimelineRow(label=f"{service.name}: no task", service=service.name, state="none", moments=(), tasks="")
        ]


def _running(snapshot: Snapshot, service: Service) -> Iterator[TimelineRow]:
    running = [
        (task.created or snapshot.taken, freshness.of(snapshot, task), task.id[:8])
        for task in snapshot.running(service)
    ]
    if len(running) <= MOST_TASKS:
        for start, state, short in sorted(running):
            words = f"task {short} of {service.name}: {state}"
            yield TimelineRow(
                label=f"{service.name} {short}", service=service.name, state=state, moments=(start,), tasks=words
            )
        return
    for state in dict.fromkeys(state for _, state, _ in sorted(running)):
        starts = tuple(sorted(start for start, other, _ in running if other == state))
        words = f"the first of {len(starts)} tasks of {service.name} that are {state}"
        yield TimelineRow(
            label=f"{service.name}: {len(starts)} {state}",
            service=service.name,
            state=state,
            moments=starts,
            tasks=words,
        )


def _failed(snapshot: Snapshot, service: Service) -> Iterator[TimelineRow]:
    stops = tuple(sorted(task.stopped for task in snapshot.stopped(service) if task.stopped))
    if stops:
        count = f"{len(stops)} tasks" if len(stops) > 1 else "a task"
        words = f"{'the first of ' if len(stops) > 1 else ''}{count} of {service.name} failed"
        yield TimelineRow(
            label=f"{service.name}: {len(stops)} failed",
            service=service.name,
            state="failed",
            moments=stops,
            tasks=words,
        )


def _moments(snapshot: Snapshot) -> Iterator[tuple[datetime, str]]:
    for version in snapshot.versions:
        yield version.created, f"version {version.id[:8]} of the secret ({', '.join(version.stages) or 'no stage'})"
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


def _mark_versions(axes: Axes, snapshot: Snapshot, left: datetime, right: datetime) -> None:
    """Mark each version that has a staging label, the current one with a line through all rows."""
    from matplotlib.dates import date2num

    since = freshness.current_since(snapshot)
    staged = [v for v in snapshot.versions if CURRENT in v.stages or (v.stages and v.created >= left)]
    for number, version in enumerate(staged):
        is_current = CURRENT in version.stages
        moment = max(version.created, since[0]) if is_current and since else version.created
        is_visible, position = moment >= left, date2num(max(moment, left + (right - left) * 0.01))
        axes.plot(position, 0, marker="D" if is_visible else "<", color=GREY, markersize=7, clip_on=False)
        if is_current and is_visible:
            axes.axvline(position, color=GREY, linewidth=1)
        # Labels alternate above and below the row, and point left near the right edge, so that they do not overlap.
        is_late = moment > left + (right - left) * 0.8
        axes.annotate(
            _stages(version) if is_visible else f"{_stages(version)}, since {moment:%d %b %Y}",
            (position, 0),
            (-8 if is_late else 8, -3 if len(staged) == 1 else 5 if number % 2 else -11),
            textcoords="offset points",
            color=GREY,
            fontsize=9,
            horizontalalignment="right" if is_late else "left",
        )


def _stages(version: Version) -> str:
    return ", ".join(
        stage.removeprefix("AWS").lower() if stage.startswith("AWS") else stage for stage in version.stages
    )


def _format(axes: Axes, labels: Sequence[str], left: datetime, right: datetime) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    axes.patch.set_alpha(0)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.8)
    axes.set_xlim(date2num(left), date2num(right))
    locator = AutoDateLocator(minticks=4, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, formats=_TIMES, zero_formats=_TIMES, show_offset=False)
    )
    axes.tick_params(colors=GREY, labelsize=9, length=0)
    axes.grid(axis="x", color=GREY, alpha=0.25)
    for side in axes.spines.values():
        side.set_visible(False)


def _legend(lines: Sequence[TimelineRow]) -> str:
    """What the marks and colours mean, in one line."""
    states = {line.state for line in lines}
    return "  ·  ".join(
        ["◆ version of the secret", "dotted: deployment", *(text for state, text in LEGEND.items() if state in states)]
    )
