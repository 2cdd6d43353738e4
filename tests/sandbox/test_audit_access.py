"""Who may read the secret, in the sandbox: what is read of the account, what cannot be, and remedies as printed."""

from __future__ import annotations

import io
import json
import shlex
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support import aws_commands
from support.runs import client, sign_in

from omc_runbook.aws import iam, organizations
from omc_runbook.checks import audit_access
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.faults import audit_access as access_faults
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET, World
from omc_runbook.snapshot.state import Snapshot

FAULTS = [fault.id for fault in access_faults.FAULTS]


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The sandbox of this module, in which each call is as AWS's again at the end."""
    sign_in(sandbox, monkeypatch)
    yield World(sandbox.endpoint)
    lifecycle.ask(lifecycle.at(sandbox.endpoint), "DELETE", "wire")


def look() -> Snapshot:
    """What an audit reads."""
    [target] = runbooks_run.begin("audit", "staging").targets
    return target.look(audit_days=90)


def findings(snapshot: Snapshot, status: str = "found") -> dict[str, Finding]:
    """The findings of who may read, one of each check."""
    answers = (answer for check in checks_of(audit_access) for answer in run_check(check, snapshot))
    return {answer.check: answer for answer in answers if answer.status == status}


def refuse(world: World, action: str) -> None:
    """Let the sandbox refuse an action."""
    lifecycle.ask(lifecycle.at(world.endpoint), "POST", "wire", {"action": action, "error": "AccessDeniedException"})


@pytest.mark.parametrize(
    ("action", "unknown"),
    [
        ("iam:GetAccountAuthorizationDetails", {check.id for check in checks_of(audit_access)}),
        ("iam:GenerateServiceLastAccessedDetails", {"unused-reader"}),
        ("iam:GetServiceLastAccessedDetails", {"unused-reader"}),
        ("organizations:DescribeOrganization", set()),
    ],
)
def test_what_is_refused_is_unknown_and_named(action: str, unknown: set[str], world: World) -> None:
    """The part that needs the permission is unknown, and names it; the others are clear."""
    refuse(world, action)
    snapshot = look()
    unknown_findings = findings(snapshot, "unknown")
    assert set(unknown_findings) == unknown
    assert all(f"the permission {action} is missing" in " ".join(each.evidence) for each in unknown_findings.values())
    assert findings(snapshot) == {}


def test_the_details_have_all_that_decides(world: World) -> None:
    """Inline, managed and groups' policies, boundaries of users too, trust and tags, over several pages."""
    api = world.iam
    document = json.dumps(policy("s3:*", Resource="*"))
    arn = api.create_policy(PolicyName="shared", PolicyDocument=document)["Policy"]["Arn"]
    api.create_group(GroupName="developers")
    api.put_group_policy(GroupName="developers", PolicyName="own", PolicyDocument=document)
    api.attach_group_policy(GroupName="developers", PolicyArn=arn)
    api.create_user(UserName="alice", Tags=[{"Key": "team", "Value": "core"}])
    api.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=arn)
    api.add_user_to_group(GroupName="developers", UserName="alice")
    api.create_user(UserName="bob", PermissionsBoundary=arn)
    details = iam.get_account_details(api, ["User", "Group", "Role", "LocalManagedPolicy"])
    identities = {each.name: each for each in iam.join(details)}
    alice, role = identities["alice"], identities[EXECUTION_ROLE]
    assert [(each.name, each.kind) for each in alice.policies] == [("own", "inline"), ("shared", "managed")]
    assert alice.boundary == PolicyDocument("shared", "boundary", json.loads(document), arn)
    assert identities["bob"].boundary == alice.boundary
    assert alice.tags == {"team": "core"}
    assert {each.group.rpartition(":")[2] for each in alice.policies} == {"group/developers"}
    assert role.trust and role.id.startswith("AROA") and role.created and len(role.policies) == 2
    paginator = api.get_paginator("get_account_authorization_details")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 2}))
    counts = [
        sum(len(page[name]) for name in ("UserDetailList", "GroupDetailList", "RoleDetailList")) for page in pages
    ]
    assert sum(counts) == len(details.entities) + len(details.groups) and max(counts) <= 2
    [managed] = [each for page in pages for each in page["Policies"]]
    assert (managed["PolicyName"], managed["Arn"]) == ("shared", arn)
    api.create_policy_version(
        PolicyArn=arn, PolicyDocument=json.dumps(policy("ec2:*", Resource="*")), SetAsDefault=True
    )
    newer = iam.get_account_details(api, ["LocalManagedPolicy"])
    assert details.other_versions == {arn: ()} and newer.other_versions == {arn: (details.policies[arn],)}
    assert iam.get_account_details(api, ["AWSManagedPolicy"]).other_versions == {}
    without_policies = iam.join(iam.get_account_details(api, ["User", "Group"]))
    assert without_policies[0].unread == (arn,)


def test_the_last_access_is_that_of_the_sandboxs_events(world: World) -> None:
    """A role that read has the time of its read; one that did not has none."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
    last_access = iam.get_last_access(world.iam, arn)
    assert last_access and last_access.service and last_access.actions["GetSecretValue"]
    assert datetime.now(UTC) - last_access.actions["GetSecretValue"] < timedelta(minutes=10)
    assert last_access.actions["PutSecretValue"] is None
    assert iam.get_last_access(world.iam, f"{arn}-of-nobody") is None


def test_each_level_of_the_organization_is_read(world: World) -> None:
    """The account's policies, its unit's and the root's; nothing limits the management account."""
    api: Any = world.client("organizations")
    api.create_organization(FeatureSet="ALL")
    root = api.list_roots()["Roots"][0]["Id"]
    unit = api.create_organizational_unit(ParentId=root, Name="staging")["OrganizationalUnit"]["Id"]
    account = api.create_account(AccountName="member", Email="member@ohmycoins.test")["CreateAccountStatus"][
        "AccountId"
    ]
    api.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
    content = json.dumps(policy("secretsmanager:*", effect="Deny", Resource="*"))
    response = api.create_policy(Name="no-secrets", Description="None", Type="SERVICE_CONTROL_POLICY", Content=content)
    api.attach_policy(PolicyId=response["Policy"]["PolicySummary"]["Id"], TargetId=unit)
    control = json.dumps(policy("secretsmanager:*", effect="Deny", Principal="*", Resource="*"))
    limit = api.create_policy(Name="ours", Description="Ours", Type="RESOURCE_CONTROL_POLICY", Content=control)
    api.attach_policy(PolicyId=limit["Policy"]["PolicySummary"]["Id"], TargetId=root)
    above = organizations.policies_above(api, account, organizations.describe(api))
    levels = above.levels
    assert [(each.name, each.kind) for each in above.resource_controls] == [("ours", "rcp")]
    assert ["no-secrets" in [each.name for each in level] for level in levels] == [False, True, False]
    assert levels[1][-1].document == json.loads(content)
    nothing = organizations.policies_above(api, ACCOUNT, organizations.describe(api))
    assert (nothing.levels, nothing.resource_controls) == ((), ())


def test_without_the_secret_everybody_is_read_and_nobody_judged(world: World) -> None:
    """Who may not describe the secret gets the account's identities, and each check is unknown."""
    refuse(world, "secretsmanager:DescribeSecret")
    snapshot = look()
    assert snapshot.audit.identities and snapshot.audit.identities.identities
    assert set(findings(snapshot, "unknown")) == {check.id for check in checks_of(audit_access)}


def test_functions_with_a_role_that_reads_are_a_way_in(world: World) -> None:
    """Functions are listed where Lambda may assume such a role; whoever may update their code is named."""
    assert look().audit.identities.functions == {}  # type: ignore[union-attr]
    faults.break_(world.endpoint, "unused-reader")
    role = f"arn:aws:iam::{ACCOUNT}:role/{access_faults.REPORTS}"
    code = io.BytesIO()
    zipfile.ZipFile(code, "w").close()
    api: Any = world.client("lambda")
    function = api.create_function(
        FunctionName="reports", Runtime="python3.13", Handler="x.y", Role=role, Code={"ZipFile": code.getvalue()}
    )
    world.iam.create_user(UserName=access_faults.PERSON)
    document = json.dumps(policy("lambda:UpdateFunctionCode", Resource="*"))
    world.iam.put_user_policy(UserName=access_faults.PERSON, PolicyName=access_faults.POLICY, PolicyDocument=document)
    try:
        snapshot = look()
        assert snapshot.audit.identities
        assert snapshot.audit.identities.functions == {function["FunctionArn"]: role}
        finding = findings(snapshot)["can-become-reader"]
        assert finding.subject == access_faults.PERSON and "lambda:UpdateFunctionCode" in finding.evidence[0]
        refuse(world, "lambda:ListFunctions")
        assert "lambda:ListFunctions" in " ".join(findings(look(), "unknown")["can-become-reader"].evidence)
    finally:
        api.delete_function(FunctionName="reports")
        faults.mend(world.endpoint)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_remedy_mends_as_it_is_printed(fault: str, sandbox: Sandbox, world: World) -> None:
    """Pasted into a shell, the command takes the fault away, and the tasks' roles may read as before."""
    faults.break_(world.endpoint, fault)
    problems = findings(look())
    assert fault in problems
    for part in problems[fault].remedy.command.split(" && "):
        call = aws_commands.read(shlex.split(part))
        getattr(client(sandbox, call.service), call.operation)(**call.parameters)
    snapshot = look()
    assert fault not in findings(snapshot)
    assert all(role.simulated[0].decision == "allowed" for role in snapshot.permissions.values())
    assert world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"]
    faults.mend(world.endpoint)
    names = {each["RoleName"] for each in world.iam.list_roles()["Roles"]}
    assert not {access_faults.REPORTS, access_faults.DEPLOYMENTS} & names


def test_a_group_that_reads_is_a_way_in_for_whoever_may_fill_it(world: World) -> None:
    """With its inline and its managed policies, and without a member."""
    policy_document = json.dumps(policy("secretsmanager:GetSecretValue", Resource="*"))
    person, fills = access_faults.PERSON, json.dumps(policy("iam:AddUserToGroup", Resource="*"))
    managed = world.iam.create_policy(PolicyName="reads", PolicyDocument=policy_document)["Policy"]["Arn"]
    world.iam.create_group(GroupName="readers")
    world.iam.attach_group_policy(GroupName="readers", PolicyArn=managed)
    world.iam.create_user(UserName=person)
    world.iam.put_user_policy(UserName=person, PolicyName=access_faults.POLICY, PolicyDocument=fills)
    try:
        finding = findings(look())["can-become-reader"]
        assert finding.subject == person and "iam:AddUserToGroup" in finding.evidence[0]
    finally:
        world.iam.detach_group_policy(GroupName="readers", PolicyArn=managed)
        world.iam.delete_group(GroupName="readers")
        world.iam.delete_policy(PolicyArn=managed)
        faults.mend(world.endpoint)
