"""Streams of a command: their reader may go away before it ends, as `| head` does, and they may lack characters."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("—–−─━·", "-"),
        **dict.fromkeys("‹«", "<"),
        **dict.fromkeys("›»", ">"),
        **dict.fromkeys("•●★◆", "*"),
        **dict.fromkeys("│╷╵", "|"),
        **{"→": "->", "…": "...", "✓": "ok", "✗": "x", "×": "x", "○": "o", "═": "=", "█": "#", "░": "."},
    }
)
"""What stands for a sign in an encoding that lacks it: none of quotes, which would end those of a command."""
_PLAIN_SIGNS, _PLAIN_SIGNS_OR_BYTES = "omc-runbook-plain", "omc-runbook-plain-or-bytes"
_REPLACED = {
    **dict.fromkeys(("strict", "backslashreplace"), _PLAIN_SIGNS),
    # Python's own in the locale C: a path's bytes that are no UTF-8 stay as they are.
    "surrogateescape": _PLAIN_SIGNS_OR_BYTES,
}
"""The handlers of errors that ours replace: whoever starts Python may have chosen another."""


class _Output(io.FileIO):
    """A file descriptor that takes what nobody reads any more.

    What its disk or terminal refuses is an error once; on standard error it is none, since nothing can tell it.
    """

    def __init__(self, descriptor: int, is_for_errors: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._lost: type[OSError] = OSError if is_for_errors else BrokenPipeError

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes; where their reader has gone, they are lost."""
        try:
            return super().write(data)
        except self._lost:
            return memoryview(data).nbytes
        except OSError as error:
            # Python would write the same again when it ends.
            self._lost, error.filename = OSError, "standard output"
            raise


def has_descriptor(stream: TextIO) -> bool:
    """Whether a stream writes to a file descriptor."""
    try:
        return stream.fileno() >= 0
    except OSError:
        return False


def _replace(error: UnicodeError) -> tuple[str, int]:
    """What codecs write instead of characters that cannot be encoded, and where they go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def _replace_or_escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """The same, but the byte for a surrogate that stands for one."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    code, end = ord(error.object[error.start]), error.start + 1
    if 0xDC80 <= code <= 0xDCFF:
        return bytes([code - 0xDC00]), end
    return _replace(UnicodeEncodeError(error.encoding, error.object, error.start, end, error.reason))


codecs.register_error(_PLAIN_SIGNS, _replace)
codecs.register_error(_PLAIN_SIGNS_OR_BYTES, _replace_or_escape)


def open_output(descriptor: int, like: TextIO, is_for_errors: bool) -> TextIO:
    """A stream that writes each line to a file descriptor, with another stream's encoding; it does not close that.

    It writes signs that the encoding lacks as plain ones, such as -> for an arrow, and letters as escapes. A reader
    that goes away is no error: what has begun ends as it would have. Errors that cannot be told are none either.
    """
    buffer, errors = io.BufferedWriter(_Output(descriptor, is_for_errors)), like.errors
    return io.TextIOWrapper(buffer, like.encoding, _REPLACED.get(errors or "", errors), line_buffering=True)


def open_standard() -> None:
    """Let no stream that was closed, whose reader goes away, or that loses errors, change how this command ends.

    Nor a character that a stream's encoding lacks, such as an arrow in a locale with ISO-8859-1. In the place of what
    was closed, as by >&- in a shell, Python has None.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            # Else a child process would have the first file that it opens in its place.
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
        elif mode == "w" and has_descriptor(stream):
            setattr(sys, name, open_output(stream.fileno(), stream, is_for_errors=name == "stderr"))
