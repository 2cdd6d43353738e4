"""KMS: the state of the key that encrypts the secret."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omc_runbook.aws.session import code_of
from omc_runbook.iam.policy import PolicyDocument

if TYPE_CHECKING:
    from mypy_boto3_kms.client import KMSClient


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


def describe_key(client: KMSClient, key_id: str) -> KmsKey | None:
    """Read a key's state by id, ARN or alias; None where the key does not exist."""
    try:
        answer = client.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        if code_of(error) == "NotFoundException":
            return None
        raise
    return KmsKey(
        arn=answer["Arn"],
        state=answer.get("KeyState", ""),
        manager=answer.get("KeyManager", "CUSTOMER"),
        deletion=answer.get("DeletionDate"),
    )


def get_key_policy(client: KMSClient, key_id: str) -> PolicyDocument | None:
    """Read a key's policy; None where the key does not exist.

    See https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html
    """
    try:
        text = client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    except ClientError as error:
        if code_of(error) == "NotFoundException":
            return None
        raise
    return PolicyDocument("the key's policy", "resource", json.loads(text))
