"""A healthy account as a company has it, around the sandbox's staging environment.

It has 60 roles, users and groups, five services, and a secret whose 30 versions were written over two years.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from omc_runbook.model.secretive import is_secret
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import (
    create_service,
    current_text,
    healthy_document,
    keep_good_document,
    restore_task_definition,
)
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    CONSUMERS,
    EXECUTION_ROLE,
    KEYS,
    SECRET,
    SECRET_PATTERN,
    STAGING,
    TASK_ROLE,
    ServiceSpec,
    World,
    restore_log_group,
)

ROLES = 60
"""All roles of the account, with the two of the staging environment's tasks."""
VERSIONS = 30
ADDED = (ServiceSpec("mailer", 1, KEYS[5:8], breaker=True), ServiceSpec("reports", 1, KEYS[1:3], breaker=True))
"""The services beside the healthy world's three."""
PARALLEL = 8

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RoleSpec:
    """A role: who may assume it, and what it may do."""

    name: str
    trust: Document
    policies: Mapping[str, Document] = field(default_factory=dict)
    """Inline policies by name."""
    managed: tuple[str, ...] = ()
    """Names of the account's managed policies."""
    boundary: str = ""
    """The name of the managed policy that limits it."""


def build(sandbox: Sandbox, now: datetime) -> None:
    """Add the account's identities, the secret's history and two services to a healthy sandbox."""
    world = World(sandbox.endpoint)
    _write_versions(sandbox, world, now)
    _add_services(world)
    with ThreadPoolExecutor(PARALLEL) as pool:
        _each(pool, lambda item: _create_policy(world, *item), MANAGED.items())
        for name in SERVICE_LINKED:
            world.iam.create_service_linked_role(AWSServiceName=name)
        _each(pool, lambda role: _create_role(world, role), roles())
        _each(pool, lambda item: _create_group(world, *item), GROUPS.items())
        _each(pool, lambda item: _create_user(world, *item), USERS.items())
    world.settle()


def _write_versions(sandbox: Sandbox, world: World, now: datetime) -> None:
    """Renew one key after the other, in even steps; the youngest value is as old as one step."""
    versions = [*world.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]]
    for number in range(len(versions), VERSIONS):
        key = _written_by(number)
        document = json.loads(current_text(world) or "{}") | {key: healthy_document()[key]}
        text = json.dumps(document)
        versions.append(world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)["VersionId"])
    keep_good_document(world)
    step = timedelta(days=2 * 365) / VERSIONS
    created = {version: (now - step * (VERSIONS - number)).timestamp() for number, version in enumerate(versions)}
    lifecycle.ask(sandbox, "POST", "versions", {"secret": SECRET, "created": created})


def newest_writes() -> dict[str, int]:
    """The number of the version that gave each key its present value; the first, 0, has all of them."""
    return dict.fromkeys(KEYS, 0) | {_written_by(number): number for number in range(1, VERSIONS)}


def _written_by(number: int) -> str:
    """The key that a version gives a new value."""
    renewed = [key for key in KEYS if is_secret(key)]
    return renewed[number % len(renewed)]


def _add_services(world: World) -> None:
    """Two more services, and new tasks of those that there are, with the current values."""
    services = {service["serviceName"]: service for service in world.services()}
    network = services["backend"]["networkConfiguration"]["awsvpcConfiguration"]
    arn = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    for service in ADDED:
        restore_log_group(world, f"/ecs/{STAGING}/{service.name}")
        create_service(world, service, restore_task_definition(world, service, arn), network)
    for service in CONSUMERS:
        world.ecs.update_service(cluster=CLUSTER, service=service.name, forceNewDeployment=True)


def _each(pool: ThreadPoolExecutor, act: Callable[[Any], None], items: Any) -> None:
    list(pool.map(act, items))


def document(*statements: Document) -> Document:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": [*statements]}


def allow(*actions: str, resource: object = "*", **members: object) -> Document:
    """A statement that allows actions."""
    return {"Effect": "Allow", "Action": [*actions], "Resource": resource, **members}


def deny(*actions: str, resource: object = "*", **members: object) -> Document:
    """A statement that denies actions."""
    return {"Effect": "Deny", "Action": [*actions], "Resource": resource, **members}


def _trust(action: str = "sts:AssumeRole", condition: Document | None = None, **principal: object) -> Document:
    statement: Document = {"Effect": "Allow", "Principal": principal, "Action": action}
    return document(statement | ({"Condition": condition} if condition else {}))


def _of(service: str) -> Document:
    return _trust(Service=f"{service}.amazonaws.com", condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}})


_SAML = _trust(
    "sts:AssumeRoleWithSAML",
    Federated=f"arn:aws:iam::{ACCOUNT}:saml-provider/company",
    condition={"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
)
_OIDC = "token.actions.githubusercontent.com"
_GITHUB = _trust(
    "sts:AssumeRoleWithWebIdentity",
    Federated=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{_OIDC}",
    condition={
        "StringEquals": {f"{_OIDC}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{_OIDC}:sub": "repo:company/platform:environment:staging"},
    },
)
_LOGS = allow("logs:CreateLogStream", "logs:PutLogEvents", resource=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/*")
_NO_VALUES = deny("secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "ssm:GetParameter*")

MANAGED: Mapping[str, Document] = {
    "platform-administrator": document(allow("*")),
    "company-read-only": document(
        allow("ec2:Describe*", "ecs:Describe*", "ecs:List*", "iam:Get*", "iam:List*", "cloudwatch:*", "logs:*"),
        allow("secretsmanager:DescribeSecret", "secretsmanager:ListSecrets"),
        _NO_VALUES,
    ),
    "company-boundary": document(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "secretsmanager:*"], "Resource": "*"}
    ),
    "own-password": document(
        allow("iam:ChangePassword", "iam:GetUser", resource=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
    ),
}
"""The account's managed policies."""

SERVICE_LINKED = (
    *("ecs.amazonaws.com", "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com", "autoscaling.amazonaws.com"),
    *("support.amazonaws.com", "guardduty.amazonaws.com"),
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "developers": ("company-read-only", "own-password"),
    "guests": ("own-password",),
}
"""Groups, and their managed policies."""
USERS: Mapping[str, tuple[str, ...]] = {
    **{f"developer-{number}": ("developers",) for number in range(1, 7)},
    "auditor": ("guests",),
}
"""Users, and their groups."""

_FUNCTIONS = (
    *("thumbnails", "invoices", "webhooks", "nightly-report", "mail-bounces", "search-index", "exchange-rates"),
    *("image-resize", "cleanup", "exports", "alerts", "slack-bot", "etl-load", "etl-extract", "pdf", "dns-check"),
)
_SHOP = ("catalogue", "basket", "checkout", "payments", "accounts")


def roles() -> Iterator[RoleSpec]:
    """The account's roles beside the tasks' and the service-linked ones."""
    for name in _FUNCTIONS:
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
        own = document(_LOGS, allow("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", resource=table))
        yield RoleSpec(name=f"lambda-{name}", trust=_of("lambda"), policies={"own": own})
    for name in _SHOP:
        secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop-{name}-*"
        read = document(allow("secretsmanager:GetSecretValue", resource=secret))
        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-{name}-*"
        work = document(allow("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", resource=queue))
        yield RoleSpec(name=f"shop-{name}-execution", trust=_of("ecs-tasks"), policies={"secrets": read})
        yield RoleSpec(name=f"shop-{name}-task", trust=_of("ecs-tasks"), policies={"queues": work})
    for name in ("frontend", "backend", "data", "mobile", "support", "finance"):
        yield RoleSpec(name=f"company-{name}", trust=_SAML, managed=("company-read-only",))
    for name in ("frontend", "data", "mobile"):
        power = document({"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"})
        yield RoleSpec(name=f"sandbox-{name}", trust=_SAML, policies={"power": power}, boundary="company-boundary")
    yield RoleSpec(name="company-administrator", trust=_SAML, managed=("platform-administrator",))
    yield RoleSpec(name="platform-deploy", trust=_GITHUB, policies={"deploy": _DEPLOY})
    yield RoleSpec(name="platform-plan", trust=_GITHUB, managed=("company-read-only",))
    monitoring = _trust(
        AWS="arn:aws:iam::464622532012:root", condition={"StringEquals": {"sts:ExternalId": "company-monitoring"}}
    )
    yield RoleSpec(name="monitoring-integration", trust=monitoring, managed=("company-read-only",))
    for name in (
        "backup",
        "cloudformation",
        "states",
        "events",
        "scheduler",
        "codebuild",
        "glue",
        "firehose",
        "config",
    ):
        resource = f"arn:aws:s3:::company-{name}/*"
        own = document(allow("s3:GetObject", "s3:PutObject", resource=resource), _LOGS)
        yield RoleSpec(name=f"service-{name}", trust=_of(name), policies={"own": own})
    for number in range(1, ROLES - _OTHERS + 1):
        own = document(allow("ssm:UpdateInstanceInformation", "ssmmessages:*"), _LOGS)
        yield RoleSpec(name=f"host-{number}", trust=_of("ec2"), policies={"own": own})


_OTHERS = 2 + len(SERVICE_LINKED) + len(_FUNCTIONS) + 2 * len(_SHOP) + 6 + 3 + 4 + 9
_DEPLOY = document(
    allow("ecs:RegisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:DescribeServices"),
    allow("ecs:UpdateService", resource=f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/ohmycoins-staging/*"),
    allow(
        "iam:PassRole",
        resource=[f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in (EXECUTION_ROLE, TASK_ROLE)],
        Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    ),
    allow("secretsmanager:DescribeSecret", "secretsmanager:TagResource", resource=SECRET_PATTERN),
)
"""What the pipeline may do: it deploys, and reads no value."""


def _create_policy(world: World, name: str, text: Document) -> None:
    world.iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(text))


def _create_role(world: World, role: RoleSpec) -> None:
    boundary = {"PermissionsBoundary": _arn(role.boundary)} if role.boundary else {}
    trust = json.dumps(role.trust)
    world.iam.create_role(RoleName=role.name, AssumeRolePolicyDocument=trust, **boundary)  # type: ignore[arg-type]
    for name, text in role.policies.items():
        world.iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(text))
    for name in role.managed:
        world.iam.attach_role_policy(RoleName=role.name, PolicyArn=_arn(name))


def _create_group(world: World, name: str, managed: tuple[str, ...]) -> None:
    world.iam.create_group(GroupName=name)
    for policy in managed:
        world.iam.attach_group_policy(GroupName=name, PolicyArn=_arn(policy))


def _create_user(world: World, name: str, groups: tuple[str, ...]) -> None:
    world.iam.create_user(UserName=name)
    for group in groups:
        world.iam.add_user_to_group(UserName=name, GroupName=group)


def _arn(policy: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{policy}"
