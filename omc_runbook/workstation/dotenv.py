"""A .env as a file, and each of its variables as Python and Docker Compose see it; values are masked."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from omc_runbook.masking import registry
from omc_runbook.masking.public_values import find_harmless
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.repository.compose_dotenv import BOM, Assignment, Kind, read_beside
from omc_runbook.workstation.dotenv_names import ALONE, HEAD, NAME, begun_in, heads_of, key_lines, lines_of, open_quotes

Newline = Literal["lf", "crlf", "mixed", "cr"]

LARGEST = 262_144
"""Bytes of the largest .env that is read."""

_DOLLAR = re.compile(r"\$[A-Za-z_{$]|\\\$")
# python-dotenv looks into single quotes as well.
_LITERAL_DOLLAR = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
_CUT = re.compile(r"\s#(.?)")


@dataclass(frozen=True)
class Binding:
    """One variable of the file, as the programs see it."""

    name: str
    line: int
    for_python: Masked | None
    """As python-dotenv gives it to Settings; None where it does not see the name or no value."""
    for_compose: Masked | None
    """As Docker Compose gives it to a service; None where it does not, or refuses the file."""
    separator: str
    quote: str
    has_dollar: bool
    """Whether one of them takes a $ in it for more than a $."""
    has_hash: bool
    """Whether it is cut before a # that follows a blank."""
    is_hash_close: bool
    """Whether text follows that # without a blank, as it does in a value rather than in a comment."""
    is_unset: bool
    """Whether Compose finds no value for a name after a $, and puts nothing there."""


@dataclass(frozen=True)
class Dotenv:
    """A .env: the file, what is odd about its bytes, and its variables."""

    path: Path
    digest: bytes = field(repr=False)
    mode: int
    """Its permission bits; the digest is that of its bytes."""
    owner_is_me: bool
    is_link: bool
    target: Path
    newline: Newline
    has_bom: bool
    encoding_error: str
    """"UTF-16" or the place of the first byte that is not UTF-8; "" for UTF-8. Python reads nothing of such a file."""
    has_nul: bool
    bindings: tuple[Binding, ...]
    """Each name once, in the file's order; of several lines the last counts."""
    duplicates: tuple[tuple[str, tuple[int, ...]], ...]
    unreadable: tuple[int, ...]
    """The lines that python-dotenv skips with a warning."""
    swallowed: tuple[str, ...]
    """Names with a line in the file which python-dotenv does not see as that name, or with no value."""
    mentions: tuple[str, ...]
    """Names that any line looks to assign, comments aside, each once."""
    begun: frozenset[str] = field(repr=False)
    """First words of lines without a =, of use only to look for a name that is known."""
    engulfed: tuple[tuple[int, tuple[str, ...]], ...]
    """Each line with a quote that a later line closes, if any, with the names that those between look to assign."""
    compose_error: str
    """Why Compose refuses the file, without any of its text; "" where it does not."""
    compose_kind: Kind
    compose_line: int
    unset: int
    """How many names after a $ Compose warns of, since they are not set; the names may be pieces of a secret."""

    def find(self, name: str) -> Binding | None:
        """The variable of exactly this name."""
        return next((binding for binding in self.bindings if binding.name == name), None)


@dataclass(frozen=True, repr=False)
class _Statement:
    """What python-dotenv reads as one: its name, its value before and after variables are put in, and all its text."""

    name: str | None
    value: str | None
    line: int
    raw: str
    is_error: bool


def read_dotenv(path: Path, variables: Mapping[str, str], public: Collection[str] = ()) -> Dotenv | None:
    """Read a .env with the variables that the shell has; None where there is no file.

    `public` has texts that may be shown though they are values here, such as the template's own. Raises UsageError
    for what is no small, readable file.
    """
    loaded = _load(path)
    if loaded is None:
        return None
    raw, status = loaded
    text, encoding_error = _decode(raw)
    plain = text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
    statements = () if encoding_error else tuple(_statements(plain, variables, text.startswith(BOM)))
    compose = read_beside(raw.decode("utf-8", errors="replace"), variables)
    hidden = key_lines(plain)
    values = [(each.name or "", each.value) for each in statements if each.value]
    registry.exempt(find_harmless([*values, *((each.name, each.value) for each in compose.assignments)], public))
    _mask_the_rest(statements, plain, hidden, public)
    heads = heads_of(plain, hidden)
    statements = tuple(each for each in statements if each.line not in hidden)
    assignments = tuple(each for each in compose.assignments if each.line not in hidden and _is_at_home(each, heads))
    unreadable = tuple(each.line for each in statements if each.is_error)
    mentions = tuple(dict.fromkeys(head[1] for head in heads.values()))
    last = {each.name: each.value for each in statements}
    seen = {name for name, value in last.items() if value is not None}
    return Dotenv(
        path=path,
        digest=sha256(raw).digest(),
        mode=stat.S_IMODE(status.st_mode),
        owner_is_me=status.st_uid == os.getuid(),
        is_link=path.is_symlink(),
        target=path.resolve(),
        newline=_newline(text),
        has_bom=text.startswith(BOM) and encoding_error != "UTF-16",
        encoding_error=encoding_error,
        has_nul=b"\0" in raw,
        bindings=tuple(_bind(statements, assignments, heads)),
        duplicates=tuple(_duplicates(statements, assignments)),
        unreadable=unreadable,
        swallowed=() if encoding_error else tuple(name for name in mentions if name not in seen),
        mentions=mentions,
        begun=begun_in(plain, hidden),
        engulfed=tuple(_engulfed(statements, heads)),
        compose_error=compose.error,
        compose_kind=compose.kind,
        compose_line=compose.line,
        unset=len(compose.unset),
    )


def _load(path: Path) -> tuple[bytes, os.stat_result] | None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{path} is a directory where a file is expected: move it away.")
        # A pipe would be waited for, and nobody here writes into it.
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is a pipe or a device, and no file: put the variables into a file.")
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) > LARGEST:
        raise UsageError(f"{path} is larger than {LARGEST:,} bytes: is it the right file?")
    return raw, status


def _decode(raw: bytes) -> tuple[str, str]:
    """The text, and what is wrong with it as UTF-8; a byte is counted from 1."""
    halves = raw[::2].count(0), raw[1::2].count(0)
    # Without its mark UTF-16 shows by the zeros that every other byte of plain text is.
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(raw) > 3 and max(halves) > len(raw) * 0.4):
        form = "utf-16-be" if raw.startswith(b"\xfe\xff") or halves[0] > halves[1] else "utf-16-le"
        return raw.decode(form, errors="replace"), "UTF-16"
    try:
        return raw.decode("utf-8"), ""
    except UnicodeDecodeError as error:
        return raw.decode("utf-8", errors="replace"), f"not UTF-8 at byte {error.start + 1}"


def _newline(text: str) -> Newline:
    windows = text.count("\r\n")
    unix, mac = text.count("\n") - windows, text.count("\r") - windows
    if bool(windows) + bool(unix) + bool(mac) > 1:
        return "mixed"
    return "crlf" if windows else "cr" if mac else "lf"


def _statements(text: str, variables: Mapping[str, str], has_bom: bool) -> Iterator[_Statement]:
    """What python-dotenv reads, with variables put in as it does for Settings: those of the file go before.

    Until 1.2.2 it takes a byte order mark for a part of the first name, and which version the application has is not
    known here. So two are given to it, of which a later one takes away the first.
    """
    known: dict[str, str | None] = dict(variables)
    for binding in parse_stream(io.StringIO(f"{BOM}{BOM}{text}" if has_bom else text)):
        raw = binding.original.string.lstrip()
        line = binding.original.line + binding.original.string.removesuffix(raw).count("\n")
        value = binding.value
        if value is not None:
            value = "".join(atom.resolve(known) for atom in parse_variables(value))
        if binding.key is not None:
            known[binding.key] = value
        if binding.key is not None or binding.error:
            yield _Statement(binding.key, value, line, raw.lstrip(BOM), binding.error)


def _mask_the_rest(
    statements: Iterable[_Statement], text: str, hidden: Collection[int], public: Collection[str]
) -> None:
    """Mask what is no variable's value to Python: what stands in lines that are not read, and behind a #."""
    clear = {each.raw.strip() for each in statements if each.name and re.fullmatch(NAME, each.name)}
    for number, line in lines_of(text):
        head = None if number in hidden else HEAD.match(line)
        if head and (line.strip() not in clear or _is_close(_CUT.search(head[3] + head[5]))):
            rest = head[5].strip().strip("'\"")
            if not find_harmless([(head[1], rest)], public):
                Masked(rest, head[1])
        elif head is None and (number in hidden or not ALONE.fullmatch(line)):
            Masked(line.strip(), ".env")


def _bind(
    statements: tuple[_Statement, ...], assignments: tuple[Assignment, ...], heads: Mapping[int, re.Match[str]]
) -> Iterator[Binding]:
    python = {each.name: each for each in statements if each.name and _may_be_shown(each)}
    compose = {each.name: each for each in assignments if re.fullmatch(NAME, each.name)}
    lines = {name: each.line for name, each in compose.items()} | {name: each.line for name, each in python.items()}
    for name, line in sorted(lines.items(), key=lambda pair: pair[1]):
        mine, theirs = python.get(name), compose.get(name)
        value, other = mine.value if mine else None, theirs.value if theirs else None
        head = (HEAD.match(mine.raw) if mine else None) or heads.get(line)
        head = head if head and head[1] == name else None
        quote = head[4] if head else theirs.quote if theirs else ""
        rest = head[3] + head[5] if head else ""
        cut = None if quote else _CUT.search(rest)
        yield Binding(
            name=name,
            line=line,
            for_python=None if value is None else Masked(value, name),
            for_compose=None if other is None else Masked(other, name),
            separator=head[2] if head else theirs.separator if theirs else "",
            quote=quote,
            has_dollar=(_LITERAL_DOLLAR if quote == "'" else _DOLLAR).search(rest) is not None,
            has_hash=cut is not None,
            is_hash_close=_is_close(cut),
            is_unset=theirs is not None and theirs.is_unset,
        )


def _is_at_home(assignment: Assignment, heads: Mapping[int, re.Match[str]]) -> bool:
    """Whether a name that Compose finds begins its line, and is no piece of a value behind a quote that closed late."""
    head = heads.get(assignment.line)
    return head is None or head[1] == assignment.name


def _is_close(cut: re.Match[str] | None) -> bool:
    return cut is not None and cut[1].strip() not in ("", "#")


def _engulfed(
    statements: Iterable[_Statement], heads: Mapping[int, re.Match[str]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """What each quote that is open at its line's end takes in, as python-dotenv reads it."""
    opened = {*open_quotes(heads)}
    for each in statements:
        if each.line in opened:
            inner = range(each.line + 1, each.line + 1 + each.raw.rstrip("\n").count("\n"))
            yield each.line, tuple(heads[at][1] for at in inner if at in heads and heads[at][2] == "=")


def _may_be_shown(statement: _Statement) -> bool:
    """Whether a statement's name is one, and no piece of a value that was broken into lines."""
    if statement.value is None:
        return ALONE.fullmatch(statement.raw) is not None
    return re.fullmatch(NAME, statement.name or "") is not None


def _duplicates(
    statements: tuple[_Statement, ...], assignments: tuple[Assignment, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    lines: dict[str, set[int]] = {}
    for name, line in [
        *((each.name, each.line) for each in statements if _may_be_shown(each)),
        *((each.name, each.line) for each in assignments),
    ]:
        if name and re.fullmatch(NAME, name):
            lines.setdefault(name, set()).add(line)
    yield from ((name, tuple(sorted(found))) for name, found in lines.items() if len(found) > 1)
