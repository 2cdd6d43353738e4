"""References added to Terraform's JSON syntax, to OpenTofu's files, to .tfvars.json, and to templates of containers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.files import write_files

from omc_runbook.model.environment import KNOWN
from omc_runbook.model.errors import CannotFollow
from omc_runbook.terraform.environment_files import without_data_of_others
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.secret_versions import read_secret_versions
from omc_runbook.terraform.task_definitions import (
    TaskDefinitions,
    files_of,
    may_have_container,
    read_task_definitions,
    task_definitions_of,
)
from omc_runbook.terraform.task_definitions_edit import add_reference
from omc_runbook.textfile.file import Edit, SourceFile

KEY = "OAUTH2_CLIENT_SECRET"
ARN = "${data.aws_secretsmanager_secret.app.arn}"
SECRETS = [{"name": name, "valueFrom": f"{ARN}:{name}::"} for name in ("SECRET_KEY", "SENTRY_DSN")]
ADDED = {"name": KEY, "valueFrom": f"{ARN}:{KEY}::"}
OF_KEYS = '[for k in var.keys : { name = k, valueFrom = "${var.arn}:${k}::" }]'
VARIABLE = {"provider": {"aws": {}}, "variable": {"keys": {"type": "list(string)"}}}


def definition(container_definitions: str, **blocks: Any) -> dict[str, Any]:
    """A task definition in JSON, beside other blocks."""
    return {"resource": {"aws_ecs_task_definition": {"api": {"container_definitions": container_definitions}}}} | blocks


def encoded(secrets: str) -> str:
    return f'${{jsonencode([{{ name = "backend", secrets = {secrets} }}])}}'


def json_text(tree: Any) -> str:
    """Container definitions as a JSON text into which Terraform fills the ARN."""
    return json.dumps([{"name": "backend", "environment": [{"name": "TITLE", "value": "Café"}], "secrets": tree}])


MODULE = """\
variable "secrets" {}
resource "aws_ecs_task_definition" "api" {
  container_definitions = jsonencode([{ name = "backend", secrets = var.secrets }])
}
"""
IN_JSON: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "a local value": (
        {"tf/main.tf.json": definition(encoded("local.secrets"), locals={"secrets": SECRETS})},
        "tf/main.tf.json",
        definition(encoded("local.secrets"), locals={"secrets": [SECRETS[0], ADDED, SECRETS[1]]}),
    ),
    "a string with the JSON of the containers": (
        {"tf/main.tofu.json": definition(json_text(SECRETS))},
        "tf/main.tofu.json",
        definition(json_text([*SECRETS, ADDED])),
    ),
    "a list in an expression": (
        {"tf/main.tf.json": definition(encoded('[{ name = "A", valueFrom = "${var.arn}:A::" }]'))},
        "tf/main.tf.json",
        definition(
            encoded(
                '[{ name = "A", valueFrom = "${var.arn}:A::" }, '
                f'{{ name = "{KEY}", valueFrom = "${{var.arn}}:{KEY}::" }}]'
            )
        ),
    ),
    "a container without secrets": (
        {"tf/main.tf.json": definition('[{"name": "backend"}]', variable={"secrets_arn": {}})},
        "tf/main.tf.json",
        definition(
            f'[{{"name": "backend", "secrets": [{{"name": "{KEY}", "valueFrom": "${{var.secrets_arn}}:{KEY}::"}}]}}]',
            variable={"secrets_arn": {}},
        ),
    ),
    "an environment's .tfvars.json": (
        {
            "tf/main.tf.json": definition(encoded(OF_KEYS), **VARIABLE),
            "tf/staging.tfvars.json": {"keys": ["SECRET_KEY", "SENTRY_DSN"]},
            "tf/production.tfvars.json": {"keys": ["SECRET_KEY"]},
        },
        "tf/staging.tfvars.json",
        {"keys": ["SECRET_KEY", KEY, "SENTRY_DSN"]},
    ),
    "a map in a .tfvars.json": (
        {
            "tf/main.tf.json": definition(encoded(OF_KEYS.replace("for k in", "for k, v in")), **VARIABLE),
            "tf/env/staging/app.tfvars.json": {"keys": {"SECRET_KEY": "SECRET_KEY"}},
        },
        "tf/env/staging/app.tfvars.json",
        {"keys": {"SECRET_KEY": "SECRET_KEY", KEY: KEY}},
    ),
    "a module's argument": (
        {
            "tf/service/main.tf": MODULE,
            "tf/staging/main.tf.json": {"module": {"api": {"source": "../service", "secrets": SECRETS}}},
            "tf/production/main.tf.json": {"module": {"api": {"source": "../service", "secrets": SECRETS}}},
        },
        "tf/staging/main.tf.json",
        {"module": {"api": {"source": "../service", "secrets": [SECRETS[0], ADDED, SECRETS[1]]}}},
    ),
    "a module of another repository": (
        {"tf/main.tf.json": {"module": {"api": {"source": "org/ecs/aws", "name": "backend", "secrets": SECRETS}}}},
        "tf/main.tf.json",
        {"module": {"api": {"source": "org/ecs/aws", "name": "backend", "secrets": [SECRETS[0], ADDED, SECRETS[1]]}}},
    ),
}


def write(root: Path, files: Mapping[str, Any], indent: int | None = 2) -> TaskDefinitions:
    texts = {name: text if isinstance(text, str) else json.dumps(text, indent=indent) for name, text in files.items()}
    return read_task_definitions(write_files(root, texts))


def add(declared: TaskDefinitions, container: str = "backend") -> Edit:
    """The edit for staging, which only adds text, once."""
    here = task_definitions_of(files_of(declared.files, declared.owners("staging", KNOWN)))
    edit = add_reference(here, container, KEY, KEY, ("SECRET_KEY", "A"))
    assert edit
    after = tuple(replace(file, raw=edit.after) if file.name == edit.file.name else file for file in here.files)
    assert add_reference(task_definitions_of(after), container, KEY, KEY, ("SECRET_KEY", "A")) is None
    before, size = edit.file.raw, len(edit.after) - len(edit.file.raw)
    assert any(edit.after[:at] + edit.after[at + size :] == before for at in range(len(before) + 1))
    return edit


@pytest.mark.parametrize("form", IN_JSON)
def test_json_gets_the_reference(form: str, tmp_path: Path) -> None:
    """The file stays valid JSON, the same but for the reference, in its own form."""
    files, name, expected = IN_JSON[form]
    edit = add(write(tmp_path, files))
    assert edit.file.name == name and json.loads(edit.after) == expected


@pytest.mark.parametrize("form", ("a local value", "a module of another repository", "a map in a .tfvars.json"))
def test_json_on_one_line(form: str, tmp_path: Path) -> None:
    """It stays on one line, with the new entry as the last one."""
    files, name, _ = IN_JSON[form]
    edit = add(write(tmp_path, files, None))
    entry = f', "{KEY}": "{KEY}"' if "map" in form else f", {json.dumps(ADDED)}"
    assert edit.file.name == name and entry.encode() in edit.after and b"\n" not in edit.after


def test_an_escaped_text_keeps_its_escapes(tmp_path: Path) -> None:
    """What is before the new entry may have escapes of any length, and stays as it is."""
    text = (
        json_text(SECRETS)
        .replace("Caf\\u00e9", "\U0001f4b0 \\u00e9 \\\\")
        .replace('[{"name": "backend"', '[\n{"name": "backend"')
    )
    edit = add(write(tmp_path, {"tf/main.tf.json": definition(text)}))
    assert rb"\ud83d\udcb0 \\u00e9 \\\\" in edit.after
    containers = json.loads(edit.after)["resource"]["aws_ecs_task_definition"]["api"]["container_definitions"]
    assert json.loads(containers)[0]["secrets"][-1] == ADDED


def test_what_cdk_for_terraform_makes_is_read_and_not_edited(tmp_path: Path) -> None:
    """The next cdktf synth would write the file without the reference."""
    metadata = {"metadata": {"backend": "s3", "stackName": "api", "version": "0.20.7"}}
    document = {"//": metadata, **definition(json_text(SECRETS))}
    declared = write(tmp_path, {"cdktf.out/stacks/api/cdk.tf.json": document})
    assert [ref.key for ref in declared.containers[0].references] == ["SECRET_KEY", "SENTRY_DSN"]
    why = "cdktf synth makes cdktf.out/stacks/api/cdk.tf.json again from the code of CDK for Terraform"
    with pytest.raises(CannotFollow, match=why):
        add_reference(declared, "backend", KEY, KEY, ("SECRET_KEY",))


def test_a_tofu_file_is_edited_like_any_other(tmp_path: Path) -> None:
    """As a file of blocks, and not as something that only seems to hold a definition."""
    text = MODULE.replace("var.secrets", '[\n    { name = "A", valueFrom = "${var.arn}:A::" },\n  ]')
    edit = add(write(tmp_path, {"tf/main.tofu": text}))
    assert f'    {{ name = "{KEY}", valueFrom = "${{var.arn}}:{KEY}::" }},\n  ]' in edit.after.decode()


@pytest.mark.parametrize("ending", ["", ".json"])
def test_a_tofu_file_is_read_in_the_place_of_its_twin(ending: str, tmp_path: Path) -> None:
    """As OpenTofu does; the other files beside them are read too."""

    def text(key: str) -> Any:
        secrets = f'[{{ name = "{key}", valueFrom = "${{var.arn}}:{key}::" }}]'
        return definition(encoded(secrets)) if ending else MODULE.replace("var.secrets", secrets)

    files = {f"tf/main.tofu{ending}": text("A"), f"tf/main.tf{ending}": text("B"), "tf/other.tf": "locals {}\n"}
    declared = write(tmp_path, files)
    assert [[each.variable for each in container.references] for container in declared.containers] == [["A"]]
    assert {file.name for file in declared.files} == {f"tf/main.tofu{ending}", "tf/other.tf"}
    assert add(declared).file.name == f"tf/main.tofu{ending}"


TEMPLATE = """\
[
  {
    "name": "${name}",
    "cpu": ${cpu},
    "secrets": [
      { "name": "SECRET_KEY", "valueFrom": "${arn}:SECRET_KEY::" },
      { "name": "SENTRY_DSN", "valueFrom": "${arn}:SENTRY_DSN::" }
    ]
  }
]
"""
LINE = f'      {{ "name": "{KEY}", "valueFrom": "${{arn}}:{KEY}::" }},\n'
CALL = """\
locals {
  name = "backend"
}

resource "aws_ecs_task_definition" "api" {
  container_definitions = %s
}
"""
VARIABLES = "{ name = local.name, cpu = 256, arn = var.arn }"
TEMPLATES = {
    "beside": (f'templatefile("${{path.module}}/api.json.tftpl", {VARIABLES})', "tf/api.json.tftpl"),
    "below the root": (f'templatefile("templates/api.tpl", {VARIABLES})', "tf/templates/api.tpl"),
    "above": (f'templatefile("${{path.root}}/../shared/api.json", {VARIABLES})', "shared/api.json"),
    "named by a local value": (
        f'templatefile("${{path.module}}/${{local.name}}.tftpl", {VARIABLES})',
        "tf/backend.tftpl",
    ),
    "of a data source": (
        "data.template_file.api.rendered\n}\n"
        f'data "template_file" "api" {{\n  template = file("${{path.module}}/api.json")\n  vars = {VARIABLES}',
        "tf/api.json",
    ),
    "of a data source in Terraform's older style": (
        '"${data.template_file.api.rendered}"\n}\n'
        f'data "template_file" "api" {{\n  template = "${{file("api.json")}}"\n  vars = {VARIABLES}',
        "tf/api.json",
    ),
    "in Terraform's older style": (f'"${{templatefile("api.json", {VARIABLES})}}"', "tf/api.json"),
}


@pytest.mark.parametrize("form", TEMPLATES)
def test_a_template_s_list_gets_the_reference(form: str, tmp_path: Path) -> None:
    """In the template's own words for the secret's ARN, wherever Terraform finds the file."""
    call, name = TEMPLATES[form]
    declared = write(tmp_path, {"tf/main.tf": CALL % call, name: TEMPLATE, "tf/worker.tftpl": TEMPLATE})
    assert [(each.name, each.is_clear) for each in declared.containers] == [("backend", True)]
    edit = add(declared)
    assert edit.file.name == name and edit.after.decode() == TEMPLATE.replace(
        '      { "name": "SENTRY', f'{LINE}      {{ "name": "SENTRY'
    )
    assert TerraformFiles(tmp_path).roots_of(name) == ("tf",)


def test_a_template_of_the_folder_that_calls_the_module(tmp_path: Path) -> None:
    """Where Terraform is applied is path.root."""
    call = CALL % f'templatefile("${{path.root}}/api.json", {VARIABLES})'
    files = {"tf/main.tf": 'module "app" {\n  source = "./app"\n}\n', "tf/app/main.tf": call, "tf/api.json": TEMPLATE}
    assert add(write(tmp_path, files)).file.name == "tf/api.json"


@pytest.mark.parametrize(
    ("argument", "placeholder"),
    [("local.secrets", "${jsonencode(secrets)}"), ("jsonencode(local.secrets)", "${secrets}")],
    ids=["encoded in the template", "encoded in the call"],
)
def test_a_list_that_a_template_is_given_is_edited_where_it_is_written(
    argument: str, placeholder: str, tmp_path: Path
) -> None:
    """The template has a variable in place of the list."""
    native = '[\n    { name = "A", valueFrom = "${var.arn}:A::" },\n  ]'
    call = (
        CALL.replace('name = "backend"', f"secrets = {native}") % f'templatefile("t.tftpl", {{ secrets = {argument} }})'
    )
    template = f'[{{ "name": "backend", "secrets": {placeholder} }}]'
    edit = add(write(tmp_path, {"tf/main.tf": call, "tf/t.tftpl": template}))
    assert edit.file.name == "tf/main.tf"
    assert f'    {{ name = "{KEY}", valueFrom = "${{var.arn}}:{KEY}::" }},\n  ]' in edit.after.decode()


def test_an_environment_s_template_is_its_own_and_a_shared_one_all_s(tmp_path: Path) -> None:
    """Folders of two environments that read one template both use an edit of it."""
    call = CALL % f'templatefile("../templates/api.json", {VARIABLES})'
    files = {"tf/staging/main.tf": call, "tf/production/main.tf": call, "tf/templates/api.json": TEMPLATE}
    assert add(write(tmp_path, files)).file.name == "tf/templates/api.json"
    assert TerraformFiles(tmp_path).roots_of("tf/templates/api.json") == ("tf/production", "tf/staging")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("env/${var.env}/keys.yaml", ["env/qa/keys.yaml", "env/staging/keys.yaml"]),
        ("${path.module}/../tf/env/${var.a}${var.b}/keys.yaml", ["env/qa/keys.yaml", "env/staging/keys.yaml"]),
        ("env/${var.a}${var.b}.yaml", ["env/prod.yaml"]),
        ("${var.env}/keys.yaml", []),
        ("../../${var.env}/keys.yaml", []),
        ("/etc/${var.env}/keys.yaml", []),
    ],
)
def test_an_interpolation_in_a_path_stands_for_any_name(path: str, found: list[str], tmp_path: Path) -> None:
    """That of a folder too, but for no path of several."""
    data = ("env/prod.yaml", "env/qa/keys.yaml", "env/staging/keys.yaml", "env/a/b/keys.yaml", "node_modules/keys.yaml")
    files = {f"tf/{name}": "" for name in data} | {"tf/main.tf": f'locals {{\n  keys = file("{path}")\n}}\n'}
    write_files(tmp_path, files)
    terraform = TerraformFiles(tmp_path)
    templates = terraform.templates(terraform.folder(tmp_path / "tf").files)
    assert [each.name for each in templates] == [f"tf/{name}" for name in found]


@pytest.mark.parametrize("root", [".venv/src/shop", "shop*", "shop [old]"])
def test_a_checkout_s_own_path_is_no_pattern(root: str, tmp_path: Path) -> None:
    """Nor does it skip a folder that it is in."""
    text = 'locals {\n  all = file("keys.yaml")\n  own = file("../a [b]/${var.env}/own.yaml")\n}\n'
    data = {"keys.yaml": "", "qa/own.yaml": "", "../a [b]/qa/own.yaml": "", "main.tf": text}
    write_files(tmp_path / root, {f"tf/{name}": each for name, each in data.items()})
    terraform = TerraformFiles(tmp_path / root)
    templates = terraform.templates(terraform.folder(tmp_path / root / "tf").files)
    assert [each.name for each in templates] == ["a [b]/qa/own.yaml", "tf/keys.yaml"]


def test_a_folder_of_any_name_is_no_link_out_of_a_checkout(tmp_path: Path) -> None:
    """What a link within the checkout leads to is read; node_modules is not."""
    text = 'locals {\n  keys = file("${path.module}/${var.a}/${var.b}/keys.yaml")\n}\n'
    files = {f"{name}/keys.yaml": "" for name in ("tf/a/qa", "tf/node_modules/qa", "tf/.git/qa")}
    write_files(tmp_path / "checkout", {"tf/main.tf": text, **files})
    write_files(tmp_path / "outside", {"qa/keys.yaml": ""})
    (tmp_path / "checkout/tf/out").symlink_to(tmp_path / "outside")
    (tmp_path / "checkout/tf/again").symlink_to(tmp_path / "checkout/tf/a")
    terraform = TerraformFiles(tmp_path / "checkout")
    templates = terraform.templates(terraform.folder(tmp_path / "checkout/tf").files)
    assert [each.name for each in templates] == ["tf/a/qa/keys.yaml", "tf/again/qa/keys.yaml"]


SECOND = (CALL % f'templatefile("t.json", {VARIABLES})').partition("\n\n")[2].replace('"api"', '"worker"')
REFUSED = {
    "loops": (
        {"tf/t.json": '[{ "name": "backend", "secrets": [%{ for k in keys }{ "name": "${k}" }%{ endfor }] }]'},
        "templatefile() on line 6, whose file tf/t.json has %{ for } or %{ if }: such a list is followed where the "
        "template has it as ${jsonencode(secrets)}",
    ),
    "no file": ({}, "templatefile() on line 6, which is not followed."),
    "no reference": ({"tf/t.json": '[{ "name": "backend" }]'}, "no reference nearby names the secret"),
    "a variable for the list that is none": (
        {"tf/t.json": '[{ "name": "backend", "secrets": ${secrets} }]'},
        "its secrets are an expression on line 1",
    ),
    "a template of two definitions": (
        {"tf/t.json": TEMPLATE, "tf/worker.tf": SECOND.replace("local.name", '"worker"')},
        "is shared with container worker of aws_ecs_task_definition.worker",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_a_template_does_not_show_is_refused(form: str, tmp_path: Path) -> None:
    """With the reason, in a way that a person can answer by hand."""
    files, reason = REFUSED[form]
    declared = write(tmp_path, {"tf/main.tf": CALL % f'templatefile("t.json", {VARIABLES})', **files})
    with pytest.raises(CannotFollow) as raised:
        add_reference(declared, "backend", KEY, KEY, ("SECRET_KEY",))
    assert reason in str(raised.value)


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_initial_value_of_a_secret_in_json(is_kept: bool, tmp_path: Path) -> None:
    """Its keys are read, and whether an apply writes it again."""
    version = {"secret_id": "x", "secret_string": '${jsonencode({ SECRET_KEY = "placeholder", B = "" })}'}
    lifecycle = {"lifecycle": {"ignore_changes": ["secret_string"]}} if is_kept else {}
    resource = {"aws_secretsmanager_secret_version": {"app": {**version, **lifecycle}}}
    write(tmp_path, {"tf/secret.tf.json": {"resource": resource}})
    (found,) = read_secret_versions(tmp_path)
    assert (found.file, found.keys, found.is_protected) == ("tf/secret.tf.json", ("SECRET_KEY", "B"), is_kept)


@pytest.mark.parametrize(
    ("own", "other", "is_left"),
    [
        ("env/staging/keys.yaml", "env/qa/data/keys.yaml", False),
        ("env/staging/data/keys.yaml", "env/qa/keys.yaml", False),
        ("env/data/staging.yaml", "env/lists/qa.yaml", True),
        ("env/staging/keys.yaml", "app/qa/data/keys.yaml", True),
        ("env/staging/keys.yaml", "env/qa/staging.yaml", True),
    ],
)
def test_data_of_another_environment_stands_beside_the_environment_s_own(own: str, other: str, is_left: bool) -> None:
    """It, or a folder of it, does, whatever folders are between that and the file."""
    files = [SourceFile(Path("/app", name), name, b"") for name in (own, other)]
    kept = [each.name for each in without_data_of_others(files, "staging", ("staging", "production"))]
    assert kept == [own, *([other] if is_left else [])]


@pytest.mark.parametrize(
    ("listed", "may"),
    [
        ('[{"name": "api"}]', True),
        ('[{"name": "worker"}]', False),
        ('[{"name": "${NAME}"}]', True),
        ('[{"name": null}]', True),
        ("true", True),
    ],
)
def test_only_plain_names_of_others_rule_a_container_out(listed: str, may: bool) -> None:
    """What has no list, or no name that is known, may have it."""
    text = f'{{"containerDefinitions": {listed}}}'
    assert may_have_container(SourceFile(Path("a.json"), "a.json", text.encode()), "api") is may
