"""Taking back what another process made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from support.snapshots import NOW, service

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy.rollout import expected
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Journal, execute
from omc_runbook.changes.fix.rollback import Rollback
from omc_runbook.changes.fix.steps import Grant
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.take_back import Reversal, Undo, digest_of, digest_of_policy
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.textfile.file import SourceFile

ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf"


class Secret:
    """Secrets Manager with one secret, where AWSCURRENT is moved and the answer is this error."""

    def __init__(self, theirs: str = "", code: str = "InvalidParameterException") -> None:
        self.current, self.theirs, self.code = "new", theirs, code

    def describe_secret(self, **_: str) -> dict[str, Any]:
        return {"ARN": ARN, "Name": "app", "VersionIdsToStages": {self.current: ["AWSCURRENT"]}}

    def update_secret_version_stage(self, **parameters: str) -> None:
        self.current = self.theirs or parameters["MoveToVersionId"]
        answer = {"Error": {"Code": self.code}, "ResponseMetadata": {"RetryAttempts": 1}}
        raise ClientError(answer, "UpdateSecretVersionStage")  # type: ignore[arg-type]


def taken_back(secret: Secret) -> Reversal:
    return reversed_at(secret, Undo(kind="version", subject="app", former="old", new="new"))


def context_of(client: object, services: Sequence[Service] = ()) -> ChangeContext:
    return ChangeContext(
        clients=cast("Any", lambda name: client),
        cluster="app",
        look=cast("Any", lambda: SimpleNamespace(services=services)),
        show=lambda rollouts, lines: None,
        announce=lambda name: None,
        clock=cast("Any", None),
    )


def reversed_at(client: object, undo: Undo, *changes: Change) -> Reversal:
    context = context_of(client)
    reversal = Reversal({"": context}, [undo], changed={"": changes})
    execute(reversal.steps(), context.announce, Journal())
    return reversal


def test_a_version_that_is_back_without_an_answer_is_back() -> None:
    """A repeated call is refused then; only where another version is current has somebody changed it."""
    reversal, overtaken = taken_back(Secret()), taken_back(Secret(theirs="other"))
    assert reversal.is_complete and "Version old of app is current again" in reversal.sentence
    assert not overtaken.is_complete and "somebody else has changed it" in overtaken.sentence


def test_a_version_that_is_back_is_told_apart_from_the_other() -> None:
    former, new = "terraform-20260301000000000000000001", "terraform-20260402000000000000000001"
    secret = Secret()
    secret.current = new
    reversal = reversed_at(secret, Undo(kind="version", subject="app", former=former, new=new))
    assert "Version terraform-202603 of app is current again" in reversal.sentence


def test_a_version_that_is_back_in_spite_of_an_error_is_back() -> None:
    """AWS has moved AWSCURRENT, and says that it could not; where it has not, that is an error."""
    assert taken_back(Secret(code="InternalServiceError")).is_complete
    with pytest.raises(CouldNotLook, match="InternalServiceError"):
        taken_back(Secret(theirs="other", code="InternalServiceError"))


def test_a_file_that_is_back_has_its_mode(tmp_path: Path) -> None:
    """git writes it anew, readable by everybody."""
    file, patch = tmp_path / "app" / ".env", tmp_path / "its.patch"
    file.parent.mkdir()
    subprocess.run(["git", "init", "--quiet", file.parent], check=True)
    edit = SourceFile(file, file.name, b"A=1\n").with_text("A=1\nB=2\n", "B")
    file.write_bytes(edit.after)
    file.chmod(0o600)
    patch.write_text(edit.patch(file.parent))
    undo = Undo(kind="patch", subject=file.name, former=str(file.parent), new=str(patch))
    reversal = Reversal({}, [undo])
    execute(reversal.steps(), lambda name: None, Journal())
    assert (file.read_bytes(), file.stat().st_mode & 0o777, reversal.is_complete) == (b"A=1\n", 0o600, True)


@pytest.mark.parametrize(("text", "is_complete"), [("A=1\n", True), ("A=1\nB=2\n", False)])
def test_a_file_without_its_patch_is_back_only_where_it_is_as_it_was(
    tmp_path: Path, text: str, is_complete: bool
) -> None:
    """Before the edit and once it is back there is no patch, and nor is there where somebody has removed it."""
    (tmp_path / "main.tf").write_text(text)
    patch = tmp_path / "its.patch"
    undo = Undo(kind="patch", subject="main.tf", former=str(tmp_path), new=str(patch), known=digest_of(b"A=1\n"))
    reversal = Reversal({}, [undo])
    execute(reversal.steps(), lambda name: None, Journal())
    assert reversal.is_complete is is_complete
    assert reversal.sentence == (
        "Everything was as before already."
        if is_complete
        else f"main.tf stays as it is: the patch of its edit, {patch}, does not exist."
    )


class Roles:
    """IAM with a role that has one inline policy."""

    def __init__(self, action: str, late: int = 0) -> None:
        self.document: dict[str, Any] | None = {"Statement": {"Effect": "Allow", "Action": action}}
        self.late = late

    def get_role_policy(self, **_: str) -> dict[str, Any]:
        self.late -= 1
        if self.late >= 0:
            raise ClientError({"Error": {"Code": "NoSuchEntity"}}, "GetRolePolicy")
        return {"PolicyDocument": self.document}

    def delete_role_policy(self, **_: str) -> None:
        self.document = None


@pytest.mark.parametrize("is_own", [True, False])
def test_a_policy_that_somebody_has_changed_since_stays(is_own: bool) -> None:
    """It may allow what others need by now."""
    roles = Roles("secretsmanager:GetSecretValue" if is_own else "s3:*")
    own = digest_of_policy({"Statement": {"Action": "secretsmanager:GetSecretValue", "Effect": "Allow"}})
    reversal = reversed_at(roles, Undo(kind="policy", subject="task", new="read-app", known=own))
    assert (reversal.is_complete, roles.document is None) == (is_own, is_own)
    assert is_own or reversal.sentence == "Policy read-app of role task stays: somebody else has changed it since."


@pytest.mark.parametrize("is_own", [True, False])
def test_a_grant_that_did_not_help_stays_where_somebody_has_changed_it(is_own: bool) -> None:
    """Where tasks fail, a fix revokes what it granted, as a person who stops it does."""
    roles, own = Roles("secretsmanager:GetSecretValue" if is_own else "s3:*"), Roles("secretsmanager:GetSecretValue")
    grant = Grant("arn:aws:iam::123456789012:role/task", "task", "", "", "read-app", json.dumps(own.document), ())
    rollback = Rollback(context_of(roles), [grant])
    [step] = rollback.undo(grant)
    assert [change.action for change in step.apply() or ()] == ["revoked"] * is_own
    assert (rollback.kept_steps == (), roles.document is None) == (is_own, is_own)


def test_a_policy_is_known_again_by_what_it_says() -> None:
    """Somebody's editor may have saved the same with its lists in another order."""
    actions, arn = ["kms:Decrypt", "secretsmanager:GetSecretValue"], "arn:aws:s3:::app"
    one = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": arn}]}
    same = {"Statement": {"Resource": [arn], "Action": actions[::-1], "Effect": "Allow"}, "Version": "2012-10-17"}
    assert digest_of_policy(one) == digest_of_policy(same)
    for other in (
        one | {"Version": "2008-10-17"},
        {"Statement": one["Statement"]},
        one | {"Statement": [*one["Statement"], {"Effect": "Deny", "Action": "*", "Resource": arn}]},
        one | {"Statement": {"Effect": "Allow", "Action": actions[0], "Resource": arn}},
        one | {"Statement": {"Effect": "Allow", "Action": json.dumps(actions), "Resource": arn}},
    ):
        assert digest_of_policy(one) != digest_of_policy(other)


def test_a_policy_that_is_not_shown_yet_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that lacks what this run has just granted is one of before."""
    monkeypatch.setattr(current_version, "SETTLE_INTERVAL", 0)
    roles, undo = Roles("s3:*", late=2), Undo(kind="policy", subject="task", new="read-app")
    assert reversed_at(roles, undo, Change(action="granted", role="task", policy="read-app")).is_complete
    assert roles.document is None


class Deployer:
    """An ECS that records which revision a service gets."""

    def __init__(self) -> None:
        self.revisions: list[str] = []

    def update_service(self, **parameters: Any) -> dict[str, Any]:
        revision = parameters["taskDefinition"]
        self.revisions.append(revision)
        new = {"id": "ecs-svc/3", "status": "PRIMARY", "createdAt": NOW, "taskDefinition": revision}
        return {"service": {"deployments": [new]}}

    def describe_services(self, **_: Any) -> dict[str, Any]:
        return {"services": []}


def test_a_service_that_is_not_shown_as_deployed_yet_goes_back() -> None:
    """A description without this run's deployment is one of before; with it, the former revision is back already."""
    before, own = service("backend"), Change(action="redeployed", service="backend", deployment="ecs-svc/2")
    after = replace(before, deployments=(*before.deployments, replace(before.deployments[0], id="ecs-svc/2")))
    undo = Undo(kind="revision", subject="backend", former=before.task_definition_arn)
    for description, revisions in ((before, [before.task_definition_arn]), (after, [])):
        deployer = Deployer()
        context = context_of(deployer, [description])
        execute(Reversal({"": context}, [undo], changed={"": [own]}).steps()[:1], context.announce, Journal())
        assert deployer.revisions == revisions


@pytest.mark.parametrize("is_same_process", [True, False])
@pytest.mark.parametrize(
    ("revision", "words"),
    [("9", ""), ("10", "somebody else has deployed it"), ("5", "ECS has returned to it")],
)
@pytest.mark.parametrize("is_followed", [True, False])
def test_what_somebody_has_deployed_since_stays(
    is_same_process: bool, revision: str, words: str, is_followed: bool
) -> None:
    """It is another task definition than the change's, which alone is taken back, however often it was deployed."""
    before, family = service("backend"), "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/backend"
    is_theirs = bool(words)
    own = replace(before.deployments[0], id="ecs-svc/2", task_definition_arn=f"{family}:9")
    reason = "rolling back to deployment ecs-svc/3" if "ECS" in words else ""
    theirs = replace(
        own,
        id="ecs-svc/3",
        created=own.created + timedelta(seconds=1),
        task_definition_arn=f"{family}:{revision}",
        rollout_reason=reason,
    )
    latest = theirs if is_followed or is_theirs else own
    deployments = (replace(latest, status="PRIMARY"), *((replace(own, status="ACTIVE"),) if latest != own else ()))
    now = replace(before, task_definition_arn=latest.task_definition_arn, deployments=deployments)
    undo, deployer = Undo(kind="revision", subject="backend", former=before.task_definition_arn), Deployer()
    context = context_of(deployer, [now])
    change = Change(action="redeployed", service="backend", deployment=own.id)
    forward = [replace(expected(before), deployment_id=own.id, state="done")]
    reversal = (
        Reversal({"": context}, [undo], changed={"": [change]})
        if is_same_process
        else Reversal({"": context}, [undo], forward)
    )
    execute(reversal.steps()[:1], context.announce, Journal())
    assert deployer.revisions == ([] if is_theirs else [before.task_definition_arn])
    assert reversal.is_complete is not is_theirs
    assert (f"backend keeps backend:{revision}: {words} since." in reversal.sentence) is is_theirs


def test_what_stayed_on_the_way_forward_stays_on_the_way_back() -> None:
    """No deployment of the change has begun, and the roll-out has the task definition that somebody else deployed."""
    before, theirs = service("backend"), "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/backend:10"
    now = replace(before, task_definition_arn=theirs)
    undo, deployer = Undo(kind="revision", subject="backend", former=before.task_definition_arn), Deployer()
    context, forward = context_of(deployer, [now]), replace(expected(now), state="overtaken", theirs="backend:10")
    reversal = Reversal({"": context}, [undo], [forward])
    execute(reversal.steps()[:1], context.announce, Journal())
    assert deployer.revisions == [] and not reversal.is_complete


@pytest.mark.parametrize("deployed_in", ["staging", "production", ""])
def test_another_process_knows_in_which_environment_the_change_deployed(deployed_in: str) -> None:
    """What somebody else has deployed since stays there; elsewhere the task definition is the change's own."""
    before, theirs = service("backend"), "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/backend:10"
    now = replace(before, task_definition_arn=theirs)
    former, deployer = before.task_definition_arn, Deployer()
    undo = Undo(kind="revision", subject="backend", former=former, environment="production")
    own = replace(expected(before), deployment_id="ecs-svc/2", state="done", environment=deployed_in)
    context = context_of(deployer, [now])
    of_another = replace(own, service="worker", environment="production")
    reversal = Reversal({"staging": context, "production": context}, [undo], [own, of_another])
    execute(reversal.steps()[:3], context.announce, Journal())
    assert deployer.revisions == ([former] if deployed_in == "staging" else [])


def test_a_service_of_another_environment_is_not_taken_for_a_deployed_one() -> None:
    """A run that was stopped in the first environment has deployed nothing in the next one."""
    idle, own = service("backend"), Change(action="redeployed", service="backend", deployment="ecs-svc/2")
    undo = Undo(kind="revision", subject="backend", former=idle.task_definition_arn, environment="production")
    deployer = Deployer()
    context = context_of(deployer, [idle])
    reversal = Reversal({"production": context}, [undo], changed={"staging": [own], "production": []})
    execute(reversal.steps()[:1], context.announce, Journal())
    assert not deployer.revisions and reversal.is_complete
