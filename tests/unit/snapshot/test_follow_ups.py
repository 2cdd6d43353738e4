"""What is read after the first look, by clients that answer with nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

from support.faults.content import overwritten
from support.snapshots import healthy

from omc_runbook.snapshot.follow_ups import settle
from omc_runbook.snapshot.gatherer import Gatherer


class Trail:
    """CloudTrail without an event."""

    def lookup_events(self, **_: Any) -> dict[str, Any]:
        return {"Events": []}


def test_who_wrote_a_placeholder_is_asked_where_no_task_runs_too() -> None:
    """Without a task, no start shows how far back to look."""
    snapshot = replace(overwritten(healthy()), tasks=(), writes=None)
    clients: Any = Mock(return_value=Trail())
    with ThreadPoolExecutor(1) as pool:
        found = settle(Gatherer(pool, clients, snapshot.environment, snapshot.caller), snapshot)
    assert (found.writes, found.gaps) == ((), {})
