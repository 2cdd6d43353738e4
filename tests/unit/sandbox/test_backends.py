"""moto's backends, each made by whoever looks for it first."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto.core.base_backend import BackendDict
from moto.ecs.models import TaskDefinition
from support.moto_environment import ACCOUNT, REGION, ROLE, client, mock_aws

from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.ecs import injection, logs
from omc_runbook.sandbox.ecs.tasks import EcsTask

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
