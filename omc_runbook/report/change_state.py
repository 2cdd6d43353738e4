"""What a page shows of a change under way, and of one that was not finished."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner, Style
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.progress import Bars
from omc_runbook.report.display.rich_display import Group, RichDisplay

STEPS = {
    "stage": "staging the new version",
    "database": "giving the database its new password",
    "move": "making the new version current",
    "redeploy": "starting new tasks",
    "watch": "watching the new tasks",
    "withdraw": "making the former version current again",
    "redeploy back": "starting tasks with the former version",
    "watch back": "watching the tasks with the former version",
    "release": "removing the staging label",
    "grant": "granting a permission",
    "register": "registering a revision",
    "undelete": "restoring the secret",
    "create": "creating the secret",
    "restore": "restoring the secret",
    "write": "writing the .env",
    "start": "starting the application",
    "terraform": "applying Terraform's plan",
    "look": "reading everything again",
}
"""A step's name in words."""


class RunningChange(RichDisplay):
    """A change that runs: its step and a bar for each service."""

    def __init__(self, state: ChangeState) -> None:
        step = _step(state)
        description = f"{state.runbook} on {state.environment}, under way since {state.started:%H:%M:%S} UTC"
        self._sentence = f"{description}: {step}." if step else f"{description}."
        self._bars = Bars(state.rollouts, with_revisions=False) if state.rollouts else None

    def to_html(self) -> str:
        bars = self._bars.to_html() if self._bars else ""
        sentence = f'<p style="margin: 0.4em 0; white-space: normal">{html.escape(self._sentence)}</p>'
        return f'<div role="status">{sentence}{bars}</div>'

    def to_text(self) -> str:
        return "\n".join(filter(None, (self._sentence, self._bars.to_text() if self._bars else "")))


class EarlierDisplay(RichDisplay):
    """What a cell shows that was read or planned before a change."""

    def __init__(self, display: RichDisplay, ended: datetime) -> None:
        self._display, self._sentence = display, f"This was before the change that ended at {ended:%H:%M:%S} UTC:"

    def to_html(self) -> str:
        return f'<p style="margin: 0.4em 0"><em>{self._sentence}</em></p>\n{self._display.to_html()}'

    def to_text(self) -> str:
        return f"{self._sentence}\n\n{self._display.to_text()}"


class ChangeToFinish(Group):
    """A change that has not ended: whether it still runs, what it did, what is current, and how to go on or back.

    `current` says which version is current now.
    """

    def __init__(self, state: ChangeState, current: str = "") -> None:
        super().__init__(*_parts(state, current))


def _parts(state: ChangeState, current: str) -> Iterator[RichDisplay]:
    is_alive = state.is_alive
    style: Style = "unsure" if is_alive else "bad"
    description = f"{state.runbook} on {state.environment}, begun {state.started:%Y-%m-%d %H:%M:%S} UTC"
    headline = f"{description}, is under way." if is_alive else f"{description}, was not finished."
    yield Banner(style, headline, tuple(_lines(state, is_alive, current)))
    if state.rollouts:
        # Nobody knows how long a deployment lasts that nobody watches.
        rollouts = state.rollouts if is_alive else [replace(each, began=None) for each in state.rollouts]
        yield Bars(rollouts, with_revisions=False)
    if not is_alive:
        ways = (("finish it", state.go_on), ("take it back", state.go_back))
        entries = [Entry(name, command=command) for name, command in ways if command]
        if state.undo and not state.go_back:
            lead = f'Run {state.runbook}.ipynb in JupyterLab: it shows this change with the button "Take it back".'
            entries.append(Entry("take it back", lead=lead))
        yield Listing("How to go on", entries)


def _lines(state: ChangeState, is_alive: bool, current: str) -> Iterator[str]:
    if state.ended:
        yield state.ended
    else:
        fate = "works on it" if is_alive else "has ended, or cannot be reached"
        yield f"It reached this step: {_step(state)}. Its process {state.process} on {state.host} {fate}."
    if state.changes and state.changes[-1] not in state.ended:
        yield f"Done: {'; '.join(state.changes)}."
    if current:
        yield current
    if state.rollouts and not is_alive:
        yield "What it last saw of its deployments is below: they may have gone on since."


def _step(state: ChangeState) -> str:
    """The step that a change is at, in words; "" before the first."""
    name = state.steps[-1] if state.steps else ""
    return STEPS.get(name, name)
