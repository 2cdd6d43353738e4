"""What git knows of a developer's .env: real repositories, made by the git program."""

import os
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from support.files import write_files

from omc_runbook.repository.git import (
    can_reverse,
    find_blobs,
    find_files_with,
    find_git_dir,
    find_uncommitted,
    find_versions,
    read_blobs,
    read_committed,
    read_status,
    reverse,
    stream_blobs,
)
from omc_runbook.repository.settings_files import is_left_out

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's git configuration and variables out of the tests."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def git(folder: Path, *words: str) -> str:
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "protocol.file.allow=always")
    command = ["git", "-C", str(folder), *author, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str, *names: str) -> str:
    git(folder, "add", "--all", "--force", "--", *names)
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "--short=10", "HEAD")


def make(folder: Path) -> Path:
    """A repository with one commit, in which .env is ignored."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".gitignore").write_text(".env\n")
    (folder / "config.py").write_text("a = 1\n")
    commit(folder, "first", ".")
    return folder


def commits_of(repository: Path, name: str = ".env") -> tuple[str, ...]:
    """The commits that touch a file, the newest first."""
    return find_versions(repository, (name,), lambda path: False).commits.get(name, ())


def contents(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_an_ignored_file_that_was_never_committed(tmp_path: Path) -> None:
    """The healthy state: ignored, not tracked, in no commit."""
    repository = make(tmp_path / "app")
    (repository / ".env").write_text("A=1\n")
    status = read_status(repository)
    assert (status.is_work_tree, status.ignored, status.tracked) == (True, True, False)
    assert (commits_of(repository), find_uncommitted(repository, (".env",)), status.obstacle) == ((), (), "")


def test_a_file_that_nothing_ignores(tmp_path: Path) -> None:
    """Without a rule the file is not ignored, and counts as a change that is not committed."""
    repository = make(tmp_path / "app")
    (repository / ".gitignore").write_text("")
    (repository / ".env").write_text("A=1\n")
    status = read_status(repository)
    assert (status.ignored, status.tracked, find_uncommitted(repository, (".env",))) == (False, False, (".env",))


def test_a_tracked_file(tmp_path: Path) -> None:
    """A rule does not keep out what is tracked already; the status has both."""
    repository = make(tmp_path / "app")
    (repository / ".env").write_text("A=1\n")
    id = commit(repository, "oops", ".env")
    status = read_status(repository)
    assert (status.ignored, status.tracked, commits_of(repository)) == (True, True, (id,))
    assert find_uncommitted(repository, (".env",)) == ()
    (repository / ".env").write_text("A=2\n")
    assert find_uncommitted(repository, (".env",)) == (".env",)


def test_a_file_of_another_branch_s_past(tmp_path: Path) -> None:
    """A file that was added and removed again is found, newest first, in a branch that is not checked out too."""
    repository = make(tmp_path / "app")
    git(repository, "checkout", "--quiet", "-b", "side")
    (repository / ".env").write_text("A=1\n")
    added = commit(repository, "oops", ".env")
    git(repository, "rm", "--quiet", ".env")
    git(repository, "commit", "--quiet", "--message", "removed")
    removed = git(repository, "rev-parse", "--short=10", "HEAD")
    git(repository, "checkout", "--quiet", "main")
    status = read_status(repository)
    assert (status.tracked, set(commits_of(repository))) == (False, {added, removed})
    assert commits_of(repository)[0] == removed
    git(repository, "merge", "--quiet", "--no-ff", "--message", "merged", "side")
    git(repository, "branch", "-D", "side")
    assert {added, removed} <= set(commits_of(repository))


def test_a_stash_is_no_history(tmp_path: Path) -> None:
    """It is in no clone, so it is listed apart: also an older one, and one with untracked files."""
    repository = make(tmp_path / "app")
    for number in range(2):
        (repository / ".env").write_text(f"A={number}\n")
        git(repository, "stash", "--quiet", "--all", "--", ".env")
    (repository / "config.py").write_text("a = 2\n")
    git(repository, "stash", "--quiet")
    status = read_status(repository)
    assert (commits_of(repository), status.stashes, status.obstacle) == ((), ("stash@{1}", "stash@{2}"), "")
    assert find_versions(repository, [".env"], lambda path: False).blobs == ()


@pytest.mark.long
def test_a_long_history_is_cut(tmp_path: Path) -> None:
    """At most twenty commits are named."""
    repository = make(tmp_path / "app")
    for number in range(22):
        (repository / ".env").write_text(f"A={number}\n")
        newest = commit(repository, str(number), ".env")
    commits = commits_of(repository)
    assert (len(commits), commits[0]) == (20, newest)


def test_no_repository(tmp_path: Path) -> None:
    """A plain folder is no work tree, and that is certain."""
    assert read_status(tmp_path) == read_status(tmp_path, "other")
    status = read_status(tmp_path)
    assert (status.is_work_tree, status.ignored, status.obstacle) == (False, None, "")
    assert (find_git_dir(tmp_path), find_uncommitted(tmp_path, ("a",))) == (None, ())


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    """A repository that was just made has no history, and says so without trouble."""
    git(tmp_path, "init", "--quiet", "new")
    (tmp_path / "new" / ".env").write_text("A=1\n")
    status = read_status(tmp_path / "new")
    assert (status.is_work_tree, status.ignored, commits_of(tmp_path / "new"), status.obstacle) == (True, False, (), "")


def test_a_checkout_within_a_larger_work_tree(tmp_path: Path) -> None:
    """Paths are relative to the checkout; git knows nothing of a file outside of the work tree."""
    root = make(tmp_path / "all")
    (root / "app").mkdir()
    (root / "app" / ".env").write_text("A=1\n")
    (root / "app" / "config.py").write_text("a = 1\n")
    id = commit(root, "app", "app")
    (root / "app" / "config.py").write_text("a = 2\n")
    status = read_status(root / "app")
    assert (status.ignored, status.tracked, commits_of(root / "app")) == (True, True, (id,))
    assert find_uncommitted(root / "app", (".env",)) == ()
    assert find_uncommitted(root / "app", ("config.py", "../config.py", ".env")) == ("config.py",)
    assert find_uncommitted(root / "app", (".",)) == (".",)
    outside = read_status(root, "../.env")
    assert (outside.is_work_tree, outside.ignored, outside.tracked) == (True, None, False)
    assert outside.obstacle.startswith(f"../.env lies outside of the git work tree {root}, ")


@pytest.mark.parametrize("name", ["--all", ":(top)a", "*", "ä b\tc", 'quo"te', "-c", "a -> b"])
def test_names_are_only_names(tmp_path: Path, name: str) -> None:
    """Neither an option, a pattern nor an odd character in a name means anything."""
    repository = make(tmp_path / "app")
    (repository / "other").write_text("x")
    commit(repository, "other", "other")
    before = read_status(repository, name)
    assert (before.tracked, commits_of(repository, name), before.ignored, before.obstacle) == (False, (), False, "")
    (repository / name).write_text("x")
    assert find_uncommitted(repository, (name, "other")) == (name,)
    id = commit(repository, "named", ".")
    after = read_status(repository, name)
    assert (after.tracked, commits_of(repository, name), find_uncommitted(repository, (name,))) == (True, (id,), ())


def test_what_is_not_committed(tmp_path: Path) -> None:
    """Changed, staged, new, renamed and removed files are listed, and those of a folder; the order is the caller's."""
    repository = make(tmp_path / "app")
    (repository / "infra").mkdir()
    for name in ("staged", "gone", "old", "same", "infra/main.tf"):
        (repository / name).write_text(name)
    commit(repository, "more", ".")
    (repository / "config.py").write_text("a = 2\n")
    (repository / "staged").write_text("new text")
    git(repository, "add", "staged")
    (repository / "gone").unlink()
    git(repository, "mv", "old", "new")
    (repository / "infra" / "variables.tf").write_text("")
    names = ("same", "new", "old", "infra", "gone", "staged", "config.py", "./config.py", "absent")
    assert find_uncommitted(repository, names) == ("new", "old", "infra", "gone", "staged", "config.py", "./config.py")
    assert find_uncommitted(repository, ()) == ()


def test_a_linked_work_tree_and_a_submodule(tmp_path: Path) -> None:
    """Where .git is a file, the folder behind it is found."""
    repository = make(tmp_path / "app")
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    git(repository, "submodule", "--quiet", "add", str(make(tmp_path / "part")), "part")
    assert find_git_dir(repository) == repository / ".git"
    assert find_git_dir(tmp_path / "linked") == repository / ".git" / "worktrees" / "linked"
    assert find_git_dir(repository / "part") == repository / ".git" / "modules" / "part"
    assert read_status(repository / "part").is_work_tree
    linked = read_status(tmp_path / "linked")
    assert (linked.is_work_tree, linked.ignored) == (True, True)


def test_a_shallow_clone(tmp_path: Path) -> None:
    """A clone that is cut short says that older commits were not seen."""
    repository = make(tmp_path / "app")
    (repository / ".env").write_text("A=1\n")
    commit(repository, "oops", ".env")
    git(repository, "rm", "--quiet", ".env")
    git(repository, "commit", "--quiet", "--message", "removed")
    (repository / "later").write_text("x")
    commit(repository, "later", "later")
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), "short")
    status = read_status(tmp_path / "short")
    assert commits_of(tmp_path / "short") == () and "is a shallow clone" in status.obstacle


def test_a_sparse_checkout_without_its_gitignore_ignores_the_file(tmp_path: Path) -> None:
    """Git reads it from the index; a file of which no rule speaks is not ignored there either."""
    repository = make(tmp_path / "app")
    (repository / ".env").write_text("A=1\n")
    git(repository, "sparse-checkout", "set", "--no-cone", "/app/")
    assert not (repository / ".gitignore").exists()
    assert [read_status(repository, name).ignored for name in (".env", "values")] == [True, False]


def test_variables_and_settings_of_git_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither variables of a hook, a pager, nor a program that the checkout names decide what is seen."""
    repository = make(tmp_path / "app")
    (repository / ".env").write_text("A=1\n")
    id = commit(repository, "oops", ".env")
    ran = tmp_path / "ran"
    git(repository, "config", "core.fsmonitor", f"touch {ran}; false")
    git(repository, "config", "core.pager", f"touch {ran}")
    git(repository, "config", "diff.external", f"touch {ran}")
    (repository / ".git/info/attributes").write_text("* filter=a.b=c diff=d\n")
    for name in ("clean", "smudge", "process"):
        git(repository, "config", f"filter.a.b=c.{name}", f"touch {ran}; cat")
    git(repository, "config", "filter.a.b=c.required", "true")
    git(repository, "config", "diff.d.textconv", f"touch {ran}; cat")
    git(repository, "config", "diff.d.command", f"touch {ran}")
    os.utime(repository / ".env", (1, 1))
    git(repository, "config", "log.follow", "true")
    git(repository, "config", "color.ui", "always")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    read_status(repository)
    assert (commits_of(repository), find_uncommitted(repository, (".env",))) == ((id,), ())
    assert read_committed(repository, ".env") == b"A=1\n"
    assert len(find_versions(repository, (".env",), lambda path: False).blobs) == 1
    (repository / ".env").write_text("A=2\n")
    assert find_uncommitted(repository, (".env",)) == (".env",)
    (tmp_path / "patch").write_text("--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n-A=1\n+A=2\n")
    assert can_reverse(repository, tmp_path / "patch")
    assert not ran.exists()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("attributes", ["* text=auto eol=crlf", "* text eol=lf", "* -text"])
def test_a_patch_is_reverted_byte_by_byte(tmp_path: Path, attributes: str, end: str) -> None:
    """Line ends stay, whatever .gitattributes has for the files that git itself writes."""
    repository = make(tmp_path / "app")
    (repository / ".gitattributes").write_text(f"{attributes}\n")
    git(repository, "add", ".gitattributes")
    before, after = (f"A=1{end}{line}C=3{end}".encode() for line in ("", f"B=2{end}"))
    (repository / "config.py").write_bytes(after)
    (tmp_path / "patch").write_bytes(f"--- a/config.py\n+++ b/config.py\n@@ -1,0 +2 @@\n+B=2{end}".encode())
    assert can_reverse(repository, tmp_path / "patch") and reverse(repository, tmp_path / "patch")
    assert (repository / "config.py").read_bytes() == before


def test_a_configuration_hides_no_version(tmp_path: Path) -> None:
    """Neither that of a first commit, nor that which a merge alone has, nor one in another folder.

    Nor one behind a graft, which no clone has, nor by an encoding in which a log has other bytes.
    """
    repository, names = tmp_path / "app", (".env",)
    (repository / "part").mkdir(parents=True)
    git(repository, "init", "--quiet", "--initial-branch=main")
    for branch, base in (("main", ""), ("side", ""), ("main", "side")):
        git(repository, "checkout", "--quiet", *([branch] if base else ["--orphan", branch]))
        if base:
            git(repository, "merge", "--no-commit", "--allow-unrelated-histories", "--strategy=ours", base)
        (repository / ".env").write_text(f"A={branch}{base}\n")
        commit(repository, "change", ".env")
    versions = find_versions(repository, names, lambda path: False)
    ids = [blob.id for blob in versions.blobs]
    places = find_blobs(repository / "part", ids)
    assert len(ids) == 3 and all(blob.commit for blob in places.values())
    leaving_out = ("log.showRoot=false", "log.diffMerges=off", "diff.relative=true")
    for setting in (*leaving_out, "diff.orderFile=missing", "i18n.logOutputEncoding=UTF-16"):
        git(repository, "config", *setting.split("="))
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/grafts").write_text(git(repository, "rev-parse", "main") + "\n")
    assert find_versions(repository, names, lambda path: False) == versions
    assert find_blobs(repository / "part", ids) == places


@pytest.mark.parametrize("name", ["a\x01b.env", "\x01abc.env", ":1.env", "a\nb.env"])
def test_a_path_may_have_the_marks_of_a_log(tmp_path: Path, name: str) -> None:
    """Neither its end counts as a commit, nor the changes after it as those of another."""
    repository = make(tmp_path / "app")
    for each in (name, "later.env"):
        (repository / each).write_text(f"A={each}\n")
    id = commit(repository, "oops", ".")
    blobs = find_versions(repository, (name, "later.env"), lambda path: False).blobs
    assert {(blob.path, blob.commit) for blob in blobs} == {(name, id), ("later.env", id)}


def test_nothing_is_written(tmp_path: Path) -> None:
    """Not even the index is brought up to date."""
    repository = make(tmp_path / "app")
    os.utime(repository / "config.py", (1, 1))
    before = contents(repository)
    read_status(repository)
    find_uncommitted(repository, ("config.py",))
    assert contents(repository) == before


def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed, the obstacle says so."""
    repository = make(tmp_path / "app")
    monkeypatch.setenv("PATH", str(tmp_path / "home"))
    status = read_status(repository)
    assert not status.is_work_tree and status.obstacle.startswith("git is not installed")
    assert (find_git_dir(repository), find_uncommitted(repository, ("a",))) == (None, ())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_checkout_of_somebody_else(tmp_path: Path) -> None:
    """Where git distrusts the owner, the command that says otherwise is named."""
    repository = make(tmp_path / "app")
    for path in (repository, repository / ".git"):
        os.chown(path, 65_534, 65_534)
    status = read_status(repository)
    assert not status.is_work_tree
    assert status.obstacle.endswith(f"git config --global --add safe.directory {repository}.")
    git(tmp_path, "config", "--global", "--add", "safe.directory", str(repository))
    assert read_status(repository).obstacle == ""


@pytest.mark.parametrize("folder", ["", "backend"])
def test_a_repository_that_git_takes_for_none_is_unknown(folder: str, tmp_path: Path) -> None:
    """The folder .git says that there was one, also where it is above the checkout."""
    repository = make(tmp_path / "app")
    (repository / folder).mkdir(exist_ok=True)
    for name in ("objects", "refs"):
        shutil.rmtree(repository / ".git" / name)
    (repository / ".git/HEAD").write_text("junk\n")
    status = read_status(repository / folder)
    assert not status.is_work_tree and "git rev-parse ended with exit code 128" in status.obstacle


def test_a_git_that_is_too_old_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, without our options, it would answer."""
    repository, old = make(tmp_path / "app"), tmp_path / "old"
    old.mkdir()
    (old / "git").write_text("#!/bin/sh\nexit 129\n")
    (old / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(old), prepend=os.pathsep)
    obstacle = read_status(repository).obstacle
    assert obstacle == "git rev-parse does not know an option that it is given: install a newer git, then run again."


def test_a_repository_that_is_broken(tmp_path: Path) -> None:
    """What git cannot read is unknown, and never passes for a clean history."""
    repository = make(tmp_path / "app")
    (repository / ".git" / "index").write_bytes(b"no index")
    status = read_status(repository)
    assert status.is_work_tree and "ended with exit code" in status.obstacle


def test_a_git_that_fails_is_not_asked_for_the_next_portion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each portion would take its twenty seconds."""
    repository = make(tmp_path / "app")
    for number in range(60):
        (repository / f"{number}.tfvars").write_text(f"{number}")
    git(repository, "add", ".")
    blobs = find_versions(repository, (), lambda path: path.endswith(".tfvars")).blobs
    failing, calls = tmp_path / "failing", tmp_path / "asked"
    failing.mkdir()
    (failing / "git").write_text(
        f'#!/bin/sh\ncase "$*" in *"--batch") echo >>{calls}; exit 128;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    (failing / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(failing), prepend=os.pathsep)
    contents, obstacle = read_blobs(repository, blobs, 100)
    assert not contents and "git cat-file ended with exit code 128" in obstacle and calls.read_text() == "\n"


def test_versions_are_read_in_portions(tmp_path: Path) -> None:
    """All of them are read, in order, and git's own answer is in memory for some of them at a time."""
    repository, size = make(tmp_path / "app"), 200_000
    for number in range(60):
        (repository / f"{number}.tfvars").write_bytes(bytes([number + 1]) * size)
    git(repository, "add", ".")
    blobs = find_versions(repository, (), lambda path: path.endswith(".tfvars")).blobs
    tracemalloc.start()
    try:
        contents, obstacle = read_blobs(repository, blobs, size)
        peak, before = tracemalloc.get_traced_memory()[::-1]
        tracemalloc.reset_peak()
        assert sum(1 for _ in stream_blobs(repository, blobs, size, [])) == len(blobs)
        streamed = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert [(blob, raw[:1] * size == raw) for blob, raw in contents] == [(blob, True) for blob in blobs]
    assert [f"{raw[0] - 1}.tfvars" for _, raw in contents] == [blob.path for blob in blobs] and not obstacle
    assert len(blobs) == 60 and peak < 2.2 * size * len(blobs)
    assert streamed < peak - size * len(blobs) / 2, (peak, before, streamed)


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        ({".gitignore": "/conf/*\n!/conf/a.toml\n"}, False),
        ({".gitignore": "conf/\n!conf/a.toml\n"}, True),
        ({".gitignore": "*.toml\n", "conf/.gitignore": "!a.toml\n"}, False),
        ({".gitignore": "*.toml\n!conf/*.toml\n", "conf/.gitignore": "/a.*\n"}, True),
        ({".gitignore": "a.toml/\n"}, False),
        ({".gitignore": "/a.toml\n"}, False),
        ({".gitignore": "conf/**/a.toml\n"}, True),
        ({".gitignore": "\\!a.toml\n[[:alpha:]].toml\n"}, True),
        ({".git/info/exclude": "a.toml\n"}, True),
        ({"../home/.config/git/ignore": "a.toml\n"}, True),
        ({"conf/.dockerignore": "a.toml\n"}, True),
    ],
)
def test_a_file_of_settings_is_left_out_as_git_says(tmp_path: Path, files: dict[str, str], left_out: bool) -> None:
    """By git's own rules, wherever they are; one that git tracks is in each clone all the same."""
    repository, name = make(tmp_path / "app"), "conf/a.toml"
    write_files(repository, {name: "A = 1\n", **files})
    assert is_left_out(repository, name) is left_out
    commit(repository, "tracked", name)
    assert is_left_out(repository, name) is ("conf/.dockerignore" in files)
    shutil.rmtree(repository / ".git")
    assert is_left_out(repository, name) is ("conf/.dockerignore" in files)


@pytest.mark.parametrize("rule", ["*.toml\n", "/conf/*\n", "*.yaml\n"])
@pytest.mark.parametrize("reason", ["not installed", "no such folder"])
def test_where_git_cannot_tell_the_text_of_a_gitignore_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, reason: str
) -> None:
    """As in an image without git, or a linked work tree whose repository is not there."""
    repository = make(tmp_path / "app")
    write_files(repository, {"conf/a.toml": "A = 1\n", ".gitignore": rule})
    if reason == "not installed":
        monkeypatch.setenv("PATH", str(tmp_path / "home"))
    else:
        shutil.rmtree(repository / ".git")
        (repository / ".git").write_text("gitdir: /nowhere\n")
    assert is_left_out(repository, "conf/a.toml") is (rule != "*.yaml\n")


def test_a_file_in_a_submodule_or_behind_a_link_is_left_out_as_git_says(tmp_path: Path) -> None:
    """Of the checkout's own folder, git refuses to tell."""
    repository, inner = make(tmp_path / "app"), make(tmp_path / "inner")
    git(repository, "submodule", "--quiet", "add", str(inner), "sub")
    (repository / "link").symlink_to("conf")
    write_files(repository, {"conf/a.toml": "", "conf/b.toml": "", ".gitignore": "/conf/a.toml\n"})
    write_files(repository / "sub", {"a.toml": "", "b.toml": "", ".gitignore": "a.toml\n"})
    names = [f"{folder}/{name}.toml" for folder in ("link", "sub") for name in "ab"]
    assert [is_left_out(repository, name) for name in names] == [True, False, True, False]


@pytest.mark.parametrize(
    ("code", "err", "problem"),
    [
        (0, "", ""),
        (1, "warning: a setting is unknown", ""),
        (1, "error: failed to stat 'a b.md': Permission denied\n", "git grep could not read a b.md."),
        (0, "error: 'c.md': Input/output error\n", "git grep could not read c.md."),
        (0, "error: unable to read 0123\n", "git grep ended with exit code 0 in {0}: run git -C {0} fsck to see why."),
        (
            128,
            "fatal: not a git repository: a",
            "git grep ended with exit code 128 in {0}: run git -C {0} fsck to see why.",
        ),
    ],
)
def test_files_that_grep_could_not_read(
    code: int, err: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named: git goes on with the others."""
    monkeypatch.setattr(
        subprocess, "run", lambda words, **_: subprocess.CompletedProcess(words, code, b"a\xff\0", err.encode())
    )
    assert find_files_with(tmp_path, b"a text\n") == (("a\udcff",), problem.format(tmp_path))
