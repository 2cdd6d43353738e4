"""A bound on the time of one HTTP response.

A read time-out begins anew with each byte, so that a body which trickles would never reach it.
"""

from __future__ import annotations

import io
import time
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, ClassVar


class TimedResponse(HTTPResponse):
    """A response that is read within `seconds` of the request, or raises TimeoutError."""

    seconds: ClassVar[float]

    @classmethod
    def bound(cls, seconds: float, *connections: type[Any]) -> None:
        """Let these subclasses of `http.client.HTTPConnection` read each response within so many seconds."""
        cls.seconds = seconds
        for connection in connections:
            connection.response_class = cls

    def __init__(self, sock: Any, *more: Any, **options: Any) -> None:
        super().__init__(_TimedSocket(sock, self.seconds), *more, **options)  # type: ignore[arg-type]


class _TimedSocket:
    """What a response asks of its connection's socket: a file to read from."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock, self._seconds = sock, seconds

    def makefile(self, mode: str) -> io.BufferedReader:
        """The file to read from."""
        return io.BufferedReader(_TimedFile(self._sock, self._seconds))


class _TimedFile(io.RawIOBase):
    """A socket's incoming bytes up to a moment."""

    def __init__(self, sock: Any, seconds: float) -> None:
        self._sock, self._file = sock, sock.makefile("rb", buffering=0)
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there; raises TimeoutError where the time is over."""
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(rest)
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        """Leave the connection to the next request, as it was."""
        if not self.closed:
            self._file.close()
            with suppress(OSError):
                self._sock.settimeout(self._seconds)
        super().close()
