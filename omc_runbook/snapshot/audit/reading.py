"""Reads what an audit needs besides the snapshot, every part at once."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws import secretsmanager
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.audit.accesses import AccessesRead, history_since
from omc_runbook.snapshot.audit.exposure import ExposureRead
from omc_runbook.snapshot.audit.identities import IdentitiesRead
from omc_runbook.snapshot.audit.lifecycle import LifecycleRead
from omc_runbook.snapshot.audit.monitoring import MonitoringRead
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import HistoryRead
from omc_runbook.snapshot.state import Snapshot

LIVES, UNUSED = "lives", "unused"
"""The fields of the gaps of what is read here: the versions of the secret, and the project's secrets."""


def read(gatherer: Gatherer, snapshot: Snapshot, days: int, checkout: Checkout | None) -> Snapshot:
    """Add the audit; what could not be read becomes a gap.

    `days` says how far back events are looked up. With a `checkout`, its files are searched too.
    """
    identities = IdentitiesRead(gatherer, snapshot)
    versions = HistoryRead(gatherer, snapshot, history_since(gatherer, snapshot))
    accesses = AccessesRead(gatherer, snapshot, days)
    monitoring = MonitoringRead(gatherer, snapshot)
    exposure = ExposureRead(gatherer, snapshot, checkout)
    project = gatherer.environment.project
    secrets = gatherer.read(
        f"the secrets of {project}", "secretsmanager:ListSecrets", secretsmanager.list_secrets, project
    )
    lifecycle = LifecycleRead(gatherer, snapshot)
    history = versions.finish()
    gatherer.record(LIVES, (*(each.unread for each in history.versions if each.unread), *history.unread))
    audit = Audit(
        days=days,
        identities=identities.finish(),
        monitoring=monitoring.finish(),
        accesses=accesses.finish(),
        history=history,
        exposure=exposure.finish(history),
        project_secrets=gatherer.keep(UNUSED, secrets, ()),
        lifecycle=lifecycle.finish(),
    )
    return replace(snapshot, audit=audit)
