"""New values and plans: what is taken from where, what is refused in one sentence, what a plan says and keeps."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.call_counts import count_calls
from support.files import write_files
from support.snapshots import (
    ARN,
    CURRENT,
    DEPLOYED,
    NAMES,
    NOW,
    PREVIOUS,
    deployment,
    document,
    healthy,
    rotated,
    stopped,
    task,
    task_definition,
    with_keys,
    with_proxy,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
    with_text,
    with_values,
    without_key,
)

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import ListedSecret, Replica
from omc_runbook.changes.add_key.executor import AddKeyResult
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan, KeyEdits, describe
from omc_runbook.changes.add_key.surroundings import find_surroundings, note_other_definition
from omc_runbook.changes.deploy import executor, failure
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.deploy.rollout import State, expected
from omc_runbook.changes.engine.step import Step
from omc_runbook.changes.fix import ownership
from omc_runbook.changes.secret import create
from omc_runbook.changes.secret.create_plan import plan_create
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import LABEL, SecretPlan, kept_note, plan_update, why_not_writable
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.changes.secret.writer import SecretWriter, VersionChange
from omc_runbook.changes.take_back import Undo
from omc_runbook.changes.values import live_check, source_file, sources
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks import remedies
from omc_runbook.masking import kernel, registry
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key, default_keys
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CannotEdit, CannotFollow, ConflictError, CouldNotLook, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.parameters import refuse_secrets, split_names
from omc_runbook.report import add_key, changes
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.runbooks.key_addition import with_earlier_undos
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.discovery import Discovery, FoundService
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory
from omc_runbook.terraform.declared import read_environments
from omc_runbook.textfile.file import Edit, SourceFile


def holding(text: str) -> Snapshot:
    """A healthy environment whose secret's current version is this text."""
    snapshot = healthy()
    assert snapshot.current
    content = Content(snapshot.current.version_id, parse(Masked(text, "the secret")))
    return replace(snapshot, contents={**snapshot.contents, content.version_id: content})


def take(values_from: str, *keys: str) -> dict[str, NewValue]:
    """The new values of some of the guide's keys, for an empty secret."""
    return sources.gather(values_from, keys, default_keys(), ())


def texts(values: dict[str, NewValue]) -> dict[str, str]:
    return {key: reveal(entry.value) for key, entry in values.items()}


def password() -> str:
    # Without a letter in front, it might begin as a provider's key does.
    return f"q{secrets.token_urlsafe(20)}"


def planned(snapshot: Snapshot, *remove: str, **values: str) -> SecretPlan:
    return plan_update(snapshot, {key: NewValue(Masked(text, key), "a test") for key, text in values.items()}, remove)


def actions(plan: SecretPlan) -> dict[str, str]:
    return {change.key: change.action for change in plan.changed}


def test_an_undo_names_the_password_that_the_database_has_to_have_first() -> None:
    """Its role has one at a time; of two roles, the former one keeps its own."""
    snapshot = healthy()
    one, two = {"POSTGRES_PASSWORD": password()}, {"POSTGRES_PASSWORD": password(), "POSTGRES_USER": "app_clone"}
    undos = [changes.undo(snapshot.environment, planned(snapshot, **new), None).to_text() for new in (one, two)]
    has_instruction = [
        "First set the former POSTGRES_PASSWORD in the database" in " ".join(text.split()) for text in undos
    ]
    assert has_instruction == [True, False]


@pytest.mark.parametrize("names", [(), None])
def test_no_change_that_only_services_of_another_cluster_would_need(names: tuple[str, ...] | None) -> None:
    """Whether the configured cluster is gone or only empty: its services have moved, and would keep the old value."""
    snapshot = healthy()
    moved = tuple(FoundService("moved", old, snapshot.definition(old)) for old in snapshot.services)
    discovery = Discovery(environment="staging", services=moved)
    empty = replace(snapshot, services=(), tasks=(), service_names=names, discovery=discovery)
    with pytest.raises(UsageError, match="backend of cluster moved, worker of cluster moved would keep the old value"):
        planned(empty, SMTP_PASSWORD=password())
    assert planned(replace(empty, discovery=None), SMTP_PASSWORD=password()).changed, "whose secret nobody uses yet"


@pytest.mark.parametrize(
    ("cluster", "name", "desired", "more", "way"),
    [
        ("jobs", "backend", 1, {}, "old value: omc-runbook init -p environment staging. Nothing was written."),
        ("jobs", "staging-backend", 1, {}, "old value: omc-runbook init -p environment staging. Nothing was written."),
        ("jobs", "report", 1, {}, "`omc-runbook init -p environment staging`; else add jobs to clusters in"),
        (
            "jobs",
            "report",
            1,
            {"variables": {"cluster": "OMC_CLUSTER"}},
            "correct cluster in OMC_CLUSTER, or unset it",
        ),
        (
            "jobs",
            "backend",
            1,
            {"project": "another"},
            "old value: correct cluster in runbook.toml.",
        ),
        ("jobs", "backend", 0, {}, ""),
        ("ohmycoins-production", "backend", 1, {}, ""),
        ("ohmycoins-prod2", "backend", 1, {}, ""),
        ("beta", "backend", 1, {"others": {"production": NAMES.model_copy(update={"cluster": "beta"})}}, ""),
        ("jobs", "backend", 1, {"names": NAMES.model_copy(update={"clusters": ("jobs",)})}, ""),
        ("jobs", "backend", 1, {"names": NAMES.model_copy(update={"clusters": ("*",)})}, ""),
        ("jobs", "backend", 1, {"names": NAMES.model_copy(update={"clusters": ("tools",)})}, "omc-runbook init"),
    ],
)
def test_the_cluster_is_only_in_doubt_where_services_of_the_environment_are_elsewhere(
    cluster: str, name: str, desired: int, more: dict[str, Any], way: str
) -> None:
    """Another environment's, or one without tasks, keeps no change of an environment without services from it."""
    snapshot = healthy()
    old = snapshot.services[0]
    found = FoundService(cluster, replace(old, name=name, desired=desired, running=0), snapshot.definition(old))
    listed = ListedSecret(name=snapshot.secret_name, arn=snapshot.secret_arn, tags={})
    discovery = Discovery(environment="staging", services=(found,), secrets=(listed,))
    environment = replace(snapshot.environment, **more)
    empty = replace(snapshot, services=(), tasks=(), service_names=(), discovery=discovery, environment=environment)
    if not way:
        assert planned(empty, SMTP_PASSWORD=password()).changed
        return
    with pytest.raises(UsageError) as refused:
        planned(empty, SMTP_PASSWORD=password())
    assert way in str(refused.value)


def test_a_moved_service_that_takes_the_whole_secret_keeps_its_old_value_too() -> None:
    """A cluster that still runs tasks alone is in use, but not where the configured service is elsewhere."""
    snapshot = with_reference(healthy(), "backend", "SECRET_KEY", ARN)
    old = snapshot.services[0]
    definition = snapshot.definition(old)
    assert definition
    [container] = definition.containers
    of_all = [each for each in container.secrets if not each.reference.key]
    whole = replace(definition, containers=(replace(container, secrets=tuple(of_all)),))
    alone = tuple(replace(each, service="") for each in snapshot.tasks)
    empty = replace(snapshot, services=(), service_names=(), tasks=alone)
    for name in ("backend", "report"):
        moved = FoundService("moved", replace(old, name=name), whole)
        found = replace(empty, discovery=Discovery(environment="staging", services=(moved,)))
        if name == "report":
            assert planned(found, SMTP_PASSWORD=password()).changed, "our own cluster has tasks with it"
            continue
        with pytest.raises(UsageError, match="backend of cluster moved would keep the old value"):
            planned(found, SMTP_PASSWORD=password())


def test_no_source_gives_no_value() -> None:
    """Nothing named, nothing given, and a plan of that is empty and keeps every byte."""
    assert take("") == take("keep") == take("keep", "SECRET_KEY") == {}
    snapshot = healthy()
    plan = plan_update(snapshot, {})
    assert snapshot.current and snapshot.current.document
    assert plan.is_empty and plan.text.same_as(snapshot.current.document.value)


def test_json_and_dotenv_give_the_same(tmp_path: Path) -> None:
    """A file of JSON and one of lines, with comments, quotes and `export`, hold the same values."""
    values = {"SMTP_USER": "noreply@ohmycoins.test", "SMTP_PASSWORD": password()}
    (tmp_path / "a.json").write_text(json.dumps(values))
    lines = f'# new\n\nexport SMTP_USER="{values["SMTP_USER"]}"\nSMTP_PASSWORD={values["SMTP_PASSWORD"]}\r\n'
    (tmp_path / "a.env").write_text(lines)
    found = [take(f"file:{tmp_path / name}") for name in ("a.json", "a.env")]
    assert [texts(each) for each in found] == [values, values]
    assert {entry.origin for entry in found[1].values()} == {"file a.env"}
    (tmp_path / "b.env").write_text('SMTP_PASSWORD="one\\nSMTP_USER=two"\nSMTP_USER="three\nfour=4"\n')
    assert texts(take(f"file:{tmp_path / 'b.env'}")) == {
        "SMTP_PASSWORD": "one\nSMTP_USER=two",
        "SMTP_USER": "three\nfour=4",
    }


def test_keys_choose_from_a_source(tmp_path: Path) -> None:
    """Of a source's keys only those named are taken."""
    (tmp_path / "a").write_text(f"SMTP_PASSWORD={password()}\nSMTP_HOST=mail.test\n")
    assert texts(take(f"file:{tmp_path / 'a'}", "SMTP_HOST")) == {"SMTP_HOST": "mail.test"}


def test_a_variable_holds_a_value_or_a_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one key the text is its value; with none it is JSON or lines."""
    value = password()
    monkeypatch.setenv("NEW", value)
    assert texts(take("env:NEW", "SMTP_PASSWORD")) == {"SMTP_PASSWORD": value}
    with pytest.raises(UsageError, match=r"line 1 is neither JSON nor NAME=value\. .* name that key in the parameter"):
        take("env:NEW")
    monkeypatch.setenv("NEW", json.dumps({"SMTP_PASSWORD": value}))
    assert texts(take("env:NEW", "SMTP_PASSWORD")) == texts(take("env:NEW")) == {"SMTP_PASSWORD": value}


def test_an_object_without_keys_is_the_value_of_the_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the credentials of a service account; a document that lacks the key is still a mistake, and so is no key."""
    text = json.dumps({"type": "service_account", "private_key": password()})
    monkeypatch.setenv("NEW", text)
    assert texts(take("env:NEW", "SMTP_PASSWORD")) == {"SMTP_PASSWORD": text}
    with pytest.raises(UsageError, match="neither in the secret nor in the catalogue"):
        take("env:NEW")
    for key in ("SECRET_KEY", "OF_NOBODY"):
        monkeypatch.setenv("NEW", json.dumps({"type": "x", key: password()}))
        with pytest.raises(UsageError, match="env:NEW has no SMTP_PASSWORD"):
            take("env:NEW", "SMTP_PASSWORD")


def test_a_prompt_asks_for_one_key_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key is asked for by name, hidden."""
    answers = {"New value of SMTP_USER: ": "me@ohmycoins.test", "New value of SMTP_PASSWORD: ": password()}
    monkeypatch.setattr(kernel, "allows_input", lambda: True)
    monkeypatch.setattr("getpass.getpass", answers.__getitem__)
    assert [*texts(take("prompt", "SMTP_USER", "SMTP_PASSWORD")).values()] == [*answers.values()]


def test_a_prompt_that_is_left_empty_gives_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key pressed too early empties no key, also of those that may be empty."""
    monkeypatch.setattr(kernel, "allows_input", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "")
    with pytest.raises(UsageError, match="Nothing was typed for SMTP_PASSWORD"):
        take("prompt", "SMTP_PASSWORD")


def test_a_prompt_whose_input_ends_gives_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by Ctrl-D: said in the same sentence."""

    def end(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(kernel, "allows_input", lambda: True)
    monkeypatch.setattr("getpass.getpass", end)
    with pytest.raises(UsageError, match="Nothing was typed for SMTP_PASSWORD"):
        take("prompt", "SMTP_PASSWORD")


def test_generated_values_suit_their_keys() -> None:
    """New each time, accepted by the catalogue, and without characters that break a URL where it goes into one."""
    keys = ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD")
    for _ in range(20):
        values = take("generate", *keys)
        assert actions(plan_update(healthy(), values)) == dict.fromkeys(keys, "changed")
        assert len({*texts(values).values(), *texts(take("generate", *keys)).values()}) == 6
    assert values["SECRET_KEY"].origin == "generated (hex-32)" and values["SECRET_KEY"].value.length == 64


def test_a_source_that_was_fed_a_value_does_not_repeat_it() -> None:
    """Whoever types a value in place of a source's name finds it in no sentence."""
    for text in (value := password(), f"env:{value}"):
        with pytest.raises(UsageError) as error:
            take(text)
        assert value not in str(error.value)


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "prose": (b"the new password is: hunter2hunter2\n", "line 1 is neither JSON nor NAME=value"),
    "yaml": (b"SMTP_HOST=a.test\nSMTP_PASSWORD: hunter2hunter2\n", "line 2 is neither JSON nor NAME=value"),
    "base64": (b"hunter2hunter2hunter2hunter2hunter2hunter2hunter2hunter2==\n", "neither JSON nor NAME=value"),
    "below blank lines": (b"SMTP_HOST=a.test\n\n\n\nhunter2hunter2\n", "line 5 is neither JSON nor NAME=value"),
    "an open quote": (b"SMTP_HOST=a.test\n\nSMTP_PASSWORD='hunter2hunter2\n", "line 3 has a quote that is not closed"),
    "a quote closed by the next": (
        b'SMTP_PASSWORD="hunter2hunter2\nSMTP_HOST="a.test"\n',
        "line 1 has a quote that is not closed: close it",
    ),
    "a key within a value": (
        b"SMTP_PASSWORD='hunter2hunter2\nexport SMTP_USER=hunter2'\n",
        "line 1 has a quote that is not closed: close it",
    ),
    "a key of one word within a value": (
        b'SMTP_PASSWORD="hunter2hunter2\nTOKEN=hunter2"\n',
        "line 1 has a quote that is not closed: close it",
    ),
    "a key like a value": (b"sk-hunter2=\n", "neither JSON nor NAME=value"),
    "cut JSON": (b'{"SMTP_PASSWORD": "hunter2hunter2', "ends in the middle"),
    "wrong JSON": (b'{"SMTP_PASSWORD" "hunter2hunter2"}', "is not JSON"),
    "Python's quotes": (b"{'SMTP_PASSWORD': 'hunter2hunter2'}", "single quotes"),
    "a list": (b'["hunter2hunter2"]', "not an object"),
    "a string": (b'"hunter2hunter2"', "not an object"),
    "empty": (b"", "is empty"),
    "white space": (b" \n\t\n", "is empty"),
    "an object without members": (b"{}", "has no key"),
    "comments alone": (b"# SECRET_KEY=old\n", "has no key"),
    "NUL": (b"SMTP_PASSWORD=hunter2\0hunter2", "NUL byte"),
    "an escaped NUL": (b'{"SMTP_PASSWORD": "hunter2\\u0000hunter2"}', "NUL character"),
    "half a pair": (b'{"SMTP_PASSWORD": "hunter2\\ud800hunter2"}', "a damaged character"),
    "BOM": (b'\xef\xbb\xbf{"SMTP_PASSWORD": "hunter2hunter2"}', "begins with a byte order mark: save it"),
    "BOM before lines": (b"\xef\xbb\xbfSMTP_PASSWORD=hunter2hunter2\n", "begins with a byte order mark: save it"),
    "BOM in the middle": (
        b"SMTP_HOST=a.test\n\xef\xbb\xbfSMTP_PASSWORD=hunter2hunter2\n",
        "line 2 begins with U+FEFF",
    ),
    "UTF-16": ('{"SMTP_PASSWORD": "hunter2hunter2"}'.encode("utf-16"), "NUL byte"),
    "Latin-1": ("SMTP_PASSWORD=hunter2hünter2".encode("latin-1"), "not UTF-8"),
    "1 MB": (b"SMTP_PASSWORD=" + b"hunter2" * 150_000, "more than any secret"),
    "a key twice in JSON": (b'{"SMTP_USER": "a", "SMTP_USER": "hunter2hunter2"}', "SMTP_USER twice"),
    "a key twice in lines": (b"SMTP_USER=a\nSMTP_USER=hunter2hunter2", "SMTP_USER twice"),
    "an unknown key": (b"SMTP_PASWORD=hunter2hunter2", "did you mean SMTP_PASSWORD?"),
    "a number": (b'{"SMTP_PASSWORD": 2}', "is a JSON number, and ECS needs a string"),
    "null": (b'{"SMTP_PASSWORD": null}', "is a JSON null, and ECS needs a string"),
    "a placeholder": (b"SMTP_PASSWORD=please-update-me", "is a placeholder"),
    "the template's default": (b"FIRST_SUPERUSER_PASSWORD=changethis", "is a placeholder"),
    "white space at an end": (b'{"SMTP_PASSWORD": "hunter2hunter2\\n"}', "ends with white space"),
    "a required key emptied": (b"SECRET_KEY=", "is required, and empty"),
    "weak": (b"SECRET_KEY=hunter2", "shorter than 32 characters"),
    "no e-mail": (b"FIRST_SUPERUSER=hunter2hunter2", "not an e-mail address"),
    "no host": (b"SMTP_HOST=hunter2://hunter2", "not a host name"),
    "no URL": (b"SENTRY_DSN=hunter2hunter2", "not a URL"),
    "another prefix": (b"OPENAI_API_KEY=hunter2hunter2hunter2hunter2", "begin with sk-"),
    "breaks a URL": (b"POSTGRES_PASSWORD=hunter2@hunter2", "breaks a URL"),
    "too large": (b"SMTP_PASSWORD=" + b"hunter2" * 10_000, "65,536 are allowed"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_told_in_one_sentence_without_its_text(case: str, tmp_path: Path) -> None:
    """The file or the key is named, and nothing that the file holds."""
    content, reason = BAD_FILES[case]
    path = tmp_path / "new.txt"
    path.write_bytes(content)
    snapshot = healthy()
    with pytest.raises(UsageError) as error:
        plan_update(snapshot, take(f"file:{path}"))
    sentence = str(error.value)
    assert "new.txt" in sentence or case in ("too large", "an unknown key")
    assert reason in sentence and "hunter2" not in sentence and "\n" not in sentence


BAD_REQUESTS: dict[str, tuple[Callable[[], Any], str]] = {
    "no such file": (lambda: take("file:nowhere.json"), "nowhere.json does not exist"),
    "a directory": (lambda: take("file:/"), "is a directory"),
    "a device": (lambda: take("file:/dev/zero"), "is a pipe or a device"),
    "a home of nobody": (lambda: take("file:~nobody-of-that-name/x"), "does not exist"),
    "a value as a key": (lambda: take("generate", "hunter2"), "A key that is not written like SECRET_KEY"),
    "a value to be removed": (lambda: planned(healthy(), "hunter2"), "A key that is not written like SECRET_KEY"),
    "no such source": (lambda: take("vault:x"), "choose prompt, file:PATH, env:NAME, generate or keep."),
    "no path": (lambda: take("file:"), "choose prompt"),
    "no such variable": (lambda: take("env:NOT_SET_ANYWHERE", "SECRET_KEY"), "not set or empty"),
    "keys without a source": (lambda: take("", "SECRET_KEY"), "Set values_from"),
    "a source without keys": (lambda: take("generate"), "name the keys"),
    "not to be generated": (lambda: take("generate", "OPENAI_API_KEY"), "platform.openai.com"),
    "an unknown key": (lambda: take("generate", "SECRT_KEY"), "did you mean SECRET_KEY?"),
    "a key in small letters": (lambda: take("generate", "smtp_host"), "smtp_host is neither in the secret nor in"),
    "blanks between keys": (lambda: take("keep", "SECRET_KEY SMTP_HOST"), "as in SECRET_KEY,SMTP_HOST: write them so."),
    "blanks in what may be a value": (
        lambda: take("keep", "a b"),
        "A key that is not written like SECRET_KEY, and may",
    ),
    "a list of JSON": (lambda: take("keep", '["SECRET_KEY"]'), "as in SECRET_KEY: write them so."),
    "blanks between keys to remove": (lambda: planned(healthy(), "SMTP_HOST;SMTP_USER"), "as in SMTP_HOST,SMTP_USER"),
    "nobody to ask": (lambda: take("prompt", "SECRET_KEY"), "A prompt needs an interactive session"),
    "nobody to ask, and nothing to generate": (
        lambda: take("prompt", "SECRET_KEY", "OPENAI_API_KEY"),
        "session: take SECRET_KEY, OPENAI_API_KEY from file:PATH or env:NAME.",
    ),
    "a new key": (lambda: take("generate", "NEWS_API_KEY"), "Add a new key with add_key, or give it a table"),
    "a key twice": (lambda: split_names("keys", "SECRET_KEY, SMTP_HOST,SECRET_KEY"), "keys names SECRET_KEY twice"),
    "an unknown key removed": (lambda: planned(healthy(), "SENTRY_DNS"), "did you mean SENTRY_DSN?"),
    "set and removed": (lambda: planned(healthy(), "SMTP_HOST", SMTP_HOST="a.test"), "both set and removed"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_told_in_one_sentence(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, why not, and what instead."""
    monkeypatch.setattr(kernel, "allows_input", lambda: False)
    act, reason = BAD_REQUESTS[case]
    with pytest.raises(UsageError) as error:
        act()
    assert reason in str(error.value) and not re.search("\n|hunter2", str(error.value))


def test_a_source_lacks_a_key(tmp_path: Path) -> None:
    """The sentence names what is missing and what there is."""
    path = tmp_path / "a"
    path.write_text("SMTP_HOST=a.test")
    with pytest.raises(UsageError, match="has no SMTP_USER: it has SMTP_HOST"):
        take(f"file:{path}", "SMTP_USER")


def test_lists_are_text_with_commas() -> None:
    """Empty text is an empty list; white space and a trailing comma do not matter."""
    assert split_names("keys", "") == () and split_names("keys", " A, B ,") == ("A", "B")


ODD = '{ "SMTP_PORT" : 1.50e2,\n\t"SMTP_USER":"a\\u00e9\\/",  "UNKNOWN": {"a": [1, null]},\n "SECRET_KEY": "old" }\n'


def test_members_that_are_not_planned_stay_byte_for_byte() -> None:
    """Numbers, escapes, spacing, order and unknown keys are as before; a new key follows the last."""
    value = secrets.token_hex(32)
    plan = planned(holding(ODD), SECRET_KEY=value, SMTP_HOST="mail.test")
    assert reveal(plan.text) == ODD.replace('"old" }', f'"{value}",\n "SMTP_HOST": "mail.test" }}')
    assert actions(plan) == {"SECRET_KEY": "changed", "SMTP_HOST": "added"}


def test_a_whole_document_changes_only_what_differs(tmp_path: Path) -> None:
    """What the secret has already is no change, a number and a placeholder included; one other value is."""
    text = ODD.replace('"old"', '"changethis"')
    path = tmp_path / "whole.json"
    snapshot = holding(text)
    assert snapshot.current and snapshot.current.document
    keys = snapshot.current.document.keys
    path.write_text(json.dumps(json.loads(text)))
    assert plan_update(snapshot, sources.gather(f"file:{path}", (), default_keys(), keys)).is_empty
    path.write_text(json.dumps(json.loads(text) | {"SMTP_USER": "new@ohmycoins.test"}))
    plan = plan_update(snapshot, sources.gather(f"file:{path}", (), default_keys(), keys))
    assert actions(plan) == {"SMTP_USER": "changed"}
    assert reveal(plan.text) == text.replace('"a\\u00e9\\/"', '"new@ohmycoins.test"')


def test_another_number_than_the_secret_has_is_refused(tmp_path: Path) -> None:
    """A number of a file is let pass only where the secret has the very same."""
    path = tmp_path / "a.json"
    path.write_text('{"SMTP_PORT": 151}')
    with pytest.raises(UsageError, match=r"SMTP_PORT from file a\.json is a JSON number"):
        plan_update(holding(ODD), sources.gather(f"file:{path}", (), default_keys(), ("SMTP_PORT",)))


def test_a_number_can_become_a_string() -> None:
    """A number and its text are different values."""
    plan = planned(holding(ODD), SMTP_PORT="150")
    assert reveal(plan.text) == ODD.replace("1.50e2", '"150"')


@pytest.mark.parametrize("blank", [" ", "\N{NO-BREAK SPACE}", "\t"])
def test_a_key_with_a_blank_is_removed_by_the_name_that_a_list_leaves_of_it(blank: str) -> None:
    """The remedy for such a key sets the right one, and removes this one: a parameter's names lose their blanks."""
    snapshot = without_key(healthy(), "SMTP_PASSWORD", f"SMTP_PASSWORD{blank}")
    plan = planned(snapshot, "SMTP_PASSWORD", SMTP_PASSWORD=secrets.token_hex(16))
    assert {(change.key, change.action) for change in plan.changed} == {
        ("SMTP_PASSWORD", "added"),
        (f"SMTP_PASSWORD{blank}", "removed"),
    }


def test_of_two_keys_that_differ_in_a_blank_the_one_that_is_named_is_removed() -> None:
    """Whichever comes first."""
    plan = planned(holding('{" OLD_KEY": "a", "OLD_KEY": "b"}'), "OLD_KEY")
    assert [change.key for change in plan.changed] == ["OLD_KEY"]


@pytest.mark.parametrize("key", ["SMTP_PASSWORD\n", "\ufeffSMTP_PASSWORD", "SMTP\u200b_PASSWORD"])
def test_a_key_with_what_is_not_seen_is_removed_by_the_name_that_its_remedy_prints(key: str) -> None:
    """That has a number for the character, can be pasted, and is not taken for a secret."""
    snapshot = without_key(healthy(), "SMTP_PASSWORD", key)
    remove = remedies.update(snapshot.environment, "SMTP_PASSWORD", key).parameters["remove"]
    assert remove.isprintable() and "‹U+" in remove
    refuse_secrets([("remove", remove)])
    plan = planned(snapshot, remove, SMTP_PASSWORD=secrets.token_hex(16))
    assert (key, "removed") in {(change.key, change.action) for change in plan.changed}


def test_a_value_in_the_place_of_a_key_is_removed_by_the_label_that_is_shown_of_it() -> None:
    """Not where the label is that of two, nor another key by the name in it."""
    values = [secrets.token_hex(16) + "-x" for _ in range(2)]
    snapshot = with_values(healthy(), {**document(healthy()), values[0]: "SECRET_KEY"})
    [change] = planned(snapshot, "‹SECRET_KEY›").changed
    assert (change.key, change.action) == (values[0], "removed")
    with pytest.raises(UsageError) as refused:
        planned(snapshot, "SECRT_KEY")
    assert str(refused.value) == (
        "SECRT_KEY cannot be removed, since it is not in the secret: did you mean SECRET_KEY?"
    )
    both = with_values(snapshot, {**document(healthy()), **dict.fromkeys(values, "SECRET_KEY")})
    with pytest.raises(UsageError, match="it is not in the secret"):
        planned(both, "‹SECRET_KEY›")
    with pytest.raises(UsageError, match="it is not in the secret"):
        planned(healthy(), "‹SECRET_KEY›")


def test_only_what_is_named_is_removed_and_nothing_that_tasks_ask_for() -> None:
    """The key goes and all others stay; one without which new tasks would not start is refused."""
    plan = planned(holding(ODD), "SMTP_PORT")
    (change,) = plan.changed
    assert (change.key, change.action) == ("SMTP_PORT", "removed")
    assert json.loads(reveal(plan.text)).keys() == json.loads(ODD).keys() - {"SMTP_PORT"}
    with pytest.raises(UsageError, match="SECRET_KEY cannot be removed: new tasks of backend, worker would not start"):
        planned(healthy(), "SECRET_KEY")


OWNED = {
    "a service": ({"owning_service": "rds"}, r"managed by the AWS service rds \(OwningService\)"),
    "a partner": ({"partner": "Salesforce"}, r"managed external secret of Salesforce \(Type\)"),
    "a region": ({"primary": Replica("us-east-1", "")}, "is a replica of the secret in us-east-1"),
    "an account": ({"primary": Replica("arn:aws:x", "InSync")}, "is a replica of the secret in arn:aws:x"),
}


@pytest.mark.parametrize("case", OWNED)
def test_a_secret_that_something_else_writes_is_refused(case: str) -> None:
    """Its next value would go over ours, or it is a replica; new tasks without a change are still planned."""
    fields, reason = OWNED[case]
    snapshot = with_secret(healthy(), **fields)
    with pytest.raises(UsageError, match=reason) as error:
        planned(snapshot, SECRET_KEY=secrets.token_hex(32))
    assert "Nothing was written" in str(error.value)
    with pytest.raises(UsageError, match=reason):
        planned(replace(snapshot, services=()), "SECRET_KEY")
    assert plan_update(snapshot, {}, redeploy_stale=True).is_empty
    assert re.search(reason, ownership.why_not_secret(snapshot))
    with pytest.raises(UsageError, match=reason):
        plan_create(with_secret(snapshot, deleted=snapshot.taken))


def test_a_service_of_which_the_proxy_alone_has_a_key_is_redeployed() -> None:
    """Service Connect's proxy reads it when a task starts, as a container does."""
    logging = with_proxy(with_keys(healthy(), SPLUNK_TOKEN=password()), "frontend", "SPLUNK_TOKEN")
    changed = planned(logging, SPLUNK_TOKEN=password())
    assert {service.name for service in changed.consumers} == {"backend", "worker", "frontend"}
    with_stale_task = rotated(logging, NOW - timedelta(hours=1), SPLUNK_TOKEN=password())
    again = plan_update(with_stale_task, {}, redeploy_stale=True)
    assert [service.name for service in again.consumers] == ["frontend"]


@pytest.mark.parametrize("is_newer", [True, False])
def test_a_deployment_that_succeeded_while_it_was_looked_at_is_not_begun_again(is_newer: bool) -> None:
    """The tasks that it replaced were read before; those of one that is older than the values are stale."""
    moved = DEPLOYED + timedelta(hours=1)
    begun = moved + timedelta(minutes=1 if is_newer else -5)
    own = {"deployment_id": "ecs-svc/new"}
    snapshot = rotated(healthy(), moved, SECRET_KEY=secrets.token_hex(32))
    snapshot = with_tasks(snapshot, task("backend", begun, **own))
    snapshot = with_service(snapshot, "backend", deployments=(deployment("backend", begun, id="ecs-svc/new"),))
    plan = plan_update(snapshot, {}, redeploy_stale=True)
    assert ("backend" in [service.name for service in plan.consumers]) is not is_newer
    assert "worker" in [service.name for service in plan.consumers]


def test_a_change_says_what_becomes_of_replicas() -> None:
    """Those that follow, and those that do not; without a change there is no note."""
    replicas = (Replica("us-east-1", "InSync"), Replica("eu-west-1", "InProgress"), Replica("eu-north-1", "Failed"))
    snapshot = replace(with_secret(healthy(), replicas=replicas), services=())
    follow, stay = planned(snapshot, SECRET_KEY=secrets.token_hex(32)).notes
    assert "to us-east-1, eu-west-1: services there need new tasks" in follow
    assert "eu-north-1 (Failed) keeps its former values" in stay
    assert planned(snapshot).notes == ()


def test_a_change_is_refused_while_secrets_manager_rotates() -> None:
    """Its version would take the place of this change's: it is refused, unless that has ended or nothing rotates it."""
    snapshot = healthy()
    assert snapshot.secret
    stages = {**snapshot.secret.stages, "1" * 36: ("AWSPENDING",)}
    drop = rf"--version-stage AWSPENDING --remove-from-version-id {'1' * 36} --region ap-southeast-2`"
    under_way = with_secret(snapshot, stages=stages, rotates=True)
    with pytest.raises(UsageError, match=rf"version 11111111 has AWSPENDING, .* {drop}\. Nothing was written\.$"):
        planned(under_way, SMTP_PASSWORD=password())
    assert "AWSPENDING" in ownership.why_not_secret(under_way) and planned(under_way).is_empty
    assert planned(with_secret(snapshot, stages=stages), SMTP_PASSWORD=password()).changed
    (current,) = (version for version, labels in snapshot.secret.stages.items() if "AWSCURRENT" in labels)
    ended = {**snapshot.secret.stages, current: ("AWSCURRENT", "AWSPENDING")}
    assert planned(with_secret(snapshot, stages=ended, rotates=True), SMTP_PASSWORD=password()).changed


@pytest.mark.parametrize(("desired", "is_refused"), [(1, True), (0, False)])
def test_a_key_that_new_tasks_lack_refuses_a_change(desired: int, is_refused: bool) -> None:
    """Where the change starts some, and does not give the key a value."""
    snapshot = with_service(without_key(healthy(), "SENTRY_DSN"), "backend", desired=desired)
    refused = ("New tasks of backend do not start without SENTRY_DSN",) if is_refused else ()
    blockers = planned(snapshot, SMTP_HOST="mail.ohmycoins.com").blockers
    assert tuple(each.partition(",")[0] for each in blockers) == refused
    assert planned(snapshot, SENTRY_DSN=f"https://{secrets.token_hex(16)}@o1.ingest.sentry.io/1").blockers == ()


def test_keys_that_the_same_services_would_lack_are_one_reason() -> None:
    """And those of other services another: no sentence comes twice."""
    snapshot = with_text(healthy(), "{}", PREVIOUS)
    entries = [
        VersionEntry(version=each, content=snapshot.contents.get(each.id), promoted=True) for each in snapshot.versions
    ]
    both, one = plan_restore(snapshot, VersionHistory(tuple(entries)), PREVIOUS).blockers
    assert both.startswith("New tasks of backend, worker would not start without SECRET_KEY, POSTGRES_PASSWORD, ")
    assert "which they reference: take them out of their task definitions" in both and "SMTP_HOST" in one
    lacking = without_key(without_key(healthy(), "SENTRY_DSN"), "SMTP_HOST")
    (blocker,) = planned(lacking, SMTP_PASSWORD=password()).blockers
    assert "SMTP_HOST" in blocker and "SENTRY_DSN" in blocker and ": give them values with" in blocker


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        (f"::{'a1' * 16}", f"version {'a1' * 16}, which does not exist"),
        (":release:", "the staging label release, which no version has"),
        (f":AWSCURRENT:{CURRENT}", f"version {CURRENT} with the staging label AWSCURRENT, which it does not have then"),
        (f"::{CURRENT}", ""),
        (f"::{PREVIOUS}", ""),
        (":AWSPREVIOUS:", ""),
        (f":AWSPREVIOUS:{CURRENT}", ""),
        (":AWSCURRENT:", ""),
    ],
)
def test_a_reference_to_a_version_that_new_tasks_cannot_read_refuses_a_change(fields: str, fault: str) -> None:
    """Whichever key it changes: the redeployment would fail for certain. A service without tasks is none."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY{fields}")
    blockers = planned(snapshot, SMTP_PASSWORD=password()).blockers
    said = f"New tasks of worker would not start: SECRET_KEY refers to {fault}. Correct the reference first"
    assert blockers == ((f"{said} (troubleshoot).",) if fault else ())
    assert not planned(with_service(snapshot, "worker", desired=0), SMTP_PASSWORD=password()).blockers
    gap = ReadFailure("the versions", "secretsmanager:ListSecretVersionIds", "AccessDeniedException", "denied")
    unread = replace(snapshot, gaps={"versions": (gap,)})
    assert not planned(unread, SMTP_PASSWORD=password()).blockers


def test_references_to_one_version_that_does_not_exist_are_one_reason() -> None:
    """As where a container takes all its variables from a version that Secrets Manager has removed."""
    snapshot, gone, services = healthy(), "a1" * 16, ("backend", "worker")
    for service, key in ((service, key) for service in services for key in ("SECRET_KEY", "OPENAI_API_KEY")):
        snapshot = with_reference(snapshot, service, key, f"{ARN}:{key}::{gone}")
    [blocker] = planned(snapshot, SMTP_PASSWORD=password()).blockers
    assert blocker.startswith(
        "New tasks of backend, worker would not start: SECRET_KEY, OPENAI_API_KEY refer to version"
    )
    assert blocker.endswith(f"{gone}, which does not exist. Correct the references first (troubleshoot).")


def test_a_version_is_named_with_as_much_of_its_id_as_restore_needs() -> None:
    """Ids that a client gave, such as Terraform, may begin alike; a UUID is named by eight characters."""
    plan = planned(healthy(), SMTP_PASSWORD=password())
    assert plan.versions == tuple(each.id for each in healthy().versions)
    assert plan.short(plan.base) == plan.base[:8] and plan.short(plan.token) == plan.token[:8]
    first, second = "terraform-20260301000000000000000001", "terraform-20260402000000000000000001"
    alike = replace(plan, base=first, versions=(second, first))
    assert alike.short(first) == "terraform-202603" and alike.short(second) == "terraform-202604"
    assert "back to version terraform-202603\n" in changes.undo(healthy().environment, alike, None).to_text()
    assert "in version terraform-202604 is kept" in kept_note(alike, [("omc-runbook-12345678", second)])
    stages = {first: ("AWSCURRENT",), second: ("AWSPENDING",)}
    secret = with_secret(healthy(), rotates=True, stages=stages).secret
    assert secret and ": version terraform-202604 has AWSPENDING" in why_not_writable(secret)


def test_a_plan_says_which_values_it_empties() -> None:
    """As a template's line that was not filled in does; other values are not said to be there."""
    plan = planned(healthy(), SMTP_PASSWORD="", SMTP_USER="me@ohmycoins.test")
    filled, emptied, *_ = plan.sentences
    assert emptied == "SMTP_PASSWORD would be changed (a test, an empty value)." and "empty" not in filled
    assert "an empty value" in changes.plan(plan).to_text()


def test_a_plan_says_when_each_key_takes_effect() -> None:
    """The plan warns of signed-out users and of the database; its table has every key and no value."""
    value = secrets.token_hex(32)
    plan = planned(healthy(), SECRET_KEY=value, POSTGRES_PASSWORD=password())
    text = changes.plan(plan).to_text()
    assert "signs everybody out" in text and "in the database too" in text and "backend, worker" in text
    assert value[:8] not in text + repr(plan) and "SENTRY_DSN" in text


def test_the_way_back_is_a_command_that_works_where_it_is_needed() -> None:
    """With the file of names and production's word; by hand as well; and none where there was nothing before."""
    snapshot = healthy()
    plan = planned(snapshot, SECRET_KEY=secrets.token_hex(32))
    production = replace(snapshot.environment, name="production", source="/srv/runbook.toml")
    text = changes.undo(production, plan, None).to_text()
    parameters = f"-p environment production -p runbook_toml /srv/runbook.toml -p version {plan.base}"
    assert f"omc-runbook run restore {parameters} -p apply true -p confirm production" in text
    assert f"--move-to-version-id {plan.base} --remove-from-version-id {plan.token}" in text
    drawn = replace(plan, changes=tuple(replace(each, origin="generated (hex-32)") for each in plan.changes))
    applied = SecretResult(plan=drawn, version_change=VersionChange(plan.base, plan.token, plan.changed))
    by_hand = f"--remove-from-version-id {plan.token}"
    assert by_hand in changes.undo(production, drawn, applied).to_text()
    ahead = changes.undo(production, drawn, None).to_text()
    assert parameters in ahead and by_hand not in ahead, "the run that applies it makes another version"
    first = replace(plan, base="")
    result = SecretResult(plan=first, version_change=VersionChange("", first.token, first.changed))
    assert "omc-runbook" not in changes.undo(production, first, result).to_text()


def test_the_way_back_from_a_change_that_a_second_run_has_finished() -> None:
    """It wrote nothing itself, and goes back to the version before the killed run's."""
    snapshot = healthy()
    killed = planned(snapshot, POSTGRES_PASSWORD=password())
    plan = replace(killed, base=killed.token, token="next", changes=())
    finished = Change(key="POSTGRES_PASSWORD", action="finished", version=killed.token)
    result = SecretResult(
        plan=plan, changes=(finished, Change(service="backend", action="redeployed")), finished=killed
    )
    text = changes.undo(snapshot.environment, plan, result).to_text()
    assert f"--move-to-version-id {killed.base} --remove-from-version-id {killed.token}" in text
    assert "First set the former POSTGRES_PASSWORD in the database" in text
    for other in (replace(result, restored_version=killed.base), replace(result, finished=None)):
        assert "there is nothing to undo" in changes.undo(snapshot.environment, plan, other).to_text()


def test_a_change_that_failed_names_its_causes_alone() -> None:
    """Neither the failure itself nor that somebody wrote since is a cause of it."""
    plan = planned(healthy(), SECRET_KEY=secrets.token_hex(32))
    cause = Finding(check="bare-name", family="reference", title="A reference has no ARN", status="found")
    rollouts = (replace(expected(plan.consumers[0]), state="failed"),)
    failed = failure.Failure(healthy(), rollouts, (cause,), ()).findings("SECRET_KEY", "Left.")
    later = failure.overtaken_version(plan.secret_name, "Somebody else wrote.")
    result = SecretResult(plan=plan, rollouts=rollouts, rollback_note="Left.")
    text = changes.result(plan, replace(result, findings=(*failed, later))).to_text()
    assert "Root cause: A reference has no ARN (bare-name)." in " ".join(text.split())


def test_a_plan_that_changes_nothing_is_no_dry_run() -> None:
    """Where services are not known, or a run was killed, to apply it may do something."""
    plan = planned(healthy())
    acting = (
        planned(healthy(), SECRET_KEY=secrets.token_hex(32)),
        replace(plan, consumers_unknown="Services cannot be read."),
        replace(plan, labels=((f"{LABEL}0123456789abcdef", "a" * 32),)),
    )
    assert {changes.result(each, None).headline for each in acting} == {
        "Nothing was written or redeployed: this was a dry run."
    }
    nothing = "Nothing was written or redeployed: no key would change, and no service needs new tasks."
    assert changes.result(plan, None).headline == nothing


def rolled_back(snapshot: Snapshot, status: str = "ACTIVE") -> Snapshot:
    """A revision of the backend that refers to one key more could not start without it, and ECS rolled it back."""
    back = deployment("backend", rollout_reason="ECS deployment circuit breaker: rolling back to deploymentId x.")
    failing = replace(task_definition("backend", (*KEYS, "NEWRELIC_KEY"), 8), status=status)
    reason = "ResourceInitializationError: retrieved secret from Secrets Manager did not contain json key NEWRELIC_KEY"
    gone = stopped("backend", reason, NOW, task_definition_arn=failing.arn, deployment_id="ecs-svc/8")
    definitions = {**snapshot.task_definitions, failing.arn: failing}
    failed = with_tasks(with_service(snapshot, "backend", deployments=(back,)), gone)
    return replace(failed, task_definitions=definitions)


def done(plan: SecretPlan) -> str:
    """What the screen says of a plan that was applied, all of whose services have new tasks."""
    rollouts = tuple(replace(expected(service), state="done") for service in plan.consumers)
    change = VersionChange(plan.base, plan.token, plan.changed)
    return " ".join(
        changes.result(plan, SecretResult(plan=plan, version_change=change, rollouts=rollouts)).to_text().split()
    )


def written(snapshot: Snapshot, *keys: str) -> SecretPlan:
    """The plan of new values for keys, some of which nobody has listed."""
    values = {key: NewValue(Masked(secrets.token_hex(32), key), "a file") for key in keys}
    return plan_update(snapshot, values)


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE"])
def test_a_revision_that_waited_for_a_key_is_left_to_deploy(status: str) -> None:
    """A change starts tasks of the revision in force, which does not refer to the key: the result says so."""
    plan = written(rolled_back(healthy(), status), "NEWRELIC_KEY")
    text = done(plan)
    assert "new tasks of backend, worker run, and no revision in force refers to NEWRELIC_KEY." in text
    left = "ECS rolled ohmycoins-staging-backend:8 of backend back, and this does not deploy it"
    assert left in text and left in " ".join(plan.sentences)
    assert "--task-definition ohmycoins-staging-backend:8 --force-new-deployment" in text
    assert ("register it again" in text) == (status == "INACTIVE")


def test_only_what_waited_for_a_changed_key_is_left_to_deploy() -> None:
    """Another key is in force there, and so are its new values."""
    plan = written(rolled_back(healthy()), "SECRET_KEY")
    assert not plan.deployments_by_hand and "worker have it." in done(plan)
    both = written(rolled_back(healthy()), "SECRET_KEY", "NEWRELIC_KEY")
    assert both.deployments_by_hand and "have the rest, and no revision in force refers to NEWRELIC_KEY." in done(both)


def test_new_tasks_are_not_said_to_have_a_key_that_none_refers_to() -> None:
    """Where a revision takes the whole secret, or was not read, nobody knows that they lack it."""
    assert "have the rest, and no" in done(written(healthy(), "NEWRELIC_KEY", "SECRET_KEY"))
    spare = with_keys(healthy(), SPARE=secrets.token_hex(8))
    values = {"NEWRELIC_KEY": NewValue(Masked(secrets.token_hex(32), "NEWRELIC_KEY"), "a file")}
    assert "worker run, and no" in done(plan_update(spare, values, remove=["SPARE"]))
    whole = with_reference(healthy(), "worker", "SECRET_KEY", ARN)
    gap = ReadFailure("task definition", "ecs:DescribeTaskDefinition", "AccessDeniedException", "denied")
    fields = ("services", "task_definitions", "tasks", "other_clusters", "scheduled")
    unread = [replace(healthy(), gaps={field: (gap,)}) for field in fields]
    for snapshot in (whole, *unread):
        assert "have it." in done(written(snapshot, "NEWRELIC_KEY"))


def test_the_same_plan_has_the_same_token_and_no_other_has() -> None:
    """A second try has the same token; another value or another version has another one."""
    snapshot, value = healthy(), secrets.token_hex(32)
    token = planned(snapshot, SECRET_KEY=value).token
    assert token == planned(snapshot, SECRET_KEY=value).token
    assert token != planned(snapshot, SECRET_KEY=secrets.token_hex(32)).token
    assert snapshot.secret
    stages = {secrets.token_hex(16): ("AWSCURRENT",)}
    content = {version: replace(snapshot.current, version_id=version) for version in stages if snapshot.current}
    moved = replace(snapshot, secret=replace(snapshot.secret, stages=stages), contents=content)
    assert token != planned(moved, SECRET_KEY=value).token


def test_there_has_to_be_a_version_to_build_on() -> None:
    """Without a secret, and with one that is no JSON, nothing can be planned; what shows why looks at production."""
    own = replace(healthy(), environment=replace(healthy().environment, name="production"))
    run = "un `omc-runbook run {} -p environment production`"
    gone, unread = replace(own, secret=None), replace(own, contents={})
    verify = run.format("verify")
    ways = (f"it does not exist. R{verify} for what to do.", f"r{verify} for the reason.")
    for snapshot, way in zip((gone, unread), ways, strict=True):
        with pytest.raises(CouldNotLook, match=re.escape(f"has no readable current version: {way}")):
            planned(snapshot, SMTP_HOST="a.test")
    with pytest.raises(CouldNotLook, match=re.escape(f"go back from: it does not exist. R{verify} for what to do.")):
        plan_restore(gone, VersionHistory(()))
    deleted = replace(with_secret(own, deleted=NOW), contents={})
    for plan in (lambda: planned(deleted, SMTP_HOST="a.test"), lambda: plan_restore(deleted, VersionHistory(()))):
        troubleshoot = re.escape(run.format("troubleshoot"))
        with pytest.raises(CouldNotLook, match=rf": it is scheduled for deletion\. R{troubleshoot}, which can cancel"):
            plan()


def test_a_plan_names_the_variable_that_has_a_value_tried() -> None:
    """It is where to turn that off."""
    snapshot = healthy()
    key = snapshot.environment.keys["OPENAI_API_KEY"].model_copy(update={"check": "https://a.test/"})
    keys = {**snapshot.environment.keys, "OPENAI_API_KEY": key}
    own = replace(snapshot.environment, keys=keys, variables={"keys.OPENAI_API_KEY.check": "OMC_KEYS"})
    plan = planned(replace(snapshot, environment=own), OPENAI_API_KEY=f"sk-{secrets.token_hex(24)}")
    [sentence] = live_check.destinations(plan, own)
    assert "check in [keys.OPENAI_API_KEY] of OMC_KEYS says so" in sentence


def test_a_plan_says_which_values_leave_this_machine_and_when() -> None:
    """A restored value is tried once it is in force, the one before it never, and a new key has none before it."""
    address = "https://a.test/"
    snapshot = with_keys(with_keys(healthy(), PREVIOUS, OPENAI_API_KEY="sk-b"), OPENAI_API_KEY="sk-a")
    keys = {**snapshot.environment.keys, "NEW": Key(check=address)}
    keys["OPENAI_API_KEY"] = keys["OPENAI_API_KEY"].model_copy(update={"check": address})
    snapshot = replace(snapshot, environment=replace(snapshot.environment, keys=keys))
    entries = [
        VersionEntry(version=each, content=snapshot.contents.get(each.id), promoted=True) for each in snapshot.versions
    ]
    new = planned(snapshot, OPENAI_API_KEY=f"sk-{secrets.token_hex(24)}", NEW=secrets.token_hex(24))
    restored = plan_restore(snapshot, VersionHistory(tuple(reversed(entries))), PREVIOUS)
    changed, added = live_check.destinations(new, snapshot.environment)
    assert "which gets the new value before it is written and then the former one: check in" in changed
    assert "which gets the new value before it is written: check in" in added
    (sentence,) = live_check.destinations(restored, snapshot.environment)
    assert "which gets the restored value once that is current: check in" in sentence


def test_a_restore_warns_of_the_values_that_it_brings_back() -> None:
    """Not of those that are in force already."""
    snapshot = with_keys(healthy(), OPENAI_API_KEY="changethis")
    restored = with_keys(snapshot, PREVIOUS, SMTP_PASSWORD="changethis")
    entries = [
        VersionEntry(version=each, content=restored.contents.get(each.id), promoted=True) for each in restored.versions
    ]
    notes = plan_restore(restored, VersionHistory(tuple(reversed(entries))), "AWSPREVIOUS").notes
    (note,) = (each for each in notes if "placeholder" in each)
    assert note.startswith("SMTP_PASSWORD of version ") and " UTC " in note, notes


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    """Mode 644 is, mode 600 is not, and a file that is not there is nobody's business."""
    path = tmp_path / "new.env"
    assert source_file.precautions(f"file:{path}") == ()
    path.touch()
    path.chmod(0o644)
    assert "can be read by others" in source_file.precautions(f"file:{path}")[0]
    path.chmod(0o600)
    assert source_file.precautions(f"file:{path}") == () == source_file.precautions("generate")


def test_a_file_in_a_git_work_tree_is_warned_of_unless_ignored(tmp_path: Path) -> None:
    """One `git add .` would take it along, from a folder further down too."""
    folder = tmp_path / "work" / "down"
    folder.mkdir(parents=True)
    path = folder / "new.env"
    path.touch(0o600)
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    (warning,) = source_file.precautions(f"file:{path}")
    assert "git work tree" in warning
    (tmp_path / "work" / ".gitignore").write_text("*.env\n")
    assert source_file.precautions(f"file:{path}") == ()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8"])
def test_no_traceback_shows_a_source_file_that_cannot_be_read(tmp_path: Path, encoding: str) -> None:
    """Its values are not known yet, so that no mask would hide them among the variables of a frame."""
    path, value = tmp_path / "new.env", secrets.token_hex(12)
    path.write_text(f"SMTP_HOST=grün\nOTHER={value}\n{value} is no line\n", encoding)
    with pytest.raises(UsageError) as caught:
        source_file.read_file(path)
    # This test's own frame has the value.
    frames = traceback.TracebackException(UsageError, caught.value, caught.tb.tb_next, capture_locals=True)
    assert "in read" in (output := "".join(frames.format())) and value[:6] not in output.replace("\\x00", "")
    assert caught.value.__context__ is None


def test_no_traceback_shows_a_variable_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was set in another encoding."""
    value = secrets.token_hex(12)
    monkeypatch.setitem(os.environ, "NEW", f"gr\udcfcn{value}")
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        sources.take("env:NEW", ("SMTP_PASSWORD",), {})
    frames = traceback.TracebackException(UsageError, caught.value, caught.tb.tb_next, capture_locals=True)
    assert "in take" in (output := "".join(frames.format())) and value[:6] not in output


def test_names_of_a_source_file_are_no_part_of_its_values() -> None:
    """The end of a value and the next line's name stand in many texts, which are kept; values are masked as written."""
    value, quoted = f"{secrets.token_hex(24)}b", f'x"{secrets.token_hex(12)}'
    lines = f"POSTGRES_PASSWORD={value}\nexport DATABASE_URL='{quoted}'\n# SMTP_PASSWORD=former{value[::-1]}\n"
    read = source_file.read(lines.encode(), "file new.env", "new.env")
    assert {key: reveal(new.value) for key, new in read.items()} == {"POSTGRES_PASSWORD": value, "DATABASE_URL": quoted}
    joined = "rotate.ipynb\nDATABASE_URL, b\nexport DATABASE_URL"
    assert registry.mask_thoroughly(joined) == joined
    output = registry.mask_thoroughly(repr(lines) + lines)
    assert not any(part in output for part in (value, quoted, value[::-1])) and "PASSWORD=‹POSTGRES_PASS" in output


def test_a_source_file_is_removed_or_kept_and_a_link_goes_with_its_file(tmp_path: Path) -> None:
    """Each time a sentence says so; other sources have no file."""
    path, link, text = tmp_path / "a", tmp_path / "link", Masked('{"SMTP_PORT": 587}', "the secret")
    path.write_text("SMTP_PORT=587\n")
    link.symlink_to(path)
    assert "was kept, as you asked" in source_file.consume(f"file:{link}", text, keep=True) and path.exists()
    assert "was removed" in source_file.consume(f"file:{link}", text)
    assert not os.path.lexists(link) and not path.exists()
    assert source_file.consume("generate", text) == "" == source_file.consume(f"file:{path}", text)


def test_a_source_file_with_a_value_that_was_not_written_is_kept(tmp_path: Path) -> None:
    """Keys that the secret has otherwise or not at all are named; and a file that was changed meanwhile stays."""
    path, value = tmp_path / "a.json", password()
    path.write_text(json.dumps({"SMTP_PASSWORD": value, "SMTP_USER": "new@a.test", "SENTRY_DSN": "https://a.test"}))
    text = Masked(json.dumps({"SMTP_PASSWORD": value, "SMTP_USER": "old@a.test"}), "the secret")
    note = source_file.consume(f"file:{path}", text)
    assert "was kept" in note and "SMTP_USER, SENTRY_DSN." in note and "SMTP_PASSWORD" not in note and path.exists()
    path.write_text(json.dumps({"SMTP_PASSWORD": value})[:-1])
    assert "was kept" in source_file.consume(f"file:{path}", text) and path.exists()


def test_two_values_that_would_change_places_are_refused() -> None:
    """A file with two lines exchanged is refused, though each value is well-formed."""
    found = document(healthy())
    swapped = {"SMTP_PASSWORD": found["SECRET_KEY"], "SECRET_KEY": found["SMTP_PASSWORD"]}
    entries = {key: NewValue(Masked(text, key), "file:new.json") for key, text in swapped.items()}
    with pytest.raises(UsageError, match=r"SECRET_KEY and SMTP_PASSWORD would have each other's value"):
        plan_update(with_values(healthy(), found), entries)


def test_a_password_is_not_changed_without_the_address_that_has_it() -> None:
    """DATABASE_URL would keep the former password: both change together, or none."""
    found = {**document(healthy()), "POSTGRES_PASSWORD": secrets.token_hex(16)}
    found["DATABASE_URL"] = f"postgresql://app:{found['POSTGRES_PASSWORD']}@db:5432/app"
    new = secrets.token_hex(16)
    password = NewValue(Masked(new, "POSTGRES_PASSWORD"), "prompt")
    address = NewValue(Masked(f"postgresql://app:{new}@db:5432/app", "DATABASE_URL"), "prompt")
    with pytest.raises(UsageError, match="The password in DATABASE_URL would not be the value of POSTGRES_PASSWORD"):
        plan_update(with_values(healthy(), found), {"POSTGRES_PASSWORD": password})
    plan = plan_update(with_values(healthy(), found), {"POSTGRES_PASSWORD": password, "DATABASE_URL": address})
    assert [change.key for change in plan.changed] == ["POSTGRES_PASSWORD", "DATABASE_URL"]
    # What has differed before does not keep another key from a new value.
    differing = with_values(healthy(), {**found, "POSTGRES_PASSWORD": secrets.token_hex(16)})
    plan = plan_update(differing, {"SMTP_PASSWORD": NewValue(Masked(new, "SMTP_PASSWORD"), "prompt")})
    assert [change.key for change in plan.changed] == ["SMTP_PASSWORD"]


@pytest.mark.parametrize("kind", ["a file", "a link inside", "a link outside", "a linked folder"])
def test_a_new_keys_plan_names_the_file_behind_a_link(kind: str, tmp_path: Path) -> None:
    """Nobody expects that a file outside of the checkout is written."""
    root = tmp_path / "app"
    (root / "conf").mkdir(parents=True)
    target = (root if kind == "a link inside" else tmp_path) / "other.py"
    target.write_text("A = 1\n")
    path = root / "conf/config.py"
    if kind == "a file":
        path.write_text("A = 1\n")
    elif kind == "a linked folder":
        path.parent.rmdir()
        path.parent.symlink_to(tmp_path)
        path = target = tmp_path / "config.py"
        path.write_text("A = 1\n")
    else:
        path.symlink_to(target)
    edit = SourceFile(root / "conf/config.py", "conf/config.py", b"A = 1\n").with_text("A = 1\nB = 2\n", "B")
    plan = AddKeyPlan(NewKey("NEW_KEY", "", "", False, "str", ()), root, (edit,), ())
    end = "" if kind == "a link inside" else ", outside of the checkout"
    sentence = f"conf/config.py is a link: the file that is read and written is {target}{end}."
    assert plan.elsewhere == (() if kind == "a file" else (sentence,))
    assert set(plan.elsewhere) <= set(plan.sentences)
    (files,) = (entry for entry in add_key.steps(plan).entries if entry.name == "the files")
    assert files.lines == plan.elsewhere


@pytest.mark.parametrize(("mode", "end"), [(0o640, "chmod 640"), (0o600, "chmod 600"), (0o644, ""), (0o755, "")])
def test_the_printed_undo_of_a_new_key_keeps_a_files_mode(mode: int, end: str, tmp_path: Path) -> None:
    """Git writes a file anew, and keeps of its mode only whether it is executable."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    path, patch = tmp_path / "config.py", tmp_path / "config.patch"
    edit = SourceFile(path, "config.py", b"A = 1\n").with_text("A = 1\nB = 2\n", "B")
    path.write_bytes(edit.after)
    path.chmod(mode)
    patch.write_text(edit.patch(tmp_path))
    plan = AddKeyPlan(NewKey("NEW_KEY", "", "", False, "str", ()), tmp_path, (edit,), ())
    result = AddKeyResult(
        changes=(Change(action="edited", file="config.py"),), plan=plan, environments=(), patches=(patch,)
    )
    (entry,) = add_key.undo(plan, result, healthy().environment).entries
    assert entry.command.endswith(f" && {end} {path}" if end else f" {patch}")
    subprocess.run(["sh", "-c", f"umask 022; {entry.command}"], check=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"A = 1\n", mode)


@pytest.mark.parametrize("is_same", [True, False])
def test_the_undo_of_a_killed_run_is_told_where_nothing_was_left_to_do(is_same: bool, tmp_path: Path) -> None:
    """A run that finds all done has changed nothing, and nobody else tells how what the killed one did is undone."""
    environment = healthy().environment
    patch = Undo(kind="patch", subject="config.py", former=str(tmp_path), new=str(tmp_path / "a.patch"))
    undo = (
        Undo(kind="revision", subject="backend", former="task-definition/backend:3", environment="staging"),
        patch if is_same else replace(patch, former="/another"),
        Undo(kind="version", subject=environment.names.secret, former="1" * 32, new="2" * 32, environment="staging"),
    )
    state = ChangeState(
        runbook="add_key",
        environment="staging",
        account="1",
        region="r",
        endpoint="",
        started=DEPLOYED,
        undo=undo,
        parameters={"key": "NEW_KEY"},
    )
    part = EnvironmentPlan("staging", "a value", None, DEPLOYED)
    plan = AddKeyPlan(NewKey("NEW_KEY", "", "", False, "str", ()), tmp_path, (), (part,))
    listing = add_key.undo(with_earlier_undos(plan, [state]), None, environment)
    if is_same:
        reference, files, key = listing.entries
        assert "backend:3" in reference.command and files.command.endswith(f" {tmp_path}/a.patch")
        assert "remove NEW_KEY" in key.command and not key.lead
    else:
        assert not listing.entries
    is_left = replace(plan, environments=(replace(part, has_old_tasks=True),))
    assert with_earlier_undos(is_left, [state]) == is_left


@pytest.mark.parametrize(
    ("type", "accepted", "refused"),
    [
        ("list[str]", ('["one", "two"]', " [ ]\n", "[1]"), ("one,two", "[one, two]", '{"one": 1}', '["one"] x', "")),
        ("typing.List[int] | None", ("[1, 2]",), ("1,2", "{}")),
        ("dict[str, str]", ('{"one": "two"}', "{}"), ("one=two", "{one: two}", '["one"]', '{"one": 1} x')),
        ("bool", ("true", "FALSE", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0"), ("2", "true x", "")),
        ("int", (" 1", "-2", "+3.0 "), ("1.5", "1e3", "1 x")),
        ("float", ("1", "-2.5", ".5", "1e3", " +1.E-3 "), ("one", ".", "1 x")),
        ("HttpUrl", ("https://one.test", "HTTP://one.test"), ("postgres://one.test", "one.test")),
        ("HttpUrl | str", ("one.test",), ()),
        ("list[str] | str", ("one,two",), ()),
        ("Annotated[list[str], NoDecode]", ("one,two",), ()),
    ],
)
def test_a_value_that_the_type_of_a_new_key_refuses(
    type: str, accepted: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    """The image in force has no such field, so that only the next one would not start with it."""
    key = NewKey("NEW_KEY", "", "", False, type, ())
    assert [each for each in (*accepted, *refused) if key.takes(Masked(each, "NEW_KEY"), True)] == [*accepted]
    assert "list" not in type or key.takes(Masked("one,two", "NEW_KEY"))


@pytest.mark.parametrize(
    ("type", "form"),
    [
        ("int", "number"),
        ("HttpUrl | None", "url"),
        ("AnyUrl | EmailStr", "text"),
        ("str", "text"),
        ("list[str]", "text"),
    ],
)
def test_a_new_keys_type_says_what_form_its_values_have(type: str, form: str) -> None:
    """Where all its alternatives say the same."""
    assert NewKey("NEW_KEY", "", "", False, type, ()).entry({}).form == form


@pytest.mark.parametrize(
    ("type", "of_required", "of_optional"),
    [("str", True, True), ("EmailStr", True, False), ("EmailStr | str", True, True), ("int", False, False)],
)
def test_an_optional_address_takes_no_empty_text(type: str, of_required: bool, of_optional: bool) -> None:
    """A placeholder for it is empty, with which Settings would not start."""
    keys = [NewKey("NEW_KEY", "", "", required, type, ()) for required in (True, False)]
    assert [key.is_text for key in keys] == [of_required, of_optional]


@pytest.mark.parametrize("exists", [False, True])
def test_a_refused_restore_names_no_parameter_that_it_lacks(exists: bool) -> None:
    """rotate can write values whose tasks would fail, and makes no version of before current."""
    plan = replace(plan_update(healthy(), {}), blockers=("New tasks would not start.",), exists=exists)
    context: Any = None
    with pytest.raises(UsageError, match=r"taken back\..* Nothing was written") as error:
        executor.apply(context, plan)
    assert ("on_failure" in str(error.value)) is not exists


def test_a_document_that_is_none_is_replaced_by_all_required_keys() -> None:
    """Without one of them tasks would fail; what is optional may be left out."""
    broken, keys = with_text(healthy(), "{'SECRET_KEY'"), healthy().environment.keys
    values = {name: text for name, text in document(healthy()).items() if keys[name].required}
    assert set(values) < set(keys)
    assert "all of it is replaced" in " ".join(planned(broken, **values).notes)
    del values["SECRET_KEY"]
    with pytest.raises(UsageError, match="SECRET_KEY would be missing"):
        planned(broken, **values)


def test_what_is_rolled_back_is_what_had_a_version_before_it() -> None:
    """The plan itself; a first version, and a run that writes nothing and finishes nothing, have none."""
    plan, new = planned(healthy(), SECRET_KEY=secrets.token_hex(32)), NewValues({})
    assert executor.replaced_plan(plan, new) == plan
    assert executor.replaced_plan(replace(plan, base=""), new) is None
    assert executor.replaced_plan(planned(healthy()), new) is None


def test_a_failed_change_that_was_overtaken_keeps_what_it_says_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """One service failed, another one's end was not seen, and then somebody else wrote."""
    plan, released = planned(healthy(), SECRET_KEY=secrets.token_hex(32)), list[bool]()
    plan = replace(plan, labels=((f"{LABEL}11111111", "1" * 32),))

    class Writer(SecretWriter):
        version_change = None

        def steps(self, undo: tuple[Step, ...] = ()) -> tuple[Step, ...]:
            self.version_change = VersionChange(plan.base, plan.token, plan.changed)
            return ()

        def prove(self, moved: bool = True) -> None:
            raise ConflictError("Somebody else wrote.")

        def release(self, has_failed: bool = False) -> Step:
            return Step(name="", apply=lambda: released.append(has_failed))

    ends: tuple[State, ...] = ("failed", "unknown")
    rollouts = tuple(replace(expected(each), state=end) for each, end in zip(plan.consumers, ends, strict=True))
    redeployment = SimpleNamespace(rollouts=rollouts, failed=True, steps=lambda advice: (), look=healthy)
    monkeypatch.setattr(executor, "SecretWriter", Writer)
    monkeypatch.setattr(executor, "Redeployment", lambda *_, **options: redeployment)
    monkeypatch.setattr(failure, "explain", lambda *_: failure.Failure(healthy(), rollouts, (), ()))
    context: Any = SimpleNamespace(clients=str, tell=str, announce=str, look=healthy)
    note = executor.apply(context, plan, leave=True).rollback_note
    assert "in version 11111111 is kept" in note and f"or restore version {plan.base[:8]}." in note
    assert released == [True]


SETTINGS = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    SECRET_KEY: str\n"


def test_a_key_is_not_added_to_a_list_that_makes_the_secrets_value_too(tmp_path: Path) -> None:
    """The next apply would overwrite the secret; where somebody adds it to the list, the rest is done."""
    terraform = (
        'locals {\n  keys = ["SECRET_KEY"]\n}\n'
        'resource "aws_secretsmanager_secret_version" "app" {\n'
        '  secret_string = jsonencode({ for key in local.keys : key => "to be set" })\n}\n'
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        ' [for key in local.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, containers = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"staging": ("api",)}

    def edited() -> list[str]:
        planned = KeyEdits(read_checkout(tmp_path), key, (), ("SECRET_KEY",)).plan(containers)
        return [edit.file.name for edit in planned]

    with pytest.raises(CannotEdit, match=r"makes the value of aws_secretsmanager_secret_version\.app, so the next"):
        edited()
    (tmp_path / "main.tf").write_text(terraform.replace('"SECRET_KEY"', '"SECRET_KEY", "NEWS_API_KEY"'))
    assert edited() == ["config.py", ".env.example"]
    ignored = terraform.replace('"to be set" })\n', '"to be set" })\n  lifecycle {\n    ignore_changes = all\n  }\n')
    (tmp_path / "main.tf").write_text(ignored)
    assert edited() == ["config.py", ".env.example", "main.tf"]


@pytest.mark.parametrize(
    "files",
    [
        ("prod-eu", "prod-us"),
        ("prod", "prod-eu"),
        ("eu/prod", "us/prod"),
        ("eu-prod", "us-prod"),
        ("prod", "eu-prod"),
        ("prod1", "prod2"),
        ("prod-1", "prod-2"),
    ],
)
def test_a_key_is_not_added_to_values_that_may_be_another_environments(files: tuple[str, str], tmp_path: Path) -> None:
    """A person knows which file is the environment's, and the rest is done once it has the key."""
    terraform = (
        'variable "keys" {\n  default = []\n}\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = jsonencode([{ name = "api", secrets ='
        ' [for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
    )
    values = {f"{files[0]}.tfvars": 'region = "us"\n', f"{files[1]}.tfvars": 'keys = ["SECRET_KEY"]\n'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform} | values)
    key, containers = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": ("api",)}
    with pytest.raises(CannotFollow, match=rf"{files[1]}\.tfvars: that may be another environment's than production"):
        KeyEdits(read_checkout(tmp_path), key, (), ("SECRET_KEY",)).plan_with_notes(containers)
    (tmp_path / f"{files[1]}.tfvars").write_text('keys = ["SECRET_KEY", "NEWS_API_KEY"]\n')
    planned = KeyEdits(read_checkout(tmp_path), key, (), ("SECRET_KEY",)).plan(containers)
    assert [edit.file.name for edit in planned] == ["config.py", ".env.example"]


@pytest.mark.parametrize("keys", ['"SECRET_KEY"', '"SECRET_KEY", "NEWS_API_KEY"', ""])
def test_a_refusal_names_the_values_of_another_environment_that_alone_are_there(keys: str, tmp_path: Path) -> None:
    """Its loop is followed where the environment's own file gives it a list; other values are none of its reasons."""
    terraform = (
        'variable "keys" {}\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = jsonencode([{ name = "api", secrets ='
        ' [for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
    )
    values = {"staging.tfvars": 'region = "eu"\n', "qa.tfvars": f"keys = [{keys}]\n" if keys else 'region = "us"\n'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform} | values)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",))
    reason = r"added to qa\.tfvars: that may be .* file of production's values\." if keys else "are a for expression"
    with pytest.raises(CannotFollow, match=reason) as refusal:
        edits.plan_with_notes({"production": ("api",)})
    assert ("Its name, or its folder's, has to say so, as production.tfvars does." in str(refusal.value)) == bool(keys)


@pytest.mark.parametrize(
    ("environment", "files", "is_left"),
    [
        ("staging", "nonprod prod", True),
        ("qa", "non-prod", True),
        ("staging", "nonprod staging", False),
        ("production", "nonprod", False),
        ("staging", "qa", False),
    ],
)
def test_a_key_that_somebody_added_to_nonprod_s_values_counts(
    environment: str, files: str, is_left: bool, tmp_path: Path
) -> None:
    """They may be those of each environment but production that has no file of its own, so a second run is through."""
    terraform = (
        'variable "keys" {}\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = jsonencode([{ name = "api", secrets ='
        ' [for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
    )
    first, *others = files.split()
    values = {f"{first}.tfvars": 'keys = ["SECRET_KEY", "NEWS_API_KEY"]\n'}
    values |= {f"{each}.tfvars": 'keys = ["SECRET_KEY"]\n' for each in others}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform} | values)
    key, names = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production", environment)
    try:
        planned, notes = KeyEdits(read_checkout(tmp_path), key, names).plan_with_notes({environment: ("api",)})
    except CannotFollow:
        assert not is_left
    else:
        assert planned[-1].file.name == (".env.example" if is_left else "staging.tfvars") and not notes


@pytest.mark.parametrize(
    ("folders", "environment", "edited"),
    [
        ("dev", "production", ""),
        ("staging", "production", ""),
        ("qa dev", "production", ""),
        ("dev acc staging", "production", ""),
        ("prod-eu prod-us", "production", ""),
        ("prod-eu", "staging", ""),
        ("dev prod", "production", "prod"),
        ("dev infra", "production", "infra"),
        ("demo-shop", "production", "demo-shop"),
        ("prod-eu staging", "production", "prod-eu"),
        ("live", "staging", "live"),
        ("prod_eu prod_us", "prod-eu", "prod_eu"),
        ("dev", "dev", "dev"),
    ],
)
@pytest.mark.parametrize("has_values", [True, False], ids=["in its values", "in its code"])
def test_a_key_is_added_to_no_folder_of_another_environment(
    folders: str, environment: str, edited: str, has_values: bool, tmp_path: Path
) -> None:
    """Whether runbook.toml knows it or not; a folder that is not called as an environment is serves all."""
    one = '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }'
    loop = 'for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }'
    terraform = (
        'variable "keys" {}\nresource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode('
        f'[{{ name = "api", secrets = [{loop if has_values else one}] }}])\n}}\n'
    )
    files = {f"envs/{each}/main.tf": terraform for each in folders.split()}
    if has_values:
        files |= {f"envs/{each}/terraform.tfvars": 'keys = ["SECRET_KEY"]\n' for each in folders.split()}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",))
    if edited:
        own = "terraform.tfvars" if has_values else "main.tf"
        planned = edits.plan({environment: ("api",)})
        assert [edit.file.name for edit in planned[2:]] == [f"envs/{edited}/{own}"]
    else:
        whose = f"the file of {environment}'s values" if has_values else f"{environment}'s Terraform"
        why = None if " " in folders else f"another environment's than {environment}. Add it yourself to {whose}."
        with pytest.raises(CannotFollow, match=why):
            edits.plan_with_notes({environment: ("api",)})


@pytest.mark.parametrize(
    ("environment", "regions", "edited"),
    [
        ("production", "prod-eu", ""),
        ("prod", "prod-eu", ""),
        ("prod-eu", "prod-eu", "prod-eu"),
        ("production", "prod-eu>modules/app prod-us>modules/app", ""),
        ("production", "prod>modules/app prod-eu>modules/app", "modules/app"),
    ],
)
def test_a_key_is_not_added_to_a_region_beside_the_environment_s_folder(
    environment: str, regions: str, edited: str, tmp_path: Path
) -> None:
    """Where prod/ has no task definition, that of prod-eu/ may still be another environment's, as of all regions."""
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets = ['
        '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] }])\n}\n'
    )
    files = {"prod/main.tf": 'resource "aws_vpc" "main" {}\n'}
    for folder, _, module in (each.partition(">") for each in regions.split()):
        call = {f"{folder}/main.tf": f'module "app" {{\n  source = "../{module}"\n}}\n'} if module else {}
        files |= call | {f"{module or folder}/main.tf": terraform}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"))
    if edited:
        assert [edit.file.name for edit in edits.plan({environment: ("api",)})][-1] == f"{edited}/main.tf"
    else:
        with pytest.raises(CannotFollow, match=f"another environment's than {environment}"):
            edits.plan_with_notes({environment: ("api",)})


def test_a_reference_by_hand_counts_where_the_name_of_a_container_is_an_expression(tmp_path: Path) -> None:
    """A for_each gives it, for which no file has a value; the refusal says where another key of the secret is."""
    one = '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }'
    terraform = (
        'variable "services" {}\nresource "aws_ecs_task_definition" "all" {\n  for_each = var.services\n'
        f"  container_definitions = jsonencode([{{ name = each.key, secrets = [\n{one}\n] }}])\n}}\n"
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())

    def planned() -> tuple[list[str], tuple[str, ...]]:
        edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("OTHER", "SECRET_KEY"))
        files, notes = edits.plan_with_notes({"staging": ("api",)})
        return [edit.file.name for edit in files], notes

    with pytest.raises(
        CannotFollow, match=r"yourself\. SECRET_KEY is in main\.tf, line 5\. Once NEWS_API_KEY is there, by"
    ):
        planned()
    (tmp_path / "main.tf").write_text(terraform.replace(one, f"{one},\n{one.replace('SECRET_KEY', 'NEWS_API_KEY')}"))
    names, (note,) = planned()
    assert names == ["config.py", ".env.example"] and note.startswith("main.tf, line 6 has NEWS_API_KEY already.")


def test_of_definitions_in_json_only_the_environment_s_own_of_the_container_count(tmp_path: Path) -> None:
    """Neither another environment's nor another service's is named as what to edit, or is the one that has the key."""

    def definition(container: str, key: str = "SECRET_KEY") -> str:
        secrets = f'[{{"name": "{key}",\n"valueFrom": "${{ARN}}:{key}::"}}]'
        return (
            f'{{"containerDefinitions": [\n{{"name": "{container}", "image": "${{IMAGE}}", "secrets": {secrets}}}]}}\n'
        )

    files = {f"{each}.{env}.json": definition(each) for each in ("api", "worker") for env in ("staging", "production")}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())

    def planned() -> tuple[Edit, ...]:
        edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",))
        return edits.plan_with_notes({"staging": ("api",)})[0]

    for name in ("api.production.json", "worker.staging.json", ""):
        if name:
            (tmp_path / name).write_text(definition(name.partition(".")[0], "NEWS_API_KEY"))
        with pytest.raises(CannotFollow, match=r"SECRET_KEY is in api\.staging\.json, lines 2, 3\.") as refusal:
            planned()
        assert "worker" not in str(refusal.value) and "production" not in str(refusal.value)
    (tmp_path / "api.staging.json").write_text(definition("api", "NEWS_API_KEY"))
    assert [edit.file.name for edit in planned()] == ["config.py", ".env.example"]


@pytest.mark.parametrize("environments", [("staging", "production"), ("production", "staging")])
def test_one_environment_s_reference_is_not_another_s(environments: tuple[str, ...], tmp_path: Path) -> None:
    """Without a folder of staging's, a key for both is refused, whichever of them is named first."""
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets = ['
        '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] }])\n}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "prod/main.tf": terraform})
    edits = KeyEdits(read_checkout(tmp_path), NewKey("NEWS_API_KEY", "News", "", False, "str", ()), environments)
    with pytest.raises(CannotFollow, match="another environment's than staging"):
        edits.plan_with_notes(dict.fromkeys(environments, ("api",)))


@pytest.mark.parametrize(
    ("own", "other", "is_own"),
    [
        ("env/staging.yaml", "env/prod.yaml", True),
        ("env/app-stg.json", "env/app-prod.json", True),
        ("env/secrets.yaml", "env/prod.yaml", False),
        ("env/staging/keys.yaml", "env/prod/keys.yaml", True),
        ("env/staging/keys.yaml", "env/qa/keys.yaml", True),
        ("env/staging/data/keys.yaml", "env/qa/data/keys.yaml", True),
        ("env/staging/staging.yaml", "env/qa/qa.yaml", True),
        (".aws/task-definition-staging.json", ".aws/task-definition-prod.json", True),
    ],
)
def test_a_key_in_another_environment_s_data_is_not_there_already(
    own: str, other: str, is_own: bool, tmp_path: Path
) -> None:
    """A file beside it has this environment's name, which whatever is not followed reads."""
    read = f'yamldecode(file("{re.sub("stg|staging|secrets", "${terraform.workspace}", own)}"))'
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        f' [for k in {read}.secrets : {{ name = k, valueFrom = "${{var.arn}}:${{k}}::" }}] }}])\n}}\n'
    )
    is_registered = own.startswith(".aws")
    keys = '{"containerDefinitions": [\n{"secrets": [\n"SECRET_KEY"' if is_registered else '{"secrets": [\n"SECRET_KEY"'
    end = "\n]}]}\n" if is_registered else "\n]}\n"
    files = {} if is_registered else {"main.tf": terraform}
    files |= {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, own: f"{keys}{end}"}
    write_files(tmp_path, files | {other: f'{keys},\n"NEWS_API_KEY"{end}'})
    key, names = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production")
    edits = KeyEdits(read_checkout(tmp_path), key, names)
    if is_own:
        with pytest.raises(CannotFollow, match="Once NEWS_API_KEY is there"):
            edits.plan_with_notes({"staging": ("api",)})
        (tmp_path / own).write_text(f'{keys},\n"NEWS_API_KEY"{end}')
    note = KeyEdits(read_checkout(tmp_path), key, names).plan_with_notes({"staging": ("api",)})[1]
    assert f"{own if is_own else other}, line" in " ".join(note)


def test_a_definition_that_another_program_registers_is_not_said_to_be_terraform_s(tmp_path: Path) -> None:
    """The refusal names the file's place, and no container that Terraform lacks."""
    definition = '{"containerDefinitions": [\n{"name": "api", "secrets": [\n{"name": "SECRET_KEY"}]}]}\n'
    files = {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, ".aws/task-definition.json": definition}
    edits = KeyEdits(read_checkout(write_files(tmp_path, files)), NewKey("NEWS_API_KEY", "", "", False, "str", ()))
    with pytest.raises(CannotFollow, match=r"^No file of Terraform has a task definition\..*\.json, line 1 has"):
        edits.plan_with_notes({"staging": ("api",)})


@pytest.mark.parametrize(("other", "is_refused"), [("prod", True), ("production", True), ("common", False)])
@pytest.mark.parametrize("where", ["locals", "a module's argument", "values"])
def test_a_key_in_another_environment_s_member_is_not_there_already(
    where: str, other: str, is_refused: bool, tmp_path: Path
) -> None:
    """A map that the workspace chooses from has the key for one alone; what both have in common counts."""
    keys = f'{{\n  staging = ["SECRET_KEY"]\n  {other} = ["SECRET_KEY", "NEWS_API_KEY"]\n}}\n'
    written = {
        "locals": ("main.tf", f"locals {{\n keys = {keys}}}\n"),
        "a module's argument": ("call.tf", f'module "x" {{\n source = "./x"\n a = merge({{}}, {{ b = {keys} }})\n}}\n'),
        "values": ("terraform.tfvars", f"keys = {keys}"),
    }
    name, text = written[where]
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        ' [for k in local.keys[terraform.workspace] : { name = k, valueFrom = "${var.arn}:${k}::" }] }])\n}\n'
    )
    files = {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform}
    write_files(tmp_path, files | {name: files.get(name, "") + text})
    key, names = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production")
    edits = KeyEdits(read_checkout(tmp_path), key, names, ("SECRET_KEY",))
    assert "NEWS_API_KEY already" in edits.plan_with_notes({"production": ("api",)})[1][0]
    if is_refused:
        with pytest.raises(CannotFollow, match=rf"SECRET_KEY is in {re.escape(name)}, line \d+\. Once NEWS_API_KEY"):
            edits.plan_with_notes({"staging": ("api",)})
    else:
        assert "NEWS_API_KEY already" in edits.plan_with_notes({"staging": ("api",)})[1][0]


@pytest.mark.parametrize("secret", ["", "data."])
@pytest.mark.parametrize("name", ["app-${each.key}", "${each.value.secret}"])
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_of_instances_by_environment_each_has_its_own_secret(
    environment: str, name: str, secret: str, tmp_path: Path
) -> None:
    """A for_each over environments makes a secret and a definition of each: another one's list gets no key."""
    lists = {each: f'{each} = {{ secret = "app-{each}", keys = ["SECRET_KEY"] }}' for each in ("staging", "production")}
    kind = "data" if secret else "resource"
    terraform = (
        f"locals {{\n  all = {{\n    {lists['staging']}\n    {lists['production']}\n  }}\n}}\n"
        f'{kind} "aws_secretsmanager_secret" "app" {{\n  for_each = local.all\n  name = "{name}"\n}}\n'
        'resource "aws_ecs_task_definition" "api" {\n  for_each = local.all\n  container_definitions = jsonencode([{'
        ' name = "api", secrets = [for k in each.value.keys : { name = k, valueFrom ='
        f' "${{{secret}aws_secretsmanager_secret.app[each.key].arn}}:${{k}}::" }}] }}])\n}}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, (other,) = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {*lists} - {environment}
    others, own = {environment: {f"app-{other}": other}}, {environment: (f"app-{environment}",)}
    edits = KeyEdits(read_checkout(tmp_path), key, (*lists,), ("SECRET_KEY",), others, own)
    planned, notes = edits.plan_with_notes({environment: ("api",)})
    added = lists[environment].replace('"SECRET_KEY"', '"SECRET_KEY", "NEWS_API_KEY"')
    assert planned[-1].after.decode() == terraform.replace(lists[environment], added)
    assert f"the secret of {other}, and gets no NEWS_API_KEY" in notes[0]


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ('"app-${each.key}"', "aws_secretsmanager_secret.app[each.value.env].arn"),
        ('"${var.project}-${each.key}"', "aws_secretsmanager_secret.app[each.key].arn"),
        ('"app-${each.key}"', "local.arns[each.key]"),
        ('"app-${each.key}"', "var.arn"),
    ],
)
def test_an_instance_is_the_environment_s_that_its_index_or_its_key_says(
    name: str, arn: str, environment: str, tmp_path: Path
) -> None:
    """So where the index is a member of each.value, and where nothing shows the secret's name, here and in a module."""
    members = {each: f'{each} = {{ env = "{each}", keys = ["SECRET_KEY"] }}' for each in ("staging", "production")}
    keys, prefix = ("var.keys", "module/") if arn == "var.arn" else ("each.value.keys", "")
    loop = "  for_each = local.all\n"
    call = f'module "x" {{\n{loop}  source = "./module"\n  arn = var.arns[each.key]\n  keys = each.value.keys\n}}\n'
    terraform = (
        f"locals {{\n  all = {{\n    {members['staging']}\n    {members['production']}\n  }}\n"
        "  arns = { for k, v in aws_secretsmanager_secret.app : k => v.arn }\n}\n"
        f'variable "project" {{\n  default = "app"\n}}\n'
        f'resource "aws_secretsmanager_secret" "app" {{\n{loop}  name = {name}\n}}\n{call if prefix else ""}'
    )
    tasks = (
        f'resource "aws_ecs_task_definition" "api" {{\n{"" if prefix else loop}  container_definitions = jsonencode([{{'
        f' name = "api", secrets = [for k in {keys} : {{ name = k, valueFrom = "${{{arn}}}:${{k}}::" }}] }}])\n}}\n'
    )
    files = {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform, f"{prefix}tasks.tf": tasks}
    key, (other,) = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {*members} - {environment}
    others, own = {environment: {f"app-{other}": other}}, {environment: (f"app-{environment}",)}
    checkout = read_checkout(write_files(tmp_path, files))
    planned, notes = KeyEdits(checkout, key, (*members,), ("SECRET_KEY",), others, own).plan_with_notes(
        {environment: ("api",)}
    )
    added = members[environment].replace('"SECRET_KEY"', '"SECRET_KEY", "NEWS_API_KEY"')
    assert planned[-1].after.decode() == terraform.replace(members[environment], added)
    assert f"the secret of {other}, and gets no NEWS_API_KEY" in notes[0]


def test_a_template_that_another_environment_s_values_choose_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """Its path is known for staging alone: for production the refusal says what is not followed there."""
    terraform = (
        'variable "env" {}\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = templatefile("${path.module}/${var.env}.json", { arn = var.arn })\n}\n'
    )
    template = '[{"name": "api", "secrets": [{"name": "SECRET_KEY", "valueFrom": "${arn}:SECRET_KEY::"}]}]\n'
    files = {"main.tf": terraform, "a.json": template, "staging.tfvars": 'env = "a"\n'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key, names = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production")
    edits = KeyEdits(read_checkout(tmp_path), key, names, ("SECRET_KEY",))
    assert edits.plan({"staging": ("api",)})[-1].file.name == "a.json"
    with pytest.raises(CannotFollow, match=r"Not understood: aws_ecs_task_definition\.api in main\.tf, line 3: its"):
        edits.plan({"production": ("api",)})


OF_KEYS = (
    'variable "keys" {}\nresource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name ='
    ' "api", secrets = [for key in var.keys : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
)
TWO_LISTS = (
    'variable "all" {\n  default = ["SECRET_KEY"]\n}\nvariable "own" {\n  default = []\n}\n'
    'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
    ' [for key in concat(var.all, var.own) : { name = key, valueFrom = "${var.arn}:${key}::" }] }])\n}\n'
)


def test_a_list_of_all_gets_no_key_that_another_environment_has_in_its_own(tmp_path: Path) -> None:
    """Which would have it twice; taken out there, it has it from the list of all."""
    values = {"staging.tfvars": 'region = "eu"\n', "prod.tfvars": 'own = ["SENTRY_DSN", "NEWS_API_KEY"]\n'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": TWO_LISTS} | values)
    key, names = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production")
    with pytest.raises(
        CannotEdit, match=r"production uses too and has NEWS_API_KEY from prod\.tfvars, line 1: its next"
    ):
        KeyEdits(read_checkout(tmp_path), key, names, ("SECRET_KEY",)).plan_with_notes({"staging": ("api",)})
    (tmp_path / "prod.tfvars").write_text('own = ["SENTRY_DSN"]\n')
    edits = KeyEdits(read_checkout(tmp_path), key, names, ("SECRET_KEY",))
    assert edits.plan({"production": ("api",)})[-1].file.name == "prod.tfvars"
    for order in (("staging",), names, names[::-1]):
        assert [each.file.name for each in edits.plan(dict.fromkeys(order, ("api",)))][2:] == ["main.tf"]


@pytest.mark.parametrize(
    ("collection", "is_twice"),
    [
        ("concat(LISTS)", True),
        ("concat(ONE_FILE)", True),
        ("distinct(concat(ONE_FILE))", False),
        ("sort(concat(LISTS))", True),
        ("{ for name in concat(LISTS) : name => name }", True),
        ("distinct(concat(LISTS))", False),
        ("sort(toset(concat(LISTS)))", False),
        ("setunion(LISTS)", False),
        ("{ for name in toset(concat(LISTS)) : name => name }", False),
    ],
)
def test_a_list_that_drops_what_is_twice_gets_the_key_beside_another_environment_s_own(
    collection: str, is_twice: bool, tmp_path: Path
) -> None:
    """The other one's own list is in its values, or beside the list of all, where its name chooses it."""
    names = "name, key" if collection.startswith("{") else "key"
    collection = collection.replace("LISTS", "local.all, var.own").replace("ONE_FILE", "local.all, local.own[var.env]")
    terraform = (
        'variable "env" {}\nvariable "own" {}\nlocals {\n  all = ["SECRET_KEY"]\n'
        '  own = { staging = [], production = ["NEWS_API_KEY"] }\n}\n'
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        f' [for {names} in {collection} : {{ name = key, valueFrom = "${{var.arn}}:${{key}}::" }}] }}])\n}}\n'
    )
    own = {"staging": "[]", "production": '["NEWS_API_KEY"]'}
    values = {f"{name}.tfvars": f'env = "{name}"\nown = {keys}\n' for name, keys in own.items()}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform} | values)
    key, environments = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), ("staging", "production")
    edits = KeyEdits(read_checkout(tmp_path), key, environments, ("SECRET_KEY",))
    if is_twice:
        with pytest.raises(
            CannotEdit, match=r"production uses too and has NEWS_API_KEY from [a-z.]+, line \d: its next"
        ):
            edits.plan({"staging": ("api",)})
    else:
        assert edits.plan({"staging": ("api",)})[-1].file.name == "main.tf"


BY_KEY = 'for s in distinct(concat(local.all, var.own)) : { name = s.name, valueFrom = "${var.arn}:${s.key}::" }'
EACH = '[for key in local.all : { name = key, valueFrom = "${var.arn}:${key}::" }]'
BY_VALUE = '[for each, key in merge(local.all, var.own) : { name = key, valueFrom = "${var.arn}:${key}::" }]'
OBJECTS = '[{ name = "SECRET_KEY", key = "SECRET_KEY" }]'


@pytest.mark.parametrize(
    ("secrets", "shared", "own", "is_twice"),
    [
        (f"[{BY_KEY}]", OBJECTS, '[{ name = "NEWS_API_KEY", key = "news" }]', True),
        (f"[{BY_KEY}]", OBJECTS, '[{ key = "NEWS_API_KEY", name = "NEWS_API_KEY" }]', False),
        (f"concat({EACH}, {EACH.replace('local.all', 'var.own')})", '["SECRET_KEY"]', '["NEWS_API_KEY"]', True),
        (
            f"distinct(concat({EACH}, {EACH.replace('local.all', 'var.own')}))",
            '["SECRET_KEY"]',
            '["NEWS_API_KEY"]',
            False,
        ),
        (
            f"distinct({EACH.replace('local.all', 'concat(local.all, var.own)')})",
            '["SECRET_KEY"]',
            '["NEWS_API_KEY"]',
            False,
        ),
        (BY_VALUE, '{ SECRET_KEY = "SECRET_KEY" }', '{ other = "NEWS_API_KEY" }', True),
        (BY_VALUE, '{ SECRET_KEY = "SECRET_KEY" }', '{ NEWS_API_KEY = "NEWS_API_KEY" }', False),
        (
            BY_VALUE.replace("merge(local.all, var.own)", "tomap(merge(local.all, var.own))"),
            '{ SECRET_KEY = "SECRET_KEY" }',
            '{ NEWS_API_KEY = "NEWS_API_KEY" }',
            False,
        ),
        (
            '[{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" },'
            ' { name = var.own, valueFrom = "${var.arn}:news::" }]',
            "[]",
            '"NEWS_API_KEY"',
            True,
        ),
    ],
)
def test_what_terraform_drops_is_equal_to_what_stays(
    secrets: str, shared: str, own: str, is_twice: bool, tmp_path: Path
) -> None:
    """distinct() keeps two objects of one name that differ, and a list has all its elements."""
    terraform = (
        f'variable "own" {{}}\nlocals {{\n  all = {shared}\n}}\nresource "aws_ecs_task_definition" "api" {{\n'
        f'  container_definitions = jsonencode([{{ name = "api", secrets = {secrets} }}])\n}}\n'
    )
    none = {"[": "[]", "{": "{}", '"': '"OTHER"'}[own[0]]
    values = {"production.tfvars": f"own = {own}\n", "staging.tfvars": f"own = {none}\n"}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform} | values)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",))
    if is_twice:
        with pytest.raises(CannotEdit, match="its next apply would have it twice"):
            edits.plan({"staging": ("api",)})
    else:
        assert edits.plan({"staging": ("api",)})[-1].file.name == "main.tf"


IN_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-staging-app-AbCdEf"
GENERATED = "shop-staging-web-20260102030405678900000001"
STAGING_S = ("", "shop-staging-app", "shop-staging-config", "shop-staging-api-AbCdEf", GENERATED)
NAMED = 'data "aws_secretsmanager_secret" "app" {\n  name = "shop-staging-app"\n}\n'
BY_NAME = '"${data.aws_secretsmanager_secret.app.arn}:SECRET_KEY::"'
LOCAL = "locals {\n  app = data.aws_secretsmanager_secret.app.arn\n}\n"
MADE, BY_MADE = NAMED.replace("data", "resource"), BY_NAME.replace("data.", "")
PREFIXED = MADE.replace('name = "shop-staging-app"', 'name_prefix = "shop-staging-web-"')
ENV = 'locals {\n  env = "staging"\n  name = "shop-${local.env}-app"\n}\n'
OF_ENV = NAMED.replace("staging", "${local.env}")
VERSION = 'resource "aws_secretsmanager_secret_version" "app" {\n  secret_id = aws_secretsmanager_secret.app.id\n}\n'


@pytest.mark.parametrize(
    ("text", "value_from", "is_staging_s"),
    [
        ("", f'"{IN_ARN}:SECRET_KEY::"', True),
        (f'locals {{\n  app = "{IN_ARN}"\n}}\n', '"${local.app}:SECRET_KEY::"', True),
        (NAMED, BY_NAME, True),
        (MADE, BY_MADE, True),
        (MADE.replace("{", "{\n  count = 1"), BY_MADE.replace("app.", "app[0]."), True),
        (PREFIXED, BY_MADE, True),
        (PREFIXED.replace("web-", ""), BY_MADE, False),
        (PREFIXED.replace("staging", "production"), BY_MADE, False),
        (f"{ENV}{OF_ENV}", BY_NAME, True),
        (f"{ENV}{NAMED}".replace('"shop-staging-app"', "local.name"), BY_NAME, True),
        (ENV, f'"{IN_ARN.replace("staging", "${local.env}")}:SECRET_KEY::"', True),
        (ENV.replace('"staging"', "terraform.workspace") + OF_ENV, BY_NAME, False),
        (
            f'variable "env" {{\n  default = "staging"\n}}\n{ENV}'.replace('= "staging"\n  n', "= var.env\n  n")
            + OF_ENV,
            BY_NAME,
            False,
        ),
        (MADE + VERSION, BY_MADE.replace("secret.", "secret_version."), True),
        (f"{NAMED}{LOCAL}", '"${local.app}:SECRET_KEY::"', True),
        (NAMED.replace('name = "shop-staging-app"', f'arn = "{IN_ARN}"'), BY_NAME, True),
        ("", f'"{IN_ARN.replace("-app-AbCdEf", "-config")}:SECRET_KEY::"', True),
        ("", f'"{IN_ARN.replace("-app-AbCdEf", "-config-AbCdEf")}:SECRET_KEY::"', True),
        ("", f'"{IN_ARN.replace("app-", "api-")}:SECRET_KEY::"', True),
        ("", f'"{IN_ARN.replace("-app-AbCdEf", "-apps")}:SECRET_KEY::"', False),
        ("", f'"{IN_ARN.replace("staging", "production")}:SECRET_KEY::"', False),
        (NAMED.replace("staging", "${terraform.workspace}"), BY_NAME, False),
        (f'variable "app" {{\n  default = "{IN_ARN}"\n}}\n', '"${var.app}:SECRET_KEY::"', False),
        (
            NAMED.replace('"shop-staging-app"', "var.n") + 'variable "n" {\n  default = "shop-staging-app"\n}\n',
            BY_NAME,
            False,
        ),
    ],
)
def test_a_key_is_not_added_to_references_of_another_environment_s_secret(
    text: str, value_from: str, is_staging_s: bool, tmp_path: Path
) -> None:
    """That is the other one's Terraform, whose next tasks would lack the key; a default is what each one sets."""
    terraform = (
        f'{text}resource "aws_ecs_task_definition" "api" {{\n  container_definitions = jsonencode([{{ name = "api",'
        f' secrets = [{{ name = "SECRET_KEY", valueFrom = {value_from} }}] }}])\n}}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), dict.fromkeys(STAGING_S, "staging")
    edits = KeyEdits(read_checkout(tmp_path), key, others={"production": others})
    assert [edit.file.name for edit in edits.plan({"staging": ("api",)})][-1] == "main.tf"
    if is_staging_s:
        with pytest.raises(CannotFollow, match=r"references name shop-staging-[\w-]+, the secret of staging\. Add the"):
            edits.plan_with_notes({"production": ("api",)})
    else:
        assert [edit.file.name for edit in edits.plan({"production": ("api",)})][-1] == "main.tf"


@pytest.mark.parametrize(
    ("named", "own", "is_other"),
    [
        ("shop-config", ("shop-config", "shop-config-AbCdEf"), False),
        ("shop-config", ("shop-production",), True),
        ("shop-config-AbCdEf", ("shop-config",), False),
        ("shop-GhIjKl", ("shop-config",), True),
    ],
)
def test_an_environment_s_own_secret_is_not_another_s_with_a_suffix(
    named: str, own: tuple[str, ...], is_other: bool, tmp_path: Path
) -> None:
    """shop-config without its suffix is that secret, where it is the environment's own, and shop is another's."""
    value_from = f"{IN_ARN.replace('shop-staging-app-AbCdEf', named)}:SECRET_KEY::"
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets = [{'
        f' name = "SECRET_KEY", valueFrom = "{value_from}" }}] }}])\n}}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, others=others, own={"production": own})
    if is_other:
        with pytest.raises(CannotFollow, match="its references name shop, the secret of staging"):
            edits.plan_with_notes({"production": ("api",)})
    else:
        assert [edit.file.name for edit in edits.plan({"production": ("api",)})][-1] == "main.tf"


@pytest.mark.parametrize("key", ["each.key", '"production"'])
def test_the_each_key_of_a_task_definition_is_not_that_of_its_secret(key: str, tmp_path: Path) -> None:
    """Which instance of the secret the reference names, its index says alone."""
    terraform = (
        f'{MADE.replace("staging", "${each.key}")}resource "aws_ecs_task_definition" "api" {{\n  for_each ='
        ' toset(["staging", "production"])\n  container_definitions = jsonencode([{ name = "api", secrets = [{ name ='
        f' "SECRET_KEY", valueFrom = {BY_MADE.replace("app.", f"app[{key}].")} }}] }}])\n}}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    new, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    (*_, edit), notes = KeyEdits(read_checkout(tmp_path), new, others=others).plan_with_notes({"production": ("api",)})
    assert (edit.file.name, notes) == ("main.tf", ())


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_module_s_calls_have_the_secrets_that_they_are_given(is_shared: bool, tmp_path: Path) -> None:
    """Of two calls, production's alone gets the key, unless both are given one list."""
    module = f'variable "arn" {{}}\n{OF_KEYS}'
    keys = "local.keys" if is_shared else '["SECRET_KEY"]'
    calls = "".join(
        f'module "{each}" {{\n  source = "./m"\n  arn = "{IN_ARN.replace("staging", each)}"\n  keys = {keys}\n}}\n'
        for each in ("staging", "production")
    )
    files = {"m/main.tf": module, "main.tf": f'locals {{\n  keys = ["SECRET_KEY"]\n}}\n{calls}'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",), others)
    (*_, edit), notes = edits.plan_with_notes({"production": ("api",)})
    start = "For production: container api of module.staging.aws_ecs_task_definition.api (m/main.tf, line 4) has its"
    assert [note[: len(start)] for note in notes] == ([] if is_shared else [start])
    added = [number for number, line in enumerate(edit.after.decode().split("\n"), 1) if "NEWS_API_KEY" in line]
    assert (edit.file.name, added) == ("main.tf", [2] if is_shared else [12])


OF_SECRETS = "[for s in local.arns : { name = s.name, valueFrom = s.value_from }]"
GIVEN = '[{ name = "SECRET_KEY", value_from = "${local.arn}:SECRET_KEY::" }]'


@pytest.mark.parametrize(
    ("secrets", "in_module", "keys", "environment"),
    [
        ("[for k, v in local.refs : { name = k, valueFrom = v }]", "", '["SECRET_KEY"]', "production"),
        ("[for k, v in local.refs : { name = k, valueFrom = v }]", "", '["SECRET_KEY"]', "staging"),
        (OF_SECRETS, "staging", GIVEN, "production"),
        (OF_SECRETS, "production", GIVEN, "staging"),
        (
            '[for k in concat(["SECRET_KEY"], var.keys) : { name = k, valueFrom = "${var.arn}:${k}::" }]',
            "",
            '["OTHER"]',
            "production",
        ),
    ],
)
def test_a_secret_is_that_of_the_for_expression_that_writes_it(
    secrets: str, in_module: str, keys: str, environment: str, tmp_path: Path
) -> None:
    """It may be one that another one iterates over; what only names a longer local value writes none."""
    module = (
        f'variable "arn" {{}}\nvariable "keys" {{}}\nlocals {{\n  arns = var.keys\n  arn = "{in_module}"\n'
        '  refs = { for k in var.keys : k => "${var.arn}:${k}::" }\n}\nresource "aws_ecs_task_definition" "api" {\n'
        f'  container_definitions = jsonencode([{{ name = "api", secrets = {secrets} }}])\n}}\n'
    ).replace(f'"{in_module}"', f'"{IN_ARN.replace("staging", in_module)}"')
    arn = IN_ARN.replace("staging", environment)
    call = f'locals {{\n  arn = "{arn}"\n}}\nmodule "a" {{\n  source = "./m"\n  arn = local.arn\n  keys = {keys}\n}}\n'
    write_files(
        tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "m/main.tf": module, "main.tf": call}
    )
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production"), ("SECRET_KEY",), others)
    if environment == "production":
        assert edits.plan({"production": ("api",)})[-1].file.name == "main.tf"
    else:
        with pytest.raises(CannotEdit, match="its references name shop-staging-app, the secret of staging"):
            edits.plan({"production": ("api",)})


IN_MODULE = '[for k in var.keys : { name = k, valueFrom = "${var.arn}:${k}::" } if k != "X"]'
FORMATTED = '[for k in var.keys : { name = k, valueFrom = format("%s:%s::", BASE, k) } if k != "X"]'
CONDITION = '(var.is_on ? [{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] : [])'
HAS_KEY = '[{ name = "NEWS_API_KEY", valueFrom = "${BASE}:NEWS_API_KEY::" }]'
HAS_OTHER = '[{ name = "OTHER", valueFrom = "${BASE}:SECRET_KEY::" }]'


def of_a_call(secrets: str, extra: str, arn: str, root: Path) -> KeyEdits:
    """The edits of a key for a container with references of a module and those that its call passes as `extra`."""
    module = (
        'variable "arn" {}\nvariable "keys" {}\nvariable "extra" {}\nvariable "is_on" {}\nlocals {\n'
        "  arn = var.arn\n  own = aws_secretsmanager_secret.own.arn\n}\n"
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api",'
        f" secrets = concat({secrets}, var.extra) }}])\n}}\n"
    )
    call = (
        f'variable "secrets_arn" {{}}\nlocals {{\n  arn = "{IN_ARN}"\n  other = "{IN_ARN}"\n  own = local.arn\n}}\n'
        f'module "a" {{\n  source = "./m"\n  is_on = true\n  arn = {arn}\n  keys = ["SECRET_KEY"]\n'
        f"  extra = {extra}\n}}\n"
    )
    files = {"m/main.tf": module, "main.tf": call, ".env.example": "SECRET_KEY=\n", "config.py": SETTINGS}
    write_files(root, files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    return KeyEdits(read_checkout(root), key, ("production",), ("SECRET_KEY",))


@pytest.mark.parametrize(
    ("secrets", "base"),
    [
        (IN_MODULE, "var.arn"),
        (IN_MODULE.replace("var.arn", "local.arn"), "local.arn"),
        (FORMATTED.replace("BASE", "local.own"), "aws_secretsmanager_secret.own.arn"),
        (CONDITION, "var.arn"),
    ],
)
@pytest.mark.parametrize("extra", ["[]", '[{ name = "OTHER", valueFrom = "${data.x.other.arn}:OTHER::" }]'])
def test_a_module_s_expression_is_not_written_where_it_is_called(
    secrets: str, base: str, extra: str, tmp_path: Path
) -> None:
    """It means nothing there, or another secret; the root's variable of another module's secret is no answer."""
    reason = (
        f"what m/main.tf calls the secret, ${{{base}}}, does not mean the same in main.tf, where the list on line 12"
        " needs the secret's ARN. Add the reference yourself."
    )
    with pytest.raises(CannotFollow, match=re.escape(reason)):
        of_a_call(secrets, extra, "data.x.app.arn", tmp_path).plan({"production": ("api",)})


@pytest.mark.parametrize("base", ["local.arn", "data.x.app.arn"])
@pytest.mark.parametrize("secrets", [IN_MODULE, CONDITION])
def test_a_call_s_own_expression_of_a_module_s_secret_is_used(secrets: str, base: str, tmp_path: Path) -> None:
    """Also where only a reference to another key shows it; a reference added by hand is the key's."""
    for extra in (HAS_OTHER, HAS_OTHER.replace(":SECRET_KEY:", ":OTHER:")):
        edits = of_a_call(secrets, extra.replace("BASE", base), base, tmp_path)
        edit = edits.plan({"production": ("api",)})[-1]
        assert edit.file.name == "main.tf"
        assert f'valueFrom = "${{{base}}}:NEWS_API_KEY::"'.encode() in edit.after
    edits = of_a_call(secrets, HAS_KEY.replace("BASE", base), base, tmp_path)
    assert [edit.file.name for edit in edits.plan({"production": ("api",)})] == ["config.py", ".env.example"]


def test_a_key_of_another_secret_in_a_call_is_not_the_module_s(tmp_path: Path) -> None:
    """The call's expression leads elsewhere than the module's."""
    edits = of_a_call(IN_MODULE, HAS_KEY.replace("BASE", "data.x.other.arn"), "data.x.app.arn", tmp_path)
    with pytest.raises(CannotEdit, match=r"NEWS_API_KEY is taken: .* from another secret"):
        edits.plan({"production": ("api",)})


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        (IN_MODULE.replace("${var.arn}", IN_ARN), IN_ARN),
        (FORMATTED.replace("BASE", "var.arn"), "${data.x.app.arn}"),
    ],
)
def test_what_means_the_same_where_a_module_is_called_is_written_there(secrets: str, text: str, tmp_path: Path) -> None:
    """An ARN, and what the module's variable leads to in the call's own folder."""
    edit = of_a_call(secrets, "[]", "data.x.app.arn", tmp_path).plan({"production": ("api",)})[-1]
    assert f'valueFrom = "{text}:NEWS_API_KEY::"'.encode() in edit.after


def test_an_expression_of_a_call_is_not_written_in_the_module(tmp_path: Path) -> None:
    """The module's own list has a reference that is all the call's."""
    secrets = '[{ name = "SECRET_KEY", valueFrom = var.arn }]'
    with pytest.raises(CannotFollow, match=r"what main.tf calls the secret, \$\{local.arn\}, does not mean the same"):
        of_a_call(secrets, "[]", '"${local.arn}:SECRET_KEY::"', tmp_path).plan({"production": ("api",)})


def test_a_note_of_a_task_definition_left_alone_stands_beside_one_of_a_key_added_by_hand(tmp_path: Path) -> None:
    """Of qa Terraform is not followed, and production's folder has a task definition of staging too."""
    definition = (
        'resource "aws_ecs_task_definition" "{0}" {{\n  container_definitions = jsonencode([{{ name = "api", secrets ='
        ' [{{ name = "SECRET_KEY", valueFrom = "{1}:SECRET_KEY::" }}] }}])\n}}\n'
    )
    production = definition.format("own", IN_ARN.replace("staging", "production")) + definition.format("other", IN_ARN)
    qa = f'{OF_KEYS.replace("in var.keys", "in data.http.keys.body")}locals {{\n  more = ["NEWS_API_KEY"]\n}}\n'
    files = {"envs/production/main.tf": production, "envs/qa/main.tf": qa}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, ("staging", "production", "qa"), ("SECRET_KEY",), others)
    _, notes = edits.plan_with_notes({"qa": ("api",), "production": ("api",)})
    by_hand, left = notes
    assert by_hand.startswith("envs/qa/main.tf, line 6 has NEWS_API_KEY already.")
    assert left.startswith(
        "For production: container api of aws_ecs_task_definition.other (envs/production/main.tf, line 5)"
    )


@pytest.mark.parametrize("count", ["0", "2"])
def test_a_prefix_that_two_environments_secrets_have_tells_nothing(count: str, tmp_path: Path) -> None:
    """One folder makes a secret for each environment; whose is the older one does not matter."""
    terraform = (
        f'{PREFIXED.replace("staging-web-", "")}resource "aws_ecs_task_definition" "api" {{\n  container_definitions ='
        f' jsonencode([{{ name = "api", secrets = [{{ name = "SECRET_KEY", valueFrom = {BY_MADE} }}] }}])\n}}\n'
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, name = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), GENERATED.replace("staging-web-", "")
    others = {"production": {f"{name[:-1]}{count}": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, others=others, own={"production": (name, f"{name}-AbCdEf")})
    assert [edit.file.name for edit in edits.plan({"production": ("api",)})][-1] == "main.tf"


@pytest.mark.parametrize("files", [("main.tf", "main.tf"), ("main.tf", "prod/main.tf")])
def test_a_key_is_added_beside_the_task_definition_of_another_environment(
    files: tuple[str, str], tmp_path: Path
) -> None:
    """Of two with the container, each of which names an environment's secret, that environment's alone is edited."""
    names, texts = ("staging", "production"), dict.fromkeys(files, "")
    for file, name in zip(files, names, strict=True):
        arn = IN_ARN.replace("staging", name)
        texts[file] += (
            f'resource "aws_ecs_task_definition" "{name}" {{\n  container_definitions = jsonencode([{{ name = "api",'
            f' secrets = [{{ name = "SECRET_KEY", valueFrom = "{arn}:SECRET_KEY::" }}] }}])\n}}\n'
        )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | texts)
    key, others = NewKey("NEWS_API_KEY", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, others=others)
    (*_, edit), notes = edits.plan_with_notes({"production": ("api",)})
    assert notes == (
        "For production: container api of aws_ecs_task_definition.staging (main.tf, line 2) has its references from"
        " shop-staging-app, the secret of staging, and gets no NEWS_API_KEY.",
    )
    assert edits.plan_with_notes({"production": ("api",), "staging": ()})[1] == ()
    assert edit.file.name == files[1] and edit.what.endswith("container api of aws_ecs_task_definition.production")
    (tmp_path / files[1]).write_bytes(edit.after)
    done = KeyEdits(read_checkout(tmp_path), key, others=others).plan({"production": ("api",)})
    assert [each.file.name for each in done] == ["config.py", ".env.example"]


def test_a_note_tells_of_a_key_from_another_environment_s_secret(tmp_path: Path) -> None:
    """The only reference is staging's, whose own it is: production has none, in a run for both too."""
    references = ", ".join(f'{{ name = "{name}", valueFrom = "{IN_ARN}:{name}::" }}' for name in ("SECRET_KEY", "NEWS"))
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api",'
        f" secrets = [{references}] }}])\n}}\n"
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    key, others = NewKey("NEWS", "News", "", False, "str", ()), {"production": {"shop-staging-app": "staging"}}
    edits = KeyEdits(read_checkout(tmp_path), key, others=others)
    assert edits.plan_with_notes({"staging": ("api",)})[1] == ()
    for environments in (("production",), ("staging", "production")):
        planned, notes = edits.plan_with_notes(dict.fromkeys(environments, ("api",)))
        assert [edit.file.name for edit in planned] == ["config.py", ".env.example"]
        assert notes == (
            "For production: container api of aws_ecs_task_definition.api (main.tf, line 2) has NEWS from"
            " shop-staging-app, the secret of staging. Add the reference to the task definition that has this"
            " environment's own secret, or correct that name.",
        )


def test_a_checkout_without_terraform_says_what_was_searched(tmp_path: Path) -> None:
    """A folder beside it may have the task definition, and is not read."""
    files = {"app/.env.example": "SECRET_KEY=\n", "app/config.py": SETTINGS, "infra/main.tf": 'a = file("valueFrom")'}
    write_files(tmp_path, files)
    checkout = read_checkout(tmp_path / "app")
    for sentence in (checkout.without_terraform, note_other_definition(checkout, "NEWS_API_KEY")):
        assert f"{tmp_path}/app and its folders were searched" in sentence


def test_a_folder_of_a_larger_repository_names_terraform_and_compose_above_it(tmp_path: Path) -> None:
    """Nothing above the repository's top, and nothing of another repository in it, is named."""
    task = 'resource "aws_ecs_task_definition" "api" {}\n'
    files = {"app/.env.example": "SECRET_KEY=\n", "app/config.py": SETTINGS, "compose.yml": "", "main.tf": task}
    write_files(tmp_path, files | {"other/main.tf": task, "other/.git/HEAD": ""})

    def sentences() -> list[str]:
        checkout = read_checkout(tmp_path / "app")
        return [checkout.without_terraform, note_other_definition(checkout, "NEWS"), checkout.without_compose]

    assert all(" only with " not in each for each in sentences())
    (tmp_path / ".git").mkdir()
    *definitions, compose = sentences()
    end = f"in the same git repository: it is read only with {tmp_path} as repository."
    assert all(f" {tmp_path}/main.tf has one, {end}" in each for each in definitions)
    assert compose.endswith(
        f" Docker Compose finds {tmp_path}/compose.yml above it, which is read only with {tmp_path} as repository."
    )
    (tmp_path / "main.tf").write_text('# aws_ecs_task_definition\ndata "aws_ecs_task_definition" "api" {}\n')
    assert all(end not in each for each in sentences())


@pytest.mark.parametrize(
    "call", ['module "x" {\n  source = "../modules/dev"\n}\n', 'module "x" { source = "../modules/dev" }\n']
)
def test_a_module_s_folder_is_of_all_that_call_it(call: str, tmp_path: Path) -> None:
    """Whatever it is called: Terraform is not applied there."""
    terraform = (
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets = ['
        '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] }])\n}\n'
    )
    files = {"modules/dev/main.tf": terraform, "prod/main.tf": call}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    planned = KeyEdits(read_checkout(tmp_path), key, ("staging",), ("SECRET_KEY",)).plan({"production": ("api",)})
    assert [edit.file.name for edit in planned[2:]] == ["modules/dev/main.tf"]


@pytest.mark.parametrize("comment", ["# {}", "// was: {}", "/* {} */", "  /*\n{}\n*/"])
def test_a_call_that_is_commented_out_makes_no_module(comment: str, tmp_path: Path) -> None:
    """Terraform is applied in that folder then, and init names its environment."""
    call = comment.format('module "old" { source = "../dev" }')
    terraform = (
        'resource "aws_ecs_cluster" "c" { name = "tool-dev" }\nresource "aws_ecs_task_definition" "api" {\n'
        '  container_definitions = jsonencode([{ name = "api", secrets = ['
        '{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] }])\n}\n'
    )
    files = {"dev/main.tf": terraform, "net/main.tf": f'{call}\nresource "aws_vpc" "main" {{}}\n'}
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS} | files)
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    with pytest.raises(CannotFollow, match="may be another environment's"):
        KeyEdits(read_checkout(tmp_path), key, ("staging",), ("SECRET_KEY",)).plan({"production": ("api",)})
    assert [each.environment for each in read_environments(tmp_path)] == ["dev"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("keys(jsondecode(data.aws_secretsmanager_secret_version.app.secret_string))", 5),
        ("toset(nonsensitive(keys(jsondecode(local.value))))", 5),
        ("jsondecode(data.aws_ssm_parameter.keys.value)", 0),
        ("jsondecode(local.value) if k != var.other", 0),
        ("setsubtract(keys(jsondecode(local.value)), var.others)", 0),
        ("=jsondecode(local.value)", 0),
    ],
)
def test_where_each_key_of_the_secret_gets_a_reference_terraform_needs_none(
    keys: str, line: int, tmp_path: Path
) -> None:
    """There is nothing to add by hand: the next apply after the secret has the key makes it."""
    collection, _, condition = keys.partition(" if ")
    end = f"if {condition}" if condition else ""
    loop = f'[for k in {collection} : {{ name = k, valueFrom = "${{var.arn}}:${{k}}::" }} {end}]'
    terraform = (
        "locals {\n  value = data.aws_secretsmanager_secret_version.app.secret_string\n}\n"
        'resource "aws_ecs_task_definition" "api" {\n  container_definitions = jsonencode([{ name = "api", secrets ='
        f" {collection[1:] if collection[0] == '=' else loop} }}])\n}}\n"
    )
    write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform})
    edits = KeyEdits(read_checkout(tmp_path), NewKey("NEWS_API_KEY", "News", "", False, "str", ()), (), ("SECRET_KEY",))
    if not line:
        with pytest.raises(CannotFollow, match="Add the reference yourself"):
            edits.plan_with_notes({"staging": ("api",)})
        return
    planned, (note,) = edits.plan_with_notes({"staging": ("api",)})
    assert [edit.file.name for edit in planned] == ["config.py", ".env.example"]
    assert note.startswith(f"main.tf, line {line} refers to each key of a secret. Terraform is not followed there")


def test_which_files_may_be_an_environments_is_found_once_for_each_container(tmp_path: Path) -> None:
    """Each reference asks for it that Terraform's files may hide, and what stands beside it again."""
    names = ("api", "worker", "mailer")
    definitions = "".join(
        f'resource "aws_ecs_task_definition" "{name}" {{\n  container_definitions = jsonencode([{{ name = "{name}",'
        ' secrets = [for k in var.keys : { name = k, valueFrom = "${var.arn}:${k}::" }] }])\n}\n'
        for name in names
    )
    variables = 'variable "keys" {\n  default = ["SECRET_KEY", "NEWS_API_KEY"]\n}\n'
    other = 'resource "aws_ecs_task_definition" "other" {\n  container_definitions = var.definitions\n}\n'
    files = {"main.tf": definitions, "variables.tf": variables, "other.tf": other}
    root = write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, **files})
    checkout, key = read_checkout(root), NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    assert checkout.task_definitions and checkout.task_definitions.unreadable
    edits = KeyEdits(checkout, key, ("staging", "production"), ("SECRET_KEY",))

    def plan() -> None:
        edits.plan_with_notes({"staging": names, "production": names})

    # Each of the six is found with the files that are read, and with the others.
    assert count_calls(plan, "without_data_of_others") == 12


@pytest.mark.parametrize(("container", "is_named"), [("api", True), ("web", False)])
def test_what_may_make_a_container_that_terraform_lacks_is_named(
    container: str, is_named: bool, tmp_path: Path
) -> None:
    """Terraform has some of the containers, and another tool the rest."""
    terraform = (
        'resource "aws_ecs_task_definition" "web" {\n  container_definitions = jsonencode([{ name = "web", secrets ='
        ' [{ name = "SECRET_KEY", valueFrom = "${var.arn}:SECRET_KEY::" }] }])\n}\n'
    )
    files = {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS, "main.tf": terraform, "infra/cdk.json": "{}\n"}
    key = NewKey("NEWS_API_KEY", "News", "", False, "str", ())
    edits = KeyEdits(read_checkout(write_files(tmp_path, files)), key, (), ("SECRET_KEY",))
    if is_named:
        with pytest.raises(CannotEdit, match=r"infra/cdk\.json belongs to the AWS CDK: .* container api is made there"):
            edits.plan({"staging": (container,)})
    else:
        assert [edit.file.name for edit in edits.plan({"staging": (container,)})][-1] == "main.tf"


LOOP = (
    "[for k in keys(jsondecode(data.aws_secretsmanager_secret_version.app.secret_string)) :"
    ' { name = k, valueFrom = "${var.arn}:${k}::" }]'
)
OTHER_LOOP = LOOP.replace(
    "data.aws_secretsmanager_secret_version.app.secret_string", "data.aws_ssm_parameter.keys.value"
)


@pytest.mark.parametrize(
    ("staging", "production"),
    [
        ((LOOP,), (OTHER_LOOP,)),
        ((OTHER_LOOP,), (LOOP,)),
        ((LOOP, OTHER_LOOP), (LOOP,)),
        ((LOOP.replace("name = k", 'name = "APP_${k}"'),), (LOOP,)),
        ((LOOP.replace("${k}::", "SECRET_KEY::"),), (LOOP,)),
        ((LOOP.replace("keys(", "("),), (LOOP,)),
    ],
)
def test_each_definition_of_each_environment_has_to_refer_to_each_key(
    staging: tuple[str, ...], production: tuple[str, ...], tmp_path: Path
) -> None:
    """By its own name: else tasks of one would start without the key."""

    def edited(**loops: tuple[str, ...]) -> list[str]:
        for environment, own in loops.items():
            definitions = (
                f'resource "aws_ecs_task_definition" "d{number}" {{\n  container_definitions = jsonencode([{{'
                f' name = "api", secrets = {each} }}])\n}}\n'
                for number, each in enumerate(own)
            )
            write_files(tmp_path, {f"infra/{environment}/main.tf": "".join(definitions)})
        edits = KeyEdits(
            read_checkout(write_files(tmp_path, {".env.example": "SECRET_KEY=\n", "config.py": SETTINGS})),
            NewKey("NEWS_API_KEY", "News", "", False, "str", ()),
            ("staging", "production"),
            ("SECRET_KEY",),
        )
        planned, notes = edits.plan_with_notes({"staging": ("api",), "production": ("api",)})
        assert [note.partition(",")[0] for note in notes] == ["infra/staging/main.tf", "infra/production/main.tf"]
        return [edit.file.name for edit in planned]

    assert edited(staging=(LOOP, LOOP), production=(LOOP,)) == ["config.py", ".env.example"]
    with pytest.raises(CannotFollow, match="Add the reference yourself"):
        edited(staging=staging, production=production)


@pytest.mark.parametrize(("case_sensitive", "edited"), [(False, ["config.py"]), (True, ["config.py", ".env.example"])])
def test_a_variable_that_the_template_has_in_small_letters_gets_no_second_line(
    tmp_path: Path, case_sensitive: bool, edited: list[str]
) -> None:
    """Settings read both cases, unless they are told not to."""
    settings = (
        "from pydantic_settings import BaseSettings\n\n\n"
        f"class Settings(BaseSettings, env_file='.env', case_sensitive={case_sensitive}):\n    SECRET_KEY: str\n"
    )
    files = {"config.py": settings, ".env.example": "secret_key=\nnews_api_key=\n"}
    key = NewKey("NEWS_API_KEY", "News", "", True, "str", ())
    edits = KeyEdits(read_checkout(write_files(tmp_path, files)), key).plan({})
    assert [each.file.name for each in edits] == edited


def test_a_new_key_that_is_too_long_is_told_so() -> None:
    """Its characters may be right."""
    name = "NEWS_" * 13
    assert describe(name[:64], "", "", False, "str", ()).name == name[:64]
    with pytest.raises(UsageError, match="use at most 64 capitals, digits and _"):
        describe(name, "", "", False, "str", ())
    with pytest.raises(UsageError, match="use capitals, digits and _"):
        describe("news-key", "", "", False, "str", ())


@pytest.mark.parametrize(
    ("is_made", "sentence"),
    [
        (True, r"^Somebody else changed app right after this run had created it: theirs stays\. Run verify to see"),
        (False, r"^app was created or changed meanwhile, by somebody else or by a run that was broken off: what is"),
    ],
)
def test_a_secret_that_somebody_changes_right_after_it_was_created_is_no_secret_that_was_not_written(
    monkeypatch: pytest.MonkeyPatch, is_made: bool, sentence: str
) -> None:
    """The run lists it among what it has done: it was created, and another version came after it."""
    secret, theirs = SimpleNamespace(name="app"), SimpleNamespace(version_id="theirs")
    monkeypatch.setattr(create, "_read", lambda *_: (secret, theirs))
    plan: Any = SimpleNamespace(name="app", token="ours")
    with pytest.raises(ConflictError, match=sentence):
        create._verify_new({}, plan, None, is_made)  # type: ignore[arg-type]


@pytest.mark.parametrize(("outputs", "is_doubted"), [((), True), (("arn",), False)])
def test_what_terraform_has_applied_is_in_doubt_where_no_secret_is_found(
    monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...], is_doubted: bool
) -> None:
    """Without an output that names it, nothing says what was made; with one, the change is told."""

    def fail() -> None:
        raise CouldNotLook("app still does not exist: run create again.")

    monkeypatch.setattr(create, "_apply_draft", lambda *_: (bool(outputs), fail))
    plan: Any = SimpleNamespace(name="app", intent="create", draft=SimpleNamespace(name="terraform"))
    told: list[Change] = []
    with pytest.raises(CouldNotLook, match="still does not exist") as lost:
        create.apply(None, plan, tell=lambda *changes: told.extend(changes))  # type: ignore[arg-type]
    assert (bool(told), lost.value.kind == "in-doubt") == (not is_doubted, is_doubted)


def test_the_template_of_one_of_several_applications_is_named(tmp_path: Path) -> None:
    """The key goes into the one at the top; the one nearest to Settings may be what a .env is made from."""
    code = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    write_files(tmp_path, {"apps/api/src/api/settings.py": code, "apps/api/.env.example": "A=\nB=\nsmall_key=\n"})
    write_files(tmp_path, {"apps/web/.env.example": "", ".env.example": "PROJECT=shop\n"})

    def named(name: str) -> list[tuple[str, int, str]]:
        key = NewKey(name, "", "", False, "str", ())
        locations = find_surroundings({"staging": healthy()}, read_checkout(tmp_path), key, ()).locations
        return [(each.file, each.line, each.reason) for each in locations]

    [(file, line, reason)] = named("NEW_KEY")
    assert (file, line) == ("apps/api/.env.example", 3)
    assert "nearer to apps/api/src/api/settings.py than .env.example" in reason and "add NEW_KEY here too" in reason
    assert not named("B")
    assert not named("SMALL_KEY"), "Settings read both cases"
    (tmp_path / ".env.example").unlink()
    assert not named("NEW_KEY"), "it is the checkout's own then"


def test_a_reference_in_an_example_is_not_the_environments(tmp_path: Path) -> None:
    """Where Terraform is not followed, it keeps nobody from adding the key; that of an example alone counts."""
    definition = (
        'resource "aws_ecs_task_definition" "api" {{\n  container_definitions = jsonencode([{{ name = "api",'
        " secrets = {} }}])\n}}\n"
    )
    write_files(tmp_path, {".env.example": "A=\n", "examples/x/main.tf": definition.format("module.x.secrets")})
    write_files(tmp_path, {"app.py": 'import os\n\nos.environ["A"]\n'})
    write_files(tmp_path, {"examples/x/api.json": '[{"name": "NEW_KEY", "valueFrom": "arn:NEW_KEY::"}]\n'})

    def noted() -> tuple[str, ...]:
        edits = KeyEdits(read_checkout(tmp_path), NewKey("NEW_KEY", "", "", False, "str", ()), ("staging",))
        return edits.plan_with_notes({"staging": ("api",)})[1]

    assert any("examples/x/api.json, line 1 has NEW_KEY already." in each for each in noted())
    write_files(tmp_path, {"infra/main.tf": definition.format("module.x.secrets")})
    with pytest.raises(CannotFollow, match=r"infra/main\.tf, line 2\): its secrets are module\.x\.secrets"):
        noted()


@pytest.mark.parametrize("hidden", ["\n", "\r", "\x85", "\u2028", "\u202e", "\u200b", "\x7f"], ids=ascii)
def test_what_is_written_into_source_files_is_shown_whole(hidden: str) -> None:
    """A mark of direction in a comment would show a reviewer another line than there is."""
    texts = ((f"News{hidden}feed", "", "str"), ("", f"https://x.example/{hidden}", "str"), ("", "", f"str{hidden}"))
    for description, where, kind in texts:
        with pytest.raises(UsageError, match="has a line break or a character that is not shown"):
            describe("NEWS_API_KEY", description, where, False, kind, ())
    assert describe("NEWS_API_KEY", "Flux d\u2019actualités\u00a0: ニュース", "", False, "str", ()).description
