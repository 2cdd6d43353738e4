"""What runbook.toml accepts among the findings: each is marked, and an entry that matches nothing is a remark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date

from omc_runbook.checks.check import registered
from omc_runbook.checks.families import find
from omc_runbook.model.accepted import Accepted
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.model.suggestions import nearest
from omc_runbook.snapshot.state import Snapshot

UNUSED = "accepted-unused"
"""The id of the remark about an entry that matches nothing."""


def accept(findings: Sequence[Finding], snapshot: Snapshot) -> tuple[Finding, ...]:
    """Mark the findings that runbook.toml accepts on the snapshot's day, and add remarks about its other entries.

    A finding whose entry has expired counts, and says so. Where a check was not run, or could not see everything,
    nothing is said about its entries.
    """
    entries, today = snapshot.environment.accepted, snapshot.taken.astimezone(UTC).date()
    marked = tuple(_mark_accepted(finding, entries, today) for finding in findings)
    return (*marked, *_unused(findings, entries, snapshot.environment.source_of("accepted")))


def _mark_accepted(finding: Finding, entries: Sequence[Accepted], today: date) -> Finding:
    if not finding.is_problem:
        return finding
    matching = [entry for entry in entries if entry.covers(finding.check, finding.subject)]
    valid = next((entry for entry in matching if entry.holds_on(today)), None)
    if valid:
        return replace(finding, accepted=valid.sentence)
    expired = tuple(f"{entry.sentence} That date has passed." for entry in matching)
    return replace(finding, evidence=(*finding.evidence, *expired))


def _unused(findings: Sequence[Finding], entries: Sequence[Accepted], source: str) -> Iterator[Finding]:
    statuses = grouped((finding.check, finding.status) for finding in findings)
    for entry in entries:
        if any(finding.status == "found" and entry.covers(finding.check, finding.subject) for finding in findings):
            continue
        check = find(entry.check)
        if check is None:
            fact = f"There is no check {entry.check}{nearest(entry.check, (each.id for each in registered()))}"
        elif {"unknown", "skipped"}.intersection(statuses.get(entry.check, ["skipped"])):
            continue
        else:
            fact = f"No finding of {entry.check} matches the subject {entry.subject}."
        yield Finding(
            check=UNUSED,
            family=check.family if check else "acceptance",
            title="An accepted entry matches nothing",
            status="found",
            severity="info",
            subject=entry.title,
            evidence=(fact, entry.sentence),
            remedy=Remedy(_correction(entry, source)),
        )


def _correction(entry: Accepted, source: str) -> str:
    if entry.environment:
        return f"Remove the entry from {source}, or correct it."
    return f"Remove the entry from {source}, correct it, or name in it the one environment that it is meant for."
