"""What DescribeServices says of a service is read from where it stands there."""

from __future__ import annotations

import secrets
from typing import Any
from unittest.mock import Mock

import pytest
from support.snapshots import NOW

from omc_runbook.aws import ecs
from omc_runbook.aws.ecs import SessionSettings

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
SECRET_ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC123"
ARN = "arn:aws:ecs:ap-southeast-2:123456789012:service/ohmycoins-staging/worker"


def described(**members: Any) -> ecs.Service:
    """A service of which DescribeServices says this."""
    client = Mock()
    client.describe_services.return_value = {"services": [{"serviceArn": ARN, "serviceName": "worker", **members}]}
    [service] = ecs.describe_services(client, "ohmycoins-staging", ["worker"])
    return service


def test_a_deleted_service_is_described_and_is_no_service() -> None:
    """Until ECS forgets it; one that never was is among the failures."""
    client = Mock()
    for services, status in (
        ([{"status": "DRAINING"}], "DRAINING"),
        ([{"status": "INACTIVE"}], "INACTIVE"),
        ([{"status": "ACTIVE"}], ""),
        ([], ""),
    ):
        client.describe_services.return_value = {"services": services}
        assert ecs.read_deleted_status(client, "ohmycoins-staging", "worker") == status
    client.describe_services.return_value = {"services": [{"status": "DRAINING"}]}
    assert ecs.describe_services(client, "ohmycoins-staging", ["worker"]) == ()


def test_what_the_log_of_service_connect_takes_from_a_secret_is_read() -> None:
    """As ECS reads it for the proxy: no task definition has it."""
    option = {"name": "splunk-token", "valueFrom": f"{SECRET_ARN}:SPLUNK_TOKEN::"}
    connect = {"enabled": True, "logConfiguration": {"logDriver": "splunk", "secretOptions": [option]}}
    one = {"id": "1", "status": "PRIMARY", "createdAt": NOW, "serviceConnectConfiguration": connect}
    [secret] = described(deployments=[one, {**one, "id": "2"}]).proxy_secrets
    assert secret.reference.key == "SPLUNK_TOKEN"


def test_what_the_log_of_service_connect_has_in_plain_text_is_read() -> None:
    """Of each deployment that uses it: what looks like a secret by its name and form."""
    options = {"splunk-token": secrets.token_hex(20), "splunk-url": "https://splunk.internal:8088"}
    connect = {"enabled": True, "logConfiguration": {"logDriver": "splunk", "options": options}}
    one = {"id": "1", "status": "PRIMARY", "createdAt": NOW}
    [proxy] = described(deployments=[one, {**one, "id": "2", "serviceConnectConfiguration": connect}]).proxy_logs
    assert proxy.plain_options == ("logConfiguration splunk-token",)
    assert [name for name, _ in proxy.plain_texts] == [f"logConfiguration {name}" for name in options]


@pytest.mark.parametrize("enabled", [False, True])
def test_what_a_service_says_of_itself(enabled: bool) -> None:
    """Its events, newest first as ECS has them, and whether a deployment of it uses Service Connect."""
    one = {"id": "1", "status": "PRIMARY", "createdAt": NOW}
    connected = {**one, "serviceConnectConfiguration": {"enabled": enabled}}
    found = described(deployments=[one, connected], events=[{"createdAt": NOW, "message": "Steady."}])
    assert found.connects is enabled and found.events == (ecs.ServiceEvent(NOW, "Steady."),)
    assert not described(deployments=[one]).connects


def test_a_daemon_service_is_told_by_its_scheduling_strategy() -> None:
    """Its desiredCount is ECS's own."""
    assert [described(schedulingStrategy=name).is_daemon for name in ("REPLICA", "DAEMON")] == [False, True]


def by(*providers: str) -> dict[str, Any]:
    """A strategy of capacity providers."""
    return {"capacityProviderStrategy": [{"capacityProvider": each, "weight": 1, "base": 0} for each in providers]}


@pytest.mark.parametrize(
    ("capacity", "reads_by_instance"),
    [
        ({"launchType": "FARGATE"}, False),
        (by("FARGATE", "FARGATE_SPOT"), False),
        ({}, False),
        ({"launchType": "EC2"}, True),
        (by("instances"), True),
    ],
)
def test_who_reads_the_secrets_of_tasks(capacity: dict[str, Any], reads_by_instance: bool) -> None:
    """By the launch type or the capacity providers: of the service, or of its task sets."""
    assert described(networkConfiguration=NETWORK, **capacity).reads_by_instance is reads_by_instance
    task_set = {"status": "PRIMARY", "networkConfiguration": NETWORK, **capacity}
    assert described(taskSets=[task_set]).reads_by_instance is reads_by_instance


def test_a_task_without_an_interface_of_its_own() -> None:
    """In network mode bridge it has the network of its instance."""
    assert described(launchType="EC2").reads_by_instance


def test_the_primary_task_set_speaks_for_its_service() -> None:
    """Wherever it stands among the others."""
    sets = [{"status": "ACTIVE", "taskDefinition": "old"}, {"status": "PRIMARY", "taskDefinition": "new"}]
    assert described(taskSets=sets).task_definition_arn == "new"


def test_other_task_sets_count_as_long_as_tasks_are_wanted_of_them() -> None:
    """Not one scaled to nothing, nor one whose tasks are being stopped."""
    wanted = {"status": "ACTIVE", "computedDesiredCount": 2}
    sets = [
        {**wanted, "status": "PRIMARY", "taskDefinition": "blue"},
        {**wanted, "taskDefinition": "green"},
        {**wanted, "taskDefinition": "blue"},
        {**wanted, "taskDefinition": "scaled-in", "computedDesiredCount": 0},
        {**wanted, "taskDefinition": "former", "status": "DRAINING"},
    ]
    assert described(taskDefinition="blue", taskSets=sets).task_sets == ("green",)
    assert described(taskSets=sets).task_sets == ("green",)


@pytest.mark.parametrize(
    ("members", "has_failed"),
    [
        ({"stopCode": "EssentialContainerExited"}, True),
        ({"stopCode": "TaskFailedToStart"}, True),
        ({"stopCode": "UserInitiated"}, False),
        ({"stopCode": "SpotInterruption"}, False),
        ({"stopCode": "TerminationNotice"}, False),
        ({"stopCode": "InfrastructureHealth"}, False),
        ({"stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)"}, False),
    ],
)
def test_a_task_that_was_stopped_on_purpose_has_not_failed(members: dict[str, Any], has_failed: bool) -> None:
    """By a person, for lack of capacity, or by its service."""
    interface = [{"name": "networkInterfaceId", "value": "eni-1"}, {"name": "subnetId", "value": "subnet-1"}]
    raw = {"taskArn": "t", "group": "service:worker", "stoppedAt": NOW, "attachments": [{"details": interface}]}
    client = Mock()
    client.describe_tasks.return_value = {"tasks": [{**raw, **members}, {**raw, "group": "family:worker"}]}
    ours, alone = ecs.describe_tasks(client, "ohmycoins-staging", ["t"])
    assert (ours.has_failed, ours.service, ours.subnet, alone.service) == (has_failed, "worker", "subnet-1", "")


def test_what_a_task_was_run_with_is_read() -> None:
    """Of the containers that got something else than their own; ECS names the others too."""
    override = {"name": "job", "environment": [{"name": "API_TOKEN", "value": secrets.token_hex(20)}]}
    client = Mock()
    overrides = {"containerOverrides": [override, {"name": "proxy"}], "cpu": "256"}
    client.describe_tasks.return_value = {"tasks": [{"taskArn": f"{ARN}/1", "overrides": overrides}]}
    [task] = ecs.describe_tasks(client, "ohmycoins-staging", [f"{ARN}/1"])
    assert [(each.name, each.plain_secrets) for each in task.overrides] == [("job", ("API_TOKEN",))]


def configured(**members: Any) -> SessionSettings:
    """The settings of a cluster whose executeCommandConfiguration has these members."""
    answer = {"clusters": [{"configuration": {"executeCommandConfiguration": members}}]}
    return ecs.session_settings(Mock(describe_clusters=Mock(return_value=answer)), "cluster")


def test_where_the_log_of_sessions_must_be_encrypted_is_read() -> None:
    """Only places that the cluster overrides what the task definition has with, and that need encryption."""
    group = {"cloudWatchLogGroupName": "/exec", "cloudWatchEncryptionEnabled": True}
    bucket = {"s3BucketName": "sessions", "s3EncryptionEnabled": True}
    both = configured(kmsKeyId="key", logging="OVERRIDE", logConfiguration={**group, **bucket})
    assert both == SessionSettings(key="key", log_group="/exec", bucket="sessions")
    plain = {name: value for name, value in {**group, **bucket}.items() if value is not True}
    assert configured(logging="OVERRIDE", logConfiguration=plain) == SessionSettings()
    assert configured(logging="NONE", logConfiguration=group) == SessionSettings() == configured()
