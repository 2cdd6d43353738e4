"""Whether a task can reach an AWS service from its subnet: by what, or what is in the way.

https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network

from omc_runbook.aws.ec2 import Endpoint, Network, Subnet, Vpc
from omc_runbook.iam.policy import evaluate_resource
from omc_runbook.model.shell import command
from omc_runbook.network import acls, routes
from omc_runbook.network import rules as network_rules
from omc_runbook.network.routes import Obstacle
from omc_runbook.network.rules import HTTPS, INTERNET, LINUX_PORTS, NAT_PORTS

USABLE = frozenset({"available", "partial"})
ABSENT = frozenset({"deleting", "deleted", "expired"})


@dataclass(frozen=True)
class Place:
    """Where a task stands: the ids of its subnet and security groups, and whether it has a public address."""

    subnet: str
    groups: tuple[str, ...] = ()
    public_ip: bool = False


@dataclass(frozen=True)
class Request:
    """What is asked of the service, for an endpoint's policy to judge: by whom, what and on what."""

    role: str
    action: str
    resource: str


@dataclass(frozen=True)
class Path:
    """The way that a call takes ("endpoint vpce-…", "NAT gateway nat-…"; "" for none) and all that is in it."""

    by: str
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_open(self) -> bool | None:
        """Whether the call arrives; None where that cannot be told."""
        if any(obstacle.certain for obstacle in self.obstacles):
            return False
        return True if self.by and not self.obstacles else None


def trace(network: Network, place: Place, service: str, region: str, requests: Sequence[Request] = ()) -> Path:
    """Follow a call from a task to a service of AWS ("secretsmanager", "ssmmessages") in a region.

    Nothing is said of what could not be read: where a part of the network is None, its obstacles are missing.
    """
    if network.subnets is None:
        return Path("")
    subnet = network.subnets.get(place.subnet)
    if subnet is None:
        facts = (f"DescribeSubnets: there is no subnet {place.subnet}.",)
        return Path("", (Obstacle("no-egress", place.subnet, facts, certain=False),))
    return _Call(network, place, subnet, service, region).path(requests)


@dataclass(frozen=True)
class _Call:
    network: Network
    place: Place
    subnet: Subnet
    service: str
    region: str

    def path(self, requests: Sequence[Request]) -> Path:
        unnamed = tuple(self._unnamed())
        if self.network.endpoints is None or self.vpc is None:
            return Path("", unnamed)
        there = [endpoint for endpoint in self.endpoints if endpoint.state.lower() in USABLE]
        named = next((endpoint for endpoint in there if endpoint.private_dns), None)
        if named and self.vpc.dns_hostnames is None:
            return Path("", unnamed)
        if named and self.vpc.dns_hostnames:
            return Path(f"endpoint {named.id}", (*unnamed, *self._by_endpoint(named, requests)))
        by, obstacles = self._by_route()
        if there and any(obstacle.check == "no-egress" and obstacle.certain for obstacle in obstacles):
            unused = named or there[0]
            others = self._by_endpoint(unused, requests)
            return Path(f"endpoint {unused.id}", (*unnamed, self._unused(unused), *others))
        return Path(by, (*unnamed, *obstacles))

    @cached_property
    def vpc(self) -> Vpc | None:
        return (self.network.vpcs or {}).get(self.subnet.vpc)

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """The interface endpoints of the service in the VPC, whatever state they are in."""
        return [
            endpoint
            for endpoint in self.network.endpoints or ()
            if endpoint.vpc == self.subnet.vpc
            and endpoint.kind.lower() == "interface"
            and endpoint.service.endswith(f".{self.region}.{self.service}")
            and endpoint.state.lower() not in ABSENT
        ]

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The task's security groups; a service that names none has the VPC's default one."""
        groups = (self.network.groups or {}).values()
        return self.place.groups or tuple(g.id for g in groups if g.vpc == self.subnet.vpc and g.name == "default")

    @cached_property
    def here(self) -> tuple[IPv4Network, ...]:
        return self._networks((self.subnet.id,))

    def _networks(self, subnets: Iterable[str]) -> tuple[IPv4Network, ...]:
        found = (subnet for id in subnets if (subnet := (self.network.subnets or {}).get(id)))
        return tuple(network for subnet in found if (network := network_rules.network_of(subnet.cidr)))

    def _unnamed(self) -> Iterator[Obstacle]:
        """No name is resolved in the VPC."""
        if self.vpc and self.vpc.dns_support is False:
            own = self.vpc.dhcp_options in self.network.own_dns
            facts = (
                f"DescribeVpcAttribute: enableDnsSupport of {self.vpc.id} is false, so no name of AWS is resolved there"
                f"{', unless the DNS servers of its DHCP options do' if own else ''}.",
            )
            way = _modify_vpc(self.vpc.id, "--enable-dns-support")
            yield Obstacle("vpc-dns-off", self.vpc.id, facts, way, certain=not own)

    def _unused(self, endpoint: Endpoint) -> Obstacle:
        """There is an endpoint, and names do not lead to it."""
        if endpoint.private_dns:
            facts = (
                f"DescribeVpcAttribute: enableDnsHostnames of {endpoint.vpc} is false, so the private DNS names of"
                f" {endpoint.id} are not resolved, and there is no other way.",
            )
            way = _modify_vpc(endpoint.vpc, "--enable-dns-hostnames")
        else:
            facts = (
                f"DescribeVpcEndpoints: PrivateDnsEnabled of {endpoint.id} ({endpoint.service}) is false, so tasks call"
                " the service's public address, and no route leads there.",
            )
            way = command(
                "aws", "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpoint.id, "--private-dns-enabled"
            )
        return Obstacle("private-dns-off", endpoint.id, facts, way)

    def _by_route(self) -> tuple[str, tuple[Obstacle, ...]]:
        way = routes.leave(self.network, self.subnet, self.place.public_ip)
        if way is None:
            return "", ()
        if any(obstacle.certain for obstacle in way.obstacles):
            missing = tuple(self._missing(obstacle) for obstacle in way.obstacles)
            return "", (*missing, *self._shut())
        last = way.nat_subnet
        blocked = [*self._outward(INTERNET, ()), *self._acl(self.subnet.id, INTERNET, LINUX_PORTS)]
        if last and last != self.subnet.id:
            blocked += [*self._acl(last, INTERNET, NAT_PORTS), *self._acl_answer(last, self.here)]
        return way.by, (*way.obstacles, *blocked)

    def _missing(self, obstacle: Obstacle) -> Obstacle:
        """A way out that is not there, with what there is of endpoints, and the endpoint that would replace it."""
        name = f"{'cn.' if self.region.startswith('cn-') else ''}com.amazonaws.{self.region}.{self.service}"
        told = [f"{endpoint.id} is in state {endpoint.state}" for endpoint in self.endpoints]
        vpc = self.subnet.vpc
        fact = f"DescribeVpcEndpoints: {', '.join(told) or f'no endpoint for {name} in {vpc}'}."
        known = self.network.groups or {}
        ingress = [rule for id in self.own if id in known for rule in known[id].ingress]
        let_in = (
            ""
            if network_rules.allows(ingress, self.here, frozenset(self.own), self.network.prefix_lists) or not self.own
            else f"{_let_in(self.own[0], '--source-group', self.own[0], '--region', self.region)} && "
        )
        create = let_in + command(
            *("aws", "ec2", "create-vpc-endpoint", "--vpc-id", vpc, "--vpc-endpoint-type", "Interface"),
            *("--service-name", name, "--subnet-ids", self.subnet.id, "--security-group-ids", *self.own),
            "--private-dns-enabled",
        )
        return Obstacle(obstacle.check, obstacle.subject, (*obstacle.facts, fact), obstacle.command or create)

    def _shut(self) -> Iterator[Obstacle]:
        """The task's groups let nothing out on 443, wherever it goes."""
        known = self.network.groups
        if known is None or not self.own or not all(id in known for id in self.own):
            return
        if not network_rules.https_peers(rule for id in self.own for rule in known[id].egress):
            yield self._no_egress_rule("anywhere", "IpRanges=[{CidrIp=0.0.0.0/0}]", True)

    def _by_endpoint(self, endpoint: Endpoint, requests: Sequence[Request]) -> Iterator[Obstacle]:
        there = self._networks(endpoint.subnets)
        yield from self._outward(there, endpoint.groups)
        yield from self._inward(endpoint)
        for id in endpoint.subnets:
            # An ACL stands at the border of a subnet, so within one it sees nothing.
            if id != self.subnet.id:
                yield from self._acl(self.subnet.id, self._networks((id,)), LINUX_PORTS)
                yield from self._acl_answer(id, self.here)
        yield from self._refused(endpoint, requests)

    def _outward(self, others: tuple[IPv4Network, ...], groups: Sequence[str]) -> Iterator[Obstacle]:
        known = self.network.groups
        if known is None or not self.own:
            return
        rules = [rule for id in self.own if id in known for rule in known[id].egress]
        allowed = network_rules.allows(rules, others, frozenset(groups), self.network.prefix_lists)
        if allowed is True:
            return
        whither = f"the endpoint ({' '.join(groups)})" if groups else "the internet"
        peer = f"UserIdGroupPairs=[{{GroupId={groups[0]}}}]" if groups else "IpRanges=[{CidrIp=0.0.0.0/0}]"
        sure = allowed is False and all(id in known for id in self.own)
        yield self._no_egress_rule(whither, peer, sure)

    def _no_egress_rule(self, whither: str, peer: str, certain: bool) -> Obstacle:
        names = " ".join(self.own)
        facts = (
            f"DescribeSecurityGroups: IpPermissionsEgress of {names} has no rule"
            f"{'' if certain else ' that surely lets'}{' for' if certain else ''} TCP 443 to {whither}"
            f"{'' if certain else ' pass'}.",
        )
        way = command(
            *("aws", "ec2", "authorize-security-group-egress", "--group-id", self.own[0]),
            *("--ip-permissions", f"IpProtocol=tcp,FromPort=443,ToPort=443,{peer}"),
        )
        return Obstacle("sg-egress", names, facts, way, certain)

    def _inward(self, endpoint: Endpoint) -> Iterator[Obstacle]:
        known = self.network.groups
        if known is None or not endpoint.groups:
            return
        rules = [rule for id in endpoint.groups if id in known for rule in known[id].ingress]
        allowed = network_rules.allows(rules, self.here, frozenset(self.own), self.network.prefix_lists)
        if allowed is not True:
            sure = allowed is False and all(id in known for id in endpoint.groups)
            names = " ".join(endpoint.groups)
            facts = (
                f"DescribeSecurityGroups: IpPermissions of {names}, the group of {endpoint.id}, has no rule for TCP 443"
                f" from {self.subnet.id} ({self.subnet.cidr}) or {' '.join(self.own) or 'its tasks'}"
                f"{'' if sure else ' that surely holds for all of it'}.",
            )
            source = ("--source-group", self.own[0]) if self.own else ("--cidr", self.subnet.cidr)
            yield Obstacle("endpoint-sg", names, facts, _let_in(endpoint.groups[0], *source), sure)

    def _acl(self, subnet: str, others: tuple[IPv4Network, ...], ports: tuple[int, int]) -> Iterator[Obstacle]:
        """Out to port 443, and the answer back."""
        yield from acls.stop(self.network, subnet, True, others, (HTTPS, HTTPS))
        yield from acls.stop(self.network, subnet, False, others, ports)

    def _acl_answer(self, subnet: str, others: tuple[IPv4Network, ...]) -> Iterator[Obstacle]:
        """In to port 443, and the answer out."""
        yield from acls.stop(self.network, subnet, False, others, (HTTPS, HTTPS))
        yield from acls.stop(self.network, subnet, True, others, LINUX_PORTS)

    def _refused(self, endpoint: Endpoint, requests: Sequence[Request]) -> Iterator[Obstacle]:
        for request in requests if endpoint.policy else ():
            account = request.role.split(":")[4]
            context = {
                "aws:PrincipalArn": request.role,
                "aws:PrincipalAccount": account,
                "aws:SourceVpc": endpoint.vpc,
                "aws:SourceVpce": endpoint.id,
                "aws:PrincipalIsAWSService": "false",
                "aws:SecureTransport": "true",
            }
            assert endpoint.policy
            verdict = evaluate_resource(
                endpoint.policy, (request.role, account), request.action, request.resource, context
            )
            if verdict.decision != "allowed":
                facts = (f"DescribeVpcEndpoints: PolicyDocument of {endpoint.id}: {verdict.reason}.",)
                words = ("--vpc-endpoint-id", endpoint.id, "--policy-document", "file://policy.json")
                statement = f"Allow {request.action} on {command(request.resource)} for {command(request.role)}"
                way = f"{command('aws', 'ec2', 'modify-vpc-endpoint', *words)} (with {statement})"
                yield Obstacle("endpoint-policy", endpoint.id, facts, way, verdict.decision != "unknown")


def _modify_vpc(vpc: str, attribute: str) -> str:
    return command("aws", "ec2", "modify-vpc-attribute", "--vpc-id", vpc, attribute, '{"Value":true}')


def _let_in(group: str, *source: str) -> str:
    words = ("--group-id", group, "--protocol", "tcp", "--port", "443", *source)
    return command("aws", "ec2", "authorize-security-group-ingress", *words)
