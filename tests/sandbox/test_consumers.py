"""What uses the secret and is in no list of services: tasks run alone or by a schedule, daemons, Express services."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.small_world import policy, until

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.credentials import Credentials
from omc_runbook.sandbox.faults.collection import mend
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.consumers import (
    NAME,
    add_daemon,
    add_express_service,
    add_rule,
    add_schedule,
    run_alone,
)
from omc_runbook.sandbox.worlds.staging import CLUSTER, SECRET, STAGING, World

KEYS = ("POSTGRES_PASSWORD", "OPENAI_API_KEY")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    """A healthy sandbox."""
    return World(sandbox.endpoint)


def references(world: World) -> list[dict[str, str]]:
    """How a container refers to the keys."""
    arn = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    return [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in KEYS]


def task_definition(world: World) -> str:
    """The ARN of the backend's task definition."""
    return world.ecs.describe_task_definition(taskDefinition=f"{STAGING}-backend")["taskDefinition"][
        "taskDefinitionArn"
    ]


def reader_of(world: World, *actions: str) -> World:
    """The same world for a user who may only do this."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"} if actions else None
    name = f"reader-{len(actions)}"
    world.iam.create_user(UserName=name)
    if statement:
        world.iam.put_user_policy(UserName=name, PolicyName="read", PolicyDocument=policy(statement))
    key = world.iam.create_access_key(UserName=name)["AccessKey"]
    return World(world.endpoint, credentials=Credentials(key["AccessKeyId"], key["SecretAccessKey"]))


def test_a_task_run_alone_belongs_to_no_service(world: World) -> None:
    """It runs with the secret's values, and is in ListTasks of its cluster and of its family."""
    arn = run_alone(world)
    task = until(lambda: each if (each := _describe(world, arn))["lastStatus"] == "RUNNING" else None)
    assert task["group"] == f"family:{STAGING}-backend"
    assert arn in world.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    assert arn in world.ecs.list_tasks(cluster=CLUSTER, family=f"{STAGING}-backend")["taskArns"]
    assert arn not in world.ecs.list_tasks(cluster=CLUSTER, serviceName="backend")["taskArns"]


def _describe(world: World, arn: str) -> Any:
    return world.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]


def test_a_rule_and_a_schedule_name_the_task_definition(world: World) -> None:
    """EventBridge and EventBridge Scheduler tell which task definition they run."""
    definition = task_definition(world)
    add_rule(world, definition)
    add_schedule(world, definition)
    events, scheduler = world.client("events"), world.client("scheduler")
    assert [rule["Name"] for rule in events.list_rules()["Rules"]] == [NAME]
    target = events.list_targets_by_rule(Rule=NAME)["Targets"][0]
    assert target["EcsParameters"]["TaskDefinitionArn"] == definition
    summary = scheduler.list_schedules()["Schedules"][0]
    assert summary["Target"]["Arn"].endswith(f":cluster/{CLUSTER}")
    schedule = scheduler.get_schedule(Name=summary["Name"], GroupName=summary["GroupName"])
    assert schedule["Target"]["EcsParameters"]["TaskDefinitionArn"] == definition


def test_schedules_need_permission(world: World) -> None:
    """A caller without it is denied, though Scheduler names its actions by paths."""
    for call in (
        lambda: reader_of(world).client("scheduler").list_schedules(),
        lambda: reader_of(world, "scheduler:ListSchedules").client("scheduler").get_schedule(Name=NAME),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        assert "scheduler:" in caught.value.response["Error"]["Message"]
    allowed = reader_of(world, "scheduler:ListSchedules", "scheduler:GetSchedule").client("scheduler")
    assert allowed.list_schedules()["Schedules"]


def test_a_daemon_refers_to_the_secret(world: World) -> None:
    """From ListDaemons over its current revision to its task definition, and a deployment for each update."""
    arn, ecs = add_daemon(world, KEYS), world.ecs
    cluster = ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]["clusterArn"]
    assert [each["daemonArn"] for each in ecs.list_daemons(clusterArn=cluster)["daemonSummariesList"]] == [arn]
    daemon = ecs.describe_daemon(daemonArn=arn)["daemon"]
    revisions = [each["arn"] for each in daemon["currentRevisions"]]
    revision = ecs.describe_daemon_revisions(daemonRevisionArns=revisions)["daemonRevisions"][0]
    name = revision["daemonTaskDefinitionArn"]
    definition = ecs.describe_daemon_task_definition(daemonTaskDefinition=name)["daemonTaskDefinition"]
    assert definition["containerDefinitions"][0]["secrets"] == references(world)
    updated = ecs.update_daemon(
        daemonArn=arn,
        daemonTaskDefinitionArn=name,
        capacityProviderArns=[each["arn"] for each in daemon["currentRevisions"][0]["capacityProviders"]],
    )
    deployments = ecs.list_daemon_deployments(daemonArn=arn)["daemonDeployments"]
    assert [each["daemonDeploymentArn"] for each in deployments] == [updated["deploymentArn"], daemon["deploymentArn"]]
    described = ecs.describe_daemon_deployments(daemonDeploymentArns=[updated["deploymentArn"]])["daemonDeployments"]
    assert described[0]["status"] == "SUCCESSFUL"
    assert described[0]["sourceDaemonRevisions"][0]["arn"] == revisions[0]
    with pytest.raises(ecs.exceptions.DaemonNotFoundException):
        ecs.describe_daemon(daemonArn=f"{arn}-gone")


def test_an_express_service_is_listed_for_who_asks(world: World) -> None:
    """ECS manages its task definition, whose container has the secrets; an update is a canary deployment."""
    arn, ecs = add_express_service(world, KEYS), world.ecs
    assert arn not in ecs.list_services(cluster=CLUSTER)["serviceArns"]
    assert ecs.list_services(cluster=CLUSTER, resourceManagementType="ECS")["serviceArns"] == [arn]
    described = ecs.describe_services(cluster=CLUSTER, services=[arn])["services"][0]
    assert described["resourceManagementType"] == "ECS"
    service = ecs.describe_express_gateway_service(serviceArn=arn)["service"]
    configuration = service["activeConfigurations"][0]
    assert configuration["primaryContainer"]["secrets"] == references(world)
    definition = ecs.describe_task_definition(taskDefinition=configuration["taskDefinitionArn"])["taskDefinition"]
    assert definition["containerDefinitions"][0]["secrets"] == references(world)
    lifecycle.set_minute(lifecycle.at(world.endpoint), 0.1)
    ecs.update_express_gateway_service(serviceArn=arn)

    def look() -> Any:
        newest, oldest = ecs.list_service_deployments(cluster=CLUSTER, service=NAME)["serviceDeployments"]
        return oldest if newest["status"] == "SUCCESSFUL" else None

    assert until(look)["status"] in ("STOPPED", "SUCCESSFUL")
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.update_service(cluster=CLUSTER, service=NAME, forceNewDeployment=True)


def test_mend_removes_them(world: World) -> None:
    """The healthy world has none of them."""
    mend(world.endpoint)
    assert world.client("events").list_rules()["Rules"] == []
    assert world.client("scheduler").list_schedules()["Schedules"] == []
    cluster = world.ecs.describe_clusters(clusters=[CLUSTER])["clusters"][0]["clusterArn"]
    assert world.ecs.list_daemons(clusterArn=cluster)["daemonSummariesList"] == []
    until(lambda: not world.ecs.list_services(cluster=CLUSTER, resourceManagementType="ECS")["serviceArns"])
    arns = world.ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    groups = {task["group"] for task in world.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]}
    assert groups == {"service:backend", "service:worker", "service:frontend"}
