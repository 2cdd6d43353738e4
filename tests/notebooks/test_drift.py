"""Drift: a variable that one place has and another lacks, as a finding and in the table; and what is none."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import snapshots
from support.call_counts import count_calls
from support.files import write_files
from support.moto_environment import Wire, between, build, mock_aws
from support.platform_checkout import Platform, make_platform
from support.platform_terraform import GUIDE
from support.runs import SECRET, Desk, assert_nothing_leaked, client, values

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.session import Clients
from omc_runbook.diagnosis import root_causes
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking import registry
from omc_runbook.model import parameters
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding
from omc_runbook.model.value_from import parse
from omc_runbook.report import drift
from omc_runbook.report.display.table import WIDTH, Table
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.runbooks import add_key
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.sandbox import faults
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.other_environments import OtherKeys
from omc_runbook.snapshot.reading import identify, take
from omc_runbook.snapshot.state import Snapshot

CLUSTER = "ohmycoins-staging"
PRODUCTION = "ohmycoins-production-app-secrets"
WHOLE_TEMPLATE = "SENTRY_DSN=https://your-sentry-dsn@sentry.io/project-id\n"
WHOLE_FIELD = "    SENTRY_DSN: HttpUrl | None = None\n"
ENV_FILE = "    env_file:\n      - .env\n    environment:\n      - DOMAIN=${DOMAIN}\n"

OTHERS = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0f1e-AbCdEf"

Say = tuple[str, str]


def reference(variable: str, key: str) -> str:
    """An element of a container's secrets, as the fixture's main.tf writes it."""
    value = f'"${{var.secrets_arn}}:{key}::"'
    return f'        {{\n          name      = "{variable}"\n          valueFrom = {value}\n        }}'


def declare(platform: Platform, variable: str, key: str) -> None:
    """Let Terraform give the backend one more variable, before the first."""
    first = reference("SECRET_KEY", "SECRET_KEY")
    platform.edit(platform.main_tf, first, f"{reference(variable, key)},\n{first}")


def undeclare(platform: Platform, variable: str) -> None:
    """Let Terraform not give the backend a variable that is not the last."""
    platform.edit(platform.main_tf, f"{reference(variable, variable)},\n", "")


def without_template(platform: Platform) -> None:
    platform.edit(platform.template, WHOLE_TEMPLATE, "")


def without_field(platform: Platform) -> None:
    platform.edit(platform.config, WHOLE_FIELD, "")


def without_env_file(platform: Platform) -> None:
    platform.edit(platform.compose, ENV_FILE, ENV_FILE.removeprefix("    env_file:\n      - .env\n"))


def demanded(platform: Platform) -> None:
    """A new secret in Settings and the template, and nowhere else: a developer's machine has all that it needs."""
    platform.edit(platform.config, WHOLE_FIELD, f"{WHOLE_FIELD}    NEW_API_KEY: str\n")
    platform.edit(platform.template, WHOLE_TEMPLATE, f"{WHOLE_TEMPLATE}\nNEW_API_KEY=<your-new-api-key>\n")


FILES: dict[str, tuple[Callable[[Platform], None], set[Say], dict[str, dict[str, str]]]] = {
    "not in the template": (
        without_template,
        {("template-lacks", "SENTRY_DSN")},
        {"SENTRY_DSN": {"template": "missing"}},
    ),
    "not in Settings": (without_field, {("settings-lacks", "SENTRY_DSN")}, {"SENTRY_DSN": {"Settings": "missing"}}),
    "not passed by compose": (
        without_env_file,
        {("compose-lacks", "OPENAI_API_KEY"), ("compose-lacks", "PROJECT_NAME")},
        {"OPENAI_API_KEY": {"compose": "missing"}, "PROJECT_NAME": {"compose": "missing"}},
    ),
    "not in Terraform": (
        lambda platform: undeclare(platform, "OPENAI_API_KEY"),
        {("terraform-lacks", "OPENAI_API_KEY")},
        {"OPENAI_API_KEY": {"Terraform": "missing"}},
    ),
    "in Terraform and not applied": (
        lambda platform: declare(platform, "COINGECKO_API_KEY", "COINGECKO_API_KEY"),
        {("terraform-ahead", "COINGECKO_API_KEY")},
        {"COINGECKO_API_KEY": {"task definition": "missing", "secret staging": "missing"}},
    ),
    "in Terraform from another key": (
        lambda platform: platform.edit(platform.main_tf, ":SMTP_USER::", ":SMTP_USERNAME::"),
        {("terraform-ahead", "SMTP_USER")},
        {},
    ),
    "required and nowhere deployed": (
        demanded,
        {("terraform-lacks", "NEW_API_KEY")},
        {"NEW_API_KEY": {"Terraform": "missing", "task definition": "missing", "secret staging": "missing"}},
    ),
}


def test_a_missing_reference_is_written_as_those_beside_it(at: Sandbox, platform: Platform) -> None:
    """The container may have the secret's ARN by any expression."""
    undeclare(platform, "OPENAI_API_KEY")
    platform.main_tf.write_text(platform.main_tf.read_text().replace("${var.secrets_arn}:", "${local.app.arn}:"))
    finding = drifts(look(platform))["terraform-lacks"]
    assert 'OPENAI_API_KEY with valueFrom = "${local.app.arn}:OPENAI_API_KEY::"' in finding.remedy.command


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return make_platform(tmp_path / "ohmycoins", git=False)


def look(platform: Platform | None = None, environment: str = "staging") -> Snapshot:
    return runbooks_run.begin("verify", environment).look(str(platform.root) if platform else "")


def problems(snapshot: Snapshot) -> list[Finding]:
    return [finding for finding in root_causes.diagnose(snapshot) if finding.is_problem]


def problem_pairs(snapshot: Snapshot) -> set[Say]:
    """Every problem, as the check's id and its subject."""
    return {(finding.check, finding.subject) for finding in problems(snapshot)}


def drifts(snapshot: Snapshot, status: str = "found") -> dict[str, Finding]:
    findings = [f for f in root_causes.diagnose(snapshot) if f.family == "drift" and f.status == status]
    return {finding.check: finding for finding in findings}


def cells(table: Table, *texts: str) -> dict[str, dict[str, str]]:
    """By variable the columns whose text begins with one of these words."""
    columns_of = {}
    for row in table.rows:
        named = {c: cell for c, cell in zip(table.columns, row, strict=True) if cell.startswith(texts)}
        if named:
            columns_of[row[0]] = named
    return columns_of


def column(table: Table, name: str) -> dict[str, str]:
    """By variable the text in a column."""
    return {row[0]: row[table.columns.index(name)] for row in table.rows}


@contextmanager
def holding(sandbox: Sandbox, secret: str = SECRET, **changes: str | None) -> Iterator[dict[str, Any]]:
    """Let a secret have other keys for a while, None for a key that goes; one that is not there is made."""
    manager = client(sandbox, "secretsmanager")
    before = manager.get_secret_value(SecretId=SECRET)["SecretString"]
    document = {name: value for name, value in (json.loads(before) | changes).items() if value is not None}
    if secret == SECRET:
        manager.put_secret_value(SecretId=secret, SecretString=json.dumps(document))
    else:
        manager.create_secret(Name=secret, SecretString=json.dumps(document))
    try:
        yield document
    finally:
        if secret == SECRET:
            manager.put_secret_value(SecretId=secret, SecretString=before)
        else:
            manager.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


def test_a_healthy_world_has_no_drift(at: Sandbox, platform: Platform) -> None:
    """Every check is clear, nothing is missing in the table, and it has a row for each key and each needed variable."""
    snapshot = look(platform)
    assert problem_pairs(snapshot) == set()
    assert {*drifts(snapshot, "clear")} == {check.id for check in root_causes.EVERY_CHECK if check.family == "drift"}
    table = drift.table(snapshot)
    assert "missing" not in table.to_text() + table.to_html() and "not read" not in table.to_text()
    assert {*GUIDE, "POSTGRES_SERVER", "POSTGRES_USER", "PROJECT_NAME"} <= {*column(table, "variable")}
    assert not [name for name in column(table, "variable") if name.startswith(("FEATURE_", "VITE_", "COLLECTOR_"))]
    assert {column(table, "key")[key] for key in GUIDE} == {"the same"}
    assert column(table, "tasks")["SECRET_KEY"] == "3 of 3" and column(table, "Terraform")["PROJECT_NAME"] == "plain"
    assert "The secret of production does not exist" in table.to_text()


@pytest.mark.parametrize("gap", FILES)
def test_one_gap_of_the_files_is_named_and_nothing_else(at: Sandbox, platform: Platform, gap: str) -> None:
    """A finding of that kind for that variable, and "missing" in its cell alone."""
    make, expected, missing = FILES[gap]
    make(platform)
    snapshot = look(platform)
    assert problem_pairs(snapshot) == expected
    assert cells(drift.table(snapshot), "missing") == missing
    assert {finding.severity for finding in problems(snapshot)} == {"warning"}


def test_a_key_that_the_secret_lacks_is_missing_there(at: Sandbox, platform: Platform) -> None:
    """The finding is key-missing, which is no drift; the table says where."""
    with holding(at, SENTRY_DSN=None):
        snapshot = look(platform)
    assert ("key-missing", "SENTRY_DSN") in problem_pairs(snapshot) and not drifts(snapshot)
    assert cells(drift.table(snapshot), "missing") == {"SENTRY_DSN": {"secret staging": "missing"}}


def test_a_key_that_nobody_reads_stands_in_the_secret_alone(at: Sandbox, platform: Platform) -> None:
    """The one finding is key-unreferenced, and everything but the secret lacks it."""
    with holding(at, LEGACY_TOKEN="0123456789abcdef"), holding(at, PRODUCTION, LEGACY_TOKEN=None):
        snapshot = look(platform)
    assert problem_pairs(snapshot) == {("key-unreferenced", "LEGACY_TOKEN")}
    row = column(drift.table(snapshot), "secret staging")["LEGACY_TOKEN"]
    assert row == "yes"
    missing = dict.fromkeys(("Settings", "Terraform", "task definition"), "missing")
    assert cells(drift.table(snapshot), "missing") == {"LEGACY_TOKEN": missing}


def test_a_key_that_waits_for_terraform_is_because_of_it(at: Sandbox, platform: Platform) -> None:
    """The key is there, the reference is written: that it reaches nobody is a consequence."""
    declare(platform, "COINGECKO_API_KEY", "COINGECKO_API_KEY")
    with holding(at, COINGECKO_API_KEY="0123456789abcdef"):
        snapshot = look(platform)
    assert {finding.check for finding in problems(snapshot) if finding.is_root_cause} == {"terraform-ahead"}
    assert cells(drift.table(snapshot), "missing") == {"COINGECKO_API_KEY": {"task definition": "missing"}}


def test_another_environment_lacks_a_key(at: Sandbox, platform: Platform) -> None:
    """Which secret lacks which key, named in both directions; no value of the other secret is kept or shown."""
    with holding(at, PRODUCTION, SENTRY_DSN=None, COINGECKO_API_KEY="0123456789abcdef0123456789abcdef") as theirs:
        snapshot = look(platform)
    assert problem_pairs(snapshot) == {
        ("environment-lacks", "production: SENTRY_DSN"),
        ("environment-lacks", "staging: COINGECKO_API_KEY"),
    }
    table = drift.table(snapshot)
    assert cells(table, "missing")["SENTRY_DSN"] == {"secret production": "missing"}
    assert cells(table, "missing")["COINGECKO_API_KEY"]["secret staging"] == "missing"
    assert max(map(len, table.to_text().splitlines())) <= WIDTH
    by_subject = {finding.subject: finding for finding in problems(snapshot)}
    remedy = by_subject["production: SENTRY_DSN"].remedy
    assert (remedy.runbook, remedy.parameters["environment"]) == ("add_key", "production")
    assert PRODUCTION in remedy.command
    text = table.to_text() + repr(snapshot.other_keys) + repr(problems(snapshot))
    assert not [value for value in theirs.values() if len(value) >= 16 and value in text]


def test_another_environment_that_may_not_be_read_is_unknown(
    at: Sandbox, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The permission is named, and nothing is missing there; another account is left out and named as such."""
    with holding(at, PRODUCTION, SENTRY_DSN=None):
        arn = client(at, "secretsmanager").describe_secret(SecretId=PRODUCTION)["ARN"]
        deny_on(at, monkeypatch, "secretsmanager:GetSecretValue", arn)
        snapshot = look(platform)
        monkeypatch.setenv("OMC_ENVIRONMENTS__production__account_id", "210987654321")
        apart = look(platform)
    assert problem_pairs(snapshot) == set()
    unknown = drifts(snapshot, "unknown")["environment-lacks"]
    assert unknown.subject == "production" and "secretsmanager:GetSecretValue" in " ".join(unknown.evidence)
    table = drift.table(snapshot)
    assert {column(table, "secret production")[key] for key in GUIDE} == {"not read"}
    assert "GetSecretValue" in table.notes[0]
    assert drifts(apart, "unknown") == {} and apart.other_keys == {}
    assert "production is not compared: it is in another account" in drift.table(apart).to_text()


def deny_on(sandbox: Sandbox, patch: pytest.MonkeyPatch, action: str, resource: str) -> None:
    """Go on as somebody who may do everything but one thing to one resource."""
    iam, user = client(sandbox, "iam"), f"user-{secrets.token_hex(4)}"
    iam.create_user(UserName=user)
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": resource},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName=user, PolicyName="deny", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])


def test_tasks_of_an_older_revision_and_a_key_of_another_name(at: Sandbox, platform: Platform) -> None:
    """Tasks without the variable are counted; once they have it, the key's other name is the one finding."""
    ecs = client(at, "ecs")
    before = ecs.describe_services(cluster=CLUSTER, services=["worker"])["services"][0]["taskDefinition"]
    present = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    container = present["containerDefinitions"][0]
    base = container["secrets"][0]["valueFrom"].rpartition(":SECRET_KEY::")[0] or SECRET
    container["secrets"].append({"name": "REDIS_PASSWORD", "valueFrom": f"{base}:redis-auth-token::"})
    fields = ("family", "containerDefinitions", "executionRoleArn", "taskRoleArn", "networkMode", "cpu", "memory")
    response = ecs.register_task_definition(
        **{name: present[name] for name in fields}, requiresCompatibilities=["FARGATE"]
    )
    arn = response["taskDefinition"]["taskDefinitionArn"]
    try:
        ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=arn)
        snapshot = look(platform)
        assert ("key-missing", "redis-auth-token") in problem_pairs(snapshot) and not drifts(snapshot)
        table = drift.table(snapshot)
        assert cells(table, "missing") == {"REDIS_PASSWORD": {"secret staging": "missing"}}
        assert (column(table, "tasks")["REDIS_PASSWORD"], table.levels["0 of 1"]) == ("0 of 1", "warning")
        assert column(table, "tasks")["SECRET_KEY"] == "3 of 3"
        with holding(at, **{"redis-auth-token": "0123456789abcdef"}):
            ecs.update_service(cluster=CLUSTER, service="worker", taskDefinition=arn, forceNewDeployment=True)
            wait_for(ecs, "worker")
            snapshot = look(platform)
        assert not drifts(snapshot)
        assert column(drift.table(snapshot), "key")["REDIS_PASSWORD"] == "redis-auth-token"
        assert column(drift.table(snapshot), "tasks")["REDIS_PASSWORD"] == "1 of 1"
        assert cells(drift.table(snapshot), "missing") == {}
    finally:
        faults.mend(at.endpoint)


def wait_for(ecs: Any, service: str) -> None:
    """Wait until a service is at rest."""
    ecs.get_waiter("services_stable").wait(
        cluster=CLUSTER, services=[service], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def test_all_gaps_at_once_are_each_named(at: Sandbox, platform: Platform) -> None:
    """Each gap with its own variable, and none hides another."""
    platform.edit(platform.template, "SMTP_HOST=smtp.gmail.com\n", "")
    demanded(platform)
    without_field(platform)
    without_env_file(platform)
    undeclare(platform, "SMTP_PASSWORD")
    declare(platform, "CRYPTOPANIC_API_KEY", "CRYPTOPANIC_API_KEY")
    with holding(at, FIRST_SUPERUSER=None, LEGACY_TOKEN="0123456789abcdef"), holding(at, PRODUCTION, SMTP_USER=None):
        snapshot = look(platform)
        pairs = problem_pairs(snapshot)
    assert pairs >= {
        ("template-lacks", "SMTP_HOST"),
        ("settings-lacks", "SENTRY_DSN"),
        ("compose-lacks", "OPENAI_API_KEY"),
        ("compose-lacks", "PROJECT_NAME"),
        ("compose-lacks", "NEW_API_KEY"),
        ("terraform-lacks", "SMTP_PASSWORD"),
        ("terraform-lacks", "NEW_API_KEY"),
        ("terraform-ahead", "CRYPTOPANIC_API_KEY"),
        ("key-missing", "FIRST_SUPERUSER"),
        ("key-unreferenced", "LEGACY_TOKEN"),
        ("environment-lacks", "production: SMTP_USER"),
    }
    drifted = {(f.check, f.subject) for f in problems(snapshot) if f.family == "drift"}
    assert len(drifted) == 9
    table = drift.table(snapshot)
    assert {*cells(table, "missing")} == {
        *("SMTP_HOST", "SENTRY_DSN", "OPENAI_API_KEY", "PROJECT_NAME", "NEW_API_KEY", "SMTP_PASSWORD"),
        *("CRYPTOPANIC_API_KEY", "FIRST_SUPERUSER", "LEGACY_TOKEN", "SMTP_USER"),
    }
    text = table.to_text()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "✗ missing" in text and "CRYPTOPANIC_API_KEY" in text


@pytest.mark.parametrize("gap", ["not in the template", "not in Settings", "not in Terraform"])
def test_add_key_closes_the_gap_that_it_is_offered_for(at: Sandbox, tmp_path: Path, gap: str) -> None:
    """The runbook takes the parameters of the remedy, and its plan edits the file that lacks the variable."""
    platform = make_platform(tmp_path / "ohmycoins")
    FILES[gap][0](platform)
    (finding,) = problems(look(platform))
    remedy = finding.remedy
    words = shlex.split(remedy.invocation)
    pairs = list(zip(words[4::3], words[5::3], strict=True))
    parameter_values = parameters.check(notebooks() / "add_key.ipynb", pairs)
    assert {name: str(value) for name, value in parameter_values.items()} == {
        name: "True" if text == "true" else text for name, text in remedy.parameters.items()
    }
    run = add_key.begin("staging", repository=remedy.parameters["repository"])
    texts = {name: text for name, text in remedy.parameters.items() if name in ("key", "containers", "type")}
    plan = add_key.plan(run, add_key.look(run), required=remedy.parameters.get("required") == "true", **texts)
    assert plan is not None
    lacking = {"not in the template": ".env.template", "not in Settings": "config.py", "not in Terraform": "main.tf"}
    (edit,) = plan.edits
    assert edit.file.name.endswith(lacking[gap])
    assert all(each.write is None and not each.corrections for each in plan.environments)


@pytest.mark.usefixtures("own_registry")
def test_add_key_is_not_offered_where_it_would_refuse(platform: Platform) -> None:
    """A field that reads another variable first is none that add_key leaves: the gap is closed by hand."""
    alias = 'validation_alias=AliasChoices("SIGNING_KEY", "SECRET_KEY")'
    findings = with_field(platform, f'    SIGNING_KEY: str = Field(default="", {alias})\n')
    assert {finding.check for finding in findings} == {"template-lacks", "terraform-lacks"}
    assert {finding.remedy.runbook for finding in findings} == {""}
    assert all("SECRET_KEY" in finding.remedy.command for finding in findings)


@pytest.mark.usefixtures("own_registry")
def test_add_key_is_offered_for_a_field_of_another_name(platform: Platform) -> None:
    """It leaves a field that reads the variable by an alias as it is, and adds the rest."""
    findings = with_field(platform, '    SIGNING_KEY: str = Field(default="", alias="SECRET_KEY")\n')
    assert {finding.check for finding in findings} == {"template-lacks", "terraform-lacks"}
    assert {finding.remedy.runbook for finding in findings} == {"add_key"}
    assert not {"type", "required"}.intersection(*(finding.remedy.parameters for finding in findings))


@pytest.mark.usefixtures("own_registry")
def test_whether_add_key_would_add_a_field_is_tried_once(platform: Platform) -> None:
    """Two findings offer it for one variable, and each trial edits and parses Settings."""
    field = '    SIGNING_KEY: str = Field(default="", alias="SECRET_KEY")\n'
    assert count_calls(lambda: with_field(platform, field), "add_field") == 1


@pytest.mark.usefixtures("own_registry")
def test_what_nothing_provides_is_not_said_to_come_from_the_secret(platform: Platform) -> None:
    """A field without a default, and with its key nowhere in AWS: the findings say why the key is needed."""
    field = "    SECRET_KEY: str = secrets.token_urlsafe(32)\n"
    platform.edit(platform.config, field, f"{field}    STRIPE_SECRET: str\n")
    by_check = {each.check: each for each in problems(with_checkout(platform)) if each.subject == "STRIPE_SECRET"}
    assert by_check["template-lacks"].evidence[0].endswith("has no STRIPE_SECRET; Settings has no default for it.")
    assert "the secret has no key for it" in by_check["terraform-lacks"].evidence[0]


def with_field(platform: Platform, field: str) -> list[Finding]:
    """What is wrong where a field is Settings' only one for SECRET_KEY, which template and Terraform lack."""
    platform.edit(platform.config, "    SECRET_KEY: str = secrets.token_urlsafe(32)\n", field)
    platform.edit(platform.template, "SECRET_KEY=your-secret-key-here\n", "")
    undeclare(platform, "SECRET_KEY")
    return problems(with_checkout(platform))


@pytest.mark.usefixtures("own_registry")
def test_add_key_is_offered_for_a_field_with_a_default_of_its_own(platform: Platform) -> None:
    """It leaves the field as it is, and adds the rest."""
    platform.edit(platform.template, "SECRET_KEY=your-secret-key-here\n", "")
    (finding,) = problems(with_checkout(platform))
    assert (finding.check, finding.remedy.runbook) == ("template-lacks", "add_key")
    assert not {"type", "required"}.intersection(finding.remedy.parameters)


def test_wild_references_are_told_by_their_keys(at: Sandbox, tmp_path: Path) -> None:
    """Of a checkout whose references have keys of other names, each that is not in force is named, with its key."""
    platform = make_platform(tmp_path / "ohmycoins", git=False, references="wild")
    snapshot = look(platform)
    wild = ("REDIS_PASSWORD", "CRYPTOPANIC_API_KEY", "SMTP_USER", "SENTRY_DSN")
    assert problem_pairs(snapshot) == {("terraform-ahead", name) for name in wild}
    by_subject = {finding.subject: finding for finding in problems(snapshot)}
    assert "no task will start" in " ".join(by_subject["REDIS_PASSWORD"].evidence)
    assert (
        by_subject["REDIS_PASSWORD"].remedy.runbook == "" and "terraform" in by_subject["REDIS_PASSWORD"].remedy.command
    )
    table = drift.table(snapshot)
    assert column(table, "key")["CRYPTOPANIC_API_KEY"] == "omc-CryptoPanic-testkey"
    assert column(table, "key")["SMTP_USER"] == "SMTP_USER, in Terraform SMTP_USERNAME"
    assert max(map(len, table.to_text().splitlines())) <= WIDTH


def test_without_a_repository_the_table_says_so(at: Sandbox) -> None:
    """In one line; no check of drift runs and no other environment is read."""
    snapshot = look()
    assert len(drift.table(snapshot).to_text().splitlines()) == 2
    assert "No repository was named" in drift.table(snapshot).to_html()
    assert snapshot.other_keys == {} and {*drifts(snapshot, "clear"), *drifts(snapshot)} == set()


def test_verify_shows_the_table_and_ends_by_it(tmp_path: Path, sandbox: Sandbox, platform: Platform) -> None:
    """Run as its users run it: a warning that is found ends with 1, the page has the table, and no value."""
    (tmp_path / "desk").mkdir()
    desk = Desk(tmp_path / "desk", sandbox)
    without_template(platform)
    ended = desk.run("-p", "repository", str(platform.root))
    assert ended.returncode == 1 and desk.outcome()["root_causes"] == ["template-lacks"]
    (page,) = desk.record.glob("*-*.html")
    assert drift.TITLE in page.read_text() and "missing" in page.read_text()
    assert_nothing_leaked(desk, values(sandbox), ended.stdout, ended.stderr)


def with_checkout(platform: Platform, *drop: str) -> Snapshot:
    """The healthy snapshot of tests, with what a checkout says; the variables to `drop` reach no container."""
    snapshot = snapshots.healthy()
    for name in ("backend", "worker"):
        snapshot = snapshots.with_container(
            snapshot,
            name,
            lambda old: replace(old, secrets=tuple(each for each in old.secrets if each.variable not in drop)),
        )
    return replace(snapshot, checkout=read_checkout(platform.root))


ASIDE = """
class ExchangeSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="EXCHANGE_", env_file="../.env", extra="ignore")

    API_TOKEN: str
    WEBHOOK_TOKEN: str | None = None
"""


def other_class(platform: Platform) -> None:
    platform.edit(platform.config, "\nllm = LLMSettings()", f"{ASIDE}\nllm = LLMSettings()")
    _template(platform, "EXCHANGE_API_TOKEN=<your-token>", "EXCHANGE_WEBHOOK_TOKEN=")
    declare_plain(platform, "EXCHANGE_API_TOKEN")


def declare_plain(platform: Platform, variable: str) -> None:
    first = '        {\n          name  = "PROJECT_NAME"'
    entry = f'        {{\n          name  = "{variable}"\n          value = var.token\n        }},\n'
    platform.edit(platform.main_tf, first, entry + first)


def other_file(platform: Platform) -> None:
    """A class of settings in a file of its own, a variable that the code asks for, and one that a script does."""
    folder = platform.config.parent
    (folder / "exchanges.py").write_text(f"from pydantic_settings import BaseSettings, SettingsConfigDict\n{ASIDE}")
    (folder / "news.py").write_text('import os\n\nTOKEN = os.environ.get("NEWS_TOKEN", "")\n')
    (platform.root / "backend/prestart.sh").write_text('curl --header "$PRESTART_TOKEN" http://localhost\n')
    _template(platform, "EXCHANGE_API_TOKEN=", "NEWS_TOKEN=", "PRESTART_TOKEN=")


def aliases(platform: Platform) -> None:
    field = '    CLIENT_SECRET: str = Field(validation_alias=AliasChoices("OAUTH_SECRET", "IDP_SECRET"))\n'
    platform.edit(platform.config, WHOLE_FIELD, WHOLE_FIELD + field)
    _template(platform, "IDP_SECRET=<your-secret>")
    declare_plain(platform, "IDP_SECRET")


def nested(platform: Platform) -> None:
    model = "class Broker(BaseModel):\n    password: str\n    extra: dict[str, str] = {}\n\n\n"
    platform.edit(platform.config, "class Settings(BaseSettings):", f"{model}class Settings(BaseSettings):")
    platform.edit(platform.config, "    AnyHttpUrl,\n", "    AnyHttpUrl,\n    BaseModel,\n")
    platform.edit(platform.config, WHOLE_FIELD, f"{WHOLE_FIELD}    BROKER: Broker\n")
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f'{options}        env_nested_delimiter="__",\n')
    _template(platform, "BROKER__PASSWORD=<your-password>", "BROKER__EXTRA__TOKEN=")
    declare_plain(platform, "BROKER__PASSWORD")


def of_others(platform: Platform) -> None:
    """Variables of compose alone and of the frontend, and lines that are commented out."""
    platform.edit(
        platform.compose, "      - app-redis-data:/data\n", "      - app-redis-data:/${REDIS_TLS_KEY:-data}\n"
    )
    _template(platform, "REDIS_TLS_KEY=", "VITE_MAPS_API_KEY=", "# OLD_API_KEY=<your-old-api-key>")


def images(platform: Platform) -> None:
    """Variables of an image of others, which gets the .env."""
    text = platform.compose.read_text()
    service = "services:\n  admin:\n    image: dpage/pgadmin4:9\n    env_file: .env\n"
    platform.compose.write_text(text.replace("services:\n", service, 1))
    _template(platform, "PGADMIN_DEFAULT_PASSWORD=<your-password>")


AROUND = {
    "frontend/src/auth.ts": ("AUTH_SECRET", "export const secret = process.env.AUTH_SECRET\n"),
    "frontend/next.config.js": ("UPLOAD_TOKEN", "authToken: process.env['UPLOAD_TOKEN'],\n"),
    "frontend/.npmrc": ("NPM_TOKEN", "//registry.example.com/:_authToken=${NPM_TOKEN}\n"),
    "docker-compose.monitoring.yml": ("GRAFANA_PASSWORD", "services: {g: {environment: ['P=${GRAFANA_PASSWORD}']}}\n"),
    "Makefile": ("DEPLOY_TOKEN", "deploy:\n\tcurl --header $(DEPLOY_TOKEN) https://example.com\n"),
}
"""Files of a checkout beside the application, each with a variable that it reads."""


def around(platform: Platform) -> None:
    write_files(platform.root, {name: text for name, (_, text) in AROUND.items()})
    _template(platform, *(f"{variable}=" for variable, _ in AROUND.values()))


def _template(platform: Platform, *lines: str) -> None:
    platform.template.write_text(platform.template.read_text() + "\n" + "".join(f"{line}\n" for line in lines))


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("make", [other_class, other_file, aliases, nested, of_others, images, around])
def test_what_somebody_else_reads_is_no_drift(platform: Platform, make: Callable[[Platform], None]) -> None:
    """Other classes and files, aliases, nested settings, compose's and the frontend's own variables raise no alarm."""
    make(platform)
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set()
    assert cells(drift.table(snapshot), "missing", "not read") == {}


@pytest.mark.usefixtures("own_registry")
def test_what_the_frontend_reads_excuses_nothing_that_tasks_get(platform: Platform) -> None:
    """A variable that the backend has from the secret is for Settings, whoever reads one of its name elsewhere."""
    without_field(platform)
    path = platform.root / "frontend/sentry.ts"
    path.parent.mkdir(exist_ok=True)
    path.write_text("init({ dsn: process.env.SENTRY_DSN })\n")
    assert problem_pairs(with_checkout(platform)) == {("settings-lacks", "SENTRY_DSN")}


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    "images",
    [
        {"admin": "acme/api"},
        {"admin": "forgotten/api"},
        {"admin": "acme/forgottenhog"},
        {"backend": "forgotten"},
        {"backend": "forgotten", "worker": "forgotten"},
    ],
)
def test_an_image_of_another_name_excuses_nothing(platform: Platform, images: dict[str, str]) -> None:
    """Nor does the application's own one, also in its worker, or whoever publishes it."""
    services = {service: {"image": f"{image}:9", "env_file": ".env"} for service, image in images.items()}
    platform.compose.write_text(json.dumps({"services": services}))
    platform.override.unlink(missing_ok=True)
    _template(platform, "FORGOTTEN_TOKEN=<your-token>")
    assert ("settings-lacks", "FORGOTTEN_TOKEN") in problem_pairs(with_checkout(platform))


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("image", "excuses"),
    [
        *(("redis:7-alpine", False), ("public.ecr.aws/docker/library/redis:7", False), ("docker.io/redis", False)),
        *(("bitnami/redis:7", True), ("redis/redis-stack:latest", True)),
    ],
)
def test_an_image_that_takes_no_variables_excuses_none(platform: Platform, image: str, excuses: bool) -> None:
    """Docker's own image of Redis, whatever its env_file has; others take a password by a variable."""
    backend = {"build": "./backend", "env_file": ".env"}
    services = {"backend": backend, "redis": {"image": image, "env_file": ".env"}}
    platform.compose.write_text(json.dumps({"services": services}))
    platform.override.unlink(missing_ok=True)
    _template(platform, "REDIS_AUTH_TOKEN=<your-token>")
    assert (("settings-lacks", "REDIS_AUTH_TOKEN") not in problem_pairs(with_checkout(platform))) == excuses


@pytest.mark.usefixtures("own_registry")
def test_a_variable_of_the_template_that_nobody_reads_is_told(platform: Platform) -> None:
    """By hand: add_key would write it into the secret, and it may be for a developer's machine alone."""
    _template(platform, "FORGOTTEN_TOKEN=<your-token>")
    (finding,) = problems(with_checkout(platform))
    assert (finding.check, finding.subject, finding.remedy.runbook) == ("settings-lacks", "FORGOTTEN_TOKEN", "")
    assert "FORGOTTEN_TOKEN" in finding.remedy.command


@pytest.mark.usefixtures("own_registry")
def test_a_variable_without_the_prefix_of_settings_is_added_by_hand(platform: Platform) -> None:
    """add_key would refuse it, and a field of its name would read another variable."""
    without_field(platform)
    platform.edit(platform.config, 'extra="ignore",\n    )', 'extra="ignore",\n        env_prefix="APP_",\n    )')
    lacking = [each for each in problems(with_checkout(platform)) if each.check == "settings-lacks"]
    finding = next(each for each in lacking if each.subject == "SENTRY_DSN")
    assert finding.remedy.runbook == ""
    assert finding.remedy.command.startswith("Add a field with validation_alias='SENTRY_DSN' to Settings in backend/")


@pytest.mark.usefixtures("own_registry")
def test_code_without_a_class_of_settings_is_edited_by_hand(platform: Platform) -> None:
    """add_key has nothing there to add a field to, so that it is no remedy."""
    names = sorted({*GUIDE} - {"SENTRY_DSN"})
    platform.config.write_text("import os\n" + "".join(f'{name} = os.environ["{name}"]\n' for name in names))
    lacking = [each for each in problems(with_checkout(platform)) if each.check == "settings-lacks"]
    finding = next(each for each in lacking if each.subject == "SENTRY_DSN")
    assert {each.remedy.runbook for each in lacking} == {""}
    assert finding.remedy.command.startswith("Read SENTRY_DSN where the application needs it")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("call", "prefix"),
    [("", "FLASK_"), ('"SHOP"', "SHOP_"), ('prefix="SHOP", loads=str', "SHOP_"), ("\n    ", "FLASK_")],
)
def test_flask_takes_each_variable_with_its_prefix(platform: Platform, call: str, prefix: str) -> None:
    """No code names them, as those of an extension; without the prefix, none is taken."""
    platform.config.write_text(
        f"from flask import Flask\n\napp = Flask(__name__)\napp.config.from_prefixed_env({call})\n"
    )
    _template(platform, f"{prefix}SOME_TOKEN=<your-token>\nFORGOTTEN_TOKEN=<your-token>")
    lacking = {name for check, name in problem_pairs(with_checkout(platform)) if check == "settings-lacks"}
    assert "FORGOTTEN_TOKEN" in lacking and f"{prefix}SOME_TOKEN" not in lacking


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    ("folder", "target", "lacking"),
    [
        ("/run/secrets", "SENTRY_DSN", set()),
        ("/run/secrets/", "/run/secrets/SENTRY_DSN", set()),
        ("/run/secrets", "/etc/app/SENTRY_DSN", {"SENTRY_DSN"}),
        ("/etc/app", "SENTRY_DSN", {"OPENAI_API_KEY", "SENTRY_DSN"}),
    ],
)
def test_a_secret_of_compose_is_a_file_that_settings_read(
    platform: Platform, folder: str, target: str, lacking: set[str]
) -> None:
    """Where its secrets_dir is the folder in which Compose puts them."""
    end = 'extra="ignore",\n    )'
    platform.edit(platform.config, end, end.replace("    )", f'        secrets_dir="{folder}",\n    )'))
    names = [line.partition("=")[0] for line in platform.template.read_text().splitlines() if line[:1].isalpha()]
    variables = [name for name in names if name not in ("OPENAI_API_KEY", "SENTRY_DSN")]
    backend = {
        "build": "./backend",
        "environment": [f"{name}=${{{name}}}" for name in variables],
        "secrets": ["openai_api_key", {"source": "sentry", "target": target}],
    }
    platform.compose.write_text(json.dumps({"services": {"backend": backend}}))
    platform.override.unlink(missing_ok=True)
    problems = problem_pairs(with_checkout(platform))
    assert {name for check, name in problems if check == "compose-lacks"} == lacking


@pytest.mark.usefixtures("own_registry")
def test_what_compose_demands_belongs_into_the_template(platform: Platform) -> None:
    """Without it compose refuses to start; a plain variable is written by hand."""
    platform.edit(platform.template, "DOCKER_IMAGE_BACKEND=backend\n", "")
    platform.edit(platform.template, "POSTGRES_SERVER=localhost\n", "")
    by_subject = {finding.subject: finding for finding in problems(with_checkout(platform))}
    assert {(f.check, name) for name, f in by_subject.items()} == {
        ("template-lacks", "DOCKER_IMAGE_BACKEND"),
        ("template-lacks", "POSTGRES_SERVER"),
    }
    assert "Compose refuses" in by_subject["DOCKER_IMAGE_BACKEND"].evidence[0]
    assert {finding.remedy.runbook for finding in by_subject.values()} == {""}


@pytest.mark.usefixtures("own_registry")
def test_terraform_that_may_have_it_all_the_same_is_unknown(platform: Platform) -> None:
    """Where a list is concatenated with one that cannot be read, what it lacks is unknown, and the rest is not."""
    undeclare(platform, "OPENAI_API_KEY")
    text = platform.main_tf.read_text()
    begin = text.index("      secrets = [")
    end = text.index("      ]", begin) + len("      ]")
    concat = f"      secrets = concat(var.more_secrets, {text[begin:end].split('=', 1)[1].strip()})"
    platform.main_tf.write_text(text[:begin] + concat + text[end:])
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set()
    doubts = drifts(snapshot, "unknown")
    assert {*doubts} == {"terraform-lacks", "terraform-ahead"}
    assert "OPENAI_API_KEY" in doubts["terraform-lacks"].evidence[0]
    assert cells(drift.table(snapshot), "missing", "not read") == {"OPENAI_API_KEY": {"Terraform": "not read"}}


@pytest.mark.usefixtures("own_registry")
def test_terraform_of_other_containers_is_not_compared(platform: Platform) -> None:
    """A container of another name is somebody else's; one that no file gives is not there to lack anything."""
    platform.edit(platform.main_tf, 'name      = "backend"\n      image', 'name      = "api"\n      image')
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set() and not drifts(snapshot, "unknown")
    assert cells(drift.table(snapshot), "missing", "not read") == {}


@pytest.mark.usefixtures("own_registry")
def test_names_that_only_running_would_tell_are_unknown(platform: Platform) -> None:
    """With an expression for a prefix nothing that Settings reads can be called missing."""
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f"{options}        env_prefix=str(UNSAFE),\n")
    without_field(platform)
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set()
    doubt = drifts(snapshot, "unknown")["settings-lacks"]
    assert "SENTRY_DSN" in doubt.evidence[0] and "env_prefix" in doubt.evidence[0]
    assert column(drift.table(snapshot), "Settings")["SENTRY_DSN"] == "not read"


@pytest.mark.usefixtures("own_registry")
def test_a_sidecar_reads_what_settings_does_not(platform: Platform) -> None:
    """A container without any of the application's variables is not compared with Settings."""
    snapshot = snapshots.with_definition(
        with_checkout(platform),
        "worker",
        lambda old: replace(
            old,
            containers=(
                *old.containers,
                replace(
                    old.containers[0],
                    name="agent",
                    secrets=(replace(old.containers[0].secrets[0], variable="DD_API_KEY"),),
                ),
            ),
        ),
    )
    assert not drifts(snapshot)
    assert column(drift.table(snapshot), "Settings")["DD_API_KEY"] == "—"


@pytest.mark.usefixtures("own_registry")
def test_a_name_that_settings_does_not_read_is_told_once(platform: Platform) -> None:
    """A key under a wrong name is name-mismatch, and where nobody sets the right one that is the one finding."""
    snapshot = with_checkout(platform)
    snapshot = snapshots.with_container(
        snapshot,
        "backend",
        lambda old: replace(
            old,
            secrets=tuple(
                replace(each, variable="MAIL_LOGIN") if each.variable == "SMTP_USER" else each for each in old.secrets
            ),
        ),
    )
    checks = {finding.check for finding in problems(snapshot)}
    assert "name-mismatch" in checks and "settings-lacks" not in checks


@pytest.mark.usefixtures("own_registry")
def test_a_checkout_without_some_of_the_files_lacks_nothing_there(platform: Platform) -> None:
    """No template, no compose file and no Terraform: what there is to compare is compared, and the table says so."""
    platform.template.unlink()
    platform.compose.unlink()
    for path in (platform.root / "infrastructure").rglob("*.tf"):
        path.unlink()
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set()
    table = drift.table(snapshot)
    assert cells(table, "missing", "not read") == {}
    assert sum("The repository has no" in note for note in table.notes) == 3


@pytest.mark.usefixtures("own_registry")
def test_a_secret_that_could_not_be_read_lacks_nothing(platform: Platform) -> None:
    """Unreadable contents make a cell "not read", a secret that is not there an empty column."""
    snapshot = with_checkout(platform)
    unread = replace(snapshot, contents={})
    assert {*column(drift.table(unread), "secret staging").values()} == {"not read", "—"}
    absent = replace(unread, secret=None, other_keys={"production": OtherKeys(frozenset(GUIDE))})
    assert "secret staging" not in drift.table(absent).columns
    assert not [f for f in problems(absent) if f.family == "drift"]


@pytest.mark.usefixtures("own_registry")
def test_a_repository_costs_one_call_for_each_other_environment(platform: Platform) -> None:
    """GetSecretValue of the other secret, and nothing else; without a repository not even that."""

    def calls(repository: Path | None) -> dict[tuple[str, str], int]:
        environment, wire = load("staging"), Wire()
        with between(wire):
            clients = Clients(environment.names.region)
            caller = identify(clients, environment)
            take(clients, environment, caller, runbooks_run.now, read_checkout(repository) if repository else None)
        return dict(wire.calls)

    with mock_aws():
        build()
        plain, compared = calls(None), calls(platform.root)
    more = {call: count for call, count in compared.items() if plain.get(call) != count}
    assert list(more.values()) == [1]
    ((operation, request),) = more
    assert operation == "GetSecretValue" and PRODUCTION in request


def spoiled(platform: Platform) -> None:
    platform.main_tf.write_text(platform.main_tf.read_text() + "<<<<<<< HEAD\n")


def by_template(platform: Platform) -> None:
    text = platform.main_tf.read_text()
    begin, end = text.index("jsonencode(["), text.index("\n  ])\n") + len("\n  ])")
    platform.main_tf.write_text(f'{text[:begin]}templatefile("backend.json", {{}}){text[end:]}')


def named_by_a_variable(platform: Platform) -> None:
    platform.edit(platform.main_tf, 'name      = "backend"\n      image', "name      = var.container\n      image")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("make", [spoiled, by_template, named_by_a_variable])
def test_terraform_that_cannot_be_read_is_never_clear(platform: Platform, make: Callable[[Platform], None]) -> None:
    """A file with an error, a template of JSON, a container whose name is no text: each is named, with its file."""
    make(platform)
    snapshot = with_checkout(platform)
    doubts = drifts(snapshot, "unknown")
    assert problem_pairs(snapshot) == set() and {*doubts} == {"terraform-lacks", "terraform-ahead"}
    assert "main.tf" in " ".join(doubts["terraform-lacks"].evidence)
    assert {column(drift.table(snapshot), "Terraform")[key] for key in GUIDE} == {"not read"}


@pytest.mark.usefixtures("own_registry")
def test_a_name_that_is_filled_in_is_the_one_in_force_that_it_can_become(platform: Platform) -> None:
    """What stands in that container is compared like any other's."""
    platform.edit(platform.main_tf, 'name      = "backend"\n      image', 'name      = "back${var.half}"\n      image')
    assert not drifts(with_checkout(platform)) and not drifts(with_checkout(platform), "unknown")
    last = reference("SENTRY_DSN", "SENTRY_DSN")
    platform.edit(platform.main_tf, f",\n{last}", "")
    assert problem_pairs(with_checkout(platform)) == {("terraform-lacks", "SENTRY_DSN")}


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    "in_file, in_force",
    [
        ("${aws_db_instance.main.master_user_secret[0].secret_arn}:password::", f"{OTHERS}:password::"),
        ("${aws_ssm_parameter.password.arn}", "arn:aws:ssm:ap-southeast-2:123456789012:parameter/omc/password"),
    ],
)
def test_what_comes_from_another_secret_is_no_drift(platform: Platform, in_file: str, in_force: str) -> None:
    """A password that RDS or a parameter has, in the files and in force, is not expected in this secret."""
    platform.edit(platform.main_tf, "${var.secrets_arn}:POSTGRES_PASSWORD::", in_file)
    snapshot = with_checkout(platform)
    for name in ("backend", "worker"):
        snapshot = snapshots.with_container(
            snapshot, name, lambda old: replace(old, secrets=moved(old.secrets, in_force))
        )
    assert not drifts(snapshot)
    table = drift.table(snapshot)
    assert cells(table, "missing", "not read") == {}
    assert column(table, "task definition")["POSTGRES_PASSWORD"] == "plain"


def moved(injections: tuple[Injection, ...], value_from: str) -> tuple[Injection, ...]:
    reference_in_force = parse(value_from)
    return tuple(
        replace(e, reference=reference_in_force) if e.variable == "POSTGRES_PASSWORD" else e for e in injections
    )


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    "environment, found", [("staging", {("terraform-lacks", "SENTRY_DSN")}), ("production", set[Say]())]
)
def test_each_environments_own_folder_is_told_apart(platform: Platform, environment: str, found: set[Say]) -> None:
    """Task definitions in the environments' folders: one that lacks a variable is found in its environment alone."""
    whole = platform.main_tf.read_text()
    last = reference("SENTRY_DSN", "SENTRY_DSN")
    for name, folder in (("staging", platform.staging), ("production", platform.production)):
        text = whole.replace(f",\n{last}", "") if name == environment else whole
        (folder / "ecs.tf").write_text(text)
    platform.main_tf.unlink()
    assert problem_pairs(with_checkout(platform)) == found


@pytest.mark.usefixtures("own_registry")
def test_a_reference_under_a_condition_is_not_ahead(platform: Platform) -> None:
    """Whether it will be there nobody can tell: it is neither missing nor to be applied."""
    text = platform.main_tf.read_text()
    begin = text.index("      secrets = [")
    end = text.index("      ]", begin) + len("      ]")
    listed = text[begin:end].split("=", 1)[1].strip()
    more = f"var.with_news ? [{reference('COINGECKO_API_KEY', 'COINGECKO_API_KEY').strip()}] : []"
    platform.main_tf.write_text(f"{text[:begin]}      secrets = concat({listed}, {more}){text[end:]}")
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set() and cells(drift.table(snapshot), "missing", "not read") == {}


COMPOSED = {
    "a frontend called web": "  web:\n    build: ./frontend\n  server:\n    build: ./backend\n    env_file: .env\n",
    "the .env as a volume": "  backend:\n    build: ./backend\n    volumes:\n      - ./.env:/app/.env:ro\n",
    "a password of another service": "  backend:\n    env_file: .env\n  admin:\n    environment: [PGADMIN_PASSWORD]\n",
    "the checkout as a volume": "  backend:\n    build: ./backend\n    volumes:\n      - .:/app\n",
}


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("style", COMPOSED)
def test_compose_that_gives_the_env_in_another_way_lacks_nothing(platform: Platform, style: str) -> None:
    """Whichever service is the backend's, and whether it gets the .env as variables or as a file."""
    platform.override.unlink()
    platform.compose.write_text(f"services:\n{COMPOSED[style]}")
    if "PGADMIN_PASSWORD" in COMPOSED[style]:
        _template(platform, "PGADMIN_PASSWORD=<your-password>", "AWS_SECRET_ACCESS_KEY=")
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set() and not drifts(snapshot, "unknown")


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize(
    "text",
    [
        "services:\n  backend:\n    extends:\n      file: common.yml\n      service: app\n    build: ./backend\n",
        "include:\n  - backend.yml\nservices:\n  db:\n    image: postgres:17\n",
    ],
)
def test_compose_of_other_files_is_unknown(platform: Platform, text: str) -> None:
    """What a service takes over from a file that is not read, it may get."""
    platform.override.unlink()
    platform.compose.write_text(text)
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set() and {*drifts(snapshot, "unknown")} == {"compose-lacks"}


@pytest.mark.usefixtures("own_registry")
def test_settings_with_a_class_of_another_file_is_unknown(platform: Platform) -> None:
    """A field may stand in a class that is not read."""
    without_field(platform)
    platform.edit(platform.config, "class Settings(BaseSettings):", "class Settings(Monitored, BaseSettings):")
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == set()
    assert "Monitored" in drifts(snapshot, "unknown")["settings-lacks"].evidence[0]


@pytest.mark.usefixtures("own_registry")
def test_an_optional_secret_of_settings_belongs_into_the_template(platform: Platform) -> None:
    """The guide's first step alone leaves a key that nobody knows of."""
    platform.edit(platform.config, WHOLE_FIELD, f"{WHOLE_FIELD}    NEW_API_KEY: str | None = None\n")
    snapshot = with_checkout(platform)
    assert problem_pairs(snapshot) == {("template-lacks", "NEW_API_KEY")}
    assert cells(drift.table(snapshot), "missing") == {"NEW_API_KEY": {"template": "missing"}}


@pytest.mark.usefixtures("own_registry")
def test_the_way_to_a_password_of_the_template_is_no_password_to_mask(platform: Platform) -> None:
    """A name and = with a word behind it would look like one."""
    platform.edit(platform.config, WHOLE_FIELD, f"{WHOLE_FIELD}    ADMIN_PASSWORD: str | None = None\n")
    (finding,) = problems(with_checkout(platform))
    assert finding.remedy.ways == ("Add a line for ADMIN_PASSWORD, with its comment, to .env.template.",)
    assert registry.mask(finding.remedy.command) == finding.remedy.command


@pytest.mark.usefixtures("own_registry")
def test_a_prefix_that_no_container_knows_is_told(platform: Platform) -> None:
    """Settings that read none of the containers' variables read them nowhere."""
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f'{options}        env_prefix="OMC_",\n')
    pairs = problem_pairs(with_checkout(platform))
    assert {name for check, name in pairs if check == "settings-lacks"} >= {*GUIDE}
    assert ("terraform-lacks", "OMC_OPENAI_API_KEY") in pairs
