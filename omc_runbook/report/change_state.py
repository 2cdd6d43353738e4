"""What a page shows of a change under way, and of one that was not finished."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime

from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner, Style
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.progress import Bars
from omc_runbook.report.display.rich_display import RichDisplay

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
        self._state = state
        self._bars = Bars(state.rollouts, with_revisions=False) if state.rollouts else None

    def to_html(self) -> str:
        bars = self._bars.to_html() if self._bars else ""
        sentence = f'<p style="margin: 0.4em 0; white-space: normal">{html.escape(self._sentence)}</p>'
        return f'<div role="status">{sentence}{bars}</div>'

    def to_text(self) -> str:
        return "\n".join(filter(None, (self._sentence, self._bars.to_text() if self._bars else "")))

    @property
    def _sentence(self) -> str:
        state = self._state
        name = state.steps[-1] if state.steps else ""
        step = f": {STEPS.get(name, name)}" if name else ""
        return f"{state.runbook} on {state.environment}, under way since {state.started:%H:%M:%S} UTC{step}."


class EarlierDisplay(RichDisplay):
    """What a cell shows that was read or planned before a change."""

    def __init__(self, display: RichDisplay, ended: datetime) -> None:
        self._display, self._sentence = display, f"This was before the change that ended at {ended:%H:%M:%S} UTC:"

    def to_html(self) -> str:
        return f'<p style="margin: 0.4em 0"><em>{self._sentence}</em></p>\n{self._display.to_html()}'

    def to_text(self) -> str:
        return f"{self._sentence}\n\n{self._display.to_text()}"


class ChangeToFinish(RichDisplay):
    """A change that has not ended: whether it still runs, what it did, what is current, and how to go on or back.

    `current` says which version is current now.
    """

    def __init__(self, state: ChangeState, current: str = "") -> None:
        self._state, self._current = state, current

    def to_html(self) -> str:
        return "\n".join(part.to_html() for part in self._parts)

    def to_text(self) -> str:
        return "\n\n".join(part.to_text() for part in self._parts)

    @property
    def _parts(self) -> Iterator[RichDisplay]:
        state = self._state
        style: Style = "unsure" if state.is_alive else "bad"
        yield Banner(style, self._headline, tuple(self._lines))
        if state.rollouts:
            yield Bars(state.rollouts, with_revisions=False)
        if not state.is_alive:
            ways = (("finish it", state.go_on), ("take it back", state.go_back))
            entries = [Entry(name, command=command) for name, command in ways if command]
            if state.undo and not state.go_back:
                lead = f'Run {state.runbook}.ipynb in JupyterLab: it shows this change with the button "Take it back".'
                entries.append(Entry("take it back", lead=lead))
            yield Listing("How to go on", entries)

    @property
    def _headline(self) -> str:
        state = self._state
        what = f"{state.runbook} on {state.environment}, begun {state.started:%Y-%m-%d %H:%M:%S} UTC"
        return f"{what}, is under way." if state.is_alive else f"{what}, was not finished."

    @property
    def _lines(self) -> Iterator[str]:
        state = self._state
        name = state.steps[-1] if state.steps else ""
        process = f"process {state.process} on {state.host}"
        if state.ended:
            yield state.ended
        else:
            fate = "works on it" if state.is_alive else "has ended, or is out of reach"
            yield f"It came to this step: {STEPS.get(name, name)}. Its {process} {fate}."
        if state.changes and state.changes[-1] not in state.ended:
            yield f"Done: {'; '.join(state.changes)}."
        if self._current:
            yield self._current
