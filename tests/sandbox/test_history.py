"""The secret's history: who wrote which version, what differs, who holds it, and how old each value is."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from support.runs import client
from support.snapshots import (
    CHANGED,
    CURRENT,
    NOW,
    PREVIOUS,
    event,
    healthy,
    task,
    with_secret,
    with_tasks,
    with_text,
)

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import Version
from omc_runbook.checks.age import Age, ages, due
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.sandbox.account import REGION
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.history import holders, read_history
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

pytestmark = pytest.mark.usefixtures("own_registry")

DENIED = ReadFailure("a version", "secretsmanager:GetSecretValue", "AccessDeniedException", "denied")


class Past:
    """A history in memory: versions that are added one after the other, and the snapshot they lead to."""

    def __init__(self) -> None:
        self.snapshot = with_secret(replace(healthy(), versions=()), created=NOW - timedelta(days=400), stages={})
        self.values = {"SECRET_KEY": secrets.token_hex(32), "SMTP_HOST": "mail.test", "SMTP_PASSWORD": ""}
        self.entries: list[VersionEntry] = []

    def version(self, days: float, text: str | None = None, current: bool = False, **fields: Any) -> str:
        """Add a version created that many days ago: of the present values, or of a text; its id."""
        version = Version(secrets.token_hex(16), NOW - timedelta(days=days), ("AWSCURRENT",) if current else ())
        self.snapshot = with_text(self.snapshot, text or json.dumps(self.values), version.id)
        content = self.snapshot.contents[version.id]
        self.entries.append(replace(VersionEntry(version=version, content=content, promoted=True), **fields))
        if current:
            self.snapshot = with_secret(self.snapshot, stages={version.id: ("AWSCURRENT",)})
        return version.id

    def rotate(self, key: str = "SECRET_KEY") -> str:
        """Give a key another value; the one before."""
        before, self.values[key] = self.values[key], secrets.token_hex(32)
        return before

    @property
    def history(self) -> VersionHistory:
        return VersionHistory(tuple(sorted(self.entries, key=lambda entry: entry.version.created, reverse=True)))

    def age(self, key: str = "SECRET_KEY") -> tuple[float, float]:
        """For how many days a key has its value: for certain, and perhaps."""
        (age,) = [age for age in ages(self.snapshot, self.history) if age.key == key]
        assert age.at_least == (age.earliest < age.since)
        return (NOW - age.since) / timedelta(days=1), (NOW - age.earliest) / timedelta(days=1)

    @property
    def due(self) -> list[str]:
        return [*due(self.snapshot, ages(self.snapshot, self.history))]


def test_a_value_is_as_old_as_the_first_version_that_has_it() -> None:
    """Later versions that change other keys make it no younger; a version with another value ends the search."""
    past = Past()
    past.version(200)
    past.rotate()
    past.version(100)
    past.rotate("SMTP_HOST")
    past.version(50, current=True)
    assert past.age() == (100, 100) and past.age("SMTP_HOST") == (50, 50)
    assert past.due == []


def test_only_keys_that_are_secrets_come_due_and_only_over_their_time() -> None:
    """SMTP_HOST is old and never due; an empty value has no age."""
    past = Past()
    past.version(190.5)
    past.rotate()
    past.version(180, current=True)
    assert past.due == []
    past = Past()
    past.version(180.1, current=True)
    past.snapshot = with_secret(past.snapshot, created=NOW - timedelta(days=180.1))
    assert past.due == ["SECRET_KEY"]
    assert [age.key for age in ages(past.snapshot, past.history)] == ["SECRET_KEY", "SMTP_HOST"]


def test_a_value_that_the_oldest_version_has_may_be_older() -> None:
    """Versions are collected: without a beginning, the secret's own age decides, and the key is due."""
    past = Past()
    past.version(20)
    past.version(10, current=True)
    assert past.age() == (20, 400) and past.due == ["SECRET_KEY"]
    past.snapshot = with_secret(past.snapshot, created=NOW - timedelta(days=20))
    assert past.age() == (20, 20) and past.due == []


def test_a_value_that_was_put_back_is_as_old_as_it_was_first_written() -> None:
    """Both where AWSCURRENT was moved back and where the old text was written anew."""
    past = Past()
    past.version(300)
    before = past.rotate()
    old = past.version(200, current=True)
    past.rotate()
    past.version(1)
    assert past.age() == (200, 200)
    assert past.snapshot.secret and past.snapshot.secret.version_at("AWSCURRENT") == old
    past.values["SECRET_KEY"] = before
    past.version(0.5, current=True)
    assert past.age()[0] == 300


@pytest.mark.parametrize(("promoted", "days"), [(False, 10), (None, 60), (True, 60)])
def test_a_version_that_was_only_staged_makes_nothing_older(promoted: bool | None, days: float) -> None:
    """One of which nobody can tell whether it was in force counts as if it had been."""
    past = Past()
    past.version(90)
    past.rotate()
    past.version(60, promoted=promoted)
    past.version(10, current=True)
    assert past.age() == (days, days)


def test_another_value_that_was_only_staged_ends_no_search() -> None:
    """A rotation that was given up in between is no sign that the value changed."""
    past = Past()
    past.version(300)
    before = past.rotate()
    past.version(200, promoted=False)
    past.values["SECRET_KEY"] = before
    past.version(100, current=True)
    assert past.age() == (300, 400)


@pytest.mark.parametrize("unread", [DENIED, None])
def test_a_version_that_cannot_be_read_may_have_had_the_value(unread: ReadFailure | None) -> None:
    """Refused or gone: the value may go back to it, up to a version that surely had another."""
    past = Past()
    past.version(300)
    past.rotate()
    past.version(200, content=None, unread=unread)
    past.version(10, current=True)
    assert past.age() == (10, 200) and past.due == ["SECRET_KEY"]


def test_a_version_that_is_no_json_neither_makes_older_nor_ends_the_search() -> None:
    """Nothing could start with it, so no value was in force then."""
    past = Past()
    past.version(300)
    past.rotate()
    past.version(200)
    past.version(100, text="{'broken'")
    past.version(10, current=True)
    assert past.age() == (200, 200)


def test_without_a_list_of_versions_the_secrets_age_decides() -> None:
    """For whoever may not list versions, every secret key of an old secret is due."""
    past = Past()
    past.version(10, current=True)
    key_ages = ages(past.snapshot, VersionHistory(()))
    assert key_ages[0] == Age("SECRET_KEY", NOW, NOW - timedelta(days=400))
    assert due(past.snapshot, key_ages) == ("SECRET_KEY",)
    assert ages(with_text(past.snapshot, "no json", past.entries[0].id), past.history) == ()


def test_tasks_are_counted_by_the_version_that_they_hold() -> None:
    """Those that read after the current version came, before it, and in between; a staged one is held by nobody."""
    snapshot = healthy()
    staged = Version(secrets.token_hex(16), CHANGED - timedelta(days=20), ())
    snapshot = replace(snapshot, versions=(snapshot.versions[0], staged, snapshot.versions[1]))
    old = task("worker", CHANGED - timedelta(days=1))
    between = task("backend", CHANGED - timedelta(seconds=10))
    version_history = VersionHistory(
        tuple(
            VersionEntry(version=version, content=None, staged=version is staged, promoted=version is not staged)
            for version in reversed(snapshot.versions)
        )
    )
    counted = {(h.service, h.version_id): h.tasks for h in holders(with_tasks(snapshot, old, between), version_history)}
    assert counted == {
        ("backend", CURRENT): 2,
        ("backend", ""): 1,
        ("worker", CURRENT): 1,
        ("worker", PREVIOUS): 1,
    }


def test_a_task_that_started_while_an_old_version_was_back_holds_that_one() -> None:
    """The moves of AWSCURRENT decide, not the dates of the versions alone."""
    snapshot = healthy()
    back = replace(event("UpdateSecretVersionStage", CHANGED - timedelta(days=5), PREVIOUS), stages=("AWSCURRENT",))
    middle = Version(secrets.token_hex(16), CHANGED - timedelta(days=8), ())
    versions = (snapshot.versions[0], middle, snapshot.versions[1])
    moves = {PREVIOUS: (back,)}
    version_history = VersionHistory(
        tuple(
            VersionEntry(version=v, content=None, moves=moves.get(v.id, ()), promoted=True) for v in reversed(versions)
        )
    )
    snapshot = with_tasks(replace(snapshot, versions=versions), task("worker", CHANGED - timedelta(days=3)))
    assert [h.version_id for h in holders(snapshot, version_history) if h.service == "worker"] == [CURRENT, PREVIOUS]


class Writers:
    """A secret, and its writers by their names."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
        self.sandbox, self.name = sandbox, f"own-{secrets.token_hex(4)}"
        self.admin, self.iam = client(sandbox, "secretsmanager"), client(sandbox, "iam")
        for name, value in (sandbox.variables | {"OMC_SECRET": self.name, "OMC_CLUSTER": "ohmycoins-staging"}).items():
            patch.setenv(name, value)

    def user(self, *denied: str) -> tuple[str, dict[str, str]]:
        """A new user who may do all but what is denied: the name, and the variables to work as that user."""
        user = f"user-{secrets.token_hex(3)}"
        self.iam.create_user(UserName=user)
        statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        statements += [{"Effect": "Deny", "Action": action, "Resource": "*"} for action in denied]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self.iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document)
        key = self.iam.create_access_key(UserName=user)["AccessKey"]
        return user, {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def put(self, client: Any, text: str, *labels: str) -> str:
        """Write a version; its id."""
        labelled = {"VersionStages": [*labels]} if labels else {}
        return str(client.put_secret_value(SecretId=self.name, SecretString=text, **labelled)["VersionId"])

    def client_of(self, variables: dict[str, str]) -> Any:
        return boto3.client(
            "secretsmanager",
            endpoint_url=self.sandbox.endpoint,
            region_name=REGION,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def move(self, client: Any, to: str, from_: str) -> None:
        """Make another version current."""
        client.update_secret_version_stage(
            SecretId=self.name, VersionStage="AWSCURRENT", MoveToVersionId=to, RemoveFromVersionId=from_
        )

    def read(self) -> tuple[Snapshot, VersionHistory]:
        run = runbooks_run.begin("restore", "staging")
        snapshot = run.look()
        return snapshot, read_history(run.target.clients, snapshot)


@pytest.fixture
def people(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Writers:
    """A secret of this test's own, which the runbook takes for staging's, and people who write it."""
    return Writers(sandbox, monkeypatch)


def text(**values: Any) -> str:
    return json.dumps({"SECRET_KEY": secrets.token_hex(32), **values})


def test_each_version_has_its_author_its_content_and_whether_it_was_in_force(people: Writers) -> None:
    """Newest first; one that was only staged, one that was moved back, and one that is no JSON."""
    first = people.admin.create_secret(Name=people.name, SecretString=text())["VersionId"]
    (anna, as_anna), (ben, as_ben) = people.user(), people.user()
    second = people.put(people.client_of(as_anna), text(SMTP_HOST="mail.test"))
    staged = people.put(people.client_of(as_ben), text(), "try")
    broken = people.put(people.client_of(as_ben), "{'SECRET_KEY'")
    people.move(people.client_of(as_anna), second, broken)
    snapshot, version_history = people.read()
    assert [entry.id for entry in version_history.versions] == [broken, staged, second, first]
    assert [entry.author.rpartition("/")[2] for entry in version_history.versions] == [ben, ben, anna, "administrator"]
    assert [entry.promoted for entry in version_history.versions] == [True, False, True, True]
    assert [entry.content.document is None for entry in version_history.versions if entry.content] == [
        True,
        False,
        False,
        False,
    ]
    assert [entry.returned.principal.rpartition("/")[2] for entry in version_history.versions if entry.returned] == [
        anna
    ]
    assert [entry.id for entry in version_history.before(version_history.versions[0])] == [second, first]
    assert version_history.writes is not None and version_history.unread == ()
    assert ages(snapshot, version_history)[0].since == version_history.versions[2].version.created


def test_a_plan_that_was_written_counts_as_staged_and_then_in_force(people: Writers) -> None:
    """The writer's own way: beside the current version, then moved; that move is no return."""
    people.admin.create_secret(Name=people.name, SecretString=text())
    run = runbooks_run.begin("update", "staging")
    snapshot = run.look()
    result = secret_change.apply(
        run, secret_change.plan(run, snapshot, secret_change.gather(run, snapshot, "generate", "SECRET_KEY")), True
    )
    _, version_history = people.read()
    assert result and result.version_change and version_history.versions[0].id == result.version_change.version_id
    assert (
        version_history.versions[0].staged,
        version_history.versions[0].promoted,
        version_history.versions[0].returned,
    ) == (True, True, None)


def test_without_cloudtrail_authors_are_unknown_and_the_reason_is_told(
    people: Writers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWSCURRENT and AWSPREVIOUS still tell that a version was in force; of others nobody can say."""
    people.admin.create_secret(Name=people.name, SecretString=text())
    people.put(people.admin, text())
    people.put(people.admin, text())
    _, variables = people.user("cloudtrail:LookupEvents")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _, version_history = people.read()
    assert [(entry.author, entry.promoted) for entry in version_history.versions] == [
        ("", True),
        ("", True),
        ("", None),
    ]
    assert version_history.writes is None
    assert [unread.permission for unread in version_history.unread] == ["cloudtrail:LookupEvents"]


def test_a_version_that_may_not_be_read_stays_with_the_reason(people: Writers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denied for every version: the history has them all, without contents."""
    people.admin.create_secret(Name=people.name, SecretString=text())
    people.put(people.admin, text())
    _, variables = people.user("secretsmanager:GetSecretValue")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    snapshot, version_history = people.read()
    assert [entry.content for entry in version_history.versions] == [None, None]
    assert all(
        entry.unread and entry.unread.permission == "secretsmanager:GetSecretValue"
        for entry in version_history.versions
    )
    assert ages(snapshot, version_history) == ()


def test_a_version_that_is_gone_meanwhile_is_told_as_gone(people: Writers) -> None:
    """Secrets Manager may collect one between the list and the read."""
    people.admin.create_secret(Name=people.name, SecretString=text())
    run = runbooks_run.begin("restore", "staging")
    snapshot = run.look()
    lost = Version(secrets.token_hex(16), snapshot.taken - timedelta(days=1), ())
    version_history = read_history(run.target.clients, replace(snapshot, versions=(lost, *snapshot.versions)))
    assert [entry.content is None and entry.unread is None for entry in version_history.versions] == [False, True]
    assert read_history(run.target.clients, replace(snapshot, versions=())).versions == ()


def test_an_id_is_cut_where_it_is_told_from_the_others() -> None:
    """Ids that a tool chose may begin alike."""
    same = [Version(f"release-{number}-{'0' * 24}", NOW, ()) for number in (17, 18)]
    assert (
        VersionHistory(tuple(VersionEntry(version=version, content=None) for version in same)).short(same[0].id)
        == "release-17"
    )
    assert VersionHistory((VersionEntry(version=same[0], content=None),)).short(same[0].id) == "release-"
