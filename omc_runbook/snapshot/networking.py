"""Reading the network that the consumers' tasks stand in, and what it lets through."""

from __future__ import annotations

from omc_runbook.aws.ec2 import Network
from omc_runbook.snapshot.asking import Asking
from omc_runbook.snapshot.state import Snapshot


def read(asking: Asking, snapshot: Snapshot) -> Network | None:
    """Read it at once: what could not be read becomes a gap of "network"."""
    return None
