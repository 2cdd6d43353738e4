"""Faults of the secret that an audit finds, each made in a healthy snapshot that an audit read."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import ARN, CURRENT, NAME, NOW, PREVIOUS, checkout_reading, healthy, with_keys, with_secret

from omc_runbook.aws.kms import KeyRotation, KmsKey
from omc_runbook.aws.lambda_functions import RotationFunction
from omc_runbook.aws.secretsmanager import ListedSecret, Version
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.sandbox.worlds import staging
from omc_runbook.snapshot.audit.state import Audit, ExposedValue, Exposure, Lifecycle, Search, SharedKey
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

GUARD = PolicyDocument(
    "guard",
    "resource",
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "secretsmanager:Delete*",
                "Resource": "*",
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/admin"}},
            }
        ],
    },
)
KMS_ARN = "arn:aws:kms:ap-southeast-2:123456789012:key/0f1e2d3c"
FUNCTION = "arn:aws:lambda:ap-southeast-2:123456789012:function:rotate-app-secrets"


def audited(snapshot: Snapshot | None = None) -> Snapshot:
    """A healthy snapshot with all that an audit reads of the secret, a checkout, and a policy against deletion."""
    base = with_secret(snapshot or healthy(), tags={"Owner": "core", "CostCenter": "7"})
    names = base.environment.names.model_copy(update={"prefix": "ohmycoins-staging"})
    environment = replace(base.environment, names=names, others={})
    checked = replace(base, environment=environment, resource_policy=GUARD, checkout=checkout_reading("SECRET_KEY"))
    exposure = Exposure(
        definitions=Search(count=3), logs=Search(count=900), files=Search(count=40), history=Search(count=12)
    )
    listed = tuple(
        ListedSecret(
            name=f"ohmycoins-staging-{name}",
            arn=f"{ARN}-{name}",
            tags={"Owner": name, "CostCenter": "7"},
            created=NOW - timedelta(days=400),
            accessed=NOW - timedelta(days=1),
        )
        for name in ("mail", "billing")
    )
    audit = Audit(days=90, exposure=exposure, project_secrets=listed, lifecycle=Lifecycle())
    return with_values_since(replace(checked, audit=audit), NOW - timedelta(days=10))


def with_values_since(snapshot: Snapshot, moment: datetime, former: bool = True) -> Snapshot:
    """Let all values be of that moment, after a version with others, or with none that is left."""
    before = NOW - timedelta(days=600)
    snapshot = with_keys(snapshot, PREVIOUS, **{key: secrets.token_hex(20) for key in snapshot.environment.keys})
    current = Version(CURRENT, moment, ("AWSCURRENT",))
    versions = (Version(PREVIOUS, before, ("AWSPREVIOUS",)), current) if former else (current,)
    entries = tuple(
        VersionEntry(version=each, content=snapshot.contents[each.id], promoted=True) for each in reversed(versions)
    )
    assert snapshot.audit
    audit = replace(snapshot.audit, history=VersionHistory(entries))
    return replace(with_secret(snapshot, created=before), versions=versions, audit=audit)


def with_audit(**changes: Any) -> Callable[[Snapshot], Snapshot]:
    """Let an audit have read something else."""

    def make(snapshot: Snapshot) -> Snapshot:
        found = audited(snapshot)
        assert found.audit
        return replace(found, audit=replace(found.audit, **changes))

    return make


def exposed(part: str, location: str, **changes: Any) -> Callable[[Snapshot], Snapshot]:
    """Let the present value of SECRET_KEY stand somewhere."""

    def make(snapshot: Snapshot) -> Snapshot:
        found = audited(snapshot)
        assert found.audit and found.audit.exposure
        value = replace(ExposedValue(key="SECRET_KEY", location=location, is_current=True), **changes)
        exposure = replace(found.audit.exposure, **{part: Search((value,), 1)})
        return replace(found, audit=replace(found.audit, exposure=exposure))

    return make


def shared(snapshot: Snapshot) -> Snapshot:
    """Let production have the value of SECRET_KEY under another name."""
    found = audited(snapshot)
    assert found.audit and found.audit.exposure
    exposure = replace(found.audit.exposure, shared=(SharedKey("SECRET_KEY", "production", "SIGNING_KEY"),))
    return replace(found, audit=replace(found.audit, exposure=exposure))


def with_unlabelled(snapshot: Snapshot) -> Snapshot:
    """Let many old versions have lost their labels."""
    found = audited(snapshot)
    old = (Version(f"{count:032d}", NOW - timedelta(days=300 - count), ()) for count in range(50))
    return replace(found, versions=(*old, *found.versions))


def in_production(snapshot: Snapshot) -> Snapshot:
    """Let production's secret have no policy of its own."""
    found = audited(snapshot)
    return replace(found, resource_policy=None, environment=replace(found.environment, name="production"))


def encrypted(snapshot: Snapshot) -> Snapshot:
    """Let a customer key encrypt the secret, which does not rotate."""
    key = KmsKey(arn=KMS_ARN, state="Enabled", manager="CUSTOMER", deletion=None)
    lifecycle = Lifecycle(key_rotation=KeyRotation(False))
    return replace(with_audit(lifecycle=lifecycle)(snapshot), kms_key=key)


def rotating(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Let a function rotate the secret."""
    function = replace(
        RotationFunction(arn=FUNCTION, exists=True, state="Active", log_group="/platform/rotation"), **changes
    )
    found = with_audit(lifecycle=Lifecycle(rotation_function=function))(snapshot)
    return with_secret(found, rotates=True, rotation_function=FUNCTION)


OLD_SECRET = ListedSecret(
    name="ohmycoins-staging-old",
    arn=f"{ARN}-old",
    tags={"Owner": "x", "CostCenter": "7"},
    created=NOW - timedelta(days=500),
    accessed=NOW - timedelta(days=91),
)

FAULTS = {
    "key-overdue": Fault(
        lambda s: with_values_since(audited(s), NOW - timedelta(days=180, seconds=1)),
        "SECRET_KEY",
        "since 2025-09-02 11:59:59 UTC, for 180 days of 180, and its rotation was due on 2026-03-01",
        "",
    ),
    "key-due-soon": Fault(
        lambda s: with_values_since(audited(s), NOW - timedelta(days=166)),
        "SECRET_KEY",
        "its rotation is due on 2026-03-15, in 14 days",
        "",
    ),
    "rotation-not-real": Fault(
        lambda s: with_secret(audited(s), rotated=NOW - timedelta(days=1), rotation_function=FUNCTION),
        NAME,
        "LastRotatedDate is 2026-02-28 12:00:00 UTC, and the newest value of any key is from 2026-02-19 12:00:00 UTC",
        "",
    ),
    "plain-in-definition": Fault(
        exposed("definitions", "ohmycoins-staging-worker:7 worker SIGNER", service="worker"),
        "ohmycoins-staging-worker:7 worker SIGNER",
        "environment has the present value of SECRET_KEY in SIGNER",
        "worker",
    ),
    "value-in-file": Fault(
        exposed("files", "infra/prod.tfvars:3"), "infra/prod.tfvars:3", "has the present value of SECRET_KEY", ""
    ),
    "value-in-history": Fault(
        exposed("history", ".env in commit 0a1b2c3d4e"),
        ".env in commit 0a1b2c3d4e",
        "has the present value of SECRET_KEY",
        "",
    ),
    "value-in-log": Fault(
        exposed("logs", "log group /ecs/backend, stream ecs/backend/1", service="backend"),
        "log group /ecs/backend, stream ecs/backend/1",
        "has the present value of SECRET_KEY",
        "backend",
    ),
    "value-shared": Fault(shared, "SECRET_KEY = production's SIGNING_KEY", "has the value of production's", ""),
    "key-unused": Fault(
        lambda s: with_keys(audited(s), CURRENT, OLD_TOKEN=secrets.token_hex(16)),
        "OLD_TOKEN",
        "no task definition in use refers to OLD_TOKEN, and no file of",
        "",
    ),
    "version-unlabelled": Fault(with_unlabelled, NAME, "50 versions have no staging label", ""),
    "secret-unused": Fault(
        with_audit(project_secrets=(OLD_SECRET,)), "ohmycoins-staging-old", "It costs 0.40 USD a month", ""
    ),
    "no-deletion-guard": Fault(in_production, NAME, "denies secretsmanager:DeleteSecret", ""),
    "key-not-rotated": Fault(encrypted, KMS_ARN, "KeyRotationEnabled is false", ""),
    "rotation-broken": Fault(
        lambda s: rotating(s, exists=False, state=""), NAME, f"there is no function {FUNCTION}", ""
    ),
    "tags-missing": Fault(lambda s: with_secret(audited(s), tags={"Owner": "core"}), NAME, "Tags lacks CostCenter", ""),
    "quota-near": Fault(
        lambda s: with_keys(audited(s), CURRENT, _blob=secrets.token_hex(27_000)),
        f"{NAME}: size of the value",
        "of 65,536 bytes",
        "",
    ),
}

SHOWN: Shown = {
    "key-overdue": lambda s: s.current_age() > timedelta(days=199) and s.whole(),
    "key-due-soon": lambda s: timedelta(days=169) < s.current_age() < timedelta(days=180) and s.whole(),
    "rotation-not-real": lambda s: (
        s.secret()["LastRotatedDate"] > s.since - timedelta(seconds=1)
        and s.text() == s.value("AWSPREVIOUS")["SecretString"]
        and s.whole()
    ),
    "plain-in-definition": lambda s: (
        {"name": "SESSION_SIGNER", "value": s.key("SECRET_KEY")}
        in s.definition("frontend")["containerDefinitions"][0]["environment"]
        and s.whole()
    ),
    "value-in-log": lambda s: (
        s.key("OPENAI_API_KEY")
        in s.world.logs.filter_log_events(logGroupName=f"/ecs/{staging.STAGING}/backend")["events"][-1]["message"]
        and s.whole()
    ),
    "value-shared": lambda s: s.other_value("ohmycoins-production-app-secrets")["SECRET_KEY"] == s.key("SECRET_KEY"),
    "key-unused": lambda s: bool(s.key("LEGACY_TOKEN")) and "LEGACY_TOKEN" not in s.references("backend") and s.whole(),
    "secret-unused": lambda s: (
        s.world.secretsmanager.describe_secret(SecretId=f"{staging.STAGING}-payments")["CreatedDate"]
        < s.since - timedelta(days=199)
    ),
    "version-unlabelled": lambda s: s.stages().count([]) >= 50 and s.whole(),
    "key-not-rotated": lambda s: (
        not s.world.kms.get_key_rotation_status(KeyId=s.secret()["KmsKeyId"])["KeyRotationEnabled"] and s.whole()
    ),
    "rotation-broken": lambda s: s.secret()["RotationEnabled"] and s.has_no_function(s.secret()["RotationLambdaARN"]),
    "tags-missing": lambda s: (
        not s.secret().get("Tags")
        and len(s.world.secretsmanager.describe_secret(SecretId=f"{staging.STAGING}-mail")["Tags"]) == 2
    ),
    "quota-near": lambda s: len(s.text()) > 0.8 * 65_536 and s.whole(),
}
