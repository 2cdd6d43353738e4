"""Service deployments as ECS answers, in the shapes of botocore's model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from omc_runbook.aws import deployments, ecs
from omc_runbook.aws.deployments import (
    CircuitBreaker,
    DeploymentConfiguration,
    ServiceDeployment,
    ServiceRevision,
    configuration_from,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BASE = "arn:aws:ecs:ap-southeast-2:123456789012"
SERVICE = f"{BASE}:service/ohmycoins-staging/backend"


def revision(number: int) -> str:
    return f"{BASE}:service-revision/ohmycoins-staging/backend/{number}"


def deployment_arn(number: int) -> str:
    return f"{BASE}:service-deployment/ohmycoins-staging/backend/d{number}"


def brief(number: int, status: str = "SUCCESSFUL", minutes: int = 0) -> dict[str, Any]:
    return {
        "serviceDeploymentArn": deployment_arn(number),
        "serviceArn": SERVICE,
        "targetServiceRevisionArn": revision(number),
        "status": status,
        "createdAt": NOW + timedelta(minutes=minutes),
    }


@pytest.fixture
def stub() -> Any:
    client = boto3.client(
        "ecs", region_name="ap-southeast-2", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_every_page_of_the_list_is_read_newest_first(stub: Any) -> None:
    """Our own is found by the number of its target revision, wherever it stands."""
    expected = {"cluster": "c", "service": "backend", "createdAt": {"after": ANY}}
    stub.add_response(
        "list_service_deployments", {"serviceDeployments": [brief(1)], "nextToken": "more"}, dict(expected)
    )
    second = {"serviceDeployments": [brief(2, "IN_PROGRESS", minutes=5)]}
    stub.add_response("list_service_deployments", second, {**expected, "nextToken": "more"})
    found = deployments.list_service_deployments(stub.client, "c", "backend", NOW)
    assert [each.deployment_id for each in found] == ["ecs-svc/2", "ecs-svc/1"]
    assert [each.rollout for each in found] == ["IN_PROGRESS", "COMPLETED"]


def test_a_description_has_stage_traffic_hooks_and_the_breakers_counts(stub: Any) -> None:
    """All that an operator is shown."""
    full = {
        "serviceDeploymentArn": deployment_arn(2),
        "createdAt": NOW,
        "status": "IN_PROGRESS",
        "lifecycleStage": "POST_TEST_TRAFFIC_SHIFT",
        "targetServiceRevision": {
            "arn": revision(2),
            "requestedTaskCount": 2,
            "runningTaskCount": 2,
            "requestedProductionTrafficWeight": 5.0,
        },
        "sourceServiceRevisions": [{"arn": revision(1), "requestedTaskCount": 2, "runningTaskCount": 2}],
        "deploymentCircuitBreaker": {"status": "MONITORING", "failureCount": 1, "threshold": 3},
        "lifecycleHookDetails": [
            {"hookId": "hook-1", "targetType": "PAUSE", "status": "AWAITING_ACTION", "timeoutAction": "ROLLBACK"}
        ],
    }
    stub.add_response(
        "describe_service_deployments",
        {"serviceDeployments": [full], "failures": []},
        {"serviceDeploymentArns": [deployment_arn(2)]},
    )
    (found,) = deployments.describe_service_deployments(stub.client, [deployment_arn(2)])
    assert found.progress == "POST_TEST_TRAFFIC_SHIFT, 5 % of the traffic, 1 of the 3 failures that trip the breaker"
    assert found.pause and found.pause.id == "hook-1" and not found.is_well
    assert found.sources[0].arn == revision(1)


def test_stopping_takes_back(stub: Any) -> None:
    """ROLLBACK is what returns to the tasks before; ABORT would leave both."""
    answer = {"serviceDeploymentArn": deployment_arn(2)}
    stub.add_response("stop_service_deployment", answer, {**answer, "stopType": "ROLLBACK"})
    deployments.stop_service_deployment(stub.client, deployment_arn(2))


@pytest.mark.parametrize(
    ("raw", "minutes"),
    [
        ({}, 0),
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1440}, 1440),
        ({"strategy": "LINEAR"}, 54),
        (
            {
                "strategy": "LINEAR",
                "bakeTimeInMinutes": 5,
                "linearConfiguration": {"stepPercent": 30.0, "stepBakeTimeInMinutes": 10},
            },
            35,
        ),
        ({"strategy": "CANARY", "bakeTimeInMinutes": 3}, 13),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryBakeTimeInMinutes": 0}}, 0),
    ],
)
def test_the_waits_of_each_strategy_are_added_up(raw: dict[str, Any], minutes: int) -> None:
    """Bake time, and what LINEAR and CANARY wait between their shifts, with AWS's defaults."""
    assert configuration_from(raw).bake == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("threshold", "desired", "failures"),
    [
        ({}, 2, 3),
        ({}, 20, 10),
        ({}, 1000, 200),
        ({"type": "COUNT", "value": 1}, 20, 1),
        ({"type": "UNBOUNDED_PERCENT", "value": 10}, 10, 1),
        ({"type": "UNBOUNDED_PERCENT", "value": 50}, 1000, 500),
        ({"type": "BOUNDED_PERCENT", "value": 10}, 100, 10),
    ],
)
def test_the_breakers_threshold_is_as_configured(threshold: dict[str, Any], desired: int, failures: int) -> None:
    """Half of desiredCount between 3 and 200 is the default alone."""
    raw = {"deploymentCircuitBreaker": {"enable": True, "rollback": True, "thresholdConfiguration": threshold}}
    breaker = configuration_from(raw).breaker
    assert breaker.enabled and breaker.rolls_back and breaker.threshold(desired) == failures


def test_the_configuration_is_read_with_the_service() -> None:
    """Hooks with their stages, early success, and a plain rolling update where nothing is set."""
    plain = configuration_from({"maximumPercent": 200})
    assert plain == DeploymentConfiguration() and not plain.overlaps and not plain.sentence
    assert plain.breaker == CircuitBreaker()
    hook = {"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP", "PRE_PRODUCTION_TRAFFIC_SHIFT"]}
    rich = configuration_from(
        {
            "strategy": "BLUE_GREEN",
            "bakeTimeInMinutes": 180,
            "lifecycleHooks": [hook],
            "earlySuccessCriteria": {"enable": True, "healthyPercent": 50, "sourceServiceRevisionCleanup": "DEFERRED"},
        }
    )
    assert rich.overlaps and rich.early_percent == 50
    assert "bakes for 3 h" in rich.sentence and "PRE_PRODUCTION_TRAFFIC_SHIFT" in rich.sentence


@pytest.mark.parametrize(
    ("status", "rollout"),
    [
        ("PENDING", "IN_PROGRESS"),
        ("IN_PROGRESS", "IN_PROGRESS"),
        ("OF_A_LATER_AWS", "IN_PROGRESS"),
        ("SUCCESSFUL", "COMPLETED"),
        ("STOP_REQUESTED", "FAILED"),
        ("STOPPED", "FAILED"),
        ("ROLLBACK_IN_PROGRESS", "FAILED"),
    ],
)
def test_a_status_is_told_in_the_words_of_a_rollout(status: str, rollout: str) -> None:
    """One that waits for its turn goes on too; one that is taken back has failed, however far that is."""
    found = ServiceDeployment(arn=deployment_arn(1), status=status, reason="", target=ServiceRevision(arn=revision(1)))
    assert (found.rollout, found.is_underway) == (rollout, rollout == "IN_PROGRESS")


def test_a_new_deployment_is_the_newest_of_the_answer(stub: Any) -> None:
    """Whichever of the two is PRIMARY while traffic has not shifted."""
    entries = [
        {"id": "ecs-svc/1", "status": "PRIMARY", "createdAt": NOW - timedelta(days=1)},
        {"id": "ecs-svc/2", "status": "ACTIVE", "createdAt": NOW},
    ]
    stub.add_response(
        "update_service",
        {"service": {"deployments": entries}},
        {"cluster": "c", "service": "backend", "forceNewDeployment": True},
    )
    newest, others = ecs.force_new_deployment(stub.client, "c", "backend", {"ecs-svc/1"})
    assert newest.id == "ecs-svc/2" and newest.id not in {each.id for each in others}
