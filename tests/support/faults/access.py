"""Faults of the family access, each made in a healthy snapshot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import (
    ACCOUNT,
    ARN,
    NAME,
    NOW,
    REGION,
    ROLE,
    ROLE_NAME,
    policy,
    simulated,
    simulation,
    stuck,
    with_definition,
    with_permissions,
    with_secret,
)

from omc_runbook.aws.kms import KmsKey
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.sandbox.worlds import staging
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11112222-3333-4444-5555-666677778888"
GUIDE = policy(action=[GET_SECRET_VALUE, DECRYPT], resource=f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*")
DELEGATES = policy(action="kms:*", kind="resource", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
SCP_STOP = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
    "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret "
    f"{ARN} from secrets manager: api error AccessDeniedException: not authorized with an explicit deny in a "
    "service control policy"
)
THROTTLED_STOP = SCP_STOP.partition("api error")[0] + "api error ThrottlingException: Rate exceeded"


def role(permissions: Permissions) -> Callable[[Snapshot], Snapshot]:
    """Let the execution role have these permissions."""
    return lambda snapshot: with_permissions(snapshot, permissions)


def trusting(trust: dict[str, Any]) -> Permissions:
    """A role with another trust policy."""
    allowed = simulated("allowed")
    assert allowed.role
    return replace(allowed, role=replace(allowed.role, trust=PolicyDocument("trust policy", "trust", trust)))


def trust_of(principal: dict[str, str]) -> dict[str, Any]:
    """A trust policy of one principal."""
    return {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]}


def own_policy(*statements: dict[str, Any]) -> Callable[[Snapshot], Snapshot]:
    """Attach a policy to the secret."""
    document = PolicyDocument("the secret's resource policy", "resource", {"Statement": list(statements)})
    return lambda snapshot: replace(snapshot, resource_policy=document)


def statement(effect: str, principal: str) -> dict[str, Any]:
    """A statement of the secret's own policy."""
    return {"Effect": effect, "Action": GET_SECRET_VALUE, "Principal": {"AWS": principal}, "Resource": "*"}


def under_key(state: str = "Enabled", key_policy: PolicyDocument | None = DELEGATES) -> Callable[[Snapshot], Snapshot]:
    """Put the secret under a customer key."""

    def change(snapshot: Snapshot) -> Snapshot:
        deletion = NOW + timedelta(days=7) if state == "PendingDeletion" else None
        key = KmsKey(arn=KEY, state=state, manager="CUSTOMER", deletion=deletion, policy=key_policy)
        return replace(with_secret(snapshot, kms_key_id=KEY), kms_key=key)

    return change


def keyed(permissions: Permissions, key_policy: PolicyDocument = DELEGATES) -> Callable[[Snapshot], Snapshot]:
    """Put the secret under a customer key, and let the role have these permissions."""
    return lambda snapshot: with_permissions(under_key(key_policy=key_policy)(snapshot), permissions)


def decrypting(decision: str, *policies: PolicyDocument) -> Permissions:
    """A role that may read the secret, and of which AWS said this of the key."""
    allowed = simulated("allowed", policies=policies)
    return replace(allowed, simulated=(*allowed.simulated, simulation(DECRYPT, KEY, decision)))


def no_role(snapshot: Snapshot) -> Snapshot:
    """Take the execution role out of the worker's task definition."""
    return with_definition(snapshot, "worker", lambda old: replace(old, execution_role_arn=""))


FAULTS = {
    "role-absent": Fault(no_role, "ohmycoins-staging-worker:7", "no executionRoleArn", "worker"),
    "role-untrusted": Fault(role(trusting(trust_of({"Service": "ec2.amazonaws.com"}))), ROLE_NAME, "does not let"),
    "no-permission": Fault(role(simulated("implicitDeny")), ROLE_NAME, "SimulatePrincipalPolicy: implicitDeny"),
    "pattern-suffix": Fault(
        role(simulated("implicitDeny", base="allowed")), ROLE_NAME, "without its last six characters"
    ),
    "identity-deny": Fault(role(simulated("explicitDeny", ("deny-secrets",))), ROLE_NAME, "by deny-secrets"),
    "boundary": Fault(
        role(simulated("implicitDeny", boundary=False, policies=(GUIDE,))), ROLE_NAME, "AllowedByPermissionsBoundary"
    ),
    "scp": Fault(role(simulated("explicitDeny", organization=False)), ROLE_NAME, "AllowedByOrganizations is false"),
    "resource-deny": Fault(own_policy(statement("Deny", ROLE)), NAME, f"denies {ROLE_NAME}"),
    "kms-disabled": Fault(under_key("Disabled"), KEY, "KeyState Disabled"),
    "kms-pending": Fault(under_key("PendingDeletion"), KEY, "until 2026-03-08"),
    "kms-missing": Fault(lambda s: with_secret(s, kms_key_id=KEY), KEY, "there is no key"),
    "kms-useless-grant": Fault(keyed(decrypting("implicitDeny", GUIDE)), ROLE_NAME, "on the secret's ARN, not on"),
    "kms-no-permission": Fault(keyed(decrypting("implicitDeny", policy())), ROLE_NAME, f"not granted {DECRYPT}"),
    "throttled": Fault(lambda s: stuck(s, "worker", THROTTLED_STOP), NAME, "ThrottlingException", "worker"),
}

SHOWN: Shown = {
    "role-absent": lambda s: "executionRoleArn" not in s.definition("worker") and "execution role" in s.reasons(),
    "role-untrusted": lambda s: (
        "ec2.amazonaws.com"
        in str(s.world.iam.get_role(RoleName=staging.EXECUTION_ROLE)["Role"]["AssumeRolePolicyDocument"])
        and s.refused("ECS was unable to assume the role")
    ),
    "no-permission": lambda s: (
        staging.SECRETS_POLICY not in s.world.iam.list_role_policies(RoleName=staging.EXECUTION_ROLE)["PolicyNames"]
        and s.refused("no identity-based policy allows")
    ),
    "pattern-suffix": lambda s: (
        s.policy()["Resource"][0].endswith(f":{staging.SECRET}") and s.refused("no identity-based policy allows")
    ),
    "identity-deny": lambda s: s.refused("explicit deny in an identity-based policy"),
    "boundary": lambda s: s.refused("no permissions boundary allows"),
    "scp": lambda s: s.refused("explicit deny in a service control policy"),
    "resource-deny": lambda s: (
        "Deny" in s.world.secretsmanager.get_resource_policy(SecretId=staging.SECRET)["ResourcePolicy"]
        and s.refused("explicit deny in a resource-based policy")
    ),
    "kms-disabled": lambda s: s.key_state() == "Disabled" and s.refused("DecryptionFailure"),
    "kms-pending": lambda s: s.key_state() == "PendingDeletion" and s.refused("DecryptionFailure"),
    "kms-no-permission": lambda s: s.key_state() == "Enabled" and s.refused("Access to KMS is not allowed"),
    "kms-useless-grant": lambda s: s.key_state() == "Enabled" and s.refused("Access to KMS is not allowed"),
    "throttled": lambda s: s.refused("ThrottlingException"),
}
