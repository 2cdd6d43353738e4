"""The notebooks that a person works on in JupyterLab: copies in a folder of their own, without outputs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, MutableMapping
from itertools import count
from pathlib import Path
from typing import Any

from omc_runbook.headless import notebooks
from omc_runbook.model.errors import UsageError
from omc_runbook.report.archive.sections import without_sample
from omc_runbook.textfile import private_file

OPTIONS = (
    "--LabApp.default_url=/lab/tree/index.ipynb",
    "--LabApp.expose_app_in_browser=True",
    f"--LabApp.extra_labextensions_path={Path(__file__).parent / 'labextensions'}",
)
"""Options of JupyterLab: it opens the index, forms and buttons can run cells and open notebooks, and saved ones say how
to get those back."""

CONFIGURATION = Path(__file__).parent / "jupyter"
"""A folder of Jupyter's configuration: long lines of cells wrap, and nobody is asked about Jupyter's news."""
_CONFIGURATION_VARIABLE = "JUPYTER_CONFIG_PATH"

_MEMBER = "omc_runbook_source"


def refuse_unwritable() -> None:
    """Raise UsageError where JupyterLab cannot write its own files, which it would tell by a traceback."""
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir())
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"JupyterLab keeps files in {folder}, which cannot be made: {error.strerror}. Set HOME to another folder."
        ) from None


def configure(variables: MutableMapping[str, str]) -> None:
    """Let JupyterLab begin with our defaults for its settings; a person's own settings override them."""
    paths = (str(CONFIGURATION), variables.get(_CONFIGURATION_VARIABLE, ""))
    variables[_CONFIGURATION_VARIABLE] = os.pathsep.join(filter(None, paths))


def copy_notebooks(folder: Path) -> list[str]:
    """Copy each notebook into a folder, and return what a person should know, in sentences.

    A copy that nobody edited is replaced by a newer notebook; one that was edited stays, with the newer one beside it.
    Raises UsageError where the folder cannot be written.
    """
    sentences = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in notebooks.paths().items():
            sentences += _copy(path, folder / path.name, folder / f"{name}.new.ipynb")
    except OSError as error:
        raise UsageError(f"{folder} cannot hold the notebooks: {error.strerror}. Name another with --folder.") from None
    return sentences


def fill_in(folder: Path, name: str, parameters: Mapping[str, str]) -> Path:
    """A copy of a notebook with these parameters in a folder, which is new or was neither edited nor run.

    Raises UsageError where there is no such notebook, for a value of the wrong type, and where the folder cannot be
    written.
    """
    notebook = _cleared(json.loads(notebooks.find(name).read_text(encoding="utf-8")))
    cell = next(cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", ()))
    cell["source"] = notebooks.with_parameters("".join(cell["source"]), parameters)
    stem = "-".join(filter(None, (name, parameters.get("environment", ""))))
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.ipynb" for number in count(1))
    try:
        path = next(path for each in names if not (path := folder / each).exists() or _is_fresh(path, notebook))
        _write(path, notebook)
    except OSError as error:
        raise UsageError(f"{folder} cannot hold the notebook: {error.strerror}.") from None
    return path


def _is_fresh(path: Path, notebook: dict[str, Any]) -> bool:
    """Whether a file is this notebook, and was never run."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return _read(path)[1] == _digest(notebook) and not any(cell.get("outputs") for cell in cells)
    except (ValueError, KeyError, TypeError):
        return False


def _copy(source: Path, copy: Path, beside: Path) -> list[str]:
    notebook = _cleared(json.loads(source.read_text(encoding="utf-8")))
    newest = notebook["metadata"][_MEMBER]
    if not copy.exists():
        _write(copy, notebook)
        return []
    origin, present = _read(copy)
    if origin == newest:
        return []
    if origin == present:
        _write(copy, notebook)
        return [f"{copy} was replaced by a newer version of the notebook."]
    if _read(beside)[0] != newest:
        _write(beside, notebook)
    return [f"{copy} is of an older version, and was edited: it stays as it is. The newer one is {beside}."]


def _cleared(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook without outputs and what it says of them, which names the text that it was made from."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        else:
            cell["source"] = without_sample("".join(cell["source"])).splitlines(keepends=True)
    notebook["metadata"][_MEMBER] = _digest(notebook)
    return notebook


def _read(path: Path) -> tuple[str, str]:
    """Digests of the text that a copy was made from, and of the one that it has; ("", "?") for what is no copy."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return str(notebook["metadata"].get(_MEMBER, "")), _digest(notebook)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return "", "?"


def _digest(notebook: dict[str, Any]) -> str:
    """A digest of the cells' sources."""
    sources = [[cell["cell_type"], "".join(cell["source"])] for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def _write(path: Path, notebook: dict[str, Any]) -> None:
    private_file.write(path, json.dumps(notebook, indent=1, ensure_ascii=False).encode())
