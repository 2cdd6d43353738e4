"""Faults of other secrets and of SSM parameters, each made in a healthy snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import (
    ACCOUNT,
    NOW,
    REGION,
    ROLE,
    simulated,
    simulation,
    stuck,
    with_container,
    with_permissions,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.aws.ssm import Parameter
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot.other_references import permission_of
from omc_runbook.snapshot.other_sources import OtherSource
from omc_runbook.snapshot.state import Snapshot

ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:payments-Xy12Zz"
KEY_REFERENCE = f"{ARN}:token::"
PARAMETER = "/ohmycoins/staging/sender"
LONG_AGO = NOW - timedelta(days=60)
FAILED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): "
)
DENIED_STOP = (
    f"{FAILED}failed to fetch secret {ARN} from secrets manager: operation error Secrets Manager: GetSecretValue, api "
    f"error AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/x/y is not authorized to perform: "
    f"secretsmanager:GetSecretValue on resource: {ARN} with an explicit deny in a resource-based policy"
)
LACKING_STOP = f"{FAILED}retrieved secret from Secrets Manager did not contain json key token"


def secret(**changes: Any) -> Secret:
    """Another secret, whose value is older than all tasks."""
    default = Secret(
        arn=ARN,
        name="payments",
        created=LONG_AGO,
        deleted=None,
        changed=LONG_AGO,
        kms_key_id="",
        stages={"0" * 32: ("AWSCURRENT",)},
    )
    return replace(default, **changes)


def refer(
    snapshot: Snapshot,
    value_from: str = KEY_REFERENCE,
    decision: str = "allowed",
    **source: Any,
) -> Snapshot:
    """Let the worker refer to another source that it may read, of which all this was read."""
    reference = parse(value_from)
    edited = with_container(
        snapshot, "worker", lambda old: replace(old, secrets=(*old.secrets, Injection("OTHER_TOKEN", reference)))
    )
    action, resource = permission_of(reference, edited)
    result = simulation(action, resource, decision)
    known = edited.permissions.get(ROLE) or simulated("allowed")
    granted = with_permissions(edited, replace(known, simulated=(*known.simulated, result)))
    default = {"secret": secret()} if reference.kind == "secretsmanager" else {"parameter": Parameter(PARAMETER, None)}
    other = OtherSource(reference=reference, arn=resource, changed=LONG_AGO)
    return replace(granted, other_sources={reference.source: replace(other, **{**default, **source})})


def failing(snapshot: Snapshot, reason: str) -> Snapshot:
    """Let the worker's new tasks stop for a reason."""
    return stuck(snapshot, "worker", reason)


def changed(value_from: str, at: datetime = NOW - timedelta(hours=2)) -> Callable[[Snapshot], Snapshot]:
    """Let another source have a value that is newer than the worker's tasks."""
    return lambda snapshot: refer(snapshot, value_from, changed=at)


FAULTS = {
    "other-secret-missing": Fault(
        lambda s: refer(s, secret=None), "payments-Xy12Zz", f"there is no secret {ARN}", "worker"
    ),
    "other-secret-denied": Fault(
        lambda s: refer(s, decision="implicitDeny"), "payments", "SimulatePrincipalPolicy: implicitDeny", "worker"
    ),
    "other-secret-key": Fault(
        lambda s: failing(refer(s, keys=frozenset({"other"})), LACKING_STOP),
        "payments token",
        "GetSecretValue: payments has no key token",
        "worker",
    ),
    "other-secret-rotated": Fault(
        changed(KEY_REFERENCE),
        "payments",
        "1 of 1 running tasks of worker started before its current version",
        "worker",
    ),
    "parameter-missing": Fault(
        lambda s: refer(s, PARAMETER, parameter=None), PARAMETER, f"there is no parameter {PARAMETER}", "worker"
    ),
    "parameter-denied": Fault(
        lambda s: refer(s, PARAMETER, decision="implicitDeny"),
        PARAMETER,
        "implicitDeny for ssm:GetParameters",
        "worker",
    ),
    "parameter-changed": Fault(
        changed(PARAMETER), PARAMETER, "1 of 1 running tasks of worker started before it was last written", "worker"
    ),
}

SHOWN: Shown = {
    "other-secret-missing": lambda s: "find the specified secret" in s.reasons() and bool(s.text()),
    "other-secret-denied": lambda s: f"resource: {s.other()}" in s.reasons() and "no identity-based" in s.reasons(),
    "other-secret-key": lambda s: "json key SMS_PASSWORD" in s.reasons() and "SMS_PASSWORD" not in s.text(),
    "other-secret-rotated": lambda s: (
        s.world.secretsmanager.describe_secret(SecretId=s.other())["LastChangedDate"] > s.running("worker")["startedAt"]
        and s.whole()
    ),
    "parameter-missing": lambda s: "ParameterNotFound" in s.reasons(),
    "parameter-denied": lambda s: "not authorized to perform: ssm:GetParameters" in s.reasons(),
    "parameter-changed": lambda s: "SMS_CREDENTIAL" in s.references("worker") and s.whole(),
}
