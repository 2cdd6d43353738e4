"""What a look inside a running task showed: which version's value each variable of its process holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from omc_runbook.aws.execute import Refused

ABSENT = ""
"""What a variable holds that is not there."""
OTHER = "other"
"""What a variable holds that no version of the secret, which is kept and was read, has."""
UNSEEN = "unseen"
"""What a variable holds that cannot be told: its process may not be looked at, or its version may not be read."""
Place = Literal["injected", "process"]


@dataclass(frozen=True)
class HeldValue:
    """What one variable holds, in the container's environment as ECS made it and in a process of the application.

    Each is the id of a version of the secret that has this value (the one that the reference means, else the newest
    that has it), OTHER, ABSENT or UNSEEN.
    """

    variable: str
    key: str
    injected: str
    process: str
    has_reference: bool = True
    """Whether the task definition injects it; one without comes from the image, or from a file in it."""
    file: str = ""
    """The path of a .env file in the container that names it; "" where there is none."""
    meant: str = ""
    """The id of the version that the reference means now; "" where it means another secret, or none."""
    differs: bool = False
    """Whether the process has another value than ECS injected, or none; digests tell that without any version."""

    @property
    def is_stale(self) -> bool:
        """Whether ECS injected another value than the version has that the reference means."""
        return bool(self.meant) and self.injected not in (self.meant, ABSENT, UNSEEN)

    @property
    def is_fresh(self) -> bool:
        """Whether ECS injected the value of the version that the reference means."""
        return bool(self.meant) and self.injected == self.meant


@dataclass(frozen=True)
class ExecLook:
    """What a look into one container of one task showed; `refused` tells why it showed nothing."""

    service: str
    task_id: str
    container: str
    refused: Refused | None = None
    process: str = ""
    """The process that was looked at, by number and name: "1 (python)"."""
    started: datetime | None = None
    """When that process began."""
    held: Mapping[str, HeldValue] = field(default_factory=dict)
    """By variable."""
