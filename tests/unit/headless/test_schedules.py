"""Which runs are expected, and which schedules make no sense."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.outcomes import NOW, an_outcome

from omc_runbook.headless import last_run, notify, overview, schedules
from omc_runbook.headless.last_run import LastRun
from omc_runbook.headless.news import Open, Standing
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, Outcome, OutcomeStatus, TargetOutcome
from omc_runbook.model.notify import Notify
from omc_runbook.runbooks import run

pytest.importorskip("cronsim", reason="cronsim is not installed")


NOTHING_OPEN: Standing = {"findings": Open(), "unknown": Open()}


@pytest.fixture(autouse=True)
def utc() -> Iterator[None]:
    """Let the machine's time zone, by which cron goes, be UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC0")
        time.tzset()
        yield
    time.tzset()


def _configure(folder: Path, monkeypatch: pytest.MonkeyPatch, runbook: str) -> None:
    monkeypatch.chdir(folder)
    (folder / "runbook.toml").write_text(f'[[schedules]]\nrunbook = "{runbook}"\ncron = "0 1 * * *"\n')


def test_a_run_is_overdue_once_its_grace_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one ended at three."""
    _configure(tmp_path, monkeypatch, "verify")
    last_run.write(tmp_path, an_outcome(), {"findings": Open(), "unknown": Open()})
    for now, is_overdue in (
        (datetime(2026, 7, 2, 1, 59, tzinfo=UTC), False),
        (datetime(2026, 7, 2, 2, 1, tzinfo=UTC), True),
    ):
        (state,) = schedules.read(tmp_path, now)
        assert state.is_overdue == is_overdue
        assert f"the last run ended {NOW:%Y-%m-%d %H:%M} UTC (ok)" in state.sentence and "future" not in state.sentence


def test_a_last_run_that_says_nothing_hides_no_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock was ahead; what is remembered is broken, or cannot be read: each is reported, and none is on time."""
    _configure(tmp_path, monkeypatch, "verify")
    now = datetime(2026, 7, 2, 2, 1, tzinfo=UTC)
    last_run.write(
        tmp_path, replace(an_outcome(), finished=now + timedelta(days=9)), {"findings": Open(), "unknown": Open()}
    )
    (path,) = tmp_path.glob(".verify-*")

    def state() -> str:
        (one,) = schedules.read(tmp_path, now)
        assert one.is_overdue
        return one.sentence

    assert "which is in the future" in state()
    path.write_text("{")
    assert f"{path} is broken" in state()
    path.unlink()
    path.mkdir()
    assert f"{path} cannot be read" in state()
    path.rmdir()
    assert "it never ran" in state()


def test_a_run_on_several_environments_is_remembered_by_the_first_also_where_it_could_not_begin(tmp_path: Path) -> None:
    """Else what it could not look at would stay open for ever, under a name that no other run has."""
    failed = Outcome.of_failure("audit", "staging, eu", NOW, "No AWS credentials were found.")
    last_run.write(tmp_path, failed, NOTHING_OPEN)
    found = last_run.read(tmp_path, "audit", "staging")
    assert isinstance(found, LastRun) and found.status == "failed" and failed.where == "staging, eu"
    assert last_run.read(tmp_path, "audit", "eu") == found
    one = Outcome.of_failure("audit", ", staging,", NOW, "No AWS credentials were found.")
    assert (one.environment, one.where) == ("staging", "")


def test_an_audit_of_one_environment_does_not_forget_what_one_of_several_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is compared with the last one on the same environments; a run on several is one on the first, too."""
    _configure(tmp_path, monkeypatch, "audit")
    found = Finding(check="user-unused", family="audit", title="A title", status="found", subject="eu: analyst")
    several = an_outcome(runbook="audit", where="staging, eu", findings=(found,))
    own = an_outcome(runbook="audit", finished=NOW - timedelta(days=9), findings=(replace(found, subject="analyst"),))
    for outcome in (own, several):
        notify.report(outcome, tmp_path, Notify())
    (state,) = schedules.read(tmp_path, NOW)
    assert not state.is_overdue
    for environments, name in (("staging", "analyst"), (last_run.environments_of(several), "eu: analyst")):
        last = last_run.read(tmp_path, "audit", environments)
        assert isinstance(last, LastRun) and last.finished == NOW
        assert set(last.standing["findings"].since) == {f"user-unused: {name}"}


@pytest.mark.parametrize(("environment", "status"), [("staging", "ok"), ("production", "unknown")])
def test_an_audit_of_several_environments_takes_place_on_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str, status: str
) -> None:
    """A schedule that names one of them expects no other run, also where that one could not be looked at."""
    _configure(tmp_path, monkeypatch, "audit")
    toml = tmp_path / "runbook.toml"
    toml.write_text(f'{toml.read_text()}environment = "{environment}"\n')
    (state,) = schedules.read(tmp_path, NOW)
    assert state.is_overdue
    own = TargetOutcome(environment="staging", account="", region="", endpoint="", status="ok")
    targets = (own, replace(own, environment="production", status="unknown"))
    failure = "Not looked at: production."
    outcome = an_outcome(runbook="audit", where="staging, production", targets=targets, failure=failure)
    last_run.write(tmp_path, outcome, NOTHING_OPEN)
    (state,) = schedules.read(tmp_path, NOW)
    assert not state.is_overdue and f"({status})" in state.sentence


def test_an_audit_takes_place_where_the_calls_of_each_environment_go(tmp_path: Path) -> None:
    """A profile can have an endpoint of its own: a sandbox's is not AWS's, whichever environment comes first."""
    own = TargetOutcome(environment="staging", account="", region="", endpoint="", status="ok")
    targets = (own, replace(own, environment="practice", endpoint="http://127.0.0.1:5000"))
    for each in (targets, targets[::-1]):
        where, first = ", ".join(one.environment for one in each), each[0]
        outcome = an_outcome(runbook="audit", environment=first.environment, where=where, targets=each)
        last_run.write(tmp_path, replace(outcome, endpoint=first.endpoint), NOTHING_OPEN)
        for environment, endpoint in (("staging", ""), ("practice", "http://127.0.0.1:5000")):
            assert isinstance(last_run.read(tmp_path, "audit", environment, endpoint), LastRun)
        assert last_run.read(tmp_path, "audit", "practice") == ""
        assert last_run.read(tmp_path, "audit", "staging", "http://127.0.0.1:5000") == ""


def test_a_fleet_is_expected_on_each_of_its_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parameter is staging wherever it looks, and another fleet in between looks elsewhere."""
    _configure(tmp_path, monkeypatch, "fleet")
    toml = tmp_path / "runbook.toml"
    toml.write_text(f'{toml.read_text()}environment = "production"\n')
    (state,) = schedules.read(tmp_path, NOW)
    assert state.is_overdue and "it never ran" in state.sentence
    for days, name, status in ((0, "production", "findings"), (1, "qa", "ok")):
        target = TargetOutcome(environment=name, account="", region="", endpoint="", status=status)
        ended = NOW + timedelta(days=days)
        last_run.write(tmp_path, an_outcome(runbook="fleet", finished=ended, targets=(target,)), NOTHING_OPEN)
        (state,) = schedules.read(tmp_path, ended)
        assert state.is_overdue == (name == "qa")
        assert f"the last run ended {NOW:%Y-%m-%d %H:%M} UTC (findings)" in state.sentence
    for hours, status in ((-1, "findings"), (1, "ok")):
        own = an_outcome(runbook="fleet", environment="production", finished=NOW + timedelta(hours=hours))
        last_run.write(tmp_path, own, NOTHING_OPEN)
        assert f"({status})" in schedules.read(tmp_path, NOW + timedelta(hours=1))[0].sentence, "the newer of both"


@pytest.mark.parametrize(
    ("status", "endpoint", "hours", "is_overdue"),
    [
        ("ok", "", 0, False),
        ("findings", "", 0, False),
        ("unknown", "", 0, True),
        ("failed", "", 0, True),
        ("ok", "http://127.0.0.1:5000", 0, True),
        ("ok", "", -48, True),
        ("ok", "", 48, True),
    ],
)
def test_a_fleet_runs_verify_on_each_environment(
    status: OutcomeStatus, endpoint: str, hours: int, is_overdue: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no schedule of verify misses a run where fleet has looked at its environment, in time and in AWS."""
    _configure(tmp_path, monkeypatch, "verify")
    toml = tmp_path / "runbook.toml"
    toml.write_text(f'{toml.read_text()}environment = "production"\n')
    last_run.write(tmp_path, an_outcome(environment="production", finished=NOW - timedelta(days=9)), NOTHING_OPEN)
    first = TargetOutcome(environment="staging", account="", region="", endpoint="", status="ok")
    target = replace(first, environment="production", endpoint=endpoint, status=status)
    ended = NOW + timedelta(hours=hours)
    last_run.write(tmp_path, an_outcome(runbook="fleet", finished=ended, targets=(first, target)), NOTHING_OPEN)
    (state,) = schedules.read(tmp_path, NOW)
    assert state.is_overdue == is_overdue
    assert (f"fleet ran it, and ended {NOW:%Y-%m-%d %H:%M} UTC" in state.sentence) == (not is_overdue)


def test_a_fleet_that_could_not_look_takes_no_earlier_look_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that was expected took place; and why verify's own is not known stays in the sentence."""
    _configure(tmp_path, monkeypatch, "verify")
    toml = tmp_path / "runbook.toml"
    toml.write_text(f'{toml.read_text()}environment = "production"\n')
    own = TargetOutcome(environment="production", account="", region="", endpoint="", status="ok")
    for minutes, target in ((0, own), (5, replace(own, status="unknown")), (9, replace(own, environment="qa"))):
        ended = NOW + timedelta(minutes=minutes)
        last_run.write(tmp_path, an_outcome(runbook="fleet", finished=ended, targets=(target,)), NOTHING_OPEN)
        (state,) = schedules.read(tmp_path, NOW + timedelta(minutes=30))
        assert not state.is_overdue
        assert state.sentence == f"verify on production: fleet ran it, and ended {NOW:%Y-%m-%d %H:%M} UTC."
    (state,) = schedules.read(tmp_path, NOW + timedelta(days=1))
    assert state.is_overdue
    last_run.write(tmp_path, an_outcome(environment="production", finished=NOW - timedelta(days=9)), NOTHING_OPEN)
    (path,) = tmp_path.glob(".verify-production*.json")
    path.write_text("{")
    (state,) = schedules.read(tmp_path, NOW + timedelta(minutes=30))
    assert not state.is_overdue
    assert f"ended {NOW:%Y-%m-%d %H:%M} UTC; its last run is not known, since {path} is broken." in state.sentence


def test_a_run_of_another_project_hides_no_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its records are in the same folder, and its environment has the same name."""
    _configure(tmp_path, monkeypatch, "verify")
    path = tmp_path / "runbook.toml"
    path.write_text(f'project = "shop"\n{path.read_text()}')
    for project, ended in (("ohmycoins", "it never ran"), ("sandbox", "it never ran"), ("shop", "the last run ended")):
        last_run.write(tmp_path, an_outcome(), NOTHING_OPEN, project)
        (state,) = schedules.read(tmp_path, NOW)
        assert ended in state.sentence


def test_the_schedules_of_a_named_file_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with the parameter runbook_toml shows them on the index page, and not those of the working folder."""
    (tmp_path / "elsewhere").mkdir()
    _configure(tmp_path, monkeypatch, "verify")
    named = tmp_path / "elsewhere" / "runbook.toml"
    named.write_text('[[schedules]]\nrunbook = "troubleshoot"\nenvironment = "production"\ncron = "0 1 * * *"\n')
    with pytest.raises(UsageError, match="troubleshoot can change something"):
        schedules.read(tmp_path, NOW, str(named))
    named.write_text(named.read_text().replace("troubleshoot", "audit"))
    (state,) = schedules.read(tmp_path, NOW, str(named))
    assert state.environment == "production"
    overview.after_run(tmp_path, str(named))
    page = (tmp_path / "index.html").read_text()
    assert "audit on production" in page and "verify on staging" not in page


def test_a_run_in_a_sandbox_is_no_run_in_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides neither that a run is overdue, nor what was open."""
    _configure(tmp_path, monkeypatch, "verify")
    in_sandbox = replace(an_outcome(), endpoint="http://127.0.0.1:5000", finished=NOW + timedelta(days=1))
    last_run.write(tmp_path, an_outcome(), {"findings": Open(), "unknown": Open()})
    last_run.write(tmp_path, in_sandbox, {"findings": Open(), "unknown": Open()})
    (state,) = schedules.read(tmp_path, datetime(2026, 7, 2, 2, 1, tzinfo=UTC))
    assert state.is_overdue
    monkeypatch.setenv("AWS_ENDPOINT_URL", in_sandbox.endpoint)
    (state,) = schedules.read(tmp_path, datetime(2026, 7, 2, 2, 1, tzinfo=UTC))
    assert not state.is_overdue


def test_the_index_page_reads_a_schedule_in_the_time_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one in the morning ten hours east of UTC, which is 15:00 there."""
    monkeypatch.setenv("TZ", "EAST-10")
    time.tzset()
    try:
        _configure(tmp_path, monkeypatch, "verify")
        last_run.write(tmp_path, replace(an_outcome(), finished=NOW.replace(hour=14)), NOTHING_OPEN)
        before, after = NOW.replace(hour=15, minute=59), NOW.replace(hour=16, minute=1)
        assert ["OVERDUE" in overview.write(tmp_path, now).read_text() for now in (before, after)] == [False, True]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("runbook", "sentence"),
    [
        ("verfy", 'There is no runbook "verfy": did you mean verify?'),
        ("rotate", "runbook.toml: rotate can change something: schedule only runbooks that read"),
    ],
)
def test_a_schedule_whose_runs_are_never_remembered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runbook: str, sentence: str
) -> None:
    """Instead of being overdue for ever, whoever reads the file: no run begins with it."""
    _configure(tmp_path, monkeypatch, runbook)
    for read in (lambda: schedules.read(tmp_path), lambda: run.reach("verify", "staging")):
        with pytest.raises(UsageError) as raised:
            read()
        assert str(raised.value).startswith(sentence) and "runbook.toml" in str(raised.value)
    entry = f'[{{"runbook": "{runbook}", "environment": "staging", "cron": "0 7 * * *"}}]'
    monkeypatch.setenv("OMC_SCHEDULES", entry)
    with pytest.raises(UsageError, match="OMC_SCHEDULES") as raised:
        schedules.read(tmp_path)
    assert "runbook.toml" not in str(raised.value)
