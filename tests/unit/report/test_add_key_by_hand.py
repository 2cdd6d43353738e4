"""The steps of add_key by hand: the file, the form and the command that a checkout needs, and none that it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import unseen_checkouts
from support.files import write_files

from omc_runbook.model.environment import load
from omc_runbook.model.findings import is_sentence
from omc_runbook.report import add_key
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.sandbox.worlds import example

CHECKOUTS = {
    "environ_only": unseen_checkouts.environ_only,
    "json_terraform": unseen_checkouts.json_terraform,
    "monorepo": unseen_checkouts.monorepo,
}

MODULE = """\
variable "secrets" { type = map(string) }
resource "aws_ecs_task_definition" "backend" {
  family                = "ohmycoins-backend"
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
  }])
}
"""
CALL = """\
data "aws_secretsmanager_secret" "app" {{
  name = "ohmycoins-{0}-app-secrets"
}}
module "backend" {{
  source  = "../../modules/backend"
  secrets = {{
    SECRET_KEY = "${{data.aws_secretsmanager_secret.app.arn}}:SECRET_KEY::"
  }}
}}
"""
ROOT = """\
variable "environment" {}
variable "secrets" { type = map(string) }
resource "aws_ecs_task_definition" "backend" {
  family                = "ohmycoins-${var.environment}-backend"
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = [for name, arn in var.secrets : { name = name, value_from = arn }]
  }])
}
"""
ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbCdEf"
OTHER_ARN = ARN.replace("staging", "production")


def steps(root: Path, environment: str = "staging") -> dict[str, str]:
    """What is written or run by hand, by what it is for."""
    listing = add_key.by_hand(load(environment), "NEWS_KEY", read_checkout(root))
    return {each.name: each.command for each in listing.entries}


def platform_with(root: Path, terraform: dict[str, str]) -> Path:
    """The platform's application beside another Terraform."""
    application = {name: text for name, text in example.files().items() if not name.startswith("infrastructure/")}
    return write_files(root, application | terraform)


def test_the_file_and_the_form_are_those_of_the_references(tmp_path: Path) -> None:
    """Not the module's file, which has no such data source, nor the form of a list in a map."""
    calls = {f"infra/envs/{name}/main.tf": CALL.format(name) for name in ("staging", "production")}
    found = steps(platform_with(tmp_path, {"infra/modules/backend/main.tf": MODULE} | calls))
    reference = found["3. the reference, in infra/envs/staging/main.tf"]
    assert reference == 'NEWS_KEY = "${data.aws_secretsmanager_secret.app.arn}:NEWS_KEY::"'
    assert found["5. Terraform"] == "cd infra/envs/staging && terraform apply"


@pytest.mark.parametrize(
    ("environment", "arn", "options"),
    [
        ("staging", ARN, "-var-file=env/common.tfvars -var-file=env/staging.tfvars"),
        ("production", OTHER_ARN, "-var-file=env/common.tfvars -var-file=env/production.tfvars"),
    ],
)
def test_an_apply_names_the_files_of_values(environment: str, arn: str, options: str, tmp_path: Path) -> None:
    """The environment's own after those for all: an apply without them asks for each variable, or takes a default."""
    values = 'environment = "{}"\nsecrets = {{\n  SECRET_KEY = "{}:SECRET_KEY::"\n}}\n'
    files = {
        "deploy/main.tf": ROOT,
        "deploy/terraform.tfvars": "",
        "deploy/env/common.tfvars": 'region = "ap-southeast-2"\n',
        "deploy/env/staging.tfvars": values.format("staging", ARN),
        "deploy/env/production.tfvars": values.format("production", OTHER_ARN),
    }
    found = steps(platform_with(tmp_path, files), environment)
    assert found[f"3. the reference, in deploy/env/{environment}.tfvars"] == f'NEWS_KEY = "{arn}:NEWS_KEY::"'
    assert found["5. Terraform"] == f"cd deploy && terraform apply {options}"


@pytest.mark.parametrize(
    ("name", "apply"),
    [
        ("environ_only", "cd terraform && terraform apply -var-file=staging.tfvars"),
        ("json_terraform", "cd tf && terraform apply -var-file=staging.tfvars.json"),
        ("monorepo", "cd deploy/terraform && terraform workspace select staging && terraform apply"),
    ],
)
def test_an_apply_is_for_the_environment(name: str, apply: str, tmp_path: Path) -> None:
    """By its values or its workspace, also where no list of references is made of them."""
    assert steps(CHECKOUTS[name](tmp_path / "omc"))["5. Terraform"] == apply


@pytest.mark.parametrize(
    ("name", "file", "arn"),
    [
        ("json_terraform", "tf/main.tf.json", "data.aws_secretsmanager_secret.app.arn"),
        ("monorepo", "deploy/terraform/templates/backend.json.tftpl", "secret_arn"),
    ],
)
def test_what_is_written_into_json_is_json(name: str, file: str, arn: str, tmp_path: Path) -> None:
    """With the names of its members in quotes, and colons."""
    reference = steps(CHECKOUTS[name](tmp_path / "omc"))[f"3. the reference, in {file}"]
    assert json.loads(reference) == {"name": "NEWS_KEY", "valueFrom": f"${{{arn}}}:NEWS_KEY::"}


def test_what_is_written_into_a_map_of_json_is_json(tmp_path: Path) -> None:
    """A member of it, with its name in quotes, and a colon."""
    files = {
        f"deploy/{name}.tfvars.json": json.dumps(
            {"environment": name, "secrets": {"SECRET_KEY": f"{arn}:SECRET_KEY::"}}
        )
        for name, arn in (("staging", ARN), ("production", OTHER_ARN))
    }
    reference = steps(platform_with(tmp_path, {"deploy/main.tf": ROOT} | files))[
        "3. the reference, in deploy/staging.tfvars.json"
    ]
    assert json.loads(f"{{{reference}}}") == {"NEWS_KEY": f"{ARN}:NEWS_KEY::"}


UNIT = 'terraform { source = "../../../modules/backend" }\ninputs = { secrets = {} }\n'


@pytest.mark.parametrize(
    "files",
    [
        {"copilot/.workspace": "application: omc\n"},
        {"infra/modules/backend/main.tf": MODULE, "infra/live/staging/backend/terragrunt.hcl": UNIT},
    ],
    ids=["Copilot", "Terragrunt"],
)
def test_no_step_names_a_folder_that_the_checkout_does_not_have(files: dict[str, str], tmp_path: Path) -> None:
    """Where something else than terraform apply makes the task definition."""
    found = steps(platform_with(tmp_path, files))
    assert not [step for step in found.values() if "apply" in step] and "5. Terraform" not in found
    assert is_sentence(found["5. a new revision"])
    [(name, reference)] = [(name, step) for name, step in found.items() if name.startswith("3.")]
    assert "infrastructure/" not in name and name.endswith("with the secret's ARN") and '"ARN:NEWS_KEY::"' in reference


VALUES = 'environment = "staging"\nsecrets = {}\n'
SERVICE = """\
variable "secrets_arn" {}
resource "aws_ecs_task_definition" "backend" {
  family                = "ohmycoins-backend"
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = [{ name = "SECRET_KEY", valueFrom = "${var.secrets_arn}:SECRET_KEY::" }]
  }])
}
"""
SERVICE_CALL = """\
module "backend" {{
  source      = "{}"
  secrets_arn = "{}"
}}
"""


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"deploy/staging.tfvars": VALUES, "deploy/backend/staging.tfvars": 'bucket = "state"\n'}, "staging.tfvars"),
        (
            {
                "deploy/staging.tfvars": VALUES,
                "deploy/db/main.tf": 'variable "size" {}\nresource "aws_db_instance" "db" {}\n',
                "deploy/db/staging.tfvars": "size = 1\n",
            },
            "staging.tfvars",
        ),
        ({"deploy/staging.tfvars": VALUES, "deploy/tests/staging.tfvars": VALUES}, "staging.tfvars"),
        (
            {"envs/staging.tfvars": VALUES, "envs/production.tfvars": 'environment = "production"\n'},
            "../envs/staging.tfvars",
        ),
    ],
    ids=["a backend's", "another folder's", "a test's", "beside the folder"],
)
def test_an_apply_names_no_values_of_something_else(files: dict[str, str], options: str, tmp_path: Path) -> None:
    """As those that terraform init gives the backend, or those of a folder that is applied by itself."""
    found = steps(platform_with(tmp_path, {"deploy/main.tf": ROOT} | files))
    assert found["5. Terraform"] == f"cd deploy && terraform apply -var-file={options}"


@pytest.mark.parametrize(
    ("text", "select"),
    [
        ("# Once this was terraform.workspace.\n", ""),
        ("locals { w = terraform.workspace }\n", "workspace select staging"),
    ],
    ids=["in a comment", "in a module"],
)
def test_an_apply_is_in_the_folder_that_calls_the_module(text: str, select: str, tmp_path: Path) -> None:
    """In the workspace that the module's names are made of."""
    files = {"deploy/main.tf": SERVICE_CALL.format("./backend", ARN), "deploy/backend/main.tf": text + SERVICE}
    steps_of_apply = ["cd deploy", *([f"terraform {select}"] if select else []), "terraform apply"]
    assert steps(platform_with(tmp_path, files))["5. Terraform"] == " && ".join(steps_of_apply)


def test_an_apply_is_in_the_environments_folder_wherever_the_module_is(tmp_path: Path) -> None:
    """Not in infrastructure/terraform alone, where the guide has it."""
    calls = {
        f"infra/envs/{name}/main.tf": SERVICE_CALL.format("../../modules/backend", ARN)
        for name in ("staging", "production")
    }
    found = steps(platform_with(tmp_path, {"infra/modules/backend/main.tf": SERVICE} | calls), "production")
    assert found["5. Terraform"] == "cd infra/envs/production && terraform apply"


def test_no_apply_is_in_a_folder_that_terragrunt_applies(tmp_path: Path) -> None:
    """Also where it is not called as one of modules."""
    unit = 'terraform {\n  source = "../../../stacks/backend"\n}\ninputs = { secrets_arn = "" }\n'
    files = {"infra/stacks/backend/main.tf": SERVICE, "infra/live/staging/backend/terragrunt.hcl": unit}
    assert "5. Terraform" not in steps(platform_with(tmp_path, files))
