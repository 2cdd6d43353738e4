"""One environment of fleet.ipynb: verify, run headlessly in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omc_runbook.diagnosis import comparison
from omc_runbook.headless import run as headless_run
from omc_runbook.model.errors import RunbookError
from omc_runbook.model.findings import Outcome
from omc_runbook.report.fleet import VERIFY, EnvironmentRun
from omc_runbook.runbooks.run import on_look
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True, kw_only=True)
class Job:
    """An environment to look at, where its record goes, and the key of this run's fingerprints."""

    environment: str
    runbook_toml: str
    folder: Path
    key: bytes


def verify(job: Job) -> EnvironmentRun:
    """Run verify as `omc-runbook run verify` does, and return what it found, without a value."""
    snapshots, outcomes = list[Snapshot](), list[Outcome]()
    on_look.set(snapshots.append)

    def note(outcome: Outcome) -> Outcome:
        outcomes.append(outcome)
        return outcome

    parameters = {"environment": job.environment, "runbook_toml": job.runbook_toml}
    pairs = [(name, text) for name, text in parameters.items() if text]
    try:
        result = headless_run.run(VERIFY, pairs, job.folder, publish=note)
    except RunbookError as error:
        return EnvironmentRun(failure=str(error))
    facts = comparison.facts(snapshots[-1], job.key) if snapshots else None
    return EnvironmentRun(outcome=outcomes[-1], page=result.page, facts=facts)
