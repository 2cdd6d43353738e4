"""Faults that nothing here brings about: the remedies that are printed for them, from a snapshot that has each."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from omc_runbook.checks.check import Check, registered, run_check
from omc_runbook.checks.families import find
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.sandbox import faults as catalogue

sys.path.append(str(Path(__file__).parents[1] / "tests"))
healthy: Callable[[], Any] = importlib.import_module("support.snapshots").healthy

VERDICT = "not tried"
MODULES = importlib.import_module("support.every_fault").MODULES


def faults(elsewhere: Set[str]) -> list[str]:
    """The ids of the checks of AWS whose fault the sandbox cannot have, and that are not tried `elsewhere`."""
    tried = {fault.id for fault in catalogue.every()} | elsewhere
    return [check.id for check in registered() if check.family != LOCAL and check.id not in tried]


def rows(fault: str) -> list[tuple[str, ...]]:
    """A row for each remedy of a fault, and why it was not tried."""
    check = find(fault)
    assert check is not None
    finding = _find(check)
    ways = dict.fromkeys(filter(None, (finding.remedy.invocation, finding.remedy.command)))
    cells = [way if is_sentence(way) else f"`{way}`" for way in ways]
    return [(fault, way.replace("|", "\\|"), VERDICT, f"{check.not_in_sandbox}.") for way in cells]


def _find(check: Check) -> Finding:
    """What the check finds in the snapshot that a test of it makes."""
    for module in MODULES.values():
        broken = module.FAULTS.get(check.id)
        if broken:
            return next(each for each in run_check(check, broken.make(healthy())) if each.status == "found")
    raise LookupError(f"No snapshot has {check.id}.")
