"""A person's desk: an empty home, a folder for temporary files and one to work in, and all that a run leaves there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.04
AWAIT_SECONDS = 20.0
LONGEST = 180.0
SOURCE = "HOLD_SOURCE"
"""The variable with values that a parameter names: it is where they may be."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; what it wrote to its streams lies on the desk."""

    code: int
    output: str


@dataclass
class Desk:
    """A new desk in an empty folder."""

    root: Path
    variables: dict[str, str]
    processes: set[bytes] = field(default_factory=set)
    """Arguments and variables of all processes that commands started, without those that may have a value."""

    def __post_init__(self) -> None:
        for name in ("tmp", "home", "work", "streams"):
            (self.root / name).mkdir(parents=True)
        own = {"TMPDIR": "tmp", "HOME": "home", "MPLCONFIGDIR": "home/mpl", "XDG_CACHE_HOME": "home/cache"}
        self.variables = self.variables | {name: str(self.root / folder) for name, folder in own.items()}
        self.before: dict[Path, str] = {}

    @property
    def work(self) -> Path:
        """The folder that commands run in."""
        return self.root / "work"

    def start(
        self,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
        out: int | None = None,
    ) -> Running:
        """Start a command, whose streams go into files of the desk, but for `out` if there is one."""
        number = len([*(self.root / "streams").iterdir()])
        streams = [self.root / "streams" / f"{number}-{name}" for name in ("out", "err")]
        with streams[0].open("wb") as file, streams[1].open("wb") as error:
            process = subprocess.Popen(
                command,
                env=self.variables | dict(variables or {}),
                cwd=self.work,
                stdin=subprocess.DEVNULL,
                stdout=file if out is None else out,
                stderr=error,
                start_new_session=True,
                preexec_fn=prepare,
            )
        return Running(self, process, (streams[0], streams[1]), frozenset(word.encode() for word in command))

    def keep(self) -> None:
        """Remember what lies here, so that `written` leaves out what stays as it is."""
        self.before = {path: _digest(path) for path in _files(self.root)}

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Each file that came to be or changed since `keep`, with its content, and the processes."""
        for path in _files(self.root):
            if self.before.get(path) != _digest(path):
                yield str(path.relative_to(self.root)), path.read_bytes()
        yield "arguments and variables of processes", b"\0".join(sorted(self.processes))

    def clear(self) -> None:
        """Remove it."""
        shutil.rmtree(self.root, ignore_errors=True)


class Running:
    """A command that runs, and is watched: what its processes have as arguments and variables."""

    def __init__(
        self, desk: Desk, process: subprocess.Popen[bytes], streams: tuple[Path, Path], words: frozenset[bytes]
    ) -> None:
        self._desk, self._process, self._streams, self._words = desk, process, streams, words
        self._has_ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """The command's process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def descendants(self, mark: bytes = b"") -> list[int]:
        """Its processes and those that they started, the ones with a text in their arguments."""
        return [pid for pid in _family(self.pid) if mark in _read(pid, "cmdline")]

    def await_child(self, mark: bytes) -> int | None:
        """Wait for a process with a text in its arguments; None where the command ends, or time does."""
        pids = self._await(lambda: self.descendants(mark))
        return pids[0] if pids else None

    def await_path(self, path: Path) -> None:
        """Wait until the command has made a file or a folder."""
        self._await(path.exists)

    def await_limit(self, name: str) -> None:
        """Wait until a limit of the command is 0."""
        self._await(lambda: re.search(rb"%s +0 " % name.encode(), _read(self.pid, "limits")))

    def _await(self, look: Callable[[], Any]) -> Any:
        """Look until there is something to see; None where the command ends, or time does."""
        deadline = time.monotonic() + AWAIT_SECONDS
        while self.is_running and time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(LOOK_SECONDS)
        return None

    def send(self, number: int, pid: int | None = None) -> None:
        """Send a signal to the command, or to one of its processes."""
        with suppress(ProcessLookupError):
            os.kill(pid or self.pid, number)

    def end(self, seconds: float = LONGEST) -> Ended:
        """Wait for its end, and end what it left running."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._has_ended.set()
        self._watcher.join()
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        output = "".join(path.read_text("utf-8", "replace") for path in self._streams)
        return Ended(self._process.returncode, output)

    def _watch(self) -> None:
        while not self._has_ended.wait(LOOK_SECONDS):
            for pid in _family(self.pid):
                arguments, variables = (_read(pid, name).split(b"\0") for name in ("cmdline", "environ"))
                # What the command was called with is the caller's.
                self._desk.processes.update(word for word in arguments if word not in self._words)
                named = SOURCE.encode()
                self._desk.processes.update(each for each in variables if not each.startswith(named))


def _family(root: int) -> list[int]:
    family, news = [root], [root]
    while news:
        lists = (path for pid in news for path in Path("/proc", str(pid), "task").glob("*/children"))
        news = [int(pid) for text in map(_text, lists) for pid in text.split()]
        family += news
    return family


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _read(pid: int, name: str) -> bytes:
    return _text(Path("/proc", str(pid), name))


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
