"""What a role may do with the secret and its key, by AWS's simulation where it decides, else by its policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from omc_runbook.aws import iam
from omc_runbook.aws.iam import Simulated
from omc_runbook.aws.kms import KmsKey
from omc_runbook.checks.stopped_tasks import stops_saying
from omc_runbook.iam.policy import PolicyDocument, Verdict, evaluate, evaluate_resource
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

Cause = Literal[
    "",
    "nothing-allows",
    "suffix",
    "identity-deny",
    "boundary",
    "organization",
    "resource-deny",
    "useless-grant",
    "key-policy",
    "unknown",
]

BY_SIMULATION = "SimulatePrincipalPolicy"
BY_POLICIES = "The role's policies, evaluated here"
_EVERYBODY = PolicyDocument(
    "a policy that allows all",
    "resource",
    {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}},
)
REFUSALS: dict[Cause, str] = {
    "organization": "scp",
    "resource-deny": "resource-deny",
    "identity-deny": "identity-deny",
    "boundary": "boundary",
    "nothing-allows": "no-permission",
}
"""The check whose message AWS's refusal has, by why a role may not read the secret."""


@dataclass(frozen=True)
class RoleAccess:
    """Why a role may not do something ("" where it may), by which source, and the deciding statements."""

    cause: Cause
    sentence: str
    statements: tuple[str, ...] = ()


def judge(snapshot: Snapshot, role_arn: str) -> RoleAccess:
    """Judge whether a role may read the secret."""
    assert snapshot.secret
    permissions, resource = snapshot.permissions[role_arn], snapshot.secret.arn
    context = {**_context(snapshot, role_arn), **_tags(snapshot)}
    granted = _grants_directly(snapshot, role_arn, context)
    simulated = permissions.simulation_of(GET_SECRET_VALUE, resource)
    if simulated and not simulated.missing_context:
        return _by_simulation(permissions, simulated, resource, context, granted)
    if permissions.policies is None:
        reason = " ".join(gap.sentence for gap in permissions.unread) or "Its policies could not be read."
        return RoleAccess("unknown", reason)
    return _by_policies(permissions, resource, context, granted)


def refused_access(snapshot: Snapshot, services: frozenset[str]) -> RoleAccess | None:
    """The access by AWS's refusal of a task, where nothing else decides; None without one."""
    for cause, check in REFUSALS.items():
        for stop in stops_saying(snapshot, check):
            if stop.service.name in services:
                return RoleAccess(cause, stop.sentence)
    return None


def judge_resource_policy(snapshot: Snapshot, role_arn: str) -> Verdict | None:
    """Whether the secret's own policies deny a role what others allow; None where the secret has no policy."""
    if not snapshot.resource_policies or not snapshot.secret:
        return None
    # Without an allow, an undecidable deny would change nothing and be ignored.
    return evaluate_resource(
        _EVERYBODY,
        _principals(role_arn),
        GET_SECRET_VALUE,
        snapshot.secret.arn,
        {**_context(snapshot, role_arn), **_tags(snapshot)},
        snapshot.resource_policies,
    )


def judge_key(snapshot: Snapshot, role_arn: str, key: KmsKey) -> RoleAccess:
    """Judge whether a role may decrypt with the secret's customer key."""
    permissions, context = snapshot.permissions[role_arn], _context(snapshot, role_arn)
    if key.policy:
        direct = evaluate_resource(key.policy, {role_arn}, DECRYPT, key.arn, context)
        if direct.decision in ("allowed", "unknown"):
            return RoleAccess("" if direct.decision == "allowed" else "unknown", direct.reason)
        # A role's own policies count for a key only where the key's policy lets the account's do so.
        delegated = evaluate_resource(key.policy, _principals(role_arn), DECRYPT, key.arn, context)
        if delegated.decision != "allowed":
            cause: Cause = "unknown" if delegated.decision == "unknown" else "key-policy"
            return RoleAccess(cause, f"GetKeyPolicy: {delegated.reason}.", delegated.statements)
    simulated = permissions.simulation_of(DECRYPT, key.arn)
    if simulated and not simulated.missing_context:
        allowed, source = simulated.decision == "allowed", BY_SIMULATION
    elif permissions.policies is not None:
        verdict = evaluate(permissions.policies, DECRYPT, key.arn, context, permissions.boundary)
        if verdict.decision == "unknown":
            return RoleAccess("unknown", f"{BY_POLICIES}: {verdict.reason}")
        allowed, source = verdict.decision == "allowed", BY_POLICIES
    else:
        return RoleAccess("unknown", " ".join(gap.sentence for gap in permissions.unread))
    if allowed:
        return RoleAccess("", f"{source}: allowed.")
    name = iam.role_name(role_arn)
    if (
        snapshot.secret
        and permissions.policies
        and evaluate(permissions.policies, DECRYPT, snapshot.secret.arn).decision == "allowed"
    ):
        sentence = f"{source}: {name} is granted {DECRYPT} on the secret's ARN, not on {key.arn}, which encrypts it."
        return RoleAccess("useless-grant", sentence)
    return RoleAccess("nothing-allows", f"{source}: {name} is not granted {DECRYPT} on {key.arn}.")


def _by_simulation(
    permissions: Permissions, simulated: Simulated, resource: str, context: Mapping[str, str], granted: bool
) -> RoleAccess:
    what = f"{BY_SIMULATION}: {simulated.decision} for {GET_SECRET_VALUE} on {resource}"
    if simulated.decision == "allowed":
        return RoleAccess("", f"{what}.")
    if simulated.allowed_by_organization is False:
        return RoleAccess("organization", f"{what}; AllowedByOrganizations is false.", simulated.statements)
    if (
        simulated.decision == "explicitDeny"
        and simulated.allowed_by_boundary is False
        and not _denies(permissions, resource, context)
    ):
        return RoleAccess("boundary", f"{what}, by {_list(simulated.statements)}.", simulated.statements)
    if simulated.decision == "explicitDeny":
        return RoleAccess("identity-deny", f"{what}, by {_list(simulated.statements)}.", simulated.statements)
    if simulated.allowed_by_boundary is False and (
        permissions.policies is None or _allows(permissions.policies, resource, context)
    ):
        return RoleAccess("boundary", f"{what}; AllowedByPermissionsBoundary is false.")
    if granted:
        return RoleAccess("", f"{what}, but the secret's own policy allows it.")
    base = permissions.simulation_of(GET_SECRET_VALUE, resource.rpartition("-")[0])
    # A policy that allows any other name as well is not a missing suffix.
    if base and base.decision == "allowed" and not _allows(permissions.policies, f"{resource}x", context):
        return RoleAccess("suffix", f"{what}, and allowed for the ARN without its last six characters.")
    return RoleAccess("nothing-allows", f"{what}.")


def _by_policies(permissions: Permissions, resource: str, context: Mapping[str, str], granted: bool) -> RoleAccess:
    assert permissions.policies is not None
    verdict = evaluate(permissions.policies, GET_SECRET_VALUE, resource, context, permissions.boundary)
    what = f"{BY_POLICIES}: {verdict.reason}"
    if verdict.decision == "unknown":
        return RoleAccess("unknown", what)
    if verdict.decision == "allowed":
        return RoleAccess("", what)
    if verdict.decision == "explicit-deny":
        by_identity = evaluate(permissions.policies, GET_SECRET_VALUE, resource, context).decision == "explicit-deny"
        return RoleAccess("identity-deny" if by_identity else "boundary", what, verdict.statements)
    if _allows(permissions.policies, resource, context):
        return RoleAccess("boundary", what)
    if granted:
        return RoleAccess("", f"{what}, but the secret's own policy allows it.")
    if _allows(permissions.policies, resource.rpartition("-")[0], context) and not _allows(
        permissions.policies, f"{resource}x", context
    ):
        return RoleAccess("suffix", f"{what}, but the ARN without its last six characters is allowed.")
    return RoleAccess("nothing-allows", what)


def _grants_directly(snapshot: Snapshot, role_arn: str, context: Mapping[str, str]) -> bool:
    """Whether the secret's own policy names the role; one that names the account leaves it to the role's policies."""
    if not snapshot.resource_policies or not snapshot.secret:
        return False
    direct, (first, *others) = (
        _principals(role_arn) - {role_arn.split(":")[4], _root(role_arn)},
        snapshot.resource_policies,
    )
    verdict = evaluate_resource(first, direct, GET_SECRET_VALUE, snapshot.secret.arn, context, others)
    return verdict.decision == "allowed"


def _allows(policies: Sequence[PolicyDocument] | None, resource: str, context: Mapping[str, str]) -> bool:
    return evaluate(policies or (), GET_SECRET_VALUE, resource, context).decision == "allowed"


def _denies(permissions: Permissions, resource: str, context: Mapping[str, str]) -> bool:
    """Whether the role's own policies alone deny it; true where they could not be read."""
    return permissions.policies is None or (
        evaluate(permissions.policies, GET_SECRET_VALUE, resource, context).decision == "explicit-deny"
    )


def _principals(role_arn: str) -> frozenset[str]:
    """The principals by which a resource policy can name a task's session of a role."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    name = iam.role_name(role_arn)
    return frozenset(
        {
            role_arn,
            account,
            _root(role_arn),
            f"arn:{partition}:sts::{account}:assumed-role/{name}/task",
        }
    )


def _root(role_arn: str) -> str:
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    return f"arn:{partition}:iam::{account}:root"


def _context(snapshot: Snapshot, role_arn: str) -> dict[str, str]:
    """The condition keys whose values are known of a task's call."""
    secret = snapshot.secret
    return {
        "aws:PrincipalArn": role_arn,
        "aws:PrincipalAccount": role_arn.split(":")[4],
        "aws:PrincipalType": "AssumedRole",
        "aws:PrincipalIsAWSService": "false",
        "aws:ViaAWSService": "false",
        "aws:SecureTransport": "true",
        "aws:RequestedRegion": snapshot.environment.names.region,
        "aws:ResourceAccount": secret.arn.split(":")[4] if secret else "",
        "aws:CurrentTime": f"{snapshot.taken:%Y-%m-%dT%H:%M:%SZ}",
        "secretsmanager:SecretId": secret.arn if secret else "",
        "secretsmanager:VersionStage": "AWSCURRENT",
        "kms:CallerAccount": role_arn.split(":")[4],
        "kms:EncryptionContext:SecretARN": secret.arn if secret else "",
        "kms:ViaService": f"secretsmanager.{snapshot.environment.names.region}.amazonaws.com",
    }


def _tags(snapshot: Snapshot) -> dict[str, str]:
    """The secret's own tags as condition keys."""
    tags = snapshot.secret.tags if snapshot.secret else {}
    kinds = ("aws:ResourceTag", "secretsmanager:ResourceTag")
    return {f"{kind}/{name}": value for kind in kinds for name, value in tags.items()}


def _list(names: Sequence[str]) -> str:
    return ", ".join(name for name in names if name) or "a statement that AWS does not name"
