"""Watching a roll-out where ECS says something else than that it goes on."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from support.snapshots import NOW, definition_arn, deployment, service, stopped, task
from support.steps import Still

from omc_runbook.aws.deployments import ServiceDeployment, ServiceRevision
from omc_runbook.aws.ecs import Service, ServiceEvent, Task
from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy import rollout
from omc_runbook.changes.deploy.redeployment import Redeployment
from omc_runbook.changes.deploy.rollout import (
    GONE,
    Rollout,
    begin,
    confirm_return,
    expected,
    judge,
    runs_only_ours,
    start_sentences,
)
from omc_runbook.changes.deploy.watch import INTERVAL, UNANSWERED_SECONDS, Watch
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Journal, execute
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook, Interrupted

ROLLING = Rollout("backend", "ecs-svc/1", "ohmycoins-staging-backend:7", "rolling", desired=2, running=1)


class Ecs:
    """An ECS without services, or one that refuses to describe them: with a code, or one "of" another operation."""

    def __init__(self, code: str = "", gone_for: int = 0) -> None:
        self.code, self.gone_for, self.calls = code, gone_for, 0

    def describe_services(self, **parameters: Any) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= self.gone_for:
            raise EndpointConnectionError(endpoint_url="https://ecs.example.com")
        if self.code:
            code, _, operation = self.code.partition(" of ")
            raise ClientError({"Error": {"Code": code, "Message": ""}}, operation or "DescribeServices")
        return {"services": []}

    def get_paginator(self, name: str) -> Any:
        return self

    def paginate(self, **parameters: Any) -> list[dict[str, Any]]:
        if self.calls <= self.gone_for:
            raise EndpointConnectionError(endpoint_url="https://ecs.example.com")
        return [{"taskArns": []}]


def watch(ecs: Ecs) -> tuple[Rollout, ...]:
    clients = cast("Clients", lambda service: ecs)
    return Watch(clients, "ohmycoins-staging", [ROLLING], lambda rollouts, lines: None, Still()).until_over()


def test_a_plan_says_who_gets_new_tasks() -> None:
    """And of each other service, why it gets none."""
    api, jobs = service("api"), replace(service("jobs"), desired=0)
    started, none = "New tasks would be started: api, api.", "jobs gets none: Its desiredCount is 0"
    assert start_sentences([api, api]) == (started,)
    assert [sentence[: len(none)] for sentence in start_sentences([jobs])] == [none]
    assert [sentence[: len(none)] for sentence in start_sentences([api, jobs, api])] == [started[: len(none)], none]


@pytest.mark.parametrize(
    ("desired", "running", "early", "state", "progress"),
    [
        (1, 1, None, "done", ""),
        (1, 2, None, "rolling", ""),
        (1, 2, 50, "rolling", "counts as successful early, older tasks still run"),
        (2, 1, 50, "rolling", "counts as successful early"),
    ],
)
def test_older_tasks_may_outlast_a_deployment(
    desired: int, running: int, early: int | None, state: str, progress: str
) -> None:
    """ECS says COMPLETED before they have stopped; a rollout that counts as successful early says so.

    With its cleanup BLOCKING they have stopped before, and only new tasks are still to start.
    """
    api = service("api")
    api = replace(api, desired=desired, running=running, configuration=replace(api.configuration, early_percent=early))
    ours = replace(expected(api), state="rolling", deployment_id="ecs-svc/api")
    judged = judge(ours, api, ())
    assert (judged.state, judged.progress) == (state, progress)
    failed = replace(ours, state="failed", reason="One task failed.")
    assert judge(failed, api, ()) == failed


API = service("api")
OURS = replace(expected(API), state="rolling", deployment_id="ecs-svc/api")
FAILED = stopped("api", "exit 1", NOW)
ON_PURPOSE = stopped("api", "", NOW, stop_code="UserInitiated")
THEIRS = stopped("api", "exit 1", NOW, deployment_id="ecs-svc/2")


def with_deployment(**changes: Any) -> Service:
    """The service with another state of our deployment."""
    return replace(API, deployments=(deployment("api", **changes),))


LATER = replace(OURS, deployment_id="ecs-svc/later", began=NOW)
"""A deployment that ECS has begun, and that DescribeServices may not show yet."""


def rolled_back(moment: datetime) -> Service:
    """The service after an event of a rollback to its deployment."""
    return replace(API, events=(ServiceEvent(moment, "(service api) rolling back to deployment ecs-svc/api."),))


@pytest.mark.parametrize(
    ("rollout", "now", "tasks", "state", "reason"),
    [
        (OURS, API, (), "done", ""),
        (OURS, None, (), "gone", GONE),
        (replace(OURS, state="done"), None, (), "gone", GONE),
        (replace(OURS, state="unknown", reason="Not read."), None, (), "unknown", "Not read."),
        (OURS, replace(API, desired=0), (), "not-started", "Its desiredCount was set to 0 meanwhile."),
        (replace(OURS, revision="api:1"), API, (), "failed", "It runs ohmycoins-staging-api:7 instead."),
        (OURS, with_deployment(rollout="FAILED", rollout_reason=""), (), "failed", "Its deployment is FAILED."),
        (OURS, with_deployment(rollout="FAILED", rollout_reason="Lost."), (FAILED,), "failed", "Lost. Task "),
        (OURS, with_deployment(id="ecs-svc/2"), (), "overtaken", "Somebody else's deployment ecs-svc/2 replaced ours,"),
        (OURS, with_deployment(status="ACTIVE"), (), "overtaken", "Somebody else's deployment another replaced ours,"),
        (OURS, with_deployment(rollout="IN_PROGRESS"), (FAILED,), "rolling", "1 task failed:"),
        (OURS, with_deployment(rollout="IN_PROGRESS"), (FAILED,) * 2, "rolling", "2 tasks failed:"),
        (OURS, with_deployment(rollout="IN_PROGRESS"), (FAILED,) * 3, "failed", ""),
        (OURS, with_deployment(rollout="IN_PROGRESS"), (ON_PURPOSE, THEIRS) * 3, "rolling", ""),
        (replace(OURS, state="done"), with_deployment(rollout="IN_PROGRESS"), (), "done", ""),
        (replace(OURS, state="done"), with_deployment(rollout="IN_PROGRESS"), (FAILED,), "rolling", "1 task failed:"),
        (LATER, API, (), "rolling", ""),
        (LATER, rolled_back(NOW - timedelta(days=1)), (), "rolling", ""),
        (LATER, rolled_back(NOW + timedelta(minutes=1)), (), "rolled-back", "The circuit breaker rolled it back."),
        (LATER, with_deployment(created=NOW + timedelta(minutes=1)), (), "overtaken", "Somebody else's deployment"),
        (replace(OURS, replaces=("ecs-svc/2",)), API, (), "done", "It replaced ecs-svc/2, which somebody else began"),
    ],
)
def test_how_a_roll_out_goes(
    rollout: Rollout, now: Service | None, tasks: tuple[Task, ...], state: str, reason: str
) -> None:
    """By what ECS says of our deployment, and by those of its tasks that have failed."""
    judged = judge(rollout, now, tasks)
    assert (judged.state, judged.reason[: len(reason)]) == (state, reason)
    assert reason or state == "failed" or not judged.reason


def test_who_replaces_a_deployment_may_have_given_the_service_another_revision() -> None:
    """Only that one must stay where ours is taken back."""
    arn = definition_arn("api", 8)
    same, other = (judge(OURS, with_deployment(id="2", **each), ()) for each in ({}, {"task_definition_arn": arn}))
    assert (same.theirs, other.theirs) == ("", "ohmycoins-staging-api:8")


@pytest.mark.parametrize(
    ("desired", "tasks", "ours"),
    [
        (1, (task("api"),), True),
        (1, None, False),
        (1, (), False),
        (0, (), False),
        (2, (task("api"),), False),
        (1, (task("api"), task("api", deployment_id="ecs-svc/2")), False),
        (1, (task("api"), task("api", deployment_id="ecs-svc/2", status="DEPROVISIONING"), task("jobs")), True),
    ],
)
def test_whether_only_tasks_of_ours_run(desired: int, tasks: tuple[Task, ...] | None, ours: bool) -> None:
    """As many as are desired; what another service runs, and what has stopped, does not count."""
    assert runs_only_ours(replace(OURS, desired=desired), tasks) is ours


STOPPED = NOW - timedelta(minutes=5)
BACK = replace(OURS, deployment_id="ecs-svc/ours", began=STOPPED - timedelta(minutes=5), undoes=True, is_stopped=True)
OWN = ServiceDeployment(
    arn="arn:aws:ecs:ap-southeast-2:123456789012:service-deployment/ohmycoins-staging/api/1",
    status="ROLLBACK_SUCCESSFUL",
    reason="",
    target=ServiceRevision(arn="arn:aws:ecs:ap-southeast-2:123456789012:service-revision/ohmycoins-staging/api/ours"),
    rollback_started=STOPPED,
)
RETURNED = replace(API, service_deployments=(OWN,))


def with_own(**changes: Any) -> Service:
    """The service with another state of our service deployment."""
    return replace(RETURNED, service_deployments=(replace(OWN, **changes),))


def beside(running: int) -> Service:
    """The service with tasks of our deployment beside those from before it."""
    return replace(RETURNED, deployments=(*API.deployments, deployment("api", id="ecs-svc/ours", running=running)))


@pytest.mark.parametrize(
    ("now", "unread", "state", "reason"),
    [
        (RETURNED, "", "done", ""),
        (with_own(status="STOPPED"), "", "done", ""),
        (with_own(status="ROLLBACK_IN_PROGRESS"), "", "rolling", ""),
        (with_own(status="ROLLBACK_FAILED"), "", "failed", "ECS could not roll its deployment back."),
        (with_own(status="ROLLBACK_FAILED", reason="No room."), "", "failed", "No room."),
        (replace(RETURNED, desired=0), "", "not-started", "Its desiredCount was set to 0 meanwhile."),
        (beside(0), "", "done", ""),
        (beside(1), "", "rolling", ""),
        (replace(RETURNED, deployments=(deployment("other"),)), "", "rolling", ""),
        (API, "", "rolling", ""),
        (API, "Not allowed.", "unknown", "Not allowed."),
    ],
)
def test_how_the_way_back_goes(now: Service, unread: str, state: str, reason: str) -> None:
    """It has ended where ECS says so, the former revision is there again, and no task of ours runs."""
    judged = judge(BACK, now, (), unread)
    assert (judged.state, judged.reason) == (state, reason)


@pytest.mark.parametrize(
    ("rollout", "now", "tasks", "state"),
    [
        (BACK, RETURNED, (task("api"),), "done"),
        (BACK, RETURNED, (task("api", created=NOW),), "done"),
        (replace(BACK, is_stopped=False), RETURNED, (task("api", created=NOW),), "failed"),
        (BACK, RETURNED, (task("api", created=STOPPED - timedelta(minutes=1)),), "failed"),
        (replace(BACK, began=None), RETURNED, (task("api"),), "failed"),
        (BACK, RETURNED, (task("api"), task("api", deployment_id="ecs-svc/ours")), "rolling"),
        (BACK, RETURNED, (task("api"), task("jobs", created=STOPPED - timedelta(minutes=1))), "done"),
        (BACK, RETURNED, (), "rolling"),
        (BACK, RETURNED, None, "rolling"),
        (BACK, API, (task("api"),), "rolling"),
        (BACK, None, (task("api"),), "rolling"),
    ],
)
def test_which_tasks_prove_the_way_back(
    rollout: Rollout, now: Service | None, tasks: tuple[Task, ...] | None, state: str
) -> None:
    """Those from before our deployment, and those that ECS started after this run had stopped it."""
    assert confirm_return(replace(rollout, state="done"), now, tasks).state == state


def test_when_somebody_has_deployed_what_is_told() -> None:
    """CloudTrail may not have their call yet, which names them."""
    theirs = with_deployment(id="ecs-svc/2", task_definition_arn=f"{API.task_definition_arn}8")
    reason = judge(OURS, theirs, ()).reason
    moment = theirs.deployments[0].created
    assert f"ours, ecs-svc/api, at {moment:%H:%M:%S} UTC with ohmycoins-staging-api:78." in reason


@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_who_has_given_a_service_another_task_definition(is_rolled_back: bool) -> None:
    """ECS itself may have, by a circuit breaker that goes back to a revision of before."""
    moved = {"id": "ecs-svc/2", "status": "PRIMARY", "createdAt": NOW, "taskDefinition": "x/api:5"}
    counts = {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
    moved |= {"rolloutStateReason": "rolling back to deployment ecs-svc/2"} if is_rolled_back else {}
    names = {"serviceName": "api", "serviceArn": "x/api", "status": "ACTIVE", "taskDefinition": "x/api:5"}
    answer = {**names, **counts, "deployments": [{**moved, **counts}]}
    ecs = SimpleNamespace(describe_services=lambda **_: {"services": [answer]})
    (rollout,) = begin(cast("Clients", lambda name: ecs), "staging", [service("api")], {"api": "x/api:9"})
    who = "ECS has returned to" if is_rolled_back else "Somebody else has deployed"
    assert (rollout.state, rollout.theirs) == ("overtaken", "api:5")
    assert rollout.reason == f"{who} api:5 since: it stays, and was not replaced by api:9."


def test_a_service_that_is_deleted_meanwhile_is_told_as_such_at_once() -> None:
    """Nobody waits a quarter of an hour for what ECS says is gone, and the new values are not to blame."""
    ecs = Ecs()
    (rollout,) = watch(ecs)
    assert (rollout.state, rollout.reason, ecs.calls) == ("gone", "It was deleted meanwhile.", 1)


@pytest.mark.parametrize(
    "code, looks",
    [
        ("ThrottlingException", UNANSWERED_SECONDS / INTERVAL + 2),
        ("AccessDeniedException", 1),
        ("ExpiredTokenException", 1),
        ("UnrecognizedClientException", 1),
        ("AccessDenied of AssumeRole", 1),
        ("ForbiddenException of GetRoleCredentials", 1),
        ("IDPCommunicationError of AssumeRoleWithWebIdentity", UNANSWERED_SECONDS / INTERVAL + 2),
    ],
)
def test_a_service_that_ecs_does_not_tell_of_is_not_taken_for_gone(code: str, looks: float) -> None:
    """What is refused is asked again for a while, whatever else is answered; what is denied, and with expired
    credentials, is not, nor is a session that cannot be renewed."""
    ecs = Ecs(code)
    with pytest.raises(CouldNotLook, match=code.partition(" of ")[0]):
        watch(ecs)
    assert ecs.calls <= looks


def test_a_watch_outlasts_a_network_that_is_gone_for_a_while() -> None:
    """And gives up, with a sentence, when it stays away."""
    ecs = Ecs(gone_for=round(UNANSWERED_SECONDS / INTERVAL))
    (rollout,) = watch(ecs)
    assert (rollout.state, ecs.calls) == ("gone", ecs.gone_for + 1)
    with pytest.raises(CouldNotLook, match="cannot be reached"):
        watch(Ecs(gone_for=10_000))


def test_a_watch_outlasts_one_failed_look_in_which_this_process_was_stopped() -> None:
    """The connection has broken meanwhile, and the network may come back only now."""
    clock = Still()

    class Stopping(Ecs):
        def describe_services(self, **parameters: Any) -> dict[str, Any]:
            clock.sleep(0 if self.calls else 10 * UNANSWERED_SECONDS)
            return super().describe_services(**parameters)

    ecs = Stopping(gone_for=2)
    clients = cast("Clients", lambda service: ecs)
    (rollout,) = Watch(clients, "ohmycoins-staging", [ROLLING], lambda *_: None, clock).until_over()
    assert (rollout.state, ecs.calls) == ("gone", 3)


class Beginning:
    """An ECS that begins deployments, and answers once it is asked for all; the network to it fails for one service."""

    def __init__(self, unreachable: str = "") -> None:
        self.unreachable = unreachable
        self.barrier = threading.Barrier(3)

    def update_service(self, service: str, **_: Any) -> dict[str, Any]:
        # A call that has not begun when another one fails is not made any more.
        self.barrier.wait(20)
        if service == self.unreachable:
            raise EndpointConnectionError(endpoint_url="https://ecs")
        new = {"id": f"ecs-svc/{service}", "status": "PRIMARY", "createdAt": NOW}
        return {"service": {"deployments": [new]}}


def beginning(ecs: Beginning) -> Iterator[Rollout]:
    names = ("backend", "worker", "frontend")
    return begin(cast("Clients", lambda name: ecs), "staging", [service(name) for name in names])


def test_deployments_that_have_begun_are_told_where_another_could_not_be_asked_for() -> None:
    """They are on record, and a second run finds them."""
    begun = beginning(Beginning("backend"))
    assert [next(begun).service, next(begun).service] == ["worker", "frontend"]
    with pytest.raises(CouldNotLook):
        next(begun)


def test_deployments_that_have_begun_are_told_where_somebody_interrupts() -> None:
    """The calls that are out are awaited."""
    begun = cast("Generator[Rollout, None, None]", beginning(Beginning()))
    assert next(begun).service == "backend"
    assert [begun.throw(KeyboardInterrupt).service, next(begun).service] == ["worker", "frontend"]
    with pytest.raises(KeyboardInterrupt):
        next(begun)


def test_deployments_that_have_begun_are_told_where_an_interrupt_comes_while_they_are_noted() -> None:
    """The error names all of them, and so does the record."""
    told: list[Change] = []

    def tell(*changes: Change) -> None:
        told.extend(changes)
        raise KeyboardInterrupt

    ecs, names = Beginning(), ("backend", "worker", "frontend")
    context = ChangeContext(
        clients=cast("Clients", lambda name: ecs),
        cluster="staging",
        look=lambda: pytest.fail("Nothing is read."),
        show=lambda rollouts, lines: None,
        announce=lambda step: None,
        clock=Still(),
        tell=tell,
    )
    redeployment, journal = Redeployment(context, lambda: [service(name) for name in names]), Journal(tell)
    with pytest.raises(Interrupted):
        execute(redeployment.steps(), context.announce, journal)
    assert [each.service for each in told] == [each.service for each in journal.changes] == [*names]
    assert [each.service for each in redeployment.rollouts] == [*names]


def test_a_deployment_that_has_begun_is_told_where_somebody_interrupts_before_the_last_is_asked_for() -> None:
    """The first call goes out while the others are still handed to the threads."""
    ecs = Beginning()
    ecs.barrier = threading.Barrier(2)

    def services() -> Iterator[Service]:
        yield service("backend")
        ecs.barrier.wait(20)
        raise KeyboardInterrupt

    begun = begin(cast("Clients", lambda name: ecs), "staging", cast("Sequence[Service]", services()))
    assert next(begun).service == "backend"
    with pytest.raises(KeyboardInterrupt):
        next(begun)


def test_a_deployment_that_has_begun_is_told_where_somebody_interrupts_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call is with a thread already, but nobody has its future yet."""

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **keywords: Any) -> Any:
            super().submit(*arguments, **keywords).result(20)
            raise KeyboardInterrupt

    monkeypatch.setattr(rollout, "ThreadPoolExecutor", Pool)
    ecs = Beginning()
    ecs.barrier = threading.Barrier(1)
    begun = begin(cast("Clients", lambda name: ecs), "staging", (service("backend"), service("worker")))
    assert next(begun).service == "backend"
    with pytest.raises(KeyboardInterrupt):
        next(begun)


def test_a_deployment_that_has_begun_is_told_where_somebody_interrupts_as_its_thread_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python's pool does not know of that thread yet, and does not wait for it."""
    ecs, is_out, is_answered = Beginning(), threading.Event(), threading.Event()
    ecs.barrier, start = cast("Any", SimpleNamespace(wait=lambda _: (is_out.set(), is_answered.wait(20)))), Thread.start

    def start_and_interrupt(thread: Thread) -> None:
        start(thread)
        is_out.wait(20)
        monkeypatch.setattr(Thread, "start", start)
        threading.Timer(0.05, is_answered.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(Thread, "start", start_and_interrupt)
    begun = begin(cast("Clients", lambda name: ecs), "staging", [service("backend"), service("worker")])
    assert next(begun).service == "backend"
    with pytest.raises(KeyboardInterrupt):
        next(begun)
