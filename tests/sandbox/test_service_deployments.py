"""The sandbox's service deployments: four strategies, lifecycle hooks, circuit breakers, and what stops them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.small_world import ACCOUNT, CLUSTER, REGION, Stage, document, environment_of, policy, until

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.deployments import configure, pause, refuse, succeed_early, trip_after
from omc_runbook.sandbox.worlds.staging import World

STAGES = {
    *("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"),
    *("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"),
    *("BAKE_TIME", "CLEAN_UP"),
}


@pytest.fixture(scope="module")
def server(empty_sandbox: Sandbox) -> Stage:
    """One sandbox for the module."""
    return Stage(empty_sandbox)


@pytest.fixture
def stage(server: Stage) -> Stage:
    """The sandbox, empty, in which a minute is short."""
    lifecycle.ask(server.sandbox, "POST", "reset")
    lifecycle.set_minute(server.sandbox, 0.5)
    return server


def settings(stage: Stage, **more: Any) -> None:
    """How the service is deployed from now on."""
    configure(World(stage.sandbox.endpoint), "app", cluster=CLUSTER, **more)


def redeploy(stage: Stage, **more: Any) -> str:
    """Force a deployment; its number."""
    response = stage.ecs.update_service(cluster=CLUSTER, service="app", forceNewDeployment=True, **more)
    return str(response["service"]["deployments"][0]["id"].removeprefix("ecs-svc/"))


def briefs(stage: Stage, **more: Any) -> list[Any]:
    """The service's deployments as ListServiceDeployments has them, newest first."""
    return stage.ecs.list_service_deployments(cluster=CLUSTER, service="app", **more)["serviceDeployments"]


def describe(stage: Stage, number: str) -> Any:
    """The service deployment of a deployment's number."""
    arn = next(b["serviceDeploymentArn"] for b in briefs(stage) if b["targetServiceRevisionArn"].endswith(f"/{number}"))
    return stage.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]


def await_status(stage: Stage, number: str, *statuses: str) -> Any:
    """The service deployment, once it has one of these statuses."""
    return until(lambda: each if (each := describe(stage, number))["status"] in statuses else None)


def await_stage(stage: Stage, number: str, name: str) -> Any:
    """The service deployment, once it has reached a lifecycle stage."""
    return until(lambda: each if (each := describe(stage, number)).get("lifecycleStage") == name else None)


def await_hook(stage: Stage, number: str) -> tuple[Any, Any]:
    """The service deployment and its hook, once it waits for a person."""

    def look() -> Any:
        each = describe(stage, number)
        hooks = [h for h in each.get("lifecycleHookDetails", []) if h["status"] == "AWAITING_ACTION"]
        return (each, hooks[0]) if hooks else None

    return until(look)


def passwords(stage: Stage) -> list[str]:
    """What the service's processes have, in order."""
    return sorted(environment_of(each["pid"])["POSTGRES_PASSWORD"] for each in stage.processes())


def code_of(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def break_tasks(stage: Stage, arn: str) -> str:
    """A revision whose tasks cannot start."""
    return stage.define("app", arn, secrets=[{"name": "A", "valueFrom": f"{arn}:ABSENT::"}])


def test_a_rolling_update_is_in_the_history(stage: Stage) -> None:
    """It is listed under its revision, names the one before it, and ends with rolloutState."""
    stage.build()
    first = stage.steady()["deployments"][0]
    start = datetime.now(UTC)
    number = redeploy(stage)
    deployment = await_status(stage, number, "SUCCESSFUL")
    service = stage.steady()
    base = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
    revision = f"{base}:service-revision/{CLUSTER}/app/{number}"
    assert deployment["serviceDeploymentArn"].startswith(f"{base}:service-deployment/{CLUSTER}/app/")
    assert deployment["targetServiceRevision"] == {
        "arn": revision,
        "requestedTaskCount": 1,
        "runningTaskCount": 1,
        "pendingTaskCount": 0,
    }
    earlier = first["id"].removeprefix("ecs-svc/")
    assert [s["arn"].rpartition("/")[2] for s in deployment["sourceServiceRevisions"]] == [earlier]
    assert deployment["createdAt"] <= deployment["startedAt"] <= deployment["finishedAt"]
    assert not deployment.keys() & {"lifecycleStage", "lifecycleHookDetails", "rollback", "stoppedAt", "statusReason"}
    assert deployment["deploymentConfiguration"]["strategy"] == "ROLLING"
    assert deployment["deploymentCircuitBreaker"] == {"status": "DISABLED", "failureCount": 0, "threshold": 3}
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"
    assert service["currentServiceDeployment"] == deployment["serviceDeploymentArn"]
    assert [r["arn"] for r in service["currentServiceRevisions"]] == [revision]
    newest, oldest = briefs(stage)
    assert newest["targetServiceRevisionArn"] == revision
    assert oldest["status"] == "SUCCESSFUL"
    assert briefs(stage, createdAt={"after": start + timedelta(hours=1)}) == []
    assert briefs(stage, createdAt={"before": start - timedelta(hours=1)}) == []
    assert briefs(stage, status=["IN_PROGRESS"]) == []
    assert briefs(stage, maxResults=1) == [newest]
    described = stage.ecs.describe_service_revisions(serviceRevisionArns=[revision])["serviceRevisions"][0]
    assert described["taskDefinition"] == service["taskDefinition"]
    assert described["containerImages"] == [{"containerName": "main", "image": "example"}]


def test_what_is_not_there_is_said_as_ecs_says_it(stage: Stage) -> None:
    """Unknown ARNs are failures, unknown services and deployments errors, and lists are limited."""
    stage.build(desired=0)
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/{CLUSTER}/app/gone"
    missing = [{"arn": arn, "reason": "MISSING"}]
    assert stage.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["failures"] == missing
    assert stage.ecs.describe_service_revisions(serviceRevisionArns=[arn])["failures"] == missing
    lists = stage.ecs.list_service_deployments
    assert code_of(lambda: lists(cluster=CLUSTER, service="gone")) == "ServiceNotFoundException"
    assert code_of(lambda: lists(cluster="gone", service="app")) == "ClusterNotFoundException"
    stop = stage.ecs.stop_service_deployment
    assert code_of(lambda: stop(serviceDeploymentArn=arn)) == "ServiceDeploymentNotFoundException"
    many = [arn] * 21
    describe_many = stage.ecs.describe_service_deployments
    assert code_of(lambda: describe_many(serviceDeploymentArns=many)) == "InvalidParameterException"
    revisions = {each["targetServiceRevisionArn"].rpartition("/")[2] for each in briefs(stage)}
    deployment = await_status(stage, revisions.pop(), "SUCCESSFUL")
    assert code_of(lambda: stop(serviceDeploymentArn=deployment["serviceDeploymentArn"])) == "ConflictException"


def test_a_role_may_read_without_stopping(stage: Stage) -> None:
    """A policy on one service's deployments allows to describe them, and nothing else."""
    stage.build(desired=0)
    allowed = {
        "Effect": "Allow",
        "Action": "ecs:DescribeServiceDeployments",
        "Resource": f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-deployment/{CLUSTER}/app/*",
    }
    stage.iam.create_user(UserName="reader")
    stage.iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy(allowed))
    key = stage.iam.create_access_key(UserName="reader")["AccessKey"]
    reader = stage.client("ecs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    arn = briefs(stage)[0]["serviceDeploymentArn"]
    assert reader.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"]
    other = arn.replace("/app/", "/other/")
    denied = "AccessDeniedException"
    assert code_of(lambda: reader.describe_service_deployments(serviceDeploymentArns=[arn, other])) == denied
    assert code_of(lambda: reader.stop_service_deployment(serviceDeploymentArn=arn)) == denied
    assert code_of(lambda: reader.list_service_deployments(cluster=CLUSTER, service="app")) == denied


def test_a_newer_deployment_stops_the_one_before_it(stage: Stage) -> None:
    """The overtaken deployment is STOPPED, and the newer one succeeds."""
    arn = stage.build()
    stage.steady()
    bad = redeploy(stage, taskDefinition=break_tasks(stage, arn))
    good = redeploy(stage, taskDefinition=stage.define("app", arn))
    stopped = await_status(stage, bad, "STOPPED")
    assert stopped["stoppedAt"] == stopped["finishedAt"]
    await_status(stage, good, "SUCCESSFUL")


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
def test_the_breaker_rolls_a_service_deployment_back(stage: Stage, strategy: str) -> None:
    """The threshold's failures trip it, and the source revision's tasks have never stopped."""
    arn = stage.build()
    first = stage.steady()
    before = [each["pid"] for each in stage.processes()]
    settings(stage, strategy=strategy, breaker=trip_after("BOUNDED_PERCENT", 50))
    number = redeploy(stage, taskDefinition=break_tasks(stage, arn))
    back = await_status(stage, number, "ROLLBACK_SUCCESSFUL")
    reason = "Service deployment rolled back because the circuit breaker threshold was exceeded."
    assert back["statusReason"] == back["rollback"]["reason"] == reason
    assert back["rollback"]["serviceRevisionArn"] == back["sourceServiceRevisions"][0]["arn"]
    assert back["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    service = stage.service()
    assert service["taskDefinition"] == first["taskDefinition"]
    assert [d["id"] for d in service["deployments"]] == [first["deployments"][0]["id"]]
    assert [each["pid"] for each in stage.processes()] == before


def test_a_first_deployment_has_nothing_to_go_back_to(stage: Stage) -> None:
    """Its rollback fails, and says why."""
    arn = stage.build(desired=0, deploymentConfiguration={"deploymentCircuitBreaker": trip_after("COUNT", 1)})
    stage.ecs.delete_service(cluster=CLUSTER, service="app", force=True)
    until(lambda: stage.service()["status"] == "INACTIVE")
    bad, breaker = break_tasks(stage, arn), {"deploymentCircuitBreaker": trip_after("COUNT", 1)}
    stage.ecs.create_service(
        cluster=CLUSTER, serviceName="app", taskDefinition=bad, desiredCount=1, deploymentConfiguration=breaker
    )
    failed = until(lambda: each if (each := briefs(stage)[0])["status"] == "ROLLBACK_FAILED" else None)
    assert failed["statusReason"] == "No rollback candidate was found to run the rollback."


@pytest.mark.parametrize(
    ("kind", "value", "desired", "threshold"),
    [("COUNT", 1, 1, 1), ("UNBOUNDED_PERCENT", 50, 4, 2), ("BOUNDED_PERCENT", 50, 4, 3)],
)
def test_thresholds_of_the_breaker(stage: Stage, kind: Any, value: int, desired: int, threshold: int) -> None:
    """A count is as it stands, a percentage is of desiredCount, and a bounded one is at least 3."""
    arn = stage.build(desired=0)
    settings(stage, breaker=trip_after(kind, value, rollback=False))
    number = redeploy(stage, taskDefinition=break_tasks(stage, arn), desiredCount=desired)
    stopped = await_status(stage, number, "STOPPED")
    failed = stopped["deploymentCircuitBreaker"]["failureCount"]
    assert stopped["deploymentCircuitBreaker"]["threshold"] == threshold
    assert threshold <= failed <= max(threshold, desired)
    assert stage.service()["deployments"][0]["rolloutState"] == "FAILED"


def test_a_breaker_need_not_forget(stage: Stage) -> None:
    """With resetOnHealthyTask off, a task that became healthy does not set the count to nought."""
    arn = stage.build(desired=0)
    settings(stage, breaker=trip_after("COUNT", 3, rollback=False, reset=False))
    good = stage.secrets.get_secret_value(SecretId=arn)["SecretString"]
    stage.secrets.put_secret_value(SecretId=arn, SecretString="{}")
    number = redeploy(stage, desiredCount=1)
    until(lambda: describe(stage, number)["deploymentCircuitBreaker"]["failureCount"] >= 1)
    stage.secrets.put_secret_value(SecretId=arn, SecretString=good)
    deployment = await_status(stage, number, "SUCCESSFUL")
    assert deployment["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"
    assert deployment["deploymentCircuitBreaker"]["failureCount"] >= 1


def test_a_rolling_update_can_be_stopped(stage: Stage) -> None:
    """It goes back to the source revision, which has no circuit breaker to do so."""
    arn = stage.build()
    first = stage.steady()
    number = redeploy(stage, taskDefinition=break_tasks(stage, arn))
    until(stage.stopped)
    deployment = describe(stage, number)
    assert deployment["status"] == "IN_PROGRESS"
    answer = stage.ecs.stop_service_deployment(
        serviceDeploymentArn=deployment["serviceDeploymentArn"], stopType="ROLLBACK"
    )
    assert answer["serviceDeploymentArn"] == deployment["serviceDeploymentArn"]
    assert describe(stage, number)["status"].startswith("ROLLBACK_")
    await_status(stage, number, "ROLLBACK_SUCCESSFUL")
    assert stage.steady()["taskDefinition"] == first["taskDefinition"]


@pytest.mark.parametrize("cleanup", ["DEFERRED", "BLOCKING"])
def test_early_success(stage: Stage, cleanup: Any) -> None:
    """A rolling update completes at its percentage; DEFERRED leaves the old tasks, slow to stop, to the background."""
    arn = stage.build(desired=0, deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 100})
    slow = stage.define("app", arn, command=["--sandbox-drain=2"], stopTimeout=10)
    redeploy(stage, taskDefinition=slow, desiredCount=2)
    stage.steady()
    settings(stage, percents=(50, 100), early_success=succeed_early(50, cleanup))
    number = redeploy(stage)
    deployment = await_status(stage, number, "SUCCESSFUL")
    stopping = [task for task in stage.stopped() if task["lastStatus"] != "STOPPED"]
    assert bool(stopping) == (cleanup == "DEFERRED")
    until(lambda: [t["lastStatus"] for t in stage.stopped()] == ["STOPPED"] * 2)
    last = max(task["stoppedAt"] for task in stage.stopped())
    assert (last > deployment["finishedAt"]) == (cleanup == "DEFERRED")
    assert len(stage.steady()["deployments"]) == 1


def test_blue_and_green_run_side_by_side_until_the_bake_ends(stage: Stage) -> None:
    """Without rolloutState: the green tasks have the new value, the blue ones keep the old one while it bakes."""
    arn = stage.build()
    stage.steady()
    old = passwords(stage)
    settings(stage, strategy="BLUE_GREEN", bake_minutes=4)
    stage.secrets.put_secret_value(SecretId=arn, SecretString=document())
    number = redeploy(stage)
    baking = await_stage(stage, number, "BAKE_TIME")
    assert baking["status"] == "IN_PROGRESS"
    assert baking["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0
    assert baking["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 0.0
    assert baking["sourceServiceRevisions"][0]["runningTaskCount"] == 1
    assert len(passwords(stage)) == 2
    assert old[0] in passwords(stage)
    service = stage.service()
    assert [d["status"] for d in service["deployments"]] == ["PRIMARY", "ACTIVE"]
    assert not any("rolloutState" in d for d in service["deployments"])
    assert not lifecycle.status(stage.sandbox)["settled"]
    deployment = await_status(stage, number, "SUCCESSFUL")
    assert (deployment["finishedAt"] - deployment["startedAt"]).total_seconds() >= 2
    assert len(until(lambda: p if len(p := passwords(stage)) == 1 else None)) == 1
    assert old[0] not in passwords(stage)
    only = stage.service()["deployments"]
    assert [d["id"] for d in only] == [f"ecs-svc/{number}"]
    assert "rolloutState" not in only[0]


@pytest.mark.parametrize(
    ("strategy", "step", "weights"),
    [("LINEAR", (50.0, 2), [50.0, 100.0]), ("CANARY", (5.0, 2), [5.0, 100.0])],
)
def test_traffic_shifts_in_steps(stage: Stage, strategy: str, step: tuple[float, int], weights: list[float]) -> None:
    """Each step but the last one bakes, and what the target does not get the source keeps."""
    stage.build()
    stage.steady()
    settings(stage, strategy=strategy, step=step)
    number = redeploy(stage)
    shares: list[float] = []
    stages: set[str] = set()
    while (each := describe(stage, number))["status"] != "SUCCESSFUL":
        stages |= {each["lifecycleStage"]} if "lifecycleStage" in each else set()
        weight = each["targetServiceRevision"]["requestedProductionTrafficWeight"]
        assert each["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 100.0 - weight
        if weight and weight not in shares:
            shares.append(weight)
        time.sleep(0.01)
    assert shares in (weights, weights[:1])
    assert each["targetServiceRevision"]["requestedProductionTrafficWeight"] == 100.0
    assert stages <= STAGES
    assert "PRODUCTION_TRAFFIC_SHIFT" in stages


def test_a_pause_waits_for_a_person(stage: Stage) -> None:
    """Nothing moves until ContinueServiceDeployment, and the sandbox counts as settled meanwhile."""
    stage.build()
    stage.steady()
    lifecycle.set_minute(stage.sandbox, 1)
    settings(stage, strategy="BLUE_GREEN", hooks=[pause("POST_TEST_TRAFFIC_SHIFT")])
    number = redeploy(stage)
    paused, hook = await_hook(stage, number)
    assert paused["status"] == "IN_PROGRESS"
    assert paused["lifecycleStage"] == "POST_TEST_TRAFFIC_SHIFT"
    assert paused["targetServiceRevision"]["requestedTestTrafficWeight"] == 100.0
    assert paused["targetServiceRevision"]["requestedProductionTrafficWeight"] == 0.0
    assert (hook["targetType"], hook["timeoutAction"]) == ("PAUSE", "ROLLBACK")
    assert "targetArn" not in hook
    assert (hook["expiresAt"] - paused["startedAt"]).total_seconds() >= 1440
    lifecycle.settle(stage.sandbox, 5)
    World(stage.sandbox.endpoint).settle()
    goes_on = stage.ecs.continue_service_deployment
    arn = paused["serviceDeploymentArn"]
    assert goes_on(serviceDeploymentArn=arn, hookId=hook["hookId"])["serviceDeploymentArn"] == arn
    deployment = await_status(stage, number, "SUCCESSFUL")
    assert [h["status"] for h in deployment["lifecycleHookDetails"]] == ["SUCCEEDED"]
    again = code_of(lambda: goes_on(serviceDeploymentArn=arn, hookId=hook["hookId"]))
    assert again == "InvalidParameterException"


def test_a_pause_can_be_rolled_back(stage: Stage) -> None:
    """The answer ROLLBACK brings back the tasks that never stopped."""
    stage.build()
    stage.steady()
    before = [each["pid"] for each in stage.processes()]
    settings(stage, strategy="CANARY", hooks=[pause("PRE_PRODUCTION_TRAFFIC_SHIFT")])
    number = redeploy(stage)
    paused, hook = await_hook(stage, number)
    stage.ecs.continue_service_deployment(
        serviceDeploymentArn=paused["serviceDeploymentArn"], hookId=hook["hookId"], action="ROLLBACK"
    )
    back = await_status(stage, number, "ROLLBACK_SUCCESSFUL")
    assert [h["status"] for h in back["lifecycleHookDetails"]] == ["FAILED"]
    assert [each["pid"] for each in stage.processes()] == before


@pytest.mark.parametrize(("action", "status"), [("CONTINUE", "SUCCESSFUL"), ("ROLLBACK", "ROLLBACK_SUCCESSFUL")])
def test_a_pause_times_out(stage: Stage, action: Any, status: str) -> None:
    """Its timeout's action decides how the deployment goes on."""
    stage.build()
    stage.steady()
    settings(stage, strategy="BLUE_GREEN", hooks=[pause("PRE_SCALE_UP", minutes=1, action=action)])
    ended = await_status(stage, redeploy(stage), "SUCCESSFUL", "ROLLBACK_SUCCESSFUL")
    assert ended["status"] == status
    assert [h["status"] for h in ended["lifecycleHookDetails"]] == ["TIMED_OUT"]


def test_a_lambda_hook_refuses(stage: Stage) -> None:
    """The deployment is rolled back, and names the stage and the function."""
    stage.build()
    stage.steady()
    hook = refuse("POST_SCALE_UP")
    settings(stage, strategy="LINEAR", hooks=[hook])
    back = await_status(stage, redeploy(stage), "ROLLBACK_SUCCESSFUL")
    assert "POST_SCALE_UP lifecycle hook(s) failed" in back["statusReason"]
    assert hook["hookTargetArn"] in back["statusReason"]


def test_a_deployment_that_bakes_can_be_stopped(stage: Stage) -> None:
    """Traffic is back at the tasks of the old revision, which hold the old value."""
    arn = stage.build()
    stage.steady()
    old = passwords(stage)
    settings(stage, strategy="BLUE_GREEN", bake_minutes=1440)
    stage.secrets.put_secret_value(SecretId=arn, SecretString=document())
    number = redeploy(stage)
    baking = await_stage(stage, number, "BAKE_TIME")
    lifecycle.settle(stage.sandbox, 5)
    stage.ecs.stop_service_deployment(serviceDeploymentArn=baking["serviceDeploymentArn"])
    back = await_status(stage, number, "ROLLBACK_SUCCESSFUL")
    assert back["sourceServiceRevisions"][0]["requestedProductionTrafficWeight"] == 100.0
    assert back["lifecycleStage"] == "BAKE_TIME"
    assert passwords(stage) == old


def test_an_overtaken_green_revision_is_removed_first(stage: Stage) -> None:
    """A deployment over one that bakes reconciles: only the last completed revision stays beside its own."""
    stage.build()
    stage.steady()
    settings(stage, strategy="BLUE_GREEN", bake_minutes=1440)
    overtaken = redeploy(stage)
    await_stage(stage, overtaken, "BAKE_TIME")
    settings(stage, strategy="BLUE_GREEN", bake_minutes=0)
    number = redeploy(stage)
    assert describe(stage, overtaken)["status"] == "STOPPED"
    deployment = await_status(stage, number, "SUCCESSFUL")
    assert len(deployment["sourceServiceRevisions"]) == 2
    assert [d["id"] for d in stage.service()["deployments"]] == [f"ecs-svc/{number}"]
    assert len(stage.processes()) == 1


def test_a_service_with_no_desired_tasks_is_deployed_at_once(stage: Stage) -> None:
    """With desiredCount 0 each strategy succeeds without a task."""
    stage.build(desired=0)
    for strategy in ("ROLLING", "BLUE_GREEN"):
        settings(stage, strategy=strategy)
        await_status(stage, redeploy(stage), "SUCCESSFUL")
    assert stage.stopped() == []
