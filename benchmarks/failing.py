"""How soon a person learns that a rotation failed, and why, and when all works again: the runbook and the guide's way.

Each measurement has a healthy world of its own. CASES are `refused`, a value that the application refuses when it
starts; `database`, a password that the database does not know; and `good`, a good value.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import calls
import click
import proxy
from botocore.exceptions import WaiterError
from compare import SCRIPTS, beside

from omc_runbook.model.handover import FAILED
from omc_runbook.sandbox import lifecycle, postgres
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, CONSUMERS, SECRET, World

REFUSED = "https://0@256.256.256.256/4"
"""A text that the catalogue takes for a DSN, and the application does not."""
COLUMNS = ("reported", "ratio", "range", "reason", "recovered", "AWSCURRENT", "tasks hold", "message")
ROTATING = Path(__file__).with_name("rotating.py")


class Case(NamedTuple):
    """A value to rotate in, and whether it is one to keep."""

    key: str
    value: Callable[[], str]
    is_good: bool = False
    database: bool = False


CASES = {
    "refused": Case("SENTRY_DSN", lambda: REFUSED),
    "database": Case("POSTGRES_PASSWORD", lambda: secrets.token_hex(24), database=True),
    "good": Case("SECRET_KEY", lambda: secrets.token_hex(32), is_good=True),
}


@dataclass(frozen=True)
class Result:
    """When the true end was reported, when its reason, and when all worked again; None is never."""

    reported: float | None = None
    explained: float | None = None
    message: str = ""
    recovered: float | None = None
    values: tuple[str, str] = ("", "")
    """Which value is current afterwards, and which the tasks hold."""


@dataclass(frozen=True)
class Trial:
    """A case in a world of its own; the way goes through the slow network, the measurement does not."""

    case: Case
    new: str
    sandbox: Sandbox
    network: proxy.Network
    attempts: int

    @property
    def world(self) -> World:
        """The world as its administrator sees it."""
        return World(self.sandbox.endpoint)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that rotates."""
        return calls.variables(self.sandbox, self.network) | {"NEW": self.new}

    def members(self) -> dict[str, str]:
        """The secret's current members."""
        text = self.world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"]
        return json.loads(text)

    def values(self) -> tuple[str, str]:
        """Which value is current, and which the healthy tasks of each service with the key hold."""
        holders = set()
        for task in lifecycle.status(self.sandbox)["tasks"]:
            text = Path(f"/proc/{task['pid']}/environ").read_text() if task["health"] else ""
            if value := dict(line.partition("=")[::2] for line in text.split("\0")).get(self.case.key):
                holders.add(f"{task['service']} {'new' if value == self.new else 'former'}")
        return "new" if self.members()[self.case.key] == self.new else "former", ", ".join(sorted(holders))

    def first_stop(self, before: set[str]) -> float:
        """When the first task of a new deployment stopped."""
        ecs, pages = self.world.ecs, self.world.ecs.get_paginator("list_tasks")
        arns = [page["taskArns"] for page in pages.paginate(cluster=CLUSTER, desiredStatus="STOPPED")]
        tasks = [each for some in arns if some for each in ecs.describe_tasks(cluster=CLUSTER, tasks=some)["tasks"]]
        return min(task["stoppingAt"].timestamp() for task in tasks if task["startedBy"] not in before)

    def recovered(self) -> float | None:
        """When the last consumer's deployment completed; None where a consumer has another one too."""
        names = [service.name for service in CONSUMERS]
        services = self.world.ecs.describe_services(cluster=CLUSTER, services=names)["services"]
        has_recovered = all([each["rolloutState"] for each in one["deployments"]] == ["COMPLETED"] for one in services)
        return max(one["deployments"][0]["updatedAt"].timestamp() for one in services) if has_recovered else None


def run_rotate(trial: Trial) -> Result:
    """The headless runbook: it writes why it fails to standard error at once, and how it ended is its exit code."""
    parameters = {"keys": trial.case.key, "values_from": "env:NEW", "apply": "true"}
    words = [word for name, value in parameters.items() for word in ("-p", name, value)]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(SCRIPTS / "omc-runbook"), "run", "rotate", "--record", folder, *words]
        with subprocess.Popen(
            command,
            env=trial.variables,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stderr is not None
            explained = next((time.time() for line in running.stderr if line.startswith(FAILED)), None)
            code = running.wait()
    reported = time.time() if trial.case.is_good and code == 0 else explained
    return Result(reported, explained, f"exit code {code}")


def use_verbs(trial: Trial) -> Result:
    """The runbook's verbs, which show their progress in JupyterLab."""
    command = [sys.executable, str(ROTATING), trial.case.key, "env:NEW"]
    return Result(**json.loads(subprocess.run(command, env=trial.variables, check=True, stdout=subprocess.PIPE).stdout))


def follow_guide(trial: Trial, *services: str) -> Result:
    """The guide's commands, through boto3: write, force new deployments, wait until the services are stable."""
    world, document = (
        World(trial.network.endpoint, credentials=trial.sandbox.credentials),
        trial.members() | {trial.case.key: trial.new},
    )
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))
    for service in services:
        world.ecs.update_service(cluster=CLUSTER, service=service, forceNewDeployment=True)
    waiter = world.ecs.get_waiter("services_stable")
    try:
        waiter.wait(cluster=CLUSTER, services=services, WaiterConfig={"MaxAttempts": trial.attempts})
    except WaiterError as error:
        message = str(error.kwargs["reason"]).partition(".")[0]
        return Result(None if trial.case.is_good else time.time(), None, message)
    polls = trial.network.by_action()["DescribeServices"]
    return Result(time.time() if trial.case.is_good else None, None, f"stable, at poll {polls}")


Way = Callable[[Trial], Result]
WAYS: dict[str, Way] = {
    "omc-runbook run rotate": run_rotate,
    "rotate's verbs, as in JupyterLab": use_verbs,
    "the guide: backend": lambda trial: follow_guide(trial, "backend"),
    "the same with worker": lambda trial: follow_guide(trial, "backend", "worker"),
}


def measure(case: Case, way: Way, delay_ms: float, attempts: int) -> Result:
    """Let one way rotate; seconds count from the first task's stop, or for a good value from the start."""
    sandbox = lifecycle.up("healthy", database=case.database)
    try:
        with proxy.between(sandbox.endpoint, delay_ms / 1000) as network:
            trial = Trial(case, case.value(), sandbox, network, attempts)
            before = {deployment["id"] for service in trial.world.services() for deployment in service["deployments"]}
            start = time.time()
            result = way(trial)
        start = start if case.is_good else trial.first_stop(before)
        values = trial.values()
        recovered = None if ("former" if case.is_good else "new") in " ".join(values) else trial.recovered()
    finally:
        lifecycle.down(sandbox)
    reported, explained, recovered = (
        moment and moment - start for moment in (result.reported, result.explained, recovered)
    )
    return Result(reported, explained, result.message, recovered, values)


@click.command(help=__doc__)
@click.argument("cases", nargs=-1, type=click.Choice([*CASES]))
@click.option("--rounds", default=3, show_default=True)
@click.option("--attempts", default=40, show_default=True, help="Polls, 15 s apart, before the waiter gives up.")
@click.option("--delay", default=calls.DELAY_MS, show_default=True, help="Milliseconds before each call to AWS.")
def main(cases: tuple[str, ...], rounds: int, attempts: int, delay: float) -> None:
    """Let the ways take turns in each case, and print them side by side."""
    for name in cases or CASES:
        case = CASES[name]
        if case.database and not postgres.is_installed():
            click.echo(f"{name} is skipped: pip install 'omc-runbook[sandbox]' brings its database.", err=True)
            continue
        turns = [[measure(case, way, delay, attempts) for way in WAYS.values()] for _ in range(rounds)]
        first = [turn[0].reported for turn in turns]
        click.echo(f"\n| {' | '.join((name, *COLUMNS))} |\n|---|{'--:|' * (len(COLUMNS) - 3)}---|---|---|")
        for way, results in zip(WAYS, zip(*turns, strict=True), strict=True):
            explained = "" if case.is_good else beside([result.explained for result in results], first)[0]
            recovered = beside([result.recovered for result in results], first)[0]
            cells = [way, *beside([result.reported for result in results], first), explained, recovered]
            ends = zip(*((*result.values, result.message) for result in results), strict=True)
            cells += [" / ".join(dict.fromkeys(texts)) for texts in ends]
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
