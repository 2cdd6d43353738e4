"""What task definitions refer to beside the secret, in a sandbox that runs their tasks."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.runs import sign_in

from omc_runbook.diagnosis.complaint import read_complaint
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import troubleshoot
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import mend
from omc_runbook.sandbox.faults.change import grant, revise
from omc_runbook.sandbox.faults.other_sources import OTHER_SECRET
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.consumers import NAME, add_daemon
from omc_runbook.sandbox.worlds.roles import policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, SECRET, STAGING, World

READ = "secretsmanager:GetSecretValue"
ABSENT = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:absent-AbC123"


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[World]:
    """A healthy sandbox, and healthy again afterwards."""
    yield World(sandbox.endpoint)
    mend(sandbox.endpoint)


def create(world: World, **members: str) -> str:
    """Create another secret that the execution role may read; returns its ARN."""
    arn = world.secretsmanager.create_secret(Name=OTHER_SECRET, SecretString=json.dumps(members))["ARN"]
    grant(world, policy(READ, Resource=arn), "other")
    return str(arn)


def deploy(world: World, edit: Callable[[Any], None]) -> None:
    """Deploy an edited revision of the worker."""
    revise(world, "worker", edit)
    world.settle()


def problems(world: World) -> list[Finding]:
    """The root causes, and what is unknown."""
    with pytest.MonkeyPatch.context() as patch:
        sign_in(lifecycle.at(world.endpoint), patch)
        findings = runbooks_run.diagnose(runbooks_run.begin("verify", "staging").look(deeply=True))
    return [finding for finding in findings if finding.is_root_cause or finding.status == "unknown"]


def test_another_secrets_own_policy_is_named(world: World) -> None:
    """It denies what the role's policies allow: the finding has the statement, and the command that replaces it."""
    arn = create(world, token=secrets.token_hex(16))
    denial = policy(
        READ, effect="Deny", Principal="*", Resource="*", Condition={"Bool": {"aws:ViaAWSService": "false"}}
    )
    world.secretsmanager.put_resource_policy(SecretId=arn, ResourcePolicy=json.dumps(denial))
    deploy(world, lambda container: container["secrets"].append({"name": "TOKEN", "valueFrom": f"{arn}:token::"}))
    [problem] = problems(world)
    assert (problem.check, problem.subject) == ("other-secret-denied", OTHER_SECRET)
    assert problem.evidence[0].startswith("GetResourcePolicy: ")
    assert f"put-resource-policy --secret-id {OTHER_SECRET}" in problem.remedy.command


def test_a_reference_without_the_suffix(world: World) -> None:
    """Policies are judged by the secret's whole ARN, by which AWS decides; and a grant that is missing names that."""
    arn = create(world, token=secrets.token_hex(16))
    entry = {"name": "TOKEN", "valueFrom": f"{arn.rpartition('-')[0]}:token::"}
    deploy(world, lambda container: container["secrets"].append(entry))
    assert problems(world) == []
    grant(world, policy(READ, Resource=ABSENT), "other")
    [problem] = problems(world)
    assert (problem.check, problem.subject) == ("other-secret-denied", OTHER_SECRET)
    assert f'"Resource":"{arn}"' in problem.remedy.command


def test_a_registrys_login_may_be_named_without_an_arn(world: World) -> None:
    """By its name, which may end as an ARN does, ECS finds a secret and no parameter; one that is denied is named."""
    name = f"{STAGING}-docker"
    arn = world.secretsmanager.create_secret(Name=name, SecretString='{"username":"a","password":"b"}')["ARN"]
    grant(world, policy(READ, Resource=arn), "other")
    deploy(world, lambda container: container.update(repositoryCredentials={"credentialsParameter": name}))
    assert problems(world) == []
    grant(world, policy(READ, Resource=ABSENT), "other")
    [problem] = problems(world)
    assert (problem.check, problem.subject) == ("other-secret-denied", name)
    assert f'"Resource":"{arn}"' in problem.remedy.command
    world.secretsmanager.delete_secret(SecretId=name)


def test_a_key_that_was_not_rotated(world: World) -> None:
    """Tasks that read a secret's user are fine after its password was rotated, and those that read that are not."""
    arn = create(world, user="app", password=secrets.token_hex(16))
    reference = {"name": "DB_USER", "valueFrom": f"{arn}:user::"}
    deploy(world, lambda container: container["secrets"].append(reference))
    rotated = json.dumps({"user": "app", "password": secrets.token_hex(16)})
    world.secretsmanager.put_secret_value(SecretId=arn, SecretString=rotated)
    assert problems(world) == []
    deploy(
        world, lambda container: container["secrets"].append({"name": "DB_PASSWORD", "valueFrom": f"{arn}:password::"})
    )
    again = json.dumps({"user": "app", "password": secrets.token_hex(16)})
    world.secretsmanager.put_secret_value(SecretId=arn, SecretString=again)
    [problem] = problems(world)
    assert (problem.check, problem.severity) == ("other-secret-rotated", "warning")
    assert problem.evidence[1] == "Keys whose value differs: password."


@pytest.mark.parametrize(
    ("member", "what"),
    [
        (
            {"logConfiguration": {"logDriver": "awslogs", "secretOptions": [{"name": "token", "valueFrom": ABSENT}]}},
            "log",
        ),
        ({"repositoryCredentials": {"credentialsParameter": ABSENT}}, "repositoryCredentials"),
    ],
)
def test_what_a_log_or_a_registry_needs(member: dict[str, Any], what: str, world: World) -> None:
    """A secret that is no variable keeps a task from starting all the same, and is named with what needs it."""

    def edit(container: Any) -> None:
        log = {**container["logConfiguration"], **member.get("logConfiguration", {})}
        container.update({**member, "logConfiguration": {**log, "options": container["logConfiguration"]["options"]}})

    grant(world, policy(READ, Resource=ABSENT), "other")
    deploy(world, edit)
    [problem] = problems(world)
    assert problem.check == "other-secret-missing" and what in problem.evidence[1]
    assert set(problem.cause_of) == {"pull-failed", "rollout-stuck"}


def test_a_task_that_runs_alone(world: World) -> None:
    """A job whose own definition is at fault is found by its task's id, with the cause, and no service is blamed."""
    current: Any = world.ecs.describe_task_definition(taskDefinition=f"{STAGING}-worker")["taskDefinition"]
    container = {**current["containerDefinitions"][0], "secrets": [{"name": "TOKEN", "valueFrom": f"{ABSENT}:x::"}]}
    own = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    container["secrets"].append({"name": "OPENAI_API_KEY", "valueFrom": f"{own}:OPENAI_API_KEY::"})
    fields = ("executionRoleArn", "taskRoleArn", "networkMode", "requiresCompatibilities", "cpu", "memory")
    family = f"{STAGING}-job"
    members = {name: current[name] for name in fields}
    world.ecs.register_task_definition(family=family, containerDefinitions=[container], **members)
    network: Any = world.service("worker")["networkConfiguration"]
    grant(world, policy(READ, Resource=ABSENT), "other")
    response = world.ecs.run_task(cluster=CLUSTER, taskDefinition=family, networkConfiguration=network)
    arn = str(response["tasks"][0]["taskArn"])
    world.wait(lambda: _status(world, arn) == "STOPPED", "the job stopped")
    complaint = read_complaint(task=arn)
    with pytest.MonkeyPatch.context() as patch:
        sign_in(lifecycle.at(world.endpoint), patch)
        run = troubleshoot.begin("staging")
        snapshot = troubleshoot.look(run, complaint)
        findings = troubleshoot.diagnose(snapshot, complaint)
        text = troubleshoot.state(snapshot, complaint).to_text()
        plan = troubleshoot.plan(run, snapshot, findings)
    roots = [finding for finding in findings if finding.is_root_cause]
    assert [finding.check for finding in roots] == ["other-secret-missing"]
    assert roots[0].services == {f"{family} (run alone)"} and roots[0].cause_of == ("pull-failed",)
    assert f"{family} (run alone)" in text and "That means:" in " ".join(text.split())
    assert plan.is_empty


def test_a_daemon_is_found_by_what_it_refers_to(world: World) -> None:
    """No list of services shows it, and none of its tasks may have started."""
    add_daemon(world, ("SECRET_KEY", "smtp_password"))
    [problem] = problems(world)
    assert (problem.check, problem.subject) == ("key-case", "smtp_password")
    assert problem.evidence[0] == f"smtp_password is referenced by daemon {NAME}."


def _status(world: World, arn: str) -> str:
    return str(world.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]["lastStatus"])


def test_a_secret_that_was_created_again(world: World) -> None:
    """Its name is the former one's, and its ARN another: the finding says so, with what to write into the reference."""
    arn = create(world, token=secrets.token_hex(16))
    world.secretsmanager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    new = create(world, token=secrets.token_hex(16))
    deploy(world, lambda container: container["secrets"].append({"name": "TOKEN", "valueFrom": f"{arn}:token::"}))
    [problem] = problems(world)
    assert problem.check == "other-secret-missing" and f"the secret of that name is {new}." in problem.evidence[0]
    assert problem.remedy.command.startswith(f"Write {new} into the reference to TOKEN")


def test_another_secret_that_somebody_scheduled_for_deletion_is_gone_after_a_mend(world: World) -> None:
    """Its name is free again for the next fault of it."""
    world.secretsmanager.delete_secret(SecretId=create(world, token=secrets.token_hex(16)), RecoveryWindowInDays=7)
    mend(world.endpoint)
    assert create(world, token=secrets.token_hex(16))


def test_a_parameter_of_another_region_that_the_role_may_not_read(world: World) -> None:
    """Its tasks' refusal is the cause, and granting what they lack the remedy; to start them again would not help."""
    elsewhere = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/ohmycoins/sender"
    deploy(world, lambda container: container["secrets"].append({"name": "SENDER", "valueFrom": elsewhere}))
    problem, unknown = problems(world)
    assert (problem.check, problem.cause_of) == ("parameter-denied", ("pull-failed", "rollout-stuck"))
    assert elsewhere in problem.remedy.command and "aws iam put-role-policy" in problem.remedy.command
    assert (unknown.check, unknown.status) == ("parameter-missing", "unknown")
