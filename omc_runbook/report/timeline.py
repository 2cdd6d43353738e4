"""The timeline: versions of the secret against deployments and tasks."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omc_runbook.snapshot.state import Snapshot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#888888"
COLOURS = {"fresh": "#2a9d5c", "stale": "#d9822b", "undecidable": "#8a76c9", "stopped": "#c8403a"}
SHOWN = timedelta(days=14)
MOST_TASKS = 12


@dataclass(frozen=True)
class Bar:
    """A task's or deployment's time on its line of the plot."""

    line: str
    start: datetime
    end: datetime
    look: str


class Timeline:
    """When versions came, when deployments began, and which tasks ran from when to when."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Give Jupyter the picture and the same in words."""
        picture = io.BytesIO()
        draw(self.snapshot).savefig(picture, format="png", dpi=110)
        return {"text/plain": self.to_text(), "image/png": base64.b64encode(picture.getvalue()).decode()}

    def to_text(self) -> str:
        """The timeline in words, oldest first."""
        return "\n".join(
            f"{moment:%Y-%m-%d %H:%M:%S}  {what}"
            for moment, what in sorted(_moments(self.snapshot), key=lambda m: m[0])
        )


def draw(snapshot: Snapshot) -> Figure:
    """Draw the timeline on a transparent ground with grey letters, to be read on white and on black."""
    from matplotlib.dates import date2num
    from matplotlib.figure import Figure

    bars = tuple(_bars(snapshot))
    lines = list(dict.fromkeys(["secret", *(bar.line for bar in bars)]))
    figure = Figure(figsize=(10, 0.9 + 0.34 * len(lines)), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    _dress(axes, lines)
    for bar in bars:
        start, end = date2num(bar.start), date2num(bar.end)
        axes.barh(lines.index(bar.line), end - start, left=start, height=0.5, color=COLOURS[bar.look], alpha=0.85)
    deployments = [deployment for service in snapshot.consumers for deployment in service.deployments]
    for deployment in deployments:
        axes.axvline(date2num(deployment.created), color=GREY, linewidth=1, linestyle=":")
    earliest = min([bar.start for bar in bars] or [snapshot.taken]) - SHOWN
    for version in snapshot.versions:
        if version.created >= earliest:
            stages = ", ".join(stage.removeprefix("AWS").lower() for stage in version.stages) or "old"
            place = (date2num(version.created), 0.0)
            axes.plot(*place, marker="D", color=GREY, markersize=7)
            axes.annotate(stages, place, (7, -3), textcoords="offset points", color=GREY, fontsize=9)
    axes.axvline(date2num(snapshot.taken), color=GREY, linewidth=1.4)
    axes.xaxis_date()
    _explain(axes, {bar.look for bar in bars})
    return figure


def _moments(snapshot: Snapshot) -> Iterator[tuple[datetime, str]]:
    for version in snapshot.versions:
        yield version.created, f"version {version.id[:8]} of the secret ({', '.join(version.stages) or 'no stage'})"
    for service in snapshot.consumers:
        for deployment in service.deployments:
            yield deployment.created, f"deployment of {service.name} ({deployment.status}, {deployment.rollout})"
        for task in snapshot.running(service):
            yield task.created or snapshot.taken, f"task {task.id[:8]} of {service.name}: {snapshot.freshness(task)}"
        for task in snapshot.stopped(service):
            yield task.stopped or snapshot.taken, f"task {task.id[:8]} of {service.name} failed"


def _bars(snapshot: Snapshot) -> Iterator[Bar]:
    for service in snapshot.consumers:
        for number, task in enumerate(snapshot.running(service)[:MOST_TASKS], start=1):
            start = task.created or snapshot.taken
            yield Bar(f"{service.name} task {number}", start, snapshot.taken, snapshot.freshness(task))
        for task in snapshot.stopped(service)[:3]:
            if task.created and task.stopped:
                yield Bar(f"{service.name} failed", task.created, task.stopped, "stopped")


def _dress(axes: Axes, lines: list[str]) -> None:
    axes.patch.set_alpha(0)
    axes.set_yticks(range(len(lines)), lines)
    axes.invert_yaxis()
    axes.tick_params(colors=GREY, labelsize=9)
    axes.grid(axis="x", color=GREY, alpha=0.25)
    axes.margins(x=0.06)
    for side in axes.spines.values():
        side.set_visible(False)


def _explain(axes: Axes, looks: set[str]) -> None:
    """Say in the title what the colours and lines mean, in words that need no legend box."""
    meaning = {
        "fresh": "green: fresh",
        "stale": "orange: stale",
        "undecidable": "violet: undecidable",
        "stopped": "red: failed",
    }
    words = [text for look, text in meaning.items() if look in looks]
    axes.set_title(
        "  ·  ".join(["◆ version of the secret", "dotted: deployment", *words]), color=GREY, fontsize=9, loc="left"
    )
