"""Faults of what records calls and tells somebody, each made in a snapshot of an audit in which somebody would hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown
from support.snapshots import ACCOUNT, NAME, REGION

from omc_runbook.aws.cloudtrail import EVERY_MANAGEMENT_EVENT, Selector, Selectors, Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import WITH_READS, EventRule
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.aws.sns import Topic
from omc_runbook.sandbox.worlds import monitoring
from omc_runbook.snapshot.audit.state import Audit, Monitoring
from omc_runbook.snapshot.state import Snapshot

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:on-call"
TRAIL = Trail(
    name="main",
    arn=f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main",
    home_region=REGION,
    is_multi_region=True,
    is_organization=False,
    validates_files=True,
    bucket="trail-files",
    log_group_arn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/trail:*",
    is_logging=True,
    selectors=Selectors(every=(EVERY_MANAGEMENT_EVENT,)),
)
FILTER = MetricFilter(
    name="secret-reads",
    group_arn=TRAIL.log_group_arn,
    pattern='{ $.eventName = "GetSecretValue" }',
    namespace="Security",
    metric="reads",
)
ALARM = MetricAlarm(name="secret-reads", are_actions_enabled=True, actions=(TOPIC,))
RULE = EventRule(
    name="secret-reads",
    state=WITH_READS,
    pattern='{"source": ["aws.secretsmanager"], "detail": {"eventName": ["GetSecretValue"]}}',
    targets=(TOPIC,),
)
WRITES_ONLY = Selector(conditions={"eventCategory": {"Equals": ("Management",)}, "readOnly": {"Equals": ("false",)}})


def monitored(snapshot: Snapshot, trail: Trail | None = TRAIL, **changes: Any) -> Snapshot:
    """An audit that found one trail, and an alarm on reads that somebody hears; `changes` are of `Monitoring`."""
    found = Monitoring(
        trails=(trail,) if trail else (),
        filters=(FILTER,) if trail else (),
        alarms={FILTER.metric_id: (ALARM,)} if trail else {},
        topics={TOPIC: Topic(TOPIC, ("email",), ())},
    )
    return replace(snapshot, audit=Audit(days=90, monitoring=replace(found, **changes)))


FAULTS = {
    "no-trail": Fault(lambda s: monitored(s, None), REGION, f"DescribeTrails has no trail for {REGION}", ""),
    "trail-not-logging": Fault(
        lambda s: monitored(s, replace(TRAIL, is_logging=False)), "main", "IsLogging false of main", ""
    ),
    "trail-one-region": Fault(
        lambda s: monitored(s, replace(TRAIL, is_multi_region=False)), "main", "IsMultiRegionTrail false", ""
    ),
    "trail-not-validated": Fault(
        lambda s: monitored(s, replace(TRAIL, validates_files=False)), "main", "LogFileValidationEnabled false", ""
    ),
    "trail-without-reads": Fault(
        lambda s: monitored(
            s, replace(TRAIL, selectors=Selectors(every=(WRITES_ONLY,), basic=({"ReadWriteType": "WriteOnly"},)))
        ),
        "main",
        "leaves out read-only management events",
        "",
    ),
    "no-alarm": Fault(lambda s: monitored(s, filters=(), alarms={}), NAME, "matches GetSecretValue", ""),
    "alarm-off": Fault(
        lambda s: monitored(s, alarms={FILTER.metric_id: (replace(ALARM, are_actions_enabled=False),)}),
        ALARM.name,
        "has ActionsEnabled false",
        "",
    ),
    "alarm-to-nobody": Fault(
        lambda s: monitored(s, topics={TOPIC: Topic(TOPIC, (), ("email",))}),
        ALARM.name,
        "has no confirmed subscription; to be confirmed: email",
        "",
    ),
}

SHOWN: Shown = {
    "no-trail": lambda s: not s.trail(),
    "trail-not-logging": lambda s: s.logs() is False,
    "trail-one-region": lambda s: s.logs() and not s.trail()["IsMultiRegionTrail"],
    "trail-not-validated": lambda s: s.logs() and not s.trail()["LogFileValidationEnabled"],
    "trail-without-reads": lambda s: (
        s.world.client("cloudtrail").get_event_selectors(TrailName=monitoring.TRAIL)["EventSelectors"][0][
            "ReadWriteType"
        ]
        == "WriteOnly"
    ),
    "no-alarm": lambda s: (
        not s.alarms()
        and not s.world.logs.describe_metric_filters(logGroupName=monitoring.TRAIL_GROUP)["metricFilters"]
    ),
    "alarm-off": lambda s: [alarm["ActionsEnabled"] for alarm in s.alarms()] == [False],
    "alarm-to-nobody": lambda s: [each["SubscriptionArn"] for each in s.subscriptions()] == ["PendingConfirmation"],
}
