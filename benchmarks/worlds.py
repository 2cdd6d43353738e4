"""Healthy worlds that differ from the guide's, each built in an empty sandbox; nothing in them is an error."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from networks import make_endpoints, make_gateway, make_group, make_nat, make_route, make_vpc, tcp

from omc_runbook.masking.value import Masked
from omc_runbook.model import value_from
from omc_runbook.model.value_from import Reference
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.build import container_definition, create_service, healthy_document, register
from omc_runbook.sandbox.worlds.roles import base_policy, policy, restore_role, secrets_policy, task_policy
from omc_runbook.sandbox.worlds.staging import KEYS, SERVICES, ServiceSpec, World, restore_log_group
from omc_runbook.sandbox.worlds.vpcs import restore_network
from omc_runbook.snapshot.state import Snapshot

Container = dict[str, Any]
Change = Callable[["World", "Plan"], object]
READ = "secretsmanager:GetSecretValue"
SETTINGS: dict[str, Any] = {
    "UPLOADS_BUCKET": "ohmycoins-staging-uploads",
    "POSTGRES_PORT": 5432,
    "POSTGRES_DB": "app",
    "POSTGRES_USER": "postgres",
    "DOMAIN": "staging.ohmycoins.com",
    "FRONTEND_HOST": "https://dashboard.staging.ohmycoins.com",
    "BACKEND_CORS_ORIGINS": "https://dashboard.staging.ohmycoins.com,http://localhost:5173",
    "EMAILS_FROM_EMAIL": "info@ohmycoins.com",
    "SMTP_PORT": 587,
    "SMTP_TLS": True,
    "REDIS_URL": "redis://cache.internal:6379/0",
    "ACCESS_TOKEN_EXPIRE_MINUTES": 11520,
    "LOG_LEVEL": "INFO",
    "MAX_POSITIONS": 999999,
}
"""Plain settings that the platform's real staging keeps beside its secrets."""


@dataclass(frozen=True)
class Plan:
    """A world: its names, its services, what is in its secret, and what is otherwise than in the guide's."""

    title: str
    project: str = "ohmycoins"
    region: str = REGION
    secret: str = ""
    cluster: str = ""
    main: str = "backend"
    """The name of the main service; the others keep theirs."""
    services: tuple[ServiceSpec, ...] = SERVICES
    more: Mapping[str, Any] = field(default_factory=dict)
    """Members of the secret beside the guide's nine; services that have all nine have these too."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """The variables of keys that are injected under another name."""
    edit: Callable[[Container, str], list[Container]] = lambda container, arn: [container]
    """What becomes of a consumer's container, and which stand beside it."""
    network: Callable[[World], Any] = restore_network
    execute: bool = True
    role: tuple[str, ...] = ("{arn}-??????",)
    """Resources that the execution role may read; {arn} is the secret's ARN without its suffix."""
    before: Change = lambda world, plan: None
    """Done when secret and roles are there, before any service is."""
    after: Change = lambda world, plan: None
    """Done when the services are at rest."""
    partition: str = "aws"
    """The partition to which the finished snapshot is moved: the sandbox has only `aws`."""
    moved_to: str = ""
    """The region to which it is moved."""

    @property
    def stage(self) -> str:
        """What names of this environment begin with."""
        return f"{self.project}-staging"

    @property
    def secret_name(self) -> str:
        """The secret's name."""
        return self.secret or f"{self.stage}-app-secrets"

    @property
    def cluster_name(self) -> str:
        """The cluster's name."""
        return self.cluster or self.stage

    @property
    def execution_role(self) -> str:
        """The execution role's name."""
        return f"{self.stage}-ecs-task-execution-role"

    @property
    def toml(self) -> str:
        """The runbook.toml that names this world."""
        names = {"region": self.region, "cluster": self.cluster, "secret": self.secret}
        names["service"] = self.main if self.main != "backend" else ""
        lines = [f"{name} = {json.dumps(value)}" for name, value in names.items() if value]
        return "\n".join([f"project = {json.dumps(self.project)}", "[environments.staging]", *lines, ""])


def build(sandbox: Sandbox, plan: Plan) -> None:
    """Empty a sandbox and make this world in it; returns when its services are at rest."""
    lifecycle.ask(sandbox, "POST", "reset", {})
    world = World(sandbox.endpoint, region=plan.region)
    arn = _make_secret(world, plan)
    plan.before(world, plan)
    world.ecs.create_cluster(clusterName=plan.cluster_name)
    network = plan.network(world)
    for service in plan.services:
        _make_service(world, plan, service, arn, network)
    world.settle()
    plan.after(world, plan)
    world.settle()


def move(snapshot: Snapshot, region: str, partition: str) -> Snapshot:
    """The same environment in another region and partition, in every text."""
    here, there = snapshot.environment.names.region, region

    def moved(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("arn:aws:", f"arn:{partition}:").replace(here, there)
        if isinstance(value, Masked):
            return value
        if isinstance(value, Reference):
            return value_from.parse(moved(value.text))
        if isinstance(value, Mapping):
            return {moved(name): moved(member) for name, member in value.items()}
        if isinstance(value, tuple | list | frozenset):
            return type(value)(moved(member) for member in value)
        if is_dataclass(value) and not isinstance(value, type):
            members = {each.name: moved(getattr(value, each.name)) for each in fields(value) if each.init}
            return replace(value, **members)
        return value

    names = snapshot.environment.names.model_copy(update={"region": there})
    whole: Snapshot = moved(snapshot)
    return replace(whole, environment=replace(snapshot.environment, names=names))


def _make_secret(world: World, plan: Plan) -> str:
    arn = f"arn:aws:secretsmanager:{plan.region}:{ACCOUNT}:secret:{plan.secret_name}"
    read_policy = secrets_policy(*(resource.format(arn=arn) for resource in plan.role))
    restore_role(world, plan.execution_role, {"base": base_policy(), "secrets": read_policy})
    restore_role(world, f"{plan.stage}-ecs-task-role", {"task": task_policy()})
    text = json.dumps({**healthy_document(), **plan.more})
    return world.secretsmanager.create_secret(Name=plan.secret_name, SecretString=text)["ARN"]


def _make_service(world: World, plan: Plan, service: ServiceSpec, arn: str, network: Any) -> None:
    name = plan.main if service.name == "backend" else service.name
    group = f"/ecs/{plan.stage}/{service.name}"
    restore_log_group(world, group)
    container: Any = container_definition(service, arn, None)
    container["logConfiguration"]["options"] |= {"awslogs-group": group, "awslogs-region": plan.region}
    for entry in container["environment"]:
        if entry["name"] == "OMC_APP_ROLE" and service.name.startswith("worker"):
            # The application knows three roles, and these services differ in their names alone.
            entry["value"] = "worker"
    keys = (*service.keys, *plan.more) if service.keys == KEYS else service.keys
    container["secrets"] = [{"name": plan.variables.get(key, key), "valueFrom": f"{arn}:{key}::"} for key in keys]
    containers: list[Any] = plan.edit(container, arn) if service.keys else [container]
    family, task_role = f"{plan.stage}-{service.name}", f"{plan.stage}-ecs-task-role"
    definition = register(world, family, containers, plan.execution_role, task_role)
    create_service(world, service, definition, network, plan.cluster_name, name, plan.execute)


def _encrypt(world: World, plan: Plan) -> None:
    """Put the secret under a customer key that the execution role may use."""
    key = world.kms.create_key(Description="Staging secrets")["KeyMetadata"]["Arn"]
    world.secretsmanager.update_secret(SecretId=plan.secret_name, KmsKeyId=key)
    may = json.dumps(policy("kms:Decrypt", Resource=key))
    world.iam.put_role_policy(RoleName=plan.execution_role, PolicyName="kms", PolicyDocument=may)


def _share(world: World, plan: Plan) -> None:
    """Give the secret a policy of its own: the role may read it, and nobody of other accounts."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{plan.execution_role}"
    own = policy(READ, Principal={"AWS": role}, Resource="*")
    outside = {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}}
    own["Statement"] += policy(READ, effect="Deny", Principal="*", Resource="*", Condition=outside)["Statement"]
    world.secretsmanager.put_resource_policy(SecretId=plan.secret_name, ResourcePolicy=json.dumps(own))


def _bound(world: World, plan: Plan) -> None:
    """Give the execution role a permissions boundary that allows secrets."""
    boundary = json.dumps(policy("logs:*", "ecr:*", "secretsmanager:*", Resource="*"))
    arn = world.iam.create_policy(PolicyName="boundary", PolicyDocument=boundary)["Policy"]["Arn"]
    world.iam.put_role_permissions_boundary(RoleName=plan.execution_role, PermissionsBoundary=arn)


def _attach(world: World, plan: Plan) -> None:
    """Grant by a managed policy what the guide grants inline."""
    document = world.iam.get_role_policy(RoleName=plan.execution_role, PolicyName="secrets")["PolicyDocument"]
    arn = world.iam.create_policy(PolicyName="secrets", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    world.iam.attach_role_policy(RoleName=plan.execution_role, PolicyArn=arn)
    world.iam.delete_role_policy(RoleName=plan.execution_role, PolicyName="secrets")


def _add_external(world: World, plan: Plan) -> None:
    """A service that another controller deploys, and that uses no secret."""
    world.ecs.create_service(
        cluster=plan.cluster_name, serviceName="landing", desiredCount=0, deploymentController={"type": "EXTERNAL"}
    )


def _rotate(world: World, plan: Plan) -> None:
    """Give the secret three more versions, each followed by a deployment of every consumer."""
    for _ in range(3):
        text = world.secretsmanager.get_secret_value(SecretId=plan.secret_name, VersionStage="AWSCURRENT")
        document = {**json.loads(text["SecretString"]), "SECRET_KEY": secrets.token_hex(32)}
        world.secretsmanager.put_secret_value(SecretId=plan.secret_name, SecretString=json.dumps(document))
        for service in plan.services:
            if service.keys:
                world.ecs.update_service(cluster=plan.cluster_name, service=service.name, forceNewDeployment=True)
        world.settle()


def _behind_nat(world: World) -> Any:
    """Private subnets with a NAT gateway in a public one."""
    vpc, (*private, public) = make_vpc(world, "10.1", 3)
    make_route(world, vpc, [public], GatewayId=make_gateway(world, vpc))
    make_route(world, vpc, private, NatGatewayId=make_nat(world, public))
    return {"subnets": private, "securityGroups": [make_group(world, vpc, "tasks")], "assignPublicIp": "DISABLED"}


def _behind_endpoints(world: World) -> Any:
    """Private subnets without a route to the internet, and an endpoint for each AWS service that tasks call."""
    ec2 = world.client("ec2")
    vpc, private = make_vpc(world, "10.2")
    tasks = make_group(world, vpc, "tasks")
    endpoints = make_group(world, vpc, "endpoints", ingress=[tcp(443, group=tasks)])
    called = ("secretsmanager", "ssm", "ssmmessages", "ecr.api", "ecr.dkr", "logs", "kms", "sts")
    make_endpoints(world, vpc, private, endpoints, *called)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Gateway",
        ServiceName=f"com.amazonaws.{world.region}.s3",
        RouteTableIds=[table["RouteTableId"] for table in tables],
    )
    return {"subnets": private, "securityGroups": [tasks], "assignPublicIp": "DISABLED"}


def _beside_sidecar(container: Container, arn: str) -> list[Container]:
    sidecar = {**container, "name": "proxy", "essential": False, "secrets": []}
    sidecar.pop("healthCheck")
    return [container, sidecar]


def _from_current(container: Container, arn: str) -> list[Container]:
    entries = [{**entry, "valueFrom": f"{entry['valueFrom'][:-1]}AWSCURRENT:"} for entry in container["secrets"]]
    return [{**container, "secrets": entries}]


def _without_health_check(container: Container, arn: str) -> list[Container]:
    return [{name: value for name, value in container.items() if name != "healthCheck"}]


def _from_parameter(container: Container, arn: str) -> list[Container]:
    entry = {"name": "FEATURE_FLAGS", "valueFrom": "/ohmycoins/staging/feature-flags"}
    return [{**container, "secrets": [*container["secrets"], entry]}]


def _put_parameter(world: World, plan: Plan) -> None:
    """A parameter that tasks read beside the secret, and the permission for it."""
    world.ssm.put_parameter(Name="/ohmycoins/staging/feature-flags", Value="beta,charts", Type="String")
    may = policy("ssm:GetParameters", Resource=f"arn:aws:ssm:{plan.region}:{ACCOUNT}:parameter/ohmycoins/staging/*")
    world.iam.put_role_policy(RoleName=plan.execution_role, PolicyName="ssm", PolicyDocument=json.dumps(may))


_BACKEND, _WORKER, _FRONTEND = SERVICES
_MANY = tuple(ServiceSpec(f"worker-{number:02}", 1, KEYS[:3], breaker=number % 2 == 0) for number in range(10))
_NEWS = {"omc-CryptoPanic-testkey": secrets.token_hex(20), "NEWS_API_KEY": secrets.token_hex(16)}

PLANS: tuple[Plan, ...] = (
    Plan("the guide's own"),
    Plan("another project", project="acme-trading"),
    Plan("us-east-1", region="us-east-1"),
    Plan("eu-west-1, a secret with a path", region="eu-west-1", secret="ohmycoins/staging/app"),
    Plan("aws-cn", partition="aws-cn", moved_to="cn-north-1"),
    Plan("aws-us-gov", partition="aws-us-gov", moved_to="us-gov-west-1"),
    Plan(
        "the platform's real staging: its names, 23 keys, numbers and plain settings",
        cluster="ohmycoins-staging-cluster",
        main="ohmycoins-staging-backend",
        services=(_BACKEND, _FRONTEND),
        more=SETTINGS,
    ),
    Plan("ten more services", services=(*SERVICES, *_MANY)),
    Plan("a customer key", before=_encrypt),
    Plan("a policy on the secret", before=_share),
    Plan("numbers below a million, true and false", more={"POSTGRES_PORT": 5432, "RETRIES": 0, "SMTP_TLS": True}),
    Plan("three tasks", services=(replace(_BACKEND, desired=3), replace(_WORKER, desired=3), _FRONTEND)),
    Plan("a service of another controller, without secrets", after=_add_external),
    Plan("ECS Exec off", execute=False),
    Plan("private subnets behind endpoints alone", network=_behind_endpoints),
    Plan("private subnets behind a NAT gateway", network=_behind_nat),
    Plan("rotated three times", after=_rotate),
    Plan("a container beside the application's", edit=_beside_sidecar),
    Plan("variables named otherwise than their keys", more=_NEWS, variables={"omc-CryptoPanic-testkey": "NEWS_TOKEN"}),
    Plan("no health check", edit=_without_health_check),
    Plan("a managed policy, and all suffixes allowed", role=("{arn}-*",), before=_attach),
    Plan("a permissions boundary that allows", before=_bound),
    Plan("AWSCURRENT by its name", edit=_from_current),
    Plan("a parameter beside the secret", edit=_from_parameter, before=_put_parameter),
    Plan("a service at rest that uses no secret", services=(_BACKEND, _WORKER, replace(_FRONTEND, desired=0))),
)
