"""Private folders for temporary files, and drafts of files, without those that a killed process of ours left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from omc_runbook.model.errors import CouldNotLook

_NAME = re.compile(r"(\..+\.)?omc-[a-z]+-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+")
_PATTERNS = ("omc-*-*-*-*", ".*.omc-draft-*-*-*")
"""The names of folders, and of drafts beside the files that they are to replace."""
_HEAD = 40
"""How many characters of a file's name its draft has."""
_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_kept: list[int] = []
"""The descriptor that is kept for the next draft."""


def place() -> str:
    """The folder for temporary files, also where it cannot be used and Python would take another one instead."""
    return next((os.environ[each] for each in _VARIABLES if os.environ.get(each)), "") or tempfile.gettempdir()


@contextmanager
def usable() -> Iterator[None]:
    """Let an error of the system, before anything is done, be a sentence about the folder for temporary files.

    Raises CouldNotLook; where open files run out, the OSError itself, which says nothing of the folder.
    """
    directory = ""
    try:
        directory = place()
        yield
    except OSError as error:
        if error.errno == errno.EMFILE:
            raise
        raise CouldNotLook(
            f"The folder for temporary files {directory} cannot be used: {error.strerror}. Set TMPDIR to another one."
            " Nothing was done."
        ) from None


def folder(kind: str, parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for what `kind` names, in `parent` or where temporary files belong.

    What cannot be removed at its end is left to a later process: it is no reason to lose what was done meanwhile.
    """
    parent, process = parent or tempfile.gettempdir(), os.getpid()
    _sweep(parent, process)
    prefix = f"omc-{kind}-{_machine()}-{process}-"
    return tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)


def short_parent(length: int) -> str | None:
    """Where the path of a folder has so many bytes at most, as for a socket: None is where temporary files belong."""
    name = f"/omc-longest-{_machine()}-{os.getpid()}-12345678"
    is_short = len(os.fsencode(tempfile.gettempdir()) + name.encode()) <= length
    return None if is_short else "/tmp"  # noqa: S108 - the folder in it is private


def draft(path: Path) -> tuple[int, Path]:
    """Open a new file, mode 600, beside the one that it is to replace; returns its descriptor and its path.

    From the first one on, a descriptor is kept for the next: where connections to AWS take all that this process may
    have, it can still write what it did. Raises OSError.
    """
    keep_descriptor()
    try:
        return _open_draft(path)
    except OSError as error:
        if error.errno != errno.EMFILE or not _kept:
            raise
        os.close(_kept.pop())
        return _open_draft(path)


def keep_descriptor() -> None:
    """Keep a descriptor for the next draft, if this process may have one more."""
    if not _kept:
        with suppress(OSError):
            _kept.append(os.open(os.devnull, os.O_RDONLY))


def _open_draft(path: Path) -> tuple[int, Path]:
    folder, process = str(path.parent), os.getpid()
    _sweep(folder, process)
    # The whole name may be as long as a file system takes one.
    prefix = f".{path.name[:_HEAD]}.omc-draft-{_machine()}-{process}-"
    descriptor, name = tempfile.mkstemp(prefix=prefix, dir=folder)
    return descriptor, Path(name)


@cache
def _sweep(parent: str, process: int) -> None:
    """Remove, once in each process, what this user's processes that have ended left in a folder."""
    for path in (path for pattern in _PATTERNS for path in Path(parent).glob(pattern)):
        name = _NAME.fullmatch(path.name)
        if not name or name["machine"] != _machine() or is_running(int(name["process"])):
            continue
        kind = _kind_of_own(path)
        if kind == stat.S_IFDIR:
            shutil.rmtree(path, ignore_errors=True)
        elif kind == stat.S_IFREG:
            path.unlink(missing_ok=True)


@cache
def _machine() -> str:
    """Where a process has its number: this machine, or this container on it."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        namespace = Path()
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]


def _kind_of_own(path: Path) -> int:
    """Whether this user's path is a folder or a file, as stat's constant; 0 for another's, or none."""
    try:
        status = path.lstat()
    except OSError:
        return 0
    return stat.S_IFMT(status.st_mode) if status.st_uid == os.getuid() else 0


def is_running(process: int) -> bool:
    """Whether there is a process of that number, anybody's; 0 and less are none."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
