"""The records in a folder, and how each run ended, which its outcome says, or its notebook's metadata."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from omc_runbook.model import json_text, regular_file
from omc_runbook.model.findings import FLEET, Outcome
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import listed, on_one_line
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive import seal, stems, summary, table_files
from omc_runbook.report.archive.record import Record
from omc_runbook.report.archive.seal import SealState
from omc_runbook.report.archive.stems import Stem
from omc_runbook.textfile import private_file

_MEMBER = "omc_runbook"
_LARGEST = 100_000_000
_NEVER_OURS = frozenset({"lost+found"})
"""What a file system has at its root for root alone: records may have one of their own."""


@dataclass(frozen=True, kw_only=True)
class KeptRecord:
    """A run's record: which runbook where, how and when it ended, and its page."""

    title: str
    end: str
    finished: datetime
    page: Path
    """Its page, or its notebook where somebody has removed that."""
    stem: Stem | None = None
    """None where its files have other names by now."""
    outcome: Outcome | None = None
    """None in a record of a version before seals, and where it was not asked for."""
    tables: tuple[Path, ...] = ()
    """The files of its tables."""


def mark(notebook: Any, outcome: Outcome) -> None:
    """Write into a notebook's metadata how its run ended."""
    notebook.metadata[_MEMBER] = {
        "title": summary.title(outcome),
        "end": end_of(outcome),
        "finished": outcome.finished.isoformat(timespec="seconds"),
        seal.MEMBER: True,
    }


def end_of(outcome: Outcome) -> str:
    """How a run ended, with its causes, in words."""
    return summary.end(outcome, with_causes=True)


def save(notebook: Any, outcome: Outcome, draft: Record, record: Record) -> Record:
    """Write a run's notebook, page and outcome as a draft, mask what is left of values, and keep it as its record.

    Raises OSError, ValueError, and as `record.close` does.
    """
    import nbformat

    mark(notebook, outcome)
    draft = table_files.write(draft)
    nbformat.write(notebook, draft.notebook)
    private_file.write(draft.outcome, outcome.to_json().encode())
    records.write_page(notebook, outcome, draft)
    records.close(draft)
    return records.keep(draft, record)


def folders(folder: Path) -> tuple[Path, ...]:
    """A folder of records, and those in it that have records too: fleet leaves one for each environment."""
    closed = _closed(folder)
    return folder, *sorted(path.parent for path in folder.glob(f"*/{seal.NEWEST}") if path.parent not in closed)


def _closed(folder: Path) -> tuple[Path, ...]:
    """The folders in a folder of records into which this user may not look, but for those that no run makes there."""
    closed = [each for each in folder.glob("*/") if not os.access(each, os.R_OK | os.X_OK)]
    # Whether what a link leads to is a folder can be hidden, too.
    closed += [each for each in folder.glob("*") if each.is_symlink() and _is_hidden(each)]
    return tuple(sorted(each for each in closed if not (each.name.startswith(".") or each.name in _NEVER_OURS)))


def _is_hidden(path: Path) -> bool:
    """Whether this user may not see what a link leads to."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def note_closed(folder: Path) -> str:
    """A sentence on the folders in a folder of records into which this user may not look; "" without any."""
    names = [each.name for each in _closed(folder)]
    which, whose = ("Folders", "their") if names[1:] else ("Folder", "its")
    return (
        on_one_line(f"{which} {listed(names)} cannot be read by this user: {whose} records are not known.")
        if names
        else ""
    )


def why_unreadable(folder: Path) -> str:
    """Why a folder of records cannot be read, in a sentence; "" where it can, and where there is none yet."""
    try:
        next(folder.iterdir(), None)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{folder} cannot be read: {error.strerror}."
    return ""


def read(folder: Path, of_each: int = 0, with_outcomes: bool = True, now: datetime | None = None) -> list[KeptRecord]:
    """The records in a folder and those below, the newest first; files that are no record are left out.

    With `of_each` only so many of each runbook and environment, and all whose names do not say which they are of; the
    outcomes of years would fill the memory. With `now`, none of the future, and one that ended in the future counts
    from its beginning.
    """
    notebooks = [(stems.parse(path.stem), path) for each in folders(folder) for path in each.glob("*.ipynb")]
    tables = {each: stems.find_tables(each) for each in dict.fromkeys(path.parent for _, path in notebooks)}
    with_stem = sorted(((stem, path) for stem, path in notebooks if stem and not stem.is_ahead(now)), reverse=True)
    found_records, counts = list[KeptRecord](), Counter[tuple[str, str]]()
    for stem, path in (*with_stem, *(pair for pair in notebooks if pair[0] is None)):
        if of_each and stem and counts[stem.kind] >= of_each:
            continue
        # One that cannot be read takes no other's place.
        if record := _read(path, stem, tables[path.parent].get(path.stem, ())):
            if now and stem and stems.is_ahead(record.finished, now):
                # The clock was set while it ran.
                record = _ended_at(record, stem.started)
            found_records.append(record if with_outcomes else replace(record, outcome=None))
            counts.update([stem.kind] if stem else ())
    return sorted(found_records, key=_ended, reverse=True)


def _ended(record: KeptRecord) -> tuple[datetime, bool]:
    """What orders records: in the same second a fleet ends after its environments."""
    return record.finished, record.stem is not None and record.stem.runbook == FLEET


def _ended_at(record: KeptRecord, moment: datetime) -> KeptRecord:
    outcome = record.outcome and replace(record.outcome, finished=moment)
    return replace(record, finished=moment, outcome=outcome)


def notes(
    folder: Path, found_records: Sequence[KeptRecord], of_each: int = 0, now: datetime | None = None
) -> tuple[str, ...]:
    """What to say of the records that `read` left out with the same arguments, in sentences."""
    files = {
        path: stem
        for each in folders(folder)
        for suffix in (".ipynb", ".json")
        for path in each.glob(f"*{suffix}")
        if (stem := stems.parse(path.stem))
    }
    notebooks = {path: stem for path, stem in files.items() if path.suffix == ".ipynb"}
    unreadable = sum(not os.access(path, os.R_OK) for path in notebooks)
    found_notes = (
        f"{_counted(unreadable, found_records)} cannot be read by this user." if unreadable else "",
        note_closed(folder),
        # Of one whose notebook is missing, its outcome is left.
        _note_damaged({path.with_suffix(".ipynb"): stem for path, stem in files.items()}, found_records, of_each, now),
        _note_ahead(notebooks.values(), now) if now else "",
    )
    return tuple(filter(None, found_notes))


def _counted(number: int, found_records: Sequence[KeptRecord]) -> str:
    """So many records beside those that were found, or so many where none was."""
    return f"{number} more" if found_records else f"{number} record{'s' if number > 1 else ''}"


def sentence_on_ahead(number: int, last: str) -> str:
    """A sentence on so many records of the future, and the last of them."""
    which = f"{number} records are" if number > 1 else "1 record is"
    return f"{which} of the future, the last of {last}: this machine's clock is or was wrong."


def _note_ahead(recorded: Iterable[Stem], now: datetime) -> str:
    """A sentence on the records of the future, which are left out; "" without any."""
    ahead = sorted(stem for stem in recorded if stem.is_ahead(now))
    if not ahead:
        return ""
    they = "They are" if len(ahead) > 1 else "It is"
    return f"{sentence_on_ahead(len(ahead), _run_of(ahead[-1]))} {they} left out."


def _run_of(stem: Stem) -> str:
    return f"{stem.runbook} on {stem.environment}, {stem.started:%Y-%m-%d %H:%M} UTC"


def _note_damaged(
    expected: Mapping[Path, Stem], found_records: Sequence[KeptRecord], of_each: int, now: datetime | None
) -> str:
    """A sentence on the records that `read` had to leave out, since nothing in them can be read; "" without any."""
    notebooks = {each.page.with_suffix(".ipynb") for each in found_records}
    kinds = grouped((each.stem.kind, each.stem) for each in found_records if each.stem)
    damaged = sorted(
        stem
        for path, stem in expected.items()
        if path not in notebooks and not stem.is_ahead(now)
        # What is older than those that were asked for was not read.
        if not 0 < of_each <= len(kinds.get(stem.kind, ())) or stem > min(kinds[stem.kind])
        if _is_damaged(path)
    )
    if not damaged:
        return ""
    many = f"{len(damaged)} more records are" if len(damaged) > 1 else "1 more record is"
    return f"{many} damaged, the newest of {_run_of(damaged[-1])}: how its run ended is not known. --check names each."


def is_record(notebook: Path) -> bool:
    """Whether a notebook says that it is a run's record."""
    return _read_mark(notebook, notebook, None) is not None


def check(folder: Path) -> list[SealState]:
    """What became of each record in a folder and those below, of one that is closed to this user its name.

    Raises OSError where the folder itself cannot be read.
    """
    below = [(f"{each.name}/", each) for each in folders(folder)[1:]]
    states = [
        replace(state, name=f"{prefix}{state.name}")
        for prefix, each in (("", folder), *below)
        for state in _check(each)
    ]
    return states + [SealState(f"{each.name}/", "unreadable") for each in _closed(folder)]


def _check(folder: Path) -> list[SealState]:
    names = {path.name for path in folder.iterdir()}
    return seal.check(names, lambda name: regular_file.read_whole(folder / name, _LARGEST))


def _read(path: Path, stem: Stem | None, tables: Sequence[Path]) -> KeptRecord | None:
    page = path.with_suffix(".html")
    page = page if os.access(page, os.F_OK) else path
    try:
        outcome = Outcome.from_json(regular_file.read_text(path.with_suffix(".json"), _LARGEST))
    except (OSError, ValueError):
        return _read_mark(path, page, stem)
    return KeptRecord(
        title=summary.title(outcome),
        end=end_of(outcome),
        finished=outcome.finished,
        page=page,
        stem=stem,
        outcome=outcome,
        tables=tuple(tables),
    )


def _read_mark(path: Path, page: Path, stem: Stem | None) -> KeptRecord | None:
    try:
        ended = json_text.parse(regular_file.read_text(path, _LARGEST))["metadata"][_MEMBER]
        title, end, finished = str(ended["title"]), str(ended["end"]), json_text.moment(ended["finished"])
        return KeptRecord(title=title, end=end, finished=finished, page=page, stem=stem)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_damaged(path: Path) -> bool:
    """Whether this was a record's notebook; of what this user may not read, `notes` says how many there are."""
    if os.path.lexists(path.with_suffix(".json")):
        return os.access(path, os.R_OK) or not os.path.lexists(path)
    try:
        notebook = json_text.parse(regular_file.read_text(path, _LARGEST))
        return _MEMBER in notebook["metadata"]
    except (OSError, ValueError):
        return os.access(path, os.R_OK)
    except (KeyError, TypeError):
        return False
