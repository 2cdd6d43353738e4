"""What an audit reads of calls and alarms: from a trail's bucket, and where something is refused."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support.moto_environment import Wire, between
from support.runs import client, sign_in

from omc_runbook.diagnosis.root_causes import audit
from omc_runbook.model.findings import Finding
from omc_runbook.runbooks import audit as runbook
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.monitoring import BUCKET, TOPIC
from omc_runbook.sandbox.worlds.past_calls import PastCall, daily, forget, remember
from omc_runbook.sandbox.worlds.staging import World
from omc_runbook.snapshot.audit import accesses, trail_files
from omc_runbook.snapshot.follow_ups import WRITES
from omc_runbook.snapshot.state import Snapshot

TRAILS = {"no-trail", "trail-not-logging", "trail-one-region", "trail-not-validated", "trail-without-reads"}
ALARMS = {"no-alarm", "alarm-off", "alarm-to-nobody"}
CALLS = {"new-reader", "new-address", "read-burst", "rising-errors", "catch-all-batch", "read-from-other-region"}
REFUSALS = {
    "cloudtrail:LookupEvents": CALLS | {"human-read-production"},
    "cloudtrail:DescribeTrails": TRAILS | ALARMS,
    "cloudtrail:GetTrailStatus": TRAILS | ALARMS,
    "cloudtrail:GetEventSelectors": TRAILS | ALARMS,
    "logs:DescribeMetricFilters": ALARMS,
    "cloudwatch:DescribeAlarmsForMetric": ALARMS,
    "events:ListRules": ALARMS,
    "sns:GetTopicAttributes": ALARMS,
    "sns:ListSubscriptionsByTopic": ALARMS,
}
"""By permission, the checks that are unknown without it."""
OF_THE_ACCOUNT = {
    "GetAccountAuthorizationDetails": 3,
    "DescribeOrganization": 1,
    "DescribeTrails": 1,
    "GetTrailStatus": 1,
    "GetEventSelectors": 1,
    "DescribeMetricFilters": 1,
    "ListRules": 1,
}
"""How often an audit calls what is the same for each environment of an account."""


@pytest.fixture(autouse=True)
def _variables(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sign_in(sandbox, monkeypatch)
    yield
    lifecycle.ask(sandbox, "DELETE", "wire")
    forget(World(sandbox.endpoint))


def look(days: int = 90) -> tuple[Snapshot, tuple[Finding, ...]]:
    """What an audit reads and finds."""
    [target] = runbooks_run.begin("verify", "staging").targets
    snapshot = target.look(audit_days=days)
    return snapshot, audit(snapshot)


@pytest.mark.parametrize("permission", REFUSALS)
def test_what_is_refused_is_unknown_and_the_rest_is_there(permission: str, sandbox: Sandbox) -> None:
    """Each permission less: its checks name it, and no other check is touched."""
    lifecycle.ask(sandbox, "POST", "wire", {"action": permission, "error": "AccessDeniedException", "message": "No."})
    _, findings = look()
    own = {each.check: each for each in findings if each.check in TRAILS | ALARMS | CALLS | {"human-read-production"}}
    unknown = {check for check, each in own.items() if each.status == "unknown"}
    assert unknown == REFUSALS[permission]
    assert all(f"the permission {permission} is missing" in own[check].evidence[0] for check in unknown)
    assert {each.status for check, each in own.items() if check not in unknown} == {"clear"}


def test_an_audit_makes_no_call_twice(sandbox: Sandbox) -> None:
    """Who wrote the versions is among the calls that an audit looks up: CloudTrail answers two requests a second."""
    wire = Wire()
    with between(wire):
        snapshot, _ = look()
    assert snapshot.audit.accesses and snapshot.audit.history
    assert snapshot.audit.history.writes is not None
    assert wire.made("LookupEvents") == len({*accesses.READS, *accesses.WRITES, *WRITES})
    assert {call: count for call, count in wire.calls.items() if count > 1} == {}


def test_two_environments_of_one_account_read_it_once(sandbox: Sandbox) -> None:
    """Identities, events, trails and alarms are the account's: of both audits each call is made once."""
    wire = Wire()
    with between(wire):
        snapshots = runbook.look(runbook.begin("staging,production"))
    assert {*snapshots} == {"staging", "production"}
    assert all(each.audit.identities and each.audit.accesses for each in snapshots.values())
    counts = {name: wire.made(name) for name in (*OF_THE_ACCOUNT, "LookupEvents")}
    assert counts == OF_THE_ACCOUNT | {"LookupEvents": len({*accesses.READS, *accesses.WRITES, *WRITES})}


def put_file(sandbox: Sandbox, calls: list[PastCall], day: datetime, name: str) -> None:
    """Let the trail have delivered a file."""
    records = [call.to_record(datetime.now(UTC)) for call in calls]
    body = gzip.compress(json.dumps({"Records": records}).encode())
    key = f"logs/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{day:%Y/%m/%d}/{name}.json.gz"
    client(sandbox, "s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def test_a_trails_bucket_has_more_than_ninety_days(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where runbook.toml names it, events come from there; a role that reads each quarter is then no news."""
    now = datetime.now(UTC)
    calls = [*daily((120,), "quarterly"), *daily((1,), "quarterly"), *daily((100,), "other")]
    for number, call in enumerate(calls):
        put_file(sandbox, [call], now - call.ago, f"file{number}")
    remember(World(sandbox.endpoint), [*daily(range(10, 60), "nightly"), *daily((1,), "quarterly")])
    _, findings = look()
    assert [each.subject for each in findings if each.check == "new-reader" and each.is_problem] == [
        f"arn:aws:iam::{ACCOUNT}:role/quarterly"
    ]
    monkeypatch.setenv("OMC_AUDIT__TRAIL_S3", f"s3://{BUCKET}/logs")
    snapshot, findings = look(days=150)
    assert snapshot.audit.accesses
    history = snapshot.audit.accesses
    assert [
        (call.principal.rpartition("/")[2], round((now - call.time) / timedelta(days=1))) for call in history.calls
    ] == [
        ("quarterly", 1),
        ("other", 100),
        ("quarterly", 120),
    ]
    assert history.source == f"s3://{BUCKET}/logs" and history.since < now - timedelta(days=149)
    assert {each.status for each in findings if each.check in CALLS} == {"clear"}
    [before] = daily((2,), "other")
    put_file(sandbox, [before], now - before.ago, "file3")
    monkeypatch.setattr(trail_files, "MOST_FILES", 1)
    snapshot, findings = look(days=150)
    unknown = [each for each in findings if each.check == "new-reader" and each.status == "unknown"]
    assert "more calls than an audit reads" in unknown[0].evidence[0] and "Audit fewer days." in unknown[0].evidence[0]
    assert snapshot.audit.accesses and len(snapshot.audit.accesses.calls) == 1


def test_event_data_store_has_more_than_ninety_days(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where runbook.toml names one, CloudTrail Lake answers, for all APIs by one query, in the same form."""
    remember(World(sandbox.endpoint), [*daily((120, 1), "quarterly"), *daily((100,), "other")])
    api = client(sandbox, "cloudtrail")
    arn = api.create_event_data_store(Name="audit")["EventDataStoreArn"]
    monkeypatch.setenv("OMC_AUDIT__EVENT_DATA_STORE", arn)
    wire = Wire()
    with between(wire):
        snapshot, findings = look(days=150)
    assert wire.made("StartQuery") == 1 and not {"GetSecretValue", "BatchGetSecretValue"} & {*looked_up(wire)}
    assert snapshot.audit.accesses
    history = snapshot.audit.accesses
    past = [call.principal.rpartition("/")[2] for call in history.calls if "203.0.113" in call.address]
    assert past == ["quarterly", "other", "quarterly"]
    assert history.source.endswith(arn) and not history.cut
    assert {each.status for each in findings if each.check in CALLS} == {"clear"}
    monkeypatch.setattr(accesses, "MOST_ROWS", 1)
    snapshot, findings = look(days=150)
    assert snapshot.audit.accesses and [*snapshot.audit.accesses.cut] == [arn]
    assert {each.status for each in findings if each.check == "new-reader"} == {"unknown"}
    monkeypatch.setattr(accesses, "MOST_ROWS", 1000)
    for permission in ("cloudtrail:StartQuery", "cloudtrail:GetEventDataStore", "cloudtrail:GetQueryResults"):
        lifecycle.ask(sandbox, "POST", "wire", {"action": permission, "error": "AccessDeniedException"})
        _, findings = look()
        [unknown] = [each for each in findings if each.check == "new-reader"]
        assert unknown.status == "unknown" and f"the permission {permission} is missing" in unknown.evidence[0]
        lifecycle.ask(sandbox, "DELETE", "wire")
    api.stop_event_data_store_ingestion(EventDataStore=arn)
    _, findings = look()
    [unknown] = [each for each in findings if each.check == "new-reader"]
    assert unknown.status == "unknown" and "STOPPED_INGESTION, so that it takes no events" in unknown.evidence[0]
    monkeypatch.setenv("OMC_AUDIT__EVENT_DATA_STORE", f"{arn}0")
    _, findings = look()
    [unknown] = [each for each in findings if each.check == "new-reader"]
    assert unknown.status == "unknown" and "EventDataStoreNotFoundException" in unknown.evidence[0]


def looked_up(wire: Wire) -> list[str]:
    """The event names that LookupEvents was called with."""
    return [
        attribute["AttributeValue"]
        for call in wire.calls
        for attribute in json.loads(call[1]).get("LookupAttributes", ())
        if call[0] == "LookupEvents"
    ]


def test_a_bucket_that_is_not_there_is_unknown(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls are not known then, however many the event history has."""
    monkeypatch.setenv("OMC_AUDIT__TRAIL_S3", "s3://no-such-bucket-of-ours")
    _, findings = look(days=3)
    by_check = {each.check: each for each in findings if each.check in CALLS}
    assert {each.status for each in by_check.values()} == {"unknown"}
    assert "s3:ListObjectsV2 failed with NoSuchBucket" in by_check["new-reader"].evidence[0]
    monkeypatch.setenv("OMC_AUDIT__TRAIL_S3", f"s3://{BUCKET}/no-such-prefix")
    _, findings = look(days=3)
    by_check = {each.check: each for each in findings if each.check in CALLS}
    assert {each.status for each in by_check.values()} == {"unknown"}
    assert "no-such-prefix/AWSLogs" in by_check["new-reader"].evidence[0]


def test_a_subscription_by_mail_waits_for_its_owner(sandbox: Sandbox) -> None:
    """As AWS has it: no ARN before it is confirmed, and another token confirms nothing."""
    sns = client(sandbox, "sns")
    sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="eve@example.com")
    assert subscriptions(sandbox)["email"] == "PendingConfirmation"
    assert subscriptions(sandbox)["sms"].startswith("arn:")
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.confirm_subscription(TopicArn=TOPIC, Token="x")
    confirmed = sns.confirm_subscription(TopicArn=TOPIC, Token="eve@example.com")["SubscriptionArn"]
    assert subscriptions(sandbox)["email"] == confirmed
    sns.unsubscribe(SubscriptionArn=confirmed)


def subscriptions(sandbox: Sandbox) -> dict[str, str]:
    """The ARNs of the topic's subscriptions, by protocol."""
    response = client(sandbox, "sns").list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    return {each["Protocol"]: each["SubscriptionArn"] for each in response}


def test_a_topic_that_publishes_to_the_sandbox_itself_holds_up_no_call(sandbox: Sandbox) -> None:
    """The sandbox answers one call at a time, so it must not wait for its own answer."""
    sns = client(sandbox, "sns")
    topic = sns.create_topic(Name="to-itself")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=sandbox.endpoint)
    assert sns.publish(TopicArn=topic, Message="hello")["MessageId"]
    sns.delete_topic(TopicArn=topic)


def test_a_trail_is_as_aws_has_it(sandbox: Sandbox) -> None:
    """Names are taken once, basic selectors replace advanced ones, and a metric filter replaces its namesake."""
    trails, logs = client(sandbox, "cloudtrail"), client(sandbox, "logs")
    trails.create_trail(Name="second", S3BucketName=BUCKET)
    with pytest.raises(trails.exceptions.TrailAlreadyExistsException):
        trails.create_trail(Name="second", S3BucketName=BUCKET)
    advanced = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    trails.put_event_selectors(TrailName="second", AdvancedEventSelectors=advanced)
    trails.put_event_selectors(TrailName="second", EventSelectors=[{"ReadWriteType": "ReadOnly"}])
    answer = trails.get_event_selectors(TrailName="second")
    assert answer["EventSelectors"] and not answer.get("AdvancedEventSelectors")
    trails.delete_trail(Name=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/second")
    assert "second" not in [each["Name"] for each in trails.describe_trails()["trailList"]]
    logs.create_log_group(logGroupName="/some")
    for pattern in ("one", "two"):
        metric = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
        logs.put_metric_filter(
            logGroupName="/some", filterName="f", filterPattern=pattern, metricTransformations=[metric]
        )
    filters = logs.describe_metric_filters(logGroupName="/some")["metricFilters"]
    assert [each["filterPattern"] for each in filters] == ["two"]
