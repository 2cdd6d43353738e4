"""When the services of a world need no deployment."""

from __future__ import annotations

from typing import Any

import pytest

from omc_runbook.sandbox.worlds.build import are_deployed
from omc_runbook.sandbox.worlds.changes import ANYTHING, Changes
from omc_runbook.sandbox.worlds.staging import SERVICES

COMPLETED = {"rolloutState": "COMPLETED"}


def services(**backend: Any) -> list[Any]:
    """A healthy world's services, but for what the backend has instead."""
    healthy: list[Any] = [
        {
            "serviceName": each.name,
            "deployments": [COMPLETED],
            "runningCount": each.desired,
            "desiredCount": each.desired,
        }
        for each in SERVICES
    ]
    return [healthy[0] | backend, *healthy[1:]]


def test_a_healthy_worlds_services_are_deployed() -> None:
    """As they are described, in any order; not where one is missing or there is another one."""
    assert are_deployed(services()) and are_deployed(services()[::-1])
    assert not are_deployed(services()[1:]) and not are_deployed([])
    assert not are_deployed([*services(), services()[0] | {"serviceName": "another"}])


@pytest.mark.parametrize(
    "backend",
    [
        {"runningCount": 1},
        {"runningCount": 0, "desiredCount": 0},
        {"runningCount": 3},
        {"deployments": [{"rolloutState": "FAILED"}]},
        {"deployments": [{"rolloutState": "IN_PROGRESS"}, COMPLETED]},
        {"deployments": [{}]},
        {"deployments": []},
    ],
)
def test_which_services_are_not_deployed(backend: dict[str, Any]) -> None:
    """Those without a single completed deployment, or without all the tasks that there have to be."""
    assert not are_deployed(services(**backend))


def test_calls_of_some_services_alone() -> None:
    """Nothing that changed is no other service's; where nothing is known of changes, there may be any."""
    changed = Changes(frozenset({"iam:PutRolePolicy", "sns:Subscribe"}))
    assert changed.are_only("iam:", "sns:") and not changed.are_only("iam:")
    assert Changes(frozenset()).are_only("iam:") and not ANYTHING.are_only("iam:")
