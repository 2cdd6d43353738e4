"""Takes a snapshot: every call in parallel, in batches where AWS allows, none twice, each failure recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from omc_runbook.aws import definitions, ecs, endpoint, kms, secretsmanager, sts
from omc_runbook.aws.failures import ReadFailure, or_none
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.session import Clients, require
from omc_runbook.aws.sts import Caller
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.arn import account_in
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.handover import warn_once
from omc_runbook.model.suggestions import nearest_in
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot import (
    contradictions,
    deep_read,
    express_services,
    follow_ups,
    networking,
    other_clusters,
    other_environments,
    other_references,
    roles,
    scheduled,
    service_deployments,
)
from omc_runbook.snapshot.definition_cache import DefinitionCache, cache_for, needed_whole
from omc_runbook.snapshot.discovery import discover
from omc_runbook.snapshot.gatherer import PARALLEL, Gatherer, SharedCalls
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Part, Snapshot

MOST_FAMILIES = 4
SERVICES_A_FAMILY = 20
"""The newest revisions are read of four families, or in large environments of one for each twenty services."""

_warning = threading.Lock()


def identify(clients: Clients, environment: Environment) -> Caller:
    """Read the caller's identity, before anything else, and after saying so where that does not go to AWS.

    A role that runbook.toml names is assumed first. Raises UsageError where the account is not the environment's,
    CouldNotLook where AWS does not answer or does not let the caller assume the role.
    """
    names = environment.names
    expected, source = names.account_id, environment.source_of("account_id")
    role_account = account_in(names.role_arn) if names.role_arn else ""
    if role_account and expected not in ("", role_account):
        raise UsageError(
            f"role_arn is a role of account {role_account}, but {environment.name} is account {expected}: correct"
            f" role_arn in {environment.source_of('role_arn')}, or account_id in {source}. Nothing was read."
        )
    for url in clients.foreign_endpoints:
        # Several environments may be identified at once, and have the same endpoint.
        with _warning:
            warn_once(endpoint.sentence(url))
    caller = require(
        "the caller", "sts:GetCallerIdentity", lambda: sts.get_caller(clients("sts")), profile=names.profile
    )
    if expected and caller.account != expected:
        raise UsageError(
            f"These credentials are for account {caller.account}, but {environment.name} is account {expected}: "
            f"sign in to that account, or correct account_id in {source}. Nothing was read."
        )
    return replace(caller, source=clients.role.caller.arn) if clients.role and clients.role.caller else caller


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How much of an environment is read."""

    look_inside: bool = False
    """Whether the values inside running tasks are read too, over ECS Exec."""
    deeply: bool = False
    """Whether everything is read that troubleshooting needs."""
    cached: bool = False
    """Whether task definitions come from the private cache, as far as they are there."""
    audit_days: int = 0
    """Of how many days an audit reads the events, with all else that it needs; 0 where it is none."""
    without: frozenset[Part] = frozenset()
    """What is not asked for; policies and roles are all the same where tasks fail."""


_USUAL = Scope()


def take(
    clients: Clients,
    environment: Environment,
    caller: Caller,
    now: Callable[[], datetime],
    checkout: Checkout | None = None,
    scope: Scope = _USUAL,
    shared: SharedCalls | None = None,
) -> Snapshot:
    """Read an environment.

    `now` gives the snapshot's time. With a `checkout`, which becomes part of the snapshot, the keys of the other
    environments' secrets are read too. `shared` has calls on the account that other snapshots make too. Calls that AWS
    denies become the snapshot's gaps. Raises UsageError where the cluster that runbook.toml names does not exist,
    CouldNotLook where AWS cannot be reached.
    """
    with ThreadPoolExecutor(PARALLEL, "look") as pool:
        reading = _Reading(pool, clients, environment, caller, shared)
        # An audit compares values with other environments' and needs no names of their keys.
        needs_keys = checkout and not scope.audit_days
        others = pool.submit(other_environments.read_keys, clients, caller, environment) if needs_keys else None
        began = now()
        cache = (
            cache_for(environment, caller.account, clients("ecs").meta.endpoint_url, began) if scope.cached else None
        )
        snapshot = reading.first(now, cache, scope.without)
        if scope.deeply:
            snapshot = scheduled.read(reading, snapshot)
        snapshot = reading.second(snapshot)
        root = checkout.root if checkout else None
        inside = deep_read.InsideRead(reading, snapshot, root) if scope.look_inside else None
        if scope.deeply:
            snapshot = deep_read.look_deeper(reading, snapshot)
        if inside:
            snapshot = inside.end(snapshot)
        if scope.audit_days:
            from omc_runbook.snapshot.audit import reading as audit_reading

            snapshot = audit_reading.read(reading, snapshot, scope.audit_days, checkout)
        if lacks_a_name(snapshot):
            snapshot = replace(snapshot, discovery=discover(clients, environment, caller))
        # No check of an audit asks what Terraform means.
        if checkout and not scope.audit_days:
            from omc_runbook.terraform.declared import read_environments

            declared = next(iter(read_environments(checkout.root, environment.name)), None)
            snapshot = replace(snapshot, declared=declared)
        snapshot = replace(snapshot, checkout=checkout, other_keys=others.result() if others else {})
        return replace(snapshot, gaps=dict(reading.gaps))


def lacks_a_name(snapshot: Snapshot) -> bool:
    """Whether the secret, the cluster or its main service does not exist under its configured name.

    A service that a parameter or runbook.toml names is not searched for.
    """
    names, environment = snapshot.environment.names, snapshot.environment
    if snapshot.secret is None and "secret" not in snapshot.gaps:
        return True
    if snapshot.service_names is None:
        return True
    is_absent = "services" not in snapshot.gaps and names.service not in snapshot.service_names
    return is_absent and "service" not in environment.chosen


_Policies = tuple[Future[PolicyDocument | ReadFailure | None], Future[tuple[PolicyDocument, ...] | ReadFailure]]
"""A secret's default policy, and its others."""


_SecretReads = tuple[
    Future[secretsmanager.Secret | ReadFailure | None],
    Future[tuple[secretsmanager.Version, ...] | ReadFailure] | None,
    Future[secretsmanager.Value | ReadFailure | None] | None,
]
"""What DescribeSecret says, the versions, and the current value; None for what was not asked."""


def _contradictions(name: str, reads: _SecretReads) -> Iterator[tuple[str, ReadFailure]]:
    """What of a secret, its versions and its value contradicts another of them, by the snapshot's field."""
    secret, versions, value = reads
    found = secret.result()
    if isinstance(found, ReadFailure):
        return
    if versions and not isinstance(listed := versions.result(), ReadFailure):
        yield from (("versions", each) for each in contradictions.in_versions(name, found, listed))
    if value and not isinstance(current := value.result(), ReadFailure):
        yield from (("contents", each) for each in contradictions.in_value(name, found, current))
        yield from (("secret", each) for each in contradictions.in_secret(name, found, current))


class _Reading(Gatherer):
    """The calls of one snapshot."""

    _policies: _Policies | None = None
    _partial: frozenset[str]
    """The revisions from the cache of which it keeps not everything."""

    def first(self, now: Callable[[], datetime], cache: DefinitionCache | None, without: frozenset[Part]) -> Snapshot:
        """Read what every snapshot needs but for these parts, task definitions from a cache as far as it has them."""
        cluster, name = self.names.cluster, self.names.secret
        # Most of what follows waits for these three calls; further clients are created meanwhile.
        listed = self.read(f"the services of cluster {cluster}", "ecs:ListServices", ecs.list_service_names, cluster)
        task_lists = [
            self.read(f"the tasks of cluster {cluster}", "ecs:ListTasks", ecs.list_task_arns, cluster, status)
            for status in (() if "tasks" in without else ("RUNNING", "STOPPED"))
        ]
        of_secret = self._ask_secret(name, without)
        if "policies" not in without:
            self._policies = self._ask_policies()
        if "roles" not in without:
            self.clients("iam")
        service_names = self.keep("services", listed, ())
        clusters = self._clusters() if service_names is None else ()
        batches = self.ask_services(cluster, service_names or ())
        # A task that stops between the two lists is in both.
        task_arns = tuple(dict.fromkeys(self.join("tasks", task_lists)))
        task_batches = self.ask_tasks(cluster, task_arns)
        services = self.join("services", batches)
        users = _newest_users(services)
        known, self._partial = cache.load(users) if cache else ({}, frozenset[str]())
        revisions = self.task_definitions("task_definitions", users.keys() - known.keys())
        if cache:
            cache.store(revisions.values())
        tasks = self.join("tasks", task_batches)
        secret, versions, value = self._answers_of_secret(name, of_secret, without)
        if task_lists and "tasks" not in self.gaps:
            self.record("tasks", contradictions.in_tasks(cluster, services, tasks))
        return Snapshot(
            environment=self.environment,
            taken=now(),
            caller=self.caller,
            endpoint=self.clients.endpoint,
            secret=secret,
            versions=versions,
            contents=follow_ups.contents_of(value),
            left_out=without,
            clusters=clusters,
            service_names=service_names,
            services=tuple(sorted(services, key=lambda service: service.name)),
            task_definitions=known | revisions,
            tasks=tasks,
        )

    def _ask_secret(self, name: str, without: frozenset[Part]) -> _SecretReads:
        """Start to read the secret, its versions and its value, the latter two only of one that exists if so asked."""
        secret = self.read(f"secret {name}", "secretsmanager:DescribeSecret", secretsmanager.describe, name)
        if "absent content" in without and not isinstance(secret.result(), secretsmanager.Secret):
            return secret, None, None
        list_versions, get_value = secretsmanager.list_versions, secretsmanager.get_value
        return (
            secret,
            self.read(f"the versions of {name}", "secretsmanager:ListSecretVersionIds", list_versions, name),
            self.read(f"the value of {name}", GET_SECRET_VALUE, get_value, name, secretsmanager.CURRENT),
        )

    def _answers_of_secret(
        self, name: str, reads: _SecretReads, without: frozenset[Part]
    ) -> tuple[secretsmanager.Secret | None, tuple[secretsmanager.Version, ...], secretsmanager.Value | None]:
        """The secret, its versions and its value; what contradicts each other is read once more, then a gap."""
        contradicting = [*_contradictions(name, reads)]
        if contradicting:
            # For some seconds, a read may be of before a write.
            reads = self._ask_secret(name, without)
            contradicting = [*_contradictions(name, reads)]
        secret, versions, value = reads
        answers = (
            self.keep("secret", secret, None),
            self.keep("versions", versions, ()),
            self.keep("contents", value, None),
        )
        for field, failure in contradicting:
            self.record(field, (failure,))
        return (None if "secret" in self.gaps else answers[0], *answers[1:])

    def second(self, snapshot: Snapshot) -> Snapshot:
        """Read what depends on the first calls: roles, the KMS key, older revisions, and what follow-ups need."""
        snapshot = express_services.read(self, service_deployments.read(self, snapshot))
        if snapshot.service_names is not None and "services" not in self.gaps:
            snapshot = replace(snapshot, deleted_status=self._deleted_status(snapshot.service_names))
        snapshot = self._with_definitions(snapshot, self._partial & needed_whole(snapshot))
        snapshot = self._with_definitions(snapshot, _revisions_in_use(snapshot) - set(snapshot.task_definitions))
        families = _families(snapshot)
        most = max(MOST_FAMILIES, -(-len(snapshot.services) // SERVICES_A_FAMILY))
        snapshot = replace(
            snapshot, newest_revisions=self._newest(families[:most]), families_left_out=max(len(families) - most, 0)
        )
        if not snapshot.left_out:
            # What changes values names the services of other clusters by itself; an audit judges no tasks.
            snapshot = other_clusters.read(self, snapshot)
        others = other_references.Reading(self, snapshot)
        if snapshot.has_failures:
            snapshot = replace(snapshot, left_out=snapshot.left_out - {"policies", "roles"})
        key = None
        if "policies" not in snapshot.left_out:
            self._policies = self._policies or self._ask_policies()
            key = self._key(snapshot.kms_key_id) if snapshot.kms_key_id else None
        key_arn = key.arn if key and key.manager == "CUSTOMER" else ""
        permissions = {
            arn: self.pool.submit(roles.read, self.clients, arn, snapshot.secret_arn, key_arn, others.permissions)
            for arn in (() if "roles" in snapshot.left_out else snapshot.execution_roles)
        }
        snapshot = networking.read_after_failure(self, follow_ups.settle(self, snapshot))
        permissions_of = {arn: answer.result() for arn, answer in permissions.items()}
        snapshot = replace(
            snapshot,
            foreign_secrets=follow_ups.read_foreign_secrets(self, snapshot),
            resource_policy=self.keep("resource_policy", self._policies[0], None) if self._policies else None,
            other_resource_policies=self.keep("resource_policy", self._policies[1], ()) if self._policies else (),
            kms_key=follow_ups.read_key_use(self, key, permissions_of.values()) if key and key_arn else key,
            other_sources=others.finish(permissions_of.values()),
            permissions=permissions_of,
        )
        return replace(snapshot, organization=follow_ups.read_organization(self, snapshot))

    def _with_definitions(self, snapshot: Snapshot, arns: Set[str]) -> Snapshot:
        """The snapshot with these task definitions, read in full."""
        definitions = self.task_definitions("task_definitions", arns)
        return replace(snapshot, task_definitions={**snapshot.task_definitions, **definitions})

    def _ask_policies(self) -> _Policies:
        """Ask for the secret's default policy, and for its others."""
        name = self.names.secret
        default = self.read(
            f"the resource policy of {name}",
            "secretsmanager:GetResourcePolicy",
            secretsmanager.get_resource_policy,
            name,
        )
        others = self.read(
            f"the other resource policies of {name}",
            "secretsmanager:ListResourcePolicies",
            secretsmanager.get_other_resource_policies,
            name,
        )
        return default, others

    def _key(self, key_id: str) -> KmsKey | None:
        key = self.keep("kms_key", self.read(f"key {key_id}", "kms:DescribeKey", kms.describe_key, key_id), None)
        if key is None or key.manager != "CUSTOMER":
            return key
        policy = self.read(f"the policy of key {key_id}", "kms:GetKeyPolicy", kms.get_key_policy, key.arn)
        return replace(key, policy=self.keep("key_policy", policy, None))

    def _clusters(self) -> tuple[str, ...]:
        name = self.names.cluster
        clusters = self.keep("clusters", self.read("the region's clusters", "ecs:ListClusters", ecs.list_clusters), ())
        if "cluster" in self.environment.chosen:
            unread = " ".join(gap.sentence for gap in self.gaps.get("clusters", ()))
            hint = f". {unread}" if unread else nearest_in(self.environment.name, name, clusters)
            raise UsageError(
                f"Cluster {name} does not exist in {self.names.region}, account {self.caller.account}{hint}"
                f" Correct cluster in {self.environment.source_of('cluster')}. Nothing was written."
            )
        return clusters

    def _deleted_status(self, listed: tuple[str, ...]) -> str:
        """Whether the main service, where it is not among those listed, was deleted."""
        cluster, name = self.names.cluster, self.names.service
        if name in listed:
            return ""
        answer = self.read(f"service {name}", "ecs:DescribeServices", ecs.read_deleted_status, cluster, name)
        return self.keep("deleted_status", answer, "")

    def _newest(self, families: Iterable[str]) -> tuple[definitions.TaskDefinition, ...]:
        """The newest active revision of each family that has one."""
        answers = [
            self.read(
                f"task definition {family}", "ecs:DescribeTaskDefinition", definitions.describe_task_definition, family
            )
            for family in families
        ]
        return tuple(revision for answer in answers if (revision := or_none(answer.result())))


def _revisions_in_use(snapshot: Snapshot) -> set[str]:
    """The task definitions that tasks or deployments have, of services only where they may have the secret."""
    in_use = {arn for each in snapshot.services for arn in (*each.task_sets, *snapshot.failed_arns(each))}
    for service in snapshot.consumers:
        in_use |= {deployment.task_definition_arn for deployment in service.deployments}
        in_use |= {task.task_definition_arn for task in snapshot.running(service)}
    in_use |= {task.task_definition_arn for task in snapshot.tasks if not task.service}
    # The tasks of a deployment that is not at its end may have the secret, and its revision not.
    for service in snapshot.services:
        in_use |= {each.task_definition_arn for each in service.deployments if each.running}
    return in_use - {""}


def _newest_users(services: Iterable[ecs.Service]) -> dict[str, datetime | None]:
    """When the newest service with each task definition was created, None where that is not known."""
    users = grouped(
        # A stand-in for AWS may not tell: a service is no younger than its deployments.
        (each.task_definition_arn, each.created or max((own.created for own in each.deployments), default=None))
        for each in services
    )
    return {arn: max(filter(None, times)) if all(times) else None for arn, times in users.items()}


def _families(snapshot: Snapshot) -> tuple[str, ...]:
    """The families of the consumers' task definitions, where the secret has a key to which none of these refers.

    The main service's comes first.
    """
    document = snapshot.document
    main = snapshot.environment.names.service
    consumers = sorted(snapshot.consumers, key=lambda service: service.name != main)
    definitions = [snapshot.definition(service) for service in consumers]
    keys = {injection.reference.key for each in definitions for _, injection in snapshot.own_references(each)}
    if document is None or not keys or "" in keys or keys.issuperset(document.keys):
        return ()
    return tuple(dict.fromkeys(definition.family for definition in definitions if definition))
