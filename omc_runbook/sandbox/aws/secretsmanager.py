"""Secrets Manager with moto's gaps corrected: versions, stages, deletion, limits, policies and keys.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Operations.html
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.exceptions import OperationNotPermittedOnReplica, SecretNotFoundException
from moto.secretsmanager.models import FakeSecret, ReplicaSecret, secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from omc_runbook.iam import request_keys
from omc_runbook.iam.request_keys import Keys
from omc_runbook.sandbox.authorization import context_of, refusal
from omc_runbook.sandbox.aws.kms import is_managed, use_key
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.aws.versions import (
    CURRENT,
    PENDING,
    add_version,
    check_value,
    date_back,
    forget_past,
    holder_of,
    move_label,
    now,
)
from omc_runbook.sandbox.principals import Principal, caller

_DELETED = "You can't perform this operation on the secret because it was marked for deletion."
_DAY = 86_400
DEFAULT_POLICY = "default"
"""The name of the resource policy that PutResourcePolicy attaches; AWS services attach others."""
# By ARN, in seconds since the epoch: LastAccessedDate has only the day.
_LAST_ACCESSED: dict[str, float] = {}


def locate(secret_id: str, account: str, region: str) -> FakeSecret:
    """The secret with this name or ARN (also without its suffix), the primary one of a replica.

    Raises ResourceNotFoundException.
    """
    secret = _locate(secret_id, account, region)
    return secret.source if isinstance(secret, ReplicaSecret) else secret


def _locate(secret_id: str, account: str, region: str) -> FakeSecret | ReplicaSecret:
    if secret_id.startswith("arn:"):
        fields = secret_id.split(":")
        if len(fields) < 7 or fields[3] != region:
            raise _not_found()
        account = fields[4]
    secret = secretsmanager_backends[account][region].secrets.get(secret_id)
    if secret is None:
        raise _not_found()
    return secret


def postpone(secret_id: str, days: float, account: str, region: str) -> None:
    """Set the dates of a secret's automatic rotation back, as if so many days had passed without one."""
    with STATE:
        secret = locate(secret_id, account, region)
        seconds = int(days * _DAY)
        secret.next_rotation_date = secret.next_rotation_date and secret.next_rotation_date - seconds
        secret.last_rotation_date = secret.last_rotation_date and secret.last_rotation_date - seconds


def set_creation(secret_id: str, created: Mapping[str, float], account: str, region: str) -> None:
    """Set the creation times of versions of a secret, by their ids; without any, restore their true ones."""
    with STATE:
        if created:
            date_back(locate(secret_id, account, region), created)
        elif isinstance(secret := secretsmanager_backends[account][region].secrets.get(secret_id), FakeSecret):
            forget_past(secret)


def read_value(
    principal: Principal, secret_id: str, region: str, version_id: str | None = None, stage: str | None = None
) -> dict[str, Any]:
    """GetSecretValue's answer to a principal; raises JsonRESTError with AWS's error.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    try:
        secret = locate(secret_id, principal.account, region)
    except JsonRESTError:
        require(principal, "secretsmanager:GetSecretValue", _unknown_arn(secret_id, principal, region), region)
        raise
    labels = secret.versions.get(version_id, {}).get("version_stages", ()) if version_id else (stage or CURRENT,)
    require(principal, "secretsmanager:GetSecretValue", secret.arn, region, secret, labels, version_id or "")
    if secret.is_deleted():
        raise JsonRESTError("InvalidRequestException", _DELETED)
    version = _version(secret, version_id or None, stage or None)
    if is_managed(secret.kms_key_id) and secret.account_id != principal.account:
        raise JsonRESTError(
            "InvalidRequestException",
            "You can't access a secret from a different AWS account if you encrypt the secret with "
            "the default KMS service key.",
        )
    holder = str(version["version_id"])
    use_key(secret.kms_key_id, principal, secret.account_id, "kms:Decrypt", secret.arn, holder)
    _LAST_ACCESSED[secret.arn] = time.time() // _DAY * _DAY
    answer = {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version["version_id"],
        "VersionStages": list(version["version_stages"]),
        "CreatedDate": version["createdate"],
    }
    for member, key in (("SecretString", "secret_string"), ("SecretBinary", "secret_binary")):
        if key in version:
            answer[member] = version[key]
    return answer


def require(
    principal: Principal,
    action: str,
    arn: str,
    region: str,
    secret: FakeSecret | None = None,
    stages: Sequence[str] = (),
    version_id: str | None = None,
) -> None:
    """Raise AccessDeniedException for a call that the principal's or the secret's policies do not allow."""
    context = context_of(principal, region, keys_of(arn, secret, stages, version_id))
    policy, owner = (secret.policy, secret.account_id) if secret is not None else (None, "")
    message = refusal(principal, action, arn, context, policy, owner)
    if message is not None:
        raise JsonRESTError("AccessDeniedException", message)


def keys_of(arn: str, secret: FakeSecret | None, stages: Sequence[str] = (), version_id: str | None = None) -> Keys:
    """The condition keys of a call on a secret; on one that does not exist it has no tags."""
    tags = {tag["Key"]: tag["Value"] for tag in (secret.tags if secret is not None else None) or ()}
    return request_keys.of_secret(arn, tags, stages, version_id)


class SandboxSecretsManager(SecretsManagerResponse):
    """moto's Secrets Manager, with the answers that differ from AWS's replaced."""

    def get_secret_value(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html"""
        answer = read_value(
            caller(self.access_key),
            self._get_param("SecretId"),
            self.region,
            self._get_param("VersionId"),
            self._get_param("VersionStage"),
        )
        return json.dumps(answer)

    def batch_get_secret_value(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html"""
        names = self._get_param("SecretIdList", if_none=[])
        filters = self._get_param("Filters", if_none=[])
        if bool(names) == bool(filters):
            message = "Either 'SecretIdList' or 'Filters' must be provided, but not both."
            raise JsonRESTError("InvalidParameterException", message)
        if len(names) > 20:
            raise JsonRESTError("ValidationException", "Member must have length less than or equal to 20")
        token = None
        if filters:
            page, token = self.backend.list_secrets(
                filters, self._get_int_param("MaxResults") or 20, self._get_param("NextToken")
            )
            names = [secret["ARN"] for secret in page]
        principal = caller(self.access_key)
        values, errors = [], []
        for name in names:
            try:
                values.append(read_value(principal, name, self.region))
            except JsonRESTError as error:
                errors.append({"SecretId": name, "ErrorCode": error.error_type, "Message": error.message})
        answer = {"SecretValues": values, "Errors": errors}
        return json.dumps(answer | ({"NextToken": token} if token else {}))

    def create_secret(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html"""
        name = self._get_param("Name")
        check_value(self._get_param("SecretString"), self._get_param("SecretBinary"))
        existing = self.backend.secrets.get(name)
        if existing is not None and existing.is_deleted():
            message = "You can't create this secret because a secret with this name is already scheduled for deletion."
            raise JsonRESTError("InvalidRequestException", message)
        answer = json.loads(super().create_secret())
        secret = locate(answer["ARN"], self.current_account, self.region)
        self._use_key(secret.kms_key_id, secret)
        for version in secret.versions.values():
            version["createdate"] = now()
        return json.dumps(answer)

    def put_secret_value(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html"""
        secret = self._writable()
        text, binary = self._get_param("SecretString"), self._get_param("SecretBinary")
        if not text and not binary:
            message = "You must provide either SecretString or SecretBinary."
            raise JsonRESTError("InvalidRequestException", message)
        labels = self._get_param("VersionStages") or [CURRENT]
        self._use_key(secret.kms_key_id, secret)
        version_id = add_version(secret, self._get_param("ClientRequestToken"), text, binary, labels)
        stages = list(secret.versions[version_id]["version_stages"])
        return json.dumps({"ARN": secret.arn, "Name": secret.name, "VersionId": version_id, "VersionStages": stages})

    def update_secret(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html"""
        secret = self._writable()
        text, binary = self._get_param("SecretString"), self._get_param("SecretBinary")
        check_value(text, binary)
        key_id = self._get_param("KmsKeyId")
        self._use_key(key_id or secret.kms_key_id, secret)
        description = self._get_param("Description")
        secret.update(
            description=secret.description if description is None else description,
            tags=secret.tags,
            kms_key_id=key_id,
            last_changed_date=int(time.time()),
        )
        answer = {"ARN": secret.arn, "Name": secret.name}
        if text or binary:
            token = self._get_param("ClientRequestToken")
            answer["VersionId"] = add_version(secret, token, text, binary, [CURRENT])
        return json.dumps(answer)

    def update_secret_version_stage(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html"""
        secret = self._writable()
        source, target = self._get_param("RemoveFromVersionId"), self._get_param("MoveToVersionId")
        move_label(secret, self._get_param("VersionStage"), source, target)
        return json.dumps({"ARN": secret.arn, "Name": secret.name})

    def list_secret_version_ids(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html"""
        secret = locate(self._get_param("SecretId"), self.current_account, self.region)
        deprecated = self._get_bool_param("IncludeDeprecated", False)
        versions = [
            {
                "VersionId": version_id,
                "VersionStages": list(version["version_stages"]),
                "CreatedDate": version["createdate"],
                "KmsKeyIds": [secret.kms_key_id or "DefaultEncryptionKey"],
            }
            for version_id, version in secret.versions.items()
            if version["version_stages"] or deprecated
        ]
        start, size = int(self._get_param("NextToken") or 0), self._get_int_param("MaxResults") or 100
        answer = {"ARN": secret.arn, "Name": secret.name, "Versions": versions[start : start + size]}
        return json.dumps(answer | ({"NextToken": str(start + size)} if start + size < len(versions) else {}))

    def list_secrets(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html"""
        answer = json.loads(super().list_secrets())
        for entry in answer["SecretList"]:
            if entry["ARN"] in _LAST_ACCESSED:
                entry["LastAccessedDate"] = _LAST_ACCESSED[entry["ARN"]]
        return json.dumps(answer)

    def describe_secret(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html"""
        secret = _locate(self._get_param("SecretId"), self.current_account, self.region)
        members = secret.to_dict() | {"LastAccessedDate": _LAST_ACCESSED.get(secret.arn)}
        stages = members.pop("VersionIdsToStages", {})
        members.pop("SecretVersionsToStages", None)
        members["VersionIdsToStages"] = {version: labels for version, labels in stages.items() if labels} or None
        return json.dumps({name: value for name, value in members.items() if value is not None})

    def rotate_secret(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html"""
        secret = self._writable()
        if not self._get_param("RotationLambdaARN") and not secret.rotation_lambda_arn:
            raise JsonRESTError(
                "InvalidRequestException",
                "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN "
                "configured and you didn't include such an ARN as a parameter in this call.",
            )
        secret.rotation_lambda_arn = self._get_param("RotationLambdaARN") or secret.rotation_lambda_arn
        rules = self._get_param("RotationRules") or {}
        days = rules.get("AutomaticallyAfterDays") or secret.auto_rotate_after_days
        secret.rotation_requested = secret.rotation_enabled = True
        secret.auto_rotate_after_days, secret.next_rotation_date = days, int(time.time()) + days * _DAY
        answer = {"ARN": secret.arn, "Name": secret.name}
        if self._get_bool_param("RotateImmediately", True):
            answer["VersionId"] = self._rotate(secret)
        return json.dumps(answer)

    def _rotate(self, secret: FakeSecret) -> str:
        """Rotate as a function does that keeps the value: the sandbox has no Lambda."""
        holder = holder_of(secret, CURRENT)
        if holder is None:
            raise _no_value(f"staging label: {CURRENT}")
        if holder_of(secret, PENDING) not in (None, holder):
            message = "A previous rotation isn't complete. That rotation will be reattempted."
            raise JsonRESTError("InvalidRequestException", message)
        text, binary = (secret.versions[holder].get(name) for name in ("secret_string", "secret_binary"))
        secret.last_rotation_date = int(time.time())
        return add_version(secret, self._get_param("ClientRequestToken"), text, binary, [CURRENT])

    def put_resource_policy(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutResourcePolicy.html"""
        if self._get_param("PolicyName") not in (None, DEFAULT_POLICY):
            message = f"You can attach only the policy {DEFAULT_POLICY}."
            raise JsonRESTError("InvalidParameterException", message)
        try:
            json.loads(self._get_param("ResourcePolicy"))
        except ValueError:
            message = "This resource policy contains a syntax error."
            raise JsonRESTError("MalformedPolicyDocumentException", message) from None
        return super().put_resource_policy()

    def get_resource_policy(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetResourcePolicy.html"""
        name = self._get_param("PolicyName") or DEFAULT_POLICY
        if name != DEFAULT_POLICY:
            raise JsonRESTError("ResourceNotFoundException", "Secrets Manager can't find the resource policy.")
        own = _locate(self._get_param("SecretId"), self.current_account, self.region)
        if isinstance(own, ReplicaSecret):
            # AWS replicates the policy, and refuses to write that of a replica alone.
            policy = {"ResourcePolicy": own.source.policy} if own.source.policy else {}
            return json.dumps({"ARN": own.arn, "Name": own.source.name, **policy, "PolicyName": name})
        return json.dumps(json.loads(super().get_resource_policy()) | {"PolicyName": name})

    def list_resource_policies(self) -> str:
        """https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListResourcePolicies.html"""
        secret = locate(self._get_param("SecretId"), self.current_account, self.region)
        return json.dumps({"ResourcePolicies": [{"PolicyName": DEFAULT_POLICY}] if secret.policy else []})

    def _writable(self) -> FakeSecret:
        secret = _locate(self._get_param("SecretId"), self.current_account, self.region)
        if isinstance(secret, ReplicaSecret):
            raise OperationNotPermittedOnReplica
        if secret.is_deleted():
            raise JsonRESTError("InvalidRequestException", _DELETED)
        return secret

    def _use_key(self, key_id: str | None, secret: FakeSecret) -> None:
        use_key(key_id, caller(self.access_key), secret.account_id, "kms:GenerateDataKey", secret.arn)


def _version(secret: FakeSecret, version_id: str | None, stage: str | None) -> dict[str, Any]:
    if version_id is not None:
        version = secret.versions.get(version_id)
        if version is None:
            raise _no_value(f"VersionId: {version_id}")
        if stage is not None and stage not in version["version_stages"]:
            message = "You provided a VersionStage that is not associated to the provided VersionId."
            raise JsonRESTError("InvalidRequestException", message)
        return version
    label = stage or CURRENT
    holder = holder_of(secret, label)
    if holder is None:
        raise _no_value(f"staging label: {label}")
    return secret.versions[holder]


def _no_value(what: str) -> JsonRESTError:
    message = f"Secrets Manager can't find the specified secret value for {what}"
    return JsonRESTError("ResourceNotFoundException", message)


def _not_found() -> JsonRESTError:
    error = SecretNotFoundException()
    error.code = 400
    return error


def _unknown_arn(secret_id: str, principal: Principal, region: str) -> str:
    if secret_id.startswith("arn:"):
        return secret_id
    return f"arn:aws:secretsmanager:{region}:{principal.account}:secret:{secret_id}"
