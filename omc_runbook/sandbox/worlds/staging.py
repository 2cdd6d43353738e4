"""The sandbox's staging environment: names, services, API clients, and when it is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config

from omc_runbook.aws.session import on_error
from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox import control, folders
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.postgres import Database

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

STAGING = "ohmycoins-staging"
CLUSTER = STAGING
SECRET = f"{STAGING}-app-secrets"
SECRET_PATTERN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET}-??????"
EXECUTION_ROLE = f"{STAGING}-ecs-task-execution-role"
SECRETS_POLICY = f"{STAGING}-ecs-task-execution-secrets-policy"
TASK_ROLE = f"{STAGING}-ecs-task-role"
SETTLING_SECONDS = 90.0
_LONG_BAKE_MINUTES = 60


@dataclass(frozen=True)
class ServiceSpec:
    """An ECS service of the healthy world; `keys` are the secret's keys that it references."""

    name: str
    desired: int
    keys: tuple[str, ...]
    breaker: bool


KEYS = (
    "SECRET_KEY",
    "POSTGRES_PASSWORD",
    "OPENAI_API_KEY",
    "FIRST_SUPERUSER",
    "FIRST_SUPERUSER_PASSWORD",
    "SMTP_HOST",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SENTRY_DSN",
)
SERVICES = (
    ServiceSpec("backend", 2, KEYS, breaker=True),
    ServiceSpec("worker", 1, KEYS[:3], breaker=False),
    ServiceSpec("frontend", 1, (), breaker=False),
)
CONSUMERS = tuple(service for service in SERVICES if service.keys)


@dataclass(frozen=True)
class World:
    """A sandbox through AWS's API, with its database if it has one.

    `credentials` are by default the administrator's, from the sandbox's state file.
    """

    endpoint: str
    _: KW_ONLY
    region: str = REGION
    user_agent: str | None = None
    database: Database | None = None
    credentials: Credentials | None = None

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        """Secrets Manager in this world's region."""
        client: SecretsManagerClient = self.client("secretsmanager")
        return client

    @cached_property
    def ecs(self) -> ECSClient:
        """ECS in this world's region."""
        client: ECSClient = self.client("ecs")
        return client

    @cached_property
    def iam(self) -> IAMClient:
        """IAM of the account."""
        client: IAMClient = self.client("iam")
        return client

    @cached_property
    def kms(self) -> KMSClient:
        """KMS in this world's region."""
        client: KMSClient = self.client("kms")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs in this world's region."""
        client: CloudWatchLogsClient = self.client("logs")
        return client

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager in this world's region."""
        return self.client("ssm")

    def client(self, service: str) -> Any:
        """A client of one AWS service, which ignores the proxies of the environment."""
        credentials = self.credentials or folders.at(self.endpoint).credentials
        return _client(service, self.region, self.endpoint, credentials, self.user_agent)

    def control(self, method: str, path: str, members: dict[str, Any] | None = None) -> None:
        """Call a control path of the sandbox's server, which no AWS client knows."""
        control.ask(folders.at(self.endpoint), method, path, members)

    def service(self, name: str) -> ServiceTypeDef:
        """One service of the guide's cluster as DescribeServices has it."""
        return self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]

    def services(self, cluster: str = CLUSTER) -> list[ServiceTypeDef]:
        """The cluster's services that were not deleted, as DescribeServices has them."""
        return self._describe(cluster, self._pages(cluster))

    def _pages(self, cluster: str) -> list[list[str]]:
        # DescribeServices takes ten, which is also the size of a page.
        pages = self.ecs.get_paginator("list_services").paginate(cluster=cluster)
        return [page["serviceArns"] for page in pages if page["serviceArns"]]

    def _describe(self, cluster: str, pages: list[list[str]]) -> list[ServiceTypeDef]:
        services = [
            service
            for arns in pages
            for service in self.ecs.describe_services(cluster=cluster, services=arns)["services"]
        ]
        return [service for service in services if service["status"] != "INACTIVE"]

    def delete_service(self, name: str, cluster: str = CLUSTER) -> None:
        """Delete a service with its tasks, and wait until its name can be used again."""
        self.ecs.delete_service(cluster=cluster, service=name, force=True)
        self.wait(
            lambda: all(service["serviceName"] != name for service in self.services(cluster)), f"{name} was deleted"
        )

    def settle(self) -> None:
        """Wait until every service of every cluster is steady, keeps failing, or waits for long."""
        for cluster in self.ecs.list_clusters()["clusterArns"]:
            self.wait(partial(self._is_settled, cluster, self._pages(cluster)), f"{cluster} settled")

    def _is_settled(self, cluster: str, pages: list[list[str]]) -> bool:
        # Else the services would be described again and again.
        control.await_rest(self.endpoint)
        return all(is_settled(service) or self._is_waiting(service) for service in self._describe(cluster, pages))

    def _is_waiting(self, service: ServiceTypeDef) -> bool:
        """Whether a service's deployment waits for a person, or for the end of a long bake time."""
        if service["status"] != "ACTIVE" or service["deploymentConfiguration"].get("strategy") in (None, "ROLLING"):
            return False
        arns = [service["currentServiceDeployment"]]
        deployment = self.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"][0]
        hooks = deployment.get("lifecycleHookDetails", [])
        return any(hook["status"] == "AWAITING_ACTION" for hook in hooks) or (
            deployment.get("lifecycleStage") == "BAKE_TIME"
            and deployment["status"] == "IN_PROGRESS"
            and deployment["deploymentConfiguration"]["bakeTimeInMinutes"] >= _LONG_BAKE_MINUTES
        )

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; raises RunbookError when it does not in 90 seconds."""
        end = time.monotonic() + SETTLING_SECONDS
        while not condition():
            if time.monotonic() > end:
                raise RunbookError(
                    f"The sandbox did not settle: {SETTLING_SECONDS:.0f} s passed before {what}. "
                    "Restart it with `omc-runbook sandbox down` and `omc-runbook sandbox up`."
                )
            time.sleep(0.1)


@cache
def _client(service: str, region: str, endpoint: str, credentials: Credentials, user_agent: str | None) -> Any:
    return _session().client(
        service,  # type: ignore[call-overload]
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token or None,
        config=Config(proxies={}, user_agent=user_agent),
    )


@cache
def _session() -> boto3.session.Session:
    # One for all worlds: reading the services' models takes longer than the calls.
    # Without AWS_PROFILE, which may name a profile that does not exist.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    return boto3.session.Session(botocore_session=session)


def is_settled(service: ServiceTypeDef) -> bool:
    """Whether a service's last deployment completed, failed, or keeps failing with no circuit breaker to stop it."""
    if service["status"] != "ACTIVE":
        return False
    if is_external(service):
        return service["runningCount"] == service["desiredCount"]
    deployments = service["deployments"]
    latest = next(deployment for deployment in deployments if deployment["status"] == "PRIMARY")
    state = latest.get("rolloutState")
    if state == "IN_PROGRESS":
        return not has_breaker(service) and latest["failedTasks"] > 0
    return state == "FAILED" or (len(deployments) == 1 and service["runningCount"] == service["desiredCount"])


def is_external(service: ServiceTypeDef) -> bool:
    """Whether something other than ECS deploys a service."""
    return service.get("deploymentController", {}).get("type", "ECS") != "ECS"


def has_breaker(service: ServiceTypeDef) -> bool:
    """Whether the service's deployment circuit breaker is on."""
    return service["deploymentConfiguration"].get("deploymentCircuitBreaker", {}).get("enable", False)


@on_error("ResourceAlreadyExistsException", gives=None)
def restore_log_group(world: World, name: str) -> None:
    """Create a log group if it does not exist."""
    world.logs.create_log_group(logGroupName=name)
