"""A rotation under every deployment strategy, with good and bad values, pauses, kills and others at work."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
from support import forked_command
from support.administrator import BAD, Place, at_work
from support.paths import SUPPORT
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
ROTATOR = SUPPORT / "rotate_process.py"
NUMBERS = count(1000)


@pytest.fixture
def place(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Place]:
    made = at_work(sandbox, monkeypatch)
    yield made
    lifecycle.set_minute(sandbox, DEFAULT_MINUTE_SECONDS)
    deployments.configure(made.world, "backend")
    faults.mend(sandbox.endpoint, None)


def configure(place: Place, strategy: Strategy, **options: Any) -> None:
    """Let backend be deployed so, with a short bake, and worker as ever."""
    step = {"LINEAR": (50.0, 1), "CANARY": (20.0, 1)}.get(strategy)
    deployments.configure(place.world, "backend", strategy=strategy, step=step, **{"bake_minutes": 1, **options})


def rollout(done: SecretResult | None, name: str = "backend") -> Rollout:
    assert done
    return next(each for each in done.rollouts if each.service == name)


def newest(place: Place) -> Any:
    """Backend's newest service deployment."""
    return place.ecs.list_service_deployments(cluster=CLUSTER, service="backend")["serviceDeployments"][0]


@pytest.mark.parametrize("strategy", ALL)
def test_a_good_value_is_proved(place: Place, strategy: Strategy) -> None:
    """When the deployment is SUCCESSFUL and no old task is left, with its stages told on the way."""
    configure(place, strategy)
    done = place.rotate("SECRET_KEY")
    assert done and done.is_proved and not done.rollbacks
    assert newest(place)["status"] == "SUCCESSFUL"
    assert place.held("SECRET_KEY")["backend"] == {place.members["SECRET_KEY"]} and not place.labels()
    lines = " ".join(line for _, line in place.told)
    assert ("BAKE_TIME" in lines) is (strategy != "ROLLING")
    assert not [
        each for each in root_causes.diagnose(runbooks_run.begin("verify", "staging").look()) if each.is_problem
    ]


@pytest.mark.parametrize("strategy", ALL)
def test_a_bad_value_is_taken_back(place: Place, monkeypatch: pytest.MonkeyPatch, strategy: Strategy) -> None:
    """By stopping the deployment, so that the tasks before it go on; a rolling update gets new ones."""
    # The circuit breaker is patient, for ECS not to take the deployment back first.
    configure(place, strategy, breaker=deployments.trip_after("COUNT", 100))
    monkeypatch.setenv("NEW", BAD)
    version, old = place.current, place.members["SENTRY_DSN"]
    tasks = set(place.ecs.list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])
    done = place.rotate("SENTRY_DSN", "env:NEW")
    assert done and not done.is_proved and done.restored_version == version == place.current
    assert {each.state for each in done.rollbacks} == {"done"}, done.rollback_note
    assert place.held("SENTRY_DSN")["backend"] == {old} and not place.labels()
    actions = [change.action for change in done.changes if change.service == "backend"]
    if strategy == "ROLLING":
        assert actions == ["redeployed", "redeployed"]
    else:
        assert actions == ["redeployed", "stopped"] and "its former tasks serve" in done.rollback_note
        assert tasks == set(place.ecs.list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"])
    assert verified() == {}


@pytest.mark.parametrize("strategy", ["ROLLING", "CANARY"])
def test_a_rollback_is_a_remark_once_the_value_is_back(place: Place, strategy: Strategy) -> None:
    """Whoever put it back, in whatever way: the tasks that serve are well, and have the current values."""
    configure(place, strategy)
    version = place.current
    place.put(SENTRY_DSN=BAD)
    bad = place.current
    place.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    lifecycle.settle(place.sandbox)
    assert {"breaker-rollback", "not-forced"} <= verified().keys()
    place.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=version, RemoveFromVersionId=bad
    )
    assert verified() == {}
    place.put(SENTRY_DSN=new_address())
    assert "not-forced" in verified()


def new_address() -> str:
    """An address that no version has had: how many there are says nothing of what is in them."""
    return f"https://0@o1.ingest.example.com/{next(NUMBERS)}"


def verified() -> dict[str, str]:
    """The problems that verify finds, with their severities."""
    found = root_causes.diagnose(runbooks_run.begin("verify", "staging").look())
    return {finding.check: finding.severity for finding in found if finding.is_problem}


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
def test_a_person_stops_it_and_has_the_former_version_back(place: Place, tmp_path: Path, strategy: Strategy) -> None:
    """While new tasks are watched, by the file of its state; the state has the bars until then, and is gone after."""
    configure(place, strategy)
    version, old = place.current, place.members["SECRET_KEY"]
    file = StateFile(tmp_path / "rotate.state.json")
    run = runbooks_run.begin("rotate", "staging")
    change = live_change.LiveChange(run.state(secret="s", former=version, new="another"), file)
    seen: list[ChangeState] = []

    def watch_and_stop(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        state = file.read()
        if not seen and rollouts and state and state.steps[-1] == "watch":
            seen.append(state)
            file.ask("back")

    change._show = watch_and_stop
    done = place.rotate("SECRET_KEY", live=change)
    assert done and done.is_cancelled and done.is_back and not done.is_proved and not done.is_in_force
    assert done.restored_version == version == place.current and not place.labels()
    assert {each.state for each in done.rollbacks} == {"done"}, done.rollback_note
    assert {name: place.held("SECRET_KEY")[name] for name in ("backend", "worker")} == {
        "backend": {old},
        "worker": {old},
    }
    assert [(each.check, each.status) for each in done.findings] == [("change-cancelled", "found")]
    (state,) = seen
    assert state.is_alive and "redeployed backend" in " ".join(state.changes)
    assert {each.service for each in state.rollouts} == {"backend", "worker"}
    actions = [each.action for each in done.changes if each.service == "backend"]
    assert actions == ["redeployed", "stopped" if strategy == "BLUE_GREEN" else "redeployed"]
    usual = [each.usual for each in done.rollouts if each.service == "worker"]
    assert usual != [None]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_pause_is_told_and_a_second_run_proves_what_somebody_continued(
    place: Place, monkeypatch: pytest.MonkeyPatch, strategy: Strategy
) -> None:
    """Nothing is taken back, verify names it, and no second deployment is started beside it."""
    monkeypatch.setattr(watch, "PAUSE_PATIENCE", 2.0)
    configure(place, strategy, hooks=[deployments.pause("POST_SCALE_UP")])
    done = place.rotate("SECRET_KEY")
    paused = rollout(done)
    assert done and not done.is_proved and not done.rollbacks and done.is_in_force
    assert paused.state == "paused" and "continue-service-deployment" in paused.reason
    assert [(each.check, each.status) for each in done.findings] == [("deployment-paused", "unknown")]
    problems = root_causes.diagnose(runbooks_run.begin("verify", "staging").look())
    assert [each.check for each in problems if each.is_root_cause] == ["deployment-paused"]
    version = place.current
    again = place.rotate("SECRET_KEY")
    assert rollout(again).state == "paused" and rollout(again).deployment_id == paused.deployment_id
    assert place.current == version, "the same command makes no other value"
    arn = newest(place)["serviceDeploymentArn"]
    go_on(place)
    proved = place.rotate("", "keep")
    # It may have ended before the second run looks, which then has none to follow.
    assert (
        proved
        and proved.is_proved
        and (newest(place)["serviceDeploymentArn"], newest(place)["status"]) == (arn, "SUCCESSFUL")
    )
    assert place.current == version and not place.labels()
    assert place.held("SECRET_KEY")["backend"] == {place.members["SECRET_KEY"]}


def acting(place: Place, monkeypatch: pytest.MonkeyPatch, act: Callable[[str, str], object]) -> None:
    """Let somebody act once, on the service deployment and its hook, while backend's waits in a run."""
    monkeypatch.setattr(watch, "PAUSE_PATIENCE", 2.0)
    acted: list[str] = []

    def show(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        place.told.extend((time.time(), line) for line in lines)
        if not acted and any(each.state == "paused" for each in rollouts):
            acted.append(newest(place)["serviceDeploymentArn"])
            act(acted[0], hook_of(place, acted[0]))

    monkeypatch.setattr(live_change, "Progress", lambda: show)


def hook_of(place: Place, arn: str) -> str:
    """The hook at which a service deployment waits."""
    [full] = place.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
    return str(full["lifecycleHookDetails"][0]["hookId"])


def go_on(place: Place) -> None:
    """Continue backend's deployment."""
    arn = newest(place)["serviceDeploymentArn"]
    place.ecs.continue_service_deployment(serviceDeploymentArn=arn, hookId=hook_of(place, arn), action="CONTINUE")


def test_a_pause_that_another_deployment_overtakes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, nothing is taken back, and a second run follows the other one to its end."""
    configure(place, "CANARY", hooks=[deployments.pause("POST_SCALE_UP")])
    acting(
        place,
        monkeypatch,
        lambda arn, hook: place.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True),
    )
    done = place.rotate("SECRET_KEY")
    assert done and rollout(done).state == "overtaken" and "rotate with values_from keep" in rollout(done).reason
    assert [each.check for each in done.findings] == ["deployment-overtaken"]
    assert not done.rollbacks and done.version_change and place.current == done.version_change.version_id
    paused = rollout(place.rotate("", "keep"))
    assert paused.state == "paused" and paused.deployment_id != rollout(done).deployment_id
    go_on(place)
    proved = place.rotate("", "keep")
    assert proved and proved.is_proved and newest(place)["status"] == "SUCCESSFUL" and not place.labels()
    assert place.current == done.version_change.version_id
    assert place.held("SECRET_KEY")["backend"] == {place.members["SECRET_KEY"]}


def test_a_pause_that_another_version_overtakes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Theirs stays, with our key; a second run deploys it, and both values arrive."""
    configure(place, "BLUE_GREEN", hooks=[deployments.pause("POST_SCALE_UP")])
    theirs = new_address()
    acting(place, monkeypatch, lambda arn, hook: place.put(SENTRY_DSN=theirs))
    done = place.rotate("SECRET_KEY")
    assert done and not done.is_in_force and not done.rollbacks and not done.restored_version
    assert {each.check for each in done.findings} == {"deployment-paused", "version-overtaken"} and not place.labels()
    version, members = place.current, place.members
    assert members["SENTRY_DSN"] == theirs
    assert rollout(place.rotate("", "keep")).state == "paused"
    go_on(place)
    proved = place.rotate("", "keep")
    assert proved and proved.is_proved and place.current == version and not place.labels()
    assert place.held("SENTRY_DSN")["backend"] == {theirs}
    assert place.held("SECRET_KEY")["backend"] == {members["SECRET_KEY"]}


def test_a_person_refuses_at_a_pause(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """ECS returns to the tasks before, and the former version is put back."""
    configure(place, "LINEAR", hooks=[deployments.pause("POST_SCALE_UP")])
    version, old = place.current, place.members["SECRET_KEY"]
    acting(
        place,
        monkeypatch,
        lambda arn, hook: place.ecs.continue_service_deployment(
            serviceDeploymentArn=arn, hookId=hook, action="ROLLBACK"
        ),
    )
    done = place.rotate("SECRET_KEY")
    assert rollout(done).state == "rolled-back" and done and done.restored_version == version == place.current
    assert {each.state for each in done.rollbacks} == {"done"} and not place.labels()
    assert place.held("SECRET_KEY")["backend"] == {old} == place.held("SECRET_KEY")["worker"]
    assert verified() == {}


def test_a_hook_that_refuses_takes_the_value_back(place: Place) -> None:
    """ECS rolls back by itself, with the hook as its reason."""
    configure(place, "BLUE_GREEN", hooks=[deployments.refuse("POST_TEST_TRAFFIC_SHIFT")])
    version = place.current
    done = place.rotate("SECRET_KEY")
    assert rollout(done).state == "rolled-back" and "hook" in rollout(done).reason
    assert done and done.restored_version == version and {each.state for each in done.rollbacks} == {"done"}


def test_somebody_elses_deployment_is_told_as_such(place: Place) -> None:
    """Ours is stopped in favour of it, and nothing is taken back."""
    configure(place, "BLUE_GREEN")

    def step(name: str) -> None:
        if name == "watch":
            place.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)

    done = place.rotate("SECRET_KEY", step=step)
    assert rollout(done).state == "overtaken" and done and not done.restored_version


@pytest.mark.parametrize("last", ["redeploy", "watch"])
def test_a_killed_run_is_finished_by_a_second_one(place: Place, last: str) -> None:
    """One that was killed while it watched finds its deployment under way, and follows it."""
    configure(place, "BLUE_GREEN", bake_minutes=20)
    assert rotator("SECRET_KEY", "renew", last) == (-9, "")
    before = newest(place)["serviceDeploymentArn"]
    configure(place, "BLUE_GREEN")
    assert rotator("SECRET_KEY", "renew", "")[1] == "proved"
    assert (newest(place)["serviceDeploymentArn"] == before) is (last == "watch")
    assert place.held("SECRET_KEY")["backend"] == {place.members["SECRET_KEY"]} and not place.labels()


def test_without_the_permission_the_end_is_unknown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is claimed and nothing is taken back; the rolling worker is proved by its rolloutState."""
    configure(place, "CANARY")
    deny(place.sandbox, monkeypatch, "ecs:ListServiceDeployments")
    done = place.rotate("SECRET_KEY")
    assert rollout(done).state == "unknown" and "ecs:ListServiceDeployments is missing" in rollout(done).reason
    assert rollout(done, "worker").state == "done"
    assert done and not done.rollbacks and [each.check for each in done.findings] == ["deployment-unread"]


def test_troubleshoot_proves_what_it_redeploys(place: Place) -> None:
    """Tasks with an old value get new ones, and the fix waits for the end of their bake."""
    configure(place, "BLUE_GREEN")
    faults.break_(place.sandbox.endpoint, "not-forced")
    run = troubleshoot.begin("staging")
    snapshot = run.look()
    plan = troubleshoot.plan(run, snapshot, runbooks_run.diagnose(snapshot))
    assert "BLUE_GREEN: tasks of the old revision serve" in report.plan(plan).to_text()
    done = fix.apply(run, plan, True)
    assert done and done.is_proved and newest(place)["status"] == "SUCCESSFUL"


def test_what_is_no_service_is_named_and_leaves_the_change_unproved(place: Place) -> None:
    """Daemons and Express services with the secret keep the old values, and nothing is claimed of them."""
    daemon = consumers.add_daemon(place.world, ("SECRET_KEY",)).rpartition("/")[2]
    express = consumers.add_express_service(place.world, ("SECRET_KEY",))
    done = place.rotate("SECRET_KEY")
    assert done and not done.is_proved and {each.state for each in done.rollouts} == {"done"}
    told = {finding.subject: finding for finding in done.findings}
    assert {name: each.status for name, each in told.items()} == {
        f"daemon {daemon}": "unknown",
        f"Express service {consumers.NAME}": "unknown",
    }
    assert "UpdateDaemon" in told[f"daemon {daemon}"].evidence[0]
    command = f"aws ecs update-express-gateway-service --service-arn {express} --region ap-southeast-2"
    assert command in told[f"Express service {consumers.NAME}"].evidence[0]
    assert not place.labels()


def test_an_express_service_is_judged_like_others_and_deployed_by_its_own_command(place: Place) -> None:
    """Its tasks that hold an old value, and a reference to a key that the secret does not have."""
    consumers.add_express_service(place.world, KEYS[:3])
    place.world.wait(lambda: place.service(consumers.NAME)["runningCount"] == 1, "its task ran")
    assert place.rotate("SECRET_KEY")
    (problem,) = _root_causes()
    assert (problem.check, problem.subject) == ("not-forced", consumers.NAME)
    asked = shlex.split(problem.remedy.command)
    assert asked[1:4] == ["ecs", "update-express-gateway-service", "--service-arn"]
    lifecycle.set_minute(place.sandbox, 0.1)
    place.ecs.update_express_gateway_service(serviceArn=asked[4])
    place.world.wait(lambda: not _root_causes(), "new tasks replaced those with the old value")
    secret = place.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    container = {"image": "example", "secrets": [{"name": "STRIPE_API_KEY", "valueFrom": f"{secret}:STRIPE_API_KEY::"}]}
    place.ecs.update_express_gateway_service(serviceArn=asked[4], primaryContainer=container)
    place.world.wait(lambda: "key-missing" in {each.check for each in _root_causes()}, "its task failed")


def _root_causes() -> list[Finding]:
    problems = root_causes.diagnose(runbooks_run.begin("troubleshoot", "staging").look())
    return [each for each in problems if each.is_root_cause and each.is_problem]


def test_services_of_other_clusters_are_named_where_the_names_ask_for_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that redeploys each; a cluster that is not there is said, and without a name none is read."""
    other, worker = "ohmycoins-tools", place.service("worker")
    place.ecs.create_cluster(clusterName=other)
    place.ecs.create_service(
        cluster=other,
        serviceName="reports",
        taskDefinition=worker["taskDefinition"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=worker["networkConfiguration"],
    )
    try:
        plain = place.rotate("SECRET_KEY")
        assert plain and not plain.findings
        monkeypatch.setenv("OMC_CLUSTERS", '["*", "gone"]')
        run = runbooks_run.begin("rotate", "staging")
        snapshot = run.look()
        new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY")
        notes = " ".join(secret_change.plan(run, snapshot, new).readiness)
        done = place.rotate("SECRET_KEY")
    finally:
        place.world.delete_service("reports", other)
        place.ecs.delete_cluster(cluster=other)
    assert done and not done.is_proved and {each.state for each in done.rollouts} == {"done"}
    told = {finding.subject: finding.evidence[0] for finding in done.findings}
    command = f"aws ecs update-service --cluster {other} --service reports --force-new-deployment"
    assert command in told[f"service reports of cluster {other}"]
    assert command in notes and "the services of cluster gone: there is no such cluster" in notes


def test_what_somebody_else_wrote_meanwhile_is_not_taken_back(place: Place, tmp_path: Path) -> None:
    """Whoever stops a change then reads that nothing was put back."""
    configure(place, "ROLLING")
    file, run = StateFile(tmp_path / "rotate.state.json"), runbooks_run.begin("rotate", "staging")
    change = live_change.LiveChange(run.state(secret="s", former=place.current, new="another"), file)
    theirs: list[str] = []

    def write_and_stop(rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        if not theirs:
            place.put(SENTRY_DSN=new_address())
            theirs.append(place.current)
            file.ask("back")

    change._show = write_and_stop
    done = place.rotate("SECRET_KEY", live=change)
    assert done and done.is_cancelled and not done.is_back and not done.is_in_force and not done.rollbacks
    assert [place.current] == theirs and not place.labels()
    finding = next(each for each in done.findings if each.check == "change-cancelled")
    assert finding.title == "The change was stopped, and not taken back"
    assert "somebody else has changed the secret meanwhile" in finding.evidence[0]


def test_a_redeployment_without_a_new_version_is_only_stopped(place: Place, tmp_path: Path) -> None:
    """Somebody else wrote the version that tasks get: there is none of ours to take back, and another run finishes."""
    configure(place, "ROLLING")
    place.put(SENTRY_DSN=new_address())
    version, file = place.current, StateFile(tmp_path / "rotate.state.json")
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
    assert place.current == version
    done = place.rotate("", values_from="keep")
    assert done and done.is_proved and place.current == version


@pytest.mark.parametrize("cleanup", ["BLOCKING", "DEFERRED"])
def test_early_success_is_proved_when_the_old_tasks_are_gone(
    place: Place, cleanup: Literal["BLOCKING", "DEFERRED"]
) -> None:
    """COMPLETED with half of the tasks is no proof yet."""
    configure(place, "ROLLING", percents=(50, 100), early_success=deployments.succeed_early(50, cleanup))
    done = place.rotate("SECRET_KEY")
    assert done and done.is_proved
    assert place.held("SECRET_KEY")["backend"] == {place.members["SECRET_KEY"]}


def rotator(*arguments: str) -> tuple[int, str]:
    ended = forked_command.run([sys.executable, str(ROTATOR), *arguments], os.environ, Path.cwd(), seconds=90)
    assert ended.returncode in (0, -9), ended.stderr
    return ended.returncode, ended.stdout


def test_what_a_schedule_and_a_hand_started_is_named(place: Place) -> None:
    """Before the change, and afterwards what still has the old value."""
    arn = place.service("worker")["taskDefinition"]
    consumers.add_rule(place.world, arn)
    consumers.add_schedule(place.world, arn.rpartition(":")[0])
    task = consumers.run_alone(place.world, "worker")
    place.world.wait(lambda: place.state_of(task) == "RUNNING", "the task ran")
    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY")
    notes = " ".join(secret_change.plan(run, snapshot, new).readiness)
    assert f"rule {consumers.NAME} starts" in notes and f"schedule {consumers.NAME} starts" in notes
    assert f"until they end: {task.rpartition('/')[2][:8]}" in notes
    done = place.rotate("SECRET_KEY")
    assert done and done.is_proved
    assert [each.check for each in _root_causes()] == ["lone-task"]
