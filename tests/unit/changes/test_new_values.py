"""What a killed change has left, as the next one sees it."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from support.outcomes import an_outcome
from support.snapshots import CURRENT, PREVIOUS, document, healthy, with_container, with_values

from omc_runbook.aws.session import Clients
from omc_runbook.changes.database import rotation
from omc_runbook.changes.database.connection import Refusal
from omc_runbook.changes.database.rotation import PasswordRotation
from omc_runbook.changes.secret.new_values import (
    NewValues,
    UnfinishedChange,
    database_server,
    find_unfinished,
    notes_where_nothing_is_left,
    renew,
)
from omc_runbook.changes.secret.plan import LABEL, RESTORE_LABEL, WITHDRAWN_LABEL, plan_update, version_id_of
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.changes.values import former_values, live_check
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.masking import kernel
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.report.archive import summary
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

ONE_ROLE = PasswordRotation(
    url=Masked("postgresql://db/app", "url"),
    role="app",
    former_role="app",
    owner="app",
    exists=True,
    address="db:5432/app",
    server="db:5432",
)


def after_killed_run(**changed: str | None) -> Snapshot:
    """A healthy environment whose current version a killed run has made of the former one; None took a key out."""
    snapshot = labelled(**changed)
    former, new = (snapshot.contents[each].document for each in (PREVIOUS, CURRENT))
    assert former and new and snapshot.secret
    version = version_id_of(PREVIOUS, former, new.value)
    stages = {version if each == CURRENT else each: labels for each, labels in snapshot.secret.stages.items()}
    contents = {**snapshot.contents, version: replace(snapshot.contents[CURRENT], version_id=version)}
    return replace(snapshot, secret=replace(snapshot.secret, stages=stages), contents=contents)


def test_a_version_of_a_killed_run_that_may_not_be_read_is_named_as_such() -> None:
    """Its change has to be known before the next one, for the database may have its password."""

    def refuse(**_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")

    snapshot = after_killed_run(SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    stages = {**dict.fromkeys(snapshot.secret.stages, ("AWSCURRENT",)), "unread": (f"{LABEL}unread",)}
    clients = cast("Clients", lambda name: SimpleNamespace(get_secret_value=refuse))
    sentence = "version unread of .*, which a run has left that was not finished: .*secretsmanager:GetSecretValue is"
    with pytest.raises(CouldNotLook, match=sentence):
        find_unfinished(clients, replace(snapshot, secret=replace(snapshot.secret, stages=stages)))


def labelled(**changed: str | None) -> Snapshot:
    """The same with a current version of another id: some other one was current before it."""
    snapshot = healthy()
    former = document(snapshot)
    members = {key: value for key, value in {**former, **changed}.items() if value is not None}
    snapshot = with_values(with_values(snapshot, former, PREVIOUS), members, CURRENT)
    assert snapshot.secret
    stages = snapshot.secret.stages
    labelled = {**stages, CURRENT: (*stages[CURRENT], f"{LABEL}12345678")}
    return replace(snapshot, secret=replace(snapshot.secret, stages=labelled))


def found(snapshot: Snapshot) -> NewValues:
    """The new values of a run that keeps all values and prompts for none."""
    return renew(cast("Clients", None), snapshot, (), "keep")


def test_a_change_that_was_not_finished_is_told_with_all_its_keys() -> None:
    """Also with those that it took out; only a value can be taken up again."""
    new = found(after_killed_run(SECRET_KEY=secrets.token_hex(32), OPENAI_API_KEY=None))
    assert new.unfinished and new.unfinished.keys == ("SECRET_KEY",)
    assert new.notes == ("A change of SECRET_KEY, OPENAI_API_KEY was not finished: this run continues it.",)
    alone = found(after_killed_run(OPENAI_API_KEY=None))
    assert alone.notes == ("A change of OPENAI_API_KEY was not finished: this run continues it.",)
    assert alone.redeploy_stale and not alone.values


def test_a_version_that_was_to_be_restored_is_continued_only_once_it_is_current() -> None:
    """Until then its values are former ones, which no rotation may take for its own."""
    stopped = staged(SECRET_KEY=secrets.token_hex(32))
    assert found(stopped).unfinished and found(relabelled(stopped)).unfinished is None
    restored = relabelled(after_killed_run(SECRET_KEY=secrets.token_hex(32)))
    assert (new := found(restored)).unfinished and new.unfinished.is_current
    again = renew(cast("Clients", None), restored, ("SECRET_KEY",), "renew")
    assert again.values["SECRET_KEY"].origin.startswith("generated")
    assert not again.values["SECRET_KEY"].value.same_as(Masked(document(restored)["SECRET_KEY"], "SECRET_KEY"))


@pytest.mark.parametrize("source", ["renew", "env:POSTGRES_PASSWORD"])
def test_a_database_password_alone_names_the_command_that_changes_both(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same keys and source; the one that applies the plan leaves tasks that cannot log in."""
    monkeypatch.setenv("POSTGRES_PASSWORD", secrets.token_hex(24))
    clients, keys = cast("Clients", None), ("POSTGRES_PASSWORD",)
    notes = renew(clients, healthy(), keys, source).notes
    values_from = "" if source == "renew" else f" -p values_from {source}"
    command = f"omc-runbook run rotate -p environment staging -p keys POSTGRES_PASSWORD{values_from}"
    command += " -p database_url_from env:NAME -p apply true"
    assert "in the database too" in notes[0] and notes[1:] == (command,)
    lines = summary.summarise(an_outcome(runbook="rotate", plan=("It would change.",), notes=notes), "a.html", "")
    assert next(each.text for each in lines if each.style == "command") == f"→ {command}"


def test_the_command_that_changes_the_database_too_has_all_keys_of_the_source(tmp_path: Path) -> None:
    """Also where none was named."""
    file = tmp_path / "new.env"
    file.write_text(f"SECRET_KEY={secrets.token_hex(32)}\nPOSTGRES_PASSWORD={secrets.token_hex(24)}\n")
    file.chmod(0o600)
    notes = renew(cast("Clients", None), healthy(), (), f"file:{file}").notes
    assert " -p keys SECRET_KEY,POSTGRES_PASSWORD " in notes[1]


def test_the_command_that_changes_the_database_too_leaves_out_what_nobody_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of keys that are due, a session without a prompt renews some: with the others the command would be refused."""
    monkeypatch.setattr(kernel, "allows_prompt", lambda: False)
    due = ("OPENAI_API_KEY", "POSTGRES_PASSWORD")
    new = renew(cast("Clients", None), healthy(), due, "renew", are_due=True)
    assert [*new.values] == ["POSTGRES_PASSWORD"] and new.left_out[0].startswith("OPENAI_API_KEY cannot be generated")
    assert "-p keys POSTGRES_PASSWORD -p database_url_from env:NAME" in new.notes[-1]


@pytest.mark.parametrize("by_restore", [True, False])
def test_the_database_gets_the_password_that_the_secret_gets(by_restore: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of a killed run, where another is made or given; its former value is that of the current version."""
    monkeypatch.setattr(rotation, "plan_rotation", lambda *_: ONE_ROLE)
    monkeypatch.setenv("POSTGRES_PASSWORD", secrets.token_hex(24))
    killed = after_killed_run(POSTGRES_PASSWORD=secrets.token_hex(24), POSTGRES_USER="app")
    snapshot = relabelled(killed) if by_restore else killed
    source = "renew" if by_restore else "env:POSTGRES_PASSWORD"
    new = renew(cast("Clients", None), snapshot, ("POSTGRES_PASSWORD",), source, Masked("postgresql://db/app", "url"))
    own = new.values["POSTGRES_PASSWORD"].value
    assert new.password and new.password.same_as(own)
    assert new.former_password and new.former_password.same_as(document(snapshot)["POSTGRES_PASSWORD"])
    for key in ("POSTGRES_PASSWORD", "SECRET_KEY"):
        again = renew(cast("Clients", None), killed, (key,), "renew", Masked("postgresql://db/app", "url"))
        assert again.password and again.password.same_as(document(killed)["POSTGRES_PASSWORD"])
        assert again.former_password and not again.former_password.same_as(again.password)


@pytest.mark.parametrize(
    ("user", "login", "is_tried"),
    [("app@", "app", True), ("", "app", True), ("app@", "", True), ("admin@", "app", False)],
)
def test_a_killed_runs_password_is_tried_for_the_login_itself_alone(
    user: str, login: str, is_tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the URL is of another role, that one has its own; what PostgreSQL takes for no password is left out."""
    pytest.importorskip("psycopg", reason="needs PostgreSQL's client: pip install 'omc-runbook[database]'")
    tried: list[Masked] = []
    refuse: Any = lambda url, passwords, act: tried.extend(passwords) or Refusal("it is down")  # noqa: E731
    monkeypatch.setattr(rotation.database_connection, "run", refuse)
    passwords = [Masked(text, "POSTGRES_PASSWORD") for text in ("a-password", "nul\0within")]
    with pytest.raises(CouldNotLook, match="it is down"):
        rotation.plan_rotation(Masked(f"postgresql://{user}db/app", "url"), login, "", "", passwords)
    assert [each.same_as("a-password") for each in tried] == [True] * is_tried


def test_after_a_restore_that_was_killed_the_former_value_is_the_one_that_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version that the restore went away from has no former values, and nothing of it is tried."""
    tried: list[Masked] = []
    monkeypatch.setattr(live_check, "attempt", lambda _, key, value: tried.append(value) or ("accepted", ""))
    restored = tried_at_its_server(relabelled(after_killed_run(OPENAI_API_KEY=f"sk-{secrets.token_urlsafe(40)}")))
    clients, own = cast("Clients", lambda name: None), {"OPENAI_API_KEY": Masked(f"sk-{secrets.token_urlsafe(40)}", "")}
    new_values = {key: NewValue(value, "a test") for key, value in own.items()}
    unchanged, new = found(restored), replace(found(restored), values=new_values, keys=tuple(own))
    assert former_values.judge(clients, restored, plan_update(restored, {}), unchanged) == () and not tried
    assert former_values.judge(clients, restored, plan_update(restored, new_values), new)
    assert tried[0].same_as(document(restored)["OPENAI_API_KEY"])


def tried_at_its_server(snapshot: Snapshot) -> Snapshot:
    """The same environment, whose catalogue has a `check` of OPENAI_API_KEY."""
    keys = snapshot.environment.keys
    tried_at = keys["OPENAI_API_KEY"].model_copy(update={"check": "https://api.example.com/"})
    return replace(snapshot, environment=replace(snapshot.environment, keys={**keys, "OPENAI_API_KEY": tried_at}))


@pytest.mark.parametrize(
    ("former", "current", "status"),
    [
        ("accepted", "accepted", "found"),
        ("accepted", "refused", "found"),
        ("refused", "accepted", "clear"),
        ("refused", "refused", "unknown"),
        ("refused", "unknown", "unknown"),
        ("unknown", "accepted", "unknown"),
    ],
)
def test_a_former_value_counts_as_revoked_only_where_its_server_accepts_the_current_one(
    former: str, current: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after a change, and in an audit's history; a server that refuses both proves nothing."""
    snapshot = tried_at_its_server(after_killed_run(OPENAI_API_KEY=(value := f"sk-{secrets.token_urlsafe(40)}")))
    verdicts = {True: (current, "it says so"), False: (former, "it says so")}
    monkeypatch.setattr(live_check, "attempt", lambda *each: verdicts[each[-1].same_as(Masked(value, ""))])
    (finding,) = former_values.judge(cast("Clients", None), snapshot, plan_update(snapshot, {}), found(snapshot))
    entries = (VersionEntry(version=each, content=snapshot.contents[each.id]) for each in snapshot.versions)
    audit = replace(snapshot.audit, history=VersionHistory(tuple(reversed([*entries]))))
    (audited,) = former_values.find_alive(replace(snapshot, audit=audit))
    assert {(each.subject, each.status) for each in (finding, audited)} == {("OPENAI_API_KEY", status)}


@pytest.mark.parametrize("is_tried", [True, False])
def test_a_run_that_keeps_all_values_tries_those_of_the_version_before(
    is_tried: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the keys that it was asked for; an empty one opens nothing."""
    monkeypatch.setattr(live_check, "attempt", lambda _, key, value: ("accepted", ""))
    snapshot = tried_at_its_server(healthy())
    snapshot = with_values(snapshot, {**document(snapshot), "OPENAI_API_KEY": "sk-former" * is_tried}, PREVIOUS)
    new = renew(cast("Clients", None), snapshot, ("OPENAI_API_KEY", "SECRET_KEY"), "keep")
    findings = former_values.judge(cast("Clients", str), snapshot, plan_update(snapshot, {}), new)
    assert [(each.subject, each.status) for each in findings] == [("OPENAI_API_KEY", "found")] * is_tried


def relabelled(snapshot: Snapshot) -> Snapshot:
    """The same environment with a restore's label in the place of a write's."""
    assert snapshot.secret
    stages = {
        version: tuple(f"{RESTORE_LABEL}12345678" if label.startswith(LABEL) else label for label in labels)
        for version, labels in snapshot.secret.stages.items()
    }
    return replace(snapshot, secret=replace(snapshot.secret, stages=stages))


def test_a_version_that_was_taken_back_is_not_the_one_before_the_current() -> None:
    """A run was killed on its way back to what another killed run had made current; one of two in a row goes on."""
    snapshot = labelled(SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret

    def after(version: str) -> UnfinishedChange | None:
        content = replace(snapshot.contents[CURRENT], version_id=version)
        assert snapshot.secret
        stages = {PREVIOUS: ("AWSPREVIOUS", f"{LABEL}87654321"), version: ("AWSCURRENT", f"{LABEL}12345678")}
        secret, contents = replace(snapshot.secret, stages=stages), {**snapshot.contents, version: content}
        return find_unfinished(cast("Clients", None), replace(snapshot, secret=secret, contents=contents))

    former, new = (snapshot.contents[each].document for each in (PREVIOUS, CURRENT))
    assert former and new and after(CURRENT) is None
    assert (found := after(version_id_of(PREVIOUS, former, new.value))) and found.base == PREVIOUS


def test_a_version_that_was_taken_back_and_is_current_again_by_hand_is_of_no_unfinished_change() -> None:
    """Where tasks fail, it is not taken back once more; of a restore that was killed it is."""
    snapshot = labelled(SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret

    def found_with(*labels: str) -> UnfinishedChange | None:
        assert snapshot.secret
        stages = {PREVIOUS: ("AWSPREVIOUS",), CURRENT: ("AWSCURRENT", *labels)}
        return find_unfinished(cast("Clients", None), replace(snapshot, secret=replace(snapshot.secret, stages=stages)))

    withdrawn = f"{WITHDRAWN_LABEL}{CURRENT}"
    assert found_with(withdrawn) is None
    assert (change := found_with(withdrawn, f"{RESTORE_LABEL}12345678")) and change.is_restore


def test_a_version_that_is_current_again_by_hand_is_of_no_unfinished_change() -> None:
    """AWSPREVIOUS is what somebody else wrote after it: where tasks fail, nobody wants that back."""
    assert find_unfinished(cast("Clients", None), labelled(SECRET_KEY=secrets.token_hex(32))) is None
    assert find_unfinished(cast("Clients", None), after_killed_run(SECRET_KEY=secrets.token_hex(32)))


def test_a_password_that_the_database_alone_may_have_is_not_let_go_of() -> None:
    """Until its key is rotated again; with another login role the one in use still gets in."""
    stopped = staged(POSTGRES_PASSWORD=secrets.token_hex(24))
    with pytest.raises(UsageError, match=r"POSTGRES_PASSWORD was not finished.*database_url_from first"):
        found(stopped)
    again = renew(cast("Clients", None), stopped, ("POSTGRES_PASSWORD",), "renew")
    assert again.unfinished and (member := again.unfinished.document.get("POSTGRES_PASSWORD"))
    assert again.values["POSTGRES_PASSWORD"].value.same_as(member.injected)
    assert found(staged(POSTGRES_PASSWORD=secrets.token_hex(24), POSTGRES_USER="app_clone")).unfinished
    assert found(staged(SECRET_KEY=secrets.token_hex(32))).unfinished


def test_a_change_is_taken_back_with_the_next_unless_that_leaves_the_databases_part_of_it() -> None:
    """Its only password would be that of neither version; with two roles the former one still gets in."""
    assert not found(after_killed_run(POSTGRES_PASSWORD=secrets.token_hex(24))).is_reversible
    assert found(after_killed_run(POSTGRES_PASSWORD=secrets.token_hex(24), POSTGRES_USER="app_clone")).is_reversible
    assert found(after_killed_run(SECRET_KEY=secrets.token_hex(32))).is_reversible and found(healthy()).is_reversible


def test_the_password_of_any_run_that_was_killed_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several, the last that reached the database is not known; what changes nothing loses none of them."""
    tried: list[Masked] = []
    monkeypatch.setattr(rotation, "plan_rotation", lambda *arguments: tried.extend(arguments[-1]) or ONE_ROLE)
    stopped, own = staged(POSTGRES_PASSWORD=secrets.token_hex(24)), secrets.token_hex(24)
    stopped = with_values(stopped, document(stopped), PREVIOUS)
    other = with_values(stopped, {**document(stopped), "POSTGRES_PASSWORD": own}, "other").contents["other"]
    assert stopped.secret
    stages = {**stopped.secret.stages, "other": (f"{LABEL}87654321", f"{WITHDRAWN_LABEL}other")}
    stopped = replace(
        stopped,
        secret=replace(stopped.secret, stages=stages),
        contents={**stopped.contents, "other": other},
    )
    renew(cast("Clients", None), stopped, ("POSTGRES_PASSWORD",), "renew", Masked("postgresql://db/app", "url"))
    assert any(each.same_as(own) for each in tried)
    current = next(VersionEntry(version=each, content=None) for each in stopped.versions if each.id == CURRENT)
    plan = plan_restore(stopped, VersionHistory((current,)), CURRENT)
    assert not any(label.startswith(LABEL) for label, _ in plan.labels)
    assert "other is kept: to finish that, rotate its keys again" in plan.notes[-1]


@pytest.mark.parametrize("since", [1, 2])
def test_values_that_somebody_else_has_changed_since_are_not_taken_up(since: int) -> None:
    """A killed run's version has their former values; its own new one counts while the version before it is known."""
    theirs = [{"SECRET_KEY": secrets.token_hex(32), "SMTP_PASSWORD": secrets.token_hex(24)} for _ in range(since)]
    stopped = staged(SENTRY_DSN="https://a@sentry.example.com/1")
    for each in theirs:
        stopped = changed_since(stopped, **each)
    new = renew(cast("Clients", None), stopped, ("SECRET_KEY",), "renew")
    generated, former = new.values["SECRET_KEY"], document(healthy())["SECRET_KEY"]
    assert generated.origin.startswith("generated") and not generated.value.same_as(former)
    assert new.unfinished and new.unfinished.new_member("SECRET_KEY") is None
    assert (new.unfinished.keys == ("SENTRY_DSN",)) == (since == 1)
    assert (new.unfinished.new_member("SENTRY_DSN") is not None) == (since == 1)


def test_a_button_finishes_no_change_whose_keys_are_not_certain() -> None:
    """They would be all that somebody else has changed since, too."""
    stopped = staged(SENTRY_DSN="https://a@sentry.example.com/1")
    for _ in range(2):
        stopped = changed_since(stopped, SECRET_KEY=secrets.token_hex(32))
    run = cast("Run", SimpleNamespace(look=lambda: stopped, target=SimpleNamespace(clients=None)))
    finish, *_ = secret_change.offers(run, cast("ChangeState", SimpleNamespace(secret="app", former=CURRENT)))
    with pytest.raises(UsageError, match="Somebody else has changed the secret meanwhile: run the notebook"):
        next(finish.act(""))


def test_only_a_change_that_goes_on_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that is not current, and of which no value is taken up or given again, is left out."""
    stopped = staged(SECRET_KEY=secrets.token_hex(32))
    assert "this run does not continue it" in found(stopped).notes[0]
    again = renew(cast("Clients", None), stopped, ("SECRET_KEY",), "renew")
    assert again.notes == ("A change of SECRET_KEY was not finished: this run continues it.",)
    monkeypatch.setenv("SECRET_KEY", reveal(again.values["SECRET_KEY"].value))
    assert renew(cast("Clients", None), stopped, ("SECRET_KEY",), "env:SECRET_KEY").notes == again.notes
    monkeypatch.setenv("SECRET_KEY", secrets.token_hex(32))
    other = renew(cast("Clients", None), stopped, ("SECRET_KEY",), "env:SECRET_KEY")
    assert "this run does not continue it" in other.notes[0]
    in_force = after_killed_run(SECRET_KEY=secrets.token_hex(32))
    other = renew(cast("Clients", None), in_force, ("SECRET_KEY",), "env:SECRET_KEY")
    assert other.notes == ("A change of SECRET_KEY was not finished: this run gives other values.",)
    monkeypatch.setenv("SENTRY_DSN", "https://a@sentry.example.com/1")
    assert renew(cast("Clients", None), in_force, ("SENTRY_DSN",), "env:SENTRY_DSN").notes == again.notes


def staged(**changed: str) -> Snapshot:
    """A healthy environment beside whose current version a killed run has staged another."""
    snapshot = healthy()
    assert snapshot.secret and snapshot.current and snapshot.current.document
    draft = with_values(snapshot, {**document(snapshot), **changed}, "draft").contents["draft"].document
    assert draft
    version = version_id_of(CURRENT, snapshot.current.document, draft.value)
    snapshot = with_values(snapshot, {**document(snapshot), **changed}, version)
    stages = {**snapshot.secret.stages, version: (f"{LABEL}12345678",)}
    return replace(snapshot, secret=replace(snapshot.secret, stages=stages))


def changed_since(snapshot: Snapshot, **changed: str) -> Snapshot:
    """The same environment after somebody else has given keys other values."""
    assert snapshot.secret
    version, before = secrets.token_hex(16), snapshot.current_id
    snapshot = with_values(snapshot, {**document(snapshot), **changed}, version)
    ours = {each: labels for each, labels in snapshot.secret.stages.items() if labels[0].startswith(LABEL)}
    stages = {**ours, before: ("AWSPREVIOUS",), version: ("AWSCURRENT",)}
    return replace(snapshot, secret=replace(snapshot.secret, stages=stages))


@pytest.mark.parametrize(
    ("members", "plain", "server"),
    [
        ({}, {}, ""),
        ({"POSTGRES_PORT": "5433"}, {}, ""),
        ({"POSTGRES_SERVER": "db"}, {}, "db:5432"),
        ({"POSTGRES_SERVER": "db", "POSTGRES_PORT": "5433"}, {"POSTGRES_SERVER": "old"}, "db:5433"),
        ({}, {"POSTGRES_SERVER": "db", "POSTGRES_PORT": "5434"}, "db:5434"),
    ],
)
def test_the_database_is_where_the_secret_or_a_plain_variable_says(
    members: dict[str, str], plain: dict[str, str], server: str
) -> None:
    """The secret first; on PostgreSQL's own port where neither has one."""
    logins = tuple(plain.items())
    snapshot = with_container(healthy(), "backend", lambda old: replace(old, logins=logins))
    snapshot = with_container(snapshot, "worker", lambda old: replace(old, logins=logins))
    assert database_server(snapshot, parse(Masked(json.dumps(members), "secret"))) == server


def test_a_change_of_which_only_the_last_step_is_left_is_finished_with_apply_alone() -> None:
    """A dry run without a step in its plan does not say beside that that it continues something."""
    new = found(after_killed_run(SECRET_KEY=secrets.token_hex(32)))
    (note,) = notes_where_nothing_is_left(new)
    assert note.startswith("A change of SECRET_KEY was not finished") and "continues" not in note
    assert note.endswith("with apply, this run finishes it.")
    assert notes_where_nothing_is_left(replace(new, unfinished=None)) == new.notes
