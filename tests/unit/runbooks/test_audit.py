"""How an audit begins: what it refuses before anything is read."""

from __future__ import annotations

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import audit


@pytest.mark.parametrize(
    ("environment", "days", "sentence"),
    [
        ("staging", 0, "days must be at least 1"),
        ("staging, staging", 90, "environment names staging twice"),
        ("stagin,production", 90, 'Environment "stagin" is unknown: did you mean staging?'),
        ("", 90, 'Environment "" is unknown'),
        ("local,staging", 90, "choose staging or production"),
    ],
)
def test_what_an_audit_cannot_be_of_is_refused(bare_names: None, environment: str, days: int, sentence: str) -> None:
    """In one sentence, and before AWS is asked."""
    with pytest.raises(UsageError) as refused:
        audit.begin(environment, "", days)
    assert sentence in str(refused.value)
