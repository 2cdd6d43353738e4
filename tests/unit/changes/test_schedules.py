"""What EventBridge starts with the secret, named before a change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from support.moto_environment import mock_aws
from support.snapshots import ACCOUNT, NOW, REGION, definition_arn, healthy

from omc_runbook.aws import managed
from omc_runbook.aws import schedules as eventbridge
from omc_runbook.aws.session import Clients
from omc_runbook.changes.deploy import not_redeployed
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.snapshot import scheduled
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/ohmycoins-staging"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/events"


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def add_rule(name: str, definition: str) -> None:
    client("events").put_rule(Name=name, ScheduleExpression="rate(1 day)")
    add_target(definition, Rule=name)


def add_target(definition: str, cluster: str = CLUSTER, **rule: str) -> None:
    target = {"Id": "1", "Arn": cluster, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": definition}}
    client("events").put_targets(Targets=[target], **rule)


def add_schedule(
    name: str, definition: str, cluster: str = CLUSTER, when: str = "rate(1 day)", **more: datetime
) -> None:
    client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression=when,
        FlexibleTimeWindow={"Mode": "OFF"},
        **more,
        Target={"Arn": cluster, "RoleArn": ROLE, "EcsParameters": {"TaskDefinitionArn": definition}},
    )


def notes(*removed: str, snapshot: Snapshot | None = None) -> list[str]:
    found = snapshot or healthy()
    pairs = [*not_redeployed.find_scheduled(Clients(REGION), found.caller, found, removed)]
    # What could not be read has no name.
    assert all(sentence.startswith(name or ("Not looked at", "Whether what ")) for name, sentence in pairs)
    return [sentence for _, sentence in pairs]


@pytest.mark.usefixtures("aws")
def test_nothing_is_said_where_nothing_is_started() -> None:
    """Nor of other clusters, of tasks without the secret, and of targets that are no cluster."""
    assert notes() == []
    add_rule("frontend", definition_arn("frontend"))
    add_schedule("elsewhere", definition_arn("worker"), CLUSTER + "-other")
    client("events").put_rule(Name="queue", EventPattern=json.dumps({"source": ["x"]}))
    assert notes() == []


@pytest.mark.usefixtures("aws")
def test_rules_and_schedules_that_start_tasks_with_the_secret_are_named() -> None:
    """With what they would lose."""
    add_rule("nightly", definition_arn("worker"))
    add_schedule("hourly", definition_arn("backend"))
    rule, schedule = notes()
    assert rule.startswith("rule nightly starts ohmycoins-staging-worker:7, whose next task reads the new values")
    assert schedule.startswith("schedule hourly starts ohmycoins-staging-backend:7")
    rule, schedule = notes("OPENAI_API_KEY")
    assert "refers to OPENAI_API_KEY: its next task would not start" in rule and "OPENAI_API_KEY" in schedule


@pytest.mark.usefixtures("aws")
def test_a_schedule_may_call_run_task_itself() -> None:
    """By Scheduler's universal target, on this cluster, named or by its ARN; another call or cluster does not count."""
    name = CLUSTER.rpartition("/")[2]
    for schedule, call, request in (
        ("by-name", "ecs:runTask", {"Cluster": name, "TaskDefinition": "ohmycoins-staging-worker"}),
        ("by-arn", "ecs:runTask", {"Cluster": CLUSTER, "TaskDefinition": definition_arn("worker")}),
        ("elsewhere", "ecs:runTask", {"TaskDefinition": definition_arn("worker")}),
        ("other", "sqs:sendMessage", {"Cluster": CLUSTER, "TaskDefinition": definition_arn("worker")}),
        ("odd", "ecs:runTask", [CLUSTER]),
    ):
        target = {"Arn": f"arn:aws:scheduler:::aws-sdk:{call}", "RoleArn": ROLE, "Input": json.dumps(request)}
        client("scheduler").create_schedule(
            Name=schedule, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        )
    found = eventbridge.find_schedule_tasks(client("scheduler"), CLUSTER, NOW)
    assert {(each.origin, each.task_definition_arn) for each in found} == {
        ("schedule by-name", "ohmycoins-staging-worker"),
        ("schedule by-arn", definition_arn("worker")),
    }


OVERRIDE = {
    "name": "worker",
    "command": ["run", "--token", f"sk-{token_hex(20)}"],
    "environment": [{"name": "STRIPE_API_KEY", "value": f"rk-{token_hex(20)}"}, {"name": "DAY", "value": "monday"}],
}


def capitalized(value: Any) -> Any:
    """A value whose members' names begin with capitals, as those of a universal target may."""
    if isinstance(value, dict):
        return {name[0].upper() + name[1:]: capitalized(each) for name, each in value.items()}
    return [capitalized(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("target", "names"), [
    ({"Input": json.dumps({"containerOverrides": [OVERRIDE]})}, True),
    ({"Input": json.dumps({"overrides": {"containerOverrides": [OVERRIDE]}})}, True),
    ({"Input": json.dumps(capitalized({"overrides": {"containerOverrides": [OVERRIDE]}}))}, True),
    ({"InputTransformer": {"InputPathsMap": {"day": "$.time"}, "InputTemplate":
        json.dumps({"containerOverrides": [OVERRIDE]}).replace('"monday"', "<day>")}}, True),
    ({"InputTransformer": {"InputPathsMap": {"day": "$.time"}, "InputTemplate":
        json.dumps({"containerOverrides": [{**OVERRIDE, "command": [*OVERRIDE["command"], "WHEN"]}]}).replace(
            '"WHEN"', "<day>, \"\\\"<day>\"")}}, True),
    ({"Input": json.dumps({"containerOverrides": [{**OVERRIDE, "command": [*OVERRIDE["command"], 8, 0.5]}]})}, True),
    ({"Input": json.dumps({"containerOverrides": [
        {**OVERRIDE, "environment": [*OVERRIDE["environment"], {"name": "PORT_TOKEN", "value": 8000}]}]})}, True),
    ({}, False),
    *(({"Input": text}, False) for text in ("[]", "{", '""', '{"containerOverrides": null}', '{"overrides": null}',
        '{"containerOverrides": [{"command": ["a"]}]}', '{"overrides": {}}', '{"containerOverrides": ["worker"]}')),
])  # fmt: skip
@pytest.mark.usefixtures("aws")
def test_what_a_rule_gives_containers_is_read(target: dict[str, Any], names: bool) -> None:
    """Their commands and variables, in any of the forms in which EventBridge passes them on."""
    client("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    whole = {
        "Id": "1",
        "Arn": CLUSTER,
        "RoleArn": ROLE,
        "EcsParameters": {"TaskDefinitionArn": definition_arn("worker")},
    }
    client("events").put_targets(Rule="nightly", Targets=[{**whole, **target}])
    [found] = eventbridge.find_rule_tasks(client("events"), CLUSTER)
    assert [(each.name, each.plain_secrets, each.plain_options) for each in found.overrides] == (
        [("worker", ("STRIPE_API_KEY",), ("command",))] if names else []
    )


@pytest.mark.usefixtures("aws")
def test_what_a_schedule_gives_containers_is_read() -> None:
    """Also where it calls RunTask by Scheduler's universal target."""
    request = {"Cluster": CLUSTER, "TaskDefinition": definition_arn("worker"), "Overrides": capitalized(
        {"containerOverrides": [OVERRIDE]}
    )}  # fmt: skip
    for name, target in (
        ("call", {"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": json.dumps(request)}),
        ("plain", {"Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": definition_arn("worker")},
            "Input": json.dumps({"containerOverrides": [OVERRIDE]})}),
    ):  # fmt: skip
        client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"RoleArn": ROLE, **target},
        )
    found = eventbridge.find_schedule_tasks(client("scheduler"), CLUSTER, NOW)
    assert [each.plain_secrets for task in found for each in task.overrides] == [("STRIPE_API_KEY",)] * 2


@pytest.mark.usefixtures("aws")
def test_what_is_switched_off_starts_nothing() -> None:
    """A rule and a schedule that are disabled are left out."""
    add_rule("nightly", definition_arn("worker"))
    add_schedule("hourly", definition_arn("backend"))
    client("events").disable_rule(Name="nightly")
    [only] = notes()
    assert only.startswith("schedule hourly starts")
    target = client("scheduler").get_schedule(Name="hourly")["Target"]
    window = {"Mode": "OFF"}
    client("scheduler").update_schedule(
        Name="hourly", State="DISABLED", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=window, Target=target
    )
    assert notes() == []


@pytest.mark.usefixtures("aws")
def test_a_schedule_that_is_over_starts_nothing() -> None:
    """It stays ENABLED: a single time that is long past, and days of which the last is."""
    for name, ago in (("over", timedelta(days=4)), ("due", timedelta(days=2))):
        moment = NOW - ago
        add_schedule(f"{name}-once", definition_arn("worker"), when=f"at({moment:%Y-%m-%dT%H:%M:%S})")
        add_schedule(f"{name}-daily", definition_arn("worker"), EndDate=moment)
    assert [note.partition(" starts ")[0] for note in notes()] == ["schedule due-daily", "schedule due-once"]


@pytest.mark.usefixtures("aws")
def test_rules_of_other_event_buses_count() -> None:
    """Those of the application's own bus, with its name; one that is off does not."""
    events = client("events")
    events.create_event_bus(Name="orders")
    for name in ("paid", "refunded"):
        events.put_rule(Name=name, EventBusName="orders", EventPattern=json.dumps({"source": ["shop"]}))
        add_target(definition_arn("worker"), Rule=name, EventBusName="orders")
    events.disable_rule(Name="refunded", EventBusName="orders")
    (note,) = notes()
    assert note.startswith("rule orders/paid starts ohmycoins-staging-worker:7, whose next task reads the new values")


@pytest.mark.usefixtures("aws")
def test_a_definition_that_cannot_be_read_is_not_taken_for_one_without_the_secret() -> None:
    """A family that is gone."""
    add_rule("nightly", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/gone")
    (note,) = notes()
    assert "Whether what rule nightly starts has the secret is not known" in note
    assert note.endswith("let what starts it start an ACTIVE one.")


@pytest.mark.usefixtures("aws")
def test_a_revision_that_was_deregistered_is_not_said_to_read_the_new_values() -> None:
    """ECS refuses to run it."""
    first, arn = healthy(), definition_arn("worker")
    revision = replace(first.task_definitions[arn], status="INACTIVE")
    snapshot = replace(first, task_definitions={**first.task_definitions, arn: revision})
    add_rule("nightly", arn)
    [note] = notes(snapshot=snapshot)
    assert note == "rule nightly starts ohmycoins-staging-worker:7, which is INACTIVE: ECS refuses to run it."


@pytest.mark.usefixtures("aws")
def test_a_gap_names_the_schedule_of_a_revision_that_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody finds it by its task definition's name alone."""
    monkeypatch.setattr(managed, "find_daemons", lambda *arguments: ())
    add_schedule("hourly", f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/gone:3")
    snapshot = healthy()
    with ThreadPoolExecutor() as pool:
        gatherer = Gatherer(pool, Clients(REGION), snapshot.environment, snapshot.caller)
        scheduled.read(gatherer, snapshot)
    [gap] = (each for each in gatherer.gaps[scheduled.FIELD] if each.permission == "ecs:DescribeTaskDefinition")
    assert "task definition gone:3 of schedule hourly: " in gap.sentence


@pytest.mark.usefixtures("aws")
def test_what_was_not_looked_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A private network has no way to EventBridge: nobody waits for long, and nothing breaks."""

    def unreachable(*arguments: object) -> None:
        raise CouldNotLook("AWS cannot be reached: timeout.")

    monkeypatch.setattr(eventbridge, "find_rule_tasks", unreachable)
    (note,) = notes()
    assert note == "Not looked at: EventBridge's rules. AWS cannot be reached: timeout."


@pytest.mark.usefixtures("aws")
def test_what_to_do_about_a_lost_connection_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sentence of the call."""

    def closed(*arguments: object) -> None:
        raise ConnectionClosedError(endpoint_url="https://events")

    monkeypatch.setattr(eventbridge, "find_rule_tasks", closed)
    (note,) = notes()
    assert note.count("Check the network") == 1
    monkeypatch.setattr(managed, "find_daemons", lambda *arguments: ())
    snapshot = healthy()
    with ThreadPoolExecutor() as pool:
        gatherer = Gatherer(pool, Clients(REGION), snapshot.environment, snapshot.caller)
        scheduled.read(gatherer, snapshot)
    [gap] = (each for each in gatherer.gaps[scheduled.FIELD] if each.permission == "events:ListRuleNamesByTarget")
    assert gap.sentence.count("Check the network") == 1
