"""The private socket over which a kernel announces values to mask to the process that runs it."""

import contextlib
import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from omc_runbook.model import temporary
from omc_runbook.model.errors import RunbookError

VARIABLE = "OMC_RUNBOOK_MASKING_SOCKET"
"""The environment variable with the path of the listener's socket."""

_TIMEOUT = 10.0
_LONGEST_FOLDER = 100 - len("/kernel-ipc-5")
"""The path of a socket, the kernel's too, is limited to some hundred characters."""


def announce_value(text: str, name: str) -> None:
    """Tell the listener, if there is one, to mask ``text`` as ``name``; returns once it does.

    Raises RunbookError when the listener cannot be reached, because it would let an unknown value through.
    """
    _send({"text": text, "name": name})


def announce_words(words: Iterable[str]) -> None:
    """Tell the listener, if there is one, which words are public; raises as `announce_value` does."""
    _send({"words": sorted(words)})


@contextlib.contextmanager
def listen(on_value: Callable[[str, str], None], on_words: Callable[[Iterable[str]], None]) -> Iterator[Path]:
    """Listen while the context lasts, and yield the socket's path for `VARIABLE`.

    Each announcement is acknowledged after ``on_value(text, name)`` or ``on_words(words)`` has returned.
    """

    class Announcement(socketserver.StreamRequestHandler):
        timeout = _TIMEOUT

        def handle(self) -> None:
            message = json.loads(self.rfile.readline())
            if "words" in message:
                on_words(message["words"])
            else:
                on_value(message["text"], message["name"])
            self.wfile.write(b"masked\n")

    class AnnouncementServer(socketserver.ThreadingUnixStreamServer):
        # Many versions are read at once, and a connection beyond the queue is refused at once instead of waiting.
        request_queue_size = 128

    with temporary.folder("io", temporary.short_parent(_LONGEST_FOLDER)) as folder:
        path = Path(folder, "socket")
        with AnnouncementServer(str(path), Announcement) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            try:
                yield path
            finally:
                server.shutdown()


def _send(message: dict[str, object]) -> None:
    path = os.environ.get(VARIABLE)
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT)
            connection.connect(path)
            connection.sendall(json.dumps(message).encode("ascii") + b"\n")
            acknowledgement = connection.recv(1)
    except OSError:
        acknowledgement = b""
    if not acknowledgement:
        # Without its cause: nothing of the message may appear in a traceback.
        raise RunbookError(
            "The process that runs this notebook no longer receives values to mask: run the notebook again."
        ) from None
