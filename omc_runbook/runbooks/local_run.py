"""One run of a runbook on a developer's machine: a checkout, its .env, and AWS only to compare values with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.dotenv import executor
from omc_runbook.changes.dotenv import plan as dotenv_plan
from omc_runbook.changes.dotenv.executor import SetUp
from omc_runbook.changes.dotenv.plan import Setup
from omc_runbook.changes.engine.result import Changed, Planned
from omc_runbook.changes.values.reuse import compare as refuse_shared
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking import registry
from omc_runbook.model.environment import LOCAL, Environment, load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.report.display import banner
from omc_runbook.report.display.banner import Banner
from omc_runbook.repository.checkout import Checkout, find_root, read_checkout
from omc_runbook.repository.template import read_template
from omc_runbook.runbooks import conclude as runbooks_conclude
from omc_runbook.runbooks.run import is_loopback, now, public_words
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.reading import identify
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation import workstation
from omc_runbook.workstation.workstation import SharedValues

NOBODY = Caller("", "")


@dataclass(frozen=True)
class LocalRun:
    """A runbook begun on a checkout; shown in a notebook, it says where one is.

    `asked` is the environment that the run was begun with: whose sign-in serves to compare values, or "local" for
    none. `alone` says why nothing is to be compared, `unread` why it could not be, though it was to be.
    """

    name: str
    asked: str
    environment: Environment
    checkout: Checkout
    started: datetime
    clients: Clients | None = None
    caller: Caller = NOBODY
    alone: str = ""
    unread: str = ""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the banner."""
        where = ", ".join(self.environment.others) if self.clients else ""
        told = f"with {where}, by fingerprint" if where else ""
        return banner.workstation(
            self.name, str(self.checkout.root), self.caller, told, self.environment.origin
        )._repr_mimebundle_()

    @property
    def endpoint(self) -> str:
        """Where AWS is asked; "" where it is not."""
        return self.clients.endpoint if self.clients else ""

    @property
    def is_sandbox(self) -> bool:
        """Whether AWS's answers come from this machine."""
        return is_loopback(self.endpoint)

    def look(self, done: SetUp | None = None) -> Snapshot:
        """Read the machine as it is now, with what a start said, where there was one."""
        place = workstation.read_workstation(self.checkout, self.environment.keys)
        if self.clients:
            shared = shared_values.compare(self.clients, self.caller, self.environment, place)
            place = replace(place, shared_values=shared)
        elif self.unread:
            place = replace(place, shared_values=SharedValues({}, (self.unread,)))
        place = replace(place, comparison_problem=self.alone)
        if done and done.start.by:
            begun = done.start
            place = replace(place, start_messages=begun.told, started=begun.ok, start_problem=begun.why_not)
        return Snapshot(self.environment, now(), NOBODY, self.endpoint, workstation=place)

    def diagnose(self, snapshot: Snapshot) -> tuple[Finding, ...]:
        """Put every check of a developer's machine to what was read."""
        return root_causes.diagnose(snapshot)

    def plan(self, snapshot: Snapshot, values_from: str = "") -> Setup:
        """Plan the .env; raises as `plan.plan_setup` does, and UsageError for another environment's value."""
        assert snapshot.workstation
        setup = dotenv_plan.plan_setup(snapshot.workstation, values_from)
        notes: tuple[str, ...] = ()
        if self.clients and setup.given:
            notes = refuse_shared(self.clients, self.environment, self.caller, setup.given)
        return replace(setup, notes=(*setup.notes, *notes))

    def apply(self, plan: Setup, apply: bool, confirm: str = "", backup: bool = False) -> SetUp | None:
        """Write the .env and start the application, where `apply` says so; None where nothing was to be done.

        `confirm` counts for nothing here: no server is touched. Raises as `executor.carry_out` does.
        """
        if not apply:
            return None
        compose = self.checkout.compose
        known = plan.place.known_variables | (compose.used if compose else frozenset())
        return executor.carry_out(plan, backup, now(), lambda: executor.start(self.checkout.root, known))

    def look_again(self, snapshot: Snapshot, done: SetUp | None) -> Snapshot:
        """What is there after a change; the same snapshot where there was none."""
        return snapshot if done is None else self.look(done)

    def conclude(self, findings: Sequence[Finding], done: Changed | None = None, plan: Planned | None = None) -> Banner:
        """Say how the run ended and what it changed or would, and tell the caller; raises as `conclude.end` does."""
        outcome = Outcome(
            runbook=self.name,
            environment=self.asked,
            account=self.caller.account,
            region=self.environment.names.region,
            endpoint=self.endpoint,
            started=self.started,
            finished=now(),
            findings=tuple(findings),
            changes=done.entries if done else (),
            where="your .env",
            plan=plan.sentences if plan else None,
            applied=done is not None,
        )
        return runbooks_conclude.end(outcome)


def begin(name: str, environment: str, runbook_toml: str = "", repository: str = "") -> LocalRun:
    """Begin a runbook on a checkout, with the sign-in of an environment to compare values with, where there is one.

    Nobody needs an AWS account: without a sign-in, and with environment "local", nothing is compared. Raises
    UsageError for an environment, a file or a folder that is not right.
    """
    asked, place = load(environment, runbook_toml), load(LOCAL, runbook_toml)
    registry.exempt(public_words(asked) | public_words(place))
    root = find_root(repository or asked.repository)
    # What a newcomer most often names is a folder without a template, and that is told before anything else.
    read_template(root)
    checkout, started = read_checkout(root), now()
    place = replace(place, names=asked.names.model_copy(update={"secret": place.names.secret}))
    run = LocalRun(name, environment, place, checkout, started)
    if environment == LOCAL:
        return replace(run, alone="environment is local, so AWS was not asked.")
    clients = Clients(asked.names.region, asked.names.profile)
    if not clients.has_credentials:
        return replace(run, alone="there are no AWS credentials here.")
    try:
        caller = identify(clients, asked)
    except CouldNotLook as error:
        return replace(run, unread=f"Local values could not be compared with other environments': {error}")
    return replace(run, clients=clients, caller=caller)
