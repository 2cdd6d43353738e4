"""Who read and changed the secret, as tables: from CloudTrail, by the role or user behind each session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.checks.audit_access import UNUSED_DAYS
from omc_runbook.checks.audit_accesses import (
    FINDERS,
    OF_ANY_AGE,
    UnusualCall,
    by_principal,
    find_unusual,
    history_of,
    recent_part,
)
from omc_runbook.model.arn import partition_in
from omc_runbook.model.letters import listed
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.audit.state import Accesses
from omc_runbook.snapshot.state import Snapshot

MOST_CHANGES = 50
"""How many changes are listed, the newest."""
OWN, ECS = "this audit's caller", "tasks start with it"
"""What is said of principals whose calls are usual."""
_UNREAD = "CloudTrail was not read."


def accesses(snapshot: Snapshot) -> Table:
    """Who called the secret's APIs, how often, from where, and what is unusual about it; the busiest first."""
    title = f"Who used {snapshot.secret_name}"
    columns = ["principal", "kind", "reads", "changes", "refused", "first", "last", "addresses", "unusual"]
    history = history_of(snapshot)
    if history is None:
        return Table(title, columns, [], empty=_UNREAD)
    unusual = find_unusual(snapshot)
    usual = {**dict.fromkeys(history.execution_roles, ECS), **dict.fromkeys(history.own, OWN)}
    busiest = sorted(by_principal(history.accesses.calls).items(), key=lambda item: -len(item[1]))
    rows = [
        [*_row(principal, calls, snapshot.caller.account), _mark(principal, unusual, usual.get(principal, ""))]
        for principal, calls in busiest
    ]
    levels: dict[str, Level] = {row[-1]: "warning" for row in rows if row[-1] not in ("", OWN, ECS)}
    return Table(title, columns, rows, levels, "Nobody called its APIs.", notes=notes(history.accesses))


def _row(principal: str, calls: Sequence[Access], account: str) -> list[str]:
    """What one principal did, of calls that are sorted newest first."""
    successful = [call for call in calls if not call.error]
    addresses = [*dict.fromkeys(call.address for call in calls if call.address)]
    return [
        short_name(principal, account),
        calls[0].kind,
        str(sum(call.is_read for call in successful)),
        str(sum(not call.is_read for call in successful)),
        str(len(calls) - len(successful)),
        f"{calls[-1].time:%Y-%m-%d %H:%M}",
        f"{calls[0].time:%Y-%m-%d %H:%M}",
        listed(addresses),
    ]


def short_name(principal: str, account: str) -> str:
    """A principal's ARN, of the account itself without what all its principals share: role/backend."""
    partition = partition_in(principal) if principal.startswith("arn:") else ""
    return principal.removeprefix(f"arn:{partition}:iam::{account}:")


def _mark(principal: str, unusual: Iterable[UnusualCall], usual: str) -> str:
    return ", ".join(each.check for each in unusual if each.principal == principal) or usual


def changes_log(snapshot: Snapshot) -> Table:
    """Each call that changed the secret, its labels or its policy, newest first."""
    title = f"Who changed {snapshot.secret_name}"
    columns = ["time (UTC)", "call", "principal", "session", "address", "program", "MFA", "result"]
    found = snapshot.audit.accesses
    if found is None:
        return Table(title, columns, [], empty=_UNREAD)
    changes = [call for call in found.calls if not call.is_read]
    rows = [
        [
            f"{call.time:%Y-%m-%d %H:%M:%S}",
            call.name,
            short_name(call.principal, snapshot.caller.account),
            call.session.rpartition("/")[2],
            call.address,
            call.user_agent.partition(" ")[0],
            "yes" if call.with_mfa else "no",
            call.error or "done",
        ]
        for call in changes[:MOST_CHANGES]
    ]
    left_out = [f"{len(changes) - MOST_CHANGES} older changes are left out."] if changes[MOST_CHANGES:] else []
    levels: dict[str, Level] = {call.error: "warning" for call in changes if call.error}
    return Table(title, columns, rows, levels, "Nobody changed it.", notes=[*notes(found), *left_out])


def looks_back(check: str, days: int) -> timedelta:
    """How old the calls may be that a check finds in an audit of so many days; 0 for a check of something else."""
    if check == "unused-reader":
        # With fewer days of calls nobody is seen to read other secrets alone.
        return timedelta(days=UNUSED_DAYS if days >= UNUSED_DAYS else 0)
    if check not in FINDERS:
        return timedelta()
    return timedelta(days=days) if check in OF_ANY_AGE else recent_part(days)


def notes(found: Accesses) -> list[str]:
    """Where the calls are from, since when, and of which there are more."""
    sentences = [f"From {found.source}, since {found.since:%Y-%m-%d %H:%M} UTC."]
    limits = ", ".join(f"{name} before {time:%Y-%m-%d %H:%M} UTC" for name, time in found.cut.items())
    return sentences + ([f"There are more calls than an audit reads: {limits} are not counted."] if limits else [])
