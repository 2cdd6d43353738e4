"""What a large checkout costs: for three times as many stacks about three times the calls of functions."""

from functools import partial
from pathlib import Path

from support.call_counts import count_calls

from omc_runbook.terraform.containers import find_containers
from omc_runbook.terraform.files import TerraformFiles
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
    return tuple(SourceFile(Path("/checkout") / name, name, text.encode()) for name, text in texts.items())


def test_a_checkout_of_many_stacks_takes_as_many_calls_a_stack_as_one_of_few() -> None:
    """Who calls a module is found once, and other definitions are asked only where the container's own say nothing."""
    containers, unreadable = find_containers(checkout(1))
    assert (len(containers), unreadable) == (CALLS, ())
    small, large = (count_calls(partial(find_containers, checkout(stacks))) for stacks in (8, 24))
    assert large < 3.3 * small


def test_the_folders_of_a_checkout_are_listed_once(tmp_path: Path) -> None:
    """Which of them have Terraform's files shows while they are walked through."""
    for name in ("a/main.tf", "a/b/main.tofu", "c/main.tf.json", "d/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = TerraformFiles(tmp_path)
    assert count_calls(lambda: files.folders, "scandir") == len([tmp_path, *tmp_path.rglob("*/")])
    assert [str(each.relative_to(files.root)) for each in files.folders] == ["a", "a/b", "c"]
