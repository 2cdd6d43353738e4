"""Where each variable is, which locations lack it, and which could not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from omc_runbook.checks.variable_locations import (
    COMPOSE,
    DEFINITION,
    ELSEWHERE,
    INITIAL,
    LISTS,
    SETTINGS,
    TASKS,
    TEMPLATE,
    TERRAFORM,
    WORKFLOWS,
    VariableLocations,
    is_of_others,
    locations_of,
)
from omc_runbook.model.secretive import is_frontend
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot


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
    others: Mapping[str, tuple[bool, ...]]
    """By location of those that a checkout may not have, for each of its lists whether it has the variable."""
    is_misnamed: bool
    """Whether its key belongs to another variable that Settings reads and that is not set."""
    doubt: str = ""
    """Why it is uncertain that Settings requires it, where it has no default."""
    missing: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    lacking: tuple[str, ...] = ()
    """Containers that lose it with Terraform's next apply."""
    ahead: tuple[str, ...] = ()
    """Containers that get it with Terraform's next apply."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """For these containers, by name, the variable under which its key is instead: in the files, or in force."""

    @property
    def is_injected(self) -> bool:
        """Whether it reaches, or is to reach, containers from the secret."""
        return bool(self.keys)

    def is_only_in(self, location: str) -> bool:
        """Whether one of the lists that a checkout may not have has it, and nothing else does."""
        return any(self.others[location]) and not (self.template or self.settings or self.is_injected or self.plain)

    @property
    def reaches(self) -> bool:
        """Whether a container gets it, or is to get it as soon as Terraform is applied."""
        return bool(self.declared or self.defined)


@once
def variable_drifts(snapshot: Snapshot) -> tuple[VariableDrift, ...]:
    """Every variable of the secret, or that the application or Docker Compose requires."""
    if snapshot.checkout is None:
        return ()
    locations = locations_of(snapshot)
    rows = [_judged(locations, _row(locations, variable)) for variable in sorted({*_variables(locations)})]
    return tuple(replace(row, renamed=dict(_renamed(locations, row, rows))) for row in rows)


def _renamed(
    locations: VariableLocations, row: VariableDrift, rows: Sequence[VariableDrift]
) -> Iterator[tuple[str, str]]:
    """The containers in which Terraform's files give the key of a variable in force under one other name."""
    find = locations.checkout.settings.find
    for container in (*row.lacking, *row.ahead):
        keys = {row.defined.get(container), row.declared.get(container)} - {None}
        before = [each for each in rows if container in each.lacking and each.defined[container] in keys]
        after = [each for each in rows if container in each.ahead and each.declared[container] in keys]
        if "" not in keys and len(before) == len(after) == 1:
            fields = [find(each.variable) for each in (*before, *after)]
            # Of two fields of Settings, one loses its value.
            if None in fields or fields[0] is fields[1]:
                yield container, (after if container in row.lacking else before)[0].variable


def _variables(locations: VariableLocations) -> Iterator[str]:
    yield from (variable for _, variable in (*locations.defined, *locations.declared))
    yield from (*locations.required, *locations.doubts)
    yield from map(locations.variable, locations.keys or ())
    of_others = {locations.variable(key) for names in locations.others.values() for key in names or ()}
    yield from (variable for variable in of_others if locations.checkout.settings.find(variable))
    yield from (locations.variable(key) for _, key in locations.alone_in_initial_values())
    yield from (name for _, name in locations.alone_in_lists())
    template, compose = locations.checkout.template, locations.checkout.compose
    read = (locations.used(field) for field in locations.checkout.settings.fields if field.has_known_names)
    yield from (name for name in read if template and locations.is_secret(name) and not locations.in_template(name))
    for entry in locations.checkout.template_entries:
        if locations.is_secret(entry.name) and not entry.commented_out and not is_of_others(entry.name):
            # Where Settings read both cases, it is the same variable.
            field = locations.checkout.settings.find(entry.name)
            yield entry.name if field is None or locations.checkout.settings.case_sensitive else entry.name.upper()
    yield from (
        name
        for name in (compose.required if compose and template else ())
        if locations.checkout.template_entry(name) is None
    )


def _row(locations: VariableLocations, variable: str) -> VariableDrift:
    defined = {name: key for (name, each), key in locations.defined.items() if each == variable}
    declared = {name: key for (name, each), key in locations.declared.items() if each == variable}
    keys_in_secrets = {key for names in (locations.keys, *locations.others.values()) for key in names or ()}
    keys = [key for key in (*defined.values(), *declared.values()) if key]
    keys = keys or sorted(
        key for key in {*keys_in_secrets, *locations.catalogue} if locations.variable(key) == variable
    )
    plain = locations.plainly(variable)
    is_due = (
        variable in locations.required and locations.is_secret(variable) and bool(locations.containers) and not plain
    )
    is_injected = bool(defined or declared or is_due or keys_in_secrets.intersection(keys))
    names = tuple(dict.fromkeys(keys)) or (variable,)
    in_force = {key for key in defined.values() if key}
    return VariableDrift(
        variable=variable,
        keys=names if is_injected else (),
        template=locations.in_template(variable),
        settings=locations.in_settings(variable),
        compose=locations.in_compose(variable),
        declared=declared,
        defined=defined,
        plain=plain,
        secrets=dict(locations.in_secrets(in_force or {*names})) if is_injected else {},
        tasks=locations.in_tasks(variable) if defined else "",
        others={
            INITIAL: locations.in_initial_values(names),
            **{kind: locations.in_lists(variable, kind) for kind in (WORKFLOWS, LISTS)},
        },
        is_misnamed=any(locations.is_misnamed(variable, key) for key in defined.values()),
        doubt=locations.doubts.get(variable, ""),
    )


def _judged(locations: VariableLocations, row: VariableDrift) -> VariableDrift:
    """The same with what is missing, and what is unknown."""
    missing, unsure = {*_missing(locations, row)}, {*_unsure(locations, row)}
    return replace(
        row,
        missing=frozenset(missing - unsure),
        unsure=frozenset(unsure),
        lacking=tuple(c for c in _lacking(locations, row) if c not in locations.unseen),
        ahead=tuple(_ahead(locations, row)),
    )


def _missing(locations: VariableLocations, row: VariableDrift) -> Iterator[str]:
    is_required, is_demanded = row.variable in locations.required, locations.is_demanded(row.variable)
    is_read = row.settings not in ("", ELSEWHERE)
    is_known = is_read and (row.is_injected or locations.is_secret(row.variable))
    if locations.checkout.template and not row.template and (is_required or is_demanded or is_known):
        yield TEMPLATE
    if not row.settings and _is_for_settings(locations, row):
        yield SETTINGS
    if _is_for_compose(locations, row):
        yield COMPOSE
    if _lacking(locations, row) or _is_stranded(locations, row, TERRAFORM):
        yield TERRAFORM
    if _ahead(locations, row) or _is_stranded(locations, row, DEFINITION):
        yield DEFINITION
    if not all(row.others[INITIAL]) and locations.referenced.intersection(row.keys):
        yield INITIAL
    if is_required and locations.is_secret(row.variable):
        yield from (kind for kind in (WORKFLOWS, LISTS) if not all(row.others[kind]))
    if row.reaches or row.settings:
        yield from (name for name, has in row.secrets.items() if has is False)


def _doubted(locations: VariableLocations, row: VariableDrift) -> Iterator[str]:
    """The locations that lack a variable, and should have it only if Settings requires it."""
    is_secret, is_demanded = locations.is_secret(row.variable), locations.is_demanded(row.variable)
    if locations.checkout.template and not (row.template or row.is_injected or is_demanded or is_secret):
        yield TEMPLATE
    if not row.is_injected:
        yield from ([COMPOSE] if _is_for_compose(locations, row) else ())
        yield from (TERRAFORM, DEFINITION) if is_secret and locations.containers and not row.plain else ()


def _unsure(locations: VariableLocations, row: VariableDrift) -> Iterator[str]:
    yield from _doubted(locations, row) if row.doubt else ()
    yield from (name for name, has in row.secrets.items() if has is None)
    if not row.settings and locations.checkout.settings.ambiguities:
        yield SETTINGS
    application = locations.checkout.application
    if application and application.extends and _is_for_compose(locations, row):
        yield COMPOSE
    is_vague = bool(locations.unseen & locations.home) or bool(locations.unreadable)
    is_read = (
        bool((locations.shared - locations.evaluated) & row.defined.keys()) or row.defined.keys() <= locations.shared
    )
    is_hidden = locations.may_be_hidden and not is_read
    is_stranded = is_vague and _is_stranded(locations, row, TERRAFORM)
    is_of_others = not row.defined.keys().isdisjoint(locations.only_of_others)
    if is_hidden or is_stranded or is_of_others or locations.unseen.intersection(_lacking(locations, row)):
        yield TERRAFORM
    if locations.is_blind and not row.defined and row.is_injected:
        yield DEFINITION
    if row.defined and "tasks" in locations.snapshot.gaps:
        yield TASKS


def _is_for_compose(locations: VariableLocations, row: VariableDrift) -> bool:
    """Whether the application's service in Compose lacks a variable that it should have."""
    entry = locations.checkout.template_entry_for(row.variable)
    is_expected = bool(row.variable in locations.required or row.doubt) or (
        row.is_injected and entry is not None and not entry.commented_out
    )
    is_read = row.settings not in ("", ELSEWHERE)
    service = locations.checkout.application
    is_lacking = service is not None and not row.compose and locations.may_read(service.name, row.variable)
    return is_lacking and is_read and is_expected


def _is_for_settings(locations: VariableLocations, row: VariableDrift) -> bool:
    """Whether Settings should read a variable: the application gets it, or nothing else uses it."""
    if is_frontend(row.variable):
        return False
    if row.reaches:
        return bool(locations.application.intersection((*row.declared, *row.defined)))
    if row.is_injected:
        return True
    compose = locations.checkout.compose
    is_used = row.variable in locations.checkout.other_reads
    is_used |= compose is not None and (row.variable in compose.used or compose.is_of_image(row.variable))
    return bool(row.template) and not is_used


def _is_stranded(locations: VariableLocations, row: VariableDrift, location: str) -> bool:
    """Whether no container gets it, though a secret has it or the application requires it."""
    candidates = locations.home & locations.shared if location == TERRAFORM else locations.home
    return row.is_injected and not row.reaches and location not in row.plain and bool(candidates)


def _lacking(locations: VariableLocations, row: VariableDrift) -> list[str]:
    return [name for name in row.defined if name in locations.shared and name not in row.declared]


def _ahead(locations: VariableLocations, row: VariableDrift) -> list[str]:
    if locations.is_blind:
        return []
    return [name for name in row.declared if name in locations.shared and name not in row.defined]
