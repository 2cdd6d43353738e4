"""The schedules of runbook.toml, and whether their runs take place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omc_runbook.headless import last_run, notebooks
from omc_runbook.headless.last_run import LastRun
from omc_runbook.model.environment import LOCAL, load, origin_of
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import FLEET, VERIFY
from omc_runbook.model.runbook_file import FILE_NAME
from omc_runbook.model.schedule import Schedule, ScheduleState

if TYPE_CHECKING:
    from omc_runbook.report.archive.bucket import S3Folder


def read(folder: Path | S3Folder, now: datetime | None = None, runbook_toml: str = "") -> list[ScheduleState]:
    """The state of each schedule of a runbook.toml, whose records are in a folder or in S3.

    Raises UsageError for a wrong runbook.toml, an unknown runbook, and one whose runs `publishing` does not remember.
    """
    now = now or datetime.now().astimezone()
    states = []
    settings = load(LOCAL, runbook_toml)
    refuse_unsuitable(settings.schedules)
    for schedule in settings.schedules:
        if schedule.runbook == FLEET:
            last = last_run.read_fleet(folder, schedule.environment, settings.project)
        else:
            last = last_run.read(folder, *schedule.kind, project=settings.project)
        due = schedule.missed(last.finished if isinstance(last, LastRun) else None, now)
        ended = _ended(last, now) if isinstance(last, LastRun) else last or "it never ran"
        if due and schedule.runbook == VERIFY:
            looked_at = last_run.read_looked_at(folder, schedule.environment, settings.project, now)
            if looked_at and not schedule.missed(looked_at, now):
                why = f"; {last}" if isinstance(last, str) and last else ""
                due, ended = None, f"fleet ran it, and ended {looked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{why}"
        since = f"due {due:%Y-%m-%d %H:%M %Z} by {schedule.cron}, " if due else ""
        sentence = f"{schedule.runbook} on {schedule.environment}: {since}{ended}."
        states.append(ScheduleState(schedule.environment, sentence, due is not None))
    return states


def refuse_unsuitable(expected: Iterable[Schedule]) -> None:
    """Raise UsageError for a schedule of a runbook that there is not, or whose runs are not remembered."""
    origin = origin_of("schedules")
    where = f"[[schedules]] of {origin}" if origin == FILE_NAME else origin
    for schedule in expected:
        try:
            can_change = notebooks.describe(schedule.runbook).can_change
        except UsageError as error:
            raise UsageError(f"{error} {where} names it.", error.hint) from None
        if can_change:
            raise UsageError(
                f"{origin}: {schedule.runbook} can change something: schedule only runbooks that read, such as verify."
            )


def _ended(last: LastRun, now: datetime) -> str:
    ended = f"the last run ended {last.finished:%Y-%m-%d %H:%M} UTC ({last.status})"
    return f"{ended}, which is in the future: this machine's clock is or was wrong" if last.finished > now else ended
