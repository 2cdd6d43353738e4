"""Times of AWS's responses: in UTC, whatever this machine's time zone is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.utils import parse_timestamp
from support.moto_environment import REGION, mock_aws

from omc_runbook.aws.answer import parse_time
from omc_runbook.aws.session import Clients


@pytest.fixture
def sydney(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Sydney."""
    monkeypatch.setenv("TZ", "Australia/Sydney")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1_764_252_000, 1_764_252_000.123, 99_999_999_999, -1.5, "1764252000", "1764252000.5"),
        *("2026-11-27T14:00:00Z", "2026-11-27T14:00:00.123Z", "2026-11-28T01:00:00+11:00", "20261127T140000Z"),
        *("Fri, 27 Nov 2026 14:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
@pytest.mark.usefixtures("sydney")
def test_a_time_is_botocores_in_utc(value: float | str) -> None:
    """Each form that a service may use gives the moment that botocore reads."""
    assert parse_time(value) == parse_timestamp(value)
    assert parse_time(value).tzinfo is UTC


def test_a_time_without_a_zone_is_in_utc() -> None:
    """AWS has no other."""
    assert parse_time("2026-11-27T14:00:00") == datetime(2026, 11, 27, 14, tzinfo=UTC)


def test_no_time_is_an_error() -> None:
    """As botocore has it."""
    with pytest.raises(ValueError, match="yesterday"):
        parse_time("yesterday")


@pytest.mark.usefixtures("sydney")
def test_a_client_gives_times_in_utc() -> None:
    """On a machine in Sydney too, times are in UTC, from JSON and from XML."""
    with mock_aws():
        clients = Clients(REGION)
        clients("secretsmanager").create_secret(Name="app", SecretString="{}")
        clients("iam").create_role(RoleName="app", AssumeRolePolicyDocument="{}")
        created = clients("secretsmanager").describe_secret(SecretId="app")["CreatedDate"]
        began = clients("iam").get_role(RoleName="app")["Role"]["CreateDate"]
    for moment in (created, began):
        assert moment.utcoffset() == timedelta(0)
        assert abs(moment - datetime.now(UTC)) < timedelta(minutes=5)
