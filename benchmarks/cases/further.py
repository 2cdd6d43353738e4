"""Conditions, states of keys and networks, and consumers that the other cases leave out: from AWS's documentation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import networks

from cases import access, ecs
from cases.case import Case
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.worlds import consumers, deployments
from omc_runbook.sandbox.worlds.roles import policy, secrets_policy
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRET, STAGING, TASK_ROLE, World

READ = "secretsmanager:GetSecretValue"
BOTH = ("backend", "worker")
STOPPED = ("rollout-stuck", "not-forced")
"""What follows where a deployment with new values was taken back."""


# Faults: deployments.


def _stopped_by_an_operator(world: World) -> None:
    """Somebody stops the deployment of a new value while it bakes, and does not put the value back."""
    deployments.configure(world, "backend", strategy="BLUE_GREEN", bake_minutes=60)
    ecs.renew_key(world)
    ecs.redeploy(world, "worker")
    world.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    arn = _newest_deployment(world)

    def bakes() -> bool:
        (deployment,) = world.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return deployment.get("lifecycleStage") == "BAKE_TIME"

    world.wait(bakes, "it baked")
    world.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    world.settle()


def _nobody_answered(world: World) -> None:
    """A pause that nobody continued ran out, and ECS rolled back."""
    hook = deployments.pause("POST_TEST_TRAFFIC_SHIFT", minutes=1)
    deployments.configure(world, "backend", strategy="CANARY", step=(10.0, 1), hooks=[hook])
    ecs.renew_key(world)
    ecs.redeploy(world, "worker")
    _be_rolled_back(world)
    world.settle()


def _be_rolled_back(world: World) -> None:
    """Deploy the backend, and wait until ECS has taken that back."""
    world.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    arn = _newest_deployment(world)

    def ended() -> bool:
        (deployment,) = world.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        return deployment["status"] == "ROLLBACK_SUCCESSFUL"

    world.wait(ended, "it was rolled back")


def _newest_deployment(world: World, service: str = "backend") -> str:
    listed = world.ecs.list_service_deployments(cluster=CLUSTER, service=service)["serviceDeployments"]
    return listed[0]["serviceDeploymentArn"]


# Faults: who may read, and when.


def _expired_grant(world: World) -> None:
    """A grant for the days of a migration, which are over."""
    until = {"DateLessThan": {"aws:CurrentTime": "2026-11-01T00:00:00Z"}}
    access.grant(world, {**secrets_policy(), "Statement": [{**secrets_policy()["Statement"][0], "Condition": until}]})
    ecs.redeploy(world, *BOTH)


def _office_addresses(world: World) -> None:
    """The role may read from the office's addresses alone."""
    office = {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.7/32"]}}
    access.grant(world, policy(READ, Resource=f"{access.BASE_ARN}-??????", Condition=office))
    ecs.redeploy(world, *BOTH)


def _granted_to_task_role(world: World) -> None:
    """The statement went to the role of the tasks; ECS reads as the execution role."""
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=access.SECRETS_POLICY)
    access.grant(world, secrets_policy(), role=TASK_ROLE)
    ecs.redeploy(world, *BOTH)


def _other_organization(world: World) -> None:
    """The secret's policy denies who is outside of an organization that the account has left."""
    outside = {"StringNotEquals": {"aws:PrincipalOrgID": "o-0a1b2c3d4e"}, **access.alone(world, "ArnNotEquals")}
    access.share(world, policy(READ, effect="Deny", Principal="*", Resource="*", Condition=outside))
    ecs.redeploy(world, *BOTH)


def _trust_of_another_region(world: World) -> None:
    """The worker's own role trusts ECS for what runs in another region."""
    there = {"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:eu-central-1:{ACCOUNT}:*"}}
    trust = policy("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"}, Condition=there)
    role = access.make_role(world, "worker-execution", secrets_policy(), trust=trust)
    access.revise(world, "worker", role=role)


def _former_role_in_key_policy(world: World) -> None:
    """The execution role was deleted and made again: the key's policy still has the unique id of the former one."""
    former = policy("kms:Decrypt", Principal={"AWS": "AROA4ZQ7EXAMPLE0FORMR"}, Resource="*")
    access.encrypt(world, access.make_key(world, former, delegate=False))
    ecs.redeploy(world, *BOTH)


def _key_material_deleted(world: World) -> None:
    """A key with imported material, which somebody deleted: KeyState is PendingImport."""
    key = world.kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    world.kms.import_key_material(KeyId=key, ImportToken=b"token", EncryptedKeyMaterial=b"material")
    access.encrypt(world, key)
    access.grant(world, access.may_decrypt(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"), "kms")
    ecs.redeploy(world, *BOTH)
    world.kms.delete_imported_key_material(KeyId=key)
    ecs.redeploy(world, "worker")


# Faults: networks.


def _nat_deleted(world: World) -> None:
    """The NAT gateway was deleted to save costs; its route is still there."""
    vpc, (inner, outer) = networks.make_vpc(world, "10.60")
    networks.make_route(world, vpc, [outer], GatewayId=networks.make_gateway(world, vpc))
    nat = networks.make_nat(world, outer)
    networks.make_route(world, vpc, [inner], NatGatewayId=nat)
    ecs.move_tasks(world, "worker", [inner], networks.make_group(world, vpc, "jobs"))
    world.client("ec2").delete_nat_gateway(NatGatewayId=nat)
    ecs.redeploy(world, "worker")


def _gateway_detached(world: World) -> None:
    """Somebody took the internet gateway from the VPC."""
    vpc, subnets = networks.make_vpc(world, "10.61")
    gateway = networks.make_gateway(world, vpc)
    networks.make_route(world, vpc, subnets, GatewayId=gateway)
    ecs.move_tasks(world, "worker", subnets, networks.make_group(world, vpc, "jobs"), public=True)
    world.client("ec2").detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ecs.redeploy(world, "worker")


def _to_partners_alone(world: World) -> None:
    """The security group lets HTTPS out to a prefix list of partners, who are reached by a VPN."""
    ec2 = world.client("ec2")
    vpc, (inner, outer) = networks.make_vpc(world, "10.62")
    networks.make_route(world, vpc, [outer], GatewayId=networks.make_gateway(world, vpc))
    networks.make_route(world, vpc, [inner], NatGatewayId=networks.make_nat(world, outer))
    entries = [{"Cidr": "10.200.0.0/16", "Description": "Exchange"}, {"Cidr": "172.20.4.10/32", "Description": "Mail"}]
    partners = ec2.create_managed_prefix_list(
        PrefixListName="partners", Entries=entries, MaxEntries=5, AddressFamily="IPv4"
    )["PrefixList"]["PrefixListId"]
    out: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    group = networks.make_group(world, vpc, "jobs", [{**out, "PrefixListIds": [{"PrefixListId": partners}]}])
    ecs.move_tasks(world, "worker", [inner], group)


def _endpoint_of_another_account(world: World) -> None:
    """The endpoint's policy admits principals of another account, from which it was copied."""
    vpc, subnets = networks.make_vpc(world, "10.63")
    door = networks.make_group(world, vpc, "aws-endpoints", ingress=[networks.tcp(443, "10.63.0.0/16")])
    own = {"StringEquals": {"aws:PrincipalAccount": "210987654321"}}
    document = policy("secretsmanager:*", Principal="*", Resource="*", Condition=own)
    networks.make_endpoints(world, vpc, subnets, door, "secretsmanager", PolicyDocument=json.dumps(document))
    networks.make_endpoints(world, vpc, subnets, door, "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    ecs.move_tasks(world, "worker", subnets, networks.make_group(world, vpc, "jobs"))


# Faults: consumers, and the text.


def _rule_of_another_bus(world: World) -> None:
    """An order starts a task by a rule of the application's own event bus, with a revision that asks for a lost key."""
    events = world.client("events")

    def ask(definition: dict[str, Any]) -> None:
        ecs.refer(definition, "STRIPE_API_KEY", f"{ecs.secret_arn(world)}:STRIPE_API_KEY::")

    revision = ecs.register(world, f"{STAGING}-worker", ask, f"{STAGING}-orders")
    events.create_event_bus(Name="orders")
    events.put_rule(Name="order-paid", EventBusName="orders", EventPattern='{"source": ["shop"]}')
    target = {"Id": "task", "Arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}", "RoleArn": ecs.ROLE_ARN}
    parameters = {"TaskDefinitionArn": revision, "LaunchType": "FARGATE"}
    events.put_targets(Rule="order-paid", EventBusName="orders", Targets=[{**target, "EcsParameters": parameters}])


def _express_key(world: World) -> None:
    """An Express service asks for a key that the secret does not have."""
    consumers.add_express_service(world, ("SECRET_KEY", "STRIPE_API_KEY"))
    world.wait(lambda: bool(_express_stops(world)), "its task stopped")


def _express_stops(world: World) -> list[str]:
    return world.ecs.list_tasks(cluster=CLUSTER, serviceName=consumers.NAME, desiredStatus="STOPPED")["taskArns"]


def _dotenv_as_secret(world: World) -> None:
    """Somebody saved the lines of a .env as the secret."""
    text = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"]
    lines = "\n".join(f"{name}={value}" for name, value in json.loads(text).items())
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=f"# staging\n{lines}\n")
    ecs.redeploy(world, *BOTH)


def _host_with_port(world: World) -> None:
    ecs.change(world, SMTP_HOST="smtp.example.com:587")
    ecs.redeploy(world, "backend")


# Healthy.


def _conditions_that_hold(world: World) -> None:
    """A grant with conditions of every operator that the call of a task meets."""
    holds = {
        "Bool": {"aws:SecureTransport": "true"},
        "DateGreaterThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": "2036-01-01T00:00:00Z"},
        "StringEquals": {"aws:RequestedRegion": [REGION, "us-east-1"], "aws:PrincipalAccount": ACCOUNT},
        "StringEqualsIfExists": {"secretsmanager:VersionStage": ["AWSCURRENT"]},
        "Null": {"secretsmanager:VersionId": "true"},
        "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"},
    }
    access.grant(world, policy("secretsmanager:Get*", Resource="*", Condition=holds))
    ecs.redeploy(world, *BOTH)


def _all_but_iam(world: World) -> None:
    """A grant by NotAction, and a Deny by NotResource that leaves the secret out."""
    allow = {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}
    deny = {"Effect": "Deny", "Action": READ, "NotResource": [access.SECRET_PATTERN]}
    access.grant(world, {"Version": "2012-10-17", "Statement": [allow, deny]})
    ecs.redeploy(world, *BOTH)


def _by_prefix_lists(world: World) -> None:
    """Everything that a security group lets out goes to prefix lists of the company; the endpoint is in one."""
    ec2 = world.client("ec2")
    vpc, subnets = networks.make_vpc(world, "10.64")
    own = ec2.create_managed_prefix_list(
        PrefixListName="company", Entries=[{"Cidr": "10.64.0.0/16"}], MaxEntries=5, AddressFamily="IPv4"
    )["PrefixList"]["PrefixListId"]
    door = networks.make_group(world, vpc, "aws-endpoints", ingress=[networks.tcp(443, "10.64.0.0/16")])
    networks.make_endpoints(world, vpc, subnets, door, "secretsmanager", "logs", "ecr.api", "ecr.dkr", "ssmmessages")
    out: dict[str, Any] = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": own}]}
    group = networks.make_group(world, vpc, "jobs", [out])
    ecs.move_tasks(world, "worker", subnets, group)


def _through_transit_gateway(world: World) -> None:
    """Egress of a whole company goes through a transit gateway to another VPC."""
    ec2 = world.client("ec2")
    vpc, subnets = networks.make_vpc(world, "10.65")
    gateway = ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]
    ec2.create_transit_gateway_vpc_attachment(TransitGatewayId=gateway, VpcId=vpc, SubnetIds=subnets)
    networks.make_route(world, vpc, subnets, TransitGatewayId=gateway)
    ecs.move_tasks(world, "worker", subnets, networks.make_group(world, vpc, "jobs"))


def _continued(world: World) -> None:
    """Two services with a pause, which a person continued."""
    for name in BOTH:
        hook = deployments.pause("PRE_PRODUCTION_TRAFFIC_SHIFT")
        deployments.configure(world, name, strategy="BLUE_GREEN", hooks=[hook])
    ecs.renew_key(world)
    ecs.redeploy(world, *BOTH)
    for name in BOTH:
        _continue(world, _newest_deployment(world, name))
    world.settle()


def _continue(world: World, arn: str) -> None:
    def hooks() -> list[Any]:
        (deployment,) = world.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
        details: Any = deployment.get("lifecycleHookDetails", [])
        return [each for each in details if each["status"] == "AWAITING_ACTION"]

    world.wait(lambda: bool(hooks()), "it waited")
    client: Any = world.ecs
    client.continue_service_deployment(serviceDeploymentArn=arn, hookId=hooks()[0]["hookId"], action="CONTINUE")


def _stopped_and_deployed_again(world: World) -> None:
    _stopped_by_an_operator(world)
    deployments.configure(world, "backend", strategy="BLUE_GREEN", bake_minutes=1)
    ecs.redeploy(world, "backend")


def _two_of_a_family(world: World) -> None:
    """The public service and an internal one run the same task definition, each by its own."""
    current = world.ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]
    network: Any = current["networkConfiguration"]
    world.ecs.create_service(
        cluster=CLUSTER,
        serviceName="backend-internal",
        taskDefinition=current["taskDefinition"],
        desiredCount=1,
        launchType="FARGATE",
        networkConfiguration=network,
        enableExecuteCommand=True,
    )
    world.settle()


def _database_by_rds(world: World) -> None:
    """The database's login is a secret of its own that a function rotates; both services were deployed after it."""
    login = json.dumps({"username": "omc", "password": secrets.token_hex(20), "host": "db.internal", "port": 5432})
    arn = ecs.other_secret(world, "prod/db/omc", login)
    world.secretsmanager.rotate_secret(
        SecretId=arn,
        RotationLambdaARN=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:SecretsManagerRDSPostgreSQLRotationMultiUser",
        RotationRules={"AutomaticallyAfterDays": 30},
    )
    for service in BOTH:
        ecs.deploy(world, service, lambda d: ecs.refer(d, "DB_PASSWORD", f"{arn}:password::"))


def _suffix_like_name(world: World) -> str:
    """A secret whose own name ends like the six characters that Secrets Manager adds."""
    name = "ohmycoins/staging-config"
    text = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["SecretString"]
    arn = world.secretsmanager.create_secret(Name=name, SecretString=text)["ARN"]
    access.grant(world, secrets_policy(f"{arn[:-7]}-??????"))
    for service in BOTH:
        access.refer(world, service, arn)
    world.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    return f'[environments.staging]\nsecret = "{name}"\n'


def _multi_region_key(world: World) -> None:
    """A multi-Region key, granted in every region by its one id."""
    key = world.kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    access.encrypt(world, key)
    access.grant(world, access.may_decrypt(f"arn:aws:kms:*:{ACCOUNT}:key/{key}"), "kms")
    ecs.redeploy(world, *BOTH)


# Pairs.


def _host_and_trust(world: World) -> None:
    _host_with_port(world)
    _trust_of_another_region(world)


def _stopped_and_nat(world: World) -> None:
    _nat_deleted(world)
    deployments.configure(
        world, "backend", strategy="BLUE_GREEN", hooks=[deployments.pause("POST_SCALE_UP", minutes=1)]
    )
    ecs.renew_key(world)
    _be_rolled_back(world)


def _partners_and_placeholder(world: World) -> None:
    ecs.change(world, SENTRY_DSN="<your-dsn>")
    ecs.redeploy(world, "backend")
    _to_partners_alone(world)


def _rotated_and_at_nothing(world: World) -> None:
    _database_by_rds(world)
    world.ecs.update_service(cluster=CLUSTER, service="worker", desiredCount=0)
    text = json.dumps({"username": "omc", "password": secrets.token_hex(20)})
    world.secretsmanager.put_secret_value(SecretId="prod/db/omc", SecretString=text)
    world.settle()


def _billing_key_and_weak(world: World) -> None:
    """Another secret's key names a former role, and the administrator's password is easy to guess."""
    former = policy("kms:Decrypt", Principal={"AWS": "AROA4ZQ7EXAMPLE0FORMR"}, Resource="*")
    key = access.make_key(world, former, delegate=False)
    text = json.dumps({"restricted": f"rk_live_{secrets.token_hex(20)}"})
    arn = ecs.other_secret(world, "billing/stripe", text, KmsKeyId=key)
    ecs.change(world, FIRST_SUPERUSER_PASSWORD="Summer2026!")
    ecs.redeploy(world, "backend")
    ecs.deploy(world, "worker", lambda d: ecs.refer(d, "STRIPE_KEY", f"{arn}:restricted::"))


def _office_and_label(world: World) -> None:
    """The worker's own role reads from the office alone; the backend reads AWSPREVIOUS."""
    ecs.renew_key(world)
    ecs.redeploy(world, "worker")
    office = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    role = access.make_role(world, "worker-execution", policy(READ, Resource="*", Condition=office))
    access.revise(world, "worker", role=role)
    ecs.deploy(
        world,
        "backend",
        lambda d: ecs.refer(d, "OPENAI_API_KEY", f"{ecs.secret_arn(world)}:OPENAI_API_KEY:AWSPREVIOUS:"),
    )


def _fault(title: str, make: Callable[[World], str | None], *expected: str, also: tuple[str, ...] = ()) -> Case:
    return Case(title=f"further: {title}", make=make, expected=expected, consequences=(*access.FAILED, *also))


def _healthy(title: str, make: Callable[[World], str | None], **more: Any) -> Case:
    return Case(title=f"further healthy: {title}", make=make, **more)


CASES: tuple[Case, ...] = (
    # Both show as an earlier deployment that serves: no id tells a person's decision from the breaker's.
    _fault("an operator stops a deployment that bakes", _stopped_by_an_operator, "breaker-rollback", also=STOPPED),
    _fault("nobody answers at a pause", _nobody_answered, "breaker-rollback", also=STOPPED),
    _fault("a grant that has expired", _expired_grant, "no-permission"),
    _fault("a grant for the office's addresses", _office_addresses, "no-permission"),
    _fault("the grant is at the task role", _granted_to_task_role, "no-permission"),
    _fault("a secret for another organization", _other_organization, "resource-deny"),
    _fault("a trust policy for another region's tasks", _trust_of_another_region, "role-untrusted"),
    _fault("a key policy with a former role's id", _former_role_in_key_policy, "kms-no-permission"),
    _fault("a key without its imported material", _key_material_deleted, "kms-disabled"),
    _fault("a NAT gateway that was deleted", _nat_deleted, "no-egress"),
    _fault("an internet gateway that was detached", _gateway_detached, "no-egress"),
    _fault("HTTPS to a prefix list of partners alone", _to_partners_alone, "sg-egress"),
    _fault("an endpoint for another account's principals", _endpoint_of_another_account, "endpoint-policy"),
    _fault("a rule of another event bus", _rule_of_another_bus, "key-missing"),
    _fault("an Express service asks for a key that is absent", _express_key, "key-missing"),
    _fault("the lines of a .env as the secret", _dotenv_as_secret, "not-json", also=("not-forced",)),
    _fault("a host with its port", _host_with_port, "wrong-form"),
    _healthy("conditions that hold", _conditions_that_hold),
    _healthy("NotAction and NotResource", _all_but_iam),
    _healthy("security groups by prefix lists", _by_prefix_lists),
    _healthy("egress by a transit gateway", _through_transit_gateway),
    _healthy("pauses that a person continued", _continued),
    _healthy("stopped, and deployed again", _stopped_and_deployed_again),
    _healthy("two services of one task definition", _two_of_a_family, consequences=("exec-off",)),
    _healthy("the database's login is rotated by a function", _database_by_rds),
    _healthy("a name that ends like a suffix", _suffix_like_name),
    _healthy("a multi-Region key", _multi_region_key),
    _fault(
        "a host with its port, and a trust policy for another region", _host_and_trust, "wrong-form", "role-untrusted"
    ),
    _fault(
        "a pause ran out, and a NAT gateway was deleted",
        _stopped_and_nat,
        "no-egress",
        "breaker-rollback",
        also=STOPPED,
    ),
    _fault(
        "a placeholder, and HTTPS to partners alone",
        _partners_and_placeholder,
        "placeholder",
        "sg-egress",
        also=("value-refused", "task-exits", "not-forced"),
    ),
    _fault(
        "another secret rotated, and a service at nothing",
        _rotated_and_at_nothing,
        "other-secret-rotated",
        "desired-zero",
    ),
    _fault(
        "another secret's key names a former role, and a weak password",
        _billing_key_and_weak,
        "other-secret-denied",
        "weak",
    ),
    _fault(
        "a grant for the office, and an old label",
        _office_and_label,
        "no-permission",
        "previous-pinned",
        also=("not-forced",),
    ),
)
