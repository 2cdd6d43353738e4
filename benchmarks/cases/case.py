"""What a case is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc_runbook.sandbox.worlds.staging import World


@dataclass(frozen=True, kw_only=True)
class Case:
    """A world made through AWS's API alone, and what its author expects troubleshoot to name."""

    title: str
    make: Callable[[World], str | None]
    """Makes the world with the boto3 clients of `World`, and gives the runbook.toml for it, if it needs one."""
    expected: tuple[str, ...] = ()
    """The ids of the checks that have to be root causes or errors: none in a healthy world."""
    consequences: tuple[str, ...] = ()
    """Other errors that are rightly named, as consequences of the expected ones."""
    symptom: str = ""
    """The complaint, as of `-p symptom`."""
    starts_healthy: bool = True
    """Whether the world starts as the sandbox's healthy one, else as an empty account."""
