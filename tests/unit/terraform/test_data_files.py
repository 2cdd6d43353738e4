"""Secrets that jsondecode() and yamldecode() read from a file: read exactly, and never edited."""

import re
from pathlib import Path

import pytest
from support.files import write_files

from omc_runbook.model.errors import CannotFollow
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions
from omc_runbook.terraform.task_definitions_edit import add_reference

KEY = "NEW_API_KEY"
OF_KEYS = '[for k in {} : {{ name = k, valueFrom = "${{var.arn}}:${{k}}::" }}]'
OF_PAIRS = '[for k, v in {} : {{ name = k, valueFrom = "${{var.arn}}:${{v}}::" }}]'


def definition(secrets: str, more: str = "") -> str:
    containers = f'[{{ name = "backend", secrets = {secrets} }}]'
    return f'resource "aws_ecs_task_definition" "a" {{\n  container_definitions = jsonencode({containers})\n}}\n{more}'


def write(root: Path, **files: str) -> TaskDefinitions:
    return read_task_definitions(write_files(root, {name.replace("_", "."): text for name, text in files.items()}))


def keys(declared: TaskDefinitions) -> list[tuple[str, str]]:
    return [(ref.variable, ref.key) for each in declared.containers for ref in each.references]


YAML = 'yamldecode(file("${path.module}/secrets.yaml"))'
JSON = 'jsondecode(file("${path.module}/secrets.json"))'
FORMS = {
    "a list": (OF_KEYS.format(YAML), "- A\n- 'B' # why\n"),
    "a local value": (OF_KEYS.format("local.all.api.secrets"), "api:\n  secrets: [A, B]\n"),
    "a member": (OF_KEYS.format(f"{YAML}.api.secrets"), "api:\n  secrets: [A, B]\n"),
    "a member in an index": (OF_KEYS.format(f'{YAML}["api"].secrets'), "api:\n  secrets: [A, B]\n"),
    "a map": (OF_PAIRS.format(YAML), 'A: A\n"B": B\n'),
    "a map in JSON": (OF_PAIRS.format(JSON), '{\t"A": "A", "B": "\\u0042"}'),
    "references": ("local.all.api", 'api:\n  - {name: A, valueFrom: "arn:A::"}\n  - {name: B, valueFrom: "arn:B::"}\n'),
    "a word in quotes": (OF_KEYS.format(YAML), "- 'NO'\n- \"on\"\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_file_of_data_gives_is_read_and_not_edited(form: str, tmp_path: Path) -> None:
    """So that drift sees each reference; an edit would be one of a file that may serve others."""
    secrets, text = FORMS[form]
    name = "secrets_json" if "JSON" in form else "secrets_yaml"
    locals_ = f"locals {{\n  all = {YAML}\n}}\n"
    declared = write(tmp_path, main_tf=definition(secrets, locals_), **{name: text})
    expected = [("NO", "NO"), ("on", "on")] if "quotes" in form else [("A", "A"), ("B", "B")]
    if form == "references":
        expected = [("A", ""), ("B", "")]
    assert [variable for variable, _ in keys(declared)] == [variable for variable, _ in expected]
    assert not declared.may_hide("backend") and declared.unreadable == ()
    with pytest.raises(CannotFollow, match=re.escape(f"its list is in {name.replace('_', '.')}, which is read")):
        add_reference(declared, "backend", KEY, KEY, ("A",))


@pytest.mark.parametrize(
    "text",
    [
        "- &a A\n- *a\n",
        "- A\n- ${b}\n",
        "- A\n- 1\n",
        "- A\n- null\n",
        "- NO\n- on\n",
        "- A\n- !Ref B\n",
        "A: [",
        '- "\\UFFFFFFFF"\n',
        "--- [A]\n--- [B]\n",
        "",
        pytest.param("[" * 5000, marks=pytest.mark.long),
        "&a [*a]",
    ],
)
def test_data_that_is_not_certain_stays_unknown(text: str, tmp_path: Path) -> None:
    """Rather than a reference that is not there, or one less."""
    declared = write(tmp_path, main_tf=definition(OF_KEYS.format(YAML)), secrets_yaml=text)
    assert declared.may_hide("backend")
    with pytest.raises(CannotFollow):
        add_reference(declared, "backend", KEY, KEY, ("A",))


def test_a_list_beside_the_data_gets_the_reference(tmp_path: Path) -> None:
    """As what the other list does not need to know."""
    own = '[{ name = "C", valueFrom = "${var.arn}:C::" }]'
    text = definition(f"concat({OF_KEYS.format(YAML)}, {own})")
    declared = write(tmp_path, main_tf=text, secrets_yaml="- A\n- B\n")
    assert keys(declared) == [("A", "A"), ("B", "B"), ("C", "C")]
    edit = add_reference(declared, "backend", KEY, KEY, ("A", "B", "C"))
    assert edit and edit.file.name == "main.tf"
    added = f', {{ name = "{KEY}", valueFrom = "${{var.arn}}:{KEY}::" }}]'
    assert edit.after.decode() == text.replace('C::" }]', f'C::" }}{added}')


def test_services_of_a_file(tmp_path: Path) -> None:
    """A for_each over what a file has makes one definition for each of its members."""
    text = f"""\
resource "aws_ecs_task_definition" "a" {{
  for_each = {YAML}
  container_definitions = jsonencode([{{ name = each.key, secrets = {OF_KEYS.format("each.value.secrets")} }}])
}}
"""
    declared = write(tmp_path, main_tf=text, secrets_yaml="backend: {secrets: [A]}\nworker: {secrets: [A, B]}\n")
    assert [(each.name, [ref.key for ref in each.references]) for each in declared.containers] == [
        ("backend", ["A"]),
        ("worker", ["A", "B"]),
    ]
    assert not declared.may_hide("backend")


@pytest.mark.parametrize(
    ("keys_", "origin", "files"),
    [
        (
            '[for row in csvdecode(file("${path.module}/keys.csv")) : row.name]',
            "keys.csv",
            {"keys.csv": "name,why\nA,x\nNEW_API_KEY,y\n"},
        ),
        ('split("\\n", file("keys.txt"))', "keys.txt", {"keys.txt": "A\nNEW_API_KEY\n"}),
        ("local.lines", "keys.txt", {"keys.txt": "A\nNEW_API_KEY\n"}),
        (
            'yamldecode(templatefile("k.yaml.tftpl", { x = var.x }))',
            "k.yaml.tftpl",
            {"k.yaml.tftpl": "- ${x}\n- NEW_API_KEY\n"},
        ),
        ('fileset("${path.module}/keys", "*")', "keys", {}),
        ("module.k.keys", "module.k.keys", {"k/out.tf": 'output "keys" {\n  value = ["A", "NEW_API_KEY"]\n}\n'}),
        (
            "module.k.names",
            "module.k.names",
            {"k/out.tf": 'locals {\n  a = ["NEW_API_KEY"]\n}\noutput "names" {\n  value = local.a\n}\n'},
        ),
    ],
)
def test_a_refusal_names_what_the_list_is_made_from(
    keys_: str, origin: str, files: dict[str, str], tmp_path: Path
) -> None:
    """Whoever adds the key there runs again, and it counts; before it is there, it does not."""
    more = 'locals {\n  lines = split("\\n", trimspace(file("keys.txt")))\n}\nmodule "k" {\n  source = "./k"\n}\n'
    write_files(tmp_path, {"main.tf": definition(OF_KEYS.format(keys_), more), **files})
    declared = read_task_definitions(tmp_path)
    with pytest.raises(CannotFollow, match=f"its secrets are a for expression on line 2, made from {origin}"):
        add_reference(declared, "backend", KEY, KEY, ("A",))
    assert bool(declared.mention(KEY)) is bool(files)
    for name, text in files.items():
        line = next(number for number, line in enumerate(text.split("\n"), 1) if KEY in line)
        assert declared.mention(KEY) == f"{name}, line {line}"
        (tmp_path / name).write_text(text.replace(KEY, "B"))
    assert read_task_definitions(tmp_path).mention(KEY) == ""


@pytest.mark.parametrize(
    "listed",
    [
        'path.module, "services/*.yaml"',
        '"${path.module}", "services/*.yaml"',
        'path.module, "**/*.yaml"',
        'path.module, "services/**/b*.yaml"',
    ],
)
def test_a_key_in_one_of_the_files_that_fileset_lists_counts(listed: str, tmp_path: Path) -> None:
    """Whose path is an expression; it is a service's file, from which its for_each has the names."""
    more = f"locals {{\n  services = {{ for f in fileset({listed}) : f => 1 }}\n}}\n"
    data = 'yamldecode(file("${path.module}/${local.name}")).secrets'
    service = tmp_path / "services/backend.yaml"
    write_files(
        tmp_path, {"main.tf": definition(OF_KEYS.format(data), more), "services/backend.yaml": "secrets: [A]\n"}
    )
    assert read_task_definitions(tmp_path).mention(KEY) == ""
    service.write_text(f"secrets:\n- {KEY}\n")
    assert read_task_definitions(tmp_path).mention(KEY) == "services/backend.yaml, line 2"


@pytest.mark.parametrize("is_looped", [True, False])
def test_a_key_in_the_default_that_a_loop_runs_over_counts(is_looped: bool, tmp_path: Path) -> None:
    """One that the initial value alone runs over names the key too, and gives no container the variable."""
    value = 'jsonencode({ for name in var.names : name => "" })'
    more = f'resource "aws_secretsmanager_secret_version" "a" {{\n  secret_string = {value}\n}}\n'
    more += f'variable "names" {{\n  default = [\n    "A",\n    "{KEY}",\n  ]\n}}\n'
    text = definition(OF_KEYS.format("var.names" if is_looped else "var.others"), more)
    number = next((at for at, line in enumerate(text.split("\n"), 1) if KEY in line), 0)
    write_files(tmp_path, {"main.tf": text})
    assert read_task_definitions(tmp_path).mention(KEY) == (f"main.tf, line {number}" if is_looped else "")


@pytest.mark.parametrize(
    ("pairs", "entry", "is_member"),
    [
        ('A = "${var.arn}:B::"', "name = k, valueFrom = v", True),
        ('A = { from = "${var.arn}:B::" }', "name = k, valueFrom = v.from", False),
        ('"${var.arn}:B::" = "A"', "name = v, valueFrom = k", False),
        ('A = "B"', 'name = k, valueFrom = "${var.arn}:${v}::"', False),
        ("A = var.arn", 'name = k, valueFrom = "${v}:B::"', False),
    ],
)
def test_a_member_of_a_map_is_a_variable_s_name_with_its_reference(
    pairs: str, entry: str, is_member: bool, tmp_path: Path
) -> None:
    """No other takes an entry as NAME = "ARN:KEY::"."""
    declared = write(tmp_path, main_tf=definition(f"[for k, v in {{ {pairs} }} : {{ {entry} }}]"))
    assert keys(declared) == [("A", "B")]
    assert [ref.is_member for each in declared.containers for ref in each.references] == [is_member]


def test_a_csv_s_other_column_names_no_variable(tmp_path: Path) -> None:
    """There the key is that of a variable of another name, so that no container gets it by its own."""
    rows = '[for row in csvdecode(file("${path.module}/keys.csv")) : row.name]'
    write_files(tmp_path, {"main.tf": definition(OF_KEYS.format(rows)), "keys.csv": f"key,name\n{KEY},OTHER\n"})
    assert read_task_definitions(tmp_path).mention(KEY) == ""
    (tmp_path / "keys.csv").write_text(f'"key","name"\n"b","{KEY}"\n')
    assert read_task_definitions(tmp_path).mention(KEY) == "keys.csv, line 2"


def test_what_a_module_does_with_a_key_besides_its_outputs_gives_no_list_of_it(tmp_path: Path) -> None:
    """A module that makes a secret of it passes it to nobody."""
    secret = f'resource "aws_secretsmanager_secret_version" "a" {{\n  secret_string = "{KEY}"\n}}\n'
    module = f'{secret}output "keys" {{\n  value = ["A"]\n}}\n# {KEY}\nresource "x" "y" {{\n  z = "{KEY}"\n}}\n'
    call = 'module "k" {\n  source = "./k"\n}\n'
    write_files(tmp_path, {"main.tf": definition(OF_KEYS.format("module.k.keys"), call), "k/a.tf": module})
    assert read_task_definitions(tmp_path).mention(KEY) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'output "keys" {{ value = concat(local.more, ["A"]) }}\nlocals {{\n  more = ["{KEY}"]\n}}\n', 3),
        (f'output "keys" {{ value = ["A", "{KEY}"] }}\n', 1),
        (f'output "keys" {{\n  value = ["A"]\n}}\noutput "worker_keys" {{\n  value = ["{KEY}"]\n}}\n', 0),
        (f'locals {{\n  days = {{ {KEY} = 30 }}\n}}\noutput "keys" {{\n  value = ["A"]\n}}\n', 0),
        (f'output "keys" {{\n  description = "without {KEY}"\n  value = ["A"]\n}}\n', 0),
    ],
)
def test_only_the_output_that_a_list_is_made_from_has_its_keys(tmp_path: Path, text: str, line: int) -> None:
    """What the module keeps for another service, or knows of a key besides, passes it to nobody here."""
    call = 'module "k" {\n  source = "./k"\n}\n'
    write_files(tmp_path, {"main.tf": definition(OF_KEYS.format("module.k.keys"), call), "k/a.tf": text})
    assert read_task_definitions(tmp_path).mention(KEY) == (f"k/a.tf, line {line}" if line else "")
