"""Reads the files that a trail delivered to S3, the newest of each day and region first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial

from omc_runbook.aws import cloudtrail, s3
from omc_runbook.aws.cloudtrail import FoundAccesses
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.snapshot.audit.secret_names import names_of, replica_regions
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

MOST_FILES = 20_000
"""How many files are read, the newest."""
DAYS_AT_ONCE = 10
"""The files of how many days are listed at a time: older days are not, where the newer ones have enough files."""
_DELIVERED = re.compile(r"_(\d{8}T\d{4})Z_")
"""When a file was delivered, in its name: it has calls of before."""
_DAY = re.compile(r"/(\d{4}/\d{2}/\d{2})/")


def request(
    gatherer: Gatherer, snapshot: Snapshot, days: int, names: Sequence[str], gap: str
) -> tuple[list[tuple[str, Future[FoundAccesses | ReadFailure]]], dict[str, datetime]]:
    """Start to read the calls of these APIs in the files of as many days.

    The second value is by the bucket the time from when on every call is in them, where there are more files than are
    read. A bucket that cannot be listed, or has no file, is a gap.
    """
    settings, secret = gatherer.environment.audit, names_of(snapshot)
    client = gatherer.clients("s3")
    listed = _list(gatherer, snapshot, days, gap)
    files, left_out = listed[:MOST_FILES], listed[MOST_FILES:]

    def read(key: str) -> FoundAccesses:
        content = s3.get(client, settings.bucket, key)
        return FoundAccesses(cloudtrail.read_log_file(content, names, secret))

    if not files and gap not in gatherer.gaps:
        # A prefix that is not the trail's has no file, as if nobody had called.
        nothing = f"it has no file of the last {days} days. Correct trail_s3 in runbook.toml."
        where = f"a trail's events below s3://{settings.bucket}/{settings.prefix}/{snapshot.account}"
        gatherer.record(gap, (ReadFailure(where, "s3:ListBucket", nothing, "incomplete"),))
    answers = [(key, gatherer.ask(f"{key} of {settings.bucket}", "s3:GetObject", partial(read, key))) for key in files]
    return answers, {settings.trail_s3: max(map(_latest_call, left_out))} if left_out else {}


def _list(gatherer: Gatherer, snapshot: Snapshot, days: int, gap: str) -> list[str]:
    """The files of the days, the newest first; of further days none, once there are more than are read."""
    settings = gatherer.environment.audit
    regions = (gatherer.names.region, *replica_regions(snapshot))
    dates = [snapshot.taken.date() - timedelta(days=each) for each in range(days + 1)]
    found = list[str]()
    for first in range(0, len(dates), DAYS_AT_ONCE):
        answers = [
            gatherer.read(
                f"the files of {settings.bucket}",
                "s3:ListBucket",
                s3.list_keys,
                settings.bucket,
                f"{snapshot.environment.audit.prefix}/{snapshot.account}/CloudTrail/{region}/{date:%Y/%m/%d}/",
            )
            for date in dates[first : first + DAYS_AT_ONCE]
            for region in regions
        ]
        found += [key for answer in answers for key in gatherer.keep(gap, answer, ()) if key.endswith(".json.gz")]
        if len(found) > MOST_FILES or gap in gatherer.gaps:
            break
    return sorted(found, key=lambda key: (_latest_call(key), key), reverse=True)


def _latest_call(key: str) -> datetime:
    """The time that no call in a file is after: when it was delivered, or else the end of its day."""
    delivered = _DELIVERED.search(key)
    if delivered:
        return datetime.strptime(delivered[1], "%Y%m%dT%H%M").replace(tzinfo=UTC) + timedelta(minutes=1)
    day = _DAY.search(key)
    start = datetime.strptime(day[1], "%Y/%m/%d") if day else datetime.max - timedelta(days=1)
    return start.replace(tzinfo=UTC) + timedelta(days=1)
