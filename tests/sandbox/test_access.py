"""Who may do what in the sandbox, what the simulator says of it, and what CloudTrail keeps of it."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.small_world import ACCOUNT, CLUSTER, READ, REGION, ROLE, TRUST, Stage, policy, until

from omc_runbook.sandbox.lifecycle import Sandbox

DESCRIBE = {"Effect": "Allow", "Action": "ecs:DescribeServices", "Resource": "*"}


@pytest.fixture(scope="module")
def stage(empty_sandbox: Sandbox) -> Stage:
    """One sandbox with a service that runs."""
    small_world = Stage(empty_sandbox)
    small_world.build()
    small_world.steady()
    return small_world


def user(stage: Stage, *statements: dict[str, Any]) -> dict[str, str]:
    """The credentials of a new user with these statements."""
    name = f"user-{secrets.token_hex(4)}"
    stage.iam.create_user(UserName=name)
    if statements:
        stage.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(*statements))
    key = stage.iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def test_user_without_permission_is_refused_in_awss_words(stage: Stage) -> None:
    """A user without ecs:DescribeServices is refused as AWS refuses, and may call it once it is granted."""
    name = f"user-{secrets.token_hex(4)}"
    stage.iam.create_user(UserName=name)
    key = stage.iam.create_access_key(UserName=name)["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    ecs = stage.client("ecs", **own)
    with pytest.raises(ClientError) as error:
        ecs.describe_services(cluster=CLUSTER, services=["app"])
    assert error.value.response["Error"] == {
        "Code": "AccessDeniedException",
        "Message": f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: ecs:DescribeServices on "
        f"resource: arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/app because no identity-based policy allows "
        "the ecs:DescribeServices action",
    }
    assert stage.client("sts", **own).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    stage.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(DESCRIBE))
    assert ecs.describe_services(cluster=CLUSTER, services=["app"])["services"]


def test_query_protocol_refuses_as_iam_does(stage: Stage) -> None:
    """IAM's refusal is AccessDenied, in XML."""
    iam = stage.client("iam", **user(stage))
    with pytest.raises(ClientError, match="iam:GetRole on resource: arn:aws:iam::") as error:
        iam.get_role(RoleName="execution")
    assert error.value.response["Error"]["Code"] == "AccessDenied"


def test_permission_is_by_resource(stage: Stage) -> None:
    """A grant on one service is none on another, and one on a cluster's condition counts there."""
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/app"
    cluster = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
    listing = {
        "Effect": "Allow",
        "Action": "ecs:ListServices",
        "Resource": "*",
        "Condition": {"ArnEquals": {"ecs:cluster": cluster}},
    }
    ecs = stage.client("ecs", **user(stage, DESCRIBE | {"Resource": arn}, listing))
    assert ecs.describe_services(cluster=CLUSTER, services=["app"])["services"]
    assert ecs.list_services(cluster=CLUSTER)["serviceArns"]
    with pytest.raises(ClientError):
        ecs.describe_services(cluster=CLUSTER, services=["app", "other"])


def test_role_session_is_judged_by_its_role(stage: Stage) -> None:
    """The credentials of an assumed role can do what the role can, under the session's own name."""
    session = stage.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
    own = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    assert stage.client("secretsmanager", **own).get_secret_value(SecretId="app-secret")["SecretString"]
    with pytest.raises(ClientError, match=f"User: arn:aws:sts::{ACCOUNT}:assumed-role/execution/me is not"):
        stage.client("ecs", **own).list_clusters()
    assert stage.client("sts", **own).get_caller_identity()["Arn"].endswith(":assumed-role/execution/me")
    with pytest.raises(ClientError) as error:
        stage.client("sts").assume_role(RoleArn=f"{ROLE}-absent", RoleSessionName="me")
    assert error.value.response["Error"]["Code"] == "AccessDenied"


def test_secret_policy_lets_a_user_in(stage: Stage) -> None:
    """Within an account the secret's own policy is enough."""
    stage.secrets.create_secret(Name="open", SecretString="x")
    name = f"user-{secrets.token_hex(4)}"
    arn = stage.iam.create_user(UserName=name)["User"]["Arn"]
    key = stage.iam.create_access_key(UserName=name)["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    client = stage.client("secretsmanager", **own)
    with pytest.raises(ClientError, match="no identity-based policy allows"):
        client.get_secret_value(SecretId="open")
    stage.secrets.put_resource_policy(SecretId="open", ResourcePolicy=policy(READ | {"Principal": {"AWS": arn}}))
    assert client.get_secret_value(SecretId="open")["SecretString"] == "x"


def test_customer_key_wants_decrypt_on_the_key(stage: Stage) -> None:
    """kms:Decrypt on the secret's ARN grants nothing; on the key's it does."""
    key = stage.client("kms").create_key()["KeyMetadata"]["Arn"]
    stage.secrets.create_secret(Name="sealed", SecretString="x", KmsKeyId=key)
    decrypt = {"Effect": "Allow", "Action": "kms:Decrypt"}
    useless = user(stage, READ, decrypt | {"Resource": "arn:aws:secretsmanager:*:*:secret:*"})
    with pytest.raises(ClientError, match="Access to KMS is not allowed") as error:
        stage.client("secretsmanager", **useless).get_secret_value(SecretId="sealed")
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    useful = user(stage, READ, decrypt | {"Resource": key})
    assert stage.client("secretsmanager", **useful).get_secret_value(SecretId="sealed")["SecretString"] == "x"


def simulate(stage: Stage, arn: str, *actions: str, resource: str = "*") -> dict[str, Any]:
    """The simulator's result for each action."""
    response = stage.iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=list(actions), ResourceArns=[resource]
    )
    return {result["EvalActionName"]: result for result in response["EvaluationResults"]}


def test_simulator_agrees_with_the_policies(stage: Stage) -> None:
    """The result is allowed, implicitDeny or explicitDeny, with the statement that decided."""
    arn = stage.iam.create_role(RoleName="judged", AssumeRolePolicyDocument=policy())["Role"]["Arn"]
    deny = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    stage.iam.put_role_policy(RoleName="judged", PolicyName="mixed", PolicyDocument=policy(READ, deny))
    results = simulate(stage, arn, "secretsmanager:GetSecretValue", "ecs:ListTasks", "kms:Decrypt")
    decisions = {action: result["EvalDecision"] for action, result in results.items()}
    assert list(decisions.values()) == ["allowed", "implicitDeny", "explicitDeny"]
    matched = results["secretsmanager:GetSecretValue"]["MatchedStatements"]
    of_organization = ["FullAWSAccess"] * has_organization(stage.client("organizations"))
    assert [statement["SourcePolicyId"] for statement in matched] == ["mixed", *of_organization]
    assert "PermissionsBoundaryDecisionDetail" not in results["kms:Decrypt"]
    boundary = stage.iam.create_policy(PolicyName="narrow", PolicyDocument=policy(DESCRIBE))["Policy"]["Arn"]
    stage.iam.put_role_permissions_boundary(RoleName="judged", PermissionsBoundary=boundary)
    result = simulate(stage, arn, "secretsmanager:GetSecretValue")["secretsmanager:GetSecretValue"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    with pytest.raises(ClientError) as error:
        simulate(stage, f"{arn}-absent", "ecs:ListTasks")
    assert error.value.response["Error"]["Code"] == "NoSuchEntity"


def test_policies_of_awss_own_are_there(stage: Stage) -> None:
    """An execution role usually has one; who lists the account's own policies does not see it."""
    start = "arn:aws:iam::aws:policy/service-role/"
    stage.iam.create_role(RoleName="usual", AssumeRolePolicyDocument=policy(TRUST))
    stage.iam.attach_role_policy(RoleName="usual", PolicyArn=f"{start}AmazonECSTaskExecutionRolePolicy")
    [attached] = stage.iam.list_attached_role_policies(RoleName="usual")["AttachedPolicies"]
    version = stage.iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
    policy_version = stage.iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)["PolicyVersion"]
    assert "ecr:BatchGetImage" in policy_version["Document"]["Statement"][0]["Action"]
    own = stage.iam.list_policies(Scope="Local")["Policies"]
    assert attached["PolicyArn"] not in {each["Arn"] for each in own}
    for absent in (f"{start}AmazonECSTaskExecution", "arn:aws:iam::aws:policy/AmazonECSTaskExecutionRolePolicy"):
        with pytest.raises(ClientError, match="does not exist or is not attachable"):
            stage.iam.attach_role_policy(RoleName="usual", PolicyArn=absent)


def test_a_boundary_limits_what_a_secret_grants_to_a_role(stage: Stage) -> None:
    """A role that only the secret's policy names is refused by its boundary, unless the policy names everybody."""
    arn = stage.iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=policy(TRUST))["Role"]["Arn"]
    stage.secrets.create_secret(Name="granted", SecretString="x")
    stage.secrets.put_resource_policy(SecretId="granted", ResourcePolicy=policy(READ | {"Principal": {"AWS": arn}}))
    session = stage.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    own = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    client = stage.client("secretsmanager", **own)
    assert client.get_secret_value(SecretId="granted")["SecretString"] == "x"
    boundary = stage.iam.create_policy(PolicyName="without-secrets", PolicyDocument=policy(DESCRIBE))["Policy"]["Arn"]
    stage.iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=boundary)
    with pytest.raises(ClientError, match="no permissions boundary allows"):
        client.get_secret_value(SecretId="granted")
    stage.secrets.put_resource_policy(SecretId="granted", ResourcePolicy=policy(READ | {"Principal": "*"}))
    assert client.get_secret_value(SecretId="granted")["SecretString"] == "x"


def test_organization_denies_over_the_role(stage: Stage) -> None:
    """A service control policy that denies is enforced and shown by the simulator."""
    organizations = stage.client("organizations")
    if not has_organization(organizations):
        organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    condition = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/*-limited"}}
    deny = {"Effect": "Deny", "Action": "ecs:*", "Resource": "*", "Condition": condition}
    policy_id = organizations.create_policy(
        Name="no-ecs", Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(deny)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy_id, TargetId=ACCOUNT)
    name = f"{secrets.token_hex(4)}-limited"
    arn = stage.iam.create_user(UserName=name)["User"]["Arn"]
    stage.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(DESCRIBE))
    key = stage.iam.create_access_key(UserName=name)["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    with pytest.raises(ClientError, match="explicit deny in a service control policy"):
        stage.client("ecs", **own).describe_services(cluster=CLUSTER, services=["app"])
    result = simulate(stage, arn, "ecs:DescribeServices")["ecs:DescribeServices"]
    assert result["EvalDecision"] == "explicitDeny"
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert stage.service()["serviceName"] == "app"
    organizations.detach_policy(PolicyId=policy_id, TargetId=ACCOUNT)
    assert stage.client("ecs", **own).describe_services(cluster=CLUSTER, services=["app"])["services"]
    assert root


@pytest.mark.parametrize(("operator", "is_denied"), [("Bool", False), ("BoolIfExists", True)])
def test_the_simulation_takes_what_it_is_not_told_for_absent(stage: Stage, operator: str, is_denied: bool) -> None:
    """As for what an organization's policies ask for, which AWS does not list as missing."""
    organizations = stage.client("organizations")
    if not has_organization(organizations):
        organizations.create_organization(FeatureSet="ALL")
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {operator: {"aws:SecureTransport": "false"}}}
    policy_id = organizations.create_policy(
        Name="transport", Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(deny)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy_id, TargetId=ACCOUNT)
    name = secrets.token_hex(4)
    arn = stage.iam.create_user(UserName=name)["User"]["Arn"]
    stage.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy(DESCRIBE))
    result = simulate(stage, arn, "ecs:DescribeServices")["ecs:DescribeServices"]
    organizations.detach_policy(PolicyId=policy_id, TargetId=ACCOUNT)
    organizations.delete_policy(PolicyId=policy_id)
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": not is_denied}
    assert result["EvalDecision"] == ("explicitDeny" if is_denied else "allowed")


def test_a_resource_control_policy_denies_what_is_the_members(stage: Stage) -> None:
    """Secrets, keys and roles of a member account, to its administrator too; the management account's are exempt."""
    organizations = stage.client("organizations")
    if not has_organization(organizations):
        organizations.create_organization(FeatureSet="ALL")
    status = organizations.create_account(
        AccountName="member", Email="member@ohmycoins.test", RoleName="administrators"
    )["CreateAccountStatus"]
    role = f"arn:aws:iam::{status['AccountId']}:role/OrganizationAccountAccessRole"
    session = stage.client("sts").assume_role(RoleArn=role, RoleSessionName="audit")["Credentials"]
    names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key"}
    own = {names.get(name, "aws_session_token"): session[name] for name in (*names, "SessionToken")}
    secrets_of_member, kms = stage.client("secretsmanager", **own), stage.client("kms", **own)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for name, more in (("plain", {}), ("sealed", {"KmsKeyId": key})):
        secrets_of_member.create_secret(Name=name, SecretString="x", **more)
    stage.secrets.create_secret(Name="plain-of-management", SecretString="x")

    root = organizations.list_roots()["Roots"][0]["Id"]
    for action, refused in (("secretsmanager:GetSecretValue", "plain"), ("kms:Decrypt", "sealed"), ("sts:*", "")):
        deny = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
        limit = organizations.create_policy(
            Name=action, Description="", Type="RESOURCE_CONTROL_POLICY", Content=policy(deny)
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=limit, TargetId=root)
        with pytest.raises(
            ClientError,
            match=r"resource control policy|Access to KMS is not allowed|not authorized to perform: sts:AssumeRole",
        ):
            if refused:
                secrets_of_member.get_secret_value(SecretId=refused)
            else:
                stage.client("sts").assume_role(RoleArn=role, RoleSessionName="audit")
        assert stage.secrets.get_secret_value(SecretId="plain-of-management")["SecretString"] == "x"
        organizations.detach_policy(PolicyId=limit, TargetId=root)
        assert secrets_of_member.get_secret_value(SecretId=refused or "plain")["SecretString"] == "x"


def has_organization(organizations: Any) -> bool:
    """Whether the account has an organization already."""
    try:
        return bool(organizations.describe_organization())
    except ClientError:
        return False


def events(stage: Stage, **attributes: str) -> list[Any]:
    """CloudTrail's events with one attribute."""
    lookup_attributes = [{"AttributeKey": key, "AttributeValue": value} for key, value in attributes.items()]
    pages = stage.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=lookup_attributes)
    return [event for page in pages for event in page["Events"]]


def test_trail_tells_who_changed_the_secret_and_not_to_what(stage: Stage) -> None:
    """A put is recorded with its principal, user agent and secret, without the value."""
    canary = secrets.token_hex(12)
    own = user(stage, {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"})
    arn = stage.secrets.create_secret(Name="watched", SecretString="x")["ARN"]
    stage.client("secretsmanager", **own).put_secret_value(SecretId="watched", SecretString=canary)
    puts = [e for e in events(stage, EventName="PutSecretValue") if e["AccessKeyId"] == own["aws_access_key_id"]]
    assert len(puts) == 1
    record = json.loads(puts[0]["CloudTrailEvent"])
    assert record["userIdentity"]["arn"].startswith(f"arn:aws:iam::{ACCOUNT}:user/")
    assert record["userIdentity"]["userName"] == puts[0]["Username"]
    assert "Boto3" in record["userAgent"]
    assert record["requestParameters"]["secretId"] == "watched"
    assert puts[0]["EventSource"] == "secretsmanager.amazonaws.com"
    assert arn in [resource["ResourceName"] for resource in puts[0]["Resources"]]
    assert canary not in json.dumps(puts, default=str)
    assert puts == [e for e in events(stage, ResourceName=arn) if e["EventName"] == "PutSecretValue"]


def test_trail_tells_the_agents_reads_by_task(stage: Stage) -> None:
    """Each task's reads carry the execution role and the task's id, between its creation and its start."""
    from omc_runbook.sandbox import lifecycle

    task_id = lifecycle.status(stage.sandbox)["tasks"][0]["task"]
    task = stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task_id])["tasks"][0]
    reads = events(stage, Username=task_id)
    assert {read["EventName"] for read in reads} == {"GetSecretValue"}
    record = json.loads(reads[0]["CloudTrailEvent"])
    assert record["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/execution/{task_id}"
    assert all(task["createdAt"].timestamp() - 1 <= r["EventTime"].timestamp() for r in reads)
    # ECS tells milliseconds, cut off.
    assert all(r["EventTime"].timestamp() <= task["startedAt"].timestamp() + 0.001 for r in reads)


def test_trail_keeps_refusals_and_pages(stage: Stage) -> None:
    """A refused call is there with its code; pages and times divide the events without loss."""
    before = datetime.now(UTC)
    ecs = stage.client("ecs", **user(stage))
    for _ in range(3):
        with pytest.raises(ClientError):
            ecs.list_clusters()
    trail = stage.client("cloudtrail")
    lookup_attributes = [{"AttributeKey": "EventName", "AttributeValue": "ListClusters"}]
    first = trail.lookup_events(LookupAttributes=lookup_attributes, StartTime=int(before.timestamp()), MaxResults=2)
    second = trail.lookup_events(LookupAttributes=lookup_attributes, MaxResults=50, NextToken=first["NextToken"])
    events_of_both_pages = [*first["Events"], *second["Events"]]
    assert len({event["EventId"] for event in events_of_both_pages}) == len(events_of_both_pages) >= 3
    assert [json.loads(e["CloudTrailEvent"]).get("errorCode") for e in events_of_both_pages[:3]] == [
        "AccessDeniedException"
    ] * 3
    assert trail.lookup_events(LookupAttributes=lookup_attributes, EndTime=int(before.timestamp()) - 60)["Events"] == []


def test_wire_faults_hit_whom_they_are_meant_for(stage: Stage) -> None:
    """A fault applies to its action and principal, as many times as requested, and can be lifted."""
    from omc_runbook.sandbox import lifecycle

    own = user(stage, {"Effect": "Allow", "Action": "*", "Resource": "*"})
    theirs = stage.client("ecs", **own)
    rule = {"action": "ecs:List*", "error": "ThrottlingException", "count": 1, "principal": ":user/user-"}
    lifecycle.ask(stage.sandbox, "POST", "wire", rule)
    stage.ecs.list_clusters()
    theirs.describe_clusters()
    with pytest.raises(ClientError) as error:
        theirs.list_clusters()
    assert error.value.response["Error"]["Code"] == "ThrottlingException"
    theirs.list_clusters()
    number = lifecycle.ask(stage.sandbox, "POST", "wire", {"delay_ms": 200})["id"]
    started = datetime.now(UTC)
    theirs.list_clusters()
    assert (datetime.now(UTC) - started).total_seconds() >= 0.2
    lifecycle.ask(stage.sandbox, "DELETE", "wire", {"id": number})
    assert lifecycle.ask(stage.sandbox, "GET", "wire")["rules"] == []


def test_what_moto_lacks_is_said(stage: Stage) -> None:
    """A call that neither moto nor the sandbox knows is an error that says so."""
    with pytest.raises(ClientError, match="The sandbox does not offer ecs:GetTaskProtection"):
        stage.ecs.get_task_protection(cluster=CLUSTER)


def test_calls_are_counted(stage: Stage) -> None:
    """The sandbox counts the calls of each action."""
    from omc_runbook.sandbox import lifecycle

    def count() -> int:
        return int(lifecycle.ask(stage.sandbox, "GET", "calls")["calls"].get("ecs:DescribeClusters", 0))

    before = count()
    stage.ecs.describe_clusters(clusters=[CLUSTER])
    assert until(count) == before + 1
