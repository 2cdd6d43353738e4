"""The age of each key: since when it has its present value, and which values are over their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc_runbook.masking.document import Member
from omc_runbook.snapshot.freshness import SAME_MOMENT
from omc_runbook.snapshot.history import History
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True)
class Age:
    """Since when a key has its present value: `since` for certain, and perhaps as long ago as `earliest`."""

    key: str
    since: datetime
    earliest: datetime

    @property
    def at_least(self) -> bool:
        """Whether the value may be older than what is kept shows."""
        return self.earliest < self.since - SAME_MOMENT


def ages(snapshot: Snapshot, history: History) -> tuple[Age, ...]:
    """Tell for each key of the current document that is not empty since when it has its value.

    A value is as old as the oldest version that has it and was, or may have been, current: giving an old version
    AWSCURRENT back makes its values no younger. Where nothing that is kept shows the value's beginning, it may be as
    old as the secret. () where there is no current document.
    """
    content = snapshot.current
    members = content.document.members if content and content.document else ()
    return tuple(_age(snapshot, history, member) for member in members if not member.injected.is_empty)


def due(snapshot: Snapshot, found: Sequence[Age]) -> tuple[str, ...]:
    """The keys whose value is, or may be, older than the environment allows; only those that somebody makes or gets.

    Names and addresses, such as SMTP_HOST, are never due.
    """
    known, allowed = snapshot.environment.keys, timedelta(days=snapshot.environment.names.rotation_days)
    return tuple(
        age.key
        for age in found
        if age.key in known
        and (known[age.key].generate or known[age.key].obtain_from)
        and snapshot.taken - age.earliest > allowed
    )


def _age(snapshot: Snapshot, history: History, member: Member) -> Age:
    current = history.find(snapshot.current.version_id) if snapshot.current else None
    since = earliest = current.version.created if current else snapshot.taken
    # Until an older version is seen to have had another value, this one may go back to the secret's beginning.
    open_end = True
    for kept in history.before(current) if current else ():
        if kept.content is None:
            earliest = kept.version.created if open_end else earliest
        elif kept.content.document is not None:
            before = kept.content.document.get(member.key)
            if before is not None and before.injected.same_as(member.injected):
                since = earliest = kept.version.created
                open_end = True
            else:
                open_end = False
    created = snapshot.secret.created if snapshot.secret else None
    return Age(member.key, since, min(earliest, created) if open_end and created else earliest)
