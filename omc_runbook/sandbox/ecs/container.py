"""A sandbox task's container as a command inside it sees it: its environment and process table."""

import contextlib
import fcntl
import os
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

NO_SHELL = "--sandbox-no-shell"
"""An argument of a container's command: its image has no programs except the application."""
_SPACES, _QUOTES = " \t\r\n", "\"'"


class NotStarted(Exception):
    """A command that could not be started; the message is the agent's."""


@dataclass(frozen=True)
class RunningContainer:
    """A running container as commands see it: the environment that ECS gave it, and its application's process.

    `pid` is None for a container whose image is not run here (all but the first essential one of a task).
    """

    environment: Mapping[str, str] = field(repr=False)
    pid: int | None
    has_programs: bool = True

    @contextmanager
    def run(self, command: str, directory: Path) -> Iterator["TerminalProcess"]:
        """Run a command as the agent of ECS Exec does, in a terminal of its own; it has ended when the block ends.

        The words are split as the agent splits them, and no shell comes between them and the program.

        A sandbox's task has no namespace for its processes: they are processes of this machine. So that a command
        finds 1 to be the application all the same, "/proc/" in its words is replaced by a directory of links: 1 to
        the application, a number for each of its children, self and stat. The directory is made in `directory`, lives
        as long as the command and holds no file. Where there is no /proc (macOS) its links lead nowhere.

        Raises NotStarted.
        """
        with tempfile.TemporaryDirectory(prefix="proc-", dir=directory) as table:
            self._fill(Path(table))
            words = [word.replace("/proc/", f"{table}/") for word in split(command)]
            process = TerminalProcess(words, self._variables(), self.has_programs)
            try:
                yield process
            finally:
                process.end()

    def _variables(self) -> dict[str, str]:
        terminal = {"TERM": "xterm-256color", "LANG": self.environment.get("LANG") or "C.UTF-8"}
        return {**self.environment, "PATH": os.environ.get("PATH", os.defpath), **terminal}

    def _fill(self, table: Path) -> None:
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
        """The next bytes that it writes, at most `size`; b"" where it will write no more."""
        try:
            data = os.read(self._terminal, size)
        except OSError:
            # Linux says so when the last process that had the terminal is gone.
            return b""
        # Meanwhile the terminal's number may have become another's.
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
        """Kill what is left of the command, and reap it."""
        self.kill()
        self._process.wait()
        self._is_over = True
        os.close(self._terminal)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def split(command: str) -> list[str]:
    """The words of a command: quotes hold words together, a backslash takes the next character as it is.

    As in the agent, that is also so for every character between double quotes, and nothing is special between single
    ones. Raises NotStarted where a quote or a backslash is left open.
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
            quote, added = ("", "") if character == quote else (quote, character)
            word = (word or "") + added
        elif character in _QUOTES:
            quote, word = character, word or ""
        elif character in _SPACES:
            words, word = (words, None) if word is None else ([*words, word], None)
        elif character == "#" and word is None:
            for skipped in characters:
                if skipped == "\n":
                    break
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
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listing.read_text().split())
    return found
