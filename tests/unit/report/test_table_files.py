"""The tables of a run as files: what is in them, and that they belong to its record from its seal to its removal."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from support.outcomes import NOW, an_outcome
from support.records import keep

from omc_runbook.headless import overview
from omc_runbook.masking import registry
from omc_runbook.model.records import RecordSettings
from omc_runbook.report.archive import kept_records, retention, table_files
from omc_runbook.report.display.table import Table

READERS = Table("Who can read", ["principal", "last used"], [["a-role", "never"], ['=HYPERLINK("x")', "a,b\nc"]])


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.reader(file)]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", " =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
)
def test_a_spreadsheet_computes_no_cell(cell: str) -> None:
    """A name that begins as a formula begins with an apostrophe, in CSV alone."""
    table = Table("t", ["name"], [[cell]])
    (_, (inert,)) = csv.reader(io.StringIO(table_files.to_csv(table), newline=""))
    assert inert.startswith("'") and inert.endswith(cell.strip()[-2:])
    assert json.loads(table_files.to_json(table)) == [{"name": cell}]


def test_tables_are_files_of_the_record(tmp_path: Path) -> None:
    """CSV and JSON, mode 600, sealed: one that was edited or is missing is found."""
    record = keep(tmp_path, an_outcome(), {"who_reads": READERS})
    as_csv, as_json = record.table_files
    assert [as_csv.name, as_json.name] == [f"{record.stem}-who_reads.csv", f"{record.stem}-who_reads.json"]
    assert rows(as_csv) == [["principal", "last used"], ["a-role", "never"], ['\'=HYPERLINK("x")', "a,b\nc"]]
    assert json.loads(as_json.read_text())[1] == {"principal": '=HYPERLINK("x")', "last used": "a,b\nc"}
    assert {path.stat().st_mode & 0o777 for path in record.files} == {0o600}
    assert [each.state for each in kept_records.check(tmp_path)] == ["intact"]
    as_csv.write_text("principal\n")
    assert [(each.state, each.files) for each in kept_records.check(tmp_path)] == [("changed", (as_csv.name,))]
    as_csv.unlink()
    assert [(each.state, each.files) for each in kept_records.check(tmp_path)] == [("missing", (as_csv.name,))]


def test_runs_of_one_second_have_their_own_tables(tmp_path: Path) -> None:
    """The second run's have its number, and are its own."""
    first, second = (keep(tmp_path, an_outcome(), {"ages": READERS}) for _ in range(2))
    assert second.table_files[0].name == f"{first.stem}-2-ages.csv"
    assert [len(each.tables) for each in kept_records.read(tmp_path)] == [2, 2]
    assert [each.state for each in kept_records.check(tmp_path)] == ["intact", "intact"]


def test_tables_go_with_their_record(tmp_path: Path) -> None:
    """Before its notebook; those of another run, and files of a person's own, stay."""
    old = keep(tmp_path, an_outcome(started=NOW - timedelta(days=500)), {"ages": READERS})
    new = keep(tmp_path, an_outcome(), {"ages": READERS})
    own = tmp_path / "my-ages.csv"
    own.touch()
    (removal,) = retention.plan(tmp_path, RecordSettings(keep_days=400), NOW)
    assert {*removal.files} == {*old.table_files, old.notebook, old.page, old.own_outcome}
    assert removal.files[-1] == old.notebook
    retention.apply([removal])
    assert all(path.exists() for path in (*new.files, own)) and not list(tmp_path.glob(f"{old.stem}*"))


def test_the_index_page_leads_to_the_tables_of_the_last_run(tmp_path: Path) -> None:
    """By relative links to files that are there."""
    keep(tmp_path, an_outcome(started=NOW - timedelta(days=1), finished=NOW - timedelta(days=1)), {"old": READERS})
    record = keep(tmp_path, an_outcome(), {"ages": READERS, "readers": READERS})
    page = overview.write(tmp_path).read_text()
    assert "Tables of the last run: ages (<a" in page and "old (" not in page
    assert [f'href="{path.name}"' in page for path in record.table_files] == [True] * 4


def test_a_value_is_in_no_file(tmp_path: Path) -> None:
    """Not even where a cell has it in quotes, which CSV doubles."""
    value = 'p"9x,Ld"83kQ;\'zz'
    registry.register(value, "SECRET_KEY")
    table = Table("t", ["text"], [[f"it is {value}"], [json.dumps(value)]])
    record = keep(tmp_path, an_outcome(), {"ages": table})
    for path in record.table_files:
        assert "9x,Ld" not in path.read_text() and "‹SECRET_KEY›" in path.read_text()
