"""Who is calling: the account and the principal of the credentials in use, and the roles that it assumes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omc_runbook.model.arn import partition_in

if TYPE_CHECKING:
    from mypy_boto3_sts.client import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleRequestTypeDef


@dataclass(frozen=True)
class Caller:
    """The account and principal that AWS sees.

    See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """

    account: str
    arn: str
    source: str = ""
    """The ARN of the principal that assumed this one's role for the run; "" where none did."""

    @property
    def partition(self) -> str:
        """The partition of the account: aws, aws-cn, aws-us-gov."""
        return partition_in(self.arn)


_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_+=,.@-]")
_LONGEST_NAME = 64


def get_caller(client: STSClient) -> Caller:
    """Ask AWS who is calling."""
    answer = client.get_caller_identity()
    return Caller(answer["Account"], answer["Arn"])


def assume_role(client: STSClient, caller: Caller, arn: str, external_id: str = "") -> dict[str, str]:
    """Assume a role for an hour, as omc-runbook-CALLER; its credentials, under botocore's names for them.

    See https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    name = f"omc-runbook-{_NOT_IN_A_NAME.sub('-', caller.arn.rpartition('/')[2])}"[:_LONGEST_NAME]
    request: AssumeRoleRequestTypeDef = {"RoleArn": arn, "RoleSessionName": name}
    if external_id:
        request["ExternalId"] = external_id
    credentials = client.assume_role(**request)["Credentials"]
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": credentials["Expiration"].isoformat(),
    }
