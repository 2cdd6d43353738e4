"""The papermill engine that masks every value that its kernel registers before it saves."""

import errno
import logging
import os
import re
import signal
from contextlib import suppress
from subprocess import DEVNULL
from typing import Any

from nbclient.exceptions import CellExecutionError
from nbformat import from_dict
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, catch_nb_assignment
from papermill.log import logger
from traitlets.config import Config

from omc_runbook.masking import channel, registry
from omc_runbook.masking.index import Index
from omc_runbook.masking.nested import mask_members
from omc_runbook.model import ending
from omc_runbook.model.errors import OUT_OF_FILES, CouldNotLook, UsageError
from omc_runbook.model.parameters import PASTED

# Fields of the notebook format, which are no text.
_OUTPUT_FORM = frozenset({"output_type", "name"})
_CELL_FORM = frozenset({"cell_type", "id", "outputs", "source"})
_NOTEBOOK_FORM = frozenset({"kernelspec", "language_info"})
INTERRUPT = KeyboardInterrupt.__name__
_INJECTED = "injected-parameters"
_PARAMETERS = frozenset({"parameters", _INJECTED})
_PASTED = re.compile(rf"^({'|'.join(sorted(PASTED))}) = .*[^\s\"'].*$", re.MULTILINE)
_NOT_KEPT = "(not kept)"


class MaskingManager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's manager of a running notebook, which masks all text before each save."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Most of a notebook is the same at its next save: clean text stays clean until another value is registered.
        self._index: Index | None = None
        self._clean: set[tuple[str, bool]] = set()

    @property
    def has_begun(self) -> bool:
        """Whether the first cell has begun."""
        return any(cell.metadata.papermill["status"] != self.PENDING for cell in self.nb.cells)

    def cell_start(self, *args: Any, **kwargs: Any) -> None:
        """Note, and save, that a cell begins."""
        ending.begin_run()
        super().cell_start(*args, **kwargs)

    @catch_nb_assignment  # type: ignore[untyped-decorator]
    def save(self, **kwargs: Any) -> None:
        """Mask the notebook (sources, outputs, metadata) and write it to the output path, if there is one.

        Sources are only masked in the written file: cells that have not run yet stay as they are. A full disk does not
        abort a run that may be making changes: papermill's last write reports it.
        """
        if not self.output_path:
            return
        sources = [cell.source for cell in self.nb.cells]
        self.mask()
        try:
            with suppress(OSError):
                super().save()
        finally:
            for cell, source in zip(self.nb.cells, sources, strict=True):
                cell.source = source

    def mask(self) -> None:
        """Mask the notebook in memory."""
        index = registry.current()
        if index is not self._index:
            self._index, self._clean = index, set()
        for cell in self.nb.cells:
            for output in cell.get("outputs", ()):
                self._mask_members(output, _OUTPUT_FORM)
            self._mask_members(cell, _CELL_FORM)
            tags = {*cell.metadata.get("tags", ())}
            source = _PASTED.sub(rf'\1 = "{_NOT_KEPT}"', cell.source) if _INJECTED in tags else cell.source
            cell.source = self._mask(source, bool(_PARAMETERS & tags))
        parameters = self.nb.metadata.get("papermill", {}).get("parameters", {})
        parameters.update({name: _NOT_KEPT for name in PASTED & {*parameters} if parameters[name]})
        self._mask_members(self.nb.metadata, _NOTEBOOK_FORM)

    def _mask_members(self, node: Any, keep: frozenset[str]) -> None:
        masked = mask_members(node, keep, self._mask)
        # A name that was a value is another one now.
        for name in node.keys() - keep - masked.keys():
            del node[name]
        node.update(from_dict(masked))

    def _mask(self, text: str, common: bool) -> str:
        if (text, common) not in self._clean:
            text = registry.mask_thoroughly(text, common)
            self._clean.add((text, common))
        return text


class InterruptibleClient(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client, which interrupts the kernel's cell when this process is asked to end.

    The cell can say then how far it came, and the notebook ends as with any error. A second signal ends this process at
    once, and the kernel with it.
    """

    _is_interrupted = False

    def papermill_execute_cells(self) -> None:
        """Execute all cells, until one fails or is interrupted."""
        with ending.handled_by(self._interrupt, once=True):
            super().papermill_execute_cells()

    def execute_cell(self, cell: Any, cell_index: int, **kwargs: Any) -> Any:
        """Execute a cell; after an interruption between two cells, record that instead."""
        if self._is_interrupted:
            if cell.cell_type != "code":
                # It has no outputs: the next one that would run has the error.
                return cell
            cell.outputs = [new_output("error", ename=INTERRUPT, evalue="", traceback=[])]
            raise CellExecutionError("", INTERRUPT, "")
        return super().execute_cell(cell, cell_index, **kwargs)

    def _interrupt(self, number: int) -> None:
        ending.note(number)
        self._is_interrupted = True
        # After another signal, nobody waits for nbclient's task of the cell, and its error is nobody's.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
        with suppress(ProcessLookupError):
            os.kill(self.km.provisioner.pid, signal.SIGINT)


class MaskingEngine(NBClientEngine):  # type: ignore[misc]
    """papermill's engine, with a kernel that announces which values to mask.

    The values arrive over a private socket as the kernel registers them; they are in no file and no argument. Raises
    UsageError when output is also to be written to ``stdout_file``, ``stderr_file`` or the log, and CouldNotLook where
    the system refuses something before the first cell.
    """

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **kwargs: Any,
    ) -> Any:
        """Run ``nb`` in a new kernel, save it masked at every step, and return it masked."""
        if log_output or kwargs.get("stdout_file") or kwargs.get("stderr_file"):
            raise UsageError(
                "A runbook's output goes only into its record: omit log_output, stdout_file and stderr_file."
            )
        manager = MaskingManager(nb, output_path, False, progress_bar, autosave_cell_every)
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **kwargs)
        except (KeyboardInterrupt, SystemExit):
            # papermill writes no notebook then, and the run may have begun a change.
            manager.output_path = nb.metadata.papermill["output_path"]
            raise
        except OSError as error:
            if manager.has_begun:
                raise
            where = f" ({error.filename})" if error.filename else ""
            reason = f"The run could not begin: {error.strerror or error}{where}. Mend that, then run again."
            raise CouldNotLook(f"{OUT_OF_FILES if error.errno == errno.EMFILE else reason} Nothing was done.") from None
        finally:
            # How the notebook ended is known, and is about to be saved.
            ending.decide()
            manager.cleanup_pbar()
            manager.notebook_complete()
            manager.mask()
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: MaskingManager,
        kernel_name: str,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run the notebook's cells while receiving the values that its kernel registers."""
        for unused in ("input_path", "stdout_file", "stderr_file", "store_widget_state", "ipython_hist_file"):
            kwargs.pop(unused, None)
        with channel.listen(registry.register, registry.exempt) as path:
            # Sockets and IPython's files are in the private folder: other users cannot listen, and the home folder
            # stays untouched.
            connection = {"transport": "ipc", "connection_file": str(path.with_name("kernel.json"))}
            client = InterruptibleClient(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=execution_timeout,
                log=logger,
                store_widget_state=False,
                # Not HistoryManager.enabled=False: such a kernel sometimes takes three seconds to stop.
                ipython_hist_file=":memory:",
                # A kernel that is stopped while busy would log an error to our standard error.
                extra_arguments=[*kwargs.pop("extra_arguments", ()), "--IPKernelApp.log_level=50"],
                config=Config({"KernelManager": connection}),
                **kwargs,
            )
            private = {channel.VARIABLE: str(path), "IPYTHONDIR": str(path.with_name("ipython"))}
            # Libraries may write past the kernel's streams, for example when it ends under load.
            return client.execute(env={**os.environ, **private}, stdout=DEVNULL, stderr=DEVNULL)
