"""Scheduled verify runs and who hears of them: one message for each change, through a real web server."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.forked_command import Forked
from support.runs import COMMAND, SECRET, Desk, assert_nothing_leaked, client, values
from support.webhook import webhook

from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

TOKEN = "T0k3nThatNobodyMaySee"

pytest.importorskip("apprise", reason="apprise is not installed")


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path, sandbox)


def _configure(desk: Desk, *lines: str) -> None:
    text = "\n".join(("[notify]", 'findings = ["env:OPS_WEBHOOK"]', 'unknown = ["env:OPS_WEBHOOK"]', *lines, ""))
    (desk.work / "runbook.toml").write_text(text)


def test_each_change_of_the_outcome_is_told_once(desk: Desk) -> None:
    """ok, findings, the same, worse, unknown, the same as before, ok; and no value in any message."""
    secrets, ecs = client(desk.sandbox, "secretsmanager"), client(desk.sandbox, "ecs")
    healthy = secrets.get_secret_value(SecretId=SECRET)["SecretString"]
    without_key = json.dumps({name: value for name, value in json.loads(healthy).items() if name != "SECRET_KEY"})
    secret_values = values(desk.sandbox)
    assert len(secret_values) > 3

    def nothing() -> None:
        """Change nothing."""

    def break_secret() -> None:
        secrets.put_secret_value(SecretId=SECRET, SecretString=without_key)

    def break_deployment() -> None:
        ecs.update_service(cluster="ohmycoins-staging", service="backend", desiredCount=0)

    def mend() -> None:
        lifecycle.renew(desk.sandbox)

    _configure(desk, "timeout = 60")
    steps: list[tuple[Callable[[], None], dict[str, str], int, list[str]]] = [
        (nothing, {}, 0, []),
        (break_secret, {}, 1, ["key-missing"]),
        (nothing, {}, 1, []),
        (break_deployment, {}, 1, ["new: desired-zero"]),
        (nothing, {"AWS_SECRET_ACCESS_KEY": "wrong"}, 2, ["could not look"]),
        (nothing, {}, 1, ["can look again"]),
        (mend, {}, 0, ["resolved"]),
    ]
    with webhook(TOKEN) as (address, bodies):
        for step, (change, variables, code, titles) in enumerate(steps):
            change()
            before = len(bodies)
            process = desk.run("environment=staging", OPS_WEBHOOK=address, **variables)
            titles_sent = [body["title"].partition(": ")[2] for body in bodies[before:]]
            assert (process.returncode, titles_sent) == (code, titles), (step, process.stdout, process.stderr)
            for body in bodies[before:]:
                last = body["message"].splitlines()[-1]
                page = Path(last.removeprefix(f"Record: {socket.gethostname()}:"))
                assert (page.is_absolute() and page.exists()) is (code != 2), last
    assert_nothing_leaked(desk, [*secret_values, TOKEN], *map(json.dumps, bodies))


def test_a_webhook_that_hangs_changes_nothing_but_is_told(desk: Desk) -> None:
    """The run's exit code stays, and its outcome says who did not hear."""
    _configure(desk, "timeout = 1")
    with webhook(TOKEN, hang=60) as (address, _):
        variables = {"AWS_ACCESS_KEY_ID": "wrong", "OPS_WEBHOOK": address}
        process = desk.run("environment=staging", **variables)
    assert process.returncode == 2
    assert "Not delivered to env:OPS_WEBHOOK: It took more than 1 s." in process.stderr


def test_a_run_that_cannot_begin_is_told(desk: Desk) -> None:
    """A watcher hears of it, and who is to know of runs that could not look."""
    _configure(desk, 'ping = "env:WATCHER"')
    with webhook(TOKEN) as (address, bodies):
        variables = {"TMPDIR": "/nowhere", "OPS_WEBHOOK": address, "WATCHER": address.replace("json://", "http://")}
        process = desk.run("environment=staging", **variables)
    assert process.returncode == 2 and "/nowhere cannot be used" in process.stderr
    assert [body.get("path") or body["title"] for body in bodies] == [
        "/start",
        "/fail",
        "verify on staging: could not look",
    ]


def test_a_run_on_an_environment_that_is_none_any_more_is_told(desk: Desk) -> None:
    """Once: its schedule goes on after its table in runbook.toml was removed."""
    _configure(desk, 'ping = "env:WATCHER"')
    with webhook(TOKEN) as (address, bodies):
        variables = {"OPS_WEBHOOK": address, "WATCHER": address.replace("json://", "http://")}
        for _ in range(2):
            process = desk.run("environment=qa", **variables)
            assert (process.returncode, "unknown: there are" in process.stderr) == (3, True)
    requests = [body.get("path") or body["title"] for body in bodies]
    assert requests == ["/start", "/fail", "verify on qa: could not look", "/start", "/fail"]


def test_a_run_that_stays_away_is_overdue(desk: Desk) -> None:
    """A watcher is called as runs begin and end, and `records` tells which did not take place; a failed one did."""
    _configure(desk, 'ping = "env:WATCHER"', "[[schedules]]", 'runbook = "verify"', 'cron = "* * * * *"')
    listing = [str(COMMAND), "records", "--record", str(desk.record)]
    before = desk.call(listing)
    with webhook(TOKEN) as (address, calls):
        variables = {"AWS_ACCESS_KEY_ID": "wrong", "OPS_WEBHOOK": address}
        process = desk.run("environment=staging", WATCHER=address.replace("json://", "http://"), **variables)
    after = desk.call(listing)
    assert (before.returncode, process.returncode) == (1, 2)
    assert "OVERDUE  verify on staging: due " in before.stdout and "it never ran" in before.stdout
    assert [call["path"] for call in calls if "path" in call] == ["/start", "/fail"]
    assert after.returncode == 0 and "on time  verify on staging: the last run ended " in after.stdout


def test_a_person_at_a_terminal_notifies_nobody(desk: Desk) -> None:
    """Nor does who says so."""
    _configure(desk, "timeout = 60")
    with webhook(TOKEN) as (address, bodies):
        desk.run("environment=staging", "--no-notify", OPS_WEBHOOK=address, AWS_SECRET_ACCESS_KEY="wrong")
    assert bodies == []


def test_a_run_that_its_scheduler_ends_is_told(desk: Desk) -> None:
    """As after a time-out: it could not look."""
    _configure(desk, "timeout = 60", 'ping = "env:OPS_PING"')
    with webhook(TOKEN) as (address, bodies), socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        variables = desk.variables | {
            "OPS_WEBHOOK": address,
            "OPS_PING": address.replace("json://", "http://"),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
        }
        run = Forked([str(COMMAND), "run", "verify", "environment=staging"], variables, desk.work)
        with silent.accept()[0]:
            os.kill(run.pid, signal.SIGTERM)
            _, stderr = run.communicate(120)
    assert (run.poll(), stderr.splitlines()) == (2, ["error: Interrupted before anything was changed."])
    assert [each["path"] for each in bodies if "path" in each] == ["/start", "/fail"]
    (message,) = (each for each in bodies if "title" in each)
    assert (message["title"], message["message"]) == (
        "verify on staging: could not look",
        "New: Interrupted before anything was changed.",
    )


def test_an_outcome_is_exported(desk: Desk) -> None:
    """In each format, for the programs that a team has, which run as other users; the record stays private."""
    pytest.importorskip("junitparser", reason="junitparser is not installed")
    formats = ("junit=verify.xml", "prometheus=verify.prom", "emf=verify.log")
    former = os.umask(0o022)
    try:
        process = desk.run("environment=staging", *(word for each in formats for word in ("--export", each)))
    finally:
        os.umask(former)
    assert process.returncode == 0, process.stdout + process.stderr
    assert '<testsuite name="verify staging"' in (desk.work / "verify.xml").read_text()
    text = (desk.work / "verify.prom").read_text()
    assert 'omc_runbook_exit_code{environment="staging",runbook="verify"} 0.0' in text
    assert json.loads((desk.work / "verify.log").read_text())["ExitCode"] == 0
    assert {path.stat().st_mode & 0o777 for path in desk.work.glob("verify.*")} == {0o644}
    assert {path.stat().st_mode & 0o777 for path in desk.record.iterdir()} == {0o600}


def test_a_broken_table_is_told_before_the_run(desk: Desk) -> None:
    """An address in runbook.toml is refused, and not repeated."""
    (desk.work / "runbook.toml").write_text(f'[notify]\nfindings = ["slack://{TOKEN}"]\n')
    process = desk.run("environment=staging")
    assert process.returncode == 3
    assert "findings" in process.stderr and "env:NAME or file:PATH" in process.stderr
    assert TOKEN not in process.stderr
