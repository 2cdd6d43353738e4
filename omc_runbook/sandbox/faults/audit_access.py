"""Faults that only an audit sees: who may read the secret, change it, or run tasks with its role."""

from __future__ import annotations

import json
from collections.abc import Callable

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.faults.change import encrypt_and_grant, grant
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT
from omc_runbook.sandbox.worlds.roles import Policy, policy, secrets_policy, task_policy
from omc_runbook.sandbox.worlds.staging import SECRET, SECRET_PATTERN, STAGING, TASK_ROLE, World

READ = "secretsmanager:GetSecretValue"
PERSON = f"{STAGING}-developer"
REPORTS, DEPLOYMENTS = f"{STAGING}-reports", f"{STAGING}-contractors"
POLICY = "secrets"
STRANGER = f"arn:aws:iam::{OTHER_ACCOUNT}:root"
CODE_HOST = "token.actions.githubusercontent.com"
SYMPTOM = "The application runs well. An audit is due: somebody may do more with the secret than they should."


def _fault(fault_id: str, breaks: str, change: Callable[[World], object]) -> Fault:
    return Fault("audit", fault_id, breaks, change, SYMPTOM)


def remove(world: World) -> None:
    """Remove the user and the roles that these faults create, also where a remedy has taken their policies."""
    iam = world.iam
    _delete(iam.delete_user_policy, UserName=PERSON, PolicyName=POLICY)
    _delete(iam.delete_user, UserName=PERSON)
    for role in (REPORTS, DEPLOYMENTS):
        _delete(iam.delete_role_policy, RoleName=role, PolicyName=POLICY)
        _delete(iam.delete_role, RoleName=role)


@on_error("NoSuchEntity", gives=None)
def _delete(call: Callable[..., object], **names: str) -> None:
    call(**names)


def _widen(world: World) -> None:
    everything = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*"
    grant(world, policy(READ, "kms:Decrypt", Resource=everything))


def _open(world: World) -> None:
    _put_policy(world, policy(READ, Principal="*", Resource="*"))


def _share(world: World) -> None:
    _put_policy(world, policy(READ, Principal={"AWS": STRANGER}, Resource="*"))


def _put_policy(world: World, document: Policy) -> None:
    world.secretsmanager.put_resource_policy(SecretId=SECRET, ResourcePolicy=json.dumps(document))


def _let_person_read(world: World) -> None:
    world.iam.create_user(UserName=PERSON)
    document = json.dumps(secrets_policy())
    world.iam.put_user_policy(UserName=PERSON, PolicyName=POLICY, PolicyDocument=document)


def _forget_role(world: World) -> None:
    _make_role(world, REPORTS, {"Service": "lambda.amazonaws.com"}, secrets_policy())
    world.control("POST", "role", {"role": REPORTS, "days": 200})


def _let_tasks_write(world: World) -> None:
    document = task_policy()
    document["Statement"] += policy("secretsmanager:PutSecretValue", Resource=SECRET_PATTERN)["Statement"]
    world.iam.put_role_policy(RoleName=TASK_ROLE, PolicyName=POLICY, PolicyDocument=json.dumps(document))


def _let_pass(world: World) -> None:
    document = policy("iam:PassRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/{STAGING}-*")
    document["Statement"] += policy("ecs:RegisterTaskDefinition", "ecs:RunTask", Resource="*")["Statement"]
    _make_role(world, DEPLOYMENTS, {"AWS": STRANGER}, document)


def _let_enter(world: World) -> None:
    document = policy("ecs:ExecuteCommand", "ecs:DescribeTasks", Resource=f"arn:aws:ecs:{REGION}:{ACCOUNT}:*")
    _make_role(world, DEPLOYMENTS, {"AWS": STRANGER}, document)


def _trust_code_host(world: World) -> None:
    provider = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{CODE_HOST}"}
    trust = policy("sts:AssumeRoleWithWebIdentity", Principal=provider)
    trust["Statement"][0]["Condition"] = {"StringEquals": {f"{CODE_HOST}:aud": "sts.amazonaws.com"}}
    world.iam.create_role(RoleName=REPORTS, AssumeRolePolicyDocument=json.dumps(trust))
    world.iam.put_role_policy(RoleName=REPORTS, PolicyName=POLICY, PolicyDocument=json.dumps(secrets_policy()))


def _let_change_trust(world: World) -> None:
    document = policy("iam:UpdateAssumeRolePolicy", Resource=f"arn:aws:iam::{ACCOUNT}:role/{STAGING}-*")
    _make_role(world, DEPLOYMENTS, {"AWS": STRANGER}, document)


def _make_role(world: World, name: str, principal: object, document: Policy) -> None:
    trust = json.dumps(policy("sts:AssumeRole", Principal=principal))
    world.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    world.iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(document))


def _grant_to_stranger(world: World) -> None:
    """Put the secret under a customer key that the tasks may use, and a stranger too."""
    metadata = encrypt_and_grant(world)
    world.kms.enable_key_rotation(KeyId=metadata["KeyId"])
    key = metadata["Arn"]
    tasks = task_policy()
    tasks["Statement"] += policy("kms:Decrypt", Resource=key)["Statement"]
    world.iam.put_role_policy(RoleName=TASK_ROLE, PolicyName=POLICY, PolicyDocument=json.dumps(tasks))
    world.kms.create_grant(KeyId=key, GranteePrincipal=STRANGER, Operations=["Decrypt"])


FAULTS = (
    _fault("wildcard-secret", "The execution role may read every secret, as the guide has it.", _widen),
    _fault("readable-by-all", "The secret's own policy lets everybody read it.", _open),
    _fault("other-account-reads", "The secret's own policy lets another account read it.", _share),
    _fault("human-may-read", "A developer's user may read the secret.", _let_person_read),
    _fault("unused-reader", "A role has been allowed to read the secret for 200 days, and never has.", _forget_role),
    _fault("can-write-secret", "The tasks' own role may write the secret.", _let_tasks_write),
    _fault("can-pass-role", "Contractors may run tasks of their own with the execution role.", _let_pass),
    _fault("can-enter-task", "Contractors may begin a session in every task, by ECS Exec.", _let_enter),
    _fault("grant-to-stranger", "A grant lets another account use the key of the secret.", _grant_to_stranger),
    _fault(
        "federated-any-subject",
        "Any repository of a code host may assume a role that reads the secret.",
        _trust_code_host,
    ),
    _fault("can-become-reader", "Contractors may change the trust policy of the execution role.", _let_change_trust),
)
