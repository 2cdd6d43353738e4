"""The snapshot: everything that was read of one environment, frozen, with its values masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.ec2 import Network
from omc_runbook.aws.ecs import Deployment, Service, SessionSettings, Task
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.aws.secretsmanager import CURRENT, MANAGED_KEY, PREVIOUS, Secret, Version, short_id
from omc_runbook.aws.sts import Caller
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.document import Document, Member
from omc_runbook.model.arn import account_in
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.value_from import Reference, means_secret
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.discovery import Discovery
from omc_runbook.snapshot.held_values import ExecLook
from omc_runbook.snapshot.other_environments import OtherKeys
from omc_runbook.snapshot.other_sources import OtherSource
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.workstation.workstation import Workstation

if TYPE_CHECKING:
    from omc_runbook.terraform.declared import DeclaredEnvironment

Part = Literal["policies", "roles", "tasks", "trail", "absent content"]
"""What a look can leave out: the policies of secret and key, what the execution roles may do, the tasks, CloudTrail.

Without "absent content", versions and value are asked for while it is not known whether there is a secret.
"""


@dataclass(frozen=True)
class OtherCluster:
    """The services of another cluster with their task definitions, and its tasks where one of them has the secret."""

    name: str
    services: tuple[Service, ...]
    tasks: tuple[Task, ...]
    task_definitions: Mapping[str, TaskDefinition]


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
    gaps: Mapping[str, tuple[ReadFailure, ...]] = field(default_factory=dict)
    left_out: frozenset[Part] = frozenset()
    """What was not asked for, and so has no gap."""
    secret: Secret | None = None
    versions: tuple[Version, ...] = ()
    contents: Mapping[str, Content] = field(default_factory=dict)
    """Content by version id: that of AWSCURRENT, and those needed for comparison."""
    resource_policy: PolicyDocument | None = None
    """The secret's default policy."""
    other_resource_policies: tuple[PolicyDocument, ...] = ()
    """Its policies that AWS services attached; gaps of "resource_policy" concern them too."""
    kms_key: KmsKey | None = None
    """The key of `kms_key_id`."""
    clusters: tuple[str, ...] = ()
    service_names: tuple[str, ...] | None = ()
    deleted_status: str = ""
    """DRAINING or INACTIVE, where the main service was deleted."""
    services: tuple[Service, ...] = ()
    express_services: tuple[Service, ...] = ()
    """Those that have tasks; no run of ours deploys them."""
    task_definitions: Mapping[str, TaskDefinition] = field(default_factory=dict)
    newest_revisions: tuple[TaskDefinition, ...] = ()
    """The newest revisions of the consumers' families, read only where no revision in use refers to a key."""
    families_left_out: int = 0
    """Of how many families the newest revision was not asked for, because there are too many."""
    tasks: tuple[Task, ...] = ()
    scheduled: tuple[ScheduledTask, ...] = ()
    """What EventBridge runs on the cluster, by the ARNs of revisions; read only where it was looked deeply."""
    other_clusters: tuple[OtherCluster, ...] = ()
    """Those that runbook.toml names beside the environment's own."""
    permissions: Mapping[str, Permissions] = field(default_factory=dict)
    """By the role's ARN, for the execution roles of the consumers."""
    organization: str | None = None
    """The id of the account's organization, "" outside one; None where no policy depends on it or it was not read."""
    writes: tuple[Event, ...] | None = None
    """Calls that gave the secret a version or moved a stage, newest first of each name; None where CloudTrail was not
    read. troubleshoot adds calls that deleted it or set its policy."""
    writes_since: datetime | None = None
    """Where the account has more of those calls than were read: from when on they are all there."""
    reads: tuple[Event, ...] | None = None
    """Calls by which tasks read the secret; None where CloudTrail was not read."""
    foreign_secrets: Mapping[str, Secret | None] = field(default_factory=dict)
    """Secrets of other regions and accounts that references name, by ARN; None where there is no such secret."""
    other_sources: Mapping[str, OtherSource] = field(default_factory=dict)
    """The other secrets and the parameters that consumers' references name, by `Reference.source`."""
    checkout: Checkout | None = None
    """The application's own files, where a repository was given."""
    other_keys: Mapping[str, OtherKeys] = field(default_factory=dict)
    """The keys of other environments' secrets, by environment; read only with a repository."""
    workstation: Workstation | None = None
    """The developer's machine; None where it was not read."""
    network: Network | None = None
    """The network of the consumers' tasks; None where it was not read."""
    exec_looks: tuple[ExecLook, ...] | None = None
    """Values inside running tasks; None where they were not read."""
    task_roles: Mapping[str, Permissions] = field(default_factory=dict)
    """By the role's ARN, for the roles of running tasks, as far as ECS Exec needs them; only with a look inside."""
    session_settings: SessionSettings | None = None
    """The cluster's for ECS Exec's sessions; read only where a look inside failed."""
    session_key: KmsKey | None = None
    """The key that encrypts the cluster's ECS Exec sessions; read only where a look inside failed."""
    missing_session_key: str = ""
    """The kmsKeyId of these sessions where there is no such key."""
    session_roles: Mapping[str, Permissions] = field(default_factory=dict)
    """By the role's ARN, for the roles of running tasks, as far as that key needs them."""
    plugin: str = ""
    """The path of session-manager-plugin on this machine; "" where it has none."""
    discovery: Discovery | None = None
    """What the account has for the environment; read only where a configured name does not exist."""
    declared: DeclaredEnvironment | None = None
    """What the checkout's Terraform files say; read only with a repository."""
    log_lines: Mapping[str, tuple[str, ...]] | None = None
    """Sentences with the last log lines of failed tasks, by task id; None where logs were not read."""
    audit: Audit = field(default_factory=Audit)
    """What only an audit reads."""

    def unread(self, *fields: str) -> tuple[str, ...]:
        """What could not be read of these fields, a sentence each; () where they have no gap."""
        return tuple(dict.fromkeys(gap.sentence for field in fields for gap in self.gaps.get(field, ())))

    @property
    def account(self) -> str:
        """The secret's account; the caller's where there is no secret."""
        return account_in(self.secret.arn) if self.secret else self.caller.account

    @property
    def secret_arn(self) -> str:
        """The secret's ARN; "" where there is no secret."""
        return self.secret.arn if self.secret else ""

    @property
    def secret_name(self) -> str:
        """The secret's name, also where the configuration has its ARN."""
        last = self.environment.names.secret.rpartition(":")[2]
        return self.secret.name if self.secret else last

    @property
    def kms_key_id(self) -> str:
        """The id, ARN or alias of the key that tasks have to decrypt with; "" for the AWS managed one.

        Whoever changed the secret's key without kms:Encrypt for the new one has left its versions under the former.
        """
        secret = self.secret
        own = secret.kms_key_id if secret else ""
        used = next((version.keys for version in self.versions if version.id == self.current_id), ())
        # What an alias means, and how a replica's keys are told, is not known here.
        is_unclear = len(used) != 1 or MANAGED_KEY in used or any("alias/" in each for each in (own, *used))
        is_own = any(each.rpartition("/")[2] == own.rpartition("/")[2] for each in used)
        return own if is_unclear or is_own or (secret and secret.primary) else used[0]

    @property
    def current_id(self) -> str:
        """The id of the current version; "" where there is none."""
        return self.version_at(CURRENT)

    @property
    def previous_id(self) -> str:
        """The id of the version before the current one, AWSPREVIOUS; "" where there is none."""
        return self.version_at(PREVIOUS)

    @property
    def current(self) -> Content | None:
        """What AWSCURRENT holds; None where there is no such version or it could not be read."""
        return self.content_at(CURRENT)

    @property
    def previous(self) -> Content | None:
        """What AWSPREVIOUS holds; None where there is no such version or it was not read."""
        return self.content_at(PREVIOUS)

    @property
    def document(self) -> Document | None:
        """The current version's document; None where there is no such version, or it is no JSON object."""
        return self.current.document if self.current else None

    @property
    def members(self) -> tuple[Member, ...]:
        """The keys of that document, with their values; () where there is none."""
        return self.document.members if self.document else ()

    def short(self, version_id: str) -> str:
        """The shortest prefix of a version's id that no other of the secret begins with, at least eight characters."""
        return short_id(version_id, (version.id for version in self.versions))

    def version_at(self, stage: str) -> str:
        """The id of the version with a staging label; "" where no version has it, or there is no secret."""
        return self.secret.version_at(stage) if self.secret else ""

    def content_at(self, stage: str) -> Content | None:
        """What the version with a staging label holds; None where there is none, or it was not read."""
        return self.contents.get(self.version_at(stage))

    @cached_property
    def consumers(self) -> tuple[Service, ...]:
        """Services whose task definition or proxy refers to the secret, and the environment's main service."""
        return tuple(
            service
            for service in self.services
            if service in self.container_consumers or any(self.is_own(each.reference) for each in service.proxy_secrets)
        )

    @cached_property
    def container_consumers(self) -> tuple[Service, ...]:
        """The consumers whose containers have the secret, or should: nobody can look into a proxy."""
        main = self.environment.names.service
        return tuple(service for service in self.services if service.name == main or self._refers(service))

    @cached_property
    def readers(self) -> tuple[Service, ...]:
        """All that read the secret: consumers, services that leave it, Express services, and others as services.

        The others are the families of tasks that were run, by their owner's name, EventBridge's rules and schedules,
        and the services of other clusters.
        """
        outside = (task for task in self.tasks if not task.service and self.own_references(self.definition(task)))
        families = grouped((task.owner, task) for task in outside)
        alone = []
        for name, tasks in families.items():
            newest = max(tasks, key=lambda task: task.created or self.taken)
            running = sum(task.is_running for task in tasks)
            alone.append(_as_service(name, newest.task_definition_arn, running))
        for each in self.scheduled:
            if self.own_references(self.definition(each)):
                alone.append(_as_service(each.origin, each.task_definition_arn))
        return (*self.consumers, *self.former_consumers, *self.express_readers, *alone, *self.services_elsewhere)

    @cached_property
    def express_readers(self) -> tuple[Service, ...]:
        """The Express services that refer to the secret."""
        return tuple(filter(self._refers, self.express_services))

    @cached_property
    def services_elsewhere(self) -> tuple[Service, ...]:
        """The services of other clusters that refer to the secret, as far as they are judged here."""
        return tuple(
            _of_other_cluster(service, other.environment.names.cluster)
            for other in self.elsewhere
            for service in other.consumers
        )

    @cached_property
    def elsewhere(self) -> tuple[Snapshot, ...]:
        """The same in each of the other clusters, where no service is the main one, and only consumers have tasks."""
        environment = self.environment
        return tuple(
            replace(
                self,
                environment=replace(
                    environment, names=environment.names.model_copy(update={"cluster": each.name, "service": ""})
                ),
                other_clusters=(),
                services=each.services,
                express_services=(),
                scheduled=(),
                exec_looks=None,
                tasks=each.tasks,
                task_definitions=each.task_definitions,
            )
            for each in self.other_clusters
        )

    @cached_property
    def former_consumers(self) -> tuple[Service, ...]:
        """Services that run tasks with the secret, while their own revision has none of it: it has not replaced them.

        No run of ours deploys them.
        """
        arns = {arn for arn, revision in self.task_definitions.items() if self.own_references(revision)}
        names = {task.service for task in self.tasks if task.is_running and task.task_definition_arn in arns}
        others = (each for each in self.services if each.name in names - self.consumer_names)
        return tuple(each for each in others if self.definition(each))

    @property
    def resource_policies(self) -> tuple[PolicyDocument, ...]:
        """All policies attached to the secret."""
        return (*((self.resource_policy,) if self.resource_policy else ()), *self.other_resource_policies)

    @property
    def execution_roles(self) -> tuple[str, ...]:
        """ARNs of the readers' execution roles; the environment's where none of its task definitions could be read."""
        arns = {revision.execution_role_arn for revision in self.revisions_in_use} - {""}
        if not any(self.revisions(service) for service in self.readers if not service.other_cluster):
            name = self.environment.names.execution_role
            arns.add(f"arn:{self.caller.partition}:iam::{self.caller.account}:role/{name}")
        return tuple(sorted(arns))

    @property
    def own_definitions(self) -> tuple[TaskDefinition, ...]:
        """The revisions that were read, without those that only services of other clusters have."""
        own: tuple[Service | ScheduledTask | Task, ...]
        own = (*self.services, *self.express_services, *self.scheduled, *self.tasks)
        of_others = {arn for each in self.other_clusters for arn in each.task_definitions}
        of_others -= {each.task_definition_arn for each in own}
        return tuple(revision for arn, revision in self.task_definitions.items() if arn not in of_others)

    @property
    def has_failures(self) -> bool:
        """Whether a deployment or task of a consumer or Express service has failed, as far as ECS still tells."""
        return any(
            self.stopped(each) or each.rolled_back or (each.primary and each.primary.rollout == "FAILED")
            for each in (*self.consumers, *self.express_readers)
        )

    @property
    def consumer_names(self) -> frozenset[str]:
        """The consumers' names."""
        return frozenset(service.name for service in self.consumers)

    def definition(self, of: Service | Deployment | Task | ScheduledTask) -> TaskDefinition | None:
        """The revision of a service, a deployment or a task, where it was read."""
        return self.task_definitions.get(of.task_definition_arn)

    def containers(self, of: Service | Deployment | Task | ScheduledTask) -> tuple[Container, ...]:
        """The containers of that revision; () where it was not read."""
        definition = self.definition(of)
        return definition.containers if definition else ()

    def revisions(self, service: Service) -> tuple[TaskDefinition, ...]:
        """Those read of its revision in force, of its task sets' and, after a rollback, of the one that failed."""
        arns = [service.task_definition_arn, *service.task_sets, *self.failed_arns(service)]
        return tuple(self.task_definitions[arn] for arn in dict.fromkeys(arns) if arn in self.task_definitions)

    @cached_property
    def revisions_in_use(self) -> tuple[TaskDefinition, ...]:
        """The revisions of all readers, as `revisions` gives those of one."""
        return tuple(revision for service in self.readers for revision in self.revisions(service))

    def failed_arns(self, service: Service) -> tuple[str, ...]:
        """The ARN of the revision that a rollback replaced, where ECS still lists its tasks."""
        last = self.last_failed(service) if service.rolled_back else None
        return (last.task_definition_arn,) if last else ()

    def last_failed(self, service: Service) -> Task | None:
        """The newest failed task of a deployment that has ended, of this service and not of an earlier namesake."""
        in_force = {deployment.id for deployment in service.deployments}
        ended = (task for task in self.stopped(service) if task.deployment_id not in in_force)
        return next(
            (task for task in ended if not (service.created and task.created) or task.created > service.created), None
        )

    def _refers(self, service: Service) -> bool:
        return any(self.own_references(revision) for revision in self.revisions(service))

    def references_of(self, service: Service, *arns: str) -> tuple[tuple[Container, Injection], ...]:
        """What a service's tasks take from the secret: by its revision in force and its task sets', and by its proxy.

        `arns` are those of the revisions that are meant instead; the proxy is Service Connect's.
        """
        revisions = map(self.task_definitions.get, arns or (service.task_definition_arn, *service.task_sets))
        of_proxy = ((proxy, each) for proxy in service.proxy for each in proxy.log_secrets)
        own = (pair for revision in revisions for pair in self.own_references(revision))
        return (*own, *(pair for pair in of_proxy if self.is_own(pair[1].reference)))

    def own_injections(self, revision: TaskDefinition | None) -> tuple[tuple[Container, Injection], ...]:
        """The variables of a revision that refer to the environment's secret."""
        return tuple(pair for pair in (revision.injections if revision else ()) if self.is_own(pair[1].reference))

    def own_references(self, revision: TaskDefinition | None) -> tuple[tuple[Container, Injection], ...]:
        """The same, with what its log drivers take from it; a registry's login has a secret of its own."""
        return tuple(
            (container, each)
            for container in (revision.containers if revision else ())
            for each in (*container.secrets, *container.log_secrets)
            if self.is_own(each.reference)
        )

    def is_own(self, reference: Reference) -> bool:
        """Whether a reference means this environment's secret, well or badly written."""
        return means_secret(reference, self.secret_name, self.environment.keys, self.secret_arn)

    def other_references(self, revision: TaskDefinition | None) -> tuple[tuple[Container, Injection], ...]:
        """What a revision takes from another secret or a parameter: variables, and what else it needs."""
        return tuple(
            (container, each)
            for container, each in (revision.references if revision else ())
            if each in container.whole_secrets or not self.is_own(each.reference)
        )

    def other_references_of(self, service: Service) -> tuple[tuple[TaskDefinition, Container, Injection], ...]:
        """The same of a service, with what its Service Connect proxy needs, beside the revision in force."""
        of_tasks = ((each, *pair) for each in self.revisions(service) for pair in self.other_references(each))
        now = self.definition(service)
        of_proxy = ((now, proxy, each) for proxy in service.proxy for each in proxy.log_secrets if now)
        return (*of_tasks, *(each for each in of_proxy if not self.is_own(each[2].reference)))

    def running(self, service: Service) -> tuple[Task, ...]:
        """A service's running tasks."""
        return tuple(task for task in self._tasks_of.get(service.name, ()) if task.is_running)

    def has_unread_tasks(self, service: Service) -> bool:
        """Whether a service runs tasks, by its runningCount, that could not be read."""
        return "tasks" in self.gaps and len(self.running(service)) < service.running

    @cached_property
    def running_tasks(self) -> tuple[Task, ...]:
        """The running tasks of all readers."""
        return tuple(task for service in self.readers for task in self.running(service))

    def find_task(self, id: str, cluster: str) -> Task | None:
        """The task whose id begins so; None without an id. Raises UsageError where ECS does not list just one.

        `cluster` is the name of the one in its ARN, "" where that is not known.
        """
        if not id:
            return None
        matching = [task for task in self.tasks if task.id.startswith(id)]
        if len(matching) != 1 and "tasks" not in self.gaps:
            count, names = "More than one task" if matching else "No task", self.environment.names
            own = names.cluster
            if cluster not in ("", own) and {cluster, "*"}.intersection(names.clusters):
                raise UsageError(
                    f"Task {id} is one of cluster {cluster}, which clusters in runbook.toml names: of its tasks only"
                    f" their values are judged, all at once. Leave task empty, or name one of cluster {own}."
                )
            if cluster not in ("", own):
                raise UsageError(
                    f"Task {id} is one of cluster {cluster}, and {self.environment.name} has cluster {own}: name the"
                    " environment that has that cluster."
                )
            raise UsageError(
                f"{count} of cluster {own} matches {id}: ECS lists running "
                "tasks, and stopped ones for about an hour. Give the full id of one of them."
            )
        return matching[0] if len(matching) == 1 else None

    @cached_property
    def lone_tasks(self) -> tuple[Task, ...]:
        """Running tasks outside services whose task definition refers to the secret: run by hand, or by a schedule."""
        return tuple(
            task
            for task in self.tasks
            if task.is_running and not task.service and self.own_references(self.definition(task))
        )

    def stopped(self, service: Service) -> tuple[Task, ...]:
        """A service's tasks that stopped by a failure, newest first, as far as ECS still lists them."""
        failed = (task for task in self._tasks_of.get(service.name, ()) if task.has_failed)
        return tuple(sorted(failed, key=lambda task: task.stopped or self.taken, reverse=True))

    @cached_property
    def _tasks_of(self) -> Mapping[str, Sequence[Task]]:
        """The tasks by their owner's name."""
        return grouped((task.owner, task) for task in self.tasks)


def in_cluster(service: str, cluster: str) -> str:
    """How a service of another cluster is called, by its name: the environment's own may have one of that name."""
    return f"{service} of cluster {cluster}"


def _of_other_cluster(service: Service, cluster: str) -> Service:
    """What of a service of another cluster is judged here: its deployments and tasks are not."""
    return replace(
        _as_service(in_cluster(service.name, cluster), service.task_definition_arn, service.running),
        other_cluster=cluster,
        proxy_secrets=service.proxy_secrets,
        task_sets=service.task_sets,
        placement=service.placement,
        launch_type=service.launch_type,
        capacity_providers=service.capacity_providers,
    )


def _as_service(name: str, task_definition_arn: str, running: int = 0) -> Service:
    return Service(
        arn="",
        name=name,
        desired=0,
        running=running,
        task_definition_arn=task_definition_arn,
        controller="",
        created=None,
        deployments=(),
        events=(),
        is_family=True,
    )
