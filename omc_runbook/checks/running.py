"""Faults inside a running task, which only a look at its processes can show."""

from __future__ import annotations

from omc_runbook.finding import Finding, Status

FAMILY = "running"
TITLES = {
    "entrypoint-override": "The image's entry point replaces a variable",
    "baked-env": "A value comes from a file in the image",
    "app-cache": "The application keeps a value that it read earlier",
}


def not_looked_inside(asked: bool) -> tuple[Finding, ...]:
    """Say that no task was looked into: skipped, or unknown where it was asked for."""
    status: Status = "unknown" if asked else "skipped"
    reason = (
        "Looking inside a running task is not built yet: which value it holds is told by times alone."
        if asked
        else "Not asked to look inside running tasks: which value they hold is told by times."
    )
    return tuple(Finding(check, FAMILY, title, status, evidence=(reason,)) for check, title in TITLES.items())
