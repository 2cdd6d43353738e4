"""Commands and scripts run in a fork of a process that has imported what they need.

multiprocessing's fork server imports `support.forked_libraries` once for all workers. A fork of it has its own
variables, folder, streams and end, and nothing of the tests' own process. The kernel that a notebook runs in is forked
too, and so are onboarding's sandbox and the commands by which it breaks and mends that. What stands and falls with a
new interpreter (its first import, start-up files) is for `subprocess`.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import multiprocessing.forkserver
import os
import pickle
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

from support import command_line, forked_sandboxes, forked_workers, session_folder, sockets

from omc_runbook.runbooks import practice
from omc_runbook.sandbox import lifecycle

TESTS = Path(__file__).parents[1]

KERNEL = "--kernel"
"""With it `omc-runbook run` starts a kernel."""
KERNEL_MODULE = ["-m", "ipykernel_launcher"]
PATIENCE = 60
"""Seconds for which an ended kernel is waited for."""
Main = Callable[[], object]


class Forked:
    """A command that runs, with what `subprocess.Popen` offers for it."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        folder: Path,
        kernels: int = 1,
        log: Path | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
    ) -> None:
        """Start `omc-runbook …`, `papermill …`, `jupyter-lab …` or -`nbconvert …`, `voila …` or `python script.py …`.

        Its first kernels are forks too. What it says goes into the log, if one is passed, and else to `communicate`;
        what it prints may go to a descriptor instead. What it reads is empty without one.
        """
        self.args = list(command)
        self._files = tempfile.TemporaryDirectory()
        self._outputs = (log, log) if log else tuple(Path(self._files.name, name) for name in ("out", "err"))
        server = _server()
        address = multiprocessing.forkserver._forkserver._forkserver_address  # type: ignore[attr-defined]
        streams = (
            Connection(os.dup(stdin), writable=False) if stdin is not None else None,
            Connection(os.dup(stdout), readable=False) if stdout is not None else None,
        )
        servers = (address, forked_workers.address())
        arguments = (self.args, dict(variables), folder, kernels, *self._outputs, *streams, servers)
        # A test that fails before its end leaves it to the end of the tests.
        self._process = server.Process(target=_become, args=arguments, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.exitcode

    def end(self, timeout: float) -> None:
        """Ask it to end, and kill it where it has not in time."""
        with self._files:
            self._process.terminate()
            self._ends_within(timeout)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait for its end; what it wrote. Raises subprocess.TimeoutExpired where it lasts longer, and ends it."""
        with self._files:
            if not self._ends_within(timeout):
                raise subprocess.TimeoutExpired(self.args, timeout)
            # One that is killed as it begins has written nothing.
            out, err = (path.read_text() if path.exists() else "" for path in self._outputs)
        return out, err

    def _ends_within(self, seconds: float) -> bool:
        """Wait for its end, and kill it where it has not ended by itself."""
        self._process.join(seconds)
        is_ended = self.poll() is not None
        if not is_ended:
            self._process.kill()
            self._process.join()
        return is_ended


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    seconds: float = 120,
    kernels: int = 1,
    stdin: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` would."""
    forked = Forked(command, variables, folder, kernels, stdin=stdin)
    output = forked.communicate(seconds)
    return subprocess.CompletedProcess(forked.args, forked.poll() or 0, *output)


def run_practice(
    command: Sequence[str], *, env: Mapping[str, str], stdin: int | None, **_: object
) -> subprocess.CompletedProcess[str]:
    """Run one of the commands by which onboarding starts, asks and ends its sandbox, as it would."""
    return run(["omc-runbook", *command[3:]], env, Path.cwd(), stdin=stdin)


class _Kernel:
    """A kernel that is no child of this process, with what jupyter_client asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], folder: Path, log: Path) -> None:
        self._forked = Forked(command, variables, folder, kernels=0, log=log)
        self.pid = self._forked.pid

    def poll(self) -> int | None:
        return self._forked.poll()

    def wait(self) -> int:
        self._forked.end(PATIENCE)
        return self.poll() or 0

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


def launch_kernel(
    cmd: list[str], *, env: Mapping[str, str], cwd: str | None = None, stdout: Any = None, **_: object
) -> _Kernel:
    """Start a kernel for jupyter_client in this process; what it prints goes into the file, if there is one."""
    log = Path(getattr(stdout, "name", os.devnull))
    kernel = _Kernel(cmd, env, Path(cwd or Path.cwd()), log)
    # Whoever ends a kernel ends its group: until it has one of its own, that is the fork server's.
    while os.getpgid(kernel.pid) != kernel.pid:
        time.sleep(0.001)
    return kernel


def start_server() -> str:
    """Start multiprocessing's fork server, which imports the libraries; returns its address."""
    modules = [__name__, "support.forked_libraries"]
    multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
    if short := sockets.parent():
        # Else multiprocessing would have its socket where temporary files belong.
        settings = multiprocessing.current_process()._config  # type: ignore[attr-defined]
        settings["tempdir"] = settings.get("tempdir") or str(session_folder.make("pymp-", Path(short)))
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(TESTS), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}):
        multiprocessing.forkserver.ensure_running()
    return str(multiprocessing.forkserver._forkserver._forkserver_address)  # type: ignore[attr-defined]


@cache
def _server() -> ForkServerContext:
    server: Any = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    # One that has been started for a test of its own stays; from Python 3.14 on it answers to its own process alone.
    if server._forkserver_pid is None and sys.version_info < (3, 14) and (address := forked_workers.ask(__name__)):
        server._forkserver_address, server._forkserver_alive_fd = address, os.pipe()[1]
        for each in (server, multiprocessing.forkserver):
            each.ensure_running = resource_tracker.ensure_running
    elif server._forkserver_address is None:
        start_server()
    return multiprocessing.get_context("forkserver")


def _main(command: list[str]) -> Main:
    if command[1:3] == KERNEL_MODULE:
        return lambda: _be_kernel(command)
    if command[0] == sys.executable:
        return lambda: runpy.run_path(command[1], run_name="__main__")
    name = Path(command[0]).name
    if name == "omc-runbook":
        return lambda: importlib.import_module("omc_runbook.cli").main()
    if name == "jupyter-lab":
        return lambda: importlib.import_module("jupyterlab.labapp").main()
    if name == "jupyter-nbconvert":
        return lambda: importlib.import_module("nbconvert.nbconvertapp").main()
    if name == "voila":
        return lambda: importlib.import_module("voila.app").main()
    assert name == "papermill", f"{name} is not forked"
    return lambda: importlib.import_module("papermill.__main__").papermill()


def _become(
    command: list[str],
    variables: Mapping[str, str],
    folder: Path,
    kernels: int,
    out: Path,
    err: Path,
    stdin: Connection | None,
    stdout: Connection | None,
    servers: tuple[str, str],
) -> NoReturn:
    """Be the command from here to its end; `servers` are the addresses of the fork server and of the workers'."""
    code = 1
    try:
        _fork_practice(*servers)
        for descriptor, file in ((1, out), (2, err)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), descriptor)
        for descriptor, connection in enumerate((stdin, stdout)):
            if connection:
                os.dup2(connection.fileno(), descriptor)
                connection.close()
        if stdin:
            # multiprocessing has put another in its place, which is empty.
            sys.stdin = os.fdopen(0, closefd=False)
        _start_anew(variables, folder, command[command[0] == sys.executable :])
        if kernels and (KERNEL in command or Path(command[0]).name != "omc-runbook"):
            _fork_kernels(kernels)
        code = _exit_code(_main(command))
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _fork_practice(address: str, forker: str) -> None:
    """Let the sandbox that onboarding starts here or in a kernel be a fork, and the commands that it runs."""
    if sys.version_info >= (3, 14):
        return
    server: Any = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    server._forkserver_address = address
    for each in (server, multiprocessing.forkserver):
        each.ensure_running = resource_tracker.ensure_running
    forked_workers.belong_to(forker)
    mock.patch.object(lifecycle, "_spawn", forked_sandboxes.spawn_attached).start()
    mock.patch.object(practice, "subprocess", SimpleNamespace(run=run_practice)).start()


def _exit_code(main: Main) -> int:
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)  # noqa: T201
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
    return 0


def _start_anew(variables: Mapping[str, str], folder: Path, arguments: list[str]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = arguments
    tempfile.tempdir = None
    # A command may start processes of its own.
    multiprocessing.current_process().daemon = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)


class _ForkedKernel(subprocess.Popen[bytes]):
    """A kernel's process, with which jupyter_client does as with one that it started."""

    def __init__(self, pid: int, command: list[str]) -> None:
        self.args, self.pid, self.returncode = command, pid, None
        self.stdin = self.stdout = self.stderr = None
        self.encoding = self.errors = self.text_mode = None
        self._child_created, self._waitpid_lock, self._input = True, threading.Lock(), None
        self._communication_started, self._sigint_wait_secs = False, 0.25


def _fork_kernels(count: int) -> None:
    """Let the first kernels of this process be forks of what it is now, before it has threads and an event loop."""
    waiting: list[tuple[int, socket.socket]] = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            for each in (ours, *(end for _, end in waiting)):
                each.close()
            _become_kernel(theirs)
        theirs.close()
        waiting.append((pid, ours))
    from jupyter_client import launcher
    from jupyter_client.provisioning import local_provisioner

    def launch(cmd: list[str], **more: Any) -> subprocess.Popen[bytes]:
        if not waiting or cmd[1:3] != KERNEL_MODULE:
            return launcher.launch_kernel(cmd, **more)
        pid, ours = waiting.pop(0)
        quiet = [more.get(name) == subprocess.DEVNULL for name in ("stdout", "stderr")]
        with ours.makefile("wb") as pipe:
            pickle.dump((cmd, dict(more["env"] or os.environ), more.get("cwd") or str(Path.cwd()), quiet), pipe)
        ours.shutdown(socket.SHUT_WR)
        # It is known by a group of its own, as one that jupyter_client starts.
        ours.recv(1)
        ours.close()
        return _ForkedKernel(pid, cmd)

    local_provisioner.launch_kernel = launch


def _become_kernel(orders: socket.socket) -> NoReturn:
    try:
        with orders.makefile("rb") as pipe:
            order = pipe.read()
        if not order:
            os._exit(0)
        command, variables, folder, quiet = pickle.loads(order)
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor, is_quiet in zip((1, 2), quiet, strict=True):
            if is_quiet:
                os.dup2(nowhere, descriptor)
        _start_anew(variables, Path(folder), command)
        _name_kernel(command)
        orders.send(b".")
        orders.close()
        _run_kernel()
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(0)


def _be_kernel(command: list[str]) -> None:
    """Be a kernel that no process has as its child but the fork server."""
    os.setsid()
    _name_kernel(command)
    _run_kernel()


def _name_kernel(command: list[str]) -> None:
    """Have the arguments of a kernel, and its command line where others look for it."""
    sys.argv = [command[0], *command[3:]]
    if command_line.is_writable():
        command_line.write(command)


def _run_kernel() -> None:
    # ipykernel_launcher removes the folder that the kernel is started in, for the kernel to put it elsewhere.
    sys.path[:] = [each for each in sys.path if each]
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    IPKernelApp.clear_instance()
    # As in a kernel that finds JPY_PARENT_PID when it imports this: it ends with the process that started it.
    IPKernelApp.launch_instance(parent_handle=os.getppid())
