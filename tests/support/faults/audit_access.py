"""Faults of who may read the secret, each made in a healthy snapshot that an audit read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Scene, Shown
from support.snapshots import ACCOUNT, ARN, NAME, NOW, REGION, ROLE, ROLE_NAME, healthy

from omc_runbook.aws.iam import LastAccess
from omc_runbook.aws.kms import KmsGrant, KmsKey
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity
from omc_runbook.sandbox.faults.organization import OTHER_ACCOUNT
from omc_runbook.sandbox.worlds import staging
from omc_runbook.snapshot.audit.state import Audit, Identities
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

OTHER = "210987654321"
STRANGER = f"arn:aws:iam::{OTHER}:root"
TASK_ROLE = f"arn:aws:iam::{ACCOUNT}:role/ohmycoins-staging-ecs-task-role"
PATTERN = f"{ARN.rpartition('-')[0]}-??????"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d-0000-1111-2222-333344445555"
OLD = NOW - timedelta(days=400)
CODE_HOST = "token.actions.githubusercontent.com"
ECS_TASKS = {"Service": "ecs-tasks.amazonaws.com"}


def policy(name: str, *statements: Mapping[str, Any], kind: Any = "inline", origin: str = "") -> PolicyDocument:
    """A policy of these statements, each an Allow unless it says otherwise."""
    body = [{"Effect": "Allow", **statement} for statement in statements]
    return PolicyDocument(name, kind, {"Version": "2012-10-17", "Statement": body}, origin)


def allowing(actions: Any, resource: Any = PATTERN, **more: Any) -> dict[str, Any]:
    """A statement that allows actions on a resource, by default on the secret."""
    return {"Action": actions, "Resource": resource, **more}


READS = policy("reads", allowing(GET_SECRET_VALUE))
EVERYTHING = policy("everything", allowing("*", "*"))


def role(name: str, *policies: PolicyDocument, trusts: Any = None, **more: Any) -> Identity:
    """A role that is old enough to be used; services may assume it unless `trusts` names others."""
    trust = policy(
        f"trust policy of {name}", {"Action": "sts:AssumeRole", "Principal": trusts or ECS_TASKS}, kind="trust"
    )
    path = more.pop("path", "")
    arn = f"arn:aws:iam::{ACCOUNT}:role/{path}{name}"
    id = f"AROA{name.upper().replace('-', '')}"
    return Identity(arn=arn, kind="role", id=id, created=OLD, policies=policies, trust=trust, **more)


def user(name: str, *policies: PolicyDocument, **more: Any) -> Identity:
    """An old user."""
    return Identity(
        arn=f"arn:aws:iam::{ACCOUNT}:user/{name}", kind="user", id=f"AIDA{name}", created=OLD, policies=policies, **more
    )


def execution_role(*policies: PolicyDocument) -> Identity:
    """The tasks' execution role, by default with a policy for the secret alone."""
    return role(ROLE_NAME, *(policies or (READS,)))


def audited(snapshot: Snapshot | None = None, *others: Identity, **changes: Any) -> Snapshot:
    """A snapshot that an audit read: the tasks' two roles, and others; `changes` are those of the identities' part.

    Everybody used GetSecretValue yesterday.
    """
    base = snapshot or healthy()
    task_role = role(TASK_ROLE.rpartition("/")[2], policy("channels", allowing("ssmmessages:*", "*")))
    own = changes.pop("own", (execution_role(), task_role))
    identities = (*own, *others)
    used = {each.arn: last_access(NOW - timedelta(days=1)) for each in identities}
    accesses = {**used, **changes.pop("last_accesses", {})}
    found = Identities(identities=identities, last_accesses=accesses, **{"organization": "", **changes})
    return replace(base, audit=Audit(days=90, identities=found))


def federated(name: str, condition: Any = None, issuer: str = CODE_HOST, saml: bool = False) -> Identity:
    """A role that reads the secret, for sessions that an identity provider's token begins."""
    kind, action = ("saml", "SAML") if saml else ("oidc", "WebIdentity")
    statement = {
        "Action": f"sts:AssumeRoleWith{action}",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:{kind}-provider/{issuer}"},
        **({"Condition": condition} if condition else {}),
    }
    return replace(role(name, READS), trust=policy(f"trust policy of {name}", statement, kind="trust"))


def last_access(moment: datetime | None) -> LastAccess:
    """A report that says when GetSecretValue was last tried."""
    return LastAccess(moment, {"GetSecretValue": moment})


def own_policy(snapshot: Snapshot, principal: Any, **more: Any) -> Snapshot:
    """Give the secret a policy of its own that lets a principal read it."""
    document = policy(
        "the secret's resource policy", allowing(GET_SECRET_VALUE, "*", Principal=principal, **more), kind="resource"
    )
    return replace(snapshot, resource_policy=document)


def under_key(*grants: KmsGrant, delegates: bool = True) -> KmsKey:
    """A customer managed key with the policy that KMS gives it, and these grants."""
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statements = [allowing("kms:*", "*", Principal=root)] if delegates else []
    document = policy("the key's policy", *statements, kind="resource")
    return KmsKey(
        arn=KEY, state="Enabled", manager="CUSTOMER", deletion=None, policy=document, tags={}, aliases=(), grants=grants
    )


def with_exec(snapshot: Snapshot) -> Snapshot:
    """Enable ECS Exec for the services of a snapshot."""
    return replace(snapshot, services=tuple(replace(each, execute=True) for each in snapshot.services))


GUIDES = policy(
    "guide",
    allowing([GET_SECRET_VALUE, DECRYPT], f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*"),
)
RUNS_TASKS = policy(
    "deploys",
    allowing("iam:PassRole", ROLE),
    allowing(["ecs:RegisterTaskDefinition", "ecs:RunTask"], "*"),
)
ENTERS_TASKS = policy("enters", allowing("ecs:ExecuteCommand", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/*"))
SELF_GRANT = policy("grants", allowing("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/contractors"))
FAULTS = {
    "wildcard-secret": Fault(lambda s: audited(s, own=(execution_role(GUIDES),)), ROLE_NAME, "guide statement 1"),
    "readable-by-all": Fault(lambda s: audited(own_policy(s, "*")), NAME, "to everybody"),
    "other-account-reads": Fault(
        lambda s: audited(own_policy(s, {"AWS": STRANGER})), STRANGER, "allows secretsmanager:GetSecretValue", ""
    ),
    "human-may-read": Fault(
        lambda s: audited(s, user("alice", READS)), "alice", "alice is a user, and may read it by reads", ""
    ),
    "unused-reader": Fault(
        lambda s: audited(
            s, role("reports", READS), last_accesses={role("reports").arn: last_access(NOW - timedelta(days=91))}
        ),
        "reports",
        "last tried GetSecretValue on 2025-11-30",
        "",
    ),
    "can-write-secret": Fault(
        lambda s: audited(s, own=(execution_role(READS, policy("w", allowing("secretsmanager:PutSecretValue"))),)),
        ROLE_NAME,
        "may call secretsmanager:PutSecretValue by w statement 1",
    ),
    "can-pass-role": Fault(
        lambda s: audited(s, role("contractors", RUNS_TASKS, trusts={"AWS": STRANGER})),
        "contractors",
        "may call iam:PassRole and ecs:RunTask",
        "",
    ),
    "can-enter-task": Fault(
        lambda s: audited(with_exec(s), role("contractors", ENTERS_TASKS, trusts={"AWS": STRANGER})),
        "contractors",
        "contractors may call ecs:ExecuteCommand by enters statement 1",
    ),
    "grant-to-stranger": Fault(
        lambda s: audited(
            s,
            own=(execution_role(READS, policy("key", allowing(DECRYPT, KEY))),),
            key=under_key(KmsGrant(STRANGER, frozenset({"Decrypt"}), id="1f")),
        ),
        STRANGER,
        "ListGrants: grant 1f",
        "",
    ),
    "federated-any-subject": Fault(
        lambda s: audited(s, federated("pipeline", {"StringEquals": {f"{CODE_HOST}:aud": "sts.amazonaws.com"}})),
        "pipeline",
        f"without a Condition on {CODE_HOST}:sub",
        "",
    ),
    "can-become-reader": Fault(
        lambda s: audited(s, role("contractors", SELF_GRANT, trusts={"AWS": STRANGER})),
        "contractors",
        "contractors may call iam:PutRolePolicy by grants statement 1",
        "",
    ),
}

CONTRACTORS = f"{staging.STAGING}-contractors"


def names_action(scene: Scene, role_name: str, action: str) -> bool:
    """Whether a role's inline policies name an action."""
    return action in json.dumps(scene.identity("Role", role_name)["RolePolicyList"])


SHOWN: Shown = {
    "wildcard-secret": lambda s: s.policy()["Resource"].endswith(":secret:*") and s.whole(),
    "readable-by-all": lambda s: s.own_policy()["Principal"] == "*",
    "other-account-reads": lambda s: s.own_policy()["Principal"]["AWS"].startswith(f"arn:aws:iam::{OTHER_ACCOUNT}:"),
    "human-may-read": lambda s: s.identity("User", f"{staging.STAGING}-developer")["UserPolicyList"] != [],
    "unused-reader": lambda s: (
        s.identity("Role", f"{staging.STAGING}-reports")["CreateDate"] < s.since - timedelta(days=199)
    ),
    "can-write-secret": lambda s: names_action(s, staging.TASK_ROLE, "secretsmanager:PutSecretValue"),
    "can-pass-role": lambda s: names_action(s, CONTRACTORS, "iam:PassRole"),
    "can-enter-task": lambda s: (
        names_action(s, CONTRACTORS, "ecs:ExecuteCommand")
        and all(service["enableExecuteCommand"] for service in s.services().values())
    ),
    "grant-to-stranger": lambda s: (
        [
            OTHER_ACCOUNT in grant["GranteePrincipal"]
            for grant in s.world.kms.list_grants(KeyId=s.secret()["KmsKeyId"])["Grants"]
        ]
        == [True]
    ),
    "federated-any-subject": lambda s: (
        "oidc-provider" in json.dumps(s.identity("Role", f"{staging.STAGING}-reports")["AssumeRolePolicyDocument"])
    ),
    "can-become-reader": lambda s: names_action(s, CONTRACTORS, "iam:UpdateAssumeRolePolicy"),
}
