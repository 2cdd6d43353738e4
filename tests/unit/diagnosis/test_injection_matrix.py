"""The injection matrix: in what state each reference's value is."""

from __future__ import annotations

from typing import Any

import pytest
from support.snapshots import ARN, healthy, with_keys, with_reference, with_text, without_key

from omc_runbook.diagnosis.injection_matrix import Row, rows
from omc_runbook.snapshot.state import Snapshot


def _row(snapshot: Snapshot, variable: str) -> Row:
    return next(row for row in rows(snapshot) if (row.service, row.variable) == ("worker", variable))


@pytest.mark.parametrize(
    ("key", "value", "state"),
    [
        ("OPENAI_API_KEY", "", "empty"),
        ("OPENAI_API_KEY", None, "empty"),
        ("SECRET_KEY", "  ", "empty"),
        ("SECRET_KEY", "changethis", "placeholder"),
        ("SECRET_KEY", "temporary-secret-key-please-update", "placeholder"),
        ("SECRET_KEY", "abc", "weak"),
        ("SECRET_KEY", f" {'0a1b2c3d' * 8}", "malformed"),
        ("SECRET_KEY", f"{'0a1b2c3d' * 8}\ufffd", "malformed"),
        ("OPENAI_API_KEY", "https://api.test", "malformed"),
        ("POSTGRES_PASSWORD", "q8/Jx@2:vL#9tR%wM4kZ", "malformed"),
    ],
)
def test_a_defect_is_the_state_of_a_value(key: str, value: Any, state: str) -> None:
    """Every defect of a value has a state of its own kind."""
    assert _row(with_keys(healthy(), **{key: value}), key).state == state


def test_a_key_that_is_not_there_is_missing_and_one_of_no_document_unknown() -> None:
    """A secret that is not JSON shows no key."""
    missing = _row(without_key(healthy(), "SECRET_KEY"), "SECRET_KEY")
    unknown = _row(with_text(healthy(), "no JSON"), "SECRET_KEY")
    assert (missing.present, missing.state, unknown.present, unknown.state) == (False, "missing", None, "unknown")


def test_the_whole_secret_is_set() -> None:
    """A reference without a key gives the variable all of the secret, so nothing is missing."""
    whole = _row(with_reference(healthy(), "worker", "SECRET_KEY", ARN), "SECRET_KEY")
    assert (whole.key, whole.present, whole.state) == ("(whole secret)", True, "set")
