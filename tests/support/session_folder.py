"""Folders that last as long as the tests do, temporary files in memory among them."""

from __future__ import annotations

import os
import shutil
import tempfile
from multiprocessing.util import Finalize
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 << 30
"""In bytes; a run of the whole suite takes up a third of it."""
LAST = -200
"""After multiprocessing has removed its own folder in there."""


def make(prefix: str, parent: Path | None = None) -> Path:
    """Make a folder that this process removes at its end; processes of other users may read it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o755)
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=LAST)
    return folder


def put_temporary_files_in_memory() -> None:
    """Have /tmp's part played by memory: the tests make some hundred thousand files, and a disk takes its time.

    With TMPDIR set all stays where that says, also after the end.
    """
    if tempfile.gettempdir() == "/tmp" and "TMPDIR" not in os.environ and can_hold_files(MEMORY):
        os.environ["TMPDIR"] = tempfile.tempdir = str(make("omc-", MEMORY))


def can_hold_files(folder: Path) -> bool:
    """Whether the tests' files have room there, and programs among them would start."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize >= ROOM and not there.f_flag & os.ST_NOEXEC
