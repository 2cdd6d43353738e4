"""Service deployments and service revisions: the history of a service, as ECS describes it.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-deployment.html
"""

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ONGOING = ("PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")
"""The statuses of a service deployment that has not finished; the sandbox stops one without STOP_REQUESTED."""
FAILING_HOOK = "sandbox-fails"
"""The end of the ARN of a Lambda function that refuses each deployment; every other one accepts it."""
_HOOK_MINUTES = 1440
DEFAULT_MINUTE_SECONDS = 1.0
"""How long a minute of a deployment lasts in the sandbox: bake times and hooks may wait for a day on AWS."""


class DeploymentClock:
    """The length of a minute of `bakeTimeInMinutes` and its like, in seconds."""

    minute_seconds = DEFAULT_MINUTE_SECONDS

    def seconds(self, minutes: float) -> float:
        """How many seconds this many minutes last."""
        return minutes * self.minute_seconds


CLOCK = DeploymentClock()


@dataclass(kw_only=True)
class EcsServiceRevision:
    """A service revision as DescribeServiceRevisions returns it."""

    service_revision_arn: str
    service_arn: str
    cluster_arn: str
    task_definition: str
    launch_type: str
    platform_version: str | None
    platform_family: str
    load_balancers: list[dict[str, Any]]
    service_registries: list[dict[str, Any]]
    network_configuration: dict[str, Any] | None
    container_images: list[dict[str, str]]
    created_at: datetime


@dataclass(kw_only=True)
class Hook:
    """A lifecycle hook that a deployment has reached, as DescribeServiceDeployments returns it."""

    hook_id: str
    target_type: str
    target_arn: str | None
    status: str
    expires_at: datetime
    timeout_action: str
    stage: str = field(repr=False)

    @property
    def is_open(self) -> bool:
        """Whether the deployment waits for it."""
        return self.status in ("AWAITING_ACTION", "IN_PROGRESS")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A step of a deployment that shifts traffic: `weight` is the percentage that the target gets in it."""

    name: str
    weight: float | None = None
    bake_minutes: float = 0.0


@dataclass(kw_only=True)
class EcsServiceDeployment:
    """A service deployment as DescribeServiceDeployments returns it, with the scheduler's state."""

    service_deployment_arn: str
    service_arn: str
    cluster_arn: str
    target_service_revision_arn: str
    source_revision_arns: list[str]
    deployment_configuration: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    status: str = "PENDING"
    status_reason: str | None = None
    lifecycle_stage: str | None = None
    lifecycle_hook_details: list[Hook] = field(default_factory=list)
    rollback: dict[str, Any] | None = None
    breaker_status: str = "MONITORING"
    failures: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    stages: list[Stage] = field(default_factory=list, repr=False)
    weight: float = field(default=0.0, repr=False)
    test_weight: float = field(default=0.0, repr=False)
    bake_minutes: float = field(default=0.0, repr=False)
    bakes_since: float | None = field(default=None, repr=False)

    @property
    def strategy(self) -> str:
        """ROLLING, BLUE_GREEN, LINEAR or CANARY."""
        return str(self.deployment_configuration.get("strategy", "ROLLING"))

    @property
    def is_ongoing(self) -> bool:
        """Whether it has not finished."""
        return self.status in ONGOING

    @property
    def is_rolling_back(self) -> bool:
        """Whether the tasks of the source revision take over again."""
        return self.status.startswith("ROLLBACK_") and self.is_ongoing

    @property
    def open_hooks(self) -> list[Hook]:
        """The hooks that it waits for."""
        return [hook for hook in self.lifecycle_hook_details if hook.is_open]

    @property
    def waiting_seconds(self) -> float:
        """How much longer it waits for a bake time or a hook."""
        if hooks := self.open_hooks:
            return max((hook.expires_at - datetime.now(UTC)).total_seconds() for hook in hooks)
        return self.bake_seconds

    @property
    def bake_seconds(self) -> float:
        """How much longer its bake time lasts, as long as a minute lasts now."""
        since = time.monotonic() - (self.bakes_since or 0.0)
        return max(CLOCK.seconds(self.bake_minutes) - since, 0.0) if self.bakes_since is not None else 0.0

    def bake(self, minutes: float) -> None:
        """Begin its bake time, unless it has."""
        if self.bakes_since is None:
            self.bake_minutes, self.bakes_since = minutes, time.monotonic()

    def start(self) -> None:
        """Leave PENDING."""
        self.status, self.started_at = "IN_PROGRESS", datetime.now(UTC)
        self.updated_at = self.started_at

    def finish(self, status: str, reason: str | None = None) -> None:
        """Finish it; a reason that it has already stays."""
        self.status, self.status_reason = status, self.status_reason or reason
        self.finished_at = self.updated_at = datetime.now(UTC)
        if status == "STOPPED":
            self.stopped_at = self.finished_at
        if self.breaker_status == "MONITORING":
            self.breaker_status = "MONITORING_COMPLETE"
        for hook in self.open_hooks:
            hook.status = "FAILED"

    def enter(self, stage: Stage) -> None:
        """Reach a lifecycle stage: its hooks are started, and its traffic is shifted once they have ended."""
        self.lifecycle_stage, self.bakes_since = stage.name, None
        self.updated_at = datetime.now(UTC)
        for hook in self.deployment_configuration.get("lifecycleHooks") or []:
            if stage.name in (hook.get("lifecycleStages") or []):
                self.lifecycle_hook_details.append(_reach(hook, stage.name))

    def request_rollback(self, reason: str) -> None:
        """Ask the scheduler to go back to the source revision."""
        self.status, self.status_reason = "ROLLBACK_REQUESTED", reason
        self.updated_at = datetime.now(UTC)
        for hook in self.open_hooks:
            hook.status = "FAILED"


def new_arn(service_arn: str, kind: str, identifier: str = "") -> str:
    """The ARN of a service's revision or deployment: `kind` is service-revision or service-deployment."""
    return service_arn.replace(":service/", f":{kind}/") + f"/{identifier or secrets.token_urlsafe(15)}"


def _reach(hook: dict[str, Any], stage: str) -> Hook:
    kind = hook.get("targetType") or "AWS_LAMBDA"
    timeout = hook.get("timeoutConfiguration") or {}
    wait = timedelta(seconds=CLOCK.seconds(timeout.get("timeoutInMinutes", _HOOK_MINUTES)))
    return Hook(
        hook_id=f"ecs-{kind.rpartition('_')[2].lower()}-{secrets.token_urlsafe(32)}",
        target_type=kind,
        target_arn=hook.get("hookTargetArn"),
        status="AWAITING_ACTION" if kind == "PAUSE" else "IN_PROGRESS",
        expires_at=datetime.now(UTC) + wait,
        timeout_action=timeout.get("action", "ROLLBACK"),
        stage=stage,
    )
