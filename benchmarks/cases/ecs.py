"""Deployments, tasks, networks, ECS Exec, and what else a task refers to: cases from AWS's documentation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from networks import ANY, make_endpoints, make_gateway, make_group, make_nat, make_route, make_vpc, tcp

from cases.case import Case
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.ecs.process import OUT_OF_MEMORY
from omc_runbook.sandbox.worlds import build, consumers, deployments
from omc_runbook.sandbox.worlds.build import container_definition, deployment_configuration, healthy_document
from omc_runbook.sandbox.worlds.roles import base_policy, policy, restore_role, secrets_policy, task_policy
from omc_runbook.sandbox.worlds.staging import (
    CLUSTER,
    EXECUTION_ROLE,
    KEYS,
    SECRET,
    STAGING,
    TASK_ROLE,
    ServiceSpec,
    World,
    restore_log_group,
)
from omc_runbook.sandbox.worlds.vpcs import restore_network

Definition = dict[str, Any]
Edit = Callable[[Definition], object]
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
STARTS = ("pull-failed", "rollout-stuck", "breaker-rollback")
"""What follows from tasks that cannot start."""
OLD = ("not-forced",)
"""What follows where a new value does not arrive."""
_REGISTERED = (
    "family",
    "containerDefinitions",
    "executionRoleArn",
    "taskRoleArn",
    "networkMode",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "volumes",
)


# What a team does through the API.


def secret_arn(world: World) -> str:
    return world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]


def register(world: World, family: str, edit: Edit, name: str = "") -> str:
    """Register a new revision of a family, or of another one after its example; its ARN."""
    newest: Any = world.ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    definition = json.loads(json.dumps({key: newest[key] for key in _REGISTERED if newest.get(key)}))
    edit(definition)
    definition["family"] = name or definition["family"]
    return world.ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]


def deploy(world: World, service: str, edit: Edit, **changes: Any) -> str:
    """Deploy a new revision of a service's family, and wait until it is at rest or keeps failing; its ARN."""
    revision = register(world, f"{STAGING}-{service}", edit)
    world.ecs.update_service(cluster=CLUSTER, service=service, taskDefinition=revision, **changes)
    world.settle()
    return revision


def redeploy(world: World, *services: str, cluster: str = CLUSTER, **changes: Any) -> None:
    """Force a new deployment of these services, or of both that use the secret."""
    for service in services or ("backend", "worker"):
        world.ecs.update_service(cluster=cluster, service=service, forceNewDeployment=True, **changes)
    world.settle()


def document(world: World) -> dict[str, Any]:
    """What is in the secret."""
    text = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"]
    return json.loads(text)


def put(world: World, value: object) -> str:
    """A new version of the secret: a text as it is, everything else as JSON; its id."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)["VersionId"]


def change(world: World, **values: Any) -> str:
    """Save the secret with other values of some keys; the version's id."""
    return put(world, {**document(world), **values})


def renew_key(world: World) -> None:
    change(world, OPENAI_API_KEY=f"sk-{secrets.token_hex(24)}")


def first_container(definition: Definition) -> Definition:
    return definition["containerDefinitions"][0]


def refer(definition: Definition, name: str, value_from: str) -> None:
    """Let the first container's variable come from another place, added if it is new."""
    entries = [entry for entry in first_container(definition).setdefault("secrets", []) if entry["name"] != name]
    first_container(definition)["secrets"] = [*entries, {"name": name, "valueFrom": value_from}]


def add_sidecar(definition: Definition, name: str, **more: Any) -> None:
    """A container beside the application's that may end without the task."""
    log = first_container(definition)["logConfiguration"]
    definition["containerDefinitions"].append(
        {"name": name, "image": f"public.ecr.aws/team/{name}:4.1", "essential": False, "logConfiguration": log, **more}
    )


def allow(world: World, name: str, document: dict[str, Any], role: str = EXECUTION_ROLE) -> None:
    world.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def other_secret(world: World, name: str, text: str, **more: Any) -> str:
    """Another secret, which the execution role may read; its ARN."""
    arn = world.secretsmanager.create_secret(Name=name, SecretString=text, **more)["ARN"]
    allow(world, name.replace("/", "-"), secrets_policy(f"{arn[:-7]}-??????"))
    return arn


def move_tasks(world: World, service: str, subnets: Sequence[str], group: str, public: bool = False) -> None:
    """Start a service's tasks in other subnets."""
    address = "ENABLED" if public else "DISABLED"
    network: Any = {"subnets": list(subnets), "securityGroups": [group], "assignPublicIp": address}
    redeploy(world, service, networkConfiguration={"awsvpcConfiguration": network})


# Faults: deployments and tasks.


def _hook_refuses(world: World) -> None:
    deployments.configure(world, "worker", strategy="BLUE_GREEN", hooks=[deployments.refuse("POST_TEST_TRAFFIC_SHIFT")])
    renew_key(world)
    redeploy(world, "backend", "worker")


def _canary_waits(world: World) -> None:
    hook = deployments.pause("PRE_PRODUCTION_TRAFFIC_SHIFT", minutes=720, action="CONTINUE")
    deployments.configure(world, "backend", strategy="CANARY", step=(20.0, 2), hooks=[hook])
    change(world, SMTP_PASSWORD=secrets.token_hex(16))
    redeploy(world, "backend")


def _percentages_block(world: World) -> None:
    # One task: half of it is rounded up to 1, and one and a half is rounded down to 1.
    deployments.configure(world, "worker", percents=(50, 150))
    renew_key(world)
    world.ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)
    world.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)

    def is_blocked() -> bool:
        backend, worker = (
            world.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]
            for name in ("backend", "worker")
        )
        return len(backend["deployments"]) == 1 and len(worker["deployments"]) == 2

    world.wait(is_blocked, "backend was deployed")


def _old_platform(world: World) -> None:
    # Two harmless revisions before, and a service without secrets on the same platform.
    for level in ("DEBUG", "INFO"):
        deploy(world, "worker", partial(_set, name="LOG_LEVEL", value=level))
    redeploy(world, "frontend", platformVersion="1.3.0")
    redeploy(world, "worker", platformVersion="1.3.0")


def _set(definition: Definition, name: str, value: str) -> None:
    variables = [entry for entry in first_container(definition).get("environment", []) if entry["name"] != name]
    first_container(definition)["environment"] = [*variables, {"name": name, "value": value}]


def _sidecar_image(world: World) -> None:
    renew_key(world)
    redeploy(world, "backend")
    deploy(
        world, "worker", lambda d: add_sidecar(d, "statsd", image="public.ecr.aws/team/statsd-exporter:missing-v0.26.1")
    )


def _memory(world: World) -> None:
    breaker = deployments.trip_after("COUNT", 4, rollback=False)
    deployments.configure(world, "worker", breaker=breaker)
    renew_key(world)

    def grow(definition: Definition) -> None:
        first_container(definition)["command"] = ["celery", "--concurrency=64", OUT_OF_MEMORY]

    redeploy(world, "backend")
    deploy(world, "worker", grow)


def _entry_point(world: World) -> None:
    def start(definition: Definition) -> None:
        first_container(definition)["entryPoint"] = ["/usr/local/bin/start-worker.sh"]
        first_container(definition)["command"] = ["--sandbox-exit=127"]

    deploy(world, "worker", start)


def _unhealthy(world: World) -> None:
    deployments.configure(
        world, "backend", strategy="LINEAR", step=(50.0, 1), breaker={"enable": True, "rollback": True}
    )
    change(world, SECRET_KEY=secrets.token_hex(32))
    deploy(
        world, "backend", lambda d: first_container(d).update(command=["uvicorn", "--workers=4", "--sandbox-unhealthy"])
    )


# Faults: networks.


def _nat_is_private(world: World) -> None:
    # The NAT gateway stands in a subnet that has itself no route to the internet gateway.
    vpc, (inner, outer, third) = make_vpc(world, "10.41", 3)
    make_route(world, vpc, [third], GatewayId=make_gateway(world, vpc))
    make_route(world, vpc, [inner], NatGatewayId=make_nat(world, outer))
    move_tasks(world, "worker", [inner], make_group(world, vpc, "jobs"))


def _acl_drops_answers(world: World) -> None:
    ec2 = world.client("ec2")
    vpc, subnets = make_vpc(world, "10.42")
    make_route(world, vpc, subnets, GatewayId=make_gateway(world, vpc))
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    rule: dict[str, Any] = {"NetworkAclId": acl, "RuleAction": "allow", "CidrBlock": ANY}
    ec2.create_network_acl_entry(**rule, RuleNumber=100, Protocol="-1", Egress=True)
    for number, port in ((100, 443), (110, 8000)):
        ports = {"From": port, "To": port}
        ec2.create_network_acl_entry(**rule, RuleNumber=number, Protocol="6", Egress=False, PortRange=ports)
    default = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    for association in [each for network_acl in default for each in network_acl["Associations"]]:
        ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
    move_tasks(world, "worker", subnets, make_group(world, vpc, "jobs"), public=True)


def _endpoint_admits_other_subnet(world: World) -> None:
    vpc, (first, second) = make_vpc(world, "10.43")
    door = make_group(
        world, vpc, "aws-endpoints", ingress=[tcp(443, "10.43.0.0/24", "192.168.0.0/16"), tcp(80, "10.43.0.0/16")]
    )
    make_endpoints(world, vpc, [first, second], door, "secretsmanager", "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    move_tasks(world, "backend", [second], make_group(world, vpc, "api"))


def _no_host_names(world: World) -> None:
    vpc, subnets = make_vpc(world, "10.44")
    door = make_group(world, vpc, "aws-endpoints", ingress=[tcp(443, "10.44.0.0/16")])
    make_endpoints(world, vpc, subnets, door, "secretsmanager", "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    world.client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    move_tasks(world, "worker", subnets, make_group(world, vpc, "jobs"))


def _group_reaches_vpc_only(world: World) -> None:
    vpc, (inner, outer) = make_vpc(world, "10.45")
    make_route(world, vpc, [outer], GatewayId=make_gateway(world, vpc))
    make_route(world, vpc, [inner], NatGatewayId=make_nat(world, outer))
    out = [tcp(5432, "10.45.0.0/16"), tcp(443, "10.45.0.0/16"), tcp(80, ANY)]
    move_tasks(world, "worker", [inner], make_group(world, vpc, "jobs", out))


def _endpoint_policy_base_arn(world: World) -> None:
    vpc, subnets = make_vpc(world, "10.46")
    door = make_group(world, vpc, "aws-endpoints", ingress=[tcp(443, "10.46.0.0/16")])
    # The secret's ARN has six more characters.
    resource = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}"
    document = policy("secretsmanager:Get*", "secretsmanager:Describe*", Principal="*", Resource=[resource])
    make_endpoints(world, vpc, subnets, door, "secretsmanager", PolicyDocument=json.dumps(document))
    make_endpoints(world, vpc, subnets, door, "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    move_tasks(world, "worker", subnets, make_group(world, vpc, "jobs"))


# Faults: ECS Exec.


def _exec_without_messages(world: World) -> None:
    # ssm and ec2messages are what instances need; ECS Exec needs ssmmessages.
    vpc, subnets = make_vpc(world, "10.47")
    door = make_group(world, vpc, "aws-endpoints", ingress=[tcp(443, "10.47.0.0/16")])
    make_endpoints(
        world, vpc, subnets, door, "secretsmanager", "ssm", "ec2messages", "logs", "ecr.api", "ecr.dkr", "kms"
    )
    move_tasks(world, "backend", subnets, make_group(world, vpc, "api"))


def _exec_denied(world: World) -> None:
    document = policy("ssmmessages:*Control*", "ssm:StartSession", effect="Deny", Resource="*")
    arn = world.iam.create_policy(PolicyName="no-sessions", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    world.iam.attach_role_policy(RoleName=TASK_ROLE, PolicyArn=arn)
    redeploy(world, "backend", "worker")


# Faults: references.


def _collector_key(world: World) -> None:
    def add(definition: Definition) -> None:
        entry = {"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": f"{secret_arn(world)}:HONEYCOMB_HEADERS::"}
        add_sidecar(definition, "otel", secrets=[entry])

    deploy(world, "worker", add)


def _splunk_token(world: World) -> None:
    change(world, splunk_token=secrets.token_hex(16))

    def send(definition: Definition) -> None:
        first_container(definition)["logConfiguration"] = {
            "logDriver": "splunk",
            "options": {"splunk-url": "https://splunk.ohmycoins.test:8088", "splunk-format": "raw"},
            "secretOptions": [{"name": "splunk-token", "valueFrom": f"{secret_arn(world)}:SPLUNK_TOKEN::"}],
        }

    redeploy(world, "backend")
    deploy(world, "worker", send)


def _registry_login(world: World) -> None:
    login = json.dumps({"username": "ohmycoins", "password": secrets.token_hex(16)})
    arn = other_secret(world, "docker-hub/pull", login)

    def pull(definition: Definition) -> None:
        first_container(definition)["image"] = "docker.io/ohmycoins/worker:2026.11"
        first_container(definition)["repositoryCredentials"] = {"credentialsParameter": arn}

    deploy(world, "worker", pull)
    world.secretsmanager.delete_secret(SecretId=arn, RecoveryWindowInDays=10)
    redeploy(world, "worker")


def _other_key_of_kms(world: World) -> None:
    key = world.kms.create_key(Description="Billing")["KeyMetadata"]["Arn"]
    arn = other_secret(
        world, "billing/stripe", json.dumps({"restricted": f"rk_live_{secrets.token_hex(20)}"}), KmsKeyId=key
    )
    deploy(world, "backend", lambda d: refer(d, "STRIPE_KEY", f"{arn}:restricted:AWSCURRENT:"))


def _parameter_case(world: World) -> None:
    name = "/ohmycoins/Staging/coinspot/api-key"
    world.ssm.put_parameter(Name=name, Value=secrets.token_hex(16), Type="SecureString")
    prefix = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/ohmycoins"
    allow(world, "parameters", policy("ssm:GetParameters", Resource=[f"{prefix}/*"]))
    deploy(world, "worker", lambda d: refer(d, "COINSPOT_API_KEY", f"{prefix}/staging/coinspot/api-key"))


def _look_alike(world: World) -> None:
    # The first letter of the key is the Cyrillic one.
    key = "\N{CYRILLIC CAPITAL LETTER ES}OINSPOT_API_KEY"
    change(world, COINSPOT_API_KEY=secrets.token_hex(16))
    redeploy(world, "worker")
    deploy(world, "backend", lambda d: refer(d, "COINSPOT_API_KEY", f"{secret_arn(world)}:{key}::"))


def _blank_in_key(world: World) -> None:
    deploy(world, "worker", lambda d: refer(d, "OPENAI_API_KEY", f"{secret_arn(world)}:OPENAI_API_KEY ::"))


def _references_exchanged(world: World) -> None:
    # No id says that two references are exchanged. Here the secret is right, so that `values-exchanged` would be wrong;
    # the names of variables and keys do not match.
    def exchange(definition: Definition) -> None:
        refer(definition, "POSTGRES_PASSWORD", f"{secret_arn(world)}:FIRST_SUPERUSER_PASSWORD::")
        refer(definition, "FIRST_SUPERUSER_PASSWORD", f"{secret_arn(world)}:POSTGRES_PASSWORD::")

    deploy(world, "backend", exchange)


def _schedule_of_old_revision(world: World) -> None:
    family = f"{STAGING}-digest"
    old = register(
        world, f"{STAGING}-worker", lambda d: refer(d, "MAILER", f"{secret_arn(world)}:MAILER_TOKEN::"), family
    )
    register(world, f"{STAGING}-worker", lambda d: None, family)
    consumers.add_schedule(world, old)


def _stage_and_version(world: World) -> None:
    version = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["VersionId"]
    pinned = f"{secret_arn(world)}:OPENAI_API_KEY:AWSCURRENT:{version}"
    deploy(world, "worker", lambda d: refer(d, "OPENAI_API_KEY", pinned))
    renew_key(world)
    redeploy(world, "backend", "worker")


def _backfill(world: World) -> None:
    def shorten(definition: Definition) -> None:
        first_container(definition)["name"] = "backfill"
        first_container(definition)["command"] = ["python", "-m", "app.backfill", "--since=2019-01-01"]

    revision = register(world, f"{STAGING}-worker", shorten, f"{STAGING}-backfill")
    _run(world, revision, group="quarterly", startedBy="analyst")
    renew_key(world)
    redeploy(world, "backend", "worker")


def _run(world: World, revision: str, **more: Any) -> str:
    """Run a task beside the services, and wait until it runs or stopped; its ARN."""
    service = world.ecs.describe_services(cluster=CLUSTER, services=["worker"])["services"][0]
    answer = world.ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=revision,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": service["networkConfiguration"]["awsvpcConfiguration"]},
        **more,
    )
    arn = answer["tasks"][0]["taskArn"]
    world.wait(lambda: _status(world, arn) in ("RUNNING", "STOPPED"), "the task ran")
    return arn


def _status(world: World, task: str) -> str:
    return world.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]["lastStatus"]


def _other_secret_changed(world: World) -> None:
    document = {"key": secrets.token_hex(16), "label": "staging"}
    arn = other_secret(world, "ohmycoins/binance", json.dumps(document))
    deploy(world, "backend", lambda d: refer(d, "BINANCE_KEY", f"{arn}:key::"))
    text = json.dumps({**document, "key": secrets.token_hex(16)})
    world.secretsmanager.put_secret_value(SecretId=arn, SecretString=text)
    redeploy(world, "worker", "frontend")


# Healthy worlds.


def _draft_revisions(world: World) -> None:
    """Broken revisions that nobody runs: one newer than the service's, one of a family without a service."""
    register(world, f"{STAGING}-worker", lambda d: refer(d, "NEW_TOKEN", f"{secret_arn(world)}:NEW_TOKEN::"))
    register(world, f"{STAGING}-backend", lambda d: refer(d, "SECRET_KEY", SECRET), f"{STAGING}-spike")


def _each_strategy(world: World) -> None:
    """Every consumer deployed by a strategy of its own after a rotation, all of them at their end."""
    deployments.configure(world, "backend", strategy="BLUE_GREEN", bake_minutes=1)
    deployments.configure(world, "worker", strategy="CANARY", step=(50.0, 1))
    change(world, OPENAI_API_KEY=f"sk-{secrets.token_hex(24)}", SECRET_KEY=secrets.token_hex(32))
    redeploy(world, "backend", "worker")


def _repaired(world: World) -> None:
    """A deployment that failed and was repaired: its stopped tasks can still be described."""
    arn = secret_arn(world)
    deploy(world, "worker", lambda d: refer(d, "OPENAI_API_KEY", f"{arn}:OPENAI_KEY::"))
    deploy(world, "worker", lambda d: refer(d, "OPENAI_API_KEY", f"{arn}:OPENAI_API_KEY::"))
    deploy(world, "backend", lambda d: first_container(d).update(command=["--sandbox-exit=2"]))
    deploy(world, "backend", lambda d: first_container(d).pop("command"))


def _night_scale(world: World) -> None:
    """The worker scaled to nothing for the night; a warning says so."""
    world.ecs.update_service(cluster=CLUSTER, service="worker", desiredCount=0)
    world.settle()


def _closed_network(world: World) -> None:
    """Endpoints alone, groups and ACLs as narrow as they may be, and only one of two subnets with an endpoint."""
    ec2 = world.client("ec2")
    vpc, (tasks, doors) = make_vpc(world, "10.60")
    door = make_group(world, vpc, "aws-endpoints", [])
    own = make_group(world, vpc, "api", [tcp(443, group=door), tcp(5432, "10.60.0.0/16")])
    ec2.authorize_security_group_ingress(GroupId=door, IpPermissions=[tcp(443, group=own)])
    names = ("secretsmanager", "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    make_endpoints(world, vpc, [doors], door, *names)
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    rule: dict[str, Any] = {"NetworkAclId": acl, "RuleAction": "allow", "CidrBlock": "10.60.0.0/16", "Protocol": "6"}
    for egress, number, ports in ((True, 90, (443, 443)), (True, 95, (5432, 5432)), (False, 90, (1024, 65535))):
        ec2.create_network_acl_entry(
            **rule, RuleNumber=number, Egress=egress, PortRange={"From": ports[0], "To": ports[1]}
        )
    acls = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [tasks]}])["NetworkAcls"]
    associations = [each for network_acl in acls for each in network_acl["Associations"] if each["SubnetId"] == tasks]
    ec2.replace_network_acl_association(AssociationId=associations[0]["NetworkAclAssociationId"], NetworkAclId=acl)
    move_tasks(world, "backend", [tasks], own)


def _nat_in_each_zone(world: World) -> None:
    """A NAT gateway for each zone, a peering's route that leads nowhere, and a more specific one to nothing."""
    ec2 = world.client("ec2")
    vpc, (one, two, public_one, public_two) = make_vpc(world, "10.61", 4)
    make_route(world, vpc, [public_one, public_two], GatewayId=make_gateway(world, vpc))
    for private, public in ((one, public_one), (two, public_two)):
        table = make_route(world, vpc, [private], NatGatewayId=make_nat(world, public))
        other = ec2.create_vpc(CidrBlock="172.20.0.0/16")["Vpc"]["VpcId"]
        peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)["VpcPeeringConnection"]
        ec2.create_route(
            RouteTableId=table,
            DestinationCidrBlock="172.20.0.0/16",
            VpcPeeringConnectionId=peering["VpcPeeringConnectionId"],
        )
    move_tasks(world, "worker", [one, two], make_group(world, vpc, "jobs", [tcp(443, ANY), tcp(5432, "10.61.0.0/16")]))


def _mixed_sources(world: World) -> None:
    """Other secrets and parameters in every form that valueFrom may have, all of them right."""
    token = other_secret(world, "github-token", f"ghp_{secrets.token_hex(18)}")
    login = other_secret(world, "rds/ohmycoins", json.dumps({"username": "app", "port": 5432, "password": "x" * 30}))
    for name in ("coin_limit", "/ohmycoins/staging/flags"):
        for value in ("10", "20"):
            world.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    prefix = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
    allow(world, "parameters", policy("ssm:GetParameters", Resource=[f"{prefix}/coin_limit", f"{prefix}/ohmycoins/*"]))

    def refer_to_all(definition: Definition) -> None:
        for name, value_from in {
            "GITHUB_TOKEN": token,
            "DB_LOGIN": f"{login}:username:AWSCURRENT:",
            "DB_PORT": f"{login}:port::",
            "COIN_LIMIT": "coin_limit",
            "FLAGS": f"{prefix}/ohmycoins/staging/flags",
        }.items():
            refer(definition, name, value_from)

    deploy(world, "backend", refer_to_all)


def _many_containers(world: World) -> None:
    """A log router with a secret of its own and a container that does its work and ends, before the application."""
    api = other_secret(world, "datadog/key", secrets.token_hex(16))

    def surround(definition: Definition) -> None:
        application = first_container(definition)
        add_sidecar(definition, "log_router", firelensConfiguration={"type": "fluentbit"}, cpu=64, user="0")
        add_sidecar(definition, "migrate", command=["alembic", "upgrade", "head"], secrets=application["secrets"][:2])
        router, migrate = definition["containerDefinitions"][1:]
        application["logConfiguration"] = {
            "logDriver": "awsfirelens",
            "options": {"Name": "datadog", "provider": "ecs"},
            "secretOptions": [{"name": "apikey", "valueFrom": api}],
        }
        application["dependsOn"] = [{"containerName": "migrate", "condition": "SUCCESS"}]
        definition["containerDefinitions"] = [router, migrate, application]

    deploy(world, "backend", surround)


def _jobs(world: World) -> None:
    """A schedule of a family, a rule switched off that names a broken revision, and a job that ended long since."""
    family = f"{STAGING}-report"
    broken = register(world, f"{STAGING}-worker", lambda d: refer(d, "S3_KEY", f"{secret_arn(world)}:S3_KEY::"), family)
    good = register(world, f"{STAGING}-worker", lambda d: None, family)
    consumers.add_schedule(world, good.rpartition(":")[0])
    consumers.add_rule(world, broken)
    world.client("events").disable_rule(Name=consumers.NAME)
    job = register(
        world, f"{STAGING}-worker", lambda d: first_container(d).update(command=["--sandbox-exit=0"]), f"{STAGING}-job"
    )
    job_task = _run(world, job, startedBy="ci")
    world.wait(lambda: _status(world, job_task) == "STOPPED", "the job ended")
    renew_key(world)
    redeploy(world, "backend", "worker")


def _all_rotated(world: World) -> None:
    """Another secret and the application's changed twice, and everything was deployed after it."""
    arn = other_secret(world, "ohmycoins/kraken", json.dumps({"api": secrets.token_hex(16)}))
    deploy(world, "worker", lambda d: refer(d, "KRAKEN_KEY", f"{arn}:api::"))
    for _ in range(2):
        text = json.dumps({"api": secrets.token_hex(16)})
        world.secretsmanager.put_secret_value(SecretId=arn, SecretString=text)
        renew_key(world)
        redeploy(world, "backend", "worker")


def _neighbours(world: World) -> str:
    """An environment with names of its own, on Spot, with images by digest, beside a cluster that is not ours."""
    project, secret, cluster = "tidepool", "tidepool/stg/api", "stg"
    arn = world.secretsmanager.create_secret(Name=secret, SecretString=json.dumps(healthy_document()))["ARN"]
    restore_role(world, "stg-pull", {"base": base_policy(), "read": secrets_policy(f"{arn[:-7]}-*")})
    restore_role(world, "stg-run", {"task": task_policy()})
    network: Any = restore_network(world)
    for name in (cluster, "lab"):
        world.ecs.create_cluster(clusterName=name, capacityProviders=["FARGATE", "FARGATE_SPOT"])
    spec = ServiceSpec("backend", 1, KEYS, breaker=True)
    restore_log_group(world, f"/ecs/{STAGING}/backend")

    def make(cluster: str, service: str, value_from: str) -> None:
        container: Any = container_definition(spec, arn, None)
        container["image"] = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/api@sha256:{secrets.token_hex(32)}"
        container["name"] = service
        container["secrets"] = [{"name": key, "valueFrom": value_from.format(key=key)} for key in KEYS]
        definition = build.register(world, f"{cluster}-{service}", [container], "stg-pull", "stg-run")
        world.ecs.create_service(
            cluster=cluster,
            serviceName=service,
            taskDefinition=definition,
            desiredCount=1,
            capacityProviderStrategy=[
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
                {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
            ],
            networkConfiguration={"awsvpcConfiguration": network},
            deploymentConfiguration=deployment_configuration(spec),
        )

    make(cluster, "api", f"{arn}:{{key}}::")
    make("lab", "try", f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:lab/gone-AbCdEf:{{key}}::")
    world.settle()
    names = {"cluster": cluster, "secret": secret, "service": "api"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in names.items()]
    return "\n".join([f"project = {json.dumps(project)}", "[environments.staging]", *lines, ""])


def _own_roles(world: World) -> None:
    """A private registry, and an execution role of its own for each service, one with a path."""
    login = other_secret(world, "docker-hub/pull", json.dumps({"username": "ohmycoins", "password": "p" * 24}))
    trust = json.dumps(
        policy("sts:AssumeRole", Principal={"Service": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]})
    )
    role = world.iam.create_role(RoleName="worker-pull", Path="/service/", AssumeRolePolicyDocument=trust)["Role"][
        "Arn"
    ]
    allow(world, "base", base_policy(), "worker-pull")
    allow(world, "read", secrets_policy(f"{secret_arn(world)[:-7]}-??????", f"{login[:-6]}*"), "worker-pull")

    def own(definition: Definition) -> None:
        definition["executionRoleArn"] = role
        first_container(definition)["image"] = "docker.io/ohmycoins/worker:stable"
        first_container(definition)["repositoryCredentials"] = {"credentialsParameter": login}

    deploy(world, "worker", own)


def _baking(world: World) -> None:
    """A blue/green deployment after a rotation that bakes for hours: the old tasks are to be there."""
    deployments.configure(world, "backend", strategy="BLUE_GREEN", bake_minutes=180)
    change(world, SMTP_PASSWORD=secrets.token_hex(16))
    redeploy(world, "backend")


def _deleted_service(world: World) -> None:
    """A broken service that was deleted, one that uses no secret, and a daemon and an Express service."""
    broken = register(
        world, f"{STAGING}-worker", lambda d: refer(d, "OLD", f"{secret_arn(world)}:OLD_TOKEN::"), f"{STAGING}-legacy"
    )
    network: Any = world.ecs.describe_services(cluster=CLUSTER, services=["worker"])["services"][0]
    world.ecs.create_service(
        cluster=CLUSTER,
        serviceName="legacy",
        taskDefinition=broken,
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network["networkConfiguration"]["awsvpcConfiguration"]},
    )
    world.settle()
    world.delete_service("legacy")
    consumers.add_daemon(world, KEYS[:2])
    consumers.add_express_service(world, KEYS[:3])
    world.settle()


# Pairs.


def _stopped_and_misspelt(world: World) -> None:
    """The worker is at nothing, and its revision refers to a key that is spelt otherwise."""
    world.ecs.update_service(cluster=CLUSTER, service="worker", desiredCount=0)
    deploy(world, "worker", lambda d: refer(d, "OPENAI_API_KEY", f"{secret_arn(world)}:OPENAPI_API_KEY::"))


def _network_and_label(world: World) -> None:
    """The worker's group lets no HTTPS out, and the backend reads a label that was left on an old version."""
    api, current = world.secretsmanager, world.secretsmanager.get_secret_value(SecretId=SECRET)["VersionId"]
    api.update_secret_version_stage(SecretId=SECRET, VersionStage="blessed", MoveToVersionId=current)
    deploy(world, "backend", lambda d: refer(d, "SECRET_KEY", f"{secret_arn(world)}:SECRET_KEY:blessed:"))
    change(world, SECRET_KEY=secrets.token_hex(32))
    redeploy(world, "backend")
    vpc, subnets = make_vpc(world, "10.70")
    make_route(world, vpc, subnets, GatewayId=make_gateway(world, vpc))
    move_tasks(world, "worker", subnets, make_group(world, vpc, "jobs", [tcp(5432, ANY)]), public=True)


def _two_sources(world: World) -> None:
    """The backend's sidecar needs a secret that is gone; the worker needs a parameter that its role may not read."""
    arn = other_secret(world, "newrelic/licence", secrets.token_hex(20))
    world.ssm.put_parameter(Name="/shared/pepper", Value=secrets.token_hex(16), Type="SecureString")
    deploy(world, "worker", lambda d: refer(d, "PEPPER", "/shared/pepper"))
    world.secretsmanager.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    entry = {"name": "NEW_RELIC_LICENSE_KEY", "valueFrom": arn}
    deploy(world, "backend", lambda d: add_sidecar(d, "newrelic", secrets=[entry]))


def _paused_and_forgotten(world: World) -> None:
    """The backend's deployment waits for a person, and nobody deployed the worker."""
    hook = deployments.pause("POST_SCALE_UP")
    deployments.configure(world, "backend", strategy="BLUE_GREEN", hooks=[hook])
    renew_key(world)
    redeploy(world, "backend")


def _two_of_exec(world: World) -> None:
    """The backend has a read-only root; the worker's new task role may do nothing with sessions."""
    restore_role(world, "worker-task", {"read": secrets_policy()})
    role = f"arn:aws:iam::{ACCOUNT}:role/worker-task"
    deploy(world, "backend", lambda d: first_container(d).update(readonlyRootFilesystem=True))
    deploy(world, "worker", lambda d: d.update(taskRoleArn=role))


def _fault(title: str, make: Callable[[World], str | None], *expected: str, **more: Any) -> Case:
    return Case(title=title, make=make, expected=expected, **more)


FAULTS = (
    _fault(
        "ecs: a lifecycle hook of blue/green refused the rotation",
        _hook_refuses,
        "breaker-rollback",  # No id names hooks.
        consequences=("rollout-stuck", *OLD),
    ),
    _fault("ecs: a canary waits for a person after a rotation", _canary_waits, "deployment-paused", consequences=OLD),
    _fault(
        "ecs: percentages leave one task no way to be replaced", _percentages_block, "rollout-stuck", consequences=OLD
    ),
    _fault("ecs: the worker moved to platform 1.3.0", _old_platform, "platform-version", consequences=STARTS),
    _fault("ecs: a sidecar's image is gone", _sidecar_image, "image-pull", consequences=(*STARTS, *OLD)),
    _fault(
        "ecs: the worker outgrows its memory, breaker without rollback",
        _memory,
        "out-of-memory",
        consequences=("task-exits", *STARTS, *OLD),
    ),
    _fault("ecs: an entry point's script is gone", _entry_point, "command-fails", consequences=("task-exits", *STARTS)),
    _fault(
        "ecs: linear deployment never healthy",
        _unhealthy,
        "health-check",
        consequences=("task-exits", *STARTS, *OLD),
    ),
    _fault("ecs: the NAT gateway is in a private subnet", _nat_is_private, "no-egress", consequences=STARTS),
    _fault("ecs: an ACL drops the answers", _acl_drops_answers, "network-acl", consequences=STARTS),
    _fault(
        "ecs: the endpoint admits another subnet", _endpoint_admits_other_subnet, "endpoint-sg", consequences=STARTS
    ),
    _fault(
        "ecs: the VPC has no DNS host names, so that private DNS does not work",
        _no_host_names,
        "private-dns-off",  # The VPC resolves names; private DNS needs host names beside it.
        consequences=STARTS,
    ),
    _fault("ecs: the group lets HTTPS out to the VPC alone", _group_reaches_vpc_only, "sg-egress", consequences=STARTS),
    _fault(
        "ecs: the endpoint's policy names the ARN without suffix",
        _endpoint_policy_base_arn,
        "endpoint-policy",
        consequences=STARTS,
    ),
    _fault(
        "ecs: Exec behind endpoints of ssm without ssmmessages",
        _exec_without_messages,
        "exec-endpoint",
        consequences=("exec-agent",),
        symptom="exec-fails",
    ),
    _fault(
        "ecs: Exec denied by a managed policy",
        _exec_denied,
        "exec-iam",
        consequences=("exec-agent",),
        symptom="exec-fails",
    ),
    _fault(
        "ecs: a collector beside the worker needs a key that is absent",
        _collector_key,
        "key-missing",
        consequences=STARTS,
    ),
    _fault("ecs: the log driver's token in another case", _splunk_token, "key-case", consequences=STARTS),
    _fault("ecs: the registry's login is to be deleted", _registry_login, "other-secret-missing", consequences=STARTS),
    _fault("ecs: another secret's customer key", _other_key_of_kms, "other-secret-denied", consequences=STARTS),
    _fault("ecs: a parameter's path in another case", _parameter_case, "parameter-missing", consequences=STARTS),
    _fault("ecs: a Cyrillic letter in a key", _look_alike, "key-misspelt", consequences=STARTS),
    _fault("ecs: a blank after a key", _blank_in_key, "key-misspelt", consequences=STARTS),
    _fault("ecs: two references exchanged", _references_exchanged, "name-mismatch"),
    _fault("ecs: a schedule runs an old revision", _schedule_of_old_revision, "key-missing"),
    _fault(
        "ecs: AWSCURRENT and an old version in one reference",
        _stage_and_version,
        "version-pinned",
        consequences=(*STARTS, *OLD),
    ),
    _fault("ecs: a backfill that an analyst started", _backfill, "lone-task"),
    _fault("ecs: another secret changed, nobody deployed", _other_secret_changed, "other-secret-rotated"),
)
HEALTHY = (
    Case(title="ecs healthy: broken drafts that nobody runs", make=_draft_revisions),
    Case(title="ecs healthy: blue/green and canary after a rotation", make=_each_strategy),
    Case(title="ecs healthy: failed and repaired", make=_repaired),
    Case(title="ecs healthy: scaled to nothing for the night", make=_night_scale, consequences=("desired-zero",)),
    Case(title="ecs healthy: a network closed but for its endpoints", make=_closed_network),
    Case(title="ecs healthy: a NAT gateway in each zone", make=_nat_in_each_zone),
    Case(title="ecs healthy: every form of valueFrom", make=_mixed_sources),
    Case(title="ecs healthy: a log router and a migration before the application", make=_many_containers),
    Case(title="ecs healthy: jobs, and a rule that is off", make=_jobs),
    Case(title="ecs healthy: two secrets rotated twice", make=_all_rotated),
    Case(
        title="ecs healthy: own names, Spot, and a cluster of others",
        make=_neighbours,
        consequences=("exec-off",),  # Nobody switched ECS Exec on there: a warning.
        starts_healthy=False,
    ),
    Case(title="ecs healthy: own roles and a private registry", make=_own_roles),
    Case(title="ecs healthy: a deployment that bakes for hours", make=_baking),
    Case(title="ecs healthy: a deleted service, a daemon, an Express service", make=_deleted_service),
)
PAIRS = (
    _fault("ecs pair: at nothing, and a misspelt key", _stopped_and_misspelt, "key-misspelt", "desired-zero"),
    _fault(
        "ecs pair: no HTTPS out, and an old label",
        _network_and_label,
        "sg-egress",
        "previous-pinned",
        consequences=(*STARTS, *OLD),
    ),
    _fault(
        "ecs pair: a sidecar's secret gone, a parameter denied",
        _two_sources,
        "other-secret-missing",
        "parameter-denied",
        consequences=STARTS,
    ),
    _fault(
        "ecs pair: one deployment waits, one was forgotten", _paused_and_forgotten, "deployment-paused", "not-forced"
    ),
    _fault(
        "ecs pair: Exec read-only here, without permission there",
        _two_of_exec,
        "exec-readonly",
        "exec-iam",
        consequences=("exec-agent",),
        symptom="exec-fails",
    ),
)
CASES: tuple[Case, ...] = (*FAULTS, *HEALTHY, *PAIRS)
