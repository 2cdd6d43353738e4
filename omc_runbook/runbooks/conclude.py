"""The end of a run: its outcome handed to whoever runs it, or raised where nobody can be asked."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from omc_runbook.masking import kernel, registry
from omc_runbook.model.errors import CouldNotLook, FindingsRemain
from omc_runbook.model.findings import CHANGE_TEXTS, Finding, Outcome
from omc_runbook.model.handover import OUTCOME_VARIABLE
from omc_runbook.report import verify
from omc_runbook.report.display.banner import Banner
from omc_runbook.textfile import private_file


def end(outcome: Outcome) -> Banner:
    """Say how a run ended, and tell the caller.

    Under `omc-runbook run` the outcome goes to that command. Elsewhere, where nobody can be asked (plain papermill, a
    scheduler), raises FindingsRemain or CouldNotLook unless nothing is wrong.
    """
    outcome = masked(outcome)
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


def masked(outcome: Outcome) -> Outcome:
    """Mask the texts of an outcome; ids, words of the schema, dates and numbers stay, whatever the values are."""
    return replace(
        outcome,
        findings=tuple(map(_masked, outcome.findings)),
        changes=tuple(map(_masked_change, outcome.changes)),
        failure=registry.mask(outcome.failure),
        plan=outcome.plan if outcome.plan is None else tuple(map(registry.mask, outcome.plan)),
    )


def _masked_change(change: dict[str, str]) -> dict[str, str]:
    return {field: registry.mask(text) if field in CHANGE_TEXTS else text for field, text in change.items()}


def _masked(finding: Finding) -> Finding:
    return replace(
        finding,
        # The name of something, for which a common word is no value.
        subject=registry.mask(finding.subject, common=False),
        evidence=tuple(registry.mask(line) for line in finding.evidence),
        remedy=replace(finding.remedy, command=registry.mask(finding.remedy.command)),
    )
