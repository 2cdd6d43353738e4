"""Who is calling: the account and the principal of the credentials in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sts.client import STSClient


@dataclass(frozen=True)
class Caller:
    """The account and principal that AWS sees.

    See https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """

    account: str
    arn: str

    @property
    def partition(self) -> str:
        """The partition of the account: aws, aws-cn, aws-us-gov."""
        return self.arn.split(":")[1]


def get_caller(client: STSClient) -> Caller:
    """Ask AWS who is calling."""
    answer = client.get_caller_identity()
    return Caller(answer["Account"], answer["Arn"])
