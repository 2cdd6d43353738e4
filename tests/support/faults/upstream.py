"""Faults of the family upstream, each made in a healthy snapshot."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import (
    NOW,
    rotated,
    stuck,
    values,
)

from omc_runbook.aws.ecs import TaskContainer
from omc_runbook.snapshot.state import Snapshot

EXITED: dict[str, Any] = {
    "started": NOW,
    "stop_code": "EssentialContainerExited",
    "containers": (TaskContainer("worker", 1, ""),),
}
REFUSED = 'FATAL: password authentication failed for user "app"'


def deployed(snapshot: Snapshot) -> Snapshot:
    """Let the running tasks be newer than the current version."""
    created = NOW - timedelta(minutes=20)
    return replace(snapshot, tasks=tuple(replace(task, created=created, started=created) for task in snapshot.tasks))


def saying(snapshot: Snapshot, line: str, service: str = "worker", **changes: Any) -> Snapshot:
    """Let a service's new tasks fail with a line in their log."""
    with_failures = stuck(deployed(snapshot), service, "Essential container in task exited", **{**EXITED, **changes})
    lines = (f"The log of {service} says: {line}",)
    return replace(with_failures, log_lines={task.id: lines for task in with_failures.tasks if task.stopped})


def changed(line: str = REFUSED, key: str = "POSTGRES_PASSWORD", service: str = "worker") -> Callable[..., Snapshot]:
    """Give a key another value half an hour ago, and let tasks say a line."""
    at = NOW - timedelta(minutes=30)
    return lambda snapshot: saying(
        rotated(snapshot, at, **{key: values().get(key) or secrets.token_hex(16)}), line, service
    )


REFUSED_VALUE = "1 validation error for Settings: OPENAI_API_KEY: String should match pattern"
FAULTS = {
    "store-only": Fault(
        changed(), "POSTGRES_PASSWORD", "differs between AWSPREVIOUS and the current version", "worker"
    ),
    "value-refused": Fault(
        changed(REFUSED_VALUE, "OPENAI_API_KEY"),
        "OPENAI_API_KEY",
        "Settings refuses OPENAI_API_KEY: it does not match the pattern",
        "worker",
    ),
}

SHOWN: Shown = {
    "value-refused": lambda s: "POSTGRES_PORT" in s.log("worker"),
    "store-only": lambda s: "password authentication failed for user" in s.log("worker"),
}
