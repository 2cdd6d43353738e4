"""Answers that come in several parts, or late."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from omc_runbook.aws import answer, ec2, iam
from omc_runbook.aws.answer import InvalidResponse

ARN = "arn:aws:iam::123456789012:role/reader"
READ = datetime(2026, 7, 1, tzinfo=UTC)


def client_of(service: str) -> Any:
    """A client that calls nobody."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name="ap-southeast-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def service(name: str, **more: Any) -> dict[str, Any]:
    """A service of a report of last accesses."""
    return {"ServiceName": name, "ServiceNamespace": name, **more}


def part(status: str, *services: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A part of such a report."""
    return {
        "JobStatus": status,
        "JobCreationDate": READ,
        "JobCompletionDate": READ,
        "ServicesLastAccessed": [*services],
    } | more


SECRETS = service(
    "secretsmanager",
    LastAuthenticated=READ,
    TrackedActionsLastAccessed=[
        {"ActionName": "GetSecretValue", "LastAccessedTime": READ},
        {"ActionName": "PutSecretValue"},
    ],
)
READS = iam.LastAccess(READ, {"GetSecretValue": READ, "PutSecretValue": None})
PAGED: dict[str, Any] = {"IsTruncated": True, "Marker": "2"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((part("IN_PROGRESS"), part("COMPLETED", SECRETS)), READS),
        ((part("COMPLETED", service("s3"), **PAGED), part("COMPLETED", SECRETS)), READS),
        ((part("COMPLETED", service("s3"), **PAGED), part("COMPLETED", service("ecs"))), iam.LastAccess(None, {})),
        ((part("FAILED", Error={"Message": "x", "Code": "y"}),), None),
    ],
)
def test_a_report_of_last_accesses_is_awaited_and_read_to_its_end(
    parts: tuple[dict[str, Any], ...], expected: iam.LastAccess | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is on a later page has not been left unused; one that failed says nothing."""
    monkeypatch.setattr(iam, "POLL_SECONDS", 0)
    client = client_of("iam")
    with Stubber(client) as stub:
        stub.add_response("generate_service_last_accessed_details", {"JobId": "j" * 36})
        for each in parts:
            stub.add_response("get_service_last_accessed_details", each)
        assert iam.get_last_access(client, ARN) == expected
        stub.assert_no_pending_responses()


def test_a_page_that_names_itself_as_the_next_is_no_answer() -> None:
    """Else the calls would never end."""
    client = client_of("secretsmanager")
    page = {"ResourcePolicies": [], "NextToken": "2"}
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("list_resource_policies", page)
        with pytest.raises(InvalidResponse):
            list(answer.pages(lambda **token: client.list_resource_policies(SecretId="app", **token), "NextToken"))
        stub.assert_no_pending_responses()


def dhcp(key: str, *values: str) -> dict[str, Any]:
    """A set of DHCP options with one option."""
    return {"DhcpOptions": [{"DhcpConfigurations": [{"Key": key, "Values": [{"Value": each} for each in values]}]}]}


@pytest.mark.parametrize(
    ("pages", "is_other"),
    [
        ([dhcp("domain-name-servers", "AmazonProvidedDNS")], False),
        ([dhcp("domain-name", "example.test")], False),
        ([dhcp("domain-name-servers", "AmazonProvidedDNS", "10.0.0.7")], True),
        ([{"DhcpOptions": [], "NextToken": "2"}, dhcp("domain-name-servers", "10.0.0.7")], True),
    ],
)
def test_dhcp_options_may_name_another_server_of_names(pages: list[dict[str, Any]], is_other: bool) -> None:
    """Then a VPC without Amazon's own DNS may resolve names all the same."""
    client = client_of("ec2")
    with Stubber(client) as stub:
        for page in pages:
            stub.add_response("describe_dhcp_options", page)
        assert ec2.names_other_dns(client, "dopt-1") == is_other
        stub.assert_no_pending_responses()


def test_a_filter_has_no_more_values_than_ec2_takes() -> None:
    """With more subnets, the call is made again: EC2 would refuse all of them (FilterLimitExceeded)."""
    ids = [f"subnet-{number:017x}" for number in range(ec2.VALUES_A_CALL + 1)]
    client = client_of("ec2")
    with Stubber(client) as stub:
        for part in (ids[: ec2.VALUES_A_CALL], ids[ec2.VALUES_A_CALL :]):
            subnets = [{"SubnetId": id, "VpcId": "vpc-1"} for id in part]
            stub.add_response(
                "describe_subnets", {"Subnets": subnets}, {"Filters": [{"Name": "subnet-id", "Values": part}]}
            )
        assert list(ec2.describe_subnets(client, ids)) == ids
        stub.assert_no_pending_responses()


def test_a_subnet_tells_how_public_access_to_it_is_blocked() -> None:
    """Block Public Access overrides its routes; a stand-in for AWS may not tell."""
    client, blocked = client_of("ec2"), {"InternetGatewayBlockMode": "block-ingress"}
    with Stubber(client) as stub:
        subnets = [{"SubnetId": id, "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24"} for id in ("subnet-1", "subnet-2")]
        stub.add_response(
            "describe_subnets", {"Subnets": [{**subnets[0], "BlockPublicAccessStates": blocked}, subnets[1]]}
        )
        found = ec2.describe_subnets(client, ["subnet-1", "subnet-2"])
    assert [subnet.gateway_block for subnet in found.values()] == ["block-ingress", ""]
