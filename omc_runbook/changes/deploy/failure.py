"""The failure of a change: its cause, found while it can be seen, and the finding that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.checks import remedies
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.findings import Finding
from omc_runbook.model.handover import FAILED as FAILED_MARK
from omc_runbook.snapshot.failure_logs import last_words
from omc_runbook.snapshot.state import Snapshot

FAMILY = "deployment"
FAILED = "change-failed"
"""The check of the finding that a change failed."""


@dataclass(frozen=True)
class Failure:
    """Roll-outs that failed, how the environment stood then, what was wrong by itself, and what the logs said."""

    snapshot: Snapshot
    failed: tuple[Rollout, ...]
    causes: tuple[Finding, ...]
    words: tuple[str, ...]

    def findings(self, keys: str, undone: str) -> tuple[Finding, ...]:
        """The causes, and that the change of some keys failed: why, what the logs said and what was taken back."""
        failed = self.failed
        finding = Finding(
            check=FAILED,
            family=FAMILY,
            title=f"New tasks fail with the new values of {keys}" if keys else "New tasks fail",
            status="found",
            subject=", ".join(rollout.service for rollout in failed),
            evidence=(*(f"{rollout.service}: {rollout.reason}" for rollout in failed), *self.words, undone),
            remedy=remedies.logs(self.snapshot.environment.names, failed[0].service),
            services=frozenset(rollout.service for rollout in failed),
            because_of=tuple(dict.fromkeys(cause.check for cause in self.causes)),
        )
        return (*self.causes, finding)


def explain(context: ChangeContext, snapshot: Snapshot, rollouts: Sequence[Rollout], keys: str = "") -> Failure:
    """Find why roll-outs failed, and show it at once; `keys` names those that have new values."""
    failed = tuple(rollout for rollout in rollouts if rollout.has_failed)
    words = tuple(
        line for each in failed for line in last_words(context.clients, snapshot, each.service, each.deployment_id)
    )
    found = causes(snapshot, frozenset(rollout.service for rollout in failed))
    with_keys = f"With the new {keys}: " if keys else ""
    reasons = [f"{cause.title}: {cause.subject}." for cause in found] or [
        f"{with_keys}{each.reason}" for each in failed
    ]
    lines = (*(f"Root cause: {reason}" for reason in reasons), *words)
    context.show(rollouts, [f"{FAILED_MARK} {snapshot.taken:%H:%M:%S} {line}" for line in lines])
    return Failure(snapshot, failed, found, words)


def causes(snapshot: Snapshot, failed: frozenset[str]) -> tuple[Finding, ...]:
    """What is wrong by itself with the services that failed: that tasks fail is what the change is told of anyway."""
    problems = [
        finding
        for finding in root_causes.diagnose(snapshot)
        if finding.is_root_cause and finding.severity == "error" and (not finding.services or finding.services & failed)
    ]
    deeper = tuple(finding for finding in problems if finding.family != FAMILY)
    return deeper or tuple(finding for finding in problems if finding.check == "pull-failed")


def overtaken(rollout: Rollout) -> Finding:
    """That somebody else deployed a service, so that nothing is proved of it."""
    return Finding(
        check="deployment-overtaken",
        family=FAMILY,
        title="Somebody else deployed after this run, so it proves nothing of this service",
        status="unknown",
        subject=rollout.service,
        evidence=(rollout.reason,),
        services=frozenset({rollout.service}),
    )


def moved_on(secret: str, sentence: str) -> Finding:
    """That the secret has another current version than the one that was rolled out."""
    return Finding(
        check="version-overtaken",
        family="secret",
        title="Somebody else changed the secret during this run: tasks may hold either version",
        status="unknown",
        subject=secret,
        evidence=(sentence,),
    )
