"""The plan of a fix: steps against the root causes that were found for certain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.changes.deploy.rollout import say_not_deployed, start_sentences
from omc_runbook.changes.fix import ownership
from omc_runbook.changes.fix.grants import plan_grants
from omc_runbook.changes.fix.references import plan_corrections
from omc_runbook.changes.fix.steps import (
    Correction,
    FixStep,
    Redeploy,
    RestoreSecret,
    RestoreVersion,
    UnfixedCause,
    undo_command,
    undo_commands,
)
from omc_runbook.changes.secret.delivery import users, why_consumers_unknown
from omc_runbook.changes.secret.plan import is_database_password
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.changes.take_back import Undo
from omc_runbook.checks import content, remedies
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.deployment import protection_of_old
from omc_runbook.checks.families import find
from omc_runbook.checks.key_demand import missing_keys
from omc_runbook.checks.stopped_tasks import Stop
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking.document import Member, differ
from omc_runbook.masking.value import reveal
from omc_runbook.model.aws_names import Names
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import NO_REMEDY, Finding, Remedy
from omc_runbook.model.letters import as_sentence
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

DOCUMENT = frozenset(
    {"not-json", "single-quoted", "bom", "truncated", "not-an-object", "binary", "terraform-overwrote"}
)
"""Checks of the whole current document."""
SINGLE_KEY = frozenset(
    {
        *("key-missing", "key-case", "key-misspelt", "null", "nested", "number-format"),
        *("empty", "changethis", "placeholder", "wrong-form", "bad-copy"),
    }
)
"""Checks of one key in it."""
PULL_FAILURES = frozenset({"pull-failed", "rollout-stuck", "breaker-rollback"})
"""Checks of tasks that did not start: once their cause is gone, a redeployment is enough."""
_PULLING = frozenset({"secret", "reference", "content", "access", "network"})


NOTHING_READ = "Nothing could be looked at, so nothing is planned: first read what could not be read."
NOT_ALL_READ = "Nothing to fix was found, but not everything could be read."


@dataclass(frozen=True)
class FixPlan:
    """Steps in their order, and the services that get new tasks after them, each once.

    `current` is the id of the current version, `read_at` when everything was read. `unfixed` are the other root causes.
    `consumers_unknown` says why the consumers could not be read.
    """

    names: Names
    secret_arn: str
    secret_name: str
    current: str
    read_at: datetime
    steps: tuple[FixStep, ...]
    redeploys: tuple[Redeploy, ...]
    unfixed: tuple[UnfixedCause, ...]
    consumers_unknown: str = ""
    doubt: str = ""
    """What could not be looked at, so that a plan without a step is no sign that nothing is wrong; a sentence."""
    former: str = ""
    """The version before `current`, where this change has made that current: a read may still show it."""
    underway: frozenset[str] = frozenset()
    """The services whose present deployment is watched, instead of a new one."""
    notes: tuple[str, ...] = ()
    """What is not recognised of the complaint, or is no fault that a check looks for."""
    earlier_undos: tuple[Undo, ...] = ()
    """How the steps are taken back that another process took before it was killed."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and not self.redeployed

    @property
    def redeployed(self) -> tuple[Service, ...]:
        """The services whose new tasks nothing forbids."""
        return tuple(redeploy.service for redeploy in self.redeploys if not redeploy.blocker)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each step, and the services that get new tasks."""
        tasks = start_sentences(self.redeployed, self.underway)
        return (*(as_sentence(step.title) for step in self.steps), *tasks, *self.deployments_by_hand)

    @property
    def deployments_by_hand(self) -> dict[str, Remedy]:
        """Sentences on what ECS rolled back, with how a person deploys that afterwards."""
        return {
            say_not_deployed(each.service.name, each.rolled_back): each.afterwards
            for each in self.redeploys
            if each.rolled_back and not each.blocker
        }

    @property
    def blockers(self) -> tuple[str, ...]:
        """None: what cannot be fixed is not among the steps."""
        return ()

    def undos(self, environment: str = "") -> tuple[Undo, ...]:
        """How its steps are taken back, the last one first."""
        own = (undo for step in reversed(self.steps) for undo in step.undos(environment))
        return tuple(dict.fromkeys((*own, *self.earlier_undos)))

    @property
    def begun_in(self) -> str:
        """The environment that the undos of another process name, "" where there are none."""
        return self.earlier_undos[0].environment if self.earlier_undos else ""

    @property
    def undo_commands(self) -> tuple[str, ...]:
        """The commands that take its steps back, the last one first, and those of another process."""
        commands = (text for step in reversed(self.steps) for text in undo_commands(step, self.names))
        return (*commands, *self.undo_commands_before)

    @property
    def undo_commands_before(self) -> tuple[str, ...]:
        """The commands that take back what another process did beside its steps."""
        own = {undo for step in self.steps for undo in step.undos(self.begun_in)}
        return tuple(undo_command(undo, self.names) for undo in self.earlier_undos if undo not in own)

    @property
    def because(self) -> tuple[Finding, ...]:
        """The findings that it should fix, each once."""
        findings: list[Finding] = []
        for part in (*self.steps, *self.redeploys):
            findings += [finding for finding in part.because if finding not in findings]
        return tuple(findings)


def may_go_back(findings: Sequence[Finding]) -> bool:
    """Whether restoring a version may help, so that the plan needs the kept versions."""
    return any(finding.is_unexplained and _is_of_content(finding) for finding in findings)


def plan_fix(snapshot: Snapshot, findings: Sequence[Finding], history: VersionHistory) -> FixPlan:
    """Plan fixes of the root causes among a snapshot's findings; uncertain ones are left alone.

    `history` has the kept versions, where `may_go_back` is true.
    """
    causes = [finding for finding in findings if finding.is_unexplained]
    corrections, grants = [*plan_corrections(snapshot, causes)], [*plan_grants(snapshot, causes)]
    corrected = [finding for each in corrections if isinstance(each, Correction) for finding in each.because]
    versions = _plan_version_restore(snapshot, [cause for cause in causes if cause not in corrected], history)
    secrets = _plan_secret_restore(snapshot, causes)
    steps = tuple(each for each in (*secrets, *versions, *grants, *corrections) if not isinstance(each, UnfixedCause))
    explained = [each for each in (*secrets, *corrections, *grants, *versions) if isinstance(each, UnfixedCause)]
    fixable = [finding for step in steps for finding in step.because]
    retryable = [cause for cause in causes if _needs_new_tasks(snapshot, findings, cause)]
    others = [cause for cause in causes if cause not in fixable and cause not in retryable]
    futile = tuple(
        UnfixedCause(cause, why) for cause in retryable if (why := _why_no_new_tasks(snapshot, cause, others))
    )
    retried = [cause for cause in retryable if cause not in [entry.finding for entry in futile]]
    unfixed = tuple(
        next((entry for entry in (*explained, *futile) if entry.finding == cause), UnfixedCause(cause))
        for cause in causes
        if cause not in (*fixable, *retried)
    )
    return FixPlan(
        names=snapshot.environment.names,
        secret_arn=snapshot.secret_arn,
        secret_name=snapshot.secret_name,
        current=snapshot.current_id,
        read_at=snapshot.taken,
        steps=steps,
        redeploys=tuple(_redeploys(snapshot, steps, retried, others)),
        unfixed=unfixed,
        consumers_unknown=why_consumers_unknown(snapshot),
        doubt=_doubt(findings),
    )


def _doubt(findings: Sequence[Finding]) -> str:
    statuses = {finding.status for finding in findings}
    if "unknown" not in statuses:
        return ""
    return NOT_ALL_READ if statuses & {"clear", "found"} else NOTHING_READ


def narrow(
    plan: FixPlan, snapshot: Snapshot, undos: Sequence[Undo], services: Collection[str], since: datetime
) -> FixPlan:
    """The part of a new plan that another process began and did not finish.

    `undos` says how its steps are taken back, `services` which got new tasks, `since` when it began: deployments that
    have begun since then are watched.
    """
    environment = snapshot.environment.name
    steps = tuple(step for step in plan.steps if {*step.undos(environment)} <= {*undos})
    redeploys = tuple(redeploy for redeploy in plan.redeploys if redeploy.service.name in services)
    planned = {redeploy.service.name for redeploy in redeploys}
    watched = tuple(
        service
        for service in snapshot.consumers
        if service.name in {*services} - planned and service.primary and service.primary.created >= since
    )
    return replace(
        plan,
        steps=steps,
        redeploys=(*redeploys, *(Redeploy(service, ()) for service in watched)),
        underway=frozenset(service.name for service in watched),
        earlier_undos=tuple(undos),
    )


def _plan_secret_restore(snapshot: Snapshot, causes: Sequence[Finding]) -> list[RestoreSecret | UnfixedCause]:
    findings = tuple(cause for cause in causes if cause.check == "scheduled-deletion")
    why = ownership.why_not_secret(snapshot)
    if why or not findings or not snapshot.secret:
        return [UnfixedCause(cause, why) for cause in findings]
    return [RestoreSecret(snapshot.secret, findings)]


def _plan_version_restore(
    snapshot: Snapshot, causes: Sequence[Finding], history: VersionHistory
) -> Sequence[RestoreVersion | UnfixedCause]:
    """Plan to restore AWSPREVIOUS, where it is valid and no other change is lost."""
    faulty = [cause for cause in causes if _is_of_content(cause) and cause.severity == "error"]
    if not faulty:
        return ()

    def unfixed_because(why: str) -> Sequence[UnfixedCause]:
        return [UnfixedCause(cause, why) for cause in faulty]

    if foreign := ownership.why_not_secret(snapshot):
        return unfixed_because(foreign)
    try:
        plan = plan_restore(snapshot, history, PREVIOUS)
    except (UsageError, CouldNotLook) as error:
        return unfixed_because(str(error))
    if plan.is_empty:
        return unfixed_because(" ".join(plan.notes) or "No former version differs from the current one.")
    former = f"Version {plan.short(plan.token)}, the previous one,"
    others = {(finding.check, finding.subject) for finding in _problems(_with_version(snapshot, history, plan.token))}
    if others - {(finding.check, finding.subject) for finding in _problems(snapshot)}:
        return unfixed_because(f"{former} is broken too.")
    fixable = tuple(cause for cause in faulty if (cause.check, cause.subject) not in others)
    missing = [cause for cause in fixable if cause.check == "key-missing"]
    if not fixable:
        return unfixed_because(f"{former} has the same fault.")
    if not any(cause.check in DOCUMENT for cause in fixable):
        intended = {cause.subject for cause in fixable} | set(missing_keys(snapshot).values())
        lost = sorted(change.key for change in plan.changed if change.key not in intended)
        if len(missing) > len(lost) > 0:
            # A new document took the place of the whole: after a restore, fewer keys have to be written again.
            why = f"{former} has them, and lacks the current values of {', '.join(lost)}."
            way = _restore_by_hand(snapshot, plan.token, lost)
            return [UnfixedCause(cause, why, way if cause in missing else NO_REMEDY) for cause in faulty]
        if lost:
            return unfixed_because(f"{former} lacks the current values of {', '.join(lost)}.")
        # A key that is gone has no newer value that the database could have, nor one that is only written otherwise.
        remaining = intended - {cause.subject for cause in missing} - _moved(snapshot)
        shared = [key for key in sorted(remaining) if is_database_password(snapshot.environment.keys, key)]
        if shared:
            return unfixed_because(
                f"The database may no longer accept the former {', '.join(shared)}: restore could break the login."
            )
    return RestoreVersion(plan, fixable), *(UnfixedCause(cause) for cause in faulty if cause not in fixable)


def _moved(snapshot: Snapshot) -> set[str]:
    """Keys of AWSPREVIOUS whose value the current version has by a similar name, and those names, or in an object."""
    former, present = snapshot.previous and snapshot.previous.document, snapshot.document
    if not former or not present:
        return set()
    pairs = missing_keys(snapshot).items()
    same = [pair for pair in pairs if pair[1] and not differ(former.get(pair[0]), present.get(pair[1]))]
    within = {each.key for each in present.members if (old := former.get(each.key)) and _is_all_of(old, each)}
    return within.union(*same)


def _is_all_of(former: Member, member: Member) -> bool:
    """Whether an object or a list, as Go writes it, has one value, which is that of a former member."""
    start = {"object": r"map\[[\w-]+:", "array": r"\["}.get(member.kind)
    text, value = reveal(member.injected), reveal(former.injected)
    return start is not None and re.fullmatch(rf"{start}{re.escape(value)}\]", text) is not None


def _restore_by_hand(snapshot: Snapshot, version: str, lost: Sequence[str]) -> Remedy:
    """Go back to a version, and say which keys it has otherwise."""
    back = remedies.restore(snapshot.environment, version, snapshot.current_id)
    back = remedies.then_start_tasks(snapshot.environment.names, back, snapshot.consumers)
    return back.needing(f"That takes back {', '.join(lost)} too: write what is to stay again, by update.")


def _is_of_content(finding: Finding) -> bool:
    """Whether a finding is of the secret's content; checks of a .env have the same ids."""
    return finding.family == "content" and finding.check in DOCUMENT | SINGLE_KEY


def _with_version(snapshot: Snapshot, history: VersionHistory, version: str) -> Snapshot:
    """The same snapshot with another current version."""
    version_history, secret = history.find(version), snapshot.secret
    assert secret is not None and version_history is not None and version_history.content is not None, (
        "planned from the same history"
    )
    contents = {**snapshot.contents, version: version_history.content}
    return replace(snapshot, contents=contents, secret=replace(secret, stages={version: (CURRENT,)}))


def _problems(snapshot: Snapshot) -> list[Finding]:
    findings = [finding for check in checks_of(content) for finding in run_check(check, snapshot)]
    return [finding for finding in findings if finding.is_problem and finding.severity == "error"]


def _needs_new_tasks(snapshot: Snapshot, findings: Sequence[Finding], cause: Finding) -> bool:
    """Whether new tasks of consumers are enough: the secret changed, or the cause of the pull failures is gone."""
    protected = {service.name for service in snapshot.consumers if protection_of_old(snapshot, service)}
    if cause.services and cause.services.isdisjoint(snapshot.consumer_names - protected):
        # Of an Express service, one that leaves the secret, or one that has its new tasks already.
        return False
    check = find(cause.check, cause.family)
    if check is not None and check.needs_new_tasks:
        return True
    # A warning is of what only the revision has that ECS rolled back: new tasks of the one in force would not help.
    if cause.check not in PULL_FAILURES or cause.severity != "error" or snapshot.network is None:
        return False
    if any(other.status == "unknown" and other.family in _PULLING for other in findings):
        return False
    stops = [
        Stop(service, task)
        for service in snapshot.consumers
        if service.name in cause.services
        for task in snapshot.stopped(service)[:1]
    ]
    return bool(stops) and all(stop.lacks_secrets for stop in stops)


def _why_no_new_tasks(snapshot: Snapshot, cause: Finding, others: Sequence[Finding]) -> str:
    """Why new tasks of none of a finding's services are of use; "" where those of one are."""
    reasons = [_blocker(snapshot, name, others) for name in sorted(cause.services)]
    return " ".join(dict.fromkeys(reasons)) if all(reasons) else ""


def _redeploys(
    snapshot: Snapshot, steps: Sequence[FixStep], retried: Sequence[Finding], others: Sequence[Finding]
) -> Iterator[Redeploy]:
    everyone = {service.name for service in users(snapshot)}
    for service in snapshot.consumers:
        because = [
            finding for step in steps if service.name in _services_of(step, everyone) for finding in step.because
        ]
        because += [finding for finding in retried if service.name in finding.services and finding not in because]
        if because:
            is_corrected = any(
                isinstance(step, Correction) and service.name in _services_of(step, everyone) for step in steps
            )
            revision = "" if is_corrected else _rolled_back(snapshot, service)
            afterwards = remedies.if_registered(
                remedies.start_tasks(snapshot.environment.names, service, revision), snapshot.task_definitions.values()
            )
            yield Redeploy(service, tuple(because), _blocker(snapshot, service.name, others), revision, afterwards)


def _rolled_back(snapshot: Snapshot, service: Service) -> str:
    """The revision that ECS rolled back, where a service runs another one; "" for none."""
    arns = {*snapshot.failed_arns(service)} - {service.task_definition_arn}
    return next((arn.rpartition("/")[2] for arn in arns), "")


def _services_of(step: FixStep, everyone: set[str]) -> set[str]:
    if isinstance(step, RestoreSecret | RestoreVersion):
        return everyone
    if isinstance(step, Correction):
        return {service.name for service in step.services}
    return {name for finding in step.because for name in finding.services}


def _blocker(snapshot: Snapshot, service: str, others: Sequence[Finding]) -> str:
    """Why a service may get no new tasks, or why they would still fail; "" where nothing is known."""
    if foreign := ownership.why_not_service(snapshot, service):
        return foreign
    for finding in others:
        if root_causes.stops_new_tasks(finding) and service in finding.services:
            return f"Its tasks would still fail: {finding.title} ({finding.check})."
    return ""
