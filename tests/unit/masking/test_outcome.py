"""An outcome stays what programs read it for, whatever the values are."""

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc_runbook.masking import registry
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding, Outcome, Remedy
from omc_runbook.report.archive import record
from omc_runbook.runbooks import conclude

WORDS = (
    *("found", "clear", "error", "warning", "findings", "failed", "changed", "backend", "content", "weak", "staging"),
    *("verify", "2026", "2026-11-25", "SMTP_PASSWORD", "‹SMTP_PASSWORD›", "schema", "123456789012", "correct horse 7"),
)


@pytest.mark.parametrize("word", WORDS)
def test_no_value_changes_what_a_program_reads_in_an_outcome(tmp_path: Path, word: str) -> None:
    """Of an outcome its texts alone are masked, both when it is written and when its record is kept."""
    moment = datetime(2026, 11, 25, tzinfo=UTC)
    value = "v4lue-" + secrets.token_hex(8)
    finding = Finding(
        check="weak",
        family="content",
        title="A title.",
        status="found",
        subject="SMTP_PASSWORD",
        severity="error",
        evidence=(f"It has {value}.",),
        remedy=Remedy(f"put {value}", "update", {"environment": "staging", "remove": value}, f"It needs {value}."),
    )
    change = Change(key="SMTP_PASSWORD", action="changed", origin=f"file {value}", version="123456789012")
    removed = Change(key=value, action="removed")
    outcome = Outcome(
        runbook="verify",
        environment="staging",
        account="123456789012",
        region="r",
        endpoint="e",
        started=moment,
        finished=moment,
        findings=(finding,),
        changes=(change, removed),
        failure=f"No {value}.",
    )
    registry.register(word, "POSTGRES_PASSWORD")
    registry.register(value, "OTHER")
    expected = json.loads(outcome.to_json().replace(value, "‹OTHER›"))
    assert json.loads(conclude.masked(outcome).to_json()) == expected
    draft = record.Record(tmp_path, "verify-staging-x")
    draft.outcome.write_text(outcome.to_json())
    assert json.loads(record.mask(record.read_outcome(draft, "")).to_json()) == expected


def test_a_run_without_an_outcome_has_its_environment_from_its_name(tmp_path: Path) -> None:
    """Whole, also where that has hyphens."""
    draft = record.Record(tmp_path, "verify-staging-eu-west-1-20260701T030000Z")
    outcome = record.read_outcome(draft, "It was killed.")
    assert (outcome.runbook, outcome.environment, outcome.failure) == ("verify", "staging-eu-west-1", "It was killed.")
