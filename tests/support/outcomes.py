"""Outcomes of runs, as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from omc_runbook.model.findings import Outcome

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)


def an_outcome(**members: Any) -> Outcome:
    """The outcome of a verify run on staging at `NOW`, with these members of its own."""
    common = {"runbook": "verify", "environment": "staging", "account": "123456789012", "region": "ap-southeast-2"}
    return Outcome(**{**common, "endpoint": "", "started": NOW, "finished": NOW, **members})
