"""The records in a folder, and how each run ended, which its notebook's metadata says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omc_runbook.model import regular_file
from omc_runbook.model.findings import Outcome
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive import summary
from omc_runbook.report.archive.record import Record
from omc_runbook.textfile import private_file

_MEMBER = "omc_runbook"
_LARGEST = 100_000_000


@dataclass(frozen=True)
class KeptRecord:
    """A run's record: which runbook where, how and when it ended, and its page."""

    title: str
    end: str
    finished: datetime
    page: Path


def mark(notebook: Any, outcome: Outcome) -> None:
    """Write into a notebook's metadata how its run ended."""
    notebook.metadata[_MEMBER] = {
        "title": summary.title(outcome),
        "end": summary.end(outcome, with_causes=True),
        "finished": outcome.finished.isoformat(timespec="seconds"),
    }


def save(notebook: Any, outcome: Outcome, draft: Record, record: Record) -> Record:
    """Write a run's notebook, page and outcome as a draft, mask what is left of values, and keep it as its record.

    Raises OSError, ValueError, and as `record.close` does.
    """
    import nbformat

    mark(notebook, outcome)
    nbformat.write(notebook, draft.notebook)
    private_file.write(draft.outcome, outcome.to_json().encode())
    records.write_page(notebook, outcome, draft)
    records.close(draft)
    return records.keep(draft, record)


def read(folder: Path) -> list[KeptRecord]:
    """The records in a folder, the newest first; files that are no record are left out."""
    kept = (_read(path) for path in folder.glob("*.ipynb"))
    return sorted(filter(None, kept), key=lambda record: record.finished, reverse=True)


def _read(path: Path) -> KeptRecord | None:
    try:
        ended = json.loads(regular_file.read_text(path, _LARGEST))["metadata"][_MEMBER]
        finished = datetime.fromisoformat(ended["finished"])
        return KeptRecord(ended["title"], ended["end"], finished, path.with_suffix(".html"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
