"""Roles, policies, keys of KMS, and the secret's own state: cases from AWS's documentation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import worlds

from cases.case import Case
from cases.ecs import change, document, redeploy, secret_arn
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults import change as faults
from omc_runbook.sandbox.worlds.build import healthy_document
from omc_runbook.sandbox.worlds.roles import Policy, base_policy, policy, secrets_policy
from omc_runbook.sandbox.worlds.staging import (
    EXECUTION_ROLE,
    SECRET,
    SECRET_PATTERN,
    SECRETS_POLICY,
    World,
)

READ = "secretsmanager:GetSecretValue"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
BASE_ARN = SECRET_PATTERN.removesuffix("-??????")
VIA = f"secretsmanager.{REGION}.amazonaws.com"
TRUST = policy("sts:AssumeRole", Principal={"Service": "ecs-tasks.amazonaws.com"})
# What follows when new tasks cannot read the secret.
FAILED = ("pull-failed", "rollout-stuck", "breaker-rollback")
_BOTH = ("backend", "worker")


# Helpers: a call or two that a team's people make.


def _caller(world: World) -> str:
    return world.client("sts").get_caller_identity()["Arn"]


def grant(world: World, document: Policy, name: str = SECRETS_POLICY, role: str = EXECUTION_ROLE) -> None:
    """Give a role an inline policy, in place of the one of that name."""
    world.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def share(world: World, *statements: Policy) -> None:
    """Give the secret a resource policy of these statements."""
    document = {"Version": "2012-10-17", "Statement": [each for whole in statements for each in whole["Statement"]]}
    world.secretsmanager.put_resource_policy(SecretId=SECRET, ResourcePolicy=json.dumps(document))


def _managed(world: World, name: str, document: Policy, path: str = "/") -> str:
    answer = world.iam.create_policy(PolicyName=name, Path=path, PolicyDocument=json.dumps(document))
    return answer["Policy"]["Arn"]


def make_role(world: World, name: str, *documents: Policy, trust: Policy = TRUST, path: str = "/") -> str:
    role = world.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))
    for number, each in enumerate((base_policy(), *documents)):
        grant(world, each, f"statement-{number}", name)
    return role["Role"]["Arn"]


def revise(
    world: World,
    service: str,
    entries: Callable[[list[Any]], list[Any]] = list,
    role: str | None = None,
    settle: bool = True,
) -> None:
    """Deploy a new revision to a service: other secrets of its container, another execution role."""

    def edit(container: Any) -> None:
        container["secrets"] = entries(container["secrets"])

    faults.revise(world, service, edit, role)
    if settle:
        world.settle()


def refer(world: World, service: str, arn: str, settle: bool = True) -> None:
    """Let a service read its keys from another ARN."""
    revise(
        world,
        service,
        lambda entries: [{**entry, "valueFrom": f"{arn}:{entry['valueFrom'].split(':', 7)[7]}"} for entry in entries],
        settle=settle,
    )


def _recreate(world: World, **more: Any) -> str:
    """Delete the secret at once and create one of the same name, which has another suffix; its ARN."""
    world.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    return world.secretsmanager.create_secret(Name=SECRET, **more)["ARN"]


def make_key(world: World, *statements: Policy, delegate: bool = True) -> str:
    """A customer key whose policy has these statements; without `delegate` no IAM policy counts. Its ARN."""
    admin = policy("kms:*", Principal={"AWS": ROOT if delegate else _caller(world)}, Resource="*")
    document = {
        "Version": "2012-10-17",
        "Statement": [each for whole in (admin, *statements) for each in whole["Statement"]],
    }
    return world.kms.create_key(Policy=json.dumps(document), BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Arn"]


def encrypt(world: World, key: str, secret: str = SECRET) -> None:
    """Encrypt the secret, its newest version included, with a customer key."""
    world.secretsmanager.update_secret(SecretId=secret, KmsKeyId=key)


def _tag(world: World, **tags: str) -> None:
    world.secretsmanager.tag_resource(SecretId=SECRET, Tags=[{"Key": name, "Value": tags[name]} for name in tags])


def _replicate(world: World, *regions: str) -> None:
    world.secretsmanager.replicate_secret_to_regions(
        SecretId=SECRET, AddReplicaRegions=[{"Region": region} for region in regions]
    )


def may_decrypt(key: str, **scope: Any) -> Policy:
    return policy("kms:Decrypt", Resource=key, **scope)


def alone(world: World, text: str) -> dict[str, Any]:
    """The condition that exempts the person who builds the world."""
    return {text: {"aws:PrincipalArn": _caller(world)}}


# Faults: identity policies, boundaries, trust.


def _tag_differs(world: World) -> None:
    """Access by attributes, with a capital letter in one of the two tags."""
    world.iam.tag_role(RoleName=EXECUTION_ROLE, Tags=[{"Key": "environment", "Value": "staging"}])
    _tag(world, environment="Staging", team="trading")
    same = {"StringEquals": {"secretsmanager:ResourceTag/environment": "${aws:PrincipalTag/environment}"}}
    grant(world, policy(READ, Resource="*", Condition=same))
    redeploy(world, "worker")


def _guardrail(world: World) -> None:
    """A managed policy of a guardrail: nothing but secrets under a path that this secret's name does not have."""
    ours = f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:ohmycoins/staging/*"
    deny = policy("secretsmanager:*", effect="Deny", NotResource=ours)
    arn = _managed(world, "secrets-by-path-only", deny, path="/guardrails/")
    world.iam.attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=arn)
    redeploy(world)


def _other_regions_boundary(world: World) -> None:
    """A boundary that allows secrets in the regions of another project."""
    boundary = policy("logs:*", "ecr:*", "kms:*", "ssmmessages:*", Resource="*")
    regions = {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "ap-southeast-1"]}}
    boundary["Statement"] += policy("secretsmanager:*", Resource="*", Condition=regions)["Statement"]
    arn = _managed(world, "workload-boundary", boundary)
    world.iam.put_role_permissions_boundary(RoleName=EXECUTION_ROLE, PermissionsBoundary=arn)
    redeploy(world, "worker")


def _trusted_elsewhere(world: World) -> None:
    """The protection against confused deputies names the account that the module was copied from."""
    trust = json.dumps(_trust_within("210987654321"))
    world.iam.update_assume_role_policy(RoleName=EXECUTION_ROLE, PolicyDocument=trust)
    redeploy(world)


def _trust_within(account: str) -> Policy:
    within = {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{REGION}:{account}:*"},
    }
    return policy("sts:AssumeRole", Principal={"Service": ["ecs-tasks.amazonaws.com"]}, Condition=within)


def _path_left_out(world: World) -> None:
    """The worker's own role has a path, which its task definition leaves out: GetRole by the name finds it."""
    arn = make_role(world, "ohmycoins-staging-worker-exec", secrets_policy(), path="/platform/ecs/")
    revise(world, "worker", role=arn.replace("/platform/ecs/", "/"))


def _pending_alone(world: World) -> None:
    """A statement for a rotation function, which may read what is pending and nothing else."""
    stage = {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": ["AWSPENDING"]}}
    grant(world, policy(READ, "secretsmanager:DescribeSecret", Resource=SECRET_PATTERN, Condition=stage))
    redeploy(world, "backend")


def _former_arn(world: World) -> None:
    """The policy has the whole ARN of the secret that was deleted; the task definitions have the new one."""
    former = secret_arn(world)
    grant(world, secrets_policy(former))
    arn = _recreate(world, SecretString=json.dumps(healthy_document()))
    for service in _BOTH:
        refer(world, service, arn, settle=False)
    world.settle()


# Faults: keys of KMS.


def _via_another_region(world: World) -> None:
    """The key policy alone lets the role decrypt, through Secrets Manager of the region it was copied from."""
    via = {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com", "kms:CallerAccount": ACCOUNT}}
    encrypt(world, make_key(world, may_decrypt("*", Principal={"AWS": ROLE}, Condition=via), delegate=False))
    redeploy(world, "worker")


def _context_without_suffix(world: World) -> None:
    """The encryption context that the role is bound to is the ARN without its suffix."""
    key = make_key(world)
    encrypt(world, key)
    context = {"StringEquals": {"kms:EncryptionContext:SecretARN": BASE_ARN, "kms:ViaService": VIA}}
    grant(world, may_decrypt(key, Condition=context), "kms")
    redeploy(world)


def _alias_disabled(world: World) -> None:
    """The secret names its key by an alias; the worker is the one that is deployed after the key was disabled."""
    key = make_key(world)
    world.kms.create_alias(AliasName="alias/ohmycoins-staging", TargetKeyId=key)
    encrypt(world, "alias/ohmycoins-staging")
    grant(world, may_decrypt(key), "kms")
    redeploy(world)
    world.kms.disable_key(KeyId=key)
    redeploy(world, "worker")


def _secure_parameter(world: World) -> None:
    """A SecureString beside the secret, under a customer key; the role may read the parameter and not decrypt it."""
    name = "/ohmycoins/staging/feature-token"
    world.ssm.put_parameter(Name=name, Value=secrets.token_hex(16), Type="SecureString", KeyId=make_key(world))
    may = policy("ssm:GetParameters", Resource=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}")
    grant(world, may, "parameters")
    revise(world, "worker", lambda entries: [*entries, {"name": "FEATURE_TOKEN", "valueFrom": name}])


def _renamed_pending(world: World) -> str:
    """Another project in another region: the key of its secret is about to be deleted, and a scale-out failed."""
    plan = worlds.Plan(
        "", project="acme", region="eu-west-1", secret="acme/staging/api", main="api", before=_encrypt_renamed
    )
    worlds.build(lifecycle.at(world.endpoint), plan)
    there = World(world.endpoint, region=plan.region)
    key = there.secretsmanager.describe_secret(SecretId=plan.secret_name)["KmsKeyId"]
    there.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    redeploy(there, "api", cluster=plan.cluster_name)
    return plan.toml


def _encrypt_renamed(world: World, plan: worlds.Plan) -> None:
    key = make_key(world)
    encrypt(world, key, plan.secret_name)
    grant(world, may_decrypt(key), "kms", plan.execution_role)


# Faults: the secret's own policy and state.


def _all_but_admins(world: World) -> None:
    """Everybody but the named is denied, and the role is named as it was called before."""
    former = f"arn:aws:iam::{ACCOUNT}:role/ohmycoins-staging-task-execution"
    but = {"AWS": [ROOT, _caller(world), former]}
    share(world, policy(READ, effect="Deny", NotPrincipal=but, Resource="*"))
    redeploy(world, "worker")


def _from_endpoint_alone(world: World) -> None:
    """Everybody is denied who does not come through an endpoint, which the tasks' network does not have."""
    elsewhere = {"StringNotEquals": {"aws:SourceVpce": "vpce-0f3a9b2c4d5e6f708"}}
    share(world, policy(READ, effect="Deny", Principal="*", Resource="*", Condition=elsewhere))
    redeploy(world)


def _worker_left_behind(world: World) -> None:
    """The secret was created again, and every task definition but the worker's has the new ARN."""
    arn = _recreate(world, SecretString=json.dumps(healthy_document()), Description="Created again after the move")
    refer(world, "backend", arn)
    redeploy(world, "worker")


def _created_empty(world: World) -> None:
    """The secret was created again without a value, and both task definitions have its new ARN."""
    arn = _recreate(world, Description="Filled by the pipeline", Tags=[{"Key": "owner", "Value": "platform"}])
    for service in _BOTH:
        refer(world, service, arn, settle=False)
    world.settle()


def _other_deleted(world: World) -> None:
    """The worker reads its cache's password from another secret, which somebody scheduled for deletion."""
    arn = _second_secret(world)
    revise(world, "worker", lambda entries: [*entries, {"name": "REDIS_PASSWORD", "valueFrom": f"{arn}:password::"}])
    world.secretsmanager.delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    redeploy(world, "worker")


def _second_secret(world: World) -> str:
    """A secret of the worker's alone, which the execution role may read; its ARN."""
    text = json.dumps({"host": "cache.internal", "password": secrets.token_hex(24)})
    arn = world.secretsmanager.create_secret(Name="ohmycoins-staging-cache", SecretString=text)["ARN"]
    grant(world, secrets_policy(arn), "cache")
    return arn


def _abandoned_rotation(world: World) -> None:
    """A rotation left AWSPENDING; people wrote two versions by hand since, and deployed them."""
    text = json.dumps({**document(world), "POSTGRES_PASSWORD": secrets.token_hex(24)})
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text, VersionStages=["AWSPENDING"])
    for _ in range(2):
        change(world, SECRET_KEY=secrets.token_hex(32))
        redeploy(world)


def _failed_replica(world: World) -> None:
    """The other region has a secret of that name already, so that the replica could not be created."""
    other = World(world.endpoint, region="us-west-2").secretsmanager
    other.create_secret(Name=SECRET, SecretString=json.dumps(healthy_document()))
    _replicate(world, "us-west-2")


def _digits_exchanged(world: World) -> None:
    """One of the worker's three references has the account of another installation."""
    arn = secret_arn(world)
    there = arn.replace(f":{ACCOUNT}:", ":222233334444:")
    revise(
        world,
        "worker",
        lambda entries: [
            {**entry, "valueFrom": entry["valueFrom"].replace(arn, there)} if entry["name"] == "SECRET_KEY" else entry
            for entry in entries
        ],
    )


# Pairs.


def _organization_and_key(world: World) -> None:
    """The organization denies secrets outside Europe, and the secret's key is disabled."""
    key = make_key(world)
    encrypt(world, key)
    grant(world, may_decrypt(key), "kms")
    redeploy(world)
    world.kms.disable_key(KeyId=key)
    outside = {"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}, **alone(world, "ArnNotLike")}
    deny = policy(READ, effect="Deny", Resource="*", Condition=outside)
    # On AWS the account would be a member: its management account is beyond any service control policy.
    organizations = world.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    created = organizations.create_policy(
        Name="europe-only", Description="Secrets stay", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny)
    )
    organizations.attach_policy(PolicyId=created["Policy"]["PolicySummary"]["Id"], TargetId=root)
    redeploy(world)


def _two_roles(world: World) -> None:
    """A role for each service: one may read production's secret, the other is trusted to EC2."""
    production = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ohmycoins-production-app-secrets-??????"
    first = make_role(world, "ohmycoins-staging-backend-exec", secrets_policy(production))
    machine = policy("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
    second = make_role(world, "ohmycoins-staging-worker-exec", secrets_policy(), trust=machine)
    revise(world, "backend", role=first, settle=False)
    revise(world, "worker", role=second)


def _decommissioned(world: World) -> None:
    """A script of a clean-up took the secret and its key, both with a window."""
    key = make_key(world)
    encrypt(world, key)
    grant(world, may_decrypt(key), "kms")
    redeploy(world)
    world.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=30)
    world.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    redeploy(world, "worker")


def _guide_with_key(world: World) -> None:
    """The guide's statement narrowed to the secret's ARN without suffix, and a customer key under the secret."""
    encrypt(world, make_key(world))
    grant(world, policy(READ, "kms:Decrypt", Resource=BASE_ARN))
    redeploy(world)


def _second_factor_and_pin(world: World) -> None:
    """A guard meant for people denies whoever has no second factor; and the worker is pinned to the first version."""
    arn = secret_arn(world)
    first = world.secretsmanager.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")["VersionId"]
    change(world, OPENAI_API_KEY=f"sk-{secrets.token_hex(24)}")
    revise(
        world,
        "worker",
        lambda entries: [{**entry, "valueFrom": f"{arn}:{entry['name']}::{first}"} for entry in entries],
    )
    redeploy(world, "backend")
    single = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}, **alone(world, "ArnNotEquals")}
    share(world, policy("secretsmanager:*", effect="Deny", Principal={"AWS": "*"}, Resource="*", Condition=single))
    redeploy(world, "backend")


# Healthy worlds.


def _by_attributes(world: World) -> None:
    """Access by the tags of role and secret, two of them, one with a wildcard."""
    world.iam.tag_role(
        RoleName=EXECUTION_ROLE, Tags=[{"Key": "Env", "Value": "staging"}, {"Key": "team", "Value": "trading"}]
    )
    _tag(world, **{"Env": "staging", "cost-center": "trading-042"})
    same = {
        "StringEquals": {"aws:ResourceTag/Env": "${aws:PrincipalTag/Env}"},
        "StringLike": {"secretsmanager:ResourceTag/cost-center": "${aws:PrincipalTag/team}-*"},
    }
    grant(world, policy(READ, Resource="*", Condition=same))
    redeploy(world)


def _versions_of_policy(world: World) -> None:
    """A managed policy whose second version counts; the first lacks the secret, the third would deny it."""
    arn = _managed(world, "app-secrets", secrets_policy(f"{BASE_ARN}-old-??????"), path="/ohmycoins/")
    good = json.dumps(secrets_policy(f"{BASE_ARN}*"))
    world.iam.create_policy_version(PolicyArn=arn, PolicyDocument=good, SetAsDefault=True)
    bad = json.dumps(policy("*", effect="Deny", Resource="*"))
    world.iam.create_policy_version(PolicyArn=arn, PolicyDocument=bad, SetAsDefault=False)
    world.iam.attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=arn)
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
    others = policy("secretsmanager:*", effect="Deny", NotResource=[f"{BASE_ARN}-*"])
    grant(world, others, "nothing-else")
    redeploy(world)


def _role_with_path(world: World) -> None:
    """A role with a path, which the task definitions have, and a trust bound to this account's ECS."""
    arn = make_role(world, "exec", secrets_policy(), trust=_trust_within(ACCOUNT), path="/platform/ecs/")
    for service in _BOTH:
        revise(world, service, role=arn, settle=False)
    world.settle()


def _own_policy_alone(world: World) -> None:
    """No policy of the role mentions secrets: the secret's own allows the role."""
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)
    share(world, policy(READ, "secretsmanager:DescribeSecret", Principal={"AWS": ROLE}, Resource="*"))
    redeploy(world)


def _key_policy_alone(world: World) -> None:
    """The key's policy alone lets the role decrypt, through Secrets Manager of this region; no IAM policy counts."""
    via = {"StringEquals": {"kms:ViaService": VIA, "kms:CallerAccount": ACCOUNT}}
    key = make_key(world, may_decrypt("*", Principal={"AWS": [ROLE]}, Condition=via), delegate=False)
    encrypt(world, key)
    redeploy(world)


def _by_grant(world: World) -> None:
    """A grant lets the role decrypt what belongs to this secret."""
    arn = secret_arn(world)
    key = make_key(world)
    encrypt(world, key)
    world.kms.create_grant(
        KeyId=key,
        GranteePrincipal=ROLE,
        Operations=["Decrypt", "DescribeKey"],
        Constraints={"EncryptionContextSubset": {"SecretARN": arn}},
    )
    redeploy(world)


def _by_alias(world: World) -> None:
    """The secret and the role's policy name the key by its alias, within the secret's encryption context."""
    world.kms.create_alias(AliasName="alias/ohmycoins/staging", TargetKeyId=make_key(world))
    encrypt(world, "alias/ohmycoins/staging")
    conditions = {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/ohmycoins/staging"},
        "StringLike": {"kms:EncryptionContext:SecretARN": f"{BASE_ARN}-*"},
    }
    grant(world, may_decrypt(f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*", Condition=conditions), "kms")
    redeploy(world)


def _through_endpoint(world: World) -> str:
    """Private subnets: role and secret allow what comes through their endpoint, and people by name."""
    private = next(plan for plan in worlds.PLANS if plan.title == "private subnets behind endpoints alone")
    plan = replace(private, after=_bind_to_endpoint)
    worlds.build(lifecycle.at(world.endpoint), plan)
    return plan.toml


def _bind_to_endpoint(world: World, plan: worlds.Plan) -> None:
    by_service = [{"Name": "service-name", "Values": [f"com.amazonaws.{REGION}.secretsmanager"]}]
    endpoint = world.client("ec2").describe_vpc_endpoints(Filters=by_service)["VpcEndpoints"][0]["VpcEndpointId"]
    inside = {"StringEquals": {"aws:SourceVpce": endpoint}}
    grant(world, policy(READ, Resource=SECRET_PATTERN, Condition=inside), "secrets")
    outside = {"StringNotEquals": {"aws:SourceVpce": endpoint}, **alone(world, "ArnNotEquals")}
    share(world, policy(READ, effect="Deny", Principal="*", Resource="*", Condition=outside))
    redeploy(world)


def _labels(world: World) -> None:
    """A dozen versions, labels of the team's own on old ones, AWSPENDING beside AWSCURRENT after a good rotation."""
    versions = [change(world, SECRET_KEY=secrets.token_hex(32)) for _ in range(12)]
    move = world.secretsmanager.update_secret_version_stage
    move(SecretId=SECRET, VersionStage="before-migration", MoveToVersionId=versions[3])
    move(SecretId=SECRET, VersionStage="AWSPENDING", MoveToVersionId=versions[-1])
    redeploy(world)


def _wide_boundary(world: World) -> None:
    """A boundary of all but IAM within two regions, an action in other letters, and a denial of former versions."""
    boundary: Policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"},
            {
                "Effect": "Deny",
                "NotAction": ["sts:*", "iam:*"],
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:RequestedRegion": [REGION, "us-east-1"]}},
            },
        ],
    }
    arn = _managed(world, "regional-boundary", boundary)
    world.iam.put_role_permissions_boundary(RoleName=EXECUTION_ROLE, PermissionsBoundary=arn)
    allow = policy("SecretsManager:getsecret*", Resource=f"arn:*:secretsmanager:*:{ACCOUNT}:secret:ohmycoins-staging-*")
    previous = {"ForAnyValue:StringLike": {"secretsmanager:VersionStage": ["AWSPREVIOUS", "legacy-*"]}}
    allow["Statement"] += policy(READ, effect="Deny", Resource="*", Condition=previous)["Statement"]
    grant(world, allow)
    redeploy(world)


def _replicated(world: World) -> None:
    """Two replicas in sync, tags, a description; an unrelated secret of a like name in a third region."""
    _replicate(world, "us-east-1", "eu-west-1")
    _tag(world, owner="platform")
    other = World(world.endpoint, region="us-west-2").secretsmanager
    other.create_secret(Name=f"{SECRET}-load-test", SecretString="{}")


def _after_a_move(world: World) -> None:
    """Restored after a mistake; beside it a copy on its way out, its former key disabled, revisions that name both."""
    former, key = make_key(world), make_key(world)
    encrypt(world, former)
    encrypt(world, key)
    grant(world, may_decrypt(key), "kms")
    world.kms.disable_key(KeyId=former)
    arn = secret_arn(world)
    copy = world.secretsmanager.create_secret(Name=f"{SECRET}-old", SecretString=json.dumps(document(world)))["ARN"]
    grant(world, secrets_policy(f"{arn[:-6]}??????", copy))
    refer(world, "worker", copy)
    refer(world, "worker", arn)
    world.secretsmanager.delete_secret(SecretId=copy, RecoveryWindowInDays=7)
    world.secretsmanager.delete_secret(SecretId=SECRET, RecoveryWindowInDays=30)
    world.secretsmanager.restore_secret(SecretId=SECRET)
    redeploy(world)


def _for_tasks_alone(world: World) -> None:
    """Nobody but the execution role may read the secret, the person who looks included."""
    others = {"ArnNotEquals": {"aws:PrincipalArn": [ROLE]}}
    share(world, policy(READ, effect="Deny", Principal="*", Resource="*", Condition=others))
    redeploy(world)


def _fault(title: str, make: Callable[[World], str | None], check: str, *more: str, healthy: bool = True) -> Case:
    """A case with one cause, after which new tasks fail; `more` are other errors rightly named."""
    return Case(
        title=f"access: {title}", make=make, expected=(check,), consequences=(*FAILED, *more), starts_healthy=healthy
    )


def _pair(title: str, make: Callable[[World], str | None], *checks: str) -> Case:
    return Case(title=f"access pair: {title}", make=make, expected=checks, consequences=FAILED)


def _healthy(title: str, make: Callable[[World], str | None], starts_healthy: bool = True) -> Case:
    return Case(title=f"access healthy: {title}", make=make, starts_healthy=starts_healthy)


CASES: tuple[Case, ...] = (
    _fault("tags of role and secret differ in a letter's case", _tag_differs, "no-permission"),
    _fault("a guardrail denies by NotResource", _guardrail, "identity-deny"),
    _fault("a boundary of other regions", _other_regions_boundary, "boundary"),
    _fault("a trust policy for another account's ECS", _trusted_elsewhere, "role-untrusted"),
    _fault("the worker's role without its path", _path_left_out, "role-untrusted"),
    _fault("a role that may read AWSPENDING alone", _pending_alone, "no-permission"),
    # The policy has a suffix, of the secret before: no id says so, and no-permission is the closest.
    # The circuit breaker returns the backend to a revision with the former ARN, which is a fault of its own.
    Case(
        title="access: a policy with the former secret's whole ARN",
        make=_former_arn,
        expected=("no-permission", "suffix-stale"),
        consequences=(*FAILED, "not-forced"),
    ),
    _fault("a key policy for another region's Secrets Manager", _via_another_region, "kms-no-permission"),
    _fault("an encryption context without the suffix", _context_without_suffix, "kms-no-permission"),
    _fault("a disabled key by its alias", _alias_disabled, "kms-disabled"),
    _fault("a SecureString under a key beyond the role", _secure_parameter, "parameter-denied"),
    _fault("another project's key pending deletion", _renamed_pending, "kms-pending", healthy=False),
    _fault("a secret's policy with NotPrincipal", _all_but_admins, "resource-deny"),
    _fault("a secret for an endpoint that tasks do not use", _from_endpoint_alone, "resource-deny"),
    _fault("a secret created again, without the worker", _worker_left_behind, "suffix-stale", "not-forced"),
    _fault("created again without a value", _created_empty, "no-current-version", "not-forced", "suffix-stale"),
    # The worker's other secret still exists; no id is closer.
    _fault("another secret scheduled for deletion", _other_deleted, "other-secret-missing"),
    _fault("AWSPENDING left on an old version", _abandoned_rotation, "rotation-pending"),
    _fault("a replica that could not be created", _failed_replica, "replica-stale"),
    _fault("one reference to another account", _digits_exchanged, "wrong-account"),
    _pair("an organization's denial and a disabled key", _organization_and_key, "scp", "kms-disabled"),
    _pair("two roles, each with a fault", _two_roles, "no-permission", "role-untrusted"),
    _pair("secret and key scheduled for deletion", _decommissioned, "scheduled-deletion", "kms-pending"),
    _pair("no suffix, and a customer key", _guide_with_key, "pattern-suffix", "kms-useless-grant"),
    _pair("a second factor for tasks, and a pin", _second_factor_and_pin, "resource-deny", "version-pinned"),
    _healthy("tags of role and secret", _by_attributes),
    _healthy("a managed policy of three versions", _versions_of_policy),
    _healthy("a role with a path and a bound trust", _role_with_path),
    _healthy("the secret's policy alone allows", _own_policy_alone),
    _healthy("the key's policy alone allows", _key_policy_alone),
    _healthy("a grant of the key", _by_grant),
    _healthy("a key by its alias", _by_alias),
    _healthy("through an endpoint alone", _through_endpoint, starts_healthy=False),
    _healthy("many versions and labels", _labels),
    _healthy("a wide boundary", _wide_boundary),
    _healthy("two replicas", _replicated),
    _healthy("after a move", _after_a_move),
    _healthy("a secret for tasks alone", _for_tasks_alone),
)
