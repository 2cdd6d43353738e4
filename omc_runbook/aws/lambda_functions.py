"""Lambda: the function that rotates a secret, and the roles that functions have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from omc_runbook.aws.failures import is_answer
from omc_runbook.model.arn import function_in

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, kw_only=True)
class RotationFunction:
    """A function: whether it exists, its State and LastUpdateStatus, and the reasons for these.

    See https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html
    """

    arn: str
    exists: bool
    state: str = ""
    last_update: str = ""
    reason: str = ""
    log_group: str = ""
    """The log group that it writes to, "" for one that does not exist."""


def describe(client: LambdaClient, arn: str) -> RotationFunction:
    """Read a function's configuration, without its code.

    See https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
    """
    try:
        answer = client.get_function_configuration(FunctionName=arn)
    except ClientError as error:
        if is_answer(error, "ResourceNotFoundException"):
            return RotationFunction(arn=arn, exists=False)
        raise
    return RotationFunction(
        arn=arn,
        exists=True,
        log_group=answer.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function_in(arn)}",
        state=answer.get("State", ""),
        last_update=answer.get("LastUpdateStatus", ""),
        reason=answer.get("StateReason", "") or answer.get("LastUpdateStatusReason", ""),
    )


def list_roles(client: LambdaClient) -> dict[str, str]:
    """The ARN of each function of the region, with that of its role.

    See https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html
    """
    pages = client.get_paginator("list_functions").paginate()
    return {each["FunctionArn"]: each.get("Role", "") for page in pages for each in page["Functions"]}
