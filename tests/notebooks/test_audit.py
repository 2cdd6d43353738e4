"""The audit runbook, run as its users run it: one page, its tables as files, several environments, and no value."""

from __future__ import annotations

import csv
import json
import secrets
from typing import Any

import pytest
from support.runs import COMMAND, ENGINES, PAPERMILL, SECRET, Desk, assert_nothing_leaked, caller, client, values

from omc_runbook.headless import notebooks
from omc_runbook.report.archive import kept_records
from omc_runbook.report.audit import QUESTIONS


def audit(desk: Desk, *words: str, **variables: str) -> Any:
    """`omc-runbook run audit` with its record in the working folder."""
    return desk.call([str(COMMAND), "run", "audit", "--record", str(desk.record), *words], **variables)


def table(desk: Desk, name: str) -> list[dict[str, str]]:
    """The rows of a table of the record, the same in both formats."""
    (as_csv,), (as_json,) = (list(desk.record.glob(f"audit-*-{name}.{suffix}")) for suffix in ("csv", "json"))
    with as_csv.open(encoding="utf-8-sig", newline="") as file:
        rows = [*csv.DictReader(file)]
    from_json: list[dict[str, str]] = json.loads(as_json.read_text())
    assert [[cell.removeprefix("'") for cell in row.values()] for row in rows] == [[*row.values()] for row in from_json]
    return from_json


def lights(desk: Desk) -> dict[str, str]:
    """Each question's light, of one environment."""
    return {row["question"]: row["light"] for row in table(desk, "lights")}


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("days=91", "days must be from 1 to 90"),
        ("environment=staging,staging", "environment names staging twice: name it once"),
    ],
)
def test_bad_input_gets_one_sentence_and_writes_nothing(desk: Desk, word: str, sentence: str) -> None:
    """Days that CloudTrail does not have, and an environment twice: exit 3."""
    process = audit(desk, word)
    assert (process.returncode, process.stdout, len(process.stderr.strip().splitlines())) == (3, "", 1)
    assert sentence in process.stderr and not list(desk.work.iterdir())


TABLES = {
    *("lights", "ages", "readers", "writers", "accesses", "changes", "monitoring", "exposure", "unused", "lifecycle"),
    "findings",
}
CLEAR = {question.text: "clear" for question in QUESTIONS}


def test_a_healthy_world_is_clear_and_its_record_has_every_table(desk: Desk) -> None:
    """Exit 0, five green lights, each table in two formats, all of it private, sealed and without a value."""
    process = audit(desk, "repository=" + desk.sandbox.variables["OMC_REPOSITORY"])
    assert (process.returncode, process.stderr) == (0, ""), process.stdout
    assert lights(desk) == CLEAR
    names = {path.stem.rpartition("Z-")[2] for path in desk.record.glob("audit-*Z-*.csv")}
    assert names == TABLES and all(table(desk, name) for name in TABLES - {"writers", "changes", "exposure", "unused"})
    assert {path.stat().st_mode & 0o777 for path in desk.record.iterdir()} == {0o600}
    assert [each.state for each in kept_records.check(desk.record)] == ["intact"]
    assert "Tables of the last run: " in (desk.record / "index.html").read_text()
    assert_nothing_leaked(desk, values(desk.sandbox), process.stdout)


@pytest.mark.parametrize(
    ("fault", "question"),
    [
        ("wildcard-secret", "Who can read"),
        ("trail-not-logging", "Who would notice"),
        ("value-in-log", "What lies open"),
    ],
)
def test_a_fault_colours_its_own_light(desk: Desk, broken: Any, fault: str, question: str) -> None:
    """Exit 1, the fault named alone, its remedy on the screen, the other lights as they were."""
    before = values(desk.sandbox)
    broken(fault)
    process = audit(desk)
    assert (process.returncode, desk.outcome()["root_causes"]) == (1, [fault]), process.stdout
    levels = lights(desk)
    assert levels.pop(question) in ("warning", "act now") and {*levels.values()} == {"clear"}
    assert fault in {row["check"] for row in table(desk, "findings") if row["status"] == "found"}
    assert_nothing_leaked(desk, before, process.stdout)


def test_what_may_not_be_read_is_grey_and_the_rest_is_there(desk: Desk) -> None:
    """Exit 2, the missing permission in the light's sentence, and the other lights as they are."""
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "iam:GetAccountAuthorizationDetails", "Resource": "*"},
    ]
    person = caller(desk.sandbox, json.dumps({"Version": "2012-10-17", "Statement": statements}))
    process = audit(desk, **person)
    assert (process.returncode, desk.outcome()["status"]) == (2, "unknown"), process.stdout
    assert lights(desk) == CLEAR | {"Who can read": "not known"}
    (sentence,) = (row["in a sentence"] for row in table(desk, "lights") if row["question"] == "Who can read")
    assert "iam:GetAccountAuthorizationDetails" in sentence


def test_several_environments_are_one_record(desk: Desk) -> None:
    """Each has its lights, its rows and its status; the seal and the index cover the one record."""
    names = 'prefix = "ohmycoins-staging"\nsecret = "ohmycoins-copy-app-secrets"\n'
    toml = f"[environments.staging]\n[environments.copy]\n{names}"
    (desk.work / "runbook.toml").write_text(toml)
    process = audit(desk, "environment=staging,copy")
    assert process.returncode in (0, 1, 2), process.stderr
    outcome = desk.outcome()
    statuses = {each["environment"]: each["status"] for each in outcome["targets"]}
    assert statuses.keys() == {"staging", "copy"} and statuses["staging"] == "ok"
    rows = table(desk, "lights")
    assert {(row["environment"], row["light"]) for row in rows if row["environment"] == "staging"} == {
        ("staging", "clear")
    }
    assert len(rows) == 2 * len(QUESTIONS)
    assert {row["environment"] for row in table(desk, "ages")} == {"staging"}
    (page,) = desk.record.glob("audit-staging_copy-*.html")
    assert "copy: ohmycoins-copy-app-secrets" in page.read_text()


FOREIGN = """
[environments.foreign]
account_id = "111111111111"
[environments.staging]
[environments.role]
role_arn = "arn:aws:iam::123456789012:role/none"
"""


def test_an_environment_that_cannot_be_looked_at_keeps_no_other_from_being_audited(desk: Desk) -> None:
    """Exit 2, its reason, the command that looks again, the others' lights, and a record that the index page has."""
    (desk.work / "runbook.toml").write_text(FOREIGN)
    process = audit(desk, "environment=foreign,staging,role", "--summary")
    assert (process.returncode, process.stderr) == (2, "")
    assert "Not looked at: foreign, role." in process.stdout and "foreign is account 111111111111" in process.stdout
    assert "→ omc-runbook run audit -p environment role -p runbook_toml " in process.stdout
    outcome = desk.outcome()
    statuses = {each["environment"]: each["status"] for each in outcome["targets"]}
    assert [*statuses] == ["foreign", "staging", "role"] and statuses["foreign"] == statuses["role"] == "unknown"
    assert (outcome["status"], outcome["environment"], outcome["account"]) == ("failed", "foreign", "111111111111")
    rows = {(row["question"], row["environment"]): row["light"] for row in table(desk, "lights")}
    assert rows["Who can read", "staging"] == "clear" and rows["Who can read", "role"] == "not known"
    (page,) = desk.record.glob("audit-foreign_staging_role-*.html")
    assert "Not looked at: foreign, role." in page.read_text() and page.name in (desk.record / "index.html").read_text()


def test_plain_papermill_audits_the_others_too_and_then_ends_with_an_error(desk: Desk) -> None:
    """The error says what could not be looked at and how the others are."""
    (desk.work / "runbook.toml").write_text(FOREIGN)
    notebook = str(notebooks.paths()["audit"])
    process = desk.call([str(PAPERMILL), notebook, "out.ipynb", "-p", "environment", "staging,foreign"])
    assert process.returncode != 0 and "Not looked at: foreign." in process.stderr
    assert "in staging" in process.stderr.rpartition("CouldNotLook")[2]


AWKWARD = (
    *('q"uote,d;9Zk3vLw8', "=cmd|' /C calc'!A0x7Qm", "tab\there\nline-2bK9qPz4", "back\\slash\\n7Hj2LmQx"),
    *("ümläut-Straße-5Yt8", "<b>&amp;'tag\"</b>8Kd2", "+49-30-1234567x9Zq", "a,b,c;d|e\tf-3mWv8RtX"),
    *("-----BEGIN KEY-----\nMIIEvQIBADANBg7kqh\n-----END KEY-----", "c4n8r9p2x7v5m3k1w6t0z"),
)
"""Ten values that spreadsheets, JSON, HTML and shells spell in other ways."""


@ENGINES
def test_no_value_is_in_anything_that_an_audit_leaves(desk: Desk, engine: tuple[str, ...]) -> None:
    """Not even where names in the account have one: notebook, page, tables, outcome and terminal are searched."""
    secret = client(desk.sandbox, "secretsmanager")
    before = secret.get_secret_value(SecretId=SECRET)["SecretString"]
    document = json.loads(before) | {f"AWKWARD_{number}": value for number, value in enumerate(AWKWARD)}
    secret.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))
    name = f"reader-{AWKWARD[-1]}-{secrets.token_hex(2)}"
    iam = client(desk.sandbox, "iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
    grant = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName=AWKWARD[-1], PolicyDocument=policy(grant))
    try:
        process = audit(desk, "--summary", *engine)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName=AWKWARD[-1])
        iam.delete_role(RoleName=name)
        secret.put_secret_value(SecretId=SECRET, SecretString=before)
    assert process.returncode in (0, 1), process.stderr
    assert any("‹AWKWARD_9›" in row["principal"] for row in table(desk, "readers"))
    assert_nothing_leaked(desk, [*AWKWARD, *values(desk.sandbox)], process.stdout, process.stderr)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements]})
