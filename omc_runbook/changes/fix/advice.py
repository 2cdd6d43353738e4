"""One recommendation for each finding: where a fix is planned or may be, that, and nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from omc_runbook.changes.fix.plan import SINGLE_KEY, FixPlan
from omc_runbook.changes.fix.steps import FIX, RestoreVersion
from omc_runbook.checks import remedies
from omc_runbook.checks.key_demand import rolled_back_revisions, secret_demands
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.snapshot.state import Snapshot


def follow(findings: Sequence[Finding], plan: FixPlan, snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings, in which the plan is the remedy of what it fixes, and of nothing else."""
    fixed = {(finding.check, finding.subject) for finding in plan.because}
    unfixed = {(entry.finding.check, entry.finding.subject): entry for entry in plan.unfixed}

    def remedy_of(finding: Finding) -> Remedy:
        if (finding.check, finding.subject) in fixed:
            return _planned(finding, plan, snapshot)
        entry = unfixed.get((finding.check, finding.subject))
        # What was to be fixed before may be fixed by now.
        return replace(entry.remedy, order=entry.remedy.order and finding.remedy.order) if entry else finding.remedy

    return tuple(replace(finding, remedy=remedy_of(finding)) for finding in findings)


def refer(findings: Sequence[Finding], snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings, in which troubleshoot is the remedy of a key's fault that the former version may not have.

    Only with the contents of former versions can be said whether one of them is the way back.
    """
    return tuple(
        replace(finding, remedy=remedies.with_runbook(FIX, snapshot.environment, finding.remedy.by_hand))
        if snapshot.previous_id and _may_go_back(finding) and finding.remedy.runbook != FIX
        else finding
        for finding in findings
    )


def _may_go_back(finding: Finding) -> bool:
    is_of_key = finding.family == "content" and finding.check in SINGLE_KEY
    return is_of_key and finding.is_unexplained and finding.severity == "error"


def _planned(finding: Finding, plan: FixPlan, snapshot: Snapshot) -> Remedy:
    # The plan fixes what must be fixed before, too.
    own = replace(finding.remedy.by_hand, order="")
    steps = [step for step in plan.steps if isinstance(step, RestoreVersion)]
    if any(finding in step.because for step in steps):
        back = Remedy(steps[0].by_hand(plan.names))
        demands = [demand for demand in secret_demands(snapshot) if demand.reference.key == finding.subject]
        revisions = rolled_back_revisions(snapshot, ((demand.service, demand.definition) for demand in demands))
        own = remedies.then_start_tasks(plan.names, back, plan.redeployed, revisions)
        own = remedies.if_registered(own, snapshot.task_definitions.values())
    return remedies.with_runbook(FIX, snapshot.environment, own)
