"""Carrying a change through to running tasks, and back, in a sandbox of real processes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
from botocore.exceptions import ClientError
from support.administrator import BAD, Staging, at_work, rotator
from support.late_reads import read_late
from support.runs import SECRET, deny
from support.snapshots import NOW, event
from support.steps import SteppedChange

from omc_runbook.aws import cloudtrail, ecs, secretsmanager
from omc_runbook.changes.deploy.executor import NOTHING_TO_RESTORE, STEPS, SecretResult
from omc_runbook.changes.engine.step import Cancelled
from omc_runbook.changes.secret import current_version
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.model.errors import ConflictError, CouldNotLook, Interrupted, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.report import changes
from omc_runbook.runbooks import live_change, secret_change
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient


@pytest.fixture
def staging(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Staging:
    return at_work(sandbox, monkeypatch)


@pytest.fixture
def mended(staging: Staging) -> Iterator[Staging]:
    """For tests that leave the world broken, or another value current than before."""
    text = staging.text
    yield staging
    if staging.text != text:
        staging.secretsmanager.put_secret_value(SecretId=staging.name, SecretString=text)
    faults.mend(staging.sandbox.endpoint, None)


def problem(result: SecretResult | None) -> Finding:
    assert result
    return result.findings[-1]


def test_a_dry_run_changes_nothing_and_an_apply_reaches_every_process(staging: Staging) -> None:
    """All consumers run with the new value, at the version that AWSCURRENT names; frontend is left alone."""
    stages, old = staging.stages, staging.members["SECRET_KEY"]
    assert staging.rotate("SECRET_KEY", apply=False) is None
    assert (staging.stages, staging.process_values("SECRET_KEY")["worker"]) == (stages, {old})
    before = {name: staging.service(name)["deployments"][0]["id"] for name in ("backend", "worker", "frontend")}
    result = staging.rotate("SECRET_KEY")
    new = staging.members["SECRET_KEY"]
    assert (
        result
        and result.is_proved
        and result.version_change
        and result.version_change.version_id == staging.current
        and new != old
    )
    assert staging.process_values("SECRET_KEY") == {"backend": {new}, "worker": {new}, "frontend": {""}}
    assert not staging.labels()
    after = {name: staging.service(name)["deployments"][0]["id"] for name in ("backend", "worker", "frontend")}
    assert [rollout.deployment_id for rollout in result.rollouts] == [after["backend"], after["worker"]]
    assert before["frontend"] == after["frontend"] and before["backend"] != after["backend"]
    assert [change.action for change in result.changes] == ["changed", "redeployed", "redeployed"]


def test_the_same_values_again_do_nothing(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """With values from a variable a second run has nothing to write and nobody to restart."""
    monkeypatch.setenv("NEW", secrets.token_hex(32))
    first, second = staging.rotate("SECRET_KEY", "env:NEW"), staging.rotate("SECRET_KEY", "env:NEW")
    assert first and first.version_change and second
    assert (second.version_change, second.rollouts, second.changes) == (None, (), ())


def test_keep_gives_new_tasks_to_those_that_hold_older_values(staging: Staging) -> None:
    """What somebody wrote without redeploying reaches the tasks, and no version is written."""
    staging.put(SECRET_KEY=(new := secrets.token_hex(32)))
    versions = len(staging.versions)
    result = staging.rotate("", "keep")
    assert (
        result
        and result.is_proved
        and not result.version_change
        and {r.service for r in result.rollouts} == {"backend", "worker"}
    )
    assert staging.process_values("SECRET_KEY")["backend"] == {new} and len(staging.versions) == versions


def test_a_bad_value_is_told_at_once_and_taken_back(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is shown by the first read that finds a stopped task; then the former version is back everywhere.

    Reads are counted, not seconds: on a busy machine both they and the look at the cause take long.
    """
    monkeypatch.setenv("NEW", BAD)
    version, old, reads = staging.current, staging.members["SENTRY_DSN"], list[float]()

    def list_tasks(client: ECSClient, cluster: str, status: Literal["RUNNING", "STOPPED"]) -> tuple[str, ...]:
        reads.extend([time.time()] if status == "STOPPED" else [])
        return found(client, cluster, status)

    found = ecs.list_task_arns
    monkeypatch.setattr(ecs, "list_task_arns", list_tasks)
    result = staging.rotate("SENTRY_DSN", "env:NEW")
    assert result and not result.is_proved and result.restored_version == version == staging.current
    assert (
        problem(result).check == "change-failed"
        and problem(result).is_root_cause
        and "SENTRY_DSN" in problem(result).title
    )
    assert "exit code 3" in " ".join(problem(result).evidence)
    assert "New tasks of backend, worker run with it" in result.rollback_note
    assert staging.process_values("SENTRY_DSN")["backend"] == {old} and not staging.labels()
    failed = next(rollout for rollout in result.rollouts if rollout.has_failed)
    tasks = staging.ecs.describe_tasks(
        cluster=CLUSTER, tasks=staging.ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
    )["tasks"]
    first = min(t["stoppingAt"].timestamp() for t in tasks if t.get("startedBy") == failed.deployment_id)
    moment_of_cause = next(moment for moment, line in staging.progress if "Root cause" in line)
    at_most = ["the watch's read", "the look at the cause"]
    assert 0 < len([moment for moment in reads if first < moment < moment_of_cause]) <= len(at_most)
    there, back = ["changed", "redeployed", "redeployed"], ["put back", "redeployed", "redeployed"]
    assert [change.action for change in result.changes] == there + back


def test_leave_keeps_the_new_version_and_says_so(mended: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are watched to their end, no label is left, and the next rotation heals it."""
    monkeypatch.setenv("NEW", BAD)
    monkeypatch.setenv("OLD", mended.members["SENTRY_DSN"])
    before = mended.current
    result = mended.rotate("SENTRY_DSN", "env:NEW", on_failure="leave")
    assert result and not result.restored_version and mended.members["SENTRY_DSN"] == BAD and not mended.labels()
    assert {rollout.service: rollout.state for rollout in result.rollouts} == {"backend": "failed", "worker": "done"}
    assert "left current" in problem(result).evidence[-1]
    again = mended.rotate("", "keep", on_failure="leave")
    assert problem(again).evidence[-1] == NOTHING_TO_RESTORE, "it has written no version"
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    plan = plan_restore(snapshot, secret_change.history(run, snapshot), mended.current)
    restored = secret_change.apply(run, plan, apply=True)
    assert problem(restored).evidence[-1].endswith(f"such as {before[:8]}, which was current before it.")
    healed = mended.rotate("SENTRY_DSN", "env:OLD")
    assert healed and healed.is_proved


def test_an_unknown_answer_to_failure_is_refused_before_anything(staging: Staging) -> None:
    """Also in a dry run."""
    with pytest.raises(UsageError, match="on_failure"):
        staging.rotate("SECRET_KEY", on_failure="retry", apply=False)


@pytest.mark.parametrize("fault", ["desired-zero", "external-controller"])
def test_a_service_that_cannot_be_redeployed_is_told_as_such(mended: Staging, fault: str) -> None:
    """Nothing is forced on it; the others are proved, and the run is not."""
    faults.break_(mended.sandbox.endpoint, fault)
    result = mended.rotate("SECRET_KEY")
    assert result and not result.is_proved and not result.findings
    rollouts = {rollout.service: rollout for rollout in result.rollouts}
    lost = next(rollout for rollout in rollouts.values() if rollout.state == "not-started")
    word = {"desired-zero": "desiredCount is 0", "external-controller": "external"}[fault]
    assert word in lost.reason and not lost.deployment_id
    assert {rollout.state for rollout in rollouts.values() if rollout is not lost} == {"done"}
    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    problems = [finding.check for finding in secret_change.judge(snapshot, snapshot, result) if finding.is_problem]
    assert fault in problems, "what keeps it from being proved is no mere remark"


def test_a_service_without_room_for_new_tasks_is_told_before_anything(mended: Staging) -> None:
    """ECS could neither start a new task of it nor stop an old one, so nobody waits for its deployment."""
    usual = mended.service("worker")["deploymentConfiguration"]
    tight = {**usual, "minimumHealthyPercent": 100, "maximumPercent": 100}
    mended.ecs.update_service(cluster=CLUSTER, service="worker", deploymentConfiguration=tight)
    result = mended.rotate("SECRET_KEY")
    mended.ecs.update_service(cluster=CLUSTER, service="worker", deploymentConfiguration=usual)
    assert result and not result.is_proved and result.is_in_force
    worker = next(rollout for rollout in result.rollouts if rollout.service == "worker")
    assert worker.state == "not-started" and "maximumPercent 100" in worker.reason
    healed = mended.rotate("", "keep")
    assert healed and healed.is_proved and [rollout.service for rollout in healed.rollouts] == ["worker"]


def test_what_came_after_the_plan_is_redeployed_too(mended: Staging) -> None:
    """A new revision, and a service that started with the old values: both are proved to have the new ones."""
    worker = mended.service("worker")
    definition = mended.ecs.describe_task_definition(taskDefinition=worker["taskDefinition"])["taskDefinition"]
    fields = ("family", "containerDefinitions", "executionRoleArn", "taskRoleArn", "networkMode", "cpu", "memory")

    def step(name: str) -> None:
        if name == "stage":
            response = mended.ecs.register_task_definition(**{field: definition[field] for field in fields})
            revision = response["taskDefinition"]["taskDefinitionArn"]
            mended.ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=revision)
            mended.ecs.create_service(
                cluster=CLUSTER,
                serviceName="late",
                taskDefinition=worker["taskDefinition"],
                desiredCount=1,
                launchType="FARGATE",
                networkConfiguration=worker["networkConfiguration"],
            )
            lifecycle.settle(mended.sandbox)

    result = mended.rotate("SECRET_KEY", step=step)
    values_of_service = mended.process_values("SECRET_KEY")
    mended.world.delete_service("late")
    assert (
        result
        and result.is_proved
        and {rollout.service for rollout in result.rollouts} == {"backend", "late", "worker"}
    )
    assert values_of_service["late"] == values_of_service["worker"] == {mended.members["SECRET_KEY"]}


def test_a_service_that_is_deleted_while_it_is_watched_takes_nothing_back(mended: Staging) -> None:
    """The others are proved, and the run with them."""

    def step(name: str) -> None:
        if name == "watch":
            mended.world.delete_service("worker")

    result = mended.rotate("SECRET_KEY", step=step)
    assert result and result.is_proved and result.finished is None
    assert {rollout.service: rollout.state for rollout in result.rollouts} == {"backend": "done", "worker": "gone"}


def test_a_change_whose_services_are_all_deleted_meanwhile_is_not_proved(mended: Staging) -> None:
    """Nothing is left that shows whether the new value works."""

    def step(name: str) -> None:
        if name == "watch":
            mended.world.delete_service("worker")
            mended.world.delete_service("backend")

    result = mended.rotate("SECRET_KEY", step=step)
    assert result and not result.is_proved and not result.restored_version and not mended.labels()
    assert {(each.subject, each.check, each.status) for each in result.findings} == {
        (name, "deployment-unread", "unknown") for name in ("backend", "worker")
    }
    assert "was deleted meanwhile" in problem(result).evidence[0]


def test_somebody_elses_edit_while_older_values_are_replaced_is_told(staging: Staging) -> None:
    """Also where this run writes nothing itself."""
    staging.put(SECRET_KEY=secrets.token_hex(32))

    def step(name: str) -> None:
        if name == "release":
            staging.put(SECRET_KEY=secrets.token_hex(32))

    result = staging.rotate("", "keep", step=step)
    assert result and result.rollouts and not result.is_proved and problem(result).check == "version-overtaken"


def test_a_version_that_somebody_puts_back_meanwhile_is_told(staging: Staging) -> None:
    """It stays, and the run is not proved."""
    version = staging.current

    def step(name: str) -> None:
        if name == "release":
            staging.secretsmanager.update_secret_version_stage(
                SecretId=SECRET,
                VersionStage="AWSCURRENT",
                MoveToVersionId=version,
                RemoveFromVersionId=staging.current,
            )

    result = staging.rotate("SECRET_KEY", step=step)
    assert result and not result.is_proved and staging.current == version and not staging.labels()
    assert (
        problem(result).check == "version-overtaken"
        and f"made version {version} current" in problem(result).evidence[0]
    )
    healed = staging.rotate("", "keep")
    assert healed and healed.is_proved


def test_a_second_run_takes_back_what_a_killed_one_gave_another_service(staging: Staging, tmp_path: Path) -> None:
    """Its tasks run with the new value, which is in force no more."""
    old, new = staging.members["SECRET_KEY"], secrets.token_hex(32)
    path = tmp_path / "new.json"
    path.touch(0o600)
    path.write_text(json.dumps({"SENTRY_DSN": BAD, "SECRET_KEY": new}))
    assert rotator("SENTRY_DSN,SECRET_KEY", f"file:{path}", "watch") == (-9, "")
    assert staging.process_values("SECRET_KEY")["worker"] == {new}
    result = staging.rotate("", "keep")
    assert (
        result and result.restored_version == staging.current and {each.state for each in result.rollbacks} == {"done"}
    )
    assert (
        staging.process_values("SECRET_KEY") == {"backend": {old}, "worker": {old}, "frontend": {""}}
        and not staging.labels()
    )


def interrupting(patch: pytest.MonkeyPatch, number: int = 1, arrives: bool = True) -> None:
    """Interrupt a move of AWSCURRENT: the first, or the second, which puts it back; it takes effect or not."""
    move, moves = secretsmanager.move_current, list[str]()

    def interrupted(client: Any, secret: str, to: str, from_: str) -> bool | None:
        moves.append(to)
        answer = move(client, secret, to, from_) if arrives or len(moves) != number else None
        if len(moves) == number:
            raise KeyboardInterrupt
        return answer

    patch.setattr(secretsmanager, "move_current", interrupted)


def test_an_interruption_while_the_version_becomes_current_leaves_all_to_a_second_run(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error and the record say that the new values are in force; the second run goes on with the same value."""
    live, former = live_change.LiveChange(), staging.current
    with monkeypatch.context() as patch:
        interrupting(patch)
        with pytest.raises(Interrupted) as interruption:
            staging.rotate("SECRET_KEY", live=live)
    version = staging.current
    assert staging.labels() and [(each.action, each.version) for each in live.changes] == [("changed", version)]
    assert str(interruption.value).startswith(
        f"Interrupted. Done before: changed SECRET_KEY, in version {version}. Run again to finish."
        f" Version {version} is current, with the new values. To go on:\n"
    )
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and staging.current == version and not staging.labels()
    finished = [(change.key, change.version) for change in result.changes if change.action == "finished"]
    assert finished == [("SECRET_KEY", version)]
    undo = changes.undo(runbooks_run.begin("rotate", "staging").environment, result.plan, result).to_text()
    assert f"-p version {former} " in undo and f"--remove-from-version-id {version}" in undo


def test_an_interrupted_move_that_has_not_arrived_may_still_do_so(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing is cleaned up, and the error says no more than that of the new values."""
    version, live = staging.current, live_change.LiveChange()
    with monkeypatch.context() as patch:
        interrupting(patch, arrives=False)
        with pytest.raises(Interrupted) as interruption:
            staging.rotate("SECRET_KEY", live=live)
    assert str(interruption.value).startswith(
        "Interrupted. UpdateSecretVersionStage may still take effect: run again to continue."
        f" Version {version} is current, as before this run."
    )
    assert staging.current == version and staging.labels() and not live.changes
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and not staging.labels()


def test_an_interruption_while_the_former_version_is_put_back_says_so(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not say that the new values are still in force."""
    version, live = staging.current, live_change.LiveChange()
    with monkeypatch.context() as patch:
        interrupting(patch, 2)
        patch.setenv("NEW", BAD)
        with pytest.raises(Interrupted) as interruption:
            staging.rotate("SENTRY_DSN", "env:NEW", live=live)
    assert staging.current == version and [each.action for each in live.changes][-1] == "put back"
    assert f"put back SENTRY_DSN, in version {version}. Version {version[:8]} is current again: " in str(
        interruption.value
    )
    assert "still current" not in str(interruption.value)
    healed = staging.rotate("", "keep")
    assert healed and healed.is_proved and not staging.labels()


@pytest.mark.parametrize("is_enabled", [True, False])
@pytest.mark.parametrize("begins", ["before", "stage"])
def test_a_rotation_of_secrets_managers_own_that_begins_after_the_plan_is_noticed(
    mended: Staging, begins: str, is_enabled: bool
) -> None:
    """Its version would become current without this change: nothing is changed, and no label is left.

    So it is with one that was enabled after the plan, too.
    """
    staging, version = mended, mended.current

    def enable() -> None:
        staging.secretsmanager.rotate_secret(
            SecretId=SECRET,
            RotationLambdaARN=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotate",
            RotationRules={"AutomaticallyAfterDays": 30},
            RotateImmediately=False,
        )

    if is_enabled:
        enable()

    def step(name: str) -> None:
        if name == begins:
            enable()
            staging.secretsmanager.put_secret_value(
                SecretId=SECRET, SecretString=json.dumps(staging.members), VersionStages=["AWSPENDING"]
            )

    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY")
    plan = secret_change.plan(run, snapshot, new)
    step("before")
    with pytest.raises(ConflictError, match=r"has AWSPENDING, .* begun since this plan .* AWSCURRENT was not moved\.$"):
        secret_change.apply(run, plan, True, new=new, live=SteppedChange(step))
    assert staging.current == version and not staging.labels()


def test_a_key_that_is_disabled_after_the_plan_is_told_as_the_cause(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be written, and then nothing read: nothing is in force, and the first error says why."""

    def refused(code: str, operation: str) -> Any:
        def call(*_: Any, **__: Any) -> None:
            raise ClientError({"Error": {"Code": code}}, operation)

        return call

    def step(name: str) -> None:
        if name == "stage":
            monkeypatch.setattr(secretsmanager, "stage_value", refused("EncryptionFailure", "PutSecretValue"))
            monkeypatch.setattr(secretsmanager, "get_value", refused("DecryptionFailure", "GetSecretValue"))

    version = staging.current
    with pytest.raises(
        CouldNotLook, match=r"PutSecretValue failed with EncryptionFailure\. .* KMS key, then run again\.$"
    ):
        staging.rotate("SECRET_KEY", step=step)
    assert staging.current == version and not staging.labels()


def test_a_deletion_that_is_scheduled_before_the_former_version_is_back_is_named(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the cause, and not the new values; the error says how to find and cancel it, and the same run goes back."""
    monkeypatch.setenv("NEW", BAD)
    version = mended.current

    def step(name: str) -> None:
        if name == "withdraw":
            mended.world.secretsmanager.delete_secret(SecretId=SECRET)

    with pytest.raises(
        CouldNotLook, match=r"InvalidRequestException\. .* troubleshoot, which can cancel that"
    ) as error:
        mended.rotate("SENTRY_DSN", "env:NEW", step=step)
    mended.world.secretsmanager.restore_secret(SecretId=SECRET)
    assert "still current, and new tasks fail: run again" in str(error.value)
    again = mended.rotate("SENTRY_DSN", "env:NEW")
    assert again and again.restored_version == version == mended.current and not mended.labels()


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_restore_that_was_killed_after_its_move_goes_back_where_tasks_fail(mended: Staging) -> None:
    """Its label tells the same run, and no other, that nothing has proved the version yet; without one, it stays."""
    good = mended.members["SENTRY_DSN"]
    # A value of its own: tasks may have begun with what an earlier test took back, and labels do not tell.
    bad = mended.put(SENTRY_DSN=f"{BAD}/restored")
    before = mended.put(SENTRY_DSN=good)

    def restore(version: str, step: Any = None) -> SecretResult | None:
        run, live = runbooks_run.begin("restore", "staging"), SteppedChange(step or (lambda name: None))
        snapshot = run.look()
        plan = plan_restore(snapshot, secret_change.history(run, snapshot), version)
        values_of_killed_run = secret_change.left_by_restore(run, snapshot, plan)
        return secret_change.apply(run, plan, apply=True, new=values_of_killed_run, live=live)

    def killed(name: str) -> None:
        if name == "redeploy":
            raise Killed

    with pytest.raises(Killed):
        restore(bad, killed)
    label = f"omc-runbook-restore-{bad}"
    assert mended.current == bad and mended.labels() == [label]
    assert restore("") and mended.labels() == [label], "nothing was chosen"
    again = restore(bad)
    assert again and not again.is_proved and again.restored_version == before == mended.current
    assert mended.labels() == [] and mended.process_values("SENTRY_DSN")["backend"] == {good}


def test_what_a_killed_restore_has_put_back_stays_where_the_next_change_fails(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before it is the one that somebody wanted to leave."""
    version, version_to_leave = mended.current, mended.put(SECRET_KEY=secrets.token_hex(32))
    mended.rotate("", "keep")
    monkeypatch.setenv("NEW", f"{BAD}3")
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    plan = plan_restore(snapshot, secret_change.history(run, snapshot), version)

    def killed(name: str) -> None:
        if name == "redeploy":
            raise Killed

    with pytest.raises(Killed):
        secret_change.apply(run, plan, apply=True, live=SteppedChange(killed))
    failed = mended.rotate("SENTRY_DSN", "env:NEW")
    assert failed and failed.restored_version == version == mended.current != version_to_leave


def losing(patch: pytest.MonkeyPatch, number: int) -> None:
    """Let the answer of a move of AWSCURRENT be lost: of the first, or of the second, which puts it back."""
    move, moves = secretsmanager.move_current, list[str]()

    def lost(client: Any, secret: str, to: str, from_: str) -> bool | None:
        answer = move(client, secret, to, from_)
        moves.append(to)
        if len(moves) != number:
            return answer
        if number == 1:
            answered = {"Error": {"Code": "InternalServiceError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}
            raise ClientError(cast(Any, answered), "UpdateSecretVersionStage")
        # So it ends where botocore repeats the call.
        return None

    patch.setattr(secretsmanager, "move_current", lost)


@pytest.mark.parametrize("late", [0, 3])
def test_a_version_that_became_current_without_an_answer_is_gone_on_with(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """AWS has made it current, and says that it could not: the services get it all the same."""
    read_late(monkeypatch, "move_current", late)
    losing(monkeypatch, 1)
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and result.version_change and result.version_change.version_id == staging.current
    assert staging.process_values("SECRET_KEY")["worker"] == {staging.members["SECRET_KEY"]} and not staging.labels()


def test_a_read_of_before_the_write_is_no_edit_of_somebody_else(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets Manager shows a version as current only after a while."""
    read_late(monkeypatch, "move_current", 3)
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and result.version_change and result.version_change.version_id == staging.current
    assert staging.process_values("SECRET_KEY")["worker"] == {staging.members["SECRET_KEY"]} and not staging.labels()


def test_a_version_that_never_reads_back_is_finished_by_a_second_run(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is blamed for it, and what was written stays for that run."""
    before = staging.current
    with monkeypatch.context() as patch:
        read_late(patch, "move_current", 1_000_000)
        patch.setattr(current_version, "SETTLE_SECONDS", 0.2)
        with pytest.raises(CouldNotLook, match="does not read back as written"):
            staging.rotate("SECRET_KEY")
    new_version = staging.current
    assert new_version != before and staging.labels()
    result = staging.rotate("SECRET_KEY")
    assert result and result.is_proved and staging.current == new_version
    assert {change.action for change in result.changes} == {"finished", "redeployed"}
    assert staging.process_values("SECRET_KEY")["worker"] == {staging.members["SECRET_KEY"]} and not staging.labels()


@pytest.mark.parametrize("late", [0, 3])
def test_a_withdrawal_whose_answer_was_lost_is_no_edit_of_somebody_else(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """The former version is current again, and the services get it back."""
    monkeypatch.setenv("NEW", BAD)
    read_late(monkeypatch, "move_current", late)
    losing(monkeypatch, 2)
    version, old = staging.current, staging.members["SENTRY_DSN"]
    result = staging.rotate("SENTRY_DSN", "env:NEW")
    assert result and result.restored_version == version == staging.current
    assert {rollout.state for rollout in result.rollbacks} == {"done"} and "somebody else" not in result.rollback_note
    assert staging.process_values("SENTRY_DSN")["backend"] == {old} and not staging.labels()


def test_a_last_look_that_aws_refuses_tells_what_is_done(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials expire after everything else."""
    get_value, steps = secretsmanager.get_value, list[str]()

    def expired(*which: Any, **more: Any) -> Any:
        if "release" in steps:
            raise ClientError({"Error": {"Code": "ExpiredTokenException"}}, "GetSecretValue")
        return get_value(*which, **more)

    monkeypatch.setattr(secretsmanager, "get_value", expired)
    message = r"have expired .* Done before: changed SECRET_KEY, .* redeployed worker, .* not seen: run verify\.$"
    with pytest.raises(CouldNotLook, match=message):
        staging.rotate("SECRET_KEY", step=steps.append)


def test_somebody_elses_deployment_is_told_as_such(staging: Staging) -> None:
    """Ours then proves nothing, and nothing is taken back."""

    def step(name: str) -> None:
        if name == "watch":
            staging.ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)

    former = staging.current
    result = staging.rotate("SECRET_KEY", step=step)
    assert result and not result.is_proved and not result.restored_version
    assert problem(result).evidence[0].endswith(f" values_from keep. If they fail, restore version {former[:8]}.")
    assert (problem(result).check, problem(result).status, problem(result).subject) == (
        "deployment-overtaken",
        "unknown",
        "worker",
    )
    assert staging.process_values("SECRET_KEY")["worker"] == {staging.members["SECRET_KEY"]} and not staging.labels()


def test_no_version_is_named_to_restore_where_somebody_has_changed_the_secret_too(staging: Staging) -> None:
    """Theirs would be lost with it."""

    def step(name: str) -> None:
        if name == "watch":
            staging.put(SMTP_PASSWORD=secrets.token_hex(16))
            staging.ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)

    result = staging.rotate("SECRET_KEY", step=step)
    assert result and [each.check for each in result.findings] == ["deployment-overtaken", "version-overtaken"]
    assert not [line for each in result.findings for line in each.evidence if "restore" in line]


def test_one_plan_that_two_apply_at_once_is_applied_by_one(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other says so and changes nothing, and who was first goes on undisturbed."""
    monkeypatch.setenv("NEW", secrets.token_hex(32))
    results: list[SecretResult | None] = []

    def step(name: str) -> None:
        if name == "move" and not results:
            results.append(None)
            results[0] = staging.rotate("SECRET_KEY", "env:NEW")

    with pytest.raises(
        ConflictError, match=r"applied already, by another run \(arn:aws:iam::\S+, \d\d:.* changed nothing"
    ):
        staging.rotate("SECRET_KEY", "env:NEW", step=step)
    first = results[0]
    assert first and first.is_proved and not staging.labels()
    deployments = {name: staging.service(name)["deployments"][0]["id"] for name in ("backend", "worker")}
    assert {rollout.service: rollout.deployment_id for rollout in first.rollouts} == deployments


def test_one_plan_that_is_applied_again_leaves_nothing_for_another_run_to_finish(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label that it left would let the next rotation of the key finish that, and renew nothing."""
    monkeypatch.setenv("NEW", secrets.token_hex(32))

    def step(name: str) -> None:
        if name == "stage":
            assert staging.rotate("SECRET_KEY", "env:NEW")

    with pytest.raises(ConflictError, match=r"applied already, by another run .* changed nothing"):
        staging.rotate("SECRET_KEY", "env:NEW", step=step)
    before = staging.current
    assert not staging.labels()
    assert staging.rotate("SECRET_KEY") and staging.current != before


def test_somebody_elses_edit_before_ours_stays_and_is_told(staging: Staging) -> None:
    """Nothing is redeployed, and no label is left."""
    new = secrets.token_hex(16)

    def step(name: str) -> None:
        if name == "move":
            staging.put(SMTP_PASSWORD=new)

    before = staging.service("worker")["deployments"][0]["id"]
    with pytest.raises(ConflictError, match="SMTP_PASSWORD"):
        staging.rotate("SECRET_KEY", step=step)
    assert staging.members["SMTP_PASSWORD"] == new and not staging.labels()
    assert staging.service("worker")["deployments"][0]["id"] == before


def test_who_moved_a_kept_version_back_before_ours_is_told(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    """And when: not who wrote that version long before."""
    former, later = staging.current, staging.put(SMTP_PASSWORD=secrets.token_hex(16))
    wrote = event("PutSecretValue", NOW - timedelta(hours=1), former, "writer")
    moved = event("UpdateSecretVersionStage", NOW, former, "mover")
    calls = {wrote.name: (wrote,), moved.name: (moved,)}

    def step(name: str) -> None:
        if name == "move":
            monkeypatch.setattr(cloudtrail, "lookup_events", lambda _trail, name, *_rest: calls.get(name, ()))
            staging.secretsmanager.update_secret_version_stage(
                SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=former, RemoveFromVersionId=later
            )

    with pytest.raises(ConflictError, match=rf"changed \S+ since this plan was made \(mover, {NOW:%H:%M:%S} UTC\)"):
        staging.rotate("SECRET_KEY", step=step)


def test_somebody_elses_edit_during_a_failing_roll_out_is_not_undone(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they wrote stays current, and the failure says so."""
    monkeypatch.setenv("NEW", BAD)

    def step(name: str) -> None:
        if name == "withdraw":
            mended.put(SENTRY_DSN="https://0@sentry.example.com/5")

    result = mended.rotate("SENTRY_DSN", "env:NEW", step=step)
    assert result and not result.restored_version and "somebody else" in result.rollback_note and not result.is_in_force
    assert mended.members["SENTRY_DSN"].endswith("/5")
    # A command that restores the former version would replace theirs.
    undo = changes.undo(runbooks_run.begin("rotate", "staging").environment, result.plan, result).to_text()
    assert "theirs stays" in undo and "omc-runbook" not in undo


@pytest.mark.parametrize("when", ["redeploy back", "release"])
def test_somebody_elses_edit_after_the_former_version_is_back_is_told(
    mended: Staging, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Tasks may have either: not all is as before."""
    monkeypatch.setenv("NEW", f"{BAD}6")

    def step(name: str) -> None:
        if name == when:
            mended.put(SMTP_PASSWORD=secrets.token_hex(16))

    result = mended.rotate("SENTRY_DSN", "env:NEW", step=step)
    assert result and result.restored_version != mended.current and not result.is_back
    assert [each.check for each in result.findings] == ["change-failed", "version-overtaken"]
    assert f"{result.restored_version} was current again, and is not any more" in problem(result).evidence[0]


def test_a_failed_version_that_somebody_makes_current_once_more_is_told(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that still shows it is waited for, and then it is not the former one that is current."""
    monkeypatch.setattr(current_version, "SETTLE_SECONDS", 1)
    monkeypatch.setenv("NEW", f"{BAD}7")
    former = mended.current

    def step(name: str) -> None:
        if name == "release":
            labels = mended.secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
            [failed] = [version for version, names in labels.items() if "AWSPREVIOUS" in names]
            mended.secretsmanager.update_secret_version_stage(
                SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=failed, RemoveFromVersionId=former
            )

    result = mended.rotate("SENTRY_DSN", "env:NEW", step=step)
    assert result and result.restored_version == former != mended.current and not result.is_back
    assert [each.check for each in result.findings] == ["change-failed", "version-overtaken"]
    mended.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=former, RemoveFromVersionId=mended.current
    )


def test_a_secret_that_is_created_again_meanwhile_is_told(mended: Staging) -> None:
    """It has another ARN, and nothing of it is changed."""

    def step(name: str) -> None:
        if name == "stage":
            text = mended.text
            mended.secretsmanager.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
            mended.secretsmanager.create_secret(Name=SECRET, SecretString=text)

    with pytest.raises(CouldNotLook, match=r"ResourceNotFoundException\. The secret, or .* deleted meanwhile: run ver"):
        mended.rotate("SECRET_KEY", step=step)


@pytest.mark.parametrize("is_lost", [False, True])
def test_tasks_that_started_with_what_is_taken_back_are_replaced_too(
    mended: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_lost: bool
) -> None:
    """Of a service whose redeployment seemed to fail: it scales out meanwhile, or the call has taken effect."""
    file, old, deploy = tmp_path / "values.json", mended.members["SECRET_KEY"], ecs.force_new_deployment
    file.write_text(json.dumps({"SECRET_KEY": secrets.token_hex(32), "SENTRY_DSN": BAD}))
    file.chmod(0o600)
    failed: list[str] = []

    def refuse(client: Any, cluster: str, name: str, *rest: Any) -> Any:
        if name != "worker" or failed:
            return deploy(client, cluster, name, *rest)
        failed.append(name)
        if is_lost:
            deploy(client, cluster, name, *rest)
        else:
            mended.ecs.update_service(cluster=cluster, service=name, desiredCount=2)
            lifecycle.settle(mended.sandbox)
        raise ClientError({"Error": {"Code": "ServerException"}}, "UpdateService")

    monkeypatch.setattr(ecs, "force_new_deployment", refuse)
    result = mended.rotate("SECRET_KEY,SENTRY_DSN", f"file:{file}")
    assert result and result.restored_version == mended.current
    assert mended.process_values("SECRET_KEY")["worker"] == {old}


def test_a_change_that_a_person_stops_before_tasks_have_its_values_replaces_none(mended: Staging) -> None:
    """They have the former ones, and are not restarted for that."""
    version, services = mended.current, ("backend", "worker")
    before = [mended.service(name)["deployments"][0]["id"] for name in services]

    def stop(name: str) -> None:
        if name == "redeploy":
            raise Cancelled

    result = mended.rotate("SECRET_KEY", step=stop)
    assert result and result.is_cancelled and result.is_back and mended.current == version
    assert [mended.service(name)["deployments"][0]["id"] for name in services] == before and not result.rollbacks


def test_a_look_that_ecs_does_not_answer_leaves_no_service_with_what_is_taken_back(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The services that this run has redeployed are known without it."""
    old, steps, describe = mended.members["SECRET_KEY"], [""], ecs.describe_services

    def throttled(*which: Any) -> Any:
        if steps[-1] == "withdraw":
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeServices")
        return describe(*which)

    def stop(name: str) -> None:
        steps.append(name)
        if name == "watch":
            raise Cancelled

    monkeypatch.setattr(ecs, "describe_services", throttled)
    result = mended.rotate("SECRET_KEY", step=stop)
    assert result and result.is_cancelled and not result.is_back and "could not be read" in result.rollback_note
    assert set().union(*mended.process_values("SECRET_KEY").values()) <= {old, ""}


def test_a_missing_permission_to_redeploy_takes_the_change_back(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permission is named, and the former version is current again."""
    version = staging.current
    deny(staging.sandbox, monkeypatch, "ecs:UpdateService")
    result = staging.rotate("SECRET_KEY")
    assert "ecs:UpdateService" in " ".join(problem(result).evidence)
    assert staging.current == version and not staging.labels()


@pytest.mark.parametrize("permission", ["ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeServices"])
def test_a_missing_permission_to_watch_is_told_before_anything_is_written(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, permission: str
) -> None:
    """Without it nobody could tell whether the tasks start."""
    versions = len(staging.versions)
    deny(staging.sandbox, monkeypatch, permission)
    with pytest.raises(CouldNotLook, match=f"{permission} is missing.*Nothing was written"):
        staging.rotate("SECRET_KEY")
    assert len(staging.versions) == versions


FORWARD = [step for step in STEPS if "back" not in step and step not in ("database", "withdraw")]
BACK = ["withdraw", "redeploy back", "watch back"]


@pytest.mark.parametrize("last", FORWARD)
def test_a_run_killed_at_any_step_is_finished_by_a_second_one(staging: Staging, last: str) -> None:
    """It ends proved, with one new version however often it was made, and with no label."""
    versions, old = len(staging.versions), staging.members["SECRET_KEY"]
    assert rotator("SECRET_KEY", "renew", last) == (-9, "")
    assert bool(staging.labels()) == (last != "stage")
    assert rotator("SECRET_KEY", "renew", "")[1] == "proved"
    new = staging.members["SECRET_KEY"]
    assert new != old and staging.process_values("SECRET_KEY") == {"backend": {new}, "worker": {new}, "frontend": {""}}
    assert (len(staging.versions), staging.labels()) == (versions + 1, [])


@pytest.mark.parametrize("last", BACK)
def test_a_failing_run_killed_on_its_way_back_is_mended_by_a_good_one(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """The bad value is not taken up again by a run that keeps what is there."""
    monkeypatch.setenv("NEW", BAD)
    old = staging.members["SENTRY_DSN"]
    assert rotator("SENTRY_DSN", "env:NEW", last) == (-9, "")
    assert rotator("", "keep", "")[1] == ("failed" if last == "withdraw" else "proved")
    assert staging.members["SENTRY_DSN"] == old and staging.process_values("SENTRY_DSN")["backend"] == {old}
    assert not staging.labels()


def test_a_value_of_a_killed_run_is_blamed_beside_that_of_the_next(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New tasks are the first that have it; with both, what tasks have worked with is back."""
    monkeypatch.setenv("NEW", f"{BAD}2")
    monkeypatch.setenv("OLD", old := mended.members["SENTRY_DSN"])
    version = mended.current

    def killed(name: str) -> None:
        if name == "redeploy":
            raise Killed

    with pytest.raises(Killed):
        mended.rotate("SENTRY_DSN", "env:NEW", step=killed)
    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, "generate", "SECRET_KEY", "")
    state = secret_change.state(run, secret_change.plan(run, snapshot, new), new)
    assert state.former == version and version in state.go_back, "what a killed run has left goes back to the same"
    failed = mended.rotate("SECRET_KEY")
    assert "the new values of SECRET_KEY, SENTRY_DSN" in problem(failed).title
    assert failed and failed.restored_version == version == mended.current and not mended.labels()
    assert "The change of SENTRY_DSN that was not finished before is taken back with it" in failed.rollback_note
    assert mended.process_values("SENTRY_DSN")["backend"] == {old}
    healed = mended.rotate("SENTRY_DSN", "env:OLD")
    assert healed and healed.is_proved


@pytest.mark.parametrize("is_same", [False, True])
def test_a_value_of_somebody_else_that_no_task_has_is_blamed_beside_this_runs(
    mended: Staging, monkeypatch: pytest.MonkeyPatch, is_same: bool
) -> None:
    """Going back to their version does not help, and the one before it is named."""
    monkeypatch.setenv("OLD", mended.members["SENTRY_DSN"])
    monkeypatch.setenv("NEW", f"{BAD}7")
    good = mended.current
    theirs = mended.put(SENTRY_DSN=BAD)
    failed = mended.rotate("SENTRY_DSN", "env:NEW") if is_same else mended.rotate("SECRET_KEY")
    assert failed and failed.restored_version == theirs == mended.current
    assert problem(failed).title.endswith(f"the new values of {'' if is_same else 'SECRET_KEY, '}SENTRY_DSN")
    assert f"Tasks fail with that, too: restore version {good[:8]} that was current" in failed.rollback_note
    healed = mended.rotate("SENTRY_DSN", "env:OLD")
    assert healed and healed.is_proved


def test_a_version_that_tasks_have_run_with_is_not_blamed_for_a_lost_log_group(mended: Staging) -> None:
    """Tasks fail with any version then: the one before helps no more."""

    def lose(name: str) -> None:
        if name == "redeploy":
            faults.break_(mended.sandbox.endpoint, "log-group")

    failed = mended.rotate("SECRET_KEY", step=lose)
    assert failed and failed.restored_version == mended.current and problem(failed).because_of == ("log-group",)
    assert "worker does not run with it yet" in failed.rollback_note and "restore" not in failed.rollback_note
    assert problem(failed).title == "New tasks fail with the new values of SECRET_KEY, and with the former ones"
    mended.put(SECRET_KEY=secrets.token_hex(32))
    again = mended.rotate("", "keep")
    assert again and problem(again).because_of == ("log-group",) and again.rollback_note == NOTHING_TO_RESTORE


def test_a_value_of_a_killed_run_that_tasks_have_is_not_blamed(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works already, and stays current."""
    monkeypatch.setenv("NEW", f"{BAD}6")

    def killed(name: str) -> None:
        if name == "watch":
            lifecycle.settle(mended.sandbox)
            raise Killed

    with pytest.raises(Killed):
        mended.rotate("SECRET_KEY", step=killed)
    first = mended.current
    failed = mended.rotate("SENTRY_DSN", "env:NEW")
    assert failed and failed.restored_version == first == mended.current and not mended.labels()
    assert problem(failed).title.endswith("the new values of SENTRY_DSN") and "SECRET_KEY" not in problem(failed).title


@pytest.mark.parametrize(("last", "is_back"), [("watch", False), ("redeploy back", True)])
def test_an_interruption_tells_the_version_before_both_changes(
    mended: Staging, monkeypatch: pytest.MonkeyPatch, last: str, is_back: bool
) -> None:
    """To which this run goes back, and the command, too."""
    version = mended.current
    monkeypatch.setenv("NEW", f"{BAD}4")
    monkeypatch.setenv("OLD", mended.members["SENTRY_DSN"])

    def killed(name: str) -> None:
        if name == "redeploy":
            raise Killed

    def interrupted(name: str) -> None:
        if name == last:
            raise KeyboardInterrupt

    with pytest.raises(Killed):
        mended.rotate("SENTRY_DSN", "env:NEW", step=killed)
    message = f"Version {version} is current again" if is_back else f"To go back:\n.*version {version}"
    with pytest.raises(Interrupted, match=message):
        mended.rotate("SECRET_KEY", step=interrupted)
    assert (mended.current == version) is is_back
    healed = mended.rotate("", "keep") if is_back else mended.rotate("SENTRY_DSN", "env:OLD")
    assert healed and healed.is_proved and not mended.labels()


def test_two_killed_runs_in_a_row_leave_no_version_that_the_next_ones_go_back_and_forth_between(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one's version, current again, is unfinished no more: the second one's was taken back."""
    monkeypatch.setenv("NEW", f"{BAD}5")
    monkeypatch.setenv("OLD", mended.members["SENTRY_DSN"])

    def killed(name: str) -> None:
        if name == "redeploy":
            raise Killed

    with pytest.raises(Killed):
        mended.rotate("SENTRY_DSN", "env:NEW", step=killed)
    first = mended.current
    with pytest.raises(Killed):
        mended.rotate("SECRET_KEY", step=killed)
    failed = mended.rotate("", "keep")
    assert failed and failed.restored_version == first == mended.current and not mended.labels()
    assert "Tasks fail with that, too: restore the one that was current before it." in failed.rollback_note
    again = mended.rotate("", "keep")
    assert again and not again.is_proved and mended.current == first
    assert "Restore another one, such as" in problem(again).evidence[-1]
    healed = mended.rotate("SENTRY_DSN", "env:OLD")
    assert healed and healed.is_proved


def test_what_somebody_moved_away_from_a_killed_run_is_not_gone_back_to(
    mended: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their version was current after the killed run's, and is AWSPREVIOUS: a failing run goes back to the latter."""
    monkeypatch.setenv("NEW", f"{BAD}5")
    assert rotator("SECRET_KEY", "renew", "watch") == (-9, "")
    killed, theirs = mended.current, mended.put(SMTP_PASSWORD=secrets.token_hex(16))
    mended.ecs.update_service(cluster=CLUSTER, service="backend", forceNewDeployment=True)
    lifecycle.settle(mended.sandbox)
    mended.secretsmanager.update_secret_version_stage(
        SecretId=SECRET, VersionStage="AWSCURRENT", MoveToVersionId=killed, RemoveFromVersionId=theirs
    )
    failed = mended.rotate("SENTRY_DSN", "env:NEW")
    assert failed and failed.restored_version == killed == mended.current
    assert "SMTP_PASSWORD" not in failed.rollback_note and not mended.labels()


def test_a_bad_value_that_is_tried_again_is_taken_back_after_a_kill_too(
    staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version is there from the first time, and is marked as under way all the same."""
    monkeypatch.setenv("NEW", BAD)
    old = staging.members["SENTRY_DSN"]
    assert rotator("SENTRY_DSN", "env:NEW", "") == (0, "failed")
    assert rotator("SENTRY_DSN", "env:NEW", "watch") == (-9, "")
    assert staging.members["SENTRY_DSN"] == BAD and staging.labels()
    assert rotator("", "keep", "") == (0, "failed")
    assert (
        staging.process_values("SENTRY_DSN")["backend"] == {staging.members["SENTRY_DSN"]} == {old}
        and not staging.labels()
    )
