"""CloudTrail Lake at its edge: what is asked of it, what its answers mean, and how a query can fail."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from omc_runbook.aws import cloudtrail_lake
from omc_runbook.aws.cloudtrail import selectors_of
from omc_runbook.aws.cloudtrail_lake import EventDataStore, QueryFailure
from omc_runbook.snapshot.audit.monitoring import READ

ARN = "arn:aws:cloudtrail:ap-southeast-2:123456789012:eventdatastore/8a7b6c5d-0000-1111-2222-333344445555"
QUERY = "0a1b2c3d-0000-1111-2222-333344445555"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}


@pytest.fixture
def stub() -> Any:
    client = boto3.client("cloudtrail", "ap-southeast-2", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def results(stub: Any, status: str, **more: Any) -> None:
    stub.add_response("get_query_results", {"QueryStatus": status, **more}, None)


def test_a_query_is_waited_for_and_read_page_by_page(stub: Any) -> None:
    """While it is queued and runs it is asked again; its pages are one list."""
    stub.add_response("start_query", {"QueryId": QUERY}, {"QueryStatement": "SELECT 1"})
    results(stub, "QUEUED")
    results(stub, "RUNNING")
    results(stub, "FINISHED", QueryResultRows=[[{"eventJson": "a"}], [{"eventjson": "b"}]], NextToken="next")
    parameters = {"QueryId": QUERY, "MaxQueryResults": 1000, "NextToken": "next"}
    stub.add_response("get_query_results", {"QueryStatus": "FINISHED", "QueryResultRows": [[{"x": "c"}]]}, parameters)
    waits: list[float] = []
    assert cloudtrail_lake.run_query(stub.client, "SELECT 1", sleep=waits.append) == ("a", "b", "c")
    assert len(waits) == 2


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_query_that_fails_says_so(stub: Any, status: str) -> None:
    """With its state and CloudTrail's message, and no row of it counts."""
    stub.add_response(
        "start_query", {"QueryId": QUERY}, {"QueryStatement": ANY, "EventDataStoreOwnerAccountId": "210987654321"}
    )
    results(stub, status, ErrorMessage="Query exhausted resources")
    failure = cloudtrail_lake.run_query(stub.client, "SELECT 1", owner="210987654321", sleep=lambda _: None)
    assert failure == QueryFailure(status, "Query exhausted resources")
    assert failure.sentence == f"{status} (Query exhausted resources)" and QueryFailure(status).sentence == status


def test_a_query_that_does_not_end_is_given_up(stub: Any) -> None:
    """After its time it has no result."""
    stub.add_response("start_query", {"QueryId": QUERY}, None)
    results(stub, "RUNNING")
    failure = cloudtrail_lake.run_query(stub.client, "SELECT 1", seconds=0)
    assert failure == QueryFailure("RUNNING", "it did not finish in 0 seconds")


def test_the_query_names_account_regions_and_time() -> None:
    """It asks for whole records, the newest first, and for one more than is read."""
    text = cloudtrail_lake.statement(ARN, "123456789012", ("ap-southeast-2", "us-east-1"), ("GetSecretValue",), NOW, 10)
    assert text == (
        "SELECT eventJson FROM 8a7b6c5d-0000-1111-2222-333344445555 WHERE eventSource = 'secretsmanager.amazonaws.com'"
        " AND recipientAccountId = '123456789012' AND awsRegion IN ('ap-southeast-2', 'us-east-1')"
        " AND eventName IN ('GetSecretValue') AND eventTime >= '2026-03-01 12:00:00' ORDER BY eventTime DESC LIMIT 11"
    )


def record(hours: int, secret: str = "app-secrets") -> str:
    """A record of a read so many hours ago."""
    time = f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps({"eventName": "GetSecretValue", "eventTime": time, "requestParameters": {"secretId": secret}})


def test_more_rows_than_are_read_are_cut() -> None:
    """At the oldest that was read, whichever secret that is about; else nothing is cut."""
    records = [record(1), record(2, "another"), record(3)]
    found = cloudtrail_lake.accesses_in(records, {"app-secrets"}, 2)
    assert (len(found.calls), found.cut_at) == (1, NOW - timedelta(hours=2))
    whole = cloudtrail_lake.accesses_in(records, {"app-secrets"}, 3)
    assert (len(whole.calls), whole.cut_at) == (2, None)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"Status": "STOPPED_INGESTION"}, "its Status is STOPPED_INGESTION, so that it takes no events."),
        ({"MultiRegionEnabled": False}, "it has the events of ap-southeast-2 alone, and none of us-east-1."),
        (
            {"AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}]}]},
            "its event selectors leave out management events that read, or may.",
        ),
    ],
)
def test_a_store_that_lacks_calls_is_not_taken_for_whole(stub: Any, changes: dict[str, Any], problem: str) -> None:
    """What it does not take looks as if nobody had called."""
    answer = {
        "EventDataStoreArn": ARN,
        "Status": "ENABLED",
        "MultiRegionEnabled": True,
        "RetentionPeriod": 366,
        "CreatedTimestamp": NOW - timedelta(days=30),
        "AdvancedEventSelectors": [{"FieldSelectors": [MANAGEMENT]}],
        **changes,
    }
    stub.add_response("get_event_data_store", answer, {"EventDataStore": ARN})
    store = cloudtrail_lake.get_store(stub.client, ARN)
    assert store.problem(READ, ("ap-southeast-2", "us-east-1")) == problem


def test_a_store_has_calls_since_it_was_created_or_as_long_as_it_keeps_them() -> None:
    """Whichever is later."""
    store = EventDataStore(
        arn=ARN,
        status="ENABLED",
        is_multi_region=True,
        created=NOW - timedelta(days=30),
        retention=timedelta(days=366),
        selectors=selectors_of(()),
    )
    assert store.since(NOW) == NOW - timedelta(days=30)
    assert store.since(NOW + timedelta(days=1000)) == NOW + timedelta(days=634)
