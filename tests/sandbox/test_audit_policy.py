"""The policy of an audit, enforced by a sandbox of its own: an audit sees everybody there, and every call."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.enforced_policies import policy_of, status_of, without
from support.runs import COMMAND, Desk, caller, client, remove_callers

from omc_runbook.runbooks import audit
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.monitoring import BUCKET


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    started = lifecycle.up("healthy")
    yield started
    lifecycle.down(started)


@pytest.fixture
def desk(tmp_path: Path, own_sandbox: Sandbox) -> Iterator[Desk]:
    yield Desk(tmp_path, own_sandbox)
    remove_callers(own_sandbox)


def test_the_policy_is_enough(desk: Desk) -> None:
    """Nothing is unknown."""
    person = caller(desk.sandbox, json.dumps(policy_of(desk, "audit")))
    process = desk.call([str(COMMAND), "run", "audit", "environment=staging"], **person)
    assert (process.returncode, status_of(desk)) == (0, "ok"), process.stdout


def test_a_policy_is_enough_for_a_trails_files(desk: Desk) -> None:
    """Where runbook.toml names their bucket, an audit lists it and reads the newest; nothing else in it."""
    desk.variables["OMC_AUDIT__TRAIL_S3"] = f"s3://{BUCKET}/logs"
    key = f"logs/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{datetime.now(UTC):%Y/%m/%d}/file.json.gz"
    client(desk.sandbox, "s3").put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(b'{"Records": []}'))
    document = policy_of(desk, "audit")
    for action, code in (("", 0), ("s3:GetObject", 2), ("s3:ListBucket", 2)):
        person = caller(desk.sandbox, json.dumps(without(document, action)))
        process = desk.call([str(COMMAND), "run", "audit", "environment=staging"], **person)
        assert (process.returncode, action in process.stdout) == (code, True), process.stdout


def test_a_policy_is_enough_for_an_event_data_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, own_registry: None
) -> None:
    """Where runbook.toml names one, an audit may query it, and no other."""
    api = client(desk.sandbox, "cloudtrail")
    arns = [api.create_event_data_store(Name=name)["EventDataStoreArn"] for name in ("audit", "other")]
    desk.variables["OMC_AUDIT__EVENT_DATA_STORE"] = arns[0]
    person = caller(desk.sandbox, json.dumps(policy_of(desk, "audit")))
    for name, value in (desk.sandbox.variables | person).items():
        monkeypatch.setenv(name, value)
    for arn, level in zip(arns, ("good", "unknown"), strict=True):
        monkeypatch.setenv("OMC_AUDIT__EVENT_DATA_STORE", arn)
        snapshots = audit.look(audit.begin("staging", days=400))
        lights = {light.question: light for light in audit.lights(snapshots, audit.diagnose(snapshots)).lights}
        assert lights["Who did"].level == level


@pytest.mark.parametrize(
    ("action", "question"),
    [
        ("cloudtrail:GetTrailStatus", "Who would notice"),
        ("ecs:ListServices", "Who did"),
        ("logs:GetLogEvents", "What lies open"),
        ("iam:GetAccountAuthorizationDetails", "Who can read"),
        ("secretsmanager:ListSecrets", "Ages and lifecycle"),
    ],
)
def test_without_an_action_a_part_of_the_audit_is_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, own_registry: None, action: str, question: str
) -> None:
    """Its light is grey and the action named; all else is as before, and nothing more is found."""
    person = caller(desk.sandbox, json.dumps(without(policy_of(desk, "audit"), action)))
    for name, value in (desk.sandbox.variables | person).items():
        monkeypatch.setenv(name, value)
    snapshots = audit.look(audit.begin("staging"))
    findings = audit.diagnose(snapshots)
    lights = {light.question: light for light in audit.lights(snapshots, findings).lights}
    assert lights[question].level == "unknown" and "good" in {light.level for light in lights.values()}
    assert any(action in line for each in findings["staging"] if each.status == "unknown" for line in each.evidence)
    assert [each.check for each in findings["staging"] if each.is_problem] == []


def test_without_the_organization_the_policies_above_the_account_are_not_known(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, own_registry: None
) -> None:
    """They only restrict: the report then says that at most these may read."""
    person = caller(desk.sandbox, json.dumps(without(policy_of(desk, "audit"), "organizations:DescribeOrganization")))
    for name, value in (desk.sandbox.variables | person).items():
        monkeypatch.setenv(name, value)
    snapshots = audit.look(audit.begin("staging"))
    lights = {light.question: light for light in audit.lights(snapshots, audit.diagnose(snapshots)).lights}
    assert "The organization's policies were not read" in lights["Who can read"].sentence
