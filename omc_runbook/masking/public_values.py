"""Values of a .env or a compose file that tell nobody anything, and without which no page could be read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from omc_runbook.model.secretive import is_secret

COMMON = re.compile(r"(?i)true|false|yes|no|on|off|none|null|localhost|local|staging|production|postgres|\d{1,5}")
"""What may be shown whatever it is the value of."""

_WORD = re.compile(r"[a-z]{1,16}|[A-Z]{1,16}|[A-Z][a-z]{1,15}")


def find_harmless(values: Iterable[tuple[str, str]], public: Collection[str] = ()) -> frozenset[str]:
    """Which of some values, each with its variable's name, need not be masked.

    These are common words and numbers, what is public anyhow, and a plain word under a name that is no secret's, as
    `debug` for LOG_LEVEL, unless a secret has the same word.
    """
    pairs = tuple(values)
    hidden = {value for name, value in pairs if is_secret(name)}
    return frozenset(
        value
        for _, value in pairs
        if COMMON.fullmatch(value) or value in public or (_WORD.fullmatch(value) and value not in hidden)
    )
