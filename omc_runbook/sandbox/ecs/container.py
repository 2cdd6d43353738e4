"""A task's container as a command in it sees it: its environment and process table; and its image."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NO_SHELL = "--sandbox-no-shell"
"""An argument of a container's command: its image has no programs except the application."""
MISSING = "missing"
"""The beginning of the tag of an image that counts as missing; the sandbox never pulls one."""
_IS_MISSING = re.compile(rf":{MISSING}\b[\w.-]*\Z")
_SPACES, _QUOTES = " \t\r\n", "\"'"


class NotStarted(Exception):
    """A command could not be started; the message is the agent's."""


@dataclass(frozen=True)
class RunningContainer:
    """A running container as commands see it: the environment from ECS, and its application's process.

    `pid` is None for a container that is not run here (all but the first essential one of a task).
    """

    environment: Mapping[str, str] = field(repr=False)
    pid: int | None
    has_programs: bool = True
    refusal: str = ""
    """What the agent says instead of running a command; "" where it runs one."""

    @contextmanager
    def run(self, command: str, directory: Path) -> Iterator["TerminalProcess"]:
        """Run a command as the agent of ECS Exec does, without a shell, in its own terminal; ends it with the block.

        A sandbox's task has no process namespace of its own. For process 1 to be the application all the same, "/proc/"
        in the command is replaced by a temporary subdirectory of `directory` with links: 1 to the application, a number
        for each of its children, self and stat. Without /proc (macOS) the links lead nowhere.

        Raises NotStarted.
        """
        if self.refusal:
            raise NotStarted(self.refusal)
        with tempfile.TemporaryDirectory(prefix="proc-", dir=directory) as table:
            self._link_processes(Path(table))
            words = [word.replace("/proc/", f"{table}/") for word in split(command)]
            process = TerminalProcess(words, self._variables(), self.has_programs)
            try:
                yield process
            finally:
                process.end()

    def _variables(self) -> dict[str, str]:
        terminal = {"TERM": "xterm-256color", "LANG": self.environment.get("LANG") or "C.UTF-8"}
        return {**self.environment, "PATH": os.environ.get("PATH", os.defpath), **terminal}

    def _link_processes(self, table: Path) -> None:
        for name in ("self", "stat"):
            (table / name).symlink_to(f"/proc/{name}")
        if self.pid is not None:
            (table / "1").symlink_to(f"/proc/{self.pid}")
            for child in _children(self.pid):
                (table / str(child)).symlink_to(f"/proc/{child}")


class TerminalProcess:
    """A command in a pseudo-terminal."""

    def __init__(self, words: list[str], variables: Mapping[str, str], has_programs: bool) -> None:
        """Start the command; raises NotStarted with Go's error message, as the agent reports it."""
        program = words[0] if words else ""
        path = program if "/" in program else shutil.which(program, path=variables["PATH"])
        if path is None or not has_programs:
            missing = f'exec: "{program}": executable file not found in $PATH'
            raise NotStarted(_pty(f"fork/exec {program}: no such file or directory" if "/" in program else missing))
        self._terminal, inner = os.openpty()
        self._is_over = False
        try:
            self._process = subprocess.Popen(
                words,
                executable=path,
                env=variables,
                cwd="/",
                stdin=inner,
                stdout=inner,
                stderr=inner,
                start_new_session=True,
            )
        except OSError as error:
            os.close(self._terminal)
            raise NotStarted(_pty(f"fork/exec {program}: {(error.strerror or 'failed').lower()}")) from None
        finally:
            os.close(inner)

    def read(self, size: int) -> bytes:
        """The command's next output, at most `size` bytes; b"" after the last."""
        try:
            data = os.read(self._terminal, size)
        except OSError:
            # How Linux reports that the last process on the terminal has ended.
            return b""
        # By now the descriptor may be another file's.
        return b"" if self._is_over else data

    def write(self, data: bytes) -> None:
        """Type input; Ctrl-C interrupts the command."""
        if b"\x03" in data:
            self._signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            os.write(self._terminal, data)

    def resize(self, columns: int, rows: int) -> None:
        """Resize the terminal."""
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self) -> None:
        """Kill the command and its children."""
        self._signal(signal.SIGKILL)

    def end(self) -> None:
        """Kill the command and its children, and reap it."""
        self.kill()
        self._process.wait()
        self._is_over = True
        os.close(self._terminal)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def pull_error(container: dict[str, Any]) -> str:
    """The stoppedReason if a container's image cannot be pulled, or "".

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
    """
    image = container.get("image") or ""
    if not _IS_MISSING.search(image):
        return ""
    return (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
        f"{image}: {image}: not found"
    )


def split(command: str) -> list[str]:
    """Split a command into words as the agent does: at spaces outside quotes.

    A backslash escapes any character, also between double quotes, but not between single ones. Raises NotStarted for an
    open quote or a final backslash.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(command)
    for character in characters:
        if character == "\\" and quote != "'":
            literal = next(characters, None)
            if literal is None:
                raise NotStarted(_unsplit("EOF found after escape character"))
            word = (word or "") + literal
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in _QUOTES:
            quote, word = character, word or ""
        elif character in _SPACES:
            words, word = (words, None) if word is None else ([*words, word], None)
        elif character == "#" and word is None:
            next((end for end in characters if end == "\n"), None)
        else:
            word = (word or "") + character
    if quote:
        raise NotStarted(_unsplit("EOF found when expecting closing quote"))
    return words if word is None else [*words, word]


def _pty(text: str) -> str:
    return f"Unable to start command: Failed to start pty: {text}"


def _unsplit(text: str) -> str:
    return f"Unable to start command: Failed to parse commands input: {text}"


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            pids += map(int, listing.read_text().split())
    return pids
