"""Keys that encrypt data: whether a new value still reads what the former one encrypted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from omc_runbook.masking.document import Member
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key, encrypts
from omc_runbook.model.placeholders import PLACEHOLDER

SEPARATORS = re.compile(r"[\s,;\[\]\"']+")
"""What stands between and around the keys of a list, as MultiFernet takes one."""

BLOCK = re.compile(r"-----BEGIN ")
"""The beginning of a PEM block, which is one key of several words."""

WAY = (
    "Where the application reads a list (MultiFernet), take the new value with the former one after it, separated by a"
    " comma, from file:PATH; remove the former one once the data is encrypted again."
)


_PRESENT = "what was encrypted with the present value"


def loss(keys: Mapping[str, Key], name: str, former: Member | None, new: Masked) -> str:
    """What becomes unreadable with a new value of a key, as the end of a sentence; "" where nothing does."""
    if former is None or not encrypts(keys, name) or former.injected.is_empty or former.injected.matches(PLACEHOLDER):
        return ""
    before, after = _keys(former.injected), _keys(new)
    if before and before[0] not in after:
        return _PRESENT
    return "what only the values that it no longer has can decrypt" if {*before} - {*after} else ""


def is_lost_on_return(keys: Mapping[str, Key], name: str, former: Member | None, new: Member | None) -> bool:
    """Whether what tasks encrypt with a new value of a key cannot be read once the former one is back."""
    return loss(keys, name, new, former.injected if former else Masked("", name)) == _PRESENT


def _keys(value: Masked) -> list[str]:
    """The keys of a value, the one that encrypts first."""
    text = reveal(value)
    blocks = [f"-----BEGIN {block.strip()}" for block in BLOCK.split(text)[1:]]
    return blocks or [key for key in SEPARATORS.split(text) if key]
