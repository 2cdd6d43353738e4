"""What a change of one environment needs to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy.rollout import Clock, Show
from omc_runbook.model.change import Tell, tell_nobody
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True, kw_only=True)
class ChangeContext:
    """The AWS clients, and callbacks: `look` reads the environment, `announce` takes the name of each step.

    `tell` takes changes that are in force. `announce` and `clock.sleep` may raise Cancelled, between the beginning
    of the redeployment and the end of its watch, and KeyboardInterrupt.
    """

    clients: Clients
    cluster: str
    look: Callable[[], Snapshot]
    show: Show
    announce: Callable[[str], None]
    clock: Clock
    tell: Tell = tell_nobody
