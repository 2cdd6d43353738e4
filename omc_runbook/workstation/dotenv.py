"""A .env as a file, and each of its variables as Python and Docker Compose see it; values are masked."""

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
from omc_runbook.model.errors import UsageError
from omc_runbook.repository.compose import find_references
from omc_runbook.textfile.file import BOM
from omc_runbook.workstation.docker import EnvFile, Kind, read_env_file
from omc_runbook.workstation.dotenv_names import ALONE, HEAD, NAME, begun_in, heads_of, key_lines, lines_of, open_quotes

Newline = Literal["lf", "crlf", "mixed", "cr"]

LARGEST = 262_144
"""Bytes of the largest .env that is read."""

COMMENT = re.compile(r"\s*#(?:\s|\Z)")
"""What stands behind a = where there is a comment in the place of the value."""

_DOLLAR = re.compile(r"\$[A-Za-z_{$]|\\\$")
# python-dotenv looks into single quotes as well.
_LITERAL_DOLLAR = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
_BROKEN = re.compile(r"\$\{(?![A-Za-z_]\w*(?:\}|:?[-+]))")
_SIGN = re.compile(r"[^\w.\[\]-]")
_CUT = re.compile(r"\s#(.?)")


@dataclass(frozen=True)
class Binding:
    """One variable of the file, as the programs see it."""

    name: str
    line: int
    for_python: Masked | None
    """As python-dotenv gives it to Settings; None where it does not see the name or no value."""
    for_compose: Masked | None
    """As Docker Compose gives it to a service; None where it does not, refuses the file, or was not asked."""
    separator: str
    quote: str
    has_dollar: bool
    """Whether one of them takes a $ in it for more than a $."""
    has_hash: bool
    """Whether it is cut before a # that follows a blank."""
    is_comment: bool
    """Whether a comment stands where its value would, which Compose takes for the value."""
    is_hash_close: bool
    """Whether text follows that # without a blank, as it does in a value rather than in a comment."""
    is_unset: bool
    """Whether Compose finds no value for a name after a $, and puts nothing there."""
    is_refused: bool
    """Whether a ${…} in it is one for which Compose refuses the file."""


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
    misnamed: tuple[int, ...]
    """The lines that python-dotenv reads under a name with signs that no variable's name has."""
    swallowed: tuple[str, ...]
    """Names with a line in the file which python-dotenv does not see as that name, or with no value."""
    mentions: tuple[str, ...]
    """Names that any line looks to assign, comments aside, each once."""
    begun: frozenset[str] = field(repr=False)
    """First words of lines without a =, of use only to look for a name that is known."""
    engulfed: tuple[tuple[int, tuple[str, ...]], ...]
    """Each line with a quote that a later line closes, if any, with the names that those between look to assign."""
    compose_kind: Kind | None
    """Why Docker Compose refuses the file; "" where it does not, None where there is none to ask."""
    compose_line: int
    """Where it stops; 0 where it does not say."""
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
    literal: str | None
    line: int
    raw: str
    is_error: bool


def read_dotenv(
    path: Path, variables: Mapping[str, str], public: Collection[str] = (), program: Sequence[str] | None = None
) -> Dotenv | None:
    """Read a .env with the variables that the shell has; None where there is no file.

    `public` has texts that may be shown though they are values here, such as the template's own. `program` calls
    Docker Compose, which is asked how it reads the file. Raises UsageError for what is no small, readable file, and
    CouldNotLook where Compose does not answer.
    """
    loaded = _load(path)
    if loaded is None:
        return None
    raw, status = loaded
    text, encoding_error = _decode(raw)
    plain = text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
    statements = () if encoding_error else tuple(_statements(plain, variables, text.startswith(BOM)))
    is_text = not encoding_error and b"\0" not in raw
    compose = read_env_file(program, path, variables) if program and is_text else None
    hidden = key_lines(plain)
    values = [(each.name or "", each.value) for each in statements if each.value]
    registry.exempt(find_public([*values, *(compose.values.items() if compose else ())], public))
    _mask_the_rest(statements, plain, hidden, public)
    heads = heads_of(plain, hidden)
    statements = tuple(each for each in statements if each.line not in hidden)
    others = _other_heads(statements, heads, compose)
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
        bindings=tuple(_bind(statements, heads, others, compose, variables)),
        duplicates=tuple(_duplicates(statements, others)),
        unreadable=unreadable,
        misnamed=tuple(_misnamed(statements, text.startswith(BOM))),
        swallowed=() if encoding_error else tuple(name for name in mentions if name not in seen),
        mentions=mentions,
        begun=begun_in(plain, hidden),
        engulfed=tuple(_engulfed(statements, heads)),
        compose_kind=compose.kind if compose else None,
        compose_line=_stop(compose, text, heads) if compose else 0,
        unset=len(compose.unset) if compose else 0,
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
        literal = value = binding.value
        if value is not None:
            value = "".join(atom.resolve(known) for atom in parse_variables(value))
        if binding.key is not None:
            known[binding.key] = value
        if binding.key is not None or binding.error:
            yield _Statement(binding.key, value, literal, line, raw.lstrip(BOM), binding.error)


def _misnamed(statements: Iterable[_Statement], has_bom: bool) -> Iterator[int]:
    for at, each in enumerate(statements):
        name = each.name or ""
        if _SIGN.search(name.lstrip(BOM) if has_bom and not at else name):
            yield each.line


def _mask_the_rest(
    statements: Iterable[_Statement], text: str, hidden: Collection[int], public: Collection[str]
) -> None:
    """Mask what is no variable's value to Python: what stands in lines that are not read, and behind a #."""
    clear = {each.raw.strip() for each in statements if each.name and re.fullmatch(NAME, each.name)}
    for each in statements:
        if each.name and each.literal and each.literal != each.value:
            Masked(each.literal, each.name)
    for number, line in lines_of(text):
        head = None if number in hidden else HEAD.match(line)
        if head and (line.strip() not in clear or _is_close(_CUT.search(head[3] + head[5]))):
            rest = head[5].strip().strip("'\"")
            if not find_public([(head[1], rest)], public):
                Masked(rest, head[1])
        elif head is None and (number in hidden or not ALONE.fullmatch(line)):
            Masked(line.strip(), ".env")


def _stop(compose: EnvFile, text: str, heads: Mapping[int, re.Match[str]]) -> int:
    """The line that Compose stops at, as an editor counts them; of an open quote that where it begins."""
    opened = open_quotes(heads) if compose.kind == "unterminated" else ()
    if opened or not compose.line:
        return opened[-1] if opened else 0
    before = "\n".join(text.split("\n")[: compose.line])
    return len(re.findall(r"\r\n|\r|\n", before)) + 1


def _other_heads(
    statements: Iterable[_Statement], heads: Mapping[int, re.Match[str]], compose: EnvFile | None
) -> dict[int, re.Match[str]]:
    """The lines that are an assignment to Compose, and not to python-dotenv: those with a colon, say."""
    inner: set[int] = set()
    shown: set[int] = set()
    for each in statements:
        inner |= {*range(each.line + 1, each.line + 1 + each.raw.rstrip("\n").count("\n"))}
        shown |= {each.line} if _may_be_shown(each) else set()
    return {
        at: head
        for at, head in heads.items()
        if at not in inner | shown and (head[2] == ":" or (compose and head[1] in compose.values))
    }


def _bind(
    statements: tuple[_Statement, ...],
    heads: Mapping[int, re.Match[str]],
    others: Mapping[int, re.Match[str]],
    compose: EnvFile | None,
    variables: Mapping[str, str],
) -> Iterator[Binding]:
    python = {each.name: each for each in statements if each.name and _may_be_shown(each)}
    lines = {head[1]: at for at, head in others.items()} | {name: each.line for name, each in python.items()}
    theirs = compose.values if compose else {}
    unset = compose.unset - theirs.keys() - variables.keys() if compose else frozenset()
    for name, line in sorted(lines.items(), key=lambda pair: pair[1]):
        mine = python.get(name)
        value, other = mine.value if mine else None, theirs.get(name)
        head = (HEAD.match(mine.raw) if mine else None) or heads.get(line)
        head = head if head and head[1] == name else None
        quote = head[4] if head else ""
        rest = head[3] + head[5] if head else ""
        expanded = "" if quote == "'" else rest
        cut = None if quote else _CUT.search(rest)
        yield Binding(
            name=name,
            line=line,
            for_python=None if value is None else Masked(value, name),
            for_compose=None if other is None else Masked(other, name),
            separator=head[2] if head else "",
            quote=quote,
            has_dollar=(_LITERAL_DOLLAR if quote == "'" else _DOLLAR).search(rest) is not None,
            has_hash=cut is not None,
            is_comment=not quote and COMMENT.match(rest) is not None,
            is_hash_close=_is_close(cut),
            is_unset=any(each in unset and not operator for each, operator in find_references(expanded)),
            is_refused=bool(compose and compose.kind == "bad-interpolation" and _BROKEN.search(expanded)),
        )


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
    statements: tuple[_Statement, ...], others: Mapping[int, re.Match[str]]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    lines: dict[str, set[int]] = {}
    for name, line in [
        *((each.name, each.line) for each in statements if _may_be_shown(each)),
        *((head[1], at) for at, head in others.items()),
    ]:
        if name and re.fullmatch(NAME, name):
            lines.setdefault(name, set()).add(line)
    yield from ((name, tuple(sorted(found))) for name, found in lines.items() if len(found) > 1)
