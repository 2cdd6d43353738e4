"""One run of a runbook: what it is about, who may change it, how it is judged and how it ends."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from omc_runbook.aws import endpoint, secretsmanager
from omc_runbook.aws.calls import ReadingTime
from omc_runbook.aws.failures import look, or_none
from omc_runbook.aws.secretsmanager import Secret
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult, Plan, with_failure
from omc_runbook.diagnosis import root_causes
from omc_runbook.headless import notebooks
from omc_runbook.masking import registry
from omc_runbook.model import unread_target
from omc_runbook.model.change import Change
from omc_runbook.model.environment import LOCAL, PRODUCTION, Environment, refuse_impossible
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import (
    NO_OUTCOME,
    Finding,
    Outcome,
    TargetOutcome,
    as_before,
    as_perhaps_before,
    status_of,
    with_remedies_of_causes,
)
from omc_runbook.model.handover import COMMAND_VARIABLE, is_on_this_machine
from omc_runbook.model.shell import command
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.model.unread_target import UnreadTarget
from omc_runbook.report import answer
from omc_runbook.report.answer import Answer
from omc_runbook.report.archive.plan_file import FiledPlan
from omc_runbook.report.archive.state import ChangeState, own_process
from omc_runbook.report.display import banner, reading
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.rich_display import Group, InteractiveDisplay, RichDisplay
from omc_runbook.repository.checkout import Checkout, find_root, read_checkout
from omc_runbook.runbooks import conclude, own_parameters
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.page import Page
from omc_runbook.snapshot import shared_values
from omc_runbook.snapshot.environments import find_environment
from omc_runbook.snapshot.gatherer import SharedCalls
from omc_runbook.snapshot.reading import Scope, identify, take
from omc_runbook.snapshot.state import Part, Snapshot
from omc_runbook.workstation.reading import read_tracked_template, read_workstation

if TYPE_CHECKING:
    from omc_runbook.diagnosis.complaint import Complaint

NOBODY = Caller("", "")
UNFINISHED = "The change that was not finished is below the parameters, with the ways to finish it or take it back."
UNDER_WAY = "A change is under way: follow it below the parameters. What was read here is its intermediate state."
WAIT = "A change of this environment is under way: wait until it has ended, then run this again."

on_look: ContextVar[Callable[[Snapshot], object]] = ContextVar("on_look", default=lambda snapshot: None)
"""Called with each snapshot that a run takes."""
LEFT_OUT: Mapping[str, frozenset[Part]] = {
    **dict.fromkeys(("add_key", "restore", "rotate", "update"), frozenset({"policies", "roles"})),
    "audit": frozenset({"roles"}),
    "create": frozenset({"policies", "roles", "tasks", "trail", "absent content"}),
}
"""What the looks of a runbook leave out, as its policy does: nothing that it says depends on that.

With failed tasks, it does: then policies and roles are read all the same.
"""
known_environment: ContextVar[Environment | None] = ContextVar("known_environment", default=None)
"""An environment that need not be looked for."""


@dataclass(frozen=True)
class Target:
    """An environment of a run, its clients, and the caller's identity."""

    environment: Environment
    clients: Clients
    caller: Caller
    left_out: frozenset[Part] = frozenset()
    """What a look leaves out."""

    @property
    def endpoint(self) -> str:
        """The URL of the AWS endpoint."""
        return self.clients.endpoint

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on where calls go, where that is neither AWS nor this machine."""
        return tuple(map(endpoint.sentence, self.clients.foreign_endpoints))

    @property
    def is_sandbox(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_on_this_machine(self.endpoint)

    def describe_secret(self, id: str) -> Secret | None:
        """A secret, as it is now; None where it could not be read, or does not exist."""
        read = partial(secretsmanager.describe, self.clients("secretsmanager"), id)
        return or_none(look(f"secret {id}", "secretsmanager:DescribeSecret", read))

    def look(
        self,
        repository: str = "",
        look_inside: bool = False,
        deeply: bool = False,
        complaint: Complaint | None = None,
        cached: bool = False,
        allow_code: bool = False,
        audit_days: int = 0,
        shared: SharedCalls | None = None,
    ) -> Snapshot:
        """Read the environment; with a repository, also its files, and for a complaint about a .env this machine.

        `look_inside` also reads the variables of running tasks, `deeply` the network, the logs and CloudTrail; with
        `cached` task definitions come from the private cache as far as they are there. `allow_code` also loads Settings
        on this machine, which runs the checkout's code. `audit_days` also reads what an audit of as many days needs,
        of the account only what `shared` does not have.

        Raises UsageError as `read_checkout` does and for a complaint about a .env without a repository, CouldNotLook
        where AWS cannot be reached.
        """
        is_local = complaint is not None and complaint.is_local
        path = repository or (self.environment.repository if is_local else "")
        if is_local and not path.strip():
            raise UsageError(
                'symptom = "local" is about a .env: set repository to the checkout with that file. Nothing was read.'
            )
        checkout = read_checkout(find_root(path)) if path else None
        scope = Scope(
            look_inside=look_inside, deeply=deeply, cached=cached, audit_days=audit_days, without=self.left_out
        )
        calls = self.clients.calls
        with reading.follow(reading.ReadProgress(calls, self.environment.name)), calls.within(LOOK_SECONDS):
            snapshot = take(self.clients, self.environment, self.caller, now, checkout, scope, shared)
        on_look.get()(snapshot)
        if not (complaint and is_local and checkout):
            return snapshot
        template = checkout.template or read_tracked_template(checkout.root)
        workstation = read_workstation(replace(checkout, template=template), self.environment.keys, allow_code)
        values = shared_values.compare(self.clients, self.caller, self.environment, workstation)
        return replace(
            snapshot, workstation=replace(workstation, shared_values=values, start_messages=complaint.start_problems)
        )

    def context(self, live: LiveChange | None = None) -> ChangeContext:
        """What a change of this environment works with."""
        live, name = live or LiveChange(), self.environment.name
        return ChangeContext(
            clients=self.clients,
            cluster=self.environment.names.cluster,
            look=self.look,
            show=lambda rollouts, lines: live.show([replace(each, environment=name) for each in rollouts], lines),
            announce=live.announce,
            clock=live,
            tell=live.tell,
        )

    def outcome_of(self, findings: Sequence[Finding], is_refused: bool) -> TargetOutcome:
        """How a run with these findings, and with a plan that is refused or not, ended on this environment."""
        names = self.environment.names
        return TargetOutcome(
            environment=self.environment.name,
            account=self.caller.account,
            region=names.region,
            endpoint=self.endpoint,
            status=status_of(findings, is_refused),
        )


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """This machine's environment, and the one in AWS whose sign-in serves to compare values."""

    environment: Environment
    parameter: str
    """The run's parameter `environment`."""
    peer: Target | None = None
    """The environment of that parameter; None where values are not compared."""
    why_alone: str = ""
    """Why values need not be compared."""
    why_unread: str = ""
    """Why the comparison failed."""
    python: str = ""
    """The interpreter that loads Settings; "" for the checkout's own."""
    allow_code: bool = False
    """Whether Settings may be loaded, which runs the checkout's code."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A runbook begun on one environment, on several, or on this machine; a notebook displays it as a banner.

    It has targets, the main one first, or a local target.
    """

    runbook: str
    started: datetime
    targets: tuple[Target, ...] = ()
    unread: tuple[UnreadTarget, ...] = ()
    """The environments that could not be looked at, while the targets could, in their order."""
    checkout: Checkout | None = None
    """The checkout as it was when the run began."""
    local_target: LocalTarget | None = None
    unfinished: tuple[RichDisplay, ...] = ()
    """Changes of its environment that are under way, or were not finished."""
    is_under_way: bool = False
    """Whether one of these is under way, so that a plan is made in its middle."""
    filed_plan: FiledPlan | None = None
    """The plan's file, where it has one."""
    notes: tuple[str, ...] = ()
    """What its outcome notes beside the plan's notes."""
    days: int = 0
    """See `Outcome.days`."""
    parameters: Mapping[str, str] | None = None
    """The parameters of the change that it finishes; None where they are the notebook's."""
    page: Page = field(default_factory=Page, repr=False, compare=False)
    """What its notebook shows last."""

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """The banner for Jupyter, and below it what was not finished."""
        return Group(self.banner, *self.unfinished)._repr_mimebundle_()

    def _ipython_display_(self) -> None:
        if not any(isinstance(each, InteractiveDisplay) for each in self.unfinished):
            raise NotImplementedError  # IPython then asks for the bundle.
        from IPython.display import display

        # Account and region stay what they are after a change.
        display(self.banner._repr_mimebundle_(), raw=True)
        for part in self.unfinished:
            display(part)

    @property
    def banner(self) -> Banner:
        """Where the run is: account, region, endpoint and names, or the checkout."""
        if self.local_target is None or self.checkout is None:
            return banner.where(
                self.runbook, self.targets, tuple(unread_target.notice(each.line) for each in self.unread)
            )
        peer = self.local_target.peer
        peers = ", ".join(self.local_target.environment.others) if peer else ""
        caller, origin = peer.caller if peer else NOBODY, self.local_target.environment.origin
        return banner.workstation(self.runbook, str(self.checkout.root), caller, peers, origin)

    @property
    def every(self) -> tuple[Target | UnreadTarget, ...]:
        """Its environments in their order, whether they could be looked at or not."""
        every: list[Target | UnreadTarget] = [*self.targets]
        for each in self.unread:
            every.insert(each.position, each)
        return tuple(every)

    @property
    def target(self) -> Target:
        """The main environment."""
        return self.targets[0]

    @property
    def own_checkout(self) -> Checkout:
        """The checkout of a runbook that always has one."""
        assert self.checkout is not None, f"{self.runbook} began without a checkout"
        return self.checkout

    @property
    def environment(self) -> Environment:
        """The main environment; of several one that has to be confirmed, as production has."""
        environments = [target.environment for target in self.targets]
        environments += [self.local_target.environment] if self.local_target else []
        return next((each for each in environments if each.wants_confirmation), environments[0])

    @property
    def productions(self) -> frozenset[str]:
        """The names of its environments that are production, or may be, whatever they are called."""
        return frozenset(each.environment.name for each in self.targets if each.environment.wants_confirmation)

    @property
    def word(self) -> str:
        """The word that `confirm` needs, and a button: production's, where that is among the environments; else ""."""
        return PRODUCTION if self.productions else ""

    @property
    def why_word(self) -> str:
        """Why a change needs that word, as the beginning of a sentence; "" where it needs none."""
        if not self.word:
            return ""
        if not any(each.environment.is_production for each in self.targets):
            secret = self.environment.names.secret
            return f"{secret} is {self.word}'s by its name, and no account in runbook.toml tells another"
        return f"This is {self.word}" if len(self.targets) == 1 else f"{self.word} is among them"

    def look(
        self, repository: str = "", look_inside: bool = False, deeply: bool = False, cached: bool = False
    ) -> Snapshot:
        """Read the main environment, as `Target.look` does."""
        return self.target.look(repository, look_inside, deeply, cached=cached)

    def look_after(self, before: Snapshot, result: ChangeResult | None) -> Snapshot:
        """What a run without a result is judged by: the look that its plan was made from; after a change, another one.

        So it is where a button on the page has changed something since: such as one that finished an earlier change.
        """
        return self.look() if result or self.page.version else before

    def may_change(self, apply: bool, confirm: str) -> bool:
        """Whether to change anything; raises UsageError where production has not been confirmed, and without TLS."""
        urls = (url for each in self.targets for url in each.clients.foreign_endpoints)
        open_urls = [url for url in urls if endpoint.is_unencrypted(url)]
        if apply and open_urls:
            raise UsageError(
                f"{registry.mask(open_urls[0])} is reached without TLS, so that others could read what is written: name"
                " an https:// endpoint. Nothing was written."
            )
        if apply and self.word and confirm != self.word:
            option = command("-p", "confirm", self.word)
            raise UsageError(
                f'{self.why_word}: set confirm = "{self.word}" as well (in a command {option}). Nothing was written.'
            )
        return apply

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Limit the time of no call while a change is made; what is read after it has the time of a run again."""
        peer = self.local_target.peer if self.local_target else None
        with ExitStack() as stack:
            for each in (*self.targets, *((peer,) if peer else ())):
                stack.enter_context(each.clients.calls.time.changing())
            yield

    def conclude(
        self,
        findings: Sequence[Finding],
        result: ChangeResult | None = None,
        plan: Plan | None = None,
        by_target: Mapping[str, Sequence[Finding]] | None = None,
    ) -> Banner:
        """Say how the run ended and what it changed or would change; raises as `conclude.end` does.

        `by_target` has the findings of each environment by its name, where there are several.
        """
        if self.filed_plan:
            self.filed_plan.finish(result)
        return conclude.end(self._outcome(with_failure(findings, result), result, plan, by_target or {}))

    def answer(
        self,
        findings: Sequence[Finding],
        snapshot: Snapshot | None = None,
        result: ChangeResult | None = None,
        plan: Plan | None = None,
    ) -> Answer:
        """The last thing on the screen: how the run ended, since when, what still serves, and what to do."""
        outcome = conclude.masked(self._outcome(with_failure(findings, result), result, plan, {}))
        final = answer.answer(outcome, snapshot, self._command)
        return final.with_lines(UNDER_WAY if self.is_under_way else UNFINISHED) if outcome.unfinished else final

    def blockers(self, plan: Plan | None) -> tuple[str, ...]:
        """Why a plan cannot be applied now, in sentences."""
        if plan is None:
            return ()
        return (*((WAIT,) if self.is_under_way and plan.sentences else ()), *plan.blockers)

    def announce(self, plan: Plan | None = None, is_applied: bool = False, changes: Sequence[Change] = ()) -> None:
        """Hand over what is known already: a run that breaks off has its environments, plan and changes on record."""
        conclude.announce(self.failed(NO_OUTCOME, plan, is_applied, changes))

    def failed(
        self, failure: str, plan: Plan | None = None, is_applied: bool = True, changes: Sequence[Change] = ()
    ) -> Outcome:
        """The outcome of a run that broke off after these changes."""
        outcome = self._outcome((), None, plan, {})
        targets = tuple(replace(target, status="failed") for target in outcome.targets)
        return conclude.masked(
            replace(outcome, failure=failure, applied=is_applied, changes=tuple(changes), targets=targets)
        )

    def state(self, **details: Any) -> ChangeState:
        """The state of a change that this run begins; `details` are what is known of it."""
        outcome = self._outcome((), None, None, {})
        parameters = own_parameters.to_finish(self.runbook) if self.parameters is None else self.parameters
        if self.checkout and parameters:
            # A variable or the folder that named it may not be there where the change is finished.
            parameters = {**parameters, "repository": str(self.checkout.root)}
        again = self._command or own_parameters.go_on(self.runbook, parameters, self.word)
        own = {"runbook": self.runbook, "go_on": again, "parameters": parameters, "word": self.word}
        entries: dict[str, Any] = own | details | own_process()
        return ChangeState(
            environment=LOCAL if self.local_target else outcome.environment,
            account="" if self.local_target else outcome.account,
            region=outcome.region,
            endpoint="" if self.local_target else outcome.endpoint,
            started=now(),
            **entries,
        )

    def _outcome(
        self,
        findings: tuple[Finding, ...],
        result: ChangeResult | None,
        plan: Plan | None,
        by_target: Mapping[str, Sequence[Finding]],
    ) -> Outcome:
        blockers = self.blockers(plan) if result is None else ()
        targets = tuple(
            each.outcome
            if isinstance(each, UnreadTarget)
            else each.outcome_of(
                by_target.get(each.environment.name, findings), is_refused=bool(blockers) and each is self.target
            )
            for each in self.every
        )
        peer = self.local_target.peer if self.local_target else None
        main = targets[0] if targets else peer.outcome_of((), is_refused=False) if peer else None
        return Outcome(
            runbook=self.runbook,
            environment=self.local_target.parameter if self.local_target else targets[0].environment,
            account=main.account if main else "",
            region=main.region if main else self.environment.names.region,
            endpoint=main.endpoint if main else "",
            started=self.started,
            finished=now(),
            # Of several environments, each has its own causes: those who put the findings together saw to that.
            findings=findings if targets[1:] else with_remedies_of_causes(findings),
            failure=unread_target.not_looked_at([each.environment.name for each in self.unread]),
            changes=result.changes if result else (),
            where=self._where,
            plan=plan.sentences if plan else None,
            blockers=blockers,
            notes=(*plan.notes, *self.notes) if plan else (),
            left_out=result.left_out if result else (),
            confirm=self.word if plan else "",
            plan_file=self.filed_plan.reference if self.filed_plan else None,
            applied=result is not None,
            unfinished=bool(self.unfinished) and result is None,
            days=self.days,
            targets=targets,
        )

    @property
    def _command(self) -> str:
        """The command that applies its plan under `omc-runbook run`; "" elsewhere."""
        return notebooks.with_confirmation(os.environ.get(COMMAND_VARIABLE, ""), self.word)

    @property
    def _where(self) -> str:
        """The run's environments or machine, in words; "" for one environment."""
        if self.local_target:
            return "your .env"
        names = [each.environment.name for each in self.every]
        return ", ".join(names) if names[1:] else ""


def begin(runbook: str, environment: str, runbook_toml: str = "", service: str = "") -> Run:
    """Begin a runbook on one environment; raises as `reach` does."""
    run = Run(runbook=runbook, started=now(), targets=(reach(runbook, environment, runbook_toml, service),))
    run.announce()
    return run


def reach(runbook: str, environment: str, runbook_toml: str = "", service: str = "") -> Target:
    """Load an environment's names and check that its account is the expected one.

    Raises UsageError for a wrong environment, file, schedule or account, CouldNotLook where AWS is silent. In AWS,
    only the caller's identity is read.
    """
    time = new_reading_time()
    return sign_in(runbook, find_settings(runbook, environment, runbook_toml, service, time), time)


def new_reading_time() -> ReadingTime:
    """How long AWS may keep a run on one environment waiting, from the first call on.

    It ends where nobody could end the run: a person at a notebook can interrupt each cell, and run it again.
    """
    time = ReadingTime()
    if reading.is_headless():
        time.limit(LOOK_SECONDS)
    return time


def find_settings(
    runbook: str, environment: str, runbook_toml: str, service: str, time: ReadingTime | None
) -> Environment:
    """An environment's names, before AWS is asked for the caller; raises as `reach` does."""
    known = known_environment.get()
    settings = known if known and known.name == environment else find_environment(environment, runbook_toml, time)
    if settings.schedules:
        # Few have schedules; without one, the notebooks need not be read.
        from omc_runbook.headless.schedules import refuse_unsuitable

        refuse_unsuitable(settings.schedules)
    if settings.name == LOCAL:
        raise UsageError(
            f"{runbook} looks at AWS, and {LOCAL} has nothing there: choose staging or production, or run local_setup, "
            "which looks at the .env on this machine."
        )
    refuse_impossible(settings)
    if service:
        names = settings.names.model_copy(update={"service": service})
        variables = {field: variable for field, variable in settings.variables.items() if field != "service"}
        settings = replace(settings, names=names, chosen=settings.chosen | {"service"}, variables=variables)
    return settings


def sign_in(runbook: str, settings: Environment, time: ReadingTime | None = None) -> Target:
    """Sign in to an environment, and check whose account it is; raises as `reach` does.

    `time` is what its names were found in; None is a new one.
    """
    registry.exempt(public_words(settings))
    clients = Clients.of(settings, time=time or new_reading_time())
    caller = identify(clients, settings)
    registry.exempt({caller.account, *re.split(r"[:/]", f"{caller.arn}:{caller.source}")} - {""})
    return Target(settings, clients, caller, LEFT_OUT.get(runbook, frozenset()))


def diagnose(snapshot: Snapshot, families: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Run every check on the snapshot and link causes with consequences; gives these families' findings, or all.

    A consequence has the remedy of its cause where the cause is of another family.
    """
    findings = root_causes.diagnose(snapshot)
    if not families:
        return findings
    return tuple(finding for finding in with_remedies_of_causes(findings) if finding.family in families)


def judge(
    before: Snapshot,
    after: Snapshot,
    families: Sequence[str],
    rollouts: Sequence[Rollout] = (),
    still_counts: Callable[[Finding], bool] = lambda finding: False,
) -> tuple[Finding, ...]:
    """The findings that decide how a change ended.

    A problem that existed before is only a remark, and one whose check could not look before is unknown, unless it
    affects a service whose rollout has not proved the change, or `still_counts`.
    """
    former = diagnose(before, families)
    problems_before = {each.identity for each in former if each.is_problem}
    unknown_before = [each for each in former if each.status == "unknown"]
    unproved = {rollout.service for rollout in rollouts if rollout.state not in PROVED}

    def judge_one(finding: Finding) -> Finding:
        if not finding.is_problem or finding.services & unproved or still_counts(finding):
            return finding
        if finding.identity in problems_before:
            return as_before(finding)
        return as_perhaps_before(finding) if any(_covers(each, finding) for each in unknown_before) else finding

    return tuple(judge_one(each) for each in diagnose(after, families))


def _covers(unknown: Finding, finding: Finding) -> bool:
    """Whether what could not be looked at includes a finding's subject."""
    is_of_it = not unknown.subject or unknown.subject == finding.subject or bool(unknown.services & finding.services)
    return unknown.check == finding.check and is_of_it


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def public_words(environment: Environment) -> set[str]:
    """Words that reports need, and that stay readable even if a secret contains one of them."""
    checks = {word for check in root_causes.EVERY_CHECK for word in (check.id, check.family)}
    all_names = (environment.names, *environment.others.values())
    fields = (field for names in all_names for field in names if field[0] != "external_id")
    texts = {value for _, value in fields if isinstance(value, str) and value}
    return texts | checks | {environment.name, *environment.others, environment.project, *environment.keys}
