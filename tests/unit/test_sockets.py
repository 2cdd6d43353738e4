"""The sockets of the tests, where TMPDIR has a path that is too long for one."""

import tempfile
from pathlib import Path

import pytest
from support import forked_programs, forked_workers


def test_a_long_path_for_temporary_files_takes_no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The suite and the commands of README start all the same."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with forked_programs.on_path() as programs, forked_workers.start(["--version"]) as command:
        assert programs.is_dir() and command
