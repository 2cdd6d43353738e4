"""What a large checkout costs: for three times as many stacks about three times the calls of functions."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from support.call_counts import count_calls
from support.files import write_files

from omc_runbook.terraform import hcl
from omc_runbook.terraform.applies import Apply
from omc_runbook.terraform.containers import find_containers
from omc_runbook.terraform.evaluation import Module, Stack
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.marks import reasons
from omc_runbook.terraform.stacks import unknown_units, unreadable_files
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions
from omc_runbook.textfile.file import SourceFile

MODULE = """
variable "name" {}
variable "secret_arn" {}
variable "keys" {}
resource "aws_ecs_task_definition" "this" {
  family                = var.name
  container_definitions = jsonencode([{
    name    = var.name
    secrets = [for key in var.keys : { name = key, valueFrom = "${var.secret_arn}:${key}::" }]
  }])
}
"""
CALLS = 4
"""How many services each stack has."""


def checkout(stacks: int) -> tuple[SourceFile, ...]:
    """The files of so many stacks, whose services all call one module."""
    calls = "".join(
        f"""
module "service_{number}" {{
  source     = "../modules/service"
  name       = "service-{number}"
  secret_arn = aws_secretsmanager_secret.app.arn
  keys       = ["SECRET_KEY", "POSTGRES_PASSWORD"]
}}
"""
        for number in range(CALLS)
    )
    texts = {f"stack-{number}/main.tf": calls for number in range(stacks)} | {"modules/service/main.tf": MODULE}
    return sources(texts)


def sources(texts: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """Files of a checkout, by name."""
    return tuple(SourceFile(Path("/checkout") / name, name, text.encode()) for name, text in texts.items())


def test_a_checkout_of_many_stacks_takes_as_many_calls_a_stack_as_one_of_few() -> None:
    """Who calls a module is found once, and other definitions are asked only where the container's own say nothing."""
    containers, unreadable = find_containers(checkout(1))
    assert (len(containers), unreadable) == (CALLS, ())
    small, large = (count_calls(partial(find_containers, checkout(stacks))) for stacks in (8, 24))
    assert large < 3.3 * small


def test_a_checkout_of_many_environments_takes_as_many_calls_an_environment_as_one_of_few(tmp_path: Path) -> None:
    """Which folders Terraform is applied in, with the files of values of each, is read when a command needs it."""
    text = 'module "app" {\n  source = "../modules/app"\n  name = "x"\n  secret_arn = "y"\n  keys = ["A"]\n}\n'

    def read(environments: int) -> TaskDefinitions:
        files = {f"env-{number}/main.tf": text for number in range(environments)}
        values = {f"env-{number}/terraform.tfvars": 'name = "x"\n' for number in range(environments)}
        return read_task_definitions(write_files(tmp_path, files | values | {"modules/app/main.tf": MODULE}))

    read(1)  # The grammar of HCL is loaded once.
    small, large = (count_calls(partial(read, environments)) for environments in (16, 48))
    assert large < 5 * small
    declared = read(24)
    applies = [declared.apply_of(each, "env-3", {"env-2"}) for each in declared.containers]
    assert Apply(Path("env-3"), "", ()) in applies


def test_the_folders_of_a_checkout_are_listed_once(tmp_path: Path) -> None:
    """Which of them have Terraform's files shows while they are walked through."""
    for name in ("a/main.tf", "a/b/main.tofu", "c/main.tf.json", "d/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = TerraformFiles(tmp_path)
    assert count_calls(lambda: files.folders, "scandir") == len([tmp_path, *tmp_path.rglob("*/")])
    assert [str(each.relative_to(files.root)) for each in files.folders] == ["a", "a/b", "c"]


DEFINITION = """
variable "secrets_arn" {}
resource "aws_ecs_task_definition" "api" {
  for_each              = toset([VALUE])
  container_definitions = jsonencode([{
    name    = VALUE
    secrets = concat([{ name = "A", valueFrom = "${var.secrets_arn}:A::" }], VALUE)
  }])
}
"""
TWICE = (
    'join("-", [NEXT, NEXT])',
    'format("%s-%s", NEXT, NEXT)',
    "replace(NEXT, NEXT, NEXT)",
    "merge(NEXT, NEXT)",
    "concat(NEXT, NEXT)",
    "[NEXT, NEXT]",
    "{ a = NEXT, b = NEXT }",
    "NEXT ? NEXT : NEXT",
    "lookup(NEXT, NEXT)",
    "{ for key, value in NEXT : key => NEXT }",
)
"""Expressions that have another value twice or more often."""


def chain(expression: str, count: int, last: str) -> str:
    """Local values of which each has the next one as the expression has NEXT; the last one is another expression."""
    members = [f"v{number} = {expression.replace('NEXT', f'local.v{number + 1}')}" for number in range(count)]
    return "\n  ".join(["locals {", *members, f"v{count} = {last}"]) + "\n}\n"


@pytest.mark.parametrize("expression", TWICE)
def test_local_values_of_each_other_come_to_an_end(expression: str) -> None:
    """Those that are made of themselves, which Terraform refuses, and those that double with each are not followed."""
    used = DEFINITION.replace("VALUE", "local.v0")
    for text in (
        chain(expression, 0, expression.replace("NEXT", "local.v0")),
        chain(expression, 1, "upper(local.v0)"),
        chain(expression, 200, '"x"'),
    ):
        (container,), _ = find_containers(sources({"main.tf": text + used}))
        assert container.name in ("", "${local.v0}")
        assert container.other_sources
    calls = [
        count_calls(partial(find_containers, sources({"main.tf": chain(expression, count, '"x"') + used})))
        for count in (24, 40)
    ]
    assert calls[1] < 2.5 * calls[0]


def test_a_few_local_values_of_each_other_are_followed() -> None:
    """A text that one has several times is one that Terraform has too."""
    used = DEFINITION.replace("[VALUE]", "[]").replace("VALUE)", "[])").replace("VALUE", "local.v0")
    text = chain('join("", [NEXT, NEXT])', 3, '"x"') + used.replace("for_each              = toset([])", "")
    (container,), unreadable = find_containers(sources({"main.tf": text}))
    assert (container.name, container.obstacle, unreadable) == ("x" * 8, "", ())


SERVICES = """
resource "aws_ecs_task_definition" "api" {
  for_each              = local.services
  container_definitions = jsonencode([{ name = each.value.name, secrets = each.value.secrets }])
}
"""


def services(count: int, references: int) -> str:
    """Task definitions with a list of references that they share, and one of their own."""
    element = '{{ name = "{0}{1}", valueFrom = "${{local.arn}}:{0}{1}::" }}'.format
    shared = "".join(f"    {element('SHARED', number)},\n" for number in range(references))
    each = "".join(
        f'    s{number} = {{ name = "s{number}", secrets = concat(local.shared, [{element("OWN", number)}]) }}\n'
        for number in range(count)
    )
    local = f'  arn = "arn:shop"\n  shared = [\n{shared}  ]\n  services = {{\n{each}  }}\n'
    return f"locals {{\n{local}}}\n{SERVICES}"


def test_the_many_references_of_a_large_checkout_are_followed(tmp_path: Path) -> None:
    """70 services that share 70 references have about 5,000, and nothing doubles."""
    text = services(70, 70)
    containers, unreadable = find_containers(sources({"main.tf": text}))
    assert [(each.name, len(each.references)) for each in containers] == [(f"s{at}", 71) for at in range(70)]
    assert not unreadable
    (tmp_path / "main.tf").write_text(text)
    files = TerraformFiles(tmp_path)
    result = Module(Stack(files, tmp_path, ""), tmp_path, files.folder(tmp_path), {}).local("services")
    assert result and len(result.value["s69"]["secrets"]) == 71


def test_a_member_that_is_called_each_is_no_reference() -> None:
    """Nor is an attribute of that name."""
    members = 'name = "x", each = local.other.each, secrets = []'
    text = f'locals {{\n  services = {{ a = {{ {members} }} }}\n  other = {{ each = "y" }}\n}}\n'
    (container,), unreadable = find_containers(sources({"main.tf": text + SERVICES}))
    assert (container.name, container.other_sources, unreadable) == ("x", (), ())


def test_a_long_chain_of_local_values_is_followed(tmp_path: Path) -> None:
    """Each is made of the next one, once, so that nothing multiplies."""
    element = '[{ name = "A", valueFrom = "${var.secrets_arn}:A::" }]'
    used = DEFINITION.replace("name    = VALUE", 'name    = "x"')
    used = used.replace("for_each              = toset([VALUE])", "").replace("VALUE", "local.v0")
    (container,), _ = find_containers(sources({"main.tf": chain("concat(NEXT, [])", 25, element) + used}))
    assert (len(container.references), container.other_sources) == (2, ())
    (tmp_path / "main.tf").write_text(chain('"${NEXT}-"', 25, '"x"'))
    files = TerraformFiles(tmp_path)
    result = Module(Stack(files, tmp_path, ""), tmp_path, files.folder(tmp_path), {}).local("v0")
    assert result and result.value == "x" + "-" * 25


def test_local_values_that_are_nested_deeply_come_to_an_end() -> None:
    """18 of them, with 20 calls in each, are nested 700 levels deep."""
    used = DEFINITION.replace("VALUE", "local.v0")
    expression = 'join("", [' * 20 + "NEXT" + "])" * 20
    (container,), _ = find_containers(sources({"main.tf": chain(expression, 18, '"x"') + used}))
    assert container.name == "${local.v0}"


@pytest.mark.parametrize(
    ("loop", "name"),
    [("", "var.name"), ('  for_each = { a = join("", [VALUES]) }\n', "each.value")],
)
def test_arguments_that_multiply_through_modules_come_to_an_end(loop: str, name: str) -> None:
    """Each module gives the next one its variable four times."""
    texts = {"main.tf": 'module "m" {\n  source = "./m0"\n  name = "x"\n}\n'}
    loop = loop.replace("VALUES", ", ".join(["var.name"] * 4))
    argument = name if loop else 'join("", [var.name, var.name, var.name, var.name])'
    for at in range(16):
        call = f'module "m" {{\n  source = "../m{at + 1}"\n{loop}  name = {argument}\n}}\n'
        texts[f"m{at}/main.tf"] = f'variable "name" {{}}\n{call}'
    texts["m16/main.tf"] = 'variable "name" {}\n' + DEFINITION.replace("VALUE", "var.name")
    (container,), _ = find_containers(sources(texts))
    assert container.name == "${var.name}"


def test_variables_and_templates_made_of_each_other_come_to_an_end() -> None:
    """Terraform refuses both."""
    variables = """
terraform {
  backend "s3" {}
}
variable "a" { default = format("%s", var.b) }
variable "b" { default = format("%s", var.a) }
"""
    used = DEFINITION.replace("VALUE", "var.a")
    (container,), _ = find_containers(sources({"main.tf": variables + used}))
    assert container.name == "${var.a}"
    template = """
data "template_file" "a" {
  template = data.template_file.a.rendered
}
resource "aws_ecs_task_definition" "api" {
  container_definitions = data.template_file.a.rendered
}
"""
    containers, (sentence,) = find_containers(sources({"main.tf": template}))
    assert not containers
    assert "data.template_file.a.rendered on line 6, which is not followed" in sentence


def test_modules_that_call_each_other_come_to_an_end() -> None:
    """Terraform refuses them; each call counts once."""
    calls = "".join(
        f'module "m{number}" {{\n  source = "../SOURCE"\n  name = "${{var.name}}-{number}"\n}}\n' for number in range(4)
    )
    texts = {
        "infra/main.tf": calls.replace("SOURCE", "a").replace("var.name", "local.name"),
        "a/main.tf": MODULE + calls.replace("SOURCE", "b"),
        "b/main.tf": MODULE + calls.replace("SOURCE", "a"),
    }
    assert count_calls(partial(find_containers, sources(texts))) < 200_000


def test_the_value_of_doubling_local_values_is_unknown(tmp_path: Path) -> None:
    """A text of 2 to the power of 40 letters does not fit into the memory of any machine."""
    (tmp_path / "main.tf").write_text(chain('"${NEXT}${NEXT}"', 40, '"x"'))
    files = TerraformFiles(tmp_path)
    result = Module(Stack(files, tmp_path, ""), tmp_path, files.folder(tmp_path), {}).local("v0")
    assert result is not None
    assert reasons(result.value) == ("local.v0 refers to itself, or is made of too many others",)


def test_the_value_of_arguments_that_multiply_through_modules_is_unknown(tmp_path: Path) -> None:
    """20 to the power of 8 letters, 26 GB, do not fit into the memory of any machine."""
    call = 'module "m" {\n  source = "../m%d"\n  name = NAME\n}\n'
    names = ", ".join(["var.name"] * 20)
    texts = {"infra/main.tf": (call % 0).replace("NAME", '"x"'), "m8/main.tf": 'variable "name" {}\n'}
    for at in range(8):
        texts[f"m{at}/main.tf"] = 'variable "name" {}\n' + (call % (at + 1)).replace("NAME", f'join("", [{names}])')
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    files, root = TerraformFiles(tmp_path), tmp_path / "infra"
    *_, last = Module(Stack(files, root, ""), root, files.folder(root), {}).walk()
    result = last.variable("name")
    assert result is not None
    assert reasons(result.value) == ("an expression in m4/main.tf:4 has more than 1,000,000 characters",)


def test_what_is_unreadable_and_whose_units_are_unknown_read_each_file_once(tmp_path: Path) -> None:
    """More files than parses are kept of would be parsed once for each question."""
    unit = 'terraform {\n  source = "../../app"\n}\n'
    files = TerraformFiles(write_files(tmp_path, {"app/main.tf": MODULE, "live/x/terragrunt.hcl": unit, "bad.tf": "{"}))
    assert len(unreadable_files(files)) == 1
    hcl.read_blocks.cache_clear()

    def ask() -> None:
        assert len(unknown_units(files)) == 1

    # The unit's own file is none of those that were asked for.
    assert count_calls(ask, "read_source") == 1
    assert count_calls(lambda: files.folder(files.root / "app").blocks, "_parse") == 0
