"""ECS tasks in moto's state: created, started, stopped and described with ECS's fields.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
"""

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from moto.ecs.models import EC2ContainerServiceBackend, Task, TaskDefinition

from omc_runbook.sandbox.ecs.container import RunningContainer
from omc_runbook.sandbox.ecs.services import EcsService

_KEEP_TIME = timedelta(hours=1)
_LIVE = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")


class EcsContainer:
    """A task's container as DescribeTasks returns it."""

    def __init__(self, task: Task, definition: dict[str, Any]) -> None:
        self.container_arn = task.task_arn.replace(":task/", ":container/") + f"/{secrets.token_hex(16)}"
        self.task_arn = task.task_arn
        self.name = definition["name"]
        self.image = definition.get("image")
        self.cpu = str(definition.get("cpu", 0))
        self.memory = str(definition["memory"]) if "memory" in definition else None
        self.last_status = "PENDING"
        self.health_status = "UNKNOWN"
        self.exit_code: int | None = None
        self.reason: str | None = None
        self.runtime_id: str | None = None
        self.network_interfaces: list[dict[str, str]] = []
        self.managed_agents: list[dict[str, Any]] = []
        self.running: RunningContainer | None = None


class EcsTask(Task):
    """moto's task with the fields that ECS fills, built with moto's own arguments."""

    last_status: str = "PROVISIONING"  # moto moves it on with time; here only the agent does
    containers: list[EcsContainer]  # type: ignore[assignment]  # moto describes the first alone
    stopped_reason: str | None  # type: ignore[assignment]  # moto has an empty one from the start
    started_at: datetime
    pull_started_at: datetime
    pull_stopped_at: datetime
    stopping_at: datetime
    stopped_at: datetime
    execution_stopped_at: datetime
    stop_code: str

    def __init__(self, *, task_definition: TaskDefinition, execute: bool, **kwargs: Any) -> None:
        """A task that ECS has just accepted; moto's arguments and whether ECS Exec is on."""
        super().__init__(task_definition=task_definition, **kwargs)
        self.created_at = self.connectivity_at = datetime.now(UTC)
        self.enable_execute_command = execute
        self.health_status, self.connectivity = "UNKNOWN", "CONNECTED"
        self.cpu, self.memory = task_definition.cpu, task_definition.memory
        self.platform_family, self.version = "Linux", 1
        self.stopped_reason = None
        self.containers = [EcsContainer(self, entry) for entry in task_definition.container_definitions]
        if execute:
            for container in self.containers:
                container.managed_agents = [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]

    @property
    def backend(self) -> EC2ContainerServiceBackend:
        """moto's state of its account in its region."""
        return self._backend

    @property
    def account(self) -> str:
        """The id of its account."""
        return self._account_id

    @property
    def definition(self) -> TaskDefinition:
        """The revision that it runs."""
        return self.backend.describe_task_definition(self.task_definition_arn)

    @cached_property
    def task_arn(self) -> str:
        """Its ARN, which moto builds anew for each reader."""
        return super().task_arn


def of_backend(backend: EC2ContainerServiceBackend) -> list[EcsTask]:
    """Every task of an account in a region that ECS can still describe."""
    all_tasks = [task for cluster in list(backend.tasks.values()) for task in list(cluster.values())]
    return [task for task in all_tasks if isinstance(task, EcsTask)]


def unfinished(backend: EC2ContainerServiceBackend) -> list[EcsTask]:
    """Those of them that have not stopped, which are few."""
    tasks: list[EcsTask] = [t for t in getattr(backend, "unfinished_tasks", []) if t.last_status != "STOPPED"]
    backend.unfinished_tasks = tasks  # type: ignore[attr-defined]
    return tasks.copy()


def find_definition(backend: EC2ContainerServiceBackend, name: str) -> TaskDefinition:
    """The task definition of an ARN or family:revision, or the latest ACTIVE one of a family; moto has the latest.

    Raises moto's error where there is none.
    """
    revisions = backend.task_definitions.get(name, {})
    active = [revision for revision, definition in revisions.items() if definition.status == "ACTIVE"]
    last = f"{name}:{max(active, default=0)}" if revisions else name
    return backend.describe_task_definition(last)


def accept(
    backend: EC2ContainerServiceBackend,
    cluster_name: str,
    definition_name: str,
    *,
    group: str = "",
    started_by: str = "",
    network: dict[str, Any] | None = None,
    platform_version: str | None = None,
    execute: bool = False,
) -> EcsTask:
    """Create a task on Fargate, which needs no instance."""
    definition = find_definition(backend, definition_name)
    task = EcsTask(
        cluster=backend.clusters[cluster_name],
        task_definition=definition,
        container_instance_arn=None,
        resource_requirements=None,
        backend=backend,
        group=group or f"family:{definition.family}",
        launch_type="FARGATE",
        started_by=started_by,
        networking_configuration=add_security_groups(network),
        platform_version="1.4.0" if platform_version in (None, "LATEST") else platform_version,
        execute=execute,
    )
    backend.tasks.setdefault(cluster_name, {})[task.task_arn] = task
    backend.unfinished_tasks = [*unfinished(backend), task]  # type: ignore[attr-defined]
    return task


def mark_running(task: EcsTask, runtime_id: str, connections: Mapping[str, bool]) -> None:
    """Mark a task as running; `connections` has for each container whether its ECS Exec agent is connected."""
    now = datetime.now(UTC)
    task.last_status, task.started_at = "RUNNING", now
    task.version += 1
    for container in task.containers:
        container.last_status, container.runtime_id = "RUNNING", runtime_id
        for agent in container.managed_agents:
            agent.update(lastStatus="RUNNING" if connections[container.name] else "STOPPED", lastStartedAt=now)


def mark_ended(task: EcsTask, names: Collection[str]) -> None:
    """Mark containers of a running task as ended with success."""
    for container in task.containers:
        if container.name in names:
            container.last_status, container.exit_code = "STOPPED", 0
            for agent in container.managed_agents:
                agent.update(lastStatus="STOPPED")


def mark_health(task: EcsTask, is_healthy: bool) -> None:
    """Record the result of a task's health check."""
    task.health_status = "HEALTHY" if is_healthy else "UNHEALTHY"
    task.containers[0].health_status = task.health_status


def mark_stopping(task: EcsTask, code: str, reason: str) -> None:
    """Mark a task as stopping; the first reason wins."""
    if task.desired_status == "STOPPED":
        return
    task.desired_status, task.stop_code, task.stopped_reason = "STOPPED", code, reason
    task.stopping_at = datetime.now(UTC)


def mark_stopped(task: EcsTask, exit_code: int | None) -> None:
    """Mark a task as stopped; `exit_code` is None if its process never started."""
    # A process that ends at once has ended after it began, in the milliseconds that ECS shows.
    began = getattr(task, "started_at", None)
    now = max(datetime.now(UTC), began + timedelta(milliseconds=1)) if began else datetime.now(UTC)
    task.last_status, task.stopped_at, task.execution_stopped_at = "STOPPED", now, now
    task.version += 1
    for container in task.containers:
        container.exit_code = exit_code if container.exit_code is None else container.exit_code
        container.last_status = "STOPPED"
        for agent in container.managed_agents:
            agent.update(lastStatus="STOPPED")
    for attachment in task.attachments:
        attachment["status"] = "DELETED"


def is_live(task: EcsTask) -> bool:
    """Whether the task runs or is on its way to."""
    return task.desired_status == "RUNNING" and task.last_status in _LIVE


def is_healthy(task: EcsTask) -> bool:
    """Whether the task runs, passes its health check and is not to stop."""
    return is_live(task) and task.last_status == "RUNNING" and task.health_status == "HEALTHY"


def of_service(service: EcsService) -> list[EcsTask]:
    """Every task of a service that has not stopped."""
    group, cluster = f"service:{service.name}", service.cluster_name
    return [task for task in unfinished(service.backend) if task.group == group and task.cluster_name == cluster]


def remove_stopped(backend: EC2ContainerServiceBackend, age: timedelta = _KEEP_TIME) -> None:
    """Remove tasks that stopped so long ago; by default those that ECS would not describe any more."""
    now = datetime.now(UTC)
    for task in of_backend(backend):
        if task.last_status == "STOPPED" and now - task.stopped_at > age:
            del backend.tasks[task.cluster_name][task.task_arn]


def add_security_groups(network: dict[str, Any] | None) -> dict[str, Any] | None:
    """A network configuration with a list of security groups, which moto needs even if it is empty."""
    if not network:
        return network
    return {"awsvpcConfiguration": {"securityGroups": [], **network["awsvpcConfiguration"]}}
