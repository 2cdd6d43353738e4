"""Which service deployments a snapshot reads, and what it does without them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from support.faults.deployment import deployed, service_deployment
from support.snapshots import DEPLOYED, NOW, healthy, with_service

from omc_runbook.aws.session import Clients
from omc_runbook.checks.stopped_tasks import fresh_stops
from omc_runbook.snapshot import service_deployments
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot


class Ecs:
    """ECS with service deployments of one status, newest last; it may refuse calls."""

    def __init__(self, status: str, code: str = "") -> None:
        self.status, self.code = status, code
        self.calls: list[str] = []

    def list_service_deployments(self, service: str, **_: Any) -> dict[str, Any]:
        self._call("ListServiceDeployments")
        old, new = service_deployment(service, 1, DEPLOYED), service_deployment(service, 2, NOW, self.status)
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": each.arn,
                    "targetServiceRevisionArn": each.target.arn,
                    "status": each.status,
                    "createdAt": each.created,
                }
                for each in (old, new)
            ]
        }

    def describe_service_deployments(self, serviceDeploymentArns: list[str]) -> dict[str, Any]:  # noqa: N803
        self._call("DescribeServiceDeployments")
        return {
            "serviceDeployments": [
                {
                    "serviceDeploymentArn": arn,
                    "targetServiceRevision": {"arn": arn.replace("deployment", "revision").replace("/d2", "/2")},
                    "status": self.status,
                    "createdAt": NOW,
                    "lifecycleStage": "BAKE_TIME",
                }
                for arn in serviceDeploymentArns
            ]
        }

    def _call(self, operation: str) -> None:
        self.calls.append(operation)
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": ""}}, operation)


def read(snapshot: Snapshot, ecs: Ecs) -> Snapshot:
    with ThreadPoolExecutor(2) as pool:
        clients = cast("Clients", lambda service: ecs)
        gatherer = Gatherer(pool, clients, snapshot.environment, snapshot.caller)
        return replace(service_deployments.read(gatherer, snapshot), gaps=dict(gatherer.gaps))


def blue_green() -> Snapshot:
    """Staging with its backend deployed BLUE_GREEN, before its service deployments are read."""
    snapshot = deployed(healthy(), "backend", "IN_PROGRESS")
    backend = next(service for service in snapshot.services if service.name == "backend")
    unread = tuple(replace(each, rollout="", rollout_reason="") for each in backend.deployments)
    return with_service(snapshot, "backend", deployments=unread, service_deployments=())


def test_a_plain_rolling_update_costs_no_call() -> None:
    """DescribeServices has given its state already."""
    ecs = Ecs("SUCCESSFUL")
    snapshot = healthy()
    assert read(snapshot, ecs).services == snapshot.services and not ecs.calls


@pytest.mark.parametrize(
    ("status", "rollout", "calls"),
    [
        ("SUCCESSFUL", "COMPLETED", ["ListServiceDeployments"]),
        ("IN_PROGRESS", "IN_PROGRESS", ["ListServiceDeployments", "DescribeServiceDeployments"]),
    ],
)
def test_another_strategy_has_its_state_from_the_newest(status: str, rollout: str, calls: list[str]) -> None:
    """One call for each service, and one more for all that go on."""
    ecs = Ecs(status)
    snapshot = read(blue_green(), ecs)
    backend = next(service for service in snapshot.services if service.name == "backend")
    assert backend.primary and backend.primary.rollout == rollout and ecs.calls == calls
    assert bool(backend.underway and backend.underway.stage == "BAKE_TIME") is (status == "IN_PROGRESS")


@pytest.mark.parametrize(
    ("code", "kind"), [("AccessDeniedException", "denied"), ("UnknownOperationException", "failed")]
)
def test_what_is_refused_is_a_gap_with_the_permission(code: str, kind: str) -> None:
    """And an endpoint that lacks the call is no error."""
    snapshot = read(blue_green(), Ecs("IN_PROGRESS", code))
    (gap,) = snapshot.gaps["service_deployments"]
    assert (gap.permission, gap.kind) == ("ecs:ListServiceDeployments", kind)
    assert not [*fresh_stops(snapshot)]
