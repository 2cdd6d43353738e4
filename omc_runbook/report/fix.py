"""The report on a fix: its plan, what is left to you, the result, the deployments, and how to undo it."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.changes.deploy.rollout import expected
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Redeploy
from omc_runbook.model.findings import Finding
from omc_runbook.report import changes
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table

NOTHING = "This runbook can fix nothing of it: the findings above say what to do."
WHOLE = "There is nothing to fix."


def plan(planned: FixPlan) -> Listing:
    """The steps in order, each with the exact change, the checks that it fixes and the command; then redeployments."""
    entries = [
        Entry(
            step.title,
            _checks(step.because),
            level="warning",
            label=f"step {number}",
            lines=step.lines,
            command=step.by_hand(planned.names),
        )
        for number, step in enumerate(planned.steps, 1)
    ]
    if planned.redeploys:
        number = f"step {len(entries) + 1}"
        lines = tuple(map(_redeploy, planned.redeploys))
        reasons = [finding for redeploy in planned.redeploys for finding in redeploy.because]
        entries.append(Entry("redeploy the services", _checks(reasons), level="warning", label=number, lines=lines))
    title = "Planned steps, in order" if entries else "Planned steps"
    return Listing(title, entries, NOTHING if planned.unfixed else WHOLE)


def left(planned: FixPlan) -> Listing:
    """The root causes that the plan does not fix, why, and what to do about each."""
    entries = []
    for entry in planned.unfixed:
        finding = entry.finding
        # This runbook cannot be the remedy for what it does not fix.
        ways = finding.remedy.ways if finding.remedy.runbook != "troubleshoot" else (finding.remedy.command,)
        command, *others = ways or ("",)
        level: Level = "error" if finding.severity == "error" else "warning"
        entries.append(
            Entry(
                finding.check,
                finding.subject,
                level=level,
                label=finding.severity,
                lead=f"{finding.title}.",
                lines=(entry.why,) if entry.why else (),
                command=command,
                by_hand="".join(others),
            )
        )
    empty = "Nothing: the plan fixes every root cause." if planned.because else "There is no root cause."
    return Listing("What is left to you", entries, empty)


def done(planned: FixPlan, cured: FixResult | None) -> Banner:
    """How it went, or why nothing was done."""
    if cured is None:
        reason = "This was a dry run." if not planned.is_empty else NOTHING if planned.unfixed else WHOLE
        return Banner("plain", f"Nothing was changed. {reason}")
    if not cured.entries and not cured.rollouts:
        return Banner(
            "plain" if planned.unfixed else "good", f"Nothing was changed. {NOTHING if planned.unfixed else WHOLE}"
        )
    lines = (*(f"Done: {step.title}." for step in cured.steps), *_reasons(cured))
    if cured.rollback_note:
        return Banner("bad", f"Tasks failed. {cured.rollback_note}", (*_failure(cured), *lines))
    causes = _checks(planned.because)
    if cured.is_proved:
        services = ", ".join(rollout.service for rollout in cured.rollouts if rollout.state == "done") or "no service"
        return Banner("good", f"Fixed and verified: {causes}; new tasks of {services} run.", lines)
    remaining = _checks(cured.remaining)
    result = f"{remaining} found again" if remaining else "not verified everywhere"
    return Banner("unsure", f"The fix for {causes} was applied, but {result}.", lines)


def proof(cured: FixResult | None) -> Table:
    """For each service: its deployment, revision, running and desired tasks, and how it ended."""
    return changes.proof(cured)


def undo(planned: FixPlan, cured: FixResult | None) -> Listing:
    """The commands that undo each step, the last step first."""
    steps = planned.steps if cured is None else cured.steps
    entries = [
        Entry(f"undo: {step.title}", command=command)
        for step in reversed(steps)
        for command in step.undo(planned.names)
    ]
    is_ahead = cured is None and bool(steps)
    empty = "There is nothing to undo: new tasks read the same secret."
    return Listing("Undo, once the plan has been applied" if is_ahead else "Undo", entries, empty)


def _redeploy(redeploy: Redeploy) -> str:
    service, rollout = redeploy.service, expected(redeploy.service)
    count = f"{service.desired} task{'' if service.desired == 1 else 's'}"
    how = redeploy.blocker or rollout.reason or "new tasks start before old ones stop, and are watched until verified"
    return f"{service.name}, {count}: {how}"


def _checks(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.check for finding in findings))


def _reasons(cured: FixResult) -> tuple[str, ...]:
    return tuple(f"{rollout.service}: {rollout.reason}" for rollout in cured.rollouts if rollout.reason)


def _failure(cured: FixResult) -> tuple[str, ...]:
    causes = [finding for finding in cured.findings if finding.is_root_cause]
    return tuple(f"Root cause: {finding.title} ({finding.check})." for finding in causes)
