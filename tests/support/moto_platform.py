"""The platform in moto under its own names, as its public checkout has them: 23 keys, of which eight are injected."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from support.moto_environment import REGION, client
from support.paths import ROOT
from support.snapshots import values

PREFIX = "ohmycoins-staging"
SECRET = f"{PREFIX}-app-secrets"
NAMES = {
    "region": REGION,
    "secret": SECRET,
    "cluster": f"{PREFIX}-cluster",
    "service": f"{PREFIX}-backend",
    "task_family": f"{PREFIX}-backend",
    "execution_role": f"{PREFIX}-ecs-task-execution-role",
    "task_role": f"{PREFIX}-ecs-task-role",
    "execution_policy": f"{PREFIX}-ecs-task-execution-secrets-policy",
}
CHECKOUTS = ROOT / "tests" / "support" / "terraform_checkouts"
PLATFORM = CHECKOUTS / "folders"
"""A checkout of the platform's shape, with the names that `build` makes."""

_SAME_NAME = ("SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD")
INJECTED = dict(zip(_SAME_NAME, _SAME_NAME, strict=True)) | {
    "CRYPTOPANIC_API_KEY": "omc-CryptoPanic-testkey",
    "NEWSCATCHER_API_KEY": "omc-NewsCatcher-testkey",
    "NANSEN_API_KEY": "omc-Nansen-testkey",
}
"""The key of each variable that containers get from the secret."""
PLAIN = (
    *("ENVIRONMENT", "DOMAIN", "REDIS_HOST", "REDIS_PORT"),
    *("POSTGRES_SERVER", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER"),
)
"""Variables that containers get plainly, and that the secret has too."""
UNREACHED = (
    *("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD"),
    *("SENTRY_DSN", "EMAILS_FROM_EMAIL", "FRONTEND_HOST", "PROJECT_NAME"),
)
"""Keys that no container gets."""


def document() -> dict[str, Any]:
    """The secret's 23 keys, with new values."""
    good = values()
    injected = {key: good.get(key, secrets.token_hex(16)) for key in INJECTED.values()}
    plain: dict[str, Any] = {key: f"{key.lower()}.internal" for key in PLAIN} | {"POSTGRES_PORT": 5432}
    return injected | plain | {key: good.get(key, f"{key.lower()}@ohmycoins.test") for key in UNREACHED}


def build(desired: int = 0, tags: bool = True) -> str:
    """Make staging of the platform; returns the secret's ARN."""
    # A test may call the secret otherwise.
    arn = build_named(NAMES | {"secret": SECRET}, document(), INJECTED, desired, tags)
    frontend = f"{PREFIX}-frontend"
    add_service(NAMES | {"service": frontend, "task_family": frontend}, {}, desired)
    return arn


def build_named(
    names: Mapping[str, str], document: Mapping[str, Any], injected: Mapping[str, str], desired: int, tags: bool
) -> str:
    """Make an environment of these names, by their field in runbook.toml; returns the secret's ARN.

    `injected` has the key of each variable that the service gets from the secret.
    """
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    region = names["region"]
    iam, ecs, sm = client("iam", region), client("ecs", region), client("secretsmanager", region)
    labels = [{"Key": "Environment", "Value": "staging"}, {"Key": "ManagedBy", "Value": "Terraform"}] if tags else []
    arn: str = sm.create_secret(Name=names["secret"], SecretString=json.dumps(document), Tags=labels)["ARN"]
    for field in ("execution_role", "task_role"):
        iam.create_role(RoleName=names[field], AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    allow = {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [f"{arn[:-6]}*"]}
    iam.put_role_policy(
        RoleName=names["execution_role"],
        PolicyName=names["execution_policy"],
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    own = [{"key": "Environment", "value": "staging"}] if tags else []
    ecs.create_cluster(clusterName=names["cluster"], tags=own)
    add_service(names, {variable: f"{arn}:{key}::" for variable, key in injected.items()}, desired)
    return arn


def add_service(names: Mapping[str, str], references: Mapping[str, str], desired: int) -> None:
    """Make a service with its task definition; one with references gets the plain variables too."""
    iam, ecs = client("iam", names["region"]), client("ecs", names["region"])
    name = names["task_family"].rpartition("-")[2]
    ecs.register_task_definition(
        family=names["task_family"],
        executionRoleArn=iam.get_role(RoleName=names["execution_role"])["Role"]["Arn"],
        taskRoleArn=iam.get_role(RoleName=names["task_role"])["Role"]["Arn"],
        containerDefinitions=[
            {
                "name": name,
                "image": f"{names['task_family']}:1",
                "memory": 64,
                "environment": [{"name": each, "value": "x"} for each in PLAIN] if references else [],
                "secrets": [{"name": each, "valueFrom": reference} for each, reference in references.items()],
            }
        ],
    )
    ecs.create_service(
        cluster=names["cluster"],
        serviceName=names["service"],
        taskDefinition=names["task_family"],
        desiredCount=desired,
    )
