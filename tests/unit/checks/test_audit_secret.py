"""What an audit checks of the secret: each with a healthy snapshot and a faulty one, and what only looks like it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from secrets import token_urlsafe

import pytest
from support.check_assertions import by_id
from support.faults.audit_secret import (
    FAULTS,
    GUARD,
    OLD_SECRET,
    audited,
    encrypted,
    exposed,
    in_production,
    rotating,
    with_audit,
    with_values_since,
)
from support.snapshots import (
    ACCOUNT,
    ARN,
    CURRENT,
    NAME,
    NOW,
    healthy,
    with_container,
    with_keys,
    with_reference,
    with_secret,
    with_text,
)

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KeyRotation
from omc_runbook.aws.secretsmanager import Value, Version
from omc_runbook.checks import age, audit_ages, audit_exposure, audit_lifecycle, audit_unused, spare_keys
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.report.audit_exposure import exposure
from omc_runbook.report.audit_lifecycle import lifecycle, unused
from omc_runbook.report.audit_lives import ages
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.audit.exposure import compare_among
from omc_runbook.snapshot.audit.state import Lifecycle, Search
from omc_runbook.snapshot.follow_ups import contents_of
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

OTHER = "210987654321"
CHECKS = by_id(checks_of(audit_ages, audit_exposure, audit_unused, audit_lifecycle))


def status(id: str, snapshot: Snapshot) -> set[str]:
    """What a check says of a snapshot."""
    return {finding.status for finding in run_check(CHECKS[id], snapshot)}


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Where the fault of one check is, the others find nothing."""
    snapshot = FAULTS[id].make(healthy())
    assert {each for each in CHECKS if "found" in status(each, snapshot)} == {id}


@pytest.mark.parametrize(("field", "ids"), [
    ("lives", {"key-overdue", "key-due-soon", "rotation-not-real", "value-in-file", "value-in-log"}),
    ("exposure", {"plain-in-definition", "value-in-file", "value-in-history", "value-in-log", "value-shared"}),
    ("tasks", {"plain-in-definition"}),
    ("unused", {"secret-unused", "tags-missing"}),
    ("lifecycle", {"key-not-rotated", "rotation-broken"}),
    ("resource_policy", {"no-deletion-guard", "quota-near"}),
])  # fmt: skip
def test_what_was_not_read_is_unknown(field: str, ids: set[str]) -> None:
    """A refused call is named, and nothing that needs it is clear."""
    gap = ReadFailure("it", "some:Permission", "AccessDeniedException", "denied")
    snapshot = replace(audited(), gaps={field: (gap,)})
    for id in ids:
        [finding] = run_check(CHECKS[id], snapshot)
        assert finding.status == "unknown" and "some:Permission" in finding.evidence[0]


def test_an_age_that_no_version_shows_is_unknown() -> None:
    """Where no version with another value is left, a value may be as old as the secret."""
    snapshot = with_values_since(audited(), NOW - timedelta(days=10), former=False)
    findings = run_check(CHECKS["key-overdue"], snapshot)
    assert {finding.status for finding in findings} == {"unknown"}
    assert (
        "SECRET_KEY has had its value since 2026-02-19 12:00:00 UTC, for 10 days of 180, at least"
        in (findings[0].evidence[0])
    )
    row = next(row for row in ages(snapshot).rows if row[0] == "SECRET_KEY")
    assert row[2] == "at least 10 days" and row[5] == "perhaps overdue"


def test_one_day_is_one_day() -> None:
    """Of a value's age, and until it is due."""
    due = with_values_since(audited(), NOW - timedelta(days=179))
    [found, *_] = run_check(CHECKS["key-due-soon"], due)
    assert found.evidence[0].endswith(", in 1 day.")
    new = with_values_since(audited(), NOW - timedelta(days=1))
    assert {row[2] for row in ages(new).rows} == {"1 day"}


def test_limits_are_those_of_the_configuration() -> None:
    """Of 90 days a value of 100 is overdue, of 180 it is not; names and addresses have no limit."""
    old = with_values_since(audited(), NOW - timedelta(days=100))
    assert status("key-overdue", old) == {"clear"}
    names = old.environment.names.model_copy(update={"rotation_days": 90})
    strict = replace(old, environment=replace(old.environment, names=names))
    overdue = {finding.subject for finding in run_check(CHECKS["key-overdue"], strict)}
    assert "SECRET_KEY" in overdue and "SMTP_HOST" not in overdue
    assert age.judge(strict, age.Age("SMTP_HOST", NOW - timedelta(days=900), NOW - timedelta(days=900))) == "no limit"


def test_an_overdue_key_that_encrypts_data_is_a_remark_whose_remedy_is_not_refused() -> None:
    """rotate refuses a generated value alone: the former one has to stay beside it."""
    base = audited(with_keys(healthy(), ENCRYPTION_KEY=token_urlsafe(32)))
    keys = {**base.environment.keys, "ENCRYPTION_KEY": Key(generate="base64-32")}
    old = with_values_since(replace(base, environment=replace(base.environment, keys=keys)), NOW - timedelta(days=500))
    [found] = [each for each in run_check(CHECKS["key-overdue"], old) if each.subject == "ENCRYPTION_KEY"]
    assert found.severity == "info" and "that data cannot be read" in found.evidence[1]
    assert found.remedy.parameters == {"keys": "ENCRYPTION_KEY", "values_from": "file:PATH", "environment": "staging"}
    assert "In ENCRYPTION_KEY the former value stands after the new one and a comma" in found.remedy.needs


def test_a_rotation_that_renewed_a_value_is_real() -> None:
    """The date of a rotation is some seconds after its version's; a later change by hand counts too."""
    rotated = NOW - timedelta(days=10) + timedelta(seconds=40)
    assert status("rotation-not-real", with_secret(audited(), rotated=rotated)) == {"clear"}
    assert status("rotation-not-real", with_secret(audited(), rotated=NOW - timedelta(days=50))) == {"clear"}


def test_a_former_value_in_a_file_is_no_error() -> None:
    """What the secret has no more is a warning, as what only looks like a secret."""
    for changes in ({"is_current": False}, {"is_current": False, "is_known": False}):
        [finding] = run_check(CHECKS["value-in-file"], exposed("files", "a.tfvars:1", **changes)(healthy()))
        assert finding.severity == "warning" and "a.tfvars" in finding.remedy.command
        assert finding.remedy.command.startswith("Have its issuer revoke the value")


@pytest.mark.parametrize("part", ["files", "logs", "definitions"])
def test_an_open_value_of_a_managed_secret_is_renewed_by_what_writes_it(part: str) -> None:
    """rotate refuses to write such a secret."""
    location = "ohmycoins-staging-worker:7 worker SIGNER" if part == "definitions" else "log group /ecs/a, stream ecs/b"
    id = {"files": "value-in-file", "logs": "value-in-log", "definitions": "plain-in-definition"}[part]
    [found] = run_check(CHECKS[id], with_secret(exposed(part, location)(healthy()), owning_service="rds"))
    assert "(OwningService), which writes it: change it there" in found.remedy.command
    assert "omc-runbook run rotate" not in found.remedy.command


def test_a_key_that_rotates_or_is_not_in_use_is_none_that_does_not_rotate() -> None:
    """Another check finds a key that is disabled or about to be deleted."""
    found = encrypted(healthy())
    assert found.kms_key
    assert status("key-not-rotated", replace(found, kms_key=replace(found.kms_key, state="Disabled"))) == {"clear"}
    rotates = with_audit(lifecycle=Lifecycle(key_rotation=KeyRotation(True)))(found)
    assert status("key-not-rotated", rotates) == {"clear"}


@pytest.mark.parametrize(("name", "expected"), [(NAME, "clear"), (OLD_SECRET.name, "found")])
def test_the_environments_own_secret_is_not_unused(name: str, expected: str) -> None:
    """Also where no service refers to it yet."""
    listed = replace(OLD_SECRET, name=name, arn=ARN.replace(NAME, name))
    snapshot = replace(with_audit(project_secrets=(listed,))(healthy()), task_definitions={})
    assert status("secret-unused", snapshot) == {expected}


def test_without_a_repository_files_are_not_clear() -> None:
    """Nothing was searched, so there is no claim."""
    snapshot = replace(audited(), checkout=None)
    assert status("value-in-file", snapshot) == status("value-in-history", snapshot) == {"skipped"}
    assert exposure(replace(snapshot, audit=replace(snapshot.audit, exposure=None))).rows == []


def test_a_folder_without_git_has_no_history_to_be_clear() -> None:
    """Its files were searched nevertheless."""
    snapshot = audited()
    assert snapshot.audit.exposure
    without = replace(snapshot, audit=replace(snapshot.audit, exposure=replace(snapshot.audit.exposure, history=None)))
    assert (status("value-in-file", without), status("value-in-history", without)) == ({"clear"}, {"skipped"})


def test_a_secret_without_keys_is_not_clear() -> None:
    """Nothing that concerns its values was checked, and no other check of an audit says that it is no JSON."""
    snapshot = with_text(audited(), "SECRET_KEY=abc")
    statuses = {id: status(id, snapshot) for id in CHECKS}
    assert statuses["value-in-log"] == statuses["key-overdue"] == statuses["key-unused"] == {"unknown"}
    assert {"skipped"} not in statuses.values()


def test_without_a_service_no_key_is_clear() -> None:
    """Where no task definition was read, none of them can refer to a key."""
    snapshot = replace(audited(), services=(), service_names=())
    [finding] = run_check(CHECKS["key-unused"], snapshot)
    assert (finding.status, "No service of ohmycoins-staging refers" in finding.evidence[0]) == ("unknown", True)


@pytest.mark.parametrize("id", ["key-unused", "secret-unused", "key-unreferenced"])
def test_nothing_is_unused_where_not_all_services_were_read(id: str) -> None:
    """Of which each may use it: AWS may have answered for the first ten alone."""
    gap = ReadFailure("the services of the cluster", "ecs:DescribeServices", "It was closed.", "incomplete")
    snapshot = FAULTS[id].make(audited()) if id in FAULTS else audited()
    _, *others = snapshot.services
    check = by_id(checks_of(audit_unused, spare_keys))[id]
    found = run_check(check, replace(snapshot, services=tuple(others), gaps={"services": (gap,)}))
    assert [(each.status, each.evidence) for each in found] == [("unknown", (gap.sentence,))]


@pytest.mark.parametrize("where", ["history", "files"])
def test_what_was_not_searched_is_unknown(where: str) -> None:
    """A limit on size or number is reported, and what is beyond it is unknown."""
    snapshot = audited()
    assert snapshot.audit.exposure
    part = replace(snapshot.audit.exposure, **{where: Search(count=3, limits=("Of 9 blobs 3 were searched.",))})
    bounded = with_audit(exposure=part)(healthy())
    [finding] = run_check(CHECKS["value-in-file" if where == "files" else "value-in-history"], bounded)
    assert finding.status == "unknown" and finding.evidence == ("Of 9 blobs 3 were searched.",)
    assert "Of 9 blobs 3 were searched." in exposure(bounded).notes


def test_an_environment_that_cannot_be_compared_is_unknown() -> None:
    """A refusal there is no proof that nothing is shared."""
    snapshot = audited()
    assert snapshot.audit.exposure
    part = replace(snapshot.audit.exposure, uncompared={"production": "it is in account 210987654321."})
    [finding] = run_check(CHECKS["value-shared"], with_audit(exposure=part)(healthy()))
    assert (finding.status, finding.subject) == ("unknown", "production")


def elsewhere(name: str, account: str, **values: str) -> Snapshot:
    """The audit of an environment in an account of its own, which could not compare itself with the other one."""
    snapshot = with_keys(audited(), CURRENT, **values)
    assert snapshot.audit.exposure and snapshot.secret
    others = {
        other: snapshot.environment.names.model_copy(update={"account_id": number})
        for other, number in (("staging", ACCOUNT), ("production", OTHER))
        if other != name
    }
    reasons = {other: f"it is in account {names.account_id}." for other, names in others.items()}
    return replace(
        snapshot,
        environment=replace(snapshot.environment, name=name, others=others),
        caller=replace(snapshot.caller, account=account),
        secret=replace(snapshot.secret, arn=ARN.replace(ACCOUNT, account)),
        audit=replace(snapshot.audit, exposure=replace(snapshot.audit.exposure, uncompared=reasons)),
    )


def compared(**snapshots: Snapshot) -> dict[str, list[tuple[str, str]]]:
    """What the check says of each environment, after they were compared with each other."""
    every = compare_among(snapshots)
    return {
        name: [(each.status, each.subject) for each in run_check(CHECKS["value-shared"], snapshot)]
        for name, snapshot in every.items()
    }


def test_environments_of_several_accounts_are_compared_where_one_audit_reads_all() -> None:
    """Their secrets may have one name, and still be two."""
    value = token_urlsafe(24)
    staging = elsewhere("staging", ACCOUNT, SECRET_KEY=value)
    production = elsewhere("production", OTHER, **{key: token_urlsafe(24) for key in KEYS})
    assert compared(staging=staging, production=production) == {
        "staging": [("clear", "")],
        "production": [("clear", "")],
    }
    shared = with_keys(production, CURRENT, SIGNING_KEY=value)
    assert compared(staging=staging, production=shared) == {
        "staging": [("found", "SECRET_KEY = production's SIGNING_KEY")],
        "production": [("found", "SIGNING_KEY = staging's SECRET_KEY")],
    }
    assert compared(staging=staging)["staging"] == [("unknown", "production")]
    assert compared(staging=staging, production=with_text(production, "{"))["staging"] == [("unknown", "production")]
    without = replace(production, secret=None, contents={})
    assert compared(staging=staging, production=without)["staging"] == [("clear", "")]
    exposure = compare_among({"staging": staging, "production": without})["staging"].audit.exposure
    assert exposure and exposure.compared == (), "nobody searched a secret that does not exist"
    denied = ReadFailure("it", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    unread = replace(without, gaps={"secret": (denied,)})
    assert compared(staging=staging, production=unread)["staging"] == [("unknown", "production")]


def test_environments_with_one_secret_are_not_told_apart_by_new_values() -> None:
    """They would be those of both: one of the two has another one's secret in runbook.toml."""
    snapshot = FAULTS["value-shared"].make(healthy())
    names = snapshot.environment.names
    environment = replace(snapshot.environment, others={"production": names})
    [finding] = run_check(CHECKS["value-shared"], replace(snapshot, environment=environment))
    assert finding.subject == f"{names.secret} = production's secret"
    assert "Correct secret of staging or production in " in finding.remedy.command and not finding.remedy.runbook


def test_a_key_that_only_some_ask_for_is_used() -> None:
    """A task that takes the whole secret may use every key; a member that is a note is no key."""
    spare = with_keys(audited(), CURRENT, OLD_TOKEN="x" * 20, _note="see the wiki")
    assert [each.subject for each in run_check(CHECKS["key-unused"], spare)] == ["OLD_TOKEN"]
    arn = spare.secret.arn if spare.secret else ""
    assert status("key-unused", with_reference(spare, "worker", "SECRET_KEY", arn)) == {"clear"}
    [finding] = run_check(CHECKS["key-unused"], replace(spare, checkout=None))
    assert finding.severity == "info" and "not searched" in finding.evidence[1]


@pytest.mark.parametrize("changes", [
    {"accessed": NOW - timedelta(days=3)},
    {"created": NOW - timedelta(days=30), "accessed": None},
    {"owning_service": "rds"},
    {"is_replica": True},
    {"name": "ohmycoins-production-old"},
])  # fmt: skip
def test_a_secret_that_somebody_uses_is_left_alone(changes: dict[str, object]) -> None:
    """Read lately, new, managed by a service, a replica that may stand by, or another environment's."""
    listed = replace(OLD_SECRET, **changes)  # type: ignore[arg-type]
    assert status("secret-unused", with_audit(project_secrets=(listed,))(healthy())) == {"clear"}
    assert CHECKS["secret-unused"].ruled_out_by.endswith("or is a replica")


def test_a_title_says_that_one_is_not_used_not_that_nothing_uses_any() -> None:
    """The others may well be in use."""
    titles = [CHECKS[id].title for id in ("key-unused", "secret-unused")]
    assert titles == ["A key of the secret is not used", "A secret of the environment is not used"]


def test_a_secret_that_a_task_refers_to_is_used() -> None:
    """Even where nobody has read it for long: a task that starts would."""
    snapshot = with_audit(project_secrets=(OLD_SECRET,))(healthy())
    referred = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{OLD_SECRET.arn}:TOKEN::")
    assert status("secret-unused", referred) == {"clear"}


def test_only_a_denial_of_deletion_is_a_guard() -> None:
    """A policy that allows, or denies something else, guards nothing; the remedy keeps its statements."""
    statement: dict[str, object] = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:PutSecretValue",
        "Resource": "*",
    }
    other = PolicyDocument("other", "resource", {"Version": "2012-10-17", "Statement": [statement]})
    [finding] = run_check(CHECKS["no-deletion-guard"], replace(in_production(healthy()), resource_policy=other))
    assert "PutSecretValue" in finding.remedy.command and "role/on-call" in finding.remedy.command
    statement |= {"Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert status("no-deletion-guard", replace(in_production(healthy()), resource_policy=other)) == {"found"}
    statement["Effect"] = "Allow"
    assert status("no-deletion-guard", replace(in_production(healthy()), resource_policy=other)) == {"found"}
    assert status("no-deletion-guard", replace(in_production(healthy()), resource_policy=GUARD)) == {"clear"}
    for key in ("aws:PrincipalTag/team", "aws:userid", "aws:username", "aws:MultiFactorAuthPresent"):
        statement |= {"Effect": "Deny", "Condition": {"StringNotEquals": {key: "admin"}}}
        assert status("no-deletion-guard", replace(in_production(healthy()), resource_policy=other)) == {"clear"}


def test_a_rotation_function_that_fails_is_broken() -> None:
    """Its state counts, whether it exists or not; an idle one is in order."""
    assert status("rotation-broken", rotating(healthy(), state="Inactive")) == {"clear"}
    [finding] = run_check(CHECKS["rotation-broken"], rotating(healthy(), state="Failed", reason="No subnet."))
    assert "has State Failed" in finding.evidence[0] and "No subnet." in finding.evidence[0]
    assert finding.remedy.command == "Deploy the function again; its log group is /platform/rotation."


def test_a_rotation_that_renews_nothing_names_the_log_group_that_was_read() -> None:
    """Of a function whose configuration could not be read, none is guessed."""
    snapshot = FAULTS["rotation-not-real"].make(healthy())
    read = rotating(snapshot).audit.lifecycle
    [finding] = run_check(CHECKS["rotation-not-real"], replace(snapshot, audit=replace(snapshot.audit, lifecycle=read)))
    assert "its log: `aws logs tail /platform/rotation --since 30d" in finding.evidence[-1]
    [finding] = run_check(CHECKS["rotation-not-real"], snapshot)
    assert finding.evidence[-1].endswith("has to write new values in its step createSecret.")


@pytest.mark.parametrize("is_text", [True, False], ids=["no JSON", "binary"])
def test_a_value_that_is_no_document_is_near_its_quota_too(is_text: bool) -> None:
    """Secrets Manager limits the bytes of a text that is no JSON, and those of a SecretBinary."""
    for size, expected in ((65_000, "found"), (600, "clear")):
        text = Masked("é" * (size // 2), "the secret") if is_text else None
        value = Value(CURRENT, text, 0 if is_text else size)
        assert status("quota-near", replace(audited(), contents=contents_of(value))) == {expected}


def test_versions_that_make_room_are_near_no_quota() -> None:
    """Secrets Manager removes what is older than a day and has no label."""
    old = tuple(Version(f"{count:032d}", NOW - timedelta(days=count + 2), ()) for count in range(95))
    assert status("quota-near", replace(audited(), versions=(*old, *audited().versions))) == {"clear"}
    new = tuple(replace(version, created=NOW - timedelta(hours=2)) for version in old)
    assert status("quota-near", replace(audited(), versions=(*new, *audited().versions))) == {"found"}


def test_a_plain_variable_with_a_secret_of_its_own_is_named() -> None:
    """One that the secret does not have is a warning, with the remedy that verify has for it."""
    location = "ohmycoins-staging-backend:7 backend STRIPE_API_KEY"
    snapshot = exposed("definitions", location, key="STRIPE_API_KEY", is_current=False, is_known=False)(healthy())
    snapshot = with_container(snapshot, "backend", lambda old: replace(old, plain_secrets=("STRIPE_API_KEY",)))
    [finding] = run_check(CHECKS["plain-in-definition"], snapshot)
    assert finding.severity == "warning" and finding.remedy.runbook == "add_key"


@pytest.mark.parametrize("id", FAULTS)
def test_tables_show_each_fault(id: str) -> None:
    """All tables can be made of each fault; nobody's value is in them."""
    snapshot = FAULTS[id].make(healthy())
    tables = [table(snapshot) for table in (ages, exposure, unused, lifecycle)]
    assert all(table.to_text() and table.to_html() for table in tables)
    texts = "\n".join(table.to_text() for table in tables)
    document = snapshot.current.document if snapshot.current else None
    assert document and not any(
        member.injected.length > 12 and member.injected.matches(re.compile(re.escape(word)))
        for member in document.members
        for word in texts.split()
        if len(word) == member.injected.length
    )


def test_a_rotation_that_was_taken_back_was_real() -> None:
    """The values are the former ones again, but the rotation did write new ones."""
    snapshot = with_values_since(audited(), NOW - timedelta(days=30))
    rotated, restored = NOW - timedelta(days=30), snapshot.versions[0]
    assert snapshot.audit.history
    newest = VersionEntry(
        version=Version("restored", NOW - timedelta(days=29), ("AWSCURRENT",)),
        content=snapshot.contents[restored.id],
        promoted=True,
    )
    history = replace(snapshot.audit.history, versions=(newest, *snapshot.audit.history.versions))
    snapshot = with_secret(snapshot, rotated=rotated, stages={"restored": ("AWSCURRENT",)})
    snapshot = replace(
        snapshot,
        contents={**snapshot.contents, "restored": replace(snapshot.contents[restored.id], version_id="restored")},
        audit=replace(snapshot.audit, history=history),
    )
    assert {each.since for each in age.ages(snapshot, history)} == {restored.created}
    assert status("rotation-not-real", snapshot) == {"clear"}
    same = replace(newest, version=Version("again", rotated, ("AWSPREVIOUS",)))
    copied = VersionHistory((newest, same, history.versions[-1]))
    assert status("rotation-not-real", replace(snapshot, audit=replace(snapshot.audit, history=copied))) == {"found"}
