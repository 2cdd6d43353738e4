"""How a service of a world is deployed: its strategy, lifecycle hooks, circuit breaker and early success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.ecs.service_deployments import FAILING_HOOK
from omc_runbook.sandbox.worlds.staging import CLUSTER, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.literals import (
        DeploymentLifecycleHookActionType,
        DeploymentLifecycleHookStageType,
        DeploymentStrategyType,
        ServiceRevisionCleanupType,
        ThresholdTypeType,
    )
    from mypy_boto3_ecs.type_defs import (
        DeploymentCircuitBreakerTypeDef,
        DeploymentConfigurationTypeDef,
        DeploymentEarlySuccessCriteriaTypeDef,
        DeploymentLifecycleHookTypeDef,
    )


def configure(
    world: World,
    name: str,
    *,
    strategy: DeploymentStrategyType = "ROLLING",
    bake_minutes: int = 0,
    step: tuple[float, int] | None = None,
    hooks: Sequence[DeploymentLifecycleHookTypeDef] = (),
    breaker: DeploymentCircuitBreakerTypeDef | None = None,
    early_success: DeploymentEarlySuccessCriteriaTypeDef | None = None,
    percents: tuple[int, int] = (100, 200),
    cluster: str = CLUSTER,
) -> None:
    """Set how a service is deployed from its next deployment on.

    `step` is a percentage and how many minutes it bakes: LINEAR's steps, or CANARY's first one. `percents` are
    minimumHealthyPercent, which no early success may undercut, and maximumPercent. The circuit breaker stays as it is
    unless it is passed; everything else that is not passed is off.
    """
    configuration: DeploymentConfigurationTypeDef = {
        "strategy": strategy,
        "minimumHealthyPercent": percents[0],
        "maximumPercent": percents[1],
        "bakeTimeInMinutes": bake_minutes,
        "lifecycleHooks": list(hooks),
        "earlySuccessCriteria": early_success or {"enable": False},
    }
    if step and strategy == "LINEAR":
        configuration["linearConfiguration"] = {"stepPercent": step[0], "stepBakeTimeInMinutes": step[1]}
    elif step:
        configuration["canaryConfiguration"] = {"canaryPercent": step[0], "canaryBakeTimeInMinutes": step[1]}
    if breaker is not None:
        configuration["deploymentCircuitBreaker"] = breaker
    world.ecs.update_service(cluster=cluster, service=name, deploymentConfiguration=configuration)


def pause(
    *stages: DeploymentLifecycleHookStageType,
    minutes: int = 1440,
    action: DeploymentLifecycleHookActionType = "ROLLBACK",
) -> DeploymentLifecycleHookTypeDef:
    """A hook that waits for a person at these stages; `action` is what ECS does after so many minutes."""
    return {
        "targetType": "PAUSE",
        "lifecycleStages": list(stages),
        "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action},
    }


def refuse(*stages: DeploymentLifecycleHookStageType) -> DeploymentLifecycleHookTypeDef:
    """A hook whose Lambda function refuses the deployment at these stages."""
    return {
        "targetType": "AWS_LAMBDA",
        "hookTargetArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FAILING_HOOK}",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/ecs-hooks",
        "lifecycleStages": list(stages),
    }


def trip_after(
    kind: ThresholdTypeType, value: int, *, rollback: bool = True, reset: bool = True
) -> DeploymentCircuitBreakerTypeDef:
    """A circuit breaker with a threshold; `reset` says whether a healthy task resets its count."""
    return {
        "enable": True,
        "rollback": rollback,
        "resetOnHealthyTask": reset,
        "thresholdConfiguration": {"type": kind, "value": value},
    }


def succeed_early(percent: int, cleanup: ServiceRevisionCleanupType) -> DeploymentEarlySuccessCriteriaTypeDef:
    """Success once so many percent of the tasks are healthy; `cleanup` says whether old tasks must be gone by then."""
    return {"enable": True, "healthyPercent": percent, "sourceServiceRevisionCleanup": cleanup}
