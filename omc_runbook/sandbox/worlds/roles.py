"""The two roles of the sandbox's tasks, and the inline policies that each has in a healthy world."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET_PATTERN, SECRETS_POLICY, STAGING, TASK_ROLE, World

BASE_POLICY = f"{STAGING}-ecs-task-execution-policy"
TASK_POLICY = f"{STAGING}-ecs-task-policy"

Policy = dict[str, Any]


def restore_roles(world: World) -> None:
    """Make or repair the execution role and the task role."""
    restore_role(world, EXECUTION_ROLE, {BASE_POLICY: base_policy(), SECRETS_POLICY: secrets_policy()})
    restore_role(world, TASK_ROLE, {TASK_POLICY: task_policy()})


def restore_role(world: World, name: str, policies: dict[str, Policy]) -> None:
    """Give a role that ECS tasks can assume exactly these policies, all inline, by name."""
    trust = json.dumps(policy("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"}))
    try:
        world.iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    for extra in set(world.iam.list_role_policies(RoleName=name)["PolicyNames"]) - set(policies):
        world.iam.delete_role_policy(RoleName=name, PolicyName=extra)
    for attached in world.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        world.iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
    tags = world.iam.list_role_tags(RoleName=name)["Tags"]
    world.iam.untag_role(RoleName=name, TagKeys=[tag["Key"] for tag in tags])
    for policy_name, document in policies.items():
        world.iam.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=json.dumps(document))


def secrets_policy(*resources: str) -> Policy:
    """A policy that allows the execution role to read the secret, or these resources."""
    return policy("secretsmanager:GetSecretValue", Resource=list(resources) or SECRET_PATTERN)


def base_policy() -> Policy:
    """What any execution role may do: pull images and write logs."""
    ecr = ("GetAuthorizationToken", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage")
    logs = ("CreateLogStream", "PutLogEvents")
    return policy(*(f"ecr:{verb}" for verb in ecr), *(f"logs:{verb}" for verb in logs), Resource="*")


def task_policy() -> Policy:
    """What the application itself may do: read the secret, and be inspected with ECS Exec."""
    channels = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    task = policy(*(f"ssmmessages:{verb}" for verb in channels), Resource="*")
    task["Statement"] += secrets_policy()["Statement"]
    return task


def policy(*actions: str, effect: str = "Allow", **scope: object) -> Policy:
    """A policy of one statement."""
    statement = {"Effect": effect, "Action": list(actions) if len(actions) > 1 else actions[0], **scope}
    return {"Version": "2012-10-17", "Statement": [statement]}
