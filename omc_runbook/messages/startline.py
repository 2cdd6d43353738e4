"""How one line of a start's log is read: what is wrong, and with which variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

REQUIRED = "required-empty"
REFUSED = "settings-refused"

OTHER_PASSWORD = (
    "the database has another password than the application: look whether the application reads the file that you "
    "mean, and whether the database's volume is older than the password"
)
KEPT_PASSWORD = "the database found its volume filled and kept the password that the volume was made with"

_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)


@dataclass(frozen=True)
class LineFault:
    """What is wrong: the fault's id, the variable that it is about ("" for none), and why in our own words."""

    check: str
    variable: str
    reason: str


class KnownVariables:
    """The variables that somebody knows of, in their own spelling."""

    def __init__(self, names: Collection[str]) -> None:
        self._spelling = {name.casefold(): name for name in sorted(names)}
        self._exact = frozenset(names)

    def within(self, text: str) -> str:
        """The first variable that a text names in capitals, "" for none."""
        return next((word for word in _WORD.findall(text) if word in self._exact), "")

    def of(self, name: str) -> str:
        """A variable's name as it is known, "" for one that is not."""
        return name if name in self._exact else self._spelling.get(name.casefold(), "")


@dataclass(frozen=True)
class LinePattern:
    """A form of line: words that each such line has, its pattern, and what a match says, None for nothing."""

    mark: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str], KnownVariables], LineFault | None]


def line(
    mark: str, pattern: str, read: Callable[[re.Match[str], KnownVariables], LineFault | None], flags: int = 0
) -> LinePattern:
    """A form of line whose match is read by a function."""
    return LinePattern(mark, re.compile(pattern, flags), read)


def always(mark: str, check: str, reason: str, variable: str = "", pattern: str = "") -> LinePattern:
    """A form of line that always says the same; its pattern is the mark unless there is another."""
    return line(mark, pattern or re.escape(mark), lambda match, names: LineFault(check, variable, reason))


def read_default(match: re.Match[str], names: KnownVariables) -> LineFault:
    """The template's default, which the application refuses."""
    return LineFault("changethis", match[1], "it still has the default changethis")


def read_quote(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A quote in .env that is not closed."""
    # Compose counts on to where it gave up looking for the other quote.
    until = f" before line {match['line']}" if match["line"] else ""
    return LineFault("unterminated", "", f"a quote in .env is not closed{until}")


def read_name(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A name in .env that compose refuses."""
    if match["mark"]:
        mark = ".env begins with a byte order mark, which compose takes for a part of the first name"
        return LineFault("dotenv-bom", "", mark)
    return _unreadable(match, "cannot be read by compose: its name has a character that no name may have")


def read_space(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A line of .env with a space in its name."""
    return _unreadable(match, "has a space before its =, or no = at all")


def read_statement(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A line of .env that python-dotenv skips."""
    return _unreadable(match, "cannot be read, and the application skips it")


def _unreadable(match: re.Match[str], reason: str) -> LineFault:
    where = f"line {match['line']} of .env" if match["line"] else "a line of .env"
    return LineFault("unterminated", "", f"{where} {reason}")


def read_blank(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A variable for which compose has no value."""
    variable = names.of(match[1])
    if variable:
        return LineFault(REQUIRED, variable, "compose found no value for it and put in an empty one")
    return LineFault("dollar", "", "compose put in nothing for a name that is no known variable: a $ may begin it")


def read_required(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A variable that compose requires."""
    variable = names.of(match["name"])
    if match["compose"] or variable:
        return LineFault(REQUIRED, variable or match["name"], "compose requires it and found no value")
    return LineFault("dollar", "", "compose took a $ in a value of .env for a required variable")


def read_json(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A list that is no JSON."""
    return LineFault(REFUSED, names.of(match[1]) or match[1], "it is not valid JSON, which a list has to be")


def read_server(match: re.Match[str], names: KnownVariables) -> LineFault:
    """A database server that does not exist at the address."""
    server = next(filter(None, map(names.of, ("POSTGRES_SERVER", "POSTGRES_HOST", "DB_HOST"))), "")
    if match.groupdict().get("host"):
        return LineFault("server", server, "no server has this name: within compose a server's name is its service's")
    return LineFault(
        "server",
        server,
        "no database answers at this address, which in a container is the container itself: use the database "
        "service's name",
    )


def read_key_error(match: re.Match[str], names: KnownVariables) -> LineFault | None:
    """A variable that the program read and that is not set."""
    variable = names.of(match[1])
    return LineFault(REQUIRED, variable, "the program reads it and it is not set") if variable else None
