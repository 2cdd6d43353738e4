"""A .env as Docker Compose reads it, which is not as Python reads it.

Written from what docker-compose 2.26.1 does; https://docs.docker.com/compose/environment-variables/env-file/ tells less
than that. Later versions are stricter with compose files, and as far as is known the same here. What Compose takes and
the engine then refuses, as a variable without a name, counts as taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["", "unterminated", "space-in-name", "bad-name", "bad-interpolation"]

BOM = "\ufeff"

_SPACE = "\t\v\f\r \x85\xa0"
_WIDE_SPACE = f"{_SPACE}\n\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_EVERY_SPACE = _SPACE + "\n\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_SKIPPED = re.compile(rf"(?:[{_WIDE_SPACE}]+|#[^\n]*)*")
_EXPORT = re.compile(rf"export(?=[\t\n\f\r ])[{_SPACE}]*")
_NAME = re.compile(rf"(?:[{_SPACE}.\[\]-]|\w)*")
_BLANK = re.compile(rf"[{_SPACE}]*")
_QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
_LINE = re.compile(r"([^\n]*)\n?")
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE = re.compile(r'\\(?:([abcfnrtv$"\\])|0([0-9]{0,3}))')
_ESCAPED = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'},
    # A dollar that counts for itself is written twice where variables are expanded, which comes next.
    "$": "$$",
}

# Go folds the case of two letters more than ASCII has: the long s and the sign for kelvin.
_VARIABLE = r"[A-Za-z_\u017f\u212a][A-Za-z0-9_\u017f\u212a]*"
EXPANDED = re.compile(
    rf"\$(?:(?P<dollar>\$)|(?P<plain>{_VARIABLE})"
    rf"|\{{(?P<name>{_VARIABLE})(?:(?P<operator>:?[-+?])(?P<word>.*))?\}}|(?P<invalid>\{{))"
)
"""Everything that Compose expands in a text, or refuses as `invalid`; a `word` may reach too far, see `split`."""

DEEPEST = 50
"""How many ${…} may stand in each other; Compose has no such limit, and nobody comes near it."""

_SENTENCES: dict[Kind, str] = {
    "unterminated": "a quote is not closed",
    "space-in-name": "a name has a space in it",
    "bad-name": "a name has a character that no name may have",
    "bad-interpolation": "a ${…} is not closed, or says that it needs a variable that is not set",
}


@dataclass(frozen=True)
class Assignment:
    """One variable of the file, where it stands and how it is written."""

    name: str
    value: str = field(repr=False)
    line: int
    separator: str
    """"=" or ":"; "" for a name alone, which takes its value from the shell."""
    quote: str
    is_unset: bool = False
    """Whether a $ in it names a variable that is not set, so that nothing is put there."""


@dataclass(frozen=True)
class Reading:
    """What Compose takes from the file: everything, or nothing at all and why."""

    assignments: tuple[Assignment, ...] = ()
    kind: Kind = ""
    line: int = 0
    """The line of the statement that Compose stops at; its own message names the end of an open quote instead."""
    unset: tuple[str, ...] = field(default=(), repr=False)
    """Names after a $ for which nothing is put, each once; they may be pieces of a secret."""

    @property
    def values(self) -> Mapping[str, str]:
        """The variables with their values; of several assignments the last counts."""
        return {each.name: each.value for each in self.assignments}

    @property
    def error(self) -> str:
        """Why Compose refuses the file, without any of its text; "" where it does not."""
        return f"line {self.line}: {_SENTENCES[self.kind]}" if self.kind else ""


class Refused(Exception):
    """Compose refuses a text for a class of reasons."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.kind = kind


def read(text: str, variables: Mapping[str, str]) -> Reading:
    """Read a file's text with the variables of the shell, which go before those of the file where a $ names one."""
    text = text.removeprefix(BOM)
    found: list[Assignment] = []
    values: dict[str, str] = {}
    unset: dict[str, None] = {}

    def look_up(name: str) -> str | None:
        return variables.get(name, values.get(name))

    at = _end(_SKIPPED, text, 0)
    while at < len(text):
        line = _line_at(text, at)
        missed: dict[str, None] = {}
        try:
            name, separator, at = _read_name(text, at)
            if separator == "\n":
                separator, quote, value = "", "", variables.get(name) if name else None
            else:
                quote, value, at = _read_value(text, at)
                if quote != "'":
                    value = expand(value, look_up, missed)
        except Refused as refused:
            return Reading((), refused.kind, line)
        if value is not None:
            values[name] = value
            found.append(Assignment(name, value, line, separator, quote, bool(missed)))
        unset |= missed
        at = _end(_SKIPPED, text, at)
    return Reading(tuple(found), unset=tuple(unset))


def read_beside(text: str, variables: Mapping[str, str]) -> Reading:
    """Read a .env that stands beside the compose file and is a service's env_file as well.

    Compose reads it twice: for the project, and with what came of that for the service. So a $ may name a variable
    that stands further down. What it reads for the project it puts into its own environment, where a value without a
    name cannot be.
    """
    first = read(text, variables)
    nameless = next((each for each in first.assignments if not each.name), None)
    if nameless:
        return Reading((), "bad-name", nameless.line)
    second = first if first.kind else read(text, {**first.values, **variables})
    return Reading(second.assignments, second.kind, second.line, first.unset)


def expand(text: str, look_up: Callable[[str], str | None], unset: dict[str, None], depth: int = 0) -> str:
    """Put values in the place of $NAME and ${NAME…}; a name without value is added to `unset`, and nothing put.

    Raises Refused for a ${…} that Compose cannot read, and for one that needs a variable which is not set.
    """
    parts, at = [], 0
    while found := EXPANDED.search(text, at):
        parts.append(text[at : found.start()])
        at = found.end()
        if found["invalid"] or depth > DEEPEST:
            raise Refused("bad-interpolation")
        name, operator = found["plain"] or found["name"], found["operator"] or ""
        if found["dollar"]:
            parts.append("$")
            continue
        value = look_up(name)
        if operator:
            word, rest = split(found)
            at -= len(rest)
            # The word is expanded even where nobody takes it, and may be refused.
            other = expand(word, look_up, unset, depth + 1)
            there = bool(value) if operator.startswith(":") else value is not None
            if operator.endswith("?") and not there:
                raise Refused("bad-interpolation")
            value = other if operator[-1] in "-+" and there == operator.endswith("+") else value
        elif value is None:
            unset[name] = None
        parts.append(value or "")
    return "".join([*parts, text[at:]])


def split(found: re.Match[str]) -> tuple[str, str]:
    """The word of a ${NAME:-word} up to the brace that closes it, and what follows on the line.

    Compose counts braces, and does not look at the character after an opening one.
    """
    text = found[0]
    depth, at = 0, 0
    while at < len(text):
        if text[at] == "}":
            depth -= 1
            if not depth:
                return text[found.start("word") - found.start() : at], text[at + 1 :]
        elif text[at] == "{":
            depth += 1
            at += 1
        at += 1
    return found["word"], ""


def _read_name(text: str, at: int) -> tuple[str, str, int]:
    """A name, what ends it ("=", ":" or a line end; "" at the file's end), and where its value begins."""
    at = _end(_EXPORT, text, at)
    if at == len(text):
        raise Refused("bad-name")
    end = _end(_NAME, text, at)
    if end == len(text):
        # Without a line end the last line is a value that has no name.
        return "", "", at
    if text[end] not in "=:\n":
        raise Refused("bad-name")
    name = text[at:end].rstrip(_EVERY_SPACE)
    if " " in name:
        raise Refused("space-in-name")
    return name, text[end], _end(_BLANK, text, end + 1)


def _read_value(text: str, at: int) -> tuple[str, str, int]:
    """The quote of a value, the value with its escapes resolved, and where it ends."""
    quote = text[at : at + 1]
    if quote not in ("'", '"'):
        line = _LINE.match(text, at)
        assert line
        return "", line[1].partition(" #")[0].rstrip(_EVERY_SPACE), line.end()
    quoted = _QUOTED.match(text, at)
    if quoted is None:
        raise Refused("unterminated")
    value = _PAIR.sub(lambda pair: quote if pair[1] == quote else pair[0], quoted[2])
    return quote, _ESCAPE.sub(_unescape, value) if quote == '"' else value, quoted.end()


def _unescape(found: re.Match[str]) -> str:
    if found[1]:
        return _ESCAPED.get(found[1], found[0])
    octal = found[2]
    if re.fullmatch("[0-3][0-7][0-7]", octal):
        return chr(int(octal, 8))
    return f"\\{octal}"


def _line_at(text: str, at: int) -> int:
    """The line of a place as an editor and Python count them, to whom a carriage return ends one too."""
    return text.count("\n", 0, at) + text.count("\r", 0, at) - text.count("\r\n", 0, at) + 1


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
