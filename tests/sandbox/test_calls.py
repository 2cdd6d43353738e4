"""How many calls a look takes across a slow network: the benchmark's own rows, counted between client and server."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from support import forked_command
from support.paths import ROOT

sys.path.append(str(ROOT / "benchmarks"))
calls: Any = importlib.import_module("calls")

DELAY = 100
"""Milliseconds before each call: more than on a real network, so that a busy machine's own delays count for less."""
ROUNDS = 12
"""A look is five questions deep; the rest allows for calls that a busy machine sends late."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Rows of the benchmark by the name of their world; each look is a process of its own, which is forked."""
    script = tmp_path_factory.mktemp("look") / "look.py"
    script.write_text(calls.LOOK)

    def look(command: list[str], env: dict[str, str], **more: object) -> subprocess.CompletedProcess[str]:
        assert command == [sys.executable, "-c", calls.LOOK]
        return forked_command.run([sys.executable, str(script)], env, script.parent)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "subprocess", SimpleNamespace(run=look, PIPE=subprocess.PIPE))
        options = ["--json", "--looks", "1", "--delay", str(DELAY)]
        result = CliRunner().invoke(calls.main, ["healthy", "12:2", *options], catch_exceptions=False)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 2, result.stderr
    return {row["row"]: row for row in lines}


@pytest.mark.parametrize(("world", "services", "bound"), [("healthy", 3, 20), ("12:2", 12, 30)])
def test_a_look_takes_few_calls(rows: dict[str, Any], world: str, services: int, bound: int) -> None:
    """For N services at most N + ⌈N/10⌉ + ⌈N/20⌉ + 3⌈N/100⌉ + 12 calls, and one for each task definition."""
    row = rows[world]
    assert (row["services"], row["by_action"]["DescribeTaskDefinition"]) == (services, services)
    assert sum(row["by_action"].values()) == row["calls"] <= bound == row["bound"]


@pytest.mark.parametrize("world", ["healthy", "12:2"])
def test_no_call_is_made_twice(rows: dict[str, Any], world: str) -> None:
    """The same call with the same parameters is made once."""
    assert rows[world]["repeated"] == []


@pytest.mark.parametrize("world", ["healthy", "12:2"])
def test_calls_wait_only_for_what_they_need(rows: dict[str, Any], world: str) -> None:
    """The longest row of calls that waited for one another is short, and no longer for more services."""
    assert rows[world]["rounds"] <= ROUNDS
