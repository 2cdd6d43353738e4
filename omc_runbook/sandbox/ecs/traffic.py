"""Deployments of the strategies BLUE_GREEN, LINEAR and CANARY: their lifecycle stages, hooks and traffic.

Nothing routes traffic here: the weights are what ECS would tell its load balancer.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
"""

import math
import time
from datetime import UTC, datetime
from typing import Any

from omc_runbook.sandbox.ecs import placement, tasks
from omc_runbook.sandbox.ecs.service_deployments import FAILING_HOOK, EcsServiceDeployment, Stage
from omc_runbook.sandbox.ecs.services import EcsDeployment, EcsService, breaker_trips, complete, last_completed, trip
from omc_runbook.sandbox.ecs.tasks import EcsTask

_BEFORE = ("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT")
_STEP_PERCENT, _STEP_BAKE_MINUTES = 10.0, 6
_CANARY_PERCENT, _CANARY_BAKE_MINUTES = 5.0, 10


def shift(
    service: EcsService, target: EcsDeployment, ongoing: EcsServiceDeployment, service_tasks: list[EcsTask]
) -> None:
    """Bring a deployment one step closer to its end, or to its rollback."""
    if breaker_trips(service, target):
        trip(service, target)
        return
    source = last_completed(service, target)
    if not ongoing.stages:
        is_first = source is None
        ongoing.stages = plan(ongoing.deployment_configuration, is_first, len(ongoing.source_revision_arns) > 1)
        ongoing.enter(ongoing.stages[0])
    _scale(service, target, source, ongoing, service_tasks)
    if _await_hooks(ongoing) and _is_over(service, target, source, ongoing, tasks.of_service(service)):
        del ongoing.stages[0]
        if ongoing.stages:
            ongoing.enter(ongoing.stages[0])
        else:
            complete(service, target)
            service.deployments = [target]


def plan(configuration: dict[str, Any], is_first: bool, is_overtaking: bool) -> list[Stage]:
    """The stages of a deployment; the first of a service has no source to shift from, and bakes nothing."""
    stages = [Stage(name="RECONCILE_SERVICE")] if is_overtaking else []
    stages += [Stage(name=name) for name in _BEFORE]
    for weight, bake_minutes in [(100.0, 0.0)] if is_first else _steps(configuration):
        stages.append(Stage(name="PRE_PRODUCTION_TRAFFIC_SHIFT"))
        stages.append(Stage(name="PRODUCTION_TRAFFIC_SHIFT", weight=weight, bake_minutes=bake_minutes))
    bake_minutes = 0 if is_first else configuration.get("bakeTimeInMinutes", 0)
    stages.append(Stage(name="POST_PRODUCTION_TRAFFIC_SHIFT"))
    stages.append(Stage(name="BAKE_TIME", bake_minutes=bake_minutes))
    stages.append(Stage(name="CLEAN_UP"))
    return stages


def _steps(configuration: dict[str, Any]) -> list[tuple[float, float]]:
    """The percentages that the target gets one after the other, and how long each but the last is baked."""
    if configuration["strategy"] == "LINEAR":
        linear = configuration.get("linearConfiguration") or {}
        percent = linear.get("stepPercent", _STEP_PERCENT)
        bake_minutes = linear.get("stepBakeTimeInMinutes", _STEP_BAKE_MINUTES)
        weights = [min(percent * step, 100.0) for step in range(1, math.ceil(100 / percent) + 1)]
        return [(weight, bake_minutes if weight < 100 else 0.0) for weight in weights]
    if configuration["strategy"] == "CANARY":
        canary = configuration.get("canaryConfiguration") or {}
        percent = canary.get("canaryPercent", _CANARY_PERCENT)
        return [(percent, canary.get("canaryBakeTimeInMinutes", _CANARY_BAKE_MINUTES)), (100.0, 0.0)]
    return [(100.0, 0.0)]


def _scale(
    service: EcsService,
    target: EcsDeployment,
    source: EcsDeployment | None,
    ongoing: EcsServiceDeployment,
    service_tasks: list[EcsTask],
) -> None:
    """Keep as many tasks of each revision as the stage asks for."""
    stage = ongoing.stages[0].name
    is_scaled_up = stage not in ("RECONCILE_SERVICE", "PRE_SCALE_UP")
    desired = {target.id: service.desired_count if is_scaled_up else 0}
    if source is not None:
        desired[source.id] = 0 if stage == "CLEAN_UP" else service.desired_count
    live = [task for task in service_tasks if tasks.is_live(task)]
    for deployment in list(service.deployments):
        its_tasks = placement.of_deployment(live, deployment)
        missing = desired.get(deployment.id, 0) - len(its_tasks)
        if missing > 0 and time.monotonic() >= deployment.next_start:
            placement.start(service, deployment, missing)
        if missing < 0:
            # The healthy ones are the last to stop.
            placement.stop(service, target, sorted(its_tasks, key=tasks.is_healthy)[:-missing])
    live = [task for task in tasks.of_service(service) if tasks.is_live(task)]
    for deployment in list(service.deployments):
        placement.count(deployment, live, desired.get(deployment.id, 0))
        if deployment.id not in desired and not placement.of_deployment(live, deployment):
            service.deployments.remove(deployment)


def _await_hooks(ongoing: EcsServiceDeployment) -> bool:
    """Let hooks answer or time out; whether the deployment may go on."""
    for hook in ongoing.open_hooks:
        if hook.target_type == "AWS_LAMBDA":
            hook.status = "FAILED" if (hook.target_arn or "").endswith(f":{FAILING_HOOK}") else "SUCCEEDED"
            if hook.status == "FAILED":
                ongoing.request_rollback(
                    f"Service deployment rolled back because {hook.stage} lifecycle hook(s) failed. "
                    f"Lifecycle hook target {hook.target_arn} returned FAILED status."
                )
        elif datetime.now(UTC) >= hook.expires_at:
            hook.status = "TIMED_OUT"
            if hook.timeout_action == "ROLLBACK":
                ongoing.request_rollback(
                    f"Service deployment rolled back because {hook.stage} lifecycle hook(s) timed out."
                )
    return not ongoing.open_hooks and ongoing.status == "IN_PROGRESS"


def _is_over(
    service: EcsService,
    target: EcsDeployment,
    source: EcsDeployment | None,
    ongoing: EcsServiceDeployment,
    service_tasks: list[EcsTask],
) -> bool:
    """Do what the stage is for; whether that is done."""
    stage = ongoing.stages[0]
    if stage.name == "RECONCILE_SERVICE":
        ids = {target.id} | ({source.id} if source else set())
        return not any(task.started_by not in ids for task in service_tasks)
    if stage.name == "SCALE_UP":
        healthy = [task for task in placement.of_deployment(service_tasks, target) if tasks.is_healthy(task)]
        return len(healthy) >= service.desired_count
    if stage.name == "TEST_TRAFFIC_SHIFT":
        ongoing.test_weight = 100.0
    if stage.weight is not None:
        ongoing.weight = stage.weight
    if stage.bake_minutes:
        ongoing.bake(stage.bake_minutes)
        return not ongoing.bake_seconds
    if stage.name == "CLEAN_UP":
        return not any(task.started_by != target.id for task in service_tasks)
    return True
