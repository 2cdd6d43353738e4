"""No core file of a process that knows a value."""

import ctypes
import os
import resource
import sys

_PR_SET_DUMPABLE = 4
_process = 0


def forbid() -> None:
    """Keep this process from leaving its memory in a file when it crashes, and others from reading it.

    RLIMIT_CORE becomes 0, for programs started from here too; on Linux the process is no longer dumpable, which
    counts where cores are piped to a program: https://man7.org/linux/man-pages/man2/pr_set_dumpable.2const.html
    """
    global _process
    if _process == os.getpid():
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _process = os.getpid()
