"""The layout of a .env or of its template: statements, variables, comments and section titles."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Literal, NamedTuple

from dotenv.parser import parse_stream

from omc_runbook.textfile.file import BOM

Kind = Literal["assignment", "comment", "blank", "unreadable"]

DECORATION = "#-=*~_+─━═"

_LEADING = re.compile(r"[^\S\r\n]*(?:\r\n|\n|\r)")
_NAME = re.compile(r"\ufeff*\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)")
_EXPORT = re.compile(r"\ufeff*\s*export[^\S\r\n]")
_EQUALS = re.compile(r"([^\S\r\n]*)=([^\S\r\n]*)")
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_UNQUOTED = re.compile(r"[^\r\n]*")
_CUT = re.compile(r"\s+#")
_IN_COMMENT = re.compile(r"\ufeff*\s*#\s*(?P<whole>(?:export\s+)?(?P<name>[A-Z_][A-Z0-9_]*)\s*=.*)", re.DOTALL)


@dataclass(frozen=True)
class Statement:
    """A line, or all lines of a quoted value."""

    end: int
    """The position after it, in characters."""
    name: str
    """The variable of an assignment; "" for everything else."""
    kind: Kind
    raw: str = field(repr=False)
    value: str | None = field(default=None, repr=False)
    """The literal value of an assignment, without interpolation of $; None for a name alone, and everything else."""


class Spelling(NamedTuple):
    """The text of an assignment: up to its value, the value with its quotes, and the rest."""

    before: str
    value: str
    after: str


@dataclass(frozen=True)
class Heading:
    """The title of a section, and the indexes of its statements."""

    title: str = ""
    begins: int = 0
    ends: int = 0
    is_framed: bool = False
    """Whether rulers frame it, not only a blank line."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable with its comment and section; positions are indexes of statements."""

    name: str
    at: int
    begins: int
    """The first of the comment lines directly above; `at` if there are none."""
    heading: Heading
    commented_out: bool


# A plan asks for the same few texts again and again, and python-dotenv takes its time.
@lru_cache(maxsize=8)
def statements(text: str) -> tuple[Statement, ...]:
    """Split a text as python-dotenv does; the raw texts joined are the text again."""
    return _split(text)


def _split(text: str) -> tuple[Statement, ...]:
    body = text.lstrip(BOM)
    mark = text[: len(text) - len(body)]
    parts: list[Statement] = []
    for name, kind, raw, value in _pieces(body):
        start = parts[-1].end if parts else 0
        full_text = raw if parts else mark + raw
        parts.append(Statement(start + len(full_text), name, kind, full_text, value))
    return tuple(parts) if body or not mark else (Statement(len(mark), "", "blank", mark),)


def spelling_of(assignment: Statement) -> Spelling:
    """Split an assignment into the parts before, of and after its value."""
    raw = assignment.raw
    name = _NAME.match(raw)
    at = name.end() if name else 0
    equals = _EQUALS.match(raw, at)
    if not equals:
        return Spelling(f"{raw[:at]}=", "", raw[at:])
    start = equals.end()
    quoted = _QUOTED.match(raw, start)
    if quoted:
        return Spelling(raw[:start], quoted[0], raw[quoted.end() :])
    line = _UNQUOTED.match(raw, start)
    text = line[0] if line else ""
    if not text or (text.startswith("#") and equals[2]):
        # A blank after "=" is style if one is before it, and else belongs to the comment.
        blank = equals[2][:1] if equals[1] else ""
        begin = equals.start(2)
        return Spelling(raw[:begin] + blank, "", raw[begin if text else begin + len(blank) :])
    comment = _CUT.search(text)
    value = text[: comment.start() if comment else None].rstrip()
    return Spelling(raw[:start], value, raw[start + len(value) :])


def export_as_in(parts: Iterable[Statement], block: str) -> str:
    """Lines in the style of a file: with export where each of its assignments has it, for a shell that reads it."""
    assignments = [each.raw for each in parts if each.kind == "assignment"]
    if not assignments or not all(map(_EXPORT.match, assignments)):
        return block
    new = _split(block)
    is_bare = [each.kind == "assignment" and not _EXPORT.match(each.raw) for each in new]
    return "".join(f"export {each.raw}" if bare else each.raw for each, bare in zip(new, is_bare, strict=True))


def assignment_of(comment: Statement) -> Statement | None:
    """The assignment in a commented-out line; None for any other statement."""
    match = _IN_COMMENT.fullmatch(comment.raw) if comment.kind == "comment" else None
    inner = _split(match["whole"]) if match else ()
    return inner[0] if len(inner) == 1 and inner[0].kind == "assignment" else None


def joined_words(comments: Iterable[Statement]) -> str:
    """The words of several comment lines as one text, without commented-out assignments."""
    return " ".join(words for each in comments if not assignment_of(each) and (words := words_of(each.raw)))


def words_of(comment: str) -> str:
    """The words of a comment, without "#" and rulers; "" if it has none."""
    line = " ".join(comment.strip(f"{BOM} \t\r\n").lstrip("#").split())
    if set(line) <= {*DECORATION, " "}:
        return ""
    # Two marks may be a part of a word, as in --flag, unless a blank separates them.
    words = line.rstrip(DECORATION)
    line = words.rstrip() if len(line) - len(words) + words.endswith(" ") > 2 else line
    words = line.lstrip(DECORATION)
    return words.lstrip() if len(line) - len(words) + words.startswith(" ") > 2 else line


def title_in(comment: str) -> str:
    """The title in a comment line with rulers on both sides; "" for any other comment."""
    first, *words = comment.strip(BOM).split()
    if first == "#" and words:
        first, words = f"#{words[0]}", words[1:]
    if len(words) < 2 or min(len(first), len(words[-1])) < 2 or not {*first, *words[-1]} <= {*DECORATION}:
        return ""
    return " ".join(words[:-1])


def variables(parts: Sequence[Statement]) -> Iterator[Variable]:
    """Yield every variable in order, also commented-out ones, with its comment lines and its section."""
    heading = Heading()
    begins, opening, is_apart = 0, -1, True
    earlier = ("", 0)
    for at, part in enumerate(parts):
        inner = assignment_of(part)
        framed = title_in(part.raw) if part.kind == "comment" and opening < 0 else ""
        if part.kind == "assignment" or inner:
            name = inner.name if inner else part.name
            first = earlier[1] if earlier[0] == name else begins
            yield Variable(name=name, at=at, begins=first, heading=heading, commented_out=inner is not None)
            earlier, begins, opening, is_apart = (name if inner else "", first), at + 1, -1, False
        elif framed:
            heading = Heading(framed, at, at + 1, True)
            earlier, begins, is_apart = ("", 0), at + 1, True
        elif part.kind == "comment" and _is_rule(part.raw):
            words = joined_words(parts[begins:at])
            if words:
                heading = Heading(words, begins if opening < 0 else opening, at + 1, True)
            earlier, begins, opening, is_apart = ("", 0), at + 1, -1 if words else at, True
        elif part.kind in ("blank", "unreadable"):
            words = joined_words(parts[begins:at]) if part.kind == "blank" and is_apart and at - begins == 1 else ""
            if words and not words.endswith("."):
                heading = Heading(words, begins if opening < 0 else opening, at, opening >= 0)
            earlier, begins, opening, is_apart = ("", 0), at + 1, -1, part.kind == "blank"


def _pieces(body: str) -> Iterator[tuple[str, Kind, str, str | None]]:
    line_feed = ""
    bindings = list(parse_stream(io.StringIO(body)))
    for binding, following in zip_longest(bindings, bindings[1:]):
        raw = binding.original.string[len(line_feed) :]
        line_feed = ""
        if binding.error and raw.endswith("\r") and following and following.original.string.startswith("\n"):
            # python-dotenv ends a line that it cannot parse between \r and \n.
            line_feed = "\n"
        while blank := _LEADING.match(raw):
            yield "", "blank", blank[0], None
            raw = raw[blank.end() :]
        if not raw.strip():
            kind: Kind = "blank"
        elif binding.key is not None:
            kind = "assignment"
        else:
            kind = "comment" if raw.lstrip().startswith("#") else "unreadable"
        if raw:
            yield (binding.key or "") if kind == "assignment" else "", kind, raw + line_feed, binding.value


def _is_rule(comment: str) -> bool:
    line = "".join(comment.strip(BOM).split())
    return set(line) <= {*DECORATION} and (len(line) > 3 or line == "###")
