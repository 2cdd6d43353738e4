"""How a change of the secret is judged, before it is made and after."""

from __future__ import annotations

import secrets

import pytest
from support.snapshots import ARN, CURRENT, healthy, with_reference

from omc_runbook.changes.secret.plan import SecretPlan, plan_update
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.value import Masked
from omc_runbook.report import changes
from omc_runbook.runbooks import secret_change
from omc_runbook.snapshot.state import Snapshot

VALUES = {"SECRET_KEY": secrets.token_hex(32), "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}"}

pytestmark = pytest.mark.usefixtures("own_registry")


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
        assert not plan.pinned and not [each for each in findings if each.is_problem or each.family == "reference"]
    version = planned(snapshot, "SECRET_KEY").token
    same = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY::{version}")
    assert planned(same, "SECRET_KEY").pinned == frozenset()
