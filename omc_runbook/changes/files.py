"""The one writer of files in a checkout: all of a file or nothing, and only over what the plan was made on."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.model.shell import command

PRIVATE = 0o600
DRAFT = "omc-runbook.draft"
FOLDER = "omc-runbook"
"""In git's own folder, where drafts and patches lie: nothing there is ever committed."""


def read(path: Path) -> bytes | None:
    """The bytes of a file, or of what a link leads to; None where there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def refuse_unwritable(path: Path) -> None:
    """Raise UsageError, in one sentence, for a file that may not be written, or a folder in which nothing may."""
    target = path.resolve()
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise UsageError(f"{path} is not a regular file: nothing was written.")
    if target.exists() and not (os.access(target, os.W_OK) and target.stat().st_mode & stat.S_IWUSR):
        raise UsageError(f"{path} is read-only: {command('chmod', 'u+w', path)}, then run again. Nothing was written.")
    folder = target.parent
    if not folder.is_dir():
        raise UsageError(
            f"{path} leads to {folder}, which is not a directory: create it, or remove the link. Nothing was written."
        )
    # An administrator may write everywhere, and whoever took the right away did so on purpose.
    if not (os.access(folder, os.W_OK) and folder.stat().st_mode & stat.S_IWUSR):
        raise UsageError(f"{folder} is read-only, so that {path.name} cannot be written. Nothing was written.")


def write(path: Path, before: bytes | None, after: bytes, git_dir: Path | None, mode: int | None = None) -> None:
    """Put `after` in the place of `before`, which is None where there must be no file yet.

    What a link leads to is written, and the link stays. The file keeps its mode, unless one is given, and its owner and
    group, where they can be given. Killed at any point, either the whole new text is there or the old one. Raises
    ConflictError where the file is not as it was when the plan was made, and CouldNotLook where the system refuses.
    """
    target = path.resolve()
    draft = _draft(target, git_dir)
    # Files of all folders have one draft in git's folder: whoever writes another file waits as well.
    with ExitStack() as locks:
        for folder in dict.fromkeys((target.parent, draft.parent)):
            locks.enter_context(_alone(folder))
        if read(target) != before:
            what = "was changed" if before is not None else "was created"
            raise ConflictError(f"{path} {what} since the plan was made: it stays as it is. Run again to plan on that.")
        there = target.stat() if before is not None else None
        kept = stat.S_IMODE(there.st_mode) if there else PRIVATE
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
            with os.fdopen(descriptor, "wb") as file:
                if there:
                    with suppress(PermissionError):
                        os.fchown(file.fileno(), there.st_uid, there.st_gid)
                os.fchmod(file.fileno(), kept if mode is None else mode)
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise CouldNotLook(f"{path} could not be written: {error.strerror}. It is as it was.") from None


def keep(git_dir: Path, name: str, content: bytes) -> Path:
    """Keep something private in git's own folder, for going back; gives its path."""
    folder = git_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), PRIVATE)
        file.write(content)
    return path


def _draft(target: Path, git_dir: Path | None) -> Path:
    """Where the new text is written first: in git's folder, where a run that is killed leaves nothing to commit."""
    if git_dir is not None and git_dir.stat().st_dev == target.parent.stat().st_dev and os.access(git_dir, os.W_OK):
        folder = git_dir / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / DRAFT
    return target.with_name(f".{DRAFT}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let no other run of ours write into the same folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
