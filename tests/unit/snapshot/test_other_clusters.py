"""Services of other clusters with the secret: where runbook.toml names them, old values in their tasks are found."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.moto_environment import CLUSTER, Wire, answers, build, client, mock_aws, read
from support.snapshots import NOW, WORKER_KEYS, deployment, healthy, rotated, task, task_definition, with_service

from omc_runbook.aws.ecs import ServiceEvent
from omc_runbook.checks.check import run_check
from omc_runbook.checks.deployment import not_forced
from omc_runbook.snapshot.state import OtherCluster, Snapshot

OTHER = "reports"
LATELY = NOW - timedelta(minutes=5)


def with_other(snapshot: Snapshot, created: Callable[[], timedelta] = timedelta) -> Snapshot:
    """Let another cluster have a backend with the secret, whose one task started so long after the others."""
    one = task("backend")
    began = one.created + created() if one.created else None
    there = replace(snapshot.services[0], name="backend", running=1, desired=1)
    revision = replace(task_definition("worker", WORKER_KEYS), arn=there.task_definition_arn)
    other = OtherCluster(OTHER, (there,), (replace(one, created=began, started=began),), {revision.arn: revision})
    return replace(snapshot, other_clusters=(other,))


def test_old_tasks_of_another_cluster_are_named_with_their_own_command() -> None:
    """The environment's own services of the same name have nothing to do with it."""
    current = with_other(healthy())
    assert [each.status for each in run_check(not_forced, current)] == ["clear"]
    changed = rotated(healthy(), LATELY, SECRET_KEY=secrets.token_hex(32))
    findings = {each.subject: each for each in run_check(not_forced, with_other(changed))}
    found = findings[f"backend of cluster {OTHER}"]
    assert found.status == "found" and "Keys whose value differs: SECRET_KEY." in found.evidence
    assert f"--cluster {OTHER} --service backend --force-new-deployment" in found.remedy.command
    assert not found.remedy.runbook and found.services == {found.subject}
    assert findings["backend"].remedy.runbook == "rotate"


def test_a_key_that_the_other_service_is_not_given_makes_nothing_old() -> None:
    """Nor is anything old whose tasks started since."""
    changed = rotated(healthy(), LATELY, SMTP_PASSWORD=secrets.token_hex(16))
    subjects = {each.subject for each in run_check(not_forced, with_other(changed))}
    assert f"backend of cluster {OTHER}" not in subjects
    changed = rotated(healthy(), LATELY, SECRET_KEY=secrets.token_hex(32))
    later = with_other(changed, lambda: timedelta(days=9, minutes=-2))
    assert f"backend of cluster {OTHER}" not in {each.subject for each in run_check(not_forced, later)}


def test_protected_tasks_of_another_cluster_get_no_second_deployment() -> None:
    """It would not stop them: as in the environment's own cluster, the command ends their protection."""
    snapshot = with_other(rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32)))
    [other] = snapshot.other_clusters
    new = deployment("backend", NOW - timedelta(minutes=50), id="ecs-svc/2", rollout="IN_PROGRESS")
    message = "was unable to scale in due to (reason 1 tasks under protection)"
    there = replace(other.services[0], running=2, deployments=(new,), events=(ServiceEvent(NOW, message),))
    snapshot = replace(snapshot, other_clusters=(replace(other, services=(there,)),))
    [found] = [each for each in run_check(not_forced, snapshot) if OTHER in each.subject]
    assert f"update-task-protection --cluster {OTHER} --tasks {other.tasks[0].id}" in found.remedy.command
    assert "--force-new-deployment" not in found.remedy.command


def test_they_are_read_where_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks only where a service has the secret; what may not be read is unknown, and so is a misspelt name."""
    with mock_aws():
        build()
        for cluster in (OTHER, "empty"):
            client("ecs").create_cluster(clusterName=cluster)
        named = {"serviceName": "api", "taskDefinition": f"{CLUSTER}-worker", "desiredCount": 1}
        client("ecs").create_service(cluster=OTHER, **named)
        started = {"taskDefinition": f"{CLUSTER}-worker", "launchType": "FARGATE", "group": "service:api"}
        client("ecs").run_task(cluster=OTHER, **started)
        without = Wire()
        assert read(without).other_clusters == ()
        monkeypatch.setenv("OMC_CLUSTERS", json.dumps([OTHER, "empty"]))
        wire = Wire()
        empty, other = read(wire).other_clusters
        assert (empty.name, empty.services, empty.tasks) == ("empty", (), ())
        assert [each.name for each in other.services] == ["api"]
        assert [each.service for each in other.tasks] == ["api"]
        assert wire.calls.total() - without.calls.total() == 5, "two lists, one description, and its tasks"
        monkeypatch.setenv("OMC_CLUSTERS", '["*"]')
        assert [each.name for each in read(Wire()).other_clusters] == ["empty", OTHER]
        refused = answers(read(Wire({"ListClusters": "AccessDeniedException"})))["not-forced"]
        assert (refused.status, "ecs:ListClusters" in refused.evidence[0]) == ("unknown", True)
        monkeypatch.setenv("OMC_CLUSTERS", '["report"]')
        unknown = answers(read(Wire()))["not-forced"]
        assert (unknown.status, "there is no such cluster" in unknown.evidence[0]) == ("unknown", True)


def test_a_service_that_changes_percentages_is_given_room_there() -> None:
    """As in the environment's own cluster."""
    changed = rotated(healthy(), LATELY, SECRET_KEY=secrets.token_hex(32))
    full = with_other(with_service(changed, "backend", minimum_healthy_percent=100, maximum_percent=100))
    [found] = [each for each in run_check(not_forced, full) if each.subject.endswith(OTHER)]
    assert "minimumHealthyPercent=100,maximumPercent=200" in found.remedy.command
