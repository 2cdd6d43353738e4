"""What cells leave running in this process when their notebook has ended."""

import atexit
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_threads: set[threading.Thread] = set()


@contextmanager
def watch() -> Iterator[None]:
    """Notice the threads that begin within the context and go on; what they print when this process ends is lost."""
    before = {*threading.enumerate()}
    try:
        yield
    finally:
        _threads.update(thread for thread in {*threading.enumerate()} - before if not thread.daemon)
        # After all that cells have registered, which thus runs later.
        atexit.register(_silence_output)


def end(code: int) -> NoReturn:
    """End this process with an exit code; threads that cells left do not hold it up."""
    if any(thread.is_alive() for thread in _threads):
        atexit._run_exitfuncs()
        os._exit(code)
    sys.exit(code)


def _silence_output() -> None:
    """Write what is buffered, and discard all later output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
        os.dup2(nowhere, number)
