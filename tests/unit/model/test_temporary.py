"""Folders for temporary files: those of killed processes go, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from omc_runbook.model import temporary

KILLED = """
import os
from omc_runbook.model import temporary
folder = temporary.folder("run")
open(folder.name + "/values", "w").close()
print(folder.name, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what a living process has, nor what another machine, another program or a link calls alike."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    left = Path(ended.stdout.strip())
    assert left.parent == tmp_path and (left / "values").exists() and left.stat().st_mode & 0o077 == 0
    _, _, machine, process, _ = left.name.split("-")
    others = [
        "omc-sandbox-0",
        f"omc-run-{'0' * 8}-{process}-x",
        f"omc-run-{machine}-{os.getpid()}-x",
        f"omc-{process}-x",
    ]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / f"omc-run-{machine}-{process}-link"
    link.symlink_to(tmp_path / "elsewhere")
    temporary._sweep.cache_clear()
    with temporary.folder("settings", str(tmp_path)) as mine:
        assert {path.name for path in tmp_path.iterdir()} == {*others, "elsewhere", link.name, Path(mine).name}
    assert not Path(mine).exists()
