"""A file that only its owner can read, written atomically."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace a file with new bytes, mode 600, atomically.

    A symbolic link is replaced, and its target stays as it is. Raises OSError where the folder cannot be written or
    is full; the old file stays then.
    """
    with _draft(path, content) as draft:
        draft.replace(path)


def create(path: Path, content: bytes) -> None:
    """Write a new file, mode 600, atomically; raises FileExistsError where there is one, or a link, and OSError."""
    with _draft(path, content) as draft:
        path.hardlink_to(draft)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """A complete file beside the path, which does not stay."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
