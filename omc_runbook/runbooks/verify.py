"""What verify.ipynb does: look at one environment, say what is wrong with its secrets, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from omc_runbook.changes.fix import advice
from omc_runbook.model.findings import Finding
from omc_runbook.report import verify as report
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.drift import table as drift
from omc_runbook.report.timeline import Timeline
from omc_runbook.report.verify import deployments, findings, injection_matrix, inventory, permissions
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import unfinished
from omc_runbook.runbooks.actions import LOOK_INSIDE_FAILED, MORE_TO_READ, READ_WITH_ACCESS, WITH_CHECKOUT, Actions
from omc_runbook.runbooks.button import nothing_to_offer
from omc_runbook.runbooks.final_answer import FinalAnswer
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "form",
    "begin",
    "look",
    "pickers",
    "inventory",
    "injection_matrix",
    "drift",
    "permissions",
    "deployments",
    "timeline",
    "diagnose",
    "findings",
    "conclude",
    "by_hand",
    "answer",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(
    plan=READ_WITH_ACCESS,
    sometimes=(*MORE_TO_READ, "with look_inside, ecs: ExecuteCommand", LOOK_INSIDE_FAILED, WITH_CHECKOUT),
)

begin = partial(unfinished.begin, "verify", offers=nothing_to_offer)
"""Begins on one environment; raises as `run.reach` does."""
timeline = Timeline


@takes_parameters
def look(run: Run, repository: str = "", look_inside: bool = False) -> Snapshot:
    """Read the environment, task definitions only the first time; raises as `Target.look` does."""
    return run.look(repository, look_inside, cached=True)


@takes_parameters
def pickers(run: Run, snapshot: Snapshot, service: str) -> tuple[Picker, ...]:
    """What the form offers: services."""
    return choices.environment(run.environment), choices.service(snapshot, service)


def diagnose(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Run every check on the snapshot, and link causes with consequences."""
    return advice.refer(runbooks_run.diagnose(snapshot), snapshot)


def conclude(run: Run, findings: Sequence[Finding]) -> Banner:
    """How the run ended; raises as `conclude.end` does."""
    return run.conclude(findings)


def answer(run: Run, snapshot: Snapshot, findings: Sequence[Finding]) -> FinalAnswer:
    """How the run ended, since when tasks fail, which still run, and what to do."""
    return FinalAnswer(run.answer(findings, snapshot), page=run.page)


def by_hand(run: Run) -> Listing:
    """The guide's own commands for the same."""
    return report.by_hand(run.environment)
