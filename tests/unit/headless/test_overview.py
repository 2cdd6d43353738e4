"""The index page of a folder of records: trend, open problems, and what is overdue."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.records import CAUSE, CHANGE, UNSEEN, as_read, ended, hour, keep

from omc_runbook.headless import overview
from omc_runbook.model.findings import Outcome, TargetOutcome
from omc_runbook.model.schedule import ScheduleState
from omc_runbook.report.archive import index_page, kept_records, stems
from omc_runbook.report.archive.index_page import EnvironmentRecords

OTHER = replace(CAUSE, check="wrong-host", subject="A_HOST", title="It leads elsewhere")
OPEN = "wrong-host: A_HOST"
CLEAR = replace(CAUSE, status="clear", subject="")
ELSEWHERE = replace(CAUSE, subject="b-role")
OF_BOTH = {"no-permission: a-role": 0, "no-permission: b-role": 1}


def environments(*outcomes: Outcome, expected: Sequence[ScheduleState] = ()) -> dict[str, EnvironmentRecords]:
    found = overview.environments([as_read(outcome) for outcome in reversed(outcomes)], expected)
    return {f"{each.name} {each.location}".strip(): each for each in found}


STAGING = "staging 123456789012, ap-southeast-2"


@pytest.mark.parametrize(
    ("runs", "opened"),
    [
        ([ended(0, CAUSE), ended(1, CAUSE)], {"no-permission: a-role": 0}),
        ([ended(0, CLEAR), ended(1, CAUSE), ended(2, CAUSE, OTHER)], {"no-permission: a-role": 1, OPEN: 2}),
        ([ended(0, CAUSE), ended(1, UNSEEN)], {"no-permission: a-role": 0}),
        ([ended(0, CAUSE), ended(1, CLEAR), ended(2, CAUSE)], {"no-permission: a-role": 2}),
        ([ended(0, CAUSE), ended(1, CLEAR)], {}),
        ([ended(0, CAUSE), ended(1, CLEAR, runbook="troubleshoot", plan=(), applied=True)], {}),
        ([ended(0, CAUSE), ended(1, CLEAR, OTHER, runbook="troubleshoot")], {OPEN: 1}),
        ([ended(0, CAUSE), ended(1, OTHER, runbook="troubleshoot")], {"no-permission: a-role": 0, OPEN: 1}),
        ([ended(0, CAUSE, ELSEWHERE), ended(1, ELSEWHERE, runbook="troubleshoot")], {"no-permission: b-role": 0}),
        ([ended(0, CAUSE), ended(1, CLEAR, runbook="troubleshoot"), ended(2, failure="It ended.")], {}),
        ([ended(0, CAUSE), ended(1, UNSEEN, ELSEWHERE, runbook="troubleshoot")], OF_BOTH),
        ([ended(0, CAUSE), ended(1, ELSEWHERE, runbook="troubleshoot", failure="It ended.")], OF_BOTH),
        ([ended(0, CAUSE, runbook="troubleshoot", plan=("It would.",)), ended(1, CAUSE)], {"no-permission: a-role": 0}),
        ([ended(0, CAUSE), ended(1, failure="It ended.")], {"no-permission: a-role": 0}),
        ([ended(0, replace(CAUSE, accepted="Until 2027."))], {}),
        ([ended(1, CAUSE), replace(ended(2, CLEAR), started=hour(0))], {"no-permission: a-role": 1}),
        (
            [ended(1, CAUSE), replace(ended(2, CLEAR, runbook="troubleshoot"), started=hour(0))],
            {"no-permission: a-role": 1},
        ),
        (
            [ended(1, CAUSE), replace(ended(2, CLEAR, runbook="troubleshoot", applied=True), started=hour(0))],
            {},
        ),
        ([ended(1, CAUSE), replace(ended(2, CLEAR, applied=True), started=hour(0))], {}),
        ([ended(1, CAUSE), replace(ended(2, CLEAR, runbook="troubleshoot"), started=hour(1))], {}),
    ],
)  # fmt: skip
def test_what_is_open_is_known_since_the_first_run_that_found_it(runs: list[Outcome], opened: dict[str, int]) -> None:
    """What a run did not look at stays open; what any later run looked at and did not find is resolved."""
    problems = environments(*runs)[STAGING].problems
    assert {problem.name: problem.since for problem in problems} == {
        name: hour(number) for name, number in opened.items()
    }


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (ended(0), "ok"),
        (ended(0, CAUSE), "findings"),
        (ended(0, UNSEEN), "unknown"),
        (ended(0, failure="It ended."), "failed"),
        (ended(0, plan=("It would change.",)), "plan"),
        (ended(0, CAUSE, plan=("It would change.",)), "plan"),
        (ended(0, plan=("It would change.",), applied=True, changes=(CHANGE,)), "proved"),
        (ended(0, CAUSE, plan=("It would change.",), applied=True, changes=(CHANGE,)), "findings"),
        (ended(0, plan=(), applied=True), "ok"),
    ],
)
def test_plans_and_proved_changes_are_told_apart(outcome: Outcome, ending: str) -> None:
    """Also in a record of a version before seals, of which only words are left."""
    record = as_read(outcome)
    assert index_page.ending_of(record) == ending == index_page.ending_of(replace(record, outcome=None))


@pytest.mark.parametrize(("end", "ending"), [("applied, failed (no-permission)", "failed"), ("other words", "unknown")])
def test_a_record_without_its_outcome_counts_by_its_words(end: str, ending: str) -> None:
    """Words that are not ours do not mean that all is well; a file with another name shows no environment."""
    record = replace(as_read(ended(0)), outcome=None, end=end)
    [found] = overview.environments([record, replace(record, stem=None)], ())
    assert (found.name, [run.ending for run in found.runs], found.problems) == ("staging", [ending], [])


def test_a_run_on_several_environments_counts_for_each() -> None:
    """With its own status; the sandbox's environment and AWS's are different ones."""
    names = {"account": "1", "region": "r"}
    targets = (
        TargetOutcome(environment="staging", endpoint="https://secretsmanager", status="ok", **names),
        TargetOutcome(environment="production", endpoint="https://secretsmanager", status="findings", **names),
    )
    found = environments(ended(0, CAUSE, targets=targets), ended(1, endpoint="http://127.0.0.1:5000"))
    assert {name: each.runs[0].ending for name, each in found.items()} == {
        "staging 1, r": "ok",
        "production 1, r": "findings",
        "staging sandbox": "ok",
    }
    assert not any(each.problems for each in found.values())


def test_what_fleet_found_is_listed_once_and_with_its_environment() -> None:
    """Each environment has its own record of it; one that was not looked at shows no other's causes."""
    there = {"account": "123456789012", "region": "ap-southeast-2", "endpoint": "https://secretsmanager"}
    targets = (
        TargetOutcome(environment="staging", status="findings", **there),
        TargetOutcome(environment="qa", status="unknown", **there),
    )
    own = replace(CAUSE, subject="staging: a-role")
    unread = replace(UNSEEN, check="environment-unread", subject="qa")
    both = ended(1, own, unread, runbook="fleet", targets=targets)
    alone = ended(2, own, runbook="fleet", targets=targets[:1])
    found = environments(ended(0, CAUSE), both, alone)
    assert [problem.name for problem in found[STAGING].problems] == ["no-permission: a-role"]
    (qa,) = (each for each in found.values() if each.name == "qa")
    assert qa.runs[0].sentence.endswith(": unknown (environment-unread)") and not qa.problems
    assert found[STAGING].runs[1].sentence.endswith(": findings (no-permission)")


def test_what_an_audit_of_several_environments_found_is_open_in_each() -> None:
    """With what an audit of one finds, by the same name; one that was not looked at keeps what was open."""
    there = {"account": "123456789012", "region": "ap-southeast-2", "endpoint": "https://secretsmanager"}
    staging = TargetOutcome(environment="staging", status="findings", **there)
    qa, dark = replace(staging, environment="qa"), replace(staging, environment="qa", status="failed")
    several = {"runbook": "audit", "where": "staging, qa"}
    first = ended(
        1, replace(CAUSE, subject="staging: a-role"), replace(CAUSE, subject="qa"), targets=(staging, qa), **several
    )
    unread = replace(UNSEEN, check="environment-unread", subject="qa")
    second = ended(
        2, replace(CLEAR, subject="staging"), unread, targets=(staging, dark), failure="qa was not read.", **several
    )

    def open_in(*runs: Outcome) -> dict[str, dict[str, int]]:
        names = {"no-permission: a-role": 0, "no-permission: ": 0}
        assert {each.name for found in environments(*runs).values() for each in found.problems} <= {*names}
        return {
            found.name: {each.name: (each.since - hour(0)).seconds // 3600 for each in found.problems}
            for found in environments(*runs).values()
        }

    alone = ended(0, CAUSE, runbook="audit")
    assert open_in(alone, first) == {"staging": {"no-permission: a-role": 0}, "qa": {"no-permission: ": 1}}
    assert open_in(alone, first, second) == {"staging": {}, "qa": {"no-permission: ": 1}}


def test_an_environment_keeps_its_account_where_the_newest_run_could_not_reach_it() -> None:
    """That run knows the region alone, which runbook.toml names."""
    dark = TargetOutcome(environment="staging", account="", region="ap-southeast-2", endpoint="", status="unknown")
    runs = (ended(0), ended(1, runbook="fleet", targets=(replace(dark, environment="qa"), dark)))
    assert [*environments(*runs)] == ["qa", STAGING]


def test_the_page_says_in_words_what_its_marks_mean() -> None:
    """Each mark leads to its record; what is overdue stands first, also of an environment without a record."""
    late = ScheduleState("production", "verify on production: due, it never ran.", True)
    found = environments(ended(0, CAUSE), ended(1), ended(2, CAUSE), expected=[late])
    page = index_page.render(found.values(), ("A note & more.",), hour(3))
    marks = re.findall(r'<a class="mark (\w+)" href="([^"]+)" title="([^"]+)"', page)
    assert [(kind, words) for kind, _, words in marks] == [
        ("findings", "findings, 2026-07-01 05:00 UTC: findings (no-permission)"),
        ("ok", "ok, 2026-07-01 04:00 UTC: ok"),
        ("findings", "findings, 2026-07-01 03:00 UTC: findings (no-permission)"),
    ]
    assert marks[0][1] == "verify-staging-20260701T050000Z.html"
    assert page.index("OVERDUE") < page.index("<main>") and "<title>Records: overdue</title>" in page
    assert re.findall("<h2>([^<]+)", page) == ["production", "staging"]
    assert "since 2026-07-01 05:00 UTC or before<" in page
    later = index_page.render(environments(ended(0, CAUSE), ended(1, CAUSE)).values(), (), hour(3))
    assert "since 2026-07-01 03:00 UTC or before, last seen 2026-07-01 04:00 UTC" in later
    assert "A note &amp; more." in page and "http" not in page


def test_what_is_open_is_shown_without_what_is_no_sign() -> None:
    """A key may be called anything."""
    found = environments(ended(0, replace(CAUSE, subject="a\x1b[2J\u202e<b>")))
    page = index_page.render(found.values(), ("a\x9b",), hour(3))
    assert {each for each in page if not each.isprintable()} <= {"\n", "\xa0"}
    assert "a‹U+001B›[2J‹U+202E›&lt;b&gt;" in page


def test_a_run_of_the_future_is_not_the_last_one_and_ends_nothing(tmp_path: Path) -> None:
    """However many a clock that was ahead has left; the clock of another machine may be a little ahead."""
    for number in range(1000, 1000 + index_page.SHOWN):
        keep(tmp_path, ended(number))
    keep(tmp_path, ended(1, CAUSE))
    keep(tmp_path, ended(4))
    pages = [overview.write(tmp_path, hour(4) - timedelta(minutes=early)).read_text() for early in (4, 6)]
    before, after = (html.unescape(re.sub("<[^>]+>", "", page)) for page in reversed(pages))
    assert "The last run: verify on staging, 2026-07-01 04:00 UTC: findings" in before and "Open in" in before
    assert "The last run: verify on staging, 2026-07-01 07:00 UTC: ok" in after and "Open in" not in after
    assert (
        "20 records are of the future, the last of verify on staging, 2026-08-12 14:00 UTC: this machine's clock is or"
        " was wrong. They are left out."
    ) in after


def test_a_run_that_ended_in_the_future_counts_from_its_beginning(tmp_path: Path) -> None:
    """As where a clock was set while it ran: otherwise it would be the last one until then."""
    keep(tmp_path, replace(ended(1), finished=hour(1000)))
    keep(tmp_path, ended(2, CAUSE))
    page = html.unescape(re.sub("<[^>]+>", "", overview.write(tmp_path, hour(3)).read_text()))
    assert "The last run: verify on staging, 2026-07-01 05:00 UTC: findings" in page
    assert "2026-07-01 04:00 UTC: ok" in page


def test_only_the_newest_runs_are_read(tmp_path: Path) -> None:
    """A year of nights costs no more than a month."""
    (tmp_path / "mine.ipynb").write_text("{}")
    for number in range(4):
        outcome = ended(number)
        stem = stems.make(outcome.runbook, outcome.environment, outcome.started)
        (tmp_path / f"{stem}.ipynb").touch()
        (tmp_path / f"{stem}.json").write_text(outcome.to_json())
    assert [record.finished for record in kept_records.read(tmp_path, 2)] == [hour(3), hour(2)]
    assert len(kept_records.read(tmp_path)) == 4
    assert all(each.outcome for each in kept_records.read(tmp_path))
    assert not any(each.outcome for each in kept_records.read(tmp_path, with_outcomes=False))
