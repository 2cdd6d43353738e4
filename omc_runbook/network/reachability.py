"""Whether a task can reach an AWS service from its subnet: through what, or what blocks it.

https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Network

from omc_runbook.aws.ec2 import Endpoint, Network, Subnet, Vpc
from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import (
    PolicyDocument,
    Verdict,
    conditions_of,
    evaluate_resource,
    extend,
    refusing_conditions,
    refusing_resources,
)
from omc_runbook.iam.request_keys import Keys
from omc_runbook.model.arn import account_in, service_in
from omc_runbook.model.shell import command
from omc_runbook.network import acls, routes
from omc_runbook.network import rules as network_rules
from omc_runbook.network.routes import Obstacle
from omc_runbook.network.rules import HTTPS, INTERNET, LINUX_PORTS, NAT_PORTS

USABLE = frozenset({"available", "partial"})
ABSENT = frozenset({"deleting", "deleted", "expired"})


@dataclass(frozen=True)
class TaskNetwork:
    """A task's network configuration: the ids of its subnet and security groups, and whether it has a public IP."""

    subnet: str
    groups: tuple[str, ...] = ()
    public_ip: bool = False


@dataclass(frozen=True)
class Request:
    """A request for an endpoint's policy to evaluate: role ARN, action, resource ARN and condition keys."""

    role: str
    action: str
    resource: str
    keys: Keys = field(default_factory=dict)


@dataclass(frozen=True)
class CallPath:
    """What a call goes through ("endpoint vpce-…", "NAT gateway nat-…"; "" for nothing), and what blocks it."""

    via: str
    obstacles: tuple[Obstacle, ...] = ()
    keys: Keys = field(default_factory=dict)
    """The condition keys that an endpoint adds to the call."""

    @property
    def is_reachable(self) -> bool | None:
        """Whether the call reaches the service; None if that is unknown."""
        if any(obstacle.certain for obstacle in self.obstacles):
            return False
        return True if self.via and not self.obstacles else None


def trace(
    network: Network,
    task: TaskNetwork,
    service: str,
    region: str,
    requests: Sequence[Request] = (),
    others: Sequence[Request] = (),
) -> CallPath:
    """Follow a call from a task to a service of AWS ("secretsmanager", "ssmmessages") in a region.

    `requests` are evaluated against the policy of the endpoint, if one is used; what it refuses of `others` is no
    obstacle here, and the command that corrects the policy lets it through too. A part of `network` that could not be
    read is None and adds no obstacle.
    """
    if network.subnets is None:
        return CallPath("")
    subnet = network.subnets.get(task.subnet)
    if subnet is None:
        facts = (f"DescribeSubnets: there is no subnet {task.subnet}.",)
        return CallPath("", (Obstacle(check="no-egress", subject=task.subnet, facts=facts, certain=False),))
    call = _Call(network=network, task=task, subnet=subnet, service=service, region=region, others=tuple(others))
    return call.path(requests)


@dataclass(frozen=True, kw_only=True)
class _Call:
    network: Network
    task: TaskNetwork
    subnet: Subnet
    service: str
    region: str
    others: tuple[Request, ...]

    def path(self, requests: Sequence[Request]) -> CallPath:
        no_dns = tuple(self._dns_off())
        candidates = [endpoint for endpoint in self.endpoints if endpoint.state.lower() in USABLE]
        with_dns = next((endpoint for endpoint in candidates if endpoint.private_dns), None)
        if not self.subnet.cidr:
            facts = (f"DescribeSubnets: {self.subnet.id} has no IPv4 addresses, and calls over IPv6 are not followed.",)
            alone = Obstacle(check="no-egress", subject=self.subnet.id, facts=facts, certain=False)
            used = with_dns if self.vpc and self.vpc.dns_hostnames else None
            refused = self._endpoint_policy(used, requests) if used else ()
            # An endpoint may be reached within the subnet, without a route, and past its ACL.
            is_apart = self.network.endpoints is not None and not candidates
            no_route = routes.find_no_ipv6_route(self.network, self.subnet) if is_apart else None
            blocks = acls.find_ipv6_blocks(self.network, self.subnet.id) if is_apart and not no_route else ()
            way = self._missing(no_route) if no_route else alone
            return CallPath("", (*no_dns, way, *blocks, *self._no_https_egress(), *refused))
        if self.network.endpoints is None or self.vpc is None:
            return CallPath("", no_dns)
        if with_dns and self.vpc.dns_hostnames is None:
            return CallPath("", no_dns)
        if with_dns and self.vpc.dns_hostnames:
            obstacles = (*no_dns, *self._by_endpoint(with_dns, requests))
            return CallPath(f"endpoint {with_dns.id}", obstacles, _keys_of(with_dns))
        by, in_the_way = self._by_route()
        if candidates and any(obstacle.check == "no-egress" and obstacle.certain for obstacle in in_the_way):
            unused = with_dns or candidates[0]
            others = self._by_endpoint(unused, requests)
            return CallPath(f"endpoint {unused.id}", (*no_dns, self._private_dns_off(unused), *others))
        return CallPath(by, (*no_dns, *in_the_way))

    @cached_property
    def vpc(self) -> Vpc | None:
        return (self.network.vpcs or {}).get(self.subnet.vpc)

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        """The interface endpoints of the service in the VPC, in any state but deleted."""
        return [
            endpoint
            for endpoint in self.network.endpoints or ()
            if endpoint.vpc == self.subnet.vpc
            and endpoint.kind.lower() == "interface"
            and endpoint.service.endswith(f".{self.region}.{self.service}")
            and endpoint.state.lower() not in ABSENT
        ]

    @cached_property
    def task_groups(self) -> tuple[str, ...]:
        """The task's security groups; without any, the VPC's default one."""
        groups = (self.network.groups or {}).values()
        return self.task.groups or tuple(g.id for g in groups if g.vpc == self.subnet.vpc and g.name == "default")

    @cached_property
    def task_networks(self) -> tuple[IPv4Network, ...]:
        return self._networks((self.subnet.id,))

    def _networks(self, subnets: Iterable[str]) -> tuple[IPv4Network, ...]:
        found = (subnet for id in subnets if (subnet := (self.network.subnets or {}).get(id)))
        return tuple(network for subnet in found if (network := network_rules.network_of(subnet.cidr)))

    def _dns_off(self) -> Iterator[Obstacle]:
        """The VPC resolves no DNS names."""
        if self.vpc and self.vpc.dns_support is False:
            has_own_dns = self.vpc.dhcp_options in self.network.own_dns
            unless = ", unless the DNS servers of its DHCP options do" if has_own_dns else ""
            facts = (
                f"DescribeVpcAttribute: enableDnsSupport of {self.vpc.id} is false, so no name of AWS is resolved there"
                f"{unless}.",
            )
            fix = _modify_vpc(self.vpc.id, "--enable-dns-support")
            yield Obstacle(check="vpc-dns-off", subject=self.vpc.id, facts=facts, command=fix, certain=not has_own_dns)

    def _private_dns_off(self, endpoint: Endpoint) -> Obstacle:
        """An endpoint exists, and the service's DNS name does not resolve to it."""
        if endpoint.private_dns:
            facts = (
                f"DescribeVpcAttribute: enableDnsHostnames of {endpoint.vpc} is false, so the private DNS names of"
                f" {endpoint.id} are not resolved, and there is no other way.",
            )
            fix = _modify_vpc(endpoint.vpc, "--enable-dns-hostnames")
        else:
            facts = (
                f"DescribeVpcEndpoints: PrivateDnsEnabled of {endpoint.id} ({endpoint.service}) is false, so tasks call"
                " the service's public address, and no route leads there.",
            )
            fix = command(
                "aws", "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpoint.id, "--private-dns-enabled"
            )
        return Obstacle(check="private-dns-off", subject=endpoint.id, facts=facts, command=fix)

    def _by_route(self) -> tuple[str, tuple[Obstacle, ...]]:
        egress = routes.find_egress(self.network, self.subnet, self.task.public_ip)
        if egress is None:
            return "", ()
        if any(obstacle.certain for obstacle in egress.obstacles):
            missing = tuple(self._missing(obstacle) for obstacle in egress.obstacles)
            return "", (*missing, *self._no_https_egress())
        nat_subnet = egress.nat_subnet
        blocked = [*self._task_egress(INTERNET, ()), *self._acl(self.subnet.id, INTERNET, LINUX_PORTS)]
        if nat_subnet and nat_subnet != self.subnet.id:
            blocked += [*self._acl(nat_subnet, INTERNET, NAT_PORTS), *self._acl_answer(nat_subnet, self.task_networks)]
        return egress.via, (*egress.obstacles, *blocked)

    def _missing(self, obstacle: Obstacle) -> Obstacle:
        """A missing route, with the state of the endpoints and the command that creates one instead."""
        name = f"{'cn.' if self.region.startswith('cn-') else ''}com.amazonaws.{self.region}.{self.service}"
        states = [f"{endpoint.id} is in state {endpoint.state}" for endpoint in self.endpoints]
        vpc = self.subnet.vpc
        endpoint_fact = f"DescribeVpcEndpoints: {', '.join(states) or f'no endpoint for {name} in {vpc}'}."
        groups = self.network.groups or {}
        ingress = [rule for id in self.task_groups if id in groups for rule in groups[id].ingress]
        let_in = (
            ""
            if network_rules.allows(ingress, self.task_networks, frozenset(self.task_groups), self.network.prefix_lists)
            or not self.task_groups
            else f"{_let_in(self.task_groups[0], '--source-group', self.task_groups[0], '--region', self.region)} && "
        )
        create = let_in + command(
            *("aws", "ec2", "create-vpc-endpoint", "--vpc-id", vpc, "--vpc-endpoint-type", "Interface"),
            *("--service-name", name, "--subnet-ids", self.subnet.id, "--security-group-ids", *self.task_groups),
            *("--private-dns-enabled", *(() if self.subnet.cidr else ("--ip-address-type", "ipv6"))),
        )
        return Obstacle(
            check=obstacle.check,
            subject=obstacle.subject,
            facts=(*obstacle.facts, endpoint_fact),
            command=obstacle.command or create,
            needs="" if obstacle.command else obstacle.needs,
        )

    def _no_https_egress(self) -> Iterator[Obstacle]:
        """The task's security groups allow no egress on port 443 at all."""
        groups = self.network.groups
        if groups is None or not self.task_groups or not all(id in groups for id in self.task_groups):
            return
        if not network_rules.https_peers(rule for id in self.task_groups for rule in groups[id].egress):
            ranges = "IpRanges=[{CidrIp=0.0.0.0/0}]" if self.subnet.cidr else "Ipv6Ranges=[{CidrIpv6=::/0}]"
            yield self._no_egress_rule("anywhere", ranges, True)

    def _by_endpoint(self, endpoint: Endpoint, requests: Sequence[Request]) -> Iterator[Obstacle]:
        endpoint_networks = self._networks(endpoint.subnets)
        yield from self._task_egress(endpoint_networks, endpoint.groups)
        yield from self._endpoint_ingress(endpoint)
        for id in endpoint.subnets:
            # An ACL applies at the border of a subnet, not within it.
            if id != self.subnet.id:
                yield from self._acl(self.subnet.id, self._networks((id,)), LINUX_PORTS)
                yield from self._acl_answer(id, self.task_networks)
        yield from self._endpoint_policy(endpoint, requests)

    def _task_egress(self, others: tuple[IPv4Network, ...], groups: Sequence[str]) -> Iterator[Obstacle]:
        all_groups = self.network.groups
        if all_groups is None or not self.task_groups:
            return
        rules = [rule for id in self.task_groups if id in all_groups for rule in all_groups[id].egress]
        allowed = network_rules.allows(rules, others, frozenset(groups), self.network.prefix_lists)
        if allowed is True:
            return
        destination = f"the endpoint ({' '.join(groups)})" if groups else "the internet"
        peer = f"UserIdGroupPairs=[{{GroupId={groups[0]}}}]" if groups else "IpRanges=[{CidrIp=0.0.0.0/0}]"
        certain = allowed is False and all(id in all_groups for id in self.task_groups)
        yield self._no_egress_rule(destination, peer, certain)

    def _no_egress_rule(self, destination: str, peer: str, certain: bool) -> Obstacle:
        names = " ".join(self.task_groups)
        what = f"TCP 443 to {destination}"
        rule = f"no rule for {what}" if certain else f"no rule that surely lets {what} pass"
        facts = (f"DescribeSecurityGroups: IpPermissionsEgress of {names} has {rule}.",)
        fix = command(
            *("aws", "ec2", "authorize-security-group-egress", "--group-id", self.task_groups[0]),
            *("--ip-permissions", f"IpProtocol=tcp,FromPort=443,ToPort=443,{peer}"),
        )
        return Obstacle(check="sg-egress", subject=names, facts=facts, command=fix, certain=certain)

    def _endpoint_ingress(self, endpoint: Endpoint) -> Iterator[Obstacle]:
        groups = self.network.groups
        if groups is None or not endpoint.groups:
            return
        rules = [rule for id in endpoint.groups if id in groups for rule in groups[id].ingress]
        allowed = network_rules.allows(
            rules, self.task_networks, frozenset(self.task_groups), self.network.prefix_lists
        )
        if allowed is not True:
            certain = allowed is False and all(id in groups for id in endpoint.groups)
            names = " ".join(endpoint.groups)
            facts = (
                f"DescribeSecurityGroups: IpPermissions of {names}, the group of {endpoint.id}, has no rule for TCP 443"
                f" from {self.subnet.id} ({self.subnet.cidr}) or {' '.join(self.task_groups) or 'its tasks'}"
                f"{'' if certain else ' that surely holds for all of it'}.",
            )
            source = ("--source-group", self.task_groups[0]) if self.task_groups else ("--cidr", self.subnet.cidr)
            yield Obstacle(
                check="endpoint-sg",
                subject=names,
                facts=facts,
                command=_let_in(endpoint.groups[0], *source),
                certain=certain,
            )

    def _acl(self, subnet: str, others: tuple[IPv4Network, ...], ports: tuple[int, int]) -> Iterator[Obstacle]:
        """ACLs on the calling side: out to port 443, and the answer back."""
        yield from acls.find_blocks(self.network, subnet, True, others, (HTTPS, HTTPS))
        yield from acls.find_blocks(self.network, subnet, False, others, ports)

    def _acl_answer(self, subnet: str, others: tuple[IPv4Network, ...]) -> Iterator[Obstacle]:
        """ACLs on the answering side: in to port 443, and the answer out."""
        yield from acls.find_blocks(self.network, subnet, False, others, (HTTPS, HTTPS))
        yield from acls.find_blocks(self.network, subnet, True, others, LINUX_PORTS)

    def _endpoint_policy(self, endpoint: Endpoint, requests: Sequence[Request]) -> Iterator[Obstacle]:
        policy = endpoint.policy
        if policy is None:
            return
        for request in requests:
            verdict = _judge(endpoint, policy, request)
            if verdict.decision != "allowed":
                decision = f"DescribeVpcEndpoints: PolicyDocument of {endpoint.id}: {verdict.reason}."
                facts = (decision, *_refusals(endpoint, policy, request, verdict))
                judged = ((each.role, _judge(endpoint, policy, each).decision) for each in self.others)
                roles = {role for role, decision in judged if decision not in ("allowed", "explicit-deny")}
                yield Obstacle(
                    check="endpoint-policy",
                    subject=endpoint.id,
                    facts=facts,
                    command=_let_through(endpoint.id, policy, request, {request.role, *roles}, verdict),
                    certain=verdict.decision != "unknown",
                )


def _keys_of(endpoint: Endpoint) -> Keys:
    return {"aws:SourceVpc": endpoint.vpc, "aws:SourceVpce": endpoint.id}


def _judge(endpoint: Endpoint, policy: PolicyDocument, request: Request) -> Verdict:
    names = (request.role, account_in(request.role))
    return evaluate_resource(policy, names, request.action, request.resource, _context(endpoint, request))


def _context(endpoint: Endpoint, request: Request) -> Keys:
    return {**request_keys.of_role(request.role), **request.keys, **_keys_of(endpoint)}


def _refusals(endpoint: Endpoint, policy: PolicyDocument, request: Request, verdict: Verdict) -> Iterator[str]:
    """The Conditions and resources by which an endpoint's policy refuses a request, a sentence each."""
    if verdict.decision == "implicit-deny":

        def judge(other: PolicyDocument) -> Verdict:
            return _judge(endpoint, other, request)

        for condition in refusing_conditions([policy], judge, _context(endpoint, request)):
            yield condition.sentence
        yield from refusing_resources([policy], judge, service_in(request.resource))
    else:
        yield from conditions_of([policy], verdict.statements)


def _let_through(
    endpoint: str, policy: PolicyDocument, request: Request, roles: Collection[str], verdict: Verdict
) -> str:
    allowing = {label for label, _ in policy.allow_statements}
    if denying := " and ".join(label for label in verdict.statements if label not in allowing):
        # No Allow outweighs a Deny, and what else it is there for is its author's to say.
        modify = command("aws", "ec2", "modify-vpc-endpoint", "--vpc-endpoint-id", endpoint)
        corrected = f"{modify} --policy-document file://policy.json {{region}}"
        return (
            f"Remove the deny from {denying}: write the corrected policy to policy.json, and put it with `{corrected}`."
        )
    principal = {"AWS": sorted(roles) if len(roles) > 1 else request.role}
    document = extend(policy, Effect="Allow", Principal=principal, Action=request.action, Resource=request.resource)
    words = ("modify-vpc-endpoint", "--vpc-endpoint-id", endpoint, "--policy-document", document)
    return command("aws", "ec2", *words)


def _modify_vpc(vpc: str, attribute: str) -> str:
    return command("aws", "ec2", "modify-vpc-attribute", "--vpc-id", vpc, attribute, '{"Value":true}')


def _let_in(group: str, *source: str) -> str:
    words = ("--group-id", group, "--protocol", "tcp", "--port", "443", *source)
    return command("aws", "ec2", "authorize-security-group-ingress", *words)
