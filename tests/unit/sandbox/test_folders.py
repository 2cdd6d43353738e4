"""The directories of running sandboxes, while others start and end."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
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


def claim(port: int = PORT) -> int:
    """A sandbox that runs at a port; returns what keeps its lock."""
    return folders.claim(folders.root() / str(port), port, administrator(), "token")


def test_one_that_runs_keeps_its_directory_whoever_tidies_up() -> None:
    """Such as who has waited for the end of one that had the same port; what that one left is gone."""
    os.close(claim())
    directory = folders.root() / str(PORT)
    (directory / "left").touch()
    lock = claim()
    folders.release(directory)
    assert [state.port for state in folders.running()] == [PORT] and not (directory / "left").exists()
    os.close(lock)
    folders.release(directory)
    assert not folders._root().exists()


def test_a_directory_that_cannot_be_opened_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that its owner may not list: only one that was just removed is made again."""
    opened, open_ = list[object](), os.open

    def refuse_once(*arguments: Any) -> int:
        opened.append(arguments)
        if len(opened) == 1:
            raise PermissionError("Permission denied")
        return open_(*arguments)

    monkeypatch.setattr(os, "open", refuse_once)
    with pytest.raises(PermissionError):
        claim()
    opened.clear()
    folders.leave()


@pytest.mark.parametrize("is_last", [True, False])
def test_one_that_starts_while_what_a_killed_one_left_is_removed(
    is_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same port: it starts once it was seen that the former one has ended."""
    others = [] if is_last else [claim(PORT + 1)]
    os.close(claim())
    look, locks = folders._locked_text, list[int]()

    def start_after(directory: Path) -> str | None:
        text = look(directory)
        if directory.name == str(PORT) and not locks:
            locks.append(-1)
            locks[0] = claim()
        return text

    monkeypatch.setattr(folders, "_locked_text", start_after)
    folders.running()
    assert PORT in {state.port for state in folders.running()}
    for lock in (*locks, *others):
        os.close(lock)


def test_many_start_and_end_at_once() -> None:
    """Each finds what it made, and the directory of all goes with the last."""

    def start_and_end(port: int) -> None:
        for _ in range(5):
            os.close(claim(port))
            lock = claim(port)
            (folders._root() / str(port) / "file").touch()
            folders.running()
            assert (folders._root() / str(port) / "file").exists()
            os.close(lock)
        folders.release(folders._root() / str(port))
        folders.leave()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start_and_end, range(PORT, PORT + 8)))
    assert not folders._root().exists()


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
