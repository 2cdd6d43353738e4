"""Unusual calls on the secret, each made in a snapshot of an audit in which all calls are usual."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import ACCOUNT, NAME, NOW, REGION, ROLE

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.model.environment import PRODUCTION
from omc_runbook.sandbox.faults import audit_monitoring as played
from omc_runbook.sandbox.faults.secret import REPLICA_REGION
from omc_runbook.snapshot.audit.state import Accesses, Audit
from omc_runbook.snapshot.state import Snapshot

REPORTS, STRANGER = f"arn:aws:iam::{ACCOUNT}:role/reports", f"arn:aws:iam::{ACCOUNT}:role/contractor"
CALLER = f"arn:aws:iam::{ACCOUNT}:role/on-call"
"""The role behind the caller of the healthy snapshot."""


def call(days: float, principal: str = REPORTS, **changes: Any) -> Access:
    """A read so many days ago."""
    usual = Access(
        name="GetSecretValue",
        time=NOW - timedelta(days=days),
        principal=principal,
        kind="role",
        session=principal.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/i-0123",
        account=ACCOUNT,
        address="203.0.113.7",
        user_agent="Boto3/1.40",
        region=REGION,
        request_id=f"{principal} {days}",
    )
    return replace(usual, **changes)


USUAL = (
    *(call(day) for day in range(2, 80, 3)),
    *(call(day, ROLE, address="ecs-tasks.amazonaws.com") for day in (9, 9.001, 40)),
    call(0.01, CALLER, address="198.51.100.200"),
)
"""What happens in a healthy environment: a role reads now and then, tasks start, and somebody runs the audit."""


def audited(snapshot: Snapshot, *more: Access, days: int = 90, **changes: Any) -> Snapshot:
    """An audit that found the usual calls, and these."""
    calls = tuple(sorted((*USUAL, *more), key=lambda each: each.time, reverse=True))
    found = Accesses(calls=calls, since=NOW - timedelta(days=days), source="CloudTrail's event history")
    return replace(snapshot, audit=Audit(days=days, accesses=replace(found, **changes)))


def in_production(snapshot: Snapshot) -> Snapshot:
    """The same as the production environment."""
    return replace(snapshot, environment=replace(snapshot.environment, name=PRODUCTION))


FAULTS = {
    "new-reader": Fault(
        lambda s: audited(s, call(1, STRANGER)), STRANGER, f"A read of {STRANGER}, the first at 2026-02-28", ""
    ),
    "human-read-production": Fault(
        lambda s: audited(in_production(s), call(1, user_agent="Mozilla/5.0")),
        REPORTS,
        "A person did it: the call came from a browser.",
        "",
    ),
    "new-address": Fault(
        lambda s: audited(s, call(1, address="198.51.100.9")), REPORTS, "it called from 203.0.113.0/24 alone", ""
    ),
    "read-burst": Fault(
        lambda s: audited(s, *(call(1.01 + each / 10_000) for each in range(30))),
        REPORTS,
        f"30 reads of {REPORTS} in the hour from",
        "",
    ),
    "rising-errors": Fault(
        lambda s: audited(s, *(call(1 + each / 10, error="AccessDeniedException") for each in range(6))),
        REPORTS,
        f"6 calls of {REPORTS} failed since 2026-02-22 with AccessDeniedException",
        "",
    ),
    "catch-all-batch": Fault(
        lambda s: audited(s, call(1, name="BatchGetSecretValue", filters=("name: ohmycoins",))),
        REPORTS,
        f"got {NAME} without naming it",
        "",
    ),
    "read-from-other-region": Fault(
        lambda s: audited(s, call(1, region="us-east-1")), REPORTS, "in us-east-1, the last at", ""
    ),
}

SHOWN: Shown = {
    "new-reader": lambda s: s.roles_that_read(days=7) - s.roles_that_read(days=90, until=7) == {played.STRANGER},
    "new-address": lambda s: {played.ELSEWHERE} < s.addresses_of(played.REPORTS),
    "read-burst": lambda s: len([call for call in s.past_reads(days=7) if played.REPORTS in str(call)]) == 40,
    "rising-errors": lambda s: len([call for call in s.past_reads(days=7) if "errorCode" in call]) == 9,
    "catch-all-batch": lambda s: (
        [call["requestParameters"] for call in s.past_reads(days=7, name="BatchGetSecretValue")]
        == [{"filters": [{"key": "name", "values": ["ohmycoins"]}]}]
    ),
    "read-from-other-region": lambda s: (
        [each["Region"] for each in s.secret()["ReplicationStatus"]] == [REPLICA_REGION]
        and len(s.past_reads(days=7, region=REPLICA_REGION)) == 1
    ),
}
