"""A fix carried out in the sandbox: proved, done once, overtaken, killed half way, and taken back where it fails."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from support.late_reads import read_late
from support.runs import SECRET, sign_in, values
from support.steps import SteppedChange

from omc_runbook.aws import definitions, ecs, secretsmanager
from omc_runbook.changes.deploy.rollout import expected
from omc_runbook.changes.fix import executor
from omc_runbook.changes.fix import plan as fix_plan
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Grant
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.take_back import Undo
from omc_runbook.masking import registry
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.handover import OUTCOME_VARIABLE, STATE_VARIABLE
from omc_runbook.report import changes
from omc_runbook.report import fix as report
from omc_runbook.report.archive.state import StateFile
from omc_runbook.runbooks import fix, take_back, troubleshoot
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.run import Run
from omc_runbook.sandbox.faults import break_, mend
from omc_runbook.sandbox.faults.change import put, refer, revise
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.roles import restore_role
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, EXECUTION_ROLE, SECRETS_POLICY, STAGING, World
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

READ_POLICY = f"read-{SECRET}"
KILLED = f"""
import os, signal
from omc_runbook.runbooks import fix, run as runbooks_run, troubleshoot
from omc_runbook.runbooks.live_change import LiveChange
class KilledChange(LiveChange):
    def announce(self, step):
        if step == "redeploy":
            os.kill(os.getpid(), {signal.SIGKILL:d})
run = troubleshoot.begin("staging")
snapshot = run.look()
plan = troubleshoot.plan(run, snapshot, runbooks_run.diagnose(snapshot))
fix.apply(run, plan, True, live=KilledChange())
"""


@pytest.fixture
def world(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The sandbox as its administrator sees it; it is healthy again afterwards."""
    sign_in(sandbox, monkeypatch)
    yield World(sandbox.endpoint)
    mend(sandbox.endpoint)


def look_and_plan() -> tuple[Run, Snapshot, FixPlan]:
    """A run, its snapshot and its plan."""
    run = runbooks_run.begin("troubleshoot", "staging")
    snapshot = run.look()
    return run, snapshot, troubleshoot.plan(run, snapshot, runbooks_run.diagnose(snapshot))


def causes(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.check for finding in findings if finding.is_root_cause}


def state_of(world: World) -> Any:
    """All that a fix may change, as AWS describes it."""
    names = [service.name for service in CONSUMERS]
    services = world.ecs.describe_services(cluster=CLUSTER, services=names)["services"]
    policies = world.iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]
    return (
        world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"],
        world.secretsmanager.describe_secret(SecretId=SECRET).get("DeletedDate"),
        [(service["taskDefinition"], service["deployments"][0]["id"]) for service in services],
        {
            name: world.iam.get_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name)["PolicyDocument"]
            for name in policies
        },
        revisions(world),
    )


def revisions(world: World, family: str = "") -> list[str]:
    pages = world.ecs.get_paginator("list_task_definitions").paginate(
        **({"familyPrefix": f"{STAGING}-{family}"} if family else {})
    )
    return [arn for page in pages for arn in page["taskDefinitionArns"]]


def test_a_secret_that_is_still_described_as_deleted_is_nobody_elses_change(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets Manager shows that it was restored only after a while."""
    break_(sandbox.endpoint, "scheduled-deletion")
    run, _, plan = look_and_plan()
    read_late(monkeypatch, "restore", 3)
    result = fix.apply(run, plan, True)
    assert result and result.is_proved


def test_a_secret_that_somebody_deletes_again_is_told_at_once(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deletion has another date than the one that this run cancelled."""
    break_(sandbox.endpoint, "scheduled-deletion")
    run, _, plan = look_and_plan()
    restore = secretsmanager.restore

    def deleted_again(client: Any, secret: str) -> None:
        restore(client, secret)
        world.secretsmanager.delete_secret(SecretId=secret, RecoveryWindowInDays=9)

    monkeypatch.setattr(secretsmanager, "restore", deleted_again)
    # Any wait would fail.
    monkeypatch.setattr(current_version, "SETTLE_INTERVAL", -1)
    with pytest.raises(ConflictError, match="was scheduled for deletion since the plan was made"):
        fix.apply(run, plan, True)


@pytest.mark.parametrize("fault", ["scheduled-deletion", "suffix-stale", "kms-useless-grant", "not-json"])
def test_a_dry_run_changes_nothing_an_apply_mends_and_a_second_one_finds_nothing_to_do(
    world: World, sandbox: Sandbox, fault: str
) -> None:
    """The findings are gone, desiredCount tasks run, and no display has a value."""
    secret_values = values(sandbox)
    break_(sandbox.endpoint, fault)
    run, _, plan = look_and_plan()
    before = state_of(world)
    assert fix.apply(run, plan, False) is None and state_of(world) == before
    assert "dry run" in report.result(plan, None).to_text()

    result = fix.apply(run, plan, True)
    assert result and result.is_proved and result.steps == plan.steps
    findings = runbooks_run.diagnose(run.look())
    assert causes(findings) == set()
    assert {service["name"] for service in map(_whole, _services(world))} == {"backend", "worker"}
    assert [change.service for change in result.changes if change.action == "redeployed"] == ["backend", "worker"][
        -len(result.rollouts) :
    ]
    run.conclude(findings, result)
    assert "Fixed and verified" in report.result(plan, result).to_text()
    displays = [
        report.plan(plan),
        report.manual_fixes(plan),
        report.result(plan, result),
        changes.proof(result),
        report.undo(plan, result),
    ]
    assert not [value for value in secret_values for display in displays if value in display.to_text()]

    again, _, empty = look_and_plan()
    settled = state_of(world)
    nothing = fix.apply(again, empty, True)
    assert empty.is_empty and nothing and nothing.changes == () and state_of(world) == settled


@pytest.mark.parametrize("fault", ["no-permission", "suffix-stale", "not-json"])
def test_a_fix_is_taken_back_by_a_person_who_watches_it(
    world: World, sandbox: Sandbox, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a button of another process, from the state on disk: what it changed is as it was, but for new tasks."""
    # A circuit breaker would go forward again, since the tasks of what is taken back fail: at a moment of its own.
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    for service in CONSUMERS:
        world.ecs.update_service(cluster=CLUSTER, service=service.name, deploymentConfiguration=off)
    break_(sandbox.endpoint, fault)
    run, _, plan = look_and_plan()
    before = state_of(world)
    state = run.state(undo=plan.undos("staging"))
    live = SteppedChange(lambda name: live.ask("back") if name == "watch" else None, state)
    result = fix.apply(run, plan, True, live=live)
    assert result and result.is_cancelled and result.is_back and result.steps == ()
    assert [finding.check for finding in result.findings] == ["change-cancelled"]
    assert "Stopped, as you asked: everything is as before." in report.result(plan, result).to_text()
    assert unlike(state_of(world), before) == []

    def kill(name: str) -> None:
        if name == "watch":
            raise KeyboardInterrupt

    run, _, plan = look_and_plan()
    with pytest.raises(Interrupted):
        fix.apply(run, plan, True, live=SteppedChange(kill))
    (choice,) = take_back.offers(run, run.state(undo=plan.undos("staging")))
    monkeypatch.setenv(OUTCOME_VARIABLE, str(tmp_path / "outcome.json"))
    texts = [each.to_text() for each in choice.act("")]  # type: ignore[attr-defined]
    assert "Taken back." in texts[0] and unlike(state_of(world), before) == []
    # What was wrong before is wrong again, and nothing was looked at.
    assert "was stopped and taken back" in texts[1] and "Nothing is wrong" not in texts[1]
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["status"], outcome["root_causes"]) == ("findings", ["change-cancelled"])
    # Once more there is nothing to do, and what is on disk of the killed change goes.
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "own.state.json"))
    killed = StateFile(tmp_path / "killed.state.json")
    killed.write(replace(run.state(undo=plan.undos("staging")), ended="Interrupted."))
    (choice,) = take_back.offers(run, run.state(undo=plan.undos("staging")))
    assert "as before already" in next(choice.act("")).to_text() and killed.read()  # type: ignore[call-overload]
    assert list(choice.act("")) and not [*tmp_path.glob("*.state.json")]
    # From the notebook of another environment, too, with that one's word.
    elsewhere = runbooks_run.begin("troubleshoot", "production")
    (choice,) = take_back.offers(elsewhere, run.state(undo=plan.undos("staging")))
    with pytest.raises(UsageError, match="production is among them"):
        next(choice.act(""))  # type: ignore[call-overload]
    assert "as before already" in next(steps := choice.act("production")).to_text()  # type: ignore[attr-defined]
    assert list(steps)
    [finding] = json.loads((tmp_path / "outcome.json").read_text())["findings"]
    assert finding["subject"] == plan.secret_name


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ("no-permission", "redeploy"),
        ("no-permission", "watch"),
        ("suffix-stale", "register"),
        ("suffix-stale", "watch"),
    ],
)
def test_a_fix_that_was_killed_is_finished_by_a_button_of_another_process(
    world: World, sandbox: Sandbox, fault: str, step: str
) -> None:
    """The plan made anew does the rest, nothing twice and nothing else; it can still be taken back afterwards."""
    break_(sandbox.endpoint, fault)
    run, _, plan = look_and_plan()
    before, services = state_of(world), tuple(each.service.name for each in plan.redeploys)
    state = run.state(undo=plan.undos("staging"), services=services, parameters={"environment": "staging"})

    def kill(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        fix.apply(run, plan, True, live=SteppedChange(kill))
    finish, _ = fix.offers(run, state)
    assert finish.label == "Finish it"
    text = "\n".join(each.to_text() for each in finish.act(""))  # type: ignore[attr-defined]
    assert "erified" in text.partition("; new tasks of")[0] and "Nothing is wrong in staging" in text
    assert "undo what was done before this run" in text or step == "register"
    assert finish.live and finish.live.state and {*finish.live.state.undo} >= {*state.undo}
    assert causes(runbooks_run.diagnose(run.look())) == set()
    mended = state_of(world)
    finish, back = fix.offers(run, state)
    assert "Verified; new tasks of" in next(finish.act("")).to_text()  # type: ignore[attr-defined]
    assert state_of(world) == mended
    if fault == "no-permission":
        assert "Taken back." in next(back.act("")).to_text()  # type: ignore[attr-defined]
        assert unlike(state_of(world), before) == []


@pytest.mark.parametrize("fault", ["no-permission", "suffix-stale"])
def test_a_fix_is_taken_back_while_another_process_finishes_it(world: World, sandbox: Sandbox, fault: str) -> None:
    """With what the first process had done."""
    break_(sandbox.endpoint, fault)
    run, _, plan = look_and_plan()
    before, services = state_of(world), tuple(each.service.name for each in plan.redeploys)
    state = run.state(undo=plan.undos("staging"), services=services)

    def kill(name: str) -> None:
        if name == "watch":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        fix.apply(run, plan, True, live=SteppedChange(kill))
    run, snapshot, rest = look_and_plan()
    rest = fix_plan.narrow(rest, snapshot, state.undo, services, state.started)
    live = SteppedChange(lambda name: live.ask("back") if name == "watch" else None, state)
    result = fix.apply(run, rest, True, live=live)
    assert result and result.is_cancelled and result.is_back
    former = {undo.subject: undo.former.rpartition("/")[2] for undo in state.undo if undo.kind == "revision"}
    assert {each.service: each.revision for each in result.rollbacks} == former
    # On the former revision tasks fail as before, and then ECS's circuit breaker may return to the corrected one.
    assert former or unlike(state_of(world), before) == []


def unlike(now: Any, before: Any) -> list[Any]:
    """What differs of versions, task definitions in use and policies; versions are as before but for AWSPREVIOUS."""
    current = [
        {stages[0]: version for version, stages in each[0].items() if "AWSCURRENT" in stages} for each in (now, before)
    ]
    pairs = (current, [[arn for arn, _ in each[2]] for each in (now, before)], [each[3] for each in (now, before)])
    return [pair for pair in pairs if pair[0] != pair[1]]


def _services(world: World) -> list[Any]:
    names = [service.name for service in CONSUMERS]
    return list(world.ecs.describe_services(cluster=CLUSTER, services=names)["services"])


def _whole(service: Any) -> dict[str, str]:
    assert service["runningCount"] == service["desiredCount"] > 0, service["serviceName"]
    assert [entry["rolloutState"] for entry in service["deployments"]] == ["COMPLETED"]
    return {"name": service["serviceName"]}


def test_a_corrected_revision_is_the_former_one_with_its_tags_and_everything_else(world: World) -> None:
    """Whatever RegisterTaskDefinition takes is taken along: tags, volumes, limits; only a valueFrom differs."""
    refer(world, "worker", "SECRET_KEY", _partial)
    arn = next(service["taskDefinition"] for service in _services(world) if service["serviceName"] == "worker")
    former = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    container = {**former["containerDefinitions"][0], "stopTimeout": 7, "dockerLabels": {"team": "coins"}}
    tagged = world.ecs.register_task_definition(
        **{
            name: former[name] for name in ("family", "networkMode", "cpu", "memory", "executionRoleArn", "taskRoleArn")
        },  # type: ignore[literal-required,arg-type]
        containerDefinitions=[container],  # type: ignore[list-item]
        requiresCompatibilities=["FARGATE"],
        volumes=[{"name": "scratch"}],
        tags=[{"key": "Team", "value": "coins"}],
    )["taskDefinition"]["taskDefinitionArn"]
    world.ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=tagged)
    run, _, plan = look_and_plan()
    result = fix.apply(run, plan, True)
    assert result and result.is_proved
    now = next(service["taskDefinition"] for service in _services(world) if service["serviceName"] == "worker")
    old, new = (world.ecs.describe_task_definition(taskDefinition=each, include=["TAGS"]) for each in (tagged, now))
    assert old["tags"] == new["tags"] == [{"key": "Team", "value": "coins"}]
    for answer in (old, new):
        for name in ("taskDefinitionArn", "revision", "registeredAt"):
            answer["taskDefinition"].pop(name, None)  # type: ignore[misc]
    edited = next(e for e in old["taskDefinition"]["containerDefinitions"][0]["secrets"] if e["name"] == "SECRET_KEY")
    edited["valueFrom"] = f"{world.secretsmanager.describe_secret(SecretId=SECRET)['ARN']}:SECRET_KEY::"
    assert old["taskDefinition"] == new["taskDefinition"]


def test_production_wants_its_name_and_nothing_is_read_or_written_without_it(world: World) -> None:
    """The same word as everywhere, before the first call."""
    _, _, plan = look_and_plan()
    run = runbooks_run.begin("troubleshoot", "production")
    for word in ("", "staging", "Production"):
        with pytest.raises(UsageError, match='confirm = "production"'):
            fix.apply(run, plan, True, word)


def test_a_newer_revision_of_somebody_else_stays_the_newest(world: World) -> None:
    """Registered after the plan, it makes the plan void: nothing is registered and no service touched."""
    refer(world, "worker", "SECRET_KEY", _partial)
    run, _, plan = look_and_plan()
    revise(world, "worker", lambda container: container.update(stopTimeout=9))
    theirs = state_of(world)
    with pytest.raises(ConflictError, match=r"worker runs ohmycoins-staging-worker:\d+ and no longer"):
        fix.apply(run, plan, True)
    assert state_of(world) == theirs

    run, _, plan = look_and_plan()
    arn = next(service["taskDefinition"] for service in _services(world) if service["serviceName"] == "worker")
    definition = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    world.ecs.register_task_definition(
        family=definition["family"],
        containerDefinitions=definition["containerDefinitions"],  # type: ignore[arg-type]
    )
    theirs = state_of(world)
    with pytest.raises(ConflictError, match="Somebody has registered"):
        fix.apply(run, plan, True)
    assert state_of(world) == theirs


def test_a_revision_whose_answer_was_lost_is_no_edit_of_somebody_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is repeated, so that there are two alike: the second is deployed."""
    refer(world, "worker", "SECRET_KEY", _partial)
    run, _, plan = look_and_plan()
    call, attempts = BaseClient._make_api_call, list[str]()  # type: ignore[attr-defined]

    def losing(client: Any, operation: str, parameters: Any) -> Any:
        answer = call(client, operation, parameters)
        if operation == "RegisterTaskDefinition":
            attempts.append(operation)
            answer = call(client, operation, parameters)
            answer["ResponseMetadata"]["RetryAttempts"] = 1
        return answer

    monkeypatch.setattr(BaseClient, "_make_api_call", losing)
    result = fix.apply(run, plan, True)
    assert attempts and result and result.is_proved


def test_of_two_copies_of_one_plan_at_once_one_registers_and_deploys(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other sees by the number of its revision, or by the deployment, that it was not the first."""
    refer(world, "worker", "SECRET_KEY", _partial)
    run, _, plan = look_and_plan()
    register = definitions.register_edited

    def register_twice(*arguments: Any) -> Any:
        monkeypatch.setattr(definitions, "register_edited", register)
        theirs.append(register(*arguments)[0].label)
        return register(*arguments)

    theirs: list[str] = []
    monkeypatch.setattr(definitions, "register_edited", register_twice)
    deployed = state_of(world)[2]
    with pytest.raises(ConflictError, match="at the same time") as error:
        fix.apply(run, plan, True)
    assert theirs[0] in str(error.value) and state_of(world)[2] == deployed

    mend(sandbox.endpoint)
    break_(sandbox.endpoint, "not-forced")
    run, _, plan = look_and_plan()
    assert plan.steps == () and plan.redeploys
    service = plan.redeploys[0].service.name
    world.ecs.update_service(cluster=CLUSTER, service=service, forceNewDeployment=True)
    deployed = state_of(world)[2]
    with pytest.raises(ConflictError, match=f"{service} was deployed since the plan was made"):
        fix.apply(run, plan, True)
    assert state_of(world)[2] == deployed


def test_of_two_redeployments_of_a_service_at_once_one_is_proved(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECS accepts both: the first run says that its deployment was replaced, the second which one it replaced."""
    break_(sandbox.endpoint, "not-forced")
    run, _, plan = look_and_plan()
    barriers = {redeploy.service.name: threading.Barrier(2) for redeploy in plan.redeploys}
    force = ecs.force_new_deployment

    def force_together(client: Any, cluster: str, name: str, known: set[str], revision: str) -> Any:
        # Both have seen by then that nobody has deployed the service.
        barriers[name].wait(60)
        return force(client, cluster, name, known, revision)

    monkeypatch.setattr(ecs, "force_new_deployment", force_together)
    with ThreadPoolExecutor(2) as pool:
        results = [each.result() for each in [pool.submit(fix.apply, run, plan, True) for _ in range(2)]]
    for name in barriers:
        rollouts = [each for result in results if result for each in result.rollouts if each.service == name]
        proved, overtaken = sorted(rollouts, key=lambda each: each.state)
        assert (proved.state, overtaken.state) == ("done", "overtaken")
        assert f"{proved.deployment_id} replaced ours" in overtaken.reason
        assert f"It replaced {overtaken.deployment_id}, which somebody else began at the same time." in proved.reason
    assert not all(result and result.is_proved for result in results)


def test_a_policy_or_a_version_of_somebody_else_stays(world: World) -> None:
    """A policy of the same name is not written over, and a plan on another version or secret is refused."""
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
    run, _, plan = look_and_plan()
    assert [step.title for step in plan.steps] == [f"allow role {EXECUTION_ROLE} secretsmanager:GetSecretValue"]
    theirs = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    world.iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=READ_POLICY, PolicyDocument=json.dumps(theirs))
    before = state_of(world)
    with pytest.raises(ConflictError, match="was not overwritten"):
        fix.apply(run, plan, True)
    assert state_of(world) == before
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=READ_POLICY)
    document = json.loads(world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])
    put(world, {**document, "SMTP_PASSWORD": secrets.token_hex(16)})
    with pytest.raises(ConflictError, match="since the plan was made"):
        fix.apply(run, plan, True)
    world.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=7)
    with pytest.raises(ConflictError, match="scheduled for deletion"):
        fix.apply(run, plan, True)
    assert READ_POLICY not in world.iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]


def test_a_run_that_was_killed_before_the_redeployment_is_finished_by_a_second_one(
    world: World, sandbox: Sandbox
) -> None:
    """The revision that it registered is taken up, and none is registered beside it."""
    refer(world, "worker", "SECRET_KEY", _partial)
    before = revisions(world, "worker")
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], env=os.environ | sandbox.variables, capture_output=True, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    registered = revisions(world, "worker")
    assert len(registered) == len(before) + 1
    run, _, plan = look_and_plan()
    result = fix.apply(run, plan, True)
    assert result and result.is_proved and revisions(world, "worker") == registered
    assert {change.action for change in result.changes} == {"redeployed"}
    assert causes(runbooks_run.diagnose(run.look())) == set()


def test_what_fails_is_taken_back(world: World) -> None:
    """Tasks exit with the former version of the secret and the corrected revision: both are as before, as it says."""
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.ecs.update_service(cluster=CLUSTER, service="backend", deploymentConfiguration=off)  # type: ignore[arg-type]
    put(world, "no JSON")
    for service in CONSUMERS:
        revise(world, service.name, _broken if service.name == "worker" else _exiting)
    world.settle()
    run, snapshot, plan = look_and_plan()
    assert [type(step).__name__ for step in plan.steps] == ["RestoreVersion", "Correction"]
    stages, former = snapshot.secret and snapshot.secret.stages, [each["taskDefinition"] for each in _services(world)]
    result = fix.apply(run, plan, True)
    assert result and not result.is_proved and result.steps == ()
    now = world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    current = [version for version, labels in (stages or {}).items() if "AWSCURRENT" in labels]
    assert [version for version, labels in now.items() if "AWSCURRENT" in labels] == current
    assert [each["taskDefinition"] for each in _services(world)][1] == former[1]
    assert "change-failed" in {finding.check for finding in result.findings}
    actions = [change.action for change in result.changes]
    assert "withdrawn" in actions and actions[-1] == "redeployed"
    text = report.result(plan, result).to_text()
    assert (
        "is current again" in " ".join(text.split())
        and "There is nothing to undo" in report.undo(plan, result).to_text()
    )
    assert registry.mask(text) == text


def _partial(arn: str) -> str:
    return f"{arn[:-7]}:SECRET_KEY::"


def _exiting(container: Any) -> None:
    container["command"] = ["--sandbox-exit=1"]


def _broken(container: Any) -> None:
    _exiting(container)
    for entry in container["secrets"]:
        if entry["name"] == "SECRET_KEY":
            entry["valueFrom"] = SECRET


def plan_without_breaker(world: World, *, fails: bool) -> tuple[Run, FixPlan]:
    """A run that has planned a fix of the worker, of which ECS takes nothing back; with `fails`, tasks fail with it."""
    off = {"deploymentCircuitBreaker": {"enable": False, "rollback": False}}
    world.ecs.update_service(cluster=CLUSTER, service="worker", deploymentConfiguration=off)  # type: ignore[arg-type]
    if fails:
        revise(world, "worker", _broken)
    else:
        refer(world, "worker", "SECRET_KEY", _partial)
    world.settle()
    run, _, plan = look_and_plan()
    return run, plan


@pytest.mark.parametrize("when", ["redeploy", "redeploy back", "watch back"])
def test_a_revision_that_somebody_deploys_meanwhile_stays(world: World, when: str) -> None:
    """Nor is it replaced on the way back of a fix with which tasks fail, and no command offers to replace it."""
    run, plan = plan_without_breaker(world, fails=when != "redeploy")
    theirs = list[str]()

    def step(name: str) -> None:
        if name == when:
            revise(world, "worker", lambda container: container.update(stopTimeout=9))
            theirs.append(world.service("worker")["taskDefinition"])

    result = fix.apply(run, plan, True, live=SteppedChange(step))
    [now] = [each["taskDefinition"] for each in _services(world) if each["serviceName"] == "worker"]
    assert result and not result.is_proved and theirs == [now]
    if when == "redeploy":
        [finding] = result.findings
        message = finding.evidence[0]
        assert (finding.check, finding.subject) == ("deployment-overtaken", "worker")
    else:
        message = result.rollback_note
        assert re.match(r"worker does not have \S+ again: Somebody else", message)
    assert when == "watch back" or f"deployed {now.rpartition('/')[2]} since: it stays" in message
    assert result.steps == () and "aws ecs" not in report.undo(plan, result).to_text()


def test_another_process_leaves_what_somebody_has_deployed_since(world: World) -> None:
    """Also where files were edited, which are of no environment."""
    refer(world, "worker", "SECRET_KEY", _partial)
    world.settle()
    run, _, plan = look_and_plan()

    def kill(name: str) -> None:
        if name == "watch":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        fix.apply(run, plan, True, live=SteppedChange(kill))
    ours = expected(next(each for each in run.look().services if each.name == "worker"))
    revise(world, "worker", lambda container: container.update(stopTimeout=9))
    theirs = world.service("worker")["taskDefinition"]
    edits = Undo(kind="none", subject="The new lines of template.env stay: remove them by hand.")
    state = replace(run.state(undo=(*plan.undos("staging"), edits)), rollouts=(ours,))
    (choice,) = take_back.offers(run, state)
    text = next(choice.act("")).to_text()  # type: ignore[attr-defined]
    assert "Not all of it" in text and f"worker keeps {theirs.rpartition('/')[2]}: somebody else" in text
    assert world.service("worker")["taskDefinition"] == theirs


@pytest.mark.parametrize("when", ["watch", "watch back"])
def test_a_revision_that_somebody_deploys_once_more_is_in_force(world: World, when: str) -> None:
    """As rotate does: the way back of a fix is still offered, and the run says that the former revision is back."""
    run, plan = plan_without_breaker(world, fails=when != "watch")
    former = world.service("worker")["taskDefinition"].rpartition("/")[2]

    def step(name: str) -> None:
        if name == when:
            world.ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)

    result = fix.apply(run, plan, True, live=SteppedChange(step))
    assert result and not result.is_proved
    if when == "watch":
        [finding] = result.findings
        assert finding.check == "deployment-overtaken" and former in report.undo(plan, result).to_text()
    else:
        assert result.rollback_note.startswith(f"worker has {former} again, as before: Somebody else's deployment")


def test_a_permission_that_does_not_help_is_taken_away_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """IAM takes it and nothing comes of it: the tasks may still not read, and the role is as it was."""
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
    before = world.iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"]
    run, _, plan = look_and_plan()
    useless = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    )
    steps = (replace(step, document=useless) if isinstance(step, Grant) else step for step in plan.steps)
    plan = replace(plan, steps=tuple(steps))
    monkeypatch.setattr(executor, "GRANT_TIMEOUT", 0.0)
    result = fix.apply(run, plan, True)
    assert result and "revoked" in [change.action for change in result.changes] and result.steps == ()
    assert world.iam.list_role_policies(RoleName=EXECUTION_ROLE)["PolicyNames"] == before
    assert "no-permission" in {finding.check for finding in result.findings}


def test_a_permission_that_somebody_takes_away_meanwhile_is_not_blamed(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks failed without it, and not with it."""
    monkeypatch.setattr(current_version, "SETTLE_SECONDS", 1)
    break_(sandbox.endpoint, "no-permission")
    run, _, plan = look_and_plan()

    def step(name: str) -> None:
        if name == "redeploy":
            world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=READ_POLICY)

    result = fix.apply(run, plan, True, live=SteppedChange(step))
    assert result and not result.is_proved and result.steps == ()
    message = f"Somebody else has removed policy {READ_POLICY} from role {EXECUTION_ROLE} meanwhile."
    assert result.rollback_note == message


def test_without_the_services_nothing_is_begun(world: World) -> None:
    """Who uses the secret could not be read: no fix could be verified."""
    run, _, plan = look_and_plan()
    unread = replace(plan, consumers_unknown="Could not read the services.", steps=plan.steps or ("a step",))  # type: ignore[arg-type]
    with pytest.raises(CouldNotLook, match="Nothing was written"):
        fix.apply(run, unread, True)


def test_the_role_of_another_environment_is_left_as_it_is(world: World) -> None:
    """The worker's revision names production's role: it is granted nothing, and the plan says what to correct."""
    theirs = EXECUTION_ROLE.replace("staging", "production")
    restore_role(world, theirs, {})
    role = world.iam.get_role(RoleName=theirs)["Role"]["Arn"]
    revise(world, "worker", lambda container: None, execution_role=role)
    run, _, plan = look_and_plan()
    fix.apply(run, plan, True)
    reasons = {entry.finding.subject: entry.why for entry in plan.unfixed}
    assert f"{theirs} belongs to production" in reasons[theirs]
    assert world.iam.list_role_policies(RoleName=theirs)["PolicyNames"] == []
    world.iam.delete_role(RoleName=theirs)
