"""Faults of ECS Exec."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from omc_runbook.sandbox.ecs.container import NO_SHELL
from omc_runbook.sandbox.ecs.process import AGENT_STOPS
from omc_runbook.sandbox.faults.change import add_variables, command, isolate_worker, redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.roles import TASK_POLICY, secrets_policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, TASK_ROLE, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ExecuteCommandConfigurationTypeDef

_fault = partial(Fault, "exec")
_KEYS = add_variables(AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none")


def _encrypt_sessions(world: World) -> None:
    key = world.kms.create_key(Description="ECS Exec")["KeyMetadata"]["Arn"]
    configure_sessions(world, key)


def configure_sessions(world: World, key: str = "") -> None:
    """Encrypt the cluster's ECS Exec sessions with a key, or with none."""
    if world.ecs.describe_clusters(clusters=[CLUSTER])["clusters"]:
        configuration: ExecuteCommandConfigurationTypeDef = {"logging": "DEFAULT"}
        if key:
            configuration["kmsKeyId"] = key
        world.ecs.update_cluster(cluster=CLUSTER, configuration={"executeCommandConfiguration": configuration})


def _disable(world: World) -> None:
    world.ecs.update_service(cluster=CLUSTER, service="worker", enableExecuteCommand=False, forceNewDeployment=True)


def _revoke_channels(world: World) -> None:
    policy = json.dumps(secrets_policy())
    world.iam.put_role_policy(RoleName=TASK_ROLE, PolicyName=TASK_POLICY, PolicyDocument=policy)
    redeploy(world)


FAULTS = (
    _fault("exec-off", "The worker's tasks run without ECS Exec enabled.", _disable),
    _fault("exec-agent", "The ECS Exec agent has stopped in the worker's tasks.", command("worker", AGENT_STOPS)),
    _fault("exec-iam", "The task role lacks the ssmmessages permissions for ECS Exec.", _revoke_channels),
    _fault(
        "exec-endpoint",
        "The worker's subnet has an endpoint for Secrets Manager, but none for ssmmessages.",
        isolate_worker,
    ),
    _fault(
        "exec-readonly",
        "The worker's root file system is read-only.",
        lambda world: revise(world, "worker", lambda each: each.update({"readonlyRootFilesystem": True})),
    ),
    _fault(
        "exec-static-keys",
        "The worker's container has AWS keys in its environment, which may not open ECS Exec's channels.",
        lambda world: revise(world, "worker", _KEYS),
    ),
    _fault("exec-kms", "A KMS key that the task role may not use encrypts ECS Exec's sessions.", _encrypt_sessions),
    _fault("exec-no-shell", "The worker's image has no shell.", command("worker", NO_SHELL)),
)
