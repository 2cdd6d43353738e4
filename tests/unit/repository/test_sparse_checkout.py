"""A checkout of which git leaves files out says so where they are missing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from omc_runbook.changes.add_key.surroundings import note_other_definition
from omc_runbook.model.errors import UsageError
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.repository.template import read_template

SETTINGS = "from pydantic_settings import BaseSettings\nclass Settings(BaseSettings):\n    DOMAIN: str\n"


def git(root: Path, *words: str) -> None:
    names = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", "-C", str(root), *names, *words], check=True, capture_output=True)


@pytest.fixture(params=["clone", "work tree"])
def sparse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose Settings and template git left out, a clone or a linked work tree."""
    monkeypatch.setenv("HOME", str(tmp_path))
    whole, clone, linked = (tmp_path / name for name in ("whole", "clone", "linked"))
    (whole / "backend/app/core").mkdir(parents=True)
    (whole / "backend/app/core/config.py").write_text(SETTINGS)
    (whole / "backend/.env.example").write_text("DOMAIN=localhost\n")
    (whole / "README.md").write_text("x")
    git(tmp_path, "init", "--quiet", str(whole))
    for words in ("add --all", "commit --quiet --message x"):
        git(whole, *words.split())
    git(tmp_path, "clone", "--quiet", "--sparse", str(whole), str(clone))
    git(clone, "worktree", "add", "--quiet", str(linked))
    return clone if request.param == "clone" else linked


def test_what_git_left_out_is_not_called_missing_alone(sparse: Path) -> None:
    """The command that it names brings the files; a whole checkout has no such message."""
    for read in (read_checkout, read_template):
        with pytest.raises(UsageError) as refused:
            read(sparse)
        match = re.search(r" It is a sparse checkout: (git .*) brings the rest\.$", str(refused.value))
        assert match and "sparse-checkout disable" in match[1]
    subprocess.run(match[1], shell=True, check=True, capture_output=True)
    assert read_checkout(sparse).settings.file
    (sparse / "backend/app/core/config.py").unlink()
    (sparse / "backend/.env.example").unlink()
    for read in (read_checkout, read_template):
        with pytest.raises(UsageError) as refused:
            read(sparse)
        assert "sparse" not in str(refused.value)


def test_terraform_that_git_left_out_is_not_called_missing_alone(sparse: Path) -> None:
    """Neither where its task definition is looked for, nor where a key's reference would be added."""
    subprocess.run(["git", "-C", str(sparse), "sparse-checkout", "set", "backend"], check=True, capture_output=True)
    checkout = read_checkout(sparse)
    for text in (checkout.without_terraform, note_other_definition(checkout, "NEWS_API_KEY")):
        assert " It is a sparse checkout: git -C " in text
    subprocess.run(["git", "-C", str(sparse), "sparse-checkout", "disable"], check=True, capture_output=True)
    assert "sparse" not in read_checkout(sparse).without_terraform
