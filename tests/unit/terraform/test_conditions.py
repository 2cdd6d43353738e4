"""Conditions in Terraform's files: which are decided, for whom, and which are left open."""

from pathlib import Path

import pytest

from omc_runbook.model.errors import CannotFollow
from omc_runbook.terraform.environment_files import applies_to
from omc_runbook.terraform.hcl import read_attributes
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions
from omc_runbook.terraform.task_definitions_edit import add_reference
from omc_runbook.terraform.texts import holds, is_none
from omc_runbook.textfile.file import SourceFile

ENVIRONMENTS = {"staging", "production"}
ARN = "${var.secrets_arn}"
KEYS = 'for k in ["A", "B", "C"] :'
DEFINITION = """\
variable "secrets_arn" {{ type = string }}
variable "environment" {{ type = string }}

resource "aws_ecs_task_definition" "{name}" {{
  {repetition}
  container_definitions = jsonencode([{{ name = "{name}", secrets = {secrets} }}])
}}
"""
A = f'[{{ name = "A", valueFrom = "{ARN}:A::" }}]'


def write(root: Path, **files: str) -> Path:
    """Files by their paths, in which __ stands for / and a last _ for the dot."""
    for name, text in files.items():
        stem, _, ending = name.replace("__", "/").rpartition("_")
        path = root / f"{stem}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def definition(secrets: str = A, repetition: str = "", name: str = "backend") -> str:
    return DEFINITION.format(secrets=secrets, repetition=repetition, name=name)


def names(declared: TaskDefinitions, environment: str = "") -> list[tuple[str, list[str]]]:
    found = declared.containers
    if environment:
        of_own = declared.of_environment(environment, ENVIRONMENTS).containers
        found = tuple(each for each in of_own if applies_to(each.root, environment, ENVIRONMENTS))
    return [(each.name, [ref.variable for ref in each.references]) for each in found]


ONLY_PRODUCTION = [
    'count = var.environment == "production" ? 1 : 0',
    'count = contains(["production", "demo"], var.environment) ? 1 : 0',
    "count = local.is_production ? 1 : 0",
    "count = !local.is_production ? 0 : 1",
    'count = lower(var.environment) != "production" || false ? 0 : 1',
    'for_each = var.environment == "production" ? toset(["one"]) : toset([])',
    'for_each = startswith("${var.environment}", "prod") ? { one = "1" } : {}',
]
LOCALS = 'locals {\n  is_production = var.environment == "production" && true\n}\n'


@pytest.mark.parametrize("repetition", ONLY_PRODUCTION)
@pytest.mark.parametrize("layout", ["values", "folders", "defaults"])
def test_a_definition_of_another_environment_has_no_containers_in_this_one(
    layout: str, repetition: str, tmp_path: Path
) -> None:
    """Its .tfvars, the module's call, or the folder's name with a default says which environment it is."""
    module = definition() + LOCALS + definition(repetition=repetition, name="worker").partition("\n\n")[2]
    call = 'module "ecs" {\n  source = "../modules/ecs"\n  environment = "%s"\n  secrets_arn = "x"\n}\n'
    if layout == "values":
        values = 'environment = "%s"\n'
        write(tmp_path, main_tf=module, staging_tfvars=values % "staging", production_tfvars=values % "production")
    if layout == "folders":
        write(tmp_path, modules__ecs__main_tf=module)
        write(tmp_path, staging__main_tf=call % "staging", production__main_tf=call % "production")
    if layout == "defaults":
        for each, alias in (("staging", "staging"), ("production", "production")):
            text = module.replace('environment" { type', f'environment" {{ default = "{alias}"\n type')
            write(tmp_path, **{f"{each}__main_tf": text + 'provider "aws" {}\n'})
    declared = read_task_definitions(tmp_path)
    staging = [name for name, _ in names(declared, "staging")]
    production = [name for name, _ in names(declared, "production")]
    assert (staging, production) == (["backend"], ["backend", "worker"])


def test_nothing_is_left_where_the_only_definition_is_another_environment_s(tmp_path: Path) -> None:
    write(tmp_path, main_tf=definition(repetition=ONLY_PRODUCTION[0]))
    write(tmp_path, staging_tfvars='environment = "staging"\n', production_tfvars='environment = "production"\n')
    declared = read_task_definitions(tmp_path)
    assert names(declared, "staging") == []
    assert names(declared, "production") == [("backend", ["A"])]


def test_a_module_that_shows_all_itself_is_another_environment_s_by_its_call(tmp_path: Path) -> None:
    calls = {
        "worker": '  environment = "staging"\n  count = var.is_production ? 1 : 0\n',
        "api": '  environment = "staging"\n',
    }
    main = "".join(f'module "{name}" {{\n  source = "../{name}"\n{rest}}}\n' for name, rest in calls.items())
    for each in calls:
        write(tmp_path, **{f"tf__{each}__main_tf": definition(name=each)})
    write(tmp_path, tf__root__main_tf=main + 'variable "is_production" {}\n')
    values = {"staging": "false", "production": "true"}
    write(tmp_path, **{f"tf__root__{name}_tfvars": f"is_production = {each}\n" for name, each in values.items()})
    declared = read_task_definitions(tmp_path)
    assert [name for name, _ in names(declared, "staging")] == ["api"]
    assert sorted(name for name, _ in names(declared, "production")) == ["api", "worker"]


@pytest.mark.parametrize("source", ["./service", "terraform-aws-modules/ecs/aws//modules/service"])
def test_a_module_that_another_environment_calls_has_no_containers_in_this_one(source: str, tmp_path: Path) -> None:
    """Neither one of the checkout nor one of another repository."""
    call = f'module "{{}}" {{{{\n  source = "{source}"\n  name = "{{}}"\n  {{}}\n  secrets = {{}}\n}}}}\n'
    calls = [("api", ""), ("worker", ONLY_PRODUCTION[0]), ("beta", "count = var.with_beta ? 1 : 0")]
    main = "".join(call.format(name, name, repetition, A) for name, repetition in calls)
    write(tmp_path, main_tf=main + 'variable "environment" {}\nvariable "with_beta" {}\n')
    write(tmp_path, staging_tfvars='environment = "staging"\n', production_tfvars='environment = "production"\n')
    if source.startswith("."):
        service = definition("var.secrets").replace('name = "backend"', "name = var.name")
        write(tmp_path, service__main_tf=service + 'variable "secrets" {}\nvariable "name" {}\n')
    declared = read_task_definitions(tmp_path)
    assert [name for name, _ in names(declared, "staging")] == ["api", "beta"]
    assert [name for name, _ in names(declared, "production")] == ["api", "worker", "beta"]


@pytest.mark.parametrize(
    "repetition",
    [
        "count = var.is_enabled ? 1 : 0",
        "count = length(var.names) > 0 ? 1 : 0",
        "count = var.environment == var.main ? 1 : 0",
        "count = contains(var.names, var.environment) ? 1 : 0",
        "count = var.tasks",
    ],
)
def test_what_is_not_certainly_absent_is_read(repetition: str, tmp_path: Path) -> None:
    """A root's default may be set by whoever applies it."""
    variables = 'provider "aws" {}\nvariable "tasks" { default = 0 }\nvariable "is_enabled" { default = false }\n'
    variables += 'variable "names" { default = [] }\nvariable "main" { default = "demo" }\n'
    write(tmp_path, main_tf=definition(repetition=repetition) + variables, staging_tfvars='environment = "staging"\n')
    declared = read_task_definitions(tmp_path)
    assert names(declared, "staging") == [("backend", ["A"])]
    assert add_reference(declared, "backend", "NEW", "NEW")


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        (f'[{KEYS} {{ name = k, valueFrom = "{ARN}:${{k}}::" }} if k != "B"]', ["A", "C"]),
        (f'[{KEYS} {{ name = k, valueFrom = "{ARN}:${{k}}::" }} if !contains(["A"], k)]', ["B", "C"]),
        (f'{{ {KEYS} k => "{ARN}:${{k}}::" if k != "B" }}', ["A", "C"]),
        (f'{{ for k, v in {{ A = "x", B = "y" }} : k => "{ARN}:${{v}}::" if v == "y" }}', ["B"]),
        (f'[for k, v in {{ {KEYS} k => k if k == "A" }} : {{ name = k, valueFrom = "{ARN}:${{v}}::" }}]', ["A"]),
        (f'[for s in [{{ n = "A", on = true }}, {{ n = "B", on = false }}] : {{ name = s.n, '
         f'valueFrom = "{ARN}:${{s.n}}::" }} if s.on]', ["A"]),
    ],
)  # fmt: skip
def test_the_condition_of_a_for_expression_is_read_and_its_list_is_not_edited(
    secrets: str, expected: list[str], tmp_path: Path
) -> None:
    """What it leaves out is no reference, and it may leave out a new one."""
    declared = read_task_definitions(write(tmp_path, main_tf=definition(secrets)))
    assert names(declared) == [("backend", expected)]
    assert not declared.containers[0].other_sources
    with pytest.raises(CannotFollow, match="its secrets are a for expression"):
        add_reference(declared, "backend", "NEW", "NEW")


@pytest.mark.parametrize(
    "condition", ["var.is_on", "k != var.off", "length(k) > 1", "contains(var.names, k)", "k != null"]
)
@pytest.mark.parametrize("form", ["list", "map"])
def test_a_condition_that_is_not_known_leaves_its_list_unknown(form: str, condition: str, tmp_path: Path) -> None:
    pair = f'[{KEYS} {{ name = k, valueFrom = "{ARN}:${{k}}::" }} if {condition}]'
    secrets = pair if form == "list" else f'{{ {KEYS} k => "{ARN}:${{k}}::" if {condition} }}'
    (container,) = read_task_definitions(write(tmp_path, main_tf=definition(secrets))).containers
    assert not container.references
    assert container.other_sources == ("a for expression with a condition on line 6",)


@pytest.mark.parametrize(
    ("name", "value_from", "expected"),
    [
        ("upper(k)", f"{ARN}:${{k}}::", ("API_KEY", "api_key")),
        ('"${upper(k)}"', f"{ARN}:${{lower(k)}}::", ("API_KEY", "api_key")),
        ('"APP_${upper(replace(k, "_", "-"))}"', f"{ARN}:${{trimprefix(k, \"api_\")}}::", ("APP_API-KEY", "key")),
        ('trimspace(upper(k))', "${local.arns[k]}:${k}::", ("API_KEY", "api_key")),
        ("upper(k)", f"{ARN}:${{upper(var.prefix)}}${{k}}::", ("API_KEY", "")),
    ],
)  # fmt: skip
def test_functions_of_literal_texts_are_read(
    name: str, value_from: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    secrets = f'[for k in ["api_key"] : {{ name = {name}, valueFrom = "{value_from}" }}]'
    arns = "locals {\n  arns = { api_key = var.secrets_arn }\n}\n"
    (container,) = read_task_definitions(write(tmp_path, main_tf=definition(secrets) + arns)).containers
    assert [(each.variable, each.key) for each in container.references] == [expected]


def test_the_element_of_a_loop_with_a_number_is_read_and_the_number_is_not(tmp_path: Path) -> None:
    texts = (f'name = "{name}", valueFrom = "{ARN}:${{k}}::"' for name in ("${k}", "${i}"))
    lists = ", ".join(f"[for i, k in {each} : {{ {text} }}]" for text in texts for each in ('["A"]', 'toset(["B"])'))
    (container,) = read_task_definitions(write(tmp_path, main_tf=definition(f"concat({lists})"))).containers
    assert [each.variable for each in container.references] == ["A", "B"]
    assert container.other_sources == ("a quoted string on line 6",)


@pytest.mark.parametrize("name", ["md5(k)", '"${md5(k)}"', "upper(var.x)", 'replace(k, "/[[:alpha:]]/", "x")'])
def test_functions_that_are_not_read_leave_the_name_unknown(name: str, tmp_path: Path) -> None:
    secrets = f'[for k in ["a"] : {{ name = {name}, valueFrom = "{ARN}:${{k}}::" }}]'
    (container,) = read_task_definitions(write(tmp_path, main_tf=definition(secrets))).containers
    assert not container.references and container.other_sources


@pytest.mark.parametrize("call", [f"try({A}, [])", f"coalescelist([], {A})"])
def test_a_list_of_several_is_read_as_under_a_condition(call: str, tmp_path: Path) -> None:
    declared = read_task_definitions(write(tmp_path, main_tf=definition(call)))
    assert names(declared) == [("backend", ["A"])]
    assert not declared.containers[0].references[0].certain and not declared.containers[0].other_sources
    with pytest.raises(CannotFollow):
        add_reference(declared, "backend", "NEW", "NEW")


def test_what_decides_an_and_or_an_or_is_enough() -> None:
    text = 'a = var.x && false\nb = var.x || true\nc = var.x && true\nd = "true" == true\ne = var.x ? 0 : 0\n'
    file = SourceFile(Path("/c/x.tfvars"), "x.tfvars", text.encode())
    a, b, c, d, e = (each.value for each in read_attributes(file))
    folder = Folder((file,))
    assert [holds(each, folder) for each in (a, b, c, d)] == [False, True, None, None]
    assert is_none(e, folder) is None


@pytest.mark.parametrize(("folder", "expected"), [("infrastructure-live", ["backend"]), ("live/staging", [])])
def test_a_root_s_default_is_known_only_where_its_folder_has_that_name(
    folder: str, expected: list[str], tmp_path: Path
) -> None:
    """Elsewhere a pipeline may set the variable."""
    default = "staging" if expected == [] else "production"
    text = definition(repetition=f'count = var.environment == "{default}" ? 0 : 1')
    text = text.replace('environment" { type', f'environment" {{ default = "{default}"\n type') + 'provider "aws" {}\n'
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "main.tf").write_text(text)
    assert [name for name, _ in names(read_task_definitions(tmp_path), "staging")] == expected
