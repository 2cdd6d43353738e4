"""One environment of fleet.ipynb: verify, run headlessly in a process of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from omc_runbook.diagnosis import comparison
from omc_runbook.headless import places
from omc_runbook.headless import run as headless_run
from omc_runbook.headless.run import RunResult
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.model.findings import VERIFY
from omc_runbook.report.fleet import EnvironmentRun
from omc_runbook.runbooks.run import known_environment, on_look
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True, kw_only=True)
class Job:
    """An environment to look at, where its record goes, and the key of this run's fingerprints."""

    environment: Environment
    records: str
    """A folder, or an address in S3, which is called as `main` is, like for the record of the whole run."""
    main: str
    runbook_toml: str
    spare: str
    """The folder for what could not be uploaded."""
    key: bytes


def verify(job: Job) -> EnvironmentRun:
    """Run verify as `omc-runbook run verify` does, and return what it found, without a value."""
    snapshots = list[Snapshot]()
    on_look.set(snapshots.append)
    known_environment.set(job.environment)

    try:
        record_place = places.find(job.records, job.main, job.runbook_toml)
        words = job.environment.parameters.items()
        result = headless_run.run(VERIFY, words, record_place.folder, bucket=record_place.bucket)
    except RunbookError as error:
        return EnvironmentRun(failure=str(error), is_refused=isinstance(error, UsageError))
    return EnvironmentRun(
        outcome=result.outcome,
        page=result.address,
        unrecorded=_unrecorded(result, job.spare),
        facts=comparison.facts(snapshots[-1], job.key) if snapshots else None,
    )


def _unrecorded(result: RunResult, spare: str) -> str:
    """Why a record is not where it was asked to be, and where it is; "" where it is there."""
    if result.is_recorded or result.page is None:
        return result.failure
    # A worker's own folder for temporary files ends with the workers.
    folder = shutil.move(result.page.parent, spare)
    return f"{result.failure} It is {folder}/{result.page.name}."
