"""Which records are too old or too many by runbook.toml, and their removal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice
from pathlib import Path

from omc_runbook.model.grouping import grouped
from omc_runbook.model.handover import STATE_SUFFIX
from omc_runbook.model.records import RecordSettings
from omc_runbook.report.archive import kept_records, stems
from omc_runbook.report.archive.stems import Stem


@dataclass(frozen=True)
class Removal:
    """A record that is not to be kept any longer, with the files that it has, and why."""

    stem: Stem
    files: tuple[Path, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.stem.text}: {self.reason}"


def plan(folder: Path, settings: RecordSettings, now: datetime) -> tuple[Removal, ...]:
    """The records in a folder and those below that runbook.toml does not keep, the oldest first.

    The last record of a runbook on an environment always stays, and so does that of a change that was not finished.
    What is not a record of a run is left alone, and so is one of the future, which makes no other too many.
    """
    if settings.keeps_all:
        return ()
    removals = (removal for each in kept_records.folders(folder) for removal in _of_folder(each, settings, now))
    return tuple(sorted(removals, key=lambda removal: removal.stem))


def apply(removals: Sequence[Removal]) -> None:
    """Remove records, each with its notebook last, so that one that was begun is found again; raises OSError."""
    for removal in removals:
        for path in removal.files:
            path.unlink(missing_ok=True)


def _of_folder(folder: Path, settings: RecordSettings, now: datetime) -> Iterator[Removal]:
    runs = filter(None, (stems.of_file(path.name) for path in folder.glob("*.ipynb")))
    tables = stems.find_tables(folder)
    for found in grouped((stem.kind, stem) for stem in runs if not stem.is_ahead(now)).values():
        yield from _of_kind(folder, sorted(found, reverse=True), tables, settings, now)


def _of_kind(
    folder: Path, found: Sequence[Stem], tables: Mapping[str, Sequence[Path]], settings: RecordSettings, now: datetime
) -> Iterator[Removal]:
    # What has only the name of a record is not the last one.
    records = dropwhile(lambda each: not kept_records.is_record(folder / f"{each.text}.ipynb"), found)
    for number, stem in islice(enumerate(records), 1, None):
        days = (now - stem.started).days
        is_old = settings.keep_days is not None and days >= settings.keep_days
        is_surplus = settings.keep_count is not None and number >= settings.keep_count
        notebook = folder / f"{stem.text}.ipynb"
        # Its outcome is written last: a run of today may not have come to that yet.
        is_whole = days > 0 or notebook.with_suffix(".json").exists()
        is_free = is_whole and not (folder / f"{stem.text}{STATE_SUFFIX}").exists()
        if (is_old or is_surplus) and is_free and kept_records.is_record(notebook):
            reason = f"{days} days old" if is_old else f"not among the newest {settings.keep_count}"
            # The notebook says that the files are those of a run.
            others = (notebook.with_suffix(suffix) for suffix in reversed(stems.SUFFIXES))
            files = (*tables.get(stem.text, ()), *others)
            yield Removal(stem, tuple(path for path in files if path.is_file() or path.is_symlink()), reason)
