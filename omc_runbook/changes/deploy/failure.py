"""Failing: what a change that did not come to its end is told as, and what was wrong by itself."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.checks import remedies
from omc_runbook.diagnosis import root_causes
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

FAMILY = "deployment"
FAILED = "change-failed"
"""The check of the finding that a change failed."""


def causes(seen: Snapshot, failed: frozenset[str]) -> tuple[Finding, ...]:
    """What is wrong by itself with the services that failed: that tasks fail is what the change is told of anyway."""
    problems = [
        finding
        for finding in root_causes.diagnose(seen)
        if finding.is_root_cause and finding.severity == "error" and (not finding.services or finding.services & failed)
    ]
    deeper = tuple(finding for finding in problems if finding.family != FAMILY)
    return deeper or tuple(finding for finding in problems if finding.check == "pull-failed")


def failure(
    environment: Environment,
    keys: str,
    failed: Sequence[Rollout],
    found: Sequence[Finding],
    words: Sequence[str],
    undone: str,
) -> Finding:
    """That a change failed: which services, why, what their logs said and what was put back."""
    return Finding(
        check=FAILED,
        family=FAMILY,
        title=f"Tasks do not start, or do not stay, with the new values of {keys}" if keys else "New tasks do not stay",
        status="found",
        subject=", ".join(rollout.service for rollout in failed),
        evidence=(*(f"{rollout.service}: {rollout.reason}" for rollout in failed), *words, undone),
        remedy=remedies.logs(environment.names, failed[0].service),
        services=frozenset(rollout.service for rollout in failed),
        because_of=tuple(dict.fromkeys(cause.check for cause in found)),
    )


def overtaken(rollout: Rollout) -> Finding:
    """That somebody else deployed a service, so that nothing is proved of it."""
    return Finding(
        check="deployment-overtaken",
        family=FAMILY,
        title="Somebody else's deployment came after ours, so that ours proves nothing",
        status="unknown",
        subject=rollout.service,
        evidence=(rollout.reason,),
        services=frozenset({rollout.service}),
    )


def moved_on(secret: str, told: str) -> Finding:
    """That the secret has another current version than the one that was rolled out."""
    return Finding(
        check="version-overtaken",
        family="secret",
        title="Somebody else has changed the secret since, and tasks may hold either version",
        status="unknown",
        subject=secret,
        evidence=(told,),
    )
