"""The private cache of task definitions: no finding changes, no value is kept, and no damage does harm."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from support.every_fault import OTHERS, Make, worlds
from support.faults.deployment import rolled_back
from support.moto_environment import CLUSTER, REGION, Wire, between, build, client, mock_aws
from support.snapshots import NOW, healthy, stuck

from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.aws.session import Clients
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.environment import load
from omc_runbook.snapshot import definition_cache
from omc_runbook.snapshot.definition_cache import DefinitionCache, cache_for, needed_whole
from omc_runbook.snapshot.reading import Scope, identify, take
from omc_runbook.snapshot.state import Snapshot

WORLDS: dict[str, Make] = {"healthy": lambda snapshot: snapshot} | worlds(*OTHERS)
OLD = NOW - timedelta(days=90)


def cache_at(folder: Path, now: datetime = NOW, account: str = "123456789012") -> DefinitionCache:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMC_CACHE")
        patch.setattr(definition_cache.platformdirs, "user_cache_path", lambda *_, **__: folder / "omc-runbook")
        cache = cache_for(load("staging"), account, "https://ecs.ap-southeast-2.amazonaws.com", now)
    assert cache
    return cache


def with_more(container: Container) -> Container:
    """A container with everything that the cache leaves out."""
    return replace(
        container,
        logins=container.logins or (("POSTGRES_USER", "app"), ("POSTGRES_SERVER", "db.internal.example")),
        hosts=container.hosts or (("POSTGRES_SERVER", "db.internal.example"),),
        health_check=container.health_check or ("CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"),
        log_group=container.log_group or f"/ecs/{container.name}",
        log_prefix="ecs",
    )


def whole(snapshot: Snapshot) -> Snapshot:
    definitions = {
        arn: replace(each, containers=tuple(map(with_more, each.containers)))
        for arn, each in snapshot.task_definitions.items()
    }
    return replace(snapshot, task_definitions=definitions)


def read_again(snapshot: Snapshot, cache: DefinitionCache) -> tuple[Snapshot, int]:
    """The snapshot as a second look would have it, and how many revisions it would read."""
    in_use = {each.task_definition_arn for each in snapshot.services} & snapshot.task_definitions.keys()
    cache.store(snapshot.task_definitions[arn] for arn in in_use)
    found, partial = cache.load(dict.fromkeys(in_use, OLD))
    second = replace(snapshot, task_definitions=snapshot.task_definitions | found)
    anew = partial & needed_whole(second)
    definitions = second.task_definitions | {arn: snapshot.task_definitions[arn] for arn in anew}
    return replace(second, task_definitions=definitions), len(in_use - found.keys()) + len(anew)


@pytest.mark.long
def test_a_cached_definition_gives_the_findings_of_one_that_was_read(tmp_path: Path) -> None:
    """In every world; only services that fail are read again."""
    different, calls = [], {}
    for number, (name, make) in enumerate(WORLDS.items()):
        snapshot = whole(make(healthy()))
        second, calls[name] = read_again(snapshot, cache_at(tmp_path / str(number)))
        different += [name] if diagnose(second) != diagnose(snapshot) else []
    assert different == []
    assert calls["healthy"] == 0 and {*calls.values()} > {0}


def test_whoever_wants_none_or_has_no_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMC_CACHE=off, however it is written, and a container's user without an entry in /etc/passwd."""
    for text in ("off", "OFF", "0", "false", "no "):
        monkeypatch.setenv("OMC_CACHE", text)
        assert cache_for(load("staging"), "123456789012", "https://ecs", NOW) is None
    monkeypatch.delenv("OMC_CACHE")
    monkeypatch.setattr(definition_cache.platformdirs, "user_cache_path", lambda *_, **__: Path("~/.cache"))
    assert cache_for(load("staging"), "123456789012", "https://ecs", NOW) is None

    def refuse(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory for '~/.cache'")

    # Newer versions of platformdirs.
    monkeypatch.setattr(definition_cache.platformdirs, "user_cache_path", refuse)
    assert cache_for(load("staging"), "123456789012", "https://ecs", NOW) is None


def revision(**container: object) -> TaskDefinition:
    definition = next(iter(healthy().task_definitions.values()))
    return replace(definition, containers=(replace(definition.containers[0], **container),))  # type: ignore[arg-type]


def is_kept(cache: DefinitionCache, definition: TaskDefinition) -> bool:
    cache.store([definition])
    return definition.arn in cache.load({definition.arn: OLD})[0]


def test_what_is_kept_is_given_back(tmp_path: Path) -> None:
    """Completely where nothing was left out; a service that is younger than the entry may mean another revision."""
    cache, definition = cache_at(tmp_path), revision(image="app@sha256:1", readonly=True, plain_secrets=("TOKEN",))
    plain = definition.containers[0].secrets[:1]
    definition = replace(definition, containers=(replace(definition.containers[0], plain_references=plain),))
    definition = replace(definition, stack="omc-worker")
    cache.store([definition])
    assert cache.load({definition.arn: OLD}) == ({definition.arn: definition}, frozenset())
    for created in (NOW, NOW + timedelta(days=1), None):
        assert cache.load({definition.arn: created}) == ({}, frozenset())
    partial = whole(healthy()).task_definitions[definition.arn]
    cache.store([partial])
    assert cache.load({definition.arn: OLD})[1] == {definition.arn}


@pytest.mark.parametrize(
    ("make", "is_whole"),
    [
        (rolled_back, True),
        (lambda snapshot: stuck(snapshot, "backend", "exit 1"), True),
        (lambda snapshot: snapshot, False),
    ],
)
def test_what_fails_is_read_whole(make: Make, is_whole: bool) -> None:
    """A rollback too, after which all tasks run."""
    backend = next(each for each in healthy().services if each.name == "backend")
    assert needed_whole(make(healthy())) == ({backend.task_definition_arn} if is_whole else set())


@pytest.mark.parametrize("field", ["", "logins", "hosts", "health_check", "log_group"])
def test_a_revision_that_is_kept_in_part_is_told(field: str, tmp_path: Path) -> None:
    """Whichever part it is: what needs that reads the revision again."""
    cache, definition = cache_at(tmp_path), revision(logins=(), hosts=(), health_check=(), log_group="")
    bare = definition.containers[0]
    one = replace(bare, **{field: getattr(with_more(bare), field)}) if field else bare
    cache.store([replace(definition, containers=(one,))])
    found, partial = cache.load({definition.arn: OLD})
    assert (*found, *partial) == (definition.arn,) * (2 if field else 1)


def test_what_a_container_has_is_kept_or_left_out_on_purpose() -> None:
    """A check of a new field would find nothing in what comes from the cache."""
    read_again = {"logins", "hosts", "health_check", "log_group", "log_prefix", "log_region"}
    of_no_cached_look = {"plain_options", "plain_prints", "plain_texts"}
    kept = definition_cache._Container.model_fields.keys()
    assert {each.name for each in fields(Container)} == kept | read_again | of_no_cached_look
    # No check asks for the status of a revision that a service uses.
    assert {each.name for each in fields(TaskDefinition)} == definition_cache._Definition.model_fields.keys() | {
        *("arn", "status")
    }


@pytest.mark.parametrize("text", ["hunter2-hunter2", "/path/hunter2", "${var.secret}", ""])
def test_a_reference_that_may_be_a_value_is_not_kept(text: str, tmp_path: Path) -> None:
    """Only ARNs are certainly none."""
    injection = definition_cache.Injection("KEY", definition_cache.value_from.parse(text))
    for field in ("secrets", "log_secrets", "registry_secrets"):
        assert not is_kept(cache_at(tmp_path / field), revision(**{field: (injection,)}))


def test_a_host_counts_for_the_environments_that_it_was_judged_among(tmp_path: Path) -> None:
    """A strange one is read again each time; so is any after another environment was added."""
    assert not is_kept(cache_at(tmp_path / "strange"), revision(hosts=(("REDIS_URL", "localhost"),)))
    cache, definition = cache_at(tmp_path), revision(hosts=(("REDIS_URL", "cache-qa.example"),))
    assert is_kept(cache, definition)
    more = replace(cache, judged=(*cache.judged, "qa"))
    assert more.load({definition.arn: OLD})[0] == {}


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age, by revisions and by files; an account has a file of its own."""
    cache, definition = cache_at(tmp_path), revision()
    assert is_kept(cache, definition)
    assert cache_at(tmp_path, NOW + timedelta(days=31)).load({definition.arn: OLD})[0] == {}
    assert cache_at(tmp_path, NOW - timedelta(days=1)).load({definition.arn: OLD})[0] == {}
    assert cache_at(tmp_path, account="210987654321").load({definition.arn: OLD})[0] == {}
    monkeypatch.setattr(definition_cache, "MOST_REVISIONS", 3)
    later = cache_at(tmp_path, NOW + timedelta(minutes=1))
    later.store(replace(definition, arn=f"{definition.arn}{number}") for number in range(3))
    assert definition.arn not in later.load({definition.arn: OLD})[0]
    monkeypatch.setattr(definition_cache, "MOST_FILES", 2)
    for account in range(5):
        cache_at(tmp_path, account=f"00000000000{account}").store([definition])
    assert len([*cache.file.parent.iterdir()]) == 2


def test_a_damaged_cache_is_ignored_and_written_anew(tmp_path: Path) -> None:
    """Whatever stands there; nobody else can read it, and links are not followed."""
    cache, definition = cache_at(tmp_path), revision()
    assert is_kept(cache, definition)
    good = cache.file.read_bytes()
    for damaged in (
        b"",
        b"{",
        good[:-9],
        good.replace(b'"format":1', b'"format":2'),
        good.replace(b'"version":"', b'"version":"9'),
        b"\xff" * 99,
        b"[]",
    ):
        cache.file.write_bytes(damaged)
        assert cache.load({definition.arn: OLD}) == ({}, frozenset())
        assert is_kept(cache, definition)
    cache.file.unlink()
    cache.file.mkdir()
    assert not is_kept(cache, definition)
    cache.file.rmdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(good)
    cache.file.symlink_to(elsewhere)
    assert cache.load({definition.arn: OLD})[0] == {}
    assert is_kept(cache, definition) and not cache.file.is_symlink() and elsewhere.read_bytes() == good
    cache.file.parent.chmod(0o755)
    assert is_kept(cache, definition)
    assert (cache.file.stat().st_mode & 0o777, cache.file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    moved = cache.file.parent.rename(tmp_path / "moved")
    cache.file.parent.symlink_to(moved)
    assert not is_kept(cache, definition)


def test_two_at_once_do_no_harm(tmp_path: Path) -> None:
    """Each reads a whole file, of whichever wrote last."""
    definitions = [replace(revision(), arn=f"{revision().arn}{number}") for number in range(40)]
    caches = [cache_at(tmp_path, NOW + timedelta(minutes=number)) for number in range(4)]
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda pair: pair[0].store([pair[1]]), [(cache, each) for each in definitions for cache in caches])]
    assert caches[-1].load(dict.fromkeys((each.arn for each in definitions), OLD))[0]
    assert [file.name for file in caches[0].file.parent.iterdir()] == [caches[0].file.name]


@pytest.fixture
def account() -> Iterator[None]:
    """An account with two services whose containers have a value wherever one can be."""
    with mock_aws():
        build(tasks=0)
        ecs = client("ecs")
        for name in ("backend", "worker"):
            family = f"{CLUSTER}-{name}"
            found = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
            container = found["containerDefinitions"][0] | {
                "environment": [{"name": variable, "value": CANARY} for variable in ("POSTGRES_USER", "TOKEN", "MODE")],
                "command": ["run", f"--token={CANARY}"],
                "entryPoint": ["/bin/sh", "-c", CANARY],
                "healthCheck": {"command": ["CMD-SHELL", f"curl -H 'Authorization: {CANARY}' localhost"]},
                "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": CANARY}},
                "dockerLabels": {"token": CANARY},
                "extraHosts": [{"hostname": CANARY, "ipAddress": "10.0.0.1"}],
            }
            ecs.register_task_definition(
                family=family, executionRoleArn=found["executionRoleArn"], containerDefinitions=[container]
            )
            ecs.delete_service(cluster=CLUSTER, service=name, force=True)
            ecs.create_service(cluster=CLUSTER, serviceName=name, taskDefinition=family, desiredCount=1)
        yield


class Old(Wire):
    """A wire on which services have existed for long."""

    def call(self, client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        answer = super().call(client, operation, parameters)
        for service in answer["services"] if operation == "DescribeServices" else ():
            service["createdAt"] = OLD
        return answer


CANARY = f"canary-{secrets.token_hex(16)}"


def look(wire: Wire, cached: bool = True) -> Snapshot:
    environment = load("staging")
    clients, later = Clients(REGION), datetime.now(UTC) + timedelta(hours=1)
    with between(wire):
        return take(clients, environment, identify(clients, environment), lambda: later, scope=Scope(cached=cached))


@pytest.mark.usefixtures("account")
def test_a_second_look_reads_no_definition_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps no value; OMC_CACHE=off and a look that is to be new read everything."""
    monkeypatch.setattr(definition_cache.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "omc-runbook")
    monkeypatch.delenv("OMC_CACHE")
    first, second, undated, fresh, off = Old(), Old(), Wire(), Wire(), Wire()
    look(first)
    assert first.made("DescribeTaskDefinition") == 2
    snapshot = look(second)
    assert second.made("DescribeTaskDefinition") == 0 and len(snapshot.task_definitions) == 2
    look(undated)
    assert undated.made("DescribeTaskDefinition") == 0
    look(fresh, cached=False)
    monkeypatch.setenv("OMC_CACHE", "off")
    look(off)
    assert fresh.made("DescribeTaskDefinition") == off.made("DescribeTaskDefinition") == 2
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert CANARY.encode() not in file.read_bytes()
    assert len(json.loads(file.read_bytes())["revisions"]) == 2 and file.stat().st_uid == os.geteuid()
    assert boto3.client("sts", region_name=REGION).get_caller_identity()["Account"] in file.name
