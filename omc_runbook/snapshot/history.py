"""The secret's history: every remaining version, its content, who wrote it, and whether it was AWSCURRENT."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.cloudtrail import HISTORY_KEEPS, Event, FoundRecords
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import CURRENT, PENDING, PREVIOUS, Version
from omc_runbook.aws.session import Clients
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.follow_ups import WRITES, contents_of, request_versions
from omc_runbook.snapshot.freshness import MOVE, SAME_MOMENT
from omc_runbook.snapshot.gatherer import PARALLEL, Gatherer
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

MOST_WRITES = 200
"""How many calls of an API are looked up."""


@dataclass(frozen=True)
class Holder:
    """How many running tasks of a service have one version; its id is "" where that is unknown."""

    version_id: str
    service: str
    tasks: int


class HistoryRead:
    """The calls that read the content of every listed version, and from CloudTrail who wrote it.

    They begin at once, and `finish` waits for them. Those of CloudTrail go back to `since`, where it is given, for
    whoever looks up the same. See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot, since: datetime | None = None) -> None:
        self._snapshot, self._since = snapshot, snapshot.taken
        self._lookups: list[Future[FoundRecords | ReadFailure]] = []
        if snapshot.versions:
            self._since = max(since or snapshot.taken - HISTORY_KEEPS, snapshot.versions[0].created - SAME_MOMENT)
            start, region = since or self._since, gatherer.names.region if since else ""
            self._lookups = [look_up(gatherer, name, start, MOST_WRITES, region) for name in WRITES]
        missing = {version.id for version in snapshot.versions} - {*snapshot.contents}
        self._answers = request_versions(gatherer, missing)

    def finish(self) -> VersionHistory:
        """The history; a version that cannot be read stays in it without its content."""
        contents: dict[str, Content | ReadFailure | None] = dict(self._snapshot.contents)
        contents |= {version_id: _parse(answer.result()) for version_id, answer in self._answers.items()}
        results, secret = [answer.result() for answer in self._lookups], self._snapshot.secret_name
        write_trails = [trail.events(secret, self._since) for trail in results if isinstance(trail, FoundRecords)]
        events = sorted(
            (event for trail in write_trails for event in trail.events), key=lambda event: event.time, reverse=True
        )
        writes = tuple(event for event in events if not event.error)
        failures = (
            replace(result, what=f"who changed {secret}") for result in results if isinstance(result, ReadFailure)
        )
        complete = len(write_trails) == len(WRITES) and not any(trail.cut_at for trail in write_trails)
        return VersionHistory(
            versions=tuple(
                _entry(version, contents[version.id], writes, complete) for version in reversed(self._snapshot.versions)
            ),
            writes=writes if complete else None,
            unread=tuple(dict.fromkeys(failures)),
        )


def read_history(clients: Clients, snapshot: Snapshot) -> VersionHistory:
    """Read the history of a snapshot's secret; raises CouldNotLook where AWS cannot be reached."""
    with clients.calls.within(LOOK_SECONDS), ThreadPoolExecutor(PARALLEL, "history") as pool:
        return HistoryRead(Gatherer(pool, clients, snapshot.environment, snapshot.caller), snapshot).finish()


def holders(snapshot: Snapshot, history: VersionHistory) -> tuple[Holder, ...]:
    """How many running tasks of each service have which version."""
    with_writes = snapshot if history.writes is None else replace(snapshot, writes=history.writes)
    with_moves = _by_moves(snapshot, history) if history.writes is None else with_writes
    counts: dict[tuple[str, str], int] = {}
    for service in with_writes.consumers:
        for task in with_writes.running(service):
            by_times, version_id = freshness.by_times(with_writes, task), ""
            if by_times == "fresh":
                version_id = with_writes.current_id
            elif by_times == "stale" and task.created:
                versions = freshness.versions_read(with_moves, task)
                version_id = versions[0] if len(versions) == 1 else ""
            counts[version_id, service.name] = counts.get((version_id, service.name), 0) + 1
    return tuple(Holder(version_id, service, tasks) for (version_id, service), tasks in counts.items())


def _by_moves(snapshot: Snapshot, history: VersionHistory) -> Snapshot:
    """The snapshot by the moves that are known of an answer that is not whole: they show more than dates alone.

    A version that was only staged is none of them.
    """
    known = (entry for entry in history.versions if not entry.staged or entry.promoted is not False)
    versions = map(_by_its_moves, known)
    moves = tuple(move for entry in history.versions for move in entry.moves)
    return replace(snapshot, versions=tuple(sorted(versions, key=attrgetter("created"))), writes=moves)


def _by_its_moves(entry: VersionEntry) -> Version:
    """A version as it became current: by AWSCURRENT's first move where it was only staged before.

    Where no move is known, it may have been so from the beginning, or not yet, as one that has another label.
    """
    if not entry.staged:
        return entry.version
    if not entry.moves:
        return replace(entry.version, stages=(*entry.version.stages, PENDING))
    return replace(entry.version, created=min(move.time for move in entry.moves))


def _entry(
    version: Version, contents: Content | ReadFailure | None, writes: Sequence[Event], complete: bool
) -> VersionEntry:
    calls = [event for event in writes if event.version_id == version.id]
    creations = [event for event in calls if event.name != MOVE]
    moves = tuple(event for event in calls if event.name == MOVE and CURRENT in event.stages)
    at_once = any(map(freshness.makes_current, creations))
    staged = bool(creations) and not at_once
    promoted = at_once or bool(moves) or not {CURRENT, PREVIOUS}.isdisjoint(version.stages)
    return VersionEntry(
        version=version,
        content=contents if isinstance(contents, Content) else None,
        unread=contents if isinstance(contents, ReadFailure) else None,
        author=creations[-1].principal if creations else "",
        staged=staged,
        moves=moves,
        promoted=promoted or (False if staged and complete else None),
    )


def look_up(
    gatherer: Gatherer, name: str, since: datetime, limit: int, region: str = ""
) -> Future[FoundRecords | ReadFailure]:
    """Look up all calls of an API since a time, once for all who ask for the same.

    In a `region` that is named, requests keep to the pace that CloudTrail allows there, as many lookups need.
    """
    pace = gatherer.shared.pace(gatherer.caller.account, region) if region else None
    return gatherer.within(region).read_once(
        f"who called {name}{f' in {region}' if region else ''}",
        "cloudtrail:LookupEvents",
        cloudtrail.look_up,
        name,
        since,
        limit,
        pace,
        sleep=lambda seconds: gatherer.clients.calls.time.sleep(seconds),
    )


def _parse(answer: secretsmanager.Value | ReadFailure | None) -> Content | ReadFailure | None:
    if isinstance(answer, ReadFailure):
        return answer
    return next(iter(contents_of(answer).values()), None)
