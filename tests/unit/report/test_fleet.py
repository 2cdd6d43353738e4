"""The report on several environments: the matrix, what is wrong by environments, and the outcome of all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.outcomes import an_outcome

from omc_runbook.diagnosis.comparison import Facts
from omc_runbook.model.environment import load
from omc_runbook.model.findings import Finding, Remedy, Severity, Status
from omc_runbook.report import fleet
from omc_runbook.report.fleet import EnvironmentRun, Runs


def _finding(check: str, status: Status = "found", family: str = "content", severity: Severity = "error") -> Finding:
    return Finding(
        check=check,
        family=family,
        title=f"Title of {check}",
        status=status,
        subject="backend",
        severity=severity,
        evidence=(f"Evidence of {check}.",),
        remedy=Remedy(runbook="update", parameters={"environment": "one"}),
    )


def _run(*findings: Finding) -> EnvironmentRun:
    return EnvironmentRun(outcome=an_outcome(findings=findings), page=Path("one.html"))


CLEAR = _finding("not-forced", "clear", "deployment")
RUNS: Runs = fleet.sort(
    {
        "good": _run(CLEAR),
        "partly": _run(_finding("kms-denied", "unknown", "access"), CLEAR),
        "warned": _run(_finding("weak", severity="warning"), CLEAR),
        "silent": EnvironmentRun(failure="No answer within 120 s.", parameters={"environment": "silent"}),
        "bad": _run(_finding("weak", severity="warning"), _finding("key-missing"), CLEAR),
        "worst": _run(_finding("key-missing"), _finding("empty"), _finding("weak", severity="warning"), CLEAR),
    }
)


def test_the_worst_come_first() -> None:
    """Errors, what nobody knows, warnings, what is partly unknown, and what is all right."""
    assert [*RUNS] == ["worst", "bad", "silent", "warned", "partly", "good"]


def test_a_cell_is_the_worst_of_its_family() -> None:
    """With the number of others; a link leads to the record, and an environment without one has none."""
    table = fleet.matrix(RUNS, {"worst": "worst/page.html"})
    assert table.columns == ["environment", "result", "content", "deployment", "access"]
    assert table.rows[0] == ["worst", "findings", "key-missing +2", "clear", "—"]
    assert table.rows[2] == ["silent", "not looked at", "unknown", "unknown", "unknown"]
    assert table.rows[4] == ["partly", "unknown", "—", "clear", "unknown"]
    assert '<a href="worst/page.html">worst</a>' in table.to_html() and table.to_html().count("<a ") == 1
    levels = {text: table.levels.get(text) for row in table.rows for text in row}
    assert (levels["key-missing +2"], levels["weak"], levels["not looked at"]) == ("error", "warning", "unknown")


def test_problems_stand_first_and_nothing_is_shown_only_because_an_environment_was_not_read() -> None:
    """A page has no room for more."""
    quiet, found = _finding("policy", "skipped", "network"), _finding("kms-denied", family="access")
    runs = {"unread": EnvironmentRun(failure="No."), "other": _run(CLEAR, quiet, found)}
    assert fleet.matrix(runs, {}).columns == ["environment", "result", "access", "deployment"]


def test_what_would_be_refused_again_has_no_command() -> None:
    """Its sentence says what to correct."""
    sentence = "Correct account_id in runbook.toml."
    runs = {"qa": EnvironmentRun(failure=sentence, is_refused=True, parameters={"environment": "qa"})}
    steps = fleet.next_steps(runs)
    assert steps and "omc-runbook" not in (text := steps.to_text()) and sentence in text
    assert "omc-runbook" not in fleet.problems(runs).to_text()
    (finding,) = fleet.findings(runs)
    assert finding.remedy.ways == ()


@pytest.mark.parametrize("is_refused", [False, True])
def test_why_environments_could_not_be_looked_at_is_told_once(is_refused: bool) -> None:
    """With all their names, as where the endpoint that all have is not reached."""
    runs = {
        name: EnvironmentRun(failure=reason, is_refused=is_refused, parameters={"environment": name})
        for name, reason in {"one": "No endpoint.", "two": "No endpoint.", "three": "No answer."}.items()
    }
    assert fleet.summary(runs).lines == ("one, two: No endpoint.", "three: No answer.")
    for listing in (fleet.problems(runs), fleet.next_steps(runs)):
        assert listing and "one, two" in (text := " ".join(listing.to_text().split()))
        assert text.count("No endpoint.") <= 1 and "-p environment two" not in text
        assert ("put its name in place of one." in text) is not is_refused


def test_equal_findings_are_one_line() -> None:
    """With the environments that have it, and the command of the first."""
    text = fleet.problems(RUNS).to_text()
    assert "worst, bad" in text and "worst, bad, warned" in text
    assert "worst: backend. Evidence of key-missing.\n" in text and "bad: backend. Evidence of key-missing.\n" in text
    assert text.count("Title of key-missing.") == 1 and "omc-runbook run update -p environment one" in text
    assert "No answer within 120 s." in text and "omc-runbook run verify -p environment silent" in text


def test_the_outcome_names_each_environment() -> None:
    """In subjects; what is clear in all is one finding, and what could not be looked at fails the run."""
    found = [(each.check, each.status, each.subject) for each in fleet.findings(RUNS)]
    assert ("key-missing", "found", "worst: backend") in found and ("key-missing", "found", "bad: backend") in found
    assert ("kms-denied", "unknown", "partly: backend") in found
    assert ("environment-unread", "unknown", "silent") in found
    assert [each for each in found if each[0] == "not-forced"] == [("not-forced", "clear", "")]
    assert fleet.failure(RUNS) == "Not looked at: silent."
    good = {"good": RUNS["good"]}
    assert fleet.failure(good) == ""
    assert fleet.failure(good, ["Account 1 refused."]) == "Account 1 refused."
    assert fleet.findings(good, ["Account 1 refused."])[0].evidence == ("Account 1 refused.",)
    assert fleet.summary(good, ["Account 1 refused."]).style == "unsure"
    (target,) = fleet.targets([load("staging")], {"staging": RUNS["silent"]})
    assert (target.environment, target.status, target.region) == ("staging", "unknown", "ap-southeast-2")


def test_the_commands_by_hand_are_for_every_shell() -> None:
    """fish has another loop than sh."""
    (entry,) = fleet.by_hand([load("staging"), load("production")]).entries
    assert entry.command == (
        "omc-runbook run verify -p environment staging; omc-runbook run verify -p environment production"
    )


def test_the_answer_says_how_many_are_all_right() -> None:
    """And for each other one why not, and what to do."""
    banner = fleet.summary(RUNS)
    assert banner.headline == (
        "✗ Something is wrong in 3 of 6 environments; 1 could not be looked at; not everything could be read in 1;"
        " 1 is all right."
    )
    assert banner.style == "bad"
    assert banner.lines[:3] == (
        "worst: key-missing, empty, weak",
        "bad: weak, key-missing",
        "silent: No answer within 120 s.",
    )
    steps = fleet.next_steps(RUNS)
    assert steps and steps.to_text().count("correct that first") == 1
    assert fleet.summary({"good": RUNS["good"]}).style == "good" and fleet.next_steps({"good": RUNS["good"]}) is None


@pytest.mark.parametrize(
    ("names", "unread", "headline"),
    [
        ("good", (), "✓ good is all right."),
        ("good", ("Account 1 refused.",), "? good is all right, but there may be others."),
        ("bad", (), "✗ Something is wrong in bad."),
        ("silent", (), "? silent could not be looked at."),
        ("partly", (), "? Not everything could be read in partly."),
        ("silent good", (), "? 1 of 2 environments could not be looked at; 1 is all right."),
        ("bad warned", (), "✗ Something is wrong in 2 of 2 environments."),
    ],
)
def test_no_cross_stands_before_what_is_all_right(names: str, unread: tuple[str, ...], headline: str) -> None:
    """What is wrong comes first."""
    assert fleet.headline({name: RUNS[name] for name in names.split()}, unread).headline == headline


def test_of_many_environments_a_cell_names_some() -> None:
    """Forty names would fill a screen."""
    facts = {
        f"e{number}": Facts(keys={"A": "x"}, revisions={}, age=timedelta(days=number), rotation_days=9)
        for number in range(40)
    }
    runs = {name: EnvironmentRun(facts=each) for name, each in facts.items()}
    (row,) = fleet.values(runs).rows
    assert row == ["A", "e0, e1, e2, e3, e4, e5, e6, e7 and 32 more"]
    ages = fleet.ages(runs)
    assert ages.rows[0] == ["e39", "39", "9", "due"] and len(ages.rows) == 10
    assert ages.notes == ("30 others are younger.",)
    even = {name: EnvironmentRun(facts=facts["e7"]) for name in [*runs][:11]}
    assert fleet.ages(even).notes[0] == "1 other is no older."


def two(first: Remedy, second: Remedy) -> str:
    """What is said of one environment's two findings of a check."""
    found = (_finding("not-forced", family="deployment"), replace(_finding("not-forced"), subject="worker"))
    runs = {"a": _run(*(replace(each, remedy=own) for each, own in zip(found, (first, second), strict=True)))}
    return " ".join(fleet.problems(runs).to_text().split())


def test_a_remedy_of_one_finding_says_that_it_does_not_mend_the_others() -> None:
    """By hand each service has its own command, and a key its own parameter; one command for all needs no word."""
    by_hand, runbook = "By hand, do the same for the others.", Remedy("", "rotate", {"values_from": "keep"})
    text = two(replace(runbook, command="aws backend"), replace(runbook, command="aws worker"))
    assert by_hand in text and "This is for" not in text
    text = two(Remedy("", "rotate", {"keys": "A"}), Remedy("", "rotate", {"keys": "B"}))
    assert "This is for backend; the record of a has what mends the others." in text and by_hand not in text
    text = two(Remedy("aws logs tail a"), Remedy("aws logs tail b"))
    assert "This is for backend; the record of a has what mends the others." in text
    text = two(runbook, replace(runbook, command="aws worker"))
    assert by_hand not in text and "This is for" not in text, "no command by hand is shown"
    text = two(runbook, runbook)
    assert by_hand not in text and "This is for" not in text
    text = two(Remedy("aws logs tail"), Remedy("aws logs tail"))
    assert by_hand not in text and "This is for" not in text


def test_of_two_findings_of_one_subject_the_remedy_is_for_the_first() -> None:
    """Its name would say that the remedy mends both."""
    own = replace(_finding("not-forced"), remedy=Remedy("aws logs tail a"))
    found = {"a": _run(own, replace(own, remedy=Remedy("aws logs tail b")))}
    assert "This is for the first of them; the record of a" in fleet.problems(found).to_text()


def test_what_a_command_needs_is_said_of_several_environments_too() -> None:
    """The command that is shown is one of theirs, whole."""
    remedy = Remedy("aws put", "update", {"values_from": "file:PATH"}, "PATH is a file.", "secrets.json is the secret.")
    runs = {name: _run(replace(_finding("key-missing"), remedy=remedy)) for name in "ab"}
    text = " ".join(fleet.problems(runs).to_text().split())
    needs = "PATH is a file. secrets.json is the secret."
    assert f"{needs} This command is for a; each other environment's record has its own." in text


@pytest.mark.parametrize(
    ("version", "secret", "rotation"),
    [(1, 1, "not due"), (180, 180, "not due"), (181, 300, "due"), (1, 300, "unknown"), (1, None, "unknown")],
)
def test_a_young_version_may_have_old_values(version: int, secret: int | None, rotation: str) -> None:
    """Since each write of one key makes a version with all the others; none is older than the secret."""
    age = timedelta(days=version)
    secret_age = None if secret is None else timedelta(days=secret)
    facts = Facts(keys={"A": "x"}, revisions={}, age=age, rotation_days=180, secret_age=secret_age)
    ages = fleet.ages({"staging": EnvironmentRun(facts=facts)})
    assert ages.rows[0] == ["staging", str(version), "180", rotation]
    assert ["run audit" in note for note in ages.notes] == [True] * (rotation == "unknown")


def test_a_rotation_is_due_when_audit_says_so() -> None:
    """From the hour on, and not from the next whole day."""
    late = timedelta(days=180, hours=5)
    facts = Facts(keys={"A": "x"}, revisions={}, age=late, rotation_days=180, secret_age=late)
    assert facts.rotation == "due"
    assert replace(facts, age=timedelta(days=1)).rotation == "unknown"


@pytest.mark.parametrize(("read", "compared"), [(0, False), (1, False), (2, True)])
def test_nothing_is_said_to_be_alike_that_was_not_compared(read: int, compared: bool) -> None:
    """Of one environment, or of none, nothing is known but what it has."""
    facts = [
        Facts(keys={"A": f"print {number}"}, revisions={"backend": ("1", "b:1")}, age=None, rotation_days=9)
        if number < read
        else Facts(keys=None, revisions={}, age=None, rotation_days=9)
        for number in range(2)
    ]
    runs = {f"e{number}": EnvironmentRun(facts=each) for number, each in enumerate(facts)}
    for table in (fleet.keys(runs), fleet.values(runs)):
        assert ("Fewer than two secrets were read, so nothing was compared" not in table.to_text()) is compared
    own = {name: run for name, run in runs.items() if run.facts and run.facts.revisions}
    assert ("nothing was compared" not in fleet.revisions(own).to_text()) is compared
    assert ("No two secrets that were read share a value." in fleet.values(runs).to_text()) is compared
    without = {
        name: EnvironmentRun(facts=replace(each, revisions=None)) for name, each in zip("ab", facts, strict=True)
    }
    assert "Fewer than two environments' services were read" in fleet.revisions(without).to_text()
