"""Running a notebook without a person, through papermill, with its record left behind."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omc_runbook.headless import record as records
from omc_runbook.headless.record import Record
from omc_runbook.masking import registry
from omc_runbook.model import errors
from omc_runbook.model import parameters as given
from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.model.findings import EXIT_CODES
from omc_runbook.model.handover import CONFIRMED, FOLDER_VARIABLE, LINES_VARIABLE, OUTCOME_VARIABLE
from omc_runbook.model.suggestions import nearest
from omc_runbook.textfile import private_file

ENGINE = "omc-runbook"
FOLDER = Path("records")
"""Where records are kept unless a person names another folder."""
PRIVATE = 0o077
HEARING_SECONDS = 0.1
CHANGING = "## Change it"
"""The heading from which on a notebook changes something."""

UNTOLD = "The run ended without an outcome: run verify to see how it stands."
DIED = "The notebook's kernel died before its end: run it again, which finishes or undoes what was begun."


@dataclass(frozen=True)
class Ended:
    """How a run ended: the exit code of the contract, what to tell a person, and whether there is a record of it."""

    exit_code: int
    text: str
    is_recorded: bool = True


def notebooks() -> Path:
    """The folder of the notebooks: in the installed package, or in the checkout."""
    package = Path(__file__).parents[1]
    return next(folder for folder in (package / "notebooks", package.parent / "notebooks") if folder.is_dir())


def run(
    name: str,
    parameters: Iterable[tuple[str, str]],
    folder: Path,
    progress: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    world: AbstractContextManager[None] | None = None,
) -> Ended:
    """Run a runbook and leave its record, unless it was used wrongly or could not look before it changed anything.

    `tell` is called, on another thread, with each event of a roll-out while the notebook runs. `world` is entered for
    the run, once it is certain that it can be recorded. Raises UsageError for a runbook or parameter that does not
    exist, what `record.prepare` raises, and what the notebook's own verbs raise.
    """
    _spare_a_grammar()
    # A terminal in JupyterLab has a working folder of its own.
    os.environ.pop(FOLDER_VARIABLE, None)
    pairs = tuple(parameters)
    known = {path.stem: path for path in notebooks().glob("*.ipynb")}
    if name not in known:
        raise UsageError(f'There is no runbook "{name}"{nearest(name, known)}')
    typed = given.check(known[name], pairs)
    started = datetime.now(UTC)
    command = _command(name, pairs, typed, folder, world is not None)
    record = records.prepare(folder, name, str(typed.get("environment", "staging")), started)
    with (
        world or nullcontext(),
        _private_files(),
        tempfile.TemporaryDirectory(prefix="omc-run-") as drafts,
        _hearing(Path(drafts) / "lines", tell),
    ):
        return _execute(known[name], typed, Record(Path(drafts), record.stem), record, command, progress)


def _command(
    name: str, parameters: Sequence[tuple[str, str]], typed: Mapping[str, Any], folder: Path, in_sandbox: bool
) -> str:
    """The command line that does what a run with these parameters plans."""
    kept = [(key, text) for key, text in parameters if key not in ("apply", "confirm")]
    names = {str(typed.get("environment", "")), *str(typed.get("environments", "")).replace(",", " ").split()}
    sure = [("confirm", CONFIRMED)] if CONFIRMED in names else []
    words = [word for pair in (*kept, ("apply", "true"), *sure) for word in ("-p", *pair)]
    place = () if folder == FOLDER else ("--record", str(folder))
    return shlex.join((ENGINE, "run", name, *words, *place, *(("--sandbox",) if in_sandbox else ())))


def _spare_a_grammar() -> None:
    """Keep jsonschema, which reads notebooks for papermill, from making a parser that no notebook has a use for.

    Where JupyterLab is installed, its import builds the grammar of IRIs: a second, and more than all else
    that this process does before a notebook starts. Notebooks have no format "iri".
    """
    if "jsonschema" not in sys.modules:
        with _missing("rfc3987_syntax"):
            import nbformat  # noqa: F401


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Let a module count as one that is not installed."""
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _execute(
    source: Path, parameters: dict[str, Any], draft: Record, record: Record, command: str, progress: bool
) -> Ended:
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    failure = ""
    try:
        with _variable(OUTCOME_VARIABLE, str(draft.outcome)):
            papermill.execute_notebook(
                str(source),
                str(draft.notebook),
                parameters,
                engine_name=ENGINE,
                progress_bar=progress,
                kernel_name="python3",
            )
    except PapermillExecutionError as error:
        kind = errors.named(error.ename)
        if kind is not None and (issubclass(kind, UsageError) or not _may_have_changed(draft.notebook)):
            raise kind(error.evalue) from None
        failure = error.evalue if kind else f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        failure = DIED
    except OSError as error:
        # Of the notebook, after its last cell: what the run did stands in its outcome.
        return _unrecorded(_body(draft, record, ""), record, command, error)
    return _keep(draft, record, failure, command)


def _may_have_changed(path: Path) -> bool:
    """Whether a run broke off where its notebook changes something, or after: that is worth a record."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        return True
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and CHANGING in cell.source.splitlines():
            return True
        if any(output.output_type == "error" for output in cell.get("outputs", ())):
            return False
    return False


def _keep(draft: Record, record: Record, failure: str, command: str) -> Ended:
    """Move what the run wrote into the record's folder, after a look for values."""
    import nbformat

    body = _body(draft, record, failure)
    try:
        notebook = nbformat.read(draft.notebook, as_version=4)
        private_file.write(draft.outcome, json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n")
        records.write_page(notebook, body, draft)
        records.close(draft)
        record = records.keep(draft, record)
        body = records.read_outcome(record)
    except (OSError, ValueError, CouldNotLook) as error:
        return _unrecorded(body, record, command, error)
    return Ended(EXIT_CODES[body["status"]], records.summarise(body, str(record.page), command))


def _body(draft: Record, record: Record, failure: str) -> dict[str, Any]:
    """The outcome that the run wrote, or that it failed where it did or wrote none."""
    try:
        return json.loads(records.failed(record, failure).to_json()) if failure else records.read_outcome(draft)
    except (OSError, ValueError):
        return _body(draft, record, UNTOLD)


def _unrecorded(body: dict[str, Any], record: Record, command: str, error: Exception) -> Ended:
    """Tell what was done where no record of it can be kept; an older outcome is not left to pass for it."""
    with suppress(OSError):
        record.outcome.unlink(missing_ok=True)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    where = f"none in {record.folder}, though the run took place: {reason}"
    return Ended(
        RunbookError.exit_code, registry.mask_thoroughly(records.summarise(body, where, command)), is_recorded=False
    )


@contextmanager
def _hearing(path: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Pass on what the notebook writes into a file, line by line and as soon as it is there."""
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as file:
            last = False
            while not last:
                last = ended.wait(HEARING_SECONDS)
                for line in file:
                    tell(line.rstrip("\n"))

    path.touch()
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        with _variable(LINES_VARIABLE, str(path)):
            yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _private_files() -> Iterator[None]:
    before = os.umask(PRIVATE)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
