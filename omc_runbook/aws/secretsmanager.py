"""Secrets Manager: the secret, its versions with their stages, and its resource policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from omc_runbook.aws.answer import pages, parse_object
from omc_runbook.aws.endpoint import is_of_aws
from omc_runbook.aws.failures import DENIED, THROTTLED, ReadFailure, code_of, is_answer, on_error
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.value import Masked
from omc_runbook.model.arn import region_in

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import CreateSecretRequestTypeDef, FilterTypeDef

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"
MANAGED_KEY = "DefaultEncryptionKey"
"""What a version has among its keys for the AWS managed key."""

LARGEST_VALUE = 65_536
"""The limit for one value, in bytes: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""

DEFAULT_POLICY = "default"
"""The name of the resource policy that people attach; AWS services attach others."""

RESOURCE_POLICY = "the secret's resource policy"

_WITHOUT_VALUE = ("ResourceNotFoundException", "InvalidRequestException")
"""The errors about a secret that does not exist, and about one that is scheduled for deletion."""


@dataclass(frozen=True)
class Replica:
    """A copy of a secret that Secrets Manager keeps: its region or ARN, and how replication to it goes.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ReplicationStatusType.html
    """

    location: str
    status: str
    message: str = ""
    role: str = ""
    """The role by which it replicates to another account; "" where it does so as whoever changes the secret."""


@dataclass(frozen=True, kw_only=True)
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
    rotates: bool = False
    """Whether Secrets Manager rotates it by itself (RotationEnabled)."""
    rotation_function: str = ""
    """The ARN of the Lambda function that rotates it; "" for none."""
    rotated: datetime | None = None
    next_rotation: datetime | None = None
    rotation_days: int = 0
    """How often it is to be rotated; 0 where no rule says so in days."""
    owning_service: str = ""
    """The AWS service that manages the secret, such as rds."""
    partner: str = ""
    """The partner that holds a managed external secret (`Type`)."""
    replicas: tuple[Replica, ...] = ()
    """Its replicas in other regions and accounts."""
    primary: Replica | None = None
    """The secret that this one is a replica of, in another region (its status is "" then) or account."""

    @property
    def region(self) -> str:
        """The region that it is in."""
        return region_in(self.arn)

    @property
    def home_region(self) -> str:
        """The region in which it is changed and rotated: of a replica in another region its primary secret's.

        See https://docs.aws.amazon.com/secretsmanager/latest/userguide/standalone-secret.html
        """
        # A replica in another account has a status, and an ARN as its primary secret's place.
        return self.primary.location if self.primary and not self.primary.status else self.region

    @property
    def manager(self) -> str:
        """Who writes and rotates it instead of its owner: an AWS service, or a partner; "" for nobody."""
        return self.owning_service or self.partner

    def version_at(self, stage: str) -> str:
        """The id of the version with a staging label; "" where none has it."""
        return next((version for version, stages in self.stages.items() if stage in stages), "")


@dataclass(frozen=True, kw_only=True)
class ListedSecret:
    """A secret in the list of all.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html
    """

    name: str
    arn: str
    tags: dict[str, str]
    created: datetime | None = None
    accessed: datetime | None = None
    """The day on which somebody last read it; None where nobody has."""
    owning_service: str = ""
    is_replica: bool = False
    """Whether its primary secret is in another region."""


@dataclass(frozen=True)
class Version:
    """A version of the secret: when it was created, and its current staging labels.

    `keys` are the KMS keys under which it is encrypted, any of which decrypts it; () where AWS does not say. See
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_update-encryption-key.html
    """

    id: str
    created: datetime
    stages: tuple[str, ...]
    keys: tuple[str, ...] = ()


def short_id(version_id: str, others: Iterable[str]) -> str:
    """The shortest prefix of a version's id that no other one begins with, at least eight characters."""
    ids = [each for each in others if each != version_id]
    lengths = range(8, len(version_id))
    return next((s for s in (version_id[:n] for n in lengths) if not any(i.startswith(s) for i in ids)), version_id)


@dataclass(frozen=True)
class Value:
    """A version's value; `text` is None for a SecretBinary, which ECS cannot inject, of `binary_size` bytes."""

    version_id: str
    text: Masked | None
    binary_size: int = 0

    @property
    def size(self) -> int:
        """Its size as the quota counts it, in bytes."""
        return self.binary_size if self.text is None else self.text.size


@on_error("ResourceNotFoundException", gives=None)
def describe(client: SecretsManagerClient, secret_id: str) -> Secret | None:
    """Read a secret's metadata; None where the secret does not exist."""
    answer = client.describe_secret(SecretId=secret_id)
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
        rotates=bool(answer.get("RotationEnabled")),
        rotation_function=answer.get("RotationLambdaARN", ""),
        rotated=answer.get("LastRotatedDate"),
        next_rotation=answer.get("NextRotationDate"),
        rotation_days=answer.get("RotationRules", {}).get("AutomaticallyAfterDays", 0),
        owning_service=answer.get("OwningService", ""),
        partner=answer.get("Type", ""),
        replicas=_replicas(answer),
        primary=_primary(answer),
    )


def list_secrets(client: SecretsManagerClient, prefix: str = "", tags: Iterable[str] = ()) -> tuple[ListedSecret, ...]:
    """The region's secrets with their tags, without those that are scheduled for deletion.

    With a prefix only those whose names begin with it, with keys of tags only those that have such tags.
    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
    """
    filters: list[FilterTypeDef] = [{"Key": "name", "Values": [prefix]}] if prefix else []
    filters += [{"Key": "tag-key", "Values": [tag]} for tag in tags]
    pages = client.get_paginator("list_secrets").paginate(Filters=filters, PaginationConfig={"PageSize": 100})
    return tuple(
        ListedSecret(
            name=entry["Name"],
            arn=entry["ARN"],
            tags={tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())},
            created=entry.get("CreatedDate"),
            accessed=entry.get("LastAccessedDate"),
            owning_service=entry.get("OwningService", ""),
            is_replica=entry.get("PrimaryRegion", "") not in ("", region_in(entry["ARN"])),
        )
        for page in pages
        for entry in page["SecretList"]
    )


def _replicas(answer: Mapping[str, Any]) -> tuple[Replica, ...]:
    regions = tuple(
        Replica(entry["Region"], entry["Status"], entry.get("StatusMessage", ""))
        for entry in answer.get("ReplicationStatus", ())
    )
    accounts = tuple(
        Replica(
            entry["ReplicaSecretARN"],
            entry["ReplicationStatus"],
            entry.get("StatusMessage", ""),
            entry.get("ReplicationRoleARN", ""),
        )
        for entry in answer.get("CrossAccountReplicas", ())
    )
    return regions + accounts


def _primary(answer: Mapping[str, Any]) -> Replica | None:
    other_account, region = answer.get("CrossAccountPrimary"), answer.get("PrimaryRegion", "")
    if other_account:
        status, message = other_account["ReplicationStatus"], other_account.get("StatusMessage", "")
        return Replica(other_account["PrimarySecretARN"], status, message)
    return Replica(region, "") if region not in ("", region_in(answer["ARN"])) else None


@on_error("ResourceNotFoundException", gives=())
def list_versions(client: SecretsManagerClient, secret_id: str) -> tuple[Version, ...] | ReadFailure:
    """Read the versions that Secrets Manager still has, oldest first; () where the secret does not exist.

    Where one has no date, their order is unknown, and with it which one was current when.
    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecretVersionIds.html
    """
    answers = pages(
        lambda **token: client.list_secret_version_ids(
            SecretId=secret_id, IncludeDeprecated=True, MaxResults=100, **token
        ),
        "NextToken",
    )
    entries = [entry for page in answers for entry in page["Versions"]]
    undated = [entry["VersionId"] for entry in entries if "CreatedDate" not in entry]
    if undated:
        problem = (
            f"ListSecretVersionIds has no CreatedDate of {', '.join(undated)}, so that it is unknown which version was"
            " current when; run again in a minute."
        )
        return ReadFailure(f"the versions of {secret_id}", "secretsmanager:ListSecretVersionIds", problem, "incomplete")
    versions = (
        Version(
            entry["VersionId"],
            entry["CreatedDate"],
            tuple(entry.get("VersionStages", ())),
            tuple(entry.get("KmsKeyIds", ())),
        )
        for entry in entries
    )
    return tuple(sorted(versions, key=lambda version: version.created))


@on_error(*_WITHOUT_VALUE, gives=None)
def get_value(client: SecretsManagerClient, secret_id: str, stage: str = "", version_id: str = "") -> Value | None:
    """Read the version with a staging label or an id, as a masked value; None where it does not exist.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    """
    which = {"VersionId": version_id} if version_id else {"VersionStage": stage}
    answer = client.get_secret_value(SecretId=secret_id, **which)
    text = answer.get("SecretString")
    if text is None:
        return Value(answer["VersionId"], None, len(answer.get("SecretBinary", b"")))
    return Value(answer["VersionId"], Masked(text, "the secret"))


@on_error(*_WITHOUT_VALUE, gives=None)
def get_resource_policy(client: Any, secret_id: str, name: str = DEFAULT_POLICY) -> PolicyDocument | None:
    """Read one of the policies attached to a secret; None where there is none of this name.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetResourcePolicy.html
    """
    # Without a name it is the default policy, and the name is unknown to older emulators.
    which = {} if name == DEFAULT_POLICY else {"PolicyName": name}
    text = client.get_resource_policy(SecretId=secret_id, **which).get("ResourcePolicy")
    label = RESOURCE_POLICY if name == DEFAULT_POLICY else f"the secret's resource policy {name}"
    return PolicyDocument(label, "resource", parse_object(text)) if text else None


def get_other_resource_policies(client: Any, secret_id: str) -> tuple[PolicyDocument, ...]:
    """Read the policies attached to a secret beside the default one; () where the secret does not exist.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListResourcePolicies.html
    """
    try:
        answers = [*pages(lambda **token: client.list_resource_policies(SecretId=secret_id, **token), "NextToken")]
    except ClientError as error:
        if is_answer(error, *_WITHOUT_VALUE) or _lacks_call(client, error):
            return ()
        raise
    names = (entry["PolicyName"] for answer in answers for entry in answer["ResourcePolicies"])
    policies = (get_resource_policy(client, secret_id, name) for name in names if name != DEFAULT_POLICY)
    return tuple(policy for policy in policies if policy)


def _lacks_call(client: Any, error: ClientError) -> bool:
    """Whether an emulator has no such call, and so one policy for each secret."""
    return not is_of_aws(client.meta.endpoint_url) and code_of(error) not in DENIED | THROTTLED


@on_error("ResourceExistsException", "InvalidRequestException", gives=False)
def create(
    client: SecretsManagerClient,
    name: str,
    text: str,
    token: str,
    description: str,
    tags: Mapping[str, str],
    kms_key: str = "",
) -> bool:
    """Create a secret whose first version has the id `token`; False where the name is taken.

    A secret that is scheduled for deletion keeps its name. See
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
    client.create_secret(**request)
    return True


def restore(client: SecretsManagerClient, secret_id: str) -> None:
    """Cancel a scheduled deletion; without one, this is no error.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RestoreSecret.html
    """
    client.restore_secret(SecretId=secret_id)


def stage_value(client: SecretsManagerClient, secret_id: str, text: str, token: str, label: str) -> bool:
    """Write a version with a staging label that nobody reads; idempotent for one `token`, which is the version's id.

    Returns whether it was never current, as far as its labels tell.

    A version that is current already gets no label: who made it current may have ended, and would not remove it. See
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    """
    answer = client.put_secret_value(
        SecretId=secret_id, SecretString=text, ClientRequestToken=token, VersionStages=[label]
    )
    if not {label, CURRENT} & {*answer["VersionStages"]}:
        # The version existed, from an attempt that was rolled back: then the call ignored the label.
        add_label(client, secret_id, label, token)
    return not {CURRENT, PREVIOUS} & {*answer["VersionStages"]}


def add_label(client: SecretsManagerClient, secret_id: str, label: str, version_id: str) -> None:
    """Give a version a staging label that none has.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """
    client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, MoveToVersionId=version_id)


def move_current(client: SecretsManagerClient, secret_id: str, to: str, from_: str) -> bool | None:
    """Move AWSCURRENT to a version if it is still on `from_` ("": on none); False where it is not.

    None where it is not, and an attempt whose answer was lost may have moved it.
    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """
    # Without RemoveFromVersionId, AWS refuses to move a label that another version has.
    remove = {"RemoveFromVersionId": from_} if from_ else {}
    try:
        client.update_secret_version_stage(SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=to, **remove)
    except ClientError as error:
        if code_of(error) == "InvalidParameterException":
            return None if error.response.get("ResponseMetadata", {}).get("RetryAttempts") else False
        raise
    return True


@on_error("InvalidParameterException", gives=None)
def drop_label(client: SecretsManagerClient, secret_id: str, label: str, version_id: str) -> None:
    """Remove a staging label from a version; a missing label is no error.

    See https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
    """
    client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, RemoveFromVersionId=version_id)
