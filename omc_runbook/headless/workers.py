"""Runs a function in several processes, which are forked from one that has everything imported and no threads.

On macOS each is a new one: urllib, whose import loads Core Foundation there, asks it for proxies, and it refuses to
work in a fork. See https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing import process as processes
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from omc_runbook.aws import credential_process
from omc_runbook.headless import fork_server
from omc_runbook.model import temporary
from omc_runbook.model.errors import CouldNotLook

A = TypeVar("A")
R = TypeVar("R")

PREPARED = (
    "omc_runbook.headless.fork_server",
    "omc_runbook.runbooks.fleet_worker",
    "omc_runbook.runbooks.verify",
    "omc_runbook.headless.prepared",
)
"""The modules that the process imports from which workers are forked, in this order."""
MORE_THAN_CORES = 2
"""So many more workers than cores: most of the time they wait for AWS."""
WAITING_SECONDS = 5.0
"""A worker that has not ended by then waits for something, and keeps no other from beginning."""
OWN_VARIABLES = "OMC_RUNBOOK_"
"""How the variables begin that say what a notebook and its command exchange."""
GRACE_SECONDS = 5.0
"""A worker whose parent does not end it in time ends itself so much later."""

END_SECONDS = 1.0
"""A worker that has not ended its programs and itself by then, when asked to, is killed."""
_END = signal.SIGUSR1
"""What asks it to: a run answers the other signals by a record."""


@dataclass(frozen=True)
class WorkerEnd(Generic[R]):
    """What a worker returned, or why it did not, in a sentence."""

    value: R | None
    failure: str = ""


def prepare() -> None:
    """Start the process that imports what verify needs and waits to be forked; returns at once.

    It is a new process, whatever threads and connections this one has, and ends with this one.
    """
    if sys.platform != "darwin":
        get_context("forkserver").set_forkserver_preload([*PREPARED])
        fork_server.ensure_running()


def run_each(
    act: Callable[[A], R],
    arguments: Mapping[str, A],
    seconds: float,
    on_end: Callable[[str, WorkerEnd[R]], None] = lambda name, end: None,
) -> dict[str, WorkerEnd[R]]:
    """Call a function with each argument in a process of its own; one that fails or hangs does not stop the others.

    The function, its argument and what it returns are pickled; nothing of them is in a file, an argument or a variable
    of a process. The processes have this one's environment variables and working folder, and their output is lost. One
    that has not ended after `seconds` is killed; all are if this call is interrupted. `on_end` is called with each name
    and result as it comes. Raises CouldNotLook where no process can be started.
    """
    waiting, running, ends = deque(arguments.items()), dict[str, _Worker](), dict[str, WorkerEnd[R]]()
    limit = (os.cpu_count() or 1) + MORE_THAN_CORES
    with temporary.folder("workers") as shared:
        try:
            while waiting or running:
                while waiting and sum(worker.is_busy for worker in running.values()) < limit:
                    name, argument = waiting.popleft()
                    running[name] = _Worker(act, argument, seconds, shared)
                connection.wait([worker.reader for worker in running.values()], _pause(running.values(), waiting))
                for name, worker in [*running.items()]:
                    if end := worker.end():
                        ends[name] = end
                        del running[name]
                        on_end(name, end)
        finally:
            for worker in running.values():
                worker.kill()
    return {name: ends[name] for name in arguments}


class _Worker:
    """A process that calls a function."""

    def __init__(self, act: Callable[[Any], Any], argument: Any, seconds: float, shared: str) -> None:
        context = get_context("spawn") if sys.platform == "darwin" else get_context("forkserver")
        self.reader, writer = context.Pipe(duplex=False)
        self._seconds = seconds
        own = {name: text for name, text in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        variables = own | {"TMPDIR": shared}
        details = (act, argument, variables, seconds + GRACE_SECONDS, writer)
        self._process = context.Process(target=_work, args=details, daemon=True)
        try:
            # It returns when the process is there, which the first one has to wait for.
            self._process.start()
        except (EOFError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "the one to fork has ended"
            raise CouldNotLook(f"No process could be started: {reason}. Nothing was read.") from None
        self._start_time = time.monotonic()
        writer.close()

    @property
    def is_busy(self) -> bool:
        """Whether it probably uses a core."""
        return self.age < WAITING_SECONDS

    @property
    def age(self) -> float:
        """For how many seconds it has run."""
        return time.monotonic() - self._start_time

    @property
    def rest(self) -> float:
        """After how many seconds it must have ended."""
        return max(0.0, self._seconds - self.age)

    @property
    def _no_answer(self) -> str:
        return f"no answer within {self._seconds:.0f} s"

    def end(self) -> WorkerEnd[Any] | None:
        """How it ended, killed if it takes too long; None while it runs."""
        if self.reader.poll():
            try:
                end = WorkerEnd(self.reader.recv())
            except EOFError:
                self._process.join()
                code = self._process.exitcode
                # It ends itself by this signal where this process was stopped for a while.
                is_late = code == -signal.SIGALRM
                end = WorkerEnd(None, self._no_answer if is_late else f"its process ended with exit code {code}")
        elif self.rest:
            return None
        else:
            end = WorkerEnd(None, self._no_answer)
        self.kill()
        return end

    def kill(self) -> None:
        """End it, and the program that it may be waiting for."""
        pid = self._process.pid
        if pid is not None and self._process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(pid, _END)
            self._process.join(END_SECONDS)
        self._process.kill()
        self._process.join()
        self._process.close()
        self.reader.close()


def _pause(workers: Any, waiting: Any) -> float:
    """For how many seconds nothing but an answer can happen."""
    starts = [WAITING_SECONDS - worker.age for worker in workers if worker.is_busy] if waiting else []
    return float(max(0.0, min([*(worker.rest for worker in workers), *starts])))


def _work(
    act: Callable[[Any], Any], argument: Any, variables: dict[str, str], seconds: float, writer: Connection
) -> None:
    """Be a worker: with the parent's variables, no streams, and an end."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(_END, lambda *_: _end())
    signal.setitimer(signal.ITIMER_REAL, seconds)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    # A Ctrl-C that came meanwhile is raised here, and is not to be shown.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, fork_server.INTERRUPTIONS)
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir, sys.argv = None, [sys.executable]
    writer.send(act(argument))


def _end_with_parent() -> None:
    parent = processes.parent_process()
    if parent is not None:
        parent.join()
        _end()


def _end() -> None:
    credential_process.end_all()
    os._exit(1)
