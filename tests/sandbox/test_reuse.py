"""New values against those of other environments: the same one is refused, and what was not read is in the plan."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.runs import client, sign_in

from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.report import changes
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.run import Run
from omc_runbook.sandbox.lifecycle import Sandbox


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Path:
    """An empty working folder, signed in to the sandbox."""
    sign_in(sandbox, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def production(sandbox: Sandbox) -> Iterator[dict[str, Any]]:
    """What production's secret holds, until the test is over."""
    secretsmanager = client(sandbox, "secretsmanager")
    members: dict[str, Any] = {
        "SECRET_KEY": secrets.token_hex(32),
        "SMTP_HOST": "smtp.ohmycoins.test",
        "SMTP_USER": "noreply@ohmycoins.test",
        "SMTP_PASSWORD": "",
        "POSTGRES_PORT": "5432",
        "OLD_TOKEN": secrets.token_hex(20),
    }
    name = "ohmycoins-production-app-secrets"
    secretsmanager.create_secret(Name=name, SecretString=json.dumps(members))
    yield members
    secretsmanager.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def plan(run: Run, **new: str) -> SecretPlan:
    """A plan of these values on top of what staging has."""
    return secret_change.plan(
        run, run.look(), NewValues({key: NewValue(Masked(text, key), "a test") for key, text in new.items()})
    )


def test_a_value_of_production_is_refused_without_being_shown(home: Path, production: dict[str, Any]) -> None:
    """Under the same key and under any other secret key; the sentence names both places and no value."""
    run = runbooks_run.begin("update", "staging")
    for key in ("SECRET_KEY", "FIRST_SUPERUSER_PASSWORD"):
        with pytest.raises(UsageError) as error:
            plan(run, **{key: production["SECRET_KEY"]})
        message = str(error.value)
        assert f"{key} from a test is the value of production's SECRET_KEY" in message
        assert "Nothing was written" in message and "\n" not in message and production["SECRET_KEY"][:8] not in message


def test_what_is_no_secret_may_be_the_same(home: Path, production: dict[str, Any]) -> None:
    """A mail server, its login and an empty password; and a value of its own needs no word."""
    update_plan = plan(
        runbooks_run.begin("update", "staging"),
        SMTP_HOST=production["SMTP_HOST"],
        SMTP_USER=production["SMTP_USER"],
        SMTP_PASSWORD="",
        SECRET_KEY=secrets.token_hex(32),
    )
    assert len(update_plan.changed) >= 3 and update_plan.notes == ()


def test_a_long_value_of_an_unknown_key_counts_until_it_is_described(home: Path, production: dict[str, Any]) -> None:
    """A short one is taken for a setting; the sentence says how to make a long one known."""
    (home / "runbook.toml").write_text("[keys.OTHER]\n[keys.POSTGRES_PORT]\n")
    described = plan(runbooks_run.begin("update", "staging"), OTHER=production["OLD_TOKEN"])
    assert described.notes == () and described.changed
    (home / "runbook.toml").unlink()
    run = runbooks_run.begin("update", "staging")
    assert plan(run, POSTGRES_PORT=production["POSTGRES_PORT"]).changed
    with pytest.raises(UsageError, match=r"production's OLD_TOKEN.*a table \[keys\.OTHER\] in runbook\.toml"):
        plan(run, OTHER=production["OLD_TOKEN"])


def test_every_environment_of_the_configuration_is_asked(home: Path, sandbox: Sandbox) -> None:
    """One that only runbook.toml knows, under a name and a region of its own; and production asks staging."""
    value, other = secrets.token_hex(32), client(sandbox, "secretsmanager")
    other.create_secret(Name="preview/secret", SecretString=json.dumps({"TOKEN": value}))
    (home / "runbook.toml").write_text('[environments.preview]\nsecret = "preview/secret"\n')
    with pytest.raises(UsageError, match="preview's TOKEN"):
        plan(runbooks_run.begin("update", "staging"), SECRET_KEY=value)
    assert sorted(runbooks_run.begin("update", "production").environment.others) == ["preview", "staging"]
    other.delete_secret(SecretId="preview/secret", ForceDeleteWithoutRecovery=True)


def test_what_could_not_be_asked_is_told_with_the_plan(
    home: Path, sandbox: Sandbox, production: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A denied call names the permission; the plan is made all the same, and shows the sentence."""
    iam, user = client(sandbox, "iam"), f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    theirs = "arn:aws:secretsmanager:*:*:secret:ohmycoins-production-*"
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": theirs,
        },
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=user, PolicyName="deny", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    update_plan = plan(runbooks_run.begin("update", "staging"), SECRET_KEY=production["SECRET_KEY"])
    (note,) = update_plan.notes
    assert "could not be compared with production" in note
    assert "the permission secretsmanager:GetSecretValue is missing" in note
    display = changes.plan(update_plan)
    assert note in display.to_html() and " ".join(display.to_text().split()).endswith(note)


UNASKED = {
    "another account": ('account_id = "210987654321"', "it is in account 210987654321"),
    "another profile": ('profile = "live"', "it has a profile of its own"),
}


@pytest.mark.parametrize("case", UNASKED)
def test_another_account_is_not_asked(home: Path, production: dict[str, Any], case: str) -> None:
    """Nothing is read there with these credentials, and the plan says so."""
    setting, reason = UNASKED[case]
    (home / "runbook.toml").write_text(f"[environments.production]\n{setting}\n")
    (note,) = plan(runbooks_run.begin("update", "staging"), SECRET_KEY=production["SECRET_KEY"]).notes
    assert reason in note


def test_what_has_no_keys_is_told_and_what_is_no_region_is_refused(home: Path, sandbox: Sandbox) -> None:
    """A text that is no JSON with the plan, and a region that cannot exist before anything is read."""
    secretsmanager = client(sandbox, "secretsmanager")
    secretsmanager.create_secret(Name="odd", SecretString="no JSON")
    (home / "runbook.toml").write_text('[environments.odd]\nsecret = "odd"\n')
    (odd,) = plan(runbooks_run.begin("update", "staging"), SECRET_KEY=secrets.token_hex(32)).notes
    assert "with odd: the text of the secret at line 1" in odd and "is not JSON" in odd
    (home / "runbook.toml").write_text('[environments.away]\nsecret = "away"\nregion = "no where"\n')
    with pytest.raises(UsageError, match="region must be an AWS region"):
        runbooks_run.begin("update", "staging")
    secretsmanager.delete_secret(SecretId="odd", ForceDeleteWithoutRecovery=True)


def test_without_new_secrets_nobody_is_asked(home: Path, production: dict[str, Any], sandbox: Sandbox) -> None:
    """A plan that changes no secret reads no other environment's."""
    secretsmanager = client(sandbox, "secretsmanager")
    run = runbooks_run.begin("update", "staging")
    before = len(sandbox_reads(sandbox))
    assert plan(run, SMTP_HOST="mail.ohmycoins.test").changed
    assert plan(run).is_empty
    assert len(sandbox_reads(sandbox)) == before and secretsmanager.describe_secret(
        SecretId="ohmycoins-production-app-secrets"
    )


def sandbox_reads(sandbox: Sandbox) -> list[Any]:
    """Reads of production's secret that the trail has."""
    looked = client(sandbox, "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetSecretValue"}]
    )["Events"]
    return [event for event in looked if "ohmycoins-production-app-secrets" in event["CloudTrailEvent"]]
