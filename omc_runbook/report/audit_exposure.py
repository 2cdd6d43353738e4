"""What is exposed, in an audit: each value that was found, and how much was searched."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.checks.audit_exposure import NEEDS
from omc_runbook.model.letters import counted
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.audit.state import ExposedValue, Exposure, Search
from omc_runbook.snapshot.state import Snapshot

PRESENT, FORMER, OTHER = "present value", "former value", "another secret"
_LEVELS: dict[str, Level] = {PRESENT: "error", FORMER: "warning", OTHER: "warning"}


def exposure(snapshot: Snapshot) -> Table:
    """Where values of the secret stand in the open; below it, how much was searched."""
    found = snapshot.audit.exposure
    if found is None:
        return Table("What lies open", ["key", "what", "where", "place"], [], empty="Nothing was searched.")
    rows = [row for kind, search in _searches(found) for row in _rows(kind, search)]
    rows += [[each.key, PRESENT, "environment", f"{each.environment}'s {each.other_key}"] for each in found.shared]
    unread = (*_limits(found), *snapshot.unread(*NEEDS, "services", "task_definitions"))
    where = " in what was searched" if unread and not rows else ""
    title = f"What lies open of {snapshot.secret_name}: {len(rows) or 'nothing'} found{where}"
    columns = ["key", "what", "where", "place"]
    extent = describe_search(found)
    return Table(title, columns, rows, _LEVELS, extent, notes=(extent, *unread) if rows else unread)


def _searches(found: Exposure) -> Iterator[tuple[str, Search]]:
    yield "task definition", found.definitions
    yield "log", found.logs
    if found.files:
        yield "file", found.files
    if found.history:
        yield "git history", found.history


def _rows(kind: str, search: Search) -> Iterator[list[str]]:
    for each in search.found:
        yield [each.key, _what(each), kind, each.location]


def _what(each: ExposedValue) -> str:
    if not each.is_known:
        return OTHER
    return PRESENT if each.is_current else FORMER


def describe_search(found: Exposure) -> str:
    """How much was searched, in a sentence or two."""
    parts = [
        counted(found.definitions.count, "task definition"),
        counted(found.logs.count, "log line"),
        counted(found.files.count, "file") if found.files else "",
        f"{counted(found.history.count, 'former version')} of files in git" if found.history else "",
        f"the secret of {', '.join(found.compared)}" if found.compared else "",
    ]
    no_files = "" if found.files else " Files were not searched: no repository was named."
    return f"Searched: {', '.join(filter(None, parts))}.{no_files}"


def count(found: Exposure) -> int:
    """How many values stand in the open."""
    return sum(len(search.found) for _, search in _searches(found)) + len(found.shared)


def _limits(found: Exposure) -> Iterator[str]:
    for _, search in _searches(found):
        yield from search.limits
    for name, reason in found.uncompared.items():
        yield f"Values could not be compared with {name}: {reason}"
