"""What a runbook did or would do, as its outcome tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from omc_runbook.model.findings import Finding


class Changed(Protocol):
    """What a runbook did."""

    @property
    def entries(self) -> tuple[dict[str, str], ...]:
        """What it did, as an outcome has it: each entry has an "action"."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was wrong when it failed, where it did."""


class Planned(Protocol):
    """What a runbook would do."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done, a sentence each and without a value; none where there is nothing to do."""


def with_failure(findings: Sequence[Finding], done: Changed | None) -> tuple[Finding, ...]:
    """The findings, and before them what was wrong when a change failed, though it has been put right since."""
    failed = done.findings if done else ()
    then = {finding.check for finding in failed}
    return (*failed, *(finding for finding in findings if finding.check not in then or finding.is_problem))
