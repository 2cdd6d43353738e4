"""Whether services can be redeployed at all, told before anything is written."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from support.faults.deployment import EXIT, HEALTH, IMAGE, LOG, RUNNING, START, VOLUME, deployed, rolled_back
from support.networks import PRIVATE, TASKS, by_nat, with_routes
from support.snapshots import (
    ARN,
    CURRENT,
    NOW,
    by_policies,
    definition_arn,
    deployment,
    healthy,
    stuck,
    with_container,
    with_keys,
    with_permissions,
    with_reference,
    with_secret,
    with_service,
    without_key,
)

from omc_runbook.aws.deployments import PLAIN
from omc_runbook.aws.ecs import Placement, Service, TaskContainer
from omc_runbook.changes.add_key import executor
from omc_runbook.changes.add_key.environment_plan import KeyInEnvironment
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan
from omc_runbook.changes.deploy import readiness
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.secret.plan import plan_update
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks import startup
from omc_runbook.checks.stopped_tasks import of_kind
from omc_runbook.masking.value import Masked
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook, Interrupted, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

CURL = ("CMD-SHELL", "curl -f http://localhost:8000/health || exit 1")
SLIM = "python:3.12-slim"


def named(snapshot: Snapshot, *names: str) -> tuple[Service, ...]:
    return tuple(service for service in snapshot.consumers if service.name in (names or ("backend", "worker")))


def notes(snapshot: Snapshot) -> str:
    return " ".join(readiness.notes(snapshot, named(snapshot)))


def blockers(snapshot: Snapshot, *names: str) -> tuple[str, ...]:
    return readiness.blockers(snapshot, named(snapshot, *names))


def exited(code: int) -> Snapshot:
    """The worker's new tasks exit with this code."""
    containers = (TaskContainer("worker", code, ""),)
    return stuck(healthy(), "worker", EXIT, stop_code="EssentialContainerExited", containers=containers, **RUNNING)


def unhealthy(image: str) -> Snapshot:
    """The worker's new tasks fail a health check that runs curl in this image."""
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, image=image, health_check=CURL))
    return stuck(snapshot, "worker", HEALTH, **RUNNING)


def test_a_healthy_environment_has_nothing_against_it() -> None:
    """No note, no blocker."""
    assert (notes(healthy()), blockers(healthy())) == ("", ())


@pytest.mark.parametrize("reason", [IMAGE, START, LOG, VOLUME, "failed to download env files: not found"])
def test_what_stops_every_task_is_a_blocker(reason: str) -> None:
    """No value is the reason: a rotation would be rolled back for nothing."""
    (blocker,) = blockers(stuck(healthy(), "worker", reason))
    assert "New tasks of worker would fail whatever their values are" in blocker and reason[:20] in blocker
    assert blocker.endswith(". Fix that first (troubleshoot).") and ".." not in blocker
    assert blockers(stuck(healthy(), "worker", reason), "backend") == ()
    assert blockers(with_service(stuck(healthy(), "worker", reason), "worker", desired=0)) == ()


def test_a_registry_that_is_not_reached_may_be_reached_next_time() -> None:
    """That is no certainty."""
    assert not blockers(stuck(healthy(), "worker", f"{IMAGE} dial tcp 10.0.0.1:443: i/o timeout"))


@pytest.mark.parametrize(("code", "is_certain"), [(126, True), (127, True), (1, False), (137, False)])
def test_a_command_that_is_not_in_the_image_is_a_blocker(code: int, is_certain: bool) -> None:
    """Another exit may come from a value, which the change is to mend."""
    assert bool(blockers(exited(code))) is is_certain


@pytest.mark.parametrize(
    ("image", "is_certain"),
    [
        (SLIM, True),
        ("backend:7-alpine", True),
        ("distroless/python:7", True),
        ("chainguard/python:7", True),
        ("backend:7", False),
    ],
)
def test_a_health_check_without_its_program_is_a_blocker(image: str, is_certain: bool) -> None:
    """curl is not in a slim image; elsewhere a value may be the reason, and the finding names the program."""
    snapshot = unhealthy(image)
    assert bool(blockers(snapshot)) is is_certain
    ((_, stops),) = of_kind(snapshot, ("health-check",))
    [answer] = startup.health_check.run(snapshot)
    assert "runs curl: in an image without it" in " ".join(answer.facts) and len(stops) == 3


def test_what_failed_with_another_revision_is_no_blocker() -> None:
    """The one in force is what new tasks run."""
    snapshot = stuck(healthy(), "worker", IMAGE)
    assert not blockers(with_service(snapshot, "worker", task_definition_arn=definition_arn("worker", 6)))


def test_the_plan_says_what_could_make_tasks_fail() -> None:
    """The breaker, the tag that moves, the last deployment and a single task that stops first."""
    bare = with_service(with_service(healthy(), "backend", configuration=PLAIN), "worker", configuration=PLAIN)
    assert "backend, worker: without a deployment circuit breaker" in notes(bare)
    values = {"SECRET_KEY": NewValue(Masked(secrets.token_hex(32), "SECRET_KEY"), "a test")}
    assert set(readiness.notes(bare, named(bare))) <= set(plan_update(bare, values).readiness)
    moving = with_container(healthy(), "backend", lambda old: replace(old, image="example.com/team/backend:latest"))
    assert "Mutable image tags: backend (backend:latest)" in notes(moving)
    assert "backend: its last deployment failed" in notes(rolled_back(healthy()))
    lone = with_service(healthy(), "worker", minimum_healthy_percent=0)
    assert "stop its only task before the new one runs" in notes(lone)
    taken_back = deployed(healthy(), "backend", "ROLLBACK_SUCCESSFUL")
    assert "backend: its last deployment failed" in notes(taken_back) and "BLUE_GREEN" in notes(taken_back)


def test_the_plan_names_a_deployment_that_it_would_replace() -> None:
    """Somebody's that is under way, by its stage where ECS tells it; not one that is watched in its place."""
    baking = deployed(healthy(), "backend", "IN_PROGRESS")
    (own,) = [each for each in baking.services if each.name == "backend"]
    assert own.primary and own.underway
    said = f"backend: deployment {own.primary.id} of {own.primary.created:%Y-%m-%d %H:%M} UTC is still under way"
    assert f"{said} ({own.underway.progress}); the new one takes its place." in notes(baking)
    assert said not in " ".join(readiness.notes(baking, named(baking), {"backend"}))
    rolling = with_service(healthy(), "worker", deployments=(deployment("worker", rollout="IN_PROGRESS"),))
    assert "is still under way; the new one" in notes(rolling)
    assert "under way" not in notes(healthy())


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("backend", True),
        ("registry.example.com:5000/team/backend", True),
        *((f"backend:{tag}", True) for tag in ("latest", "stable", "edge", "main", "master", "dev", "develop")),
        *((f"backend:{tag}", True) for tag in ("staging", "production", "prod", "Latest")),
        ("backend:prod-7", False),
        ("backend:1.4.2", False),
        ("backend:3f9c2ab", False),
        (f"backend:latest@sha256:{'0' * 64}", False),
        ("", False),
    ],
)
def test_a_tag_without_a_version_moves(image: str, moves: bool) -> None:
    """A digest never does."""
    assert readiness.moves(image) is moves


def test_services_that_get_no_tasks_are_not_warned_of() -> None:
    """Their plan says that they get none."""
    snapshot = with_service(healthy(), "backend", desired=0)
    assert "backend" not in notes(snapshot)


DENIED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException: User: role is not"
    " authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows the action"
)

TIMEOUT = (
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
    " context deadline exceeded"
)


def refused(snapshot: Snapshot) -> Snapshot:
    """The worker's new tasks get no secrets: no policy of their role allows to read them."""
    return with_permissions(stuck(snapshot, "worker", DENIED), by_policies())


def test_a_missing_permission_is_a_blocker() -> None:
    """Whatever the values are, new tasks are refused them; once it is granted, they get them."""
    (blocker,) = blockers(refused(healthy()))
    assert "New tasks of worker would fail whatever their values are: The execution role may not read" in blocker
    assert not blockers(stuck(healthy(), "worker", DENIED))


def test_a_key_whose_first_call_has_no_answer_stays_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing was done before says nothing of the call itself."""

    def lose(*_: object) -> None:
        raise CouldNotLook("It is unknown whether it took effect.", kind="in-doubt")

    monkeypatch.setattr(executor, "execute", lose)
    key, context = NewKey("SMTP_PASSWORD", "", "", False, "str", ()), cast("ChangeContext", SimpleNamespace(tell=print))
    with pytest.raises(CouldNotLook, match=r"took effect\. Nothing was done before\.$") as lost:
        executor.apply(AddKeyPlan(key, Path("/x"), (), ()), {"staging": context})
    assert lost.value.kind == "in-doubt"


def test_an_interrupt_between_two_secrets_does_not_say_that_all_else_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second secret, the files and the tasks come after the first one's staging label."""

    class Writer(SecretWriter):
        def steps(self, undo: tuple[Step, ...] = ()) -> tuple[Step, ...]:
            return (Step(name="move", apply=lambda: [Change(key="A", action="added", environment=self._environment)]),)

        def _release(self, has_failed: bool) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(executor, "SecretWriter", Writer)
    part, key = EnvironmentPlan("staging", "", Mock(), healthy().taken), NewKey("A", "", "", False, "str", ())
    context = cast("ChangeContext", SimpleNamespace(clients=Mock(), announce=Mock(), tell=Mock()))
    with pytest.raises(Interrupted) as interrupted:
        executor.apply(AddKeyPlan(key, Path("/x"), (), (part,)), {"staging": context})
    assert str(interrupted.value) == "Interrupted. Done before: added A in staging. Run again to finish."


def test_no_key_is_added_where_the_new_tasks_would_fail() -> None:
    """Nothing is written or edited; where no task is replaced, or once the permission is granted, it is added."""
    worker, backend = (NewKey("SMTP_PASSWORD", "", "", False, "str", (name,)) for name in ("worker", "backend"))

    def plan(snapshot: Snapshot, key: NewKey) -> AddKeyPlan:
        return AddKeyPlan(key, Path("/x"), (), (KeyInEnvironment(snapshot, key, {}).plan(key.containers, None),))

    refusing = plan(refused(healthy()), worker)
    assert refusing.sentences and refusing.blockers == blockers(refused(healthy()))
    with pytest.raises(UsageError, match="New tasks of worker would fail whatever their values are"):
        executor.apply(refusing, {})
    granted = plan(stuck(healthy(), "worker", DENIED), worker)
    assert granted.sentences and not granted.blockers
    assert not plan(refused(healthy()), backend).blockers
    # A service that has the variable already keeps its tasks.
    lacking = with_container(refused(healthy()), "backend", lambda old: replace(old, secrets=old.secrets[1:]))
    both = plan(lacking, NewKey("SECRET_KEY", "", "", True, "str", ("backend", "worker")))
    assert both.environments[0].without_reference == ("backend",) and not both.blockers
    assert both.sentences[-1] == "New tasks would be started in staging: backend."
    several = replace(refusing, environments=(*refusing.environments, granted.environments[0]))
    (blocker,) = several.blockers
    assert blocker.startswith("In staging: New tasks of worker") and "Or leave staging out" in blocker


@pytest.mark.parametrize(
    ("present", "new_value", "content", "is_written"),
    [
        ("a-value", "another", "a value", False),
        ("changethis", "", "a placeholder", False),
        ("changethis", "another", "a value", True),
        ("", "", "nothing", False),
        ("", "another", "a value", True),
        (None, "", "nothing", True),
        (None, "another", "a value", True),
    ],
)
def test_a_new_key_gets_a_value_unless_it_has_one(
    present: str | None, new_value: str, content: str, is_written: bool
) -> None:
    """A placeholder is no value."""
    snapshot = (
        without_key(healthy(), "SMTP_PASSWORD") if present is None else with_keys(healthy(), SMTP_PASSWORD=present)
    )
    values = {"SMTP_PASSWORD": NewValue(Masked(new_value, "SMTP_PASSWORD"), "a test")} if new_value else {}
    plan = KeyInEnvironment(snapshot, NewKey("SMTP_PASSWORD", "", "", False, "str", ()), values).plan((), None)
    assert (plan.content, plan.write is not None) == (content, is_written)


def test_a_service_that_something_else_deploys_gets_a_new_key_there() -> None:
    """The revision is registered, and no service is given it."""
    snapshot = with_service(healthy(), "worker", controller="CODE_DEPLOY")
    plan = KeyInEnvironment(snapshot, NewKey("SMTP_PASSWORD", "", "", False, "str", ()), {}).plan(("worker",), None)
    assert [each.services for each in plan.corrections] == [()] and not plan.without_reference
    assert "worker is deployed by CODE_DEPLOY: deploy the new revision there." in plan.notes


def test_what_terraform_must_not_do_is_a_blocker() -> None:
    """With the environment's own blockers beside it."""
    harm = Finding(check="terraform-overwrites", family="secret", status="found", title="It is replaced", subject="x")
    part = EnvironmentPlan("staging", "a value", None, NOW, harm=(harm,), blockers=("New tasks would fail.",))
    plan = AddKeyPlan(NewKey("SMTP_PASSWORD", "", "", False, "str", ()), Path("/x"), (), (part,))
    assert plan.blockers == ("It is replaced: x.", "New tasks would fail.")


@pytest.mark.parametrize(
    ("part", "is_done"),
    [
        ({}, True),
        ({"has_old_tasks": True}, False),
        ({"terraform": (("aws_ecs_service.api", "update"),), "terraform_dir": Path("/x")}, False),
        ({"terraform": (), "terraform_dir": Path("/x")}, True),
        ({"write": plan_update(healthy(), {})}, False),
        ({"cleanup": plan_update(healthy(), {})}, False),
    ],
)
def test_what_is_left_of_a_new_key_is_not_done(part: dict[str, Any], is_done: bool) -> None:
    """Also where nothing has to be written, and tasks have to be replaced."""
    assert EnvironmentPlan("staging", "a value", read_at=NOW, **{"write": None} | part).is_done is is_done


def test_a_network_that_is_known_to_be_closed_is_a_blocker() -> None:
    """A timeout alone may have passed; tasks without a route fail again, whatever they are to get or to download."""
    network = by_nat()
    for reason in (TIMEOUT, IMAGE.replace("not found", "dial tcp 10.0.0.9:443: i/o timeout")):
        with_failures = stuck(
            with_service(healthy(), "worker", placement=Placement((PRIVATE,), (TASKS,))), "worker", reason
        )
        assert not blockers(replace(with_failures, network=network))
        (blocker,) = blockers(replace(with_failures, network=with_routes(network)))
        assert "New tasks of worker would fail whatever their values are: Tasks cannot reach Secrets Manager" in blocker


def test_what_a_change_can_mend_is_no_blocker() -> None:
    """The label AWSPREVIOUS, which no version has, gets one by the change; a throttled call may pass."""
    stages = {CURRENT: ("AWSCURRENT",)}
    pinned = with_reference(
        with_secret(healthy(), stages=stages), "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:AWSPREVIOUS:"
    )
    assert not blockers(stuck(pinned, "worker", DENIED.replace("AccessDenied", "ResourceNotFound")))
    throttled = (
        "ResourceInitializationError: unable to pull secrets or registry auth: ThrottlingException: Rate exceeded"
    )
    assert not blockers(stuck(healthy(), "worker", throttled))
