"""Faults of quoting in the .env: values that are cut off, changed, or read differently."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

from omc_runbook.checks.check import COMPOSE, COMPOSE_CONFIG, DOTENV, Evidence, Uncertain
from omc_runbook.checks.dotenv import by_setup, compose_of, dotenv_of, reader_check, workstation_of
from omc_runbook.masking.public_values import COMMON
from omc_runbook.model.findings import Remedy
from omc_runbook.repository.compose import ComposeService
from omc_runbook.repository.compose_tree import RawPath
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.dotenv import DOLLAR, EXPANDED_BY_PYTHON, Binding
from omc_runbook.workstation.workstation import DOTENV as DOTENV_NAME
from omc_runbook.workstation.workstation import Workstation, is_blank, is_value

WHOLE = re.compile(rf"\A(?:{COMMON.pattern.removeprefix('(?i)')})\Z", re.IGNORECASE)
DIFFERENCES = {
    "quotes": (
        "one of them removes a backslash in quotes, the other keeps or interprets it.",
        "Write the value of line {line} in double quotes with each backslash twice, or without quotes.",
    ),
    "comment": (
        "python-dotenv starts a comment at # after any blank, Docker Compose only after a space: after a tab or a"
        " no-break space, it takes the comment as part of the value.",
        "Replace the blank before # in line {line} with a space.",
    ),
    "blanks": (
        "python-dotenv takes every kind of blank from around a value, Docker Compose leaves some, such as U+3000.",
        "Retype line {line} without blanks around the value.",
    ),
}
"""Why readers differ on a value, by what is in its line, and what to write instead."""
BRACES = (
    "To insert another variable, write ${NAME} or ${NAME:-default} without single quotes: Docker Compose and"
    " python-dotenv read that alike. A literal ${…} has to change: python-dotenv expands it in any quotes."
)
NAMED = re.compile(r"(?<![\\$])\$[A-Za-z_]")
REFER = "To insert another variable, write ${NAME} below that one's line. For a literal $, use single quotes."
ESCAPED = "Put the value into single quotes, without the backslash if that is there only for the sake of the $."
ODD = "“”„‟‘’‚«»\u200b-\u200f\u2060\ufeff"
LOOKALIKE = re.compile(rf"\A[{ODD}]|[{ODD}]\Z")
_BLANK_FIRST = re.compile(r"\A\s")
QUOTE = "Put the value into single quotes: no reader changes what is inside."

UNSET = "the variable that it refers to is set neither above it nor in this shell"
SET = "Set it in the shell that starts the application, as direnv does, or write ${NAME:-default} or the value itself."


@reader_check(
    "dollar", needs=(DOTENV, COMPOSE), ruled_out_by="Docker Compose and python-dotenv read every value with a $ alike"
)
def dollar(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A $ in a value changes what Docker Compose or python-dotenv reads."""
    file = dotenv_of(snapshot)
    if file.compose_kind == "other":
        fact = "docker compose config rejects it for an unknown reason: run it by hand."
        yield Uncertain(file.path.name, (fact,))
    for binding in _cut_by_dollar(workstation_of(snapshot)):
        if binding.has_braces and is_blank(binding.for_python) and is_blank(binding.for_compose):
            fact = f"Line {binding.line}: {binding.name} is empty: {UNSET}."
            yield Evidence(binding.name, (fact,), Remedy(SET))
            continue
        fact = (
            "Docker Compose replaces $NAME with that variable's value, or nothing; python-dotenv does so only for ${…}."
        )
        if binding.quote == "'" or (binding.for_compose and binding.for_compose.matches(EXPANDED_BY_PYTHON)):
            fact = "python-dotenv expands ${…} in single quotes and after \\ or $ too; Docker Compose does not."
        elif binding.is_escaped:
            fact = "Docker Compose removes the backslash before a $ in double quotes; python-dotenv keeps it."
        facts = (
            f"Line {binding.line}: {fact}",
            "Containers and a start by hand get different values, or neither gets the intended one.",
        )
        by_hand = BRACES if binding.has_braces else ESCAPED if binding.is_escaped else ""
        by_hand = by_hand or (REFER if refers_to_another(binding) else "")
        yield Evidence(binding.name, facts, Remedy(by_hand) if by_hand else by_setup(snapshot, QUOTE))


@reader_check("hash", ruled_out_by="no unquoted value of .env has a # after a space")
def hash_(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value is cut off at a # after a space."""
    for binding in _cut_by_hash(workstation_of(snapshot)):
        fact = f"Line {binding.line}: every reader takes what follows the space and # as a comment."
        way = f"{QUOTE} If it is a comment, put it on its own line above."
        yield Evidence(binding.name, (fact,), Remedy(way))
    for binding in comment_values(workstation_of(snapshot)):
        fact = (
            f"Line {binding.line}: there is no value before the comment: Docker Compose takes the comment as the value."
        )
        remedy = by_setup(snapshot, f"Write {binding.name}='' before the comment in line {binding.line}.")
        yield Evidence(binding.name, (fact,), remedy, severity="warning")


@reader_check(
    "odd-quotes", ruled_out_by="no value of .env begins or ends with a typographic quote or an invisible character"
)
def odd_quotes(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value begins or ends with a typographic quote or an invisible character."""
    for binding in in_odd_quotes(workstation_of(snapshot)):
        fact = f"Line {binding.line}: every reader keeps the typographic quote or invisible character in the value."
        yield Evidence(binding.name, (fact,), Remedy(f"Retype line {binding.line}, with ' as quotes or without."))


@reader_check(
    "readers-differ",
    needs=(DOTENV, COMPOSE_CONFIG),
    ruled_out_by="Docker Compose and python-dotenv read every line of .env alike",
)
def readers_differ(snapshot: Snapshot) -> Iterable[Evidence]:
    """Docker Compose and python-dotenv parse this line to different values."""
    workstation, file = workstation_of(snapshot), dotenv_of(snapshot)
    _, config = compose_of(snapshot)
    service = _raw_service(workstation)
    if service:
        # Where Compose refuses its files, such as an older one for this format, it reads no line.
        for binding in () if config.error else file.bindings:
            if binding.quote or binding.has_braces or binding.has_hash or binding.is_comment:
                fact = (
                    f"Line {binding.line}: format: raw keeps its quotes, ${{…}} and comment for service {service.name}."
                )
                way = f"Write the value of line {binding.line} without them, or take format: raw out of env_file."
                yield Evidence(binding.name, (fact,), Remedy(way))
        return
    excluded = {
        *misread_names(workstation),
        *(each.name for each in comment_values(workstation)),
        *(name for name, _ in file.duplicates),
        *(each.name for each in file.bindings if workstation.is_for_compose_alone(each.name)),
    }
    for binding in file.bindings if file.newline == "lf" else ():
        python, compose = binding.for_python, binding.for_compose
        if binding.name in excluded or python is None or is_blank(python) or compose is None or python.same_as(compose):
            continue
        # Where one reader keeps a blank before the value, it sees no quotes.
        is_kept = compose.matches(_BLANK_FIRST) and not python.matches(_BLANK_FIRST)
        kind = "blanks" if is_kept else "quotes" if binding.quote else "comment" if binding.has_hash else "blanks"
        fact, way = DIFFERENCES[kind]
        by_hand = way.format(line=binding.line)
        remedy = by_setup(snapshot, by_hand) if kind == "comment" else Remedy(by_hand)
        yield Evidence(binding.name, (f"Line {binding.line}: {fact}",), remedy)


def refers_to_another(binding: Binding) -> bool:
    """Whether every $NAME of a value is a variable that is set, and so probably intended."""
    python, compose = binding.for_python, binding.for_compose
    return python is not None and compose is not None and not binding.is_unset and python.matches(NAMED)


def comment_values(workstation: Workstation) -> Iterator[Binding]:
    """The lines of optional variables with a comment in place of the value."""
    return (each for each in workstation.bindings if each.is_comment and each.name not in workstation.required)


@once
def misread_names(workstation: Workstation) -> frozenset[str]:
    """The names whose value is wrong because of how its line is written."""
    file = workstation.dotenv
    bindings, unreadable = (file.bindings, file.unreadable) if file else ((), ())
    lines = (each for each in bindings if each.separator == ":" or each.line in unreadable)
    others = (*lines, *_cut_by_dollar(workstation), *_cut_by_hash(workstation), *in_odd_quotes(workstation))
    return frozenset(each.name for each in others)


def in_odd_quotes(workstation: Workstation) -> Iterator[Binding]:
    """The lines whose value begins or ends with an odd character."""
    return (each for each in workstation.bindings if each.value is not None and each.value.matches(LOOKALIKE))


def _raw_service(workstation: Workstation) -> ComposeService | None:
    """The application's service where Compose gives it each line of the .env unparsed; else None."""
    service = workstation.checkout.application
    raw = (
        posixpath.normpath(str(each)) for each in (service.env_files if service else ()) if isinstance(each, RawPath)
    )
    return service if DOTENV_NAME in raw else None


def _cut_by_dollar(workstation: Workstation) -> Iterator[Binding]:
    """The lines with a $ whose value readers disagree on or lose."""
    # Quotes around a $ would become a part of the value.
    file = None if _raw_service(workstation) else workstation.dotenv
    for binding in file.bindings if file else ():
        python, compose = binding.for_python, binding.for_compose
        if not file or file.compose_kind is None or not binding.has_dollar:
            continue
        if workstation.is_for_compose_alone(binding.name) and not (binding.is_rejected or binding.is_unset):
            # What python-dotenv makes of it, nobody uses.
            continue
        if file.compose_kind:
            is_cut = binding.is_rejected or binding.quote == "'" or (python is not None and python.matches(DOLLAR))
        else:
            is_cut = binding.is_unset or python is None or compose is None or not python.same_as(compose)
        if is_cut:
            yield binding


def _cut_by_hash(workstation: Workstation) -> Iterator[Binding]:
    """The lines where the text after # belongs to the value: the template has no comment there."""
    for binding in workstation.bindings:
        entry = workstation.checkout.template_entry(binding.name)
        value = binding.value
        # These are complete without the rest: a number, a word of configuration, the template's own value.
        is_whole = value is not None and (value.matches(WHOLE) or (entry is not None and value.same_as(entry.value)))
        if not binding.has_hash or (entry is not None and entry.has_inline_comment):
            continue
        if not is_value(value) and not binding.has_text_after_hash:
            continue
        if workstation.is_secret(binding.name) or (binding.has_text_after_hash and not is_whole):
            yield binding
