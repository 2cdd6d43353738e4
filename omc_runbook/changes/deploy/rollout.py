"""Roll-outs: new tasks for all services at once, and what ECS shows of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Thread, current_thread
from types import MappingProxyType
from typing import Literal, Protocol

from omc_runbook.aws import deployments, ecs
from omc_runbook.aws.deployments import ServiceDeployment
from omc_runbook.aws.ecs import Deployment, Service, Task
from omc_runbook.aws.failures import ReadFailure, attempt, look
from omc_runbook.aws.session import Clients
from omc_runbook.checks import remedies
from omc_runbook.checks.stopped_tasks import Stop
from omc_runbook.model.arn import name_in
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.letters import as_sentence, counted

State = Literal[
    "waiting", "rolling", "paused", "done", "failed", "rolled-back", "overtaken", "not-started", "gone", "unknown"
]

PROVED: frozenset[State] = frozenset({"done", "gone"})
FAILURES: frozenset[State] = frozenset({"failed", "rolled-back"})
OPEN: frozenset[State] = frozenset({"paused", "unknown"})
"""The states of a deployment that another run should look at."""
GONE = "It was deleted meanwhile."

PARALLEL = 8
HISTORY = timedelta(days=30)
"""How far back deployments tell how long one usually takes."""
_CONTROLLED = {
    "CODE_DEPLOY": "CodeDeploy replaces its tasks: start a deployment there, not in ECS.",
    "EXTERNAL": "An external controller replaces its tasks: create a task set there, not a deployment in ECS.",
    ecs.EXPRESS: "An Express service takes UpdateExpressGatewayService, not a deployment by UpdateService.",
}
NO_REVISIONS: Mapping[str, str] = MappingProxyType({})
TRIES = 3
"""How many tasks may fail while none runs, where the circuit breaker allows more or is off: its own least threshold."""


@dataclass(frozen=True)
class Rollout:
    """The roll-out of one service; `running` counts the tasks of our deployment.

    A service that cannot be redeployed (desiredCount 0, another deployment controller) is "not-started", one that was
    deleted meanwhile is "gone". "paused" waits for a person; "unknown" is one about which ECS does not say enough.
    """

    service: str
    deployment_id: str
    revision: str
    state: State
    desired: int
    running: int = 0
    reason: str = ""
    """Why it failed, was overtaken, was not started, waits or is gone: in sentences."""
    is_back: bool = False
    """Whether it is part of a rollback."""
    arn: str = ""
    """The ARN of the service deployment, once it is known; its own lifecycle is followed only by that."""
    began: datetime | None = None
    """When ECS created the deployment."""
    bake: timedelta = timedelta()
    """How long ECS waits after new tasks run, by the service's configuration."""
    progress: str = ""
    """The stage and the share of the traffic, where the service is not simply rolled."""
    undoes: bool = False
    """Whether ECS takes our deployment back to the tasks before it, instead of starting another."""
    is_stopped: bool = False
    """Whether it is this run that stopped the deployment that is undone."""
    was_underway: bool = False
    """Whether the deployment had begun before this run, with the current values."""
    is_plain: bool = False
    """Whether DescribeServices alone told how its service's deployments go, before it began."""
    replaces: tuple[str, ...] = ()
    """The deployments that somebody else began after the plan was made, and before ours."""
    theirs: str = ""
    """The task definition that its service was given instead of ours, where it was overtaken."""
    failures: int = 0
    """How many of its tasks have failed."""
    others: int = 0
    """How many tasks of other deployments run in its service."""
    usual: timedelta | None = None
    """How long deployments of its service have taken lately."""
    took: timedelta | None = None
    """How long it took, once it is over."""
    environment: str = ""
    """The environment that it is in, where a change's state has it."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.state not in ("waiting", "rolling", "paused")

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
    label = name_in(service.task_definition_arn)
    reason = ""
    if service.controller != "ECS":
        reason = _CONTROLLED.get(service.controller, f"{service.controller} replaces its tasks.")
    elif service.desired == 0:
        reason = "Its desiredCount is 0: no task runs to verify the values; the next one that starts reads them."
    elif not service.has_room:
        reason = (
            f"minimumHealthyPercent {service.minimum_healthy_percent} and maximumPercent {service.maximum_percent} let"
            " ECS neither start a new task nor stop an old one: change one of them, then run again."
        )
    state: State = "not-started" if reason else "waiting"
    return Rollout(service.name, "", label, state, service.desired, 0, reason, bake=service.configuration.bake)


def started_and_watched(services: Iterable[Service], underway: Collection[str]) -> tuple[list[str], list[str]]:
    """The names of those that a plan would start new tasks of, and of those whose deployment under way it watches.

    One that gets no new task is in neither.
    """
    names = [service.name for service in services if not expected(service).is_over]
    return [name for name in names if name not in underway], [name for name in names if name in underway]


def start_sentences(services: Iterable[Service], underway: Collection[str] = ()) -> tuple[str, ...]:
    """The services that a plan would start new tasks of, in a sentence, and one for each that gets none.

    `underway` are the names of those of which it only watches the present deployment: they have a sentence, too.
    """
    services = tuple(services)
    names, watched = (", ".join(each) for each in started_and_watched(services, underway))
    without = tuple(f"{each.service} gets none: {each.reason}" for each in map(expected, services) if each.is_over)
    started = (f"New tasks would be started: {names}.",) if names else ()
    return (*started, *without, *((f"Deployments under way would be watched: {watched}.",) if watched else ()))


def say_not_deployed(service: str, revision: str) -> str:
    """That a plan starts tasks of another revision of a service than the one that ECS rolled back, as a sentence."""
    return (
        f"ECS rolled {revision} of {service} back, and this does not deploy it: do so once nothing keeps its tasks from"
        " running."
    )


def begin(
    clients: Clients,
    cluster: str,
    services: Sequence[Service],
    revisions: Mapping[str, str] = NO_REVISIONS,
    underway: frozenset[str] = frozenset(),
    undo: Sequence[Rollout] = (),
) -> Iterator[Rollout]:
    """Force a new deployment of every service that ECS deploys, all at once; a refused call is a failed roll-out.

    Roll-outs are yielded in the order of their services. Where a call raises CouldNotLook, and where somebody
    interrupts, the calls that are out are awaited, and those that began a deployment are yielded before.

    `revisions` has the ARN of a new revision by service name, which is set even if desiredCount is 0, but only in the
    place of the service's own or of that in `undo`: one that somebody else has set since stays. Services in
    `underway` have a deployment already that is followed. Roll-outs in `undo` are stopped instead, where their service
    deployment is known and has not succeeded. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html and
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html
    """
    clients("ecs")
    forward = {rollout.service: rollout for rollout in undo}
    stoppable = {name: rollout for name, rollout in forward.items() if rollout.arn and rollout.state != "done"}

    begun, threads = dict[int, Rollout](), list[Thread]()

    def start(number: int, service: Service) -> Rollout:
        # An interrupt may come before the caller has its future, and before the pool knows of its thread.
        threads.append(current_thread())
        begun[number] = rollout = begin_one(service)
        return rollout

    def begin_one(service: Service) -> Rollout:
        revision_arn, primary = revisions.get(service.name, ""), service.primary
        if service.name in underway and primary:
            return _follow(service, primary)
        if revision_arn and (
            overtaken := _overtaken(clients, cluster, service, revision_arn, forward.get(service.name))
        ):
            return overtaken
        if service.name in stoppable:
            return _undo(clients, cluster, service, stoppable[service.name], revision_arn)
        return _begin(clients, cluster, service, revision_arn)

    with ThreadPoolExecutor(PARALLEL, "redeploy") as pool:
        yielded = 0
        try:
            for call in [pool.submit(start, number, service) for number, service in enumerate(services)]:
                rollout = call.result()
                yielded += 1
                yield rollout
        except (CouldNotLook, KeyboardInterrupt):
            pool.shutdown(cancel_futures=True)
            for thread in threads:
                thread.join()
            yield from (rollout for number, rollout in sorted(begun.items()) if number >= yielded)
            raise


def judge(rollout: Rollout, service: Service | None, stopped: Sequence[Task], unread: str = "") -> Rollout:
    """The new state of a roll-out, from its service and the stopped tasks.

    It fails when ECS ends it, or when as many of its tasks have failed as the circuit breaker allows; the first one
    alone may be replaced by one that runs. A roll-out that is done can still fail, by tasks that stop while others are
    watched. `unread` says why the service's deployments could not be read, "" where they were.
    """
    if rollout.is_over and rollout.state != "done":
        return rollout
    if service is None:
        return replace(rollout, state="gone", reason=GONE)
    if rollout.undoes:
        return _judge_return(rollout, service, unread)
    deployment, own = _own_deployment(rollout, service), own_service_deployment(rollout, service)
    running = deployment.running if deployment else 0
    is_followed = own is not None and not service.has_rollout_state
    rollout = replace(
        rollout,
        desired=service.desired,
        running=running,
        others=max(service.running - running, 0),
        arn=own.arn if own and is_followed else rollout.arn,
        progress=own.progress if own and is_followed else "",
    )

    failed = [task for task in stopped if task.deployment_id == rollout.deployment_id and task.has_failed]
    is_new = len(failed) > rollout.failures
    rollout = replace(rollout, failures=len(failed))
    if failed and len(failed) >= _allowed_failures(service, running):
        return replace(rollout, state="failed", reason=Stop(service, failed[0]).sentence)
    if own and own.is_rolled_back:
        reason = own.why or f"ECS rolled it back: it is {own.status}."
        return replace(rollout, state="rolled-back", reason=_with_task(reason, service, failed))
    if rollout.state == "done" and not is_new:
        return rollout
    if deployment is None and _is_from_before(rollout, service):
        return replace(rollout, state="rolling", reason="")
    is_primary = deployment is not None and deployment.status == "PRIMARY"
    if not is_primary and not _is_latest(rollout, own, service):
        return _judge_replaced(rollout, service, deployment, failed)
    if deployment is None:
        return replace(rollout, state="rolling", reason="")
    return _judge_deployment(rollout, service, deployment, own, failed, unread)


def _judge_replaced(
    rollout: Rollout, service: Service, deployment: Deployment | None, failed: Sequence[Task]
) -> Rollout:
    """The state of a roll-out that ECS, or somebody, has replaced by another."""
    if service.rolled_back:
        reason = (deployment.rollout_reason if deployment else "") or "The circuit breaker rolled it back."
        return replace(rollout, state="rolled-back", reason=_with_task(reason, service, failed))
    other = service.primary
    which = other.id if other else "another"
    label = name_in(other.task_definition_arn if other else service.task_definition_arn)
    details = f", at {other.created:%H:%M:%S} UTC with {label}" if other else ""
    reason = (
        f"Somebody else's deployment {which} replaced ours, {rollout.deployment_id}{details}."
        " Its tasks read what was current when they started: run rotate with values_from keep."
    )
    return replace(rollout, state="overtaken", reason=reason, theirs="" if label == rollout.revision else label)


def _judge_deployment(
    rollout: Rollout,
    service: Service,
    deployment: Deployment,
    own: ServiceDeployment | None,
    failed: Sequence[Task],
    unread: str,
) -> Rollout:
    """The state of a roll-out whose deployment is the service's own latest."""

    def with_state(state: State, reason: str) -> Rollout:
        return replace(rollout, state=state, reason=reason)

    revision = name_in(deployment.task_definition_arn)
    if deployment.rollout == "FAILED":
        reason = deployment.rollout_reason or f"Its deployment is {own.status if own else 'FAILED'}."
        return with_state("failed", _with_task(reason, service, failed))
    if service.desired == 0:
        return with_state("not-started", "Its desiredCount was set to 0 meanwhile.")
    if revision != rollout.revision:
        return with_state("failed", f"It runs {revision} instead.")
    if own and own.pause:
        return with_state("paused", _wait_for(own))
    if unread and not deployment.rollout:
        strategy = service.configuration.strategy
        return with_state("unknown", f"{unread} Without that nobody can tell how a {strategy} deployment goes.")
    is_complete = deployment.rollout == "COMPLETED" and deployment.running == service.running == service.desired
    if service.ended_early:
        older = ", older tasks still run" if rollout.others else ""
        rollout = replace(rollout, progress=f"counts as successful early{older}")
    notes = [_with_task(f"{counted(len(failed), 'task')} failed:", service, failed)] if failed else []
    if rollout.replaces:
        others = ", ".join(rollout.replaces)
        notes.insert(0, f"It replaced {others}, which somebody else began at the same time.")
    return with_state("done" if is_complete else "rolling", " ".join(notes))


def _allowed_failures(service: Service, running: int) -> int:
    """How many failed tasks end a roll-out: ECS tries again until then, and a later task may succeed."""
    breaker = service.configuration.breaker
    threshold = breaker.threshold(service.desired) if breaker.enabled else TRIES
    return threshold if running else min(threshold, TRIES)


def _with_task(reason: str, service: Service, failed: Sequence[Task]) -> str:
    """A reason, with why the first of the failed tasks stopped."""
    return " ".join((reason, *(Stop(service, task).sentence for task in failed[:1])))


def runs_only_ours(rollout: Rollout, running: Sequence[Task] | None) -> bool:
    """Whether exactly the desired number of tasks runs, all of our deployment."""
    deployment_ids = [
        task.deployment_id for task in running or () if task.service == rollout.service and task.is_running
    ]
    return deployment_ids == [rollout.deployment_id] * rollout.desired and rollout.desired > 0


def confirm_return(rollout: Rollout, service: Service | None, running: Sequence[Task] | None) -> Rollout:
    """A roll-out that undoes ours, confirmed by its running tasks: none of ours, and each read the former values.

    Tasks that were there before our deployment did; so did those that ECS started after this run had stopped it.
    """
    own = own_service_deployment(rollout, service) if service else None
    tasks = [task for task in running or () if task.service == rollout.service and task.is_running]
    if running is None or own is None or any(task.deployment_id == rollout.deployment_id for task in tasks):
        return replace(rollout, state="rolling")
    returned = own.rollback_started if rollout.is_stopped else None
    doubtful = [task for task in tasks if not _is_former(task, rollout.began, returned)]
    if doubtful:
        count = counted(len(doubtful), "task")
        reason = f"{count} started while the other values were current: force a new deployment."
        return replace(rollout, state="failed", reason=reason)
    return rollout if len(tasks) == rollout.desired else replace(rollout, state="rolling")


def own_service_deployment(rollout: Rollout, service: Service) -> ServiceDeployment | None:
    """The service deployment of a roll-out, where it was read."""
    return next((each for each in service.service_deployments if each.deployment_id == rollout.deployment_id), None)


def _own_deployment(rollout: Rollout, service: Service) -> Deployment | None:
    return next((each for each in service.deployments if each.id == rollout.deployment_id), None)


def _is_from_before(rollout: Rollout, service: Service) -> bool:
    """Whether nothing in an answer is newer than our deployment: ECS may describe a service as it was a while ago.

    See the eventual consistency in https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html
    """
    moments = (*(each.created for each in service.deployments), *(event.time for event in service.events))
    return rollout.began is not None and all(moment < rollout.began for moment in moments)


def _is_latest(rollout: Rollout, own: ServiceDeployment | None, service: Service) -> bool:
    """Whether our service deployment goes on or has succeeded, and no other has begun since.

    It was read at another moment than the service, and need not be PRIMARY before it has all the traffic.
    """
    primary = service.primary
    has_successor = primary is not None and rollout.began is not None and primary.created > rollout.began
    return own is not None and (own.is_underway or own.has_succeeded) and not has_successor


def _wait_for(own: ServiceDeployment) -> str:
    """That a deployment waits for a person, until when, and the command that continues it."""
    hook = own.pause
    assert hook is not None, "only of one that waits"
    until = f" until {hook.expires:%Y-%m-%d %H:%M} UTC, then ECS does: {hook.timeout_action}" if hook.expires else ""
    go_on = remedies.continue_deployment(own.region, own.arn, hook.id).command
    return (
        f"It waits at {own.stage} for a person{until}. To go on: {go_on} (or"
        " --action ROLLBACK). Tasks of the old revision need the old value until it has ended: run again after that,"
        " to verify."
    )


def _is_former(task: Task, began: datetime | None, returned: datetime | None) -> bool:
    if task.created is None or began is None:
        return False
    return task.created < began or (returned is not None and task.created >= returned)


def _judge_return(rollout: Rollout, service: Service, unread: str) -> Rollout:
    """The new state of a roll-out that undoes ours."""
    own = own_service_deployment(rollout, service)
    if own is None:
        return replace(rollout, state="unknown", reason=unread) if unread else rollout
    deployment, primary = _own_deployment(rollout, service), service.primary
    label = name_in(primary.task_definition_arn) if primary else rollout.revision
    rollout = replace(rollout, desired=service.desired, running=service.running, progress=own.progress)
    if own.status == "ROLLBACK_FAILED":
        return replace(rollout, state="failed", reason=own.why or "ECS could not roll its deployment back.")
    if service.desired == 0:
        return replace(rollout, state="not-started", reason="Its desiredCount was set to 0 meanwhile.")
    has_ended = own.status in ("ROLLBACK_SUCCESSFUL", "STOPPED")
    is_back = label == rollout.revision and (deployment is None or deployment.running == 0)
    return replace(rollout, state="done" if has_ended and is_back else "rolling")


def _follow(service: Service, primary: Deployment) -> Rollout:
    rollout = replace(
        expected(service),
        deployment_id=primary.id,
        began=primary.created,
        was_underway=True,
        is_plain=service.has_rollout_state,
    )
    return rollout if rollout.is_over else replace(rollout, state="rolling")


def _overtaken(
    clients: Clients, cluster: str, service: Service, revision_arn: str, forward: Rollout | None
) -> Rollout | None:
    """A roll-out that does not begin: the service has got another task definition since; None where it has not."""
    read = partial(ecs.describe_services, clients("ecs"), cluster, [service.name])
    answer = attempt(f"service {service.name}", "ecs:DescribeServices", read)
    if isinstance(answer, ReadFailure):
        return replace(expected(service), state="failed", reason=answer.sentence)
    known = {name_in(service.task_definition_arn), name_in(revision_arn), forward.revision if forward else ""}
    for now in answer:
        if (label := name_in(now.task_definition_arn)) not in known:
            reason = f"{deployer_of(now)} {label} since: it stays, and was not replaced by {name_in(revision_arn)}"
            return replace(expected(now), state="overtaken", reason=as_sentence(reason), theirs=label)
    return None


def deployer_of(service: Service) -> str:
    """Who has given a service another task definition than a run: what a sentence about that begins with."""
    return "ECS has returned to" if service.rolled_back else "somebody else has deployed"


def _with_other(deployment: Deployment, revision: str) -> str:
    """A deployment's id, with its task definition where that is another than ours."""
    label = name_in(deployment.task_definition_arn)
    return deployment.id if label == revision else f"{deployment.id} with {label}"


def _undo(clients: Clients, cluster: str, service: Service, forward: Rollout, revision_arn: str) -> Rollout:
    """Stop our deployment, so that ECS returns to the tasks before it; force a new one where that is refused."""
    label = name_in(revision_arn) or forward.revision
    rollout = replace(
        forward, state="rolling", revision=label, reason="", undoes=True, is_stopped=forward.state != "rolled-back"
    )
    if not rollout.is_stopped:
        return rollout
    stop = partial(deployments.stop_service_deployment, clients("ecs"), forward.arn)
    answer = attempt(f"the deployment {forward.deployment_id} of {service.name}", "ecs:StopServiceDeployment", stop)
    # It is refused without the permission, and where it has ended since it was last looked at.
    return _begin(clients, cluster, service, revision_arn) if isinstance(answer, ReadFailure) else rollout


def _begin(clients: Clients, cluster: str, service: Service, revision_arn: str) -> Rollout:
    rollout = expected(service)
    if rollout.is_over and not revision_arn:
        return rollout
    known = {each.id for each in service.deployments}
    deploy = partial(ecs.force_new_deployment, clients("ecs"), cluster, service.name, known, revision_arn)
    answer = attempt(f"service {service.name}", "ecs:UpdateService", deploy)
    if isinstance(answer, ReadFailure):
        if answer.code in ("ServiceNotFoundException", "ServiceNotActiveException"):
            return replace(rollout, state="gone", reason=GONE)
        return replace(rollout, state="failed", reason=answer.sentence_for("redeploy"))
    # The revision is read from the deployment: somebody may have changed the service since the plan was made.
    deployment, others = answer
    revision = name_in(deployment.task_definition_arn)
    state: State = rollout.state if rollout.is_over else "rolling"
    return replace(
        rollout,
        state=state,
        deployment_id=deployment.id,
        revision=revision,
        began=deployment.created,
        replaces=tuple(_with_other(each, revision) for each in others if each.id not in known),
        is_plain=service.has_rollout_state,
        others=service.running,
        usual=_usual_duration(clients, cluster, service),
    )


def _usual_duration(clients: Clients, cluster: str, service: Service) -> timedelta | None:
    """How long its deployments have taken lately; None where that cannot be read, which harms nothing.

    The events of a service that is simply rolled say it of the last one, without another call and permission.
    """
    if service.has_rollout_state:
        return service.last_duration
    since = datetime.now(UTC) - HISTORY
    read = partial(deployments.list_service_deployments, clients("ecs"), cluster, service.name, since)
    answer = look(f"the service deployments of {service.name}", "ecs:ListServiceDeployments", read)
    return None if isinstance(answer, ReadFailure) else deployments.usual_duration(answer)
