"""Why tasks stopped: what ECS wrote, told apart by the words that stay the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omc_runbook.aws.ecs import Service, Task
from omc_runbook.snapshot.state import Snapshot

PULL_FAILED = "ResourceInitializationError"


@dataclass(frozen=True)
class Stop:
    """A task that stopped by a failure and is not older than what it could have failed on."""

    service: Service
    task: Task

    @property
    def reason(self) -> str:
        """What ECS wrote, with the containers' own reasons."""
        return " ".join(text for text in (self.task.stopped_reason, *(c.reason for c in self.task.containers)) if text)

    @property
    def sentence(self) -> str:
        """When which task stopped and why, cut to one line."""
        when = f"{self.task.stopped:%H:%M:%S} UTC" if self.task.stopped else "just now"
        return f"Task {self.task.id[:8]} of {self.service.name} stopped at {when}: {_shorten(self.reason)}"

    @property
    def never_started(self) -> bool:
        """Whether its containers never ran."""
        return self.task.started is None


def fresh_stops(snapshot: Snapshot) -> Iterator[Stop]:
    """Failed tasks of the consumers, newest first, without those that stopped before the present state began.

    Evidence is stale when the task stopped before the current version came, or ran another task definition than
    the deployments in force have.
    """
    since = snapshot.current_since
    for service in snapshot.consumers:
        in_force = {deployment.task_definition_arn for deployment in service.deployments}
        for task in snapshot.stopped(service):
            if since and task.stopped and task.stopped < since[0]:
                continue
            if in_force and task.task_definition_arn not in in_force:
                continue
            yield Stop(service, task)


def stops_saying(snapshot: Snapshot, pattern: str) -> tuple[Stop, ...]:
    """Fresh stops whose reason has a text in it."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return tuple(stop for stop in fresh_stops(snapshot) if wanted.search(stop.reason))


def _shorten(text: str, limit: int = 280) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
