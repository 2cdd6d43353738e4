"""The sandbox's server: corrected moto behind the gateway, with the ECS agent, in one process.

`python -m omc_runbook.sandbox.server --port N --state DIR --ready FD [--database] [--attached]`
"""

# First, because moto reads models while it is imported.
from omc_runbook.sandbox import service_models  # noqa: F401

# isort: split
import argparse
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from werkzeug.serving import BaseWSGIServer, make_server

from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox import folders, postgres
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.aws.iam import age_role
from omc_runbook.sandbox.aws.lock import STATE
from omc_runbook.sandbox.aws.secretsmanager import postpone, set_creation
from omc_runbook.sandbox.control import WAIT_SECONDS
from omc_runbook.sandbox.credentials import administrator
from omc_runbook.sandbox.ecs import network, process
from omc_runbook.sandbox.ecs.agent import Agent
from omc_runbook.sandbox.ecs.channel import CHANNELS
from omc_runbook.sandbox.ecs.service_deployments import CLOCK, DEFAULT_MINUTE_SECONDS
from omc_runbook.sandbox.gateway import Gateway
from omc_runbook.sandbox.handler import RequestHandler
from omc_runbook.sandbox.moto_patches import create_app, install
from omc_runbook.sandbox.trail import EVENT_HISTORY
from omc_runbook.sandbox.wire import WIRE

_GARBAGE = 50_000
"""New objects before a garbage collection: as many as some hundred calls make."""


class SandboxServer:
    """The server's parts, and what it knows of its world."""

    def __init__(self, port: int, state: Path) -> None:
        """Bind the port (0 for any free one), or raise OSError; `state` is the parent of all sandboxes' directories."""
        install()
        self.agent = Agent()
        self.database: postgres.PostgresServer | None = None
        self._world = ""
        self._broken: list[str] = []
        self._drill: dict[str, Any] | None = None
        self._changes: set[str] | None = None
        self.token = secrets.token_urlsafe(32)
        gateway = Gateway(DomainDispatcherApplication(create_app), self.control, self.token, self._note_change)
        # Bound here, because werkzeug exits when the port is taken.
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.server: BaseWSGIServer = make_server(
            "127.0.0.1", port, gateway, threaded=True, request_handler=RequestHandler, fd=listener.detach()
        )
        self.port = int(self.server.server_address[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.directory = state / str(self.port)

    def control(self, method: str, path: str, members: dict[str, Any]) -> dict[str, Any] | None:
        """Answer a control path; None for others.

        They are status, calls, history, note, clock, rotation, role, versions, event, stop, wire, reset, rest and
        settle.
        """
        match method, path:
            case "GET", "status":
                return self._status()
            case "GET", "calls":
                return {"calls": EVENT_HISTORY.count()}
            case "POST", "history":
                EVENT_HISTORY.add_past(members["records"])
            case "DELETE", "history":
                EVENT_HISTORY.remove_past()
            case "GET", "note":
                changes = None if self._changes is None else sorted(self._changes)
                return {"world": self._world, "broken": self._broken, "drill": self._drill, "changes": changes}
            case "POST", "note":
                self._world = members.get("world", self._world)
                self._broken = list(members.get("broken", self._broken))
                self._drill = members.get("drill", self._drill)
                if members.get("restored"):
                    self._changes = set()
                    self.agent.remove_stopped()
                return self._status()
            case _, "clock":
                CLOCK.minute_seconds = float(members.get("minute_seconds", CLOCK.minute_seconds))
                return {"minute_seconds": CLOCK.minute_seconds}
            case "POST", "rotation":
                postpone(members["secret"], members["days"], ACCOUNT, REGION)
            case "POST", "role":
                age_role(members["role"], members["days"], ACCOUNT)
            case "POST", "versions":
                created = {version: float(moment) for version, moment in members["created"].items()}
                set_creation(members["secret"], created, ACCOUNT, REGION)
                EVENT_HISTORY.date_back(created)
            case "POST", "event":
                self.agent.add_event(members["service"], members["message"])
            case "POST", "stop":
                self.agent.stop_task(members["task"], members["code"], members["reason"])
            case "GET", "wire":
                return {"rules": WIRE.rules()}
            case "POST", "wire":
                return {"id": WIRE.add(members).id}
            case "DELETE", "wire":
                WIRE.clear(members.get("id"))
            case "POST", "reset":
                self._reset()
                return self._status()
            case "POST", "rest":
                return {"rests": self.agent.await_rest(WAIT_SECONDS)}
            case "POST", "settle":
                return {"settled": self.agent.await_settled(WAIT_SECONDS)}
            case _:
                return None
        return {}

    def _note_change(self, action: str) -> None:
        if self._changes is not None:
            self._changes.add(action)
        self.agent.wake()

    def _status(self) -> dict[str, Any]:
        return {
            "endpoint": self.endpoint,
            "port": self.port,
            "pid": os.getpid(),
            "directory": str(self.directory),
            "world": self._world,
            "broken": self._broken,
            "database": asdict(self.database.database) if self.database else None,
            "settled": self.agent.is_settled(),
            "minute_seconds": CLOCK.minute_seconds,
            "tasks": [asdict(task) for task in self.agent.statuses()],
        }

    def _reset(self) -> None:
        with self.agent.paused(), STATE:
            BackendDict.reset()
            reset_model_data()
            WIRE.clear()
            EVENT_HISTORY.clear()
            network.forget()
            CLOCK.minute_seconds = DEFAULT_MINUTE_SECONDS
            self._world, self._broken, self._drill, self._changes = "", [], None, None


def main() -> int:
    """Serve until SIGTERM or SIGINT, then stop every process and remove the state directory."""
    parser = argparse.ArgumentParser(prog="omc_runbook.sandbox.server")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--state", type=Path, required=True, help="the directory of all sandboxes")
    parser.add_argument("--ready", type=int, help="a file descriptor to which the port, or an error, is written")
    parser.add_argument("--database", action="store_true", help="also start a PostgreSQL")
    parser.add_argument("--attached", action="store_true", help="also stop when standard input is at its end")
    options = parser.parse_args()

    try:
        sandbox = SandboxServer(options.port, options.state)
    except OSError as error:
        # Python adds the address that it tried, which the port's sentence has.
        _report(options.ready, f"error {(error.strerror or str(error)).partition(' (while')[0]}")
        return 1
    directory = sandbox.directory
    lock = folders.claim(directory, sandbox.port, administrator(), sandbox.token)
    if options.database:
        try:
            sandbox.database = postgres.start(directory)
        except RunbookError as error:
            _report(options.ready, " ".join(str(error).split()))
            os.close(lock)
            folders.release(directory)
            return 1
    _log_to(directory / "server.log")

    # A signal that comes just before a wait for a lock or a queue does not end it: a byte in a pipe does.
    stop, stopping = os.pipe()
    os.set_blocking(stopping, False)
    signal.set_wakeup_fd(stopping, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if options.attached:
        threading.Thread(target=_stop_at_end_of_input, args=(stopping,), daemon=True).start()
    # What exists by now stays, and a call leaves little: the garbage collector need not search it each time.
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    process.compile_into(directory)
    CHANNELS.start(directory)
    sandbox.agent.start()
    threading.Thread(target=sandbox.server.serve_forever, daemon=True).start()
    _report(options.ready, f"ready {sandbox.port}")
    os.read(stop, 1)
    CHANNELS.end()
    sandbox.agent.end()
    if sandbox.database is not None:
        sandbox.database.stop()
    # The port stays this process's until its end, so that no other sandbox has the same directory.
    os.close(lock)
    folders.release(directory)
    return 0


def _stop_at_end_of_input(stopping: int) -> None:
    """Wait until nobody can write to standard input any more, then stop the server by a byte, as a signal does."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.write(stopping, b"\0")


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _report(descriptor: int | None, text: str) -> None:
    if descriptor is not None:
        os.write(descriptor, f"{text}\n".encode())
        os.close(descriptor)


if __name__ == "__main__":
    code = main()
    # Request threads may still wait for a client, but there is nothing left to save.
    sys.stdout.flush()
    os._exit(code)
