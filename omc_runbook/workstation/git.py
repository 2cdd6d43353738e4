"""What git knows of a file: whether it is ignored, tracked or in the history, and what is not committed yet."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.shell import command

SECONDS = 20
MOST_COMMITS = 20

# Nothing that a checkout configures is run, and nothing is written.
_OPTIONS = (
    *("--no-pager", "--no-optional-locks", "--no-replace-objects"),
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false"),
)
_OWNER = re.compile(r"dubious ownership in repository at '(.+?)'")
_NO_REPOSITORY = "not a git repository"


@dataclass(frozen=True)
class Tracked:
    """What git knows of one file of a checkout.

    `ignored` says whether a rule would keep it out, tracked or not, and is None where git cannot tell. `commits` are
    the short ids of those that added, changed or removed it in the history of any branch or tag, newest first, at most
    twenty. `obstacle` says in a sentence why something of this is not known, "" where all is.
    """

    is_work_tree: bool
    root: Path | None = None
    ignored: bool | None = None
    tracked: bool = False
    commits: tuple[str, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class _Reply:
    code: int
    out: str
    err: str
    obstacle: str = ""


def look(repository: Path, name: str = ".env") -> Tracked:
    """Ask git about a file by its path within a checkout, which may be a folder of a larger work tree. Only reads."""
    asked = _ask(repository, "rev-parse", "--is-inside-work-tree")
    if asked.obstacle or asked.out.strip() != "true":
        return Tracked(False, obstacle=asked.obstacle)
    root = Path(_line(_ask(repository, "rev-parse", "--show-toplevel").out))
    listed = _ask(repository, "ls-files", "-z", "--", name)
    if "outside repository" in listed.err:
        return Tracked(True, root, obstacle=f"{name} lies outside of the git work tree {root}, which does not know it.")
    ignored = _ask(repository, "check-ignore", "--quiet", "--no-index", "--", f"./{name}")
    history = _ask(
        *(repository, "log", "--all", "--full-history", "--no-follow", "--no-color", "--format=%h"),
        *(f"--max-count={MOST_COMMITS}", "--", name),
    )
    trouble = listed.obstacle or history.obstacle or ignored.obstacle
    return Tracked(
        is_work_tree=True,
        root=root,
        ignored={0: True, 1: False}.get(ignored.code),
        tracked=bool(listed.out),
        commits=tuple(history.out.split()),
        obstacle=trouble or _shallowness(repository),
    )


def dirty(repository: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths in a checkout that have changes, or are files, that no commit has; ignored files have none.

    Nothing where there is no work tree: whether there is one, `look` tells.
    """
    if not names:
        return ()
    status = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=all", "--no-renames")
    changed = [entry[3:] for entry in _ask(repository, *status, "--", *names).out.split("\0") if entry]
    if not changed:
        return ()
    prefix = _line(_ask(repository, "rev-parse", "--show-prefix").out)
    paths = {name: posixpath.normpath(posixpath.join(prefix, name)) for name in names}
    return tuple(name for name in names if any(_is_in(each, paths[name]) for each in changed))


def git_dir(repository: Path) -> Path | None:
    """Where git keeps what belongs to this work tree, be it a linked one or a submodule; None without a repository."""
    asked = _ask(repository, "rev-parse", "--absolute-git-dir")
    return Path(_line(asked.out)) if asked.code == 0 and asked.out else None


def takes_back(repository: Path, patch: Path) -> bool:
    """Whether a patch without surroundings is in force in a checkout, so that git can take it back. Only reads."""
    words = ("apply", "--check", "--reverse", "--unidiff-zero", "--whitespace=nowarn", "--", str(patch))
    return _ask(repository, *words).code == 0


def _shallowness(repository: Path) -> str:
    if _ask(repository, "rev-parse", "--is-shallow-repository").out.strip() != "true":
        return ""
    return f"{repository} is a shallow clone, so that older commits were not looked at: run git fetch --unshallow."


def _ask(repository: Path, *words: str) -> _Reply:
    """Run git in a folder; a refusal that leaves something unknown becomes an obstacle."""
    git = shutil.which("git")
    if git is None:
        return _Reply(-1, "", "", "git is not installed, so that nothing is known of the file's history: install it.")
    # Variables of a hook or of another repository would send git elsewhere.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
    # A path is a path whatever its characters; this verb takes nothing else, and refuses the option.
    literal = () if words[0] == "check-ignore" else ("--literal-pathspecs",)
    command = [git, "-C", str(repository), *_OPTIONS, *literal, *words]
    try:
        ended = subprocess.run(
            command, env=kept | own, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return _Reply(
            -1, "", "", f"git {words[0]} did not end within {SECONDS} seconds in {repository}: try it by hand."
        )
    out, err = os.fsdecode(ended.stdout), os.fsdecode(ended.stderr)
    return _Reply(ended.returncode, out, err, _obstacle(repository, words[0], ended.returncode, err))


def _obstacle(repository: Path, verb: str, code: int, err: str) -> str:
    if code in (0, 1) or _NO_REPOSITORY in err:
        return ""
    if owner := _OWNER.search(err):
        return (
            f"{repository} belongs to another user, so that git does not look into it (dubious ownership): if you "
            f"trust it, run {command('git', 'config', '--global', '--add', 'safe.directory', owner[1])}."
        )
    # What else git writes may quote a file, so it is left out.
    return f"git {verb} ended with exit code {code} in {repository}: run it by hand to see why."


def _line(text: str) -> str:
    """The one line of an answer, in which a path may end in white space."""
    return text.removesuffix("\n")


def _is_in(path: str, place: str) -> bool:
    return place == "." or path == place or path.startswith(f"{place}/")
