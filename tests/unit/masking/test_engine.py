"""papermill's client, interrupted between two cells."""

from __future__ import annotations

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

# It imports the engine by its entry point, which imports it: so it has to come first.
from papermill.engines import NotebookExecutionManager

from omc_runbook.masking.engine import INTERRUPT, InterruptibleClient


def test_an_interruption_before_a_cell_of_text_is_an_error_of_the_next_code() -> None:
    """papermill reads the number of a cell with an error, which text has not."""
    text, code = nbformat.v4.new_markdown_cell("## Change it"), nbformat.v4.new_code_cell("1 / 0")
    client = InterruptibleClient(NotebookExecutionManager(nbformat.v4.new_notebook(cells=[text, code])))
    client._is_interrupted = True
    assert client.execute_cell(text, 0) is text and "outputs" not in text
    with pytest.raises(CellExecutionError):
        client.execute_cell(code, 1)
    assert [(output.output_type, output.ename) for output in code.outputs] == [("error", INTERRUPT)]
