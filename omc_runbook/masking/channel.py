"""The private socket over which a kernel tells the process that runs it which values to mask."""

import contextlib
import json
import os
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from omc_runbook.model.errors import RunbookError

VARIABLE = "OMC_RUNBOOK_MASKING_SOCKET"
"""The environment variable that holds the path of the socket of whoever listens for this process."""

_TIMEOUT = 10.0
_LONGEST_PATH = 100


def announce_value(text: str, name: str) -> None:
    """Tell the listener, if there is one, to mask ``text`` as ``name``; return when it does.

    Raises RunbookError when it cannot be reached: a value that it does not know would pass it unmasked.
    """
    _send({"text": text, "name": name})


def announce_words(words: Iterable[str]) -> None:
    """Tell the listener, if there is one, which words are public; raises as `announce_value` does."""
    _send({"words": sorted(words)})


@contextlib.contextmanager
def listen(on_value: Callable[[str, str], None], on_words: Callable[[Iterable[str]], None]) -> Iterator[Path]:
    """Listen for as long as the context lasts, and give the path to hand on as `VARIABLE`.

    Each announcement is answered when ``on_value(text, name)`` or ``on_words(words)`` has returned.
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

    class Server(socketserver.ThreadingUnixStreamServer):
        # Many versions are read at once, and a connection beyond the queue is refused at once instead of waiting.
        request_queue_size = 128

    with tempfile.TemporaryDirectory(prefix="omc-", dir=_short_folder()) as folder:
        path = Path(folder, "socket")
        with Server(str(path), Announcement) as server:
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
            answered = connection.recv(1)
    except OSError:
        answered = b""
    if not answered:
        # The cause is dropped: nothing about what was being sent may show in a traceback.
        raise RunbookError(
            "The process that runs this notebook no longer listens for values to mask: run the notebook again."
        ) from None


def _short_folder() -> str | None:
    """Choose where the socket's folder goes: socket paths, the kernel's too, hold some hundred characters."""
    return None if len(tempfile.gettempdir()) < _LONGEST_PATH - len("/omc-12345678/kernel-ipc-5") else "/tmp"
