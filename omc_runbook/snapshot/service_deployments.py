"""Reads the service deployments of consumers whose deployments DescribeServices does not tell enough of."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws import deployments
from omc_runbook.model.grouping import batches
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot


def read(gatherer: Gatherer, snapshot: Snapshot) -> Snapshot:
    """Read them, and give each service's deployments their rollout state; costs nothing for plain rolling updates.

    What could not be read is a gap of "service_deployments".
    """
    unclear = [
        service
        for service in snapshot.consumers
        if service.controller == "ECS" and service.deployments and not service.has_rollout_state
    ]
    lists = {
        service.name: gatherer.read(
            f"the service deployments of {service.name}",
            "ecs:ListServiceDeployments",
            deployments.list_service_deployments,
            gatherer.names.cluster,
            service.name,
            min(each.created for each in service.deployments),
        )
        for service in unclear
    }
    found = {name: gatherer.keep("service_deployments", answer, ()) for name, answer in lists.items()}
    # One that has succeeded has nothing more to tell.
    arns = [each.arn for entries in found.values() for each in entries[:1] if not each.has_succeeded]
    answers = [
        gatherer.read(
            "the newest service deployments",
            "ecs:DescribeServiceDeployments",
            deployments.describe_service_deployments,
            batch,
        )
        for batch in batches(arns, deployments.DESCRIBED_A_CALL)
    ]
    described = {each.arn: each for each in gatherer.join("service_deployments", answers)}
    services = tuple(
        service.with_service_deployments([described.get(each.arn, each) for each in found[service.name]])
        if found.get(service.name)
        else service
        for service in snapshot.services
    )
    return replace(snapshot, services=services) if described or any(found.values()) else snapshot
