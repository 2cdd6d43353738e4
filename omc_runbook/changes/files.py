"""The only writer of files in a checkout: atomic, and only over the content that the plan was made on."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from omc_runbook.model import regular_file
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError, outdated_plan
from omc_runbook.model.grouping import grouped
from omc_runbook.model.shell import command
from omc_runbook.textfile import private_file

PRIVATE = 0o600
DRAFT = "omc-runbook.draft"
_MODES_OF_GIT = frozenset({0o644, 0o755})
"""The modes that a file has which git writes, with the usual umask 022."""
FOLDER = "omc-runbook"
"""A folder inside .git for drafts and patches, which are never committed."""


def read(path: Path) -> bytes | None:
    """The bytes of a file, or of a link's target; None where it does not exist."""
    try:
        return regular_file.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def link_sentence(path: Path, name: str, root: Path) -> str:
    """What is read and written instead of a file of a checkout that is a link, or in a linked folder; else ""."""
    target = path.resolve()
    is_inside = target.is_relative_to(root.resolve())
    if is_inside and not path.is_symlink():
        return ""
    where = "" if is_inside else ", outside of the checkout"
    return f"{name} is a link: the file that is read and written is {target}{where}."


def refuse_unwritable(path: Path) -> None:
    """Raise UsageError where a file or its folder is not writable."""
    target = path.resolve()
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise UsageError(f"{path} is not a regular file: nothing was written.")
    if target.exists() and not (os.access(target, os.W_OK) and target.stat().st_mode & stat.S_IWUSR):
        way = regular_file.advise_owner(target) or command("chmod", "u+w", path)
        raise UsageError(f"{path} is read-only: {way}, then run again. Nothing was written.")
    folder = target.parent
    if not folder.is_dir() and not path.is_symlink():
        raise UsageError(f"{folder} is not a directory: create it, or name another file. Nothing was written.")
    if not folder.is_dir():
        raise UsageError(
            f"{path} links into {folder}, which is not a directory: create it, or remove the link. Nothing was written."
        )
    # os.access is always true for root, so the mode is checked too.
    if not (os.access(folder, os.W_OK) and folder.stat().st_mode & stat.S_IWUSR):
        raise UsageError(f"{folder} is read-only: {path.name} cannot be written. Nothing was written.")


def write(path: Path, before: bytes | None, after: bytes, git_dir: Path | None, mode: int | None = None) -> None:
    """Replace `before`, which is None where the file must not exist yet, by `after`.

    A link stays, and its target is written. The file keeps its mode, unless `mode` is set, and its owner and group,
    where permitted. Killed at any point, the file has either the old content or the new. Raises ConflictError where the
    file has changed since the plan was made, and CouldNotLook where the system refuses.
    """
    target = path.resolve()
    draft = _draft(target, git_dir)
    # All files of a checkout share one draft in .git, so that folder is locked too.
    with ExitStack() as locks:
        for folder in dict.fromkeys((target.parent, draft.parent)):
            locks.enter_context(_lock(folder))
        _refuse_changed(path, before)
        status = target.stat() if before is not None else None
        former_mode = stat.S_IMODE(status.st_mode) if status else PRIVATE
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE)
            with os.fdopen(descriptor, "wb") as file:
                if status:
                    with suppress(PermissionError):
                        os.fchown(file.fileno(), status.st_uid, status.st_gid)
                os.fchmod(file.fileno(), former_mode if mode is None else mode)
                file.write(after)
                file.flush()
                os.fsync(file.fileno())
            # A disk may have taken its time, and an editor have saved the file meanwhile.
            _refuse_changed(path, before)
            draft.replace(target)
        except OSError as error:
            now = "There is still none" if before is None else "It is unchanged"
            raise CouldNotLook(f"{path} could not be written: {error.strerror}. {now}.") from None
        finally:
            # Nor does an interrupt leave values beside a file.
            draft.unlink(missing_ok=True)


def _refuse_changed(path: Path, before: bytes | None) -> None:
    """Raise ConflictError where a file has another content than the plan was made on."""
    if read(path) != before:
        event = "was changed" if before is not None else "was created"
        raise outdated_plan(f"{path} {event} since the plan was made: it was not overwritten.")


def remove(path: Path, content: bytes) -> None:
    """Remove a file that has this content; raises ConflictError where it has another."""
    target = path.resolve()
    with _lock(target.parent):
        if read(target) != content:
            raise ConflictError(f"{path} was changed meanwhile: it was not removed.")
        target.unlink()


@contextmanager
def kept_status(path: Path) -> Iterator[None]:
    """Give a file its mode back, and where permitted its owner and group, after a program has written it anew."""
    target = path.resolve()
    status = target.stat()
    yield
    with suppress(PermissionError):
        os.chown(target, status.st_uid, status.st_gid)
    target.chmod(stat.S_IMODE(status.st_mode))


def mode_commands(paths: Iterable[Path]) -> Iterator[str]:
    """Yield the commands that give files their present modes again, once git has written them anew.

    Of a mode, git keeps only whether the file is executable, and the rest is as the umask has it.
    """
    modes = ((stat.S_IMODE(path.stat().st_mode), path) for path in paths if path.exists())
    for mode, alike in grouped((mode, path) for mode, path in modes if mode not in _MODES_OF_GIT).items():
        yield command("chmod", f"{mode:o}", *alike)


def keep_private(git_dir: Path, name: str, content: bytes) -> Path:
    """Save content in .git with mode 600, for an undo; returns its path. Raises CouldNotLook where that is refused."""
    path = git_dir / FOLDER / name
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        private_file.write(path, content)
    except OSError as error:
        raise CouldNotLook(
            f"{path}, for an undo, could not be written: {error.strerror}. Nothing was changed without it."
        ) from None
    return path


def _draft(target: Path, git_dir: Path | None) -> Path:
    """Where the new text is written first: in .git, so that a killed run leaves nothing to commit."""
    if git_dir is not None and git_dir.stat().st_dev == target.parent.stat().st_dev and os.access(git_dir, os.W_OK):
        folder = git_dir / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / DRAFT
    return target.with_name(f".{DRAFT}")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs of omc-runbook."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
