"""Which other environments can be read with this one's sign-in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.snapshots import ACCOUNT, healthy

from omc_runbook.snapshot.other_environments import secrets_within_reach

ROLE = f"arn:aws:iam::{ACCOUNT}:role/other"


@pytest.mark.parametrize(
    ("names", "is_within"),
    [
        ({}, True),
        ({"account_id": "210987654321"}, False),
        ({"profile": "other"}, False),
        ({"role_arn": ROLE}, False),
        ({"account_id": ACCOUNT, "profile": "other", "role_arn": ROLE}, True),
    ],
)
def test_another_account_or_sign_in_is_out_of_reach(names: dict[str, str], is_within: bool) -> None:
    """Another way to sign in may lead to another account, unless the account is named."""
    snapshot = healthy()
    other = snapshot.environment.names.model_copy(update={"secret": "other", **names})
    environment = replace(snapshot.environment, others={"other": other})
    assert bool(secrets_within_reach(snapshot.caller, environment)) is is_within
