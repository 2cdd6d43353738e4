"""git's view of a file: ignored, tracked or in the history; and files with uncommitted changes."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from omc_runbook.model import programs
from omc_runbook.model.letters import FILES_NAMED, counted, listed
from omc_runbook.model.shell import command
from omc_runbook.repository.sparse_checkout import find_sparse

SECONDS = 20
MOST_COMMITS = 20
_IDS_AT_A_TIME = 1000
"""How many ids of blobs a command line has room for."""
_BLOBS_AT_A_TIME = 20
"""How many blobs' bytes are in memory in git's answer, beside those that were read."""

# No program that the checkout configures is run, and nothing is written but by `reverse`.
_OPTIONS = (
    *("--no-pager", "--no-optional-locks", "--no-replace-objects"),
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false"),
    *("-c", "diff.external=", "-c", "protocol.allow=never"),
    # A person's configuration may leave changes out of a log: those of first commits, of merges, of other folders.
    *("-c", "log.showRoot=true", "-c", "log.diffMerges=separate", "-c", "diff.relative=false"),
    # Nor may a file that orders its paths be missing, or its encoding change the marks that stand in it.
    *("-c", f"diff.orderFile={os.devnull}", "-c", "i18n.logOutputEncoding=UTF-8"),
)
_READS_FILES = frozenset({"status", "apply"})
"""Verbs that would send files of the work tree through the filters that the checkout configures."""
AS_THEY_ARE = ("--git-dir=/dev/null", "-c", "core.autocrlf=false", "-c", "core.attributesFile=/dev/null")
"""What lets git apply a patch byte by byte: outside of a repository it reads no .gitattributes and converts no line."""
_OFF = {"clean": "", "smudge": "", "process": "", "required": "false"}
_OWNER = re.compile(r"dubious ownership in repository at '(.+?)'")
_NO_REPOSITORY = "not a git repository"
_UNREADABLE = re.compile(r"^error: (?:failed to stat )?'(.+)': ", re.MULTILINE)
"""A file that git grep leaves out."""
_STAGED = ("ls-files", "--stage", "-z")
"""What lists the index: each entry's mode, id and stage, then its path."""
_CHANGE = re.compile(r"\x01(?P<commit>[0-9a-f]+)|(?P<head>:[^\0]+)\0(?P<path>[^\0]+)\0")
"""What a raw log consists of: a commit's id, or one of its changes, whose path may have any sign but a null in it."""
_SUBMODULE = "160000"
"""The mode of a submodule in git's index."""
_STATUS = ("status", "--porcelain", "-z", "--ignore-submodules=all", "--no-renames")
_USAGE = 129
"""What git ends with when it prints its usage."""
_LOG = (*("log", "--exclude=refs/stash", "--all", "--full-history"), *("--no-color", "--no-ext-diff", "--no-textconv"))
"""The commits of every branch and tag: a stash is in no clone."""


@dataclass(frozen=True, kw_only=True)
class GitStatus:
    """git's view of one file of a checkout.

    `ignored` is whether an ignore rule matches it, tracked or not; None if git cannot tell. `stashes` are the names of
    the stashes that touch it. `obstacle` is one sentence on what could not be read, "" if everything was.
    """

    is_work_tree: bool
    ignored: bool | None = None
    tracked: bool = False
    stashes: tuple[str, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class Blob:
    """A version of a file: git's id of its bytes, its path within the checkout, and a commit, "" for the index."""

    id: str
    path: str
    commit: str


@dataclass(frozen=True)
class Versions:
    """Every version of some files, each once, the newest first; `obstacle` says what could not be read.

    `commits` are by name, of the files that were named, the short ids of the commits on any branch or tag that touch
    one, the newest first, at most `MOST_COMMITS`; it lacks a file that none touches. `tracked` are those in the index.
    `untracked` are the files that git neither has nor ignores, and `unlisted` says why these are not known.
    """

    blobs: tuple[Blob, ...] = ()
    obstacle: str = ""
    commits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tracked: frozenset[str] = frozenset()
    untracked: tuple[str, ...] = ()
    unlisted: str = ""


@dataclass(frozen=True)
class _Output:
    code: int
    out: str = field(default="", repr=False)
    err: str = field(default="", repr=False)
    obstacle: str = ""


def read_status(repository: Path, name: str = ".env") -> GitStatus:
    """Read the status of a file by its path within a checkout, which may be a folder of a larger work tree."""
    # By a pattern, to have no stash is no error.
    output = _run(repository, "rev-parse", "--is-inside-work-tree", "--is-shallow-repository", "--glob=refs/stas[h]")
    answers = output.out.split()
    if output.obstacle or answers[:1] != ["true"]:
        is_broken = output.code != 0 and _has_git(repository)
        problem = _unreadable(repository, "rev-parse", output.code) if is_broken else ""
        return GitStatus(is_work_tree=False, obstacle=output.obstacle or problem)
    tracked = _run(repository, "ls-files", "-z", "--", name)
    if "outside repository" in tracked.err:
        root = find_work_tree(repository) or ""
        return GitStatus(
            is_work_tree=True, obstacle=f"{name} lies outside of the git work tree {root}, so git cannot track it."
        )
    ignored = _run(repository, "check-ignore", "--quiet", "--no-index", "--", f"./{name}")
    if ignored.code == 1 and not tracked.out and find_sparse(repository):
        # With the index, git also reads a .gitignore that a sparse checkout leaves out.
        ignored = _run(repository, "check-ignore", "--quiet", "--", f"./{name}")
    stashes = _Output(0)
    if answers[2:]:
        of_stashes = ("log", "--walk-reflogs", "-m", "--full-history", "--format=%gd", "refs/stash")
        stashes = _run(repository, *of_stashes, "--", name)
    problem = tracked.obstacle or ignored.obstacle or stashes.obstacle
    shallow = f"{repository} is a shallow clone, so older commits were not read: run git fetch --unshallow."
    return GitStatus(
        is_work_tree=True,
        ignored={0: True, 1: False}.get(ignored.code),
        tracked=bool(tracked.out),
        stashes=tuple(dict.fromkeys(stashes.out.split())),
        obstacle=problem or (shallow if answers[1:2] == ["true"] else ""),
    )


def read_committed(repository: Path, name: str) -> bytes | None:
    """The bytes of a file by its path within a checkout, as the last commit has it; None if it has none."""
    output = _run(repository, "show", "--no-ext-diff", "--no-textconv", f"HEAD:./{name}")
    return os.fsencode(output.out) if output.code == 0 else None


def is_ignored(repository: Path, name: str) -> bool | None:
    """Whether an ignore rule matches a file by its path within a checkout; None where git cannot tell."""
    # From the file's own folder, git also tells of one in a submodule or behind a link.
    folder, own_name = (repository / name).parent, Path(name).name
    code = _run(folder, "check-ignore", "--quiet", "--", f"./{own_name}").code
    return code == 0 if code in (0, 1) or not _has_git(folder) else None


def find_versions(repository: Path, names: Collection[str], holds_values: Callable[[str], bool]) -> Versions:
    """Find every version, on any branch or tag and in the index, of some files and of tracked ones by their path."""
    both = _run(repository, "ls-files", "-t", "-z", "--stage", "--others", "--exclude-standard")
    # A bare repository has an index and no files.
    listed = _run(repository, "ls-files", "-t", "-z", "--stage") if both.code else both
    if listed.code and not _is_work_tree(repository):
        return Versions(unlisted=both.obstacle)
    entries = [entry.split(" ", 1) for entry in listed.out.split("\0") if entry]
    untracked = tuple(rest for tag, rest in entries if tag == "?")
    staged = [(rest.split()[1], rest.partition("\t")[2]) for tag, rest in entries if tag != "?"]
    paths = dict.fromkeys((*names, *(path for _, path in staged if holds_values(path))))
    blobs = {(id_, path): Blob(id_, path, "") for id_, path in staged if path in paths}
    options = ("-m", "--no-follow", "--no-renames", "--raw", "--no-abbrev", "--relative", "-z", "--format=%x01%h")
    log = _run(repository, *_LOG, *options, "--", *paths)
    commits = defaultdict[str, dict[str, None]](dict)
    for commit, (_, mode, _, id_, _), path in _changes(log.out):
        for name in names:
            if _is_in(path, name):
                commits[name][commit] = None
        if mode.startswith(("100", "120")):
            # A version in a commit is reported as such, even if it is in the index too.
            former = blobs.get((id_, path))
            blobs[id_, path] = Blob(id_, path, commit) if former is None or not former.commit else former
    newest = {name: tuple(islice(ids, MOST_COMMITS)) for name, ids in commits.items()}
    tracked = frozenset(names) & {path for _, path in staged}
    return Versions(tuple(blobs.values()), listed.obstacle or log.obstacle, newest, tracked, untracked, both.obstacle)


def read_blobs(repository: Path, blobs: Sequence[Blob], largest: int) -> tuple[list[tuple[Blob, bytes]], str]:
    """Read versions of files, without those larger than `largest` bytes; and what could not be read, "" for nothing."""
    problems: list[str] = []
    return [*stream_blobs(repository, blobs, largest, problems)], "".join(problems)


def stream_blobs(
    repository: Path, blobs: Sequence[Blob], largest: int, problems: list[str]
) -> Iterator[tuple[Blob, bytes]]:
    """Yield the same, a few in memory at a time; a sentence on what could not be read is added to the problems."""
    if not blobs:
        return
    checked = _run(repository, "cat-file", "--batch-check", stdin="".join(f"{blob.id}\n" for blob in blobs))
    sizes = [line.split()[-1] for line in checked.out.splitlines()]
    small = [blob for blob, size in zip(blobs, sizes, strict=False) if size.isdecimal() and int(size) <= largest]
    left_out, obstacle = len(blobs), checked.obstacle
    for at in range(0, len(small), _BLOBS_AT_A_TIME):
        if obstacle:
            break
        portion = small[at : at + _BLOBS_AT_A_TIME]
        output = _run(repository, "cat-file", "--batch", stdin="".join(f"{blob.id}\n" for blob in portion))
        for content in _split(os.fsencode(output.out), portion):
            left_out -= 1
            yield content
        obstacle = output.obstacle
    if obstacle or left_out:
        why = "are too large" if left_out != 1 else "is too large"
        versions = counted(left_out, "version")
        problems.append(obstacle or f"{versions} of files that hold values could not be read, or {why}.")


def _split(raw: bytes, blobs: Sequence[Blob]) -> Iterator[tuple[Blob, bytes]]:
    """The contents in an answer of `cat-file --batch`, up to the first that is not there."""
    at = 0
    for blob in blobs:
        start = raw.find(b"\n", at) + 1
        size = raw[at:start].split()[-1] if start else b""
        if not size.isdigit():
            return
        at = start + int(size) + 1
        yield blob, raw[start : at - 1]


def list_files(repository: Path) -> tuple[tuple[str, ...], str] | None:
    """The files that git has in its index or would add, by their paths within a checkout, and what could not be read.

    None where the checkout is in no work tree.
    """
    if not _is_work_tree(repository):
        return None
    listed = _run(repository, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return tuple(dict.fromkeys(filter(None, listed.out.split("\0")))), listed.obstacle


def find_files_with(
    repository: Path, texts: bytes, version: str | None = None, paths: Sequence[str] = ()
) -> tuple[tuple[str, ...], str]:
    """The tracked files of a checkout that have one of some texts, a text in a line; and what could not be read.

    The texts may be secret: git gets them on its standard input, and names the files alone. It reads the files as they
    are now, without those of submodules and those that a sparse checkout leaves out; or a `version` of them, "" for
    the index.
    """
    options = ("--no-color", "--no-recurse-submodules", "-z", "--files-with-matches", "--text", "--fixed-strings")
    # Paths are those within the checkout, also in a folder of a larger work tree.
    relative = ("-c", "grep.fullName=false")
    versions = (version or "--cached",) if version is not None else ()
    stdin = os.fsdecode(texts)
    output = _run(repository, "grep", *options, "-f", "-", *versions, "--", *paths, stdin=stdin, before=relative)
    # Its threads tell of them in any order.
    unread = sorted({name.removeprefix(f"{version}:") for name in _UNREADABLE.findall(output.err)})
    problem = f"git grep could not read {listed(unread, FILES_NAMED)}." if unread else ""
    if not problem and (output.code not in (0, 1) or output.err.startswith("error: ")):
        problem = _unreadable(repository, "grep", output.code)
    names = (name.removeprefix(f"{version}:") if version else name for name in output.out.split("\0") if name)
    return tuple(names), output.obstacle or problem


def find_changed(repository: Path) -> tuple[tuple[str, ...], str]:
    """The tracked files of a checkout that the last commit, the index and the work tree may not have alike.

    Those that git is told to take for unchanged, or to skip in the work tree, are among them.
    """
    changed, prefix, obstacle = _read_changes(repository, "--untracked-files=no", "--", ".")
    entries = _run(repository, "ls-files", "-v", "-z").out.split("\0")
    unchecked = [entry[2:] for entry in entries if entry[:1] == "S" or entry[:1].islower()]
    return tuple(dict.fromkeys((*(path.removeprefix(prefix) for path in changed), *unchecked))), obstacle


def list_versions(repository: Path, version: str, names: Collection[str]) -> tuple[Blob, ...]:
    """Some files of a checkout as a `version` has them, "" for the index."""
    verb = ("ls-tree", "-r", "-z", version) if version else _STAGED
    entries = _entries(_run(repository, *verb)) if names else ()
    return tuple(Blob(head[2 if version else 1], path, "") for head, path in entries if path in names)


def has_commit(repository: Path) -> bool:
    """Whether a repository has a last commit: a new one has none."""
    return _run(repository, "rev-parse", "--quiet", "--verify", "HEAD").code == 0


def list_submodules(repository: Path) -> tuple[str, ...]:
    """The paths of a checkout's submodules, whether they are checked out or not."""
    if not any((folder / ".gitmodules").exists() for folder in (repository, *repository.parents)):
        return ()
    return tuple(path for (mode, *_), path in _entries(_run(repository, *_STAGED)) if mode == _SUBMODULE)


def _entries(listing: _Output) -> Iterator[tuple[list[str], str]]:
    """The entries of the index or of a commit's tree: the words before each path, and the path."""
    for entry in filter(None, listing.out.split("\0")):
        head, _, path = entry.partition("\t")
        yield head.split(), path


def find_filter(repository: Path, name: str) -> str:
    """The filter through which git adds a file of a checkout; "" for none, or one that is not set up here."""
    attribute = _run(repository, "check-attr", "-z", "filter", "--", name).out.split("\0")
    driver = attribute[2] if len(attribute) > 2 else ""
    return driver if _run(repository, "config", "--get", f"filter.{driver}.clean").out.strip() else ""


def list_blobs(repository: Path) -> tuple[list[tuple[str, int]], str]:
    """The ids and sizes of all blobs that git stores and the index has not, the smallest first; and what is unread."""
    form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
    stored = _run(repository, "cat-file", "--batch-all-objects", "--unordered", form)
    # In a folder of a larger work tree, ls-files would leave the rest out.
    top = find_work_tree(repository) or repository
    staged = _run(top, *_STAGED) if stored.out else _Output(0)
    present = {id_ for (_, id_, *_), _ in _entries(staged)}
    entries = (line.split() for line in stored.out.splitlines())
    blobs = [(id_, int(size)) for id_, kind, size in entries if kind == "blob" and id_ not in present]
    return sorted(blobs, key=lambda blob: blob[1]), stored.obstacle or staged.obstacle


def find_blobs(repository: Path, ids: Sequence[str]) -> dict[str, Blob]:
    """By its id each blob's last path, and the commit, on any branch or tag, that last added or removed it there.

    Both are "" for one that is in no commit.
    """
    options = ("-m", "--no-renames", "--raw", "--no-abbrev", "-z", "--format=%x01%h")
    found = {id_: Blob(id_, "", "") for id_ in ids}
    for at in range(0, len(ids), _IDS_AT_A_TIME):
        log = _run(repository, *_LOG, *options, *(f"--find-object={id_}" for id_ in ids[at : at + _IDS_AT_A_TIME]))
        for commit, (_, _, *both, _), path in _changes(log.out):
            found |= {id_: Blob(id_, path, commit) for id_ in both if id_ in found and not found[id_].commit}
    return found


def _changes(log: str) -> Iterator[tuple[str, list[str], str]]:
    """Each change in a raw log, the newest first: its commit, its modes, ids and kind, and its path."""
    commit = ""
    for each in _CHANGE.finditer(log):
        if each["commit"]:
            commit = each["commit"][:10]
        else:
            yield commit, each["head"].split(), each["path"]


def find_uncommitted(repository: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a checkout's paths that are changed, or untracked and not ignored; none without a work tree."""
    if not names:
        return ()
    changed, prefix, _ = _read_changes(repository, "--untracked-files=all", "--", *names)
    paths = {name: posixpath.normpath(posixpath.join(prefix, name)) for name in names}
    return tuple(name for name in names if any(_is_in(each, paths[name]) for each in changed))


def _read_changes(repository: Path, *options: str) -> tuple[list[str], str, str]:
    """The changed files by their paths within the work tree, what these begin with in a checkout, and an obstacle."""
    output = _run(repository, *_STATUS, *options)
    changed = [entry[3:] for entry in output.out.split("\0") if entry]
    prefix = _run(repository, "rev-parse", "--show-prefix").out.removesuffix("\n") if changed else ""
    return changed, prefix, output.obstacle


def find_git_dir(repository: Path) -> Path | None:
    """The git directory of this work tree, also of a linked one or a submodule; None without a repository."""
    return _find_path(repository, "--absolute-git-dir")


def find_work_tree(folder: Path) -> Path | None:
    """The top of the work tree that a folder is in, which may be a submodule's; None without one."""
    return _find_path(folder, "--show-toplevel")


def _find_path(folder: Path, option: str) -> Path | None:
    output = _run(folder, "rev-parse", option)
    # A path may end in white space.
    return Path(output.out.removesuffix("\n")) if output.code == 0 and output.out else None


def can_reverse(repository: Path, patch: Path) -> bool:
    """Whether `reverse` would revert a patch; nothing is changed."""
    return reverse(repository, patch, "--check")


def reverse(repository: Path, patch: Path, *options: str) -> bool:
    """Revert a patch without context lines; False where git refuses."""
    options = (*options, "--reverse", "--unidiff-zero", "--whitespace=nowarn")
    return _run(repository, "apply", *options, "--", str(patch), before=AS_THEY_ARE).code == 0


def _has_git(folder: Path) -> bool:
    return any((each / ".git").exists() for each in (folder, *folder.parents))


def _is_work_tree(repository: Path) -> bool:
    return _run(repository, "rev-parse", "--is-inside-work-tree").out.strip() == "true"


def _run(repository: Path, *arguments: str, stdin: str = "", before: Sequence[str] = ()) -> _Output:
    """Run git in a folder, `before` the verb with options; an error that leaves something unknown is an obstacle."""
    path = programs.search_path(repository)
    git = shutil.which("git", path=path)
    if git is None:
        return _Output(-1, obstacle="git is not installed, so the file's history is unknown: install it.")
    # GIT_… variables, set in a hook for example, would point git to another repository.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # No clone gets .git/info/grafts, which may give a commit other parents, or none.
    variables |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "PATH": path}
    variables["GIT_GRAFT_FILE"] = os.devnull
    if arguments[0] in _READS_FILES:
        variables |= _without_filters(_run(repository, "config", "--null", "--name-only", "--get-regexp", r"^filter\."))
    # Paths are literal, not patterns; check-ignore takes them literally and refuses the option.
    literal = () if arguments[0] in ("check-ignore", "config") else ("--literal-pathspecs",)
    command_line = [git, "-C", str(repository), *_OPTIONS, *before, *literal, *arguments]
    try:
        process = subprocess.run(
            command_line, env=variables, input=os.fsencode(stdin), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        late = f"git {arguments[0]} did not end within {SECONDS} s in {repository}: run it by hand."
        return _Output(-1, obstacle=late)
    out, err = os.fsdecode(process.stdout), os.fsdecode(process.stderr)
    return _Output(process.returncode, out, err, _obstacle(repository, arguments[0], process.returncode, err))


def _without_filters(names: _Output) -> dict[str, str]:
    """Variables that switch filters off, by the names of their settings; a filter's name may have any sign in it."""
    filters = dict.fromkeys(name.rpartition(".")[0] for name in names.out.split("\0") if name)
    settings = [(f"{each}.{member}", value) for each in filters for member, value in _OFF.items()]
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for at, (name, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
    return variables


def _obstacle(repository: Path, verb: str, code: int, err: str) -> str:
    if code in (0, 1) or _NO_REPOSITORY in err:
        return ""
    if owner := _OWNER.search(err):
        return (
            f"{repository} belongs to another user, so git does not read it (dubious ownership): if you "
            f"trust it, run {command('git', 'config', '--global', '--add', 'safe.directory', owner[1])}."
        )
    return _unreadable(repository, verb, code)


def _unreadable(repository: Path, verb: str, code: int) -> str:
    if code == _USAGE:
        return f"git {verb} does not know an option that it is given: install a newer git, then run again."
    # git's other messages may quote a file, so they are left out.
    by_hand = f"run {command('git', '-C', repository, 'fsck')}" if verb == "grep" else "run it by hand"
    return f"git {verb} ended with exit code {code} in {repository}: {by_hand} to see why."


def _is_in(path: str, folder: str) -> bool:
    return folder == "." or path == folder or path.startswith(f"{folder}/")
