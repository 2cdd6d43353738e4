"""Values in a checkout's files and in all that git stores of it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked
from omc_runbook.workstation import leaks
from omc_runbook.workstation.history import LFS_POINTER
from omc_runbook.workstation.leaks import TrackedValues


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


@pytest.fixture
def by_line(value: str) -> ValueSearch[str]:
    """A search for it in source files."""
    return ValueSearch(by_line=[("KEY", Masked(value, "KEY"))])


def tracked(root: Path, search: ValueSearch[str]) -> dict[str, tuple[tuple[int, ...], bool, bool]]:
    """The lines by file, and whether the index and the last commit have the value there; nothing may be left out."""
    result = leaks.search_tracked(root, search)
    assert not result.limits
    return {each.path: (each.lines, each.is_staged, each.is_committed) for each in result.found}


def test_tracked_files_now_staged_and_committed(tmp_path: Path, value: str, by_line: ValueSearch[str]) -> None:
    """With each line, and what the last commit has; git's configuration changes neither, and no filter is run."""
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_text("* -diff filter=own\n")
    (tmp_path / "sub").mkdir()
    for name in ("sub/committed.md", ":(top)*.md", "sub/gone.md", "edited.md"):
        (tmp_path / name).write_text("nothing" if name == "edited.md" else f"one\n{value}\r\n{value} {value}")
    git(tmp_path, "--literal-pathspecs", "add", "--all")
    git(tmp_path, "commit", "-qm", "x")
    for name in ("staged.md", "untracked.md", "edited.md"):
        (tmp_path / name).write_text(value)
    git(tmp_path, "add", "staged.md")
    (tmp_path / "sub/new.md").write_text(value)
    git(tmp_path, "add", "sub/new.md")
    (tmp_path / "sub/new.md").unlink()
    (tmp_path / "sub/gone.md").write_text("")
    git(tmp_path, "add", "sub/gone.md")
    for name, text in (("grep.fullName", "true"), ("color.grep", "always"), ("filter.own.clean", "touch ran; cat")):
        git(tmp_path, "config", name, text)
    inner = {"committed.md": ((2, 3), True, True), "gone.md": ((), False, True), "new.md": ((), True, False)}
    own = {":(top)*.md": ((2, 3), True, True), "edited.md": ((1,), False, False), "staged.md": ((1,), True, False)}
    assert tracked(tmp_path, by_line) == own | {f"sub/{name}": where for name, where in inner.items()}
    assert tracked(tmp_path / "sub", by_line) == inner
    assert not (tmp_path / "ran").exists()
    assert leaks.search_tracked(tmp_path, ValueSearch[str]()) == TrackedValues()


def test_a_repository_without_commits(tmp_path: Path, value: str, by_line: ValueSearch[str]) -> None:
    """What is staged is in no commit yet."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.md").write_text(value)
    git(tmp_path, "add", "a.md")
    assert tracked(tmp_path, by_line) == {"a.md": ((1,), True, False)}


def test_many_tracked_files_cost_few_processes(
    tmp_path: Path, by_line: ValueSearch[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """git says that none has a value; it gets the values on its standard input alone."""
    git(tmp_path, "init", "-q")
    for at in range(300):
        (tmp_path / f"{at}.py").write_text("nothing")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "x")
    commands, run = list[tuple[str, str]](), subprocess.run

    def count(words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append((repr((words, options["env"])), repr(options["input"])))
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", count)
    assert leaks.search_tracked(tmp_path, by_line) == TrackedValues()
    for text in by_line.lines.decode().split():
        assert [text in stdin for _, stdin in commands] == [True, False, False, False]
        assert not any(text in command for command, _ in commands)


def test_a_path_with_a_value_is_no_argument(
    tmp_path: Path, value: str, by_line: ValueSearch[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody on the machine can read a process's arguments."""
    git(tmp_path, "init", "-q")
    (tmp_path / f"{value}.md").write_text(value)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "x")
    (tmp_path / f"{value}.md").write_text("")
    commands, run = list[list[str]](), subprocess.run

    def note(words: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(words)
        return run(words, **options)

    monkeypatch.setattr(subprocess, "run", note)
    assert tracked(tmp_path, by_line) == {f"{value}.md": ((), True, True)}
    assert value not in repr(commands)


@pytest.mark.parametrize("option", ["--skip-worktree", "--assume-unchanged"])
def test_a_file_whose_changes_git_does_not_look_for(
    option: str, tmp_path: Path, value: str, by_line: ValueSearch[str]
) -> None:
    """Its last commit may have what the work tree has no more."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a.md").write_text(value)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "update-index", option, "a.md")
    (tmp_path / "a.md").write_text("")
    assert tracked(tmp_path, by_line) == {"a.md": ((), True, True)}


def test_what_of_tracked_files_is_not_searched_is_said(
    tmp_path: Path, value: str, by_line: ValueSearch[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is too large, one in Git LFS; not a submodule that is not checked out, another repository."""
    inner = tmp_path / "modules" / "one"
    for root in (inner, tmp_path):
        root.mkdir(exist_ok=True, parents=True)
        git(root, "init", "-q")
        (root / "notes.md").write_text(f"about {LFS_POINTER.decode()}\n{value}")
        git(root, "add", "notes.md")
        git(root, "commit", "-qm", "x")
    (tmp_path / "book.ipynb").write_bytes(LFS_POINTER + b"v1\noid sha256:1\n")
    (tmp_path / "large.md").write_text(f"{'x' * 400}{value}")
    (tmp_path / ".gitmodules").write_text('[submodule "one"]\n\tpath = modules/one\n\turl = ../one\n')
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "y")
    monkeypatch.setattr(leaks, "LARGEST_TRACKED", 400)
    result = leaks.search_tracked(tmp_path, by_line)
    assert [(each.path, each.lines, each.is_committed) for each in result.found] == [
        ("notes.md", (2,), True),
        ("modules/one/notes.md", (2,), True),
    ]
    assert result.limits == (
        f"The content of book.ipynb is in Git LFS and was not searched: run git -C {tmp_path} lfs pull.",
        "git grep found a match in large.md, which could not be read to the end.",
    )
    shutil.rmtree(inner / ".git")
    assert leaks.search_tracked(tmp_path, by_line).limits == result.limits
    (tmp_path / ".git" / "index").write_bytes(b"damaged")
    assert leaks.search_tracked(tmp_path, by_line).limits[0].startswith("git grep ended with exit code 128 in ")


def test_what_a_sparse_checkout_leaves_out_is_searched(tmp_path: Path, value: str, by_line: ValueSearch[str]) -> None:
    """The index has it, and the last commit; a partial clone lacks it."""
    git(tmp_path, "init", "-q")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(value if name == "out" else "nothing")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-qm", "x")
    git(tmp_path, "sparse-checkout", "set", "--cone", "--sparse-index", "in")
    assert not (tmp_path / "out").exists()
    assert tracked(tmp_path, by_line) == {"out/a.md": ((), True, True)}
    clone = tmp_path / "in" / "clone"
    git(tmp_path, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--sparse", f"file://{tmp_path}", str(clone))
    (limit,) = leaks.search_tracked(clone, by_line).limits
    disable = f"git -C {clone} sparse-checkout disable brings the rest."
    assert limit == f"git grep could not read in/a.md, out/a.md. It is a sparse checkout: {disable}"
