"""Daemons, Express services and other clusters' services with the secret: no run starts their tasks; it names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from omc_runbook.aws import managed
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.managed import ManagedConsumer
from omc_runbook.aws.session import Clients, ReadFailure, attempt
from omc_runbook.aws.sts import Caller
from omc_runbook.checks import remedies
from omc_runbook.masking.document import Action
from omc_runbook.model.environment import Names
from omc_runbook.model.findings import is_sentence
from omc_runbook.snapshot import other_clusters
from omc_runbook.snapshot.gatherer import PARALLEL, Gatherer
from omc_runbook.snapshot.scheduled import arn_of_cluster
from omc_runbook.snapshot.state import Snapshot

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
        yield from _in_other_clusters(clients, caller, snapshot, changed)


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
    clients: Clients, caller: Caller, snapshot: Snapshot, changed: Mapping[str, Action]
) -> Iterator[tuple[str, str]]:
    """The services of the clusters that runbook.toml names beside the environment's own."""
    names = snapshot.environment.names
    with ThreadPoolExecutor(PARALLEL, "clusters") as pool:
        gatherer = Gatherer(pool, clients, snapshot.environment, caller)
        clusters = other_clusters.read_services(gatherer, snapshot)
    for gap in gatherer.gaps[other_clusters.FIELD]:
        yield "", f"Not looked at, so that services of other clusters are not all named: {gap.sentence}"
    for cluster in clusters:
        for service in cluster.services:
            definition = cluster.task_definitions.get(service.task_definition_arn)
            if definition is None:
                continue
            # What ECS deploys takes a command, what CodeDeploy does a sentence.
            way = remedies.start_tasks(names.model_copy(update={"cluster": cluster.name}), service).command
            how = f"others are started. {way}" if is_sentence(way) else f"it is redeployed: {way}"
            yield from _named(snapshot, changed, f"service {service.name} of cluster {cluster.name}", definition, how)


def _how(kind: str, consumer: ManagedConsumer, names: Names) -> str:
    if kind == "daemon":
        return "UpdateDaemon replaces them, and with them its instances, one after another."
    return f"it is deployed anew: {remedies.deploy_express(names.region, consumer.arn).command}"
