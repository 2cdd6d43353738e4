"""An audit of a healthy account as a company has it finds nothing, and knows the age of each value to the second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from support import realistic_account
from support.realistic_account import ROLES, VERSIONS
from support.runs import sign_in

from omc_runbook.model.findings import Finding
from omc_runbook.report.audit import Snapshots
from omc_runbook.runbooks import audit
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import SECRET, World
from omc_runbook.snapshot.state import Snapshot

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def snapshots(sandbox: Sandbox) -> Iterator[Snapshots]:
    """What an audit reads of the account, with the example checkout."""
    realistic_account.build(sandbox, NOW)
    with pytest.MonkeyPatch.context() as patch:
        sign_in(sandbox, patch)
        yield audit.look(audit.begin("staging"), str(sandbox.repository))


@pytest.fixture(scope="module")
def findings(snapshots: Snapshots) -> tuple[Finding, ...]:
    return tuple(audit.diagnose(snapshots)["staging"])


@pytest.fixture
def snapshot(snapshots: Snapshots) -> Snapshot:
    return snapshots["staging"]


def test_nothing_is_wrong_and_nothing_unknown(snapshots: Snapshots, findings: tuple[Finding, ...]) -> None:
    """Remarks at most; every light is green."""
    assert [(each.check, each.subject, each.evidence) for each in findings if each.is_problem] == []
    assert [(each.check, each.evidence) for each in findings if each.status == "unknown"] == []
    panel = audit.lights(snapshots, {"staging": findings})
    assert {each.level for each in panel.lights} == {"good"}, panel.to_text()


def test_the_account_is_as_large_as_it_says(snapshot: Snapshot, sandbox: Sandbox) -> None:
    """60 roles, 30 versions, five services, read whole."""
    assert snapshot.audit.identities and snapshot.audit.history
    roles = [each for each in snapshot.audit.identities.identities if ":role/" in each.arn]
    assert (len(roles), len(snapshot.services), len(snapshot.audit.history.versions)) == (ROLES, 5, VERSIONS)


def test_ages_are_those_of_the_history(snapshots: Snapshots, sandbox: Sandbox) -> None:
    """To the second: each key is as old as the version that gave it its present value."""
    step = timedelta(days=2 * 365) / VERSIONS
    since_by_key = {row[0]: row[1] for row in audit.ages(snapshots).rows}
    expected = {key: NOW - step * (VERSIONS - number) for key, number in realistic_account.newest_writes().items()}
    assert since_by_key == {key: f"{moment:%Y-%m-%d %H:%M:%S}" for key, moment in expected.items()}
    versions = World(sandbox.endpoint).secretsmanager.list_secret_version_ids(SecretId=SECRET, IncludeDeprecated=True)
    assert len(versions["Versions"]) == VERSIONS


def test_who_may_read_is_told_of_sixty_roles(snapshots: Snapshots) -> None:
    """The tasks' roles and the administrator alone; inside a task also who may do everything but IAM and secrets."""
    readers = {row[0]: row[2] for row in audit.readers(snapshots).rows}
    assert readers == {
        "ohmycoins-staging-ecs-task-execution-role": "yes",
        "ohmycoins-staging-ecs-task-role": "yes",
        "company-administrator": "yes",
        **dict.fromkeys(("sandbox-frontend", "sandbox-data", "sandbox-mobile"), "inside a task"),
    }
