"""What create.ipynb does: create the secret of a new environment, or restore a deleted one, and prove it."""

from __future__ import annotations

from functools import partial

from omc_runbook.changes.secret import create as secret_create
from omc_runbook.changes.secret import create_plan, placeholders
from omc_runbook.changes.secret.create import CreateResult
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.masking import kernel
from omc_runbook.model.findings import Finding, as_before
from omc_runbook.model.suggestions import expand
from omc_runbook.report import create as report
from omc_runbook.report.create import warnings
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.table import Table
from omc_runbook.report.verify import inventory
from omc_runbook.runbooks import own_record, plan_review, unfinished
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks.actions import Actions
from omc_runbook.runbooks.closing import Closing, Displays, button_label
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.plan_review import NO_REVIEW, Review, review
from omc_runbook.runbooks.run import Run, diagnose
from omc_runbook.runbooks.secret_change import findings, look
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.program import name_of

__all__ = [
    "form",
    "parameters",
    "begin",
    "pickers",
    "look",
    "inventory",
    "findings",
    "plan",
    "steps",
    "warnings",
    "review",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""

_MORE = (
    "for a secret that is there already, secretsmanager: GetSecretValue, ListSecretVersionIds",
    "for a customer managed key, kms: DescribeKey, GenerateDataKey, Decrypt",
    "for a deleted secret, secretsmanager: RestoreSecret",
)
ACTIONS = Actions(
    plan=(
        "ec2:DescribeRegions",
        "ecs:DescribeClusters",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:ListClusters",
        "ecs:ListServices",
        "secretsmanager:DescribeSecret",
        "secretsmanager:ListSecrets",
    ),
    apply=(
        *("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
        *("secretsmanager:GetSecretValue", "secretsmanager:ListSecretVersionIds"),
    ),
    sometimes=_MORE,
    searches=True,
)


parameters = partial(plan_review.parameters, "create")
"""The notebook's parameters, or those of the plan's file."""

begin = partial(unfinished.begin, "create")
"""Begins on one environment; raises as `run.reach` does."""


def pickers(run: Run) -> tuple[Picker, ...]:
    """What the form offers: environments."""
    return (choices.environment(run.environment),)


def plan(run: Run, snapshot: Snapshot, terraform_dir: str = "") -> CreatePlan:
    """Plan to create or restore the secret, through Terraform if its folder is named, else the API.

    Raises as `create_plan.plan_create` and `create.find_key` do.
    """
    creation = create_plan.plan_create(snapshot, expand(terraform_dir) if terraform_dir else None)
    secret_create.find_key(run.target.clients, creation)
    return creation


def steps(run: Run, plan: CreatePlan) -> Table:
    """What would be created or restored."""
    return report.plan(plan, run.environment)


def apply(
    run: Run, plan: CreatePlan, apply: bool, confirm: str = "", live: LiveChange | None = None
) -> CreateResult | None:
    """Create or restore the secret as planned if `apply` is set; None in a dry run.

    Raises UsageError in production without its name in `confirm`, and what `create.apply` raises.
    """
    may_change = False
    try:
        may_change = run.may_change(apply, confirm)
    finally:
        # A plan file has values in it, and only the button could still use it.
        if not may_change and not kernel.allows_input():
            plan.drop()
    if not may_change:
        return None
    live = live or LiveChange()
    return secret_create.apply(run.target.clients, plan, live.announce, live.tell)


@takes_parameters
def closing(
    run: Run,
    plan: CreatePlan,
    may_apply: bool,
    confirm: str,
    review: Review = NO_REVIEW,
    before: Snapshot | None = None,
) -> Closing:
    """Create or restore, if `may_apply` is set: result, placeholders, outcome, undo.

    Without a change, `before`, from which the plan was made, is what is judged, as `Run.look_after` says; without it,
    the environment is read again.
    """
    run, plan = review.attach(run), create_plan.of_its_own(plan)

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        result = apply(run, plan, may_apply, confirm, live)
        yield "result", report.result(plan, result)
        after = run.look_after(before, result) if before else run.look()
        yield "placeholders", report.placeholders(after)
        remaining = (*judge(plan, after), *plan.warnings, *plan.unseen)
        ended = own_record.without_done(live, run, remaining) if may_apply else run
        yield "outcome", ended.conclude(remaining, result, plan)
        yield "undo", report.undo(plan, result)
        yield "answer", ended.answer(remaining, after, result, plan)
        return "✓ Done and verified"

    label = button_label(f"{plan.intent} the secret", run.environment.name)
    return Closing(run, plan, label, displays, may_apply, confirm, plan.intent == "nothing")


def judge(plan: CreatePlan, after: Snapshot) -> tuple[Finding, ...]:
    """What decides how it ended: the secret; that its keys have no value yet is a remark.

    Where it was there before, so is all that is wrong with its content; before there are services, keys without a value
    are one remark. A value that could not be read is unknown.
    """
    found = diagnose(after, ("secret", "content"))
    remarks = [as_before(each) for each in found if each.family == "content" and each.is_problem]
    if plan.intent != "nothing" or not remarks:
        remarks = [*placeholders.waiting(after)]
    elif after.service_names is None:
        unset = placeholders.unset_keys(after)
        remarks = [*(each for each in remarks if each.subject not in unset), *placeholders.waiting(after)]
    is_unread = after.current is None and "contents" in after.gaps
    decisive = (each for each in found if each.family == "secret" or (is_unread and each.status == "unknown"))
    return (*decisive, *remarks)


def by_hand(run: Run, terraform_dir: str = "") -> Listing:
    """The guide's own commands for the same."""
    folders = [expand(terraform_dir)] if terraform_dir.strip() else []
    return report.by_hand(run.environment, terraform_dir, name_of(*folders))
