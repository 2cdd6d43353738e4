"""The sandbox's scheduler, one step of a service at a time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from omc_runbook.sandbox.ecs import scheduler
from omc_runbook.sandbox.ecs.services import EcsDeployment, EcsService


@pytest.mark.parametrize("launch_type", ["EC2", "EXTERNAL"])
def test_no_task_is_placed_without_the_instance_that_it_needs(launch_type: str) -> None:
    """ECS says so once for a deployment, which then waits for somebody to add one."""
    state = {"status": "PRIMARY", "state": "IN_PROGRESS", "rollout_state": "IN_PROGRESS", "next_start": 0.0}
    current = cast(EcsDeployment, SimpleNamespace(**state, failed_tasks=0, is_blocked=False))
    service = cast(
        EcsService,
        SimpleNamespace(
            name="api",
            launch_type=launch_type,
            desired_count=1,
            status="ACTIVE",
            deployments=[current],
            events=[],
            deployment_configuration={},
        ),
    )
    for _ in range(2):
        scheduler._start(service, current, [], [])
    [event] = service.events
    assert "(service api) was unable to place a task because no container instance" in event["message"]
    assert scheduler.rests(service)
