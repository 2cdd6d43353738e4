"""Which of Terraform's programs runs in a folder."""

from pathlib import Path

import pytest

from omc_runbook.model.errors import CouldNotLook
from omc_runbook.terraform.command import find_program


def install(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
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
