"""Known values are found in bytes, in the spellings of programs, and no common word is."""

from __future__ import annotations

import base64
import json
import secrets

from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked


def test_values_are_found_under_their_names() -> None:
    """Where the first of each begins; a former value in another encoding is not looked for."""
    now, former = f'{secrets.token_hex(12)}"ä', secrets.token_hex(12)
    search = ValueSearch([("former", Masked(former, "F"))], encoded=[("now", Masked(now, "N"))])
    assert search.find(f"a {former} b {former} {now}".encode()) == {"former": 2, "now": 54}
    for spelling in (json.dumps({"a": now}), base64.b64encode(f"x{now}".encode()).decode(), repr(now.encode())):
        assert [*search.find(spelling.encode())] == ["now"]
    assert search.find(base64.b64encode(former.encode())) == {}
    assert search.find(former[:-1].encode()) == {}


def test_a_short_or_common_value_is_not_looked_for() -> None:
    """Any text may have it."""
    values = [(word, Masked(word, "W")) for word in ("password", "abc123", "localhost")]
    assert ValueSearch(values, encoded=values).find(b"the password abc123 of localhost") == {}
