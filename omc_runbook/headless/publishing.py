"""Publishes a run's outcome: notifies who is to know of it, and writes the formats that other programs read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omc_runbook.headless import exports, notebooks, places
from omc_runbook.headless.exports import Export
from omc_runbook.model.errors import RunbookError
from omc_runbook.model.findings import Notification, Outcome
from omc_runbook.report.archive import record

if TYPE_CHECKING:
    from omc_runbook.model.environment import Environment
    from omc_runbook.report.archive.bucket import S3Folder

Publish = Callable[[Outcome, str], Outcome]
"""Publishes an outcome, and where its record is ("" for none); returns it with its notifications."""


HEAD_START = 1.0
"""Seconds that the call of a watcher has before messages are sent beside it."""


@contextmanager
def exported_failures(runbook: str, environment: str, targets: Sequence[Export]) -> Iterator[None]:
    """Export the failure of a run that cannot begin, so that older files are not taken for its own."""
    started, own_umask = datetime.now(UTC), exports.read_umask()
    try:
        yield
    except RunbookError as error:
        failed = record.mask(Outcome.of_failure(runbook, environment, started, str(error)))
        for each in _export(failed, targets, own_umask):
            error.add_note(f"Not written to {each.receiver}: {each.failure}")
        raise


def publish_nothing(outcome: Outcome, _record: str) -> Outcome:
    """Publish nothing."""
    return outcome


def publisher(
    runbook: str, parameters: Mapping[str, str], folder: Path | S3Folder, targets: Sequence[Export], notifies: bool
) -> Publish:
    """What publishes the outcome of a run with these parameters, whose records are in the folder, or in S3.

    Runs that can change something notify nobody: a person began them. Raises UsageError for a runbook.toml that cannot
    be read.
    """
    # A run's own files are private, those for other programs as the user's files are.
    own_umask = exports.read_umask()
    settings: Environment | None = None
    if notifies and not notebooks.describe(runbook).can_change:
        from omc_runbook.model import environment

        name = places.signs_in(runbook, parameters)
        # An environment that does not exist is reported by the run, also to receivers of "unknown".
        settings = environment.load(name, parameters.get("runbook_toml", ""), may_be_new=True)

    if settings is None or not remembers(runbook, settings):
        return lambda outcome, _record: replace(outcome, notifications=_export(outcome, targets, own_umask))
    from omc_runbook.headless import notify

    who, profile, project = settings.notify, settings.names.profile, settings.project
    start_ping = notify.Ping(who, "/start") if who.ping else None

    def publish(outcome: Outcome, record: str) -> Outcome:
        suffix = "/fail" if outcome.status in ("unknown", "failed") else ""
        if start_ping:
            start_ping.wait(HEAD_START)
        end_ping = notify.Ping(who, suffix) if who.ping else None
        outcome = replace(outcome, notifications=_export(outcome, targets, own_umask))
        if end_ping:
            # Mostly it has been answered by then; one that hangs holds up no message.
            end_ping.wait(HEAD_START)
        outcome = notify.report(outcome, folder, who, profile, project, record)
        failures = (start_ping.result() if start_ping else ()) or (end_ping.result() if end_ping else ())
        return replace(outcome, notifications=(*outcome.notifications, *failures))

    return publish


def remembers(runbook: str, settings: Environment) -> bool:
    """Whether a runbook's last run is remembered beside its records: who is notified, and what is overdue, need it."""
    if notebooks.describe(runbook).can_change:
        return False
    return not settings.notify.is_empty or any(each.runbook == runbook for each in settings.schedules)


def topics(runbook: str, settings: Environment) -> tuple[str, ...]:
    """The ARNs of the SNS topics to which a run's messages are published; none for a runbook that can change."""
    from omc_runbook.model.notify import sns_topics

    notify = settings.notify
    return () if notebooks.describe(runbook).can_change else sns_topics(notify.everybody)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Let files that are made not have these bits of their mode."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _export(outcome: Outcome, targets: Sequence[Export], own_umask: int) -> tuple[Notification, ...]:
    """Write an outcome in some formats; what fails is reported with the notifications."""
    failures = []
    with umask(own_umask):
        for target in targets:
            try:
                exports.write(outcome, target)
            except OSError as error:
                name = f"{target.format}={target.path}"
                failures.append(Notification(name, "findings", f"{error.strerror or error}."))
    return tuple(failures)
