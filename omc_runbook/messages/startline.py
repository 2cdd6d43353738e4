"""One line of a start's log: what the application, its database or compose says in it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from omc_runbook.messages.validation import REFUSED, REQUIRED

_CHANGETHIS = (
    re.compile(r"The value of ([A-Za-z_]\w{0,63}) is \\?[\"'`]changethis\b", re.ASCII),
    re.compile(r"\b([A-Za-z_]\w{0,63}) still has the default \\?[\"'`]changethis\b", re.ASCII),
)
_WORD = re.compile(r"[A-Z][A-Z0-9_]{2,63}", re.ASCII)
_LOGIN = "password authentication failed for user"
_PASSWORD = "POSTGRES_PASSWORD"

OTHER_PASSWORD = (
    "the database has another password than the application was given: look whether the application reads the file "
    "that you mean, and whether the database's volume is older than the password"
)

KEPT_PASSWORD = "the database found its volume filled and kept the password that the volume was made with"


REFUSED_HERE = (
    "no database answers at this address, which in a container is the container itself: there a database is reached "
    "by its service's name"
)
UNKNOWN_HOST = "there is no server of this name: within compose one is reached by its service's name"


@dataclass(frozen=True)
class LineFault:
    """What is wrong: the fault's id, the variable that it is about ("" for none), and why in our own words."""

    check: str
    variable: str
    reason: str


class KnownVariables:
    """The variables that somebody knows of, in their own spelling."""

    def __init__(self, known: Collection[str]) -> None:
        self._spelling = {name.casefold(): name for name in sorted(known)}
        self._exact = frozenset(known)

    def within(self, text: str) -> str:
        """The first variable that a text names in capitals, "" for none."""
        return next((word for word in _WORD.findall(text) if word in self._exact), "")

    def of(self, name: str) -> str:
        """A variable's name as it is known, "" for one that is not."""
        return name if name in self._exact else self._spelling.get(name.casefold(), "")


def judge_default(line: str) -> LineFault | None:
    """The refusal of a default that the template came with, if a line tells of one."""
    found = next((found for each in _CHANGETHIS if (found := each.search(line))), None)
    return LineFault("changethis", found[1], "it still has the default changethis") if found else None


def judge_line(line: str, names: KnownVariables) -> LineFault | None:
    """What a line that is no error of pydantic's says is wrong, if anything."""
    for mark, pattern, judge in _RULES:
        if mark in line and (found := pattern.search(line)):
            return judge(found, names)
    return judge_default(line)


_Judge = Callable[[re.Match[str], KnownVariables], LineFault | None]


def _at(found: re.Match[str]) -> str:
    return f"line {found['line']} of .env" if found["line"] else "a line of .env"


def _judge_quote(found: re.Match[str], names: KnownVariables) -> LineFault:
    # Compose counts on to where it gave up looking for the other quote.
    until = f" before line {found['line']}" if found["line"] else ""
    return LineFault("unterminated", "", f"a quote in .env is not closed{until}")


def _judge_name(found: re.Match[str], names: KnownVariables) -> LineFault:
    if found["mark"]:
        mark = ".env begins with a byte order mark, which compose takes for a part of the first name"
        return LineFault("dotenv-bom", "", mark)
    reason = f"{_at(found)} cannot be read by compose: its name has a character that none may have"
    return LineFault("unterminated", "", reason)


def _judge_blank(found: re.Match[str], names: KnownVariables) -> LineFault:
    variable = names.of(found[1])
    if variable:
        return LineFault(REQUIRED, variable, "compose found no value for it and put in an empty one")
    return LineFault("dollar", "", "compose put in nothing for a name that no known variable has: a $ may begin it")


def _judge_demanded(found: re.Match[str], names: KnownVariables) -> LineFault:
    variable = names.of(found["name"])
    if found["compose"] or variable:
        return LineFault(REQUIRED, variable or found["name"], "compose requires it and found no value")
    return LineFault("dollar", "", "compose took a $ in a value of .env for a variable that must be given")


def _say(check: str, reason: str, variable: str = "") -> _Judge:
    return lambda found, names: LineFault(check, variable, reason)


def _judge_unreached(found: re.Match[str], names: KnownVariables) -> LineFault:
    server = next(filter(None, map(names.of, ("POSTGRES_SERVER", "POSTGRES_HOST", "DB_HOST"))), "")
    return LineFault("server", server, UNKNOWN_HOST if found.groupdict().get("host") else REFUSED_HERE)


def _judge_asked(found: re.Match[str], names: KnownVariables) -> LineFault | None:
    variable = names.of(found[1])
    return LineFault(REQUIRED, variable, "the program asked for it and it was not given") if variable else None


_LINE = r"(?:\bline (?P<line>\d{1,7}): )?"
_FATAL = r"(?:FATAL:\s{1,4}|InvalidCatalogNameError: |InvalidAuthorizationSpecificationError: )"
# What compose quotes from .env stands last in its line, and no other rule may look into it: these come first.
_RULES: tuple[tuple[str, re.Pattern[str], _Judge], ...] = (
    ("unterminated quoted value", re.compile(_LINE + "unterminated quoted value"), _judge_quote),
    (
        "unexpected character",
        re.compile(_LINE + r"unexpected character (?P<mark>\"(?:\ufeff|\\ufeff|»|ï))?.{0,12} in variable name"),
        _judge_name,
    ),
    (
        "key cannot contain a space",
        re.compile(_LINE + "key cannot contain a space"),
        lambda found, names: LineFault("unterminated", "", f"{_at(found)} has a space before its =, or no = at all"),
    ),
    (
        "Invalid template",
        re.compile(r"[Ii]nvalid template\b"),
        _say("dollar", "compose took a $ in a value of .env for a variable, and could not read the name"),
    ),
    (
        "is missing a value",
        re.compile(
            r"(?P<compose>error while interpolating [\w.\[\]-]{1,200}: )?"
            r"required variable (?P<name>[A-Za-z_]\w{0,63}) is missing a value"
        ),
        _judge_demanded,
    ),
    (
        "variable is not set",
        re.compile(r"The (?:\\?\")?([A-Za-z_]\w{0,63})(?:\\?\")? variable is not set\. Defaulting to a blank string"),
        _judge_blank,
    ),
    (
        "invalid interpolation format",
        re.compile("invalid interpolation format for "),
        _say("dollar", "compose cannot expand what stands behind a $ in its own file"),
    ),
    (
        "env file",
        re.compile(r"\benv file .{1,500}? not found|[Cc]ouldn't find env file"),
        _say("dotenv-missing", "compose found no such file where it looked for it"),
    ),
    (
        "no such file",
        re.compile(r"\.env: no such file or directory"),
        _say("dotenv-missing", "compose found no such file where it looked for it"),
    ),
    (
        "could not parse statement",
        re.compile(r"could not parse statement starting at line (?P<line>\d{1,7})"),
        lambda found, names: LineFault(
            "unterminated", "", f"{_at(found)} cannot be read, and the application leaves it out"
        ),
    ),
    (
        "error parsing value for field",
        re.compile(r"error parsing value for field \"([A-Za-z_]\w{0,63})\" from source \"\w{1,80}\""),
        lambda found, names: LineFault(
            REFUSED, names.of(found[1]) or found[1], "it is no valid JSON, which a list has to be"
        ),
    ),
    (_LOGIN, re.compile(_LOGIN), _say("store-only", OTHER_PASSWORD, _PASSWORD)),
    (
        "does not exist",
        re.compile(_FATAL + r"role \".{1,63}?\" does not exist"),
        _say(
            "store-only",
            "the database has no such role: its volume may have been made with another one",
            "POSTGRES_USER",
        ),
    ),
    (
        "does not exist",
        re.compile(_FATAL + r"database \".{1,63}?\" does not exist"),
        _say(
            "store-only",
            "the server has no such database: its volume may have been made with another name",
            "POSTGRES_DB",
        ),
    ),
    (
        "onnection refused",
        re.compile(r"connection to server at \"(?:localhost|127\.0\.0\.1|::1)\".{0,80}[Cc]onnection refused"),
        _judge_unreached,
    ),
    ("Connect call failed", re.compile(r"Connect call failed \('(?:127\.0\.0\.1|::1)', 5432"), _judge_unreached),
    ("host name", re.compile(r"could not translate (?P<host>host name) "), _judge_unreached),
    ("resolve host", re.compile(r"failed to (?P<host>resolve host) "), _judge_unreached),
    (
        "no password supplied",
        re.compile("fe_sendauth: no password supplied"),
        _say("store-only", "the application gave the database no password", _PASSWORD),
    ),
    (
        "incompatible with server",
        re.compile("database files are incompatible with server"),
        _say(
            "database-version",
            "another version of PostgreSQL has made the database's volume: take that version's image again, or begin"
            " with a new volume, which loses what is in this one",
        ),
    ),
    ("KeyError: ", re.compile(r"\bKeyError: '([A-Z][A-Z0-9_]{2,63})'$"), _judge_asked),
    (
        "superuser password is not specified",
        re.compile("Database is uninitialized and superuser password is not specified"),
        _say(
            "database-uninitialised", "the database was given no password to begin with, and does not start", _PASSWORD
        ),
    ),
)
MARKS = (*dict.fromkeys(mark for mark, _, _ in _RULES), "validation error", "changethis")
"""Words without which a line of a log says nothing that is understood here."""
