"""ECS: what a service's deployments are configured for, and service deployments, which show how one goes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from omc_runbook.aws.answer import pages
from omc_runbook.model.arn import region_in

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ListServiceDeploymentsRequestTypeDef

DESCRIBED_A_CALL = 20
ROLLING = "ROLLING"
PAUSE = "PAUSE"

_MARGIN = timedelta(minutes=5)
"""How much older than the deployment its service deployment may be."""
_STATES: Mapping[str, Literal["COMPLETED", "FAILED"]] = MappingProxyType(
    {"SUCCESSFUL": "COMPLETED", "STOPPED": "FAILED", "STOP_REQUESTED": "FAILED"}
)


@dataclass(frozen=True, kw_only=True)
class CircuitBreaker:
    """The deployment circuit breaker; `kind` is BOUNDED_PERCENT, UNBOUNDED_PERCENT or COUNT.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentCircuitBreaker.html
    """

    enabled: bool = False
    rolls_back: bool = False
    kind: str = "BOUNDED_PERCENT"
    value: int = 50

    def threshold(self, desired: int) -> int:
        """How many failed tasks end a deployment of so many tasks."""
        if self.kind == "COUNT":
            return self.value
        share = math.ceil(desired * self.value / 100)
        return min(max(share, 3), 200) if self.kind == "BOUNDED_PERCENT" else max(share, 1)


@dataclass(frozen=True, kw_only=True)
class DeploymentConfiguration:
    """How ECS deploys a service; `strategy` is ROLLING, BLUE_GREEN, LINEAR or CANARY.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """

    strategy: str = ROLLING
    bake: timedelta = timedelta()
    """How long it lasts beyond the start of new tasks: the bake time, and the waits between shifts of traffic."""
    hooks: bool = False
    """Whether it has lifecycle hooks."""
    pauses: tuple[str, ...] = ()
    """The lifecycle stages at which it waits for a person."""
    breaker: CircuitBreaker = CircuitBreaker()
    early_percent: int | None = None
    """The share of healthy tasks with which it counts as successful (earlySuccessCriteria); None without that."""

    @property
    def overlaps(self) -> bool:
        """Whether tasks of the old revision go on serving after all new ones run."""
        return self.strategy != ROLLING or bool(self.pauses)

    @property
    def sentence(self) -> str:
        """How long old tasks go on serving, and what a deployment waits for; "" for a plain rolling update."""
        if not self.overlaps:
            return ""
        bake = f", which bakes for {in_words(self.bake)}" if self.bake else ""
        waits = f". It waits for a person at {', '.join(self.pauses)}" if self.pauses else ""
        return (
            f"{self.strategy}: tasks of the old revision serve, and need the old value, until the deployment"
            f" ends{bake}{waits}."
        )


PLAIN = DeploymentConfiguration()
"""A rolling update with ECS's defaults."""


@dataclass(frozen=True, kw_only=True)
class ServiceRevision:
    """The tasks of a service revision in a deployment; `weight` is its share of the traffic in percent, if known."""

    arn: str
    requested: int = 0
    running: int = 0
    weight: float | None = None


@dataclass(frozen=True, kw_only=True)
class LifecycleHook:
    """A hook that a deployment has reached; `target` is PAUSE or AWS_LAMBDA, `timeout_action` what follows `expires`.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentLifecycleHookDetail.html
    """

    id: str
    target: str
    status: str
    expires: datetime | None
    timeout_action: str


@dataclass(frozen=True, kw_only=True)
class ServiceDeployment:
    """A service deployment; `stage`, `sources`, `hooks` and the breaker's counts are known only where it was described.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
    """

    arn: str
    status: str
    reason: str
    target: ServiceRevision
    created: datetime | None = None
    stage: str = ""
    sources: tuple[ServiceRevision, ...] = ()
    hooks: tuple[LifecycleHook, ...] = ()
    failures: int = 0
    threshold: int = 0
    rollback_reason: str = ""
    rollback_started: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None

    @property
    def region(self) -> str:
        """The region that it is in."""
        return region_in(self.arn)

    @property
    def deployment_id(self) -> str:
        """The id of the deployment in DescribeServices, which ends in the number of the target revision."""
        return f"ecs-svc/{self.target.arn.rpartition('/')[2]}"

    @property
    def is_underway(self) -> bool:
        """Whether it goes on, forwards."""
        return self.rollout == "IN_PROGRESS"

    @property
    def has_succeeded(self) -> bool:
        """Whether it is SUCCESSFUL."""
        return self.status == "SUCCESSFUL"

    @property
    def is_rolled_back(self) -> bool:
        """Whether ECS returns, or has returned, to the revision before, or failed to."""
        return self.status.startswith("ROLLBACK_")

    @property
    def rollout(self) -> Literal["IN_PROGRESS", "COMPLETED", "FAILED"]:
        """Its status in the words of a rolling update's rolloutState; one that is not known proves no end."""
        return "FAILED" if self.is_rolled_back else _STATES.get(self.status, "IN_PROGRESS")

    @property
    def why(self) -> str:
        """Why it has its status, as ECS says."""
        return self.reason or self.rollback_reason

    @property
    def pause(self) -> LifecycleHook | None:
        """The hook at which it waits for a person."""
        waiting = (hook for hook in self.hooks if hook.target == PAUSE and hook.status == "AWAITING_ACTION")
        return next(waiting, None) if self.is_underway else None

    @property
    def is_well(self) -> bool:
        """Whether it goes on, no task of it has failed, and all that were requested run."""
        return self.is_underway and not self.failures and 0 < self.target.requested <= self.target.running

    @property
    def progress(self) -> str:
        """Its stage, the new tasks' share of the traffic and the breaker's count, in words."""
        if not self.is_underway:
            return self.status
        share = "" if self.target.weight is None else f"{self.target.weight:g} % of the traffic"
        failures = f"{self.failures} of the {self.threshold} failures that trip the breaker" if self.failures else ""
        return ", ".join(filter(None, (self.stage or self.status, share, failures)))


def list_service_deployments(
    client: ECSClient, cluster: str, service: str, since: datetime
) -> tuple[ServiceDeployment, ...]:
    """A service's deployments since about that time, newest first, as far as the list tells of them.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
    """
    request: ListServiceDeploymentsRequestTypeDef = {
        "cluster": cluster,
        "service": service,
        "createdAt": {"after": since - _MARGIN},
    }
    answers = pages(lambda **token: client.list_service_deployments(**request, **token), "nextToken")
    return newest_first(_service_deployment(entry) for page in answers for entry in page["serviceDeployments"])


def describe_service_deployments(client: ECSClient, arns: Sequence[str]) -> tuple[ServiceDeployment, ...]:
    """Read at most twenty service deployments.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServiceDeployments.html
    """
    answer = client.describe_service_deployments(serviceDeploymentArns=list(arns))
    return tuple(map(_service_deployment, answer["serviceDeployments"]))


def stop_service_deployment(client: ECSClient, arn: str) -> None:
    """Take a service deployment back to the revision before.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_StopServiceDeployment.html
    """
    client.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")


def usual_duration(found: Sequence[ServiceDeployment]) -> timedelta | None:
    """The median duration of the newest five that succeeded; None where there is none."""
    ended = [each.finished - each.started for each in found if each.has_succeeded and each.finished and each.started]
    durations = sorted(ended[:5])
    return durations[len(durations) // 2] if durations else None


def newest_first(found: Iterable[ServiceDeployment]) -> tuple[ServiceDeployment, ...]:
    """Service deployments by the time of their creation; those without one, which is not AWS's, keep their order."""
    return tuple(sorted(found, key=lambda each: each.created.timestamp() if each.created else 0.0, reverse=True))


def configuration_from(raw: Any) -> DeploymentConfiguration:
    """Read a service's deploymentConfiguration."""
    strategy, hooks = raw.get("strategy") or ROLLING, raw.get("lifecycleHooks") or ()
    breaker, early = raw.get("deploymentCircuitBreaker") or {}, raw.get("earlySuccessCriteria") or {}
    threshold = breaker.get("thresholdConfiguration") or {}
    pauses = (stage for hook in hooks if hook.get("targetType") == PAUSE for stage in hook.get("lifecycleStages", ()))
    return DeploymentConfiguration(
        strategy=strategy,
        bake=timedelta(minutes=raw.get("bakeTimeInMinutes") or 0) + _between_shifts(strategy, raw),
        hooks=bool(hooks),
        pauses=tuple(dict.fromkeys(pauses)),
        breaker=CircuitBreaker(
            enabled=bool(breaker.get("enable")),
            rolls_back=bool(breaker.get("rollback")),
            kind=threshold.get("type", "BOUNDED_PERCENT"),
            value=threshold.get("value", 50),
        ),
        early_percent=early.get("healthyPercent", 100) if early.get("enable") else None,
    )


def in_words(time: timedelta) -> str:
    """A duration in minutes or hours."""
    minutes = math.ceil(time.total_seconds() / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.3g} h"


def _between_shifts(strategy: str, raw: Any) -> timedelta:
    """How long a LINEAR or CANARY deployment waits between its shifts of traffic, with AWS's defaults."""
    if strategy == "LINEAR":
        linear = raw.get("linearConfiguration") or {}
        waits = math.ceil(100 / linear.get("stepPercent", 10.0)) - 1
        return timedelta(minutes=waits * linear.get("stepBakeTimeInMinutes", 6))
    if strategy == "CANARY":
        return timedelta(minutes=(raw.get("canaryConfiguration") or {}).get("canaryBakeTimeInMinutes", 10))
    return timedelta()


def _service_deployment(raw: Any) -> ServiceDeployment:
    breaker, rollback = raw.get("deploymentCircuitBreaker") or {}, raw.get("rollback") or {}
    target = raw.get("targetServiceRevision") or {"arn": raw.get("targetServiceRevisionArn", "")}
    return ServiceDeployment(
        arn=raw["serviceDeploymentArn"],
        status=raw.get("status", ""),
        reason=raw.get("statusReason", ""),
        target=_revision(target),
        created=raw.get("createdAt"),
        stage=raw.get("lifecycleStage", ""),
        sources=tuple(map(_revision, raw.get("sourceServiceRevisions") or ())),
        hooks=tuple(map(_hook, raw.get("lifecycleHookDetails") or ())),
        failures=breaker.get("failureCount", 0),
        threshold=breaker.get("threshold", 0),
        rollback_reason=rollback.get("reason", ""),
        rollback_started=rollback.get("startedAt"),
        started=raw.get("startedAt"),
        finished=raw.get("finishedAt"),
    )


def _revision(raw: Any) -> ServiceRevision:
    return ServiceRevision(
        arn=raw.get("arn", ""),
        requested=raw.get("requestedTaskCount", 0),
        running=raw.get("runningTaskCount", 0),
        weight=raw.get("requestedProductionTrafficWeight"),
    )


def _hook(raw: Any) -> LifecycleHook:
    return LifecycleHook(
        id=raw.get("hookId", ""),
        target=raw.get("targetType", ""),
        status=raw.get("status", ""),
        expires=raw.get("expiresAt"),
        timeout_action=raw.get("timeoutAction", "ROLLBACK"),
    )
