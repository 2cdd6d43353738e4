"""Faults of a value that its readers do not take as it was meant, or not alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from omc_runbook.checks.check import COMPOSE, COMPOSED, DOTENV, Doubt, Evidence, family
from omc_runbook.checks.dotenv import by_setup, place_of
from omc_runbook.masking.public_values import COMMON
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.dotenv import Binding
from omc_runbook.workstation.workstation import Workstation, is_blank, is_value

check = family("local")

DOLLAR = re.compile(r"\$[A-Za-z_{$]|\\\$")
WHOLE = re.compile(rf"\A(?:{COMMON.pattern.removeprefix('(?i)')})\Z", re.IGNORECASE)
DIFFERENCES = {
    True: (
        "a backslash in quotes is taken off by the one, and kept or taken for another character by the other.",
        "Write the value of line {line} in double quotes with each backslash twice, or without quotes.",
    ),
    False: (
        "to python-dotenv a tab and # begin a comment, to compose they are part of the value.",
        "Put a blank in the place of the tab before # in line {line}.",
    ),
}
"""Why readers differ on a value, by whether it is in quotes, and what to write instead."""
BRACES = "Only ${…} python-dotenv expands in any quotes: a value that has it needs to be another one."
NAMED = re.compile(r"(?<![\\$])\$[A-Za-z_]")
REFER = "Where another variable's value is meant, write ${NAME}, below that one. Where a $ is, put it in single quotes."
ODD = "“”„‟‘’‚«»\u200b-\u200f\u2060\ufeff"
LOOKALIKE = re.compile(rf"\A[{ODD}]|[{ODD}]\Z")
QUOTE = "Put the value into single quotes, which every reader takes as they are."


@check("dollar", DOTENV, COMPOSE)
def dollar(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """A value has a $, which compose takes for a variable"""
    file = place_of(snapshot).dotenv
    if file and file.compose_kind == "other":
        fact = "docker compose config refuses it, for a reason that is not known here: run it by hand to see it."
        yield Doubt(file.path.name, (fact,))
    for binding in _cut_by_dollar(place_of(snapshot)):
        facts = (
            f"Line {binding.line}: compose puts a variable's value, or nothing, in the place of what follows $;"
            " python-dotenv does so for ${…} alone.",
            "So containers and a start by hand get different values, or neither the one that was meant.",
        )
        refers = refers_to_another(binding)
        yield Evidence(binding.name, facts, Remedy(REFER) if refers else by_setup(snapshot, f"{QUOTE} {BRACES}"))


@check("hash", DOTENV)
def hash_(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value has a # after a blank, which cuts it off there"""
    for binding in _cut_by_hash(place_of(snapshot)):
        fact = f"Line {binding.line}: what stands behind the blank and # is a comment to every reader."
        way = f"{QUOTE} If it is meant as a comment, put it on a line of its own above."
        yield Evidence(binding.name, (fact,), Remedy(way))
    for binding in commented(place_of(snapshot)):
        fact = f"Line {binding.line}: nothing stands before the comment, and compose takes it for the value."
        remedy = by_setup(snapshot, f"Write {binding.name}='' before the comment in line {binding.line}.")
        yield Evidence(binding.name, (fact,), remedy, severity="warning")


@check("odd-quotes", DOTENV)
def odd_quotes(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value begins or ends with a character that only looks like a quote, or like nothing"""
    for binding in in_odd_quotes(place_of(snapshot)):
        fact = f"Line {binding.line}: to every reader a typographic quote or an unseen character is part of the value."
        yield Evidence(binding.name, (fact,), Remedy(f"Type line {binding.line} anew, with ' for quotes or without."))


@check("readers-differ", DOTENV, COMPOSED)
def readers_differ(snapshot: Snapshot) -> Iterable[Evidence]:
    """Compose and python-dotenv read another value each from the same line"""
    place = place_of(snapshot)
    file = place.dotenv
    assert file
    out = {*spoilt(place), *(each.name for each in commented(place)), *(name for name, _ in file.duplicates)}
    for binding in file.bindings if file.newline == "lf" else ():
        python, compose = binding.for_python, binding.for_compose
        if binding.name in out or python is None or is_blank(python) or compose is None or python.same_as(compose):
            continue
        fact, way = DIFFERENCES[bool(binding.quote)]
        remedy = Remedy(way.format(line=binding.line))
        remedy = remedy if binding.quote else by_setup(snapshot, remedy.command)
        yield Evidence(binding.name, (f"Line {binding.line}: {fact}",), remedy)


def refers_to_another(binding: Binding) -> bool:
    """Whether every $NAME of a value is a variable that is set, so that its value may well be meant."""
    python, compose = binding.for_python, binding.for_compose
    return python is not None and compose is not None and not binding.is_unset and python.matches(NAMED)


def commented(place: Workstation) -> Iterator[Binding]:
    """The lines of optional variables with a comment where the value would stand."""
    for binding in place.dotenv.bindings if place.dotenv else ():
        if binding.is_comment and binding.name not in place.required:
            yield binding


def spoilt(place: Workstation) -> frozenset[str]:
    """The names whose value is not what somebody meant, because of how its line is written."""
    file = place.dotenv
    bindings, unreadable = (file.bindings, file.unreadable) if file else ((), ())
    lines = (each for each in bindings if each.separator == ":" or each.line in unreadable)
    others = (*lines, *_cut_by_dollar(place), *_cut_by_hash(place), *in_odd_quotes(place))
    return frozenset(each.name for each in others)


def in_odd_quotes(place: Workstation) -> Iterator[Binding]:
    """The lines whose value has an odd character at one of its ends."""
    for binding in place.dotenv.bindings if place.dotenv else ():
        value = binding.for_python or binding.for_compose
        if value is not None and value.matches(LOOKALIKE):
            yield binding


def _cut_by_dollar(place: Workstation) -> Iterator[Binding]:
    """The lines with a $ on whose value the readers disagree, or in which one finds nothing where something is."""
    file = place.dotenv
    for binding in file.bindings if file else ():
        python, compose = binding.for_python, binding.for_compose
        if not file or file.compose_kind is None or not binding.has_dollar:
            continue
        if file.compose_kind:
            cut = binding.is_refused or binding.quote == "'" or (python is not None and python.matches(DOLLAR))
        else:
            cut = binding.is_unset or python is None or compose is None or not python.same_as(compose)
        if cut:
            yield binding


def _cut_by_hash(place: Workstation) -> Iterator[Binding]:
    """The lines where what stands behind # belongs to the value: the template has no comment there."""
    template = place.checkout.template
    for binding in place.dotenv.bindings if place.dotenv else ():
        entry = template.find(binding.name) if template else None
        value = binding.for_python or binding.for_compose
        # What is whole without the rest needs none: a number, a word of configuration, the template's own value.
        is_whole = value is not None and (value.matches(WHOLE) or (entry is not None and value.same_as(entry.value)))
        if not binding.has_hash or (entry is not None and entry.has_inline_comment):
            continue
        if not is_value(value) and not binding.is_hash_close:
            continue
        if place.is_secret(binding.name) or (binding.is_hash_close and not is_whole):
            yield binding


CHECKS = (dollar, hash_, odd_quotes, readers_differ)
