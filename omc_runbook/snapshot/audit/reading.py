"""Reads what an audit needs besides the snapshot, every part at once."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.audit import accesses, identities, monitoring
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot


def read(gatherer: Gatherer, snapshot: Snapshot, days: int, checkout: Checkout | None) -> Snapshot:
    """Add the audit; what could not be read becomes a gap.

    `days` says how far back events are looked up. With a `checkout`, its files are searched too.
    """
    asked_identities = identities.request(gatherer, snapshot)
    requested_accesses = accesses.request(gatherer, snapshot, days)
    requested_monitoring = monitoring.request(gatherer, snapshot)
    audit = Audit(
        days=days,
        identities=asked_identities.finish(snapshot),
        monitoring=requested_monitoring(),
        accesses=requested_accesses(),
    )
    return replace(snapshot, audit=audit)
