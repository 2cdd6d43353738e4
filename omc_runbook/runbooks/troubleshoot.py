"""What troubleshoot.ipynb does: go from a symptom to its root cause, and fix what can be fixed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omc_runbook.changes.fix import executor
from omc_runbook.changes.fix import plan as fix_plan
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.diagnosis.complaint import Complaint, hear
from omc_runbook.model.findings import Finding
from omc_runbook.report import fix, verify
from omc_runbook.report import troubleshoot as report
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.fix import left
from omc_runbook.report.fix import plan as steps
from omc_runbook.report.troubleshoot import evidence, remedies, rest, ruled_out, state, texts, unseen, verdict
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.closing import Closing, Displays
from omc_runbook.runbooks.run import Run, ignore
from omc_runbook.snapshot.history import History, read_history
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "hear",
    "begin",
    "look",
    "state",
    "diagnose",
    "verdict",
    "evidence",
    "ruled_out",
    "texts",
    "remedies",
    "unseen",
    "rest",
    "plan",
    "steps",
    "left",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""


def begin(environment: str, runbook_toml: str = "", service: str = "") -> Run:
    """Begin on one environment; raises as `run.reach` does."""
    return runbooks_run.begin("troubleshoot", environment, runbook_toml, service)


def look(run: Run, complaint: Complaint, repository: str = "") -> Snapshot:
    """Read the environment as deep as it goes: network, logs, CloudTrail, running tasks; raises as `Target.look`."""
    return run.target.look(repository, look_inside=True, deeply=True, complaint=complaint)


def diagnose(snapshot: Snapshot, complaint: Complaint) -> tuple[Finding, ...]:
    """Put every check to the snapshot; what the complaint is about comes first."""
    return complaint.focus(runbooks_run.diagnose(snapshot))


def plan(run: Run, snapshot: Snapshot, findings: Sequence[Finding]) -> FixPlan:
    """Plan the steps that can be taken against the root causes found; nothing is written."""
    kept = read_history(run.target.clients, snapshot) if fix_plan.may_go_back(findings) else History(())
    return fix_plan.plan_fix(snapshot, findings, kept)


def apply(
    run: Run, plan: FixPlan, apply: bool, confirm: str = "", step: Callable[[str], None] = ignore
) -> FixResult | None:
    """Take the steps and prove them, where `apply` says so; None where nothing was to be done.

    Raises UsageError in production without its name in `confirm`, and what `executor.apply` raises.
    """
    return executor.apply(run.target.context(step), plan) if run.may_change(apply, confirm) else None


def closing(
    run: Run,
    snapshot: Snapshot,
    plan: FixPlan,
    may_apply: bool,
    confirm: str,
    complaint: Complaint,
    repository: str = "",
) -> Closing:
    """Take the steps, where `may_apply` says so: result, proof, review, outcome, undo."""

    def displays(may_apply: bool, confirm: str) -> Displays:
        fixed = apply(run, plan, may_apply, confirm)
        yield "result", fix.done(plan, fixed)
        yield "proof", fix.proof(fixed)
        after = look(run, complaint, repository) if fixed else snapshot
        remaining = diagnose(after, complaint)
        yield "review", report.again(fixed, after, remaining)
        yield "outcome", run.conclude(remaining, fixed, plan)
        yield "undo", fix.undo(plan, fixed)
        if fixed is None or fixed.is_proved:
            return "✓ Fixed and verified"
        return "✗ It failed" if fixed.rollback_note else "? Done, and not verified"

    return Closing(run, "Do what the plan says", displays, may_apply, confirm, plan.is_empty)


def by_hand(run: Run) -> Listing:
    """The guide's own commands for the same."""
    return verify.by_hand(run.environment)
