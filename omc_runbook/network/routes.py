"""Where a subnet's routes lead a call to a public address of AWS.

https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, collapse_addresses

from omc_runbook.aws.ec2 import Network, Route, RouteTable, Subnet
from omc_runbook.model.shell import command
from omc_runbook.network.rules import INTERNET, is_private, network_of

_WIDE = 8
"""Up to which prefix length a route is taken to lead to AWS's addresses too."""


@dataclass(frozen=True)
class Obstacle:
    """What is in the way, or may be (`certain` False): the check it belongs to, its id, and the command against it."""

    check: str
    subject: str
    facts: tuple[str, ...]
    command: str = field(default="", compare=False)
    certain: bool = True


@dataclass(frozen=True)
class Way:
    """By what a call leaves its VPC, and what is in the way; `nat_subnet` is where its NAT gateway stands."""

    by: str
    obstacles: tuple[Obstacle, ...] = ()
    nat_subnet: str = ""


def leave(network: Network, subnet: Subnet, public_ip: bool) -> Way | None:
    """The way from a subnet to the internet; None where the route tables could not be read."""
    if network.route_tables is None:
        return None
    table = table_of(network, subnet)
    if table is None:
        return _unsure("", subnet.id, f"DescribeRouteTables: no route table of {subnet.id} is told.")
    ways = [(route, _follow(network, subnet, table, route, public_ip)) for route in _outward(network, table)]
    if not ways:
        return _no_route(network, subnet, table)
    by_default = ways[-1][1]
    # A narrower route takes what it covers away from the wider one: which of them AWS's address has, nobody knows.
    differing = [way for _, way in ways if bool(way.obstacles) != bool(by_default.obstacles)]
    covered = list(collapse_addresses(destination for destination, _ in _outward(network, table)))
    if differing or covered != list(INTERNET):
        sentence = f"DescribeRouteTables: the routes of {table.id} lead a part of the internet alone, or apart."
        return _unsure(by_default.by, table.id, sentence)
    return by_default


def table_of(network: Network, subnet: Subnet) -> RouteTable | None:
    """The table that a subnet is associated with, or else its VPC's main one."""
    tables = [table for table in network.route_tables or () if table.vpc == subnet.vpc]
    own = next((table for table in tables if subnet.id in table.subnets), None)
    return own or next((table for table in tables if table.main), None)


def _outward(network: Network, table: RouteTable) -> list[tuple[IPv4Network, Route]]:
    """Routes to public addresses, as far as they are wide enough to matter, the narrowest first."""
    found = [
        (destination, route)
        for route in table.routes
        for text in network.prefix_lists.get(route.destination, (route.destination,))
        if (destination := network_of(text)) is not None and not is_private(destination)
    ]
    # The VPC's own addresses may be public ones.
    found = [pair for pair in found if pair[1].target != "local"]
    wide = [pair for pair in found if pair[0].prefixlen <= _WIDE]
    kept = wide if any(pair[0] == INTERNET[0] for pair in found) else found
    return sorted(kept, key=lambda pair: -pair[0].prefixlen)


def _no_route(network: Network, subnet: Subnet, table: RouteTable) -> Way:
    sentence = f"DescribeRouteTables: {table.id} of {subnet.id} has no route to the internet (0.0.0.0/0)"
    active = [route for route in table.routes if route.target != "local" and route.state == "active"]
    # A prefix list behind an endpoint is that of a gateway endpoint: S3's or DynamoDB's.
    others = [r for r in active if not (r.destination.startswith("pl-") and r.target.startswith("vpce-"))]
    if any(route.destination == "::/0" for route in others):
        return _unsure("", table.id, f"{sentence}, but one over IPv6 (::/0), which cannot be followed from here.")
    if any(r.destination.startswith("pl-") and r.destination not in network.prefix_lists for r in others):
        return _unsure("", table.id, f"{sentence}, but one to a prefix list whose entries are not known.")
    away = [route.target for route in others if route.target.startswith(("tgw-", "pcx-", "vgw-", "lgw-", "arn:"))]
    if away:
        # A shared endpoint may stand at the other end, found by a hosted zone that EC2 does not tell of.
        return _unsure("", table.id, f"{sentence}, but one to another network by {away[0]}.")
    return Way("", (_blocked(table, f"{sentence}.", _to_nat(network, table, "create-route")),))


def _follow(
    network: Network, subnet: Subnet, table: RouteTable, pair: tuple[IPv4Network, Route], public_ip: bool
) -> Way:
    destination, route = pair
    target = route.target
    leads = f"DescribeRouteTables: {table.id} of {subnet.id} leads {destination} to {target}"
    if route.state == "blackhole":
        fact = f"{leads or 'nothing'}, which is gone (State blackhole)."
        return Way("", (_blocked(table, fact, _to_nat(network, table, "replace-route")),))
    if target.startswith("igw-"):
        return _by_internet_gateway(network, subnet, table, target, leads, public_ip)
    if target.startswith("nat-"):
        return _by_nat(network, table, target, leads)
    return _unsure(target, table.id, f"{leads}, which cannot be followed from here.")


def _by_internet_gateway(
    network: Network, subnet: Subnet, table: RouteTable, gateway: str, leads: str, public_ip: bool
) -> Way:
    if network.internet_gateways is not None and network.internet_gateways.get(gateway) != subnet.vpc:
        attach = ("attach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", subnet.vpc)
        fact = f"{leads}, which is not attached to {subnet.vpc} (DescribeInternetGateways: Attachments)."
        return Way("", (_blocked(table, fact, command("aws", "ec2", *attach)),))
    if not public_ip:
        fact = f"{leads}, which serves public addresses alone, and the tasks have none (assignPublicIp DISABLED)."
        public = "aws ecs update-service --cluster {cluster} --service {service} --network-configuration {public}"
        return Way("", (Obstacle("no-egress", subnet.id, (fact,), public),))
    return Way(f"internet gateway {gateway}")


def _by_nat(network: Network, table: RouteTable, id: str, leads: str) -> Way:
    if network.nat_gateways is None:
        return Way(f"NAT gateway {id}")
    nat = network.nat_gateways.get(id)
    if nat is None or nat.state != "available":
        state = f"is {nat.state} (DescribeNatGateways: State)" if nat else "is not there (DescribeNatGateways)"
        fact = f"{leads}, which {state}."
        return Way("", (_blocked(table, fact, _to_nat(network, table, "replace-route")),))
    if not nat.subnet and nat.public:
        # A regional one stands in no subnet, and AWS keeps its own routes.
        return Way(f"NAT gateway {id}")
    stands = (network.subnets or {}).get(nat.subnet)
    if stands is None:
        return _unsure(f"NAT gateway {id}", table.id, f"{leads}, whose subnet {nat.subnet} is not told.")
    own = table_of(network, stands)
    if own is None:
        return _unsure(f"NAT gateway {id}", table.id, f"{leads}, whose subnet has no route table that is told.")
    routes = _outward(network, own)
    if not routes or routes[-1][0] != INTERNET[0]:
        return Way(
            "",
            (
                _blocked(
                    own,
                    f"{leads}, whose own subnet {stands.id} has no route out ({own.id}).",
                    _to_internet(network, stands, own, "create-route"),
                ),
            ),
        )
    onward = routes[-1][1]
    if onward.state == "blackhole" or onward.target.startswith("nat-"):
        fact = f"{leads}, whose own subnet {stands.id} is not public: {own.id} leads on to {onward.target}"
        fact += " (State blackhole)." if onward.state == "blackhole" else "."
        return Way("", (_blocked(own, fact, _to_internet(network, stands, own, "replace-route")),))
    if not onward.target.startswith("igw-"):
        return _unsure(f"NAT gateway {id}", own.id, f"{leads}, and on to {onward.target}, which cannot be followed.")
    if not nat.public:
        fact = f"{leads}, which is private (DescribeNatGateways: ConnectivityType), so no internet gateway serves it."
        return Way("", (_blocked(table, fact, _to_nat(network, table, "replace-route")),))
    onto = _by_internet_gateway(
        network, stands, own, onward.target, f"{leads}, and {own.id} on to {onward.target}", True
    )
    return replace(onto, by=f"NAT gateway {id}" if not onto.obstacles else "", nat_subnet=stands.id)


def _blocked(table: RouteTable, fact: str, way: str) -> Obstacle:
    return Obstacle("no-egress", table.id, (fact,), way)


def _unsure(by: str, subject: str, sentence: str) -> Way:
    return Way(by, (Obstacle("no-egress", subject, (sentence,), certain=False),))


def _to_nat(network: Network, table: RouteTable, verb: str) -> str:
    """The command that leads a table's traffic to a NAT gateway that works; "" where there is none."""
    usable = [
        nat.id
        for nat in (network.nat_gateways or {}).values()
        if nat.public
        and nat.state == "available"
        and (stands := (network.subnets or {}).get(nat.subnet))
        and stands.vpc == table.vpc
        and table_of(network, stands) != table
    ]
    if not usable:
        return ""
    return _lead(table, verb, "--nat-gateway-id", usable[0])


def _to_internet(network: Network, subnet: Subnet, table: RouteTable, verb: str) -> str:
    gateways = [id for id, vpc in (network.internet_gateways or {}).items() if vpc == subnet.vpc]
    gateway = gateways[0] if gateways else "igw-…"
    return _lead(table, verb, "--gateway-id", gateway)


def _lead(table: RouteTable, verb: str, *target: str) -> str:
    everywhere = ("--destination-cidr-block", "0.0.0.0/0")
    return command("aws", "ec2", verb, "--route-table-id", table.id, *everywhere, *target)
