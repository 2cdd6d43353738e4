"""The policies that `omc-runbook policy` prints, enforced by the sandbox: enough, and each action needed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.enforced_policies import policy_of, status_of, without
from support.runs import COMMAND, SECRET, Desk, caller, client, sign_in

from omc_runbook.headless import notebooks
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import verify
from omc_runbook.runbooks.policy import actions_of
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import break_, mend
from omc_runbook.sandbox.faults.change import revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, World

APPLIED: Mapping[str, tuple[str, ...]] = {
    "add_key": ("key=NEW_API_KEY", "values_from=generate", "repository=checkout", "apply=true"),
    "rotate": ("keys=SECRET_KEY", "apply=true"),
    "restore": ("apply=true",),
    "update": ("values_from=generate", "keys=SECRET_KEY", "apply=true"),
}
"""Parameters with which a runbook changes something, so that its whole policy is needed."""
NEEDY = frozenset(name for name in notebooks.paths() if not actions_of(name).why_none)
"""The runbooks that need a permission."""


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


def refused_calls(desk: Desk, person: Mapping[str, str]) -> set[str]:
    """The calls of somebody that were refused, as CloudTrail has them."""
    by_key = [{"AttributeKey": "AccessKeyId", "AttributeValue": person["AWS_ACCESS_KEY_ID"]}]
    pages = client(desk.sandbox, "cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=by_key)
    events = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
    assert events
    return {event["eventName"] for event in events if "Access" in event.get("errorCode", "")}


@pytest.mark.parametrize("runbook", sorted(NEEDY - {"audit", "create"}))
def test_it_is_enough(desk: Desk, runbook: str) -> None:
    """Nothing is unknown, changes are made and proved, and no call is refused on the way."""
    shutil.copytree(desk.sandbox.variables["OMC_REPOSITORY"], desk.work / "checkout", symlinks=True)
    person = caller(desk.sandbox, json.dumps(policy_of(desk, runbook)))
    process = desk.call([str(COMMAND), "run", runbook, "environment=staging", *APPLIED.get(runbook, ())], **person)
    assert (process.returncode, status_of(desk)) == (0, "ok"), process.stdout
    named = (
        {"ListEventBuses", "ListRuleNamesByTarget", "ListSchedules"} if runbook in ("rotate", "update") else set[str]()
    )
    assert refused_calls(desk, person) == named, "what EventBridge starts is named where that is allowed, no more"


def test_the_policy_of_create_is_enough(desk: Desk) -> None:
    """For an environment that has no secret yet: its name stands in for the ARN."""
    document = policy_of(desk, "create", environment="production")
    secret = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-production-app-secrets-??????"
    assert secret in {resource for statement in document["Statement"] for resource in statement["Resource"]}
    words = ("environment=production", "apply=true", "confirm=production")
    person = caller(desk.sandbox, json.dumps(document))
    process = desk.call([str(COMMAND), "run", "create", *words], **person)
    client(desk.sandbox, "secretsmanager").delete_secret(
        SecretId="ohmycoins-production-app-secrets", ForceDeleteWithoutRecovery=True
    )
    assert process.returncode == 0 and refused_calls(desk, person) == set(), process.stdout


@pytest.mark.parametrize(
    "text", ["[environments.staging]\n[environments.qa]\n", '[discovery]\nsecrets = "{project}-*-app-secrets"\n']
)
def test_the_policy_of_a_fleet_names_its_other_environments(desk: Desk, text: str) -> None:
    """It is for one of them, and enough for no other."""
    secrets, name = client(desk.sandbox, "secretsmanager"), "ohmycoins-qa-app-secrets"
    secrets.create_secret(Name=name, SecretString="{}")
    (desk.work / "runbook.toml").write_text(text)
    try:
        notes = [desk.call([str(COMMAND), "policy", each]).stderr for each in ("fleet", "verify")]
    finally:
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    pattern = re.compile(r"This is for staging alone\. A fleet also needs the policies for (production, )?qa: ")
    assert [bool(pattern.search(note)) for note in notes] == [True, False]


@pytest.fixture(scope="module")
def after_change(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """verify's policy a moment after a change, when CloudTrail decides which value a task has."""
    desk = Desk(tmp_path_factory.mktemp("change"), sandbox)
    process = desk.call([str(COMMAND), "run", "update", "environment=staging", *APPLIED["update"]])
    assert process.returncode == 0, process.stdout
    return policy_of(desk, "verify")


@pytest.mark.parametrize("action", actions_of("verify").plan)
def test_each_action_of_verify_is_needed(
    sandbox: Sandbox, after_change: dict[str, Any], action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it something is unknown, and it is named."""
    for name, value in (sandbox.variables | caller(sandbox, json.dumps(without(after_change, action)))).items():
        monkeypatch.setenv(name, value)
    run = verify.begin("staging")
    findings = verify.diagnose(verify.look(run))
    with pytest.raises(CouldNotLook):
        verify.conclude(run, findings)
    assert action in " ".join(line for each in findings if each.status == "unknown" for line in each.evidence)


def test_the_command_names_the_action_that_it_lacks(desk: Desk, after_change: dict[str, Any]) -> None:
    """And ends as with what could not be looked at."""
    action = "iam:SimulatePrincipalPolicy"
    person = caller(desk.sandbox, json.dumps(without(after_change, action)))
    process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **person)
    assert process.returncode == 2, process.stdout
    assert action in process.stdout + process.stderr


def test_who_only_plans_needs_less(desk: Desk) -> None:
    """The policy of --no-apply is enough to plan, and an applied plan is refused with what is missing."""
    words = ("environment=staging", *APPLIED["update"][:-1])
    planner = caller(desk.sandbox, json.dumps(policy_of(desk, "update", "--no-apply")))
    process = desk.call([str(COMMAND), "run", "update", *words], **planner)
    assert (process.returncode, status_of(desk)) == (0, "ok"), process.stdout
    process = desk.call([str(COMMAND), "run", "update", *words, "apply=true"], **planner)
    assert process.returncode == 2 and "secretsmanager:PutSecretValue is missing" in process.stdout


def test_a_daemon_that_may_not_be_looked_for_is_unknown(desk: Desk) -> None:
    """It might keep the old values, so the run does not say that all have the new ones."""
    person = caller(desk.sandbox, json.dumps(without(policy_of(desk, "update"), "ecs:ListDaemons")))
    process = desk.call([str(COMMAND), "run", "update", "environment=staging", *APPLIED["update"]], **person)
    assert (process.returncode, status_of(desk)) == (2, "unknown"), process.stdout
    assert "the permission ecs:ListDaemons is missing" in process.stdout


def test_a_revision_is_registered_only_by_who_may_pass_its_roles(desk: Desk) -> None:
    """As AWS demands; what is missing is named as AWS names it, not as the call is called."""
    document = without(policy_of(desk, "add_key"), "iam:PassRole")
    shutil.copytree(desk.sandbox.variables["OMC_REPOSITORY"], desk.work / "checkout", symlinks=True)
    words = ("environment=staging", "key=OTHER_API_KEY", *APPLIED["add_key"][1:])
    process = desk.call([str(COMMAND), "run", "add_key", *words], **caller(desk.sandbox, json.dumps(document)))
    mend(desk.sandbox.endpoint)
    assert process.returncode == 2 and "the permission iam:PassRole is missing" in process.stdout


def test_a_runbook_that_needs_nothing_says_so(desk: Desk) -> None:
    """Without asking AWS; every notebook has an answer: actions, or why it needs none."""
    assert {name for name in notebooks.paths() if actions_of(name).plan} == NEEDY
    for runbook in notebooks.paths().keys() - NEEDY:
        process = desk.call([str(COMMAND), "policy", runbook, "environment=local"])
        assert (process.returncode, process.stdout) == (0, "") and f"{runbook} needs no permission" in process.stderr
    process = desk.call([str(COMMAND), "policy", "local_setup"], OMC_ENVIRONMENTS__STAGE__REGION="ap-southeast-2")
    assert process.returncode == 0 and "local_setup needs no permission" in process.stderr


def test_a_policy_allows_no_more_than_one_environment(desk: Desk) -> None:
    """What has resources names staging's."""
    for runbook in NEEDY:
        for statement in policy_of(desk, runbook, "--apply")["Statement"]:
            assert (
                statement["Resource"] == ["*"]
                or all("staging" in each for each in statement["Resource"])
                # add_key compares the keys of environments, audit their values.
                or (runbook in ("add_key", "audit") and statement["Action"] == ["secretsmanager:GetSecretValue"])
            )


@pytest.mark.parametrize("runbook", ["verify", "audit", "create"])
def test_no_call_is_made_that_the_policy_leaves_out(desk: Desk, runbook: str) -> None:
    """Nothing that a run says depends on it, so that no call is refused; of an environment without a secret, too."""
    words = ("environment=production",) if runbook == "create" else ("environment=staging",)
    document = policy_of(desk, runbook, "--no-apply", environment=words[0].partition("=")[2])
    person = caller(desk.sandbox, json.dumps(document))
    desk.call([str(COMMAND), "run", runbook, *words], **person)
    assert refused_calls(desk, person) == set()


def test_where_tasks_fail_what_was_left_out_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change's look then says why, as far as it may."""
    sign_in(desk.sandbox, monkeypatch)
    before = runbooks_run.begin("update", "staging").look()
    assert before.left_out == {"policies", "roles"} and not before.permissions and not before.resource_policies
    skipped = {finding.check for finding in runbooks_run.diagnose(before) if finding.status == "skipped"}
    assert {"no-permission", "resource-deny", "kms-disabled"} <= skipped
    break_(desk.sandbox.endpoint, "no-permission")
    lifecycle.settle(desk.sandbox)
    after = runbooks_run.begin("update", "staging").look()
    mend(desk.sandbox.endpoint)
    assert not after.left_out and after.permissions
    causes = {finding.check for finding in runbooks_run.diagnose(after) if finding.is_root_cause}
    assert "no-permission" in causes


def test_what_else_the_environment_needs_is_in_the_policy(desk: Desk) -> None:
    """Its customer managed key, another secret and a parameter that its tasks get, each by its ARN."""
    clients = {name: client(desk.sandbox, name) for name in ("kms", "secretsmanager", "ssm", "iam", "ecs")}
    key = clients["kms"].create_key()["KeyMetadata"]["Arn"]
    other = clients["secretsmanager"].create_secret(
        Name="shared/monitoring", SecretString=json.dumps({"KEY": "x" * 32})
    )
    clients["ssm"].put_parameter(Name="/app/mode", Value="calm", Type="SecureString")
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/app/mode"
    action_of_reads = "secretsmanager:GetSecretValue"
    allowed = {"kms:Decrypt": key, action_of_reads: other["ARN"], "ssm:GetParameters": parameter}
    statements = [{"Effect": "Allow", "Action": action, "Resource": arn} for action, arn in allowed.items()]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    clients["iam"].put_role_policy(RoleName=EXECUTION_ROLE, PolicyName="more", PolicyDocument=document)
    clients["secretsmanager"].update_secret(SecretId=SECRET, KmsKeyId=key)

    def add(container: Any) -> None:
        container["secrets"] += [
            {"name": "MONITORING_KEY", "valueFrom": f"{other['ARN']}:KEY::"},
            {"name": "APP_MODE", "valueFrom": parameter},
            {"name": "MONITORING", "valueFrom": other["ARN"].rpartition("-")[0]},
        ]

    world = World(desk.sandbox.endpoint)
    revise(world, "backend", add)
    world.settle()
    try:
        policy = policy_of(desk, "verify")
        by_action = {action: each["Resource"] for each in policy["Statement"] for action in each["Action"]}
        assert by_action["kms:Decrypt"] == by_action["kms:GetKeyPolicy"] == [key]
        # Where a reference has no suffix, the ARN that AWS decides by has one.
        pattern = f"{other['ARN'].rpartition('-')[0]}-??????"
        assert {other["ARN"], pattern} < {*by_action["secretsmanager:DescribeSecret"]}
        assert "ssm:DescribeParameters" in by_action
        assert other["ARN"] not in by_action["secretsmanager:GetSecretValue"]
        person = caller(desk.sandbox, json.dumps(policy))
        process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **person)
        assert (process.returncode, status_of(desk)) == (0, "ok"), process.stdout
        assert refused_calls(desk, person) == set()
        for action in ("kms:DescribeKey", "ssm:DescribeParameters"):
            blind = caller(desk.sandbox, json.dumps(without(policy, action)))
            process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **blind)
            assert process.returncode == 2 and action in process.stdout
        # Where the role's own policies do not let it read the other secret, that secret's policy may.
        own = [each for each in statements if each["Resource"] != other["ARN"]]
        document = json.dumps({"Version": "2012-10-17", "Statement": own})
        clients["iam"].put_role_policy(RoleName=EXECUTION_ROLE, PolicyName="more", PolicyDocument=document)
        role = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
        lets_in = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": action_of_reads, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": lets_in})
        clients["secretsmanager"].put_resource_policy(SecretId=other["ARN"], ResourcePolicy=document)
        process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **person)
        assert (process.returncode, status_of(desk)) == (0, "ok"), process.stdout
        blind = caller(desk.sandbox, json.dumps(without(policy, "secretsmanager:GetResourcePolicy")))
        process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **blind)
        assert (process.returncode, status_of(desk)) == (2, "unknown"), process.stdout
        # After any edit of the other secret, its versions say since when it has its value.
        clients["secretsmanager"].put_secret_value(SecretId=other["ARN"], SecretString=json.dumps({"KEY": "y" * 32}))
        process = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **person)
        assert (process.returncode, status_of(desk)) == (1, "findings") and "other-secret-rotated" in process.stdout
    finally:
        clients["secretsmanager"].update_secret(SecretId=SECRET, KmsKeyId="alias/aws/secretsmanager")
        clients["iam"].delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName="more")
        mend(desk.sandbox.endpoint)


def test_the_topics_of_runbook_toml_may_be_published_to(desk: Desk) -> None:
    """By a run that only looks; without that permission the run says that nobody was notified."""
    topic = client(desk.sandbox, "sns").create_topic(Name="platform")["TopicArn"]
    (desk.work / "runbook.toml").write_text(f'[notify]\nfindings = ["sns:{topic}"]\nunknown = ["sns:{topic}"]\n')
    policy = policy_of(desk, "verify")
    assert {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [topic]} in policy["Statement"]
    assert "sns:Publish" not in json.dumps(policy_of(desk, "rotate"))
    run = [str(COMMAND), "run", "verify", "environment=staging", "service=nope", "--notify"]
    for document, is_told in ((without(policy, "sns:Publish"), False), (policy, True)):
        process = desk.call(run, **caller(desk.sandbox, json.dumps(document)))
        assert process.returncode == 1
        assert ("sns:Publish" not in process.stdout) == is_told, process.stdout


def test_other_clusters_that_runbook_toml_names_may_be_read(desk: Desk) -> None:
    """Their services and, for verify, the tasks of those that have the secret."""
    ecs = client(desk.sandbox, "ecs")
    (worker,) = ecs.describe_services(cluster="ohmycoins-staging", services=["worker"])["services"]
    like_it = {name: worker[name] for name in ("taskDefinition", "launchType", "networkConfiguration")}
    ecs.create_cluster(clusterName="tools")
    ecs.create_service(cluster="tools", serviceName="reports", desiredCount=1, **like_it)
    (desk.work / "runbook.toml").write_text('clusters = ["*"]\n')
    try:
        for runbook, *words in (("verify",), ("rotate", "keys=SECRET_KEY")):
            person = caller(desk.sandbox, json.dumps(policy_of(desk, runbook, "--no-apply")))
            process = desk.call([str(COMMAND), "run", runbook, "environment=staging", *words], **person)
            assert process.returncode == 0 and "services of other clusters" not in process.stdout, process.stdout
            of_ecs = {"ListClusters", "ListServices", "DescribeServices", "ListTasks", "DescribeTasks"}
            assert not of_ecs & refused_calls(desk, person)
    finally:
        ecs.delete_service(cluster="tools", service="reports", force=True)
        ecs.delete_cluster(cluster="tools")
