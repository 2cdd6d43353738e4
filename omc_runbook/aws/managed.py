"""ECS: what reads secrets and is no service that one can redeploy: daemons, and Express services, which ECS manages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omc_runbook.aws import definitions
from omc_runbook.aws.answer import pages
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import DELETED

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient


_LEAVING = "DELETE_IN_PROGRESS"
"""The status of a daemon that is being deleted, which ECS deploys no more."""
ABSENT = frozenset({"UnsupportedFeatureException", "ClusterNotFoundException"})
"""The errors of a region, and of a cluster, that has none of them."""


@dataclass(frozen=True, kw_only=True)
class ManagedConsumer:
    """A daemon or an Express service, with the task definition of a current revision."""

    arn: str
    definition: TaskDefinition

    @property
    def name(self) -> str:
        """The last part of its ARN."""
        return self.arn.rpartition("/")[2]


def find_daemons(client: ECSClient, cluster_arn: str) -> tuple[ManagedConsumer, ...]:
    """A cluster's daemons, each once for each of its current revisions.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListDaemons.html
    """
    return tuple(found for arn in _daemon_arns(client, cluster_arn) for found in _revisions(client, arn))


def find_express_services(client: ECSClient, cluster: str) -> tuple[ManagedConsumer, ...]:
    """A cluster's Express services, each once for each of its active configurations.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeExpressGatewayService.html
    """
    pages = client.get_paginator("list_services").paginate(cluster=cluster, resourceManagementType="ECS")
    found = []
    for arn in (arn for page in pages for arn in page["serviceArns"]):
        service = client.describe_express_gateway_service(serviceArn=arn)["service"]
        if service.get("status", {}).get("statusCode") in DELETED:
            continue
        revisions = {each["taskDefinitionArn"]: None for each in service.get("activeConfigurations", ())}
        found += [
            ManagedConsumer(arn=arn, definition=definitions.describe_task_definition(client, each))
            for each in revisions
        ]
    return tuple(found)


def _daemon_arns(client: ECSClient, cluster_arn: str) -> Iterator[str]:
    for page in pages(lambda **token: client.list_daemons(clusterArn=cluster_arn, **token), "nextToken"):
        yield from (each["daemonArn"] for each in page["daemonSummariesList"] if each.get("status") != _LEAVING)


def _revisions(client: ECSClient, arn: str) -> Iterator[ManagedConsumer]:
    current = client.describe_daemon(daemonArn=arn)["daemon"].get("currentRevisions", ())
    if not current:
        return
    # A daemon has one revision, and two while it is deployed.
    described = client.describe_daemon_revisions(daemonRevisionArns=[each["arn"] for each in current])
    for revision in described["daemonRevisions"]:
        name = revision["daemonTaskDefinitionArn"]
        raw = client.describe_daemon_task_definition(daemonTaskDefinition=name)["daemonTaskDefinition"]
        yield ManagedConsumer(arn=arn, definition=definitions.from_daemon(raw))
