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


def test_where_no_descriptor_is_left_the_streams_stay_as_they_were() -> None:
    """As with `ulimit -n 15`: the reason is printed where a person sees it, wherever the limit is met."""
    code = (
        "import os, resource, threading\nfrom omc_runbook.masking.descriptors import Descriptors\n"
        "first = os.dup(0)\nos.close(first)\n"
        "for most in range(first, first + 16):\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "    try:\n"
        "        with Descriptors(lambda *_: None, threading.RLock()): break\n"
        "    except OSError: os.write(1, b'failed\\n')\n"
        "    os.closerange(first, first + 20)\n"
        "print(most - first)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    *failed, needed = ended.stdout.splitlines()
    assert (ended.stderr, failed) == ("", ["failed"] * int(needed))
