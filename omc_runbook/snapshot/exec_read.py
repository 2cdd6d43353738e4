"""A look inside running tasks: whether their processes hold the values that the secret has, told by digests alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc_runbook.aws import execute, session
from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.execute import Refused
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.session import ReadFailure
from omc_runbook.masking import fingerprint
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.value_from import Reference, is_secret_name, means_secret
from omc_runbook.snapshot import exec_probe, follow_ups
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ExecLook, HeldValue
from omc_runbook.snapshot.state import Content, Snapshot

SECONDS = 20
MOST_VERSIONS = 6
"""How many versions are read, newest first, to tell which of them a value is of."""
EXECUTE = "ecs:ExecuteCommand"


@dataclass(frozen=True)
class _Place:
    """One container of a running task, and what is asked of it: by variable, the key and its reference if any."""

    service: Service
    task: Task
    definition: TaskDefinition
    container: Container
    variables: Mapping[str, tuple[str, Reference | None]]


def look(gatherer: Gatherer, snapshot: Snapshot) -> tuple[ExecLook, ...]:
    """Look into every container of every running task of the consumers that is given the secret, at once.

    Each gets one command of ECS Exec, whose answer is digests under a salt of this look. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
    """
    salt = fingerprint.new_salt()
    places = list(_places(snapshot))
    asked = [gatherer.pool.submit(_answer, gatherer, snapshot.plugin, place, salt) for place in places]
    answers = [(place, answer.result()) for place, answer in zip(places, asked, strict=True)]
    contents = dict(snapshot.contents)
    if any(_is_unknown(snapshot, contents, salt, place, seen) for place, seen in answers):
        newest = [version.id for version in reversed(snapshot.versions) if version.id not in contents]
        contents |= follow_ups.read_versions(gatherer, set(newest[:MOST_VERSIONS]))
    return tuple(
        _refused(place, seen) if isinstance(seen, Refused) else _inside(snapshot, contents, salt, place, seen)
        for place, seen in answers
    )


def _places(snapshot: Snapshot) -> Iterator[_Place]:
    for service in snapshot.consumers:
        for task in snapshot.running(service):
            definition = snapshot.definition(task.task_definition_arn)
            if definition is None:
                continue
            own = {container.name for container, _ in snapshot.own_injections(definition)}
            for container in definition.containers:
                if container.name in own or (not own and container.essential):
                    yield _Place(service, task, definition, container, _variables(snapshot, container))


def _variables(snapshot: Snapshot, container: Container) -> dict[str, tuple[str, Reference | None]]:
    """What a container is given of the secret; and what it is not, though the secret or the catalogue knows it.

    Left out is what its plain environment sets: that is no secret of whoever reads the task definition.
    """
    keys, document = snapshot.environment.keys, snapshot.current.document if snapshot.current else None
    known = dict.fromkeys((*keys, *(document.keys if document else ())))
    found: dict[str, tuple[str, Reference | None]] = {variable_of(key, keys): (key, None) for key in known}
    for injection in container.secrets:
        if means_secret(injection.reference, snapshot.secret_name, snapshot.environment.keys):
            found[injection.variable] = (injection.reference.key, injection.reference)
        else:
            found.pop(injection.variable, None)
    plain = set(container.environment)
    return {name: what for name, what in found.items() if name not in plain and exec_probe.NAME.match(name)}


def _answer(gatherer: Gatherer, plugin: str, place: _Place, salt: str) -> exec_probe.ProbeResult | Refused:
    task, name = place.task, place.container.name
    agent = next((entry.agent for entry in task.containers if entry.name == name), "")
    if place.definition.os_family.startswith("WINDOWS"):
        return Refused("no-shell", "A Windows container has no POSIX shell.")
    if not task.execute:
        return Refused("off", "DescribeTasks: enableExecuteCommand is false.")
    if agent in ("STOPPED", "PENDING"):
        return Refused("agent", f"DescribeTasks: the ExecuteCommandAgent is {agent}.")
    mark = secrets.token_hex(8)
    client, words = gatherer.clients("ecs"), exec_probe.command(sorted(place.variables), salt, mark)
    # Not by asking.ask: this is on a thread of its pool already, and may not wait for another.
    answer = session.look(
        f"task {task.id[:8]} from inside",
        EXECUTE,
        lambda: execute.run(client, gatherer.names.cluster, task.arn, name, words, plugin, SECONDS),
    )
    if isinstance(answer, ReadFailure):
        return Refused("denied" if answer.kind == "denied" else "session", answer.sentence, answer.permission)
    return exec_probe.read(answer, mark) if isinstance(answer, str) else answer


def _refused(place: _Place, refused: Refused) -> ExecLook:
    return ExecLook(place.service.name, place.task.id, place.container.name, refused)


def _inside(
    snapshot: Snapshot, contents: Mapping[str, Content], salt: str, place: _Place, seen: exec_probe.ProbeResult
) -> ExecLook:
    held = {}
    for variable, (key, ref) in place.variables.items():
        injected, process = seen.injected.get(variable, ""), seen.process.get(variable, "")
        meant = _meant(snapshot, ref)
        by_digest = _by_digest(snapshot, contents, salt, variable, key, meant) if meant else {}
        unknown = OTHER if meant in by_digest.values() else UNSEEN
        held[variable] = HeldValue(
            variable,
            key,
            by_digest.get(injected, unknown) if injected else ABSENT,
            (by_digest.get(process, unknown) if process else ABSENT) if seen.is_readable else UNSEEN,
            ref is not None,
            seen.files.get(variable, ""),
            meant,
            seen.is_readable and injected != process,
        )
    process_name = f"{seen.pid} ({seen.name})" if seen.name else seen.pid
    return ExecLook(place.service.name, place.task.id, place.container.name, None, process_name, seen.started, held)


def _is_unknown(
    snapshot: Snapshot,
    contents: Mapping[str, Content],
    salt: str,
    place: _Place,
    seen: exec_probe.ProbeResult | Refused,
) -> bool:
    """Whether a container holds a value of a reference that no version read so far has."""
    found = {} if isinstance(seen, Refused) else _inside(snapshot, contents, salt, place, seen).held
    return any(
        held.has_reference and held.meant and {held.injected, held.process} & {OTHER, UNSEEN} for held in found.values()
    )


def _meant(snapshot: Snapshot, ref: Reference | None) -> str:
    """The id of the version that a reference means now; "" where it does not mean this very secret.

    A variable without a reference is compared with the current version.
    """
    if snapshot.secret is None:
        return ""
    if ref is None:
        return snapshot.secret.version_at(CURRENT)
    home = snapshot.secret.arn.split(":")[3:5]
    is_own = [ref.region, ref.account] == home and is_secret_name(snapshot.secret.name, ref.secret_name)
    return (ref.version_id or snapshot.secret.version_at(ref.stage or CURRENT)) if is_own and not ref.problem else ""


def _by_digest(
    snapshot: Snapshot, contents: Mapping[str, Content], salt: str, variable: str, key: str, meant: str
) -> dict[str, str]:
    """The versions by what a variable's digest is with their value: the meant one first, then newest first."""
    ids = [version.id for version in snapshot.versions if version.id != meant]
    values = ((version, _value(contents.get(version), key)) for version in (*ids, meant))
    return {fingerprint.salted(value, salt, variable): version for version, value in values if value is not None}


def _value(content: Content | None, key: str) -> Masked | None:
    """What ECS injects of a version: a key's text, or the whole where the reference names no key."""
    if content is None or content.document is None:
        return None
    if not key:
        return content.document.value
    member = content.document.get(key)
    return member.injected if member else None
