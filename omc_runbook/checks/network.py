"""Faults of the network: what keeps tasks from reaching Secrets Manager."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omc_runbook.aws.ecs import Service
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Uncertain
from omc_runbook.checks.registry import Family
from omc_runbook.checks.role_access import keys_of_read
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops
from omc_runbook.messages.reasons import is_of_network
from omc_runbook.model.findings import Remedy
from omc_runbook.model.shell import command
from omc_runbook.network.reachability import CallPath, Request, TaskNetwork, trace
from omc_runbook.network.routes import Obstacle
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

check = Family("network", hinders="calls")

NEEDS = ("network", "services", "task_definitions")
SERVICE = "secretsmanager"


@check(
    "no-egress",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeRouteTables: the tasks' subnets have a route to Secrets Manager",
)
def no_egress(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Tasks cannot reach Secrets Manager: no route to the internet, no usable endpoint."""
    yield from _findings(snapshot, "no-egress")
    yield from _unexplained(snapshot)


@check(
    "private-dns-off",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeVpcEndpoints: every endpoint in use has PrivateDnsEnabled",
)
def private_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint for Secrets Manager has private DNS off, and tasks have no other way."""
    return _findings(snapshot, "private-dns-off")


@check(
    "vpc-dns-off",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeVpcAttribute: enableDnsSupport and enableDnsHostnames are true",
)
def vpc_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The tasks' VPC resolves no DNS names."""
    return _findings(snapshot, "vpc-dns-off")


@check(
    "sg-egress",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeSecurityGroups: the tasks' group allows 443 out",
)
def sg_egress(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The tasks' security group blocks HTTPS to Secrets Manager."""
    return _findings(snapshot, "sg-egress")


@check(
    "endpoint-sg",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeSecurityGroups: no endpoint's group refuses 443 from the tasks",
)
def endpoint_sg(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint's security group blocks HTTPS from the tasks."""
    return _findings(snapshot, "endpoint-sg")


@check(
    "network-acl",
    needs=NEEDS,
    looks_like=("no-connection",),
    ruled_out_by="DescribeNetworkAcls: 443 may leave the subnets and its answers may return",
)
def network_acl(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A network ACL blocks the tasks' calls to Secrets Manager, or the answers."""
    return _findings(snapshot, "network-acl")


@check(
    "endpoint-policy",
    needs=NEEDS,
    looks_like=("access-denied", "no-connection"),
    ruled_out_by="DescribeVpcEndpoints: no endpoint's policy keeps the tasks from GetSecretValue",
)
def endpoint_policy(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint's policy keeps the execution role from the secret."""
    return _findings(snapshot, "endpoint-policy")


@dataclass(frozen=True)
class _Trouble:
    """An obstacle to a service's tasks in one subnet."""

    service: Service
    subnet: str
    obstacle: Obstacle
    stops: tuple[Stop, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        return (*self.obstacle.facts, *(stop.sentence for stop in self.stops[:1]))


def _findings(snapshot: Snapshot, id: str) -> Iterator[Evidence | Uncertain]:
    """One finding, or doubt, for each obstacle."""
    grouped: dict[str, list[_Trouble]] = {}
    for trouble in _troubles(snapshot):
        if trouble.obstacle.check == id:
            grouped.setdefault(trouble.obstacle.subject, []).append(trouble)
    for subject, troubles in grouped.items():
        facts = tuple(dict.fromkeys(fact for trouble in troubles for fact in trouble.facts))
        pairs = {(t.service.name, t.subnet): None for t in troubles}
        tasks = ", ".join(f"{service} in {subnet}" for service, subnet in pairs)
        if any(trouble.obstacle.certain for trouble in troubles):
            services = frozenset(trouble.service.name for trouble in troubles)
            remedy = _remedy(snapshot, troubles[0])
            yield Evidence(subject, (*facts, f"It blocks tasks of {tasks}."), remedy, services)
        else:
            yield Uncertain(subject, (*facts, f"Whether it blocks tasks of {tasks} is unknown."))


def _troubles(snapshot: Snapshot) -> Iterator[_Trouble]:
    for service in snapshot.consumers:
        if not _reads(snapshot, service):
            continue
        stops = _stops(snapshot, service)
        for subnet, path in _paths(snapshot, service):
            certain = [obstacle for obstacle in path.obstacles if obstacle.certain]
            unsure = [obstacle for obstacle in path.obstacles if not obstacle.certain]
            # A possible obstacle does not matter beside a certain one, nor where tasks got their secrets.
            if not certain and not _comes_through(snapshot, service, stops):
                certain = unsure
            yield from (_Trouble(service, subnet, obstacle, stops) for obstacle in certain)


def _paths(snapshot: Snapshot, service: Service) -> Iterator[tuple[str, CallPath]]:
    """The path from each subnet that tasks start in, or lately failed in."""
    if snapshot.network is None or service.reads_by_instance:
        return
    placement = service.placement
    subnets = [*placement.subnets, *(stop.task.subnet for stop in _stops(snapshot, service) if stop.task.subnet)]
    roles = dict.fromkeys(revision.execution_role_arn for revision in snapshot.revisions(service))
    secret = snapshot.secret.arn if snapshot.secret else ""
    requests = [
        Request(role, GET_SECRET_VALUE, secret, keys_of_read(snapshot, role)) for role in roles if role and secret
    ]
    for subnet in dict.fromkeys(subnets):
        task_network = TaskNetwork(subnet, placement.groups, placement.public_ip)
        yield subnet, trace(snapshot.network, task_network, SERVICE, snapshot.environment.names.region, requests)


def _reads(snapshot: Snapshot, service: Service) -> bool:
    """Whether its tasks call Secrets Manager in the environment's region when they start."""
    region = snapshot.environment.names.region
    injections = (i for revision in snapshot.revisions(service) for _, i in snapshot.own_references(revision))
    return any(i.reference.kind == SERVICE and i.reference.region in ("", region) for i in injections)


def _stops(snapshot: Snapshot, service: Service) -> tuple[Stop, ...]:
    """Its tasks that failed for a reason in the network."""
    return tuple(
        stop
        for stop in fresh_stops(snapshot)
        if stop.service is service and stop.lacks_secrets and is_of_network(stop.reason)
    )


def _comes_through(snapshot: Snapshot, service: Service, stops: tuple[Stop, ...]) -> bool:
    """Whether running tasks of the deployment in force got their secrets, and none failed to."""
    primary = service.primary
    return not stops and any(
        task.started and (primary is None or task.deployment_id == primary.id) for task in snapshot.running(service)
    )


def _unexplained(snapshot: Snapshot) -> Iterator[Uncertain]:
    """Tasks without a connection and without a known obstacle."""
    if snapshot.network is None or snapshot.gaps.get("network"):
        return
    troubled = {trouble.service.name for trouble in _troubles(snapshot)}
    for service in snapshot.consumers:
        stops = _stops(snapshot, service)
        if service.name in troubled or not _reads(snapshot, service):
            continue
        if stops and not service.reads_by_instance:
            nothing = "No route, security group, network ACL or endpoint blocks them now"
            yield Uncertain(service.name, (stops[0].sentence, f"{nothing}: check DNS servers and firewalls."))
        elif service.reads_by_instance and not _comes_through(snapshot, service, stops):
            way = "get their secrets through the network of their instance, whose routes are not read"
            yield Uncertain(service.name, (f"Tasks of {service.name} {way}.", *(stop.sentence for stop in stops[:1])))


def _remedy(snapshot: Snapshot, trouble: _Trouble) -> Remedy:
    names, placement = snapshot.environment.names, trouble.service.placement
    awsvpc = (
        f"awsvpcConfiguration={{subnets=[{','.join(placement.subnets)}],"
        f"securityGroups=[{','.join(placement.groups)}],assignPublicIp=ENABLED}}"
    )
    filled = {"{cluster}": names.cluster, "{service}": trouble.service.name, "{public}": awsvpc}
    way = trouble.obstacle.command
    for name, text in filled.items():
        way = way.replace(name, command(text))
    return remedies.advise(f"{way} {command('--region', names.region)}")
