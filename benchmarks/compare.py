"""How long whole processes take, side by side: a run of verify, plain papermill, and the guide's steps by hand.

The ways take turns, so that a busy moment of the machine falls on all of them; a ratio is that of one round.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import calls
import click
import proxy

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking import registry
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds import build
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRET

SCRIPTS = Path(sys.executable).parent
HEAVY = ("boto3", "pandas", "matplotlib", "papermill", "jupyterlab", "moto")
SIZE = 100_000
Way = Callable[[], object]


def main_ways(variables: Mapping[str, str], folder: Path) -> dict[str, Way]:
    """The ways to learn whether the secrets reach the tasks."""

    def call(*words: str | Path) -> str:
        command = [str(word) for word in words]
        return subprocess.run(command, env=variables, cwd=folder, check=True, capture_output=True, text=True).stdout

    def aws(*words: str) -> Any:
        return json.loads(call("aws", *words, "--output", "json") or "{}")

    def by_hand() -> None:
        cluster, secret = ("--cluster", CLUSTER), ("--secret-id", SECRET)
        aws("sts", "get-caller-identity")
        aws("secretsmanager", "describe-secret", *secret)
        aws("secretsmanager", "list-secret-version-ids", *secret)
        aws("secretsmanager", "get-secret-value", *secret)
        aws("secretsmanager", "get-resource-policy", *secret)
        services = aws("ecs", "list-services", *cluster)["serviceArns"]
        for service in aws("ecs", "describe-services", *cluster, "--services", *services)["services"]:
            aws("ecs", "describe-task-definition", "--task-definition", service["taskDefinition"])
        tasks = aws("ecs", "list-tasks", *cluster)["taskArns"]
        aws("ecs", "list-tasks", *cluster, "--desired-status", "STOPPED")
        aws("ecs", "describe-tasks", *cluster, "--tasks", *tasks)
        role = aws("iam", "get-role", "--role-name", EXECUTION_ROLE)["Role"]["Arn"]
        action = ("--action-names", "secretsmanager:GetSecretValue")
        aws("iam", "simulate-principal-policy", "--policy-source-arn", role, *action)

    notebook = notebooks() / "verify.ipynb"
    ways: dict[str, Way] = {
        "omc-runbook run verify": lambda: call(SCRIPTS / "omc-runbook", "run", "verify", "--record", folder / "record"),
        "papermill verify.ipynb": lambda: call(SCRIPTS / "papermill", notebook, folder / "out.ipynb"),
        "a look alone, no notebook": lambda: call(sys.executable, "-c", calls.LOOK),
    }
    if shutil.which("aws"):
        return ways | {"aws, 15 commands by hand": by_hand}
    click.echo("The AWS CLI is not installed: the guide's steps by hand are skipped.", err=True)
    return ways


def start_ways() -> dict[str, Way]:
    """The command line's start, beside Python's own and the imports of a run."""

    def call(*words: str) -> Way:
        return lambda: subprocess.run(words, check=True, capture_output=True)

    return {
        "omc-runbook --help": call(str(SCRIPTS / "omc-runbook"), "--help"),
        "python -c pass": call(sys.executable, "-c", "pass"),
        "importing a notebook's package": call(sys.executable, "-c", "import omc_runbook.runbooks.verify"),
        "importing papermill and nbconvert": call(sys.executable, "-c", "import papermill, nbconvert"),
    }


def masking_ways() -> dict[str, Way]:
    """Masking 100 KB of a log, with the healthy world's nine values and one more registered."""
    for name, value in build.healthy_document().items():
        registry.register(value, name)
    line = "2025-01-01T00:00:00Z INFO backend order {} of 12 accepted in 17 ms for trader@example.com\n"
    plain = "".join(line.format(secrets.token_hex(6)) for _ in range(SIZE // len(line)))
    value = f"sk-{secrets.token_hex(24)}"
    registry.register(value, "OPENAI_API_KEY")
    leaky = plain.replace("of 12", f"with {value}", SIZE // 2000)
    return {
        "masking, no value in it": lambda: registry.mask(plain),
        "masking, fifty values in it": lambda: registry.mask(leaky),
        "masking a record once it is finished": lambda: registry.mask_thoroughly(plain),
    }


def compare(title: str, ways: Mapping[str, Way], rounds: int) -> None:
    """Let the ways take turns, after one turn that does not count, and print each beside the first."""
    seconds_by_way: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds_by_way[name].append(time.perf_counter() - start)
    first = next(iter(ways))
    click.echo(f"\n| {title} | seconds | ratio to the first | range |\n|---|--:|--:|--:|")
    for name, seconds in seconds_by_way.items():
        click.echo(f"| {' | '.join([name, *beside(seconds[1:], seconds_by_way[first][1:])])} |")


def beside(mine: Sequence[float | None], other: Sequence[float | None]) -> tuple[str, str, str]:
    """The median of the seconds, and median and range of each round's ratio to the other's; None is never."""
    seconds = [each for each in mine if each is not None]
    if len(seconds) < len(mine):
        return f"{len(seconds)} of {len(mine)}" if seconds else "never", "", ""
    ratios = [each / base for each, base in zip(seconds, other, strict=True) if base]
    middle, widest = f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}–{max(ratios):.2f}"
    return f"{statistics.median(seconds):.4g}", middle, widest


def heavy_imports() -> list[str]:
    """The heavy libraries that importing the command line loads, as Python reports them."""
    command = [sys.executable, "-X", "importtime", "-c", "import omc_runbook.cli"]
    imports = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in imports.splitlines()}
    return sorted(loaded.intersection(HEAVY))


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True)
@click.option("--delay", default=calls.DELAY_MS, show_default=True, help="Milliseconds before each call to AWS.")
@click.pass_context
def main(context: click.Context, rounds: int, delay: float) -> None:
    """Compare, on the healthy world."""
    os.environ.pop("AWS_PROFILE", None)
    sandbox = lifecycle.up("healthy")
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            proxy.between(sandbox.endpoint, delay / 1000) as network,
        ):
            variables = calls.variables(sandbox, network)
            compare("whole process", main_ways(variables, Path(folder)), rounds)
    finally:
        lifecycle.down(sandbox)
    compare("start", start_ways(), rounds)
    compare("100 KB", masking_ways(), 20 * rounds)
    heavy = heavy_imports()
    click.echo(f"\nOf {', '.join(HEAVY)} the command line loads: {', '.join(heavy) or 'none'}.")
    context.exit(1 if heavy else 0)


if __name__ == "__main__":
    main()
