"""A fault: one thing that can be wrong with an environment, and how to inject it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc_runbook.sandbox.worlds.staging import World


@dataclass(frozen=True)
class Fault:
    """One fault; `apply` injects it into a healthy world and may return before the services are settled."""

    family: str
    id: str
    breaks: str
    apply: Callable[[World], object]
    symptom: str = ""
    """What somebody would report of it; "" where that is seen from the services."""
    needs_compose: bool = False
    """Whether nobody sees it where Docker Compose is not installed."""
