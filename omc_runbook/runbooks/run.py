"""One run of a runbook: what it is about, who may change it, how it is judged and how it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult, Plan, with_failure
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking import registry
from omc_runbook.model.environment import LOCAL, PRODUCTION, Environment, load
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, Outcome, TargetOutcome, as_before, status_of
from omc_runbook.report.display import banner
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.progress import Progress
from omc_runbook.repository.checkout import Checkout, find_root, read_checkout
from omc_runbook.runbooks import conclude as runbooks_conclude
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.workstation import read_workstation

if TYPE_CHECKING:
    from omc_runbook.diagnosis.complaint import Complaint

NOBODY = Caller("", "")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def ignore(step: str) -> None:
    """Listen to the steps of a change, and do nothing."""


@dataclass(frozen=True)
class Target:
    """An environment of a run, the clients that reach it, and who is signed in."""

    environment: Environment
    clients: Clients
    caller: Caller

    @property
    def endpoint(self) -> str:
        """Where AWS is asked."""
        return self.clients.endpoint

    @property
    def is_sandbox(self) -> bool:
        """Whether AWS's answers come from this machine."""
        return urlsplit(self.endpoint).hostname in _LOOPBACK

    def look(
        self, repository: str = "", look_inside: bool = False, deeply: bool = False, complaint: Complaint | None = None
    ) -> Snapshot:
        """Read the environment at once; with a repository, also what its files say of each variable.

        `look_inside` looks into running tasks too; `deeply` at the network, the logs and CloudTrail, whatever it finds.
        A complaint that is about a developer's machine has this machine looked at as well.

        Raises UsageError as `read_checkout` does and where such a complaint comes without a repository, CouldNotLook
        where AWS cannot be reached.
        """
        is_local = complaint is not None and complaint.is_local
        path = repository or (self.environment.repository if is_local else "")
        if is_local and not path.strip():
            raise UsageError(
                'symptom = "local" is about a .env: set repository to the checkout that it lies in. Nothing was read.'
            )
        checkout = read_checkout(find_root(path)) if path else None
        snapshot = take(self.clients, self.environment, self.caller, now, checkout, look_inside, deeply)
        if not (complaint and is_local and checkout):
            return snapshot
        workstation = read_workstation(checkout, self.environment.keys)
        shared = shared_values.compare(self.clients, self.caller, self.environment, workstation)
        return replace(snapshot, workstation=replace(workstation, shared_values=shared, start_messages=complaint.said))

    def context(self, step: Callable[[str], None] = ignore) -> ChangeContext:
        """What a change of this environment works with; `step` hears the name of each step as it begins."""
        return ChangeContext(
            clients=self.clients,
            cluster=self.environment.names.cluster,
            look=self.look,
            show=Progress(),
            announce=step,
            clock=time,
        )

    def outcome(self, findings: Sequence[Finding]) -> TargetOutcome:
        """How a run ended here, with these findings."""
        names = self.environment.names
        return TargetOutcome(
            environment=self.environment.name,
            account=self.caller.account,
            region=names.region,
            endpoint=self.endpoint,
            status=status_of(findings),
        )


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """The environment of local_setup's machine, and the sign-in with which its values are compared."""

    environment: Environment
    chosen: str
    """The environment that the run was begun with: its sign-in serves to compare values, "local" for none."""
    peer: Target | None = None
    """The sign-in with which values are compared; None for a comparison with nobody."""
    why_alone: str = ""
    """Why nothing is to be compared."""
    why_unread: str = ""
    """Why it could not be compared, though it was to be."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A runbook begun on no environment, on one or on several; shown in a notebook, it says which.

    A run has targets, or a local target. The first target is the main one.
    """

    runbook: str
    started: datetime
    targets: tuple[Target, ...] = ()
    checkout: Checkout | None = None
    """The checkout that it works on, as it was when the run began."""
    local_target: LocalTarget | None = None

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Give Jupyter the banner: red where production is among the targets, striped for the sandbox."""
        return self.banner._repr_mimebundle_()

    @property
    def banner(self) -> Banner:
        """Say where one is."""
        if self.local_target is None or self.checkout is None:
            return banner.where(self.runbook, self.targets)
        peer = self.local_target.peer
        compared = f"with {', '.join(self.local_target.environment.others)}, by fingerprint" if peer else ""
        caller, origin = peer.caller if peer else NOBODY, self.local_target.environment.origin
        return banner.workstation(self.runbook, str(self.checkout.root), caller, compared, origin)

    @property
    def target(self) -> Target:
        """The environment that the run is about, of several the main one."""
        return self.targets[0]

    @property
    def environment(self) -> Environment:
        """The environment that the run is about; of several, the one that has to be confirmed."""
        environments = [target.environment for target in self.targets]
        environments += [self.local_target.environment] if self.local_target else []
        return next((each for each in environments if each.is_production), environments[0])

    def look(self, repository: str = "", look_inside: bool = False, deeply: bool = False) -> Snapshot:
        """Read the environment that the run is about, as `Target.look` does."""
        return self.target.look(repository, look_inside, deeply)

    def may_change(self, apply: bool, confirm: str) -> bool:
        """Whether to change anything; raises UsageError where production has not been confirmed."""
        if apply and self.targets and self.environment.is_production and confirm != PRODUCTION:
            what = f"This is {PRODUCTION}" if len(self.targets) == 1 else f"{PRODUCTION} is among them"
            raise UsageError(f'{what}: set confirm = "{PRODUCTION}" as well. Nothing was written.')
        return apply

    def conclude(
        self,
        findings: Sequence[Finding],
        done: ChangeResult | None = None,
        plan: Plan | None = None,
        by_target: Mapping[str, Sequence[Finding]] | None = None,
    ) -> Banner:
        """Say how the run ended and what it changed or would, and tell the caller; raises as `conclude.end` does.

        `by_target` has the findings of each environment by its name, where there are several.
        """
        found = with_failure(findings, done)
        own = by_target or {}
        main = self.target if self.targets else self.local_target.peer if self.local_target else None
        chosen = self.local_target.chosen if self.local_target else self.target.environment.name
        outcome = Outcome(
            runbook=self.runbook,
            environment=chosen,
            account=main.caller.account if main else "",
            region=main.environment.names.region if main else self.environment.names.region,
            endpoint=main.endpoint if main else "",
            started=self.started,
            finished=now(),
            findings=found,
            changes=done.entries if done else (),
            where=self._where,
            plan=plan.sentences if plan else None,
            applied=done is not None,
            targets=tuple(target.outcome(own.get(target.environment.name, found)) for target in self.targets),
        )
        return runbooks_conclude.end(outcome)

    @property
    def _where(self) -> str:
        """What the run is about, in words, where that is not one environment."""
        if self.local_target:
            return "your .env"
        return ", ".join(target.environment.name for target in self.targets) if len(self.targets) > 1 else ""


def begin(runbook: str, environment: str, runbook_toml: str = "", service: str = "") -> Run:
    """Begin a runbook on one environment; raises as `reach` does."""
    return Run(runbook=runbook, started=now(), targets=(reach(runbook, environment, runbook_toml, service),))


def reach(runbook: str, environment: str, runbook_toml: str = "", service: str = "") -> Target:
    """Fill in an environment's names and prove that its account is the right one.

    Raises UsageError for an environment, a file or an account that is not right, CouldNotLook where AWS does not
    answer. Nothing but the caller's identity has been read when this returns.
    """
    loaded = load(environment, runbook_toml)
    if loaded.name == LOCAL:
        raise UsageError(
            f"{runbook} looks at AWS, and {LOCAL} has nothing there: choose staging or production, or run local_setup, "
            "which looks at the .env on this machine."
        )
    if service:
        names = loaded.names.model_copy(update={"service": service})
        loaded = replace(loaded, names=names, chosen=loaded.chosen | {"service"})
    registry.exempt(public_words(loaded))
    clients = Clients(loaded.names.region, loaded.names.profile)
    caller = identify(clients, loaded)
    registry.exempt({caller.account, *re.split(r"[:/]", caller.arn)})
    return Target(loaded, clients, caller)


def diagnose(snapshot: Snapshot, families: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Put every check to the snapshot and tell causes from consequences; those of some families, or all."""
    findings = root_causes.diagnose(snapshot)
    return tuple(finding for finding in findings if not families or finding.family in families)


def judge(
    before: Snapshot,
    after: Snapshot,
    families: Sequence[str],
    rollouts: Sequence[Rollout] = (),
    still_counts: Callable[[Finding], bool] = lambda finding: False,
) -> tuple[Finding, ...]:
    """The findings that decide how a change ended: what was wrong before it and still is, is only a remark.

    Unless it touches a service whose rollout has not proved the change, or `still_counts`.
    """
    known = {(found.check, found.subject) for found in diagnose(before, families) if found.is_problem}
    unproved = {rollout.service for rollout in rollouts if rollout.state not in PROVED}

    def is_remark(finding: Finding) -> bool:
        was_there = finding.is_problem and (finding.check, finding.subject) in known
        return was_there and not finding.services & unproved and not still_counts(finding)

    return tuple(as_before(found) if is_remark(found) else found for found in diagnose(after, families))


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def public_words(environment: Environment) -> set[str]:
    """Words that reports cannot do without, so that a secret which holds one does not blot it out."""
    every_name = (environment.names, *environment.others.values())
    checks = {word for check in root_causes.EVERY_CHECK for word in (check.id, check.family)}
    texts = {value for names in every_name for _, value in names if isinstance(value, str) and value}
    return texts | checks | {environment.name, *environment.others, environment.project, *environment.keys}
