"""Expressions of Terraform: what each evaluates to, and what is left open with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omc_runbook.terraform.evaluation import Module, Stack
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.marks import computed, is_known, reasons

FILES = """
variable "name" { default = "shop" }
variable "unset" {}
locals {
  table = { a = { b = "deep" }, list = ["x", "y", "z"] }
  count = 2
}
resource "aws_ecs_cluster" "main" { name = "${var.name}-cluster" }
resource "aws_ecs_service" "many" {
  for_each = { api = "A", worker = "W" }
  name     = "${var.name}-${each.key}-${each.value}"
}
resource "aws_ecs_service" "counted" {
  count = local.count
  name  = "svc-${count.index}"
}
resource "aws_ecs_service" "none" {
  count = 0
  name  = "none"
}
"""


OPEN = """
resource "aws_ecs_service" "open" {
  for_each = var.unset
  name     = each.key
}
resource "aws_ecs_service" "half" {
  for_each = toset(["api", var.unset])
  name     = each.key
}
resource "aws_ecs_service" "chained" {
  for_each = aws_ecs_service.many
  name     = "${each.key}-${each.value.name}"
}
"""
"""Services of which not all keys are known, or whose keys are those of others."""


def evaluate(expression: str, root: Path) -> Any:
    """The value of an expression in a module with `FILES` and `OPEN`."""
    (root / "main.tf").write_text(f"{FILES}\nlocals {{\n  it = {expression}\n}}\n{OPEN}")
    files = TerraformFiles(root)
    result = Module(Stack(files, root.resolve(), "prod"), root.resolve(), files.folder(root), {}).local("it")
    assert result is not None
    return result.value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('"${var.name}-x"', "shop-x"),
        ('"$${literal} \\"quoted\\" %%{x}"', '${literal} "quoted" %{x}'),
        ("local.table.a.b", "deep"),
        ('local.table["list"][1]', "y"),
        ('lookup(local.table.a, "c", "other")', "other"),
        ('var.name == "shop" && !false ? "yes" : "no"', "yes"),
        ("1 + 2 * 3 - 1", 6),
        ("-local.count", -2),
        ('[for each in local.table.list : upper(each) if each != "y"]', ["X", "Z"]),
        ("{ for at, each in local.table.list : each => at }", {"x": 0, "y": 1, "z": 2}),
        ('{ (var.name) = 1, "${var.name}-2" = 2 }', {"shop": 1, "shop-2": 2}),
        ("merge({ a = 1 }, { a = 2, b = 3 })", {"a": 2, "b": 3}),
        ('concat(["a"], [], ["b"])', ["a", "b"]),
        ('concat(["a"], [["b"], ["c"]]...)', ["a", "b", "c"]),
        ('format("%s-%03d", var.name, 7)', "shop-007"),
        ('format("%q", var.name)', None),
        ('format("%s-%v", var.name, 7)', "shop-7"),
        ('join("-", ["a", 1, true])', "a-1-true"),
        ('replace(lower("A_B"), "_", "-")', "a-b"),
        ('replace("a1-b2", "/([a-z])[0-9]/", "$1")', "a-b"),
        ('substr("abcdef", -3, 3)', "def"),
        ('regex("^[a-z]+", "abc-1")', "abc"),
        ('regex("^(\\w+)-(\\d)", "abc-1")', ["abc", "1"]),
        ('formatlist("%s-%s", var.name, ["a", "b"])', ["shop-a", "shop-b"]),
        ('[for pair in setproduct(["a"], ["b", "c"]) : join("", pair)]', ["ab", "ac"]),
        ('title("my-shop_a API")', "My-Shop_a API"),
        ("basename(abspath(path.module)) == basename(path.root)", True),
        ("path.cwd == path.root", True),
        ('"${local.table.list}"', ["x", "y", "z"]),
        ('"${local.count}"', "2"),
        ('"${jsonencode({ a = local.count })} "', '{"a": 2} '),
        ('"%{ if local.count > 1 }x%{ else }y%{ endif }"', "x"),
        ('"%{ if false }x%{ else }%{ if true }y%{ endif }%{ endif }%%{ x }"', "y%{ x }"),
        ('"[%{ for i, x in local.table.list ~}  ${x}${i}, %{~ endfor }]"', "[x0,y1,z2,]"),
        ("merge(var.unset, { a = 1 }).a", 1),
        ('[aws_ecs_cluster.main.arn != "", aws_ecs_cluster.main.arn == null]', [True, False]),
        ('coalesce("", null, "c")', "c"),
        ('try(local.table.missing.deeper, "fallback")', "fallback"),
        ('try(upper(local.table.missing), tonumber("x"), local.table.list[9], "fallback")', "fallback"),
        ('try(file("missing.json"), "fallback")', "fallback"),
        ('try(aws_ecs_service.none[0].name, "fallback")', "fallback"),
        ('try(local.table.missing ? "a" : "b", "x-${local.table.missing}", "fallback")', "fallback"),
        ('jsondecode("{\\"a\\": [1]}").a[0]', 1),
        ("terraform.workspace", "prod"),
        ("aws_ecs_cluster.main.name", "shop-cluster"),
        ('aws_ecs_service.many["api"].name', "shop-api-A"),
        ("values(aws_ecs_service.many)[*].name", None),
        ("[for each in aws_ecs_service.counted : each.name]", ["svc-0", "svc-1"]),
        ("aws_ecs_service.counted[*].name", ["svc-0", "svc-1"]),
        ("aws_ecs_service.counted.1.name", "svc-1"),
        ("{ for k, v in aws_ecs_service.many : k => v.name }", {"api": "shop-api-A", "worker": "shop-worker-W"}),
        ('aws_ecs_service.chained["api"].name', "api-shop-api-A"),
        ("[for k, v in aws_ecs_service.counted : k]", [0, 1]),
        ("one(aws_ecs_service.none[*].name)", None),
        ('[can(var.name), can(local.table.missing), can(upper(regex("^z", var.name)))]', [True, False, False]),
        ('contains(["a", var.unset], "a")', True),
        ('aws_ecs_service.half["api"].name', "api"),
        ('join("", aws_ecs_service.none.*.name)', ""),
        ("<<-EOT\n    name: ${var.name}\n      deeper\n  EOT\n", "name: shop\n  deeper\n"),
        ("<<EOT\n    name: ${var.name}\nEOT\n", "    name: shop\n"),
        ('"true" ? "yes" : "no"', "yes"),
        ('format("%s at 5%", var.name)', None),
        ('zipmap(["a"], [1]).a', 1),
        ('yamldecode("a: &a {x: 1}\\nb: &b {x: 2}\\nc: {<<: [*a, *b]}\\n").c.x', 2),
        ('yamldecode("a: &a {x: 1}\\nb: {x: 2, <<: *a}\\n").b.x', 1),
        ('yamldecode("a: &a {x: 1, <<: *a}\\n").a.x', 1),
        ('data.template_file.t.rendered\n}\ndata "template_file" "t" {\n  template = "x"', "x"),
    ],
)
def test_what_is_known_is_evaluated(expression: str, value: Any, tmp_path: Path) -> None:
    """As Terraform would; None stands for null, and for what this reading leaves open."""
    result = evaluate(expression, tmp_path)
    assert (result if is_known(result) else None) == value


def test_an_attribute_after_an_apply_stays_within_its_text(tmp_path: Path) -> None:
    """A valueFrom keeps its key, and says which resource's ARN it begins with."""
    mark = computed("aws_ecs_cluster.main", "arn")
    assert evaluate('"${aws_ecs_cluster.main.arn}:KEY::"', tmp_path) == f"{mark}:KEY::"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ('"x-${var.unset}"', "variable unset has no value in the checkout"),
        ("upper(var.unset)", "variable unset has no value in the checkout"),
        ('try(var.unset, "fallback")', "variable unset has no value in the checkout"),
        ('try(nothing_known(1), "fallback")', "nothing_known() in main.tf"),
        ('try(upper(var.unset), "fallback")', "variable unset has no value in the checkout"),
        ('try(local.table.missing, var.unset, "fallback")', "variable unset has no value in the checkout"),
        ('try(aws_ecs_service.many[var.unset].name, "fallback")', "variable unset has no value in the checkout"),
        ('try(format("%q", "x"), "fallback")', "format() in main.tf"),
        ('try(one(["a", "b"]), "fallback")', "one() in main.tf"),
        ("try()", "try() in main.tf"),
        ("{ for k, v in aws_ecs_service.open : k => v.name }", "variable unset has no value in the checkout"),
        ("one(var.unset)", "variable unset has no value in the checkout"),
        ("can(var.unset)", "variable unset has no value in the checkout"),
        ("can([var.unset])", "variable unset has no value in the checkout"),
        ('contains([var.unset], "a")', "variable unset has no value in the checkout"),
        ('setsubtract(["a"], [var.unset])', "variable unset has no value in the checkout"),
        ('setintersection(["a"], [var.unset])', "variable unset has no value in the checkout"),
        ('try(aws_ecs_service.open["api"].name, "fallback")', "whether there is an instance api is not known"),
        ('try(aws_ecs_service.half["other"].name, "fallback")', "whether there is an instance other is not known"),
        ("try(length(aws_ecs_service.many), 0)", "length() in main.tf"),
        ('try(regex("[[:alpha:]]", "x"), regex("(?<n>x)", "x"), "fallback")', "regex() in main.tf"),
        ("local.it", "local.it refers to itself"),
        ("local.nowhere", "local.nowhere is not declared"),
        ('var.unset == "a" ? "x" : "y"', "depends on what is not known: variable unset has no value"),
        ("merge({ a = 1 }, var.unset).a", "variable unset has no value in the checkout"),
        ('lookup(merge({ a = 1 }, var.unset), "b", 2)', "variable unset has no value in the checkout"),
        ('templatefile("missing.tpl", {})', "file missing.tpl is not in the checkout"),
        ('try(file("../outside.json"), "fallback")', "file outside.json is not in the checkout"),
        ('sha256("x")', "sha256() in main.tf"),
        ('var.name["x"]', "an index of a text"),
        ('{ for each in ["x", "x"] : each => 1... }', "an expression in main.tf:23 is not followed"),
        ('zipmap(["a"], [1, 2])', "zipmap() in main.tf:23 is not followed"),
        ("1 / 0", "an expression in main.tf:23 could not be evaluated"),
        ("range(100000000)", "range() in main.tf:23 is not followed"),
        ("[for a in range(1000) : [for b in range(1000) : b]]", "main.tf:23 has more than 20,000 entries"),
        ("[for a in range(1000) : range(1000)]", "main.tf:23 has more than 20,000 entries"),
        ('"%{ for a in range(1000) }%{ for b in range(1000) }x%{ endfor }%{ endfor }"', "more than 20,000 entries"),
        ("setproduct(range(1000), range(1000), range(1000))", "setproduct() in main.tf:23 is not followed"),
        ('yamldecode("2026-01-01")', "a date in YAML is not followed"),
        ('yamldecode("a: [")', "yamldecode() in main.tf:23 is not followed"),
        ('"%{ if true }x"', "a template in main.tf has directives that are not followed"),
        ('"%{ if var.unset == 1 }x%{ endif }"', "variable unset has no value in the checkout"),
        ('"%{ for x in var.unset }x%{ endfor }"', "variable unset has no value in the checkout"),
    ],
)
def test_what_is_not_known_says_why(expression: str, reason: str, tmp_path: Path) -> None:
    """A clause that names the cause."""
    (clause, *_) = reasons(evaluate(expression, tmp_path))
    assert reason in clause


OPTIONAL = """
variable "services" {
  type = map(object({
    port    = optional(number)
    secrets = optional(list(string), ["A"])
    health  = optional(object({ path = optional(string, "/") }), {})
    sidecars = optional(list(object({ name = optional(string, "proxy") })), [])
  }))
  default = { api = { port = 80, secrets = null, sidecars = [{}] }, worker = { health = { path = "/up" } } }
}
variable "open" {
  type    = object({ size = optional(number, 1), name = optional(string) })
  default = {}
}
"""


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('[for each in var.services : try(each.secrets, ["other"])]', [["A"], ["A"]]),
        ("[for each in var.services : each.health.path]", ["/", "/up"]),
        ("[for each in var.services : each.port]", [80, None]),
        ("var.services.api.sidecars[0].name", "proxy"),
        ("var.open", {"size": 1, "name": None}),
        ('lookup(var.open, "name", "other")', None),
    ],
)
def test_an_attribute_that_a_type_lets_out_has_its_default(expression: str, value: Any, tmp_path: Path) -> None:
    """Or null: it is there, so that try() has no reason to go on."""
    (tmp_path / "types.tf").write_text(OPTIONAL)
    assert evaluate(expression, tmp_path) == value


def test_an_output_that_a_module_does_not_have_fails(tmp_path: Path) -> None:
    """As Terraform's does, so that try() goes on."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "modules.tf").write_text('module "inner" { source = "./inner" }\n')
    assert evaluate('try(module.inner.nothing, "fallback")', tmp_path) == "fallback"
    assert reasons(evaluate("module.inner.nothing", tmp_path)) == ("module.inner has no output nothing",)


def test_a_module_that_calls_itself_comes_to_an_end(tmp_path: Path) -> None:
    """Terraform refuses it; here it is left open."""
    (tmp_path / "main.tf").write_text('module "again" { source = "./" }\noutput "o" { value = module.again.o }\n')
    files = TerraformFiles(tmp_path)
    module = Module(Stack(files, tmp_path.resolve(), ""), tmp_path.resolve(), files.folder(tmp_path.resolve()), {})
    assert len(list(module.walk())) < 20
    output = module.output("o")
    assert output and not is_known(output.value)


@pytest.mark.parametrize(
    "expression",
    [
        'replace(var.name, "/(/", "")',
        'replace(var.name, "/(s)/", "$2")',
        'regex("[", var.name)',
        'replace("my shop", "/[^[:alnum:]]/", "-")',
    ],
)
def test_a_regular_expression_that_means_something_else_in_python_is_left_open(expression: str, tmp_path: Path) -> None:
    assert not is_known(evaluate(expression, tmp_path))
