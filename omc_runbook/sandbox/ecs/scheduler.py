"""The service scheduler: how many tasks of which deployment to start and stop, one service at a time.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
"""

import math
import time
from typing import Any

from omc_runbook.sandbox.ecs import placement, tasks, traffic
from omc_runbook.sandbox.ecs.service_deployments import CLOCK
from omc_runbook.sandbox.ecs.services import (
    EcsDeployment,
    EcsService,
    add_event,
    breaker_trips,
    complete,
    fail,
    go_back,
    last_completed,
    primary,
    task_limits,
    trip,
)
from omc_runbook.sandbox.ecs.tasks import EcsTask

_LONG_SECONDS = 10.0
_LONG_BAKE_MINUTES = 60


def reconcile(service: EcsService) -> None:
    """Bring a service one step closer to its desired state, and update its counts, state and events."""
    service_tasks = tasks.of_service(service)
    if service.is_deployed_by_ecs:
        _deploy(service, service_tasks)
    else:
        _scale_task_sets(service, service_tasks)
    service_tasks = tasks.of_service(service)
    service.running_count = placement.count_running(service_tasks)
    service.pending_count = len([t for t in service_tasks if tasks.is_live(t)]) - service.running_count
    if service.status == "DRAINING" and not service_tasks:
        service.status = "INACTIVE"


def keeps_failing(service: EcsService) -> bool:
    """Whether the tasks of a service's newest deployment keep failing, or the deployment has failed."""
    current = primary(service)
    return current is not None and (current.failures >= 3 or current.state == "FAILED")


def is_waiting(service: EcsService) -> bool:
    """Whether a service's deployment waits for a person, or for longer than a person would watch it."""
    ongoing = service.ongoing
    return ongoing is not None and not ongoing.is_rolling_back and ongoing.waiting_seconds > _LONG_SECONDS


def rests(service: EcsService) -> bool:
    """Whether a service has reached its desired state, keeps failing with nothing to stop it, or waits for long."""
    current = primary(service)
    if service.status != "ACTIVE":
        return service.status == "INACTIVE"
    if current is not None and current.is_blocked and placement.needs_instances(service):
        return True
    if current is not None and current.rollout_state == "IN_PROGRESS":
        return current.failed_tasks > 0 and not service.breaker.enabled
    if current is not None and (current.rollout_state == "FAILED" or _pauses(service)):
        return True
    return len(service.deployments) <= 1 and service.running_count == service.desired_count


def _pauses(service: EcsService) -> bool:
    """Whether a service's deployment waits for a person, or for the end of a long bake time."""
    ongoing = service.ongoing
    if ongoing is None or ongoing.strategy == "ROLLING":
        return False
    is_baking = ongoing.lifecycle_stage == "BAKE_TIME" and ongoing.status == "IN_PROGRESS"
    return any(hook.status == "AWAITING_ACTION" for hook in ongoing.open_hooks) or (
        is_baking and ongoing.deployment_configuration["bakeTimeInMinutes"] >= _LONG_BAKE_MINUTES
    )


def _deploy(service: EcsService, service_tasks: list[EcsTask]) -> None:
    current, ongoing = primary(service), service.ongoing
    if current is None:
        return
    if ongoing is not None and ongoing.status == "PENDING":
        ongoing.start()
    if ongoing is not None and ongoing.status == "ROLLBACK_REQUESTED":
        reason = ongoing.status_reason or ""
        fail(service, current, reason)
        go_back(service, reason)
        return
    if ongoing is None or ongoing.strategy == "ROLLING" or ongoing.is_rolling_back:
        _roll(service, current, service_tasks)
    else:
        service.is_steady = False
        traffic.shift(service, current, ongoing, service_tasks)


def _roll(service: EcsService, current: EcsDeployment, service_tasks: list[EcsTask]) -> None:
    if breaker_trips(service, current):
        trip(service, current)
        current = primary(service) or current
    live = [task for task in service_tasks if tasks.is_live(task)]
    new = placement.of_deployment(live, current)
    old = [task for task in live if task not in new]
    _start(service, current, new, live)
    _stop(service, current, new, old)
    _settle(service, current, tasks.of_service(service))


def _start(service: EcsService, current: EcsDeployment, new: list[EcsTask], live: list[EcsTask]) -> None:
    if current.state == "FAILED" or time.monotonic() < current.next_start:
        return
    lowest, highest = task_limits(service)
    missing = service.desired_count - len(new)
    if placement.needs_instances(service):
        placement.start(service, current, missing)
        return
    room = highest - len(live)
    is_blocked = missing > 0 and room <= 0 and len(live) <= lowest and len(live) > len(new)
    if is_blocked and not current.is_blocked:
        add_event(
            service,
            "was unable to stop or start tasks during a deployment because of the service deployment "
            "configuration. Update the minimumHealthyPercent or maximumPercent value and try again.",
        )
    current.is_blocked = is_blocked
    placement.start(service, current, min(missing, room))


def _stop(service: EcsService, current: EcsDeployment, new: list[EcsTask], old: list[EcsTask]) -> None:
    surplus = sorted(new, key=tasks.is_healthy)[: max(len(new) - service.desired_count, 0)]
    failed = current.state == "FAILED"
    minimum = service.desired_count if failed else task_limits(service)[0]
    spare = len([t for t in (*new, *old) if tasks.is_healthy(t)]) - minimum
    # An unhealthy task can stop at once, healthy ones only as the minimum allows.
    idle = [task for task in old if not tasks.is_healthy(task) and not failed]
    serving = [task for task in old if tasks.is_healthy(task)]
    surplus += idle + serving[: max(spare, 0)]
    placement.stop(service, current, surplus)


def _settle(service: EcsService, current: EcsDeployment, service_tasks: list[EcsTask]) -> None:
    live = [task for task in service_tasks if tasks.is_live(task)]
    # It stays for a rollback.
    earlier = last_completed(service, current) if current.state == "IN_PROGRESS" else None
    for deployment in list(service.deployments):
        placement.count(deployment, live, service.desired_count if deployment is current else None)
        its_tasks = placement.of_deployment(live, deployment)
        if deployment not in (current, earlier) and not its_tasks:
            service.deployments.remove(deployment)
    ready = [task for task in live if tasks.is_healthy(task) and task.started_by == current.id]
    ending = [task for task in service_tasks if task.desired_status == "STOPPED"]
    is_steady = not ending and len(live) == len(ready) == service.desired_count
    if current.state == "IN_PROGRESS" and _has_succeeded(service, current, ready, service_tasks, is_steady):
        complete(service, current)
        # Tasks of earlier revisions may be left to the background.
        service.deployments = [each for each in service.deployments if each is current or each.desired_count]
    if is_steady and not service.is_steady:
        add_event(service, "has reached a steady state.")
    service.is_steady = is_steady


def _has_succeeded(
    service: EcsService, current: EcsDeployment, ready: list[EcsTask], service_tasks: list[EcsTask], is_steady: bool
) -> bool:
    """Whether a rolling update has what it needs to succeed, and has had it for the bake time of its alarms.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/early-success-criteria.html
    """
    configuration = service.deployment_configuration
    criteria = configuration.get("earlySuccessCriteria") or {}
    has_enough = is_steady
    if criteria.get("enable") and not current.is_rollback:
        has_enough = len(ready) >= math.ceil(service.desired_count * criteria["healthyPercent"] / 100)
        if criteria["sourceServiceRevisionCleanup"] == "BLOCKING":
            has_enough = has_enough and not any(task.started_by != current.id for task in service_tasks)
    if not has_enough:
        current.enough_since = None
        return False
    current.enough_since = current.enough_since or time.monotonic()
    has_alarms = (configuration.get("alarms") or {}).get("enable") and not current.is_rollback
    bake_minutes = configuration.get("bakeTimeInMinutes", 0) if has_alarms else 0
    return time.monotonic() - current.enough_since >= CLOCK.seconds(bake_minutes)


def _scale_task_sets(service: EcsService, service_tasks: list[EcsTask]) -> None:
    task_sets: list[Any] = service.task_sets
    ids = {task_set.id for task_set in task_sets}
    for task in service_tasks:
        if tasks.is_live(task) and task.started_by not in ids:
            tasks.mark_stopping(task, "ServiceSchedulerInitiated", "Scaling activity initiated by the service")
    for task_set in task_sets:
        own = [task for task in service_tasks if tasks.is_live(task) and task.started_by == task_set.id]
        count = round(service.desired_count * task_set.scale.get("value", 100.0) / 100)
        if len(own) < count:
            tasks.accept(
                service.backend,
                service.cluster_name,
                task_set.task_definition,
                group=f"service:{service.name}",
                started_by=task_set.id,
                network=task_set.network_configuration or service.network_configuration or None,
                execute=service.enable_execute_command,
            )
        for task in own[count:]:
            tasks.mark_stopping(task, "ServiceSchedulerInitiated", f"Scaling activity initiated by {task_set.id}")
        task_set.computed_desired_count = count
        task_set.running_count = placement.count_running(own)
        task_set.pending_count = len(own) - task_set.running_count
        ready = len([task for task in own if tasks.is_healthy(task)])
        task_set.stabilityStatus = "STEADY_STATE" if ready == len(own) == count else "STABILIZING"
    service.is_steady = all(t.stabilityStatus == "STEADY_STATE" for t in task_sets)
