"""Notebooks run by papermill are saved without the values that their kernels hold."""

import json
import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from support.ways_to_show import new_canary, shows

from omc_runbook.headless.run import OWN_PROCESS
from omc_runbook.masking import channel, registry
from omc_runbook.masking.own_process import OwnProcessEngine
from omc_runbook.masking.scan import leaks
from omc_runbook.model.errors import RunbookError, UsageError

pytestmark = pytest.mark.usefixtures("forked_kernels")
OURS = ("omc-runbook", OWN_PROCESS)
"""The engines with a kernel, and without one."""
papermill_engines.register(OWN_PROCESS, OwnProcessEngine)
TAKE = """
import os, sys
from omc_runbook.masking.value import Masked, reveal
text = reveal(Masked(os.environ["OMC_TEST_CANARY"], "CANARY"))
"""


def stdout_of(cell: Any) -> str:
    """What a cell printed, which a busy kernel sends in several pieces."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A fresh value, which a kernel finds in its environment; its history is the test's own."""
    value = new_canary()
    monkeypatch.setenv("OMC_TEST_CANARY", value)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return value


def run(folder: Path, engine: str | None, cells: list[str], **options: Any) -> Path:
    """Run a notebook of these cells and return the path of what papermill saved."""
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # With it, ipykernel leaves file descriptors alone.
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    unexecuted, saved = folder / "given.ipynb", folder / "saved.ipynb"
    nbformat.write(notebook, unexecuted)
    papermill.execute_notebook(unexecuted, saved, engine_name=engine, progress_bar=False, **options)
    return saved


SHOW = [
    "print(text); print(text[:11], end=''); sys.stdout.flush(); text",
    "!echo {text}",
    "for c in text: print(c, end='', flush=True)",
    "from IPython.display import HTML, display; display(HTML('<i>' + text + '</i>')); {text: [text]}",
    "import ipywidgets; ipywidgets.Password(value=text)",
]


@pytest.mark.parametrize("engine", [None, *OURS])
def test_a_saved_notebook_shows_no_part_of_a_value(tmp_path: Path, canary: str, engine: str | None) -> None:
    """With either engine the outputs, widgets and metadata hold names only, and the notebook is whole."""
    saved = run(tmp_path, engine, ["mode = 'x'", TAKE, *SHOW], parameters={"mode": "given"})
    text = saved.read_text("utf-8")
    assert not shows(text, canary)
    assert text.count("‹CANARY›") >= 6
    notebook = nbformat.read(saved, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.papermill.parameters == {"mode": "given"}
    assert all(cell.metadata.papermill.status == "completed" for cell in notebook.cells)


@pytest.mark.parametrize("engine", OURS)
def test_the_engine_masks_what_the_kernel_cannot(tmp_path: Path, canary: str, engine: str) -> None:
    """A literal in a cell, a parameter, metadata, lines of single characters and widget state are saved masked."""
    cells = ["secret = ''", TAKE, f"copy = '{canary}'", "print('\\n'.join(text))", SHOW[-1], "print(len(secret))"]
    saved = run(tmp_path, engine, cells, parameters={"secret": canary})
    text = saved.read_text("utf-8")
    assert not shows(text, canary)
    notebook = nbformat.read(saved, as_version=4)
    assert notebook.metadata.papermill.parameters == {"secret": "‹CANARY›"}
    assert "widgets" not in notebook.metadata
    assert notebook.cells[3].source == "copy = '‹CANARY›'"
    assert stdout_of(notebook.cells[4]) == "‹CANARY›\n"
    assert stdout_of(notebook.cells[-1]) == f"{len(canary)}\n"
    assert leaks(saved) == ()


@pytest.mark.parametrize("engine", OURS)
def test_a_failed_run_is_saved_and_reported_without_the_value(tmp_path: Path, canary: str, engine: str) -> None:
    """The error in the notebook, and the exception that papermill raises, hold the name."""
    with pytest.raises(PapermillExecutionError) as caught:
        run(tmp_path, engine, ["x = 1", TAKE, f"raise ValueError('{canary}' + text)"])
    text = (tmp_path / "saved.ipynb").read_text("utf-8")
    assert "‹CANARY›" in text and not shows(text, canary)
    assert "‹CANARY›" in str(caught.value) and not shows(str(caught.value), canary)


@pytest.mark.parametrize("engine", OURS)
def test_every_save_on_the_way_is_masked(tmp_path: Path, canary: str, engine: str) -> None:
    """The file that a long run has saved so far is as clean as the last one."""
    look = (
        f"import time; time.sleep(.3); saved = open({str(tmp_path / 'saved.ipynb')!r}).read()\n"
        "[any(text[i:i+5] in saved for i in range(len(text) - 4)), 'CANARY›' in saved]"
    )
    saved = run(tmp_path, engine, ["x = 1", TAKE + f"copy = '{canary}'", "print(text)", look])
    assert nbformat.read(saved, 4).cells[-1].outputs[0].data["text/plain"] == "[False, True]"


def test_the_kernel_keeps_no_history_and_the_environment_stays(tmp_path: Path, canary: str) -> None:
    """Nothing typed is on disk afterwards, and this process's variables and folders are as they were."""
    before = {name for name in os.environ if name != "PYTEST_CURRENT_TEST"}
    report = "[get_ipython().history_manager.enabled, os.path.dirname(os.environ['OMC_RUNBOOK_MASKING_SOCKET'])]"
    saved = run(tmp_path, "omc-runbook", [f"copy = '{canary}'", TAKE, report])
    enabled, folder = json.loads(
        nbformat.read(saved, 4).cells[-1].outputs[0].data["text/plain"].replace("'", '"').replace("False", "false")
    )
    assert enabled is False
    assert not Path(folder).exists()
    assert set(os.environ) - {"PYTEST_CURRENT_TEST"} == before
    for path in (tmp_path / "ipython").rglob("*"):
        assert not path.is_file() or not shows(path.read_bytes().decode("latin-1"), canary)


@pytest.mark.parametrize("engine", OURS)
@pytest.mark.parametrize("option", ["stdout_file", "stderr_file", "log_output"])
def test_the_engine_refuses_other_places_for_output(tmp_path: Path, option: str, engine: str) -> None:
    """Output that would be written beside the record is refused before anything runs."""
    with pytest.raises(UsageError, match=option):
        run(tmp_path, engine, ["x = 1"], **{option: sys.stdout})
    assert not (tmp_path / "saved.ipynb").exists()


def test_the_engine_is_found_by_its_name() -> None:
    """papermill lists the engine under the project's name."""
    assert papermill_engines.get_engine("omc-runbook").__name__ == "MaskingEngine"


def announce(code: str, path: Path | str) -> subprocess.CompletedProcess[str]:
    """Run code in another process, whose environment names the socket at ``path``."""
    environment = {**os.environ, channel.VARIABLE: str(path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_another_process_announces_values_and_public_words(canary: str) -> None:
    """What is registered there is masked here by the time the call returns; what is exempted there is public here."""
    word = "word" + secrets.token_hex(6)
    code = (
        "import os; from omc_runbook.masking import registry; registry.register(os.environ['OMC_TEST_CANARY'], 'FAR')\n"
        f"registry.register('{word}', 'WORD'); registry.exempt(['{word}'])"
    )
    with channel.listen(registry.register, registry.exempt) as path:
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert announce(code, path).returncode == 0
        assert registry.mask(f"{canary} {word}") == f"‹FAR› {word}"
    assert not path.parent.exists()


def test_a_value_that_cannot_be_announced_is_refused(tmp_path: Path, canary: str) -> None:
    """Without the listener that was promised no value comes to be, and the error does not show it."""
    code = "import os; from omc_runbook.masking.value import Masked\nMasked(os.environ['OMC_TEST_CANARY'], 'FAR')"
    ended = announce(code, tmp_path / "nobody")
    assert ended.returncode != 0
    assert RunbookError.__name__ in ended.stderr and not shows(ended.stderr, canary)
    assert announce(code, "").returncode == 0


def test_many_values_can_be_announced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret with many versions is read on many threads, and each announcement is taken."""
    texts: list[str] = []
    with channel.listen(lambda text, name: texts.append(text), lambda words: None) as path:
        monkeypatch.setenv(channel.VARIABLE, str(path))
        with ThreadPoolExecutor(60) as pool:
            list(pool.map(lambda number: channel.announce_value(f"value-{number}", "KEY"), range(300)))
    assert len(texts) == 300


@pytest.mark.parametrize("engine", OURS)
@pytest.mark.usefixtures("own_registry")
def test_a_value_that_reads_like_code_breaks_no_cell(tmp_path: Path, canary: str, engine: str) -> None:
    """Cells run as they were written, whatever is registered before them; a parameter that has the value is masked."""
    take = (
        "from omc_runbook.masking.value import Masked\nMasked('after', 'WORD'); Masked('2026', 'YEAR'); print('after')"
    )
    cells = ["word = ''", take, TAKE, f"after = '{canary}'", f"assert after == text == '{canary}'; 2026 + len(word)"]
    saved = run(tmp_path, engine, cells, parameters={"word": "after"})
    notebook = nbformat.read(saved, as_version=4)
    assert [cell.source for cell in notebook.cells[3:]] == [
        TAKE,
        "after = '‹CANARY›'",
        "assert after == text == '‹CANARY›'; 2026 + len(word)",
    ]
    assert 'word = "‹WORD›"' in notebook.cells[1].source and notebook.metadata.papermill.parameters == {
        "word": "‹WORD›"
    }
    assert stdout_of(notebook.cells[2]) == "‹WORD›\n"
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "2031"
