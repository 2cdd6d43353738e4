"""An environment of a run that could not be looked at, and what its outcome says of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.findings import ENVIRONMENT_UNREAD, NO_REMEDY, Finding, Remedy, TargetOutcome
from omc_runbook.model.handover import ENDPOINT_VARIABLE

if TYPE_CHECKING:
    from omc_runbook.model.environment import Environment


@dataclass(frozen=True)
class UnreadTarget:
    """An environment that could not be looked at while others could, and the error that says why."""

    position: int
    """How many of the run's environments come before it."""
    environment: Environment
    error: RunbookError

    @property
    def line(self) -> str:
        """The environment, and why it could not be looked at."""
        return f"{self.environment.name}: {self.error}"

    def finding(self, again: Remedy) -> Finding:
        """That it could not be looked at; `again` looks, unless something must be corrected first."""
        return unread(self.line, NO_REMEDY if isinstance(self.error, UsageError) else again)

    @property
    def outcome(self) -> TargetOutcome:
        """How a run ended on it: nothing of it is known."""
        return TargetOutcome(
            environment=self.environment.name,
            account=self.environment.names.account,
            region=self.environment.names.region,
            endpoint=os.environ.get(ENDPOINT_VARIABLE, ""),
            status="unknown",
        )


def unread(evidence: str, remedy: Remedy, subject: str = "") -> Finding:
    """The finding of an environment that could not be looked at; its `evidence` begins with the environment's name."""
    return Finding(
        check=ENVIRONMENT_UNREAD,
        family="environment",
        title="An environment could not be looked at",
        status="unknown",
        subject=subject,
        evidence=(evidence,),
        remedy=remedy,
    )


def not_looked_at(names: Sequence[str]) -> str:
    """Which environments could not be looked at, in a sentence; "" for none."""
    return notice(f"{', '.join(names)}.") if names else ""


def notice(line: str) -> str:
    """That an environment could not be looked at; the line begins with its name and says why."""
    return f"Not looked at: {line}"


def for_others(names: Sequence[str]) -> str:
    """How the first environment's command becomes another's; "" where there is no other."""
    return f"For another one, put its name in place of {names[0]}." if names[1:] else ""
