"""A file of the application's own, read without losing a byte, and what would become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.diff import unified

LARGEST = 1_048_576
"""Bytes of the largest file that is read: no source file is larger."""

BOM = "\ufeff"


@dataclass(frozen=True)
class SourceFile:
    """A text file of a checkout: where it is, how it is called in sentences, and its bytes."""

    path: Path
    name: str
    """Its path within the checkout, with slashes."""
    raw: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The text without a byte order mark, its line ends as they are."""
        return self.raw.decode("utf-8").removeprefix(BOM)

    @property
    def newline(self) -> str:
        """The line end that most lines have."""
        return "\r\n" if self.raw.count(b"\r\n") * 2 > self.raw.count(b"\n") else "\n"

    def becomes(self, text: str, what: str) -> Edit:
        """The edit that gives the file another text; a byte order mark stays."""
        mark = BOM if self.raw.decode("utf-8").startswith(BOM) else ""
        return Edit(self, (mark + text).encode(), what)


@dataclass(frozen=True)
class Edit:
    """What would become of a file: all its new bytes, and in words what is added."""

    file: SourceFile
    after: bytes = field(repr=False)
    what: str

    @property
    def diff(self) -> str:
        """The edit as a unified diff that `git apply` takes, line ends included."""
        return self._unified(self.file.name, 3)

    def patch(self, root: Path) -> str:
        """The edit without the lines around it, which may hold what is nobody's business: no copy is made of them.

        It names what a link leads to, since git edits no link. In `root`, `git apply --unidiff-zero` takes it, also
        in reverse.
        """
        return self._unified(self.file.path.resolve().relative_to(root.resolve()).as_posix(), 0)

    @property
    def replaced(self) -> tuple[str, ...]:
        """The lines that it puts others in the place of, each of which holds what the former one held."""
        return tuple(line[1:] for line in self.diff.split("\n")[2:] if line.startswith("-"))

    @property
    def added(self) -> tuple[str, ...]:
        """The lines that it adds."""
        return tuple(line[1:].rstrip("\r") for line in self.diff.split("\n")[2:] if line.startswith("+"))

    def _unified(self, name: str, around: int) -> str:
        return unified(_lines(self.file.raw), _lines(self.after), name, around)


def read_source(repository: Path, name: str) -> SourceFile | None:
    """Read a file of a checkout by its path within; None where there is none.

    Raises UsageError, in one sentence, for what is no readable text in UTF-8.
    """
    path = repository / name
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder where a file is expected: name a checkout of the platform.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST:,} bytes: is this a checkout of the platform?")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text: save it as such.") from None
    return SourceFile(path, name, raw)


def _lines(raw: bytes) -> list[str]:
    """Lines as git counts them: at line feeds alone, not at every character that Python takes for a line's end."""
    *whole, last = raw.decode("utf-8").split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])
