"""Faults of ECS Exec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from omc_runbook.sandbox.ecs.container import NO_SHELL
from omc_runbook.sandbox.ecs.process import AGENT_STOPS
from omc_runbook.sandbox.faults.change import redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.roles import TASK_POLICY, secrets_policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, TASK_ROLE, World
from omc_runbook.sandbox.worlds.vpcs import make_private

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return (
        Fault("exec-off", "exec", "The worker's tasks run without ECS Exec enabled.", _switch_off),
        Fault(
            "exec-agent",
            "exec",
            "The ECS Exec agent has stopped in the worker's tasks.",
            lambda world: revise(world, "worker", _stop_agent),
        ),
        Fault("exec-iam", "exec", "The task role lacks the ssmmessages permissions for ECS Exec.", _forbid_channels),
        Fault(
            "exec-endpoint",
            "exec",
            "The worker's subnet has an endpoint for Secrets Manager, but none for ssmmessages.",
            _isolate,
        ),
        Fault(
            "exec-readonly",
            "exec",
            "The worker's root file system is read-only.",
            lambda world: revise(world, "worker", _make_readonly),
        ),
        Fault(
            "exec-no-shell",
            "exec",
            "The worker's image has no shell.",
            lambda world: revise(world, "worker", _remove_shell),
        ),
    )


def _switch_off(world: World) -> None:
    world.ecs.update_service(cluster=CLUSTER, service="worker", enableExecuteCommand=False, forceNewDeployment=True)


def _forbid_channels(world: World) -> None:
    without = json.dumps(secrets_policy())
    world.iam.put_role_policy(RoleName=TASK_ROLE, PolicyName=TASK_POLICY, PolicyDocument=without)
    redeploy(world)


def _isolate(world: World) -> None:
    private = make_private(world.client("ec2"))
    world.ecs.update_service(
        cluster=CLUSTER,
        service="worker",
        networkConfiguration={"awsvpcConfiguration": private.configuration},
        forceNewDeployment=True,
    )


def _stop_agent(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [AGENT_STOPS]


def _make_readonly(container: ContainerDefinitionOutputTypeDef) -> None:
    container["readonlyRootFilesystem"] = True


def _remove_shell(container: ContainerDefinitionOutputTypeDef) -> None:
    container["command"] = [NO_SHELL]
