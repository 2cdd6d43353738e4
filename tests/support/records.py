"""Records of runs, as tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
from support.outcomes import NOW, an_outcome

from omc_runbook.headless import overview
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.model.schedule import ScheduleState
from omc_runbook.report.archive import index_page, kept_records, stems, table_files
from omc_runbook.report.archive.kept_records import KeptRecord
from omc_runbook.report.archive.record import Record
from omc_runbook.report.display.table import Table


def keep(folder: Path, outcome: Outcome, tables: Mapping[str, Table] | None = None) -> Record:
    """Leave the record of a run in a folder, with its tables."""
    record = Record(folder, stems.make(outcome.runbook, outcome.environment, outcome.started))
    draft = Record(folder / "draft", record.stem)
    draft.folder.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A run")])
    if tables:
        table_files.hand_over(draft.outcome, tables)
    kept_record = kept_records.save(notebook, outcome, draft, record)
    for path in draft.folder.iterdir():
        path.unlink()
    draft.folder.rmdir()
    return kept_record


CAUSE = Finding(check="no-permission", family="access", title="It may not read", status="found", subject="a-role")
UNSEEN = replace(CAUSE, status="unknown", evidence=("iam:GetRole is missing.",))
CHANGE = Change(action="changed", key="SECRET_KEY", version="v")


def hour(number: int) -> datetime:
    """So many hours after `NOW`."""
    return NOW + timedelta(hours=number)


def ended(number: int, *findings: Finding, **members: object) -> Outcome:
    """The outcome of a run that ended so many hours after `NOW`."""
    return an_outcome(started=hour(number), finished=hour(number), findings=findings, **members)


def as_read(outcome: Outcome) -> KeptRecord:
    """The record of a run, as it is read."""
    stem = stems.parse(stems.make(outcome.runbook, outcome.environment, outcome.started))
    assert stem
    return KeptRecord(
        title=f"{outcome.runbook} on it",
        end=kept_records.end_of(outcome),
        finished=outcome.finished,
        page=Path(f"{stem.text}.html"),
        stem=stem,
        outcome=outcome,
    )


def an_index() -> str:
    """An index page with every mark, an open problem, and a schedule that is overdue."""
    plan = {"runbook": "rotate", "plan": ("SECRET_KEY would change.",)}
    outcomes = [
        *(ended(number) for number in range(40)),
        ended(40, UNSEEN),
        ended(41, failure="It ended."),
        ended(42, CAUSE),
        ended(43, **plan),
        ended(44, **plan, applied=True, changes=(CHANGE,)),
        ended(45, environment="production"),
    ]
    late = ScheduleState("staging", "verify on staging: due, it never ran.", True)
    records = [as_read(outcome) for outcome in reversed(outcomes)]
    return index_page.render(overview.environments(records, [late]), ("A note.",), hour(50))
