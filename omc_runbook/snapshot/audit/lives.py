"""Reads the lives of the secret's values: every version with its content, and who wrote it."""

from __future__ import annotations

from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import HistoryRead
from omc_runbook.snapshot.version_history import VersionHistory

FIELD = "lives"
"""The field of its gaps."""


def finish(gatherer: Gatherer, reading: HistoryRead) -> VersionHistory:
    """Wait for the history; a version that could not be read, and a call of CloudTrail, is a gap."""
    history = reading.finish()
    unread = [each.unread for each in history.versions if each.unread]
    gatherer.record(FIELD, (*unread, *history.unread))
    return history
