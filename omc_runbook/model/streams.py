"""Streams of a command: their reader may go away before it ends, as `| head` does, and they may lack characters."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Pipe(io.FileIO):
    """A file descriptor that takes what nobody reads any more."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes; where their reader has gone, they are lost."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def is_pipe(stream: TextIO) -> bool:
    """Whether a stream writes to somebody who may stop reading: a pipe or a socket."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def escape_unknown(stream: TextIO) -> None:
    """Let a stream write characters that its encoding lacks as escapes, as Python's standard error does."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def open_output(descriptor: int, like: TextIO) -> TextIO:
    """A stream that writes each line to a file descriptor, with another stream's encoding; it does not close that.

    A reader that goes away is no error: what has begun ends as it would have.
    """
    buffer = io.BufferedWriter(_Pipe(descriptor, "w", closefd=False))
    return io.TextIOWrapper(buffer, like.encoding, like.errors, line_buffering=True)
