"""A trail's files in a bucket with more of them than an audit reads: the newest, and from when on they are whole."""

from __future__ import annotations

import gzip
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.snapshots import ACCOUNT, NAME, NOW, REGION, healthy

from omc_runbook.model.audit import AuditSettings
from omc_runbook.snapshot.audit import accesses, trail_files
from omc_runbook.snapshot.audit.state import Accesses
from omc_runbook.snapshot.gatherer import Gatherer

AN_HOUR = 12
"""Files of five minutes each."""


class Bucket:
    """A bucket of a busy trail: a file each five minutes, each with one read of the secret just before."""

    def __init__(self) -> None:
        self.listed = list[str]()
        self.read = list[str]()

    def get_paginator(self, _: str) -> Bucket:
        return self

    def paginate(self, **request: str) -> list[Any]:
        prefix = request["Prefix"]
        self.listed.append(prefix)
        day = datetime.strptime(prefix[-11:-1], "%Y/%m/%d").replace(tzinfo=UTC)
        times = [day + timedelta(minutes=5 * number) for number in range(24 * AN_HOUR)]
        keys = [f"{prefix}{ACCOUNT}_CloudTrail_{REGION}_{time:%Y%m%dT%H%MZ}_x.json.gz" for time in times if time <= NOW]
        return [{"Contents": [{"Key": key} for key in keys]}]

    def get_object(self, **request: str) -> dict[str, Any]:
        key = request["Key"]
        self.read.append(key)
        time = datetime.strptime(key.split("_")[-2], "%Y%m%dT%H%MZ").replace(tzinfo=UTC) - timedelta(minutes=1)
        record = {
            "eventName": "GetSecretValue",
            "eventTime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
            "requestID": key,
            "requestParameters": {"secretId": NAME},
        }
        return {"Body": io.BytesIO(gzip.compress(json.dumps({"Records": [record]}).encode()))}


def look(bucket: Bucket, days: int) -> Accesses | None:
    environment = replace(healthy().environment, audit=AuditSettings(trail_s3="s3://audit-logs"))
    snapshot = replace(healthy(), environment=environment)
    with ThreadPoolExecutor(4) as pool:
        clients: Any = lambda *_: bucket  # noqa: E731
        return accesses.AccessesRead(Gatherer(pool, clients, environment, snapshot.caller), snapshot, days).finish()


def test_of_too_many_files_the_newest_are_read_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older days are not even listed; every call since the newest file that was left out is there."""
    monkeypatch.setattr(trail_files, "MOST_FILES", 3 * 24 * AN_HOUR)
    bucket = Bucket()
    found = look(bucket, 90)
    assert found and len(bucket.read) == trail_files.MOST_FILES == len(found.calls)
    assert len(bucket.listed) == trail_files.DAYS_AT_ONCE
    [(uri, since)] = found.cut.items()
    assert uri == "s3://audit-logs" and since == NOW - timedelta(days=3) + timedelta(minutes=1)
    assert {call.time for call in found.calls} >= {since + timedelta(minutes=3)} and found.cut
    assert found.source == f"the newest {trail_files.MOST_FILES} files of s3://audit-logs"


def test_where_all_files_are_read_nothing_is_cut() -> None:
    """A few days of the same bucket."""
    bucket = Bucket()
    found = look(bucket, 2)
    assert found and not found.cut and found.source == "s3://audit-logs"
    assert len(bucket.listed) == 3 and len(found.calls) == 2 * 24 * AN_HOUR


def test_a_bucket_without_a_file_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No calls that are known is not the same as no calls."""
    monkeypatch.setattr(Bucket, "paginate", lambda *_, **request: [])
    assert look(Bucket(), 2) is None
