"""The platform in moto under its own names, as its public checkout has them: 23 keys, of which eight are injected."""

from __future__ import annotations

import json
import secrets
from typing import Any

import boto3
from support.paths import ROOT
from support.snapshots import values

ACCOUNT = "123456789012"
REGION = "ap-southeast-2"
PREFIX = "ohmycoins-staging"
SECRET = f"{PREFIX}-app-secrets"
CHECKOUTS = ROOT / "tests" / "support" / "terraform_checkouts"
PLATFORM = CHECKOUTS / "folders"
"""A checkout of the platform's shape, with the names that `build` makes."""

INJECTED = {
    "SECRET_KEY": "SECRET_KEY",
    "POSTGRES_PASSWORD": "POSTGRES_PASSWORD",
    "OPENAI_API_KEY": "OPENAI_API_KEY",
    "FIRST_SUPERUSER": "FIRST_SUPERUSER",
    "FIRST_SUPERUSER_PASSWORD": "FIRST_SUPERUSER_PASSWORD",
    "CRYPTOPANIC_API_KEY": "omc-CryptoPanic-testkey",
    "NEWSCATCHER_API_KEY": "omc-NewsCatcher-testkey",
    "NANSEN_API_KEY": "omc-Nansen-testkey",
}
"""The key of each variable that containers get from the secret."""
PLAIN = (
    "ENVIRONMENT",
    "DOMAIN",
    "POSTGRES_SERVER",
    "POSTGRES_PORT",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "REDIS_HOST",
    "REDIS_PORT",
)
"""Variables that containers get plainly, and that the secret has too."""
UNREACHED = (
    "SMTP_HOST",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SENTRY_DSN",
    "EMAILS_FROM_EMAIL",
    "FRONTEND_HOST",
    "PROJECT_NAME",
)
"""Keys that no container gets."""


def client(service: str) -> Any:
    """moto's client."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def document() -> dict[str, Any]:
    """The secret's 23 keys, with new values."""
    good = values()
    injected = {key: good.get(key, secrets.token_hex(16)) for key in INJECTED.values()}
    plain: dict[str, Any] = {key: f"{key.lower()}.internal" for key in PLAIN} | {"POSTGRES_PORT": 5432}
    return injected | plain | {key: good.get(key, f"{key.lower()}@ohmycoins.test") for key in UNREACHED}


def build(desired: int = 0, tags: bool = True) -> str:
    """Make staging of the platform; returns the secret's ARN."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    iam, ecs, sm = client("iam"), client("ecs"), client("secretsmanager")
    labels = [{"Key": "Environment", "Value": "staging"}, {"Key": "ManagedBy", "Value": "Terraform"}] if tags else []
    arn: str = sm.create_secret(Name=SECRET, SecretString=json.dumps(document()), Tags=labels)["ARN"]
    roles = {
        name: iam.create_role(RoleName=f"{PREFIX}-{name}", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        for name in ("ecs-task-execution-role", "ecs-task-role")
    }
    allow = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [f"{arn[:-6]}*"]}
    iam.put_role_policy(
        RoleName=f"{PREFIX}-ecs-task-execution-role",
        PolicyName=f"{PREFIX}-ecs-task-execution-secrets-policy",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    ecs.create_cluster(
        clusterName=f"{PREFIX}-cluster", tags=[{"key": "Environment", "value": "staging"}] if tags else []
    )
    for name in ("backend", "frontend"):
        variables = INJECTED if name == "backend" else {}
        ecs.register_task_definition(
            family=f"{PREFIX}-{name}",
            executionRoleArn=roles["ecs-task-execution-role"]["Role"]["Arn"],
            taskRoleArn=roles["ecs-task-role"]["Role"]["Arn"],
            containerDefinitions=[
                {
                    "name": name,
                    "image": f"{PREFIX}-{name}:1",
                    "memory": 64,
                    "environment": [{"name": each, "value": "x"} for each in PLAIN] if variables else [],
                    "secrets": [{"name": each, "valueFrom": f"{arn}:{key}::"} for each, key in variables.items()],
                }
            ],
        )
        ecs.create_service(
            cluster=f"{PREFIX}-cluster",
            serviceName=f"{PREFIX}-{name}",
            taskDefinition=f"{PREFIX}-{name}",
            desiredCount=desired,
        )
    return arn
