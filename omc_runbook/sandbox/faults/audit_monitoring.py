"""Faults that an audit of calls finds: calls are not recorded, nobody is notified, or past calls are unusual."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.faults.secret import REPLICA_REGION
from omc_runbook.sandbox.worlds.monitoring import ALARM, BUCKET, TOPIC, TRAIL, remove_alarm
from omc_runbook.sandbox.worlds.past_calls import PastCall, daily, remember
from omc_runbook.sandbox.worlds.staging import SECRET, World

REPORTS, DATA, STRANGER = "nightly-reports", "data-export", "contractor-tools"
"""Roles of past calls: one that reads the secret each day, one that reads it now and then, and an unknown one."""
ELSEWHERE = "198.51.100.23"
_EARLIER = range(10, 60)
"""The days ago on which something usual happened."""
_fault = partial(Fault, "audit")


def remove(world: World) -> None:
    """Delete the rules that a remedy made."""
    events = world.client("events")
    for rule in events.list_rules(NamePrefix=ALARM)["Rules"]:
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        if targets:
            events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
        events.delete_rule(Name=rule["Name"])


def _trails(world: World) -> Any:
    return world.client("cloudtrail")


def _narrow_trail(world: World) -> None:
    _trails(world).update_trail(Name=TRAIL, IsMultiRegionTrail=False, S3BucketName=BUCKET)


def _leave_out_reads(world: World) -> None:
    selectors = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]
    _trails(world).put_event_selectors(TrailName=TRAIL, EventSelectors=selectors)


def _lose_subscriber(world: World) -> None:
    sns = world.client("sns")
    for each in sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    sns.subscribe(TopicArn=TOPIC, Protocol="email", Endpoint="former-colleague@example.com")


def _read_as_stranger(world: World) -> None:
    remember(world, [*daily(_EARLIER, REPORTS), *daily((1,), STRANGER)])


def _read_from_elsewhere(world: World) -> None:
    remember(world, [*daily(_EARLIER, REPORTS), *daily((1,), REPORTS, address=ELSEWHERE)])


def _read_often(world: World) -> None:
    burst = [PastCall(ago=timedelta(days=2, seconds=each), role=REPORTS) for each in range(40)]
    remember(world, [*daily(_EARLIER, REPORTS), *burst])


def _refuse(world: World) -> None:
    refused = [
        PastCall(ago=timedelta(days=day, minutes=minute), role=DATA, error="AccessDeniedException")
        for day in (1, 2, 3)
        for minute in (0, 20, 40)
    ]
    remember(world, [*daily((12, 40), DATA), *refused])


def _read_by_filter(world: World) -> None:
    """A batch read, and its part, as CloudTrail has both."""
    request = str(uuid.uuid4())
    filters = {"filters": [{"key": "name", "values": [SECRET.partition("-")[0]]}]}
    ago = timedelta(days=1)
    parts = [
        PastCall(ago=ago, role=REPORTS, name="BatchGetSecretValue", parameters=filters, request_id=request),
        PastCall(ago=ago, role=REPORTS, request_id=request),
    ]
    remember(world, [*daily(_EARLIER, REPORTS), *parts])


def _read_replica(world: World) -> None:
    world.secretsmanager.replicate_secret_to_regions(
        SecretId=SECRET, AddReplicaRegions=[{"Region": REPLICA_REGION}], ForceOverwriteReplicaSecret=True
    )
    remember(world, [*daily(_EARLIER, REPORTS), *daily((1,), REPORTS, region=REPLICA_REGION)])


FAULTS = (
    _fault("no-trail", "The account has no trail.", lambda world: _trails(world).delete_trail(Name=TRAIL)),
    _fault(
        "trail-not-logging",
        "Somebody stopped the trail's logging.",
        lambda world: _trails(world).stop_logging(Name=TRAIL),
    ),
    _fault("trail-one-region", "The trail records only its own region.", _narrow_trail),
    _fault(
        "trail-not-validated",
        "The trail's files have no digests.",
        lambda world: _trails(world).update_trail(Name=TRAIL, EnableLogFileValidation=False),
    ),
    _fault("trail-without-reads", "The trail records only calls that change something.", _leave_out_reads),
    _fault("no-alarm", "No alarm and no rule tells anybody that the secret was read.", remove_alarm),
    _fault(
        "alarm-off",
        "The alarm on reads of the secret has its actions disabled.",
        lambda world: world.client("cloudwatch").disable_alarm_actions(AlarmNames=[ALARM]),
    ),
    _fault("alarm-to-nobody", "The alarm's topic has one address that never confirmed.", _lose_subscriber),
    _fault("new-reader", "A role that never read the secret did so yesterday.", _read_as_stranger),
    _fault("new-address", "A role reads the secret from a network that is new for it.", _read_from_elsewhere),
    _fault("read-burst", "A role read the secret forty times within an hour.", _read_often),
    _fault("rising-errors", "A role is refused the secret again and again.", _refuse),
    _fault("catch-all-batch", "A batch read asked for whatever matches a filter.", _read_by_filter),
    _fault("read-from-other-region", "A role read the secret's replica in another region.", _read_replica),
)
