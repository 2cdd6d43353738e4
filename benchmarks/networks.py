"""VPCs with what belongs to them, as a team makes them through the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from omc_runbook.sandbox.worlds.staging import World

ANY = "0.0.0.0/0"


def make_vpc(world: World, cidr: str = "10.40", count: int = 2) -> tuple[str, list[str]]:
    """A VPC that resolves names, and subnets in zones of their own with no route out."""
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=f"{cidr}.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"{cidr}.{10 * number}.0/24", AvailabilityZone=zones[number % len(zones)]
        )["Subnet"]["SubnetId"]
        for number in range(count)
    ]
    return vpc, subnets


def make_group(
    world: World,
    vpc: str,
    name: str,
    egress: list[dict[str, Any]] | None = None,
    ingress: Sequence[dict[str, Any]] = (),
) -> str:
    """A security group that lets in what is passed, and out either everything or what is passed."""
    ec2 = world.client("ec2")
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
    if egress is not None:
        everything = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=egress)
    if ingress:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(ingress))
    return group


def tcp(port: int, *cidrs: str, group: str = "") -> dict[str, Any]:
    sources: dict[str, Any] = {"IpRanges": [{"CidrIp": cidr} for cidr in cidrs]}
    if group:
        sources = {"UserIdGroupPairs": [{"GroupId": group}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **sources}


def make_route(world: World, vpc: str, subnets: Iterable[str], **target: str) -> str:
    """A route table of these subnets that sends everything to a target; its id."""
    ec2 = world.client("ec2")
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    if target:
        ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANY, **target)
    for subnet in subnets:
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return str(table)


def make_gateway(world: World, vpc: str) -> str:
    ec2 = world.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return str(gateway)


def make_nat(world: World, subnet: str) -> str:
    ec2 = world.client("ec2")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    return str(ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"])


def make_endpoints(world: World, vpc: str, subnets: Sequence[str], group: str, *names: str, **more: Any) -> None:
    for name in names:
        world.client("ec2").create_vpc_endpoint(
            VpcId=vpc,
            VpcEndpointType="Interface",
            ServiceName=f"com.amazonaws.{world.region}.{name}",
            SubnetIds=list(subnets),
            SecurityGroupIds=[group],
            PrivateDnsEnabled=True,
            **more,
        )
