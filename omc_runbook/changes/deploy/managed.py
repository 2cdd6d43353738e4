"""Daemons, Express services and other clusters' services with the secret: no run starts their tasks; it names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from omc_runbook.aws import definitions, ecs, managed
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.aws.managed import ManagedConsumer
from omc_runbook.aws.session import Clients, ReadFailure, attempt
from omc_runbook.aws.sts import Caller
from omc_runbook.checks import remedies
from omc_runbook.masking.document import Action
from omc_runbook.model.environment import Names
from omc_runbook.model.findings import is_sentence
from omc_runbook.snapshot.scheduled import arn_of_cluster
from omc_runbook.snapshot.state import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient

_Read = Callable[[], tuple[ManagedConsumer, ...]]


def find(
    clients: Clients, caller: Caller, snapshot: Snapshot, changed: Mapping[str, Action]
) -> Iterator[tuple[str, str]]:
    """Each daemon and Express service that refers to a changed key, with a sentence on how it gets new tasks.

    The services of other clusters too, where runbook.toml names these. A pair without a name says what could not be
    read. `changed` has what happens to each key.
    """
    names, client = snapshot.environment.names, clients("ecs")
    reads: tuple[tuple[str, str, _Read], ...] = (
        (
            "daemon",
            "ecs:ListDaemons",
            partial(managed.find_daemons, client, arn_of_cluster(caller, names)),
        ),
        (
            "Express service",
            "ecs:DescribeExpressGatewayService",
            partial(managed.find_express_services, client, names.cluster),
        ),
    )
    for kind, permission, read in reads:
        answer = attempt(f"the {kind}s of cluster {names.cluster}", permission, read)
        if isinstance(answer, ReadFailure):
            if answer.code not in managed.ABSENT:
                yield "", f"Not looked at, so that no {kind} with the secret is named: {answer.sentence}"
            continue
        for consumer in answer:
            name = f"{kind} {consumer.name}"
            yield from _named(snapshot, changed, name, consumer.definition, _how(kind, consumer, names))
    if names.clusters:
        yield from _in_other_clusters(clients, snapshot, changed)


def _named(
    snapshot: Snapshot, changed: Mapping[str, Action], name: str, definition: TaskDefinition, how: str
) -> Iterator[tuple[str, str]]:
    """A consumer with its sentence, if a changed key reaches it; `how` ends the sentence on how it gets new tasks."""
    keys = {injection.reference.key for _, injection in snapshot.own_references(definition)}
    # A reference without a key gets the whole document.
    affected = [key for key in changed if key in keys or "" in keys]
    lost = ", ".join(key for key in affected if changed[key] == "removed" and key in keys)
    if lost:
        yield name, f"{name} refers to {lost}: its next task would not start."
    elif affected:
        yield name, f"{name} has the secret, and its tasks keep the old values until {how}"


def _in_other_clusters(
    clients: Clients, snapshot: Snapshot, changed: Mapping[str, Action]
) -> Iterator[tuple[str, str]]:
    """The services of the clusters that runbook.toml names beside the environment's own."""
    names, client = snapshot.environment.names, clients("ecs")
    listed: tuple[str, ...] | ReadFailure = ()
    if "*" in names.clusters:
        listed = attempt("the region's clusters", "ecs:ListClusters", lambda: ecs.list_clusters(client))
    if isinstance(listed, ReadFailure):
        yield "", f"Not looked at, so that services of other clusters are not all named: {listed.sentence}"
        listed = ()
    for cluster in sorted({*names.clusters, *listed} - {"*", names.cluster}):
        answer = attempt(
            f"the services of cluster {cluster}", "ecs:DescribeServices", partial(_services_of, client, cluster)
        )
        if isinstance(answer, ReadFailure) or answer is None:
            why = f"there is no cluster {cluster}." if answer is None else answer.sentence
            yield "", f"Not looked at, so that no service of cluster {cluster} is named: {why}"
            continue
        for service, definition in answer:
            # What ECS deploys takes a command, what CodeDeploy does a sentence.
            way = remedies.start_tasks(names.model_copy(update={"cluster": cluster}), service).command
            how = f"others are started. {way}" if is_sentence(way) else f"it is redeployed: {way}"
            yield from _named(snapshot, changed, f"service {service.name} of cluster {cluster}", definition, how)


def _services_of(client: ECSClient, cluster: str) -> list[tuple[Service, TaskDefinition]] | None:
    """A cluster's services, each with its task definition; None where there is no such cluster."""
    found = ecs.list_service_names(client, cluster)
    if found is None:
        return None
    services = [
        each
        for batch in ecs.batches(found, ecs.SERVICES_A_CALL)
        for each in ecs.describe_services(client, cluster, batch)
    ]
    arns = {service.task_definition_arn for service in services} - {""}
    revisions = {arn: definitions.describe_task_definition(client, arn) for arn in sorted(arns)}
    return [(each, revisions[each.task_definition_arn]) for each in services if each.task_definition_arn]


def _how(kind: str, consumer: ManagedConsumer, names: Names) -> str:
    if kind == "daemon":
        return "UpdateDaemon replaces them, and with them its instances, one after another."
    return f"it is deployed anew: {remedies.deploy_express(names.region, consumer.arn).command}"
