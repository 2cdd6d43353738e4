"""The files of a checkout: each folder is listed once, and each text read once, in one look."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.call_counts import count_calls
from support.files import write_files

from omc_runbook.repository import code_files
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.textfile import folders
from omc_runbook.textfile.folders import FolderListing, FolderListings

SETTINGS = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
CODE = 'import os\n\nURL = f"postgres://{A}@x"\nB = os.environ["B"]\n'
TASK = 'resource "aws_ecs_task_definition" "api" {\n  container_definitions = var.definitions\n}\n'


def checkout(root: Path, folders: int) -> Path:
    """A checkout with so many folders, each with a module that most questions on a checkout read."""
    own = {"backend/app/settings.py": SETTINGS, "infra/main.tf": TASK}
    return write_files(root, own | {f"backend/app/p{number}/m.py": CODE for number in range(folders)})


@pytest.mark.parametrize("function", ["scandir", "_read_at_most"])
def test_a_checkout_lists_each_folder_and_reads_each_module_once(function: str, tmp_path: Path) -> None:
    """Settings are searched, classes, reads of the environment, URLs, other tools, and Terraform's files."""
    small, large = (
        count_calls(partial(read_checkout, checkout(tmp_path / str(folders), folders)), function)
        for folders in (10, 30)
    )
    assert large - small == 20


def test_a_later_look_finds_what_has_changed_since(tmp_path: Path) -> None:
    """What is listed and read stays with its own look."""
    root = checkout(tmp_path, 1)
    assert {each.variable for each in read_checkout(root).environment_reads} == {"B"}
    write_files(root, {"backend/app/p0/m.py": CODE.replace("B", "C"), "backend/new/n.py": CODE.replace("B", "D")})
    assert {each.variable for each in read_checkout(root).environment_reads} == {"C", "D"}


def test_links_to_folders_what_is_installed_and_what_is_no_file_are_left_out(tmp_path: Path) -> None:
    """The folders of the application come first."""
    names = (
        "z.py",
        "a/b.py",
        "backend/c.py",
        "scripts/d.py",
        "a/tests/e.py",
        "node_modules/f.py",
        "g/Makefile",
        "h.js",
    )
    root = write_files(tmp_path, dict.fromkeys(names, ""))
    for link, target in (("a/link.py", "b.py"), ("a/broken.py", "nothing"), ("again", "."), ("backend/other", "../a")):
        (root / link).symlink_to(target)
    os.mkfifo(root / "pipe.py")
    found = [each.relative_to(root).as_posix() for each in CheckoutFiles(root).code]
    assert found == ["backend/c.py", "scripts/d.py", "z.py", "a/b.py", "a/link.py"]
    assert [each.name for each in CheckoutFiles(root).search(("g",), (".py",))] == ["Makefile"]
    assert [*CheckoutFiles(root).search(("nothing",), ("",))] == []


def test_a_folder_whose_entries_cannot_be_examined_has_their_names_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems list names without kinds, and whoever may not enter the folder cannot ask for these."""

    def refuse(**_: object) -> bool:
        raise PermissionError

    entry = SimpleNamespace(name="a", is_file=refuse, is_dir=refuse, is_symlink=refuse)
    monkeypatch.setattr(folders.os, "scandir", lambda _: nullcontext([entry]))
    assert FolderListings().listing(tmp_path) == FolderListing(tmp_path, names=("a",), files=(), folders=())


def test_a_path_with_a_null_character_leads_nowhere(tmp_path: Path) -> None:
    """YAML may give one as an escape, and a file of Terraform has what it has."""
    task = 'resource "aws_ecs_task_definition" "api" {\n  container_definitions = templatefile("\0/t.json", {})\n}\n'
    compose = 'services: {api: {build: "a\\0b", environment: [B]}}\n'
    checkout = read_checkout(write_files(tmp_path, {"main.py": CODE, "compose.yml": compose, "main.tf": task}))
    assert checkout.words_by_service == {"api": frozenset()}
    assert checkout.task_definitions


def test_what_is_too_large_to_be_kept_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of gigabytes does not fill the memory."""
    monkeypatch.setattr(code_files, "_KEPT", 10)
    root = write_files(tmp_path, {"a.py": "A" * 6, "b.py": "B" * 6})
    files = CheckoutFiles(root)

    def read() -> None:
        assert [files.text(root / name) for name in ("a.py", "b.py", "a.py", "b.py")] == ["A" * 6, "B" * 6] * 2

    assert count_calls(read, "_read_at_most") == 3
