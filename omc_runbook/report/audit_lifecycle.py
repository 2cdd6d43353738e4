"""What protects, renews and limits the secret, in an audit, and what of it nobody uses."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.checks.audit_lifecycle import LABELS, NEAR, VERSIONS, is_guarded, missing_tags, quotas
from omc_runbook.checks.audit_unused import PRICE, unused_keys, unused_secrets
from omc_runbook.model.letters import counted
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

Row = tuple[str, str, str, str]
"""What it is, its state, the detail, and the call that it was read by."""

UNREAD = "not read"
_GOOD, _WARNING, _PLAIN = "in order", "look at this", "—"
_LEVELS: dict[str, Level] = {_GOOD: "good", _WARNING: "warning", UNREAD: "unknown"}


def lifecycle(snapshot: Snapshot) -> Table:
    """Deletion, replication, the KMS key, automatic rotation, tags and quotas, each with where it was read."""
    rows = [*_rows(snapshot, snapshot.secret)] if snapshot.secret else []
    title = f"The lifecycle of {snapshot.secret_name}"
    return Table(title, ["what", "state", "detail", "read by"], rows, _LEVELS, "The secret was not read.")


def unused(snapshot: Snapshot) -> Table:
    """The keys, versions and secrets that nothing uses, as far as was read."""
    searched = "no task definition, no file" if snapshot.checkout else "no task definition"
    why = f"{searched} refers to it{'' if snapshot.checkout else '; files were not searched'}"
    rows = [["key", key, why, "—"] for key in unused_keys(snapshot)]
    unlabelled = [version for version in snapshot.versions if not version.stages]
    if unlabelled:
        oldest = min(version.created for version in unlabelled)
        what = f"{counted(len(unlabelled), 'version')} without a label"
        rows.append(["version", what, f"the oldest of {oldest:%Y-%m-%d}; Secrets Manager removes them itself", "—"])
    for each in unused_secrets(snapshot):
        last = f"last read on {each.accessed:%Y-%m-%d}" if each.accessed else "never read"
        rows.append(["secret", each.name, last, f"{PRICE:.2f} USD"])
    unread = snapshot.unread("contents", "versions", "services", "task_definitions", "unused")
    prices = ("Prices are AWS's list prices.",) if any(row[3] != "—" for row in rows) else ()
    return Table(
        f"Unused keys and secrets of {snapshot.environment.name}",
        ["kind", "name", "why", "a month"],
        rows,
        empty=" ".join(unread) or "Every key and every secret of the environment is used.",
        notes=(*prices, *unread),
    )


def _rows(snapshot: Snapshot, secret: Secret) -> Iterator[Row]:
    days = snapshot.environment.names.recovery_days
    deletion = f"scheduled for {secret.deleted:%Y-%m-%d %H:%M} UTC" if secret.deleted else "not scheduled"
    window = f"{deletion}; the runbooks use a recovery window of {days} days"
    yield "deletion", _WARNING if secret.deleted else _GOOD, window, "DescribeSecret"
    if "resource_policy" in snapshot.gaps:
        yield "deletion guard", UNREAD, "", "GetResourcePolicy"
    else:
        guard = "a policy denies DeleteSecret" if is_guarded(snapshot) else "no policy denies DeleteSecret"
        yield "deletion guard", _GOOD if is_guarded(snapshot) else _PLAIN, guard, "GetResourcePolicy"
    yield _replication(secret)
    yield _key(snapshot)
    yield _rotation(snapshot, secret)
    yield _tags(snapshot, secret)
    for quota, count, most, unit in quotas(snapshot):
        is_near = count >= NEAR * most
        # What was not read may fill it.
        if quota in (VERSIONS, LABELS) and "versions" in snapshot.gaps and not is_near:
            yield quota, UNREAD, "", "ListSecretVersionIds"
            continue
        yield quota, _WARNING if is_near else _GOOD, f"{count:,} of {most:,} {unit}", "Secrets Manager's quotas"


def _replication(secret: Secret) -> Row:
    if not secret.replicas:
        return "replication", _PLAIN, "no replica", "DescribeSecret"
    is_stale = any(each.status != "InSync" for each in secret.replicas)
    detail = ", ".join(f"{each.location} {each.status}" for each in secret.replicas)
    more = " (verify explains it: replica-stale)" if is_stale else ""
    return "replication", _WARNING if is_stale else _GOOD, detail + more, "DescribeSecret"


def _key(snapshot: Snapshot) -> Row:
    key, part = snapshot.kms_key, snapshot.audit.lifecycle
    if not snapshot.kms_key_id or (key and key.manager == "AWS"):
        return "KMS key", _GOOD, "the AWS managed key, which AWS renews every year", "DescribeSecret"
    rotation = part.key_rotation if part else None
    if key is None or rotation is None:
        return "KMS key", UNREAD, key.arn if key else "", "GetKeyRotationStatus"
    often = f"every {rotation.days} days" if rotation.days else "automatically"
    detail = f"{key.arn} rotates {often}" if rotation.is_enabled else f"{key.arn} does not rotate"
    return "KMS key", _GOOD if rotation.is_enabled else _WARNING, detail, "GetKeyRotationStatus"


def _rotation(snapshot: Snapshot, secret: Secret) -> Row:
    if not secret.rotates:
        return "automatic rotation", _PLAIN, "off: by runbook or by hand", "DescribeSecret"
    if not secret.rotation_function:
        return "automatic rotation", _GOOD, f"by {secret.manager or 'AWS'}", "DescribeSecret"
    part = snapshot.audit.lifecycle
    function = part.rotation_function if part else None
    if function is None:
        return "automatic rotation", UNREAD, secret.rotation_function, "GetFunctionConfiguration"
    is_broken = not function.exists or "Failed" in (function.state, function.last_update)
    detail = f"{function.arn}: {(function.state or 'exists') if function.exists else 'there is no such function'}"
    return "automatic rotation", _WARNING if is_broken else _GOOD, detail, "GetFunctionConfiguration"


def _tags(snapshot: Snapshot, secret: Secret) -> Row:
    if "unused" in snapshot.gaps:
        return "tags", UNREAD, "", "ListSecrets"
    missing = missing_tags(snapshot)
    detail = f"lacks {', '.join(missing)}" if missing else ", ".join(sorted(secret.tags)) or "none"
    return "tags", _WARNING if missing else _GOOD, detail, "DescribeSecret, ListSecrets"
