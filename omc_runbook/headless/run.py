"""Runs a notebook headlessly, through papermill, and keeps its record."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from omc_runbook.headless import notebooks, publishing
from omc_runbook.headless.places import FOLDER
from omc_runbook.headless.publishing import Publish
from omc_runbook.masking import registry
from omc_runbook.model import ending, errors, shell, temporary
from omc_runbook.model import parameters as notebook_parameters
from omc_runbook.model.errors import OUT_OF_FILES, OUT_OF_MEMORY, CouldNotLook, Interrupted, RunbookError, UsageError
from omc_runbook.model.findings import NO_OUTCOME, Outcome
from omc_runbook.model.handover import (
    COMMAND_VARIABLE,
    FOLDER_VARIABLE,
    LINES_VARIABLE,
    OUTCOME_VARIABLE,
    PLACE_VARIABLE,
    STATE_VARIABLE,
    room_beside,
    spare_outcome,
)
from omc_runbook.model.suggestions import at_home
from omc_runbook.report.archive import kept_records, notebook_page, summary
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive.record import Record
from omc_runbook.report.archive.summary import Line
from omc_runbook.report.display import reading

if TYPE_CHECKING:
    from omc_runbook.report.archive.bucket import S3Folder

ENGINE = "omc-runbook"
OWN_PROCESS = "omc-runbook-own-process"
"""The name under which papermill finds the engine without a kernel."""
PRIVATE = 0o077
POLL_SECONDS, PAGE_POLL_SECONDS = 0.1, 0.02
_FORMATS = (
    *("fqdn", "isoduration", "jsonpointer", "rfc3339_validator", "rfc3986_validator", "rfc3987_syntax"),
    *("uri_template", "webcolors"),
)
"""Libraries that jsonschema imports if they are installed."""

INTERRUPTED = "Interrupted outside the steps of the change: run verify to see the state, and this runbook again."
ENDED = (
    "Ended by a second signal, before it could say how far it came: run verify to see the state, and this runbook"
    " again, which completes or undoes what was begun."
)
KEPT_ROOM = 1 << 20
"""Bytes; the outcome of a change, its notebook and its page take a fifth of it."""
UNSHOWN = "A cell failed, and could not say why: let this process have more memory and open files, then run again."
HOMELESS = "A kernel needs a home directory, and this user has none: set HOME to a folder, or leave --kernel out."
DIED = "The notebook's kernel died: run the runbook again, which completes or undoes what was begun."


@dataclass(frozen=True)
class RunResult:
    """A run's exit code, its summary, its record's page on this machine, if any, and whether a record was kept."""

    exit_code: int
    summary: tuple[Line, ...]
    page: Path | None = None
    is_recorded: bool = True
    address: str = ""
    """Where the record's page was asked to be, if it is there: a path, or an address in S3."""
    failure: str = ""
    """Why it is not there, in a sentence."""
    outcome: Outcome | None = None
    """What the run found, whether that is recorded or not."""


def run(
    name: str,
    parameters: Iterable[tuple[str, str]],
    folder: Path,
    progress: TextIO | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    sandbox: AbstractContextManager[None] | None = None,
    in_kernel: bool = False,
    publish: Publish = publishing.publish_nothing,
    bucket: S3Folder | None = None,
) -> RunResult:
    """Run a runbook, keep its record and publish its outcome.

    The record is kept in the folder, or with `bucket` there; then the folder has the state of a change alone.

    The notebook runs in this process, or with `in_kernel` in one of its own. Parameters are (name, text) pairs.
    `progress` is a terminal for a progress bar. `on_line` is called, on another thread, with each event line of a
    rollout while the notebook runs. `sandbox` is entered for the run, after the check that a record can be kept. If the
    notebook raises a RunbookError before it changed anything, no record is kept and that error is raised here; unless
    that is a UsageError, the outcome.json of an older run in the folder is removed. Raises
    UsageError for an unknown runbook or parameter, and what `record.prepare` raises.
    """
    # A terminal in JupyterLab inherits this variable, but has its own working folder.
    os.environ.pop(FOLDER_VARIABLE, None)
    pairs = tuple(parameters)
    started, environment = datetime.now(UTC), dict(pairs).get("environment", "staging")
    address = bucket.address if bucket else str(folder)
    place = () if address == str(FOLDER) else ("--record", address)
    options = (*place, *(("--sandbox",) if sandbox else ()))
    published = _Once(publish)
    try:
        # Jupyter asks for it only where this variable does not name its folder.
        if in_kernel and at_home("~") == Path("~") and not os.environ.get("JUPYTER_DATA_DIR"):
            raise UsageError(HOMELESS)
        skip_formats()
        notebook = notebooks.find_usable(name)
        typed = notebook_parameters.check(notebook, pairs)
        command = notebooks.applying_command(name, dict(pairs), options)
        if bucket and typed.get("apply"):
            records.prepare(folder, name, environment, started)
        with _local_folder(folder, bucket) as own:
            record = records.prepare(own, name, environment, started)
            with sandbox or nullcontext(), publishing.umask(PRIVATE), _drafts(on_line) as drafts:
                if bucket:
                    record = bucket.begin(record, name, environment, started)
                draft, engine = Record(drafts, record.stem), ENGINE if in_kernel else OWN_PROCESS
                # A disk that becomes full in the middle of a change must not hide what was changed.
                with suppress(OSError):
                    room_beside(draft.outcome).write_bytes(bytes(KEPT_ROOM))
                state = Record(folder, record.stem).state
                keeper = _Keeper(draft, record, state, command, shell.command(*place), published, bucket)
                with _ended(keeper):
                    return _execute(notebook, typed, keeper, engine, progress)
    except RunbookError as error:
        if bucket is None and not isinstance(error, UsageError):
            _remove(Record(folder, "").outcome)
        failed = published(records.mask(Outcome.of_failure(name, environment, started, str(error))))
        for line in summary.undelivered_notifications(failed):
            error.add_note(line.text)
        raise
    except (KeyboardInterrupt, SystemExit, MemoryError) as error:
        # Outside the notebook's cells.
        reason = OUT_OF_MEMORY if isinstance(error, MemoryError) else "Interrupted: run it again."
        if not published.has_begun:
            published(records.mask(Outcome.of_failure(name, environment, started, reason)))
        raise


class _Once:
    """What publishes an outcome, and whether that has begun."""

    def __init__(self, publish: Publish) -> None:
        self._publish, self.has_begun = publish, False

    def __call__(self, outcome: Outcome, record: str = "") -> Outcome:
        """Publish an outcome, which no signal changes any more, and where its record is, if it has one."""
        self.has_begun = True
        ending.decide()
        return self._publish(outcome, record)


@contextmanager
def _ended(keeper: _Keeper) -> Iterator[None]:
    """Say in S3 that a run without a record has ended, so that it is not taken for one under way.

    At the end of any run, remove its outcome beside the state.
    """
    try:
        yield
    except RunbookError as error:
        if keeper.bucket:
            try:
                keeper.bucket.end(keeper.record, registry.mask_thoroughly(str(error)))
            except RunbookError as unwritten:
                error.add_note(str(unwritten))
        raise
    finally:
        _remove(keeper.spare)


@contextmanager
def _local_folder(folder: Path, bucket: S3Folder | None) -> Iterator[Path]:
    """The folder in which a record is made: for S3 a private one, which stays only with what could not be uploaded."""
    if bucket is None:
        yield folder
        return
    private = Path(tempfile.mkdtemp(prefix="omc-record-"))
    try:
        yield private
    finally:
        with suppress(OSError):
            private.rmdir()


def skip_formats() -> None:
    """Keep jsonschema, which validates notebooks for papermill, from preparing to check formats of strings.

    Where JupyterLab is installed, importing jsonschema builds a grammar of IRIs, which takes a second, and imports what
    checks dates, durations, colours and URIs. A notebook's schema has none of these formats.
    """
    if "jsonschema" not in sys.modules:
        with _missing(_FORMATS):
            import nbformat  # noqa: F401


@contextmanager
def _missing(names: Iterable[str]) -> Iterator[None]:
    """Treat modules as not installed."""
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(before))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _execute(
    source: Path, parameters: dict[str, Any], keeper: _Keeper, engine: str, progress: TextIO | None
) -> RunResult:
    """Execute a notebook and keep its record, however it ends."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    failure, draft = "", keeper.draft
    try:
        _papermill(source, parameters, keeper, engine, progress)
    except PapermillExecutionError as error:
        if error.ename == KeyboardInterrupt.__name__:
            if not _may_have_changed(draft.notebook):
                raise Interrupted("Interrupted before anything was changed.") from None
            is_applied = keeper.read("").applied
            return keeper.keep(INTERRUPTED if is_applied else "Interrupted. Nothing was changed.")
        kind = errors.find_class(error.ename)
        if kind is not None and (issubclass(kind, UsageError) or not _may_have_changed(draft.notebook)):
            raise kind(error.evalue) from None
        failure = error.evalue if kind else _failure(error.ename, error.evalue, source)
    except (KeyboardInterrupt, SystemExit):
        # No cell could answer this one: it came after another, or when the last cell had ended.
        known = keeper.read("")
        if not known.applied:
            raise
        return keeper.keep(ENDED if known.failure == NO_OUTCOME else "")
    except DeadKernelError:
        failure = DIED
    except OSError as error:
        # Writing the notebook failed after its last cell, so what the outcome says is all.
        known = keeper.read("")
        if known.failure == NO_OUTCOME and error.errno == errno.EMFILE:
            known = replace(known, failure=OUT_OF_FILES)
        return keeper.report_unrecorded(records.mask(known), error)
    return keeper.keep(failure)


def _papermill(source: Path, parameters: dict[str, Any], keeper: _Keeper, engine: str, progress: TextIO | None) -> None:
    import papermill

    if engine == OWN_PROCESS:
        from omc_runbook.masking.own_process import OwnProcessEngine

        papermill.engines.papermill_engines.register(OWN_PROCESS, OwnProcessEngine)

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    draft = keeper.draft
    with (
        _variable(OUTCOME_VARIABLE, str(draft.outcome)),
        _variable(COMMAND_VARIABLE, keeper.command),
        _variable(STATE_VARIABLE, str(keeper.state.resolve())),
        _variable(PLACE_VARIABLE, keeper.bucket.address) if keeper.bucket else nullcontext(),
        reading.in_background(partial(_prepare_page, draft.outcome), "page"),
        reading.on_terminal(progress if engine == OWN_PROCESS else None),
    ):
        papermill.execute_notebook(
            str(source),
            str(draft.notebook),
            parameters,
            engine_name=engine,
            progress_bar={"file": progress, "dynamic_ncols": True} if progress else False,
            # Without a kernel, nothing is left to be saved of a process that died.
            request_save_on_cell_execute=engine == ENGINE,
            kernel_name="python3",
            # The working folder may be a checkout whose modules have the names of libraries.
            extra_arguments=("--IPKernelApp.ignore_cwd=True",),
        )


def _failure(name: str, text: str, notebook: Path) -> str:
    """An error of a cell that is none of ours, and what to do about it where that is known."""
    # Python says the second where there is no room for a stack.
    if name == MemoryError.__name__ or text == "can't start new thread":
        return OUT_OF_MEMORY
    if text.startswith(f"[Errno {errno.EMFILE}]"):
        return OUT_OF_FILES
    # papermill's name for an error that a cell does not show.
    if name == "CellExecutionError" and not text:
        return UNSHOWN
    if name in (AttributeError.__name__, ImportError.__name__) and "'omc_runbook.runbooks" in text:
        text += f". {notebook} and the package differ in version: install omc-runbook again, which brings both."
    return f"{name}: {text}"


def _may_have_changed(path: Path) -> bool:
    """Whether a run failed in or after the section that makes changes, so that its record must be kept."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        return True
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "## Change it" in cell.source.splitlines():
            return True
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return False
    return False


@dataclass(frozen=True)
class _Keeper:
    """Keeps what a run wrote as its record."""

    draft: Record
    record: Record
    state: Path
    """The file with the state of a change."""
    command: str
    options: str
    """Where the record goes, as a command's option; "" for the default folder."""
    publish: Publish
    bucket: S3Folder | None

    @property
    def spare(self) -> Path:
        """Where the outcome is if there was no room for it beside the draft."""
        return spare_outcome(self.state)

    @property
    def page_address(self) -> str:
        """Where a reader elsewhere finds the record's page once it is kept."""
        return self.bucket.page_of(self.record) if self.bucket else _address(self.record.page)

    def read(self, failure: str) -> Outcome:
        """The outcome that the notebook handed over."""
        return records.read_outcome(self.draft, failure, self.spare)

    def keep(self, failure: str) -> RunResult:
        """Publish the outcome, mask values in a run's files, and move them into the record's folder, or to S3."""
        ending.decide()
        outcome = records.mask(self.read(failure))
        # Whether an environment asks for a confirmation is known once its names are.
        keeper = replace(self, command=notebooks.with_confirmation(self.command, outcome.confirm))
        return keeper._keep(outcome)

    def _keep(self, outcome: Outcome) -> RunResult:
        import nbformat

        try:
            outcome = self.publish(outcome, self.page_address)
            notebook = nbformat.read(self.draft.notebook, as_version=4)
            record = kept_records.save(notebook, outcome, self.draft, self.record)
        except (OSError, ValueError, CouldNotLook, MemoryError) as error:
            return self.report_unrecorded(outcome, error)
        if self.bucket is None:
            lines = summary.summarise(outcome, str(record.page), self.command, self.options)
            return RunResult(outcome.exit_code, lines, record.page, address=str(record.page), outcome=outcome)
        try:
            address = self.bucket.upload(record)
        except (OSError, RunbookError) as error:
            return self._not_uploaded(outcome, record, error)
        for path in record.files:
            path.unlink()
        lines = summary.summarise(outcome, address, self.command, self.options)
        return RunResult(outcome.exit_code, lines, address=address, outcome=outcome)

    def _not_uploaded(self, outcome: Outcome, record: Record, error: Exception) -> RunResult:
        """Report a run whose record stays on this machine."""
        return self._unrecorded(outcome, f"The record could not be uploaded: {_reason(error)}", record.page)

    def report_unrecorded(self, outcome: Outcome, error: Exception) -> RunResult:
        """Report a run whose record cannot be kept."""
        _remove(self.record.outcome)
        folder = self.bucket.address if self.bucket else self.record.folder
        path = f"none in {folder}, though the run took place: {_reason(error)}"
        return self._unrecorded(outcome, f"No record was kept in {folder}: {_reason(error).rstrip('.')}.", path)

    def _unrecorded(self, outcome: Outcome, failure: str, where: Path | str) -> RunResult:
        """Publish that a run has no record: receivers of messages and exports were only told how it ended.

        `where` is its page on this machine, or says why there is none. The result has the outcome as the run had it,
        with what could not be delivered.
        """
        reasons = "\n".join(filter(None, (outcome.failure, failure)))
        page = where if isinstance(where, Path) else None
        published = self.publish(records.mask(replace(outcome, failure=reasons)), _address(page) if page else "")
        notifications = tuple(dict.fromkeys((*outcome.notifications, *published.notifications)))
        outcome = replace(outcome, notifications=notifications)
        lines = summary.summarise(outcome, str(where), self.command, self.options)
        lines = summary.mask((*lines, Line(failure, "warning", "warning")))
        code, shown = RunbookError.exit_code, lines if page else lines[:-1]
        return RunResult(code, shown, page, is_recorded=False, failure=lines[-1].text, outcome=outcome)


def _remove(outcome: Path) -> None:
    """Remove an outcome, such as an older run's, which would be taken for that of a run without a record."""
    with suppress(OSError):
        outcome.unlink(missing_ok=True)


def _address(page: Path) -> str:
    """A path on this machine, as scp takes it."""
    return f"{socket.gethostname()}:{page.absolute()}"


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return OUT_OF_MEMORY
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


@contextmanager
def _drafts(on_line: Callable[[str], None]) -> Iterator[Path]:
    """A private folder for what the notebook writes; `on_line` as for `_follow`. Raises CouldNotLook without room."""
    with temporary.usable():
        folder = temporary.folder("run")
        lines = Path(folder.name) / "lines"
        lines.touch()
    with folder as drafts, _follow(lines, on_line):
        yield Path(drafts)


@contextmanager
def _follow(path: Path, on_line: Callable[[str], None]) -> Iterator[None]:
    """Call `on_line` with each line that the notebook appends to a file."""

    def follow(ended: threading.Event) -> None:
        with path.open(encoding="utf-8") as file:
            last = False
            while not last:
                last = ended.wait(POLL_SECONDS)
                for line in file:
                    on_line(line.rstrip("\n"))

    with reading.in_background(follow, "lines"), _variable(LINES_VARIABLE, str(path)):
        yield


def _prepare_page(outcome: Path, ended: threading.Event) -> None:
    """Make what writes the page once the notebook has said where it is: from there on it mostly waits for AWS."""
    while not ended.wait(PAGE_POLL_SECONDS):
        if outcome.exists():
            notebook_page.converter()
            return


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
