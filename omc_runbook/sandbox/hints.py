"""How hard a fault is to tell from others, and the hints that narrow it down."""

from __future__ import annotations

import random
from typing import Literal

from omc_runbook.checks import families
from omc_runbook.model.environment import LOCAL
from omc_runbook.sandbox import faults
from omc_runbook.sandbox.faults import Fault

Level = Literal["easy", "medium", "hard"]

EASY, MEDIUM = 7, 19
"""How many other faults may look like one of the level: each level has about a third of the catalogue."""


def level(fault: Fault) -> Level:
    """A fault's level: how many other faults show the same error or the same behaviour."""
    count = len(_look_alikes(fault))
    if count <= EASY:
        return "easy"
    return "medium" if count <= MEDIUM else "hard"


def of(fault: Fault) -> tuple[str, ...]:
    """The hints at a fault, each narrower than the one before: its family, the evidence, three candidates."""
    family = [other for other in faults.every() if other.family == fault.family]
    return (
        f"The fault's family is {fault.family}, which has {len(family)} faults.",
        f"This would rule it out: {families.ruled_out_by(fault.id, fault.family)}.",
        f"It is one of {', '.join(_candidates(fault))}.",
    )


def _candidates(fault: Fault) -> list[str]:
    """The fault and two others, the same ones at every call: that look like it and are of its family, or are either."""
    others = _look_alikes(fault)
    family = [other for other in faults.every() if other.family == fault.family and other.id != fault.id]
    relatives = [other for other in others if other.family == fault.family]
    pool = next(each for each in (relatives, others, family) if len(each) > 1)
    chosen = random.Random(fault.id).sample(pool, 2)  # noqa: S311 - a hint
    return sorted([fault.id, *(other.id for other in chosen)])


def _look_alikes(fault: Fault) -> list[Fault]:
    """The other faults of the catalogue whose check looks like this one's."""
    alike = {(check.id, check.family == LOCAL) for check in families.look_alikes(fault.id, fault.family)}
    return [each for each in faults.every() if (each.id, each.family == LOCAL) in alike and each.id != fault.id]
