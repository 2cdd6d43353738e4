"""The drift table: where each variable stands, what is missing where, and which names differ from their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omc_runbook.checks.variable_drift import Standing, standings
from omc_runbook.checks.variable_locations import COMPOSE, DEFINITION, SETTINGS, TASKS, TEMPLATE, TERRAFORM
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

TITLE = "Where each variable stands"
MISSING, NOT_READ, NOWHERE = "missing", "not read", "—"
SAME = "the same"


def table(snapshot: Snapshot, only: str = "") -> Table:
    """A row for each variable that has to do with the secret or has to be there; `only` for one of them.

    What lacks a variable, and should have it, says "missing"; a place that has nothing to do with it has a dash. Empty
    without a repository.
    """
    if snapshot.checkout is None:
        return Table(TITLE, [], [], None, "No repository was given, so there is nothing to compare with.")
    rows = [row for row in standings(snapshot) if only in ("", row.variable)]
    named = [snapshot.environment.name, *snapshot.other_keys]
    environments = [name for name in named if any(name in row.secrets for row in rows)]
    secrets = [f"secret {name}" for name in environments]
    columns = ["variable", "key", TEMPLATE, SETTINGS, COMPOSE, TERRAFORM, DEFINITION, *secrets, TASKS]
    cells = [
        [
            row.variable,
            _key(row),
            _cell(row, TEMPLATE, "optional" if row.template == "optional" else "there" if row.template else ""),
            _cell(row, SETTINGS, row.settings),
            _cell(row, COMPOSE, "there" if row.compose else ""),
            _containers(row, TERRAFORM, row.declared, row.lacking),
            _containers(row, DEFINITION, row.defined, row.ahead),
            *(_cell(row, name, "there" if row.secrets.get(name) else "") for name in environments),
            _cell(row, TASKS, row.tasks),
        ]
        for row in rows
    ]
    moods: dict[str, Mood] = {NOT_READ: "unknown"}
    moods |= {cell: "error" for row in cells for cell in row[2:] if cell.startswith(MISSING)}
    moods |= {row.tasks: "warning" for row in rows if row.tasks and not _is_whole(row.tasks)}
    return Table(TITLE, columns, cells, moods, "None.", notes=[*_notes(snapshot)])


def _key(row: Standing) -> str:
    """The key, "the same" where it is called as the variable is, and both where Terraform takes another."""
    if not row.is_injected:
        return NOWHERE
    if row.keys == (row.variable,):
        return SAME
    before, after = ({*places.values()} - {""} for places in (row.defined, row.declared))
    if before and after and before != after:
        return f"{_listed(before)}, in Terraform {_listed(after)}"
    return _listed(row.keys)


def _cell(row: Standing, place: str, state: str) -> str:
    if place in row.unsure:
        return NOT_READ
    return MISSING if place in row.missing else state or NOWHERE


def _containers(row: Standing, place: str, names: Mapping[str, str], missing: Sequence[str]) -> str:
    if names and missing and place not in row.unsure:
        return f"{MISSING} in {_listed(missing)}"
    return _cell(row, place, _listed(names) or ("plain" if place in row.plain else ""))


def _listed(names: Sequence[str] | Mapping[str, str] | set[str]) -> str:
    return ", ".join(dict.fromkeys(sorted(names) if isinstance(names, set) else names))


def _notes(snapshot: Snapshot) -> Iterator[str]:
    checkout = snapshot.checkout
    for name, other in snapshot.other_keys.items():
        if other.unread:
            yield f"The secret of {name} was not read: {other.unread}"
        elif other.names is None:
            yield f"{name} has no secret with a value in it yet."
    for name in snapshot.environment.others:
        if name not in snapshot.other_keys:
            yield f"{name} is in another account, or has a profile of its own, and is not compared."
    if checkout and checkout.template is None:
        yield "The repository has no .env.template."
    if checkout and checkout.compose is None:
        yield "The repository has no compose file."
    if checkout and checkout.task_definitions is None:
        yield "The repository has no Terraform with a task definition."


def _is_whole(tasks: str) -> bool:
    have, _, of = tasks.partition(" of ")
    return have == of
