"""The failure of a change: its causes, and the finding that reports it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from omc_runbook.changes.deploy.rollout import OPEN, Rollout, State
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.checks import remedies
from omc_runbook.checks.families import find
from omc_runbook.checks.secret_owner import why_not_here
from omc_runbook.checks.stopped_tasks import fresh_stops
from omc_runbook.diagnosis import root_causes
from omc_runbook.messages.refusals import find_lack
from omc_runbook.model.findings import Finding, Remedy, check_ids
from omc_runbook.model.handover import FAILED as FAILED_MARK
from omc_runbook.snapshot import failure_logs
from omc_runbook.snapshot.failure_logs import last_words
from omc_runbook.snapshot.state import Snapshot

_REFUSED = "Correct what the refusal names, such as a permission, or wait where AWS throttles; then run this again."

_TAKEN_BACK = "Resolve what the reason names, such as a hook, an alarm or a person who stopped it; then run this again."

FAMILY = "deployment"
FAILED = "change-failed"
"""The check of the finding that a change failed."""

CANCELLED = "change-cancelled"
"""The check of the finding that a person stopped a change, to have it taken back."""

_UNPROVED: Mapping[State, tuple[str, str]] = MappingProxyType(
    {
        "overtaken": (
            "deployment-overtaken",
            "Somebody else deployed this service during the run: the change is not verified",
        ),
        "paused": ("deployment-paused", "The deployment waits for a person: the change is not verified yet"),
        "unknown": ("deployment-unread", "The deployment's end was not seen: the change is not verified"),
        "gone": ("deployment-unread", "Every service to verify the change with was deleted: it is not verified"),
    }
)
"""The check and the title of the finding for each state that proves nothing."""


@dataclass(frozen=True)
class Failure:
    """Failed roll-outs, with the snapshot, the root causes and the log lines at that time."""

    snapshot: Snapshot
    rollouts: tuple[Rollout, ...]
    causes: tuple[Finding, ...]
    log_lines: tuple[str, ...]
    refused: tuple[Finding, ...] = ()
    """The causes of the kind that the database or a provider refuses a value, not that it got none: the log's lines
    name no key."""

    @property
    def spares_values(self) -> bool:
        """Whether tasks would fail with any value, for example without an image."""
        return bool(self.causes) and all(map(_spares_values, self.causes))

    def findings(
        self, keys: str, rollback_note: str, has_rotated: bool = False, still_failing: Collection[str] = ()
    ) -> tuple[Finding, ...]:
        """The causes, and the finding of the failed change, with reasons, log lines and the rollback.

        `has_rotated` is whether the change gave the database the same password: doing so again would not help.
        `still_failing` are the services whose tasks failed with the former values, too.
        """
        failed = self.rollouts
        finding = Finding(
            check=FAILED,
            family=FAMILY,
            title=_title(failed, keys, still_failing),
            status="found",
            subject=", ".join(rollout.service for rollout in failed),
            evidence=(
                *(f"{rollout.service}: {rollout.reason}" for rollout in failed),
                *(cause.sentence for cause in self.refused),
                *self.log_lines,
                rollback_note,
            ),
            remedy=_remedy(self.snapshot, failed, () if has_rotated else {cause.subject for cause in self.refused}),
            services=frozenset(rollout.service for rollout in failed),
            because_of=check_ids(self.causes),
        )
        return (*self.causes, finding)


def _title(failed: Sequence[Rollout], keys: str, still_failing: Collection[str]) -> str:
    if not any(rollout.deployment_id for rollout in failed):
        return f"ECS refused to deploy the new values of {keys}" if keys else "ECS refused a deployment"
    if _is_taken_back(failed):
        return f"The deployment of the new values of {keys} was rolled back" if keys else "A deployment was rolled back"
    if not keys:
        return "New tasks fail"
    # Otherwise the title would blame a value that is not known to be the cause.
    began = [rollout for rollout in failed if rollout.deployment_id]
    former = ", and with the former ones" if all(rollout.service in still_failing for rollout in began) else ""
    return f"New tasks fail with the new values of {keys}{former}"


def _remedy(snapshot: Snapshot, failed: Sequence[Rollout], refused: Collection[str]) -> Remedy:
    """What to do next; `refused` are the keys whose values the database or a provider refuses."""
    if _is_taken_back(failed):
        return Remedy(_TAKEN_BACK)
    environment, secret = snapshot.environment, snapshot.secret
    began = next((rollout.service for rollout in failed if rollout.deployment_id), "")
    if not began:
        return Remedy(_REFUSED)
    logs = remedies.logs(environment.names, began)
    in_database = [
        key for key in sorted(refused) if key in environment.keys and environment.keys[key].effect == "database-too"
    ]
    # What a database's service or a replica's primary writes, no runbook rotates.
    if not in_database or (secret and why_not_here(secret)):
        return logs
    return replace(remedies.rotate(environment, *in_database), command=logs.command, command_needs=logs.command_needs)


def _is_taken_back(failed: Sequence[Rollout]) -> bool:
    """Whether no task failed, so that no log says why."""
    return all(rollout.state == "rolled-back" and not rollout.failures for rollout in failed)


def read_again(context: ChangeContext) -> Snapshot:
    """Read the environment, with the last log lines of failed tasks."""
    return failure_logs.add(context.clients, context.look())


def is_certain(snapshot: Snapshot, service: str) -> bool:
    """Whether the next task of a service would fail as its last one did: its secret, or a value in it, is the cause.

    Other causes may pass: a network that is not up yet, a database that starts, a health check that was too early.
    """
    lacks_secrets = any(stop.service.name == service and stop.lacks_secrets for stop in fresh_stops(snapshot))
    return any(
        cause.check in root_causes.NAMED_BY_LOGS or (lacks_secrets and _keeps_secrets(cause))
        for cause in causes(snapshot, frozenset({service}))
    )


def explain(context: ChangeContext, snapshot: Snapshot, rollouts: Sequence[Rollout], keys: str = "") -> Failure:
    """Find why roll-outs failed, and show it at once; `keys` are the names of those with new values."""
    failed = tuple(rollout for rollout in rollouts if rollout.has_failed)
    # Services that run the same container say the same.
    log_lines = tuple(
        dict.fromkeys(
            line
            for rollout in failed
            for line in last_words(context.clients, snapshot, rollout.service, rollout.deployment_id)
        )
    )
    findings = causes(snapshot, frozenset(rollout.service for rollout in failed))
    with_keys = f"With the new {keys}: " if keys else ""
    reasons = [f"Root cause: {cause.sentence}" for cause in findings] or [
        f"{with_keys if rollout.deployment_id else ''}{rollout.reason}" for rollout in failed
    ]
    lines = (*reasons, *log_lines)
    context.show(rollouts, [f"{FAILED_MARK} {snapshot.taken:%H:%M:%S} UTC {line}" for line in lines])
    # What the log alone names is evidence of the failure, which has the log's lines.
    others = tuple(finding for finding in findings if finding.check not in root_causes.NAMED_BY_LOGS)
    refused = tuple(
        finding for finding in findings if finding.check == "store-only" and not any(map(find_lack, finding.evidence))
    )
    return Failure(snapshot, failed, others, log_lines, refused)


def causes(snapshot: Snapshot, services: frozenset[str]) -> tuple[Finding, ...]:
    """Root causes at the failed services, without those that only say that tasks fail."""
    problems = [
        finding
        for finding in root_causes.diagnose(snapshot)
        if finding.is_unexplained
        and finding.severity == "error"
        and (not finding.services or finding.services & services)
    ]
    others = tuple(finding for finding in problems if finding.family != FAMILY or _spares_values(finding))
    return others or tuple(finding for finding in problems if finding.check == "pull-failed")


def _spares_values(cause: Finding) -> bool:
    """Whether it keeps tasks from running, as a missing image does, and no value is ever the cause of it."""
    check = find(cause.check, cause.family)
    return check is not None and check.hinders == "tasks" and "value" not in check.hindered_by


def _keeps_secrets(cause: Finding) -> bool:
    check = find(cause.check, cause.family)
    return check is not None and check.hinders == "secret" and not check.needs_new_tasks


def is_open(rollouts: Sequence[Rollout]) -> bool:
    """Whether a roll-out has not ended, or its end was not seen, so that another run should look at it."""
    return any(rollout.state in OPEN for rollout in rollouts)


def find_unproved(rollouts: Sequence[Rollout], former: str = "") -> tuple[Finding, ...]:
    """A finding for each service that somebody else deployed, or whose deployment has not ended, or if all are deleted.

    `former` is the short id of the version to restore where tasks of somebody else's deployment fail: no run takes
    that back.
    """
    way_back = {"overtaken": f" If they fail, restore version {former}." if former else ""}
    unproved = _UNPROVED.keys() - ({"gone"} if any(rollout.state != "gone" for rollout in rollouts) else set())
    return tuple(
        replace(
            _unverified(
                *_UNPROVED[rollout.state],
                rollout.service,
                f"{rollout.service}: {rollout.reason}{way_back.get(rollout.state, '')}",
            ),
            services=frozenset({rollout.service}),
        )
        for rollout in rollouts
        if rollout.state in unproved
    )


LEFT = "It was not redeployed: the change is not verified there"
UNSEEN = "Other consumers of the secret could not be listed: the change is not verified there"


def find_not_redeployed(others: Sequence[tuple[str, str]]) -> tuple[Finding, ...]:
    """A finding for each consumer, by name with a sentence, that got no new tasks, or could not be looked for ("")."""
    return tuple(
        _unverified("deployment-unread", LEFT if name else UNSEEN, name, sentence) for name, sentence in others
    )


def _unverified(check: str, title: str, service: str, sentence: str) -> Finding:
    return Finding(check=check, family=FAMILY, title=title, status="unknown", subject=service, evidence=(sentence,))


def cancellation(secret: str, note: str, is_taken_back: bool) -> Finding:
    """The finding that a change was stopped; `note` says what was put back, or why nothing could be."""
    return Finding(
        check=CANCELLED,
        family=FAMILY,
        title="The change was stopped and taken back"
        if is_taken_back
        else "The change was stopped, and not taken back",
        status="found",
        severity="warning",
        subject=secret,
        evidence=(note,),
        remedy=Remedy(command="Run verify to see if anything is left. To make the change after all, run it again."),
    )


def overtaken_version(secret: str, sentence: str) -> Finding:
    """The finding that the secret has another current version than the one rolled out."""
    return Finding(
        check="version-overtaken",
        family="secret",
        title="Somebody else changed the secret during this run: tasks may hold either version",
        status="unknown",
        subject=secret,
        evidence=(sentence,),
    )
