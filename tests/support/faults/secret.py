"""Faults of the family secret, each made in a healthy snapshot."""

from dataclasses import replace
from datetime import timedelta

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import CURRENT, NAME, NOW, PREVIOUS, with_secret

from omc_runbook.aws.secretsmanager import Replica

FAULTS = {
    "secret-missing": Fault(
        lambda s: replace(s, secret=None, versions=(), contents={}), NAME, f"there is no secret {NAME}"
    ),
    "scheduled-deletion": Fault(
        lambda s: replace(with_secret(s, deleted=NOW + timedelta(days=7)), contents={}), NAME, "DeletedDate 2026-03-08"
    ),
    "no-current-version": Fault(
        lambda s: replace(with_secret(s, stages={PREVIOUS: ("AWSPREVIOUS",)}), contents={}),
        NAME,
        "stages in use: AWSPREVIOUS",
    ),
    "rotation-pending": Fault(
        lambda s: with_secret(s, stages={CURRENT: ("AWSCURRENT",), "9" * 32: ("AWSPENDING",)}), NAME, "9" * 32
    ),
    "rotation-overdue": Fault(
        lambda s: with_secret(s, rotates=True, rotated=NOW - timedelta(days=40), next_rotation=NOW - timedelta(days=9)),
        NAME,
        "its rotation was due on 2026-02-20, and LastRotatedDate is 2026-01-20",
    ),
    "replica-stale": Fault(
        lambda s: with_secret(s, replicas=(Replica("us-east-1", "Failed", "A secret of this name exists."),)),
        f"{NAME} in us-east-1",
        "replication to us-east-1 is Failed: A secret of this name exists.",
        "",
    ),
}

SHOWN: Shown = {
    "secret-missing": lambda s: not s.secret() and s.refused("can't find the specified secret"),
    "scheduled-deletion": lambda s: "DeletedDate" in s.secret() and s.refused("marked for deletion"),
    "no-current-version": lambda s: not s.secret().get("VersionIdsToStages") and s.refused("staging label: AWSCURRENT"),
    "rotation-pending": lambda s: ["AWSPENDING"] in s.secret()["VersionIdsToStages"].values() and s.whole(),
    "rotation-overdue": lambda s: (
        s.secret()["RotationEnabled"] and s.secret()["NextRotationDate"] < s.since - timedelta(days=13) and s.whole()
    ),
    "replica-stale": lambda s: (
        [(each["Region"], each["Status"]) for each in s.secret()["ReplicationStatus"]] == [("us-east-1", "Failed")]
        and s.whole()
    ),
}
