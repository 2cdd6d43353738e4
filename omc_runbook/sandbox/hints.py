"""How hard a fault is to tell from others, and the hints that narrow it down."""

from __future__ import annotations

import random
from typing import Literal

from omc_runbook.checks import families
from omc_runbook.sandbox import faults
from omc_runbook.sandbox.faults import Fault

Level = Literal["easy", "medium", "hard"]

EASY, MEDIUM = 9, 19
"""How many other faults may look like one of the level: each level has about a third of the catalogue."""


def level(fault: Fault) -> Level:
    """A fault's level: how many other faults show the same error or the same behaviour."""
    count = len(_look_alikes(fault))
    if count <= EASY:
        return "easy"
    return "medium" if count <= MEDIUM else "hard"


def of(fault: Fault) -> tuple[str, ...]:
    """The hints at a fault, each narrower than the one before: its family, the evidence, three candidates."""
    family = [other for other in faults.catalogue() if other.family == fault.family]
    return (
        f"The fault's family is {fault.family}, which has {len(family)} faults.",
        f"This would rule it out: {families.ruled_out_by(fault.id, fault.family)}.",
        f"It is one of {', '.join(_candidates(fault))}.",
    )


def _candidates(fault: Fault) -> list[str]:
    """The fault and two that look like it, of its family where there are two: the same ones at every call."""
    others = _look_alikes(fault)
    relatives = [other for other in others if other.family == fault.family]
    pool = relatives if len(relatives) > 1 else others
    chosen = random.Random(fault.id).sample(pool, min(2, len(pool)))
    return sorted([fault.id, *(other.id for other in chosen)])


def _look_alikes(fault: Fault) -> list[Fault]:
    """The other faults of the catalogue whose check looks like this one's."""
    ids = {check.id for check in families.look_alikes(fault.id, fault.family)}
    return [other for other in faults.catalogue() if other.id in ids and other.id != fault.id]
