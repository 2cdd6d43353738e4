"""Environments in another account: a role that is assumed by trust policy and external id, and every runbook as it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.runs import COMMAND, Desk, assert_nothing_leaked
from support.small_world import ACCOUNT, READ, REGION, TRUST, Stage, policy, until

from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import healthy_document
from omc_runbook.sandbox.worlds.staging import KEYS

OTHER = "210987654321"
ROLE = f"arn:aws:iam::{OTHER}:role/runbooks"
EXTERNAL_ID = "partner-4711-coins"
USER = f"arn:aws:iam::{ACCOUNT}:user/night"
QA = "ohmycoins-qa"
ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def trust(principal: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": condition} if condition else {}))


def signer(key: Mapping[str, str]) -> dict[str, str]:
    """A client's parameters for a session, or for a user's key."""
    names = {"SessionToken": "aws_session_token", "AccessKeyId": "aws_access_key_id"}
    names["SecretAccessKey"] = "aws_secret_access_key"
    return {own: key[name] for name, own in names.items() if name in key}


@pytest.fixture(scope="module")
def stage(empty_sandbox: Sandbox) -> Stage:
    return Stage(empty_sandbox)


@pytest.fixture(scope="module")
def theirs(stage: Stage) -> dict[str, str]:
    """The other account's administrator, with an environment there whose service runs."""
    role = f"arn:aws:iam::{OTHER}:role/OrganizationAccountAccessRole"
    own = signer(stage.client("sts").assume_role(RoleArn=role, RoleSessionName="builder")["Credentials"])
    iam, ecs = stage.client("iam", **own), stage.client("ecs", **own)
    name = f"{QA}-ecs-task-execution-role"
    execution = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=policy(READ))
    document = json.dumps(healthy_document())
    secret = stage.client("secretsmanager", **own).create_secret(Name=f"{QA}-app-secrets", SecretString=document)["ARN"]
    container = {
        "name": "main",
        "image": "example",
        "memory": 128,
        "environment": [{"name": "OMC_APP_ROLE", "value": "worker"}],
        "secrets": [{"name": key, "valueFrom": f"{secret}:{key}::"} for key in KEYS],
    }
    ecs.create_cluster(clusterName=QA)
    ecs.register_task_definition(
        family=f"{QA}-backend", executionRoleArn=execution, taskRoleArn=execution, containerDefinitions=[container]
    )
    ecs.create_service(cluster=QA, serviceName="backend", taskDefinition=f"{QA}-backend", desiredCount=1)
    iam.create_role(RoleName="runbooks", AssumeRolePolicyDocument=trust(USER))
    until(lambda: ecs.describe_services(cluster=QA, services=["backend"])["services"][0]["runningCount"])
    return own


@pytest.fixture(scope="module")
def night(stage: Stage) -> dict[str, str]:
    """The key of a user of the first account."""
    stage.iam.create_user(UserName="night")
    return stage.iam.create_access_key(UserName="night")["AccessKey"]


def test_both_accounts_decide_who_assumes_a_role(stage: Stage, theirs: dict[str, str], night: dict[str, str]) -> None:
    """The caller's policy, and the role's trust policy with its external id, which holds for administrators too."""
    iam, user, administrator = stage.client("iam", **theirs), stage.client("sts", **signer(night)), stage.client("sts")

    def may_assume(client: Any, **more: str) -> bool:
        try:
            return bool(client.assume_role(RoleArn=ROLE, RoleSessionName="me", **more)["Credentials"])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
            caller = client.get_caller_identity()["Arn"]
            message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
            assert error.response["Error"]["Message"] == message
            return False

    def decide(document: str) -> None:
        iam.update_assume_role_policy(RoleName="runbooks", PolicyDocument=document)

    assert not may_assume(user)
    stage.iam.put_user_policy(UserName="night", PolicyName="assume", PolicyDocument=policy(ASSUME))
    assert may_assume(user) and not may_assume(administrator)
    decide(trust(f"arn:aws:iam::{OTHER}:root"))
    assert not may_assume(user)
    decide(trust(ACCOUNT))
    assert may_assume(user) and may_assume(administrator)
    decide(trust(USER, StringEquals={"sts:ExternalId": EXTERNAL_ID}))
    assert may_assume(user, ExternalId=EXTERNAL_ID)
    assert not may_assume(user) and not may_assume(user, ExternalId="another")
    decide(trust(USER, StringLike={"sts:RoleSessionName": "omc-runbook-*"}))
    assert not may_assume(user)

    own = stage.iam.create_role(RoleName="own", AssumeRolePolicyDocument=trust(USER))["Role"]["Arn"]
    assert user.assume_role(RoleArn=own, RoleSessionName="me")
    stage.iam.update_assume_role_policy(RoleName="own", PolicyDocument=trust(f"arn:aws:iam::{ACCOUNT}:root"))
    with pytest.raises(ClientError, match="AccessDenied"):
        user.assume_role(RoleArn=own, RoleSessionName="me")


def healthy(desk: Desk, person: Mapping[str, str]) -> list[Any]:
    """The findings of a verify that takes task definitions from the cache as far as they are there."""
    cache = {"OMC_CACHE": "", "XDG_CACHE_HOME": str(desk.root / "cache")}
    process = desk.call([str(COMMAND), "run", "verify", "environment=qa", "--record", "out"], **person, **cache)
    outcome = json.loads((desk.work / "out" / "outcome.json").read_text())
    assert (process.returncode, outcome["status"]) == (0, "ok"), process.stdout + process.stderr
    return list(outcome["findings"])


def test_a_runbook_assumes_its_environments_role(
    stage: Stage, theirs: dict[str, str], night: dict[str, str], tmp_path: Path
) -> None:
    """As the printed policies allow; without one, the error names the permission, and no output has the id."""
    iam, desk = stage.client("iam", **theirs), Desk(tmp_path, stage.sandbox)
    person = {"AWS_ACCESS_KEY_ID": night["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": night["SecretAccessKey"]}
    person |= {"OMC_REPOSITORY": ""}
    table = f'[environments.qa]\nrole_arn = "{ROLE}"\nexternal_id = "{EXTERNAL_ID}"\n'
    (desk.work / "runbook.toml").write_text(table)
    document = trust(USER, StringEquals={"sts:ExternalId": EXTERNAL_ID}, StringLike={"sts:RoleSessionName": "omc-*"})
    iam.update_assume_role_policy(RoleName="runbooks", PolicyDocument=document)
    iam.put_role_policy(RoleName="runbooks", PolicyName="own", PolicyDocument=policy(EVERYTHING))
    stage.iam.put_user_policy(UserName="night", PolicyName="assume", PolicyDocument=policy(ASSUME))

    printed = desk.call([str(COMMAND), "policy", "rotate", "environment=qa"], **person)
    decoder = json.JSONDecoder()
    of_role, end = decoder.raw_decode(printed.stdout)
    of_caller, _ = decoder.raw_decode(printed.stdout[end:].lstrip())
    assert [line for line in printed.stderr.splitlines() if "policy of" in line] == [
        f"The policy of {ROLE}:",
        f"The policy of {USER}:",
    ]
    iam.put_role_policy(RoleName="runbooks", PolicyName="own", PolicyDocument=json.dumps(of_role))
    stage.iam.put_user_policy(UserName="night", PolicyName="assume", PolicyDocument=json.dumps(of_caller))

    run = ("environment=qa", "keys=SECRET_KEY", "apply=true", "--record", "out")
    rotated = desk.call([str(COMMAND), "run", "rotate", *run], **person)
    assert rotated.returncode == 0, rotated.stdout + rotated.stderr
    outcome = json.loads((desk.work / "out" / "outcome.json").read_text())
    assert (outcome["account"], outcome["status"]) == (OTHER, "ok")
    page = next((desk.work / "out").glob("rotate-*.html")).read_text()
    assert f"assumed-role/runbooks/omc-runbook-night, assumed by {USER}" in page

    deny = {"Effect": "Deny", "Action": "secretsmanager:ListSecrets", "Resource": "*"}
    iam.put_role_policy(RoleName="runbooks", PolicyName="own", PolicyDocument=policy(EVERYTHING, deny))
    before = healthy(desk, person)
    assert [path for path, _ in desk.written() if path.endswith(".json") and f"task-definitions/{OTHER}" in path]
    top = table.removeprefix("[environments.qa]\n")
    (desk.work / "runbook.toml").write_text(f'{top}[discovery]\nsecrets = "{{project}}-*-app-secrets"\n')
    lacking = desk.call([str(COMMAND), "run", "verify", "environment=qa"], **person)
    assert lacking.returncode == 2 and "secretsmanager:ListSecrets is missing" in lacking.stderr
    iam.put_role_policy(RoleName="runbooks", PolicyName="own", PolicyDocument=policy(EVERYTHING))
    assert healthy(desk, person) == before
    current = stage.client("secretsmanager", **theirs).get_secret_value(SecretId=f"{QA}-app-secrets")["SecretString"]
    assert_nothing_leaked(desk, [value for value in json.loads(current).values() if len(value) >= 16])

    stage.iam.delete_user_policy(UserName="night", PolicyName="assume")
    refused = desk.call([str(COMMAND), "run", "verify", "environment=qa"], **person)
    assert refused.returncode == 2
    for word in (ROLE, USER, "sts:AssumeRole", "trust policy", "external id"):
        assert word in refused.stderr
    (desk.work / "runbook.toml").write_text(table)
    wrong = desk.call([str(COMMAND), "run", "verify", "environment=qa"], OMC_ACCOUNT_ID=ACCOUNT, **person)
    assert wrong.returncode == 3 and f"role of account {OTHER}, but qa is account {ACCOUNT}" in wrong.stderr
    assert not [path for path, content in desk.written() if EXTERNAL_ID.encode() in content and ".toml" not in path]
    assert EXTERNAL_ID not in "".join(each.stdout + each.stderr for each in (printed, rotated, refused, wrong))
    assert REGION in page
