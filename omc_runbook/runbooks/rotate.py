"""What rotate.ipynb does: make new values for keys, and prove that the database and every service run with them."""

from __future__ import annotations

from omc_runbook.changes.secret import age
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.values import source_file
from omc_runbook.report import changes, verify
from omc_runbook.report.changes import by_hand, consumers
from omc_runbook.report.changes import plan as keys
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.history import ages
from omc_runbook.report.verify import inventory
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.closing import Closing
from omc_runbook.runbooks.run import Run, diagnose
from omc_runbook.runbooks.secret_change import FAMILIES, RESTORE, Source, plan
from omc_runbook.snapshot.history import History, read_history
from omc_runbook.snapshot.state import Snapshot

__all__ = [
    "begin",
    "look",
    "inventory",
    "history",
    "ages",
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
    return runbooks_run.begin("rotate", environment, runbook_toml)


def look(run: Run) -> Snapshot:
    """Read the environment at once; raises as `Target.look` does."""
    return run.look()


def history(run: Run, snapshot: Snapshot) -> History:
    """Read every version that is kept, and who wrote it; raises as `read_history` does."""
    return read_history(run.target.clients, snapshot)


def findings(snapshot: Snapshot) -> Listing:
    """What is wrong with the secret, its content and the deployments before anything changes."""
    return verify.findings(diagnose(snapshot, (*FAMILIES, "deployment")))


def precautions(values_from: str, database_url_from: str) -> Listing:
    """What is unsafe about the files that values come from, which are not read for it."""
    return changes.precautions(source_file.precautions(values_from) + source_file.precautions(database_url_from))


def gather(
    run: Run, snapshot: Snapshot, kept: History, names: str, values_from: str, database_url_from: str
) -> NewValues:
    """Make, take or ask for new values of the keys named, or of those that are due by their age.

    Raises as `secret_change.gather` does.
    """
    due = age.due(snapshot, age.ages(snapshot, kept))
    return secret_change.gather(run, snapshot, values_from, names, database_url_from, due)


def closing(
    run: Run,
    snapshot: Snapshot,
    plan: SecretPlan,
    new: NewValues,
    apply: bool,
    confirm: str,
    values_from: str = "",
    on_failure: str = RESTORE,
) -> Closing:
    """Write, redeploy and prove, where `apply` says so: result, proof, holders, outcome, undo.

    Once the values are in force, the file that they came from is removed.
    """
    source = Source(new=new, values_from=values_from)
    return secret_change.closing(run, snapshot, plan, apply, confirm, source, on_failure)
