"""moto's backends, each made by whoever looks for it first, and what is found in them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto.core.base_backend import BackendDict
from moto.ecs import urls as ecs_urls
from moto.ecs.exceptions import TaskDefinitionNotFoundException
from moto.ecs.models import TaskDefinition, ecs_backends
from support.moto_environment import ACCOUNT, REGION, ROLE, client, mock_aws

from omc_runbook.sandbox.aws.ecs import SandboxEcs
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.ecs import injection, logs
from omc_runbook.sandbox.ecs.tasks import EcsTask, find_definition
from omc_runbook.sandbox.moto_patches import create_app

SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:absent-AbCdEf"
TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
PARAMETER = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/absent"


@pytest.mark.parametrize("source", [SECRET, PARAMETER])
def test_a_task_that_starts_looks_for_none_without_the_lock(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that are made at once, for the agent and for a call, one would be lost with all that it holds."""
    look, is_locked = BackendDict.__getitem__, list[bool]()

    def watched(backends: Any, account: str) -> Any:
        is_locked.append(STATE._is_owned())  # type: ignore[attr-defined]
        return look(backends, account)

    options = {"awslogs-group": "group", "awslogs-create-group": "true", "awslogs-region": REGION}
    container = {
        "name": "app",
        "secrets": [{"name": "SECRET_KEY", "valueFrom": source}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    role = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    task = cast(EcsTask, SimpleNamespace(id="1", account=ACCOUNT, region_name=REGION, platform_version=""))
    definition = cast(TaskDefinition, SimpleNamespace(execution_role_arn=role, container_definitions=[container]))
    with mock_aws():
        client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": [TRUST]}))
        monkeypatch.setattr(BackendDict, "__getitem__", watched)
        with pytest.raises(injection.PullFailed, match="not authorized"):
            injection.environments(task, definition, None)
        logs.open_stream(task, container)(["a line"])
    assert len(is_locked) > 2 and all(is_locked)


def test_a_family_stands_for_its_latest_active_revision() -> None:
    """A deregistered one is still found by its ARN, and a family without an active one stands for none."""
    container: Any = {"name": "app", "image": "app", "memory": 128}
    with mock_aws():
        answers = [
            client("ecs").register_task_definition(family="app", containerDefinitions=[container]) for _ in range(3)
        ]
        arns = [answer["taskDefinition"]["taskDefinitionArn"] for answer in answers]
        backend = ecs_backends[ACCOUNT][REGION]
        client("ecs").deregister_task_definition(taskDefinition=arns[2])
        assert find_definition(backend, "app").arn == arns[1]
        assert [find_definition(backend, arn).arn for arn in arns] == arns
        for arn in arns[:2]:
            client("ecs").deregister_task_definition(taskDefinition=arn)
        for name in ("app", "web"):
            with pytest.raises(TaskDefinitionNotFoundException):
                find_definition(backend, name)


@pytest.mark.parametrize(
    ("mode", "network"),
    [
        ("awsvpc", {}),
        ("awsvpc", {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}),
        ("bridge", {}),
    ],
)
def test_a_task_with_a_network_interface_needs_its_network(
    mode: str, network: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CreateService, RunTask and UpdateService refuse one without a subnet, as ECS does, and change nothing."""
    for path in ecs_urls.url_paths:
        monkeypatch.setitem(ecs_urls.url_paths, path, SandboxEcs.dispatch)
    with mock_aws():
        caller = create_app("ecs").test_client()

        def call(name: str, **request: Any) -> Any:
            headers = {"X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{name}"}
            return caller.post("/", json=request, headers={**headers, "Content-Type": "application/x-amz-json-1.1"})

        container = {"name": "app", "image": "app", "memory": 128}
        call("CreateCluster", clusterName="app")
        call("RegisterTaskDefinition", family="plain", networkMode="bridge", containerDefinitions=[container])
        call("RegisterTaskDefinition", family="app", networkMode=mode, containerDefinitions=[container])
        assert call("CreateService", cluster="app", serviceName="old", taskDefinition="plain").status_code == 200
        answers = [
            call("CreateService", cluster="app", serviceName="new", taskDefinition="app", **network),
            call("RunTask", cluster="app", taskDefinition="app", **network),
            call("UpdateService", cluster="app", service="old", taskDefinition="app", **network),
        ]
        names = json.loads(call("ListServices", cluster="app").data)["serviceArns"]
    for answer in answers:
        if mode == "bridge":
            assert answer.status_code == 200
        else:
            assert answer.status_code == 400 and b"InvalidParameterException" in answer.data
            assert b"Network Configuration must be provided" in answer.data
    assert len(names) == (2 if mode == "bridge" else 1)
