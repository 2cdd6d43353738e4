"""What becomes of a write of the secret that AWS or the database does not let end well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.late_reads import read_late
from support.moto_environment import NAME, Wire, between, client, clients_of, mock_aws
from support.snapshots import healthy, values, with_secret, with_values

from omc_runbook.aws import secretsmanager
from omc_runbook.changes.database import rotation
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.secret.new_values import NewValues, UnfinishedChange
from omc_runbook.changes.secret.plan import SecretPlan, kept_note, plan_update
from omc_runbook.changes.secret.writer import STATE_UNKNOWN, SecretWriter
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.errors import ConflictError, CouldNotLook

NEW, FORMER = Masked("a-new-password-of-the-database", "new"), Masked("the-former-password", "former")
TURN = PasswordRotation(
    url=Masked("postgresql://admin@db/app", "url"),
    role="app",
    former_role="app",
    owner="app",
    exists=True,
    address="db:5432/app",
    server="db:5432",
)


@pytest.fixture
def plan() -> Iterator[SecretPlan]:
    """A plan of one new value, on a secret in moto."""
    with mock_aws():
        secret = client("secretsmanager").create_secret(Name=NAME, SecretString=json.dumps(values()))
        stages = {secret["VersionId"]: ("AWSCURRENT",)}
        snapshot = with_values(
            with_secret(healthy(), arn=secret["ARN"], name=NAME, stages=stages), values(), secret["VersionId"]
        )
        yield plan_update(snapshot, {"OPENAI_API_KEY": NewValue(Masked(f"sk-{token_urlsafe(40)}", "new"), "a test")})


@dataclass
class Refusing(Wire):
    """One that refuses the staging labels of a prefix with a code of AWS; "" refuses none."""

    code: str = ""
    prefix: str = ""

    def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        """Answer one call."""
        if self.code and parameters.get("VersionStage", "").startswith(self.prefix):
            raise ClientError({"Error": {"Code": self.code, "Message": "refused"}}, operation)
        return super().call(client, operation, parameters)


@dataclass
class Severed(Wire):
    """One that answers nothing from the move of AWSCURRENT on."""

    def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        """Answer one call."""
        if operation == "UpdateSecretVersionStage":
            self.refused = dict.fromkeys((operation, "DescribeSecret", "GetSecretValue"), "InternalServiceError")
        return super().call(client, operation, parameters)


def writer_of(plan: SecretPlan, new_values: NewValues | None = None) -> SecretWriter:
    """Its writer."""
    return SecretWriter(clients_of(healthy().environment.names.region), plan, new_values)


def current(plan: SecretPlan) -> str:
    """The current version in AWS."""
    get = client("secretsmanager").get_secret_value
    return str(get(SecretId=plan.secret_arn, VersionStage="AWSCURRENT")["VersionId"])


def labels(plan: SecretPlan) -> set[str]:
    """All staging labels in AWS."""
    stages = client("secretsmanager").describe_secret(SecretId=plan.secret_arn)["VersionIdsToStages"]
    return {label for each in stages.values() for label in each}


def run(writer: SecretWriter, *names: str) -> None:
    """The steps of these names, as the engine does them."""
    with writer.cleaning_up():
        for step in writer.steps():
            if step.name in names and not (step.is_done and step.is_done()):
                [*(step.apply() or ())]


def test_a_secret_that_goes_as_it_is_written_is_not_taken_for_written(plan: SecretPlan) -> None:
    """The move is on record, and its proof fails."""
    writer = writer_of(plan)
    run(writer, "stage")
    changes = writer.move()
    assert next(changes).version == plan.token
    client("secretsmanager").delete_secret(SecretId=plan.secret_arn)
    with pytest.raises(CouldNotLook, match="does not read back as written: run verify before anything else"):
        next(changes)


def test_after_a_move_that_nobody_saw_the_state_is_unknown(plan: SecretPlan) -> None:
    """Neither its answer nor what is current can be read: nothing is taken back, and another run continues."""
    with between(Severed()), pytest.raises(CouldNotLook) as error:
        run(writer_of(plan), "stage", "move")
    assert str(error.value).endswith(STATE_UNKNOWN)
    assert any(label.startswith("omc-runbook") for label in labels(plan))


@pytest.mark.parametrize("restores", [True, False])
def test_a_database_that_may_have_the_new_password_gets_the_former_one(
    plan: SecretPlan, restores: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the lock that another run would wait for; where it refuses, both errors are said."""
    calls: list[str] = []

    class Lock:
        def __init__(self) -> None:
            calls.append("locked")

        def close(self) -> None:
            calls.append("unlocked")

    def restore(*arguments: Any) -> str:
        calls.append("restored")
        if not restores:
            raise CouldNotLook("The database refuses.")
        return ""

    monkeypatch.setattr(rotation, "lock", lambda plan, passwords: Lock())
    monkeypatch.setattr(rotation, "restore_password", restore)
    turn = NewValues({}, rotation=TURN, password=NEW, former_password=FORMER, database_key="POSTGRES_PASSWORD")
    before, wire = current(plan), Wire(refused={"PutSecretValue": "AccessDeniedException"})
    with between(wire), pytest.raises(CouldNotLook, match=r"PutSecretValue") as error:
        run(writer_of(plan, turn), "stage", "database", "move")
    assert calls == ["locked", "restored", "unlocked"] and current(plan) == before
    assert str(error.value).endswith(" The database refuses. Run again to continue.") != restores


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_restore_that_comes_second_names_its_version(plan: SecretPlan, is_kept: bool) -> None:
    """AWSPREVIOUS is another version by then: the same command would take the other change back."""
    version, put = "0" * 32, client("secretsmanager").put_secret_value
    put(SecretId=NAME, SecretString=reveal(plan.text), ClientRequestToken=version, VersionStages=["kept"])
    document = json.loads(client("secretsmanager").get_secret_value(SecretId=NAME)["SecretString"])
    put(SecretId=NAME, SecretString=json.dumps(document | {"SMTP_HOST": "smtp.other.example"}))
    writer, before = writer_of(replace(plan, token=version, exists=True) if is_kept else plan), current(plan)
    with between(Wire()), pytest.raises(ConflictError) as error:
        run(writer, "stage", "move")
    assert "differs in SMTP_HOST. Theirs stays, " in str(error.value)
    assert ("00000000 was not restored: restore with version=00000000 " in str(error.value)) == is_kept
    assert ("run again" in str(error.value)) != is_kept and current(plan) == before


def test_a_kept_version_has_a_label_until_its_restore_has_ended_or_is_refused(plan: SecretPlan) -> None:
    """What another run finds of one that was killed; a version that is current already gets none."""
    version, secrets_manager = "0" * 32, client("secretsmanager")
    secrets_manager.put_secret_value(
        SecretId=NAME, SecretString=reveal(plan.text), ClientRequestToken=version, VersionStages=["kept"]
    )
    restored, own = replace(plan, token=version, exists=True), f"omc-runbook-restore-{version}"
    with between(Wire(refused={"GetSecretValue": "InternalServiceError"})), pytest.raises(CouldNotLook):
        run(writer_of(restored), "stage", "move")
    assert current(plan) == version and own in labels(plan)
    secrets_manager.update_secret_version_stage(
        SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=plan.base, RemoveFromVersionId=version
    )
    with between(Wire(refused={"UpdateSecretVersionStage": "AccessDeniedException"})), pytest.raises(CouldNotLook):
        run(writer_of(restored), "stage", "move")
    writer = writer_of(restored)
    run(writer, "stage", "move")
    writer.release().apply()
    assert current(plan) == version and own not in labels(plan)
    run(writer_of(restored), "stage")
    assert own not in labels(plan)


TAKEN_UP = NewValues(
    {"SECRET_KEY": NewValue(NEW, "the unfinished change")},
    unfinished=UnfinishedChange(
        "1" * 32,
        "",
        False,
        parse(Masked(json.dumps({"SECRET_KEY": reveal(NEW)}), "after")),
        parse(Masked('{"SECRET_KEY": "former"}', "before")),
    ),
)


@pytest.mark.parametrize(
    ("has_failed", "new_values", "stays"),
    [(1, None, 1), (1, NewValues({}, rotation=TURN), 0), (0, None, 0), (1, TAKEN_UP, 0)],
)
def test_what_a_killed_run_has_staged_outlives_a_change_that_fails(
    plan: SecretPlan, has_failed: int, new_values: NewValues | None, stays: int
) -> None:
    """The database may have its password alone; a rotation has given it that of the secret again.

    What was taken back before, was to be restored, or has failed with this change, is not gone on with.
    """
    staged = [("omc-runbook-87654321", "1" * 32), ("omc-runbook-restore-2", "2" * 32), ("omc-runbook-back", "3" * 32)]
    for label, version in staged:
        client("secretsmanager").put_secret_value(
            SecretId=NAME, SecretString=reveal(plan.text), ClientRequestToken=version, VersionStages=[label]
        )
    planned = replace(plan, labels=(*staged, ("omc-runbook-12345678", plan.base), ("AWSPREVIOUS", "3" * 32)))
    assert "in version 11111111 is kept" in kept_note(planned, planned.staged_labels)
    writer = writer_of(planned, new_values)
    run(writer, "stage", "move")
    writer.release(bool(has_failed)).apply()
    ours = {label for label in labels(plan) if label.startswith("omc-runbook-")}
    assert ours == ({staged[0][0]} if stays else set())


@pytest.mark.parametrize(
    ("has_failed", "code", "stays"),
    [(True, "", "omc-runbook-withdrawn-333"), (True, "AccessDeniedException", ""), (False, "", "")],
)
def test_what_a_killed_run_took_back_outlives_a_change_that_fails_too(
    plan: SecretPlan, has_failed: bool, code: str, stays: str
) -> None:
    """The database may still have its password, which no run goes on with; a label that AWS refuses stops nothing."""
    version, secrets_manager = "3" * 32, client("secretsmanager")
    secrets_manager.put_secret_value(
        SecretId=NAME, SecretString=reveal(plan.text), ClientRequestToken=version, VersionStages=["omc-runbook-back"]
    )
    planned = replace(plan, labels=(("omc-runbook-back", version), ("AWSPREVIOUS", version)))

    with between(Refusing(code=code, prefix="omc-runbook-withdrawn-")):
        writer = writer_of(planned)
        run(writer, "", "stage", "move")
        writer.release(has_failed).apply()
    ours = [label for label in labels(plan) if label.startswith("omc-runbook-")]
    assert current(plan) == plan.token and len(ours) == bool(stays) and all(each.startswith(stays) for each in ours)


def test_a_version_keeps_its_label_while_the_database_may_have_its_password(
    plan: SecretPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one to which the database could not be taken back."""
    refused = CouldNotLook("The database refuses.")

    def refuse(*_: object) -> str:
        raise refused

    monkeypatch.setattr(rotation, "lock", lambda plan, passwords: SimpleNamespace(close=lambda: None))
    writer = writer_of(plan, NewValues({}, rotation=TURN, password=NEW, former_password=FORMER))
    run(writer, "stage", "move")
    for restore, stays in ((refuse, True), (lambda *_: "done", False)):
        monkeypatch.setattr(rotation, "restore_password", restore)
        with suppress(CouldNotLook):
            writer.restore_password()
        writer.release(has_failed=True).apply()
        assert any(label.startswith("omc-runbook-") for label in labels(plan)) is stays


@pytest.mark.parametrize("code", ["LimitExceededException", "AccessDeniedException", ""])
def test_a_version_is_restored_though_its_label_is_refused(plan: SecretPlan, code: str) -> None:
    """By AWS's limit or a policy for AWSCURRENT alone; a label on another version whose id begins so is in no way."""
    secrets_manager, ids = (
        client("secretsmanager"),
        [f"terraform-2026112914082900000000000{number}" for number in (1, 2)],
    )
    for id in ids:
        secrets_manager.put_secret_value(
            SecretId=NAME, SecretString=reveal(plan.text), ClientRequestToken=id, VersionStages=[f"kept-{id}"]
        )
    run(writer_of(replace(plan, token=ids[1], exists=True)), "stage")

    with between(Refusing(code=code, prefix="omc-runbook-")):
        writer = writer_of(replace(plan, token=ids[0], exists=True))
        run(writer, "stage", "move")
        writer.release().apply()
    ours = {label for label in labels(plan) if label.startswith("omc-runbook-")}
    assert current(plan) == ids[0] and ours == {f"omc-runbook-restore-{ids[1]}"}


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_version_that_can_have_no_other_label_does_not_become_current(plan: SecretPlan, operation: str) -> None:
    """The error says what to do, and the database and AWSCURRENT stay as they are."""
    wire = Wire(refused={operation: "LimitExceededException"})
    message = r"20 staging labels( at most)?, on all its versions: remove one .* then run again\."
    with between(wire), pytest.raises(CouldNotLook, match=message):
        run(writer_of(plan), "stage", "move")
    assert current(plan) == plan.base


def test_a_change_ends_when_its_label_is_read_no_more(plan: SecretPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotation that read it would go on with this one, and renew nothing."""
    read_late(monkeypatch, "drop_label", 3)
    writer = writer_of(plan)
    run(writer, "stage", "move")
    writer.release().apply()
    secret = secretsmanager.describe(client("secretsmanager"), plan.secret_arn)
    assert secret and secret.stages[plan.token] == ("AWSCURRENT",)


def test_the_label_of_what_was_taken_back_is_the_last_to_go(plan: SecretPlan) -> None:
    """With a run that is killed in between, another would take it for the version before that of an earlier one."""
    earlier = "omc-runbook-12345678"
    secretsmanager.add_label(client("secretsmanager"), plan.secret_arn, earlier, plan.base)
    writer, wire = writer_of(replace(plan, labels=((earlier, plan.base),))), Wire()
    run(writer, "stage", "move")
    with between(wire):
        writer.release(has_failed=True).apply()
    removed = [json.loads(call).get("VersionStage") for name, call in wire.calls if name == "UpdateSecretVersionStage"]
    assert removed == [earlier, f"omc-runbook-{plan.token[:8]}"]


def test_a_label_that_cannot_be_removed_hides_no_failure(plan: SecretPlan) -> None:
    """The next run removes it; where all is well, there is nothing to report."""
    writer, wire = writer_of(plan), Wire()
    run(writer, "stage", "move")
    with between(wire):
        wire.refused = {"UpdateSecretVersionStage": "AccessDeniedException"}
        writer.release(has_failed=True).apply()
        with pytest.raises(CouldNotLook, match="UpdateSecretVersionStage is missing"):
            writer.release().apply()


def test_a_change_without_labels_waits_for_none(plan: SecretPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is only made current again had none, and the secret is not read for them."""
    monkeypatch.setattr(secretsmanager, "describe", lambda *_: pytest.fail("the secret was read"))
    writer_of(plan).release().apply()
