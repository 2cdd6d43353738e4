"""What update.ipynb does: give keys of the secret new values, and prove that every service runs with them."""

from __future__ import annotations

from functools import partial

from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.values import source_file
from omc_runbook.report import changes
from omc_runbook.report.changes import by_hand, consumers
from omc_runbook.report.changes import plan as keys
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.verify import inventory
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import plan_review, secret_change, unfinished
from omc_runbook.runbooks.actions import OF_UPDATE
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.plan_review import NO_REVIEW, Review, review
from omc_runbook.runbooks.run import Run
from omc_runbook.runbooks.secret_change import Source, findings, gather, look, plan
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "form",
    "parameters",
    "begin",
    "look",
    "pickers",
    "inventory",
    "findings",
    "precautions",
    "gather",
    "plan",
    "keys",
    "consumers",
    "review",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""

ACTIONS = OF_UPDATE


parameters = partial(plan_review.parameters, "update")
"""The notebook's parameters, or those of the plan's file."""

begin = partial(unfinished.begin, "update")
"""Begins on one environment; raises as `run.reach` does."""


def pickers(run: Run, snapshot: Snapshot, keys: str, values_from: str) -> tuple[Picker, ...]:
    """What the form offers: keys and sources of values."""
    sources = choices.values_from(values_from, **{"": "not known yet"})
    return choices.environment(run.environment), choices.keys(snapshot, keys), sources


def precautions(values_from: str) -> Listing:
    """What is unsafe about the source file; the values in it are not read."""
    return changes.precautions(source_file.precautions(values_from))


@takes_parameters
def closing(
    run: Run,
    snapshot: Snapshot,
    plan: SecretPlan,
    new: NewValues,
    apply: bool,
    confirm: str,
    values_from: str = "",
    keep_source: bool = False,
    review: Review = NO_REVIEW,
) -> Closing:
    """Write, redeploy and verify, if `apply` is set: result, proof, holders, former values, outcome, undo.

    Once the values are in force, the source file is removed, unless `keep_source` is set, and the former values are
    tried where their keys have a `check`.
    """
    source = Source(new=new, values_from=values_from, keep=keep_source, is_chosen=bool(values_from))
    return secret_change.closing(review.attach(run), snapshot, plan, apply, confirm, source)
