"""The last words of tasks that failed: the lines of their logs that tell of trouble, values masked."""

from __future__ import annotations

from collections.abc import Mapping

from omc_runbook.snapshot.asking import Asking
from omc_runbook.snapshot.state import Snapshot


def read(asking: Asking, snapshot: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """By task id, of the newest failed tasks of each consumer that did start."""
    return {}
