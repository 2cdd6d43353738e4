"""pytest-xdist's workers as forks of one process that has collected the tests, and so imported all that they need.

Each worker would else import some three thousand modules by itself. Where a fork is not possible, they do.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MOST_BYTES = 1 << 20
"""The largest order: the arguments and variables of a worker."""
SHARED = ("support.forked_command", "support.forked_sandboxes")
"""Modules that `start_server` for all workers, when one first asks for it."""
MODEL = "main_thread_only"
"""How xdist lets execnet run a worker: the tests in the main thread."""


_forker = ""


def address() -> str:
    """Where the process listens that this one is a fork of; "" where it is none."""
    return _forker


def belong_to(forker: str) -> None:
    """Take a process for the one that this is a fork of."""
    global _forker
    _forker = forker


def ask(name: str) -> str:
    """The address of the server that a module has started for all workers; "" where this process is no fork."""
    if not _forker:
        return ""
    with socket.socket(socket.AF_UNIX) as forker:
        forker.connect(_forker)
        socket.send_fds(forker, [json.dumps({"server": name}).encode()], [])
        return forker.recv(MOST_BYTES).decode()


def is_possible() -> bool:
    """Whether this system has what it takes."""
    return hasattr(os, "pidfd_open") and hasattr(socket, "send_fds")


@contextmanager
def start(arguments: Sequence[str]) -> Iterator[str]:
    """Start the process that forks workers, with pytest's arguments; yields the command that execnet starts as Python.

    It ends when the context does, or with this process.
    """
    # This module is also a script, beside which there is no package.
    from support import sockets

    with (
        tempfile.TemporaryDirectory(prefix="workers-", dir=sockets.parent()) as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        path = Path(folder, "socket")
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno()), json.dumps([sys.path, *arguments])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()]) as server:
            listener.close()
            relay = Path(__file__).with_name("worker_relay.py")
            yield shlex.join([sys.executable, "-S", "-E", str(relay), str(path)])
            assert server.stdin
            server.stdin.close()


class _Failures:
    """Forgets each test module that could not be imported, for each worker to find what is wrong with it, and to tell.

    With --import-mode=importlib pytest leaves such a module half made in sys.modules, and finds no error there again.
    """

    def pytest_exception_interact(self, node: pytest.Collector | pytest.Item) -> None:
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) == str(node.path):
                del sys.modules[name]


def collect(arguments: Sequence[str]) -> int:
    """Collect the tests with pytest's arguments, and so import them; returns pytest's exit code."""
    import pytest

    return pytest.main([*arguments, "--collect-only", "-qq", "--numprocesses=0"], plugins=[_Failures()])


def main(listener: socket.socket, arguments: list[str]) -> None:
    """Collect the tests, then fork for each order; a relay ends with its worker, and the other way round."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    streams = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(nowhere, number)
    collect(arguments)
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream, number)
    for number in (nowhere, *streams):
        os.close(number)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from support import first_use, shared_models

    shared_models.share(setattr)
    first_use.use_libraries()
    gc.collect()
    gc.freeze()
    workers: dict[int, tuple[int, socket.socket]] = {}
    servers: dict[str, str] = {}
    while True:
        relays = {relay.fileno(): pid for pid, relay in workers.values()}
        ready = select.select([0, listener, *workers, *relays], [], [])[0]
        if 0 in ready:
            return
        for handle in [handle for handle in ready if handle in workers]:
            pid, relay = workers.pop(handle)
            with relay, suppress(OSError):
                relay.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            relays.pop(relay.fileno(), None)
            os.close(handle)
        for pid in [relays[number] for number in ready if number in relays]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if listener in ready:
            relay, _ = listener.accept()
            text, descriptors, *_ = socket.recv_fds(relay, MOST_BYTES, 3)
            order = json.loads(text)
            if name := order.get("server"):
                if name not in servers:
                    assert name in SHARED
                    servers[name] = importlib.import_module(name).start_server()
                with relay:
                    relay.send(servers[name].encode())
                continue
            pid = os.fork()
            if not pid:
                listener_path = listener.getsockname()
                for inherited in (relay, listener, *(other for _, other in workers.values())):
                    inherited.close()
                for handle in workers:
                    os.close(handle)
                become(order, descriptors, listener_path)
            for number in descriptors:
                os.close(number)
            workers[os.pidfd_open(pid)] = (pid, relay)


def become(order: dict[str, str], descriptors: Sequence[int], forker: str) -> None:
    """Be a worker from here to its end: what execnet starts, without the imports."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.update(json.loads(order["variables"]))
    sys.argv = ["-c"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    importlib.import_module("support.forked_workers").belong_to(forker)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()
    from execnet.gateway_base import get_execmodel, init_popen_io, serve

    io = init_popen_io(get_execmodel(MODEL))
    # What it sends first is the code that makes a gateway, which is here already.
    while io.read(1) != b"\n":
        pass
    io.write(b"1")
    serve(io, id=f"{order['id']}-worker")
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(0)


if __name__ == "__main__":
    sys.path[:], *options = json.loads(sys.argv[2])
    main(socket.socket(fileno=int(sys.argv[1])), options)
    os._exit(0)
