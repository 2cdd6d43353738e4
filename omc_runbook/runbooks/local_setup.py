"""What local_setup.ipynb does: make or complete the .env of a checkout, and start the application with it."""

from __future__ import annotations

from dataclasses import replace

from omc_runbook.aws.session import Clients
from omc_runbook.changes.dotenv import executor
from omc_runbook.changes.dotenv import plan as dotenv_plan
from omc_runbook.changes.dotenv.executor import DotenvResult, StartResult
from omc_runbook.changes.dotenv.plan import DotenvPlan
from omc_runbook.changes.values.reuse import compare as refuse_shared
from omc_runbook.changes.values.sources import KEEP
from omc_runbook.masking import registry
from omc_runbook.model.environment import LOCAL, Environment, load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.shell import command
from omc_runbook.report import local_setup as report
from omc_runbook.report import verify
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.local_setup import by_hand, diff, inventory, needed, variables
from omc_runbook.report.local_setup import plan as steps
from omc_runbook.repository.checkout import find_root, read_checkout
from omc_runbook.repository.template import find_template, read_template
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import unfinished
from omc_runbook.runbooks.actions import Actions
from omc_runbook.runbooks.closing import Closing, Displays, end_label
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import NOBODY, LocalTarget, Run, Target, diagnose, new_reading_time, now, public_words
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.reading import identify
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.reading import read_tracked_template, read_workstation
from omc_runbook.workstation.settings_probe import find_program
from omc_runbook.workstation.workstation import SharedValues

__all__ = [
    "form",
    "pickers",
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

ACTIONS = Actions(
    why_none="local_setup needs no permission: it works on a checkout. Signed in, it also compares values with those of"
    " each environment, by verify's policy."
)


@takes_parameters
def pickers(
    environment: str, runbook_toml: str, repository: str, values_from: str, python: str, backup: bool
) -> tuple[Picker, ...]:
    """What the form offers: the checkout, where values come from, and with whose they are compared."""
    peer = load(environment, runbook_toml, calls_aws=False)
    compared = {**{name: name for name in sorted({peer.name, *peer.others} - {LOCAL})}, LOCAL: "none: local"}
    return (
        Picker("repository", repository, hint=peer.repository or "path of the platform's checkout"),
        choices.new_values_from(values_from, **{"": "generated; the rest is listed", KEEP: "the template's"}),
        Picker("environment", environment, compared),
        Picker("python", python, hint="the checkout's own"),
        Picker("backup", backup),
    )


@takes_parameters
def begin(
    environment: str, runbook_toml: str = "", repository: str = "", python: str = "", allow_code: bool = False
) -> Run:
    """Begin on a checkout; values are compared with an environment's if there are AWS credentials.

    No AWS account is needed: without credentials, and with environment "local", nothing is compared. `python` is the
    interpreter that loads Settings, "" for the checkout's own. They are loaded with `allow_code`, and after an apply,
    which starts the application, so that its code has run anyway.

    Raises UsageError for a wrong environment, file, folder or interpreter.
    """
    peer = load(environment, runbook_toml, calls_aws=False)
    local = peer if environment == LOCAL else load(LOCAL, runbook_toml)
    registry.exempt(public_words(peer) | public_words(local))
    root = find_root(repository or peer.repository)
    # A newcomer's most frequent mistake is a folder without a template, so that is the first thing to report.
    tracked = None if find_template(root) else read_tracked_template(root) or read_template(root)
    checkout, started, program = read_checkout(root), now(), find_program(python)
    checkout = replace(checkout, template=tracked or checkout.template)
    local = replace(local, names=peer.names.model_copy(update={"secret": local.names.secret}))
    machine = LocalTarget(environment=local, parameter=environment, python=program, allow_code=allow_code)
    target = _compare_with(peer, machine, runbook_toml)
    run = Run(runbook="local_setup", started=started, checkout=checkout, local_target=target)
    run.announce()
    return unfinished.with_unfinished(run)


def look(run: Run, result: DotenvResult | None = None) -> Snapshot:
    """Read this machine, with the application's messages if it was started."""
    target, checkout = _local_target(run), run.own_checkout
    allow_code = target.allow_code or result is not None
    peer, workstation = target.peer, read_workstation(checkout, target.environment.keys, allow_code, target.python)
    if peer:
        shared = shared_values.compare(peer.clients, peer.caller, target.environment, workstation)
        workstation = replace(workstation, shared_values=shared)
    elif target.why_unread:
        workstation = replace(workstation, shared_values=SharedValues({}, (target.why_unread,)))
    workstation = replace(workstation, comparison_problem=target.why_alone)
    if result and result.start.by:
        start = result.start
        workstation = replace(
            workstation,
            start_messages=start.problems,
            started=start.ok,
            start_problem=start.why_not,
            start_remedy=start.remedy,
        )
    return Snapshot(target.environment, now(), NOBODY, peer.endpoint if peer else "", workstation=workstation)


def findings(snapshot: Snapshot) -> Listing:
    """What is wrong with the .env, its template, git, Docker Compose and Settings."""
    return verify.findings(diagnose(snapshot))


@takes_parameters
def plan(run: Run, snapshot: Snapshot, values_from: str = "") -> DotenvPlan:
    """Plan the .env; raises as `plan.plan_dotenv` does, and UsageError for another environment's value."""
    assert snapshot.workstation
    target, setup = _local_target(run), dotenv_plan.plan_dotenv(snapshot.workstation, values_from)
    notes: tuple[str, ...] = ()
    if target.peer and setup.entered_values:
        notes = refuse_shared(target.peer.clients, target.environment, target.peer.caller, setup.entered_values)
    return replace(setup, notes=(*setup.notes, *notes))


def apply(
    run: Run,
    plan: DotenvPlan,
    apply: bool,
    confirm: str = "",
    backup: bool = False,
    starts: bool = True,
    live: LiveChange | None = None,
) -> DotenvResult | None:
    """Write the .env and start the application if `apply` is set; None in a dry run.

    `confirm` is ignored, because no server changes. Without `starts` the application is not started. Raises as
    `executor.apply` does.
    """
    if not run.may_change(apply, confirm):
        return None
    live, checkout = live or LiveChange(), run.own_checkout
    variables = plan.workstation.known_variables | checkout.used_by_compose

    def start() -> StartResult:
        if not starts:
            return StartResult("", "This course does not start the application.")
        return executor.start(checkout, variables, live.sleep)

    return executor.apply(plan, backup, now(), start, live.announce, live.tell)


@takes_parameters
def closing(
    run: Run,
    snapshot: Snapshot,
    plan: DotenvPlan,
    may_apply: bool,
    confirm: str = "",
    backup: bool = False,
    starts: bool = True,
) -> Closing:
    """Write and start, if `may_apply` is set: result, start, outcome, undo; `starts` is as in `apply`."""

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        result = apply(run, plan, may_apply, confirm, backup, starts, live)
        yield "result", report.result(plan, result)
        after = look(run, result) if result else snapshot
        yield "start", report.start(result, after)
        found = diagnose(after)
        yield "outcome", run.conclude(found, result, plan)
        yield "undo", report.undo(plan, result)
        yield "answer", run.answer(found, None, result, plan)
        return end_label(result, "✓ Written")

    path = plan.workstation.path
    go_back = command("rm", path) if plan.before is None else ""
    state = run.state(is_reversible=True, go_back=go_back)
    return Closing(run, plan, "Write the .env", displays, may_apply, confirm, plan.is_empty, state)


def _compare_with(peer: Environment, target: LocalTarget, runbook_toml: str) -> LocalTarget:
    """The local target with the environment to compare values with, or with the reason why there is none."""
    if peer.name == LOCAL:
        return replace(target, why_alone="environment is local, so AWS was not called.")
    clients = Clients.of(peer, time=new_reading_time())
    try:
        if not clients.has_credentials:
            return replace(target, why_alone="there are no AWS credentials here.")
        peer = load(peer.name, runbook_toml)
        return replace(target, peer=Target(peer, clients, identify(clients, peer)))
    except CouldNotLook as error:
        return replace(target, why_unread=f"Local values could not be compared with other environments': {error}")


def _local_target(run: Run) -> LocalTarget:
    assert run.local_target is not None, "local_setup always has one"
    return run.local_target
