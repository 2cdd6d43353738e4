"""Findings that are meant: each entry of runbook.toml counts for its check, its subject and until its date."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from nbformat.v4 import new_notebook
from support.faults.content import FAULTS
from support.snapshots import NOW, healthy, with_service

from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.accepted import Accepted
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding, Outcome, status_of
from omc_runbook.report import troubleshoot, verify
from omc_runbook.report.archive.record import Record, write_page
from omc_runbook.report.archive.summary import summarise
from omc_runbook.snapshot.state import Snapshot

TODAY = NOW.date()
REASON = "Stopped to save costs"


def with_entries(snapshot: Snapshot, *entries: Accepted) -> Snapshot:
    """A snapshot with a runbook.toml that accepts these."""
    return replace(snapshot, environment=replace(snapshot.environment, accepted=entries))


def stopped(*entries: Accepted) -> tuple[Finding, ...]:
    """The findings where backend has no tasks on purpose."""
    return diagnose(with_entries(with_service(healthy(), "backend", desired=0), *entries))


def entry(check: str = "desired-zero", subject: str = "*", until: date | None = None) -> Accepted:
    """An entry with a reason."""
    return Accepted(check=check, subject=subject, reason=REASON, until=until)


def outcome(findings: tuple[Finding, ...]) -> Outcome:
    """A verify run that ended with these."""
    return Outcome(
        runbook="verify",
        environment="staging",
        account="1",
        region="r",
        endpoint="e",
        started=NOW,
        finished=NOW,
        findings=findings,
    )


def test_an_accepted_finding_counts_for_nothing_and_is_shown() -> None:
    """It is found, with its reason and its date, and the run is healthy."""
    until = TODAY + timedelta(days=30)
    findings = stopped(entry(subject="back*", until=until))
    (found,) = (finding for finding in findings if finding.check == "desired-zero")
    assert (found.status, found.severity, found.is_problem) == ("found", "warning", False)
    assert found.accepted == f"Accepted until {until}: {REASON}."
    assert status_of(findings) == "ok"
    ended = outcome(findings)
    assert "accepted: desired-zero" in verify.headline(ended)
    assert f"accepted desired-zero: {found.title}" in "\n".join(map(str, summarise(ended, "record", "command")))
    text = verify.findings(findings).to_text()
    assert "accepted · desired-zero" in text and REASON in text
    verdict = troubleshoot.verdict(with_service(healthy(), "backend", desired=0), findings)
    assert verdict.lines[-1].endswith("Accepted in runbook.toml: desired-zero.")
    body = json.loads(ended.to_json())
    assert [each["accepted"] for each in body["findings"] if "accepted" in each] == [found.accepted]
    assert [each.accepted for each in Outcome.from_json(ended.to_json()).findings] == [
        each.accepted for each in findings
    ]


def test_the_head_of_a_page_names_what_is_left_of_an_accepted_check(tmp_path: Path) -> None:
    """The same fault elsewhere is named, and what is accepted is not."""
    both = with_service(with_service(healthy(), "backend", desired=0), "worker", desired=0)
    record = Record(tmp_path, "verify-staging-x")
    write_page(new_notebook(), outcome(diagnose(with_entries(both, entry(subject="backend")))), record)
    page = record.page.read_text(encoding="utf-8")
    assert "verified: worker" in page and "verified: backend" not in page


def test_it_comes_back_when_its_date_has_passed() -> None:
    """On the day itself it holds; the day after, the finding counts and says why."""
    assert status_of(stopped(entry(until=TODAY))) == "ok"
    findings = stopped(entry(until=TODAY - timedelta(days=1)))
    (found,) = (finding for finding in findings if finding.is_problem)
    assert found.check == "desired-zero" and not found.accepted
    assert found.evidence[-1] == f"Accepted until {TODAY - timedelta(days=1)}: {REASON}. That date has passed."
    assert not [finding for finding in findings if finding.check == "accepted-unused"]


@pytest.mark.parametrize("other", [entry("key-missing"), entry(subject="worker"), entry(subject="BACKEND")])
def test_another_check_or_subject_is_not_accepted(other: Accepted) -> None:
    """Only * stands for anything, and case counts."""
    findings = stopped(other)
    assert status_of(findings) == "findings"
    (remark,) = (finding for finding in findings if finding.check == "accepted-unused")
    assert (remark.severity, remark.is_problem, remark.subject) == ("info", False, other.title)
    assert remark.evidence[-1] == other.sentence
    assert remark.remedy.command.endswith(", correct it, or name in it the one environment that it is meant for.")
    findings = stopped(other.model_copy(update={"environment": "staging"}))
    (remark,) = (finding for finding in findings if finding.check == "accepted-unused")
    assert remark.remedy.command.endswith(", or correct it.")


@pytest.mark.parametrize("subject", ["[SECRET_KEY]", "SECRET?KEY", "S*Y"])
def test_brackets_and_question_marks_mean_themselves(subject: str) -> None:
    """A subject is a name, in which only * is special."""
    assert entry(subject=subject).covers("desired-zero", "SECRET_KEY") is ("*" in subject)


def test_an_unknown_check_is_a_remark_with_the_nearest() -> None:
    """A typing error does not accept anything silently."""
    findings = diagnose(with_entries(healthy(), entry("desired-zer")))
    (remark,) = (finding for finding in findings if finding.check == "accepted-unused")
    assert remark.evidence[0] == "There is no check desired-zer: did you mean desired-zero?"
    assert status_of(findings) == "ok"


def test_the_report_names_the_variable_that_has_the_entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable has all entries, and the guide and runbook.toml none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runbook.toml").write_text('[[accepted]]\ncheck = "no-permission"\nreason = "Overridden"\n')
    entries = [{"check": check, "reason": "Stopped"} for check in ("desired-zro", "desired-zero")]
    monkeypatch.setenv("OMC_ACCEPTED", json.dumps(entries))
    loaded = load("staging")
    own = replace(healthy().environment, variables=loaded.variables, source=loaded.source)
    snapshot = with_entries(replace(healthy(), environment=own), *loaded.accepted)
    findings = diagnose(with_service(snapshot, "backend", desired=0))
    [remark] = (finding for finding in findings if finding.check == "accepted-unused")
    assert remark.remedy is not None and remark.remedy.command.startswith("Remove the entry from OMC_ACCEPTED, ")
    assert troubleshoot.verdict(snapshot, findings).lines[-1].endswith("Accepted in OMC_ACCEPTED: desired-zero.")
    assert "runbook.toml" not in remark.title


def test_a_check_that_was_not_run_says_nothing_of_its_entries() -> None:
    """Without a checkout drift is not looked for, and an unread field leaves open what would be found."""
    unread = replace(healthy(), service_names=None, services=(), tasks=())
    for snapshot, check in ((healthy(), "template-lacks"), (unread, "not-forced")):
        findings = diagnose(with_entries(snapshot, entry(check)))
        assert not [finding for finding in findings if finding.check == "accepted-unused"]


def test_a_cause_that_is_accepted_hides_no_consequence() -> None:
    """What follows from it counts by itself, as its own root cause."""
    snapshot = FAULTS["key-missing"].make(healthy())
    (cause,) = {finding.check for finding in diagnose(snapshot) if finding.is_root_cause}
    findings = diagnose(with_entries(snapshot, entry(cause)))
    for finding in findings:
        assert finding.check == cause or cause not in finding.because_of
        assert finding.check != cause or finding.cause_of == ()


@pytest.mark.parametrize(
    "make", [lambda snapshot: snapshot, lambda snapshot: with_service(snapshot, "backend", desired=0)]
)
def test_nothing_changes_without_entries(make: Callable[[Snapshot], Snapshot]) -> None:
    """A runbook.toml without [[accepted]] accepts nothing."""
    assert not [
        finding for finding in diagnose(make(healthy())) if finding.accepted or finding.check == "accepted-unused"
    ]
