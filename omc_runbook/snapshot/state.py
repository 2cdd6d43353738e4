"""The snapshot: everything that was read of one environment, frozen, with every value masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.ec2 import Network
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS, Secret, Version
from omc_runbook.aws.session import Unread
from omc_runbook.aws.sts import Caller
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.document import Document, DocumentError
from omc_runbook.model import value_from
from omc_runbook.model.environment import Environment
from omc_runbook.model.value_from import Reference
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.held_values import Held, Inside
from omc_runbook.snapshot.other_environments import OtherKeys
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.workstation.workstation import Workstation

Freshness = Literal["fresh", "stale", "undecidable"]

TRAIL_DELAY = timedelta(minutes=15)
"""How late CloudTrail may be: what happened since then can be missing from its answer."""

SAME_MOMENT = timedelta(seconds=2)
"""How far apart CloudTrail and Secrets Manager may date the same change."""


@dataclass(frozen=True)
class Content:
    """What one version of the secret holds: a document, or the reason why there is none."""

    version_id: str
    document: Document | None = None
    error: DocumentError | None = None
    binary: bool = False


@dataclass(frozen=True)
class Snapshot:
    """One environment, read at one time.

    `gaps` maps a field's name to what could not be read of it: a field with a gap says nothing by being
    empty. `service_names` is None where the cluster does not exist; `clusters` is read only then.
    """

    environment: Environment
    taken: datetime
    caller: Caller
    endpoint: str
    gaps: Mapping[str, tuple[Unread, ...]] = field(default_factory=dict)
    secret: Secret | None = None
    versions: tuple[Version, ...] = ()
    contents: Mapping[str, Content] = field(default_factory=dict)
    """Content by version id: that of AWSCURRENT, and those that a finding had to be compared with."""
    resource_policy: PolicyDocument | None = None
    kms_key: KmsKey | None = None
    clusters: tuple[str, ...] = ()
    service_names: tuple[str, ...] | None = ()
    services: tuple[Service, ...] = ()
    task_definitions: Mapping[str, TaskDefinition] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    permissions: Mapping[str, Permissions] = field(default_factory=dict)
    """By the role's ARN, for the execution roles of the consumers."""
    writes: tuple[Event, ...] | None = None
    """Calls that gave the secret a version or moved a stage, newest first of each name; None where CloudTrail was not
    asked. A deeper look has those that deleted it or gave it a policy as well."""
    reads: tuple[Event, ...] | None = None
    """Calls by which tasks read the secret; None where CloudTrail was not asked."""
    elsewhere: Mapping[str, Secret | None] = field(default_factory=dict)
    """Secrets of other regions and accounts that references name, by ARN; None where there is no such secret."""
    checkout: Checkout | None = None
    """The application's own files, where a repository was given."""
    other_keys: Mapping[str, OtherKeys] = field(default_factory=dict)
    """The keys of other environments' secrets, by environment; read only with a repository."""
    workstation: Workstation | None = None
    """The developer's machine; None where it was not asked for."""
    network: Network | None = None
    """The network that the consumers' tasks stand in; None where it was not asked for."""
    inside: tuple[Inside, ...] | None = None
    """What running tasks hold; None where nobody asked to look inside."""
    task_roles: Mapping[str, Permissions] = field(default_factory=dict)
    """By the role's ARN, for the roles of running tasks, as far as ECS Exec needs them; only with a look inside."""
    plugin: str = ""
    """The path of session-manager-plugin on this machine; "" where it has none."""
    words: Mapping[str, tuple[str, ...]] | None = None
    """The last words of failed tasks, by their ids; None where logs were not asked for."""

    @property
    def secret_name(self) -> str:
        """The secret's name, also where the configuration has its ARN."""
        last = self.environment.names.secret.rpartition(":")[2]
        return self.secret.name if self.secret else last

    @property
    def current(self) -> Content | None:
        """What AWSCURRENT holds; None where there is no such version or it could not be read."""
        return self.contents.get(self.secret.version_at(CURRENT)) if self.secret else None

    @cached_property
    def consumers(self) -> tuple[Service, ...]:
        """Services whose task definition refers to the secret, and the environment's main service."""
        main = self.environment.names.service
        return tuple(
            service
            for service in self.services
            if service.name == main or any(self.own_injections(revision) for revision in self.revisions(service))
        )

    def definition(self, arn: str) -> TaskDefinition | None:
        """A revision by its ARN, where it was read."""
        return self.task_definitions.get(arn)

    def revisions(self, service: Service) -> tuple[TaskDefinition, ...]:
        """A service's revision in force and, after a rollback, the one that failed; those that were read."""
        arns = [service.task_definition_arn, *self.failed_arns(service)]
        return tuple(self.task_definitions[arn] for arn in dict.fromkeys(arns) if arn in self.task_definitions)

    def failed_arns(self, service: Service) -> tuple[str, ...]:
        """The ARN of the revision that a rollback took out of force, where its tasks are still told of."""
        last = self.last_failed(service) if service.rolled_back else None
        return (last.task_definition_arn,) if last else ()

    def last_failed(self, service: Service) -> Task | None:
        """The newest failed task of a deployment that is no longer in force, of this service and no namesake before."""
        in_force = {deployment.id for deployment in service.deployments}
        ended = (task for task in self.stopped(service) if task.deployment_id not in in_force)
        return next(
            (task for task in ended if not (service.created and task.created) or task.created > service.created), None
        )

    def refers(self, ref: Reference) -> bool:
        """Whether a reference means the environment's secret, well or badly written."""
        name = self.secret_name
        if ref.problem:
            return name in ref.text or not (ref.secret_name or ":secret:" in ref.text)
        if ref.kind == "ssm":
            # Names of SSM parameters that mean something have a path or an ARN; a bare one was meant for the secret.
            if ref.text.startswith(("/", "arn:")):
                return ref.text.endswith(f"/{name}")
            return name in ref.text or ref.text in self.environment.keys
        return value_from.is_secret_name(name, ref.secret_name)

    def own_injections(self, revision: TaskDefinition | None) -> tuple[tuple[Container, Injection], ...]:
        """The variables of a revision that refer to the environment's secret."""
        injections = revision.injections if revision else ()
        return tuple(pair for pair in injections if self.refers(pair[1].reference))

    def running(self, service: Service) -> tuple[Task, ...]:
        """A service's running tasks."""
        return tuple(task for task in self.tasks if task.service == service.name and task.is_running)

    def stopped(self, service: Service) -> tuple[Task, ...]:
        """A service's tasks that stopped by a failure, newest first, as far as ECS still tells of them."""
        failed = [task for task in self.tasks if task.service == service.name and task.has_failed]
        return tuple(sorted(failed, key=lambda task: task.stopped or self.taken, reverse=True))

    @cached_property
    def current_since(self) -> tuple[datetime, datetime] | None:
        """The earliest and the latest moment at which AWSCURRENT can have come to the present version."""
        if not self.secret:
            return None
        current = self.secret.version_at(CURRENT)
        version = next((version for version in self.versions if version.id == current), None)
        if version is None:
            return None
        calls = [event for event in self.writes or () if event.version_id == current and not event.error]
        moves = [event for event in calls if abs(event.time - version.created) > SAME_MOMENT]
        # AWSPREVIOUS is what was current just before; a version that is only staged never was current.
        was_current = [entry.created for entry in self.versions if PREVIOUS in entry.stages and not calls]
        earliest = max([version.created, *was_current, *(event.time for event in moves)])
        told = max([earliest, *(event.until for event in moves)])
        # Where there never was another version, an edit of something else is no doubt.
        latest = max(earliest, self.secret.changed or earliest) if len(self.versions) > 1 else earliest
        return earliest, told if self._trail_reaches(latest) else max(told, latest)

    def _trail_reaches(self, moment: datetime) -> bool:
        """Whether CloudTrail's answer is complete up to a moment: that is long ago, or its own event is there."""
        if self.writes is None:
            return False
        known = any(abs(event.time - moment) <= SAME_MOMENT for event in self.writes)
        return known or moment + TRAIL_DELAY <= self.taken

    def freshness(self, task: Task) -> Freshness:
        """Whether a running task read the secret after AWSCURRENT came to the present version."""
        since = self.current_since
        if since is None or task.created is None:
            return "undecidable"
        read = self._read_of(task)
        first, last = (read.time, read.until) if read else (task.created, task.started or self.taken)
        if first >= since[1]:
            return "fresh"
        return "stale" if last < since[0] else "undecidable"

    def read_at(self, task: Task) -> datetime | None:
        """When a task read the secret, by CloudTrail; None where that is not known."""
        read = self._read_of(task)
        return read.time if read else None

    def _read_of(self, task: Task) -> Event | None:
        return next((event for event in self.reads or () if event.principal.endswith(f"/{task.id}")), None)

    def held_version(self, task: Task) -> str:
        """The id of the newest version created before a task read the secret or started; "" where none is known."""
        moment = self.read_at(task) or task.started or self.taken
        older = [version for version in self.versions if version.created <= moment]
        return older[-1].id if older else ""

    def held_by(self, task: Task) -> tuple[Held, ...]:
        """What a look showed of the variables that a task is given of the secret; () where none was taken."""
        looked = [seen for seen in self.inside or () if seen.task_id == task.id]
        return tuple(held for seen in looked for held in seen.held.values() if held.has_reference and held.meant)

    def standing(self, service: Service, task: Task) -> Freshness:
        """Whether a running task has what the secret holds now: to have read before matters for changed keys only.

        A look inside the task knows; without one, times have to tell.
        """
        held = self.held_by(task)
        if any(entry.is_stale for entry in held):
            return "stale"
        if held and all(entry.is_fresh for entry in held):
            return "fresh"
        freshness = self.freshness(task)
        return "fresh" if freshness == "stale" and self.changed_keys(service, task) == frozenset() else freshness

    def changed_keys(self, service: Service, task: Task) -> frozenset[str] | None:
        """Keys whose value is another now than a stale task holds; None where its version is gone or unreadable."""
        seen = self.held_by(task)
        if seen:
            return frozenset(entry.key for entry in seen if entry.is_stale)
        held, current = self.contents.get(self.held_version(task)), self.current
        injections = self.own_injections(self.definition(service.task_definition_arn))
        if not injections:
            return frozenset()
        if held is None or current is None or held.document is None or current.document is None:
            return None
        changed = set()
        for _, injection in injections:
            key = injection.reference.key
            before, now = held.document.get(key), current.document.get(key)
            if not injection.reference.names_version and (
                (before is None) != (now is None) or (before and now and not before.injected.same_as(now.injected))
            ):
                changed.add(key)
        return frozenset(changed)
