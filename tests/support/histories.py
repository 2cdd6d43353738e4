"""A healthy environment whose secret was written some days ago, with its versions, and plans that know of all."""

from __future__ import annotations

from datetime import timedelta

from support.snapshots import CURRENT as CURRENT_ID
from support.snapshots import healthy, with_secret

from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Version
from omc_runbook.changes.fix.plan import FixPlan, plan_fix
from omc_runbook.diagnosis import root_causes
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

FORMER_ID = "f" * 32


def with_history(days: int) -> tuple[Snapshot, VersionHistory]:
    """The environment, and its current version of that many days ago, by ana, after a former one without a value."""
    snapshot = healthy()
    moment = snapshot.taken - timedelta(days=days)
    snapshot = with_secret(snapshot, created=moment)
    current = Version(CURRENT_ID, created=moment, stages=(CURRENT,))
    former = Version(FORMER_ID, created=moment, stages=(PREVIOUS,))
    author = "arn:aws:iam::123456789012:user/ana"
    entries = (
        VersionEntry(version=current, content=snapshot.current, author=author),
        VersionEntry(version=former, content=None),
    )
    return snapshot, VersionHistory(entries)


def planned(snapshot: Snapshot) -> FixPlan:
    """The plan against what is found in a snapshot, whose former versions are all known."""
    entries = [
        VersionEntry(version=version, content=snapshot.contents.get(version.id), promoted=True)
        for version in snapshot.versions
    ]
    return plan_fix(snapshot, root_causes.diagnose(snapshot), VersionHistory(tuple(reversed(entries))))
