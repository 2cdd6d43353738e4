"""The file that new values come from: warned of before it is read, read with care, removed once it has served."""

from __future__ import annotations

import io
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream

from omc_runbook.masking.document import DocumentError, Kind, parse
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import expand

LARGEST_FILE = 262_144
"""Bytes: four times what Secrets Manager takes, for a document with generous white space."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
"""The key of a line; anything else before a "=" may be a piece of a value, and is in no sentence."""

OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class Given:
    """A value that somebody gave, in words where it came from, and what it is in the JSON of its source."""

    value: Masked
    origin: str
    kind: Kind = "string"
    is_placeholder: bool = False
    """Whether it is ours, and stands for a value that is still to come."""


def path_of(values_from: str) -> Path | None:
    """The file that a source of values names; None where it names none."""
    kind, _, name = values_from.partition(":")
    return expand(name) if kind == "file" and name else None


def precautions(values_from: str) -> tuple[str, ...]:
    """Say what is unsafe about a source file, without reading it: readable by others, or about to be committed."""
    path = _there(values_from)
    if path is None:
        return ()
    found = []
    if path.stat().st_mode & OTHERS:
        found.append(f"{path} can be read by others on this machine: {command('chmod', '600', path)}.")
    if _may_be_committed(path):
        found.append(f"{path} is in a git work tree that does not ignore it: one `git add .` would publish it.")
    return tuple(found)


def consume(values_from: str, text: Masked, keep: bool = False) -> str:
    """Remove the source file, unless told to keep it or the secret's new `text` lacks a value of it.

    Gives a sentence on what was done, "" where the values came from no file. A link goes with the file that it leads
    to.
    """
    path = _there(values_from)
    if path is None:
        return ""
    if keep:
        return f"{path} was kept, as you asked: it still holds the values in the clear."
    try:
        document = parse(text)
        written = {member.key: member.injected for member in document.members}
        values = read_file(path)
        left = [key for key in values if key not in written or not values[key].value.same_as(written[key])]
    except UsageError as error:
        return f"It was kept, since it cannot be read any more. {error}"
    if left:
        only = "a value that is" if len(left) == 1 else "values that are"
        return f"{path} was kept, with {only} nowhere else: {', '.join(left)}. Write the rest too, or remove the file."
    try:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"{path} could not be removed ({error.strerror}): remove it yourself, it holds the values in the clear."
    return f"{path} was removed."


def read_file(path: Path) -> dict[str, Given]:
    """Read a file of JSON or of NAME=value lines; UsageError, in one sentence, for one that is neither."""
    return read(load(path, "the new values"), f"file {path.name}", str(path))


def load(path: Path, content: str) -> bytes:
    """The bytes of a small file; UsageError, in one sentence that says what it should hold, for what is none."""
    try:
        # A pipe would be waited for, and nobody here writes into it.
        if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is a pipe or a device, and no file: put {content} into a file and name that.")
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: name the file that holds {content}.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory: name the file in it.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE:,} bytes, more than any secret: is it the right file?")
    return raw


def read(raw: bytes, origin: str, where: str) -> dict[str, Given]:
    """Read JSON or NAME=value lines; `where` begins the sentence of a UsageError, `origin` is kept with each value."""
    if b"\0" in raw:
        raise UsageError(f"{where} has a NUL byte: save it as plain UTF-8 text.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{where} is not UTF-8 text: save it as such.") from None
    if not text.strip():
        raise UsageError(f"{where} is empty: there is nothing to write.")
    masked = Masked(text, origin)
    # Anything but a name at the beginning is meant as JSON, and told what is wrong with it.
    if text.lstrip().startswith(("{", "[", "'", '"', "\ufeff")):
        return _members(masked, where)
    return {key: Given(value, origin) for key, value in _lines(text, where).items()}


def _there(values_from: str) -> Path | None:
    """The source file where there is one that can be seen; what is wrong otherwise is told when it is read."""
    path = path_of(values_from)
    try:
        return path if path and path.is_file() else None
    except OSError:
        return None


def _members(masked: Masked, where: str) -> dict[str, Given]:
    try:
        document = parse(masked)
    except DocumentError as error:
        reason = str(error).removeprefix(f"Secret {masked.name} ")
        raise UsageError(f"{where}: the text {reason}") from None
    if document.duplicates:
        raise UsageError(f"{where} has {document.duplicates[0]} twice: keep one of them.")
    return {member.key: Given(member.injected, masked.name, member.kind) for member in document.members}


def _lines(text: str, where: str) -> dict[str, Masked]:
    found: dict[str, Masked] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.key is None and not binding.error:
            continue
        if binding.error or not binding.key or binding.value is None or not NAME.fullmatch(binding.key):
            raise UsageError(f"{where}, line {binding.original.line} is neither JSON nor NAME=value.")
        if binding.key in found:
            raise UsageError(f"{where} has {binding.key} twice: keep one of them.")
        found[binding.key] = Masked(binding.value, binding.key)
    return found


def _may_be_committed(path: Path) -> bool:
    """Whether a file is in a git work tree and not ignored; where git cannot be asked, it is taken as not ignored."""
    folder = path.resolve().parent
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return True
    asked = [git, "-C", str(folder), "check-ignore", "--quiet", "--", path.resolve().name]
    return subprocess.run(asked, capture_output=True, check=False).returncode != 0
