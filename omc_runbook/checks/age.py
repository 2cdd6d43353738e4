"""The age of each key's value, and which values are due for rotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc_runbook.masking.document import Member
from omc_runbook.model.catalogue import encrypts
from omc_runbook.snapshot.freshness import SAME_MOMENT
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import History

DUE = "due"
"""Stands for the keys whose rotation is due."""


@dataclass(frozen=True)
class Age:
    """Since when a key has its current value: at least `since`, perhaps as long ago as `earliest`."""

    key: str
    since: datetime
    earliest: datetime

    @property
    def at_least(self) -> bool:
        """Whether the value may be older than the kept versions show."""
        return self.earliest < self.since - SAME_MOMENT


def ages(snapshot: Snapshot, history: History) -> tuple[Age, ...]:
    """The age of each non-empty value of the current document; () without one.

    A value is as old as the oldest version that has it and was, or may have been, current: restoring a version does not
    make its values younger. Where no kept version has another value, it may be as old as the secret.
    """
    content = snapshot.current
    members = content.document.members if content and content.document else ()
    return tuple(_age(snapshot, history, member) for member in members if not member.injected.is_empty)


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


def _overdue(snapshot: Snapshot, key_ages: Sequence[Age]) -> tuple[str, ...]:
    max_age = timedelta(days=snapshot.environment.names.rotation_days)
    return tuple(
        age.key for age in key_ages if is_renewable(snapshot, age.key) and snapshot.taken - age.earliest > max_age
    )


def is_renewable(snapshot: Snapshot, key: str) -> bool:
    """Whether a key is generated or obtained, unlike names and addresses such as SMTP_HOST."""
    entry = snapshot.environment.keys.get(key)
    return entry is not None and bool(entry.generate or entry.obtain_from)


def _age(snapshot: Snapshot, history: History, member: Member) -> Age:
    current = history.find(snapshot.current.version_id) if snapshot.current else None
    since = earliest = current.version.created if current else snapshot.taken
    # Until an older version is found with another value, this one may be as old as the secret.
    may_be_older = True
    for older_version in history.before(current) if current else ():
        if older_version.content is None:
            earliest = older_version.version.created if may_be_older else earliest
        elif older_version.content.document is not None:
            older_member = older_version.content.document.get(member.key)
            if older_member is not None and older_member.injected.same_as(member.injected):
                since = earliest = older_version.version.created
                may_be_older = True
            else:
                may_be_older = False
    created = snapshot.secret.created if snapshot.secret else None
    return Age(member.key, since, min(earliest, created) if may_be_older and created else earliest)
