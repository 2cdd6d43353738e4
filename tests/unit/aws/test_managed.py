"""Daemons and Express services: which of them still run tasks that somebody can deploy."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from omc_runbook.aws import managed

BASE = "arn:aws:ecs:ap-southeast-2:123456789012"
CLUSTER = f"{BASE}:cluster/ohmycoins-staging"
API = f"{BASE}:task-definition/api:1"


def test_a_daemon_that_is_being_deleted_is_none() -> None:
    """ECS would refuse to deploy it."""
    client = Mock()
    daemons = [{"daemonArn": f"daemon/{status}", "status": status} for status in ("ACTIVE", "DELETE_IN_PROGRESS")]
    client.list_daemons.return_value = {"daemonSummariesList": daemons}
    client.describe_daemon.return_value = {"daemon": {"currentRevisions": [{"arn": "daemon-revision/1"}]}}
    revision = {"daemonTaskDefinitionArn": f"{BASE}:daemon-task-definition/logs:1"}
    client.describe_daemon_revisions.return_value = {"daemonRevisions": [revision]}
    definition: dict[str, Any] = {**revision, "family": "logs", "revision": 1, "containerDefinitions": []}
    client.describe_daemon_task_definition.return_value = {"daemonTaskDefinition": definition}
    assert [each.arn for each in managed.find_daemons(client, CLUSTER)] == ["daemon/ACTIVE"]


def test_an_express_service_that_was_deleted_is_none() -> None:
    """ECS lists it until its tasks are gone."""
    client = Mock()
    arns = {f"service/{status}": status for status in ("ACTIVE", "DRAINING")}
    client.get_paginator.return_value.paginate.return_value = [{"serviceArns": [*arns]}]
    revisions = {"activeConfigurations": [{"taskDefinitionArn": API}]}
    client.describe_express_gateway_service.side_effect = lambda **request: {
        "service": {"status": {"statusCode": arns[request["serviceArn"]]}, **revisions}
    }
    definition = {"taskDefinitionArn": API, "family": "api", "revision": 1, "containerDefinitions": []}
    client.describe_task_definition.return_value = {"taskDefinition": definition}
    assert [each.arn for each in managed.find_express_services(client, CLUSTER)] == ["service/ACTIVE"]
