"""Permissions that are fine: the sandbox's tasks start with them, and a deep look finds nothing wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.runs import sign_in

from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import mend
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.roles import base_policy, policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRET, SECRETS_POLICY, World

READ, DECRYPT = "secretsmanager:GetSecretValue", "kms:Decrypt"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
PATH_ROLE = f"arn:aws:iam::{ACCOUNT}:role/services/staging/execution"
ADMINISTRATION = {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
VIA = f"secretsmanager.{REGION}.amazonaws.com"
Change = Callable[[World], object]


def allow(world: World, *actions: str, name: str = SECRETS_POLICY, **scope: Any) -> None:
    """Put an inline policy on the execution role."""
    document = json.dumps(policy(*actions, **scope))
    world.iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name, PolicyDocument=document)


def tag(world: World) -> None:
    """Give the role and the secret the tags by which access is decided."""
    world.iam.tag_role(RoleName=EXECUTION_ROLE, Tags=[{"Key": "Environment", "Value": "staging"}])
    world.secretsmanager.tag_resource(SecretId=SECRET, Tags=[{"Key": "Environment", "Value": "staging"}])


def seal(world: World, *statements: dict[str, Any], tags: tuple[dict[str, str], ...] = ()) -> str:
    """Put the secret under a customer key with a policy of these statements; returns the key's ARN."""
    document = {"Version": "2012-10-17", "Statement": [ADMINISTRATION, *statements]}
    key = str(world.kms.create_key(Policy=json.dumps(document), Tags=list(tags))["KeyMetadata"]["Arn"])
    world.secretsmanager.update_secret(SecretId=SECRET, KmsKeyId=key)
    return key


def guard(world: World, **statement: Any) -> None:
    """Let the secret's own policy deny reading it, but for some."""
    denial = {"Effect": "Deny", "Action": READ, "Resource": "*", **statement}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    world.secretsmanager.put_resource_policy(SecretId=SECRET, ResourcePolicy=document)


def role_at_a_path(world: World) -> None:
    """Run the worker's tasks as a role at a path."""
    world.iam.create_role(
        RoleName="execution",
        Path="/services/staging/",
        AssumeRolePolicyDocument=json.dumps(policy("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})),
    )
    for name, document in (("base", base_policy()), ("secrets", policy(READ, Resource="*"))):
        world.iam.put_role_policy(RoleName="execution", PolicyName=name, PolicyDocument=json.dumps(document))
    arn = world.service("worker")["taskDefinition"]
    current: Any = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    fields = (
        "family",
        "containerDefinitions",
        "taskRoleArn",
        "networkMode",
        "requiresCompatibilities",
        "cpu",
        "memory",
    )
    world.ecs.register_task_definition(executionRoleArn=PATH_ROLE, **{name: current[name] for name in fields})
    guard(world, NotPrincipal={"AWS": [PATH_ROLE, ROLE, ROOT, f"arn:aws:iam::{ACCOUNT}:user/administrator"]})


def by_tags(world: World) -> None:
    """Decide by tags: the role's must be the secret's, and no other secret is let out."""
    tag(world)
    same = {"StringEquals": {"aws:ResourceTag/Environment": "${aws:PrincipalTag/Environment}"}}
    # A reference without a version names none in its call.
    allow(world, READ, Resource="*", Condition={**same, "Null": {"secretsmanager:VersionId": "true"}})
    other = {"StringNotEqualsIfExists": {"secretsmanager:ResourceTag/Environment": "staging"}}
    allow(world, READ, name="others", effect="Deny", Resource="*", Condition=other)


def by_secrets_policy(world: World) -> None:
    """Let the secret's own policy alone decide, by the role's tag and the user id of its sessions."""
    tag(world)
    role = world.iam.get_role(RoleName=EXECUTION_ROLE)["Role"]
    allow(world, "ecr:GetAuthorizationToken", Resource="*")
    tagged = {"StringEquals": {"aws:PrincipalTag/Environment": "staging", "aws:PrincipalAccount": ACCOUNT}}
    grant = {"Effect": "Allow", "Principal": "*", "Action": READ, "Resource": "*", "Condition": tagged}
    others = {"StringNotLike": {"aws:userId": [f"{role['RoleId']}:*", "AIDA*"]}}
    denial = {"Effect": "Deny", "Principal": "*", "Action": READ, "Resource": "*", "Condition": others}
    document = json.dumps({"Version": "2012-10-17", "Statement": [grant, denial]})
    world.secretsmanager.put_resource_policy(SecretId=SECRET, ResourcePolicy=document)


def by_keys_policy(world: World) -> None:
    """Let the key's policy alone allow decrypting, for this secret and through Secrets Manager."""
    arn = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    conditions = {
        "StringEquals": {"kms:ViaService": VIA, "kms:CallerAccount": ACCOUNT},
        "StringLike": {"kms:EncryptionContext:SecretARN": arn},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"]},
    }
    seal(
        world,
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": DECRYPT, "Resource": "*", "Condition": conditions},
    )


def by_keys_tags(world: World) -> None:
    """Let the role decrypt with whatever key has its tag, on behalf of Secrets Manager."""
    tag(world)
    seal(world, tags=({"TagKey": "Environment", "TagValue": "staging"},))
    conditions = {
        "StringEquals": {"aws:ResourceTag/Environment": "${aws:PrincipalTag/Environment}"},
        "Bool": {"aws:ViaAWSService": "true"},
    }
    allow(world, DECRYPT, name="decrypt", Resource="*", Condition=conditions)


def by_grant(world: World) -> None:
    """Let a grant of the key allow decrypting."""
    key = seal(world)
    world.kms.create_grant(KeyId=key, GranteePrincipal=ROLE, Operations=["Decrypt"])


def join_organization(world: World) -> str:
    """Let the account have an organization; returns its id."""
    organizations = world.client("organizations")
    try:
        organizations.create_organization(FeatureSet="ALL")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AlreadyInOrganizationException"
    return str(organizations.describe_organization()["Organization"]["Id"])


def by_organization(world: World) -> None:
    """Keep everybody outside the account's organization from the secret."""
    own = join_organization(world)
    guard(world, Principal="*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": own}})


def by_trust_in_organization(world: World) -> None:
    """Trust ECS only as itself, and for accounts of the organization; end the sessions that began before today."""
    conditions = {
        "StringEquals": {"aws:SourceOrgID": join_organization(world), "aws:SourceAccount": ACCOUNT},
        "Bool": {"aws:PrincipalIsAWSService": "true"},
    }
    trust = policy("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"}, Condition=conditions)
    world.iam.update_assume_role_policy(RoleName=EXECUTION_ROLE, PolicyDocument=json.dumps(trust))
    older = {"DateLessThan": {"aws:TokenIssueTime": f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"}}
    allow(world, "*", name="AWSRevokeOlderSessions", effect="Deny", Resource="*", Condition=older)


FINE: tuple[Change, ...] = (
    role_at_a_path,
    by_tags,
    by_secrets_policy,
    by_keys_policy,
    by_keys_tags,
    by_grant,
    by_organization,
    by_trust_in_organization,
)


@pytest.fixture
def world(sandbox: Sandbox) -> Any:
    """A healthy sandbox, and healthy again afterwards."""
    world = World(sandbox.endpoint)
    yield world
    world.iam.untag_role(RoleName=EXECUTION_ROLE, TagKeys=["Environment"])
    mend(sandbox.endpoint)


def look(endpoint: str) -> list[Finding]:
    """What a deep look finds, or cannot judge."""
    with pytest.MonkeyPatch.context() as patch:
        sign_in(lifecycle.at(endpoint), patch)
        run = runbooks_run.begin("verify", "staging")
        findings = runbooks_run.diagnose(run.look(look_inside=True, deeply=True))
    return [finding for finding in findings if finding.status == "unknown" or finding.is_problem]


@pytest.mark.parametrize("change", FINE, ids=lambda change: change.__name__)
def test_fine_permissions(change: Change, world: World) -> None:
    """Tasks start, and no check finds a fault or is in doubt."""
    change(world)
    family = world.service("worker")["taskDefinition"].rpartition("/")[2].partition(":")[0]
    world.ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=family, forceNewDeployment=True)
    world.settle()
    primary = world.service("worker")["deployments"][0]
    assert (primary["rolloutState"], primary["failedTasks"]) == ("COMPLETED", 0)
    assert [(finding.check, finding.evidence) for finding in look(world.endpoint)] == []
