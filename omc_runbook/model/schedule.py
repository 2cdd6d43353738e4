"""When runs are expected: `[[schedules]]` in runbook.toml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from omc_runbook.model.errors import UsageError
from omc_runbook.model.non_empty import NonEmpty
from omc_runbook.model.whole_number import MOST_MINUTES, WholeNumber


@dataclass(frozen=True)
class ScheduleState:
    """What is known of a schedule's last run, in a sentence, and whether one is missing since."""

    environment: str
    sentence: str
    is_overdue: bool


class Schedule(BaseModel):
    """One `[[schedules]]` entry: a runbook and its environment, and cron's expression for its runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runbook: NonEmpty
    environment: NonEmpty = "staging"
    cron: str = Field(pattern=r"\S")
    """When it runs, in this machine's time zone."""
    grace_minutes: WholeNumber = Field(default=60, gt=0, le=MOST_MINUTES)
    """How late a run may end."""

    @property
    def kind(self) -> tuple[str, str]:
        """Which runbook runs on which environment."""
        return self.runbook, self.environment

    def refuse_malformed(self, origin: str) -> None:
        """Raise UsageError where `cron` is no cron expression; without cronsim, nothing says whether it is.

        `origin` is what sets it: runbook.toml, or a variable.
        """
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            return
        try:
            CronSim(self.cron, datetime.min)
        except CronSimError:
            raise self._malformed(origin) from None

    def _malformed(self, origin: str = "runbook.toml") -> UsageError:
        of_what = f"of the schedule of {self.runbook} on {self.environment}"
        return UsageError(f'{origin}: {of_what}, "{self.cron}" is not a cron expression, such as 0 7 * * *.')

    def missed(self, last: datetime | None, now: datetime) -> datetime | None:
        """When a run was due that is neither there nor within its grace; None where none is missing.

        `last` is when the last run ended; one that ended in the future says nothing. Raises UsageError for an
        expression that is none, and without cronsim.
        """
        try:
            from cronsim import CronSim, CronSimError
        except ImportError:
            raise UsageError("Schedules need cronsim: pip install 'omc-runbook[notify]'.") from None
        grace = timedelta(minutes=self.grace_minutes)
        # Today's distance from UTC may be another than on the day of the run: cron goes by the clock on the wall.
        until = (now - grace).astimezone().replace(tzinfo=None)
        try:
            # What a clock that is put forward leaves out, one scheduler runs at once, and another not at all.
            due = next(
                moment
                for time in CronSim(self.cron, until, reverse=True)
                if (moment := time.astimezone()).replace(tzinfo=None) == time
            )
        except (CronSimError, StopIteration):
            raise self._malformed() from None
        return due if last is None or last < due or last > now + grace else None
