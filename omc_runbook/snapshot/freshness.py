"""Whether tasks are up to date: by their processes, else by CloudTrail, else by times; only changed keys count."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Literal

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.iam import role_name
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Version
from omc_runbook.masking.document import differ
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot.held_values import ExecLook, HeldValue
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot

Freshness = Literal["fresh", "stale", "undecidable"]

TRAIL_DELAY = timedelta(minutes=15)
"""How late CloudTrail may deliver an event."""

SAME_MOMENT = timedelta(seconds=2)
"""How far apart CloudTrail and Secrets Manager may date the same change."""

SIDE_BY_SIDE = timedelta(seconds=1)
"""How far apart ECS may make the calls by which one task gets its variables, unless some are tried again."""

MOVE = "UpdateSecretVersionStage"
"""The call that moves a label to a version that exists."""

_MOST_READ = 6
"""At most how many versions, the newest first, are compared with that of a label that somebody moves."""

_NEVER = datetime.max.replace(tzinfo=UTC)
_time = attrgetter("time")


@once
def of(snapshot: Snapshot, task: Task) -> Freshness:
    """Whether a running task has the secret's present value in every variable that it gets from it."""
    if snapshot.definition(_consumers(snapshot).get(task.service, task)) is None:
        return by_times(snapshot, task)
    pairs = _references(snapshot, task)
    return _worst(of_variable(snapshot, task, container, injection) for container, injection in pairs)


def of_key(snapshot: Snapshot, task: Task, key: str) -> Freshness:
    """The same for one key alone; "fresh" where the task does not get it."""
    pairs = _references(snapshot, task)
    same = (pair for pair in pairs if pair[1].reference.key == key)
    return _worst(of_variable(snapshot, task, container, injection) for container, injection in same)


def of_variable(snapshot: Snapshot, task: Task, container: Container, injection: Injection) -> Freshness:
    """The same for one variable that a container of the task gets from the secret."""
    answer = _of_variable(snapshot, task, container, injection)
    return "undecidable" if answer == "fresh" and _refers_otherwise(snapshot, task, container, injection) else answer


def _refers_otherwise(snapshot: Snapshot, task: Task, container: Container, injection: Injection) -> bool:
    """Whether a task runs another revision than its consumer, which takes a variable from elsewhere, or lacks it."""
    consumer, revision = _consumers(snapshot).get(task.service), snapshot.definition(task)
    # Service Connect's proxy is in no revision.
    if not (consumer and revision) or revision.arn == _arn_in_force(consumer, task) or container in consumer.proxy:
        return False
    own = _own_injections(snapshot, task.task_definition_arn, container.name).get(injection.variable, ())
    (key, label, version_id), document = _source(injection), snapshot.document
    if key and document and (label, version_id) == (CURRENT, "") and document.get(key) is None:
        # No new task would get a value by it: what counts is whether this one has that of its own revision's reference.
        return any(_of_variable(snapshot, task, container, each) != "fresh" for each in own)
    sources = {*map(_source, own)}
    # What it takes by AWSCURRENT is the present value, whatever a revision that may be stuck refers to.
    has_present = (key, CURRENT, "") in sources and by_times(snapshot, task) == "fresh"
    return not has_present and (key, label, version_id) not in sources


@once
def _own_injections(snapshot: Snapshot, arn: str, container: str) -> Mapping[str, Sequence[Injection]]:
    """What a container of a revision takes from the secret, by its variables."""
    revision = snapshot.task_definitions[arn]
    # A container may have had another name.
    same = [each for each in revision.containers if each.name == container] or revision.containers
    return grouped((each.variable, each) for other, each in snapshot.own_references(revision) if other in same)


def _of_variable(snapshot: Snapshot, task: Task, container: Container, injection: Injection) -> Freshness:
    for value in values_inside(snapshot, task, container.name):
        if value.variable == injection.variable and (value.is_stale or value.is_fresh):
            return "stale" if value.is_stale else "fresh"
    label = _label(injection)
    # A fixed version does not follow the secret, and a label that no version has gives no value.
    if injection.reference.version_id or (label != CURRENT and moved_since(snapshot, label) is None):
        return "fresh"
    by_time = by_times(snapshot, task, label)
    changed = _changes(snapshot, task, injection.reference.key, label) if by_time == "stale" else set()
    if changed == {False}:
        return "fresh"
    return "undecidable" if changed == {True, False} else by_time


def has_other_references(snapshot: Snapshot, task: Task) -> bool:
    """Whether a task's revision lacks a variable of the one in force, or takes it from another key or version."""
    return any(_refers_otherwise(snapshot, task, *pair) for pair in _references(snapshot, task))


def by_times(snapshot: Snapshot, task: Task, label: str = CURRENT) -> Freshness:
    """Whether a task read the secret after a label moved to its present version, whatever keys that changed."""
    since = moved_since(snapshot, label)
    first, last = read_between(snapshot, task)
    if since is None or task.created is None or first is None:
        return "undecidable"
    if first >= since[1] or _labelled_between(snapshot, label, first, last) == {snapshot.version_at(label)}:
        return "fresh"
    return "stale" if last < since[0] else "undecidable"


def _labelled_between(snapshot: Snapshot, label: str, first: datetime, last: datetime) -> frozenset[str]:
    """Ids of the versions that had a label from one time to another, by CloudTrail; none where it may lack a call.

    It has none of AWSPREVIOUS, which moves with AWSCURRENT.

    LastChangedDate is that of any edit, such as of tags; what moved the label before the second time, is all there.
    """
    calls = _labellings(snapshot, label)
    before = (call.time for call in reversed(calls[: bisect_right(calls, first, key=_time)]) if call.until <= first)
    begun = next(before, None)
    if (
        label == PREVIOUS
        or begun is None
        or last + TRAIL_DELAY > snapshot.taken
        or begun < (snapshot.writes_since or begun)
    ):
        return frozenset()
    start, end = bisect_left(calls, begun, key=_time), bisect_right(calls, last, key=_time)
    return frozenset(call.version_id for call in calls[start:end])


@once
def _writes(snapshot: Snapshot, is_meant: Callable[[Event], bool]) -> tuple[Event, ...]:
    """The calls that are meant, of those that wrote versions or moved labels, the oldest first."""
    return tuple(sorted(filter(is_meant, snapshot.writes or ()), key=_time))


@once
def _labellings(snapshot: Snapshot, label: str) -> tuple[Event, ...]:
    """The calls that gave a version a label, the oldest first."""
    if label == CURRENT:
        return _writes(snapshot, makes_current)
    calls = (event for event in snapshot.writes or () if label in event.stages and event.version_id)
    return tuple(sorted((event for event in calls if not event.error), key=_time))


def changed_keys(snapshot: Snapshot, task: Task) -> frozenset[str] | None:
    """Keys of which a task has another value than the secret; None where its version is gone or unreadable."""
    pairs = _references(snapshot, task)
    stale = {
        (
            injection.reference.key,
            _label(injection) != CURRENT or _is_stale_inside(snapshot, task, container, injection),
        )
        for container, injection in pairs
        if of_variable(snapshot, task, container, injection) == "stale"
    }
    versions = versions_read(snapshot, task)
    changed = {key for read, _ in stale for version in versions for key in _differing(snapshot, version, read) or ()}
    changed |= {key for key, is_certain in stale if key and is_certain}
    return frozenset(changed) if changed or not stale else None


def moves_missed(snapshot: Snapshot, tasks: Iterable[Task]) -> str:
    """Which labels last moved, and when, since tasks with old values had read the secret."""
    stale = [
        _label(injection)
        for task in tasks
        for container, injection in _references(snapshot, task)
        if of_variable(snapshot, task, container, injection) == "stale"
    ]
    moves = ((label, moved_since(snapshot, label)) for label in sorted({*stale}) or [CURRENT])
    return " and ".join(f"{label} last moved, at {since[0]:%Y-%m-%d %H:%M:%S} UTC" for label, since in moves if since)


def is_current_at(snapshot: Snapshot, moment: datetime) -> bool:
    """Whether what begins at a moment certainly gets the present version."""
    since = current_since(snapshot)
    return since is not None and moment >= since[1]


@once
def current_since(snapshot: Snapshot) -> tuple[datetime, datetime] | None:
    """The earliest and the latest time at which AWSCURRENT can have moved to the present version."""
    current = snapshot.current_id
    version = next((version for version in snapshot.versions if version.id == current), None)
    if version is None:
        return None
    calls = [event for event in snapshot.writes or () if event.version_id == current and makes_current(event)]
    moves = [event for event in calls if event.name == MOVE or abs(event.time - version.created) > SAME_MOMENT]
    is_old = version.created + TRAIL_DELAY <= snapshot.taken
    # AWSPREVIOUS was current just before; a version that is only staged never was.
    was_current = [entry.created for entry in snapshot.versions if PREVIOUS in entry.stages and not calls]
    return _moved_between(snapshot, [version.created, *was_current], moves, is_known=bool(calls) or is_old)


def moved_since(snapshot: Snapshot, label: str) -> tuple[datetime, datetime] | None:
    """The earliest and the latest time at which a label can have moved to its present version; None where none has it.

    Somebody moves a label of their own, and AWSPREVIOUS moves with AWSCURRENT.
    """
    if label == CURRENT:
        return current_since(snapshot)
    labelled = snapshot.version_at(label)
    version = next((version for version in snapshot.versions if version.id == labelled), None)
    if version is None:
        return None
    with_current = (current_since(snapshot) if label == PREVIOUS else None) or (version.created, version.created)
    calls = _labellings(snapshot, label)
    moves = [call for call in calls if call.version_id == labelled]
    since = [version.created, with_current[0]]
    # Where the newest call gave it to another version, that of the present one has not come yet.
    newest = {call.version_id for call in calls if call.time == calls[-1].time}
    is_known = label == PREVIOUS or newest == {labelled}
    earliest, latest = _moved_between(snapshot, since, moves, is_known=is_known)
    return earliest, max(latest, with_current[1])


def _moved_between(
    snapshot: Snapshot, since: Iterable[datetime], moves: Sequence[Event], *, is_known: bool
) -> tuple[datetime, datetime]:
    """When a label can have moved last: not before these times, and by these calls where CloudTrail has all.

    `is_known` says that it has the call that gave the version its label.
    """
    earliest = max([*since, *(event.time for event in moves)])
    by_trail = max([earliest, *(event.until for event in moves)])
    changed = snapshot.secret.changed if snapshot.secret else None
    # Without another version, LastChangedDate is an edit of something else.
    latest = max(earliest, changed or earliest) if len(snapshot.versions) > 1 else earliest
    if not _trail_reaches(snapshot, earliest, latest, is_known=is_known):
        return earliest, max(by_trail, latest)
    # No label moved after LastChangedDate, which is no whole second.
    return earliest, min(by_trail, latest) if changed else by_trail


def read_at(snapshot: Snapshot, task: Task) -> datetime | None:
    """When a task last read the secret, by CloudTrail; None where that is not known."""
    return max((read.time for read in _reads_of(snapshot, task)), default=None)


def read_between(snapshot: Snapshot, task: Task) -> tuple[datetime | None, datetime]:
    """The earliest and the latest time at which a task can have read the secret; None where ECS does not say."""
    created, last = task.created, task.started or snapshot.taken
    reads = _reads_of(snapshot, task)
    if not reads:
        return created, last
    first, until = min(read.time for read in reads), max(read.until for read in reads)
    is_late = not task.started or task.started + TRAIL_DELAY > snapshot.taken
    if is_late and len(reads) < len(snapshot.own_references(snapshot.definition(task))):
        # CloudTrail may still deliver the others.
        first = min(first, max(first - SIDE_BY_SIDE, created or first))
        until = max(until, min(until + SIDE_BY_SIDE, last))
    return first, until


def versions_read(snapshot: Snapshot, task: Task) -> tuple[str, ...]:
    """Ids of the versions that a task can have read: none where that is not known, several after a restore.

    What was current when it was created, when it had started, and at each change between the two.
    """
    first, last = read_between(snapshot, task)
    since = first or last
    changes = [version.created for version in snapshot.versions]
    # CloudTrail's times have whole seconds, and a version may have come in that of a read.
    changes += [moment for move in _writes(snapshot, _moves_current) for moment in (move.time, move.until)]
    moments = (last, since, *(moment for moment in changes if since < moment < last))
    return tuple(dict.fromkeys(id for moment in dict.fromkeys(moments) for id in _versions_at(snapshot, moment)))


def versions_to_compare(snapshot: Snapshot, task: Task) -> frozenset[str]:
    """Ids of the versions of which a task can have a value, by whatever label its references name."""
    labels = {_label(injection) for _, injection in _references(snapshot, task)} or {CURRENT}
    return frozenset(version for label in labels for version in _read_by(snapshot, task, label))


def _read_by(snapshot: Snapshot, task: Task, label: str) -> tuple[str, ...]:
    """Ids of the versions that a task can have read by a label: any older one, by one that somebody moves.

    Also the one that has the label, where a call gave it before, or CloudTrail may not have that call.
    """
    if label == CURRENT or not snapshot.secret:
        return versions_read(snapshot, task)
    labelled, (first, last) = snapshot.version_at(label), read_between(snapshot, task)
    if first and (known := _labelled_between(snapshot, label, first, last)):
        return tuple(sorted(known))
    existing = [each for each in snapshot.versions if each.created <= last]
    older = tuple(each.id for each in existing if each.id != labelled)[-_MOST_READ:]
    same = [each for each in existing if each.id == labelled]
    if label == PREVIOUS:
        # It moves without a call, and never to the version that is current.
        may_have = versions_read(snapshot, task) != (labelled,)
    else:
        had_it = any(event.version_id == labelled and event.time <= last for event in _labellings(snapshot, label))
        is_cut = snapshot.writes_since and any(snapshot.writes_since > each.created for each in same)
        may_have = had_it or is_cut or last + TRAIL_DELAY > snapshot.taken
    return older + tuple(each.id for each in same if may_have)


def _source(injection: Injection) -> tuple[str, str, str]:
    """The key, the label and the version of a reference."""
    return injection.reference.key, _label(injection), injection.reference.version_id


def _label(injection: Injection) -> str:
    return injection.reference.stage or CURRENT


@once
def _versions_at(snapshot: Snapshot, moment: datetime) -> tuple[str, ...]:
    """Ids of the versions that can have been current at a moment.

    One that was written under another label, and whose labels show that it was current, may have been so from then on
    where CloudTrail has not delivered when it became so; and so may the current one, and the one before it, where their
    moves are not there.
    """
    late = (
        each.id
        for each in snapshot.versions
        if each.created <= moment
        and (
            (_staged(snapshot).get(each.id) == _NEVER and {CURRENT, PREVIOUS}.intersection(each.stages))
            or (each.id == snapshot.current_id and _lacks_a_move(snapshot))
            or (each.id == snapshot.previous_id and moment >= _back_since(snapshot))
        )
    )
    return tuple(dict.fromkeys((*_known_at(snapshot, moment), *late)))


def _known_at(snapshot: Snapshot, moment: datetime) -> tuple[str, ...]:
    """The same by the calls that CloudTrail has.

    The newest version that existed then, unless it was only staged, or AWSCURRENT had been moved back to an older one,
    as labels show. Where CloudTrail has the calls, these decide.
    """
    staged, moves = _staged(snapshot), _writes(snapshot, _moves_current)
    existing = [each for each in snapshot.versions if each.created <= moment and staged.get(each.id, moment) <= moment]
    if not existing:
        return tuple(dict.fromkeys(event.version_id for event in moves if event.time <= moment))
    newest = existing[-1]
    candidates = existing[:-1]
    restored = [version.id for version in candidates if {CURRENT, PREVIOUS}.intersection(version.stages)]
    before = (*_before(snapshot, existing),)
    # A later move to the newest one ends a restore; CloudTrail's times have whole seconds.
    moved = [event for event in moves if event.until > newest.created]
    begun = [event for event in moved if event.time <= moment]
    # A move to the newest one came after it, also in the same second.
    ended = [
        event
        for event in begun
        if event.until <= moment and (event.time > newest.created or event.version_id == newest.id)
    ]
    if ended:
        return tuple(dict.fromkeys(event.version_id for event in begun if event.time >= ended[-1].time))
    if begun or not moved or moved[0].version_id == newest.id:
        return tuple(dict.fromkeys((newest.id, *(event.version_id for event in begun), *restored, *before)))
    return (newest.id, *before)


def _before(snapshot: Snapshot, existing: Sequence[Version]) -> Iterator[str]:
    """Ids of the versions that may have been current instead of the newest, which and each after them may be staged."""
    for older, newer in reversed([*pairwise(existing)]):
        if not _may_be_staged(snapshot, newer):
            return
        yield older.id


@once
def _staged(snapshot: Snapshot) -> Mapping[str, datetime]:
    """The versions that were, by CloudTrail, written under another label, and until when: AWSCURRENT moved to them.

    Not those of which the lookup's limit may have cut off a move.
    """
    until = {event.version_id: event.until for event in reversed(_writes(snapshot, _moves_current))}
    since = snapshot.writes_since
    staged = (event for event in snapshot.writes or () if _is_staging(event) and (not since or since < event.time))
    return {event.version_id: until.get(event.version_id, _NEVER) for event in staged}


def _is_staging(event: Event) -> bool:
    """Whether a call wrote a version under another label than AWSCURRENT."""
    return event.name == "PutSecretValue" and bool(event.stages) and CURRENT not in event.stages and not event.error


@once
def _back_since(snapshot: Snapshot) -> datetime:
    """From when on AWSCURRENT may have been back on the version that has AWSPREVIOUS; never where calls show when.

    That one was current just before the present one. Where the newest call of another than these two came after it had
    been written, CloudTrail lacks the move back: it is late, as while a change that was taken back is made again, or
    was cut off.
    """
    created = {version.id: version.created for version in snapshot.versions if version.id != snapshot.current_id}
    # UpdateSecret without a value has a token that is no version's id.
    calls = [event for event in _writes(snapshot, makes_current) if event.version_id in created]
    if not calls or created.get(snapshot.previous_id, _NEVER) > calls[-1].time:
        return _NEVER
    newest = calls[-1].time
    if snapshot.previous_id in {event.version_id for event in calls if event.time == newest}:
        return _NEVER
    is_cut = snapshot.writes_since is not None and snapshot.writes_since > newest
    return newest if is_cut else max(newest, snapshot.taken - TRAIL_DELAY)


def _may_be_staged(snapshot: Snapshot, version: Version) -> bool:
    """Whether a version has or may have had a label of its own, such as AWSPENDING, and no call shows how it came."""
    calls = [event for event in snapshot.writes or () if event.version_id == version.id and not event.error]
    # A move alone does not show how the version was written, where CloudTrail may still deliver that.
    is_late = version.created + TRAIL_DELAY > snapshot.taken
    is_known = any(event.name != MOVE or not is_late for event in calls)
    is_known &= version.id in _staged(snapshot) or not any(map(_is_staging, calls))
    return not is_known and bool(is_late or calls or not {CURRENT, PREVIOUS}.issuperset(version.stages))


def values_inside(snapshot: Snapshot, task: Task, container: str = "") -> tuple[HeldValue, ...]:
    """The values inside a task, or one container of it, of variables from the secret; () where they were not read."""
    looks = [look for look in _looks(snapshot).get(task.id, ()) if container in ("", look.container)]
    return tuple(value for look in looks for value in look.values.values() if value.has_reference and value.expected)


@once
def _looks(snapshot: Snapshot) -> Mapping[str, Sequence[ExecLook]]:
    """The looks inside tasks by the task's id."""
    return grouped((look.task_id, look) for look in snapshot.exec_looks or ())


def _worst(answers: Iterable[Freshness]) -> Freshness:
    states = {*answers}
    return "stale" if "stale" in states else "undecidable" if "undecidable" in states else "fresh"


def _references(snapshot: Snapshot, task: Task) -> tuple[tuple[Container, Injection], ...]:
    """The references to the secret that a task should have: its consumer's, else its own revision's."""
    consumer = _consumers(snapshot).get(task.service)
    if consumer is None:
        return snapshot.own_references(snapshot.definition(task))
    return snapshot.references_of(consumer, _arn_in_force(consumer, task))


def _arn_in_force(consumer: Service, task: Task) -> str:
    """The ARN of the revision that a task should run: of its task set, or of its service."""
    arn = task.task_definition_arn
    return arn if arn in consumer.task_sets else consumer.task_definition_arn


@once
def _consumers(snapshot: Snapshot) -> Mapping[str, Service]:
    """The consumers by name."""
    return {service.name: service for service in snapshot.consumers}


def _is_stale_inside(snapshot: Snapshot, task: Task, container: Container, injection: Injection) -> bool:
    values = values_inside(snapshot, task, container.name)
    return any(value.variable == injection.variable and value.is_stale for value in values)


def _changes(snapshot: Snapshot, task: Task, key: str, label: str) -> set[bool | None]:
    """Whether a key has another value now than in each version that a task can have read; None if not comparable."""
    differing = [_differing(snapshot, version, key, label) for version in _read_by(snapshot, task, label)]
    return {None if keys is None else bool(keys) for keys in differing}


@once
def _differing(snapshot: Snapshot, version: str, key: str, label: str = CURRENT) -> frozenset[str] | None:
    """Of what a reference to a key gets, the keys with another value now than in a version; None if not comparable."""
    now = snapshot.version_at(label)
    former, current = snapshot.contents.get(version), snapshot.contents.get(now)
    if former is None or current is None or former.document is None or current.document is None:
        return None
    # A reference without a key gets the whole document.
    keys = {key} if key else {*former.document.keys, *current.document.keys}
    return frozenset(each for each in keys if differ(former.document.get(each), current.document.get(each)))


def makes_current(event: Event) -> bool:
    """Whether a call gave a version AWSCURRENT, and not another label alone."""
    return not event.error and (not event.stages or CURRENT in event.stages)


def _moves_current(event: Event) -> bool:
    """Whether a call moved AWSCURRENT to a version that had been created before."""
    return event.name == MOVE and bool(event.version_id) and makes_current(event)


def _trail_reaches(snapshot: Snapshot, since: datetime, moment: datetime, *, is_known: bool) -> bool:
    """Whether CloudTrail's answer is complete from one time to another: that is long ago, or its own event is there.

    One that is there proves nothing where the call that is asked about (`is_known`) has not come yet.
    """
    if snapshot.writes is None or (snapshot.writes_since and snapshot.writes_since > since):
        return False
    if _lacks_a_move(snapshot):
        return False
    has_event = is_known and any(abs(event.time - moment) <= SAME_MOMENT for event in snapshot.writes)
    return has_event or moment + TRAIL_DELAY <= snapshot.taken


@once
def _lacks_a_move(snapshot: Snapshot) -> bool:
    """Whether the labels show that AWSCURRENT moved after the newest call that CloudTrail has for it: that may be late.

    It moved back, or to a version that was written under another label. A newer version than all these may have come
    without a call, as by a rotation that AWS manages.
    """
    if _staged(snapshot).get(snapshot.current_id) == _NEVER:
        return True
    calls = _writes(snapshot, makes_current)
    current = next((version for version in snapshot.versions if version.id == snapshot.current_id), None)
    if not calls or current is None:
        return False
    newest = calls[-1]
    # Of those in one second, none is known to be the last.
    last = {event.version_id for event in calls if event.time == newest.time}
    return any(
        version.created > max(newest.until, current.created)
        or (version.id in last and current.id not in last and newest.until > current.created)
        for version in snapshot.versions
        if PREVIOUS in version.stages
    )


def _reads_of(snapshot: Snapshot, task: Task) -> list[Event]:
    """The calls by which a task got its variables: ECS makes one for each, and a version may come between them.

    The application's own calls are the task role's, in a session of the same name.
    """
    revision = snapshot.definition(task)
    has_two = revision and revision.task_role_arn != revision.execution_role_arn
    application = f"/{role_name(revision.task_role_arn)}/{task.id}" if revision and has_two else None
    own = _reads(snapshot).get(task.id, ())
    return [event for event in own if not (application and event.principal.endswith(application))]


@once
def _reads(snapshot: Snapshot) -> Mapping[str, Sequence[Event]]:
    """The calls that read the secret, by the session that made them."""
    return grouped((each.principal.rpartition("/")[2], each) for each in snapshot.reads or () if not each.error)
