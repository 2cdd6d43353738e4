"""How an audit begins: what it refuses before anything is read, and which environment it could not look at."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pytest

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.masking import kernel
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.runbooks import audit, conclude
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.run import Target
from omc_runbook.runbooks.several_environments import name_environment
from omc_runbook.snapshot.state import Snapshot


@pytest.mark.parametrize(
    ("environment", "days", "sentence"),
    [
        ("staging", 0, "days must be at least 1"),
        ("staging, staging", 90, "environment names staging twice"),
        ("stagin,production", 90, 'Environment "stagin" is unknown: did you mean staging?'),
        ("", 90, 'Environment "" is unknown'),
        ("local,staging", 90, "choose staging or production"),
    ],
)
def test_what_an_audit_cannot_be_of_is_refused(environment: str, days: int, sentence: str) -> None:
    """In one sentence, and before AWS is asked."""
    with pytest.raises(UsageError) as refused:
        audit.begin(environment, "", days)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("OMC_AUDIT__EVENT_DATA_STORE", "audit", "must be the ARN of an event data store"),
        ("OMC_AUDIT__TRAIL_S3", "s3://audit-logs", "has both trail_s3 and event_data_store: name the one to read"),
    ],
)
def test_where_events_are_is_named_once_and_by_its_arn(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    """What cannot be meant is refused before anything is read."""
    store = "arn:aws:cloudtrail:ap-southeast-2:123456789012:eventdatastore/8a7b6c5d"
    monkeypatch.setenv("OMC_AUDIT__EVENT_DATA_STORE", store)
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        audit.begin("staging", "", 400)
    assert sentence in str(refused.value)


CALLER = Caller("123456789012", "arn:aws:iam::123456789012:user/night")
SILENT = "AWS cannot be reached: check the network."


TAKEN = datetime(2026, 7, 1, tzinfo=UTC)


def silence(monkeypatch: pytest.MonkeyPatch, silent: Mapping[str, Exception], answers: bool) -> None:
    """Let AWS be silent on some environments, as soon as the caller is asked for, or only after that."""

    def fail(environment: Environment) -> None:
        if error := silent.get(environment.name):
            raise error

    def identify(clients: Clients, environment: Environment) -> Caller:
        if not answers:
            fail(environment)
        return CALLER

    def look(target: Target, *_: object, **__: object) -> Snapshot:
        fail(target.environment)
        return Snapshot(environment=target.environment, taken=TAKEN, caller=CALLER, endpoint="")

    monkeypatch.setattr(runbooks_run, "identify", identify)
    monkeypatch.setattr(Target, "look", look)


@pytest.mark.parametrize(
    ("environments", "sentence"), [("staging", SILENT), ("production,staging", f"production: {SILENT}")]
)
@pytest.mark.parametrize("answers", [False, True])
def test_where_no_environment_can_be_looked_at_the_first_is_named(
    monkeypatch: pytest.MonkeyPatch, environments: str, sentence: str, answers: bool
) -> None:
    """Whether AWS is silent at once or later: its own reason may fit each of them."""
    silence(monkeypatch, dict.fromkeys(("staging", "production"), CouldNotLook(SILENT)), answers)
    with pytest.raises(CouldNotLook) as failed:
        audit.look(audit.begin(environments))
    assert str(failed.value) == sentence


@pytest.mark.parametrize("error", [CouldNotLook(SILENT), UsageError("These credentials are for another account.")])
@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("order", [*permutations(("staging", "production", "qa"))])
def test_what_cannot_be_looked_at_keeps_no_other_environment_from_being_audited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, order: tuple[str, ...], answers: bool, error: Exception
) -> None:
    """It is unknown, in its place among the others, with the reason, and the command where that may help."""
    (tmp_path / "runbook.toml").write_text("".join(f"[environments.{name}]\n" for name in order))
    silence(monkeypatch, {"production": error}, answers)
    run = audit.begin(",".join(order), str(tmp_path / "runbook.toml"))
    snapshots = audit.look(run)
    assert [*snapshots] == [name for name in order if name != "production"]
    found = audit.diagnose(snapshots)
    (finding,) = found["production"]
    assert (finding.check, finding.status, finding.evidence) == (
        "environment-unread",
        "unknown",
        (f"production: {error}",),
    )
    assert ("run audit -p environment production" in "".join(finding.remedy.ways)) is isinstance(error, CouldNotLook)
    ended = audit.answer(run, snapshots, found).to_text()
    _, also, rest = ended.rpartition("Also wrong")
    assert also and f"Not looked at: production: {error}" in " ".join(rest.split())
    assert "What to do" in rest and ("run audit -p environment production" in rest) is bool(finding.remedy.ways)
    outcomes = list[Outcome]()
    monkeypatch.setattr(conclude, "end", lambda outcome: outcomes.append(outcome))
    audit.conclude(run, snapshots, found)
    (outcome,) = outcomes
    assert (outcome.environment, outcome.where, outcome.failure) == (
        order[0],
        ", ".join(order),
        "Not looked at: production.",
    )
    assert [each.environment for each in outcome.targets] == [*order] and outcome.exit_code == 2
    assert {each.environment: each.status for each in outcome.targets}["production"] == "unknown"
    display = audit.lights(snapshots, found)
    assert {each.word for each in display.lights if each.environment == "production"} == {"not known"}
    assert "Not looked at: production." in audit.readers(snapshots).to_text()


@pytest.mark.parametrize("has_person", [False, True])
def test_environments_are_signed_in_to_side_by_side_unless_a_person_may_be_asked(
    monkeypatch: pytest.MonkeyPatch, has_person: bool
) -> None:
    """One that never answers takes longer than a scheduler waits for several; two MFA codes need an order."""
    under_way, most = list[str](), list[int]()
    together = threading.Barrier(2)

    def identify(clients: Clients, environment: Environment) -> Caller:
        under_way.append(environment.name)
        most.append(len(under_way))
        if not has_person:
            together.wait(10)
        under_way.remove(environment.name)
        return CALLER

    monkeypatch.setattr(kernel, "allows_input", lambda: has_person)
    monkeypatch.setattr(runbooks_run, "identify", identify)
    run = audit.begin("staging,production")
    assert [each.environment.name for each in run.targets] == ["staging", "production"]
    assert max(most) == (1 if has_person else 2)


def test_many_environments_that_never_answer_take_no_longer_than_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All are signed in to at once: a silent one takes more than a minute."""
    names = [f"eu-{n}" for n in range(9)]
    (tmp_path / "runbook.toml").write_text("".join(f"[environments.{name}]\n" for name in names))
    together = threading.Barrier(len(names))

    def identify(clients: Clients, environment: Environment) -> Caller:
        together.wait(10)
        return CALLER

    monkeypatch.setattr(kernel, "allows_input", lambda: False)
    monkeypatch.setattr(runbooks_run, "identify", identify)
    run = audit.begin(",".join(names), str(tmp_path / "runbook.toml"))
    assert [each.environment.name for each in run.targets] == names


def test_an_interruption_does_not_wait_for_an_environment_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that stops a run kills it soon after."""
    ended, waited = threading.Event(), list[bool]()

    def identify(clients: Clients, environment: Environment) -> Caller:
        if environment.name == "staging":
            raise KeyboardInterrupt
        waited.append(ended.wait(10))
        return CALLER

    monkeypatch.setattr(kernel, "allows_input", lambda: False)
    monkeypatch.setattr(runbooks_run, "identify", identify)
    with pytest.raises(KeyboardInterrupt):
        audit.begin("staging,production")
    assert not waited
    ended.set()


def test_the_last_environment_that_falls_silent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one could not be reached from the beginning."""
    silence(monkeypatch, {"staging": CouldNotLook(SILENT)}, False)
    run = audit.begin("staging,production")
    silence(monkeypatch, {"production": CouldNotLook(SILENT)}, True)
    with pytest.raises(CouldNotLook, match=f"production: {SILENT}"):
        audit.look(run)


def test_a_repository_that_is_none_is_refused_whatever_could_not_be_reached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one sentence, which no other reason hides."""

    def identify(clients: Clients, environment: Environment) -> Caller:
        if environment.name == "staging":
            raise CouldNotLook(SILENT)
        return CALLER

    monkeypatch.setattr(runbooks_run, "identify", identify)
    run = audit.begin("staging,production")
    with pytest.raises(UsageError) as refused:
        audit.look(run, str(tmp_path / "none"))
    assert str(tmp_path / "none") in str(refused.value)


def test_environments_that_share_a_call_name_themselves_alone() -> None:
    """Its error is the same object for each of them."""
    shared, names = CouldNotLook(SILENT, kind="no-answer"), ("production", "staging")
    for name in names:
        with pytest.raises(CouldNotLook) as failed, name_environment(name, names):
            raise shared
        assert (str(failed.value), failed.value.kind) == (f"{name}: {SILENT}", "no-answer")
