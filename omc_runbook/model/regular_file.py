"""Reading of a file that somebody else may have put there: a pipe would block, and a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from omc_runbook.model.shell import command

LARGEST = 1_048_576
"""The largest file that is read, in bytes: no source file is larger."""
_PIECE = 65_536


class NotRegular(OSError):
    """A pipe or a device, of which reading may never end."""


def read(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file, of a larger one no more than one beyond `largest`.

    Raises OSError, also for a folder, and NotRegular for a pipe or a device.
    """
    if "\0" in str(path):
        # open() raises a ValueError for it, and a configuration or a plan's file may have it as an escape.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    # open() itself refuses a folder; in a descriptor of one that it is given, it would leave that open.
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotRegular(errno.EINVAL, "it is a pipe or a device", str(path))
        return _read_at_most(file, largest + 1)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; of a pipe that nobody writes to, without waiting for somebody."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_at_most(file: BinaryIO, number: int) -> bytes:
    """So many bytes of a file at most: asked for all at once, Python makes room for as many."""
    pieces = list[bytes]()
    while number and (piece := file.read(min(number, _PIECE))):
        pieces.append(piece)
        number -= len(piece)
    return b"".join(pieces)


def advise_owner(path: Path) -> str:
    """The command, as a clause, that gives this user a file of another one, as sudo leaves it; "" for an own file."""
    target = path.resolve()
    if not target.exists() or target.stat().st_uid == os.geteuid():
        return ""
    return f'it belongs to another user: sudo chown "$(id -un)" {command(target)}'


def read_whole(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a regular file; raises OSError as `read` does, and for a larger file."""
    raw = read(path, largest)
    if len(raw) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes", str(path))
    return raw


def read_text(path: Path, largest: int = LARGEST) -> str:
    """The text of a regular file in UTF-8; raises OSError as `read_whole` does, and UnicodeDecodeError."""
    return read_whole(path, largest).decode("utf-8")
