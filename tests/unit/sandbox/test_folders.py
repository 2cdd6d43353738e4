"""The directories of running sandboxes, while others start and end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox import folders
from omc_runbook.sandbox.credentials import administrator

PORT = 5000


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary directory without other sandboxes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("moment", ["", "folder"])
def test_one_that_starts_while_the_last_one_ends(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of all goes with the last one, and is made again, also where it had just been found."""
    root = folders.root()
    make, ended = Path.mkdir, list[Path]()

    def end_first(path: Path, *args: Any, **options: Any) -> None:
        if not ended and (path == root) != bool(moment):
            ended.append(path)
            root.rmdir()
            if not moment:
                make(path, *args, **options)
                path.rmdir()
                return
        make(path, *args, **options)

    monkeypatch.setattr(Path, "mkdir", end_first)
    lock = folders.claim(root / str(PORT), PORT, administrator(), "token")
    assert ended and [state.port for state in folders.running()] == [PORT]
    os.close(lock)


def test_none_runs_where_the_last_one_ends_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look whether the directory is private and the list of what is in it."""
    root, look = folders.root(), folders._is_private

    def end_after(path: Path) -> bool:
        answer = look(path)
        root.rmdir()
        return answer

    monkeypatch.setattr(folders, "_is_private", end_after)
    assert folders.running() == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_directory_is_refused(kind: str, own_directory: Path) -> None:
    """In a sentence, whatever it is."""
    path = folders.root()
    path.rmdir()
    if kind == "file":
        path.touch()
    else:
        path.symlink_to(own_directory)
    with pytest.raises(RunbookError, match="is not a private directory of yours"):
        folders.root()
