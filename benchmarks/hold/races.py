"""Writers that change the secret at the same moment: two operators, an AWS CLI, and Terraform.

The operators are this package's update. The CLI reads the document, changes one key and puts it back; Terraform
replaces the whole document. What was acknowledged is in force, or another writer's later write replaced it.
"""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hold.racing_operator import digest
from benchmarks.hold.trial import Profile, Try
from benchmarks.hold.workplace import SECONDS, Workplace, forked, last_line, new_workplace
from omc_runbook.sandbox import postgres

OPERATOR = Path(__file__).with_name("racing_operator.py")
ROUNDS, FEW_ROUNDS = 200, 30
ROTATIONS, FEW_ROTATIONS = 20, 2
DATABASE_ROTATIONS = 10
DATABASE = "OMC_SANDBOX_DATABASE_URL"
JITTER = 0.06
"""Seconds within which all writers of a round begin."""
TOLD = (1, 2, 3)
"""The exit codes of a run that says that it is not done."""
FIRST = ("SECRET_KEY", "POSTGRES_PASSWORD", "FIRST_SUPERUSER_PASSWORD", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Written:
    """A write that was acknowledged: the version that it is based on, its own, and digests of its values."""

    writer: str
    base: str
    version: str
    digests: Mapping[str, str]

    @property
    def is_ours(self) -> bool:
        """Whether this package wrote it, only over what its plan was made on."""
        return self.writer.startswith("operator")


class Secret:
    """A secret without consumers, so that a round takes no longer than its writes."""

    def __init__(self, workplace: Workplace) -> None:
        self.client, self.name = workplace.world.secretsmanager, f"own-{secrets.token_hex(4)}"
        document = {key: secrets.token_hex(32) for key in (*FIRST, "BY_CLI", "BY_TERRAFORM")}
        self.client.create_secret(Name=self.name, SecretString=json.dumps(document))

    def read(self, **which: str) -> tuple[str, dict[str, str]]:
        """A version's id and members."""
        answer = self.client.get_secret_value(SecretId=self.name, **which)
        return answer["VersionId"], json.loads(answer["SecretString"])

    def put(self, document: Mapping[str, str]) -> str:
        """Write a document as the CLI does; its version's id."""
        token = str(uuid.uuid4())
        text = json.dumps(document)
        self.client.put_secret_value(SecretId=self.name, SecretString=text, ClientRequestToken=token)
        return token

    def labels(self) -> list[str]:
        """All staging labels."""
        stages = self.client.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        return [label for labels in stages.values() for label in labels]


def tries(profile: Profile, seed: int) -> Iterator[Try]:
    """So many rounds of all writers at once, and of two whole rotations."""
    with new_workplace() as workplace:
        secret = Secret(workplace)
        with operators(workplace, secret, 2) as processes:
            for number in range(ROUNDS if profile.is_long else FEW_ROUNDS):
                what = f"round {number}"
                if profile.has(what):
                    failure = _round(secret, processes, random.Random(f"{seed} {number}"))
                    yield Try("four writers at once", what, failure)
        for number in range(ROTATIONS if profile.is_long else FEW_ROTATIONS):
            what = f"two rotations, {number}"
            if profile.has(what):
                yield Try(
                    "two whole rotations at once", what, _two_rotations(workplace, random.Random(f"{seed} {number}"))
                )
    if postgres.is_installed():
        yield from _of_database(profile, seed)


def _of_database(profile: Profile, seed: int) -> Iterator[Try]:
    """Rotations of the database's password: by two login roles in turns, and by one that has one password."""
    with new_workplace(database=True) as workplace:
        for number in range(DATABASE_ROTATIONS if profile.is_long else 1):
            for roles in ("two roles", "one role"):
                what = f"database, {roles}, {number}"
                if profile.has(what):
                    failure = _two_of_database(workplace, roles == "one role", random.Random(f"{seed} {what}"))
                    yield Try("two rotations of a database password at once", what, failure)


@contextmanager
def operators(workplace: Workplace, secret: Secret, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that wait for keys to update; they end with the context."""
    variables = workplace.variables | {"OMC_SECRET": secret.name, "OMC_CLUSTER": "ohmycoins-staging"}
    command = [sys.executable, str(OPERATOR)]
    streams: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with ExitStack() as ends:
        processes: list[subprocess.Popen[str]] = []
        for _ in range(count):
            process: Any = subprocess.Popen(command, env=variables, cwd=workplace.work, **streams)
            ends.callback(process.wait)
            ends.callback(process.kill)
            processes.append(process)
        yield processes


def _round(secret: Secret, processes: list[subprocess.Popen[str]], draw: random.Random) -> str:
    """One round; what does not hold after it, "" for nothing."""
    first, document = secret.read()
    acts: list[Callable[[], Written | None]] = []
    for number, process in enumerate(processes):
        _tell(process, draw.choice(FIRST[:3]))
        if _hear(process) != "ready":
            return f"operator {number} ended"
        acts.append(lambda number=number, process=process: _apply(number, process))  # type: ignore[misc]
    # They have read what they change before anybody writes.
    by_cli, whole = ({**document, name: secrets.token_hex(16)} for name in ("BY_CLI", "BY_TERRAFORM"))
    if draw.random() < 0.7:
        acts.append(lambda: _put(secret, "CLI", first, by_cli, "BY_CLI"))
    if draw.random() < 0.3:
        acts.append(lambda: _put(secret, "Terraform", first, whole, "BY_TERRAFORM"))
    writes = _at_once(acts, draw)
    return _judge(secret, first, [each for each in writes if each])


def _judge(secret: Secret, first: str, writes: list[Written]) -> str:
    labels, by_version = secret.labels(), {each.version: each for each in writes}
    own = [label for label in labels if not label.startswith("AWS")]
    if labels.count("AWSCURRENT") != 1 or own:
        return f"AWSCURRENT is on {labels.count('AWSCURRENT')} versions, and these labels are left: {own}"
    if len(by_version) != len(writes):
        return "two writers were told of one version"
    current, members = secret.read()
    line, at = [current], current
    while at != first and at in by_version and by_version[at].is_ours:
        at = by_version[at].base
        line.append(at)
    if at != first and at not in by_version:
        return "the current version is nobody's who was told so"
    for each in writes:
        _, own_members = secret.read(VersionId=each.version)
        if any(digest(own_members[key]) != value for key, value in each.digests.items()):
            return f"the version of {each.writer} has other values than it was told"
        # Ours are made only on what they were planned on, so a line of ours alone has lost somebody's write.
        if at == first and each.version not in line:
            return f"what {each.writer} wrote was replaced by one of ours"
    since = [by_version[version] for version in reversed(line) if version in by_version]
    expected = {key: value for each in since for key, value in each.digests.items()}
    lacking = [key for key, value in expected.items() if digest(members[key]) != value]
    return f"the current version lacks {', '.join(lacking)}" if lacking else ""


def _at_once(acts: list[Callable[[], Written | None]], draw: random.Random) -> list[Written | None]:
    """The answers to all writers, who begin at about the same time."""
    answers: list[Written | None] = [None] * len(acts)
    delays = [draw.uniform(0, JITTER) for _ in acts]

    def act(number: int) -> None:
        time.sleep(delays[number])
        answers[number] = acts[number]()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _apply(number: int, process: subprocess.Popen[str]) -> Written | None:
    _tell(process, "go")
    answer = json.loads(_hear(process) or '{"outcome": "ended"}')
    if answer.pop("outcome") != "written":
        return None
    return Written(writer=f"operator {number}", **answer)


def _put(secret: Secret, writer: str, base: str, document: Mapping[str, str], key: str) -> Written:
    return Written(writer, base, secret.put(document), {key: digest(document[key])})


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def _two_rotations(workplace: Workplace, draw: random.Random) -> str:
    """Two whole runs at once; one may report a conflict with the other, and another run then does what is left."""
    former, keys = workplace.members(), draw.sample(("SECRET_KEY", "FIRST_SUPERUSER_PASSWORD"), 2)
    runs = []
    for key in keys:
        time.sleep(draw.uniform(0, 0.5))
        words = workplace.command("rotate", (f"keys={key}", "apply=true"))
        runs.append(forked.Forked(words, workplace.variables, workplace.work))
    ends = [(run.communicate(SECONDS), run.poll()) for run in runs]
    now = workplace.members()
    for key, (outputs, code) in zip(keys, ends, strict=True):
        if code not in (0, *TOLD) or not "".join(outputs).strip():
            return f"the rotation of {key} ends with {code}"
        if code == 0 and now[key] == former[key]:
            return f"{key} is as before, and its rotation ended with 0"
    again = workplace.run("rotate", ("values_from=keep", "apply=true"))
    if again.returncode:
        return f"a run that keeps all values ends with {again.returncode}: {last_line(again)}"
    expected = {**former, **{key: now[key] for key in keys}}
    return workplace.wrong_secret(expected) or workplace.wrong_tasks()


def _two_of_database(workplace: Workplace, is_own: bool, draw: random.Random) -> str:
    """Two rotations of the same password at once: the database accepts what the secret then says, and a third works."""
    import psycopg

    database, former = workplace.sandbox.database, workplace.members()
    assert database, "the sandbox has one"
    at = f"{database.host}:{database.port}/{database.dbname}"

    def command() -> list[str]:
        words = ("keys=POSTGRES_PASSWORD", f"database_url_from=env:{'OWN' if is_own else DATABASE}", "apply=true")
        return workplace.command("rotate", words)

    def variables() -> dict[str, str]:
        now = workplace.members()
        return workplace.variables | {"OWN": f"postgresql://{now['POSTGRES_USER']}:{now['POSTGRES_PASSWORD']}@{at}"}

    def wrong_login() -> str:
        now = workplace.members()
        login = {"user": now["POSTGRES_USER"], "password": now["POSTGRES_PASSWORD"]}
        try:
            psycopg.connect(host=database.host, port=database.port, dbname=database.dbname, **login).close()
        except psycopg.OperationalError:
            return "the database refuses the login that the secret has"
        return ""

    runs = []
    for _ in range(2):
        runs.append(forked.Forked(command(), variables(), workplace.work))
        time.sleep(draw.uniform(0, 0.3))
    codes = [(run.communicate(SECONDS), run.poll())[1] for run in runs]
    if set(codes) - {0, *TOLD}:
        return f"they end with {codes}"
    if wrong := wrong_login() or workplace.wrong_tasks():
        return f"after {codes}: {wrong}"
    if 0 in codes and workplace.members()["POSTGRES_PASSWORD"] == former["POSTGRES_PASSWORD"]:
        return "nothing is renewed, and a rotation ended with 0"
    third = forked.run(command(), variables(), workplace.work, SECONDS)
    if third.returncode:
        return f"after {codes} a third ends with {third.returncode}: {last_line(third)}"
    expected = workplace.members()
    return wrong_login() or workplace.wrong_secret(expected) or workplace.wrong_tasks()
