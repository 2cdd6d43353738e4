"""The drift table: where each variable is defined, where it is missing, and which key it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omc_runbook.checks.variable_drift import VariableDrift, variable_drifts
from omc_runbook.checks.variable_locations import (
    COMPOSE,
    DEFINITION,
    INITIAL,
    LISTS,
    SETTINGS,
    TASKS,
    TEMPLATE,
    TERRAFORM,
    WORKFLOWS,
)
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

TITLE = "Where each variable is defined"
MISSING, LACKING, NOT_READ, UNKNOWN, NOWHERE = "missing", "not there", "not read", "unknown", "—"
SAME = "the same"


def table(snapshot: Snapshot, only: str = "") -> Table:
    """A row for each variable that the secret provides or the application requires; `only` limits it to one.

    A cell says "missing" where the variable should be and is not, and has a dash where it need not be. Terraform's
    initial value of the secret, workflows and further lists in Compose have a column where they lack a variable, or
    alone have it. Without a repository the table is empty.
    """
    if snapshot.checkout is None:
        return Table(TITLE, [], [], None, "No repository was named, so there is nothing to compare.")
    rows = [row for row in variable_drifts(snapshot) if only in ("", row.variable)]
    all_environments = [snapshot.environment.name, *snapshot.other_keys]
    environments = [name for name in all_environments if any(name in row.secrets for row in rows)]
    secrets = [f"secret {name}" for name in environments]
    others = [
        name for name in (INITIAL, WORKFLOWS, LISTS) if any(name in row.missing or row.is_only_in(name) for row in rows)
    ]
    without_difference = [
        name for name in (INITIAL, WORKFLOWS, LISTS) if name not in others and any(row.others[name] for row in rows)
    ]
    columns = ["variable", "key", TEMPLATE, SETTINGS, COMPOSE, TERRAFORM, *others, DEFINITION, *secrets, TASKS]
    cells = [
        [
            row.variable,
            _key(row),
            _cell(row, TEMPLATE, "optional" if row.template == "optional" else "yes" if row.template else ""),
            _cell(row, SETTINGS, row.settings),
            _cell(row, COMPOSE, "yes" if row.compose else ""),
            _containers(row, TERRAFORM, row.declared, row.lacking),
            *(LACKING if name in row.missing else _share(row.others[name]) for name in others),
            _containers(row, DEFINITION, row.defined, row.ahead),
            *(_cell(row, name, "yes" if row.secrets.get(name) else "") for name in environments),
            _cell(row, TASKS, row.tasks),
        ]
        for row in rows
    ]
    levels: dict[str, Level] = {NOT_READ: "unknown", LACKING: "warning"}
    levels |= {cell: "error" for row in cells for cell in row[2:] if cell.startswith(MISSING)}
    levels |= {row.tasks: "warning" for row in rows if row.tasks and not _is_whole(row.tasks)}
    complete = [f"No difference in: {', '.join(without_difference)}."] if without_difference else []
    return Table(TITLE, columns, cells, levels, "None.", notes=[*_notes(snapshot), *complete])


def _key(row: VariableDrift) -> str:
    """The key, "the same" where it has the variable's name, and both keys where Terraform names another."""
    if not row.is_injected:
        return NOWHERE
    if row.keys == (row.variable,):
        return SAME
    before, after = ({*keys_by_container.values()} - {""} for keys_by_container in (row.defined, row.declared))
    if before and after and before != after:
        return f"{_join(before)}, in Terraform {_join(after)}"
    return _join(row.keys)


def _cell(row: VariableDrift, location: str, state: str) -> str:
    if location in row.unsure:
        return UNKNOWN if row.doubt else NOT_READ
    return MISSING if location in row.missing else state or NOWHERE


def _share(has: Sequence[bool]) -> str:
    """How many of several lists have it."""
    return "yes" if has and all(has) else f"{sum(has)} of {len(has)}" if any(has) else NOWHERE


def _containers(row: VariableDrift, location: str, names: Mapping[str, str], missing: Sequence[str]) -> str:
    if names and missing and location not in row.unsure:
        return f"{MISSING} in {_join(missing)}"
    return _cell(row, location, _join(names) or ("plain" if location in row.plain else ""))


def _join(names: Sequence[str] | Mapping[str, str] | set[str]) -> str:
    return ", ".join(dict.fromkeys(sorted(names) if isinstance(names, set) else names))


def _notes(snapshot: Snapshot) -> Iterator[str]:
    checkout = snapshot.checkout
    for name, other in snapshot.other_keys.items():
        if other.unread:
            yield f"The secret of {name} was not read: {other.unread}"
        elif other.names is None:
            yield f"The secret of {name} does not exist, or has no value yet."
    for name in snapshot.environment.others:
        if name not in snapshot.other_keys:
            yield f"{name} is not compared: it is in another account, or has its own profile."
    if checkout and checkout.template is None:
        yield "The repository has no .env.template."
    if checkout and checkout.without_compose:
        yield checkout.without_compose
    if checkout and checkout.without_terraform:
        yield checkout.without_terraform


def _is_whole(tasks: str) -> bool:
    count, _, total = tasks.partition(" of ")
    return count == total
