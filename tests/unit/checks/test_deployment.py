"""Checks of deployments: each with a healthy snapshot and a faulty one, stale evidence and doubts told apart."""

import secrets
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.check_assertions import assert_clear, by_id, found_by, unknown_by
from support.faults.deployment import (
    EXIT,
    EXITED,
    FAULTS,
    IMAGE,
    PULL,
    START,
    changed,
    deployed,
    failing,
    rolled_back,
    service_deployment,
)
from support.networks import by_nat
from support.snapshots import (
    ACCOUNT,
    ARN,
    CHANGED,
    CURRENT,
    DEPLOYED,
    NOW,
    PREVIOUS,
    ROLE_NAME,
    definition_arn,
    deployment,
    document,
    event,
    healthy,
    rotated,
    service,
    stopped,
    stuck,
    task,
    task_definition,
    with_keys,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
    with_values,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.ecs import EXPRESS, Cluster, ServiceEvent
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import ListedSecret, Version
from omc_runbook.changes.fix.plan import plan_fix
from omc_runbook.checks import deployment as checks
from omc_runbook.checks import spare_keys, startup
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.other_names import consumers_elsewhere
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.findings import with_remedies_of_causes
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.discovery import Discovery, FoundService
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory
from omc_runbook.terraform.declared import DeclaredEnvironment
from omc_runbook.terraform.services import DeclaredService

FAMILY = (*checks_of(startup), *checks_of(checks))
CHECKS = by_id(FAMILY)
found_in, unknown_in = partial(found_by, FAMILY), partial(unknown_by, FAMILY)


def test_a_missing_cluster_is_found_and_the_rest_skipped() -> None:
    """Where the cluster does not exist, its name is the fault, and what would be in it is not looked at."""
    snapshot = FAULTS["wrong-names"].make(healthy())
    answers = {answer.check: answer for check in FAMILY for answer in run_check(check, snapshot)}
    assert answers.pop("wrong-names").status == "found"
    assert {answer.status for answer in answers.values()} == {"skipped"}


@pytest.mark.parametrize(
    ("clusters", "ending"),
    [
        (("coins-prod",), ": there are only those of other environments, coins-prod."),
        (("ohmycoins-production-cluster", "ohmycoins-stg"), ": did you mean ohmycoins-stg?"),
        (("ohmycoins-production-cluster", "ohmycoins"), ": did you mean ohmycoins?"),
    ],
)
def test_no_cluster_of_another_environment_is_suggested(clusters: tuple[str, ...], ending: str) -> None:
    """However near its name is: who corrects runbook.toml to it changes the wrong environment."""
    snapshot = replace(FAULTS["wrong-names"].make(healthy()), clusters=clusters)
    [found] = run_check(CHECKS["wrong-names"], snapshot)
    assert found.evidence[0].endswith(ending)


@pytest.mark.parametrize(
    ("cluster", "remedy"),
    [("ohmycoins-staging-cluster", "omc-runbook init -p environment staging"), ("demo", "Correct cluster in ")],
)
def test_init_is_the_remedy_only_where_it_finds_a_cluster(cluster: str, remedy: str) -> None:
    """Else it would write the name that does not exist, though it finds the secret."""
    snapshot = FAULTS["wrong-names"].make(healthy())
    listed = ListedSecret(name=snapshot.secret_name, arn=snapshot.secret_arn, tags={})
    discovery = Discovery(environment="staging", clusters=(Cluster(cluster, {}),), secrets=(listed,))
    [found] = run_check(CHECKS["wrong-names"], replace(snapshot, clusters=(cluster,), discovery=discovery))
    assert found.remedy and found.remedy.command.startswith(remedy)


def test_a_missing_service_is_found_with_the_nearest() -> None:
    """A cluster that exists without the service that the guide names is found too."""
    snapshot = healthy()
    others = tuple(replace(old, name=f"ohmycoins-staging-{old.name}") for old in snapshot.services)
    renamed = replace(snapshot, services=others, service_names=tuple(old.name for old in others))
    [found] = run_check(CHECKS["wrong-names"], renamed)
    assert (found.status, found.subject) == ("found", "backend")
    assert "did you mean ohmycoins-staging-backend?" in found.evidence[0]
    assert found.evidence[0].startswith("ListServices: there is no service backend")
    alone = replace(renamed, services=tuple(old for old in others if old.name.endswith("worker")))
    inactive = replace(alone, deleted_status="INACTIVE")
    keys = [run_check(spare_keys.key_unreferenced, each)[0].status for each in (alone, inactive)]
    assert keys == ["found", "clear"], "whose keys they are is known"
    [deleted] = run_check(CHECKS["wrong-names"], replace(renamed, deleted_status="INACTIVE"))
    assert deleted.evidence == (
        "DescribeServices: backend of ohmycoins-staging is INACTIVE: it was deleted.",
        *found.evidence,
    )
    assert deleted.remedy and deleted.remedy.command.startswith("Create backend again")


@pytest.mark.parametrize(("uses_it", "remedy"), [(True, "omc-runbook init -p environment"), (False, "Create backend")])
def test_services_that_have_moved_to_another_cluster_are_not_to_be_created_again(uses_it: bool, remedy: str) -> None:
    """The former cluster still knows the deleted service; those that refer to the secret are in the new one."""
    snapshot = healthy()
    own = [old for old in snapshot.services if (old in snapshot.consumers) is uses_it]
    moved = tuple(FoundService("moved", old, snapshot.definition(old)) for old in own)
    listed = ListedSecret(name=snapshot.secret_name, arn=snapshot.secret_arn, tags={})
    discovery = Discovery(environment="staging", services=moved, secrets=(listed,))
    empty = replace(snapshot, services=(), service_names=(), tasks=(), deleted_status="INACTIVE", discovery=discovery)
    [found] = run_check(CHECKS["wrong-names"], empty)
    assert found.remedy and found.remedy.command.startswith(remedy)
    assert bool([*consumers_elsewhere(empty)]) is uses_it
    assert not consumers_elsewhere(replace(snapshot, discovery=discovery)), "our cluster has users of its own"


@pytest.mark.parametrize(
    ("id", "also"),
    [
        ("not-forced", set()),
        ("pull-failed", {"rollout-stuck"}),
        ("health-check", {"rollout-stuck"}),
        ("task-exits", {"rollout-stuck"}),
        ("image-pull", {"rollout-stuck"}),
        ("log-group", {"rollout-stuck"}),
        ("volume", {"rollout-stuck"}),
        ("environment-file", {"rollout-stuck"}),
        ("start-failed", {"rollout-stuck"}),
        ("out-of-memory", {"rollout-stuck"}),
        ("no-capacity", set()),
        ("breaker-rollback", set()),
        ("deployment-paused", set()),
        ("lone-task", set()),
        ("desired-zero", set()),
        ("external-controller", set()),
        ("code-deploy", set()),
    ],
)
def test_a_fault_is_not_taken_for_another(id: str, also: set[str]) -> None:
    """Of the family's checks one alone speaks of one fault, and of what follows from it."""
    assert found_in(FAULTS[id].make(healthy())) == {id} | also


@pytest.mark.parametrize(
    ("desired", "percents", "is_stuck"),
    [(1, (50, 150), True), (1, (100, 200), False), (2, (51, 100), True), (2, (50, 100), False), (3, (100, 133), True)],
)
def test_a_deployment_without_room_for_a_task_is_stuck(desired: int, percents: tuple[int, int], is_stuck: bool) -> None:
    """Percentages that round to the tasks that run let ECS neither start nor stop one: the deployment never ends."""
    new = deployment("worker", NOW - timedelta(minutes=9), id="ecs-svc/2", rollout="IN_PROGRESS", running=0)
    old = deployment("worker", status="ACTIVE", running=desired)
    limits = {"minimum_healthy_percent": percents[0], "maximum_percent": percents[1]}
    counts = {"desired": desired, "running": desired}
    snapshot = with_service(changed()(healthy()), "worker", deployments=(new, old), **limits, **counts)
    problems = {finding.check: finding for finding in diagnose(snapshot) if finding.services == {"worker"}}
    assert ("rollout-stuck" in problems) == is_stuck
    assert problems["not-forced"].severity == ("error" if is_stuck else "info")
    if is_stuck:
        assert problems["not-forced"].because_of == ("rollout-stuck",)
        assert "minimumHealthyPercent=100,maximumPercent=200" in problems["rollout-stuck"].remedy.command


@pytest.mark.parametrize(
    ("rollout", "ago", "pending", "is_stuck"),
    [
        ("IN_PROGRESS", 40, False, True),
        ("COMPLETED", 40, False, True),
        ("IN_PROGRESS", 40, True, True),
        ("IN_PROGRESS", 5, True, False),
        ("IN_PROGRESS", 20, False, False),
    ],
)
def test_a_service_of_which_no_task_starts_is_stuck(rollout: str, ago: int, pending: bool, is_stuck: bool) -> None:
    """ECS that creates no task, or never runs the one that it created, leaves no failed task: that is not healthy."""
    moment = NOW - timedelta(minutes=ago)
    refusal = ServiceEvent(moment, "(service worker) failed to launch a task with (error TaskDefinition is inactive).")
    new = deployment("worker", moment, rollout=rollout, running=0)
    tasks = tuple(each for each in healthy().tasks if each.service != "worker")
    waiting = task("worker", moment, deployment_id=new.id, status="PENDING", started=None)
    base = replace(healthy(), tasks=(*tasks, waiting) if pending else tasks)
    snapshot = with_service(base, "worker", deployments=(new,), events=(refusal,), running=0)
    problems = {each.check: each for each in diagnose(snapshot) if each.is_problem}
    assert problems.keys() == ({"rollout-stuck"} if is_stuck else set())
    if is_stuck:
        found = problems["rollout-stuck"]
        assert (found.severity, found.subject) == ("error", "worker")
        assert "runs 0 of 1 desired tasks" in found.evidence[0] and "TaskDefinition is inactive" in found.evidence[1]
        assert "--services worker" in found.remedy.command
        before = replace(refusal, time=moment - timedelta(seconds=1))
        [found] = run_check(CHECKS["rollout-stuck"], with_service(snapshot, "worker", events=(before,)))
        assert "inactive" not in " ".join(found.evidence)


@pytest.mark.parametrize(
    ("ago", "changes", "status"),
    [
        (6, {}, "found"),
        (4, {}, "clear"),
        (6, {"words": "failed to launch a task with (error TaskDefinition is inactive)."}, "clear"),
        (6, {"words": "has reached a steady state."}, "unknown"),
        (6, {"failed_before": 2}, "clear"),
        (6, {"task": True}, "clear"),
    ],
)
def test_a_deployment_of_which_ecs_says_nothing_is_soon_stuck(ago: int, changes: dict[str, Any], status: str) -> None:
    """ECS creates a first task within seconds; it waits for longer only after tasks have failed."""
    moment = NOW - timedelta(minutes=ago)
    words = changes.get("words", "")
    events = (ServiceEvent(moment, f"(service worker) {words}"),) if words else ()
    new = deployment("worker", moment, rollout="IN_PROGRESS", running=0)
    former = deployment("worker", status="ACTIVE", running=0, failed=changes.get("failed_before", 0))
    ended = stopped("worker", "Essential container in task exited", moment - timedelta(minutes=9))
    tasks = tuple(each for each in healthy().tasks if each.service != "worker") + (ended,) * ("task" in changes)
    deployed = {"deployments": (new, former), "events": events, "running": 0}
    [answer] = run_check(CHECKS["rollout-stuck"], with_service(replace(healthy(), tasks=tasks), "worker", **deployed))
    assert answer.status == status
    assert status != "found" or "for 5 minutes ECS has neither created" in answer.evidence[0]


@pytest.mark.parametrize(
    ("seconds", "words", "status"),
    [
        (3000, "has reached a steady state.", "unknown"),
        (20, "has started 1 tasks: (task 0123).", "clear"),
        (3000, "has started 1 tasks: (task 0123).", "found"),
    ],
)
def test_a_service_that_has_just_been_scaled_out_is_not_stuck(seconds: int, words: str, status: str) -> None:
    """ECS takes some seconds to create a task; what it said last tells whether it was asked for one before."""
    said = ServiceEvent(NOW - timedelta(seconds=seconds), f"(service worker) {words}")
    tasks = tuple(each for each in healthy().tasks if each.service != "worker")
    snapshot = with_service(replace(healthy(), tasks=tasks), "worker", running=0, events=(said,))
    [answer] = run_check(CHECKS["rollout-stuck"], snapshot)
    assert answer.status == status
    assert status != "unknown" or "desiredCount may just have been raised" in answer.evidence[0]
    # What was at rest before this deployment says nothing of it.
    later = deployment("worker", said.time + timedelta(seconds=1), running=0)
    [answer] = run_check(CHECKS["rollout-stuck"], with_service(snapshot, "worker", deployments=(later,)))
    assert answer.status == ("clear" if seconds == 20 else "found")


def without_tasks(reason: str, moved: int, **changes: object) -> Snapshot:
    """A worker of which every task failed, the last eight minutes ago, and a value that changed since."""
    tasks = tuple(each for each in healthy().tasks if each.service != "worker")
    failed = (stopped("worker", reason, NOW - timedelta(minutes=m), **changes) for m in (10, 9, 8))
    snapshot = with_service(replace(healthy(), tasks=tasks), "worker", running=0)
    return with_tasks(rotated(snapshot, NOW - timedelta(minutes=moved), SMTP_HOST="smtp.ohmycoins.test"), *failed)


def as_express(snapshot: Snapshot) -> Snapshot:
    """Let the worker be an Express service."""
    [worker] = [each for each in snapshot.services if each.name == "worker"]
    others = tuple(each for each in snapshot.services if each is not worker)
    return replace(snapshot, services=others, express_services=(replace(worker, controller="EXPRESS"),))


LONG_AGO = NOW - timedelta(hours=1)
RETRIED = deployment("worker", NOW - timedelta(minutes=1), id="ecs-svc/2", rollout="IN_PROGRESS", running=0)


@pytest.mark.parametrize(
    "snapshot",
    [
        without_tasks(EXIT, 7, **EXITED),
        without_tasks(PULL, 7),
        with_service(without_tasks(EXIT, 7, **EXITED), "worker", is_daemon=True),
        with_service(without_tasks(EXIT, 7, **EXITED), "worker", controller="CODE_DEPLOY", deployments=()),
        as_express(without_tasks(EXIT, 7, **EXITED)),
        with_service(without_tasks(EXIT, 7, **EXITED), "worker", deployments=(RETRIED,)),
        with_service(without_tasks(PULL, 7), "worker", deployments=(replace(RETRIED, failed=3),)),
        # The value changed before, and what failed was of a deployment that has ended.
        with_service(without_tasks(EXIT, 30, **EXITED), "worker", deployments=(RETRIED,)),
        with_tasks(without_tasks(PULL, 7), task("worker", NOW, status="PENDING", started=None)),
        # No failure, but again and again: nothing runs that could be looked at.
        without_tasks("Your Spot Task was interrupted.", 8, stop_code="SpotInterruption", started=LONG_AGO),
        without_tasks("The instance is impaired.", 8, stop_code="InfrastructureHealth", started=LONG_AGO),
    ],
)
def test_a_service_without_tasks_whose_stops_are_stale_is_unknown(snapshot: Snapshot) -> None:
    """Its cause may be over, but nothing shows that: the next task does."""
    findings = [each for each in diagnose(snapshot) if "worker" in each.services and each.check == "rollout-stuck"]
    [unproved] = [each for each in findings if each.status == "unknown"]
    assert unproved.subject == "worker" and not any(each.is_problem for each in findings)
    assert "worker runs 0 of 1 desired tasks" in unproved.evidence[0] and "the next task shows" in unproved.evidence[0]
    assert "stopped at 11:52:00 UTC" in unproved.evidence[-1]


WELL = NOW - timedelta(minutes=5)
REPLACED = {"status": "STOPPED", "stopped": NOW, "stopped_reason": "Scaling activity initiated by (deployment x)"}


@pytest.mark.parametrize(
    "snapshot",
    [
        with_tasks(with_service(without_tasks(EXIT, 7, **EXITED), "worker", running=1), task("worker", WELL)),
        with_tasks(with_service(without_tasks(EXIT, 7, **EXITED), "worker", desired=2), task("worker", WELL)),
        with_tasks(without_tasks(EXIT, 7, **EXITED), task("worker", WELL, **REPLACED)),
        with_service(replace(healthy(), tasks=()), "worker", running=0, deployments=(RETRIED,)),
        with_service(healthy(), "worker", desired=3),
    ],
)
def test_a_service_whose_task_has_stayed_since_is_not_in_doubt(snapshot: Snapshot) -> None:
    """A replacement is under way, or the service grows."""
    assert not [each for each in run_check(CHECKS["rollout-stuck"], snapshot) if each.status != "clear"]


def test_a_service_in_doubt_explains_nothing_of_another() -> None:
    """What is found of other services stays a root cause."""
    found = [each for each in diagnose(changed()(without_tasks(EXIT, 7, **EXITED))) if each.is_root_cause]
    assert [(each.check, each.subject) for each in found] == [("not-forced", "backend")]


def test_old_tasks_of_a_service_that_leaves_the_secret_are_named() -> None:
    """Its own revision has nothing from the secret and does not come up: former tasks serve, with what they have.

    A run of ours would not deploy it.
    """
    old, own = (definition_arn("worker", revision) for revision in (7, 8))
    began = NOW - timedelta(hours=1)
    new = deployment("worker", began, id="ecs-svc/2", task_definition_arn=own, rollout="IN_PROGRESS", running=0)
    former = deployment("worker", status="ACTIVE", task_definition_arn=old)
    without_secret = replace(task_definition("worker", (), 8), arn=own)
    snapshot = with_service(
        changed(NOW - timedelta(minutes=10))(healthy()),
        "worker",
        task_definition_arn=own,
        deployments=(new, former),
    )
    assert snapshot.former_consumers == (), "what an unread revision has is not known"
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, own: without_secret})
    assert "worker" not in snapshot.consumer_names
    found = {each.subject: each for each in run_check(CHECKS["not-forced"], snapshot)}
    assert found.keys() == {"backend", "worker"}
    assert "worker:8, does not refer to the secret" in " ".join(found["worker"].evidence)
    assert not found["worker"].remedy.runbook and "--service worker" in found["worker"].remedy.command
    before_the_change = replace(new, created=NOW - timedelta(minutes=20))
    going_on = with_service(snapshot, "worker", deployments=(before_the_change, former))
    findings = run_check(CHECKS["not-forced"], going_on)
    assert [(each.subject, each.severity) for each in findings] == [("backend", "error"), ("worker", "info")]


def test_protected_tasks_outlast_a_deployment() -> None:
    """Another one would not stop them either: the finding names their protection, and the command that ends it."""
    message = "(service worker, taskSet ecs-svc/1) was unable to scale in due to (reason 1 tasks under protection)"
    new = deployment("worker", NOW - timedelta(minutes=50), id="ecs-svc/2", rollout="IN_PROGRESS")
    snapshot = with_service(
        changed(NOW - timedelta(hours=1))(healthy()),
        "worker",
        running=2,
        deployments=(new, deployment("worker", status="ACTIVE")),
        events=(
            ServiceEvent(NOW, "(service worker) registered 1 targets in (target-group worker)"),
            ServiceEvent(NOW - timedelta(minutes=2), message.replace("reason 1", "reason 2")),
            ServiceEvent(NOW - timedelta(minutes=1), message),
        ),
    )
    found = {each.subject: each for each in run_check(CHECKS["not-forced"], snapshot)}
    [old] = [each for each in snapshot.tasks if each.service == "worker"]
    assert f"ECS says: {message}" in found["worker"].evidence and not found["worker"].remedy.runbook
    ending = f"update-task-protection --cluster ohmycoins-staging --tasks {old.id} --no-protection-enabled --region"
    assert ending in found["worker"].remedy.command
    many = with_tasks(snapshot, *(replace(old, arn=f"{old.arn}{number}") for number in range(10)))
    [finding] = [each for each in run_check(CHECKS["not-forced"], many) if each.subject == "worker"]
    assert finding.remedy.command.count("update-task-protection") == 2 and f" {old.id}9 " in finding.remedy.command
    plan = plan_fix(snapshot, diagnose(snapshot), VersionHistory(()))
    assert [each.service.name for each in plan.redeploys] == ["backend"]
    assert [each.finding.subject for each in plan.unfixed] == ["worker"]
    # New tasks with an old value need another deployment.
    lagging = replace(task("worker", NOW - timedelta(minutes=49)), deployment_id="ecs-svc/2")
    again = with_tasks(changed(NOW - timedelta(minutes=40))(snapshot), lagging)
    assert {each.remedy.runbook for each in run_check(CHECKS["not-forced"], again)} == {"rotate"}
    plan = plan_fix(again, diagnose(again), VersionHistory(()))
    assert {each.service.name for each in plan.redeploys} == {"backend", "worker"}
    long_ago = with_service(snapshot, "worker", events=(ServiceEvent(NOW - timedelta(hours=1), message),))
    assert {each.remedy.runbook for each in run_check(CHECKS["not-forced"], long_ago)} == {"rotate"}


def test_every_consumer_that_holds_the_old_value_is_named() -> None:
    """The guide redeploys backend only; the worker has a copy of its own."""
    found = run_check(CHECKS["not-forced"], changed()(healthy()))
    assert {answer.subject for answer in found} == {"backend", "worker"}
    assert not any("ExecuteCommand" in fact for answer in found for fact in answer.evidence)
    assert "--service worker --force-new-deployment" in " ".join(answer.remedy.command for answer in found)


def test_a_service_deployed_since_is_fresh() -> None:
    """Of two services the one whose tasks are newer than the version is left alone."""
    snapshot = changed()(healthy())
    newer = tuple(
        replace(old, created=NOW - timedelta(minutes=30), started=NOW - timedelta(minutes=29))
        if old.service == "backend"
        else old
        for old in snapshot.tasks
    )
    assert {a.subject for a in run_check(CHECKS["not-forced"], replace(snapshot, tasks=newer))} == {"worker"}


def test_a_key_that_a_service_does_not_inject_is_no_matter() -> None:
    """A version that changed SMTP_HOST leaves the worker's tasks fresh enough."""
    snapshot = rotated(healthy(), NOW - timedelta(hours=1), SMTP_HOST="mail.ohmycoins.test")
    assert {answer.subject for answer in run_check(CHECKS["not-forced"], snapshot)} == {"backend"}


def test_a_key_that_nobody_injects_is_no_matter() -> None:
    """A version with a key more, or the same values again, asks for no deployment."""
    assert_clear(CHECKS["not-forced"], rotated(healthy(), NOW - timedelta(hours=1), STRIPE_KEY="x" * 8))
    assert_clear(CHECKS["not-forced"], rotated(healthy(), NOW - timedelta(hours=1)))


def test_a_held_version_that_is_gone_is_stale() -> None:
    """Where the old version can no longer be read, its tasks hold something else, and the finding says so."""
    snapshot = changed()(healthy())
    without_content = replace(
        snapshot, contents={id: content for id, content in snapshot.contents.items() if id != CURRENT}
    )
    [first, _] = run_check(CHECKS["not-forced"], without_content)
    assert first.status == "found"
    assert "cannot be compared" in first.evidence[1]


def test_a_pinned_version_stays_what_it_is() -> None:
    """A variable that is pinned to a version never gets the new value, so a deployment would bring it nothing."""
    pinned = healthy()
    for name in ("backend", "worker"):
        pinned = with_reference(pinned, name, "SECRET_KEY", f"{ARN}:SECRET_KEY::{CURRENT}")
    assert_clear(CHECKS["not-forced"], changed()(pinned))


def test_a_task_that_started_across_the_write_is_undecidable() -> None:
    """Between a task's creation and its start nobody but CloudTrail knows what it read."""
    snapshot = changed(DEPLOYED + timedelta(minutes=1, seconds=20))(healthy())
    assert unknown_in(snapshot) == {"not-forced"}
    assert found_in(snapshot) == set()
    [answer, _] = run_check(CHECKS["not-forced"], snapshot)
    assert "redeploy to be sure" in answer.evidence[0]


@pytest.mark.parametrize(("seconds", "status"), [(-5, "found"), (5, "clear")])
def test_the_recorded_read_settles_it(seconds: int, status: str) -> None:
    """CloudTrail's GetSecretValue of the task itself says on which side of the write it was."""
    moment = DEPLOYED + timedelta(minutes=1, seconds=20)
    snapshot = changed(moment)(healthy())
    reads = tuple(
        event(
            "GetSecretValue",
            moment + timedelta(seconds=seconds),
            principal=f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE_NAME}/{old.id}",
        )
        for old in snapshot.tasks
    )
    current = snapshot.secret.version_at("AWSCURRENT") if snapshot.secret else ""
    with_calls = replace(snapshot, reads=reads, writes=(event("PutSecretValue", moment, current),))
    assert {answer.status for answer in run_check(CHECKS["not-forced"], with_calls)} == {status}


def test_an_edit_of_the_tags_alone_is_a_doubt_and_no_finding() -> None:
    """LastChangedDate moves on any edit; tasks started before it may still have the current version."""
    edited = with_secret(healthy(), changed=NOW - timedelta(hours=1))
    assert found_in(edited) == set()
    said = " ".join(fact for answer in run_check(CHECKS["not-forced"], edited) for fact in answer.evidence)
    assert "1 running task of worker started before the secret was last edited (LastChangedDate 2026-03-01" in said
    assert "and CloudTrail does not say which value it has: redeploy to be sure." in said
    settled = replace(edited, writes=(event("PutSecretValue", CHANGED, CURRENT),))
    assert_clear(CHECKS["not-forced"], settled)


def test_nobody_is_to_redeploy_while_new_tasks_fail() -> None:
    """An old task lacks a variable of the revision in force, whose tasks cannot start."""
    snapshot = healthy()
    old = snapshot.task_definitions[definition_arn("worker")]
    [container] = old.containers
    references = (*container.secrets, Injection("MAIL_HOST", parse(f"{ARN}:SMTP_HOST::")))
    new = replace(old, arn=definition_arn("worker", 8), containers=(replace(container, secrets=references),))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    snapshot = with_service(snapshot, "worker", task_definition_arn=new.arn)
    for make, end in (
        (lambda each: each, "redeploy to be sure."),
        (lambda each: stuck(each, "worker", "InternalError"), "redeploy to be sure, once new tasks can start."),
    ):
        [answer] = run_check(CHECKS["not-forced"], make(snapshot))
        assert answer.status == "unknown" and answer.evidence[0].endswith(end)


def test_an_edit_of_this_minute_makes_no_task_doubtful() -> None:
    """CloudTrail shows what was current when a task started, though not yet what was edited just now."""
    edited = with_secret(healthy(), changed=NOW - timedelta(minutes=1))
    written = event("PutSecretValue", CHANGED, CURRENT)
    assert_clear(CHECKS["not-forced"], replace(edited, writes=(written,)))
    other = event("UpdateSecretVersionStage", DEPLOYED - timedelta(hours=1), PREVIOUS)
    at_once = replace(other, time=CHANGED)
    late = replace(written, time=DEPLOYED + timedelta(minutes=1, seconds=20))
    for calls in ((), (written, other), (written, at_once), (late,)):
        assert unknown_in(replace(edited, writes=calls)) == {"not-forced"}
    assert unknown_in(replace(edited, writes=(written,), writes_since=DEPLOYED)) == {"not-forced"}


def test_a_stage_moved_back_makes_tasks_stale() -> None:
    """AWSCURRENT on an old version, without a new creation date, leaves tasks with what was current before."""
    moved = NOW - timedelta(hours=1)
    stages = {PREVIOUS: ("AWSCURRENT",), CURRENT: ("AWSPREVIOUS",)}
    back = with_secret(with_keys(healthy(), PREVIOUS, SECRET_KEY=secrets.token_hex(32)), stages=stages, changed=moved)
    back = replace(back, versions=tuple(replace(version, stages=stages[version.id]) for version in back.versions))
    assert found_in(back) == set()
    assert unknown_in(back) == {"not-forced"}
    snapshot = replace(back, writes=(event("UpdateSecretVersionStage", moved, PREVIOUS),))
    assert found_in(snapshot) == {"not-forced"}


def staged(snapshot: Snapshot) -> Snapshot:
    """Put a new value under a label of one's own, without making it current."""
    assert snapshot.secret
    new, at = secrets.token_hex(16), NOW - timedelta(minutes=1)
    stages = {**snapshot.secret.stages, new: ("omc-rotate",)}
    versions = (*snapshot.versions, Version(new, at, ("omc-rotate",)))
    write = event("PutSecretValue", at, new)
    return replace(with_secret(snapshot, stages=stages, changed=at), versions=versions, writes=(write,))


def test_a_version_that_is_only_staged_makes_no_task_stale() -> None:
    """Until it is current a version changes nothing; without CloudTrail nobody knows that nothing moved."""
    snapshot = staged(healthy())
    assert {freshness.by_times(snapshot, old) for old in snapshot.tasks} == {"fresh"}
    assert_clear(CHECKS["not-forced"], snapshot)
    untold = replace(snapshot, writes=None)
    assert {freshness.by_times(untold, old) for old in untold.tasks} == {"undecidable"}


def test_a_version_that_is_only_staged_makes_no_stop_stale() -> None:
    """Tasks that fail go on failing while somebody prepares a new value."""
    assert "pull-failed" in found_in(staged(failing(PULL)(healthy())))


def test_a_stop_before_the_current_version_is_stale() -> None:
    """A task that failed on the former version is no evidence against the present one."""
    old = stopped("worker", PULL, CHANGED - timedelta(minutes=5))
    assert found_in(with_tasks(healthy(), old)) == set()


def test_a_stop_of_another_deployment_is_stale() -> None:
    """A task of a deployment that has ended failed on what is gone."""
    old = stopped("worker", PULL, NOW - timedelta(minutes=5), deployment_id="ecs-svc/gone")
    assert found_in(with_tasks(healthy(), old)) == set()


def test_a_stop_before_the_service_got_well_is_over() -> None:
    """A deployment that came to its end afterwards shows that the fault was mended."""
    began = NOW - timedelta(minutes=10)
    mended = with_service(healthy(), "worker", deployments=(deployment("worker", began),))
    before, after = ([NOW - timedelta(minutes=m, seconds=s) for s in range(3)] for m in (8, 2))
    assert found_in(with_tasks(mended, *(stopped("worker", PULL, at) for at in before))) == set()
    assert found_in(with_tasks(mended, *(stopped("worker", PULL, at) for at in after))) == {"pull-failed"}


@pytest.mark.parametrize("rollout", ["COMPLETED", ""])
def test_a_task_that_died_and_was_replaced_is_no_finding(rollout: str) -> None:
    """A service with all its tasks running is well, though one or two have died since its deployment.

    Where ECS gives no rollout state, a deployment that is alone has ended.
    """
    died = [stopped("worker", EXIT, NOW - timedelta(minutes=m), **EXITED) for m in (20, 2)]
    whole = with_service(healthy(), "worker", deployments=(deployment("worker", rollout=rollout),))
    assert found_in(with_tasks(whole, *died)) == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_code": "UserInitiated", "stopped_reason": "ask of an engineer"},
        {"stop_code": "SpotInterruption", "stopped_reason": "Spot"},
        {"stop_code": "ServiceSchedulerInitiated", "stopped_reason": "Scaling activity initiated by (deployment x)"},
    ],
)
def test_a_task_that_was_stopped_on_purpose_did_not_fail(changes: dict[str, str]) -> None:
    """What somebody stopped, or a rollout replaced, is no fault."""
    ended = task("worker", status="STOPPED", stopped=NOW - timedelta(minutes=5), **changes)
    assert found_in(with_tasks(healthy(), ended)) == set()


def test_a_strangers_tasks_are_not_judged() -> None:
    """A service that does not use the secret may fail as it likes, and so may a task run by hand."""
    others = (
        stopped("frontend", EXIT, NOW, **EXITED),
        stopped("", EXIT, NOW, **EXITED),
    )
    assert found_in(with_tasks(healthy(), *others)) == set()


def test_the_cause_at_the_end_of_a_long_reason_is_kept() -> None:
    """ECS begins with many general words; what matters stands last."""
    [found] = run_check(CHECKS["pull-failed"], failing(PULL)(healthy()))
    assert "did not contain json key OPENAI_API_KEY" in found.evidence[1]


def test_what_a_message_means_is_told_where_nothing_else_explains_it() -> None:
    """Somebody who may not look at the key reads in the finding that it is disabled."""
    disabled = "Secrets Manager can't decrypt the protected secret text using the provided KMS key: it is Disabled."
    reason = f"{PULL.partition('retrieved secret')[0]}api error DecryptionFailure: {disabled}"
    [found] = run_check(CHECKS["pull-failed"], failing(reason)(healthy()))
    assert (
        "The key that encrypts the secret is disabled or has no key material, so nobody can read the secret."
        in found.evidence
    )


def test_what_never_started_is_deployed_again() -> None:
    """A task without its secrets wrote no log to look at: the remedy is another try, of the revision that failed."""
    [found] = run_check(CHECKS["pull-failed"], failing(PULL)(healthy()))
    assert "update-service" in found.remedy.command and "--service worker" in found.remedy.command
    arn = healthy().services[0].task_definition_arn.replace(":7", ":8")
    ended = stopped("backend", PULL, NOW - timedelta(minutes=6), deployment_id="ecs-svc/8", task_definition_arn=arn)
    [found] = run_check(CHECKS["pull-failed"], with_tasks(rolled_back(healthy()), ended))
    assert "--task-definition ohmycoins-staging-backend:8" in found.remedy.command
    full = with_service(rolled_back(healthy()), "backend", maximum_percent=100)
    [found] = run_check(CHECKS["pull-failed"], with_tasks(full, ended))
    assert "backend:8 --deployment-configuration minimumHealthyPercent=100,maximumPercent=200" in found.remedy.command


@pytest.mark.parametrize(
    ("key", "reason", "severity"),
    [
        ("NEWS_API_KEY", PULL, "warning"),
        ("NEWS_API_KEY", EXIT, "warning"),
        ("SECRET_KEY", PULL, "info"),
        ("NEWS_API_KEY", IMAGE, "info"),
        ("NEWS_API_KEY", START, "info"),
    ],
)
def test_a_rollback_is_over_once_the_revision_is_deployed_that_has_the_key(
    key: str, reason: str, severity: str
) -> None:
    """The key came after the rollback: the tasks that run never get it, and new ones of their revision would not.

    A revision whose image is gone fails again.
    """
    began = NOW - timedelta(minutes=6)
    snapshot = rolled_back(with_keys(healthy(), NEWS_API_KEY=secrets.token_hex(16)))
    newer = task_definition("backend", ("SECRET_KEY", key), revision=8)
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, newer.arn: newer})
    how: Any = EXITED if reason == EXIT else {}
    ended = stopped("backend", reason, began, deployment_id="ecs-svc/8", task_definition_arn=newer.arn, **how)
    snapshot = rotated(with_tasks(snapshot, ended), NOW - timedelta(minutes=4))
    snapshot = with_tasks(snapshot, ended, *(task(name, NOW - timedelta(minutes=3)) for name in ("backend", "worker")))
    [found] = [each for each in run_check(CHECKS["breaker-rollback"], snapshot) if each.subject == "backend"]
    assert found.severity == severity
    assert ("--task-definition ohmycoins-staging-backend:8" in found.remedy.command) is (severity == "warning")
    assert plan_fix(replace(snapshot, network=by_nat()), [found], VersionHistory(())).is_empty


def test_a_rollout_without_failures_is_on_its_way() -> None:
    """A deployment that is in progress and loses no task is not stuck."""
    going = deployment("worker", NOW - timedelta(minutes=1), rollout="IN_PROGRESS", rollout_reason="", running=0)
    assert found_in(with_service(healthy(), "worker", deployments=(going, deployment("worker", status="ACTIVE")))) == (
        set()
    )


def test_a_failed_deployment_is_the_breakers() -> None:
    """A deployment that the breaker stopped without a rollback counts as well."""
    failed = deployment(
        "worker", NOW - timedelta(minutes=9), rollout="FAILED", rollout_reason="ECS deployment circuit breaker: tasks"
    )
    assert found_in(with_service(healthy(), "worker", deployments=(failed,))) == {"breaker-rollback"}


def test_a_failed_deployment_with_nothing_to_go_back_to_needs_a_new_one() -> None:
    """Its cause may be fixed, but ECS waits for somebody to deploy: there is no next task that would show it."""
    with_failures = stuck(healthy(), "worker", PULL)
    new = next(each.deployments[0] for each in with_failures.services if each.name == "worker")
    failed = (replace(new, rollout="FAILED", rollout_reason="ECS deployment circuit breaker: tasks failed to start."),)
    down = with_service(with_failures, "worker", deployments=failed, running=0)
    down = replace(down, tasks=tuple(each for each in down.tasks if each.stopped or each.owner != "worker"))
    mended = rotated(down, NOW - timedelta(seconds=30), OPENAI_API_KEY="sk-" + "0" * 20)
    [found] = [each for each in diagnose(mended) if each.is_root_cause and each.services == {"worker"}]
    assert (found.check, found.severity) == ("breaker-rollback", "error")
    assert found.remedy.command.startswith("aws ecs update-service") and "only a new deployment" in str(found.evidence)
    assert "rollout-stuck" not in unknown_in(mended)
    # While what failed is still so, its cause has the remedy.
    assert "only a new deployment" not in str([each.evidence for each in diagnose(down)])


FAILED = deployment("worker", NOW - timedelta(minutes=12), id="ecs-svc/2", rollout="FAILED", running=0)


def test_a_failed_deployment_of_which_the_value_was_corrected_needs_a_new_one() -> None:
    """Whatever its tasks ended of: none of them has had the present value."""
    down = with_service(without_tasks(EXIT, 7, **EXITED), "worker", deployments=(FAILED,))
    [found] = [each for each in diagnose(down) if each.is_root_cause and each.services == {"worker"}]
    assert (found.check, found.severity) == ("breaker-rollback", "error")
    assert found.remedy.command.startswith("aws ecs update-service") and "only a new deployment" in str(found.evidence)


def test_a_failed_deployment_that_ecs_takes_back_needs_no_new_one() -> None:
    """ECS starts the former revision's tasks by itself."""
    back = service_deployment("worker", 2, NOW - timedelta(minutes=12), "ROLLBACK_IN_PROGRESS")
    down = with_service(without_tasks(PULL, 7), "worker", deployments=(replace(FAILED, rollout=""),))
    services = (each.with_service_deployments((back,) * (each.name == "worker")) for each in down.services)
    findings = diagnose(replace(down, services=tuple(services)))
    assert "only a new deployment" not in str([each.evidence for each in findings])
    assert "rollout-stuck" in {each.check for each in findings if each.status == "unknown"}


def test_a_failed_express_service_without_tasks_is_not_clear() -> None:
    """No other check looks at its deployments."""
    down = with_service(without_tasks(EXIT, 7, **EXITED), "worker", deployments=(FAILED,))
    assert "rollout-stuck" in unknown_in(as_express(down))


def test_a_consumer_without_own_references_is_never_stale() -> None:
    """The main service counts as a consumer, but holds nothing when it injects nothing."""
    bare = changed()(healthy())
    plain = replace(
        bare,
        task_definitions={
            arn: replace(old, containers=(replace(old.containers[0], secrets=()),)) if "backend" in arn else old
            for arn, old in bare.task_definitions.items()
        },
    )
    assert {answer.subject for answer in run_check(CHECKS["not-forced"], plain)} == {"worker"}


def test_a_namesakes_failures_are_not_this_services() -> None:
    """A task that failed before the service was created again is no evidence of what the service tried."""
    snapshot = stuck(healthy(), "worker", "ResourceInitializationError: unable to pull secrets")
    [worker] = [service for service in snapshot.services if service.name == "worker"]
    assert snapshot.last_failed(replace(worker, deployments=(), created=NOW - timedelta(days=30))) is not None
    assert snapshot.last_failed(replace(worker, deployments=(), created=NOW)) is None


@pytest.mark.parametrize("controller", ["ECS", "EXTERNAL", "CODE_DEPLOY"])
def test_no_tasks_are_found_whoever_deploys_the_service(controller: str) -> None:
    """UpdateService sets desiredCount for each of these controllers."""
    deployments = {"deployments": ()} if controller != "ECS" else {}
    snapshot = with_service(healthy(), "worker", controller=controller, desired=0, running=0, **deployments)
    snapshot = replace(snapshot, tasks=tuple(each for each in snapshot.tasks if each.service != "worker"))
    [answer] = run_check(CHECKS["desired-zero"], snapshot)
    assert (answer.status, answer.subject) == ("found", "worker")
    assert "update-service" in answer.remedy.command and "--desired-count 1" in answer.remedy.command
    by_id = {each.check: each for each in diagnose(snapshot)}
    assert by_id["desired-zero"].is_root_cause


@pytest.mark.parametrize(("seconds", "standing"), [(-1, "stale"), (0, "undecidable"), (1, "fresh")])
def test_cloudtrails_whole_seconds_decide_nothing_within_them(seconds: int, standing: str) -> None:
    """A read that CloudTrail dates to the second in which the version came can have been before or after."""
    second = NOW.replace(microsecond=0) - timedelta(minutes=5)
    snapshot = rotated(healthy(), second + timedelta(milliseconds=500), SECRET_KEY=secrets.token_hex(32))
    [running] = snapshot.running(next(service for service in snapshot.services if service.name == "worker"))
    read = event(
        "GetSecretValue", second + timedelta(seconds=seconds), principal=f"arn:aws:sts::1:assumed-role/r/{running.id}"
    )
    assert freshness.by_times(replace(snapshot, reads=(read,)), running) == standing


def running_family(name: str, family: str) -> Snapshot:
    """A snapshot in which a service, under a name, runs another family."""
    arn = definition_arn("backend").replace("ohmycoins-staging-backend", family)
    services = tuple(
        replace(old, name=name, task_definition_arn=arn) if old.name == "worker" else old for old in healthy().services
    )
    return replace(healthy(), services=services)


def test_services_may_share_a_family() -> None:
    """A variant of a service may run its family, and a family that is named after none tells nothing."""
    for name, family in (
        ("backend-slow", "ohmycoins-staging-backend"),
        ("SlowBackend", "ohmycoins-staging-backend"),
        ("worker", "ohmycoins-staging-tasks"),
    ):
        assert_clear(CHECKS["other-definition"], running_family(name, family))
    # The longest name counts: this family is the report-worker's own.
    named = replace(
        running_family("report-worker", "x-report-worker"), services=(service("worker"), service("report-worker"))
    )
    assert_clear(CHECKS["other-definition"], named)


def test_another_services_family_is_an_error_where_tasks_fail() -> None:
    """While tasks run it is a warning; what to go back to follows from earlier tasks, else from names."""
    [found] = run_check(CHECKS["other-definition"], FAULTS["other-definition"].make(healthy()))
    assert found.severity == "warning" and "it ran ohmycoins-staging-worker:7 before" in found.evidence[1]
    assert "--task-definition ohmycoins-staging-worker:7" in found.remedy.command
    failing_tasks = stuck(FAULTS["other-definition"].make(healthy()), "worker", EXIT, **EXITED)
    failing_tasks = with_service(failing_tasks, "worker", task_definition_arn=definition_arn("backend"))
    [found] = run_check(CHECKS["other-definition"], failing_tasks)
    assert found.severity == "error"
    assert [each.check for each in diagnose(failing_tasks) if each.is_root_cause] == ["other-definition"]
    main = replace(with_service(healthy(), "backend", task_definition_arn=definition_arn("worker")), tasks=())
    [found] = run_check(CHECKS["other-definition"], main)
    assert "--task-definition ohmycoins-staging-backend " in found.remedy.command
    names = main.environment.names.model_copy(update={"task_family": "api"})
    former = task("backend", task_definition_arn=definition_arn("backend").replace("ohmycoins-staging-backend", "api"))
    named = replace(main, environment=replace(main.environment, names=names), tasks=(former,))
    [found] = run_check(CHECKS["other-definition"], named)
    assert "--task-definition api:7 " in found.remedy.command
    # The keys that only its own task definition refers to are no fault of their own.
    assert [each.check for each in diagnose(main) if each.is_root_cause] == ["other-definition"]


def test_a_family_that_nobody_has_seen_is_in_no_command() -> None:
    """Names suggest a family that may not exist, and ECS takes no task definition where another controller deploys."""
    snapshot = FAULTS["other-definition"].make(healthy())
    own = definition_arn("worker")
    unseen = replace(
        snapshot,
        tasks=tuple(each for each in snapshot.tasks if each.service != "worker"),
        task_definitions={arn: each for arn, each in snapshot.task_definitions.items() if arn != own},
    )
    [found] = run_check(CHECKS["other-definition"], unseen)
    assert found.remedy.command == "Let worker run a task definition of its own, and deploy that."
    [found] = run_check(CHECKS["other-definition"], with_service(snapshot, "worker", controller="CODE_DEPLOY"))
    assert found.remedy.command.startswith("Let worker run ohmycoins-staging-worker:7, and start a CodeDeploy")


@pytest.mark.parametrize("status", ["SUCCESSFUL", "IN_PROGRESS"])
def test_a_blue_green_service_that_is_well_is_clear(status: str) -> None:
    """It has no rolloutState; its service deployments say that nothing is wrong."""
    assert found_in(deployed(healthy(), "backend", status, "BAKE_TIME")) == set()


def test_a_deployment_that_waits_for_a_hook_is_not_stuck() -> None:
    """Before its hook has answered, ECS starts no task, however long that takes."""
    waiting = deployed(healthy(), "backend", "IN_PROGRESS", "PRE_SCALE_UP")
    waiting = replace(waiting, tasks=tuple(each for each in waiting.tasks if each.service != "backend"))
    began = deployment("backend", NOW - timedelta(minutes=40), rollout="", rollout_reason="")
    assert found_in(with_service(waiting, "backend", running=0, deployments=(began,))) == set()


def test_old_tasks_of_a_baking_deployment_are_being_replaced() -> None:
    """They serve until the bake ends, however long that is, and no remedy forces another deployment."""
    began = NOW - timedelta(minutes=10)
    snapshot = deployed(changed(began - timedelta(minutes=1))(healthy()), "backend", "IN_PROGRESS", "BAKE_TIME")
    snapshot = with_tasks(snapshot, task("backend", began, deployment_id="ecs-svc/2"))
    later = replace(snapshot, taken=NOW + timedelta(hours=1))
    for each in (snapshot, later):
        answers = [answer for answer in run_check(CHECKS["not-forced"], each) if answer.subject == "backend"]
        assert [answer.severity for answer in answers] == ["info"]
        assert "BAKE_TIME, 100 % of the traffic" in answers[0].evidence[-1]


def test_a_rolled_back_blue_green_deployment_is_found_with_its_reason() -> None:
    """The alarm, hook or person that ECS names."""
    snapshot = deployed(healthy(), "backend", "ROLLBACK_SUCCESSFUL", reason="Alarm errors is in ALARM.")
    [found] = [answer for answer in run_check(CHECKS["breaker-rollback"], snapshot) if answer.is_problem]
    assert found.evidence[0] == "Deployment ecs-svc/2 of backend is ROLLBACK_SUCCESSFUL: Alarm errors is in ALARM."
    # No task failed, so that the service's log says nothing.
    assert "--service backend --force-new-deployment" in found.remedy.command


@pytest.mark.parametrize(("minutes", "severity"), [(5, "info"), (20, "error")])
def test_a_deployment_that_was_taken_back_with_its_version_is_a_remark(minutes: int, severity: str) -> None:
    """The tasks that serve have the values that are current again; one that began after them failed with these."""
    moved = rotated(healthy(), NOW - timedelta(minutes=minutes))
    snapshot = deployed(moved, "backend", "ROLLBACK_SUCCESSFUL", reason="It was stopped.")
    [backend] = [service for service in snapshot.services if service.name == "backend"]
    returned = tuple(replace(each, updated=NOW) for each in backend.deployments)
    snapshot = with_service(snapshot, "backend", deployments=returned)
    [found] = [answer for answer in run_check(CHECKS["breaker-rollback"], snapshot) if answer.status == "found"]
    assert found.severity == severity


@pytest.mark.parametrize("status", ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED", "STOP_REQUESTED"])
def test_a_deployment_of_the_present_version_that_was_taken_back_is_an_error(status: str) -> None:
    """The deployment that serves on came to its end long before, with the version of then."""
    snapshot = deployed(rotated(healthy(), NOW - timedelta(minutes=20)), "backend", status, reason="An alarm.")
    former = deployment("backend")
    failed = deployment("backend", NOW - timedelta(minutes=10), id="ecs-svc/2", status="ACTIVE", rollout="FAILED")
    assert former.updated < NOW - timedelta(days=1)
    snapshot = with_service(snapshot, "backend", deployments=(former, failed))
    [found] = [answer for answer in run_check(CHECKS["breaker-rollback"], snapshot) if answer.status == "found"]
    assert found.severity == "error"


@pytest.mark.parametrize(("began", "found"), [(6, set()), (4, {"task-exits"})])
def test_a_task_of_a_deployment_that_was_taken_back_may_exit_late(began: int, found: set[str]) -> None:
    """It had the withdrawn values if it began before they were; that it took its time to exit says nothing new."""
    moved = rotated(healthy(), NOW - timedelta(minutes=5))
    snapshot = deployed(moved, "backend", "ROLLBACK_SUCCESSFUL", reason="It was stopped.")
    start = NOW - timedelta(minutes=began)
    dead = stopped("backend", EXIT, NOW - timedelta(minutes=3), deployment_id="ecs-svc/2", **EXITED)
    dead = replace(dead, created=start)
    assert found_in(with_tasks(snapshot, dead)) & {"task-exits"} == found


def test_what_may_not_be_read_of_a_blue_green_deployment_is_unknown() -> None:
    """With the permission named; old tasks beside new ones are no error then."""
    began = NOW - timedelta(minutes=10)
    changed_snapshot = changed(began - timedelta(minutes=1))(healthy())
    new = deployment("backend", began, id="ecs-svc/2", rollout="")
    old = deployment("backend", rollout="", status="ACTIVE")
    snapshot = with_service(changed_snapshot, "backend", deployments=(new, old))
    snapshot = with_tasks(snapshot, task("backend", began, deployment_id="ecs-svc/2"))
    gap = ReadFailure("deployments", "ecs:ListServiceDeployments", "AccessDeniedException", "denied")
    snapshot = replace(snapshot, gaps={"service_deployments": (gap,)})
    assert unknown_in(snapshot) == {"rollout-stuck", "breaker-rollback", "deployment-paused"}
    [found] = [answer for answer in run_check(CHECKS["not-forced"], snapshot) if answer.subject == "backend"]
    assert found.severity == "info"


@pytest.mark.parametrize(("desired", "severity"), [(0, "info"), (2, "warning"), (None, "warning")])
def test_no_tasks_are_a_remark_where_terraform_says_so(desired: int | None, severity: str) -> None:
    """A count that Terraform leaves to something else, or sets otherwise, is no remark."""
    backend = DeclaredService(
        name="backend", sources=("main.tf:1",), desired=desired, desired_source="staging/main.tf:7"
    )
    declared = DeclaredEnvironment(
        environment="staging", base="", folders=("staging",), names={}, reasons={}, services=(backend,)
    )
    snapshot = replace(with_service(healthy(), "backend", desired=0), declared=declared)
    [found] = run_check(CHECKS["desired-zero"], snapshot)
    assert found.severity == severity
    assert ("Terraform sets desired_count = 0 (staging/main.tf:7)." in found.evidence) is (desired == 0)


def test_a_hooks_refusal_is_told_with_its_functions_log() -> None:
    """Where a lifecycle hook's function refused a deployment, its log says why, in whichever group that is."""
    target = "arn:aws:lambda:ap-southeast-2:123456789012:function:smoke-test"
    reason = (
        "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed. "
        f"Lifecycle hook target {target} returned FAILED status."
    )
    [found] = run_check(
        CHECKS["breaker-rollback"], deployed(healthy(), "backend", "ROLLBACK_SUCCESSFUL", reason=reason)
    )
    assert found.remedy.command == (
        'aws logs tail "$(aws lambda get-function-configuration --function-name smoke-test'
        ' --query LoggingConfig.LogGroup --output text --region ap-southeast-2)" --since 30m --region ap-southeast-2'
    )


@pytest.mark.parametrize(
    ("cause", "key", "value"),
    [
        ("changethis", "SECRET_KEY", "changethis"),
        ("null", "SECRET_KEY", None),
        ("empty", "SECRET_KEY", ""),
        ("bad-copy", "SMTP_PASSWORD", "\0abc"),
        ("wrong-form", "FIRST_SUPERUSER", "nobody"),
        ("key-misspelt", "SECRET_KEY", ...),
    ],
)
def test_an_old_value_is_the_consequence_of_a_faulty_new_one(cause: str, key: str, value: object) -> None:
    """What new tasks would get has to be right first: until then no remedy redeploys."""
    snapshot = rotated(healthy(), NOW - timedelta(hours=1), **{key: secrets.token_hex(32) if value is ... else value})
    assert snapshot.current
    if value is ...:
        misspelt = {f"{name}S" if name == key else name: text for name, text in document(snapshot).items()}
        snapshot = with_values(snapshot, misspelt, snapshot.current.version_id)
    findings = with_remedies_of_causes(diagnose(snapshot))
    assert {each.check for each in findings if each.is_root_cause} == {cause}
    [backend] = [each for each in findings if (each.check, each.subject) == ("not-forced", "backend")]
    [fault] = [each for each in findings if each.check == cause and each.is_problem]
    assert backend.because_of == (cause,) and backend.remedy == fault.remedy


def test_an_old_value_is_a_cause_of_its_own_beside_a_fault_of_another_key() -> None:
    """A fault of a key that a service does not read, or that its tasks have already, explains no old value."""
    both = rotated(healthy(), NOW - timedelta(hours=1), FIRST_SUPERUSER="nobody", SECRET_KEY=secrets.token_hex(32))
    causes = {each.subject: each.because_of for each in diagnose(both) if each.check == "not-forced"}
    assert causes == {"backend": ("wrong-form",), "worker": ()}
    deployed_before = with_keys(healthy(), FIRST_SUPERUSER="nobody")
    later = rotated(deployed_before, NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    assert {each.check for each in diagnose(later) if each.is_root_cause} == {"wrong-form", "not-forced"}


def test_a_rollout_is_explained_by_its_own_services_tasks() -> None:
    """Those of another service may fail of something else."""
    worker = stuck(healthy(), "worker", "CannotPullContainerError: pull image manifest has been retried 1 time(s)")
    both = stuck(worker, "backend", "Essential container in task exited")
    alone, *others = (
        [each for each in run_check(CHECKS["rollout-stuck"], snapshot) if each.subject == "worker"]
        for snapshot in (worker, both)
    )
    assert alone and others == [alone]


def test_a_former_version_that_could_not_be_read_is_not_said_to_be_gone() -> None:
    """The tasks are stale anyway, and by which keys is unknown."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=10), SECRET_KEY=secrets.token_hex(32))
    contents = {snapshot.current_id: snapshot.contents[snapshot.current_id]}
    found, *_ = run_check(CHECKS["not-forced"], replace(snapshot, contents=contents))
    evidence = " ".join(found.evidence)
    assert "gone or could not be read" in evidence and "no longer exists" not in evidence


def test_an_express_service_that_was_rolled_back_is_named_with_its_revision() -> None:
    """UpdateExpressGatewayService takes a task definition, too, and UpdateService is refused."""
    old = task_definition("shop", ("SECRET_KEY",), 3)
    new = task_definition("shop", ("SECRET_KEY", "NEW_KEY", "NEW_TOKEN"), 4)
    began = NOW - timedelta(minutes=20)
    back = deployment("shop", began, id="back", task_definition_arn=old.arn, rollout_reason="rolling back to back.")
    shop = replace(service("shop"), controller=EXPRESS, task_definition_arn=old.arn, deployments=(back,))
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: did not contain json key NEW_KEY"
    failed = stopped("shop", reason, began, deployment_id="new", task_definition_arn=new.arn)
    snapshot = replace(with_tasks(healthy(), failed), express_services=(shop,))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, old.arn: old, new.arn: new})
    found = {each.check: each for each in diagnose(snapshot) if each.status == "found"}
    assert found["breaker-rollback"].because_of == ("key-missing", "pull-failed")
    deploys = f"update-express-gateway-service --service-arn {shop.arn} --task-definition-arn {new.arn} "
    for check in ("key-missing", "pull-failed"):
        assert found[check].services == {"shop"} and deploys in found[check].remedy.command
    assert "only ohmycoins-staging-shop:4 refers to it" in found["key-missing"].evidence[-1]
    assert found["key-missing"].remedy.order.startswith("Start tasks last: those of shop may fail until key-missing")
    never_failed = replace(snapshot, tasks=healthy().tasks, express_services=(replace(shop, deployments=()),))
    assert [each for each in diagnose(never_failed) if each.is_problem] == []


def test_what_an_alarm_or_a_person_took_back_is_deployed_again_and_not_what_it_replaced() -> None:
    """Its own tasks tell of its revision; where none is left, the remedy says what its command deploys.

    No log tells why a person stopped one, which leaves its revision in force.
    """
    snapshot = deployed(healthy(), "backend", "ROLLBACK_SUCCESSFUL", reason="Alarm errors is in ALARM.")
    own = task(
        "backend",
        deployment_id="ecs-svc/2",
        task_definition_arn=definition_arn("backend", 8),
        status="STOPPED",
        stopped=NOW - timedelta(minutes=2),
        stop_code="ServiceSchedulerInitiated",
        stopped_reason="Scaling activity initiated by deployment ecs-svc/2",
    )
    for found, revision in (
        (with_tasks(snapshot, own), "--task-definition ohmycoins-staging-backend:8 "),
        (snapshot, ""),
    ):
        [finding] = run_check(CHECKS["breaker-rollback"], found)
        assert f"--service backend {revision}--force-new-deployment" in finding.remedy.command
        assert ("tasks of the revision in force" in finding.remedy.needs) is not bool(revision)
        assert "once the reason for the rollback is gone" in finding.remedy.needs
    new = replace(task_definition("backend", ("SECRET_KEY",), 8), status="INACTIVE")
    gone = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    [finding] = run_check(CHECKS["breaker-rollback"], with_tasks(gone, own))
    assert "no new task of ohmycoins-staging-backend:8, which is INACTIVE: register it again" in finding.remedy.needs
    for status in ("STOPPED", "STOP_REQUESTED"):
        halted = deployed(healthy(), "backend", status, reason="User requested stop deployment.")
        [finding] = run_check(CHECKS["breaker-rollback"], halted)
        assert "--service backend --force-new-deployment" in finding.remedy.command and not finding.remedy.needs
        assert f" of backend is {status}: User requested stop deployment." in finding.evidence[0]
    tripped = deployed(healthy(), "backend", "STOPPED", reason="Deployment circuit breaker threshold was exceeded.")
    [finding] = run_check(CHECKS["breaker-rollback"], tripped)
    assert "--force-new-deployment" not in finding.remedy.command
