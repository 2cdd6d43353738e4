"""File descriptors 0, 1 and 2 of this process while cells run in it."""

from __future__ import annotations

import codecs
import ctypes
import os
import selectors
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Self

NAMES = {1: "stdout", 2: "stderr"}
# As much as a pipe holds, also where a page of memory is 64 KiB.
_CAPACITY = 1 << 20


class Descriptors:
    """Takes what child processes and C libraries write, and gives them nothing to read, while its context lasts.

    `on_text` is called, on any thread, with a stream's name and its text, while `lock` is held. That is reentrant: an
    object whose removal fails may print meanwhile. What was in the descriptors before returns in the end; a child
    process that is left over cannot write there any more.
    """

    def __init__(self, on_text: Callable[[str, str], None], lock: AbstractContextManager[object]) -> None:
        self._on_text, self._lock = on_text, lock
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in NAMES.values()}

    def __enter__(self) -> Self:
        _flush()
        # All that may fail comes first: where no descriptor is left, what was in these stays, and says so.
        nowhere = os.open(os.devnull, os.O_RDWR)
        self._before = {number: _duplicate(number, nowhere) for number in (0, *NAMES)}
        pipes = {number: os.pipe() for number in NAMES}
        self._bell, ring = os.pipe()
        self._ring = os.fdopen(ring, "wb")
        self._selector, self._pipes = selectors.DefaultSelector(), dict[str, int]()
        self._selector.register(self._bell, selectors.EVENT_READ)
        os.dup2(nowhere, 0)
        os.close(nowhere)
        for number, (reading, writing) in pipes.items():
            os.set_blocking(reading, False)
            os.dup2(writing, number)
            os.close(writing)
            self._pipes[NAMES[number]] = reading
            self._selector.register(reading, selectors.EVENT_READ)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _flush()
        for number, before in self._before.items():
            os.dup2(before, number)
            os.close(before)
        self._ring.close()
        self._reader.join()
        self.drain()
        self._selector.close()
        for descriptor in (self._bell, *self._pipes.values()):
            os.close(descriptor)

    def tell(self, line: str) -> None:
        """Print a line on what was standard error before, where that can be written."""
        with suppress(OSError):
            os.write(self._before[2], f"{line}\n".encode())

    def settle(self) -> None:
        """Take what was written so far, and what buffers keep back."""
        _flush()
        self.drain()

    def drain(self) -> None:
        """Take what was written so far."""
        with self._lock:
            for name, pipe in self._pipes.items():
                # Read once: a child process that writes faster than this reads would keep the lock for ever.
                with suppress(BlockingIOError):
                    self._take(name, os.read(pipe, _CAPACITY))

    def _take(self, name: str, data: bytes) -> None:
        text = self._decoders[name].decode(data)
        if text:
            self._on_text(name, text)

    def _read(self) -> None:
        """Take what is written as it comes, until `_bell` has input: a full pipe would block the writer."""
        while self._bell not in [key.fd for key, _ in self._selector.select()]:
            self.drain()


def _duplicate(number: int, nowhere: int) -> int:
    """A copy of a descriptor, of `nowhere` where this process was started without it."""
    try:
        return os.dup(number)
    except OSError:
        return os.dup(nowhere)


def _flush() -> None:
    """Let Python's and C's own buffers of standard output and error be written where the descriptors lead now."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and not stream.closed:
            with suppress(OSError):
                stream.flush()
    ctypes.CDLL(None).fflush(None)
