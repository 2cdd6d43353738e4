"""HCL that python-hcl2's grammar lacks: read all the same, with every text and line where it is."""

from pathlib import Path

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Node, read_attributes
from omc_runbook.terraform.hcl_template import interpolations
from omc_runbook.terraform.hcl_text import plain
from omc_runbook.textfile.file import SourceFile


def attributes(text: str) -> dict[str, Node]:
    file = SourceFile(Path("/c/x.tf"), "x.tf", text.encode())
    return {each.name: each.value for each in read_attributes(file)}


@pytest.mark.parametrize(
    "text",
    [
        '"${~ var.a ~}"',
        '"${ /* which */ var.a }"',
        '"${ # which\n  var.a\n}"',
        '"${\n  var.a ?\n  "x" : "y"\n}"',
        '"a ${f({ b = "}" })} /* no comment */ ${~ var.a }"',
        '"$${~ c } %%{~ d } \\" ${~ var.a }"',
        "local.größe",
        "{ größe = local.größe, b = 1 }",
        "!!var.a",
        '[ /* " */ "${~ var.a }" /* } */, <<-E\n  /* ${~ größe ~} */\n  E\n]',
    ],
)
def test_what_the_grammar_lacks_is_read_where_it_is(text: str) -> None:
    found = attributes(f"before = 1\nit = {text}\nname_ä = 2\n")
    assert [*found] == ["before", "it", "name_ä"]
    assert found["it"].source == text.removeprefix("!!")
    assert found["name_ä"].source == "2"


@pytest.mark.parametrize("inner", ["a", 'f("a}b")', 'f("{")', 'f("\\"}")', 'f("${g("}")}{")', "{ a = {} }"])
def test_an_interpolation_ends_at_its_own_brace(inner: str) -> None:
    """Not at one within a string of it."""
    assert [*interpolations(f"$${{x}} ${{{inner}}} }}")] == [(6, 9 + len(inner))]


def test_names_beyond_ascii_keep_their_letters() -> None:
    found = attributes("größe = local.größe.länge\n")
    assert found["größe"].name == "local.größe.länge"


def test_what_is_in_the_grammar_stays_as_it_is() -> None:
    text = 'a = "x # ${b["c"]} ~ ü" # ü\nb = <<E\n/* ü ${~ c } */\nE\n/* d\n e */\nc = !(d)\n'
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "line"), [('a = "${~ b }"\nc = = 1\nd = 2\n', 2), ('ä = 1\nb = "${\n c\n}"\nd = {', 5)]
)
def test_the_line_that_cannot_be_read_is_told(text: str, line: int) -> None:
    """Whatever precedes it is read by the grammar or not."""
    with pytest.raises(UsageError, match=rf"^x\.tf, line {line} cannot be read as HCL"):
        attributes(text)
