"""Failed deployments: whether the cause is certain, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.faults.access import THROTTLED_STOP
from support.faults.deployment import HEALTH, IMAGE, LOG, MEMORY, PULL
from support.faults.upstream import REFUSED, REFUSED_VALUE, changed
from support.snapshots import healthy, stuck, with_keys, with_secret, without_key

from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.failure import Failure
from omc_runbook.changes.deploy.rollout import Rollout, State
from omc_runbook.changes.engine.result import with_failure
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.snapshot.state import Snapshot

EXITED = {"stop_code": "EssentialContainerExited"}


def exited(snapshot: Snapshot, line: str) -> Snapshot:
    """Tasks of worker that started and exited, with a line in their log."""
    started = snapshot.tasks[0].started
    with_failures = stuck(snapshot, "worker", "Essential container in task exited", started=started, **EXITED)
    return replace(
        with_failures, log_lines={task.id: (f"The log of worker says: {line}",) for task in with_failures.tasks}
    )


def test_a_key_that_the_secret_lacks_fails_every_task() -> None:
    """Nothing is gained by waiting for the next one; of another service it says nothing."""
    snapshot = stuck(without_key(healthy(), "OPENAI_API_KEY"), "worker", PULL)
    assert failure.is_certain(snapshot, "worker") and not failure.is_certain(snapshot, "backend")


@pytest.mark.parametrize("line", [REFUSED, REFUSED_VALUE])
def test_a_value_that_the_log_names_fails_every_task(line: str) -> None:
    """A login that the database refused, and a value that Settings did."""
    assert failure.is_certain(exited(healthy(), line), "worker")


@pytest.mark.parametrize("line", ["ERROR: the cache is not there yet", "ERROR: connection refused"])
def test_another_error_may_pass(line: str) -> None:
    """The next task may find what this one lacked."""
    assert not failure.is_certain(exited(healthy(), line), "worker")


def test_throttling_passes() -> None:
    """It kept the secret from the task, and not from the next."""
    assert not failure.is_certain(stuck(healthy(), "worker", THROTTLED_STOP), "worker")


def test_services_with_the_same_log_line_say_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both run the same container, and refuse the same value; each is named."""
    line, progress_lines = "The log of app says: ValueError", list[Any]()
    monkeypatch.setattr(
        failure, "last_words", lambda clients, snapshot, service, deployment: (line, f"{service} ended")
    )
    context: Any = SimpleNamespace(clients=None, show=lambda rollouts, lines: progress_lines.extend(lines))
    reason = "its tasks fail"
    rollouts = [Rollout(each, "1", f"{each}:7", "failed", desired=1, reason=reason) for each in ("api", "backend")]
    failed = failure.explain(context, healthy(), rollouts, "SENTRY_DSN")
    assert failed.log_lines == (line, "api ended", "backend ended")
    [finding] = failed.findings("SENTRY_DSN", "")
    assert finding.subject == "api, backend" and finding.evidence.count(line) == 1
    assert sum(line in each for each in progress_lines) == 1
    assert "With the new SENTRY_DSN: its tasks fail" in progress_lines[0] and "Root cause" not in progress_lines[0]


@pytest.mark.parametrize(
    ("key", "line", "parameters"),
    [
        ("POSTGRES_PASSWORD", REFUSED, {"keys": "POSTGRES_PASSWORD", "database_url_from": "env:NAME"}),
        ("OPENAI_API_KEY", "openai.AuthenticationError: Incorrect API key provided", {}),
    ],
)
def test_a_value_that_its_store_does_not_have_is_named_with_the_way_to_change_both(
    monkeypatch: pytest.MonkeyPatch, key: str, line: str, parameters: dict[str, str]
) -> None:
    """The log line alone names no key; a provider's value has to come from there."""
    monkeypatch.setattr(failure, "last_words", lambda *_: (line,))
    context: Any = SimpleNamespace(clients=None, show=lambda rollouts, lines: None)
    rollouts = [Rollout("worker", "1", "worker:7", "failed", desired=1, reason="its tasks fail")]
    snapshot = changed(line, key)(healthy())
    [finding] = failure.explain(context, snapshot, rollouts, key).findings(key, "")
    cause = f"The database or the provider refuses the tasks' value: {key}."
    assert finding.check == "change-failed" and finding.evidence[1:3] == (cause, line)
    assert finding.remedy.parameters == ({"environment": "staging", **parameters} if parameters else {})
    assert finding.remedy.command.startswith("aws logs tail")


@pytest.mark.parametrize(
    ("line", "owner", "deployment", "has_rotated"),
    [
        ("connection failed: fe_sendauth: no password supplied", "", "1", False),
        (REFUSED, "rds", "1", False),
        (REFUSED, "", "", False),
        (REFUSED, "", "1", True),
    ],
    ids=["nothing was refused", "RDS writes the secret", "no task was started", "the database has the new password"],
)
def test_no_rotation_is_advised_where_it_would_not_help(
    monkeypatch: pytest.MonkeyPatch, line: str, owner: str, deployment: str, has_rotated: bool
) -> None:
    """A password that never reached the database is not refused by it, either."""
    monkeypatch.setattr(failure, "last_words", lambda *_: (line,))
    context: Any = SimpleNamespace(clients=None, show=lambda rollouts, lines: None)
    rollouts = [Rollout("worker", deployment, "worker:7", "failed", desired=1, reason="its tasks fail")]
    snapshot = with_secret(changed(line)(healthy()), owning_service=owner)
    [finding] = failure.explain(context, snapshot, rollouts, "").findings("", "", has_rotated)
    assert finding.remedy and not finding.remedy.runbook
    assert any("refuses" in each for each in finding.evidence) is (line == REFUSED)


@pytest.mark.parametrize(
    "reason, cause", [(IMAGE, "image-pull"), (LOG, "log-group"), (MEMORY, "out-of-memory"), (HEALTH, "")]
)
def test_what_keeps_tasks_from_running_is_the_cause_unless_a_value_may_be(reason: str, cause: str) -> None:
    """No log is named where there is none; a health check may fail for a value. Each cause is named once."""
    snapshot = stuck(healthy(), "worker", reason, **(EXITED if reason == MEMORY else {}))
    causes = failure.causes(snapshot, frozenset({"worker"}))
    assert [each.check for each in causes] == [cause] * bool(cause)
    rollout = Rollout("worker", "ecs-svc/worker-new", "worker:1", "failed", desired=1, reason="its tasks fail")
    failed = Failure(snapshot, (rollout,), causes, ()).findings("SECRET_KEY", "")
    assert failed[-1].check == "change-failed" and bool(failed[-1].because_of) == bool(cause)
    result: Any = SimpleNamespace(findings=failed)
    now = diagnose(snapshot)
    findings = with_failure(now, result)
    assert not cause or findings[0] in now, "as it is now"
    problems = [each.check for each in findings if each.is_problem]
    assert len(problems) == len(set(problems)) and "change-failed" in problems


def test_a_warning_is_no_cause_of_a_failure() -> None:
    """It was there while tasks ran."""
    snapshot = with_keys(stuck(healthy(), "worker", HEALTH), SECRET_KEY="short")
    assert "weak" in {each.check for each in diagnose(snapshot) if each.is_unexplained and "worker" in each.services}
    assert failure.causes(snapshot, frozenset({"worker"})) == ()


def test_a_deployment_that_did_not_begin_is_not_called_failing_tasks() -> None:
    """UpdateService was refused: no task has started, so that no log says anything."""
    reason = "Could not redeploy service worker: AccessDenied; the permission ecs:UpdateService is missing."
    rollout = Rollout("worker", "", "worker:7", "failed", desired=1, failures=0, reason=reason)
    [finding] = Failure(healthy(), (rollout,), (), ()).findings("SECRET_KEY", "")
    assert finding.title == "ECS refused to deploy the new values of SECRET_KEY"
    assert finding.remedy and finding.remedy.command.startswith("Correct what the refusal names")


@pytest.mark.parametrize(
    ("state", "failures", "title", "remedy"),
    [
        ("failed", 1, "New tasks fail with the new values of SECRET_KEY", "aws logs tail"),
        ("rolled-back", 3, "New tasks fail with the new values of SECRET_KEY", "aws logs tail"),
        ("rolled-back", 0, "The deployment of the new values of SECRET_KEY was rolled back", "Resolve what the reason"),
    ],
)
def test_a_deployment_that_was_stopped_is_not_called_failing_tasks(
    state: State, failures: int, title: str, remedy: str
) -> None:
    """A person, a hook or an alarm stopped it, and no task of it failed: no log says why."""
    rollout = Rollout("backend", "ecs-svc/2", "backend:7", state, desired=2, failures=failures)
    [finding] = Failure(healthy(), (rollout,), (), ()).findings("SECRET_KEY", "")
    assert finding.title == title and finding.remedy and finding.remedy.command.startswith(remedy)


@pytest.mark.parametrize(
    ("still_failing", "former"), [((), ""), (("worker",), ""), (("backend", "worker"), ", and with the former ones")]
)
def test_values_are_not_blamed_alone_where_the_former_ones_fail_too(
    still_failing: tuple[str, ...], former: str
) -> None:
    """Such as tasks that failed before the change; one service that runs again leaves the new values to blame."""
    failed = tuple(
        Rollout(each, "ecs-svc/2", f"{each}:7", "failed", desired=1, failures=1) for each in ("backend", "worker")
    )
    [finding] = Failure(healthy(), failed, (), ()).findings("SECRET_KEY", "", still_failing=still_failing)
    title = f"New tasks fail with the new values of SECRET_KEY{former}"
    assert finding.title == title
    refused = Rollout("api", "", "api:7", "failed", desired=1, reason="ecs:UpdateService was refused.")
    [finding] = Failure(healthy(), (*failed, refused), (), ()).findings("SECRET_KEY", "", still_failing=still_failing)
    assert finding.title == title, "of one that was never deployed, nothing is known"


@pytest.mark.parametrize(("states", "count"), [(("gone", "gone"), 2), (("gone", "done"), 0), (("done",), 0)])
def test_a_change_is_not_verified_where_every_service_was_deleted(states: tuple[State, ...], count: int) -> None:
    """One that is left, and runs with the new values, has verified it."""
    found = failure.find_unproved([Rollout("backend", "ecs-svc/2", "backend:7", state, desired=1) for state in states])
    assert [each.check for each in found] == ["deployment-unread"] * count
    assert all(each.title.startswith("Every service to verify the change with was deleted") for each in found)
