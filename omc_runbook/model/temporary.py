"""Private folders for temporary files, without those that a killed process of ours left behind."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

_NAME = re.compile(r"omc-[a-z]+-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+")


def folder(kind: str, parent: str | None = None) -> tempfile.TemporaryDirectory[str]:
    """Make a folder for what `kind` names, in `parent` or where temporary files belong."""
    parent, process = parent or tempfile.gettempdir(), os.getpid()
    _sweep(parent, process)
    return tempfile.TemporaryDirectory(prefix=f"omc-{kind}-{_machine()}-{process}-", dir=parent)


@cache
def _sweep(parent: str, process: int) -> None:
    """Remove, once in each process, the folders of this user's processes that have ended."""
    for path in Path(parent).glob("omc-*-*-*-*"):
        name = _NAME.fullmatch(path.name)
        if name and name["machine"] == _machine() and _is_own(path) and not is_running(int(name["process"])):
            shutil.rmtree(path, ignore_errors=True)


@cache
def _machine() -> str:
    """Where a process has its number: this machine, or this container on it."""
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        namespace = Path()
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]


def _is_own(path: Path) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def is_running(process: int) -> bool:
    """Whether there is a process of that number, anybody's; 0 and less are none."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0
