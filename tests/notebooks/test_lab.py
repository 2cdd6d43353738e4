"""JupyterLab, which starts kernels beside the notebooks: the folder that `lab` was started in counts all the same."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support import forked_command

from omc_runbook import cli
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.headless import notebooks, run
from omc_runbook.headless.lab import CONFIGURATION, OPTIONS, configure, copy_notebooks, fill_in
from omc_runbook.model.environment import load
from omc_runbook.model.errors import UsageError
from omc_runbook.model.handover import FOLDER_VARIABLE
from omc_runbook.report.display import banner
from omc_runbook.report.display.banner import Banner
from omc_runbook.repository.checkout import find_root
from omc_runbook.runbooks.run import Target

ACCOUNT = "210987654321"
LOOK = """
import json
from omc_runbook.changes.values.source_file import path_of
from omc_runbook.model.environment import load
from omc_runbook.repository.checkout import find_root
found = load("staging")
paths = [find_root("checkout"), path_of("file:values.env")]
print(json.dumps([found.names.account_id, found.source, *map(str, paths)]))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that a person works in, with an account to guard."""
    (tmp_path / "runbook.toml").write_text(f'account_id = "{ACCOUNT}"\n')
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path)
    # Set and taken away, for `lab` to set it for good: it ends with its process.
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    return tmp_path


def test_kernels_of_the_lab_know_the_folder_it_was_started_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process beside the notebooks, as JupyterLab starts one, has the account and paths of that folder."""
    labapp = pytest.importorskip("jupyterlab.labapp", reason="needs JupyterLab")
    answers: list[Any] = []
    script = folder / "look.py"
    script.write_text(LOOK)

    def launch(arguments: list[str]) -> None:
        """Start a process where JupyterLab starts a kernel."""
        beside = arguments[0].partition("root_dir=")[2]
        process = forked_command.run([sys.executable, str(script)], os.environ, Path(beside), kernels=0)
        answers.append(json.loads(process.stdout))

    monkeypatch.setattr(labapp.LabApp, "launch_instance", launch)
    cli.cli.main(["lab"], standalone_mode=False)
    paths = ["runbook.toml", "checkout", "values.env"]
    assert answers == [[ACCOUNT, *(str(folder / name) for name in paths)]]


def test_the_lab_begins_with_settings_that_jupyterlab_has(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long lines wrap at 800 pixels, and JupyterLab does not ask about news; a person's own settings stay."""
    handlers = pytest.importorskip("jupyterlab_server.settings_utils", reason="needs JupyterLab")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(folder))
    variables = dict(os.environ)
    configure(variables)
    assert variables["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(CONFIGURATION), str(folder)]
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", variables["JUPYTER_CONFIG_PATH"])
    overrides, _ = handlers._get_overrides(str(folder))
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    ours = json.loads((CONFIGURATION / "labconfig" / "default_setting_overrides.json").read_text())
    for plugin, settings in ours.items():
        schema = json.loads((schemas / f"{plugin.replace(':', '/')}.json").read_text())["properties"]
        assert settings.keys() <= schema.keys() and settings.items() <= overrides[plugin].items()


def test_the_lab_does_not_ask_whether_its_own_page_has_to_be_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes Node.js more than a second each time the page is opened, and nobody builds it."""
    config = pytest.importorskip("jupyterlab_server.config", reason="needs JupyterLab")
    variables = dict(os.environ)
    configure(variables)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", variables["JUPYTER_CONFIG_PATH"])
    page = config.get_static_page_config(level="all")
    assert (page["buildAvailable"], page["buildCheck"]) == (False, False)


def test_a_headless_run_goes_by_its_own_working_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal of JupyterLab a relative path means what it means to every other command there."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    elsewhere = folder / "elsewhere"
    (elsewhere / "checkout").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    with pytest.raises(UsageError, match="There is no runbook"):
        run.run("none", (), folder / "records")
    assert FOLDER_VARIABLE not in os.environ
    assert find_root("checkout") == elsewhere / "checkout"


def test_an_editor_that_starts_kernels_beside_the_notebooks_finds_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a folder "notebooks" a runbook.toml counts for the kernels in it, however they were started."""
    beside = folder / "notebooks"
    beside.mkdir()
    monkeypatch.chdir(beside)
    assert load("staging").names.account_id == ACCOUNT


def test_the_banner_says_where_the_names_come_from(folder: Path) -> None:
    """The path of the file, or that there is none."""
    text = where("staging").to_text().replace("\n", " ")
    assert f"names from {folder / 'runbook.toml'}" in text
    local = banner.workstation("local_setup", "/checkout", Caller("", ""), "", load("local").origin).to_text()
    assert f"names from {folder / 'runbook.toml'}" in local
    (folder / "runbook.toml").unlink()
    assert "the guide's names" in where("staging").to_text()


def test_one_banner_covers_all_targets() -> None:
    """Each with its account and names under one headline, red if one of them is production."""
    both = where("staging", "production")
    assert (both.style, both.headline) == ("production", "add_key: staging, production")
    for name in ("staging", "production"):
        assert f"Secret ohmycoins-{name}-app-secrets" in both.to_text() and f"{name}: account" in both.to_text()
    assert where("staging").style == "plain" and "Account" in where("staging").to_text()


def where(*environments: str) -> Banner:
    """The banner of a run on some environments."""
    targets = [Target(load(name), Clients("ap-southeast-2"), Caller("123456789012", "arn")) for name in environments]
    return banner.where("add_key", targets)


def test_lab_works_on_copies_without_outputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed notebooks are left alone; what a person sees before a run shows no verdict."""
    labapp = pytest.importorskip("jupyterlab.labapp", reason="needs JupyterLab")
    started: list[str] = []
    monkeypatch.setattr(labapp.LabApp, "launch_instance", started.extend)
    cli.cli.main(["lab", "--folder", "desk"], standalone_mode=False)
    assert started == [f"--ServerApp.root_dir={folder / 'desk'}", *OPTIONS]
    assert {path.stem for path in (folder / "desk").iterdir()} == set(notebooks.paths())
    for path in (folder / "desk").iterdir():
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells)
        assert not any("outputs here are a sample" in cell.source for cell in cells)


def test_a_copy_is_renewed_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unedited copy is replaced by a newer notebook, with its outputs; an edited one stays beside a newer."""
    installed, desk = tmp_path / "installed", tmp_path / "desk"
    installed.mkdir()
    monkeypatch.setattr(notebooks, "folder", lambda: installed)

    def install(text: str) -> None:
        for name in ("plain", "edited", "run"):
            cells = [nbformat.v4.new_code_cell(text, outputs=[nbformat.v4.new_output("stream", text="a sample")])]
            nbformat.write(nbformat.v4.new_notebook(cells=cells), installed / f"{name}.ipynb")

    def edit(name: str, **members: Any) -> None:
        notebook = nbformat.read(desk / f"{name}.ipynb", as_version=4)
        notebook.cells[0] |= members
        nbformat.write(notebook, desk / f"{name}.ipynb")

    def source(name: str) -> str:
        return str(nbformat.read(desk / f"{name}.ipynb", as_version=4).cells[0].source)

    install("first")
    assert copy_notebooks(desk) == [] == copy_notebooks(desk)
    edit("edited", source="mine")
    edit("run", outputs=[nbformat.v4.new_output("stream", text="my own run")])
    assert copy_notebooks(desk) == []
    assert "my own run" in (desk / "run.ipynb").read_text() and source("edited") == "mine"
    install("second")
    sentences = copy_notebooks(desk)
    assert len(sentences) == 3 and len([sentence for sentence in sentences if "was replaced" in sentence]) == 2
    assert [source(name) for name in ("plain", "run", "edited", "edited.new")] == ["second", "second", "mine", "second"]
    assert [sentence for sentence in copy_notebooks(desk) if "was edited" in sentence] == sentences[:1]
    (desk / "plain.ipynb").write_text("{}")
    assert len(copy_notebooks(desk)) == 2 and (desk / "plain.ipynb").read_text() == "{}"


def test_a_folder_that_cannot_hold_the_notebooks_is_one_sentence(tmp_path: Path) -> None:
    """A file in its place."""
    (tmp_path / "desk").write_text("")
    with pytest.raises(UsageError, match=r"desk cannot hold the notebooks: .*--folder"):
        copy_notebooks(tmp_path / "desk")


def test_a_filled_in_copy_is_new_and_refused_where_it_cannot_be(tmp_path: Path) -> None:
    """A second one with other parameters has a name of its own; a folder that is none is one sentence."""
    first = fill_in(tmp_path, "verify", {"environment": "production", "look_inside": "true"})
    second = fill_in(tmp_path, "verify", {"environment": "production"})
    assert [first.name, second.name] == ["verify-production.ipynb", "verify-production-2.ipynb"]
    assert "look_inside: bool = True  # also look" in first.read_text()
    assert fill_in(tmp_path, "verify", {"environment": "production"}) == second
    with pytest.raises(UsageError, match="cannot hold the notebook: "):
        fill_in(tmp_path / "none", "verify", {})


@pytest.mark.parametrize("metadata", [None, []])
def test_a_filled_in_copy_whose_metadata_somebody_took_away_is_left_as_it_is(tmp_path: Path, metadata: object) -> None:
    """It was edited, though its cells are the same: the next one has a name of its own."""
    first = fill_in(tmp_path, "verify", {"environment": "staging"})
    edited = {**json.loads(first.read_text()), "metadata": metadata}
    text = json.dumps(edited if metadata is not None else {"cells": edited["cells"]})
    first.write_text(text)
    assert fill_in(tmp_path, "verify", {"environment": "staging"}).name == "verify-staging-2.ipynb"
    assert first.read_text() == text
