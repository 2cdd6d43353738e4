"""The source file of new values: its precautions, its reading, and its removal afterwards."""

from __future__ import annotations

import io
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from omc_runbook.masking.document import DocumentError, Kind, parse
from omc_runbook.masking.value import Masked
from omc_runbook.model import letters, regular_file
from omc_runbook.model.errors import UsageError
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import expand
from omc_runbook.repository import git
from omc_runbook.workstation.dotenv_names import find_assignments, find_open_quotes

LARGEST_FILE = 262_144
"""Bytes: four times the limit of Secrets Manager, to allow for white space."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
"""The key of a line; any other text before a "=" may be part of a value, and is never printed."""

_ASSIGNED_WITHIN = re.compile(r"\n[ \t]*(?:export[ \t]+)?[A-Z](?:[A-Z0-9]*_[A-Z0-9_]*=|[A-Z0-9]*=[^=\s])")
"""A line for another key within a value: the quote before it was to be closed earlier.

Base64 has no underscore, and nothing but more of them after a "=".
"""

OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True)
class NewValue:
    """A new value, where it comes from, in words, and its JSON type in the source."""

    value: Masked
    origin: str
    kind: Kind = "string"
    is_placeholder: bool = False
    """Whether it is a placeholder from add_key, to be replaced later."""


def path_of(values_from: str) -> Path | None:
    """The path of a file:PATH source; None for any other source."""
    kind, _, name = values_from.partition(":")
    return expand(name) if kind == "file" and name else None


def precautions(values_from: str) -> tuple[str, ...]:
    """What is unsafe about a source file, without reading it: its mode, or git not ignoring it."""
    path = _existing_path(values_from)
    if path is None:
        return ()
    warnings = []
    if path.stat().st_mode & OTHERS:
        warnings.append(f"{path} can be read by others on this machine: {command('chmod', '600', path)}.")
    if _may_be_committed(path):
        warnings.append(f"{path} is in a git work tree that does not ignore it: one `git add .` would publish it.")
    return tuple(warnings)


def consume(values_from: str, text: Masked, keep: bool = False) -> str:
    """Remove the source file, and a link to it, unless `keep` is set or the secret's new `text` lacks a value of it.

    Returns a sentence on what was done, "" where the values did not come from a file.
    """
    path = _existing_path(values_from)
    if path is None:
        return ""
    if keep:
        return f"{path} was kept, as you asked: it still has the values in plain text."
    try:
        document = parse(text)
        written_values = {member.key: member.injected for member in document.members}
        values = read_file(path)
        unwritten_keys = [
            key for key in values if key not in written_values or not values[key].value.same_as(written_values[key])
        ]
    except UsageError as error:
        return f"It was kept, because it can no longer be read. {error}"
    if unwritten_keys:
        keys = ", ".join(unwritten_keys)
        return f"{path} was kept, since the secret lacks its values of {keys}. Write them too, or remove the file."
    try:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"{path} could not be removed ({error.strerror}): remove it yourself, it has the values in plain text."
    return f"{path} was removed."


def read_file(path: Path) -> dict[str, NewValue]:
    """Read a file of JSON or of NAME=value lines; raises UsageError for anything else."""
    return read(load(path, "the new values"), f"file {path.name}", str(path))


def load(path: Path, content: str) -> bytes:
    """The bytes of a small file; raises UsageError, which names the expected `content`, where it cannot be read."""
    try:
        raw = regular_file.read(path, LARGEST_FILE)
    except regular_file.NotRegular:
        raise UsageError(f"{path} is a pipe or a device: put {content} into a regular file.") from None
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: name the file that holds {content}.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory: name the file in it.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE:,} bytes, more than any secret: is it the right file?")
    return raw


def read(raw: bytes, origin: str, where: str) -> dict[str, NewValue]:
    """Parse JSON or NAME=value lines; `where` begins a UsageError's message, `origin` is stored with each value."""
    try:
        return _read(raw, origin, where)
    except UsageError as error:
        refusal = UsageError(str(error))
    # Raised here, without the file's text, of which not all is masked: no traceback can show it.
    del raw
    raise refusal


def _read(raw: bytes, origin: str, where: str) -> dict[str, NewValue]:
    if b"\0" in raw:
        raise UsageError(f"{where} has a NUL byte: save it as plain UTF-8 text.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{where} is not UTF-8 text: save it as such.") from None
    if text.startswith("\ufeff"):
        raise UsageError(f"{where} begins with a byte order mark: save it as UTF-8 without one.")
    if not text.strip():
        raise UsageError(f"{where} is empty: there is nothing to write.")
    # Text that does not begin with a name is parsed as JSON, for JSON's error message.
    is_json = text.lstrip().startswith(("{", "[", "'", '"'))
    values = _members(Masked(text, origin), where) if is_json else _lines(text, origin, where)
    if not values:
        raise UsageError(f"{where} has no key: there is nothing to write.")
    return values


def _existing_path(values_from: str) -> Path | None:
    """The source file, if it exists and is accessible; reading it reports anything else."""
    path = path_of(values_from)
    try:
        return path if path and path.is_file() else None
    except OSError:
        return None


def _members(masked: Masked, where: str) -> dict[str, NewValue]:
    try:
        document = parse(masked)
    except DocumentError as error:
        raise UsageError(f"{where}: the text {error.reason}") from None
    if document.duplicates:
        raise UsageError(f"{where} has {document.duplicates[0]} twice: keep one of them.")
    return {member.key: NewValue(member.injected, masked.name, member.kind) for member in document.members}


def _lines(text: str, origin: str, where: str) -> dict[str, NewValue]:
    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        _mask(binding, origin)
    values: dict[str, NewValue] = {}
    for binding in bindings:
        if binding.key is None and not binding.error:
            continue
        if (
            not binding.key
            or binding.value is None
            or not NAME.fullmatch(binding.key)
            or _ASSIGNED_WITHIN.search(binding.original.string.lstrip())
        ):
            raise UsageError(f"{where}, {_why_unread(binding)}.")
        if binding.key in values:
            raise UsageError(f"{where} has {binding.key} twice: keep one of them.")
        values[binding.key] = NewValue(Masked(binding.value, binding.key), origin)
    return values


def _mask(binding: Binding, origin: str) -> None:
    """Mask what a line says as it is written: what follows the name, or all of a line that has none.

    Not the text as a whole: the end of a value and the next line's name would together count as a piece of it.
    """
    line = binding.original.string.strip()
    rest = line.partition("=")[2].strip().strip("'\"")
    if binding.key and NAME.fullmatch(binding.key):
        Masked(rest, binding.key)
    else:
        Masked(rest if line.startswith("#") else line, origin)


def _why_unread(binding: Binding) -> str:
    """The line that cannot be read, and why; blank lines above it belong to the same binding."""
    text = binding.original.string.lstrip()
    line = binding.original.line + binding.original.string.removesuffix(text).count("\n")
    if find_open_quotes(find_assignments(text.partition("\n")[0], ())):
        return f"line {line} has a quote that is not closed: close it, or leave it out"
    if unicodedata.category(text[:1] or " ") == "Cf":
        # Such as the byte order mark of a file that was appended to another.
        return f"line {line} begins with {letters.describe(text[0])}, which nobody sees: remove it"
    return f"line {line} is neither JSON nor NAME=value"


def _may_be_committed(path: Path) -> bool:
    """Whether a file is in a git work tree and not ignored; without git it counts as not ignored."""
    folder = path.resolve().parent
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return False
    return not git.is_ignored(folder, path.resolve().name)
