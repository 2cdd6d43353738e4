"""The create runbook through the API: dry, applied, again; restored; overtaken, killed and refused."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support import forked_command
from support.late_reads import read_late
from support.runs import COMMAND, PAPERMILL, Desk, assert_nothing_leaked, client, deny

from omc_runbook.aws import secretsmanager
from omc_runbook.changes.secret import create_plan, current_version
from omc_runbook.changes.secret.placeholders import placeholder, unset_keys, update_command
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.model.catalogue import FORMS, Form, Key, default_keys
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.model.placeholders import PLACEHOLDER
from omc_runbook.runbooks import create
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.terraform import command
from omc_runbook.terraform.command import Output, SavedPlan

REQUIRED = [name for name, key in default_keys().items() if key.required]


class Creator(Desk):
    """A desk at which the create runbook is run, for a secret of its own name that is not there yet."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        super().__init__(root, sandbox)
        self.name, self.client = f"new-{secrets.token_hex(4)}", client(sandbox, "secretsmanager")
        self.variables |= {"OMC_SECRET": self.name}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(COMMAND), "run", "create", "--record", str(self.record), *arguments]
        return self.call(command, **variables)

    def secrets(self) -> list[Any]:
        """All secrets that there are, as AWS lists them."""
        return self.client.list_secrets(IncludePlannedDeletion=True)["SecretList"]

    def description_of_secret(self) -> dict[str, Any]:
        return self.client.describe_secret(SecretId=self.name)

    def members(self) -> dict[str, str]:
        text = self.client.get_secret_value(SecretId=self.name, VersionStage="AWSCURRENT")["SecretString"]
        return json.loads(text)

    def notebook(self) -> str:
        """The record's newest notebook."""
        return max(self.record.glob("*.ipynb"), key=lambda path: path.stat().st_mtime).read_text()


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Creator:
    return Creator(tmp_path, sandbox)


@pytest.fixture
def here(desk: Creator, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Creator:
    """The desk for what is called in this process."""
    for name, value in (desk.sandbox.variables | {"OMC_SECRET": desk.name}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(desk.work)
    return desk


def test_a_dry_run_creates_nothing_an_apply_does_and_a_second_one_finds_it(desk: Creator) -> None:
    """In an account without a cluster; the second run says that it exists. Until it is there, its lack is an error."""
    words = ("-p", "environment", "production")
    apply = (*words, "-p", "apply", "true", "-p", "confirm", "production")
    before = desk.secrets()
    dry = desk.run(*words)
    assert (dry.returncode, dry.stderr) == (1, "")
    assert desk.secrets() == before and desk.outcome()["changes"] == []
    assert (desk.outcome()["status"], desk.outcome()["root_causes"]) == ("findings", ["secret-missing"])
    assert desk.outcome()["applied"] is False and "would be created" in desk.outcome()["plan"][0]
    assert "PLAN: nothing was changed (secret-missing)" in dry.stdout
    assert "run create -p environment production -p apply true -p confirm production" in dry.stdout

    process = desk.run(*apply)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    assert [*desk.members()] == [*default_keys()]
    assert {tag["Key"]: tag["Value"] for tag in desk.description_of_secret()["Tags"]} == {
        "Project": "ohmycoins",
        "Environment": "production",
        "ManagedBy": "omc-runbook",
    }
    ((version, labels),) = desk.description_of_secret()["VersionIdsToStages"].items()
    change = {"action": "created", "secret": desk.name, "by": "the API", "version": version}
    assert (labels, desk.outcome()["changes"]) == (["AWSCURRENT"], [change])
    next_command = f"-p keys {','.join(REQUIRED)} -p apply true -p confirm production"
    assert next_command in desk.notebook() and "--recovery-window-in-days 30" in desk.notebook()

    again = desk.run(*apply)
    assert again.returncode == 0 and desk.outcome()["changes"] == []
    # Without services verify skips what the secret contains.
    findings = [each for each in desk.outcome()["findings"] if each["status"] == "found"]
    assert [(each["check"], each["severity"]) for each in findings] == [("placeholder", "info")]
    assert "exists already" in desk.notebook() and [*desk.description_of_secret()["VersionIdsToStages"]] == [version]
    values = [value for value in desk.members().values() if len(value) >= 16]
    assert_nothing_leaked(desk, values, *(each.stdout + each.stderr for each in (dry, process, again)))


def test_verify_names_exactly_the_placeholders(desk: Creator) -> None:
    """What create left is what the checks find, with the service that needs each."""
    desk.run("-p", "apply", "true")
    process = desk.call([str(COMMAND), "run", "verify", "--record", str(desk.record)], OMC_SECRET=desk.name)
    findings = [finding for finding in desk.outcome()["findings"] if finding["status"] == "found"]
    assert sorted(finding["subject"] for finding in findings if finding["check"] == "placeholder") == sorted(REQUIRED)
    assert process.returncode == 1


def test_one_scheduled_for_deletion_is_restored_and_nothing_else(desk: Creator) -> None:
    """A dry run offers it with exit code 1; an apply gives everything back as it was."""
    members = {"SECRET_KEY": secrets.token_hex(32)}
    desk.client.create_secret(Name=desk.name, SecretString=json.dumps(members))
    stages = desk.description_of_secret()["VersionIdsToStages"]
    desk.client.delete_secret(SecretId=desk.name, RecoveryWindowInDays=7)
    dry = desk.run()
    assert (
        dry.returncode == 1 and "DeletedDate" in desk.description_of_secret() and "will be restored" in desk.notebook()
    )
    process = desk.run("-p", "apply", "true")
    assert (process.returncode, process.stdout) == (0, "")
    assert (
        "DeletedDate" not in desk.description_of_secret()
        and desk.description_of_secret()["VersionIdsToStages"] == stages
    )
    assert desk.members() == members and desk.outcome()["changes"][0]["action"] == "restored"
    assert_nothing_leaked(desk, [*members.values()], dry.stdout, process.stdout)


def test_plain_papermill_creates_as_well(desk: Creator) -> None:
    """No notebook cell fails where placeholders are all that is left."""
    command = [str(PAPERMILL), str(notebooks() / "create.ipynb"), "out.ipynb", "-p", "apply", "True"]
    process = desk.call(command)
    assert process.returncode == 0, process.stderr
    assert desk.description_of_secret()["Description"] == "Application secrets of ohmycoins in staging"


def test_false_is_false_under_plain_papermill(desk: Creator) -> None:
    """Papermill makes a text of `-p apply false`, and a text that is not empty is true in Python."""
    process = desk.call([str(PAPERMILL), str(notebooks() / "create.ipynb"), "out.ipynb", "-p", "apply", "false"])
    assert "PLAN: nothing was changed" in process.stderr
    assert desk.name not in [secret["Name"] for secret in desk.secrets()]


def test_production_wants_its_name_as_well(desk: Creator) -> None:
    """Exit 3 and nothing made."""
    process = desk.run("-p", "environment", "production", "-p", "apply", "true")
    assert (process.returncode, 'confirm = "production"' in process.stderr) == (3, True)
    assert desk.name not in [secret["Name"] for secret in desk.secrets()]


SHAPES: list[Form] = ["text", "email", "host", "url", "number"]


@pytest.mark.parametrize("name", [*default_keys(), "omc-CryptoPanic-testkey", "NEWS.FEED_URL"])
@pytest.mark.parametrize("form", SHAPES)
def test_every_placeholder_is_known_as_one_and_has_its_form(name: str, form: Form) -> None:
    """The checks know it, and an application that insists on an e-mail address or a URL gets one."""
    text = placeholder(name, Key(required=True, form=form))
    assert PLACEHOLDER.match(text) and not re.search(r"\s", text)
    assert form not in ("email", "url") or FORMS[form].match(text)
    assert placeholder(name, Key(form=form)) == ""


def test_what_a_runbook_toml_says_is_what_the_secret_gets(here: Creator) -> None:
    """Description, tags, key and a key of the catalogue; the recovery window is in the command that undoes it."""
    kms = client(here.sandbox, "kms")
    key = kms.create_key()["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{here.name}", TargetKeyId=key["KeyId"])
    (here.work / "runbook.toml").write_text(f"""
secret_description = "Keys of {{environment}}"
secret_tags = {{ Team = "{{project}}" }}
kms_key = "alias/{here.name}"
recovery_days = 9
[keys.NEWS_KEY]
required = true
""")
    run = runbooks_run.begin("create", "staging")
    plan = create.plan(run, run.look())
    result = create.apply(run, plan, True)
    assert result and plan.undo.endswith("--recovery-window-in-days 9 --region ap-southeast-2")
    description = here.description_of_secret()
    assert (description["Description"], description["Tags"]) == (
        "Keys of staging",
        [{"Key": "Team", "Value": "ohmycoins"}],
    )
    assert description["KmsKeyId"] == f"alias/{here.name}" and here.members()["NEWS_KEY"].startswith(
        "temporary-news-key"
    )
    assert unset_keys(run.look()) == (*REQUIRED, "NEWS_KEY")
    assert f"runbook_toml {here.work / 'runbook.toml'}" in update_command(run.environment, ("NEWS_KEY",))


def test_the_key_that_aws_manages_may_be_named(here: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that a secret without a key has, of which DescribeSecret says nothing."""
    monkeypatch.setenv("OMC_KMS_KEY", "alias/aws/secretsmanager")
    run = runbooks_run.begin("create", "staging")
    assert create.apply(run, create.plan(run, run.look()), True) and "KmsKeyId" not in here.description_of_secret()


@pytest.mark.parametrize("state", ["missing", "disabled"])
def test_a_key_that_cannot_encrypt_is_refused_in_the_plan(
    here: Creator, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Before anything is written."""
    kms = client(here.sandbox, "kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    monkeypatch.setenv("OMC_KMS_KEY", key if state == "disabled" else "alias/nobodys")
    run = runbooks_run.begin("create", "staging")
    with pytest.raises(UsageError, match="does not exist" if state == "missing" else "is Disabled"):
        create.plan(run, run.look())


def test_a_name_that_only_aws_can_give_is_refused(here: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ARN ends in letters that nobody can choose."""
    monkeypatch.setenv("OMC_SECRET", "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:new-AbCdEf")
    run = runbooks_run.begin("create", "staging")
    with pytest.raises(UsageError, match="an ARN cannot be created"):
        create.plan(run, run.look())


def test_who_is_first_keeps_it_and_the_other_is_told(here: Creator) -> None:
    """Exit 2 in a sentence; what is there is theirs, whether in use or deleted already."""
    run = runbooks_run.begin("create", "staging")
    plan = create.plan(run, run.look())
    here.client.create_secret(Name=here.name, SecretString='{"SECRET_KEY": "theirs"}')
    for deleted in (False, True):
        if deleted:
            here.client.delete_secret(SecretId=here.name)
        with pytest.raises(ConflictError, match="created or changed meanwhile, by somebody else") as error:
            create.apply(run, plan, True)
        assert error.value.exit_code == 2
    here.client.restore_secret(SecretId=here.name)
    assert here.members() == {"SECRET_KEY": "theirs"}


def test_a_name_that_is_not_free_yet_is_nobody_elses_secret(here: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after a deletion without a recovery window, DescribeSecret finds nothing and CreateSecret is refused."""
    monkeypatch.setattr(current_version, "SETTLE_SECONDS", 0)
    run = runbooks_run.begin("create", "staging")
    plan = create.plan(run, run.look())

    def refuse(**_: object) -> None:
        message = "You can't create this secret because a secret with this name is already scheduled for deletion."
        raise ClientError({"Error": {"Code": "InvalidRequestException", "Message": message}}, "CreateSecret")

    run.target.clients("secretsmanager").meta.events.register("before-call.secretsmanager.CreateSecret", refuse)
    with pytest.raises(CouldNotLook, match=r"was not created.*Run create again in some minutes\."):
        create.apply(run, plan, True)


def test_of_two_copies_of_one_plan_one_creates(here: Creator) -> None:
    """Applied at the same time from a file, the second does not take the first's secret for its own."""
    run = runbooks_run.begin("create", "staging")
    first, second = (create_plan.of_its_own(create.plan(run, run.look())) for _ in range(2))
    assert create.apply(run, first, True)
    with pytest.raises(ConflictError, match="created or changed meanwhile, by somebody else"):
        create.apply(run, second, True)
    assert [*here.description_of_secret()["VersionIdsToStages"]] == [first.token]


def test_a_creation_that_was_killed_is_finished_by_a_second_try(here: Creator) -> None:
    """The same plan finds its own version there and proves it; nothing is made twice."""
    code = """
import os, signal
from omc_runbook.runbooks import create as runbook
from omc_runbook.aws import secretsmanager
made = secretsmanager.create
def die(*arguments):
    made(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
secretsmanager.create = die
run = runbook.begin("staging")
runbook.apply(run, runbook.plan(run, run.look()), True)
"""
    run = runbooks_run.begin("create", "staging")
    plan = create.plan(run, run.look())
    script = here.root / "killed.py"
    script.write_text(code)
    killed = forked_command.run([sys.executable, str(script)], os.environ, here.work, seconds=60, kernels=0)
    assert killed.returncode == -9 and [*here.description_of_secret()["VersionIdsToStages"]] == [plan.token]
    result = create.apply(run, plan, True)
    assert (
        result
        and result.version_id == plan.token
        and [*here.description_of_secret()["VersionIdsToStages"]] == [plan.token]
    )
    assert create.apply(run, create.plan(run, run.look()), True) is None


@pytest.mark.parametrize("write", ["create", "restore"])
def test_a_secret_that_is_not_shown_at_once_is_waited_for(
    here: Creator, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """Secrets Manager describes it as missing or deleted for a while, which is nobody else's change."""
    if write == "restore":
        here.client.create_secret(Name=here.name, SecretString="{}")
        here.client.delete_secret(SecretId=here.name)
    run = runbooks_run.begin("create", "staging")
    plan = create.plan(run, run.look())
    read_late(monkeypatch, write, 3)
    result = create.apply(run, plan, True)
    assert (
        result
        and result.action == f"{write}d"
        and [result.version_id] == [*here.description_of_secret()["VersionIdsToStages"]]
    )


@pytest.mark.parametrize("is_there", [True, False])
def test_a_secret_of_terraforms_is_waited_for_where_an_output_names_it(
    here: Creator, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """Without an output, a plan that made no secret is refused at once."""
    draft = SavedPlan(program="terraform", folder=here.work, directory=TemporaryDirectory(), variables={})
    run = runbooks_run.begin("create", "staging")
    plan = replace(create.plan(run, run.look()), draft=draft)

    def apply(_: SavedPlan) -> list[Output]:
        version_id = secretsmanager.create(run.target.clients("secretsmanager"), here.name, "{}", plan.token, "", {})
        return [Output("secret_arn", here.description_of_secret()["ARN"])] if version_id else []

    monkeypatch.setattr(command, "apply", apply if is_there else lambda draft: [])
    if is_there:
        read_late(monkeypatch, "create", 3)
        result = create.apply(run, plan, True)
        assert result and result.by == "terraform" and result.outputs == ("secret_arn",)
    else:
        # Any wait would fail.
        monkeypatch.setattr(current_version, "SETTLE_INTERVAL", -1)
        with pytest.raises(CouldNotLook, match="still does not exist"):
            create.apply(run, plan, True)


def test_a_secret_of_terraforms_in_another_account_is_told_at_once(
    here: Creator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No read in this account can come to show it."""
    draft = SavedPlan(program="terraform", folder=here.work, directory=TemporaryDirectory(), variables={})
    run = runbooks_run.begin("create", "staging")
    plan = replace(create.plan(run, run.look()), draft=draft)
    theirs = f"arn:aws:secretsmanager:{plan.region}:210987654321:secret:{here.name}-AbCdEf"
    monkeypatch.setattr(command, "apply", lambda draft: [Output("secret_arn", theirs)])
    monkeypatch.setattr(current_version, "SETTLE_INTERVAL", -1)
    with pytest.raises(CouldNotLook, match=r"210987654321.*this account and region"):
        create.apply(run, plan, True)


@pytest.mark.parametrize("action", ["CreateSecret", "RestoreSecret", "DescribeSecret"])
def test_a_missing_permission_is_named(here: Creator, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    """In one sentence, whether it was needed to look or to write."""
    if action == "RestoreSecret":
        here.client.create_secret(Name=here.name, SecretString="{}")
        here.client.delete_secret(SecretId=here.name)
    deny(here.sandbox, monkeypatch, f"secretsmanager:{action}")
    run = runbooks_run.begin("create", "staging")
    with pytest.raises(CouldNotLook, match=f"secretsmanager:{action} is missing"):
        create.apply(run, create.plan(run, run.look()), True)


def test_a_secret_that_is_made_and_cannot_be_read_is_on_record(here: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, though nobody could verify it: a second run finds it."""
    deny(here.sandbox, monkeypatch, "secretsmanager:GetSecretValue")
    run, live = runbooks_run.begin("create", "staging"), LiveChange()
    with pytest.raises(CouldNotLook, match=r"GetSecretValue is missing, .*Done before: created the secret\. Run again"):
        create.apply(run, create.plan(run, run.look()), True, live=live)
    assert [(change.action, change.secret) for change in live.changes] == [("created", here.name)]
    assert here.description_of_secret()["Name"] == here.name


def test_what_reads_back_otherwise_is_not_called_created(here: Creator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof reads from AWS: tags that got lost on the way are named."""
    create_secret = secretsmanager.create

    def forget(*arguments: Any) -> bool:
        answer = create_secret(*arguments)
        here.client.untag_resource(SecretId=here.name, TagKeys=["Project"])
        return answer

    monkeypatch.setattr(secretsmanager, "create", forget)
    run = runbooks_run.begin("create", "staging")
    with pytest.raises(CouldNotLook, match="the tags cannot be read back"):
        create.apply(run, create.plan(run, run.look()), True)
