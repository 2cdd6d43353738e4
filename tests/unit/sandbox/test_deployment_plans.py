"""The stages of a deployment that shifts traffic, and what ECS refuses in its settings."""

from __future__ import annotations

from typing import Any

import pytest

from omc_runbook.sandbox.ecs.deployment_settings import find_error
from omc_runbook.sandbox.ecs.traffic import plan

DEFAULTS = {"strategy": "ROLLING", "minimumHealthyPercent": 100, "bakeTimeInMinutes": 0}


def steps(**configuration: Any) -> list[tuple[float | None, float]]:
    """The weights of a plan's traffic shifts, and how long each bakes."""
    stages = plan(configuration, is_first=False, is_overtaking=False)
    return [(each.weight, each.bake_minutes) for each in stages if each.name == "PRODUCTION_TRAFFIC_SHIFT"]


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"strategy": "BLUE_GREEN"}, [(100.0, 0)]),
        ({"strategy": "CANARY"}, [(5.0, 10), (100.0, 0)]),
        ({"strategy": "LINEAR"}, [(10.0 * step, 6) for step in range(1, 10)] + [(100.0, 0)]),
        (
            {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 40.0, "stepBakeTimeInMinutes": 1}},
            [(40.0, 1), (80.0, 1), (100.0, 0)],
        ),
        (
            {"strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 0.1, "canaryBakeTimeInMinutes": 1440}},
            [(0.1, 1440), (100.0, 0)],
        ),
    ],
)
def test_traffic_shifts(configuration: dict[str, Any], expected: list[tuple[float, float]]) -> None:
    """Each step but the last one bakes, by ECS's defaults where nothing is set."""
    assert steps(**configuration) == expected


def test_bake_times_and_reconciliation() -> None:
    """A first deployment bakes nothing, and only one that overtakes another reconciles."""
    configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 30}
    later = plan(configuration, is_first=False, is_overtaking=True)
    first = plan(configuration, is_first=True, is_overtaking=False)
    assert [each.bake_minutes for each in later if each.name == "BAKE_TIME"] == [30]
    assert [each.bake_minutes for each in first if each.name == "BAKE_TIME"] == [0]
    assert (later[0].name, first[0].name) == ("RECONCILE_SERVICE", "PRE_SCALE_UP")
    assert later[-1].name == first[-1].name == "CLEAN_UP"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1440}, ""),
        ({"bakeTimeInMinutes": 1441}, "bakeTimeInMinutes must be between 0 and 1440."),
        (
            {"canaryConfiguration": {"canaryPercent": 5.0}},
            "canaryConfiguration is only valid when the deployment strategy is CANARY.",
        ),
        (
            {"strategy": "LINEAR", "linearConfiguration": {"stepPercent": 2.9}},
            "stepPercent must be between 3.0 and 100.0.",
        ),
        (
            {"lifecycleHooks": [{"lifecycleStages": ["PRE_SCALE_UP"]}]},
            "A lifecycle hook of the type AWS_LAMBDA must have a hookTargetArn.",
        ),
        (
            {"lifecycleHooks": [{"targetType": "PAUSE", "lifecycleStages": []}]},
            "A lifecycle hook must have at least one lifecycle stage.",
        ),
        (
            {
                "earlySuccessCriteria": {
                    "enable": True,
                    "healthyPercent": 50,
                    "sourceServiceRevisionCleanup": "DEFERRED",
                }
            },
            "healthyPercent must be between minimumHealthyPercent and 100.",
        ),
        (
            {"strategy": "CANARY", "earlySuccessCriteria": {"enable": True}},
            "earlySuccessCriteria can only be used with the deployment strategy ROLLING.",
        ),
    ],
)
def test_settings(changes: dict[str, Any], message: str) -> None:
    """What ECS refuses is refused, with what it would have to be."""
    assert find_error(changes, DEFAULTS | changes, "ECS") == message


def test_strategies_belong_to_ecs_as_controller() -> None:
    """CodeDeploy has its own."""
    changes = {"strategy": "CANARY"}
    message = "The deployment strategy CANARY needs the deployment controller ECS."
    assert find_error(changes, DEFAULTS | changes, "CODE_DEPLOY") == message
