"""What task definitions refer to beside the secret: which other secrets and SSM parameters, and their reading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime

from omc_runbook.aws import secretsmanager, ssm
from omc_runbook.aws.ecs import PROXY, Task
from omc_runbook.aws.failures import ReadFailure, or_none
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Secret, Value, Version
from omc_runbook.aws.ssm import Parameter
from omc_runbook.masking.document import Document, DocumentError, differ, parse
from omc_runbook.messages.reasons import is_of_content, points_at
from omc_runbook.model.value_from import Reference, split_suffix
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.other_sources import OtherSource, parameter_name
from omc_runbook.snapshot.roles import GET_PARAMETERS, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

FIELD = "other_sources"
"""The snapshot's field, in which what could not be read is a gap."""


def references_of(snapshot: Snapshot) -> Iterator[Reference]:
    """The references of consumers to other secrets and to parameters, each source once."""
    sources = set()
    for service in snapshot.readers:
        for *_, injection in snapshot.other_references_of(service):
            ref = injection.reference
            if ref.source not in sources and not ref.problem:
                sources.add(ref.source)
                yield ref


def permission_of(reference: Reference, snapshot: Snapshot) -> tuple[str, str]:
    """The action and the resource that an execution role needs for a reference."""
    if reference.kind == "secretsmanager":
        return GET_SECRET_VALUE, reference.secret_arn
    if reference.text.startswith("arn:"):
        return GET_PARAMETERS, reference.text
    caller, region = snapshot.caller, snapshot.environment.names.region
    base = f"arn:{caller.partition}:ssm:{region}:{caller.account}:parameter"
    return GET_PARAMETERS, f"{base}/{parameter_name(reference).removeprefix('/')}"


def resources_of(reference: Reference, snapshot: Snapshot) -> tuple[str, ...]:
    """The ARNs by which AWS may name what a reference means: the one written there, and the source's own."""
    _, resource = permission_of(reference, snapshot)
    source = snapshot.other_sources.get(reference.source)
    return tuple(dict.fromkeys(filter(None, (resource, source.arn if source else ""))))


class Reading:
    """The calls for the other sources of one snapshot, begun at once and joined when their answers are needed."""

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot) -> None:
        self._gatherer, self._snapshot = gatherer, snapshot
        self.references = tuple(references_of(snapshot))
        secrets = [ref for ref in self.references if ref.kind == "secretsmanager"]
        self._secrets = {ref.source: self._describe(ref.secret_id, ref.region) for ref in secrets}
        self._of_parameters = [ref for ref in self.references if self._names_parameter_here(ref)]
        names = sorted({name for ref in self._of_parameters for name in _spellings(ref)})
        self._parameters: Future[tuple[Parameter, ...] | ReadFailure] | None = None
        if names:
            self._parameters = gatherer.read("SSM parameters", "ssm:DescribeParameters", ssm.describe, names)

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What the execution roles need for them."""
        return tuple(self._permission_of(ref) for ref in self.references)

    def _permission_of(self, ref: Reference) -> tuple[str, str]:
        action, resource = permission_of(ref, self._snapshot)
        # Policies are about the whole ARN, also where a reference leaves the suffix out.
        if ref.source in self._secrets and ref.is_partial:
            secret = or_none(self._secrets[ref.source].result())
            return action, secret.arn if secret else resource
        return action, resource

    def finish(self, roles: Iterable[Permissions]) -> dict[str, OtherSource]:
        """The sources by what their references name; those that could not be read are left out, and gaps."""
        gatherer, sources = self._gatherer, {}
        for ref in (ref for ref in self.references if ref.source in self._secrets):
            secret = self._secrets[ref.source].result()
            if isinstance(secret, ReadFailure):
                gatherer.record(FIELD, (secret,))
                continue
            changed = secret.changed or secret.created if secret else None
            arn = secret.arn if secret else ref.secret_arn
            namesake = "" if secret else self._find_namesake(ref)
            sources[ref.source] = OtherSource(reference=ref, arn=arn, secret=secret, changed=changed, namesake=namesake)
        sources |= self._found_parameters()
        sources = {name: self._with_date(source) for name, source in sources.items()}
        sources = {name: self._with_keys(source) for name, source in sources.items()}
        permissions = tuple(roles)
        return {name: self._with_policy(source, permissions) for name, source in sources.items()}

    def _describe(self, id: str, region: str) -> Future[Secret | ReadFailure | None]:
        gatherer = self._gatherer.within(region)
        return gatherer.read(f"secret {id}", "secretsmanager:DescribeSecret", secretsmanager.describe, id)

    def _find_namesake(self, ref: Reference) -> str:
        """The ARN of the secret that has the name in a reference to one that does not exist; "" for none."""
        if ref.is_partial or ref.account != self._gatherer.caller.account:
            return ""
        name, _ = split_suffix(ref.secret_name)
        secret = or_none(self._describe(name, ref.region).result())
        return secret.arn if secret else ""

    def _names_parameter_here(self, ref: Reference) -> bool:
        """Whether a reference names a parameter of this region and account."""
        fields = ref.text.split(":")
        is_own = fields[0] != "arn" or fields[3:5] == [self._gatherer.names.region, self._gatherer.caller.account]
        # Names that begin so are AWS's own, or stand for secrets: DescribeParameters does not have them.
        return ref.kind == "ssm" and is_own and not parameter_name(ref).removeprefix("/").startswith("aws/")

    def _found_parameters(self) -> dict[str, OtherSource]:
        found = self._gatherer.keep(FIELD, self._parameters, None)
        if found is None:
            return {}
        by_name = {parameter.name: parameter for parameter in found}
        sources = {}
        for ref in self._of_parameters:
            parameter = next((by_name[name] for name in _spellings(ref) if name in by_name), None)
            _, arn = permission_of(ref, self._snapshot)
            changed = parameter.changed if parameter else None
            sources[ref.source] = OtherSource(reference=ref, arn=arn, parameter=parameter, changed=changed)
        return sources

    def _with_date(self, source: OtherSource) -> OtherSource:
        """Add when the current version was created, and what it changed, where tasks are older than the last change."""
        secret, tasks = source.secret, tasks_with(self._snapshot, source)
        if secret is None or source.changed is None or all(task >= source.changed for task in tasks):
            return source
        answer = self._gatherer.within(secret.region).read(
            f"the versions of {secret.name}",
            "secretsmanager:ListSecretVersionIds",
            secretsmanager.list_versions,
            secret.arn,
        )
        versions: tuple[Version, ...] = self._gatherer.keep(FIELD, answer, ())
        created = {stage: version.created for version in versions for stage in version.stages}
        changed = created.get(CURRENT)
        stale = [task for task in tasks if changed and task < changed]
        source = replace(source, changed=changed)
        # Of a task that is older than AWSPREVIOUS it is unknown what it was given.
        if not stale or PREVIOUS not in created or min(stale) < created[PREVIOUS]:
            return source
        try:
            former, current = self._document(secret, PREVIOUS), self._document(secret, CURRENT)
        except DocumentError:
            return source
        if former is None or current is None:
            return source
        keys = (key for key in {*former.keys, *current.keys} if differ(former.get(key), current.get(key)))
        return replace(source, changed_keys=frozenset(keys))

    def _with_keys(self, source: OtherSource) -> OtherSource:
        """Add a secret's keys, where a task stopped for what a secret contains; a denied call is no gap."""
        snapshot, secret = self._snapshot, source.secret
        if secret is None or not any(is_of_content(task.stopped_reason) for task in snapshot.tasks):
            return source
        value = self._value(secret, CURRENT)
        if value is None:
            return source
        if value.text is None:
            return replace(source, keys=frozenset(), is_object=False, is_binary=True)
        try:
            keys = frozenset(parse(value.text).keys)
        except DocumentError as error:
            # A text without keys may be what is meant, of which no position should be told.
            flaw = error.reason if error.problem in ("bom", "single-quoted", "truncated") else ""
            return replace(source, keys=frozenset(), is_object=False, flaw=flaw)
        return replace(source, keys=keys)

    def _document(self, secret: Secret, stage: str) -> Document | None:
        """A version of another secret; None where it could not be read, raises DocumentError where it is no object."""
        value = self._value(secret, stage)
        return None if value is None or value.text is None else parse(value.text)

    def _value(self, secret: Secret, stage: str) -> Value | None:
        answer = (
            self._gatherer.within(secret.region)
            .read(f"the value of {secret.name}", GET_SECRET_VALUE, secretsmanager.get_value, secret.arn, stage)
            .result()
        )
        return or_none(answer)

    def _with_policy(self, source: OtherSource, roles: Iterable[Permissions]) -> OtherSource:
        """Add a secret's own policy, where a role's policies do not allow reading it, or a task was refused it."""
        secret = source.secret
        results = [role.simulation_of(source.action, source.arn) for role in roles]
        refused = any(
            source.is_named_in(task.stopped_reason) and points_at(task.stopped_reason, "resource-deny")
            for task in self._snapshot.tasks
        )
        if secret is None or (not refused and all(result and result.decision == "allowed" for result in results)):
            return source
        answer = self._gatherer.within(secret.region).read(
            f"the resource policy of {secret.name}",
            "secretsmanager:GetResourcePolicy",
            secretsmanager.get_resource_policy,
            secret.arn,
        )
        result = answer.result()
        unread = result.sentence if isinstance(result, ReadFailure) else ""
        return replace(source, policy=self._gatherer.keep(FIELD, answer, None), policy_unread=unread)


def tasks_with(snapshot: Snapshot, source: OtherSource) -> tuple[datetime, ...]:
    """When the running tasks that were given a source's value were created."""
    return tuple(task.created for task in snapshot.running_tasks if task.created and keys_read(snapshot, task, source))


def keys_read(snapshot: Snapshot, task: Task, source: OtherSource) -> frozenset[str]:
    """The keys of a source that a task was given, "" for the whole of it; none where it names a certain version."""
    of_revision = (injection.reference for _, injection in snapshot.other_references(snapshot.definition(task)))
    references = (*of_revision, *_needed_by_proxies(snapshot).get(task.service, ()))
    return frozenset(ref.key for ref in references if ref.source == source.reference.source and not ref.names_version)


@once
def _needed_by_proxies(snapshot: Snapshot) -> dict[str, tuple[Reference, ...]]:
    """What the Service Connect proxies of services' tasks need, by service."""
    return {
        service.name: tuple(
            injection.reference
            for _, container, injection in snapshot.other_references_of(service)
            if container.name == PROXY
        )
        for service in snapshot.services
        if service.proxy
    }


def _spellings(reference: Reference) -> tuple[str, ...]:
    """The names that a reference to a parameter may mean: an ARN does not tell whether one begins with a slash."""
    name = parameter_name(reference)
    return (name, f"/{name}") if reference.text.startswith("arn:") and not name.startswith("/") else (name,)
