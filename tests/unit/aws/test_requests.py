"""What the suites' check of requests tells: a request that AWS would refuse, and emulators take."""

from typing import Any

import pytest

from omc_runbook.aws.session import Clients


@pytest.mark.parametrize(
    ("service", "call", "request_", "message"),
    [
        ("ecs", "describe_services", {"services": ["a"] * 11}, "more than 10 services"),
        ("cloudtrail", "lookup_events", {"MaxResults": 51}, "MaxResults has 51, and 50 is the most"),
        ("cloudtrail", "get_query_results", {"QueryId": "Q" * 36}, "QueryId does not match"),
        ("ecs", "list_tasks", {"desiredStatus": "GONE"}, "desiredStatus is none of RUNNING, PENDING, STOPPED"),
        ("ec2", "describe_subnets", {"Filters": [{"Name": "vpc-id", "Values": ["v"] * 201}]}, "too many filters"),
        ("secretsmanager", "put_secret_value", {"SecretId": "a", "SecretString": "é" * 32_769}, "SecretString is too"),
        ("secretsmanager", "describe_secret", {"SecretId": "a" * 2049}, "SecretId has 2049, and 2048 is the most"),
    ],
)
def test_a_request_that_aws_would_refuse_fails_the_test(
    service: str, call: str, request_: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is sent, without a value in the message."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = Clients("eu-west-1")(service)
    with pytest.raises(AssertionError, match=f"AWS refuses this {service}:.*{message}") as caught:
        getattr(client, call)(**request_)
    assert "é" not in str(caught.value)
