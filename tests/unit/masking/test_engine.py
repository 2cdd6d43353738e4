"""papermill's client, interrupted between two cells."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from types import SimpleNamespace

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

# It imports the engine by its entry point, which imports it: so it has to come first.
from papermill.engines import NotebookExecutionManager

from omc_runbook.masking.engine import INTERRUPT, InterruptibleClient
from omc_runbook.model import ending


def client(*cells: nbformat.NotebookNode) -> InterruptibleClient:
    """A client without a kernel."""
    return InterruptibleClient(NotebookExecutionManager(nbformat.v4.new_notebook(cells=[*cells])))


def test_an_interruption_before_a_cell_of_text_is_an_error_of_the_next_code() -> None:
    """papermill reads the number of a cell with an error, which text has not."""
    text, code = nbformat.v4.new_markdown_cell("## Change it"), nbformat.v4.new_code_cell("1 / 0")
    interrupted = client(text, code)
    interrupted._is_interrupted = True
    assert interrupted.execute_cell(text, 0) is text and "outputs" not in text
    with pytest.raises(CellExecutionError):
        interrupted.execute_cell(code, 1)
    assert [(output.output_type, output.ename) for output in code.outputs] == [("error", INTERRUPT)]


def test_a_task_that_a_second_signal_leaves_prints_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel died, as it was to: asyncio would report that as nobody's error."""

    def refuse(process: int, number: int) -> None:
        raise ProcessLookupError

    logger = logging.getLogger("asyncio")
    monkeypatch.setattr(logger, "level", logger.level)
    monkeypatch.setattr(ending, "_state", ending._State())
    monkeypatch.setattr(os, "kill", refuse)
    interrupted = client()
    interrupted.km = SimpleNamespace(provisioner=SimpleNamespace(pid=0))
    interrupted._interrupt(signal.SIGINT)
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": OSError()})
    loop.close()
    logger._cache.clear()
    assert not caplog.records
