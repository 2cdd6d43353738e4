"""Terraform's task definitions: what is read of them, and references added without touching anything else."""

import json
import re
import textwrap
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import hcl2
import hcl2.api
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.files import write_files as write

from omc_runbook.model.errors import CannotEdit, CannotFollow, UsageError
from omc_runbook.terraform.container import TerraformContainer
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions, task_definitions_of
from omc_runbook.terraform.task_definitions_edit import add_reference
from omc_runbook.textfile.file import BOM, Edit, SourceFile

MODULE = "infrastructure/terraform/modules/ecs"
KEY = "NEW_API_KEY"
UNREADABLE = "cannot be read as HCL: correct it, or write it in a simpler way if terraform validate accepts it."

VARIABLE = """
variable "secrets_arn" {
  type = string
}
"""

MAIN = """\
locals {
  name = "${var.project}-${var.environment}"
}

# The API.
resource "aws_ecs_task_definition" "backend" {
  family                   = "${local.name}-backend"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.backend_cpu
  memory                   = var.backend_memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([
    {
      name      = "backend"
      image     = "${var.backend_image}:${var.image_tag}"
      essential = true

      portMappings = [
        {
          containerPort = 8000
          protocol      = "tcp"
        }
      ]

      environment = [
        { name = "ENVIRONMENT", value = var.environment },
        { name = "POSTGRES_SERVER", value = var.database_host },
        { name = "POSTGRES_PORT", value = "5432" },
      ]

      # One secret, a key each.
      secrets = [
        { name = "SECRET_KEY", valueFrom = "${var.secrets_arn}:SECRET_KEY::" },
        { name = "POSTGRES_PASSWORD", valueFrom = "${var.secrets_arn}:db-password::" },
        { name = "POSTGRES_USER", valueFrom = "${var.secrets_arn}:db-user::" },
        { name = "FIRST_SUPERUSER", valueFrom = "${var.secrets_arn}:FIRST_SUPERUSER::" },
        { name = "FIRST_SUPERUSER_PASSWORD", valueFrom = "${var.secrets_arn}:FIRST_SUPERUSER_PASSWORD::" },
        { name = "OPENAI_API_KEY", valueFrom = "${var.secrets_arn}:OPENAI_API_KEY::" },
        # Named by somebody in a hurry.
        { name = "CRYPTOPANIC_API_KEY", valueFrom = "${var.secrets_arn}:omc-CryptoPanic-testkey::" },
        { name = "COINSPOT_API_KEY", valueFrom = "${var.secrets_arn}:coinspot.key::" },
        { name = "COINSPOT_API_SECRET", valueFrom = "${var.secrets_arn}:coinspot.secret::" },
        { name = "REDIS_PASSWORD", valueFrom = "${var.secrets_arn}:REDIS_PASSWORD::" },
        { name = "SMTP_PASSWORD", valueFrom = "${var.secrets_arn}:SMTP_PASSWORD::" } # last
      ]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          "awslogs-group"         = aws_cloudwatch_log_group.backend.name
          "awslogs-region"        = var.aws_region
          "awslogs-stream-prefix" = "ecs"
        }
      }

      healthCheck = {
        command = ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"]
      }
    }
  ])

  tags = merge(var.tags, { Name = "${local.name}-backend" })
}

resource "aws_ecs_task_definition" "frontend" {
  family = "${local.name}-frontend"

  container_definitions = jsonencode([
    {
      name      = "frontend"
      image     = "${var.frontend_image}:${var.image_tag}"
      essential = true
      environment = [
        { name = "API_URL", value = "https://api.${var.domain}" }
      ]
    }
  ])
}

resource "aws_ecs_service" "backend" {
  name            = "${local.name}-backend"
  task_definition = aws_ecs_task_definition.backend.arn
  desired_count   = var.environment == "production" ? 2 : 1

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
}

resource "aws_iam_role_policy" "secrets" {
  role   = aws_iam_role.execution.id
  policy = <<-EOT
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
      "Resource": "${var.secrets_arn}"}]}
  EOT
}
"""


def file_of(text: str, name: str = f"{MODULE}/main.tf") -> SourceFile:
    return SourceFile(Path("/checkout") / name, name, text.encode())


def declare(*texts: str) -> TaskDefinitions:
    """What files of one folder declare: main.tf and others."""
    names = ["main.tf", *(f"other{number}.tf" for number in range(1, len(texts)))]
    files = (file_of(text, f"{MODULE}/{name}") for text, name in zip(texts, names, strict=True))
    return task_definitions_of(tuple(files))


def lines(text: str, indent: int = 6) -> str:
    """Lines written flush left here, as they stand in a container."""
    return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * indent)


def definition(secrets: str, environment: str = "", name: str = "backend", label: str = "") -> str:
    """A task definition with one container and the text that gives it its secrets."""
    body = "\n".join(filter(None, [f'      name = "{name}"', lines(environment), lines(secrets)]))
    head = f'resource "aws_ecs_task_definition" "{label or name}" {{\n  container_definitions = jsonencode([\n    {{\n'
    return f"{head}{body}\n    }}\n  ])\n}}\n"


def reference(variable: str, key: str = "", base: str = "${var.secrets_arn}") -> str:
    return f'{{ name = "{variable}", valueFrom = "{base}:{key or variable}::" }}'


def pairs(container: TerraformContainer) -> list[tuple[str, str]]:
    return [(each.variable, each.key) for each in container.references]


def inserted(edit: Edit) -> str:
    """What an edit puts in, which must be all that it does."""
    before, after = edit.file.raw.decode(), edit.after.decode()
    start = 0
    while start < len(before) and before[start] == after[start]:
        start += 1
    length = len(after) - len(before)
    ends = (at for at in range(start + 1) if after.endswith(before[at:]))
    positions = [at for at in ends if before[:at] + after[at : at + length] + before[at:] == after]
    assert positions, "something else was changed"
    at = next((at for at in positions if at == 0 or before[at - 1] == "\n"), positions[-1])
    return after[at : at + length]


def add(declared: TaskDefinitions, container: str = "backend", variable: str = KEY, key: str = KEY) -> Edit:
    """An edit that is made, holds, and is not made twice."""
    edit = add_reference(declared, container, variable, key)
    assert edit is not None
    inserted(edit)
    again = apply(declared, edit)
    assert add_reference(again, container, variable, key) is None
    return edit


def apply(declared: TaskDefinitions, edit: Edit) -> TaskDefinitions:
    changed = SourceFile(edit.file.path, edit.file.name, edit.after)
    return task_definitions_of(tuple(changed if file == edit.file else file for file in declared.files))


def refusal(declared: TaskDefinitions, container: str = "backend", variable: str = KEY, key: str = KEY) -> str:
    with pytest.raises(CannotEdit) as raised:
        add_reference(declared, container, variable, key)
    return str(raised.value)


def test_a_real_module_is_read() -> None:
    """Two definitions, eleven references whose keys differ from names, and plain variables."""
    declared = declare(MAIN, VARIABLE)
    backend, frontend = declared.containers
    assert declared.unreadable == ()
    assert (backend.name, backend.definition) == ("backend", "aws_ecs_task_definition.backend")
    assert backend.file == f"{MODULE}/main.tf"
    assert dict(pairs(backend)) == {
        "SECRET_KEY": "SECRET_KEY",
        "POSTGRES_PASSWORD": "db-password",
        "POSTGRES_USER": "db-user",
        "FIRST_SUPERUSER": "FIRST_SUPERUSER",
        "FIRST_SUPERUSER_PASSWORD": "FIRST_SUPERUSER_PASSWORD",
        "OPENAI_API_KEY": "OPENAI_API_KEY",
        "CRYPTOPANIC_API_KEY": "omc-CryptoPanic-testkey",
        "COINSPOT_API_KEY": "coinspot.key",
        "COINSPOT_API_SECRET": "coinspot.secret",
        "REDIS_PASSWORD": "REDIS_PASSWORD",
        "SMTP_PASSWORD": "SMTP_PASSWORD",
    }
    assert backend.references[6].value_from == "${var.secrets_arn}:omc-CryptoPanic-testkey::"
    assert backend.environment == ("ENVIRONMENT", "POSTGRES_SERVER", "POSTGRES_PORT")
    assert (backend.obstacle, backend.other_sources) == ("", ())
    assert (frontend.name, frontend.references, frontend.environment) == ("frontend", (), ("API_URL",))
    assert frontend.obstacle == ""


def test_a_real_module_gets_one_line() -> None:
    """A list without a trailing comma gets the new line before its last one, which stays as it is."""
    declared = declare(MAIN, VARIABLE)
    edit = add(declared)
    assert inserted(edit) == f"        {reference(KEY)},\n"
    assert [line for line in edit.diff.splitlines()[2:] if line.startswith("-")] == []
    assert edit.what == f"{KEY} from key {KEY} of the secret, for container backend of aws_ecs_task_definition.backend"
    backend, frontend = apply(declared, edit).containers
    assert set(pairs(backend)) == {*pairs(declared.containers[0]), (KEY, KEY)}
    assert frontend.references == ()


def test_a_container_without_secrets_gets_some() -> None:
    """The list comes after the environment, with what its file shows of a reference."""
    edit = add(declare(MAIN, VARIABLE), "frontend", KEY, "other-key")
    assert f"      secrets = [\n        {reference(KEY, 'other-key')}\n      ]\n" in edit.after.decode()
    assert edit.after.decode().index("API_URL") < edit.after.decode().index("other-key")


def element(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


A, B, NEW = reference("A"), reference("B", "b"), reference(KEY)
ALIGNED = '{ name = "LONGER_NAME", valueFrom = "${var.secrets_arn}:B::" }'
MANY = """
{
  name      = "%s"
  valueFrom = "${var.secrets_arn}:%s::"
}"""


def many(variable: str, indent: int = 2) -> str:
    return textwrap.indent(MANY.strip() % (variable, variable), " " * indent)


def fmt(variable: str, end: str) -> str:
    """An element of a list whose brackets stand together, and what comes after its lines."""
    body = f'  name      = "{variable}"\n  valueFrom = "${{var.secrets_arn}}:{variable}::"\n'
    return ("{\n" if variable == "A" else "\n") + body + end


STYLES = {
    "a line each": (f"secrets = [\n  {A},\n  {B},\n]", f"secrets = [\n  {A},\n  {B},\n  {NEW},\n]"),
    "a comment after the last": (
        f"secrets = [\n  {A},\n  {B}, # of b\n  # {A},\n]",
        f"secrets = [\n  {A},\n  {B}, # of b\n  {NEW},\n  # {A},\n]",
    ),
    "no trailing comma": (
        f"secrets = [\n  {A}, // of a\n  # of b\n  {B} # b\n]",
        f"secrets = [\n  {A}, // of a\n  {NEW},\n  # of b\n  {B} # b\n]",
    ),
    "one without a comma": (f"secrets = [ # all\n  {A}\n]", f"secrets = [ # all\n  {NEW},\n  {A}\n]"),
    "a comma on the next line": (
        f"secrets = [\n  {A} /* a\n  a */\n  , {B} // b\n]",
        f"secrets = [\n  {A} /* a\n  a */\n  , {B} // b\n  , {NEW}\n]",
    ),
    "the end on the last line": (f"secrets = [\n  {A},\n  {B}, ]", f"secrets = [\n  {A},\n  {B},\n  {NEW}, ]"),
    "one line": (f"secrets = [{A}]", f"secrets = [{A}, {NEW}]"),
    "one line, trailing comma": (f"secrets = [ {A}, {B}, ]", f"secrets = [ {A}, {B}, {NEW}, ]"),
    "one line, no blanks": (f"secrets = [{A},{B}]", f"secrets = [{A},{B},{NEW}]"),
    "two on a line": (f"secrets = [\n  {A}, {B},\n]", f"secrets = [\n  {A}, {B}, {NEW},\n]"),
    "empty": ("secrets = []", f"secrets = [\n  {NEW},\n]"),
    "empty with a blank": ("secrets = [ ]", f"secrets = [ {NEW} ]"),
    "empty with a comment": ("secrets = [\n  # none yet\n]", f"secrets = [\n  # none yet\n  {NEW},\n]"),
    "empty on two lines": ("secrets = [ /* none\n  yet */ ]", f"secrets = [ /* none\n  yet */ {NEW} ]"),
    "objects of four lines": (
        f"secrets = [\n{many('A')},\n{many('B')},\n]",
        f"secrets = [\n{many('A')},\n{many('B')},\n{many(KEY)},\n]",
    ),
    "brackets together": (
        f"secrets = [{many('A', 0)}, {many('B', 0)}]",
        f"secrets = [{many('A', 0)}, {many('B', 0)}, {many(KEY, 0)}]",
    ),
    "brackets together, as terraform fmt indents them": (
        f"secrets = [{fmt('A', '  }, {')}{fmt('B', '  }, {')}{fmt('C', '}]')}",
        f"secrets = [{fmt('A', '  }, {')}{fmt('B', '  }, {')}{fmt(KEY, '  }, {')}{fmt('C', '}]')}",
    ),
    "brackets together around one": (
        f"secrets = [{fmt('A', '}]')}",
        f"secrets = [{{{fmt(KEY, '  }, {')}{fmt('A', '}]').removeprefix('{')}",
    ),
    "colons": (
        'secrets : [\n  { name : "A", valueFrom : "${var.secrets_arn}:A::" },\n]',
        'secrets : [\n  { name : "A", valueFrom : "${var.secrets_arn}:A::" },\n'
        f'  {{ name : "{KEY}", valueFrom : "${{var.secrets_arn}}:{KEY}::" }},\n]',
    ),
    "quoted keys, the value first": (
        '"secrets" = [\n  {"valueFrom" = "${var.secrets_arn}:A::", "name"="A"},\n]',
        '"secrets" = [\n  {"valueFrom" = "${var.secrets_arn}:A::", "name"="A"},\n'
        f'  {{"valueFrom" = "${{var.secrets_arn}}:{KEY}::", "name"="{KEY}"}},\n]',
    ),
    "columns": (
        f'secrets = [\n  {{ name = "A",           valueFrom = "${{var.secrets_arn}}:A::" }},\n  {ALIGNED},\n]',
        f'secrets = [\n  {{ name = "A",           valueFrom = "${{var.secrets_arn}}:A::" }},\n  {ALIGNED},\n'
        f'  {{ name = "{KEY}", valueFrom = "${{var.secrets_arn}}:{KEY}::" }},\n]',
    ),
    "wide columns": (
        'secrets = [\n  { name = "A",                valueFrom = "${var.secrets_arn}:A::" },\n]',
        'secrets = [\n  { name = "A",                valueFrom = "${var.secrets_arn}:A::" },\n'
        f'  {{ name = "{KEY}",      valueFrom = "${{var.secrets_arn}}:{KEY}::" }},\n]',
    ),
    "a comment within the last": (
        f'secrets = [\n  {A},\n  {{ name = "B", /* b */ valueFrom = "${{var.secrets_arn}}:B::" }},\n]',
        f'secrets = [\n  {A},\n  {{ name = "B", /* b */ valueFrom = "${{var.secrets_arn}}:B::" }},\n  {NEW},\n]',
    ),
    "concat, then a variable": (
        f"secrets = concat([\n  {A},\n], var.more)",
        f"secrets = concat([\n  {A},\n  {NEW},\n], var.more)",
    ),
    "concat, first a local": (f"secrets = concat(local.x, [{A}])", f"secrets = concat(local.x, [{A}, {NEW}])"),
    "concat with a condition": (
        f"secrets = concat([{A}], var.debug ? [{B}] : [])",
        f"secrets = concat([{A}, {NEW}], var.debug ? [{B}] : [])",
    ),
    "flatten": (f"secrets = flatten([[{A}], var.more])", f"secrets = flatten([[{A}, {NEW}], var.more])"),
    "flatten of objects": (f"secrets = flatten([{A}])", f"secrets = flatten([{A}, {NEW}])"),
    "parentheses": (f"secrets = (tolist([{A}]))", f"secrets = (tolist([{A}, {NEW}]))"),
    "names in a for expression": (
        'secrets = [for k in toset(["A", "B"]) : { name = k, valueFrom = "${var.secrets_arn}:${k}::" }]',
        f'secrets = [for k in toset(["A", "B", "{KEY}"]) : '
        '{ name = k, valueFrom = "${var.secrets_arn}:${k}::" }]',
    ),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("style", STYLES)
def test_styles_of_a_list(style: str, end: str) -> None:
    """The new reference is written as its neighbours are, with their line ends."""
    before, after = STYLES[style]
    more = f"{VARIABLE}locals {{\n  x = [{B}]\n}}"
    edit = add(declare((definition(before) + more).replace("\n", end)))
    assert edit.after.decode() == (definition(after) + more).replace("\n", end)


ENVIRONMENTS = {
    "a line each": ('environment = [\n  { name = "P", value = "1" },\n]', f"secrets = [\n  {NEW},\n]"),
    "no trailing comma": ('environment = [\n  { name = "P", value = "1" }\n] # p', f"secrets = [\n  {NEW}\n]"),
    "one line": ('environment = [{ name = "P", value = "1" }]', f"secrets = [{NEW}]"),
    "commas": ('environment = [\n  { name = "P", value = "1" },\n],', f"secrets = [\n  {NEW},\n],"),
    "four lines": (
        'environment = [\n  {\n    name  = "P"\n    value = "1"\n  },\n]',
        f"secrets = [\n{many(KEY)},\n]",
    ),
    "quotes and colons": (
        '"environment": [\n  {"name": "P", "value": "1"},\n]',
        f'"secrets": [\n  {{"name": "{KEY}", "valueFrom": "${{var.secrets_arn}}:{KEY}::"}},\n]',
    ),
    "a column of its own": ("cpu                = 1\nenvironment        = []", f"secrets = [\n  {NEW},\n]"),
    "a column for all": (
        'essential   = true\nenvironment = [{ name = "P", value = "1" }]',
        f"secrets     = [{NEW}]",
    ),
    "a column for lists too": (
        'essential   = true\nenvironment = [\n  { name = "P", value = "1" },\n]',
        f"secrets     = [\n  {NEW},\n]",
    ),
    "none": ("essential = true", f"secrets = [\n  {NEW},\n]"),
    "made elsewhere": ("environment = var.plain", f"secrets = [\n  {NEW},\n]"),
}


@pytest.mark.parametrize("style", ENVIRONMENTS)
def test_styles_of_a_new_list(style: str) -> None:
    """A container without secrets gets a list in the manner of its environment."""
    environment, secrets = ENVIRONMENTS[style]
    edit = add(declare(definition("", environment) + VARIABLE))
    assert edit.after.decode() == definition(secrets, environment) + VARIABLE


def test_a_list_is_added_to_a_container_of_one_line() -> None:
    """Where all stands on one line, the new list does too."""
    text = 'resource "aws_ecs_task_definition" "b" {\n  container_definitions = jsonencode([{ name = "backend" }])\n}\n'
    assert inserted(add(declare(text + VARIABLE))) == f", secrets = [{NEW}]"


@pytest.mark.parametrize("branches", ["{} : { user = 0 }", "{ user = 0 } : var.off ? {} : { user = 1 }"])
def test_a_condition_between_objects_without_secrets_defines_none(branches: str) -> None:
    """What is merged on a condition, and has its keys written there, is passed over."""
    text = VARIABLE + definition(f"secrets = [\n  {A},\n]")
    text = text.replace("    {\n", "    merge({\n").replace("    }\n", f"    }}, var.on ? {branches})\n")
    assert inserted(add(declare(text))) == f"        {NEW},\n"


def test_no_final_newline_and_a_byte_order_mark() -> None:
    """Neither gets lost, and neither is added."""
    text = BOM + VARIABLE + definition(f"secrets = [\n  {A},\n]").rstrip("\n")
    edit = add(declare(text))
    assert inserted(edit) == f"        {NEW},\n"


HEREDOC = """\
resource "aws_ecs_task_definition" "backend" {
  container_definitions = <<%s
  [
    {
      "name": "backend",
      "image": "${lookup(var.images, "backend")}:${var.tag}",
      "cpu": ${var.cpu},
      "command": ["sh", "-c", "echo \\"$${HOME}\\" {"],
      "environment": [
        {"name": "P", "value": "1"}
      ]%s
    }
  ]
%s
}
"""
JSON_A, JSON_NEW = (f'{{"name": "{name}", "valueFrom": "${{var.secrets_arn}}:{name}::"}}' for name in ("A", KEY))


@pytest.mark.parametrize(
    ("before", "new"),
    [
        (f',\n      "secrets": [\n        {JSON_A}\n      ]', f"        {JSON_NEW},\n"),
        (f',\n      "secrets": [{JSON_A}]', f", {JSON_NEW}"),
        (',\n      "secrets": []', f"\n        {JSON_NEW}\n      "),
        ("", f',\n      "secrets": [\n        {JSON_NEW}\n      ]'),
    ],
    ids=["a line each", "one line", "empty", "none"],
)
@pytest.mark.parametrize("mark", ["EOF", "-JSON"])
def test_json_in_a_heredoc(mark: str, before: str, new: str) -> None:
    """JSON with interpolations, in strings and in the place of values, is read, and stays JSON."""
    text = HEREDOC % (mark, before, mark.strip("-")) + VARIABLE
    declared = declare(text)
    assert pairs(declared.containers[0]) == ([("A", "A")] if JSON_A in before else [])
    edit = add(declared)
    assert edit.after.decode().replace(new, "", 1) == text
    body = edit.after.decode().split(mark + "\n", 1)[1].split("\n" + mark.strip("-"))[0]
    plain = body.replace('lookup(var.images, "backend")', "x").replace("${var.cpu}", "256")
    assert json.loads(plain)[0]["secrets"][0 if "\n        {" in before else -1]["name"] == KEY


LOCALS = {
    "the list": (definition("secrets = local.x"), f"locals {{\n  x = [\n    {A},\n  ]\n}}\n"),
    "the container": (
        'resource "aws_ecs_task_definition" "b" {\n  container_definitions = jsonencode([local.api])\n}\n',
        f'locals {{\n  api = {{\n    name = "backend"\n    secrets = [\n      {A},\n    ]\n  }}\n}}\n',
    ),
    "all containers": (
        'resource "aws_ecs_task_definition" "b" {\n  container_definitions = jsonencode(local.all)\n}\n',
        f'locals {{\n  all = [{{\n    name = "backend"\n    secrets = [\n      {A},\n    ]\n  }}]\n}}\n',
    ),
    "the JSON": (
        'resource "aws_ecs_task_definition" "b" {\n  container_definitions = local.json\n}\n',
        f'locals {{\n  json = jsonencode([{{\n    name = "backend"\n    secrets = [\n      {A},\n    ]\n  }}])\n}}\n',
    ),
    "a member of one": (
        definition("secrets = local.by_name.backend.secrets"),
        f"locals {{\n  by_name = {{\n    backend = {{\n      secrets = [\n        {A},\n      ]\n    }}\n  }}\n}}\n",
    ),
    "by way of another": (definition("secrets = local.y"), f"locals {{\n  y = local.x\n  x = [\n    {A},\n  ]\n}}\n"),
    "the names": (
        definition('secrets = [for k in local.keys : { name = k, valueFrom = "${var.secrets_arn}:${k}::" }]'),
        'locals {\n  keys = [\n    "A",\n  ]\n}\n',
    ),
    "an element": (definition("secrets = [local.a]"), f"locals {{\n  a = {A}\n}}\n"),
}


@pytest.mark.parametrize("what", LOCALS)
def test_local_values_are_followed(what: str) -> None:
    """What stands in another file of the folder is read and edited there."""
    main, others = LOCALS[what]
    declared = declare(main, others + VARIABLE)
    assert pairs(declared.containers[0]) == [("A", "A")]
    edit = add(declared)
    assert Path(edit.file.name).name == ("main.tf" if what == "an element" else "other1.tf")
    assert pairs(apply(declared, edit).containers[0]) == [("A", "A"), (KEY, KEY)]


def test_the_name_of_a_container_may_be_put_together() -> None:
    """A name with interpolations is found by what it can become, a local value by its text."""
    named = definition(f"secrets = [{A}]", name="${var.project}-backend", label="b") + VARIABLE
    assert inserted(add(declare(named), "ohmycoins-staging-backend")) == f", {NEW}"
    reason = "no container backend; their containers: ${var.project}-backend. Add the reference yourself."
    assert reason in refusal(declare(named))
    text = definition(f"secrets = [{A}]").replace('"backend"\n', "local.n\n") + 'locals {\n  n = "api"\n}\n' + VARIABLE
    assert declare(text).containers[0].name == "api"


BASES = {
    "the commonest of the list": (
        f"secrets = [{reference('A', base='${x.y}')}, {reference('B', base='${z.arn}')}, "
        f"{reference('C', base='${z.arn}')}]",
        "${z.arn}",
    ),
    "a resource's": (f"secrets = [{reference('A', base='${aws_secretsmanager_secret.app.arn}')}]", ""),
    "a literal ARN": (
        f"secrets = [{reference('A', base='arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf')}]",
        "",
    ),
    "an ARN put together": (
        "secrets = ["
        + reference("A", base='arn:aws:secretsmanager:${var.region}:${lookup(var.ids, "a:b")}:secret:${local.name}')
        + "]",
        "",
    ),
    "an interpolation with colons": (f"secrets = [{reference('A', base='${var.on ? var.a : var.b}')}]", ""),
}


@pytest.mark.parametrize("which", BASES)
def test_the_secret_is_named_as_beside_it(which: str) -> None:
    """The new valueFrom begins as most of those around it do."""
    secrets, base = BASES[which]
    declared = declare(definition(secrets))
    base = base or declared.containers[0].references[0].value_from.removesuffix(":A::")
    assert f'"{base}:{KEY}::"' in inserted(add(declared))


def test_the_secret_is_named_as_in_another_list() -> None:
    """A list without references takes the spelling of its definition, then of its file."""
    other = definition(f"secrets = [{reference('A', base='${aws_x.y.arn}')}]", name="worker")
    declared = declare(definition("secrets = []") + other + VARIABLE)
    assert f'"${{aws_x.y.arn}}:{KEY}::"' in inserted(add(declared))


def test_of_several_secrets_it_is_the_one_that_has_its_keys() -> None:
    """A database may have a secret of its own, and more references than the application's; and one there stays."""
    database = [reference(name, name.lower(), base="${var.database_secret}") for name in ("USER", "PASSWORD", "HOST")]
    mixed = f"secrets = [{', '.join([*database, reference('A')])}]"
    edit = add_reference(declare(definition(mixed) + VARIABLE), "backend", KEY, KEY, ("A", "B"))
    assert edit and f'"${{var.secrets_arn}}:{KEY}::"' in inserted(edit)
    there = definition(mixed.replace("]", f", {NEW}]")) + VARIABLE
    assert add_reference(declare(there), "backend", KEY, KEY, ("A", KEY)) is None
    tied = f"secrets = [{', '.join([database[0], reference('A')])}]"
    edit = add_reference(declare(definition(tied) + VARIABLE), "backend", KEY, KEY, ("A",))
    assert edit and f'"${{var.secrets_arn}}:{KEY}::"' in inserted(edit)
    others = definition(f"secrets = [{', '.join(database)}]") + VARIABLE
    with pytest.raises(CannotEdit, match="no key of its references is in the secret"):
        add_reference(declare(others), "backend", KEY, KEY, ("A", "B"))


def test_the_secret_is_known_by_all_maps_that_are_merged() -> None:
    """The last of them may have no key yet that is in the secret."""
    merged = 'merge({ A = "${var.s}:A::" }, { B = "${var.s}:B::" })'
    declared = declare(definition(f"secrets = [for k, v in {merged} : {{ name = k, valueFrom = v }}]"))
    edit = add_reference(declared, "backend", KEY, KEY, ("A",))
    assert edit and inserted(edit) == f', {KEY} = "${{var.s}}:{KEY}::"'
    with pytest.raises(CannotEdit, match="no key of its references is in the secret"):
        add_reference(declared, "backend", KEY, KEY, ("C",))


def test_keys_that_cannot_be_told() -> None:
    """A whole secret, an SSM parameter, a pinned version and an expression: each is read for what it shows."""
    values = {
        '"${var.secrets_arn}"': "",
        '"arn:aws:secretsmanager:r:1:secret:n-AbCdEf"': "",
        '"arn:aws:ssm:r:1:parameter/a"': "",
        '"/a/b"': "",
        '"${var.secrets_arn}:K:AWSPREVIOUS:"': "K",
        '"${var.secrets_arn}:${var.key}::"': "",
        '"${var.secrets_arn}:K"': "",
        "aws_secretsmanager_secret.app.arn": "",
        'format("%s:K::", var.secrets_arn)': "K",
        'replace("x:K::", "x", var.secrets_arn)': "",
    }
    elements = [f'{{ name = "V{number}", valueFrom = {value} }}' for number, value in enumerate(values)]
    (container,) = declare(definition("secrets = [\n" + ",\n".join(elements) + "\n]")).containers
    assert [each.key for each in container.references] == list(values.values())
    assert [each.value_from for each in container.references][-3::2] == ["${aws_secretsmanager_secret.app.arn}", ""]


def test_what_else_may_be_there_is_told() -> None:
    """Parts of a list that come from elsewhere are named, so that nothing passes for missing."""
    text = definition(f'secrets = concat([{A}, {{ name = var.n, valueFrom = "x" }}, "y"], module.m.list, var.z[0])')
    (container,) = declare(text).containers
    assert pairs(container) == [("A", "A"), ("${var.n}", "")][:1]
    assert container.other_sources == (
        "an object on line 5",
        "a quoted string on line 5",
        "module.m.list on line 5",
        "an expression on line 5",
    )
    assert container.obstacle == ""


REFUSED: dict[str, tuple[str, str]] = {
    "a variable": (definition("secrets = var.x"), "its secrets are var.x on line 5."),
    "a condition": (definition(f"secrets = var.on ? [{A}] : []"), "its secrets are a condition on line 5."),
    "a for expression": (
        definition('secrets = [for k in var.keys : { name = k, valueFrom = "${var.secrets_arn}:${k}::" }]'),
        "its secrets are a for expression on line 5.",
    ),
    "a for expression with a filter": (
        definition('secrets = [for k in ["A"] : { name = k, valueFrom = "${var.secrets_arn}:${k}::" } if var.on]'),
        "its secrets are a for expression with a condition on line 5.",
    ),
    "a secret for each": (
        definition('secrets = [for k in ["A", "B"] : { name = k, valueFrom = "${var.arns[k]}:x::" }]'),
        'no reference nearby names the secret, and its folder has no variable "secrets_arn".',
    ),
    "a local that is not there": (definition("secrets = local.x"), "its secrets are local.x on line 5."),
    "a circle": (definition("secrets = local.x") + "locals {\n  x = local.x\n}\n", "its secrets are local.x on line"),
    "no secret named": (
        definition("secrets = []"),
        'no reference nearby names the secret, and its folder has no variable "secrets_arn".',
    ),
    "two secrets": (
        definition(f"secrets = [{A}, {reference('B', base='${x.arn}')}]"),
        "it references several secrets equally often.",
    ),
    "two secrets and a variable": (
        VARIABLE + definition(f"secrets = [{A}, {reference('B', base='${x.arn}')}]"),
        "it references several secrets equally often.",
    ),
    "a secret named by a function": (
        VARIABLE + definition('secrets = [{ name = "A", valueFrom = replace("X:A::", "X", var.app_arn) }]'),
        "the secret's ARN in its references cannot be read.",
    ),
    "merged with something": (
        definition("")
        .replace("    {\n", "    merge({\n")
        .replace("    }\n", "    }, var.more)\n")
        .replace('name = "backend"', 'name = "backend"'),
        "Not understood: ",
    ),
    "something merged before a variable": (
        VARIABLE + definition('secrets = [merge(var.more, { name = "A" })]'),
        "the secret's ARN in its references cannot be read.",
    ),
    "something merged before": (
        definition("").replace("    {\n", "    merge(var.more, {\n").replace("    }\n", "    })\n"),
        "var.more on line 3 may define its secrets.",
    ),
    "a condition between objects merged last": (
        definition(f"secrets = [{A}]")
        .replace("    {\n", "    merge({\n")
        .replace("    }\n", "    }, var.on ? {} : { secrets = [] })\n"),
        "a condition on line 6 may define its secrets.",
    ),
    "an empty object merged last": (
        definition("").replace("    {\n", "    merge({\n").replace("    }\n", "    }, {})\n") + VARIABLE,
        "the last object that it is merged from is empty.",
    ),
    "a condition around the container": (
        definition(f"secrets = [{A}]").replace("jsonencode([", "jsonencode(var.on ? [").replace("])\n", "] : [])\n"),
        "it is conditional.",
    ),
    "for_each": (
        definition(f"secrets = [{A}]").replace("  container", "  for_each = var.services\n  container"),
        "for_each creates several definitions with it.",
    ),
    "a list shared with another definition": (
        definition("secrets = local.x") + definition("secrets = local.x", name="web") + f"locals {{\n  x = [{A}]\n}}\n",
        "local.x is shared with container web of aws_ecs_task_definition.web.",
    ),
    "names shared with another definition": (
        definition('secrets = [for k in local.k : { name = k, valueFrom = "${var.s}:${k}::" }]')
        + definition('secrets = [for k in local.k : { name = k, valueFrom = "${var.s}:${k}::" }]', name="web")
        + 'locals {\n  k = ["A"]\n}\n',
        "local.k is shared with container web of aws_ecs_task_definition.web.",
    ),
    "a container shared with another definition": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = jsonencode([local.c])\n}\n'
        'resource "aws_ecs_task_definition" "b" {\n  container_definitions = jsonencode([local.c])\n}\n'
        f'{VARIABLE}locals {{\n  c = {{ name = "backend" }}\n}}\n',
        "Several task definitions have a container backend: aws_ecs_task_definition.a (",
    ),
    "a list shared with what cannot be read": (
        definition("secrets = local.x")
        + 'resource "aws_ecs_task_definition" "b" {\n  container_definitions = templatefile("t", { s = local.y })\n}\n'
        + f"locals {{\n  x = [{A}]\n  y = jsonencode(local.x)\n}}\n",
        "local.x may be a part of a task definition that could not be read.",
    ),
    "two definitions of a name": (
        definition("", label="a") + definition("", label="b") + VARIABLE,
        f"aws_ecs_task_definition.a ({MODULE}/main.tf, line 3), aws_ecs_task_definition.b ({MODULE}/main.tf, line 10).",
    ),
    "a template": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = templatefile("a.json", {})\n}\n',
        "aws_ecs_task_definition.a in infrastructure/terraform/modules/ecs/main.tf, line 2: its container definitions "
        "are templatefile() on line 2, which is not followed.",
    ),
    "a file": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = file("a.json")\n}\n',
        "its container definitions are file() on line 2, which is not followed.",
    ),
    "JSON in quotes": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = "[{\\"name\\": \\"backend\\"}]"\n}\n',
        "its container definitions are a quoted string on line 2, which is not followed.",
    ),
    "a template in a heredoc": (
        HEREDOC % ("EOF", "%{ if var.on },\n      %{ endif }", "EOF"),
        "its container definitions are a heredoc on line 2, which is not plain JSON.",
    ),
    "no JSON in a heredoc": (
        HEREDOC % ("EOF", ",", "EOF"),
        "its container definitions are a heredoc on line 2, which is not plain JSON.",
    ),
    "a merge conflict in a heredoc": (
        HEREDOC % ("EOF", "\n<<<<<<< HEAD\n=======\n,\n>>>>>>> other\n", "EOF"),
        "its container definitions are a heredoc on line 2, which has an unresolved merge conflict at line 12.",
    ),
    "a merge conflict elsewhere": (
        HEREDOC % ("EOF", ",", "EOF") + "/*\n<<<<<<< HEAD\n*/\n",
        "its container definitions are a heredoc on line 2, which is not plain JSON.",
    ),
    "secrets put into a heredoc": (
        HEREDOC % ("EOF", ',\n      "secrets": ${jsonencode(var.secrets)}', "EOF"),
        "its secrets are var.secrets on line 12.",
    ),
    "containers made by a for expression": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = jsonencode([for c in var.c : c])\n}\n',
        "some of its containers come from a for expression on line 2, which is not followed.",
    ),
    "a container from elsewhere": (
        'resource "aws_ecs_task_definition" "a" {\n  container_definitions = jsonencode([module.c.json_map])\n}\n',
        "a container comes from module.c.json_map on line 2, which is not followed.",
    ),
    "nothing": ("", "Terraform's task definitions have no container backend; their containers: none."),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_not_certain_is_refused(why: str) -> None:
    """The refusal says why and where."""
    text, reason = REFUSED[why]
    declared = declare(text)
    message = refusal(declared)
    assert reason in message
    assert message.endswith("leave it out of containers." if why == "nothing" else "dd the reference yourself.")
    for container in declared.containers:
        assert container.obstacle in message or "Several" in message or container.name != "backend"


@pytest.mark.parametrize("why", ["something merged before", "a condition between objects merged last"])
def test_what_something_else_may_define_is_not_missing(why: str) -> None:
    """The container may have references that could not be read."""
    declared = declare(REFUSED[why][0])
    assert declared.may_hide("backend")
    assert [f"{source} may define its secrets." for each in declared.containers for source in each.other_sources] == [
        REFUSED[why][1]
    ]


def test_lists_shared_within_a_definition() -> None:
    """Two containers of one definition may share a list: the edit says that both get the variable."""
    text = definition("secrets = local.x").replace(
        "    }\n  ])", '    },\n    {\n      name = "worker"\n      secrets = local.x\n    }\n  ])'
    )
    declared = declare(text + f"locals {{\n  x = [{A}]\n}}\n")
    edit = add(declared)
    assert "for container backend and, by the same list, worker of aws_ecs_task_definition.backend" in edit.what
    assert all((KEY, KEY) in pairs(container) for container in apply(declared, edit).containers)


@pytest.mark.parametrize(
    "secrets",
    ["local.x", "distinct(local.x)", '[for k in local.k : { name = k, valueFrom = "${var.secrets_arn}:${k}::" }]'],
)
def test_a_list_that_definitions_share_is_for_all_of_them_or_none(secrets: str) -> None:
    """Where every container that gets it is named, it is added once, and the edit names them."""
    text = "".join(definition(f"secrets = {secrets}", name=name) for name in ("backend", "web", "beat"))
    declared = declare(f'{text}locals {{\n  x = [{A}]\n  k = ["A"]\n}}\n')
    with pytest.raises(CannotFollow, match="Name beat, web in containers too, or add the reference yourself"):
        add_reference(declared, "backend", KEY, KEY, (), ("backend", "web"))
    edit = add_reference(declared, "backend", KEY, KEY, (), ("backend", "web", "beat"))
    assert edit and edit.what.endswith(
        "for container backend of aws_ecs_task_definition.backend and, by the same list, web of"
        " aws_ecs_task_definition.web and beat of aws_ecs_task_definition.beat"
    )
    after = apply(declared, edit)
    assert all((KEY, KEY) in pairs(container) for container in after.containers)
    assert add_reference(after, "web", KEY, KEY, (), ("backend", "web", "beat")) is None


def test_a_list_of_its_own_is_preferred_to_a_shared_one() -> None:
    """What concat() takes from elsewhere stays as it is."""
    text = definition(f"secrets = concat(local.x, [{B}])") + definition("secrets = local.x", name="web")
    declared = declare(text + f"locals {{\n  x = [{A}, {reference('C')}]\n}}\n")
    backend, web = apply(declared, add(declared)).containers
    assert (KEY, KEY) in pairs(backend)
    assert (KEY, KEY) not in pairs(web)
    assert "is shared" in refusal(declared, "web")


def test_of_two_definitions_the_one_with_references_is_meant() -> None:
    """A second definition that runs the same container without the secret is left alone."""
    declared = declare(definition("", label="migrate") + definition(f"secrets = [{A}]"))
    migrate, backend = apply(declared, add(declared)).containers
    assert (migrate.references, pairs(backend)) == ((), [("A", "A"), (KEY, KEY)])


@pytest.mark.parametrize(
    ("secrets", "environment", "reason"),
    [
        (f"secrets = [{reference(KEY, 'other')}]", "", f"has it from key other ({MODULE}"),
        (f"secrets = [{reference(KEY, base='${x.arn}')}, {A}, {B}]", "", "has it from another secret ("),
        (f"secrets = [{NEW.replace('::', ':AWSPREVIOUS:')}]", "", "elsewhere"),
        (f'secrets = [{{ name = "{KEY}", valueFrom = var.other }}, {A}]', "", "has it from elsewhere ("),
        (f"secrets = concat([{A}], var.on ? [{NEW}] : [])", "", "has it only under a condition ("),
        (f"secrets = [{A}]", f'environment = [{{ name = "{KEY}", value = "shown?" }}]', "has it in its environment"),
    ],
    ids=["another key", "another secret", "another version", "an expression", "a condition", "plain text"],
)
def test_a_name_taken(secrets: str, environment: str, reason: str) -> None:
    """A variable that is there from elsewhere is not added, and its value is not shown."""
    message = refusal(declare(definition(secrets, environment) + VARIABLE))
    assert message.startswith(f"{KEY} is taken: container backend of aws_ecs_task_definition.backend (")
    assert reason.removesuffix(MODULE) in message
    assert "shown?" not in message


def test_exactly_this_reference_is_there() -> None:
    """Nothing is to be done then, not even where nothing could be."""
    assert add_reference(declare(definition(f"secrets = [{NEW}]")), "backend", KEY, KEY) is None
    shared = definition("secrets = local.x") + definition("secrets = local.x", name="web")
    assert add_reference(declare(shared + f"locals {{\n  x = [{NEW}]\n}}\n"), "web", KEY, KEY) is None
    migrate = definition(f"secrets = [{A}, {NEW}]", label="migrate")
    assert add_reference(declare(definition(f"secrets = [{NEW}]") + migrate), "backend", KEY, KEY) is None


def test_each_definition_with_the_container_gets_the_reference() -> None:
    """One edit after the other, in the definitions that read secrets; one that reads none is left alone."""
    others = definition(f"secrets = [{B}]", label="worker") + definition("", label="proxy")
    declared = declare(definition(f"secrets = [{A}]") + others + VARIABLE)
    edited: list[str] = []
    while edit := add_reference(declared, "backend", KEY, KEY):
        edited.append(edit.what.rpartition(" of ")[2])
        declared = task_definitions_of((replace(edit.file, raw=edit.after),))
    assert edited == ["aws_ecs_task_definition.backend", "aws_ecs_task_definition.worker"]
    assert declared.files[0].text.count(NEW) == 2


@pytest.mark.parametrize(
    "value",
    [
        'format("%s:%s::", var.s, k)',
        'format("%s:%s", var.s, "${k}::")',
        'join(":", [var.s, k, "", ""])',
        'join("", [local.s, ":${k}::"])',
    ],
)
def test_a_value_from_may_be_put_together_by_a_function(value: str) -> None:
    """The new key goes to the names that the for expression runs over."""
    locals_ = 'locals {\n  s = var.s\n  names = ["A", "B"]\n}\n'
    declared = declare(definition(f"secrets = [for k in local.names : {{ name = k, valueFrom = {value} }}]") + locals_)
    (container,) = declared.containers
    assert pairs(container) == [("A", "A"), ("B", "B")] and {each.base for each in container.references} == {"${var.s}"}
    assert inserted(add(declared)) == f', "{KEY}"'


@pytest.mark.parametrize(
    "value",
    [
        "format(var.form, var.s, k)",
        'format("%s:%d::", var.s, k)',
        'format("%s", var.s, k)',
        'join(":", var.parts)',
        'join(":", [var.s, var.on ? k : "B", "", ""])',
    ],
)
def test_what_a_function_is_not_told_has_no_key(value: str) -> None:
    declared = declare(definition(f'secrets = [for k in ["A"] : {{ name = k, valueFrom = {value} }}]'))
    assert pairs(declared.containers[0]) == [("A", "")]
    assert "the secret's ARN in its references cannot be read" in refusal(declared)


def test_a_for_expression_takes_its_keys_as_names() -> None:
    """A variable that is called otherwise than its key does not fit in."""
    text = definition('secrets = [for k in ["A"] : { name = k, valueFrom = "${var.s}:${k}::" }]')
    assert "both must be the same" in refusal(declare(text), key="other")


@pytest.mark.parametrize(
    ("variable", "key"), [("A-B", "K"), ("", "K"), ("A", ""), ("A", "a:b"), ("A", 'a"}'), ("A", "${x}")]
)
def test_names_that_no_reference_can_have(variable: str, key: str) -> None:
    """They are refused, and not repeated, since they may be something else."""
    assert "characters" in refusal(declare(MAIN, VARIABLE), "backend", variable, key)


def test_a_file_that_is_no_hcl() -> None:
    """It is reported when read, by its line and without its text, and has to be mended first."""
    broken = MAIN.replace("network_mode             =", "network_mode = s3cr3t =")
    declared = declare(broken)
    assert declared.unreadable == (f"{MODULE}/main.tf, line 9 {UNREADABLE}",)
    with pytest.raises(UsageError) as raised:
        add_reference(declared, "backend", KEY, KEY)
    assert str(raised.value) == declared.unreadable[0]
    declared = declare(MAIN, VARIABLE + "}")
    assert declared.unreadable == (f"{MODULE}/other1.tf, line 5 {UNREADABLE}",)
    assert declared.containers[0].obstacle == f"{MODULE}/other1.tf beside it cannot be read as HCL"
    with pytest.raises(UsageError) as raised:
        add_reference(declared, "backend", KEY, KEY)
    assert str(raised.value) == declared.unreadable[0]
    assert "s3cr3t" not in "".join(traceback.format_exception(raised.value)) + repr(declared)


def test_the_ecs_module_comes_first(tmp_path: Path) -> None:
    """Its folder alone counts where it has a task definition, with all of its files."""
    files: dict[str, str | bytes] = {f"{MODULE}/main.tf": MAIN, f"{MODULE}/variables.tf": VARIABLE}
    declared = read_task_definitions(write(tmp_path, files | {"infrastructure/old.tf": definition("", name="old")}))
    assert [container.name for container in declared.containers] == ["backend", "frontend"]
    assert [file.name for file in declared.files] == [f"{MODULE}/main.tf", f"{MODULE}/variables.tf"]
    edit = add(declared)
    assert edit.file.path == tmp_path / MODULE / "main.tf"


def test_task_definitions_are_found_elsewhere(tmp_path: Path) -> None:
    """All below infrastructure count then, else all of the checkout, but not what Terraform keeps for itself."""
    files: dict[str, str | bytes] = {
        f"{MODULE}/main.tf": VARIABLE,
        "infrastructure/aws/tasks.tf": definition(f"secrets = [{A}]"),
        "infrastructure/aws/.terraform/modules/x/main.tf": definition("", name="fetched"),
        "infrastructure/aws/latin.tf": b"# \xe9",
        "deploy/tasks.tf": definition("", name="elsewhere"),
    }
    declared = read_task_definitions(write(tmp_path, files))
    assert [(container.name, container.file) for container in declared.containers] == [
        ("backend", "infrastructure/aws/tasks.tf")
    ]
    assert declared.unreadable == (f"{tmp_path}/infrastructure/aws/latin.tf is not UTF-8 text: save it as such.",)
    (tmp_path / "infrastructure/aws/tasks.tf").unlink()
    assert [container.name for container in read_task_definitions(tmp_path).containers] == ["elsewhere"]


def test_a_checkout_without_terraform(tmp_path: Path) -> None:
    """There is nothing to read, and nothing wrong."""
    declared = read_task_definitions(tmp_path)
    assert (declared.containers, declared.unreadable, declared.files) == ((), (), ())


NAMES = st.sampled_from(["SECRET_KEY", "A", "POSTGRES_PASSWORD", "OPENAI_API_KEY", "B_2", "lower", "REDIS_URL", "X9"])
KEYS = st.sampled_from(["", "db-password", "omc-CryptoPanic-testkey", "a.b/c", "K"])
SOME_NAMES = st.lists(NAMES, max_size=5, unique=True)
NOTES = st.sampled_from(
    ["", "", "", " # note", ' // { name = "NO", valueFrom = "${x}:NO::" },', " /* ] */", ' # é ] " {'],
)
BETWEEN = st.sampled_from(["", "", "", "# [above", "", "/* two\n   lines */", "// }"])


@st.composite
def elements(draw: st.DrawFn, json_style: bool, base: str, kind: str) -> list[str]:
    """References in one style; each list has its own."""
    names = draw(SOME_NAMES)
    separator = ": " if json_style else draw(st.sampled_from([" = ", " = ", "=", ": ", " : "]))
    quote = '"' if json_style else draw(st.sampled_from(["", "", "", '"']))
    reverse = draw(st.integers(0, 5)) == 5
    column = draw(st.booleans()) and max(map(len, names), default=0)
    pad = draw(st.sampled_from(["", " "]))
    found = []
    for name in names:
        value = f"{base}:{draw(KEYS) or name}::"
        texts = [f'{quote}name{quote}{separator}"{name}"', f'{quote}valueFrom{quote}{separator}"{value}"']
        if kind == "many":
            comma = "," if json_style or separator != " = " else ""
            texts[0] = texts[0] if "=" not in separator else texts[0].replace(separator, " " * 6 + separator, 1)
            found.append("{\n  " + f"{comma}\n  ".join(texts[:: -1 if reverse else 1]) + "\n}")
        else:
            gap = " " * (column - len(name) + 1) if column and not reverse else " "
            found.append(f"{{{pad}{f',{gap}'.join(texts[:: -1 if reverse else 1])}{pad}}}")
    return found


@st.composite
def lists(draw: st.DrawFn, json_style: bool, base: str) -> str:
    """A list of references, flush left, in one of the layouts that people use."""
    layout = draw(st.sampled_from(["lines", "lines", "lines", "one", "together", "leading"]))
    many = draw(st.booleans()) if layout in ("lines", "together") else False
    found = draw(elements(json_style, base, "many" if many else "few"))
    notes = st.just("") if json_style else NOTES
    if not found:
        return "[]" if json_style else draw(st.sampled_from(["[]", "[ ]", "[\n]", "[\n  # none\n]", "[ # none\n  ]"]))
    if layout in ("one", "together"):
        end = "," if not json_style and draw(st.integers(0, 3)) == 3 else ""
        return "[" + ", ".join(found) + end + "]"
    if layout == "leading" and not json_style:
        return "[\n  " + "\n  , ".join(f"{each}{draw(NOTES)}" for each in found) + "\n]"
    trailing = not json_style and draw(st.booleans())
    rows = []
    for number, each in enumerate(found):
        above = "" if json_style else draw(BETWEEN)
        rows += [above] if above else []
        comma = "," if trailing or number < len(found) - 1 else ""
        rows.append(f"{each}{comma}{draw(notes)}")
    rows += [] if json_style or not draw(st.booleans()) else ["# the end"]
    return "[\n" + textwrap.indent("\n".join(rows), "  ") + "\n]"


@st.composite
def containers(draw: st.DrawFn, name: str, json_style: bool, base: str) -> tuple[str, str]:
    """A container, flush left, and the local values that it needs."""
    quote, is_ = ('"', ": ") if json_style else ("", " = ")
    members = [f'{quote}name{quote}{is_}"{name}"', f'{quote}image{quote}{is_}"${{var.repo}}:${{var.tag["a b"]}}"']
    plain = ["P_ONE", "P_TWO"][: draw(st.integers(0, 2))]
    if draw(st.booleans()):
        pairs_ = [f'{{{quote}name{quote}{is_}"{each}", {quote}value{quote}{is_}"1"}}' for each in plain]
        one = draw(st.booleans())
        inner = ", ".join(pairs_) if one or not pairs_ else "\n  " + ",\n  ".join(pairs_) + "\n"
        members.append(f"{quote}environment{quote}{is_}[{inner}]")
    origins = ["none", "list", "list", "list"] + ([] if json_style else ["concat", "local", "both", "flatten"])
    where, text, local = draw(st.sampled_from(origins)), draw(lists(json_style, base)), ""
    if where in ("local", "both"):
        local = f"locals {{\n  {name}_more = {textwrap.indent(draw(lists(json_style, base)), '  ').lstrip()}\n}}\n"
    expressions = {
        "list": text,
        "concat": f"concat({text}, var.more)",
        "local": f"local.{name}_more",
        "both": f"concat(local.{name}_more, {text})",
        "flatten": f"flatten([{text}, var.on ? [] : var.more])",
    }
    if where != "none":
        members.insert(draw(st.integers(1, len(members))), f"{quote}secrets{quote}{is_}{expressions[where]}")
    members.append(f"{quote}cpu{quote}{is_}{'${var.cpu}' if json_style else 'var.cpu'}")
    comma = "," if json_style or draw(st.booleans()) else ""
    rows = [member + comma for member in members[:-1]] + [members[-1] + ("" if json_style else comma)]
    if not json_style:
        rows = [row + draw(NOTES) for row in rows]
    return "{\n" + textwrap.indent("\n".join(rows), draw(st.sampled_from(["  ", "  ", "\t"]))) + "\n}", local


@st.composite
def modules(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A whole main.tf, and the names of its containers."""
    blocks, names = [VARIABLE, 'resource "aws_ecs_service" "a" {\n  name = "${local.name}-a" # the name\n}\n'], []
    base = draw(st.sampled_from(["${var.secrets_arn}", "${aws_secretsmanager_secret.app.arn}", ARN]))
    for label in ["one", "two"][: draw(st.integers(1, 2))]:
        json_style = draw(st.integers(0, 3)) == 3
        texts = []
        for suffix in ["", "_b"][: draw(st.integers(1, 2))]:
            names.append(label + suffix)
            text, local = draw(containers(names[-1], json_style, base))
            texts.append(text)
            blocks.append(local)
        body = textwrap.indent(",\n".join(texts), "    ")
        whole = f"<<-JSON\n  [\n{body}\n  ]\n  JSON" if json_style else f"jsonencode([\n{body}\n  ])"
        head = f'# The task {label}.\nresource "aws_ecs_task_definition" "{label}" {{\n  family = "{label}"\n\n'
        blocks.append(f"{head}  container_definitions = {whole}\n}}\n")
    text = "\n".join(draw(st.permutations(blocks)))
    text = text if draw(st.booleans()) else text.rstrip("\n")
    text = text.replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n"])))
    return draw(st.sampled_from(["", "", BOM])) + text, names


ARN = "arn:aws:secretsmanager:${var.region}:${var.account}:secret:app-AbCdEf"
PAIR = re.compile(
    r'"?name"?\s*[=:]\s*"([^"]*)",?\s*"?valueFrom"?\s*[=:]\s*"([^"]*)"'
    r'|"?valueFrom"?\s*[=:]\s*"([^"]*)",?\s*"?name"?\s*[=:]\s*"([^"]*)"'
)


def plainly(parsed: Any) -> Iterator[tuple[str, str]]:
    """All references that hcl2 itself gives of a file."""
    if isinstance(parsed, str):
        for name, value, other_value, other_name in PAIR.findall(parsed):
            yield name or other_name, value or other_value
    elif isinstance(parsed, dict):
        members = {str(key).strip('"'): value for key, value in parsed.items()}
        if "valueFrom" in members:
            yield members["name"].strip('"'), members["valueFrom"].strip('"')
        for key, value in members.items():
            if not key.startswith("__"):
                yield from plainly(value)
    elif isinstance(parsed, list):
        for each in parsed:
            yield from plainly(each)


def contents_of(declared: TaskDefinitions) -> dict[str, Counter[tuple[str, ...]]]:
    """Everything read of each container."""
    return {
        each.name: Counter(
            [*((r.variable, r.value_from, r.key) for r in each.references), *((n,) for n in each.environment)]
        )
        for each in declared.containers
    }


@pytest.fixture
def one_parse_of_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hcl2 parse the same text once; that is nearly all that the generated files cost."""
    parse = lru_cache(64)(hcl2.api.parses_to_tree)
    for module in (hcl2, hcl2.api):
        monkeypatch.setattr(module, "parses_to_tree", parse)


@pytest.mark.long
@pytest.mark.usefixtures("one_parse_of_a_text")
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules(), st.data())
def test_any_module_gets_exactly_one_reference(module: tuple[str, list[str]], data: st.DataObject) -> None:
    """Whatever a file looks like: text is inserted at one place, and the reference is all that it says."""
    text, names = module
    name, key = data.draw(st.sampled_from(names)), data.draw(st.sampled_from([KEY, "new.key-1"]))
    declared = declare(text)
    assert (declared.unreadable, sorted(each.name for each in declared.containers)) == ((), sorted(names))
    edit = add(declared, name, KEY, key)
    before, after = contents_of(declared), contents_of(apply(declared, edit))
    ((variable, value_from, found),) = (after[name] - before[name]).elements()
    assert (variable, found) == (KEY, key)
    assert before == after | {name: after[name] - Counter([(variable, value_from, found)])}
    changed = edit.after.decode()
    first, second = (Counter(plainly(hcl2.loads(each.removeprefix(BOM)))) for each in (text, changed))
    assert second - first == Counter([(KEY, value_from)])
    assert not first - second
    assert (b"\r\n" in edit.after) == (b"\r\n" in edit.file.raw)
    assert edit.after.count(b"\r\n") in (0, edit.after.count(b"\n"))
    assert all(each.strip() == each.rstrip() or each[:1] in " \t" for each in inserted(edit).splitlines())


OVERRIDDEN = """
resource "aws_ecs_task_definition" "backend" {
  family = "backend"
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = local.secrets
  }])
}
"""


def _locals(*keys: str) -> str:
    listed = "\n".join(f'    {{ name = "{key}", valueFrom = "${{var.secrets_arn}}:{key}::" }},' for key in keys)
    return f"locals {{\n  secrets = [\n{listed}\n  ]\n}}\n"


@pytest.mark.parametrize("name", ["override.tf", "staging_override.tf", "a_override.tofu"])
@pytest.mark.parametrize("what", ["a local value", "a resource"])
def test_an_override_file_has_the_last_word(name: str, what: str, tmp_path: Path) -> None:
    """What it replaces is no reference, and a new one goes into it."""
    main = OVERRIDDEN + VARIABLE
    files = {"main.tf": main + _locals("A", "B"), name: _locals("A")}
    if what == "a resource":
        other = OVERRIDDEN.replace("local.secrets", "local.others").replace('  family = "backend"\n', "  others = 1\n")
        files = {
            "main.tf": main + _locals("A", "B"),
            name: other,
            "others.tf": _locals("A").replace("secrets =", "others ="),
        }
    write(tmp_path, files)
    found = read_task_definitions(tmp_path)
    (container,) = found.containers
    assert [each.variable for each in container.references] == ["A"]
    edit = add_reference(found, "backend", KEY, KEY)
    assert edit and edit.file.name == (name if what == "a local value" else "others.tf")


def test_a_definition_whose_own_services_ignore_new_revisions_is_deployed_apart() -> None:
    """What another definition's service ignores does not count."""
    service = 'resource "aws_ecs_service" "{0}" {{\n  task_definition = aws_ecs_task_definition.{0}.arn\n{1}}}\n'
    ignoring = "  lifecycle {\n    ignore_changes = [task_definition]\n  }\n"
    services = service.format("backend", ignoring) + service.format("worker", "")
    found = declare(definition("") + definition("", label="worker") + services).containers
    assert [(each.definition.rpartition(".")[2], each.is_deployed_apart) for each in found] == [
        ("backend", True),
        ("worker", False),
    ]


def test_local_values_that_need_each_other_come_to_an_end() -> None:
    """The definition that uses them is not understood."""
    text = 'resource "aws_ecs_task_definition" "a" {\n  container_definitions = local.a\n}\n'
    found = declare(f"{text}locals {{\n  a = local.b\n  b = local.a\n}}\n")
    assert not found.containers and "aws_ecs_task_definition.a in" in found.unreadable[0]


def test_a_first_list_is_indented_as_its_object_is() -> None:
    """By four blanks here."""
    text = definition("").replace("      name", "        name")
    assert f"\n{' ' * 12}{NEW}" in inserted(add(declare(text + VARIABLE)))


def test_a_definition_with_a_count_of_0_has_no_containers(tmp_path: Path) -> None:
    """Nothing gets its references, and it gets none."""
    old = OVERRIDDEN.replace('  family = "backend"', "  count  = local.old").replace("local.secrets", "[]")
    (tmp_path / "old.tf").write_text(old.replace('"backend" {', '"old" {') + "locals {\n  old = 0\n}\n")
    (tmp_path / "main.tf").write_text(OVERRIDDEN + VARIABLE + _locals("A"))
    found = read_task_definitions(tmp_path)
    assert [each.definition for each in found.containers] == ["aws_ecs_task_definition.backend"]


def test_comments_within_a_line_are_read_and_stay() -> None:
    """Anywhere between two words, and not in a string or a heredoc that looks like one."""
    text = definition(f"secrets = /* [ */ [{A}] /* end */").replace(
        'name = "backend"',
        'name /* its */ = /* " */ "backend" # /* not closed\n      command = ["ls /* */", <<-E\n /* x */\n E\n]',
    )
    declared = declare(text.replace('" {', '" /* { */ {', 1) + VARIABLE)
    edit = add(declared)
    after = edit.after.decode()
    assert all(each in after for each in ("/* [ */ [", "/* end */", '"ls /* */"', " /* x */\n", "/* { */"))
    (container,) = apply(declared, edit).containers
    assert pairs(container) == [("A", "A"), (KEY, KEY)]
