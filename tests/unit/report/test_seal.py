"""The seal of a record: any change of any of its files is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.outcomes import NOW, an_outcome

from omc_runbook.report.archive import kept_records, seal, stems
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive.record import Record
from omc_runbook.report.archive.seal import SealState

OLDER, STEM = (stems.make("verify", "staging", NOW.replace(hour=hour)) for hour in (2, 3))
TEXT = an_outcome(failure="It ended — early.").to_json()


def files_of(stem: str) -> dict[str, bytes]:
    """The files of a sealed record."""
    files = {f"{stem}.ipynb": b'{"metadata": {"omc_runbook": {"is_sealed": true}}}', f"{stem}.html": b"<p>a page</p>"}
    return files | {f"{stem}.json": seal.seal(TEXT, files)}


LOCAL = files_of(OLDER) | files_of(STEM) | {"outcome.json": files_of(STEM)[f"{STEM}.json"], "mine.txt": b"mine"}
"""A folder of records."""
DOWNLOADED = {name.replace(f"{STEM}.json", "outcome.json"): content for name, content in files_of(STEM).items()}
"""A single record, whose outcome has no other name."""
PLACES = {"a folder": LOCAL, "a single record": DOWNLOADED}


def check(files: dict[str, bytes]) -> list[SealState]:
    return seal.check(files.keys(), files.__getitem__)


def test_a_record_as_it_was_left_is_intact() -> None:
    """Each by its stem, the newest first; other files count for nothing."""
    assert [(each.name, each.state) for each in check(LOCAL)] == [(STEM, "intact"), (OLDER, "intact")]
    assert check(DOWNLOADED) == [SealState(STEM, "intact")]
    assert seal.exit_code(check(LOCAL)) == 0


@pytest.mark.parametrize("files", PLACES.values(), ids=PLACES)
@given(data=st.data())
def test_any_changed_byte_in_any_file_is_found(files: dict[str, bytes], data: st.DataObject) -> None:
    """And so is a file that became shorter or longer; the others stay intact."""
    name = data.draw(st.sampled_from(sorted(set(files) - {"mine.txt"})))
    content = bytearray(files[name])
    position = data.draw(st.integers(0, len(content)))
    if position == len(content):
        content += data.draw(st.binary(min_size=1, max_size=2))
    elif data.draw(st.booleans()):
        content[position] ^= data.draw(st.integers(1, 255))
    else:
        del content[position : position + data.draw(st.integers(1, 9))]
    wrong = [each for each in check(files | {name: bytes(content)}) if each.state != "intact"]
    # Without a readable outcome, what it was the outcome of is not complete either.
    assert [each.files for each in wrong if each.state == "changed"] == [(name,)]
    assert [each.files for each in wrong if each.state != "changed"] in ([], [(f"{STEM}.json",)])
    assert seal.exit_code(wrong) == 1


@pytest.mark.parametrize("name", sorted(files_of(STEM)))
def test_a_missing_file_is_found(name: str) -> None:
    """Also the outcome itself, which only the notebook still knows of."""
    files = files_of(OLDER) | {key: content for key, content in files_of(STEM).items() if key != name}
    assert check(files) == [SealState(STEM, "missing", (name,)), SealState(OLDER, "intact")]
    assert seal.exit_code(check(files)) == 1


def test_all_that_is_wrong_of_a_record_is_told() -> None:
    """Both files that are missing; and a changed one before a missing one."""
    notebook, page, outcome = files_of(STEM)
    files = files_of(STEM)
    assert check({outcome: files[outcome]}) == [SealState(STEM, "missing", (notebook, page))]
    assert check({outcome: files[outcome], page: b"<p>other</p>"}) == [SealState(STEM, "changed", (page,))]


def test_a_page_alone_is_no_whole_record() -> None:
    """Whatever the version was, there was a notebook."""
    states = check(files_of(OLDER) | {f"{STEM}.html": b"<p>a page</p>"})
    assert states == [SealState(STEM, "missing", (f"{STEM}.ipynb",)), SealState(OLDER, "intact")]
    assert seal.exit_code(states) == 1


def test_a_record_of_a_version_before_seals_is_told_as_that() -> None:
    """It is no reason for an exit code."""
    files = {f"{STEM}.ipynb": b'{"metadata": {}}', f"{STEM}.html": b"", "outcome.json": TEXT.encode()}
    assert check(files) == [SealState(STEM, "not sealed")] and seal.exit_code(check(files)) == 0
    assert check({"outcome.json": b"{}", "index.html": b""}) == []


@pytest.mark.parametrize("name", [f"{STEM}.json", f"{STEM}.html", "outcome.json"])
def test_what_cannot_be_read_is_not_called_intact(name: str) -> None:
    """Exit 2."""

    def read(each: str) -> bytes:
        if each == name:
            raise PermissionError(13, "Permission denied")
        return LOCAL[each]

    (wrong,) = [each for each in seal.check(LOCAL.keys(), read) if each.state != "intact"]
    assert (wrong.state, wrong.files, seal.exit_code([wrong])) == ("unreadable", (name,), 2)


def test_a_kept_record_is_sealed_and_still_an_outcome(tmp_path: Path) -> None:
    """What `keep` leaves can be read as before, and with a tool for SHA-256."""
    draft = Record(tmp_path / "draft", STEM)
    draft.folder.mkdir()
    for path, text in ((draft.notebook, "{}"), (draft.page, "<p>"), (draft.outcome, TEXT)):
        path.write_text(text, encoding="utf-8")
    kept_record = records.keep(draft, Record(tmp_path / "records", STEM))
    assert {path.stat().st_mode & 0o777 for path in kept_record.files} == {0o600}
    assert kept_records.check(kept_record.folder) == [SealState(STEM, "intact")]
    (record,) = kept_records.read(tmp_path / "records")
    assert record.outcome is not None and record.outcome.failure == "It ended — early."
