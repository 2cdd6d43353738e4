"""One process of the example application: started with a task's environment, watched, logged and ended."""

import http.client
import os
import py_compile
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from omc_runbook.sandbox.ecs import application

CACHED = "--sandbox-cached"
"""A word of a container's command that says: the application keeps the environment of its revision's first task."""
AGENT_STOPS = "--sandbox-agent-stops"
"""A word of a container's command that says: the agent of ECS Exec has ended."""
OUT_OF_MEMORY = "--sandbox-out-of-memory"
"""A word of a container's command that says: the application takes more memory than its container has."""
_ANSWER_SECONDS = 0.5
_START_SECONDS = 20.0
_STARTING_INTERVAL, _SICK_INTERVAL = 0.05, 0.2
INTERVAL = 2.0
"""Seconds between two health checks of a healthy application."""
_FAILURES = 3
STOP_SECONDS = 3.0
"""How long a container without a stopTimeout may take to stop."""
_LOG_SECONDS = 2.0
"""How long after its end a process's last lines are waited for."""


_program = application.__file__


def compile_into(directory: Path) -> None:
    """Start the application as bytecode in this directory: each process would else compile its text again."""
    global _program
    compiled = directory / "application.pyc"
    py_compile.compile(application.__file__, str(compiled), doraise=True)
    compiled.chmod(0o600)
    _program = str(compiled)


class Application:
    """A running process; `health` is None until it first answers or proves unhealthy."""

    def __init__(
        self,
        environment: Mapping[str, str],
        arguments: Sequence[str],
        log: Callable[[list[str]], None],
        tell_end: Callable[[], None],
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """Start it; `tell_end` is called once it has ended, and `stop_seconds` is how long it may take to stop.

        Its own stdin is a pipe that ends with this process, so it can never outlive it.
        """
        self.health: bool | None = None
        self._stop_seconds = stop_seconds
        self._failures = 0
        self._started = self._probed = time.monotonic()
        self._deadline: float | None = None
        self._ended: float | None = None
        self._is_logged = threading.Event()
        with socket.socket() as bound:
            # It is handed over bound, since a free port that is only named may be another's by the time it is used.
            bound.bind(("127.0.0.1", 0))
            self.port = int(bound.getsockname()[1])
            search = {"PATH": os.environ.get("PATH", os.defpath), "PORT": str(self.port)}
            self._process = subprocess.Popen(
                [sys.executable, *application.OPTIONS, _program, *arguments, f"--sandbox-socket={bound.fileno()}"],
                env={**environment, **search},
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[bound.fileno()],
            )
        threading.Thread(target=self._pump, args=(log, tell_end), daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_well(self) -> bool:
        """Whether its last health check succeeded."""
        return bool(self.health) and not self._failures

    def exit_code(self) -> int | None:
        """The exit code as a container's runtime gives it (128 + signal).

        None while it runs, and for a moment after that where its last lines are not logged yet.
        """
        code = self._process.poll()
        if code is None:
            return None
        self._ended = self._ended or time.monotonic()
        # What it has started itself may keep its output open.
        if not self._is_logged.is_set() and time.monotonic() - self._ended < _LOG_SECONDS:
            return None
        return 128 - code if code < 0 else code

    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._deadline is not None

    def probe(self) -> None:
        """Check its health if that is due."""
        now = time.monotonic()
        interval = _STARTING_INTERVAL if self.health is None else INTERVAL
        if self._failures:
            interval = _SICK_INTERVAL
        if now - self._probed < interval or self.is_stopping() or self._process.poll() is not None:
            return
        self._probed = now
        status = self._ask()
        if status == 200:
            self.health, self._failures = True, 0
        elif status is None and self.health is None:
            if now - self._started > _START_SECONDS:
                self.health = False
        else:
            self._failures += 1
            if self._failures >= _FAILURES:
                self.health = False

    def stop(self) -> None:
        """Ask it to stop, and kill it when it has not done so in time; call again until it has."""
        if self._process.poll() is not None:
            return
        if self._deadline is None:
            self._deadline = time.monotonic() + self._stop_seconds
            self._process.send_signal(signal.SIGTERM)
        elif time.monotonic() > self._deadline:
            self._process.kill()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _ask(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _pump(self, log: Callable[[list[str]], None], tell_end: Callable[[], None]) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            log([line.decode("utf-8", "replace").rstrip("\r\n")])
        self._process.wait()
        self._is_logged.set()
        tell_end()
