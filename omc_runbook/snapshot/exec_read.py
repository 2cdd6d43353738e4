"""Reads inside running tasks which version's values their processes have, by digests only."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from omc_runbook.aws import execute
from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.execute import ExecFailure
from omc_runbook.aws.failures import ReadFailure, look
from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.masking import fingerprint
from omc_runbook.masking.strength import is_strong
from omc_runbook.masking.value import Masked
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.value_from import Reference, is_secret_name
from omc_runbook.snapshot import exec_probe, follow_ups
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.held_values import ABSENT, OTHER, UNSEEN, ExecLook, HeldValue
from omc_runbook.snapshot.state import Snapshot

SECONDS = 20
MOST_VERSIONS = 6
"""At most how many versions are read, newest first, to identify a value's version."""
EXECUTE = "ecs:ExecuteCommand"


@dataclass(frozen=True, kw_only=True)
class _Target:
    """One container of a running task, and the variables to read: each with its key and its reference, if any."""

    service: Service
    task: Task
    definition: TaskDefinition
    container: Container
    variables: Mapping[str, tuple[str, Reference | None]]
    keys: tuple[str, ...] = ()
    """The variables with a value that is strong enough to key the digests, the best one first."""

    @property
    def key(self) -> str:
        """The variable whose value keys the digests; "" for none: then no digest is asked for."""
        return self.keys[0] if self.keys else ""


_Probe = tuple[_Target, Future[exec_probe.ProbeResult | ExecFailure]]


class ExecRead:
    """The read of the values inside every container with the secret, of the consumers' running tasks, in parallel.

    It begins at once, and `end` gives what was found. Each container gets one ECS Exec command, which prints digests
    under a new salt, keyed with a strong value that both sides know: a session may be logged, and a weak value can be
    guessed from a digest. See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
    """

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot) -> None:
        self._gatherer, self._snapshot, self._salt = gatherer, snapshot, fingerprint.new_salt()
        self._probes = self._probe_all(list(_targets(snapshot)))

    def end(self) -> tuple[ExecLook, ...]:
        """Wait for all containers."""
        results = self._answers(self._probes)
        digests = _Digests(self._snapshot, self._snapshot.contents, self._salt)
        if any(digests.has_unknown(target, result) for target, result in results):
            newest = [each.id for each in reversed(self._snapshot.versions) if each.id not in digests.contents]
            more = follow_ups.read_versions(self._gatherer, set(newest[:MOST_VERSIONS]))
            digests = replace(digests, contents={**digests.contents, **more})
        unkeyed = [each for each in results if digests.lack_key(*each)]
        if unkeyed:
            others = [replace(target, keys=target.keys[1:]) for target, _ in unkeyed]
            results = [each for each in results if each not in unkeyed] + self._answers(self._probe_all(others))
        return tuple(
            _failed(target, result) if isinstance(result, ExecFailure) else digests.identify(target, result)
            for target, result in results
        )

    def _probe_all(self, targets: Sequence[_Target]) -> list[_Probe]:
        submit, plugin = self._gatherer.pool.submit, self._snapshot.plugin
        return [(target, submit(_probe, self._gatherer, plugin, target, self._salt)) for target in targets]

    @staticmethod
    def _answers(probes: Sequence[_Probe]) -> list[tuple[_Target, exec_probe.ProbeResult | ExecFailure]]:
        return [(target, future.result()) for target, future in probes]


def _targets(snapshot: Snapshot) -> Iterator[_Target]:
    for service in snapshot.container_consumers:
        for task in snapshot.running(service):
            definition = snapshot.definition(task)
            if definition is None:
                continue
            # A container that prepares the task and ends has no process to look at.
            ended = {container.name for container in task.containers if container.exit_code is not None}
            own = {container.name for container, _ in snapshot.own_injections(definition)} - ended
            for container in definition.containers:
                if container.name in own or (not own and container.essential):
                    variables = _variables(snapshot, container)
                    yield _Target(
                        service=service,
                        task=task,
                        definition=definition,
                        container=container,
                        variables=variables,
                        keys=_keys(snapshot, variables),
                    )


def _variables(snapshot: Snapshot, container: Container) -> dict[str, tuple[str, Reference | None]]:
    """The variables that a container gets from the secret, and those of other keys of the secret or the catalogue.

    Variables of its plain environment are omitted: the task definition shows their values anyway.
    """
    keys, document = snapshot.environment.keys, snapshot.document
    names = dict.fromkeys((*keys, *(document.keys if document else ())))
    variables: dict[str, tuple[str, Reference | None]] = {variable_of(key, keys): (key, None) for key in names}
    for injection in container.secrets:
        if snapshot.is_own(injection.reference):
            variables[injection.variable] = (injection.reference.key, injection.reference)
        else:
            variables.pop(injection.variable, None)
    plain = set(container.environment)
    return {name: what for name, what in variables.items() if name not in plain and exec_probe.NAME.match(name)}


def _keys(snapshot: Snapshot, variables: Mapping[str, tuple[str, Reference | None]]) -> tuple[str, ...]:
    """The variables to key digests with: strong in each version that was read, first those that are the same in all."""
    strong = {}
    for variable, (key, ref) in variables.items():
        versions = [_value(content, key) for content in snapshot.contents.values()] if ref else []
        values = [value for value in versions if value is not None]
        if values and _expected_version(snapshot, ref) and all(map(is_strong, values)):
            strong[variable] = all(value.same_as(values[0]) for value in values)
    return tuple(sorted(strong, key=lambda variable: not strong[variable]))


def _probe(gatherer: Gatherer, plugin: str, target: _Target, salt: str) -> exec_probe.ProbeResult | ExecFailure:
    task, name = target.task, target.container.name
    agent = next((entry.agent for entry in task.containers if entry.name == name), "")
    if target.definition.os_family.startswith("WINDOWS"):
        return ExecFailure("no-shell", "A Windows container has no POSIX shell.")
    if not task.execute:
        return ExecFailure("off", "DescribeTasks: enableExecuteCommand is false.")
    if agent in ("STOPPED", "PENDING"):
        return ExecFailure("agent", f"DescribeTasks: the ExecuteCommandAgent is {agent}.")
    mark = secrets.token_hex(8)
    client, command = gatherer.clients("ecs"), exec_probe.command(sorted(target.variables), salt, mark, target.key)
    # Not gatherer.ask: this runs on a thread of its pool, and must not wait for another.
    answer = look(
        f"the processes of task {task.id[:8]}",
        EXECUTE,
        lambda: execute.run(client, gatherer.names.cluster, task.arn, name, command, plugin, SECONDS),
    )
    if isinstance(answer, ReadFailure):
        return ExecFailure("denied" if answer.kind == "denied" else "session", answer.sentence, answer.permission)
    return exec_probe.read(answer, mark) if isinstance(answer, str) else answer


def _failed(target: _Target, failure: ExecFailure) -> ExecLook:
    return ExecLook(
        service=target.service.name, task_id=target.task.id, container=target.container.name, refused=failure
    )


@dataclass(frozen=True)
class _Digests:
    """What tells the version of a value by its digest: the versions' contents, and the salt of this read."""

    snapshot: Snapshot
    contents: Mapping[str, Content]
    salt: str

    def identify(self, target: _Target, result: exec_probe.ProbeResult) -> ExecLook:
        """The version of each variable's value, by its digest."""
        values, pepper = {}, self._pepper(target, result)
        for variable, (key, ref) in target.variables.items():
            injected, process = result.injected.get(variable, ""), result.process.get(variable, "")
            expected = _expected_version(self.snapshot, ref)
            own = None if variable == target.key else pepper
            is_known = expected and (own or variable == target.key)
            by_digest = self._by_digest(variable, key, expected, own) if is_known else {}
            is_other = expected in by_digest.values() and not injected.startswith(exec_probe.WITHHELD)
            unknown = OTHER if is_other else UNSEEN
            values[variable] = HeldValue(
                variable=variable,
                key=key,
                injected=by_digest.get(injected, unknown) if injected else ABSENT,
                process=(by_digest.get(process, unknown) if process else ABSENT) if result.is_readable else UNSEEN,
                has_reference=ref is not None,
                file=result.files.get(variable, ""),
                expected=expected,
                differs=result.is_readable and injected != process,
            )
        return ExecLook(
            service=target.service.name,
            task_id=target.task.id,
            container=target.container.name,
            process=f"{result.pid} ({result.name})" if result.name else result.pid,
            started=result.started,
            values=values,
            is_unkeyed=self._is_read(target)
            and any(digest.startswith(exec_probe.WITHHELD) for digest in result.injected.values()),
        )

    def has_unknown(self, target: _Target, result: exec_probe.ProbeResult | ExecFailure) -> bool:
        """Whether a container has a value, of a variable with a reference, that no version read so far has."""
        if isinstance(result, ExecFailure):
            return False
        return any(
            value.has_reference and value.expected and {value.injected, value.process} & {OTHER, UNSEEN}
            for value in self.identify(target, result).values.values()
        )

    def lack_key(self, target: _Target, result: exec_probe.ProbeResult | ExecFailure) -> bool:
        """Whether the variable that keys a container's digests has an unknown value, and another could key them."""
        if isinstance(result, ExecFailure) or not target.keys[1:]:
            return False
        return self._pepper(target, result) is None

    def _is_read(self, target: _Target) -> bool:
        """Whether a value that a reference names now was read: digests could be keyed with it if it were strong."""
        return any(
            _value(self.contents.get(_expected_version(self.snapshot, ref)), key) is not None
            for key, ref in target.variables.values()
            if ref
        )

    def _pepper(self, target: _Target, result: exec_probe.ProbeResult) -> tuple[str, Masked] | None:
        """The variable that keys the digests, and its value in the container; None where no version read has that."""
        if not target.key:
            return None
        name, ref = target.variables[target.key]
        versions = self._by_digest(target.key, name, _expected_version(self.snapshot, ref), None)
        value = _value(self.contents.get(versions.get(result.injected.get(target.key, ""), "")), name)
        return (target.key, value) if value else None

    def _by_digest(self, variable: str, key: str, expected: str, pepper: tuple[str, Masked] | None) -> dict[str, str]:
        """Versions by the variable's digest with their value; `expected` wins over others, newer over older ones."""
        ids = [version.id for version in self.snapshot.versions if version.id != expected]
        values = ((version, _value(self.contents.get(version), key)) for version in (*ids, expected))
        return {
            fingerprint.salted_digest(value, self.salt, variable, pepper): version
            for version, value in values
            if value is not None
        }


def _expected_version(snapshot: Snapshot, ref: Reference | None) -> str:
    """The id of the version that a reference names now; "" where it names another secret.

    A variable without a reference is compared with the current version.
    """
    if snapshot.secret is None:
        return ""
    if ref is None:
        return snapshot.current_id
    home = region_in(snapshot.secret.arn), account_in(snapshot.secret.arn)
    is_own = (ref.region, ref.account) == home and is_secret_name(snapshot.secret.name, ref.secret_name)
    return (ref.version_id or snapshot.version_at(ref.stage or CURRENT)) if is_own and not ref.problem else ""


def _value(content: Content | None, key: str) -> Masked | None:
    """What ECS injects from a version: a key's text, or the whole text where the reference names no key."""
    if content is None or content.document is None:
        return None
    if not key:
        return content.document.value
    member = content.document.get(key)
    return member.injected if member else None
