"""The sandbox's staging environment: names, services, API clients, and when it is settled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from botocore.config import Config

from omc_runbook.aws.failures import on_error
from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox import control, folders
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.postgres import Database

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef, TaskTypeDef
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
class Changes:
    """The IAM actions of the calls that changed something since a world was whole; None where it never was."""

    actions: frozenset[str] | None = None

    def include(self, *prefixes: str) -> bool:
        """Whether an action begins with one of some texts, such as "iam:" or "ecs:RunTask"."""
        return self.actions is None or any(action.startswith(prefixes) for action in self.actions)


ANYTHING = Changes()


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
        return cast("SecretsManagerClient", self.client("secretsmanager"))

    @cached_property
    def ecs(self) -> ECSClient:
        """ECS in this world's region."""
        return cast("ECSClient", self.client("ecs"))

    @cached_property
    def iam(self) -> IAMClient:
        """IAM of the account."""
        return cast("IAMClient", self.client("iam"))

    @cached_property
    def kms(self) -> KMSClient:
        """KMS in this world's region."""
        return cast("KMSClient", self.client("kms"))

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs in this world's region."""
        return cast("CloudWatchLogsClient", self.client("logs"))

    @cached_property
    def ssm(self) -> Any:
        """Systems Manager in this world's region."""
        return self.client("ssm")

    def client(self, service: str) -> Any:
        """A client of one AWS service, which ignores the proxies of the environment."""
        credentials = self.credentials or folders.at(self.endpoint).credentials
        return _client(service, self.region, self.endpoint, credentials, self.user_agent)

    def control(self, method: str, path: str, members: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call a control path of the sandbox's server, which no AWS client knows."""
        return control.ask(folders.at(self.endpoint), method, path, members)

    def changes(self) -> Changes:
        """What has changed here."""
        actions = self.control("GET", "note")["changes"]
        return Changes(None if actions is None else frozenset(actions))

    def forget_changes(self) -> None:
        """Take the present world as unchanged."""
        self.control("POST", "note", {"restored": True})

    def service(self, name: str) -> ServiceTypeDef:
        """One service of the guide's cluster as DescribeServices has it."""
        return self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]

    def services(self, cluster: str = CLUSTER) -> list[ServiceTypeDef]:
        """The cluster's services that were not deleted, as DescribeServices has them."""
        # DescribeServices takes ten, which is also the size of a page.
        services = [
            service
            for page in self.ecs.get_paginator("list_services").paginate(cluster=cluster)
            if page["serviceArns"]
            for service in self.ecs.describe_services(cluster=cluster, services=page["serviceArns"])["services"]
        ]
        return [service for service in services if service["status"] != "INACTIVE"]

    def tasks(self, **which: Any) -> list[TaskTypeDef]:
        """The tasks of the guide's cluster that ListTasks finds by these parameters, as DescribeTasks has them."""
        # DescribeTasks takes a hundred, which is also the size of a page.
        return [
            task
            for page in self.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, **which)
            if page["taskArns"]
            for task in self.ecs.describe_tasks(cluster=CLUSTER, tasks=page["taskArns"])["tasks"]
        ]

    def delete_service(self, name: str, cluster: str = CLUSTER) -> None:
        """Delete a service with its tasks, and wait until its name can be used again."""
        self.ecs.delete_service(cluster=cluster, service=name, force=True)
        self.wait(
            lambda: all(service["serviceName"] != name for service in self.services(cluster)), f"{name} was deleted"
        )

    def settle(self) -> None:
        """Wait until every service of every cluster is steady, keeps failing, or waits for long."""
        self.wait(lambda: bool(self.control("POST", "rest")["rests"]), "its services came to rest")

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


def is_external(service: ServiceTypeDef) -> bool:
    """Whether something other than ECS deploys a service."""
    return service.get("deploymentController", {}).get("type", "ECS") != "ECS"


@on_error("ResourceAlreadyExistsException", gives=None)
def restore_log_group(world: World, name: str) -> None:
    """Create a log group if it does not exist."""
    world.logs.create_log_group(logGroupName=name)
