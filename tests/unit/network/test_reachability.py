"""The way from a task to Secrets Manager: every spelling that leads there, and every one that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.networks import (
    ALL_OUT,
    ENDPOINT,
    ENDPOINTS,
    EVERYWHERE,
    GATEWAY,
    IN_PRIVATE,
    IN_PUBLIC,
    LOCAL,
    NAT,
    OPEN,
    OTHER,
    PRIVATE,
    PUBLIC,
    REGION,
    SERVICE,
    TASKS,
    VPC,
    by_endpoint,
    by_nat,
    endpoint_policy,
    entry,
    rule,
    with_acl,
    with_egress,
    with_endpoint,
    with_ingress,
    with_nat,
    with_routes,
    with_vpc,
)
from support.snapshots import ARN, ROLE

from omc_runbook.aws.ec2 import AclEntry, Endpoint, NatGateway, Network, Route, RouteTable, Subnet
from omc_runbook.network.reachability import CallPath, Request, TaskNetwork, trace

READ = Request(ROLE, "secretsmanager:GetSecretValue", ARN)
DEFAULT = Route(EVERYWHERE, NAT, "active")
TO_VPC = rule("10.0.0.0/16")


def go(network: Network, task: TaskNetwork = IN_PRIVATE) -> CallPath:
    """Follow a task's call for its secret."""
    return trace(network, task, "secretsmanager", REGION, [READ])


def causes(path: CallPath) -> list[str]:
    """The obstacles' codes, with a question mark where one is only possible."""
    return list(dict.fromkeys(o.check + ("" if o.certain else "?") for o in path.obstacles))


def with_block(network: Network, mode: str, *subnets: str) -> Network:
    """Let VPC Block Public Access be in a mode for some subnets."""
    assert network.subnets
    blocked = {id: replace(network.subnets[id], gateway_block=mode) for id in subnets}
    return replace(network, subnets={**network.subnets, **blocked})


NOTHING, NO_INGRESS = "block-bidirectional", "block-ingress"

HEALTHY = {
    "NAT alone": (by_nat(), IN_PRIVATE, NAT),
    "regional NAT": (with_nat(by_nat(), subnet=""), IN_PRIVATE, NAT),
    "public address alone": (by_nat(), IN_PUBLIC, GATEWAY),
    "endpoint alone": (by_endpoint(), IN_PRIVATE, ENDPOINT),
    "endpoint and NAT": (with_endpoint(by_nat()), IN_PRIVATE, ENDPOINT),
    "endpoint in other subnets": (by_endpoint(subnets=(PUBLIC,)), IN_PRIVATE, ENDPOINT),
    "endpoint without private DNS beside NAT": (with_endpoint(by_nat(), private_dns=False), IN_PRIVATE, NAT),
    "endpoint not accepted beside NAT": (with_endpoint(by_nat(), state="pendingAcceptance"), IN_PRIVATE, NAT),
    "broken endpoint of another service": (
        with_ingress(with_endpoint(by_nat(), service=SERVICE.replace("secretsmanager", "ssm"))),
        IN_PRIVATE,
        NAT,
    ),
    "endpoint of another VPC": (with_ingress(with_endpoint(by_nat(), vpc="vpc-2")), IN_PRIVATE, NAT),
    "gateway endpoint": (
        with_endpoint(by_nat(), kind="Gateway", service=f"com.amazonaws.{REGION}.s3", private_dns=False, groups=()),
        IN_PRIVATE,
        NAT,
    ),
    "endpoint in some of its subnets": (by_endpoint(state="partial"), IN_PRIVATE, ENDPOINT),
    "state as the model spells it": (by_endpoint(state="Available"), IN_PRIVATE, ENDPOINT),
    "main table": (
        replace(
            by_nat(),
            route_tables=(
                RouteTable(
                    id="rtb-main",
                    vpc=VPC,
                    subnets=(PUBLIC,),
                    main=True,
                    routes=(LOCAL, Route(EVERYWHERE, GATEWAY, "active")),
                ),
            ),
        ),
        IN_PUBLIC,
        GATEWAY,
    ),
    "rules of all protocols": (with_egress(by_endpoint(), ALL_OUT), IN_PRIVATE, ENDPOINT),
    "rules by number": (with_egress(by_nat(), rule(EVERYWHERE, protocol="6")), IN_PRIVATE, NAT),
    "a range with 443": (with_egress(by_nat(), rule(EVERYWHERE, ports=(0, 65535))), IN_PRIVATE, NAT),
    "two rules, halves of all": (with_egress(by_nat(), rule("0.0.0.0/1"), rule("128.0.0.0/1")), IN_PRIVATE, NAT),
    "second group lets out": (
        with_egress(by_nat()),
        TaskNetwork(PRIVATE, (TASKS, "sg-default")),
        NAT,
    ),
    "no group named: the default one": (with_egress(by_nat()), TaskNetwork(PRIVATE), NAT),
    "egress to the VPC and an endpoint": (with_egress(by_endpoint(), TO_VPC), IN_PRIVATE, ENDPOINT),
    "egress to the endpoint's subnets": (
        with_egress(by_endpoint(), rule("10.0.1.0/24"), rule("10.0.2.0/24")),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "egress to the endpoint's group": (with_egress(by_endpoint(), rule(ENDPOINTS)), IN_PRIVATE, ENDPOINT),
    "egress to a prefix list": (
        replace(with_egress(by_endpoint(), rule("pl-1")), prefix_lists={"pl-1": ("10.0.0.0/8",)}),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "ingress from everywhere": (with_ingress(by_endpoint(), rule(EVERYWHERE)), IN_PRIVATE, ENDPOINT),
    "ingress from the subnet": (with_ingress(by_endpoint(), rule("10.0.1.0/24")), IN_PRIVATE, ENDPOINT),
    "ingress from the tasks' group": (with_ingress(by_endpoint(), rule(TASKS)), IN_PRIVATE, ENDPOINT),
    "one group for both, open to itself": (
        with_ingress(by_endpoint(groups=(TASKS,)), rule(TASKS, protocol="-1", ports=None), group=TASKS),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "endpoint with two groups": (
        with_ingress(with_ingress(by_endpoint(groups=(ENDPOINTS, "sg-default"))), rule(TASKS), group="sg-default"),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "endpoint with a group that is gone": (by_endpoint(groups=(ENDPOINTS, "sg-gone")), IN_PRIVATE, ENDPOINT),
    "ACL with 443 out and answers in": (
        with_acl(
            by_nat(),
            entry(100, True, True, ports=(443, 443)),
            entry(100, True, False, ports=(1024, 65535)),
        ),
        IN_PRIVATE,
        NAT,
    ),
    "ACL with the answers of Linux alone": (
        with_acl(by_nat(), *OPEN[:1], entry(100, True, False, ports=(32768, 65535))),
        IN_PRIVATE,
        NAT,
    ),
    "ACL that denies afterwards": (
        with_acl(by_nat(), *OPEN, entry(200, False, True, ports=(443, 443))),
        IN_PRIVATE,
        NAT,
    ),
    "ACL that allows a quarter of the internet first": (
        with_acl(by_nat(), *OPEN, entry(90, True, True, "64.0.0.0/2")),
        IN_PRIVATE,
        NAT,
    ),
    "ACL that denies a neighbour": (with_acl(by_nat(), *OPEN, entry(10, False, True, "10.9.0.0/16")), IN_PRIVATE, NAT),
    "ACL that denies a bad host": (
        with_acl(by_nat(), *OPEN, entry(10, False, False, "198.51.100.7/32")),
        IN_PRIVATE,
        NAT,
    ),
    "ACL that denies UDP": (
        with_acl(by_nat(), *OPEN, replace(entry(10, False, True, ports=(443, 443)), protocol="17")),
        IN_PRIVATE,
        NAT,
    ),
    "ACL that denies one port": (
        with_acl(by_nat(), *OPEN, entry(10, False, False, ports=(33890, 33890))),
        IN_PRIVATE,
        NAT,
    ),
    "ACL for the VPC alone, with an endpoint": (
        with_acl(by_endpoint(), entry(1, True, True, "10.0.0.0/16"), entry(1, True, False, "10.0.0.0/16")),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "policy for the role": (
        by_endpoint(policy=endpoint_policy(Principal={"AWS": ROLE}, Action=READ.action, Resource=ARN)),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "policy for the account": (
        by_endpoint(policy=endpoint_policy(Condition={"StringEquals": {"aws:PrincipalAccount": "123456789012"}})),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "policy for any secret": (
        by_endpoint(policy=endpoint_policy(Action=["secretsmanager:Get*"], Resource="arn:aws:secretsmanager:*")),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "narrow routes elsewhere": (
        with_routes(
            by_nat(), DEFAULT, Route("10.9.0.0/16", "pcx-1", "blackhole"), Route("203.0.113.0/24", "vgw-1", "active")
        ),
        IN_PRIVATE,
        NAT,
    ),
    "halves of the internet": (
        with_routes(by_nat(), Route("0.0.0.0/1", NAT, "active"), Route("128.0.0.0/1", NAT, "active")),
        IN_PRIVATE,
        NAT,
    ),
    "route to a prefix list of one's own": (
        replace(with_routes(by_nat(), Route("pl-1", NAT, "active")), prefix_lists={"pl-1": (EVERYWHERE,)}),
        IN_PRIVATE,
        NAT,
    ),
    "a narrower route that is as good": (
        replace(
            with_routes(by_nat(), DEFAULT, Route("3.0.0.0/8", "nat-2", "active")),
            nat_gateways={id: NatGateway(id, PUBLIC, "available", True) for id in (NAT, "nat-2")},
        ),
        IN_PRIVATE,
        NAT,
    ),
    "no hostnames beside NAT": (with_vpc(with_endpoint(by_nat()), dns_hostnames=False), IN_PRIVATE, NAT),
    "public access blocked from outside, and NAT": (
        with_block(by_nat(), NO_INGRESS, PRIVATE, OTHER, PUBLIC),
        IN_PRIVATE,
        NAT,
    ),
    "public access blocked, but for the NAT's subnet": (with_block(by_nat(), NOTHING, PRIVATE, OTHER), IN_PRIVATE, NAT),
    "public access blocked, and an endpoint": (
        with_block(by_endpoint(), NOTHING, PRIVATE, PUBLIC),
        IN_PRIVATE,
        ENDPOINT,
    ),
    "public access not blocked": (with_block(by_nat(), "off", PUBLIC), IN_PUBLIC, GATEWAY),
}


@pytest.mark.parametrize("case", HEALTHY)
def test_what_leads_there(case: str) -> None:
    """However it is spelt, what works has nothing in its way, and is named."""
    network, task, by = HEALTHY[case]
    path = go(network, task)
    assert (causes(path), path.is_reachable, path.via.rpartition(" ")[2]) == ([], True, by)


def ipv6(network: Network, destination: str = "::/0", state: str = "active") -> Network:
    """A private subnet without IPv4 addresses, and a way out over IPv6, or to another destination."""
    assert network.subnets
    subnets = {**network.subnets, PRIVATE: replace(network.subnets[PRIVATE], cidr="")}
    return replace(with_routes(network, Route(destination, "eigw-1", state)), subnets=subnets)


def firewall(network: Network) -> Network:
    """Send what goes out through the endpoint of a firewall."""
    return with_routes(network, Route(EVERYWHERE, "vpce-firewall", "active"))


BROKEN = {
    "no route at all": (with_routes(by_nat()), IN_PRIVATE, ["no-egress"]),
    "main table without a route": (
        replace(by_nat(), route_tables=(RouteTable(id="rtb-main", vpc=VPC, subnets=(), main=True, routes=(LOCAL,)),)),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "NAT gone": (with_routes(by_nat(), Route(EVERYWHERE, NAT, "blackhole")), IN_PRIVATE, ["no-egress"]),
    "NAT gone, route not": (replace(by_nat(), nat_gateways={}), IN_PRIVATE, ["no-egress"]),
    "NAT failed": (with_nat(by_nat(), state="failed"), IN_PRIVATE, ["no-egress"]),
    "NAT pending": (with_nat(by_nat(), state="pending"), IN_PRIVATE, ["no-egress"]),
    "NAT in a private subnet": (with_nat(by_nat(), subnet=OTHER), IN_PRIVATE, ["no-egress"]),
    "NAT's subnet without a route": (with_routes(by_nat(), table="rtb-public"), IN_PRIVATE, ["no-egress"]),
    "NAT's gateway gone": (
        with_routes(by_nat(), Route(EVERYWHERE, GATEWAY, "blackhole"), table="rtb-public"),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "private NAT": (with_nat(by_nat(), public=False), IN_PRIVATE, ["no-egress"]),
    "public subnet, no public address": (by_nat(), TaskNetwork(PUBLIC, (TASKS,)), ["no-egress"]),
    "gateway not attached": (replace(by_nat(), internet_gateways={}), IN_PUBLIC, ["no-egress"]),
    "gateway of another VPC": (replace(by_nat(), internet_gateways={GATEWAY: "vpc-2"}), IN_PRIVATE, ["no-egress"]),
    "public access blocked, and NAT": (with_block(by_nat(), NOTHING, PRIVATE, PUBLIC), IN_PRIVATE, ["no-egress"]),
    "public access blocked, and a regional NAT": (
        with_block(with_nat(by_nat(), subnet=""), NOTHING, PRIVATE),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "public access blocked": (with_block(by_nat(), NOTHING, PUBLIC), IN_PUBLIC, ["no-egress"]),
    "public access blocked from outside, and an address": (
        with_block(by_nat(), NO_INGRESS, PUBLIC),
        IN_PUBLIC,
        ["no-egress"],
    ),
    "gateway endpoint instead": (
        with_endpoint(
            with_routes(by_nat(), Route("pl-s3", "vpce-s3", "active")),
            kind="Gateway",
            service=f"com.amazonaws.{REGION}.s3",
        ),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "route to an unknown list": (with_routes(by_nat(), Route("pl-9", NAT, "active")), IN_PRIVATE, ["no-egress?"]),
    "gateway endpoint instead, its list known": (
        replace(with_routes(by_nat(), Route("pl-s3", "vpce-s3", "active")), prefix_lists={"pl-s3": ()}),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "endpoint of another service": (
        by_endpoint(service=SERVICE.replace("secretsmanager", "ssm")),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "endpoint not accepted": (by_endpoint(state="pendingAcceptance"), IN_PRIVATE, ["no-egress"]),
    "endpoint rejected": (by_endpoint(state="rejected"), IN_PRIVATE, ["no-egress"]),
    "endpoint deleted": (by_endpoint(state="deleted"), IN_PRIVATE, ["no-egress"]),
    "endpoint without private DNS": (by_endpoint(private_dns=False), IN_PRIVATE, ["private-dns-off"]),
    "no hostnames": (with_vpc(by_endpoint(), dns_hostnames=False), IN_PRIVATE, ["private-dns-off"]),
    "no private DNS, and no public address": (
        with_endpoint(by_nat(), private_dns=False),
        TaskNetwork(PUBLIC, (TASKS,)),
        ["private-dns-off"],
    ),
    "no DNS": (with_vpc(by_nat(), dns_support=False), IN_PRIVATE, ["vpc-dns-off"]),
    "no DNS, and an endpoint": (with_vpc(by_endpoint(), dns_support=False), IN_PRIVATE, ["vpc-dns-off"]),
    "DNS servers of one's own": (
        replace(with_vpc(by_nat(), dns_support=False, dhcp_options="dopt-1"), own_dns=frozenset({"dopt-1"})),
        IN_PRIVATE,
        ["vpc-dns-off?"],
    ),
    "no egress rule": (with_egress(by_nat()), IN_PRIVATE, ["sg-egress"]),
    "egress for another port": (with_egress(by_nat(), rule(EVERYWHERE, ports=(80, 80))), IN_PRIVATE, ["sg-egress"]),
    "egress for another protocol": (with_egress(by_nat(), rule(EVERYWHERE, protocol="udp")), IN_PRIVATE, ["sg-egress"]),
    "egress to the VPC, and only NAT": (with_egress(by_nat(), TO_VPC), IN_PRIVATE, ["sg-egress"]),
    "egress over IPv6": (with_egress(by_nat(), rule("::/0")), IN_PRIVATE, ["sg-egress"]),
    "egress to another group": (with_egress(by_endpoint(), rule("sg-default")), IN_PRIVATE, ["sg-egress"]),
    "egress to another network": (with_egress(by_endpoint(), rule("192.168.0.0/16")), IN_PRIVATE, ["sg-egress"]),
    "egress to AWS's list of S3": (
        replace(with_egress(by_endpoint(), rule("pl-s3")), prefix_lists={"pl-s3": ()}),
        IN_PRIVATE,
        ["sg-egress"],
    ),
    "egress to some of the internet": (with_egress(by_nat(), rule("13.0.0.0/8")), IN_PRIVATE, ["sg-egress?"]),
    "egress to an unknown list": (with_egress(by_nat(), rule("pl-9")), IN_PRIVATE, ["sg-egress?"]),
    "egress to one of the endpoint's subnets": (
        with_egress(by_endpoint(), rule("10.0.1.0/24")),
        IN_PRIVATE,
        ["sg-egress?"],
    ),
    "endpoint's group empty": (with_ingress(by_endpoint()), IN_PRIVATE, ["endpoint-sg"]),
    "endpoint's group empty, beside NAT": (with_ingress(with_endpoint(by_nat())), IN_PRIVATE, ["endpoint-sg"]),
    "endpoint open for 80": (
        with_ingress(by_endpoint(), rule(EVERYWHERE, ports=(80, 80))),
        IN_PRIVATE,
        ["endpoint-sg"],
    ),
    "endpoint open to another group": (with_ingress(by_endpoint(), rule("sg-default")), IN_PRIVATE, ["endpoint-sg"]),
    "endpoint open to another subnet": (with_ingress(by_endpoint(), rule("10.0.2.0/24")), IN_PRIVATE, ["endpoint-sg"]),
    "endpoint open to a host": (with_ingress(by_endpoint(), rule("10.0.1.9/32")), IN_PRIVATE, ["endpoint-sg?"]),
    "endpoint's group gone": (by_endpoint(groups=("sg-gone",)), IN_PRIVATE, ["endpoint-sg?"]),
    "both groups shut": (with_egress(with_ingress(by_endpoint())), IN_PRIVATE, ["sg-egress", "endpoint-sg"]),
    "no group named, and the default one shut": (
        with_egress(by_nat(), group="sg-default"),
        TaskNetwork(PRIVATE),
        ["sg-egress"],
    ),
    "no route, and a group that is gone": (
        with_egress(with_routes(by_nat())),
        TaskNetwork(PRIVATE, (TASKS, "sg-gone")),
        ["no-egress"],
    ),
    "no route, and no group": (replace(with_routes(by_nat()), groups={}), TaskNetwork(PRIVATE), ["no-egress"]),
    "no route, and no egress rule": (with_egress(with_routes(by_nat())), IN_PRIVATE, ["no-egress", "sg-egress"]),
    "no private DNS, and the group shut": (
        with_ingress(by_endpoint(private_dns=False)),
        IN_PRIVATE,
        ["private-dns-off", "endpoint-sg"],
    ),
    "ACL denies 443 out": (
        with_acl(by_nat(), *OPEN, entry(90, False, True, ports=(443, 443))),
        IN_PRIVATE,
        ["network-acl"],
    ),
    "ACL denies all": (with_acl(by_nat(), *OPEN, entry(1, False, True)), IN_PRIVATE, ["network-acl"]),
    "ACL without answers": (with_acl(by_nat(), *OPEN[:1]), IN_PRIVATE, ["network-acl"]),
    "ACL with answers to 443 alone": (
        with_acl(by_nat(), *OPEN[:1], entry(100, True, False, ports=(443, 443))),
        IN_PRIVATE,
        ["network-acl"],
    ),
    "ACL with some answers": (
        with_acl(by_nat(), *OPEN[:1], entry(100, True, False, ports=(49152, 65535))),
        IN_PRIVATE,
        ["network-acl?"],
    ),
    "ACL of the NAT's subnet": (with_acl(by_nat(), *OPEN[:1], subnet=PUBLIC), IN_PRIVATE, ["network-acl"]),
    "ACL of the NAT's subnet, with nothing out to the internet": (
        with_acl(by_nat(), entry(100, True, True, "10.0.0.0/16"), OPEN[1], subnet=PUBLIC),
        IN_PRIVATE,
        ["network-acl"],
    ),
    "ACL that denies a quarter of the internet first": (
        with_acl(by_nat(), *OPEN, entry(90, False, True, "64.0.0.0/2")),
        IN_PRIVATE,
        ["network-acl?"],
    ),
    "ACL with a part of the internet": (
        with_acl(by_nat(), entry(100, True, True, "13.0.0.0/8"), OPEN[1]),
        IN_PRIVATE,
        ["network-acl?"],
    ),
    "ACL of the endpoint's other subnet": (
        with_acl(by_endpoint(subnets=(OTHER,)), *OPEN, entry(9, False, False, ports=(443, 443)), subnet=OTHER),
        IN_PRIVATE,
        ["network-acl"],
    ),
    "ACL for the VPC alone, and NAT": (
        with_acl(by_nat(), entry(1, True, True, "10.0.0.0/16"), entry(1, True, False, "10.0.0.0/16")),
        IN_PRIVATE,
        ["network-acl"],
    ),
    "policy without the action": (by_endpoint(policy=endpoint_policy(Action="ssm:*")), IN_PRIVATE, ["endpoint-policy"]),
    "policy that denies": (by_endpoint(policy=endpoint_policy(Effect="Deny")), IN_PRIVATE, ["endpoint-policy"]),
    "policy for another role": (
        by_endpoint(policy=endpoint_policy(Principal={"AWS": f"{ROLE}-other"})),
        IN_PRIVATE,
        ["endpoint-policy"],
    ),
    "policy for another secret": (
        by_endpoint(policy=endpoint_policy(Resource=f"{ARN}x")),
        IN_PRIVATE,
        ["endpoint-policy"],
    ),
    "policy for an organization": (
        by_endpoint(policy=endpoint_policy(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
        IN_PRIVATE,
        ["endpoint-policy?"],
    ),
    "transit gateway": (with_routes(by_nat(), Route(EVERYWHERE, "tgw-1", "active")), IN_PRIVATE, ["no-egress?"]),
    "firewall": (firewall(by_nat()), IN_PRIVATE, ["no-egress?"]),
    "instance": (with_routes(by_nat(), Route(EVERYWHERE, "eni-1", "active")), IN_PRIVATE, ["no-egress?"]),
    "IPv6 alone": (with_routes(by_nat(), Route("::/0", "eigw-1", "active")), IN_PRIVATE, ["no-egress?"]),
    "IPv6 addresses alone": (with_egress(ipv6(by_nat()), rule("::/0")), IN_PRIVATE, ["no-egress?"]),
    "IPv6 addresses alone, and an endpoint": (ipv6(with_endpoint(by_nat())), IN_PRIVATE, ["no-egress?"]),
    "IPv6 addresses alone, and an endpoint that denies": (
        ipv6(by_endpoint(policy=endpoint_policy(Action="ssm:*"))),
        IN_PRIVATE,
        ["no-egress?", "endpoint-policy"],
    ),
    "IPv6 addresses alone, and no egress rule": (with_egress(ipv6(by_nat())), IN_PRIVATE, ["no-egress?", "sg-egress"]),
    "IPv6 addresses alone, and no route": (ipv6(by_nat(), "10.9.0.0/16"), IN_PRIVATE, ["no-egress"]),
    "IPv6 addresses alone, and a route for IPv4": (
        with_egress(ipv6(by_nat(), EVERYWHERE), rule("::/0")),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "IPv6 addresses alone, and a route to nothing": (
        with_egress(ipv6(by_nat(), "::/0", "blackhole"), rule("::/0")),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "IPv6 addresses alone, and a NAT gateway": (
        with_egress(ipv6(by_nat(), "64:ff9b::/96"), rule("::/0")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "IPv6 addresses alone, and an endpoint without a route": (
        with_egress(ipv6(with_endpoint(by_nat()), EVERYWHERE), rule("::/0")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "IPv6 addresses alone, and an ACL for IPv4": (
        with_acl(with_egress(ipv6(by_nat()), rule("::/0")), *OPEN[:2]),
        IN_PRIVATE,
        ["no-egress?", "network-acl"],
    ),
    "IPv6 addresses alone, and an ACL that denies the answers": (
        with_acl(
            with_egress(ipv6(by_nat()), rule("::/0")),
            entry(99, True, True, "::/0", ports=(443, 443)),
            entry(98, False, False, "::/0"),
            entry(99, True, False, "::/0"),
        ),
        IN_PRIVATE,
        ["no-egress?", "network-acl"],
    ),
    "IPv6 addresses alone, and an ACL for other ports": (
        with_acl(
            with_egress(ipv6(by_nat()), rule("::/0")),
            entry(99, True, True, "::/0", ports=(8080, 8080)),
            entry(99, True, False, "::/0", ports=(1024, 65535)),
        ),
        IN_PRIVATE,
        ["no-egress?", "network-acl"],
    ),
    "IPv6 addresses alone, and an ACL in an endpoint's subnet": (
        with_acl(with_egress(ipv6(with_endpoint(by_nat())), rule("::/0")), *OPEN[:2]),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "a network behind an instance": (
        with_routes(by_nat(), Route("10.9.0.0/16", "eni-1", "active")),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "another network by peering": (
        with_routes(by_nat(), Route("10.9.0.0/16", "pcx-1", "active")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "no private DNS, and a transit gateway": (
        with_routes(with_endpoint(by_nat(), private_dns=False), Route(EVERYWHERE, "tgw-1", "active")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "route to a list of private addresses": (
        replace(with_routes(by_nat(), Route("pl-1", NAT, "active")), prefix_lists={"pl-1": ("192.168.0.0/16",)}),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "another network by a peering that is gone": (
        with_routes(by_nat(), Route("10.9.0.0/16", "pcx-1", "blackhole")),
        IN_PRIVATE,
        ["no-egress"],
    ),
    "a few public addresses alone": (
        with_routes(by_nat(), Route("52.94.0.0/16", NAT, "active")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "half of the internet gone": (
        with_routes(by_nat(), DEFAULT, Route("0.0.0.0/1", "nat-2", "blackhole")),
        IN_PRIVATE,
        ["no-egress?"],
    ),
    "no such subnet": (by_nat(), TaskNetwork("subnet-gone", (TASKS,)), ["no-egress?"]),
    "no such group": (by_nat(), TaskNetwork(PRIVATE, ("sg-gone",)), ["sg-egress?"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not(case: str) -> None:
    """Each obstacle is named, and what cannot be judged is only possible."""
    network, task, expected = BROKEN[case]
    path = go(network, task)
    assert causes(path) == expected
    assert path.is_reachable is (None if all(name.endswith("?") for name in expected) else False)
    assert all(obstacle.facts and obstacle.subject for obstacle in path.obstacles)
    ways = ("Remove the deny from ",) if case == "policy that denies" else ("aws ",)
    assert all(obstacle.command.startswith(ways) for obstacle in path.obstacles if obstacle.certain)


def test_a_rule_for_a_subnet_with_ipv6_addresses_alone_is_one_for_ipv6() -> None:
    """One for IPv4 would let no call of its tasks out."""
    *_, missing = go(with_egress(ipv6(by_nat())), IN_PRIVATE).obstacles
    assert missing.check == "sg-egress" and "Ipv6Ranges=[{CidrIpv6=::/0}]" in missing.command


@pytest.mark.parametrize(
    "cidr", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"]
)
def test_no_part_of_the_internet_is_private(cidr: str) -> None:
    """A rule for such a network surely lets no call out to AWS."""
    assert causes(go(with_egress(by_nat(), rule(cidr)))) == ["sg-egress"]


@pytest.mark.parametrize(
    "part",
    ["vpcs", "subnets", "route_tables", "nat_gateways", "internet_gateways", "groups", "acls", "endpoints"],
)
@pytest.mark.parametrize("network", [by_nat(), by_endpoint()], ids=["NAT", "endpoint"])
def test_what_could_not_be_read_is_not_in_the_way(network: Network, part: str) -> None:
    """A refusal to show a part of the network makes no fault of it."""
    assert not any(obstacle.certain for obstacle in go(replace(network, **{part: None})).obstacles)


def test_attributes_that_could_not_be_read() -> None:
    """Whether the VPC resolves names decides between an endpoint and the routes: unread, neither is judged."""
    assert go(with_vpc(by_endpoint(private_dns=True), dns_support=None, dns_hostnames=None)).obstacles == ()


def test_a_second_vpc() -> None:
    """What another VPC has, or lacks, is nothing to a task in this one."""
    network = by_nat()
    there = Endpoint(
        id="vpce-2",
        vpc="vpc-2",
        service=SERVICE,
        kind="Interface",
        state="available",
        private_dns=True,
        subnets=("subnet-2",),
        groups=(ENDPOINTS,),
        policy=None,
    )
    both = replace(
        network,
        vpcs={**(network.vpcs or {}), "vpc-2": replace((network.vpcs or {})[VPC], id="vpc-2")},
        subnets={**(network.subnets or {}), "subnet-2": Subnet("subnet-2", "vpc-2", "10.0.1.0/24")},
        route_tables=(
            *(network.route_tables or ()),
            RouteTable(id="rtb-2", vpc="vpc-2", subnets=(), main=True, routes=(LOCAL,)),
        ),
        endpoints=(there,),
    )
    assert go(both).via == f"NAT gateway {NAT}"
    assert go(both, TaskNetwork("subnet-2", (TASKS,))).via == "endpoint vpce-2"
    alone = go(replace(both, endpoints=()), TaskNetwork("subnet-2", (TASKS,)))
    assert [(obstacle.check, obstacle.subject) for obstacle in alone.obstacles] == [("no-egress", "rtb-2")]


def test_other_services_have_other_endpoints() -> None:
    """ssmmessages has an endpoint of its own: one for Secrets Manager does not lead to it."""
    assert trace(by_endpoint(), IN_PRIVATE, "secretsmanager", REGION).is_reachable
    assert causes(trace(by_endpoint(), IN_PRIVATE, "ssmmessages", REGION)) == ["no-egress"]
    assert causes(trace(by_endpoint(), IN_PRIVATE, "secretsmanager", "us-east-1")) == ["no-egress"]


def test_the_command_fits_what_is_there() -> None:
    """Where a NAT gateway stands ready the route is led to it; where none does, an endpoint is made."""
    ready, bare = with_routes(by_nat()), replace(with_routes(by_nat()), nat_gateways={})
    assert go(ready).obstacles[0].command.startswith("aws ec2 create-route --route-table-id rtb-private")
    let_in, create = go(bare).obstacles[0].command.split(" && ")
    assert let_in.startswith("aws ec2 authorize-security-group-ingress") and f"--source-group {TASKS}" in let_in
    assert create.startswith(f"aws ec2 create-vpc-endpoint --vpc-id {VPC}")
    assert f"--subnet-ids {PRIVATE} --security-group-ids {TASKS} --private-dns-enabled" in create
    assert go(replace(bare, groups=None)).obstacles[0].command.endswith(create)
    open_to_itself = with_ingress(bare, rule(TASKS), group=TASKS)
    assert go(open_to_itself).obstacles[0].command.startswith("aws ec2 create-vpc-endpoint")
    blackhole = with_routes(bare, Route(EVERYWHERE, "nat-2", "blackhole"))
    assert "nat-2" in go(blackhole).obstacles[0].facts[0] and "blackhole" in go(blackhole).obstacles[0].facts[0]
    tables = tuple(
        replace(each, routes=(LOCAL,)) if PUBLIC in each.subnets else each for each in ready.route_tables or ()
    )
    lone = with_routes(replace(by_nat(), route_tables=tables), Route(EVERYWHERE, NAT, "active"))
    assert f"--destination-cidr-block {EVERYWHERE} --gateway-id {GATEWAY}" in go(lone).obstacles[0].command


def test_no_route_leads_to_a_nat_gateway_behind_it() -> None:
    """One whose own subnet has the table would send what it gets to itself: an endpoint is made instead."""
    behind = with_routes(with_nat(by_nat(), subnet=OTHER))
    assert "create-vpc-endpoint" in go(behind).obstacles[0].command
    # Nor does it lead past such a gateway: tasks without a public address cannot use an internet gateway.
    looped = go(with_nat(by_nat(), subnet=PRIVATE)).obstacles[0]
    assert f"not public: rtb-private routes on to {NAT}" in looped.facts[0]
    assert "create-vpc-endpoint" in looped.command and GATEWAY not in looped.command
    public = go(with_nat(by_nat(), subnet=PRIVATE), replace(IN_PRIVATE, public_ip=True))
    assert f"--gateway-id {GATEWAY}" in public.obstacles[0].command
    # Another NAT gateway may stand in a private subnet of its own, with a route to itself.
    alike = with_nat(by_nat(), subnet=PRIVATE)
    second = NatGateway("nat-2", PUBLIC, "available", True)
    alike = replace(alike, nat_gateways={**(alike.nat_gateways or {}), "nat-2": second})
    assert "replace-route" in go(alike).obstacles[0].command and "nat-2" in go(alike).obstacles[0].command
    for route in (Route(EVERYWHERE, "nat-2", "active"), Route(EVERYWHERE, GATEWAY, "blackhole")):
        private = with_routes(alike, route, table="rtb-public")
        assert "create-vpc-endpoint" in go(private).obstacles[0].command


def test_the_endpoint_with_a_private_name_is_the_one_that_a_vpc_without_hostnames_keeps_unused() -> None:
    """Another without a name of its own beside it could not have the same one."""
    both = with_endpoint(by_endpoint(id="vpce-0", private_dns=False))
    [obstacle] = go(with_vpc(both, dns_hostnames=False)).obstacles
    assert obstacle.subject == ENDPOINT and "--enable-dns-hostnames" in obstacle.command


@pytest.mark.parametrize(
    ("entries", "verb", "number"),
    [
        ([entry(100, False, True)], "create", 99),
        ([entry(1, True, True, "10.0.0.0/16"), entry(32767, False, True)], "create", 2),
        ([entry(1, True, True, "10.0.0.0/16"), entry(9, False, True)], "create", 2),
        ([entry(1, True, True, "10.0.0.0/16"), entry(2, False, True)], "replace", 2),
        ([entry(1, False, True), entry(100, True, True)], "replace", 1),
        ([], "create", 99),
        ([*OPEN[:1], entry(1, True, False, ports=(32768, 40000))], "create", 2),
    ],
)
def test_the_entry_that_lets_a_call_pass_comes_before_what_denies_it(
    entries: list[AclEntry], verb: str, number: int
) -> None:
    """Under a number that is free, or in the place of what denies it: EC2 refuses to create an entry a second time."""
    blocked = go(with_acl(by_nat(), *entries)).obstacles[0].command
    assert blocked.startswith(f"aws ec2 {verb}-network-acl-entry --network-acl-id acl-2 --rule-number {number} ")


@pytest.mark.parametrize(
    ("entries", "traffic", "command"),
    [
        (
            (entry(5, True, False), *OPEN, entry(90, False, True, ports=(443, 443))),
            "TCP 443 out to 0.0.0.0/0 (rule 90 decides)",
            "create-network-acl-entry --network-acl-id acl-2 --rule-number 89 --protocol tcp"
            " --port-range From=443,To=443 --cidr-block 0.0.0.0/0 --rule-action allow --egress",
        ),
        (
            (*OPEN, entry(1, False, False, ports=(1024, 65535))),
            "TCP 32768-60999 in from 0.0.0.0/0 (rule 1 decides)",
            "replace-network-acl-entry --network-acl-id acl-2 --rule-number 1 --protocol tcp"
            " --port-range From=32768,To=60999 --cidr-block 0.0.0.0/0 --rule-action allow --ingress",
        ),
        ((OPEN[1],), "TCP 443 out to 0.0.0.0/0 (no rule allows it)", "create-network-acl-entry"),
        ((OPEN[1], OPEN[2]), "TCP 443 out to 0.0.0.0/0 (rule * decides)", "create-network-acl-entry"),
    ],
    ids=["a rule", "the first rule", "no rule", "the last rule"],
)
def test_which_rule_of_an_acl_decides(entries: tuple[AclEntry, ...], traffic: str, command: str) -> None:
    """Of the same direction; the new rule comes before it, or takes its place where there is no number before."""
    (obstacle,) = go(with_acl(by_nat(), *entries)).obstacles
    assert obstacle.facts == (f"DescribeNetworkAcls: acl-2 of {PRIVATE} does not let {traffic}.",)
    assert obstacle.command.startswith(f"aws ec2 {command}")


@pytest.mark.parametrize(("denying", "verb", "number"), [(1, "replace", 1), (40, "replace", 40), (90, "create", 40)])
def test_a_rule_for_ipv6_comes_before_the_one_that_denies(denying: int, verb: str, number: int) -> None:
    """Or takes its place."""
    others = (entry(each, True, True) for each in range(1, 40) if each != denying)
    entries = (*others, entry(denying, False, True, "::/0"), entry(50, True, False, "::/0"))
    network = with_acl(with_egress(ipv6(by_nat()), rule("::/0")), *entries)
    obstacle = go(network).obstacles[-1]
    assert obstacle.command == (
        f"aws ec2 {verb}-network-acl-entry --network-acl-id acl-2 --rule-number {number} --protocol tcp"
        " --port-range From=443,To=443 --ipv6-cidr-block ::/0 --rule-action allow --egress"
    )


@pytest.mark.parametrize("task", [IN_PUBLIC, TaskNetwork(PUBLIC, (TASKS,)), IN_PRIVATE])
def test_a_block_of_public_access_leaves_an_endpoint(task: TaskNetwork) -> None:
    """Neither a public address nor another NAT gateway helps, and whoever blocks it means it."""
    (obstacle,) = go(with_block(by_nat(), NOTHING, PRIVATE, PUBLIC), task).obstacles
    assert obstacle.subject == PUBLIC
    assert "VPC Block Public Access" in obstacle.facts[0] and "InternetGatewayBlockMode" in obstacle.facts[0]
    # A subnet that an exclusion opens to calls of NAT gateways alone has block-ingress, too.
    assert "no exclusion lets this call through" in obstacle.facts[0]
    assert "create-vpc-endpoint" in obstacle.command and "nat" not in obstacle.command


@pytest.mark.parametrize(
    ("network", "task"),
    [
        (with_routes(by_nat(), table="rtb-public"), IN_PRIVATE),
        (with_routes(by_nat(), Route(EVERYWHERE, GATEWAY, "blackhole"), table="rtb-public"), IN_PRIVATE),
        (replace(by_nat(), internet_gateways={}), IN_PRIVATE),
        (replace(by_nat(), internet_gateways={}), IN_PUBLIC),
    ],
    ids=["no route", "blackhole", "no gateway for a NAT gateway", "no gateway"],
)
def test_no_gateway_is_opened_that_a_block_of_public_access_closes(network: Network, task: TaskNetwork) -> None:
    """The block overrides a route to a gateway and its attachment: neither would let the call through."""
    for mode, is_closed in ((NOTHING, True), ("off", False)):
        (obstacle,) = go(with_block(network, mode, PRIVATE, PUBLIC), task).obstacles
        assert ("create-vpc-endpoint" in obstacle.command) is is_closed
        assert ("gateway-id" in obstacle.command) is not is_closed
