"""Commands and scripts run in a fork of the tests' process, which has imported the libraries that take long.

A fork has its own variables, folder, streams and end, and imports `omc_runbook` anew. The kernel that a notebook runs
in is forked too. What stands and falls with a new interpreter (its first import, start-up files) is for `subprocess`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import io
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    *(
        "boto3",
        "botocore.session",
        "matplotlib.figure",
        "matplotlib.backends.backend_svg",
        "matplotlib.dates",
        "pandas",
    ),
    *("click", "dotenv", "hcl2", "ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib_inline.backend_inline"),
    *("jupyter_client.provisioning", "nbclient", "nbconvert", "nbconvert.exporters.html", "nbformat", "ipywidgets"),
    *("ansicolors", "tenacity", "tqdm.auto", "pydantic_settings", "websockets.sync.client", "yaml", "zxcvbn"),
)
OURS = ("omc_runbook", "papermill")
"""Packages that a fork imports anew: ours, and papermill, which keeps our engine."""

Main = Callable[[], object]


def run(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `omc-runbook …`, `papermill …` or `python script.py …` with these variables, as `subprocess.run` would.

    Raises subprocess.TimeoutExpired where it lasts longer, and ends it first.
    """
    _import_libraries()
    main = _main(command)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = _fork()
        if not pid:
            words = list(command)[command[0] == sys.executable :]
            _become(main, words, variables, folder, out.fileno(), err.fileno())
        code = _await(pid, list(command), seconds)
        texts = [_read(file) for file in (out, err)]
    return subprocess.CompletedProcess(list(command), code, *texts)


def _main(command: Sequence[str]) -> Main:
    if command[0] == sys.executable:
        return lambda: runpy.run_path(command[1], run_name="__main__")
    name = Path(command[0]).name
    if name == "omc-runbook":
        return lambda: importlib.import_module("omc_runbook.cli").main()
    assert name == "papermill", f"{name} is not forked"
    return lambda: importlib.import_module("papermill.__main__").papermill()


@cache
def _import_libraries() -> None:
    for name in LIBRARIES:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)


def _fork() -> int:
    with warnings.catch_warnings():
        # Python warns of forks beside threads. Those of a worker that runs tests wait for its next order.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _await(pid: int, command: list[str], seconds: float) -> int:
    descriptor = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not ready:
        raise subprocess.TimeoutExpired(command, seconds)
    return os.waitstatus_to_exitcode(status)


def _read(file: Any) -> str:
    file.seek(0)
    text: str = file.read().decode()
    return text


def _become(main: Main, command: list[str], variables: Mapping[str, str], folder: Path, out: int, err: int) -> NoReturn:
    """Be the command from here to its end."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        _start_anew(variables, folder, command)
        _fork_kernels()
        code = _exit_code(main)
    finally:
        # Whatever it is, the tests' process must not go on twice.
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


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
    """Have nothing of the tests' process but the libraries."""
    gc.freeze()
    # They may be this process's own.
    own = dict(variables)
    os.environ.clear()
    os.environ.update(own)
    os.chdir(folder)
    sys.argv = arguments
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    sys.stderr = sys.__stderr__ = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    tempfile.tempdir = None
    asyncio._set_running_loop(None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
    import logging

    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]


class _ForkedKernel(subprocess.Popen[bytes]):
    """A kernel's process, with which jupyter_client does as with one that it started."""

    def __init__(self, pid: int, command: list[str]) -> None:
        self.args, self.pid, self.returncode = command, pid, None
        self.stdin = self.stdout = self.stderr = None
        self.encoding = self.errors = self.text_mode = None
        self._child_created, self._waitpid_lock, self._input = True, threading.Lock(), None
        self._communication_started, self._sigint_wait_secs = False, 0.25


def _fork_kernels() -> None:
    """Let the first kernel of this process be a fork of what it is now, before it has threads and an event loop."""
    ours, theirs = socket.socketpair()
    pid = _fork()
    if not pid:
        ours.close()
        _become_kernel(theirs)
    theirs.close()
    from jupyter_client import launcher
    from jupyter_client.provisioning import local_provisioner

    used = False

    def launch(cmd: list[str], **more: Any) -> subprocess.Popen[bytes]:
        nonlocal used
        if used or cmd[1:3] != ["-m", "ipykernel_launcher"]:
            return launcher.launch_kernel(cmd, **more)
        used = True
        quiet = [more.get(name) == subprocess.DEVNULL for name in ("stdout", "stderr")]
        with ours.makefile("wb") as pipe:
            pickle.dump((cmd, dict(more["env"] or os.environ), more.get("cwd") or str(Path.cwd()), quiet), pipe)
        ours.shutdown(socket.SHUT_WR)
        # It is known by a group of its own, as one that jupyter_client starts.
        ours.recv(1)
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
        _start_anew(variables, Path(folder), [command[0], *command[3:]])
        orders.send(b".")
        orders.close()
        # What `python -m` would put first: the folder that the kernel is started in.
        sys.path[:0] = [""]
        from ipykernel.kernelapp import IPKernelApp
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell.clear_instance()
        IPKernelApp.clear_instance()
        IPKernelApp.launch_instance()
    finally:
        # Whatever it is, the tests' process must not go on twice.
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(0)
