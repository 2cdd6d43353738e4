"""The worlds of the sandbox, built only through AWS's public API: healthy, and fresh from Terraform."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from omc_runbook.aws.failures import on_error
from omc_runbook.aws.secretsmanager import PENDING
from omc_runbook.masking.common import is_common
from omc_runbook.masking.defects import find_defect
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.secretive import is_secret
from omc_runbook.sandbox.account import ACCOUNT, REGION, WorldName
from omc_runbook.sandbox.postgres import Database
from omc_runbook.sandbox.worlds.database import login_keys, restore_login, variables, with_login
from omc_runbook.sandbox.worlds.monitoring import restore_monitoring
from omc_runbook.sandbox.worlds.roles import restore_roles
from omc_runbook.sandbox.worlds.staging import (
    ANYTHING,
    CLUSTER,
    EXECUTION_ROLE,
    KEYS,
    SECRET,
    SERVICES,
    STAGING,
    TASK_ROLE,
    Changes,
    ServiceSpec,
    World,
    is_external,
    restore_log_group,
)
from omc_runbook.sandbox.worlds.vpcs import network_configuration, restore_network

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import (
        AwsVpcConfigurationTypeDef,
        ContainerDefinitionOutputTypeDef,
        DeploymentConfigurationTypeDef,
        ServiceTypeDef,
        TaskDefinitionTypeDef,
    )
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

HEALTH_CHECK = ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"]
AWS_MANAGED_KEY = "alias/aws/secretsmanager"
_UNREADABLE = ("ResourceNotFoundException", "InvalidRequestException", "DecryptionFailure", "AccessDeniedException")
GOOD_DOCUMENT = "/sandbox/healthy-document"
"""The SSM parameter in which a sandbox keeps its good values, which no runbook reads."""

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
"""The secret after Terraform's first apply."""


def build(endpoint: str, world: WorldName, database: Database | None = None) -> None:
    """Build a world in an empty sandbox; returns when its services are settled."""
    empty = World(endpoint, database=database)
    if world == "fresh":
        restore(empty, with_login(FRESH_DOCUMENT, database))
    else:
        restore(empty, with_login(healthy_document(), database))
        keep_good_document(empty)


def healthy_document() -> dict[str, str]:
    """New strong values for all nine keys, which need no escaping in a URL."""
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


def good_document(world: World) -> dict[str, str]:
    """The healthy world's last good values, or new ones if there never were any."""
    text = _kept_text(world)
    if text is None:
        return with_login(healthy_document(), world.database)
    document: dict[str, str] = json.loads(text)
    return document


@on_error("ParameterNotFound", gives=None)
def _kept_text(world: World) -> str | None:
    parameter = world.ssm.get_parameter(Name=GOOD_DOCUMENT, WithDecryption=True)
    return str(parameter["Parameter"]["Value"])


def keep_good_document(world: World) -> None:
    """Save the secret's values for `mend`, if they are good."""
    text = current_text(world)
    if text is None or not is_good(text, (*KEYS, *login_keys(world.database))):
        return
    # A write would count among what has changed.
    if text != _kept_text(world):
        world.ssm.put_parameter(Name=GOOD_DOCUMENT, Value=text, Type="SecureString", Overwrite=True)


def is_good(text: str, keys: tuple[str, ...] = KEYS) -> bool:
    """Whether a text is a JSON object of exactly these keys with real values, no secret one twice, that fit a URL."""
    try:
        members = json.loads(text, object_pairs_hook=tuple)
    except json.JSONDecodeError:
        return False
    if not isinstance(members, tuple) or sorted(key for key, _ in members) != sorted(keys):
        return False
    if not all(isinstance(value, str) and value for _, value in members):
        return False
    own = [value for key, value in members if is_secret(key)]
    catalogue, words = default_keys(), STAGING.split("-")
    return len(set(own)) == len(own) and not any(
        find_defect(Masked(value, key), key, catalogue.get(key), words) or (is_secret(key) and is_common(value))
        for key, value in members
    )


def restore(world: World, document: dict[str, str], changes: Changes = ANYTHING) -> None:
    """Create or repair what may have changed in a world, and wait until it is settled.

    The secret gets the document's values, and every service a deployment that reads them.
    """
    if changes.include("iam:"):
        restore_roles(world)
    if changes.include("cloudtrail:", "logs:", "sns:", "cloudwatch:"):
        restore_monitoring(world)
    arn = restore_secret(world, document)
    restore_login(world.database, document)
    world.ecs.create_cluster(clusterName=CLUSTER)
    network = restore_network(world) if changes.include("ec2:") else network_configuration(world)
    existing = {service["serviceName"]: service for service in world.services()}
    for service in SERVICES:
        if changes.include("logs:"):
            restore_log_group(world, f"/ecs/{STAGING}/{service.name}")
        task_definition = restore_task_definition(world, service, arn)
        restore_service(world, service, existing.get(service.name), task_definition, network)
    world.settle()


def restore_secret(world: World, document: dict[str, str]) -> str:
    """Give the secret these values under the AWS managed key, with no resource policy and no tags; returns its ARN.

    A runbook marks a version to go on with by a staging label of its own, which goes too.
    """
    api = world.secretsmanager
    text = json.dumps(document)
    secret = _describe_secret(world)
    if secret is None:
        return api.create_secret(Name=SECRET, SecretString=text)["ARN"]
    if "DeletedDate" in secret:
        api.restore_secret(SecretId=SECRET)
    api.delete_resource_policy(SecretId=SECRET)
    api.untag_resource(SecretId=SECRET, TagKeys=[tag["Key"] for tag in secret.get("Tags", ())])
    if "KmsKeyId" in secret:
        api.update_secret(SecretId=SECRET, KmsKeyId=AWS_MANAGED_KEY)
    for version, labels in secret.get("VersionIdsToStages", {}).items():
        for label in labels:
            if label == PENDING or not label.startswith("AWS"):
                api.update_secret_version_stage(SecretId=SECRET, VersionStage=label, RemoveFromVersionId=version)
    if current_text(world) != text:
        api.put_secret_value(SecretId=SECRET, SecretString=text)
    return secret["ARN"]


@on_error("ResourceNotFoundException", gives=None)
def _describe_secret(world: World) -> DescribeSecretResponseTypeDef | None:
    return world.secretsmanager.describe_secret(SecretId=SECRET)


@on_error(*_UNREADABLE, gives=None)
def current_text(world: World) -> str | None:
    """The secret's SecretString at AWSCURRENT, or None if there is none or it cannot be read."""
    version = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")
    return version.get("SecretString")


def restore_task_definition(world: World, service: ServiceSpec, secret_arn: str) -> str:
    """The ARN of a healthy revision: the service's newest if that is healthy, else a new one."""
    family = f"{STAGING}-{service.name}"
    container = container_definition(service, secret_arn, world.database)
    newest = _newest_revision(world, family)
    if newest and newest.get("executionRoleArn") == f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}":
        containers = list(map(_without_defaults, newest["containerDefinitions"]))
        if containers == [_without_defaults(container)]:
            return newest["taskDefinitionArn"]
    return register(world, family, [container], EXECUTION_ROLE, TASK_ROLE)


def register(
    world: World, family: str, containers: list[ContainerDefinitionOutputTypeDef], execution_role: str, task_role: str
) -> str:
    """Register a revision for Fargate with these containers and roles; its ARN."""
    registered = world.ecs.register_task_definition(
        family=family,
        containerDefinitions=containers,
        executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{execution_role}",
        taskRoleArn=f"arn:aws:iam::{ACCOUNT}:role/{task_role}",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
    )
    return registered["taskDefinition"]["taskDefinitionArn"]


@on_error("ClientException", gives=None)
def _newest_revision(world: World, family: str) -> TaskDefinitionTypeDef | None:
    return world.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]


def container_definition(service: ServiceSpec, arn: str, database: Database | None) -> ContainerDefinitionOutputTypeDef:
    """The service's one container, with a reference to each key that it uses."""
    environment = {"ENVIRONMENT": "staging", "PROJECT_NAME": "Oh My Coins", "OMC_APP_ROLE": service.name}
    # A service without secrets cannot log in to the database.
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
    world: World,
    service: ServiceSpec,
    current: ServiceTypeDef | None,
    task_definition: str,
    network: AwsVpcConfigurationTypeDef,
) -> None:
    """Deploy a revision to the service, which is created if it is missing or ECS does not deploy it."""
    if current is not None and is_external(current):
        world.delete_service(service.name)
        current = None
    if current is None:
        create_service(world, service, task_definition, network)
        return
    world.ecs.update_service(
        cluster=CLUSTER,
        service=service.name,
        taskDefinition=task_definition,
        desiredCount=service.desired,
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration=deployment_configuration(service),
        platformVersion="LATEST",
        enableExecuteCommand=True,
        forceNewDeployment=bool(service.keys) or len(current["deployments"]) > 1,
    )


def create_service(
    world: World,
    service: ServiceSpec,
    task_definition: str,
    network: AwsVpcConfigurationTypeDef,
    cluster: str = CLUSTER,
    name: str = "",
    execute: bool = True,
) -> None:
    """Create a service, under its own name unless another is passed."""
    world.ecs.create_service(
        cluster=cluster,
        serviceName=name or service.name,
        taskDefinition=task_definition,
        desiredCount=service.desired,
        launchType="FARGATE",
        platformVersion="LATEST",
        networkConfiguration={"awsvpcConfiguration": network},
        deploymentConfiguration=deployment_configuration(service),
        enableExecuteCommand=execute,
    )


def deployment_configuration(service: ServiceSpec) -> DeploymentConfigurationTypeDef:
    """Start new tasks before old ones stop, with the circuit breaker if the service has one, and nothing else."""
    return {
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
        "lifecycleHooks": [],
        "earlySuccessCriteria": {"enable": False},
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": service.breaker, "rollback": service.breaker},
    }


def _without_defaults(container: ContainerDefinitionOutputTypeDef) -> dict[str, object]:
    """A container definition without the empty members that a server adds."""
    return {name: value for name, value in container.items() if value}
