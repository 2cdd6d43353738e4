"""The record of a run: the executed notebook, its HTML page, and the outcome, which seals them."""

from __future__ import annotations

import errno
import html
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from omc_runbook.masking import registry, scan
from omc_runbook.model import temporary, unread_target
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import ENVIRONMENT_UNREAD, NO_OUTCOME, Finding, Outcome, check_ids, unknown_by_reason
from omc_runbook.model.grouping import grouped
from omc_runbook.model.handover import STATE_SUFFIX
from omc_runbook.model.letters import counted, listed, on_one_line
from omc_runbook.model.suggestions import exists
from omc_runbook.report.archive import notebook_page, seal, sections, stems, summary
from omc_runbook.report.display.banner import ENDINGS, Banner, Style
from omc_runbook.report.display.boxes import whole_page
from omc_runbook.textfile import private_file

STYLE = Path(__file__).with_suffix(".css").read_text(encoding="utf-8").strip()
"""The style of a record's page."""

MOST_CAUSES = 8
"""How many causes, and reasons why checks are unknown, a page's head names."""
MOST_READS = 3
"""How many reads that failed in the same way are named there."""
ROOM = 4 * 1024 * 1024
"""Free bytes required before a run begins: several times the size of a record."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ATTEMPTS = 10
"""How often a folder is made that others remove."""


@dataclass(frozen=True)
class Record:
    """Paths of a run's files: NAME-ENVIRONMENT-TIME.ipynb, .html and .json, its tables', and outcome.json."""

    folder: Path
    stem: str
    tables: tuple[str, ...] = ()
    """The names of its tables."""

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.stem}.ipynb"

    @property
    def page(self) -> Path:
        """The notebook as an HTML page."""
        return self.folder / f"{self.stem}.html"

    @property
    def own_outcome(self) -> Path:
        """The outcome of this run, which stays where outcome.json is that of a later one."""
        return self.folder / f"{self.stem}.json"

    @property
    def outcome(self) -> Path:
        """The outcome of the newest run in this folder."""
        return self.folder / seal.NEWEST

    @property
    def state(self) -> Path:
        """The state of the run's change, while it is under way or unfinished."""
        return self.folder / f"{self.stem}{STATE_SUFFIX}"

    @property
    def table_files(self) -> tuple[Path, ...]:
        """Each of its tables in each format."""
        return tuple(
            self.folder / f"{self.stem}-{name}{suffix}" for name in self.tables for suffix in stems.TABLE_SUFFIXES
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files."""
        return self.notebook, self.page, *self.table_files, self.own_outcome, self.outcome


def prepare(folder: Path, runbook: str, environment: str, started: datetime) -> Record:
    """Choose the record's file names, and check that its folder and the temporary folder are writable.

    Raises UsageError for a folder that cannot hold a record; CouldNotLook for a full disk or an unusable TMPDIR:
    Python would silently use another one.
    """
    if exists(folder) and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the record.")
    missing = [each for each in (folder, *folder.parents) if not exists(each)]
    try:
        link = next((each for each in missing if each.is_symlink()), None)
        if link:
            raise UsageError(
                f"{link} is a symbolic link to a target that does not exist: name a folder for the record."
            )
        device = _check_folder(folder)
    except OSError as error:
        kind = CouldNotLook if error.errno in NO_ROOM else UsageError
        raise kind(f"{folder} cannot hold the record: {error.strerror}. Nothing was done.") from None
    finally:
        for each in missing:
            with suppress(OSError):
                each.rmdir()
    with temporary.usable():
        directory = Path(temporary.place())
        # On one disk the room was tried already: here it is whether anything can be written.
        is_tried = directory.stat().st_dev == device
        _check_space(directory, 1 if is_tried else ROOM)
    return Record(folder, stems.make(runbook, environment, started))


def _check_folder(folder: Path) -> int:
    """Make a folder, check that a record fits into it, and return the number of its file system; raises OSError.

    A run that begins at the same time removes the folder while it is empty, as this one does: it is made again.
    """
    for _ in range(1, _ATTEMPTS):
        with suppress(FileNotFoundError):
            return _make_folder(folder)
    return _make_folder(folder)


def _make_folder(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    device = folder.stat().st_dev
    _check_space(folder, ROOM)
    return device


def _check_space(folder: Path, size: int) -> None:
    """Check that a record fits into a folder, and write `size` bytes as a trial; raises OSError."""
    system = os.statvfs(folder)
    # Some file systems report no size.
    if system.f_blocks and system.f_bavail * system.f_frsize < ROOM:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    descriptor, trial = temporary.draft(folder / "room")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    finally:
        trial.unlink()


def keep(draft: Record, record: Record) -> Record:
    """Move a run's files into its record's folder, sealed by the outcome, the last; returns their paths.

    An older outcome is removed first, so that it is not taken for this run's. The files of a run of the same second
    stay. No symbolic link is followed, and if one file cannot be written, none of this run stays. Raises OSError, and
    ValueError for an outcome that is no JSON.
    """
    record.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    record.outcome.unlink(missing_ok=True)
    sources = draft.notebook, draft.page, *draft.table_files
    notebook, *others = [path.read_bytes() for path in sources]
    record = _reserve(replace(record, tables=draft.tables), notebook)
    files = record.page, *record.table_files
    try:
        contents = dict(zip(files, others, strict=True))
        sealed = {path.name: content for path, content in ((record.notebook, notebook), *contents.items())}
        outcome = seal.seal(draft.outcome.read_text(encoding="utf-8"), sealed)
        for path, content in (*contents.items(), (record.own_outcome, outcome), (record.outcome, outcome)):
            private_file.write(path, content)
    except (OSError, ValueError):
        for path in (record.notebook, *files, record.own_outcome):
            path.unlink(missing_ok=True)
        raise
    return record


def _reserve(record: Record, notebook: bytes) -> Record:
    """The record under a name that no other run uses, reserved by its notebook."""
    stem = private_file.create_unique(record.stem, lambda stem: replace(record, stem=stem).notebook, notebook)
    return replace(record, stem=stem)


def write_page(notebook: Any, outcome: Outcome, record: Record) -> None:
    """Write the executed notebook as one self-contained page: how the run ended, then everything but the code.

    Sections of which no cell showed anything, as after a failure, are left out.
    """
    visible = sections.without_empty(notebook)
    title = f"{on_one_line(_headline(outcome))}, {outcome.finished:%Y-%m-%d %H:%M} UTC"
    contents = _contents(sections.headings(visible), bool(outcome.causes_in_words or outcome.is_plan))
    # Here a table scrolls by itself, and has to be within reach of a keyboard.
    body = notebook_page.to_html(visible).replace("<table>", '<table tabindex="0">')
    text = whole_page(title, STYLE, f"{_head(outcome).to_html()}\n{contents}", body)
    record.page.write_text(text, encoding="utf-8")


def _contents(headings: Sequence[str], has_remedy: bool) -> str:
    """Links to the sections, and before them one to what there is to do."""
    links = [f'<a href="#{html.escape(text.replace(" ", "-"))}">{html.escape(text)}</a>' for text in headings]
    if has_remedy and sections.ANSWER in headings:
        links.insert(0, f'<a class="remedy" href="#{sections.ANSWER}">What to do</a>')
    return f'<nav aria-label="Contents">\n{chr(10).join(links)}\n</nav>' if links else ""


def _headline(outcome: Outcome) -> str:
    """Which run it was, and how it ended: applied, a plan, or with nothing to do; and its causes."""
    return f"{summary.title(outcome)}: {summary.end(outcome, with_causes=True)}"


def _head(outcome: Outcome) -> Banner:
    """The page's head: which run it was, how it ended, and why."""
    causes = grouped((each.title, each.subject) for each in outcome.findings if each.is_unexplained)
    lines = [f"{title}: {listed([*dict.fromkeys(subjects)], MOST_CAUSES)}" for title, subjects in causes.items()]
    reasons = unknown_by_reason(outcome.findings, MOST_READS).items()
    lines += [f"{_unknown(own)}: {' '.join(reason.splitlines())}" for reason, own in reasons]
    more = [f"and {len(lines) - MOST_CAUSES} more"] if lines[MOST_CAUSES:] else []
    # The lines below name each of them, with the reason.
    unread = [each.subject for each in outcome.findings if each.check == ENVIRONMENT_UNREAD and each.subject]
    failure = outcome.failure if more else outcome.failure.removeprefix(unread_target.not_looked_at(unread)).lstrip()
    why = (failure, *outcome.blockers)
    style: Style = "plain" if outcome.is_plan and outcome.status == "ok" else ENDINGS[outcome.status]
    finished = f"Finished {outcome.finished:%Y-%m-%d %H:%M:%S} UTC"
    return Banner(style, _headline(outcome), (*filter(None, why), *lines[:MOST_CAUSES], *more, finished))


def _unknown(findings: Sequence[Finding]) -> str:
    """How many checks are unknown, or that an environment was not looked at."""
    ids = check_ids(findings)
    is_unread = ids == (ENVIRONMENT_UNREAD,)
    return "Not looked at" if is_unread else f"{counted(len(ids), 'check is', 'checks are')} unknown"


def read_outcome(record: Record, failure: str, spare: Path | None = None) -> Outcome:
    """The outcome that the run wrote, or else an empty one, with the failure that ended the run.

    What is in the file `spare` was written last, where there was no room for it in the record's folder.
    """
    failure, now = registry.mask(failure), datetime.now(UTC)
    path = spare if spare and exists(spare) else record.outcome
    try:
        outcome = Outcome.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stem = stems.parse(record.stem)
        runbook, environment = (stem.runbook, stem.environment) if stem else record.stem.split("-")[:2]
        return Outcome.of_failure(runbook, environment, now, failure or NO_OUTCOME)
    return replace(outcome, failure=failure, finished=now) if failure else outcome


def mask(outcome: Outcome) -> Outcome:
    """Mask the texts of an outcome; ids, enumerations and dates stay."""
    mask_text = partial(registry.mask_thoroughly, common=False)
    return outcome.map_texts(mask_text, mask_text)


def close(record: Record) -> None:
    """Make a record's files private and mask values left in them; raises CouldNotLook where a value remains."""
    for path in record.notebook, record.page, *record.table_files:
        leaks = scan.leaks(path)
        if leaks:
            scan.scrub(path)
            leaks = scan.leaks(path)
        path.chmod(0o600)
        if leaks:
            names = ", ".join(sorted({leak.name for leak in leaks}))
            raise CouldNotLook(f"{path.name} would contain the value of {names}: no record was kept; report this.")
