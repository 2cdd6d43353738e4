"""Which of Terraform's programs runs in a folder."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.files import write_files

from omc_runbook.model.errors import CouldNotLook
from omc_runbook.terraform.command import SavedPlan, apply, find_program, preview
from omc_runbook.terraform.program import name_of


def failure_of(folder: Path, script: str) -> CouldNotLook:
    """The error where an apply of a program with this script fails."""
    install(folder, "terraform", f"{script}\nexit 1\n")
    variables = {"PATH": "/usr/bin:/bin"}
    plan = SavedPlan(
        program=str(folder / "terraform"), folder=folder, directory=TemporaryDirectory(), variables=variables
    )
    plan.file.touch()
    with pytest.raises(CouldNotLook, match=r"terraform apply in .* failed: ") as failed:
        apply(plan)
    return failed.value


def install(folder: Path, name: str, script: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("name", "program"), [("main.tf", "terraform"), ("a.tofu", "tofu"), ("a.tofu.json", "tofu")])
def test_a_folder_with_tofu_files_is_for_tofu(
    name: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform reads none of them, and would remove what they create."""
    bin, folder = tmp_path / "bin", tmp_path / "checkout"
    folder.mkdir()
    (folder / name).write_text("")
    monkeypatch.setenv("PATH", str(bin))
    install(bin, "terraform")
    if program == "tofu":
        with pytest.raises(CouldNotLook, match=r"terraform does not read the \*\.tofu files"):
            find_program(folder)
    install(bin, "tofu")
    assert Path(find_program(folder)).name == program


@pytest.mark.parametrize("name", ["vars/staging.tfvars", "link.tfvars", "../../../vars/staging.tfvars"])
def test_a_preview_copies_no_more_for_its_files_of_values(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link may lead to a home directory, whose folders would be copied; each file is read all the same."""
    root, program = tmp_path / "checkout", tmp_path / "bin"
    folder = root / "live/eu/app"
    names = ("main.tf", "vars/staging.tfvars", "../../../vars/staging.tfvars", "../../../../home.tfvars")
    write_files(folder, dict.fromkeys(names, "size = 1\n"))
    (folder / "link.tfvars").symlink_to("../../../../home.tfvars")
    shown = json.dumps({"format_version": "1.2", "resource_changes": []})
    script = f"for each; do case $each in -var-file=*) cat ${{each#-var-file=}} >> {tmp_path}/read; esac; done\n"
    script += f"pwd >> {tmp_path}/folders\n[ $1 != show ] || echo '{shown}'\n"
    install(program, "terraform", script)
    monkeypatch.setenv("PATH", f"{program}:/usr/bin:/bin")
    assert preview(root, folder, [], values=(name,)) == ()
    assert (tmp_path / "read").read_text() == "size = 1\n"
    assert all(line.endswith("/tree/eu/app") for line in (tmp_path / "folders").read_text().splitlines())


@pytest.mark.parametrize(
    ("printed", "kind"),
    [
        ("aws_secretsmanager_secret.app: Creating...", "in-doubt"),
        ("aws_ecs_service.app: Modifying... [id=arn:aws:ecs:eu-west-1:1:service/app]", "in-doubt"),
        ("aws_secretsmanager_secret.app: Refreshing state... [id=app]", ""),
        ("", ""),
    ],
)
def test_an_apply_that_fails_as_it_changes_something_is_in_doubt(tmp_path: Path, printed: str, kind: str) -> None:
    """One that fails before, as where the state is locked, has changed nothing."""
    error = failure_of(tmp_path, f"echo '{printed}'\necho 'Error: It failed' >&2")
    assert "failed: It failed" in str(error) and error.kind == kind


@pytest.mark.parametrize(
    ("script", "says_next"),
    [
        ("echo 'Error: Saved plan is stale' >&2", True),
        ("echo 'Error: Saved plan is stale'", True),
        ("echo 'Error: Inconsistent dependency lock file' >&2", False),
        ("echo 'Error: Run again to see it' >&2", False),
        ("echo 'Error: Error acquiring the state lock: Saved plan is stale' >&2", False),
    ],
)
def test_a_plan_that_is_outdated_is_to_be_made_again(tmp_path: Path, script: str, says_next: bool) -> None:
    """On whichever stream it is said; the other advice is what to do before a change is continued."""
    error = failure_of(tmp_path, script)
    assert str(error).endswith("run again to plan on top.") is says_next and error.says_next is says_next


LOCK = 'provider "registry.{}/hashicorp/aws" {{\n  version = "5.80.0"\n}}\n'


@pytest.mark.parametrize(
    ("files", "installed", "program"),
    [
        ({}, ("terraform", "tofu"), "terraform"),
        ({}, ("tofu",), "tofu"),
        ({}, (), "terraform"),
        ({".terraform.lock.hcl": LOCK.format("opentofu.org")}, ("terraform", "tofu"), "tofu"),
        ({".terraform.lock.hcl": LOCK.format("terraform.io"), "../.opentofu-version": "1.8.5"}, (), "terraform"),
        ({"../../.opentofu-version": "1.8.5\n"}, ("terraform", "tofu"), "tofu"),
        ({"../../.opentofu-version": "1.8.5\n", ".terraform-version": "1.9.8\n"}, (), "terraform"),
        ({"../../.opentofu-version": "1.8.5\n", "../../.terraform-version": "1.9.8\n"}, ("terraform",), "terraform"),
        ({"../../../.opentofu-version": "above the repository"}, ("terraform",), "terraform"),
        ({"main.tofu": ""}, (), "tofu"),
    ],
)
def test_the_program_is_the_one_that_the_folder_is_for(
    files: dict[str, str], installed: tuple[str, ...], program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is what would run; without either program it is still named."""
    folder = tmp_path / "checkout" / "infra" / "staging"
    folder.mkdir(parents=True)
    (tmp_path / "checkout" / ".git").mkdir()
    write_files(folder, files)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in installed:
        install(tmp_path / "bin", name)
    assert name_of(folder) == program
    if installed:
        assert Path(find_program(folder)).name == program
