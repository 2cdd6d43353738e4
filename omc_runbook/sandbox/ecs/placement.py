"""Starting, stopping and counting a service's tasks."""

from collections.abc import Sequence

from omc_runbook.sandbox.ecs import tasks
from omc_runbook.sandbox.ecs.services import EcsDeployment, EcsService, add_event
from omc_runbook.sandbox.ecs.tasks import EcsTask

_NO_INSTANCES = (
    "was unable to place a task because no container instance met all of its requirements."
    " Reason: No Container Instances were found in your cluster."
)


def needs_instances(service: EcsService) -> bool:
    """Whether a service's tasks run on container instances, which the sandbox's clusters do not have."""
    return service.launch_type in ("EC2", "EXTERNAL")


def start(service: EcsService, deployment: EcsDeployment, count: int) -> None:
    """Start tasks of a deployment; one at a time while they fail, to see whether they still do.

    What needs an instance waits for somebody to add one, and ECS says so once.
    """
    if count > 0 and needs_instances(service):
        if not deployment.is_blocked:
            add_event(service, _NO_INSTANCES)
        deployment.is_blocked = True
        return
    count = min(count, 1) if deployment.failures else count
    new = [
        tasks.accept(
            service.backend,
            service.cluster_name,
            deployment.task_definition,
            group=f"service:{service.name}",
            started_by=deployment.id,
            network=deployment.network_configuration,
            platform_version=deployment.platform_version,
            execute=deployment.enable_execute_command,
        )
        for _ in range(max(count, 0))
    ]
    if new:
        add_event(service, f"has started {len(new)} tasks: {_names(new)}.")


def stop(service: EcsService, deployment: EcsDeployment, surplus: Sequence[EcsTask]) -> None:
    """Stop tasks that a deployment has no use for."""
    for task in surplus:
        reason = f"Scaling activity initiated by (deployment {deployment.id})"
        tasks.mark_stopping(task, "ServiceSchedulerInitiated", reason)
    if surplus:
        add_event(service, f"has stopped {len(surplus)} running tasks: {_names(surplus)}.")


def count(deployment: EcsDeployment, live: Sequence[EcsTask], desired: int | None = None) -> None:
    """Update a deployment's counts; `desired` is by default the number of its live tasks."""
    its_tasks = of_deployment(live, deployment)
    deployment.desired_count = len(its_tasks) if desired is None else desired
    deployment.running_count = count_running(its_tasks)
    deployment.pending_count = len(its_tasks) - deployment.running_count


def of_deployment(service_tasks: Sequence[EcsTask], deployment: EcsDeployment) -> list[EcsTask]:
    """The tasks that a deployment started."""
    return [task for task in service_tasks if task.started_by == deployment.id]


def count_running(service_tasks: Sequence[EcsTask]) -> int:
    """How many of these tasks run and are to go on."""
    return len([task for task in service_tasks if tasks.is_live(task) and task.last_status == "RUNNING"])


def _names(service_tasks: Sequence[EcsTask]) -> str:
    return " ".join(f"(task {task.id})" for task in service_tasks)
