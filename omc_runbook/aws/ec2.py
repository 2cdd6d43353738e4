"""EC2: the parts of a VPC that decide whether tasks reach an AWS service, each kind read with one call for all VPCs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from omc_runbook.aws.answer import parse_object
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.grouping import batches

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

AMAZON_DNS = "AmazonProvidedDNS"
VALUES_A_CALL = 200
"""How many values the filters of one call may have; see
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (FilterLimitExceeded)"""
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_TARGETS = (
    *("NatGatewayId", "TransitGatewayId", "VpcPeeringConnectionId", "EgressOnlyInternetGatewayId", "LocalGatewayId"),
    *("CarrierGatewayId", "CoreNetworkArn", "InstanceId", "NetworkInterfaceId", "GatewayId", "OdbNetworkArn"),
)


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """A VPC; tasks resolve names only with `dns_support`, and private DNS names only with both."""

    id: str
    dns_support: bool | None = None
    """None where the attribute could not be read."""
    dns_hostnames: bool | None = None
    dhcp_options: str = ""


@dataclass(frozen=True)
class Subnet:
    """A subnet; `gateway_block` is the mode in which VPC Block Public Access keeps it from internet gateways.

    "off" or "" is none, "block-ingress" still lets NAT gateways call out, "block-bidirectional" nothing. See
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_BlockPublicAccessStates.html
    """

    id: str
    vpc: str
    cidr: str
    gateway_block: str = ""


@dataclass(frozen=True)
class Route:
    """A route: a destination (a CIDR or a prefix list's id), the target's id and its state, active or blackhole."""

    destination: str
    target: str
    state: str


@dataclass(frozen=True, kw_only=True)
class RouteTable:
    """A route table; the `main` one applies to subnets without an association."""

    id: str
    vpc: str
    subnets: tuple[str, ...]
    main: bool
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class NatGateway:
    """A NAT gateway; a private one (`public` is False) has no route to the internet."""

    id: str
    subnet: str
    state: str
    public: bool


@dataclass(frozen=True)
class Rule:
    """A rule of a security group: protocol ("-1" for all), ports (both None for all) and the peers it allows.

    `peers` are CIDRs, ids of security groups and ids of prefix lists.
    """

    protocol: str
    first: int | None
    last: int | None
    peers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SecurityGroup:
    """A security group."""

    id: str
    name: str
    vpc: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class AclEntry:
    """An entry of a network ACL; the lowest number that matches decides."""

    number: int
    egress: bool
    allow: bool
    protocol: str
    cidr: str
    first: int | None
    last: int | None


@dataclass(frozen=True, kw_only=True)
class NetworkAcl:
    """A network ACL and its associated subnets."""

    id: str
    subnets: tuple[str, ...]
    entries: tuple[AclEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A VPC endpoint of an AWS service; `kind` is Interface or Gateway."""

    id: str
    vpc: str
    service: str
    """Such as com.amazonaws.ap-southeast-2.secretsmanager."""
    kind: str
    state: str
    private_dns: bool
    subnets: tuple[str, ...]
    groups: tuple[str, ...]
    policy: PolicyDocument | None


@dataclass(frozen=True, kw_only=True)
class Network:
    """The VPCs of some subnets, with everything that decides where their traffic goes.

    A field is None where it could not be read.
    """

    vpcs: dict[str, Vpc] | None
    subnets: dict[str, Subnet] | None
    route_tables: tuple[RouteTable, ...] | None
    nat_gateways: dict[str, NatGateway] | None
    internet_gateways: dict[str, str] | None
    """The VPC that each is attached to, by id."""
    groups: dict[str, SecurityGroup] | None
    acls: tuple[NetworkAcl, ...] | None
    endpoints: tuple[Endpoint, ...] | None
    prefix_lists: dict[str, tuple[str, ...]]
    """The CIDRs of prefix lists that rules and routes name, by id; AWS's own have no address of Secrets Manager."""
    own_dns: frozenset[str] = frozenset()
    """Ids of DHCP options with DNS servers other than Amazon's; read where a VPC has no DNS support."""


def list_regions(client: EC2Client) -> tuple[str, ...]:
    """The regions that are enabled for the account.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
    """
    return tuple(region["RegionName"] for region in client.describe_regions()["Regions"])


def describe_subnets(client: EC2Client, values: Sequence[str], by: str = "subnet-id") -> dict[str, Subnet]:
    """Read subnets by id, or by another filter's values, such as those of "vpc-id"; what does not exist is left out.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html
    """
    found = _listed(client.get_paginator("describe_subnets"), "Subnets", values, by)
    return {raw["SubnetId"]: _subnet(raw) for raw in found}


def describe_vpcs(client: EC2Client, ids: Sequence[str]) -> dict[str, Vpc]:
    """Read VPCs without their DNS attributes.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcs.html
    """
    pages = client.get_paginator("describe_vpcs").paginate(VpcIds=list(ids))
    vpcs = (Vpc(id=raw["VpcId"], dhcp_options=raw.get("DhcpOptionsId", "")) for page in pages for raw in page["Vpcs"])
    return {vpc.id: vpc for vpc in vpcs}


def has_attribute(
    client: EC2Client, vpc: str, attribute: Literal["enableDnsSupport", "enableDnsHostnames"] = "enableDnsSupport"
) -> bool:
    """Whether DNS resolution is enabled in the VPC, or DNS hostnames, which private DNS of endpoints needs too.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcAttribute.html
    """
    answer: Any = client.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
    return bool(answer[attribute.replace("e", "E", 1)].get("Value"))


def names_other_dns(client: EC2Client, dhcp_options: str) -> bool:
    """Whether DHCP options name other DNS servers than Amazon's.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeDhcpOptions.html
    """
    sets = _listed(client.get_paginator("describe_dhcp_options"), "DhcpOptions", [dhcp_options], by="dhcp-options-id")
    options = [option for raw in sets for option in raw["DhcpConfigurations"]]
    servers = [o.get("Values", []) for o in options if o.get("Key") == "domain-name-servers"]
    return any(value.get("Value") != AMAZON_DNS for values in servers for value in values)


def describe_route_tables(client: EC2Client, vpcs: Sequence[str]) -> tuple[RouteTable, ...]:
    """Read the route tables of some VPCs.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRouteTables.html
    """
    return tuple(map(_route_table, _listed(client.get_paginator("describe_route_tables"), "RouteTables", vpcs)))


def describe_nat_gateways(client: EC2Client, vpcs: Sequence[str]) -> dict[str, NatGateway]:
    """Read the NAT gateways of some VPCs, including those deleted within the last hour.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNatGateways.html
    """
    return {
        raw["NatGatewayId"]: NatGateway(
            id=raw["NatGatewayId"],
            subnet=raw.get("SubnetId", ""),
            state=raw.get("State", ""),
            public=raw.get("ConnectivityType", "public") == "public",
        )
        for raw in _listed(client.get_paginator("describe_nat_gateways"), "NatGateways", vpcs)
    }


def describe_internet_gateways(client: EC2Client, vpcs: Sequence[str]) -> dict[str, str]:
    """Read the VPC that each internet gateway of some VPCs is attached to, by the gateway's id.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInternetGateways.html
    """
    paginator = client.get_paginator("describe_internet_gateways")
    return {
        raw["InternetGatewayId"]: attachment["VpcId"]
        for raw in _listed(paginator, "InternetGateways", vpcs, by="attachment.vpc-id")
        for attachment in raw.get("Attachments", ())
        if attachment.get("State") in ("available", "attached")
    }


def describe_security_groups(client: EC2Client, vpcs: Sequence[str]) -> dict[str, SecurityGroup]:
    """Read the security groups of some VPCs.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
    """
    groups = _listed(client.get_paginator("describe_security_groups"), "SecurityGroups", vpcs)
    return {raw["GroupId"]: _security_group(raw) for raw in groups}


def describe_network_acls(client: EC2Client, vpcs: Sequence[str]) -> tuple[NetworkAcl, ...]:
    """Read the network ACLs of some VPCs.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkAcls.html
    """
    return tuple(map(_network_acl, _listed(client.get_paginator("describe_network_acls"), "NetworkAcls", vpcs)))


def describe_vpc_endpoints(client: EC2Client, vpcs: Sequence[str]) -> tuple[Endpoint, ...]:
    """Read the endpoints of some VPCs.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html
    """
    return tuple(map(_endpoint, _listed(client.get_paginator("describe_vpc_endpoints"), "VpcEndpoints", vpcs)))


def describe_prefix_lists(client: EC2Client, ids: Sequence[str]) -> dict[str, bool]:
    """Read by id whether AWS owns each prefix list.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeManagedPrefixLists.html
    """
    lists = _listed(client.get_paginator("describe_managed_prefix_lists"), "PrefixLists", ids, by="prefix-list-id")
    return {raw["PrefixListId"]: raw.get("OwnerId") == "AWS" for raw in lists}


def get_prefix_list_entries(client: EC2Client, id: str) -> tuple[str, ...]:
    """Read the CIDRs of a prefix list.

    See https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetManagedPrefixListEntries.html
    """
    pages = client.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=id)
    return tuple(raw["Cidr"] for page in pages for raw in page["Entries"])


def _listed(paginator: Any, member: str, values: Sequence[str], by: str = "vpc-id") -> Iterator[Any]:
    """What all pages of a call have as a member, of those that a filter finds by these values."""
    for batch in batches(values, VALUES_A_CALL):
        for page in paginator.paginate(Filters=[{"Name": by, "Values": list(batch)}]):
            yield from page[member]


def _subnet(raw: Any) -> Subnet:
    block = (raw.get("BlockPublicAccessStates") or {}).get("InternetGatewayBlockMode", "")
    return Subnet(raw["SubnetId"], raw["VpcId"], raw.get("CidrBlock", ""), block)


def _route_table(raw: Any) -> RouteTable:
    associations = raw.get("Associations", ())
    return RouteTable(
        id=raw["RouteTableId"],
        vpc=raw["VpcId"],
        subnets=tuple(entry["SubnetId"] for entry in associations if entry.get("SubnetId")),
        main=any(entry.get("Main") for entry in associations),
        routes=tuple(
            Route(_first(entry, _DESTINATIONS), _first(entry, _TARGETS), entry.get("State", "active"))
            for entry in raw.get("Routes", ())
        ),
    )


def _first(raw: Any, names: Sequence[str]) -> str:
    return next((str(raw[name]) for name in names if raw.get(name)), "")


def _security_group(raw: Any) -> SecurityGroup:
    return SecurityGroup(
        id=raw["GroupId"],
        name=raw.get("GroupName", ""),
        vpc=raw.get("VpcId", ""),
        ingress=tuple(_rule(entry) for entry in raw.get("IpPermissions", ())),
        egress=tuple(_rule(entry) for entry in raw.get("IpPermissionsEgress", ())),
    )


def _rule(raw: Any) -> Rule:
    return Rule(str(raw.get("IpProtocol", "-1")), raw.get("FromPort"), raw.get("ToPort"), tuple(_peers(raw)))


def _peers(raw: Any) -> Iterator[str]:
    yield from (entry["CidrIp"] for entry in raw.get("IpRanges", ()))
    yield from (entry["CidrIpv6"] for entry in raw.get("Ipv6Ranges", ()))
    yield from (entry["GroupId"] for entry in raw.get("UserIdGroupPairs", ()) if entry.get("GroupId"))
    yield from (entry["PrefixListId"] for entry in raw.get("PrefixListIds", ()))


def _network_acl(raw: Any) -> NetworkAcl:
    return NetworkAcl(
        id=raw["NetworkAclId"],
        subnets=tuple(entry["SubnetId"] for entry in raw.get("Associations", ())),
        entries=tuple(sorted((_entry(entry) for entry in raw.get("Entries", ())), key=lambda entry: entry.number)),
    )


def _entry(raw: Any) -> AclEntry:
    ports = raw.get("PortRange") or {}
    return AclEntry(
        number=int(raw["RuleNumber"]),
        egress=bool(raw["Egress"]),
        allow=raw["RuleAction"] == "allow",
        protocol=str(raw["Protocol"]),
        cidr=raw.get("CidrBlock") or raw.get("Ipv6CidrBlock", ""),
        first=ports.get("From"),
        last=ports.get("To"),
    )


def _endpoint(raw: Any) -> Endpoint:
    text = raw.get("PolicyDocument")
    policy = PolicyDocument(f"the policy of {raw['VpcEndpointId']}", "resource", parse_object(text)) if text else None
    return Endpoint(
        id=raw["VpcEndpointId"],
        vpc=raw["VpcId"],
        service=raw["ServiceName"],
        kind=raw.get("VpcEndpointType", "Gateway"),
        state=raw.get("State", ""),
        private_dns=bool(raw.get("PrivateDnsEnabled")),
        subnets=tuple(raw.get("SubnetIds", ())),
        groups=tuple(entry["GroupId"] for entry in raw.get("Groups", ())),
        policy=policy,
    )
