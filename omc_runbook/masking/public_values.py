"""Values of a .env or compose file that need no masking, such as common words and numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from omc_runbook.model.secretive import is_secret

COMMON = re.compile(r"(?i)true|false|yes|no|on|off|none|null|localhost|local|staging|production|postgres|\d{1,5}")
"""Values that may be shown under any name."""

_WORD = re.compile(r"[a-z]{1,16}|[A-Z]{1,16}|[A-Z][a-z]{1,15}")


def find_public(values: Iterable[tuple[str, str]], public: Collection[str] = ()) -> frozenset[str]:
    """Which of (name, value) pairs have values that need no masking.

    These are common words and numbers, values in `public`, and plain words under names that are not secret, such as
    `debug` for LOG_LEVEL, unless a secret name has the same value.
    """
    pairs = tuple(values)
    secret = {value for name, value in pairs if is_secret(name)}
    return frozenset(
        value
        for _, value in pairs
        if COMMON.fullmatch(value) or value in public or (_WORD.fullmatch(value) and value not in secret)
    )
