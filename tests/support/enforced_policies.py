"""The policies that `omc-runbook policy` prints, for somebody who has them alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support.runs import COMMAND, Desk


def policy_of(desk: Desk, runbook: str, *options: str, environment: str = "staging") -> dict[str, Any]:
    """What `omc-runbook policy` prints for a runbook."""
    process = desk.call([str(COMMAND), "policy", runbook, f"environment={environment}", *options])
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def without(document: Mapping[str, Any], action: str) -> dict[str, Any]:
    """The policy without one action."""
    statements = [
        {**statement, "Action": [each for each in statement["Action"] if each != action]}
        for statement in document["Statement"]
    ]
    return {**document, "Statement": [statement for statement in statements if statement["Action"]]}


def status_of(desk: Desk) -> str:
    """How the run ended whose record is in the default folder."""
    return str(json.loads((desk.work / "records" / "outcome.json").read_text())["status"])
