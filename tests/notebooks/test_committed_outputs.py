"""The committed outputs of the notebooks: what a sandbox shows, what a code host can show, and nothing of a machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support import forked_command
from support.paths import ROOT, SUPPORT

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.model.handover import FOLDER_VARIABLE
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.workstation.docker import find_compose

SANITIZE = Path(__file__).with_name("notebooks.cfg")
NOTEBOOKS = sorted(notebooks().glob("*.ipynb"))
in_each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
WIDTH = 120


def nbval(sandbox: Sandbox, home: Path, *notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Run notebooks anew in a sandbox and compare what they show with what is committed."""
    command = [sys.executable, str(SUPPORT / "nbval_run.py"), "--nbval", "--nbval-current-env"]
    command += [f"--nbval-sanitize-with={SANITIZE}", *map(str, notebooks)]
    variables = dict(os.environ) | sandbox.variables | {"HOME": str(home), FOLDER_VARIABLE: str(home)}
    return forked_command.run(command, variables, ROOT, seconds=300, kernels=len(notebooks))


def outputs(notebook: Path) -> Iterator[tuple[str, Any]]:
    """The outputs of a notebook, each with its cell's id."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        yield from ((cell.id, output) for output in cell.get("outputs", ()))


class Words(HTMLParser):
    """The words of an HTML text, as a reader sees them without its styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words += re.findall(r"[\w✓✗]+", data)


def test_committed_outputs_are_what_a_sandbox_shows(sandbox: Sandbox, tmp_path: Path) -> None:
    """Run on a fresh sandbox, every notebook shows what is committed, but for times, ids and the port."""
    compared = [path for path in NOTEBOOKS if path.stem != "local_setup" or find_compose()]
    # fleet leaves records, which index would list.
    ended = nbval(sandbox, tmp_path, *sorted(compared, key=lambda path: path.stem == "fleet"))
    assert ended.returncode == 0, ended.stdout
    if len(compared) < len(NOTEBOOKS):
        pytest.skip("local_setup alone was not compared: no Docker Compose here")


def test_an_output_that_is_not_true_is_noticed(sandbox: Sandbox, tmp_path: Path) -> None:
    """A committed output that says one thing else than the sandbox shows makes the comparison fail, in its cell."""
    copy = tmp_path / "verify.ipynb"
    shutil.copy(notebooks() / "verify.ipynb", copy)
    copy.write_text(copy.read_text().replace("1 fresh", "1 stale"))
    ended = nbval(sandbox, tmp_path, copy)
    assert ended.returncode == 1
    failed = re.findall(r"^FAILED \S+::Cell (\d+)", ended.stdout, flags=re.MULTILINE)
    code = [cell.id for cell in nbformat.read(copy, as_version=4).cells if cell.cell_type == "code"]
    assert [code[int(number)] for number in failed] == ["matrix"]


@in_each_notebook
def test_every_code_cell_was_run_in_order_and_without_an_error(notebook: Path) -> None:
    """The committed notebook is one Run All on a fresh kernel that ended well."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output.output_type for _, output in outputs(notebook)}
    assert kinds <= {"execute_result", "display_data"}


@in_each_notebook
def test_committed_notebooks_hold_nothing_of_the_machine_they_ran_on(notebook: Path) -> None:
    """No path, no papermill metadata, no injected cell, and of cells' metadata only tags."""
    parsed = nbformat.read(notebook, as_version=4)
    assert parsed.metadata.keys() <= {"kernelspec", "language_info"}
    assert {key for cell in parsed.cells for key in cell.metadata} <= {"tags"}
    assert "injected-parameters" not in {tag for cell in parsed.cells for tag in cell.metadata.get("tags", ())}
    assert not re.search(r"/(home|root|tmp|work|usr|Users|private)/", notebook.read_text())


@in_each_notebook
def test_a_code_host_shows_as_much_as_a_terminal(notebook: Path) -> None:
    """Without styles and scripts the HTML of an output has all words of its plain text, and needs no other tags."""
    for cell, output in outputs(notebook):
        html, text = output.data.get("text/html", ""), output.data["text/plain"]
        if html:
            page = Words(html)
            missing = [word for word in re.findall(r"[\w✓✗]+", text) if word not in page.words]
            assert (cell, missing) == (cell, [])
            assert (cell, page.tags & {"style", "script", "svg", "link", "iframe"}) == (cell, set())


@in_each_notebook
def test_plain_text_fits_a_terminal(notebook: Path) -> None:
    """No line is wider than a terminal, but a command or an address that one copies."""
    for cell, output in outputs(notebook):
        lines = [line for line in output.data["text/plain"].splitlines() if not line.startswith("  → ")]
        assert (cell, [line for line in lines if len(line) > WIDTH]) == (cell, [])
