"""Faults of the secret itself: missing, scheduled for deletion, without a current version."""

from __future__ import annotations

from collections.abc import Iterable

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import author_of
from omc_runbook.checks.check import Evidence
from omc_runbook.checks.other_names import found_instead, secret_in_use
from omc_runbook.checks.registry import Family
from omc_runbook.snapshot.state import Snapshot

check = Family("secret", hinders="secret")


@check("secret-missing", needs=("secret",), looks_like=("not-found",), ruled_out_by="DescribeSecret found the secret")
def secret_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret does not exist."""
    names = snapshot.environment.names
    if snapshot.secret is None:
        other = secret_in_use(snapshot)
        yield Evidence(
            names.secret,
            (f"DescribeSecret: there is no secret {names.secret} in {names.region}.", *found_instead(snapshot)),
            remedies.find_names(snapshot.environment) if other else remedies.create(snapshot.environment),
            snapshot.consumer_names,
        )


@check(
    "scheduled-deletion",
    needs=("secret",),
    looks_like=("not-found",),
    ruled_out_by="DescribeSecret: there is no DeletedDate",
)
def scheduled_deletion(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is scheduled for deletion."""
    secret = snapshot.secret
    if secret and secret.deleted:
        yield Evidence(
            secret.name,
            (
                f"DescribeSecret answers with DeletedDate {secret.deleted:%Y-%m-%d %H:%M} UTC.",
                "GetSecretValue is refused until the secret is restored.",
                *author_of(snapshot, "DeleteSecret"),
            ),
            remedies.undelete(snapshot.environment),
            snapshot.consumer_names,
        )


@check(
    "no-current-version",
    needs=("secret",),
    looks_like=("not-found",),
    ruled_out_by="DescribeSecret: VersionIdsToStages has AWSCURRENT on a version",
)
def no_current_version(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret has no current version."""
    secret = snapshot.secret
    if secret and not secret.deleted and not secret.version_at(CURRENT):
        stages = ", ".join(sorted({stage for stages in secret.stages.values() for stage in stages})) or "none"
        yield Evidence(
            secret.name,
            (f"DescribeSecret: no version has {CURRENT} (stages in use: {stages}).",),
            remedies.update(snapshot.environment),
            snapshot.consumer_names,
        )
