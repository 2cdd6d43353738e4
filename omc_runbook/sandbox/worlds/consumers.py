"""Consumers that ListServices does not show: tasks run alone or by a schedule, daemons, Express services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRET, STAGING, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import SecretTypeDef

NAME = f"{STAGING}-nightly"
"""The name of the rule, the schedule, the daemon and the Express service."""
_CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION_ROLE}"
_DAILY = "cron(0 3 * * ? *)"


def run_alone(world: World, service: str = "backend") -> str:
    """Run a task of a service's task definition that belongs to no service; its ARN."""
    described = world.service(service)
    answer = world.ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=described["taskDefinition"],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": described["networkConfiguration"]["awsvpcConfiguration"]},
    )
    return answer["tasks"][0]["taskArn"]


def add_rule(world: World, task_definition: str) -> None:
    """Let an EventBridge rule run a task definition once a day; the ARN may be one of a family without a revision."""
    events = world.client("events")
    events.put_rule(Name=NAME, ScheduleExpression=_DAILY)
    target = {"Id": "task", "Arn": _CLUSTER_ARN, "RoleArn": _ROLE}
    events.put_targets(Rule=NAME, Targets=[{**target, "EcsParameters": {"TaskDefinitionArn": task_definition}}])


def add_schedule(world: World, task_definition: str) -> None:
    """Let EventBridge Scheduler run a task definition once a day."""
    scheduler = world.client("scheduler")
    scheduler.create_schedule(
        Name=NAME,
        ScheduleExpression=_DAILY,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": _CLUSTER_ARN, "RoleArn": _ROLE, "EcsParameters": {"TaskDefinitionArn": task_definition}},
    )


def add_daemon(world: World, keys: tuple[str, ...]) -> str:
    """A daemon whose one container has these keys of the secret; its ARN."""
    definition = world.ecs.register_daemon_task_definition(
        family=NAME,
        executionRoleArn=_ROLE,
        containerDefinitions=[{"name": "collector", "image": "collector", "secrets": _references(world, keys)}],
    )
    daemon = world.ecs.create_daemon(
        daemonName=NAME,
        clusterArn=_CLUSTER_ARN,
        daemonTaskDefinitionArn=definition["daemonTaskDefinitionArn"],
        capacityProviderArns=[f"arn:aws:ecs:{REGION}:{ACCOUNT}:capacity-provider/{NAME}"],
    )
    return daemon["daemonArn"]


def add_express_service(world: World, keys: tuple[str, ...]) -> str:
    """An Express service whose container has these keys of the secret; its ARN."""
    network = world.service("backend")["networkConfiguration"]["awsvpcConfiguration"]
    answer = world.ecs.create_express_gateway_service(
        serviceName=NAME,
        cluster=CLUSTER,
        executionRoleArn=_ROLE,
        infrastructureRoleArn=_ROLE,
        networkConfiguration={"subnets": network["subnets"], "securityGroups": network.get("securityGroups", [])},
        primaryContainer={
            "image": "example",
            "environment": [{"name": "OMC_APP_ROLE", "value": "worker"}],
            "secrets": _references(world, keys),
        },
    )
    return answer["service"]["serviceArn"]


def remove_consumers(world: World) -> None:
    """Remove all of these, if they exist."""
    clusters = world.ecs.describe_clusters(clusters=[CLUSTER])["clusters"]
    if clusters and clusters[0]["status"] == "ACTIVE":
        _stop_tasks(world)
        for daemon in world.ecs.list_daemons(clusterArn=_CLUSTER_ARN)["daemonSummariesList"]:
            world.ecs.delete_daemon(daemonArn=daemon["daemonArn"])
        for arn in world.ecs.list_services(cluster=CLUSTER, resourceManagementType="ECS")["serviceArns"]:
            world.ecs.delete_express_gateway_service(serviceArn=arn)
    events = world.client("events")
    if events.list_rules(NamePrefix=NAME)["Rules"]:
        events.remove_targets(Rule=NAME, Ids=["task"])
        events.delete_rule(Name=NAME)
    _remove_schedule(world)


@on_error("ResourceNotFoundException", gives=None)
def _remove_schedule(world: World) -> None:
    world.client("scheduler").delete_schedule(Name=NAME)


def _stop_tasks(world: World) -> None:
    for task in world.tasks():
        if not task["group"].startswith("service:"):
            world.ecs.stop_task(cluster=CLUSTER, task=task["taskArn"])


def _references(world: World, keys: tuple[str, ...]) -> list[SecretTypeDef]:
    arn = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    return [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in keys]
