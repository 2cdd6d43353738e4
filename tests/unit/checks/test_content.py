"""Checks of what the secret holds: each with a healthy snapshot and a faulty one, and look-alikes told apart."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.check_assertions import assert_clear, by_id, found_by
from support.faults.content import FAULTS, overwritten, token, with_own, with_store
from support.snapshots import (
    ARN,
    CHANGED,
    CURRENT,
    NOW,
    PREVIOUS,
    deployment,
    document,
    healthy,
    rotated,
    stopped,
    stuck,
    task_definition,
    values,
    with_container,
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

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.checks import content, spare_keys
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.key_demand import is_misspelling, missing_keys, successions
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.masking.hosts import HostKind, StrangeHost, find_host, judge
from omc_runbook.model import value_from
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import load
from omc_runbook.model.value_from import parse
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(content, spare_keys))
found_in = partial(found_by, CHECKS.values())


def root_causes(snapshot: Snapshot) -> list[str]:
    """Ids of the causes that the whole diagnosis names."""
    return [finding.check for finding in diagnose(snapshot) if finding.is_root_cause]


@pytest.mark.parametrize("id", [id for id in FAULTS if id != "terraform-overwrote"])
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Of the family's checks one alone speaks of one fault."""
    assert found_in(FAULTS[id].make(healthy())) == {id}


def test_an_overwritten_value_is_a_placeholder_too() -> None:
    """The placeholder is what is seen, Terraform is why: diagnosis puts the one under the other."""
    assert found_in(overwritten(healthy())) == {"terraform-overwrote", "placeholder"}


def test_what_terraform_overwrote_is_to_be_protected_from_it() -> None:
    """Without ignore_changes the next apply would undo the restore that is the remedy."""
    [found] = run_check(CHECKS["terraform-overwrote"], overwritten(healthy()))
    assert found.remedy.runbook == "restore" and "ignore_changes = [secret_string]" in found.evidence[-1]


@pytest.mark.parametrize(
    ("present", "id"),
    [
        ("openai_api_key", "key-case"),
        ("OpenAI_API_Key", "key-case"),
        ("OPENAI_APIKEY", "key-misspelt"),
        ("OPENAI-API-KEY", "key-misspelt"),
        ("OPENAI_API_KEYS", "key-misspelt"),
        ("STRIPE_TOKEN", "key-missing"),
        ("", "key-missing"),
    ],
)
def test_case_spelling_and_absence_are_told_apart(present: str, id: str) -> None:
    """A key in another case, in another spelling and no key at all are three faults."""
    answers = found_in(without_key(healthy(), "OPENAI_API_KEY", present))
    assert answers - {"key-unreferenced"} == {id}


def test_a_key_of_a_log_driver_is_a_key_like_others() -> None:
    """What a log driver reads from the secret is judged like a variable, and is one of the keys that tasks use."""
    option = Injection("logConfiguration splunk-token", parse(f"{ARN}:SPLUNK_TOKEN::"))
    wired = with_container(healthy(), "worker", lambda old: replace(old, log_secrets=(option,)))
    token = secrets.token_hex(16)
    assert root_causes(with_keys(wired, SPLUNK_TOKEN=token)) == []
    assert root_causes(with_keys(wired, splunk_token=token)) == ["key-case"]
    assert root_causes(wired) == ["key-missing"]
    [changed] = [each for each in diagnose(rotated(wired, NOW, SPLUNK_TOKEN=token)) if each.check == "not-forced"]
    assert (changed.subject, "SPLUNK_TOKEN" in changed.evidence[1]) == ("worker", True)


def test_a_known_keys_namesake_is_not_taken_for_it() -> None:
    """FIRST_SUPERUSER_PASSWORD is near FIRST_SUPERUSER, but it is a key of its own."""
    assert found_in(without_key(healthy(), "FIRST_SUPERUSER")) == {"key-missing"}


@pytest.mark.parametrize("wrap", [lambda keys: {"staging": keys}, lambda keys: {"a": 1, "staging": {"all": keys}}])
def test_keys_that_one_value_has_are_told_where_they_are(wrap: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Such as those of one environment of several: ECS does not look there."""
    found = run_check(CHECKS["key-missing"], with_values(healthy(), wrap(document(healthy()))))
    assert {each.subject for each in found} == set(KEYS)
    for each in found:
        assert each.evidence[-1].endswith(
            f"of what staging holds, where {each.subject} is: make it a key of the secret."
        )
    other = with_values(
        healthy(),
        {
            "staging": {
                "XSECRET_KEY": "a",
                "note": 'SECRET_KEY: none, "SECRET_KEY": b, no SECRET_KEY: c',
                "SECRET_KEY_OLD": "b",
            }
        },
    )
    assert not any("staging holds" in " ".join(each.evidence) for each in run_check(CHECKS["key-missing"], other))


def test_containers_beside_a_proxy_that_has_the_secret_are_not_the_applications() -> None:
    """What a frontend is given in plain text is its own business, whatever Service Connect's proxy logs with."""
    plain = (("POSTGRES_SERVER", "127.0.0.1"),)
    for service, is_found in (("frontend", False), ("worker", True)):
        snapshot = on_fargate(with_container(healthy(), service, lambda old: replace(old, hosts=plain)))
        found = run_check(CHECKS["wrong-host"], with_proxy(snapshot, service, "SECRET_KEY"))
        assert any(each.status == "found" for each in found) is is_found


def test_a_key_that_a_rolled_back_revision_alone_needs_takes_more_than_new_tasks() -> None:
    """New tasks are of the revision in force: what was to be deployed is named."""
    new, began = task_definition("worker", ("SECRET_KEY", "NEW_KEY"), 8), NOW - timedelta(minutes=20)
    back = deployment("worker", began, id="back", rollout_reason="ECS deployment circuit breaker: rolling back to old.")
    failed = stopped("worker", "no key", began, deployment_id="new", task_definition_arn=new.arn)
    snapshot = with_tasks(with_service(healthy(), "worker", deployments=(back,)), failed)
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    [finding] = run_check(CHECKS["key-missing"], snapshot)
    assert finding.evidence[-1].startswith("Of worker, only ohmycoins-staging-worker:8 refers to it, which ECS rolled")
    assert "--service worker --task-definition ohmycoins-staging-worker:8 --force" in finding.remedy.command
    both = run_check(CHECKS["key-missing"], without_key(snapshot, "SECRET_KEY"))
    told = {each.subject: any("rolled back" in fact for fact in each.evidence) for each in both}
    assert told == {"NEW_KEY": True, "SECRET_KEY": False}
    deploys = {each.subject: "--task-definition" in each.remedy.command for each in both}
    assert deploys == told


@pytest.mark.parametrize(
    ("owner", "where"),
    [
        ({"primary": Replica("us-east-1", "")}, "write that one"),
        ({"owning_service": "rds"}, "change it there"),
        ({"partner": "Salesforce"}, "let Secrets Manager rotate it"),
    ],
)
def test_nobody_is_told_to_write_a_secret_that_something_else_writes(owner: dict[str, Any], where: str) -> None:
    """AWS refuses the command, and update the change: both say where the value is to be written."""
    owned = with_secret(rotated(healthy(), NOW - timedelta(hours=1)), **owner)
    lacking = with_text(owned, str(document(owned)), owned.current_id)
    faults = (
        ("key-missing", without_key(healthy(), "SMTP_HOST")),
        ("placeholder", with_keys(healthy(), SMTP_PASSWORD="changeme")),
    )
    found = [(id, with_secret(fault, **owner)) for id, fault in faults]
    for id, snapshot in (*found, ("single-quoted", lacking)):
        [finding] = run_check(CHECKS[id], snapshot)
        assert where in finding.remedy.command and not finding.remedy.runbook, id
        assert "aws secretsmanager" not in finding.remedy.command and finding.remedy.command.endswith("for new tasks.")
    # What manages a secret also names its keys, so that the reference is to be corrected.
    [misspelt] = run_check(
        CHECKS["key-misspelt"], with_secret(without_key(healthy(), "SMTP_HOST", "SMTP_HOTS"), **owner)
    )
    assert ("SMTP_HOTS::" in misspelt.remedy.command) is ("primary" not in owner)


@pytest.mark.parametrize("path", ["database.password", "$.database.password", "database[0]", "database/password"])
def test_what_is_inside_of_a_value_cannot_be_referred_to(path: str) -> None:
    """ECS takes the whole of it for the name of a key, and the finding says so."""
    snapshot = with_keys(healthy(), database={"password": secrets.token_hex(16)})
    snapshot = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{ARN}:{path}::")
    (found,) = (
        each
        for id in ("key-missing", "key-misspelt")
        for each in run_check(CHECKS[id], snapshot)
        if each.status == "found"
    )
    assert found.subject == path and "nothing inside of what database holds" in found.evidence[-1]


def test_what_is_asked_for_a_member_is_not_unreferenced_as_well() -> None:
    """One mistake is one cause: who refers to database.password means to use database."""
    snapshot = with_keys(healthy(), database={"password": secrets.token_hex(16)}, DATABASE="x")
    snapshot = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{ARN}:database.password::")
    spare = run_check(CHECKS["key-unreferenced"], snapshot)
    assert [each.subject for each in spare if each.is_problem] == ["DATABASE"]


def test_a_misspelt_key_is_not_unreferenced_as_well() -> None:
    """What was meant for a wanted key is no second finding."""
    snapshot = without_key(healthy(), "SECRET_KEY", "SECRET_KYE")
    assert found_in(snapshot) == {"key-misspelt"}


def test_every_member_of_the_platforms_secret_may_be_plain() -> None:
    """Numbers below a million, booleans, addresses and words are ordinary values."""
    plain = {"POSTGRES_PORT": 5432, "SMTP_TLS": True, "PROJECT_NAME": "Oh My Coins", "BACKEND_CORS_ORIGINS": "http://x"}
    snapshot = with_keys(healthy(), **plain)
    assert found_in(snapshot) <= {"key-unreferenced"}


@pytest.mark.parametrize("value", ["admin@example.com", "true", "5432", "smtp.gmail.com", "none of it"])
def test_an_ordinary_value_is_no_fault(value: str) -> None:
    """Values that are short or public, and right."""
    assert found_in(with_keys(healthy(), SMTP_USER=value)) == set()


def test_an_optional_key_may_be_empty() -> None:
    """The guide leaves SMTP_HOST empty to turn e-mails off."""
    assert found_in(with_keys(healthy(), SMTP_HOST="", SENTRY_DSN="")) == set()


def test_a_key_becomes_required_by_the_configuration() -> None:
    """[keys.SMTP_HOST] required = true makes an empty one a fault."""
    snapshot = with_keys(healthy(), SMTP_HOST="")
    keys = {**snapshot.environment.keys, "SMTP_HOST": Key(required=True)}
    assert found_in(replace(snapshot, environment=replace(snapshot.environment, keys=keys))) == {"empty"}


def test_a_key_that_the_configuration_requires_is_somewhere() -> None:
    """[keys.PARTNER_TOKEN] required = true, and neither the secret nor a container has it: no task can get it."""

    def requiring(snapshot: Snapshot, **fields: Any) -> Snapshot:
        keys = {**snapshot.environment.keys, "PARTNER_TOKEN": Key(required=True, **fields)}
        return replace(snapshot, environment=replace(snapshot.environment, keys=keys))

    (found,) = (each for each in diagnose(requiring(healthy())) if each.is_problem)
    assert (found.check, found.subject, found.severity) == ("empty", "PARTNER_TOKEN", "error")
    assert found.remedy.runbook == "add_key" and found.remedy.parameters["key"] == "PARTNER_TOKEN"
    assert found_in(requiring(with_keys(healthy(), PARTNER_TOKEN=secrets.token_hex(16)))) == {"key-unreferenced"}
    plain = with_container(healthy(), "worker", lambda old: replace(old, environment=("PARTNER",)))
    assert found_in(requiring(plain, variable="PARTNER")) == set()
    assert found_in(requiring(healthy(), required_if="PARTNER=yes")) == set()
    files = with_container(healthy(), "worker", lambda old: replace(old, has_environment_files=True))
    [doubt] = run_check(CHECKS["empty"], requiring(files))
    assert (doubt.status, doubt.subject) == ("unknown", "PARTNER_TOKEN") and "environmentFiles" in doubt.evidence[-1]


@pytest.mark.parametrize("has_file", [False, True])
def test_the_evidence_names_what_requires_a_key(
    has_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """OMC_KEYS or runbook.toml, each for its own keys: the guide requires neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMC_KEYS", '{"NEWS_TOKEN": {"required": true}, "PARTNER_TOKEN": {"form": "text"}}')
    sources = {"NEWS_TOKEN": "OMC_KEYS"}
    if has_file:
        file = tmp_path / "runbook.toml"
        file.write_text("[keys.PARTNER_TOKEN]\nrequired = true\n")
        sources["PARTNER_TOKEN"] = str(file)
    loaded = load("staging")
    environment = replace(healthy().environment, keys=loaded.keys, variables=loaded.variables, source=loaded.source)
    found = [each for each in diagnose(replace(healthy(), environment=environment)) if each.is_problem]
    assert {each.subject: each.evidence[0].partition(" says that ")[0] for each in found} == sources


def test_a_key_that_only_the_log_of_service_connect_has_is_in_use() -> None:
    """It is in no task definition, and a service's proxy reads it."""
    snapshot = with_keys(healthy(), SPLUNK_TOKEN=secrets.token_hex(16))
    proxy = (Injection("logConfiguration splunk-token", value_from.parse(f"{ARN}:SPLUNK_TOKEN::")),)
    assert found_in(snapshot) == {"key-unreferenced"}
    assert found_in(with_service(snapshot, "worker", proxy_secrets=proxy)) == set()


def test_a_placeholder_in_an_optional_key_is_a_warning() -> None:
    """The application starts without it; a required key's placeholder is an error."""
    [optional] = run_check(
        CHECKS["placeholder"], with_keys(healthy(), SENTRY_DSN="https://your-sentry-dsn@sentry.io/1")
    )
    [required] = run_check(CHECKS["placeholder"], with_keys(healthy(), OPENAI_API_KEY="sk-your-openai-api-key-here"))
    assert (optional.severity, required.severity) == ("warning", "error")


def test_the_fresh_worlds_placeholders_are_each_found() -> None:
    """After the first terraform apply every key has a placeholder, and each is named."""
    fresh = dict.fromkeys(values(), "temporary-value-please-update")
    found = run_check(CHECKS["placeholder"], with_values(healthy(), fresh))
    assert {answer.subject for answer in found} == set(fresh)


def test_a_password_may_break_a_url_only_where_one_is_built() -> None:
    """Characters that break a URL do not matter in a key that no URL is built from."""
    assert found_in(with_keys(healthy(), SMTP_PASSWORD=secrets.token_hex(8) + "/@:#")) == set()


def test_a_base64_password_breaks_the_url() -> None:
    """What openssl rand -base64 makes, as the guide has it, can hold a slash."""
    assert found_in(with_keys(healthy(), POSTGRES_PASSWORD=f"{secrets.token_hex(8)}/{secrets.token_hex(8)}=")) == {
        "url-chars"
    }


@pytest.mark.parametrize("mark", ["/", "?", "%", "\\", "[", " "])
def test_what_breaks_a_url_is_among_the_characters_that_are_named(mark: str) -> None:
    """Else nobody would look for it."""
    password = secrets.token_hex(8) + mark + secrets.token_hex(8)
    [found] = run_check(CHECKS["url-chars"], with_keys(healthy(), POSTGRES_PASSWORD=password))
    assert f" {mark.strip() or 'white space'} " in found.evidence[0]


def test_without_a_secret_nothing_is_said_of_its_keys() -> None:
    """Where there is no current version, its keys are neither missing nor empty."""
    assert found_in(replace(healthy(), contents={})) == set()


def test_a_pinned_reference_does_not_miss_a_key_of_the_current_version() -> None:
    """A variable that comes from another version does not ask for the current one's key."""
    snapshot = healthy()
    pinned = f"{snapshot.secret.arn}:OLD_KEY:AWSPREVIOUS:" if snapshot.secret else ""
    assert found_in(with_reference(snapshot, "worker", "OPENAI_API_KEY", pinned)) == set()


@pytest.mark.parametrize("field", ["AWSPREVIOUS:", f":{PREVIOUS}"])
def test_a_reference_is_at_fault_whose_version_lacks_a_key_of_the_current_one(field: str) -> None:
    """The key is not missing: a new value would not reach the variable either."""
    snapshot = with_values(with_keys(healthy(), STRIPE_API_KEY=secrets.token_hex(16)), document(healthy()), PREVIOUS)
    assert snapshot.secret
    pinned = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{snapshot.secret.arn}:STRIPE_API_KEY:{field}")
    found = [each for each in diagnose(pinned) if each.is_problem and "STRIPE_API_KEY" in " ".join(each.evidence)]
    assert {(each.check, each.severity) for each in found} == {
        ("previous-pinned" if field == "AWSPREVIOUS:" else "version-pinned", "error")
    }
    assert "that version does not have the key STRIPE_API_KEY, and the current one has it." in found[0].evidence[1]
    neither = with_values(pinned, document(healthy()))
    assert found_in(neither) == {"key-missing"}


@pytest.mark.parametrize("is_binary", [False, True])
def test_no_task_starts_with_a_key_of_a_version_that_is_no_json(is_binary: bool) -> None:
    """The current version does not matter then."""
    snapshot = with_text(healthy(), "a text without keys", PREVIOUS)
    if is_binary:
        snapshot = replace(snapshot, contents={**snapshot.contents, PREVIOUS: Content(PREVIOUS, binary=True)})
    assert snapshot.secret
    pinned = with_reference(snapshot, "worker", "SECRET_KEY", f"{snapshot.secret.arn}:SECRET_KEY:AWSPREVIOUS:")
    [found] = [each for each in diagnose(pinned) if each.check == "previous-pinned" and each.is_problem]
    assert found.severity == "error"
    assert found.evidence[1] == "The stage field is AWSPREVIOUS: ECS can read no key from that version."


@pytest.mark.parametrize("agent", ["aws-cli/2.15", "Boto3/1.40"])
def test_another_writer_is_not_blamed_on_terraform(agent: str) -> None:
    """A placeholder that a person put is a placeholder and no more."""
    assert found_in(overwritten(healthy(), agent)) == {"placeholder"}


def test_who_overwrote_a_value_is_unknown_as_long_as_cloudtrail_has_no_call_of_it() -> None:
    """It may have been Terraform; where a value was a placeholder before, it was nobody."""
    lost = replace(overwritten(healthy()), writes=())
    [unknown] = run_check(CHECKS["terraform-overwrote"], lost)
    assert (unknown.status, unknown.subject) == ("unknown", "SECRET_KEY")
    assert f"CloudTrail has no call that made version {CURRENT}" in unknown.evidence[-1]
    again = with_values(lost, document(lost), PREVIOUS)
    assert_clear(CHECKS["terraform-overwrote"], again)
    assert_clear(CHECKS["terraform-overwrote"], with_text(lost, "no JSON", PREVIOUS))


def test_terraform_may_write_nothing_over_a_value() -> None:
    """Many a placeholder is an empty text: the former version has the value. An optional key may be empty."""
    lost = overwritten(healthy())
    emptied = with_keys(lost, SECRET_KEY="", SMTP_HOST="")
    [cause] = [each for each in diagnose(emptied) if each.is_root_cause]
    assert (cause.check, cause.subject, cause.remedy.runbook) == ("terraform-overwrote", "SECRET_KEY", "restore")
    assert "SECRET_KEY is empty now, and a value in the previous version." in cause.evidence
    by_hand = replace(emptied, writes=())
    assert found_in(by_hand) == {"empty"} and run_check(CHECKS["terraform-overwrote"], by_hand)[0].status == "clear"
    unread = replace(emptied, writes=None)
    assert [each.check for each in diagnose(unread) if each.is_root_cause] == ["empty"]
    before = with_values(emptied, {**document(emptied), "SECRET_KEY": ""}, PREVIOUS)
    assert found_in(before) == {"empty"}
    never = with_values(emptied, {**document(emptied), "SECRET_KEY": "changethis"}, PREVIOUS)
    assert found_in(never) == {"empty"}


def test_a_placeholder_that_was_there_before_was_not_overwritten() -> None:
    """Terraform is to blame only where a value was lost."""
    lost = overwritten(healthy())
    again = with_values(lost, {**document(lost), "SMTP_HOST": "other.ohmycoins.test"}, PREVIOUS)
    assert found_in(again) == {"placeholder"}


def test_the_template_default_over_a_value_is_terraforms_as_well() -> None:
    """changethis is a placeholder that terraform apply can put back."""
    lost = overwritten(healthy())
    assert found_in(with_keys(lost, SECRET_KEY="changethis")) == {"terraform-overwrote", "changethis"}


def test_a_broken_document_says_where_and_shows_nothing() -> None:
    """The evidence has line and column of the fault, and the version to go back to."""
    snapshot = with_values(healthy(), values(), PREVIOUS)
    [found] = run_check(CHECKS["truncated"], FAULTS["truncated"].make(snapshot))
    assert f"--move-to-version-id {PREVIOUS} --remove-from-version-id {CURRENT}" in found.remedy.command


def test_a_key_that_no_entry_names_gets_an_entry_of_secrets() -> None:
    """There is no valueFrom that could be set: the entry is new."""
    [found] = run_check(CHECKS["key-unreferenced"], with_keys(healthy(), NEWS_API_KEY=secrets.token_hex(20)))
    entry = 'add an entry with name = "NEWS_API_KEY" and valueFrom = "${var.secrets_arn}:NEWS_API_KEY::" to secrets'
    assert entry in found.remedy.command


def test_a_key_beside_the_one_that_tasks_read_is_its_twin() -> None:
    """A new value under a name in lower case reaches nobody: it belongs to the key that tasks read."""
    snapshot = with_keys(healthy(), openai_api_key=f"sk-{secrets.token_hex(20)}")
    [found] = [answer for answer in run_check(CHECKS["key-unreferenced"], snapshot) if answer.is_problem]
    assert "looks like OPENAI_API_KEY" in found.evidence[0]
    assert found.remedy.parameters["keys"] == "OPENAI_API_KEY"
    assert found.remedy.parameters["remove"] == "openai_api_key"


@pytest.mark.parametrize(
    "name", ["_comment", "$schema", "//", "# read me", "COMMENT", "comments", "Note", "NOTES", "readme", "description"]
)
def test_a_note_in_the_secret_is_a_remark(name: str) -> None:
    """Nobody means a task to have it."""
    [found] = run_check(CHECKS["key-unreferenced"], with_keys(healthy(), **{name: "Ask Kim first."}))
    assert (found.status, found.severity) == ("found", "info")


@pytest.mark.parametrize(
    ("present", "id"),
    [
        ("SENTRY_DSN_STAGING", "key-misspelt"),
        ("STAGING_SENTRY_DSN", "key-misspelt"),
        ("OHMYCOINS_SENTRY_DSN", "key-misspelt"),
        ("VITE_SENTRY_DSN", "key-misspelt"),
        ("export SENTRY_DSN", "key-misspelt"),
        ("SentryDsn", "key-misspelt"),
        ("sentryDSN", "key-misspelt"),
        ("SENTRY_DSN_READONLY", "key-missing"),
        ("EXPORT_SENTRY_DSN", "key-missing"),
        ("SENTRY_DSN_EXPORT", "key-missing"),
        ("SENTRY_DSN_STAGING_OLD", "key-missing"),
        ("SENTRY_DSN_OLD", "key-missing"),
        ("OLD_SENTRY_DSN", "key-missing"),
        ("SENTRY_DSN_FILE", "key-missing"),
    ],
)
def test_a_key_with_the_environments_name_is_taken_for_the_missing_one(present: str, id: str) -> None:
    """A word that says where it is used makes no other key of it, nor does writing its words as one."""
    found = found_in(without_key(healthy(), "SENTRY_DSN", present))
    assert id in found
    assert ("key-unreferenced" in found) == (id == "key-missing")


@pytest.mark.parametrize(
    ("key", "other", "is_misspelt"),
    [
        ("BACKUP_BUCKET", "BACKUPS_BUCKET", True),
        ("SECRET_KEY_FALLBACKS", "SECRET_KEY_FALLBACK", True),
        ("NEW_RELIC_LICENSE_KEY", "NEWRELIC_LICENSE_KEY", True),
        ("POSTGRES_PASSWORD_FILE", "POSTGRES_PASSWORDFILE", True),
        ("NEXT_PUBLIC_API_URL", "PUBLIC_API_URL", True),
        ("NEXT_PUBLIC_API_URL", "NEXT_API_URL", True),
        ("NEW_RELIC_LICENSE_KEY", "RELIC_LICENSE_KEY", True),
        ("NEXT_PUBLIC_KEY", "PUBLIC_KEY", False),
        ("NEW_RELIC_LICENSE_KEY", "NEW_RELIC_LICENSE_KEY_NEW", False),
        ("JWT_NEXT_PUBLIC_JWK", "JWT_PUBLIC_JWK", False),
        ("NEXT_PUBLIC_API_URL", "OLD_PUBLIC_API_URL", False),
        ("SIGNING_KEY", "SINGING_KEY", True),
        ("STRIPE_SIGNING_SECRET", "STRIPE_SINGING_SECRET", True),
        ("RATE_EU", "RATE_UE", False),
        ("SECRET_KEY", "NEW_SECRET_KEY", False),
        ("OLD_SECRET_KEY", "NEW_SECRET_KEY", False),
        ("OLD_SECRET_KEY", "SECRTE_KEY", False),
    ],
)
def test_a_word_for_another_value_may_be_misspelt_itself(key: str, other: str, is_misspelt: bool) -> None:
    """It makes another key only where the other one has nothing like it."""
    assert is_misspelling(key, other) == is_misspelling(other, key) == is_misspelt


def test_a_generated_value_is_one_keys_alone() -> None:
    """The database's password is not the superuser's as well; what is not generated may be the same, as two logins."""
    password, mail = secrets.token_urlsafe(24), "admin@ohmycoins.com"
    snapshot = with_keys(healthy(), POSTGRES_PASSWORD=password, FIRST_SUPERUSER_PASSWORD=password)
    [found] = [answer for answer in run_check(CHECKS["weak"], snapshot) if answer.is_problem]
    assert found.subject == "FIRST_SUPERUSER_PASSWORD" and "as POSTGRES_PASSWORD" in found.evidence[0]
    assert found_in(with_keys(healthy(), SMTP_USER=mail, FIRST_SUPERUSER=mail)) == set()


def test_a_boolean_is_judged_as_the_text_that_tasks_get() -> None:
    """The text true is no key of a provider, and a good flag."""
    assert found_in(with_keys(healthy(), OPENAI_API_KEY=True)) == {"wrong-form"}


def test_a_key_that_a_log_driver_reads_is_referenced() -> None:
    """No variable has it; its value is judged like any other, and its readers are named."""
    injection = Injection("logConfiguration Splunk_Token", value_from.parse(f"{ARN}:SPLUNK_TOKEN::"))
    snapshot = with_container(healthy(), "worker", lambda container: replace(container, log_secrets=(injection,)))
    assert found_in(with_keys(snapshot, SPLUNK_TOKEN=secrets.token_hex(16))) == set()
    quoted = with_keys(snapshot, SPLUNK_TOKEN=f'"{secrets.token_hex(16)}"')
    [found] = [answer for answer in run_check(CHECKS["bad-copy"], quoted) if answer.is_problem]
    assert (found.subject, found.services) == ("SPLUNK_TOKEN", frozenset({"worker"}))


def test_an_unreferenced_key_is_a_remark_where_no_task_misses_it() -> None:
    """Its variable is plain, by the key's own variable too, or it is empty and not required; else it counts."""
    keys = {**healthy().environment.keys, "port": Key(variable="POSTGRES_PORT"), "TOKEN": Key(required=True)}
    snapshot = with_keys(healthy(), DOMAIN="a.test", port=5432, NOTHING="", TOKEN="", STRIPE_KEY=secrets.token_hex(16))
    snapshot = replace(snapshot, environment=replace(snapshot.environment, keys=keys))
    snapshot = with_container(
        snapshot, "worker", lambda container: replace(container, environment=("DOMAIN", "POSTGRES_PORT"))
    )
    found = {each.subject: each for each in run_check(CHECKS["key-unreferenced"], snapshot)}
    assert {subject for subject, each in found.items() if each.severity == "info"} == {"DOMAIN", "port", "NOTHING"}
    assert {subject for subject, each in found.items() if each.is_problem} == {"TOKEN", "STRIPE_KEY"}
    assert found["port"].evidence[1].startswith("POSTGRES_PORT is a plain variable in ohmycoins-staging-worker:7")
    # One name in both would be the next fault, duplicate-name.
    assert found["port"].remedy.needs == "Take POSTGRES_PORT out of environment in the same change."
    assert not found["STRIPE_KEY"].remedy.needs


def test_keys_of_another_document_are_a_remark() -> None:
    """A document of a database's own took the place of the secret's: its keys are not for tasks to refer to."""
    former = with_values(healthy(), document(healthy()), PREVIOUS)
    replaced = with_values(former, {"username": "app", "password": secrets.token_hex(16), "engine": "postgres"})
    assert {(each.check, each.remedy.runbook) for each in diagnose(replaced) if each.is_root_cause} == {
        ("key-missing", "update")
    }
    beside = with_values(former, {**document(healthy()), "username": "app"})
    assert [each.check for each in diagnose(beside) if each.is_root_cause] == ["key-unreferenced"]


def test_no_reference_to_an_unreferenced_object_is_proposed() -> None:
    """ECS injects an object as map[...]: what it holds has to become keys first."""
    [found] = run_check(CHECKS["key-unreferenced"], with_keys(healthy(), staging={"TOKEN": secrets.token_hex(16)}))
    assert found.remedy.command.startswith("Make what staging holds keys of the secret")


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_value_that_stands_where_its_key_belongs_is_removed_by_its_label(is_missing: bool) -> None:
    """A reference to it would name the value; the key that it took the place of gets a new one."""
    value, members = f"{secrets.token_hex(8)}-aB3", document(healthy())
    if is_missing:
        del members["SECRET_KEY"]
    snapshot = with_values(healthy(), {**members, value: "SECRET_KEY"})
    [found] = [each for each in run_check(CHECKS["key-unreferenced"], snapshot) if each.status == "found"]
    assert found.remedy.parameters["remove"] == "‹SECRET_KEY›"
    assert found.remedy.parameters.get("keys", "") == ("SECRET_KEY" if is_missing else "")
    assert value not in " ".join((*found.evidence, *found.remedy.ways))


def test_values_without_a_form_go_back_by_the_former_version() -> None:
    """update would take their right order for another exchange; restored, they are no longer called exchanged."""
    right = document(healthy())
    names = ("SECRET_KEY", "SMTP_PASSWORD")
    wrong = {**right, names[0]: right[names[1]], names[1]: right[names[0]]}
    exchanged = with_values(with_values(healthy(), right, PREVIOUS), wrong, CURRENT)
    found = [each for each in run_check(CHECKS["values-exchanged"], exchanged) if each.status == "found"]
    assert [each.subject for each in found] == [*names]
    assert {each.remedy.runbook for each in found} == {"restore"}
    older, newer = healthy().versions
    restored = replace(
        exchanged, versions=(replace(older, created=newer.created), replace(newer, created=older.created))
    )
    assert_clear(CHECKS["values-exchanged"], restored)
    by_form = run_check(CHECKS["values-exchanged"], FAULTS["values-exchanged"].make(healthy()))
    assert {each.remedy.runbook for each in by_form} == {"update"}


def test_three_values_that_moved_on_are_each_told_with_the_next() -> None:
    """And none of them as anything else."""
    right = document(healthy())
    names = ("SECRET_KEY", "SMTP_PASSWORD", "FIRST_SUPERUSER_PASSWORD")
    moved = dict(zip(names, (right[name] for name in (*names[1:], names[0])), strict=True))
    wrong = with_values(with_values(healthy(), right, PREVIOUS), {**right, **moved}, CURRENT)
    found = {each.subject: each for each in run_check(CHECKS["values-exchanged"], wrong)}
    assert set(found) == set(names)
    assert found["SMTP_PASSWORD"].evidence[0].split(", and ")[-1] == "SECRET_KEY has what SMTP_PASSWORD should have."
    # However many there are, each is named with its neighbours alone.
    start = "SMTP_PASSWORD has what FIRST_SUPERUSER_PASSWORD should have, and "
    assert found["SMTP_PASSWORD"].evidence[0].startswith(start)
    assert {each.remedy.runbook for each in found.values()} == {"restore"}
    assert {each.title for each in found.values()} == {"The values of two keys or more are swapped"}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SMTP_HOST", "smtp://mail.example.com", {"wrong-form"}),
        ("MONGO_HOST", "mongodb://m1.internal:27017", set()),
        ("REDIS_HOST", "redis", set()),
        ("ELASTICSEARCH_HOST", "https://es.internal:9200", set()),
    ],
)
def test_an_address_in_place_of_a_host_may_be_right(name: str, value: str, found: set[str]) -> None:
    """Where the catalogue does not say that the application takes a host alone."""
    assert found_in(with_own(name, value)(healthy())) == found


@pytest.mark.parametrize(
    ("members", "fact"),
    [
        (
            {"FIRST_SUPERUSER_PASSWORD": (mail := f"{secrets.token_hex(9)}@ohmycoins.com"), "FIRST_SUPERUSER": mail},
            "FIRST_SUPERUSER_PASSWORD has the same value as FIRST_SUPERUSER, which is not a secret.",
        ),
        (
            {"SECRET_KEY": (issued := f"sk-{secrets.token_hex(20)}"), "OPENAI_API_KEY": issued},
            "SECRET_KEY has the same value as OPENAI_API_KEY: whoever knows one need not guess the other.",
        ),
        # Postmark's user is the token that is the password.
        ({"SMTP_USER": (token_of_both := secrets.token_hex(10)), "SMTP_PASSWORD": token_of_both}, ""),
        ({"SMTP_USER": "", "SMTP_PASSWORD": ""}, ""),
        ({"SMTP_USER": (login := "admin@ohmycoins.com"), "FIRST_SUPERUSER": login}, ""),
        ({"SMTP_PASSWORD": (shared := secrets.token_hex(20)), "OPENAI_API_KEY": f"sk-{shared}"}, ""),
    ],
)
def test_a_value_that_should_be_its_own_is_weak_where_another_key_has_it(members: dict[str, str], fact: str) -> None:
    """An e-mail address is no password, and a provider's key signs nothing."""
    found = [each for each in run_check(CHECKS["weak"], with_keys(healthy(), **members)) if each.is_problem]
    assert [each.evidence[0] for each in found] == ([fact] if fact else [])


def test_an_address_with_a_signature_that_expired_is_not_said_to_be_the_signature() -> None:
    """The finding says only when it expired."""
    address = f"https://omc.blob.core.windows.net/feed?se=2020-01-01&sig={secrets.token_hex(16)}"
    [found] = run_check(CHECKS["value-expired"], with_own("FEED", address)(healthy()))
    assert found.evidence == ("FEED holds a shared access signature that expired at 2020-01-01 00:00 UTC.",)


def test_json_that_is_no_object_is_not_said_to_be_unparsable() -> None:
    """It has no keys."""
    [found] = run_check(CHECKS["not-an-object"], with_text(healthy(), "[]"))
    assert found.evidence[0].startswith("The current version has no keys: ")


def on_fargate(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The services run on Fargate, with other settings besides."""
    return replace(
        snapshot, services=tuple(replace(each, launch_type="FARGATE", **changes) for each in snapshot.services)
    )


@pytest.mark.parametrize(
    ("name", "value", "reason", "severity"),
    [
        ("REDIS_URL", "redis://127.0.0.1:6379/0", "leads to localhost", "error"),
        ("REDIS_URL", "rediss://:Xk3vQ9pLm2Zt@[::1]:6379", "leads to localhost", "error"),
        ("CELERY_BROKER_URL", "amqp://app:Xk3vQ9pLm2Zt@rabbit:5672/", "a host without a dot", "warning"),
        ("REDIS_URL", "redis://localhost:6379/0", "leads to localhost", "error"),
        ("SMTP_HOST", "localhost.localdomain", "leads to localhost", "error"),
        ("PGHOST", "127.0.0.1", "leads to localhost", "error"),
        ("POSTGRES_SERVER", "db", "a host without a dot", "warning"),
        ("POSTGRES_SERVER", "ohmycoins-prod.c1.ap-southeast-2.rds.amazonaws.com", "a host of production", "error"),
    ],
)
def test_a_host_of_elsewhere_is_found_without_the_value(name: str, value: str, reason: str, severity: str) -> None:
    """Also where the tasks run well: nobody has used it yet."""
    snapshot = on_fargate(with_store("x", name)(healthy()))
    [found] = run_check(CHECKS["wrong-host"], with_keys(snapshot, **{name: value}))
    assert (found.subject, found.status, found.severity) == (name, "found", severity)
    assert reason in found.evidence[0] and value not in " ".join(found.evidence)


def test_a_common_value_is_told_as_one_that_is_masked_only_alone() -> None:
    """That an output may show it is the worse half of it."""
    [found] = run_check(CHECKS["weak"], with_keys(healthy(), SMTP_PASSWORD="sunshine"))
    assert "mask it only where it stands alone" in found.evidence[0]


def test_a_form_says_that_a_value_is_a_host() -> None:
    """Where the name does not: a key of one's own in runbook.toml."""
    assert find_host("localhost:6379", "REDIS", Key(form="host")) == "localhost"
    assert find_host("localhost:6379", "REDIS", Key()) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("PGHOST", "PG_HOSTNAME", "DB_HOST", "DATABASE_SERVER", "SQL_ENDPOINT", "MYSQL_HOST", "MARIADB_HOST"),
        *("RDS_HOST", "MONGO_HOSTS", "MONGODB_HOST1", "VALKEY_ENDPOINT", "CACHE_HOST", "MEMCACHED_SERVERS"),
        *("MEMCACHE_HOST",),
        *("CELERY_HOST", "BROKER_HOST", "QUEUE_HOST", "RABBIT_HOST", "RABBITMQ_HOST", "AMQP_HOST", "KAFKA_HOSTS"),
        *("ELASTIC_HOST", "ELASTICSEARCH_HOSTS", "OPENSEARCH_HOST", "APP_SMTP_HOST", "MAIL_SERVER", "EMAIL_HOST"),
    ],
)
def test_the_host_of_a_store_is_known_by_its_variable(name: str) -> None:
    """As drivers, frameworks and images name it."""
    assert find_host("store.internal:1234,other.internal", name) == "store.internal"


@pytest.mark.parametrize(
    ("name", "text", "host"),
    [
        ("ELASTICSEARCH_HOST", "http://localhost:9200", "localhost"),
        ("SMTP_HOST", "smtp://mail.example.com", "mail.example.com"),
        ("REDIS_HOST", "rediss://:a/b@cache.internal/0", ""),
        ("REDIS_HOST", "rediss://:ab@[::1]:6380/0", "[::1]:6380"),
        ("KAFKA_BROKERS", "localhost:9092,b-2.internal:9092", "localhost"),
        ("CELERY_RESULT_BACKEND", "db+postgresql://app:ab@localhost/app", "localhost"),
        ("CELERY_RESULT_BACKEND", "redis://localhost:6379/1", "localhost"),
        ("CELERY_RESULT_BACKEND", "django-db", ""),
        ("CELERY_RESULT_BACKEND", "s3://cache/results", ""),
        ("CELERY_RESULT_BACKEND", "gs://queue", ""),
        ("CELERY_BROKER_URL", "filesystem://localhost/", ""),
        ("CELERY_BROKER_URL", "memory://localhost/", ""),
        # What a program listens on, and a frontend in a container beside.
        ("CELERY_EXPORTER_HOST", "0.0.0.0", ""),
        ("EMAIL_BIND_HOST", "0.0.0.0", ""),
        ("DB_PROXY_LISTEN_HOST", "127.0.0.1", ""),
        ("INTERNAL_FRONTEND_URL", "http://localhost:3000", ""),
    ],
)
def test_the_host_of_a_store_stands_behind_a_scheme_too(name: str, text: str, host: str) -> None:
    """A scheme is no host."""
    assert find_host(text, name) == host


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("loopback", ("0.0.0.0", "127.0.1.1", "[::1]", "localhost", "host.docker.internal")),
        ("short", ("database", "postgres", "postgresql", "pg", "mysql", "mariadb", "mongo", "mongodb", "redis")),
        ("short", ("valkey", "cache", "memcached", "rabbitmq", "broker", "queue", "kafka", "elasticsearch")),
        ("short", ("opensearch", "mailcatcher", "mailhog", "mailpit", "smtp")),
    ],
)
def test_a_host_of_a_developers_machine_is_strange(kind: HostKind, names: tuple[str, ...]) -> None:
    """What leads to the machine itself, and what images are called in compose files."""
    assert {name: judge(name, "staging", ()) for name in names} == dict.fromkeys(names, StrangeHost(kind))


def test_the_name_of_another_environments_secret_is_found() -> None:
    """An application that reads its secret itself would read production's."""
    snapshot = with_keys(with_store("x", "APP_SECRETS")(healthy()), APP_SECRETS="ohmycoins-production-app-secrets")
    others = {"production": Names(secret="ohmycoins-production-app-secrets")}
    [found] = run_check(
        CHECKS["wrong-host"], replace(snapshot, environment=replace(snapshot.environment, others=others))
    )
    assert found.evidence == ("APP_SECRETS names the secret of production.",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://cache.staging.internal:6379/0"),
        ("REDIS_URL", "redis://live.cache.amazonaws.com:6379/0"),
        ("MONGODB_URI", "mongodb://app:Xk3vQ9pLm2Zt@m1:27017,m2:27017/app?replicaSet=rs0"),
        ("FRONTEND_HOST", "http://localhost:5173"),
        ("UVICORN_HOST", "0.0.0.0"),
        ("COINSPOT_API_URL", "https://api.prod.coinspot.example"),
        ("DATABASE_URL", "sqlite:///./test.db"),
    ],
)
def test_a_host_that_may_be_right_is_clear(name: str, value: str) -> None:
    """Public services have hosts of their production, and what a server listens at is no store."""
    snapshot = on_fargate(with_store("x", name)(healthy()))
    assert_clear(CHECKS["wrong-host"], with_keys(snapshot, **{name: value}))


@pytest.mark.parametrize("name", ["FRONTEND_HOST", "APP_FRONTEND_URL", "PUBLIC_URL", "SITE_URL"])
def test_links_to_localhost_lead_nowhere_in_production(name: str) -> None:
    """In an e-mail they open on its reader's machine, whatever runs beside the application; origins may be several."""

    def plainly(value: str) -> Snapshot:
        snapshot = with_container(
            healthy(), "backend", lambda old: replace(old, hosts=((name, find_host(value, name)),))
        )
        return replace(snapshot, environment=replace(snapshot.environment, name="production"))

    staging = with_keys(with_store("x", name)(healthy()), **{name: "http://localhost:5173/"})
    production = replace(staging, environment=replace(staging.environment, name="production"))
    for snapshot in (production, plainly("http://127.0.0.1:5173")):
        [found] = run_check(CHECKS["wrong-host"], snapshot)
        assert found.severity == "warning" and found.services == {"backend"}
        assert found.evidence[0].endswith(
            " leads to localhost: a link that begins with it leads to the reader's own machine."
        )
    assert_clear(CHECKS["wrong-host"], staging)
    for right in (
        "https://live.ohmycoins.com",
        "https://staging.ohmycoins.com",
        "http://frontend:3000",
        "localhost",
        "",
    ):
        assert_clear(CHECKS["wrong-host"], plainly(right))


def test_names_of_service_connect_and_sidecars_are_right() -> None:
    """A name without a dot is resolved there, and at localhost a container beside the application answers."""
    assert_clear(CHECKS["wrong-host"], on_fargate(with_store("redis")(healthy()), connects=True))
    snapshot = on_fargate(with_store("localhost")(healthy()))
    arn = next(each.task_definition_arn for each in snapshot.services if each.name == "backend")
    revision = snapshot.task_definitions[arn]
    beside = replace(revision, containers=(*revision.containers, replace(revision.containers[0], name="redis")))
    assert_clear(CHECKS["wrong-host"], replace(snapshot, task_definitions={**snapshot.task_definitions, arn: beside}))


def test_a_plain_host_is_judged_too_but_not_an_emulators() -> None:
    """Its own database is on this machine, as its tasks are, at a port that was free."""

    def with_plain(port: str) -> Snapshot:
        def change(old: Container) -> Container:
            return replace(old, hosts=(("POSTGRES_SERVER", "127.0.0.1"),), logins=(("POSTGRES_PORT", port),))

        return on_fargate(with_container(healthy(), "backend", change))

    [found] = run_check(CHECKS["wrong-host"], with_plain("5432"))
    assert "POSTGRES_SERVER" in found.subject and found.services == {"backend"}
    local = replace(with_plain("45555"), endpoint="http://127.0.0.1:5000")
    assert_clear(CHECKS["wrong-host"], local)
    assert run_check(CHECKS["wrong-host"], replace(local, endpoint=""))[0].status == "found"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_aws_is_not_at_localhost_but_where_an_emulator_runs_the_tasks(name: str) -> None:
    """What a developer sets for an emulator is no endpoint for a task; a proxy may be one."""

    def with_endpoint(value: str) -> Snapshot:
        plain = ((name, find_host(value, name)),)
        return on_fargate(with_container(healthy(), "backend", lambda old: replace(old, hosts=plain)))

    snapshot = with_endpoint("http://localhost:4566")
    [found] = run_check(CHECKS["wrong-host"], snapshot)
    assert name in found.subject and found.severity == "error" and f"Remove {name}" in found.remedy.command
    assert_clear(CHECKS["wrong-host"], replace(snapshot, endpoint="http://127.0.0.1:5000"))
    assert_clear(CHECKS["wrong-host"], with_endpoint("https://proxy.production.internal:8443"))


@pytest.mark.parametrize("password", ["hunter2", "letmein2024", "P@ssw0rd123"])
def test_a_password_that_a_person_made_up_is_weak(password: str) -> None:
    """Whoever issued it; an app password, and words that nobody guesses, are not."""
    (found,) = run_check(CHECKS["weak"], with_keys(healthy(), SMTP_PASSWORD=password))
    assert found.subject == "SMTP_PASSWORD" and "easy to guess" in found.evidence[0]
    for good in (" ".join(secrets.token_hex(2) for _ in range(4)), "lantern ostrich violet quarry"):
        assert_clear(CHECKS["weak"], with_keys(healthy(), SMTP_PASSWORD=good))


@pytest.mark.parametrize("key", ["FIRST_SUPERUSER", "SENTRY_DSN"])
def test_a_number_is_judged_by_its_text(key: str) -> None:
    """ECS injects its digits: they need the form that the key's value has, and one with an exponent has one fault."""
    assert found_in(with_keys(healthy(), **{key: 5})) == {"wrong-form"}
    assert found_in(with_keys(healthy(), **{key: 12345678})) == {"number-format"}
    assert found_in(with_keys(healthy(), SMTP_PASSWORD=12345678)) == {"number-format"}


@pytest.mark.parametrize(
    ("key", "name", "quoted"),
    [
        ("", '""', "''"),
        ("A:B", "A:B", "A:B"),
        ("A:\u200bB", "A:‹U+200B›B", "'A:‹U+200B›B'"),
        ("$(: > a)", "$(: > a)", "'$(: > a)'"),
    ],
)
def test_a_key_that_no_reference_can_name_has_to_be_renamed(key: str, name: str, quoted: str) -> None:
    """ECS splits a valueFrom at its colons, and takes an empty field for the whole secret."""
    [found] = run_check(CHECKS["key-unreferenced"], with_keys(healthy(), **{key: secrets.token_hex(16)}))
    assert found.subject == (key or name)
    assert found.evidence[0].startswith(f"No reference can name the key {name}:")
    assert ("an empty field means the whole secret" in found.evidence[0]) == (key == "")
    assert found.remedy.command == f"Give {quoted} another name, without a colon, and refer to that."


def test_a_similar_key_that_tasks_reference_is_not_said_to_be_unused() -> None:
    """The worker asks for another spelling of the key that backend, and its own variable, have right."""
    fault = FAULTS["key-misspelt"].make(healthy())
    [found] = run_check(CHECKS["key-misspelt"], fault)
    assert found.evidence[1] == "The current version has OPENAI_API_KYE, which no task references."
    wrong = with_reference(healthy(), "worker", "OPENAI_API_KEY", f"{ARN}:OPENAI_API_KYE::")
    [found] = run_check(CHECKS["key-misspelt"], wrong)
    assert found.evidence[1] == "The current version has OPENAI_API_KEY."


def test_the_key_that_is_meant_may_be_the_less_similar_one() -> None:
    """Of two that are similar, one has another word for its end."""
    wrong = with_reference(
        without_key(healthy(), "SMTP_HOST", "SMPT_HOST_EU"), "backend", "SMTP_HOST", f"{ARN}:SMTP_HOST::"
    )
    assert missing_keys(with_keys(wrong, SMTP_PORT="587")) == {"SMTP_HOST": "SMPT_HOST_EU"}


def test_without_consumers_no_key_is_said_to_be_unused() -> None:
    """Nor beside a revision that was not read."""
    [answer] = run_check(CHECKS["key-unreferenced"], replace(healthy(), services=(), tasks=()))
    assert answer.status == "clear"
    worker = {arn: each for arn, each in healthy().task_definitions.items() if "worker" in arn}
    [answer] = run_check(CHECKS["key-unreferenced"], replace(healthy(), task_definitions=worker))
    assert answer.status == "clear"


@pytest.mark.parametrize(
    "line", ["KeyError: 'SMTP_HOST'", "1 validation error for Settings: SMTP_HOST: field required"]
)
def test_a_log_asks_for_a_key_to_which_the_revision_does_not_refer(line: str) -> None:
    """The worker's new image needs what only backend has: that is why its deployment is stuck."""
    begun = stuck(healthy(), "worker", "Essential container in task exited", started=NOW)
    with_log = replace(begun, log_lines={task.id: (f"The log of worker says: {line}",) for task in begun.tasks})
    [found] = [each for each in diagnose(with_log) if each.is_root_cause]
    assert (found.check, found.subject, found.severity) == ("key-unreferenced", "SMTP_HOST", "error")
    assert line in found.evidence[1] and 'add an entry with name = "SMTP_HOST" and valueFrom' in found.remedy.command
    # backend refers to it: there the application does not read what it has.
    [other] = run_check(CHECKS["key-unreferenced"], stuck(with_log, "backend", "Essential container in task exited"))
    assert other.services == {"worker"}
    unknown = replace(
        with_log, log_lines=dict.fromkeys(with_log.log_lines, ("The log of worker says: KeyError: 'OTHER'",))
    )
    assert "key-unreferenced" not in {each.check for each in diagnose(unknown) if each.is_problem}


def test_a_log_asks_for_a_key_that_is_a_plain_variable() -> None:
    """It is empty, which Settings takes for absent; what takes the variable from another secret is another fault's."""
    line = "The log of worker says: 1 validation error for Settings: SMTP_HOST: field required"
    plain = with_container(healthy(), "worker", lambda old: replace(old, environment=(*old.environment, "SMTP_HOST")))
    begun = stuck(plain, "worker", "Essential container in task exited", started=NOW)
    with_log = replace(begun, log_lines={task.id: (line,) for task in begun.tasks})
    [found] = [each for each in diagnose(with_log) if each.is_root_cause]
    assert (found.check, found.subject, found.severity) == ("key-unreferenced", "SMTP_HOST", "error")
    assert found.evidence[0].endswith("Its plain variable SMTP_HOST is empty, or another container's.")
    assert "Take SMTP_HOST out of environment in the same change." in found.remedy.needs
    other = Injection("SMTP_HOST", parse(f"{ARN.replace('app-secrets', 'mail')}:host::"))
    elsewhere = with_container(with_log, "worker", lambda old: replace(old, secrets=(*old.secrets, other)))
    assert not [each for each in run_check(CHECKS["key-unreferenced"], elsewhere) if each.severity == "error"]


def test_each_service_whose_log_asks_for_a_key_gets_it() -> None:
    """Each has a revision of its own to correct, by an entry that was not there."""
    without = with_container(
        healthy(),
        "backend",
        lambda old: replace(old, secrets=tuple(each for each in old.secrets if each.variable != "SMTP_HOST")),
    )
    for name in ("backend", "worker"):
        without = stuck(without, name, "Essential container in task exited", started=NOW)
    with_log = replace(without, log_lines={task.id: ("The log says: KeyError: 'SMTP_HOST'",) for task in without.tasks})
    found = [each for each in diagnose(with_log) if each.is_root_cause]
    assert {each.check for each in found} == {"key-unreferenced"}
    assert sorted(service for each in found for service in each.services) == ["backend", "worker"]
    assert all('add an entry with name = "SMTP_HOST" and valueFrom' in each.remedy.command for each in found)
    whole = with_container(with_log, "worker", lambda old: replace(old, secrets=(Injection("SECRETS", parse(ARN)),)))
    [alone] = [each for each in run_check(CHECKS["key-unreferenced"], whole) if each.severity == "error"]
    assert alone.services == {"backend"}
    worker = next(each for each in healthy().consumers if each.name == "worker").task_definition_arn
    strange = stuck(
        with_service(healthy(), "backend", task_definition_arn=worker),
        "backend",
        "Essential container in task exited",
        started=NOW,
        task_definition_arn=worker,
    )
    strange = replace(strange, log_lines={task.id: ("KeyError: 'SMTP_HOST'",) for task in strange.tasks})
    assert [each.check for each in diagnose(strange) if each.is_root_cause] == ["other-definition"]


def test_a_revision_that_was_not_read_has_dropped_nothing() -> None:
    """The one that fails, or the one in service before it."""
    begun = stuck(healthy(), "worker", "Essential container in task exited")
    new, old = next(each.deployments for each in begun.services if each.name == "worker")
    other = replace(old, task_definition_arn=f"{old.task_definition_arn}0")
    for deployments in ((new, other), (replace(new, task_definition_arn=other.task_definition_arn), old)):
        assert not [*successions(with_service(begun, "worker", deployments=deployments))]


def test_a_value_is_wrong_without_a_cluster_too() -> None:
    """What could keep tasks of services from starting is not said to be clear there."""
    lost = replace(with_keys(healthy(), SECRET_KEY="changethis"), service_names=None, services=(), tasks=())
    [found] = run_check(CHECKS["changethis"], lost)
    assert (found.status, found.subject) == ("found", "SECRET_KEY")
    for check in ("empty", "key-missing", "not-json"):
        [nothing] = run_check(CHECKS[check], lost)
        assert nothing.status == "skipped" and "was not found: there is nothing to check" in nothing.evidence[0]
    [broken] = run_check(CHECKS["not-json"], with_text(lost, "SECRET_KEY=x"))
    assert broken.status == "found"


@pytest.mark.parametrize(
    ("environment", "value", "severity"),
    [
        ("production", f"sk_test_{secrets.token_hex(16)}", "warning"),
        ("production", f"rzp_test_{secrets.token_hex(6)}a1", "warning"),
        ("production", f"test_{secrets.token_hex(15)}", "warning"),
        ("production", f"sk_live_{secrets.token_hex(16)}", ""),
        ("production", "test_of_the_checkout_page", ""),
        ("production", "test_mode_is_off_since_2024", ""),
        ("production", f"pk_test_{secrets.token_hex(20).upper()}$", "warning"),
        ("staging", f"pk_live_{secrets.token_hex(16)}", "warning"),
        ("staging", f"sk_test_{secrets.token_hex(16)}", ""),
        ("staging", "live_prices_of_exchanges", ""),
    ],
)
def test_a_key_of_the_other_mode(environment: str, value: str, severity: str) -> None:
    """Only production is to have keys whose calls are real."""
    snapshot = with_keys(FAULTS["test-mode"].make(healthy()), STRIPE_SECRET_KEY=value)
    named = replace(snapshot, environment=replace(snapshot.environment, name=environment))
    found = run_check(CHECKS["test-mode"], named)
    assert [each.severity for each in found if each.status == "found"] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        ("production", "STRIPE_TEST_SECRET_KEY", f"sk_test_{secrets.token_hex(16)}"),
        ("staging", "STRIPE_LIVE_SECRET_KEY", f"sk_live_{secrets.token_hex(16)}"),
    ],
)
def test_a_key_whose_name_says_its_mode_is_right(environment: str, name: str, value: str) -> None:
    """As Stripe's libraries for Django have them, beside the keys of the other mode."""
    snapshot = with_own(name, value)(healthy())
    assert_clear(CHECKS["test-mode"], replace(snapshot, environment=replace(snapshot.environment, name=environment)))


def test_an_access_token_beside_its_refresh_token_may_have_expired() -> None:
    """The application gets another with it; without it, nothing does."""
    alone = with_own("BROKER_ACCESS_TOKEN", token(int(CHANGED.timestamp())))(healthy())
    assert found_in(alone) == {"value-expired"}
    assert_clear(CHECKS["value-expired"], with_own("BROKER_REFRESH_TOKEN", secrets.token_urlsafe(32))(alone))


def test_a_value_that_expires_later_is_right() -> None:
    """The time of the look decides."""
    snapshot = FAULTS["value-expired"].make(healthy())
    assert_clear(CHECKS["value-expired"], replace(snapshot, taken=CHANGED - timedelta(seconds=1)))
