"""A disk that is full: a file system of its own, which nobody else sees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT

SCRIPT = """
import errno, sys
from pathlib import Path
from benchmarks.hold import disk
folder = Path(sys.argv[1])
if why := disk.be_private() or disk.mount(folder, 16_384):
    sys.exit(f"cannot mount: {why}")
try:
    (folder / "file").write_bytes(bytes(65_536))
except OSError as error:
    print(errno.errorcode[error.errno])
disk.unmount()
print(len([*folder.iterdir()]))
"""


def test_a_small_disk_is_full_and_is_gone_afterwards(tmp_path: Path) -> None:
    """A write beyond its size fails as on a real one; the folder below is as before."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.stderr.startswith("cannot mount"):
        pytest.skip(ended.stderr.strip())
    assert ended.stdout.split() == ["ENOSPC", "0"]
    assert not [*tmp_path.iterdir()]
