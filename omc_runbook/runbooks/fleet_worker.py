"""One environment of fleet.ipynb: verify, run headlessly in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omc_runbook.diagnosis import comparison
from omc_runbook.headless import run as headless_run
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.report.fleet import VERIFY, EnvironmentRun, parameters
from omc_runbook.runbooks.run import known_environment, on_look
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True, kw_only=True)
class Job:
    """An environment to look at, where its record goes, and the key of this run's fingerprints."""

    environment: Environment
    folder: Path
    key: bytes


def verify(job: Job) -> EnvironmentRun:
    """Run verify as `omc-runbook run verify` does, and return what it found, without a value."""
    snapshots, outcomes = list[Snapshot](), list[Outcome]()
    on_look.set(snapshots.append)
    known_environment.set(job.environment)

    def note(outcome: Outcome) -> Outcome:
        outcomes.append(outcome)
        return outcome

    try:
        result = headless_run.run(VERIFY, parameters(job.environment).items(), job.folder, publish=note)
    except RunbookError as error:
        return EnvironmentRun(failure=str(error), is_refused=isinstance(error, UsageError))
    facts = comparison.facts(snapshots[-1], job.key) if snapshots else None
    return EnvironmentRun(outcome=outcomes[-1], page=result.page, facts=facts)
