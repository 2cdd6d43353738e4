"""Secrets that reach a container through modules, maps, loops and other repositories: edited, or refused."""

import os
import re
from pathlib import Path

import pytest
from support.files import write_files as write

from omc_runbook.model.errors import CannotEdit, CannotFollow
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.secret_versions import find_own, find_rewritten, read_secret_versions
from omc_runbook.terraform.task_definitions import (
    TaskDefinitions,
    files_of,
    read_task_definitions,
    task_definitions_of,
)
from omc_runbook.terraform.task_definitions_edit import add_reference
from omc_runbook.textfile.file import SourceFile

KEY = "OAUTH2_CLIENT_SECRET"
SERVICE = """\
variable "name" {{ type = string }}
variable "secrets" {{
  default = []
}}

resource "aws_ecs_task_definition" "this" {{
  family = var.name
  container_definitions = jsonencode([{{
    name    = var.name
    secrets = {secrets}
  }}])
}}
"""
CALL = """\
module "api" {{
  source = "../../modules/service"
  name   = "backend"
{arguments}
}}
"""
ARN = "${module.secrets.arn}"
PAIRS = "[for k, v in var.secrets : { name = k, valueFrom = v }]"
KEYS = '[for k in var.secrets : { name = k, valueFrom = "${var.arn}:${k}::" }]'
FORMS: dict[str, tuple[str, str, str]] = {
    "a list": (
        "var.secrets",
        f'  secrets = [\n    {{ name = "SECRET_KEY", valueFrom = "{ARN}:SECRET_KEY::" }},\n  ]',
        f'    {{ name = "{KEY}", valueFrom = "{ARN}:{KEY}::" }},\n',
    ),
    "a map of references": (
        PAIRS,
        f'  secrets = {{\n    SECRET_KEY = "{ARN}:SECRET_KEY::"\n  }}',
        f'    {KEY} = "{ARN}:{KEY}::"\n',
    ),
    "a map of keys": (
        '[for k, v in var.secrets : { name = k, valueFrom = "${var.arn}:${v}::" }]',
        '  secrets = {\n    "SECRET_KEY" = "SECRET_KEY"\n    "SMTP_USER"  = "SMTP_USERNAME"\n  }',
        f'    "{KEY}" = "{KEY}"\n',
    ),
    "a map on one line": (
        PAIRS,
        f'  secrets = {{ A_LONGER_NAME_THAN_IT = "{ARN}:SECRET_KEY::" }}',
        f', {KEY} = "{ARN}:{KEY}::"',
    ),
    "a merged map": (
        PAIRS,
        f'  secrets = merge(local.common, {{\n    SMTP_USER = "{ARN}:SMTP_USERNAME::"\n  }})\n}}\n'
        f'locals {{\n  common = {{\n    SECRET_KEY = "{ARN}:SECRET_KEY::"\n  }}',
        f'    {KEY} = "{ARN}:{KEY}::"\n',
    ),
    "names": (KEYS, '  secrets = ["SECRET_KEY", "SMTP_HOST"]', f', "{KEY}"'),
    "names of two lists": (
        KEYS.replace("var.secrets", 'toset(concat(["SENTRY_DSN"], var.secrets))'),
        '  secrets = [\n    "SECRET_KEY",\n  ]',
        f'    "{KEY}",\n',
    ),
    "a map made of names": (
        PAIRS,
        '  secrets = { for key in local.keys : key => "${local.arn}:${key}::" }\n}\nlocals {\n  keys = ["SECRET_KEY"]',
        f', "{KEY}"',
    ),
    "a map of names merged with another": (
        PAIRS,
        '  secrets = merge({ B = "${local.arn}:B::" }, { for key in ["SECRET_KEY"] : key => "${local.arn}:${key}::" })',
        f', "{KEY}"',
    ),
    "keys and values of a map": (
        "[for k in keys(var.secrets) : { name = k, valueFrom = var.secrets[k] }]",
        f'  secrets = {{\n    SECRET_KEY = "{ARN}:SECRET_KEY::"\n  }}',
        f'    {KEY} = "{ARN}:{KEY}::"\n',
    ),
    "keys of a map": (
        KEYS.replace("var.secrets", "keys(var.secrets)"),
        '  secrets = {\n    SECRET_KEY = "docs:SECRET_KEY"\n  }',
        f'    {KEY} = "docs:{KEY}"\n',
    ),
    "the secret of each key": (
        '[for k, arn in var.secrets : { name = k, valueFrom = "${arn}:${k}::" }]',
        "  secrets = { SECRET_KEY = module.secrets.arn, A_KEY = module.others.arn, SMTP_HOST = module.secrets.arn }",
        f", {KEY} = module.secrets.arn",
    ),
    "objects of another form": (
        '[for s in var.secrets : { name = s.name, valueFrom = "${var.arn}:${s.key}::" }]',
        '  secrets = [\n    { name = "SECRET_KEY", key = "SECRET_KEY" },\n  ]',
        f'    {{ name = "{KEY}", key = "{KEY}" }},\n',
    ),
    "join": (
        '[for k in var.secrets : { name = k, valueFrom = join(":", [var.arn, k, "", ""]) }]',
        '  secrets = ["SECRET_KEY"]',
        f', "{KEY}"',
    ),
    "value_from": (
        "[for s in var.secrets : { name = s.name, valueFrom = s.value_from }]",
        f'  secrets = [\n    {{\n      name       = "A_KEY"\n      value_from = "{ARN}:A_KEY::"\n    }},\n  ]',
        f'    {{\n      name       = "{KEY}"\n      value_from = "{ARN}:{KEY}::"\n    }},\n',
    ),
}


def service(root: Path, secrets: str, **calls: str) -> TaskDefinitions:
    """A checkout with a module for a service, and a folder for each environment that calls it."""
    files = {f"terraform/environments/{name}/main.tf": CALL.format(arguments=text) for name, text in calls.items()}
    module = {"terraform/modules/service/main.tf": SERVICE.format(secrets=secrets)}
    return read_task_definitions(write(root, module | files))


def added(declared: TaskDefinitions, container: str = "backend") -> tuple[str, str]:
    """The file that is edited and the text that is added; it is not made twice.

    That is all that the edit does, but for the column of = in the lines above, where the new key is wider.
    """
    edit = add_reference(declared, container, KEY, KEY)
    assert edit
    before, after = edit.file.raw.decode(), edit.after.decode()
    old_lines, new_lines = before.split("\n"), after.split("\n")
    moved = {new: re.sub(" +=", " =", new) for new in new_lines if KEY not in new and new not in old_lines}
    assert all(re.fullmatch('    ("?)[A-Z_]+\\1 += ".*', new) and new.index("=") > len(KEY) for new in moved)
    # In these files each = that moves follows one blank, or as many as the next key is longer.
    originals = {re.sub(" +=", " =", old): old for old in old_lines}
    after = "\n".join(originals[moved[new]] if new in moved else new for new in new_lines)
    size = len(after) - len(before)
    at = [n for n in range(len(before) + 1) if after[:n] + after[n + size :] == before]
    files = tuple(type(edit.file)(f.path, f.name, edit.after) if f == edit.file else f for f in declared.files)
    assert add_reference(task_definitions_of(files), container, KEY, KEY) is None
    # Of several positions of the same text, the last that begins a line, else one that begins with the comma.
    start = max((n for n in at if after[n - 1] == "\n"), default=next((n for n in at if after[n] == ","), at[0]))
    return edit.file.name, after[start : start + size]


@pytest.mark.parametrize("form", FORMS)
def test_secrets_that_pass_through_a_module_are_added_where_they_are_listed(form: str, tmp_path: Path) -> None:
    """The caller's file gets one more entry of its own form, and its references are read like any other's."""
    secrets, arguments, entry = FORMS[form]
    declared = service(tmp_path, secrets, staging=arguments)
    (container,) = declared.containers
    assert container.name == "backend" and container.references and not declared.unreadable
    assert added(declared) == ("terraform/environments/staging/main.tf", entry)


REFUSED = {
    "another module's output": ("var.secrets", "  secrets = module.settings.list", "its secrets are module.settings"),
    "a condition": (
        f"length(var.secrets) > 0 ? {PAIRS} : null",
        '  secrets = { SECRET_KEY = "${var.arn}:SECRET_KEY::" }',
        "container backend of aws_ecs_task_definition.this (terraform/modules/service/main.tf, line 8): ",
    ),
    "a function": (
        '[for k in var.secrets : { name = k, valueFrom = replace("x:${k}::", "x", var.arn) }]',
        '  secrets = ["SECRET_KEY"]',
        "the secret's ARN in its references cannot be read",
    ),
    "values of no form": (
        KEYS.replace("var.secrets", "keys(var.secrets)"),
        '  secrets = {\n    SECRET_KEY = "signs tokens"\n  }',
        "the value of SECRET_KEY on line 5 shows no form",
    ),
    "an empty map": (PAIRS, "  secrets = {}", "no reference nearby names the secret"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_form_that_is_not_followed_is_refused_and_may_be_added_by_hand(form: str, tmp_path: Path) -> None:
    """The refusal is of the kind that a person can answer, and what they add is seen, in no comment."""
    secrets, arguments, reason = REFUSED[form]
    declared = service(tmp_path, secrets, staging=arguments)
    with pytest.raises(CannotFollow) as raised:
        add_reference(declared, "backend", KEY, KEY)
    assert reason in str(raised.value)
    assert declared.mention(KEY) == ""
    main = tmp_path / "terraform/environments/staging/main.tf"
    main.write_text(f"{main.read_text()}# {KEY}\n")
    assert read_task_definitions(tmp_path).mention(KEY) == ""
    main.write_text(f'{main.read_text()}variable "one_line" {{}}\nlocals {{\n  mine = ["{KEY}"]\n}}\n')
    line = main.read_text().split("\n").index(f'  mine = ["{KEY}"]') + 1
    assert read_task_definitions(tmp_path).mention(KEY) == f"terraform/environments/staging/main.tf, line {line}"


def test_a_name_that_somebody_adds_to_a_file_of_yaml_is_seen(tmp_path: Path) -> None:
    """The list that values() makes of it is not followed, and may be added to by hand."""
    data = 'values(yamldecode(file("${path.module}/secrets.yaml")))[0]'
    text = SERVICE.format(secrets=KEYS.replace("var.secrets", data))
    keys = tmp_path / "terraform/modules/service/secrets.yaml"
    write(tmp_path, {"terraform/modules/service/main.tf": text})
    keys.write_text("keys:\n  - SECRET_KEY\n")
    declared = read_task_definitions(tmp_path)
    with pytest.raises(CannotFollow):
        add_reference(declared, "backend", KEY, KEY)
    assert declared.mention(KEY) == ""
    keys.write_text(f"keys:\n  - SECRET_KEY\n  - {KEY}\n")
    assert read_task_definitions(tmp_path).mention(KEY) == "terraform/modules/service/secrets.yaml, line 3"


def test_each_environment_gets_the_key_in_its_own_call(tmp_path: Path) -> None:
    """A folder beside those of known environments is another environment; production may be called prod."""
    declared = service(tmp_path, KEYS, **dict.fromkeys(("staging", "prod", "sandbox"), '  secrets = ["SECRET_KEY"]'))
    assert len(declared.containers) == 3
    environments = ("staging", "production")
    for environment, folder in (("staging", "staging"), ("production", "prod"), ("sandbox", "sandbox")):
        here = task_definitions_of(files_of(declared.files, declared.owners(environment, environments)))
        assert added(here)[0] == f"terraform/environments/{folder}/main.tf"
    assert [each.root for each in declared.containers] == [
        f"terraform/environments/{folder}/main.tf" for folder in ("prod", "sandbox", "staging")
    ]
    with pytest.raises(CannotFollow, match="Several task definitions have a container backend") as refusal:
        add_reference(declared, "backend", KEY, KEY)
    # They are one module's: what tells them apart is where each gets its variables from.
    folders = re.findall(r"\(terraform/environments/(\w+)/main.tf, line \d+\)", str(refusal.value))
    assert folders == ["prod", "sandbox", "staging"] and "Each has to get it." in str(refusal.value)


def test_a_list_in_the_module_is_the_module_s_own(tmp_path: Path) -> None:
    """What its folder shows is read there, and no caller is."""
    arn = "${var.secrets_arn}"
    text = SERVICE.replace("var.name\n    secrets", '"backend"\n    secrets')
    module = text.format(secrets=f'[{{ name = "A", valueFrom = "{arn}:A::" }}]')
    call = CALL.format(arguments="")
    write(tmp_path, {"terraform/modules/service/main.tf": module, "terraform/environments/staging/main.tf": call})
    declared = read_task_definitions(tmp_path)
    assert [file.name for file in declared.files] == ["terraform/modules/service/main.tf"]
    assert added(declared)[0] == "terraform/modules/service/main.tf"


def test_modules_of_modules_may_name_the_secret_otherwise(tmp_path: Path) -> None:
    """Of merged maps the last one gets the reference, with the expression that it uses itself."""
    app = """\
variable "secrets" {}

locals {
  extra = tomap({
    B = "${local.arn}:B::"
  })
}

module "ecs" {
  source  = "../service"
  name    = "backend"
  secrets = merge(var.secrets, local.extra)
}
"""
    call = 'module "app" {\n  source  = "../../modules/app"\n  secrets = { A = "${module.s.arn}:A::" }\n}\n'
    write(
        tmp_path,
        {
            "terraform/modules/service/main.tf": SERVICE.format(secrets=PAIRS),
            "terraform/modules/app/main.tf": app,
            "terraform/environments/staging/main.tf": call,
        },
    )
    declared = read_task_definitions(tmp_path)
    entry = f'    {KEY} = "${{local.arn}}:{KEY}::"\n'
    assert added(declared) == ("terraform/modules/app/main.tf", entry)
    edit = add_reference(declared, "backend", KEY, KEY, ("A", "B"))
    assert edit and entry in edit.after.decode()


FOR_EACH = """\
locals {
  services = {
    backend = { cpu = 256, secrets = ["SECRET_KEY"] }
    worker  = { cpu = 256, secrets = ["SECRET_KEY", "SENTRY_DSN"] }
  }
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.services
  container_definitions = jsonencode([{
    name    = each.key
    secrets = [for k in each.value.secrets : { name = k, valueFrom = "${var.arn}:${k}::" }]
  }])
}
"""


OF_A_LIST = FOR_EACH.replace("local.services", "{ for s in local.services : s.name => s }")
OF_A_LIST = OF_A_LIST.replace("services = {\n", "services = [\n").replace("\n  }\n}\n\nres", "\n  ]\n}\n\nres")
OF_A_LIST = OF_A_LIST.replace("backend = { ", '{ name = "backend", ').replace("worker  = { ", '{ name = "worker", ')
OF_A_LIST = OF_A_LIST.replace("] }\n", "] },\n")


@pytest.mark.parametrize("text", [FOR_EACH, OF_A_LIST], ids=["a map", "a list by its names"])
def test_for_each_over_known_services_is_followed(text: str, tmp_path: Path) -> None:
    """Each service has its own container, and the one that is asked for gets the key."""
    declared = read_task_definitions(write(tmp_path, {"infra/main.tf": text}))
    assert {each.name: [ref.key for ref in each.references] for each in declared.containers} == {
        "backend": ["SECRET_KEY"],
        "worker": ["SECRET_KEY", "SENTRY_DSN"],
    }
    edit = add_reference(declared, "worker", KEY, KEY)
    assert edit and f'["SECRET_KEY", "SENTRY_DSN", "{KEY}"]' in edit.after.decode()


ROOT = """\
provider "aws" {}

variable "secret_keys" {
  type    = list(string)
  default = ["SECRET_KEY"]
}

resource "aws_ecs_task_definition" "this" {
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = [for k in var.secret_keys : { name = k, valueFrom = "${var.arn}:${k}::" }]
  }])
}
"""


def test_a_root_s_variable_is_its_tfvars_and_else_its_default(tmp_path: Path) -> None:
    """Where several .tfvars set it, only those of the environment count."""
    assert added(read_task_definitions(write(tmp_path, {"infra/main.tf": ROOT})))[0] == "infra/main.tf"
    values = 'cpu = 256\nsecret_keys = [\n  "SECRET_KEY",\n]\n'
    write(tmp_path, {"infra/env/staging.tfvars": values, "infra/env/prod.tfvars": values})
    declared = read_task_definitions(tmp_path)
    with pytest.raises(CannotFollow, match="its secrets are a for expression"):
        add_reference(declared, "backend", KEY, KEY)
    (container,) = declared.of_environment("staging", ("staging", "production")).containers
    assert [ref.key for ref in container.references] == ["SECRET_KEY"]
    here = task_definitions_of(files_of(declared.files, declared.owners("production", ("staging",))))
    assert added(here) == ("infra/env/prod.tfvars", f'  "{KEY}",\n')


def _values(environment: str, *keys: str) -> str:
    listed = ", ".join(f'"{key}"' for key in keys)
    return f'env = "{environment}"\n' + (f"secret_keys = [{listed}]\n" if keys else "")


@pytest.mark.parametrize(
    ("files", "environment", "others", "edited"),
    [
        ({"prod": _values("prod"), "prod-eu": _values("prod-eu", "A")}, "production", (), "main.tf"),
        ({"prod": _values("prod", "A"), "prod-eu": _values("prod-eu", "A")}, "production", (), "prod.tfvars"),
        ({"prod": _values("a", "A"), "prod-eu": _values("a", "A")}, "prod-eu", (), "prod-eu.tfvars"),
        ({"prod": _values("a", "A"), "prod-eu": _values("a", "A")}, "production", ("prod-eu",), "prod.tfvars"),
        ({"prod/eu": _values("a", "A"), "prod/us": _values("a", "A")}, "prod-us", ("prod-eu",), "prod/us.tfvars"),
        ({"prod": _values("prod"), "prod2": _values("prod2", "A")}, "production", (), "main.tf"),
        ({"prod": _values("a"), "prod2": _values("a", "A")}, "production", (), "main.tf"),
        ({"prod": _values("prod"), "eu-prod": _values("eu-prod", "A")}, "production", (), "main.tf"),
        ({"prod1": _values("prod", "A"), "staging": _values("staging")}, "production", (), "prod1.tfvars"),
        ({"prod": _values("prod"), "pre-prod": _values("pre", "A")}, "production", (), "main.tf"),
        ({"staging": _values("staging"), "dev": _values("dev", "A")}, "staging", (), "main.tf"),
        ({"development": _values("dev", "A"), "prod": _values("prod")}, "dev", (), "development.tfvars"),
        (
            {"envs/prod/terraform": _values("prod", "A"), "envs/prod-eu/terraform": _values("prod-eu", "A")},
            "production",
            (),
            "envs/prod/terraform.tfvars",
        ),
        ({"testing": _values("test", "A"), "prod": _values("prod")}, "test", (), "testing.tfvars"),
        ({"live/common": _values("staging", "A")}, "staging", (), "live/common.tfvars"),
        ({"envs/dev/terraform": _values("dev", "A")}, "staging", (), "main.tf"),
        ({"prod-eu": _values("prod", "A"), "staging": _values("staging")}, "production", (), "prod-eu.tfvars"),
        ({"prod": _values("prod"), "prod.secrets": _values("prod", "A")}, "production", (), "prod.secrets.tfvars"),
        ({"terraform": _values("prod", "A"), "prod": _values("prod")}, "production", (), "terraform.tfvars"),
        ({"dev": _values("dev", "A"), "prod": _values("prod", "A")}, "DEV", (), "dev.tfvars"),
        ({"prod": _values("prod", "A"), "dev": _values("dev", "A")}, "Prod", ("dev",), "prod.tfvars"),
        ({"envs/prod_eu/a": _values("eu", "A"), "prod": _values("prod", "A")}, "prod-eu", (), "envs/prod_eu/a.tfvars"),
        ({"a-prod": _values("prod", "A"), "a-prod-eu": _values("prod-eu", "A")}, "production", (), "a-prod.tfvars"),
        (
            {"prod": _values("prod"), "prod.keys": _values("prod", "A"), "prod-eu": _values("prod-eu", "A")},
            "production",
            (),
            "prod.keys.tfvars",
        ),
    ],
)
def test_a_key_is_added_to_no_other_environments_values(
    files: dict[str, str], environment: str, others: tuple[str, ...], edited: str, tmp_path: Path
) -> None:
    """Also where both have a word in common, or runbook.toml has no such environment."""
    root = ROOT.replace('variable "secret_keys" {', 'variable "env" {}\nvariable "secret_keys" {')
    write(tmp_path, {"infra/main.tf": root} | {f"infra/{name}.tfvars": text for name, text in files.items()})
    environments = {"staging", "production", *others}
    declared = read_task_definitions(tmp_path)
    own = task_definitions_of(files_of(declared.files, declared.owners(environment, environments)))
    assert added(own)[0] == f"infra/{edited}"


@pytest.mark.parametrize(
    ("folders", "own"),
    [("dev", ""), ("staging", ""), ("dev infra", "infra"), ("demo-shop", "demo-shop"), ("dev prod", "prod")],
)
def test_containers_of_another_environments_folder_are_not_compared(folders: str, own: str, tmp_path: Path) -> None:
    """Production has no drift from them, and no remedy names their files; runbook.toml need not know them."""
    write(tmp_path, {f"envs/{each}/main.tf": ROOT for each in folders.split()})
    found = read_task_definitions(tmp_path).of_environment("production", ("staging", "production"))
    containers = found.own_containers("production", ("staging", "production"))
    assert [each.root for each in containers] == [f"envs/{each}/main.tf" for each in own.split()]


@pytest.mark.parametrize(
    ("files", "environment", "compared", "edited"),
    [
        ("dev acc prod", "staging", None, ""),
        ("dev acc prod", "production", "prod", "prod"),
        ("dev acc prod", "acc", "acc", "acc"),
        ("dev acc prod staging", "staging", "staging", "staging"),
        ("envs/dev/app envs/acc/app envs/prod/app", "staging", None, ""),
        ("live/app test/app", "staging", None, ""),
        ("live/app test/app", "production", "live/app", "live/app"),
        ("live/app non-live/app", "staging", "non-live/app", "non-live/app"),
        ("live/app non-live/app", "production", "live/app", "live/app"),
        ("pre-live", "production", None, ""),
        ("live nonlive", "production", "live", "live"),
        ("dev", "production", None, ""),
        ("nonprod prod", "staging", None, ""),
        ("common other", "staging", None, ""),
        ("common dev prod", "staging", "common", "common"),
        ("common dev prod", "production", "prod", "prod"),
        ("common dev staging prod", "staging", "staging", "staging"),
        ("envs/common/app envs/dev/app envs/prod/app", "staging", "envs/common/app", "envs/common/app"),
        ("common acc dev prod", "staging", None, ""),
        ("common/acc common/dev common/prod", "staging", None, ""),
        ("prod= defaults dev qa", "production", "defaults", "defaults"),
        ("prod= prod-eu", "production", None, ""),
        ("prod prod-eu=", "production", "prod", "prod"),
        ("live/app", "staging", "live/app", "live/app"),
    ],
)
def test_values_beside_other_environments_are_of_another(
    files: str, environment: str, compared: str | None, edited: str, tmp_path: Path
) -> None:
    """So are acc's beside dev's and prod's with the same variables: neither edited nor compared for staging."""
    write(tmp_path, {"main.tf": ROOT.replace('provider "aws" {}\n', "").replace("  default", "  # default")})
    values = {each.strip("="): () if each.endswith("=") else ("A",) for each in files.split()}
    write(tmp_path, {f"{each}.tfvars": _values("a", *keys) for each, keys in values.items()})
    found, environments = read_task_definitions(tmp_path), {"staging", "production", environment}
    (container,) = found.of_environment(environment, environments).containers
    assert {ref.element.file.name for ref in container.references} == ({f"{compared}.tfvars"} if compared else set())
    assert bool(container.other_sources) == (compared is None), "what is not known is not clear"
    own = task_definitions_of(files_of(found.files, found.owners(environment, environments)))
    try:
        name = added(own)[0]
    except CannotEdit:
        name = ""
    file = next((each for each in found.files if each.name == name), None)
    is_refused = file is None or found.owners(environment, environments).may_be_of_another(file.name)
    assert ("" if is_refused else name) == (f"{edited}.tfvars" if edited else "")


@pytest.mark.parametrize(
    ("calls", "environment", "own"),
    [
        ("prod>modules/staging", "production", "modules/staging"),
        ("prod>modules/staging", "staging", ""),
        ("infra>modules/prod infra>modules/staging", "staging", "modules/staging"),
        ("envs/dev>modules/app", "production", ""),
        ("envs/dev>modules/app", "dev", "modules/app"),
        ("envs/dev>modules/app envs/prod>modules/app", "production", "modules/app"),
        ("envs/dev>modules/app envs/prod>modules/api", "production", "modules/api"),
        ("envs/dev>modules/app envs/prod>modules/api", "staging", ""),
        ("dev>stack stack>modules/app", "production", ""),
        ("prod>stack stack>modules/app dev>modules/app", "production", "modules/app"),
        ("dev>modules/app examples/full>modules/app", "production", "modules/app"),
        ("examples/dev>modules/app test/fixtures/a>modules/app", "production", "modules/app"),
        ("test/a>modules/app test/b>modules/app", "production", "modules/app"),
        ("test>modules/app dev>modules/app", "production", ""),
        ("test>modules/app prod>modules/api", "production", "modules/api"),
        ("test>modules/app infra>modules/api", "production", "modules/api modules/app"),
        ("test>modules/app", "test", "modules/app"),
        (".>modules/staging", "production", ""),
        ("prod-eu>modules/app prod-us>modules/app", "production", "modules/app"),
        ("prod-eu>modules/app prod-us>modules/api", "production", ""),
        ("shop-prod>modules/app shop-prod-eu>modules/api", "production", "modules/app"),
        ("live>modules/app test>modules/app", "staging", ""),
        ("a>b b>a", "production", "a b"),
    ],
)
def test_a_module_is_of_the_environments_that_call_it(calls: str, environment: str, own: str, tmp_path: Path) -> None:
    """Whatever it is called, unless what calls it has no environment's name; a file that is not read may call it."""
    pairs = [each.split(">") for each in calls.split()]
    files = {f"{folder}/main.tf": "" for folder, _ in pairs}
    for folder, module in pairs:
        files[f"{folder}/main.tf"] += f'module "m" {{\n  source = "./{os.path.relpath(module, folder)}"\n}}\n'
    for module in {module for _, module in pairs}:
        text = SERVICE.format(secrets='[{ name = "A", valueFrom = "arn:A::" }]').replace("var.name", '"api"')
        files[f"{module}/main.tf"] = files.get(f"{module}/main.tf", "") + (text if module != "stack" else "")
    write(tmp_path, files)
    found, environments = read_task_definitions(tmp_path), ("staging", "production", environment)
    containers = found.of_environment(environment, environments).own_containers(environment, environments)
    expected = [f"{each}/main.tf" for each in own.split()]
    assert sorted(each.root for each in containers) == expected
    edited = (file for file in found.files if not found.owners(environment, environments).may_be_of_another(file.name))
    assert sorted(file.name for file in edited if "aws_ecs" in file.text) == expected


@pytest.mark.parametrize(
    ("calls", "environment", "edited"),
    [
        ("env/staging env/production modules/app/examples/x", "staging", "env/staging"),
        ("env/staging env/production modules/app/examples/x", "production", "env/production"),
        ("env/staging env/production modules/app/examples/x", "qa", ""),
        ("env/staging modules/app/tests modules/app/test/fixtures/x", "staging", "env/staging"),
        ("env/staging env/example modules/app/examples/x", "example", "env/example"),
        ("env/staging env/example", "staging", "env/staging"),
        ("examples/env/staging examples/env/production", "staging", "examples/env/staging"),
        ("examples/shop", "staging", "examples/shop"),
    ],
)
def test_an_example_counts_where_nothing_else_has_its_container(
    calls: str, environment: str, edited: str, tmp_path: Path
) -> None:
    """The key is added to no other one, and no check compares it or waits for what is not followed in it."""
    write(tmp_path, {"modules/app/main.tf": SERVICE.format(secrets=KEYS)})
    for each in calls.split():
        call = CALL.format(arguments='  secrets = ["SECRET_KEY"]')
        source = os.path.relpath("modules/app", each)
        write(tmp_path, {f"{each}/main.tf": call.replace("../../modules/service", source)})
    unclear = 'resource "aws_ecs_task_definition" "x" {\n  container_definitions = module.x.json\n}\n'
    write(tmp_path, {"modules/app/examples/y/main.tf": unclear})
    found, environments = read_task_definitions(tmp_path), {"staging", "production", environment}
    own = task_definitions_of(files_of(found.files, found.owners(environment, environments)))
    if edited:
        assert added(own)[0] == f"{edited}/main.tf"
    else:
        with pytest.raises(CannotFollow, match=r"no container backend; their containers: \$\{var\.name\}\."):
            added(own)
    compared = found.of_environment(environment, environments)
    containers = compared.own_containers(environment, environments)
    assert {Path(each.root).parent.as_posix() for each in containers} == {edited or "modules/app"}
    assert any("examples/y" in each for each in compared.unreadable) == edited.startswith("examples")
    roots = (each.root for each in found.own_containers(environment, environments))
    assert {edited} >= {Path(each).parent.as_posix() for each in roots if "example" in each}


@pytest.mark.parametrize(
    ("name", "in_example", "is_compared"),
    [
        ("shop-api", "shop-api", False),
        ("${var.project}-api", "shop-api", False),
        ("shop-api", "${local.name}-api", False),
        ("${var.project}-api", "${local.name}-api", False),
        ("shop-api", "${local.name}-worker", True),
    ],
)
def test_interpolations_may_give_an_example_the_name_of_a_container(
    name: str, in_example: str, is_compared: bool, tmp_path: Path
) -> None:
    """Either name may be the one with them."""
    texts = {"infra": name, "infra/examples/full": in_example}
    service = SERVICE.format(secrets='[{ name = "A", valueFrom = "arn:A::" }]')
    write(tmp_path, {f"{folder}/main.tf": service.replace("var.name", f'"{each}"') for folder, each in texts.items()})
    containers = read_task_definitions(tmp_path).own_containers("staging", {"staging", "production"})
    assert [each.name for each in containers] == [name, *([in_example] if is_compared else [])]


@pytest.mark.parametrize(
    ("file", "source", "environment", "is_own"),
    [
        ("prod/terragrunt.hcl", "../modules/app", "production", True),
        ("prod/eu-west-1/terragrunt.hcl", "${get_repo_root()}/modules//app", "production", True),
        ("prod/terragrunt.hcl", '${dirname(find_in_parent_folders("root.hcl"))}/../modules/app', "production", True),
        ("_envcommon/app.hcl", "${get_repo_root()}//modules/app", "production", True),
        ("prod/main.tf", "git::https://example.com/infra.git//modules/app?ref=v1.2", "production", True),
        ("prod/main.tf", "git::https://example.com/infra.git//modules/app?ref=v1.2", "staging", False),
        ("prod/main.tf", "git::https://example.com/infra.git//modules/web?ref=v1.2", "production", False),
        ("prod/main.tf", "terraform-aws-modules/app/aws", "production", False),
        ("prod/terragrunt.hcl", "../modules/app", "staging", False),
        ("qa/terragrunt.hcl", "../modules/app", "production", False),
        ("prod/.terraform.lock.hcl", "../modules/app", "dev", True),
    ],
)
def test_terragrunt_and_an_address_in_git_call_a_module_too(
    file: str, source: str, environment: str, is_own: bool, tmp_path: Path
) -> None:
    """Beside dev's folder, which calls it by its path."""
    text = SERVICE.format(secrets='[{ name = "A", valueFrom = "arn:A::" }]').replace("var.name", '"api"')
    call = 'module "m" {\n  source = "../modules/app"\n}\n'
    write(tmp_path, {"modules/app/main.tf": text, "dev/main.tf": call})
    write(tmp_path, {file: f'{"terraform" if file.endswith(".hcl") else "module x"} {{\n  source = "{source}"\n}}\n'})
    found, environments = read_task_definitions(tmp_path), ("staging", "production", environment)
    own = found.of_environment(environment, environments).own_containers(environment, environments)
    assert [each.root for each in own] == ["modules/app/main.tf"] * is_own
    (module,) = (each for each in found.files if each.name == "modules/app/main.tf")
    assert found.owners(environment, environments).may_be_of_another(module.name) != is_own


FOREIGN = {
    "terraform-aws-modules": """\
module "ecs" {
  source = "terraform-aws-modules/ecs/aws"
  services = {
    api = {
      container_definitions = {
        backend = {
          secrets = [
            { name = "SECRET_KEY", valueFrom = "${local.arn}:SECRET_KEY::" },
          ]
        }
      }
    }
  }
}
""",
    "cloudposse": """\
module "container" {
  source         = "cloudposse/ecs-container-definition/aws"
  container_name = "backend"
  map_secrets = {
    SECRET_KEY = "${local.arn}:SECRET_KEY::"
  }
}
""",
    "secret_vars": """\
module "backend" {
  source = "git::https://git.example.com/modules.git//service?ref=v3"
  secret_vars = {
    SECRET_KEY = "${local.arn}:SECRET_KEY::"
  }
}
""",
}


@pytest.mark.parametrize("form", FOREIGN)
def test_the_arguments_of_a_module_of_another_repository(form: str, tmp_path: Path) -> None:
    """References in them show the form of one more."""
    declared = read_task_definitions(write(tmp_path, {"infra/main.tf": FOREIGN[form]}))
    assert [each.name for each in declared.containers] == ["backend"]
    assert f'"${{local.arn}}:{KEY}::"' in added(declared)[1]


@pytest.mark.parametrize("flag", ["true", "false"])
def test_a_module_s_service_may_ignore_new_revisions(flag: str, tmp_path: Path) -> None:
    """Only where its argument says so."""
    argument = f"  ignore_changes_task_definition = {flag}\n  map_secrets"
    text = FOREIGN["cloudposse"].replace("  map_secrets", argument)
    (container,) = read_task_definitions(write(tmp_path, {"infra/main.tf": text})).containers
    assert container.is_deployed_apart is (flag == "true")


WRAPPER = """\
variable "name" {}
variable "secrets" {}

module "this" {
  source      = "terraform-aws-modules/ecs/aws//modules/service"
  secrets_arn = var.name

  container_definitions = {
    (var.name) = {
      secrets = var.secrets
    }
  }
}
"""


def test_a_module_around_one_of_another_repository(tmp_path: Path) -> None:
    """Its variables are followed to the call, the container's name among them."""
    call = CALL.format(arguments=FORMS["a list"][1])
    files = {"terraform/modules/service/main.tf": WRAPPER, "terraform/environments/staging/main.tf": call}
    declared = read_task_definitions(write(tmp_path, files))
    assert [each.name for each in declared.containers] == ["backend"]
    assert added(declared) == ("terraform/environments/staging/main.tf", FORMS["a list"][2])


def test_a_module_of_another_repository_that_shows_no_form_is_refused(tmp_path: Path) -> None:
    """It says which argument; a module that has to do with secrets alone is no container."""
    keys = FOREIGN["secret_vars"].replace(
        ' = {\n    SECRET_KEY = "${local.arn}:SECRET_KEY::"\n  }', ' = ["SECRET_KEY"]'
    )
    declared = read_task_definitions(write(tmp_path, {"infra/main.tf": keys}))
    with pytest.raises(CannotFollow, match="takes in secret_vars on line 3"):
        add_reference(declared, "backend", KEY, KEY)
    store = 'module "secrets" {\n  source  = "terraform-aws-modules/secrets-manager/aws"\n  secrets = ["A"]\n}\n'
    assert read_task_definitions(write(tmp_path, {"infra/main.tf": store})).containers == ()


def test_the_default_of_a_module_s_variable_is_no_place_for_a_reference(tmp_path: Path) -> None:
    """Nobody in the checkout calls the module: Terragrunt does, and its file is where the reference is seen."""
    inputs = "live/staging/backend/terragrunt.hcl"
    module = SERVICE.format(secrets="var.secrets") + 'variable "secrets_arn" {}\n'
    write(tmp_path, {"modules/service/main.tf": module, inputs: "inputs = {\n  secrets = [\n  ]\n}\n"})
    declared = read_task_definitions(tmp_path)
    with pytest.raises(CannotFollow):
        add_reference(declared, "backend", KEY, KEY)
    write(tmp_path, {inputs: f'inputs = {{\n  secrets = [\n    {{ name = "{KEY}" }}\n  ]\n}}\n'})
    assert read_task_definitions(tmp_path).mention(KEY) == f"{inputs}, line 3"


def test_a_variable_s_value_gets_no_expression(tmp_path: Path) -> None:
    """A default cannot refer to anything, so the reference is refused there."""
    default = 'default = [\n    { name = "A", valueFrom = "arn:aws:secretsmanager:r:1:secret:app:A::" }\n  ]'
    text = f'provider "aws" {{}}\n{SERVICE.format(secrets="concat(var.secrets, [])")}'.replace("default = []", default)
    declared = read_task_definitions(
        write(tmp_path, {"infra/main.tf": text.replace("var.name\n    s", '"backend"\n    s')})
    )
    edit = add_reference(declared, "backend", KEY, KEY)
    assert edit and f'valueFrom = "arn:aws:secretsmanager:r:1:secret:app:{KEY}::"' in edit.after.decode()
    empty = (
        text.replace(default, "default = []").replace("concat(var.secrets, [])", "var.secrets")
        + 'variable "secrets_arn" {}\n'
    )
    declared = read_task_definitions(
        write(tmp_path, {"infra/main.tf": empty.replace("var.name\n    s", '"backend"\n    s')})
    )
    with pytest.raises(CannotFollow, match="is a variable's value, which has no expressions"):
        add_reference(declared, "backend", KEY, KEY)


def test_a_reference_under_a_condition_is_left_to_a_person(tmp_path: Path) -> None:
    """It is refused, and seen as theirs once it is in a branch."""
    condition = 'var.on ? [{ name = "A", valueFrom = "${var.s}:A::" }] : []'
    text = SERVICE.format(secrets=condition).replace("var.name\n    s", '"backend"\n    s')
    assert read_task_definitions(write(tmp_path, {"infra/main.tf": text})).mention("A") == "infra/main.tf, line 10"
    declared = read_task_definitions(tmp_path)
    for variable in ("A", KEY):
        with pytest.raises(CannotFollow):
            add_reference(declared, "backend", variable, variable)


OTHERS = {
    "a template": {
        "infra/task.json.tftpl": '[{"name": "backend", "secrets": [{"name": "A", "valueFrom": "${arn}:A::"}]}]'
    },
    "a file of a deployment": {".aws/task-definition.json": '{\n  "containerDefinitions": []\n}\n'},
    "a module for ECS": {"infra/main.tf": 'module "api" {\n  source = "acme/ecs-service/aws"\n}\n'},
}


@pytest.mark.parametrize("form", OTHERS)
def test_containers_in_a_form_that_is_not_read_are_never_passed_over(form: str, tmp_path: Path) -> None:
    """They are named with file and line, and no reference is added as if there were none."""
    declared = read_task_definitions(write(tmp_path, OTHERS[form]))
    (file,) = OTHERS[form]
    assert [sentence for sentence in declared.unreadable if sentence.startswith(f"{file}, line ")] == [
        *declared.unreadable
    ]
    with pytest.raises(CannotFollow, match="in a form that is not followed"):
        add_reference(declared, "backend", KEY, KEY)
    path = tmp_path / file
    path.write_text(f"{path.read_text()}\n{KEY}\n")
    assert read_task_definitions(tmp_path).mention(KEY).startswith(file)


@pytest.mark.parametrize(
    ("form", "beside", "are_apart"),
    [
        ("a file of a deployment", "", True),
        ("a file of a deployment", 'resource "aws_ecs_cluster" "main" {}\n', True),
        ("a file of a deployment", OTHERS["a module for ECS"]["infra/main.tf"], False),
        ("a file of a deployment", 'a = file("${path.module}/../.aws/${var.name}.json")', False),
        ("a file of a deployment", 'a = "${local.top}/.aws/task-definition.json"', False),
        ("a file of a deployment", "# .aws/task-definition.json has it", True),
        ("a template", "", False),
        ("a module for ECS", "", False),
    ],
)
def test_what_another_program_registers_is_not_terraform_s(
    form: str, beside: str, are_apart: bool, tmp_path: Path
) -> None:
    """The checks of Terraform's files are skipped, as for the CDK; add_key is refused as before."""
    settings = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    write(tmp_path, {"app/config.py": settings, **OTHERS[form], **({"infra/main.tf": beside} if beside else {})})
    checkout = read_checkout(tmp_path)
    sentence = ".aws/task-definition.json belongs to a deployment without Terraform: only Terraform's files are read."
    assert checkout.without_terraform.endswith(sentence) == are_apart == bool(checkout.without_terraform)
    assert checkout.task_definitions and checkout.task_definitions.unreadable
    with pytest.raises(CannotFollow) as refused:
        add_reference(checkout.task_definitions, "backend", KEY, KEY)
    assert str(refused.value).startswith("No file of Terraform has a task definition.") == are_apart


def test_a_module_of_a_cluster_alone_holds_no_containers(tmp_path: Path) -> None:
    """Then there is no place where a reference could be added by hand, and nothing is refused."""
    cluster = 'module "ecs" {\n  source       = "terraform-aws-modules/ecs/aws"\n  cluster_name = "staging"\n'
    cluster += "  secrets_days = 7\n}\n"
    declared = read_task_definitions(write(tmp_path, {"infra/main.tf": cluster}))
    assert (declared.containers, declared.unreadable) == ((), ())


def test_a_container_that_no_file_has_is_no_matter_of_form(tmp_path: Path) -> None:
    """Where everything is read, a mention elsewhere proves nothing."""
    declared = service(tmp_path, KEYS, staging='  secrets = ["SECRET_KEY"]')
    with pytest.raises(CannotEdit) as raised:
        add_reference(declared, "worker", KEY, KEY)
    assert not isinstance(raised.value, CannotFollow)


def test_the_roots_that_use_a_file(tmp_path: Path) -> None:
    """Through modules of modules, and for a .tfvars the folder above; nobody's folder is a root of its own."""
    write(
        tmp_path,
        {
            "tf/modules/ecs/main.tf": "",
            "tf/modules/app/main.tf": 'module "ecs" {\n  source = "../ecs"\n}\n',
            "tf/staging/main.tf": 'module "app" {\n  source = "../modules/app"\n}\n',
            "tf/prod/main.tf": 'module "ecs" {\n  source = "../modules/ecs"\n}\n',
            "tf/other/main.tf": "",
            "tf/prod/env/blue.tfvars": "",
        },
    )
    files = TerraformFiles(tmp_path)
    assert files.roots_of("tf/modules/ecs/main.tf") == ("tf/prod", "tf/staging")
    assert files.roots_of("tf/modules/app/main.tf") == ("tf/staging",)
    assert files.roots_of("tf/other/main.tf") == ("tf/other",)
    assert files.roots_of("tf/prod/env/blue.tfvars") == ("tf/prod",)


VERSION = """\
resource "aws_secretsmanager_secret_version" "{name}" {{
  secret_id = aws_secretsmanager_secret.{name}.id
  secret_string = jsonencode({value})
{lifecycle}}}
"""
KEEP = "  lifecycle {\n    ignore_changes = [secret_string]\n  }\n"


def test_the_initial_value_of_the_secret(tmp_path: Path) -> None:
    """Its keys, through local values and merge(), and whether an apply leaves it alone."""
    app = VERSION.format(name="app", value='merge(local.common, { "B" = "x" })', lifecycle=KEEP)
    database = VERSION.format(name="db", value='{ username = "u", password = "p" }', lifecycle="")
    other = VERSION.format(name="other", value="var.all", lifecycle="")
    write(tmp_path, {"tf/main.tf": f'locals {{\n  common = {{ A = "x" }}\n}}\n{app}{database}{other}'})
    values = {value.address.rpartition(".")[2]: value for value in read_secret_versions(tmp_path)}
    assert {name: (value.keys, value.is_protected) for name, value in values.items()} == {
        "app": (("A", "B"), True),
        "db": (("username", "password"), False),
        "other": ((), False),
    }
    assert find_own(tuple(values.values()), {"A", "B", "C"}) == (values["app"],)
    assert find_own(tuple(values.values()), {"C"}) == ()


FIRST_VALUES = '{ for key in KEYS : key => "to be set" }'


@pytest.mark.parametrize(
    ("address", "value", "lifecycle"),
    [
        ("{}", FIRST_VALUES, ""),
        ("", FIRST_VALUES, KEEP),
        ("{}", f"merge({{ B = 1 }}, {FIRST_VALUES})", ""),
        ("", '{ A = "to be set" }', ""),
        ("", "local.secrets.other", ""),
    ],
)
@pytest.mark.parametrize("is_module", [False, True])
def test_a_list_may_make_the_value_of_the_secret_too(
    address: str, value: str, lifecycle: str, is_module: bool, tmp_path: Path
) -> None:
    """An edit of it has the next apply write the secret anew, in whichever module it is, unless that is ignored."""
    version = VERSION.format(name="app", value=value, lifecycle=lifecycle)
    lists = 'locals {\n  secrets = {\n    keys  = ["A"]\n    other = { B = "x" }\n  }\n}\n'
    references = '[for key in local.secrets.keys : { name = key, valueFrom = "${var.arn}:${key}::" }]'
    main = lists + SERVICE.format(secrets=references).replace("var.name", '"backend"')
    files = {"tf/main.tf": main + version.replace("KEYS", "local.secrets.keys")}
    if is_module:
        call = 'module "stored" {\n  source = "./stored"\n  keys   = local.secrets.keys\n}\n'
        files = {"tf/main.tf": main + call, "tf/stored/main.tf": version.replace("KEYS", "var.keys")}
    write(tmp_path, files)
    edit = add_reference(read_task_definitions(tmp_path), "backend", KEY, KEY, ("A",))
    assert edit and f'["A", "{KEY}"]' in edit.after.decode()
    path = f"{'module.stored.' * is_module}aws_secretsmanager_secret_version.app"
    assert find_rewritten(tmp_path, [edit]) == address.format(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '    A   = "@A@"\n    B_2 = "@B_2@" # b',
            f'    A{" " * 20}= "@A@"\n    B_2{" " * 18}= "@B_2@" # b\n    {KEY} = "@{KEY}@"',
        ),
        ('    A = "@A@"', f'    A{" " * 20}= "@A@"\n    {KEY} = "@{KEY}@"'),
        ('    A = "@A@",', f'    A{" " * 20}= "@A@",\n    {KEY} = "@{KEY}@",'),
        # Other columns end at a blank line or a comment, and what is in no column stays so.
        ('    A = "@A@"\n\n    B = "@B@"', f'    A = "@A@"\n\n    B{" " * 20}= "@B@"\n    {KEY} = "@{KEY}@"'),
        (
            '    A = "@A@"\n    # b\n    B = "@B@"',
            f'    A = "@A@"\n    # b\n    B{" " * 20}= "@B@"\n    {KEY} = "@{KEY}@"',
        ),
        ('    A = "@A@"\n    B_2 = "@B_2@"', f'    A = "@A@"\n    B_2 = "@B_2@"\n    {KEY} = "@{KEY}@"'),
        ('    A="@A@"\n    B="@B@"', f'    A="@A@"\n    B="@B@"\n    {KEY} = "@{KEY}@"'),
        (f'    {KEY}_2 = "@{KEY}_2@"', f'    {KEY}_2 = "@{KEY}_2@"\n    {KEY}   = "@{KEY}@"'),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_longer_key_moves_the_column_as_terraform_fmt_does(before: str, after: str, newline: str) -> None:
    """So that `terraform fmt -check` still passes."""
    main = SERVICE.format(secrets=PAIRS).replace("var.name", '"backend"').replace("var.secrets", "local.secrets")
    texts = [f"locals {{\n  secrets = {{\n{rows}\n  }}\n}}\n{main}" for rows in (before, after)]
    old, new = (re.sub("@(.*?)@", r"${var.arn}:\1::", text).replace("\n", newline) for text in texts)
    file = SourceFile(Path("/checkout/main.tf"), "main.tf", old.encode())
    edit = add_reference(task_definitions_of((file,)), "backend", KEY, KEY)
    assert edit and edit.after.decode() == new


PAIR = '{ name = "@", valueFrom = "${var.arn}:@::" }'


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("A M_2 R Z", "A M_2 +R Z"),
        ("A B C D", "A B C D +"),
        ("R S T Z", "+R S T Z"),
        ("A M Z", "A M Z +"),
        ("A Z M R", "A Z M R +"),
    ],
)
@pytest.mark.parametrize("element", ['"@"', PAIR])
@pytest.mark.parametrize(("first", "between", "last"), [("", ", ", ""), ("\n    ", ",\n    ", ",\n  ")])
def test_an_alphabetical_list_stays_so(
    names: str, order: str, element: str, first: str, between: str, last: str
) -> None:
    """A new key goes before the one after it, where at least four show that the order is kept."""
    rows = [
        f"[{first}{between.join(element.replace('@', each) for each in text.split())}{last}]"
        for text in (names, order.replace("+", f"{KEY} ").strip())
    ]
    secrets = "local.rows" if element == PAIR else KEYS.replace("var.secrets", "local.rows")
    main = SERVICE.format(secrets=secrets).replace("var.name", '"backend"')
    old, new = (f"locals {{\n  rows = {each}\n}}\n{main}" for each in rows)
    file = SourceFile(Path("/checkout/main.tf"), "main.tf", old.encode())
    edit = add_reference(task_definitions_of((file,)), "backend", KEY, KEY)
    assert edit and edit.after.decode() == new


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A_A,M_A,R_A,Z_A", "A_A,M_A,+,R_A,Z_A"),
        ("P_A,R_A,S_A,Z_A", "+,P_A,R_A,S_A,Z_A"),
        ("A_A,B_A,C_A,D_A", "A_A,B_A,C_A,D_A,+"),
        ("# all,P_A,R_A,S_A,Z_A", "# all,P_A,R_A,S_A,Z_A,+"),
        ("A_A,R_A,Z_A", "A_A,R_A,Z_A,+"),
        ("A_A,Z_A,M_A,R_A", "A_A,Z_A,M_A,R_A,+"),
    ],
)
def test_an_alphabetical_map_stays_so(before: str, after: str) -> None:
    """A new key goes before the one after it, and the = stay in one column, as `terraform fmt` has them."""
    main = SERVICE.format(secrets=PAIRS).replace("var.name", '"backend"').replace("var.secrets", "local.secrets")

    def written(rows: str, width: int) -> str:
        names = rows.replace("+", KEY).split(",")
        lines = (each if each[0] == "#" else f'{each:{width}} = "${{var.arn}}:{each}::"' for each in names)
        return f"locals {{\n  secrets = {{\n{''.join(f'    {line}{chr(10)}' for line in lines)}  }}\n}}\n{main}"

    file = SourceFile(Path("/checkout/main.tf"), "main.tf", written(before, 3).encode())
    edit = add_reference(task_definitions_of((file,)), "backend", KEY, KEY)
    assert edit and edit.after.decode() == written(after, len(KEY))


def test_an_alphabetical_map_keeps_a_comment_above_its_entry() -> None:
    """Whose = is in another column than that of the entries above the comment."""
    rows = "".join(f'    {each} = "${{var.arn}}:{each}::"\n' for each in ("A", "M", "R", "Z"))
    main = SERVICE.format(secrets=PAIRS).replace("var.name", '"backend"').replace("var.secrets", "local.secrets")
    old = f"locals {{\n  secrets = {{\n{rows}  }}\n}}\n{main}".replace("    R", "    # r\n    R")
    file = SourceFile(Path("/checkout/main.tf"), "main.tf", old.encode())
    edit = add_reference(task_definitions_of((file,)), "backend", KEY, KEY)
    pad = " " * (len(KEY) - 1)
    new = old.replace("    A =", f"    A{pad} =").replace("    M =", f"    M{pad} =")
    added = f'    {KEY} = "${{var.arn}}:{KEY}::"\n'
    assert edit and edit.after.decode() == new.replace("    # r", f"{added}    # r")


def test_a_list_with_its_commas_first_gets_a_key_at_its_end() -> None:
    """Also where the order would have it after the first row, which has no comma."""
    rows = "\n    , ".join(PAIR.replace("@", each) for each in ("O", "R", "S", "Z"))
    main = SERVICE.format(secrets="local.rows").replace("var.name", '"backend"')
    old = f"locals {{\n  rows = [\n    {rows}\n  ]\n}}\n{main}"
    file = SourceFile(Path("/checkout/main.tf"), "main.tf", old.encode())
    edit = add_reference(task_definitions_of((file,)), "backend", KEY, KEY)
    assert edit and edit.after.decode() == old.replace(rows, f"{rows}\n    , {PAIR.replace('@', KEY)}")


@pytest.mark.parametrize("chosen", ["local.keys[var.environment]", "lookup(local.keys, local.environment, [])"])
def test_each_environment_has_its_own_list_of_one_map(chosen: str, tmp_path: Path) -> None:
    """By its .tfvars; a default is no environment's alone, so that nothing is certain by it."""
    main = (
        'provider "aws" {}\nvariable "environment" {@}\nlocals {\n  environment = var.environment\n  keys = {\n'
        '    staging    = ["A"]\n    production = setunion(["A"], ["B"])\n  }\n}\n'
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        f' [for k in {chosen} : {{ name = k, valueFrom = "${{var.arn}}:${{k}}::" }}] }}])\n}}\n'
    )
    (tmp_path / "main.tf").write_text(main.replace("@", ""))
    for name in ("staging", "production"):
        (tmp_path / f"{name}.tfvars").write_text(f'environment = "{name}"\n')
    found = read_task_definitions(tmp_path)
    keys = {}
    for name in ("staging", "production"):
        [container] = found.of_environment(name, ("staging", "production")).containers
        keys[name] = [each.key for each in container.references]
    assert keys == {"staging": ["A"], "production": ["A", "B"]}
    own = task_definitions_of(files_of(found.files, found.owners("staging", ("staging", "production"))))
    edit = add_reference(own, "api", KEY, KEY, ("A",))
    assert edit and f'    staging    = ["A", "{KEY}"]\n' in edit.after.decode()
    for path in tmp_path.glob("*.tfvars"):
        path.unlink()
    (tmp_path / "main.tf").write_text(main.replace("@", ' default = "staging" '))
    [container] = read_task_definitions(tmp_path).of_environment("production", ("staging", "production")).containers
    assert container.other_sources and not container.references


@pytest.mark.parametrize("values", ["staging.tfvars", "../staging/terraform.tfvars", "envs/staging.tfvars"])
def test_a_root_stays_where_its_values_are_beside_it(values: str, tmp_path: Path) -> None:
    """A file of values named after an environment, or in a folder that is, makes no other folder a sibling."""
    (tmp_path / "root/service").mkdir(parents=True)
    (tmp_path / "root/main.tf").write_text(CALL.replace("../../modules/service", "./service").format(arguments=LISTED))
    (tmp_path / "root/service/main.tf").write_text(SERVICE.format(secrets="var.secrets"))
    for each in (values, values.replace("staging", "production")):
        (tmp_path / "root" / each).resolve().parent.mkdir(exist_ok=True)
        (tmp_path / "root" / each).write_text('region = "x"\n')
    declared = read_task_definitions(tmp_path)
    own = task_definitions_of(files_of(declared.files, declared.owners("staging", {"staging", "production"})))
    assert [each.name for each in own.containers] == ["backend"]
    assert add_reference(own, "backend", KEY, KEY)


LISTED = f'  secrets = [{{ name = "SECRET_KEY", valueFrom = "{ARN}:SECRET_KEY::" }}]'
