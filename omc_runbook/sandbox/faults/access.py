"""Faults of access to the secret; each redeploys the services that use it."""

from __future__ import annotations

import json
from collections.abc import Callable

from omc_runbook.sandbox.account import ACCOUNT
from omc_runbook.sandbox.faults.change import (
    KMS_POLICY,
    document,
    encrypt,
    encrypt_and_grant,
    grant,
    redeploy,
    refer,
    revise,
)
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT, deny_in_organization, secrets_of_other_account
from omc_runbook.sandbox.worlds.roles import policy, secrets_policy
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET, SECRET_PATTERN, SECRETS_POLICY, STAGING, World

READ = "secretsmanager:GetSecretValue"
BOUNDARY = f"{STAGING}-boundary"


def _fault(fault_id: str, breaks: str, change: Callable[[World], object]) -> Fault:
    def apply(world: World) -> None:
        change(world)
        redeploy(world)

    return Fault("access", fault_id, breaks, apply)


def _trust_ec2(world: World) -> None:
    trust = policy("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
    world.iam.update_assume_role_policy(RoleName=EXECUTION_ROLE, PolicyDocument=json.dumps(trust))


def _revoke(world: World) -> None:
    world.iam.delete_role_policy(RoleName=EXECUTION_ROLE, PolicyName=SECRETS_POLICY)


def _drop_suffix(world: World) -> None:
    grant(world, secrets_policy(SECRET_PATTERN.removesuffix("-??????")))


def _deny(world: World) -> None:
    grant(world, policy(READ, effect="Deny", Resource="*"), f"{EXECUTION_ROLE}-deny")


def _set_boundary(world: World) -> None:
    boundary = json.dumps(policy("logs:*", "ecr:*", Resource="*"))
    arn = world.iam.create_policy(PolicyName=BOUNDARY, PolicyDocument=boundary)["Policy"]["Arn"]
    world.iam.put_role_permissions_boundary(RoleName=EXECUTION_ROLE, PermissionsBoundary=arn)


def _deny_on_secret(world: World) -> None:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"}
    denial = policy(READ, effect="Deny", Principal=principal, Resource="*")
    world.secretsmanager.put_resource_policy(SecretId=SECRET, ResourcePolicy=json.dumps(denial))


def _throttle(world: World) -> None:
    rule = {"action": READ, "error": "ThrottlingException", "principal": f"assumed-role/{EXECUTION_ROLE}/"}
    world.control("POST", "wire", rule)


def _disable_key(world: World) -> None:
    world.kms.disable_key(KeyId=encrypt_and_grant(world)["KeyId"])


def _delete_key(world: World) -> None:
    world.kms.schedule_key_deletion(KeyId=encrypt_and_grant(world)["KeyId"], PendingWindowInDays=7)


def _grant_on_secret(world: World) -> None:
    encrypt(world)
    grant(world, policy("kms:Decrypt", Resource=SECRET_PATTERN), KMS_POLICY)


def _share_managed_key(world: World) -> None:
    secretsmanager = secrets_of_other_account(world)
    arn = secretsmanager.create_secret(Name=SECRET, SecretString=json.dumps(document(world)))["ARN"]
    share = policy(
        READ, "secretsmanager:DescribeSecret", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Resource="*"
    )
    secretsmanager.put_resource_policy(SecretId=arn, ResourcePolicy=json.dumps(share))
    grant(world, secrets_policy(SECRET_PATTERN, SECRET_PATTERN.replace(ACCOUNT, OTHER_ACCOUNT)))
    refer(world, "worker", "SECRET_KEY", lambda _: f"{arn}:SECRET_KEY::")


FAULTS = (
    Fault(
        "access",
        "role-absent",
        "The worker's task definition names no execution role.",
        lambda world: revise(world, "worker", lambda container: None, execution_role=""),
    ),
    _fault("role-untrusted", "The execution role trusts EC2 and not ECS tasks.", _trust_ec2),
    _fault("no-permission", "The execution role may not read the secret.", _revoke),
    _fault("pattern-suffix", "The role's policy names the secret without its suffix.", _drop_suffix),
    _fault("identity-deny", "A policy of the execution role denies reading secrets.", _deny),
    _fault("boundary", "The execution role's permissions boundary does not allow reading secrets.", _set_boundary),
    _fault("scp", "A service control policy denies reading secrets.", deny_in_organization),
    _fault("resource-deny", "The secret's resource policy denies the execution role.", _deny_on_secret),
    _fault("kms-disabled", "The customer key that encrypts the secret is disabled.", _disable_key),
    _fault("kms-pending", "The secret's customer key is pending deletion.", _delete_key),
    _fault("kms-no-permission", "The role may not decrypt with the secret's customer key.", encrypt),
    _fault("kms-useless-grant", "kms:Decrypt is granted on the secret, not on its key.", _grant_on_secret),
    Fault(
        "access",
        "kms-cross-account",
        f"The worker's secret is account {OTHER_ACCOUNT}'s, under that account's AWS managed key.",
        _share_managed_key,
    ),
    _fault("throttled", "Secrets Manager throttles the tasks' reads.", _throttle),
)
