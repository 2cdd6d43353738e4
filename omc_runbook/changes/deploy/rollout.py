"""A roll-out: new tasks for services, all at once, watched and judged by what ECS says of service and tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

from omc_runbook.aws import ecs
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.checks.stopped_tasks import Stop
from omc_runbook.model.errors import CouldNotLook

T = TypeVar("T")

State = Literal["waiting", "rolling", "done", "failed", "rolled-back", "overtaken", "not-started", "gone"]

PROVED: frozenset[State] = frozenset({"done", "gone"})
FAILURES: frozenset[State] = frozenset({"failed", "rolled-back"})
GONE = "It was deleted meanwhile."

INTERVAL = 0.5
"""Seconds between two looks: three calls each time, however many services there are."""
PATIENCE = 900.0
"""Seconds after which a roll-out that neither ends nor fails is given up."""
SILENCE = 60.0
"""Seconds for which AWS may leave something unanswered (throttling, no network) before the watch is given up."""
_PARALLEL = 8
NO_REVISIONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Rollout:
    """One consumer's way to the new values; `running` counts the tasks of our deployment.

    A service that no deployment of ours can reach (desiredCount 0, another controller) is "not-started", and one that
    was deleted meanwhile is "gone".
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
    """Whether it leads back to the version before."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.state not in ("waiting", "rolling")

    @property
    def has_failed(self) -> bool:
        """Whether its tasks cannot be had with the new values."""
        return self.state in FAILURES


Show = Callable[[Sequence[Rollout], Sequence[str]], None]
"""Takes all roll-outs, and what has been heard of them since the last time, as lines with their time."""


class Clock(Protocol):
    """The part of the module `time` that watching needs."""

    def monotonic(self) -> float:
        """Seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Let time pass."""


def expected(service: Service) -> Rollout:
    """How a service's roll-out stands before anything is done: waiting, or not to be started and why."""
    label = service.task_definition_arn.rpartition("/")[2]
    reason = ""
    if service.controller == "CODE_DEPLOY":
        reason = "CodeDeploy replaces its tasks: start a deployment there, ECS refuses to."
    elif service.controller == "EXTERNAL":
        reason = "An external controller replaces its tasks: create a task set there, ECS refuses to."
    elif service.desired == 0:
        reason = "Its desiredCount is 0: no task runs that could prove the values; the next one to start reads them."
    elif not service.has_room:
        reason = (
            f"minimumHealthyPercent {service.minimum_healthy_percent} and maximumPercent {service.maximum_percent} let"
            " ECS neither start a new task nor stop an old one: change one of them, then run again."
        )
    return Rollout(service.name, "", label, "not-started" if reason else "waiting", service.desired, 0, reason)


def begin(
    clients: Clients, cluster: str, services: Sequence[Service], revisions: Mapping[str, str] = NO_REVISIONS
) -> tuple[Rollout, ...]:
    """Force a new deployment of every service that ECS deploys, all at once; a refusal is a failure with its reason.

    `revisions` has, by name, the ARN of another revision for those services that get one; they get it also where no
    task is wanted. See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
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
    """Look until every roll-out has proved or failed, or only until the first has failed; gives them as they are then.

    Proved is: our deployment is PRIMARY and COMPLETED on the revision expected, all tasks wanted run, and no task of
    another deployment runs any more, so that each read the secret after the change. A task that stops by a failure
    is a failed roll-out. Raises CouldNotLook where AWS goes on refusing the look, or cannot be reached for long.
    """
    return _Watch(clients, cluster, tuple(rollouts), show, clock, to_the_end).until(clock.monotonic() + PATIENCE)


def judge(rollout: Rollout, service: Service | None, stopped: Sequence[Task]) -> Rollout:
    """How a roll-out stands, by what ECS says of its service and of the tasks that stopped.

    One that is done can still fail, by a task that stops while others are watched.
    """
    if rollout.is_over and rollout.state != "done":
        return rollout
    if service is None:
        return replace(rollout, state="gone", reason=GONE)
    ours = next((d for d in service.deployments if d.id == rollout.deployment_id), None)
    running = ours.running if ours else 0

    def judged(state: State, reason: str = "") -> Rollout:
        return replace(rollout, state=state, desired=service.desired, running=running, reason=reason)

    for task in stopped:
        if task.deployment_id == rollout.deployment_id and task.has_failed:
            return judged("failed", Stop(service, task).sentence)
    if rollout.state == "done":
        return rollout
    if ours is None or ours.status != "PRIMARY":
        if service.rolled_back:
            reason = ours.rollout_reason if ours else ""
            return judged("rolled-back", reason or "The circuit breaker rolled it back.")
        other = service.primary.id if service.primary else "another"
        reason = f"Somebody else's deployment {other} has overtaken ours, {rollout.deployment_id}."
        return judged("overtaken", f"{reason} Its tasks read the new values too: run verify.")
    revision = ours.task_definition_arn.rpartition("/")[2]
    if ours.rollout == "FAILED":
        return judged("failed", ours.rollout_reason)
    if service.desired == 0:
        return judged("not-started", "Its desiredCount was set to 0 meanwhile.")
    if revision != rollout.revision:
        return judged("failed", f"It runs {revision} instead.")
    is_whole = ours.rollout == "COMPLETED" and ours.running == service.running == service.desired
    return judged("done" if is_whole else "rolling", rollout.reason)


def are_all_ours(rollout: Rollout, running: Sequence[Task] | None) -> bool:
    """Whether as many tasks run as are wanted, all of them of our deployment."""
    mine = [task.deployment_id for task in running or () if task.service == rollout.service and task.is_running]
    return running is not None and len(mine) == rollout.desired and set(mine) == {rollout.deployment_id}


class _Watch:
    """One watch: what was seen before, so that only news is told."""

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
        self._heard: set[tuple[str, str]] = set()
        # One call of a look may be answered while another is refused for good.
        self._heard_at, self._is_deaf = clock.monotonic(), False

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
        self._is_deaf = False
        names = [rollout.service for rollout in self._rollouts if rollout.state == "done" or not rollout.is_over]
        batches = [*ecs.batches(names, ecs.SERVICES_A_CALL)]
        stopped = pool.submit(self._read_tasks, "STOPPED")
        answers = [*zip(batches, pool.map(self._read_services, batches), strict=True)]
        services = {service.name: service for _, answer in answers for service in answer or ()}
        # Of a service that is not in the answer ECS says that it is gone; where there is none, nothing is known.
        answered = {name for batch, answer in answers if answer is not None for name in batch}
        self._stopped |= {task.arn: task for task in stopped.result() or ()}
        lines = [line for rollout in self._rollouts for line in self._events(rollout, services.get(rollout.service))]
        self._rollouts = self._proved(
            [
                judge(each, services.get(each.service), [*self._stopped.values()]) if each.service in answered else each
                for each in self._rollouts
            ]
        )
        self._heard_at = self._heard_at if self._is_deaf else self._clock.monotonic()
        self._show(self._rollouts, lines)

    def _read_services(self, names: Sequence[str]) -> tuple[Service, ...] | None:
        read = partial(ecs.describe_services, self._client, self._cluster, names)
        return self._ask(f"services of cluster {self._cluster}", "ecs:DescribeServices", read)

    def _read_tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...] | None:
        return self._ask(f"tasks of cluster {self._cluster}", "ecs:ListTasks", partial(self._tasks, status))

    def _tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...]:
        """Tasks with a desired status; of stopped ones those whose end is not known yet."""
        arns = ecs.list_task_arns(self._client, self._cluster, status)
        known = {arn for arn, task in self._stopped.items() if task.stopped_reason}
        unread = [arn for arn in arns if status == "RUNNING" or arn not in known]
        return tuple(
            task
            for batch in ecs.batches(unread, ecs.TASKS_A_CALL)
            for task in ecs.describe_tasks(self._client, self._cluster, batch)
        )

    def _proved(self, judged: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """Take a roll-out for done only when no task of another deployment runs in its service."""
        before = {rollout.service for rollout in self._rollouts if rollout.state == "done"}
        ended = [each.service for each in judged if each.state == "done" and each.service not in before]
        running = self._read_tasks("RUNNING") if ended else ()
        return tuple(
            replace(each, state="rolling") if each.service in ended and not are_all_ours(each, running) else each
            for each in judged
        )

    def _ask(self, what: str, permission: str, call: Callable[[], tuple[T, ...]]) -> tuple[T, ...] | None:
        """Look; None where nothing answers, unless for long: a watch outlasts a network that is gone for a moment."""
        try:
            answer = look(what, permission, call)
        except CouldNotLook as error:
            reason, is_denied = str(error), False
        else:
            if not isinstance(answer, ReadFailure):
                return answer
            reason, is_denied = answer.sentence, answer.kind == "denied"
        self._is_deaf = True
        if is_denied or self._clock.monotonic() - self._heard_at > SILENCE:
            raise CouldNotLook(reason)
        return None

    def _events(self, rollout: Rollout, service: Service | None) -> Iterable[str]:
        """What ECS says of the service that has not been told yet, oldest first."""
        mine = next((d for d in service.deployments if d.id == rollout.deployment_id), None) if service else None
        for event in reversed(service.events if service and mine else ()):
            heard = (rollout.service, f"{event.time.timestamp()} {event.message}")
            if mine and event.time >= mine.created and heard not in self._heard:
                self._heard.add(heard)
                message = event.message.removeprefix(f"(service {rollout.service})").strip()
                yield f"{event.time:%H:%M:%S} {rollout.service}: {message}"

    def _give_up(self) -> None:
        reason = f"It neither completed nor failed within {PATIENCE / 60:.0f} minutes: see its events in the console."
        self._rollouts = tuple(
            rollout if rollout.is_over else replace(rollout, state="failed", reason=reason)
            for rollout in self._rollouts
        )
        self._show(self._rollouts, ())


def _begin(clients: Clients, cluster: str, service: Service, revision_arn: str) -> Rollout:
    planned = expected(service)
    if planned.is_over and not revision_arn:
        return planned
    answer = look(
        f"service {service.name}",
        "ecs:UpdateService",
        lambda: ecs.force_new_deployment(clients("ecs"), cluster, service.name, revision_arn),
    )
    if isinstance(answer, ReadFailure):
        if answer.code in ("ServiceNotFoundException", "ServiceNotActiveException"):
            return replace(planned, state="gone", reason=GONE)
        return replace(planned, state="failed", reason=answer.when_to("redeploy"))
    # The revision is the deployment's own: somebody may have given the service another since the plan was made.
    revision = answer.task_definition_arn.rpartition("/")[2]
    state: State = planned.state if planned.is_over else "rolling"
    return replace(planned, state=state, deployment_id=answer.id, revision=revision)
