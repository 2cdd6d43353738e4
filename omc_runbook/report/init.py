"""The report of names: each with where it comes from, and what was not found and why."""

from __future__ import annotations

from omc_runbook.changes.configuration.file import ConfigurationPlan
from omc_runbook.changes.configuration.names import EnvironmentNames
from omc_runbook.model.grouping import grouped
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table

_STATES: dict[str, Level] = {"exists": "good", "does not exist": "error", "not checked": "quiet"}


def names(found: EnvironmentNames) -> Table:
    """The names of an environment, and where each comes from."""
    rows = [[name.field, name.value, name.state, "; ".join(name.sources)] for name in found.names]
    state = "exists" if found.key_source.startswith("AWS") else "not checked"
    rows += [[f"keys.{key}", entry.variable, state, found.key_source] for key, entry in found.keys.items()]
    columns = ["name", "value", "in AWS", "where it comes from"]
    return Table(f"Names of {found.environment}", columns, rows, _STATES, "No name was found.", notes=found.remarks)


def missing(found: EnvironmentNames) -> Listing:
    """The names that were not found, and why."""
    entries = [Entry(name.field, level="unknown", lines=(name.why,)) for name in found.missing]
    return Listing(f"Not found in {found.environment}", entries, "Every name was found.")


def accepted(found: EnvironmentNames) -> Listing:
    """The findings that Terraform's files mean, and that runbook.toml would accept."""
    subjects = grouped(((entry.check, entry.sentence), entry.subject) for entry in found.accepted)
    entries = [Entry(check, ", ".join(names), lines=(text,)) for (check, text), names in subjects.items()]
    return Listing(f"Accepted in {found.environment}, since Terraform's files say so", entries, "Nothing is accepted.")


def change(plan: ConfigurationPlan) -> str:
    """What runbook.toml would become: the whole of a new one, else the difference."""
    if plan.is_empty:
        return f"{plan.path} has these names already."
    text = plan.after.decode() if plan.is_new else plan.diff
    note = f"\nIts own comments are not taken over: {plan.former.name} keeps them." if plan.loses_comments else ""
    return f"{plan.path} would {'be' if plan.is_new else 'change'}:\n\n{text}{note}"
