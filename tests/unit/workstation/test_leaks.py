"""Values in a checkout's files and in all that git stores of it."""

from __future__ import annotations

import os
import secrets
import subprocess
import zipfile
from pathlib import Path

import pytest

from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked
from omc_runbook.workstation import leaks


@pytest.fixture
def value() -> str:
    """A value that stands somewhere."""
    return secrets.token_hex(20)


@pytest.fixture
def search(value: str) -> ValueSearch[str]:
    """A search for it."""
    return ValueSearch([("KEY", Masked(value, "KEY"))])


def git(root: Path, *words: str) -> str:
    """Run git as somebody; what it printed."""
    options = ("-c", "user.name=A", "-c", "user.email=a@ohmycoins.test", "-c", "commit.gpgSign=false")
    options = (*options, "-c", "init.defaultBranch=main", "-c", "core.hooksPath=/dev/null")
    process = subprocess.run(["git", "-C", str(root), *options, *words], check=True, capture_output=True, text=True)
    return process.stdout


def locations(found: leaks.FoundValues[str] | None) -> list[str]:
    """Where values were found."""
    return [each.location for each in found.found] if found else []


def test_files_that_git_has_or_would_add(tmp_path: Path, value: str, search: ValueSearch[str]) -> None:
    """Tracked and untracked ones count, ignored ones and links do not; a saved plan is read as the archive it is."""
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text(".env\n")
    for name in (".env", "tracked.txt", "new.txt"):
        (tmp_path / name).write_text(f"one\ntwo={value}\n")
    (tmp_path / "link.txt").symlink_to(tmp_path / ".env")
    with zipfile.ZipFile(tmp_path / "prod.tfplan", "w") as archive:
        archive.writestr("tfplan", f"xx{value}yy")
    git(tmp_path, "add", "tracked.txt", ".gitignore")
    found = leaks.search_files(tmp_path, search, frozenset())
    assert sorted(locations(found)) == ["new.txt:2", "prod.tfplan:1", "tracked.txt:2"]
    assert not found.limits


def test_without_git_only_files_that_hold_values(tmp_path: Path, value: str, search: ValueSearch[str]) -> None:
    """A developer's .env is meant to have them."""
    for name in (".env", "notes.txt", "prod.tfvars"):
        (tmp_path / name).write_text(value)
    assert locations(leaks.search_files(tmp_path, search, frozenset())) == ["prod.tfvars:1"]
    assert leaks.search_history(tmp_path, search) is None


def test_what_looks_like_a_secret(tmp_path: Path, search: ValueSearch[str]) -> None:
    """In files that hold values by their names, apart from the template."""
    for name in ("prod.tfvars", "code.py", ".env.template"):
        (tmp_path / name).write_text(f'region = "a"\npassword = "q{secrets.token_urlsafe(18)}1a"\n')
    git(tmp_path, "init", "-q")
    found = leaks.search_files(tmp_path, search, frozenset({".env.template"}))
    assert [(each.name, each.location) for each in found.shapes] == [("password", "prod.tfvars:2")]


def test_the_history_and_objects_on_no_branch(tmp_path: Path, value: str, search: ValueSearch[str]) -> None:
    """A blob that a present file has is not history; one that a reset left behind is."""
    git(tmp_path, "init", "-q")
    (tmp_path / "app").mkdir()
    file = tmp_path / "app" / "settings.py"
    file.write_text(f"KEY = '{value}'\n")
    (tmp_path / "top.py").write_text(f"TOP = '{value}'\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    assert locations(leaks.search_history(tmp_path, search)) == []
    file.write_text("KEY = os.environ['KEY']\n")
    git(tmp_path, "commit", "-qam", "two")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()[:10]
    for root in (tmp_path, tmp_path / "app"):
        [location] = locations(leaks.search_history(root, search))
        assert location == f"app/settings.py in commit {commit}"
    file.write_text(f"KEY = '{value}'  # again\n")
    git(tmp_path, "commit", "-qam", "three")
    git(tmp_path, "reset", "-q", "--hard", "HEAD~1")
    assert [each.endswith("on no branch or tag") for each in locations(leaks.search_history(tmp_path, search))].count(
        True
    )


def test_the_history_is_walked_once_however_many_versions_have_the_value(
    tmp_path: Path, value: str, search: ValueSearch[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with the last commit that touched it."""
    git(tmp_path, "init", "-q")
    commits = list[str]()
    for number in range(4):
        (tmp_path / "app.py").write_text(f"KEY = '{value}'  # {number}\n")
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "one")
        commits.append(git(tmp_path, "rev-parse", "HEAD").strip()[:10])
    walks, run = list[object](), subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda words, **more: walks.append("log" in words) or run(words, **more))
    found = locations(leaks.search_history(tmp_path, search))
    assert sorted(found) == sorted(f"app.py in commit {commit}" for commit in commits[1:])
    assert sum(map(bool, walks)) == 1


def test_a_bound_is_said(tmp_path: Path, value: str, search: ValueSearch[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it nothing was searched, and the sentence has the numbers."""
    git(tmp_path, "init", "-q")
    for count in range(4):
        (tmp_path / "a.txt").write_text(f"{count} {'x' * 100} {value if count == 3 else ''}")
        (tmp_path / "b.txt").write_text("y" * 300)
        git(tmp_path, "add", "-A")
        git(tmp_path, "commit", "-qm", "more")
    (tmp_path / "a.txt").write_text("nothing")
    git(tmp_path, "commit", "-qam", "end")
    monkeypatch.setattr(leaks, "MOST_BYTES", 350)
    history = leaks.search_history(tmp_path, search)
    assert history and history.searched == 3 and "Of 4 former versions" in history.limits[0]
    for name, most in (("MOST_BYTES", 306), ("LARGEST_FILE", 50)):
        monkeypatch.setattr(leaks, name, most)
        files = leaks.search_files(tmp_path, search, frozenset())
        assert files.searched == 1 and files.limits == (
            "1 file of the checkout was not searched: it is too large, or there are too many.",
        )


def test_repositories_within_the_checkout_are_searched(tmp_path: Path, value: str, search: ValueSearch[str]) -> None:
    """A submodule has files and a history of its own; one that is not checked out has neither."""
    inner = tmp_path / "modules" / "one"
    for root in (tmp_path, inner):
        root.mkdir(exist_ok=True, parents=True)
        git(root, "init", "-q")
    (inner / "old.txt").write_text(value)
    git(inner, "add", "old.txt")
    git(inner, "commit", "-q", "-m", "old")
    (inner / "old.txt").write_text("")
    (inner / "new.txt").write_text(value)
    git(inner, "add", "old.txt")
    git(inner, "commit", "-q", "-m", "gone")
    assert locations(leaks.search_files(tmp_path, search, frozenset())) == ["modules/one/new.txt:1"]
    assert locations(leaks.search_history(tmp_path, search))[0].startswith("modules/one: old.txt in commit ")
    subprocess.run(["rm", "-rf", str(inner / ".git")], check=True)
    assert locations(leaks.search_history(tmp_path, search)) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, search: ValueSearch[str]) -> None:
    """A file that was deleted is no gap, one that is a pipe by now is."""
    git(tmp_path, "init", "-q")
    for name in ("deleted", "pipe"):
        (tmp_path / name).write_text("")
        git(tmp_path, "add", name)
        (tmp_path / name).unlink()
    os.mkfifo(tmp_path / "pipe")
    limits = leaks.search_files(tmp_path, search, frozenset()).limits
    assert limits == ("Files of the checkout could not be read: pipe.",)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_in_another_encoding(encoding: str, tmp_path: Path, value: str, search: ValueSearch[str]) -> None:
    """Windows PowerShell writes UTF-16 where output is redirected."""
    git(tmp_path, "init", "-q")
    (tmp_path / "out.txt").write_text(f"one\n{value}\n", encoding=encoding)
    assert locations(leaks.search_files(tmp_path, search, frozenset())) == ["out.txt:2"]
