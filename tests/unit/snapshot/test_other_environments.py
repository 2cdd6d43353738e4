"""Which other environments can be read with this one's sign-in."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import ACCOUNT, healthy

from omc_runbook.snapshot.other_environments import read_fingerprints, secrets_within_reach

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


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ({"SecretString": '{"SECRET_KEY": "0123456789abcdef", "ENVIRONMENT": "", "OWN": "0123456789abcdef0123"}'}, 2),
        ({"SecretString": "no JSON"}, "is not JSON"),
        ({"SecretBinary": b"0"}, 0),
    ],
)
def test_another_environments_secret_may_have_anything_for_content(content: dict[str, Any], keys: int | str) -> None:
    """What cannot be compared is the reason; a binary secret has no key."""
    names = healthy().environment.names
    clients: Any = lambda *_: Mock(get_secret_value=Mock(return_value={"VersionId": "1", **content}))  # noqa: E731
    catalogue, key = healthy().environment.keys, secrets.token_bytes(32)
    (found,) = read_fingerprints(clients, healthy().caller, names, {"other": names}, catalogue, key).values()
    assert keys in found if isinstance(keys, str) else len(found) == keys
