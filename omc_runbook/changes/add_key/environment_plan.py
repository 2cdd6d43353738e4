"""One environment's part of a new key: its secret's new version, and the references that its tasks lack."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from omc_runbook.aws.definitions import ReferenceEdit, TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.changes.add_key.plan import EnvironmentPlan, NewKey
from omc_runbook.changes.fix import ownership
from omc_runbook.changes.fix.steps import Correction
from omc_runbook.changes.secret.new_values import ORIGIN, Unfinished
from omc_runbook.changes.secret.placeholders import placeholder
from omc_runbook.changes.secret.plan import LABEL, document_of, plan_update
from omc_runbook.changes.values import sources
from omc_runbook.changes.values.source_file import Given
from omc_runbook.masking.document import Member
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import PLACEHOLDER
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

NOTHING = "nothing"
A_VALUE, A_PLACEHOLDER = "a value", "a placeholder"


def containers_for(snapshot: Snapshot, key: NewKey) -> tuple[str, ...]:
    """The containers that shall get the variable: those named, else those of the main service that read the secret.

    Of these a sidecar is left out, which gets nothing that Settings reads, where that can be told. Raises UsageError
    for one that no service has.
    """
    there = {
        container.name
        for service in snapshot.services
        for definition in [snapshot.definition(service.task_definition_arn)]
        for container in (definition.containers if definition else ())
    }
    for name in key.containers:
        if there and name not in there:
            raise UsageError(f"No service has a container {name}{nearest(name, there)} Nothing was written.")
    if key.containers:
        return key.containers
    main, checkout = snapshot.environment.names.service, snapshot.checkout
    settings = checkout.settings if checkout and not checkout.settings.ambiguities else None
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        if service.name == main and definition:
            reading = [(container.name, each.variable) for container, each in snapshot.own_injections(definition)]
            own = [name for name, variable in reading if settings and settings.find(variable)]
            names = own or [name for name, _ in reading] or [c.name for c in definition.containers[:1]]
            return tuple(dict.fromkeys(names))
    return (main,)


def held_by(snapshot: Snapshot, key: NewKey, containers: Sequence[str]) -> tuple[str, ...]:
    """Those of some containers that have the reference in force in every service; raises as `plan_environment` does."""
    found = {name: [definition for _, definition in _services(snapshot, (name,))] for name in containers}
    return tuple(
        name
        for name, definitions in found.items()
        if definitions and not any(_missing(snapshot, each, key.name, (name,)) for each in definitions)
    )


def plan_environment(
    snapshot: Snapshot,
    key: NewKey,
    containers: Sequence[str],
    values: Mapping[str, Given],
    terraform_dir: Path | None,
    left: Unfinished | None = None,
) -> EnvironmentPlan:
    """Plan one environment's part; `snapshot.environment` has the key in its catalogue.

    `left` is what a killed run has left: labels that it put on a version of this key alone are to be taken off.

    Raises UsageError for a value that the catalogue objects to, and for a variable that a container has from
    elsewhere; CouldNotLook where it cannot be told what is there.
    """
    name = snapshot.environment.name
    member, entry = document_of(snapshot).get(key.name), values.get(key.name)
    new, holds, notes = _content(snapshot, key, member, entry)
    ours = _labels(snapshot, key.name, left)
    write = replace(plan_update(snapshot, {key.name: new}), labels=ours) if new else None
    if left and not ours:
        notes.append(f"A change of {', '.join(left.actions)} was not finished: run update or rotate, which goes on.")
    services = [*_services(snapshot, containers)]
    corrections, lacking, late = [], list[str](), False
    for definition in dict.fromkeys(definition for _, definition in services):
        edits = _missing(snapshot, definition, key.name, containers)
        using = tuple(service for service, used in services if used is definition)
        foreign = ownership.why_not_family(snapshot, definition.family)
        own = () if foreign else tuple(service for service in using if _is_own(snapshot, service))
        notes += [foreign] if foreign else []
        for service in using:
            if service.controller != "ECS":
                notes.append(f"{service.name} is deployed by {service.controller}: give it the new revision there.")
            elif why := ownership.why_not_service(snapshot, service.name):
                notes.append(why)
        if edits and terraform_dir is None and not foreign:
            corrections.append(Correction(definition, edits, own, ()))
        lacking += [service.name for service in own if edits]
        # A placeholder of before or tasks of before: what is there now reaches tasks only when they start.
        late = late or (not edits and any(_is_late(snapshot, service, key.name, write is not None) for service in own))
    if not services:
        notes.append(f"No service of {name} has a container {' or '.join(containers)}: no task gets the variable yet.")
    return EnvironmentPlan(
        name,
        holds,
        write,
        snapshot.taken,
        replace(plan_update(snapshot, {}), labels=ours) if ours and not write else None,
        tuple(corrections),
        tuple(service.name for service, _ in services if _is_own(snapshot, service)),
        terraform_dir,
        lacking=tuple(lacking),
        late=late,
        notes=tuple(notes),
    )


def _is_own(snapshot: Snapshot, service: Service) -> bool:
    """Whether a run on this environment may deploy a service."""
    return service.controller == "ECS" and not ownership.why_not_service(snapshot, service.name)


def find_begun(snapshot: Snapshot, key: str, services: Collection[str]) -> tuple[Correction, ...]:
    """What a killed run has begun: revisions with the variable, whose services still have tasks of one without it.

    Whether a revision differs in nothing else is for `definitions.is_edited` to say.
    """
    found = []
    for service in snapshot.services:
        now = snapshot.definition(service.task_definition_arn)
        for deployment in service.deployments if service.name in services else ():
            former = snapshot.definition(deployment.task_definition_arn)
            if now and former and key in now.variables and key not in former.variables:
                edits = tuple(
                    ReferenceEdit(container.name, key, "", injection.reference.text)
                    for container, injection in now.injections
                    if injection.variable == key
                )
                found.append(Correction(former, edits, (service,), (), now.arn))
                break
    return tuple(found)


def refuse_without_secret(snapshot: Snapshot) -> None:
    """Raise UsageError, in one sentence, for an environment that has no secret."""
    name = snapshot.environment.name
    if snapshot.secret is None and not snapshot.gaps.get("secret"):
        raise UsageError(
            f"There is no secret {snapshot.secret_name} in {name}: run create first, or leave {name} out of"
            " environments. Nothing was written."
        )


def values_of(snapshot: Snapshot, key: NewKey, values_from: str, left: Unfinished | None = None) -> dict[str, Given]:
    """The key's value from its source; raises as `sources.gather` does, and UsageError for one that its type refuses.

    None where no source was named, and where the secret has a value for which somebody would be asked in vain. What a
    killed run has generated is taken up again.
    """
    member = document_of(snapshot).get(key.name)
    if values_from in ("", sources.KEEP) or (values_from in (sources.GENERATE, "prompt") and _is_filled(member)):
        return {}
    again = left.document.get(key.name) if left and values_from == sources.GENERATE else None
    if again and left and key.name in left.keys:
        return {key.name: Given(again.injected, ORIGIN)}
    name, known = snapshot.environment.name, snapshot.environment.keys
    values = sources.gather(values_from, [key.name], known, document_of(snapshot).keys, name)
    for entry in values.values():
        if not key.takes(entry.value):
            raise UsageError(f"{key.name} from {entry.origin} is no value of type {key.type}. Nothing was written.")
    return values


def refuse_same(values: Mapping[str, Mapping[str, Given]]) -> None:
    """Raise UsageError where two environments would get one value; `values` has those of each environment."""
    pairs = [(name, key, entry) for name, entries in values.items() for key, entry in entries.items()]
    for (one, key, entry), (other, _, theirs) in combinations(pairs, 2):
        if entry.value.size and entry.value.same_as(theirs.value):
            raise UsageError(
                f"{key} would be the same in {one} and {other}: give each a value of its own. Nothing was written."
            )


def _labels(snapshot: Snapshot, key: str, left: Unfinished | None) -> tuple[tuple[str, str], ...]:
    """The labels of ours on a version that changed this key and no other."""
    if left is None or snapshot.secret is None or {*left.actions} - {key}:
        return ()
    labels = snapshot.secret.stages.get(left.version_id, ())
    return tuple((label, left.version_id) for label in labels if label.startswith(LABEL))


def _is_filled(member: Member | None) -> bool:
    """Whether a key has a value, and neither nothing nor a placeholder."""
    return member is not None and not member.injected.is_empty and not member.injected.matches(PLACEHOLDER)


def _content(
    snapshot: Snapshot, key: NewKey, member: Member | None, entry: Given | None
) -> tuple[Given | None, str, list[str]]:
    """What the secret is to get, None for nothing; what it holds then; and notes."""
    name = snapshot.environment.name
    if member is not None and _is_filled(member):
        notes = []
        if entry and not entry.value.same_as(member.injected):
            notes.append(f"{key.name} has a value in {name} already, and keeps it: update gives it another.")
        return None, A_VALUE, notes
    if entry is not None:
        return entry, A_VALUE, []
    if member is not None:
        return None, NOTHING if member.injected.is_empty else A_PLACEHOLDER, []
    text = placeholder(key.name, snapshot.environment.keys[key.name])
    ignores_empty = snapshot.checkout is not None and snapshot.checkout.settings.ignore_empty
    if not key.is_text and (text or not ignores_empty):
        raise UsageError(
            f"{key.name} is of type {key.type}, which no placeholder fits: set values_from. Nothing was written."
        )
    return Given(Masked(text, key.name), "add_key", is_placeholder=True), A_PLACEHOLDER if text else NOTHING, []


def _services(snapshot: Snapshot, containers: Sequence[str]) -> list[tuple[Service, TaskDefinition]]:
    found = []
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        if definition and {container.name for container in definition.containers} & {*containers}:
            found.append((service, definition))
    return found


def _missing(
    snapshot: Snapshot, definition: TaskDefinition, key: str, containers: Sequence[str]
) -> tuple[ReferenceEdit, ...]:
    """The references that a revision lacks; raises UsageError where a container has the variable from elsewhere."""
    assert snapshot.secret
    lacking = []
    for container in definition.containers:
        if container.name not in containers:
            continue
        where = f"{definition.label}, container {container.name}"
        taken = [injection for injection in container.secrets if injection.variable == key]
        if key in container.environment:
            raise UsageError(f"{where} has {key} in its environment already: take it out first. Nothing was written.")
        own = {id(injection) for _, injection in snapshot.own_injections(definition)}
        if any(injection.reference.key != key or id(injection) not in own for injection in taken):
            raise UsageError(f"{where} has {key} from another key or secret already. Nothing was written.")
        if not taken:
            lacking.append(ReferenceEdit(container.name, key, "", f"{snapshot.secret.arn}:{key}::"))
    return tuple(lacking)


def _is_late(snapshot: Snapshot, service: Service, key: str, writes: bool) -> bool:
    """Whether tasks of a service run with another revision, or with another value of the key, or will."""
    if service.desired == 0:
        return False
    tasks = snapshot.running(service)
    is_other = any(task.task_definition_arn != service.task_definition_arn for task in tasks)
    return writes or is_other or any(freshness.of_key(snapshot, task, key) == "stale" for task in tasks)
