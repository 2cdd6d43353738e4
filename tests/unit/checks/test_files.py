"""Files that no task reads: code that asks for what nothing provides, Terraform's initial value, lists in workflows."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest
from support import snapshots
from support.faults import content
from support.files import write_files
from support.platform_checkout import Platform, make_platform

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import drift as drift_checks
from omc_runbook.checks.check import Check, checks_of, run_check
from omc_runbook.checks.content import terraform_overwrote
from omc_runbook.checks.drift import (
    compose_lacks,
    environment_lacks,
    initial_alone,
    initial_lacks,
    list_alone,
    list_lacks,
    settings_lacks,
    template_lacks,
    terraform_ahead,
    terraform_lacks,
    unprovided,
)
from omc_runbook.checks.reference import other_environment, whole_json
from omc_runbook.checks.variable_drift import variable_drifts
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.findings import Finding, with_remedies_of_causes
from omc_runbook.report import add_key, create, drift
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.snapshot.other_environments import OtherKeys
from omc_runbook.snapshot.state import Snapshot

CRYPTO = 'import os\n\nkey = os.getenv("ENCRYPTION_KEY")\n'
WORKFLOW = """\
on: push
jobs:
  test:
    env:
      SECRET_KEY: ${{ secrets.SECRET_KEY }}
      POSTGRES_PASSWORD: ${{ secrets.POSTGRES_PASSWORD }}
      FIRST_SUPERUSER_PASSWORD: ${{ secrets.FIRST_SUPERUSER_PASSWORD }}
      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}
    steps:
      - run: pytest
"""


VERSION = "aws_secretsmanager_secret_version.app"
TERRAFORM, WORKSPACE = "infrastructure/terraform", "${terraform.workspace}"


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return make_platform(tmp_path / "ohmycoins", git=False)


def with_checkout(platform: Platform, snapshot: Snapshot | None = None) -> Snapshot:
    return replace(snapshot or snapshots.healthy(), checkout=read_checkout(platform.root))


def found(check: Check, snapshot: Snapshot) -> dict[str, Finding]:
    return {finding.subject: finding for finding in run_check(check, snapshot) if finding.status == "found"}


def crypto(platform: Platform, text: str = CRYPTO) -> None:
    (platform.root / "backend/app/crypto.py").write_text(text)


@pytest.mark.parametrize("check", checks_of(drift_checks), ids=lambda check: check.id)
def test_the_platform_s_own_files_lack_nothing(check: Check, platform: Platform) -> None:
    """Every check is clear on a healthy environment and the guide's checkout."""
    assert [finding.status for finding in run_check(check, with_checkout(platform))] == ["clear"]


def test_what_compose_does_not_pass_is_added_in_the_form_of_its_list(platform: Platform) -> None:
    """Of a list or of a mapping, so that the file stays valid YAML."""
    block = "    env_file:\n      - .env\n    environment:\n      - DOMAIN=${DOMAIN}\n"
    platform.edit(platform.compose, block, block[block.index("    environment") :])
    listed = found(compose_lacks, with_checkout(platform))["OPENAI_API_KEY"].remedy
    where = "to the environment of service backend, or env_file: .env, in docker-compose.yml."
    assert listed.command == f"Add - OPENAI_API_KEY=${{OPENAI_API_KEY}} {where}"
    text = platform.compose.read_text()
    start = text.index("      - DOMAIN")
    end = text.index("\n\n", start)
    platform.compose.write_text(text[:start] + re.sub(r"- (\w+)=(.*)", r"\1: \2", text[start:end]) + text[end:])
    mapped = found(compose_lacks, with_checkout(platform))["OPENAI_API_KEY"].remedy
    assert mapped.command == f"Add OPENAI_API_KEY: ${{OPENAI_API_KEY}} {where}"
    # The override's list has a form of its own, and counts where it is the only one.
    platform.override.write_text("services:\n  backend:\n    environment:\n      - DEBUG=1\n")
    assert found(compose_lacks, with_checkout(platform))["OPENAI_API_KEY"].remedy == mapped
    platform.compose.write_text(text[: text.rindex("    environment:", 0, start)] + text[end + 1 :])
    overriding = found(compose_lacks, with_checkout(platform))["OPENAI_API_KEY"].remedy
    assert overriding.command == listed.command.replace("docker-compose.yml", "docker-compose.override.yml")


def test_code_that_asks_for_a_secret_which_nothing_provides(platform: Platform) -> None:
    """The finding has file and line, and add_key as its remedy; a default in the code makes it a remark."""
    crypto(platform)
    finding = found(unprovided, with_checkout(platform))["ENCRYPTION_KEY"]
    assert finding.severity == "warning"
    assert finding.evidence[0] == "backend/app/crypto.py, line 3 asks the environment for ENCRYPTION_KEY."
    assert (finding.remedy.runbook, finding.remedy.parameters["key"]) == ("add_key", "ENCRYPTION_KEY")
    crypto(platform, CRYPTO.replace('")', '", "only-for-tests")'))
    assert found(unprovided, with_checkout(platform))["ENCRYPTION_KEY"].severity == "info"


def in_the_template(platform: Platform) -> None:
    platform.template.write_text(f"{platform.template.read_text()}ENCRYPTION_KEY=\n")


def in_terraform(platform: Platform) -> None:
    first = '        {\n          name  = "ENVIRONMENT"\n'
    other = '        {\n          name  = "ENCRYPTION_KEY"\n          value = "x"\n        },\n'
    platform.edit(platform.main_tf, first, other + first)


def in_a_workflow(platform: Platform) -> None:
    workflow(platform, WORKFLOW.replace("      SECRET_KEY:", "      ENCRYPTION_KEY: x\n      SECRET_KEY:"))


def in_a_compose_file(platform: Platform) -> None:
    (platform.root / "compose.prod.yml").write_text("services:\n  a:\n    environment: [ENCRYPTION_KEY]\n")


def set_by_the_code(platform: Platform) -> None:
    crypto(platform, f'{CRYPTO}os.environ["ENCRYPTION_KEY"] = key or "made"\n')


def workflow(platform: Platform, text: str) -> None:
    folder = platform.root / ".github/workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.yml").write_text(text)


@pytest.mark.parametrize(
    "provide",
    [in_the_template, in_terraform, in_a_workflow, in_a_compose_file, set_by_the_code],
    ids=lambda provide: provide.__name__,
)
def test_any_location_provides_it(provide: object, platform: Platform) -> None:
    """One is enough."""
    crypto(platform)
    assert callable(provide)
    provide(platform)
    assert not found(unprovided, with_checkout(platform))


def test_tasks_and_secrets_provide_it_and_what_was_not_read_is_unknown(platform: Platform) -> None:
    """A key of the secret is a location too; without the task definitions nobody knows."""
    crypto(platform)
    assert not found(unprovided, with_checkout(platform, snapshots.with_keys(snapshots.healthy(), ENCRYPTION_KEY="x")))
    denied = ReadFailure("task definitions", "ecs:DescribeTaskDefinition", "AccessDeniedException", "denied")
    blind = replace(with_checkout(platform), gaps={"task_definitions": (denied,)})
    assert [finding.status for finding in run_check(unprovided, blind)] == ["unknown"]


def test_what_is_not_the_application_s_own_is_left_out(platform: Platform) -> None:
    """AWS's variables come from the role, a frontend's from its build, and a name must be a secret's."""
    names = ("AWS_SECRET_ACCESS_KEY", "VITE_API_KEY", "LOG_PATH")
    crypto(platform, "import os\n" + "".join(f'os.environ["{name}"]\n' for name in names))
    assert not found(unprovided, with_checkout(platform))


def test_whether_the_next_apply_overwrites_the_secret_again(platform: Platform) -> None:
    """As the checkout says; ignore_changes that is there already is not asked for."""
    overwritten = content.overwritten(snapshots.healthy())

    def fact() -> str:
        return found(terraform_overwrote, with_checkout(platform, overwritten))["SECRET_KEY"].evidence[-1]

    assert f"{VERSION} keeps applies from overwriting it" in fact()
    platform.edit(platform.secrets_tf, "ignore_changes = [secret_string]", "create_before_destroy = true")
    assert f"apply may overwrite it again: the lifecycle of {VERSION} needs ignore_changes" in fact()


def test_an_initial_value_that_lacks_a_key(platform: Platform) -> None:
    """A remark where later applies leave the secret alone; else a warning, since the next one removes the key."""
    line = '    "SENTRY_DSN"               = "temporary-sentry-dsn-please-update"\n'
    platform.edit(platform.secrets_tf, line, "")
    finding = found(initial_lacks, with_checkout(platform))[f"SENTRY_DSN {VERSION}"]
    assert (
        finding.severity == "info" and "infrastructure/terraform/modules/secrets/main.tf, line " in finding.evidence[0]
    )
    platform.edit(platform.secrets_tf, "ignore_changes = [secret_string]", "create_before_destroy = true")
    finding = found(initial_lacks, with_checkout(platform))[f"SENTRY_DSN {VERSION}"]
    assert finding.severity == "warning" and "removes SENTRY_DSN" in finding.evidence[0]
    assert finding.remedy.command.endswith("there once its lifecycle has ignore_changes = [secret_string].")
    platform.edit(platform.secrets_tf, "  secret_string = ", "  secret_string_wo_version = 1\n  secret_string_wo = ")
    finding = found(initial_lacks, with_checkout(platform))[f"SENTRY_DSN {VERSION}"]
    assert finding.severity == "info" and "tasks of a new environment do not start" in finding.evidence[0]


def test_a_list_that_lacks_a_required_secret(platform: Platform) -> None:
    """In a workflow and in another Compose file, as a remark with the line to add; a database's list does not count."""
    workflow(platform, WORKFLOW.replace("      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n", ""))
    compose = "services:\n  backend:\n    environment:\n      - SECRET_KEY\n      - POSTGRES_PASSWORD\n"
    compose += "  db:\n    environment:\n      - POSTGRES_PASSWORD\n"
    (platform.root / "docker-compose.prod.yml").write_text(compose)
    findings = found(list_lacks, with_checkout(platform))
    assert {finding.severity for finding in findings.values()} == {"info"}
    assert {*findings} == {
        "OPENAI_API_KEY .github/workflows/test.yml",
        "OPENAI_API_KEY docker-compose.prod.yml",
        "FIRST_SUPERUSER_PASSWORD docker-compose.prod.yml",
    }
    assert "docker-compose.prod.yml, line 4: backend" in findings["OPENAI_API_KEY docker-compose.prod.yml"].evidence[0]


def test_a_part_that_is_built_alone_needs_no_variable_of_another(tmp_path: Path) -> None:
    """Without Settings the code that asks for a variable tells who needs it; code that both may run, both."""
    asks = 'import os\n\nvalue = os.environ["{}"]\n'
    service = "  {0}:\n    build: ./{0}\n    environment:\n      {1}: ${{{1}}}\n"
    files = {
        "api/main.py": asks.format("SECRET_KEY"),
        "worker/main.py": asks.format("QUEUE_TOKEN"),
        "compose.yaml": "services:\n" + service.format("api", "SECRET_KEY") + service.format("worker", "QUEUE_TOKEN"),
    }
    apart = replace(snapshots.healthy(), checkout=read_checkout(write_files(tmp_path, files)))
    assert found(compose_lacks, apart) == {} == found(list_lacks, apart)
    files = {f"{name}/key.py": asks.format("SHARED_TOKEN") for name in ("api", "worker", "common")}
    shared = replace(snapshots.healthy(), checkout=read_checkout(write_files(tmp_path, files)))
    assert {*found(compose_lacks, shared)} == {"SHARED_TOKEN"}
    assert {*found(list_lacks, shared)} == {"SHARED_TOKEN compose.yaml"}


@pytest.mark.parametrize(
    ("files", "tool"),
    [
        ({}, ""),
        ({"infra/stack.yaml": "Resources: {T: {Type: AWS::ECS::TaskDefinition}}\n"}, "belongs to CloudFormation"),
        ({"serverless.ts": "", "sst.config.ts": ""}, "sst.config.ts belongs to SST"),
        ({"deploy/ecspresso.yml": "cluster: app\n"}, "deploy/ecspresso.yml belongs to ecspresso"),
    ],
)
def test_what_terraform_does_not_have_is_not_compared(files: dict[str, str], tool: str, platform: Platform) -> None:
    """Another tool's task definitions are not read: that Terraform's have each reference would say too much."""
    shutil.rmtree(platform.root / "infrastructure")
    snapshot = with_checkout(Platform(write_files(platform.root, files)))
    for check in (terraform_lacks, terraform_ahead, initial_lacks):
        [skipped] = run_check(check, snapshot)
        assert skipped.status == "skipped" and tool in skipped.evidence[0]
    assert [each.status for each in run_check(template_lacks, snapshot)] == ["clear"]
    assert skipped.evidence[0] in drift.table(snapshot).notes


def test_a_compose_file_below_the_top_is_named(platform: Platform) -> None:
    """Docker Compose does not find it by itself, and it is not compared."""
    text = platform.compose.read_text()
    platform.compose.unlink()
    platform.override.unlink()
    assert "The repository has no compose file." in drift.table(with_checkout(platform)).notes
    write_files(platform.root, {"docker/compose.yaml": text})
    [note] = (each for each in drift.table(with_checkout(platform)).notes if "compose" in each)
    assert note == "The repository has no compose file at its top, and docker/compose.yaml is not read."
    write_files(platform.root, {f"docker/{number}/compose.yaml": text for number in range(7)})
    [note] = (each for each in drift.table(with_checkout(platform)).notes if "compose" in each)
    assert note.endswith(", docker/3/compose.yaml and 3 more are not read.")


@pytest.mark.parametrize(
    ("file", "text", "old", "new"),
    [
        ("worker/main.js", "const token = process.env.SECRET_KEY\n", "", ""),
        ("worker/run.sh", 'curl -H "Authorization: $SECRET_KEY" queue\n', "", ""),
        ("worker/Dockerfile", "FROM python\n", "build: ./worker", "build: ./worker\n    volumes: [./api:/app]"),
        (
            "worker/Dockerfile",
            "FROM python\n",
            "build: ./worker",
            "build:\n      context: ./worker\n      additional_contexts: [api=./api]",
        ),
        ("worker/Dockerfile", "FROM python\n", "build: ./worker", "build: ./${WORKER:-api}"),
        ("worker/Dockerfile", "FROM python\n", "build: ./worker", "build: .."),
    ],
)
def test_a_part_that_may_have_other_code_may_need_its_variables(
    file: str, text: str, old: str, new: str, tmp_path: Path
) -> None:
    """Code in another language, and what Compose gives it beside its own folder."""
    service = "  {0}:\n    build: ./{0}\n    environment:\n      {1}: ${{{1}}}\n"
    compose = "services:\n" + service.format("api", "SECRET_KEY") + service.format("worker", "QUEUE_TOKEN")
    asks = 'import os\n\nvalue = os.environ["{}"]\n'
    files = {
        "api/main.py": asks.format("SECRET_KEY"),
        "cron/main.py": asks.format("QUEUE_TOKEN"),
        file: text,
        "compose.yaml": compose.replace(old, new) if old else compose,
    }
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(write_files(tmp_path, files)))
    assert {*found(list_lacks, snapshot)} == {"SECRET_KEY compose.yaml"}


OPTIONS, FIELD = "        # One level above ./backend/\n", "    PROJECT_NAME: str\n"
SOURCES = """\
    @classmethod
    def settings_customise_sources(cls, settings_cls, init_settings, env_settings, **others):
        return env_settings, Vault(settings_cls)

"""
OTHER_SOURCES = {
    "a file in secrets_dir": lambda platform: platform.edit(
        platform.config, OPTIONS, f'{OPTIONS}        secrets_dir="/run/secrets",\n'
    ),
    "a source of settings_customise_sources": lambda platform: platform.edit(platform.config, FIELD, SOURCES + FIELD),
}


@pytest.mark.parametrize("source", OTHER_SOURCES)
def test_what_another_source_may_have_is_not_known_to_be_lacking(source: str, platform: Platform) -> None:
    """Neither in the template nor in Terraform nor in a list; what is certainly a secret belongs into the template."""
    platform.edit(platform.config, FIELD, f"{FIELD}    STRIPE_API_KEY: str\n    DEPOT: str\n")
    workflow(platform, WORKFLOW)
    certain = with_checkout(platform)
    assert {"STRIPE_API_KEY", "DEPOT"} <= {*found(template_lacks, certain)}
    assert {*found(terraform_lacks, certain)} == {"STRIPE_API_KEY"}
    assert "STRIPE_API_KEY .github/workflows/test.yml" in found(list_lacks, certain)
    OTHER_SOURCES[source](platform)
    snapshot = with_checkout(platform)
    assert {*found(template_lacks, snapshot)} == {"STRIPE_API_KEY"}
    assert found(terraform_lacks, snapshot) == {} == found(list_lacks, snapshot)
    for check, name in ((template_lacks, "DEPOT"), (terraform_lacks, "STRIPE_API_KEY")):
        [unknown] = [each for each in run_check(check, snapshot) if each.status == "unknown"]
        assert name in unknown.evidence[0] and f"{source} may have it" in unknown.evidence[0]
    cells = rows(snapshot)["STRIPE_API_KEY"]
    assert (cells["Settings"], cells["Terraform"], cells["template"]) == ("may be required", "unknown", "missing")


def rows(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """The drift table, by variable and column."""
    table = drift.table(snapshot)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_a_row_counts_tasks_and_a_commented_out_line_is_none(platform: Platform) -> None:
    """A line that somebody may uncomment is no variable that anything lacks."""
    text = platform.template.read_text()
    for line, is_row in (("LEGACY_TOKEN=", True), ("# LEGACY_TOKEN=", False)):
        platform.template.write_text(f"{text}\n{line}\n")
        table = rows(with_checkout(platform))
        assert (table["SECRET_KEY"]["tasks"], "LEGACY_TOKEN" in table) == ("3 of 3", is_row)


def test_a_row_says_where_a_variable_is_missing(platform: Platform) -> None:
    """In Terraform's files or in force, also where the other has it, and in the secret; plain values count."""
    platform.edit(platform.main_tf, 'name      = "SMTP_HOST"', 'name      = "SMTP_LOGIN"')
    platform.edit(platform.main_tf, ":SMTP_HOST::", ":LOGIN::")
    platform.edit(platform.main_tf, "${var.secrets_arn}:SMTP_PASSWORD::", "${var.mail_arn}:password::")
    uncertain = '[{ name = "SMTP_PORT", valueFrom = "${var.secrets_arn}:SMTP_PORT::" }]'
    concat = rf"secrets = concat(var.on ? {uncertain} : [], [\1])"
    text = re.sub(r"(?s)secrets = \[(.*?\n      )\]", concat, platform.main_tf.read_text())
    platform.main_tf.write_text(text)
    snapshot = snapshots.with_container(
        snapshots.healthy(),
        "backend",
        lambda old: replace(old, secrets=tuple(each for each in old.secrets if each.variable != "SENTRY_DSN")),
    )
    other = snapshots.ARN.replace("app-secrets", "mail")
    snapshot = snapshots.with_reference(snapshot, "backend", "SMTP_PASSWORD", f"{other}:password::")
    # Its secret does not exist: there is nothing to compare.
    snapshot = replace(snapshot, other_keys={"production": OtherKeys(None)})
    table = rows(with_checkout(platform, snapshot))
    assert "secret production" not in table["SENTRY_DSN"]
    cells = {
        name: [table[name][column] for column in ("Terraform", "task definition", "secret staging")]
        for name in ("SENTRY_DSN", "SMTP_HOST", "SMTP_LOGIN", "SMTP_PASSWORD", "POSTGRES_SERVER")
    }
    assert cells == {
        "SENTRY_DSN": ["backend", "missing", "yes"],
        "SMTP_HOST": ["missing", "backend", "yes"],
        "SMTP_LOGIN": ["backend", "missing", "missing"],
        "SMTP_PASSWORD": ["plain", "plain", "yes"],
        "POSTGRES_SERVER": ["plain", "—", "—"],
    }
    assert "SMTP_PORT" not in table


def test_a_row_says_what_was_not_read(platform: Platform) -> None:
    """The tasks, a task definition that may have it, and the secret."""
    denied = ReadFailure("tasks", "ecs:DescribeTasks", "AccessDeniedException", "denied")
    snapshot = with_checkout(platform)
    row = rows(replace(snapshot, gaps={"tasks": (denied,)}))["SECRET_KEY"]
    assert (row["tasks"], row["secret staging"]) == ("not read", "yes")
    row = rows(replace(snapshot, gaps={"task_definitions": (denied,)}))["SECRET_KEY"]
    assert row["task definition"] == "backend, worker"
    row = rows(replace(snapshot, secret=None, contents={}, gaps={"secret": (denied,)}))["SECRET_KEY"]
    assert row["secret staging"] == "not read"
    assert "secret staging" not in rows(replace(snapshot, secret=None, contents={}))["SECRET_KEY"]


def test_a_key_that_only_another_environment_s_secret_has(platform: Platform) -> None:
    """It is lacking here if Settings reads it; code need not ask for what that secret provides."""
    crypto(platform)
    keys = {*snapshots.values(), "LOG_FORMAT", "ENCRYPTION_KEY", "LEGACY_THEME"}
    snapshot = replace(with_checkout(platform), other_keys={"production": OtherKeys(frozenset(keys))})
    assert {*found(environment_lacks, snapshot)} == {"staging: LOG_FORMAT"}
    assert not found(unprovided, snapshot) and "LEGACY_THEME" not in rows(snapshot)
    unread = replace(snapshot, other_keys={"production": OtherKeys(None, "denied")})
    assert rows(unread)["SECRET_KEY"]["secret production"] == "not read"


def test_a_sidecar_s_own_variable_is_no_field_of_settings(platform: Platform) -> None:
    """A container that gets none of Settings' variables does not read Settings."""
    snapshot = snapshots.with_keys(snapshots.healthy(), DD_API_KEY=token_hex(16))
    own = replace(snapshots.task_definition("worker", ("DD_API_KEY",)).containers[0], name="agent")
    snapshot = snapshots.with_definition(
        snapshot, "worker", lambda old: replace(old, containers=(*old.containers, own))
    )
    assert not found(settings_lacks, with_checkout(platform, snapshot))
    cells = rows(with_checkout(platform, snapshot))["DD_API_KEY"]
    assert (cells["Settings"], cells["tasks"]) == ("—", "1 of 1")


@pytest.mark.parametrize(
    ("option", "variable", "is_part"),
    [
        ('env_nested_delimiter="__"', "MAIL__TOKEN", True),
        ('env_nested_delimiter="_x_"', "MAIL_X_TOKEN", True),
        ("env_nested_delimiter=os.sep * 2", "MAIL__TOKEN", True),
        ("env_nested_delimiter=None", "MAIL__TOKEN", False),
        ("", "MAIL__TOKEN", False),
    ],
)
def test_a_part_of_a_field_is_no_field_of_its_own(
    option: str, variable: str, is_part: bool, platform: Platform
) -> None:
    """A task that gets one of a dictionary's entries gives it to Settings, where those have a delimiter."""
    platform.edit(platform.config, OPTIONS, f"{OPTIONS}        {option},\n" if option else OPTIONS)
    platform.edit(platform.config, FIELD, f"{FIELD}    MAIL: dict[str, str] = {{}}\n")
    snapshot = snapshots.with_keys(snapshots.healthy(), **{variable: token_hex(16)})
    reference = snapshots.task_definition("backend", (variable,)).containers[0].secrets
    snapshot = snapshots.with_container(
        snapshot, "backend", lambda old: replace(old, secrets=(*old.secrets, *reference))
    )
    assert [*found(settings_lacks, with_checkout(platform, snapshot))] == ([] if is_part else [variable])


def test_each_required_part_of_a_nested_model_is_a_variable_of_its_own(platform: Platform) -> None:
    """With its own type in the remedy; none is required where one variable has the whole model."""
    model = "class Mail(BaseModel):\n    host: str\n    retries: int = 3\n    token: SecretBytes\n\n\n"
    platform.edit(platform.config, "class Settings(", f"{model}class Settings(")
    platform.edit(platform.config, OPTIONS, f'{OPTIONS}        env_nested_delimiter="__",\n')
    platform.edit(platform.config, FIELD, f"{FIELD}    MAIL: Mail\n")
    platform.template.write_text(f"{platform.template.read_text()}MAIL__HOST=localhost\nMAIL__RETRIES=3\n")
    snapshot = with_checkout(platform)
    assert [*found(template_lacks, snapshot)] == [*found(terraform_lacks, snapshot)] == ["MAIL__TOKEN"]
    remedy = found(terraform_lacks, snapshot)["MAIL__TOKEN"].remedy
    assert (remedy.parameters["type"], remedy.parameters["required"]) == ("SecretBytes", "true")
    fields = {each.variable: each.settings for each in variable_drifts(snapshot) if each.variable.startswith("MAIL")}
    assert fields == {"MAIL__HOST": "required", "MAIL__TOKEN": "required"}
    platform.template.write_text(f"{platform.template.read_text()}MAIL={{}}\n")
    assert not found(template_lacks, with_checkout(platform)) | found(terraform_lacks, with_checkout(platform))


@pytest.mark.parametrize(
    ("member", "line", "needed"),
    [
        ("retries: int = 3", "", "MAIL"),
        ("retries: int = 3", "MAIL__RETRIES=3\n", "MAIL__RETRIES"),
        ("host: str = Field(validation_alias=AliasChoices('HOST', 'SERVER'))", "", "MAIL"),
        ("host: str = Field(validation_alias=AliasChoices('HOST', 'SERVER'))", "MAIL__SERVER=a\n", "MAIL__SERVER"),
    ],
)
def test_a_nested_model_that_requires_no_part_alone_is_required_itself(
    member: str, line: str, needed: str, platform: Platform
) -> None:
    """Settings refuse to load with none of its variables."""
    platform.edit(platform.config, "class Settings(", f"class Mail(BaseModel):\n    {member}\n\n\nclass Settings(")
    platform.edit(platform.config, OPTIONS, f'{OPTIONS}        env_nested_delimiter="__",\n')
    platform.edit(platform.config, FIELD, f"{FIELD}    MAIL: Mail\n")
    platform.template.write_text(f"{platform.template.read_text()}{line}")
    snapshot = with_checkout(platform)
    fields = {each.variable: each.settings for each in variable_drifts(snapshot) if each.variable.startswith("MAIL")}
    assert fields == {needed: "required"}
    assert [*found(template_lacks, snapshot)] == ([] if line else [needed])


def test_a_reference_without_a_key_needs_none_in_an_initial_value(platform: Platform) -> None:
    """Also where the secret's own keys could not be read."""
    snapshot = snapshots.with_reference(snapshots.healthy(), "backend", "SMTP_USER", snapshots.ARN)
    assert not found(initial_lacks, replace(with_checkout(platform, snapshot), contents={}))


@pytest.mark.parametrize(("key", "runbook"), [("SMTP_HOST", "add_key"), ("MAIL_HOST", "")])
def test_add_key_is_named_where_the_key_has_the_variables_name(key: str, runbook: str, platform: Platform) -> None:
    """It gives both one name."""
    platform.edit(platform.main_tf, ":SMTP_HOST::", f":{key}::")
    platform.edit(platform.template, "SMTP_HOST=", "SMTP_PLACE=")
    snapshot = snapshots.without_key(snapshots.healthy(), "SMTP_HOST", key)
    snapshot = snapshots.with_reference(snapshot, "backend", "SMTP_HOST", f"{snapshots.ARN}:{key}::")
    remedy = found(template_lacks, with_checkout(platform, snapshot))["SMTP_HOST"].remedy
    assert remedy.runbook == runbook
    assert not runbook or (remedy.parameters["repository"], remedy.parameters["key"]) == (str(platform.root), key)
    assert {"SMTP_HOST", key} & rows(with_checkout(platform, snapshot)).keys() == {"SMTP_HOST"}


def test_add_key_is_not_named_where_it_would_refuse(platform: Platform) -> None:
    """Without a template, and where the list is in a file that Terraform only reads."""
    text = platform.main_tf.read_text()
    without = re.sub(r'\{\s*name\s*= "SECRET_KEY"\s*valueFrom = "[^"]*"\s*\},', "", text)
    platform.main_tf.write_text(without)
    assert found(terraform_lacks, with_checkout(platform))["SECRET_KEY"].remedy.runbook == "add_key"
    start, end = without.index("      secrets = ["), without.index("      ]", without.index("      secrets = ["))
    names = re.findall(r":(\w+)::", without[start:end])
    listed = json.dumps([{"name": name, "valueFrom": f"{snapshots.ARN}:{name}::"} for name in names])
    write_files(platform.main_tf.parent, {"secrets.json": listed})
    in_data = 'secrets = jsondecode(file("${path.module}/secrets.json"))'
    platform.main_tf.write_text(f"{without[:start]}      {in_data}{without[end + 7 :]}")
    assert found(terraform_lacks, with_checkout(platform))["SECRET_KEY"].remedy.runbook == ""
    platform.main_tf.write_text(without)
    platform.template.unlink()
    assert found(terraform_lacks, with_checkout(platform))["SECRET_KEY"].remedy.runbook == ""


def test_the_reason_for_a_line_in_the_template(platform: Platform) -> None:
    """What gives the variable to the application, or needs it, in the order of what weighs most."""
    for name in ("SMTP_HOST", "POSTGRES_SERVER", "DOCKER_IMAGE_BACKEND", "COINGECKO_API_KEY"):
        platform.edit(platform.template, f"\n{name}=", f"\nOLD_{name}=")
    facts = {name: each.evidence[0] for name, each in found(template_lacks, with_checkout(platform)).items()}
    assert {name: fact.removeprefix(f".env.template has no {name}; ") for name, fact in facts.items()} == {
        "SMTP_HOST": "backend gets it from the secret, and Settings reads it.",
        "POSTGRES_SERVER": "Settings has no default for it.",
        "DOCKER_IMAGE_BACKEND": "Docker Compose refuses to start without it.",
        "COINGECKO_API_KEY": "Settings reads it, and by its name it is a secret.",
    }


def test_a_row_says_what_compose_does_not_pass_on(platform: Platform) -> None:
    """What the application requires, and what it gets from the secret and the template has."""
    platform.override.unlink(missing_ok=True)
    pattern = r"(?s)(  backend:.*?)    env_file:\n      - .env\n    environment:\n.*?(?=    [a-z])"
    platform.compose.write_text(re.sub(pattern, r"\1", platform.compose.read_text()))
    compose = {name: row["compose"] for name, row in rows(with_checkout(platform)).items()}
    assert {name for name, cell in compose.items() if cell != "missing"} == {"COINGECKO_API_KEY", "REDIS_PASSWORD"}
    assert compose["POSTGRES_SERVER"] == compose["SENTRY_DSN"] == "missing"


def test_what_a_service_gets_from_one_that_it_extends_is_unknown(platform: Platform) -> None:
    """In a file that is not read."""
    platform.override.unlink(missing_ok=True)
    pattern = r"(?s)(  backend:.*?)    env_file:\n      - .env\n    environment:\n.*?(?=    [a-z])"
    extends = "    extends:\n      file: base.yml\n      service: base\n"
    platform.compose.write_text(re.sub(pattern, rf"\1{extends}", platform.compose.read_text()))
    [unknown] = run_check(compose_lacks, with_checkout(platform))
    assert unknown.status == "unknown" and "it extends a service of base.yml" in unknown.evidence[0]
    assert "OPENAI_API_KEY" in unknown.evidence[0] and "REDIS_PASSWORD" not in unknown.evidence[0]


def test_the_initial_value_has_a_column_and_may_have_a_key_alone(platform: Platform) -> None:
    """A key that neither the secret has nor anything reads is a remark; one that the code reads is not."""
    whole = drift.table(with_checkout(platform))
    assert "initial value" not in whole.columns
    assert "No difference in: initial value." in whole.to_text()
    line = '    "SENTRY_DSN"               = "temporary-sentry-dsn-please-update"\n'
    platform.edit(platform.secrets_tf, line, line.replace("SENTRY_DSN", "LEGACY_TOKEN"))
    snapshot = with_checkout(platform)
    finding = found(initial_alone, snapshot)[f"LEGACY_TOKEN {VERSION}"]
    assert finding.severity == "info" and "which it does not have; no container gets it" in finding.evidence[0]
    assert not found(initial_alone, replace(snapshot, contents={}))
    has_it = snapshots.with_keys(snapshots.healthy(), LEGACY_TOKEN=token_hex(16))
    assert not found(initial_alone, with_checkout(platform, has_it))
    template = platform.template.read_text()
    platform.template.write_text(f"{template}\nLEGACY_TOKEN=\n")
    assert not found(initial_alone, with_checkout(platform))
    platform.template.write_text(template)
    assert [rows(snapshot)[name]["initial value"] for name in ("SENTRY_DSN", "LEGACY_TOKEN")] == ["not there", "yes"]
    crypto(platform, CRYPTO.replace("ENCRYPTION_KEY", "LEGACY_TOKEN"))
    assert not found(initial_alone, with_checkout(platform))


def test_a_list_may_have_a_secret_alone(platform: Platform) -> None:
    """In a workflow only where Docker Compose gets the list: the commands of tests may read what no file names."""
    text = WORKFLOW.replace("    steps:", "      LEGACY_TOKEN: ${{ secrets.LEGACY_TOKEN }}\n    steps:")
    workflow(platform, text)
    assert not found(list_alone, with_checkout(platform)) and "LEGACY_TOKEN" not in rows(with_checkout(platform))
    workflow(platform, text.replace("pytest", "docker compose up -d"))
    (platform.root / "docker-compose.prod.yml").write_text(
        "services:\n  worker:\n"
        "    environment: [SECRET_KEY, LEGACY_TOKEN, LEGACY_THEME, VITE_MAP_TOKEN, AWS_SECRET_ACCESS_KEY]\n"
    )
    snapshot = with_checkout(platform)
    assert {*found(list_alone, snapshot)} == {
        "LEGACY_TOKEN .github/workflows/test.yml",
        "LEGACY_TOKEN docker-compose.prod.yml",
    }
    cells = {name: (row["workflow env"], row["other Compose lists"]) for name, row in rows(snapshot).items()}
    assert cells["LEGACY_TOKEN"] == ("yes", "yes") and cells["POSTGRES_PASSWORD"] == ("yes", "not there")
    assert cells["SENTRY_DSN"] == ("—", "—")
    workflow(platform, text.replace("pytest", "docker compose up -d && curl -H $LEGACY_TOKEN https://example.com"))
    assert not found(list_alone, with_checkout(platform))
    (platform.root / "docker-compose.prod.yml").unlink()
    workflow(platform, text.replace("pytest", "docker compose up -d"))
    assert "workflow env" in drift.table(with_checkout(platform)).columns
    platform.edit(platform.main_tf, '"LOG_LEVEL"', '"LEGACY_TOKEN"')
    assert "workflow env" not in drift.table(with_checkout(platform)).columns


def test_a_frontend_s_variable_in_the_secret_is_no_field_of_settings(platform: Platform) -> None:
    """No remedy adds it there."""
    snapshot = snapshots.with_container(
        snapshots.with_keys(snapshots.healthy(), VITE_API_KEY="x" * 20),
        "backend",
        lambda old: replace(old, secrets=(*old.secrets, replace(old.secrets[0], variable="VITE_API_KEY"))),
    )
    assert not found(settings_lacks, with_checkout(platform, snapshot))


def test_an_apply_deploys_no_revision_that_the_service_ignores(platform: Platform) -> None:
    """It only registers one: what is deployed later has or lacks the variable, by a command of its own."""
    platform.edit(platform.main_tf, ":SMTP_USER::", ":SMTP_USERNAME::")
    (alone,) = found(terraform_ahead, with_checkout(platform)).values()
    assert "update-service" not in alone.remedy.command and "ignore_changes" not in " ".join(alone.evidence)
    line = "  task_definition        = aws_ecs_task_definition.backend.arn\n"
    ignored = f"{line}\n  lifecycle {{\n    ignore_changes = [desired_count, task_definition]\n  }}\n\n"
    platform.edit(platform.main_tf, line, ignored)
    (finding,) = found(terraform_ahead, with_checkout(platform)).values()
    assert finding.evidence[-1] == (
        "ignore_changes keeps an apply from deploying it: backend gets no new revision by that."
    )
    assert "if this is deployed, no task will start" in finding.evidence[-2]
    deploy = "--service backend --task-definition ohmycoins-staging-backend --force-new-deployment"
    assert "apply && aws ecs update-service " in finding.remedy.command and deploy in finding.remedy.command
    element = r'\{\s*name\s*= "SECRET_KEY"\s*valueFrom = "[^"]*"\s*\},'
    platform.main_tf.write_text(re.sub(element, "", platform.main_tf.read_text()))
    (finding,) = found(terraform_lacks, with_checkout(platform)).values()
    assert "so the next revision that is deployed from them lacks it." in finding.evidence[0]


@pytest.mark.parametrize(("key", "begin"), [("SMTP_USR", "If it is misspelt, write SMTP_USER"), ("LOGIN", "Give ohmy")])
def test_a_key_that_terraform_may_misspell_is_to_be_corrected_first(key: str, begin: str, platform: Platform) -> None:
    """Nobody should have to give the secret a misspelt key."""
    platform.edit(platform.main_tf, ":SMTP_USER::", f":{key}::")
    (finding,) = found(terraform_ahead, with_checkout(platform)).values()
    assert finding.remedy.command.startswith(begin) and finding.remedy.command.endswith(" apply.")


def test_an_env_prefix_that_nothing_has_is_one_cause(platform: Platform) -> None:
    """Whatever lacks a variable for it, or is not read for it, is its consequence and has its remedy."""
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f'{options}        env_prefix="OMC_",\n')
    problems = [each for each in diagnose(with_checkout(platform)) if each.is_problem]
    (root,) = (each for each in problems if each.is_root_cause)
    assert (root.check, root.subject, len(problems)) == ("unprovided", "env_prefix OMC_", 35)
    assert "It reads OMC_" in root.evidence[1] and "60 variables" in root.evidence[1]
    assert root.remedy.command.startswith("Remove env_prefix from Settings in backend/app/core/config.py, or")
    assert all(each.remedy == root.remedy for each in with_remedies_of_causes(problems))
    crypto(platform)
    with_another = [each for each in diagnose(with_checkout(platform)) if each.is_root_cause]
    assert [each.subject for each in with_another] == ["env_prefix OMC_", "ENCRYPTION_KEY"]


def test_an_env_prefix_that_the_template_has_too_is_one_cause(platform: Platform) -> None:
    """Then the task definitions and Compose are left, whose names have none."""
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f'{options}        env_prefix="OMC_",\n')
    names = {*re.findall(r"^    ([A-Z_]+):", platform.config.read_text(), re.MULTILINE)}
    template = platform.template.read_text()
    for name in names:
        template = re.sub(rf"(?m)^((?:# )?)({name}=)", r"\1OMC_\2", template)
    platform.template.write_text(template)
    problems = [each for each in diagnose(with_checkout(platform)) if each.is_problem]
    assert len(problems) > 10 and [each.check for each in problems if each.is_root_cause] == ["unprovided"]


def test_an_env_prefix_that_some_variable_has_excuses_none(platform: Platform) -> None:
    """Then the others may have been forgotten."""
    options = "        # One level above ./backend/\n"
    platform.edit(platform.config, options, f'{options}        env_prefix="OMC_",\n')
    platform.edit(platform.main_tf, 'name      = "SECRET_KEY"', 'name      = "OMC_SECRET_KEY"')
    problems = [each for each in diagnose(with_checkout(platform)) if each.is_problem]
    assert len(problems) > 30 and all(each.is_root_cause and each.check != "unprovided" for each in problems)


@pytest.mark.parametrize("base", ["${var.rds_arn}", snapshots.ARN.replace("ohmycoins-staging-app", "rds!db-1")])
@pytest.mark.parametrize("is_new", [False, True])
def test_the_secret_need_not_have_a_key_of_another_secret(base: str, is_new: bool, platform: Platform) -> None:
    """Neither is the key misspelt, nor has anybody to give it to the environment's secret."""
    platform.edit(platform.main_tf, '"${var.secrets_arn}:SMTP_USER::"', f'"{base}:username::"')
    if is_new:
        platform.edit(platform.main_tf, '"SMTP_USER"', '"SMTP_LOGIN"')
    finding = found(terraform_ahead, with_checkout(platform))["SMTP_LOGIN" if is_new else "SMTP_USER"]
    assert f"from key username of {base}; its revision in force" in finding.evidence[0]
    assert "The secret has no" not in str(finding.evidence) and finding.remedy.command.endswith(" apply")


@pytest.mark.parametrize(("folder", "is_own"), [("live/staging", True), ("live/shared", False)])
def test_an_apply_is_in_the_environment_s_own_folder(folder: str, is_own: bool, tmp_path: Path) -> None:
    """One folder for several environments needs their variables or workspace, which nothing tells."""
    root = tmp_path / "checkout"
    (root / folder).mkdir(parents=True)
    settings = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    (root / "config.py").write_text(settings)
    secrets = f'[{{ name = "NEW", valueFrom = "{snapshots.ARN}:NEW::" }}]'
    containers = f'jsonencode([{{ name = "worker", secrets = {secrets} }}])'
    text = f'resource "aws_ecs_task_definition" "a" {{\n  container_definitions = {containers}\n}}\n'
    (root / folder / "main.tf").write_text(text)
    finding = found(terraform_ahead, replace(snapshots.healthy(), checkout=read_checkout(root)))["NEW"]
    assert (f"-chdir={root / folder} apply" in finding.remedy.command) is is_own
    assert ("-chdir" in finding.remedy.command) is is_own


@pytest.mark.parametrize(
    ("path", "name", "values", "apply"),
    [
        ("infra", "app", ("staging", "production"), "{0}/infra apply -var-file=vars/staging.tfvars"),
        ("infra", WORKSPACE, (), "{0}/infra workspace select staging && terraform -chdir={0}/infra apply"),
        (f"{TERRAFORM}/modules/ecs", WORKSPACE, (), f"{{}}/{TERRAFORM}/environments/staging apply"),
    ],
    ids=["files of values", "workspaces", "a module that nothing calls"],
)
def test_an_apply_in_one_folder_of_several_environments_is_for_this_one(
    path: str, name: str, values: tuple[str, ...], apply: str, tmp_path: Path
) -> None:
    """A bare one would ask for the variables, or change what another environment has; a module has no state."""
    checkout = tmp_path / "checkout"
    folder = checkout / path
    (folder / "vars").mkdir(parents=True)
    settings = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    (checkout / "config.py").write_text(settings)
    secrets = f'[{{ name = "NEW", valueFrom = "{snapshots.ARN}:NEW::" }}]'
    containers = f'jsonencode([{{ name = "worker", secrets = {secrets} }}])'
    text = f'  family = "{name}"\n  container_definitions = {containers}\n'
    text = f'variable "size" {{}}\nresource "aws_ecs_task_definition" "a" {{\n{text}}}\n'
    (folder / "main.tf").write_text(text)
    for each in values:
        (folder / f"vars/{each}.tfvars").write_text("size = 1\n")
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(checkout))
    command = f"; then terraform -chdir={apply.format(checkout)}."
    assert command in found(terraform_ahead, snapshot)["NEW"].remedy.command


def test_a_reference_is_corrected_as_its_file_has_the_secret_and_where_it_is(platform: Platform) -> None:
    """Terraform refuses a variable that a folder does not declare."""
    text = platform.main_tf.read_text()
    platform.main_tf.write_text(text.replace("${var.secrets_arn}", "${data.aws_secretsmanager_secret.app.arn}"))
    snapshot = snapshots.with_reference(with_checkout(platform), "backend", "SMTP_USER", snapshots.ARN)
    (finding,) = found(whole_json, snapshot).values()
    assert 'to "${data.aws_secretsmanager_secret.app.arn}:SMTP_USER::"' in finding.remedy.command
    snapshot = snapshots.with_reference(
        snapshot, "backend", "SMTP_USER", f"{snapshots.ARN.replace('staging', 'production')}:SMTP_USER::"
    )
    (finding,) = found(other_environment, snapshot).values()
    assert f"where data.aws_secretsmanager_secret.app.arn is {snapshots.ARN}," in finding.remedy.command
    platform.main_tf.write_text(text.replace("${var.secrets_arn}", snapshots.ARN))
    snapshot = replace(snapshot, checkout=read_checkout(platform.root))
    (finding,) = found(other_environment, snapshot).values()
    assert f'set valueFrom of SMTP_USER to "{snapshots.ARN}:SMTP_USER::", then' in finding.remedy.command
    start, end = text.index("      secrets = ["), text.index("      ]", text.index("      secrets = ["))
    platform.main_tf.write_text(f"{text[:start]}      secrets = local.secrets{text[end + 7 :]}")
    listed = text[start:end].partition("=")[2]
    (platform.main_tf.parent / "secrets.tf").write_text(f"locals {{\n  secrets = {listed}]\n}}\n")
    snapshot = replace(snapshot, checkout=read_checkout(platform.root))
    (finding,) = found(other_environment, snapshot).values()
    assert finding.remedy.command.startswith("In infrastructure/terraform/modules/ecs/secrets.tf set valueFrom")


def test_a_reference_to_add_names_the_secret_as_its_own_container_does(platform: Platform) -> None:
    """Not as most containers do: it may be another secret there."""
    base = "${data.aws_secretsmanager_secret.app.arn}"
    own = f'secrets = [{{ name = "SENTRY_DSN", valueFrom = "{base}:SENTRY_DSN::" }}]'
    image = '      image     = "${var.frontend_image}:${var.image_tag}"\n'
    platform.edit(platform.main_tf, image, f"{image}      {own}\n")
    key, dsn = snapshots.task_definition("frontend", ("SECRET_KEY", "SENTRY_DSN")).containers[0].secrets
    secrets = (replace(key, variable="FRONT_KEY"), dsn)
    snapshot = snapshots.with_container(snapshots.healthy(), "frontend", lambda old: replace(old, secrets=secrets))
    remedy = found(terraform_lacks, with_checkout(platform, snapshot))["FRONT_KEY"].remedy
    assert f'valueFrom = "{base}:SECRET_KEY::"' in remedy.command


@pytest.mark.parametrize(
    ("name", "text", "program"),
    [
        (".terraform-version", "1.9.8\n", "terraform"),
        (".opentofu-version", "1.8.5\n", "tofu"),
        ("infrastructure/terraform/modules/ecs/more.tofu", "", "tofu"),
    ],
)
def test_the_command_is_the_one_that_the_checkout_is_for(
    name: str, text: str, program: str, platform: Platform
) -> None:
    """OpenTofu's users have no terraform, and that would not read all of their files."""
    (platform.root / ".git").mkdir()
    (platform.root / name).write_text(text)
    platform.edit(platform.main_tf, ":SMTP_USER::", ":SMTP_USERNAME::")
    (finding,) = found(terraform_ahead, with_checkout(platform)).values()
    folder = platform.root / "infrastructure/terraform/environments/staging"
    assert f"{program} -chdir={folder} apply" in finding.remedy.command
    by_hand = add_key.by_hand(snapshots.healthy().environment, "KEY", read_checkout(platform.root))
    assert f"&& {program} apply" in by_hand.to_text()
    by_hand = create.by_hand(snapshots.healthy().environment, str(platform.main_tf.parent), program)
    assert f"&& {program} plan -out=new && {program} apply new" in by_hand.to_text()


@pytest.mark.parametrize(("case_sensitive", "is_missing"), [("False", False), ("True", True)])
def test_a_template_in_small_letters_has_what_settings_read_in_any_case(
    case_sensitive: str, is_missing: bool, platform: Platform
) -> None:
    """add_key would add each variable a second time; where Settings tell the cases apart, they are missing."""
    platform.edit(platform.config, OPTIONS, f"{OPTIONS}        case_sensitive={case_sensitive},\n")
    text = platform.template.read_text()
    platform.template.write_text(text.replace("\nSECRET_KEY=", "\nsecret_key="))
    assert ("SECRET_KEY" in found(template_lacks, with_checkout(platform))) is is_missing
    variables = [row.variable.casefold() for row in variable_drifts(with_checkout(platform))]
    assert variables.count("secret_key") == 1 + is_missing


def test_a_template_that_has_another_name_of_a_field_lacks_nothing(platform: Platform) -> None:
    """Settings take either; a second line would only override the first."""
    line = "    SENTRY_DSN: HttpUrl | None = None\n"
    alias = 'Field(default=None, validation_alias=AliasChoices("SENTRY_URL", "SENTRY_DSN"))'
    platform.edit(platform.config, line, f"    SENTRY_DSN: HttpUrl | None = {alias}\n")
    text = platform.template.read_text()
    platform.template.write_text(text.replace("SENTRY_DSN=", "SENTRY_URL="))
    assert found(template_lacks, with_checkout(platform)) == {}


def test_a_template_with_a_merge_conflict_is_not_clear(platform: Platform) -> None:
    """Git's marks are no variables, so that the lines between them would pass for the template's."""
    template = platform.root / ".env.template"
    text = template.read_text()
    template.write_text(f"{text}<<<<<<< HEAD\nLOG_LEVEL=INFO\n=======\nLOG_LEVEL=DEBUG\n>>>>>>> theirs\n")
    (answer,) = run_check(template_lacks, with_checkout(platform))
    sentence = f".env.template has an unresolved merge conflict at line {text.count(chr(10)) + 1}: resolve it, then run"
    assert (answer.status, answer.subject) == ("unknown", ".env.template")
    assert answer.evidence[0].startswith(f"{sentence} again. Which variables it has")
