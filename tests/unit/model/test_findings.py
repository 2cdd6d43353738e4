"""Findings, and the outcome that a run leaves behind."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from omc_runbook.model.change import Change
from omc_runbook.model.errors import (
    CannotEdit,
    ConflictError,
    CouldNotLook,
    FindingsRemain,
    RunbookError,
    UsageError,
    find_class,
)
from omc_runbook.model.findings import (
    Finding,
    Outcome,
    Remedy,
    Severity,
    Status,
    TargetOutcome,
    roots_of,
    status_of,
    with_remedies_of_causes,
)

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def finding(status: Status, severity: Severity = "error", check: str = "empty") -> Finding:
    return Finding(
        check=check,
        family="content",
        title="A required key is empty",
        status=status,
        subject="SECRET_KEY",
        severity=severity,
    )


def test_a_finding_without_a_subject_is_a_sentence_too() -> None:
    """Such as one of the whole environment."""
    found = finding("found")
    assert found.sentence == "A required key is empty: SECRET_KEY."
    assert replace(found, subject="").sentence == "A required key is empty."


def outcome(*findings: Finding, failure: str = "") -> Outcome:
    return Outcome(
        runbook="verify",
        environment="staging",
        account="123456789012",
        region="ap-southeast-2",
        endpoint="https://secretsmanager.ap-southeast-2.amazonaws.com",
        started=STARTED,
        finished=STARTED + timedelta(seconds=4),
        findings=findings,
        failure=failure,
    )


CLEAR, FOUND, UNKNOWN, SKIPPED = (finding(status) for status in ("clear", "found", "unknown", "skipped"))
WARNING, REMARK = finding("found", "warning"), finding("found", "info")


@pytest.mark.parametrize(
    ("findings", "failure", "status", "code"),
    [
        ((), "", "ok", 0),
        ((CLEAR, SKIPPED), "", "ok", 0),
        ((CLEAR, REMARK), "", "ok", 0),
        ((CLEAR, UNKNOWN), "", "unknown", 2),
        ((REMARK, UNKNOWN), "", "unknown", 2),
        ((UNKNOWN, FOUND), "", "findings", 1),
        ((WARNING,), "", "findings", 1),
        ((FOUND, UNKNOWN, CLEAR), "the database was gone", "failed", 2),
        ((), "the database was gone", "failed", 2),
    ],
)
def test_the_gravest_answer_decides(findings: tuple[Finding, ...], failure: str, status: str, code: int) -> None:
    """A failure beats findings, findings beat what was not seen, and that beats all clear."""
    ended = outcome(*findings, failure=failure)
    assert (ended.status, ended.exit_code) == (status, code)


def test_unknown_is_never_ok() -> None:
    """One thing that could not be looked at keeps a run from ending well."""
    assert outcome(*[CLEAR] * 50, UNKNOWN).status == "unknown"


def test_root_causes_are_named_once_and_in_order() -> None:
    """Consequences, remarks and what was not found are no root causes."""
    ended = outcome(
        finding("found", check="no-permission"),
        finding("found", "warning", "key-unreferenced"),
        finding("found", check="no-permission"),
        replace(finding("found", check="rollout-stuck"), because_of=("no-permission",)),
        finding("found", "info", "bom"),
        finding("unknown", check="throttled"),
    )
    assert ended.root_causes == ("no-permission", "key-unreferenced")


def test_outcome_json_has_the_contracts_members() -> None:
    """The file's members, their order and their texts are those that schedules rely on."""
    cause = replace(
        FOUND,
        evidence=("SECRET_KEY is the empty string.",),
        remedy=Remedy("aws …", "update", {"keys": "SECRET_KEY"}),
        cause_of=("rollout-stuck",),
    )
    effect = replace(finding("found", check="rollout-stuck"), because_of=("empty",))
    body = json.loads(outcome(cause, effect, CLEAR).to_json())
    assert list(body) == [
        "schema",
        "runbook",
        "environment",
        "account",
        "region",
        "endpoint",
        "started",
        "finished",
        "status",
        "root_causes",
        "findings",
        "changes",
    ]
    assert (body["schema"], body["status"], body["root_causes"], body["changes"]) == (1, "findings", ["empty"], [])
    assert (body["started"], body["finished"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:04Z")
    assert body["findings"][0] == {
        "check": "empty",
        "family": "content",
        "severity": "error",
        "status": "found",
        "subject": "SECRET_KEY",
        "title": "A required key is empty",
        "evidence": ["SECRET_KEY is the empty string."],
        "remedy": {"runbook": "update", "parameters": {"keys": "SECRET_KEY"}, "command": "aws …"},
        "cause_of": ["rollout-stuck"],
    }
    assert body["findings"][1]["because_of"] == ["empty"]
    assert "cause_of" not in body["findings"][1]
    assert not {"cause_of", "because_of"} & set(body["findings"][2])


def test_an_outcome_is_read_back_as_it_was_written() -> None:
    """By the command that executes the notebook, with nothing lost that the file has."""
    finding = replace(FOUND, evidence=("It is empty.",), remedy=Remedy("aws …", "update", {"keys": "SECRET_KEY"}))
    effect = replace(WARNING, because_of=("empty",))
    change = Change(action="added", key="SECRET_KEY", file=".env", origin="prompt")
    target = TargetOutcome(environment="staging", account="1", region="r", endpoint="e", status="findings")
    whole = replace(outcome(finding, effect, UNKNOWN), changes=(change,), plan=("It would change.",), targets=(target,))
    for written in (whole, replace(whole, applied=True, where="your .env"), outcome(failure="It broke off.")):
        assert Outcome.from_json(written.to_json()) == written
    with pytest.raises(ValueError, match="Expecting value"):
        Outcome.from_json("")


BROKEN: dict[str, object] = {
    "environment": ["staging"],
    "failure": None,
    "findings": [None],
    "changes": "none",
    "plan": {"a": 1},
    "targets": [{"environment": "staging"}],
    "started": "2026-03-01T12:00:00",
    "finished": "9999-12-31T23:59:59-12:00",
}
"""Members of an outcome that are not of their type, or times that cannot be compared."""


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_an_outcome_that_was_damaged_is_refused(name: str) -> None:
    """Whoever reads a folder of records can leave it out."""
    body = json.loads(outcome(FOUND).to_json())
    with pytest.raises(ValueError):
        Outcome.from_json(json.dumps(body | {name: BROKEN[name]}))


@pytest.mark.parametrize("text", ["null", "[]", "{}", "5", "[" * 200_000, '{"status": "ok"}'])
def test_what_is_no_outcome_is_refused(text: str) -> None:
    """Other JSON, however deep it is."""
    with pytest.raises(ValueError):
        Outcome.from_json(text)


def test_a_run_on_environments_has_each_of_them_with_its_status() -> None:
    """A member more; those of old mean the first."""
    targets = tuple(
        TargetOutcome(environment=name, account="1", region="r", endpoint="e", status=status_of(found))
        for name, found in (("staging", [CLEAR, REMARK]), ("production", [CLEAR, FOUND]), ("preview", [UNKNOWN]))
    )
    body = json.loads(replace(outcome(FOUND, CLEAR), targets=targets).to_json())
    assert [(each["environment"], each["status"]) for each in body["targets"]] == [
        ("staging", "ok"),
        ("production", "findings"),
        ("preview", "unknown"),
    ]
    assert list(body["targets"][0]) == ["environment", "account", "region", "endpoint", "status"]
    assert (body["environment"], body["status"]) == ("staging", "findings")


def test_times_are_written_in_utc() -> None:
    """A time of another zone becomes the same moment in UTC."""
    sydney = timezone(timedelta(hours=11))
    body = json.loads(replace(outcome(), started=STARTED.astimezone(sydney)).to_json())
    assert body["started"] == "2026-03-01T12:00:00Z"


def test_a_failure_says_why() -> None:
    """A run that could not finish leaves its reason in the file."""
    body = json.loads(outcome(failure="the database was gone").to_json())
    assert (body["status"], body["failure"]) == ("failed", "the database was gone")
    assert "failure" not in json.loads(outcome().to_json())


def test_text_stays_readable() -> None:
    """A masked value keeps its quotation marks in the file."""
    assert "‹SECRET_KEY›" in outcome(replace(FOUND, evidence=("‹SECRET_KEY›",))).to_json()


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 3), (CannotEdit, 3), (CouldNotLook, 2), (ConflictError, 2), (FindingsRemain, 1), (RunbookError, 2)],
)
def test_an_error_has_its_exit_code(error: type[RunbookError], code: int) -> None:
    """An error has its exit code, and is found again by its class's name."""
    assert error("x").exit_code == code
    assert find_class(error.__name__) is error


def test_a_strangers_error_is_not_ours() -> None:
    """An error that is not ours is found by no name."""
    assert find_class("ValueError") is None


def test_a_consequence_of_a_consequence_goes_back_to_the_root() -> None:
    """It shows the remedy of what is at the root, and none of its own; a root shows its own."""
    root = replace(finding("found", check="changethis"), remedy=Remedy("aws do"))
    stops = replace(finding("found", check="task-exits"), because_of=("changethis",), remedy=Remedy("aws logs"))
    stale = replace(finding("found", check="not-forced"), because_of=("task-exits",), remedy=Remedy("aws redeploy"))
    assert roots_of(stale, (root, stops, stale)) == ("changethis",) == roots_of(stops, (root, stops, stale))
    assert roots_of(root, (root, stops, stale)) == ()
    assert [each.remedy for each in with_remedies_of_causes((stale, stops, root))] == [Remedy("aws do")] * 3


def test_a_cause_whose_own_cause_was_not_looked_for_is_the_root() -> None:
    """A rotation judges deployments, not permissions: what stops its tasks has the remedy, and the rest follows it."""
    stops = replace(finding("found", check="pull-failed"), because_of=("no-permission",))
    stuck = replace(finding("found", check="rollout-stuck"), because_of=("no-permission", "pull-failed"))
    assert roots_of(stuck, (stops, stuck)) == ("pull-failed",) and roots_of(stops, (stops, stuck)) == ()


def test_a_root_behind_several_findings_of_a_check_is_named_once() -> None:
    """Else each of them is followed again, and each after it as many times as all before."""
    root = finding("found", check="no-permission")
    stops = [replace(finding("found", check="pull-failed"), because_of=("no-permission",)) for _ in range(3)]
    stuck = replace(finding("found", check="rollout-stuck"), because_of=("pull-failed",))
    assert roots_of(stuck, (root, *stops, stuck)) == ("no-permission",)


def test_a_consequence_has_the_remedy_of_the_cause_that_is_its_own() -> None:
    """Of several findings of one check, that of its subject, or else of its services; else the first."""

    def found(check: str, subject: str, service: str, *because_of: str, **more: frozenset[str]) -> Finding:
        base = replace(finding("found", check=check), subject=subject, remedy=Remedy(f"aws {subject}"))
        return replace(base, services=frozenset({service}), because_of=because_of, **more)

    causes = (found("bare-name", "b", "backend"), found("bare-name", "w", "worker"))
    effects = (
        found("pull-failed", "worker", "worker", "bare-name"),
        found("rollout-stuck", "worker", "worker", "pull-failed"),
        found("other-secret-missing", "x", "backend", "bare-name", stems_from=frozenset({"w"})),
        found("pull-failed", "other", "other", "bare-name"),
    )
    remedies = [each.remedy.command for each in with_remedies_of_causes((*causes, *effects))]
    assert remedies == ["aws b", "aws w", "aws w", "aws w", "aws w", "aws b"]


def test_causes_in_a_circle_end() -> None:
    """Two consequences that name each other keep what they have."""
    one = replace(finding("found", check="rollout-stuck"), because_of=("not-forced",))
    other = replace(finding("found", check="not-forced"), because_of=("rollout-stuck",))
    assert roots_of(one, (one, other)) == ()


def test_what_a_remedy_needs_is_in_the_outcome() -> None:
    """Where a command names a file, what that has to hold; else there is no such field."""
    remedy = Remedy("aws do --input file://a.json", command_needs="a.json is the request.")
    written = outcome(replace(finding("found"), remedy=remedy), finding("found", check="null"))
    body = json.loads(written.to_json())
    assert [each["remedy"].get("needs") for each in body["findings"]] == ["a.json is the request.", None]
    assert Outcome.from_json(written.to_json()).findings[0].remedy == remedy


def test_by_hand_a_remedy_needs_what_its_command_does() -> None:
    """Not what its runbook alone needs, wherever the sentences stand; the outcome has all of them."""
    parts = {"runbook_needs": "PATH is a file.", "command_needs": "a.json is the request.", "order": "First fix null."}
    remedy = Remedy("aws do", "update", {"values_from": "file:PATH"}, **parts)
    assert remedy.by_hand == Remedy("aws do", command_needs="a.json is the request.", order="First fix null.")
    read = Outcome.from_json(outcome(replace(finding("found"), remedy=remedy)).to_json()).findings[0].remedy
    assert read.needs == remedy.needs == "PATH is a file. a.json is the request. First fix null."
    assert remedy.map_texts(str.upper, str).needs == remedy.needs.upper()
