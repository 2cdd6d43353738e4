"""Faults of services and their deployments; the secret and the way to it are in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from omc_runbook.sandbox.faults.change import revise, rotate, service
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.world import CLUSTER, SERVICES, STAGING, World
from omc_runbook.sandbox.worlds import create_service, restore_network

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

OTHER_CLUSTER = f"{STAGING}-cluster"


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return (
        _fault("not-forced", "The secret changed and no deployment followed.", rotate),
        _fault(
            "wrong-names",
            f"The cluster is {OTHER_CLUSTER} and its services are {STAGING}-backend and so on.",
            _rename,
        ),
        _fault(
            "rollout-stuck",
            "The worker's new tasks exit at once, and no circuit breaker ends the deployment.",
            lambda world: revise(world, "worker", _exit),
        ),
        _fault(
            "breaker-rollback",
            "The backend's new tasks exit at once, and the circuit breaker rolled the deployment back.",
            lambda world: revise(world, "backend", _exit),
        ),
        _fault("desired-zero", "The backend is scaled to no tasks.", _scale_to_zero),
        _fault(
            "external-controller",
            "The backend is deployed by an external controller, through task sets.",
            _hand_over,
        ),
        _fault(
            "health-check",
            "The worker's new tasks start and never pass their health check.",
            lambda world: revise(world, "worker", _never_healthy),
        ),
    )


def _fault(fault: str, breaks: str, apply: Callable[[World], None]) -> Fault:
    return Fault(fault, "deployment", breaks, apply)


def _exit(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = ["--sandbox-exit=1"]


def _never_healthy(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = ["--sandbox-unhealthy"]


def _scale_to_zero(world: World) -> None:
    world.ecs.update_service(cluster=CLUSTER, service="backend", desiredCount=0)


def _rename(world: World) -> None:
    world.ecs.create_cluster(clusterName=OTHER_CLUSTER)
    network = restore_network(world)
    for wanted in SERVICES:
        found = service(world, wanted.name)
        create_service(
            world, wanted, found["taskDefinition"], network, cluster=OTHER_CLUSTER, name=f"{STAGING}-{wanted.name}"
        )
        world.delete_service(wanted.name)
    world.settle()
    world.ecs.delete_cluster(cluster=CLUSTER)


def _hand_over(world: World) -> None:
    found = service(world, "backend")
    world.delete_service("backend")
    network = restore_network(world)
    world.ecs.create_service(
        cluster=CLUSTER,
        serviceName="backend",
        desiredCount=found["desiredCount"],
        deploymentController={"type": "EXTERNAL"},
    )
    world.ecs.create_task_set(
        cluster=CLUSTER,
        service="backend",
        taskDefinition=found["taskDefinition"],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )
