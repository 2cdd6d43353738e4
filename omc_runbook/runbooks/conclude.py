"""The end of a run: its outcome handed to whoever runs it, or raised where nobody can be asked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from omc_runbook.masking import kernel, registry
from omc_runbook.model.errors import CouldNotLook, FindingsRemain
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import verify
from omc_runbook.report.display.banner import Banner
from omc_runbook.textfile import private_file


def end(outcome: Outcome) -> Banner:
    """Say how a run ended, and tell the caller.

    Under `omc-runbook run` the outcome goes to that command. Elsewhere, where nobody can be asked (plain papermill, a
    scheduler), raises FindingsRemain or CouldNotLook unless nothing is wrong.
    """
    plan = outcome.plan if outcome.plan is None else tuple(map(registry.mask, outcome.plan))
    outcome = replace(outcome, findings=tuple(map(_masked, outcome.findings)), plan=plan)
    path = os.environ.get(OUTCOME_VARIABLE)
    if path:
        try:
            private_file.write(Path(path), outcome.to_json().encode())
        except OSError as refused:
            lines = (f"No outcome could be kept ({refused.strerror}).", *verify.outcome(outcome).sentences)
            raise CouldNotLook(" ".join(lines)) from None
    elif outcome.status != "ok" and not kernel.allows_input():
        error = FindingsRemain if outcome.status == "findings" else CouldNotLook
        raise error(verify.headline(outcome))
    return verify.outcome(outcome)


def _masked(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=registry.mask(finding.subject),
        evidence=tuple(registry.mask(line) for line in finding.evidence),
        remedy=replace(finding.remedy, command=registry.mask(finding.remedy.command)),
    )
