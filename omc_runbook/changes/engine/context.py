"""What a change of an environment is carried out with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy.rollout import Clock, Show
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True, kw_only=True)
class ChangeContext:
    """Clients, and what reads the environment, shows roll-outs, hears each step's name and keeps the time."""

    clients: Clients
    cluster: str
    look: Callable[[], Snapshot]
    show: Show
    announce: Callable[[str], None]
    clock: Clock
