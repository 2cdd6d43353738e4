"""Where a subnet's route table sends a call to a public address of AWS.

https://docs.aws.amazon.com/vpc/latest/userguide/RouteTables.html
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, collapse_addresses

from omc_runbook.aws.ec2 import Network, Route, RouteTable, Subnet
from omc_runbook.model.shell import command
from omc_runbook.network.rules import INTERNET, is_private, network_of

_OF_ALL = "block-bidirectional"
"""The mode of VPC Block Public Access in which no call leaves by an internet gateway, not even a NAT gateway's."""
_OF_ADDRESSES = (_OF_ALL, "block-ingress")
"""Those in which what has a public address of its own gets nothing through an internet gateway."""
_WIDE = 8
"""The longest prefix of a route that is taken to cover AWS's addresses."""
_ENDPOINT_ALONE = (
    "An endpoint serves one AWS service alone: all else that took this route, such as image pulls and logs, stays cut"
    " off until the route leads out again, as by a new NAT gateway."
)


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """What blocks a call, or may (not `certain`): the check, the resource, the facts and the command that fixes it."""

    check: str
    subject: str
    facts: tuple[str, ...]
    command: str = field(default="", compare=False)
    certain: bool = True
    needs: str = field(default="", compare=False)
    """What to know of a command that creates an endpoint in the place of a route."""


@dataclass(frozen=True)
class Egress:
    """What a call leaves its VPC through, and what blocks it; `nat_subnet` is the subnet of its NAT gateway."""

    via: str
    obstacles: tuple[Obstacle, ...] = ()
    nat_subnet: str = ""


def find_egress(network: Network, subnet: Subnet, public_ip: bool) -> Egress | None:
    """Follow the routes from a subnet to the internet; None if the route tables could not be read.

    `public_ip` is whether the task has a public address.
    """
    if network.route_tables is None:
        return None
    table = table_of(network, subnet)
    if table is None:
        return _unknown("", subnet.id, f"DescribeRouteTables: {subnet.id} has no route table.")
    public_routes = _public_routes(network, table)
    if not public_routes:
        return _no_route(network, subnet, table)
    egresses = [_follow(network, subnet, table, pair, public_ip) for pair in public_routes]
    default = egresses[-1]
    # A more specific route takes precedence; which of them covers AWS's address is unknown.
    differing = [egress for egress in egresses if bool(egress.obstacles) != bool(default.obstacles)]
    covered = list(collapse_addresses(destination for destination, _ in public_routes))
    if differing or covered != list(INTERNET):
        sentence = f"DescribeRouteTables: the routes of {table.id} cover a part of the internet only, or split it."
        return _unknown(default.via, table.id, sentence)
    return default


def find_no_ipv6_route(network: Network, subnet: Subnet) -> Obstacle | None:
    """The lack of any route by which a call over IPv6 can leave a subnet's VPC; None where there may be one."""
    table = table_of(network, subnet)
    if table is None:
        return None
    # Also one to 64:ff9b::/96, by which a NAT gateway serves such a subnet, or to a prefix list.
    active = (route for route in table.routes if route.target != "local" and route.state == "active")
    if any(network_of(route.destination) is None for route in active):
        return None
    fact = (
        f"DescribeRouteTables: {table.id} of {subnet.id}, which has no IPv4 addresses, has no active route over IPv6."
    )
    return Obstacle(check="no-egress", subject=table.id, facts=(fact,))


def table_of(network: Network, subnet: Subnet) -> RouteTable | None:
    """The route table that a subnet is associated with, or else its VPC's main one."""
    tables = [table for table in network.route_tables or () if table.vpc == subnet.vpc]
    associated = next((table for table in tables if subnet.id in table.subnets), None)
    return associated or next((table for table in tables if table.main), None)


def _public_routes(network: Network, table: RouteTable) -> list[tuple[IPv4Network, Route]]:
    """Routes to public addresses that are wide enough to matter, the most specific first."""
    public_routes = [
        (destination, route)
        for route in table.routes
        for text in network.prefix_lists.get(route.destination, (route.destination,))
        if (destination := network_of(text)) is not None and not is_private(destination)
    ]
    # The VPC's own addresses may be public ones.
    public_routes = [pair for pair in public_routes if pair[1].target != "local"]
    wide = [pair for pair in public_routes if pair[0].prefixlen <= _WIDE]
    candidates = wide if any(pair[0] == INTERNET[0] for pair in public_routes) else public_routes
    return sorted(candidates, key=lambda pair: -pair[0].prefixlen)


def _no_route(network: Network, subnet: Subnet, table: RouteTable) -> Egress:
    sentence = f"DescribeRouteTables: {table.id} of {subnet.id} has no route to the internet (0.0.0.0/0)"
    active = [route for route in table.routes if route.target != "local" and route.state == "active"]
    # A prefix list behind an endpoint is that of a gateway endpoint: S3's or DynamoDB's.
    others = [r for r in active if not (r.destination.startswith("pl-") and r.target.startswith("vpce-"))]
    if any(route.destination == "::/0" for route in others):
        return _unknown("", table.id, f"{sentence}, but one over IPv6 (::/0), which cannot be followed from here.")
    if any(r.destination.startswith("pl-") and r.destination not in network.prefix_lists for r in others):
        return _unknown("", table.id, f"{sentence}, but one to a prefix list whose entries are not known.")
    other_targets = [
        route.target for route in others if route.target.startswith(("tgw-", "pcx-", "vgw-", "lgw-", "arn:"))
    ]
    if other_targets:
        # The other network may have a shared endpoint, resolved by a private hosted zone that EC2 does not show.
        return _unknown("", table.id, f"{sentence}, but one to another network by {other_targets[0]}.")
    return _blocked(table, f"{sentence}.", _to_nat(network, table, "create-route"), needs="")


def _follow(
    network: Network, subnet: Subnet, table: RouteTable, pair: tuple[IPv4Network, Route], public_ip: bool
) -> Egress:
    destination, route = pair
    target = route.target
    path = f"DescribeRouteTables: {table.id} of {subnet.id} routes {destination} to {target}"
    if route.state == "blackhole":
        fact = f"{path}, which no longer exists (State blackhole)."
        return _blocked(table, fact, _to_nat(network, table, "replace-route"))
    if target.startswith("igw-"):
        return _by_internet_gateway(network, subnet, table, target, path, public_ip)
    if target.startswith("nat-"):
        return _by_nat(network, subnet, table, target, path, public_ip)
    return _unknown(target, table.id, f"{path}, which cannot be followed from here.")


def _by_internet_gateway(
    network: Network, subnet: Subnet, table: RouteTable, gateway: str, path: str, public_ip: bool
) -> Egress:
    if subnet.gateway_block in _OF_ADDRESSES:
        # Who enabled that meant it: the way past it is an endpoint.
        return Egress("", (Obstacle(check="no-egress", subject=subnet.id, facts=(_block_of(subnet, path),)),))
    if network.internet_gateways is not None and network.internet_gateways.get(gateway) != subnet.vpc:
        attach = ("attach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", subnet.vpc)
        fact = f"{path}, which is not attached to {subnet.vpc} (DescribeInternetGateways: Attachments)."
        return _blocked(table, fact, command("aws", "ec2", *attach))
    if not public_ip:
        fact = f"{path}, which only serves public addresses, and the tasks have none (assignPublicIp DISABLED)."
        public = "aws ecs update-service --cluster {cluster} --service {service} --network-configuration {public}"
        return Egress("", (Obstacle(check="no-egress", subject=subnet.id, facts=(fact,), command=public),))
    return Egress(f"internet gateway {gateway}")


def _block_of(subnet: Subnet, path: str) -> str:
    """What VPC Block Public Access does to a path.

    See https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html
    """
    return (
        f"{path}, but VPC Block Public Access keeps {subnet.id} from internet gateways, and no exclusion lets this call"
        f" through (DescribeSubnets: InternetGatewayBlockMode {subnet.gateway_block})."
    )


def _by_nat(network: Network, subnet: Subnet, table: RouteTable, id: str, path: str, public_ip: bool) -> Egress:
    if network.nat_gateways is None:
        return Egress(f"NAT gateway {id}")
    nat = network.nat_gateways.get(id)
    if nat is None or nat.state != "available":
        state = f"is {nat.state} (DescribeNatGateways: State)" if nat else "does not exist (DescribeNatGateways)"
        fact = f"{path}, which {state}."
        return _blocked(table, fact, _to_nat(network, table, "replace-route"))
    if not nat.subnet and nat.public:
        # A regional NAT gateway is in no subnet, and AWS manages its routes.
        is_blocked = subnet.gateway_block == _OF_ALL
        return _unknown("", subnet.id, _block_of(subnet, path)) if is_blocked else Egress(f"NAT gateway {id}")
    nat_subnet = (network.subnets or {}).get(nat.subnet)
    if nat_subnet is None:
        return _unknown(f"NAT gateway {id}", table.id, f"{path}, whose subnet {nat.subnet} is not in DescribeSubnets.")
    nat_table = table_of(network, nat_subnet)
    if nat_table is None:
        return _unknown(f"NAT gateway {id}", table.id, f"{path}, whose subnet has no route table.")
    public_routes = _public_routes(network, nat_table)
    if not public_routes or public_routes[-1][0] != INTERNET[0]:
        fact = f"{path}, whose own subnet {nat_subnet.id} has no route to the internet ({nat_table.id})."
        return _blocked(nat_table, fact, _to_internet(network, nat_subnet, nat_table, "create-route"))
    nat_route = public_routes[-1][1]
    if nat_route.state == "blackhole" or nat_route.target.startswith("nat-"):
        fact = f"{path}, whose own subnet {nat_subnet.id} is not public: {nat_table.id} routes on to {nat_route.target}"
        fact += " (State blackhole)." if nat_route.state == "blackhole" else "."
        if nat_table == table and not public_ip:
            # An internet gateway would serve the NAT gateway, and no longer the tasks, which share its route.
            return _blocked(table, fact, _to_nat(network, table, "replace-route"))
        return _blocked(nat_table, fact, _to_internet(network, nat_subnet, nat_table, "replace-route"))
    if not nat_route.target.startswith("igw-"):
        return _unknown(
            f"NAT gateway {id}", nat_table.id, f"{path}, and on to {nat_route.target}, which cannot be followed."
        )
    if not nat.public:
        fact = f"{path}, which is private (DescribeNatGateways: ConnectivityType), so no internet gateway serves it."
        return _blocked(table, fact, _to_nat(network, table, "replace-route"))
    onward = f"{path}, and {nat_table.id} on to {nat_route.target}"
    # What is left of a block is that of the tasks' addresses, and a NAT gateway has its own.
    is_blocked = nat_subnet.gateway_block == _OF_ALL
    own_subnet = nat_subnet if is_blocked else replace(nat_subnet, gateway_block="")
    through_gateway = _by_internet_gateway(network, own_subnet, nat_table, nat_route.target, onward, True)
    via = "" if through_gateway.obstacles else f"NAT gateway {id}"
    return replace(through_gateway, via=via, nat_subnet=nat_subnet.id)


def _blocked(table: RouteTable, fact: str, fix: str, needs: str = _ENDPOINT_ALONE) -> Egress:
    return Egress("", (Obstacle(check="no-egress", subject=table.id, facts=(fact,), command=fix, needs=needs),))


def _unknown(by: str, subject: str, sentence: str) -> Egress:
    return Egress(by, (Obstacle(check="no-egress", subject=subject, facts=(sentence,), certain=False),))


def _to_nat(network: Network, table: RouteTable, verb: str) -> str:
    """The command that routes a table's traffic to a working NAT gateway; "" if there is none."""
    gateways = [
        nat.id
        for nat in (network.nat_gateways or {}).values()
        if nat.public
        and nat.state == "available"
        and (nat_subnet := (network.subnets or {}).get(nat.subnet))
        and nat_subnet.vpc == table.vpc
        and nat_subnet.gateway_block != _OF_ALL
        and (nat_table := table_of(network, nat_subnet))
        and nat_table != table
        and _is_public(network, nat_table)
    ]
    if not gateways:
        return ""
    return _route_command(table, verb, "--nat-gateway-id", gateways[0])


def _is_public(network: Network, table: RouteTable) -> bool:
    """Whether a table leads to an internet gateway; that of another NAT gateway may be as private as the tasks'."""
    public_routes = _public_routes(network, table)
    if not public_routes or public_routes[-1][0] != INTERNET[0]:
        return False
    route = public_routes[-1][1]
    return route.state == "active" and route.target.startswith("igw-")


def _to_internet(network: Network, subnet: Subnet, table: RouteTable, verb: str) -> str:
    """The command that routes a NAT gateway's subnet to the internet; "" where its calls would be blocked there."""
    if subnet.gateway_block == _OF_ALL:
        return ""
    gateways = [id for id, vpc in (network.internet_gateways or {}).items() if vpc == subnet.vpc]
    gateway = gateways[0] if gateways else "igw-…"
    return _route_command(table, verb, "--gateway-id", gateway)


def _route_command(table: RouteTable, verb: str, *target: str) -> str:
    destination = ("--destination-cidr-block", "0.0.0.0/0")
    return command("aws", "ec2", verb, "--route-table-id", table.id, *destination, *target)
