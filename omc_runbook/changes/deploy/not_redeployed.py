"""What has the secret and gets no new tasks by a run: daemons, Express services, other clusters, scheduled tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from omc_runbook.aws import definitions, managed
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.failures import ReadFailure, look
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.checks import remedies
from omc_runbook.masking.document import Action
from omc_runbook.model.findings import is_sentence
from omc_runbook.snapshot import other_clusters, scheduled
from omc_runbook.snapshot.gatherer import PARALLEL, Gatherer
from omc_runbook.snapshot.scheduled import arn_of_cluster
from omc_runbook.snapshot.state import Snapshot, in_cluster

DAEMON, EXPRESS = "daemon", "Express service"


def find_consumers(
    clients: Clients, caller: Caller, snapshot: Snapshot, changed: Mapping[str, Action]
) -> Iterator[tuple[str, str]]:
    """Each daemon and Express service that refers to a changed key, with a sentence on how it gets new tasks.

    The services of other clusters too, where runbook.toml names these. A pair without a name says what could not be
    read. `changed` has what happens to each key.
    """
    names, client = snapshot.environment.names, clients("ecs")
    find_daemons = partial(managed.find_daemons, client, arn_of_cluster(caller, names))
    find_express_services = partial(managed.find_express_services, client, names.cluster)
    for kind, permission, read in (
        (DAEMON, "ecs:ListDaemons", find_daemons),
        (EXPRESS, "ecs:DescribeExpressGatewayService", find_express_services),
    ):
        answer = look(f"the {kind}s of cluster {names.cluster}", permission, read)
        if isinstance(answer, ReadFailure):
            if answer.code not in managed.ABSENT:
                yield "", f"Not looked at, so that no {kind} with the secret is named: {answer.sentence}"
            continue
        for consumer in answer:
            how = (
                "UpdateDaemon replaces them, and with them its instances, one after another."
                if kind == DAEMON
                else f"it is redeployed: {remedies.deploy_express(names.region, consumer.arn).command}"
            )
            yield from _affected(snapshot, changed, f"{kind} {consumer.name}", consumer.definition, how)
    if names.clusters:
        yield from _in_other_clusters(clients, caller, snapshot, changed)


def find_scheduled(
    clients: Clients, caller: Caller, snapshot: Snapshot, removed: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Each rule and schedule whose task definition refers to the secret, with a sentence on its next task.

    A pair without a name says what could not be read. `removed` are keys that the secret would lose: a task that refers
    to one would not start.
    """
    for what, tasks in scheduled.find(clients, caller, snapshot.environment.names, snapshot.taken):
        if isinstance(tasks, ReadFailure):
            why = f", so that tasks which they start are not named: {tasks.sentence}"
            yield "", f"Not looked at: {what}. {tasks.code}" if tasks.is_told else f"Not looked at{why}"
            continue
        for task in tasks:
            yield from _scheduled(clients, snapshot, task, removed)


def _affected(
    snapshot: Snapshot, changed: Mapping[str, Action], name: str, definition: TaskDefinition, how: str
) -> Iterator[tuple[str, str]]:
    """A consumer with its sentence, if a changed key reaches it; `how` ends the sentence on how it gets new tasks."""
    keys = _keys(snapshot, definition)
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
            what = f"service {in_cluster(service.name, cluster.name)}"
            yield from _affected(snapshot, changed, what, definition, how)


def _scheduled(
    clients: Clients, snapshot: Snapshot, task: ScheduledTask, removed: Sequence[str]
) -> Iterator[tuple[str, str]]:
    arn = task.task_definition_arn
    definition: TaskDefinition | ReadFailure | None = snapshot.definition(task)
    if definition is None:
        describe = partial(definitions.describe_task_definition, clients("ecs"), arn)
        definition = look(f"task definition {arn.rpartition('/')[2]}", "ecs:DescribeTaskDefinition", describe)
    if isinstance(definition, ReadFailure):
        yield "", f"Whether what {task.origin} starts has the secret is not known: {definition.sentence}"
        return
    keys = _keys(snapshot, definition)
    lost = ", ".join(sorted(keys.intersection(removed)))
    if keys and (refused := task.refusal(definition)):
        yield task.origin, refused
    elif lost:
        lacks = f"which refers to {lost}: its next task would not start."
        yield task.origin, f"{task.origin} starts {definition.label}, {lacks}"
    elif keys:
        reads = "whose next task reads the new values; none is redeployed."
        yield task.origin, f"{task.origin} starts {definition.label}, {reads}"


def _keys(snapshot: Snapshot, definition: TaskDefinition) -> set[str]:
    """The keys of the secret that a revision refers to; "" for the whole document."""
    return {injection.reference.key for _, injection in snapshot.own_references(definition)}
