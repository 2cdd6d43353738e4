"""The log of a start: what the application, its database and compose say is wrong, by variable."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from omc_runbook.messages.loglines import CHANGETHIS, LINES
from omc_runbook.messages.startline import KEPT_PASSWORD, OTHER_PASSWORD, KnownVariables, LinePattern, StartProblem
from omc_runbook.messages.validation import FieldError, find_header, read_block, read_line

_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\))")
_PREFIX = re.compile(
    r"(?:([A-Za-z0-9][\w.-]{0,80}) {1,60}\|(?: |$))?"
    r"(?:\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:?\d\d) )?"
    r"(?:ERROR:    |WARNING:  |CRITICAL: |INFO:     |\[?(?:ERROR|WARNING|CRITICAL|INFO)\]?:? (?! ))?",
    re.ASCII,
)
_REPLICA = re.compile(r"[-_]\d{1,4}$")
_EXCEPTION = re.compile(r"((?:[a-z_]\w{0,40}\.){0,6}[A-Z]\w{0,60}(?:Error|Exception))(?::|$)", re.ASCII)
"""The last line of a Python traceback."""
_SHORTEST = 16
_FURTHEST = 4000

_KEPT_VOLUME = "Skipping initialization"
_MARKS = (*dict.fromkeys(form.mark for form in LINES), "validation error")
"""Words without which a line of a log says nothing that is understood here."""


def read_log(text: str, variables: Collection[str] = ()) -> tuple[StartProblem, ...]:
    """What a log says is wrong, in its order, each once; nothing for what is not understood.

    A name that may be a piece of a value is shown only if it is one of `variables`. About 0.5 s for 5 MB.
    """
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").split("\n")
    problems = list(_read(lines, KnownVariables(variables)))
    if any(_KEPT_VOLUME in line for line in lines):
        problems = [
            replace(each, check="pg-volume", reason=KEPT_PASSWORD) if each.reason == OTHER_PASSWORD else each
            for each in problems
        ]
    return tuple(dict.fromkeys(problems))


def last_exception(text: str, service: str) -> str:
    """The class of the last Python exception in a service's log; "" for none."""
    lines = (_split(line) for line in _COLOUR.sub("", text).splitlines())
    matches = (_EXCEPTION.match(message) for writer, message in lines if _REPLICA.sub("", writer) == service)
    return next((match[1] for match in reversed([*filter(None, matches)])), "")


def problem_of(error: FieldError, variables: Collection[str] = ()) -> StartProblem:
    """An error of pydantic's, as `read_log` gives it."""
    return _problem_of(error, KnownVariables(variables))


def _read(lines: list[str], names: KnownVariables) -> Iterator[StartProblem]:
    ends: dict[str, int] = {}
    for number, line in enumerate(lines):
        if len(line) < _SHORTEST or not any(mark in line for mark in _MARKS):
            continue
        service, message = _split(line)
        if number <= ends.get(service, -1):
            continue
        header = find_header(message)
        problems = list[StartProblem | None]()
        if header is None:
            problems = [_first_problem(message, LINES, names)]
        elif header.is_of_settings:
            errors = read_line(header) if header.rest else ()
            if not header.rest:
                errors, ends[service] = read_block(header, _following(lines, number, service))
            problems = [_problem_of(error, names) for error in errors]
        yield from (replace(each, service=_REPLICA.sub("", service)) for each in problems if each)


def _split(line: str) -> tuple[str, str]:
    """The service that wrote a line, and the line without its name, the time, the level and a rest of a line end."""
    prefix = _PREFIX.match(line)
    return (prefix[1] or "", line[prefix.end() :].rstrip("\r")) if prefix else ("", line)


def _first_problem(text: str, forms: Sequence[LinePattern], names: KnownVariables) -> StartProblem | None:
    """What the first form that a line has says is wrong, if anything."""
    for form in forms:
        if form.mark in text and (match := form.pattern.search(text)):
            return form.read(match, names)
    return None


def _following(lines: list[str], number: int, service: str) -> Iterator[tuple[int, str]]:
    """What the same service wrote after a line; others may have put theirs between."""
    for at in islice(range(number + 1, len(lines)), _FURTHEST):
        writer, message = _split(lines[at])
        if writer == service:
            yield at, message


def _problem_of(error: FieldError, names: KnownVariables) -> StartProblem:
    default = _first_problem(error.message, CHANGETHIS, names)
    if default:
        return default
    # A field of a model within Settings is filled by a variable that has both names.
    known = names.of("__".join(error.names)) or names.of(error.variable)
    variable = known or ("" if error.is_foreign else error.variable or names.within(error.message))
    path = "" if known else error.path
    return StartProblem(error.check, variable, error.reason, is_of_several=not error.location, path=path)
