"""One consumer's roll-out: how it stands, by what ECS says of its service and of its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from omc_runbook.aws.ecs import Service, Task
from omc_runbook.checks.stopped_tasks import Stop

State = Literal["waiting", "rolling", "done", "failed", "rolled-back", "overtaken", "not-started", "gone"]

PROVED: frozenset[State] = frozenset({"done", "gone"})
FAILURES: frozenset[State] = frozenset({"failed", "rolled-back"})
GONE = "It was deleted meanwhile."


@dataclass(frozen=True)
class Rollout:
    """One consumer's way to the new values; `running` counts the tasks of our deployment.

    A service that no deployment of ours can reach (desiredCount 0, another controller) is "not-started", and one that
    was deleted meanwhile is "gone".
    """

    service: str
    deployment_id: str
    revision: str
    state: State
    desired: int
    running: int = 0
    reason: str = ""
    """Why it failed, was overtaken, was not started or is gone: one sentence."""
    is_back: bool = False
    """Whether it leads back to the version before."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be waited for."""
        return self.state not in ("waiting", "rolling")

    @property
    def has_failed(self) -> bool:
        """Whether its tasks cannot be had with the new values."""
        return self.state in FAILURES


def expected(service: Service) -> Rollout:
    """How a service's roll-out stands before anything is done: waiting, or not to be started and why."""
    label = service.task_definition_arn.rpartition("/")[2]
    reason = ""
    if service.controller == "CODE_DEPLOY":
        reason = "CodeDeploy replaces its tasks: start a deployment there, ECS refuses to."
    elif service.controller == "EXTERNAL":
        reason = "An external controller replaces its tasks: create a task set there, ECS refuses to."
    elif service.desired == 0:
        reason = "Its desiredCount is 0: no task runs that could prove the values; the next one to start reads them."
    elif not service.has_room:
        reason = (
            f"minimumHealthyPercent {service.minimum_healthy_percent} and maximumPercent {service.maximum_percent} let"
            " ECS neither start a new task nor stop an old one: change one of them, then run again."
        )
    return Rollout(service.name, "", label, "not-started" if reason else "waiting", service.desired, 0, reason)


def judge(rollout: Rollout, service: Service | None, stopped: Sequence[Task]) -> Rollout:
    """How a roll-out stands, by what ECS says of its service and of the tasks that stopped.

    One that is done can still fail, by a task that stops while others are watched.
    """
    if rollout.is_over and rollout.state != "done":
        return rollout
    if service is None:
        return replace(rollout, state="gone", reason=GONE)
    mine = next((d for d in service.deployments if d.id == rollout.deployment_id), None)
    seen = replace(rollout, state="rolling", desired=service.desired, running=mine.running if mine else 0)
    for task in stopped:
        if task.deployment_id == rollout.deployment_id and task.has_failed:
            return replace(seen, state="failed", reason=Stop(service, task).sentence)
    if rollout.state == "done":
        return rollout
    primary = service.primary
    if mine is None or mine.status != "PRIMARY":
        if service.rolled_back:
            told = mine.rollout_reason if mine else ""
            return replace(seen, state="rolled-back", reason=told or "The circuit breaker went back to an earlier one.")
        other = primary.id if primary else "another"
        told = f"Somebody else's deployment {other} has overtaken ours, {rollout.deployment_id}."
        return replace(seen, state="overtaken", reason=f"{told} Its tasks read the new values too: run verify.")
    if mine.rollout == "FAILED":
        return replace(seen, state="failed", reason=mine.rollout_reason)
    if service.desired == 0:
        return replace(seen, state="not-started", reason="Its desiredCount was set to 0 meanwhile.")
    if mine.task_definition_arn.rpartition("/")[2] != rollout.revision:
        return replace(seen, state="failed", reason=f"It runs {mine.task_definition_arn.rpartition('/')[2]} instead.")
    whole = mine.rollout == "COMPLETED" and mine.running == service.running == service.desired
    return replace(seen, state="done" if whole else "rolling")


def are_all_ours(rollout: Rollout, running: Sequence[Task] | None) -> bool:
    """Whether as many tasks run as are wanted, all of them of our deployment."""
    mine = [task.deployment_id for task in running or () if task.service == rollout.service and task.is_running]
    return running is not None and len(mine) == rollout.desired and set(mine) == {rollout.deployment_id}
