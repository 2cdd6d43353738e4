"""The plan of a new key for one environment: its secret's new version and the missing references."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from omc_runbook.aws.definitions import ReferenceEdit, TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import EnvironmentPlan
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.fix import ownership
from omc_runbook.changes.fix.steps import Correction
from omc_runbook.changes.secret.new_values import ORIGIN, UnfinishedChange
from omc_runbook.changes.secret.placeholders import placeholder
from omc_runbook.changes.secret.plan import document_of, own_labels, plan_update
from omc_runbook.changes.values import sources
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks.definition_source import source_of
from omc_runbook.masking.defects import is_stand_in
from omc_runbook.masking.document import Member
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

OFFERED = "prompt, file:PATH, env:NAME or generate"
"""What values_from may be."""
NOTHING = "nothing"
A_VALUE, A_PLACEHOLDER = "a value", "a placeholder"


def containers_for(snapshot: Snapshot, key: NewKey) -> tuple[str, ...]:
    """The containers that get the variable: the key's own list, else those of the main service that read the secret.

    Without the sidecars, which get no variable of Settings, where that is known. Raises UsageError for a container that
    no service has.
    """
    container_names = {container.name for service in snapshot.services for container in snapshot.containers(service)}
    for name in key.containers:
        if container_names and name not in container_names:
            raise UsageError(f"No service has a container {name}{nearest(name, container_names)} Nothing was written.")
    if key.containers:
        return key.containers
    main, checkout = snapshot.environment.names.service, snapshot.checkout
    settings = checkout.settings if checkout and not checkout.settings.ambiguities else None
    for service in snapshot.services:
        definition = snapshot.definition(service)
        if service.name == main and definition:
            readers = [(container.name, each.variable) for container, each in snapshot.own_injections(definition)]
            own = [name for name, variable in readers if settings and settings.find(variable)]
            names = own or [name for name, _ in readers] or [c.name for c in definition.containers[:1]]
            return tuple(dict.fromkeys(names))
    return (main,)


def containers_with(snapshot: Snapshot, key: NewKey, containers: Sequence[str]) -> tuple[str, ...]:
    """The containers that have the reference in every service already; raises as `KeyInEnvironment.plan` does."""
    revisions = {name: [definition for _, definition in _services(snapshot, (name,))] for name in containers}
    return tuple(
        name
        for name, definitions in revisions.items()
        if definitions and not any(_missing_references(snapshot, each, key.name, (name,)) for each in definitions)
    )


@dataclass(frozen=True)
class KeyInEnvironment:
    """A new key in one environment: what was read there, the key's value by its name, and a killed run's change.

    `snapshot.environment` has the key in its catalogue.
    """

    snapshot: Snapshot
    key: NewKey
    values: Mapping[str, NewValue]
    unfinished: UnfinishedChange | None = None

    def plan(self, containers: Sequence[str], terraform_dir: Path | None) -> EnvironmentPlan:
        """Plan the secret's new version and the missing references.

        The labels of a killed run on a version of this key alone are removed. Raises UsageError for a value that the
        catalogue refuses, and for a variable that a container has from another source; CouldNotLook where the secret
        could not be read.
        """
        snapshot, key, name = self.snapshot, self.key, self.snapshot.environment.name
        new, content, notes = self._content()
        labels = self._labels()
        write = replace(plan_update(snapshot, {key.name: new}), labels=labels) if new else None
        if self.unfinished and not labels:
            notes.append(
                f"A change of {', '.join(self.unfinished.actions)} is unfinished: run update or rotate to continue."
            )
        services = [*_services(snapshot, containers)]
        corrections, without_reference, is_outdated = [], list[str](), False
        for definition, users in grouped((definition, service) for service, definition in services).items():
            edits = _missing_references(snapshot, definition, key.name, containers)
            foreign = ownership.why_not_family(snapshot, definition.family)
            own = () if foreign else tuple(service for service in users if ownership.may_redeploy(snapshot, service))
            notes += [foreign] if foreign else []
            notes += _deployed_by_others(snapshot, users)
            if edits and terraform_dir is None and not foreign:
                corrections.append(Correction(definition, edits, own, (), source_of(snapshot, [definition])))
            without_reference += [service.name for service in own if edits]
            # Tasks read a new value or revision only when they start.
            is_outdated = is_outdated or (
                not edits and any(_has_old_tasks(snapshot, service, key.name, write is not None) for service in own)
            )
        if not services:
            notes.append(
                f"No service of {name} has a container {' or '.join(containers)}: no task gets the variable yet."
            )
        deployable = [service for service, _ in services if ownership.may_redeploy(snapshot, service)]
        # After an apply of Terraform, and for tasks that are old, all are redeployed.
        is_for_all = is_outdated or (without_reference and terraform_dir)
        renewed = [service for service in deployable if is_for_all or service.name in without_reference]
        return EnvironmentPlan(
            name,
            content,
            write,
            snapshot.taken,
            replace(plan_update(snapshot, {}), labels=labels) if labels and not write else None,
            tuple(corrections),
            tuple(service.name for service in deployable),
            terraform_dir,
            without_reference=tuple(without_reference),
            has_old_tasks=is_outdated,
            blockers=readiness.blockers(snapshot, renewed),
            notes=tuple(notes),
        )

    def _labels(self) -> tuple[tuple[str, str], ...]:
        """Our labels on a version that changed this key and no other."""
        unfinished = self.unfinished
        if unfinished is None or {*unfinished.actions} - {self.key.name}:
            return ()
        labels = own_labels(self.snapshot.secret).get(unfinished.version_id, ())
        return tuple((label, unfinished.version_id) for label in labels)

    def _content(self) -> tuple[NewValue | None, str, list[str]]:
        """The value to write, None for nothing; what the secret has after that; and notes."""
        snapshot, key, name = self.snapshot, self.key, self.snapshot.environment.name
        member, entry = document_of(snapshot).get(key.name), self.values.get(key.name)
        if member is not None and _is_filled(member):
            notes = []
            if entry and not entry.value.same_as(member.injected):
                notes.append(f"{key.name} has a value in {name} already, which stays: update changes it.")
            return None, A_VALUE, notes
        if entry is not None:
            return entry, A_VALUE, []
        if member is not None:
            return None, NOTHING if member.injected.is_empty else A_PLACEHOLDER, []
        text = placeholder(key.name, snapshot.environment.keys[key.name])
        ignores_empty = snapshot.checkout is not None and snapshot.checkout.settings.ignore_empty
        if not key.is_text and (text or not ignores_empty):
            raise UsageError(
                f"{key.name} is of type {key.type}, which accepts no placeholder: set values_from. Nothing was written."
            )
        return NewValue(Masked(text, key.name), "add_key", is_placeholder=True), A_PLACEHOLDER if text else NOTHING, []


def find_started_revisions(snapshot: Snapshot, key: str, services: Collection[str]) -> tuple[Correction, ...]:
    """Revisions with the variable that a killed run deployed, while their services still have a deployment without it.

    `definitions.is_edited` says whether a revision differs in nothing else.
    """
    corrections = []
    for service in snapshot.services:
        now = snapshot.definition(service)
        for deployment in service.deployments if service.name in services else ():
            former = snapshot.definition(deployment)
            if now and former and key in now.variables and key not in former.variables:
                edits = tuple(
                    ReferenceEdit(container.name, key, "", injection.reference.text)
                    for container, injection in now.injections
                    if injection.variable == key
                )
                corrections.append(Correction(former, edits, (service,), (), source_of(snapshot, [former]), now.arn))
                break
    return tuple(corrections)


def refuse_without_secret(snapshot: Snapshot) -> None:
    """Raise UsageError for an environment without a secret."""
    name = snapshot.environment.name
    if snapshot.secret is None and not snapshot.gaps.get("secret"):
        raise UsageError(
            f"Secret {snapshot.secret_name} does not exist in {name}: run create first, or remove {name} from"
            " environments. Nothing was written."
        )


def refuse_one_secret(snapshots: Collection[Snapshot]) -> None:
    """Raise UsageError where two environments have the same secret: the second change would meet the first."""
    for one, other in combinations(snapshots, 2):
        if one.secret and other.secret and one.secret.arn == other.secret.arn:
            names = f"{one.environment.name} and {other.environment.name}"
            raise UsageError(
                f"{names} have the same secret, {one.secret_name}: name one of them in environments, or correct secret"
                " in runbook.toml. Nothing was written."
            )


def values_of(
    snapshot: Snapshot, key: NewKey, values_from: str, unfinished: UnfinishedChange | None = None
) -> dict[str, NewValue]:
    """The key's value from its source; empty without a source, and where a prompt or generator is not needed.

    A value that a killed run generated is used again. Raises as `sources.gather` does, and UsageError for a value that
    does not fit the key's type.
    """
    member = document_of(snapshot).get(key.name)
    if values_from == sources.KEEP and not _is_filled(member):
        raise UsageError(
            f"{snapshot.environment.name} has no value of {key.name} to keep: set values_from to {OFFERED}."
            " Nothing was written."
        )
    if values_from in ("", sources.KEEP) or (values_from in (sources.GENERATE, sources.PROMPT) and _is_filled(member)):
        return {}
    generated = unfinished.new_member(key.name) if unfinished and values_from == sources.GENERATE else None
    if generated:
        return {key.name: NewValue(generated.injected, ORIGIN)}
    name, catalogue = snapshot.environment.name, snapshot.environment.keys
    values = sources.gather(values_from, [key.name], catalogue, document_of(snapshot).keys, name, OFFERED)
    from_json = snapshot.checkout is not None and snapshot.checkout.settings.from_json
    for entry in values.values():
        if not key.takes(entry.value, from_json):
            how = ", which Settings reads as JSON" if key.takes(entry.value) else ""
            raise UsageError(
                f"{key.name} from {entry.origin} is not a value of type {key.type}{how}. Nothing was written."
            )
    return values


def has_value(snapshot: Snapshot, key: str, unfinished: UnfinishedChange | None) -> bool:
    """Whether a key has its value already, in the secret or in the version that a killed run left."""
    is_left = unfinished is not None and unfinished.new_member(key) is not None
    return is_left or _is_filled(document_of(snapshot).get(key))


def refuse_same(values: Mapping[str, Mapping[str, NewValue]]) -> None:
    """Raise UsageError where two environments would get the same value; `values` is by environment and key."""
    pairs = [(name, key, entry) for name, entries in values.items() for key, entry in entries.items()]
    for (one, key, entry), (other, _, other_entry) in combinations(pairs, 2):
        if entry.value.size and entry.value.same_as(other_entry.value):
            raise UsageError(
                f"{key} would be the same in {one} and {other}: give each a value of its own. Nothing was written."
            )


def _deployed_by_others(snapshot: Snapshot, services: Iterable[Service]) -> Iterator[str]:
    """Why some services are not redeployed by this run, in sentences."""
    for service in services:
        if service.controller != "ECS":
            yield f"{service.name} is deployed by {service.controller}: deploy the new revision there."
        elif why := ownership.why_not_service(snapshot, service.name):
            yield why


def _is_filled(member: Member | None) -> bool:
    """Whether a key has a value that is not a placeholder."""
    return member is not None and not member.injected.is_empty and not is_stand_in(member.injected, member.key)


def _services(snapshot: Snapshot, containers: Sequence[str]) -> list[tuple[Service, TaskDefinition]]:
    services = []
    for service in snapshot.services:
        definition = snapshot.definition(service)
        if definition and {container.name for container in definition.containers} & {*containers}:
            services.append((service, definition))
    return services


def _missing_references(
    snapshot: Snapshot, definition: TaskDefinition, key: str, containers: Sequence[str]
) -> tuple[ReferenceEdit, ...]:
    """The missing references; raises UsageError where a container has the variable from another source."""
    assert snapshot.secret
    edits = []
    for container in definition.containers:
        if container.name not in containers:
            continue
        where = f"{definition.label}, container {container.name}"
        injections = [injection for injection in container.secrets if injection.variable == key]
        if key in container.environment:
            raise UsageError(f"{where} has {key} in its environment already: remove it first. Nothing was written.")
        own = {id(injection) for _, injection in snapshot.own_injections(definition)}
        if any(injection.reference.key != key or id(injection) not in own for injection in injections):
            raise UsageError(f"{where} has {key} from another key or secret already. Nothing was written.")
        if not injections:
            edits.append(ReferenceEdit(container.name, key, "", f"{snapshot.secret.arn}:{key}::"))
    return tuple(edits)


def _has_old_tasks(snapshot: Snapshot, service: Service, key: str, writes: bool) -> bool:
    """Whether tasks of a service have another revision or value of the key, or will have after the write."""
    if service.desired == 0:
        return False
    tasks = snapshot.running(service)
    is_other = any(task.task_definition_arn != service.task_definition_arn for task in tasks)
    return writes or is_other or any(freshness.of_key(snapshot, task, key) == "stale" for task in tasks)
