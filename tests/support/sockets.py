"""Where sockets of the tests belong: the system cuts the length of their paths."""

from omc_runbook.model import temporary

LONGEST_FOLDER = 103 - len("/socket")
"""Bytes of the path of a folder that a socket fits into, on macOS too."""


def parent() -> str | None:
    """In which folder to make one with a socket: None is where temporary files belong, unless TMPDIR is too long."""
    return temporary.short_parent(LONGEST_FOLDER)
