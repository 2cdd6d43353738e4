"""The sandbox's scheduler, one step of a service at a time."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from omc_runbook.sandbox.ecs import scheduler, traffic
from omc_runbook.sandbox.ecs.service_deployments import EcsServiceDeployment
from omc_runbook.sandbox.ecs.services import EcsDeployment, EcsService


def roll(service: EcsService, current: EcsDeployment) -> None:
    """Take a step of a rolling update."""
    scheduler._start(service, current, [], [])


def scale(service: EcsService, current: EcsDeployment) -> None:
    """Take a step of a blue/green deployment."""
    ongoing = SimpleNamespace(stages=[SimpleNamespace(name="SCALE_UP")])
    traffic._scale(service, current, None, cast(EcsServiceDeployment, ongoing), [])


@pytest.mark.parametrize("start", [roll, scale])
@pytest.mark.parametrize("launch_type", ["EC2", "EXTERNAL"])
def test_no_task_is_placed_without_the_instance_that_it_needs(
    launch_type: str, start: Callable[[EcsService, EcsDeployment], None]
) -> None:
    """ECS says so once for a deployment, which then waits for somebody to add one."""
    state = {"status": "PRIMARY", "state": "IN_PROGRESS", "rollout_state": "IN_PROGRESS", "next_start": 0.0}
    current = cast(EcsDeployment, SimpleNamespace(**state, failed_tasks=0, is_blocked=False, id="ecs-svc/1"))
    service = cast(
        EcsService,
        SimpleNamespace(
            name="api",
            cluster_name="main",
            backend=SimpleNamespace(unfinished_tasks=[]),
            launch_type=launch_type,
            desired_count=1,
            status="ACTIVE",
            deployments=[current],
            events=[],
            deployment_configuration={},
        ),
    )
    for _ in range(2):
        start(service, current)
    [event] = service.events
    assert "(service api) was unable to place a task because no container instance" in event["message"]
    assert scheduler.rests(service)
