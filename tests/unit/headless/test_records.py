"""`omc-runbook records`: what it lists, checks, prunes and opens."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from support.outcomes import NOW, an_outcome
from support.terminal import ended_with

from omc_runbook.model.findings import Outcome
from omc_runbook.report.archive import kept_records, stems
from omc_runbook.report.archive.record import Record


def keep(folder: Path, outcome: Outcome) -> Record:
    """Leave the record of a run in a folder."""
    record = Record(folder, stems.make(outcome.runbook, outcome.environment, outcome.started))
    draft = Record(folder / "draft", record.stem)
    draft.folder.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A run")])
    kept = kept_records.save(notebook, outcome, draft, record)
    for path in (draft.notebook, draft.page, draft.outcome):
        path.unlink()
    draft.folder.rmdir()
    return kept


def test_a_changed_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 while all are as they were left, 1 with the file, and 3 for a folder without a record."""
    older = keep(tmp_path, an_outcome(started=NOW.replace(hour=2)))
    newer = keep(tmp_path, an_outcome())
    lines = [f"intact      {newer.stem}", f"intact      {older.stem}", "2 intact."]
    code, out, _ = ended_with(capsys, "records", "--check", str(tmp_path))
    assert (code, out.splitlines()) == (0, lines)
    older.page.write_text("<p>another page</p>")
    code, out, _ = ended_with(capsys, "records", "--check", "--record", str(tmp_path))
    lines[1:] = [f"changed     {older.stem}: {older.page.name}", "1 intact, 1 changed."]
    assert (code, out.splitlines()) == (1, lines)
    code, _, error = ended_with(capsys, "records", "--check", str(tmp_path / "none"))
    assert (code, error) == (3, f"error: {tmp_path / 'none'} cannot be read: No such file or directory.\n")
