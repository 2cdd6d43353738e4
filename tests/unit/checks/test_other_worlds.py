"""Worlds that differ from the guide's: other spellings of each fault, and what is healthy all the same."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from support.check_assertions import root_causes
from support.faults import deployment as deployment_faults
from support.snapshots import (
    ACCOUNT,
    ARN,
    DEPLOYED,
    NAME,
    NOW,
    ROLE,
    ROLE_NAME,
    TRUST,
    WORKER_KEYS,
    by_policies,
    definition_arn,
    deployment,
    healthy,
    policy,
    rotated,
    simulated,
    stopped,
    stuck,
    task,
    task_definition,
    with_container,
    with_definition,
    with_keys,
    with_permissions,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
    without_key,
)

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition, describe_task_definition
from omc_runbook.aws.deployments import DeploymentConfiguration
from omc_runbook.aws.ecs import ServiceEvent, Task, TaskContainer
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KmsKey
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.value_from import parse
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.state import Snapshot

EXITED = "EssentialContainerExited"
RAN: dict[str, Any] = {"started": NOW, "stop_code": EXITED}
READ = "secretsmanager:GetSecretValue"
PULL = "ResourceInitializationError: unable to pull secrets or registry auth: "


def unsure(snapshot: Snapshot) -> list[str]:
    """The checks that are unknown."""
    return [finding.check for finding in diagnose(snapshot) if finding.status == "unknown"]


@pytest.mark.parametrize(
    ("value_from", "cause"),
    [
        (f" {ARN}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN}:SECRET_KEY:: ", "arn-malformed"),
        (f"{ARN.replace('secretsmanager', 'secretmanager')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.removeprefix('arn:')}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}??????:SECRET_KEY::", "arn-malformed"),
        (f"{ARN[:-6]}*:SECRET_KEY::", "arn-malformed"),
        (f"{ARN}#SECRET_KEY", "arn-malformed"),
        ("${var.secrets_arn}:SECRET_KEY::", "arn-malformed"),
        (f"{ARN.replace('arn:aws:', 'arn:aws-us-gov:')}:SECRET_KEY::", "wrong-partition"),
        (f"{ARN.replace('aws:', 'aws-cn:').replace('ap-southeast-2', 'cn-north-1')}:SECRET_KEY::", "wrong-partition"),
        (f"{ARN.replace('staging', 'production')}:SECRET_KEY::", "other-environment"),
        (f"{NAME}:SECRET_KEY::", "bare-name"),
        (f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}", "bare-name"),
    ],
)
def test_spellings_of_a_wrong_reference(value_from: str, cause: str) -> None:
    """However a reference is wrong, it is the one cause of the tasks that do not start."""
    with_failures = stuck(healthy(), "worker", f"{PULL}execution resource retrieval failed")
    assert root_causes(with_reference(with_failures, "worker", "SECRET_KEY", value_from)) == [cause]


@pytest.mark.parametrize(
    "value_from",
    [
        f"arn:aws:ssm:ap-southeast-2:{ACCOUNT}:parameter/{NAME}/url",
        f"/ohmycoins/{NAME}/SECRET_KEY",
        f"{ARN.replace('-app-', '-other-')}:TOKEN::",
        ARN.replace("app-secrets", "app-secrets-legacy"),
        f"{ARN}:OPENAI_API_KEY:AWSCURRENT:",
    ],
)
def test_references_that_are_right(value_from: str) -> None:
    """A parameter or a secret of another name is nobody's fault, and neither is the current stage by its name."""
    snapshot = with_reference(healthy(), "worker", "OPENAI_API_KEY", value_from)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])


def injecting(snapshot: Snapshot, name: str, **variables: str) -> Snapshot:
    """Let a service's new revision inject keys under these variables, and its tasks exit while the old ones serve."""
    entries = tuple(Injection(variable, parse(f"{ARN}:{key}::")) for variable, key in variables.items())
    old = snapshot.task_definitions[definition_arn(name)]
    new = replace(
        old,
        arn=definition_arn(name, 8),
        revision=8,
        containers=(replace(old.containers[0], secrets=entries),),
    )
    with_failures = stuck(snapshot, name, "Essential container in task exited", **RAN)
    service = next(service for service in with_failures.services if service.name == name)
    primary, *others = service.deployments
    deployments = (replace(primary, task_definition_arn=new.arn), *others)
    moved = with_service(with_failures, name, task_definition_arn=new.arn, deployments=deployments)
    return replace(moved, task_definitions={**snapshot.task_definitions, new.arn: new})


@pytest.mark.parametrize(
    ("name", "variables", "cause"),
    [
        ("worker", {"SECRET_KEY": "SECRET_KEY", "DB_PASS": "POSTGRES_PASSWORD", "OPENAI_API_KEY": "OPENAI_API_KEY"}, 0),
        ("worker", {"SECRET_KEY": "SECRET_KEY", "POSTGRES_PASSWORD": "POSTGRES_PASSWORD"}, 1),
        ("worker", {key: "SECRET_KEY" if key == "OPENAI_API_KEY" else key for key in WORKER_KEYS}, 0),
        ("backend", {"DB_PASS" if key == "POSTGRES_PASSWORD" else key: key for key in KEYS}, 0),
        ("backend", {key: key for key in KEYS if key != "OPENAI_API_KEY"}, 1),
    ],
)
def test_a_variable_that_a_new_revision_lost(name: str, variables: dict[str, str], cause: int) -> None:
    """A revision that fails is held against the one that serves: what it calls otherwise, and what it dropped."""
    assert root_causes(injecting(healthy(), name, **variables)) == [("name-mismatch", "key-unreferenced")[cause]]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (deployment_faults.PULL, ["pull-failed"]),
        (deployment_faults.IMAGE, ["image-pull"]),
        (deployment_faults.MEMORY, ["out-of-memory"]),
        (deployment_faults.EXIT, ["name-mismatch", "key-unreferenced"]),
    ],
)
def test_what_a_new_revision_lost_stops_no_task_that_ended_of_something_else(reason: str, expected: list[str]) -> None:
    """A task without its image or its memory says nothing of the variables that it was not to have."""
    lost = injecting(healthy(), "worker", SECRET_KEY="SECRET_KEY", DB_PASS="POSTGRES_PASSWORD")
    revision = definition_arn("worker", 8)
    started = NOW if reason in (deployment_faults.MEMORY, deployment_faults.EXIT) else None
    changes: dict[str, Any] = {"task_definition_arn": revision, "stopped_reason": reason, "started": started}
    tasks = tuple(replace(task, **changes) if task.stopped else task for task in lost.tasks)
    assert root_causes(replace(lost, tasks=tasks)) == expected


def test_names_of_another_services_own() -> None:
    """A service that is no part of the application may call a key as it likes, as long as it runs."""
    entry = Injection("DATA_SOURCE_PASS", parse(f"{ARN}:POSTGRES_PASSWORD::"))
    renamed = with_container(healthy(), "worker", lambda old: replace(old, secrets=(entry,)))
    assert root_causes(renamed) == []


def trusting(condition: Mapping[str, object]) -> Snapshot:
    """A role that ECS may assume under a condition."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    trust = PolicyDocument("trust policy", "trust", {"Statement": {**statement, "Condition": condition}})
    permissions = simulated("allowed")
    assert permissions.role
    return with_permissions(healthy(), replace(permissions, role=replace(permissions.role, trust=trust)))


def test_trust_of_this_account_alone() -> None:
    """AWS advises to trust ECS for one's own account and region only; for another's, the role is out of reach."""
    mine = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:*:{ACCOUNT}:*"}}
    assert (root_causes(trusting(mine)), unsure(trusting(mine))) == ([], [])
    for condition in ({"aws:SourceAccount": "999988887777"}, {"sts:ExternalId": "ours"}):
        assert root_causes(trusting({"StringEquals": condition})) == ["role-untrusted"]


def test_a_trust_policy_that_asks_for_the_organization() -> None:
    """Where it is another one's, the remedy says what ECS sends; where it was not read, the permission is named."""
    snapshot = trusting({"StringEquals": {"aws:SourceOrgID": "o-2"}})
    [found] = [each for each in diagnose(replace(snapshot, organization="o-1")) if each.status == "found"]
    assert (found.check, found.severity) == ("role-untrusted", "error")
    assert "aws:SourceArn arn:aws:ecs:ap-southeast-2" in found.remedy.command
    assert found.remedy.command.endswith(" and aws:SourceOrgID o-1.")
    refusal = f"ECS was unable to assume the role '{ROLE}' that was provided for this task."
    assert root_causes(stuck(replace(snapshot, organization="o-2"), "worker", refusal)) == ["role-untrusted"]
    gap = ReadFailure("the organization", "organizations:DescribeOrganization", "AccessDeniedException", "denied")
    snapshot = replace(snapshot, gaps={"organization": (gap,)})
    asking = by_policies(policy(), policy("Deny", "*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}))
    for unread in (snapshot, with_permissions(snapshot, asking)):
        doubts = [each.evidence for each in diagnose(unread) if each.check in unsure(unread) and "OrgID" in str(each)]
        assert doubts and all("organizations:DescribeOrganization is missing" in facts[-1] for facts in doubts)


@pytest.mark.parametrize(
    ("effect", "condition"),
    [
        ("Allow", {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
        ("Allow", {"Bool": {"aws:PrincipalIsAWSService": "true"}}),
        ("Allow", {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1", "aws:SourceOrgID": "o-1"}}),
        ("Deny", {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}),
        ("Deny", {"StringNotEquals": {"aws:PrincipalServiceName": ["ecs-tasks.amazonaws.com"]}}),
        ("Deny", {"Bool": {"aws:MultiFactorAuthPresent": "false"}}),
        ("Deny", {"StringNotEqualsIfExists": {"aws:SourceOrgID": "o-1"}, "Null": {"aws:SourceAccount": "false"}}),
    ],
)
def test_trust_under_conditions_on_a_service_of_aws(effect: str, condition: dict[str, object]) -> None:
    """ECS calls as itself, for an account of the organization: no person's conditions concern it."""
    statement = {"Effect": effect, "Action": "sts:AssumeRole", "Principal": "*", "Condition": condition}
    allowing = [TRUST["Statement"][0]] if effect == "Deny" else []
    trust = PolicyDocument("trust policy", "trust", {"Statement": [*allowing, statement]})
    known = simulated("allowed")
    assert known.role
    snapshot = with_permissions(healthy(), replace(known, role=replace(known.role, trust=trust)))
    snapshot = replace(snapshot, organization="o-1")
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])


@pytest.mark.parametrize(
    ("condition", "tags"),
    [
        ({"aws:ResourceTag/Environment": "staging"}, {"Environment": "staging"}),
        ({"secretsmanager:ResourceTag/team": "ops"}, {"team": "ops", "cost": "7"}),
        ({"aws:PrincipalAccount": ACCOUNT, "aws:RequestedRegion": "ap-southeast-2"}, {}),
    ],
)
def test_grants_under_conditions_that_hold(condition: dict[str, str], tags: dict[str, str]) -> None:
    """A grant by tags, or by what is known of a task's call, is a grant."""
    grant = policy(resource=f"{ARN[:-7]}-??????", Condition={"StringEquals": condition})
    snapshot = with_secret(with_permissions(healthy(), by_policies(grant)), tags=tags)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("because no identity-based policy allows the action", "no-permission"),
        ("with an explicit deny in an identity-based policy", "identity-deny"),
        ("because no permissions boundary allows the action", "boundary"),
        ("with an explicit deny in a permissions boundary", "boundary"),
        ("with an explicit deny in a service control policy", "scp"),
    ],
)
def test_refusals_in_aws_own_words(words: str, cause: str) -> None:
    """Where policies cannot be read or judged, the words with which AWS refused a task tell the cause."""
    unreadable = replace(by_policies(), policies=None)
    undecided = by_policies(policy(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}))
    reason = f"{PULL}AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue on {ARN} {words}"
    for permissions in (unreadable, undecided):
        assert root_causes(stuck(with_permissions(healthy(), permissions), "worker", reason)) == [cause]


def test_a_resource_policy_that_only_aws_can_judge() -> None:
    """A deny that depends on the network is unknown until a task was refused."""
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}
    denial = policy("Deny", kind="resource", Principal="*", Condition=elsewhere)
    snapshot = replace(healthy(), resource_policy=denial)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], ["resource-deny"])
    reason = f"{PULL}not authorized to perform: secretsmanager:GetSecretValue with an explicit deny in a resource-based"
    assert root_causes(stuck(snapshot, "worker", f"{reason} policy")) == ["resource-deny"]


@pytest.mark.parametrize("suffix", ["-??????", "-*"])
def test_a_policy_that_leaves_the_secret_out(suffix: str) -> None:
    """Allowing all but the secret is no mistake in the suffix."""
    snapshot = with_permissions(healthy(), by_policies(policy_of(Action=READ, NotResource=f"{ARN[:-7]}{suffix}")))
    assert root_causes(snapshot) == ["no-permission"]


def test_a_boundary_that_denies() -> None:
    """An explicit deny is the boundary's where the role's own policies deny nothing."""
    permissions = simulated("explicitDeny", ("the-boundary",), boundary=False, policies=(policy(),))
    assert root_causes(with_permissions(healthy(), permissions)) == ["boundary"]


def policy_of(**statement: object) -> PolicyDocument:
    """An inline policy that allows."""
    return PolicyDocument("odd-policy", "inline", {"Statement": [{"Effect": "Allow", **statement}]})


@pytest.mark.parametrize(
    "condition",
    [
        {"kms:CallerAccount": ACCOUNT, "kms:ViaService": "secretsmanager.ap-southeast-2.amazonaws.com"},
        {"kms:EncryptionContext:SecretARN": ARN},
    ],
)
def test_key_policies_as_aws_writes_them(condition: dict[str, str]) -> None:
    """A key that all of an account may use through Secrets Manager serves the role."""
    may = policy(action="kms:Decrypt", kind="resource", Principal="*", Condition={"StringEquals": condition})
    key = KmsKey(
        arn="arn:aws:kms:ap-southeast-2:123456789012:key/1",
        state="Enabled",
        manager="CUSTOMER",
        deletion=None,
        policy=may,
    )
    snapshot = replace(with_secret(healthy(), kms_key_id=key.arn), kms_key=key)
    assert (root_causes(snapshot), unsure(snapshot)) == ([], [])


@pytest.mark.parametrize(
    ("key", "value", "cause"),
    [
        ("FIRST_SUPERUSER", "admin@ohmycoins.test\n", "white-space"),
        ("SENTRY_DSN", "temporary-sentry-dsn-please-update", "placeholder"),
        ("SENTRY_DSN", "<your-sentry-dsn>", "placeholder"),
        ("POSTGRES_PASSWORD", ["a", "b"], "nested"),
    ],
)
def test_values_that_keep_an_application_from_starting(key: str, value: Any, cause: str) -> None:
    """A value of the wrong form is the one cause of tasks that read it and exit."""
    wrong = with_keys(healthy(), **{key: value})
    assert root_causes(stuck(wrong, "backend", "Essential container in task exited", **RAN)) == [cause]


def test_values_that_an_application_bears() -> None:
    """White space in an optional password explains no tasks that exit."""
    exiting = stuck(healthy(), "backend", "Essential container in task exited", **RAN)
    assert root_causes(with_keys(exiting, SMTP_PASSWORD=f"{secrets.token_hex(8)}\n")) == [
        "rollout-stuck",
        "white-space",
    ]


def test_a_secret_created_again_and_not_deployed() -> None:
    """Tasks that hold what a deleted secret held are a consequence of references to it."""
    base = ARN.rpartition("-")[0]
    again = with_secret(
        rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32)), arn=f"{base}-XyZ789"
    )
    assert root_causes(again) == ["suffix-stale"]
    titles = {finding.title for finding in diagnose(again) if finding.check == "suffix-stale"}
    assert all("or a mistyped one" in title for title in titles)
    former = with_permissions(again, by_policies(policy(resource=ARN)))
    assert root_causes(former) == ["suffix-stale", "no-permission"]


def test_a_variable_from_two_keys() -> None:
    """The second of two entries of one name has another key's value, because it stands there twice."""
    entry = Injection("SECRET_KEY", parse(f"{ARN}:OPENAI_API_KEY::"))
    twice = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, entry)))
    assert root_causes(twice) == ["duplicate-name"]


def test_a_value_mended_after_a_rollback() -> None:
    """A rollback over a value that has been replaced since is history: what is due is a deployment."""
    began = NOW - timedelta(hours=2)
    rolled = with_service(
        healthy(), "backend", deployments=(deployment("backend", rollout_reason="rolling back to deploymentId x"),)
    )
    failed = stopped("backend", f"{PULL}did not contain json key OPENAI_API_KEY", began, deployment_id="ecs-svc/gone")
    mended = rotated(with_tasks(rolled, failed), NOW - timedelta(hours=1), OPENAI_API_KEY=f"sk-{secrets.token_hex(16)}")
    assert root_causes(mended) == ["not-forced"]


@pytest.mark.parametrize(
    ("key", "there", "cause"),
    [
        ("POSTGRES_PASSWORD", "POSTGRES_PORT", "key-missing"),
        ("SMTP_HOST", "SMTP_PORT", "key-missing"),
        ("OPENAI_API_KEY", "OPENAI_API_URL", "key-missing"),
        ("OPENAI_API_KEY", "OPENAI_API_KEYS", "key-misspelt"),
        ("OPENAI_API_KEY", "OPEN_AI_API_KEY", "key-misspelt"),
        ("OPENAI_API_KEY", "OPENAI-API-KEY", "key-misspelt"),
        ("OPENAI_API_KEY", "OPENAI_KEY", "key-misspelt"),
        ("SECRET_KEY", "SECRETKEY", "key-misspelt"),
        ("SENTRY_DSN", "SENTRY_DNS", "key-misspelt"),
        ("SENTRY_DSN", "Sentry_Dsn", "key-case"),
    ],
)
def test_keys_that_are_nearly_there(key: str, there: str, cause: str) -> None:
    """A setting of another meaning is no misspelling of a key that is missing."""
    without = without_key(healthy(), key, there)
    found = {finding.check for finding in diagnose(without) if finding.is_problem and finding.severity == "error"}
    assert found == {cause}


@pytest.mark.parametrize(
    "text",
    [
        "replace_with_real_key",
        "xxx",
        "XXXX-XXXX",
        "sk-xxxxxxxxxxxx",
        "__REPLACE__",
        "[REPLACE]",
        "%SECRET_KEY%",
        "to-be-replaced",
        "dummy-key",
        "please-update",
        "fake-key",
        "N/A",
        "undefined",
        "will-be-set-later",
        "not-set",
        "unset",
        "example-key",
        "your-key-goes-here",
        "https://examplePublicKey@o0.ingest.sentry.io/0",
    ],
)
def test_placeholders_of_other_hands(text: str) -> None:
    """Placeholders are recognised in the spellings of other templates too."""
    assert root_causes(with_keys(healthy(), SECRET_KEY=text)) == ["placeholder"]


@pytest.mark.parametrize(
    "text",
    [
        "staging",
        "Oh My Coins",
        "https://public-api.example.com",
        "https://example-staging.ohmycoins.com",
        "example-bucket",
        "true",
        "5432",
        "dead-beef-here",
        "https://localhost,https://dashboard.example.com",
        "redis://cache.internal:6379/0",
        "INFO",
    ],
)
def test_settings_that_stand_for_themselves(text: str) -> None:
    """A plain setting is no placeholder, whatever words it has."""
    assert root_causes(with_keys(healthy(), SMTP_USER=text)) == []


def test_a_missing_cluster_whose_neighbours_may_not_be_listed() -> None:
    """That no clusters could be listed does not mean that there are none."""
    gap = ReadFailure("the region's clusters", "ecs:ListClusters", "AccessDeniedException", "denied")
    lost = replace(healthy(), service_names=None, services=(), tasks=(), gaps={"clusters": (gap,)})
    [found] = [finding for finding in diagnose(lost) if finding.check == "wrong-names"]
    assert "nor any other" not in " ".join(found.evidence)
    assert "ecs:ListClusters" in " ".join(found.evidence)


def test_a_private_key_ends_in_a_line_end() -> None:
    """A value of several lines is as it should be; of one line, its line end was pasted."""
    lines = ["-----BEGIN PRIVATE KEY-----", secrets.token_urlsafe(32), "-----END PRIVATE KEY-----", ""]
    assert root_causes(with_keys(healthy(), SMTP_PASSWORD="\n".join(lines))) == []
    for text in (f"{secrets.token_hex(8)}\r\n", f" {secrets.token_hex(8)}", f"\n{secrets.token_hex(8)}\n\n"):
        assert root_causes(with_keys(healthy(), SMTP_PASSWORD=text)) == ["white-space"]


def test_a_secret_configured_by_its_arn() -> None:
    """Where runbook.toml has the secret's ARN, references to it are looked at as those to its name."""
    snapshot = without_key(healthy(), "OPENAI_API_KEY")
    names = snapshot.environment.names.model_copy(update={"secret": ARN})
    configured = replace(snapshot, environment=replace(snapshot.environment, names=names))
    assert root_causes(configured) == ["key-missing"]
    assert "secret-missing" in root_causes(replace(configured, secret=None, contents={}))


def test_an_execution_role_by_its_bare_name() -> None:
    """ECS takes a role's name for its ARN, and IAM's simulation does not."""
    raw = {"taskDefinitionArn": definition_arn("worker"), "family": "f", "revision": 7, "containerDefinitions": []}
    for role in (ROLE, ROLE_NAME):
        client = Mock(
            **{"describe_task_definition.return_value": {"taskDefinition": {**raw, "executionRoleArn": role}}}
        )
        assert describe_task_definition(client, "worker").execution_role_arn == ROLE


def test_the_stack_that_registered_a_revision() -> None:
    """CloudFormation tags what it makes, also for the AWS CDK and Copilot; no other tag counts."""
    raw = {"taskDefinitionArn": definition_arn("worker"), "family": "f", "revision": 7, "containerDefinitions": []}
    tags = [{"key": "stack", "value": "mine"}, {"key": "aws:cloudformation:stack-name", "value": "omc-worker"}]
    for more, stack in (({"tags": tags}, "omc-worker"), ({"tags": tags[:1]}, ""), ({}, "")):
        client = Mock(**{"describe_task_definition.return_value": {"taskDefinition": raw, **more}})
        assert describe_task_definition(client, "worker").stack == stack
        client.describe_task_definition.assert_called_once_with(taskDefinition="worker", include=["TAGS"])


def test_a_value_mended_while_a_deployment_retries() -> None:
    """Tasks that failed on a value which has been replaced say nothing of the next ones."""
    with_failures = stuck(healthy(), "worker", f"{PULL}did not contain json key OPENAI_API_KEY")
    assert root_causes(with_failures) == ["pull-failed"]
    mended = rotated(with_failures, NOW - timedelta(minutes=1), OPENAI_API_KEY=f"sk-{secrets.token_hex(16)}")
    assert root_causes(mended) == ["not-forced"]


EXIT = "Essential container in task exited"
LATELY = NOW - timedelta(minutes=3)


def ended(code: int, reason: str = "", name: str = "worker") -> dict[str, Any]:
    """A task whose one container ran and ended with a code, for a reason."""
    return {**RAN, "started": LATELY, "containers": (TaskContainer(name, code, reason),)}


def rolling(name: str, minutes: int = 5, **changes: Any) -> Snapshot:
    """A deployment that began some minutes ago, and the one before it still serving."""
    new = deployment(
        name, NOW - timedelta(minutes=minutes), id="ecs-svc/new", rollout="IN_PROGRESS", rollout_reason="", running=0
    )
    deployments = (replace(new, **changes), deployment(name, status="ACTIVE"))
    return with_service(healthy(), name, deployments=deployments)


def problems(snapshot: Snapshot) -> list[str]:
    """What the diagnosis calls a problem, cause or not."""
    return [finding.check for finding in diagnose(snapshot) if finding.is_problem]


STAYS_UP = task("backend", NOW - timedelta(minutes=4), deployment_id="ecs-svc/new")
DIED = stopped("backend", EXIT, LATELY, deployment_id="ecs-svc/new", **ended(1, name="backend"))


@pytest.mark.parametrize(
    "snapshot",
    [
        with_tasks(rolling("backend", failed=1, running=1, desired=3), STAYS_UP, DIED),
        with_tasks(rolling("backend", failed=2, running=1, desired=3), STAYS_UP, DIED, DIED),
        rolling("backend", minutes=1),
        with_tasks(
            with_service(healthy(), "backend", controller="EXTERNAL", deployments=()),
            *(stopped("backend", EXIT, LATELY, **ended(1)) for _ in range(2)),
        ),
        with_service(
            rotated(healthy(), NOW - timedelta(days=1)),
            "backend",
            deployments=(deployment("backend", rollout_reason="rolling back to deploymentId ecs-svc/backend"),),
        ),
        with_service(healthy(), "worker", running=2, desired=1),
        with_service(
            healthy(),
            "worker",
            events=(
                ServiceEvent(DEPLOYED, "(service worker) was unable to place a task. Reason: Capacity is unavailable."),
                ServiceEvent(NOW, "(service worker) has reached a steady state."),
            ),
        ),
        with_tasks(
            healthy(), *(stopped("worker", EXIT, LATELY, deployment_id="ecs-svc/gone", **ended(1)) for _ in "abcd")
        ),
        with_tasks(
            healthy(),
            *(stopped("worker", EXIT, NOW - timedelta(days=9, minutes=m), **ended(137)) for m in (6, 7, 8)),
        ),
        with_tasks(
            healthy(),
            *(
                stopped("worker", "Scaling activity initiated by (deployment ecs-svc/1)", LATELY, **ended(code))
                for code in (0, 137, 143)
            ),
        ),
        with_tasks(
            healthy(), *(stopped("worker", "Your Spot Task was interrupted.", LATELY, started=NOW) for _ in "abc")
        ),
        with_tasks(healthy(), task("backend", NOW, status="ACTIVATING", started=None)),
        with_tasks(healthy(), task("backend", NOW, status="DEPROVISIONING", stopped=NOW, stop_code="UserInitiated")),
    ],
)
def test_deployments_that_get_on(snapshot: Snapshot) -> None:
    """A task that dies while a deployment gets on, a rollback long mended and a replacement are no fault."""
    assert [check for check in problems(snapshot) if check != "external-controller"] == []


@pytest.mark.parametrize(
    "snapshot",
    [
        with_tasks(rolling("backend", failed=3, running=1, desired=3), STAYS_UP, DIED, DIED, DIED),
        with_tasks(rolling("backend", failed=1), DIED),
        with_tasks(
            rolling("backend", failed=1, running=1), replace(STAYS_UP, started=NOW - timedelta(seconds=9)), DIED
        ),
    ],
)
def test_deployments_that_do_not_get_on(snapshot: Snapshot) -> None:
    """Many failures, none that stays up, or one that has only just begun again: the deployment is stuck."""
    assert root_causes(snapshot) == ["rollout-stuck"]


def replacing(minutes: int, **changes: Any) -> Snapshot:
    """A worker that is being deployed since some minutes, three quarters of an hour after the secret changed."""
    at = NOW - timedelta(minutes=45)
    changed = rotated(rolling("worker", minutes, **changes), at, SECRET_KEY=secrets.token_hex(32))
    fresh = tuple(
        replace(old, created=NOW - timedelta(minutes=9), started=NOW) if old.service == "backend" else old
        for old in changed.tasks
    )
    return replace(changed, tasks=fresh)


@pytest.mark.parametrize(
    ("began", "percent", "causes"),
    [(5, 50, []), (5, None, ["not-forced"]), (45, 50, ["not-forced"]), (65, 50, ["not-forced"])],
    ids=["counts as successful early", "by ECS's defaults", "nothing follows", "begun before the value"],
)
def test_a_deployment_that_counts_as_successful_goes_on(began: int, percent: int | None, causes: list[str]) -> None:
    """With early success criteria ECS removes old tasks, and starts the rest of the new ones, in the background."""
    moved = rotated(healthy(), NOW - timedelta(minutes=60), SECRET_KEY=secrets.token_urlsafe(32))
    moved = replace(moved, tasks=tuple(each for each in moved.tasks if each.service == "backend"))
    new = deployment("backend", NOW - timedelta(minutes=began), id="ecs-svc/2", desired=2)
    deployed = with_service(
        with_tasks(moved, task("backend", new.created, deployment_id=new.id)),
        "backend",
        desired=2,
        running=3,
        deployments=(new, deployment("backend", status="ACTIVE", running=2)),
        configuration=DeploymentConfiguration(early_percent=percent),
    )
    assert root_causes(deployed) == causes


def test_a_deployment_that_brings_the_new_value_is_on_its_way() -> None:
    """Tasks with the old value that are being replaced right now are a remark; where it takes too long, a fault."""
    assert root_causes(replacing(5)) == []
    [stale] = [finding for finding in diagnose(replacing(5)) if finding.check == "not-forced"]
    assert "is replacing them" in " ".join(stale.evidence)
    assert root_causes(replacing(40)) == ["not-forced"]
    assert root_causes(replacing(60)) == ["not-forced"]
    assert root_causes(replacing(5, failed=3)) == ["rollout-stuck"]


@pytest.mark.parametrize(
    ("minutes", "since", "causes"), [(44, 2, []), (44, 40, ["not-forced"]), (60, 2, ["not-forced"])]
)
def test_a_deployment_of_many_tasks_takes_long(minutes: int, since: int, causes: list[str]) -> None:
    """As long as new tasks come, those with the old value are being replaced, unless it began before the change."""
    new = task("worker", NOW - timedelta(minutes=since + 1), deployment_id="ecs-svc/new")
    snapshot = with_tasks(replacing(minutes, running=1), new)
    assert root_causes(snapshot) == causes
    # A task in the place of one that ended replaces none with the old value.
    end = NOW - timedelta(minutes=since + 1)
    gone = stopped(
        "worker", EXIT, end, deployment_id="ecs-svc/new", **{**ended(0), "started": end - timedelta(minutes=20)}
    )
    assert root_causes(with_tasks(snapshot, gone)) == ["not-forced"]


@pytest.mark.parametrize(("minutes", "code", "causes"), [(60, 0, []), (2, 0, ["task-exits"]), (60, 1, ["task-exits"])])
def test_a_worker_that_ends_now_and_then(minutes: int, code: int, causes: list[str]) -> None:
    """Tasks that end without an error after an hour's work are no fault, where they are replaced."""
    ends = [NOW - timedelta(minutes=each) for each in (10, 25, 40, 55)]
    tasks = [
        stopped("worker", EXIT, end, **{**ended(code), "started": end - timedelta(minutes=minutes)}) for end in ends
    ]
    snapshot = with_tasks(healthy(), *tasks)
    assert root_causes(snapshot) == causes
    [found] = [answer for answer in diagnose(snapshot) if answer.status == "found"]
    assert (found.check, found.severity) == ("task-exits", "error" if causes else "info")
    assert "found" not in {answer.status for answer in diagnose(with_tasks(healthy(), *tasks[:2]))}


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('FATAL:  password authentication failed for user "app"', "store-only"),
        ("ValidationError: 1 validation error for Settings: SECRET_KEY: Value error, it is too short", "value-refused"),
    ],
)
def test_what_a_worker_was_refused_counts_whenever_it_ended(line: str, cause: str) -> None:
    """A program that gives up without an exit code of its own has its reason in its log."""
    ends = [NOW - timedelta(minutes=each) for each in (4, 19, 34)]
    tasks = [stopped("worker", EXIT, end, **{**ended(0), "started": end - timedelta(minutes=14)}) for end in ends]
    snapshot = with_tasks(healthy(), *tasks)
    assert cause in root_causes(replace(snapshot, log_lines={task.id: (line,) for task in tasks}))


def beside(snapshot: Snapshot, service: str, revision: TaskDefinition, *tasks: Task) -> Snapshot:
    """A service that another controller deploys, with a task set of another revision beside the primary one."""
    known = {**snapshot.task_definitions, revision.arn: revision}
    changes: dict[str, Any] = {"controller": "CODE_DEPLOY", "deployments": (), "task_sets": (revision.arn,)}
    return with_tasks(with_service(replace(snapshot, task_definitions=known), service, **changes), *tasks)


@pytest.mark.parametrize("service", ["worker", "frontend"])
def test_the_references_of_a_task_set_are_judged(service: str) -> None:
    """Such as of CodeDeploy's green one, also where the revision in force has none of the secret."""
    [cause] = [
        each
        for each in diagnose(beside(healthy(), service, task_definition(service, ("LOST_KEY",), 8)))
        if each.is_problem and each.severity == "error"
    ]
    assert cause.check == "key-missing" and cause.services == frozenset({service})


@pytest.mark.parametrize("service", ["worker", "frontend"])
@pytest.mark.parametrize("is_stale", [False, True])
def test_the_tasks_of_a_task_set_are_judged_by_its_own_revision(service: str, is_stale: bool) -> None:
    """What another task set's revision takes from the secret, they do not lack."""
    revision = task_definition(service, ("SECRET_KEY",), 8)
    created = DEPLOYED - timedelta(days=2) if is_stale else NOW - timedelta(hours=1)
    green = task(service, created, task_definition_arn=revision.arn, deployment_id="ecs-svc/green")
    snapshot = beside(healthy(), service, revision, green)
    found = [finding for finding in diagnose(snapshot) if finding.check == "not-forced" and finding.status != "clear"]
    assert [(finding.status, *finding.services) for finding in found] == ([("found", service)] if is_stale else [])


def test_a_failed_deployment_that_another_one_follows() -> None:
    """While its last tasks stop it is still listed, and what counts is the newer one; a rollback is none."""
    failed = deployment("worker", NOW - timedelta(minutes=20), id="ecs-svc/1", status="ACTIVE", rollout="FAILED")
    alone = with_service(healthy(), "worker", deployments=(deployment("worker"), failed))
    assert root_causes(alone) == ["breaker-rollback"]
    newer = deployment("worker", NOW - timedelta(minutes=8), id="ecs-svc/2")
    assert root_causes(with_service(healthy(), "worker", deployments=(newer, failed))) == []
    back = replace(failed, rollout_reason="ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/2.")
    assert root_causes(with_service(healthy(), "worker", deployments=(newer, back))) == ["breaker-rollback"]


def test_a_sidecar_that_ran_out_of_memory_is_not_the_tasks_end() -> None:
    """The essential containers show what ended the task."""
    sidecar = Container(name="agent", secrets=(), environment=(), essential=False)
    with_agent = with_definition(healthy(), "worker", lambda old: replace(old, containers=(*old.containers, sidecar)))
    killed = TaskContainer("agent", 137, "OutOfMemoryError: Container killed due to memory usage")
    ends = {**RAN, "containers": (killed, TaskContainer("worker", 1, ""))}
    assert root_causes(stuck(with_agent, "worker", EXIT, **ends)) == ["rollout-stuck"]
    main = {**RAN, "containers": (TaskContainer("agent", 1, ""), replace(killed, name="worker"))}
    assert root_causes(stuck(with_agent, "worker", EXIT, **main)) == ["out-of-memory"]


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            "start-failed",
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: "
            'failed to create shim task: OCI runtime create failed: exec: "./run": permission denied: unknown',
        ),
        ("image-pull", "Task failed to start: CannotPullContainerError: failed to copy: httpReadSeeker: failed open"),
        ("no-capacity", "Timeout waiting for EphemeralStorage provisioning to complete."),
        ("no-capacity", "Unexpected EC2 error while attempting to Create Network Interface: InsufficientFreeAddresses"),
        ("pull-failed", f"Task failed to start: {PULL}unable to retrieve secrets from asm: context canceled"),
        ("pull-failed", "ResourceInitializationError: unable to retrieve secrets from asm: context canceled"),
        ("pull-failed", f"Task failed to start: fetching secret data from AWS Secrets Manager: secret {ARN}: EOF"),
        ("volume", "CannotStartContainerError: error mounting /var/lib/ecs/volumes/x to rootfs: not a directory"),
        ("rollout-stuck", "ResourceInitializationError: failed to configure ENI: failed to setup regular eni"),
        ("rollout-stuck", "ResourceInitializationError: failed to configure ENI: context deadline exceeded"),
        ("rollout-stuck", "Task failed to start: unable to register the task in Cloud Map"),
        ("rollout-stuck", "Unexpected EC2 error while attempting to Create Network Interface: RequestLimitExceeded"),
    ],
)
def test_other_wordings(cause: str, reason: str) -> None:
    """ECS nests one reason in another, and the Fargate agent has words of its own."""
    assert root_causes(stuck(healthy(), "worker", reason)) == [cause]


def test_no_value_keeps_a_task_from_its_start() -> None:
    """Nothing has read it where ECS could not set up the network interface; what ECS itself needs may be why."""
    unstarted = stuck(healthy(), "worker", "ResourceInitializationError: failed to configure ENI")
    assert set(root_causes(with_keys(unstarted, SECRET_KEY=None))) == {"null", "rollout-stuck"}
    assert root_causes(with_permissions(unstarted, by_policies())) == ["no-permission"]


def test_a_reason_that_stands_at_the_container() -> None:
    """The task may say only that it failed to start, and its container why."""
    container = TaskContainer("worker", None, "CannotPullContainerError: inspect image has been retried 5 time(s)")
    assert root_causes(stuck(healthy(), "worker", "Task failed to start", containers=(container,))) == ["image-pull"]


def test_a_fault_of_the_secret_beside_a_missing_image() -> None:
    """Neither hides the other, whichever service each is in."""
    for image, secret in (("worker", "backend"), ("backend", "worker")):
        both = stuck(healthy(), image, "CannotPullContainerError: not found")
        both = stuck(
            without_key(both, "POSTGRES_PASSWORD"), secret, f"{PULL}did not contain json key POSTGRES_PASSWORD"
        )
        assert set(root_causes(both)) == {"image-pull", "key-missing"}
