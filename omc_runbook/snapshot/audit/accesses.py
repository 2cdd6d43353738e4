"""Reads who called which API on the secret, from CloudTrail's event history or a trail's files in S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from omc_runbook.aws import cloudtrail, s3
from omc_runbook.aws.cloudtrail import (
    BATCH_READ,
    HISTORY_KEEPS,
    READS,
    REQUESTS_A_SECOND,
    Access,
    FoundAccesses,
    FoundRecords,
    Pace,
)
from omc_runbook.aws.session import ReadFailure
from omc_runbook.snapshot.audit.secret_names import names_of, replica_regions
from omc_runbook.snapshot.audit.state import Accesses
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import MOST_WRITES
from omc_runbook.snapshot.state import Snapshot

GAP = "accesses"
MOST_READS = 4000
"""How many calls of an API are read: requests are slow, at two a second."""
MOST_FILES = 20_000
"""How many of a trail's files are read, the newest."""
WRITES = (
    "PutSecretValue",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "DeleteSecret",
    "RestoreSecret",
    "PutResourcePolicy",
    "DeleteResourcePolicy",
    "RotateSecret",
    "ReplicateSecretToRegions",
    "TagResource",
)
_DAY = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/")
"""The day in the key of a trail's file."""
_SAME_BATCH = timedelta(seconds=2)
"""How far a batch read and its parts may be apart."""

_Lookup = Future[FoundRecords | ReadFailure]
_Answers = Sequence[tuple[str, Future[FoundAccesses | ReadFailure] | _Lookup]]


def history_since(gatherer: Gatherer, snapshot: Snapshot, days: int) -> datetime | None:
    """From when on CloudTrail's event history is looked up; None where the calls are read from a bucket instead."""
    if gatherer.environment.audit.trail_s3:
        return None
    return snapshot.taken - min(timedelta(days=days), HISTORY_KEEPS)


def request(
    gatherer: Gatherer, snapshot: Snapshot, days: int, lookups: Mapping[str, _Lookup], pace: Pace
) -> Callable[[], Accesses | None]:
    """Start to read the calls of as many days; what is returned waits for them, and is None where any is missing.

    `lookups` has those under way already in the secret's region since `history_since` at least, by API, and `pace` is
    theirs.
    """
    since, names = snapshot.taken - timedelta(days=days), names_of(snapshot)
    start = history_since(gatherer, snapshot, days)
    is_in_bucket = start is None
    answers: _Answers
    cut = dict[str, datetime]()
    if start:
        answers = _from_history(gatherer, snapshot, start, lookups, pace)
    else:
        answers, cut = _from_bucket(gatherer, snapshot, days)
    kept_since = snapshot.taken - HISTORY_KEEPS
    source = gatherer.environment.audit.trail_s3 if is_in_bucket else "CloudTrail's event history"

    def keep() -> Accesses | None:
        read = {name: answer.result() for name, answer in answers}
        failures = [each for each in read.values() if isinstance(each, ReadFailure)]
        gatherer.record(GAP, failures)
        if failures or GAP in gatherer.gaps:
            return None
        found = {
            name: each.accesses(names) if isinstance(each, FoundRecords) else each
            for name, each in read.items()
            if not isinstance(each, ReadFailure)
        }
        calls = {_identity(call): call for each in found.values() for call in each.calls if call.time >= since}
        return Accesses(
            calls=_merge(sorted(calls.values(), key=lambda call: call.time, reverse=True)),
            since=since if is_in_bucket else max(since, kept_since),
            source=source,
            cut=cut | {name: each.cut_at for name, each in found.items() if each.cut_at and each.cut_at >= since},
        )

    return keep


def _from_history(
    gatherer: Gatherer, snapshot: Snapshot, since: datetime, lookups: Mapping[str, _Lookup], pace: Pace
) -> _Answers:
    home, elsewhere = gatherer.names.region, replica_regions(snapshot)
    paces = {home: pace} | {region: Pace(REQUESTS_A_SECOND) for region in elsewhere}
    answers = list[tuple[str, _Lookup]]()
    for name, region in [(name, home) for name in (*READS, *WRITES)] + [(n, each) for n in READS for each in elsewhere]:
        client, limit = gatherer.clients("cloudtrail", region), MOST_READS if name in READS else MOST_WRITES
        look = partial(cloudtrail.look_up, client, name, since, limit, paces[region])
        key = name if region == home else f"{name} in {region}"
        under_way = lookups.get(name) if region == home else None
        answers.append((key, under_way or gatherer.ask(f"who called {key}", "cloudtrail:LookupEvents", look)))
    return answers


def _from_bucket(gatherer: Gatherer, snapshot: Snapshot, days: int) -> tuple[_Answers, dict[str, datetime]]:
    """The calls in the files of each day and region, and from when on, where there are more files than are read."""
    settings, home = gatherer.environment.audit, gatherer.names.region
    account = snapshot.account
    client, names = gatherer.clients("s3"), names_of(snapshot)
    regions = (home, *replica_regions(snapshot))
    dates = [snapshot.taken.date() - timedelta(days=each) for each in range(days + 1)]
    prefixes = [
        f"{settings.prefix}/{account}/CloudTrail/{region}/{date:%Y/%m/%d}/" for date in dates for region in regions
    ]
    lists = [
        gatherer.ask(
            f"the files of {settings.bucket}",
            "s3:ListBucket",
            partial(s3.list_keys, client, settings.bucket, prefix),
        )
        for prefix in prefixes
    ]
    files = [key for each in lists for key in _newest_first(gatherer.keep(GAP, each, ()))]

    def read(key: str) -> FoundAccesses:
        content = s3.get(client, settings.bucket, key)
        return FoundAccesses(cloudtrail.read_log_file(content, (*READS, *WRITES), names))

    if not files and GAP not in gatherer.gaps:
        # A prefix that is not the trail's has no file, as if nobody had called.
        nothing = f"no file of the last {days} days. See trail_s3 in runbook.toml"
        where = f"a trail's events below s3://{settings.bucket}/{settings.prefix}/{account}"
        gatherer.record(GAP, (ReadFailure(where, "s3:ListBucket", nothing, "failed"),))
    answers = [
        (key, gatherer.ask(f"{key} of {settings.bucket}", "s3:GetObject", partial(read, key)))
        for key in files[:MOST_FILES]
    ]
    left_out = _DAY.search(files[MOST_FILES]) if files[MOST_FILES:] else None
    # Of the day of the first file that is left out, some files may be left out.
    return answers, {settings.trail_s3: _after(left_out)} if left_out else {}


def _after(day: re.Match[str]) -> datetime:
    """The end of the day in a key."""
    year, month, date = map(int, day.groups())
    return datetime(year, month, date, tzinfo=UTC) + timedelta(days=1)


def _newest_first(keys: tuple[str, ...]) -> list[str]:
    """The log files among a day's keys, whose names begin with their time."""
    return sorted((key for key in keys if key.endswith(".json.gz")), reverse=True)


def _identity(call: Access) -> tuple[object, ...]:
    """What two records of one call share."""
    return call.request_id, call.name, call.time, call.session, call.region


def _merge(calls: Iterable[Access]) -> tuple[Access, ...]:
    """The calls without the parts of batch reads; a batch read by filters stays only where it got the secret."""
    every = tuple(calls)
    batches = [call for call in every if call.name == BATCH_READ]
    parts = {id(batch): [call for call in every if _is_part(call, batch)] for batch in batches}
    merged = {id(part) for each in parts.values() for part in each}
    return tuple(
        replace(call, error=call.error or parts[id(call)][0].error) if parts.get(id(call)) else call
        for call in every
        if id(call) not in merged and (call.name != BATCH_READ or not call.filters or parts[id(call)])
    )


def _is_part(call: Access, batch: Access) -> bool:
    """Whether a read of one secret is what CloudTrail records of a batch read besides it."""
    if call.name != "GetSecretValue" or call.session != batch.session or call.region != batch.region:
        return False
    is_same_request = bool(call.request_id) and call.request_id == batch.request_id
    is_alike = call.user_agent == batch.user_agent and call.address == batch.address
    return is_same_request or (is_alike and abs(call.time - batch.time) < _SAME_BATCH)
