"""Faults of the network: what keeps tasks from reaching Secrets Manager and Parameter Store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws.ecs import Service
from omc_runbook.checks.check import Evidence, Family, Uncertain
from omc_runbook.checks.role_access import keys_of_read, unread_organization
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops, stops_saying
from omc_runbook.messages.reasons import is_of_network
from omc_runbook.model.arn import region_in
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.shell import command
from omc_runbook.network.reachability import CallPath, Request, TaskNetwork, trace
from omc_runbook.network.routes import Obstacle
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

check = Family(
    "network", needs=("network", "services", "task_definitions"), looks_like=("no-connection",), hinders="calls"
)
SECRETS_MANAGER, PARAMETER_STORE = "secretsmanager", "ssm"
_BY_RULES = ("network-acl", "endpoint-sg")
"""Checks of what lacks a rule for each way that is blocked."""
_RULE_NUMBER = re.compile(r" --rule-number (\d+) ")


@check("no-egress", ruled_out_by="DescribeRouteTables: the tasks' subnets have a route to Secrets Manager")
def no_egress(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Tasks cannot reach Secrets Manager or Parameter Store: no route to the internet, no usable endpoint."""
    yield from _findings(snapshot, "no-egress")
    yield from _unexplained(snapshot)


@check("private-dns-off", ruled_out_by="DescribeVpcEndpoints: every endpoint in use has PrivateDnsEnabled")
def private_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint for Secrets Manager or Parameter Store has private DNS off, and tasks have no other way."""
    return _findings(snapshot, "private-dns-off")


@check("vpc-dns-off", ruled_out_by="DescribeVpcAttribute: enableDnsSupport and enableDnsHostnames are true")
def vpc_dns_off(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The tasks' VPC resolves no DNS names."""
    return _findings(snapshot, "vpc-dns-off")


@check("sg-egress", ruled_out_by="DescribeSecurityGroups: the tasks' group allows 443 out")
def sg_egress(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The tasks' security group blocks HTTPS to Secrets Manager or Parameter Store."""
    return _findings(snapshot, "sg-egress")


@check("endpoint-sg", ruled_out_by="DescribeSecurityGroups: no endpoint's group refuses 443 from the tasks")
def endpoint_sg(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint's security group blocks HTTPS from the tasks."""
    return _findings(snapshot, "endpoint-sg")


@check("network-acl", ruled_out_by="DescribeNetworkAcls: 443 may leave the subnets and its answers may return")
def network_acl(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A network ACL blocks the tasks' calls to Secrets Manager or Parameter Store, or the answers."""
    return _findings(snapshot, "network-acl")


@check(
    "endpoint-policy",
    looks_like=("access-denied", "no-connection"),
    ruled_out_by="DescribeVpcEndpoints: no endpoint's policy keeps the tasks from GetSecretValue",
)
def endpoint_policy(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The endpoint's policy keeps the execution role from the secret."""
    return _findings(snapshot, "endpoint-policy")


@dataclass(frozen=True)
class _Trouble:
    """An obstacle to the calls of a service's tasks in one subnet to an AWS service."""

    service: Service
    subnet: str
    called: str
    obstacle: Obstacle
    stops: tuple[Stop, ...]

    @property
    def facts(self) -> tuple[str, ...]:
        return (*self.obstacle.facts, *(stop.sentence for stop in self.stops[:1]))


def _findings(snapshot: Snapshot, id: str) -> Iterator[Evidence | Uncertain]:
    """One finding, or doubt, for each obstacle."""
    own = (trouble for trouble in _troubles(snapshot) if trouble.obstacle.check == id)
    for subject, troubles in grouped((trouble.obstacle.subject, trouble) for trouble in own).items():
        facts = tuple(dict.fromkeys(fact for trouble in troubles for fact in trouble.facts))
        pairs = {(t.service.name, t.subnet): None for t in troubles}
        tasks = ", ".join(f"{service} in {subnet}" for service, subnet in pairs)
        if any(trouble.obstacle.certain for trouble in troubles):
            services = frozenset(trouble.service.name for trouble in troubles)
            remedy = _remedy(snapshot, troubles)
            yield Evidence(subject, (*facts, f"It blocks tasks of {tasks}."), remedy, services)
        else:
            unread = unread_organization(snapshot, facts)
            yield Uncertain(subject, (*facts, f"Whether it blocks tasks of {tasks} is unknown.", *unread))


@once
def _troubles(snapshot: Snapshot) -> list[_Trouble]:
    troubles = list[_Trouble]()
    for service in snapshot.consumers:
        stops = _stops(snapshot, service)
        is_refused = any(stop.service is service for stop in stops_saying(snapshot, "endpoint-policy"))
        for subnet, called, path in _paths(snapshot, service):
            certain = [
                # AWS says so, whatever the policy depends on.
                replace(obstacle, certain=True)
                for obstacle in path.obstacles
                if obstacle.certain or (is_refused and obstacle.check == "endpoint-policy")
            ]
            unsure = [obstacle for obstacle in path.obstacles if not obstacle.certain]
            # A possible obstacle does not matter beside a certain one, nor where tasks got their secrets.
            if not certain and not _comes_through(snapshot, service, stops):
                certain = unsure
            troubles += (_Trouble(service, subnet, called, obstacle, stops) for obstacle in certain)
    return troubles


def _paths(snapshot: Snapshot, service: Service) -> Iterator[tuple[str, str, CallPath]]:
    """The path from each subnet that tasks start in, or lately failed in, to each AWS service that they call."""
    if snapshot.network is None or service.reads_by_instance:
        return
    placement = service.placement
    subnets = [*placement.subnets, *(stop.task.subnet for stop in _stops(snapshot, service) if stop.task.subnet)]
    requests, others = _requests(snapshot, [service]), _all_requests(snapshot)
    for subnet in dict.fromkeys(subnets):
        task_network = TaskNetwork(subnet, placement.groups, placement.public_ip)
        for called in _called(snapshot, service):
            own_requests = requests if called == SECRETS_MANAGER else ()
            region = snapshot.environment.names.region
            yield subnet, called, trace(snapshot.network, task_network, called, region, own_requests, others)


@once
def _all_requests(snapshot: Snapshot) -> list[Request]:
    return _requests(snapshot, snapshot.consumers)


def _requests(snapshot: Snapshot, services: Iterable[Service]) -> list[Request]:
    """The reads of the secret with which the tasks of services start, one for each role."""
    revisions = (revision for service in services for revision in snapshot.revisions(service))
    roles = dict.fromkeys(revision.execution_role_arn for revision in revisions)
    secret = snapshot.secret_arn
    return [Request(role, GET_SECRET_VALUE, secret, keys_of_read(snapshot, role)) for role in roles if role and secret]


def _called(snapshot: Snapshot, service: Service) -> tuple[str, ...]:
    """The AWS services that its tasks call for their variables, in the environment's region, when they start."""
    revisions, region = snapshot.revisions(service), snapshot.environment.names.region
    own = [each.reference for revision in revisions for _, each in snapshot.own_references(revision)]
    own += [each.reference for each in service.proxy_secrets]
    others = [each.reference for *_, each in snapshot.other_references_of(service)]
    secrets = any(ref.kind == SECRETS_MANAGER and ref.region in ("", region) for ref in (*own, *others))
    # A name that was meant for the secret is in Parameter Store by mistake alone.
    parameters = any(ref.kind == PARAMETER_STORE and _region_of(ref.text) in ("", region) for ref in others)
    return (SECRETS_MANAGER,) * secrets + (PARAMETER_STORE,) * parameters


def _region_of(parameter: str) -> str:
    """The region in a parameter's ARN; "" for a name."""
    return region_in(parameter) if parameter.startswith("arn:") and parameter.count(":") > 3 else ""


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
    with_obstacle = {trouble.service.name for trouble in _troubles(snapshot)}
    for service in snapshot.consumers:
        stops = _stops(snapshot, service)
        if service.name in with_obstacle or not _called(snapshot, service):
            continue
        if stops and not service.reads_by_instance:
            nothing = "No route, security group, network ACL or endpoint blocks them now"
            yield Uncertain(service.name, (stops[0].sentence, f"{nothing}: check DNS servers and firewalls."))
        elif service.reads_by_instance and not _comes_through(snapshot, service, stops):
            way = "get their secrets through the network of their instance, whose routes are not read"
            yield Uncertain(service.name, (f"Tasks of {service.name} {way}.", *(stop.sentence for stop in stops[:1])))


def _remedy(snapshot: Snapshot, troubles: Sequence[_Trouble]) -> Remedy:
    """What removes an obstacle, for each AWS service that it is in the way of, each missing rule and each service."""
    firsts = {trouble.called: trouble for trouble in reversed(troubles)}
    chosen = [
        trouble
        for trouble in troubles
        if trouble is firsts[trouble.called]
        or trouble.obstacle.check in _BY_RULES
        or "{service}" in trouble.obstacle.command
    ]
    # A rule that both ways need is added once: a second time is an error.
    ways = (way_of(snapshot, trouble.service, trouble.obstacle) for trouble in chosen)
    steps = dict.fromkeys(step for way in ways for step in way.split(" && "))
    needs = dict.fromkeys(trouble.obstacle.needs for trouble in chosen)
    return Remedy(" && ".join(_numbered_apart(steps))).needing(*needs)


def _numbered_apart(steps: Iterable[str]) -> Iterator[str]:
    """The same steps, each new entry of an ACL's direction with a number of its own: the next lower one."""
    lower: dict[bool, int] = {}
    for step in steps:
        if match := _RULE_NUMBER.search(step):
            is_egress = "--egress" in step
            number = lower.get(is_egress, int(match[1]))
            lower[is_egress] = number - 1
            if number < 1:
                continue
            step = f"{step[: match.start(1)]}{number}{step[match.end(1) :]}"
        yield step


def way_of(snapshot: Snapshot, service: Service, obstacle: Obstacle) -> str:
    """The command that removes an obstacle of a service's tasks."""
    names, placement = snapshot.environment.names, service.placement
    awsvpc = (
        f"awsvpcConfiguration={{subnets=[{','.join(placement.subnets)}],"
        f"securityGroups=[{','.join(placement.groups)}],assignPublicIp=ENABLED}}"
    )
    filled = {
        "{cluster}": command(names.cluster),
        "{service}": command(service.name),
        "{public}": command(awsvpc),
        "{region}": command("--region", names.region),
    }
    way = obstacle.command
    way = way if "{region}" in way else f"{way} {{region}}"
    for name, text in filled.items():
        way = way.replace(name, text)
    return way
