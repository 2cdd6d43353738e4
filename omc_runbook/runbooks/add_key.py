"""What add_key.ipynb does: add a key, from the code to the running tasks of each environment."""

from __future__ import annotations

from functools import partial

from omc_runbook.model.environment import load
from omc_runbook.report import add_key as report
from omc_runbook.report import verify
from omc_runbook.report.add_key import diffs, steps, variables
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks import key_addition, plan_review, unfinished
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks.actions import DEPLOY, MORE_TO_CHANGE, READ, REGISTER_DEFINITION, WRITE, Actions
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.key_addition import FAMILIES, Snapshots, closing, look
from omc_runbook.runbooks.new_key import plan
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.plan_review import review_several as review
from omc_runbook.runbooks.run import Run, diagnose

__all__ = [
    "form",
    "parameters",
    "pickers",
    "begin",
    "look",
    "variables",
    "findings",
    "plan",
    "diffs",
    "steps",
    "review",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(
    plan=READ,
    apply=(*WRITE, *DEPLOY, *REGISTER_DEFINITION),
    sometimes=(),
    sometimes_to_apply=MORE_TO_CHANGE,
    compares_environments=True,
)

parameters = partial(plan_review.parameters, "add_key")
"""The notebook's parameters, or those of the plan's file."""


def pickers(
    environment: str,
    environments: str,
    runbook_toml: str,
    repository: str,
    key: str,
    required: bool,
    type: str,
    values_from: str,
) -> tuple[Picker, ...]:
    """What the form offers: the checkout, the key, what it is like, and where it is added."""
    own = load(environment, runbook_toml, calls_aws=False)
    return (
        Picker("repository", repository, hint=own.repository or "path of the platform's checkout"),
        Picker("key", key, hint="NEW_API_KEY"),
        Picker("type", type, {name: name for name in ("str", "int", "float", "bool")}),
        Picker("required", required),
        choices.new_values_from(values_from),
        choices.environment(own),
        choices.environments(own, environments),
    )


def begin(environment: str, environments: str = "", runbook_toml: str = "", repository: str = "") -> Run:
    """Begin on a checkout and on each environment of the list `environments`, or without one on `environment`.

    Raises as `run.reach` and `find_root` do.
    """
    return unfinished.with_unfinished(key_addition.begin(environment, environments, runbook_toml, repository))


def findings(snapshots: Snapshots) -> Listing:
    """What is wrong before anything changes, in the main environment."""
    return verify.findings(diagnose(next(iter(snapshots.values())), FAMILIES))


def by_hand(run: Run, key: str = "") -> Listing:
    """The guide's own commands for the same."""
    return report.by_hand(run.environment, key, run.checkout)
