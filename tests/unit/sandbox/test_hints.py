"""Hints at a fault: each is narrower than the one before."""

from __future__ import annotations

import re

import pytest

from omc_runbook.sandbox import hints
from omc_runbook.sandbox.faults import Fault, every


@pytest.mark.parametrize("fault", every(), ids=lambda fault: fault.id)
def test_hints_narrow_it_down(fault: Fault) -> None:
    """Of each fault: its family, evidence that is its own, and three ids of which one is the fault's."""
    family, evidence, candidates = hints.of(fault)
    assert f"family is {fault.family}," in family
    assert not re.search(rf"\b{fault.id}\b", family)
    assert len(evidence) > len("This would rule it out: .") and not evidence.endswith("..")
    ids = re.findall(r"[a-z-]+", candidates.removeprefix("It is one of "))
    assert len(ids) == len(set(ids)) == 3 and fault.id in ids and ids == sorted(ids)
    assert set(ids) <= {other.id for other in every()}
    assert hints.of(fault) == (family, evidence, candidates)
