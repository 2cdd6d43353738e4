"""Folders for temporary files: those of killed processes go, and nobody else's."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from omc_runbook.model import temporary
from omc_runbook.textfile import private_file

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
    folder = Path(ended.stdout.strip())
    assert folder.parent == tmp_path and (folder / "values").exists() and folder.stat().st_mode & 0o077 == 0
    _, _, machine, process, _ = folder.name.split("-")
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


def test_a_folder_that_cannot_be_removed_is_left_to_a_later_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its file system became read-only meanwhile: what was done in it is not lost for that."""

    def refuse(path: object, **_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    with monkeypatch.context() as patch:
        with temporary.folder("run", str(tmp_path)) as mine:
            (Path(mine) / "lines").touch()
            for name in ("unlink", "rmdir"):
                patch.setattr(os, name, refuse)
        assert (Path(mine) / "lines").exists()


DRAFT = """
import os
from pathlib import Path
from omc_runbook.model import temporary
print(temporary.draft(Path("page.html"))[1], flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_draft_of_a_file_that_a_killed_process_left_is_removed_with_the_next(tmp_path: Path) -> None:
    """Whichever file of the folder is written next; a living process's draft, and a file of another name stay."""
    ended = subprocess.run([sys.executable, "-c", DRAFT], cwd=tmp_path, capture_output=True, text=True)
    draft = tmp_path / ended.stdout.strip()
    assert draft.exists() and draft.stat().st_mode & 0o777 == 0o600
    (tmp_path / ".page.html.omc-draft-mine").touch()
    temporary._sweep.cache_clear()
    descriptor, mine = temporary.draft(tmp_path / "other.html")
    os.close(descriptor)
    temporary._sweep.cache_clear()
    private_file.write(tmp_path / "third.html", b"whole")
    names = {".page.html.omc-draft-mine", mine.name, "third.html"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_file_with_the_longest_name_has_a_draft(tmp_path: Path) -> None:
    """Its name does not have room for more: the draft has the beginning of it."""
    private_file.write(tmp_path / ("ä" * 127), b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["ä" * 127]


def test_a_process_without_a_free_descriptor_can_still_write_what_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where connections to AWS have taken all, in the middle of a change: each write, not only the first."""
    # What another test kept may be above the limit that is set here, and of no use below it.
    kept: list[int] = []
    monkeypatch.setattr(temporary, "_kept", kept)
    outcome = tmp_path / "outcome.json"
    private_file.write(outcome, b"begun")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 8, hard))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for content in (b"changed", b"redeployed"):
            private_file.write(outcome, content)
            with pytest.raises(OSError, match="Too many open files"):
                os.open(os.devnull, os.O_RDONLY)
    finally:
        for descriptor in (*taken, *kept):
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcome.read_bytes() == b"redeployed"
    assert [*tmp_path.iterdir()] == [outcome]
