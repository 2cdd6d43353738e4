"""The drift table: where each variable stands, what is missing where, and which names differ from their keys."""

from __future__ import annotations

from omc_runbook.checks.standing import Standing, standings
from omc_runbook.report.mood import Mood
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot

NOT_READ = "?"
MOODS: dict[str, Mood] = {"missing": "error", NOT_READ: "unknown"}


def table(snapshot: Snapshot, only: str = "") -> Table:
    """A row for each variable that has to do with the secret; `only` for one of them. Empty without a repository."""
    rows = [row for row in standings(snapshot) if only in ("", row.variable)]
    others = list(snapshot.other_keys)
    environments = [snapshot.environment.name, *others]
    secrets = [f"secret {name}" for name in environments]
    columns = ["variable", "key", "template", "Settings", "compose", "Terraform", "task definition", *secrets, "tasks"]
    cells = [
        [
            row.variable,
            _key(row),
            _cell(row.template),
            _cell(row.settings),
            _cell(row.compose),
            _containers(row.declared, row.is_injected),
            _containers(row.defined, row.is_injected),
            *(_has(row, name) for name in environments),
            row.tasks or "—",
        ]
        for row in rows
    ]
    notes = [f"{name}: {other.unread}" for name, other in snapshot.other_keys.items() if other.unread]
    notes += [
        f"{name} has no secret yet."
        for name, other in snapshot.other_keys.items()
        if other.names is None and not other.unread
    ]
    empty = (
        "No repository was given, so that there is nothing to compare with." if snapshot.checkout is None else "None."
    )
    moods = dict(MOODS) | {row[-1]: "warning" for row in cells if row[-1] != "—" and not _is_whole(row[-1])}
    return Table("Where each variable stands", columns, cells, moods, empty, notes=notes)


def _key(row: Standing) -> str:
    if not row.is_injected:
        return "—"
    return ", ".join(row.keys) if row.keys != (row.variable,) else "the same"


def _cell(state: str | None) -> str:
    return "—" if state is None else state or "missing"


def _containers(names: tuple[str, ...] | None, is_injected: bool) -> str:
    if names is None or (not names and not is_injected):
        return "—"
    return ", ".join(names) or "missing"


def _has(row: Standing, environment: str) -> str:
    if not row.is_injected:
        return "—"
    return {True: "there", False: "missing", None: NOT_READ}[row.secrets.get(environment)]


def _is_whole(tasks: str) -> bool:
    have, _, of = tasks.partition(" of ")
    return have == of
