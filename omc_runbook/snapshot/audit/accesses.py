"""Reads who called which API on the secret: from CloudTrail's event history, a trail's files, or CloudTrail Lake."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta

from omc_runbook.aws import cloudtrail_lake
from omc_runbook.aws.cloudtrail import BATCH_READ, HISTORY_KEEPS, READS, Access, FoundAccesses, FoundRecords
from omc_runbook.aws.cloudtrail_lake import QueryFailure
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.snapshot.audit import trail_files
from omc_runbook.snapshot.audit.monitoring import READ
from omc_runbook.snapshot.audit.secret_names import names_of, replica_regions
from omc_runbook.snapshot.audit.state import Accesses
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.history import MOST_WRITES, look_up
from omc_runbook.snapshot.state import Snapshot

GAP = "accesses"
MOST_READS = 4000
"""How many calls of an API are read from the event history: requests are slow, at two a second."""
MOST_ROWS = 50_000
"""How many calls of Secrets Manager's APIs a query of CloudTrail Lake gives, the newest."""
WRITES = (
    *("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "DeleteSecret", "RestoreSecret"),
    *("PutResourcePolicy", "DeleteResourcePolicy", "RotateSecret", "CancelRotateSecret"),
    *("ReplicateSecretToRegions", "AssociateCrossAccountReplica", "TagResource", "UntagResource"),
)
_SAME_BATCH = timedelta(seconds=2)
"""How far a batch read and its parts may be apart."""

_Answers = Sequence[tuple[str, Future[FoundAccesses | ReadFailure] | Future[FoundRecords | ReadFailure]]]


def history_since(gatherer: Gatherer, snapshot: Snapshot) -> datetime | None:
    """From when on the event history is looked up for writes; None where the calls are read from elsewhere."""
    if gatherer.environment.audit.reaches_back:
        return None
    return gatherer.shared.moment(snapshot.taken) - HISTORY_KEEPS


class AccessesRead:
    """The calls of as many days: reading them begins at once, and `finish` waits for it."""

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot, days: int) -> None:
        self._gatherer, self._names = gatherer, names_of(snapshot)
        self._since = snapshot.taken - timedelta(days=days)
        self._cut = dict[str, datetime]()
        self._answers: _Answers
        self._source, self._kept_since = "CloudTrail's event history", snapshot.taken - HISTORY_KEEPS
        settings = gatherer.environment.audit
        if settings.trail_s3:
            self._answers, self._cut = trail_files.request(gatherer, snapshot, days, (*READS, *WRITES), GAP)
            self._source, self._kept_since = settings.trail_s3, self._since
            if self._cut:
                self._source = f"the newest {trail_files.MOST_FILES:,} files of {settings.trail_s3}"
        elif settings.event_data_store:
            self._answers = _from_lake(gatherer, snapshot, days)
            self._source, self._kept_since = f"event data store {settings.event_data_store}", self._since
        else:
            self._answers = _from_history(gatherer, snapshot, days)

    def finish(self) -> Accesses | None:
        """The calls; None where any is missing."""
        read = {name: answer.result() for name, answer in self._answers}
        self._gatherer.record(GAP, (each for each in read.values() if isinstance(each, ReadFailure)))
        if GAP in self._gatherer.gaps:
            return None
        found = {
            name: each.accesses(self._names) if isinstance(each, FoundRecords) else each
            for name, each in read.items()
            if not isinstance(each, ReadFailure)
        }
        since = self._since
        calls = {_identity(call): call for each in found.values() for call in each.calls if call.time >= since}
        cut_at = {name: each.cut_at for name, each in found.items() if each.cut_at and each.cut_at >= since}
        return Accesses(
            calls=_merge(sorted(calls.values(), key=lambda call: call.time, reverse=True)),
            since=max((since, self._kept_since, *(each.since for each in found.values() if each.since))),
            source=self._source,
            cut=self._cut | cut_at,
        )


def _from_history(gatherer: Gatherer, snapshot: Snapshot, days: int) -> _Answers:
    moment, home = gatherer.shared.moment(snapshot.taken), gatherer.names.region
    reads, writes = moment - min(timedelta(days=days), HISTORY_KEEPS), moment - HISTORY_KEEPS
    answers = [(name, look_up(gatherer, name, reads, MOST_READS, home)) for name in READS]
    answers += [(name, look_up(gatherer, name, writes, MOST_WRITES, home)) for name in WRITES]
    return answers + [
        (f"{name} in {region}", look_up(gatherer, name, reads, MOST_READS, region))
        for name in READS
        for region in replica_regions(snapshot)
    ]


def _from_lake(gatherer: Gatherer, snapshot: Snapshot, days: int) -> _Answers:
    """The calls that a query finds in the event data store, where that has every call."""
    arn = gatherer.environment.audit.event_data_store
    moment, names = gatherer.shared.moment(snapshot.taken), names_of(snapshot)
    regions = (gatherer.names.region, *replica_regions(snapshot))
    at_home, owner = gatherer.within(region_in(arn)), account_in(arn)
    since = moment - timedelta(days=days)
    query = cloudtrail_lake.statement(arn, snapshot.account, regions, (*READS, *WRITES), since, MOST_ROWS)
    what, permission = f"event data store {arn}", "cloudtrail:GetEventDataStore"
    store = at_home.read_once(what, permission, cloudtrail_lake.get_store, arn)
    run, other_owner = cloudtrail_lake.run_query, owner if owner != snapshot.account else ""
    rows = at_home.read_once(f"the calls in {what}", "cloudtrail:StartQuery", run, query, other_owner)

    def find() -> FoundAccesses | ReadFailure:
        settings, result = store.result(), rows.result()
        if isinstance(settings, ReadFailure):
            return settings
        problem = settings.problem(READ, regions)
        if problem:
            return ReadFailure(what, permission, problem, "incomplete")
        if isinstance(result, ReadFailure):
            return result
        if isinstance(result, QueryFailure):
            return ReadFailure(f"the calls in {what}", "cloudtrail:GetQueryResults", result.sentence, "failed")
        return replace(cloudtrail_lake.accesses_in(result, names, MOST_ROWS), since=settings.since(moment))

    return [(arn, gatherer.pool.submit(find))]


def _identity(call: Access) -> tuple[object, ...]:
    """What two records of one call share."""
    return call.request_id, call.name, call.time, call.session, call.region, call.error


def _merge(calls: Iterable[Access]) -> tuple[Access, ...]:
    """The calls without the parts of batch reads; a batch read by filters stays only where it got the secret.

    A batch read that was refused has no parts: what its caller reads next, it reads by itself.
    """
    every = tuple(calls)
    batches = [call for call in every if call.name == BATCH_READ and not call.error]
    parts = {id(batch): [call for call in every if _is_part(call, batch)] for batch in batches}
    merged = {id(part) for each in parts.values() for part in each}
    return tuple(
        # Where several are alike, one of them that got the secret counts.
        replace(call, error=min(part.error for part in parts[id(call)])) if parts.get(id(call)) else call
        for call in every
        if id(call) not in merged and (call.name != BATCH_READ or not call.filters or parts.get(id(call)))
    )


def _is_part(call: Access, batch: Access) -> bool:
    """Whether a read of one secret is what CloudTrail records of a batch read besides it."""
    if call.name != "GetSecretValue" or call.session != batch.session or call.region != batch.region:
        return False
    is_same_request = bool(call.request_id) and call.request_id == batch.request_id
    is_alike = call.user_agent == batch.user_agent and call.address == batch.address
    return is_same_request or (is_alike and abs(call.time - batch.time) < _SAME_BATCH)
