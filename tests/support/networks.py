"""Networks in memory in which tasks reach Secrets Manager, each by another way, and verbs that change one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from omc_runbook.aws.ec2 import (
    AclEntry,
    Endpoint,
    NatGateway,
    Network,
    NetworkAcl,
    Route,
    RouteTable,
    Rule,
    SecurityGroup,
    Subnet,
    Vpc,
)
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.network.reachability import TaskNetwork

REGION = "ap-southeast-2"
VPC, TASKS, ENDPOINTS = "vpc-1", "sg-tasks", "sg-endpoint"
PRIVATE, OTHER, PUBLIC = "subnet-a", "subnet-b", "subnet-public"
NAT, GATEWAY, ENDPOINT = "nat-1", "igw-1", "vpce-1"
SERVICE = f"com.amazonaws.{REGION}.secretsmanager"
EVERYWHERE = "0.0.0.0/0"
LOCAL = Route("10.0.0.0/16", "local", "active")

IN_PRIVATE = TaskNetwork(PRIVATE, (TASKS,))
IN_PUBLIC = TaskNetwork(PUBLIC, (TASKS,), public_ip=True)


def rule(*peers: str, protocol: str = "tcp", ports: tuple[int, int] | None = (443, 443)) -> Rule:
    """A rule of a security group."""
    first, last = ports or (None, None)
    return Rule(protocol, first, last, peers)


def entry(number: int, allow: bool, egress: bool, cidr: str = EVERYWHERE, **ports: Any) -> AclEntry:
    """An entry of an ACL, of every protocol unless `ports` are given as (first, last)."""
    first, last = ports.get("ports", (None, None))
    return AclEntry(
        number=number,
        egress=egress,
        allow=allow,
        protocol="6" if first is not None else "-1",
        cidr=cidr,
        first=first,
        last=last,
    )


OPEN = (entry(100, True, True), entry(100, True, False), entry(32767, False, True), entry(32767, False, False))
OPEN_FOR_IPV6 = (entry(101, True, True, "::/0"), entry(101, True, False, "::/0"))
ALL_OUT = rule(EVERYWHERE, protocol="-1", ports=None)


def by_nat() -> Network:
    """Private subnets with a NAT gateway in a public one; the main table leads nowhere."""
    return Network(
        vpcs={VPC: Vpc(id=VPC, dns_support=True, dns_hostnames=True)},
        subnets={
            PRIVATE: Subnet(PRIVATE, VPC, "10.0.1.0/24"),
            OTHER: Subnet(OTHER, VPC, "10.0.2.0/24"),
            PUBLIC: Subnet(PUBLIC, VPC, "10.0.9.0/24"),
        },
        route_tables=(
            RouteTable(id="rtb-main", vpc=VPC, subnets=(), main=True, routes=(LOCAL,)),
            RouteTable(
                id="rtb-private",
                vpc=VPC,
                subnets=(PRIVATE, OTHER),
                main=False,
                routes=(LOCAL, Route(EVERYWHERE, NAT, "active")),
            ),
            RouteTable(
                id="rtb-public",
                vpc=VPC,
                subnets=(PUBLIC,),
                main=False,
                routes=(LOCAL, Route(EVERYWHERE, GATEWAY, "active")),
            ),
        ),
        nat_gateways={NAT: NatGateway(NAT, PUBLIC, "available", True)},
        internet_gateways={GATEWAY: VPC},
        groups={
            TASKS: SecurityGroup(id=TASKS, name="tasks", vpc=VPC, ingress=(), egress=(ALL_OUT,)),
            ENDPOINTS: SecurityGroup(
                id=ENDPOINTS, name="endpoint", vpc=VPC, ingress=(rule("10.0.0.0/16"),), egress=(ALL_OUT,)
            ),
            "sg-default": SecurityGroup(
                id="sg-default", name="default", vpc=VPC, ingress=(rule("sg-default"),), egress=(ALL_OUT,)
            ),
        },
        acls=(NetworkAcl(id="acl-1", subnets=(PRIVATE, OTHER, PUBLIC), entries=(*OPEN, *OPEN_FOR_IPV6)),),
        endpoints=(),
        prefix_lists={},
    )


def by_endpoint(**changes: Any) -> Network:
    """Private subnets without a way out, and an interface endpoint in them."""
    return with_endpoint(with_routes(by_nat()), **changes)


def with_endpoint(network: Network, **changes: Any) -> Network:
    """Add an interface endpoint with a private DNS name."""
    endpoint = Endpoint(
        id=ENDPOINT,
        vpc=VPC,
        service=SERVICE,
        kind="Interface",
        state="available",
        private_dns=True,
        subnets=(PRIVATE, OTHER),
        groups=(ENDPOINTS,),
        policy=None,
    )
    return replace(network, endpoints=(*(network.endpoints or ()), replace(endpoint, **changes)))


def with_routes(network: Network, *routes: Route, table: str = "rtb-private") -> Network:
    """Give a route table these routes beside the local one."""
    tables = tuple(
        replace(old, routes=(LOCAL, *routes)) if old.id == table else old for old in network.route_tables or ()
    )
    return replace(network, route_tables=tables)


def with_nat(network: Network, **changes: Any) -> Network:
    """Change the NAT gateway."""
    assert network.nat_gateways
    return replace(network, nat_gateways={NAT: replace(network.nat_gateways[NAT], **changes)})


def with_egress(network: Network, *rules: Rule, group: str = TASKS) -> Network:
    """Give a security group these rules for what goes out."""
    assert network.groups
    return replace(network, groups={**network.groups, group: replace(network.groups[group], egress=rules)})


def with_ingress(network: Network, *rules: Rule, group: str = ENDPOINTS) -> Network:
    """Give a security group these rules for what comes in."""
    assert network.groups
    return replace(network, groups={**network.groups, group: replace(network.groups[group], ingress=rules)})


def with_acl(network: Network, *entries: AclEntry, subnet: str = PRIVATE) -> Network:
    """Give a subnet an ACL of its own."""
    own = NetworkAcl(id="acl-2", subnets=(subnet,), entries=tuple(sorted(entries, key=lambda e: e.number)))
    others = tuple(replace(a, subnets=tuple(s for s in a.subnets if s != subnet)) for a in network.acls or ())
    return replace(network, acls=(*others, own))


def with_vpc(network: Network, **changes: Any) -> Network:
    """Change the VPC."""
    assert network.vpcs
    return replace(network, vpcs={VPC: replace(network.vpcs[VPC], **changes)})


def endpoint_policy(**statement: Any) -> PolicyDocument:
    """An endpoint's policy of one statement, which allows everything unless it says otherwise."""
    whole = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", **statement}
    return PolicyDocument("the policy of vpce-1", "resource", {"Version": "2012-10-17", "Statement": [whole]})
