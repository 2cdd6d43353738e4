"""Roll-outs under every deployment strategy, as service deployments show them."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from support.snapshots import (
    DEPLOYED,
    NOW,
    REGION,
    deployment,
    healthy,
    rotated,
    service,
    task,
    with_container,
    with_service,
    with_tasks,
)
from support.steps import Still

from omc_runbook.aws import deployments
from omc_runbook.aws import ecs as aws_ecs
from omc_runbook.aws.deployments import DeploymentConfiguration
from omc_runbook.aws.ecs import PROTECTED, Service, ServiceEvent
from omc_runbook.aws.session import Clients
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.deploy import failure, readiness, redeployment
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import Rollout, begin
from omc_runbook.changes.deploy.watch import INTERVAL, PAUSE_PATIENCE, ROLLOUT_SECONDS, UNANSWERED_SECONDS, Watch
from omc_runbook.changes.secret import new_values
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import plan_update
from omc_runbook.masking.value import Masked
from omc_runbook.model.change import Change
from omc_runbook.model.errors import UsageError
from omc_runbook.report import changes
from omc_runbook.snapshot.state import Snapshot

CLUSTER = "ohmycoins-staging"
STRATEGIES = ("BLUE_GREEN", "LINEAR", "CANARY")
BASE = f"arn:aws:ecs:{REGION}:123456789012"
ARN = f"{BASE}:service-deployment/{CLUSTER}/backend/abc"
DEFINITION = f"{BASE}:task-definition/{CLUSTER}-backend:7"
BEGAN = NOW - timedelta(minutes=1)

Answer = dict[str, Any]


class Ecs:
    """An ECS with one service whose deployment 2 replaces 1, in states that `script` gives one look after another."""

    def __init__(self, strategy: str, script: Sequence[Answer], denied: frozenset[str] = frozenset()) -> None:
        self.configuration: Answer = {"strategy": strategy}
        self.script, self.denied, self.looks, self.stopped_reads = script, denied, 0, 0
        self.calls: list[str] = []

    @property
    def state(self) -> Answer:
        return self.script[min(self.looks, len(self.script)) - 1]

    def describe_services(self, **_: Any) -> Answer:
        self.looks += 1
        state = self.state
        deployments = [
            {"id": f"ecs-svc/{number}", "status": status, "taskDefinition": DEFINITION, "runningCount": count}
            | {"createdAt": {1: DEPLOYED, 2: BEGAN, 3: NOW}[number], "desiredCount": 2, **state.get("rollout", {})}
            for number, status, count in state.get("deployments", [(2, "PRIMARY", 2), (1, "ACTIVE", 2)])
        ]
        raw = {"serviceArn": f"{BASE}:service/{CLUSTER}/backend", "serviceName": "backend", "status": "ACTIVE"}
        counts = {"desiredCount": 2, "runningCount": sum(each["runningCount"] for each in deployments)}
        settings = {"deploymentConfiguration": self.configuration, "taskDefinition": DEFINITION}
        settings["events"] = state.get("events", [])
        return {"services": [{**raw, **counts, **settings, "deployments": deployments}]}

    def list_service_deployments(self, **_: Any) -> Answer:
        self._refuse("ListServiceDeployments")
        return {"serviceDeployments": [self._own()] if self.looks else []}

    def describe_service_deployments(self, **_: Any) -> Answer:
        self._refuse("DescribeServiceDeployments")
        return {"serviceDeployments": [self._own()]}

    def stop_service_deployment(self, **request: Any) -> Answer:
        self._refuse("StopServiceDeployment")
        return {"serviceDeploymentArn": request["serviceDeploymentArn"]}

    def update_service(self, **request: Any) -> Answer:
        self.calls.append("UpdateService")
        new = {"id": "ecs-svc/2", "status": "PRIMARY", "taskDefinition": DEFINITION, "createdAt": BEGAN}
        return {"service": {"deployments": [new]}}

    def get_paginator(self, name: str) -> Ecs:
        return self

    def paginate(self, **request: Any) -> list[Answer]:
        tasks = self.state.get("tasks", [])
        if request["desiredStatus"] == "STOPPED":
            # Read beside the services, whose description may be older or newer.
            tasks = self.script[min(self.stopped_reads, len(self.script) - 1)].get("stopped", [])
            self.stopped_reads += 1
        return [{"taskArns": [each["taskArn"] for each in tasks]}]

    def describe_tasks(self, tasks: Sequence[str], **_: Any) -> Answer:
        descriptions = [
            *self.state.get("tasks", []),
            *(each for state in self.script for each in state.get("stopped", [])),
        ]
        return {"tasks": [each for each in descriptions if each["taskArn"] in tasks]}

    def _own(self) -> Answer:
        return {
            "serviceDeploymentArn": ARN,
            "createdAt": BEGAN,
            "targetServiceRevision": {"arn": f"{BASE}:service-revision/{CLUSTER}/backend/2"},
            "targetServiceRevisionArn": f"{BASE}:service-revision/{CLUSTER}/backend/2",
            **self.state["own"],
        }

    def _refuse(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, operation)


def running(*deployments: int, created: datetime = BEGAN) -> list[Answer]:
    """Tasks that run, by the number of their deployments."""
    return [
        {
            "taskArn": f"{BASE}:task/{CLUSTER}/{index}{number}",
            "group": "service:backend",
            "startedBy": f"ecs-svc/{number}",
            "lastStatus": "RUNNING",
            "createdAt": created,
            "taskDefinitionArn": DEFINITION,
        }
        for index, number in enumerate(deployments)
    ]


def own(status: str = "IN_PROGRESS", stage: str = "BAKE_TIME", tasks: int = 2, **more: Any) -> Answer:
    """What ECS says of our service deployment."""
    counts = {"requestedTaskCount": 2, "runningTaskCount": tasks, "requestedProductionTrafficWeight": 100.0}
    target = {"arn": f"{BASE}:service-revision/{CLUSTER}/backend/2", **counts}
    return {"status": status, "lifecycleStage": stage, "targetServiceRevision": target, **more}


BAKING: Answer = {"own": own(), "tasks": running(1, 1, 2, 2)}
DONE: Answer = {
    "own": own("SUCCESSFUL", "CLEAN_UP"),
    "deployments": [(2, "PRIMARY", 2)],
    "tasks": running(2, 2),
}
ROLLING = Rollout("backend", "ecs-svc/2", f"{CLUSTER}-backend:7", "rolling", desired=2, began=BEGAN)
PAUSED: Answer = {
    "own": own(
        stage="POST_TEST_TRAFFIC_SHIFT",
        lifecycleHookDetails=[
            {"hookId": "hook-1", "targetType": "PAUSE", "status": "AWAITING_ACTION", "timeoutAction": "ROLLBACK"}
        ],
    ),
    "tasks": running(1, 1, 2, 2),
}


def follow(ecs: Ecs, rollout: Rollout = ROLLING, clock: Still | None = None) -> tuple[Rollout, list[str]]:
    """Watch one roll-out to its end; with the lines that were shown."""
    lines: list[str] = []
    watch = Watch(clients_of(ecs), CLUSTER, [rollout], lambda _, new: lines.extend(new), clock or Still())
    (ended,) = watch.until_over()
    return ended, lines


def clients_of(ecs: Ecs) -> Clients:
    return cast("Clients", lambda service: ecs)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_healthy_deployment_is_proved_when_it_is_successful(strategy: str) -> None:
    """rolloutState never comes; the stages are shown while it goes on."""
    shifting = {"own": own(stage="PRODUCTION_TRAFFIC_SHIFT"), "tasks": running(1, 1, 2, 2)}
    ended, lines = follow(Ecs(strategy, [shifting, shifting, *[BAKING] * 50, DONE]))
    assert (ended.state, ended.reason) == ("done", "")
    assert any("PRODUCTION_TRAFFIC_SHIFT, 100 % of the traffic" in line for line in lines)
    assert sum("BAKE_TIME" in line for line in lines) == 1
    assert all(re.match(r"\d\d:\d\d:\d\d UTC backend: ", line) for line in lines)


@pytest.mark.long
def test_patience_follows_the_bake_time() -> None:
    """A bake of three hours is waited for, by fewer calls than two a second."""
    clock, hours = Still(), timedelta(hours=3)
    ecs = Ecs("BLUE_GREEN", [BAKING])
    ended, _ = follow(ecs, replace(ROLLING, bake=hours), clock)
    assert clock.now > hours.total_seconds() + ROLLOUT_SECONDS
    assert ended.state == "unknown" and "nothing was taken back" in ended.reason
    assert ecs.looks < hours.total_seconds()


@pytest.mark.parametrize(("new", "state"), [(2, "unknown"), (1, "failed")])
def test_tasks_that_may_not_be_stopped_take_nothing_back(new: int, state: str) -> None:
    """Where all new ones run, nothing is wrong with them; taking them back would leave the protected ones, too."""
    message = "(service backend, taskSet ecs-svc/1) was unable to scale in due to (reason 2 tasks under protection)"
    lasting = {
        "rollout": {"rolloutState": "IN_PROGRESS"},
        "deployments": [(2, "PRIMARY", new), (1, "ACTIVE", 2)],
        "events": [{"id": "1", "createdAt": NOW, "message": message}],
        "tasks": running(1, 1, *[2] * new),
    }
    ended, _ = follow(Ecs("ROLLING", [lasting]), replace(ROLLING, is_plain=True))
    assert ended.state == state and (message in ended.reason and "Nothing was taken back" in ended.reason) is (new == 2)
    failed, _ = follow(Ecs("ROLLING", [lasting | {"stopped": [stopped(1)]}]), replace(ROLLING, is_plain=True))
    assert failed.state == "failed"


@pytest.mark.long
def test_what_goes_well_is_never_taken_back() -> None:
    """Patience that runs out is a failure only where something is wrong."""
    ended, _ = follow(Ecs("BLUE_GREEN", [BAKING]))
    assert (ended.state, ended.has_failed) == ("unknown", False)
    (finding,) = failure.find_unproved([ended])
    assert (finding.check, finding.status) == ("deployment-unread", "unknown")
    starving = {"own": own(stage="SCALE_UP", tasks=0), "deployments": [(2, "PRIMARY", 0), (1, "ACTIVE", 2)]}
    ended, _ = follow(Ecs("BLUE_GREEN", [starving]))
    assert ended.state == "failed"


@pytest.mark.parametrize("strategy", ["ROLLING", *STRATEGIES])
def test_a_pause_waits_for_a_person_and_is_told_with_the_command(strategy: str) -> None:
    """Nothing is taken back, and the watch ends after a while."""
    clock = Still()
    ecs = Ecs(strategy, [PAUSED])
    ecs.configuration["lifecycleHooks"] = [{"targetType": "PAUSE", "lifecycleStages": ["POST_TEST_TRAFFIC_SHIFT"]}]
    ended, lines = follow(ecs, clock=clock)
    assert (ended.state, ended.has_failed) == ("paused", False)
    command = f"aws ecs continue-service-deployment --service-deployment-arn {ARN} --hook-id hook-1 --action CONTINUE"
    assert command in ended.reason and command in lines[0]
    assert PAUSE_PATIENCE < clock.now < 2 * PAUSE_PATIENCE
    (finding,) = failure.find_unproved([ended])
    assert (finding.check, finding.status) == ("deployment-paused", "unknown")


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
def test_a_process_that_was_stopped_gives_nothing_up_by_what_it_read_before(strategy: str) -> None:
    """Such as by Ctrl-Z, within a look: the deployment has completed since, and would be taken back."""
    clock, has_own, is_second = Still(), threading.Event(), threading.Event()

    class Stopping(Ecs):
        """An ECS whose calls of one look are of one moment: its own deployment first, at the second look last."""

        def describe_services(self, **parameters: Any) -> Answer:
            answer = super().describe_services(**parameters)
            if self.looks == 1:
                assert has_own.wait(20)
                clock.sleep(10 * ROLLOUT_SECONDS)
            else:
                is_second.set()
            return answer

        def _own(self) -> Answer:
            if clock.now:
                assert is_second.wait(20)
            return super()._own()

        def list_service_deployments(self, **parameters: Any) -> Answer:
            try:
                return super().list_service_deployments(**parameters)
            finally:
                has_own.set()

    before = {"own": own(stage="SCALE_UP", tasks=1), "rollout": {"rolloutState": "IN_PROGRESS"}, "tasks": running(1, 2)}
    ecs = Stopping(strategy, [before, {**DONE, "rollout": {"rolloutState": "COMPLETED"}}])
    ended, _ = follow(ecs, clock=clock)
    assert (ended.state, ended.reason, ecs.looks) == ("done", "", 2)


def test_a_service_without_capacity_is_waited_for_with_a_line_every_five_minutes() -> None:
    """ECS tells once that it could not place a task, and then nothing until the watch gives up."""
    rollout, tasks = {"rolloutState": "IN_PROGRESS"}, running(1, 1)
    waiting = {
        "own": own(stage="SCALE_UP", tasks=0),
        "rollout": rollout,
        "tasks": tasks,
        "deployments": [(2, "PRIMARY", 0)],
    }
    _, lines = follow(Ecs("ROLLING", [waiting]))
    reminders = [line.partition(" UTC ")[2] for line in lines if "new tasks running" in line]
    assert reminders == [
        f"backend: 0 of 2 new tasks running after {minutes} min; this run waits 15 min at most."
        for minutes in (5, 10, 15)
    ]


def test_a_pause_that_somebody_ends_goes_on_to_the_proof() -> None:
    """The watch sees it."""
    ended, _ = follow(Ecs("BLUE_GREEN", [PAUSED, PAUSED, BAKING, DONE]))
    assert (ended.state, ended.reason) == ("done", "")


@pytest.mark.parametrize("status", ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"])
def test_a_rollback_by_ecs_is_a_failure_with_its_reason(status: str) -> None:
    """By an alarm, a hook or a person."""
    taken_back = {"own": own(status, statusReason="Alarm errors is in ALARM."), "deployments": [(1, "PRIMARY", 2)]}
    ended, _ = follow(Ecs("CANARY", [BAKING, taken_back]))
    assert (ended.state, ended.reason) == ("rolled-back", "Alarm errors is in ALARM.")


def test_a_stopped_deployment_without_a_successor_has_failed() -> None:
    """The breaker without rollback leaves it so."""
    ended, _ = follow(Ecs("LINEAR", [{"own": own("STOPPED", statusReason="Tasks failed to start.")}]))
    assert (ended.state, ended.reason) == ("failed", "Tasks failed to start.")


def test_another_deployment_overtakes_ours() -> None:
    """It is stopped in favour of a newer one, which is no failure of the value."""
    ended, _ = follow(Ecs("BLUE_GREEN", [BAKING, {"own": own("STOPPED"), "deployments": [(3, "PRIMARY", 2)]}]))
    assert ended.state == "overtaken" and "ecs-svc/3" in ended.reason


def stopped(number: int) -> Answer:
    """A task of our deployment that ended with an error."""
    return {
        **running(2)[0],
        "taskArn": f"{BASE}:task/{CLUSTER}/stopped{number}",
        "lastStatus": "STOPPED",
        "stoppedAt": NOW,
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
    }


def failing(count: int) -> Answer:
    """A look at which so many of our tasks have failed and none runs."""
    waiting = {"own": own(stage="SCALE_UP", tasks=0), "deployments": [(2, "PRIMARY", 0), (1, "ACTIVE", 2)]}
    return {**waiting, "stopped": [stopped(number) for number in range(count)]}


def test_an_answer_ends_the_time_without_one() -> None:
    """A network that is gone for a moment, and long after that for another, ends no watch."""
    looks = round(UNANSWERED_SECONDS / INTERVAL) + 3

    class Unsteady(Ecs):
        def describe_services(self, **request: Any) -> Answer:
            answer = super().describe_services(**request)
            if self.looks in (1, looks):
                raise EndpointConnectionError(endpoint_url="https://ecs.example.com")
            return answer

    ended, _ = follow(Unsteady("BLUE_GREEN", [*(BAKING for _ in range(looks)), DONE]))
    assert ended.state == "done"


def test_a_failed_task_that_ecs_replaces_ends_nothing() -> None:
    """The next one runs, and what succeeds is not taken back; the failure is reported."""
    ended, lines = follow(Ecs("BLUE_GREEN", [failing(1), failing(2), {**DONE, "stopped": [stopped(0), stopped(1)]}]))
    assert (ended.state, ended.failures) == ("done", 2)
    assert "2 tasks failed: Task stopped0 of backend" in ended.reason
    assert any("1 task failed: Task stopped0 of backend" in line for line in lines)


@pytest.mark.parametrize(
    ("breaker", "looks"),
    [
        ({}, 3),
        ({"enable": True}, 3),
        ({"enable": True, "thresholdConfiguration": {"type": "COUNT", "value": 1}}, 1),
        ({"enable": True, "thresholdConfiguration": {"type": "COUNT", "value": 50}}, 3),
    ],
)
def test_tasks_that_keep_failing_end_the_watch(breaker: Answer, looks: int) -> None:
    """As many as the breaker allows; while none runs, not more than its least threshold."""
    ecs = Ecs("BLUE_GREEN", [failing(1), failing(2), failing(3)])
    ecs.configuration["deploymentCircuitBreaker"] = breaker
    ended, _ = follow(ecs)
    assert (ended.state, ecs.looks) == ("failed", looks)
    assert ended.reason.startswith("Task stopped0 of backend")


@pytest.mark.parametrize(("is_certain", "state", "looks"), [(True, "failed", {1}), (False, "done", {2, 3})])
def test_a_cause_that_is_certain_ends_the_watch_at_once(is_certain: bool, state: str, looks: set[int]) -> None:
    """It is asked once for each look that shows another failed task.

    The service deployment is read beside the services, of which a look may have told already or not.
    """
    ecs, failure_counts = Ecs("BLUE_GREEN", [failing(1), {**DONE, "stopped": [stopped(0)]}]), list[int]()

    def ask(rollout: Rollout) -> bool:
        failure_counts.append(rollout.failures)
        return is_certain

    watch = Watch(clients_of(ecs), CLUSTER, [ROLLING], lambda rollouts, lines: None, Still(), is_certain=ask)
    (ended,) = watch.until_over()
    assert (ended.state, failure_counts) == (state, [1]) and ecs.looks in looks


def test_a_deployment_that_somebody_has_replaced_is_not_failed_by_its_tasks() -> None:
    """Whether others would fail too is about theirs."""
    replaced = [(3, "PRIMARY", 0), (2, "ACTIVE", 0)]
    ecs = Ecs("BLUE_GREEN", [{"own": own("STOPPED"), "deployments": replaced, "stopped": [stopped(0)]}])
    watch = Watch(clients_of(ecs), CLUSTER, [ROLLING], lambda *_: None, Still(), is_certain=lambda rollout: True)
    (ended,) = watch.until_over()
    assert ended.state == "overtaken" and "ecs-svc/3 replaced ours" in ended.reason


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_the_permission_nothing_is_claimed(strategy: str) -> None:
    """The end is unknown, with the permission named, and nothing is taken back."""
    ended, _ = follow(Ecs(strategy, [BAKING], frozenset({"ListServiceDeployments"})))
    assert (ended.state, ended.has_failed) == ("unknown", False)
    assert "ecs:ListServiceDeployments is missing" in ended.reason and strategy in ended.reason


def test_a_rolling_update_falls_back_to_its_rollout_state() -> None:
    """It has one, so that the missing permission costs nothing; ECS is asked once."""
    states = [
        {**BAKING, "rollout": {"rolloutState": "IN_PROGRESS"}},
        {**DONE, "rollout": {"rolloutState": "COMPLETED"}},
    ]
    ecs = Ecs("ROLLING", states, frozenset({"ListServiceDeployments"}))
    ended, _ = follow(ecs)
    assert ended.state == "done" and ecs.calls == ["ListServiceDeployments"]


def test_early_success_is_no_proof_while_old_tasks_run() -> None:
    """ECS calls it COMPLETED with half of its tasks."""
    early = {
        "own": own("SUCCESSFUL", "CLEAN_UP"),
        "deployments": [(2, "PRIMARY", 1), (1, "ACTIVE", 1)],
        "tasks": running(1, 2),
        "rollout": {"rolloutState": "COMPLETED"},
    }
    ecs = Ecs("ROLLING", [early, early, {**DONE, "rollout": {"rolloutState": "COMPLETED"}}])
    ecs.configuration["earlySuccessCriteria"] = {"enable": True, "healthyPercent": 50}
    ended, _ = follow(ecs)
    assert (ended.state, ecs.looks) == ("done", 3)


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({}, ["redeployed"]),
        ({"deployment_id": "", "state": "not-started"}, []),
        ({"was_underway": True}, []),
        ({"undoes": True, "is_stopped": True}, ["stopped"]),
        ({"undoes": True}, []),
    ],
)
def test_only_what_this_run_began_or_stopped_is_on_record(
    change: dict[str, Any], actions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not what was underway, what ECS takes back itself, nor what was not started."""
    monkeypatch.setattr(redeployment, "begin", lambda *_: iter([replace(ROLLING, **change)]))
    context: Any = SimpleNamespace(clients=str, cluster=CLUSTER, show=lambda *_: None)
    first, _ = Redeployment(context, tuple).steps()
    assert [each.action for each in cast("Iterable[Change]", first.apply())] == actions


# Taking back


def back_service() -> Service:
    return replace(service("backend"), desired=2, configuration=DeploymentConfiguration(strategy="BLUE_GREEN"))


FAILED = replace(ROLLING, state="failed", reason="A task failed.", arn=ARN)


def take_back(ecs: Ecs, forward: Rollout = FAILED) -> Rollout:
    (rollout,) = begin(clients_of(ecs), CLUSTER, [back_service()], undo=[forward])
    return follow(ecs, rollout)[0]


RETURNED: Answer = {
    "own": own("ROLLBACK_SUCCESSFUL", "CLEAN_UP", rollback={"startedAt": NOW}),
    "deployments": [(1, "PRIMARY", 2)],
    "tasks": running(1, 1, created=DEPLOYED),
}
RETURNING: Answer = {**BAKING, "own": own("ROLLBACK_IN_PROGRESS")}


def test_a_deployment_is_taken_back_by_stopping_it() -> None:
    """The former tasks still serve, and no bake time is waited for a second time."""
    ecs = Ecs("BLUE_GREEN", [RETURNING, RETURNED])
    ended = take_back(ecs)
    assert (ended.state, ended.reason) == ("done", "")
    assert "StopServiceDeployment" in ecs.calls and "UpdateService" not in ecs.calls


@pytest.mark.parametrize(("revisions", "is_set"), [({}, False), ({"backend": DEFINITION}, True)])
def test_a_service_without_tasks_gets_a_new_revision_and_no_deployment_else(
    revisions: dict[str, str], is_set: bool
) -> None:
    """The next task that somebody starts has it."""
    ecs = Ecs("BLUE_GREEN", [DONE])
    (rollout,) = begin(clients_of(ecs), CLUSTER, [replace(back_service(), desired=0)], revisions)
    assert (rollout.state, "UpdateService" in ecs.calls) == ("not-started", is_set)


def test_what_ecs_takes_back_itself_is_only_watched() -> None:
    """It needs no stop."""
    ecs = Ecs("BLUE_GREEN", [RETURNING, RETURNED])
    assert take_back(ecs, replace(FAILED, state="rolled-back")).state == "done"
    assert "StopServiceDeployment" not in ecs.calls


def test_a_task_that_started_meanwhile_is_not_taken_for_a_former_one() -> None:
    """It may have the value that was withdrawn."""
    tasks = [*running(1, created=DEPLOYED), *running(1, 1, created=BEGAN + timedelta(seconds=5))[1:]]
    ended = take_back(Ecs("BLUE_GREEN", [{**RETURNED, "tasks": tasks}]))
    assert ended.state == "failed" and "1 task started while" in ended.reason


def test_tasks_that_ecs_started_after_the_stop_have_the_former_value() -> None:
    """The version was withdrawn before it."""
    tasks = running(1, 1, created=NOW + timedelta(seconds=5))
    assert take_back(Ecs("BLUE_GREEN", [{**RETURNED, "tasks": tasks}])).state == "done"
    # Where it is not this run that stopped it, the rollback may have begun before the version was withdrawn.
    ended = take_back(Ecs("BLUE_GREEN", [{**RETURNED, "tasks": tasks}]), replace(FAILED, state="rolled-back"))
    assert ended.state == "failed"


def test_a_stop_that_is_denied_becomes_a_forced_deployment() -> None:
    """That takes longer and needs nothing new."""
    ecs = Ecs("BLUE_GREEN", [BAKING, DONE], frozenset({"StopServiceDeployment"}))
    assert take_back(ecs).state == "done" and "UpdateService" in ecs.calls


def test_a_failed_rollback_is_told() -> None:
    """With ECS's own reason."""
    ended = take_back(Ecs("BLUE_GREEN", [{**RETURNED, "own": own("ROLLBACK_FAILED", statusReason="No capacity.")}]))
    assert (ended.state, ended.reason) == ("failed", "No capacity.")


# Before anything is written


def overlapping(strategy: str = "BLUE_GREEN", **changes: Any) -> Service:
    configuration = DeploymentConfiguration(strategy=strategy, bake=timedelta(minutes=10), **changes)
    return replace(service("backend"), configuration=configuration)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_role_is_refused_where_old_tasks_outlive_their_password(strategy: str) -> None:
    """With the way out."""
    with pytest.raises(UsageError, match=f"{strategy}.* bakes for 10 min.*two roles.*POSTGRES_USER.*Nothing was"):
        readiness.refuse_one_password([overlapping(strategy)], "POSTGRES_PASSWORD", "POSTGRES_USER")
    readiness.refuse_one_password([service("backend")], "POSTGRES_PASSWORD", "POSTGRES_USER")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"controller": "CODE_DEPLOY"}, "CodeDeploy replaces its tasks"),
        ({"controller": "EXTERNAL"}, "An external controller replaces its tasks"),
        ({"controller": aws_ecs.EXPRESS}, "UpdateExpressGatewayService"),
        ({"desired": 1, "maximum_percent": 100}, "let ECS neither start a new task"),
    ],
)
def test_one_role_is_refused_where_tasks_keep_the_old_password(changes: dict[str, Any], reason: str) -> None:
    """This run gives them no new one; without a task there is none that could fail."""
    backend = replace(service("backend"), **changes)
    with pytest.raises(
        UsageError, match=rf"backend gets no new tasks: .*{reason}.* two roles .*Nothing was written\.$"
    ):
        readiness.refuse_one_password([backend, service("worker")], "POSTGRES_PASSWORD", "POSTGRES_USER")
    readiness.refuse_one_password([replace(backend, desired=0)], "POSTGRES_PASSWORD", "POSTGRES_USER")


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, r"`omc-runbook run rotate -p environment staging -p values_from keep -p apply true`\. "),
        ({"controller": "CODE_DEPLOY"}, "Start new tasks of backend: start a CodeDeploy deployment"),
        ({"controller": aws_ecs.EXPRESS, "arn": "its-arn"}, "`aws ecs update-express-gateway-service .*its-arn"),
    ],
)
def test_a_role_that_old_tasks_may_use_gets_no_new_password(changes: dict[str, Any], way: str) -> None:
    """Where two roles take turns, theirs is the one whose turn it is; those with the current login are left alone."""
    snapshot = with_service(healthy(), "backend", **changes)

    def refuse(found: Snapshot) -> None:
        readers = [each for each in found.consumers if each.name == "backend"]
        readiness.refuse_old_logins(found, readers, "POSTGRES_PASSWORD", "POSTGRES_USER", "app")

    refuse(rotated(snapshot, NOW, SMTP_PASSWORD=secrets.token_hex(16)))
    with pytest.raises(UsageError, match=f"Tasks of backend have an earlier .* as app, .* {way}.*Nothing was written"):
        refuse(rotated(snapshot, NOW, POSTGRES_PASSWORD=secrets.token_hex(16)))


@pytest.mark.parametrize(("strategy", "reads"), [("ROLLING", True), ("BLUE_GREEN", True), ("BLUE_GREEN", False)])
def test_a_rotation_asks_before_it_writes(monkeypatch: pytest.MonkeyPatch, strategy: str, reads: bool) -> None:
    """The services that read the password are looked at as soon as the database has shown one role."""
    one = PasswordRotation(
        url=Masked("postgresql://ohmycoins@db.example.com/app", "URL"),
        role="ohmycoins",
        former_role="ohmycoins",
        owner="ohmycoins",
        exists=True,
        address="db.example.com:5432/app",
        server="db.example.com:5432",
        reason="the secret does not have the login's name",
    )
    monkeypatch.setattr(new_values.rotation, "plan_rotation", lambda *arguments: one)
    snapshot = with_service(rotated(healthy(), NOW), "worker", configuration=DeploymentConfiguration(strategy=strategy))
    if not reads:
        snapshot = with_container(
            snapshot,
            "worker",
            lambda old: replace(
                old, secrets=tuple(each for each in old.secrets if each.variable != "POSTGRES_PASSWORD")
            ),
        )
        assert "worker" in {each.name for each in snapshot.consumers}
    clients = cast("Clients", lambda name: None)

    def renew() -> NewValues:
        return new_values.renew(clients, snapshot, ["POSTGRES_PASSWORD"], "generate", one.url)

    if strategy == "ROLLING" or not reads:
        assert renew().rotation == one
    else:
        with pytest.raises(UsageError, match=r"worker deploys BLUE_GREEN.*Nothing was written"):
            renew()


def test_the_plan_says_who_needs_the_old_value_for_how_long() -> None:
    """And nothing of a plain rolling update."""
    services = [overlapping(pauses=("POST_SCALE_UP",)), service("worker")]
    (note,) = readiness.notes(healthy(), services)
    assert "backend deploys BLUE_GREEN" in note and "bakes for 10 min" in note and "POST_SCALE_UP" in note


@pytest.mark.parametrize(("old", "percent", "followed"), [(1, 50, {"backend"}), (0, 50, set()), (1, None, set())])
def test_a_deployment_that_ended_early_is_followed_to_its_end(
    old: int, percent: int | None, followed: set[str]
) -> None:
    """As long as an old task runs beside it, not every task has the values, and none is started for that."""
    moved = rotated(healthy(), NOW - timedelta(minutes=8), SECRET_KEY=secrets.token_urlsafe(32))
    new = deployment("backend", NOW - timedelta(minutes=5), id="ecs-svc/2", running=2, desired=2)
    tasks = [task("backend", new.created, deployment_id=new.id) for _ in range(2)]
    backend = with_service(
        replace(moved, tasks=(*tasks, *moved.tasks[:old])),
        "backend",
        desired=2,
        running=2 + old,
        deployments=(new, deployment("backend", status="ACTIVE", running=old)),
        configuration=DeploymentConfiguration(early_percent=percent),
    )
    plan = plan_update(backend, {}, redeploy_stale=True)
    assert {service.name for service in plan.consumers} - {"worker"} == plan.underway == followed
    assert ("Deployments under way would be watched: backend." in plan.sentences) is bool(followed)
    assert not any("started: backend" in sentence for sentence in plan.sentences)
    holder = next(entry for entry in changes.holders(backend).entries if entry.name == "backend")
    assert (holder.label == "deploying") is bool(followed), "another deployment would only disturb this one"
    assert not (followed and holder.command)


@pytest.mark.parametrize(
    ("began", "changes", "is_followed"),
    [
        (5, {}, True),
        (45, {}, False),
        (5, {"failed": 1}, False),
        (45, {"event": PROTECTED}, True),
    ],
    ids=["it goes on", "nothing follows", "its tasks fail", "old tasks are protected"],
)
def test_what_no_longer_goes_on_after_an_early_success_is_begun_again(
    began: int, changes: dict[str, Any], is_followed: bool
) -> None:
    """Its finding says that new tasks are needed: to follow it once more would bring none."""
    moved = rotated(healthy(), NOW - timedelta(minutes=60), SECRET_KEY=secrets.token_urlsafe(32))
    begun, failed, said = NOW - timedelta(minutes=began), changes.get("failed", 0), changes.get("event")
    new = deployment("backend", begun, id="ecs-svc/2", running=1, desired=1, failed=failed)
    backend = with_service(
        with_tasks(moved, task("backend", begun, deployment_id=new.id)),
        "backend",
        running=3,
        deployments=(new, deployment("backend", status="ACTIVE", running=2)),
        configuration=DeploymentConfiguration(early_percent=50),
        events=(ServiceEvent(NOW, said),) if said else (),
    )
    assert ("backend" in plan_update(backend, {}, redeploy_stale=True).underway) is is_followed


@pytest.mark.parametrize(("status", "is_followed"), [("IN_PROGRESS", True), ("SUCCESSFUL", False)])
def test_a_deployment_that_began_with_the_values_is_followed(status: str, is_followed: bool) -> None:
    """A run that was killed, or that met a pause, does not start another one beside it."""
    ecs = Ecs("BLUE_GREEN", [{"own": own(status)}])
    client = cast("Any", ecs)
    (found,) = aws_ecs.describe_services(client, CLUSTER, ["backend"])
    listed = deployments.list_service_deployments(client, CLUSTER, "backend", BEGAN)
    backend = found.with_service_deployments(listed)
    snapshot = replace(rotated(healthy(), BEGAN - timedelta(minutes=2)), services=(backend,))
    snapshot = with_tasks(snapshot, task("backend", BEGAN, deployment_id="ecs-svc/2"))
    assert readiness.is_underway(snapshot, backend) is is_followed
    assert not readiness.is_underway(rotated(snapshot, NOW), backend), "it began with other values"
    (rollout,) = begin(clients_of(ecs), CLUSTER, [backend], underway=frozenset({"backend"}))
    assert (rollout.deployment_id, rollout.state, ecs.calls) == ("ecs-svc/2", "rolling", ["ListServiceDeployments"])
