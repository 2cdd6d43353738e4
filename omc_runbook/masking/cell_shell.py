"""IPython's shell for cells that run in this process: what they show becomes masked outputs."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import TextIOBase
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.page import as_hook
from traitlets import Any as AnyTrait
from traitlets import Bool, Type
from traitlets.config import Config

from omc_runbook.masking import registry
from omc_runbook.masking.cell_outputs import CellOutputs
from omc_runbook.masking.descriptors import Descriptors
from omc_runbook.model import temporary


class CellStream(TextIOBase):
    """Standard output or error of cells; once they have run, what is written to it is lost."""

    encoding = "utf-8"

    def __init__(self, name: str, number: int, outputs: CellOutputs, descriptors: Descriptors) -> None:
        self.name, self._number = name, number
        self._outputs, self._descriptors, self._home = outputs, descriptors, os.getpid()
        self._has_ended = False

    def write(self, text: str) -> int:
        """Append to the cell's output; a fork writes where its parent reads."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if os.getpid() != self._home:
            os.write(self._number, registry.mask(text).encode("utf-8", "replace"))
        elif not self._has_ended:
            # What a child process wrote before stands before.
            self._descriptors.drain()
            self._outputs.write(self.name, text)
        return len(text)

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def fileno(self) -> int:
        """The descriptor through which a child process writes to the same output."""
        return self._number

    def end(self) -> None:
        """Take no more."""
        self._has_ended = True


class CellPublisher(DisplayPublisher):
    """Makes outputs of what cells display."""

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: object = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Add a display to the cell's outputs, or replace those that have its id."""
        display_id = (transient or {}).get("display_id", "")
        if update:
            self.shell.outputs.update(display_id, dict(data), metadata or {})
        else:
            self.shell.outputs.add("display_data", display_id, data=dict(data), metadata=metadata or {})

    def clear_output(self, wait: bool = False) -> None:
        """Remove the cell's outputs."""
        self.shell.outputs.clear(wait)


class CellDisplayHook(DisplayHook):
    """Makes an output of a cell's result."""

    def write_output_prompt(self) -> None:
        """Show no prompt: the output has its number."""

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        """Add the result to the cell's outputs."""
        shell: Any = self.shell
        number = self.prompt_count
        shell.outputs.add("execute_result", execution_count=number, data=format_dict, metadata=md_dict or {})

    def finish_displayhook(self) -> None:
        """End without a line break."""
        self._is_active = False

    def flush(self) -> None:
        """Leave the results to the shell's end: IPython's own would also collect all garbage of this process."""


class CellShell(InteractiveShell):
    """IPython without a terminal and without a kernel."""

    display_pub_class = Type(CellPublisher)
    displayhook_class = Type(CellDisplayHook)
    outputs = AnyTrait()
    has_terminal = Bool(help="Whether a person sits before the command that runs the notebook.")

    def init_hooks(self) -> None:
        """Leave out the pager: nobody reads it."""
        super().init_hooks()  # type: ignore[no-untyped-call]
        self.set_hook("show_in_pager", as_hook(_drop), 99)  # type: ignore[no-untyped-call]

    def enable_gui(self, gui: str | None = None) -> None:
        """Accept plots in outputs, and no event loop; raises IPython's UsageError for one."""
        if gui not in (None, "inline"):
            raise UsageError(f"There is no screen for {gui} in a notebook that runs without a person.")

    def ask_exit(self) -> None:
        """End the notebook, for `exit` and `quit`."""
        raise SystemExit

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        self.outputs.add("error", ename=etype.__name__, evalue=str(evalue), traceback=stb)


@contextmanager
def shell(outputs: CellOutputs, has_terminal: bool) -> Iterator[Any]:
    """IPython's shell of this process while the context lasts; it leaves no file, and no name of a cell.

    Raises CouldNotLook where the folder for temporary files has no room for its own.
    """
    config = Config({"HistoryManager": {"enabled": False, "hist_file": ":memory:"}})
    with ExitStack() as stack:
        with temporary.usable():
            folder = stack.enter_context(temporary.folder("shell"))
            one: Any = CellShell.instance(config=config, ipython_dir=folder, outputs=outputs, has_terminal=has_terminal)
        try:
            yield one
        finally:
            one.restore_sys_module_state()
            one.atexit_operations()
            atexit.unregister(one.atexit_operations)
            CellShell.clear_instance()


def _drop(text: object, **_: object) -> None:
    """Show nothing of what a pager would."""
