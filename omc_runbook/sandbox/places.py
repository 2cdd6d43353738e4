"""Where a running sandbox keeps its files: one private directory for each, held by a lock while it lives."""

import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.errors import RunbookError


@dataclass(frozen=True)
class Place:
    """What a sandbox wrote about itself."""

    endpoint: str
    port: int
    pid: int
    directory: Path


def root() -> Path:
    """This user's directory of sandboxes, mode 700 and nobody else's."""
    path = Path(tempfile.gettempdir()) / f"omc-sandbox-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise RunbookError(f"{path} is not a private directory of yours: remove it and try again.")
    return path


def claim(directory: Path, endpoint: str, port: int) -> int:
    """Write the state file and hold its lock until this process ends; the file descriptor to keep open."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "state.json", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(descriptor, json.dumps({"endpoint": endpoint, "port": port, "pid": os.getpid()}).encode())
    return descriptor


def running() -> list[Place]:
    """The sandboxes whose server lives; what dead ones left behind is removed."""
    found = []
    for directory in sorted(root().iterdir()):
        place = read(directory)
        if place is None:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            found.append(place)
    return found


def release(directory: Path) -> None:
    """Remove a sandbox's directory, and the user's where it was the last."""
    shutil.rmtree(directory, ignore_errors=True)
    try:
        directory.parent.rmdir()
    except OSError:
        return


def read(directory: Path) -> Place | None:
    """What the sandbox of this directory wrote, or None where its server does not live."""
    try:
        with (directory / "state.json").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                members = json.load(file)
                return Place(members["endpoint"], members["port"], members["pid"], directory)
    except (OSError, ValueError, KeyError):
        return None
    return None
