"""The report on a fix: its plan, what is left to you, the result, the deployments, and how to undo it."""

from __future__ import annotations

from omc_runbook.changes.deploy.rollout import expected
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Redeploy, undo_commands
from omc_runbook.model.findings import check_ids
from omc_runbook.model.letters import counted
from omc_runbook.report import changes
from omc_runbook.report.display.banner import Banner, Style
from omc_runbook.report.display.listing import Entry, Listing

NOTHING = "This runbook cannot fix any of it: the findings above say what to do."
WHOLE = "There is nothing to fix."


def plan(plan: FixPlan) -> Listing:
    """The steps in order, each with the exact change, the checks that it fixes and the command; then redeployments."""
    entries = [
        Entry(
            step.title,
            ", ".join(check_ids(step.because)),
            level="warning",
            label=f"step {number}",
            lines=step.lines,
            command=step.by_hand(plan.names),
        )
        for number, step in enumerate(plan.steps, 1)
    ]
    if plan.redeploys:
        number = f"step {len(entries) + 1}"
        lines = tuple(map(_redeploy, plan.redeploys))
        reasons = [finding for redeploy in plan.redeploys for finding in redeploy.because]
        entries.append(
            Entry("redeploy the services", ", ".join(check_ids(reasons)), level="warning", label=number, lines=lines)
        )
    title = "Planned steps, in order" if entries else "Planned steps"
    return Listing(title, entries, _why_nothing(plan))


def manual_fixes(plan: FixPlan) -> Listing:
    """The root causes that the plan does not fix, why, and how to fix each by hand; then what it does not deploy."""
    entries = [Entry.of(each.finding, each.why).with_remedy(each.remedy) for each in plan.unfixed]
    entries += [Entry(sentence).with_remedy(remedy) for sentence, remedy in plan.deployments_by_hand.items()]
    none = "No root cause was found." if plan.doubt else "There is no root cause."
    empty = "Nothing: the plan fixes every root cause." if plan.because else none
    return Listing("What is left to you", entries, empty)


def result(plan: FixPlan, result: FixResult | None) -> Banner:
    """How it went, or why nothing was done."""
    if result is None:
        reason = _why_nothing(plan) if plan.is_empty else "This was a dry run."
        return Banner("plain", f"Nothing was changed. {reason}")
    if not result.changes and not result.rollouts:
        style: Style = "plain" if plan.unfixed or plan.doubt else "good"
        return Banner(style, f"Nothing was changed. {_why_nothing(plan)}")
    lines = (*(f"Done: {step.title}." for step in result.steps), *changes.reasons(result), *plan.deployments_by_hand)
    if result.is_cancelled:
        return changes.stopped(result)
    if result.rollback_note:
        return Banner("bad", f"Tasks failed. {result.rollback_note}", (*_failure(result), *lines))
    causes = ", ".join(check_ids(plan.because))
    if result.is_proved:
        services = changes.services_done(result) or "no service"
        fixed = f"Fixed and verified: {causes}" if causes else "Verified"
        return Banner("good", f"{fixed}; new tasks of {services} run.", lines)
    remaining = ", ".join(check_ids(result.remaining))
    state = f"{remaining} found again" if remaining else "not verified everywhere"
    fix = f"The fix for {causes}" if causes else "The fix"
    return Banner("unsure", f"{fix} was applied, but {state}.", lines)


def undo(plan: FixPlan, result: FixResult | None) -> Listing:
    """The commands that undo each step, the last step first."""
    steps = plan.steps if result is None else result.steps
    entries = [
        Entry(f"undo: {step.title}", command=command)
        for step in reversed(steps)
        for command in undo_commands(step, plan.names)
    ]
    taken_back = result is not None and result.is_cancelled
    entries += [
        Entry("undo what was done before this run", command=command)
        for command in plan.undo_commands_before
        if not taken_back
    ]
    is_ahead = result is None and bool(steps)
    empty = "There is nothing to undo: new tasks read the same secret."
    return Listing("Undo, once the plan has been applied" if is_ahead else "Undo", entries, empty)


def _why_nothing(plan: FixPlan) -> str:
    return NOTHING if plan.unfixed else plan.doubt or WHOLE


def _redeploy(redeploy: Redeploy) -> str:
    service, rollout = redeploy.service, expected(redeploy.service)
    count = counted(service.desired, "task")
    usual = service.configuration.sentence or "new tasks start before old ones stop, and are watched until verified"
    how = redeploy.blocker or rollout.reason or usual
    return f"{service.name}, {count}: {how}"


def _failure(result: FixResult) -> tuple[str, ...]:
    causes = [finding for finding in result.findings if finding.is_unexplained]
    return tuple(f"Root cause: {finding.title} ({finding.check})." for finding in causes)
