"""A program `omc-runbook` for a shell's PATH, whose commands run in forks of `forked_command`."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, UnixStreamServer
from tempfile import TemporaryDirectory
from threading import Thread

from support import forked_command, sockets

MOST_BYTES = 1 << 20
"""The largest order: a command's words, variables and folder."""
_PROGRAM = """#!{python} -ISE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    order = [sys.argv[1:], dict(os.environ), os.getcwd()]
    socket.send_fds(server, [json.dumps(order).encode()], [1, 2])
    sys.exit(int(server.recv(16) or 1))
"""


@contextmanager
def on_path() -> Iterator[Path]:
    """Serve the program for as long as the block lasts; yields the folder to put first on the PATH."""
    with TemporaryDirectory(prefix="programs-", dir=sockets.parent()) as name:
        folder = Path(name, "bin")
        folder.mkdir()
        address = str(folder.with_name("socket"))
        program = folder / "omc-runbook"
        program.write_text(_PROGRAM.format(python=sys.executable, address=address))
        program.chmod(0o755)
        with UnixStreamServer(address, _Command) as server:
            serving = Thread(target=server.serve_forever)
            serving.start()
            try:
                yield folder
            finally:
                server.shutdown()
                serving.join()


class _Command(BaseRequestHandler):
    """Runs one command, and hands on what it says and its exit code."""

    def handle(self) -> None:
        text, descriptors, *_ = socket.recv_fds(self.request, MOST_BYTES, 2)
        words, variables, folder = json.loads(text)
        ended = forked_command.run(["omc-runbook", *words], variables, Path(folder))
        for descriptor, output in zip(descriptors, (ended.stdout, ended.stderr), strict=True):
            with os.fdopen(descriptor, "w") as stream:
                stream.write(output)
        self.request.send(b"%d" % ended.returncode)
