"""Who changed the secret: one sentence on the call, from CloudTrail."""

from __future__ import annotations

import re
from collections.abc import Iterable

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.snapshot.freshness import makes_current
from omc_runbook.snapshot.state import Snapshot

LONGEST = 80
DETAIL = re.compile(r"(md|ua|os|lang|cfg|m|api|app|exec-env|prompt)/\S*|\S*#\S*")
"""The parts of a user agent that describe its machine, not the program."""


def write_of(snapshot: Snapshot, version_id: str) -> Event | None:
    """The newest call that made a version or moved AWSCURRENT to it; None where CloudTrail has none."""
    return newest_write(snapshot.writes or (), version_id)


def newest_write(events: Iterable[Event], version_id: str) -> Event | None:
    """The newest of some calls that made a version or moved AWSCURRENT to it; None where none did."""
    writes = (event for event in events if event.version_id == version_id and makes_current(event))
    return max(writes, key=lambda event: event.time, default=None)


def author_of_version(snapshot: Snapshot) -> tuple[str, ...]:
    """Who made the current version current; () where CloudTrail does not say."""
    event = write_of(snapshot, snapshot.current_id) if snapshot.current_id else None
    return (describe(event),) if event else ()


def author_of(snapshot: Snapshot, call: str) -> tuple[str, ...]:
    """Who made the newest call of an API, such as DeleteSecret, on the secret; () where CloudTrail does not say."""
    event = newest_call(snapshot, call)
    return (describe(event),) if event else ()


def newest_call(snapshot: Snapshot, call: str) -> Event | None:
    """The newest call of an API on the secret that succeeded; None where CloudTrail does not say."""
    calls = (event for event in snapshot.writes or () if event.name == call and not event.error)
    return max(calls, key=lambda event: event.time, default=None)


def describe(event: Event) -> str:
    """The call, its caller, time and program."""
    agent = " ".join(word for word in event.user_agent.split() if not DETAIL.fullmatch(word))[:LONGEST]
    program = f" with {agent}" if agent else ""
    return f"CloudTrail: {event.name} by {event.principal} at {event.time:%Y-%m-%d %H:%M:%S} UTC{program}."
