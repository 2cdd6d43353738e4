"""The services that read the secret: whether a change of it reaches their tasks, and why new tasks would fail."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.deploy.rollout import expected, say_not_deployed
from omc_runbook.checks import remedies
from omc_runbook.checks.check import ECS_FIELDS
from omc_runbook.checks.key_demand import (
    KeyDemand,
    missing_keys,
    rolled_back_revisions,
    secret_demands,
    services_reading,
)
from omc_runbook.masking.document import Document
from omc_runbook.model import letters
from omc_runbook.model.findings import is_sentence
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot import freshness, other_clusters, scheduled
from omc_runbook.snapshot.state import Snapshot


def users(snapshot: Snapshot) -> tuple[Service, ...]:
    """The services whose current task definition, or proxy, references the secret."""
    return tuple(service for service in snapshot.consumers if snapshot.references_of(service))


def why_consumers_unknown(snapshot: Snapshot) -> str:
    """Why the consumers of the secret could not be read; "" where they could."""
    is_lost = snapshot.service_names is None and snapshot.discovery is not None
    others = snapshot.discovery.unread if snapshot.discovery and is_lost else ()
    return next(iter((*snapshot.unread(*ECS_FIELDS), *(gap.sentence for gap in others))), "")


def has_old_tasks(snapshot: Snapshot, service: Service) -> bool:
    """Whether a service's deployment has not ended, or its tasks have, or may have, older values."""
    primary = service.primary
    if primary is not None and primary.rollout not in ("", "COMPLETED"):
        return True
    tasks = snapshot.running(service)
    is_current = primary is not None and freshness.is_current_at(snapshot, primary.created)
    if primary is not None and primary.rollout and is_current and not service.ended_early:
        # Tasks are read before service deployments: one that has succeeded meanwhile has replaced all but its own.
        tasks = tuple(task for task in tasks if task.deployment_id in ("", primary.id))
    return any(freshness.of(snapshot, task) != "fresh" for task in tasks)


def pinned_references(snapshot: Snapshot, changed: Collection[str], version: str) -> Iterator[str]:
    """The references to changed keys that stay at a version, or a staging label, of their own."""
    for demand in secret_demands(snapshot):
        reference = demand.reference
        is_of_change = reference.key in changed or (changed and not reference.key)
        if demand.in_force and is_of_change and reference.names_version and reference.version_id != version:
            yield demand.subject


def unreferenced_keys(snapshot: Snapshot, written: Collection[str]) -> frozenset[str]:
    """Those of the keys to which no revision in force refers; none where not all were read."""
    in_force = {
        demand.reference.key
        for demand in secret_demands(snapshot)
        if demand.in_force or demand.definition.arn in demand.service.task_sets
    }
    # A reference without a key gets the whole document.
    is_unclear = "" in in_force or snapshot.unread(*ECS_FIELDS, other_clusters.FIELD, scheduled.FIELD)
    return frozenset[str]() if is_unclear else frozenset(written) - in_force


def ways_to_deploy(snapshot: Snapshot, written: Collection[str]) -> Iterator[str]:
    """Of each service whose rolled back revision alone refers to one of the keys, how that is deployed afterwards."""
    concerned = grouped(
        (demand.reference.key, (demand.service, demand.definition)) for demand in secret_demands(snapshot)
    )
    found = (rolled_back_revisions(snapshot, concerned[key]) for key in sorted(concerned.keys() & set(written)))
    revisions = {name: revision for of_key in found for name, revision in of_key.items()}
    for service in (*snapshot.consumers, *snapshot.express_readers):
        if revision := revisions.get(service.name):
            start = remedies.start_tasks(snapshot.environment.names, service, revision)
            way = remedies.if_registered(start, snapshot.task_definitions.values())
            how = way.command if is_sentence(way.command) else f"Run `{way.command}` then."
            yield " ".join(filter(None, (say_not_deployed(service.name, revision), how, way.command_needs)))


def blockers(
    snapshot: Snapshot, consumers: Sequence[Service], removed: Collection[str], after: Document, version: str
) -> Iterator[str]:
    """Why new tasks would fail for certain, with this document too, once a version becomes current."""
    yield from readiness.blockers(snapshot, consumers)
    yield from _losses(snapshot, removed)
    yield from _lacks(snapshot, consumers, after)
    yield from _unreadable(snapshot, consumers, version)


def _lacks(snapshot: Snapshot, consumers: Sequence[Service], after: Document) -> Iterator[str]:
    """Why new tasks do not start now, and would not after the change: for lack of keys that they reference."""
    lacking: dict[str, set[str]] = {}
    renewed = [service for service in consumers if not expected(service).is_over]
    for demand in secret_demands(snapshot):
        key = demand.reference.key
        is_lacking = demand.in_force and demand.service in renewed and key in missing_keys(snapshot)
        if is_lacking and not demand.reference.names_version and after.get(key) is None:
            lacking.setdefault(key, set()).add(demand.service.name)
    for services, keys in _by_services(lacking):
        values = "give it a value" if len(keys) == 1 else "give them values"
        yield (
            f"New tasks of {services} do not start without {', '.join(keys)}, which they reference and the secret"
            f" lacks: {values} with the same change, or first, by update."
        )


def _unreadable(snapshot: Snapshot, consumers: Sequence[Service], current: str) -> Iterator[str]:
    """Why new tasks would not start once a version is current: for references to what Secrets Manager does not have."""
    if snapshot.secret is None or "versions" in snapshot.gaps:
        return
    known = {current, *(each.id for each in snapshot.versions)}
    labelled = {label: version for version, labels in snapshot.secret.stages.items() for label in labels}
    labelled |= {CURRENT: current, PREVIOUS: snapshot.current_id}
    faulty: dict[str, list[KeyDemand]] = {}
    for demand in secret_demands(snapshot):
        ref = demand.reference
        if not demand.in_force or ref.problem or demand.service not in consumers or expected(demand.service).is_over:
            continue
        by_label = labelled.get(ref.stage, "")
        if ref.version_id not in ("", *known):
            what = f"version {ref.version_id}, which does not exist"
        elif ref.stage and not by_label:
            what = f"the staging label {ref.stage}, which no version has"
        elif ref.stage and ref.version_id not in ("", by_label):
            what = f"version {ref.version_id} with the staging label {ref.stage}, which it does not have then"
        else:
            continue
        faulty.setdefault(what, []).append(demand)
    for what, demands in faulty.items():
        services = ", ".join(sorted({each.service.name for each in demands}))
        variables = [*dict.fromkeys(each.variable for each in demands)]
        which = "the reference" if len(demands) == 1 else "the references"
        yield (
            f"New tasks of {services} would not start: {letters.refer_to(variables)} {what}. Correct {which} first"
            " (troubleshoot)."
        )


def _losses(snapshot: Snapshot, removed: Collection[str]) -> Iterator[str]:
    """Why new tasks would not start: for lack of keys that they reference."""
    for services, keys in _by_services({key: services_reading(snapshot, key) for key in removed}):
        yield (
            f"New tasks of {services} would not start without {', '.join(keys)}, which they reference: take"
            f" {'it' if len(keys) == 1 else 'them'} out of their task definitions first, or set single keys by update."
        )


def _by_services(readers: Mapping[str, Collection[str]]) -> Iterator[tuple[str, list[str]]]:
    """The services that read the same of these keys, as one text, with those; no keys that no service reads."""
    keys_of: dict[str, list[str]] = {}
    for key, services in readers.items():
        keys_of.setdefault(", ".join(sorted(services)), []).append(key)
    yield from ((services, keys) for services, keys in keys_of.items() if services)
