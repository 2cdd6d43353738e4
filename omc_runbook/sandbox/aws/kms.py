"""KMS keys as Secrets Manager uses them for a caller.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, kms_backends

from omc_runbook.iam.policy import PolicyDocument, evaluate_resource
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.principals import Principal, parse_policy

_MANAGED = ("", "alias/aws/secretsmanager")


def is_managed(key_id: str | None) -> bool:
    """Whether the key is the one that AWS manages for Secrets Manager."""
    return (key_id or "").rpartition(":")[2] in _MANAGED


def find_key(key_id: str, account: str, region: str) -> Key | None:
    """The customer key with this id, ARN or alias, or None."""
    if key_id.startswith("arn:"):
        region, account = key_id.split(":")[3:5]
    backend = kms_backends[account][region]
    name = backend.get_alias_name(backend.get_key_id(key_id))
    if name.startswith("alias/"):
        name = backend.get_key_id_from_alias(name) or ""
    return backend.keys.get(name)


def use_key(key_id: str | None, principal: Principal, account: str, region: str, action: str) -> None:
    """Raise Secrets Manager's error if a key is not enabled or the principal may not use it."""
    if key_id is None or is_managed(key_id):
        return
    key = find_key(key_id, account, region)
    verb = "decrypt" if action == "kms:Decrypt" else "encrypt"
    code = "DecryptionFailure" if action == "kms:Decrypt" else "EncryptionFailure"
    if key is None or key.key_state != "Enabled":
        state = key.key_state if key is not None else "gone"
        message = f"Secrets Manager can't {verb} the protected secret text using the provided KMS key: it is {state}."
        raise JsonRESTError(code, message)
    if not _may_use(key, principal, region, action):
        raise JsonRESTError("AccessDeniedException", "Access to KMS is not allowed")


def _may_use(key: Key, principal: Principal, region: str, action: str) -> bool:
    context = context_of(principal, region, kms__ViaService=f"secretsmanager.{region}.amazonaws.com")
    key_policy = PolicyDocument("the key's policy", "resource", parse_policy(key.policy))
    direct = evaluate_resource(key_policy, principal.names, action, key.arn, context).decision
    if direct == "explicit-deny":
        return False
    if direct == "allowed" and principal.account == key.account_id:
        return True
    grantees = [grant.grantee_principal for grant in list(key.grants.values()) if "Decrypt" in grant.operations]
    if principal.identity_arn in grantees:
        return True
    names = principal.names | {principal.account}
    delegated = evaluate_resource(key_policy, names, action, key.arn, context).decision == "allowed"
    return delegated and refusal(principal, action, key.arn, context) is None
