"""The names that Terraform's files give: of the example checkout, and of seven others of different shape."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from support.files import write_files
from support.moto_platform import CHECKOUTS

from omc_runbook.sandbox.worlds import example
from omc_runbook.terraform.declared import DeclaredEnvironment, read_environments
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.stacks import unknown_units

PLATFORM = {
    "region": "ap-southeast-2",
    "secret": "{}-app-secrets",
    "cluster": "{}-cluster",
    "service": "{}-backend",
    "task_family": "{}-backend",
    "execution_role": "{}-ecs-task-execution-role",
    "task_role": "{}-ecs-task-role",
    "execution_policy": "{}-ecs-task-execution-secrets-policy",
    "project": "{}",
}
EXPECTED = {
    ("folders", "staging"): {key: value.format("ohmycoins-staging") for key, value in PLATFORM.items()},
    ("folders", "production"): {key: value.format("ohmycoins-prod") for key, value in PLATFORM.items()},
    ("tfvars", "staging"): {
        "region": "eu-west-1",
        "account_id": "111122223333",
        "secret": "ledger/staging/config",
        "cluster": "ledger-staging",
        "service": "ledger-staging-api-svc",
        "task_family": "ledger-staging-api",
        "execution_role": "LedgerExecution-staging",
        "task_role": "ledger-staging-task",
        "execution_policy": "ledger-staging-read-config",
        "project": "ledger",
    },
    ("tfvars", "production"): {
        "region": "eu-central-1",
        "account_id": "444455556666",
        "secret": "ledger/prod/config",
        "cluster": "ledger-prod",
        "service": "ledger-prod-api-svc",
        "task_family": "ledger-prod-api",
        "execution_role": "LedgerExecution-prod",
        "task_role": "ledger-prod-task",
        "execution_policy": "ledger-prod-read-config",
        "project": "ledger",
    },
    ("workspaces", "production"): {
        "region": "us-east-2",
        "secret": "shop-prod/application",
        "cluster": "Shop-Prod",
        "service": "api",
        "task_family": "shop-prod-api",
        "execution_role": "shop-prod-execution",
        "task_role": "shop-prod-task",
        "execution_policy": "read-application-secret",
        "prefix": "shop-prod",
    },
    ("registry", "staging"): {
        "region": "ca-central-1",
        "secret": "bookings-stage-api",
        "cluster": "bookings-stage-ecs",
        "service": "api",
        "task_family": "api",
    },
    ("units", "production"): {
        "region": "eu-west-2",
        "secret": "tides/prod",
        "cluster": "tides-prod",
        "service": "web",
        "task_family": "tides-prod-web",
        "execution_role": "ecsTaskExecutionRole",
        "project": "tides",
    },
    ("labels", "staging"): {
        "secret": "river-staging",
        "cluster": "river-staging-apps",
        "service": "api",
        "task_family": "river-staging-apps",
    },
    ("states", "dev"): {
        "region": "eu-north-1",
        "secret": "atlas-dev-runtime",
        "cluster": "atlas-dev-apps",
        "service": "backend-dev",
        "task_family": "atlas-dev-backend",
    },
}


@cache
def read(checkout: str) -> dict[str, DeclaredEnvironment]:
    """The environments of one of the checkouts, by name."""
    return {each.environment: each for each in read_environments(CHECKOUTS / checkout)}


@pytest.mark.parametrize(("checkout", "environment"), EXPECTED)
def test_every_name_is_found_in_the_files(checkout: str, environment: str) -> None:
    """By folders, files of values, workspaces, the registry's modules, several states, Terragrunt, labels."""
    found = read(checkout)[environment]
    assert {field: name.value for field, name in found.names.items()} == EXPECTED[checkout, environment]


@pytest.mark.parametrize(
    ("checkout", "environments"),
    [
        ("folders", {"staging", "production"}),
        ("tfvars", {"staging", "production"}),
        ("workspaces", {"staging", "production"}),
        ("registry", {"staging", "production"}),
        ("states", {"dev", "staging"}),
        ("units", {"staging", "production"}),
    ],
)
def test_every_environment_is_found(checkout: str, environments: set[str]) -> None:
    """One that is called prod or stage is known as production or staging."""
    assert set(read(checkout)) == environments


def test_the_sandboxs_checkout_has_the_guides_names(tmp_path: Path) -> None:
    """Its names are the guide's, in both environments."""
    write_files(tmp_path, example.files())
    for found in read_environments(tmp_path):
        names = {field: name.value for field, name in found.names.items()}
        start = f"ohmycoins-{found.environment}"
        expected = {key: value.format(start) for key, value in PLATFORM.items()}
        assert names == expected | {"project": "ohmycoins", "cluster": start, "service": "backend"}
        assert found.reasons == {}


def test_a_name_comes_with_where_it_stands() -> None:
    """Where it is put together, and where the values of its variables are."""
    folders, files = read("folders")["production"], read("tfvars")["production"]
    assert folders.names["cluster"].sources == ("modules/ecs/main.tf:14", "environments/production/main.tf:20")
    assert files.names["region"].sources == ("main.tf:2", "env/prod.tfvars:3")


@pytest.mark.parametrize(
    ("checkout", "environment", "field", "reason"),
    [
        ("states", "dev", "execution_role", "Terraform adds a suffix of its own to the name of this role"),
        ("states", "dev", "task_role", "has no task_role_arn"),
        ("states", "dev", "execution_policy", "The execution role is not known"),
        (
            "labels",
            "staging",
            "execution_role",
            "module.roles.arn comes from a module whose files are not in the checkout",
        ),
        ("labels", "staging", "region", "No provider names it"),
        ("registry", "production", "execution_role", "in a module from elsewhere (prod/main.tf:23)"),
    ],
)
def test_what_is_not_found_has_a_reason(checkout: str, environment: str, field: str, reason: str) -> None:
    """With the position in the files."""
    found = read(checkout)[environment]
    assert field not in found.names and reason in found.reasons[field]


@pytest.mark.parametrize(
    ("checkout", "environment", "renamed"),
    [
        ("folders", "staging", {"omc-CryptoPanic-testkey", "omc-NewsCatcher-testkey", "omc-Nansen-testkey"}),
        ("tfvars", "production", {"secret_key", "db_password"}),
        ("workspaces", "staging", {"secret-key", "postgres-password", "stripe-api-key"}),
        ("registry", "staging", set()),
        ("states", "staging", {"signing_key", "openai"}),
        ("units", "staging", {"password"}),
        ("labels", "staging", {"jwt"}),
    ],
)
def test_keys_with_another_name_than_their_variable_are_found(
    checkout: str, environment: str, renamed: set[str]
) -> None:
    """Also in templates, for expressions and joined texts."""
    assert set(read(checkout)[environment].renamed) == renamed


def test_services_of_modules_from_elsewhere_count_too() -> None:
    """By the arguments of the call, with the cluster that they refer to."""
    worker = read("labels")["staging"].find("river-staging-apps-worker")
    assert worker and worker.cluster and worker.cluster.value == "river-staging-apps"
    assert [each.key for each in worker.variables] == ["jwt"]


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ('module "m" {\n  source = "terraform-aws-modules/ecs/aws"\n  cluster_name = "tool"\n}\n', "tool"),
        ('module "m" {\n  source = "terraform-aws-modules/vpc/aws"\n  name = "tool"\n}\n', ""),
        ('module "m" {\n  source = "terraform-aws-modules/ecs/aws//modules/service"\n  name = "tool"\n}\n', ""),
        # How many there are, only an apply shows.
        ('resource "aws_ecs_cluster" "c" {\n  count = data.a.b.n\n  name = "tool-${count.index}"\n}\n', "tool-0"),
    ],
)
def test_the_only_cluster_is_the_environments(text: str, cluster: str, tmp_path: Path) -> None:
    """Of the registry's modules, that of ECS makes one, and that of a service none."""
    names = declare(
        tmp_path, {"staging/main.tf": f'{text}resource "aws_secretsmanager_secret" "s" {{ name = "s" }}\n'}
    ).names
    assert {names[kind].value for kind in names if kind == "cluster"} == {cluster} - {""}


def test_counts_are_read_where_terraform_decides_them() -> None:
    """Zero on purpose is known, and a count that Terraform ignores is not."""
    staging = read("folders")["staging"].find("ohmycoins-staging-backend")
    assert staging and (staging.desired, staging.desired_source) == (0, "environments/staging/main.tf:46")
    worker, ignored = read("workspaces")["staging"].find("worker"), read("tfvars")["production"].services[0]
    assert worker and worker.desired == 0 and ignored.desired is None


def write(root: Path, **files: str) -> Path:
    """A checkout with these Terraform files."""
    for name, text in files.items():
        (root / f"{name}.tf").write_text(text)
    return root


def test_a_folder_without_an_environment_stands_for_the_one_that_is_asked_for(tmp_path: Path) -> None:
    """The value that a pipeline passes is assumed, and said."""
    root = write(
        tmp_path,
        main='variable "environment" {}\nresource "aws_ecs_cluster" "c" { name = "tool-${var.environment}" }\n',
    )
    (found,) = read_environments(root, "production")
    assert found.names["cluster"].value == "tool-production"
    assert found.assumptions == ("Variable environment has no value in the checkout: production is assumed.",)


@pytest.mark.parametrize(
    ("name", "parameter", "environments"),
    [
        ("tool-prod", "", ["production"]),
        ("tool-prod", "staging", []),
        ("tool-prod", "prod-eu", ["prod-eu"]),
        ("tool-prod", "blue", ["blue"]),
        ("tool", "", ["staging", "production"]),
    ],
)
def test_a_folder_stands_for_no_environment_but_that_of_its_names(
    name: str, parameter: str, environments: list[str], tmp_path: Path
) -> None:
    """Production's names, taken for staging's, would be changed without a confirmation."""
    root = write(tmp_path, main=f'resource "aws_ecs_cluster" "c" {{ name = "{name}" }}\n')
    assert [each.environment for each in read_environments(root, parameter)] == environments


def test_a_workspace_is_called_as_its_key(tmp_path: Path) -> None:
    """Whatever its environment is called in the names that the key leads to."""
    environments = 'stg = { long = "staging" }\n  prd = { long = "production" }\n'
    cluster = 'resource "aws_ecs_cluster" "c" { name = "tool-${local.all[terraform.workspace].long}" }\n'
    text = f"locals {{\n  all = {{\n  {environments}}}\n}}\n{cluster}"
    production, staging = read_environments(write(tmp_path, main=text))
    assert (production.names["cluster"].value, staging.names["cluster"].value) == ("tool-production", "tool-staging")
    assert production.assumptions == ("The workspace prd is assumed.",)


def test_a_workspace_in_a_comment_is_not_assumed(tmp_path: Path) -> None:
    """Nobody has to select one."""
    text = '# Not by terraform.workspace.\nresource "aws_ecs_cluster" "c" { name = "tool" }\n'
    (staging,) = read_environments(write(tmp_path, main=text), "staging")
    assert staging.assumptions == ("No file names an environment: the names are taken for staging's.",)


def test_values_as_json_count_too(tmp_path: Path) -> None:
    """A file of values for each environment may be JSON."""
    root = write(tmp_path, main='variable "env" {}\nresource "aws_ecs_cluster" "c" { name = "tool-${var.env}" }\n')
    for name in ("prod", "staging"):
        (root / f"{name}.tfvars.json").write_text(f'{{"env": "{name}"}}')
    found, other = read_environments(root)
    assert (found.environment, other.names["cluster"].value) == ("production", "tool-staging")
    assert (found.names["cluster"].value, found.names["cluster"].sources[-1]) == ("tool-prod", "prod.tfvars.json:1")


SHARED = """
module "staging" {
  source      = "./app"
  environment = "staging"
}
module "prod" {
  source      = "./app"
  environment = "prod"
}
"""
APP = """
variable "environment" {}
resource "aws_ecs_cluster" "this" { name = "tool-${var.environment}" }
resource "aws_secretsmanager_secret" "this" { name = "tool/${var.environment}" }
"""


def test_one_folder_may_have_several_environments(tmp_path: Path) -> None:
    """Each gets its own resources, by the module's variable."""
    (tmp_path / "app").mkdir()
    write(tmp_path / "app", main=APP)
    names = {each.environment: each.names for each in read_environments(write(tmp_path, main=SHARED))}
    assert {name: found["cluster"].value for name, found in names.items()} == {
        "staging": "tool-staging",
        "production": "tool-prod",
    }
    assert names["production"]["secret"].value == "tool/prod"


def test_a_default_that_a_pipeline_overrides_is_replaced_by_what_is_asked_for(tmp_path: Path) -> None:
    """The folder says dev, and is run for staging with -var."""
    root = write(
        tmp_path,
        main='variable "env" { default = "dev" }\nresource "aws_ecs_cluster" "c" { name = "tool-${var.env}" }\n',
    )
    (found,) = read_environments(root, "staging")
    assert found.names["cluster"].value == "tool-staging" and len(found.assumptions) == 1
    assert [each.environment for each in read_environments(root)] == ["dev"]


def test_what_cannot_be_followed_is_told_and_not_guessed(tmp_path: Path) -> None:
    """A value that only a pipeline knows, a cycle, and a module that is not here."""
    root = write(
        tmp_path,
        main="""
locals {
  environment = "staging"
  round       = local.trip
  trip        = local.round
}
variable "suffix" {}
module "names" { source = "git::https://example.com/names.git" }
resource "aws_ecs_cluster" "c" { name = "tool-${var.suffix}" }
resource "aws_ecs_service" "s" {
  name            = local.round
  cluster         = aws_ecs_cluster.c.id
  task_definition = module.names.definition
}
""",
    )
    (found,) = read_environments(root)
    assert not {"cluster", "service", "secret"} & set(found.names)
    assert "variable suffix has no value in the checkout" in found.reasons["cluster"]
    assert "refers to itself" in found.reasons["service"]


_SERVICE = 'resource "aws_ecs_service" "s" {{\n  {loop}\n  name = "s"\n}}\n'
_VPC = 'module "vpc" { source = "terraform-aws-modules/vpc/aws" }\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_SERVICE.format(loop="count = 0"), "the count of aws_ecs_service.s is 0 (main.tf:2)."),
        (_SERVICE.format(loop='count = var.environment == "live" ? 1 : 0'), "the count of aws_ecs_service.s is 0 ("),
        (_SERVICE.format(loop="for_each = {}"), "the for_each of aws_ecs_service.s is empty (main.tf:2)."),
        ('module "ecs" {\n  source = "./ecs"\n  count = 0\n}\n', "the count of module.ecs is 0 (main.tf:3)."),
        (
            'module "vpc" {\n  source = "./vpc"\n  count = 0\n}\n',
            "No aws_ecs_service is in the checkout's Terraform files.",
        ),
        (_VPC + 'module "vpn" {\n  source = "terraform-aws-modules/vpn/aws"\n  count = 0\n}\n', None),
        (_VPC + 'module "ecs" {\n  source = "./ecs"\n  count = 0\n}\n', "the count of module.ecs is 0 (main.tf:4)."),
        (
            'module "ecs" {\n  source = "terraform-aws-modules/ecs/aws"\n  count = 0\n}\n',
            "the count of module.ecs is 0 (",
        ),
        (_VPC + _SERVICE.format(loop="count = 0"), "the count of aws_ecs_service.s is 0 (main.tf:3)."),
        ("", "No aws_ecs_service is in the checkout's Terraform files."),
        (_VPC, None),
        (_SERVICE.format(loop="count = var.unknown ? 1 : 0"), None),
    ],
)
def test_a_service_that_is_repeated_for_nothing_is_told(text: str, reason: str | None, tmp_path: Path) -> None:
    """It is in the files, and this environment has none."""
    for name, inner in (("ecs", _SERVICE.format(loop="")), ("vpc", 'resource "aws_vpc" "v" {}\n')):
        if f"./{name}" in text:
            (tmp_path / name).mkdir()
            write(tmp_path / name, main=inner)
    settings = 'variable "environment" { default = "staging" }\nvariable "unknown" {}\n'
    cluster = 'resource "aws_ecs_cluster" "c" { name = "c-${var.environment}" }\n'
    write(tmp_path, main=text, other=settings + cluster)
    found = next(each for each in read_environments(tmp_path) if each.environment == "staging")
    assert (reason or "") in found.reasons.get("service", "") and ("service" in found.reasons) == (reason is not None)


def test_nothing_outside_the_checkout_is_read(tmp_path: Path) -> None:
    """Neither a module nor a file."""
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside, main='output "name" { value = "stolen" }\n')
    (outside / "name.txt").write_text("stolen")
    root = tmp_path / "checkout"
    root.mkdir()
    write(
        root,
        main="""
locals { environment = "staging" }
module "m" { source = "../outside" }
resource "aws_ecs_cluster" "a" { name = module.m.name }
resource "aws_secretsmanager_secret" "b" { name = file("../outside/name.txt") }
""",
    )
    (found,) = read_environments(root)
    assert not {"cluster", "secret"} & set(found.names)


def test_a_secret_of_its_own_for_each_variable_is_no_secret_of_keys(tmp_path: Path) -> None:
    """The note says that the runbooks' one secret is not there."""
    root = write(
        tmp_path,
        main="""
locals { environment = "staging" }
resource "aws_secretsmanager_secret" "a" { name = "tool-a" }
resource "aws_secretsmanager_secret" "b" { name = "tool-b" }
resource "aws_ecs_task_definition" "t" {
  family                = "tool"
  container_definitions = jsonencode([{
    name    = "tool"
    secrets = [
      { name = "A", valueFrom = aws_secretsmanager_secret.a.arn },
      { name = "B", valueFrom = aws_secretsmanager_secret.b.arn },
    ]
  }])
}
resource "aws_ecs_service" "s" {
  name            = "tool"
  task_definition = aws_ecs_task_definition.t.arn
}
""",
    )
    (found,) = read_environments(root)
    assert found.reasons["secret"] == "Each variable has a secret of its own, without a JSON key."


SERVICE = """
resource "aws_ecs_cluster" "c" { name = "river-staging" }
resource "aws_ecs_service" "s" {
  name            = "api"
  cluster         = aws_ecs_cluster.c.id
  task_definition = aws_ecs_task_definition.t.arn
}
resource "aws_ecs_task_definition" "t" {
  family             = "river-staging-api"
  execution_role_arn = ROLE
  container_definitions = jsonencode([
    { name = "api", secrets = [{ name = "SECRET_KEY", valueFrom = "${ARN}:SECRET_KEY::" }] }
  ])
}
"""


def service_of(arn: str, role: str = "null") -> str:
    """A service whose variable refers to a secret by this expression."""
    return SERVICE.replace("ARN}", f"{arn}}}").replace("ROLE", role)


def declare(root: Path, files: dict[str, str]) -> DeclaredEnvironment:
    """What files of staging declare."""
    write_files(root, files)
    (found,) = read_environments(root, "staging")
    return found


def test_a_secret_that_is_not_known_may_have_more_variables(tmp_path: Path) -> None:
    """The one that is known is named, with what is not."""
    more = '{ name = "A", valueFrom = "${var.app}:A::" }, { name = "B", valueFrom = "${var.app}:B::" }, '
    text = service_of("aws_secretsmanager_secret.s.arn").replace("secrets = [", f"secrets = [{more}")
    text += 'variable "app" {}\nresource "aws_secretsmanager_secret" "s" { name = "river-db" }\n'
    secret = declare(tmp_path, {"staging/main.tf": text}).names["secret"]
    assert secret.value == "river-db"
    assert secret.note.endswith("; for more variables to another one: variable app has no value in the checkout")
    cut = declare(tmp_path, {"staging/main.tf": text.replace(more, more[: len(more) // 2])}).names["secret"]
    assert "another" not in cut.note


def test_a_variable_without_a_name_is_read(tmp_path: Path) -> None:
    """Nothing about it is known only after an apply."""
    service = service_of("aws_secretsmanager_secret.s.arn")
    service = service.replace("secrets = [", 'environment = [{ name = "", value = "x" }], secrets = [')
    found = declare(tmp_path, {"main.tf": 'resource "aws_secretsmanager_secret" "s" { name = "river" }\n' + service})
    assert "keys" not in found.reasons and found.services[0].is_whole


def test_an_empty_region_is_none(tmp_path: Path) -> None:
    """The provider asks the environment of who runs Terraform then, which a variable may describe."""
    files = {"main.tf": 'provider "aws" { region = "" }\n' + service_of("var.arn")}
    assert "region" not in declare(tmp_path, files).names
    named = {**files, "variables.tf": 'variable "region" { default = "eu-west-1" }\n'}
    assert declare(tmp_path, named).names["region"].value == "eu-west-1"


def test_a_state_in_another_place_gives_no_output(tmp_path: Path) -> None:
    """Another folder has an output of the same name; the bucket says that it is not meant."""
    base = (
        'terraform {\n  backend "s3" {\n    bucket = "ours"\n    key = "base"\n  }\n}\n'
        'resource "aws_secretsmanager_secret" "s" { name = "ours" }\n'
        'output "secret_arn" { value = aws_secretsmanager_secret.s.arn }\n'
    )
    state = (
        'data "terraform_remote_state" "x" {\n  backend = "s3"\n  config = { bucket = "BUCKET", key = "base" }\n}\n'
        "locals {\n  arn = data.terraform_remote_state.x.outputs.secret_arn\n}\n"
    )
    service = service_of("local.arn")
    theirs = {"staging/base/main.tf": base, "staging/app/main.tf": state.replace("BUCKET", "theirs") + service}
    found = declare(tmp_path / "theirs", theirs)
    assert "secret" not in found.names
    assert found.reasons["secret"] == (
        "Task definitions refer to it, but output secret_arn of another state is not in the checkout."
    )
    ours = {"staging/base/main.tf": base, "staging/app/main.tf": state.replace("BUCKET", "ours") + service}
    assert declare(tmp_path / "ours", ours).names["secret"].value == "ours"


def test_a_state_is_found_by_its_place_alone(tmp_path: Path) -> None:
    """Whether it is encrypted does not tell where it is."""
    files = {
        "staging/base/main.tf": 'terraform {\n  backend "s3" {\n    bucket = "ours"\n    encrypt = true\n  }\n}\n'
        'resource "aws_secretsmanager_secret" "s" { name = "ours" }\n'
        'output "secret_arn" { value = aws_secretsmanager_secret.s.arn }\n',
        "staging/app/main.tf": 'data "terraform_remote_state" "x" { config = { bucket = "ours", encrypt = false } }\n'
        + service_of("data.terraform_remote_state.x.outputs.secret_arn"),
    }
    assert declare(tmp_path, files).names["secret"].value == "ours"


def test_a_secret_is_found_through_its_version(tmp_path: Path) -> None:
    """Whose ARN is the secret's."""
    version = 'resource "aws_secretsmanager_secret_version" "v" { secret_id = aws_secretsmanager_secret.s.id }\n'
    secret = 'resource "aws_secretsmanager_secret" "s" { name = "river" }\n'
    text = secret + version + service_of("aws_secretsmanager_secret_version.v.arn")
    assert declare(tmp_path, {"staging/main.tf": text}).names["secret"].value == "river"


def test_a_task_definition_is_found_through_its_newest_revision(tmp_path: Path) -> None:
    """Which is looked up, so that a deployment from elsewhere stays."""
    text = (
        service_of("aws_secretsmanager_secret.s.arn") + 'resource "aws_secretsmanager_secret" "s" { name = "river" }\n'
    )
    text = text.replace("= aws_ecs_task_definition.t.arn", "= data.aws_ecs_task_definition.t.arn")
    text += 'data "aws_ecs_task_definition" "t" { task_definition = aws_ecs_task_definition.t.family }\n'
    (service,) = declare(tmp_path, {"staging/main.tf": text}).services
    assert [each.key for each in service.variables] == ["SECRET_KEY"]


def test_values_of_another_folder_are_left_out(tmp_path: Path) -> None:
    """A file beside it, of whose values it declares less than half."""
    main = 'variable "name" {}\nvariable "environment" {}\nresource "aws_ecs_cluster" "c" { name = var.name }\n'
    files = {"app/main.tf": main, "staging.tfvars": 'name = "other"\na = 1\nb = 2\n'}
    assert "cluster" not in declare(tmp_path, files).names
    files["staging.tfvars"] = 'name = "tool"\n'
    assert declare(tmp_path, files).names["cluster"].value == "tool"


def test_a_folders_own_values_are_no_other_folders(tmp_path: Path) -> None:
    """Which stands beside it, declares the same variables, and is named after another environment."""
    files = {f"live/{each}/terraform.tfvars": f'prefix = "{each}"\n' for each in ("dev", "prod")}
    for each in ("dev", "prod"):
        main = f'variable "prefix" {{}}\nresource "aws_ecs_cluster" "c" {{ name = "tool-{each}" }}\n'
        files[f"live/{each}/main.tf"] = main
    write_files(tmp_path, files)
    clusters = {each.environment: each.names["cluster"].value for each in read_environments(tmp_path)}
    assert clusters == {"dev": "tool-dev", "production": "tool-prod"}


@pytest.mark.parametrize(
    ("values", "clusters"),
    [
        (
            {"prod": 'env = "prod"\n', "prod-eu": 'env = "prod-eu"\nregion = "eu-west-1"\n'},
            {"production": ("tool-prod", "us-east-1"), "prod-eu": ("tool-prod-eu", "eu-west-1")},
        ),
        (
            {"prod/eu": 'env = "a"\nregion = "eu-west-1"\n', "prod/us": 'env = "a"\nregion = "us-west-2"\n'},
            {"prod-eu": ("tool-a", "eu-west-1"), "prod-us": ("tool-a", "us-west-2")},
        ),
        (
            {"prod": 'env = "prod"\n', "prod-network": 'region = "eu-west-1"\n'},
            {"production": ("tool-prod", "eu-west-1")},
        ),
        (
            {"prod": 'env = "prod"\n', "prod-eu": 'env = "prod-eu"\n', "prod-more": 'size = "1"\n'},
            {"production": ("tool-prod", "us-east-1"), "prod-eu": ("tool-prod-eu", "us-east-1")},
        ),
        (
            {"prod": 'env = "prod"\nregion = "eu-west-1"\n', "backend-prod": 'size = "1"\nregion = "us-west-2"\n'},
            {"production": ("tool-prod", "eu-west-1")},
        ),
        (
            {"envs/prod/terraform": 'env = "prod"\n', "envs/prod-eu/terraform": 'env = "prod-eu"\n'}
            | {"envs/prod-eu/more": 'region = "eu-west-1"\n'},
            {"production": ("tool-prod", "us-east-1"), "prod-eu": ("tool-prod-eu", "eu-west-1")},
        ),
        (
            {f"{each}/prod": f'env = "a"\nregion = "{each}-west-1"\n' for each in ("eu", "us")},
            {"prod-eu": ("tool-a", "eu-west-1"), "prod-us": ("tool-a", "us-west-1")},
        ),
        (
            {"prod.more": 'env = "prod"\n', "prod": 'env = "production"\n'},
            {"production": ("tool-production", "us-east-1")},
        ),
        (
            {"shop-prod": 'env = "prod"\n', "shop-prod-eu": 'env = "prod-eu"\nregion = "eu-west-1"\n'},
            {"production": ("tool-prod", "us-east-1"), "prod-eu": ("tool-prod-eu", "eu-west-1")},
        ),
        (
            {"prod": 'env = "prod"\n', "prod-eu": 'env = "prod-eu"\n'}
            | {"prod-network": 'env = "prod"\nregion = "eu-west-1"\n'},
            {"production": ("tool-prod", "eu-west-1"), "prod-eu": ("tool-prod-eu", "us-east-1")},
        ),
        (
            {"prod1": 'env = "prod"\n', "dev1": 'env = "dev"\n'},
            {"production": ("tool-prod", "us-east-1"), "dev": ("tool-dev", "us-east-1")},
        ),
        (
            {"prod": 'env = "a"\n', "prod2": 'env = "a"\nregion = "eu-west-1"\n'},
            {"production": ("tool-a", "us-east-1"), "prod2": ("tool-a", "eu-west-1")},
        ),
        (
            {"prod1": 'env = "a"\n', "prod2": 'env = "b"\n'},
            {"prod1": ("tool-a", "us-east-1"), "prod2": ("tool-b", "us-east-1")},
        ),
        (
            {"eu-prod": 'env = "a"\nsize = "1"\n', "us-prod": 'env = "a"\nsize = "2"\n'},
            {"eu-prod": ("tool-a", "us-east-1"), "us-prod": ("tool-a", "us-east-1")},
        ),
        (
            {"prod/common": 'env = "a"\n', "prod/eu": 'region = "eu-west-1"\n', "prod/us": 'region = "us-west-2"\n'},
            {"prod-eu": ("tool-a", "eu-west-1"), "prod-us": ("tool-a", "us-west-2")},
        ),
    ],
    ids=[
        "two of one word",
        "two of one folder",
        "two files of one",
        "one that is nobody's",
        "where the state is",
        "two folders",
        "folders of regions",
        "two words for one",
        "a project's name first",
        "two files of one beside another's",
        "a number alone",
        "a number beside one without",
        "two numbers",
        "the region first",
        "what two regions share",
    ],
)
def test_files_that_call_an_environment_otherwise_are_not_mixed(
    tmp_path: Path, values: dict[str, str], clusters: dict[str, tuple[str, str]]
) -> None:
    """Those of prod-eu are no production's; a file that adds values to another's is."""
    main = (
        'variable "env" {}\nvariable "size" {}\nvariable "region" { default = "us-east-1" }\n'
        'provider "aws" { region = var.region }\n'
        'resource "aws_ecs_cluster" "c" { name = "tool-${var.env}" }\n'
    )
    write_files(tmp_path, {"main.tf": main} | {f"{name}.tfvars": text for name, text in values.items()})
    found = {each.environment: each.names for each in read_environments(tmp_path)}
    assert {name: (own["cluster"].value, own["region"].value) for name, own in found.items()} == clusters
    for name in clusters:
        assert [each.environment for each in read_environments(tmp_path, name)] == [name]


@pytest.mark.parametrize(
    ("folders", "clusters"),
    [
        (("prod", "prod-eu"), {"production": "tool-prod", "prod-eu": "tool-prod-eu"}),
        (("prod-eu/app", "prod-us/app"), {"prod-eu": "tool-prod-eu", "prod-us": "tool-prod-us"}),
        (("prod-eu", "staging"), {"production": "tool-prod-eu", "staging": "tool-staging"}),
        (("prod/app", "prod/data-eu"), {"production": "tool-prod"}),
        (("prod-eu", "prod-us/charts"), {"production": "tool-prod-eu"}),
        (("prod1", "prod2"), {"prod1": "tool-prod1", "prod2": "tool-prod2"}),
        (("prod-1", "prod-2"), {"prod-1": "tool-prod-1", "prod-2": "tool-prod-2"}),
        (("prod", "prod2", "dev1"), {"production": "tool-prod", "prod2": "tool-prod2", "dev": "tool-dev1"}),
        (("eu-prod", "us-prod"), {"eu-prod": "tool-eu-prod", "us-prod": "tool-us-prod"}),
    ],
)
def test_a_folder_of_an_environments_region_beside_another_is_its_own(
    tmp_path: Path, folders: tuple[str, ...], clusters: dict[str, str]
) -> None:
    """Without another one beside it, it is the environment's; a folder within the environment's is no other."""
    files = {"app/main.tf": 'variable "prefix" {}\nresource "aws_ecs_cluster" "c" { name = "tool-${var.prefix}" }\n'}
    for each in folders:
        if each.endswith("charts"):
            files[f"live/{each}/values.yaml"] = "size: 1\n"
            continue
        source, name = "../" * (each.count("/") + 2) + "app", each.partition("/")[0]
        files[f"live/{each}/main.tf"] = f'module "app" {{\n  source = "{source}"\n  prefix = "{name}"\n}}\n'
    write_files(tmp_path, files)
    assert {each.environment: each.names["cluster"].value for each in read_environments(tmp_path)} == clusters
    for name in clusters:
        assert [each.environment for each in read_environments(tmp_path, name)] == [name]


def test_values_below_a_folder_are_its_own(tmp_path: Path) -> None:
    """And not those of the folder above it, which has values in the same way."""
    files = {
        f"{folder}env/{each}.tfvars": f'prefix = "{name}-{each}"\n'
        for folder, name in (("", "tool"), ("network/", "net"))
        for each in ("staging", "prod")
    }
    for folder, type in (("", "aws_ecs_cluster"), ("network/", "aws_sqs_queue")):
        files[f"{folder}main.tf"] = f'variable "prefix" {{}}\nresource "{type}" "x" {{ name = var.prefix }}\n'
    assert declare(tmp_path, files).names["cluster"].value == "tool-staging"


@pytest.mark.parametrize(
    "shared", ["terraform {}", 'variable "prefix" {}', 'resource "aws_sqs_queue" "q" {}', 'output "p" { value = 1 }']
)
def test_values_of_a_folder_that_creates_nothing_by_them_are_anothers(tmp_path: Path, shared: str) -> None:
    """Which has Terraform's files too, such as the versions of its providers, or the variables that all share."""
    main = 'variable "prefix" {}\nresource "aws_ecs_cluster" "c" { name = var.prefix }\n'
    files = {"app/main.tf": main, "values/shared.tf": f"{shared}\n"}
    files |= {f"values/{each}.tfvars": f'prefix = "tool-{each}"\n' for each in ("staging", "prod")}
    assert declare(tmp_path, files).names["cluster"].value == "tool-staging"


def test_region_and_account_are_those_of_the_services_provider(tmp_path: Path) -> None:
    """A folder has several; the module gets one of them under another name."""
    roles = "\n".join(
        f'provider "aws" {{\n  {alias}region = "{region}"\n'
        f'  assume_role {{\n    role_arn = "arn:aws:iam::{account}:role/ci"\n  }}\n}}'
        for alias, region, account in (
            ("", "us-east-1", "111111111111"),
            ('alias  = "sydney"\n  ', "ap-southeast-2", "222222222222"),
        )
    )
    call = 'module "app" {\n  source    = "../modules/app"\n  providers = { aws = aws.sydney }\n}\n'
    service = service_of("aws_secretsmanager_secret.s.arn")
    secret = (
        'data "aws_region" "r" {}\nresource "aws_secretsmanager_secret" "s" { name = "s-${data.aws_region.r.name}" }\n'
    )
    found = declare(tmp_path, {"staging/main.tf": roles + "\n" + call, "modules/app/main.tf": service + secret})
    names = {field: found.names[field].value for field in ("region", "account_id", "secret")}
    assert names == {"region": "ap-southeast-2", "account_id": "222222222222", "secret": "s-ap-southeast-2"}


@pytest.mark.parametrize("role", ['"arn:aws:iam::123456789012:role/${var.who}-exec"', '"${file("../a/b")}"'])
def test_a_role_whose_name_is_known_in_part_is_no_name(tmp_path: Path, role: str) -> None:
    """The reason may have slashes, as ARNs have."""
    service = service_of("path.module", role)
    found = declare(tmp_path, {"staging/main.tf": 'variable "who" {}\n' + service})
    assert "execution_role" not in found.names
    assert found.reasons["execution_role"].startswith("Its ARN is not in the checkout: ")


def test_the_only_secret_is_not_taken_for_one_that_is_not_known(tmp_path: Path) -> None:
    """Task definitions refer to another one."""
    service = service_of("var.arn")
    text = 'variable "arn" {}\nresource "aws_secretsmanager_secret" "s" { name = "certificates" }\n' + service
    found = declare(tmp_path, {"staging/main.tf": text})
    assert "secret" not in found.names and "variable arn has no value" in found.reasons["secret"]


def test_the_secret_is_the_main_services(tmp_path: Path) -> None:
    """Another service gets as many variables of its own secret, and comes first."""
    text = """
locals { names = ["frontend", "backend"] }
resource "aws_ecs_cluster" "c" { name = "river-staging" }
resource "aws_secretsmanager_secret" "s" {
  count = length(local.names)
  name  = "river-${local.names[count.index]}"
}
resource "aws_ecs_task_definition" "t" {
  count  = length(local.names)
  family = format("river-%s", element(local.names, count.index))
  container_definitions = jsonencode([{
    name = "x", secrets = [{ name = "A", valueFrom = "${aws_secretsmanager_secret.s[count.index].arn}:A::" }]
  }])
}
resource "aws_ecs_service" "s" {
  count           = length(local.names)
  name            = "river-${local.names[count.index]}"
  cluster         = aws_ecs_cluster.c.id
  task_definition = aws_ecs_task_definition.t[count.index].arn
}
"""
    found = declare(tmp_path, {"staging/main.tofu": text})
    assert {found.names[field].value for field in ("secret", "service", "task_family")} == {"river-backend"}
    assert found.names["secret"].note == "river-backend refers to it; also to river-frontend"


def test_a_service_of_as_good_a_name_is_told(tmp_path: Path) -> None:
    """The one that was taken says so; a worker has no such name."""
    files = {
        f"staging/{name}/main.tf": service_of("path.module").replace('= "api"\n', f'= "{name}"\n')
        for name in ("old-api", "new-api", "worker")
    }
    found = declare(tmp_path, files)
    assert found.names["service"].value == "new-api" and found.names["service"].note == "it may also be old-api"


def test_services_in_several_regions_are_told(tmp_path: Path) -> None:
    """The names are those of one of them."""
    files = {
        f"staging/{region}/main.tf": f'provider "aws" {{ region = "{region}" }}\n{service_of("path.module")}'
        for region in ("us-east-1", "eu-west-1")
    }
    found = declare(tmp_path, files)
    assert found.names["region"].value == "eu-west-1"
    assert found.assumptions == (
        "Its services are in several regions: the names are those of eu-west-1, not of us-east-1.",
    )


def test_a_policys_statements_may_be_dynamic(tmp_path: Path) -> None:
    """One for each secret; another policy of the role reads none."""
    policies = """
resource "aws_secretsmanager_secret" "s" { name = "river" }
resource "aws_iam_role" "r" { name_prefix = "river-" }
data "aws_iam_policy_document" "logs" {
  statement {
    actions   = ["logs:*"]
    resources = ["*"]
  }
  statement {
    effect    = "Deny"
    actions   = ["secretsmanager:*"]
    resources = ["*"]
  }
}
data "aws_iam_policy_document" "read" {
  dynamic "statement" {
    for_each = [aws_secretsmanager_secret.s.arn]
    iterator = secret
    content {
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [secret.value]
    }
  }
}
resource "aws_iam_role_policy" "p" {
  for_each = { logs = data.aws_iam_policy_document.logs.json, read = data.aws_iam_policy_document.read.json }
  name     = "river-${each.key}"
  role     = aws_iam_role.r.id
  policy   = each.value
}
"""
    text = policies + service_of("aws_secretsmanager_secret.s.arn", "aws_iam_role.r.arn")
    found = declare(tmp_path, {"staging/main.tf": text})
    assert found.names["execution_policy"].value == "river-read" and "execution_role" not in found.names


def test_a_unit_whose_module_is_elsewhere_is_told(tmp_path: Path) -> None:
    """Its inputs show no name for certain."""
    unit = tmp_path / "live" / "staging" / "app" / "terragrunt.hcl"
    unit.parent.mkdir(parents=True)
    unit.write_text('terraform {\n  source = "git::https://example.com/modules.git//app?ref=v1"\n}\n')
    assert read_environments(tmp_path) == ()
    assert unknown_units(TerraformFiles(tmp_path)) == (
        "live/staging/app/terragrunt.hcl takes no module of the checkout: its names are not known.",
    )


def test_a_unit_that_names_no_environment_is_told(tmp_path: Path) -> None:
    """A stack of Terragrunt gives it its values: there is no environment "" for runbook.toml."""
    files = {
        "live/staging/terragrunt.stack.hcl": 'unit "app" {\n  source = "../../units/app"\n  path = "app"\n}\n',
        "units/app/terragrunt.hcl": 'terraform {\n  source = "../../app"\n}\n'
        "inputs = {\n  environment = values.environment\n}\n",
        "units/vpc/terragrunt.hcl": 'terraform {\n  source = "../../vpc"\n}\n',
        "app/main.tf": 'variable "environment" {}\nresource "aws_ecs_cluster" "c" { name = var.environment }\n',
        "vpc/main.tf": 'resource "aws_vpc" "v" {}\n',
    }
    write_files(tmp_path, files)
    assert read_environments(tmp_path) == () == read_environments(tmp_path, "staging")
    assert unknown_units(TerraformFiles(tmp_path)) == (
        "units/app/terragrunt.hcl names no environment: its names are not known.",
    )


@pytest.mark.parametrize(("name", "found"), [("qa", ["qa"]), ("qa 1", []), ("eu/qa", [])])
def test_an_environment_that_no_table_can_have_is_none(name: str, found: list[str], tmp_path: Path) -> None:
    """With a table of that name runbook.toml could not be read again."""
    variable = f'variable "environment" {{\n  default = "{name}"\n}}\n'
    cluster = 'resource "aws_ecs_cluster" "c" {\n  name = var.environment\n}\n'
    write_files(tmp_path, {"infra/main.tf": variable + cluster})
    assert [each.environment for each in read_environments(tmp_path)] == found


@pytest.mark.parametrize(("label", "reference"), [("", "include"), ('"root"', "include.root")])
def test_what_a_unit_includes(label: str, reference: str, tmp_path: Path) -> None:
    """With a label or without; a file that is not there has nothing."""
    files = {
        "live/root.hcl": 'locals {\n  name = "river"\n}\n',
        "live/staging/app/terragrunt.hcl": f'include {label} {{\n  path = find_in_parent_folders("root.hcl")\n}}\n'
        'include "gone" {\n  path = "gone.hcl"\n}\nterraform {\n  source = "../../../app"\n}\n'
        f"inputs = {{\n  name = {reference}.locals.name\n}}\nprevent_destroy = true\n",
        "app/main.tf": 'variable "name" {}\nresource "aws_ecs_cluster" "c" { name = var.name }\n',
    }
    assert declare(tmp_path, files).names["cluster"].value == "river"


@pytest.mark.parametrize(
    ("above", "inputs", "cluster"),
    [
        ('{ name = "lake" }', 'yamldecode(sops_decrypt_file("names.yaml"))', ""),
        ('{ name = "lake" }', "merge(include.locals, local.gone)", ""),
        ("local.gone", "include.inputs", ""),
        ("{}", 'read_terragrunt_config("../gone.hcl").inputs', ""),
        ("{}", 'read_terragrunt_config("../names.hcl").inputs', ""),
        ("{}", "[]", ""),
        ("local.gone", "{}", ""),
        ("local.gone", '{ name = "sea" }', "sea"),
        ("{}", 'merge(local.gone, { name = "sea" })', "sea"),
        ('{ name = "lake" }', "merge({}, null)", "lake"),
        ("null", "null", "river"),
        ("local.gone", 'merge(include.inputs, { name = "sea" })', "sea"),
        ("{}", 'merge({ (local.gone) = "sea" }, {})', ""),
        ("{}", 'merge({ (local.gone) = {} }, { name = "sea" })', "sea"),
    ],
)
def test_inputs_that_are_not_known_leave_no_default(above: str, inputs: str, cluster: str, tmp_path: Path) -> None:
    """They may give any variable a value, and come before those of the file above; what is added to them is known."""
    files = {
        "live/root.hcl": f"inputs = {above}\n",
        "live/staging/names.hcl": "inputs = local.gone\n",
        "live/staging/app/terragrunt.hcl": 'include {\n  path = find_in_parent_folders("root.hcl")\n}\n'
        f'terraform {{\n  source = "../../../app"\n}}\ninputs = {inputs}\n',
        "app/main.tf": 'variable "name" { default = "river" }\nresource "aws_ecs_cluster" "c" { name = var.name }\n',
    }
    names = declare(tmp_path, files).names
    assert (names["cluster"].value if "cluster" in names else "") == cluster


def test_the_task_role_of_a_service_by_a_module_from_elsewhere(tmp_path: Path) -> None:
    """Its name, as the ARN, is an argument."""
    text = 'module "s" {\n  source = "terraform-aws-modules/ecs/aws//modules/service"\n  name = "api"\n'
    found = declare(tmp_path, {"staging/main.tf": f'{text}  tasks_iam_role_name = "river-task"\n}}\n'})
    assert found.names["task_role"].value == "river-task"


def test_what_a_service_by_a_module_from_elsewhere_leaves_open(tmp_path: Path) -> None:
    """An attribute that its type declares optional() is null: its family has its own name then."""
    types = "map(object({ family = optional(string), name = optional(string) }))"
    text = f'variable "services" {{\n  type = {types}\n  default = {{ api = {{}} }}\n}}\n'
    module = 'module "s" {\n  source = "terraform-aws-modules/ecs/aws"\n  services = var.services\n}\n'
    names = declare(tmp_path, {"staging/main.tf": text + module}).names
    assert (names["service"].value, names["task_family"].value) == ("api", "api")


def test_variables_of_a_template_with_loops_in_a_module_for_each_environment(tmp_path: Path) -> None:
    """The address of its secret has quotes, which JSON has too."""
    template = (
        '[{"name": "api", "secrets": [%{ for at, key in keys ~}\n'
        '{"name": "${key}", "valueFrom": "${arn}:${lower(key)}::"}%{ if at == 0 },%{ endif }\n%{ endfor ~}]}]\n'
    )
    containers = 'templatefile("${path.module}/api.json", { arn = aws_secretsmanager_secret.s.arn, keys = ["A", "B"] })'
    service = re.sub(r"jsonencode\(.*?\n  \]\)", lambda _: containers, service_of("x"), flags=re.DOTALL)
    files = {
        "main.tf": 'module "app" {\n  source = "./app"\n  for_each = toset(["staging"])\n  environment = each.key\n}\n',
        "app/main.tf": 'variable "environment" {}\nresource "aws_secretsmanager_secret" "s" { name = "river" }\n'
        + service,
        "app/api.json": template,
    }
    found = declare(tmp_path, files)
    assert found.renamed == {"a": "A", "b": "B"} and "keys" not in found.reasons
    # Escapes in a file are JSON's, and jsonencode() quotes what it encodes.
    name = '"name": ${jsonencode("api")}, "command": ["sh", "-c", "echo \\"hi\\"\\n"]'
    assert declare(tmp_path, {**files, "app/api.json": template.replace('"name": "api"', name)}) == found
    unread = {**files, "app/api.json": template.replace("keys ~}", "missing ~}")}
    assert declare(tmp_path, unread).reasons["keys"].startswith("The variables of api were not all read: missing")
