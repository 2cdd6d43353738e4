"""docs/remedies.md: what became of the remedies of each fault that a runbook can find."""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest
from support.paths import ROOT

from benchmarks import untried
from omc_runbook.checks.check import Check
from omc_runbook.diagnosis.root_causes import EVERY_CHECK
from omc_runbook.model.environment import LOCAL

PAGE = ROOT / "docs" / "remedies.md"
STANDIN = ROOT / "benchmarks" / "standin"
PARTS = ("faults", "files", "local", "untried")
VERDICTS = (
    "mended",
    "mended, filled in",
    "says what is missing",
    "a person decides",
    "shows",
    "not tried",
)
"""What the page explains; anything else is a remedy that does not mend."""
HEADS = ["fault", "the remedy, as printed", "pasted", "what it said or left"]


@cache
def rows(part: str) -> list[list[str]]:
    """The rows of a table: the fault, its remedy, whether it mends, and why not."""
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(f"<!-- {part} -->")[2].partition(f"<!-- end of {part} -->")[0]
    lines = [re.split(r" ?(?<!\\)\| ?", line)[1:5] for line in table.splitlines() if line.startswith("| ")]
    assert lines and lines[0] == HEADS
    return lines[1:]


@pytest.mark.parametrize("check", EVERY_CHECK, ids=lambda check: f"{check.family}/{check.id}")
def test_each_fault_has_a_row(check: Check) -> None:
    """Whoever adds one pastes its remedies: benchmarks/remedies.py writes the rows."""
    parts = ("local",) if check.family == LOCAL else ("faults", "files", "untried")
    assert any(row[0] == check.id for part in parts for row in rows(part))


@pytest.mark.parametrize("part", PARTS)
def test_each_remedy_mends_or_says_why_not(part: str) -> None:
    """In one sentence where it does not."""
    for fault, remedy, verdict, reason in rows(part):
        assert verdict in VERDICTS, fault
        assert remedy and (reason.endswith(".") if verdict in ("says what is missing", "not tried") else True), fault


def test_what_cannot_be_tried_is_printed_as_the_page_has_it() -> None:
    """A fault that the sandbox cannot have is made in a snapshot, whose remedies are these."""
    for fault in dict.fromkeys(row[0] for row in rows("untried")):
        assert [list(row) for row in untried.rows(fault)] == [row for row in rows("untried") if row[0] == fault]


def test_the_stand_in_for_docker_answers() -> None:
    """The rows of a developer's machine come from it where there is no engine."""
    process = subprocess.run([STANDIN / "docker", "compose", "version"], capture_output=True, text=True, check=True)
    assert process.stdout.startswith("Docker Compose version")
