"""The last words of failed tasks: whose logs are read, what is kept of them, and what a refusal is."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from support.snapshots import (
    CHANGED,
    NOW,
    healthy,
    policy,
    rotated,
    stopped,
    stuck,
    with_container,
    with_secret,
    with_tasks,
)

from omc_runbook.aws.ecs import Task, TaskContainer
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.session import Clients
from omc_runbook.checks.check import run_check
from omc_runbook.diagnosis.root_causes import CHECKS
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startlog import read_log
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.snapshot import failure_logs, follow_ups
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

GROUP = "/ecs/ohmycoins-staging/worker"
RAN: dict[str, Any] = {"started": NOW - timedelta(minutes=8), "stop_code": "EssentialContainerExited"}
EXIT = "Essential container in task exited"


class Logs:
    """CloudWatch Logs with the same lines in every stream, or with a refusal."""

    def __init__(self, lines: tuple[str, ...] = (), code: str = "") -> None:
        self.lines, self.code = lines, code
        self.calls: list[str] = []

    def get_log_events(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(f"{parameters['logGroupName']} {parameters['logStreamName']}")
        if self.code:
            raise ClientError({"Error": {"Code": self.code, "Message": ""}}, "GetLogEvents")
        return {"events": [{"message": line} for line in self.lines]}


class Trail:
    """CloudTrail without events, which records the event names that it is asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def lookup_events(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters["LookupAttributes"][0]["AttributeValue"])
        return {"Events": []}


class Values:
    """Secrets Manager with an empty document in every version."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def get_secret_value(self, **parameters: Any) -> dict[str, Any]:
        self.calls.append(parameters["VersionId"])
        return {"VersionId": parameters["VersionId"], "SecretString": "{}"}


def ask(client: object, snapshot: Snapshot, call: Callable[[Gatherer, Snapshot], Any]) -> tuple[Any, Mapping[str, Any]]:
    """Read with one client for every service; the result and its gaps."""
    with ThreadPoolExecutor(4) as pool:
        asking = Gatherer(pool, cast(Clients, lambda *_: client), snapshot.environment, snapshot.caller)
        return call(asking, snapshot), asking.gaps


def failing(reason: str = EXIT, **changes: Any) -> Snapshot:
    """A worker that logs to CloudWatch, and whose new tasks fail."""
    logging = with_container(healthy(), "worker", lambda old: replace(old, log_group=GROUP, log_prefix="ecs"))
    return stuck(logging, "worker", reason, **{**RAN, **changes})


def last(snapshot: Snapshot) -> Task:
    """The task that stopped last."""
    return max((task for task in snapshot.tasks if task.stopped), key=lambda task: task.stopped or NOW)


def test_the_lines_that_tell_of_trouble_are_kept() -> None:
    """Of the newest failed tasks, two a service, the last two lines of trouble."""
    logs = Logs(("INFO: started", "ERROR: first", "ERROR:  second", "Traceback", "KeyError: 'X'", "INFO: bye"))
    found, gaps = ask(logs, failing(), failure_logs.read)
    assert len(found) == failure_logs.TASKS_A_SERVICE == len(logs.calls)
    assert next(iter(found.values())) == (
        "The log of worker says: ERROR: second",
        "The log of worker says: KeyError: 'X'",
    )
    assert not gaps


REFUSED_BY_RDS = (
    'sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection failed: connection to server at "ohmycoins-'
    'staging-postgres.c1abcdefghij.ap-southeast-2.rds.amazonaws.com" (10.0.3.7), port 5432 failed: FATAL:  password'
    ' authentication failed for user "postgres"'
)
BACKGROUND = "(Background on this error at: https://sqlalche.me/e/20/e3q8)"
FRAMES = ('  File "/app/.venv/lib/python3.12/site-packages/sqlalchemy/engine/base.py", line 146, in __init__',) * 9
CHAINED = "The above exception was the direct cause of the following exception:"
REFUSED_BY_PYDANTIC = """pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
SECRET_KEY
  String should have at least 40 characters [type=string_too_short, input_value='x', input_type=str]
    For further information visit https://errors.pydantic.dev/2.11/v/value_error"""
ANSWERED = 'INFO:     10.0.1.7:53424 - "GET /health HTTP/1.1" 401 Unauthorized'


@pytest.mark.parametrize(
    ("reason", "lines"),
    [
        (REFUSED_BY_RDS, (REFUSED_BY_RDS, BACKGROUND, "ERROR:    Application startup failed. Exiting.")),
        (REFUSED_BY_RDS, (REFUSED_BY_RDS, BACKGROUND, CHAINED, "tenacity.RetryError: raised OperationalError")),
        (
            "asyncpg.exceptions.InvalidPasswordError: password authentication failed for user",
            (
                "[7] [ERROR] Exception in worker process",
                "asyncpg.exceptions.InvalidPasswordError: password authentication failed for user",
                "[1] [ERROR] Worker (pid:7) exited with code 3",
                "[1] [ERROR] Shutting down: Master",
                "[1] [ERROR] Reason: Worker failed to boot.",
            ),
        ),
        (
            "was sent SIGKILL",
            (
                "[1] [ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?",
                *("[1] [ERROR] Worker (pid:8) exited with code 3", "[1] [ERROR] Shutting down: Master"),
            ),
        ),
        (
            "Error code: 401",
            (
                "ERROR:asyncio:Task exception was never retrieved future: <Task exception=AuthenticationError('Error"
                " code: 401')>",
                "ERROR: Shutdown failed",
            ),
        ),
        (
            "can't open file",
            ("INFO: started", "python: can't open file '/app/start.py': [Errno 2] No such file", "bye"),
        ),
        ("start.sh: no such file", ("exec /app/start.sh: no such file or directory", "npm ERR! code 1")),
        (REFUSED_BY_RDS, (REFUSED_BY_RDS, *2 * ("rm: cannot remove '/tmp/ready': No such file or directory",))),
        ("BadDsn: Missing public key", ("Traceback", "sentry_sdk.utils.BadDsn: Missing public key")),
        ("openai.AuthenticationError", ("openai.AuthenticationError: Error code: 401", *3 * (ANSWERED,))),
        (
            "openai.AuthenticationError",
            (
                "openai.AuthenticationError: Error code: 401",
                *("ERROR:asyncio:Unclosed client session", "ERROR:asyncio:Task exception was never retrieved"),
                "ERROR:    Traceback (most recent call last):",
            ),
        ),
        ("/health HTTP/1.1", ("INFO: started", ANSWERED)),
        (REFUSED_BY_RDS, ("\n".join(("Traceback (most recent call last):", *FRAMES, REFUSED_BY_RDS, BACKGROUND)),)),
        (
            "FATAL: password authentication failed",
            (
                json.dumps(
                    {"level": "error", "exc_info": "\n".join(("Traceback:", *FRAMES, REFUSED_BY_RDS, BACKGROUND))}
                ),
            ),
        ),
        *(
            (
                "FATAL: password authentication failed",
                (
                    f"{begin}Traceback (most recent call last):{end}{end.join(FRAMES)}{end}"
                    f'{json.dumps(REFUSED_BY_RDS)[1:-1]}{end}{BACKGROUND}"',
                    "ERROR: Shutdown failed",
                ),
            )
            for begin in ('level=error exc_info="', 'ERROR {"exc_info": "', '{"exc_info": "')
            for end in (r"\n", r"\r\n")
        ),
        (
            "SECRET_KEY: String should have at least 40 characters",
            (json.dumps({"level": "error", "exc_info": REFUSED_BY_PYDANTIC}), "ERROR: Shutdown failed"),
        ),
        (r"user CORP\\nadmin", (json.dumps({"message": r"login failed for user CORP\nadmin"}),)),
    ],
)
def test_the_reason_is_kept_whatever_is_written_after_it(reason: str, lines: tuple[str, ...]) -> None:
    """Libraries, servers and the application's own callers have lines that sound like errors too."""
    found, _ = ask(Logs(lines), failing(), failure_logs.read)
    assert " ".join(reason.split()) in " ".join(next(iter(found.values())))


@pytest.mark.parametrize(
    "line",
    [
        *(BACKGROUND, CHAINED, ANSWERED, "During handling of the above exception, another exception occurred:"),
        *("npm ERR! code 1", "npm error Lifecycle script `start` failed with error:"),
        *("ERROR:    Traceback (most recent call last):", "ERROR:    Application startup failed. Exiting."),
        *("ERROR:asyncio:Unclosed client session", "ERROR:asyncio:Task exception was never retrieved"),
        *("[1] [ERROR] Worker (pid:7) exited with code 3", "[1] [ERROR] Shutting down: Master"),
        "[1] [ERROR] Reason: Worker failed to boot.",
    ],
)
def test_a_line_without_a_reason_takes_no_place(line: str) -> None:
    """However often it is written; alone it is better than nothing."""
    found, _ = ask(Logs(("ERROR: the reason", *failure_logs.MOST * (line,))), failing(), failure_logs.read)
    assert next(iter(found.values())) == ("The log of worker says: ERROR: the reason",)
    found, _ = ask(Logs((line,)), failing(), failure_logs.read)
    assert not failure_logs.ERROR.search(line) or " ".join(line.split()) in next(iter(found.values()))[0]


def test_the_errors_of_pydantic_are_kept_with_their_variable() -> None:
    """What stands in lines of its own below the header is what says which variable was refused."""
    logs = Logs(
        (
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
            "FIRST_SUPERUSER",
            "  value is not a valid email address: An email address must have an @-sign."
            " [type=value_error, input_value='x', input_type=str]",
            "    For further information visit https://errors.pydantic.dev/2.11/v/value_error",
        )
    )
    found, _ = ask(logs, failing(), failure_logs.read)
    [line] = next(iter(found.values()))
    assert line.endswith(
        "for Settings: FIRST_SUPERUSER: value is not a valid email address: An email address must have an @-sign."
    )
    [problem] = read_log(line, {"FIRST_SUPERUSER"})
    assert (problem.variable, problem.reason) == ("FIRST_SUPERUSER", "it is not a valid e-mail address")


def test_the_newest_task_is_among_them() -> None:
    """Its stream is named after prefix, container and task."""
    logs, snapshot = Logs(("ERROR: x",)), failing()
    found, _ = ask(logs, snapshot, failure_logs.read)
    assert last(snapshot).id in found
    assert f"{GROUP} ecs/worker/{last(snapshot).id}" in logs.calls


def test_values_are_masked_and_long_lines_cut() -> None:
    """What an application prints of a value does not come through."""
    value = secrets.token_hex(24)
    Masked(value, "OPENAI_API_KEY")
    found, _ = ask(
        Logs((f"ERROR: Incorrect API key provided: {value}. {'x' * 2 * failure_logs.LONGEST}",)),
        failing(),
        failure_logs.read,
    )
    [line] = next(iter(found.values()))
    assert value not in line and "‹OPENAI_API_KEY›" in line
    assert len(line) < failure_logs.LONGEST + 50


@pytest.mark.parametrize("wrap", [str, lambda text: json.dumps({"level": "error", "message": text})])
def test_a_value_of_several_lines_is_masked_before_its_lines_are_split(wrap: Callable[[str], str]) -> None:
    """A piece of it alone would not be known for one."""
    lines = [secrets.token_hex(24) for _ in range(4)]
    Masked("\n".join(lines), "PRIVATE_KEY")
    found, _ = ask(Logs((wrap("ERROR: invalid key " + "\n".join(lines)),)), failing(), failure_logs.read)
    masked = " ".join(next(iter(found.values())))
    assert "‹PRIVATE_KEY›" in masked and not any(line in masked for line in lines)


@pytest.mark.parametrize(
    "snapshot",
    [
        healthy(),
        failing("CannotPullContainerError: not found", started=None),
        stuck(healthy(), "worker", EXIT, **RAN),
        with_tasks(failing("x", started=None), stopped("worker", EXIT, CHANGED - timedelta(days=1), **RAN)),
        with_tasks(healthy(), stopped("frontend", EXIT, NOW, **RAN)),
    ],
    ids=["healthy", "never started", "no CloudWatch", "stale", "a stranger's"],
)
def test_no_log_is_read_in_vain(snapshot: Snapshot) -> None:
    """Only a consumer's task that ran, failed on the current version and logs to CloudWatch has last words."""
    logs = Logs(("ERROR: x",))
    assert ask(logs, snapshot, failure_logs.read) == ({}, {})
    assert logs.calls == []


def test_the_log_of_a_container_for_which_others_waited_is_read() -> None:
    """The task never started as a whole, and the container's last words say why it ended."""
    waiting = failing("Task failed to start", started=None, containers=(TaskContainer("worker", 1, ""),))
    found, _ = ask(Logs(("ERROR: x",)), waiting, failure_logs.read)
    assert {line for lines in found.values() for line in lines} == {"The log of worker says: ERROR: x"}


def test_a_log_is_read_where_it_is_written() -> None:
    """A container may log to another region, where the environment's own has no such group."""
    logs, elsewhere = Logs((f"{EXIT}: Error",)), Logs(code="ResourceNotFoundException")
    away = with_container(failing(), "worker", lambda old: replace(old, log_region="eu-west-1"))
    with ThreadPoolExecutor(4) as pool:
        by_region = cast(Clients, lambda _, region="": logs if region == "eu-west-1" else elsewhere)
        assert failure_logs.read(Gatherer(pool, by_region, away.environment, away.caller), away)
    assert logs.calls and not elsewhere.calls


def test_a_log_in_a_region_that_is_not_enabled_is_a_gap() -> None:
    """It refuses credentials that are good elsewhere, which ends no run."""
    away = with_container(failing(), "worker", lambda old: replace(old, log_region="me-south-1"))
    _, gaps = ask(Logs(code="UnrecognizedClientException"), away, failure_logs.read)
    (gap,) = gaps["log_lines"]
    assert gap.sentence.endswith("If they are accepted elsewhere, me-south-1 is not enabled for the account.")
    with pytest.raises(CouldNotLook):
        ask(Logs(code="UnrecognizedClientException"), failing(), failure_logs.read)


def test_a_missing_stream_is_no_gap() -> None:
    """A task that logged nothing has said nothing."""
    assert ask(Logs(code="ResourceNotFoundException"), failing(), failure_logs.read) == ({}, {})


def test_a_refusal_is_a_gap() -> None:
    """Where logs may not be read, the check that needs them is unknown and names the permission."""
    found, gaps = ask(Logs(code="AccessDeniedException"), failing(), failure_logs.read)
    assert gaps["log_lines"] == (
        ReadFailure("the log of worker", "logs:GetLogEvents", "AccessDeniedException", "denied"),
    )
    [check] = [check for check in CHECKS if check.id == "store-only"]
    [answer] = run_check(check, replace(failing(), log_lines=found, gaps=gaps))
    assert answer.status == "unknown"
    assert "logs:GetLogEvents" in answer.evidence[0]


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ('FATAL: password authentication failed for user "app"', True),
        ("HTTP status 401 from the provider", True),
        ("KeyError: 'X'", False),
        ("ERROR: took 535 ms", False),
    ],
)
def test_a_refused_value_is_told(line: str, refused: bool) -> None:
    """Only then is the former version read as well."""
    assert failure_logs.has_login_failure(replace(healthy(), log_lines={"1": (line,)})) == refused


@pytest.mark.parametrize(
    ("line", "is_failure"),
    [
        *(
            (f"worker: {word}", True)
            for word in ("Error", "exception", "FATAL", "critical", "panic", "refused", "denied")
        ),
        *((f"login {word}", True) for word in ("failed", "unauthorized", "unauthorised", "invalid", "incorrect")),
        *(("sqlalchemy.exc.OperationalError: x", True), ("java.io.IOException: x", True)),
        *((f"worker: {word}", False) for word in ("errors", "exceptional", "nonfatal", "validity", "ready")),
    ],
)
def test_which_lines_of_a_log_tell_of_a_failure(line: str, is_failure: bool) -> None:
    """By a whole word, or the end of an exception's name."""
    assert bool(failure_logs.ERROR.search(line)) is is_failure


def test_who_changed_the_current_version_is_asked_once() -> None:
    """A look that knows the writes and reads already asks for no more."""
    trail = Trail()
    snapshot, _ = ask(trail, healthy(), follow_ups.read_authors)
    assert sorted(trail.calls) == sorted([*follow_ups.WRITES, "GetSecretValue"])
    trail.calls.clear()
    ask(trail, snapshot, follow_ups.read_authors)
    assert trail.calls == []


def test_who_deleted_the_secret_is_asked_where_somebody_did() -> None:
    """DeleteSecret and PutResourcePolicy are looked up only where there is something to explain."""
    trail = Trail()
    deleted = replace(with_secret(healthy(), deleted=NOW), resource_policy=policy("Deny", kind="resource"))
    found, _ = ask(trail, deleted, follow_ups.read_authors)
    assert {follow_ups.DELETED, follow_ups.POLICY} < set(trail.calls)
    assert found.writes == ()


def test_a_version_is_read_again_only_where_it_was_not() -> None:
    """AWSPREVIOUS is asked for once."""
    snapshot = rotated(healthy(), NOW, SECRET_KEY=secrets.token_hex(32))
    assert snapshot.secret
    previous, values = snapshot.secret.version_at("AWSPREVIOUS"), Values()
    assert ask(values, snapshot, follow_ups.read_previous)[0].contents.keys() == snapshot.contents.keys()
    contents = {id: content for id, content in snapshot.contents.items() if id != previous}
    ask(values, replace(snapshot, contents=contents), follow_ups.read_previous)
    assert values.calls == [previous]
