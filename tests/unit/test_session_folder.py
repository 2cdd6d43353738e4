"""The folders that last as long as the tests do."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import session_folder
from support.paths import ROOT

PAGES = session_folder.ROOM // 4096


@pytest.mark.parametrize(
    ("pages", "flags", "fits"),
    [(PAGES, 0, True), (PAGES - 1, 0, False), (PAGES, os.ST_NOSUID, True), (PAGES, getattr(os, "ST_NOEXEC", 8), False)],
)
def test_files_go_where_there_is_room_and_programs_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pages: int, flags: int, fits: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=pages, f_frsize=4096, f_flag=flags))
    assert session_folder.can_hold_files(tmp_path) is fits


def test_files_do_not_go_where_nothing_is(tmp_path: Path) -> None:
    assert not session_folder.can_hold_files(tmp_path / "shm")


def test_a_told_folder_for_temporary_files_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    session_folder.put_temporary_files_in_memory()
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == "/tmp"


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run Python that makes a folder and prints it first."""
    head = "import os, tempfile; from multiprocessing import util; from pathlib import Path\n"
    head += "from support import session_folder as s\nfolder = s.make('made-'); print(folder)\n"
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(
        [sys.executable, "-c", head + script], env=variables, capture_output=True, text=True, check=True
    )


def test_a_folder_is_gone_at_its_process_end_and_not_at_a_forks() -> None:
    ended = run(
        "if not os.fork(): raise SystemExit\nos.wait(); (folder / 'file').touch(); print(folder.stat().st_mode & 0o777)"
    )
    folder, mode = ended.stdout.split()[-2:]
    assert (int(mode), Path(folder).exists()) == (0o755, False)


def test_a_folder_stays_until_multiprocessing_has_removed_its_own_in_there() -> None:
    ended = run("tempfile.tempdir = str(folder); util.get_temp_dir()")
    assert (ended.stderr, Path(ended.stdout.strip()).exists()) == ("", False)
