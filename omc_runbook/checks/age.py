"""The age of each key's value, and which values are due for rotation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.masking.document import Member
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import encrypts
from omc_runbook.snapshot.freshness import SAME_MOMENT
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

DUE = "due"
"""Stands for the keys whose rotation is due."""


SOON = timedelta(days=14)
"""How long before it is due a rotation is announced."""

AgeState = Literal["overdue", "perhaps overdue", "due soon", "not due", "no limit"]
"""How a value's age compares with the environment's `rotation_days`; names and addresses have no limit."""


@dataclass(frozen=True)
class Age:
    """Since when a key has its current value: at least `since`, perhaps as long ago as `earliest`."""

    key: str
    since: datetime
    earliest: datetime
    version_id: str = ""
    """The oldest version that has the value."""

    @property
    def at_least(self) -> bool:
        """Whether the value may be older than the kept versions show."""
        return self.earliest < self.since - SAME_MOMENT


def ages(snapshot: Snapshot, history: VersionHistory) -> tuple[Age, ...]:
    """The age of each non-empty value of the current document; () without one.

    A value is as old as the oldest version that has it and was, or may have been, current: restoring a version does not
    make its values younger. Where no kept version has another value, it may be as old as the secret.
    """
    return tuple(_age(snapshot, history, member) for member in snapshot.members if not member.injected.is_empty)


def due(snapshot: Snapshot, key_ages: Sequence[Age]) -> tuple[str, ...]:
    """The keys whose value is, or may be, older than the environment's `rotation_days`.

    Only keys that are generated or obtained are due, never names and addresses such as SMTP_HOST, and none that
    encrypts data.
    """
    catalogue = snapshot.environment.keys
    return tuple(key for key in _overdue(snapshot, key_ages) if not encrypts(catalogue, key))


def overdue_encryption(snapshot: Snapshot, key_ages: Sequence[Age]) -> tuple[str, ...]:
    """The keys as old as those that are due, which are not because they encrypt data."""
    catalogue = snapshot.environment.keys
    return tuple(key for key in _overdue(snapshot, key_ages) if encrypts(catalogue, key))


def judge(snapshot: Snapshot, age: Age) -> AgeState:
    """How a value's age compares with the limit, at the time of the snapshot."""
    if not is_renewable(snapshot, age.key):
        return "no limit"
    if age.since < snapshot.taken - limit(snapshot):
        return "overdue"
    if age.earliest < snapshot.taken - limit(snapshot):
        return "perhaps overdue"
    return "due soon" if due_date(snapshot, age) <= snapshot.taken + SOON else "not due"


def limit(snapshot: Snapshot) -> timedelta:
    """The age after which a value is due for rotation."""
    return timedelta(days=snapshot.environment.names.rotation_days)


def due_date(snapshot: Snapshot, age: Age) -> datetime:
    """When the rotation of a value that is no older than `since` is due."""
    return age.since + limit(snapshot)


def _overdue(snapshot: Snapshot, key_ages: Sequence[Age]) -> tuple[str, ...]:
    return tuple(age.key for age in key_ages if judge(snapshot, age) in ("overdue", "perhaps overdue"))


def is_renewable(snapshot: Snapshot, key: str) -> bool:
    """Whether a key is generated or obtained, unlike names and addresses such as SMTP_HOST."""
    entry = snapshot.environment.keys.get(key)
    return entry is not None and bool(entry.generate or entry.obtain_from)


def _age(snapshot: Snapshot, history: VersionHistory, member: Member) -> Age:
    current = history.find(snapshot.current.version_id) if snapshot.current else None
    since = earliest = current.version.created if current else snapshot.taken
    version_id = current.id if current else ""
    # Until an older version is found with another value, this one may be as old as the secret.
    may_be_older = True
    for older_version in history.before(current) if current else ():
        if older_version.content is None:
            earliest = older_version.version.created if may_be_older else earliest
        elif older_version.content.document is not None:
            older_member = older_version.content.document.get(member.key)
            if older_member is not None and older_member.injected.same_as(member.injected):
                since = earliest = older_version.version.created
                version_id = older_version.id
                may_be_older = True
            else:
                may_be_older = False
    created = snapshot.secret.created if snapshot.secret else None
    return Age(member.key, since, min(earliest, created) if may_be_older and created else earliest, version_id)


@dataclass(frozen=True)
class Life:
    """One value of a key: from when until when the secret had it (None: it has it now), and which one it is.

    Equal values of a key have the same number, also where one came back after others.
    """

    since: datetime
    until: datetime | None
    number: int


def lives(history: VersionHistory) -> dict[str, tuple[Life, ...]]:
    """The values that each key of the current document had, oldest first, as AWSCURRENT moved.

    A key that was missing for a time has a gap between two lives.
    """
    moments = [
        (each.version.created, each) for each in history.versions if not each.staged and each.promoted is not False
    ]
    moments += [(move.time, each) for each in history.versions for move in each.moves]
    moments.sort(key=lambda moment: moment[0])
    current = next((each for each in history.versions if CURRENT in each.version.stages), None)
    if current is None:
        return {}
    if not moments or moments[-1][1] is not current:
        # It was moved back before CloudTrail's oldest event.
        moments.append((max(current.version.created, moments[-1][0] if moments else current.version.created), current))
    document = current.content.document if current.content else None
    return {key: tuple(_lives(key, moments)) for key in (document.keys if document else ())}


def _lives(key: str, moments: Sequence[tuple[datetime, VersionEntry]]) -> Iterator[Life]:
    values = list[Masked]()
    last: Life | None = None
    for moment, version in moments:
        if version.content is None or version.content.document is None:
            continue
        member = version.content.document.get(key)
        number = next((at for at, value in enumerate(values) if member and value.same_as(member.injected)), len(values))
        if member and number == len(values):
            values.append(member.injected)
        if last and member and last.number == number:
            continue
        if last:
            yield replace(last, until=moment)
        last = Life(moment, None, number) if member else None
    if last:
        yield last
