"""What restore.ipynb does: make a former version of the secret current again, and prove that every service has it."""

from __future__ import annotations

from functools import partial

from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.secret.restore import plan_restore as plan
from omc_runbook.report.changes import consumers
from omc_runbook.report.changes import plan as keys
from omc_runbook.report.history import by_hand, versions
from omc_runbook.report.verify import inventory
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import plan_review, secret_change, unfinished
from omc_runbook.runbooks.actions import DEPLOY, LIST_DAEMONS, MORE_TO_CHANGE, MOVE_LABEL, READ, Actions
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.plan_review import NO_REVIEW, Parameters, Review
from omc_runbook.runbooks.run import Run
from omc_runbook.runbooks.secret_change import Source, history, look
from omc_runbook.runbooks.secret_change import findings_with_deployments as findings
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

__all__ = [
    "form",
    "parameters",
    "begin",
    "look",
    "inventory",
    "history",
    "pickers",
    "versions",
    "findings",
    "plan",
    "keys",
    "consumers",
    "review",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(
    plan=READ,
    apply=(*MOVE_LABEL, *DEPLOY, *LIST_DAEMONS),
    sometimes=(),
    sometimes_to_apply=MORE_TO_CHANGE,
)


parameters = partial(plan_review.parameters, "restore")
"""The notebook's parameters, or those of the plan's file."""

begin = partial(unfinished.begin, "restore")
"""Begins on one environment; raises as `run.reach` does."""


def pickers(run: Run, snapshot: Snapshot, history: VersionHistory, version: str) -> tuple[Picker, ...]:
    """What the form offers: the former versions."""
    return choices.environment(run.environment), choices.version(snapshot, history, version)


def review(run: Run, snapshot: Snapshot, plan: SecretPlan, parameters: Parameters) -> Review:
    """Write or compare the plan, as `plan_review.review` does, with where the restored values would be tried."""
    has_file = parameters.plan_to or parameters.plan_from
    return plan_review.review(
        run, snapshot, secret_change.with_others(run, snapshot, plan) if has_file else plan, parameters
    )


@takes_parameters
def closing(
    run: Run, snapshot: Snapshot, plan: SecretPlan, apply: bool, confirm: str, review: Review = NO_REVIEW
) -> Closing:
    """Move AWSCURRENT, redeploy and verify, if `apply` is set: result, proof, holders, tried values, outcome, undo."""
    plan = secret_change.with_others(run, snapshot, plan) if apply else plan
    # The plan for no version keeps no label.
    source = Source(unfinished=secret_change.left_by_restore(run, snapshot, plan), is_chosen=bool(plan.labels))
    return secret_change.closing(review.attach(run), snapshot, plan, apply, confirm, source)
