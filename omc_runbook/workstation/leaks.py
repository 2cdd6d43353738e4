"""Where a checkout's files, and all that git stores of it, have values that are looked for."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from omc_runbook.masking import shapes
from omc_runbook.masking.search import ValueSearch
from omc_runbook.model import regular_file
from omc_runbook.model.letters import FILES_NAMED, counted, listed
from omc_runbook.model.shell import command
from omc_runbook.repository import git
from omc_runbook.repository.git import Blob
from omc_runbook.repository.sparse_checkout import advise_sparse
from omc_runbook.workstation.history import LFS_POINTER, holds_values, parts

Name = TypeVar("Name")

LARGEST_FILE = 1_048_576
"""The largest file or blob that is searched, in bytes."""
MOST_BYTES = 256 * LARGEST_FILE
"""How much of the files, and of git's blobs, is searched at most, in bytes."""
_CHUNK = 8 * LARGEST_FILE
LARGEST_TRACKED = 64 * LARGEST_FILE
"""The largest file that is read for the lines of a value that git has found in it: a notebook has its outputs."""
_MOST_PATHS = 500
"""How many paths a command line has room for; of more, git searches all files."""


@dataclass(frozen=True)
class FoundValue(Generic[Name]):
    """A value under its name, and where it stands: the path within the checkout with the line, or with the commit."""

    name: Name
    location: str


@dataclass(frozen=True, kw_only=True)
class FoundValues(Generic[Name]):
    """What was found in how many files or blobs; `limits` are sentences about what was not searched."""

    found: tuple[FoundValue[Name], ...]
    shapes: tuple[FoundValue[str], ...] = ()
    """What only looks like a secret, named after what it looks like."""
    searched: int
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrackedValue(Generic[Name]):
    """A value under its name in a tracked file: the path within the checkout, and the lines of the file now, if any."""

    name: Name
    path: str
    lines: tuple[int, ...]
    is_staged: bool
    """Whether the index has the value in this file, which the next commit takes."""
    is_committed: bool
    """Whether the last commit has it there."""


@dataclass(frozen=True)
class TrackedValues(Generic[Name]):
    """What was found in tracked files; `limits` are sentences about what was not searched."""

    found: tuple[TrackedValue[Name], ...] = ()
    limits: tuple[str, ...] = ()


def search_tracked(root: Path, values: ValueSearch[Name]) -> TrackedValues[Name]:
    """Search the files that git tracks in a work tree, in UTF-8: now, staged and committed.

    Those of a submodule that is checked out too, and what a sparse checkout leaves out, which the index has. git says
    which files have one of the values; only these are read.
    """
    if not values.lines:
        return TrackedValues()
    names, obstacle = git.find_files_with(root, values.lines + LFS_POINTER + b"\n")
    now, in_lfs, unread = dict[str, dict[Name, tuple[int, ...]]](), list[str](), list[str]()
    size = 0
    for name in names:
        try:
            raw = regular_file.read(root / name, min(LARGEST_TRACKED, MOST_BYTES - size))
        except OSError:
            unread.append(name)
            continue
        if len(raw) > LARGEST_TRACKED or size + len(raw) > MOST_BYTES:
            unread.append(name)
        elif raw.startswith(LFS_POINTER):
            in_lfs.append(name)
        elif hits := values.find_all(raw):
            now[name] = {each: tuple(dict.fromkeys(_line(raw, at) for at in starts)) for each, starts in hits.items()}
        size += min(len(raw), LARGEST_TRACKED)
    limits = [obstacle] if obstacle else []
    if in_lfs:
        pull = command("git", "-C", root, "lfs", "pull")
        limits.append(f"The content of {listed(in_lfs, FILES_NAMED)} is in Git LFS and was not searched: run {pull}.")
    if unread:
        limits.append(f"git grep found a match in {listed(unread, FILES_NAMED)}, which could not be read to the end.")
    changed, *problems = git.find_changed(root)
    staged, *more = _in_version(root, values, "", changed)
    committed, *others = _in_version(root, values, "HEAD", changed if changed and git.has_commit(root) else ())
    limits += dict.fromkeys(each for each in (*problems, *more, *others) if each and each not in limits)
    found = list[TrackedValue[Name]]()
    for path in dict.fromkeys((*now, *staged, *committed)):
        # Of a file without changes, all three are the same.
        in_index, in_commit = (each.get(path, ()) if path in changed else now[path] for each in (staged, committed))
        for name in dict.fromkeys((*now.get(path, ()), *in_index, *in_commit)):
            lines = now.get(path, {}).get(name, ())
            is_staged, is_committed = name in in_index, name in in_commit
            found.append(
                TrackedValue(name=name, path=path, lines=lines, is_staged=is_staged, is_committed=is_committed)
            )
    for module in git.list_submodules(root):
        # One that is not checked out is another repository, of which nothing is here.
        if not (root / module / ".git").exists():
            continue
        inner = search_tracked(root / module, values)
        found += [replace(each, path=f"{module}/{each.path}") for each in inner.found]
        limits += [f"{module}: {limit}" for limit in inner.limits]
    return TrackedValues(tuple(found), tuple(limits))


def _in_version(
    root: Path, values: ValueSearch[Name], version: str, paths: Collection[str]
) -> tuple[dict[str, set[Name]], str]:
    """Which values a version of some files has, by path, "" for the index; and what could not be read."""
    if not paths:
        return {}, ""
    # A path with a value in it may be no argument.
    is_fit = len(paths) <= _MOST_PATHS and not any(values.find(os.fsencode(path)) for path in paths)
    names, obstacle = git.find_files_with(root, values.lines, version, (*paths,) if is_fit else ())
    problems, found = list[str](), dict[str, set[Name]]()
    for blob, raw in git.stream_blobs(
        root, git.list_versions(root, version, {*names} & {*paths}), LARGEST_TRACKED, problems
    ):
        found.setdefault(blob.path, set()).update(values.find(raw))
    problem = obstacle or "".join(problems)
    # A partial clone lacks what a sparse checkout leaves out.
    return found, f"{problem}{advise_sparse(root)}" if problem else ""


def search_files(root: Path, values: ValueSearch[Name], without: frozenset[str]) -> FoundValues[Name]:
    """Search the files that git has or would add, and without git those whose names say that they hold values.

    Files that hold values by their names, such as terraform.tfvars or a saved plan, are searched for what looks like a
    secret too, apart from those `without`, such as the template.
    """
    names, obstacle = _list_files(root) or (tuple(_files_by_name(root)), "")
    found: list[FoundValue[Name]] = []
    alike: list[FoundValue[str]] = []
    searched, left_out, size = 0, 0, 0
    unreadable = list[str]()
    for name in names:
        path = root / name
        try:
            # What a link leads to is a file of its own, or none of the checkout's.
            raw = b"" if path.is_symlink() else regular_file.read(path, LARGEST_FILE)
        except (FileNotFoundError, IsADirectoryError):
            continue
        except OSError:
            unreadable.append(name)
            continue
        if len(raw) > LARGEST_FILE or size + len(raw) > MOST_BYTES:
            left_out += 1
            continue
        searched, size = searched + 1, size + len(raw)
        for part in parts(raw):
            hits = values.find(part)
            found += [FoundValue(each, f"{name}:{_line(part, at)}") for each, at in hits.items()]
            if not hits and holds_values(name) and name not in without:
                text = part.decode("utf-8", "replace")
                starts = ((span.name, len(text[: span.start].encode())) for span in shapes.find(text))
                alike += [FoundValue(kind, f"{name}:{_line(part, at)}") for kind, at in starts]
    was, why = (
        ("was", "it is too large, or there are too many")
        if left_out == 1
        else ("were", "they are too large, or too many")
    )
    few = f"{counted(left_out, 'file')} of the checkout {was} not searched: {why}." if left_out else ""
    unread = f"Files of the checkout could not be read: {listed(unreadable, FILES_NAMED)}." if unreadable else ""
    return FoundValues(
        found=tuple(found),
        shapes=tuple(dict.fromkeys(alike)),
        searched=searched,
        limits=tuple(filter(None, (obstacle, few, unread))),
    )


def _list_files(root: Path) -> tuple[tuple[str, ...], str] | None:
    """The files that git has or would add, those of repositories within the checkout too; None without git."""
    files = git.list_files(root)
    if files is None:
        return None
    names, obstacle = files
    for inner in _repositories(root, names):
        found = _list_files(root / inner)
        if found:
            names += tuple(f"{inner}/{name}" for name in found[0])
            obstacle = obstacle or found[1]
    return names, obstacle


def _repositories(root: Path, names: Iterable[str]) -> Iterator[str]:
    """Those of a work tree's paths that are repositories of their own, such as submodules that are checked out."""
    for name in names:
        path = root / name
        if not path.is_symlink() and path.is_dir() and (path / ".git").exists():
            yield name.rstrip("/")


def search_history(root: Path, values: ValueSearch[Name]) -> FoundValues[Name] | None:
    """Search all blobs that git stores, on any branch or on none, without those of present files; None without git.

    Of repositories within the checkout, such as submodules, it is those that are checked out.
    """
    if git.find_git_dir(root) is None:
        return None
    found, limits = list[FoundValue[Name]](), list[str]()
    searched = 0
    names, _ = git.list_files(root) or ((), "")
    for inner in ("", *_repositories(root, names)):
        part = search_history(root / inner, values) if inner else _search_blobs(root, values)
        if part:
            prefix = f"{inner}: " if inner else ""
            found += [FoundValue(each.name, f"{prefix}{each.location}") for each in part.found]
            limits += [f"{prefix}{limit}" for limit in part.limits]
            searched += part.searched
    return FoundValues(found=tuple(found), searched=searched, limits=tuple(limits))


def _search_blobs(root: Path, values: ValueSearch[Name]) -> FoundValues[Name]:
    blobs, obstacle = git.list_blobs(root)
    found: list[FoundValue[Name]] = []
    searched = 0
    limits = [obstacle] if obstacle else []
    chosen = [(id_, size) for id_, size in blobs if size <= LARGEST_FILE]
    for chunk in _chunks(chosen):
        contents, problem = git.read_blobs(root, chunk, LARGEST_FILE)
        searched += len(contents)
        limits += [problem] if problem and problem not in limits else []
        names = {blob.id: {name for part in parts(raw) for name in values.find(part)} for blob, raw in contents}
        located = git.find_blobs(root, [id_ for id_, hits in names.items() if hits])
        found += [FoundValue(name, _location(blob)) for id_, blob in located.items() for name in names[id_]]
    if len(blobs) > searched:
        limits.append(
            f"Of {counted(len(blobs), 'former version')} of files in git, the {searched} smallest were searched, up to"
            f" {MOST_BYTES // LARGEST_FILE} MiB together and {LARGEST_FILE // 1024} KiB each."
        )
    return FoundValues(found=tuple(found), searched=searched, limits=tuple(limits))


def _chunks(blobs: list[tuple[str, int]]) -> Iterator[list[Blob]]:
    """The blobs in portions that fit into memory, up to `MOST_BYTES` together."""
    chunk, size, total = list[Blob](), 0, 0
    for id_, each in blobs:
        total += each
        if total > MOST_BYTES:
            break
        if size + each > _CHUNK and chunk:
            yield chunk
            chunk, size = [], 0
        chunk.append(Blob(id_, "", ""))
        size += each
    if chunk:
        yield chunk


def _files_by_name(root: Path) -> Iterator[str]:
    """The files whose names say that they hold values, without git; a .env is meant to have them."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if holds_values(name) and ".env" not in path.name and path.is_file():
            yield name


def _location(blob: Blob) -> str:
    if not blob.commit:
        return f"git object {blob.id[:10]}, on no branch or tag"
    return f"{blob.path} in commit {blob.commit}"


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1
