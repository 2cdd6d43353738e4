"""What a cure shows: its plan, what stays for you to mend, how it went, the deployments, and how to undo it."""

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
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table

NOTHING = "Nothing that this runbook can cure: what was found, with what to do about it, stands above."
WHOLE = "Nothing was found to cure."


def plan(planned: FixPlan) -> Listing:
    """The steps in order, each with the exact change, what it is against and the command by hand; then new tasks."""
    entries = [
        Entry(step.title, _checks(step.because), "warning", f"step {number}", lines=step.lines, command=hand)
        for number, step in enumerate(planned.steps, 1)
        for hand in [step.by_hand(planned.names)]
    ]
    if planned.redeploys:
        number = f"step {len(entries) + 1}"
        lines = tuple(map(_redeploy, planned.redeploys))
        against = [finding for redeploy in planned.redeploys for finding in redeploy.because]
        entries.append(Entry("give new tasks to the services", _checks(against), "warning", number, lines=lines))
    title = "What would be done, in this order" if entries else "What would be done"
    return Listing(title, entries, NOTHING if planned.left else WHOLE)


def left(planned: FixPlan) -> Listing:
    """The root causes that are no part of the plan, why, and what to do about each."""
    entries = []
    for entry in planned.left:
        found = entry.finding
        # This very runbook is no way, for what it leaves.
        ways = found.remedy.ways if found.remedy.runbook != "troubleshoot" else (found.remedy.command,)
        command, *others = ways or ("",)
        mood: Mood = "error" if found.severity == "error" else "warning"
        entries.append(
            Entry(
                found.check,
                found.subject,
                mood,
                found.severity,
                f"{found.title}.",
                (entry.why,) if entry.why else (),
                command,
                "".join(others),
            )
        )
    empty = "Nothing: the plan is against every root cause that was found." if planned.because else "Nothing was found."
    return Listing("What is left to you", entries, empty)


def done(planned: FixPlan, cured: FixResult | None) -> Banner:
    """How it went, or that nothing was done and why."""
    if cured is None:
        told = "This was a dry run." if not planned.is_empty else NOTHING if planned.left else WHOLE
        return Banner("plain", f"Nothing was changed. {told}")
    if not cured.entries and not cured.rollouts:
        return Banner("plain" if planned.left else "good", f"Nothing was changed. {NOTHING if planned.left else WHOLE}")
    lines = (*(f"Done: {step.title}." for step in cured.steps), *_reasons(cured))
    if cured.undone:
        return Banner("bad", f"Tasks failed. {cured.undone}", (*_failure(cured), *lines))
    causes = _checks(planned.because)
    if cured.is_proved:
        services = ", ".join(rollout.service for rollout in cured.rollouts if rollout.state == "done") or "no service"
        return Banner("good", f"FixResult and proved: {causes}; new tasks of {services} run.", lines)
    still = _checks(cured.remaining)
    told = f"{still} found again" if still else "not proved everywhere"
    return Banner("unsure", f"Done against {causes}, and {told}.", lines)


def proof(cured: FixResult | None) -> Table:
    """For each service: our deployment, its revision, the tasks that run of those wanted, and how it ended."""
    return changes.proof(cured)


def undo(planned: FixPlan, cured: FixResult | None) -> Listing:
    """The commands that change each step back, the last one first."""
    steps = planned.steps if cured is None else cured.steps
    entries = [
        Entry(f"undo: {step.title}", command=command)
        for step in reversed(steps)
        for command in step.undo(planned.names)
    ]
    is_ahead = cured is None and bool(steps)
    empty = "Nothing has been changed that could be changed back: new tasks read the same secret."
    return Listing("Going back, once the plan has been applied" if is_ahead else "Going back", entries, empty)


def _redeploy(redeploy: Redeploy) -> str:
    service, rollout = redeploy.service, expected(redeploy.service)
    count = f"{service.desired} task{'' if service.desired == 1 else 's'}"
    how = redeploy.held or rollout.reason or "new tasks before the old ones go, and watched until they are proved"
    return f"{service.name}, {count}: {how}"


def _checks(findings: Sequence[Finding]) -> str:
    return ", ".join(dict.fromkeys(finding.check for finding in findings))


def _reasons(cured: FixResult) -> tuple[str, ...]:
    return tuple(f"{rollout.service}: {rollout.reason}" for rollout in cured.rollouts if rollout.reason)


def _failure(cured: FixResult) -> tuple[str, ...]:
    causes = [finding for finding in cured.findings if finding.is_root_cause]
    return tuple(f"Root cause: {finding.title} ({finding.check})." for finding in causes)
