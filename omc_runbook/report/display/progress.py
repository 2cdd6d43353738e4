"""The live progress of a rollout: each service's state and the newest events."""

from __future__ import annotations

import html
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc_runbook.changes.deploy.rollout import Rollout, State
from omc_runbook.masking import registry
from omc_runbook.model.handover import LINES_VARIABLE
from omc_runbook.model.letters import counted
from omc_runbook.report.display.boxes import SCROLLS, preformatted, scroll_region
from omc_runbook.report.display.rich_display import RichDisplay, is_in_ipython
from omc_runbook.report.display.severity import COLOURS, Level, badge, mark
from omc_runbook.report.display.table import wrap

REFRESH_SECONDS = 5.0
"""After so many seconds without news, the times are shown anew."""

NEWEST = 12
"""How many of the newest events are shown."""

STATES: dict[State, Level] = {
    "waiting": "quiet",
    "rolling": "quiet",
    "paused": "warning",
    "done": "good",
    "failed": "error",
    "rolled-back": "error",
    "overtaken": "warning",
    "not-started": "warning",
    "gone": "quiet",
    "unknown": "warning",
}

_CELLS = 12
_CELL = "text-align: left; vertical-align: middle; white-space: nowrap; padding-right: 0.8em"
_REASON = "text-align: left; overflow-wrap: anywhere; white-space: normal"
_REGION = f"display: grid; grid-template-columns: minmax(0, 1fr); justify-items: start; {SCROLLS}"
_TRACK = (
    "display: flex; width: 12em; height: 0.8em; background: rgba(128, 128, 128, 0.25); border-radius: 0.4em;"
    " overflow: hidden"
)
_BAR = "width: {share:.0%}; height: 0.8em; background: rgba({colour}, 0.85)"
_OLD = "196, 154, 96"
_MOVING = "38, 110, 190"


class Progress(RichDisplay):
    """A display of rollouts that updates in place; call it with all rollouts and the new event lines.

    In IPython the first call creates the display and later calls update it where something is new; the notebook
    keeps the last state. Outside IPython nothing is shown. Under `omc-runbook run` the new lines are also passed to
    that command at once, because a headless notebook is read only after it has ended.
    """

    def __init__(self) -> None:
        self._rollouts: tuple[Rollout, ...] = ()
        self._events: deque[str] = deque(maxlen=NEWEST)
        self._handle: Any = None
        self._shown = 0.0

    def __call__(self, rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        """Show the state of all rollouts, and the event lines since the last call."""
        is_old = self._shown and time.monotonic() - self._shown > REFRESH_SECONDS
        if tuple(rollouts) == self._rollouts and not lines and not is_old:
            return
        self._shown = time.monotonic()
        self._rollouts = tuple(rollouts)
        self._events.extend(lines)
        pass_on(lines)
        if self._handle is not None:
            self._handle.update(self._repr_mimebundle_(), raw=True)
        elif is_in_ipython():
            from IPython.display import display

            self._handle = display(self._repr_mimebundle_(), display_id=True, raw=True)

    def to_html(self) -> str:
        return self._bars.to_html()

    def to_text(self) -> str:
        return self._bars.to_text()

    @property
    def _bars(self) -> Bars:
        return Bars(self._rollouts, self._events)


class Bars(RichDisplay):
    """A bar for each roll-out with its new and its old tasks, how long it lasts and usually does, and event lines."""

    def __init__(self, rollouts: Sequence[Rollout], events: Iterable[str] = (), with_revisions: bool = True) -> None:
        if not with_revisions:
            rollouts = [replace(rollout, revision="") for rollout in rollouts]
        if len({rollout.environment for rollout in rollouts}) > 1:
            rollouts = [replace(each, service=f"{each.service} in {each.environment}") for each in rollouts]
        self._rollouts, self._events = tuple(rollouts), tuple(events)

    def to_html(self) -> str:
        rows = "".join(map(_rows, self._rollouts))
        # On a narrow page the bars scroll; the text around them does not.
        table = scroll_region(self._title, f'<table role="presentation"><tbody>{rows}</tbody></table>', _REGION)
        events = preformatted("\n".join(self._events))
        return f"<p><strong>{self._title}</strong></p>\n{table}\n{events}".rstrip()

    def to_text(self) -> str:
        events = [line for event in self._events for line in wrap(event, indent="    ")]
        return "\n".join((self._title, "", *self._lines(), *([""] if events else []), *events))

    @property
    def _title(self) -> str:
        count = sum(rollout.state == "done" for rollout in self._rollouts)
        how = "back on the former version" if any(rollout.is_back for rollout in self._rollouts) else "rolled out"
        return f"{count} of {counted(len(self._rollouts), 'service')} {how}"

    def _lines(self) -> Iterator[str]:
        widths = [max(map(len, column), default=0) for column in zip(*map(_texts, self._rollouts), strict=True)]
        for rollout in self._rollouts:
            cells = zip(_texts(rollout), widths, strict=True)
            yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()
            yield from wrap(rollout.reason or rollout.progress, "    ", "    ")


def pass_on(lines: Sequence[str]) -> None:
    """Give `omc-runbook run` event lines while the notebook runs."""
    path = os.environ.get(LINES_VARIABLE)
    if path and lines:
        # A full disk must not abort a rollout.
        with suppress(OSError), Path(path).open("a", encoding="utf-8") as file:
            file.writelines(f"{registry.mask(' '.join(line.split()))}\n" for line in lines)


def _texts(rollout: Rollout) -> tuple[str, ...]:
    """A rollout's cells in plain text."""
    full = round(_share(rollout) * _CELLS)
    bar = "█" * full + "░" * (_CELLS - full)
    state = mark(rollout.state, STATES[rollout.state])
    return rollout.service, state, bar, _tasks(rollout), _time(rollout), rollout.revision


def _rows(rollout: Rollout) -> str:
    """A rollout's row, and a second one for its reason if it has one."""
    level = STATES[rollout.state]
    bar = _BAR.format(share=_share(rollout), colour=_MOVING if rollout.state == "rolling" else COLOURS[level])
    # The old tasks fill what the new ones leave, for as long as they run.
    old = _BAR.format(share=1.0 - _share(rollout) if rollout.others else 0.0, colour=_OLD)
    cells = (
        f"<strong>{html.escape(rollout.service)}</strong>",
        badge(rollout.state, level),
        f'<div style="{_TRACK}" aria-hidden="true"><div style="{bar}"></div><div style="{old}"></div></div>',
        _tasks(rollout),
        _time(rollout),
        html.escape(rollout.revision),
    )
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    note = rollout.reason or rollout.progress
    reason = f'<tr><td></td><td colspan="{len(cells) - 1}" style="{_REASON}">{html.escape(note)}</td></tr>'
    return f"<tr>{row}</tr>\n{reason if note else ''}"


def _share(rollout: Rollout) -> float:
    return min(rollout.running / rollout.desired, 1.0) if rollout.desired else 0.0


def _tasks(rollout: Rollout) -> str:
    old = f", {rollout.others} old" if rollout.others and not rollout.undoes else ""
    return f"{rollout.running} of {counted(rollout.desired, 'task')}{old}"


def _time(rollout: Rollout) -> str:
    """How long it lasts or took, and how long it usually takes."""
    if rollout.took is not None:
        return f"took {_clock(rollout.took)}"
    if rollout.began is None or rollout.is_over:
        return ""
    usual = f" of about {_clock(rollout.usual)}" if rollout.usual and round(rollout.usual.total_seconds()) else ""
    return f"{_clock(datetime.now(UTC) - rollout.began)}{usual}"


def _clock(duration: timedelta) -> str:
    seconds = max(0, round(duration.total_seconds()))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"
