"""How soon one learns that a rotation has failed, and why, and whether it is put right: the runbook, the guide's way.

Each measurement has a healthy world of its own. CASES are `refused`, a value that the application refuses when it
starts; `database`, a password that the database does not know; and `good`, a value that nothing is wrong with.
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

SHOWN = ("told", "ratio", "range", "told why", "put right", "AWSCURRENT", "tasks hold", "said")
ROTATING = Path(__file__).with_name("rotating.py")


class Case(NamedTuple):
    """A value to rotate in, and whether it is one to keep."""

    key: str
    value: Callable[[], str]
    is_good: bool = False
    database: bool = False


CASES = {
    "refused": Case("SENTRY_DSN", lambda: "nowhere://sentry"),
    "database": Case("POSTGRES_PASSWORD", lambda: secrets.token_hex(24), database=True),
    "good": Case("SECRET_KEY", lambda: secrets.token_hex(32), is_good=True),
}


@dataclass(frozen=True)
class Ended:
    """When one was told how it ended, where that was true, when why, and when all was right; None is never."""

    told: float | None = None
    why: float | None = None
    said: str = ""
    right: float | None = None
    left: tuple[str, str] = ("", "")
    """Which value is current then, and which the tasks hold."""


@dataclass(frozen=True)
class Scene:
    """A case in a world of its own, seen from beside the slow network that a way has before it."""

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
        """Those of a process that rotates."""
        return calls.variables(self.sandbox, self.network) | {"NEW": self.new}

    def members(self) -> dict[str, str]:
        """The secret's current members."""
        found: dict[str, str] = json.loads(self.world.secretsmanager.get_secret_value(SecretId=SECRET)["SecretString"])
        return found

    def left(self) -> tuple[str, str]:
        """Which value is current, and which have the processes that serve, of each service that has the key."""
        found = set()
        for task in lifecycle.status(self.sandbox)["tasks"]:
            text = Path(f"/proc/{task['pid']}/environ").read_text() if task["health"] else ""
            if value := dict(line.partition("=")[::2] for line in text.split("\0")).get(self.case.key):
                found.add(f"{task['service']} {'new' if value == self.new else 'former'}")
        return "new" if self.members()[self.case.key] == self.new else "former", ", ".join(sorted(found))

    def first_stop(self, before: set[str]) -> float:
        """When the first task of a deployment stopped that was not there before."""
        ecs, pages = self.world.ecs, self.world.ecs.get_paginator("list_tasks")
        arns = [page["taskArns"] for page in pages.paginate(cluster=CLUSTER, desiredStatus="STOPPED")]
        tasks = [each for some in arns if some for each in ecs.describe_tasks(cluster=CLUSTER, tasks=some)["tasks"]]
        return min(task["stoppingAt"].timestamp() for task in tasks if task["startedBy"] not in before)

    def whole_since(self) -> float | None:
        """Since when each consumer has one deployment, and that completed; None where one has not."""
        names = [service.name for service in CONSUMERS]
        services = self.world.ecs.describe_services(cluster=CLUSTER, services=names)["services"]
        is_whole = all([each["rolloutState"] for each in one["deployments"]] == ["COMPLETED"] for one in services)
        return max(one["deployments"][0]["updatedAt"].timestamp() for one in services) if is_whole else None


def run_rotate(scene: Scene) -> Ended:
    """The runbook without a person: why it fails is on standard error at once, how it ended is its exit code."""
    given = {"keys": scene.case.key, "values_from": "env:NEW", "apply": "true"}
    words = [word for name, value in given.items() for word in ("-p", name, value)]
    with tempfile.TemporaryDirectory() as folder:
        command = [str(SCRIPTS / "omc-runbook"), "run", "rotate", "--record", folder, *words]
        silent = {"env": scene.variables, "cwd": folder, "stdout": subprocess.DEVNULL}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **silent) as running:
            assert running.stderr is not None
            why = next((time.time() for line in running.stderr if line.startswith(FAILED)), None)
            code = running.wait()
    told = time.time() if scene.case.is_good and code == 0 else why
    return Ended(told, why, f"exit code {code}")


def use_verbs(scene: Scene) -> Ended:
    """The runbook's verbs, which show in JupyterLab how they fare while they are at work."""
    command = [sys.executable, str(ROTATING), scene.case.key, "env:NEW"]
    return Ended(**json.loads(subprocess.run(command, env=scene.variables, check=True, stdout=subprocess.PIPE).stdout))


def follow_guide(scene: Scene, *services: str) -> Ended:
    """The guide's commands, through boto3: write, force new deployments, wait until the services are stable."""
    world, document = (
        World(scene.network.endpoint, credentials=scene.sandbox.credentials),
        scene.members() | {scene.case.key: scene.new},
    )
    world.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=json.dumps(document))
    for service in services:
        world.ecs.update_service(cluster=CLUSTER, service=service, forceNewDeployment=True)
    waiter = world.ecs.get_waiter("services_stable")
    try:
        waiter.wait(cluster=CLUSTER, services=services, WaiterConfig={"MaxAttempts": scene.attempts})
    except WaiterError as error:
        said = str(error.kwargs["reason"]).partition(".")[0]
        return Ended(None if scene.case.is_good else time.time(), None, said)
    looks = scene.network.by_action()["DescribeServices"]
    return Ended(time.time() if scene.case.is_good else None, None, f"stable, at look {looks}")


Way = Callable[[Scene], Ended]
WAYS: dict[str, Way] = {
    "omc-runbook run rotate": run_rotate,
    "rotate's verbs, as in JupyterLab": use_verbs,
    "the guide: backend": lambda scene: follow_guide(scene, "backend"),
    "the same with worker": lambda scene: follow_guide(scene, "backend", "worker"),
}


def measure(case: Case, way: Way, delay_ms: float, attempts: int) -> Ended:
    """Let one way rotate: seconds since the first task stopped, or where the value is good since the start."""
    sandbox = lifecycle.up("healthy", database=case.database)
    try:
        with proxy.between(sandbox.endpoint, delay_ms / 1000) as network:
            scene = Scene(case, case.value(), sandbox, network, attempts)
            before = {deployment["id"] for service in scene.world.services() for deployment in service["deployments"]}
            start = time.time()
            ended = way(scene)
        start = start if case.is_good else scene.first_stop(before)
        left = scene.left()
        right = None if ("former" if case.is_good else "new") in " ".join(left) else scene.whole_since()
    finally:
        lifecycle.down(sandbox)
    seconds = [moment and moment - start for moment in (ended.told, ended.why, right)]
    return Ended(seconds[0], seconds[1], ended.said, seconds[2], left)


@click.command(help=__doc__)
@click.argument("cases", nargs=-1, type=click.Choice([*CASES]))
@click.option("--rounds", default=3, show_default=True)
@click.option("--attempts", default=40, show_default=True, help="Looks, 15 s apart, before the waiter gives up.")
@click.option("--delay", default=calls.DELAY_MS, show_default=True, help="Milliseconds before each call to AWS.")
def main(cases: tuple[str, ...], rounds: int, attempts: int, delay: float) -> None:
    """Let the ways take turns in each case, and print them side by side."""
    for name in cases or CASES:
        case = CASES[name]
        if case.database and not postgres.is_installed():
            click.echo(f"{name} is left out: pip install 'omc-runbook[sandbox]' brings its database.", err=True)
            continue
        turns = [[measure(case, way, delay, attempts) for way in WAYS.values()] for _ in range(rounds)]
        first = [turn[0].told for turn in turns]
        click.echo(f"\n| {' | '.join((name, *SHOWN))} |\n|---|{'--:|' * (len(SHOWN) - 3)}---|---|---|")
        for way, found in zip(WAYS, zip(*turns, strict=True), strict=True):
            why = "" if case.is_good else beside([each.why for each in found], first)[0]
            right = beside([each.right for each in found], first)[0]
            cells = [way, *beside([each.told for each in found], first), why, right]
            ends = zip(*((*each.left, each.said) for each in found), strict=True)
            cells += [" / ".join(dict.fromkeys(texts)) for texts in ends]
            click.echo(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
