"""Which parameters are asked for."""

import boto3
import pytest
from botocore.stub import Stubber

from omc_runbook.aws import ssm


@pytest.mark.parametrize(
    "impossible", ["/app/SECRET KEY", " KEY", "/app//KEY", "KEY=value", "/app/Schlüssel", "k" * 1012]
)
def test_a_name_that_no_parameter_can_have_does_not_spoil_the_call(impossible: str) -> None:
    """AWS refuses a call with it, so that nothing would be known of the others either."""
    client = boto3.client("ssm", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    names = ["/app/KEY_1.a-b", "KEY"]
    with Stubber(client) as stub:
        filters = [{"Key": "Name", "Option": "Equals", "Values": names}]
        stub.add_response("describe_parameters", {"Parameters": [{"Name": "KEY"}]}, {"ParameterFilters": filters})
        assert [each.name for each in ssm.describe(client, [names[0], impossible, names[1]])] == ["KEY"]
        # Without a call, it does not exist.
        assert ssm.describe(client, [impossible]) == ()
