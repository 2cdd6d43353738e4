"""`omc-runbook records`: what it lists, checks, prunes and opens."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.outcomes import NOW, an_outcome
from support.records import keep
from support.terminal import ended_with

from omc_runbook.headless import overview
from omc_runbook.model import temporary
from omc_runbook.model.errors import UsageError
from omc_runbook.report.archive import record as records


def test_a_changed_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0 while all are as they were left, 1 with the file, and 3 for a folder without a record."""
    older = keep(tmp_path, an_outcome(started=NOW.replace(hour=2)))
    newer = keep(tmp_path, an_outcome())
    lines = [f"intact      {newer.stem}", f"intact      {older.stem}", "2 intact."]
    code, out, _ = ended_with(capsys, "records", "--check", str(tmp_path))
    assert (code, out.splitlines()) == (0, lines)
    older.page.write_text("<p>another page</p>")
    code, out, _ = ended_with(capsys, "records", "--check", "--record", str(tmp_path))
    lines[1:] = [f"changed     {older.stem}: {older.page.name}", "1 intact, 1 changed."]
    assert (code, out.splitlines()) == (1, lines)
    none, empty = tmp_path / "none", tmp_path / "empty"
    empty.mkdir()
    code, _, error = ended_with(capsys, "records", "--check", str(none))
    reason = "No such file or directory. Name another with --record."
    assert (code, error) == (3, f"error: {none} cannot be read: {reason}\n")
    code, _, error = ended_with(capsys, "records", "--check", str(empty))
    assert (code, error) == (3, f"error: There is no record in {empty}: name its folder with --record.\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a runbook.toml and two records, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runbook.toml").write_text("[records]\nkeep_count = 1\n")
    for number in (2, 3):
        keep(tmp_path / "records", an_outcome(started=NOW.replace(hour=number)))
    return tmp_path / "records"


def test_records_that_are_all_another_users_are_not_said_to_be_missing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence on them and the error agree."""
    for path in (*folder.glob("*.json"), *folder.glob("*.ipynb")):
        path.write_text("")
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, out, error = ended_with(capsys, "records")
    assert (code, out) == (3, "")
    assert error == (
        "2 records cannot be read by this user.\nerror: No record in records can be shown: name another folder with"
        " --record.\n"
    )


def test_a_prune_is_planned_before_it_is_applied(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second time there is nothing to remove, and without a limit it is a mistake."""
    before = sorted(folder.iterdir())
    line = "verify-staging-20260701T020000Z: not among the newest 1\n"
    assert ended_with(capsys, "records", "--prune") == (0, f"{line}To be removed: 1. --apply removes them.\n", "")
    assert sorted(folder.iterdir()) == before
    assert ended_with(capsys, "records", "--prune", "--apply") == (0, f"{line}Removed: 1.\n", "")
    assert len(list(folder.glob("verify-*"))) == 3 and (folder / "index.html").stat().st_mode & 0o777 == 0o600
    assert ended_with(capsys, "records", "--prune", "--apply") == (0, "Removed: 0.\n", "")
    assert ended_with(capsys, "records", "--check")[1] == "intact      verify-staging-20260701T030000Z\n1 intact.\n"
    code, out, error = ended_with(capsys, "records", "--prune", "recrods")
    assert (code, out, error) == (3, "", "error: recrods is not a folder: name that of the records with --record.\n")
    assert ended_with(capsys, "records", "records", "--record", "records") == (
        3,
        "",
        "error: PLACE and --record mean the same: name one of them.\n",
    )
    Path("runbook.toml").unlink()
    code, _, error = ended_with(capsys, "records", "--prune")
    assert (code, error) == (
        3,
        "error: runbook.toml keeps all records: set keep_days or keep_count in [records].\n",
    )


def test_a_named_file_says_what_is_kept_and_scheduled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As for a run: a page that is made anew shows its schedules, and not those of the working folder."""
    keeps_all = Path("own.toml")
    keeps_all.write_text('[[schedules]]\nrunbook = "audit"\nenvironment = "staging"\ncron = "0 1 * * *"\n')
    own = ("-p", "runbook_toml", str(keeps_all))
    assert "audit on staging: " in ended_with(capsys, "records", *own)[1]
    assert "keeps all records" in ended_with(capsys, "records", "--prune", *own)[2]
    ended_with(capsys, "records", "--open", *own)
    assert "audit on staging" in (folder / "index.html").read_text()
    assert "did you mean runbook_toml?" in ended_with(capsys, "records", "-p", "runbook_tom", "own.toml")[2]


def test_what_another_user_keeps_for_themselves_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many records cannot be read, and in a sentence why no page can be made."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert ended_with(capsys, "records")[2] == "2 more cannot be read by this user.\n"
    assert "<p>2 more cannot be read by this user.</p>" in overview.write(folder).read_text()
    (folder / "index.html").unlink(missing_ok=True)
    (folder / "index.html").mkdir()
    code, _, error = ended_with(capsys, "records", "--open")
    assert code == 3 and f"The index page of {folder.name} cannot be written" in error


def test_open_makes_the_index_page_and_opens_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a browser its path is printed; a wrong runbook.toml or option is a sentence."""
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or len(opened) == 1)
    assert ended_with(capsys, "records", "--open")[0] == 0
    assert opened == [(folder / "index.html").as_uri()]
    code, out, _ = ended_with(capsys, "records", "--open")
    assert (code, out.splitlines()[-1]) == (0, "There is no browser here to open records/index.html.")
    assert ended_with(capsys, "records", "--apply")[0] == 3
    Path("runbook.toml").write_text("[records]\nkeep_day = 1\n")
    assert (
        "records.keep_day is not a known name: did you mean keep_days?" in ended_with(capsys, "records", "--prune")[2]
    )


def test_records_of_a_fleet_are_below(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of each environment are in a folder of its own, and are listed, checked, kept and linked as the others."""
    for number in (1, 4):
        keep(folder / "production", an_outcome(environment="production", started=NOW.replace(hour=number)))
    assert ended_with(capsys, "records")[1].count("verify on production") == 2
    assert "intact      production/verify-production-20260701T040000Z\n" in ended_with(capsys, "records", "--check")[1]
    assert "verify-production-20260701T010000Z: not among" in ended_with(capsys, "records", "--prune", "--apply")[1]
    assert len(list((folder / "production").glob("verify-*"))) == 3
    assert 'href="production/verify-production-20260701T040000Z.html"' in (folder / "index.html").read_text()


def test_a_folder_that_is_closed_to_this_user_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment would else be all right by its absence: --check ends with 2, and each other way names it."""
    keep(folder / "production", an_outcome(environment="production"))
    # What a file system keeps at its root is nobody's records.
    others = ("lost+found", ".Trash-0")
    for name in ("empty", *others):
        (folder / name).mkdir()
    closed, allowed = {"production", *others}, os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name not in closed and allowed(path, mode))
    note = "Folder production cannot be read by this user: its records are not known."
    code, out, error = ended_with(capsys, "records")
    assert (code, error) == (0, f"{note}\n") and "verify on production" not in out
    assert f"<p>{note}</p>" in overview.write(folder).read_text()
    code, out, _ = ended_with(capsys, "records", "--check")
    assert code == 2 and out.endswith("unreadable  production/\n2 intact, 1 unreadable.\n")
    assert f"{note}\nTo be removed: 1." in ended_with(capsys, "records", "--prune")[1]


def test_a_link_into_a_closed_folder_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nobody can tell what it leads to; one that leads nowhere is no folder."""
    (folder / "production").symlink_to(folder.parent / "closed" / "production")
    (folder / "gone").symlink_to(folder.parent / "gone")
    read = os.stat

    def stat(path: str | Path, *arguments: Any, **options: Any) -> os.stat_result:
        if options.get("follow_symlinks", True) and Path(path).name == "production":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    code, _, error = ended_with(capsys, "records")
    assert (code, error) == (0, "Folder production cannot be read by this user: its records are not known.\n")
    assert ended_with(capsys, "records", "--check")[0] == 2


@pytest.mark.parametrize("text", ["null", "[]", "[" * 200_000, '{"environment": [], "findings": [], "changes": []}'])
def test_a_damaged_record_stops_nothing(text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next run keeps its record and makes the index page; the record is listed as its notebook says it ended."""
    for name in ("verify-staging-20260701T020000Z.json", "outcome.json"):
        (folder / name).write_text(text)
    assert overview.after_run(folder, str(folder.parent / "runbook.toml"))[0].style == "note"
    keep(folder, an_outcome(started=NOW.replace(hour=4), finished=NOW.replace(hour=4)))
    (folder / "verify-staging-20260701T030000Z.json").write_text(text)
    (folder / "outcome.json").write_text(text)
    code, out, _ = ended_with(capsys, "records")
    assert (code, out.count("verify on staging")) == (0, 2)
    code, out, _ = ended_with(capsys, "records", "--check")
    assert code == 1 and "changed     verify-staging-20260701T030000Z: verify-staging-20260701T030000Z.json" in out


@pytest.mark.parametrize("text", ["", "{", '{"metadata": {"omc_runbook": 1}}'])
def test_a_record_of_which_nothing_can_be_read_is_told(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a power failure: the page of all does not let an older run that was fine pass for the last one."""
    older = an_outcome(started=NOW.replace(hour=1), finished=NOW.replace(hour=1), environment="qa")
    keep(folder, older)
    (folder / "verify-mine-20260701T050000Z.ipynb").write_text('{"metadata": {}}')
    assert ended_with(capsys, "records", "--open")[2] == ""
    for suffix in ("json", "ipynb"):
        (folder / f"verify-staging-20260701T030000Z.{suffix}").write_text(text)
    sentence = (
        "1 more record is damaged, the newest of verify on staging, 2026-07-01 03:00 UTC: how its run ended is not"
        " known. --check names each."
    )
    code, out, error = ended_with(capsys, "records", "--open")
    assert (code, out.count(" on staging"), error) == (0, 1, f"{sentence}\n")
    assert f"<p>{sentence}</p>" in (folder / "index.html").read_text()
    for path in folder.glob("verify-qa-*"):
        path.write_text(text)
    assert ended_with(capsys, "records")[2].startswith("2 more records are damaged, the newest of verify on staging")


@pytest.mark.parametrize("notebook", ["", "null", "[]", '{"metadata": []}'])
def test_a_record_whose_notebook_is_missing_or_no_notebook_is_told(
    notebook: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is left of it is its outcome, whole or not."""
    path = folder / "verify-staging-20260701T030000Z.ipynb"
    path.unlink()
    if notebook:
        path.write_text(notebook)
        path.with_suffix(".json").write_text("{")
    assert ended_with(capsys, "records")[2].startswith("1 more record is damaged, the newest of verify on staging")


def test_a_record_of_the_future_is_told_and_not_the_newest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in the list, and opens where there is no other."""
    far = NOW.replace(year=9000)
    keep(folder, an_outcome(started=far, finished=far))
    sentence = (
        f"1 record is of the future, the last of verify on staging, {far:%Y-%m-%d %H:%M} UTC: this machine's clock"
    )
    _, out, error = ended_with(capsys, "records")
    assert out.startswith("9000-") and error == f"{sentence} is or was wrong.\n"
    assert out.endswith("20260701T030000Z.html\n")
    for path in folder.glob("*2026*"):
        path.unlink()
    assert ended_with(capsys, "records")[1].endswith(f"The newest: records/verify-staging-{far:%Y%m%d}T030000Z.html\n")


def test_a_time_without_a_zone_is_no_time_of_a_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It cannot be compared with that of another."""
    for path in folder.glob("verify-staging-20260701T020000Z.*"):
        path.write_text(path.read_text().replace("02:00:00Z", "02:00:00").replace("03:00:00Z", "03:00:00"))
        path.write_text(path.read_text().replace("03:00:00+00:00", "03:00:00"))
    code, out, _ = ended_with(capsys, "records")
    assert (code, out.count("verify on staging")) == (0, 1)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
@pytest.mark.parametrize("suffix", ["ipynb", "html", "json"])
def test_what_has_no_end_is_unreadable(
    make: Callable[[Path], None], suffix: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and nothing is waited for."""
    stem = "verify-staging-20260701T030000Z"
    path = folder / f"{stem}.{suffix}"
    path.unlink()
    make(path)
    code, out, _ = ended_with(capsys, "records", "--check")
    assert code == 2 and out.splitlines()[0] == f"unreadable  {stem}: {path.name}"


def test_a_folder_that_another_run_removes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As two runs do that are the first ones there; neither leaves it before it has a record."""
    open_draft, removals = temporary.draft, iter((1, 2))

    def remove_and_open(path: Path) -> tuple[int, Path]:
        if path.is_relative_to(tmp_path / "records") and next(removals, None):
            path.parent.rmdir()
        return open_draft(path)

    monkeypatch.setattr(temporary, "draft", remove_and_open)
    assert records.prepare(tmp_path / "records", "verify", "staging", NOW).folder == tmp_path / "records"
    assert next(removals, None) is None and not (tmp_path / "records").exists()
    removals = iter(range(1, 100))
    with pytest.raises(UsageError, match="cannot hold the record: No such file or directory"):
        records.prepare(tmp_path / "records", "verify", "staging", NOW)
