"""The log of a start: what the application, its database and compose say is wrong, told by variable."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from omc_runbook.messages.startline import (
    KEPT_PASSWORD,
    MARKS,
    OTHER_PASSWORD,
    KnownVariables,
    LineFault,
    judge_default,
    judge_line,
)
from omc_runbook.messages.validation import FieldError, find_header, read_block, read_line

_COLOUR = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\))")
_PREFIX = re.compile(
    r"(?:([A-Za-z0-9][\w.-]{0,80}) {1,60}\|(?: |$))?"
    r"(?:\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:?\d\d) )?"
    r"(?:ERROR:    |WARNING:  |CRITICAL: |INFO:     |\[?(?:ERROR|WARNING|CRITICAL|INFO)\]?:? (?! ))?",
    re.ASCII,
)
_REPLICA = re.compile(r"[-_]\d{1,4}$")
_SHORTEST = 16
_FURTHEST = 4000

_SKIPPED = "Skipping initialization"


@dataclass(frozen=True)
class StartProblem:
    """What a text says is wrong: the fault's id, the variable ("" for none), why in our own words, and who said it.

    `service` is the name before compose's bar, without the replica's number; "" where there is none.
    """

    check: str
    variable: str
    reason: str
    service: str


def read_log(text: str, known: Collection[str] = ()) -> tuple[StartProblem, ...]:
    """What a log says is wrong, in its order, each once; nothing for what is not understood.

    A name that may be a piece of a value is told only where it is one of the `known` variables. About 0.5 s for 5 MB.
    """
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").split("\n")
    found = list(_read(lines, KnownVariables(known)))
    if any(_SKIPPED in line for line in lines):
        found = [_kept(each) if each.reason == OTHER_PASSWORD else each for each in found]
    return tuple(dict.fromkeys(found))


def tell(refusal: FieldError, known: Collection[str] = (), service: str = "") -> StartProblem:
    """An error of pydantic's, as it would be told of a log."""
    return _told(_judge(refusal, KnownVariables(known)), service)


def _read(lines: list[str], names: KnownVariables) -> Iterator[StartProblem]:
    inside: dict[str, int] = {}
    for number, line in enumerate(lines):
        if len(line) < _SHORTEST or not any(mark in line for mark in MARKS):
            continue
        service, plain = _plain(line)
        if number <= inside.get(service, -1):
            continue
        header = find_header(plain)
        if header is None:
            judged = judge_line(plain, names)
            if judged:
                yield _told(judged, service)
        elif header.is_of_settings:
            refusals = read_line(header) if header.rest else ()
            if not header.rest:
                refusals, inside[service] = read_block(header, _following(lines, number, service))
            yield from (_told(_judge(refusal, names), service) for refusal in refusals)


def _plain(line: str) -> tuple[str, str]:
    """Who said a line, and the line without that, the time, the level and what is left of a Windows line end."""
    prefix = _PREFIX.match(line)
    return (prefix[1] or "", line[prefix.end() :].rstrip("\r")) if prefix else ("", line)


def _told(judged: LineFault, service: str) -> StartProblem:
    return StartProblem(judged.check, judged.variable, judged.reason, _REPLICA.sub("", service))


def _following(lines: list[str], number: int, service: str) -> Iterator[tuple[int, str]]:
    """What the same service said after a line; others may have put theirs between."""
    for at in islice(range(number + 1, len(lines)), _FURTHEST):
        who, plain = _plain(lines[at])
        if who == service:
            yield at, plain


def _judge(refusal: FieldError, names: KnownVariables) -> LineFault:
    judged = judge_default(refusal.said)
    if judged:
        return judged
    # A field of a model within Settings is filled by a variable that has both names.
    variable = names.of(refusal.location.replace(".", "__")) or names.of(refusal.variable)
    variable = variable or ("" if refusal.is_foreign else refusal.variable or names.within(refusal.said))
    return LineFault(refusal.check, variable, refusal.reason)


def _kept(told: StartProblem) -> StartProblem:
    return StartProblem("pg-volume", told.variable, KEPT_PASSWORD, told.service)
