"""Files that would make a reader hang, or run out of memory or stack, are refused quickly and in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from omc_runbook.model import regular_file
from omc_runbook.model.environment import load
from omc_runbook.model.errors import UsageError
from omc_runbook.repository.compose_tree import read_tree
from omc_runbook.repository.yaml_nodes import read_mapping
from omc_runbook.terraform.hcl import read_attributes, read_blocks, read_expression
from omc_runbook.terraform.hcl_json import read_json_blocks, read_json_values
from omc_runbook.textfile.file import SourceFile, read_source

LAUGHS = "a0: &a0 [x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10))
MERGES = "a0: &a0 {x: y}\n" + "".join(f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 8))
DEEP = ("a: " + "[" * 1500, "a: " + "{b: " * 500 + "}" * 500)
YAML = (f"{LAUGHS}b: *a9\n", MERGES, "a: &a {b: *a}\n", *DEEP)
HCL = ("(@)", "[@]", "{a=@}", "a ? b : @", "1 + @", "@[0]", "[for a in b: @]", "f(@)")


def a_file(text: str, name: str = "a.tf") -> SourceFile:
    return SourceFile(Path(name), name, text.encode())


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
@pytest.mark.parametrize("read", [read_tree, read_mapping])
@pytest.mark.long
def test_yaml_that_is_endless_is_refused(read: Callable[[SourceFile], object], text: str) -> None:
    """Aliases that repeat each other or themselves, and deep nesting."""
    with pytest.raises(UsageError, match=r"^a\.yml is nested too deeply, or its aliases make it too large: fix it"):
        read(a_file(text, "a.yml"))


def test_a_list_that_contains_itself_is_refused_where_lists_are_followed() -> None:
    """Compose's reader ends there, and Compose itself says what is wrong."""
    text = a_file("a: &a [*a]\n", "a.yml")
    with pytest.raises(UsageError, match="nested too deeply"):
        read_mapping(text)
    assert "a" in read_tree(text)


def test_aliases_of_a_usual_size_are_read() -> None:
    """As compose files have them."""
    text = "x-a: &a {b: c}\nservices: {one: {environment: *a}, two: {environment: {<<: *a}}}\n"
    assert read_tree(a_file(text))["services"]["two"] == {"environment": {"b": "c"}}
    assert read_tree(a_file("")) == {}


@pytest.mark.parametrize("form", HCL)
def test_terraform_files_that_nest_too_deeply_are_refused(form: str) -> None:
    """Each kind of expression, blocks, and JSON."""
    value = "1"
    for _ in range(500):
        value = form.replace("@", value)
    for read in (read_attributes, read_blocks):
        with pytest.raises(UsageError, match=r"^a\.tf is nested too deeply\.$"):
            read(a_file(f"x = {value}\n"))
    with pytest.raises(UsageError, match=r"^a\.tf is nested too deeply\.$"):
        read_expression(value, a_file(value), 0)


def test_blocks_and_json_that_nest_too_deeply_are_refused() -> None:
    """However deep."""
    for depth in (150, 2000, 100_000):
        for opening, closing in ("[]", ('{"a":', "}")):
            nested = a_file(f'{{"x":{opening * depth}1{closing * depth}}}')
            for read in (read_json_values, read_json_blocks):
                with pytest.raises(UsageError, match=r"^a\.tf is nested too deeply\.$"):
                    read(nested)
    with pytest.raises(UsageError, match=r"^a\.tf is nested too deeply\.$"):
        read_blocks(a_file("a {\n" * 2000 + "}\n" * 2000))


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000_000)


@pytest.mark.parametrize(
    ("make", "reason"), [(pipe, "is a pipe or a device"), (device, "is a pipe or a device"), (large, "is larger than")]
)
def test_what_is_no_file_or_too_large_is_refused(make: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    """Without a wait and without reading all of it; a runbook.toml that was not named is then none."""
    make(tmp_path / "runbook.toml")
    with pytest.raises(UsageError, match=reason):
        read_source(tmp_path, "runbook.toml")
    with pytest.raises(UsageError, match=f"is not a file|{reason}"):
        load("staging", str(tmp_path / "runbook.toml"))
    with pytest.raises(OSError, match=reason):
        regular_file.read_text(tmp_path / "runbook.toml")


def test_a_runbook_toml_that_nests_too_deeply_is_refused(tmp_path: Path) -> None:
    """The parser is recursive."""
    (tmp_path / "runbook.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(UsageError, match=r"runbook\.toml is not valid TOML: it is nested too deeply\."):
        load("staging", str(tmp_path / "runbook.toml"))
