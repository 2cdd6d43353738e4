"""Our evaluation of Terraform's expressions beside another's: tfparse has HashiCorp's own parser and functions."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.terraform_expressions import TerraformExpressions

from omc_runbook.terraform.evaluation import Module, Stack
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.functions import as_text
from omc_runbook.terraform.marks import is_known

RANDOM = 1_500
TOP = "it"
READ = "import json, sys, tfparse; json.dump(tfparse.load_from_path(sys.argv[1])['locals'][0], sys.stdout)"
"""In a process of its own, since it starts threads, and workers of the tests are forked."""

KNOWN = (
    '1 == "1"',
    "1 == true",
    '[1, 2] == ["1", "2"]',
    '"1" + "2"',
    "-7 % 3",
    "7 / 2",
    "4 / 2",
    "1e3",
    '!"false"',
    '"false" || true',
    '"10" > "9"',
    '"\\u0041\\r\\t\\U0001F600\\\\n"',
    'dirname("c.txt")',
    "contains([1, 2], true)",
    'element(["a", "b"], "3")',
    'format("%d%%|%05.1f|%x|%t|%v|%[1]d", "3", 1.25, 255, true, [1, "a"])',
    'join("-", toset(["b", "a"]), ["c"])',
    'join(",", [for i, x in toset(["b", "a"]) : "${i}${x}"])',
    "toset([3, 1, 2])",
    '[for pair in setproduct(toset(["\\"q", "a b", "a", "0"]), [10, 1]) : join("+", pair)]',
    '[for x in toset([["b"], ["a b"], ["a"]]) : x[0]]',
    "range(3, 0)",
    "sort([3, 1, 10])",
    'split("", "abc")',
    'replace("a-b", "/(a)/", "\\\\$1\\\\")',
    'regexall("(\\\\d)([a-z])", "1a2b")',
    "null[*]",
    '{ 1 = "a", true = "b" }',
    '"a${jsonencode("b\\"c")}: ${jsonencode(["d"])}"',
    '<<EOT\n{"a": "x\\"y\\n", "b": $${c} %%{d}}\nEOT\n',
    'jsondecode(<<EOT\n{"a": "x\\"y\\n", "b": ${jsonencode("v")}}\nEOT\n)',
    'jsondecode("[1.0, 1e2]") == [1, 100]',
    'contains([1, 2], yamldecode("2.0"))',
    'yamldecode("a: 010\\nb: 12:30\\nc: 1_000\\nd: 0o17\\ne: yes\\nf: 1.5\\ng: 0777\\nh: ~\\ni: =\\nj: [n, +5]\\n")',
    'yamldecode("a: &a {x: 1}\\nb: &b {x: 2}\\nc: {<<: [*a, *b]}\\nd: {x: 3, <<: *a}\\ne: {<<: *a, x: 3}\\n")',
)
"""What once came out otherwise."""
REFUSED = ('"a" < "b"', '"x" * 3', "[1] + [2]", "range(100000000)", "tobool(1)", "tonumber(true)", "[1][-1]")
REFUSED += ('[for x in "abc" : x]', 'slice(["a"], 0, 5)', 'format("%s", "a", "b")', "[1, 2][0.5]", "1 ? 2 : 3")


def theirs(root: Path) -> dict[str, Any]:
    ended = subprocess.run([sys.executable, "-c", READ, root], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def comparable(value: Any) -> Any:
    """A value with each number and bool as a text: Terraform converts them, and neither evaluator shows where."""
    if isinstance(value, dict):
        return {key: comparable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return None if value is None else as_text(value)


def evaluate(root: Path, expressions: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the two make of each expression, by its name: ours as far as it is known, and theirs, null if refused."""
    (root / "main.tf").write_text(
        "locals {\n" + "".join(f"  {key} = {it}\n" for key, it in expressions.items()) + "}\n"
    )
    files = TerraformFiles(root)
    module = Module(Stack(files, root.resolve(), "prod"), root.resolve(), files.folder(root), {})
    results = {name: module.local(name) for name in expressions}
    values = {name: result.value for name, result in results.items() if result and is_known(result.value)}
    read = theirs(root)
    return {name: comparable(value) for name, value in values.items()}, {key: comparable(read[key]) for key in results}


pytestmark = pytest.mark.skipif(not importlib.util.find_spec("tfparse"), reason="needs tfparse")


def test_what_is_known_is_what_terraform_makes_of_it(tmp_path: Path) -> None:
    expressions = {f"e{at}": expression for at, expression in enumerate(KNOWN)}
    ours, other = evaluate(tmp_path, expressions)
    assert {expressions[name]: ours.get(name, "unknown") for name in expressions} == {
        expressions[name]: value for name, value in other.items()
    }


def test_what_terraform_refuses_is_not_known(tmp_path: Path) -> None:
    """Nor does it end the reading of a checkout."""
    expressions = {f"e{at}": expression for at, expression in enumerate(REFUSED)}
    ours, other = evaluate(tmp_path, expressions)
    assert ours == {} and {*other.values()} == {None}


@pytest.mark.long
def test_random_expressions_are_evaluated_alike(tmp_path: Path) -> None:
    """Thousands of functions within functions: what is known here is nothing else there."""
    seed = 1 if os.environ.get("CI") else random.randrange(10**6)
    maker = TerraformExpressions(seed)
    expressions = {f"e{at}": maker.make() for at in range(RANDOM)}
    ours, other = evaluate(tmp_path, expressions)
    # It has null, and ${...} in a text, for a part that is refused.
    valid = {name: value for name, value in other.items() if not re.search(r"null|\$\{\.{3}\}", json.dumps(value))}
    different = [name for name, value in valid.items() if ours.get(name, value) != value]
    differences = [f"{expressions[name]}: {ours[name]!r} is {valid[name]!r}" for name in different[:5]]
    assert not different, f"seed {seed}, {len(different)} expressions: " + "\n".join(differences)
    assert len(valid) > 0.8 * RANDOM
    assert len(ours.keys() & valid.keys()) > 0.9 * len(valid)
