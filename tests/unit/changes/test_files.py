"""Files that a change reads and writes, where the system refuses."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from omc_runbook.changes import files
from omc_runbook.changes.values import source_file
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    """Neither is read nor written, and nobody waits for the pipe."""
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory\."):
        files.read(tmp_path)
    with pytest.raises(UsageError, match="it is a pipe or a device"):
        files.read(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(UsageError, match="is not a regular file: nothing was written"):
            files.refuse_unwritable(path)


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    """Such as on a disk that is full; the half that was written is gone."""
    path = tmp_path / "settings.py"
    path.write_bytes(before := b"before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, limits[1]))
    try:
        with pytest.raises(CouldNotLook, match=r"could not be written: File too large\. It is unchanged\."):
            files.write(path, before, b"after that", None)
        with pytest.raises(CouldNotLook, match=r"could not be written: File too large\. There is still none\."):
            files.write(tmp_path / "new.py", None, b"after that", None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


def test_an_interrupt_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a .env that is in no repository, it would have the values, and git may not ignore it."""

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / ".env"
    path.write_bytes(before := b"SECRET_KEY=a\n")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, before, b"SECRET_KEY=b\n", None)
    assert path.read_bytes() == before and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("before", [b"A=1\n", None])
def test_what_an_editor_saves_while_the_new_text_is_written_stays(
    before: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk takes its time, in which a person saves the file."""
    path, sync = tmp_path / "config.py", os.fsync
    if before is not None:
        path.write_bytes(before)

    def save(descriptor: int) -> None:
        path.write_bytes(b"A=1\nB=2\n")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", save)
    with pytest.raises(ConflictError, match="since the plan was made: it was not overwritten"):
        files.write(path, before, b"A=1\nC=3\n", None)
    assert path.read_bytes() == b"A=1\nB=2\n"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    ("present", "reason"), [("omc-runbook", "File exists"), ("omc-runbook/env.backup/x", "Is a directory")]
)
def test_what_cannot_be_kept_for_an_undo_is_one_sentence(tmp_path: Path, present: str, reason: str) -> None:
    """A run says with it what it has done before; no half of it stays."""
    (tmp_path / present).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / present).touch()
    with pytest.raises(CouldNotLook, match=rf"env\.backup, for an undo, could not be written: {reason}\. Nothing was"):
        files.keep_private(tmp_path, "env.backup", b"SECRET_KEY=x")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [tmp_path / present]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o755, 0o775])
def test_a_mode_that_git_would_not_write_is_given_back(tmp_path: Path, mode: int) -> None:
    """With the usual umask it makes 644 or 755 of each, so that a group loses what it may do."""
    path = tmp_path / "config.py"
    path.touch()
    path.chmod(mode)
    expected = [] if mode in (0o644, 0o755) else [f"chmod {mode:o} {path}"]
    assert [*files.mode_commands([path, tmp_path / "none"])] == expected


def test_a_file_that_cannot_be_removed_is_left_to_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the values in plain text, and they are in the secret by now."""
    path = tmp_path / "values.env"
    path.write_text("OPENAI_API_KEY=sk-12345\n")
    path.chmod(0o600)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    message = source_file.consume(f"file:{path}", Masked('{"OPENAI_API_KEY": "sk-12345"}', "the secret"))
    assert message.startswith(f"{path} could not be removed (Operation not permitted): remove it yourself")


@pytest.mark.parametrize(("name", "reason"), [("file/within", "Not a directory"), ("x" * 300, "File name too long")])
def test_a_source_that_the_system_does_not_open_is_named(tmp_path: Path, name: str, reason: str) -> None:
    """Looking for what is unsafe about it says nothing: reading it does."""
    (tmp_path / "file").touch()
    source = f"file:{tmp_path / name}"
    assert source_file.precautions(source) == ()
    with pytest.raises(UsageError, match=reason):
        source_file.load(tmp_path / name, "the values")
