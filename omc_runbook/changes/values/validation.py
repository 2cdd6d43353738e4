"""Validation of a new value against the catalogue, before anything is written."""

from __future__ import annotations

import re

from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import (
    EDGE_SPACE,
    FORMS,
    PLACEHOLDER,
    SEVERAL_LINES,
    TEMPLATE_DEFAULT,
    URL_BREAKERS,
    Form,
    Key,
)

HOST = re.compile(r"\A[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
NOT_OF: dict[Form, str] = {
    "email": "is not an e-mail address",
    "host": "is not a host name",
    "url": "is not a URL",
    "number": "is not a number",
}
NUL = re.compile(r"\0")
DAMAGED = re.compile(r"[\ufffd\ud800-\udfff]")
"""A character that was decoded wrongly: its replacement, or half of a surrogate pair."""


def objection(value: Masked, key: Key | None) -> str:
    """What is wrong with a value, as the end of a sentence that begins with its key; "" where it is valid."""
    if value.matches(NUL):
        return "has a NUL character, which environment variables cannot contain"
    if value.matches(DAMAGED):
        return "has a damaged character (U+FFFD, or half of a surrogate pair)"
    if value.matches(EDGE_SPACE) and not value.matches(SEVERAL_LINES):
        return "begins or ends with white space"
    if value.matches(PLACEHOLDER) or value.matches(TEMPLATE_DEFAULT):
        return "is a placeholder, not a value"
    if key is None:
        return ""
    if value.is_empty:
        return "is required, and empty" if key.required else ""
    pattern = HOST if key.form == "host" else FORMS.get(key.form)
    if pattern and not value.matches(pattern):
        return NOT_OF[key.form]
    if key.prefix and not value.matches(re.compile("^" + re.escape(key.prefix))):
        return f"does not begin with {key.prefix}"
    if value.length < key.weak_below:
        return f"is shorter than {key.weak_below} characters"
    if key.in_url and value.matches(URL_BREAKERS):
        return "has a character that breaks a URL (/ @ : # and the like)"
    return ""
