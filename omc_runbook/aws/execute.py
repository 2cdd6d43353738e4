"""ECS Exec: one command in a container of a running task, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient

Why = Literal["off", "agent", "denied", "network", "no-shell", "no-tool", "session", "timeout"]
"""Why nothing came back: not enabled for the task; its agent is not connected; this caller may not; the session's
address is not reached; the container has no shell; it lacks a program; the session failed; it took too long."""


@dataclass(frozen=True)
class Refused:
    """A command that was not run to its end, why, and AWS's or the session's own words."""

    why: Why
    words: str
    permission: str = ""
    """The permission that the caller lacks, where that is why."""


def run(
    client: ECSClient, cluster: str, task_arn: str, container: str, command: str, plugin: str = "", seconds: float = 20
) -> str | Refused:
    """Run a command in a container, as root, and give back what it wrote; nothing is sent to its input.

    ECS splits the words and runs them with no shell. `plugin` is the path of session-manager-plugin; "" uses our own
    client of its protocol. See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ExecuteCommand.html
    """
    raise NotImplementedError
