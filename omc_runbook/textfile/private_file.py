"""A file that only its owner can read, written atomically."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from omc_runbook.model import temporary

_PRIVATE = 0o600
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has no hard links."""


def write(path: Path, content: bytes, mode: int = _PRIVATE) -> None:
    """Replace a file with new bytes, mode 600 unless others are to read it, atomically.

    A symbolic link is replaced, and its target stays as it is. Raises OSError where the folder cannot be written or
    is full; the old file stays then.
    """
    with _draft(path, content) as draft:
        if mode != _PRIVATE:
            draft.chmod(mode)
        draft.replace(path)


def create(path: Path, content: bytes) -> None:
    """Write a new file, mode 600, atomically; raises FileExistsError where there is one, or a link, and OSError."""
    with _draft(path, content) as draft:
        try:
            path.hardlink_to(draft)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Without hard links the name is taken first, and the file is empty for a moment.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
            draft.replace(path)


def create_unique(stem: str, path_of: Callable[[str], Path], content: bytes) -> str:
    """Create a file by `create` under a stem, or under the first of "STEM-2" and so on that is free; gives that.

    Runs may begin in the same second. Raises OSError.
    """
    unique, number = stem, 1
    while True:
        try:
            create(path_of(unique), content)
        except FileExistsError:
            number += 1
            unique = f"{stem}-{number}"
        else:
            return unique


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """A complete file beside the path, which does not stay."""
    descriptor, draft = temporary.draft(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # At once: a connection in another thread would take the one that is free now.
        temporary.keep_descriptor()
        yield draft
    finally:
        draft.unlink(missing_ok=True)
