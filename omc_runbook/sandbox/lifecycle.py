"""A sandbox's life cycle: start it in the background, find it, call it, and remove it completely."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.model.handover import SANDBOX_VARIABLES
from omc_runbook.model.shell import unset_commands
from omc_runbook.sandbox import control, folders, postgres
from omc_runbook.sandbox.account import REGION, WorldName
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.folders import SandboxState
from omc_runbook.sandbox.postgres import Database
from omc_runbook.sandbox.worlds import example

_SETTLED_SECONDS, _DOWN_SECONDS = 120.0, 15.0
_UP = "start one with `omc-runbook sandbox up`"


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """A running sandbox, with its administrator's credentials."""

    endpoint: str
    port: int
    pid: int
    credentials: Credentials
    database: Database | None = field(default=None, compare=False)
    repository: Path | None = field(default=None, compare=False)
    """The example checkout of the platform."""

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables for AWS clients, and for runbooks that use its example checkout and database."""
        checkout = {"OMC_REPOSITORY": str(self.repository)} if self.repository else {}
        url = {"OMC_SANDBOX_DATABASE_URL": self.database.administrator_url} if self.database else {}
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            **checkout,
            **url,
        }


def up(
    world: WorldName | None = "healthy", port: int = 0, database: bool = False, is_attached: bool = False
) -> Sandbox:
    """Start a sandbox in the background, with an example checkout, and build its world; returns when it is settled.

    With `world` None the account stays empty. `port` 0 takes any free one. `database` also starts a PostgreSQL that the
    application logs in to. With `is_attached` it ends with this process's standard input, as where a pipe's
    writer has ended. Raises UsageError for an unknown world, RunbookError if the sandbox cannot start.
    """
    if world is not None and world not in get_args(WorldName):
        raise UsageError(f"There is no world {world!r}: choose {' or '.join(get_args(WorldName))}.")
    sandbox = _start(port, database, is_attached)
    with contextlib.ExitStack() as undo:
        undo.callback(down, sandbox)
        answer = status(sandbox)
        repository = example.make(_state_of(sandbox).directory)
        sandbox = replace(sandbox, database=postgres.read(answer["database"]), repository=repository)
        if world is not None:
            _build(sandbox, world)
        undo.pop_all()
    return sandbox


def renew(sandbox: Sandbox, world: WorldName | None = "healthy") -> None:
    """Empty a sandbox without a database, and build a world in it; returns when it is settled."""
    ask(sandbox, "POST", "reset")
    if sandbox.repository is not None:
        example.make(sandbox.repository.parent)
    if world is not None:
        _build(sandbox, world)


def settle(sandbox: Sandbox, seconds: float = _SETTLED_SECONDS) -> None:
    """Wait until every service is steady or keeps failing; raises CouldNotLook after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ask(sandbox, "POST", "settle")["settled"]:
        if time.monotonic() > deadline:
            raise CouldNotLook(f"The sandbox at {sandbox.endpoint} did not settle within {seconds:.0f} seconds.")


def set_minute(sandbox: Sandbox, seconds: float) -> None:
    """Let a minute of a bake time or of a lifecycle hook's timeout last this long; `renew` undoes it."""
    ask(sandbox, "POST", "clock", {"minute_seconds": seconds})


def find() -> Sandbox:
    """The sandbox that AWS_ENDPOINT_URL names, or else the only running one; raises UsageError if there is none."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        try:
            return at(endpoint)
        except UsageError:
            message = f"No sandbox of yours runs at AWS_ENDPOINT_URL ({endpoint}): unset it, or {_UP}."
            names = [name for name in SANDBOX_VARIABLES if name in os.environ]
            unset, in_fish = unset_commands(*names)
            hint = f"the variables of a sandbox that no longer runs are still set: {unset}, or in fish {in_fish}"
            raise UsageError(message, hint) from None
    running = folders.running()
    if not running:
        raise UsageError(f"No sandbox is running: {_UP}.")
    if len(running) > 1:
        endpoints = ", ".join(state.endpoint for state in running)
        raise UsageError(f"{len(running)} sandboxes are running ({endpoints}): set AWS_ENDPOINT_URL to one of them.")
    return _sandbox(running[0])


def at(endpoint: str) -> Sandbox:
    """This user's sandbox at an endpoint, from its private state file; raises UsageError if there is none."""
    return _sandbox(folders.at(endpoint))


def status(sandbox: Sandbox | None = None) -> dict[str, Any]:
    """A sandbox's status: endpoint, port, pid, world, broken, database, settled, minute_seconds, tasks."""
    return ask(sandbox or find(), "GET", "status")


def down(sandbox: Sandbox | None = None) -> None:
    """Stop a sandbox and all its processes, and remove its files; does nothing if it has ended.

    Its state file names the process and the files. Raises CouldNotLook if the process is not a sandbox's, or does not
    end.
    """
    sandbox = sandbox or find()
    state = next((state for state in folders.running() if state.endpoint == sandbox.endpoint), None)
    if state is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(state, number)
        deadline = time.monotonic() + _DOWN_SECONDS
        while time.monotonic() < deadline:
            if folders.read(state.directory) is None:
                _reap(state.pid)
                folders.release(state.directory)
                return
            time.sleep(0.05)
    raise CouldNotLook(f"The sandbox at {sandbox.endpoint} (process {state.pid}) does not end.")


def ask(sandbox: Sandbox, method: str, path: str, members: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call one of the server's control paths, with the token from its state file."""
    return control.ask(_state_of(sandbox), method, path, members)


def _build(sandbox: Sandbox, world: WorldName) -> None:
    from omc_runbook.sandbox.worlds import build

    build.build(sandbox.endpoint, world, sandbox.database)
    ask(sandbox, "POST", "note", {"world": world, "broken": [], "restored": True})
    settle(sandbox)


def _start(port: int, database: bool, is_attached: bool) -> Sandbox:
    if importlib.util.find_spec("moto") is None or (database and not postgres.is_installed()):
        raise UsageError("The sandbox's packages are not installed: pip install 'omc-runbook[sandbox]'.")
    root = folders.root()
    reading, writing = os.pipe()
    command = [sys.executable, "-m", folders.SERVER, "--port", str(port), "--state", str(root.resolve())]
    if database:
        command.append("--database")
    if is_attached:
        command.append("--attached")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    # Jupyter's kernels ask for colours, and the last line of an error is repeated in a sentence.
    environment["PYTHON_COLORS"] = "0"
    with os.fdopen(reading) as lines:
        try:
            process = _spawn([*command, "--ready", str(writing)], environment, writing, is_attached)
        finally:
            os.close(writing)
        message = ""
        with contextlib.ExitStack() as undo:
            undo.callback(process.wait)
            undo.callback(process.terminate)
            for line in lines:
                message = line.strip() or message
                word, _, port_text = message.partition(" ")
                if word == "ready":
                    sandbox = at(f"http://127.0.0.1:{port_text}")
                    undo.pop_all()
                    return sandbox
    folders.leave()
    if message.startswith("error ") and port:
        raise RunbookError(
            f"The sandbox cannot use port {port} ({message.removeprefix('error ')}): choose another with --port."
        )
    raise RunbookError(f"The sandbox did not start: {message.rstrip('.') or 'it ended without a message'}.")


def _spawn(command: list[str], environment: dict[str, str], writing: int, is_attached: bool) -> subprocess.Popen[bytes]:
    """Start the server, which may write to this descriptor what it has to say, also where it fails."""
    return subprocess.Popen(
        command,
        stdin=None if is_attached else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=writing,
        env=environment,
        pass_fds=(writing,),
        start_new_session=True,
    )


def _state_of(sandbox: Sandbox) -> SandboxState:
    try:
        return folders.at(sandbox.endpoint)
    except UsageError:
        raise CouldNotLook(f"The sandbox at {sandbox.endpoint} does not answer: it has ended.") from None


def _sandbox(state: SandboxState) -> Sandbox:
    return Sandbox(
        endpoint=state.endpoint,
        port=state.port,
        pid=state.pid,
        credentials=state.credentials,
        repository=example.find(state.directory),
    )


def _signal(state: SandboxState, number: signal.Signals) -> None:
    # Once the lock is free, the id may be another process's.
    if folders.read(state.directory) != state:
        return
    if not folders.is_server(state):
        raise CouldNotLook(f"Process {state.pid} is not a sandbox's and was not stopped: remove {state.directory}.")
    with contextlib.suppress(ProcessLookupError):
        os.kill(state.pid, number)


def _reap(pid: int) -> None:
    # Only the process that started the server can reap it.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
