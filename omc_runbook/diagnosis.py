"""From findings to root causes: a consequence points at its cause and does not compete with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from omc_runbook.checks import access, content, deployment, reference, running, secret
from omc_runbook.checks.check import Check, conduct
from omc_runbook.finding import Finding
from omc_runbook.snapshot.state import Snapshot

CHECKS: tuple[Check, ...] = (
    *secret.CHECKS,
    *reference.CHECKS,
    *content.CHECKS,
    *access.CHECKS,
    *deployment.CHECKS,
)

_FAMILIES = ("secret", "reference", "content", "access")
_STOPS = frozenset({"pull-failed", "health-check", "task-exits"})
_ROLLOUTS = frozenset({"rollout-stuck", "breaker-rollback"})

_BECAUSE: dict[str, frozenset[str]] = {
    "placeholder": frozenset({"terraform-overwrote"}),
    "no-permission": frozenset({"role-untrusted", "suffix-stale"}),
    "pattern-suffix": frozenset({"role-untrusted", "suffix-stale"}),
    "rollout-stuck": frozenset({"pull-failed", "health-check"}),
    "breaker-rollback": frozenset({"pull-failed", "health-check"}),
    "task-exits": _ROLLOUTS,
    "not-forced": _STOPS | _ROLLOUTS | {"desired-zero", "external-controller", "code-deploy"},
}
"""Checks that are a consequence of others named here, when both touch the same service."""

_HARMLESS = frozenset({"key-unreferenced", "not-forced", "previous-pinned", "version-pinned"})
"""Faults that keep no task from starting."""


def diagnose(snapshot: Snapshot, look_inside: bool = False) -> tuple[Finding, ...]:
    """Put every check to a snapshot and tell causes from consequences; problems first, root causes foremost."""
    findings = [finding for check in CHECKS for finding in conduct(check, snapshot)]
    return relate([*findings, *running.not_looked_inside(look_inside)])


def relate(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Link each consequence with its causes and put the findings in the order in which to read them."""
    problems = [finding for finding in findings if finding.is_problem]
    because = {id(finding): _causes(finding, problems) for finding in problems}
    effects: dict[str, list[str]] = {}
    for finding in problems:
        for cause in because[id(finding)]:
            effects.setdefault(cause, []).append(finding.check)
    linked = [
        replace(
            finding,
            because_of=because.get(id(finding), ()),
            cause_of=tuple(dict.fromkeys(effects.get(finding.check, ()))) if finding.is_problem else (),
        )
        for finding in findings
    ]
    return tuple(sorted(linked, key=_rank))


def _causes(finding: Finding, problems: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(other.check for other in problems if _explains(other, finding)))


def _explains(cause: Finding, effect: Finding) -> bool:
    if cause is effect or cause.check == effect.check:
        return False
    if effect.services and cause.services and not (effect.services & cause.services):
        return False
    if cause.check in _BECAUSE.get(effect.check, ()):
        return True
    breaks_start = cause.family in _FAMILIES and cause.severity == "error" and cause.check not in _HARMLESS
    return effect.check in _STOPS | _ROLLOUTS and breaks_start


def _rank(finding: Finding) -> tuple[int, int]:
    status = {"found": 0, "unknown": 1, "clear": 2, "skipped": 3}[finding.status]
    severity = {"error": 0, "warning": 1, "info": 2}[finding.severity]
    return (status * 2 + bool(finding.because_of), severity)
