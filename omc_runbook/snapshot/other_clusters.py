"""The services of the other clusters that runbook.toml names: they may have the secret, too."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws import ecs
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import OtherCluster, Snapshot

FIELD = "other_clusters"
"""The snapshot's field, in which what could not be read is a gap."""


def read(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read those services with their task definitions, and the tasks of clusters in which one has the secret.

    It costs nothing where runbook.toml names no other cluster.
    """
    if not gatherer.names.clusters or snapshot.secret is None:
        return snapshot
    found = read_services(gatherer, snapshot)
    snapshot = replace(snapshot, other_clusters=found)
    with_secret = {each.environment.names.cluster for each in snapshot.elsewhere if each.consumers}
    revisions = (each.revisions(service) for each in snapshot.elsewhere for service in each.consumers)
    of_others = {revision.arn: revision for several in revisions for revision in several}
    return replace(
        snapshot,
        task_definitions={**of_others, **snapshot.task_definitions},
        other_clusters=tuple(_with_tasks(gatherer, each) if each.name in with_secret else each for each in found),
    )


def read_services(gatherer: Gatherer, snapshot: Snapshot) -> tuple[OtherCluster, ...]:
    """Read the services of those clusters with their task definitions, unless the snapshot has these."""
    names = gatherer.names
    listed: tuple[str, ...] = ()
    if "*" in names.clusters:
        clusters = gatherer.read("the region's clusters", "ecs:ListClusters", ecs.list_clusters)
        listed = gatherer.keep(FIELD, clusters, ())
    services = gatherer.services_of(FIELD, sorted({*names.clusters, *listed} - {"*", names.cluster}))
    gatherer.record(FIELD, (_absent(cluster) for cluster, found in services.items() if found is None))
    all_services = [each for found in services.values() for each in found or ()]
    arns = {arn for each in all_services for arn in (each.task_definition_arn, *each.task_sets)}
    definitions = gatherer.task_definitions(FIELD, arns - snapshot.task_definitions.keys())
    known = {**snapshot.task_definitions, **definitions}
    return tuple(
        OtherCluster(cluster, found or (), (), {arn: known[arn] for arn in arns & known.keys()})
        for cluster, found in services.items()
    )


def _absent(cluster: str) -> ReadFailure:
    why = "there is no such cluster. Correct clusters in runbook.toml."
    return ReadFailure(f"the services of cluster {cluster}", "ecs:ListServices", why, "incomplete")


def _with_tasks(gatherer: Gatherer, cluster: OtherCluster) -> OtherCluster:
    listed = gatherer.read(
        f"the tasks of cluster {cluster.name}", "ecs:ListTasks", ecs.list_task_arns, cluster.name, "RUNNING"
    )
    arns: tuple[str, ...] = gatherer.keep(FIELD, listed, ())
    return replace(cluster, tasks=gatherer.join(FIELD, gatherer.ask_tasks(cluster.name, arns)))
