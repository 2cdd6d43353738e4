"""How a change of the secret is judged, before it is made and after."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from support.snapshots import (
    ARN,
    CURRENT,
    by_policies,
    healthy,
    stuck,
    with_permissions,
    with_reference,
    with_service,
    without_key,
)

from omc_runbook.changes.secret.plan import SecretPlan, plan_update
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.value import Masked
from omc_runbook.report import changes
from omc_runbook.runbooks import secret_change
from omc_runbook.snapshot.state import Snapshot

DENIED = (
    "ResourceInitializationError: unable to pull secrets or registry auth: AccessDeniedException: User: role is not"
    " authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows the action"
)
VALUES = {"SECRET_KEY": secrets.token_hex(32), "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}"}


def pinned(field: str) -> Snapshot:
    """The worker's SECRET_KEY names a version, by a label or an id."""
    return with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:{field}")


def planned(snapshot: Snapshot, key: str) -> SecretPlan:
    """A new value of a key."""
    return plan_update(snapshot, {key: NewValue(Masked(VALUES[key], key), "a test")})


@pytest.mark.parametrize(("field", "check"), [("AWSPREVIOUS:", "previous-pinned"), (f":{CURRENT}", "version-pinned")])
def test_a_pinned_reference_does_not_get_the_new_value(field: str, check: str) -> None:
    """Its new task runs, with the former one: the change is not proved, and no list calls the task up to date."""
    snapshot = pinned(field)
    plan = planned(snapshot, "SECRET_KEY")
    assert [each.check for each in secret_change.judge(snapshot, snapshot, None, plan) if each.is_problem] == [check]
    assert "but for SECRET_KEY" in changes.holders(snapshot).to_text()


def test_a_pinned_reference_to_another_key_is_no_matter_of_the_change() -> None:
    """Nor is one where nothing changes, or that names the version itself that becomes current."""
    snapshot = pinned("AWSPREVIOUS:")
    for plan in (planned(snapshot, "OPENAI_API_KEY"), plan_update(snapshot, {})):
        findings = secret_change.judge(snapshot, snapshot, None, plan)
        assert not plan.pinned_references and not [
            each for each in findings if each.is_problem or each.family == "reference"
        ]
    version = planned(snapshot, "SECRET_KEY").token
    same = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY::{version}")
    assert planned(same, "SECRET_KEY").pinned_references == frozenset()


def test_a_refused_plan_says_why_in_its_findings() -> None:
    """What keeps new tasks from their secrets is a problem, and no remark on what was there before."""
    snapshot = with_permissions(stuck(healthy(), "worker", DENIED), by_policies())
    plan = planned(snapshot, "SECRET_KEY")
    (problem,) = (each for each in secret_change.judge(snapshot, snapshot, None, plan) if each.is_problem)
    assert plan.blockers and problem.check == "no-permission"
    without_blockers = replace(plan, blockers=())
    assert not [each for each in secret_change.judge(snapshot, snapshot, None, without_blockers) if each.is_problem]


def test_a_key_that_tasks_lack_refuses_every_change_but_its_own() -> None:
    """New tasks would not start for lack of it; the change that brings it is the cure."""
    snapshot = without_key(healthy(), "OPENAI_API_KEY")
    (blocker,) = planned(snapshot, "SECRET_KEY").blockers
    assert "New tasks of backend, worker do not start without OPENAI_API_KEY" in blocker
    assert not planned(snapshot, "OPENAI_API_KEY").blockers
    idle = with_service(with_service(snapshot, "worker", desired=0), "backend", desired=0)
    assert not planned(idle, "SECRET_KEY").blockers, "no new task is started"


def test_the_button_says_what_the_plan_does() -> None:
    """A deployment that is only watched is not begun anew, and a service without desired tasks gets none."""
    idle = planned(with_service(healthy(), "backend", desired=0), "SECRET_KEY")
    assert secret_change.label_of(idle, "staging") == "Write SECRET_KEY and redeploy worker in staging"
    only_tasks = replace(plan_update(healthy(), {}), consumers=idle.consumers)
    assert secret_change.label_of(only_tasks, "staging") == "Redeploy worker in staging"
    watching = replace(planned(healthy(), "SECRET_KEY"), changes=(), underway=frozenset({"backend"}))
    label = secret_change.label_of(watching, "staging")
    assert label == "Redeploy worker and watch the deployment of backend in staging"
    both = replace(watching, underway=frozenset({"backend", "worker"}))
    assert secret_change.label_of(both, "staging") == "Watch the deployments of backend, worker in staging"
    nothing = replace(only_tasks, consumers=tuple(each for each in idle.consumers if each.name == "backend"))
    assert secret_change.label_of(nothing, "staging") == "Apply the plan in staging"
