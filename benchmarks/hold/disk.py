"""Small file systems, as a disk that is full: only where this process may mount one."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_NEW_NAMESPACE, _PRIVATE, _RECURSIVE, _DETACH = 0x0002_0000, 1 << 18, 1 << 14, 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_mounted: list[Path] = []


def be_private() -> str:
    """Keep what this thread and its children mount to themselves, so that it ends with them; why not, or ""."""
    return _problem(_LIBC.unshare(_NEW_NAMESPACE)) or _problem(
        _LIBC.mount(b"none", b"/", None, _PRIVATE | _RECURSIVE, None)
    )


def mount(folder: Path, size: int) -> str:
    """Mount an empty file system of so many bytes; why that is impossible, or ""."""
    problem = _problem(_LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % size))
    if not problem:
        _mounted.append(folder)
    return problem


def unmount() -> None:
    """Unmount all that was mounted."""
    while _mounted:
        _LIBC.umount2(os.fsencode(_mounted.pop()), _DETACH)


def _problem(result: int) -> str:
    return os.strerror(ctypes.get_errno()) if result else ""
