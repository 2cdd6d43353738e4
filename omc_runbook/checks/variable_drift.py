"""Where each variable is, which locations lack it, and which could not be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from omc_runbook.checks.variable_locations import (
    COMPOSE,
    DEFINITION,
    ELSEWHERE,
    SETTINGS,
    TASKS,
    TEMPLATE,
    TERRAFORM,
    VariableLocations,
)
from omc_runbook.snapshot.state import Snapshot

FRONTEND = re.compile(r"(VITE|NEXT_PUBLIC|NUXT_PUBLIC|REACT_APP|AWS)_")
"""Prefixes of variables that Settings never reads: of a frontend's build, and of AWS's libraries."""


@dataclass(frozen=True)
class VariableDrift:
    """One variable, and what each location has of it.

    `missing` are the locations that lack it and should have it, `unsure` those that could not be read; a secret goes
    by its environment's name.
    """

    variable: str
    keys: tuple[str, ...]
    """The keys that it comes from, or would: those of task definitions in force before Terraform's."""
    template: str
    settings: str
    compose: str
    """As `VariableLocations` has them, "" where it is not there."""
    declared: Mapping[str, str]
    """By container the key from which Terraform's files give it."""
    defined: Mapping[str, str]
    """By container the key from which the task definitions in force give it."""
    plain: frozenset[str]
    """Which of these two give it to the application without the secret."""
    secrets: Mapping[str, bool | None]
    """By environment whether its secret has the key; None where it could not be read, left out where there is none."""
    tasks: str
    """How many running tasks have it, of those that should: "2 of 2"; "" where none should."""
    is_misnamed: bool
    """Whether its key belongs to another variable that Settings reads and that is not set."""
    missing: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()
    """Containers that lose it with Terraform's next apply."""
    ahead: tuple[str, ...] = ()
    """Containers that get it with Terraform's next apply."""

    @property
    def is_injected(self) -> bool:
        """Whether it reaches, or is to reach, containers from the secret."""
        return bool(self.keys)

    @property
    def reaches(self) -> bool:
        """Whether a container gets it, or is to get it as soon as Terraform is applied."""
        return bool(self.declared or self.defined)


def standings(snapshot: Snapshot) -> tuple[VariableDrift, ...]:
    """Every variable of the secret, or that the application or Docker Compose requires."""
    if snapshot.checkout is None:
        return ()
    places = VariableLocations(snapshot, snapshot.checkout)
    return tuple(_judged(places, _stand(places, variable)) for variable in sorted({*_variables(places)}))


def _variables(places: VariableLocations) -> Iterator[str]:
    yield from (variable for _, variable in (*places.defined, *places.declared))
    yield from places.required
    yield from map(places.variable, places.keys or ())
    theirs = {places.variable(key) for names in places.others.values() for key in names or ()}
    yield from (variable for variable in theirs if places.checkout.settings.find(variable))
    template, compose = places.checkout.template, places.checkout.compose
    read = (places.used(field) for field in places.checkout.settings.fields if field.named)
    yield from (name for name in read if template and places.is_secret(name) and not template.find(name))
    for entry in template.entries if template else ():
        if places.is_secret(entry.name) and not entry.commented_out and not FRONTEND.match(entry.name):
            yield entry.name
    yield from (name for name in (compose.required if compose and template else ()) if places.entry(name) is None)


def _stand(places: VariableLocations, variable: str) -> VariableDrift:
    defined = {name: key for (name, each), key in places.defined.items() if each == variable}
    declared = {name: key for (name, each), key in places.declared.items() if each == variable}
    held = {key for names in (places.keys, *places.others.values()) for key in names or ()}
    keys = [key for key in (*defined.values(), *declared.values()) if key]
    keys = keys or sorted(key for key in {*held, *places.catalogue} if places.variable(key) == variable)
    plain = places.plainly(variable)
    is_due = variable in places.required and places.is_secret(variable) and bool(places.containers) and not plain
    is_injected = bool(defined or declared or is_due or held.intersection(keys))
    named = tuple(dict.fromkeys(keys)) or (variable,)
    in_force = {key for key in defined.values() if key}
    return VariableDrift(
        variable=variable,
        keys=named if is_injected else (),
        template=places.in_template(variable),
        settings=places.in_settings(variable),
        compose=places.in_compose(variable),
        declared=declared,
        defined=defined,
        plain=plain,
        secrets=dict(places.in_secrets(in_force or {*named})) if is_injected else {},
        tasks=places.in_tasks(variable) if defined else "",
        is_misnamed=any(places.is_misnamed(variable, key) for key in defined.values()),
    )


def _judged(places: VariableLocations, row: VariableDrift) -> VariableDrift:
    """The same with what is missing, and what is unknown."""
    missing, unsure = {*_missing(places, row)}, {*_unsure(places, row)}
    return replace(
        row,
        missing=frozenset(missing - unsure),
        unsure=frozenset(unsure),
        lacking=tuple(c for c in _lacking(places, row) if c not in places.unseen),
        ahead=tuple(_ahead(places, row)),
    )


def _missing(places: VariableLocations, row: VariableDrift) -> Iterator[str]:
    compose, is_required = places.checkout.compose, row.variable in places.required
    is_read = row.settings not in ("", ELSEWHERE)
    is_demanded = compose is not None and row.variable in compose.required
    is_known = is_read and (row.is_injected or places.is_secret(row.variable))
    if places.checkout.template and not row.template and (is_required or is_demanded or is_known):
        yield TEMPLATE
    if not row.settings and _is_for_settings(places, row):
        yield SETTINGS
    if _is_for_compose(places, row):
        yield COMPOSE
    if _lacking(places, row) or _is_stranded(places, row, TERRAFORM):
        yield TERRAFORM
    if _ahead(places, row) or _is_stranded(places, row, DEFINITION):
        yield DEFINITION
    if row.reaches or row.settings:
        yield from (name for name, has in row.secrets.items() if has is False)


def _unsure(places: VariableLocations, row: VariableDrift) -> Iterator[str]:
    yield from (name for name, has in row.secrets.items() if has is None)
    if not row.settings and not places.names_are_known:
        yield SETTINGS
    declared, compose = places.checkout.task_definitions, places.checkout.compose
    application = compose.application() if compose else None
    if application and application.extends and _is_for_compose(places, row):
        yield COMPOSE
    is_vague = bool(places.unseen & places.home) or bool(declared and declared.unreadable)
    is_hidden = bool(row.defined) and places.may_be_hidden and not places.shared.intersection(row.defined)
    is_stranded = is_vague and _is_stranded(places, row, TERRAFORM)
    if is_hidden or is_stranded or places.unseen.intersection(_lacking(places, row)):
        yield TERRAFORM
    if places.is_blind and not row.defined and row.is_injected:
        yield DEFINITION
    if row.defined and "tasks" in places.snapshot.gaps:
        yield TASKS


def _is_for_compose(places: VariableLocations, row: VariableDrift) -> bool:
    """Whether the application's service in Compose lacks a variable that it should have."""
    compose, entry = places.checkout.compose, places.entry(row.variable)
    is_given = row.variable in places.required or (row.is_injected and entry is not None and not entry.commented_out)
    is_read = row.settings not in ("", ELSEWHERE)
    return bool(compose and compose.application()) and not row.compose and is_read and is_given


def _is_for_settings(places: VariableLocations, row: VariableDrift) -> bool:
    """Whether Settings should read a variable: the application gets it, or nothing else uses it."""
    if row.reaches:
        return bool(places.application.intersection((*row.declared, *row.defined)))
    if row.is_injected:
        return True
    compose = places.checkout.compose
    is_used = row.variable in places.checkout.other_reads or (compose is not None and row.variable in compose.used)
    return bool(row.template) and not is_used


def _is_stranded(places: VariableLocations, row: VariableDrift, place: str) -> bool:
    """Whether no container gets it, though a secret has it or the application requires it."""
    there = places.home & places.shared if place == TERRAFORM else places.home
    return row.is_injected and not row.reaches and place not in row.plain and bool(there)


def _lacking(places: VariableLocations, row: VariableDrift) -> list[str]:
    return [name for name in row.defined if name in places.shared and name not in row.declared]


def _ahead(places: VariableLocations, row: VariableDrift) -> list[str]:
    if places.is_blind:
        return []
    return [name for name in row.declared if name in places.shared and name not in row.defined]
