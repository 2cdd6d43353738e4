"""Runs notebooks in a healthy sandbox and keeps what they showed as their committed outputs: make notebooks."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import papermill

import omc_runbook
from omc_runbook.headless.notebooks import find, folder
from omc_runbook.headless.run import ENGINE
from omc_runbook.sandbox import lifecycle

ROOT = Path(__file__).resolve().parents[2]

PORT = 5000
"""Stands in the outputs for the port of the sandbox, which is another each time."""

CHECKOUT = "~/ohmycoins"
"""Stands in the outputs for the path of a sandbox's example checkout."""

OWN_CHECKOUT = r"(?:/[\w.-]+)+/omc-sandbox-\d+/\d+/(?:drill/)?ohmycoins"


def executed(source: Path, folder: Path) -> Any:
    """The notebook as papermill leaves it, with every value masked."""
    target = folder / source.name
    papermill.execute_notebook(
        str(source), str(target), engine_name=ENGINE, kernel_name="python3", cwd=str(folder), progress_bar=False
    )
    return nbformat.read(target, as_version=4)


def refresh(source: Path, ran: Any) -> None:
    """Give a notebook the outputs and counts of its run, and nothing else of it."""
    notebook = nbformat.read(source, as_version=4)
    cells = {cell.id: cell for cell in ran.cells}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [_settled(output) for output in cells[cell.id].outputs]
            cell.execution_count = cells[cell.id].execution_count
    nbformat.write(notebook, source)


def _settled(output: Any) -> Any:
    for kind, text in output.get("data", {}).items():
        if kind.startswith("text/"):
            text = re.sub(r"(?<=127\.0\.0\.1:)\d+", str(PORT), text)
            output.data[kind] = re.sub(OWN_CHECKOUT, CHECKOUT, text)
    return output


def refuse_other_checkout(imported: str, root: Path) -> None:
    """Exit with a sentence where the package that was imported is another checkout's, whose notebooks it would find.

    A virtual environment that several checkouts share has the package of one.
    """
    own = root / "omc_runbook"
    if not Path(imported).resolve().is_relative_to(own.resolve()):
        sys.exit(
            f"omc_runbook is imported from {imported}, not from {own}: set PYTHONPATH={root}. Nothing was written."
        )


def main() -> None:
    """Refresh all notebooks, or those that the arguments name."""
    refuse_other_checkout(str(omc_runbook.__file__), ROOT)
    sources = [*map(find, sys.argv[1:])] or sorted(folder().glob("*.ipynb"))
    sandbox = lifecycle.up("healthy")
    os.environ.update(sandbox.variables)
    try:
        for source in sources:
            with tempfile.TemporaryDirectory() as empty:
                refresh(source, executed(source, Path(empty)))
    finally:
        lifecycle.down(sandbox)


if __name__ == "__main__":
    main()
