"""A sandbox's life: started in the background, found again, asked, and taken down without a trace."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.sandbox import folders, postgres
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.folders import Place
from omc_runbook.sandbox.postgres import Database
from omc_runbook.sandbox.worlds import example

WorldName = Literal["healthy", "fresh"]

REGION = "ap-southeast-2"
WORLDS = ("healthy", "fresh")
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
    """Its example checkout of the platform."""

    @property
    def variables(self) -> dict[str, str]:
        """The variables that point AWS's clients at it, and runbooks at its example checkout and its database."""
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


def up(world: WorldName | None = "healthy", port: int = 0, database: bool = False) -> Sandbox:
    """Start a sandbox in the background, with an example checkout, and build its world; returns when it is settled.

    `world` None leaves the account empty. `port` 0 takes any free one. `database` starts a PostgreSQL beside it, that
    the world's application logs in to. RunbookError where it cannot start.
    """
    if world is not None and world not in WORLDS:
        raise UsageError(f"There is no world {world!r}: choose {' or '.join(WORLDS)}.")
    sandbox = _start(port, database)
    with contextlib.ExitStack() as undo:
        undo.callback(down, sandbox)
        answer = status(sandbox)
        repository = example.make(_place(sandbox).directory)
        sandbox = replace(sandbox, database=postgres.read(answer["database"]), repository=repository)
        if world is not None:
            _build(sandbox, world)
        undo.pop_all()
    return sandbox


def renew(sandbox: Sandbox, world: WorldName | None = "healthy") -> None:
    """Forget everything in a sandbox without a database, and build a world in it; returns when it is settled."""
    ask(sandbox, "POST", "reset")
    if sandbox.repository is not None:
        example.make(sandbox.repository.parent)
    if world is not None:
        _build(sandbox, world)


def settle(sandbox: Sandbox, seconds: float = _SETTLED_SECONDS) -> None:
    """Wait until every service is steady, or keeps failing in the same way."""
    deadline = time.monotonic() + seconds
    while not status(sandbox)["settled"]:
        if time.monotonic() > deadline:
            raise CouldNotLook(f"The sandbox at {sandbox.endpoint} did not settle within {seconds:.0f} seconds.")
        time.sleep(0.1)


def find() -> Sandbox:
    """The sandbox that AWS_ENDPOINT_URL names, or else the only one that runs."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        try:
            return at(endpoint)
        except UsageError:
            message = f"No sandbox runs at AWS_ENDPOINT_URL ({endpoint}) that you started: unset it, or {_UP}."
            raise UsageError(message) from None
    running = folders.running()
    if not running:
        raise UsageError(f"No sandbox is running: {_UP}.")
    if len(running) > 1:
        listed = ", ".join(place.endpoint for place in running)
        raise UsageError(f"{len(running)} sandboxes are running ({listed}): set AWS_ENDPOINT_URL to one of them.")
    return _sandbox(running[0])


def at(endpoint: str) -> Sandbox:
    """The sandbox of this user that serves at an address, by its private state file; UsageError where none does."""
    return _sandbox(folders.at(endpoint))


def status(sandbox: Sandbox | None = None) -> dict[str, Any]:
    """What a sandbox says of itself: endpoint, port, pid, world, broken, database, settled, tasks."""
    return ask(sandbox or find(), "GET", "status")


def down(sandbox: Sandbox | None = None) -> None:
    """End a sandbox and all its processes, and remove its files; nothing to do where it has ended already.

    Its state file alone says which process and which files these are. CouldNotLook where the process is none of a
    sandbox, or does not end.
    """
    sandbox = sandbox or find()
    found = [place for place in folders.running() if place.endpoint == sandbox.endpoint]
    if not found:
        return
    place = found[0]
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(place, number)
        deadline = time.monotonic() + _DOWN_SECONDS
        while time.monotonic() < deadline:
            if folders.read(place.directory) is None:
                _reap(place.pid)
                folders.release(place.directory)
                return
            time.sleep(0.05)
    raise CouldNotLook(f"The sandbox at {sandbox.endpoint} (process {place.pid}) does not end.")


def ask(sandbox: Sandbox, method: str, path: str, members: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call one of the server's private paths, with the token of its state file."""
    place = _place(sandbox)
    body = json.dumps(members).encode() if members is not None else None
    request = urllib.request.Request(f"{place.endpoint}/_sandbox/{path}", body, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header(folders.TOKEN_HEADER, place.token)
    # A proxy in the environment has no business with this machine's own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise UsageError(f"The sandbox refused {path}: {json.load(error).get('error', error.reason)}") from None
    except (OSError, ValueError) as error:
        raise CouldNotLook(f"The sandbox at {place.endpoint} does not answer: {error}") from None


def _build(sandbox: Sandbox, world: WorldName) -> None:
    from omc_runbook.sandbox.worlds import build

    build.build(sandbox.endpoint, world, sandbox.database)
    ask(sandbox, "POST", "note", {"world": world, "broken": []})
    settle(sandbox)


def _start(port: int, database: bool) -> Sandbox:
    if importlib.util.find_spec("moto") is None or (database and not postgres.is_installed()):
        raise UsageError("The sandbox needs more than is installed: pip install 'omc-runbook[sandbox]'.")
    root = folders.root()
    reading, writing = os.pipe()
    command = [sys.executable, "-m", folders.SERVER, "--port", str(port), "--state", str(root.resolve())]
    if database:
        command.append("--database")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
    with os.fdopen(reading) as ready:
        try:
            process = subprocess.Popen(
                [*command, "--ready", str(writing)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writing,
                env=environment,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        said = ""
        with contextlib.ExitStack() as undo:
            undo.callback(process.wait)
            undo.callback(process.terminate)
            for line in ready:
                said = line.strip() or said
                word, _, rest = said.partition(" ")
                if word == "ready":
                    started = at(f"http://127.0.0.1:{rest}")
                    undo.pop_all()
                    return started
    with contextlib.suppress(OSError):
        root.rmdir()
    if said.startswith("error ") and port:
        raise RunbookError(
            f"The sandbox cannot use port {port} ({said.removeprefix('error ')}): choose another with --port."
        )
    raise RunbookError(f"The sandbox did not start: {said.rstrip('.') or 'it ended without a word'}.")


def _place(sandbox: Sandbox) -> Place:
    try:
        return folders.at(sandbox.endpoint)
    except UsageError:
        raise CouldNotLook(f"The sandbox at {sandbox.endpoint} does not answer: it has ended.") from None


def _sandbox(place: Place) -> Sandbox:
    return Sandbox(
        endpoint=place.endpoint,
        port=place.port,
        pid=place.pid,
        credentials=place.credentials,
        repository=example.find(place.directory),
    )


def _signal(place: Place, number: signal.Signals) -> None:
    # Once the lock is free the number may be another process's.
    if folders.read(place.directory) != place:
        return
    if not folders.is_server(place):
        raise CouldNotLook(f"Process {place.pid} is no sandbox's, and was not ended: remove {place.directory}.")
    with contextlib.suppress(ProcessLookupError):
        os.kill(place.pid, number)


def _reap(pid: int) -> None:
    # Where this very process started the server, it has to collect it too.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
