"""What is installed: the lock, and the licences of all that is needed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    """A script of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_nothing_that_is_needed_is_under_agpl_or_gpl_alone() -> None:
    """Nor without a licence; all extras count."""
    licences = script("licences")
    assert {"boto3", "moto", "jupyterlab", "mypy"} <= {*licences.needed()}
    assert list(licences.refused()) == []


@pytest.mark.parametrize(
    ("text", "is_strong"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("GNU Affero General Public License v3", True),
        ("GPL-2.0-only AND MIT", True),
        ("LGPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT OR GPL-2.0-only", False),
        ("Apache-2.0", False),
    ],
)
def test_a_licence_without_an_alternative_to_gpl_is_refused(text: str, is_strong: bool) -> None:
    """LGPL is accepted: what is only called stays under its own licence."""
    assert script("licences").is_strong(text) is is_strong


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/lock-*.txt")), ids=lambda path: path.stem)
def test_a_lock_has_a_hash_for_all_that_is_needed_and_names_no_index(path: Path) -> None:
    """pip refuses a requirement without one; whoever installs chooses the index."""
    text = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#"))
    entries = re.findall(r"^([a-z0-9-]+)==\S+ \\\n    --hash=sha256:[0-9a-f]{64}\n", text, re.M)
    assert len(entries) * 2 == len(text.splitlines()) and "://" not in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    names = {
        re.split(r"[\[<>=]", each)[0] for each in (*project["dependencies"], *(e for some in extras for e in some))
    }
    assert names - {*entries} == {"omc-runbook"}
    assert {"hatchling", "editables"} <= {*entries}


@pytest.mark.long
def test_a_reader_of_the_licences_may_stop_reading() -> None:
    """As `| head` does."""
    command = [sys.executable, str(ROOT / "docs" / "licences.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
