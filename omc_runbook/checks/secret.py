"""Faults of the secret itself: missing, scheduled for deletion, without a current version, not replicated."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from omc_runbook.aws.secretsmanager import CURRENT, Replica, Secret
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import author_of
from omc_runbook.checks.check import Evidence
from omc_runbook.checks.other_names import found_instead, secret_in_use
from omc_runbook.checks.registry import Family
from omc_runbook.snapshot.state import Snapshot

check = Family("secret", hinders="secret")

REPLICATION = timedelta(minutes=15)
"""How long replication of a change may take."""


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


@check(
    "replica-stale",
    needs=("secret",),
    severity="warning",
    symptom="not-updating",
    looks_like=("old-value",),
    ruled_out_by="DescribeSecret: ReplicationStatus and CrossAccountReplicas have InSync alone",
    hinders="",
)
def replica_stale(snapshot: Snapshot) -> Iterable[Evidence]:
    """A replica of the secret does not get its changes."""
    secret = snapshot.secret
    if secret is None or _is_under_way(snapshot, secret):
        return
    for replica in secret.replicas:
        if replica.status != "InSync":
            subject = f"{secret.name} in {replica.location}"
            yield Evidence(
                subject, _replication("to", replica), remedies.replicate(snapshot.environment.names, replica.location)
            )
    if secret.primary and secret.primary.status not in ("", "InSync"):
        facts = (*_replication("from", secret.primary), "Only the primary secret's owner can repair it.")
        advice = remedies.advise(f"Ask the owner of {secret.primary.location} to associate this replica again.")
        yield Evidence(secret.name, facts, advice, snapshot.consumer_names)


def _is_under_way(snapshot: Snapshot, secret: Secret) -> bool:
    """Whether all replicas have a change or are about to get it."""
    statuses = {replica.status for replica in (*secret.replicas, *((secret.primary,) if secret.primary else ()))}
    is_recent = secret.changed is not None and snapshot.taken - secret.changed < REPLICATION
    return is_recent and statuses <= {"", "InSync", "InProgress", "Pending"}


def _replication(direction: str, replica: Replica) -> tuple[str, ...]:
    message = f": {replica.message.rstrip('.')}" if replica.message else ""
    return (f"DescribeSecret: replication {direction} {replica.location} is {replica.status}{message}.",)
