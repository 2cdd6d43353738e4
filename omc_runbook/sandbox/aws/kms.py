"""KMS, and its keys as Secrets Manager and Parameter Store use them for a caller.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

import json
from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, kms_backends
from moto.kms.responses import KmsResponse
from moto.kms.utils import RESERVED_ALIASES

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import PolicyDocument, evaluate, evaluate_resource
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.sandbox.authorization import context_of, is_forbidden
from omc_runbook.sandbox.principals import Principal, parse_policy

_MANAGED = ("", "alias/aws/secretsmanager")
_BY_KMS = "(Service: AWSKMS; Status Code: 400; Error Code: "
_STATE_ACTIONS = ("CancelKeyDeletion", "DisableKey", "EnableKey", "ScheduleKeyDeletion")
_IMPORTED, _WITHOUT_MATERIAL = "EXTERNAL", "PendingImport"


class SandboxKms(KmsResponse):
    """moto's KMS, which changes a key's state by its ARN too, and has keys of AWS, and with imported material."""

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        value = super()._get_param(param_name, if_none)
        if param_name == "KeyId" and self._get_action() in _STATE_ACTIONS:
            return value.rpartition(":key/")[2]
        return value

    def create_key(self) -> str:
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html"""
        answer: dict[str, Any] = json.loads(super().create_key())
        if answer["KeyMetadata"]["Origin"] == _IMPORTED:
            self._set_material(answer["KeyMetadata"]["KeyId"], is_there=False)
            answer["KeyMetadata"] |= {"KeyState": _WITHOUT_MATERIAL, "Enabled": False}
        return json.dumps(answer)

    def describe_key(self) -> str:
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html"""
        answer: dict[str, Any] = json.loads(super().describe_key())
        if not self.kms_backend.keys[answer["KeyMetadata"]["KeyId"]].aliases.keys().isdisjoint(RESERVED_ALIASES):
            answer["KeyMetadata"]["KeyManager"] = "AWS"
        return json.dumps(answer)

    def import_key_material(self) -> str:
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_ImportKeyMaterial.html"""
        return self._set_material(self._get_param("KeyId"), is_there=True)

    def delete_imported_key_material(self) -> str:
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteImportedKeyMaterial.html"""
        return self._set_material(self._get_param("KeyId"), is_there=False)

    def _set_material(self, key_id: str, is_there: bool) -> str:
        key = self.kms_backend.keys[key_id.rpartition(":key/")[2]]
        key.enabled, key.key_state = is_there, "Enabled" if is_there else _WITHOUT_MATERIAL
        return json.dumps({"KeyId": key.arn})


def is_managed(key_id: str | None) -> bool:
    """Whether the key is the one that AWS manages for Secrets Manager."""
    return (key_id or "").rpartition(":")[2] in _MANAGED


def find_key(key_id: str, account: str, region: str) -> Key | None:
    """The customer key with this id, ARN or alias, or None."""
    if key_id.startswith("arn:"):
        region, account = region_in(key_id), account_in(key_id)
    backend = kms_backends[account][region]
    name = backend.get_alias_name(backend.get_key_id(key_id))
    if name.startswith("alias/"):
        name = backend.get_key_id_from_alias(name) or ""
    return backend.keys.get(name)


def use_key(
    key_id: str | None, principal: Principal, account: str, action: str, secret_arn: str, version_id: str = ""
) -> None:
    """Raise Secrets Manager's error if the key of a secret is not enabled or the principal may not use it."""
    if key_id is None or is_managed(key_id):
        return
    key = find_key(key_id, account, region_in(secret_arn))
    verb = "decrypt" if action == "kms:Decrypt" else "encrypt"
    code = "DecryptionFailure" if action == "kms:Decrypt" else "EncryptionFailure"
    if key is None or key.key_state != "Enabled":
        state = key.key_state if key is not None else "gone"
        message = f"Secrets Manager can't {verb} the protected secret text using the provided KMS key: it is {state}."
        raise JsonRESTError(code, message)
    context = {"SecretARN": secret_arn, "SecretVersionId": version_id}
    keys = request_keys.of_key(key.arn, principal.account, secret_arn, version_id, **labels_of(key))
    if not _may_use(key, principal, action, context, keys):
        raise JsonRESTError("AccessDeniedException", "Access to KMS is not allowed")


def use_parameter_key(key_id: str | None, principal: Principal, parameter_arn: str) -> None:
    """Raise Parameter Store's error if it cannot decrypt a SecureString for the principal."""
    region, account = region_in(parameter_arn), account_in(parameter_arn)
    if not key_id or key_id.rpartition(":")[2] == "alias/aws/ssm":
        return
    key = find_key(key_id, account, region)
    if key is not None and key.key_state != "Enabled":
        state, code = "pending deletion", "KMSInvalidStateException"
        if key.key_state == "Disabled":
            state, code = "disabled", "DisabledException"
        message = f"arn:aws:kms:{region}:{account}:key/{key.id} is {state}. {_BY_KMS}{code})"
        raise JsonRESTError("InvalidKeyId", message)
    keys = request_keys.of_parameter_key(key.arn, principal.account, parameter_arn, **labels_of(key)) if key else {}
    if key is None or not _may_use(key, principal, "kms:Decrypt", {"PARAMETER_ARN": parameter_arn}, keys):
        raise JsonRESTError(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you "
            f"are not allowed to access. {_BY_KMS}AccessDeniedException)",
        )


def labels_of(key: Key) -> dict[str, Any]:
    """A key's tags and aliases."""
    backend = kms_backends[key.account_id][key.region]
    tags = {tag["TagKey"]: tag["TagValue"] for tag in backend.list_resource_tags(key.id)["Tags"]}
    return {"tags": tags, "aliases": [alias.alias_name for alias in backend.list_aliases(key.id)]}


def _may_use(key: Key, principal: Principal, action: str, encryption: Mapping[str, str], keys: Keys) -> bool:
    context = context_of(principal, str(keys["aws:RequestedRegion"]), keys)
    key_policy = PolicyDocument("the key's policy", "resource", parse_policy(key.policy))
    direct = evaluate_resource(key_policy, principal.names, action, key.arn, context).decision
    names = principal.names | {principal.account}
    delegated = evaluate_resource(key_policy, names, action, key.arn, context).decision == "allowed"
    by_identity = evaluate(principal.policies, action, key.arn, context, principal.boundary, principal.scps).decision
    is_denied = is_forbidden(principal, action, key.arn, context, key.account_id)
    if is_denied or "explicit-deny" in (direct, by_identity):
        return False
    if direct == "allowed" and principal.account == key.account_id:
        return True
    return _has_grant(key, principal, action, encryption) or (delegated and by_identity == "allowed")


def _has_grant(key: Key, principal: Principal, action: str, encryption: Mapping[str, str]) -> bool:
    own_grants = (grant for grant in list(key.grants.values()) if grant.grantee_principal == principal.identity_arn)
    return any(
        action in {f"kms:{operation}" for operation in grant.operations}
        and (grant.constraints or {}).get("EncryptionContextSubset", {}).items() <= encryption.items()
        and (grant.constraints or {}).get("EncryptionContextEquals", encryption) == encryption
        for grant in own_grants
    )
