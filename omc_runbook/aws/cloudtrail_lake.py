"""CloudTrail Lake: an event data store, and the calls on a secret that a query finds in it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-lake.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from omc_runbook.aws.answer import pages
from omc_runbook.aws.cloudtrail import Access, FoundAccesses, Selectors, concerns, parse_access, selectors_of
from omc_runbook.model.arn import region_in

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient

ROWS_A_PAGE = 1000
QUERY_SECONDS, POLL_SECONDS = 120.0, 1.0
"""How long a query may take, and how often its state is asked for."""
_RUNNING = frozenset({"QUEUED", "RUNNING"})
_SOURCE = "secretsmanager.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class EventDataStore:
    """An event data store: since when it has which events.

    See https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventDataStore.html
    """

    arn: str
    status: str
    is_multi_region: bool
    created: datetime | None
    retention: timedelta
    selectors: Selectors

    def problem(self, event: Mapping[str, str], regions: Collection[str]) -> str:
        """Why a call may be missing in it, in a sentence; "" where every one of these regions is recorded.

        `event` has the call's fields as advanced selectors name them.
        """
        home = region_in(self.arn)
        others = sorted({*regions} - {home})
        if self.status != "ENABLED":
            return f"its Status is {self.status}, so that it takes no events."
        if self.selectors.takes(event) is not True:
            return "its event selectors leave out management events that read, or may."
        if others and not self.is_multi_region:
            return f"it has the events of {home} alone, and none of {', '.join(others)}."
        return ""

    def since(self, moment: datetime) -> datetime:
        """From when on it has every call at a moment: neither before it was created, nor longer than it keeps them."""
        oldest = moment - self.retention
        return max(oldest, self.created) if self.created else oldest


@dataclass(frozen=True)
class QueryFailure:
    """A query that gave no result: its state, such as FAILED or TIMED_OUT, and CloudTrail's message."""

    status: str
    message: str = ""

    @property
    def sentence(self) -> str:
        """The state and the message."""
        return f"{self.status} ({self.message})" if self.message else self.status


def get_store(client: CloudTrailClient, arn: str) -> EventDataStore:
    """Read an event data store's settings."""
    answer = client.get_event_data_store(EventDataStore=arn)
    return EventDataStore(
        arn=answer["EventDataStoreArn"],
        status=answer["Status"],
        is_multi_region=answer.get("MultiRegionEnabled", False),
        created=answer.get("CreatedTimestamp"),
        retention=timedelta(days=answer.get("RetentionPeriod", 0)),
        selectors=selectors_of(answer.get("AdvancedEventSelectors") or ()),
    )


def statement(arn: str, account: str, regions: Sequence[str], names: Sequence[str], since: datetime, limit: int) -> str:
    """The query for an account's newest calls of APIs of Secrets Manager since a time, each as its whole record.

    One row more than `limit` shows that there are more. See
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/query-supported-event-schemas.html
    """
    conditions = (
        f"eventSource = '{_SOURCE}'",
        f"recipientAccountId = '{account}'",
        f"awsRegion IN ({_listed(regions)})",
        f"eventName IN ({_listed(names)})",
        f"eventTime >= '{since:%Y-%m-%d %H:%M:%S}'",
    )
    table, where = arn.rpartition("/")[2], " AND ".join(conditions)
    return " ".join(("SELECT eventJson FROM", table, "WHERE", where, "ORDER BY eventTime DESC LIMIT", str(limit + 1)))


def run_query(
    client: CloudTrailClient,
    statement: str,
    owner: str = "",
    sleep: Callable[[float], None] = time.sleep,
    seconds: float = QUERY_SECONDS,
) -> tuple[str, ...] | QueryFailure:
    """Run a query of one column and give its values, or why it has none.

    `owner` is the account of the event data store, where that is another than the caller's. See
    https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetQueryResults.html
    """
    of_owner: Any = {"EventDataStoreOwnerAccountId": owner} if owner else {}
    query = client.start_query(QueryStatement=statement, **of_owner)["QueryId"]
    request: Any = {"QueryId": query, "MaxQueryResults": ROWS_A_PAGE, **of_owner}
    end = time.monotonic() + seconds
    answer = client.get_query_results(**request)
    while answer["QueryStatus"] in _RUNNING:
        if time.monotonic() >= end:
            return QueryFailure(answer["QueryStatus"], f"it did not finish in {seconds:.0f} seconds")
        sleep(POLL_SECONDS)
        answer = client.get_query_results(**request)
    if answer["QueryStatus"] != "FINISHED":
        return QueryFailure(answer["QueryStatus"], answer.get("ErrorMessage", ""))
    answers = pages(lambda **token: client.get_query_results(**request, **token) if token else answer, "NextToken")
    rows = (row for page in answers for row in page.get("QueryResultRows", ()))
    return tuple(value for row in rows for column in row for value in column.values())


def accesses_in(records: Sequence[str], secret: Collection[str], limit: int) -> FoundAccesses:
    """The calls that concern a secret among records, which are newest first; as `FoundRecords.accesses` has them."""
    parsed = [json.loads(record) for record in records[:limit]]
    found: tuple[Access, ...] = tuple(parse_access(record) for record in parsed if concerns(record, secret))
    cut_at = parse_access(parsed[-1]).time if records[limit:] and parsed else None
    return FoundAccesses(found, cut_at)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
