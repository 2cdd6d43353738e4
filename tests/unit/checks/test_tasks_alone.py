"""Tasks that run outside a service: what they read, why they stop, and what they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import Any

import pytest
from support.check_assertions import assert_clear, by_id
from support.faults.deployment import EXIT, PULL
from support.snapshots import (
    ACCOUNT,
    NOW,
    ROLE,
    definition_arn,
    healthy,
    simulated,
    stopped,
    task,
    task_definition,
    with_definition,
    with_proxy,
    with_tasks,
    without_key,
)

from omc_runbook.aws.definitions import Injection, container_of
from omc_runbook.aws.ecs import Task, TaskContainer
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.checks import deployment, reference
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.diagnosis.complaint import read_complaint
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.findings import Finding
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.state import Snapshot

[LONE_TASK] = (check for check in checks_of(deployment) if check.id == "lone-task")
CHECKS = by_id(checks_of(reference))
JOB = "ohmycoins-staging-job (run alone)"
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/job-execution"


def world(*tasks: Task, key: str = "OPENAI_API_KEY", role: str = ROLE) -> Snapshot:
    """A healthy environment in which tasks of a family of their own read the secret."""
    definition = replace(task_definition("job", (key,)), execution_role_arn=role)
    snapshot = with_tasks(healthy(), *tasks)
    return replace(snapshot, task_definitions={**snapshot.task_definitions, definition.arn: definition})


def alone(task: Task) -> Task:
    """The same task outside a service."""
    return replace(task, service="", deployment_id="")


def failed(reason: str, minutes: int = 5, **changes: Any) -> Task:
    """A task of the family that failed some minutes ago."""
    return alone(stopped("job", reason, NOW - timedelta(minutes=minutes), **changes))


def ended(code: int, minutes: int = 5) -> Task:
    """A task of the family that ran and exited with a code."""
    at = NOW - timedelta(minutes=minutes)
    containers = (TaskContainer("job", code, ""),)
    return failed(
        EXIT, minutes, started=at - timedelta(minutes=1), stop_code="EssentialContainerExited", containers=containers
    )


def problems(snapshot: Snapshot) -> dict[str, Finding]:
    """What is wrong, by check."""
    return {finding.check: finding for finding in diagnose(snapshot) if finding.is_problem}


def test_healthy_tasks() -> None:
    """Tasks that run with the current value, came to their end, or failed before others succeeded are no finding."""
    for tasks in (
        [alone(task("job", NOW - timedelta(hours=1)))],
        [ended(0)],
        [ended(1)],
        [failed(PULL, minutes=30), alone(task("job", NOW - timedelta(minutes=10)))],
        [ended(1, minutes=30), ended(0, minutes=10)],
    ):
        assert problems(world(*tasks)) == {}


def test_a_task_that_could_not_start_is_found_with_its_cause() -> None:
    """A key that only the job's definition names is missing for the job, and explains why its task stopped."""
    found = problems(world(failed(PULL), key="JOB_TOKEN"))
    assert set(found) == {"key-missing", "pull-failed"}
    assert found["key-missing"].services == found["pull-failed"].services == {JOB}
    assert found["pull-failed"].because_of == ("key-missing",)
    assert "aws ecs run-task" in found["pull-failed"].remedy.command


def test_a_missing_key_names_the_job_beside_the_services() -> None:
    """Whoever reads a key is named with it, in a service or not."""
    found = problems(without_key(world(alone(task("job"))), "OPENAI_API_KEY"))
    assert found["key-missing"].services == {"backend", "worker", JOB}


def test_a_refused_password_counts_for_a_job_too() -> None:
    """A job that ran is named where its log says that a value was refused."""
    job = ended(1)
    line = 'The log of job says: FATAL: password authentication failed for user "app"'
    snapshot = replace(world(job, key="POSTGRES_PASSWORD"), log_lines={job.id: (line,)})
    found = problems(snapshot)
    assert found["store-only"].services == {JOB} and found["task-exits"].because_of == ("store-only",)


def test_a_role_of_its_own_is_judged() -> None:
    """The execution role of a job counts as those of services do."""
    snapshot = world(failed("ResourceInitializationError: x"), role=OTHER_ROLE)
    denied = replace(snapshot, permissions={**snapshot.permissions, OTHER_ROLE: simulated("implicitDeny")})
    found = problems(denied)
    assert found["no-permission"].subject == "job-execution" and found["no-permission"].services == {JOB}


def test_an_old_value_is_found() -> None:
    """A task older than the current version has the former value, and no deployment will replace it."""
    job = alone(task("job", NOW - timedelta(days=20)))
    found = problems(world(job))
    assert set(found) == {"lone-task"} and found["lone-task"].subject == job.id[:8]


def test_a_complaint_about_a_task_is_about_its_owner() -> None:
    """Naming a task brings the findings of its service, or of its family, to the top."""
    snapshot = world(failed(PULL), key="JOB_TOKEN")
    [job] = [each for each in snapshot.tasks if not each.service]
    assert read_complaint(task=job.id).about(snapshot).service == JOB
    of_service = next(each for each in snapshot.tasks if each.service == "worker")
    assert read_complaint(task=of_service.id).about(snapshot).service == "worker"
    assert read_complaint(service="backend", task=job.id).about(snapshot).service == "backend"
    assert definition_arn("job") in snapshot.task_definitions


def test_what_a_schedule_starts_is_judged_before_it_runs() -> None:
    """A revision that only EventBridge starts, and that refers to a key that is gone, is named with what starts it."""
    snapshot = world(key="MAILER_TOKEN")
    [job] = [definition.arn for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    assert problems(snapshot) == {}
    scheduled = replace(snapshot, scheduled=(ScheduledTask("schedule nightly", job),))
    [found] = problems(scheduled).values()
    assert (found.check, found.services) == ("key-missing", {"schedule nightly"})
    assert found.evidence[0] == "MAILER_TOKEN is referenced by schedule nightly."


def test_what_a_schedule_starts_needs_an_execution_role_too() -> None:
    """Without one ECS can read no secret for it, and no task shows that."""
    snapshot = world(role="")
    [job] = [definition.arn for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    [found] = problems(replace(snapshot, scheduled=(ScheduledTask("schedule nightly", job),))).values()
    assert (found.check, found.services) == ("role-absent", {"schedule nightly"})


def test_what_a_proxy_reads_needs_an_execution_role_too() -> None:
    """Its task definition alone refers to nothing."""
    snapshot = with_definition(healthy(), "frontend", lambda old: replace(old, execution_role_arn=""))
    assert not problems(snapshot)
    [found] = problems(with_proxy(snapshot, "frontend", "SECRET_KEY")).values()
    assert (found.check, found.services) == ("role-absent", {"frontend"})
    assert found.evidence[0].endswith(
        "has no executionRoleArn: ECS needs one for the Service Connect proxy of frontend."
    )


def test_a_task_definition_of_a_service_and_a_schedule_is_named_once() -> None:
    """It is corrected once, whoever starts it."""
    snapshot = with_definition(healthy(), "worker", lambda old: replace(old, execution_role_arn=""))
    [arn] = [service.task_definition_arn for service in snapshot.services if service.name == "worker"]
    found = [
        each
        for each in diagnose(replace(snapshot, scheduled=(ScheduledTask("schedule nightly", arn),)))
        if each.is_problem
    ]
    assert [(each.check, each.services) for each in found] == [("role-absent", {"worker", "schedule nightly"})]


def test_a_reference_of_what_a_schedule_starts_is_corrected_at_its_own_source() -> None:
    """Not where the services' task definitions come from."""
    snapshot = world(key="secret_key")
    [job] = [definition for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    revisions = {**snapshot.task_definitions, job.arn: replace(job, stack="jobs")}
    scheduled = (ScheduledTask("schedule nightly", job.arn),)
    [found] = problems(replace(snapshot, task_definitions=revisions, scheduled=scheduled)).values()
    assert found.check == "key-case"
    assert found.remedy.command.startswith("In what makes the CloudFormation stack jobs (")
    assert ":SECRET_KEY::" in found.remedy.command


def test_a_schedule_of_a_revision_that_was_deregistered_is_found() -> None:
    """ECS refuses to run it, so that no task fails and none shows it; what has none of the secret does not count."""
    first = world()
    [job] = [definition for definition in first.task_definitions.values() if definition.family.endswith("-job")]
    for definition, ids in ((job, {"lone-task"}), (replace(job, containers=()), set[str]())):
        revisions = {**first.task_definitions, job.arn: replace(definition, status="INACTIVE")}
        snapshot = replace(first, task_definitions=revisions, scheduled=(ScheduledTask("schedule nightly", job.arn),))
        found = problems(snapshot)
        assert set(found) == ids
        for finding in found.values():
            assert finding.subject == "schedule nightly" and f"{job.label}, which is INACTIVE" in finding.evidence[0]
            assert "ACTIVE revision" in finding.remedy.command


def test_schedules_that_may_not_be_read_are_unknown() -> None:
    """With the permission that is missing."""
    refused = ReadFailure("EventBridge's rules", "events:ListRuleNamesByTarget", "AccessDeniedException", "denied")
    [found] = run_check(LONE_TASK, replace(healthy(), gaps={"scheduled": (refused,)}))
    assert found.status == "unknown" and "events:ListRuleNamesByTarget" in found.evidence[0]
    policy = json.loads(permissions.policy(replace(healthy(), gaps={"scheduled": (refused,)})))
    [statement] = policy["Statement"]
    assert statement["Action"] == ["events:DescribeRule", "events:ListRuleNamesByTarget", "events:ListTargetsByRule"]


@pytest.mark.parametrize(
    ("origin", "members", "name", "call"),
    [
        ("schedule nightly", {"environment": "JOB_TOKEN"}, "JOB_TOKEN", "scheduler:GetSchedule"),
        ("rule nightly", {"command": "run --token"}, "command", "events:ListTargetsByRule"),
    ],
)
def test_a_secret_that_a_schedule_gives_a_container_is_found(
    origin: str, members: dict[str, str], name: str, call: str
) -> None:
    """In plain text, by its name or form; not where no key of the environment's secret is there too."""
    snapshot, token = world(), f"sk-{token_hex(20)}"
    [job] = [definition for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    raw = {
        field: [{"name": text, "value": token}] if field == "environment" else [*text.split(), token]
        for field, text in members.items()
    }
    scheduled = (ScheduledTask(origin, job.arn, (container_of({"name": "job", **raw}),)),)
    [found] = problems(replace(snapshot, scheduled=scheduled)).values()
    assert (found.check, found.subject, found.severity) == ("plain-secret", f"{origin} job {name}", "warning")
    assert found.services == {origin} and found.evidence[0].endswith(f"everybody who may call {call} can read it.")
    assert f" the containerOverrides of {origin}." in found.remedy.command and token not in repr(found)
    revisions = {**snapshot.task_definitions, job.arn: replace(job, containers=())}
    assert problems(replace(snapshot, task_definitions=revisions, scheduled=scheduled)) == {}


def test_a_schedule_that_gives_what_the_secret_gives_is_told_to_leave_it_out() -> None:
    """Nothing is to be added to the secret."""
    snapshot = world()
    [job] = [definition for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    [(container, injection), *_] = snapshot.own_injections(job)
    override = {"name": container.name, "environment": [{"name": injection.variable, "value": f"sk-{token_hex(20)}"}]}
    scheduled = (ScheduledTask("schedule nightly", job.arn, (container_of(override),)),)
    [found] = problems(replace(snapshot, scheduled=scheduled)).values()
    assert found.remedy.command.startswith(f"Take {injection.variable} out of the containerOverrides of schedule night")
    assert "Add" not in found.remedy.command


def test_a_valuefrom_in_environment_of_a_scheduled_task_is_an_error() -> None:
    """In its revision and in its containerOverrides, which win; another environment's is no business of ours."""
    snapshot = world()
    [job] = [definition for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    [(container, injection), *_] = snapshot.own_injections(job)
    text = f"{snapshot.secret_arn}:NEWS_API_KEY::"
    entry = Injection("NEWS_API_KEY", parse(text))
    plain = replace(job, containers=(replace(container, secrets=(), plain_references=(entry,)),))
    revisions = {**snapshot.task_definitions, job.arn: plain}
    task = ScheduledTask("schedule nightly", job.arn)
    snapshot = replace(snapshot, task_definitions=revisions, tasks=(), scheduled=(task,))

    [found] = run_check(CHECKS["plain-secret"], snapshot)
    assert (found.severity, found.subject) == ("error", f"{job.label} {container.name} NEWS_API_KEY")
    assert found.services == {"schedule nightly"} and f"{text}." in found.evidence[0]

    override = container_of({"name": container.name, "environment": [{"name": "NEWS_API_KEY", "value": text}]})
    [found] = run_check(CHECKS["plain-secret"], replace(snapshot, scheduled=(replace(task, overrides=(override,)),)))
    assert found.severity == "error" and "schedule nightly, containerOverrides of " in found.evidence[0]
    assert "out of the containerOverrides of schedule nightly" in found.remedy.needs

    again = container_of({"name": container.name, "environment": [{"name": injection.variable, "value": text}]})
    has_it = replace(snapshot, task_definitions={**revisions, job.arn: job})
    [found] = run_check(CHECKS["plain-secret"], replace(has_it, scheduled=(replace(task, overrides=(again,)),)))
    assert found.remedy.command.startswith(f"Take {injection.variable} out of the containerOverrides")

    other = Injection("NEWS_API_KEY", parse(text.replace("app-secrets", "payments")))
    foreign = replace(job, containers=(replace(container, secrets=(), plain_references=(other,)),))
    assert_clear(CHECKS["plain-secret"], replace(snapshot, task_definitions={**revisions, job.arn: foreign}))


def test_what_schedules_give_containers_is_unknown_where_they_could_not_be_read() -> None:
    """The call that was refused is named."""
    refused = ReadFailure("EventBridge Scheduler's schedules", "scheduler:ListSchedules", "AccessDenied", "denied")
    [check] = (each for each in checks_of(reference) if each.id == "plain-secret")
    [found] = run_check(check, replace(healthy(), gaps={"scheduled": (refused,)}))
    assert found.status == "unknown" and "scheduler:ListSchedules" in found.evidence[0]


def test_ordinary_overrides_are_no_finding() -> None:
    """A job's command, and plain settings."""
    snapshot = world()
    [job] = [definition.arn for definition in snapshot.task_definitions.values() if definition.family.endswith("-job")]
    override = container_of(
        {
            "name": "job",
            "command": ["migrate", "--to", "head"],
            "environment": [{"name": "TOKEN_URL", "value": "https://a.io"}],
        }
    )
    assert problems(replace(snapshot, scheduled=(ScheduledTask("rule nightly", job, (override,)),))) == {}
