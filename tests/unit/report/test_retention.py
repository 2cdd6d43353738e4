"""Which records are removed by age and count, and what always stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.outcomes import NOW, an_outcome
from support.records import keep

from omc_runbook.headless import last_run
from omc_runbook.headless.news import Open
from omc_runbook.model.records import RecordSettings
from omc_runbook.report.archive import kept_records, retention, stems


def days_before(days: int) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three records of verify on staging, one on production, one of rotate, and files that are no records."""
    path = tmp_path_factory.mktemp("records")
    for environment, runbook, days in (
        *(("staging", "verify", days) for days in (0, 10, 500)),
        ("production", "verify", 500),
        *(("staging", "rotate", days) for days in (399, 600)),
    ):
        keep(path, an_outcome(environment=environment, runbook=runbook, started=days_before(days)))
    # A change that was not finished, and notebooks of a person's own.
    unfinished = next(path.glob("rotate-staging-2024*.ipynb"))
    unfinished.with_suffix(".state.json").write_text("{}")
    for year in (2020, 2998, 2999):
        (path / f"verify-staging-{year}0101T000000Z.ipynb").write_text("{}")
    return path


@pytest.mark.parametrize(
    ("settings", "removed"),
    [
        ({}, []),
        ({"keep_days": 400}, [("verify-staging", "500 days old")]),
        ({"keep_days": 10}, [("verify-staging", "500 days old"), ("verify-staging", "10 days old")]),
        ({"keep_count": 3}, []),
        ({"keep_count": 2}, [("verify-staging", "not among the newest 2")]),
        ({"keep_count": 1, "keep_days": 400}, [("verify-staging", "500 days old"), ("verify-staging", "not among")]),
    ],
)
def test_what_is_too_old_or_too_many_goes(
    folder: Path, settings: dict[str, int], removed: list[tuple[str, str]]
) -> None:
    """By runbook and environment: the last one of each stays, an unfinished change's, and what is no record."""
    plan = retention.plan(folder, RecordSettings(**settings), NOW)
    assert [each.stem.text[: len(begin)] for each, (begin, _) in zip(plan, removed, strict=True)] == [
        begin for begin, _ in removed
    ]
    assert all(each.reason.startswith(reason) for each, (_, reason) in zip(plan, removed, strict=True))
    assert all(len(each.files) == 3 for each in plan)


def test_a_removal_that_broke_off_is_found_again(tmp_path: Path) -> None:
    """Its notebook goes last; then nothing is left of the record, and the others are intact."""
    for days in (0, 500):
        keep(tmp_path, an_outcome(started=days_before(days)))
    (removal,) = retention.plan(tmp_path, RecordSettings(keep_days=400), NOW)
    removal.files[0].unlink()
    (again,) = retention.plan(tmp_path, RecordSettings(keep_days=400), NOW)
    assert again.files == removal.files[1:] and again.files[-1].suffix == ".ipynb"
    retention.apply([again])
    assert not list(tmp_path.glob(f"{removal.stem.text}*")) and len(list(tmp_path.iterdir())) == 4


def test_a_record_that_another_run_is_writing_stays(tmp_path: Path) -> None:
    """Half of it would be left: its outcome, which comes last, without its notebook. Tomorrow nobody writes it."""
    for seconds in (0, 1, 2):
        keep(tmp_path, an_outcome(started=NOW - timedelta(seconds=seconds)))
    (tmp_path / f"{stems.make('verify', 'staging', NOW - timedelta(seconds=1))}.json").unlink()
    settings = RecordSettings(keep_count=1)
    today, tomorrow = (retention.plan(tmp_path, settings, NOW + timedelta(days=days)) for days in (0, 1))
    assert [each.stem.started.second for each in today] == [58]
    assert [each.stem.started.second for each in tomorrow] == [58, 59]


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "a\nb", "\x00", "é" * 100_000, "\U00020000" * 100_000, "a" * 51])
def test_an_environments_name_leads_out_of_no_folder(name: str, tmp_path: Path) -> None:
    """Whatever runbook.toml calls it, and however long: it is a part of a file's name."""
    stem = stems.make("troubleshoot", name, datetime.now(UTC))
    (tmp_path / f".{stem}.ipynb.12345678").touch()
    assert Path(stem).name == stem and (parsed := stems.parse(stem)) and parsed.runbook == "troubleshoot"
    assert stems.file_name(f"{name}1") != stems.file_name(f"{name}2")


def test_names_that_differ_in_a_dot_are_two_environments(tmp_path: Path) -> None:
    """Each keeps its last record, and what is remembered of its last run."""
    for environment in ("dev.x", "dev_x"):
        keep(tmp_path, an_outcome(environment=environment, started=NOW))
        last_run.write(tmp_path, an_outcome(environment=environment), {"findings": Open(), "unknown": Open()})
    assert retention.plan(tmp_path, RecordSettings(keep_count=1), NOW) == ()
    assert len({each.stem.environment for each in kept_records.read(tmp_path) if each.stem}) == 2
    assert len([*tmp_path.glob(f".*{last_run.SUFFIX}")]) == 2


def test_a_fleet_is_newer_than_its_environments(tmp_path: Path) -> None:
    """Also where all of them ended in the same second."""
    keep(tmp_path, an_outcome())
    keep(tmp_path / "below", an_outcome(runbook="fleet"))
    assert kept_records.read(tmp_path)[0].page.name.startswith("fleet-")


def test_a_record_of_the_future_stays_and_makes_no_other_too_many(tmp_path: Path) -> None:
    """After a clock was ahead: the record of each later run would go as soon as it is made."""
    for days in (-700, -650, 0, 1):
        keep(tmp_path, an_outcome(started=days_before(days)))
    for settings in (RecordSettings(keep_count=1), RecordSettings(keep_days=1)):
        assert [each.stem.started for each in retention.plan(tmp_path, settings, NOW)] == [days_before(1)]
