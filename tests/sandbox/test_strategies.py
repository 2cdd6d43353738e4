"""A rotation under every deployment strategy, with good and bad values, pauses, kills and others at work."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
from support.administrator import BAD, Staging, at_work, rotator
from support.runs import SECRET, deny

from omc_runbook.changes.deploy import watch
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.errors import Interrupted
from omc_runbook.model.findings import Finding
from omc_runbook.report import fix as report
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.runbooks import fix, live_change, secret_change, troubleshoot
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.ecs.service_deployments import DEFAULT_MINUTE_SECONDS
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import consumers, deployments
from omc_runbook.sandbox.worlds.staging import CLUSTER, KEYS

Strategy = Literal["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"]
STRATEGIES: tuple[Strategy, ...] = ("BLUE_GREEN", "LINEAR", "CANARY")
ALL: tuple[Strategy, ...] = ("ROLLING", *STRATEGIES)
NUMBERS = count(1000)


@pytest.fixture
def staging(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Staging]:
    staging = at_work(sandbox, monkeypatch)
    yield staging
    lifecycle.set_minute(sandbox, DEFAULT_MINUTE_SECONDS)
    deployments.configure(staging.world, "backend")
    faults.mend(sandbox.endpoint, None)


def configure(staging: Staging, strategy: Strategy, **options: Any) -> None:
    """Let backend be deployed so, with a short bake, and worker as ever."""
    step = {"LINEAR": (50.0, 1), "CANARY": (20.0, 1)}.get(strategy)
    deployments.configure(staging.world, "backend", strategy=strategy, step=step, **{"bake_minutes": 1, **options})


def rollout(result: SecretResult | None, name: str = "backend") -> Rollout:
    assert result
    return next(each for each in result.rollouts if each.service == name)


def newest(staging: Staging) -> Any:
    """Backend's newest service deployment."""
    return staging.ecs.list_service_deployments(cluster=CLUSTER, service="backend")["serviceDeployments"][0]


@pytest.mark.parametrize("strategy", ALL)
def test_a_good_value_is_proved(staging: Staging, strategy: Strategy) -> None:
    """When the deployment is SUCCESSFUL and no old task is left; the progress shows its stages."""
    configure(staging, strategy)
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and not result.rollbacks
    assert newest(staging)["status"] == "SUCCESSFUL"
    assert staging.process_values("SECRET_KEY")["backend"] == {staging.members["SECRET_KEY"]} and not staging.labels()
    lines = " ".join(line for _, line in staging.progress)
    assert ("BAKE_TIME" in lines) is (strategy != "ROLLING")
    assert not [
        each for each in root_causes.diagnose(runbooks_run.begin("verify", "staging").look()) if each.is_problem
    ]


@pytest.mark.parametrize("strategy", ALL)
def test_a_bad_value_is_taken_back(staging: Staging, monkeypatch: pytest.MonkeyPatch, strategy: Strategy) -> None:
    """By stopping the deployment, so that the tasks before it go on; a rolling update gets new ones."""
    # The circuit breaker is patient, for ECS not to take the deployment back first.
    configure(staging, strategy, breaker=deployments.trip_after("COUNT", 100))
    monkeypatch.setenv("NEW", BAD)
    version, old = staging.current, staging.members["SENTRY_DSN"]
    tasks = set(staging.ecs.list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])
    result = staging.rotate("SENTRY_DSN", "env:NEW")
    assert result and not result.is_proved and result.restored_version == version == staging.current
    assert {each.state for each in result.rollbacks} == {"done"}, result.rollback_note
    assert staging.process_values("SENTRY_DSN")["backend"] == {old} and not staging.labels()
    actions = [change.action for change in result.changes if change.service == "backend"]
    if strategy == "ROLLING":
        assert actions == ["redeployed", "redeployed"]
    else:
        assert actions == ["redeployed", "stopped"] and "its former tasks serve" in result.rollback_note
        assert tasks == set(staging.ecs.list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])
    assert problems_of_verify() == {}


@pytest.mark.parametrize("strategy", ["ROLLING", "CANARY"])
def test_a_rollback_is_a_remark_once_the_value_is_back(staging: Staging, strategy: Strategy) -> None:
    """Whoever restored it, in whatever way: the tasks that serve are healthy, and have the current values."""
    configure(staging, strategy)
    version = staging.current
    staging.put(SENTRY_DSN=BAD)
    bad = staging.current
    staging.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    lifecycle.settle(staging.sandbox)
    assert {"breaker-rollback", "not-forced"} <= problems_of_verify().keys()
    staging.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=bad
    )
    assert problems_of_verify() == {}
    staging.put(SENTRY_DSN=new_address())
    assert "not-forced" in problems_of_verify()


def new_address() -> str:
    """An address that no version has had: how many there are says nothing of what is in them."""
    return f"https://0@o1.ingest.example.com/{next(NUMBERS)}"


def problems_of_verify() -> dict[str, str]:
    """The problems that verify finds, with their severities."""
    findings = root_causes.diagnose(runbooks_run.begin("verify", "staging").look())
    return {finding.check: finding.severity for finding in findings if finding.is_problem}


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
def test_a_person_stops_it_and_has_the_former_version_back(
    staging: Staging, tmp_path: Path, strategy: Strategy
) -> None:
    """While new tasks are watched, by the file of its state; the state has the bars until then, and is gone after."""
    configure(staging, strategy)
    version, old = staging.current, staging.members["SECRET_KEY"]
    file = StateFile(tmp_path / "rotate.state.json")
    run = runbooks_run.begin("rotate", "staging")
    change = live_change.LiveChange(run.state(secret="s", former=version, new="another"), file)
    states: list[ChangeState] = []

    def watch_and_stop(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        state = file.read()
        if not states and rollouts and state and state.steps[-1] == "watch":
            states.append(state)
            file.ask("back")

    change._show = watch_and_stop
    result = staging.rotate("SECRET_KEY", live=change)
    assert result and result.is_cancelled and result.is_back and not result.is_proved and not result.is_in_force
    assert result.restored_version == version == staging.current and not staging.labels()
    assert {each.state for each in result.rollbacks} == {"done"}, result.rollback_note
    assert {name: staging.process_values("SECRET_KEY")[name] for name in ("backend", "worker")} == {
        "backend": {old},
        "worker": {old},
    }
    assert [(each.check, each.status) for each in result.findings] == [("change-cancelled", "found")]
    (state,) = states
    assert state.is_alive and "redeployed backend" in " ".join(state.changes)
    assert {each.service for each in state.rollouts} == {"backend", "worker"}
    actions = [each.action for each in result.changes if each.service == "backend"]
    assert actions == ["redeployed", "stopped" if strategy == "BLUE_GREEN" else "redeployed"]
    usual = [each.usual for each in result.rollouts if each.service == "worker"]
    assert usual != [None]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pause_is_told_and_a_second_run_proves_what_somebody_continued(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, strategy: Strategy
) -> None:
    """Nothing is taken back, verify names it, and no second deployment is started beside it."""
    monkeypatch.setattr(watch, "PAUSE_PATIENCE", 2.0)
    configure(staging, strategy, hooks=[deployments.pause("POST_SCALE_UP")])
    result = staging.rotate("SECRET_KEY")
    paused = rollout(result)
    assert result and not result.is_proved and not result.rollbacks and result.is_in_force
    assert paused.state == "paused" and "continue-service-deployment" in paused.reason
    assert [(each.check, each.status) for each in result.findings] == [("deployment-paused", "unknown")]
    problems = root_causes.diagnose(runbooks_run.begin("verify", "staging").look())
    assert [each.check for each in problems if each.is_root_cause] == ["deployment-paused"]
    version = staging.current
    again = staging.rotate("SECRET_KEY")
    assert rollout(again).state == "paused" and rollout(again).deployment_id == paused.deployment_id
    assert staging.current == version, "the same command makes no other value"
    arn = newest(staging)["serviceDeploymentArn"]
    go_on(staging)
    proved = staging.rotate("", "keep")
    # It may have ended before the second run looks, which then has none to follow.
    assert (
        proved
        and proved.is_proved
        and (newest(staging)["serviceDeploymentArn"], newest(staging)["status"]) == (arn, "SUCCESSFUL")
    )
    assert staging.current == version and not staging.labels()
    assert staging.process_values("SECRET_KEY")["backend"] == {staging.members["SECRET_KEY"]}


def acting(staging: Staging, monkeypatch: pytest.MonkeyPatch, act: Callable[[str, str], object]) -> None:
    """Let somebody act once, on the service deployment and its hook, while backend's waits in a run."""
    monkeypatch.setattr(watch, "PAUSE_PATIENCE", 2.0)
    acted: list[str] = []

    def show(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        staging.progress.extend((time.time(), line) for line in lines)
        if not acted and any(each.state == "paused" for each in rollouts):
            acted.append(newest(staging)["serviceDeploymentArn"])
            act(acted[0], hook_of(staging, acted[0]))

    monkeypatch.setattr(live_change, "Progress", lambda: show)


def hook_of(staging: Staging, arn: str) -> str:
    """The hook at which a service deployment waits."""
    [full] = staging.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
    return str(full["lifecycleHookDetails"][0]["hookId"])


def go_on(staging: Staging) -> None:
    """Continue backend's deployment."""
    arn = newest(staging)["serviceDeploymentArn"]
    staging.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook_of(staging, arn), action="CONTINUE")


def test_a_pause_that_another_deployment_overtakes(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says so and takes nothing back, and a second run watches the other deployment to its end."""
    configure(staging, "CANARY", hooks=[deployments.pause("POST_SCALE_UP")])
    acting(
        staging,
        monkeypatch,
        lambda arn, hook: staging.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True),
    )
    result = staging.rotate("SECRET_KEY")
    assert result and rollout(result).state == "overtaken" and "rotate with values_from keep" in rollout(result).reason
    assert [each.check for each in result.findings] == ["deployment-overtaken"]
    assert not result.rollbacks and result.version_change and staging.current == result.version_change.version_id
    paused = rollout(staging.rotate("", "keep"))
    assert paused.state == "paused" and paused.deployment_id != rollout(result).deployment_id
    go_on(staging)
    proved = staging.rotate("", "keep")
    assert proved and proved.is_proved and newest(staging)["status"] == "SUCCESSFUL" and not staging.labels()
    assert staging.current == result.version_change.version_id
    assert staging.process_values("SECRET_KEY")["backend"] == {staging.members["SECRET_KEY"]}


def test_a_pause_that_another_version_overtakes(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs stays, with our key; a second run deploys it, and both values arrive."""
    configure(staging, "BLUE_GREEN", hooks=[deployments.pause("POST_SCALE_UP")])
    theirs = new_address()
    acting(staging, monkeypatch, lambda arn, hook: staging.put(SENTRY_DSN=theirs))
    result = staging.rotate("SECRET_KEY")
    assert result and not result.is_in_force and not result.rollbacks and not result.restored_version
    assert {each.check for each in result.findings} == {
        "deployment-paused",
        "version-overtaken",
    } and not staging.labels()
    version, members = staging.current, staging.members
    assert members["SENTRY_DSN"] == theirs
    assert rollout(staging.rotate("", "keep")).state == "paused"
    go_on(staging)
    proved = staging.rotate("", "keep")
    assert proved and proved.is_proved and staging.current == version and not staging.labels()
    assert staging.process_values("SENTRY_DSN")["backend"] == {theirs}
    assert staging.process_values("SECRET_KEY")["backend"] == {members["SECRET_KEY"]}


def test_a_person_refuses_at_a_pause(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS returns to the tasks before, and the former version is current again."""
    configure(staging, "LINEAR", hooks=[deployments.pause("POST_SCALE_UP")])
    version, old = staging.current, staging.members["SECRET_KEY"]
    acting(
        staging,
        monkeypatch,
        lambda arn, hook: staging.ecs.continue_service_deployment(
            serviceDeploymentArn=arn, hookId=hook, action="ROLLBACK"
        ),
    )
    result = staging.rotate("SECRET_KEY")
    assert rollout(result).state == "rolled-back" and result and result.restored_version == version == staging.current
    assert {each.state for each in result.rollbacks} == {"done"} and not staging.labels()
    assert staging.process_values("SECRET_KEY")["backend"] == {old} == staging.process_values("SECRET_KEY")["worker"]
    assert problems_of_verify() == {}


def test_a_hook_that_refuses_takes_the_value_back(staging: Staging) -> None:
    """ECS rolls back by itself, with the hook as its reason."""
    configure(staging, "BLUE_GREEN", hooks=[deployments.refuse("POST_TEST_TRAFFIC_SHIFT")])
    version = staging.current
    result = staging.rotate("SECRET_KEY")
    assert rollout(result).state == "rolled-back" and "hook" in rollout(result).reason
    assert result and result.restored_version == version and {each.state for each in result.rollbacks} == {"done"}


def test_somebody_elses_deployment_is_told_as_such(staging: Staging) -> None:
    """Ours is stopped in favour of it, and nothing is taken back."""
    configure(staging, "BLUE_GREEN")

    def step(name: str) -> None:
        if name == "watch":
            staging.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)

    result = staging.rotate("SECRET_KEY", step=step)
    assert rollout(result).state == "overtaken" and result and not result.restored_version


@pytest.mark.parametrize("last", ["redeploy", "watch"])
def test_a_killed_run_is_finished_by_a_second_one(staging: Staging, last: str) -> None:
    """One that was killed while it watched finds its deployment under way, and follows it."""
    configure(staging, "BLUE_GREEN", bake_minutes=20)
    assert rotator("SECRET_KEY", "renew", last) == (-9, "")
    before = newest(staging)["serviceDeploymentArn"]
    configure(staging, "BLUE_GREEN")
    assert rotator("SECRET_KEY", "renew", "")[1] == "proved"
    assert (newest(staging)["serviceDeploymentArn"] == before) is (last == "watch")
    assert staging.process_values("SECRET_KEY")["backend"] == {staging.members["SECRET_KEY"]} and not staging.labels()


def test_without_the_permission_the_end_is_unknown(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed and nothing is taken back; the rolling worker is proved by its rolloutState."""
    configure(staging, "CANARY")
    deny(staging.sandbox, monkeypatch, "ecs:ListServiceDeployments")
    result = staging.rotate("SECRET_KEY")
    assert rollout(result).state == "unknown" and "ecs:ListServiceDeployments is missing" in rollout(result).reason
    assert rollout(result, "worker").state == "done"
    assert result and not result.rollbacks and [each.check for each in result.findings] == ["deployment-unread"]


def test_troubleshoot_proves_what_it_redeploys(staging: Staging) -> None:
    """Tasks with an old value get new ones, and the fix waits for the end of their bake."""
    configure(staging, "BLUE_GREEN")
    faults.break_(staging.sandbox.endpoint, "not-forced")
    run = troubleshoot.begin("staging")
    snapshot = run.look()
    plan = troubleshoot.plan(run, snapshot, runbooks_run.diagnose(snapshot))
    assert "BLUE_GREEN: tasks of the old revision serve" in report.plan(plan).to_text()
    result = fix.apply(run, plan, True)
    assert result and result.is_proved and newest(staging)["status"] == "SUCCESSFUL"


def test_what_is_no_service_is_named_and_leaves_the_change_unproved(staging: Staging) -> None:
    """Daemons and Express services with the secret keep the old values, and nothing is claimed of them."""
    daemon = consumers.add_daemon(staging.world, ("SECRET_KEY",)).rpartition("/")[2]
    express = consumers.add_express_service(staging.world, ("SECRET_KEY",))
    result = staging.rotate("SECRET_KEY")
    assert result and not result.is_proved and {each.state for each in result.rollouts} == {"done"}
    by_subject = {finding.subject: finding for finding in result.findings}
    assert {name: each.status for name, each in by_subject.items()} == {
        f"daemon {daemon}": "unknown",
        f"Express service {consumers.NAME}": "unknown",
    }
    assert "UpdateDaemon" in by_subject[f"daemon {daemon}"].evidence[0]
    command = f"aws ecs update-express-gateway-service --service-arn {express} --region ap-southeast-2"
    assert command in by_subject[f"Express service {consumers.NAME}"].evidence[0]
    assert not staging.labels()


def test_an_express_service_is_judged_like_others_and_deployed_by_its_own_command(staging: Staging) -> None:
    """Its tasks that hold an old value, and a reference to a key that the secret does not have."""
    consumers.add_express_service(staging.world, KEYS[:3])
    staging.world.wait(lambda: staging.service(consumers.NAME)["runningCount"] == 1, "its task ran")
    assert staging.rotate("SECRET_KEY")
    (problem,) = _root_causes()
    assert (problem.check, problem.subject) == ("not-forced", consumers.NAME)
    words = shlex.split(problem.remedy.command)
    assert words[1:4] == ["ecs", "update-express-gateway-service", "--service-arn"]
    lifecycle.set_minute(staging.sandbox, 0.1)
    staging.ecs.update_express_gateway_service(serviceArn=words[4])
    staging.world.wait(lambda: not _root_causes(), "new tasks replaced those with the old value")
    secret = staging.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    container = {"image": "example", "secrets": [{"name": "STRIPE_API_KEY", "valueFrom": f"{secret}:STRIPE_API_KEY::"}]}
    staging.ecs.update_express_gateway_service(serviceArn=words[4], primaryContainer=container)
    staging.world.wait(lambda: "key-missing" in {each.check for each in _root_causes()}, "its task failed")


def _root_causes() -> list[Finding]:
    problems = root_causes.diagnose(runbooks_run.begin("troubleshoot", "staging").look())
    return [each for each in problems if each.is_root_cause and each.is_problem]


def test_services_of_other_clusters_are_named_where_the_names_ask_for_it(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that redeploys each; a missing cluster is reported, and one that is not named is not read."""
    other, worker = "ohmycoins-tools", staging.service("worker")
    staging.ecs.create_cluster(clusterName=other)
    staging.ecs.create_service(
        cluster=other,
        serviceName="reports",
        taskDefinition=worker["taskDefinition"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=worker["networkConfiguration"],
    )
    try:
        plain = staging.rotate("SECRET_KEY")
        assert plain and not plain.findings
        monkeypatch.setenv("OMC_CLUSTERS", '["*", "gone"]')
        run = runbooks_run.begin("rotate", "staging")
        snapshot = run.look()
        new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY")
        notes = " ".join(secret_change.plan(run, snapshot, new).readiness)
        result = staging.rotate("SECRET_KEY")
    finally:
        staging.world.delete_service("reports", other)
        staging.ecs.delete_cluster(cluster=other)
    assert result and not result.is_proved and {each.state for each in result.rollouts} == {"done"}
    evidence_by_subject = {finding.subject: finding.evidence[0] for finding in result.findings}
    command = f"aws ecs update-service --cluster {other} --service reports --force-new-deployment"
    assert command in evidence_by_subject[f"service reports of cluster {other}"]
    assert command in notes and "the services of cluster gone: there is no such cluster" in notes


def test_what_somebody_else_wrote_meanwhile_is_not_taken_back(staging: Staging, tmp_path: Path) -> None:
    """The run that is stopped then says that nothing was taken back."""
    configure(staging, "ROLLING")
    file, run = StateFile(tmp_path / "rotate.state.json"), runbooks_run.begin("rotate", "staging")
    change = live_change.LiveChange(run.state(secret="s", former=staging.current, new="another"), file)
    theirs: list[str] = []

    def write_and_stop(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        if not theirs:
            staging.put(SENTRY_DSN=new_address())
            theirs.append(staging.current)
            file.ask("back")

    change._show = write_and_stop
    result = staging.rotate("SECRET_KEY", live=change)
    assert result and result.is_cancelled and not result.is_back and not result.is_in_force and not result.rollbacks
    assert [staging.current] == theirs and not staging.labels()
    finding = next(each for each in result.findings if each.check == "change-cancelled")
    assert finding.title == "The change was stopped, and not taken back"
    assert "somebody else has changed the secret meanwhile" in finding.evidence[0]


def test_a_redeployment_without_a_new_version_is_only_stopped(staging: Staging, tmp_path: Path) -> None:
    """Somebody else wrote the version that tasks get: there is none of ours to take back, and another run finishes."""
    configure(staging, "ROLLING")
    staging.put(SENTRY_DSN=new_address())
    version, file = staging.current, StateFile(tmp_path / "rotate.state.json")
    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, "keep", "")
    plan = secret_change.plan(run, snapshot, new)
    assert plan.is_empty and plan.consumers
    state = secret_change.state(run, plan, new)
    assert (state.former, state.go_back, state.can_go_back) == ("", "", False)
    change = live_change.LiveChange(state, file)
    change._show = lambda rollouts, lines: file.ask("back")
    with pytest.raises(Interrupted):
        secret_change.apply(run, plan, apply=True, new=new, live=change)
    assert staging.current == version
    result = staging.rotate("", values_from="keep")
    assert result and result.is_proved and staging.current == version


@pytest.mark.parametrize("cleanup", ["BLOCKING", "DEFERRED"])
def test_early_success_is_proved_when_the_old_tasks_are_gone(
    staging: Staging, cleanup: Literal["BLOCKING", "DEFERRED"]
) -> None:
    """COMPLETED with half of the tasks is no proof yet."""
    configure(staging, "ROLLING", percents=(50, 100), early_success=deployments.succeed_early(50, cleanup))
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved
    assert staging.process_values("SECRET_KEY")["backend"] == {staging.members["SECRET_KEY"]}


def test_what_a_schedule_and_a_hand_started_is_named(staging: Staging) -> None:
    """Before the change, and afterwards what still has the old value."""
    arn = staging.service("worker")["taskDefinition"]
    consumers.add_rule(staging.world, arn)
    consumers.add_schedule(staging.world, arn.rpartition(":")[0])
    task = consumers.run_alone(staging.world, "worker")
    staging.world.wait(lambda: staging.state_of(task) == "RUNNING", "the task ran")
    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY")
    notes = " ".join(secret_change.plan(run, snapshot, new).readiness)
    assert f"rule {consumers.NAME} starts" in notes and f"schedule {consumers.NAME} starts" in notes
    assert f"until they end: {task.rpartition('/')[2][:8]}" in notes
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved
    assert [each.check for each in _root_causes()] == ["lone-task"]
