"""The application's Settings, loaded in a fork that has pydantic imported, as a new interpreter would load them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Lock, Thread

from support.paths import SUPPORT
from support.settings_server import WIDTH

from omc_runbook.workstation import settings_probe
from omc_runbook.workstation.settings_probe import _Output

OPTIONS = ["-I", "-B"]
_LOCK = Lock()
start_anew = settings_probe._run


def run(command: list[str], folder: Path, variables: dict[str, str]) -> _Output:
    """What `settings_probe` does with a command; another interpreter than this one is started anew."""
    if command[:3] != [sys.executable, *OPTIONS]:
        return start_anew(command, folder, variables)
    with _LOCK:
        return _fork(command[3:], folder, variables)


def _fork(arguments: list[str], folder: Path, variables: dict[str, str]) -> _Output:
    server, buffers, readers = _server()[1], (bytearray(), bytearray()), []
    pipes = [os.pipe(), os.pipe()]
    order = json.dumps({"arguments": arguments, "folder": str(folder), "variables": variables}).encode()
    server.settimeout(None)
    socket.send_fds(server, [b"%*d" % (WIDTH, len(order)), order], [writing for _, writing in pipes])
    for (reading, writing), buffer in zip(pipes, buffers, strict=True):
        os.close(writing)
        readers.append(Thread(target=settings_probe._drain, args=(os.fdopen(reading, "rb"), buffer), daemon=True))
        readers[-1].start()
    pid = int(server.recv(WIDTH))
    code: int | None = None
    with suppress(TimeoutError):
        server.settimeout(settings_probe.SECONDS)
        code = int(server.recv(WIDTH))
    for reader in readers:
        reader.join(1.0 if code is not None else 0.0)
    if code is None or any(reader.is_alive() for reader in readers):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    if code is None:
        server.settimeout(None)
        server.recv(WIDTH)
    for reader in readers:
        reader.join()
    return _Output(bytes(buffers[0]), bytes(buffers[1]), code)


@cache
def _server() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    variables = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    with theirs:
        command = [sys.executable, *OPTIONS, str(SUPPORT / "settings_server.py"), str(theirs.fileno())]
        # It ends with this process's end of the socket.
        process = subprocess.Popen(
            command, env=variables, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd="/"
        )
    return process, ours
