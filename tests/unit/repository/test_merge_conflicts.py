"""Files of a checkout in which git has marked what it could not merge."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write_files as write

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.repository.workflows import read_workflows
from omc_runbook.terraform.task_definitions import read_task_definitions

MARKED = "<<<<<<< HEAD\n{}||||||| 1a2b3c4\n=======\n{}>>>>>>> 5d6e7f8 (feat: add a key)\n"
SETTINGS = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    SECRET_KEY: str\n"
OF_LINES = SETTINGS.replace("Settings(BaseSettings)", "Config(\n    BaseSettings,\n)")
RENAMED = SETTINGS.replace("BaseSettings\n", "BaseSettings as Base\n").replace("Settings(BaseSettings", "Config(Base")
SERVICES = "services:\n  api:\n    build: .\n"
WHOLE = {"web/conf.py": SETTINGS, "compose.yaml": SERVICES}


def _sentence(name: str, text: str) -> str:
    line = text[: text.index("<<<<<<<")].count("\n") + 1
    return f"{name} has an unresolved merge conflict at line {line}: resolve it, then run again."


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app/settings.py", SETTINGS + MARKED.format("    A: str\n", "    B: str\n")),
        ("shop/conf.py", SETTINGS + MARKED.format("    A: str\n", "    B: str\n")),
        ("shop/conf.py", OF_LINES + MARKED.format("    A: str\n", "    B: str\n")),
        ("shop/conf.py", RENAMED + MARKED.format("    A: str\n", "    B: str\n")),
        ("compose.yaml", SERVICES + MARKED.format("    env_file: .env\n", "    environment:\n      A: b\n")),
    ],
)
def test_settings_and_compose_are_not_read_before_it_is_resolved(
    name: str, text: str, newline: str, tmp_path: Path
) -> None:
    """Nor does another class of settings stand in for the one that git could not merge."""
    write(tmp_path, WHOLE)
    read_checkout(tmp_path)
    write(tmp_path, {name: text.replace("\n", newline)})
    with pytest.raises(UsageError) as refusal:
        read_checkout(tmp_path)
    assert str(refusal.value) == _sentence(name, text)


def test_code_that_asks_the_environment_is_not_read_before_it_is_resolved(tmp_path: Path) -> None:
    """Where there is no class of settings; a conflict in code that asks for nothing is left alone."""
    write(
        tmp_path, {"shop/main.py": 'import os\n\nA = os.environ["A"]\n', "shop/views.py": MARKED.format("a = 1\n", "")}
    )
    assert [each.name for each in read_checkout(tmp_path).settings.fields] == ["A"]
    text = "import os\n\n" + MARKED.format('B = os.environ["B"]\n', 'C = os.environ["C"]\n')
    write(tmp_path, {"shop/db.py": text})
    with pytest.raises(UsageError) as refusal:
        read_checkout(tmp_path)
    assert str(refusal.value) == _sentence("shop/db.py", text)


def test_marks_in_a_text_are_no_conflict(tmp_path: Path) -> None:
    """A docstring may show them."""
    text = '"""\n' + MARKED.format("a\n", "b\n") + '"""\nclass ShopSettings: ...\n'
    write(tmp_path, WHOLE | {"shop/conf.py": text})
    assert read_checkout(tmp_path).settings.path == "web/conf.py"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("infra/main.tf", MARKED.format("locals {}\n", "# b\n")),
        ("infra/terraform.tfvars", MARKED.format('keys = ["A"]\n', 'keys = ["B"]\n')),
        ("infra/terraform.tfvars.json", "{\n" + MARKED.format('"keys": ["A"]\n', '"keys": ["B"]\n') + "}\n"),
    ],
)
def test_terraforms_file_is_named_with_it(name: str, text: str, tmp_path: Path) -> None:
    """So that what the file has is unknown, for this reason."""
    definition = (
        'variable "keys" {}\nresource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name ='
        ' "api", secrets = [for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
    )
    write(tmp_path, {"infra/api.tf": definition, name: text})
    assert read_task_definitions(tmp_path).unreadable == (_sentence(name, text),)


@pytest.mark.parametrize(
    ("invalid", "expected"),
    [
        (MARKED.format("# a\n", "# b\n"), "infra/main.tf has an unresolved merge conflict at line 11: "),
        ("locals {\n  keys = [\n}\n", "infra/main.tf, line 13 cannot be read as HCL: "),
    ],
)
def test_marks_in_terraforms_texts_are_no_conflict(invalid: str, expected: str, tmp_path: Path) -> None:
    """What is not valid after them is named, with its own line."""
    text = "locals {\n  example = <<EOT\n" + MARKED.format("a\n", "b\n") + "EOT\n}\n"
    write(tmp_path, {"infra/api.tf": 'resource "aws_ecs_task_definition" "api" {}\n', "infra/main.tf": text + invalid})
    assert any(each.startswith(expected) for each in read_task_definitions(tmp_path).unreadable)


def test_a_workflow_is_named_with_it(tmp_path: Path) -> None:
    """As a file that is not read."""
    name, text = ".github/workflows/deploy.yml", "on: push\n" + MARKED.format("env:\n  A: b\n", "env:\n  B: c\n")
    write(tmp_path, {name: text})
    assert read_workflows(tmp_path).unreadable == (_sentence(name, text),)
