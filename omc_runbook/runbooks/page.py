"""What a notebook's cells show of one run, so that they can be updated when a button changes something."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from omc_runbook.report.change_state import EarlierDisplay
from omc_runbook.report.display.rich_display import RichDisplay, update

ANSWER = "answer"
"""The name of the last cell's display."""


class ButtonRow(Protocol):
    """Buttons somewhere on the page."""

    def hold(self) -> None:
        """Let nothing be pressed while another row's button works."""

    def release(self) -> None:
        """Let the same be pressed again."""

    def settle(self) -> None:
        """Show what another row's button has left."""


@dataclass
class Cells:
    """The displays of a notebook's last part by name, each under an id by which it is replaced."""

    displays: dict[str, object] = field(default_factory=dict)
    is_outdated: bool = False
    """Whether another part of the page has changed what they are about, or the parameters cell has run since."""
    _id: str = field(default_factory=lambda: uuid4().hex)

    def keep(self, name: str, display: object) -> None:
        """Note what a cell shows."""
        if isinstance(display, RichDisplay):
            display.display_id = self._id_of(name)
        self.displays[name] = display

    def replace(self, name: str, display: object) -> bool:
        """Show something else in a cell; False where it cannot be replaced."""
        is_there = name in self.displays
        self.displays[name] = display
        return is_there and update(self._id_of(name), display)

    def _id_of(self, name: str) -> str:
        return f"{self._id}-{name}"


class Page:
    """The cells that a run's notebook shows last, and all rows of buttons on it."""

    def __init__(self) -> None:
        self.cells = Cells()
        self.version = 0
        """Counts what has changed on it."""
        self._rows: dict[str, ButtonRow] = {}
        self._above: list[RichDisplay] = []

    @property
    def has_others(self) -> bool:
        """Whether there are buttons outside the last cell."""
        return bool(self._rows.keys() - {ANSWER})

    def add(self, name: str, row: ButtonRow) -> None:
        """Note a row of buttons; one that its cell shows anew replaces the former."""
        self._rows[name] = row

    def note(self, display: RichDisplay) -> None:
        """Give what a cell before the last part shows an id, for `date`."""
        if not self.cells.displays and threading.current_thread() is threading.main_thread():
            display.display_id = uuid4().hex
            self._above.append(display)

    def date(self, ended: datetime) -> None:
        """Mark everything before the last part as older than the change that ended at this time."""
        for display in self._above:
            update(display.display_id, EarlierDisplay(display, ended))

    def hold(self, pressed: str) -> None:
        """Let only the row of this name act: one of its buttons was pressed."""
        for row in self._others(pressed):
            row.hold()

    def go_on(self, pressed: str, version: int) -> None:
        """Let the other rows act again, or show what is now, where the page has changed since this version."""
        for row in self._others(pressed):
            row.release() if version == self.version else row.settle()

    def outdate(self, answer: RichDisplay, changed: str) -> None:
        """Show another answer in the last cell, because of what the row of this name shows."""
        self.version += 1
        self.cells.is_outdated = True
        if ANSWER in self.cells.displays:
            self.cells.replace(ANSWER, answer)
        self.go_on(changed, self.version - 1)

    def _others(self, name: str) -> list[ButtonRow]:
        return [row for other, row in self._rows.items() if other != name]
