"""Prevents core files of a process that knows a value."""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
_process = 0


def forbid() -> None:
    """Prevent core files of this process, and other processes from reading its memory.

    RLIMIT_CORE becomes 0, also for child processes. On Linux the process is made undumpable too, because cores that
    are piped to a program ignore RLIMIT_CORE: https://man7.org/linux/man-pages/man2/pr_set_dumpable.2const.html
    """
    global _process
    if _process == os.getpid():
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _process = os.getpid()
