"""A file that is read takes as much memory as it has, not as much as it may have."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from omc_runbook.model import regular_file


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """However large one may be that is read: where memory is limited, room for that ended a run."""
    path = tmp_path / "small"
    path.write_bytes(b"small")
    tracemalloc.start()
    try:
        assert regular_file.read_whole(path, 100_000_000) == b"small"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_no_more_than_one_byte_beyond_the_largest_is_read(tmp_path: Path) -> None:
    """Which shows that the file is larger."""
    path = tmp_path / "large"
    path.write_bytes(bytes(300_000))
    assert len(regular_file.read(path, 200_000)) == 200_001
    assert len(regular_file.read(path, 300_000)) == 300_000


def test_what_is_no_regular_file_is_refused_and_closed(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, and a device; no descriptor is left of any."""
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        regular_file.read(tmp_path / "\0")
    before = len([*Path("/dev/fd").iterdir()])
    for path, reason in ((tmp_path, "Is a directory"), (pipe, "it is a pipe or"), (Path("/dev/zero"), "or a device")):
        with pytest.raises(OSError, match=reason):
            regular_file.read(path)
    assert len([*Path("/dev/fd").iterdir()]) == before
