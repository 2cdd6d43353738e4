"""The network is read at once: each call once for all VPCs, and what is refused is told by its permission."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from support.faults.deployment import BREAKER
from support.moto_environment import REGION, Wire, between, client, clients_of, mock_aws
from support.snapshots import NOW, deployment, healthy, stopped, with_service, with_tasks

from omc_runbook.aws.ec2 import Network
from omc_runbook.aws.ecs import Placement
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.networking import has_network_failure, read
from omc_runbook.snapshot.state import Snapshot

pytestmark = pytest.mark.usefixtures("own_registry")

ONCE = {
    *("DescribeVpcs", "DescribeRouteTables", "DescribeNatGateways", "DescribeInternetGateways"),
    *("DescribeSecurityGroups", "DescribeNetworkAcls", "DescribeVpcEndpoints"),
}
"""Calls that are made once, however many VPCs there are."""


@dataclass(frozen=True)
class Site:
    """A VPC with one subnet, a NAT gateway, a security group and an endpoint, by their ids."""

    vpc: str
    subnet: str
    group: str
    endpoint: str
    nat: str


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[Site, Site]]:
    """Two of them in moto, which no test here changes, beside a third, of which nobody asks."""
    with mock_aws():
        make("10.3.0.0/16")
        yield make("10.1.0.0/16"), make("10.2.0.0/16")


def make(cidr: str) -> Site:
    """Make one."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr.replace("/16", "/24"))["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="tasks", Description="Tasks", VpcId=vpc)["GroupId"]
    ours = ec2.create_managed_prefix_list(
        PrefixListName="ours", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": cidr}]
    )["PrefixList"]["PrefixListId"]
    https: Any = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**https, "PrefixListIds": [{"PrefixListId": ours}]}]
    )
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{REGION}.secretsmanager",
        SubnetIds=[subnet],
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]["VpcEndpointId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    [table] = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    return Site(vpc, subnet, group, endpoint, nat)


def placed(sites: tuple[Site, Site]) -> Snapshot:
    """The backend in one of them, the worker in the other."""
    snapshot = healthy()
    for name, site in zip(("backend", "worker"), sites, strict=True):
        snapshot = with_service(snapshot, name, placement=Placement((site.subnet,), (site.group,)))
    return snapshot


def look(snapshot: Snapshot, wire: Wire) -> tuple[Network | None, tuple[ReadFailure, ...]]:
    """Read a snapshot's network across a wire, with the refused parts."""
    with ThreadPoolExecutor(4) as pool, between(wire):
        asking = Gatherer(pool, clients_of(REGION), snapshot.environment, snapshot.caller)
        return read(asking, snapshot), asking.gaps["network"]


def test_two_networks_are_read_in_the_calls_of_one(sites: tuple[Site, Site]) -> None:
    """All that decides is there, of both VPCs and no other, and no call was made twice."""
    wire = Wire()
    network, gaps = look(placed(sites), wire)
    assert network and not gaps
    assert set(network.vpcs or ()) == {site.vpc for site in sites}
    assert all(vpc.dns_support and vpc.dns_hostnames for vpc in (network.vpcs or {}).values())
    assert set(network.subnets or ()) == {site.subnet for site in sites}
    assert set(network.nat_gateways or ()) == {site.nat for site in sites}
    assert {endpoint.id for endpoint in network.endpoints or ()} == {site.endpoint for site in sites}
    assert {site.group for site in sites} < set(network.groups or ())
    assert {group.vpc for group in (network.groups or {}).values()} == {site.vpc for site in sites}
    assert {acl.subnets for acl in network.acls or ()} == {(site.subnet,) for site in sites}
    assert sorted((network.internet_gateways or {}).values()) == sorted(site.vpc for site in sites)
    assert sorted(network.prefix_lists.values()) == [("10.1.0.0/16",), ("10.2.0.0/16",)]
    targets = {route.target for table in network.route_tables or () for route in table.routes}
    assert targets == {"local", *(site.nat for site in sites)}
    assert {table.vpc for table in network.route_tables or ()} == {site.vpc for site in sites}
    assert {wire.made(call) for call in ONCE} == {1}
    assert max(wire.calls.values()) == 1


def test_without_permissions_each_is_named(sites: tuple[Site, Site]) -> None:
    """A refused part is None, and the gap names its permission; without the subnets there is nothing."""
    wire = Wire(refused=dict.fromkeys({*ONCE, "DescribeVpcAttribute"}, "UnauthorizedOperation"))
    network, gaps = look(placed(sites), wire)
    assert network and network.route_tables is network.acls is network.endpoints is network.vpcs is None
    assert {gap.permission for gap in gaps} == {f"ec2:{call}" for call in {*ONCE, "DescribeVpcAttribute"}}
    network, gaps = look(placed(sites), Wire(refused={"DescribeSubnets": "UnauthorizedOperation"}))
    assert network is None and [gap.permission for gap in gaps] == ["ec2:DescribeSubnets"]


def test_nothing_to_read(sites: tuple[Site, Site]) -> None:
    """Tasks without network interfaces, or in subnets that are gone, make no further call."""
    wire = Wire()
    assert look(healthy(), wire)[0] and not wire.calls
    without_subnet = with_service(healthy(), "backend", placement=Placement(("subnet-0123456789abcdef0",), ()))
    network, gaps = look(without_subnet, wire)
    assert network and network.subnets == {} and not gaps and wire.operations == {"DescribeSubnets"}


@pytest.mark.parametrize(
    ("reason", "is_network"),
    [
        ("There is a connection issue between the task and AWS Secrets Manager.", True),
        ("RequestError: send request failed caused by: Post https://secretsmanager: dial tcp 3.4.5.6:443", True),
        ("context deadline exceeded", True),
        ("because no VPC endpoint policy allows the secretsmanager:GetSecretValue action", True),
        ("because no identity-based policy allows the secretsmanager:GetSecretValue action", False),
        ("retrieved secret from Secrets Manager did not contain json key A", False),
    ],
)
def test_whose_words_are_the_networks(reason: str, is_network: bool) -> None:
    """What ECS writes of a lost connection makes verify look at the network; nothing else does."""
    failed = stopped("worker", f"ResourceInitializationError: unable to pull secrets: {reason}", NOW)
    assert has_network_failure(with_tasks(healthy(), failed)) is is_network
    ended = stopped("worker", failed.stopped_reason, NOW, deployment_id="ecs-svc/ended-long-ago")
    assert not has_network_failure(with_tasks(healthy(), ended))
    back = deployment("worker", NOW - timedelta(minutes=5), rollout_reason=BREAKER)
    rolled_back = with_service(healthy(), "worker", deployments=(back,))
    assert has_network_failure(with_tasks(rolled_back, ended)) is is_network
