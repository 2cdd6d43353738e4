"""Services and deployments: how one begins, completes, fails or is rolled back, with ECS's event messages.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
"""

import math
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend, Service

_MAX_EVENTS = 100
_BACKOFF_SECONDS = 0.3
_BACKOFF_LIMIT_SECONDS = 10.0
_DEFAULT_CONFIGURATION = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
}


@dataclass(kw_only=True)
class EcsDeployment:
    """A deployment as DescribeServices returns it, with the scheduler's state."""

    id: str
    task_definition: str
    desired_count: int
    launch_type: str
    platform_version: str | None
    network_configuration: dict[str, Any] | None
    enable_execute_command: bool
    created_at: datetime
    updated_at: datetime
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    rollout_state_reason: str = ""
    running_count: int = 0
    pending_count: int = 0
    failed_tasks: int = 0
    platform_family: str = "Linux"
    has_completed: bool = field(default=False, repr=False)
    is_rollback: bool = field(default=False, repr=False)
    is_blocked: bool = field(default=False, repr=False)
    failures: int = field(default=0, repr=False)
    next_start: float = field(default=0.0, repr=False)


class EcsService(Service):
    """moto's service with the scheduler's state."""

    deployments: list[EcsDeployment]  # type: ignore[assignment]  # moto keeps mappings, and one of them
    task_definition: str
    launch_type: str

    def __init__(self, *args: Any, created_by: str, **kwargs: Any) -> None:
        """A new service without tasks; takes moto's arguments and the ARN of the caller."""
        super().__init__(*args, **kwargs)
        self.created_at = datetime.now(UTC)
        self.created_by = created_by
        self.deployment_configuration: dict[str, Any] = dict(_DEFAULT_CONFIGURATION)
        self.enable_execute_command = False
        self.enable_ecs_managed_tags = False
        self.health_check_grace_period_seconds = 0
        self.running_count = self.pending_count = 0
        self.is_steady = False
        self.deployments = []

    @property
    def is_rolling(self) -> bool:
        """Whether ECS itself deploys it."""
        return bool(self.deployment_controller["type"] == "ECS")


def services_of(backend: EC2ContainerServiceBackend) -> list[EcsService]:
    """Every service of an account in a region."""
    return [service for service in list(backend.services.values()) if isinstance(service, EcsService)]


def primary(service: EcsService) -> EcsDeployment | None:
    """The deployment that the service is moving to, or None for an external controller."""
    return next((d for d in service.deployments if d.status == "PRIMARY"), None)


def start_deployment(service: EcsService) -> EcsDeployment:
    """Start a deployment of the service as it is configured now; the others drain."""
    now = datetime.now(UTC)
    new = EcsDeployment(
        id=f"ecs-svc/{secrets.randbelow(9 * 10**18) + 10**18}",
        task_definition=service.task_definition,
        desired_count=service.desired_count,
        launch_type=service.launch_type,
        platform_version=service.platform_version,
        network_configuration=service.network_configuration or None,
        enable_execute_command=service.enable_execute_command,
        created_at=now,
        updated_at=now,
    )
    new.rollout_state_reason = f"ECS deployment {new.id} in progress."
    for other in service.deployments:
        other.status = "ACTIVE"
    service.deployments.insert(0, new)
    return new


def record_failure(service: EcsService, task_id: str, deployment: EcsDeployment, reason: str, is_started: bool) -> None:
    """Count a task that never became healthy, and delay the next start longer."""
    deployment.failures += 1
    wait = min(_BACKOFF_SECONDS * 2 ** (deployment.failures - 1), _BACKOFF_LIMIT_SECONDS)
    deployment.next_start = time.monotonic() + wait
    if deployment.rollout_state == "IN_PROGRESS":
        deployment.failed_tasks += 1
    deployment.updated_at = datetime.now(UTC)
    if not is_started:
        add_event(service, f"was unable to place a task. Reason: {reason}.")
    elif "health checks" in reason:
        add_event(service, f"(task {task_id}) failed container health checks.")
    if deployment.failures == 5:
        add_event(service, "is unable to consistently start tasks successfully.")


def record_health(deployment: EcsDeployment) -> None:
    """Reset the count of failures, once a task is healthy."""
    deployment.failures = deployment.failed_tasks = 0
    deployment.next_start = 0.0


def complete(service: EcsService, deployment: EcsDeployment) -> None:
    """Complete a deployment whose tasks are all healthy, with no other task left."""
    deployment.rollout_state = "COMPLETED"
    deployment.has_completed = True
    deployment.updated_at = datetime.now(UTC)
    if not deployment.is_rollback:
        deployment.rollout_state_reason = f"ECS deployment {deployment.id} completed."
    add_event(service, f"(deployment {deployment.id}) deployment completed.")


def breaker_trips(service: EcsService, deployment: EcsDeployment) -> bool:
    """Whether the circuit breaker is on and enough tasks of the deployment have failed.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    threshold = min(max(3, math.ceil(service.desired_count / 2)), 200)
    return (
        bool(_breaker(service).get("enable"))
        and deployment.rollout_state == "IN_PROGRESS"
        and deployment.failed_tasks >= threshold
    )


def trip(service: EcsService, failed: EcsDeployment) -> None:
    """Fail the deployment, and go back to the last one that completed if rollback is on."""
    failed.rollout_state = "FAILED"
    failed.rollout_state_reason = "ECS deployment circuit breaker: tasks failed to start."
    failed.updated_at = datetime.now(UTC)
    add_event(service, f"(deployment {failed.id}) deployment failed: tasks failed to start.")
    earlier = next((d for d in service.deployments if d is not failed and d.has_completed), None)
    if earlier is None or failed.is_rollback or not _breaker(service).get("rollback"):
        return
    failed.status = "ACTIVE"
    earlier.status, earlier.rollout_state, earlier.is_rollback = "PRIMARY", "IN_PROGRESS", True
    earlier.rollout_state_reason = f"ECS deployment circuit breaker: rolling back to deploymentId {earlier.id}."
    earlier.updated_at = datetime.now(UTC)
    record_health(earlier)
    service.task_definition = earlier.task_definition
    service.deployments.sort(key=lambda d: d.status != "PRIMARY")
    add_event(service, f"rolling back to deployment {earlier.id}.")


def add_event(service: EcsService, text: str) -> None:
    """Add an event, newest first."""
    event = {
        "id": str(uuid.uuid4()),
        "createdAt": datetime.now(UTC),
        "message": f"(service {service.name}) {text}",
    }
    service.events = [event, *service.events[: _MAX_EVENTS - 1]]


def task_limits(service: EcsService) -> tuple[int, int]:
    """The minimum of healthy tasks and the maximum of live tasks during a rollout."""
    configuration = service.deployment_configuration
    lowest = math.ceil(service.desired_count * configuration.get("minimumHealthyPercent", 100) / 100)
    highest = math.floor(service.desired_count * configuration.get("maximumPercent", 200) / 100)
    return lowest, highest


def _breaker(service: EcsService) -> dict[str, Any]:
    breaker = service.deployment_configuration.get("deploymentCircuitBreaker")
    return breaker if isinstance(breaker, dict) else {}
