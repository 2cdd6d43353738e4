"""What a change has come to, or a plan would, as its report and its outcome tell it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from omc_runbook.changes.deploy.rollout import PROVED, Rollout
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding


@dataclass(frozen=True, kw_only=True)
class ChangeResult:
    """A change that was carried out, or taken back because tasks failed with it."""

    changes: tuple[Change, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    """The services' way to what is new."""
    back: tuple[Rollout, ...] = ()
    """Their way back, where tasks failed."""
    undone: str = ""
    """What was taken back and how that went, or why nothing was; "" where no task failed."""
    findings: tuple[Finding, ...] = ()
    """What was wrong when it failed, and the failure itself."""
    remaining: tuple[Finding, ...] = ()
    """The findings that it was made against and that are still there after it."""

    @property
    def is_proved(self) -> bool:
        """Whether nothing is wrong, and every service has proved that its tasks run with what is new."""
        is_over = not self.findings and not self.remaining
        return is_over and all(rollout.state in PROVED for rollout in self.rollouts)


class Planned(Protocol):
    """What a runbook would do."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done, a sentence each and without a value; none where there is nothing to do."""


def with_failure(findings: Sequence[Finding], done: ChangeResult | None) -> tuple[Finding, ...]:
    """The findings, and before them what was wrong when a change failed, though it has been put right since."""
    failed = done.findings if done else ()
    checks = {finding.check for finding in failed}
    return (*failed, *(finding for finding in findings if finding.check not in checks or finding.is_problem))
