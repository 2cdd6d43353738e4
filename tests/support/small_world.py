"""A small world for the tests of the sandbox: one role, one secret, one service of one task."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

ACCOUNT, REGION, CLUSTER = "123456789012", "ap-southeast-2", "small"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
READ = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
TRUST = {
    "Effect": "Allow",
    "Principal": {"Service": "ecs-tasks.amazonaws.com", "AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}
T = TypeVar("T")


def policy(*statements: dict[str, Any]) -> str:
    """A policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def until(look: Callable[[], T], seconds: float = 30) -> T:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return answer


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with; there is nothing to read yet for a moment after its program began."""
    entries = until(Path(f"/proc/{pid}/environ").read_bytes).decode().rstrip("\0").split("\0")
    return dict(entry.split("=", 1) for entry in entries)


@dataclass(frozen=True)
class Stage:
    """A running sandbox and its clients."""

    sandbox: Sandbox

    def client(self, service: str, **more: Any) -> Any:
        """The administrator's client, or that of other credentials."""
        own = self.sandbox.credentials
        signer = {"aws_access_key_id": own.access_key, "aws_secret_access_key": own.secret_key}
        more = {"region_name": REGION} | signer | more
        config = Config(retries={"total_max_attempts": 1}, proxies={})
        return boto3.session.Session().client(service, endpoint_url=self.sandbox.endpoint, config=config, **more)

    @cached_property
    def ecs(self) -> Any:
        return self.client("ecs")

    @cached_property
    def iam(self) -> Any:
        return self.client("iam")

    @cached_property
    def secrets(self) -> Any:
        return self.client("secretsmanager")

    def build(self, name: str = "app", desired: int = 1, **service: Any) -> str:
        """A service that reads its secret; the secret's ARN."""
        names = [role["RoleName"] for role in self.iam.list_roles()["Roles"]]
        if "execution" not in names:
            self.iam.create_role(RoleName="execution", AssumeRolePolicyDocument=policy(TRUST))
            self.iam.put_role_policy(RoleName="execution", PolicyName="read", PolicyDocument=policy(READ))
            self.client("logs").create_log_group(logGroupName="/small")
            self.ecs.create_cluster(clusterName=CLUSTER)
        arn = self.secrets.create_secret(Name=f"{name}-secret", SecretString=document())["ARN"]
        self.define(name, arn)
        self.ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=name, desiredCount=desired, **service)
        return str(arn)

    def define(self, name: str, arn: str, **container: Any) -> str:
        """A new revision of the service's task definition; its ARN."""
        keys = ("POSTGRES_PASSWORD", "OPENAI_API_KEY")
        definition = {
            "name": "main",
            "image": "example",
            "memory": 128,
            "environment": [{"name": "OMC_APP_ROLE", "value": "worker"}],
            "secrets": [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in keys],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/small", "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"},
            },
        } | container
        response = self.ecs.register_task_definition(
            family=name, executionRoleArn=ROLE, taskRoleArn=ROLE, containerDefinitions=[definition]
        )
        return str(response["taskDefinition"]["taskDefinitionArn"])

    def service(self, name: str = "app") -> Any:
        return self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]

    def steady(self, name: str = "app") -> Any:
        """The service, once it has one deployment that is complete."""

        def look() -> Any:
            service = self.service(name)
            is_complete = [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
            return service if is_complete and service["runningCount"] == service["desiredCount"] else None

        return until(look)

    def processes(self, name: str = "app") -> list[Any]:
        """The service's tasks that have a process, as the status tells them."""
        return [t for t in lifecycle.status(self.sandbox)["tasks"] if t["service"] == name and t["pid"]]

    def stopped(self, name: str = "app") -> list[Any]:
        """The service's stopped tasks, newest first."""
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=name, desiredStatus="STOPPED")["taskArns"]
        found = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return sorted(found, key=lambda task: task["createdAt"], reverse=True)


def document(**changed: str) -> str:
    """A secret's JSON with new values."""
    values = {key: secrets.token_hex(12) for key in ("POSTGRES_PASSWORD", "OPENAI_API_KEY", "SECRET_KEY")}
    return json.dumps(values | changed)


@contextmanager
def running() -> Iterator[Stage]:
    """An empty sandbox for as long as the block lasts."""
    stage = Stage(lifecycle.up(None))
    try:
        yield stage
    finally:
        lifecycle.down(stage.sandbox)
