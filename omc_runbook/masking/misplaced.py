"""Values that stand where a reference to them or their name belongs: in a valueFrom, or as a key of the secret."""

from __future__ import annotations

import re

from omc_runbook.masking import shapes
from omc_runbook.masking.common import is_random
from omc_runbook.masking.spelling import SHORT
from omc_runbook.model.secretive import is_secret
from omc_runbook.model.value_from import split_suffix

_REFERENCE = re.compile(r"/|[\"']?arn:|\S*(?::secret:|\$\{|\{\{)|<|https?://[^@]*\Z")
"""How a text begins that was meant as a reference: a path, an ARN, a page's address, what nobody filled in."""
_NAME = re.compile(r"[\w.:/-]+")
"""The characters that the name of an SSM parameter, with its version or label, can have."""
_WORDS = re.compile(r"[A-Za-z]+\d{0,4}(?:[-_./:]+(?:[A-Za-z]+\d{0,4}|\d{1,4}))*")
"""A name made of words."""
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_MANY_NUMBERS = 4
"""So many numbers are in a random token, and hardly in a name such as x509CertificateSha256."""


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


def is_exchanged(key: str, value: object) -> bool:
    """Whether a member of the secret's JSON has the name of a secret variable as its value, and not as its key."""
    is_name = isinstance(value, str) and _VARIABLE.fullmatch(value) is not None
    return is_name and is_secret(str(value)) and not _VARIABLE.fullmatch(key)


def is_key_a_value(key: str, is_value: bool = False) -> bool:
    """Whether a key of the secret's JSON looks like a secret's value, and like no name that anybody would choose.

    Of one that stands there as a value too (`is_value`), less is asked.
    """
    if any(span.start == 0 for span in shapes.find(key)):
        return True
    if _VARIABLE.fullmatch(key):
        return False
    if is_value and len(key) >= SHORT and not _WORDS.fullmatch(key):
        return True
    return is_random(key) and len(re.findall(r"\d+", key)) >= _MANY_NUMBERS
