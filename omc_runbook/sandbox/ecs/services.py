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

from omc_runbook.aws.deployments import CircuitBreaker, configuration_from
from omc_runbook.sandbox.ecs.service_deployments import EcsServiceDeployment, EcsServiceRevision, new_arn

_MAX_EVENTS = 100
_MAX_SERVICE_DEPLOYMENTS = 100
_BACKOFF_SECONDS = 0.3
_BACKOFF_LIMIT_SECONDS = 10.0
_DEFAULT_CONFIGURATION = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
BREAKER_REASON = "Service deployment rolled back because the circuit breaker threshold was exceeded."


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
    revision_arn: str = field(default="", repr=False)
    strategy: str = field(default="ROLLING", repr=False)
    status: str = "PRIMARY"
    state: str = field(default="IN_PROGRESS", repr=False)
    state_reason: str = field(default="", repr=False)
    running_count: int = 0
    pending_count: int = 0
    failed_tasks: int = 0
    platform_family: str = "Linux"
    has_completed: bool = field(default=False, repr=False)
    is_rollback: bool = field(default=False, repr=False)
    is_blocked: bool = field(default=False, repr=False)
    failures: int = field(default=0, repr=False)
    breaker_failures: int = field(default=0, repr=False)
    next_start: float = field(default=0.0, repr=False)
    enough_since: float | None = field(default=None, repr=False)

    @property
    def rollout_state(self) -> str | None:
        """Its state, which ECS returns for rolling updates alone."""
        return self.state if self.strategy == "ROLLING" else None

    @property
    def rollout_state_reason(self) -> str | None:
        """The reason of that state."""
        return self.state_reason if self.strategy == "ROLLING" else None

    def reset_failures(self) -> None:
        """Reset the count of failed tasks, and start the next one at once."""
        self.failures = self.failed_tasks = self.breaker_failures = 0
        self.next_start = 0.0


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
        self.resource_management_type = "CUSTOMER"
        self.express: dict[str, Any] | None = None
        self.service_deployments: list[EcsServiceDeployment] = []
        self.service_revisions: list[EcsServiceRevision] = []

    def configure(self, changes: dict[str, Any]) -> None:
        """Change its deployment configuration; its strategy decides whether deployments have a rolloutState."""
        self.deployment_configuration = self.deployment_configuration | changes
        for deployment in self.deployments:
            deployment.strategy = self.deployment_configuration["strategy"]

    @property
    def backend(self) -> EC2ContainerServiceBackend:
        """moto's state of its account in its region."""
        return self._backend

    @property
    def is_deployed_by_ecs(self) -> bool:
        """Whether ECS itself deploys it."""
        return bool(self.deployment_controller["type"] == "ECS")

    @property
    def breaker(self) -> CircuitBreaker:
        """Its circuit breaker."""
        return configuration_from(self.deployment_configuration).breaker

    @property
    def ongoing(self) -> EcsServiceDeployment | None:
        """Its service deployment that has not finished."""
        latest = next(iter(self.service_deployments), None)
        return latest if latest is not None and latest.is_ongoing else None

    @property
    def current_service_deployment(self) -> str | None:
        """The ARN of its newest service deployment."""
        return next((each.service_deployment_arn for each in self.service_deployments), None)

    @property
    def current_service_revisions(self) -> list[dict[str, Any]]:
        """The revisions that have tasks or are to have some, as DescribeServices returns them."""
        return [
            count_tasks(self, deployment.revision_arn)
            for deployment in self.deployments
            if deployment.status == "PRIMARY" or deployment.running_count or deployment.pending_count
        ]


def services_of(backend: EC2ContainerServiceBackend) -> list[EcsService]:
    """Every service of an account in a region."""
    return [service for service in list(backend.services.values()) if isinstance(service, EcsService)]


def primary(service: EcsService) -> EcsDeployment | None:
    """The deployment that the service is moving to, or None for an external controller."""
    return next((d for d in service.deployments if d.status == "PRIMARY"), None)


def last_completed(service: EcsService, current: EcsDeployment | None) -> EcsDeployment | None:
    """The last deployment that completed before the current one: where tasks come from, and a rollback leads."""
    return next((each for each in service.deployments if each is not current and each.has_completed), None)


def count_tasks(service: EcsService, revision_arn: str) -> dict[str, Any]:
    """How many tasks a service revision has, and is to have."""
    deployment = next((each for each in service.deployments if each.revision_arn == revision_arn), None)
    return {
        "arn": revision_arn,
        "requestedTaskCount": deployment.desired_count if deployment else 0,
        "runningTaskCount": deployment.running_count if deployment else 0,
        "pendingTaskCount": deployment.pending_count if deployment else 0,
    }


def start_deployment(service: EcsService, containers: list[dict[str, Any]]) -> None:
    """Start a deployment of the service as it is configured now, with these containers; the others drain."""
    now = datetime.now(UTC)
    number = secrets.randbelow(9 * 10**18) + 10**18
    new = EcsDeployment(
        id=f"ecs-svc/{number}",
        task_definition=service.task_definition,
        desired_count=service.desired_count,
        launch_type=service.launch_type,
        platform_version=service.platform_version,
        network_configuration=service.network_configuration or None,
        enable_execute_command=service.enable_execute_command,
        created_at=now,
        updated_at=now,
        revision_arn=new_arn(service.arn, "service-revision", str(number)),
        strategy=service.deployment_configuration["strategy"],
    )
    new.state_reason = f"ECS deployment {new.id} in progress."
    if overtaken := service.ongoing:
        overtaken.finish("STOPPED", "Service deployment stopped because a newer deployment of the service was started.")
    record_deployment(service, new, containers)
    for other in service.deployments:
        other.status = "ACTIVE"
    service.deployments.insert(0, new)


def record_deployment(service: EcsService, new: EcsDeployment, containers: list[dict[str, Any]]) -> None:
    """Begin the service deployment of a deployment, and keep its revision."""
    sources = [each for each in service.deployments if each.has_completed or each.running_count or each.pending_count]
    service.service_revisions.insert(
        0,
        EcsServiceRevision(
            service_revision_arn=new.revision_arn,
            service_arn=service.arn,
            cluster_arn=service.cluster_arn,
            task_definition=new.task_definition,
            launch_type=new.launch_type,
            platform_version=new.platform_version,
            platform_family=new.platform_family,
            load_balancers=service.load_balancers or [],
            service_registries=service.service_registries or [],
            network_configuration=new.network_configuration,
            container_images=[
                {"containerName": entry["name"], "image": entry["image"]} for entry in containers if entry.get("image")
            ],
            created_at=new.created_at,
        ),
    )
    service.service_deployments.insert(
        0,
        EcsServiceDeployment(
            service_deployment_arn=new_arn(service.arn, "service-deployment"),
            service_arn=service.arn,
            cluster_arn=service.cluster_arn,
            target_service_revision_arn=new.revision_arn,
            source_revision_arns=[each.revision_arn for each in sources],
            deployment_configuration=dict(service.deployment_configuration),
            created_at=new.created_at,
            updated_at=new.updated_at,
            breaker_status="MONITORING" if service.breaker.enabled else "DISABLED",
        ),
    )
    del service.service_deployments[_MAX_SERVICE_DEPLOYMENTS:]
    arns = {each.target_service_revision_arn for each in service.service_deployments}
    arns |= {arn for each in service.service_deployments for arn in each.source_revision_arns}
    service.service_revisions = [each for each in service.service_revisions if each.service_revision_arn in arns]


def record_failure(service: EcsService, task_id: str, deployment: EcsDeployment, reason: str, is_started: bool) -> None:
    """Count a task that never became healthy, and delay the next start longer."""
    deployment.failures += 1
    wait = min(_BACKOFF_SECONDS * 2 ** (deployment.failures - 1), _BACKOFF_LIMIT_SECONDS)
    deployment.next_start = time.monotonic() + wait
    if deployment.state == "IN_PROGRESS":
        deployment.failed_tasks += 1
        deployment.breaker_failures += 1
        if service.ongoing is not None and not service.ongoing.is_rolling_back:
            service.ongoing.failures = deployment.breaker_failures
    deployment.updated_at = datetime.now(UTC)
    if not is_started:
        add_event(service, f"was unable to place a task. Reason: {reason}.")
    elif "health checks" in reason:
        add_event(service, f"(task {task_id}) failed container health checks.")
    if deployment.failures == 5:
        add_event(service, "is unable to consistently start tasks successfully.")


def record_health(service: EcsService, deployment: EcsDeployment) -> None:
    """Reset the counts of failures, once a task is healthy; the circuit breaker may be told to keep its own."""
    failures = deployment.breaker_failures
    deployment.reset_failures()
    if service.deployment_configuration["deploymentCircuitBreaker"].get("resetOnHealthyTask") is False:
        deployment.breaker_failures = failures
    elif service.ongoing is not None and not service.ongoing.is_rolling_back:
        service.ongoing.failures = 0


def complete(service: EcsService, deployment: EcsDeployment) -> None:
    """Complete a deployment that has what it needs to succeed."""
    deployment.state = "COMPLETED"
    deployment.has_completed = True
    deployment.updated_at = datetime.now(UTC)
    if not deployment.is_rollback:
        deployment.state_reason = f"ECS deployment {deployment.id} completed."
    if ongoing := service.ongoing:
        ongoing.finish("ROLLBACK_SUCCESSFUL" if ongoing.is_rolling_back else "SUCCESSFUL")
    add_event(service, f"(deployment {deployment.id}) deployment completed.")


def breaker_trips(service: EcsService, deployment: EcsDeployment) -> bool:
    """Whether the circuit breaker is on and enough tasks of the deployment have failed.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    return (
        service.breaker.enabled
        and deployment.state == "IN_PROGRESS"
        and deployment.breaker_failures >= service.breaker.threshold(service.desired_count)
    )


def trip(service: EcsService, failed: EcsDeployment) -> None:
    """Fail the deployment, and go back to the last one that completed if rollback is on."""
    fail(service, failed, "ECS deployment circuit breaker: tasks failed to start.")
    ongoing = service.ongoing
    if failed.is_rollback:
        if ongoing is not None:
            ongoing.finish("ROLLBACK_FAILED")
        return
    if ongoing is not None:
        ongoing.breaker_status = "TRIGGERED"
    if service.breaker.rolls_back:
        go_back(service, BREAKER_REASON, "ECS deployment circuit breaker: ")
    elif ongoing is not None:
        ongoing.finish("STOPPED", "Service deployment stopped because the circuit breaker threshold was exceeded.")


def fail(service: EcsService, deployment: EcsDeployment, reason: str) -> None:
    """Fail a deployment: no further task of it is started."""
    deployment.state, deployment.state_reason = "FAILED", reason
    deployment.updated_at = datetime.now(UTC)
    add_event(service, f"(deployment {deployment.id}) deployment failed: {reason.rpartition(': ')[2]}")


def go_back(service: EcsService, reason: str, cause: str = "") -> None:
    """Make the last deployment that completed PRIMARY again; `cause` begins the reason of its state."""
    failed = primary(service)
    earlier = last_completed(service, failed)
    ongoing = service.ongoing
    if failed is None or earlier is None:
        if ongoing is not None:
            ongoing.finish("ROLLBACK_FAILED")
            ongoing.status_reason = "No rollback candidate was found to run the rollback."
        return
    if ongoing is not None:
        ongoing.status, ongoing.status_reason = "ROLLBACK_IN_PROGRESS", reason
        ongoing.weight = ongoing.test_weight = 0.0
        ongoing.rollback = {
            "reason": reason,
            "startedAt": datetime.now(UTC),
            "serviceRevisionArn": earlier.revision_arn,
        }
    failed.status = "ACTIVE"
    earlier.status, earlier.state, earlier.is_rollback = "PRIMARY", "IN_PROGRESS", True
    earlier.state_reason = f"{cause}rolling back to deploymentId {earlier.id}."
    earlier.updated_at = datetime.now(UTC)
    earlier.reset_failures()
    service.task_definition = earlier.task_definition
    service.deployments.sort(key=lambda d: d.status != "PRIMARY")
    add_event(service, f"rolling back to deployment {earlier.id}.")


def add_event(service: EcsService, text: str) -> None:
    """Add an event, newest first."""
    event = {"id": str(uuid.uuid4()), "createdAt": datetime.now(UTC), "message": f"(service {service.name}) {text}"}
    service.events = [event, *service.events[: _MAX_EVENTS - 1]]


def task_limits(service: EcsService) -> tuple[int, int]:
    """The minimum of healthy tasks and the maximum of live tasks during a rollout."""
    configuration = service.deployment_configuration
    lowest = math.ceil(service.desired_count * configuration.get("minimumHealthyPercent", 100) / 100)
    highest = math.floor(service.desired_count * configuration.get("maximumPercent", 200) / 100)
    return lowest, highest
