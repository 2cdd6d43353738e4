"""The sandbox's ECS agent: real processes, their secrets, rollouts and stopped tasks."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from support.small_world import CLUSTER, READ, TRUST, Stage, document, environment_of, policy, until

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.ecs.application import hash_password
from omc_runbook.sandbox.ecs.process import Application
from omc_runbook.sandbox.lifecycle import Sandbox

BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@pytest.fixture(scope="module")
def server(empty_sandbox: Sandbox) -> Stage:
    """One sandbox for the module."""
    return Stage(empty_sandbox)


@pytest.fixture
def stage(server: Stage) -> Stage:
    """The sandbox, empty."""
    lifecycle.ask(server.sandbox, "POST", "reset")
    return server


def redeploy(stage: Stage, name: str = "app", **members: Any) -> str:
    """Force a deployment; its id."""
    response = stage.ecs.update_service(cluster=CLUSTER, service=name, forceNewDeployment=True, **members)
    return str(response["service"]["deployments"][0]["id"])


def messages(service: Any) -> list[str]:
    """The service's events, oldest first."""
    return [event["message"] for event in reversed(service["events"])]


def only(values: list[Any]) -> Any:
    """The one member of a list."""
    assert len(values) == 1
    return values[0]


def test_process_holds_its_secrets_and_nothing_of_ours(stage: Stage) -> None:
    """A task's process has the container's variables, the secrets, PATH and PORT, and answers for its health."""
    stage.build("plain", desired=1)
    stage.steady("plain")
    task = only(stage.processes("plain"))
    variables = environment_of(task["pid"])
    current = json.loads(stage.secrets.get_secret_value(SecretId="plain-secret")["SecretString"])
    assert variables.keys() == {"OMC_APP_ROLE", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "PATH", "PORT"}
    assert {key: variables[key] for key in current if key in variables} == {
        key: current[key] for key in ("POSTGRES_PASSWORD", "OPENAI_API_KEY")
    }
    with urllib.request.urlopen(task["health"], timeout=5) as answer:
        assert answer.status == 200
    described = only(stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task["task"]])["tasks"])
    assert described["createdAt"] < described["startedAt"]
    assert described["group"] == "service:plain"
    assert described["startedBy"] == stage.service("plain")["deployments"][0]["id"]
    assert described["lastStatus"] == "RUNNING"
    assert described["containers"][0]["healthStatus"] == "HEALTHY"


def test_a_port_belongs_to_its_application_before_it_serves() -> None:
    """Nobody else can take the port while the process is still starting, nor while it never answers."""
    starting = Application({"OMC_APP_ROLE": "frontend"}, ["--sandbox-hang"], lambda _: None, lambda: None)
    try:
        for _ in range(3):
            with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
                other.bind(("127.0.0.1", starting.port))
            time.sleep(0.1)
    finally:
        starting.kill()


def test_an_end_is_told_at_once() -> None:
    """The agent, which otherwise polls every other second, is notified once the exit code is known."""
    has_ended = threading.Event()
    started = Application({"OMC_APP_ROLE": "frontend"}, ["--sandbox-hang"], lambda _: None, has_ended.set)
    assert started.exit_code() is None and not has_ended.is_set()
    os.kill(started.pid, signal.SIGKILL)
    assert has_ended.wait(20)
    assert started.exit_code() == 128 + signal.SIGKILL


def test_an_exit_code_is_there_once_the_last_lines_are_logged() -> None:
    """Who sees that a task has stopped finds its log whole."""
    may_log, has_ended, lines = threading.Event(), threading.Event(), list[str]()

    def log(new: list[str]) -> None:
        may_log.wait(20)
        lines.extend(new)

    started = Application({"OMC_APP_ROLE": "worker"}, [], log, has_ended.set)
    os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)
    assert started.exit_code() is None and not lines
    may_log.set()
    assert has_ended.wait(20)
    assert started.exit_code() and lines


def test_put_and_force_brings_the_new_value(stage: Stage) -> None:
    """PutSecretValue alone changes no process; a forced deployment replaces all, the old ones last."""
    stage.build("rolls", desired=2)
    stage.steady("rolls")
    before = {task["pid"] for task in stage.processes("rolls")}
    new = document()
    stage.secrets.put_secret_value(SecretId="rolls-secret", SecretString=new)
    time.sleep(0.4)
    assert {task["pid"] for task in stage.processes("rolls")} == before
    started = redeploy(stage, "rolls")
    assert len(stage.processes("rolls")) >= 2
    service = stage.steady("rolls")
    assert service["deployments"][0]["id"] == started
    after = stage.processes("rolls")
    assert len(after) == 2
    assert before.isdisjoint(task["pid"] for task in after)
    new_password = json.loads(new)["POSTGRES_PASSWORD"]
    assert {environment_of(task["pid"])["POSTGRES_PASSWORD"] for task in after} == {new_password}
    assert messages(service)[-2:] == [
        f"(service rolls) (deployment {started}) deployment completed.",
        "(service rolls) has reached a steady state.",
    ]


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([], "no identity-based policy allows"),
        ([READ, READ | {"Effect": "Deny"}], "explicit deny in an identity-based policy"),
    ],
)
def test_missing_permission_stops_the_task(stage: Stage, statements: list[dict[str, Any]], reason: str) -> None:
    """A role that may not read the secret stops the task before it starts, in ECS's words."""
    stage.build(desired=0)
    document = policy(*statements) if statements else policy(READ | {"Action": "s3:GetObject"})
    stage.iam.put_role_policy(RoleName="execution", PolicyName="read", PolicyDocument=document)
    stage.ecs.update_service(cluster=CLUSTER, service="app", desiredCount=1)
    task = until(stage.stopped)[0]
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret "
    )
    assert "api error AccessDeniedException: User: arn:aws:sts::" in task["stoppedReason"]
    assert reason in task["stoppedReason"]
    assert "startedAt" not in task
    assert "exitCode" not in task["containers"][0]
    assert stage.processes() == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"OPENAI_API_KEY": "x"}', "retrieved secret from Secrets Manager did not contain json key POSTGRES_PASSWORD"),
        ("{'POSTGRES_PASSWORD': 'x'}", "invalid character '\\'' looking for beginning of object key string"),
        ("password", "invalid character 'p' looking for beginning of value"),
        ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
        ('{"POSTGRES_PASSWORD": "x', "unexpected end of JSON input"),
        ('"text"', "cannot unmarshal string into Go value of type map[string]interface {}"),
    ],
)
def test_bad_content_stops_the_task(stage: Stage, value: str, reason: str) -> None:
    """A secret that Go's JSON reader or the key look-up refuses stops the task with that complaint."""
    name = f"content-{abs(hash(value))}"
    stage.build(name, desired=0)
    stage.secrets.put_secret_value(SecretId=f"{name}-secret", SecretString=value)
    stage.ecs.update_service(cluster=CLUSTER, service=name, desiredCount=1)
    assert reason in until(lambda: stage.stopped(name))[0]["stoppedReason"]
    stage.ecs.update_service(cluster=CLUSTER, service=name, desiredCount=0)


@pytest.mark.parametrize(
    ("member", "text"),
    [("1000000", "1e+06"), ("5432", "5432"), ("null", "<nil>"), ('{"b": [1, true]}', "map[b:[1 true]]")],
)
def test_values_become_text_as_go_prints_them(stage: Stage, member: str, text: str) -> None:
    """A JSON value that is not a string reaches the process as Go's %v."""
    name = f"text-{abs(hash(member))}"
    arn = stage.build(name, desired=0)
    value = document().removesuffix("}") + f', "VALUE": {member}}}'
    stage.secrets.put_secret_value(SecretId=arn, SecretString=value)
    keys = ("POSTGRES_PASSWORD", "OPENAI_API_KEY", "VALUE")
    secrets = [{"name": key, "valueFrom": f"{arn}:{key}::"} for key in keys]
    revision = stage.define(name, arn, secrets=secrets)
    stage.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=revision, desiredCount=1)
    stage.steady(name)
    assert environment_of(only(stage.processes(name))["pid"])["VALUE"] == text


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("{arn}:POSTGRES_PASSWORD", "unexpected ARN format"),
        ("{arn}:POSTGRES_PASSWORD:AWSPREVIOUS:", "staging label: AWSPREVIOUS"),
        ("{other}:POSTGRES_PASSWORD::", "can't find the specified secret"),
        ("{nowhere}:POSTGRES_PASSWORD::", "secretsmanager.ap-southeast-9.amazonaws.com: no such host"),
        ("plain-name", "ParameterNotFound: invalid ssm parameters: plain-name"),
    ],
)
def test_bad_reference_stops_the_task(stage: Stage, reference: str, reason: str) -> None:
    """A valueFrom that leads nowhere stops the task with the complaint of where it led."""
    name = f"reference-{abs(hash(reference))}"
    arn = stage.build(name, desired=0)
    allowed = policy(READ, READ | {"Action": "ssm:GetParameters"})
    stage.iam.put_role_policy(RoleName="execution", PolicyName="read", PolicyDocument=allowed)
    nowhere = arn.replace("ap-southeast-2", "ap-southeast-9")
    value_from = reference.format(arn=arn, other=arn.replace("ap-southeast-2", "us-east-1"), nowhere=nowhere)
    revision = stage.define(name, arn, secrets=[{"name": "POSTGRES_PASSWORD", "valueFrom": value_from}])
    stage.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=revision, desiredCount=1)
    assert reason in until(lambda: stage.stopped(name))[0]["stoppedReason"]
    stage.ecs.update_service(cluster=CLUSTER, service=name, desiredCount=0)


def test_untrusted_role_stops_the_task(stage: Stage) -> None:
    """A role that ECS may not assume stops the task."""
    stage.build(desired=0)
    trust = policy(TRUST | {"Principal": {"Service": "ec2.amazonaws.com"}})
    stage.iam.update_assume_role_policy(RoleName="execution", PolicyDocument=trust)
    stage.ecs.update_service(cluster=CLUSTER, service="app", desiredCount=1)
    assert "ECS was unable to assume the role" in until(stage.stopped)[0]["stoppedReason"]


def test_boundary_and_throttling_are_told_apart(stage: Stage) -> None:
    """A boundary that allows nothing and a throttled call each stop the task in their own words."""
    stage.build(desired=0)
    lifecycle.ask(
        stage.sandbox, "POST", "wire", {"action": "GetSecretValue", "error": "ThrottlingException", "count": 2}
    )
    stage.ecs.update_service(cluster=CLUSTER, service="app", desiredCount=1)
    assert "api error ThrottlingException: Rate exceeded" in until(stage.stopped)[0]["stoppedReason"]
    stage.steady()
    empty = policy(READ | {"Action": "s3:GetObject"})
    arn = stage.iam.create_policy(PolicyName="boundary", PolicyDocument=empty)["Policy"]["Arn"]
    stage.iam.put_role_permissions_boundary(RoleName="execution", PermissionsBoundary=arn)
    redeploy(stage)
    reasons = until(lambda: [t["stoppedReason"] for t in stage.stopped() if "boundary" in t["stoppedReason"]])
    assert "because no permissions boundary allows the secretsmanager:GetSecretValue action" in reasons[0]


def test_breaker_trips_and_rolls_back(stage: Stage) -> None:
    """Three tasks that cannot start fail the deployment; the last good one is primary again, its task untouched."""
    arn = stage.build(deploymentConfiguration=BREAKER)
    first = stage.steady()
    process = only(stage.processes())["pid"]
    bad = stage.define("app", arn, secrets=[{"name": "A", "valueFrom": f"{arn}:ABSENT::"}])
    failed = redeploy(stage, taskDefinition=bad)

    def look() -> Any:
        service = stage.service()
        return service if "rolling back" in service["deployments"][0]["rolloutStateReason"] else None

    service = until(look)
    back = first["deployments"][0]["id"]
    assert service["deployments"][0]["id"] == back
    assert service["taskDefinition"] == first["taskDefinition"]
    assert f"(service app) rolling back to deployment {back}." in messages(service)
    assert f"(service app) (deployment {failed}) deployment failed: tasks failed to start." in messages(service)
    stage.steady()
    assert only(stage.processes())["pid"] == process
    assert len([task for task in stage.stopped() if task["startedBy"] == failed]) == 3


def test_without_breaker_a_bad_rollout_stays_in_progress(stage: Stage) -> None:
    """The old task keeps serving while failures are counted, and a mended secret completes the rollout."""
    arn = stage.build()
    stage.steady()
    process = only(stage.processes())["pid"]
    good = stage.secrets.get_secret_value(SecretId=arn)["SecretString"]
    stage.secrets.put_secret_value(SecretId=arn, SecretString="{}")
    redeploy(stage)
    service = until(lambda: s if (s := stage.service())["deployments"][0]["failedTasks"] >= 3 else None)
    assert [d["status"] for d in service["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    assert only(stage.processes())["pid"] == process
    assert any("was unable to place a task. Reason: ResourceInitializationError" in m for m in messages(service))
    stage.secrets.put_secret_value(SecretId=arn, SecretString=good)
    stage.steady()
    assert only(stage.processes())["pid"] != process


def test_application_that_exits_fails_the_breaker_without_rollback(stage: Stage) -> None:
    """Tasks that start and exit count too; a breaker that may not roll back leaves the deployment FAILED."""
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    arn = stage.build(desired=0, deploymentConfiguration=breaker)
    bad = stage.define("app", arn, command=["--sandbox-exit=7"])
    stage.ecs.update_service(cluster=CLUSTER, service="app", taskDefinition=bad, desiredCount=1)
    until(lambda: stage.service()["deployments"][0]["rolloutState"] == "FAILED")
    task = stage.stopped()[0]
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["containers"][0]["exitCode"] == 7
    assert task["startedAt"] < task["stoppedAt"]


def test_unhealthy_application_is_stopped(stage: Stage) -> None:
    """A process that answers its health check badly is stopped for that reason."""
    arn = stage.build("sick", desired=0)
    bad = stage.define("sick", arn, command=["--sandbox-unhealthy"])
    stage.ecs.update_service(cluster=CLUSTER, service="sick", taskDefinition=bad, desiredCount=1)
    task = until(lambda: [t for t in stage.stopped("sick") if t["lastStatus"] == "STOPPED"])[0]
    assert task["stoppedReason"] == "Task failed container health checks"
    stage.ecs.update_service(cluster=CLUSTER, service="sick", desiredCount=0)


@pytest.mark.parametrize("value", ["changethis", "p/ss", "p@ss", "p#ss", ""])
def test_application_refuses_bad_values(stage: Stage, value: str) -> None:
    """The example application ends on a default, an unfit or an empty password, and logs why without it."""
    name = f"refuses-{abs(hash(value))}"
    arn = stage.build(name, desired=0)
    stage.secrets.put_secret_value(SecretId=arn, SecretString=document(POSTGRES_PASSWORD=value))
    environment = [{"name": "OMC_APP_ROLE", "value": "worker"}, {"name": "ENVIRONMENT", "value": "staging"}]
    revision = stage.define(name, arn, environment=environment)
    stage.ecs.update_service(cluster=CLUSTER, service=name, taskDefinition=revision, desiredCount=1)
    task = until(lambda: stage.stopped(name))[0]
    assert task["stoppedReason"] == "Essential container in task exited"
    stream = f"ecs/main/{task['taskArn'].rpartition('/')[2]}"
    events = stage.client("logs").get_log_events(logGroupName="/small", logStreamName=stream)["events"]
    logged = "\n".join(event["message"] for event in events)
    assert "ERROR" in logged
    assert "POSTGRES_PASSWORD" in logged
    assert value == "" or value == "changethis" or value not in logged
    stage.ecs.update_service(cluster=CLUSTER, service=name, desiredCount=0)


def test_entry_point_can_replace_a_variable(stage: Stage) -> None:
    """An image whose entry point sets a variable leaves the process with another value than was injected."""
    arn = stage.build(desired=0)
    revision = stage.define("app", arn, entryPoint=["--sandbox-replace=OPENAI_API_KEY"])
    stage.ecs.update_service(cluster=CLUSTER, service="app", taskDefinition=revision, desiredCount=1)
    stage.steady()
    variables = environment_of(only(stage.processes())["pid"])
    injected = json.loads(stage.secrets.get_secret_value(SecretId=arn)["SecretString"])
    assert variables["POSTGRES_PASSWORD"] == injected["POSTGRES_PASSWORD"]
    assert variables["OPENAI_API_KEY"] != injected["OPENAI_API_KEY"]


def test_a_container_that_others_wait_for_ends_before_them(stage: Stage) -> None:
    """A container that prepares the task has ended with success in a task that runs, and after that one stopped."""
    arn = stage.build(desired=0)
    definition = stage.ecs.describe_task_definition(taskDefinition=stage.define("app", arn))["taskDefinition"]
    [application] = definition["containerDefinitions"]
    first = {**application, "name": "migrate", "essential": False}
    application["dependsOn"] = [{"containerName": "migrate", "condition": "SUCCESS"}]
    fields = ("family", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu", "memory")
    both = stage.ecs.register_task_definition(
        containerDefinitions=[first, application], **{name: definition[name] for name in fields if definition.get(name)}
    )
    revision = both["taskDefinition"]["taskDefinitionArn"]
    stage.ecs.update_service(cluster=CLUSTER, service="app", taskDefinition=revision, desiredCount=1)
    stage.steady()
    task = only(stage.processes())["task"]
    containers = only(stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"])["containers"]
    assert [(each["lastStatus"], each.get("exitCode")) for each in containers] == [("STOPPED", 0), ("RUNNING", None)]


def test_a_log_router_is_not_the_application(stage: Stage) -> None:
    """An essential container of a log router that comes first has no process, and the application runs."""
    arn = stage.build(desired=0)
    definition = stage.ecs.describe_task_definition(taskDefinition=stage.define("app", arn))["taskDefinition"]
    router = {"name": "router", "image": "fluent-bit", "memory": 64, "firelensConfiguration": {"type": "fluentbit"}}
    fields = ("family", "executionRoleArn", "networkMode", "requiresCompatibilities", "cpu", "memory")
    both = stage.ecs.register_task_definition(
        containerDefinitions=[router, *definition["containerDefinitions"]],
        **{name: definition[name] for name in fields if definition.get(name)},
    )
    revision = both["taskDefinition"]["taskDefinitionArn"]
    stage.ecs.update_service(cluster=CLUSTER, service="app", taskDefinition=revision, desiredCount=1)
    stage.steady()
    assert "POSTGRES_PASSWORD" in environment_of(only(stage.processes())["pid"])


def test_database_that_kept_its_password_refuses_the_new_one(stage: Stage) -> None:
    """A password that the store has and the database has not ends the application with the database's words."""
    arn = stage.build(desired=0)
    old = json.loads(stage.secrets.get_secret_value(SecretId=arn)["SecretString"])["POSTGRES_PASSWORD"]
    accepts = {"name": "OMC_APP_DATABASE_ACCEPTS", "value": hash_password(old, secrets.token_hex(8))}
    revision = stage.define("app", arn, environment=[{"name": "OMC_APP_ROLE", "value": "worker"}, accepts])
    stage.ecs.update_service(cluster=CLUSTER, service="app", taskDefinition=revision, desiredCount=1)
    stage.steady()
    stage.secrets.put_secret_value(SecretId=arn, SecretString=document())
    redeploy(stage)
    task = until(stage.stopped)[0]
    stream = f"ecs/main/{task['taskArn'].rpartition('/')[2]}"
    logs = stage.client("logs")

    def refusals() -> list[str]:
        events = logs.get_log_events(logGroupName="/small", logStreamName=stream)["events"]
        return [event["message"] for event in events if "FATAL: password authentication failed" in event["message"]]

    # The last lines may be written a moment after the task is STOPPED.
    assert until(refusals)


def test_killed_process_is_replaced(stage: Stage) -> None:
    """A task whose process dies is described as such and replaced."""
    stage.build("killed")
    stage.steady("killed")
    first = only(stage.processes("killed"))
    os.kill(first["pid"], signal.SIGKILL)
    second = until(lambda: [t for t in stage.processes("killed") if t["task"] != first["task"]])[0]
    task = only(stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[first["task"]])["tasks"])
    assert task["containers"][0]["exitCode"] == 137
    until(lambda: stage.service("killed")["runningCount"] == 1)
    assert environment_of(second["pid"])["OMC_APP_ROLE"] == "worker"


def test_stopped_task_is_replaced_and_scaling_follows(stage: Stage) -> None:
    """StopTask ends the process; the service makes another, and follows its desired count."""
    stage.build("scaled")
    stage.steady("scaled")
    first = only(stage.processes("scaled"))
    stage.ecs.stop_task(cluster=CLUSTER, task=first["task"], reason="because")
    until(lambda: [t for t in stage.processes("scaled") if t["task"] != first["task"]])
    stopped = until(lambda: [t for t in stage.stopped("scaled") if t["lastStatus"] == "STOPPED"])[0]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "because")
    for count in (3, 0):
        stage.ecs.update_service(cluster=CLUSTER, service="scaled", desiredCount=count)
        until(lambda count=count: len(stage.processes("scaled")) == count)
        assert len(stage.steady("scaled")["deployments"]) == 1


def test_a_service_may_leave_its_security_groups_to_the_vpc(stage: Stage) -> None:
    """CreateService and UpdateService take a network without security groups, and the tasks run."""
    stage.build("grouped", desired=1)
    subnet = stage.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
    network = {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}}
    stage.ecs.create_service(
        cluster=CLUSTER,
        serviceName="ungrouped",
        taskDefinition=stage.service("grouped")["taskDefinition"],
        desiredCount=1,
        networkConfiguration=network,
    )
    stage.steady("ungrouped")
    redeploy(stage, "ungrouped", networkConfiguration=network)
    assert stage.service("ungrouped")["networkConfiguration"]["awsvpcConfiguration"]["securityGroups"] == []


def test_tasks_run_in_a_vpc_without_dns_hostnames(stage: Stage) -> None:
    """A VPC as CreateVpc makes it, with a way out, is good enough for a task."""
    stage.build("bare", desired=0)
    ec2 = stage.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    network = {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}}
    stage.ecs.update_service(cluster=CLUSTER, service="bare", networkConfiguration=network, desiredCount=1)
    until(lambda: stage.processes("bare"))


def test_external_controller_starts_tasks_only_by_task_set(stage: Stage) -> None:
    """A service with an external controller waits for a task set and refuses a forced deployment."""
    stage.build("external", desired=1, deploymentController={"type": "EXTERNAL"})
    time.sleep(0.5)
    assert stage.processes("external") == []
    with pytest.raises(stage.ecs.exceptions.InvalidParameterException):
        redeploy(stage, "external")
    stage.ecs.create_task_set(
        cluster=CLUSTER,
        service="external",
        taskDefinition="external",
        launchType="FARGATE",
        scale={"value": 100.0, "unit": "PERCENT"},
    )
    until(lambda: stage.processes("external"))


def test_exec_needs_a_task_that_was_started_with_it(stage: Stage) -> None:
    """ExecuteCommand goes by the task's own flag, not by the service's."""
    stage.build("exec")
    channels = policy({"Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*"})
    stage.iam.put_role_policy(RoleName="execution", PolicyName="exec", PolicyDocument=channels)
    stage.steady("exec")
    stage.ecs.update_service(cluster=CLUSTER, service="exec", enableExecuteCommand=True)
    ask: dict[str, Any] = {"cluster": CLUSTER, "command": "sh -c env", "interactive": True}
    with pytest.raises(stage.ecs.exceptions.InvalidParameterException):
        stage.ecs.execute_command(task=only(stage.processes("exec"))["task"], **ask)
    redeploy(stage, "exec")
    stage.steady("exec")
    task = only(stage.processes("exec"))["task"]
    assert stage.ecs.execute_command(task=task, **ask)["session"]["sessionId"]
    described = only(stage.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"])
    assert described["enableExecuteCommand"] is True
    agents = described["containers"][0]["managedAgents"]
    assert [(agent["name"], agent["lastStatus"]) for agent in agents] == [("ExecuteCommandAgent", "RUNNING")]


def test_deleted_service_ends_its_processes(stage: Stage) -> None:
    """A service deleted by force drains, becomes inactive and is listed no more."""
    stage.build("gone")
    stage.steady("gone")
    task = only(stage.processes("gone"))
    stage.ecs.delete_service(cluster=CLUSTER, service="gone", force=True)
    until(lambda: stage.service("gone")["status"] == "INACTIVE")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(task["health"], timeout=1)
    pages = stage.ecs.get_paginator("list_services").paginate(cluster=CLUSTER)
    assert not [arn for page in pages for arn in page["serviceArns"] if arn.endswith("/gone")]
