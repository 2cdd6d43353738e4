"""ECS: services with their deployments, and tasks running and stopped."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from omc_runbook.aws import deployments
from omc_runbook.aws.answer import InvalidResponse
from omc_runbook.aws.definitions import Container, Injection, container_of, log_secrets
from omc_runbook.aws.deployments import PLAIN, ROLLING, DeploymentConfiguration, ServiceDeployment
from omc_runbook.aws.failures import on_error
from omc_runbook.aws.lost_answer import AnswerLost

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import UpdateServiceRequestTypeDef

SERVICES_A_CALL = 10
TASKS_A_CALL = 100
LOST_ANSWER_SECONDS, LOST_ANSWER_READS = 1.0, 5
"""How long to wait before each read of the service after a lost answer, and how many: the first may be old."""
LOST_ANSWERS = 3
"""How many lost answers end the attempts to deploy a service."""

ON_PURPOSE = frozenset({"UserInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"})
"""Stop codes of tasks that did not fail: stopped by a person, for lack of capacity, or for what they run on."""
FARGATE = "FARGATE"
FARGATE_PROVIDERS = frozenset({FARGATE, "FARGATE_SPOT"})
"""The capacity providers that run tasks on Fargate: those of one strategy are of one kind."""
PROXY = "Service Connect proxy"
"""What stands for the container that ECS adds to a service's tasks; no container can have this name."""
PROTECTED = "tasks under protection"
"""What ECS says of tasks that a deployment may not stop, because they are protected from scale-in."""
DELETED = ("DRAINING", "INACTIVE")
"""The statuses of a service that was deleted: its last tasks stop, and it is gone."""
EXPRESS = "ECS Express Mode"
"""What deploys an Express service: UpdateExpressGatewayService, where UpdateService is refused."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment of a service; `status` is PRIMARY, ACTIVE or INACTIVE.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html
    """

    id: str
    status: str
    task_definition_arn: str
    desired: int
    running: int
    failed: int
    created: datetime
    updated: datetime
    rollout: str
    rollout_reason: str


@dataclass(frozen=True)
class ServiceEvent:
    """One of a service's event messages."""

    time: datetime
    message: str


@dataclass(frozen=True)
class Placement:
    """A service's awsvpc configuration: ids of subnets and security groups, and whether tasks get a public IP.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
    """

    subnets: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    public_ip: bool = False


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service; `controller` is ECS, CODE_DEPLOY, EXTERNAL or, of an Express service, `EXPRESS`.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html
    """

    arn: str
    name: str
    desired: int
    running: int
    task_definition_arn: str
    controller: str
    created: datetime | None
    deployments: tuple[Deployment, ...]
    events: tuple[ServiceEvent, ...]
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    placement: Placement = Placement()
    execute: bool = False
    """Whether ECS Exec is enabled for new tasks (enableExecuteCommand)."""
    launch_type: str = ""
    """FARGATE, EC2, EXTERNAL or MANAGED_INSTANCES; "" with capacity providers."""
    capacity_providers: tuple[str, ...] = ()
    platform_version: str = ""
    """The Fargate platform version of new tasks, such as 1.4.0 or LATEST; "" outside Fargate."""
    is_daemon: bool = False
    """Whether it runs one task on each instance of the cluster: ECS then sets desiredCount itself."""
    connects: bool = False
    """Whether its tasks find others by the names of Service Connect."""
    proxy_secrets: tuple[Injection, ...] = ()
    """Secrets that ECS reads for the log driver of Service Connect's proxy."""
    proxy_logs: tuple[Container, ...] = ()
    """What stands for that proxy in each deployment, with what its log driver's options have in plain text."""
    task_sets: tuple[str, ...] = ()
    """ARNs of the revisions of its task sets beside `task_definition_arn`, such as CodeDeploy's green one.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html
    """
    is_family: bool = False
    """Whether it stands for the tasks of one family that run outside a service, and is none itself."""
    other_cluster: str = ""
    """The name of its cluster, where that is not the environment's own: no runbook deploys it."""
    configuration: DeploymentConfiguration = PLAIN
    service_deployments: tuple[ServiceDeployment, ...] = ()
    """Those that were read, newest first."""

    @property
    def is_on_fargate(self) -> bool:
        """Whether its tasks run on Fargate, as far as it says where they run."""
        return self.launch_type in ("", FARGATE) and FARGATE_PROVIDERS.issuperset(self.capacity_providers)

    @property
    def reads_by_instance(self) -> bool:
        """Whether an instance's agent reads the tasks' secrets, through its network; on Fargate a task does itself."""
        return not self.placement.subnets or not self.is_on_fargate

    @property
    def proxy(self) -> tuple[Container, ...]:
        """What stands for Service Connect's proxy, with the secrets of its log; () where it reads none."""
        secrets = self.proxy_secrets
        return (Container(name=PROXY, secrets=(), environment=(), log_secrets=secrets),) if secrets else ()

    @property
    def has_room(self) -> bool:
        """Whether a deployment may start a new task before an old one stops, or stop an old one first.

        Only rolling updates keep to these limits. See
        https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
        """
        if self.configuration.strategy != ROLLING:
            return True
        most = self.desired * self.maximum_percent // 100
        fewest = -(-self.desired * self.minimum_healthy_percent // 100)
        return most > self.desired or fewest < self.desired

    @property
    def is_blocked(self) -> bool:
        """Whether a deployment in progress may neither start a new task nor stop an old one."""
        primary = self.primary
        old = sum(deployment.running for deployment in self.deployments if deployment is not primary)
        is_going_on = primary is not None and primary.rollout == "IN_PROGRESS"
        return is_going_on and not self.has_room and old >= self.desired > 0

    @property
    def primary(self) -> Deployment | None:
        """The PRIMARY deployment; None with an external deployment controller."""
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)

    @property
    def protection(self) -> str:
        """What ECS said last of older tasks that it may not stop, where all those of a deployment run; "" for nothing.

        See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection.html
        """
        primary = self.primary
        if primary is None or not self.running > primary.running >= primary.desired:
            return ""
        events = [each for each in self.events if each.time >= primary.created and PROTECTED in each.message]
        return max(events, key=lambda each: each.time).message if events else ""

    @property
    def ended_early(self) -> bool:
        """Whether its PRIMARY deployment counts as successful, and ECS replaces tasks in the background.

        See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentEarlySuccessCriteria.html
        """
        primary = self.primary
        if primary is None or self.configuration.early_percent is None:
            return False
        return primary.rollout == "COMPLETED" and not primary.running == self.running == self.desired

    @property
    def last_duration(self) -> timedelta | None:
        """How long its PRIMARY deployment took; None while it goes on, and where its end is no longer an event."""
        primary = self.primary
        end = f"(deployment {primary.id}) deployment completed" if primary else ""
        times = [event.time for event in self.events if primary and end in event.message]
        return min(times) - primary.created if primary and times else None

    @property
    def has_rollout_state(self) -> bool:
        """Whether DescribeServices alone tells how its deployment goes: that of a rolling update without hooks."""
        is_plain = self.configuration.strategy == ROLLING and not self.configuration.hooks
        return is_plain and self.primary is not None and bool(self.primary.rollout)

    @property
    def underway(self) -> ServiceDeployment | None:
        """Its newest service deployment, where that goes on."""
        newest = next(iter(self.service_deployments), None)
        return newest if newest and newest.is_underway else None

    @property
    def withdrawn(self) -> ServiceDeployment | None:
        """Its newest service deployment, where ECS takes it back or has done so."""
        newest = next(iter(self.service_deployments), None)
        return newest if newest and newest.is_rolled_back else None

    def with_service_deployments(self, found: Sequence[ServiceDeployment]) -> Service:
        """The same service with the rollout state of its deployments as its service deployments give it."""
        by_id = {each.deployment_id: each for each in found}
        judged = tuple(
            replace(each, rollout=its_deployment.rollout, rollout_reason=its_deployment.why or each.rollout_reason)
            if (its_deployment := by_id.get(each.id)) and each.rollout != "FAILED"
            else each
            for each in self.deployments
        )
        return replace(self, deployments=judged, service_deployments=deployments.newest_first(found))

    @property
    def is_stalled(self) -> bool:
        """Whether it lacks tasks, and its PRIMARY deployment failed without one to go back to: ECS starts no more.

        See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
        """
        has_failed = self.primary is not None and self.primary.rollout == "FAILED" and self.withdrawn is None
        return has_failed and self.running < self.desired

    @property
    def rolled_back(self) -> bool:
        """Whether the PRIMARY deployment is the result of a rollback, by the circuit breaker or a person."""
        primary = self.primary
        if primary is None:
            return False
        if self.withdrawn and self.withdrawn.deployment_id != primary.id:
            return True
        has_event = any(f"rolling back to deployment {primary.id}" in event.message for event in self.events)
        return has_event or "rolling back" in primary.rollout_reason


@dataclass(frozen=True)
class TaskContainer:
    """A task's container: its exit code and reason, and the status of its ECS Exec agent."""

    name: str
    exit_code: int | None
    reason: str
    agent: str = ""
    """lastStatus of its ExecuteCommandAgent, such as RUNNING or STOPPED; "" where it has none."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task, running or stopped within about the last hour; `service` is "" for a task outside a service.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html
    """

    arn: str
    service: str
    deployment_id: str
    task_definition_arn: str
    status: str
    created: datetime | None
    started: datetime | None
    stopped: datetime | None
    stop_code: str
    stopped_reason: str
    containers: tuple[TaskContainer, ...]
    execute: bool = False
    """Whether ECS Exec was enabled when it was run."""
    subnet: str = ""
    overrides: tuple[Container, ...] = ()
    """What its containers were given instead of their own commands and variables when it was run."""

    @property
    def id(self) -> str:
        """The last part of the task's ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def owner(self) -> str:
        """Its service; of a task outside a service, its family, marked as such."""
        return self.service or f"{self.family} (run alone)"

    @property
    def family(self) -> str:
        """The family of its task definition."""
        return self.task_definition_arn.rpartition("/")[2].partition(":")[0]

    @property
    def is_running(self) -> bool:
        """Whether its lastStatus is RUNNING."""
        return self.status == "RUNNING"

    @property
    def has_run(self) -> bool:
        """Whether any of its containers ran; the others may have waited for it, and the task never have started."""
        return self.started is not None or any(container.exit_code is not None for container in self.containers)

    @property
    def has_failed(self) -> bool:
        """Whether it stopped, or is stopping, and neither a person nor the state of the capacity stopped it."""
        if self.stopped is None or self.stop_code in ON_PURPOSE:
            return False
        # A task outside a service may come to its end.
        if not self.service and self.started and self.containers and not any(e.exit_code for e in self.containers):
            return False
        return not self.stopped_reason.startswith("Scaling activity")


def list_clusters(client: ECSClient) -> tuple[str, ...]:
    """Names of the region's clusters.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListClusters.html
    """
    pages = client.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 100})
    return tuple(arn.rpartition("/")[2] for page in pages for arn in page["clusterArns"])


@dataclass(frozen=True)
class SessionSettings:
    """A cluster's settings for ECS Exec's sessions, "" for none: the id, ARN or alias of the KMS key that encrypts
    them, and the log group and bucket for their log that must be encrypted."""

    key: str = ""
    log_group: str = ""
    bucket: str = ""


def session_settings(client: ECSClient, cluster: str) -> SessionSettings:
    """How a cluster's ECS Exec sessions are encrypted, and where their log must be.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommandConfiguration.html
    """
    answer = client.describe_clusters(clusters=[cluster], include=["CONFIGURATIONS"])
    configurations = (entry.get("configuration") or {} for entry in answer["clusters"])
    command: Any = next((each.get("executeCommandConfiguration") or {} for each in configurations), {})
    log = (command.get("logConfiguration") or {}) if command.get("logging") == "OVERRIDE" else {}
    return SessionSettings(
        key=command.get("kmsKeyId", ""),
        log_group=log.get("cloudWatchLogGroupName", "") if log.get("cloudWatchEncryptionEnabled") else "",
        bucket=log.get("s3BucketName", "") if log.get("s3EncryptionEnabled") else "",
    )


@dataclass(frozen=True)
class Cluster:
    """A cluster's name and tags.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html
    """

    name: str
    tags: dict[str, str]


def describe_clusters(client: ECSClient, names: Sequence[str]) -> tuple[Cluster, ...]:
    """Read at most a hundred clusters with their tags, without those that are deleted."""
    answer = client.describe_clusters(clusters=list(names), include=["TAGS"])
    return tuple(
        Cluster(raw["clusterName"], {tag["key"]: tag["value"] for tag in raw.get("tags", ())})
        for raw in answer["clusters"]
        if raw.get("status", "ACTIVE") == "ACTIVE"
    )


@on_error("ClusterNotFoundException", gives=None)
def list_service_names(
    client: ECSClient, cluster: str, manager: Literal["CUSTOMER", "ECS"] = "CUSTOMER"
) -> tuple[str, ...] | None:
    """Names of a cluster's services, with "ECS" of its Express services; None where the cluster does not exist.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html
    """
    # The default is left out, for stand-ins for AWS that do not know the parameter.
    only: dict[str, Any] = {} if manager == "CUSTOMER" else {"resourceManagementType": manager}
    pages = client.get_paginator("list_services").paginate(cluster=cluster, PaginationConfig={"PageSize": 100}, **only)
    return tuple(arn.rpartition("/")[2] for page in pages for arn in page["serviceArns"])


def describe_services(client: ECSClient, cluster: str, names: Sequence[str]) -> tuple[Service, ...]:
    """Read at most ten services, without those that are deleted or draining."""
    answer = client.describe_services(cluster=cluster, services=list(names))
    return tuple(_service(raw) for raw in answer["services"] if raw.get("status") not in DELETED)


def read_deleted_status(client: ECSClient, cluster: str, name: str) -> str:
    """DRAINING or INACTIVE, where a service was deleted: ECS describes it for some time yet; else ""."""
    answer = client.describe_services(cluster=cluster, services=[name])
    statuses = (raw.get("status", "") for raw in answer["services"])
    return next((status for status in statuses if status in DELETED), "")


def force_new_deployment(
    client: ECSClient, cluster: str, name: str, known: Collection[str], revision: str = ""
) -> tuple[Deployment, tuple[Deployment, ...]]:
    """Start a new deployment of a service, whose tasks read the secret again; returns it and the others beside it.

    ECS starts it whatever else has begun meanwhile: UpdateService takes neither a condition nor a token. Where the
    answer is lost, the service shows whether one has begun that is not among the ids in `known`, those from before,
    and only if not, the call is repeated. No clock decides that: this machine's may be ahead of AWS's.

    `revision` is the ARN of another task definition, "" for the same one; nothing else changes. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html
    """
    request: UpdateServiceRequestTypeDef = {"cluster": cluster, "service": name, "forceNewDeployment": True}
    if revision:
        request["taskDefinition"] = revision
    lost = 0
    while True:
        try:
            answer = client.update_service(**request)
        except (AnswerLost, InvalidResponse) as error:
            lost += 1
            for _ in range(LOST_ANSWER_READS):
                time.sleep(LOST_ANSWER_SECONDS)
                if found := _new_deployments(client, cluster, name, known, revision):
                    return found[-1], ()
            if lost == LOST_ANSWERS:
                raise error.error if isinstance(error, AnswerLost) else error from None
        else:
            # With another strategy than ROLLING, the newest need not be PRIMARY yet.
            oldest_first = _oldest_first(map(_deployment, answer["service"]["deployments"]))
            # One that an earlier attempt has begun is nobody else's.
            return oldest_first[-1], () if lost else oldest_first[:-1]


def _new_deployments(
    client: ECSClient, cluster: str, name: str, known: Collection[str], revision: str
) -> tuple[Deployment, ...]:
    """A service's deployments of a revision, "" for any, that are not among the ids in `known`."""
    found = (each for service in describe_services(client, cluster, [name]) for each in service.deployments)
    return _oldest_first(each for each in found if each.id not in known and revision in ("", each.task_definition_arn))


def _oldest_first(found: Iterable[Deployment]) -> tuple[Deployment, ...]:
    return tuple(sorted(found, key=lambda each: each.created))


@on_error("ClusterNotFoundException", gives=())
def list_task_arns(client: ECSClient, cluster: str, status: Literal["RUNNING", "STOPPED"]) -> tuple[str, ...]:
    """ARNs of the cluster's tasks with a desired status; () where the cluster does not exist.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTasks.html
    """
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster, desiredStatus=status, PaginationConfig={"PageSize": 100}
    )
    return tuple(arn for page in pages for arn in page["taskArns"])


def describe_tasks(client: ECSClient, cluster: str, arns: Sequence[str]) -> tuple[Task, ...]:
    """Read at most a hundred tasks."""
    return tuple(_task(raw) for raw in client.describe_tasks(cluster=cluster, tasks=list(arns))["tasks"])


def _service(raw: Any) -> Service:
    sets = sorted(raw.get("taskSets", ()), key=lambda entry: entry.get("status") != "PRIMARY")
    first = sets[0] if sets else {}
    strategy = raw.get("capacityProviderStrategy") or first.get("capacityProviderStrategy")
    configuration = raw.get("deploymentConfiguration") or {}
    in_force = raw.get("taskDefinition") or first.get("taskDefinition", "")
    connections = [each.get("serviceConnectConfiguration") or {} for each in raw.get("deployments", ())]
    return Service(
        arn=raw["serviceArn"],
        name=raw["serviceName"],
        desired=raw.get("desiredCount", 0),
        running=raw.get("runningCount", 0),
        task_definition_arn=in_force,
        controller=EXPRESS
        if raw.get("resourceManagementType") == "ECS"
        else raw.get("deploymentController", {}).get("type", "ECS"),
        created=raw.get("createdAt"),
        deployments=tuple(_deployment(deployment) for deployment in raw.get("deployments", ())),
        events=tuple(ServiceEvent(event["createdAt"], event["message"]) for event in raw.get("events", ())),
        minimum_healthy_percent=configuration.get("minimumHealthyPercent", 100),
        maximum_percent=configuration.get("maximumPercent", 200),
        placement=_placement(raw.get("networkConfiguration") or first.get("networkConfiguration")),
        execute=bool(raw.get("enableExecuteCommand")),
        launch_type=raw.get("launchType") or first.get("launchType", ""),
        capacity_providers=tuple(each["capacityProvider"] for each in strategy or ()),
        platform_version=raw.get("platformVersion") or "",
        is_daemon=raw.get("schedulingStrategy") == "DAEMON",
        connects=any(connection.get("enabled") for connection in connections),
        proxy_secrets=tuple(dict.fromkeys(each for connection in connections for each in log_secrets(connection))),
        proxy_logs=tuple(container_of({**connection, "name": PROXY}) for connection in connections if connection),
        configuration=deployments.configuration_from(configuration),
        task_sets=tuple(
            dict.fromkeys(
                each["taskDefinition"]
                for each in sets
                # The tasks of one that is DRAINING are on their way out.
                if each.get("computedDesiredCount") and each.get("status") != "DRAINING"
                if each["taskDefinition"] != in_force
            )
        ),
    )


def _placement(raw: Any) -> Placement:
    awsvpc = (raw or {}).get("awsvpcConfiguration", {})
    return Placement(
        tuple(awsvpc.get("subnets", ())),
        tuple(awsvpc.get("securityGroups", ())),
        awsvpc.get("assignPublicIp") == "ENABLED",
    )


def _deployment(raw: Any) -> Deployment:
    return Deployment(
        id=raw["id"],
        status=raw["status"],
        task_definition_arn=raw.get("taskDefinition", ""),
        desired=raw.get("desiredCount", 0),
        running=raw.get("runningCount", 0),
        failed=raw.get("failedTasks", 0),
        created=raw["createdAt"],
        updated=raw.get("updatedAt", raw["createdAt"]),
        rollout=raw.get("rolloutState", ""),
        rollout_reason=raw.get("rolloutStateReason", ""),
    )


def _task(raw: Any) -> Task:
    group = raw.get("group", "")
    return Task(
        arn=raw["taskArn"],
        service=group.removeprefix("service:") if group.startswith("service:") else "",
        deployment_id=raw.get("startedBy", ""),
        task_definition_arn=raw.get("taskDefinitionArn", ""),
        status=raw.get("lastStatus", ""),
        created=raw.get("createdAt"),
        started=raw.get("startedAt"),
        stopped=raw.get("stoppedAt") or raw.get("stoppingAt"),
        stop_code=raw.get("stopCode", ""),
        stopped_reason=raw.get("stoppedReason", ""),
        containers=tuple(
            TaskContainer(entry["name"], entry.get("exitCode"), entry.get("reason", ""), _agent(entry))
            for entry in raw.get("containers", ())
        ),
        execute=bool(raw.get("enableExecuteCommand")),
        subnet=_subnet(raw),
        overrides=tuple(
            container_of(each)
            for each in (raw.get("overrides") or {}).get("containerOverrides") or ()
            if each.get("command") or each.get("environment")
        ),
    )


def _agent(raw: Any) -> str:
    agents = {agent.get("name"): agent.get("lastStatus", "") for agent in raw.get("managedAgents", ())}
    return str(agents.get("ExecuteCommandAgent", ""))


def _subnet(raw: Any) -> str:
    """The subnet of the task's network interface."""
    details = (detail for attachment in raw.get("attachments", ()) for detail in attachment.get("details", ()))
    return next((str(detail.get("value", "")) for detail in details if detail.get("name") == "subnetId"), "")
