"""What local_setup.ipynb does: make or complete the .env of a checkout, and start the application with it."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws.session import Clients
from omc_runbook.changes.dotenv import executor
from omc_runbook.changes.dotenv import plan as dotenv_plan
from omc_runbook.changes.dotenv.executor import DotenvResult
from omc_runbook.changes.dotenv.plan import DotenvPlan
from omc_runbook.changes.values.reuse import compare as refuse_shared
from omc_runbook.masking import registry
from omc_runbook.model.environment import LOCAL, Environment, load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.report import local_setup as report
from omc_runbook.report import verify
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.local_setup import by_hand, diff, inventory, needed, variables
from omc_runbook.report.local_setup import plan as steps
from omc_runbook.repository.checkout import Checkout, find_root, read_checkout
from omc_runbook.repository.template import read_template
from omc_runbook.runbooks.closing import Closing, Displays
from omc_runbook.runbooks.run import NOBODY, LocalTarget, Run, Target, diagnose, now, public_words
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.reading import identify
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import SharedValues, read_workstation

__all__ = [
    "begin",
    "look",
    "inventory",
    "variables",
    "findings",
    "plan",
    "steps",
    "diff",
    "needed",
    "closing",
    "by_hand",
]
"""All that the notebook calls, in its order."""


def begin(environment: str, runbook_toml: str = "", repository: str = "") -> Run:
    """Begin on a checkout, with the sign-in of an environment to compare values with, where there is one.

    Nobody needs an AWS account: without a sign-in, and with environment "local", nothing is compared. Raises
    UsageError for an environment, a file or a folder that is not right.
    """
    chosen, local = load(environment, runbook_toml), load(LOCAL, runbook_toml)
    registry.exempt(public_words(chosen) | public_words(local))
    root = find_root(repository or chosen.repository)
    # What a newcomer most often names is a folder without a template, and that is told before anything else.
    read_template(root)
    checkout, started = read_checkout(root), now()
    local = replace(local, names=chosen.names.model_copy(update={"secret": local.names.secret}))
    here = _compare_with(chosen, LocalTarget(environment=local, chosen=environment))
    return Run(runbook="local_setup", started=started, checkout=checkout, local_target=here)


def look(run: Run, result: DotenvResult | None = None) -> Snapshot:
    """Read the machine as it is now, with what a start said, where there was one."""
    here, checkout = _local_target(run), _checkout(run)
    workstation = read_workstation(checkout, here.environment.keys)
    if here.peer:
        shared = shared_values.compare(here.peer.clients, here.peer.caller, here.environment, workstation)
        workstation = replace(workstation, shared_values=shared)
    elif here.why_unread:
        workstation = replace(workstation, shared_values=SharedValues({}, (here.why_unread,)))
    workstation = replace(workstation, comparison_problem=here.why_alone)
    if result and result.start.by:
        start = result.start
        workstation = replace(workstation, start_messages=start.problems, started=start.ok, start_problem=start.why_not)
    endpoint = here.peer.endpoint if here.peer else ""
    return Snapshot(here.environment, now(), NOBODY, endpoint, workstation=workstation)


def findings(snapshot: Snapshot) -> Listing:
    """What is wrong with the .env and with what is around it."""
    return verify.findings(diagnose(snapshot))


def plan(run: Run, snapshot: Snapshot, values_from: str = "") -> DotenvPlan:
    """Plan the .env; raises as `plan.plan_setup` does, and UsageError for another environment's value."""
    assert snapshot.workstation
    here, setup = _local_target(run), dotenv_plan.plan_dotenv(snapshot.workstation, values_from)
    notes: tuple[str, ...] = ()
    if here.peer and setup.entered_values:
        notes = refuse_shared(here.peer.clients, here.environment, here.peer.caller, setup.entered_values)
    return replace(setup, notes=(*setup.notes, *notes))


def apply(run: Run, plan: DotenvPlan, apply: bool, confirm: str = "", backup: bool = False) -> DotenvResult | None:
    """Write the .env and start the application, where `apply` says so; None where nothing was to be done.

    `confirm` counts for nothing here: no server is touched. Raises as `executor.apply` does.
    """
    if not run.may_change(apply, confirm):
        return None
    checkout = _checkout(run)
    known = plan.workstation.known_variables | (checkout.compose.used if checkout.compose else frozenset())
    return executor.apply(plan, backup, now(), lambda: executor.start(checkout.root, known))


def closing(
    run: Run, snapshot: Snapshot, plan: DotenvPlan, may_apply: bool, confirm: str = "", backup: bool = False
) -> Closing:
    """Write and start, where `may_apply` says so: result, start, outcome, undo."""

    def displays(may_apply: bool, confirm: str) -> Displays:
        result = apply(run, plan, may_apply, confirm, backup)
        yield "result", report.done(plan, result)
        after = look(run, result) if result else snapshot
        yield "start", report.start(result, after)
        yield "outcome", run.conclude(diagnose(after), result, plan)
        yield "undo", report.undo(plan, result)
        return "✓ Written"

    return Closing(run, "Write the .env", displays, may_apply, confirm, plan.is_empty)


def _compare_with(chosen: Environment, here: LocalTarget) -> LocalTarget:
    """The local target with the sign-in that serves to compare values, or with the reason why there is none."""
    if chosen.name == LOCAL:
        return replace(here, why_alone="environment is local, so AWS was not asked.")
    clients = Clients(chosen.names.region, chosen.names.profile)
    if not clients.has_credentials:
        return replace(here, why_alone="there are no AWS credentials here.")
    try:
        return replace(here, peer=Target(chosen, clients, identify(clients, chosen)))
    except CouldNotLook as error:
        return replace(here, why_unread=f"Local values could not be compared with other environments': {error}")


def _local_target(run: Run) -> LocalTarget:
    assert run.local_target is not None, "local_setup begins with one"
    return run.local_target


def _checkout(run: Run) -> Checkout:
    assert run.checkout is not None, "local_setup begins with one"
    return run.checkout
