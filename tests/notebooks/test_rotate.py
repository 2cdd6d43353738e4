"""The rotate runbook, run as its users run it: applied, failing, killed, and with a database under load."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
from botocore.exceptions import ReadTimeoutError
from support.administrator import BAD, Staging
from support.forked_command import Forked
from support.late_reads import read_late
from support.provider import provider
from support.runs import COMMAND, ENGINES, PAPERMILL, Desk, assert_nothing_leaked, health, sign_in, values

from omc_runbook.aws import secretsmanager
from omc_runbook.changes.database import rotation
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.model.errors import ConflictError, CouldNotLook
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.sandbox import faults, lifecycle, postgres
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import deployments
from omc_runbook.sandbox.worlds.staging import CLUSTER

DATABASE = "OMC_SANDBOX_DATABASE_URL"


class Rotator(Desk):
    """A desk at which the rotate runbook is run."""

    def command(self, keys: str, **parameters: str) -> list[str]:
        words = [word for name, value in {"keys": keys, **parameters}.items() for word in ("-p", name, value)]
        return [str(COMMAND), "run", "rotate", "--record", str(self.record), *words, "-p", "apply", "true"]

    def rotate(self, keys: str, **parameters: str) -> subprocess.CompletedProcess[str]:
        return self.call(self.command(keys, **parameters))


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Rotator:
    return Rotator(tmp_path, sandbox)


def test_a_rotation_reaches_every_task_and_leaves_no_value_anywhere(desk: Rotator) -> None:
    """Exit 0, quiet, the changes in the outcome; verify finds nothing wrong after it."""
    staging, before = Staging(desk.sandbox), values(desk.sandbox)
    process = desk.rotate("SECRET_KEY,FIRST_SUPERUSER_PASSWORD")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    new = staging.members
    assert staging.process_values("SECRET_KEY")["backend"] == {new["SECRET_KEY"]} and new["SECRET_KEY"] not in before
    changes = desk.outcome()["changes"]
    assert [change.get("key") or change["service"] for change in changes] == [
        *("SECRET_KEY", "FIRST_SUPERUSER_PASSWORD"),
        *("backend", "worker"),
    ]
    page = next(desk.record.glob("rotate-staging-*.html")).read_text()
    assert "Done and verified" in page and "deployment completed" in page
    assert_nothing_leaked(desk, [*before, *values(desk.sandbox)], process.stdout, process.stderr)
    assert Desk.run(desk).returncode == 0


def test_a_former_token_is_found_until_it_is_revoked(desk: Rotator) -> None:
    """The rotation itself is done; its finding's command tries the former token again and changes nothing."""
    staging, new = Staging(desk.sandbox), f"sk-{secrets.token_hex(16)}"
    former = staging.members["OPENAI_API_KEY"]
    desk.variables["NEW"] = new
    with provider(former, new) as issuer:
        (desk.work / "runbook.toml").write_text(f'[keys.OPENAI_API_KEY]\ncheck = "{issuer.address}"\n')
        process = desk.rotate("OPENAI_API_KEY", values_from="env:NEW", runbook_toml="runbook.toml")
        body, page = desk.outcome(), next(desk.record.glob("rotate-staging-*.html")).read_text()
        assert (process.returncode, body["root_causes"]) == (1, ["old-value-alive"])
        assert "Done and verified" in page and "still works" in page.replace("&nbsp;", " ")
        assert staging.process_values("OPENAI_API_KEY")["backend"] == {new}
        issuer.accepted.remove(former)
        versions, count_of_calls = len(staging.versions), len(issuer.asked)
        again = desk.rotate("OPENAI_API_KEY", values_from="keep", runbook_toml="runbook.toml")
        assert (again.returncode, len(staging.versions)) == (0, versions)
        [dead] = [each for each in desk.outcome()["findings"] if each["check"] == "old-value-alive"]
        assert (dead["status"], dead["subject"]) == ("clear", "OPENAI_API_KEY")
        assert issuer.asked[count_of_calls:] == [former, new]
    assert_nothing_leaked(desk, [former, new, *values(desk.sandbox)], process.stdout, process.stderr, again.stderr)


def test_update_tries_the_former_token_and_restore_the_one_that_it_restores(desk: Rotator) -> None:
    """A token that was revoked meanwhile is found once it is back, and one that works is clear."""
    staging, new = Staging(desk.sandbox), f"sk-{secrets.token_hex(16)}"
    former, desk.variables["NEW"] = staging.members["OPENAI_API_KEY"], new

    def run(runbook: str, **parameters: str) -> tuple[int, list[str]]:
        parameters_of_run = {**parameters, "runbook_toml": "runbook.toml", "apply": "true"}
        words = [word for pair in parameters_of_run.items() for word in ("-p", *pair)]
        process = desk.call([str(COMMAND), "run", runbook, "--record", str(desk.record), *words])
        assert_nothing_leaked(desk, [former, new], process.stdout, process.stderr)
        return process.returncode, desk.outcome()["root_causes"]

    with provider(former, new) as issuer:
        (desk.work / "runbook.toml").write_text(f'[keys.OPENAI_API_KEY]\ncheck = "{issuer.address}"\n')
        assert run("update", keys="OPENAI_API_KEY", values_from="env:NEW") == (1, ["old-value-alive"])
        issuer.accepted.remove(former)
        updated = staging.current
        assert run("restore", version="AWSPREVIOUS") == (1, ["store-only"])
        assert staging.members["OPENAI_API_KEY"] == former
        assert run("restore", version=updated) == (0, [])
    [tried] = [each for each in desk.outcome()["findings"] if "accepts the restored value" in str(each["evidence"])]
    assert (tried["status"], tried["subject"]) == ("clear", "OPENAI_API_KEY")


@ENGINES
@pytest.mark.parametrize(
    ("number", "strategy", "stage"),
    [
        (signal.SIGINT, "BLUE_GREEN", "BAKE_TIME"),
        (signal.SIGTERM, "BLUE_GREEN", "BAKE_TIME"),
        (signal.SIGINT, "LINEAR", "PRODUCTION_TRAFFIC_SHIFT"),
    ],
)
def test_an_interrupted_rotation_says_what_is_current_and_how_to_go_on(
    desk: Rotator, number: int, strategy: Literal["BLUE_GREEN", "LINEAR"], stage: str, engine: tuple[str, ...]
) -> None:
    """In the middle of a bake or between two steps; the command that it prints finishes the change with its value."""
    staging = Staging(desk.sandbox)
    step = (25.0, 5) if strategy == "LINEAR" else None
    deployments.configure(staging.world, "backend", strategy=strategy, step=step, bake_minutes=15)
    command = [*desk.command("SECRET_KEY"), *engine]
    try:
        process = Forked(command, desk.variables, desk.work)
        staging.world.wait(lambda: stage_of(staging) == stage, f"the deployment reached {stage}")
        os.kill(process.pid, number)
        stdout = process.communicate(timeout=60)[0]
        body, version = desk.outcome(), staging.current
        assert (process.poll(), body["status"], body["applied"]) == (2, "failed", True)
        assert body["failure"].startswith("Interrupted. Done before: changed SECRET_KEY")
        assert f"Version {version} is current, with the new values" in body["failure"]
        changes = [(each.get("key") or each["service"], each["action"]) for each in body["changes"]]
        assert changes == [("SECRET_KEY", "changed"), ("backend", "redeployed"), ("worker", "redeployed")]
        go_on = "omc-runbook run rotate -p environment staging -p values_from keep -p apply true"
        assert go_on in stdout.splitlines()[2] and f"-p version {previous_of(staging)}" in stdout
        lifecycle.set_minute(desk.sandbox, 0.01)
        assert desk.call([str(COMMAND), *go_on.split()[1:], "--record", str(desk.record)]).returncode == 0
        assert staging.current == version and not staging.labels()
    finally:
        lifecycle.set_minute(desk.sandbox, 1)
        deployments.configure(staging.world, "backend")
        faults.mend(desk.sandbox.endpoint, None)


def stage_of(staging: Staging) -> str:
    """The stage of backend's newest service deployment."""
    newest = staging.ecs.list_service_deployments(cluster=CLUSTER, service="backend")["serviceDeployments"][0]
    arns = [newest["serviceDeploymentArn"]]
    [described] = staging.ecs.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return str(described.get("lifecycleStage", ""))


def previous_of(staging: Staging) -> str:
    """The id of AWSPREVIOUS."""
    return next(version for version, labels in staging.stages.items() if "AWSPREVIOUS" in labels)


def test_a_key_that_encrypts_data_keeps_its_former_value(desk: Rotator) -> None:
    """A value alone is refused before anything is written; a list with the former one goes all the way."""
    staging, former, new = Staging(desk.sandbox), secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    staging.put(ENCRYPTION_KEY=former)
    try:
        version, desk.variables["ALONE"], desk.variables["LISTED"] = staging.current, new, f"{new},{former}"
        refused = desk.rotate("ENCRYPTION_KEY", values_from="env:ALONE")
        assert (refused.returncode, staging.current) == (3, version)
        assert "ENCRYPTION_KEY encrypts data" in refused.stderr and "MultiFernet" in refused.stderr
        assert desk.rotate("ENCRYPTION_KEY", values_from="env:LISTED").returncode == 0
        assert staging.members["ENCRYPTION_KEY"] == f"{new},{former}"
    finally:
        faults.mend(desk.sandbox.endpoint, None)
    assert_nothing_leaked(desk, [former, new], refused.stdout, refused.stderr)


def test_a_bad_value_ends_with_1_and_everything_as_it_was(desk: Rotator) -> None:
    """The root cause and the rollback are in the outcome, no value is anywhere, and the source file stays."""
    staging, before = Staging(desk.sandbox), values(desk.sandbox)
    path = desk.work / "new.json"
    path.touch(0o600)
    bad = BAD.replace("0@", f"{secrets.token_hex(12)}@")
    path.write_text(json.dumps({"SENTRY_DSN": bad}))
    process = desk.rotate("SENTRY_DSN", values_from="file:new.json")
    body = desk.outcome()
    assert (process.returncode, body["root_causes"]) == (1, ["change-failed"])
    assert {"key": "SENTRY_DSN", "action": "put back", "version": staging.current} in body["changes"]
    assert staging.process_values("SENTRY_DSN")["backend"] == {staging.members["SENTRY_DSN"]} and path.exists()
    path.unlink()
    assert_nothing_leaked(desk, [*before, bad], process.stdout, process.stderr)
    assert Desk.run(desk).returncode == 0


def test_plain_papermill_rotates_too(desk: Rotator) -> None:
    """The notebook alone does all of it, and a dry run of it writes nothing."""
    staging, notebook = Staging(desk.sandbox), notebooks() / "rotate.ipynb"
    before, old = values(desk.sandbox), staging.members["SECRET_KEY"]
    words = ["-p", "keys", "SECRET_KEY"]
    assert desk.call([str(PAPERMILL), str(notebook), "dry.ipynb", *words]).returncode == 0
    assert staging.members["SECRET_KEY"] == old
    assert desk.call([str(PAPERMILL), str(notebook), "out.ipynb", *words, "-p", "apply", "True"]).returncode == 0
    assert staging.process_values("SECRET_KEY")["worker"] == {staging.members["SECRET_KEY"]} != {old}
    assert_nothing_leaked(desk, [*before, *values(desk.sandbox)])


WHEN: dict[str, Callable[[Staging, str, str], bool]] = {
    "staged": lambda staging, version, deployment: bool(staging.labels()),
    "current": lambda staging, version, deployment: staging.current != version,
    "redeployed": lambda staging, version, deployment: staging.service("worker")["deployments"][0]["id"] != deployment,
}


@pytest.mark.parametrize(
    ("when", "whom"),
    [
        *(("staged", "kernel"), ("current", "both"), ("redeployed", "kernel")),
        *(("staged", "command"), ("current", "command"), ("redeployed", "command")),
    ],
)
def test_killed_for_good_it_is_finished_by_running_it_again(desk: Rotator, when: str, whom: str) -> None:
    """A kernel, its command as well, or a command without one: then one value is new, and every task has it."""
    engine = () if whom == "command" else ("--kernel",)
    staging = Staging(desk.sandbox)
    version, versions = staging.current, len(staging.versions)
    deployment = staging.service("worker")["deployments"][0]["id"]
    running = Forked([*desk.command("SECRET_KEY"), *engine], desk.variables, desk.work)
    while not WHEN[when](staging, version, deployment):
        assert running.poll() is None
        # It is staged for a moment only.
        time.sleep(0.002 if when == "staged" else 0.02)
    command = psutil.Process(running.pid)
    # A kernel leads a session of its own.
    kernels = [child for child in command.children(True) if os.getsid(child.pid) == child.pid]
    assert bool(kernels) == (whom != "command")
    for process in [*kernels, *([command] if whom != "kernel" else [])]:
        process.kill()
    output = running.communicate(timeout=60)
    if whom == "kernel":
        assert running.poll() == 2 and "run the runbook again" in output[0] and output[1] == ""
        assert desk.outcome()["status"] == "failed"
    assert desk.rotate("SECRET_KEY").returncode == 0
    assert not staging.labels() and len(staging.versions) == versions + 1
    new = staging.members["SECRET_KEY"]
    assert staging.process_values("SECRET_KEY") == {"backend": {new}, "worker": {new}, "frontend": {""}}


@pytest.fixture(scope="module")
def with_database() -> Iterator[Sandbox]:
    if not postgres.is_installed():
        pytest.skip("the sandbox's database is not installed: pip install 'omc-runbook[sandbox]'")
    started = lifecycle.up("healthy", database=True)
    yield started
    lifecycle.down(started)


@pytest.fixture
def at_database(with_database: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Staging:
    """Staging in that sandbox; OWN has the database's address with the application's login."""
    staging, database = Staging(with_database), with_database.database
    assert database
    sign_in(with_database, monkeypatch)
    login = f"{staging.members['POSTGRES_USER']}:{staging.members['POSTGRES_PASSWORD']}"
    monkeypatch.setenv("OWN", f"postgresql://{login}@{database.host}:{database.port}/{database.dbname}")
    return staging


def log_in(sandbox: Sandbox, user: str, password: str) -> None:
    """Log in to the sandbox's database, and out again."""
    import psycopg

    assert sandbox.database
    host, port, dbname = sandbox.database.host, sandbox.database.port, sandbox.database.dbname
    psycopg.connect(host=host, port=port, dbname=dbname, user=user, password=password).close()


class Load:
    """Asks every serving task for its health, which is a login to the database each time, every 50 ms."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._ended = sandbox, threading.Event()
        self.answers: list[int] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with ThreadPoolExecutor(8) as pool:
            while not self._ended.wait(0.05):
                tasks = lifecycle.status(self._sandbox)["tasks"]
                urls = [task["health"] for task in tasks if task["health"] and task["service"] != "frontend"]
                self.answers.extend(pool.map(health, urls))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()


def test_a_database_password_changes_without_one_refused_login(with_database: Sandbox, tmp_path: Path) -> None:
    """Twice, so that both login roles have had their turn; the database's log has neither password."""
    desk = Rotator(tmp_path, with_database)
    staging, before = Staging(with_database), values(with_database)
    roles = [staging.members["POSTGRES_USER"]]
    with Load(with_database) as load:
        for _ in range(2):
            process = desk.rotate("POSTGRES_PASSWORD", database_url_from=f"env:{DATABASE}")
            assert (process.returncode, process.stderr) == (0, "")
            [former] = [each for each in desk.outcome()["findings"] if each["check"] == "old-value-alive"]
            assert (former["status"], former["severity"]) == ("found", "info")
            roles.append(staging.members["POSTGRES_USER"])
            before += values(with_database)
    # Another test may have been here before.
    assert roles in (["app", "app_clone", "app"], ["app_clone", "app", "app_clone"])
    assert len(load.answers) > 100 and set(load.answers) == {200}
    assert staging.process_values("POSTGRES_PASSWORD")["worker"] == {staging.members["POSTGRES_PASSWORD"]}
    assert with_database.database
    log = Path(with_database.database.log).read_text()
    assert "ALTER ROLE" in log and not [value for value in before if value in log]
    assert_nothing_leaked(desk, before)


def test_one_role_is_refused_where_old_tasks_outlive_its_password(with_database: Sandbox, tmp_path: Path) -> None:
    """During a bake they would be refused by the database: nothing is written, and the way out that is named works."""
    desk, staging = Rotator(tmp_path, with_database), Staging(with_database)
    version, deployment, before = staging.current, staging.service("worker")["deployments"][0]["id"], staging.members
    database = with_database.database
    assert database
    login = f"{before['POSTGRES_USER']}:{before['POSTGRES_PASSWORD']}"
    desk.variables["OWN"] = f"postgresql://{login}@{database.host}:{database.port}/{database.dbname}"
    deployments.configure(staging.world, "backend", strategy="BLUE_GREEN", bake_minutes=15)
    try:
        refused = desk.rotate("POSTGRES_PASSWORD", database_url_from="env:OWN")
    finally:
        deployments.configure(staging.world, "backend")
    assert refused.returncode == 3 and refused.stderr.count("\n") == 1
    assert "one password at a time" in refused.stderr and "bakes for 15 min" in refused.stderr
    assert "Let two roles take turns" in refused.stderr and "set the strategy ROLLING" in refused.stderr
    assert (staging.current, staging.labels(), staging.members) == (version, [], before)
    assert staging.service("worker")["deployments"][0]["id"] == deployment
    assert {health(task["health"]) for task in lifecycle.status(with_database)["tasks"]} == {200}
    process = desk.rotate("POSTGRES_PASSWORD", database_url_from="env:OWN")
    assert (process.returncode, staging.members["POSTGRES_USER"]) == (0, before["POSTGRES_USER"])
    assert staging.members["POSTGRES_PASSWORD"] != before["POSTGRES_PASSWORD"]
    assert_nothing_leaked(desk, [before["POSTGRES_PASSWORD"]], refused.stderr)


def test_a_database_password_alone_is_taken_back(with_database: Sandbox, tmp_path: Path) -> None:
    """Without the database's URL its tasks do not get in: the plan says so, and the former password is back."""
    desk, staging = Rotator(tmp_path, with_database), Staging(with_database)
    version = staging.current
    with Load(with_database) as load:
        process = desk.rotate("POSTGRES_PASSWORD")
    assert (process.returncode, desk.outcome()["root_causes"]) == (1, ["change-failed"])
    assert staging.current == version and set(load.answers) == {200}
    assert "POSTGRES_PASSWORD must change in the database too" in next(desk.record.glob("rotate-*.html")).read_text()


def test_a_database_that_refuses_stops_before_anything_is_current(with_database: Sandbox, tmp_path: Path) -> None:
    """An administrator who may not manage roles: one sentence, no label, no deployment."""
    desk, staging = Rotator(tmp_path, with_database), Staging(with_database)
    version, deployment = staging.current, staging.service("worker")["deployments"][0]["id"]
    password = staging.members["POSTGRES_PASSWORD"]
    database = with_database.database
    assert database
    desk.variables["WRONG"] = f"postgresql://nobody:{password[::-1]}@{database.host}:{database.port}/{database.dbname}"
    process = desk.rotate("POSTGRES_PASSWORD", database_url_from="env:WRONG")
    assert process.returncode == 2 and process.stderr.count("\n") == 1 and password[::-1] not in process.stderr
    assert (staging.current, staging.labels()) == (version, [])
    assert staging.service("worker")["deployments"][0]["id"] == deployment


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("has_two_roles", [True, False])
def test_a_rotation_that_comes_second_leaves_the_winners_password_alone(
    with_database: Sandbox, at_database: Staging, has_two_roles: bool
) -> None:
    """Both were planned on the same version: the second neither sets a password nor takes one back."""
    staging, before = at_database, at_database.members
    source = f"env:{DATABASE if has_two_roles else 'OWN'}"
    planned = []
    for _ in range(2):
        run = runbooks_run.begin("rotate", "staging")
        snapshot = run.look()
        new = secret_change.gather(run, snapshot, "generate", "POSTGRES_PASSWORD", source)
        planned.append((run, secret_change.plan(run, snapshot, new), new))
    (run, plan, new), (second, late, other) = planned
    assert new.rotation and new.rotation.alternates is has_two_roles
    result = secret_change.apply(run, plan, True, new=new)
    assert result and result.is_proved
    with pytest.raises((ConflictError, CouldNotLook), match=r"Theirs stays|run again"):
        secret_change.apply(second, late, True, new=other)
    now = staging.members
    assert staging.current == plan.token and now["POSTGRES_PASSWORD"] != before["POSTGRES_PASSWORD"]
    log_in(with_database, now["POSTGRES_USER"], now["POSTGRES_PASSWORD"])
    assert not staging.labels()
    assert {health(task["health"]) for task in lifecycle.status(with_database)["tasks"]} == {200}


@pytest.mark.usefixtures("own_registry")
def test_no_version_with_another_password_than_the_database_is_named_to_restore(at_database: Staging) -> None:
    """Where somebody else deploys a service during the roll-out."""

    def step(name: str) -> None:
        if name == "watch":
            at_database.ecs.update_service(cluster=CLUSTER, service="worker", forceNewDeployment=True)

    result = at_database.rotate("POSTGRES_PASSWORD", database_url_from="env:OWN", step=step)
    assert result and [each.check for each in result.findings] == ["deployment-overtaken"]
    assert result.findings[0].evidence[0].endswith("run rotate with values_from keep.")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.usefixtures("own_registry")
def test_the_databases_only_password_outlives_a_change_that_fails(
    with_database: Sandbox, at_database: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation is killed once the database has its password; another value fails, and the first one is not lost."""
    staging, version, source = at_database, at_database.current, "env:OWN"
    monkeypatch.setenv("NEW", secrets.token_urlsafe(24))

    def kill(name: str) -> None:
        if name == "move":
            raise Killed

    with pytest.raises(Killed):
        staging.rotate("POSTGRES_PASSWORD", database_url_from=source, step=kill)
    labels = staging.labels()
    failed = staging.rotate("POSTGRES_PASSWORD", "env:NEW")
    assert failed and not failed.is_proved and staging.current == version
    assert staging.labels() == labels and "rotate its keys again, with database_url_from" in failed.rollback_note
    result = staging.rotate("POSTGRES_PASSWORD", database_url_from=source)
    now = staging.members
    assert result and result.is_proved and not staging.labels()
    log_in(with_database, now["POSTGRES_USER"], now["POSTGRES_PASSWORD"])


@pytest.mark.usefixtures("own_registry")
def test_a_password_that_was_only_half_taken_back_outlives_a_change_that_fails(
    with_database: Sandbox, at_database: Staging, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run is killed between the secret and the database: the role's own URL still gets in after another failure."""
    staging, version, source, file = at_database, at_database.current, "env:OWN", tmp_path / "values.json"
    file.write_text(json.dumps({"POSTGRES_PASSWORD": secrets.token_urlsafe(24), "SENTRY_DSN": BAD}))
    file.chmod(0o600)
    monkeypatch.setenv("NEW", f"{BAD}2")

    def killed(*_: object) -> str:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(rotation, "restore_password", killed)
        staging.rotate("POSTGRES_PASSWORD,SENTRY_DSN", f"file:{file}", database_url_from=source)
    failed = staging.rotate("SENTRY_DSN", "env:NEW")
    assert failed and not failed.is_proved and staging.current == version
    result = staging.rotate("POSTGRES_PASSWORD", database_url_from=source)
    now = staging.members
    assert result and result.is_proved and not staging.labels()
    log_in(with_database, now["POSTGRES_USER"], now["POSTGRES_PASSWORD"])


@pytest.mark.usefixtures("own_registry")
def test_a_password_that_somebody_sets_meanwhile_is_the_databases(with_database: Sandbox, at_database: Staging) -> None:
    """Somebody writes the secret by hand after our password is set: the database gets back what theirs says."""
    staging, user, theirs = at_database, at_database.members["POSTGRES_USER"], secrets.token_urlsafe(24)
    with pytest.raises(ConflictError, match="Theirs stays"):
        staging.rotate(
            "POSTGRES_PASSWORD",
            database_url_from="env:OWN",
            step=lambda name: staging.put(POSTGRES_PASSWORD=theirs) if name == "move" else None,
        )
    log_in(with_database, user, theirs)
    assert staging.members["POSTGRES_PASSWORD"] == theirs and not staging.labels()


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("is_lost", [False, True])
def test_an_old_read_takes_no_password_back(
    with_database: Sandbox, at_database: Staging, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    """Secrets Manager shows the former version for a while, also where the answer of the move was lost."""
    staging, before, move = at_database, at_database.members["POSTGRES_PASSWORD"], secretsmanager.move_current

    def lost(client: Any, secret: str, to: str, from_: str) -> bool | None:
        move(client, secret, to, from_)
        raise ReadTimeoutError(endpoint_url="https://secretsmanager")

    with monkeypatch.context() as patch:
        if is_lost:
            patch.setattr(secretsmanager, "move_current", lost)
        read_late(patch, "move_current", 3)
        result = staging.rotate("POSTGRES_PASSWORD", database_url_from="env:OWN")
    now = staging.members
    assert result and result.is_proved and now["POSTGRES_PASSWORD"] != before and not staging.labels()
    log_in(with_database, now["POSTGRES_USER"], now["POSTGRES_PASSWORD"])


@pytest.mark.usefixtures("own_registry")
@pytest.mark.parametrize("does", ["restores", "writes"])
def test_the_database_follows_who_is_faster_than_the_read_back(
    with_database: Sandbox, at_database: Staging, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    """Our version was current for a moment only: the password is that of the version that is current."""
    staging, user, others = at_database, at_database.members["POSTGRES_USER"], secrets.token_urlsafe(24)
    version, move = staging.current, secretsmanager.move_current

    def moved(client: Any, secret: str, to: str, from_: str) -> bool | None:
        answer = move(client, secret, to, from_)
        if does == "restores":
            move(client, secret, from_, to)
        else:
            staging.put(POSTGRES_PASSWORD=others)
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(secretsmanager, "move_current", moved)
        message = "AWSCURRENT back .*Theirs stays: run verify" if does == "restores" else "another from somebody else"
        with pytest.raises(ConflictError, match=message):
            staging.rotate("POSTGRES_PASSWORD", database_url_from="env:OWN")
    log_in(with_database, user, staging.members["POSTGRES_PASSWORD"])
    assert (staging.current == version) is (does == "restores") and not staging.labels()
