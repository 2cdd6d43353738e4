"""What is read of metric filters, alarms and rules, beside what everybody sets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from support.snapshots import REGION, healthy

from omc_runbook.aws import cloudtrail, cloudwatch, events, logs
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import WITH_READS, EventRule
from omc_runbook.aws.session import Clients
from omc_runbook.snapshot.audit.monitoring import MonitoringRead
from omc_runbook.snapshot.gatherer import Gatherer

GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:/trail:*"


def client_of(service: str) -> Any:
    """A client that calls nobody."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.mark.parametrize(
    ("more", "of_transformation", "expected"),
    [
        ({}, {}, ("None", False, "", False)),
        ({}, {"unit": "Count", "dimensions": {"who": "$.userIdentity.arn"}}, ("Count", True, "", False)),
        ({"emitSystemFieldDimensions": ["@aws.region"]}, {}, ("None", True, "", False)),
        ({"fieldSelectionCriteria": "@aws.region = x"}, {}, ("None", False, "@aws.region = x", False)),
        ({"applyOnTransformedLogs": True}, {}, ("None", False, "", True)),
        ({"applyOnTransformedLogs": False}, {}, ("None", False, "", False)),
    ],
)
def test_what_a_metric_filter_counts(
    more: dict[str, Any], of_transformation: dict[str, Any], expected: tuple[str, bool, str, bool]
) -> None:
    """Its unit, whether its metric has dimensions, also those of system fields, and of which events, in which form."""
    transformation = {"metricName": "reads", "metricNamespace": "Security", "metricValue": "1", **of_transformation}
    each = {"filterName": "reads", "filterPattern": "x", "metricTransformations": [transformation], **more}
    client = client_of("logs")
    with Stubber(client) as stub:
        stub.add_response("describe_metric_filters", {"metricFilters": [each]})
        [found] = logs.describe_metric_filters(client, GROUP)
    assert (found.unit, found.has_dimensions, found.criteria, found.is_after_transformer) == expected


@pytest.mark.parametrize("unit", ["", "Count"])
def test_an_alarm_may_have_a_unit(unit: str) -> None:
    """CloudWatch leaves it out of an alarm that looks at all data."""
    client = client_of("cloudwatch")
    with Stubber(client) as stub:
        known = {"AlarmName": "reads", "AlarmActions": ["arn:x"], **({"Unit": unit} if unit else {})}
        stub.add_response("describe_alarms_for_metric", {"MetricAlarms": [known]})
        expected = MetricAlarm(name="reads", are_actions_enabled=True, actions=("arn:x",), unit=unit)
        assert cloudwatch.describe_alarms(client, "Security", "reads") == (expected,)


def test_the_rule_of_an_archive_is_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """EventBridge made it for the archive, and nobody else can let it get reads."""
    pattern = '{"replay-name": [{"exists": false}]}'
    client = client_of("events")
    with Stubber(client) as stub:
        archive = {"Name": "Events-Archive-all", "State": "ENABLED", "ManagedBy": "prod.vhs.events.aws.internal"}
        known = [{**archive, "EventPattern": pattern}, {"Name": "own", "State": "ENABLED", "EventPattern": pattern}]
        stub.add_response("list_rules", {"Rules": known})
        rules = events.list_rules(client)
    assert [bool(rule.managed_by) for rule in rules] == [True, False]
    with_reads = EventRule(name="other", state=WITH_READS, pattern=pattern, managed_by="a.service")
    monkeypatch.setattr(events, "list_rules", lambda client: (*rules, with_reads))
    monkeypatch.setattr(events, "list_targets", lambda client, rule: ())
    monkeypatch.setattr(cloudtrail, "describe_trails", lambda client: ())
    snapshot = healthy()
    with ThreadPoolExecutor(1) as pool:
        gatherer = Gatherer(pool, Clients(REGION), snapshot.environment, snapshot.caller)
        found = MonitoringRead(gatherer, snapshot).finish()
    assert [rule.name for rule in found.rules] == ["own", "other"]
