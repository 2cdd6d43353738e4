"""One environment's part of a new key: its secret's new version, and the references that its tasks lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from omc_runbook.aws.definitions import Edit as Reference
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.catalogue import PLACEHOLDER
from omc_runbook.changes import given
from omc_runbook.changes.addition import NewKey, Place
from omc_runbook.changes.placeholders import placeholder
from omc_runbook.changes.plan import document_of, plan_update
from omc_runbook.changes.source import Given
from omc_runbook.changes.steps import Correction
from omc_runbook.document import Member
from omc_runbook.environment import nearest
from omc_runbook.errors import UsageError
from omc_runbook.masking.value import Masked
from omc_runbook.snapshot.state import Snapshot

NOTHING = "nothing"
A_VALUE, A_PLACEHOLDER = "a value", "a placeholder"


def containers_for(snapshot: Snapshot, key: NewKey) -> tuple[str, ...]:
    """The containers that shall get the variable: those named, else those of the main service that read the secret.

    Raises UsageError for one that no service has.
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
    main = snapshot.environment.names.service
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        if service.name == main and definition:
            reading = [container.name for container, _ in snapshot.own_injections(definition)]
            return tuple(dict.fromkeys(reading)) or tuple(c.name for c in definition.containers[:1])
    return (main,)


def plan_place(
    snapshot: Snapshot, key: NewKey, containers: Sequence[str], values: Mapping[str, Given], terraform_dir: Path | None
) -> Place:
    """Plan one environment's part; `snapshot.environment` has the key in its catalogue.

    Raises UsageError where there is no secret, for a value that the catalogue objects to, and for a variable that a
    container has from elsewhere; CouldNotLook where it cannot be told what is there.
    """
    name = snapshot.environment.name
    if snapshot.secret is None and not snapshot.gaps.get("secret"):
        raise UsageError(
            f"There is no secret {snapshot.secret_name} in {name}: run create first, or leave {name} out of"
            " environments. Nothing was written."
        )
    member, entry = document_of(snapshot).get(key.name), values.get(key.name)
    new, holds, notes = _content(snapshot, key, member, entry)
    write = plan_update(snapshot, {key.name: new}) if new else None
    services = [*_services(snapshot, containers)]
    corrections, late = [], False
    for definition in dict.fromkeys(definition for _, definition in services):
        edits = _missing(snapshot, definition, key.name, containers)
        using = tuple(service for service, used in services if used is definition)
        ours = tuple(service for service in using if service.controller == "ECS")
        for service in using:
            if service.controller != "ECS":
                notes.append(f"{service.name} is deployed by {service.controller}: give it the new revision there.")
        if edits and terraform_dir is None:
            corrections.append(Correction(definition, edits, ours, ()))
        # A placeholder of before or tasks of before: what is there now reaches tasks only when they start.
        late = late or (not edits and any(_is_late(snapshot, service, write is not None) for service in ours))
    if not services:
        notes.append(f"No service of {name} has a container {' or '.join(containers)}: no task gets the variable yet.")
    return Place(
        name,
        holds,
        write,
        tuple(corrections),
        tuple(service.name for service, _ in services if service.controller == "ECS"),
        terraform_dir,
        late=late,
        notes=tuple(notes),
    )


def values_of(snapshot: Snapshot, key: NewKey, values_from: str) -> dict[str, Given]:
    """The key's value from its source; raises as `given.gather` does.

    None where no source was named, and where the secret has a value for which somebody would be asked in vain.
    """
    member = document_of(snapshot).get(key.name)
    if values_from in ("", given.KEEP) or (values_from in (given.GENERATE, "prompt") and _is_filled(member)):
        return {}
    return given.gather(values_from, [key.name], snapshot.environment.keys, document_of(snapshot).keys)


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
    if not key.is_text:
        raise UsageError(
            f"{key.name} is of type {key.type}, which nothing but a value fits: set values_from. Nothing was written."
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
) -> tuple[Reference, ...]:
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
        if any(injection.reference.key != key or not snapshot.refers(injection.reference) for injection in taken):
            raise UsageError(f"{where} has {key} from another key or secret already. Nothing was written.")
        if not taken:
            lacking.append(Reference(container.name, key, "", f"{snapshot.secret.arn}:{key}::"))
    return tuple(lacking)


def _is_late(snapshot: Snapshot, service: Service, writes: bool) -> bool:
    """Whether tasks of a service run with another revision, or with an older value of the key."""
    tasks = snapshot.running(service)
    return any(task.task_definition_arn != service.task_definition_arn for task in tasks) or (writes and bool(tasks))
