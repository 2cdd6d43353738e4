"""What rotate.ipynb does: make new values for keys, and prove that the database and every service run with them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.values import encryption, source_file
from omc_runbook.changes.values.sources import KEEP
from omc_runbook.checks import age
from omc_runbook.report import changes
from omc_runbook.report.changes import by_hand, consumers
from omc_runbook.report.changes import plan as keys
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.history import ages
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
from omc_runbook.runbooks.secret_change import RESTORE, Source, history, look, plan
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
    "ages",
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


parameters = partial(plan_review.parameters, "rotate")
"""The notebook's parameters, or those of the plan's file."""

begin = partial(unfinished.begin, "rotate")
"""Begins on one environment; raises as `run.reach` does."""


def pickers(
    run: Run, snapshot: Snapshot, history: VersionHistory, keys: str, values_from: str, on_failure: str
) -> tuple[Picker, ...]:
    """What the form offers: keys with their ages, sources of values, what to do on failure."""
    return (
        choices.environment(run.environment),
        choices.keys_by_age(snapshot, history, keys),
        choices.values_from(values_from, renew="generated, or typed where a provider issues it"),
        choices.on_failure(on_failure),
    )


def precautions(values_from: str, database_url_from: str) -> Listing:
    """What is unsafe about the source files; the values in them are not read."""
    return changes.precautions(source_file.precautions(values_from) + source_file.precautions(database_url_from))


def gather(
    run: Run, snapshot: Snapshot, history: VersionHistory, keys: str, values_from: str, database_url_from: str
) -> NewValues:
    """Generate, read or ask for new values of these keys, or of those whose rotation is due.

    Raises as `secret_change.gather` does.
    """
    ages_of_keys = age.ages(snapshot, history)
    due, left_out = age.due(snapshot, ages_of_keys), age.overdue_encryption(snapshot, ages_of_keys)
    new = secret_change.gather(run, snapshot, values_from, keys, database_url_from, due)
    if keys.strip() != age.DUE or not left_out:
        return new
    note = f"{', '.join(left_out)} would be due, and is not renewed by itself: it encrypts data. {encryption.WAY}"
    return replace(new, left_out=(*new.left_out, note))


@takes_parameters
def closing(
    run: Run,
    snapshot: Snapshot,
    plan: SecretPlan,
    new: NewValues,
    apply: bool,
    confirm: str,
    values_from: str = "",
    on_failure: str = RESTORE,
    review: Review = NO_REVIEW,
) -> Closing:
    """Write, redeploy and verify, if `apply` is set: result, proof, holders, former values, outcome, undo.

    Once the values are in force, the source file is removed, and the former values are tried where that can be.
    """
    is_chosen = bool(new.keys or new.notes or new.left_out or values_from == KEEP)
    source = Source(new=new, values_from=values_from, is_rotation=True, is_chosen=is_chosen)
    return secret_change.closing(review.attach(run), snapshot, plan, apply, confirm, source, on_failure)
