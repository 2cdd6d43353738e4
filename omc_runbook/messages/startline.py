"""How one line of a start's log is read: what is wrong, and with which variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

REQUIRED = "required-empty"
REFUSED = "settings-refused"

OTHER_PASSWORD = (
    "the database has another password than the application: look whether the application reads the file that you "
    "mean, and whether the database's volume is older than the password"
)
KEPT_PASSWORD = "the database found its volume filled and kept the password that the volume was made with"

_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)


@dataclass(frozen=True)
class StartProblem:
    """What a text says is wrong: the fault's id, the variable ("" for none), and why in our own words."""

    check: str
    variable: str
    reason: str
    service: str = ""
    """What wrote it: the name before compose's bar, without the replica's number; "" where there is none."""
    is_of_several: bool = field(default=False, compare=False)
    """Whether a check of the whole class says so, which compares the variable with others."""
    path: str = ""
    """The field of a model within Settings that is missing, as db.password, where no variable is known for it."""


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
    read: Callable[[re.Match[str], KnownVariables], StartProblem | None]


def line(
    mark: str, pattern: str, read: Callable[[re.Match[str], KnownVariables], StartProblem | None], flags: int = 0
) -> LinePattern:
    """A form of line whose match is read by a function."""
    return LinePattern(mark, re.compile(pattern, flags), read)


def always(mark: str, check: str, reason: str, variable: str = "", pattern: str = "") -> LinePattern:
    """A form of line that always says the same; its pattern is the mark unless there is another."""
    return line(mark, pattern or re.escape(mark), lambda match, names: StartProblem(check, variable, reason))


def read_default(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """The template's default, which the application refuses."""
    return StartProblem("changethis", match[1], "it still has the default changethis")


def read_quote(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A quote in .env that is not closed."""
    # Compose counts on to where it gave up looking for the other quote.
    until = f" before line {match['line']}" if match["line"] else ""
    return StartProblem("unterminated", "", f"a quote in .env is not closed{until}")


def read_name(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A name in .env that compose refuses."""
    if match["mark"]:
        mark = ".env begins with a byte order mark, which compose takes for a part of the first name"
        return StartProblem("dotenv-bom", "", mark)
    return _unread_line(match, "cannot be read by compose: its name has a character that no name may have")


def unreadable(mark: str, pattern: str, reason: str) -> LinePattern:
    """A form of line that says why a line of .env cannot be read."""
    return line(mark, pattern, lambda match, names: _unread_line(match, reason))


def _unread_line(match: re.Match[str], reason: str) -> StartProblem:
    where = f"line {match['line']} of .env" if match["line"] else "a line of .env"
    return StartProblem("unterminated", "", f"{where} {reason}")


def read_blank(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A variable for which compose has no value."""
    variable = names.of(match[1])
    if variable:
        return StartProblem(REQUIRED, variable, "compose found no value for it and put in an empty one")
    return StartProblem("dollar", "", "compose put in nothing for a name that is no known variable: a $ may begin it")


def read_required(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A variable that compose requires."""
    variable = names.of(match["name"])
    if match["compose"] or variable:
        return StartProblem(REQUIRED, variable or match["name"], "compose requires it and found no value")
    return StartProblem("dollar", "", "compose took a $ in a value of .env for a required variable")


def read_json(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A list that is no JSON."""
    return StartProblem(REFUSED, names.of(match[1]) or match[1], "it is not valid JSON, which a list has to be")


def read_server(match: re.Match[str], names: KnownVariables) -> StartProblem:
    """A database server that does not exist at the address."""
    server = next(filter(None, map(names.of, ("POSTGRES_SERVER", "POSTGRES_HOST", "DB_HOST"))), "")
    reason = "no server has this name: within compose a server's name is its service's"
    if not match.groupdict().get("host"):
        reason = (
            "no database answers at this address, which in a container is the container itself: use the database "
            "service's name"
        )
    return StartProblem("server", server, reason)


def read_key_error(match: re.Match[str], names: KnownVariables) -> StartProblem | None:
    """A variable that the program read and that is not set."""
    variable = names.of(match[1])
    return StartProblem(REQUIRED, variable, "the program reads it and it is not set") if variable else None
