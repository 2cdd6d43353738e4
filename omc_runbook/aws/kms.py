"""KMS: the key that encrypts the secret, and who may use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from omc_runbook.aws.answer import parse_object
from omc_runbook.aws.failures import ReadFailure, on_error
from omc_runbook.iam.policy import PolicyDocument

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient


@dataclass(frozen=True)
class KmsGrant:
    """A grant: the ARN of its grantee, the operations that it allows, and the encryption context that they must have.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html
    """

    grantee: str
    operations: frozenset[str]
    context: Mapping[str, str] = field(default_factory=dict)
    is_whole: bool = False
    """Whether the operations must have no other context than this."""
    id: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class KmsKey:
    """A key: `state` is its KeyState (Enabled, Disabled, PendingDeletion …), `manager` AWS or CUSTOMER.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """

    arn: str
    state: str
    manager: str
    deletion: datetime | None
    policy: PolicyDocument | None = None
    tags: Mapping[str, str] | None = None
    """None where they were not read: no policy depends on them, or the call was refused."""
    aliases: tuple[str, ...] | None = None
    """None as for `tags`."""
    grants: tuple[KmsGrant, ...] = ()
    unread: tuple[ReadFailure, ...] = ()
    """Why tags, aliases or grants that were needed could not be read."""


@on_error("NotFoundException", gives=None)
def describe_key(client: KMSClient, key_id: str) -> KmsKey | None:
    """Read a key's state by id, ARN or alias; None where the key does not exist."""
    answer = client.describe_key(KeyId=key_id)["KeyMetadata"]
    return KmsKey(
        arn=answer["Arn"],
        state=answer.get("KeyState", ""),
        manager=answer.get("KeyManager", "CUSTOMER"),
        deletion=answer.get("DeletionDate"),
    )


@on_error("NotFoundException", gives=None)
def get_key_policy(client: KMSClient, key_id: str) -> PolicyDocument | None:
    """Read a key's policy; None where the key does not exist.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html
    """
    text = client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    return PolicyDocument("the key's policy", "resource", parse_object(text))


def list_tags(client: KMSClient, key_id: str) -> dict[str, str]:
    """Read a key's tags.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html
    """
    pages = client.get_paginator("list_resource_tags").paginate(KeyId=key_id)
    return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}


def list_aliases(client: KMSClient, key_id: str) -> tuple[str, ...]:
    """Read the names of a key's aliases.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html
    """
    pages = client.get_paginator("list_aliases").paginate(KeyId=key_id)
    return tuple(alias["AliasName"] for page in pages for alias in page["Aliases"])


def list_grants(client: KMSClient, key_id: str) -> tuple[KmsGrant, ...]:
    """Read a key's grants.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
    """
    pages = client.get_paginator("list_grants").paginate(KeyId=key_id)
    return tuple(_grant(raw) for page in pages for raw in page["Grants"])


def _grant(raw: Any) -> KmsGrant:
    constraints = raw.get("Constraints", {})
    context = constraints.get("EncryptionContextEquals") or constraints.get("EncryptionContextSubset", {})
    operations = frozenset(raw.get("Operations", ()))
    grantee = raw.get("GranteePrincipal") or raw.get("GranteeServicePrincipal", "")
    return KmsGrant(
        grantee,
        operations,
        context,
        "EncryptionContextEquals" in constraints,
        raw.get("GrantId", ""),
        raw.get("Name", ""),
    )


@dataclass(frozen=True)
class KeyRotation:
    """Whether KMS renews a key's material by itself, and how often in days (0 where it does not say).

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html
    """

    is_enabled: bool
    days: int = 0


@on_error("NotFoundException", "UnsupportedOperationException", gives=None)
def get_key_rotation(client: KMSClient, key_id: str) -> KeyRotation | None:
    """Read whether a customer managed key rotates; None where the key does not exist, or cannot rotate by itself."""
    answer = client.get_key_rotation_status(KeyId=key_id)
    return KeyRotation(answer["KeyRotationEnabled"], answer.get("RotationPeriodInDays", 0))
