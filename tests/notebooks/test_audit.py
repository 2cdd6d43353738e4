"""The audit runbook, run as its users run it: one page, its tables as files, several environments, and no value."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.runs import COMMAND, ENGINES, SECRET, Desk, assert_nothing_leaked, caller, client, values

from omc_runbook.report.audit import QUESTIONS
from omc_runbook.sandbox.lifecycle import Sandbox


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


def audit(desk: Desk, *words: str, **variables: str) -> Any:
    """`omc-runbook run audit` with its record in the working folder."""
    return desk.call([str(COMMAND), "run", "audit", "--record", str(desk.record), *words], **variables)


def table(desk: Desk, name: str) -> list[dict[str, str]]:
    """The rows of a table of the record, the same in both formats."""
    (as_csv,), (as_json,) = (list(desk.record.glob(f"audit-*-{name}.{suffix}")) for suffix in ("csv", "json"))
    with as_csv.open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    from_json: list[dict[str, str]] = json.loads(as_json.read_text())
    assert [[cell.removeprefix("'") for cell in row.values()] for row in rows] == [[*row.values()] for row in from_json]
    return from_json


def lights(desk: Desk) -> dict[str, str]:
    """Each question's light, of one environment."""
    return {row["question"]: row["light"] for row in table(desk, "lights")}


def test_bad_input_gets_one_sentence_and_writes_nothing(desk: Desk) -> None:
    """Days that CloudTrail does not have, environments that are none, and no checkout: exit 3."""
    cases = {
        "days=91": "days must be from 1 to 90",
        "days=0": "days must be from 1 to 90",
        "environment=staging,staging": "environment names staging twice: name it once",
        "environment=staging,stagin": 'Environment "stagin" is unknown: did you mean staging?',
        "environment=": 'Environment "" is unknown',
        "environment=local": "choose staging or production",
        "repository=/nowhere": "is not a folder: name a checkout",
    }
    for word, sentence in cases.items():
        done = audit(desk, word)
        assert (done.returncode, done.stdout, len(done.stderr.strip().splitlines())) == (3, "", 1), word
        assert sentence in done.stderr
    assert not list(desk.work.iterdir())
