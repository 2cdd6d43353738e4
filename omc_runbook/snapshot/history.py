"""The history of the secret: every version that is still kept, what it holds, who wrote it, whether it was in force."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from omc_runbook.aws import cloudtrail, secretsmanager
from omc_runbook.aws.cloudtrail import Event, Trail
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Version
from omc_runbook.aws.session import Clients, ReadFailure
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.follow_ups import WRITES, contents_of
from omc_runbook.snapshot.freshness import SAME_MOMENT
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.reading import PARALLEL
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Content, Snapshot

TRAIL_KEEPS = timedelta(days=90)
"""How long CloudTrail tells of a call without a trail of one's own."""

MOVE = "UpdateSecretVersionStage"


@dataclass(frozen=True)
class Kept:
    """One version with its content and what CloudTrail tells of it.

    `content` is None where it could not be read (`unread` says why) or where the version is gone since it was
    listed. `author` is the ARN of who wrote it, "" where CloudTrail does not tell. `staged` is whether it is known to
    have been written beside the current version; `moves` are the calls that gave it AWSCURRENT later, newest first.
    `promoted` is whether it ever was AWSCURRENT, None where that cannot be told.
    """

    version: Version
    content: Content | None
    unread: ReadFailure | None = None
    author: str = ""
    staged: bool = False
    moves: tuple[Event, ...] = ()
    promoted: bool | None = None

    @property
    def id(self) -> str:
        """The version's id."""
        return self.version.id

    @property
    def returned(self) -> Event | None:
        """The last call that gave AWSCURRENT back to it, after another version had it."""
        again = self.moves[:-1] if self.staged else self.moves
        return again[0] if again else None


@dataclass(frozen=True)
class History:
    """All versions that are kept, newest first; `writes` is None unless CloudTrail told of every kind of write."""

    kept: tuple[Kept, ...]
    writes: tuple[Event, ...] | None = None
    unread: tuple[ReadFailure, ...] = ()
    """What CloudTrail did not tell."""

    def find(self, version_id: str) -> Kept | None:
        """The version with an id."""
        return next((kept for kept in self.kept if kept.id == version_id), None)

    def before(self, kept: Kept) -> tuple[Kept, ...]:
        """The versions created before one that were AWSCURRENT, or may have been, newest first."""
        older = self.kept[self.kept.index(kept) + 1 :]
        return tuple(entry for entry in older if entry.promoted is not False)

    def short(self, version_id: str) -> str:
        """The beginning of an id that tells it from the others, at least eight characters."""
        ids = [kept.id for kept in self.kept if kept.id != version_id]
        lengths = range(8, len(version_id))
        return next((s for s in (version_id[:n] for n in lengths) if not any(i.startswith(s) for i in ids)), version_id)


@dataclass(frozen=True)
class Holder:
    """How many running tasks of a service hold one version; "" as its id where that cannot be told."""

    version_id: str
    service: str
    tasks: int


def read_history(clients: Clients, snapshot: Snapshot) -> History:
    """Read what every version that is listed holds, and who wrote it, as far as CloudTrail tells.

    A version that cannot be read stays in the history without its content. Raises CouldNotLook where AWS cannot be
    reached. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
    """
    with ThreadPoolExecutor(PARALLEL, "history") as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        trails = [_trail(gatherer, snapshot, name) for name in WRITES] if snapshot.versions else []
        answers = {
            version.id: _content(gatherer, snapshot, version.id)
            for version in snapshot.versions
            if version.id not in snapshot.contents
        }
        found: dict[str, Content | ReadFailure | None] = dict(snapshot.contents)
        found |= {version_id: _taken_apart(answer.result()) for version_id, answer in answers.items()}
        told = [answer.result() for answer in trails]
    known = [trail for trail in told if isinstance(trail, Trail)]
    events = sorted((event for trail in known for event in trail.events), key=lambda event: event.time, reverse=True)
    writes = tuple(event for event in events if not event.error)
    complete = len(known) == len(WRITES) and all(trail.complete for trail in known)
    return History(
        kept=tuple(_kept(version, found[version.id], writes, complete) for version in reversed(snapshot.versions)),
        writes=writes if complete else None,
        unread=tuple(dict.fromkeys(answer for answer in told if isinstance(answer, ReadFailure))),
    )


def holders(snapshot: Snapshot, history: History) -> tuple[Holder, ...]:
    """Which running tasks hold which version, counted by service."""
    seen = snapshot if history.writes is None else replace(snapshot, writes=history.writes)
    counts: dict[tuple[str, str], int] = {}
    for service in seen.consumers:
        for task in seen.running(service):
            by_times, held = freshness.by_times(seen, task), ""
            if by_times == "fresh" and seen.secret:
                held = seen.secret.version_at(CURRENT)
            elif by_times == "stale" and task.created:
                read = freshness.read_at(seen, task)
                held = _current_between(history, read or task.created, read or task.started or seen.taken)
            counts[held, service.name] = counts.get((held, service.name), 0) + 1
    return tuple(Holder(version_id, service, tasks) for (version_id, service), tasks in counts.items())


def _current_between(history: History, first: datetime, last: datetime) -> str:
    """The version that was AWSCURRENT all the time between two moments; "" where another may have been too."""
    came = [(kept.version.created, kept.version.created, kept.id) for kept in history.kept if not kept.staged]
    came += [(move.time, move.until, kept.id) for kept in history.kept for move in kept.moves]
    before = [version_id for _, until, version_id in sorted(came) if until <= first]
    meanwhile = {version_id for time, until, version_id in came if until > first and time <= last}
    possible = meanwhile | {*before[-1:]}
    return possible.pop() if len(possible) == 1 else ""


def _kept(version: Version, found: Content | ReadFailure | None, writes: Sequence[Event], complete: bool) -> Kept:
    calls = [event for event in writes if event.version_id == version.id]
    made = [event for event in calls if event.name != MOVE]
    moves = tuple(event for event in calls if event.name == MOVE and CURRENT in event.stages)
    at_once = any(not event.stages or CURRENT in event.stages for event in made)
    staged = bool(made) and not at_once
    promoted = at_once or bool(moves) or not {CURRENT, PREVIOUS}.isdisjoint(version.stages)
    return Kept(
        version=version,
        content=found if isinstance(found, Content) else None,
        unread=found if isinstance(found, ReadFailure) else None,
        author=made[-1].principal if made else "",
        staged=staged,
        moves=moves,
        promoted=promoted or (False if staged and complete else None),
    )


def _trail(gatherer: Gatherer, snapshot: Snapshot, name: str) -> Future[Trail | ReadFailure]:
    client, secret = gatherer.clients("cloudtrail"), snapshot.secret_name
    since = max(snapshot.taken - TRAIL_KEEPS, snapshot.versions[0].created - SAME_MOMENT)
    return gatherer.ask(
        f"who changed {secret}",
        "cloudtrail:LookupEvents",
        lambda: cloudtrail.read_trail(client, name, secret, since),
    )


def _content(
    gatherer: Gatherer, snapshot: Snapshot, version_id: str
) -> Future[secretsmanager.Value | ReadFailure | None]:
    client, name = gatherer.clients("secretsmanager"), gatherer.names.secret
    return gatherer.ask(
        f"version {version_id} of {snapshot.secret_name}",
        GET_SECRET_VALUE,
        lambda: secretsmanager.get_value(client, name, version_id=version_id),
    )


def _taken_apart(answer: secretsmanager.Value | ReadFailure | None) -> Content | ReadFailure | None:
    if isinstance(answer, ReadFailure):
        return answer
    return next(iter(contents_of(answer).values()), None)
