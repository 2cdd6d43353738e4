"""moto with a wire before it, which counts the calls, refuses some, and adds what moto lacks."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
import moto
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber
from moto.kms.utils import generate_private_key
from support.snapshots import values

from omc_runbook.aws.session import Clients
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.state import Snapshot

REGION = "ap-southeast-2"
REGIONS = (REGION, "eu-west-3", "us-east-1", "us-west-2")
"""What the account uses."""
ACCOUNT = "123456789012"
CLUSTER = "ohmycoins-staging"
NAME = "ohmycoins-staging-app-secrets"
ROLE = "ohmycoins-staging-ecs-task-execution-role"
SIMULATE = "SimulatePrincipalPolicy"
_api_call = BaseClient._make_api_call  # type: ignore[attr-defined]
_make_private_key = cache(generate_private_key)
"""moto makes an RSA key for each key of KMS, which nothing here signs with."""


@dataclass
class Wire:
    """What stands between the clients and moto: it counts, refuses, and adds what moto lacks."""

    refused: dict[str, str] = field(default_factory=dict)
    """Error code by operation."""
    doubtful: bool = False
    """Whether tasks were created before the secret's version and started after it."""
    policies: dict[str, str] = field(default_factory=dict)
    """The secret's resource policies beside the default one, by name."""
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        """Answer one call, in botocore's place."""
        with STATE:
            self.calls[operation, json.dumps(parameters, sort_keys=True, default=str)] += 1
        if operation in self.refused:
            code = self.refused[operation]
            raise ClientError({"Error": {"Code": code, "Message": f"not authorized: {operation}"}}, operation)
        if operation == SIMULATE:
            pairs = [(action, arn) for action in parameters["ActionNames"] for arn in parameters["ResourceArns"]]
            return {"EvaluationResults": [_allowed(*pair) for pair in pairs]}
        if operation == "ListResourcePolicies":
            return {"ResourcePolicies": [{"PolicyName": name} for name in ("default", *self.policies)]}
        if operation == "GetResourcePolicy" and "PolicyName" in parameters:
            policy = self.policies[parameters["PolicyName"]]
            return {"ARN": "arn:aws:secretsmanager", "Name": parameters["SecretId"], "ResourcePolicy": policy}
        if operation == "LookupEvents":
            return {"Events": []}
        if operation == "DescribeRegions":
            # moto has thirty-odd, each of which a search asks twice.
            return {"Regions": [{"RegionName": region} for region in REGIONS]}
        if operation == "ListDaemons":
            return {"daemonSummariesList": []}
        if operation == "ListServices" and parameters.get("resourceManagementType") == "ECS":
            return {"serviceArns": []}
        try:
            answer = _api_call(client, operation, parameters)
        except KeyError:
            # moto, for the versions of a secret that does not exist.
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": f"not found: {operation}"}}
            raise ClientError(error, operation) from None
        for task in answer.get("tasks", ()) if operation == "DescribeTasks" else ():
            # Of one that begins within a second of a version, its times do not tell which it read.
            started = datetime.now(UTC) + timedelta(minutes=1)
            created = started - timedelta(hours=1) if self.doubtful else started
            task.update(createdAt=created, startedAt=started + timedelta(seconds=1), lastStatus="RUNNING")
        return answer

    def made(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(count for (name, _), count in self.calls.items() if name == operation)

    @property
    def operations(self) -> set[str]:
        """The operations called."""
        return {name for name, _ in self.calls}


def _allowed(action: str, arn: str) -> dict[str, str]:
    return {"EvalActionName": action, "EvalResourceName": arn, "EvalDecision": "allowed"}


@contextmanager
def mock_aws() -> Iterator[None]:
    """moto in this process, one call at a time: its state is not safe to use from several threads."""
    answer = BotocoreStubber.process_request

    def alone(stubber: BotocoreStubber, request: Any) -> Any:
        with STATE:
            return answer(stubber, request)

    with moto.mock_aws(), patch.object(BotocoreStubber, "process_request", alone):
        yield


@contextmanager
def between(wire: Wire) -> Iterator[None]:
    """Put a wire between every client and moto."""

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        return wire.call(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", call):
        yield


def client(service: str, region: str = REGION) -> Any:
    """moto's client, or that of a server at AWS_ENDPOINT_URL."""
    return _client(service, region, os.environ.get("AWS_ENDPOINT_URL"))


@cache
def _client(service: str, region: str, endpoint: str | None) -> Any:
    """A client takes longer to make than what it is asked for."""
    return boto3.client(service, region_name=region, endpoint_url=endpoint)  # type: ignore[call-overload]


def build(services: tuple[str, ...] = ("backend", "worker"), tasks: int = 1) -> None:
    """Make an environment whose secret is under a customer key, and whose role has every kind of policy."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    allow = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    iam, ecs = client("iam"), client("ecs")
    boundary = iam.create_policy(PolicyName="boundary", PolicyDocument=allow)["Policy"]["Arn"]
    role = iam.create_role(
        RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}), PermissionsBoundary=boundary
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="inline", PolicyDocument=allow)
    attached = iam.create_policy(PolicyName="managed", PolicyDocument=allow)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=attached)
    with patch("moto.kms.models.generate_private_key", _make_private_key):
        key = client("kms").create_key()["KeyMetadata"]["KeyId"]
    arn = client("secretsmanager").create_secret(Name=NAME, SecretString=json.dumps(values()), KmsKeyId=key)["ARN"]
    ecs.create_cluster(clusterName=CLUSTER)
    for name in services:
        family = f"{CLUSTER}-{name}"
        ecs.register_task_definition(
            family=family,
            executionRoleArn=role,
            containerDefinitions=[
                {
                    "name": name,
                    "image": "x",
                    "memory": 64,
                    "secrets": [{"name": member, "valueFrom": f"{arn}:{member}::"} for member in values()],
                }
            ],
        )
        ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=family, desiredCount=1)
        for start in range(0, tasks, 10):
            ecs.run_task(
                cluster=CLUSTER,
                taskDefinition=family,
                count=min(10, tasks - start),
                launchType="FARGATE",
                group=f"service:{name}",
            )


clients_of = cache(Clients)
"""Clients are slow to make, and hold nothing of what they read."""


def read(wire: Wire) -> Snapshot:
    """Take a snapshot across a wire."""
    environment = load("staging")
    clients = clients_of(environment.names.region)
    later = datetime.now(UTC) + timedelta(hours=1)
    with between(wire):
        return take(clients, environment, identify(clients, environment), lambda: later)


def answers(snapshot: Snapshot) -> dict[str, Finding]:
    """The first finding of each check, the gravest first."""
    found: dict[str, Finding] = {}
    for finding in diagnose(snapshot):
        found.setdefault(finding.check, finding)
    return found
