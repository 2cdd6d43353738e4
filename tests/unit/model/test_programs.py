"""Programs are found on PATH, but not where a checkout or the current folder would bring them along."""

import os
from pathlib import Path

import pytest

from omc_runbook.model import programs


def test_what_a_checkout_brings_along_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by a relative entry of PATH, nor by an absolute one, nor by a link to it."""
    checkout, system = tmp_path / "checkout", tmp_path / "system"
    for folder in (checkout, checkout / "bin", system):
        folder.mkdir()
        (folder / "git").write_text("#!/bin/sh\n")
        (folder / "git").chmod(0o755)
    (tmp_path / "link").symlink_to(checkout / "bin")
    monkeypatch.chdir(checkout)
    entries = (".", "", "bin", str(checkout), str(checkout / "bin"), str(tmp_path / "link"))
    monkeypatch.setenv("PATH", os.pathsep.join((*entries, str(system))))
    assert programs.find("git", checkout) == str(system / "git") and programs.search_path(checkout) == str(system)
    assert programs.find("git", Path("/")) == programs.find("git") == str(checkout / "bin/git")
    monkeypatch.setenv("PATH", os.pathsep.join(entries))
    assert programs.find("git", checkout) is None and not Path(programs.search_path(checkout)).is_dir()


def test_a_folder_of_a_repository_stands_for_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program beside Terraform's folder is the checkout's, too; outside of git, only what is in the folder is."""
    folder, tools = tmp_path / "checkout" / "infrastructure", tmp_path / "checkout" / "bin"
    for each in (folder, tools):
        each.mkdir(parents=True)
    (tools / "terraform").write_text("#!/bin/sh\n")
    (tools / "terraform").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    assert programs.find("terraform", folder) == str(tools / "terraform")
    (tmp_path / "checkout" / ".git").mkdir()
    assert programs.find("terraform", folder) is None
