"""Values inside running tasks: which version of the secret each variable of a process has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from omc_runbook.aws.execute import ExecFailure

ABSENT = ""
"""Marks a variable that does not exist."""
OTHER = "other"
"""Marks a value that no readable version of the secret has."""
UNSEEN = "unseen"
"""Marks an unknown value: its process cannot be read, or its version cannot."""


@dataclass(frozen=True, kw_only=True)
class HeldValue:
    """A variable's value as ECS injected it into the container, and in a process of the application.

    `injected` and `process` are the id of a version of the secret with this value (the one that the reference names,
    else the newest), OTHER, ABSENT or UNSEEN.
    """

    variable: str
    key: str
    injected: str
    process: str
    has_reference: bool = True
    """Whether the task definition injects it; otherwise it comes from the image, or a file in it."""
    file: str = ""
    """The path of a .env file in the container that sets it; "" for none."""
    expected: str = ""
    """The id of the version that the reference names now; "" where it names another secret, or none."""
    differs: bool = False
    """Whether the process has another value than ECS injected, or none; digests show that without any version."""

    @property
    def is_stale(self) -> bool:
        """Whether ECS injected another value than that of the version that the reference names."""
        return bool(self.expected) and self.injected not in (self.expected, ABSENT, UNSEEN)

    @property
    def is_fresh(self) -> bool:
        """Whether ECS injected the value of the version that the reference names."""
        return bool(self.expected) and self.injected == self.expected


@dataclass(frozen=True, kw_only=True)
class ExecLook:
    """The values inside one container of one task; `refused` says why they could not be read."""

    service: str
    task_id: str
    container: str
    refused: ExecFailure | None = None
    process: str = ""
    """The process that was read, by id and name: "1 (python)"."""
    started: datetime | None = None
    """When that process started."""
    values: Mapping[str, HeldValue] = field(default_factory=dict)
    """The values by variable."""
    is_unkeyed: bool = False
    """Whether no digest was sent, for want of a strong value to key it with."""
