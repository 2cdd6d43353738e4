"""Reads the network of the consumers' tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from omc_runbook.aws import ec2 as reading
from omc_runbook.aws.ec2 import Network, Vpc
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.messages.reasons import is_of_network

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

    from omc_runbook.snapshot.gatherer import Gatherer
    from omc_runbook.snapshot.state import Snapshot

A = TypeVar("A")
T = TypeVar("T")
D = TypeVar("D")

NOTHING = Network(
    vpcs={},
    subnets={},
    route_tables=(),
    nat_gateways={},
    internet_gateways={},
    groups={},
    acls=(),
    endpoints=(),
    prefix_lists={},
)


def has_network_failure(snapshot: Snapshot) -> bool:
    """Whether tasks of a current deployment, or one just rolled back, failed for a reason in the network."""
    for service in snapshot.consumers:
        failed = snapshot.last_failed(service) if service.rolled_back else None
        deployments = {deployment.id for deployment in service.deployments}
        deployments |= {failed.deployment_id} if failed else set()
        reasons = [task.stopped_reason for task in snapshot.stopped(service) if task.deployment_id in deployments]
        if any(map(is_of_network, reasons)):
            return True
    return False


def read_after_failure(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Add the network where tasks failed for a reason in it."""
    return replace(snapshot, network=read(gatherer, snapshot)) if has_network_failure(snapshot) else snapshot


def read(gatherer: Gatherer, snapshot: Snapshot) -> Network | None:
    """Read the network, unless that has been done; what could not be read becomes a gap of "network".

    Empty where no consumer uses awsvpc; None where the subnets could not be read.
    """
    if snapshot.network is not None or gatherer.gaps.get("network"):
        return snapshot.network
    subnets = sorted(
        {subnet for service in snapshot.consumers for subnet in service.placement.subnets}
        | {task.subnet for service in snapshot.consumers for task in snapshot.stopped(service) if task.subnet}
    )
    if not subnets:
        return NOTHING
    reader = _Reader(gatherer, gatherer.clients("ec2"))
    placed = reader.get("DescribeSubnets", reading.describe_subnets, subnets)
    return reader.network(sorted({subnet.vpc for subnet in placed.values()})) if placed is not None else None


def read_vpcs(gatherer: MakesCalls, client: EC2Client, vpcs: Sequence[str]) -> Network:
    """Read everything that decides where the traffic of some VPCs goes."""
    return _Reader(gatherer, client).network(vpcs)


class MakesCalls(Protocol):
    """Makes calls and records what could not be read, as Gatherer does."""

    def ask(self, what: str, permission: str, call: Callable[[], T]) -> Future[T | ReadFailure]:
        """Start a call."""

    def keep(self, field: str, answer: Future[T | ReadFailure], default: D) -> T | D:
        """Wait for an answer, or return the default."""


class _Reader:
    """The EC2 calls of one snapshot."""

    def __init__(self, gatherer: MakesCalls, client: EC2Client) -> None:
        self._gatherer = gatherer
        self._client = client

    def ask(self, call: str, get: Callable[[EC2Client, A], T], what: A) -> Future[T | ReadFailure]:
        return self._gatherer.ask("the tasks' network", f"ec2:{call}", lambda: get(self._client, what))

    def get(self, call: str, get: Callable[[EC2Client, A], T], what: A) -> T | None:
        return self.keep(self.ask(call, get, what))

    def keep(self, answer: Future[T | ReadFailure]) -> T | None:
        return self._gatherer.keep("network", answer, None)

    def network(self, vpcs: Sequence[str]) -> Network:
        if not vpcs:
            return NOTHING
        described = self.ask("DescribeVpcs", reading.describe_vpcs, vpcs)
        support = {vpc: self.ask("DescribeVpcAttribute", reading.has_attribute, vpc) for vpc in vpcs}
        has_hostnames = partial(reading.has_attribute, attribute="enableDnsHostnames")
        hostnames = {vpc: self.ask("DescribeVpcAttribute", has_hostnames, vpc) for vpc in vpcs}
        subnets = self.ask("DescribeSubnets", partial(reading.describe_subnets, by="vpc-id"), vpcs)
        tables = self.ask("DescribeRouteTables", reading.describe_route_tables, vpcs)
        nats = self.ask("DescribeNatGateways", reading.describe_nat_gateways, vpcs)
        gateways = self.ask("DescribeInternetGateways", reading.describe_internet_gateways, vpcs)
        groups = self.ask("DescribeSecurityGroups", reading.describe_security_groups, vpcs)
        acls = self.ask("DescribeNetworkAcls", reading.describe_network_acls, vpcs)
        endpoints = self.ask("DescribeVpcEndpoints", reading.describe_vpc_endpoints, vpcs)
        read, route_tables, security_groups = self.keep(described), self.keep(tables), self.keep(groups)
        dns = {id: (self.keep(support[id]), self.keep(hostnames[id])) for id in vpcs}
        with_dns = {
            id: replace(vpc, dns_support=dns[id][0], dns_hostnames=dns[id][1]) for id, vpc in (read or {}).items()
        }
        # A gateway endpoint's prefix list never has addresses of Secrets Manager.
        routes = (route for table in route_tables or () for route in table.routes)
        destinations = [route.destination for route in routes if not route.target.startswith("vpce-")]
        rules = (rule for group in (security_groups or {}).values() for rule in (*group.ingress, *group.egress))
        return Network(
            vpcs=None if read is None else with_dns,
            subnets=self.keep(subnets),
            route_tables=route_tables,
            nat_gateways=self.keep(nats),
            internet_gateways=self.keep(gateways),
            groups=security_groups,
            acls=self.keep(acls),
            endpoints=self.keep(endpoints),
            prefix_lists=self._prefix_lists([*destinations, *(peer for rule in rules for peer in rule.peers)]),
            own_dns=self._own_dns(with_dns.values()),
        )

    def _prefix_lists(self, peers: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The CIDRs of the prefix lists among rules' peers; for AWS's own none, as they do not matter."""
        ids = sorted({peer for peer in peers if peer.startswith("pl-")})
        if not ids:
            return {}
        owned = self.get("DescribeManagedPrefixLists", reading.describe_prefix_lists, ids)
        futures = {
            id: self.ask("GetManagedPrefixListEntries", reading.get_prefix_list_entries, id)
            for id, by_aws in (owned or {}).items()
            if not by_aws
        }
        entries = {id: self.keep(future) for id, future in futures.items()}
        return {id: () for id, by_aws in (owned or {}).items() if by_aws} | {
            id: cidrs for id, cidrs in entries.items() if cidrs is not None
        }

    def _own_dns(self, vpcs: Iterable[Vpc]) -> frozenset[str]:
        ids = {vpc.dhcp_options for vpc in vpcs if vpc.dns_support is False} - {"", "default"}
        futures = {id: self.ask("DescribeDhcpOptions", reading.names_other_dns, id) for id in sorted(ids)}
        return frozenset(id for id, future in futures.items() if self.keep(future))
