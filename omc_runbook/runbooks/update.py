"""What update.ipynb does: give keys of the secret new values, and prove that every service runs with them."""

from __future__ import annotations

from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.values import source_file
from omc_runbook.report import changes, verify
from omc_runbook.report.changes import by_hand, consumers
from omc_runbook.report.changes import plan as keys
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.verify import inventory
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.run import Run, diagnose
from omc_runbook.runbooks.secret_change import FAMILIES, Source, plan
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "begin",
    "look",
    "inventory",
    "findings",
    "precautions",
    "gather",
    "plan",
    "keys",
    "consumers",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""


def begin(environment: str, runbook_toml: str = "") -> Run:
    """Begin on one environment; raises as `run.reach` does."""
    return runbooks_run.begin("update", environment, runbook_toml)


def look(run: Run) -> Snapshot:
    """Read the environment at once; raises as `Target.look` does."""
    return run.look()


def findings(snapshot: Snapshot) -> Listing:
    """What is wrong with the secret and its content before anything changes."""
    return verify.findings(diagnose(snapshot, FAMILIES))


def precautions(values_from: str) -> Listing:
    """What is unsafe about the file that the values come from, which is not read for it."""
    return changes.precautions(source_file.precautions(values_from))


def gather(run: Run, snapshot: Snapshot, values_from: str, names: str) -> NewValues:
    """Take the new values from their source; raises as `secret_change.gather` does."""
    return secret_change.gather(run, snapshot, values_from, names)


def closing(
    run: Run,
    snapshot: Snapshot,
    plan: SecretPlan,
    new: NewValues,
    apply: bool,
    confirm: str,
    values_from: str = "",
    keep_source: bool = False,
) -> Closing:
    """Write, redeploy and prove, where `apply` says so: result, proof, holders, outcome, undo.

    Once the values are in force, the file that they came from is removed, unless it is to be kept.
    """
    source = Source(new=new, values_from=values_from, keep=keep_source)
    return secret_change.closing(run, snapshot, plan, apply, confirm, source)
