"""Values of the secret in what containers have in plain text: where they are found, and what only looks like them."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_hex
from typing import Any

import pytest
from support.faults.audit_secret import audited
from support.snapshots import document, healthy, task, with_container, with_keys, with_service

from omc_runbook.aws.definitions import Container, container_of
from omc_runbook.aws.ecs import PROXY
from omc_runbook.checks import audit_exposure
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.masking.fingerprint import fingerprint, process_key
from omc_runbook.masking.value import Masked
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.audit.plain_values import KnownValue, search_definitions
from omc_runbook.snapshot.state import Snapshot

[CHECK] = (each for each in checks_of(audit_exposure) if each.id == "plain-in-definition")
FORMER = f"former-{token_hex(16)}"
ISSUED = f"sk-proj-{token_hex(24)}"


def found_in(snapshot: Snapshot) -> list[Finding]:
    """What the check finds of a snapshot whose secret had FORMER as its SECRET_KEY."""
    values = {
        fingerprint(value, process_key()): (KnownValue(key, text != FORMER), value)
        for key, text in (*document(snapshot).items(), ("SECRET_KEY", FORMER))
        if (value := Masked(str(text), key))
    }
    read = audited(snapshot)
    assert read.audit and read.audit.exposure
    exposure = replace(read.audit.exposure, definitions=search_definitions(read, values))
    found = run_check(CHECK, replace(read, audit=replace(read.audit, exposure=exposure)))
    return [each for each in found if each.status == "found"]


def world(snapshot: Snapshot, **members: Any) -> Snapshot:
    """The container of worker has these members too, as DescribeTaskDefinition gives them."""

    def edit(old: Container) -> Container:
        return replace(container_of({"name": old.name, **members}), secrets=old.secrets)

    return with_container(snapshot, "worker", edit)


def driver(**options: str) -> dict[str, Any]:
    """A volume of a Docker driver with these options."""
    return {"name": "share", "dockerVolumeConfiguration": {"driverOpts": options}}


FIELDS = [
    ("command", ["run", "--secret-key", "VALUE"], "command"),
    ("command", ["sh", "-c", "SECRET_KEY=VALUE exec run"], "command"),
    ("entryPoint", ["/run.sh", "--key=VALUE"], "entryPoint"),
    ("healthCheck", {"command": ["CMD-SHELL", "curl -H 'X-Api-Key: VALUE' localhost"]}, "healthCheck"),
    ("dockerLabels", {"com.app.note": "VALUE"}, "dockerLabels com.app.note"),
    ("dockerLabels", {"com.app.checks": '[{"header": "VALUE"}]'}, "dockerLabels com.app.checks"),
    ("firelensConfiguration", {"options": {"extra": "VALUE"}}, "firelensConfiguration extra"),
    ("logConfiguration", {"options": {"Header": "Authorization Splunk VALUE"}}, "logConfiguration Header"),
    ("proxyConfiguration", {"properties": [{"name": "AppPorts", "value": "VALUE"}]}, "proxyConfiguration AppPorts"),
    ("systemControls", [{"namespace": "kernel.core", "value": "|/VALUE"}], "systemControls kernel.core"),
    ("volumes", [driver(o="addr=nas,username=app,password=VALUE")], "volumes share.o"),
    ("environment", [{"name": "JAVA_OPTS", "value": "-Dkey=VALUE -Xmx1g"}], "JAVA_OPTS"),
    ("environment", [{"name": "DATABASE", "value": "postgresql://app:VALUE@db/app"}], "DATABASE"),
]


def filled(members: Any, value: str) -> Any:
    """The members with a value in the place of VALUE."""
    if isinstance(members, str):
        return members.replace("VALUE", value)
    if isinstance(members, dict):
        return {name: filled(each, value) for name, each in members.items()}
    return [filled(each, value) for each in members]


@pytest.mark.parametrize(("field", "members", "location"), FIELDS)
def test_a_value_is_found_in_each_field(field: str, members: Any, location: str) -> None:
    """The present one with a remedy that renews it, a former one with one that has it revoked; neither is shown."""
    snapshot = healthy()
    value = document(snapshot)["SECRET_KEY"]
    [present] = found_in(world(snapshot, **{field: filled(members, value)}))
    [former] = found_in(world(snapshot, **{field: filled(members, FORMER)}))
    assert {present.subject, former.subject} == {f"ohmycoins-staging-worker:7 worker {location}"}
    assert (present.severity, former.severity) == ("error", "warning")
    assert "has the present value of SECRET_KEY" in present.evidence[0] and present.services == {"worker"}
    assert "has the former value of SECRET_KEY" in former.evidence[0]
    assert present.remedy.command.endswith("omc-runbook run rotate -p environment staging -p keys SECRET_KEY.")
    assert "rotate" not in former.remedy.command and "have its issuer revoke the value" in former.remedy.command
    for finding in (present, former):
        assert value not in repr(finding) and FORMER not in repr(finding)


@pytest.mark.parametrize(("field", "members", "location"), [each for each in FIELDS if each[0] != "environment"])
def test_an_issued_token_is_found_in_each_field(field: str, members: Any, location: str) -> None:
    """A warning: it is no value of the secret, but looks like a secret."""
    [finding] = found_in(world(healthy(), **{field: filled(members, ISSUED)}))
    assert finding.subject == f"ohmycoins-staging-worker:7 worker {location}"
    assert finding.severity == "warning" and "what is a secret by its name or form" in finding.evidence[0]
    assert finding.remedy.command.startswith("Keep a new value in a secret; in Terraform's files, ")
    assert ISSUED not in repr(finding)


@pytest.mark.parametrize("members", [
    {"command": ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000", "--access-logfile", "-"]},
    {"command": ["celery", "-A", "app.worker", "worker", "--loglevel=info", "--hostname=worker@%h"]},
    {"command": ["sh", "-c", "exec run --token $TOKEN --password \"${POSTGRES_PASSWORD}\" --key=$(cat /run/key)"]},
    {"command": ["sh", "-c", "export DATABASE_URL=postgresql://$USER:$POSTGRES_PASSWORD@$HOST/app && run"]},
    {"command": ["sh", "-c", "test -n \"$SECRET_KEY\" || { echo 'SECRET_KEY: missing'; exit 1; }"]},
    {"command": ["redis-server", "--requirepass", "$REDIS_PASSWORD"]},
    {"command": ["run", "--secret-id", "ohmycoins-staging-app-secrets", "--key-file", "/etc/ssl/private/server.key"]},
    {"command": ["migrate", "--commit", "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"]},
    {"entryPoint": ["/usr/bin/tini", "--", "/docker-entrypoint2.sh"]},
    {"entryPoint": ["python", "-c", "import os; password = os.environ['POSTGRES_PASSWORD']"]},
    {"healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost:8000/api/v1/utils/health-check/ || exit 1"]}},
    {"healthCheck": {"command": ["CMD-SHELL", "pg_isready -U postgres -h db-1.abc123xyz.rds.amazonaws.com"]}},
    {"healthCheck": {"command": ["CMD-SHELL", "curl -u app:$PASSWORD http://app:$PASSWORD@localhost/"]}},
    {"healthCheck": {"command": ["NONE"]}},
    {"dockerLabels": {"com.datadoghq.ad.instances": '[{"host": "%%host%%", "password": "%%env_DB_PASSWORD%%"}]'}},
    {"dockerLabels": {"com.datadoghq.tags.version": "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "team": "core"}},
    {"dockerLabels": {"com.app.secret-name": "ohmycoins-staging-app-secrets", "com.app.public-key": ISSUED[8:]}},
    {"dockerLabels": {"traefik.http.routers.api.rule": "Host(`api.ohmycoins.com`) && PathPrefix(`/token`)"}},
    {"firelensConfiguration": {"type": "fluentbit", "options": {"config-file-type": "s3", "config-file-value":
        "arn:aws:s3:::app-logging-2024/fluent-bit.conf", "enable-ecs-log-metadata": "true"}}},
    {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/ohmycoins-staging/backend"}}},
    {"logConfiguration": {"logDriver": "awsfirelens", "options": {"http_password": "#{ENV['PASSWORD']}"}}},
    {"logConfiguration": {"logDriver": "awsfirelens", "options": {"Host": "logs-1a2b3c4d5e6f7.example.com"}}},
    {"proxyConfiguration": {"properties": [{"name": "IgnoredUID", "value": "1337"}, {"name": "EgressIgnoredIPs"}]}},
    {"systemControls": [{"namespace": "net.core.somaxconn", "value": "1024"}]},
    {"volumes": [driver(type="nfs", o="addr=nas.internal,rw"), {"name": "data"}]},
    {"environment": [{"name": "POSTGRES_SERVER", "value": "db-1.abc123xyz.rds.amazonaws.com"}, {"name": "BARE"}]},
    {"dockerLabels": {"database": "db-1.abc123xyz.rds.amazonaws.com"}},
    {"command": None, "entryPoint": None, "healthCheck": None, "dockerLabels": None, "systemControls": None},
])  # fmt: skip
def test_an_ordinary_field_is_clear(members: dict[str, Any]) -> None:
    """Programs and their options, references to variables, addresses without a login, names and commits."""
    snapshot = with_keys(
        healthy(), LOG_GROUP="/ecs/ohmycoins-staging/backend", DB_HOST="db-1.abc123xyz.rds.amazonaws.com"
    )
    assert found_in(world(snapshot, **members)) == []


@pytest.mark.parametrize("weak", ["changeme", "backend", "ohmycoins-staging", "health-check", "8000", "admin123"])
def test_a_word_that_is_a_weak_value_too_is_clear(weak: str) -> None:
    """A program, an option or a path has it by chance."""
    snapshot = with_keys(healthy(), ADMIN_PASSWORD=weak)
    command = ["run", weak, f"--name={weak}", f"http://localhost/{weak}/"]
    assert found_in(world(snapshot, command=command, dockerLabels={"service": weak})) == []


@pytest.mark.parametrize(("key", "value", "command"), [
    ("ADMIN_PASSWORD", "correct-horse-battery", "run --password VALUE"),
    ("STRIPE", f"sk_live_{token_hex(12)}", "run VALUE"),
    ("DATABASE_URL", f"postgresql://app:Zx9-{token_hex(6)}@db/app", "run --db VALUE --debug"),
])  # fmt: skip
def test_a_value_is_known_by_where_it_stands_or_by_its_form(key: str, value: str, command: str) -> None:
    """A weak one behind an option for secrets; one that looks like a secret under any key."""
    snapshot = with_keys(healthy(), **{key: value})
    [finding] = found_in(world(snapshot, command=command.replace("VALUE", value).split()))
    assert finding.severity == "error" and f"the present value of {key}" in finding.evidence[0]


@pytest.mark.parametrize(("field", "members", "way"), [
    ("environment", [{"name": "JAVA_OPTS", "value": "-Dkey=VALUE"}],
        "move JAVA_OPTS from environment of worker to secrets, with a key that has all of its new text"),
    ("environment", [{"name": "SIGNER", "value": "VALUE"}],
        "move SIGNER from environment of worker to secrets, with the key SECRET_KEY"),
    ("logConfiguration", {"options": {"Header": "Authorization Splunk VALUE"}},
        "move Header from logConfiguration.options of worker to secretOptions, with a key that has all of its new"),
    ("command", ["run", "VALUE"],
        "take it out of command of worker, which gets a variable by secrets, and read that instead"),
    ("healthCheck", {"command": ["run", "VALUE"]},
        "take it out of healthCheck.command of worker, which gets a variable by secrets, and read that instead"),
    ("dockerLabels", {"note": "VALUE"}, "take note out of dockerLabels of worker"),
])  # fmt: skip
def test_a_remedy_says_where_the_value_belongs(field: str, members: Any, way: str) -> None:
    """What ECS can fill in from a secret moves there; a part of a text moves with the rest of it."""
    snapshot = healthy()
    [finding] = found_in(world(snapshot, **{field: filled(members, document(snapshot)["SECRET_KEY"])}))
    assert finding.remedy.command.startswith(f"In Terraform's files, {way}")
    assert ", and deploy that. Then renew the value, which was open: omc-runbook run rotate" in finding.remedy.command


def test_a_labels_name_stays_in_its_line() -> None:
    """Docker takes any character there, and a terminal obeys some of them."""
    snapshot = healthy()
    [finding] = found_in(world(snapshot, dockerLabels={"a\x1b[31m\nb": document(snapshot)["SECRET_KEY"]}))
    assert finding.subject.endswith("worker dockerLabels a‹U+001B›[31m‹U+000A›b")
    assert finding.evidence[0].isprintable() and finding.remedy.command.isprintable()


def test_two_values_in_one_command_are_one_finding() -> None:
    """With both keys in its evidence and its remedy."""
    snapshot = healthy()
    values = document(snapshot)
    [finding] = found_in(world(snapshot, command=["run", values["SECRET_KEY"], values["OPENAI_API_KEY"]]))
    assert "the present value of SECRET_KEY and the present value of OPENAI_API_KEY" in finding.evidence[0]
    assert finding.remedy.command.count("-p keys SECRET_KEY,OPENAI_API_KEY") == 1


def test_the_options_of_service_connects_log_are_searched() -> None:
    """They are of the service, and not of its task definition; each deployment has the same."""
    snapshot = healthy()
    value = document(snapshot)["SECRET_KEY"]
    options = {"splunk-url": "https://splunk.internal:8088", "splunk-token": value}
    proxy = container_of({"name": PROXY, "enabled": True, "logConfiguration": {"options": options}})
    [finding] = found_in(with_service(snapshot, "backend", proxy_logs=(proxy, proxy)))
    assert finding.subject == "backend serviceConnectConfiguration logConfiguration splunk-token"
    start = "DescribeServices: service backend, serviceConnectConfiguration: logConfiguration.options has the present"
    assert finding.evidence[0].startswith(start)
    assert finding.evidence[1] == "Everybody who may call ecs:DescribeServices can read it."
    way = "move splunk-token from logConfiguration.options of backend's serviceConnectConfiguration to secretOptions"
    assert way in finding.remedy.command


@pytest.mark.parametrize(("members", "location", "way"), [
    ({"command": ["run", "VALUE"]}, "command", "take it out of command of job's override"),
    ({"environment": [{"name": "SIGNER", "value": "VALUE"}]}, "SIGNER",
        "move SIGNER from environment of job's override to secrets, with the key SECRET_KEY"),
])  # fmt: skip
def test_what_tasks_were_run_with_is_searched(members: dict[str, Any], location: str, way: str) -> None:
    """Once for all tasks of a family; where it is mended, whoever runs them knows."""
    snapshot = healthy()
    override = container_of({"name": "job", **filled(members, document(snapshot)["SECRET_KEY"])})
    tasks = [replace(task(name), service="", overrides=(override,)) for name in ("worker", "worker")]
    [finding] = found_in(replace(snapshot, tasks=(*snapshot.tasks, *tasks)))
    assert finding.subject == f"task/ohmycoins-staging-worker job {location}"
    assert finding.evidence[0].startswith("DescribeTasks: a task of ohmycoins-staging-worker, override of job: ")
    assert finding.evidence[1] == "Everybody who may call ecs:DescribeTasks can read it."
    assert finding.remedy.command.startswith(f"In what runs ohmycoins-staging-worker, {way}")
    assert ", and add those secrets to its task definition. Then renew the value" in finding.remedy.command
    assert finding.services == {"ohmycoins-staging-worker (run alone)"}
