"""A text file of a checkout, read byte for byte, and an edit of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from omc_runbook.model import regular_file
from omc_runbook.model.errors import UsageError
from omc_runbook.model.regular_file import LARGEST
from omc_runbook.textfile.diff import unified_diff

BOM = "\ufeff"


@dataclass(frozen=True)
class SourceFile:
    """A text file of a checkout: its path, its name in messages, and its bytes."""

    path: Path
    name: str
    """Its path within the checkout, with slashes."""
    raw: bytes = field(repr=False)

    @cached_property
    def text(self) -> str:
        """The text without a byte order mark, its line ends as they are."""
        return self.raw.decode("utf-8").removeprefix(BOM)

    @property
    def newline(self) -> str:
        """The line ending of most lines."""
        return newline_of(self.text)

    def with_text(self, text: str, what: str) -> Edit:
        """Return the edit that replaces the text, described by `what`; a byte order mark stays."""
        mark = BOM if self.raw.decode("utf-8").startswith(BOM) else ""
        return Edit(self, (mark + text).encode(), what)


@dataclass(frozen=True)
class Edit:
    """An edit of a file that is not written yet: the new bytes, and a description of what it adds."""

    file: SourceFile
    after: bytes = field(repr=False)
    what: str

    @property
    def diff(self) -> str:
        """The edit as a unified diff for `git apply`, with line endings."""
        return self._diff(self.file.name, 3)

    def patch(self, root: Path) -> str:
        """The edit as a diff without context lines, so that no copy of a value nearby is made.

        The path is the target of a symbolic link, relative to `root`, since git does not edit links. In `root`,
        `git apply --unidiff-zero` applies it, and reverts it with `--reverse`.
        """
        return self._diff(self.file.path.resolve().relative_to(root.resolve()).as_posix(), 0)

    @property
    def removed_lines(self) -> tuple[str, ...]:
        """The lines that the edit removes or replaces, without line feeds."""
        return tuple(line[1:] for line in self.diff.split("\n")[2:] if line.startswith("-"))

    def _diff(self, name: str, context: int) -> str:
        return unified_diff(_lines(self.file.raw), _lines(self.after), name, context)


def newline_of(text: str) -> str:
    """The line ending of most lines of a text."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def is_inside(name: str) -> bool:
    """Whether a path, from the top of a checkout, stays within it."""
    return not posixpath.normpath(name).startswith(("/", ".."))


def read_source(repository: Path, name: str) -> SourceFile | None:
    """Read a file by its path within a checkout; None if it does not exist.

    Raises UsageError for a folder, an unreadable file, one larger than `LARGEST`, or one that is not UTF-8.
    """
    path = repository / name
    try:
        raw = regular_file.read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        # No file has a name with a null character, as source code may.
        return None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, not a file: name a checkout of the platform.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST:,} bytes: is this a checkout of the platform?")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text: save it as such.") from None
    return SourceFile(path, name, raw)


def read_if_readable(repository: Path, name: str) -> SourceFile | None:
    """Read a file by its path within a checkout; None also where `read_source` raises UsageError."""
    try:
        return read_source(repository, name)
    except UsageError:
        return None


def read_first(repository: Path, names: Iterable[str]) -> SourceFile | None:
    """Read the first file that exists, of several by their paths within a checkout; raises as `read_source`."""
    return next(filter(None, (read_source(repository, name) for name in names)), None)


def _lines(raw: bytes) -> list[str]:
    """Split at line feeds only, as git does; str.splitlines splits at more characters."""
    *complete, last = raw.decode("utf-8").split("\n")
    return [f"{line}\n" for line in complete] + ([last] if last else [])
