"""Secrets Manager: the secret, its versions with their stages, and its resource policy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.value import Masked

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import CreateSecretRequestTypeDef

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"


@dataclass(frozen=True)
class Secret:
    """A secret's metadata; `stages` maps a version's id to its staging labels.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
    """

    arn: str
    name: str
    created: datetime | None
    deleted: datetime | None
    changed: datetime | None
    kms_key_id: str
    stages: dict[str, tuple[str, ...]]
    tags: dict[str, str] = field(default_factory=dict)
    description: str = ""

    def version_at(self, stage: str) -> str:
        """The id of the version that holds a staging label; "" where none does."""
        return next((version for version, stages in self.stages.items() if stage in stages), "")


@dataclass(frozen=True)
class Version:
    """A version of the secret: when it was created and the staging labels it holds now."""

    id: str
    created: datetime
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """What one version holds: text, or bytes that ECS cannot inject (`text` is None)."""

    version_id: str
    text: Masked | None


def describe(client: SecretsManagerClient, secret_id: str) -> Secret | None:
    """Read a secret's metadata; None where there is no such secret."""
    try:
        answer = client.describe_secret(SecretId=secret_id)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return Secret(
        arn=answer["ARN"],
        name=answer["Name"],
        created=answer.get("CreatedDate"),
        deleted=answer.get("DeletedDate"),
        changed=answer.get("LastChangedDate"),
        kms_key_id=answer.get("KmsKeyId", ""),
        stages={version: tuple(stages) for version, stages in answer.get("VersionIdsToStages", {}).items()},
        tags={tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())},
        description=answer.get("Description", ""),
    )


def list_versions(client: SecretsManagerClient, secret_id: str) -> tuple[Version, ...]:
    """Read the versions that Secrets Manager still keeps, oldest first; () where there is no such secret.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html
    """
    versions = []
    token: dict[str, str] = {}
    while True:
        try:
            answer = client.list_secret_version_ids(
                SecretId=secret_id,
                IncludeDeprecated=True,
                MaxResults=100,
                **token,
            )
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return ()
            raise
        versions += [
            Version(entry["VersionId"], entry["CreatedDate"], tuple(entry.get("VersionStages", ())))
            for entry in answer["Versions"]
        ]
        if not answer.get("NextToken"):
            return tuple(sorted(versions, key=lambda version: version.created))
        token = {"NextToken": answer["NextToken"]}


def get_value(client: SecretsManagerClient, secret_id: str, stage: str = "", version_id: str = "") -> Value | None:
    """Read the version at a stage or with an id, masked from the start; None where there is none to read.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    which = {"VersionId": version_id} if version_id else {"VersionStage": stage}
    try:
        answer = client.get_secret_value(SecretId=secret_id, **which)
    except ClientError as error:
        if code_of(error) in ("ResourceNotFoundException", "InvalidRequestException"):
            return None
        raise
    text = answer.get("SecretString")
    return Value(answer["VersionId"], None if text is None else Masked(text, "the secret"))


def get_resource_policy(client: SecretsManagerClient, secret_id: str) -> PolicyDocument | None:
    """Read the policy attached to a secret; None where there is none."""
    try:
        text = client.get_resource_policy(SecretId=secret_id).get("ResourcePolicy")
    except ClientError as error:
        if code_of(error) in ("ResourceNotFoundException", "InvalidRequestException"):
            return None
        raise
    return PolicyDocument("the secret's resource policy", "resource", json.loads(text)) if text else None


def create(
    client: SecretsManagerClient,
    name: str,
    text: str,
    token: str,
    description: str,
    tags: Mapping[str, str],
    kms_key: str = "",
) -> bool:
    """Create a secret whose first version has `token` as its id; False where there is one of this name already.

    One that is scheduled for deletion still has its name. See
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
    """
    request: CreateSecretRequestTypeDef = {
        "Name": name,
        "SecretString": text,
        "ClientRequestToken": token,
        "Description": description,
        "Tags": [{"Key": tag, "Value": value} for tag, value in tags.items()],
    }
    if kms_key:
        request["KmsKeyId"] = kms_key
    try:
        client.create_secret(**request)
    except ClientError as error:
        if code_of(error) in ("ResourceExistsException", "InvalidRequestException"):
            return False
        raise
    return True


def restore(client: SecretsManagerClient, secret_id: str) -> None:
    """Take back a deletion; one that was taken back already is no error.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RestoreSecret.html
    """
    client.restore_secret(SecretId=secret_id)


def stage_value(client: SecretsManagerClient, secret_id: str, text: str, token: str, label: str) -> None:
    """Write a version under a staging label of its own, so that nobody reads it yet; a second time does nothing.

    `token` becomes the version's id. See
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    """
    answer = client.put_secret_value(
        SecretId=secret_id, SecretString=text, ClientRequestToken=token, VersionStages=[label]
    )
    if label not in answer["VersionStages"]:
        # The version was there, from a try that was taken back: the call was then ignored, label and all.
        client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, MoveToVersionId=token)


def move_current(client: SecretsManagerClient, secret_id: str, to: str, from_: str) -> bool:
    """Make a version current, provided that another still is ("": that none is); False where that no longer is so.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """
    # Without a version to take it from, AWS refuses to move a label that any other has.
    held = {"RemoveFromVersionId": from_} if from_ else {}
    try:
        client.update_secret_version_stage(SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=to, **held)
    except ClientError as error:
        if code_of(error) == "InvalidParameterException":
            return False
        raise
    return True


def drop_label(client: SecretsManagerClient, secret_id: str, label: str, version_id: str) -> None:
    """Take a staging label off a version; one that is not on it is no error."""
    try:
        client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, RemoveFromVersionId=version_id)
    except ClientError as error:
        if code_of(error) != "InvalidParameterException":
            raise
