"""The process that workers are forked from, and the folder with its socket.

multiprocessing leaves the folder's removal to the parent, which is a kernel that is killed at its end. So the process
itself removes it when it ends with its parent; where both are killed, our next process does, by the folder's name.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from multiprocessing import current_process, forkserver, resource_tracker, util
from pathlib import Path

from omc_runbook.model import temporary
from omc_runbook.model.errors import CouldNotLook

LONGEST_FOLDER = 103 - len("/listener-12345678")
"""Bytes of the path of a folder that a socket fits into: macOS has four fewer for it than Linux."""
FOLDER_VARIABLE = "OMC_RUNBOOK_FORK_FOLDER"
"""Names the folder to the process that is started."""
INTERRUPTIONS = frozenset({signal.SIGINT})
"""What the process does not take; who is forked from it has to unblock it."""
_SETTING = "tempdir"
"""Where multiprocessing keeps its folder for temporary files."""

_made: list[tempfile.TemporaryDirectory[str]] = []
"""Keeps the folder until this process ends."""


def ensure_running() -> None:
    """Start the process to fork from, unless it runs; returns at once.

    Raises CouldNotLook where no folder for temporary files has a path short enough for a socket.
    """
    folder = _folder()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise CouldNotLook(
            f"The folder for temporary files {tempfile.gettempdir()} has too long a path for a socket: set TMPDIR to"
            " another one, such as /tmp. Nothing was read."
        )
    # multiprocessing starts it, too, and unblocks signals then.
    resource_tracker.ensure_running()
    # A terminal's Ctrl-C is for all its processes. This one ignores it once its imports are done; until then it would
    # print where it was.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        # One with something in it is that of the process which this one was forked from.
        if not any(Path(folder).iterdir()):
            os.environ[FOLDER_VARIABLE] = folder
        forkserver.ensure_running()
    finally:
        os.environ.pop(FOLDER_VARIABLE, None)
        # Last: a Ctrl-C that came meanwhile is raised here.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _folder() -> str:
    """multiprocessing's folder for temporary files: one of ours, in /tmp where TMPDIR has too long a path."""
    settings = current_process()._config  # type: ignore[attr-defined]
    if settings.get(_SETTING) is None:
        # Where /tmp cannot be written, multiprocessing makes one where temporary files belong.
        with suppress(OSError):
            _made[:] = [temporary.folder("fork", temporary.short_parent(LONGEST_FOLDER))]
            settings[_SETTING] = _made[0].name
    return util.get_temp_dir()


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


if FOLDER_VARIABLE in os.environ:
    atexit.register(_remove, os.environ.pop(FOLDER_VARIABLE), os.getpid())
