"""Where a running sandbox keeps its files: one private directory for each, held by a lock while it lives."""

import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.errors import RunbookError
from omc_runbook.sandbox import postgres

_STATE = "state.json"


@dataclass(frozen=True)
class Place:
    """What a sandbox wrote about itself."""

    endpoint: str
    port: int
    pid: int
    directory: Path


def root() -> Path:
    """This user's directory of sandboxes, made where it is missing: mode 700 and nobody else's."""
    path = _root()
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RunbookError(f"{path} is not a private directory of yours: remove it and try again.")
    return path


def claim(directory: Path, endpoint: str, port: int) -> int:
    """Write the state file and hold its lock until this process ends; the file descriptor to keep open."""
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    draft = directory / f"{_STATE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, json.dumps({"endpoint": endpoint, "port": port, "pid": os.getpid()}).encode())
    # Locked before it can be seen, so that nobody takes a sandbox that starts for one that died.
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft.rename(directory / _STATE)
    return descriptor


def running() -> list[Place]:
    """The sandboxes whose server lives; what dead ones left behind is removed."""
    found = []
    for directory in sorted(_root().iterdir()) if _root().is_dir() else []:
        if not (directory / _STATE).exists():
            continue
        place = read(directory)
        if place is None:
            release(directory)
        else:
            found.append(place)
    return found


def release(directory: Path) -> None:
    """Remove a sandbox's directory with its database, and the user's where it was the last."""
    postgres.clear(directory)
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.parent.rmdir()
    except OSError:
        return


def read(directory: Path) -> Place | None:
    """What the sandbox of this directory wrote, or None where its server does not live."""
    try:
        with (directory / _STATE).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                members = json.load(file)
                return Place(members["endpoint"], members["port"], members["pid"], directory)
    except (OSError, ValueError, KeyError):
        return None
    return None


def _root() -> Path:
    return Path(tempfile.gettempdir()) / f"omc-sandbox-{os.getuid()}"
