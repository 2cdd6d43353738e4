"""Sandbox servers as forks of one process that has imported what they need, with the command line of a real one.

Each ends with the process that asked for it, also where the tests are killed.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from support import command_line, forked_workers, sockets

from omc_runbook.sandbox import folders, lifecycle

MOST_BYTES = 1 << 20
LONGEST = 4096
"""Room for a server's command line, which is written over this process's own."""
ATTACHED = "--attached"
start_anew = lifecycle._spawn
_connections: list[socket.socket] = []
"""Open for as long as this process lasts: a server has the other end as its standard input, and ends with it."""


class ForkedServer:
    """A server's process, with what `lifecycle` asks of a `subprocess.Popen`."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid, self._connection = pid, connection

    def terminate(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Wait until it has ended, and with it the other end of the connection."""
        with self._connection:
            self._connection.recv(1)


def spawn(command: list[str], environment: dict[str, str], writing: int, is_attached: bool) -> object:
    """Start a server as `lifecycle` does, but for the imports; a new process where none can be forked.

    Where it is not attached to this process's standard input, it is to this process.
    """
    address = forked_workers.ask(__name__)
    if not address or command[:3] != [sys.executable, "-m", folders.SERVER]:
        return start_anew(command, environment, writing, is_attached)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    own = command if is_attached else [*command[:-2], ATTACHED, *command[-2:]]
    order = {"command": own, "variables": environment, "folder": str(Path.cwd())}
    descriptors = [writing, 0] if is_attached else [writing]
    socket.send_fds(connection, [json.dumps(order).encode()], descriptors)
    if not is_attached:
        _connections.append(connection)
    return ForkedServer(int(connection.recv(16)), connection)


def spawn_attached(command: list[str], environment: dict[str, str], writing: int, is_attached: bool) -> object:
    """The same for a server that ends with this process's standard input; one that outlives this process is no fork."""
    return (spawn if is_attached else start_anew)(command, environment, writing, is_attached)


def start_server() -> str:
    """Start the process that forks servers, and ends with this one; returns its address.

    It is "" where a fork cannot pass for a server: `omc_runbook.sandbox.folders` knows a server by its command line.
    """
    if not command_line.is_writable():
        return ""
    path = Path(tempfile.mkdtemp(prefix="sandboxes-", dir=sockets.parent()), "socket")
    variables = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno()), str(path), " " * LONGEST]
        subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
    return str(path)


def main(listener: socket.socket, path: Path) -> None:
    """Fork for each order, until whoever started this process has ended."""
    from omc_runbook.sandbox import server  # noqa: F401

    for number in (signal.SIGINT, signal.SIGCHLD):
        # Ended children are nobody's to wait for.
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        if 0 in select.select([0, listener], [], [])[0]:
            # The folder of the session's temporary files may be removed already, or be about to.
            shutil.rmtree(path.parent, ignore_errors=True)
            return
        connection, _ = listener.accept()
        text, descriptors, *_ = socket.recv_fds(connection, MOST_BYTES, 2)
        pid = os.fork()
        if not pid:
            listener.close()
            writing, *inputs = descriptors
            become(json.loads(text), writing, *(inputs or [connection.fileno()]))
        with connection:
            connection.send(b"%d" % pid)
        for number in descriptors:
            os.close(number)


def become(order: dict[str, object], writing: int, standard_input: int) -> NoReturn:
    """Be a server from here to its end."""
    code = 1
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor, number in ((standard_input, 0), (nowhere, 1), (writing, 2)):
            os.dup2(descriptor, number)
        os.close(nowhere)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.environ.clear()
        os.environ.update(order["variables"])
        os.chdir(order["folder"])
        command = order["command"]
        command_line.write(command)
        sys.argv = [command[2], *command[3:-1], str(writing)]
        tempfile.tempdir = None
        from moto.moto_api._internal import mock_random

        from omc_runbook.sandbox import server

        # moto's ids would be the same in all forks.
        mock_random.seed()
        code = server.main()
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
