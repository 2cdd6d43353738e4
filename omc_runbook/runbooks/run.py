"""One run of a runbook: where it is, what it saw, what is wrong, and how it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.database import rotation
from omc_runbook.changes.deploy import executor
from omc_runbook.changes.deploy.executor import Carried, Means
from omc_runbook.changes.deploy.rollout import PROVED
from omc_runbook.changes.engine.result import Changed, Planned, with_failure
from omc_runbook.changes.fix import executor as fix_executor
from omc_runbook.changes.fix import plan as cure
from omc_runbook.changes.secret import age, create_plan, new_values, restore
from omc_runbook.changes.secret import create as secret_create
from omc_runbook.changes.secret.create import Created
from omc_runbook.changes.secret.create_plan import Creation
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import Plan, plan_update
from omc_runbook.changes.values import live_check, reuse
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking import kernel, registry
from omc_runbook.model.environment import LOCAL, PRODUCTION, Environment, load
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, Outcome, as_before
from omc_runbook.model.parameters import listed
from omc_runbook.model.suggestions import expand
from omc_runbook.report.display import banner
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.progress import Progress
from omc_runbook.repository.checkout import find_root, read_checkout
from omc_runbook.runbooks import conclude as runbooks_conclude
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.history import History, read_history
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation import workstation

if TYPE_CHECKING:
    from omc_runbook.diagnosis.complaint import Complaint

DUE = "due"
RESTORE, LEAVE = "restore", "leave"

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Run:
    """A runbook begun on one environment; shown in a notebook, it says where one is."""

    name: str
    environment: Environment
    clients: Clients
    caller: Caller
    started: datetime

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the banner: red for production, striped for the sandbox."""
        where = banner.where(self.name, self.environment, self.caller, self.clients.endpoint, self.is_sandbox)
        return where._repr_mimebundle_()

    @property
    def is_sandbox(self) -> bool:
        """Whether AWS's answers come from this machine."""
        return is_loopback(self.clients.endpoint)

    def look(
        self, repository: str = "", look_inside: bool = False, deeply: bool = False, told: Complaint | None = None
    ) -> Snapshot:
        """Read the environment at once; with a repository, also what its files say of each variable.

        `look_inside` looks into running tasks too; `deeply` at the network, the logs and CloudTrail, whatever it finds.
        Where a complaint is `told` that is about a developer's machine, this is looked at as well.

        Raises UsageError as `read_checkout` does and where such a complaint comes without a repository, CouldNotLook
        where AWS cannot be reached.
        """
        is_local = told is not None and told.is_local
        named = repository or (self.environment.repository if is_local else "")
        if is_local and not named.strip():
            raise UsageError(
                'symptom = "local" is about a .env: set repository to the checkout that it lies in. Nothing was read.'
            )
        checkout = read_checkout(find_root(named)) if named else None
        snapshot = take(self.clients, self.environment, self.caller, now, checkout, look_inside, deeply)
        if not (told and told.is_local and checkout):
            return snapshot
        place = workstation.read_workstation(checkout, self.environment.keys)
        shared = shared_values.compare(self.clients, self.caller, self.environment, place)
        return replace(snapshot, workstation=replace(place, shared_values=shared, start_messages=told.said))

    def look_again(
        self, snapshot: Snapshot, done: object | None, repository: str = "", told: Complaint | None = None
    ) -> Snapshot:
        """As deep a look as before, once something was done; the same snapshot where nothing was."""
        return snapshot if done is None else self.look(repository, look_inside=True, deeply=True, told=told)

    def diagnose(self, snapshot: Snapshot, families: Sequence[str] = ()) -> tuple[Finding, ...]:
        """Put every check to the snapshot and tell causes from consequences; those of some families, or all."""
        findings = root_causes.diagnose(snapshot)
        return tuple(finding for finding in findings if not families or finding.family in families)

    def gather(
        self,
        snapshot: Snapshot,
        values_from: str,
        keys: str = "",
        database_url_from: str = "",
        due: Sequence[str] | None = None,
    ) -> Renewal:
        """Take new values from a source for the keys, a list with commas or "due" for those given as such.

        Raises as `new_values.renew` and `rotation.url_from` do. Nothing is written.
        """
        are_due = due is not None and keys.strip() == DUE
        names = tuple(due or ()) if are_due else listed("keys", keys)
        url = rotation.url_from(database_url_from)
        return new_values.renew(self.clients, snapshot, names, values_from, url, are_due)

    def plan(self, snapshot: Snapshot, new: Renewal, remove: str = "") -> Plan:
        """Plan to write new values and to remove the keys of a list with commas.

        Raises as `plan_update` does, and UsageError for a value that another environment has too.
        """
        plan = plan_update(snapshot, new.values, listed("remove", remove), new.finish)
        changed = {change.key: new.values[change.key] for change in plan.changed if change.key in new.values}
        notes = reuse.compare(self.clients, self.environment, self.caller, changed)
        return replace(plan, notes=(*new.notes, *plan.notes, *notes))

    def history(self, snapshot: Snapshot) -> History:
        """Read every version that is kept, and who wrote it; raises as `read_history` does."""
        return read_history(self.clients, snapshot)

    def due(self, snapshot: Snapshot, kept: History) -> tuple[str, ...]:
        """The keys whose value is, or may be, older than the environment allows."""
        return age.due(snapshot, age.ages(snapshot, kept))

    def plan_restore(self, snapshot: Snapshot, kept: History, version: str = "") -> Plan:
        """Plan to make a version current that is kept, AWSPREVIOUS or an id; raises as `restore.plan_restore`."""
        return restore.plan_restore(snapshot, kept, version)

    def apply(
        self,
        plan: Plan,
        apply: bool,
        confirm: str = "",
        new: Renewal | None = None,
        on_failure: str = RESTORE,
        step: Callable[[str], None] = lambda name: None,
    ) -> Carried | None:
        """Carry a plan through, where `apply` says so: write, redeploy every consumer, watch and prove.

        `new` is what the plan was made of; `on_failure` is "restore" or "leave"; `step` is told each step as it
        begins. None where nothing was to be done. Raises UsageError in production without its name in `confirm`, and
        what `live_check.check` and `executor.carry_out` raise.
        """
        if on_failure not in (RESTORE, LEAVE):
            raise UsageError(f'on_failure is "{RESTORE}" or "{LEAVE}". Nothing was written.')
        if not self._may(apply, confirm):
            return None
        live_check.check(plan, self.environment.keys)
        means = Means(self.clients, self.environment.names.cluster, self.look, Progress(), step, time)
        return executor.carry_out(means, plan, new, on_failure == LEAVE)

    def judge(
        self, before: Snapshot, after: Snapshot, done: Carried | None, plan: Plan | None = None
    ) -> tuple[Finding, ...]:
        """The findings that decide how a change ended; what was wrong before it and still is, is only remarked.

        Unless it touches a service that has not proved the change, or is what a `plan` that was not carried out is
        against. Of deployments only where somebody uses the secret.
        """
        against = plan.is_against if plan and plan.sentences and done is None else lambda finding: False
        families = ("secret", "content", "deployment") if after.consumers else ("secret", "content")
        was = {(f.check, f.subject) for f in self.diagnose(before, families=families) if f.is_problem}
        unproved = {rollout.service for rollout in (done.rollouts if done else ()) if rollout.state not in PROVED}
        return tuple(
            as_before(finding)
            if finding.is_problem
            and (finding.check, finding.subject) in was
            and not finding.services & unproved
            and not against(finding)
            else finding
            for finding in self.diagnose(after, families=families)
        )

    def plan_creation(self, snapshot: Snapshot, terraform_dir: str = "") -> Creation:
        """Plan to create or restore the secret, through Terraform where its folder is given, else the API.

        Raises as `create_plan.plan_creation` and `create.find_key` do.
        """
        plan = create_plan.plan_creation(snapshot, expand(terraform_dir) if terraform_dir else None)
        secret_create.find_key(self.clients, plan)
        return plan

    def create(self, plan: Creation, apply: bool, confirm: str = "") -> Created | None:
        """Create or restore the secret as planned, where `apply` says so; None where nothing was to be done.

        Raises UsageError in production without its name in `confirm`, and what `create.apply` raises.
        """
        if self._may(apply, confirm):
            return secret_create.apply(self.clients, plan)
        if not kernel.allows_input():
            plan.drop()
        return None

    def plan_cure(self, snapshot: Snapshot, findings: Sequence[Finding]) -> cure.Cure:
        """Plan the steps that can be taken against the root causes found; nothing is written."""
        kept = self.history(snapshot) if cure.may_go_back(findings) else History(())
        return cure.plan_cure(snapshot, findings, kept)

    def cure(
        self, plan: cure.Cure, apply: bool, confirm: str = "", step: Callable[[str], None] = lambda name: None
    ) -> fix_executor.Cured | None:
        """Carry a cure out, where `apply` says so, and prove it; None where nothing was to be done.

        Raises UsageError in production without its name in `confirm`, and what `executor.carry_out` raises.
        """
        if not self._may(apply, confirm):
            return None
        means = Means(self.clients, self.environment.names.cluster, self.look, Progress(), step, time)
        return fix_executor.carry_out(means, plan)

    def _may(self, apply: bool, confirm: str) -> bool:
        """Whether to change anything; UsageError where production has not been confirmed."""
        if apply and self.environment.is_production and confirm != PRODUCTION:
            raise UsageError(f'This is {PRODUCTION}: set confirm = "{PRODUCTION}" as well. Nothing was written.')
        return apply

    def conclude(self, findings: Sequence[Finding], done: Changed | None = None, plan: Planned | None = None) -> Banner:
        """Say how the run ended and what it changed or would, and tell the caller; raises as `conclude.end` does."""
        outcome = Outcome(
            runbook=self.name,
            environment=self.environment.name,
            account=self.caller.account,
            region=self.environment.names.region,
            endpoint=self.clients.endpoint,
            started=self.started,
            finished=now(),
            findings=with_failure(findings, done),
            changes=done.entries if done else (),
            plan=plan.sentences if plan else None,
            applied=done is not None,
        )
        return runbooks_conclude.end(outcome)


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this machine."""
    return urlsplit(endpoint).hostname in _LOOPBACK


def begin(name: str, environment: str, runbook_toml: str = "", service: str = "") -> Run:
    """Begin a runbook on an environment: names filled in, the account proved to be the right one.

    Raises UsageError for an environment, a file or an account that is not right, CouldNotLook where AWS does not
    answer. Nothing but the caller's identity has been read when this returns.
    """
    place = load(environment, runbook_toml)
    if place.name == LOCAL:
        raise UsageError(
            f"{name} looks at AWS, and {LOCAL} has nothing there: choose staging or production, or run local_setup, "
            "which looks at the .env on this machine."
        )
    if service:
        names = place.names.model_copy(update={"service": service})
        place = replace(place, names=names, chosen=place.chosen | {"service"})
    registry.exempt(public_words(place))
    started, clients = now(), Clients(place.names.region, place.names.profile)
    caller = identify(clients, place)
    registry.exempt({caller.account, *re.split(r"[:/]", caller.arn)})
    return Run(name, place, clients, caller, started)


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def public_words(place: Environment) -> set[str]:
    """Words that reports cannot do without, so that a secret which holds one does not blot it out."""
    places = (place.names, *place.others.values())
    checks = {word for check in root_causes.EVERY_CHECK for word in (check.id, check.family)}
    texts = {value for names in places for _, value in names if isinstance(value, str) and value}
    return texts | checks | {place.name, *place.others, place.project, *place.keys}
