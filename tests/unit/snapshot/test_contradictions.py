"""Two answers of one look that contradict each other leave a gap."""

from __future__ import annotations

from dataclasses import replace

from support.snapshots import CURRENT, NOW, healthy, service, stopped, task

from omc_runbook.aws.secretsmanager import Value
from omc_runbook.snapshot import contradictions


def test_a_service_that_runs_tasks_has_one_in_a_list() -> None:
    """Running or just stopped; without any, nothing that is said of its tasks would be seen."""
    worker, idle = service("worker"), replace(service("idle"), running=0)
    assert not [*contradictions.in_tasks("staging", (worker, idle), (task("worker"),))]
    assert not [*contradictions.in_tasks("staging", (worker,), (stopped("worker", "Scaled in", NOW),))]
    (failure,) = contradictions.in_tasks("staging", (worker, idle), (task("backend"),))
    assert failure.sentence == (
        "Could not read the tasks of cluster staging: by DescribeServices worker runs 1, and ListTasks has none"
        " of them; run again in a minute."
    )


def test_the_current_version_is_among_the_versions() -> None:
    """Without it, whether a task is up to date is not known."""
    snapshot = healthy()
    assert not [*contradictions.in_versions("it", snapshot.secret, snapshot.versions)]
    assert not [*contradictions.in_versions("it", None, ())]
    (failure,) = contradictions.in_versions("it", snapshot.secret, ())
    assert CURRENT in failure.sentence


def test_the_value_is_that_of_the_current_version() -> None:
    """A secret that is deleted, or has no version yet, has no value."""
    secret = healthy().secret
    assert secret
    assert not [*contradictions.in_value("it", secret, Value(CURRENT, None))]
    for without in (None, replace(secret, deleted=NOW), replace(secret, stages={})):
        assert not [*contradictions.in_value("it", without, None)]
    for value in (None, Value("other", None)):
        (failure,) = contradictions.in_value("it", secret, value)
        assert CURRENT in failure.sentence


def test_a_secret_whose_value_is_read_exists_and_has_a_current_version() -> None:
    """Neither of the two is believed."""
    secret = healthy().secret
    assert secret
    assert not [*contradictions.in_secret("it", secret, Value(CURRENT, None))]
    for without in (None, replace(secret, deleted=NOW), replace(secret, stages={})):
        assert not [*contradictions.in_secret("it", without, None)]
        (failure,) = contradictions.in_secret("it", without, Value(CURRENT, None))
        assert CURRENT in failure.sentence
