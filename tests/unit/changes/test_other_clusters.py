"""The services of other clusters that have the secret, each with the way in which its tasks are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.moto_environment import mock_aws
from support.snapshots import ACCOUNT, ARN, REGION, healthy

from omc_runbook.aws import managed as consumers
from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy import not_redeployed
from omc_runbook.checks import remedies

CLUSTER = "reports"


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # moto has neither kind.
    for name in ("find_daemons", "find_express_services"):
        monkeypatch.setattr(consumers, name, lambda client, cluster: ())
    with mock_aws():
        client = boto3.client("ecs", region_name=REGION)
        client.create_cluster(clusterName=CLUSTER)
        client.register_task_definition(
            family=CLUSTER,
            executionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/execution",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": "app",
                    "memory": 128,
                    "secrets": [{"name": "SECRET_KEY", "valueFrom": f"{ARN}:SECRET_KEY::"}],
                }
            ],
        )
        yield client


@pytest.mark.parametrize(
    ("controller", "way"),
    [
        ("ECS", f"aws ecs update-service --cluster {CLUSTER} --service api --force-new-deployment --region {REGION}"),
        ("CODE_DEPLOY", f"Start new tasks of api: {remedies.CONTROLLED['CODE_DEPLOY']} (cluster {CLUSTER})."),
    ],
)
def test_the_way_is_that_of_the_service_s_deployment_controller(ecs: Any, controller: str, way: str) -> None:
    """ECS refuses to force a new deployment of what CodeDeploy deploys."""
    ecs.create_service(
        cluster=CLUSTER,
        serviceName="api",
        taskDefinition=CLUSTER,
        desiredCount=1,
        deploymentController={"type": controller},
    )
    found = healthy()
    names = found.environment.names.model_copy(update={"clusters": (CLUSTER,)})
    snapshot = replace(found, environment=replace(found.environment, names=names))
    notes = dict(not_redeployed.find_consumers(Clients(REGION), found.caller, snapshot, {"SECRET_KEY": "changed"}))
    assert notes[f"service api of cluster {CLUSTER}"].endswith(way)


@pytest.mark.parametrize(("code", "is_open"), [("ClusterNotFoundException", False), ("ThrottlingException", True)])
def test_a_cluster_that_does_not_exist_has_no_daemons(
    monkeypatch: pytest.MonkeyPatch, code: str, is_open: bool
) -> None:
    """That is no question left open, as it is where they could not be listed."""

    def fail(client: Any, cluster: str) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "ListDaemons")

    for name in ("find_daemons", "find_express_services"):
        monkeypatch.setattr(consumers, name, fail)
    found = healthy()
    not_covered = not_redeployed.find_consumers(Clients(REGION), found.caller, found, {"SECRET_KEY": "changed"})
    assert bool([*not_covered]) is is_open
