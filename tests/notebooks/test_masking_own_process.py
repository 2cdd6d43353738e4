"""Cells that run in the command's own process show no value, and find and leave what they do in a kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from support import forked_command
from support.paths import SUPPORT
from support.ways_to_show import CANARY, START, WAYS, shows

UNSEEN = {"next input", "pager", "comm"}
"""Ways whose text comes only to a client of a kernel."""


class Ended:
    """A notebook that a process ran, and what the process wrote by itself."""

    def __init__(
        self, folder: Path, cells: dict[str, str], seconds: float = 90, is_fork: bool = True, **variables: str
    ) -> None:
        notebook = new_notebook(
            cells=[
                new_code_cell(text, metadata={"name": name, "tags": ["raises-exception"]})
                for name, text in cells.items()
            ],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        source, saved = folder / "given.ipynb", folder / "saved.ipynb"
        nbformat.write(notebook, source)
        command = [sys.executable, str(SUPPORT / "own_process_run.py"), str(source), str(saved)]
        own_variables, typed = {**os.environ, "HOME": str(folder), **variables}, folder / "typed"
        typed.write_text("typed\n")
        with typed.open() as stdin:
            if is_fork:
                self.process = forked_command.run(
                    command, own_variables, folder, seconds, kernels=0, stdin=stdin.fileno()
                )
            else:
                self.process = subprocess.run(
                    command,
                    env=own_variables,
                    cwd=folder,
                    stdin=stdin,
                    capture_output=True,
                    text=True,
                    timeout=seconds,
                )
        self.saved_text = saved.read_text("utf-8")
        self.notebook = nbformat.read(saved, as_version=4)

    def outputs(self, name: str) -> list[Any]:
        """The outputs of a cell."""
        [cell] = [cell for cell in self.notebook.cells if cell.metadata.get("name") == name]
        return list(cell.outputs)

    def stdout_of(self, name: str) -> str:
        """What a cell printed."""
        return "".join(output.text for output in self.outputs(name) if output.output_type == "stream")

    def result(self, name: str) -> str:
        """A cell's result as text."""
        [result] = [output for output in self.outputs(name) if output.output_type == "execute_result"]
        return str(result.data["text/plain"])


@pytest.fixture(scope="module")
def canary_run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """All ways of showing the canary in one notebook, by a process that imports all by itself."""
    cells = {"start": START, **WAYS}
    return Ended(tmp_path_factory.mktemp("shown"), cells, is_fork=False, OMC_TEST_CANARY=CANARY)


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_showing_a_value_gets_it_out(canary_run: Ended, way: str) -> None:
    """The outputs of a cell that shows the canary have no five characters of it, and most have its name."""
    text = str(canary_run.outputs(way))
    assert not shows(text)
    assert "‹CANARY›" in text or way in UNSEEN


def test_nothing_gets_past_the_outputs(canary_run: Ended) -> None:
    """The notebook as a whole, and what the process itself wrote, have no part of the value."""
    assert (canary_run.process.stdout, canary_run.process.stderr) == ("end\n", "")
    assert not shows(canary_run.saved_text)


ORDINARY = {
    "surroundings": "import os, sys\n[sys.argv, '' in sys.path, os.environ['TERM'], os.getcwd()]",
    "streams": "print('a'); print('b', file=sys.stderr); print('c')",
    "order": "print('a'); os.system('echo b'); print('c'); os.write(2, b'd\\n'); print('e')",
    "in place": "shown = display('first', display_id=True); display('other')",
    "later": "shown.update('second')",
    "cleared": "from IPython.display import clear_output\nprint('a'); clear_output(); print('b')",
    "cleared late": "print('a'); clear_output(wait=True); display('b')",
    "quiet": "5;",
    "result": "_ = 1\nIn[-1][-1], 2",
    "error": "def fail():\n    raise LookupError('lost')\nfail()",
    "syntax": "1 +",
    "input": "input('name? ')",
    "getpass": "import getpass; getpass.getpass()",
    "stdin": "[sys.stdin.read(), os.read(0, 5)]",
    "await": "import asyncio\nawait asyncio.sleep(0)\n7",
    "plot": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "bytes": "display({'image/png': b'abc', 'text/plain': ''}, raw=True)",
    "no text": "display({'application/json': object()}, raw=True)",
    "exit": "exit",
    "moved": "os.chdir('/'); os.environ['LEFT'] = 'behind'",
    "forked": "import warnings; warnings.simplefilter('ignore')\nif child := os.fork(): os.waitpid(child, 0)\n1",
    "left over": (
        "import subprocess, threading, time, atexit\n"
        "threading.Thread(target=time.sleep, args=(100,)).start(); atexit.register(print, 'late')\n"
        "process = subprocess.Popen(['sh', '-c', 'exec sleep 60'])\n"
        "sys.__stdout__.write('kept back')\n"
        "process.pid"
    ),
    "last": "1",
}


@pytest.fixture(scope="module")
def ordinary_run(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Ordinary and odd cells."""
    ended = Ended(tmp_path_factory.mktemp("ran"), ORDINARY)
    os.kill(int(ended.result("left over")), 9)
    return ended


def test_cells_find_what_they_find_in_a_kernel(ordinary_run: Ended) -> None:
    """No argument of the command and nobody to ask; unlike there, no working folder on the module path."""
    arguments, is_in_path, terminal, _ = eval(ordinary_run.result("surroundings"))
    assert (len(arguments), is_in_path, terminal) == (1, False, "xterm-color")
    assert ordinary_run.result("stdin") == "['', b'']"
    for name in ("input", "getpass"):
        assert [output.ename for output in ordinary_run.outputs(name)] == ["StdinNotImplementedError"]


def test_outputs_are_what_a_kernel_makes_of_them(ordinary_run: Ended) -> None:
    """Streams, displays that change in place, results with their number, errors, plots."""
    assert [(output.name, output.text) for output in ordinary_run.outputs("streams")] == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
        ("stdout", "c\n"),
    ]
    assert [(output.name, output.text) for output in ordinary_run.outputs("order")] == [
        ("stdout", "a\nb\nc\n"),
        ("stderr", "d\n"),
        ("stdout", "e\n"),
    ]
    assert [output.data["text/plain"] for output in ordinary_run.outputs("in place")] == ["'second'", "'other'"]
    assert ordinary_run.outputs("later") == [] == ordinary_run.outputs("quiet")
    assert ordinary_run.stdout_of("cleared") == "b\n" and len(ordinary_run.outputs("cleared late")) == 1
    number = list(ORDINARY).index("result") + 1
    assert [output.execution_count for output in ordinary_run.outputs("result")] == [number]
    [error] = ordinary_run.outputs("error")
    assert (error.ename, error.evalue) == ("LookupError", "lost") and "fail" in error.traceback[-2]
    assert [output.ename for output in ordinary_run.outputs("syntax")] == ["SyntaxError"]
    assert ordinary_run.result("await") == "7"
    assert [sorted(output.data) for output in ordinary_run.outputs("plot")] == [["image/png", "text/plain"]]
    assert ordinary_run.outputs("bytes")[0].data["image/png"] == "YWJj"
    assert [output.ename for output in ordinary_run.outputs("no text")] == ["TypeError"]
    assert ordinary_run.outputs("exit")[0].ename == "SystemExit"
    counts = [cell.execution_count for cell in ordinary_run.notebook.cells if "name" in cell.metadata]
    assert counts == list(range(1, len(ORDINARY) + 1))


def test_what_a_cell_leaves_running_holds_nothing_up(ordinary_run: Ended) -> None:
    """A thread, a process and a full buffer: the command ends, with nothing but its own words."""
    assert (ordinary_run.process.returncode, ordinary_run.process.stdout, ordinary_run.process.stderr) == (
        0,
        "end\n",
        "",
    )
    assert "kept back" in ordinary_run.stdout_of("left over")
    assert ordinary_run.result("last") == "1"
    nbformat.validate(ordinary_run.notebook)


HELD = """
import os, sys, time
with get_ipython().outputs.lock:
    os.write(1, b"by a child process\\n")
    time.sleep(0.5)
    print("by an object whose removal fails", file=sys.stderr)
"""


def test_what_is_printed_while_outputs_are_written_waits_for_nothing(tmp_path: Path) -> None:
    """Python reports an object's failed removal at any moment, while a child's text is on its way to the outputs."""
    ended = Ended(tmp_path, {"held": HELD}, seconds=60)
    assert [(output.name, output.text) for output in ended.outputs("held")] == [
        ("stdout", "by a child process\n"),
        ("stderr", "by an object whose removal fails\n"),
    ]
