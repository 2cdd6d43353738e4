"""How long whole processes take, side by side: runs of verify and troubleshoot, plain papermill, the guide's commands.

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
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import calls
import click
import nbformat
import proxy
from nbformat.v4 import new_code_cell, new_notebook

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking import registry
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds import build
from omc_runbook.sandbox.worlds.staging import CLUSTER, EXECUTION_ROLE, SECRET, SECRETS_POLICY, STAGING

SCRIPTS = Path(sys.executable).parent
HEAVY = ("boto3", "pandas", "matplotlib", "papermill", "jupyterlab", "moto")
SIZE = 100_000
MEGABYTE = 1024
GUIDE = f"""
set -euo pipefail
aws ecs describe-task-definition --task-definition {STAGING}-backend \\
    | jq '.taskDefinition.containerDefinitions[0].secrets'
TASK_ID=$(aws ecs list-tasks --cluster {CLUSTER} --service backend | jq -r '.taskArns[0]' | cut -d'/' -f3)
aws ecs execute-command --cluster {CLUSTER} --task $TASK_ID --container backend \\
    --command "env | grep -E 'SECRET_KEY|OPENAI_API_KEY'" --interactive || true
aws secretsmanager get-secret-value --secret-id {SECRET} | jq -r '.SecretString' > secrets.json
aws secretsmanager describe-secret --secret-id {SECRET}
aws iam get-role-policy --role-name {EXECUTION_ROLE} --policy-name {SECRETS_POLICY}
aws ecs describe-task-definition --task-definition {STAGING}-backend
"""
"""The seven commands with which the guide verifies secrets and troubleshoots them; execute-command may be refused."""
VERIFY, TROUBLESHOOT, SCRIPT = "omc-runbook run verify", "omc-runbook run troubleshoot", "the guide's 7 commands and jq"
PLAIN, NOTHING = "papermill verify.ipynb", "papermill, one empty cell"
GOALS = {(VERIFY, SCRIPT): 0.5, (TROUBLESHOOT, SCRIPT): 0.7, (PLAIN, NOTHING): 1.7}
"""How long one way may take beside another."""


@dataclass(frozen=True)
class Usage:
    """What a process used, with the children that it waited for."""

    output: str
    cpu_seconds: float
    megabytes: float
    """Of the largest process."""


Way = Callable[[], Usage | None]


def start(command: Sequence[str], variables: Mapping[str, str], folder: Path) -> Usage:
    """Run a command to its end; raises CalledProcessError for another exit code than 0."""
    with subprocess.Popen(
        command, env=variables, cwd=folder, stdout=-1, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Usage(output, used.ru_utime + used.ru_stime, used.ru_maxrss / MEGABYTE)


def main_ways(variables: Mapping[str, str], folder: Path) -> dict[str, Way]:
    """The ways to learn whether the secrets reach the tasks."""

    def call(*words: str | Path) -> Usage:
        return start([str(word) for word in words], variables, folder)

    def aws(*words: str) -> Any:
        return json.loads(call("aws", *words, "--output", "json").output or "{}")

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

    notebook, nothing = notebooks() / "verify.ipynb", folder / "nothing.ipynb"
    run, papermill, record = (SCRIPTS / "omc-runbook", "run"), SCRIPTS / "papermill", ("--record", folder / "record")
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[new_code_cell("pass")], metadata={"kernelspec": kernel}), nothing)
    ways: dict[str, Way] = {
        VERIFY: lambda: call(*run, "verify", *record),
        f"{VERIFY} --kernel": lambda: call(*run, "verify", *record, "--kernel"),
        TROUBLESHOOT: lambda: call(*run, "troubleshoot", *record),
        PLAIN: lambda: call(papermill, notebook, folder / "out.ipynb"),
        NOTHING: lambda: call(papermill, nothing, folder / "out.ipynb"),
        "a look alone, no notebook": lambda: call(sys.executable, "-c", calls.LOOK),
    }
    if shutil.which("aws") and shutil.which("jq"):
        return ways | {SCRIPT: lambda: call("bash", "-c", GUIDE), "aws, 15 commands by hand": by_hand}
    click.echo("The AWS CLI or jq is not installed: the guide's commands are skipped.", err=True)
    return ways


def start_ways() -> dict[str, Way]:
    """The command line's start, beside Python's own and the imports of a run."""

    def call(*words: str) -> Way:
        return lambda: start(words, os.environ, Path.cwd())

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
    # What was searched is remembered: each text is another.
    turns = count()

    def way(act: Callable[[], object]) -> Way:
        def once() -> None:
            act()

        return once

    return {
        "masking, no value in it": way(lambda: registry.mask(f"{next(turns)} {plain}")),
        "masking, fifty values in it": way(lambda: registry.mask(f"{next(turns)} {leaky}")),
        "masking a record once it is finished": way(lambda: registry.mask_thoroughly(f"{next(turns)} {plain}")),
    }


def compare(title: str, ways: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    """Let the ways take turns, after one turn that does not count, print each beside the first, and return the seconds.

    Of processes the CPU's seconds and the memory are printed too, as medians.
    """
    seconds_by_way: dict[str, list[float]] = {name: [] for name in ways}
    usages_by_way: dict[str, list[Usage]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            beginning = time.perf_counter()
            usage = way()
            if turn:
                seconds_by_way[name].append(time.perf_counter() - beginning)
                usages_by_way[name] += [usage] if usage else []
    first = next(iter(ways))
    click.echo(f"\n| {title} | seconds | ratio to the first | range | CPU | MB |\n|---|--:|--:|--:|--:|--:|")
    for name, seconds in seconds_by_way.items():
        usages = usages_by_way[name]
        cpu = f"{statistics.median(each.cpu_seconds for each in usages):.2f}" if usages else ""
        memory = f"{statistics.median(each.megabytes for each in usages):.0f}" if usages else ""
        click.echo(f"| {' | '.join([name, *beside(seconds, seconds_by_way[first]), cpu, memory])} |")
    return seconds_by_way


def missed(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """Print how long ways take beside others, and return a sentence for each goal that is missed."""
    click.echo("\n| way | beside | ratio | goal |\n|---|---|--:|--:|")
    sentences = []
    for (way, other), goal in GOALS.items():
        if other in seconds:
            ratio = statistics.median(mine / base for mine, base in zip(seconds[way], seconds[other], strict=True))
            click.echo(f"| {way} | {other} | {ratio:.2f} | {goal} |")
            sentences += [f"{way} takes more than {goal} of {other}."] if ratio > goal else []
    return sentences


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
            failures = missed(compare("whole process", main_ways(variables, Path(folder)), rounds))
    finally:
        lifecycle.down(sandbox)
    compare("start", start_ways(), rounds)
    compare("100 KB", masking_ways(), 20 * rounds)
    heavy = heavy_imports()
    click.echo(f"\nOf {', '.join(HEAVY)} the command line loads: {', '.join(heavy) or 'none'}.")
    for sentence in failures:
        click.echo(sentence, err=True)
    context.exit(1 if heavy or failures else 0)


if __name__ == "__main__":
    main()
