"""Faults of the secret itself: missing, scheduled for deletion, without a current version, not replicated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from omc_runbook.aws.secretsmanager import CURRENT, PENDING, Replica, Secret
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import author_of
from omc_runbook.checks.check import Evidence, Family
from omc_runbook.checks.other_names import correct, found_instead, in_doubt, is_misnamed
from omc_runbook.checks.secret_owner import in_primary, restore_elsewhere
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Remedy
from omc_runbook.model.same_secret import region_of
from omc_runbook.snapshot.state import Snapshot

check = Family("secret", needs=("secret",), hinders="secret")
stale_check = Family("secret", needs=("secret",), severity="warning", symptom="not-updating", looks_like=("old-value",))

ROTATING = timedelta(hours=1)
"""How long a rotation may take."""
WINDOW = timedelta(days=1)
"""How long after NextRotationDate a rotation may begin."""
REPLICATION = timedelta(minutes=15)
"""How long replication of a change may take."""


@check("secret-missing", looks_like=("not-found",), ruled_out_by="DescribeSecret found the secret")
def secret_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret does not exist."""
    names = snapshot.environment.names
    if snapshot.secret is None:
        facts = (f"DescribeSecret: there is no secret {names.secret} in {names.region}.", *found_instead(snapshot))
        right = correct(snapshot, "secret") if is_misnamed(snapshot) else None
        doubt = () if right else in_doubt(snapshot)
        remedy = right or _first_secret(snapshot.environment)
        yield Evidence(names.secret, (*facts, *doubt), remedy, snapshot.consumer_names)


def _first_secret(environment: Environment) -> Remedy:
    """How to create the secret, unless it is named by an ARN, whose end AWS alone chooses."""
    names, source = environment.names, environment.source_of("secret")
    if ":" not in names.secret:
        return remedies.create(environment)
    if (region := region_of(names)) != names.region:
        where = f"{environment.name} is read in {names.region}"
        return Remedy(f"Correct secret in {source}, whose ARN is of {region}, or region: {where}.")
    return Remedy(f"Correct secret in {source}: no secret is created by an ARN, only by a name.")


@check("scheduled-deletion", looks_like=("not-found",), ruled_out_by="DescribeSecret: there is no DeletedDate")
def scheduled_deletion(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is scheduled for deletion."""
    secret = snapshot.secret
    if secret and secret.deleted:
        facts = (
            f"DescribeSecret answers with DeletedDate {secret.deleted:%Y-%m-%d %H:%M} UTC.",
            "GetSecretValue is refused until the secret is restored.",
            *author_of(snapshot, "DeleteSecret"),
        )
        environment, elsewhere = snapshot.environment, restore_elsewhere(secret)
        remedy = remedies.with_runbook("create", environment, remedies.restore_secret(environment.names))
        remedy = Remedy(f"{elsewhere}; then redeploy.") if elsewhere else remedy
        yield Evidence(secret.name, facts, remedy, snapshot.consumer_names)


@check(
    "no-current-version",
    looks_like=("not-found",),
    ruled_out_by="DescribeSecret: VersionIdsToStages has AWSCURRENT on a version",
)
def no_current_version(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret has no current version."""
    secret = snapshot.secret
    if secret and not secret.deleted and not secret.version_at(CURRENT):
        stages = ", ".join(sorted({stage for stages in secret.stages.values() for stage in stages})) or "none"
        fact = f"DescribeSecret: no version has {CURRENT} (stages in use: {stages})."
        yield Evidence(secret.name, (fact,), remedies.update(snapshot.environment), snapshot.consumer_names)


@stale_check(
    "rotation-pending",
    needs=("secret", "versions", "other_sources"),
    looks_like=("old-value", "login-refused"),
    ruled_out_by="DescribeSecret: no version has AWSPENDING, or the current one has it",
)
def rotation_pending(snapshot: Snapshot) -> Iterable[Evidence]:
    """A rotation has not ended: AWSPENDING and AWSCURRENT are on different versions."""
    created = {version.id: version.created for version in snapshot.versions}
    for secret, services in _secrets(snapshot):
        pending = secret.version_at(PENDING)
        since = created.get(pending) or secret.changed
        if not pending or secret.deleted or pending == secret.version_at(CURRENT):
            continue
        is_running = secret.rotates and since is not None and since > snapshot.taken - ROTATING
        facts = (
            f"DescribeSecret: version {pending} of {secret.name} has {PENDING}, and AWSCURRENT is on another one.",
            *((f"It was created at {since:%Y-%m-%d %H:%M:%S} UTC.",) if pending in created else ()),
            "The rotation may still be running."
            if is_running
            else "Secrets Manager treats that rotation as in progress, and starts no other.",
            *(() if secret.rotates else ("RotationEnabled is false: it was cancelled, or the label was set by hand.",)),
        )
        drop = remedies.drop_pending(secret).command
        way = f"Unless somebody is about to make that version current, run `{drop}`."
        if secret.primary:
            way = f"End it in {secret.primary.location}, where the primary secret is: its labels are replicated here."
        elif secret.manager:
            way = f"See in {_log(secret)} why it failed, and let {secret.manager} mend that, which alone may end it."
        elif secret.rotates:
            way = f"See in {_log(secret)} why it failed; then run `{drop}`, and rotate again."
        yield Evidence(secret.name, facts, Remedy(way), services, "info" if is_running else None)


@stale_check(
    "rotation-overdue",
    needs=("secret", "other_sources"),
    ruled_out_by="DescribeSecret: RotationEnabled is false, or NextRotationDate is in the future",
    because_of=("rotation-pending",),
)
def rotation_overdue(snapshot: Snapshot) -> Iterable[Evidence]:
    """Automatic rotation is overdue."""
    for secret, services in _secrets(snapshot):
        due, last = secret.next_rotation, secret.rotated or secret.created
        if due is None and last and secret.rotation_days:
            due = last + timedelta(days=secret.rotation_days)
        if secret.rotates and not secret.deleted and due and due < snapshot.taken - WINDOW:
            moved = f"LastRotatedDate is {secret.rotated:%Y-%m-%d}" if secret.rotated else "it has no LastRotatedDate"
            facts = (
                f"DescribeSecret: RotationEnabled is true for {secret.name}, its rotation was due on {due:%Y-%m-%d},"
                f" and {moved}.",
            )
            rotate = remedies.in_region(secret.region, "secretsmanager", "rotate-secret", "--secret-id", secret.name)
            check = "" if secret.manager else ", and check that Secrets Manager may invoke it"
            remedy = Remedy(f"Read {_log(secret)}{check}; then run `{rotate.command}`.")
            yield Evidence(secret.name, facts, in_primary(secret, remedy), services)


def _log(secret: Secret) -> str:
    """Where it is written why a rotation failed; what AWS or its partner manages is rotated without a function.

    See https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_managed.html
    """
    if not secret.manager:
        return "the log of the rotation's Lambda function"
    return f"CloudTrail's events RotationFailed (`{remedies.show_failed_rotations(secret).command}`)"


def _secrets(snapshot: Snapshot) -> Iterator[tuple[Secret, frozenset[str]]]:
    """The environment's secret and the others that tasks read, each with the services that do."""
    if snapshot.secret:
        yield snapshot.secret, snapshot.consumer_names
    for name, source in snapshot.other_sources.items():
        services = frozenset(
            service.name
            for service in snapshot.consumers
            if any(injection.reference.source == name for *_, injection in snapshot.other_references_of(service))
        )
        if source.secret:
            yield source.secret, services


@stale_check(
    "replica-stale",
    ruled_out_by="DescribeSecret: no replica of ReplicationStatus and CrossAccountReplicas stays out of sync",
)
def replica_stale(snapshot: Snapshot) -> Iterable[Evidence]:
    """A replica of the secret does not get its changes."""
    secret = snapshot.secret
    if secret is None or _is_under_way(snapshot, secret):
        return
    for replica in secret.replicas:
        if replica.status != "InSync":
            subject = f"{secret.name} in {replica.location}"
            names = snapshot.environment.names
            yield Evidence(subject, _replication("to", replica), remedies.replicate(names, replica))
    if secret.primary and secret.primary.status not in ("", "InSync"):
        facts = (*_replication("from", secret.primary), "Only the primary secret's owner can repair it.")
        advice = Remedy(f"Ask the owner of {secret.primary.location} to associate this replica again.")
        yield Evidence(secret.name, facts, advice, snapshot.consumer_names)


def _is_under_way(snapshot: Snapshot, secret: Secret) -> bool:
    """Whether all replicas have a change or are about to get it."""
    statuses = {replica.status for replica in (*secret.replicas, *((secret.primary,) if secret.primary else ()))}
    is_recent = secret.changed is not None and snapshot.taken - secret.changed < REPLICATION
    return is_recent and statuses <= {"", "InSync", "InProgress", "Pending"}


def _replication(direction: str, replica: Replica) -> tuple[str, ...]:
    message = f": {replica.message.rstrip('.')}" if replica.message else ""
    return (f"DescribeSecret: replication {direction} {replica.location} is {replica.status}{message}.",)
