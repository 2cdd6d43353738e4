"""The benchmark of the diagnosis: which faults make a pair, how its page is kept, and one case of each kind."""

from __future__ import annotations

import importlib
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.paths import ROOT

from omc_runbook.sandbox.faults import catalogue

sys.path.append(str(ROOT / "benchmarks"))
diagnosis: Any = importlib.import_module("diagnosis")
pairing: Any = importlib.import_module("pairing")
policies: Any = importlib.import_module("policies")
remedies: Any = importlib.import_module("remedies")
worlds: Any = importlib.import_module("worlds")

FAULTS = {fault.id: fault for fault in catalogue()}


@pytest.mark.parametrize(
    ("one", "other", "independent"),
    [
        ("bare-name", "no-permission", True),
        ("key-missing", "identity-deny", True),
        ("name-mismatch", "arn-malformed", True),
        ("desired-zero", "bare-name", True),
        ("bare-name", "arn-malformed", False),
        ("secret-missing", "key-missing", False),
        ("secret-missing", "no-permission", False),
        ("wrong-region", "no-permission", False),
        ("kms-disabled", "empty", False),
        ("not-forced", "no-permission", False),
        ("wrong-names", "bom", False),
        ("no-permission", "rollout-stuck", False),
        ("no-permission", "throttled", False),
    ],
)
def test_which_faults_make_a_pair(one: str, other: str, independent: bool) -> None:
    """Two faults are a pair where neither touches what the other does, hides it or undoes it."""
    for pair in ((one, other), (other, one)):
        assert pairing.are_independent(*(FAULTS[fault] for fault in pair)) is independent


def test_pairs_by_chance() -> None:
    """The same seed draws the same pairs, each of independent faults and none twice."""
    pairs = pairing.draw(catalogue(), 50, 4)
    assert pairs == pairing.draw(catalogue(), 50, 4) != pairing.draw(catalogue(), 50, 5)
    assert len({frozenset(pair) for pair in pairs}) == 50
    assert all(pairing.are_independent(FAULTS[one], FAULTS[other]) for one, other in pairs)


def test_every_fault_has_a_reach() -> None:
    """Each fault is known by itself or by its family, and no exception is of a fault that there is not."""
    assert all(pairing.reach_of(fault).touches for fault in FAULTS.values())
    assert set(pairing.EXCEPTIONS) <= set(FAULTS)
    assert any(pairing.are_independent(*pair) for pair in combinations(FAULTS.values(), 2))


@pytest.mark.parametrize("benchmark", [remedies, policies], ids=["remedies", "policies"])
def test_what_is_not_there_is_not_measured(benchmark: Any) -> None:
    """A misspelt name is an error that lists the names; a run that measures nothing is no success."""
    options = ["--only", "no-permision", *(["--aws", "true"] if benchmark is remedies else [])]
    ended = CliRunner().invoke(benchmark.main, options)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "no-permision is not here" in ended.stderr


def test_some_rows_do_not_replace_a_whole_table() -> None:
    """The diagnosis writes whole tables."""
    ended = CliRunner().invoke(diagnosis.main, ["--faults", "--only", "bom", "--write"])
    assert (ended.exit_code, "without --only" in ended.stderr) == (2, True)


def test_the_page_keeps_its_words(tmp_path: Path) -> None:
    """Tables go where those before them were, and nothing else of the page changes."""
    page = tmp_path / "diagnosis.md"
    page.write_text((ROOT / "docs" / "diagnosis.md").read_text())
    rows = [
        diagnosis.Row(("bom", "content", "bom", "right", "", "0.31"), True),
        diagnosis.Row(("null", "content", "none", "missed", "", "0.30"), False),
    ]
    for date in ("2026-01-01", "2026-01-02"):
        diagnosis.write(page, {"faults": rows}, "python benchmarks/diagnosis.py --faults", date)
    text = page.read_text()
    assert "| null | content | none | missed |  | 0.30 |" in text
    assert "1 of 2 as it should be." in text
    assert "2026-01-02" in text and "2026-01-01" not in text
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in (ROOT / "docs" / "diagnosis.md").read_text().splitlines() if line.startswith("#")
    ]


def test_one_fault_and_one_healthy_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault is the one root cause that is named, and a world of another region and partition shows no error."""
    # For the processes that it starts: a worker of pytest may have another path than what collected this module.
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    number = next(number for number, plan in enumerate(worlds.PLANS) if plan.partition == "aws-cn")
    parts = [("faults", diagnosis.try_fault, [("key-missing",)]), ("healthy", diagnosis.try_healthy, [(number,)])]
    results = diagnosis.measure(parts, 1)
    (broken,), (healthy,) = results["faults"], results["healthy"]
    assert broken.cells[:5] == ("key-missing", "content", "key-missing", "right", "")
    assert healthy.cells[:2] == ("aws-cn", "none")
    assert broken.holds and healthy.holds


@pytest.mark.parametrize(
    ("title", "verdict"),
    [("content: JSON in a JSON string", "right"), ("ecs: another secret's customer key", "unknown")],
)
def test_a_world_in_a_plain_moto(title: str, verdict: str) -> None:
    """The same calls make it without the sandbox, and what moto does not answer is unknown and not clear."""
    row = diagnosis.try_on_moto(title)
    assert row.cells[0] == title and row.cells[3] == verdict and row.holds, row


def test_there_are_worlds_enough() -> None:
    """At least twenty healthy worlds, no two of one title, of all three partitions."""
    assert len({plan.title for plan in worlds.PLANS}) == len(worlds.PLANS) >= 20
    assert {plan.partition for plan in worlds.PLANS} == {"aws", "aws-cn", "aws-us-gov"}
