"""Validation of a new value against the catalogue, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.masking.defects import find_defect
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key


def objection(value: Masked, key: Key | None, words: Sequence[str] = ()) -> str:
    """What is wrong with a value, as the end of a sentence that begins with its key; "" where it is valid.

    `words` are words that an attacker would try first.
    """
    defect = find_defect(value, value.name, key, words)
    return defect.sentence if defect else ""
