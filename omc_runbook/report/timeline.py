"""The timeline: versions of the secret against deployments and tasks."""

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

Look = Freshness | Literal["failed", "none"]

GREY = "#808080"
COLOURS: dict[Look, str] = {"fresh": "#2a9d5c", "stale": "#d9822b", "undecidable": "#8a76c9", "failed": "#d0433c"}
LEGEND = {
    "stale": "orange: stale",
    "undecidable": "violet: undecidable",
    "fresh": "green: fresh",
    "failed": "red ×: failed",
}
MOST_TASKS = 6
"""More tasks of one service than this share a line, one for each freshness."""
SHORTEST = timedelta(minutes=1)
_TIMES = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
"""How a year, month, day, hour, minute and second stand at the time axis."""
_INCHES, _SHARPNESS, _WIDTH = 10, 160, 960


@dataclass(frozen=True)
class Line:
    """One line of the plot: tasks of one service that look alike, and when each began (failed ones: stopped)."""

    label: str
    service: str
    look: Look
    moments: tuple[datetime, ...]
    tasks: str
    """The tasks in words."""


class Timeline:
    """When versions came, when deployments began, and which tasks run since when."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str | int]]]:
        """Give Jupyter the picture and the same in words."""
        picture = io.BytesIO()
        draw(self.snapshot).savefig(picture, format="png", dpi=_SHARPNESS)
        image = base64.b64encode(picture.getvalue()).decode()
        about: dict[str, str | int] = {"width": _WIDTH, "alt": "Versions of the secret, deployments and tasks in time"}
        return {"text/plain": self.to_text(), "image/png": image}, {"image/png": about}

    def to_text(self) -> str:
        """The timeline in words, oldest first."""
        moments = sorted(_moments(self.snapshot), key=lambda moment: moment[0])
        return "\n".join(f"{moment:%Y-%m-%d %H:%M:%S}  {what}"[:WIDTH] for moment, what in moments)


def draw(snapshot: Snapshot) -> Figure:
    """Draw the timeline on a transparent ground with grey letters, to be read on white and on black."""
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure

    lines = tuple(lines_of(snapshot))
    left, right = _window(snapshot, lines)
    figure = Figure(figsize=(_INCHES, 1.15 + 0.3 * (len(lines) + 1)), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    _dress(axes, ["secret", *(line.label for line in lines)], left, right)
    for place, line in enumerate(lines, start=1):
        starts = [date2num(max(moment, left)) for moment in line.moments]
        if line.look == "failed":
            axes.plot(starts, [place] * len(starts), "x", color=COLOURS["failed"], markersize=8, markeredgewidth=2)
        elif starts:
            width = date2num(snapshot.taken) - min(starts)
            axes.barh(place, width, left=min(starts), height=0.55, color=COLOURS[line.look], alpha=0.85)
    for service in snapshot.consumers:
        places = [place for place, line in enumerate(lines, start=1) if line.service == service.name]
        for deployment in service.deployments:
            if deployment.created >= left:
                span = (places[0] - 0.5, places[-1] + 0.5)
                axes.plot([date2num(deployment.created)] * 2, span, ":", color=GREY, linewidth=2)
    _mark_versions(axes, snapshot, left, right)
    axes.set_title(_legend(lines), color=GREY, fontsize=9, loc="left")
    axes.set_xlabel(f"seen on {snapshot.taken:%Y-%m-%d at %H:%M:%S} UTC", color=GREY, fontsize=9, loc="right")
    return figure


def lines_of(snapshot: Snapshot) -> Iterator[Line]:
    """The lines of the plot under the secret's own: running tasks, failed ones, or that there is none."""
    for service in snapshot.consumers:
        lines = [*_running(snapshot, service), *_failed(snapshot, service)]
        yield from lines or [Line(f"{service.name}: no task", service.name, "none", (), "")]


def _running(snapshot: Snapshot, service: Service) -> Iterator[Line]:
    running = [
        (task.created or snapshot.taken, freshness.of(snapshot, task), task.id[:8])
        for task in snapshot.running(service)
    ]
    if len(running) <= MOST_TASKS:
        for start, look, short in sorted(running):
            words = f"task {short} of {service.name}: {look}"
            yield Line(f"{service.name} {short}", service.name, look, (start,), words)
        return
    for look in dict.fromkeys(look for _, look, _ in sorted(running)):
        starts = tuple(sorted(start for start, other, _ in running if other == look))
        words = f"the first of {len(starts)} tasks of {service.name} that are {look}"
        yield Line(f"{service.name}: {len(starts)} {look}", service.name, look, starts, words)


def _failed(snapshot: Snapshot, service: Service) -> Iterator[Line]:
    stops = tuple(sorted(task.stopped for task in snapshot.stopped(service) if task.stopped))
    if stops:
        count = f"{len(stops)} tasks" if len(stops) > 1 else "a task"
        words = f"{'the first of ' if len(stops) > 1 else ''}{count} of {service.name} failed"
        yield Line(f"{service.name}: {len(stops)} failed", service.name, "failed", stops, words)


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


def _window(snapshot: Snapshot, lines: Sequence[Line]) -> tuple[datetime, datetime]:
    """From a little before the first task or deployment to now; what is older is marked at the left edge."""
    starts = [moment for line in lines for moment in line.moments]
    starts += [deployment.created for service in snapshot.consumers for deployment in service.deployments]
    span = max(snapshot.taken - min(starts, default=snapshot.taken), SHORTEST)
    return snapshot.taken - span * 1.2, snapshot.taken + span * 0.04


def _mark_versions(axes: Axes, snapshot: Snapshot, left: datetime, right: datetime) -> None:
    """Put each version with a stage on the secret's line, the current one with a line down through the tasks."""
    from matplotlib.dates import date2num

    since = freshness.current_since(snapshot)
    staged = [v for v in snapshot.versions if CURRENT in v.stages or (v.stages and v.created >= left)]
    for number, version in enumerate(staged):
        is_current = CURRENT in version.stages
        moment = max(version.created, since[0]) if is_current and since else version.created
        is_shown, place = moment >= left, date2num(max(moment, left + (right - left) * 0.01))
        axes.plot(place, 0, marker="D" if is_shown else "<", color=GREY, markersize=7, clip_on=False)
        if is_current and is_shown:
            axes.axvline(place, color=GREY, linewidth=1)
        # Labels stand above and below the line in turn, and turn back at the right edge, so that they keep apart.
        is_late = moment > left + (right - left) * 0.8
        axes.annotate(
            _stages(version) if is_shown else f"{_stages(version)}, since {moment:%d %b %Y}",
            (place, 0),
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


def _dress(axes: Axes, labels: Sequence[str], left: datetime, right: datetime) -> None:
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


def _legend(lines: Sequence[Line]) -> str:
    """What the marks and colours mean, in words that need no legend box."""
    looks = {line.look for line in lines}
    return "  ·  ".join(
        ["◆ version of the secret", "dotted: deployment", *(text for look, text in LEGEND.items() if look in looks)]
    )
