"""The changes that faults consist of: put a document, register a revision, deploy, grant."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from omc_runbook.sandbox.worlds.build import current_text, kept_document
from omc_runbook.sandbox.worlds.roles import Policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, EXECUTION_ROLE, SECRET, SECRETS_POLICY, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import (
        ContainerDefinitionOutputTypeDef,
        RegisterTaskDefinitionRequestTypeDef,
        ServiceTypeDef,
    )

ContainerEdit = Callable[["ContainerDefinitionOutputTypeDef"], None]


def document(world: World) -> dict[str, Any]:
    """The secret's current JSON object, or the last good one where it cannot be parsed."""
    try:
        found = json.loads(current_text(world) or "")
    except json.JSONDecodeError:
        return dict(kept_document(world))
    return found if isinstance(found, dict) else dict(kept_document(world))


def put(world: World, content: dict[str, Any] | str | bytes) -> None:
    """Give the secret a new current version: a document as JSON, text as it is, bytes as SecretBinary."""
    if isinstance(content, bytes):
        world.secretsmanager.put_secret_value(SecretId=SECRET, SecretBinary=content)
        return
    text = content if isinstance(content, str) else json.dumps(content)
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)


def rotate(world: World) -> None:
    """Write a version with a new good value of SECRET_KEY."""
    put(world, {**document(world), "SECRET_KEY": secrets.token_hex(32)})


def redeploy(world: World) -> None:
    """Force a new deployment of every service that uses the secret."""
    for service in CONSUMERS:
        world.ecs.update_service(cluster=CLUSTER, service=service.name, forceNewDeployment=True)


def service(world: World, name: str) -> ServiceTypeDef:
    """One service of the guide's cluster as DescribeServices has it."""
    return world.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]


def revise(world: World, name: str, edit: ContainerEdit, execution_role: bool = True) -> None:
    """Register a revision of a service's task definition with an edited container, and deploy it."""
    arn = service(world, name)["taskDefinition"]
    present = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    container = copy.deepcopy(present["containerDefinitions"][0])
    edit(container)
    request: RegisterTaskDefinitionRequestTypeDef = {
        "family": present["family"],
        "containerDefinitions": [container],
        "taskRoleArn": present["taskRoleArn"],
        "networkMode": present["networkMode"],
        "requiresCompatibilities": present["requiresCompatibilities"],
        "cpu": present["cpu"],
        "memory": present["memory"],
    }
    if execution_role:
        request["executionRoleArn"] = present["executionRoleArn"]
    registered = world.ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    world.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=registered)


def refer(world: World, name: str, variable: str, value_from: Callable[[str], str]) -> None:
    """Deploy a revision with a new valueFrom for one variable, computed from the secret's ARN."""

    def edit(container: ContainerDefinitionOutputTypeDef) -> None:
        for entry in container["secrets"]:
            if entry["name"] == variable:
                arn = ":".join(entry["valueFrom"].split(":")[:7])
                entry["valueFrom"] = value_from(arn)

    revise(world, name, edit)


def grant(world: World, policy: Policy, name: str = SECRETS_POLICY) -> None:
    """Put an inline policy on the execution role."""
    world.iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name, PolicyDocument=json.dumps(policy))
