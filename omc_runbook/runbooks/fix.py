"""The fix of root causes, as troubleshoot makes it: planned, applied, judged and concluded; finished, or taken back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial

from omc_runbook.changes.fix import executor
from omc_runbook.changes.fix import plan as fix_plan
from omc_runbook.changes.fix.advice import follow
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.diagnosis.complaint import Complaint, read_complaint
from omc_runbook.model.findings import Finding
from omc_runbook.report import changes, fix
from omc_runbook.report import troubleshoot as report
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.runbooks import own_parameters, take_back
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.closing import Closing, Displays, button_label, end_label
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.plan_review import NO_REVIEW, Review
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.history import read_history
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

RUNBOOK = "troubleshoot"


def look(run: Run, complaint: Complaint, repository: str = "", allow_code: bool = False) -> Snapshot:
    """Read everything: also network, logs, CloudTrail and running tasks; raises as `Target.look` does.

    With `allow_code`, a complaint about a .env also loads Settings, which runs the checkout's code.
    """
    return run.target.look(repository, look_inside=True, deeply=True, complaint=complaint, allow_code=allow_code)


def diagnose(snapshot: Snapshot, complaint: Complaint) -> tuple[Finding, ...]:
    """Run every check on the snapshot; the findings that the complaint is about come first."""
    return complaint.about(snapshot).focus(runbooks_run.diagnose(snapshot))


def plan(run: Run, snapshot: Snapshot, findings: Sequence[Finding]) -> FixPlan:
    """Plan the steps that fix root causes; nothing is written."""
    history = read_history(run.target.clients, snapshot) if fix_plan.may_go_back(findings) else VersionHistory(())
    return fix_plan.plan_fix(snapshot, findings, history)


def apply(run: Run, plan: FixPlan, apply: bool, confirm: str = "", live: LiveChange | None = None) -> FixResult | None:
    """Take the steps and verify them if `apply` is set; None in a dry run.

    Raises UsageError in production without its name in `confirm`, and what `executor.apply` raises.
    """
    return executor.apply(run.target.context(live), plan) if run.may_change(apply, confirm) else None


@own_parameters.takes_parameters
def closing(
    run: Run,
    snapshot: Snapshot,
    plan: FixPlan,
    may_apply: bool,
    confirm: str,
    complaint: Complaint,
    repository: str = "",
    allow_code: bool = False,
    review: Review = NO_REVIEW,
) -> Closing:
    """Take the steps, if `may_apply` is set: result, proof, review, outcome, undo."""
    run, plan = review.attach(run), replace(plan, notes=complaint.notes)

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        result = apply(run, plan, may_apply, confirm, live)
        yield "result", fix.result(plan, result)
        yield "proof", changes.proof(result)
        after = look(run, complaint, repository, allow_code) if result else snapshot
        remaining = follow(diagnose(after, complaint), plan, after)
        yield "review", report.review(result, after, remaining)
        yield "outcome", run.conclude(remaining, result, plan)
        yield "undo", fix.undo(plan, result)
        yield "answer", run.answer(remaining, after, result, plan)
        return end_label(result, "✓ Fixed and verified")

    label, services = label_of(plan, run.environment.name), tuple(service.name for service in plan.redeployed)
    state = run.state(undo=plan.undos(run.environment.name), services=services, go_back="\n".join(plan.undo_commands))
    after = partial(offers, run)
    return Closing(run, plan, label, displays, may_apply, confirm, plan.is_empty, state, after)


def label_of(plan: FixPlan, environment: str) -> str:
    """What the button says that it does, as `button_label`."""
    act = f"take {len(plan.steps)} steps" if plan.steps[1:] else "".join(step.act for step in plan.steps)
    return button_label(act, environment, plan.redeployed, plan.underway)


def _finish(run: Run, live: LiveChange, state: ChangeState, word: str) -> Generator[object, None, str]:
    """Make the plan anew, and apply of it what was begun and no more."""
    parameters = own_parameters.all_parameters(RUNBOOK, state.parameters)
    service, repository = str(parameters["service"]), str(parameters["repository"])
    allow_code = bool(parameters["allow_code"])
    complaint = read_complaint(str(parameters["symptom"]), service, str(parameters["task"]))
    new_run = runbooks_run.begin(RUNBOOK, state.environment, str(parameters["runbook_toml"]), service)
    run = take_back.go_on(run, new_run, state)
    snapshot = look(run, complaint, repository, allow_code)
    rest = plan(run, snapshot, diagnose(snapshot, complaint))
    rest = fix_plan.narrow(rest, snapshot, state.undo, state.services, state.started)
    return (yield from closing(run, snapshot, rest, False, "", complaint, repository, allow_code).press(word, live))


offers = partial(take_back.offers, finish=_finish)
"""Buttons that finish it where another process began it, and that take it back."""
