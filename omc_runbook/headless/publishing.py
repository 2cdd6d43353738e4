"""Publishes a run's outcome: notifies who is to know of it, and writes the formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from omc_runbook.headless import exports, notebooks
from omc_runbook.headless.exports import Export
from omc_runbook.model.findings import Notification, Outcome

if TYPE_CHECKING:
    from omc_runbook.model.environment import Environment

Publish = Callable[[Outcome], Outcome]
"""Publishes an outcome, and returns it with its notifications."""


def nothing(outcome: Outcome) -> Outcome:
    """Publish nothing."""
    return outcome


def publisher(
    runbook: str, parameters: Mapping[str, str], folder: Path, targets: Sequence[Export], notifies: bool
) -> Publish:
    """What publishes the outcome of a run with these parameters, whose records are in the folder.

    Runs that can change something notify nobody: a person began them. Raises UsageError for a runbook.toml that cannot
    be read.
    """
    settings: Environment | None = None
    if notifies and not notebooks.describe(runbook).can_change:
        from omc_runbook.model import environment

        settings = environment.load(parameters.get("environment", "staging"), parameters.get("runbook_toml", ""))

    def publish(outcome: Outcome) -> Outcome:
        failures = [_export(outcome, target) for target in targets]
        outcome = replace(outcome, notifications=tuple(filter(None, failures)))
        if settings is None or not (settings.notify.findings or settings.notify.unknown):
            return outcome
        from omc_runbook.headless import notify

        return notify.report(outcome, folder, settings.notify, settings.names.profile)

    return publish


def _export(outcome: Outcome, target: Export) -> Notification | None:
    """Write one format; what fails is reported with the notifications."""
    try:
        exports.write(outcome, target)
    except OSError as error:
        return Notification(f"{target.format}={target.path}", "findings", f"{error.strerror or error}.")
    return None
