"""The worlds of the sandbox, built only through AWS's public API: healthy, and fresh from Terraform."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from botocore.exceptions import ClientError

from omc_runbook.masking.common import is_common
from omc_runbook.model.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT
from omc_runbook.model.secretive import is_secret
from omc_runbook.sandbox.postgres import Database
from omc_runbook.sandbox.worlds.database import login_keys, restore_login, variables, with_login
from omc_runbook.sandbox.worlds.roles import restore_roles
from omc_runbook.sandbox.worlds.staging import (
    ACCOUNT,
    CLUSTER,
    EXECUTION_ROLE,
    KEYS,
    REGION,
    SECRET,
    SERVICES,
    STAGING,
    TASK_ROLE,
    ServiceSpec,
    World,
    is_external,
)
from omc_runbook.sandbox.worlds.vpcs import restore_network

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import (
        AwsVpcConfigurationTypeDef,
        ContainerDefinitionOutputTypeDef,
        DeploymentConfigurationTypeDef,
    )

WorldName = Literal["healthy", "fresh"]
HEALTH_CHECK = ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"]
AWS_MANAGED_KEY = "alias/aws/secretsmanager"
UNREADABLE = ("ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure", "AccessDeniedException")
KEPT_DOCUMENT = "/sandbox/healthy-document"
"""The SSM parameter in which a sandbox keeps its own good values, out of the way of every runbook."""

FRESH_DOCUMENT = {
    "SECRET_KEY": "<generate-with-openssl-rand-hex-32>",
    "POSTGRES_PASSWORD": "temporary-password-please-update",
    "OPENAI_API_KEY": "temporary-openai-key-please-update",
    "FIRST_SUPERUSER": "admin@example.com",
    "FIRST_SUPERUSER_PASSWORD": "temporary-superuser-password-please-update",
    "SMTP_HOST": "",
    "SMTP_USER": "",
    "SMTP_PASSWORD": "",
    "SENTRY_DSN": "",
}
"""What Terraform's first apply puts into the secret."""


def build(endpoint: str, world: WorldName, database: Database | None = None) -> None:
    """Build a world in an empty sandbox; returns when its services are settled."""
    made = World(endpoint, database=database)
    if world == "fresh":
        restore(made, with_login(FRESH_DOCUMENT, database))
    else:
        restore(made, with_login(healthy_document(), database))
        keep_good_document(made)


def healthy_document() -> dict[str, str]:
    """New strong values for all nine keys, fit for a URL."""
    return {
        "SECRET_KEY": secrets.token_hex(32),
        "POSTGRES_PASSWORD": secrets.token_hex(24),
        "OPENAI_API_KEY": f"sk-{secrets.token_hex(24)}",
        "FIRST_SUPERUSER": "admin@example.com",
        "FIRST_SUPERUSER_PASSWORD": secrets.token_hex(16),
        "SMTP_HOST": "smtp.example.com",
        "SMTP_USER": "noreply@example.com",
        "SMTP_PASSWORD": secrets.token_hex(16),
        "SENTRY_DSN": f"https://{secrets.token_hex(16)}@sentry.example.com/4",
    }


def kept_document(world: World) -> dict[str, str]:
    """The values that the healthy world was last seen with, or new ones where it never was."""
    try:
        kept = world.ssm.get_parameter(Name=KEPT_DOCUMENT, WithDecryption=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return with_login(healthy_document(), world.database)
    document: dict[str, str] = json.loads(kept["Parameter"]["Value"])
    return document


def keep_good_document(world: World) -> None:
    """Remember the secret's values to mend with, where they are such as the healthy world has."""
    text = current_text(world)
    if text is not None and is_good(text, (*KEYS, *login_keys(world.database))):
        world.ssm.put_parameter(Name=KEPT_DOCUMENT, Value=text, Type="SecureString", Overwrite=True)


def is_good(text: str, keys: tuple[str, ...] = KEYS) -> bool:
    """Tell a JSON object of these keys, each once with a real value that fits a URL where it has to."""
    try:
        found = json.loads(text, object_pairs_hook=tuple)
    except json.JSONDecodeError:
        return False
    if not isinstance(found, tuple) or sorted(name for name, _ in found) != sorted(keys):
        return False
    if not all(isinstance(value, str) and value and value == value.strip() for _, value in found):
        return False
    if any(
        PLACEHOLDER.match(value) or TEMPLATE_DEFAULT.match(value) or (is_secret(key) and value and is_common(value))
        for key, value in found
    ):
        return False
    password: str = dict(found)["POSTGRES_PASSWORD"]
    return quote(password, safe="") == password


def restore(world: World, document: dict[str, str]) -> None:
    """Create or repair everything that a world consists of, and wait until it is settled.

    The secret gets the document's values, and every service a deployment that has read them.
    """
    restore_roles(world)
    arn = restore_secret(world, document)
    restore_login(world.database, document)
    world.ecs.create_cluster(clusterName=CLUSTER)
    network = restore_network(world)
    for service in SERVICES:
        restore_log_group(world, f"/ecs/{STAGING}/{service.name}")
        restore_service(world, service, restore_task_definition(world, service, arn), network)
    world.settle()


def restore_secret(world: World, document: dict[str, str]) -> str:
    """Give the secret these values under the AWS managed key, with no resource policy; returns its ARN."""
    api = world.secretsmanager
    text = json.dumps(document)
    try:
        found = api.describe_secret(SecretId=SECRET)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return api.create_secret(Name=SECRET, SecretString=text)["ARN"]
    if "DeletedDate" in found:
        api.restore_secret(SecretId=SECRET)
    api.delete_resource_policy(SecretId=SECRET)
    if "KmsKeyId" in found:
        api.update_secret(SecretId=SECRET, KmsKeyId=AWS_MANAGED_KEY)
    if current_text(world) != text:
        api.put_secret_value(SecretId=SECRET, SecretString=text)
    return found["ARN"]


def current_text(world: World) -> str | None:
    """The secret's SecretString at AWSCURRENT, or None where it has none that can be read."""
    try:
        found = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNREADABLE:
            raise
        return None
    return found.get("SecretString")


def restore_log_group(world: World, name: str) -> None:
    """Make a log group where there is none."""
    try:
        world.logs.create_log_group(logGroupName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise


def restore_task_definition(world: World, service: ServiceSpec, secret_arn: str) -> str:
    """The ARN of the service's newest revision if it is as it should be, else of a new one that is."""
    family = f"{STAGING}-{service.name}"
    container = container_definition(service, secret_arn, world.database)
    roles = {
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}",
        "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{TASK_ROLE}",
    }
    try:
        newest = world.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ClientException":
            raise
    else:
        whole = [_given(found) for found in newest["containerDefinitions"]] == [_given(container)]
        if whole and newest.get("executionRoleArn") == roles["executionRoleArn"]:
            return newest["taskDefinitionArn"]
    registered = world.ecs.register_task_definition(
        family=family,
        containerDefinitions=[container],
        executionRoleArn=roles["executionRoleArn"],
        taskRoleArn=roles["taskRoleArn"],
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
    )
    return registered["taskDefinition"]["taskDefinitionArn"]


def container_definition(service: ServiceSpec, arn: str, database: Database | None) -> ContainerDefinitionOutputTypeDef:
    """The service's one container, with a reference to each key that it uses."""
    environment = {"ENVIRONMENT": "staging", "PROJECT_NAME": "Oh My Coins", "OMC_APP_ROLE": service.name}
    # What uses no secret has no business with the database.
    environment |= variables(database) if service.keys else {}
    keys = (*service.keys, *login_keys(database)) if service.keys else ()
    options = {
        "awslogs-group": f"/ecs/{STAGING}/{service.name}",
        "awslogs-region": REGION,
        "awslogs-stream-prefix": "ecs",
    }
    return {
        "name": service.name,
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{STAGING}-{service.name}:latest",
        "memory": 512,
        "essential": True,
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "secrets": [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in keys],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
        "healthCheck": {"command": HEALTH_CHECK, "interval": 30, "timeout": 5, "retries": 3},
    }


def restore_service(
    world: World, service: ServiceSpec, task_definition: str, network: AwsVpcConfigurationTypeDef
) -> None:
    """Deploy a revision anew as the service, created again where it is gone or not ECS's to deploy."""
    found = [present for present in world.services() if present["serviceName"] == service.name]
    if found and is_external(found[0]):
        world.delete_service(service.name)
        found = []
    if not found:
        create_service(world, service, task_definition, network)
        return
    world.ecs.update_service(
        cluster=CLUSTER,
        service=service.name,
        taskDefinition=task_definition,
        desiredCount=service.desired,
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration=deployment_configuration(service),
        enableExecuteCommand=True,
        forceNewDeployment=bool(service.keys),
    )


def create_service(
    world: World,
    service: ServiceSpec,
    task_definition: str,
    network: AwsVpcConfigurationTypeDef,
    cluster: str = CLUSTER,
    name: str = "",
) -> None:
    """Create a service, under a name of its own where one is given."""
    world.ecs.create_service(
        cluster=cluster,
        serviceName=name or service.name,
        taskDefinition=task_definition,
        desiredCount=service.desired,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration=deployment_configuration(service),
        enableExecuteCommand=True,
    )


def deployment_configuration(service: ServiceSpec) -> DeploymentConfigurationTypeDef:
    """New tasks before old ones go, with the circuit breaker where the service has it."""
    return {
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": service.breaker, "rollback": service.breaker},
    }


def _given(container: ContainerDefinitionOutputTypeDef) -> dict[str, object]:
    """A container definition without what a server adds where nothing was given."""
    return {name: value for name, value in container.items() if value}
