"""From findings to root causes: a consequence points at its cause and does not compete with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from omc_runbook.checks import (
    access,
    content,
    deployment,
    dotenv,
    dotenv_quoting,
    drift,
    execute,
    local,
    network,
    reference,
    running,
    secret,
    startup,
    upstream,
    workstation,
)
from omc_runbook.checks.check import Check, conduct
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

CHECKS: tuple[Check, ...] = (
    *secret.CHECKS,
    *reference.CHECKS,
    *content.CHECKS,
    *upstream.CHECKS,
    *access.CHECKS,
    *network.CHECKS,
    *startup.CHECKS,
    *deployment.CHECKS,
    *running.CHECKS,
    *execute.CHECKS,
)

LOCAL_CHECKS: tuple[Check, ...] = (*dotenv.CHECKS, *dotenv_quoting.CHECKS, *local.CHECKS, *workstation.CHECKS)
"""Those of a developer's machine, put only where that was looked at."""

EVERY_CHECK = (*CHECKS, *drift.CHECKS, *LOCAL_CHECKS)

_FAMILIES = ("secret", "reference", "content", "access", "network")
_PULL_STOPS = frozenset({"pull-failed"})
_RUNNING_STOPS = frozenset({"health-check", "task-exits"})
_ROLLOUTS = frozenset({"rollout-stuck", "breaker-rollback"})
_SAME_WAY = frozenset({"image-pull", "log-group"})
"""What ECS does over the same network and by the same role as it reads secrets."""

NOT_SECRETS = frozenset(
    {"health-check", "image-pull", "out-of-memory", "log-group", "volume", "no-capacity", "start-failed"}
)
"""Faults that keep tasks from running for another reason than their secrets."""

_SPOILING = frozenset(
    {
        *("whole-json", "duplicate-name", "name-mismatch", "key-unreferenced", "null", "nested", "number-format"),
        *("empty", "changethis", "placeholder", "url-chars", "white-space", "terraform-overwrote"),
        "store-only",
    }
)
"""Faults with which a task starts, and has a value that its application may not bear."""

_BECAUSE: dict[str, frozenset[str]] = {
    "placeholder": frozenset({"terraform-overwrote", "duplicate-variable"}),
    "changethis": frozenset({"terraform-overwrote", "duplicate-variable"}),
    "weak": frozenset({"duplicate-variable"}),
    "environment-literal": frozenset({"duplicate-variable"}),
    "settings-refused": frozenset({"duplicate-variable", "weak"}),
    "no-permission": frozenset({"role-untrusted", "suffix-stale"}),
    "pattern-suffix": frozenset({"role-untrusted", "suffix-stale"}),
    "name-mismatch": frozenset({"duplicate-name"}),
    "required-empty": frozenset({"misspelt", "duplicate-variable"}),
    "compose-up": frozenset({"start-refused", "pg-volume", "compose-refused"}),
    "key-unreferenced": frozenset({"terraform-ahead"}),
    "store-only": _SPOILING - {"store-only"},
    "rollout-stuck": _PULL_STOPS | NOT_SECRETS,
    "breaker-rollback": _PULL_STOPS | NOT_SECRETS,
    "task-exits": _ROLLOUTS,
    "exec-agent": frozenset({"exec-iam", "exec-endpoint", "exec-readonly"}),
    "exec-endpoint": frozenset({"no-egress", "sg-egress", "network-acl", "vpc-dns-off"}),
    "not-forced": _PULL_STOPS
    | _RUNNING_STOPS
    | NOT_SECRETS
    | _ROLLOUTS
    | {"suffix-stale", "desired-zero", "external-controller", "code-deploy"},
}
"""Checks that are a consequence of others named here, when both touch the same service."""

_EACH_ITS_OWN = frozenset(
    {
        *("terraform-overwrote", "terraform-ahead", "duplicate-name", "store-only"),
        *("misspelt", "duplicate-variable", "weak"),
    }
)
"""What is explained by, or explains, what is wrong with the same value or variable, and nothing else."""


def diagnose(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Put every check to a snapshot and tell causes from consequences; problems first, root causes foremost.

    Checks of the application's files, and of a developer's machine, only where these were looked at.
    """
    checks = CHECKS if snapshot.caller.account else ()
    checks += drift.CHECKS if snapshot.checkout and snapshot.caller.account else ()
    checks += LOCAL_CHECKS if snapshot.workstation else ()
    return relate([finding for check in checks for finding in conduct(check, snapshot)])


def relate(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Link each consequence with its causes and put the findings in the order in which to read them."""
    problems = [finding for finding in findings if finding.is_problem]
    linked = [
        replace(
            finding,
            because_of=_checks(other for other in problems if _explains(other, finding)),
            cause_of=_checks(other for other in problems if _explains(finding, other)),
        )
        if finding.is_problem
        else finding
        for finding in findings
    ]
    return tuple(sorted(linked, key=_rank))


def _checks(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(finding.check for finding in findings))


def _explains(cause: Finding, effect: Finding) -> bool:
    # A .env and a secret have faults of the same name, and neither brings about the other's.
    if cause.check == effect.check or (cause.family == LOCAL) != (effect.family == LOCAL):
        return False
    if effect.services and cause.services and not (effect.services & cause.services):
        return False
    if cause.check in _BECAUSE.get(effect.check, ()):
        each_its_own = cause.check in _EACH_ITS_OWN or effect.check in _EACH_ITS_OWN
        return not each_its_own or cause.subject == effect.subject
    if cause.family not in _FAMILIES or cause.severity != "error":
        return False
    stops = _RUNNING_STOPS if cause.check in _SPOILING else _PULL_STOPS
    if cause.family == "network" or cause.check in ("role-absent", "role-untrusted"):
        stops |= _SAME_WAY
    return effect.check in stops | _ROLLOUTS


def _rank(finding: Finding) -> tuple[int, int, int]:
    status = {"found": 0, "unknown": 1, "clear": 2, "skipped": 3}[finding.status]
    severity = {"error": 0, "warning": 1, "info": 2}[finding.severity]
    return (status * 2 + bool(finding.because_of), severity, len(finding.because_of))
