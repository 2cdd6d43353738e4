"""A change that calls a function as each of its steps begins, and a clock by which it does not wait."""

from __future__ import annotations

from collections.abc import Callable

from omc_runbook.report.archive.state import ChangeState
from omc_runbook.runbooks.live_change import LiveChange


class SteppedChange(LiveChange):
    """Calls `step` with the name of each step, after it was noted; what that raises stops the change."""

    def __init__(self, step: Callable[[str], object], state: ChangeState | None = None) -> None:
        super().__init__(state)
        self._step = step

    def announce(self, step: str) -> None:
        super().announce(step)
        self._step(step)


class Still:
    """A clock by which nobody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds
