"""A file that is read takes as much memory as it has, not as much as it may have."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

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
