"""The changes that faults consist of: put a document, register a revision, deploy, grant."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.worlds.build import current_text, good_document
from omc_runbook.sandbox.worlds.roles import Policy, policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, EXECUTION_ROLE, SECRET, SECRETS_POLICY, World
from omc_runbook.sandbox.worlds.vpcs import PrivateNetwork, make_private

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef, RegisterTaskDefinitionRequestTypeDef
    from mypy_boto3_kms.type_defs import KeyMetadataTypeDef
    from mypy_boto3_secretsmanager import SecretsManagerClient

ContainerEdit = Callable[["ContainerDefinitionOutputTypeDef"], None]
KMS_POLICY = f"{SECRETS_POLICY}-kms"
NetworkChange = Callable[["EC2Client", PrivateNetwork], object]


def document(world: World) -> dict[str, Any]:
    """The secret's current JSON object, or the last good one if it cannot be parsed."""
    try:
        content = json.loads(current_text(world) or "")
    except json.JSONDecodeError:
        content = None
    return content if isinstance(content, dict) else good_document(world)


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


def rotate_automatically(world: World, days: int, at_once: bool = False) -> None:
    """Turn the secret's automatic rotation on, with a function that does not exist."""
    world.secretsmanager.rotate_secret(
        SecretId=SECRET,
        RotationLambdaARN=f"arn:aws:lambda:{world.region}:{ACCOUNT}:function:rotate-app-secrets",
        RotationRules={"AutomaticallyAfterDays": days},
        RotateImmediately=at_once,
    )


def redeploy(world: World) -> None:
    """Force a new deployment of every service that uses the secret."""
    for service in CONSUMERS:
        world.ecs.update_service(cluster=CLUSTER, service=service.name, forceNewDeployment=True)


def revise(
    world: World,
    name: str,
    edit: ContainerEdit,
    execution_role: str | None = None,
    sidecars: Sequence[ContainerDefinitionOutputTypeDef] = (),
) -> None:
    """Register a revision of a service's task definition with an edited container and these others; deploy it.

    It keeps the execution role, has the one of another ARN, or none with "".
    """
    arn = world.service(name)["taskDefinition"]
    current = world.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    container = copy.deepcopy(current["containerDefinitions"][0])
    edit(container)
    request: RegisterTaskDefinitionRequestTypeDef = {
        "family": current["family"],
        "containerDefinitions": [container, *sidecars],
        "taskRoleArn": current["taskRoleArn"],
        "networkMode": current["networkMode"],
        "requiresCompatibilities": current["requiresCompatibilities"],
        "cpu": current["cpu"],
        "memory": current["memory"],
    }
    if role := current["executionRoleArn"] if execution_role is None else execution_role:
        request["executionRoleArn"] = role
    revision = world.ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    world.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=revision)


def command(name: str, *words: str) -> Callable[[World], None]:
    """A fault's `apply` that gives the container of a service another command."""
    return lambda world: revise(world, name, lambda container: container.update({"command": list(words)}))


def add_variables(**variables: str) -> ContainerEdit:
    """An edit that adds plain variables to a container."""
    return lambda container: container["environment"].extend(
        {"name": name, "value": value} for name, value in variables.items()
    )


def add_reference(variable: str, value_from: str) -> ContainerEdit:
    """An edit that adds a variable with a valueFrom to a container."""
    return lambda container: container["secrets"].append({"name": variable, "valueFrom": value_from})


def refer(world: World, name: str, variable: str, value_from: Callable[[str], str]) -> None:
    """Deploy a revision with a new valueFrom for one variable, computed from the secret's ARN."""

    def edit(container: ContainerDefinitionOutputTypeDef) -> None:
        for entry in container["secrets"]:
            if entry["name"] == variable:
                arn = ":".join(entry["valueFrom"].split(":")[:7])
                entry["valueFrom"] = value_from(arn)

    revise(world, name, edit)


def isolate_worker(world: World, change: NetworkChange = lambda ec2, network: None) -> None:
    """Deploy the worker into a new private network, after a change to that."""
    ec2: EC2Client = world.client("ec2")
    network = make_private(ec2)
    change(ec2, network)
    world.ecs.update_service(
        cluster=CLUSTER,
        service="worker",
        networkConfiguration={"awsvpcConfiguration": network.configuration},
        forceNewDeployment=True,
    )


def grant(world: World, document: Policy, name: str = SECRETS_POLICY) -> None:
    """Put an inline policy on the execution role."""
    world.iam.put_role_policy(RoleName=EXECUTION_ROLE, PolicyName=name, PolicyDocument=json.dumps(document))


def encrypt(world: World) -> KeyMetadataTypeDef:
    """Put the secret under a new customer key."""
    key = world.kms.create_key(Description="Staging secrets")["KeyMetadata"]
    world.secretsmanager.update_secret(SecretId=SECRET, KmsKeyId=key["Arn"])
    return key


def encrypt_and_grant(world: World) -> KeyMetadataTypeDef:
    """Put the secret under a new customer key that the execution role may use."""
    key = encrypt(world)
    grant(world, policy("kms:Decrypt", Resource=key["Arn"]), KMS_POLICY)
    return key


@on_error("ResourceNotFoundException", gives=None)
def remove_secret(secretsmanager: SecretsManagerClient, name: str = SECRET) -> None:
    """Delete a secret at once, if it exists."""
    secretsmanager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
