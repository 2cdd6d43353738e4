"""An audit's page: the lights say the worst that is known, and are never green where something is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.faults.audit_monitoring import monitored
from support.faults.audit_secret import FUNCTION, KMS_ARN, audited, encrypted, rotating
from support.snapshots import NOW, healthy, with_secret

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KmsKey
from omc_runbook.aws.secretsmanager import Replica, Version
from omc_runbook.diagnosis import root_causes
from omc_runbook.diagnosis.root_causes import AUDITED_CHECKS
from omc_runbook.model.findings import Finding
from omc_runbook.report import audit, history
from omc_runbook.report.audit import QUESTIONS, UNFOLDED, FoldedTable, Light, Lights, Snapshots
from omc_runbook.report.audit_exposure import exposure
from omc_runbook.report.audit_lifecycle import lifecycle, unused
from omc_runbook.report.audit_monitoring import missing, monitoring
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.audit.state import Accesses, Audit, KeyRotation, Lifecycle, Monitoring, Search
from omc_runbook.snapshot.state import Snapshot

SNAPSHOT = replace(healthy(), audit=Audit(days=30))
BY_MODULE = {check.id: check.run.__module__.rpartition(".")[2] for check in AUDITED_CHECKS}
GAP = ReadFailure("the account's roles", "iam:GetAccountAuthorizationDetails", "AccessDenied", "denied")


def findings(**changed: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Every check of an audit clear, but for some, by the question's first word."""
    every = [Finding(check=each.id, family=each.family, title=each.title, status="clear") for each in AUDITED_CHECKS]
    for word, members in changed.items():
        question = next(each for each in QUESTIONS if each.text.endswith(word))
        at = next(number for number, each in enumerate(every) if BY_MODULE[each.check] in question.modules)
        every[at] = replace(every[at], **members)
    return tuple(every)


def lights(snapshot: Snapshot, found: tuple[Finding, ...]) -> dict[str, Light]:
    """The lights of one environment, by their question."""
    return {each.question: each for each in audit.lights(Snapshots({"staging": snapshot}), {"staging": found}).lights}


def test_each_check_belongs_to_one_light() -> None:
    """And each light has checks, so that what is found shows in the page on top."""
    counts = [sum(module in question.modules for question in QUESTIONS) for module in BY_MODULE.values()]
    assert {*counts} == {1}
    assert [each.text for each in QUESTIONS if not {*each.modules} & {*BY_MODULE.values()}] == []


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"deleted": NOW}, "scheduled-deletion"),
        ({"replicas": (Replica("us-east-1", "Failed", "Replication failed: it was refused."),)}, "replica-stale"),
        ({"rotates": True, "next_rotation": NOW - timedelta(days=14)}, "rotation-overdue"),
    ],
)
def test_what_is_wrong_with_the_secret_itself_shows(changes: Mapping[str, Any], check: str) -> None:
    """An audit does not call a secret fine that is about to be deleted, is not replicated, or does not rotate."""
    healthy_part = audited()
    assert healthy_part.secret
    snapshot = replace(healthy_part, secret=replace(healthy_part.secret, **changes))
    light = lights(snapshot, root_causes.audit(snapshot))["Ages and lifecycle"]
    assert light.level in ("error", "warning")
    assert check in {finding.check for finding in root_causes.audit(snapshot) if finding.is_problem}


def test_a_secret_that_does_not_exist_is_no_clear_audit() -> None:
    """Who could read it, and who did, is not known then."""
    read = replace(audited(), secret=None, contents={}, versions=())
    snapshot = replace(
        read,
        audit=replace(read.audit, accesses=Accesses(calls=(), since=NOW - timedelta(days=90), source="CloudTrail")),
    )
    by_question = lights(snapshot, root_causes.audit(snapshot))
    assert by_question["Ages and lifecycle"].level == "error" and by_question["Who can read"].level == "unknown"
    assert by_question["Who did"].level == "unknown" and "was not found" in by_question["Who did"].sentence


def test_that_no_alarm_matches_a_wrong_name_is_no_cause_of_its_own() -> None:
    """An alarm on a secret that does not exist mends nothing: the secret's name may be wrong."""
    snapshot = replace(monitored(healthy(), filters=(), alarms={}), secret=None, contents={}, versions=())
    found = {each.check: each for each in root_causes.audit(snapshot) if each.is_problem}
    assert [id for id, each in found.items() if each.is_root_cause] == ["secret-missing"]
    assert found["no-alarm"].because_of == ("secret-missing",)


def test_all_is_green_where_all_is_known_and_clear() -> None:
    """With the number of checks; what is accepted, and remarks, are named."""
    by_question = lights(SNAPSHOT, findings())
    assert {each.level for each in by_question.values()} == {"good"}
    remark = {"status": "found", "severity": "info"}
    by_question = lights(SNAPSHOT, findings(read=remark, did={"status": "found", "accepted": "Until 2030: known."}))
    assert {each.level for each in by_question.values()} == {"good"}
    assert "Remarks: " in by_question["Who can read"].sentence and "Accepted: " in by_question["Who did"].sentence


def test_what_can_only_forbid_makes_nothing_unknown() -> None:
    """A member account usually may not read the organization's policies: the light says so, and stays green."""
    light = lights(replace(SNAPSHOT, gaps={"organization_policies": (GAP,)}), findings())["Who can read"]
    assert light.level == "good" and "could only forbid more" in light.sentence


@pytest.mark.parametrize(
    ("members", "level"),
    [
        ({"status": "found", "severity": "error", "subject": "a-role"}, "error"),
        ({"status": "found", "severity": "warning", "subject": "a-role"}, "warning"),
        ({"status": "unknown", "evidence": ("iam:GetRole is missing.",)}, "unknown"),
    ],
)
def test_a_light_has_the_colour_of_its_worst(members: Mapping[str, Any], level: str) -> None:
    """And says what it is; the other lights stay green."""
    by_question = lights(SNAPSHOT, findings(read=members))
    assert {each.level for name, each in by_question.items() if name != "Who can read"} == {"good"}
    light = by_question["Who can read"]
    assert light.level == level
    assert ("a-role" if level != "unknown" else "Not known: iam:GetRole is missing.") in light.sentence


def test_a_problem_does_not_hide_what_is_not_known() -> None:
    """The light is red, and its sentence says both."""
    found = list(findings(read={"status": "found", "subject": "a-role"}))
    at = next(
        number for number, each in enumerate(found) if each.status == "clear" and "access" in BY_MODULE[each.check]
    )
    found[at] = replace(found[at], status="unknown", evidence=("kms:ListGrants is missing.",))
    light = lights(SNAPSHOT, tuple(found))["Who can read"]
    assert light.level == "error" and light.sentence.endswith("Also not known: kms:ListGrants is missing.")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_a_part_that_was_not_read_is_never_green(question: Any) -> None:
    """Also where each of its checks is clear, or was skipped."""
    for part in question.parts:
        by_question = lights(replace(SNAPSHOT, gaps={part: (GAP,)}), findings())
        assert {name for name, each in by_question.items() if each.level != "good"} == {question.text}
        assert "iam:GetAccountAuthorizationDetails" in by_question[question.text].sentence
    skipped = tuple(replace(each, status="skipped", evidence=("There is no secret.",)) for each in findings())
    by_question = lights(SNAPSHOT, skipped)
    assert (by_question[question.text].level, by_question[question.text].sentence) == ("unknown", "There is no secret.")


def test_of_many_problems_two_are_named() -> None:
    """Of each title the first subjects, and how many more."""
    ids = [each.id for each in AUDITED_CHECKS if BY_MODULE[each.id] == "audit_access"][:3]
    found = tuple(
        Finding(check=check, family="audit", title=f"Title {check}", status="found", subject=f"role-{number}")
        for check in ids
        for number in range(4)
    )
    sentence = lights(SNAPSHOT, found)["Who can read"].sentence
    expected = [f"Title {check}: role-0, role-1 and 2 more." for check in ids[:2]]
    assert sentence == " ".join([*expected, "1 more below."])


def test_a_subject_of_two_findings_is_named_once() -> None:
    """As a record's page names it, and not as one that is left out."""
    check = next(each.id for each in AUDITED_CHECKS if BY_MODULE[each.id] == "audit_access")
    subjects = ("role-0", "role-0", "", "role-1")
    found = [Finding(check=check, family="audit", title="Title", status="found", subject=each) for each in subjects]
    assert lights(SNAPSHOT, tuple(found))["Who can read"].sentence == "Title: role-0, role-1."


def test_several_environments_have_a_column_each() -> None:
    """Every sentence is in both renderings, and the page says of what it is."""
    snapshots = {
        "staging": SNAPSHOT,
        "production": replace(SNAPSHOT, environment=replace(SNAPSHOT.environment, name="production")),
    }
    both = {"staging": findings(), "production": findings(did={"status": "found", "subject": "somebody"})}
    display = audit.lights(Snapshots(snapshots), both)
    assert display.environments == ("staging", "production")
    assert display.to_html().count("<th ") == 3
    for text in (display.to_html(), display.to_text()):
        assert "somebody" in text and "account 123456789012" in text and "30 days" in text
    merged = audit.merge(both)
    assert {each.subject for each in merged if each.is_problem} == {"production: somebody"}
    assert {row[0] for row in audit.findings_table(both).rows} == {"staging", "production"}


def test_tables_of_several_environments_are_one() -> None:
    """Each environment's rows stand under its name; levels and notes of all are kept, each note once."""

    def table(snapshot: Snapshot) -> Table:
        name = snapshot.environment.name
        return Table("Readers", ["who"], [[f"of {name}"]], {f"of {name}": "error"}, notes=["A note."])

    other = replace(SNAPSHOT, environment=replace(SNAPSHOT.environment, name="copy"))
    both = audit.of_each(Snapshots({"staging": SNAPSHOT, "copy": other}), table)
    assert both.columns == ["environment", "who"]
    assert both.rows == [["staging", "of staging"], ["copy", "of copy"]]
    assert both.levels == {"of staging": "error", "of copy": "error"} and both.notes == ("A note.",)
    assert audit.of_each(Snapshots({"staging": SNAPSHOT}), table).columns == ["who"]


@pytest.mark.parametrize(("number", "rest"), [(1, ""), (2, "; b: 2 found"), (5, "; b: 2 found; c: 2 found and 2 more")])
def test_a_title_is_of_its_own_environment_alone(number: int, rest: str) -> None:
    """That of the first said of the others, too, that nothing was found."""

    def table(snapshot: Snapshot) -> Table:
        name = snapshot.environment.name
        return Table(f"{name}: {'nothing' if name == 'a' else 2} found", ["where"], [] if name == "a" else [["here"]])

    of = {name: replace(SNAPSHOT, environment=replace(SNAPSHOT.environment, name=name)) for name in "abcde"[:number]}
    assert audit.of_each(Snapshots(of), table).title == f"a: nothing found{rest}"


@pytest.mark.parametrize(
    ("tables", "empty", "notes"),
    [
        ({"a": "Nobody.", "b": "Not read."}, "a: Nobody. b: Not read.", ()),
        ({"a": "Nobody.", "b": ""}, "", ("a: Nobody.",)),
        ({"a": "Not read.", "b": "", "c": "Not read."}, "", ("a, c: Not read.",)),
        ({"a": "Nobody.", "b": "Nobody."}, "Nobody.", ()),
        ({"a": "Nobody."}, "Nobody.", ()),
        ({"a": "", "b": ""}, "", ()),
    ],
)
def test_an_environment_without_rows_says_why(tables: dict[str, str], empty: str, notes: tuple[str, ...]) -> None:
    """Of one that was not read, another's rows or its answer say nothing."""

    def table(snapshot: Snapshot) -> Table:
        sentence = tables[snapshot.environment.name]
        return Table("Readers", ["who"], [] if sentence else [["somebody"]], empty=sentence)

    of = {name: replace(SNAPSHOT, environment=replace(SNAPSHOT.environment, name=name)) for name in tables}
    merged = audit.of_each(Snapshots(of), table)
    assert merged.notes == notes and (merged.rows or merged.empty == empty)


@pytest.mark.long
def test_a_long_table_is_folded_and_whole() -> None:
    """On a page it opens at a click; as text and as a frame it has every row."""
    rows = [[f"row {number}"] for number in range(UNFOLDED + 1)]
    short, long = FoldedTable("Short", ["who"], rows[:-1]), FoldedTable("Long", ["who"], rows)
    assert "<details>" not in short.to_html()
    assert "<details>" in long.to_html() and f"Long: {len(rows)} rows" in long.to_html()
    assert f"row {UNFOLDED}" in long.to_text() and len(long.frame) == len(rows)


def test_hostile_names_stay_text() -> None:
    """A subject with HTML in it is shown as it is."""
    light = Light(question="Who did", environment="staging", level="error", sentence="<img src=x onerror=alert(1)>")
    assert "<img" not in Lights([light], ["<b>"]).to_html() and "<b>" not in Lights([light], ["<b>"]).to_html()


def renewed(**rotation: Any) -> Snapshot:
    """A secret under a customer key that rotates so."""
    found = encrypted(healthy())
    return replace(found, audit=replace(found.audit, lifecycle=Lifecycle(key_rotation=KeyRotation(**rotation))))


def labelled(count: int) -> Snapshot:
    """A secret whose two versions have so many labels together."""
    labels, past = [f"label-{number}" for number in range(count)], NOW - timedelta(days=2)
    versions = (Version("1" * 32, past, tuple(labels[:5])), Version("2" * 32, past, tuple(labels[5:])))
    return replace(audited(), versions=versions)


def with_replicas(*statuses: str) -> Snapshot:
    """A secret with a replica of each status."""
    replicas = tuple(Replica("eu-west-1", status, "") for status in statuses)
    return with_secret(audited(), replicas=replicas)


WINDOW = "the runbooks use a recovery window of 30 days"
KEPT = with_secret(encrypted(healthy()), kms_key_id=KMS_ARN)
ROTATED = with_secret(audited(), rotates=True)


@pytest.mark.parametrize(
    ("snapshot", "row"),
    [
        (audited(), f"deletion | in order | not scheduled; {WINDOW}"),
        (
            with_secret(audited(), deleted=NOW),
            f"deletion | look at this | scheduled for 2026-03-01 12:00 UTC; {WINDOW}",
        ),
        (audited(), "deletion guard | in order | a policy denies DeleteSecret"),
        (replace(audited(), resource_policy=None), "deletion guard | — | no policy denies DeleteSecret"),
        (replace(audited(), gaps={"resource_policy": (GAP,)}), "deletion guard | not read | "),
        (audited(), "replication | — | no replica"),
        (with_replicas("InSync"), "replication | in order | eu-west-1 InSync"),
        (
            with_replicas("InSync", "Failed"),
            "replication | look at this | eu-west-1 InSync, eu-west-1 Failed (verify explains it: replica-stale)",
        ),
        (
            with_secret(KEPT, kms_key_id=""),
            "KMS key | in order | the AWS managed key, which AWS renews every year",
        ),
        (
            replace(KEPT, kms_key=KmsKey(arn=KMS_ARN, state="Enabled", manager="AWS", deletion=None)),
            "KMS key | in order | the AWS managed key, which AWS renews every year",
        ),
        (KEPT, f"KMS key | look at this | {KMS_ARN} does not rotate"),
        (
            replace(
                with_secret(KEPT, kms_key_id=""),
                versions=tuple(replace(each, keys=(KMS_ARN,)) for each in KEPT.versions),
            ),
            f"KMS key | look at this | {KMS_ARN} does not rotate",
        ),
        (
            with_secret(renewed(is_enabled=True, days=90), kms_key_id=KMS_ARN),
            f"KMS key | in order | {KMS_ARN} rotates every 90 days",
        ),
        (
            with_secret(renewed(is_enabled=True), kms_key_id=KMS_ARN),
            f"KMS key | in order | {KMS_ARN} rotates automatically",
        ),
        (replace(KEPT, audit=audited().audit), f"KMS key | not read | {KMS_ARN}"),
        (replace(KEPT, kms_key=None), "KMS key | not read | "),
        (audited(), "automatic rotation | — | off: by runbook or by hand"),
        (with_secret(ROTATED, owning_service="rds"), "automatic rotation | in order | by rds"),
        (with_secret(ROTATED, partner="Redis"), "automatic rotation | in order | by Redis"),
        (ROTATED, "automatic rotation | in order | by AWS"),
        (with_secret(ROTATED, rotation_function=FUNCTION), f"automatic rotation | not read | {FUNCTION}"),
        (rotating(healthy()), f"automatic rotation | in order | {FUNCTION}: Active"),
        (rotating(healthy(), state=""), f"automatic rotation | in order | {FUNCTION}: exists"),
        (rotating(healthy(), state="Failed"), f"automatic rotation | look at this | {FUNCTION}: Failed"),
        (rotating(healthy(), last_update="Failed"), f"automatic rotation | look at this | {FUNCTION}: Active"),
        (
            rotating(healthy(), exists=False),
            f"automatic rotation | look at this | {FUNCTION}: there is no such function",
        ),
        (audited(), "tags | in order | CostCenter, Owner"),
        (with_secret(audited(), tags={"Owner": "core"}), "tags | look at this | lacks CostCenter"),
        (with_secret(replace(audited(), audit=Audit()), tags={}), "tags | in order | none"),
        (replace(audited(), gaps={"unused": (GAP,)}), "tags | not read | "),
        (labelled(15), "number of staging labels | in order | 15 of 20 labels"),
        (labelled(16), "number of staging labels | look at this | 16 of 20 labels"),
        (replace(labelled(16), gaps={"versions": (GAP,)}), "number of staging labels | look at this | 16 of 20 labels"),
        (replace(audited(), versions=(), gaps={"versions": (GAP,)}), "number of staging labels | not read | "),
        (
            replace(audited(), versions=(), gaps={"versions": (GAP,)}),
            "number of versions of the last day | not read | ",
        ),
    ],
)
def test_what_is_said_of_a_secrets_lifecycle(snapshot: Snapshot, row: str) -> None:
    """One line for each thing that protects, renews or limits the secret; what was not read is no good news."""
    rows = [" | ".join(cells[:3]) for cells in lifecycle(snapshot).rows]
    assert [each for each in rows if each.startswith(f"{row.partition(' | ')[0]} |")] == [row]


def versions(snapshot: Snapshot) -> Table:
    """The versions with the tasks that have them."""
    assert snapshot.audit.history
    return history.versions(snapshot, snapshot.audit.history)


def test_where_nothing_was_found_in_the_open_it_says_what_was_not_searched() -> None:
    """A log that could not be read, and a secret whose values nobody could look for."""
    gap = ReadFailure("the value", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")
    snapshot = audited()
    assert snapshot.audit.exposure
    logs = Search(count=0, limits=("Could not read the log.",))
    unread = replace(snapshot, audit=replace(snapshot.audit, exposure=replace(snapshot.audit.exposure, logs=logs)))
    text = exposure(replace(unread, gaps={"contents": (gap,)})).to_text()
    assert (
        "nothing found in what was searched" in text
        and "Could not read the log." in text
        and "GetSecretValue is missing" in text
    )


@pytest.mark.parametrize(
    ("show", "field", "claim"),
    [
        (exposure, "exposure", ""),
        (exposure, "task_definitions", ""),
        (monitoring, "trails", "No trail"),
        (monitoring, "monitoring", "no rule"),
        (missing, "trails", "create-trail"),
        (missing, "monitoring", "An alarm"),
        (unused, "unused", "is used"),
        (unused, "contents", "is used"),
        (versions, "tasks", " —\n"),
        (versions, "services", " —\n"),
    ],
)
def test_what_was_not_read_is_not_said_to_be_none(
    show: Callable[[Snapshot], RichDisplay], field: str, claim: str
) -> None:
    """Each table names the permission, and nothing proposes to create what may be there."""
    snapshot = replace(audited(), tasks=())
    snapshot = replace(snapshot, audit=replace(snapshot.audit, monitoring=Monitoring()))
    gap = ReadFailure("it", "a:Permission", "AccessDeniedException", "denied")
    assert claim in f"{show(snapshot).to_text()}\n"
    text = f"{show(replace(snapshot, gaps={field: (gap,)})).to_text()}\n"
    assert "a:Permission is missing" in text and not (claim and claim in text)


def test_who_is_notified_for_certain_is_notified_whatever_else_was_not_read() -> None:
    """Another alarm may be there; whether a trail records the reads has to be known."""
    gap = ReadFailure("it", "a:Permission", "AccessDeniedException", "denied")
    snapshot = monitored(healthy())
    assert "somebody is notified of each read" in missing(replace(snapshot, gaps={"monitoring": (gap,)})).to_text()
    assert "a:Permission is missing" in missing(replace(snapshot, gaps={"trails": (gap,)})).to_text()
