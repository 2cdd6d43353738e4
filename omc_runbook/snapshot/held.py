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
Place = Literal["injected", "process"]


@dataclass(frozen=True)
class Held:
    """What one variable holds, in the container's environment as ECS made it and in a process of the application.

    Each is the id of the newest version of the secret that has this value, OTHER, or ABSENT.
    """

    variable: str
    key: str
    injected: str
    process: str
    has_reference: bool = True
    """Whether the task definition injects it; one without comes from the image, or from a file in it."""
    file: str = ""
    """The path of a .env file in the container that names it; "" where there is none."""


@dataclass(frozen=True)
class Inside:
    """What a look into one container of one task showed; `refused` tells why it showed nothing."""

    service: str
    task_id: str
    container: str
    refused: Refused | None = None
    process: str = ""
    """The process that was looked at, by number and name: "1 (python)"."""
    started: datetime | None = None
    """When that process began."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """By variable."""
