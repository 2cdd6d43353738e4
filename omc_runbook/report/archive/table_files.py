"""The tables of a run as files of its record: CSV for a spreadsheet, and JSON for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from omc_runbook.masking import registry
from omc_runbook.model.letters import printable
from omc_runbook.report.archive.record import Record
from omc_runbook.report.display.table import Table
from omc_runbook.textfile import private_file

_HANDED_OVER = "tables.json"
"""The file beside an outcome in which a notebook gives its tables to the command that runs it."""
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet would compute; the last four are the wide forms of the first."""
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""Tells Excel that a CSV file is UTF-8."""


def hand_over(outcome: Path, tables: Mapping[str, Table]) -> None:
    """Write tables, masked, by their names beside a run's outcome; raises OSError."""
    content = {name: {"columns": table.columns, "rows": [*map(_masked, table.rows)]} for name, table in tables.items()}
    private_file.write(outcome.with_name(_HANDED_OVER), json.dumps(content).encode())


def write(draft: Record) -> Record:
    """Write the tables that a run handed over as files of its draft, and return it with them; raises OSError."""
    path = draft.outcome.with_name(_HANDED_OVER)
    if not path.exists():
        return draft
    tables = {name: Table(name, **content) for name, content in json.loads(path.read_text(encoding="utf-8")).items()}
    draft = replace(draft, tables=tuple(tables))
    for file in draft.table_files:
        table = tables[file.stem.removeprefix(f"{draft.stem}-")]
        private_file.write(file, (to_csv(table) if file.suffix == ".csv" else to_json(table)).encode())
    return draft


def to_csv(table: Table) -> str:
    """A table as CSV with a line of heads; a cell that a spreadsheet would compute begins with an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([[*map(_inert, row)] for row in (table.columns, *table.rows)])
    return f"{_BOM}{file.getvalue()}"


def to_json(table: Table) -> str:
    """A table as a JSON list with an object for each row."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _inert(cell: str) -> str:
    text = printable(cell)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _masked(row: list[str]) -> list[str]:
    return [registry.mask_thoroughly(cell, common=False) for cell in row]
