"""Faults of the network: what keeps tasks from reaching Secrets Manager."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from omc_runbook.aws.ecs import Service
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Check, Doubt, Evidence, family
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops
from omc_runbook.model.findings import Remedy
from omc_runbook.model.shell import command
from omc_runbook.network.reachability import CallPath, Request, TaskNetwork, trace
from omc_runbook.network.routes import Obstacle
from omc_runbook.snapshot.networking import ENDPOINT_POLICY, NO_CONNECTION
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

check = family("network")

NEEDS = ("network", "services", "task_definitions")
SERVICE = "secretsmanager"


@check("no-egress", *NEEDS)
def no_egress(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """Tasks have no way to Secrets Manager: neither a route to the internet nor an endpoint that they can use."""
    yield from _found(snapshot, "no-egress")
    yield from _unexplained(snapshot)


@check("private-dns-off", *NEEDS)
def private_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The endpoint for Secrets Manager has no private DNS name, so tasks pass it by and have no other way."""
    return _found(snapshot, "private-dns-off")


@check("vpc-dns-off", *NEEDS)
def vpc_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """No name is resolved in the tasks' VPC."""
    return _found(snapshot, "vpc-dns-off")


@check("sg-egress", *NEEDS)
def sg_egress(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The tasks' security group lets no HTTPS out towards Secrets Manager."""
    return _found(snapshot, "sg-egress")


@check("endpoint-sg", *NEEDS)
def endpoint_sg(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The security group of the endpoint for Secrets Manager lets no HTTPS in from the tasks."""
    return _found(snapshot, "endpoint-sg")


@check("network-acl", *NEEDS)
def network_acl(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """A network ACL stops the tasks' calls to Secrets Manager, or the answers."""
    return _found(snapshot, "network-acl")


@check("endpoint-policy", *NEEDS)
def endpoint_policy(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """The policy of the endpoint for Secrets Manager does not let the execution role read the secret."""
    return _found(snapshot, "endpoint-policy")


@dataclass(frozen=True)
class _Trouble:
    """What is in the way of a service's tasks in one subnet."""

    service: Service
    subnet: str
    obstacle: Obstacle
    stops: tuple[Stop, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        return (*self.obstacle.facts, *(stop.sentence for stop in self.stops[:1]))


def _found(snapshot: Snapshot, id: str) -> Iterator[Evidence | Doubt]:
    """One finding, or doubt, for each thing that is in the way."""
    grouped: dict[str, list[_Trouble]] = {}
    for trouble in _troubles(snapshot):
        if trouble.obstacle.check == id:
            grouped.setdefault(trouble.obstacle.subject, []).append(trouble)
    for subject, troubles in grouped.items():
        facts = tuple(dict.fromkeys(fact for trouble in troubles for fact in trouble.facts))
        places = {(t.service.name, t.subnet): None for t in troubles}
        told = ", ".join(f"{service} in {subnet}" for service, subnet in places)
        if any(trouble.obstacle.certain for trouble in troubles):
            services = frozenset(trouble.service.name for trouble in troubles)
            remedy = _remedy(snapshot, troubles[0])
            yield Evidence(subject, (*facts, f"It is in the way of tasks of {told}."), remedy, services)
        else:
            yield Doubt(subject, (*facts, f"So the way of tasks of {told} cannot be judged."))


def _troubles(snapshot: Snapshot) -> Iterator[_Trouble]:
    for service in snapshot.consumers:
        if not _reads(snapshot, service):
            continue
        stops = _stops(snapshot, service)
        for subnet, path in _paths(snapshot, service):
            certain = [obstacle for obstacle in path.obstacles if obstacle.certain]
            unsure = [obstacle for obstacle in path.obstacles if not obstacle.certain]
            # What may be in the way is no news beside what is, nor where tasks came through.
            if not certain and not _comes_through(snapshot, service, stops):
                certain = unsure
            yield from (_Trouble(service, subnet, obstacle, stops) for obstacle in certain)


def _paths(snapshot: Snapshot, service: Service) -> Iterator[tuple[str, CallPath]]:
    """The way from each subnet that tasks are, or were of late, started in."""
    if snapshot.network is None:
        return
    placement = service.placement
    subnets = [*placement.subnets, *(stop.task.subnet for stop in _stops(snapshot, service) if stop.task.subnet)]
    roles = dict.fromkeys(revision.execution_role_arn for revision in snapshot.revisions(service))
    secret = snapshot.secret.arn if snapshot.secret else ""
    requests = [Request(role, GET_SECRET_VALUE, secret) for role in roles if role and secret]
    for subnet in dict.fromkeys(subnets):
        place = TaskNetwork(subnet, placement.groups, placement.public_ip)
        yield subnet, trace(snapshot.network, place, SERVICE, snapshot.environment.names.region, requests)


def _reads(snapshot: Snapshot, service: Service) -> bool:
    """Whether its tasks call Secrets Manager in the environment's region when they start."""
    region = snapshot.environment.names.region
    injections = (i for revision in snapshot.revisions(service) for _, i in snapshot.own_injections(revision))
    return any(i.reference.kind == SERVICE and i.reference.region in ("", region) for i in injections)


def _stops(snapshot: Snapshot, service: Service) -> tuple[Stop, ...]:
    """Its tasks that failed in the network's words."""
    return tuple(
        stop
        for stop in fresh_stops(snapshot)
        if stop.service is service
        and stop.lacks_secrets
        and (NO_CONNECTION.search(stop.reason) or ENDPOINT_POLICY.search(stop.reason))
    )


def _comes_through(snapshot: Snapshot, service: Service, stops: tuple[Stop, ...]) -> bool:
    """Whether running tasks of the deployment in force got their secrets, and none failed to."""
    primary = service.primary
    return not stops and any(
        task.started and (primary is None or task.deployment_id == primary.id) for task in snapshot.running(service)
    )


def _unexplained(snapshot: Snapshot) -> Iterator[Doubt]:
    """Tasks that have no connection, and nothing that is known to be in their way."""
    if snapshot.network is None or snapshot.gaps.get("network"):
        return
    troubled = {trouble.service.name for trouble in _troubles(snapshot)}
    for service in snapshot.consumers:
        stops = _stops(snapshot, service)
        if service.name in troubled or not _reads(snapshot, service):
            continue
        if stops and service.placement.subnets:
            nothing = "No route, security group, network ACL or endpoint that EC2 tells of is in the way any more"
            yield Doubt(service.name, (stops[0].sentence, f"{nothing}: look at DNS servers and firewalls on it."))
        elif not service.placement.subnets and not _comes_through(snapshot, service, stops):
            way = (
                "have no network interface of their own (awsvpc): their way is their instance's, which is not looked at"
            )
            yield Doubt(service.name, (f"Tasks of {service.name} {way}.", *(stop.sentence for stop in stops[:1])))


def _remedy(snapshot: Snapshot, trouble: _Trouble) -> Remedy:
    names, placement = snapshot.environment.names, trouble.service.placement
    awsvpc = (
        f"awsvpcConfiguration={{subnets=[{','.join(placement.subnets)}],"
        f"securityGroups=[{','.join(placement.groups)}],assignPublicIp=ENABLED}}"
    )
    filled = {"{cluster}": names.cluster, "{service}": trouble.service.name, "{public}": awsvpc}
    way, note = trouble.obstacle.command, ""
    for name, text in filled.items():
        way = way.replace(name, command(text))
    if " (" in way:
        way, _, note = way.partition(" (")
        note = f" ({note}"
    return remedies.advise(f"{way} {command('--region', names.region)}{note}")


CHECKS: tuple[Check, ...] = (
    no_egress,
    private_dns_off,
    vpc_dns_off,
    sg_egress,
    endpoint_sg,
    network_acl,
    endpoint_policy,
)
