"""What the next apply of Terraform would break, while the revision in force is right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support import snapshots
from support.files import write_files
from support.platform_checkout import Platform, make_platform

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.schedules import ScheduledTask
from omc_runbook.checks.drift import settings_lacks, terraform_ahead, terraform_lacks
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.findings import Finding
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.declared import read_environments

OURS = "${var.secrets_arn}"
ARN = snapshots.ARN
PRODUCTION = ARN.replace("staging", "production")
TOKEN = "0123456789abcdef" * 2
FILE = "infrastructure/terraform/modules/ecs/main.tf"
ARN_OF = "${aws_secretsmanager_secret.app.arn}"
SECRET = """
resource "aws_secretsmanager_secret" "app" {
  name = "ohmycoins-staging-app-secrets"
}
"""
RENAMED = '"SMTP_USERNAME"'


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return make_platform(tmp_path / "ohmycoins", git=False)


def with_checkout(platform: Platform) -> Snapshot:
    return replace(snapshots.healthy(), checkout=read_checkout(platform.root))


def refer(platform: Platform, value_from: str) -> None:
    """Let Terraform take SMTP_USER from something else."""
    platform.edit(platform.main_tf, f'"{OURS}:SMTP_USER::"', f'"{value_from}"')


def problems(platform: Platform) -> list[Finding]:
    return [finding for finding in diagnose(with_checkout(platform)) if finding.is_problem]


def problems_of(snapshot: Snapshot) -> list[Finding]:
    """The problems of the checkout."""
    return [each for each in diagnose(snapshot) if each.family == "drift" and each.is_problem]


@pytest.mark.parametrize(
    ("value_from", "fact"),
    [
        (f"{OURS}:SMTP_USER:AWSPREVIOUS:", "The stage field is AWSPREVIOUS: a new value never reaches this variable."),
        (f"{OURS}:SMTP_USER::{TOKEN}", "The version field is 0123456789abcdef0123456789abcdef: the secret has no such"),
        (f"{OURS}:SMTP_USER::0123", "The version field has 4 characters; 32 to 64 are required."),
        (f"{OURS}:SMTP_USER", "The valueFrom is malformed: it has 8 colon-separated fields instead of 7"),
        (f"{OURS}:SMTP_USER:", "The valueFrom is malformed: it has 9 colon-separated fields instead of 7"),
        (OURS, "The key field is empty: SMTP_USER gets every key's value."),
        ("SMTP_USER", "The valueFrom is not a Secrets Manager ARN: ECS looks that name up in SSM."),
        (f"{PRODUCTION}:SMTP_USER::", "That is the secret of production; this is staging."),
        (
            "arn:aws:secretsmanager:${var.region}:123456789012:secret:${var.project}-production-app-secrets-AbC123"
            ":SMTP_USER::",
            "That is the secret of production; this is staging.",
        ),
        (
            "arn:aws:secretsmanager:${var.region}:123456789012:secret:${var.project}-app-secrets:SMTP_USER::",
            "The ARN ends in ohmycoins-staging-app-secrets; the secret's ends in ohmycoins-staging-app-secrets-AbC123.",
        ),
        (
            "arn:aws:secretsmanager:${var.region}:123456789012:secret:${var.project}-${var.environment}-app-secrets-Xy9876"
            ":SMTP_USER::",
            "The ARN ends in -Xy9876; the secret of that name ends in -AbC123",
        ),
        (f"{ARN.replace('ap-southeast-2', 'us-east-1')}:SMTP_USER::", "The ARN's region is us-east-1; the secret is"),
        (f"{ARN.replace('AbC123', 'XyZ987')}:SMTP_USER::", "The ARN ends in -XyZ987; the secret of that name ends in"),
    ],
)
def test_a_wrong_reference_that_is_not_applied_yet_is_one_warning(
    value_from: str, fact: str, platform: Platform
) -> None:
    """It is judged as one in force is, names its line, and is mended in the file."""
    refer(platform, value_from)
    (finding,) = problems(platform)
    before = platform.main_tf.read_text().partition(f'"{value_from}"\n')[0]
    line = before[: before.rindex("{\n          name")].count("\n") + 1
    assert (finding.check, finding.subject, finding.severity) == ("terraform-ahead", "SMTP_USER", "warning")
    assert finding.evidence[0].startswith(
        f"The next apply gives backend a wrong reference: {FILE}, line {line}: {fact}"
    )
    assert f'In {FILE} set valueFrom of SMTP_USER to "{OURS}:SMTP_USER::"' in finding.remedy.command
    assert "None was found" not in str(finding.evidence)


@pytest.mark.parametrize(
    "value_from",
    [
        f"{ARN}:SMTP_USER::",
        f"{OURS}:SMTP_USER:AWSCURRENT:",
        "${local.references.SMTP_USER}",
        "${aws_secretsmanager_secret.app.arn}:SMTP_USER::",
        "${local.prefix}:ohmycoins-staging-app-secrets-AbC123:SMTP_USER::",
        "arn:aws:secretsmanager:${var.region}:${local.account_id}:secret:${local.secret}:SMTP_USER::",
        "arn:aws:secretsmanager:${var.region}:${local.account_id}:secret:${local.secret}-AbC123:SMTP_USER::",
        "arn:aws:secretsmanager:${var.region}:${local.account_id}:secret:elsewhere-${local.suffix}:SMTP_USER::",
    ],
)
def test_what_only_an_apply_shows_is_no_fault(value_from: str, platform: Platform) -> None:
    refer(platform, value_from)
    assert not problems(platform)


@pytest.mark.parametrize("value", [f'"{PRODUCTION}"', "aws_secretsmanager_secret.app.arn"])
def test_another_environments_secret_that_all_references_share_is_one_cause(value: str, platform: Platform) -> None:
    """Each is right, and what the folder of the environment gives them is not."""
    main = platform.root / "infrastructure/terraform/environments/staging/main.tf"
    data = 'data "aws_secretsmanager_secret" "app" {\n  name = "ohmycoins-production-app-secrets"\n}\n'
    text = main.read_text().replace("module.secrets.secrets_arn", value.replace("aws_", "data.aws_"))
    main.write_text(text + data)
    (declared,) = read_environments(platform.root, "staging")
    (finding,) = (each for each in diagnose(replace(with_checkout(platform), declared=declared)) if each.is_problem)
    assert (finding.check, finding.subject) == ("terraform-ahead", "var.secrets_arn")
    assert finding.evidence[0].endswith(
        "SMTP_USER from var.secrets_arn. That is the secret of production; this is staging."
    )
    assert finding.remedy.command.startswith(f"Let var.secrets_arn be {ARN} for staging, then run terraform -chdir=")


def test_another_environments_arn_is_corrected_where_it_is_written(platform: Platform) -> None:
    refer(platform, f"{PRODUCTION}:SMTP_USER::")
    (declared,) = read_environments(platform.root, "staging")
    (finding,) = (each for each in diagnose(replace(with_checkout(platform), declared=declared)) if each.is_problem)
    assert finding.remedy.command.startswith(f'In {FILE} set valueFrom of SMTP_USER to "{OURS}:SMTP_USER::", where')


@pytest.mark.parametrize(
    ("tail", "fact"),
    [
        (":${key}:AWSPREVIOUS:", "The stage field is AWSPREVIOUS: a new value never reaches this variable."),
        (":${key}", "The valueFrom is malformed: it has 8 colon-separated fields instead of 7 (whole secret) or 10"),
    ],
)
def test_a_for_expression_that_makes_all_references_wrong_is_one_cause(
    tail: str, fact: str, platform: Platform
) -> None:
    """The line is that of the expression, where the reference is written."""
    text = platform.main_tf.read_text()
    start = text.index("      secrets = [") + len("      secrets = ")
    end = text.index("      ]", start) + len("      ]")
    loop = f'[for key in {json.dumps(KEYS)} : {{ name = key, valueFrom = "{OURS}{tail}" }}]'
    platform.main_tf.write_text(text[:start] + loop + text[end:])
    (finding,) = problems(platform)
    location = f"the for expression in {FILE}, line {text[:start].count(chr(10)) + 1}"
    assert (finding.check, finding.subject) == ("terraform-ahead", location)
    assert f"SMTP_USER from {location}. {fact}" in finding.evidence[0]
    assert f'let valueFrom be "{OURS}:KEY::" with each KEY, then run terraform -chdir=' in finding.remedy.command


def one_root(root: Path, arn: str, values: str) -> Snapshot:
    """A folder of Terraform that names no environment."""
    entries = ", ".join(f'{{ name = "{key}", valueFrom = "{arn}:{key}::" }}' for key in KEYS)
    containers = f'jsonencode([{{ name = "backend", secrets = [{entries}] }}])'
    root.mkdir()
    (root / "main.tf").write_text(
        f'{values}\nresource "aws_ecs_task_definition" "a" {{\n  container_definitions = {containers}\n}}\n'
    )
    fields = "".join(f"    {key}: str\n" for key in KEYS)
    (root / "config.py").write_text(
        f"from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n{fields}"
    )
    return replace(snapshots.healthy(), checkout=read_checkout(root))


@pytest.mark.parametrize(
    ("folders", "status", "why"),
    [
        ("dev", "unknown", "backend is only in dev, and nothing shows that this is staging's."),
        ("prod", "unknown", "backend is only in prod, and nothing shows that this is staging's."),
        ("stg-eu stg-us", "unknown", "backend is only in stg-eu, stg-us, and nothing shows that this is staging's."),
        ("dev staging", "clear", ""),
        ("dev infra", "clear", ""),
        ("demo-shop", "clear", ""),
    ],
)
def test_terraform_of_other_environments_alone_clears_nothing(
    folders: str, status: str, why: str, tmp_path: Path
) -> None:
    """Whether this environment's has each reference, these files do not show."""
    snapshot = one_root(tmp_path / "a", "${local.arn}", f'locals {{\n  arn = "{ARN}"\n}}')
    text = (tmp_path / "a" / "main.tf").read_text()
    (tmp_path / "a" / "main.tf").unlink()
    write_files(tmp_path / "a", {f"{each}/main.tf": text for each in folders.split()})
    snapshot = replace(snapshot, checkout=read_checkout(tmp_path / "a"))
    found = [each for each in diagnose(snapshot) if each.check in ("terraform-lacks", "terraform-ahead")]
    assert {each.check: each.status for each in found} == {"terraform-lacks": status, "terraform-ahead": status}
    assert all(why in " ".join(each.evidence) for each in found)


@pytest.mark.parametrize(
    ("values", "left_out", "statuses"),
    [
        ("production", 0, {"unknown"}),
        ("production", 1, {"unknown"}),
        ("staging", 0, {"clear"}),
        ("staging", 1, {"found", "clear"}),
    ],
)
def test_a_template_that_values_choose_is_read_for_their_environment_alone(
    values: str, left_out: int, statuses: set[str], tmp_path: Path
) -> None:
    """Which one is staging's, production's values do not show."""
    pairs = [{"name": each, "valueFrom": f"${{arn}}:{each}::"} for each in sorted(KEYS)[left_out:]]
    terraform = (
        'variable "env" {}\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = templatefile("${path.module}/${var.env}.json", { arn = var.arn })\n}\n'
    )
    one_root(tmp_path / "a", ARN, "")
    template = json.dumps([{"name": "backend", "secrets": pairs}])
    write_files(tmp_path / "a", {"main.tf": terraform, "a.json": template, f"{values}.tfvars": 'env = "a"\n'})
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(tmp_path / "a"))
    found = [each for each in diagnose(snapshot) if each.check in ("terraform-lacks", "terraform-ahead")]
    assert {each.status for each in found} == statuses
    assert all("main.tf, line 3: its container" in each.evidence[1] for each in found if each.status == "unknown")


@pytest.mark.parametrize(
    ("base", "in_module", "of_root", "is_theirs"),
    [
        ("var.arn", 'variable "arn" {}', f'arn = "{PRODUCTION}"', True),
        ("var.arn", 'variable "arn" {}', f'arn = "{ARN}"', False),
        ("local.arn", f'locals {{\n  arn = "{ARN}"\n}}', "", False),
        ("local.arn", f'locals {{\n  arn = "{PRODUCTION}"\n}}', "", True),
    ],
)
def test_a_for_expression_s_secret_is_that_of_its_own_folder(
    base: str, in_module: str, of_root: str, is_theirs: bool, tmp_path: Path
) -> None:
    """Its keys may be in the folder that calls it, which has other values of the same names."""
    module = (
        f'{in_module}\nvariable "keys" {{}}\nresource "aws_ecs_task_definition" "a" {{\n  container_definitions ='
        f' jsonencode([{{ name = "backend", secrets = [for key in var.keys : {{ name = key, valueFrom ='
        f' "${{{base}}}:${{key}}::" }}] }}])\n}}\n'
    )
    other = ARN if is_theirs else PRODUCTION
    arguments = f'source = "./m"\n  keys = {json.dumps(KEYS)}\n  {of_root}'
    call = f'locals {{\n  arn = "{other}"\n}}\nmodule "a" {{\n  {arguments}\n}}\n'
    one_root(tmp_path / "a", ARN, "")
    write_files(tmp_path / "a", {"main.tf": "", "staging/main.tf": call, "staging/m/main.tf": module})
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(tmp_path / "a"))
    found = [evidence for each in problems_of(snapshot) for evidence in each.evidence]
    assert all(f"from {base}. That is the secret of production; this is staging." in each for each in found)
    assert bool(found) is is_theirs


@pytest.mark.parametrize("value", [ARN.removesuffix("-AbC123"), ARN.replace("staging", "${var.environment}")[:-7]])
def test_a_local_value_without_the_suffix_is_one_cause(value: str, tmp_path: Path) -> None:
    snapshot = one_root(tmp_path / "a", "${local.arn}", f'locals {{\n  arn = "{value}"\n}}')
    (finding,) = (each for each in diagnose(snapshot) if each.is_problem)
    assert (finding.check, finding.subject) == ("terraform-ahead", "local.arn")
    assert "from local.arn. The ARN ends in ohmycoins-staging-app-secrets; the secret's ends in" in finding.evidence[0]
    assert finding.remedy.command == f"Let local.arn be {ARN} for staging, then run terraform apply."


@pytest.mark.parametrize("cut", [ARN.removesuffix("-AbC123"), ARN.replace("123456789012", "${local.account}")[:-7]])
def test_a_text_without_the_suffix_in_each_reference_is_one_cause(cut: str, tmp_path: Path) -> None:
    (finding,) = (each for each in diagnose(one_root(tmp_path / "a", cut, "")) if each.is_problem)
    assert (finding.check, finding.subject) == ("terraform-ahead", cut)
    assert f"SMTP_USER from {cut}. The ARN ends in ohmycoins-staging-app-secrets; the secret" in finding.evidence[0]
    assert finding.remedy.command == f"In main.tf write {ARN} wherever a valueFrom has {cut}, then run terraform apply."


def test_a_text_without_the_suffix_is_corrected_in_each_file_that_has_it(tmp_path: Path) -> None:
    cut = ARN.removesuffix("-AbC123")
    one_root(tmp_path / "a", cut, "")
    (tmp_path / "a" / "worker.tf").write_text((tmp_path / "a" / "main.tf").read_text().replace("backend", "worker"))
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(tmp_path / "a"))
    worker = snapshots.task_definition("worker", KEYS).containers[0].secrets
    snapshot = snapshots.with_container(snapshot, "worker", lambda old: replace(old, secrets=worker))
    (finding,) = (each for each in diagnose(snapshot) if each.is_problem)
    assert finding.remedy.command.startswith(f"In main.tf and worker.tf write {ARN} wherever a valueFrom has {cut}")


@pytest.mark.parametrize("is_loop", [False, True])
def test_a_remedy_names_no_variable_that_the_files_do_not_have(is_loop: bool, tmp_path: Path) -> None:
    """No reference shows how they name the secret."""
    one_root(tmp_path / "a", "@", "")
    main = tmp_path / "a" / "main.tf"
    text = re.sub('"@:([A-Z_]+)::"', r'"\1"', main.read_text())
    if is_loop:
        loop = f"[for k in {json.dumps(KEYS)} : {{ name = k, valueFrom = k }}]"
        text = re.sub(r"secrets = \[.*\]( \}\]\))", lambda found: f"secrets = {loop}{found[1]}", text)
    main.write_text(text)
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(tmp_path / "a"))
    commands = [each.remedy.command for each in diagnose(snapshot) if each.is_problem]
    for remedy, key in zip(commands, ["KEY"] if is_loop else sorted(KEYS), strict=True):
        assert f'"SECRET_ARN:{key}::"' in remedy and f", where SECRET_ARN is {ARN}" in remedy


@pytest.mark.parametrize("is_loop", [False, True])
@pytest.mark.parametrize("arn", [ARN_OF, ARN, ARN.replace("123456789012", "${local.account}")])
def test_a_remedy_names_the_secret_as_malformed_references_have_it(arn: str, is_loop: bool, tmp_path: Path) -> None:
    snapshot = one_root(tmp_path / "a", arn, SECRET)
    main = tmp_path / "a" / "main.tf"
    text = main.read_text().replace('::"', '"')
    if is_loop:
        loop = f'[for k in {json.dumps(KEYS)} : {{ name = k, valueFrom = "{arn}:${{k}}" }}]'
        text = re.sub(r"secrets = \[.*\]( \}\]\))", lambda found: f"secrets = {loop}{found[1]}", text)
    main.write_text(text)
    snapshot = replace(snapshot, checkout=read_checkout(tmp_path / "a"))
    commands = [each.remedy.command for each in diagnose(snapshot) if each.is_problem]
    for remedy, key in zip(commands, ["KEY"] if is_loop else sorted(KEYS), strict=True):
        assert f'"{arn}:{key}::"' in remedy


@pytest.mark.parametrize(
    ("arn", "values"),
    [
        ("${local.arn}", f'locals {{\n  arn = "{ARN.replace("staging", "${var.environment}")}"\n}}'),
        ("${var.arn}", f'variable "arn" {{\n  default = "{PRODUCTION}"\n}}'),
        (PRODUCTION, ""),
        ("${local.arn}", f'locals {{\n  arn = "{PRODUCTION}"\n}}'),
    ],
)
def test_files_of_no_environment_that_may_be_anothers_are_not_judged(arn: str, values: str, tmp_path: Path) -> None:
    """A default is set otherwise for another environment, and a folder for production alone names its secret."""
    assert not [each for each in diagnose(one_root(tmp_path / "a", arn, values)) if each.is_problem]


def test_what_is_as_wrong_in_force_is_told_once(platform: Platform) -> None:
    refer(platform, f"{OURS}:SMTP_USER:AWSPREVIOUS:")
    snapshot = snapshots.with_reference(
        with_checkout(platform), "backend", "SMTP_USER", f"{ARN}:SMTP_USER:AWSPREVIOUS:"
    )
    assert [finding.check for finding in diagnose(snapshot) if finding.is_problem] == ["previous-pinned"]


def test_a_secret_that_could_not_be_read_judges_no_account(platform: Platform) -> None:
    """Whether the other account is the secret's is what nobody knows."""
    refer(platform, f"{ARN.replace(snapshots.ACCOUNT, '999999999999')}:SMTP_USER::")
    (finding,) = problems(platform)
    assert "The ARN's account is 999999999999; the secret is in 123456789012." in finding.evidence[0]
    gap = ReadFailure("the secret", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    other_gap = replace(with_checkout(platform), gaps={"permissions": (gap,)})
    assert [each.check for each in diagnose(other_gap) if each.is_problem] == ["terraform-ahead"]
    blind = replace(with_checkout(platform), secret=None, contents={}, gaps={"secret": (gap,), "contents": (gap,)})
    assert not [each for each in diagnose(blind) if each.check == "terraform-ahead" and each.status == "found"]


def test_a_value_in_the_place_of_a_reference_is_not_shown(platform: Platform) -> None:
    value = "sk-proj-4f9a1c2e7b8d4f9a1c2e7b8d4f9a1c2e7b8d"
    refer(platform, value)
    (finding,) = problems(platform)
    assert "it seems to be the value itself" in finding.evidence[0]
    assert value not in str(finding)


def test_a_wrong_reference_of_a_new_variable_is_corrected_before_the_apply(platform: Platform) -> None:
    entry = f'        {{ name = "SMTP_LOGIN", valueFrom = "{OURS}:SMTP_USER:AWSPREVIOUS:" }},\n'
    first = '        {\n          name      = "SECRET_KEY"'
    platform.edit(platform.main_tf, first, entry + first)
    finding = next(each for each in problems(platform) if each.check == "terraform-ahead")
    assert "its revision in force does not" in finding.evidence[0] and "AWSPREVIOUS" in finding.evidence[1]
    assert (
        finding.remedy.command.startswith(f"In {FILE} set valueFrom") and "then run terraform" in finding.remedy.command
    )


def test_a_revision_that_the_service_ignores_is_not_given_by_an_apply(platform: Platform) -> None:
    refer(platform, f"{OURS}:SMTP_USER:AWSPREVIOUS:")
    line = "  task_definition        = aws_ecs_task_definition.backend.arn\n"
    ignored = f"{line}\n  lifecycle {{\n    ignore_changes = [desired_count, task_definition]\n  }}\n\n"
    platform.edit(platform.main_tf, line, ignored)
    (finding,) = problems(platform)
    assert finding.evidence[0].startswith("The next revision that is deployed gives backend a wrong reference")


def test_a_variable_that_only_terraform_renames_is_one_cause(platform: Platform) -> None:
    """The name that Settings reads is put back: nothing in force has to change."""
    platform.edit(platform.main_tf, '"SMTP_USER"', RENAMED)
    (finding,) = problems(platform)
    assert (finding.check, finding.subject) == ("terraform-ahead", "SMTP_USERNAME")
    assert finding.evidence[0].endswith("its revision in force calls it SMTP_USER.")
    assert finding.remedy.command.startswith(f'In {FILE} set name = "SMTP_USER" instead of {RENAMED} in secrets')


@pytest.mark.parametrize("fault", ["renamed", "missing", "pinned"])
def test_a_reference_in_a_map_is_corrected_as_one(fault: str, platform: Platform) -> None:
    """Its entries have no name and no valueFrom: these are written there as they are."""
    text = platform.main_tf.read_text()
    start = text.index("secrets = [\n")
    end = text.index("\n      ]\n", start) + len("\n      ]")
    pairs = re.findall(r'name *= ("\w+")\s+valueFrom = (".*")', text[start:end])
    entries = [f"{name} = {arn}" for name, arn in pairs if fault != "missing" or name != '"SMTP_USER"']
    if fault == "renamed":
        entries = [each.replace('"SMTP_USER"', RENAMED) for each in entries]
    elif fault == "pinned":
        entries = [each.replace(":SMTP_USER::", ":SMTP_USER:AWSPREVIOUS:") for each in entries]
    table = "\n".join(("secrets = [for name, arn in {", *entries, "} : { name = name, valueFrom = arn }]"))
    platform.main_tf.write_text(text[:start] + table + text[end:])
    (finding,) = problems(platform)
    value = '"${var.secrets_arn}:SMTP_USER::"'
    remedies = {
        "renamed": f"In {FILE} write SMTP_USER instead of SMTP_USERNAME in the map of secrets, then",
        "missing": f"Add SMTP_USER = {value} to the container's map of secrets in Terraform's files.",
        "pinned": f"In {FILE} set SMTP_USER in the map of secrets to {value}, then",
    }
    assert remedies[fault] in finding.remedy.command


def test_a_variable_that_terraform_renames_in_another_service_is_named_back(platform: Platform) -> None:
    """It runs the same application, which reads the former name."""
    text = platform.main_tf.read_text()
    start = text.index('resource "aws_ecs_task_definition" "backend"')
    block = text[start : text.index("\n}\n", start) + 3]
    worker = block.replace("backend", "worker").replace('"SECRET_KEY"', '"APP_SECRET_KEY"')
    platform.main_tf.write_text(text + worker)
    snapshot = with_checkout(platform)
    arn = snapshots.definition_arn("backend")
    secrets = snapshot.task_definitions[arn].containers[0].secrets
    snapshot = snapshots.with_container(snapshot, "worker", lambda old: replace(old, secrets=secrets))
    (finding,) = (each for each in diagnose(snapshot) if each.is_problem)
    assert (finding.check, finding.subject) == ("terraform-ahead", "APP_SECRET_KEY")
    assert finding.evidence[-1] == "Settings reads SECRET_KEY, not APP_SECRET_KEY."
    assert 'set name = "SECRET_KEY" instead of "APP_SECRET_KEY"' in finding.remedy.command


def test_a_variable_that_terraform_and_settings_rename_needs_an_apply(platform: Platform) -> None:
    platform.edit(platform.main_tf, '"SMTP_USER"', RENAMED)
    platform.edit(platform.config, "SMTP_USER:", "SMTP_USERNAME:")
    platform.template.write_text(platform.template.read_text() + "SMTP_USERNAME=\n")
    (finding,) = problems(platform)
    assert finding.check == "terraform-ahead" and finding.remedy.command.endswith("apply")


def test_a_second_name_of_a_key_is_not_renamed_for_the_one_that_is_lost(platform: Platform) -> None:
    """Something else reads that: the lost one is added again, and nothing else changes."""
    platform.edit(platform.main_tf, '"SMTP_USER"', '"MAIL_USER"')
    both = snapshots.task_definition("backend", KEYS).containers[0].secrets
    second = replace(next(each for each in both if each.variable == "SMTP_USER"), variable="MAIL_USER")
    snapshot = snapshots.with_container(
        with_checkout(platform), "backend", lambda old: replace(old, secrets=(*old.secrets, second))
    )
    found = {(each.check, each.subject) for each in diagnose(snapshot) if each.is_problem}
    assert found == {(terraform_lacks.id, "SMTP_USER"), (settings_lacks.id, "MAIL_USER")}


def test_of_two_fields_the_one_that_loses_its_variable_is_told(platform: Platform) -> None:
    platform.edit(platform.main_tf, '"SMTP_USER"', RENAMED)
    field = "    SMTP_USER: str | None = None\n"
    platform.edit(platform.config, field, field + field.replace("SMTP_USER", "SMTP_USERNAME"))
    assert {(each.check, each.subject) for each in problems(platform)} >= {
        (terraform_lacks.id, "SMTP_USER"),
        (terraform_ahead.id, "SMTP_USERNAME"),
    }
    assert settings_lacks.id not in {each.check for each in problems(platform)}


SERVICE = """
resource "aws_ecs_service" "backend" {
  name            = "backend"
  cluster         = "ohmycoins-staging"
  task_definition = aws_ecs_task_definition.backend.arn
}
"""
DEFINITION = """
resource "aws_ecs_task_definition" "backend" {
  family                = "ohmycoins-staging-backend"
  container_definitions = @
}
"""
LOOP = 'jsonencode([{ name = "backend", secrets = [for k, v in @ : { name = k, valueFrom = v }] }])'
INPUTS = """
terraform {
  source = "../../../modules/service"
}
inputs = {
  environment = "staging"
  references  = @
}
"""
TEMPLATE = """[{ "name": "backend", "secrets": [
%{ for i, k in keys ~}
  { "name": "${k}", "valueFrom": "${arn}:${k}::" }%{ if i < length(keys) - 1 },%{ endif }
%{ endfor ~}
] }]
"""


def of_template(keys: list[str]) -> dict[str, str]:
    call = f'templatefile("${{path.module}}/a.tftpl", {{ arn = {ARN_OF[2:-1]}, keys = {json.dumps(keys)} }})'
    return {"main.tf": SERVICE + SECRET + DEFINITION.replace("@", call), "a.tftpl": TEMPLATE}


def of_workspace(keys: list[str]) -> dict[str, str]:
    loop = LOOP.replace("@", 'yamldecode(file("${terraform.workspace}.yaml"))').replace(
        "= v }", f'= "{ARN_OF}:${{v}}" }}'
    )
    lines = "".join(f"{key}: '{key}::'\n" for key in keys)
    return {"main.tf": SERVICE + SECRET + DEFINITION.replace("@", loop), "staging.yaml": lines}


def of_terragrunt(keys: list[str]) -> dict[str, str]:
    variables = 'variable "environment" {}\nvariable "references" {\n  type = map(string)\n}\n'
    inputs = INPUTS.replace("@", json.dumps({key: f"{key}::" for key in keys}))
    loop = LOOP.replace("@", "var.references").replace("= v }", f'= "{ARN_OF}:${{v}}" }}')
    module = variables + SERVICE + SECRET + DEFINITION.replace("@", loop)
    return {"modules/service/main.tf": module, "live/staging/backend/terragrunt.hcl": inputs}


@pytest.mark.parametrize("make", [of_template, of_workspace, of_terragrunt])
def test_files_of_another_form_are_clear_where_they_evaluate_to_what_is_in_force(
    make: Callable[[list[str]], dict[str, str]], tmp_path: Path
) -> None:
    """A reference that they lack, or have besides, leaves it unknown: a variable may be set elsewhere."""
    fields = "".join(f"    {key}: str\n" for key in KEYS)
    settings = f"from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n{fields}"
    for folder, keys, status in (("a", KEYS, "clear"), ("b", KEYS[1:], "unknown"), ("c", [*KEYS, "MORE"], "unknown")):
        write_files(tmp_path / folder, {**make([*keys]), "config.py": settings})
        (declared,) = read_environments(tmp_path / folder, "staging")
        healthy, checkout = snapshots.healthy(), read_checkout(tmp_path / folder)
        services = tuple(each for each in healthy.services if each.name == "backend")
        snapshot = replace(healthy, checkout=checkout, declared=declared, services=services)
        found = {f.check: f.status for f in diagnose(snapshot) if f.check in ("terraform-lacks", "terraform-ahead")}
        assert found == {"terraform-lacks": status, "terraform-ahead": status}, folder
        # The worker, which has some of the keys, may be in a template, and is in no other form here.
        facts = [
            str(f.evidence) for f in diagnose(replace(snapshot, services=healthy.services)) if f.status == "unknown"
        ]
        assert any("SECRET_KEY" in fact for fact in facts) == (status == "unknown" or make is of_template), folder


def of_containers(backend: Mapping[str, Collection[str]], worker: Mapping[str, Collection[str]]) -> dict[str, str]:
    """By service and container its keys, each in a template with directives."""
    files = {"main.tf": SECRET}
    for service, containers in (("backend", backend), ("worker", worker)):
        template = ", ".join(
            TEMPLATE.strip()[1:-1].replace('"backend"', f'"{name}"').replace("keys", f"keys_{name}")
            for name in containers
        )
        keys = ", ".join(f"keys_{name} = {json.dumps([*each])}" for name, each in containers.items())
        call = f'templatefile("${{path.module}}/{service}.tftpl", {{ arn = {ARN_OF[2:-1]}, {keys} }})'
        text = (SERVICE + DEFINITION.replace("@", call)).replace("backend", service)
        files |= {f"{service}.tftpl": f"[{template}]", f"{service}.tf": text}
    return files


REST = KEYS[1:]


@pytest.mark.parametrize(
    ("files", "in_force", "status"),
    [
        (({"app": REST, "side": KEYS[:1]}, {"job": []}), ({"app": REST, "side": KEYS[:1]}, {"job": []}), "clear"),
        (({"app": REST, "side": KEYS[:1]}, {"job": []}), ({"app": KEYS, "side": []}, {"job": []}), "unknown"),
        (({"app": KEYS}, {"app": []}), ({"app": KEYS}, {"app": []}), "clear"),
        (({"app": KEYS}, {"app": KEYS[:1]}), ({"app": KEYS}, {"app": []}), "unknown"),
    ],
)
def test_references_are_compared_with_those_in_force_by_container(
    files: tuple[dict[str, Collection[str]], ...],
    in_force: tuple[dict[str, Collection[str]], ...],
    status: str,
    tmp_path: Path,
) -> None:
    """A variable that Terraform moves to another container, or gives to one that has none yet, is not applied."""
    snapshot = with_one_name(tmp_path / "a", of_containers(*files), [])
    (declared,) = read_environments(tmp_path / "a", "staging")
    definitions = dict(snapshot.task_definitions)
    for name, containers in zip(("backend", "worker"), in_force, strict=True):
        old = definitions[snapshots.definition_arn(name)]
        new = (replace(old.containers[0], name=each, secrets=injected(keys)) for each, keys in containers.items())
        definitions[old.arn] = replace(old, containers=tuple(new))
    snapshot = replace(snapshot, task_definitions=definitions, declared=declared)
    found = {f.check: f.status for f in diagnose(snapshot) if f.check in ("terraform-lacks", "terraform-ahead")}
    assert found == {"terraform-lacks": status, "terraform-ahead": status}


def test_a_reference_to_our_secret_that_replaces_anothers_is_not_applied(tmp_path: Path) -> None:
    """The task definition in force takes it from another secret, so what Terraform evaluates to differs from it."""
    snapshot = with_one_name(tmp_path / "a", of_containers({"app": KEYS}, {"job": KEYS}), KEYS)
    (declared,) = read_environments(tmp_path / "a", "staging")
    snapshot = snapshots.with_container(snapshot, "worker", lambda old: replace(old, name="job"))
    other = f"{ARN.replace('app-secrets-AbC123', 'mail-XyZ987')}:SMTP_USER::"
    snapshot = replace(snapshots.with_reference(snapshot, "backend", "SMTP_USER", other), declared=declared)
    facts = [str(f.evidence) for f in diagnose(snapshot) if f.check == "terraform-ahead" and f.status == "unknown"]
    assert facts and "SECRET_KEY" in facts[0]


@pytest.mark.parametrize(
    ("worker", "check", "fact"),
    [
        (["SECRET_KEY::"], "", ""),
        ([], "terraform-lacks", "app of ohmycoins-staging-worker gets SECRET_KEY from key SECRET_KEY; Terraform's"),
        (["SECRET_KEY::", "SMTP_USER::"], "terraform-ahead", "give app of ohmycoins-staging-worker SMTP_USER from key"),
        (
            ["SECRET_KEY:AWSPREVIOUS:"],
            "terraform-ahead",
            "gives app of ohmycoins-staging-worker a wrong reference: main",
        ),
    ],
)
def test_containers_of_one_name_in_several_families_are_told_apart(
    worker: list[str], check: str, fact: str, tmp_path: Path
) -> None:
    """What one family's container gets is nothing that another's has."""
    snapshot = one_root(tmp_path / "a", ARN_OF, SECRET)
    main = tmp_path / "a" / "main.tf"
    name = 'family = "${var.project}-staging-@"\n  container_definitions'
    entries = ", ".join(f'{{ name = "{each.split(":")[0]}", valueFrom = "{ARN_OF}:{each}" }}' for each in worker)
    second = f'jsonencode([{{ name = "app", secrets = [{entries}] }}])'
    main.write_text(
        main.read_text().replace('"backend"', '"app"').replace("container_definitions", name.replace("@", "backend"))
        + f'resource "aws_ecs_task_definition" "b" {{\n  {name.replace("@", "worker")} = {second}\n}}\n'
    )
    definitions = {arn: replace(each, containers=tuple(
        replace(c, name="app", secrets=c.secrets if c.name == "backend" else c.secrets[:1]) for c in each.containers
    )) for arn, each in snapshot.task_definitions.items() if "frontend" not in arn}  # fmt: skip
    services = tuple(each for each in snapshot.services if each.name != "frontend")
    checkout = read_checkout(tmp_path / "a")
    snapshot = replace(snapshot, task_definitions=definitions, services=services, checkout=checkout)
    found = [each for each in diagnose(snapshot) if each.family == "drift" and each.is_problem]
    assert [each.check for each in found] == ([check] if check else [])
    assert all(fact in each.evidence[0] and not each.remedy.runbook for each in found)


def injected(keys: Collection[str]) -> tuple[Injection, ...]:
    """References of a task definition in force to the secret's keys."""
    return snapshots.task_definition("backend", tuple(keys)).containers[0].secrets


def secrets_of(keys: Collection[str]) -> str:
    return "[" + ", ".join(f'{{ name = "{key}", valueFrom = "{ARN_OF}:{key}::" }}' for key in keys) + "]"


def definition_of(label: str, family: str, secrets: str) -> str:
    return f"""
resource "aws_ecs_task_definition" "{label}" {{
  family                = "{family}"
  container_definitions = jsonencode([{{ name = "app", secrets = {secrets} }}])
}}
"""


def two_of(prefix: str, backend: Collection[str], worker: Collection[str]) -> str:
    first = definition_of("a", f"{prefix}-backend", secrets_of(backend))
    return SECRET + first + definition_of("b", f"{prefix}-worker", secrets_of(worker))


def calls_of(backend: Collection[str], worker: Collection[str]) -> dict[str, str]:
    """One module, called twice, in a folder whose environment no file tells."""
    calls = "".join(
        f"""
module "{name}" {{
  source      = "./modules/service"
  name        = "{name}"
  environment = var.environment
  references  = {secrets_of(keys)}
}}
"""
        for name, keys in (("backend", backend), ("worker", worker))
    )
    variables = "".join(f'variable "{name}" {{}}\n' for name in ("name", "environment", "references"))
    module = variables + definition_of("a", "ohmycoins-${var.environment}-${var.name}", "var.references")
    return {"main.tf": f'variable "environment" {{}}\n{SECRET}{calls}', "modules/service/main.tf": module}


def entries_of(backend: Collection[str], worker: Collection[str]) -> dict[str, str]:
    """One definition for each entry of a map."""
    services = (
        f"locals {{\n  services = {{\n    backend = {secrets_of(backend)}\n    worker = {secrets_of(worker)}\n  }}\n}}"
    )
    definition = definition_of("a", "ohmycoins-${var.environment}-${each.key}", "each.value")
    loop = definition.replace("  family ", "  for_each = local.services\n  family ")
    return {"main.tf": f'variable "environment" {{}}\n{SECRET}{services}\n{loop}'}


def of_one_environment(backend: Collection[str], worker: Collection[str]) -> dict[str, str]:
    """Families whose environment is a default that -var sets otherwise."""
    variable = 'variable "environment" {\n  default = "dev"\n}\n'
    return {"main.tf": variable + two_of("ohmycoins-${var.environment}", backend, worker)}


def of_other_families(backend: Collection[str], worker: Collection[str]) -> dict[str, str]:
    """Families that are called otherwise than those in force, so that the name alone is compared."""
    return {"main.tf": two_of("main", backend, worker)}


def with_one_name(root: Path, files: dict[str, str], worker: Collection[str], is_scheduled: bool = False) -> Snapshot:
    """Backend's container and worker's are both named app; worker, which has these keys, may be a schedule's."""
    fields = "".join(f"    {key}: str\n" for key in KEYS)
    settings = f"from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n{fields}"
    write_files(root, {**files, "config.py": settings})
    snapshot = snapshots.healthy()
    for service, keys in (("backend", KEYS), ("worker", worker)):
        app = Container(name="app", secrets=injected(keys), environment=())
        snapshot = snapshots.with_container(snapshot, service, lambda _, app=app: app)
    names = {"backend"} if is_scheduled else {"backend", "worker"}
    services = tuple(each for each in snapshot.services if each.name in names)
    schedules = (ScheduledTask("rule nightly", snapshots.definition_arn("worker")),) if is_scheduled else ()
    return replace(snapshot, services=services, scheduled=schedules, checkout=read_checkout(root))


@pytest.mark.parametrize("make", [calls_of, entries_of, of_one_environment])
def test_families_are_told_apart_by_what_is_certain_of_their_names(
    make: Callable[[Collection[str], Collection[str]], dict[str, str]], tmp_path: Path
) -> None:
    few = ["SECRET_KEY"]
    for folder, backend, worker, owner in (
        ("a", KEYS, few, ""),
        ("b", KEYS, [], "app of ohmycoins-staging-worker"),
        ("c", [key for key in KEYS if key not in few], few, "app of ohmycoins-staging-backend"),
    ):
        found = problems_of(with_one_name(tmp_path / folder, make(backend, worker), few))
        assert [each.check for each in found] == (["terraform-lacks"] if owner else [])
        assert all(each.evidence[0].startswith(f"{owner} gets SECRET_KEY") for each in found)
        # The worker, which then has no reference, gets one as backend has them.
        assert all(f'"{ARN_OF}:SECRET_KEY::"' in each.remedy.command for each in found)


def test_a_container_whose_references_name_no_key_gets_one_as_others_of_its_folder_have_it(tmp_path: Path) -> None:
    few = ["SECRET_KEY"]
    worker = "[" + '{ name = "A", valueFrom = "${local.other}:A::" }' + "]"
    backend = definition_of("a", "ohmycoins-staging-backend", secrets_of(KEYS))
    files = {"main.tf": SECRET + backend + definition_of("b", "ohmycoins-staging-worker", worker)}
    found = problems_of(with_one_name(tmp_path / "a", files, few))
    (lacks,) = (each for each in found if each.check == "terraform-lacks")
    assert f'"{ARN_OF}:SECRET_KEY::"' in lacks.remedy.command


def test_families_that_are_none_of_those_in_force_are_compared_by_the_containers_name(tmp_path: Path) -> None:
    few = ["SECRET_KEY"]
    assert not problems_of(with_one_name(tmp_path / "a", of_other_families(KEYS, few), few))
    (finding,) = problems_of(with_one_name(tmp_path / "b", of_other_families(KEYS[1:], []), few))
    assert finding.evidence[0].startswith("app gets SECRET_KEY")


@pytest.mark.parametrize(
    ("family", "owner"),
    [
        ("ohmycoins-${var.environment}-migrate", "app of ohmycoins-staging-backend"),
        ("ohmycoins-${var.environment}-backend-migrate", "app of ohmycoins-staging-backend"),
        ("ohmycoins-${var.environment}-${var.name}", ""),
        ("${var.name}", ""),
        ("%{ if true }ohmycoins-staging-backend%{ endif }", ""),
    ],
)
def test_families_are_told_apart_where_a_third_is_certainly_neither(family: str, owner: str, tmp_path: Path) -> None:
    """A task that migrates the database has the container's name too; else it may be what backend lacks."""
    few = ["SECRET_KEY"]
    files = of_one_environment(KEYS[1:], few)
    files["migrate.tf"] = definition_of("c", family, secrets_of(few))
    found = problems_of(with_one_name(tmp_path / "a", files, few))
    assert [each.evidence[0].partition(" gets ")[0] for each in found] == ([owner] if owner else [])


@pytest.mark.parametrize("has_file", [True, False])
def test_a_schedules_family_is_told_apart_from_a_services(has_file: bool, tmp_path: Path) -> None:
    """A schedule's container is not a service's, even if its name is the same."""
    few = ["SECRET_KEY"]

    def make(backend: Collection[str]) -> dict[str, str]:
        both = two_of("ohmycoins-staging", backend, few)
        return {"main.tf": both if has_file else both[: both.index('resource "aws_ecs_task_definition" "b"')]}

    (finding,) = problems_of(with_one_name(tmp_path / "a", make(KEYS[1:]), few, is_scheduled=True))
    assert finding.evidence[0].startswith("app of ohmycoins-staging-backend gets SECRET_KEY")
    snapshot = with_one_name(tmp_path / "b", make(KEYS[1:]), few, is_scheduled=True)
    alone = snapshots.with_container(snapshot, "backend", lambda old: replace(old, secrets=injected(KEYS[1:])))
    assert not problems_of(alone)


def test_a_task_of_an_older_revision_has_nothing_that_its_service_lacks(tmp_path: Path) -> None:
    """It was run by hand, or its rule names that revision: no apply removes a variable that the service has no more."""
    files = {"main.tf": SECRET + definition_of("a", "ohmycoins-staging-backend", secrets_of(KEYS[1:]))}
    snapshot = with_one_name(tmp_path / "a", files, [], is_scheduled=True)
    before = replace(snapshot.task_definitions[snapshots.definition_arn("backend")], revision=6)
    before = replace(before, arn=snapshots.definition_arn("backend", 6))
    snapshot = snapshots.with_container(snapshot, "backend", lambda old: replace(old, secrets=injected(KEYS[1:])))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, before.arn: before})
    by_hand = replace(snapshots.task("backend"), service="", task_definition_arn=before.arn, status="STOPPED")
    assert not problems_of(replace(snapshot, scheduled=(), tasks=(*snapshot.tasks, by_hand)))
    assert not problems_of(replace(snapshot, scheduled=(ScheduledTask("rule nightly", before.arn),)))


def test_a_reference_in_a_synthesized_file_is_corrected_in_the_code(tmp_path: Path) -> None:
    """The next cdktf synth would undo an edit of the file itself."""
    snapshot = one_root(tmp_path / "a", ARN, "")
    entries = ", ".join(f'{{ name = "{key}", valueFrom = "{ARN_OF}:{key}::" }}' for key in KEYS)
    entries = entries.replace("SMTP_USER::", "SMTP_USER:AWSPREVIOUS:")
    body = {"container_definitions": f'${{jsonencode([{{ name = "backend", secrets = [{entries}] }}])}}'}
    file = tmp_path / "a" / "cdktf.out/stacks/staging/cdk.tf.json"
    file.parent.mkdir(parents=True)
    about = {"metadata": {"stackName": "staging", "version": "0.20.8"}}
    file.write_text(json.dumps({"//": about, "resource": {"aws_ecs_task_definition": {"a": body}}}))
    (tmp_path / "a" / "main.tf").unlink()
    (finding,) = (
        each for each in diagnose(replace(snapshot, checkout=read_checkout(tmp_path / "a"))) if each.is_problem
    )
    assert finding.remedy.command.startswith(
        "In the code that cdktf synth makes cdktf.out/stacks/staging/cdk.tf.json from, set valueFrom of "
    )
    assert "then run cdktf deploy staging (region ap-southeast-2)" in finding.remedy.command


def test_a_remedy_names_no_file_of_the_guide_that_a_checkout_does_not_have(tmp_path: Path) -> None:
    write_files(tmp_path, {**of_template([*KEYS]), "config.py": "import os\n\nKEY = os.environ['SECRET_KEY']\n"})
    snapshot = replace(snapshots.healthy(), checkout=read_checkout(tmp_path))
    snapshot = snapshots.with_reference(snapshot, "backend", "SMTP_USER", f"{ARN}:SMTP_USER:AWSPREVIOUS:")
    (finding,) = (each for each in diagnose(snapshot) if each.check == "previous-pinned" and each.is_problem)
    assert finding.remedy.command.startswith(
        'In Terraform\'s files set valueFrom of SMTP_USER to "SECRET_ARN:SMTP_USER::", where SECRET_ARN is the ARN of'
    )
