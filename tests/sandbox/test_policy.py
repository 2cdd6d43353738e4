"""The policies that `omc-runbook policy` prints, enforced by the sandbox: enough, and each action needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.enforced_policies import policy_of, status_of, without
from support.runs import COMMAND, Desk, caller

from omc_runbook.headless import notebooks
from omc_runbook.runbooks.policy import ACTIONS, WITHOUT
from omc_runbook.sandbox.lifecycle import Sandbox

APPLIED: Mapping[str, tuple[str, ...]] = {
    "add_key": ("key=NEW_API_KEY", "values_from=generate", "repository=checkout", "apply=true"),
    "rotate": ("keys=SECRET_KEY", "apply=true"),
    "restore": ("apply=true",),
    "update": ("values_from=generate", "keys=SECRET_KEY", "apply=true"),
}
"""Parameters with which a runbook changes something, so that its whole policy is needed."""


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


@pytest.mark.parametrize("runbook", sorted({*ACTIONS} - {"audit", "create"}))
def test_it_is_enough(desk: Desk, runbook: str) -> None:
    """Nothing is unknown, and changes are made and proved."""
    shutil.copytree(desk.sandbox.variables["OMC_REPOSITORY"], desk.work / "checkout", symlinks=True)
    person = caller(desk.sandbox, json.dumps(policy_of(desk, runbook)))
    done = desk.call([str(COMMAND), "run", runbook, "environment=staging", *APPLIED.get(runbook, ())], **person)
    assert (done.returncode, status_of(desk)) == (0, "ok"), done.stdout


def test_the_policy_of_create_is_enough(desk: Desk) -> None:
    """For an environment that has no secret yet: its name stands in for the ARN."""
    document = policy_of(desk, "create", environment="production")
    secret = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-production-app-secrets-??????"
    assert secret in {resource for statement in document["Statement"] for resource in statement["Resource"]}
    words = ("environment=production", "apply=true", "confirm=production")
    done = desk.call([str(COMMAND), "run", "create", *words], **caller(desk.sandbox, json.dumps(document)))
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def after_change(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """verify's policy a moment after a change, when CloudTrail decides which value a task has."""
    desk = Desk(tmp_path_factory.mktemp("change"), sandbox)
    done = desk.call([str(COMMAND), "run", "update", "environment=staging", *APPLIED["update"]])
    assert done.returncode == 0, done.stdout
    return policy_of(desk, "verify")


@pytest.mark.parametrize("action", ACTIONS["verify"].plan)
def test_each_action_of_verify_is_needed(desk: Desk, after_change: dict[str, Any], action: str) -> None:
    """Without it something is unknown, and it is named."""
    person = caller(desk.sandbox, json.dumps(without(after_change, action)))
    done = desk.call([str(COMMAND), "run", "verify", "environment=staging"], **person)
    assert done.returncode == 2, done.stdout
    assert action in done.stdout + done.stderr


def test_who_only_plans_needs_less(desk: Desk) -> None:
    """The policy of --no-apply is enough to plan, and an applied plan is refused with what is missing."""
    words = ("environment=staging", *APPLIED["update"][:-1])
    planner = caller(desk.sandbox, json.dumps(policy_of(desk, "update", "--no-apply")))
    done = desk.call([str(COMMAND), "run", "update", *words], **planner)
    assert (done.returncode, status_of(desk)) == (0, "ok"), done.stdout
    done = desk.call([str(COMMAND), "run", "update", *words, "apply=true"], **planner)
    assert done.returncode == 2 and "secretsmanager:PutSecretValue is missing" in done.stdout


def test_a_daemon_that_may_not_be_looked_for_is_unknown(desk: Desk) -> None:
    """It might keep the old values, so that nobody is told that all have the new ones."""
    person = caller(desk.sandbox, json.dumps(without(policy_of(desk, "update"), "ecs:ListDaemons")))
    done = desk.call([str(COMMAND), "run", "update", "environment=staging", *APPLIED["update"]], **person)
    assert (done.returncode, status_of(desk)) == (2, "unknown"), done.stdout
    assert "the permission ecs:ListDaemons is missing" in done.stdout


def test_a_revision_is_registered_only_by_who_may_pass_its_roles(desk: Desk) -> None:
    """As AWS demands; what is missing is named as AWS names it, not as the call is called."""
    document = without(policy_of(desk, "add_key"), "iam:PassRole")
    shutil.copytree(desk.sandbox.variables["OMC_REPOSITORY"], desk.work / "checkout", symlinks=True)
    words = ("environment=staging", "key=OTHER_API_KEY", *APPLIED["add_key"][1:])
    done = desk.call([str(COMMAND), "run", "add_key", *words], **caller(desk.sandbox, json.dumps(document)))
    assert done.returncode == 2 and "the permission iam:PassRole is missing" in done.stdout


def test_a_runbook_that_needs_nothing_says_so(desk: Desk) -> None:
    """Without asking AWS; every notebook has an answer."""
    assert {*notebooks.paths()} == {*ACTIONS, *WITHOUT}
    for runbook in WITHOUT:
        done = desk.call([str(COMMAND), "policy", runbook, "environment=local"])
        assert (done.returncode, done.stdout) == (0, "") and f"{runbook} needs no permission" in done.stderr


def test_a_policy_allows_no_more_than_one_environment(desk: Desk) -> None:
    """What has resources names staging's."""
    for runbook in ACTIONS:
        for statement in policy_of(desk, runbook, "--apply")["Statement"]:
            assert (
                statement["Resource"] == ["*"]
                or all("staging" in each for each in statement["Resource"])
                # add_key compares the keys of environments, audit their values.
                or (runbook in ("add_key", "audit") and statement["Action"] == ["secretsmanager:GetSecretValue"])
            )
