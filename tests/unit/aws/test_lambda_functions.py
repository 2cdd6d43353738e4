"""The configuration of a rotation function."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from omc_runbook.aws.lambda_functions import describe

ARN = "arn:aws:lambda:ap-southeast-2:123456789012:function:rotator"


@pytest.mark.parametrize(
    ("configuration", "group"),
    [
        ({"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/platform/rotation"}}, "/platform/rotation"),
        ({"LoggingConfig": {"LogFormat": "Text"}}, "/aws/lambda/rotator"),
        ({}, "/aws/lambda/rotator"),
    ],
)
def test_a_function_writes_to_the_log_group_that_its_configuration_names(
    configuration: dict[str, Any], group: str
) -> None:
    """Else to the one that Lambda gives it; an ARN with an alias has the function's."""
    client = boto3.client("lambda", "ap-southeast-2", aws_access_key_id="a", aws_secret_access_key="b")
    for arn in (ARN, f"{ARN}:live"):
        with Stubber(client) as stubber:
            stubber.add_response("get_function_configuration", {"State": "Active", **configuration})
            assert describe(client, arn).log_group == group
