"""Who did it: findings name the author of what brought the present state about, where CloudTrail tells."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from support.snapshots import (
    ACCOUNT,
    ARN,
    CURRENT,
    NOW,
    PREVIOUS,
    event,
    healthy,
    policy,
    rotated,
    with_secret,
)

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.checks.change_authors import describe, write_of
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.snapshot.state import Snapshot

SOMEBODY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/somebody"
THEN = NOW - timedelta(hours=1)


def evidence(snapshot: Snapshot, check: str) -> str:
    """All that the findings of a check say."""
    return " ".join(line for finding in diagnose(snapshot) if finding.check == check for line in finding.evidence)


def test_who_changed_a_value_that_was_not_deployed() -> None:
    """The finding on tasks with the old value says who wrote the new one, when and with what."""
    changed = rotated(healthy(), THEN, SECRET_KEY=secrets.token_hex(32))
    assert changed.secret
    wrote = event("PutSecretValue", THEN, changed.secret.version_at("AWSCURRENT"), SOMEBODY, "aws-cli/2.15.0")
    text = evidence(replace(changed, writes=(wrote,)), "not-forced")
    assert f"PutSecretValue by {SOMEBODY} at {THEN:%Y-%m-%d %H:%M:%S} UTC with aws-cli/2.15.0." in text
    assert "CloudTrail" not in evidence(changed, "not-forced")


def test_who_scheduled_the_deletion() -> None:
    """The finding on a secret that is being deleted says who asked for it; a refused attempt does not count."""
    snapshot = with_secret(healthy(), deleted=NOW + timedelta(days=7))
    deletion = event("DeleteSecret", THEN, principal=SOMEBODY)
    refused = replace(event("DeleteSecret", NOW), error="AccessDenied")
    assert f"DeleteSecret by {SOMEBODY}" in evidence(
        replace(snapshot, writes=(refused, deletion)), "scheduled-deletion"
    )


def test_who_put_the_policy_that_denies() -> None:
    """The finding on a resource policy names its author."""
    denial = policy("Deny", kind="resource", Principal="*", resource=ARN)
    policy_change = event("PutResourcePolicy", THEN, principal=SOMEBODY)
    denied = replace(healthy(), resource_policy=denial, writes=(policy_change,))
    assert f"PutResourcePolicy by {SOMEBODY}" in evidence(denied, "resource-deny")


def test_a_version_that_was_staged_became_current_by_the_move() -> None:
    """Of the calls on the current version, the author is who made it current, not who only staged it."""
    staged = replace(event("PutSecretValue", THEN, CURRENT), stages=("omc-rotate",))
    moved = replace(event("UpdateSecretVersionStage", NOW, CURRENT, SOMEBODY), stages=("AWSCURRENT",))
    assert write_of(replace(healthy(), writes=(staged, moved)), CURRENT) == moved
    write = event("PutSecretValue", THEN, CURRENT)
    assert write_of(replace(healthy(), writes=(write, moved)), CURRENT) == moved
    assert write_of(replace(healthy(), writes=(staged,)), CURRENT) is None
    assert write_of(replace(healthy(), writes=(moved,)), PREVIOUS) is None


@pytest.mark.parametrize(
    ("agent", "program"),
    [
        ("Boto3/1.44.8 md/Botocore#1.44.8 ua/2.1 os/linux#6.1 md/arch#x86_64 lang/python#3.11", "with Boto3/1.44.8."),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.9.8 (+https://www.terraform.io)", "Terraform/1.9.8"),
        ("AWS Internal", "with AWS Internal."),
        ("", "UTC."),
    ],
)
def test_the_program_is_named_and_its_machine_is_not(agent: str, program: str) -> None:
    """A user agent is long; what counts is which program it was."""
    assert program in describe(
        Event(name="PutSecretValue", time=NOW, principal=SOMEBODY, user_agent=agent, error="", version_id=CURRENT)
    )
    assert "x86_64" not in describe(
        Event(name="PutSecretValue", time=NOW, principal=SOMEBODY, user_agent=agent, error="", version_id=CURRENT)
    )
