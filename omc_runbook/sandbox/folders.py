"""The private directories of running sandboxes: one each, locked while its server runs."""

import contextlib
import fcntl
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.sandbox import postgres
from omc_runbook.sandbox.credentials import Credentials

_STATE = "state.json"
_SOLVED = "solved.json"
SERVER = "omc_runbook.sandbox.server"
TOKEN_HEADER = "X-Sandbox-Token"


@dataclass(frozen=True, kw_only=True)
class SandboxState:
    """A sandbox's state file, readable only by its owner; `token` gives access to the control paths."""

    port: int
    pid: int
    directory: Path
    credentials: Credentials
    token: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The URL that AWS clients use."""
        return f"http://127.0.0.1:{self.port}"


def root() -> Path:
    """This user's directory of sandboxes, created with mode 700; raises RunbookError if it is not private."""
    return _private_directory(_root())


def solved_file() -> Path:
    """The file of the faults that this user has solved, which stays when the last sandbox ends."""
    return root() / _SOLVED


def claim(directory: Path, port: int, credentials: Credentials, token: str) -> int:
    """Write and lock the state file; returns the file descriptor, which keeps the lock while it is open.

    What a sandbox that was killed has left at this port goes first.
    """
    members = {"port": port, "pid": os.getpid(), "credentials": asdict(credentials), "token": token}
    while True:
        _private_directory(directory.parent)
        with _alone(directory.parent) as is_there:
            if not is_there:
                continue
            if _locked_text(directory) == "":
                _clear(directory)
            _private_directory(directory.parent, directory)
            draft = directory / f"{_STATE}.{os.getpid()}"
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            os.write(descriptor, json.dumps(members).encode())
            # Locked before it is visible, so that a starting sandbox is not taken for a dead one.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            draft.rename(directory / _STATE)
            return descriptor


def running() -> list[SandboxState]:
    """The sandboxes whose server is running; files of dead ones are removed."""
    states, directories = [], list[Path]()
    if _is_private(_root()):
        # The last of them may end meanwhile.
        with contextlib.suppress(FileNotFoundError):
            directories = sorted(_root().iterdir())
    for directory in directories:
        if _locked_text(directory) == "":
            release(directory)
        elif (state := read(directory)) is not None:
            states.append(state)
    return states


def at(endpoint: str) -> SandboxState:
    """The state of this user's sandbox at an endpoint; raises UsageError if there is none."""
    try:
        url = urlsplit(endpoint)
        is_ours = url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost")
        state = read(_root() / str(url.port)) if is_ours and url.path in ("", "/") else None
    except ValueError:
        state = None
    if state is None:
        raise UsageError(f"No sandbox of yours runs at {endpoint}: start one with `omc-runbook sandbox up`.")
    return state


def release(directory: Path) -> None:
    """Remove the directory and database of a sandbox that has ended, and the user's directory with the last.

    Ignores other directories, and that of a sandbox which runs: it may have got the port of one that ended.
    """
    is_ours = directory.parent.name == _root().name and directory.name.isdecimal()
    if not (is_ours and _is_private(directory.parent) and _is_private(directory)):
        return
    with _alone(directory.parent) as is_there:
        if is_there and not _locked_text(directory):
            _clear(directory)
            with contextlib.suppress(OSError):
                directory.parent.rmdir()


def _clear(directory: Path) -> None:
    postgres.clear(directory)
    shutil.rmtree(directory, ignore_errors=True)


def leave() -> None:
    """Remove the user's directory where no sandbox has one in it."""
    with contextlib.suppress(OSError), _alone(_root()) as is_there:
        if is_there:
            _root().rmdir()


def read(directory: Path) -> SandboxState | None:
    """The state in a sandbox's directory; None if its server has ended or another user could have written it.

    The server holds a lock on the file as long as it runs.
    """
    try:
        members = json.loads(_locked_text(directory) or "")
        state = SandboxState(
            port=int(members["port"]),
            pid=int(members["pid"]),
            directory=directory,
            credentials=Credentials(**members["credentials"]),
            token=str(members["token"]),
        )
    except (ValueError, LookupError, TypeError):
        return None
    # To kill(2), an id below 1 is a group of processes; 1 is init.
    return state if state.pid > 1 and str(state.port) == directory.name else None


def is_server(state: SandboxState) -> bool:
    """Whether the process in the state is a sandbox's server with the same directory."""
    try:
        command = Path(f"/proc/{state.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        # There is no /proc on macOS.
        ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(state.pid)]
        try:
            command = subprocess.run(ps, capture_output=True, text=True, check=False).stdout
        except OSError:
            return False
    return f" -m {SERVER} " in command and f" --state {state.directory.parent.resolve()} " in command


def _locked_text(directory: Path) -> str | None:
    """The state file's text while its server runs, "" after that ended, None if it is not private to this user."""
    if not (_is_private(directory.parent) and _is_private(directory)):
        return None
    try:
        descriptor = os.open(directory / _STATE, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_owners_only(status):
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read()
    return ""


@contextlib.contextmanager
def _alone(parent: Path) -> Iterator[bool]:
    """Wait until no other process makes or removes a sandbox's directory in this one; whether it is still there."""
    try:
        descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            # Whoever had the lock may have removed it, and another may have made it again.
            is_there = os.path.samestat(os.fstat(descriptor), parent.lstat())
        except FileNotFoundError:
            is_there = False
        yield is_there
    finally:
        os.close(descriptor)


def _private_directory(*paths: Path) -> Path:
    """Create directories with mode 700, each in the one before, where they are not there; returns the last.

    Raises RunbookError if one of them is not private.
    """
    while True:
        try:
            for path in paths:
                with contextlib.suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                if not _is_private_directory(path.lstat()):
                    raise RunbookError(f"{path} is not a private directory of yours: remove it and try again.")
        except FileNotFoundError:
            # The last sandbox has ended meanwhile, and removed it.
            if not paths[0].parent.is_dir():
                raise
        else:
            return paths[-1]


def _is_private(path: Path) -> bool:
    """Whether a path is a directory (no link) that only this user can enter."""
    try:
        return _is_private_directory(path.lstat())
    except OSError:
        return False


def _is_private_directory(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and _is_owners_only(status)


def _is_owners_only(status: os.stat_result) -> bool:
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def _root() -> Path:
    return Path(tempfile.gettempdir()) / f"omc-sandbox-{os.getuid()}"
