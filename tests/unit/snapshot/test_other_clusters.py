"""Services of other clusters with the secret: where runbook.toml names them, old values in their tasks are found."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.moto_environment import CLUSTER, Wire, answers, build, client, mock_aws, read
from support.networks import PRIVATE, TASKS, by_endpoint
from support.snapshots import (
    NOW,
    ROLE,
    WORKER_KEYS,
    checkout_reading,
    deployment,
    healthy,
    policy,
    rotated,
    simulated,
    task,
    task_definition,
    with_keys,
    with_proxy,
    with_service,
)

from omc_runbook.aws.ecs import Placement, ServiceEvent
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import content
from omc_runbook.checks.access import resource_deny
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.deployment import not_forced
from omc_runbook.checks.spare_keys import key_unreferenced
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.state import OtherCluster, Snapshot

OTHER = "reports"
CHECKS = {each.id: each for each in checks_of(content)}
OF_REPORTS = f"{ROLE}-of-reports"
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


def asking_for(key: str) -> Snapshot:
    """Let a service of another cluster take one more key, from a revision of its own."""
    snapshot = with_other(healthy())
    [other] = snapshot.other_clusters
    revision = replace(task_definition("reports", (*WORKER_KEYS, key)), execution_role_arn=OF_REPORTS)
    there = replace(other.services[0], task_definition_arn=revision.arn)
    known = {revision.arn: revision}
    other = replace(other, services=(there,), task_definitions=known, tasks=())
    return replace(snapshot, other_clusters=(other,), task_definitions={**snapshot.task_definitions, **known})


def test_what_the_other_service_refers_to_is_judged() -> None:
    """It cannot start a task without a key, nor by a role that may not read the secret."""
    errors = {each.check: each for each in diagnose(asking_for("LOST_KEY")) if each.is_problem}
    assert list(errors) == ["key-missing"] and errors["key-missing"].services == {f"backend of cluster {OTHER}"}
    snapshot = asking_for("SMTP_PASSWORD")
    assert snapshot.execution_roles == (ROLE, OF_REPORTS)
    refused = replace(snapshot, permissions={**snapshot.permissions, OF_REPORTS: simulated("implicitDeny")})
    errors = {each.check: each for each in diagnose(refused) if each.is_problem}
    assert list(errors) == ["no-permission"] and errors["no-permission"].services == {f"backend of cluster {OTHER}"}


def test_a_new_value_is_deployed_in_both_clusters() -> None:
    """Else the pasted command would leave the tasks of the other one with the former value."""
    empty = with_keys(with_other(healthy()), SECRET_KEY="")
    [found] = [each for each in run_check(CHECKS["empty"], empty) if each.status == "found"]
    for cluster, service in ((CLUSTER, "backend"), (CLUSTER, "worker"), (OTHER, "backend")):
        assert f" && aws ecs update-service --cluster {cluster} --service {service} " in found.remedy.command
    of_other = next(each for each in diagnose(asking_for("LOST_KEY")) if each.is_problem)
    assert f"--cluster {OTHER} " in of_other.remedy.command and f"--cluster {CLUSTER} " not in of_other.remedy.command


def test_what_the_application_reads_says_nothing_of_another_clusters_services() -> None:
    """They may run another application than that of the checkout."""
    name = "REPORTS_TOKEN"
    snapshot = with_keys(asking_for(name), REPORTS_TOKEN=secrets.token_hex(16))
    snapshot = replace(snapshot, checkout=checkout_reading(*KEYS))
    assert not [each for each in diagnose(snapshot) if name in each.subject and each.status == "found"]


def test_no_policy_allows_more_than_the_environments_own_families_and_logs() -> None:
    """No runbook deploys the services of other clusters, or reads what their tasks log."""
    snapshot = asking_for("SMTP_PASSWORD")
    for action in ("ecs:RegisterTaskDefinition", "iam:PassRole", "logs:GetLogEvents"):
        alone = permissions.document(replace(healthy(), permissions={}), [action])
        assert permissions.document(replace(snapshot, permissions={}), [action]) == alone
    assert OF_REPORTS in permissions.document(
        replace(snapshot, permissions={OF_REPORTS: simulated("allowed")}), ["iam:GetRole"]
    )


def test_the_environments_own_role_is_judged_whatever_other_clusters_have() -> None:
    """By its name, where no task definition of its own could be read."""
    snapshot = asking_for("SMTP_PASSWORD")
    known = dict(snapshot.other_clusters[0].task_definitions)
    assert replace(snapshot, services=(), tasks=(), task_definitions=known).execution_roles == (ROLE, OF_REPORTS)


def test_a_key_of_the_other_service_alone_is_not_unreferenced() -> None:
    """A key that no task definition of the environment's own services refers to has a use there."""
    name = "REPORTS_TOKEN"
    unused = with_keys(healthy(), REPORTS_TOKEN=secrets.token_hex(16))
    assert name in {each.subject for each in run_check(key_unreferenced, unused)}
    used = with_keys(asking_for(name), REPORTS_TOKEN=secrets.token_hex(16))
    assert name not in {each.subject for each in run_check(key_unreferenced, used)}
    refused = ReadFailure("the services of cluster reports", "ecs:ListServices", "AccessDeniedException", "denied")
    unread = replace(unused, gaps={"other_clusters": (refused,)})
    assert name not in {each.subject for each in run_check(key_unreferenced, unread)}


def test_what_the_proxy_of_another_clusters_service_refers_to_is_judged() -> None:
    """As the log driver of the environment's own proxies."""
    name = "REPORTS_TOKEN"
    snapshot = with_other(healthy())
    [other] = snapshot.other_clusters
    [proxied] = [each for each in with_proxy(healthy(), "backend", name).services if each.proxy_secrets]
    there = replace(other.services[0], proxy_secrets=proxied.proxy_secrets)
    snapshot = replace(snapshot, other_clusters=(replace(other, services=(there,)),))
    [found] = [each for each in diagnose(snapshot) if each.is_problem]
    assert (found.check, found.services) == ("key-missing", {f"backend of cluster {OTHER}"})
    used = with_keys(snapshot, REPORTS_TOKEN=secrets.token_hex(16))
    assert name not in {each.subject for each in run_check(key_unreferenced, used)}


@pytest.mark.parametrize(("subnet", "status"), [(PRIVATE, "clear"), ("subnet-unread", "unknown")])
def test_a_policy_that_asks_for_the_endpoint_is_judged_for_both_clusters(subnet: str, status: str) -> None:
    """The tasks of the other one may start in other subnets, by the same role."""
    [endpoint] = by_endpoint().endpoints or ()
    unless = {"StringNotEquals": {"aws:SourceVpce": endpoint.id}}
    denial = policy("Deny", kind="resource", Principal="*", Condition=unless)
    snapshot = replace(healthy(), network=by_endpoint(), resource_policy=denial)
    for service in ("backend", "worker"):
        snapshot = with_service(snapshot, service, placement=Placement((PRIVATE,), (TASKS,)))
    snapshot = with_other(snapshot)
    [other] = snapshot.other_clusters
    there = replace(other.services[0], placement=Placement((subnet,), (TASKS,)))
    snapshot = replace(snapshot, other_clusters=(replace(other, services=(there,)),))
    assert {each.status for each in run_check(resource_deny, snapshot)} == {status}


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
        assert other.task_definitions.items() <= read(Wire()).task_definitions.items()
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
