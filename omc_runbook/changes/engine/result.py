"""The result of a change, and the protocol of a plan, for the report and the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from omc_runbook.changes.deploy.failure import CANCELLED
from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding, with_remedies_of_causes


@dataclass(frozen=True, kw_only=True)
class ChangeResult:
    """A change that was made, or rolled back because tasks failed."""

    changes: tuple[Change, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    """New tasks for each service."""
    rollbacks: tuple[Rollout, ...] = ()
    """The deployments back to the former state, where tasks failed."""
    rollback_note: str = ""
    """What was rolled back, with its result, or why nothing was; "" where no task failed."""
    findings: tuple[Finding, ...] = ()
    """The causes of a failure, and the failure itself."""
    remaining: tuple[Finding, ...] = ()
    """Findings that it should have fixed and that are still there."""
    left_out: tuple[str, ...] = ()
    """The notes of its plan that say what was asked for and not done, one sentence each."""
    is_back: bool = False
    """Whether everything is as before it again."""

    @property
    def is_cancelled(self) -> bool:
        """Whether a person stopped it, to have it taken back; `is_back` says whether it is."""
        return any(finding.check == CANCELLED for finding in self.findings)

    @property
    def is_proved(self) -> bool:
        """Whether there are no findings, and every service runs verified new tasks."""
        is_clean = not self.findings and not self.remaining
        return is_clean and all(rollout.state in PROVED for rollout in self.rollouts)


class Plan(Protocol):
    """What a runbook would do, in sentences."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done, one sentence each, without values; empty where there is nothing to do."""

    @property
    def blockers(self) -> tuple[str, ...]:
        """Why it would be refused, one sentence each; empty where it may be applied."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of it, or why there is nothing to do, one sentence each."""


@dataclass(frozen=True)
class PlanInWords:
    """A plan that is no more than what it says."""

    sentences: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def with_failure(findings: Sequence[Finding], result: ChangeResult | None) -> tuple[Finding, ...]:
    """The findings, preceded by those of a failed change, even if they are clear by now; what both have, as it is."""
    failure_findings = with_remedies_of_causes(result.findings) if result else ()
    checks, reported = {finding.check for finding in failure_findings}, {_key(finding) for finding in failure_findings}
    present = {_key(finding): finding for finding in findings if finding.is_problem and finding.severity == "error"}
    others = (
        finding
        for finding in findings
        if finding.check not in checks or (finding.is_problem and _key(finding) not in reported)
    )
    return (*(present.get(_key(finding), finding) for finding in failure_findings), *others)


def _key(finding: Finding) -> tuple[str, str]:
    return finding.check, finding.subject
