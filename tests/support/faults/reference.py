"""Faults of the family reference, each made in a healthy snapshot."""

import json
import secrets
from collections.abc import Callable
from dataclasses import replace

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import (
    ACCOUNT,
    ARN,
    NAME,
    NOW,
    REGION,
    with_container,
    with_definition,
    with_reference,
    with_secret,
    with_service,
)

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.model.value_from import parse
from omc_runbook.sandbox import account
from omc_runbook.sandbox.worlds import staging
from omc_runbook.snapshot.state import Snapshot

BASE = ARN.rpartition("-")[0]
OTHER = "210987654321"
THEIRS = ARN.replace(ACCOUNT, OTHER)
VERSION = secrets.token_hex(16)
SUBJECT = "ohmycoins-staging-worker:7 worker SECRET_KEY"


def refers(value_from: str) -> Callable[[Snapshot], Snapshot]:
    """Let the worker's SECRET_KEY come from elsewhere."""
    return lambda snapshot: with_reference(snapshot, "worker", "SECRET_KEY", value_from)


def shared(key: str) -> Callable[[Snapshot], Snapshot]:
    """Let the worker's SECRET_KEY come from another account's secret under a KMS key."""
    secret = Secret(arn=THEIRS, name=NAME, created=NOW, deleted=None, changed=NOW, kms_key_id=key, stages={})
    return lambda snapshot: replace(refers(f"{THEIRS}:SECRET_KEY::")(snapshot), foreign_secrets={THEIRS: secret})


def recreated(snapshot: Snapshot) -> Snapshot:
    """Delete the secret and create it again, under another suffix."""
    return with_secret(snapshot, arn=f"{BASE}-XyZ789", created=NOW)


def named(variable: str) -> Callable[[Snapshot], Snapshot]:
    """Let backend get key SMTP_HOST under another variable's name."""
    entry = Injection(variable, parse(f"{ARN}:SMTP_HOST::"))
    return lambda snapshot: with_container(
        snapshot,
        "backend",
        lambda old: replace(
            old, secrets=tuple(entry if other.variable == "SMTP_HOST" else other for other in old.secrets)
        ),
    )


def doubled(snapshot: Snapshot) -> Snapshot:
    """Let the worker have SECRET_KEY in environment as well."""
    return with_container(snapshot, "worker", lambda old: replace(old, environment=("SECRET_KEY",)))


def beside(snapshot: Snapshot) -> Snapshot:
    """Give the worker's OPENAI_API_KEY to a sidecar, and not to the worker."""

    def move(old: TaskDefinition) -> TaskDefinition:
        [worker] = old.containers
        moved = tuple(entry for entry in worker.secrets if entry.variable == "OPENAI_API_KEY")
        own = tuple(entry for entry in worker.secrets if entry not in moved)
        side = Container(name="metrics", secrets=moved, environment=(), essential=False)
        return replace(old, containers=(side, replace(worker, secrets=own)))

    return with_definition(snapshot, "worker", move)


def exposed(snapshot: Snapshot) -> Snapshot:
    """Let the worker have a secret of its own as a plain variable."""
    return with_container(snapshot, "worker", lambda old: replace(old, plain_secrets=("STRIPE_API_KEY",)))


FAULTS = {
    "platform-version": Fault(
        lambda s: with_service(s, "worker", platform_version="1.3.0"), "worker", "platform version 1.3.0", "worker"
    ),
    "sidecar-only": Fault(
        beside,
        "ohmycoins-staging-worker:7 metrics OPENAI_API_KEY",
        "The application's container is worker; its secrets and environment lack OPENAI_API_KEY",
        "worker",
    ),
    "arn-malformed": Fault(refers(f"{ARN}:SECRET_KEY"), SUBJECT, "8 colon-separated fields", "worker"),
    "bare-name": Fault(refers(NAME), SUBJECT, "ECS looks that name up in SSM", "worker"),
    "wrong-account": Fault(refers(f"{THEIRS}:SECRET_KEY::"), SUBJECT, f"account is {OTHER}", "worker"),
    "kms-cross-account": Fault(shared(""), SUBJECT, "AWS managed key", "worker"),
    "wrong-partition": Fault(
        refers(f"{ARN.replace('arn:aws:', 'arn:aws-cn:')}:SECRET_KEY::"), SUBJECT, "partition is aws-cn", "worker"
    ),
    "other-environment": Fault(
        refers(f"{ARN.replace('staging', 'production')}:SECRET_KEY::"), SUBJECT, "secret of production", "worker"
    ),
    "wrong-region": Fault(
        refers(f"{ARN.replace(REGION, 'eu-west-1')}:SECRET_KEY::"), SUBJECT, "region is eu-west-1", "worker"
    ),
    "suffix-stale": Fault(recreated, SUBJECT, "ends in -AbC123; the secret of that name ends in -XyZ789"),
    "partial-arn": Fault(refers(f"{BASE}:SECRET_KEY::"), SUBJECT, f"ends in {NAME};", "worker"),
    "whole-json": Fault(refers(ARN), SUBJECT, "SECRET_KEY gets every key's value", "worker"),
    "previous-pinned": Fault(refers(f"{ARN}:SECRET_KEY:AWSPREVIOUS:"), SUBJECT, "stage field is AWSPREVIOUS", "worker"),
    "version-pinned": Fault(refers(f"{ARN}:SECRET_KEY::{VERSION}"), SUBJECT, VERSION, "worker"),
    "version-short": Fault(refers(f"{ARN}:SECRET_KEY::{VERSION[:8]}"), SUBJECT, "8 characters", "worker"),
    "duplicate-name": Fault(doubled, SUBJECT, "environment and in its secrets", "worker"),
    "plain-secret": Fault(
        exposed, "ohmycoins-staging-worker:7 worker STRIPE_API_KEY", "ecs:DescribeTaskDefinition can read it", "worker"
    ),
    "name-mismatch": Fault(
        named("MAIL_HOST"),
        "ohmycoins-staging-backend:7 backend MAIL_HOST",
        "MAIL_HOST; the application reads SMTP_HOST, which is not set",
        "backend",
    ),
}

SHOWN: Shown = {
    "platform-version": lambda s: (
        s.service("worker")["platformVersion"] == "1.3.0" and "unexpected ARN format" in s.reasons()
    ),
    "sidecar-only": lambda s: (
        "OPENAI_API_KEY" not in s.references("worker") and "OPENAI_API_KEY: field required" in s.log("worker")
    ),
    "wrong-region": lambda s: ":ap-southeast-1:" in s.references("worker")["SECRET_KEY"] and s.whole(),
    "wrong-account": lambda s: (
        account.ACCOUNT not in s.references("worker")["SECRET_KEY"] and "GetSecretValue" in s.reasons()
    ),
    "suffix-stale": lambda s: (
        f":secret:{staging.SECRET}-" in s.references("backend")["SECRET_KEY"]
        and s.secret()["ARN"] not in s.references("backend")["SECRET_KEY"]
        and s.refused("can't find the specified secret")
    ),
    "partial-arn": lambda s: (
        s.references("worker")["SECRET_KEY"].endswith(f":{staging.SECRET}:SECRET_KEY::") and s.whole()
    ),
    "bare-name": lambda s: s.references("worker")["SECRET_KEY"] == staging.SECRET and "ssm" in s.reasons(),
    "arn-malformed": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY" and "unexpected ARN format" in s.reasons()
    ),
    "whole-json": lambda s: s.references("worker")["OPENAI_API_KEY"] == "" and s.whole(),
    "previous-pinned": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY:AWSPREVIOUS:"
        and json.loads(s.value("AWSPREVIOUS")["SecretString"])["SECRET_KEY"] != s.key("SECRET_KEY")
        and s.whole()
    ),
    "version-pinned": lambda s: (
        s.references("worker")["SECRET_KEY"] == f":SECRET_KEY::{s.value()['VersionId']}" and s.whole()
    ),
    "version-short": lambda s: (
        s.references("worker")["SECRET_KEY"] == ":SECRET_KEY::0123abcd" and "GetSecretValue" in s.reasons()
    ),
    "duplicate-name": lambda s: (
        "SECRET_KEY" in s.references("worker")
        and {"name": "SECRET_KEY", "value": ""} in s.definition("worker")["containerDefinitions"][0]["environment"]
        and s.whole()
    ),
    "plain-secret": lambda s: (
        any(
            entry["name"] == "STRIPE_API_KEY" and entry["value"]
            for entry in s.definition("worker")["containerDefinitions"][0]["environment"]
        )
        and s.whole()
    ),
    "name-mismatch": lambda s: (
        s.references("backend")["SECRETKEY"] == ":SECRET_KEY::"
        and "SECRET_KEY" not in s.references("backend")
        and s.whole()
    ),
    "kms-cross-account": lambda s: (
        account.ACCOUNT not in s.references("worker")["SECRET_KEY"] and "different AWS account" in s.reasons()
    ),
}
