"""Faults of services and their deployments; the secret and access to it are healthy."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from omc_runbook.sandbox.ecs.container import MISSING
from omc_runbook.sandbox.ecs.process import OUT_OF_MEMORY
from omc_runbook.sandbox.faults.change import command, redeploy, revise, rotate
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.build import create_service
from omc_runbook.sandbox.worlds.consumers import run_alone
from omc_runbook.sandbox.worlds.deployments import configure, pause
from omc_runbook.sandbox.worlds.staging import CLUSTER, SERVICES, STAGING, World
from omc_runbook.sandbox.worlds.vpcs import restore_network

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

OTHER_CLUSTER = f"{STAGING}-cluster"
_fault = partial(Fault, "deployment")


def _lose_image(container: ContainerDefinitionOutputTypeDef) -> None:
    container["image"] = f"{container['image'].rpartition(':')[0]}:{MISSING}-{secrets.token_hex(4)}"


def _delete_log_group(world: World) -> None:
    world.logs.delete_log_group(logGroupName=f"/ecs/{STAGING}/worker")
    redeploy(world)


def _run_other(world: World) -> None:
    definition = world.service("backend")["taskDefinition"]
    world.ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=definition)


def _pause(world: World) -> None:
    configure(world, "backend", strategy="BLUE_GREEN", hooks=[pause("POST_SCALE_UP")])
    world.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)


def _run_alone(world: World) -> None:
    restore_network(world)
    task = run_alone(world, "worker")
    world.wait(lambda: _state_of(world, task) == "RUNNING", "a task ran outside the services")
    rotate(world)
    redeploy(world)


def _state_of(world: World, task: str) -> str:
    return world.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]["lastStatus"]


def _scale_to_zero(world: World) -> None:
    world.ecs.update_service(cluster=CLUSTER, service="backend", desiredCount=0)


def _rename(world: World) -> None:
    world.ecs.create_cluster(clusterName=OTHER_CLUSTER)
    network = restore_network(world)
    for spec in SERVICES:
        definition = world.service(spec.name)["taskDefinition"]
        create_service(world, spec, definition, network, cluster=OTHER_CLUSTER, name=f"{STAGING}-{spec.name}")
        world.delete_service(spec.name)
    world.settle()
    world.ecs.delete_cluster(cluster=CLUSTER)


def _hand_over(world: World, controller: Literal["CODE_DEPLOY", "EXTERNAL"]) -> None:
    """Let CodeDeploy or an external controller deploy the backend, through a task set."""
    backend, network = world.service("backend"), restore_network(world)
    tasks: Any = {
        "taskDefinition": backend["taskDefinition"],
        "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": network},
    }
    world.delete_service("backend")
    world.ecs.create_service(
        cluster=CLUSTER,
        serviceName="backend",
        desiredCount=backend["desiredCount"],
        deploymentController={"type": controller},
        enableExecuteCommand=True,
        **(tasks if controller == "CODE_DEPLOY" else {}),
    )
    if controller == "EXTERNAL":
        world.ecs.create_task_set(cluster=CLUSTER, service="backend", **tasks)


FAULTS = (
    _fault("not-forced", "The secret was changed and no service was redeployed.", rotate),
    _fault("wrong-names", f"The cluster is named {OTHER_CLUSTER}, its services {STAGING}-backend and so on.", _rename),
    _fault(
        "rollout-stuck",
        "The worker's new tasks exit at once, and no circuit breaker ends the deployment.",
        command("worker", "--sandbox-exit=1"),
    ),
    _fault(
        "breaker-rollback",
        "The backend's new tasks exit at once, and the circuit breaker rolled the deployment back.",
        command("backend", "--sandbox-exit=1"),
    ),
    _fault("other-definition", "The worker runs the backend's task definition.", _run_other),
    _fault("deployment-paused", "The backend's new deployment waits for a person, at a PAUSE hook.", _pause),
    _fault("lone-task", "A task run by hand has an old value of the secret.", _run_alone),
    _fault("desired-zero", "The backend's desiredCount is 0.", _scale_to_zero),
    _fault(
        "external-controller",
        "The backend is deployed by an external controller, through task sets.",
        lambda world: _hand_over(world, "EXTERNAL"),
    ),
    _fault(
        "code-deploy",
        "The backend is deployed by CodeDeploy, which refuses a forced deployment.",
        lambda world: _hand_over(world, "CODE_DEPLOY"),
    ),
    _fault(
        "health-check",
        "The worker's new tasks start and never pass their health check.",
        command("worker", "--sandbox-unhealthy"),
    ),
    _fault(
        "image-pull", "The worker's image is not in its repository.", lambda world: revise(world, "worker", _lose_image)
    ),
    _fault(
        "command-fails",
        "The backend's command is not in its image, and the circuit breaker rolled the deployment back.",
        command("backend", "--sandbox-exit=127"),
    ),
    _fault(
        "out-of-memory",
        "The worker's new tasks are killed because they run out of memory.",
        command("worker", OUT_OF_MEMORY),
    ),
    _fault("log-group", "The worker's log group was deleted.", _delete_log_group),
)
