"""A .env: its bytes, and each variable as python-dotenv and Docker Compose parse it; values are masked."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from omc_runbook.masking import registry
from omc_runbook.masking.public_values import find_public
from omc_runbook.masking.value import Masked
from omc_runbook.model import letters, regular_file
from omc_runbook.model.errors import UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.secretive import is_secret
from omc_runbook.model.suggestions import exists
from omc_runbook.repository.compose import find_references
from omc_runbook.textfile.conflict import conflict_lines
from omc_runbook.textfile.file import BOM
from omc_runbook.workstation.docker import EnvFile, Kind, read_env_file
from omc_runbook.workstation.dotenv_names import (
    BLOCK_MARK,
    find_assignments,
    find_open_quotes,
    first_words_of,
    is_alone,
    is_shown,
    lines_of,
    match_assignment,
    value_lines,
)
from omc_runbook.workstation.history import GIT_CRYPT, LFS_POINTER

Newline = Literal["lf", "crlf", "mixed", "cr"]

LARGEST = 262_144
"""The largest .env that is read, in bytes."""

LOCKED = "encrypted by git-crypt"
"""The error in the encoding of a file in a checkout that is locked."""

IN_LFS = "a pointer of Git LFS, which has not fetched the file"
"""The error in the encoding of a file whose bytes are elsewhere."""

COMMENT = re.compile(r"\s*#(?:\s|\Z)")
"""A comment instead of a value, after the =."""

DOLLAR = re.compile(r"\$[A-Za-z_{$]|\\\$")
# python-dotenv expands ${…} in single quotes too.
EXPANDED_BY_PYTHON = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
_BRACES = re.compile(r"\$\{[^}\n]*\}")
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\\$")
_IN_QUOTES = {each: re.compile(rf"(?:\\.|[^{each}\\])*+(?={each}\s*(?:#.*)?\Z)", re.DOTALL) for each in "'\""}
"""What is in a value's quotes, which a comment may follow."""
_INVALID_EXPANSION = re.compile(r"\$\{(?![A-Za-z_]\w*(?:\}|:?[-+]))")
_INVALID_CHARACTER = re.compile(r"[^\w.\[\]-]")
_CUT = re.compile(r"\s#(.?)")


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A variable of the file, as the programs parse it."""

    name: str
    line: int
    for_python: Masked | None
    """Its value for Settings, by python-dotenv; None if python-dotenv finds no such name, or no value."""
    for_compose: Masked | None
    """Its value for a service, by Docker Compose; None if there is none, Compose rejects the file, or was not run."""
    separator: str
    quote: str
    has_dollar: bool
    """Whether one of them expands a $ in it."""
    is_escaped: bool
    """Whether a backslash in double quotes keeps Compose, which removes it, from expanding a $: Python keeps it."""
    has_braces: bool
    """Whether a reader takes a ${…} in it for a variable, which quotes would keep from one reader alone."""
    has_hash: bool
    """Whether a # after a blank cuts it off."""
    is_comment: bool
    """Whether a comment stands instead of the value: Compose parses it as the value."""
    is_block: bool
    """Whether the mark of a YAML block, such as |, stands after a colon: the value is in the lines below."""
    has_text_after_hash: bool
    """Whether text follows that # without a blank, as in a value rather than in a comment."""
    is_unset: bool
    """Whether a name after a $ is not set, so that Compose makes it empty."""
    is_rejected: bool
    """Whether Compose rejects the file for a ${…} in it."""

    @property
    def value(self) -> Masked | None:
        """Its value for Settings, else for a service."""
        return self.for_python or self.for_compose


@dataclass(frozen=True, kw_only=True)
class Dotenv:
    """A .env: the file, its encoding and line endings, and its variables."""

    path: Path
    digest: bytes = field(repr=False)
    """SHA-256 of its bytes."""
    mode: int
    """Its permission bits."""
    is_link: bool
    target: Path
    newline: Newline
    has_bom: bool
    encoding_error: str
    """"UTF-16", `LOCKED`, `IN_LFS`, or the position of the first byte that is not UTF-8, so that Python reads nothing;
    "" for UTF-8."""
    has_nul: bool
    bindings: tuple[Binding, ...]
    """Each name once, in the file's order; of several lines with a name the last one."""
    duplicates: tuple[tuple[str, tuple[int, ...]], ...]
    unreadable: tuple[int, ...]
    """Lines that python-dotenv skips with a warning."""
    conflict_lines: tuple[int, ...]
    """Lines with which git marks merge conflicts."""
    misnamed_lines: tuple[int, ...]
    """Lines with a name that has characters not allowed in a variable's name."""
    odd_characters: Mapping[int, str]
    """By such a line, the number of the first of them that looks like another, or like nothing."""
    loose_words: tuple[int, ...]
    """Lines of a word that is no name, alone or with more than one =, as of a value that was split into lines."""
    hidden_names: tuple[str, ...]
    """Names that a line assigns and python-dotenv does not find, or finds no value for."""
    assigned_names: tuple[str, ...]
    """Names that a line appears to assign, comments excluded, each once."""
    first_words: frozenset[str] = field(repr=False)
    """First words of lines that are no assignments, only for comparison with known names."""
    multiline_quotes: tuple[tuple[int, tuple[str, ...]], ...]
    """Each line whose quote stays open, with the names that the lines inside the quote appear to assign."""
    compose_kind: Kind | None
    """Why Docker Compose rejects the file; "" if it accepts it, None without Docker Compose."""
    compose_line: int
    """The line of its error; 0 if it names none."""
    unset: int
    """The number of names after a $ that are not set, by Compose; the names may be pieces of a secret."""

    def find(self, name: str) -> Binding | None:
        """The variable of exactly this name."""
        return next((binding for binding in self.bindings if binding.name == name), None)


@dataclass(frozen=True, kw_only=True, repr=False)
class _Statement:
    """A statement of python-dotenv: name, value after and before (`literal`) variable expansion, and its text."""

    name: str | None
    value: str | None
    literal: str | None
    line: int
    raw: str
    is_error: bool
    is_shown: bool
    """Whether its name may be shown."""

    @property
    def is_loose(self) -> bool:
        """Whether it is a word that is no name, alone or with more than one =: with one it may lack a value."""
        is_word = self.name is not None and not _INVALID_CHARACTER.search(self.name)
        return is_word and not self.is_shown and self.literal != "" and not (self.literal or "").strip("=")

    @property
    def inner_lines(self) -> range:
        """The lines of its value after the first."""
        return range(self.line + 1, self.line + 1 + self.raw.rstrip("\n").count("\n"))


def read_dotenv(
    path: Path,
    variables: Mapping[str, str],
    public: Collection[str] = (),
    program: Sequence[str] | None = None,
    known: Collection[str] = (),
) -> Dotenv | None:
    """Read a .env; None if there is no file.

    `variables` are those of the shell, which ${…} may refer to. `public` are values that may be shown, such as the
    template's. `program` is the command of Docker Compose, which parses the file too. `known` are the names that the
    checkout has elsewhere, in lower case: a word alone on a line is then no value. Raises UsageError for a folder, a
    device, an unreadable file or one larger than `LARGEST`, and CouldNotLook if Compose does not end in time.
    """
    bytes_and_status = _read_bytes(path)
    if bytes_and_status is None:
        return None
    raw, status = bytes_and_status
    text, encoding_error = _decode(raw)
    plain = text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
    statements = () if encoding_error else tuple(_statements(plain, variables, text.startswith(BOM), known))
    is_text = not encoding_error and b"\0" not in raw
    compose = read_env_file(program, path, variables) if program and is_text else None
    hidden = value_lines(plain)
    values = [(each.name or "", each.value) for each in statements if each.value]
    values += compose.values.items() if compose else ()
    registry.exempt(find_public(values, public))
    registry.leave(_paths(values, path.parent))
    _mask_unread(statements, plain, hidden, public, known)
    assignments = find_assignments(plain, hidden, known)
    statements = tuple(each for each in statements if each.line not in hidden)
    compose_only = _compose_only(statements, assignments, compose)
    misnamed = dict(_misnamed_lines(statements, text.startswith(BOM)))
    assigned = tuple(dict.fromkeys(assignment[1] for assignment in assignments.values()))
    last = {each.name: each.value for each in statements}
    visible = {name for name, value in last.items() if value is not None}
    return Dotenv(
        path=path,
        digest=sha256(raw).digest(),
        mode=stat.S_IMODE(status.st_mode),
        is_link=path.is_symlink(),
        target=path.resolve(),
        newline=_newline(text),
        has_bom=text.startswith(BOM) and encoding_error != "UTF-16",
        encoding_error=encoding_error,
        has_nul=b"\0" in raw,
        bindings=tuple(_bind(statements, assignments, compose_only, compose, variables, known)),
        duplicates=tuple(_duplicates(statements, compose_only)),
        unreadable=tuple(each.line for each in statements if each.is_error),
        conflict_lines=conflict_lines(plain),
        misnamed_lines=tuple(misnamed),
        odd_characters={line: odd for line, odd in misnamed.items() if odd},
        loose_words=tuple(each.line for each in statements if each.is_loose),
        hidden_names=() if encoding_error else tuple(name for name in assigned if name not in visible),
        assigned_names=assigned,
        first_words=first_words_of(plain, hidden, known),
        multiline_quotes=tuple(_multiline_quotes(statements, assignments)),
        compose_kind=compose.kind if compose else None,
        compose_line=_compose_line(compose, text, assignments) if compose else 0,
        unset=len(compose.unset) if compose else 0,
    )


def _read_bytes(path: Path) -> tuple[bytes, os.stat_result] | None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{path} is a directory, not a file: move it away.")
        raw = regular_file.read(path, LARGEST)
    except regular_file.NotRegular:
        raise UsageError(f"{path} is a pipe or a device, not a file: put the variables into a file.") from None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = regular_file.advise_owner(path) if isinstance(error, PermissionError) else ""
        raise UsageError(f"{path} cannot be read: {why or error.strerror}.") from None
    if len(raw) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST:,} bytes: is it the right file?")
    return raw, status


def _decode(raw: bytes) -> tuple[str, str]:
    """The text, and the error in its encoding; bytes are counted from 1."""
    if raw.startswith(GIT_CRYPT):
        return "", LOCKED
    if raw.startswith(LFS_POINTER):
        return "", IN_LFS
    halves = raw[::2].count(0), raw[1::2].count(0)
    # In UTF-16 without a byte order mark every other byte of ASCII text is zero.
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(raw) > 3 and max(halves) > len(raw) * 0.4):
        form = "utf-16-be" if raw.startswith(b"\xfe\xff") or halves[0] > halves[1] else "utf-16-le"
        return raw.decode(form, errors="replace"), "UTF-16"
    try:
        return raw.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        return raw.decode("utf-8", errors="replace"), f"not UTF-8 at byte {error.start + 1}"


def _paths(values: Iterable[tuple[str, str]], folder: Path) -> Iterator[tuple[str, str]]:
    """The (value, name) pairs of paths in a folder or above it, which findings and commands name, and of no secret."""
    for name, value in values:
        path = folder / value
        # Other places may be of a network that does not answer.
        is_near = path.is_relative_to(folder) or path in folder.parents
        if is_near and not is_secret(name) and exists(path):
            yield value, name


def _newline(text: str) -> Newline:
    windows = text.count("\r\n")
    unix, mac = text.count("\n") - windows, text.count("\r") - windows
    if bool(windows) + bool(unix) + bool(mac) > 1:
        return "mixed"
    return "crlf" if windows else "cr" if mac else "lf"


def _statements(text: str, variables: Mapping[str, str], has_bom: bool, known: Collection[str]) -> Iterator[_Statement]:
    """Parse as python-dotenv does for Settings, with variables expanded: those of the file take precedence.

    Until 1.2.2 it takes a byte order mark for a part of the first name, and which version the application has is
    unknown. So the text gets two, of which a later version removes the first.
    """
    values: dict[str, str | None] = dict(variables)
    for binding in parse_stream(io.StringIO(f"{BOM}{BOM}{text}" if has_bom else text)):
        raw = binding.original.string.lstrip()
        line = binding.original.line + binding.original.string.removesuffix(raw).count("\n")
        literal = value = binding.value
        if value is not None:
            value = "".join(atom.resolve(values) for atom in parse_variables(value))
        if binding.key is not None:
            values[binding.key] = value
        if binding.key is not None or binding.error:
            raw = raw.lstrip(BOM)
            yield _Statement(
                name=binding.key,
                value=value,
                literal=literal,
                line=line,
                raw=raw,
                is_error=binding.error,
                is_shown=is_shown(binding.key, value, raw, known),
            )


def _misnamed_lines(statements: Iterable[_Statement], has_bom: bool) -> Iterator[tuple[int, str]]:
    """Yield the lines with a name that is none, each with the number of a character that deceives, if it has one."""
    for at, each in enumerate(statements):
        name = each.name or ""
        wrong = _INVALID_CHARACTER.findall(name.lstrip(BOM) if has_bom and not at else name)
        if wrong:
            yield each.line, next((shown for each in wrong if (shown := letters.number(each)) != each), "")


def _mask_unread(
    statements: Iterable[_Statement],
    text: str,
    hidden: Collection[int],
    public: Collection[str],
    known: Collection[str],
) -> None:
    """Mask what no binding has: lines that python-dotenv cannot parse, text after a #, a variable's former lines.

    Git's marks of a merge conflict are no values, and a remedy names them.
    """
    conflicts = frozenset(conflict_lines(text))
    assignments = [each for each in statements if each.is_shown]
    parsed = {each.raw.strip() for each in assignments}
    for each in assignments:
        if each.name and each.value:
            Masked(each.value, each.name)
    for each in statements:
        if each.name and each.literal and each.literal != each.value:
            Masked(each.literal, each.name)
    for number, line in lines_of(text):
        if number in conflicts and not line.strip().strip("<|=>"):
            continue
        assignment = None if number in hidden else match_assignment(line, known)
        if assignment and (line.strip() not in parsed or _has_text(_CUT.search(assignment[3] + assignment[5]))):
            rest = assignment[5].strip().strip("'\"")
            if not find_public([(assignment[1], rest)], public):
                Masked(rest, assignment[1])
        elif assignment is None and (number in hidden or not is_alone(line, known)):
            Masked(line.strip(), ".env")


def _compose_line(compose: EnvFile, text: str, assignments: Mapping[int, re.Match[str]]) -> int:
    """The line of Compose's error as an editor counts it; for an unterminated value the line where it begins."""
    opened = find_open_quotes(assignments) if compose.kind == "unterminated" else ()
    if opened or not compose.line:
        return opened[-1] if opened else 0
    before = "\n".join(text.split("\n")[: compose.line])
    return len(re.findall(r"\r\n|\r|\n", before)) + 1


def _compose_only(
    statements: Iterable[_Statement], assignments: Mapping[int, re.Match[str]], compose: EnvFile | None
) -> dict[int, re.Match[str]]:
    """Lines that are an assignment to Compose but not to python-dotenv, for example with a colon."""
    inner: set[int] = set()
    visible: set[int] = set()
    for each in statements:
        inner |= {*each.inner_lines}
        visible |= {each.line} if each.is_shown else set()
    return {
        at: assignment
        for at, assignment in assignments.items()
        if at not in inner | visible and (assignment[2] == ":" or (compose and assignment[1] in compose.values))
    }


def _bind(
    statements: tuple[_Statement, ...],
    assignments: Mapping[int, re.Match[str]],
    compose_only: Mapping[int, re.Match[str]],
    compose: EnvFile | None,
    variables: Mapping[str, str],
    known: Collection[str],
) -> Iterator[Binding]:
    last = {each.name: each for each in statements if each.name}
    python = {name: each for name, each in last.items() if each.is_shown}
    lines = {assignment[1]: at for at, assignment in compose_only.items()}
    lines |= {name: each.line for name, each in python.items()}
    compose_values = compose.values if compose else {}
    unset = compose.unset - compose_values.keys() - variables.keys() if compose else frozenset()
    for name, line in sorted(lines.items(), key=lambda pair: pair[1]):
        statement = python.get(name)
        value, compose_value = statement.value if statement else None, compose_values.get(name)
        assignment = (match_assignment(statement.raw, known) if statement else None) or assignments.get(line)
        assignment = assignment if assignment and assignment[1] == name else None
        quote = assignment[4] if assignment else ""
        text = assignment[3] + assignment[5] if assignment else ""
        inner = _IN_QUOTES[quote].match(assignment[5]) if assignment and quote else None
        text = inner[0] if inner else text
        expanded = "" if quote == "'" else text
        comment = None if quote else _CUT.search(text)
        yield Binding(
            name=name,
            line=line,
            for_python=None if value is None else Masked(value, name),
            for_compose=None if compose_value is None else Masked(compose_value, name),
            separator=assignment[2] if assignment else "",
            quote=quote,
            has_dollar=(EXPANDED_BY_PYTHON if quote == "'" else DOLLAR).search(text) is not None,
            is_escaped=quote == '"' and _ESCAPED.search(text) is not None,
            has_braces=_BRACES.search(text) is not None,
            has_hash=comment is not None,
            is_comment=not quote and COMMENT.match(text) is not None,
            is_block=assignment is not None and assignment[2] == ":" and BLOCK_MARK.fullmatch(text) is not None,
            has_text_after_hash=_has_text(comment),
            is_unset=any(each in unset and not operator for each, operator in find_references(expanded)),
            is_rejected=bool(compose and compose.kind == "bad-interpolation" and _INVALID_EXPANSION.search(expanded)),
        )


def _has_text(comment: re.Match[str] | None) -> bool:
    return comment is not None and comment[1].strip() not in ("", "#")


def _multiline_quotes(
    statements: Iterable[_Statement], assignments: Mapping[int, re.Match[str]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield each line whose quote stays open, with the names in the lines that python-dotenv reads as its value."""
    opened = {*find_open_quotes(assignments)}
    for each in statements:
        if each.line in opened:
            inner = (assignments[at] for at in each.inner_lines if at in assignments)
            yield each.line, tuple(assignment[1] for assignment in inner if assignment[2] == "=")


def _duplicates(
    statements: tuple[_Statement, ...], compose_only: Mapping[int, re.Match[str]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    assignments = ((each.name, each.line) for each in statements if each.is_shown)
    lines = grouped((*assignments, *((assignment[1], at) for at, assignment in compose_only.items())))
    for name, numbers in lines.items():
        if name and len({*numbers}) > 1:
            yield name, tuple(sorted({*numbers}))
