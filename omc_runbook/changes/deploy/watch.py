"""Watches roll-outs until ECS shows success or failure, or that a person has to act."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, TypeVar

from omc_runbook.aws import deployments, ecs
from omc_runbook.aws.deployments import ServiceDeployment, in_words
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.failures import ReadFailure, attempt
from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy.rollout import (
    PARALLEL,
    Clock,
    Rollout,
    Show,
    confirm_return,
    judge,
    own_service_deployment,
    runs_only_ours,
)
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.grouping import batches
from omc_runbook.model.time_limits import ROLLOUT_SECONDS

T = TypeVar("T")
_Requests = list[tuple[Sequence[str], "Future[tuple[ServiceDeployment, ...] | ReadFailure | None]"]]
"""Names of services, and the answer about their service deployments."""

INTERVAL = 0.5
"""Seconds between two reads, of four calls each."""
SLOW_INTERVAL = 5.0
"""Seconds between two reads after ROLLOUT_SECONDS: deployments that bake last for hours."""
REMINDER_SECONDS = 300.0
"""Seconds between two lines about roll-outs that lack tasks: ECS may say nothing for long, as without capacity."""
PAUSE_PATIENCE = 120.0
"""Seconds to wait for a person who continues a paused deployment."""
UNANSWERED_SECONDS = 60.0
"""Seconds without an answer from AWS (throttling, no network) after which the watch ends with an error."""


class Watch:
    """A watch until every roll-out is done or failed, or, without `to_the_end`, until the first has failed.

    Done means that our deployment is PRIMARY and COMPLETED on the expected revision, all desired tasks run, and no task
    of another deployment runs, so that each has read the secret after the change. Tasks that stop with a failure make
    their roll-out failed when ECS would try no more, or at once where `is_certain` says that every other one would fail
    too. The state comes from the service deployment where ECS tells of it, and otherwise from the rolloutState that
    rolling updates have.
    """

    def __init__(
        self,
        clients: Clients,
        cluster: str,
        rollouts: Sequence[Rollout],
        show: Show,
        clock: Clock = time,
        to_the_end: bool = False,
        is_certain: Callable[[Rollout], bool] = lambda rollout: False,
    ) -> None:
        self._client, self._cluster, self._is_certain = clients("ecs"), cluster, is_certain
        self._rollouts, self._show, self._clock, self._to_the_end = tuple(rollouts), show, clock, to_the_end
        self._stopped: dict[str, Task] = {}
        self._services: dict[str, Service] = {}
        self._shown_events: set[tuple[str, str]] = set()
        self._arns: dict[str, str] = {}
        self._unread: dict[str, str] = {}
        self._paused_since: dict[str, float] = {}
        self._start = self._looked = self._reminded = clock.monotonic()
        # Within one read, one call may succeed while another keeps failing.
        self._unanswered_since: float | None = None
        self._lacks_answer = False

    def until_over(self) -> tuple[Rollout, ...]:
        """Watch, and return the roll-outs as they ended.

        Raises CouldNotLook where AWS denies another call, takes the credentials no more, or does not answer for
        UNANSWERED_SECONDS.
        """
        with ThreadPoolExecutor(PARALLEL, "watch") as pool:
            while not self._is_over():
                self._look(pool)
                if not self._is_over():
                    self._give_up()
                    is_long = self._looked - self._start > ROLLOUT_SECONDS
                    self._clock.sleep(SLOW_INTERVAL if is_long else INTERVAL)
        return self._rollouts

    def _is_over(self) -> bool:
        failed = any(rollout.has_failed for rollout in self._rollouts)
        is_over = all(rollout.is_over or self._waits_in_vain(rollout) for rollout in self._rollouts)
        return is_over or (failed and not self._to_the_end)

    def _waits_in_vain(self, rollout: Rollout) -> bool:
        """Whether it has waited for a person for long enough."""
        since = self._paused_since.get(rollout.service)
        return since is not None and self._looked - since > PAUSE_PATIENCE

    def _look(self, pool: ThreadPoolExecutor) -> None:
        # Where this process was stopped (Ctrl-Z) since, what it has read is too old to give anything up.
        self._looked, self._lacks_answer = self._clock.monotonic(), False
        followed = [rollout for rollout in self._rollouts if rollout.state == "done" or not rollout.is_over]
        names = [*batches([rollout.service for rollout in followed], ecs.SERVICES_A_CALL)]
        stopped = pool.submit(self._read_tasks, "STOPPED")
        requests = self._ask_service_deployments(pool, followed)
        answers = [*zip(names, pool.map(self._read_services, names), strict=True)]
        found = self._keep_service_deployments(requests)
        services = {
            service.name: service.with_service_deployments([own] if (own := found.get(service.name)) else [])
            for _, answer in answers
            for service in answer or ()
        }
        self._services |= services
        # A service that an answer lacks is gone; without an answer its state is unknown.
        answered_services = {name for batch, answer in answers if answer is not None for name in batch}
        self._stopped |= {task.arn: task for task in stopped.result() or ()}
        lines = [line for rollout in self._rollouts for line in self._events(rollout, services.get(rollout.service))]
        before = self._rollouts
        self._rollouts = self._confirm_done(
            [
                judge(each, services.get(each.service), [*self._stopped.values()], self._unread.get(each.service, ""))
                if each.service in answered_services
                else each
                for each in self._rollouts
            ]
        )
        self._rollouts = tuple(self._end_certain(*pair) for pair in zip(before, self._rollouts, strict=True))
        self._rollouts = tuple(map(_timed, self._rollouts))
        self._time_pauses()
        lines += [*self._stages(before), *self._reminders()]
        if not self._lacks_answer:
            self._unanswered_since = None
        elif self._unanswered_since is None:
            self._unanswered_since = self._clock.monotonic()
        self._show(self._rollouts, lines)

    def _end_certain(self, former: Rollout, rollout: Rollout) -> Rollout:
        """A roll-out with another failed task, as failed where the next one would fail for certain, too.

        One that somebody else's deployment has replaced has no next one.
        """
        is_open = rollout.failures > former.failures and not rollout.has_failed and rollout.state != "overtaken"
        return replace(rollout, state="failed") if is_open and self._is_certain(rollout) else rollout

    def _time_pauses(self) -> None:
        paused = [rollout.service for rollout in self._rollouts if rollout.state == "paused"]
        self._paused_since = {name: self._paused_since.get(name, self._looked) for name in paused}

    def _read_services(self, names: Sequence[str]) -> tuple[Service, ...] | None:
        read = partial(ecs.describe_services, self._client, self._cluster, names)
        return self._read(f"services of cluster {self._cluster}", "ecs:DescribeServices", read)

    def _ask_service_deployments(self, pool: ThreadPoolExecutor, rollouts: Sequence[Rollout]) -> _Requests:
        """Ask for the service deployment of each roll-out: in a list until its ARN is known, then by that."""
        unread = [
            each for each in rollouts if each.began and each.service not in self._unread and not self._is_plain(each)
        ]
        names = [each.service for each in unread if each.service in self._arns]
        lists = [([each.service], pool.submit(self._list, each)) for each in unread if each.service not in self._arns]
        return lists + [
            (batch, pool.submit(self._describe, [self._arns[name] for name in batch]))
            for batch in batches(names, deployments.DESCRIBED_A_CALL)
        ]

    def _is_plain(self, rollout: Rollout) -> bool:
        """Whether DescribeServices alone tells how it goes, so that another call, and its permission, is spared."""
        service = self._services.get(rollout.service)
        return service.has_rollout_state if service else rollout.is_plain

    def _keep_service_deployments(self, requests: _Requests) -> dict[str, ServiceDeployment]:
        """The service deployments that ECS told of, by service; where it refuses, the reason is kept."""
        ids = {rollout.deployment_id: rollout.service for rollout in self._rollouts}
        found: dict[str, ServiceDeployment] = {}
        for names, future in requests:
            answer = future.result()
            if isinstance(answer, ReadFailure):
                self._unread |= dict.fromkeys(names, answer.sentence)
                continue
            found |= {ids[each.deployment_id]: each for each in answer or () if each.deployment_id in ids}
        self._arns |= {name: each.arn for name, each in found.items()}
        return found

    def _list(self, rollout: Rollout) -> tuple[ServiceDeployment, ...] | ReadFailure | None:
        assert rollout.began, "asked only for deployments that have begun"
        name = rollout.service
        read = partial(deployments.list_service_deployments, self._client, self._cluster, name, rollout.began)
        return self._ask(f"the service deployments of {name}", "ecs:ListServiceDeployments", read)

    def _describe(self, arns: Sequence[str]) -> tuple[ServiceDeployment, ...] | ReadFailure | None:
        read = partial(deployments.describe_service_deployments, self._client, arns)
        return self._ask("the service deployments of this run", "ecs:DescribeServiceDeployments", read)

    def _read_tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...] | None:
        return self._read(f"tasks of cluster {self._cluster}", "ecs:ListTasks", partial(self._tasks, status))

    def _tasks(self, status: Literal["RUNNING", "STOPPED"]) -> tuple[Task, ...]:
        """Tasks with a desired status; of stopped ones only those without a known stoppedReason."""
        arns = ecs.list_task_arns(self._client, self._cluster, status)
        known_arns = {arn for arn, task in self._stopped.items() if task.stopped_reason}
        arns_to_read = [arn for arn in arns if status == "RUNNING" or arn not in known_arns]
        return tuple(
            task
            for batch in batches(arns_to_read, ecs.TASKS_A_CALL)
            for task in ecs.describe_tasks(self._client, self._cluster, batch)
        )

    def _confirm_done(self, rollouts: Sequence[Rollout]) -> tuple[Rollout, ...]:
        """Confirm a roll-out as done only when no task of another deployment runs in its service."""
        done_before = {rollout.service for rollout in self._rollouts if rollout.state == "done"}
        newly_done = [each.service for each in rollouts if each.state == "done" and each.service not in done_before]
        running = self._read_tasks("RUNNING") if newly_done else ()

        def confirm(rollout: Rollout) -> Rollout:
            if rollout.undoes:
                return confirm_return(rollout, self._services.get(rollout.service), running)
            return rollout if runs_only_ours(rollout, running) else replace(rollout, state="rolling")

        return tuple(confirm(each) if each.service in newly_done else each for each in rollouts)

    def _read(self, what: str, permission: str, call: Callable[[], tuple[T, ...]]) -> tuple[T, ...] | None:
        """Read; None without an answer, so that a watch survives a short failure; CouldNotLook where it is denied."""
        answer = self._ask(what, permission, call, is_needed=True)
        if isinstance(answer, ReadFailure):
            raise CouldNotLook(answer.sentence)
        return answer

    def _ask(
        self, what: str, permission: str, call: Callable[[], tuple[T, ...]], is_needed: bool = False
    ) -> tuple[T, ...] | ReadFailure | None:
        """Read; a ReadFailure where AWS refuses, None without an answer, CouldNotLook after a long time without one."""
        try:
            answer = attempt(what, permission, call)
        except CouldNotLook as error:
            if error.kind == "credentials":
                raise
            reason = str(error)
        else:
            if not isinstance(answer, ReadFailure):
                return answer
            # An endpoint may lack a call that is not needed; one that is needed fails for a while at most.
            if answer.kind == "denied" or (answer.kind == "failed" and not is_needed):
                return answer
            reason = answer.sentence
        self._lacks_answer = True
        if self._unanswered_since is not None and self._looked - self._unanswered_since > UNANSWERED_SECONDS:
            raise CouldNotLook(reason)
        return None

    def _events(self, rollout: Rollout, service: Service | None) -> Iterable[str]:
        """The service events of a roll-out that were not shown yet, oldest first."""
        since = _first_event(rollout, service) if service else None
        for event in reversed(service.events if service else ()):
            event_key = (rollout.service, f"{event.time.timestamp()} {event.message}")
            if since and event.time >= since and event_key not in self._shown_events:
                self._shown_events.add(event_key)
                message = event.message.removeprefix(f"(service {rollout.service})").strip()
                yield f"{event.time:%H:%M:%S} UTC {rollout.service}: {message}"

    def _stages(self, before: Sequence[Rollout]) -> list[str]:
        """A line for each roll-out that has come to another stage, waits for a person, or has another failed task."""

        def has_news(former: Rollout, now: Rollout) -> bool:
            is_paused = now.state == "paused" and former.state != "paused"
            return is_paused or now.failures > former.failures or now.progress not in ("", former.progress)

        time = f"{datetime.now(UTC):%H:%M:%S} UTC"
        return [
            " ".join(filter(None, (f"{time} {now.service}:", now.progress and f"{now.progress}.", now.reason)))
            for former, now in zip(before, self._rollouts, strict=True)
            if has_news(former, now) and not now.has_failed
        ]

    def _reminders(self) -> list[str]:
        """After each REMINDER_SECONDS, a line for each roll-out that lacks tasks, and how long it is waited for."""
        if self._looked - self._reminded < REMINDER_SECONDS:
            return []
        self._reminded = self._looked
        lasted = f"{(self._looked - self._start) / 60:.0f} min"
        return [
            f"{datetime.now(UTC):%H:%M:%S} UTC {each.service}: {each.running} of {each.desired} new tasks running after"
            f" {lasted}; this run waits {_patience(each)} at most."
            for each in self._rollouts
            if each.state == "rolling" and each.running < each.desired
        ]

    def _give_up(self) -> None:
        """End roll-outs that have lasted too long: as failed, or as unknown where nothing is wrong with them."""
        lasted = self._looked - self._start
        rollouts = tuple(
            self._given_up(rollout)
            if rollout.state in ("waiting", "rolling") and lasted > ROLLOUT_SECONDS + rollout.bake.total_seconds()
            else rollout
            for rollout in self._rollouts
        )
        if rollouts != self._rollouts:
            self._rollouts = rollouts
            self._show(self._rollouts, ())

    def _given_up(self, rollout: Rollout) -> Rollout:
        service = self._services.get(rollout.service)
        own = own_service_deployment(rollout, service) if service else None
        patience = _patience(rollout)
        if own and own.is_well:
            reason = (
                f"It is still in progress after {patience} ({own.progress}); none of its tasks has failed, so nothing"
                " was taken back: run again to verify it."
            )
            return replace(rollout, state="unknown", reason=reason)
        if service and service.protection and not rollout.failures and not rollout.undoes:
            reason = (
                f"All its new tasks run, and ECS may not stop older ones yet: {service.protection.rstrip('.')}. Nothing"
                " was taken back: run again once their protection has ended, to verify it."
            )
            return replace(rollout, state="unknown", reason=reason)
        reason = f"It neither completed nor failed within {patience}: see its events in the console."
        return replace(rollout, state="failed", reason=reason)


def _patience(rollout: Rollout) -> str:
    return in_words(timedelta(seconds=ROLLOUT_SECONDS) + rollout.bake)


def _first_event(rollout: Rollout, service: Service) -> datetime | None:
    """When a roll-out began; one that undoes ours began with ECS's rollback, and what was before it has been shown."""
    if not rollout.undoes:
        return rollout.began
    own = own_service_deployment(rollout, service)
    return own.rollback_started if own else None


def _timed(rollout: Rollout) -> Rollout:
    """A roll-out that is over, with how long it took."""
    lasted = datetime.now(UTC) - rollout.began if rollout.began else None
    return replace(rollout, took=(rollout.took or lasted) if rollout.is_over else None)
