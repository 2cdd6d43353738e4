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


def end(outcome: Outcome) -> Banner:
    """Say how a run ended, and tell the caller.

    Under `omc-runbook run` the outcome goes to that command. Elsewhere, where nobody can be asked (plain papermill, a
    scheduler), raises FindingsRemain or CouldNotLook unless nothing is wrong.
    """
    outcome = replace(outcome, findings=tuple(map(_masked, outcome.findings)))
    path = os.environ.get(OUTCOME_VARIABLE)
    if path:
        write_private(Path(path), outcome.to_json())
    elif outcome.status != "ok" and not kernel.allows_input():
        error = FindingsRemain if outcome.status == "findings" else CouldNotLook
        raise error(verify.headline(outcome))
    return verify.outcome(outcome)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _masked(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=registry.mask(finding.subject),
        evidence=tuple(registry.mask(line) for line in finding.evidence),
        remedy=replace(finding.remedy, command=registry.mask(finding.remedy.command)),
    )
