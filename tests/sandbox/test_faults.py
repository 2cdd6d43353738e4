"""Every fault of the sandbox, broken, found through the public API and mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from unittest.mock import Mock

import pytest
from support.every_fault import SHOWN
from support.runs import sign_in
from support.scene import Scene, is_whole, references_of

from omc_runbook.diagnosis import root_causes as diagnosis
from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import Fault, break_, catalogue, collection, mend
from omc_runbook.sandbox.faults.organization import allow_in_organization, deny_in_organization
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import FRESH_DOCUMENT, build, is_good
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    CONSUMERS,
    EXECUTION_ROLE,
    SECRET,
    SECRETS_POLICY,
    SERVICES,
    World,
)
from omc_runbook.snapshot.audit.accesses import MOST_READS

AUDIT_DAYS = 90


def assert_healthy(scene: Scene) -> None:
    """Nothing of a fault is left: values, references, permissions, key and tasks are as they should be."""
    secret, value, services = scene.secret(), scene.value(), scene.services()
    assert is_good(str(value["SecretString"]))
    assert not {"DeletedDate", "KmsKeyId", "ReplicationStatus"} & set(secret) and not secret.get("RotationEnabled")
    assert "ResourcePolicy" not in scene.world.secretsmanager.get_resource_policy(SecretId=SECRET)
    assert set(services) == {service.name for service in SERVICES} and all(map(is_whole, services.values()))
    for consumer in CONSUMERS:
        definition, primary = scene.definition_of(services[consumer.name]), services[consumer.name]["deployments"][0]
        assert references_of(definition, secret) == {key: f":{key}::" for key in consumer.keys}
        assert definition["executionRoleArn"].endswith(EXECUTION_ROLE)
        assert primary["rolloutStateReason"].endswith("completed.")
        assert primary["createdAt"] >= value["CreatedDate"]
    placement = scene.placement_of(services["worker"])
    assert len(scene.ec2.describe_vpcs()["Vpcs"]) == 1 and not scene.endpoints(placement)
    assert placement["assignPublicIp"] == "ENABLED" and scene.resolves_names(placement)
    assert scene.policy()["Resource"] == f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-??????"


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    """A healthy sandbox that this module's tests break and mend in turn."""
    return World(sandbox.endpoint)


@pytest.fixture
def scene(world: World, sandbox: Sandbox) -> Scene:
    """The world from now on; a new one, before there are more calls than an audit reads."""
    calls = lifecycle.ask(sandbox, "GET", "calls")["calls"]
    if calls.get("secretsmanager:GetSecretValue", 0) > MOST_READS / 2:
        lifecycle.renew(sandbox)
    return Scene(world, datetime.now(UTC))


def root_causes(endpoint: str) -> list[str]:
    """What a deep look's diagnosis calls the cause of what it sees."""
    with pytest.MonkeyPatch.context() as patch:
        sign_in(lifecycle.at(endpoint), patch)
        run = runbooks_run.begin("verify", "staging")
        findings = runbooks_run.diagnose(run.look(look_inside=True, deeply=True))
    return list(dict.fromkeys(finding.check for finding in findings if finding.is_root_cause))


def causes_of_audit(endpoint: str, expected: str = "") -> list[str]:
    """The root causes that an audit finds, and what is expected where it is a remark."""
    with pytest.MonkeyPatch.context() as patch:
        sign_in(lifecycle.at(endpoint), patch)
        [target] = runbooks_run.begin("verify", "staging").targets
        findings = diagnosis.audit(target.look(audit_days=AUDIT_DAYS))
    problems = [
        finding
        for finding in findings
        if finding.is_root_cause or (finding.status == "found" and finding.check == expected)
    ]
    return list(dict.fromkeys(finding.check for finding in problems))


def test_healthy_world(scene: Scene) -> None:
    """A new healthy world shows no trace of any fault."""
    assert_healthy(scene)


AUDIT_FIRST = sorted(catalogue(), key=lambda fault: fault.family != "audit")
"""All faults: an audit reads each call of the last 90 days, and every fault that comes and goes adds some."""
FAMILIES = {family: list(faults) for family, faults in groupby(AUDIT_FIRST, lambda fault: fault.family)}
"""The faults of each family, in the order in which they are broken and mended."""


@pytest.mark.parametrize("fault", AUDIT_FIRST, ids=lambda fault: fault.id)
def test_fault(fault: Fault, scene: Scene) -> None:
    """A fault shows itself in the API as it would on AWS, is the only root cause, and mending leaves nothing of it."""
    break_(scene.world.endpoint, fault.id)
    assert SHOWN[fault.id](scene), (scene.rollout("worker"), scene.reasons()[:400])
    is_audit = fault.family == "audit"
    endpoint = scene.world.endpoint
    assert (causes_of_audit(endpoint, fault.id) if is_audit else root_causes(endpoint)) == [fault.id]
    mend(scene.world.endpoint)
    assert_healthy(scene)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mended_family_leaves_nothing_to_find(family: str, scene: Scene) -> None:
    """After each fault of a family came and went, a deep look finds nothing wrong, and no trace is in the API."""
    assert_healthy(scene)
    assert root_causes(scene.world.endpoint) == []
    if family == "audit":
        assert causes_of_audit(scene.world.endpoint) == []


@pytest.mark.parametrize(
    "key", ["aws:RequestedRegion", "aws:ResourceAccount", "aws:ResourceOrgID", "aws:PrincipalOrgID"]
)
def test_an_organization_that_locks_others_is_no_fault(scene: Scene, key: str) -> None:
    """The simulation evaluates a service control policy's conditions, by the context keys in the request alone."""
    world = scene.world
    # Only a world with that fault has an organization.
    deny_in_organization(world)
    allow_in_organization(world)
    api = world.client("organizations")
    own = {"aws:RequestedRegion": [REGION, "us-east-1"], "aws:ResourceAccount": ACCOUNT}
    organization = api.describe_organization()["Organization"]["Id"]
    outside = {"StringNotEquals": {key: own.get(key, organization)}}
    content = json.dumps(policy("*", effect="Deny", Resource="*", Condition=outside))
    organization_policy = api.create_policy(
        Name="others", Description="", Type="SERVICE_CONTROL_POLICY", Content=content
    )
    attached = {"PolicyId": organization_policy["Policy"]["PolicySummary"]["Id"]}
    api.attach_policy(**attached, TargetId=ACCOUNT)
    causes = root_causes(world.endpoint)
    api.detach_policy(**attached, TargetId=ACCOUNT)
    api.delete_policy(**attached)
    assert causes == []


def test_fresh_world(scene: Scene) -> None:
    """A fresh world runs on Terraform's placeholders, and mending makes it healthy."""
    build(scene.world.endpoint, "fresh")
    # As `sandbox up --world fresh` leaves it: nobody has called anything since.
    scene.world.forget_changes()
    assert json.loads(scene.text()) == FRESH_DOCUMENT
    assert scene.whole()
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_a_service_that_somebody_deleted_is_there_again(scene: Scene) -> None:
    """Also where a fault had put it into a network that goes."""
    break_(scene.world.endpoint, "no-egress")
    scene.world.delete_service("worker")
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_own_good_values_survive(scene: Scene) -> None:
    """Values that somebody wrote into a healthy world are still there after a fault was broken and mended."""
    text = json.dumps({**json.loads(scene.text()), "SMTP_USER": "somebody@example.com"})
    scene.world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    break_(scene.world.endpoint, "truncated")
    mend(scene.world.endpoint)
    assert scene.key("SMTP_USER") == "somebody@example.com"


@pytest.mark.parametrize(
    ("first", "second"),
    [("no-permission", "no-permission"), ("external-controller", "code-deploy"), ("role-absent", "image-pull")],
)
def test_what_is_not_there_cannot_be_broken(scene: Scene, first: str, second: str) -> None:
    """What one fault, or a person, has taken away cannot be broken again before the world is restored."""
    break_(scene.world.endpoint, first)
    with pytest.raises(UsageError, match="Restore the healthy world first: omc-runbook sandbox mend"):
        break_(scene.world.endpoint, second)
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_what_anybody_changed_is_restored_and_nothing_else(scene: Scene) -> None:
    """A mend asks only for what calls have changed since the world was whole, whoever made them."""
    scene.world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
    recorded = scene.world.changes()
    assert recorded.actions == {"iam:DeleteRolePolicy"} and recorded.include("iam:") and not recorded.include("ec2:")
    mend(scene.world.endpoint)
    assert_healthy(scene)
    assert scene.world.changes().actions == frozenset()


def test_policies_and_tags_that_anybody_attached_are_removed(scene: Scene) -> None:
    """Otherwise what somebody granted to mend a fault would hide the next one."""
    iam, secretsmanager = scene.world.iam, scene.world.secretsmanager
    arn = iam.create_policy(PolicyName="all", PolicyDocument=json.dumps(policy("*", Resource="*")))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=arn)
    iam.tag_role(RoleName=EXECUTION_ROLE, Tags=[{"Key": "team", "Value": "core"}])
    secretsmanager.tag_resource(SecretId=SECRET, Tags=[{"Key": "team", "Value": "core"}])
    mend(scene.world.endpoint)
    assert iam.list_attached_role_policies(RoleName=EXECUTION_ROLE)["AttachedPolicies"] == []
    assert iam.list_role_tags(RoleName=EXECUTION_ROLE)["Tags"] == []
    assert not secretsmanager.describe_secret(SecretId=SECRET).get("Tags")
    iam.delete_policy(PolicyArn=arn)


def test_tasks_that_had_stopped_are_not_described_after_a_mend(scene: Scene) -> None:
    """Otherwise a look at the next fault would find what the last one stopped."""

    def stopped() -> set[str]:
        return set(scene.world.ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"])

    break_(scene.world.endpoint, "no-permission")
    before = stopped()
    mend(scene.world.endpoint)
    assert before and not before & stopped()


def test_an_interrupted_mend_is_done_whole_by_the_next(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has to restore is not forgotten before it has."""
    break_(scene.world.endpoint, "no-permission")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(collection, "restore", Mock(side_effect=KeyboardInterrupt))
        mend(scene.world.endpoint)
    mend(scene.world.endpoint)
    assert_healthy(scene)


def test_mends_one_of_two(scene: Scene) -> None:
    """Mending one fault by name leaves the other that the server knows of."""
    sandbox = lifecycle.at(scene.world.endpoint)
    for fault in ("desired-zero", "placeholder"):
        break_(scene.world.endpoint, fault)
    lifecycle.ask(sandbox, "POST", "note", {"broken": ["desired-zero", "placeholder"]})
    mend(scene.world.endpoint, "placeholder")
    assert is_good(scene.text())
    assert SHOWN["desired-zero"](scene)
    lifecycle.ask(sandbox, "POST", "note", {"broken": []})
    mend(scene.world.endpoint)
    assert_healthy(scene)


@pytest.mark.parametrize("verb", [break_, mend])
def test_unknown_fault(verb: Callable[[str, str], None], world: World) -> None:
    """An unknown fault is refused with the nearest that exists."""
    with pytest.raises(UsageError, match="no-permission"):
        verb(world.endpoint, "no-permision")


def test_evidence_for_all() -> None:
    """No two faults share an id, and each has its evidence here."""
    ids = [fault.id for fault in catalogue()]
    assert sorted(ids) == sorted(SHOWN)
