"""EC2: the parts of a VPC that decide whether tasks reach an AWS service."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.iam.policy import PolicyDocument


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
    """A subnet."""

    id: str
    vpc: str
    cidr: str


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
