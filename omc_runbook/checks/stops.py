"""Why tasks stopped: what ECS wrote, told apart by the words that stay the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from omc_runbook.aws.ecs import Service, Task, TaskContainer
from omc_runbook.snapshot.state import Snapshot

OTHER_RESOURCES = re.compile(
    r"ecr registry auth|registry auth from ecr|logger|log stream|efs utils|volume", re.IGNORECASE
)
"""What else ECS may fail to get ready for a task, in the same words as secrets."""
MANY = 3
"""From how many failures on a whole service is not taken for well: it may be between two of them."""


@dataclass(frozen=True)
class Stop:
    """A task that stopped by a failure and is not older than what it could have failed on."""

    service: Service
    task: Task

    @property
    def reason(self) -> str:
        """What ECS wrote, with the containers' own reasons and exit codes."""
        containers = (_ending(container) for container in self.task.containers)
        return " ".join(filter(None, (self.task.stopped_reason, *containers)))

    @property
    def sentence(self) -> str:
        """When which task stopped and why, cut to one line."""
        when = f"{self.task.stopped:%H:%M:%S} UTC" if self.task.stopped else "just now"
        return f"Task {self.task.id[:8]} of {self.service.name} stopped at {when}: {_shorten(self.reason)}"

    @property
    def lacks_secrets(self) -> bool:
        """Whether ECS could not give the task its secrets, and not its image, its log or its volumes."""
        return self.reason.startswith("ResourceInitializationError") and not OTHER_RESOURCES.search(self.reason)

    @property
    def never_started(self) -> bool:
        """Whether its containers never ran."""
        return self.task.started is None


def fresh_stops(snapshot: Snapshot) -> Iterator[Stop]:
    """Failed tasks of the consumers, newest first, without those that stopped before the present state began.

    Evidence is stale when the task stopped before the current version came, before the service was made or got
    well, or when it belonged to a deployment that has ended; one that the breaker has just ended still counts.
    A task or two that a whole service has since replaced are no evidence either: tasks do die.
    """
    since = snapshot.current_since
    for service in snapshot.consumers:
        begun = [moment for moment in (since[0] if since else None, service.created, _well_since(service)) if moment]
        in_force = {deployment.id for deployment in service.deployments}
        ended = snapshot.last_failed(service) if service.rolled_back else None
        in_force |= {ended.deployment_id} if ended else set()
        stops = [
            Stop(service, task)
            for task in snapshot.stopped(service)
            if not (task.stopped and any(task.stopped < moment for moment in begun))
            and (not in_force or task.deployment_id in in_force)
        ]
        if len(stops) >= MANY or not _is_whole(service):
            yield from stops


def stops_saying(snapshot: Snapshot, pattern: str) -> tuple[Stop, ...]:
    """Fresh stops whose reason has a text in it."""
    wanted = re.compile(pattern, re.IGNORECASE)
    return tuple(stop for stop in fresh_stops(snapshot) if wanted.search(stop.reason))


def _ending(container: TaskContainer) -> str:
    code = f"({container.name}: exit code {container.exit_code})" if container.exit_code else ""
    return " ".join(filter(None, (container.reason, code)))


def _is_whole(service: Service) -> bool:
    """Whether a service's deployment came to its end, was not rolled back, and all tasks wanted run."""
    primary = service.primary
    done = primary is not None and primary.rollout == "COMPLETED" and service.running >= service.desired > 0
    return done and not service.rolled_back


def _well_since(service: Service) -> datetime | None:
    return service.primary.updated if service.primary and _is_whole(service) else None


def _shorten(text: str, head: int = 80, tail: int = 200) -> str:
    """Cut the middle out: ECS begins with the stage that failed and comes to the cause at the end."""
    flat = " ".join(text.split())
    return flat if len(flat) <= head + tail else f"{flat[:head]}…{flat[-tail:]}"
