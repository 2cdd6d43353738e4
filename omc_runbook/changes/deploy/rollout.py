"""Roll-outs: new tasks for all services at once, watched until ECS shows success or failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

from omc_runbook.aws import ecs
from omc_runbook.aws.ecs import Deployment, Service, Task
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.checks.stopped_tasks import Stop
from omc_runbook.model.errors import CouldNotLook

T = TypeVar("T")

State = Literal["waiting", "rolling", "done", "failed", "rolled-back", "overtaken", "not-started", "gone"]

PROVED: frozenset[State] = frozenset({"done", "gone"})
FAILURES: frozenset[State] = frozenset({"failed", "rolled-back"})
GONE = "It was deleted meanwhile."

INTERVAL = 0.5
"""Seconds between two reads, of three calls each."""
TIMEOUT = 900.0
"""Seconds after which an unfinished roll-out counts as failed."""
UNANSWERED_SECONDS = 60.0
"""Seconds without an answer from AWS (throttling, no network) after which the watch ends with an error."""
_PARALLEL = 8
NO_REVISIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Rollout:
    """The roll-out of one service; `running` counts the tasks of our deployment.

    A service that cannot be redeployed (desiredCount 0, another deployment controller) is "not-started", one that was
    deleted meanwhile is "gone".
    """

    service: str
    deployment_id: str
    revision: str
    state: State
    desired: int
    running: int = 0
    reason: str = ""
    """Why it failed, was overtaken, was not started or is gone: one sentence."""
    is_back: bool = False
    """Whether it is part of a rollback."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.state not in ("waiting", "rolling")

    @property
    def has_failed(self) -> bool:
        """Whether it failed or was rolled back."""
        return self.state in FAILURES


Show = Callable[[Sequence[Rollout], Sequence[str]], None]
"""Displays all roll-outs, and new service events as lines with their time."""


class Clock(Protocol):
    """The functions of the module `time` that a watch needs."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


def expected(service: Service) -> Rollout:
    """A service's roll-out before it begins: waiting, or not to be started, with the reason."""
    label = service.task_definition_arn.rpartition("/")[2]
    reason = ""
    if service.controller == "CODE_DEPLOY":
        reason = "CodeDeploy replaces its tasks: start a deployment there, not in ECS."
    elif service.controller == "EXTERNAL":
        reason = "An external controller replaces its tasks: create a task set there, not a deployment in ECS."
    elif service.desired == 0:
        reason = "Its desiredCount is 0: no task runs to verify the values; the next one that starts reads them."
    elif not service.has_room:
        reason = (
            f"minimumHealthyPercent {service.minimum_healthy_percent} and maximumPercent {service.maximum_percent} let"
            " ECS neither start a new task nor stop an old one: change one of them, then run again."
        )
    return Rollout(service.name, "", label, "not-started" if reason else "waiting", service.desired, 0, reason)


def begin(
    clients: Clients, cluster: str, services: Sequence[Service], revisions: Mapping[str, str] = NO_REVISIONS
) -> tuple[Rollout, ...]:
    """Force a new deployment of every service that ECS deploys, all at once; a refused call is a failed roll-out.

    `revisions` has the ARN of a new revision by service name, which is set even if desiredCount is 0. See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    clients("ecs")
    with ThreadPoolExecutor(_PARALLEL, "redeploy") as pool:
        return tuple(
            pool.map(lambda service: _begin(clients, cluster, service, revisions.get(service.name, "")), services)
        )


def watch(
    clients: Clients,
    cluster: str,
    rollouts: Sequence[Rollout],
    show: Show,
    clock: Clock = time,
    to_the_end: bool = False,
) -> tuple[Rollout, ...]:
    """Watch until every roll-out is done or failed, or, without `to_the_end`, until the first has failed.

    Done means that our deployment is PRIMARY and COMPLETED on the expected revision, all desired tasks run, and no task
    of another deployment runs, so that each has read the secret after the change. A task that stops with a failure
    makes its roll-out failed. Raises CouldNotLook where AWS denies a call or does not answer for UNANSWERED_SECONDS.
    """
    return _Watch(clients, cluster, tuple(rollouts), show, clock, to_the_end).until(clock.monotonic() + TIMEOUT)


def judge(rollout: Rollout, service: Service | None, stopped: Sequence[Task]) -> Rollout:
    """The new state of a roll-out, from its service and the stopped tasks.

    A roll-out that is done can still fail, by a task that stops while others are watched.
    """
    if rollout.is_over and rollout.state != "done":
        return rollout
    if service is None:
        return replace(rollout, state="gone", reason=GONE)
    deployment = _own_deployment(rollout, service)
    running = deployment.running if deployment else 0

    def with_state(state: State, reason: str = "") -> Rollout:
        return replace(rollout, state=state, desired=service.desired, running=running, reason=reason)

    for task in stopped:
        if task.deployment_id == rollout.deployment_id and task.has_failed:
            return with_state("failed", Stop(service, task).sentence)
    if rollout.state == "done":
        return rollout
    if deployment is None or deployment.status != "PRIMARY":
        if service.rolled_back:
            reason = deployment.rollout_reason if deployment else ""
            return with_state("rolled-back", reason or "The circuit breaker rolled it back.")
        other_deployment = service.primary.id if service.primary else "another"
        reason = f"Somebody else's deployment {other_deployment} replaced ours, {rollout.deployment_id}."
        return with_state("overtaken", f"{reason} Its tasks read the new values too: run verify.")
    revision = deployment.task_definition_arn.rpartition("/")[2]
    if deployment.rollout == "FAILED":
        return with_state("failed", deployment.rollout_reason)
    if service.desired == 0:
        return with_state("not-started", "Its desiredCount was set to 0 meanwhile.")
    if revision != rollout.revision:
        return with_state("failed", f"It runs {revision} instead.")
    is_complete = deployment.rollout == "COMPLETED" and deployment.running == service.running == service.desired
    return with_state("done" if is_complete else "rolling", rollout.reason)


def runs_only_ours(rollout: Rollout, running: Sequence[Task] | None) -> bool:
    """Whether exactly the desired number of tasks runs, all of our deployment."""
    deployment_ids = [
        task.deployment_id for task in running or () if task.service == rollout.service and task.is_running
    ]
    return running is not None and deployment_ids == [rollout.deployment_id] * rollout.desired and rollout.desired > 0


class _Watch:
    """A watch of roll-outs, with the events shown so far."""

    def __init__(
        self,
        clients: Clients,
        cluster: str,
        rollouts: tuple[Rollout, ...],
        show: Show,
        clock: Clock,
        to_the_end: bool,
    ) -> None:
        self._client, self._cluster = clients("ecs"), cluster
        self._rollouts, self._show, self._clock, self._to_the_end = rollouts, show, clock, to_the_end
        self._stopped: dict[str, Task] = {}
        self._shown_events: set[tuple[str, str]] = set()
        # Within one read, one call may succeed while another keeps failing.
        self._last_answer, self._lacks_answer = clock.monotonic(), False

    def until(self, end: float) -> tuple[Rollout, ...]:
        with ThreadPoolExecutor(_PARALLEL, "watch") as pool:
            while not self._is_over():
                self._look(pool)
                if not self._is_over():
                    if self._clock.monotonic() > end:
                        self._give_up()
                    self._clock.sleep(INTERVAL)
        return self._rollouts

    def _is_over(self) -> bool:
        failed = any(rollout.has_failed for rollout in self._rollouts)
        return all(rollout.is_over for rollout in self._rollouts) or (failed and not self._to_the_end)

    def _look(self, pool: ThreadPoolExecutor) -> None:
        self._lacks_answer = False
        names = [rollout.service for rollout in self._rollouts if rollout.state == "done" or not rollout.is_over]
        batches = [*ecs.batches(names, ecs.SERVICES_A_CALL)]
        stopped = pool.submit(self._read_tasks, "STOPPED")
        answers = [*zip(batches, pool.map(self._read_services, batches), strict=True)]
        services = {service.name: service for _, answer in answers for service in answer or ()}
        # A service that an answer lacks is gone; without an answer its state is unknown.
        answered_services = {name for batch, answer in answers if answer is not None for name in batch}
        self._stopped |= {task.arn: task for task in stopped.result() or ()}
        lines = [line for rollout in self._rollouts for line in self._events(rollout, services.get(rollout.service))]
        self._rollouts = self._confirm_done(
            [
                judge(each, services.get(each.service), [*self._stopped.values()])
                if each.service in answered_services
                else each
                for each in self._rollouts
            ]
        )
        self._last_answer = self._last_answer if self._lacks_answer else self._clock.monotonic()
        self._show(self._rollouts, lines)

    def _read_services(self, names: Sequence[str]) -> tuple[Service, ...] | None:
        read = partial(ecs.describe_services, self._client, self._cluster, names)
        return self._read(f"services of cluster {self._cluster}", "ecs:DescribeServices", read)

    def _read_tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...] | None:
        return self._read(f"tasks of cluster {self._cluster}", "ecs:ListTasks", partial(self._tasks, status))

    def _tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...]:
        """Tasks with a desired status; of stopped ones only those without a known stoppedReason."""
        arns = ecs.list_task_arns(self._client, self._cluster, status)
        known_arns = {arn for arn, task in self._stopped.items() if task.stopped_reason}
        arns_to_read = [arn for arn in arns if status == "RUNNING" or arn not in known_arns]
        return tuple(
            task
            for batch in ecs.batches(arns_to_read, ecs.TASKS_A_CALL)
            for task in ecs.describe_tasks(self._client, self._cluster, batch)
        )

    def _confirm_done(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """Confirm a roll-out as done only when no task of another deployment runs in its service."""
        done_before = {rollout.service for rollout in self._rollouts if rollout.state == "done"}
        newly_done = [each.service for each in rollouts if each.state == "done" and each.service not in done_before]
        running = self._read_tasks("RUNNING") if newly_done else ()
        return tuple(
            replace(each, state="rolling") if each.service in newly_done and not runs_only_ours(each, running) else each
            for each in rollouts
        )

    def _read(self, what: str, permission: str, call: Callable[[], tuple[T, ...]]) -> tuple[T, ...] | None:
        """Read; None without an answer, so that a watch survives a short failure; CouldNotLook after a long one."""
        try:
            answer = look(what, permission, call)
        except CouldNotLook as error:
            reason, is_denied = str(error), False
        else:
            if not isinstance(answer, ReadFailure):
                return answer
            reason, is_denied = answer.sentence, answer.kind == "denied"
        self._lacks_answer = True
        if is_denied or self._clock.monotonic() - self._last_answer > UNANSWERED_SECONDS:
            raise CouldNotLook(reason)
        return None

    def _events(self, rollout: Rollout, service: Service | None) -> Iterable[str]:
        """The service events not shown yet, oldest first."""
        deployment = _own_deployment(rollout, service) if service else None
        for event in reversed(service.events if service and deployment else ()):
            event_key = (rollout.service, f"{event.time.timestamp()} {event.message}")
            if deployment and event.time >= deployment.created and event_key not in self._shown_events:
                self._shown_events.add(event_key)
                message = event.message.removeprefix(f"(service {rollout.service})").strip()
                yield f"{event.time:%H:%M:%S} {rollout.service}: {message}"

    def _give_up(self) -> None:
        reason = f"It neither completed nor failed within {TIMEOUT / 60:.0f} minutes: see its events in the console."
        self._rollouts = tuple(
            rollout if rollout.is_over else replace(rollout, state="failed", reason=reason)
            for rollout in self._rollouts
        )
        self._show(self._rollouts, ())


def _own_deployment(rollout: Rollout, service: Service) -> Deployment | None:
    return next((each for each in service.deployments if each.id == rollout.deployment_id), None)


def _begin(clients: Clients, cluster: str, service: Service, revision_arn: str) -> Rollout:
    rollout = expected(service)
    if rollout.is_over and not revision_arn:
        return rollout
    answer = look(
        f"service {service.name}",
        "ecs:UpdateService",
        lambda: ecs.force_new_deployment(clients("ecs"), cluster, service.name, revision_arn),
    )
    if isinstance(answer, ReadFailure):
        if answer.code in ("ServiceNotFoundException", "ServiceNotActiveException"):
            return replace(rollout, state="gone", reason=GONE)
        return replace(rollout, state="failed", reason=answer.when_to("redeploy"))
    # The revision is read from the deployment: somebody may have changed the service since the plan was made.
    revision = answer.task_definition_arn.rpartition("/")[2]
    state: State = rollout.state if rollout.is_over else "rolling"
    return replace(rollout, state=state, deployment_id=answer.id, revision=revision)
