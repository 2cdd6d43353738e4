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
