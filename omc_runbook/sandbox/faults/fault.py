"""A fault: one thing that can be wrong with an environment, and how to bring it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc_runbook.sandbox.worlds.staging import World


@dataclass(frozen=True)
class Fault:
    """One fault; `apply` makes it in a healthy world and may return before the services are at rest."""

    id: str
    family: str
    breaks: str
    apply: Callable[[World], None]
