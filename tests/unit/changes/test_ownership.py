"""A fix touches only what belongs to the environment of its run; of all else it says what to correct and where."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.histories import planned
from support.snapshots import (
    ACCOUNT,
    ARN,
    CURRENT,
    ROLE,
    healthy,
    simulated,
    with_definition,
    with_permissions,
    with_reference,
    with_secret,
    with_text,
)

from omc_runbook.changes.fix import ownership
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Correction, Grant, RestoreSecret, RestoreVersion
from omc_runbook.model.aws_names import Names
from omc_runbook.model.environment import PRODUCTION, load
from omc_runbook.snapshot.roles import Permissions
from omc_runbook.snapshot.state import Snapshot

NOTHING_ALLOWED = simulated("implicitDeny", policies=())
THEIRS = "ohmycoins-production-ecs-task-execution-role"
PARTIAL = f"{ARN.removesuffix('-AbC123')}:SECRET_KEY::"


def beside(snapshot: Snapshot, **other: str) -> Snapshot:
    """The same environment with production beside it, some of whose names are other ones."""
    names = load("staging").others[PRODUCTION].model_copy(update=other)
    own = snapshot.environment.names.model_copy(update={"secret_tags": load("staging").names.secret_tags})
    return replace(snapshot, environment=replace(snapshot.environment, names=own, others={PRODUCTION: names}))


def named(snapshot: Snapshot, **names: str) -> Snapshot:
    """The same with other names of its own."""
    own = snapshot.environment.names.model_copy(update=names)
    return replace(snapshot, environment=replace(snapshot.environment, names=own))


def with_role(snapshot: Snapshot, name: str, **tags: str) -> Snapshot:
    """Every task definition names a role that may read nothing."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    for service in ("backend", "worker"):
        snapshot = with_definition(snapshot, service, lambda old: replace(old, execution_role_arn=arn))
    assert NOTHING_ALLOWED.role
    role = replace(NOTHING_ALLOWED.role, arn=arn, name=name, tags=tags)
    permissions: Permissions = replace(NOTHING_ALLOWED, role=role)
    return replace(snapshot, permissions={arn: permissions})


def reason(plan: FixPlan, check: str) -> str:
    return next(entry.why for entry in plan.unfixed if entry.finding.check == check)


def test_the_role_of_another_environment_is_granted_nothing() -> None:
    """Staging's task definitions name production's role: that is what to correct, and the reason says where."""
    plan = planned(with_role(beside(healthy()), THEIRS))
    assert plan.is_empty
    why = reason(plan, "no-permission")
    assert f"Role {THEIRS} belongs to production, not to staging" in why
    assert "executionRoleArn" in why
    assert "ohmycoins-staging-ecs-task-execution-role" in why


def test_the_same_holds_under_names_of_ones_own() -> None:
    """What production's role is called is in the file, and no word of it says production."""
    plan = planned(with_role(beside(healthy(), execution_role="live-tasks"), "live-tasks"))
    assert plan.is_empty
    assert "belongs to production" in reason(plan, "no-permission")


def test_a_role_of_nobody_known_is_granted_nothing() -> None:
    """A role such as ecsTaskExecutionRole serves the whole account: all who use it could read the secret."""
    plan = planned(with_role(beside(healthy()), "ecsTaskExecutionRole"))
    assert plan.is_empty
    assert "Set execution_role in runbook.toml" in reason(plan, "no-permission")


def test_a_role_is_ones_own_by_its_name_its_tags_or_the_file() -> None:
    """Each is enough."""
    for snapshot in (
        with_permissions(healthy(), NOTHING_ALLOWED),
        with_role(beside(healthy()), "staging-worker-role"),
        with_role(beside(healthy()), "tasks", Environment="staging"),
        with_role(named(beside(healthy()), execution_role="tasks"), "tasks"),
    ):
        assert [type(step) for step in planned(snapshot).steps] == [Grant]


def test_tags_say_more_than_a_name() -> None:
    """A role that is tagged as production's is not touched, whatever it is called."""
    plan = planned(with_role(beside(healthy()), "ohmycoins-staging-ecs-task-execution-role", Environment=PRODUCTION))
    assert plan.is_empty
    assert "belongs to production" in reason(plan, "no-permission")


def test_a_role_that_two_environments_share_is_not_touched() -> None:
    """The file gives both the same: what one is granted the other has too."""
    snapshot = with_permissions(beside(healthy(), execution_role=ROLE.rpartition("/")[2]), NOTHING_ALLOWED)
    assert planned(snapshot).is_empty


def test_what_two_environments_share_has_a_way_that_leads_on() -> None:
    """Its own name, and a run for the other one, would lead back here."""
    role = ROLE.rpartition("/")[2]
    snapshot = with_permissions(beside(healthy(), execution_role=role), NOTHING_ALLOWED)
    assert ownership.why_not_role(snapshot, ROLE) == (
        f"Role {role} belongs to production, as well as to staging: set executionRoleArn of the task definition to a"
        " role of its own, where it comes from."
    )
    name = healthy().secret_name
    assert ownership.why_not_secret(beside(healthy(), secret=name)) == (
        f"Secret {name} belongs to production, as well as to staging: correct secret in runbook.toml, or give each a"
        " secret of its own."
    )
    family = healthy().environment.names.task_family
    assert ownership.why_not_family(beside(healthy(), task_family=family), family) == (
        f"Task definition {family} belongs to production, as well as to staging: give the service its own."
    )


def test_one_set_of_names_for_all_environments_is_no_sharing() -> None:
    """Where the file has plain names at its top, production's are the same, and there is no production beside it."""
    own = healthy().environment.names.model_dump()
    snapshot = beside(healthy(), **own)
    assert [type(step) for step in planned(with_permissions(snapshot, NOTHING_ALLOWED)).steps] == [Grant]


def test_the_same_name_in_another_account_is_another_role() -> None:
    """Production's account is another: nothing is shared."""
    snapshot = beside(healthy(), execution_role=ROLE.rpartition("/")[2], account_id="999999999999")
    assert [type(step) for step in planned(with_permissions(snapshot, NOTHING_ALLOWED)).steps] == [Grant]


def with_foreign_family(snapshot: Snapshot) -> Snapshot:
    """The worker runs production's task definition, with a wrong reference."""
    wrong = with_reference(snapshot, "worker", "SECRET_KEY", PARTIAL)
    return with_definition(wrong, "worker", lambda old: replace(old, family="ohmycoins-production-worker"))


def test_the_task_definition_of_another_environment_gets_no_revision() -> None:
    """Its newest revision is what production deploys next."""
    plan = planned(with_foreign_family(beside(healthy())))
    assert not [step for step in plan.steps if isinstance(step, Correction)]
    assert "Task definition ohmycoins-production-worker belongs to production" in reason(plan, "partial-arn")


def test_a_service_of_another_environment_in_the_same_cluster_is_not_deployed() -> None:
    """Neither with a correction nor for its old tasks."""
    name = "production-worker"
    snapshot = with_reference(beside(healthy()), "worker", "SECRET_KEY", PARTIAL)
    services = tuple(replace(each, name=name) if each.name == "worker" else each for each in snapshot.services)
    tasks = tuple(replace(task, service=name) if task.service == "worker" else task for task in snapshot.tasks)
    snapshot = replace(snapshot, services=services, tasks=tasks)
    plan = planned(snapshot)
    assert plan.is_empty
    assert f"{name} belongs to production" in reason(plan, "partial-arn")
    plan = planned(with_permissions(snapshot, NOTHING_ALLOWED))
    blockers = {entry.service.name: entry.blocker for entry in plan.redeploys}
    assert [type(step) for step in plan.steps] == [Grant]
    assert blockers["backend"] == ""
    assert f"{name} belongs to production" in blockers[name]


def test_the_secret_of_another_environment_is_neither_restored_nor_put_back_nor_opened() -> None:
    """Staging's file names production's secret."""
    for snapshot in (
        beside(healthy(), secret=healthy().secret_name),
        with_secret(beside(healthy()), tags={"Environment": PRODUCTION}),
    ):
        deleted = planned(replace(with_secret(snapshot, deleted=snapshot.taken), contents={}))
        assert not [step for step in deleted.steps if isinstance(step, RestoreSecret)]
        assert "belongs to production" in reason(deleted, "scheduled-deletion")
        broken = planned(with_text(snapshot, "{'SECRET_KEY'", CURRENT))
        assert not [step for step in broken.steps if isinstance(step, RestoreVersion)]
        assert "belongs to production" in reason(broken, "single-quoted")
        assert planned(with_permissions(snapshot, NOTHING_ALLOWED)).steps == ()
        assert planned(with_reference(snapshot, "worker", "SECRET_KEY", PARTIAL)).steps == ()


@pytest.mark.parametrize(
    ("service", "is_own"),
    [
        ("worker", True),
        ("staging-worker", True),
        ("production", False),
        ("reproduction", True),
        ("Production_api", False),
    ],
)
def test_an_environment_is_a_word_of_a_name(service: str, is_own: bool) -> None:
    """Letters around it make another word of it."""
    assert (ownership.why_not_service(beside(healthy()), service) == "") is is_own


def test_an_environments_prefix_tells_its_names_apart() -> None:
    """runbook.toml may abbreviate it, so that no name has the environment's."""
    snapshot = beside(healthy(), prefix="live")
    assert "belongs to production" in ownership.why_not_service(snapshot, "live-worker")
    assert ownership.why_not_service(snapshot, "liveness") == ""


def test_the_longest_environment_that_a_name_has_is_meant() -> None:
    """production-eu is not production."""
    eu = Names(cluster="ohmycoins-staging-eu")
    snapshot = beside(healthy())
    snapshot = replace(
        snapshot, environment=replace(snapshot.environment, others={**snapshot.environment.others, "staging-eu": eu})
    )
    assert "belongs to staging-eu" in ownership.why_not_service(snapshot, "staging-eu-worker")
