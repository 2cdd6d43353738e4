"""The plan of a cure: for the root causes that were found for certain, the steps that can be taken against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from omc_runbook.aws.ecs import Service
from omc_runbook.aws.secretsmanager import CURRENT, PREVIOUS
from omc_runbook.changes.fix import ownership
from omc_runbook.changes.fix.grants import plan_grants
from omc_runbook.changes.fix.references import plan_corrections
from omc_runbook.changes.fix.steps import Correction, FixStep, PutBack, Redeploy, Undelete, Unfixed
from omc_runbook.changes.secret.plan import current_id, users, why_unread
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.checks import content
from omc_runbook.checks.check import run_check
from omc_runbook.checks.key_demand import missing_keys
from omc_runbook.checks.registry import checks_of
from omc_runbook.checks.stopped_tasks import Stop
from omc_runbook.model.environment import Names
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.history import History
from omc_runbook.snapshot.state import Snapshot

WHOLE = frozenset({"not-json", "single-quoted", "bom", "truncated", "not-an-object", "binary", "terraform-overwrote"})
"""Checks that find the current version as a whole to be broken."""
KEYS = frozenset(
    {
        *("key-missing", "key-case", "key-misspelt", "null", "nested", "number-format"),
        *("empty", "changethis", "placeholder"),
    }
)
"""Checks that find one key of it to be."""
RETRIED = frozenset({"pull-failed", "rollout-stuck", "breaker-rollback"})
"""Checks that tell of tasks which did not come: where nothing keeps them away any more, a deployment brings them."""
_PULLING = frozenset({"secret", "reference", "content", "access", "network"})


@dataclass(frozen=True)
class FixPlan:
    """What would be done, in order, and then which services get new tasks, each once.

    `current` is the id of the version that was current, `made` when all was read. `left` are root causes that are no
    part of it. `unread` says why it is not known who uses the secret, where it is not.
    """

    names: Names
    secret_arn: str
    secret_name: str
    current: str
    made: datetime
    steps: tuple[FixStep, ...]
    redeploys: tuple[Redeploy, ...]
    left: tuple[Unfixed, ...]
    unread: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps and all(redeploy.held for redeploy in self.redeploys)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each step, and who gets new tasks."""
        names = ", ".join(redeploy.service.name for redeploy in self.redeploys if not redeploy.held)
        steps = tuple(f"{step.title[0].upper()}{step.title[1:]}." for step in self.steps)
        return (*steps, f"New tasks would be started: {names}.") if names else steps

    @property
    def because(self) -> tuple[Finding, ...]:
        """The findings that it is made against, each once."""
        found: list[Finding] = []
        for part in (*self.steps, *self.redeploys):
            found += [finding for finding in part.because if finding not in found]
        return tuple(found)


def may_go_back(findings: Sequence[Finding]) -> bool:
    """Whether a former version may be a cure, so that the plan needs to know what is kept."""
    return any(finding.is_root_cause and _is_of_content(finding) for finding in findings)


def plan_fix(snapshot: Snapshot, findings: Sequence[Finding], history: History) -> FixPlan:
    """Plan against the root causes among a snapshot's findings; what is not known for certain is left alone.

    `history` has the versions that are kept, where `may_go_back` asks for them.
    """
    causes = [finding for finding in findings if finding.is_root_cause]
    corrections, uncorrected = plan_corrections(snapshot, findings)
    grants, ungranted = plan_grants(snapshot, findings)
    corrected = [finding for correction in corrections for finding in correction.because]
    back, unmoved = _plan_back(snapshot, [cause for cause in causes if cause not in corrected], history)
    undeleted, undoable = _undelete(snapshot, causes)
    steps: tuple[FixStep, ...] = (*undeleted, *back, *grants, *corrections)
    cured = [finding for step in steps for finding in step.because]
    retried = [cause for cause in causes if _is_retried(snapshot, findings, cause)]
    foreign = tuple(Unfixed(cause, why) for cause in retried if (why := _why_not_retried(snapshot, cause)))
    cured += [cause for cause in retried if cause not in [entry.finding for entry in foreign]]
    explained = (*undoable, *uncorrected, *ungranted, *unmoved, *foreign)
    left = tuple(
        next((entry for entry in explained if entry.finding == cause), Unfixed(cause))
        for cause in causes
        if cause not in cured
    )
    secret = snapshot.secret
    return FixPlan(
        names=snapshot.environment.names,
        secret_arn=secret.arn if secret else "",
        secret_name=snapshot.secret_name,
        current=current_id(snapshot),
        made=snapshot.taken,
        steps=steps,
        redeploys=tuple(_redeploys(snapshot, steps, cured, left)),
        left=left,
        unread=why_unread(snapshot),
    )


def _undelete(snapshot: Snapshot, causes: Sequence[Finding]) -> tuple[tuple[Undelete, ...], tuple[Unfixed, ...]]:
    found = tuple(cause for cause in causes if cause.check == "scheduled-deletion")
    why = ownership.why_not_secret(snapshot)
    if why or not found or not snapshot.secret:
        return (), tuple(Unfixed(cause, why) for cause in found)
    return (Undelete(snapshot.secret, found),), ()


def _plan_back(
    snapshot: Snapshot, causes: Sequence[Finding], history: History
) -> tuple[tuple[PutBack, ...], tuple[Unfixed, ...]]:
    """Plan to go back to AWSPREVIOUS, where that is whole and nothing is lost by it."""
    faulty = [cause for cause in causes if _is_of_content(cause) and cause.severity == "error"]
    if not faulty:
        return (), ()

    def stay(why: str) -> tuple[tuple[PutBack, ...], tuple[Unfixed, ...]]:
        return (), tuple(Unfixed(cause, why) for cause in faulty)

    if foreign := ownership.why_not_secret(snapshot):
        return stay(foreign)
    try:
        plan = plan_restore(snapshot, history, PREVIOUS)
    except (UsageError, CouldNotLook) as error:
        return stay(str(error))
    if plan.is_empty:
        return stay(" ".join(plan.notes) or "No former version differs from the current one.")
    others = {(finding.check, finding.subject) for finding in _problems(_gone_back(snapshot, history, plan.token))}
    if others - {(finding.check, finding.subject) for finding in _problems(snapshot)}:
        return stay(f"Version {plan.token[:8]}, which was current before, is broken too.")
    mended = tuple(cause for cause in faulty if (cause.check, cause.subject) not in others)
    if not mended:
        return stay(f"Version {plan.token[:8]}, which was current before, has the same fault.")
    if not any(cause.check in WHOLE for cause in mended):
        meant = {cause.subject for cause in mended} | set(missing_keys(snapshot).values())
        lost = sorted(change.key for change in plan.changed if change.key not in meant)
        if lost:
            return stay(f"Version {plan.token[:8]}, which was current before, has another {', '.join(lost)} too.")
        shared = [key for key in sorted(meant) if _is_in_the_database(snapshot, key)]
        if shared:
            return stay(
                f"Which {', '.join(shared)} the database has is not known, so that the former one may not match."
            )
    return (PutBack(plan, mended),), tuple(Unfixed(cause) for cause in faulty if cause not in mended)


def _is_of_content(finding: Finding) -> bool:
    """Whether it is of what the secret holds: faults of a .env have the same names."""
    return finding.family == "content" and finding.check in WHOLE | KEYS


def _gone_back(snapshot: Snapshot, history: History, version: str) -> Snapshot:
    """The same environment with another version as the current one."""
    kept, secret = history.find(version), snapshot.secret
    assert secret is not None and kept is not None and kept.content is not None, "a plan has been made of it"
    contents = {**snapshot.contents, version: kept.content}
    return replace(snapshot, contents=contents, secret=replace(secret, stages={version: (CURRENT,)}))


def _problems(snapshot: Snapshot) -> list[Finding]:
    found = [finding for check in checks_of(content) for finding in run_check(check, snapshot)]
    return [finding for finding in found if finding.is_problem and finding.severity == "error"]


def _is_in_the_database(snapshot: Snapshot, key: str) -> bool:
    known = snapshot.environment.keys.get(key)
    return known is not None and known.effect == "database-too"


def _is_retried(snapshot: Snapshot, findings: Sequence[Finding], cause: Finding) -> bool:
    """Whether new tasks are all that is lacking: the secret changed, or what kept tasks from reading it has gone."""
    if cause.check in ("not-forced", "throttled"):
        return True
    if cause.check not in RETRIED or snapshot.network is None:
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


def _why_not_retried(snapshot: Snapshot, cause: Finding) -> str:
    """Why none of a finding's services may get new tasks; "" where one may."""
    reasons = [ownership.why_not_service(snapshot, name) for name in sorted(cause.services)]
    return " ".join(reasons) if reasons and all(reasons) else ""


def _redeploys(
    snapshot: Snapshot, steps: Sequence[FixStep], cured: Sequence[Finding], left: Sequence[Unfixed]
) -> Iterator[Redeploy]:
    everyone = {service.name for service in users(snapshot)}
    for service in snapshot.consumers:
        because = [finding for step in steps if service.name in _touched(step, everyone) for finding in step.because]
        because += [finding for finding in cured if service.name in finding.services and finding not in because]
        if because:
            held = ownership.why_not_service(snapshot, service.name) or _held(service, left)
            yield Redeploy(service, tuple(because), held)


def _touched(step: FixStep, everyone: set[str]) -> set[str]:
    if isinstance(step, Undelete | PutBack):
        return everyone
    if isinstance(step, Correction):
        return {service.name for service in step.services}
    return {name for finding in step.because for name in finding.services}


def _held(service: Service, left: Sequence[Unfixed]) -> str:
    """Why new tasks of a service would fail all the same."""
    for entry in left:
        if entry.finding.severity == "error" and service.name in entry.finding.services:
            return f"Its tasks would still fail: {entry.finding.title} ({entry.finding.check})."
    return ""
