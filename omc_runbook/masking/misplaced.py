"""Values that stand where a reference to them belongs, as in a valueFrom."""

from __future__ import annotations

import re

from omc_runbook.masking import shapes
from omc_runbook.masking.common import is_random
from omc_runbook.model.value_from import split_suffix

_REFERENCE = re.compile(r"/|[\"']?arn:|\S*(?::secret:|\$\{|\{\{)|<|https?://[^@]*\Z")
"""How a text begins that was meant as a reference: a path, an ARN, a page's address, what nobody filled in."""
_NAME = re.compile(r"[\w.:/-]+")
"""The characters that the name of an SSM parameter, with its version or label, can have."""
_WORDS = re.compile(r"[A-Za-z]+\d{0,4}(?:[-_./:]+(?:[A-Za-z]+\d{0,4}|\d{1,4}))*")
"""A name made of words."""


def is_value(value_from: str) -> bool:
    """Whether a valueFrom looks like a secret's value: no name could be so, or nobody would give such a one."""
    text = value_from.strip()
    if not text or _REFERENCE.match(text):
        return False
    name = split_suffix(text)[0]
    return (
        not _NAME.fullmatch(text)
        or (is_random(name) and not _WORDS.fullmatch(name))
        or any(span.start == 0 for span in shapes.find(text))
    )
