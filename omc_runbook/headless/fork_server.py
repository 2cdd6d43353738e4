"""Removes, in the process that workers are forked from, the folder with its socket, when it ends with its parent.

multiprocessing leaves that to the parent, which is a kernel that is killed at its end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from multiprocessing import forkserver, util
from pathlib import Path

from omc_runbook.model.errors import CouldNotLook

LONGEST_FOLDER = 107 - len("/listener-12345678")
"""Bytes of the path of a folder that a socket fits into."""
FOLDER_VARIABLE = "OMC_RUNBOOK_FORK_FOLDER"
"""Names the folder to the process that is started."""


def ensure_running() -> None:
    """Start the process to fork from, unless it runs; returns at once.

    Raises CouldNotLook where the folder for temporary files has too long a path for a socket.
    """
    folder = util.get_temp_dir()
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        raise CouldNotLook(
            f"The folder for temporary files {tempfile.gettempdir()} has too long a path for a socket: set TMPDIR to"
            " another one, such as /tmp. Nothing was read."
        )
    # One with something in it is that of the process which this one was forked from.
    if not any(Path(folder).iterdir()):
        os.environ[FOLDER_VARIABLE] = folder
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop(FOLDER_VARIABLE, None)


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


if FOLDER_VARIABLE in os.environ:
    atexit.register(_remove, os.environ.pop(FOLDER_VARIABLE), os.getpid())
