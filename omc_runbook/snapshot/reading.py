"""Taking a snapshot: every call in parallel, batched where AWS batches, none twice, each failure kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from omc_runbook.aws import cloudtrail, ecs, kms, secretsmanager, sts
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.session import Clients, Unread, look
from omc_runbook.aws.sts import Caller
from omc_runbook.catalogue import PLACEHOLDER
from omc_runbook.document import DocumentError, parse
from omc_runbook.environment import Environment, nearest
from omc_runbook.errors import CouldNotLook, UsageError
from omc_runbook.snapshot import roles
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Content, Snapshot

T = TypeVar("T")
D = TypeVar("D")

PARALLEL = 24
TRAIL_LIMIT = 100
WRITES = ("CreateSecret", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage")
"""The calls that can give the secret another current version."""


def identify(clients: Clients, environment: Environment) -> Caller:
    """Tell who is calling, before anything is read.

    Raises UsageError where the account is not the environment's, CouldNotLook where AWS does not answer.
    """
    caller = look("the caller", "sts:GetCallerIdentity", lambda: sts.get_caller(clients("sts")))
    if isinstance(caller, Unread):
        raise CouldNotLook(caller.sentence)
    expected = environment.names.account_id
    if expected and caller.account != expected:
        raise UsageError(
            f"These credentials are for account {caller.account}, but {environment.name} is account {expected}: "
            "sign in to that account, or correct account_id in runbook.toml. Nothing was read."
        )
    return caller


def take(
    clients: Clients,
    environment: Environment,
    caller: Caller,
    now: Callable[[], datetime],
    settings: tuple[str, ...] | None = None,
) -> Snapshot:
    """Read an environment at once.

    Calls that AWS refuses are kept in the snapshot's gaps. Raises UsageError for a cluster that runbook.toml
    names and that does not exist, CouldNotLook where AWS cannot be reached.
    """
    with ThreadPoolExecutor(PARALLEL, "look") as pool:
        reading = _Reading(pool, clients, environment, caller)
        snapshot = reading.first(now)
        return replace(reading.second(snapshot), settings=settings, gaps=dict(reading.gaps))


class _Reading:
    """The calls of one snapshot, with what could not be read by the field that lacks it."""

    def __init__(self, pool: ThreadPoolExecutor, clients: Clients, environment: Environment, caller: Caller) -> None:
        self.pool = pool
        self.clients = clients
        self.names = environment.names
        self.environment = environment
        self.caller = caller
        self.gaps: dict[str, tuple[Unread, ...]] = defaultdict(tuple)

    def ask(self, what: str, permission: str, call: Callable[[], T]) -> Future[T | Unread]:
        """Make a call on another thread."""
        return self.pool.submit(look, what, permission, call)

    def keep(self, field: str, answer: Future[T | Unread], default: D) -> T | D:
        """Wait for an answer; what could not be read becomes a gap of the field."""
        result = answer.result()
        if isinstance(result, Unread):
            if result not in self.gaps[field]:
                self.gaps[field] += (result,)
            return default
        return result

    def first(self, now: Callable[[], datetime]) -> Snapshot:
        """Read what every snapshot needs."""
        sm, cluster, name = self.clients("secretsmanager"), self.names.cluster, self.names.secret
        client = self.clients("ecs")
        secret = self.ask(f"secret {name}", "secretsmanager:DescribeSecret", lambda: secretsmanager.describe(sm, name))
        versions = self.ask(
            f"the versions of {name}",
            "secretsmanager:ListSecretVersionIds",
            lambda: secretsmanager.list_versions(sm, name),
        )
        value = self.ask(
            f"the value of {name}",
            GET_SECRET_VALUE,
            lambda: secretsmanager.get_value(sm, name, secretsmanager.CURRENT),
        )
        policy = self.ask(
            f"the resource policy of {name}",
            "secretsmanager:GetResourcePolicy",
            lambda: secretsmanager.get_resource_policy(sm, name),
        )
        listed = self.ask(
            f"the services of cluster {cluster}",
            "ecs:ListServices",
            lambda: ecs.list_service_names(client, cluster),
        )
        running = self.ask(
            f"the tasks of cluster {cluster}",
            "ecs:ListTasks",
            lambda: ecs.list_task_arns(client, cluster, "RUNNING"),
        )
        stopped = self.ask(
            f"the tasks of cluster {cluster}",
            "ecs:ListTasks",
            lambda: ecs.list_task_arns(client, cluster, "STOPPED"),
        )
        service_names = self.keep("services", listed, ())
        clusters = self._clusters() if service_names is None else ()
        services = self._services(service_names or ())
        # A task that stops between the two lists is in both.
        task_arns = tuple(dict.fromkeys((*self.keep("tasks", running, ()), *self.keep("tasks", stopped, ()))))
        described = [self._tasks(batch) for batch in ecs.batches(task_arns, ecs.TASKS_A_CALL)]
        found = [service for answer in services for service in self.keep("services", answer, ())]
        definitions = self._definitions(service.task_definition_arn for service in found)
        return Snapshot(
            environment=self.environment,
            taken=now(),
            caller=self.caller,
            endpoint=self.clients.endpoint,
            secret=self.keep("secret", secret, None),
            versions=self.keep("versions", versions, ()),
            contents=_contents(self.keep("contents", value, None)),
            resource_policy=self.keep("resource_policy", policy, None),
            clusters=clusters,
            service_names=service_names,
            services=tuple(sorted(found, key=lambda service: service.name)),
            task_definitions=definitions,
            tasks=tuple(task for answer in described for task in self.keep("tasks", answer, ())),
        )

    def second(self, snapshot: Snapshot) -> Snapshot:
        """Read what depends on the first: roles, the key, older revisions, and what a doubt has to be settled by."""
        key = self._key(snapshot.secret.kms_key_id) if snapshot.secret and snapshot.secret.kms_key_id else None
        secret_arn = snapshot.secret.arn if snapshot.secret else ""
        key_arn = key.arn if key and key.manager == "CUSTOMER" else ""
        permissions = {
            arn: self.pool.submit(roles.read, self.clients, arn, secret_arn, key_arn) for arn in self._roles(snapshot)
        }
        in_use = {
            arn
            for service in snapshot.consumers
            for arn in (
                *(deployment.task_definition_arn for deployment in service.deployments),
                *(task.task_definition_arn for task in snapshot.running(service)),
            )
        }
        older = self._definitions(in_use - set(snapshot.task_definitions) - {""})
        snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, **older})
        snapshot = self._settle(snapshot)
        return replace(
            snapshot,
            elsewhere=self._elsewhere(snapshot),
            kms_key=key,
            permissions={arn: answer.result() for arn, answer in permissions.items()},
        )

    def _key(self, key_id: str) -> KmsKey | None:
        client = self.clients("kms")
        key = self.keep(
            "kms_key", self.ask(f"key {key_id}", "kms:DescribeKey", lambda: kms.describe_key(client, key_id)), None
        )
        if key is None or key.manager != "CUSTOMER":
            return key
        asked = self.ask(f"the policy of key {key_id}", "kms:GetKeyPolicy", lambda: kms.get_key_policy(client, key.arn))
        return replace(key, policy=self.keep("key_policy", asked, None))

    def _clusters(self) -> tuple[str, ...]:
        client, name = self.clients("ecs"), self.names.cluster
        found = self.keep(
            "clusters", self.ask("the region's clusters", "ecs:ListClusters", lambda: ecs.list_clusters(client)), ()
        )
        if "cluster" in self.environment.chosen:
            raise UsageError(
                f"Cluster {name} does not exist in {self.names.region}, account {self.caller.account}"
                f"{nearest(name, found)} Correct cluster in {self.environment.source}. Nothing was written."
            )
        return found

    def _services(self, names: tuple[str, ...]) -> list[Future[tuple[ecs.Service, ...] | Unread]]:
        client, cluster = self.clients("ecs"), self.names.cluster
        return [
            self.ask(
                f"the services of cluster {cluster}",
                "ecs:DescribeServices",
                lambda batch=batch: ecs.describe_services(client, cluster, batch),  # type: ignore[misc]
            )
            for batch in ecs.batches(names, ecs.SERVICES_A_CALL)
        ]

    def _tasks(self, arns: Iterable[str]) -> Future[tuple[ecs.Task, ...] | Unread]:
        client, cluster = self.clients("ecs"), self.names.cluster
        return self.ask(
            f"the tasks of cluster {cluster}",
            "ecs:DescribeTasks",
            lambda: ecs.describe_tasks(client, cluster, tuple(arns)),
        )

    def _definitions(self, arns: Iterable[str]) -> dict[str, ecs.TaskDefinition]:
        client = self.clients("ecs")
        answers = {
            arn: self.ask(
                f"task definition {arn.rpartition('/')[2]}",
                "ecs:DescribeTaskDefinition",
                lambda arn=arn: ecs.describe_task_definition(client, arn),  # type: ignore[misc]
            )
            for arn in sorted(set(arns) - {""})
        }
        found = {arn: self.keep("task_definitions", answer, None) for arn, answer in answers.items()}
        return {arn: definition for arn, definition in found.items() if definition}

    def _roles(self, snapshot: Snapshot) -> tuple[str, ...]:
        """ARNs of the consumers' execution roles; the role that the guide names where none could be told."""
        definitions = [snapshot.definition(service.task_definition_arn) for service in snapshot.consumers]
        arns = {definition.execution_role_arn for definition in definitions if definition} - {""}
        if not arns and not any(definitions):
            arns = {f"arn:{self.caller.partition}:iam::{self.caller.account}:role/{self.names.execution_role}"}
        return tuple(sorted(arns))

    def _elsewhere(self, snapshot: Snapshot) -> dict[str, secretsmanager.Secret | None]:
        """Look for the secrets that references name in other regions and accounts; a refusal there is no gap."""
        home = (self.names.region, snapshot.secret.arn.split(":")[4] if snapshot.secret else self.caller.account)
        named = {
            ref.secret_arn: ref.region
            for service in snapshot.consumers
            for ref in (injection.reference for _, injection in snapshot.own_injections(service))
            if ref.kind == "secretsmanager" and ref.region and (ref.region, ref.account) != home
        }
        answers = {
            arn: self.ask(
                arn,
                "secretsmanager:DescribeSecret",
                lambda arn=arn, region=region: secretsmanager.describe(self.clients("secretsmanager", region), arn),  # type: ignore[misc]
            )
            for arn, region in named.items()
        }
        found = {}
        for arn, answer in answers.items():
            # A mistyped region has no endpoint: only a look there fails, and the reference is wrong in any case.
            with suppress(CouldNotLook):
                found[arn] = answer.result()
        return {arn: secret for arn, secret in found.items() if not isinstance(secret, Unread)}

    def _settle(self, snapshot: Snapshot) -> Snapshot:
        """Ask for the little more that decides a doubt: who wrote, when a task read, what an old version held."""
        tasks = [task for service in snapshot.consumers for task in snapshot.running(service)]
        doubtful = any(snapshot.freshness(task) == "undecidable" for task in tasks) and bool(snapshot.versions)
        if doubtful:
            writes = [self._events(name, snapshot) for name in WRITES]
            reads = self._events("GetSecretValue", snapshot)
            answers = [self.keep("writes", answer, None) for answer in writes]
            known = None if None in answers else tuple(event for answer in answers for event in answer or ())
            snapshot = replace(snapshot, writes=known, reads=self.keep("reads", reads, None))
        elif snapshot.current and _has_placeholder(snapshot):
            answer = self.keep("writes", self._events("PutSecretValue", snapshot), None)
            snapshot = replace(snapshot, writes=answer)
        wanted = {snapshot.held_version(task) for task in tasks if snapshot.freshness(task) == "stale"}
        if snapshot.secret and _has_placeholder(snapshot):
            wanted.add(snapshot.secret.version_at(secretsmanager.PREVIOUS))
        return replace(snapshot, contents={**snapshot.contents, **self._older(wanted - set(snapshot.contents) - {""})})

    def _events(self, name: str, snapshot: Snapshot) -> Future[tuple[cloudtrail.Event, ...] | Unread]:
        client, secret = self.clients("cloudtrail"), self.names.secret
        since = min((version.created for version in snapshot.versions[-2:]), default=snapshot.taken)
        return self.ask(
            f"who called {name}",
            "cloudtrail:LookupEvents",
            lambda: cloudtrail.lookup_events(client, name, secret, since, TRAIL_LIMIT),
        )

    def _older(self, version_ids: set[str]) -> dict[str, Content]:
        client, name = self.clients("secretsmanager"), self.names.secret
        answers = [
            self.ask(
                f"version {version_id} of {name}",
                GET_SECRET_VALUE,
                lambda version_id=version_id: secretsmanager.get_value(client, name, version_id=version_id),  # type: ignore[misc]
            )
            for version_id in sorted(version_ids)
        ]
        found: dict[str, Content] = {}
        for answer in answers:
            found.update(_contents(self.keep("older_contents", answer, None)))
        return found


def _contents(value: secretsmanager.Value | None) -> dict[str, Content]:
    if value is None:
        return {}
    if value.text is None:
        return {value.version_id: Content(value.version_id, binary=True)}
    try:
        return {value.version_id: Content(value.version_id, parse(value.text))}
    except DocumentError as error:
        return {value.version_id: Content(value.version_id, error=error)}


def _has_placeholder(snapshot: Snapshot) -> bool:
    document = snapshot.current.document if snapshot.current else None
    return document is not None and any(member.injected.matches(PLACEHOLDER) for member in document.members)
