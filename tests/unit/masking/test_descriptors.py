"""What child processes write while cells run in this process."""

import subprocess
import sys


def test_what_is_written_all_the_time_holds_nothing_up() -> None:
    """As by a child process that writes faster than it is read: what was written so far is taken, and no more."""
    code = (
        "import os, threading\nfrom omc_runbook.masking.descriptors import Descriptors\n"
        "with Descriptors(lambda *_: os.write(1, b'more'), threading.RLock()) as descriptors:\n"
        "    os.write(1, b'first')\n    descriptors.drain()\n"
        "print('end')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, "") and ended.stdout.endswith("end\n")
