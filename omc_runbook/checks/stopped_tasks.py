"""Why tasks stopped, by what ECS wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from omc_runbook.aws.ecs import ON_PURPOSE, Service, Task, TaskContainer
from omc_runbook.messages import reasons
from omc_runbook.messages.phrases import Kind
from omc_runbook.messages.refusals import is_refusal
from omc_runbook.messages.startlog import read_log
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import counted
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.other_references import resources_of
from omc_runbook.snapshot.state import Snapshot

RIPE = timedelta(minutes=2)
"""How long a task has to run to count as stable."""
WORKED = timedelta(minutes=10)
"""After so long, a task that ends without an error is one of those that are to be replaced now and then."""
NO_PROGRAM = frozenset({126, 127})
"""Exit codes of a shell that may not run a program, or does not find it."""
BY_SIGNAL = frozenset({137, 143})
"""Exit codes of containers that ECS stops: by SIGTERM, and by SIGKILL where that is not enough."""
MANY = 3
"""With so many failures a service that has all its tasks does not count as healthy: it may be between two."""


@dataclass(frozen=True)
class Stop:
    """A task that stopped by a failure, with its last log lines where these were read."""

    service: Service
    task: Task
    log_lines: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """What ECS wrote, with the containers' own reasons and exit codes."""
        whole, endings = self.task.stopped_reason, [_ending(container) for container in self.task.containers]
        # Of a container that was killed for its memory, ECS gives one reason twice.
        parts = endings if any(each.startswith(whole) for each in endings) else [whole, *endings]
        return " ".join(filter(None, parts))

    @property
    def sentence(self) -> str:
        """When which task stopped and why, cut to one line."""
        when = f"{self.task.stopped:%H:%M:%S} UTC" if self.task.stopped else "just now"
        return f"Task {self.task.id[:8]} of {self.service.name} stopped at {when}: {_shorten(self.reason)}"

    @property
    def kind(self) -> Kind:
        """What failed: a step before the task ran, or the way it ended."""
        # A container ended for which others waited, as for migrations: ECS says only that the task failed.
        is_of_a_container = self.never_started and self.task.has_run and reasons.says(self.reason, "pull-failed")
        kind = reasons.kind_of(self.reason, has_run=not self.never_started or is_of_a_container)
        if kind:
            return kind
        if any(reasons.says(line, "start-failed") for line in self.log_lines):
            return "start"
        if self.task.stop_code != "EssentialContainerExited" and not is_of_a_container:
            return "other"
        codes = {container.exit_code for container in self.task.containers}
        lacks_program = any(reasons.says(line, "command-fails") for line in self.log_lines)
        return "command" if lacks_program or codes & NO_PROGRAM else "exit"

    @property
    def culprits(self) -> tuple[TaskContainer, ...]:
        """The containers that may have ended it by an error: where one ended, ECS stops the others, by a signal.

        Of one that was killed for its memory, it gives the reason.
        """
        ended = tuple(each for each in self.task.containers if each.exit_code)
        with_reason = tuple(each for each in ended if each.reason)
        return with_reason or tuple(each for each in ended if each.exit_code not in BY_SIGNAL) or ended

    @property
    def ended_well(self) -> bool:
        """Whether its containers came to their end, and none by an error or a signal."""
        return {each.exit_code for each in self.task.containers} == {0}

    @property
    def has_worked(self) -> bool:
        """Whether it did so after some time, as workers do that are to end after so many jobs; its log may deny it."""
        task = self.task
        is_long = task.started is not None and task.stopped is not None and task.stopped - task.started >= WORKED
        return self.ended_well and is_long and not any(is_refusal(line) or read_log(line) for line in self.log_lines)

    @property
    def lacks_secrets(self) -> bool:
        """Whether ECS could not give the task its secrets, and not its image, its log or its volumes."""
        return self.kind == "secrets"

    @property
    def never_started(self) -> bool:
        """Whether it never ran as a whole."""
        return self.task.started is None


@once
def fresh_stops(snapshot: Snapshot) -> tuple[Stop, ...]:
    """Failed tasks of the consumers, newest first, without those that stopped before the present state began.

    Evidence is stale when the task stopped before AWSCURRENT moved, before the service was created or became whole, or
    began before it recovered, or when its deployment has ended; one that the breaker just ended still counts. One or
    two tasks are no evidence either where the service has replaced them, or a deployment makes progress: tasks do die.
    Of tasks outside a service those count that never got their secrets, or whose value was refused.
    """
    return tuple(stop for failed, _ in _judged(snapshot) for stop in failed)


def worker_exits(snapshot: Snapshot) -> Iterator[tuple[Stop, ...]]:
    """Of each consumer that is well, its many tasks that ended after some time without an error, newest first."""
    return filter(None, (worked for _, worked in _judged(snapshot)))


@once
def _judged(snapshot: Snapshot) -> tuple[tuple[tuple[Stop, ...], tuple[Stop, ...]], ...]:
    """What `_judge` gives for each consumer."""
    return tuple(_judge(snapshot, service) for service in snapshot.readers)


def _judge(snapshot: Snapshot, service: Service) -> tuple[tuple[Stop, ...], tuple[Stop, ...]]:
    """A service's failed tasks that count, and those that ended as workers do."""
    moments = (_current_since(snapshot), service.created, _well_since(snapshot, service))
    starts = [moment for moment in moments if moment]
    recovered = recovered_since(snapshot, service)
    in_force = {deployment.id for deployment in service.deployments}
    ended = snapshot.last_failed(service) if service.rolled_back else None
    in_force |= {ended.deployment_id} if ended else set()
    is_well = _is_whole(service) or makes_progress(snapshot, service)
    stops = [
        stop
        for stop in _stops(snapshot, service)
        if not any(_is_before(stop, moment) for moment in starts)
        and not (recovered and _began_before(stop, recovered))
        and (not in_force or stop.task.deployment_id in in_force)
        # How else a job ends is its own business.
        and (not service.is_family or stop.never_started or any(is_refusal(line) for line in stop.log_lines))
    ]
    if not is_well:
        return tuple(stops), ()
    by_end = grouped((stop.has_worked, stop) for stop in stops)
    failed, worked = (tuple(by_end.get(each, ())) for each in (False, True))
    return failed if len(failed) >= MANY else (), worked if len(worked) >= MANY else ()


def recovered_since(snapshot: Snapshot, service: Service) -> datetime | None:
    """When the value with which a deployment was rolled back was replaced; None where that may still stand.

    One rule for every strategy: the deployment began before AWSCURRENT last moved, as far as can be told, and all tasks
    run, with the present values. What its tasks died of is over then.
    """
    since, withdrawn = freshness.current_since(snapshot), service.withdrawn
    failed = snapshot.last_failed(service) if service.rolled_back else None
    began = withdrawn.created if withdrawn else failed.created if failed else None
    tasks = snapshot.running(service)
    if since is None or began is None or began >= since[1] or not len(tasks) >= service.desired > 0:
        return None
    return since[1] if all(freshness.of(snapshot, task) == "fresh" for task in tasks) else None


def is_unproved(snapshot: Snapshot, service: Service) -> bool:
    """Whether a service lacks tasks, its failed ones are no evidence any more, and none has stayed since.

    Whether their cause is over, only the next task tells, as where all are gone that were taken away.
    """
    moments = [stop.task.stopped for stop in _stops(snapshot, service) if stop.task.stopped]
    is_judged = any(stop.service is service for stop in fresh_stops(snapshot)) or makes_progress(snapshot, service)
    if is_judged or service.running >= service.desired:
        return False
    if not moments:
        return service.running == 0 and bool(stopped_on_purpose(snapshot, service))
    return not any(
        task.started
        and task.started > max(moments)
        and (task.is_running or (task.stopped or snapshot.taken) - task.started >= RIPE)
        for task in snapshot.tasks
        if task.owner == service.name
    )


def stopped_on_purpose(snapshot: Snapshot, service: Service) -> tuple[Task, ...]:
    """A service's tasks that a person or the state of the capacity stopped, newest first, as far as ECS lists them."""
    own = (task for task in snapshot.tasks if task.owner == service.name and task.stop_code in ON_PURPOSE)
    return tuple(sorted(own, key=lambda task: task.stopped or snapshot.taken, reverse=True))


def stale_stops(snapshot: Snapshot) -> tuple[Stop, ...]:
    """Failed tasks of the consumers that stopped before AWSCURRENT moved: their cause may be fixed."""
    since = _current_since(snapshot)
    return tuple(
        stop for service in snapshot.readers for stop in _stops(snapshot, service) if since and _is_before(stop, since)
    )


def stale_evidence(snapshot: Snapshot, service: Service) -> tuple[str, ...]:
    """A sentence on a service's stale stops; () where there are none."""
    since = _current_since(snapshot)
    stops = [stop for stop in stale_stops(snapshot) if stop.service is service]
    if not stops or since is None:
        return ()
    return (
        f"Stale evidence: {counted(len(stops), 'task')} stopped before AWSCURRENT last moved, at"
        f" {since:%Y-%m-%d %H:%M:%S} UTC; the cause may be fixed by now. {stops[0].sentence}",
    )


def stops_saying(snapshot: Snapshot, check: str) -> tuple[Stop, ...]:
    """Fresh stops whose reason is that of a check, and not about another secret or a parameter."""
    stops = (stop for stop in fresh_stops(snapshot) if reasons.says(stop.reason, check))
    return tuple(stop for stop in stops if not is_about_other(snapshot, stop))


def is_about_other(snapshot: Snapshot, stop: Stop) -> bool:
    """Whether a stop's reason names another secret, or a parameter, that its task definition or service refers to."""
    references = {each.reference for _, each in snapshot.other_references(snapshot.definition(stop.task))}
    references |= {each.reference for *_, each in snapshot.other_references_of(stop.service)}
    return any(reasons.mentions(stop.reason, name) for each in references for name in resources_of(each, snapshot))


def of_kind(snapshot: Snapshot, kinds: Iterable[Kind]) -> Iterator[tuple[Service, tuple[Stop, ...]]]:
    """The consumers that have fresh stops of some kinds, each with these, newest first."""
    stops = tuple(stop for stop in fresh_stops(snapshot) if stop.kind in kinds)
    for service in snapshot.readers:
        of_service = tuple(stop for stop in stops if stop.service is service)
        if of_service:
            yield service, of_service


def makes_progress(snapshot: Snapshot, service: Service) -> bool:
    """Whether a deployment in progress has a stable task and few failed ones."""
    primary, ripe = service.primary, snapshot.taken - RIPE
    if primary is None or primary.rollout != "IN_PROGRESS" or primary.failed >= MANY:
        return False
    new_tasks = (task for task in snapshot.running(service) if task.deployment_id == primary.id)
    return any(task.started is not None and task.started <= ripe for task in new_tasks)


def _stops(snapshot: Snapshot, service: Service) -> list[Stop]:
    log_lines = snapshot.log_lines or {}
    stops = [
        Stop(service, _without_sidecars(snapshot, task), log_lines.get(task.id, ()))
        for task in snapshot.stopped(service)
    ]
    return [stop for stop in stops if stop.kind != "replaced"]


def _without_sidecars(snapshot: Snapshot, task: Task) -> Task:
    """A task without the containers that may end while it goes on; before it starts, others may wait for these."""
    if task.started is None:
        return task
    spare = {container.name for container in snapshot.containers(task) if not container.essential}
    return replace(task, containers=tuple(entry for entry in task.containers if entry.name not in spare))


def _is_before(stop: Stop, moment: datetime) -> bool:
    return stop.task.stopped is not None and stop.task.stopped < moment


def _began_before(stop: Stop, moment: datetime) -> bool:
    """Whether a task began before a moment; it may have taken until after it to exit."""
    began = stop.task.created or stop.task.stopped
    return began is not None and began < moment


def _current_since(snapshot: Snapshot) -> datetime | None:
    since = freshness.current_since(snapshot)
    return since[0] if since else None


def _ending(container: TaskContainer) -> str:
    code = f"({container.name}: exit code {container.exit_code})" if container.exit_code else ""
    return " ".join(filter(None, (container.reason, code)))


def _is_whole(service: Service) -> bool:
    """Whether a service's deployment is complete, was not rolled back, and all desired tasks run.

    Where another controller deploys, there is no deployment, and only the tasks count.
    """
    primary = service.primary
    # Where ECS did not tell of its end, a deployment that is alone has ended.
    is_alone = primary is not None and not primary.rollout and len(service.deployments) == 1
    is_deployed = primary is None or primary.rollout == "COMPLETED" or is_alone
    return is_deployed and service.running >= service.desired > 0 and not service.rolled_back


def _well_since(snapshot: Snapshot, service: Service) -> datetime | None:
    """When a service became whole, or the newest of tasks outside a service started that has not failed."""
    if service.is_family:
        well = (task for task in snapshot.tasks if task.owner == service.name and not task.has_failed)
        return max((task.started for task in well if task.started), default=None)
    return service.primary.updated if service.primary and _is_whole(service) else None


def _shorten(text: str, head: int = 80, tail: int = 200) -> str:
    """Cut the middle out: ECS writes the failed stage first and the cause last."""
    flat = " ".join(text.split())
    return flat if len(flat) <= head + tail else f"{flat[:head]}…{flat[-tail:]}"
