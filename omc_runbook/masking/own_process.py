"""The papermill engine that runs a notebook's cells in this process, without a kernel."""

from __future__ import annotations

import builtins
import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.error import StdinNotImplementedError

from omc_runbook.masking import cell_shell, cell_threads, terminal_prompt, wire
from omc_runbook.masking.cell_outputs import CellOutputs
from omc_runbook.masking.cell_shell import CellStream
from omc_runbook.masking.descriptors import NAMES, Descriptors
from omc_runbook.masking.engine import INTERRUPT, MaskingEngine, MaskingManager
from omc_runbook.model import ending
from omc_runbook.model.errors import RunbookError

PATIENCE = 2
"""After how many signals this process ends without tidying up."""
MAY_FAIL = "raises-exception"
"""The tag of a cell whose error does not end the notebook."""
_KERNEL_VARIABLES = {
    **{"TERM": "xterm-color", "CLICOLOR": "1", "CLICOLOR_FORCE": "1", "FORCE_COLOR": "1"},
    **{"PAGER": "cat", "GIT_PAGER": "cat"},
}
"""What a cell finds in its environment in a kernel."""
_PLOTS = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
_LANGUAGE = {
    "name": "python",
    "version": sys.version.partition(" ")[0],
    "mimetype": "text/x-python",
    "codemirror_mode": {"name": "ipython", "version": sys.version_info[0]},
    "pygments_lexer": "ipython3",
    "nbconvert_exporter": "python",
    "file_extension": ".py",
}


class Interruption:
    """Makes of a signal that asks this process to end a KeyboardInterrupt in the cell that runs.

    The cell can say then how far it came. Between two cells it is remembered. At a second signal the cell ends without
    being asked, and the process as it does outside of notebooks; at a third one nothing is waited for.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._is_in_cell = False
        self.tell: Callable[[str], None] = lambda text: None
        """Prints a line where a person sees it, whatever a cell's streams are."""

    @property
    def has_come(self) -> bool:
        """Whether a signal came."""
        return bool(self._numbers)

    @contextmanager
    def in_cell(self) -> Iterator[None]:
        """Interrupt what runs within the context."""
        self._is_in_cell = True
        try:
            yield
        finally:
            self._is_in_cell = False

    def take(self, number: int) -> None:
        """Take a signal."""
        if ending.note(number):
            self._numbers.append(number)
        if len(self._numbers) > PATIENCE:
            self.tell(ending.ENDED_AT_ONCE)
            os._exit(RunbookError.exit_code)
        if self._is_in_cell:
            raise KeyboardInterrupt if len(self._numbers) == 1 else SystemExit

    def end(self) -> None:
        """End this process if it was asked twice, as the last signal does outside of notebooks."""
        if len(self._numbers) > 1:
            signal.raise_signal(self._numbers[-1])


class OwnProcessEngine(MaskingEngine):
    """papermill's engine with IPython's shell in this process: values are masked before they become output."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: MaskingManager, *_: Any, **__: Any) -> Any:
        """Run the notebook's cells, until one fails or is interrupted."""
        wire.silence()
        outputs, interruption = CellOutputs(nb_man.autosave_cell), Interruption()
        has_terminal = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
        with (
            cell_threads.watch(),
            # Before the streams are a cell's, in which nobody would see that the run was interrupted.
            ending.handled_by(interruption.take),
            _surroundings(has_terminal),
            Descriptors(outputs.write, outputs.lock) as descriptors,
            _streams(outputs, descriptors),
            cell_shell.shell(outputs, has_terminal) as shell,
        ):
            interruption.tell = descriptors.tell
            for index, cell in enumerate(nb_man.nb.cells):
                with outputs.lock:
                    nb_man.cell_start(cell, index)
                is_done = False
                try:
                    is_done = _execute(cell, shell, outputs, descriptors, interruption)
                finally:
                    with outputs.lock:
                        if not is_done:
                            nb_man.cell_exception(cell, cell_index=index)
                        nb_man.cell_complete(cell, cell_index=index)
                if not is_done:
                    break
        interruption.end()
        nb_man.nb.metadata["language_info"] = _LANGUAGE
        return nb_man.nb


def _execute(cell: Any, shell: Any, outputs: CellOutputs, descriptors: Descriptors, interruption: Interruption) -> bool:
    """Run a cell; False where the notebook must not go on."""
    if cell.cell_type != "code" or not cell.source.strip():
        return True
    home, succeeded = os.getpid(), False
    cell.outputs, cell.execution_count = [], shell.execution_count
    outputs.begin(cell.outputs)
    try:
        with interruption.in_cell():
            if interruption.has_come:
                raise KeyboardInterrupt
            result = shell.run_cell(cell.source, store_history=True)
        succeeded, error = result.success, result.error_before_exec or result.error_in_exec
        if error is not None and not outputs.has_error:
            # Where memory or open files run out, IPython cannot show it, and perhaps nothing can be masked.
            with suppress(MemoryError, OSError):
                outputs.add("error", ename=type(error).__name__, evalue=str(error), traceback=[])
    except KeyboardInterrupt:
        outputs.add("error", ename=INTERRUPT, evalue="", traceback=[])
    finally:
        if os.getpid() != home:
            # A fork that a cell did not end: the notebook is its parent's.
            os._exit(not succeeded)
        descriptors.settle()
        outputs.flush()
    return (succeeded and not outputs.has_error) or MAY_FAIL in cell.metadata.get("tags", ())


@contextmanager
def _surroundings(has_terminal: bool) -> Iterator[None]:
    """Let cells find what they find in a kernel: its variables and arguments, and nobody to ask.

    The working folder is not on the module path: it may be a checkout that nobody knows, and libraries import much of
    what they need only when they use it. At a terminal a person can be asked for a hidden value, which goes past the
    cell's streams.
    """
    variables, arguments, path, folder = dict(os.environ), sys.argv, [*sys.path], Path.cwd()
    prompts = builtins.input, getpass.getpass
    try:
        os.environ.update(_PLOTS | variables | _KERNEL_VARIABLES)
        sys.argv, sys.path[:] = sys.argv[:1], _module_path()
        builtins.input, getpass.getpass = _refuse, terminal_prompt.ask if has_terminal else _refuse
        yield
    finally:
        builtins.input, getpass.getpass = prompts
        sys.argv, sys.path[:] = arguments, path
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)


def _module_path() -> list[str]:
    """The module path without the command's folder and the working folder."""
    script = str(Path(sys.argv[0]).resolve().parent)
    return [each for each in sys.path if each not in ("", script)]


@contextmanager
def _streams(outputs: CellOutputs, descriptors: Descriptors) -> Iterator[None]:
    """Let cells print into their outputs, and read nothing."""
    before = sys.stdin, sys.stdout, sys.stderr
    streams = [CellStream(name, number, outputs, descriptors) for number, name in NAMES.items()]
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        sys.stdin, (sys.stdout, sys.stderr) = nothing, streams
        try:
            yield
        finally:
            for stream in streams:
                stream.end()
            sys.stdin, sys.stdout, sys.stderr = before


def _refuse(*_: object, **__: object) -> NoReturn:
    raise StdinNotImplementedError("Nobody can be asked: this notebook runs without a person.")
